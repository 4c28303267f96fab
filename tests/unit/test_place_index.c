/* SPDX-License-Identifier: BSD-3-Clause */
/* Places and the index that leads to them, against plain arrays. */
#include "base/hash.h"
#include "base/place_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NUMBERS 30000

static uint64_t seed = 88172645463325252ull;

static uint32_t
random_below(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* ---- the index --------------------------------------------------------------------------------
 */

static uint64_t hashes[NUMBERS];
static bool there[NUMBERS];

static uint64_t
hash_of(void *context, uint32_t number)
{
	assert_true(there[number]);
	return hashes[number];
}

static bool
finds(const struct place_index *index, uint32_t number)
{
	struct place_probe probe = place_index_probe(index, hashes[number]);
	unsigned found = 0;
	uint32_t other;

	while (place_probe_next(&probe, &other))
		found += other == number;
	assert_in_range(found, 0, 1);
	return found == 1;
}

static void
toggle(struct place_index *index, uint32_t number)
{
	assert_int_equal(finds(index, number), there[number]);
	if (there[number]) {
		assert_true(place_index_remove(index, hashes[number], number));
		there[number] = false;
	} else {
		there[number] = true; /* growth may ask for its hash at once */
		place_index_add(index, hashes[number], number);
	}
	assert_int_equal(finds(index, number), there[number]);
	if (!there[number])
		assert_false(place_index_remove(index, hashes[number], number));
}

static void
play(uint64_t mask, unsigned rounds)
{
	struct hash_key key;
	struct place_index index;
	uint32_t count = 0;

	hash_key_random(&key);
	memset(there, 0, sizeof(there));
	for (uint32_t i = 0; i < NUMBERS; i++)
		hashes[i] = hash_words(&key, i, 0) & mask;
	assert_int_equal(place_index_open(&index, NUMBERS, hash_of, NULL), 0);
	for (unsigned i = 0; i < rounds; i++)
		toggle(&index, random_below(i % NUMBERS + 1));
	for (uint32_t i = 0; i < NUMBERS; i++) {
		count += there[i];
		assert_int_equal(finds(&index, i), there[i]);
	}
	assert_int_equal(index.count, count);
	for (uint32_t i = 0; i < NUMBERS; i++) {
		if (there[i])
			toggle(&index, i);
	}
	/* all lines that buckets went on in are back */
	assert_int_equal(index.count, 0);
	assert_int_equal(index.pool.taken, 0);
	place_index_close(&index);
}

static void
an_array_agrees(void **state)
{
	play(UINT64_MAX, 400000);
}

/* Tags of 0; chains of many lines. */
static void
bad_hashes(void **state)
{
	play(0x0000000000ffffffu, 200000);
	play(0xff0000000000000fu, 6000);
	play(0, 2000);
}

/* However it is filled, it stays one line to nearly all. */
static void
few_go_on_in_another_line(void **state)
{
	struct place_index index;
	struct hash_key key;
	uint32_t outside = 0;

	hash_key_random(&key);
	assert_int_equal(place_index_open(&index, NUMBERS, hash_of, NULL), 0);
	for (uint32_t i = 0; i < NUMBERS; i++) {
		hashes[i] = hash_words(&key, i, 1);
		there[i] = true;
		place_index_add(&index, hashes[i], i);
	}
	for (uint32_t i = 0; i < NUMBERS; i++) {
		const struct place_bucket *bucket = place_index_bucket(&index, hashes[i]);
		bool inside = false;

		for (unsigned slot = 0; slot < PLACE_BUCKET_SLOTS; slot++)
			inside |= bucket->tags[slot] != 0 &&
				  bucket->words[slot] == (i | place_mark(hashes[i]));
		outside += !inside;
	}
	assert_in_range(outside, 0, NUMBERS / 20);
	place_index_close(&index);
}

/* ---- places -----------------------------------------------------------------------------------
 */

#define PLACES 1000 /* not whole chunks */

static void
check_walk(const struct place_pool *pool, const bool *taken)
{
	uint32_t at = 0, place;

	for (uint32_t i = 0; i < PLACES; i++) {
		assert_int_equal(place_pool_is_taken(pool, i), taken[i]);
		if (!taken[i])
			continue;
		place = place_pool_next(pool, at, UINT32_MAX);
		assert_int_equal(place, i);
		assert_int_equal(place_pool_next(pool, at, place), PLACE_NONE);
		at = place + 1;
	}
	assert_int_equal(place_pool_next(pool, at, UINT32_MAX), PLACE_NONE);
}

static void
places_are_handed_out_once(void **state)
{
	static bool taken[PLACES];
	struct place_pool pool;
	unsigned count = 0;

	assert_int_equal(place_pool_open(&pool, PLACES), 0);
	for (unsigned i = 0; i < 50000; i++) {
		/* full and empty by turns */
		bool take = random_below(100) < (i / 5000 % 2 == 0 ? 60u : 40u);
		uint32_t place = take ? place_pool_take(&pool) : random_below(PLACES);

		if (take && place == PLACE_NONE) {
			assert_int_equal(count, PLACES);
		} else if (take) {
			assert_true(place < PLACES && !taken[place]);
			taken[place] = true;
			count++;
		} else if (taken[place]) {
			place_pool_give(&pool, place);
			taken[place] = false;
			count--;
		}
		if (i % 500 == 0)
			check_walk(&pool, taken);
		assert_int_equal(pool.taken, count);
	}
	for (uint32_t i = 0; i < PLACES; i++) {
		if (taken[i])
			place_pool_give(&pool, i);
	}
	/* eight chunks, all empty, are kept */
	assert_int_equal(place_pool_reclaim(&pool), PLACE_NONE);
	assert_false(place_pool_is_taken(&pool, UINT32_MAX));
	place_pool_close(&pool);
}

static void
empty_chunks_go_back(void **state)
{
	enum { CHUNKS = 40 };
	static bool back[CHUNKS];
	struct place_pool pool;
	uint32_t place, count = 0;

	assert_int_equal(place_pool_open(&pool, CHUNKS * PLACE_CHUNK), 0);
	for (uint32_t i = 0; i < CHUNKS * PLACE_CHUNK; i++)
		assert_int_equal(place_pool_take(&pool), i);
	assert_int_equal(place_pool_take(&pool), PLACE_NONE);
	/* one of each chunk stays: nothing can go back */
	for (uint32_t i = 0; i < CHUNKS * PLACE_CHUNK; i++) {
		if (i % PLACE_CHUNK != 7)
			place_pool_give(&pool, i);
	}
	assert_int_equal(place_pool_reclaim(&pool), PLACE_NONE);
	for (uint32_t i = 0; i < CHUNKS; i++)
		place_pool_give(&pool, i * PLACE_CHUNK + 7);
	while ((place = place_pool_reclaim(&pool)) != PLACE_NONE) {
		assert_int_equal(place % PLACE_CHUNK, 0);
		assert_false(back[place / PLACE_CHUNK]);
		back[place / PLACE_CHUNK] = true;
		count++;
	}
	assert_in_range(count, CHUNKS - 10, CHUNKS - 1);
	assert_int_equal(pool.resident, CHUNKS - count);
	/* what is still there is used first */
	for (uint32_t i = 0; i < (CHUNKS - count) * PLACE_CHUNK; i++)
		assert_false(back[place_pool_take(&pool) / PLACE_CHUNK]);
	assert_true(back[place_pool_take(&pool) / PLACE_CHUNK]);
	for (uint32_t i = (CHUNKS - count) * PLACE_CHUNK + 1; i < CHUNKS * PLACE_CHUNK; i++)
		assert_int_not_equal(place_pool_take(&pool), PLACE_NONE);
	assert_int_equal(place_pool_take(&pool), PLACE_NONE);
	place_pool_close(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_array_agrees),
		cmocka_unit_test(bad_hashes),
		cmocka_unit_test(few_go_on_in_another_line),
		cmocka_unit_test(places_are_handed_out_once),
		cmocka_unit_test(empty_chunks_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
