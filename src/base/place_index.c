/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/place_index.h"

#include "base/reserve.h"

#define FIRST_BUCKETS 64 /* one page */

_Static_assert(sizeof(struct place_bucket) == 64, "one line");

static size_t
buckets_bytes(uint32_t limit)
{
	return ((size_t)limit / PLACE_INDEX_LOAD + FIRST_BUCKETS + 1) * sizeof(struct place_bucket);
}

/* What goes on holds at least thirteen numbers, twelve of them in its bucket. */
static uint32_t
lines_limit(uint32_t limit)
{
	return limit / PLACE_BUCKET_SLOTS + 1;
}

static size_t
lines_bytes(uint32_t limit)
{
	return (size_t)lines_limit(limit) * sizeof(struct place_bucket);
}

int
place_index_open(struct place_index *index, uint32_t limit,
	uint64_t (*hash)(void *context, uint32_t number), void *context)
{
	*index = (struct place_index){
		.round = FIRST_BUCKETS,
		.limit = limit,
		.hash = hash,
		.context = context,
		.buckets = reserve_open(buckets_bytes(limit)),
		.lines = reserve_open(lines_bytes(limit)),
	};
	if (index->buckets != NULL && index->lines != NULL &&
		place_pool_open(&index->pool, lines_limit(limit)) == 0)
		return 0;
	place_index_close(index);
	return -1;
}

void
place_index_close(struct place_index *index)
{
	reserve_close(index->buckets, buckets_bytes(index->limit));
	reserve_close(index->lines, lines_bytes(index->limit));
	place_pool_close(&index->pool);
	index->buckets = index->lines = NULL;
}

size_t
place_index_bytes(const struct place_index *index)
{
	return ((size_t)index->round + index->split + index->pool.begun * (size_t)PLACE_CHUNK) *
	       sizeof(struct place_bucket);
}

/* ---- a bucket and the lines where it goes on: all but the last are full ---------------------- */

static unsigned
used_slots(const struct place_bucket *bucket)
{
	unsigned free = place_bucket_find(bucket, 0);

	return free != 0 ? (unsigned)__builtin_ctz(free) : PLACE_BUCKET_SLOTS;
}

static void
put(struct place_index *index, uint64_t hash, uint32_t number)
{
	struct place_bucket *bucket = place_index_bucket(index, hash);
	unsigned slot;

	while (bucket->more != 0)
		bucket = &index->lines[bucket->more - 1];
	slot = used_slots(bucket);
	if (slot == PLACE_BUCKET_SLOTS) {
		bucket->more = place_pool_take(&index->pool) + 1;
		bucket = &index->lines[bucket->more - 1];
		*bucket = (struct place_bucket){ 0 };
		slot = 0;
	}
	bucket->tags[slot] = place_tag(hash);
	bucket->words[slot] = number | place_mark(hash);
}

/* The last slot of all that are used goes into the one that gets free: a slot of `line`, which is
 * `first` or one that follows it. */
static void
take_out(struct place_index *index, struct place_bucket *first, struct place_bucket *line,
	unsigned slot)
{
	struct place_bucket *last = first;
	uint32_t *leads_to = NULL;
	unsigned end;

	while (last->more != 0) {
		leads_to = &last->more;
		last = &index->lines[last->more - 1];
	}
	end = used_slots(last) - 1;
	line->tags[slot] = last->tags[end];
	line->words[slot] = last->words[end];
	last->tags[end] = 0;
	if (end > 0 || leads_to == NULL)
		return;
	place_pool_give(&index->pool, *leads_to - 1);
	*leads_to = 0;
}

bool
place_index_remove(struct place_index *index, uint64_t hash, uint32_t number)
{
	struct place_bucket *first = place_index_bucket(index, hash), *bucket = first;
	uint32_t word = number | place_mark(hash);

	for (;;) {
		unsigned slots = place_bucket_find(bucket, place_tag(hash));

		for (; slots != 0; slots &= slots - 1) {
			unsigned slot = (unsigned)__builtin_ctz(slots);

			if (bucket->words[slot] != word)
				continue;
			take_out(index, first, bucket, slot);
			index->count--;
			return true;
		}
		if (bucket->more == 0)
			return false;
		bucket = &index->lines[bucket->more - 1];
	}
}

/* ---- growth -----------------------------------------------------------------------------------
 */

/* Puts what one line held where it belongs now. */
static void
put_again(struct place_index *index, const struct place_bucket *old)
{
	unsigned used = used_slots(old);
	uint64_t hashes[PLACE_BUCKET_SLOTS];
	uint32_t numbers[PLACE_BUCKET_SLOTS];

	/* all first: the keys' lines come from memory side by side */
	for (unsigned slot = 0; slot < used; slot++) {
		numbers[slot] = old->words[slot] & ((1u << PLACE_INDEX_BITS) - 1);
		hashes[slot] = index->hash(index->context, numbers[slot]);
	}
	for (unsigned slot = 0; slot < used; slot++)
		put(index, hashes[slot], numbers[slot]);
}

static void
split_one(struct place_index *index)
{
	struct place_bucket old = index->buckets[index->split];

	index->buckets[index->split] = (struct place_bucket){ 0 };
	if (++index->split == index->round) {
		index->round *= 2;
		index->split = 0;
	}
	for (;;) {
		uint32_t more = old.more;

		put_again(index, &old);
		if (more == 0)
			return;
		old = index->lines[more - 1];
		place_pool_give(&index->pool, more - 1);
	}
}

void
place_index_add(struct place_index *index, uint64_t hash, uint32_t number)
{
	put(index, hash, number);
	index->count++;
	if (index->count > ((uint64_t)index->round + index->split) * PLACE_INDEX_LOAD)
		split_one(index);
}
