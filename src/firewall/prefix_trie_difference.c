/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/prefix_trie.h"

/* ---- differences ------------------------------------------------------------------------------
 */

struct difference {
	trie_differ differ;
	void *context;
	bool came; /* what all_differ() tells of */
};

static bool
one_differs(void *context, trie_key key, unsigned length, void *value)
{
	const struct difference *difference = context;

	(void)value;
	return difference->differ(difference->context, key, length, difference->came);
}

static bool
all_differ(const struct trie_node *node, const struct difference *difference, bool came)
{
	struct difference all = { difference->differ, difference->context, came };

	return trie_each(node, node != NULL ? node->key : 0, node != NULL ? node->depth : 0,
		one_differs, &all);
}

static bool
values_differ(const struct trie_node *node, uint64_t values, bool came,
	const struct difference *difference)
{
	for (; values != 0; values &= values - 1) {
		unsigned at = (unsigned)__builtin_ctzll(values);
		unsigned bits = 31u - (unsigned)__builtin_clz(at + 1);
		unsigned which = at + 1 - (1u << bits);
		trie_key key = node->key;

		if (bits > 0)
			key |= (trie_key)which << (128 - node->depth - bits);
		if (!difference->differ(difference->context, key, node->depth + bits, came))
			return false;
	}
	return true;
}

static const struct trie_node *
child_of(const struct trie_node *node, unsigned slot)
{
	return node->children >> slot & 1 ? node->slots[trie_child_at(node, slot)] : NULL;
}

static bool nodes_differ(const struct trie_node *before, const struct trie_node *after,
	const struct difference *difference);

/* One of them stands where the other has a child, or could have. `came`: upper is the later. */
static bool
upper_differs(const struct trie_node *upper, const struct trie_node *lower, bool came,
	const struct difference *difference)
{
	unsigned own = trie_slot(lower->key, upper->depth);

	if (!values_differ(upper, upper->values, came, difference))
		return false;
	for (uint64_t slots = upper->children | 1ull << own; slots != 0; slots &= slots - 1) {
		unsigned slot = (unsigned)__builtin_ctzll(slots);
		const struct trie_node *child = child_of(upper, slot);
		const struct trie_node *other = slot == own ? lower : NULL;

		if (!(came ? nodes_differ(other, child, difference)
			   : nodes_differ(child, other, difference)))
			return false;
	}
	return true;
}

static bool
same_place_differs(const struct trie_node *before, const struct trie_node *after,
	const struct difference *difference)
{
	if (!values_differ(before, before->values & ~after->values, false, difference) ||
		!values_differ(after, after->values & ~before->values, true, difference))
		return false;
	for (uint64_t slots = before->children | after->children; slots != 0; slots &= slots - 1) {
		unsigned slot = (unsigned)__builtin_ctzll(slots);

		if (!nodes_differ(child_of(before, slot), child_of(after, slot), difference))
			return false;
	}
	return true;
}

static bool
nodes_differ(const struct trie_node *before, const struct trie_node *after,
	const struct difference *difference)
{
	unsigned common;

	if (before == after)
		return true;
	if (before == NULL || after == NULL)
		return all_differ(before, difference, false) && all_differ(after, difference, true);
	common = trie_common_bits(before->key, after->key,
		before->depth < after->depth ? before->depth : after->depth);
	if (common < before->depth && common < after->depth)
		return all_differ(before, difference, false) && all_differ(after, difference, true);
	if (before->depth == after->depth)
		return same_place_differs(before, after, difference);
	if (before->depth < after->depth)
		return upper_differs(before, after, false, difference);
	return upper_differs(after, before, true, difference);
}

bool
trie_difference(const struct trie_node *before, const struct trie_node *after, trie_differ differ,
	void *context)
{
	const struct difference difference = { differ, context, false };

	return nodes_differ(before, after, &difference);
}
