/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changing the FIB. What can fail (memory for new blocks) comes before the first thing that a
 * reader could see.
 *
 * Replacing one block by a copy is one store to the word that led to it. Where a block gets
 * another one between itself and what it hangs from, it is copied too: a reader who has found
 * there that it came by other bits must find what held then, and nothing that came later.
 */
#include "router/fib_private.h"

#include <string.h>

/* ---- keys ----------------------------------------------------------------------------------- */

fib_key
fib_prefix_key(const struct fib *fib, const uint8_t *prefix, unsigned length)
{
	uint8_t bytes[16] = { 0 };
	fib_key key;

	memcpy(bytes, prefix, (length + 7) / 8);
	key = fib6_key(bytes);
	if (length == 0)
		return 0;
	key &= ~(fib_key)0 << (128 - length);
	return fib->levels == FIB4_LEVELS ? key >> (128 - FIB4_LEVELS * FIB_STRIDE) : key;
}

struct fib_place
fib_place_of(const struct fib *fib, fib_key key, unsigned length)
{
	unsigned end = length + fib_lead(fib);
	unsigned level = (end - 1) / FIB_STRIDE;

	return (struct fib_place){
		.key = key,
		.level = level,
		.bits = end - level * FIB_STRIDE,
		.slot = fib_bits(key, fib_shift(fib, level)) % FIB_SLOTS,
	};
}

/* ---- what holds where no route of a block's own does ------------------------------------------
 */

/* The leaf holds in all of the block that no route covers, and so on below. */
static void
hand_down(struct fib_block *block, uint32_t leaf)
{
	if (fib_load_leaf(&block->answers[0]) == leaf)
		return;
	fib_set_answer(block, 0, leaf);
	for (uint64_t rest = block->children; rest != 0; rest &= rest - 1) {
		unsigned slot = (unsigned)__builtin_ctzll(rest);

		if (fib_answer(block, slot) == &block->answers[0])
			hand_down(fib_block_of(fib_load(fib_below_of(block, slot))), leaf);
	}
}

/* The same from the slots that a route of this block covers, or did. */
static void
hand_down_from(struct fib_block *block, unsigned bits, unsigned slot)
{
	const unsigned end = slot + (FIB_SLOTS >> bits);

	for (; slot < end; slot++) {
		if (block->children >> slot & 1)
			hand_down(fib_block_of(fib_load(fib_below_of(block, slot))),
				fib_load_leaf(fib_answer(block, slot)));
	}
}

/* ---- the way to a route's block ---------------------------------------------------------------
 */

/* The blocks from the root on, and the words that led to them. */
struct way {
	fib_word *words[FIB6_LEVELS];
	struct fib_block *blocks[FIB6_LEVELS];
	unsigned slots[FIB6_LEVELS]; /* by which the way goes on */
	unsigned length;
	/* The key leaves the way to the last block at this level; its own: it does not. */
	unsigned parting;
};

/*
 * Goes down as far as there are blocks, and no further than the level: the last one is the
 * route's own, or there is none below it, or the way to it is not the key's, or it is deeper.
 */
static void
find_way(struct fib *fib, fib_key key, unsigned level, struct way *way)
{
	fib_word *word = &fib->root;

	way->length = 0;
	way->parting = 0;
	while (fib_is_block(fib_load(word))) {
		struct fib_block *block = fib_block_of(fib_load(word));
		unsigned at = fib_level(fib, block);
		unsigned slot = fib_bits(key, block->shift) % FIB_SLOTS;

		way->words[way->length] = word;
		way->blocks[way->length] = block;
		way->slots[way->length] = slot;
		way->length++;
		way->parting = fib_parting(fib, block, key);
		if (way->parting < at || at >= level || !(block->children >> slot & 1))
			return;
		word = fib_below_of(block, slot);
	}
}

/* What the last block on the way is, seen from the route. */
enum meeting { MEET_NOTHING, MEET_OWN, MEET_ABOVE, MEET_BESIDE };

static enum meeting
meet(const struct fib *fib, const struct way *way, unsigned level)
{
	unsigned at;

	if (way->length == 0)
		return MEET_NOTHING;
	at = fib_level(fib, way->blocks[way->length - 1]);
	if (way->parting < at || at > level)
		return MEET_BESIDE;
	return at == level ? MEET_OWN : MEET_ABOVE;
}

/* ---- setting ----------------------------------------------------------------------------------
 */

static void
give_chain(struct fib *fib, struct fib_block *block, const struct fib_block *last)
{
	while (block != last) {
		struct fib_block *below =
			fib_block_of(fib_load((fib_word *)block + block->below_at));

		fib_store_give(fib->store, block);
		block = below;
	}
}

