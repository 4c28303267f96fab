/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers' side of a vnic: where packets enter the graph and where they leave it. */
#include "graph/nic.h"

#include "graph/engine.h"
#include "graph/probe.h"
#include "graph/watch.h"
#include "packet/bundle.h"
#include "packet/edit.h"
#include "packet/offload.h"
#include "packet/parse.h"

#include <rte_prefetch.h>
#include <string.h>

#define VLAN_VID(tci) ((tci)&0x0fff)
/* Frames that one super-packet may become: 61,440 bytes in segments of 64. */
#define SEGMENT_LIMIT 1024
#define SUPER_OFFLOADS (NIC_OFFLOAD_TSO4 | NIC_OFFLOAD_TSO6 | NIC_OFFLOAD_USO | NIC_OFFLOAD_VXLAN)

void
nic_queue_ready(struct worker *worker, struct nic_queue *queue)
{
	share_enter(worker, queue);
}

void
nic_lost(struct weft_nic *nic)
{
	atomic_store(&nic->lost, true);
}

/* ---- drops -------------------------------------------------------------------------------------
 */

void
nic_receive_drops(
	struct worker *worker, struct weft_nic *nic, enum drop_reason reason, uint64_t count)
{
	uint32_t vport = atomic_load_explicit(&nic->vport, memory_order_relaxed);

	if (vport != 0)
		worker->drops[id_index(vport)].by_reason[reason] += count;
	else
		nic->transmit[worker->index]->drops.by_reason[reason] += count;
}

void
nic_receive_drop(struct worker *worker, struct weft_nic *nic, enum drop_reason reason)
{
	nic_receive_drops(worker, nic, reason, 1);
}

void
nic_transmit_drop(struct worker *worker, struct weft_nic *nic, enum drop_reason reason,
	struct rte_mbuf *packet)
{
	uint32_t vport = atomic_load_explicit(&nic->vport, memory_order_relaxed);

	nic_receive_drop(worker, nic, reason);
	watch_drop(worker, vport_get(worker, vport), reason, packet);
	rte_pktmbuf_free(packet);
}

void
nic_read_drops(const struct weft_nic *nic, struct vport_drops *drops)
{
	memset(drops, 0, sizeof(*drops));
	for (unsigned i = 0; i < nic->weft->n_workers; i++)
		counters_add_drops(drops, &nic->transmit[i]->drops);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

/* Whose the packet is that came by an uplink; what is carried for others says it later. */
static void
note_whose(struct worker *worker, const struct vport *vport)
{
	const struct weft_network *network = vport->object->device->network;

	if (likely(!atomic_load_explicit(&network->carries, memory_order_relaxed)))
		share_note(&worker->sharing, network);
}

/*
 * A shared uplink: the outermost 802.1Q tag says whose frame it is, and is taken away. A
 * priority tag (VID 0) is as good as none.
 */
static void
uplink_input(struct worker *worker, struct weft_nic *nic, struct rte_mbuf *packet)
{
	struct ether_view view;
	struct vport *vport;
	uint16_t vlan;

	if (parse_ether(packet, &view) != PARSE_OK) {
		nic_transmit_drop(worker, nic, DROP_BAD_VLAN_TAG, packet);
		return;
	}
	vlan = view.n_tags > 0 && view.tag_type == RTE_ETHER_TYPE_VLAN ? VLAN_VID(view.tci) : 0;
	if (view.n_tags > 0 && view.tag_type != RTE_ETHER_TYPE_VLAN) {
		nic_transmit_drop(worker, nic, DROP_UNKNOWN_VLAN, packet);
		return;
	}
	vport = vport_get(worker, atomic_load_explicit(&nic->vlans[vlan], memory_order_acquire));
	if (vport == NULL) {
		nic_transmit_drop(worker, nic, DROP_UNKNOWN_VLAN, packet);
		return;
	}
	if (view.n_tags > 0) {
		packet = edit_pop_vlan(&worker->pools, packet);
		if (packet == NULL) {
			nic_receive_drop(worker, nic, DROP_NO_BUFFER);
			return;
		}
	}
	note_whose(worker, vport);
	vport_receive(worker, vport, packet);
}

static bool
is_short(struct worker *worker, struct weft_nic *nic, struct rte_mbuf *packet)
{
	if (likely(rte_pktmbuf_data_len(packet) >= RTE_ETHER_HDR_LEN))
		return false;
	nic_transmit_drop(worker, nic, DROP_TOO_SHORT, packet);
	return true;
}

static void
uplink_input_all(
	struct worker *worker, struct weft_nic *nic, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!is_short(worker, nic, packets[i]))
			uplink_input(worker, nic, packets[i]);
}

