/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/dhcp/dhcp_lease.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 16

void
lease_table_open(struct lease_table *table, const struct hash_key *hash)
{
	memset(table, 0, sizeof(*table));
	table->hash = *hash;
	TAILQ_INIT(&table->free);
	TAILQ_INIT(&table->offered);
	LIST_INIT(&table->all);
}

void
lease_table_close(struct lease_table *table)
{
	while (!LIST_EMPTY(&table->all))
		lease_remove(table, LIST_FIRST(&table->all));
	for (unsigned i = 0; i < LEASE_INDICES; i++)
		free(table->buckets[i]);
	free(table->heap);
}

/* ---- finding ------------------------------------------------------------------------------- */

static uint64_t
hash_address(const struct lease_table *table, uint32_t address)
{
	return hash_words(&table->hash, address, 0);
}

static uint64_t
hash_client(const struct lease_table *table, const struct dhcp_key *client)
{
	return hash_bytes(&table->hash, client->bytes, client->length);
}

static const struct dhcp_key *
client_of(const struct lease *lease, enum lease_index index)
{
	return index == LEASE_BY_OWNER ? lease->owner : lease->offered_to;
}

static struct lease *
find_client(const struct lease_table *table, enum lease_index index, const struct dhcp_key *client)
{
	uint64_t hash = hash_client(table, client);
	struct lease *lease;

	if (table->capacity == 0)
		return NULL;
	for (lease = table->buckets[index][hash & (table->capacity - 1)]; lease != NULL;
		lease = lease->next[index]) {
		const struct dhcp_key *key = client_of(lease, index);

		if (lease->hashes[index] == hash && key->length == client->length &&
			memcmp(key->bytes, client->bytes, key->length) == 0)
			return lease;
	}
	return NULL;
}

struct lease *
lease_find(const struct lease_table *table, uint32_t address)
{
	struct lease *lease;

	if (table->capacity == 0)
		return NULL;
	lease = table->buckets[LEASE_BY_ADDRESS]
			      [hash_address(table, address) & (table->capacity - 1)];
	while (lease != NULL && lease->address != address)
		lease = lease->next[LEASE_BY_ADDRESS];
	return lease;
}

struct lease *
lease_owned(const struct lease_table *table, const struct dhcp_key *owner)
{
	return find_client(table, LEASE_BY_OWNER, owner);
}

struct lease *
lease_offered(const struct lease_table *table, const struct dhcp_key *client)
{
	return find_client(table, LEASE_BY_OFFER, client);
}

/* ---- the indices --------------------------------------------------------------------------- */

static void
link_lease(struct lease_table *table, enum lease_index index, struct lease *lease, uint64_t hash)
{
	struct lease **bucket = &table->buckets[index][hash & (table->capacity - 1)];

	lease->hashes[index] = hash;
	lease->next[index] = *bucket;
	*bucket = lease;
}

static void
unlink_lease(struct lease_table *table, enum lease_index index, struct lease *lease)
{
	struct lease **at = &table->buckets[index][lease->hashes[index] & (table->capacity - 1)];

	while (*at != lease)
		at = &(*at)->next[index];
	*at = lease->next[index];
}

static void
relink_all(struct lease_table *table)
{
	struct lease *lease;

	LIST_FOREACH(lease, &table->all, all)
	{
		link_lease(table, LEASE_BY_ADDRESS, lease, lease->hashes[LEASE_BY_ADDRESS]);
		if (lease->owner != NULL)
			link_lease(table, LEASE_BY_OWNER, lease, lease->hashes[LEASE_BY_OWNER]);
		if (lease->offered_to != NULL)
			link_lease(table, LEASE_BY_OFFER, lease, lease->hashes[LEASE_BY_OFFER]);
	}
}

/* Makes room for one more everywhere, so that nothing else needs any. 0 or -1. */
static int
make_room(struct lease_table *table)
{
	size_t capacity = table->capacity != 0 ? 2 * table->capacity : CAPACITY_LEAST;
	struct lease **made[LEASE_INDICES], **heap;
	bool all_made = true;

	if (table->count < table->capacity)
		return 0;
	heap = realloc(table->heap, capacity * sizeof(*heap));
	if (heap == NULL)
		return -1;
	table->heap = heap;
	for (unsigned i = 0; i < LEASE_INDICES; i++) {
		made[i] = calloc(capacity, sizeof(*made[i]));
		all_made = all_made && made[i] != NULL;
	}
	for (unsigned i = 0; i < LEASE_INDICES; i++) {
		free(all_made ? table->buckets[i] : made[i]);
		if (all_made)
			table->buckets[i] = made[i];
	}
	if (!all_made)
		return -1;
	table->capacity = capacity;
	relink_all(table);
	return 0;
}

