/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/mac_table.h"

#include <rte_common.h>
#include <rte_pause.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define VERSION_ONE (MAC_KEY_MASK + 1)
#define LOCK_TRIES 64 /* of a worker; the holder is done in some hundred cycles */
#define OVERFLOWED_STUCK UINT8_MAX
#define BUCKETS_LIMIT (1u << 28)
#define HUGE_PAGE (2ul << 20)

uint64_t
mac_key_of(const uint8_t mac[6], uint16_t vlan)
{
	uint64_t address = 0;

	memcpy(&address, mac, 6);
	return mac_key(address, vlan);
}

void
mac_key_address(uint64_t key, uint8_t mac[6])
{
	memcpy(mac, &key, 6);
}

/* ---- arrays ------------------------------------------------------------------------------- */

static struct mac_array *
array_new(uint32_t buckets)
{
	struct mac_array *array =
		aligned_alloc(_Alignof(struct mac_array), sizeof(struct mac_array));
	const size_t size = buckets * sizeof(struct mac_bucket);
	const size_t alignment = size < HUGE_PAGE ? _Alignof(struct mac_bucket) : HUGE_PAGE;

	if (array == NULL)
		return NULL;
	memset(array, 0, sizeof(*array));
	/* calloc: pages that no bucket was used in cost nothing */
	array->memory = calloc(1, size + alignment - 1);
	if (array->memory == NULL) {
		free(array);
		return NULL;
	}
	array->buckets = (struct mac_bucket *)(((uintptr_t)array->memory + alignment - 1) &
					       ~(uintptr_t)(alignment - 1));
	/* lookups go anywhere: in small pages each would miss the TLB too; only advice */
	if (size >= HUGE_PAGE)
		madvise(array->buckets, size, MADV_HUGEPAGE);
	array->mask = buckets - 1;
	hash_key_random(&array->hash);
	return array;
}

static void
array_free(struct mac_array *array)
{
	if (array == NULL)
		return;
	free(array->memory);
	free(array);
}

int
mac_table_open(struct mac_table *table, uint32_t buckets)
{
	struct mac_array *array = array_new(buckets);

	if (array == NULL)
		return -1;
	table->occupied = table->counting = 0;
	pthread_mutex_init(&table->lock, NULL);
	atomic_store_explicit(&table->array, array, memory_order_release);
	return 0;
}

void
mac_table_close(struct mac_table *table)
{
	array_free(mac_table_array(table));
	atomic_store_explicit(&table->array, NULL, memory_order_relaxed);
	pthread_mutex_destroy(&table->lock);
}

/* The two buckets that a key may be in. */
struct pair {
	struct mac_bucket *first, *second;
};

static struct pair
pair_of(const struct mac_array *array, uint64_t key, uint32_t device)
{
	uint64_t hash = mac_hash(array, key, device);

	return (struct pair){ &array->buckets[mac_first(array, hash)],
		&array->buckets[mac_second(array, hash)] };
}

/* ---- locks ---------------------------------------------------------------------------------- */

static bool
try_lock(struct mac_bucket *bucket)
{
	return atomic_exchange_explicit(&bucket->lock, 1, memory_order_acquire) == 0;
}

static void
unlock(struct mac_bucket *bucket)
{
	atomic_store_explicit(&bucket->lock, 0, memory_order_release);
}

static bool
try_lock_pair(struct pair pair)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (try_lock(pair.first)) {
			if (try_lock(pair.second))
				return true;
			unlock(pair.first);
		}
		rte_pause();
	}
	return false;
}

static void
unlock_pair(struct pair pair)
{
	unlock(pair.second);
	unlock(pair.first);
}

/* The control thread waits: a worker that was preempted with the lock has to get on. */
static void
lock(struct mac_bucket *bucket)
{
	while (!try_lock(bucket))
		sched_yield();
}

/* ---- slots, under their bucket's lock ---------------------------------------------------------
 */

static uint64_t
slot_key(const struct mac_bucket *bucket, unsigned slot)
{
	return atomic_load_explicit(&bucket->keys[slot], memory_order_relaxed) & MAC_KEY_MASK;
}

