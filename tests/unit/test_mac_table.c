/* SPDX-License-Identifier: BSD-3-Clause */
/* The MAC table alone: against a simple oracle, when crowded, and with several threads. */
#include "switch/mac_table.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a table whose vports go when the test says so --------------------------------------- */

#define VPORTS 256

struct world {
	struct mac_table table;
	_Atomic bool gone[VPORTS];
};

static bool
world_stale(void *context, uint32_t vport, uint32_t stamp)
{
	struct world *world = context;

	return atomic_load_explicit(&world->gone[vport % VPORTS], memory_order_relaxed);
}

static void
world_synchronize(void *context)
{
	(void)context;
}

static void
world_open(struct world *world, uint32_t buckets)
{
	memset(world, 0, sizeof(*world));
	world->table.context = world;
	world->table.stale = world_stale;
	world->table.synchronize = world_synchronize;
	assert_int_equal(mac_table_open(&world->table, buckets), 0);
}

static struct mac_found
find(struct world *world, uint64_t key, uint32_t device)
{
	struct mac_array *array = mac_table_array(&world->table);
	struct mac_found found;

	mac_find(array, mac_hash(array, key, device), key, device, &found);
	return found;
}

static enum mac_result
insert(struct world *world, const struct mac_entry *entry)
{
	return mac_insert(&world->table, mac_table_array(&world->table), entry);
}

static uint64_t random_state = 88172645463325252u;