/* ---- the heap of what ends ----------------------------------------------------------------- */

uint64_t
lease_end(const struct lease *lease)
{
	if (lease->state != LEASE_FREE)
		return lease->expires;
	return lease->offered_to != NULL ? lease->offered_until : LEASE_NEVER;
}

static void
heap_put(struct lease_table *table, size_t at, struct lease *lease)
{
	table->heap[at] = lease;
	lease->heap_at = at + 1;
}

static void
heap_up(struct lease_table *table, size_t at, struct lease *lease)
{
	while (at != 0 && lease_end(lease) < lease_end(table->heap[(at - 1) / 2])) {
		heap_put(table, at, table->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_put(table, at, lease);
}

static void
heap_down(struct lease_table *table, size_t at, struct lease *lease)
{
	size_t child;

	while ((child = 2 * at + 1) < table->heap_count) {
		if (child + 1 < table->heap_count &&
			lease_end(table->heap[child + 1]) < lease_end(table->heap[child]))
			child++;
		if (lease_end(lease) <= lease_end(table->heap[child]))
			break;
		heap_put(table, at, table->heap[child]);
		at = child;
	}
	heap_put(table, at, lease);
}

static void
heap_remove(struct lease_table *table, struct lease *lease)
{
	size_t at = lease->heap_at - 1;
	struct lease *last;

	if (lease->heap_at == 0)
		return;
	lease->heap_at = 0;
	last = table->heap[--table->heap_count];
	if (last == lease)
		return;
	heap_down(table, at, last);
	heap_up(table, last->heap_at - 1, last);
}

/* Its end has changed; it is out of the heap. */
static void
heap_add(struct lease_table *table, struct lease *lease)
{
	if (lease_end(lease) != LEASE_NEVER)
		heap_up(table, table->heap_count++, lease);
}

struct lease *
lease_first_end(const struct lease_table *table)
{
	return table->heap_count != 0 ? table->heap[0] : NULL;
}

/* ---- the lists ----------------------------------------------------------------------------- */

static struct lease_list *
list_of(struct lease_table *table, const struct lease *lease)
{
	return lease->offered_to != NULL ? &table->offered : &table->free;
}

static bool
belongs_in_list(const struct lease *lease)
{
	return lease->pooled && lease->state == LEASE_FREE;
}

/*
 * Every change is made between these two: out of the lists and the heap, then in again as
 * things stand.
 */
static void
take_out(struct lease_table *table, struct lease *lease)
{
	heap_remove(table, lease);
	if (lease->listed)
		TAILQ_REMOVE(list_of(table, lease), lease, entry);
	lease->listed = false;
}

/* What nobody ever had is given first. */
static void
put_in(struct lease_table *table, struct lease *lease)
{
	heap_add(table, lease);
	if (!belongs_in_list(lease))
		return;
	if (lease->offered_to == NULL && lease->owner == NULL)
		TAILQ_INSERT_HEAD(list_of(table, lease), lease, entry);
	else
		TAILQ_INSERT_TAIL(list_of(table, lease), lease, entry);
	lease->listed = true;
}

/* ---- owners and offers: the lease is taken out --------------------------------------------- */

static struct dhcp_key *
copy_key(const struct dhcp_key *key)
{
	struct dhcp_key *copy = malloc(offsetof(struct dhcp_key, bytes) + key->length);

	if (copy == NULL)
		return NULL;
	copy->length = key->length;
	memcpy(copy->bytes, key->bytes, key->length);
	return copy;
}

static void
drop_owner(struct lease_table *table, struct lease *lease)
{
	if (lease->owner == NULL)
		return;
	unlink_lease(table, LEASE_BY_OWNER, lease);
	free(lease->owner);
	lease->owner = NULL;
	lease->host_name[0] = '\0';
	lease->hlen = 0;
}

struct lease_waiting *
lease_take_waiting(struct lease *lease)
{
	struct lease_waiting *waiting = lease->waiting;

	lease->waiting = NULL;
	return waiting;
}

static void
drop_offer(struct lease_table *table, struct lease *lease)
{
	if (lease->offered_to == NULL)
		return;
	free(lease_take_waiting(lease));
	unlink_lease(table, LEASE_BY_OFFER, lease);
	free(lease->offered_to);
	lease->offered_to = NULL;
	lease->contended = false;
}

static void
set_state(struct lease_table *table, struct lease *lease, enum lease_state state)
{
	table->held += (state == LEASE_HELD) - (lease->state == LEASE_HELD);
	lease->state = (uint8_t)state;
}

/* Whatever else the client owned is free, and forgets him. */
static void
disown(struct lease_table *table, const struct dhcp_key *owner)
{
	struct lease *lease = lease_owned(table, owner);

	if (lease == NULL)
		return;
	take_out(table, lease);
	drop_owner(table, lease);
	if (lease->state == LEASE_HELD)
		set_state(table, lease, LEASE_FREE);
	put_in(table, lease);
}

/* ---- what happens to leases ---------------------------------------------------------------- */

struct lease *
lease_add(struct lease_table *table, uint32_t address, bool pooled)
{
	struct lease *lease;

	if (make_room(table) < 0)
		return NULL;
	lease = calloc(1, sizeof(*lease));
	if (lease == NULL)
		return NULL;
	lease->address = address;
	lease->pooled = pooled;
	link_lease(table, LEASE_BY_ADDRESS, lease, hash_address(table, address));
	LIST_INSERT_HEAD(&table->all, lease, all);
	table->count++;
	put_in(table, lease);
	return lease;
}

void
lease_remove(struct lease_table *table, struct lease *lease)
{
	take_out(table, lease);
	drop_owner(table, lease);
	drop_offer(table, lease);
	set_state(table, lease, LEASE_FREE);
	unlink_lease(table, LEASE_BY_ADDRESS, lease);
	LIST_REMOVE(lease, all);
	table->count--;
	free(lease);
}

void
lease_set_pooled(struct lease_table *table, struct lease *lease, bool pooled)
{
	if (lease->pooled == pooled)
		return;
	take_out(table, lease);
	lease->pooled = pooled;
	put_in(table, lease);
}

void
lease_withdraw(struct lease_table *table, struct lease *lease)
{
	take_out(table, lease);
	drop_offer(table, lease);
	put_in(table, lease);
}

bool
lease_offer(struct lease_table *table, struct lease *lease, const struct dhcp_key *client,
	uint64_t until)
{
	struct lease *before = lease_offered(table, client);
	struct dhcp_key *copy;
	bool contended;

	if (before == lease) {
		take_out(table, lease);
		lease->offered_until = until;
		put_in(table, lease);
		return true;
	}
	copy = copy_key(client);
	if (copy == NULL)
		return false;
	if (before != NULL)
		lease_withdraw(table, before);
	contended = lease->offered_to != NULL;
	take_out(table, lease);
	drop_offer(table, lease);
	lease->offered_to = copy;
	lease->offered_until = until;
	lease->contended = contended;
	link_lease(table, LEASE_BY_OFFER, lease, hash_client(table, client));
	put_in(table, lease);
	return true;
}

bool
lease_wait(struct lease *lease, const uint8_t *message, size_t length)
{
	struct lease_waiting *waiting = malloc(sizeof(*waiting) + length);

	if (waiting == NULL)
		return false;
	waiting->length = length;
	memcpy(waiting->bytes, message, length);
	free(lease_take_waiting(lease));
	lease->waiting = waiting;
	return true;
}

/* The lease is taken out. False: out of memory. */
static bool
set_owner(struct lease_table *table, struct lease *lease, const struct dhcp_key *owner)
{
	struct dhcp_key *copy;

	if (lease->owner != NULL && lease_owned(table, owner) == lease)
		return true;
	copy = copy_key(owner);
	if (copy == NULL)
		return false;
	disown(table, owner);
	drop_owner(table, lease);
	lease->owner = copy;
	link_lease(table, LEASE_BY_OWNER, lease, hash_client(table, owner));
	return true;
}

bool
lease_hold(struct lease_table *table, struct lease *lease, const struct dhcp_key *owner,
	uint64_t expires)
{
	struct lease *offered = lease_offered(table, owner);
	bool done;

	take_out(table, lease);
	done = set_owner(table, lease, owner);
	if (done) {
		drop_offer(table, lease);
		set_state(table, lease, LEASE_HELD);
		lease->expires = expires;
	}
	put_in(table, lease);
	if (done && offered != NULL && offered != lease)
		lease_withdraw(table, offered);
	return done;
}

void
lease_free(struct lease_table *table, struct lease *lease, bool remember)
{
	take_out(table, lease);
	if (!remember)
		drop_owner(table, lease);
	set_state(table, lease, LEASE_FREE);
	put_in(table, lease);
}

void
lease_decline(struct lease_table *table, struct lease *lease, uint64_t until)
{
	take_out(table, lease);
	drop_owner(table, lease);
	drop_offer(table, lease);
	set_state(table, lease, LEASE_DECLINED);
	lease->expires = until;
	put_in(table, lease);
}

bool
lease_remember(struct lease_table *table, struct lease *lease, const struct dhcp_key *owner)
{
	bool done;

	if (lease->owner != NULL || lease_owned(table, owner) != NULL)
		return false;
	take_out(table, lease);
	done = set_owner(table, lease, owner);
	put_in(table, lease);
	return done;
}