static struct mac_entry
slot_entry(const struct mac_bucket *bucket, unsigned slot)
{
	return (struct mac_entry){
		.key = slot_key(bucket, slot),
		.device = atomic_load_explicit(&bucket->devices[slot], memory_order_relaxed),
		.vport = atomic_load_explicit(&bucket->vports[slot], memory_order_relaxed),
		.stamp = atomic_load_explicit(&bucket->stamps[slot], memory_order_relaxed),
	};
}

/* Readers see the slot free from here on. */
static void
slot_clear(struct mac_array *array, struct mac_bucket *bucket, unsigned slot)
{
	struct mac_entry entry = slot_entry(bucket, slot);
	uint64_t version =
		atomic_load_explicit(&bucket->keys[slot], memory_order_relaxed) & ~MAC_KEY_MASK;
	struct mac_bucket *first;
	uint8_t overflowed;

	if (entry.key == 0)
		return;
	atomic_store_explicit(&bucket->keys[slot], version, memory_order_release);
	first = &array->buckets[mac_first(array, mac_hash(array, entry.key, entry.device))];
	if (first == bucket)
		return;
	/* a count that has reached the end of its range stays there: it costs a look, no more */
	overflowed = atomic_load_explicit(&first->overflowed, memory_order_relaxed);
	while (overflowed != OVERFLOWED_STUCK &&
		!atomic_compare_exchange_weak_explicit(&first->overflowed, &overflowed,
			overflowed - 1, memory_order_relaxed, memory_order_relaxed))
		;
}

/* The slot is clear. Release stores: who sees the new values sees the slot cleared before. */
static void
slot_fill(struct mac_bucket *bucket, unsigned slot, const struct mac_entry *entry)
{
	uint64_t version =
		atomic_load_explicit(&bucket->keys[slot], memory_order_relaxed) & ~MAC_KEY_MASK;

	atomic_store_explicit(&bucket->devices[slot], entry->device, memory_order_release);
	atomic_store_explicit(&bucket->vports[slot], entry->vport, memory_order_release);
	atomic_store_explicit(&bucket->stamps[slot], entry->stamp, memory_order_release);
	atomic_store_explicit(
		&bucket->keys[slot], (version + VERSION_ONE) | entry->key, memory_order_release);
}

static bool
slot_is_free(const struct mac_table *table, const struct mac_bucket *bucket, unsigned slot)
{
	return slot_key(bucket, slot) == 0 ||
	       table->stale(table->context,
		       atomic_load_explicit(&bucket->vports[slot], memory_order_relaxed),
		       atomic_load_explicit(&bucket->stamps[slot], memory_order_relaxed));
}

static int
bucket_slot_of(const struct mac_bucket *bucket, const struct mac_entry *entry)
{
	for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
		if (slot_key(bucket, slot) == entry->key &&
			atomic_load_explicit(&bucket->devices[slot], memory_order_relaxed) ==
				entry->device)
			return (int)slot;
	}
	return -1;
}

static bool
bucket_insert(const struct mac_table *table, struct mac_array *array, struct mac_bucket *bucket,
	const struct mac_entry *entry)
{
	for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
		if (!slot_is_free(table, bucket, slot))
			continue;
		slot_clear(array, bucket, slot);
		slot_fill(bucket, slot, entry);
		return true;
	}
	return false;
}

static void
count_overflow(struct mac_bucket *first)
{
	uint8_t overflowed = atomic_load_explicit(&first->overflowed, memory_order_relaxed);

	while (overflowed != OVERFLOWED_STUCK &&
		!atomic_compare_exchange_weak_explicit(&first->overflowed, &overflowed,
			overflowed + 1, memory_order_relaxed, memory_order_relaxed))
		;
}

/*
 * Moves an entry of a full bucket on into its second one. Who looks for it meanwhile finds it
 * in either: it is there, and counted as overflowed, before it goes here. The bucket and `other`
 * are locked by the caller; for a third one nobody waits.
 */
