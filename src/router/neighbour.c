/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/neighbour_table.h"

#include "graph/engine.h"

#include <rte_pause.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TABLE_BYTES (ID_INDEX_COUNT * sizeof(struct neighbour))
#define HEADS (1u << 18) /* a page is touched only by what hashes into it */
#define HEADS_BYTES (HEADS * sizeof(_Atomic uint32_t))
#define PORTS_BYTES (ID_INDEX_COUNT * sizeof(uint32_t))
#define SPINS 200
#define REMOVED_MOST 1024
#define WALK_BATCH 64

struct neighbour *neighbour_entries;

static _Atomic uint32_t *heads; /* ids, by hash */
static uint32_t *port_heads;    /* ids, by vport index: what a port has; under the lock */
static struct id_pool ids;      /* under the lock */
static struct hash_key hash_key;
static uint32_t removed[REMOVED_MOST]; /* ids that wait for a grace period; under the lock */
static unsigned n_removed;
static atomic_flag table_lock = ATOMIC_FLAG_INIT;

/* ---- the table --------------------------------------------------------------------------------
 */

void
neighbour_lock(void)
{
	for (unsigned spins = 1;
		atomic_flag_test_and_set_explicit(&table_lock, memory_order_acquire); spins++) {
		rte_pause();
		if (spins % SPINS == 0)
			sched_yield(); /* its holder may wait for this very core */
	}
}

void
neighbour_unlock(void)
{
	atomic_flag_clear_explicit(&table_lock, memory_order_release);
}

static void *
reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int
neighbours_open(struct weft *weft)
{
	(void)weft;
	neighbour_entries = reserve(TABLE_BYTES);
	heads = reserve(HEADS_BYTES);
	port_heads = reserve(PORTS_BYTES);
	n_removed = 0;
	hash_key_random(&hash_key);
	if (neighbour_entries != NULL && heads != NULL && port_heads != NULL)
		return 0;
	neighbours_close();
	return -1;
}

void
neighbours_close(void)
{
	for (uint32_t i = 0; neighbour_entries != NULL && i < ids.used; i++)
		for (unsigned j = 0; j < neighbour_entries[i].n_queued; j++)
			rte_pktmbuf_free(neighbour_entries[i].queue[j]);
	if (neighbour_entries != NULL)
		munmap(neighbour_entries, TABLE_BYTES);
	if (heads != NULL)
		munmap(heads, HEADS_BYTES);
	if (port_heads != NULL)
		munmap(port_heads, PORTS_BYTES);
	neighbour_entries = NULL;
	heads = NULL;
	port_heads = NULL;
	id_pool_free(&ids);
}

static _Atomic uint32_t *
head_of(uint32_t vport, uint8_t family, const uint8_t *address)
{
	uint64_t words[2] = { 0 };

	memcpy(words, address, neighbour_address_size(family));
	if (family == 6)
		words[0] = hash_words(&hash_key, words[0], words[1]);
	return &heads[hash_words(&hash_key, words[0], vport) & (HEADS - 1)];
}

static bool
is_of(const struct neighbour *entry, uint32_t vport, uint8_t family, const uint8_t *address)
{
	return entry->vport == vport && entry->family == family &&
	       memcmp(entry->address, address, neighbour_address_size(family)) == 0;
}

static struct neighbour *
find_in(_Atomic uint32_t *head, uint32_t vport, uint8_t family, const uint8_t *address)
{
	uint32_t id = atomic_load_explicit(head, memory_order_acquire);

	while (id != 0) {
		struct neighbour *entry = &neighbour_entries[id_index(id)];

		if (is_of(entry, vport, family, address))
			return entry;
		id = atomic_load_explicit(&entry->next, memory_order_acquire);
	}
	return NULL;
}

struct neighbour *
neighbour_find(uint32_t vport, uint8_t family, const uint8_t *address)
{
	return find_in(head_of(vport, family, address), vport, family, address);
}

static void
link_to_port(struct neighbour *entry)
{
	uint32_t *first = &port_heads[id_index(entry->vport)];

	entry->port_next = *first;
	if (*first != 0)
		neighbour_entries[id_index(*first)].port_previous = entry->id;
	*first = entry->id;
}

static void
unlink_from_port(const struct neighbour *entry)
{
	if (entry->port_previous != 0)
		neighbour_entries[id_index(entry->port_previous)].port_next = entry->port_next;
	else
		port_heads[id_index(entry->vport)] = entry->port_next;
	if (entry->port_next != 0)
		neighbour_entries[id_index(entry->port_next)].port_previous = entry->port_previous;
}

/* Under the lock. NULL: no memory. */
struct neighbour *
neighbour_insert(
	uint32_t vport, uint8_t family, const uint8_t *address, struct weft_network *network)
{
	_Atomic uint32_t *head = head_of(vport, family, address);
	uint32_t id = id_pool_take(&ids);
	struct neighbour *entry;

	if (id == 0)
		return NULL;
	/* all zero: of a fresh page, or given back; the tick looks at it without the lock */
	entry = &neighbour_entries[id_index(id)];
	entry->vport = vport;
	entry->family = family;
	memcpy(entry->address, address, neighbour_address_size(family));
	entry->network = network;
	__atomic_store_n(&entry->id, id, __ATOMIC_RELEASE);
	atomic_store_explicit(&entry->next, atomic_load(head), memory_order_relaxed);
	link_to_port(entry);
	atomic_store_explicit(head, id, memory_order_release);
	return entry;
}

