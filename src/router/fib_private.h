/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the FIB's writer share. A key is the address as a number of 6 * levels
 * bits: an IPv4 address with four zeros behind it (6 levels), an IPv6 address with four in
 * front of it (22). A route of length n ends at bit n of the one, n + 4 of the other.
 */
#ifndef WEFT_ROUTER_FIB_PRIVATE_H
#define WEFT_ROUTER_FIB_PRIVATE_H

#include "router/fib.h"

#define FIB4_LEVELS 6
#define FIB6_LEVELS 22
#define FIB_WINDOW_MASK (~0ull >> FIB_STRIDE)
/* The window shows nine levels whole: as many may be left out between two blocks. */
#define FIB_SKIP_MAX 9

/* ---- keys ----------------------------------------------------------------------------------- */

static inline unsigned
fib_length_max(const struct fib *fib)
{
	return fib->levels == FIB4_LEVELS ? 32 : 128;
}

/* Bits of the key in front of the address's. */
static inline unsigned
fib_lead(const struct fib *fib)
{
	return fib->levels == FIB4_LEVELS ? 0 : 4;
}

static inline unsigned
fib_shift(const struct fib *fib, unsigned level)
{
	return (fib->levels - 1 - level) * FIB_STRIDE;
}

static inline unsigned
fib_level(const struct fib *fib, const struct fib_block *block)
{
	return fib->levels - 1u - block->shift / FIB_STRIDE;
}

/* The key up to and with the six bits at that shift; the last 64 bits of it. */
static inline uint64_t
fib_bits(fib_key key, unsigned shift)
{
	return (uint64_t)(key >> shift);
}

/* Where a route stands in its block. */
struct fib_place {
	fib_key key; /* bits behind the length are zero */
	unsigned level;
	unsigned bits; /* 1 to 6 of this level's */
	unsigned slot; /* the first that it covers */
};

fib_key fib_prefix_key(const struct fib *fib, const uint8_t *prefix, unsigned length);
/* length: not 0. */
struct fib_place fib_place_of(const struct fib *fib, fib_key key, unsigned length);

/* ---- blocks --------------------------------------------------------------------------------- */

static inline uint64_t
fib_word_of(const struct fib_block *block)
{
	return (uint64_t)(uintptr_t)block + 1;
}

static inline uint64_t
fib_word_of_leaf(uint32_t leaf)
{
	return (uint64_t)leaf << 1;
}