void
nic_input(struct worker *worker, struct nic_queue *queue, struct rte_mbuf **packets, unsigned count)
{
	struct weft_nic *nic = queue->nic;
	struct vport *vport;
	uint64_t bytes = 0;
	unsigned kept = 0;
	bool watched;
	uint32_t watch;

	if (nic->uplink) {
		uplink_input_all(worker, nic, packets, count);
		return;
	}
	vport = vport_get(worker, atomic_load_explicit(&nic->vport, memory_order_acquire));
	if (unlikely(vport == NULL)) {
		for (unsigned i = 0; i < count; i++)
			nic_transmit_drop(worker, nic, DROP_NO_ATTACHMENT, packets[i]);
		return;
	}
	watch = atomic_load_explicit(vport->watch, memory_order_relaxed);
	watched = worker->trace_mask != 0 || watch != 0;
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *packet = packets[i];

		if (is_short(worker, nic, packet))
			continue;
		packet_meta(packet)->vport = vport->id;
		if (unlikely(watched))
			watch_in(worker, vport, packet);
		if (unlikely(watch & WATCH_PROBE))
			probe_overhear(worker, vport, packet);
		bytes += rte_pktmbuf_pkt_len(packet);
		packets[kept++] = packet;
	}
	worker_enqueue_all(worker, vport->node, packets, kept);
	vport_count_in(worker, vport, kept, bytes);
}

/* ---- out ---------------------------------------------------------------------------------------
 */

void
nic_enqueue_first(struct worker *worker, struct nic_transmit *transmit)
{
	if (transmit->dirty)
		return;
	transmit->dirty = true;
	transmit->next = worker->dirty;
	worker->dirty = transmit;
}

/* Sends on the queue that this worker may use, or hands over to the worker that may. */
static void
transmit_now(struct worker *worker, struct weft_nic *nic, struct rte_mbuf **packets, unsigned count)
{
	struct nic_queue *queue = nic->queues[worker->index % nic->n_queues];
	struct rte_ring *ring;
	unsigned handed;

	if (nic->driver->transmit_any || queue->worker == worker->index) {
		nic->driver->transmit(queue, worker, packets, count);
		return;
	}
	ring = nic->weft->workers[queue->worker]->handoff[worker->index];
	for (unsigned i = 0; i < count; i++) {
		packet_meta(packets[i])->vport = nic->id;
		packet_meta(packets[i])->reserved = 0; /* for no node: worker_hand_over() */
	}
	handed = rte_ring_sp_enqueue_burst(ring, (void *const *)packets, count, NULL);
	for (unsigned i = handed; i < count; i++)
		nic_transmit_drop(worker, nic, DROP_HANDOFF_FULL, packets[i]);
	worker_wake(nic->weft->workers[queue->worker]);
}

void
nic_take_handoff(struct worker *worker, struct rte_mbuf *packet)
{
	uint32_t id = packet_meta(packet)->vport;
	struct weft_nic *nic = __atomic_load_n(&worker->weft->nics[id_index(id)], __ATOMIC_ACQUIRE);

	if (nic == NULL || nic->id != id) {
		packet_drop(worker, NULL, DROP_NIC_DOWN, packet);
		return;
	}
	if (nic->network != NULL)
		share_note(&worker->sharing, nic->network);
	nic_enqueue(worker, nic, packet);
}

/* What the vnic must be able to take for this packet to go out as it is. */
static uint32_t
needs(struct rte_mbuf *packet)
{
	static const uint32_t by_gso[] = {
		[PACKET_GSO_TCP4] = NIC_OFFLOAD_TSO4,
		[PACKET_GSO_TCP6] = NIC_OFFLOAD_TSO6,
		[PACKET_GSO_UDP] = NIC_OFFLOAD_USO,
		[PACKET_GSO_VXLAN_TCP4] = NIC_OFFLOAD_VXLAN,
		[PACKET_GSO_VXLAN_TCP6] = NIC_OFFLOAD_VXLAN,
	};
	const struct packet_meta *meta = packet_meta(packet);

	return by_gso[meta->gso] |
	       (meta->offload & PACKET_NEEDS_CHECKSUM ? NIC_OFFLOAD_CHECKSUM : 0) |
	       (packet->nb_segs > 1 ? NIC_OFFLOAD_CHAINS : 0);
}

