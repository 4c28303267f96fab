/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/address_classes.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 16

/* ---- classes ----------------------------------------------------------------------------------
 */

static void
class_gone(void *context, void *value)
{
	struct address_classes *classes = context;
	struct address_class *class = value;
	struct address_class **at = &classes->buckets[class->hash & (classes->capacity - 1)];

	while (*at != class)
		at = &(*at)->next;
	*at = class->next;
	classes->count--;
	free(class);
}

int
address_classes_open(struct address_classes *classes, const struct hash_key *key)
{
	*classes = (struct address_classes){
		.key = *key, .kind = { class_gone, classes }, .capacity = CAPACITY_LEAST
	};
	classes->buckets = calloc(classes->capacity, sizeof(*classes->buckets));
	return classes->buckets != NULL ? 0 : -1;
}

void
address_classes_close(struct address_classes *classes)
{
	free(classes->buckets);
	classes->buckets = NULL;
}

/* Without memory for more, chains grow longer. */
static void
grow(struct address_classes *classes)
{
	size_t capacity = classes->capacity * 2;
	struct address_class **buckets = calloc(capacity, sizeof(*buckets));

	if (buckets == NULL)
		return;
	for (size_t i = 0; i < classes->capacity; i++)
		for (struct address_class *class = classes->buckets[i], *next; class != NULL;
			class = next) {
			next = class->next;
			class->next = buckets[class->hash & (capacity - 1)];
			buckets[class->hash & (capacity - 1)] = class;
		}
	free(classes->buckets);
	classes->buckets = buckets;
	classes->capacity = capacity;
}

static bool
class_same(const struct address_class *a, const struct address_class *b)
{
	/* a number may be another set's by now, hashed or not */
	return a->hash == b->hash && a->n_slots == b->n_slots && a->n_hashed == b->n_hashed &&
	       memcmp(a->hashed, b->hashed, sizeof(a->hashed)) == 0 &&
	       memcmp(a->slots, b->slots, a->n_slots * sizeof(a->slots[0])) == 0;
}

/* The one that is there already, if it is; `class` is used up. */
static struct address_class *
intern(struct address_classes *classes, struct address_class *class)
{
	struct address_class **bucket;

	class->hash =
		hash_bytes(&classes->key, class->slots, class->n_slots * sizeof(class->slots[0]));
	if (classes->count >= classes->capacity)
		grow(classes);
	bucket = &classes->buckets[class->hash & (classes->capacity - 1)];
	for (struct address_class *other = *bucket; other != NULL; other = other->next)
		if (class_same(other, class)) {
			free(class);
			return other;
		}
	class->next = *bucket;
	*bucket = class;
	classes->count++;
	return class;
}

/* One that no trie has yet must not stay when none takes it. */
static void
hold(struct address_class *class)
{
	if (class != NULL)
		class->references++;
}

static void
let_go(struct address_classes *classes, struct address_class *class)
{
	if (class != NULL && --class->references == 0)
		class_gone(classes, class);
}

/* ---- changing a map ---------------------------------------------------------------------------
 */

struct work {
	struct address_classes *classes;
	struct trie_node **trie;     /* of the map */
	const struct trie_node *set; /* after the change */
	uint32_t slot;
	bool hashed;
	enum address_map_result result;
	/* prefixes to see to */
	struct todo *todo;
	size_t n_todo, room;
};

struct todo {
	trie_key key;
	unsigned length;
};

static int
note(struct work *work, trie_key key, unsigned length)
{
	if (work->n_todo == work->room) {
		size_t room = work->room > 0 ? work->room * 2 : 64;
		struct todo *more = realloc(work->todo, room * sizeof(*more));

		if (more == NULL) {
			work->result = ADDRESS_MAP_NO_MEMORY;
			return -1;
		}
		work->todo = more;
		work->room = room;
	}
	work->todo[work->n_todo++] = (struct todo){ key, length };
	return 0;
}

static bool
note_each(void *context, trie_key key, unsigned length, void *value)
{
	(void)value;
	return note(context, key, length) == 0;
}

static struct address_class *
class_new(struct work *work, uint32_t n_slots)
{
	struct address_class *class = calloc(1, sizeof(*class) + n_slots * sizeof(uint32_t));

	if (class == NULL)
		work->result = ADDRESS_MAP_NO_MEMORY;
	else
		class->n_slots = n_slots;
	return class;
}