static inline uint64_t
fib_load(const fib_word *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline uint32_t
fib_load_leaf(const _Atomic uint32_t *leaf)
{
	return atomic_load_explicit(leaf, memory_order_relaxed);
}

static inline unsigned
fib_ones(uint64_t word)
{
	return (unsigned)__builtin_popcountll(word);
}

static inline unsigned
fib_leaves(const struct fib_block *block)
{
	return fib_ones(block->longest) + fib_ones(block->shorter);
}

static inline fib_word *
fib_below_of(struct fib_block *block, unsigned slot)
{
	return (fib_word *)block + (fib_below(block, slot) - (const fib_word *)block);
}

/* The place's bit in `longest` (six bits) or `shorter`. */
static inline uint64_t
fib_route_bit(unsigned bits, unsigned slot)
{
	if (bits == FIB_STRIDE)
		return 1ull << slot;
	return 1ull << ((1u << bits) - 2 + (slot >> (FIB_STRIDE - bits)));
}

static inline bool
fib_has_route(const struct fib_block *block, unsigned bits, unsigned slot)
{
	uint64_t map = bits == FIB_STRIDE ? block->longest : block->shorter;

	return map & fib_route_bit(bits, slot);
}

/* Where in `answers` the route's leaf is, or would have to be put. */
static inline unsigned
fib_route_at(const struct fib_block *block, unsigned bits, unsigned slot)
{
	uint64_t before = fib_route_bit(bits, slot) - 1;

	if (bits == FIB_STRIDE)
		return fib_ones(block->longest & before) + 1;
	return fib_ones(block->longest) + fib_ones(block->shorter & before) + 1;
}

static inline void
fib_set_answer(struct fib_block *block, unsigned at, uint32_t leaf)
{
	atomic_store_explicit(&block->answers[at], leaf, memory_order_release);
}

static inline void
fib_set_word(fib_word *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

static inline void
fib_flip_route(struct fib_block *block, const struct fib_place *place)
{
	uint64_t bit = fib_route_bit(place->bits, place->slot);

	if (place->bits == FIB_STRIDE)
		block->longest ^= bit;
	else
		block->shorter ^= bit;
}

/*
 * The first level at which the key leaves the way to the block; the block's own level: it does
 * not. The key is known to lead to what the block hangs from.
 */
static inline unsigned
fib_parting(const struct fib *fib, const struct fib_block *block, fib_key key)
{
	uint64_t differs = fib_bits(key, block->shift) / FIB_SLOTS ^ block->window;
	unsigned level = fib_level(fib, block);

	if (differs == 0)
		return level;
	return level - 1 - (63u - (unsigned)__builtin_clzll(differs)) / FIB_STRIDE;
}

/* ---- making blocks, which no reader sees yet: fib_block.c; NULL: no memory ------------------ */

/* With neither routes nor blocks below, but room for them. */
struct fib_block *fib_block_new(
	struct fib *fib, fib_key key, unsigned level, unsigned leaves, unsigned children);
struct fib_block *fib_copy(struct fib *fib, const struct fib_block *old);
struct fib_block *fib_copy_with_route(
	struct fib *fib, const struct fib_block *old, const struct fib_place *place, uint32_t leaf);
struct fib_block *fib_copy_without_route(
	struct fib *fib, const struct fib_block *old, const struct fib_place *place);
struct fib_block *fib_copy_with_child(
	struct fib *fib, const struct fib_block *old, unsigned slot, uint64_t child);
struct fib_block *fib_copy_without_child(
	struct fib *fib, const struct fib_block *old, unsigned slot);

/* ---- memory: fib_store.c -------------------------------------------------------------------- */

/*
 * Blocks come in granules of a cache line, out of chunks; what is freed is kept for blocks of
 * the same size or less.
 */
#define FIB_GRANULE 64
#define FIB_BLOCK_GRANULES 17 /* of a block with everything: 126 routes, 64 below */
/* Of one update beside the copy of a block: a branch, the route's block, and what leads there. */
#define FIB4_SMALL_BLOCKS 2
#define FIB6_SMALL_BLOCKS 4

struct fib_chunk;

/* The words in front of the trie. */
struct fib_table {
	struct fib_table *next; /* of those that wait */
	fib_word *words;
	size_t bytes;
};

struct fib_free {
	struct fib_free *next;
};

struct fib_store {
	struct fib_free *free[FIB_BLOCK_GRANULES + 1]; /* by granules */
	struct fib_chunk *chunks;                      /* the newest first */
	struct fib_block *retired;
	size_t retired_bytes;
	size_t chunk_bytes; /* of all */
	struct fib_table *table;
	struct fib_table *tables_retired;
};

/* Makes the store if there is none yet. 0 or -1. */
int fib_store_ready(struct fib *fib);
/* As in fib_reserve. */
int fib_store_reserve(struct fib *fib, uint32_t updates);
/* Not initialized, but for the granules. NULL: no memory. */
struct fib_block *fib_store_take(struct fib_store *store, size_t bytes);
/* A block that no reader has seen. */
void fib_store_give(struct fib_store *store, struct fib_block *block);
/* A block that readers may still be in. */
void fib_store_retire(struct fib_store *store, struct fib_block *block);
/* All words zero. NULL: no memory. */
struct fib_table *fib_table_new(uint32_t words);
void fib_table_free(struct fib_table *table);

/* ---- the table in front: fib_direct.c ------------------------------------------------------- */

/* Puts right what the table says of the route's range, or of the key alone if it is longer. */
void fib_direct_update(struct fib *fib, fib_key key, unsigned length);
/* Puts a larger or a smaller table in front, if the number of routes is for that. */
void fib_direct_fit(struct fib *fib);

#endif