/*
 * Leads from `above`, a level (-1: the root), to the block, by as many others as it takes for
 * none to leave out more levels than its window shows. The first of them, or NULL.
 */
static struct fib_block *
chain(struct fib *fib, fib_key key, int above, struct fib_block *last)
{
	const uint32_t leaf = fib_load_leaf(&last->answers[0]);
	struct fib_block *first = last;
	int level = (int)fib_level(fib, last);

	while (level - above - 1 > FIB_SKIP_MAX) {
		struct fib_block *block;

		level -= FIB_SKIP_MAX + 1;
		block = fib_block_new(fib, key, (unsigned)level, 0, 1);
		if (block == NULL) {
			give_chain(fib, first, last);
			return NULL;
		}
		fib_set_answer(block, 0, leaf);
		block->children = 1ull << fib_bits(key, block->shift) % FIB_SLOTS;
		fib_set_word((fib_word *)block + block->below_at, fib_word_of(first));
		first = block;
	}
	return first;
}

/* A block with the route alone. `leaf_above` is what held there. */
static struct fib_block *
leaf_block(struct fib *fib, const struct fib_place *place, uint32_t leaf_above, uint32_t leaf,
	unsigned children)
{
	struct fib_block *block = fib_block_new(fib, place->key, place->level, 1, children);

	if (block == NULL)
		return NULL;
	fib_flip_route(block, place);
	fib_set_answer(block, 0, leaf_above);
	fib_set_answer(block, 1, leaf);
	return block;
}

/* The route's block, and what leads to it. */
static struct fib_block *
leaf_chain(struct fib *fib, const struct fib_place *place, int above, uint32_t leaf_above,
	uint32_t leaf)
{
	struct fib_block *last = leaf_block(fib, place, leaf_above, leaf, 0);
	struct fib_block *first;

	if (last == NULL)
		return NULL;
	first = chain(fib, place->key, above, last);
	if (first == NULL)
		fib_store_give(fib->store, last);
	return first;
}

static int
set_first(struct fib *fib, const struct fib_place *place, uint32_t leaf)
{
	struct fib_block *block = leaf_chain(fib, place, -1, fib->default_leaf, leaf);

	if (block == NULL)
		return -1;
	fib_set_word(&fib->root, fib_word_of(block));
	return 0;
}

static int
set_own(struct fib *fib, const struct way *way, const struct fib_place *place, uint32_t leaf,
	uint32_t *old)
{
	struct fib_block *block = way->blocks[way->length - 1];

	if (fib_has_route(block, place->bits, place->slot)) {
		unsigned at = fib_route_at(block, place->bits, place->slot);

		*old = fib_load_leaf(&block->answers[at]);
		fib_set_answer(block, at, leaf);
		hand_down_from(block, place->bits, place->slot);
		return 0;
	}
	block = fib_copy_with_route(fib, block, place, leaf);
	if (block == NULL)
		return -1;
	fib_set_word(way->words[way->length - 1], fib_word_of(block));
	fib_store_retire(fib->store, way->blocks[way->length - 1]);
	hand_down_from(block, place->bits, place->slot);
	return 0;
}

/* Below the last block, where there is none yet. */
static int
set_below(struct fib *fib, const struct way *way, const struct fib_place *place, uint32_t leaf)
{
	struct fib_block *above = way->blocks[way->length - 1], *first, *block;
	const unsigned slot = way->slots[way->length - 1];

	first = leaf_chain(fib, place, (int)fib_level(fib, above),
		fib_load_leaf(fib_answer(above, slot)), leaf);
	if (first == NULL)
		return -1;
	block = fib_copy_with_child(fib, above, slot, fib_word_of(first));
	if (block == NULL) {
		while (first != NULL) {
			struct fib_block *below =
				first->children == 0
					? NULL
					: fib_block_of(
						  fib_load((fib_word *)first + first->below_at));

			fib_store_give(fib->store, first);
			first = below;
		}
		return -1;
	}
	fib_set_word(way->words[way->length - 1], fib_word_of(block));
	fib_store_retire(fib->store, above);
	return 0;
}

/* The whole key that leads to the way's last block: of its own bits, the window shows the last. */
static fib_key
way_key(const struct way *way, fib_key key)
{
	const struct fib_block *block = way->blocks[way->length - 1];
	const unsigned shift = block->shift + FIB_STRIDE;
	const fib_key shown = (fib_key)FIB_WINDOW_MASK << shift;

	return ((key & ~shown) | (fib_key)block->window << shift) >> shift << shift;
}

