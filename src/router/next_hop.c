/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/next_hop.h"

#include "base/hash.h"
#include "router/neighbour.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TABLE_BYTES (ID_INDEX_COUNT * sizeof(struct next_hop))
#define FIRST_HEADS 64
#define BUCKETS_PER_MEMBER 16
#define BUCKETS_LEAST 64
#define MEMBERS_MOST NEXT_HOP_MEMBERS /* with as many backups */
#define BUCKETS_MOST (MEMBERS_MOST * BUCKETS_PER_MEMBER)

struct next_hop *next_hops;

static struct id_pool ids;
static struct hash_key hash_key;
static uint32_t *heads; /* index + 1 of the first one; by hash */
static uint32_t n_heads, n_hops;
static size_t group_bytes;
/* a change is prepared while the tick balances; workers never take it */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

int
next_hops_open(void)
{
	next_hops = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	heads = calloc(FIRST_HEADS, sizeof(*heads));
	if (next_hops == MAP_FAILED || heads == NULL) {
		next_hops = next_hops == MAP_FAILED ? NULL : next_hops;
		next_hops_close();
		return -1;
	}
	n_heads = FIRST_HEADS;
	n_hops = 0;
	group_bytes = 0;
	hash_key_random(&hash_key);
	return 0;
}

static void
group_free(struct hop_group *group)
{
	if (group == NULL)
		return;
	group_bytes -= sizeof(*group) + (group->mask + 1) * sizeof(group->buckets[0]) +
		       group->n_members * sizeof(group->members[0]);
	free(group->members);
	free(group);
}

void
next_hops_close(void)
{
	for (uint32_t i = 0; next_hops != NULL && i < ids.used; i++)
		group_free(next_hops[i].group);
	if (next_hops != NULL)
		munmap(next_hops, TABLE_BYTES);
	next_hops = NULL;
	free(heads);
	heads = NULL;
	id_pool_free(&ids);
}

/* ---- the interning table ----------------------------------------------------------------------
 */

static uint64_t
hash_of_group(const uint32_t *members, unsigned n, unsigned n_primaries)
{
	return hash_bytes(&hash_key, members, n * sizeof(*members)) + n_primaries;
}

static uint64_t
hash_of(const struct next_hop *hop)
{
	const struct hop_group *group = hop->group;

	if (group != NULL)
		return hash_of_group(group->members, group->n_members, group->n_primaries);
	return hash_bytes(&hash_key, &hop->key, sizeof(hop->key));
}

static void
link_hop(uint32_t index)
{
	uint32_t *head = &heads[hash_of(&next_hops[index]) & (n_heads - 1)];

	next_hops[index].hash_next = *head;
	*head = index + 1;
}

static void
unlink_hop(uint32_t index)
{
	uint32_t *at = &heads[hash_of(&next_hops[index]) & (n_heads - 1)];

	while (*at != index + 1)
		at = &next_hops[*at - 1].hash_next;
	*at = next_hops[index].hash_next;
}

/* Without memory the chains get longer, and that is all. */
static void
grow_heads(void)
{
	uint32_t *more;

	if (n_hops < n_heads)
		return;
	more = calloc((size_t)n_heads * 2, sizeof(*more));
	if (more == NULL)
		return;
	free(heads);
	heads = more;
	n_heads *= 2;
	for (uint32_t i = 0; i < ids.used; i++)
		if (next_hops[i].id != 0)
			link_hop(i);
}

static uint32_t
find(uint64_t hash, bool (*same)(const struct next_hop *hop, const void *wanted),
	const void *wanted)
{
	uint32_t at = heads[hash & (n_heads - 1)];

	while (at != 0 && !same(&next_hops[at - 1], wanted))
		at = next_hops[at - 1].hash_next;
	return at != 0 ? next_hops[at - 1].id : 0;
}

/* A new one, not yet in the table; NULL: no memory. */
static struct next_hop *
take(void)
{
	uint32_t id = id_pool_take(&ids);
	struct next_hop *hop;

	if (id == 0)
		return NULL;
	hop = &next_hops[id_index(id)];
	*hop = (struct next_hop){ .references = 1 };
	hop->id = id;
	n_hops++;
	return hop;
}

static void
give(struct next_hop *hop)
{
	uint32_t id = hop->id;

	*hop = (struct next_hop){ 0 };
	id_pool_give(&ids, id);
	n_hops--;
}

/* ---- single ones ------------------------------------------------------------------------------
 */

static bool
same_key(const struct next_hop *hop, const void *wanted)
{
	return hop->group == NULL && memcmp(&hop->key, wanted, sizeof(hop->key)) == 0;
}

