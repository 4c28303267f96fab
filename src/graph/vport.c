/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/vport.h"

#include "graph/engine.h"
#include "graph/probe.h"
#include "graph/watch.h"
#include "packet/edit.h"
#include "packet/parse.h"

#include <stdio.h>
#include <string.h>

void
vport_receive(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);

	meta->vport = vport->id;
	meta->flags &= (uint8_t) ~(PACKET_JUDGED | PACKET_ABOUT_JUDGED); /* of another vport */
	watch_in(worker, vport, packet);
	if (!(meta->flags & PACKET_DRY_RUN))
		vport_count_in(worker, vport, 1, rte_pktmbuf_pkt_len(packet));
	worker_enqueue(worker, vport->node, packet);
}

static void
count_sent(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	if (!(packet_meta(packet)->flags & PACKET_DRY_RUN))
		vport_count_out(worker, vport, 1, rte_pktmbuf_pkt_len(packet));
}

/* To the other end of a link. */
static void
cross_link(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);
	struct vport *peer = vport_get(worker, vport->peer);

	if (unlikely(peer == NULL)) {
		packet_drop(worker, vport, DROP_STALE_VPORT, packet);
		return;
	}
	if (unlikely(++meta->hops >= PACKET_HOP_LIMIT)) {
		packet_drop(worker, vport, DROP_HOP_LIMIT, packet);
		return;
	}
	watch_out(worker, vport, packet);
	count_sent(worker, vport, packet);
	vport_receive(worker, peer, packet);
}

static bool
is_untagged(struct rte_mbuf *packet)
{
	struct ether_view view;

	return parse_ether(packet, &view) == PARSE_OK && view.n_tags == 0;
}

/* NULL: it was dropped. */
static struct rte_mbuf *
tag_for_uplink(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;

	packet = edit_push_vlan(&worker->pools, packet, RTE_ETHER_TYPE_VLAN, vport->uplink_vlan);
	if (unlikely(packet == NULL))
		packet_dropped(worker, vport, DROP_NO_BUFFER, dry_run);
	return packet;
}

/* Bytes are counted without the uplink's tag, as are those that come in. */
static void
send_to_nic(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	uint32_t size = rte_pktmbuf_pkt_len(packet);

	if (vport->attachment == ATTACHED_NIC &&
		(atomic_load_explicit(vport->watch, memory_order_relaxed) & WATCH_PROBE) &&
		probe_take(worker, vport, packet))
		return;
	/* a tag of its own must not leave where the uplink is untagged: there it would say which
	 * network the frame belongs to */
	if (vport->attachment == ATTACHED_UPLINK && vport->uplink_vlan == 0 &&
		!is_untagged(packet)) {
		packet_drop(worker, vport, DROP_VLAN_NOT_ALLOWED, packet);
		return;
	}
	watch_out(worker, vport, packet);
	if (vport->attachment == ATTACHED_UPLINK && vport->uplink_vlan != 0)
		packet = tag_for_uplink(worker, vport, packet);
	if (packet == NULL)
		return;
	if (packet_meta(packet)->flags & PACKET_DRY_RUN) {
		rte_pktmbuf_free(packet);
		return;
	}
	vport_count_out(worker, vport, 1, size);
	nic_enqueue(worker, vport->nic, packet);
}

static void
ask_guard(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);

	meta->flags |= PACKET_TO_JUDGE;
	meta->flow_hash = vport->id;
	worker_enqueue(worker, vport->guard_node, packet);
}

bool
vport_ask_on_arrival(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);

	if (vport->guard == 0 || (meta->flags & PACKET_JUDGED))
		return false;
	meta->vport = vport->id;
	meta->flags |= PACKET_TO_JUDGE;
	meta->flow_hash = 0; /* no vport's id: it goes in, not out */
	worker_enqueue(worker, vport->guard_node, packet);
	return true;
}

void
vport_give_back(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);

	meta->vport = vport->id;
	meta->flow_hash = 0;
	meta->flags |= PACKET_JUDGED;
	worker_enqueue(worker, vport->node, packet);
}

void
vport_send_slow(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	if (vport->guard != 0 && !(packet_meta(packet)->flags & PACKET_JUDGED))
		ask_guard(worker, vport, packet);
	else if (vport->attachment == ATTACHED_VPORT)
		cross_link(worker, vport, packet);
	else if (vport->attachment != ATTACHED_NOTHING)
		send_to_nic(worker, vport, packet);
	else
		packet_drop(worker, vport, DROP_NO_ATTACHMENT, packet);
}

const char *
vport_path(const struct weft_vport *vport, char path[VPORT_NAME_SIZE])
{
	snprintf(path, VPORT_NAME_SIZE, "%s/%s:%s", vport->device->network->name,
		vport->device->name, vport->name);
	return path;
}

struct weft_vport *
vport_by_id(struct weft *weft, uint32_t id)
{
	struct vport *vport = __atomic_load_n(&weft->vports[id_index(id)], __ATOMIC_ACQUIRE);

	return vport != NULL && vport->id == id ? vport->object : NULL;
}

void
vport_sum_counters(
	struct weft *weft, uint32_t id, struct vport_counters *counters, struct vport_drops *drops)
{
	const struct counters *workers[WORKER_LIMIT];

	for (unsigned i = 0; i < weft->n_workers; i++)
		workers[i] = &weft->workers[i]->counters_memory;
	counters_sum(workers, weft->n_workers, id_index(id), counters, drops);
}

void
engine_read_lost(const struct weft *weft, struct vport_drops *drops)
{
	memset(drops, 0, sizeof(*drops));
	for (unsigned i = 0; i < weft->n_workers; i++)
		counters_add_drops(drops, &weft->workers[i]->lost);
}

void
vport_read_counters(
	const struct weft_vport *vport, struct vport_counters *counters, struct vport_drops *drops)
{
	vport_sum_counters(vport->device->network->weft, vport->id, counters, drops);
	counters->in_packets -= vport->counters_base.in_packets;
	counters->in_bytes -= vport->counters_base.in_bytes;
	counters->out_packets -= vport->counters_base.out_packets;
	counters->out_bytes -= vport->counters_base.out_bytes;
	for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
		drops->by_reason[reason] -= vport->drops_base.by_reason[reason];
}

void
weft_vport_counters(const struct weft_vport *vport, struct weft_counters *counters)
{
	struct vport_counters sum;
	struct vport_drops drops;

	vport_read_counters(vport, &sum, &drops);
	*counters = (struct weft_counters){ sum.in_packets, sum.in_bytes, sum.out_packets,
		sum.out_bytes, 0 };
	for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
		counters->drops += drops.by_reason[reason];
}

const char *
weft_vport_name(const struct weft_vport *vport)
{
	return vport->name;
}
