/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to neighbours, which may have to be asked for first, and what neighbours say. */
#include "graph/explain.h"
#include "graph/trace.h"
#include "router/neighbour_table.h"

/* How many packets one that waits counts for, by the buffers that it keeps from others. */
static unsigned
weight_of(const struct rte_mbuf *packet)
{
	unsigned weight = 0;

	for (; packet != NULL; packet = packet->next)
		weight += packet->buf_len > PACKET_HEADROOM + PACKET_SMALL_ROOM
				  ? NEIGHBOUR_QUEUE_LARGE
				  : 1;
	return weight;
}

void
neighbour_take_waiting(struct neighbour *entry, struct waiting *waiting)
{
	unsigned weight = 0;

	waiting->count = entry->n_queued;
	if (entry->n_queued == 0)
		return;
	memcpy(waiting->packets, entry->queue, entry->n_queued * sizeof(entry->queue[0]));
	for (unsigned i = 0; i < entry->n_queued; i++)
		weight += weight_of(entry->queue[i]);
	atomic_fetch_sub(&entry->network->queued, weight);
	entry->n_queued = 0;
}

void
neighbour_ask(struct worker *worker, const struct neighbour *entry, bool everybody)
{
	struct vport *vport = vport_get(worker, entry->vport);
	struct rte_ether_addr mac;

	if (vport == NULL)
		return;
	neighbour_link_mac(atomic_load(&entry->link), mac.addr_bytes);
	router_solicit(worker, vport, entry->family, entry->address, everybody ? NULL : &mac);
}

void
neighbour_refuse(struct worker *worker, struct vport *egress, struct rte_mbuf *packet)
{
	router_unreachable(worker, packet, ROUTER_HOST_UNREACHABLE);
	packet_drop(worker, egress, DROP_NEIGHBOR_FAILED, packet);
}

/* ---- sending -----------------------------------------------------------------------------------
 */

/* All networks together leave half of the common buffers to packets that do not wait. */
static bool
leaves_buffers(const struct packet_pools *pools, const struct rte_mempool *pool)
{
	return (pool != pools->small && pool != pools->large) ||
	       rte_mempool_avail_count(pool) >= pool->size / 2;
}

/* Under the lock. Whether the packet may wait, when others of the same weight do not any more. */
static bool
may_wait(const struct worker *worker, const struct neighbour *entry, const struct rte_mbuf *packet,
	unsigned freed)
{
	return atomic_load(&entry->network->queued) + weight_of(packet) <=
		       NEIGHBOUR_QUEUE_ALL + freed &&
	       leaves_buffers(&worker->pools, packet->pool);
}

/* Under the lock. Returns the packet that has to give way, or NULL. RFC 4861, 7.2.2: the oldest
 * one of the same neighbour. */
