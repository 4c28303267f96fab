/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The FIB: which next hop a destination has, by the longest prefix that contains it. One per
 * router and family. Knows no router: a leaf is a word of its user's (0: no route).
 *
 * Shape
 *	A trie of strides of 6 bits. A block holds the routes that end within its six bits, as
 *	they are: 126 places (2 of one bit to 64 of six), a bitmap says which are taken; and the
 *	blocks below it, by a second bitmap. Nothing is expanded, so the trie is also the
 *	writer's only record of the routes. Strides in which nothing branches are left out: a
 *	block knows the bits that lead to it (its window), and who comes by others is not meant.
 *	Each block keeps in addition what holds for all in it that no route of its own covers
 *	(answers[0]): so a lookup goes down to the last block on its way, and finds its answer
 *	there, in exactly one word.
 *
 *	With many routes a table of all values of the first bits stands in front and leads to the
 *	answer or into the trie (IPv4: 12 bits, then 18; IPv6: 14, then 20). It comes and goes
 *	with the number of routes; if there is no memory for it, lookups take longer.
 *
 * Threads
 *	One writer at a time (its lock is the caller's), any number of readers under RCU, which
 *	take no lock and never wait. A block's bitmaps never change: the writer makes a new block
 *	and stores one pointer. Leaves, answers[0] and pointers change in place. For each address
 *	a reader sees what held at some time between the lookup's begin and its end: the old or
 *	the new answer of an update, never a mixture, and never two updates out of order. (Why:
 *	the answer is one word of one block. Whenever an address's answer moves to another word,
 *	the block where it was is replaced, and so stays for ever as it was at that time.)
 *
 *	What was replaced waits in a list, until the caller has seen all readers quiescent and
 *	calls fib_reclaim().
 *
 * Cost
 *	An update writes at most one block of any size (1,088 bytes) and a few of 64 bytes,
 *	whatever the FIB holds. A route that covers many others takes longer, without memory: it
 *	visits the blocks below it, and the words of the table that are its own. Memory for blocks
 *	is kept for later routes, and goes back to the system only with fib_close().
 *
 *	By bench/fib_bench.c (2 cores of a Xeon, 2.3 GHz TSC, shared with others), cycles of the
 *	thread's time per lookup, one by one / 64 at once; a route and the default route are set
 *	while another thread looks up all the time:
 *
 *	routes, destinations    IPv4        IPv6        memory, bytes
 *	1, 2^16 or 2^20         11 / 12     14 / 15     744
 *	10, 2^20                40 / 30     65 / 45     2,280
 *	1,000, 2^20             43 / 35     106 / 61    254,208; 266,472
 *	1,000,000, 2^16         76 / 40                 16,744,704
 *	1,000,000, 2^20         90 / 45
 *	250,000, 2^16                       309 / 75    27,459,840
 *	250,000, 2^20                       342 / 91
 *
 *	1,000,000 IPv4 routes are loaded one by one in 0.27 to 0.45 s, 250,000 IPv6 routes in 0.11
 *	to 0.2 s. Routes there go or come a million times a second and more (of the writer's own
 *	time); the default route, which covers all of them, takes 4 to 16 ms.
 */
#ifndef WEFT_ROUTER_FIB_H
#define WEFT_ROUTER_FIB_H

#include <rte_branch_prediction.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FIB_STRIDE 6
#define FIB_SLOTS 64

/*
 * A word that leads on: a block's address + 1, or a leaf << 1. All zero is "no route".
 */
typedef _Atomic uint64_t fib_word;

struct fib_block {
	uint64_t children; /* slots with a block below */
	uint64_t longest;  /* slots with a route of all six bits */
	uint64_t shorter;  /* routes of 1 to 5 bits: those of n bits from bit 2^n - 2 on */
	uint64_t window;   /* up to 58 bits of the key in front of this block's */
	uint8_t shift;     /* of the key, for this block's six bits */
	uint8_t below_at;  /* where the words of the children are, in words from here */
	uint8_t granules;  /* the block's size */
	uint8_t reserved;
	/* what holds where no route does, then the leaves of `longest`, then those of `shorter` */
	_Atomic uint32_t answers[];
};

struct fib_store;

struct fib {
	fib_word root;
	_Atomic uint64_t table; /* the first words (one is the root) + which of the sizes it has */
	/* the writer's */
	struct fib_store *store; /* NULL: nothing was ever put here */
	uint32_t count;
	uint32_t default_leaf;
	uint8_t levels; /* strides of a key */
};

enum fib_family { FIB_IPV4, FIB_IPV6 };

/* It must not move afterwards. Cannot fail, allocates nothing. */
void fib_open(struct fib *fib, enum fib_family family);
/* No reader is there any more. */
void fib_close(struct fib *fib);

/* ---- the writer --------------------------------------------------------------------------- */

/*
 * Prefixes are in network order, 4 or 16 bytes; bits behind the length are not looked at.
 * A length is at most 32 or 128. `old` gets the leaf that was there before (0: none) and may be
 * NULL. 0, or -1: no memory, and nothing has changed. fib_set with leaf 0 is fib_clear; clearing
 * what is not there is fine.
 */
int fib_set(struct fib *fib, const uint8_t *prefix, unsigned length, uint32_t leaf, uint32_t *old);
int fib_clear(struct fib *fib, const uint8_t *prefix, unsigned length, uint32_t *old);

/*
 * Makes sure that the next `updates` calls of fib_set and fib_clear cannot fail. What is kept is
 * address space for the worst case, of which only what is used becomes memory. 0 or -1.
 */
int fib_reserve(struct fib *fib, uint32_t updates);

/*
 * Frees what updates have replaced. All readers have been quiescent since the last update; or
 * there are none (a table that is being filled before anybody may see it).
 */
void fib_reclaim(struct fib *fib);

/* The leaf of exactly this route; 0: there is none. */
uint32_t fib_get(const struct fib *fib, const uint8_t *prefix, unsigned length);
/* The leaf of the longest route that contains the prefix and is not longer than it; `found`
 * (may be NULL) gets its length. 0: there is none. */
uint32_t fib_cover(const struct fib *fib, const uint8_t *prefix, unsigned length, unsigned *found);
/* All routes by address, the shorter first. `look` false: stop. It must not change the FIB. */
void fib_walk(const struct fib *fib,
	bool (*look)(void *context, const uint8_t prefix[16], unsigned length, uint32_t leaf),
	void *context);

static inline uint32_t
fib_count(const struct fib *fib)
{
	return fib->count;
}

/* Bytes that it takes, what waits for fib_reclaim() and what is kept for later included. */
size_t fib_memory(const struct fib *fib);
/* Bytes that wait for fib_reclaim(). */
size_t fib_waiting(const struct fib *fib);

/* ---- looking up: any thread ---------------------------------------------------------------- */

/* For each slot, the places in `shorter` that contain it. */
extern const uint64_t fib_covering[FIB_SLOTS];

#define FIB_TABLE_MASK 7ull
/* How far to shift a key (IPv4: of 36 bits; IPv6: its first 63) for each size of the table. */
#define FIB4_TABLE_SHIFTS 0x121824u /* 36, 24, 18 */
#define FIB6_TABLE_SHIFTS 0x2b313fu /* 63, 49, 43 */

static inline bool
fib_is_block(uint64_t word)
{
	return word & 1;
}

static inline struct fib_block *
fib_block_of(uint64_t word)
{
	return (struct fib_block *)(uintptr_t)(word - 1);
}

static inline const fib_word *
fib_first_word(const struct fib *fib, uint64_t key, uint32_t shifts)
{
	uint64_t table = atomic_load_explicit(&fib->table, memory_order_acquire);
	unsigned size = table & FIB_TABLE_MASK;

	return (const fib_word *)(uintptr_t)(table - size) + (key >> (shifts >> size * 8 & 63));
}

static inline const fib_word *
fib_below(const struct fib_block *block, unsigned slot)
{
	uint64_t before = block->children & ((1ull << slot) - 1);

	return (const fib_word *)block + block->below_at + __builtin_popcountll(before);
}

/* The word with the answer for a slot that leads to no block below. No branch: which route it
 * is cannot be predicted. */
static inline const _Atomic uint32_t *
fib_answer(const struct fib_block *block, unsigned slot)
{
	uint64_t covering = block->shorter & fib_covering[slot];
	/* those in front of the longest that covers the slot, which is the last */
	uint64_t before = ~0ull >> (__builtin_clzll(covering | 1) & 63) >> 1;
	unsigned at = __builtin_popcountll(block->longest) +
		      __builtin_popcountll(block->shorter & before) + 1;

	at = covering != 0 ? at : 0;
	if (block->longest >> slot & 1)
		at = __builtin_popcountll(block->longest & ((1ull << slot) - 1)) + 1;
	return &block->answers[at];
}

/*
 * One block further, `bits` being the key up to and with the block's six: the word of the block
 * below, or NULL, and then *answer is where the answer is.
 */
static inline const fib_word *
fib_step(const struct fib_block *block, uint64_t bits, const _Atomic uint32_t **answer)
{
	unsigned slot = bits % FIB_SLOTS;

	if (unlikely(bits / FIB_SLOTS != block->window)) {
		*answer = &block->answers[0];
		return NULL;
	}
	if (block->children >> slot & 1)
		return fib_below(block, slot);
	*answer = fib_answer(block, slot);
	return NULL;
}

static inline uint64_t
fib4_key(uint32_t address)
{
	return (uint64_t)address << 4;
}

/* The address in host order. 0: no route. */
static inline uint32_t
fib4_lookup(const struct fib *fib, uint32_t address)
{
	const uint64_t key = fib4_key(address);
	const fib_word *at = fib_first_word(fib, key, FIB4_TABLE_SHIFTS);
	const _Atomic uint32_t *answer;

	do {
		uint64_t word = atomic_load_explicit(at, memory_order_acquire);
		const struct fib_block *block = fib_block_of(word);

		if (!fib_is_block(word))
			return (uint32_t)(word >> 1);
		at = fib_step(block, key >> block->shift, &answer);
	} while (at != NULL);
	return atomic_load_explicit(answer, memory_order_acquire);
}

typedef unsigned __int128 fib_key;

static inline fib_key
fib6_key(const uint8_t address[16])
{
	uint64_t words[2];

	memcpy(words, address, sizeof(words));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	words[0] = __builtin_bswap64(words[0]);
	words[1] = __builtin_bswap64(words[1]);
#endif
	return (fib_key)words[0] << 64 | words[1];
}

static inline const fib_word *
fib6_first_word(const struct fib *fib, fib_key key)
{
	return fib_first_word(fib, (uint64_t)(key >> 65), FIB6_TABLE_SHIFTS);
}

static inline uint32_t
fib6_lookup(const struct fib *fib, const uint8_t address[16])
{
	const fib_key key = fib6_key(address);
	const fib_word *at = fib6_first_word(fib, key);
	const _Atomic uint32_t *answer;

	do {
		uint64_t word = atomic_load_explicit(at, memory_order_acquire);
		const struct fib_block *block = fib_block_of(word);

		if (!fib_is_block(word))
			return (uint32_t)(word >> 1);
		at = fib_step(block, (uint64_t)(key >> block->shift), &answer);
	} while (at != NULL);
	return atomic_load_explicit(answer, memory_order_acquire);
}

/*
 * `count` lookups at once, side by side: while one waits for memory, the others go on. Each may
 * be in another FIB. leaves[i] is the answer for addresses[i] in fibs[i].
 */
void fib4_lookup_burst(
	const struct fib *const *fibs, const uint32_t *addresses, uint32_t *leaves, unsigned count);
/* addresses[i] points at 16 bytes. */
void fib6_lookup_burst(const struct fib *const *fibs, const uint8_t *const *addresses,
	uint32_t *leaves, unsigned count);

#endif