static bool
make_room(const struct mac_table *table, struct mac_array *array, struct mac_bucket *bucket,
	const struct mac_bucket *other)
{
	for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
		struct mac_entry entry = slot_entry(bucket, slot);
		uint64_t hash = mac_hash(array, entry.key, entry.device);
		struct mac_bucket *next = &array->buckets[mac_second(array, hash)];
		bool moved;

		/* not one that is in its second bucket already */
		if (&array->buckets[mac_first(array, hash)] != bucket || next == other ||
			!try_lock(next))
			continue;
		moved = bucket_insert(table, array, next, &entry);
		if (moved) {
			count_overflow(bucket);
			slot_clear(array, bucket, slot);
		}
		unlock(next);
		if (moved)
			return true;
	}
	return false;
}

static bool
pair_insert(const struct mac_table *table, struct mac_array *array, struct pair pair,
	const struct mac_entry *entry)
{
	if (bucket_insert(table, array, pair.first, entry))
		return true;
	if (!bucket_insert(table, array, pair.second, entry)) {
		if (make_room(table, array, pair.first, pair.second))
			return bucket_insert(table, array, pair.first, entry);
		if (!make_room(table, array, pair.second, pair.first) ||
			!bucket_insert(table, array, pair.second, entry))
			return false;
	}
	count_overflow(pair.first);
	return true;
}

/* ---- learning ---------------------------------------------------------------------------------
 */

enum mac_result
mac_insert(struct mac_table *table, struct mac_array *array, const struct mac_entry *entry)
{
	struct pair pair = pair_of(array, entry->key, entry->device);
	enum mac_result result = MAC_DONE;

	if (!try_lock_pair(pair))
		return MAC_BUSY;
	if (atomic_load_explicit(&array->frozen, memory_order_relaxed))
		result = MAC_BUSY;
	else if (bucket_slot_of(pair.first, entry) >= 0 || bucket_slot_of(pair.second, entry) >= 0)
		result = MAC_CHANGED;
	else if (!pair_insert(table, array, pair, entry))
		result = MAC_FULL;
	unlock_pair(pair);
	if (result == MAC_FULL && !atomic_load_explicit(&array->full, memory_order_relaxed))
		atomic_store_explicit(&array->full, true, memory_order_relaxed);
	return result;
}

static bool
bucket_move(struct mac_bucket *bucket, const struct mac_entry *entry, const struct mac_found *found)
{
	int slot = bucket_slot_of(bucket, entry);
	struct mac_entry there;

	if (slot < 0)
		return false;
	there = slot_entry(bucket, (unsigned)slot);
	if (there.vport != found->vport ||
		mac_stamp_epoch(there.stamp) != mac_stamp_epoch(found->stamp) ||
		mac_is_static(there.stamp) != mac_is_static(found->stamp))
		return false;
	atomic_store_explicit(&bucket->vports[slot], entry->vport, memory_order_release);
	atomic_store_explicit(&bucket->stamps[slot], entry->stamp, memory_order_release);
	return true;
}

enum mac_result
mac_move(struct mac_array *array, const struct mac_entry *entry, const struct mac_found *found)
{
	struct pair pair = pair_of(array, entry->key, entry->device);
	enum mac_result result = MAC_DONE;

	if (!try_lock_pair(pair))
		return MAC_BUSY;
	if (atomic_load_explicit(&array->frozen, memory_order_relaxed))
		result = MAC_BUSY;
	else if (!bucket_move(pair.first, entry, found) && !bucket_move(pair.second, entry, found))
		result = MAC_CHANGED;
	unlock_pair(pair);
	return result;
}

/* ---- the control thread ------------------------------------------------------------------------
 */

static bool
bucket_take(struct mac_array *array, struct mac_bucket *bucket, const struct mac_entry *key,
	struct mac_entry *old)
{
	int slot = bucket_slot_of(bucket, key);

	if (slot < 0)
		return false;
	*old = slot_entry(bucket, (unsigned)slot);
	slot_clear(array, bucket, (unsigned)slot);
	return true;
}

/* In index order, because it waits. */
static void
lock_pair(struct pair pair)
{
	lock(RTE_MIN(pair.first, pair.second));
	lock(RTE_MAX(pair.first, pair.second));
}

