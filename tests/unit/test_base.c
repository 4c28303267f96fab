/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/duration.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/name_map.h"
#include "base/nearest.h"
#include "base/parallel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
an_error_says_what_and_why(void **state)
{
	struct weft_error error;

	(void)state;
	assert_int_equal(error_errno(&error, ENOENT, "cannot open %s", "x"), -1);
	assert_int_equal(error.code, ENOENT);
	assert_string_equal(error.text, "cannot open x: No such file or directory");
	error_prefix(&error, "vnic %s", "red/web");
	assert_string_equal(error.text, "vnic red/web: cannot open x: No such file or directory");
	assert_int_equal(error_set(NULL, 0, "nobody listens"), -1);
}

static void
a_long_error_is_cut_and_ends(void **state)
{
	struct weft_error error;
	char longer[2000];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	error_set(&error, 0, "%s", longer);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	error_prefix(&error, "front");
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	assert_memory_equal(error.text, "front: xxx", 10);
}

/* The test vectors of SipHash's authors are for 2-4; what matters here: keyed, and spread. */
static void
hashes_depend_on_key_and_every_bit(void **state)
{
	struct hash_key a, b;
	uint64_t base;

	(void)state;
	hash_key_random(&a);
	hash_key_random(&b);
	base = hash_words(&a, 1, 2);
	assert_int_not_equal(base, hash_words(&b, 1, 2));
	assert_int_equal(base, hash_words(&a, 1, 2));
	for (int bit = 0; bit < 64; bit++) {
		uint64_t one = hash_words(&a, 1 ^ 1ull << bit, 2);
		uint64_t two = hash_words(&a, 1, 2 ^ 1ull << bit);

		/* an even spread flips 32 of 64 bits; fewer than 8 has odds below 10^-10 */
		assert_true(__builtin_popcountll(base ^ one) >= 8);
		assert_true(__builtin_popcountll(base ^ two) >= 8);
	}
	assert_int_not_equal(hash_bytes(&a, "abc", 3), hash_bytes(&a, "abd", 3));
	assert_int_not_equal(hash_bytes(&a, "abc", 3), hash_bytes(&a, "abc\0", 4));
}

static void
a_name_map_holds_and_forgets(void **state)
{
	static char names[2000][12];
	struct name_map map = { 0 };
	size_t at = 0, seen = 0;

	(void)state;
	assert_null(name_map_get(&map, "x"));
	assert_null(name_map_remove(&map, "x"));
	for (size_t i = 0; i < 2000; i++) {
		snprintf(names[i], sizeof(names[i]), "name%zu", i);
		assert_int_equal(name_map_put(&map, names[i], &names[i]), 0);
	}
	for (size_t i = 0; i < 2000; i += 2)
		assert_ptr_equal(name_map_remove(&map, names[i]), &names[i]);
	assert_int_equal(map.count, 1000);
	for (size_t i = 0; i < 2000; i++)
		assert_ptr_equal(name_map_get(&map, names[i]), i % 2 ? &names[i] : NULL);
	while (name_map_next(&map, &at) != NULL)
		seen++;
	assert_int_equal(seen, 1000);
	name_map_free(&map);
}

static void
durations_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t nanoseconds;
	} good[] = {
		{ "0", 0 },
		{ "60", 60000000000 },
		{ "60s", 60000000000 },
		{ "5ms", 5000000 },
		{ "1.5s", 1500000000 },
		{ "0.25ms", 250000 },
		{ "2m", 120000000000 },
		{ "1h", 3600000000000 },
		{ "7d", 604800000000000 },
		{ "9000000000s", 9000000000000000000 },
	};
	static const char *const bad[] = { "", "s", "-1s", "1 s", "1.s", "1x", ".5s", "s1", "1sm",
		"99999999999999999999s", "18446744073709551616ns", "9300000000s", "106752d" };
	uint64_t nanoseconds;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(duration_parse(good[i].text, &nanoseconds));
		assert_int_equal(nanoseconds, good[i].nanoseconds);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(duration_parse(bad[i], &nanoseconds));
}

static const char *
nearest_of(const char *wanted)
{
	struct nearest nearest = { .wanted = wanted };

	nearest_offer(&nearest, "switches");
	nearest_offer(&nearest, "ports");
	nearest_offer(&nearest, "nics");
	nearest_offer(&nearest, "up");
	return nearest.best;
}

static void
the_nearest_name_is_found(void **state)
{
	(void)state;
	assert_int_equal(nearest_distance("", "abc"), 3);
	assert_int_equal(nearest_distance("abc", ""), 3);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
	assert_int_equal(nearest_distance("gateway", "gatewya"), 1);
	assert_int_equal(nearest_distance("MTU", "mtu"), 0);
	assert_string_equal(nearest_of("swithces"), "switches");
	assert_string_equal(nearest_of("port"), "ports");
	assert_string_equal(nearest_of("u"), "up");
	assert_null(nearest_of("routers"));
	assert_null(nearest_of("xyz"));
	assert_null(
		nearest_of("01234567890123456789012345678901234567890123456789012345678901234"));
}

static void
mark(void *item)
{
	__atomic_add_fetch((int *)item, 1, __ATOMIC_RELAXED);
}

static void
parallel_work_is_done_once_each(void **state)
{
	int marks[1000] = { 0 };
	void *items[1000];

	(void)state;
	for (int i = 0; i < 1000; i++)
		items[i] = &marks[i];
	parallel_each(items, 1000, 8, mark);
	parallel_each(items, 1000, 1, mark);
	parallel_each(items, 0, 8, mark);
	parallel_each(items, 1, 1000, mark);
	assert_int_equal(marks[0], 3);
	for (int i = 1; i < 1000; i++)
		assert_int_equal(marks[i], 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_says_what_and_why),
		cmocka_unit_test(a_long_error_is_cut_and_ends),
		cmocka_unit_test(hashes_depend_on_key_and_every_bit),
		cmocka_unit_test(a_name_map_holds_and_forgets),
		cmocka_unit_test(parallel_work_is_done_once_each),
		cmocka_unit_test(durations_are_read_as_people_write_them),
		cmocka_unit_test(the_nearest_name_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
