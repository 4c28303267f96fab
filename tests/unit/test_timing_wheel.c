/* SPDX-License-Identifier: BSD-3-Clause */
/* The timing wheel against a plain list of what is due when. */
#include "base/timing_wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ENTRIES 512

struct entry {
	uint64_t due; /* 0: not in the wheel */
	struct timing_wheel_link link;
};

struct world {
	struct timing_wheel wheel;
	struct entry entries[ENTRIES];
	uint64_t now, seed;
};

static uint64_t
random_word(struct world *world)
{
	world->seed ^= world->seed << 13;
	world->seed ^= world->seed >> 7;
	world->seed ^= world->seed << 17;
	return world->seed * 0x2545f4914f6cdd1du >> 8;
}

static struct world *
world_new(uint64_t tick, uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->now = tick;
	world->seed = seed;
	timing_wheel_open(&world->wheel, &world->entries[0].link, sizeof(world->entries[0]), tick);
	return world;
}

/* Short and long ones, all magnitudes alike, and some that are over already. */
static uint64_t
random_due(struct world *world)
{
	unsigned bits = (unsigned)(random_word(world) % 32);
	uint64_t ahead = random_word(world) & ((1ull << bits) - 1);

	if (random_word(world) % 16 == 0)
		return world->now > ahead ? world->now - ahead : 1;
	return world->now + ahead;
}

static void
add(struct world *world, uint32_t index, uint64_t due)
{
	world->entries[index].due = due;
	timing_wheel_add(&world->wheel, index, due);
	assert_true(timing_wheel_has(&world->wheel, index));
	if (due >= world->wheel.tick)
		assert_int_equal(timing_wheel_due(&world->wheel, index), due);
}

static void
toggle(struct world *world, uint32_t index)
{
	struct entry *entry = &world->entries[index];

	if (entry->due == 0) {
		add(world, index, random_due(world));
		return;
	}
	timing_wheel_remove(&world->wheel, index);
	assert_false(timing_wheel_has(&world->wheel, index));
	entry->due = 0;
}

static unsigned
count(const struct world *world)
{
	unsigned there = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		there += world->entries[i].due != 0;
	return there;
}

/* Takes all that is due, `most` steps at a time; earlier ones come first. */
static void
take_all(struct world *world, unsigned most)
{
	uint64_t last = 0, begin = world->wheel.tick;

	for (;;) {
		unsigned budget = most;
		uint32_t index = timing_wheel_take(&world->wheel, world->now, &budget);
		uint64_t due;

		if (index == TIMING_WHEEL_NONE && budget > 0)
			break;
		if (index == TIMING_WHEEL_NONE)
			continue;
		assert_in_range(index, 0, ENTRIES - 1);
		due = world->entries[index].due;
		assert_int_not_equal(due, 0);
		assert_true(due <= world->now);
		due = due < begin ? begin : due; /* what was late is taken first */
		assert_true(due >= last);
		last = due;
		world->entries[index].due = 0;
		assert_false(timing_wheel_has(&world->wheel, index));
	}
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_true(world->entries[i].due == 0 || world->entries[i].due > world->now);
	assert_int_equal(world->wheel.count, count(world));
	assert_int_equal(world->wheel.tick, world->now);
}

static void
play(uint64_t tick, uint64_t seed)
{
	struct world *world = world_new(tick, seed);

	for (unsigned round = 0; round < 3000; round++) {
		unsigned bits = (unsigned)(random_word(world) % 24);

		for (unsigned i = 0; i < 32; i++)
			toggle(world, (uint32_t)(random_word(world) % ENTRIES));
		world->now += random_word(world) & ((1ull << bits) - 1);
		take_all(world, 1 + (unsigned)(random_word(world) % 40));
	}
	free(world);
}

static void
a_list_agrees(void **state)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		play(seed * 1000003, seed * 0x9e3779b97f4a7c15u);
}

/* Lower 32 bits of ticks run over. */
static void
ticks_run_over(void **state)
{
	play((1ull << 32) - 5000, 77);
	play((1ull << 35) - 100000, 78);
}

/* Entries come and go while a slot of many is half way down. */
static void
change_while_draining(void **state)
{
	struct world *world = world_new(100, 5);
	unsigned taken = 0;

	for (uint32_t i = 0; i < 400; i++)
		add(world, i, 4096 * 3 + i % 7);
	world->now = 4096 * 3 + 10;
	while (taken < 400) {
		unsigned budget = 1 + (unsigned)(random_word(world) % 3);
		uint32_t index = timing_wheel_take(&world->wheel, world->now, &budget);
		uint32_t other = (uint32_t)(random_word(world) % 400);

		if (index != TIMING_WHEEL_NONE) {
			world->entries[index].due = 0;
			taken++;
		}
		if (timing_wheel_has(&world->wheel, other)) {
			timing_wheel_remove(&world->wheel, other);
			add(world, other, 4096 * 3 + 1 + random_word(world) % 9);
		}
	}
	assert_int_equal(world->wheel.count, 0);
	free(world);
}

/* One step of work each, however many are due in one slot. */
static void
work_is_bounded(void **state)
{
	struct world *world = world_new(1, 5);
	unsigned steps = 0, budget;

	for (uint32_t i = 0; i < ENTRIES; i++)
		add(world, i, 1u << 30);
	world->now = 1u << 30;
	do {
		budget = 1;
		timing_wheel_take(&world->wheel, world->now, &budget);
		steps++;
	} while (budget == 0);
	assert_int_equal(world->wheel.count, 0);
	/* moved down at most once a level, and taken */
	assert_in_range(steps, ENTRIES, ENTRIES * TIMING_WHEEL_LEVELS + TIMING_WHEEL_LEVELS + 1);
	free(world);
}

static void
time_does_not_go_back(void **state)
{
	struct world *world = world_new(1000, 5);
	unsigned budget = 100;

	add(world, 3, 1010);
	assert_int_equal(timing_wheel_take(&world->wheel, 900, &budget), TIMING_WHEEL_NONE);
	assert_int_equal(world->wheel.tick, 1000);
	assert_int_equal(timing_wheel_take(&world->wheel, 1009, &budget), TIMING_WHEEL_NONE);
	timing_wheel_skip(&world->wheel, 5000);
	assert_int_equal(world->wheel.tick, 1009);
	assert_int_equal(timing_wheel_take(&world->wheel, 1010, &budget), 3);
	timing_wheel_skip(&world->wheel, 5000);
	assert_int_equal(world->wheel.tick, 5000);
	/* over already: at once, and what is too far off as late as can be */
	timing_wheel_add(&world->wheel, 4, 17);
	assert_int_equal(timing_wheel_take(&world->wheel, 5000, &budget), 4);
	timing_wheel_add(&world->wheel, 5, UINT64_MAX);
	assert_int_equal(timing_wheel_due(&world->wheel, 5), 5000ull + UINT32_MAX);
	free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_agrees),
		cmocka_unit_test(ticks_run_over),
		cmocka_unit_test(change_while_draining),
		cmocka_unit_test(work_is_bounded),
		cmocka_unit_test(time_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
