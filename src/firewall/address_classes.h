/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In which of many sets an address is, by one lookup: addresses that are in the same sets are of
 * one class, and a trie over the members of all sets says which. A class never changes.
 *
 * A set is told by a number (slot). Of some sets a class counts the few that are hashed: the
 * classifier looks rules up by them, so no class has more than CLASS_HASHED_MOST.
 *
 * The tries are persistent (prefix_trie.h): a version of them stays as it is while the next is
 * made.
 *
 * Threads: changed on the control thread; a version is read anywhere.
 */
#ifndef WEFT_FIREWALL_ADDRESS_CLASSES_H
#define WEFT_FIREWALL_ADDRESS_CLASSES_H

#include "base/hash.h"
#include "firewall/address_set_private.h"

#define CLASS_HASHED_MOST 4

struct address_class {
	uint32_t references; /* of the tries; first, as trie_kind wants it */
	uint32_t n_hashed;
	uint32_t hashed[CLASS_HASHED_MOST]; /* as they came */
	uint32_t n_slots;
	struct address_class *next; /* of those with this hash */
	uint64_t hash;
	uint32_t slots[]; /* all, in order */
};

/* Of all versions: each class is there once. */
struct address_classes {
	struct hash_key key;
	struct trie_kind kind; /* of the tries */
	struct address_class **buckets;
	size_t capacity, count; /* a power of two */
};

struct address_map {
	struct trie_node *tries[ADDRESS_FAMILIES];
};

int address_classes_open(struct address_classes *classes, const struct hash_key *key);
/* All maps have been dropped before. */
void address_classes_close(struct address_classes *classes);

struct address_map address_map_share(const struct address_map *map);
void address_map_drop(struct address_classes *classes, struct address_map *map);

enum address_map_result {
	ADDRESS_MAP_OK,
	ADDRESS_MAP_NO_MEMORY,
	ADDRESS_MAP_CROWDED, /* a class would have too many hashed ones */
};

/*
 * The set of that slot becomes another version; NULL: it was, or becomes, empty. What has not
 * succeeded leaves the map as it was.
 */
enum address_map_result address_map_change(struct address_classes *classes, struct address_map *map,
	uint32_t slot, bool hashed, const struct address_set *before,
	const struct address_set *after);

/* NULL: in none. */
static inline const struct address_class *
address_map_find(const struct address_map *map, uint8_t family, trie_key key)
{
	return trie_find(map->tries[address_family_index(family)], key);
}

static inline bool
address_class_has(const struct address_class *class, uint32_t slot)
{
	uint32_t first = 0, last;

	if (class == NULL)
		return false;
	last = class->n_slots;
	while (first < last) {
		uint32_t middle = (first + last) / 2;

		if (class->slots[middle] == slot)
			return true;
		if (class->slots[middle] < slot)
			first = middle + 1;
		else
			last = middle;
	}
	return false;
}

#endif