/* Under the lock; false: it has to wait, too many are on their way out already. */
bool
neighbour_take_out(struct neighbour *entry)
{
	_Atomic uint32_t *at = head_of(entry->vport, entry->family, entry->address);

	if (n_removed == RTE_DIM(removed))
		return false;
	while (atomic_load(at) != entry->id)
		at = &neighbour_entries[id_index(atomic_load(at))].next;
	atomic_store_explicit(at, atomic_load(&entry->next), memory_order_release);
	unlink_from_port(entry);
	entry->removed = true;
	atomic_store(&entry->deadline, 0);
	removed[n_removed++] = entry->id;
	return true;
}

/* ---- states ------------------------------------------------------------------------------------
 */

/* Under the lock. timer: in seconds; 0: none. */
void
neighbour_enter(
	struct neighbour *entry, enum neighbour_state state, uint32_t second, uint32_t timer)
{
	uint64_t mac =
		atomic_load_explicit(&entry->link, memory_order_relaxed) & NEIGHBOUR_MAC_MASK;

	entry->since = second;
	atomic_store_explicit(
		&entry->deadline, timer > 0 ? second + timer : 0, memory_order_relaxed);
	atomic_store_explicit(&entry->link, mac | (uint64_t)state << 48, memory_order_release);
}

void
neighbour_set_mac(struct neighbour *entry, const uint8_t mac[6])
{
	uint64_t link =
		atomic_load_explicit(&entry->link, memory_order_relaxed) & ~NEIGHBOUR_MAC_MASK;

	memcpy(&link, mac, RTE_ETHER_ADDR_LEN);
	atomic_store_explicit(&entry->link, link, memory_order_release);
}

/* ---- the control side --------------------------------------------------------------------------
 */

uint32_t
neighbour_pin(uint32_t vport, uint8_t family, const uint8_t *address, struct weft_network *network)
{
	struct neighbour *entry;

	neighbour_lock();
	entry = neighbour_find(vport, family, address);
	if (entry == NULL)
		entry = neighbour_insert(vport, family, address, network);
	else if (entry->pins == 0)
		atomic_fetch_sub(&network->neighbours, 1);
	if (entry != NULL)
		entry->pins++;
	neighbour_unlock();
	return entry != NULL ? entry->id : 0;
}

/* It ages like others from here on. */
void
neighbour_unpin(uint32_t id)
{
	struct neighbour *entry = &neighbour_entries[id_index(id)];

	neighbour_lock();
	if (--entry->pins == 0) {
		if (entry->network != NULL)
			atomic_fetch_add(&entry->network->neighbours, 1);
		if (atomic_load(&entry->deadline) == 0)
			atomic_store(&entry->deadline, 1); /* the next tick */
	}
	neighbour_unlock();
}

void
neighbours_give_back(struct weft *weft)
{
	unsigned count = n_removed; /* none is added meanwhile: timers are ours */

	if (count == 0)
		return;
	engine_synchronize(weft);
	neighbour_lock();
	for (unsigned i = 0; i < count; i++) {
		memset(&neighbour_entries[id_index(removed[i])], 0, sizeof(struct neighbour));
		id_pool_give(&ids, removed[i]);
	}
	n_removed = 0;
	neighbour_unlock();
}

uint32_t
neighbours_used(void)
{
	return ids.used;
}

uint32_t
neighbours_of_port(uint32_t vport)
{
	return port_heads[id_index(vport)];
}

/* ---- looking -----------------------------------------------------------------------------------
 */

/* Under the lock. */
static void
describe(const struct neighbour *entry, struct neighbour_info *info)
{
	uint64_t link = atomic_load_explicit(&entry->link, memory_order_relaxed);

	*info = (struct neighbour_info){
		.vport = entry->vport,
		.family = entry->family,
		.state = (uint8_t)neighbour_link_state(link),
		.has_mac = neighbour_has_mac(neighbour_link_state(link)),
		.is_router = entry->is_router,
		.gateway = entry->pins > 0,
		.since = entry->since,
		.confirmed = entry->confirmed,
	};
	memcpy(info->address, entry->address, neighbour_address_size(entry->family));
	neighbour_link_mac(link, info->mac);
}

/* The next few from `*at` on; 0: that was all. Workers wait for the lock meanwhile. */
static unsigned
copy_some(uint32_t *at, struct neighbour_info some[WALK_BATCH])
{
	unsigned count = 0;
	bool more = true;

	while (count == 0 && more) {
		neighbour_lock();
		for (unsigned i = 0; i < WALK_BATCH && *at < ids.used; i++, ++*at) {
			const struct neighbour *entry = &neighbour_entries[*at];

			if (entry->id != 0 && !entry->removed && entry->network != NULL)
				describe(entry, &some[count++]);
		}
		more = *at < ids.used;
		neighbour_unlock();
	}
	return count;
}

void
neighbours_walk(void (*look)(void *context, const struct neighbour_info *neighbour), void *context)
{
	struct neighbour_info some[WALK_BATCH];
	uint32_t at = 0;
	unsigned count;

	while ((count = copy_some(&at, some)) > 0)
		for (unsigned i = 0; i < count; i++)
			look(context, &some[i]);
}

unsigned
neighbours_count(const struct weft_network *network)
{
	return atomic_load(&network->neighbours);
}

const char *
neighbour_state_name(enum neighbour_state state)
{
	static const char *const names[] = {
		[NEIGHBOUR_NONE] = "none",
		[NEIGHBOUR_INCOMPLETE] = "incomplete",
		[NEIGHBOUR_REACHABLE] = "reachable",
		[NEIGHBOUR_STALE] = "stale",
		[NEIGHBOUR_DELAY] = "delay",
		[NEIGHBOUR_PROBE] = "probe",
		[NEIGHBOUR_FAILED] = "failed",
	};

	return (unsigned)state < RTE_DIM(names) ? names[state] : "?";
}
