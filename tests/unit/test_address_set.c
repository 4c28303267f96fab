/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of addresses against plain lists: members, versions, differences, and classes. */
#include "firewall/address_classes.h"
#include "random_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MEMBERS_MOST 512

struct list {
	struct weft_prefix members[MEMBERS_MOST];
	unsigned count;
};

static bool
covers(const struct weft_prefix *prefix, uint8_t family, const uint8_t *address, unsigned length)
{
	if (prefix->family != family || prefix->length > length)
		return false;
	for (unsigned i = 0; i < prefix->length; i++)
		if ((prefix->address[i / 8] ^ address[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool
is_same(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->length == b->length && covers(a, b->family, b->address, b->length);
}

static unsigned
find(const struct list *list, const struct weft_prefix *prefix)
{
	unsigned i = 0;

	while (i < list->count && !is_same(&list->members[i], prefix))
		i++;
	return i;
}

static void
list_add(struct list *list, const struct weft_prefix *prefix)
{
	if (find(list, prefix) == list->count)
		list->members[list->count++] = *prefix;
}

static void
list_remove(struct list *list, const struct weft_prefix *prefix)
{
	unsigned at = find(list, prefix);

	if (at < list->count)
		list->members[at] = list->members[--list->count];
}

static const struct weft_prefix *
list_longest(const struct list *list, uint8_t family, const uint8_t *address)
{
	const struct weft_prefix *best = NULL;

	for (unsigned i = 0; i < list->count; i++)
		if (covers(&list->members[i], family, address, 128) &&
			(best == NULL || list->members[i].length > best->length))
			best = &list->members[i];
	return best;
}

static int
compare(const void *a, const void *b)
{
	const struct weft_prefix *x = a, *y = b;
	struct weft_prefix p = trie_prefix(
		x->family, trie_cut(trie_key_of(x->family, x->address), x->length), x->length);
	struct weft_prefix q = trie_prefix(
		y->family, trie_cut(trie_key_of(y->family, y->address), y->length), y->length);
	int order = memcmp(p.address, q.address, 16);

	if (p.family != q.family)
		return p.family - q.family;
	return order != 0 ? order : p.length - q.length;
}

struct told {
	const struct list *list;
	unsigned count;
};

static bool
look(void *context, const struct weft_prefix *member)
{
	struct told *told = context;

	assert_true(told->count < told->list->count);
	assert_true(is_same(&told->list->members[told->count], member));
	told->count++;
	return true;
}

static void
check_set(const struct address_set *set, struct list *list)
{
	struct told told = { list, 0 };

	qsort(list->members, list->count, sizeof(list->members[0]), compare);
	address_set_each(set, look, &told);
	assert_int_equal(told.count, list->count);
	assert_int_equal(address_set_count(set), list->count);
	for (unsigned i = 0; i < 50; i++) {
		uint8_t family = one_in(2) ? 4 : 6, address[16];
		const struct weft_prefix *wanted;
		struct weft_prefix member;

		random_address(family, address);
		if (list->count > 0 && one_in(2)) {
			const struct weft_prefix *from = &list->members[random_below(list->count)];

			family = from->family;
			corner_of_prefix(from, address);
		}
		wanted = list_longest(list, family, address);
		assert_int_equal(address_set_has(set, family, address), wanted != NULL);
		assert_int_equal(address_set_member(set, family, address, &member), wanted != NULL);
		if (wanted != NULL)
			assert_true(is_same(&member, wanted));
	}
}

static void
random_update(struct list *list, struct weft_prefix come[8], struct weft_prefix go[8])
{
	for (unsigned i = 0; i < 8; i++) {
		go[i] = list->count > 0 && one_in(2) ? list->members[random_below(list->count)]
						     : random_prefix();
		come[i] = random_prefix();
	}
	for (unsigned i = 0; i < 8; i++)
		list_remove(list, &go[i]);
	for (unsigned i = 0; i < 8; i++)
		list_add(list, &come[i]);
}

static void
test_versions(void **state)
{
	static struct list before, list;

	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct address_set *set;

		random_state = seed * 0x9e3779b97f4a7c15u;
		list.count = 0;
		set = address_set_create(NULL, 0);
		for (unsigned i = 0; i < 30; i++) {
			struct weft_prefix come[8], go[8];
			struct address_set *next;

			before = list;
			random_update(&list, come, go);
			next = address_set_update(set, come, 8, go, 8);
			assert_non_null(next);
			check_set(next, &list);
			/* the old version is as it was */
			check_set(set, &before);
			address_set_free(set);
			set = next;
		}
		address_set_free(set);
	}
}

struct difference {
	uint8_t family;
	struct list *list;
};

static bool
differ(void *context, trie_key key, unsigned length, bool came)
{
	const struct difference *difference = context;
	struct weft_prefix prefix = trie_prefix(difference->family, key, length);

	assert_int_equal(find(difference->list, &prefix) < difference->list->count, !came);
	if (came)
		list_add(difference->list, &prefix);
	else
		list_remove(difference->list, &prefix);
	return true;
}

static struct address_set *
random_members(struct list *list, unsigned most)
{
	list->count = 0;
	for (unsigned n = random_below(most); n > 0; n--) {
		struct weft_prefix prefix = random_prefix();

		list_add(list, &prefix);
	}
	return address_set_create(list->members, list->count);
}

/* What differs between two versions, whether related or not, makes the one the other. */
static void
test_differences(void **state)
{
	static struct list a_list, b_list;

	(void)state;
	for (unsigned seed = 1; seed <= 2000; seed++) {
		struct address_set *a, *b;

		random_state = seed * 0x9e3779b97f4a7c15u;
		a = random_members(&a_list, 60);
		if (one_in(2)) {
			struct weft_prefix come[8], go[8];

			b_list = a_list;
			random_update(&b_list, come, go);
			b = address_set_update(a, come, 8, go, 8);
		} else {
			b = random_members(&b_list, 60);
		}
		for (unsigned i = 0; i < 2; i++) {
			struct difference difference = { i == 0 ? 4 : 6, &a_list };

			assert_true(trie_difference(a->tries[i], b->tries[i], differ, &difference));
		}
		check_set(b, &a_list);
		address_set_free(a);
		address_set_free(b);
	}
}

/* ---- classes ----------------------------------------------------------------------------------
 */

#define SLOTS 12

struct class_world {
	struct address_classes classes;
	struct address_map map;
	struct address_set *sets[SLOTS];
	bool hashed[SLOTS];
	struct list lists[SLOTS];
};

static void
check_classes(const struct class_world *world, const struct address_map *map,
	struct address_set *const sets[SLOTS])
{
	for (unsigned i = 0; i < 60; i++) {
		uint8_t family = one_in(2) ? 4 : 6, address[16];
		const struct address_class *class;

		random_address(family, address);
		class = address_map_find(map, family, trie_key_of(family, address));
		for (uint32_t slot = 0; slot < SLOTS; slot++) {
			bool has =
				sets[slot] != NULL && address_set_has(sets[slot], family, address);
			bool hashed = false;

			assert_int_equal(address_class_has(class, slot), has);
			for (uint32_t k = 0; class != NULL && k < class->n_hashed; k++)
				hashed = hashed || class->hashed[k] == slot;
			assert_int_equal(hashed, has && world->hashed[slot]);
		}
	}
}

/* Returns the set that is no longer the slot's. */
static struct address_set *
change_slot(struct class_world *world, unsigned slot)
{
	struct address_set *before = world->sets[slot], *after = NULL;
	struct weft_prefix come[8], go[8];
	enum address_map_result result;

	if (before == NULL) {
		after = random_members(&world->lists[slot], 40);
		world->hashed[slot] = one_in(2);
	} else if (!one_in(4)) {
		random_update(&world->lists[slot], come, go);
		after = address_set_update(before, come, 8, go, 8);
	}
	result = address_map_change(
		&world->classes, &world->map, slot, world->hashed[slot], before, after);
	if (result == ADDRESS_MAP_CROWDED) {
		/* then it is as it was; unhashed ones always have room */
		check_classes(world, &world->map, world->sets);
		assert_int_equal(address_map_change(&world->classes, &world->map, slot,
					 world->hashed[slot], before, NULL),
			ADDRESS_MAP_OK);
		world->hashed[slot] = false;
		result = address_map_change(&world->classes, &world->map, slot, false, NULL, after);
	}
	assert_int_equal(result, ADDRESS_MAP_OK);
	world->sets[slot] = after;
	return before;
}

static void
test_classes(void **state)
{
	static struct class_world world;
	struct hash_key key;

	(void)state;
	hash_key_random(&key);
	for (unsigned seed = 1; seed <= 200; seed++) {
		random_state = seed * 0x9e3779b97f4a7c15u;
		memset(&world, 0, sizeof(world));
		assert_int_equal(address_classes_open(&world.classes, &key), 0);
		for (unsigned i = 0; i < 40; i++) {
			struct address_map old = address_map_share(&world.map);
			struct address_set *sets[SLOTS], *gone;
			bool hashed[SLOTS], now[SLOTS];

			memcpy(sets, world.sets, sizeof(sets));
			memcpy(hashed, world.hashed, sizeof(hashed));
			gone = change_slot(&world, random_below(SLOTS));
			check_classes(&world, &world.map, world.sets);
			memcpy(now, world.hashed, sizeof(now));
			memcpy(world.hashed, hashed, sizeof(hashed));
			check_classes(&world, &old, sets);
			memcpy(world.hashed, now, sizeof(now));
			address_map_drop(&world.classes, &old);
			address_set_free(gone);
		}
		for (uint32_t slot = 0; slot < SLOTS; slot++) {
			assert_int_equal(address_map_change(&world.classes, &world.map, slot,
						 world.hashed[slot], world.sets[slot], NULL),
				ADDRESS_MAP_OK);
			address_set_free(world.sets[slot]);
		}
		/* nothing is left of sets that are gone */
		assert_null(world.map.tries[0]);
		assert_null(world.map.tries[1]);
		assert_int_equal(world.classes.count, 0);
		address_classes_close(&world.classes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