/* The route's block takes the place of one deeper, which is then below it. */
static struct fib_block *
make_above(struct fib *fib, const struct fib_place *place, fib_key beside, struct fib_block *block,
	uint32_t leaf)
{
	uint32_t leaf_above = fib_load_leaf(&block->answers[0]);
	struct fib_block *own = leaf_block(fib, place, leaf_above, leaf, 1);
	unsigned slot;

	if (own == NULL)
		return NULL;
	slot = fib_bits(beside, own->shift) % FIB_SLOTS;
	own->children = 1ull << slot;
	fib_set_word(fib_below_of(own, slot), fib_word_of(block));
	return own;
}

/* A block that leads to both: that one, and the route's own. */
static struct fib_block *
make_branch(struct fib *fib, const struct fib_place *place, fib_key beside, unsigned level,
	struct fib_block *block, uint32_t leaf)
{
	uint32_t leaf_above = fib_load_leaf(&block->answers[0]);
	struct fib_block *branch = fib_block_new(fib, place->key, level, 0, 2);
	struct fib_block *own;
	unsigned there, here;

	if (branch == NULL)
		return NULL;
	/* it leaves out no more levels than the other block did: its parting is within the window
	 */
	own = leaf_chain(fib, place, (int)level, leaf_above, leaf);
	if (own == NULL) {
		fib_store_give(fib->store, branch);
		return NULL;
	}
	there = fib_bits(beside, branch->shift) % FIB_SLOTS;
	here = fib_bits(place->key, branch->shift) % FIB_SLOTS;
	branch->children = 1ull << there | 1ull << here;
	fib_set_answer(branch, 0, leaf_above);
	fib_set_word(fib_below_of(branch, there), fib_word_of(block));
	fib_set_word(fib_below_of(branch, here), fib_word_of(own));
	return branch;
}

static int
set_beside(struct fib *fib, const struct way *way, const struct fib_place *place, uint32_t leaf)
{
	struct fib_block *old = way->blocks[way->length - 1];
	struct fib_block *copy = fib_copy(fib, old), *top;
	fib_key beside = way_key(way, place->key);

	if (copy == NULL)
		return -1;
	if (way->parting >= place->level)
		top = make_above(fib, place, beside, copy, leaf);
	else
		top = make_branch(fib, place, beside, way->parting, copy, leaf);
	if (top == NULL) {
		fib_store_give(fib->store, copy);
		return -1;
	}
	/* nobody has seen the copy yet, but what is below it is shared */
	if (way->parting >= place->level)
		hand_down_from(top, place->bits, place->slot);
	fib_set_word(way->words[way->length - 1], fib_word_of(top));
	fib_store_retire(fib->store, old);
	fib_direct_update(fib, beside, fib_length_max(fib));
	return 0;
}

static void
set_default(struct fib *fib, uint32_t leaf, uint32_t *old)
{
	uint64_t root = fib_load(&fib->root);

	*old = fib->default_leaf;
	fib->default_leaf = leaf;
	if (fib_is_block(root))
		hand_down(fib_block_of(root), leaf);
	else
		fib_set_word(&fib->root, fib_word_of_leaf(leaf));
}

static int
set(struct fib *fib, fib_key key, unsigned length, uint32_t leaf, uint32_t *old)
{
	struct fib_place place = fib_place_of(fib, key, length);
	struct way way;

	find_way(fib, key, place.level, &way);
	switch (meet(fib, &way, place.level)) {
	case MEET_NOTHING:
		return set_first(fib, &place, leaf);
	case MEET_OWN:
		return set_own(fib, &way, &place, leaf, old);
	case MEET_ABOVE:
		return set_below(fib, &way, &place, leaf);
	case MEET_BESIDE:
		return set_beside(fib, &way, &place, leaf);
	}
	return -1;
}

/* ---- clearing ---------------------------------------------------------------------------------
 */

/* Whether a block may hang from the one above that of the way, instead of that. */
static bool
may_move_up(
	const struct fib *fib, const struct way *way, unsigned at, const struct fib_block *block)
{
	int above = at > 0 ? (int)fib_level(fib, way->blocks[at - 1]) : -1;

	return (int)fib_level(fib, block) - above - 1 <= FIB_SKIP_MAX;
}

static struct fib_block *
only_child(struct fib_block *block)
{
	return fib_block_of(fib_load((fib_word *)block + block->below_at));
}

/* The child that a block with two has beside the one in the slot. */
static struct fib_block *
other_child(struct fib_block *block, unsigned slot)
{
	uint64_t rest = block->children & ~(1ull << slot);

	return fib_block_of(fib_load(fib_below_of(block, (unsigned)__builtin_ctzll(rest))));
}

