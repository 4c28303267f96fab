/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A map from prefixes to values, found by the longest: six bits a level, with levels left out
 * where there is only one way. It is persistent: nodes are counted and shared between versions, and
 * only those change in place that nobody else has.
 *
 * A trie is a pointer to its root, which owns one reference; NULL is the empty one. Changing a
 * trie that somebody reads: take another reference first (trie_share), and change that.
 *
 * Keys are addresses from the top of 128 bits; an IPv4 address has the first 32.
 *
 * Values are pointers, not NULL. With a trie_kind they begin with a count of references, and
 * are told when it has come to nothing; without one they are nobody's.
 *
 * Threads: changed, shared and dropped on the control thread; looked up anywhere as long as
 * the reader has kept the root.
 */
#ifndef WEFT_FIREWALL_PREFIX_TRIE_H
#define WEFT_FIREWALL_PREFIX_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

#define TRIE_STRIDE 6
#define TRIE_SLOTS 64

typedef unsigned __int128 trie_key;

struct trie_node {
	uint32_t references;
	uint32_t depth; /* bits before those that it looks at; a multiple of the stride */
	trie_key key;   /* the way to it; bits behind the depth are zero */
	uint64_t children;
	uint64_t values; /* of 0 to 5 bits: bit (1 << bits) - 1 + which */
	void *slots[];   /* children, then values */
};

struct trie_kind {
	void (*gone)(void *context, void *value);
	void *context;
};

/* 0, or -1 when out of memory: then nothing has changed. */
int trie_set(struct trie_node **root, const struct trie_kind *kind, trie_key key, unsigned length,
	void *value);
/* Taking away what is not there is no error. */
int trie_clear(
	struct trie_node **root, const struct trie_kind *kind, trie_key key, unsigned length);
struct trie_node *trie_share(struct trie_node *root);
void trie_drop(struct trie_node *root, const struct trie_kind *kind);

/* The value of exactly this prefix; NULL: there is none. */
void *trie_exact(const struct trie_node *root, trie_key key, unsigned length);
/* That of the longest prefix of at most `most` bits; NULL: none. `length`: its, may be NULL. */
void *trie_longest(const struct trie_node *root, trie_key key, unsigned most, unsigned *length);

typedef bool (*trie_look)(void *context, trie_key key, unsigned length, void *value);
/* The prefix and all below, in order of address and length. False: look() has said stop. */
bool trie_each(
	const struct trie_node *root, trie_key key, unsigned length, trie_look look, void *context);

/* Prefixes of one that the other has not; costs what differs. False: differ() has said stop. */
typedef bool (*trie_differ)(void *context, trie_key key, unsigned length, bool came);
bool trie_difference(const struct trie_node *before, const struct trie_node *after,
	trie_differ differ, void *context);

/* Memory of all nodes, the shared ones included. Looks at each. */
size_t trie_bytes(const struct trie_node *root);

/* The first `length` bits. */
static inline trie_key
trie_cut(trie_key key, unsigned length)
{
	return length == 0 ? 0 : key >> (128 - length) << (128 - length);
}

static inline trie_key
trie_key_of(uint8_t family, const uint8_t *address)
{
	unsigned bytes = family == 4 ? 4 : 16;
	trie_key key = 0;

	for (unsigned i = 0; i < bytes; i++)
		key |= (trie_key)address[i] << (120 - 8 * i);
	return key;
}

static inline struct weft_prefix
trie_prefix(uint8_t family, trie_key key, unsigned length)
{
	struct weft_prefix prefix = { .family = family, .length = (uint8_t)length };

	for (unsigned i = 0; i < 16; i++)
		prefix.address[i] = (uint8_t)(key >> (120 - 8 * i));
	return prefix;
}

static inline unsigned
trie_slot(trie_key key, unsigned depth)
{
	/* the last level has two bits of its six */
	if (depth > 128 - TRIE_STRIDE)
		return (unsigned)(key << (depth + TRIE_STRIDE - 128)) % TRIE_SLOTS;
	return (unsigned)(key >> (128 - TRIE_STRIDE - depth)) % TRIE_SLOTS;
}

/* How many of the first bits are the same, at most `most`. */
static inline unsigned
trie_common_bits(trie_key a, trie_key b, unsigned most)
{
	uint64_t high = (uint64_t)((a ^ b) >> 64), low = (uint64_t)(a ^ b);
	unsigned same = 128;

	if (high != 0)
		same = (unsigned)__builtin_clzll(high);
	else if (low != 0)
		same = 64 + (unsigned)__builtin_clzll(low);
	return same < most ? same : most;
}

static inline unsigned
trie_ones(uint64_t word)
{
	return (unsigned)__builtin_popcountll(word);
}

/* Where in `slots` the child is, or would come. */
static inline unsigned
trie_child_at(const struct trie_node *node, unsigned slot)
{
	return trie_ones(node->children & ((1ull << slot) - 1));
}

/* The bits in `values` of all that cover the slot. */
static inline uint64_t
trie_covers(unsigned slot)
{
	return 1ull | 2ull << (slot >> 5) | 8ull << (slot >> 4) | 0x80ull << (slot >> 3) |
	       0x8000ull << (slot >> 2) | 0x80000000ull << (slot >> 1);
}

/* For the data path: the value of the longest prefix; NULL: none. */
static inline void *
trie_find(const struct trie_node *node, trie_key key)
{
	void *found = NULL;

	while (node != NULL) {
		unsigned slot = trie_slot(key, node->depth);
		uint64_t hit = node->values & trie_covers(slot), before;

		if (trie_cut(key ^ node->key, node->depth) != 0)
			break;
		if (hit != 0) {
			before = (1ull << (63 - __builtin_clzll(hit))) - 1;
			found = node->slots[trie_ones(node->children) +
					    trie_ones(node->values & before)];
		}
		if (!(node->children >> slot & 1))
			break;
		node = node->slots[trie_child_at(node, slot)];
	}
	return found;
}

#endif