static uint32_t
hold(const struct hop_key *key, struct weft_network *network)
{
	uint32_t id = find(hash_bytes(&hash_key, key, sizeof(*key)), same_key, key);
	struct next_hop *hop;

	if (id != 0) {
		next_hops[id_index(id)].references++;
		return id;
	}
	hop = take();
	if (hop == NULL)
		return 0;
	hop->key = *key;
	if (key->kind == HOP_GATEWAY) {
		hop->neighbour = neighbour_pin(key->vport, key->family, key->gateway, network);
		if (hop->neighbour == 0) {
			give(hop);
			return 0;
		}
	}
	link_hop(id_index(hop->id));
	id = hop->id;
	grow_heads();
	return id;
}

uint32_t
next_hop_hold(const struct hop_key *key, struct weft_network *network)
{
	uint32_t id;

	pthread_mutex_lock(&table_lock);
	id = hold(key, network);
	pthread_mutex_unlock(&table_lock);
	return id;
}

void
next_hop_hold_again(uint32_t id)
{
	pthread_mutex_lock(&table_lock);
	next_hops[id_index(id)].references++;
	pthread_mutex_unlock(&table_lock);
}

static void
release(uint32_t id)
{
	struct next_hop *hop = &next_hops[id_index(id)];
	struct hop_group *group = hop->group;
	uint32_t neighbour = hop->neighbour;

	if (id == 0 || --hop->references > 0)
		return;
	unlink_hop(id_index(id));
	give(hop);
	if (neighbour != 0)
		neighbour_unpin(neighbour);
	for (unsigned i = 0; group != NULL && i < group->n_members; i++)
		release(group->members[i]);
	group_free(group);
}

void
next_hop_release(uint32_t id)
{
	pthread_mutex_lock(&table_lock);
	release(id);
	pthread_mutex_unlock(&table_lock);
}

/* ---- groups -----------------------------------------------------------------------------------
 */

struct wanted_group {
	const uint32_t *members;
	unsigned n, n_primaries;
};

static bool
same_group(const struct next_hop *hop, const void *wanted)
{
	const struct wanted_group *group = wanted;

	return hop->group != NULL && hop->group->n_members == group->n &&
	       hop->group->n_primaries == group->n_primaries &&
	       memcmp(hop->group->members, group->members, group->n * sizeof(uint32_t)) == 0;
}

static struct hop_group *
group_new(const struct wanted_group *wanted)
{
	uint32_t buckets = BUCKETS_LEAST;
	struct hop_group *group;

	while (buckets < wanted->n * BUCKETS_PER_MEMBER)
		buckets *= 2;
	group = calloc(1, sizeof(*group) + buckets * sizeof(group->buckets[0]));
	if (group == NULL)
		return NULL;
	group->members = calloc(wanted->n, sizeof(group->members[0]));
	if (group->members == NULL) {
		free(group);
		return NULL;
	}
	group->mask = buckets - 1;
	group->n_members = (uint16_t)wanted->n;
	group->n_primaries = (uint16_t)wanted->n_primaries;
	memcpy(group->members, wanted->members, wanted->n * sizeof(uint32_t));
	group_bytes += sizeof(*group) + buckets * sizeof(group->buckets[0]) +
		       wanted->n * sizeof(group->members[0]);
	return group;
}

/* How many buckets a member is to have and has; those that are not to carry have no target. */
struct share {
	uint32_t id;
	unsigned target, has;
};

static struct share *
share_of(struct share *shares, unsigned n, uint32_t id)
{
	for (unsigned i = 0; i < n; i++)
		if (shares[i].id == id)
			return &shares[i];
	return NULL;
}

/* Keeps what is within its target, and gives the rest to those below theirs. Worked out apart:
 * workers never see a bucket that leads nowhere. */
static void
settle_buckets(struct hop_group *group, struct share *shares, unsigned n)
{
	uint32_t plan[BUCKETS_MOST] = { 0 };
	unsigned next = 0;

	for (uint32_t i = 0; i <= group->mask; i++) {
		uint32_t id = atomic_load(&group->buckets[i]);
		struct share *share = share_of(shares, n, id);

		if (share == NULL || share->has >= share->target)
			continue;
		share->has++;
		plan[i] = id;
	}
	for (uint32_t i = 0; i <= group->mask && n > 0; i++) {
		if (plan[i] != 0)
			continue;
		while (shares[next].has >= shares[next].target)
			next = (next + 1) % n;
		shares[next].has++;
		atomic_store_explicit(&group->buckets[i], shares[next].id, memory_order_release);
		next = (next + 1) % n;
	}
}