/* Copies what is not stale. False: some pair of buckets had no room. */
static bool
array_copy(const struct mac_table *table, const struct mac_array *from, struct mac_array *to)
{
	for (uint64_t i = 0; i <= from->mask; i++) {
		for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
			struct mac_entry entry = slot_entry(&from->buckets[i], slot);

			if (!slot_is_free(table, &from->buckets[i], slot) &&
				!pair_insert(
					table, to, pair_of(to, entry.key, entry.device), &entry))
				return false;
		}
	}
	return true;
}

/* A copy in at least `buckets` buckets; NULL: out of memory. */
static struct mac_array *
array_grown(const struct mac_table *table, const struct mac_array *from, uint64_t buckets)
{
	for (; buckets <= BUCKETS_LIMIT; buckets *= 2) {
		struct mac_array *to = array_new((uint32_t)buckets);

		if (to == NULL || array_copy(table, from, to))
			return to;
		array_free(to);
	}
	return NULL;
}

static int
grow(struct mac_table *table, uint64_t buckets)
{
	struct mac_array *from = mac_table_array(table), *to;

	atomic_store_explicit(&from->frozen, true, memory_order_seq_cst);
	/* after this no worker is still inserting: each one sees `frozen` */
	table->synchronize(table->context);
	to = array_grown(table, from, buckets);
	if (to == NULL) {
		atomic_store_explicit(&from->frozen, false, memory_order_release);
		return -1;
	}
	atomic_store_explicit(&table->array, to, memory_order_release);
	table->synchronize(table->context);
	array_free(from);
	table->counting = 0;
	return 0;
}

static int
reserve(struct mac_table *table, uint32_t more)
{
	uint64_t buckets = mac_table_array(table)->mask + 1ull;
	uint64_t wanted = (uint64_t)table->occupied + more;

	table->occupied += more;
	if (wanted * 2 <= buckets * MAC_BUCKET_SLOTS)
		return 0;
	while (wanted * 2 > buckets * MAC_BUCKET_SLOTS)
		buckets *= 2;
	return grow(table, buckets);
}

int
mac_table_reserve(struct mac_table *table, uint32_t more)
{
	int result;

	pthread_mutex_lock(&table->lock);
	result = reserve(table, more);
	pthread_mutex_unlock(&table->lock);
	return result;
}

int
mac_table_maintain(struct mac_table *table)
{
	struct mac_array *array;
	int result;

	pthread_mutex_lock(&table->lock);
	array = mac_table_array(table);
	/* no room: entries come faster than they are counted */
	if (atomic_load_explicit(&array->full, memory_order_relaxed))
		result = grow(table, (array->mask + 1ull) * 2);
	else
		result = reserve(table, 0);
	pthread_mutex_unlock(&table->lock);
	return result;
}

/* False: no room in either bucket. */
static bool
put(struct mac_table *table, const struct mac_entry *entry, struct mac_entry *old)
{
	struct mac_array *array = mac_table_array(table);
	struct pair pair = pair_of(array, entry->key, entry->device);
	bool done;

	lock_pair(pair);
	if (!bucket_take(array, pair.first, entry, old))
		bucket_take(array, pair.second, entry, old);
	done = pair_insert(table, array, pair, entry);
	unlock_pair(pair);
	return done;
}

static bool
bucket_replace_learned(struct mac_array *array, struct mac_bucket *bucket,
	const struct mac_entry *entry, struct mac_entry *old)
{
	for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
		struct mac_entry there = slot_entry(bucket, slot);

		if (mac_is_static(there.stamp))
			continue;
		slot_clear(array, bucket, slot);
		slot_fill(bucket, slot, entry);
		*old = there;
		return true;
	}
	return false;
}

/* In the place of an entry that was learned, and will be again. False: there is none. */
static bool
put_over_learned(struct mac_table *table, const struct mac_entry *entry, struct mac_entry *old)
{
	struct mac_array *array = mac_table_array(table);
	struct pair pair = pair_of(array, entry->key, entry->device);
	bool done;

	lock_pair(pair);
	done = bucket_replace_learned(array, pair.first, entry, old);
	if (!done) {
		done = bucket_replace_learned(array, pair.second, entry, old);
		if (done)
			count_overflow(pair.first);
	}
	unlock_pair(pair);
	return done;
}

