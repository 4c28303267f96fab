/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a hash to a number (a place in the user's array): a hash table that grows without ever
 * stopping for it. The user keeps the keys, compares them, and hashes them with a random key.
 *
 * Shape
 *	Buckets of one cache line hold twelve numbers with fourteen bits of their hashes, so that
 *	what is looked at in the user's array is nearly always what is looked for. A bucket that
 *	is full goes on in another line, from a pool of these; filled to PLACE_INDEX_LOAD on
 *	average, some in a hundred numbers are not in their bucket's first line.
 *
 * Growth
 *	is linear hashing (Litwin, 1980): as the table fills, one bucket at a time, in their
 *	order, is divided between itself and a new one at the end. Each number that is added
 *	pays for at most one such step. The buckets lie in address space for as many as there
 *	may ever be. A table that has grown stays so.
 *
 * Threads: one at a time.
 */
#ifndef WEFT_BASE_PLACE_INDEX_H
#define WEFT_BASE_PLACE_INDEX_H

#include "base/place_pool.h"

#include <stddef.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define PLACE_BUCKET_SLOTS 12
#define PLACE_INDEX_LOAD 6  /* numbers per bucket on average, above which it grows */
#define PLACE_INDEX_BITS 26 /* of a number */

struct place_bucket {
	uint8_t tags[PLACE_BUCKET_SLOTS];   /* of the hash; 0: free, as are all behind it */
	uint32_t more;                      /* the line where it goes on + 1; 0: none */
	uint32_t words[PLACE_BUCKET_SLOTS]; /* the number, and more of the hash above it */
} __attribute__((aligned(64)));

struct place_index {
	struct place_bucket *buckets, *lines; /* address space; lines: where full ones go on */
	uint32_t round;                       /* buckets when this round of growth began: 2^k */
	uint32_t split;                       /* of them that have been divided since */
	uint32_t count;                       /* numbers */
	uint32_t limit;
	struct place_pool pool; /* of `lines` */
	uint64_t (*hash)(void *context, uint32_t number);
	void *context;
};

/* For at most `limit` numbers, each below 2^PLACE_INDEX_BITS. hash(): of a number that is in the
 * table, as it was added with. 0, or -1: no address space. */
int place_index_open(struct place_index *index, uint32_t limit,
	uint64_t (*hash)(void *context, uint32_t number), void *context);
void place_index_close(struct place_index *index);

/* There are fewer than `limit`. */
void place_index_add(struct place_index *index, uint64_t hash, uint32_t number);
/* False: it is not there. */
bool place_index_remove(struct place_index *index, uint64_t hash, uint32_t number);

/* Bytes of memory that it may have touched. */
size_t place_index_bytes(const struct place_index *index);

/* ---- looking ----------------------------------------------------------------------------------
 */

static inline struct place_bucket *
place_index_bucket(const struct place_index *index, uint64_t hash)
{
	uint32_t bucket = (uint32_t)hash & (index->round - 1);
	/* without a branch, which nobody can foretell: those that are divided take one bit more */
	uint32_t divided = 0u - (bucket < index->split);

	return &index->buckets[bucket | ((uint32_t)hash & index->round & divided)];
}

static inline void
place_index_prefetch(const struct place_index *index, uint64_t hash)
{
	__builtin_prefetch(place_index_bucket(index, hash));
}

static inline uint8_t
place_tag(uint64_t hash)
{
	uint8_t tag = (uint8_t)(hash >> 56);

	return tag != 0 ? tag : 1;
}

/* What stands above the number. */
static inline uint32_t
place_mark(uint64_t hash)
{
	return (uint32_t)(hash >> 24) & ~((1u << PLACE_INDEX_BITS) - 1);
}

/* The slots with a tag, a bit each. */
static inline unsigned
place_bucket_find(const struct place_bucket *bucket, uint8_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_load_si128((const __m128i *)bucket);

	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) &
	       ((1u << PLACE_BUCKET_SLOTS) - 1);
#else
	unsigned found = 0;

	for (unsigned slot = 0; slot < PLACE_BUCKET_SLOTS; slot++)
		found |= (unsigned)(bucket->tags[slot] == tag) << slot;
	return found;
#endif
}

/* The numbers that a hash may belong to, one after the other. */
struct place_probe {
	const struct place_index *index;
	const struct place_bucket *bucket;
	unsigned slots; /* that are still to be looked at */
	uint32_t mark;
	uint8_t tag;
};

static inline struct place_probe
place_index_probe(const struct place_index *index, uint64_t hash)
{
	struct place_probe probe = {
		.index = index,
		.bucket = place_index_bucket(index, hash),
		.mark = place_mark(hash),
		.tag = place_tag(hash),
	};

	probe.slots = place_bucket_find(probe.bucket, probe.tag);
	return probe;
}

/* False: that was all. */
static inline bool
place_probe_next(struct place_probe *probe, uint32_t *number)
{
	for (;;) {
		while (probe->slots != 0) {
			uint32_t word = probe->bucket->words[__builtin_ctz(probe->slots)];

			probe->slots &= probe->slots - 1;
			*number = word ^ probe->mark;
			if (*number >> PLACE_INDEX_BITS == 0)
				return true;
		}
		if (__builtin_expect(probe->bucket->more == 0, 1))
			return false;
		probe->bucket = &probe->index->lines[probe->bucket->more - 1];
		probe->slots = place_bucket_find(probe->bucket, probe->tag);
	}
}

/* The number that the hash most likely belongs to, of its bucket; PLACE_NONE: only a probe can
 * tell. */
static inline uint32_t
place_bucket_guess(const struct place_bucket *bucket, uint64_t hash)
{
	unsigned slots = place_bucket_find(bucket, place_tag(hash));
	uint32_t number;

	if (slots == 0)
		return PLACE_NONE;
	number = bucket->words[__builtin_ctz(slots)] ^ place_mark(hash);
	return number >> PLACE_INDEX_BITS == 0 ? number : PLACE_NONE;
}

#endif
