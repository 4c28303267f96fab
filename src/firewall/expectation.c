/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/expectation.h"

#include <rte_branch_prediction.h>
#include <rte_spinlock.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 8
#define BUCKETS (EXPECTATIONS_LIMIT / WAYS)

struct place {
	struct expectation expectation; /* until 0: free */
	_Atomic unsigned *count;        /* of its firewall */
};

struct bucket {
	rte_spinlock_t lock;
	struct place places[WAYS];
};

struct expectations {
	struct hash_key key;
	_Atomic unsigned count;
	struct bucket buckets[BUCKETS];
};

struct expectations *
expectations_create(const struct hash_key *key)
{
	struct expectations *expectations =
		aligned_alloc(64, (sizeof(*expectations) + 63) / 64 * 64);

	if (expectations == NULL)
		return NULL;
	memset(expectations, 0, sizeof(*expectations));
	expectations->key = *key;
	for (unsigned i = 0; i < BUCKETS; i++)
		rte_spinlock_init(&expectations->buckets[i].lock);
	return expectations;
}

void
expectations_free(struct expectations *expectations)
{
	free(expectations);
}

bool
expectations_any(const struct expectations *expectations)
{
	return atomic_load_explicit(&expectations->count, memory_order_relaxed) > 0;
}

/* Of the flow as it is expected: from any port. Locked. */
static struct bucket *
lock_bucket(struct expectations *expectations, const struct flow *flow)
{
	struct bucket *bucket =
		&expectations->buckets[flow_hash(flow, &expectations->key) % BUCKETS];

	rte_spinlock_lock(&bucket->lock);
	return bucket;
}

static struct place *
find(struct bucket *bucket, const struct flow *flow)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct place *place = &bucket->places[i];

		if (place->expectation.until != 0 &&
			memcmp(&place->expectation.flow, flow, sizeof(*flow)) == 0)
			return place;
	}
	return NULL;
}

static void
clear(struct expectations *expectations, struct place *place)
{
	place->expectation.until = 0;
	atomic_fetch_sub_explicit(place->count, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&expectations->count, 1, memory_order_relaxed);
}

/* A free one, counted; NULL: there is none. */
static struct place *
obtain(struct expectations *expectations, struct bucket *bucket, _Atomic unsigned *count,
	uint64_t now)
{
	struct place *place = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct place *one = &bucket->places[i];

		if (one->expectation.until != 0 && one->expectation.until <= now)
			clear(expectations, one);
		if (one->expectation.until == 0)
			place = one;
	}
	if (place == NULL)
		return NULL;
	if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) >= EXPECTATIONS_EACH) {
		atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
		return NULL;
	}
	atomic_fetch_add_explicit(&expectations->count, 1, memory_order_relaxed);
	place->count = count;
	return place;
}

bool
expectations_add(struct expectations *expectations, const struct expectation *expectation,
	_Atomic unsigned *count, uint64_t now)
{
	struct bucket *bucket = lock_bucket(expectations, &expectation->flow);
	struct place *place = find(bucket, &expectation->flow);

	if (place != NULL && place->expectation.until > now &&
		place->expectation.owner != expectation->owner) {
		rte_spinlock_unlock(&bucket->lock);
		return false;
	}
	if (place == NULL || place->count != count)
		place = obtain(expectations, bucket, count, now);
	if (place != NULL)
		place->expectation = *expectation;
	rte_spinlock_unlock(&bucket->lock);
	return place != NULL;
}

void
expectations_remove(struct expectations *expectations, const struct flow *flow, uint64_t owner)
{
	struct bucket *bucket = lock_bucket(expectations, flow);
	struct place *place = find(bucket, flow);

	if (place != NULL && place->expectation.owner == owner)
		clear(expectations, place);
	rte_spinlock_unlock(&bucket->lock);
}

bool
expectations_take(struct expectations *expectations, const struct flow *flow, uint64_t now,
	struct expectation *expectation)
{
	struct flow expected = *flow;
	struct bucket *bucket;
	struct place *place;
	bool found;

	expected.from_port = 0;
	bucket = lock_bucket(expectations, &expected);
	place = find(bucket, &expected);
	found = place != NULL && place->expectation.until > now;
	if (place != NULL) {
		*expectation = place->expectation;
		clear(expectations, place);
	}
	rte_spinlock_unlock(&bucket->lock);
	return found;
}

void
expectations_expire(struct expectations *expectations, uint64_t now, uint32_t domain)
{
	if (!expectations_any(expectations))
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct bucket *bucket = &expectations->buckets[i];

		rte_spinlock_lock(&bucket->lock);
		for (unsigned way = 0; way < WAYS; way++) {
			const struct expectation *one = &bucket->places[way].expectation;

			if (one->until != 0 && (one->until <= now || one->flow.domain == domain))
				clear(expectations, &bucket->places[way]);
		}
		rte_spinlock_unlock(&bucket->lock);
	}
}