typedef bool (*hop_test)(void *context, const struct next_hop *hop);

static unsigned
choose_members(const struct hop_group *group, unsigned first, unsigned end, hop_test can,
	void *context, struct share *shares)
{
	unsigned n = 0;

	for (unsigned i = first; i < end; i++) {
		const struct next_hop *hop = next_hop_get(group->members[i]);

		if (can == NULL || (hop != NULL && can(context, hop)))
			shares[n++].id = group->members[i];
	}
	return n;
}

/* Whether some bucket is not of one that shall carry, or the shares are not even. */
static bool
is_settled(const struct hop_group *group, struct share *shares, unsigned n)
{
	bool settled = true;

	for (uint32_t i = 0; i <= group->mask && settled; i++) {
		struct share *share = share_of(shares, n, atomic_load(&group->buckets[i]));

		settled = share != NULL && ++share->has <= share->target;
	}
	for (unsigned i = 0; i < n; i++)
		shares[i].has = 0;
	return settled;
}

static void
balance(struct hop_group *group, hop_test can, void *context)
{
	struct share shares[MEMBERS_MOST] = { 0 };
	unsigned buckets = group->mask + 1, n;

	n = choose_members(group, 0, group->n_primaries, can, context, shares);
	if (n == 0)
		n = choose_members(
			group, group->n_primaries, group->n_members, can, context, shares);
	if (n == 0) /* none can: the first ones find out when they can again */
		n = choose_members(group, 0, group->n_primaries, NULL, NULL, shares);
	for (unsigned i = 0; i < n; i++)
		shares[i].target = buckets / n + (i < buckets % n);
	if (!is_settled(group, shares, n))
		settle_buckets(group, shares, n);
}

/* The flows of the group before stay where they are, if that member is in this one. */
static void
inherit(struct hop_group *group, const struct hop_group *before)
{
	for (uint32_t i = 0; i <= group->mask; i++)
		atomic_store(&group->buckets[i], before->buckets[i & before->mask]);
}

static uint32_t
hold_group(const uint32_t *members, unsigned n, unsigned n_primaries, uint32_t before)
{
	struct wanted_group wanted = { members, n, n_primaries };
	uint32_t id = find(hash_of_group(members, n, n_primaries), same_group, &wanted);
	const struct next_hop *old;
	struct next_hop *hop;

	if (id != 0) {
		next_hops[id_index(id)].references++;
		return id;
	}
	hop = take();
	if (hop == NULL)
		return 0;
	hop->key.kind = HOP_GROUP;
	hop->group = group_new(&wanted);
	if (hop->group == NULL) {
		give(hop);
		return 0;
	}
	for (unsigned i = 0; i < n; i++)
		next_hops[id_index(members[i])].references++;
	old = next_hop_get(before);
	if (old != NULL && old->group != NULL)
		inherit(hop->group, old->group);
	balance(hop->group, NULL, NULL);
	link_hop(id_index(hop->id));
	id = hop->id;
	grow_heads();
	return id;
}

uint32_t
next_hop_hold_group(const uint32_t *members, unsigned n, unsigned n_primaries, uint32_t before)
{
	uint32_t id;

	pthread_mutex_lock(&table_lock);
	id = hold_group(members, n, n_primaries, before);
	pthread_mutex_unlock(&table_lock);
	return id;
}

void
next_hops_balance(bool (*can)(void *context, const struct next_hop *hop), void *context)
{
	pthread_mutex_lock(&table_lock);
	for (uint32_t i = 0; i < ids.used; i++)
		if (next_hops[i].group != NULL)
			balance(next_hops[i].group, can, context);
	pthread_mutex_unlock(&table_lock);
}

unsigned
next_hop_read(uint32_t id, struct next_hop hops[NEXT_HOP_MEMBERS], unsigned *n_primaries)
{
	const struct next_hop *hop;
	unsigned n = 0;

	*n_primaries = 0;
	pthread_mutex_lock(&table_lock);
	hop = next_hop_get(id);
	if (hop != NULL && hop->group == NULL) {
		*n_primaries = 1;
		hops[n++] = *hop;
	} else if (hop != NULL) {
		*n_primaries = hop->group->n_primaries;
		for (; n < hop->group->n_members; n++)
			hops[n] = next_hops[id_index(hop->group->members[n])];
	}
	pthread_mutex_unlock(&table_lock);
	return n;
}

unsigned
next_hops_count(void)
{
	return n_hops;
}

size_t
next_hops_memory(void)
{
	return n_hops * sizeof(struct next_hop) + n_heads * sizeof(*heads) + group_bytes;
}