static struct rte_mbuf *
put_waiting(struct worker *worker, struct neighbour *entry, struct rte_mbuf *packet)
{
	struct rte_mbuf *oldest = entry->n_queued > 0 ? entry->queue[0] : NULL;
	unsigned freed = oldest != NULL ? weight_of(oldest) : 0;

	if (entry->n_queued < NEIGHBOUR_QUEUE && may_wait(worker, entry, packet, 0)) {
		entry->queue[entry->n_queued++] = packet;
		atomic_fetch_add(&entry->network->queued, weight_of(packet));
		return NULL;
	}
	if (oldest == NULL || !may_wait(worker, entry, packet, freed))
		return packet;
	memmove(entry->queue, entry->queue + 1, (entry->n_queued - 1u) * sizeof(packet));
	entry->queue[entry->n_queued - 1] = packet;
	atomic_fetch_add(&entry->network->queued, weight_of(packet));
	atomic_fetch_sub(&entry->network->queued, freed);
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

/* The packet waits, or begins to. Under the lock, which it gives up. */
static void
wait_for(struct worker *worker, struct vport *egress, struct neighbour *entry,
	struct rte_mbuf *packet)
{
	uint32_t second = neighbour_second(worker);
	enum neighbour_state state = neighbour_state_of(entry);
	bool begins = false;
	struct rte_mbuf *loser;

	if (state == NEIGHBOUR_FAILED && second < atomic_load(&entry->deadline)) {
		neighbour_unlock();
		tell(worker, egress, entry, packet, "does not answer");
		neighbour_refuse(worker, egress, packet);
		return;
	}
	if (state != NEIGHBOUR_INCOMPLETE) {
		entry->tries = 1;
		neighbour_enter(entry, NEIGHBOUR_INCOMPLETE, second, NEIGHBOUR_RETRANS_S);
		begins = true;
	}
	tell(worker, egress, entry, packet,
		begins ? "is not known: asked for; the packet waits"
		       : "has been asked for; the packet waits");
	loser = put_waiting(worker, entry, packet);
	neighbour_unlock();
	if (loser != NULL)
		packet_drop(worker, egress, DROP_NEIGHBOR_QUEUE, loser);
	if (begins)
		neighbour_ask(worker, entry, true);
}

/* STALE is used: RFC 4861, 7.3.3. */
static void
begin_delay(struct worker *worker, struct neighbour *entry)
{
	neighbour_lock();
	if (!entry->removed && neighbour_state_of(entry) == NEIGHBOUR_STALE)
		neighbour_enter(
			entry, NEIGHBOUR_DELAY, neighbour_second(worker), NEIGHBOUR_DELAY_S);
	neighbour_unlock();
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
	neighbour_address(egress, packet, link);
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
	neighbour_address(egress, packet, link);
	vport_send(worker, egress, packet);
}

void
neighbour_send(struct worker *worker, struct vport *egress, struct neighbour *entry,
	struct rte_mbuf *packet)
{
	uint64_t link = atomic_load_explicit(&entry->link, memory_order_acquire);

	if (likely(neighbour_has_mac(neighbour_link_state(link)))) {
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
	neighbour_lock();
	link = atomic_load_explicit(&entry->link, memory_order_relaxed);
	if (entry->removed || neighbour_has_mac(neighbour_link_state(link))) {
		bool gone = entry->removed;

		neighbour_unlock();
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

	neighbour_lock();
	entry = neighbour_find(vport->id, family, address);
	if (entry == NULL &&
		atomic_load(&network->neighbours) <
			__atomic_load_n(&network->config.neighbor_limit, __ATOMIC_RELAXED)) {
		entry = neighbour_insert(vport->id, family, address, network);
		if (entry != NULL)
			atomic_fetch_add(&network->neighbours, 1);
	}
	neighbour_unlock();
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
	uint32_t second = neighbour_second(worker);
	struct waiting waiting;

	neighbour_set_mac(entry, mac);
	neighbour_take_waiting(entry, &waiting);
	for (unsigned i = 0; i < waiting.count; i++) {
		neighbour_address(vport, waiting.packets[i], atomic_load(&entry->link));
		vport_send(worker, vport, waiting.packets[i]);
	}
	if (confirmed)
		neighbour_enter(entry, NEIGHBOUR_REACHABLE, second, NEIGHBOUR_REACHABLE_S);
	else if (waiting.count > 0)
		neighbour_enter(entry, NEIGHBOUR_DELAY, second, NEIGHBOUR_DELAY_S);
	else
		neighbour_enter(entry, NEIGHBOUR_STALE, second, NEIGHBOUR_UNUSED_S);
}

/* Under the lock. RFC 4861, 7.2.5 and its appendix C. */
static void
hear_again(struct worker *worker, struct vport *vport, struct neighbour *entry,
	const uint8_t mac[6], unsigned what)
{
	uint64_t link = atomic_load_explicit(&entry->link, memory_order_relaxed);
	uint32_t second = neighbour_second(worker);
	uint8_t known[6];

	neighbour_link_mac(link, known);
	if (memcmp(known, mac, sizeof(known)) == 0) {
		if (what & NEIGHBOUR_CONFIRM)
			neighbour_enter(entry, NEIGHBOUR_REACHABLE, second, NEIGHBOUR_REACHABLE_S);
	} else if (what & NEIGHBOUR_OVERRIDE) {
		become_known(worker, vport, entry, mac, what & NEIGHBOUR_CONFIRM);
	} else if (neighbour_link_state(link) == NEIGHBOUR_REACHABLE) {
		neighbour_enter(entry, NEIGHBOUR_STALE, second, NEIGHBOUR_UNUSED_S);
	}
}

void
neighbour_heard(struct worker *worker, struct vport *vport, uint8_t family, const uint8_t *address,
	const uint8_t mac[6], unsigned what)
{
	struct neighbour *entry = neighbour_find(vport->id, family, address);
	uint8_t same[RTE_ETHER_ADDR_LEN];
	bool known;

	if (entry == NULL && (what & NEIGHBOUR_CREATE))
		entry = obtain(vport, family, address);
	if (entry == NULL)
		return;
	neighbour_lock();
	known = neighbour_has_mac(neighbour_state_of(entry));
	if (mac == NULL && known) {
		neighbour_link_mac(atomic_load(&entry->link), same);
		mac = same;
	}
	if (!entry->removed && mac != NULL) {
		if (known)
			hear_again(worker, vport, entry, mac, what);
		else
			become_known(worker, vport, entry, mac, what & NEIGHBOUR_CONFIRM);
		if (what & (NEIGHBOUR_ROUTER | NEIGHBOUR_HOST))
			entry->is_router = what & NEIGHBOUR_ROUTER;
		entry->confirmed = worker->now;
	}
	neighbour_unlock();
}
