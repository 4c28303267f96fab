/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/neighbour.h"

#include "graph/engine.h"
#include "graph/explain.h"
#include "graph/trace.h"
#include "packet/edit.h"
#include "router/router_objects.h"

#include <rte_pause.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TABLE_BYTES (ID_INDEX_COUNT * sizeof(struct neighbour))
#define HEADS (1u << 18) /* a page is touched only by what hashes into it */
#define HEADS_BYTES (HEADS * sizeof(_Atomic uint32_t))
#define PORTS_BYTES (ID_INDEX_COUNT * sizeof(uint32_t))
#define SPINS 200
#define DUE_BATCH 256
#define WALK_BATCH 64

struct neighbour *neighbour_entries;

static _Atomic uint32_t *heads; /* ids, by hash */
static uint32_t *port_heads;    /* ids, by vport index: what a port has; under the lock */
static struct id_pool ids;      /* under the lock */
static struct hash_key hash_key;
static uint32_t removed[DUE_BATCH * 4]; /* ids that wait for a grace period; under the lock */
static unsigned n_removed;
static atomic_flag table_lock = ATOMIC_FLAG_INIT;

/* ---- the table --------------------------------------------------------------------------------
 */

static void
lock(void)
{
	for (unsigned spins = 1;
		atomic_flag_test_and_set_explicit(&table_lock, memory_order_acquire); spins++) {
		rte_pause();
		if (spins % SPINS == 0)
			sched_yield(); /* its holder may wait for this very core */
	}
}

static void
unlock(void)
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

