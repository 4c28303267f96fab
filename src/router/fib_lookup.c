/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/fib.h"

#include <rte_prefetch.h>

/* The one place of 1 to 5 bits each that contains the slot. */
#define COVERING(slot) \
	(1ull << ((slot) >> 5) | 1ull << (2 + ((slot) >> 4)) | 1ull << (6 + ((slot) >> 3)) | \
		1ull << (14 + ((slot) >> 2)) | 1ull << (30 + ((slot) >> 1)))
#define COVERING4(slot) COVERING(slot), COVERING(slot + 1), COVERING(slot + 2), COVERING(slot + 3)
#define COVERING16(slot) \
	COVERING4(slot), COVERING4(slot + 4), COVERING4(slot + 8), COVERING4(slot + 12)

const uint64_t fib_covering[FIB_SLOTS] = { COVERING16(0), COVERING16(16), COVERING16(32),
	COVERING16(48) };

#define SIDE_BY_SIDE 64

/* Lookups that are under way, those that are done taken out. */
struct burst {
	const struct fib_block *blocks[SIDE_BY_SIDE];
	uint8_t which[SIDE_BY_SIDE];
	unsigned count;
};

/* A block's first line has its bitmaps, the second mostly the answer. */
static inline void
prefetch_block(const struct fib_block *block)
{
	rte_prefetch0(block);
	rte_prefetch0((const uint8_t *)block + 64);
}

/* Takes the answers of those whose word is a leaf; the others go on. */
static inline void
burst_begin(struct burst *burst, const fib_word *const *words, uint32_t *leaves, unsigned count)
{
	burst->count = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t word = atomic_load_explicit(words[i], memory_order_acquire);

		/* no branch: it cannot be predicted */
		leaves[i] = (uint32_t)(word >> 1);
		burst->blocks[burst->count] = fib_block_of(word);
		burst->which[burst->count] = (uint8_t)i;
		burst->count += word & 1;
	}
	for (unsigned i = 0; i < burst->count; i++)
		prefetch_block(burst->blocks[i]);
}

/* One block further for all that are under way. */
#define BURST_STEP(burst, keys, leaves) \
	do { \
		unsigned left = 0; \
		for (unsigned j = 0; j < (burst)->count; j++) { \
			const struct fib_block *block = (burst)->blocks[j]; \
			const unsigned which = (burst)->which[j]; \
			const _Atomic uint32_t *answer; \
			const fib_word *at = fib_step( \
				block, (uint64_t)((keys)[which] >> block->shift), &answer); \
			if (at == NULL) { \
				(leaves)[which] = \
					atomic_load_explicit(answer, memory_order_acquire); \
				continue; \
			} \
			block = fib_block_of(atomic_load_explicit(at, memory_order_acquire)); \
			prefetch_block(block); \
			(burst)->blocks[left] = block; \
			(burst)->which[left++] = (uint8_t)which; \
		} \
		(burst)->count = left; \
	} while (0)

static void
burst4(const struct fib *const *fibs, const uint32_t *addresses, uint32_t *leaves, unsigned count)
{
	const fib_word *words[SIDE_BY_SIDE];
	uint64_t keys[SIDE_BY_SIDE];
	struct burst burst;

	for (unsigned i = 0; i < count; i++) {
		keys[i] = fib4_key(addresses[i]);
		words[i] = fib_first_word(fibs[i], keys[i], FIB4_TABLE_SHIFTS);
		rte_prefetch0((const void *)words[i]);
	}
	burst_begin(&burst, words, leaves, count);
	while (burst.count != 0)
		BURST_STEP(&burst, keys, leaves);
}

static void
burst6(const struct fib *const *fibs, const uint8_t *const *addresses, uint32_t *leaves,
	unsigned count)
{
	const fib_word *words[SIDE_BY_SIDE];
	fib_key keys[SIDE_BY_SIDE];
	struct burst burst;

	for (unsigned i = 0; i < count; i++) {
		keys[i] = fib6_key(addresses[i]);
		words[i] = fib6_first_word(fibs[i], keys[i]);
		rte_prefetch0((const void *)words[i]);
	}
	burst_begin(&burst, words, leaves, count);
	while (burst.count != 0)
		BURST_STEP(&burst, keys, leaves);
}

void
fib4_lookup_burst(
	const struct fib *const *fibs, const uint32_t *addresses, uint32_t *leaves, unsigned count)
{
	for (unsigned i = 0; i < count; i += SIDE_BY_SIDE) {
		unsigned part = count - i < SIDE_BY_SIDE ? count - i : SIDE_BY_SIDE;

		burst4(fibs + i, addresses + i, leaves + i, part);
	}
}

void
fib6_lookup_burst(const struct fib *const *fibs, const uint8_t *const *addresses, uint32_t *leaves,
	unsigned count)
{
	for (unsigned i = 0; i < count; i += SIDE_BY_SIDE) {
		unsigned part = count - i < SIDE_BY_SIDE ? count - i : SIDE_BY_SIDE;

		burst6(fibs + i, addresses + i, leaves + i, part);
	}
}