/* It needs nothing of anybody: nearly all, so worth a short look. */
static bool
is_finished(struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);

	return (meta->gso | (meta->offload & PACKET_NEEDS_CHECKSUM)) == 0 && packet->nb_segs == 1;
}

static struct rte_mbuf *
make_one_segment(struct worker *worker, struct weft_nic *nic, struct rte_mbuf *packet)
{
	struct rte_mempool *pool =
		packet->pkt_len > PACKET_SMALL_ROOM ? worker->pools.large : worker->pools.small;
	struct rte_mbuf *copy;

	if (packet->nb_segs == 1 || nic->offloads & NIC_OFFLOAD_CHAINS)
		return packet;
	copy = rte_pktmbuf_copy(packet, pool, 0, UINT32_MAX);
	if (copy != NULL && copy->nb_segs == 1) {
		*packet_meta(copy) = *packet_meta(packet);
		rte_pktmbuf_free(packet);
		return copy;
	}
	rte_pktmbuf_free(copy);
	nic_transmit_drop(worker, nic, DROP_NO_BUFFER, packet);
	return NULL;
}

static bool
takes_bundles(const struct weft_nic *nic)
{
	const uint32_t all = NIC_OFFLOAD_USO | NIC_OFFLOAD_CHECKSUM | NIC_OFFLOAD_CHAINS;

	return (nic->offloads & all) == all;
}

/*
 * Does what the sender left undone and the vnic cannot do. Returns how many packets it has
 * become; 0: dropped and counted.
 */
static unsigned
finish(struct worker *worker, struct weft_nic *nic, struct rte_mbuf *packet,
	struct rte_mbuf *finished[SEGMENT_LIMIT])
{
	uint32_t missing = needs(packet) & ~nic->offloads;
	unsigned count = 1;
	bool no_buffer;

	finished[0] = packet;
	if (missing & SUPER_OFFLOADS) {
		if ((missing & NIC_OFFLOAD_VXLAN) && takes_bundles(nic))
			count = bundle_make(
				&worker->pools, packet, finished, SEGMENT_LIMIT, &no_buffer);
		else
			count = offload_segment(
				&worker->pools, packet, finished, SEGMENT_LIMIT, &no_buffer);
		if (count == 0)
			nic_receive_drop(
				worker, nic, no_buffer ? DROP_NO_BUFFER : DROP_BAD_OFFLOAD);
	} else if (missing & NIC_OFFLOAD_CHECKSUM) {
		finished[0] = offload_finish_checksum(&worker->pools, packet);
		if (finished[0] == NULL) {
			nic_receive_drop(worker, nic, DROP_NO_BUFFER);
			return 0;
		}
	}
	return count;
}

static void
finish_and_transmit(struct worker *worker, struct weft_nic *nic, struct rte_mbuf *packet)
{
	struct rte_mbuf *finished[SEGMENT_LIMIT];
	unsigned count = finish(worker, nic, packet, finished), kept = 0;

	for (unsigned i = 0; i < count; i++) {
		finished[kept] = make_one_segment(worker, nic, finished[i]);
		kept += finished[kept] != NULL;
	}
	for (unsigned at = 0; at < kept; at += NIC_BURST)
		transmit_now(worker, nic, &finished[at], RTE_MIN(kept - at, (unsigned)NIC_BURST));
}

void
nic_flush(struct worker *worker, struct nic_transmit *transmit)
{
	struct weft_nic *nic = transmit->nic;
	unsigned count = transmit->count, from = 0;

	transmit->count = 0;
	if (unlikely(!atomic_load_explicit(&nic->usable, memory_order_acquire))) {
		for (unsigned i = 0; i < count; i++)
			nic_transmit_drop(worker, nic, DROP_NIC_DOWN, transmit->packets[i]);
		return;
	}
	/* runs of packets that need nothing go together, the others one by one, in order */
	for (unsigned i = 0; i < count; i++) {
		if (likely(is_finished(transmit->packets[i])) ||
			(needs(transmit->packets[i]) & ~nic->offloads) == 0)
			continue;
		if (i > from)
			transmit_now(worker, nic, &transmit->packets[from], i - from);
		finish_and_transmit(worker, nic, transmit->packets[i]);
		from = i + 1;
	}
	if (count > from)
		transmit_now(worker, nic, &transmit->packets[from], count - from);
}