static size_t
address_size(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static _Atomic uint32_t *
head_of(uint32_t vport, uint8_t family, const uint8_t *address)
{
	uint64_t words[2] = { 0 };

	memcpy(words, address, address_size(family));
	if (family == 6)
		words[0] = hash_words(&hash_key, words[0], words[1]);
	return &heads[hash_words(&hash_key, words[0], vport) & (HEADS - 1)];
}

static bool
is_of(const struct neighbour *entry, uint32_t vport, uint8_t family, const uint8_t *address)
{
	return entry->vport == vport && entry->family == family &&
	       memcmp(entry->address, address, address_size(family)) == 0;
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
static struct neighbour *
insert(uint32_t vport, uint8_t family, const uint8_t *address, struct weft_network *network)
{
	_Atomic uint32_t *head = head_of(vport, family, address);
	uint32_t id = id_pool_take(&ids);
	struct neighbour *entry;

	if (id == 0)
		return NULL;
	entry = &neighbour_entries[id_index(id)];
	memset(entry, 0, sizeof(*entry));
	entry->id = id;
	entry->vport = vport;
	entry->family = family;
	memcpy(entry->address, address, address_size(family));
	entry->network = network;
	atomic_store_explicit(&entry->next, atomic_load(head), memory_order_relaxed);
	link_to_port(entry);
	atomic_store_explicit(head, id, memory_order_release);
	return entry;
}

/* Under the lock; false: it has to wait, too many are on their way out already. */
static bool
take_out(struct neighbour *entry)
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

static uint32_t
second_of(const struct worker *worker)
{
	return (uint32_t)(worker->now / 1000000000);
}

static enum neighbour_state
state_of(const struct neighbour *entry)
{
	return neighbour_link_state(atomic_load_explicit(&entry->link, memory_order_relaxed));
}

/* Under the lock. timer: in seconds; 0: none. */
static void
enter_state(struct neighbour *entry, enum neighbour_state state, uint32_t second, uint32_t timer)
{
	uint64_t mac =
		atomic_load_explicit(&entry->link, memory_order_relaxed) & NEIGHBOUR_MAC_MASK;

	entry->since = second;
	atomic_store_explicit(
		&entry->deadline, timer > 0 ? second + timer : 0, memory_order_relaxed);
	atomic_store_explicit(&entry->link, mac | (uint64_t)state << 48, memory_order_release);
}

static void
set_mac(struct neighbour *entry, const uint8_t mac[6])
{
	uint64_t link =
		atomic_load_explicit(&entry->link, memory_order_relaxed) & ~NEIGHBOUR_MAC_MASK;

	memcpy(&link, mac, RTE_ETHER_ADDR_LEN);
	atomic_store_explicit(&entry->link, link, memory_order_release);
}

static bool
has_mac(enum neighbour_state state)
{
	return state >= NEIGHBOUR_STALE;
}

static void
address_link(struct vport *egress, struct rte_mbuf *packet, uint64_t link)
{
	edit_set_ether_both(packet, link & NEIGHBOUR_MAC_MASK, router_port_of(egress)->mac_word);
}

/* Asks who has the address: everybody, or the one MAC that had it. */
static void
ask(struct worker *worker, const struct neighbour *entry, bool everybody)
{
	struct vport *vport = vport_get(worker, entry->vport);
	struct rte_ether_addr mac;

	if (vport == NULL)
		return;
	neighbour_link_mac(atomic_load(&entry->link), mac.addr_bytes);
	router_solicit(worker, vport, entry->family, entry->address, everybody ? NULL : &mac);
}

/* ---- sending -----------------------------------------------------------------------------------
 */

/* The packets that waited, taken out of the entry. */
struct waiting {
	struct rte_mbuf *packets[NEIGHBOUR_QUEUE];
	unsigned count;
};

/* Under the lock. */
static void
take_waiting(struct neighbour *entry, struct waiting *waiting)
{
	waiting->count = entry->n_queued;
	if (entry->n_queued == 0)
		return;
	memcpy(waiting->packets, entry->queue, entry->n_queued * sizeof(entry->queue[0]));
	atomic_fetch_sub(&entry->network->queued, entry->n_queued);
	entry->n_queued = 0;
}

/* Under the lock. Returns the packet that has to give way, or NULL. RFC 4861, 7.2.2: the oldest
 * one of the same neighbour. */
static struct rte_mbuf *
put_waiting(struct neighbour *entry, struct rte_mbuf *packet)
{
	struct rte_mbuf *oldest = entry->queue[0];
	bool crowded = atomic_load(&entry->network->queued) >= NEIGHBOUR_QUEUE_ALL;

	if (entry->n_queued < NEIGHBOUR_QUEUE && !crowded) {
		entry->queue[entry->n_queued++] = packet;
		atomic_fetch_add(&entry->network->queued, 1);
		return NULL;
	}
	if (entry->n_queued == 0)
		return packet;
	memmove(entry->queue, entry->queue + 1, (entry->n_queued - 1u) * sizeof(packet));
	entry->queue[entry->n_queued - 1] = packet;
	return oldest;
}

static void
tell(struct worker *worker, const struct vport *egress, const struct neighbour *entry,
	const struct rte_mbuf *packet, const char *what)
{
	char text[ROUTER_ADDRESS_SIZE];

	if (unlikely(packet_meta((struct rte_mbuf *)(uintptr_t)packet)->trace != 0))
		trace_step(worker, packet, egress, "neighbor %s %s",
			router_address_text(entry->family, entry->address, text), what);
}

/* What comes for a neighbour that does not answer. */
static void
refuse(struct worker *worker, struct vport *egress, struct rte_mbuf *packet)
{
	router_unreachable(worker, packet, ROUTER_HOST_UNREACHABLE);
	packet_drop(worker, egress, DROP_NEIGHBOR_FAILED, packet);
}

/* The packet waits, or begins to. Under the lock, which it gives up. */
static void
wait_for(struct worker *worker, struct vport *egress, struct neighbour *entry,
	struct rte_mbuf *packet)
{
	uint32_t second = second_of(worker);
	enum neighbour_state state = state_of(entry);
	bool begins = false;
	struct rte_mbuf *loser;

	if (state == NEIGHBOUR_FAILED && second < atomic_load(&entry->deadline)) {
		unlock();
		tell(worker, egress, entry, packet, "does not answer");
		refuse(worker, egress, packet);
		return;
	}
	if (state != NEIGHBOUR_INCOMPLETE) {
		entry->tries = 1;
		enter_state(entry, NEIGHBOUR_INCOMPLETE, second, NEIGHBOUR_RETRANS_S);
		begins = true;
	}
	tell(worker, egress, entry, packet,
		begins ? "is not known: asked for; the packet waits"
		       : "has been asked for; the packet waits");
	loser = put_waiting(entry, packet);
	unlock();
	if (loser != NULL)
		packet_drop(worker, egress, DROP_NEIGHBOR_QUEUE, loser);
	if (begins)
		ask(worker, entry, true);
}

/* STALE is used: RFC 4861, 7.3.3. */
static void
begin_delay(struct worker *worker, struct neighbour *entry)
{
	lock();
	if (!entry->removed && state_of(entry) == NEIGHBOUR_STALE)
		enter_state(entry, NEIGHBOUR_DELAY, second_of(worker), NEIGHBOUR_DELAY_S);
	unlock();
}

static bool
is_dry(struct rte_mbuf *packet)
{
	return packet_meta(packet)->flags & PACKET_DRY_RUN;
}

static void
send_known(struct worker *worker, struct vport *egress, struct neighbour *entry, uint64_t link,
	struct rte_mbuf *packet)
{
	char text[64];
	struct rte_ether_addr mac;

	if (unlikely(neighbour_link_state(link) == NEIGHBOUR_STALE) && !is_dry(packet))
		begin_delay(worker, entry);
	if (unlikely(packet_meta(packet)->trace != 0)) {
		neighbour_link_mac(link, mac.addr_bytes);
		snprintf(text, sizeof(text), "is at %02x:%02x:%02x:%02x:%02x:%02x (%s)",
			RTE_ETHER_ADDR_BYTES(&mac),
			neighbour_state_name(neighbour_link_state(link)));
		tell(worker, egress, entry, packet, text);
	}
	address_link(egress, packet, link);
	vport_send(worker, egress, packet);
}

/* A dry run, of a neighbour that is not known: nobody is asked, but the configuration may tell
 * who would answer. */
static void
send_dry(struct worker *worker, struct vport *egress, uint8_t family, const uint8_t *address,
	struct rte_mbuf *packet)
{
	char text[ROUTER_ADDRESS_SIZE];
	uint8_t mac[RTE_ETHER_ADDR_LEN];
	uint64_t link = 0;

	router_address_text(family, address, text);
	if (!explain_station(worker, egress, family, address, mac)) {
		trace_step(worker, packet, egress, "neighbor %s is not known: would be asked for",
			text);
		packet_drop(worker, egress, DROP_NEIGHBOR_UNKNOWN, packet);
		return;
	}
	trace_step(worker, packet, egress,
		"neighbor %s is not known: would be asked for, and be at "
		"%02x:%02x:%02x:%02x:%02x:%02x",
		text, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	memcpy(&link, mac, sizeof(mac));
	address_link(egress, packet, link);
	vport_send(worker, egress, packet);
}

void
neighbour_send(struct worker *worker, struct vport *egress, struct neighbour *entry,
	struct rte_mbuf *packet)
{
	uint64_t link = atomic_load_explicit(&entry->link, memory_order_acquire);

	if (likely(has_mac(neighbour_link_state(link)))) {
		send_known(worker, egress, entry, link, packet);
		return;
	}
	if (is_dry(packet) && neighbour_link_state(link) == NEIGHBOUR_FAILED) {
		tell(worker, egress, entry, packet, "does not answer");
		packet_drop(worker, egress, DROP_NEIGHBOR_FAILED, packet);
		return;
	}
	if (is_dry(packet)) {
		send_dry(worker, egress, entry->family, entry->address, packet);
		return;
	}
	lock();
	link = atomic_load_explicit(&entry->link, memory_order_relaxed);
	if (entry->removed || has_mac(neighbour_link_state(link))) {
		bool gone = entry->removed;

		unlock();
		if (gone)
			packet_drop(worker, egress, DROP_NEIGHBOR_UNKNOWN, packet);
		else
			send_known(worker, egress, entry, link, packet);
		return;
	}
	wait_for(worker, egress, entry, packet);
}

/* Finds it, or makes it. NULL: no room. */
static struct neighbour *
obtain(struct vport *vport, uint8_t family, const uint8_t *address)
{
	struct weft_network *network = vport->object->device->network;
	struct neighbour *entry;

	lock();
	entry = neighbour_find(vport->id, family, address);
	if (entry == NULL &&
		atomic_load(&network->neighbours) <
			__atomic_load_n(&network->config.neighbor_limit, __ATOMIC_RELAXED)) {
		entry = insert(vport->id, family, address, network);
		if (entry != NULL)
			atomic_fetch_add(&network->neighbours, 1);
	}
	unlock();
	return entry;
}

void
neighbour_send_to(struct worker *worker, struct vport *egress, uint8_t family,
	const uint8_t *address, struct rte_mbuf *packet)
{
	struct neighbour *entry = neighbour_find(egress->id, family, address);

	if (unlikely(entry == NULL) && is_dry(packet)) {
		send_dry(worker, egress, family, address, packet);
		return;
	}
	if (unlikely(entry == NULL))
		entry = obtain(egress, family, address);
	if (likely(entry != NULL))
		neighbour_send(worker, egress, entry, packet);
	else
		packet_drop(worker, egress, DROP_NEIGHBOR_LIMIT, packet);
}

/* ---- hearing -----------------------------------------------------------------------------------
 */

/* Under the lock: what waited goes before the state says that others need not wait. */
static void
become_known(struct worker *worker, struct vport *vport, struct neighbour *entry,
	const uint8_t mac[6], bool confirmed)
{
	uint32_t second = second_of(worker);
	struct waiting waiting;

	set_mac(entry, mac);
	take_waiting(entry, &waiting);
	for (unsigned i = 0; i < waiting.count; i++) {
		address_link(vport, waiting.packets[i], atomic_load(&entry->link));
		vport_send(worker, vport, waiting.packets[i]);
	}
	if (confirmed)
		enter_state(entry, NEIGHBOUR_REACHABLE, second, NEIGHBOUR_REACHABLE_S);
	else if (waiting.count > 0)
		enter_state(entry, NEIGHBOUR_DELAY, second, NEIGHBOUR_DELAY_S);
	else
		enter_state(entry, NEIGHBOUR_STALE, second, NEIGHBOUR_UNUSED_S);
}

/* Under the lock. RFC 4861, 7.2.5 and its appendix C. */
static void
hear_again(struct worker *worker, struct vport *vport, struct neighbour *entry,
	const uint8_t mac[6], unsigned what)
{
	uint64_t link = atomic_load_explicit(&entry->link, memory_order_relaxed);
	uint32_t second = second_of(worker);
	uint8_t known[6];

	neighbour_link_mac(link, known);
	if (memcmp(known, mac, sizeof(known)) == 0) {
		if (what & NEIGHBOUR_CONFIRM)
			enter_state(entry, NEIGHBOUR_REACHABLE, second, NEIGHBOUR_REACHABLE_S);
	} else if (what & NEIGHBOUR_OVERRIDE) {
		become_known(worker, vport, entry, mac, what & NEIGHBOUR_CONFIRM);
	} else if (neighbour_link_state(link) == NEIGHBOUR_REACHABLE) {
		enter_state(entry, NEIGHBOUR_STALE, second, NEIGHBOUR_UNUSED_S);
	}
}

void
neighbour_heard(struct worker *worker, struct vport *vport, uint8_t family, const uint8_t *address,
	const uint8_t mac[6], unsigned what)
{
	struct neighbour *entry = neighbour_find(vport->id, family, address);

	if (entry == NULL && (what & NEIGHBOUR_CREATE))
		entry = obtain(vport, family, address);
	if (entry == NULL)
		return;
	lock();
	if (!entry->removed) {
		if (has_mac(state_of(entry)))
			hear_again(worker, vport, entry, mac, what);
		else
			become_known(worker, vport, entry, mac, what & NEIGHBOUR_CONFIRM);
		if (what & (NEIGHBOUR_ROUTER | NEIGHBOUR_HOST))
			entry->is_router = what & NEIGHBOUR_ROUTER;
		entry->confirmed = worker->now;
	}
	unlock();
}

/* ---- timers, on worker 0 -----------------------------------------------------------------------
 */

struct due {
	uint32_t ids[DUE_BATCH];
	unsigned count;
};

static void
remove_or_rest(struct neighbour *entry, uint32_t second)
{
	if (entry->pins > 0)
		enter_state(entry, NEIGHBOUR_NONE, second, 0);
	else if (take_out(entry) && entry->network != NULL)
		atomic_fetch_sub(&entry->network->neighbours, 1);
}

/* Under the lock. Returns what is to be asked: 0 nobody, 1 everybody, 2 the neighbour alone. */
static int
expire(struct neighbour *entry, uint32_t second, struct waiting *waiting)
{
	switch (state_of(entry)) {
	case NEIGHBOUR_INCOMPLETE:
	case NEIGHBOUR_PROBE:
		if (entry->tries++ < NEIGHBOUR_TRIES) {
			atomic_store(&entry->deadline, second + NEIGHBOUR_RETRANS_S);
			return state_of(entry) == NEIGHBOUR_PROBE ? 2 : 1;
		}
		take_waiting(entry, waiting);
		enter_state(entry, NEIGHBOUR_FAILED, second, NEIGHBOUR_FAILED_S);
		return 0;
	case NEIGHBOUR_REACHABLE:
		enter_state(entry, NEIGHBOUR_STALE, second, NEIGHBOUR_UNUSED_S);
		return 0;
	case NEIGHBOUR_DELAY:
		entry->tries = 1;
		enter_state(entry, NEIGHBOUR_PROBE, second, NEIGHBOUR_RETRANS_S);
		return 2;
	case NEIGHBOUR_FAILED:
		if (entry->pins == 0) {
			remove_or_rest(entry, second);
			return 0;
		}
		atomic_store(&entry->deadline, second + NEIGHBOUR_FAILED_S);
		return 1;
	default:
		remove_or_rest(entry, second);
		return 0;
	}
}

static void
run_due(struct worker *worker, void *argument)
{
	const struct due *due = argument;
	uint32_t second = second_of(worker);

	for (unsigned i = 0; i < due->count; i++) {
		struct neighbour *entry = &neighbour_entries[id_index(due->ids[i])];
		struct waiting waiting = { .count = 0 };
		struct vport *vport = vport_get(worker, entry->vport);
		uint32_t deadline;
		int asked = 0;

		lock();
		deadline = atomic_load(&entry->deadline);
		if (entry->id == due->ids[i] && !entry->removed && deadline != 0 &&
			deadline <= second)
			asked = expire(entry, second, &waiting);
		unlock();
		for (unsigned j = 0; j < waiting.count && vport != NULL; j++)
			refuse(worker, vport, waiting.packets[j]);
		for (unsigned j = 0; j < waiting.count && vport == NULL; j++)
			packet_drop(worker, NULL, DROP_STALE_VPORT, waiting.packets[j]);
		if (asked != 0)
			ask(worker, entry, asked == 1);
	}
}

/* ---- the control side --------------------------------------------------------------------------
 */

uint32_t
neighbour_pin(uint32_t vport, uint8_t family, const uint8_t *address, struct weft_network *network)
{
	struct neighbour *entry;

	lock();
	entry = neighbour_find(vport, family, address);
	if (entry == NULL)
		entry = insert(vport, family, address, network);
	else if (entry->pins == 0)
		atomic_fetch_sub(&network->neighbours, 1);
	if (entry != NULL)
		entry->pins++;
	unlock();
	return entry != NULL ? entry->id : 0;
}

/* It ages like others from here on. */
void
neighbour_unpin(uint32_t id)
{
	struct neighbour *entry = &neighbour_entries[id_index(id)];

	lock();
	if (--entry->pins == 0) {
		if (entry->network != NULL)
			atomic_fetch_add(&entry->network->neighbours, 1);
		if (atomic_load(&entry->deadline) == 0)
			atomic_store(&entry->deadline, 1); /* the next tick */
	}
	unlock();
}

/* One port whose neighbours are to be forgotten; gone: the port, too. */
struct flush {
	uint32_t vport;
	bool gone;
};

/* Under the lock. */
static void
forget(struct neighbour *entry, bool gone)
{
	bool counted = entry->pins == 0 && entry->network != NULL;

	atomic_store(&entry->link, 0);
	atomic_store(&entry->deadline, entry->pins > 0 ? 0 : 1);
	if (!gone)
		return;
	if (counted)
		atomic_fetch_sub(&entry->network->neighbours, 1);
	entry->network = NULL;
}

static void
run_flush(struct worker *worker, void *argument)
{
	const struct flush *flush = argument;
	struct vport *vport = vport_get(worker, flush->vport);
	uint32_t id, next;

	lock();
	id = port_heads[id_index(flush->vport)];
	unlock();
	for (; id != 0; id = next) {
		struct neighbour *entry = &neighbour_entries[id_index(id)];
		struct waiting waiting = { .count = 0 };

		lock();
		next = entry->port_next;
		if (entry->vport == flush->vport && !entry->removed) {
			take_waiting(entry, &waiting);
			forget(entry, flush->gone);
		}
		unlock();
		for (unsigned i = 0; i < waiting.count; i++)
			packet_drop(worker, vport, DROP_NEIGHBOR_FAILED, waiting.packets[i]);
	}
}

void
neighbours_flush(struct weft *weft, uint32_t vport)
{
	struct flush flush = { vport, false };

	worker_call(weft->workers[0], run_flush, &flush);
}

void
neighbours_forget(struct weft *weft, uint32_t vport)
{
	struct flush flush = { vport, true };

	worker_call(weft->workers[0], run_flush, &flush);
}

/* A hint without the lock: run_due looks again. */
static bool
is_due(const struct neighbour *entry, uint32_t second)
{
	uint32_t deadline = atomic_load_explicit(&entry->deadline, memory_order_relaxed);

	return deadline != 0 && deadline <= second && !entry->removed;
}

/* Its network is crowded, and it is of little use: over at once. */
static void
hasten(struct neighbour *entry, uint32_t second)
{
	enum neighbour_state state = state_of(entry);
	struct weft_network *network;

	if (state != NEIGHBOUR_FAILED && state != NEIGHBOUR_STALE)
		return;
	lock();
	network = entry->network;
	if (network != NULL && !entry->removed && entry->pins == 0 &&
		atomic_load(&network->neighbours) >= network->config.neighbor_limit &&
		(state == NEIGHBOUR_FAILED || second - entry->since >= NEIGHBOUR_CROWDED_S))
		atomic_store(&entry->deadline, 1);
	unlock();
}

static void
give_back(struct weft *weft)
{
	unsigned count = n_removed; /* none is added meanwhile: timers are ours */

	if (count == 0)
		return;
	engine_synchronize(weft);
	lock();
	for (unsigned i = 0; i < count; i++) {
		neighbour_entries[id_index(removed[i])].id = 0;
		id_pool_give(&ids, removed[i]);
	}
	n_removed = 0;
	unlock();
}

void
neighbours_tick(struct weft *weft, uint64_t now)
{
	uint32_t second = (uint32_t)(now / 1000000000), used;
	struct due due = { .count = 0 };

	lock();
	used = ids.used;
	unlock();
	for (uint32_t i = 0; i < used; i++) {
		if (neighbour_entries[i].id == 0)
			continue;
		hasten(&neighbour_entries[i], second);
		if (!is_due(&neighbour_entries[i], second))
			continue;
		due.ids[due.count++] = neighbour_entries[i].id;
		if (due.count < DUE_BATCH)
			continue;
		worker_call(weft->workers[0], run_due, &due);
		due.count = 0;
		give_back(weft);
	}
	if (due.count > 0)
		worker_call(weft->workers[0], run_due, &due);
	give_back(weft);
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
		.has_mac = has_mac(neighbour_link_state(link)),
		.is_router = entry->is_router,
		.gateway = entry->pins > 0,
		.since = entry->since,
		.confirmed = entry->confirmed,
	};
	memcpy(info->address, entry->address, address_size(entry->family));
	neighbour_link_mac(link, info->mac);
}

/* The next few from `*at` on; 0: that was all. Workers wait for the lock meanwhile. */
static unsigned
copy_some(uint32_t *at, struct neighbour_info some[WALK_BATCH])
{
	unsigned count = 0;
	bool more = true;

	while (count == 0 && more) {
		lock();
		for (unsigned i = 0; i < WALK_BATCH && *at < ids.used; i++, ++*at) {
			const struct neighbour *entry = &neighbour_entries[*at];

			if (entry->id != 0 && !entry->removed && entry->network != NULL)
				describe(entry, &some[count++]);
		}
		more = *at < ids.used;
		unlock();
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