/* NULL: work->result. */
static struct address_class *
class_with(struct work *work, struct address_class *old)
{
	uint32_t n = old != NULL ? old->n_slots : 0, at = 0;
	struct address_class *class;

	if (old != NULL && address_class_has(old, work->slot))
		return old;
	if (work->hashed && old != NULL && old->n_hashed == CLASS_HASHED_MOST) {
		work->result = ADDRESS_MAP_CROWDED;
		return NULL;
	}
	class = class_new(work, n + 1);
	if (class == NULL)
		return NULL;
	while (at < n && old->slots[at] < work->slot)
		at++;
	if (old != NULL) {
		memcpy(class->slots, old->slots, at * sizeof(uint32_t));
		memcpy(class->slots + at + 1, old->slots + at, (n - at) * sizeof(uint32_t));
		memcpy(class->hashed, old->hashed, sizeof(class->hashed));
		class->n_hashed = old->n_hashed;
	}
	class->slots[at] = work->slot;
	if (work->hashed)
		class->hashed[class->n_hashed++] = work->slot;
	return intern(work->classes, class);
}

/* NULL with ADDRESS_MAP_OK: it is in no set then. */
static struct address_class *
class_without(struct work *work, struct address_class *old)
{
	struct address_class *class;
	uint32_t to = 0;

	if (old == NULL || !address_class_has(old, work->slot))
		return old;
	if (old->n_slots == 1)
		return NULL;
	class = class_new(work, old->n_slots - 1);
	if (class == NULL)
		return NULL;
	for (uint32_t i = 0; i < old->n_slots; i++)
		if (old->slots[i] != work->slot)
			class->slots[to++] = old->slots[i];
	for (uint32_t i = 0; i < old->n_hashed; i++)
		if (old->hashed[i] != work->slot)
			class->hashed[class->n_hashed++] = old->hashed[i];
	return intern(work->classes, class);
}

/* The prefix is to have this class, by an entry of its own where the one above has another. */
static int
put(struct work *work, const struct todo *todo, struct address_class *class)
{
	struct address_classes *classes = work->classes;
	struct address_class *above = NULL;
	int failed;

	if (todo->length > 0)
		above = trie_longest(*work->trie, todo->key, todo->length - 1, NULL);
	hold(class);
	if (class == above || class == NULL)
		failed = trie_clear(work->trie, &classes->kind, todo->key, todo->length);
	else
		failed = trie_set(work->trie, &classes->kind, todo->key, todo->length, class);
	let_go(classes, class);
	if (failed)
		work->result = ADDRESS_MAP_NO_MEMORY;
	return failed;
}

/* Whether the set, as it is after, has all of the prefix. */
static bool
is_covered(const struct work *work, const struct todo *todo)
{
	return trie_longest(work->set, todo->key, todo->length, NULL) != NULL;
}

static int
see_to(struct work *work, const struct todo *todo)
{
	struct address_class *class = trie_longest(*work->trie, todo->key, todo->length, NULL);

	class = is_covered(work, todo) ? class_with(work, class) : class_without(work, class);
	if (class == NULL && work->result != ADDRESS_MAP_OK)
		return -1;
	return put(work, todo, class);
}

/*
 * A prefix came to the set or went: what the map has at it or below is looked at anew, the
 * shorter first, which the longer ones stand on; and where it went, members that it had in it
 * need entries of their own.
 */
static bool
member_differs(void *context, trie_key key, unsigned length, bool came)
{
	struct work *work = context;

	work->n_todo = 0;
	if (came && note(work, key, length) < 0)
		return false;
	if (!trie_each(*work->trie, key, length, note_each, work))
		return false;
	if (!came && !trie_each(work->set, key, length, note_each, work))
		return false;
	for (size_t i = 0; i < work->n_todo; i++)
		if (see_to(work, &work->todo[i]) < 0)
			return false;
	return true;
}

struct address_map
address_map_share(const struct address_map *map)
{
	for (unsigned i = 0; i < ADDRESS_FAMILIES; i++)
		trie_share(map->tries[i]);
	return *map;
}

void
address_map_drop(struct address_classes *classes, struct address_map *map)
{
	for (unsigned i = 0; i < ADDRESS_FAMILIES; i++) {
		trie_drop(map->tries[i], &classes->kind);
		map->tries[i] = NULL;
	}
}

enum address_map_result
address_map_change(struct address_classes *classes, struct address_map *map, uint32_t slot,
	bool hashed, const struct address_set *before, const struct address_set *after)
{
	struct address_map next = address_map_share(map);
	struct work work = { .classes = classes, .slot = slot, .hashed = hashed };

	for (unsigned i = 0; i < ADDRESS_FAMILIES && work.result == ADDRESS_MAP_OK; i++) {
		work.trie = &next.tries[i];
		work.set = after != NULL ? after->tries[i] : NULL;
		trie_difference(
			before != NULL ? before->tries[i] : NULL, work.set, member_differs, &work);
	}
	free(work.todo);
	if (work.result != ADDRESS_MAP_OK) {
		address_map_drop(classes, &next);
		return work.result;
	}
	address_map_drop(classes, map);
	*map = next;
	return ADDRESS_MAP_OK;
}
