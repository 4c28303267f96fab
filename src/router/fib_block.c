/* SPDX-License-Identifier: BSD-3-Clause */
/* Making the FIB's blocks: new ones, and copies that differ in one route or one block below. */
#include "router/fib_private.h"

#include <string.h>

static size_t
block_bytes(unsigned leaves, unsigned children, unsigned *below_at)
{
	size_t bytes = offsetof(struct fib_block, answers) + (1 + leaves) * sizeof(uint32_t);

	*below_at = (unsigned)((bytes + sizeof(fib_word) - 1) / sizeof(fib_word));
	return (*below_at + children) * sizeof(fib_word);
}

static struct fib_block *
block_take(struct fib *fib, unsigned leaves, unsigned children)
{
	unsigned below_at;
	struct fib_block *block =
		fib_store_take(fib->store, block_bytes(leaves, children, &below_at));

	if (block != NULL)
		block->below_at = (uint8_t)below_at;
	return block;
}

struct fib_block *
fib_block_new(struct fib *fib, fib_key key, unsigned level, unsigned leaves, unsigned children)
{
	struct fib_block *block = block_take(fib, leaves, children);

	if (block == NULL)
		return NULL;
	block->children = block->longest = block->shorter = 0;
	block->shift = (uint8_t)fib_shift(fib, level);
	block->window = fib_bits(key, block->shift) / FIB_SLOTS;
	return block;
}

/* Copies an array of which one place is put in (change 1), taken out (-1), or none (0). */
static void
splice(void *to, const void *from, size_t size, unsigned count, unsigned at, int change)
{
	uint8_t *target = to;
	const uint8_t *source = from;

	memcpy(target, source, at * size);
	if (change < 0)
		memcpy(target + at * size, source + (at + 1) * size, (count - at - 1) * size);
	else
		memcpy(target + (at + (unsigned)change) * size, source + at * size,
			(count - at) * size);
}

/* What a copy has more (1) or less (-1) than its original; leaf_at and child_at say where. */
struct difference {
	int leaf, child;
	unsigned leaf_at, child_at;
};

static struct fib_block *
block_copy(struct fib *fib, const struct fib_block *old, const struct difference *difference)
{
	const unsigned leaves = fib_leaves(old), children = fib_ones(old->children);
	struct fib_block *block = block_take(
		fib, leaves + (unsigned)difference->leaf, children + (unsigned)difference->child);

	if (block == NULL)
		return NULL;
	block->children = old->children;
	block->longest = old->longest;
	block->shorter = old->shorter;
	block->window = old->window;
	block->shift = old->shift;
	splice((void *)block->answers, (const void *)old->answers, sizeof(uint32_t), leaves + 1,
		difference->leaf_at, difference->leaf);
	splice((fib_word *)block + block->below_at, (const fib_word *)old + old->below_at,
		sizeof(fib_word), children, difference->child_at, difference->child);
	return block;
}

struct fib_block *
fib_copy_with_route(
	struct fib *fib, const struct fib_block *old, const struct fib_place *place, uint32_t leaf)
{
	struct difference difference = { .leaf = 1,
		.leaf_at = fib_route_at(old, place->bits, place->slot) };
	struct fib_block *block = block_copy(fib, old, &difference);

	if (block == NULL)
		return NULL;
	fib_flip_route(block, place);
	fib_set_answer(block, difference.leaf_at, leaf);
	return block;
}

struct fib_block *
fib_copy_without_route(struct fib *fib, const struct fib_block *old, const struct fib_place *place)
{
	struct difference difference = { .leaf = -1,
		.leaf_at = fib_route_at(old, place->bits, place->slot) };
	struct fib_block *block = block_copy(fib, old, &difference);

	if (block != NULL)
		fib_flip_route(block, place);
	return block;
}

static unsigned
child_at(const struct fib_block *block, unsigned slot)
{
	return fib_ones(block->children & ((1ull << slot) - 1));
}

struct fib_block *
fib_copy_with_child(struct fib *fib, const struct fib_block *old, unsigned slot, uint64_t child)
{
	struct difference difference = { .child = 1, .child_at = child_at(old, slot) };
	struct fib_block *block = block_copy(fib, old, &difference);

	if (block == NULL)
		return NULL;
	block->children |= 1ull << slot;
	fib_set_word(fib_below_of(block, slot), child);
	return block;
}

struct fib_block *
fib_copy_without_child(struct fib *fib, const struct fib_block *old, unsigned slot)
{
	struct difference difference = { .child = -1, .child_at = child_at(old, slot) };
	struct fib_block *block = block_copy(fib, old, &difference);

	if (block != NULL)
		block->children &= ~(1ull << slot);
	return block;
}

struct fib_block *
fib_copy(struct fib *fib, const struct fib_block *old)
{
	return block_copy(fib, old, &(struct difference){ 0 });
}