int
mac_table_put(struct mac_table *table, const struct mac_entry *entry, struct mac_entry *old)
{
	int result = 0;

	*old = (struct mac_entry){ 0 };
	pthread_mutex_lock(&table->lock);
	while (!put(table, entry, old)) {
		if (grow(table, (mac_table_array(table)->mask + 1ull) * 2) == 0)
			continue;
		result = put_over_learned(table, entry, old) ? 0 : -1;
		break;
	}
	pthread_mutex_unlock(&table->lock);
	return result;
}

bool
mac_table_remove(struct mac_table *table, uint64_t key, uint32_t device, struct mac_entry *old)
{
	struct mac_entry wanted = { .key = key, .device = device };
	struct mac_array *array;
	struct pair pair;
	bool found;

	pthread_mutex_lock(&table->lock);
	array = mac_table_array(table);
	pair = pair_of(array, key, device);
	lock_pair(pair);
	found = bucket_take(array, pair.first, &wanted, old) ||
		bucket_take(array, pair.second, &wanted, old);
	unlock_pair(pair);
	pthread_mutex_unlock(&table->lock);
	return found;
}

static bool
bucket_is_empty(const struct mac_bucket *bucket)
{
	for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
		if (slot_key(bucket, slot) != 0)
			return false;
	}
	return true;
}

static unsigned
bucket_sweep(struct mac_array *array, struct mac_bucket *bucket,
	bool (*judge)(void *context, const struct mac_entry *entry), void *context)
{
	unsigned left = 0;

	lock(bucket);
	for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
		struct mac_entry entry = slot_entry(bucket, slot);

		if (entry.key == 0)
			continue;
		if (judge(context, &entry))
			slot_clear(array, bucket, slot);
		else
			left++;
	}
	unlock(bucket);
	return left;
}

static uint32_t
sweep(struct mac_table *table, uint32_t first, uint32_t count,
	bool (*judge)(void *context, const struct mac_entry *entry), void *context)
{
	struct mac_array *array = mac_table_array(table);
	uint64_t end = (uint64_t)first + count;

	if (end > array->mask)
		end = array->mask + 1ull;
	if (first == 0)
		table->counting = 0;
	for (uint64_t i = first; i < end; i++) {
		struct mac_bucket *bucket = &array->buckets[i];

		if (!bucket_is_empty(bucket))
			table->counting += bucket_sweep(array, bucket, judge, context);
	}
	if (end <= array->mask)
		return (uint32_t)end;
	table->occupied = table->counting;
	return 0;
}

uint32_t
mac_table_sweep(struct mac_table *table, uint32_t first, uint32_t count,
	bool (*judge)(void *context, const struct mac_entry *entry), void *context)
{
	uint32_t next;

	pthread_mutex_lock(&table->lock);
	next = sweep(table, first, count, judge, context);
	pthread_mutex_unlock(&table->lock);
	return next;
}

/* Without its lock. False: free, or changing. */
static bool
slot_look(const struct mac_bucket *bucket, unsigned slot, struct mac_entry *entry)
{
	uint64_t before = atomic_load_explicit(&bucket->keys[slot], memory_order_acquire);

	entry->key = before & MAC_KEY_MASK;
	entry->device = atomic_load_explicit(&bucket->devices[slot], memory_order_acquire);
	entry->vport = atomic_load_explicit(&bucket->vports[slot], memory_order_acquire);
	entry->stamp = atomic_load_explicit(&bucket->stamps[slot], memory_order_acquire);
	return entry->key != 0 &&
	       before == atomic_load_explicit(&bucket->keys[slot], memory_order_relaxed);
}

static void
walk(const struct mac_array *array, bool (*look)(void *context, const struct mac_entry *entry),
	void *context)
{
	for (uint64_t i = 0; i <= array->mask; i++) {
		for (unsigned slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
			struct mac_entry entry;

			if (slot_look(&array->buckets[i], slot, &entry) && !look(context, &entry))
				return;
		}
	}
}

void
mac_table_walk(struct mac_table *table, bool (*look)(void *context, const struct mac_entry *entry),
	void *context)
{
	pthread_mutex_lock(&table->lock);
	walk(mac_table_array(table), look, context);
	pthread_mutex_unlock(&table->lock);
}
