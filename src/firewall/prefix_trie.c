/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/prefix_trie.h"

#include <stdlib.h>
#include <string.h>

#define LEVEL_BITS_MOST 5 /* of a value in a node; six are the next level's */

static unsigned
count_slots(const struct trie_node *node)
{
	return trie_ones(node->children) + trie_ones(node->values);
}

/* At which depth a prefix of that length lives. */
static unsigned
depth_of(unsigned length)
{
	return length / TRIE_STRIDE * TRIE_STRIDE;
}

/* The bit in `values` of a prefix of the node. */
static uint64_t
value_bit(const struct trie_node *node, trie_key key, unsigned length)
{
	unsigned bits = length - node->depth;

	return 1ull << ((1u << bits) - 1 + (trie_slot(key, node->depth) >> (TRIE_STRIDE - bits)));
}

static unsigned
value_at(const struct trie_node *node, uint64_t bit)
{
	return trie_ones(node->children) + trie_ones(node->values & (bit - 1));
}

/* ---- references -------------------------------------------------------------------------------
 */

static void
take_value(const struct trie_kind *kind, void *value)
{
	if (kind != NULL)
		++*(uint32_t *)value;
}

static void
give_value(const struct trie_kind *kind, void *value)
{
	if (kind != NULL && --*(uint32_t *)value == 0)
		kind->gone(kind->context, value);
}

struct trie_node *
trie_share(struct trie_node *root)
{
	if (root != NULL)
		root->references++;
	return root;
}

void
trie_drop(struct trie_node *node, const struct trie_kind *kind)
{
	unsigned n_children, n;

	if (node == NULL || --node->references > 0)
		return;
	n_children = trie_ones(node->children);
	n = count_slots(node);
	for (unsigned i = 0; i < n_children; i++)
		trie_drop(node->slots[i], kind);
	for (unsigned i = n_children; i < n; i++)
		give_value(kind, node->slots[i]);
	free(node);
}

/* ---- making nodes -----------------------------------------------------------------------------
 */

static struct trie_node *
node_new(trie_key key, unsigned depth, uint64_t children, uint64_t values)
{
	unsigned n = trie_ones(children) + trie_ones(values);
	struct trie_node *node = malloc(sizeof(*node) + n * sizeof(node->slots[0]));

	if (node == NULL)
		return NULL;
	*node = (struct trie_node){ .references = 1,
		.depth = depth,
		.key = trie_cut(key, depth),
		.children = children,
		.values = values };
	return node;
}

/* A copy with other children or values; slots of those that both have are taken over. */
static struct trie_node *
node_copy(const struct trie_node *old, const struct trie_kind *kind, uint64_t children,
	uint64_t values)
{
	struct trie_node *node = node_new(old->key, old->depth, children, values);
	unsigned from = 0, to = 0;

	if (node == NULL)
		return NULL;
	for (uint64_t all = old->children | children; all != 0; all &= all - 1) {
		uint64_t bit = all & -all;

		if (old->children & children & bit)
			node->slots[to] = trie_share(old->slots[from]);
		from += (old->children & bit) != 0;
		to += (children & bit) != 0;
	}
	for (uint64_t all = old->values | values; all != 0; all &= all - 1) {
		uint64_t bit = all & -all;

		if (old->values & values & bit) {
			node->slots[to] = old->slots[from];
			take_value(kind, node->slots[to]);
		}
		from += (old->values & bit) != 0;
		to += (values & bit) != 0;
	}
	return node;
}

/* ---- setting ----------------------------------------------------------------------------------
 */

struct edit {
	const struct trie_kind *kind;
	trie_key key;
	unsigned length;
	void *value;
};

static struct trie_node *
leaf_new(const struct edit *edit)
{
	struct trie_node *node = node_new(edit->key, depth_of(edit->length), 0, 0);
	struct trie_node *with;

	if (node == NULL)
		return NULL;
	with = realloc(node, sizeof(*node) + sizeof(node->slots[0]));
	if (with == NULL) {
		free(node);
		return NULL;
	}
	with->values = value_bit(with, edit->key, edit->length);
	with->slots[0] = edit->value;
	take_value(edit->kind, edit->value);
	return with;
}