/*
 * Takes out the last block of the way, which holds nothing, and those that only lead to it.
 * The only thing that can fail comes first: the copy of the one that they hang from.
 */
static int
take_out(struct fib *fib, const struct way *way)
{
	unsigned at = way->length - 1; /* the topmost to go */
	struct fib_block *above, *copy;

	while (at > 0 && fib_leaves(way->blocks[at - 1]) == 0 &&
		fib_ones(way->blocks[at - 1]->children) == 1)
		at--;
	if (at == 0) {
		fib_set_word(&fib->root, fib_word_of_leaf(fib->default_leaf));
	} else {
		unsigned slot = way->slots[at - 1];

		above = way->blocks[at - 1];
		if (fib_leaves(above) == 0 && fib_ones(above->children) == 2 &&
			may_move_up(fib, way, at - 1, other_child(above, slot))) {
			fib_set_word(way->words[at - 1], fib_word_of(other_child(above, slot)));
		} else {
			copy = fib_copy_without_child(fib, above, slot);
			if (copy == NULL)
				return -1;
			fib_set_word(way->words[at - 1], fib_word_of(copy));
		}
		fib_store_retire(fib->store, above);
	}
	for (; at < way->length; at++)
		fib_store_retire(fib->store, way->blocks[at]);
	return 0;
}

static int
clear(struct fib *fib, fib_key key, unsigned length, uint32_t *old)
{
	struct fib_place place = fib_place_of(fib, key, length);
	struct fib_block *block, *copy;
	fib_word *word;
	struct way way;

	find_way(fib, key, place.level, &way);
	if (meet(fib, &way, place.level) != MEET_OWN)
		return 0;
	block = way.blocks[way.length - 1];
	word = way.words[way.length - 1];
	if (!fib_has_route(block, place.bits, place.slot))
		return 0;
	*old = fib_load_leaf(&block->answers[fib_route_at(block, place.bits, place.slot)]);
	if (fib_leaves(block) == 1 && block->children == 0)
		return take_out(fib, &way);
	if (fib_leaves(block) == 1 && fib_ones(block->children) == 1 &&
		may_move_up(fib, &way, way.length - 1, only_child(block))) {
		/* first: it is to answer for all that the block did */
		hand_down(only_child(block), fib_load_leaf(&block->answers[0]));
		fib_set_word(word, fib_word_of(only_child(block)));
	} else {
		copy = fib_copy_without_route(fib, block, &place);
		if (copy == NULL)
			return -1;
		fib_set_word(word, fib_word_of(copy));
		hand_down_from(copy, place.bits, place.slot);
	}
	fib_store_retire(fib->store, block);
	return 0;
}

/* ---- the contract's calls ---------------------------------------------------------------------
 */

void
fib_open(struct fib *fib, enum fib_family family)
{
	memset(fib, 0, sizeof(*fib));
	fib->levels = family == FIB_IPV4 ? FIB4_LEVELS : FIB6_LEVELS;
	atomic_store_explicit(&fib->table, (uint64_t)(uintptr_t)&fib->root, memory_order_release);
}

int
fib_set(struct fib *fib, const uint8_t *prefix, unsigned length, uint32_t leaf, uint32_t *old)
{
	const fib_key key = fib_prefix_key(fib, prefix, length);
	uint32_t before = 0;

	if (leaf == 0)
		return fib_clear(fib, prefix, length, old);
	if (length == 0)
		set_default(fib, leaf, &before);
	else if (fib_store_ready(fib) != 0 || set(fib, key, length, leaf, &before) != 0)
		return -1;
	fib_direct_update(fib, key, length);
	if (before == 0) {
		fib->count++;
		fib_direct_fit(fib);
	}
	if (old != NULL)
		*old = before;
	return 0;
}

int
fib_clear(struct fib *fib, const uint8_t *prefix, unsigned length, uint32_t *old)
{
	const fib_key key = fib_prefix_key(fib, prefix, length);
	uint32_t before = 0;

	if (length == 0)
		set_default(fib, 0, &before);
	else if (fib->store != NULL &&
		 (fib_store_ready(fib) != 0 || clear(fib, key, length, &before) != 0))
		return -1;
	if (old != NULL)
		*old = before;
	if (before == 0)
		return 0;
	fib_direct_update(fib, key, length);
	fib->count--;
	fib_direct_fit(fib);
	return 0;
}

int
fib_reserve(struct fib *fib, uint32_t updates)
{
	return fib_store_reserve(fib, updates);
}
