/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at the FIB's routes, for the writer. */
#include "router/fib_private.h"

#include <string.h>

/* The block of exactly that level on the key's way; NULL: there is none. */
static const struct fib_block *
block_at(const struct fib *fib, fib_key key, unsigned level)
{
	uint64_t word = fib_load(&fib->root);

	while (fib_is_block(word)) {
		struct fib_block *block = fib_block_of(word);
		unsigned at = fib_level(fib, block);
		unsigned slot = fib_bits(key, block->shift) % FIB_SLOTS;

		if (at > level || fib_parting(fib, block, key) < at)
			return NULL;
		if (at == level)
			return block;
		if (!(block->children >> slot & 1))
			return NULL;
		word = fib_load(fib_below_of(block, slot));
	}
	return NULL;
}

uint32_t
fib_get(const struct fib *fib, const uint8_t *prefix, unsigned length)
{
	const fib_key key = fib_prefix_key(fib, prefix, length);
	const struct fib_block *block;
	struct fib_place place;

	if (length == 0)
		return fib->default_leaf;
	place = fib_place_of(fib, key, length);
	block = block_at(fib, key, place.level);
	if (block == NULL || !fib_has_route(block, place.bits, place.slot))
		return 0;
	return fib_load_leaf(&block->answers[fib_route_at(block, place.bits, place.slot)]);
}

/* The longest route of the block of at most `bits` bits that covers the slot; 0: none. */
static unsigned
longest_in(const struct fib_block *block, unsigned slot, unsigned bits)
{
	while (bits > 0 && !fib_has_route(block, bits, slot))
		bits--;
	return bits;
}

uint32_t
fib_cover(const struct fib *fib, const uint8_t *prefix, unsigned length, unsigned *found)
{
	const fib_key key = fib_prefix_key(fib, prefix, length);
	const unsigned lead = fib_lead(fib), end = length + lead;
	uint64_t word = fib_load(&fib->root);
	uint32_t leaf = fib->default_leaf;
	unsigned best = lead;

	while (fib_is_block(word)) {
		struct fib_block *block = fib_block_of(word);
		const unsigned level = fib_level(fib, block), first = level * FIB_STRIDE;
		const unsigned slot = fib_bits(key, block->shift) % FIB_SLOTS;
		unsigned bits;

		if (first >= end || fib_parting(fib, block, key) < level)
			break;
		bits = end - first < FIB_STRIDE ? end - first : FIB_STRIDE;
		bits = longest_in(block, slot, bits);
		if (bits != 0) {
			leaf = fib_load_leaf(&block->answers[fib_route_at(block, bits, slot)]);
			best = first + bits;
		}
		if (!(block->children >> slot & 1))
			break;
		word = fib_load(fib_below_of(block, slot));
	}
	if (found != NULL)
		*found = best - lead;
	return leaf;
}

/* ---- all of them ---------------------------------------------------------------------------- */

struct walk {
	const struct fib *fib;
	bool (*look)(void *context, const uint8_t prefix[16], unsigned length, uint32_t leaf);
	void *context;
};

static bool
tell(const struct walk *walk, fib_key key, unsigned length, uint32_t leaf)
{
	uint8_t prefix[16];

	if (walk->fib->levels == FIB4_LEVELS)
		key <<= 128 - FIB4_LEVELS * FIB_STRIDE;
	for (unsigned i = 0; i < sizeof(prefix); i++)
		prefix[i] = (uint8_t)(key >> (120 - 8 * i));
	return walk->look(walk->context, prefix, length, leaf);
}

static bool walk_block(const struct walk *walk, struct fib_block *block, fib_key key);

/* The routes of the block that begin with the slot's first `bits` bits, and what is below. */
static bool
walk_part(
	const struct walk *walk, struct fib_block *block, fib_key key, unsigned bits, unsigned slot)
{
	const fib_key here = key | (fib_key)slot << block->shift;

	if (bits > 0 && fib_has_route(block, bits, slot)) {
		unsigned end = fib_level(walk->fib, block) * FIB_STRIDE + bits;

		if (!tell(walk, here, end - fib_lead(walk->fib),
			    fib_load_leaf(&block->answers[fib_route_at(block, bits, slot)])))
			return false;
	}
	if (bits < FIB_STRIDE)
		return walk_part(walk, block, key, bits + 1, slot) &&
		       walk_part(walk, block, key, bits + 1, slot + (FIB_SLOTS >> (bits + 1)));
	if (!(block->children >> slot & 1))
		return true;
	return walk_block(walk, fib_block_of(fib_load(fib_below_of(block, slot))), here);
}

/* The key is that of what the block hangs from: the window has the rest. */
static bool
walk_block(const struct walk *walk, struct fib_block *block, fib_key key)
{
	return walk_part(
		walk, block, key | (fib_key)block->window << block->shift << FIB_STRIDE, 0, 0);
}

void
fib_walk(const struct fib *fib,
	bool (*look)(void *context, const uint8_t prefix[16], unsigned length, uint32_t leaf),
	void *context)
{
	const struct walk walk = { .fib = fib, .look = look, .context = context };
	uint64_t root = fib_load(&fib->root);

	if (fib->default_leaf != 0 && !tell(&walk, 0, 0, fib->default_leaf))
		return;
	if (fib_is_block(root))
		walk_block(&walk, fib_block_of(root), 0);
}
