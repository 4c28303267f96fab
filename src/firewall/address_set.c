/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/address_set_private.h"

#include <stdlib.h>

static char member_mark; /* the value of every prefix in a set's tries */

static struct trie_node **
trie_of(struct address_set *set, const struct weft_prefix *prefix)
{
	return &set->tries[address_family_index(prefix->family)];
}

static int
add_member(struct address_set *set, const struct weft_prefix *member)
{
	trie_key key = trie_key_of(member->family, member->address);
	struct trie_node **trie = trie_of(set, member);

	if (trie_exact(*trie, key, member->length) != NULL)
		return 0;
	if (trie_set(trie, NULL, key, member->length, &member_mark) < 0)
		return -1;
	set->count++;
	return 0;
}

static int
remove_member(struct address_set *set, const struct weft_prefix *member)
{
	trie_key key = trie_key_of(member->family, member->address);
	struct trie_node **trie = trie_of(set, member);

	if (trie_exact(*trie, key, member->length) == NULL)
		return 0;
	if (trie_clear(trie, NULL, key, member->length) < 0)
		return -1;
	set->count--;
	return 0;
}

struct address_set *
address_set_share(const struct address_set *set)
{
	struct address_set *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *set;
	for (unsigned i = 0; i < ADDRESS_FAMILIES; i++)
		trie_share(copy->tries[i]);
	return copy;
}

struct address_set *
address_set_update(const struct address_set *set, const struct weft_prefix *come, size_t n_come,
	const struct weft_prefix *go, size_t n_go)
{
	struct address_set *after = address_set_share(set);

	if (after == NULL)
		return NULL;
	for (size_t i = 0; i < n_go; i++)
		if (remove_member(after, &go[i]) < 0)
			goto no_memory;
	for (size_t i = 0; i < n_come; i++)
		if (add_member(after, &come[i]) < 0)
			goto no_memory;
	return after;
no_memory:
	address_set_free(after);
	return NULL;
}

struct address_set *
address_set_create(const struct weft_prefix *members, size_t count)
{
	const struct address_set empty = { { NULL, NULL }, 0 };

	return address_set_update(&empty, members, count, NULL, 0);
}

void
address_set_free(struct address_set *set)
{
	if (set == NULL)
		return;
	for (unsigned i = 0; i < ADDRESS_FAMILIES; i++)
		trie_drop(set->tries[i], NULL);
	free(set);
}

bool
address_set_has(const struct address_set *set, uint8_t family, const uint8_t *address)
{
	return trie_find(set->tries[address_family_index(family)], trie_key_of(family, address)) !=
	       NULL;
}

bool
address_set_member(const struct address_set *set, uint8_t family, const uint8_t *address,
	struct weft_prefix *member)
{
	trie_key key = trie_key_of(family, address);
	unsigned length;

	if (trie_longest(set->tries[address_family_index(family)], key, 128, &length) == NULL)
		return false;
	*member = trie_prefix(family, trie_cut(key, length), length);
	return true;
}

size_t
address_set_count(const struct address_set *set)
{
	return set->count;
}

struct walk {
	bool (*look)(void *context, const struct weft_prefix *member);
	void *context;
	uint8_t family;
};

static bool
look_at(void *context, trie_key key, unsigned length, void *value)
{
	const struct walk *walk = context;
	struct weft_prefix member = trie_prefix(walk->family, key, length);

	(void)value;
	return walk->look(walk->context, &member);
}

void
address_set_each(const struct address_set *set,
	bool (*look)(void *context, const struct weft_prefix *member), void *context)
{
	struct walk walk = { look, context, 4 };

	if (!trie_each(set->tries[0], 0, 0, look_at, &walk))
		return;
	walk.family = 6;
	trie_each(set->tries[1], 0, 0, look_at, &walk);
}
