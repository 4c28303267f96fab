/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MAC table: which vport a station was last seen at. One table for all switches of the
 * process, keyed by (device, VLAN, MAC), in ordinary memory. Knows no switch: who may learn,
 * and how many, is decided and counted by its user.
 *
 * Shape
 *	Buckets of one cache line with three entries; each key has two buckets to be in, chosen
 *	by a keyed hash, so that nobody can choose addresses that collide. An entry is in the
 *	second one only if the first was full; the first counts those, so that nearly every
 *	lookup, misses included, reads one line. When both are full an entry there moves on to
 *	its own second bucket; where none can, the insertion fails and the table asks for growth.
 *
 * Entries
 *	hold the id of the vport, with its generation, and the vport's epoch: an entry whose
 *	vport is gone or in another epoch (the `stale` call says so) is no entry, its slot is
 *	free, and nothing has to be swept when a vport or a device goes or is flushed. A stamp
 *	says when the station was last heard (whole seconds, so that it is written once a second
 *	and not per packet), and how often it moved in that second.
 *
 * Threads
 *	Readers (workers) take no lock, never wait and never see half an entry: a slot's key is
 *	cleared before and written after the rest, carries a version, and is read twice; a move
 *	is one store. Workers insert and move under the locks of the key's two buckets, for
 *	which they never wait (MAC_BUSY: the station's next packet will do). The control side
 *	does all the rest, on any of its threads: a mutex keeps them apart. Growing copies into
 *	a new array and swaps it in by RCU: meanwhile nothing can be inserted or moved
 *	(MAC_BUSY), lookups go on. What mac_table_array() returns holds until the reader's next
 *	quiescent state.
 */
#ifndef WEFT_SWITCH_MAC_TABLE_H
#define WEFT_SWITCH_MAC_TABLE_H

#include "base/hash.h"

#include <pthread.h>
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_BUCKET_SLOTS 3

struct mac_bucket {
	_Atomic uint64_t keys[MAC_BUCKET_SLOTS]; /* mac_key() and a version in the top 4 bits */
	_Atomic uint32_t devices[MAC_BUCKET_SLOTS];
	_Atomic uint32_t vports[MAC_BUCKET_SLOTS];
	_Atomic uint32_t stamps[MAC_BUCKET_SLOTS];
	_Atomic uint8_t lock;
	_Atomic uint8_t overflowed; /* keys that are in their second bucket for want of room here */
	uint8_t reserved[2];
} __attribute__((aligned(64)));

struct mac_array {
	struct mac_bucket *buckets;
	uint32_t mask;       /* number of buckets - 1 */
	_Atomic bool frozen; /* being copied */
	_Atomic bool full;   /* an insertion found no room */
	void *memory;        /* what to free */
	struct hash_key hash;
};

/*
 * Stamps: second << 12 | epoch << 4 | moves. Seconds are modulo 2^20 (12 days), epochs modulo
 * 2^8. The epoch is of the vport: its user counts it up to make all that was learned there
 * stale at once. A static entry has MAC_STATIC for moves.
 */
#define MAC_STATIC 0xfu
#define MAC_MOVES_MAX 0xeu
#define MAC_SECONDS_MASK 0xfffffu
#define MAC_EPOCH_MASK 0xffu

static inline uint32_t
mac_stamp(uint32_t second, uint32_t epoch, unsigned moves)
{
	return second << 12 | (epoch & MAC_EPOCH_MASK) << 4 | moves;
}

static inline bool
mac_is_static(uint32_t stamp)
{
	return (stamp & 0xf) == MAC_STATIC;
}

static inline unsigned
mac_stamp_moves(uint32_t stamp)
{
	return stamp & 0xf;
}

static inline uint32_t
mac_stamp_epoch(uint32_t stamp)
{
	return stamp >> 4 & MAC_EPOCH_MASK;
}

static inline uint32_t
mac_stamp_second(uint32_t stamp)
{
	return stamp >> 12;
}

#define MAC_CLOCK_SLACK 60

/*
 * How many seconds before `second` the station was heard. Who stamped it may have read the
 * clock later than who asks: then it is 0.
 */
static inline uint32_t
mac_stamp_age(uint32_t stamp, uint32_t second)
{
	uint32_t age = (second - mac_stamp_second(stamp)) & MAC_SECONDS_MASK;

	return age <= MAC_SECONDS_MASK - MAC_CLOCK_SLACK ? age : 0;
}

struct mac_entry {
	uint64_t key;
	uint32_t device, vport, stamp;
};

struct mac_table {
	struct mac_array *_Atomic array;
	pthread_mutex_t lock; /* over all that the control side does */
	uint32_t occupied;    /* entries at the last sweep, and what was put or reserved since */
	uint32_t counting;    /* of the sweep that is under way */

	/* The user's, given to mac_table_open. */
	void *context;
	/* The entry's vport is gone, or in another epoch. Any thread. */
	bool (*stale)(void *context, uint32_t vport, uint32_t stamp);
	/* Returns when no reader uses what was reachable before. Control thread. */
	void (*synchronize)(void *context);
};

/* buckets: a power of two. 0, or -1: out of memory. */
int mac_table_open(struct mac_table *table, uint32_t buckets);
void mac_table_close(struct mac_table *table);

/* The MAC as its six bytes are in memory, and the VLAN (1..4094), in one word. */
#define MAC_KEY_MASK 0x0fffffffffffffffu
#define MAC_ADDRESS_MASK 0xffffffffffffu

static inline uint64_t
mac_key(uint64_t address, uint16_t vlan)
{
	return (address & MAC_ADDRESS_MASK) | (uint64_t)vlan << 48;
}

uint64_t mac_key_of(const uint8_t mac[6], uint16_t vlan);

static inline uint16_t
mac_key_vlan(uint64_t key)
{
	return key >> 48 & 0xfff;
}

void mac_key_address(uint64_t key, uint8_t mac[6]);

/* ---- looking up: any worker ------------------------------------------------------------- */

static inline struct mac_array *
mac_table_array(struct mac_table *table)
{
	return atomic_load_explicit(&table->array, memory_order_acquire);
}

static inline uint64_t
mac_hash(const struct mac_array *array, uint64_t key, uint32_t device)
{
	return hash_words(&array->hash, key, device);
}

static inline uint32_t
mac_first(const struct mac_array *array, uint64_t hash)
{
	return (uint32_t)hash & array->mask;
}

/* Never the same as the first one. */
static inline uint32_t
mac_second(const struct mac_array *array, uint64_t hash)
{
	uint32_t second = (uint32_t)(hash >> 32) & array->mask;

	return second != mac_first(array, hash) ? second : second ^ 1;
}

static inline void
mac_prefetch(const struct mac_array *array, uint64_t hash)
{
	rte_prefetch0(&array->buckets[mac_first(array, hash)]);
}

/* Where an entry was found; for mac_refresh. */
struct mac_found {
	uint32_t vport; /* 0: no entry */
	uint32_t stamp;
	_Atomic uint32_t *stamp_at;
};

/*
 * Looks through one bucket. No branch and no loop over the slots: which one it is cannot be
 * predicted. Loads of the devices are acquire, as those of vport and stamp, so that the second
 * look at the key comes after all of them.
 */
static inline bool
mac_bucket_find(struct mac_bucket *bucket, uint64_t key, uint32_t device, struct mac_found *found)
{
	for (;;) {
		uint64_t keys[MAC_BUCKET_SLOTS], before;
		bool match[MAC_BUCKET_SLOTS];
		unsigned slot;

#pragma GCC unroll 3
		for (slot = 0; slot < MAC_BUCKET_SLOTS; slot++) {
			uint32_t owner;

			keys[slot] =
				atomic_load_explicit(&bucket->keys[slot], memory_order_acquire);
			owner = atomic_load_explicit(&bucket->devices[slot], memory_order_acquire);
			match[slot] = (((keys[slot] ^ key) & MAC_KEY_MASK) | (owner ^ device)) == 0;
		}
		if (!(match[0] | match[1] | match[2]))
			return false;
		/* never beyond the bucket, even if an entry went from slot to slot meanwhile */
		slot = match[2] ? 2 : match[1];
		before = match[1] ? keys[1] : keys[0];
		before = match[2] ? keys[2] : before;
		found->vport = atomic_load_explicit(&bucket->vports[slot], memory_order_acquire);
		found->stamp = atomic_load_explicit(&bucket->stamps[slot], memory_order_acquire);
		found->stamp_at = &bucket->stamps[slot];
		if (likely(atomic_load_explicit(&bucket->keys[slot], memory_order_relaxed) ==
			    before))
			return true;
		/* the slot was used anew under our eyes: look again */
	}
}

_Static_assert(MAC_BUCKET_SLOTS == 3, "mac_bucket_find looks at three");

/* The entry, stale or not; found->vport is 0 when there is none. */
static inline void
mac_find(struct mac_array *array, uint64_t hash, uint64_t key, uint32_t device,
	struct mac_found *found)
{
	struct mac_bucket *bucket = &array->buckets[mac_first(array, hash)];

	if (likely(mac_bucket_find(bucket, key, device, found)))
		return;
	if (atomic_load_explicit(&bucket->overflowed, memory_order_relaxed) != 0 &&
		mac_bucket_find(&array->buckets[mac_second(array, hash)], key, device, found))
		return;
	found->vport = 0;
	found->stamp = 0;
	found->stamp_at = NULL;
}

/* The station was heard in this second. One write a second at most, none to a static entry. */
static inline void
mac_refresh(const struct mac_found *found, uint32_t second)
{
	uint32_t stamp = found->stamp;

	if (likely(mac_stamp_age(stamp, second) == 0) || mac_is_static(stamp))
		return;
	/* only if it is still the same: the slot may have become a static entry's */
	atomic_compare_exchange_strong_explicit(found->stamp_at, &stamp,
		mac_stamp(second, mac_stamp_epoch(stamp), 0), memory_order_relaxed,
		memory_order_relaxed);
}

/* ---- learning: any worker ---------------------------------------------------------------- */

enum mac_result {
	MAC_DONE,
	MAC_CHANGED, /* the entry is there already, is another's, or is gone: look again */
	MAC_FULL,    /* no room in either bucket; growth has been asked for */
	MAC_BUSY,    /* another worker is at the bucket, or the table is being copied */
};

enum mac_result mac_insert(
	struct mac_table *table, struct mac_array *array, const struct mac_entry *entry);
/*
 * Gives the entry of that key and device the vport and stamp of `entry`, provided that it
 * still is of the vport and epoch in `found`, and neither became static nor ceased to be.
 */
enum mac_result mac_move(
	struct mac_array *array, const struct mac_entry *entry, const struct mac_found *found);

/* ---- the control side -------------------------------------------------------------------- */

/*
 * Puts an entry in whatever is there: `old` gets what it replaced (vport 0: nothing). Room is
 * made by growing; where there is no memory for that, one that was learned has to go, and is
 * in `old`. -1: no memory, and all that could go are static.
 */
int mac_table_put(struct mac_table *table, const struct mac_entry *entry, struct mac_entry *old);
/* Makes sure that as many further entries as `more` do not crowd the table. 0 or -1. */
int mac_table_reserve(struct mac_table *table, uint32_t more);
/* False: there was none; `old` gets what there was. */
bool mac_table_remove(
	struct mac_table *table, uint64_t key, uint32_t device, struct mac_entry *old);

/*
 * Goes through the buckets from `first` on, `count` of them at most, and calls `judge` for each
 * entry, stale ones included: true removes it. Returns the bucket to go on with, 0 at the end.
 * It is asked under the bucket's lock, and must not call the table.
 */
uint32_t mac_table_sweep(struct mac_table *table, uint32_t first, uint32_t count,
	bool (*judge)(void *context, const struct mac_entry *entry), void *context);
/* The same without locks, for looking. `look` false: stop. */
void mac_table_walk(struct mac_table *table,
	bool (*look)(void *context, const struct mac_entry *entry), void *context);

/* Grows if an insertion found no room, or half of the slots are taken. 0, or -1: no memory. */
int mac_table_maintain(struct mac_table *table);

#endif