/* A node above, in which the old one and the new prefix part. */
static struct trie_node *
set_above(struct trie_node *old, const struct edit *edit, unsigned depth)
{
	uint64_t children = 1ull << trie_slot(old->key, depth);
	struct trie_node *leaf = NULL, *node;
	uint64_t values = 0;

	if (depth_of(edit->length) == depth) {
		struct trie_node probe = { .depth = depth };

		values = value_bit(&probe, edit->key, edit->length);
	} else {
		children |= 1ull << trie_slot(edit->key, depth);
		leaf = leaf_new(edit);
		if (leaf == NULL)
			return NULL;
	}
	node = node_new(edit->key, depth, children, values);
	if (node == NULL) {
		trie_drop(leaf, edit->kind);
		return NULL;
	}
	node->slots[trie_child_at(node, trie_slot(old->key, depth))] = trie_share(old);
	if (leaf != NULL) {
		node->slots[trie_child_at(node, trie_slot(edit->key, depth))] = leaf;
	} else {
		node->slots[1] = edit->value;
		take_value(edit->kind, edit->value);
	}
	return node;
}

static struct trie_node *
set_here(struct trie_node *node, bool ours, const struct edit *edit)
{
	uint64_t bit = value_bit(node, edit->key, edit->length);
	struct trie_node *copy = node;

	take_value(edit->kind, edit->value);
	if (ours && (node->values & bit)) {
		give_value(edit->kind, node->slots[value_at(node, bit)]);
	} else {
		copy = node_copy(node, edit->kind, node->children, node->values | bit);
		if (copy == NULL) {
			give_value(edit->kind, edit->value);
			return NULL;
		}
		if (node->values & bit)
			give_value(edit->kind, copy->slots[value_at(copy, bit)]);
	}
	copy->slots[value_at(copy, bit)] = edit->value;
	return copy;
}

/* Puts a child, which takes the place of one or is new, into the node: it, or a copy. */
static struct trie_node *
put_child(struct trie_node *node, bool ours, const struct trie_kind *kind, unsigned slot,
	struct trie_node *child)
{
	bool had = node->children >> slot & 1;
	struct trie_node *copy = node;

	if (!ours || !had) {
		copy = node_copy(node, kind, node->children | 1ull << slot, node->values);
		if (copy == NULL) {
			trie_drop(child, kind);
			return NULL;
		}
	}
	if (had)
		trie_drop(copy->slots[trie_child_at(copy, slot)], kind);
	copy->slots[trie_child_at(copy, slot)] = child;
	return copy;
}

/*
 * What takes the node's place: itself, where it could be changed, or another with a reference
 * for the caller. `ours`: nobody else has the way to it. NULL: no memory.
 */
static struct trie_node *
set_in(struct trie_node *node, bool ours, const struct edit *edit)
{
	struct trie_node *child, *after;
	unsigned common, slot;

	if (node == NULL)
		return leaf_new(edit);
	ours = ours && node->references == 1;
	common = trie_common_bits(node->key, edit->key, edit->length);
	if (common < node->depth)
		return set_above(node, edit, depth_of(common));
	if (depth_of(edit->length) == node->depth)
		return set_here(node, ours, edit);
	slot = trie_slot(edit->key, node->depth);
	child = node->children >> slot & 1 ? node->slots[trie_child_at(node, slot)] : NULL;
	after = set_in(child, ours, edit);
	if (after == NULL)
		return NULL;
	return after == child ? node : put_child(node, ours, edit->kind, slot, after);
}

int
trie_set(struct trie_node **root, const struct trie_kind *kind, trie_key key, unsigned length,
	void *value)
{
	const struct edit edit = { kind, trie_cut(key, length), length, value };
	struct trie_node *after = set_in(*root, true, &edit);

	if (after == NULL)
		return -1;
	if (after != *root) {
		trie_drop(*root, kind);
		*root = after;
	}
	return 0;
}

/* ---- clearing ---------------------------------------------------------------------------------
 */

/* A copy with less, or what is left of it: a single child, or nothing. -1: no memory. */
static int
shrink(const struct trie_node *node, const struct edit *edit, uint64_t children, uint64_t values,
	struct trie_node **after)
{
	if (values == 0 && children == 0) {
		*after = NULL;
		return 0;
	}
	if (values == 0 && (children & (children - 1)) == 0) {
		*after = trie_share(
			node->slots[trie_child_at(node, (unsigned)__builtin_ctzll(children))]);
		return 0;
	}
	*after = node_copy(node, edit->kind, children, values);
	return *after != NULL ? 0 : -1;
}

/* As set_in; *after may be NULL: nothing is left. */
static int
clear_in(struct trie_node *node, bool ours, const struct edit *edit, struct trie_node **after)
{
	struct trie_node *child, *child_after;
	unsigned slot;
	uint64_t bit;

	*after = node;
	if (node == NULL || trie_common_bits(node->key, edit->key, edit->length) < node->depth)
		return 0;
	ours = ours && node->references == 1;
	if (depth_of(edit->length) == node->depth) {
		bit = value_bit(node, edit->key, edit->length);
		if (!(node->values & bit))
			return 0;
		return shrink(node, edit, node->children, node->values & ~bit, after);
	}
	slot = trie_slot(edit->key, node->depth);
	if (!(node->children >> slot & 1))
		return 0;
	child = node->slots[trie_child_at(node, slot)];
	if (clear_in(child, ours, edit, &child_after) < 0)
		return -1;
	if (child_after == child)
		return 0;
	if (child_after == NULL)
		return shrink(node, edit, node->children & ~(1ull << slot), node->values, after);
	*after = put_child(node, ours, edit->kind, slot, child_after);
	return *after != NULL ? 0 : -1;
}