static uint32_t
random_below(uint32_t limit)
{
	/* Marsaglia's xorshift64 */
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

/* ---- one thing at a time -------------------------------------------------------------------- */

static void
an_entry_belongs_to_device_vlan_and_mac(void **state)
{
	const uint8_t mac[6] = { 2, 0, 0, 0xff, 0xfe, 0xfd }, other[6] = { 2, 0, 0, 0xff, 0xfe, 0 };
	struct mac_entry entry = { mac_key_of(mac, 4094), 7, 33, mac_stamp(5, 0, 0) };
	struct world world;
	uint8_t back[6];

	(void)state;
	world_open(&world, 4);
	assert_int_equal(insert(&world, &entry), MAC_DONE);
	assert_int_equal(insert(&world, &entry), MAC_CHANGED);
	assert_int_equal(find(&world, entry.key, 7).vport, 33);
	assert_int_equal(find(&world, entry.key, 7).stamp, mac_stamp(5, 0, 0));
	assert_int_equal(find(&world, entry.key, 8).vport, 0);
	assert_int_equal(find(&world, mac_key_of(mac, 4093), 7).vport, 0);
	assert_int_equal(find(&world, mac_key_of(other, 4094), 7).vport, 0);
	assert_int_equal(mac_key_vlan(entry.key), 4094);
	mac_key_address(entry.key, back);
	assert_memory_equal(back, mac, 6);
	mac_table_close(&world.table);
}

static void
a_stamp_is_written_when_the_second_differs(void **state)
{
	struct mac_entry entry = { 0x1000000000001, 1, 9, mac_stamp(5, 0, 3) };
	struct mac_entry fixed = { 0x1000000000002, 1, 9, mac_stamp(5, 0, MAC_STATIC) };
	struct mac_found found, later;
	struct world world;

	(void)state;
	world_open(&world, 4);
	insert(&world, &entry);
	insert(&world, &fixed);
	found = find(&world, entry.key, 1);
	mac_refresh(&found, 5);
	assert_int_equal(find(&world, entry.key, 1).stamp, mac_stamp(5, 0, 3));
	mac_refresh(&found, 6);
	assert_int_equal(find(&world, entry.key, 1).stamp, mac_stamp(6, 0, 0));
	/* one who looked before the change writes nothing */
	mac_refresh(&found, 7);
	assert_int_equal(find(&world, entry.key, 1).stamp, mac_stamp(6, 0, 0));
	later = find(&world, fixed.key, 1);
	mac_refresh(&later, 8);
	assert_int_equal(find(&world, fixed.key, 1).stamp, mac_stamp(5, 0, MAC_STATIC));
	mac_table_close(&world.table);
}

static void
a_move_needs_the_entry_as_it_was_seen(void **state)
{
	struct mac_entry entry = { 0x1000000000001, 1, 9, mac_stamp(5, 0, 0) }, old;
	struct mac_entry moved = { entry.key, 1, 10, mac_stamp(5, 0, 1) };
	struct mac_found seen;
	struct mac_array *array;
	struct world world;

	(void)state;
	world_open(&world, 4);
	array = mac_table_array(&world.table);
	insert(&world, &entry);
	seen = find(&world, entry.key, 1);
	assert_int_equal(mac_move(array, &moved, &seen), MAC_DONE);
	assert_int_equal(find(&world, entry.key, 1).vport, 10);
	assert_int_equal(mac_move(array, &moved, &seen), MAC_CHANGED);
	seen = find(&world, entry.key, 1);
	moved.stamp = mac_stamp(5, 0, MAC_STATIC);
	assert_int_equal(mac_table_put(&world.table, &moved, &old), 0);
	assert_int_equal(old.vport, 10);
	assert_int_equal(mac_move(array, &entry, &seen), MAC_CHANGED);
	assert_true(mac_table_remove(&world.table, entry.key, 1, &old));
	assert_int_equal(old.stamp, moved.stamp);
	assert_false(mac_table_remove(&world.table, entry.key, 1, &old));
	assert_int_equal(mac_move(array, &entry, &seen), MAC_CHANGED);
	mac_table_close(&world.table);
}

/* Fills two buckets, the smallest table there can be, and finds what fits, before and after
 * growing; a static entry gets its place by growing. */
static void
a_crowded_table_keeps_what_it_has_and_grows(void **state)
{
	struct mac_entry entry = { 0, 1, 5, mac_stamp(1, 0, 0) }, old;
	struct world world;
	uint64_t key;

	(void)state;
	world_open(&world, 2);
	for (key = 1; key <= 6; key++) {
		entry.key = key;
		assert_int_equal(insert(&world, &entry), MAC_DONE);
	}
	entry.key = 7;
	assert_int_equal(insert(&world, &entry), MAC_FULL);
	assert_int_equal(find(&world, 7, 1).vport, 0);
	for (key = 1; key <= 6; key++)
		assert_int_equal(find(&world, key, 1).vport, 5);
	assert_int_equal(mac_table_maintain(&world.table), 0);
	assert_int_equal(mac_table_array(&world.table)->mask, 3);
	for (key = 1; key <= 6; key++)
		assert_int_equal(find(&world, key, 1).vport, 5);
	for (key = 7; key < 2000; key++) {
		entry.key = key;
		assert_int_equal(mac_table_put(&world.table, &entry, &old), 0);
		assert_int_equal(old.vport, 0);
	}
	for (key = 1; key < 2000; key++)
		assert_int_equal(find(&world, key, 1).vport, 5);
	for (; key < 4000; key++)
		assert_int_equal(find(&world, key, 1).vport, 0);
	mac_table_close(&world.table);
}

/* What stands in the way moves on to its second bucket: hardly anybody (one in a million) is
 * refused in a table that need not grow yet. What went on is found, and is counted until it is
 * gone. */
static void
a_half_full_table_takes_nearly_everybody(void **state)
{
	enum { end = 4096 * MAC_BUCKET_SLOTS / 2, REFUSED_MOST = 4 };
	static bool taken[end + 1];
	struct mac_entry entry = { 0, 1, 5, mac_stamp(1, 0, 0) }, old;
	struct mac_array *array;
	struct world world;
	unsigned overflowed = 0, refused = 0;

	(void)state;
	world_open(&world, 4096);
	array = mac_table_array(&world.table);
	for (entry.key = 1; entry.key <= end; entry.key++) {
		enum mac_result result = insert(&world, &entry);

		taken[entry.key] = result == MAC_DONE;
		refused += result == MAC_FULL;
		assert_int_equal(insert(&world, &entry), taken[entry.key] ? MAC_CHANGED : MAC_FULL);
	}
	assert_in_range(refused, 0, REFUSED_MOST);
	assert_int_equal(atomic_load(&array->full), refused > 0);
	for (uint64_t key = 1; key <= end; key++)
		assert_int_equal(find(&world, key, 1).vport, taken[key] ? 5 : 0);
	for (uint32_t i = 0; i <= array->mask; i++)
		overflowed += array->buckets[i].overflowed;
	assert_in_range(overflowed, 1, end / 4);
	for (uint64_t key = 1; key <= end; key++) {
		assert_int_equal(mac_table_remove(&world.table, key, 1, &old), taken[key]);
		assert_int_equal(find(&world, key, 1).vport, 0);
	}
	for (uint32_t i = 0; i <= array->mask; i++) {
		assert_int_equal(array->buckets[i].overflowed, 0);
		assert_int_equal(array->buckets[i].lock, 0);
	}
	mac_table_close(&world.table);
}

/* Copying refuses learning and nothing else. */
static void
a_frozen_table_is_read(void **state)
{
	struct mac_entry entry = { 1, 1, 5, mac_stamp(1, 0, 0) }, second = { 2, 1, 5, 0 };
	struct mac_found seen;
	struct world world;

	(void)state;
	world_open(&world, 2);
	insert(&world, &entry);
	seen = find(&world, 1, 1);
	atomic_store(&mac_table_array(&world.table)->frozen, true);
	assert_int_equal(insert(&world, &second), MAC_BUSY);
	assert_int_equal(mac_move(mac_table_array(&world.table), &entry, &seen), MAC_BUSY);
	assert_int_equal(find(&world, 1, 1).vport, 5);
	mac_table_close(&world.table);
}

static void
the_slots_of_a_gone_vport_are_free(void **state)
{
	struct mac_entry entry = { 0, 1, 5, mac_stamp(1, 0, 0) };
	struct world world;

	(void)state;
	world_open(&world, 2);
	for (entry.key = 1; entry.key <= 6; entry.key++)
		assert_int_equal(insert(&world, &entry), MAC_DONE);
	world.gone[5] = true;
	entry.vport = 6;
	for (entry.key = 11; entry.key <= 16; entry.key++)
		assert_int_equal(insert(&world, &entry), MAC_DONE);
	for (uint64_t key = 11; key <= 16; key++)
		assert_int_equal(find(&world, key, 1).vport, 6);
	assert_int_equal(find(&world, 1, 1).vport, 0);
	/* and growing does not take them along */
	world.gone[6] = true;
	assert_int_equal(mac_table_reserve(&world.table, 100), 0);
	assert_int_equal(find(&world, 11, 1).vport, 0);
	mac_table_close(&world.table);
}

/* ---- against an oracle ------------------------------------------------------------------------
 */

#define KEYS 3000

struct oracle {
	struct world world;
	struct mac_entry entries[KEYS]; /* vport 0: not there */
	unsigned refused;
};

static bool
forget_device_1(void *context, const struct mac_entry *entry)
{
	struct oracle *oracle = context;
	unsigned i = (unsigned)(entry->key & 0xffff);

	assert_int_equal(oracle->entries[i].vport, entry->vport);
	assert_int_equal(oracle->entries[i].stamp, entry->stamp);
	if (entry->device != 1)
		return false;
	oracle->entries[i].vport = 0;
	return true;
}

static bool
count_entry(void *context, const struct mac_entry *entry)
{
	unsigned *count = context;

	(*count)++;
	return true;
}

static void
oracle_step(struct oracle *oracle)
{
	unsigned i = random_below(KEYS);
	struct mac_entry *there = &oracle->entries[i], old;
	struct mac_entry entry = { 0x1000000000000u | i, i % 5, 1 + random_below(200),
		mac_stamp(random_below(1000), 0, 0) };
	struct mac_found found = find(&oracle->world, entry.key, entry.device);
	enum mac_result result;

	assert_int_equal(found.vport, there->vport);
	switch (random_below(10)) {
	case 0:
		assert_int_equal(
			mac_table_remove(&oracle->world.table, entry.key, entry.device, &old),
			there->vport != 0);
		there->vport = 0;
		return;
	case 1:
		assert_int_equal(mac_table_put(&oracle->world.table, &entry, &old), 0);
		assert_int_equal(old.vport, there->vport);
		*there = entry;
		return;
	case 2:
	case 3:
		result = mac_move(mac_table_array(&oracle->world.table), &entry, &found);
		assert_int_equal(result, there->vport != 0 ? MAC_DONE : MAC_CHANGED);
		if (result == MAC_DONE)
			*there = entry;
		return;
	default:
		result = insert(&oracle->world, &entry);
		if (there->vport != 0) {
			assert_int_equal(result, MAC_CHANGED);
		} else if (result == MAC_DONE) {
			*there = entry;
		} else {
			assert_int_equal(result, MAC_FULL);
			oracle->refused++;
		}
	}
}

static unsigned
oracle_count(const struct oracle *oracle)
{
	unsigned count = 0;

	for (unsigned i = 0; i < KEYS; i++)
		count += oracle->entries[i].vport != 0;
	return count;
}

static void
the_table_does_what_a_plain_array_does(void **state)
{
	static struct oracle oracle;
	unsigned walked;

	(void)state;
	world_open(&oracle.world, 256);
	for (unsigned round = 0; round < 40; round++) {
		uint32_t at = 0;

		for (unsigned i = 0; i < 5000; i++)
			oracle_step(&oracle);
		walked = 0;
		mac_table_walk(&oracle.world.table, count_entry, &walked);
		assert_int_equal(walked, oracle_count(&oracle));
		if (round % 8 == 7)
			do
				at = mac_table_sweep(
					&oracle.world.table, at, 100, forget_device_1, &oracle);
			while (at != 0);
		if (round == 20)
			assert_int_equal(mac_table_maintain(&oracle.world.table), 0);
		for (unsigned i = 0; i < KEYS; i++)
			assert_int_equal(find(&oracle.world, 0x1000000000000u | i, i % 5).vport,
				oracle.entries[i].vport);
	}
	/* 256 buckets did not hold them all, else the hard half of the code was not run */
	assert_true(oracle.refused > 0);
	assert_true(mac_table_array(&oracle.world.table)->mask > 255);
	mac_table_close(&oracle.world.table);
}

/* ---- with several threads ------------------------------------------------------------------- */

#define THREADS 3
#define SHARED_KEYS 2000
#define ROUNDS 100000 /* of each worker, at least */
#define CONTROL_ROUNDS 3000

/*
 * What each entry must hold whatever happens: its vport and its stamp tell its key. A
 * half-written entry, or one key's vport under another key, shows at once.
 */
struct racer {
	struct arena *arena;
	_Atomic uint64_t quiescent; /* counts up; UINT64_MAX: has ended */
	uint64_t random, inserted, moved, hits, wrong;
};

struct arena {
	struct mac_table table;
	_Atomic bool enough;
	struct racer racers[THREADS];
};

static bool
arena_stale(void *context, uint32_t vport, uint32_t stamp)
{
	(void)context;
	return (vport >> 20) == 0xf;
}

static void
arena_synchronize(void *context)
{
	struct arena *arena = context;

	for (unsigned i = 0; i < THREADS; i++) {
		uint64_t seen = atomic_load(&arena->racers[i].quiescent);

		while (seen != UINT64_MAX && atomic_load(&arena->racers[i].quiescent) == seen)
			sched_yield();
	}
}

static uint32_t
racer_random(struct racer *racer, uint32_t limit)
{
	racer->random ^= racer->random << 13;
	racer->random ^= racer->random >> 7;
	racer->random ^= racer->random << 17;
	return (uint32_t)(racer->random >> 32) % limit;
}

static struct mac_entry
arena_entry(uint32_t i, uint32_t variant)
{
	return (struct mac_entry){ 0x1000000000000u | i, 100 + i % 3, variant << 20 | (i + 1),
		mac_stamp(i, 0, 0) };
}

static void
racer_step(struct racer *racer)
{
	struct mac_array *array = mac_table_array(&racer->arena->table);
	uint32_t i = racer_random(racer, SHARED_KEYS);
	struct mac_entry entry = arena_entry(i, racer_random(racer, 16));
	struct mac_found found;

	mac_find(array, mac_hash(array, entry.key, entry.device), entry.key, entry.device, &found);
	if (found.vport == 0) {
		racer->inserted += mac_insert(&racer->arena->table, array, &entry) == MAC_DONE;
		return;
	}
	racer->hits++;
	if ((found.vport & 0xfffff) != i + 1 || found.stamp != mac_stamp(i, 0, 0))
		racer->wrong++;
	mac_refresh(&found, i);
	if (racer_random(racer, 4) == 0)
		racer->moved += mac_move(array, &entry, &found) == MAC_DONE;
}

static void *
racer_run(void *argument)
{
	struct racer *racer = argument;

	for (unsigned i = 0; i < ROUNDS || !atomic_load(&racer->arena->enough); i++) {
		racer_step(racer);
		if (i % 64 == 0)
			atomic_fetch_add(&racer->quiescent, 1);
	}
	atomic_store(&racer->quiescent, UINT64_MAX);
	return NULL;
}

static bool
judge_some(void *context, const struct mac_entry *entry)
{
	uint64_t *wrong = context;

	if ((entry->vport & 0xfffff) != (entry->key & 0xffffffff) + 1)
		(*wrong)++;
	return entry->key % 7 == 0;
}

static void
control_round(struct arena *arena, unsigned round, uint64_t *wrong)
{
	struct mac_entry old, entry = arena_entry(round % SHARED_KEYS, 3);
	uint32_t at = 0;

	if (mac_table_put(&arena->table, &entry, &old) != 0)
		(*wrong)++;
	entry = arena_entry(round * 7 % SHARED_KEYS, 0);
	mac_table_remove(&arena->table, entry.key, entry.device, &old);
	if (round % 64 == 0)
		do
			at = mac_table_sweep(&arena->table, at, 64, judge_some, wrong);
		while (at != 0);
	if (round % 256 == 0 && mac_table_array(&arena->table)->mask < 0xfff)
		mac_table_reserve(&arena->table, 2 * mac_table_array(&arena->table)->mask);
}

static void
readers_and_writers_do_not_hurt_each_other(void **state)
{
	static struct arena arena;
	pthread_t threads[THREADS];
	uint64_t wrong = 0, hits = 0, moved = 0, inserted = 0;

	(void)state;
	arena.table.context = &arena;
	arena.table.stale = arena_stale;
	arena.table.synchronize = arena_synchronize;
	assert_int_equal(mac_table_open(&arena.table, 64), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		arena.racers[i].arena = &arena;
		arena.racers[i].random = 77 + i;
		pthread_create(&threads[i], NULL, racer_run, &arena.racers[i]);
	}
	for (unsigned round = 1; round <= CONTROL_ROUNDS; round++)
		control_round(&arena, round, &wrong);
	atomic_store(&arena.enough, true);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		wrong += arena.racers[i].wrong;
		hits += arena.racers[i].hits;
		moved += arena.racers[i].moved;
		inserted += arena.racers[i].inserted;
	}
	print_message("%lu hits, %lu moves, %lu insertions\n", hits, moved, inserted);
	assert_int_equal(wrong, 0);
	assert_true(mac_table_array(&arena.table)->mask > 1000);
	assert_true(hits > ROUNDS);
	assert_true(moved > 1000);
	assert_true(inserted > 100);
	mac_table_close(&arena.table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_belongs_to_device_vlan_and_mac),
		cmocka_unit_test(a_stamp_is_written_when_the_second_differs),
		cmocka_unit_test(a_move_needs_the_entry_as_it_was_seen),
		cmocka_unit_test(a_crowded_table_keeps_what_it_has_and_grows),
		cmocka_unit_test(a_half_full_table_takes_nearly_everybody),
		cmocka_unit_test(a_frozen_table_is_read),
		cmocka_unit_test(the_slots_of_a_gone_vport_are_free),
		cmocka_unit_test(the_table_does_what_a_plain_array_does),
		cmocka_unit_test(readers_and_writers_do_not_hurt_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