int
trie_clear(struct trie_node **root, const struct trie_kind *kind, trie_key key, unsigned length)
{
	const struct edit edit = { kind, trie_cut(key, length), length, NULL };
	struct trie_node *after;

	if (clear_in(*root, true, &edit, &after) < 0)
		return -1;
	if (after != *root) {
		trie_drop(*root, kind);
		*root = after;
	}
	return 0;
}

/* ---- looking ----------------------------------------------------------------------------------
 */

void *
trie_exact(const struct trie_node *node, trie_key key, unsigned length)
{
	while (node != NULL && node->depth <= length &&
		trie_cut(key ^ node->key, node->depth) == 0) {
		unsigned slot = trie_slot(key, node->depth);

		if (depth_of(length) == node->depth) {
			uint64_t bit = value_bit(node, key, length);

			return node->values & bit ? node->slots[value_at(node, bit)] : NULL;
		}
		if (!(node->children >> slot & 1))
			break;
		node = node->slots[trie_child_at(node, slot)];
	}
	return NULL;
}

/* The bits in `values` of prefixes of at most that many bits. */
static uint64_t
at_most(unsigned bits)
{
	return bits >= LEVEL_BITS_MOST ? ~0ull : (1ull << ((2u << bits) - 1)) - 1;
}

void *
trie_longest(const struct trie_node *node, trie_key key, unsigned most, unsigned *length)
{
	void *found = NULL;

	while (node != NULL && node->depth <= most && trie_cut(key ^ node->key, node->depth) == 0) {
		unsigned slot = trie_slot(key, node->depth);
		uint64_t hit = node->values & trie_covers(slot) & at_most(most - node->depth);

		if (hit != 0) {
			unsigned at = 63u - (unsigned)__builtin_clzll(hit);

			found = node->slots[value_at(node, 1ull << at)];
			if (length != NULL)
				*length = node->depth + 31u - (unsigned)__builtin_clz(at + 1);
		}
		if (!(node->children >> slot & 1))
			break;
		node = node->slots[trie_child_at(node, slot)];
	}
	return found;
}

struct walk {
	trie_look look;
	void *context;
};

/* What a node has at or below the `which`-th of `bits` bits. */
static bool
each_in(const struct trie_node *node, unsigned bits, unsigned which, const struct walk *walk)
{
	uint64_t bit;
	trie_key key;

	if (bits > LEVEL_BITS_MOST) {
		if (!(node->children >> which & 1))
			return true;
		return each_in(node->slots[trie_child_at(node, which)], 0, 0, walk);
	}
	bit = 1ull << ((1u << bits) - 1 + which);
	if (node->values & bit) {
		key = node->key;
		if (bits > 0)
			key |= (trie_key)which << (128 - node->depth - bits);
		if (!walk->look(walk->context, key, node->depth + bits,
			    node->slots[value_at(node, bit)]))
			return false;
	}
	/* the last level is two bits deep */
	if (node->depth + bits >= 128)
		return true;
	return each_in(node, bits + 1, 2 * which, walk) &&
	       each_in(node, bits + 1, 2 * which + 1, walk);
}

bool
trie_each(
	const struct trie_node *node, trie_key key, unsigned length, trie_look look, void *context)
{
	const struct walk walk = { look, context };

	while (node != NULL) {
		unsigned slot = trie_slot(key, node->depth);

		if (node->depth >= length)
			return trie_cut(key ^ node->key, length) != 0 || each_in(node, 0, 0, &walk);
		if (trie_cut(key ^ node->key, node->depth) != 0)
			break;
		if (depth_of(length) == node->depth)
			return each_in(node, length - node->depth,
				slot >> (TRIE_STRIDE - (length - node->depth)), &walk);
		if (!(node->children >> slot & 1))
			break;
		node = node->slots[trie_child_at(node, slot)];
	}
	return true;
}

size_t
trie_bytes(const struct trie_node *root)
{
	unsigned n_children;
	size_t bytes;

	if (root == NULL)
		return 0;
	n_children = trie_ones(root->children);
	bytes = sizeof(*root) + count_slots(root) * sizeof(root->slots[0]);
	for (unsigned i = 0; i < n_children; i++)
		bytes += trie_bytes(root->slots[i]);
	return bytes;
}
