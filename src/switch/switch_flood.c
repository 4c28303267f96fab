/* SPDX-License-Identifier: BSD-3-Clause */
/* Flooding, and what is done to a frame on its way out of a port. */
#include "packet/edit.h"
#include "packet/offload.h"
#include "switch/switch_objects.h"

struct rte_mbuf *
switch_retag(struct worker *worker, struct vport *egress, struct rte_mbuf *packet,
	enum switch_tag from, enum switch_tag to)
{
	uint16_t vlan = packet_meta(packet)->vlan;
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;

	if (unlikely(packet_meta(packet)->trace != 0))
		switch_trace_tag(worker, egress, packet, from, to);
	if (to == SWITCH_UNTAGGED)
		packet = edit_pop_vlan(&worker->pools, packet);
	else if (from == SWITCH_UNTAGGED)
		packet = edit_push_vlan(&worker->pools, packet, RTE_ETHER_TYPE_VLAN, vlan);
	else
		packet = edit_set_vlan(&worker->pools, packet, vlan);
	if (unlikely(packet == NULL))
		packet_dropped(worker, egress, DROP_NO_BUFFER, dry_run);
	return packet;
}

bool
switch_too_long(const struct vport *egress, struct rte_mbuf *packet)
{
	return offload_wire_length(packet) > egress->mtu;
}

/* ---- flooding ------------------------------------------------------------------------------- */

/* One flood: the ports, and the packet in the form that it is in at the moment. */
struct flood {
	struct worker *worker;
	const struct switch_live *live;
	const struct switch_ingress *ingress;
	uint16_t vlan;
	uint16_t share; /* of the budget, for each copy */
	unsigned left;  /* copies still to be sent */
	struct rte_mbuf *packet;
	enum switch_tag tag;
};

/* The i-th member, if the flood goes there; NULL. */
static struct vport *
target(const struct flood *flood, uint32_t i)
{
	const struct switch_member *member = &flood->live->members[i];
	struct vport *vport;

	if (member->vport == flood->ingress->vport->id ||
		(member->vlan != 0 && member->vlan != flood->vlan))
		return NULL;
	vport = vport_get(flood->worker, member->vport);
	if (vport == NULL || !switch_port_carries(vport->context, flood->vlan) ||
		switch_isolates(flood->ingress, vport))
		return NULL;
	return vport;
}

static bool
wants_tag(const struct flood *flood, const struct vport *vport)
{
	return switch_port_tags(vport->context, flood->vlan);
}

/* Whether half of the room is taken before who would get the copy next. */
static bool
is_crowded(const struct worker *worker, const struct vport *egress)
{
	if (egress->guard != 0 && worker->queues[egress->guard_node]->tail >= NODE_QUEUE_SIZE / 2)
		return true;
	return egress->attachment == ATTACHED_VPORT &&
	       worker->queues[egress->node]->tail >= NODE_QUEUE_SIZE / 2;
}

static void
send_copy(struct flood *flood, struct vport *egress, struct rte_mbuf *copy, bool tagged)
{
	struct worker *worker = flood->worker;

	packet_meta(copy)->copies = flood->share;
	if (is_crowded(worker, egress))
		packet_drop(worker, egress, DROP_GRAPH_FULL, copy);
	else
		switch_send(worker, egress, copy, tagged);
}

/* The last copy is the packet itself. */
static void
send_to(struct flood *flood, struct vport *egress, bool tagged)
{
	struct rte_mbuf *copy = flood->packet;

	if (--flood->left == 0)
		flood->packet = NULL;
	else
		copy = packet_duplicate(&flood->worker->pools, copy);
	if (likely(copy != NULL))
		send_copy(flood, egress, copy, tagged);
	else
		packet_dropped(flood->worker, egress, DROP_NO_BUFFER,
			packet_meta(flood->packet)->flags & PACKET_DRY_RUN);
}

/*
 * To all ports that want the frame tagged, or all that want it untagged. The frame is brought
 * into that form once, at the first of them.
 */
static void
send_to_those(struct flood *flood, bool tagged)
{
	enum switch_tag form = tagged ? SWITCH_TAGGED : SWITCH_UNTAGGED;

	for (uint32_t i = 0; i < flood->live->n_members && flood->packet != NULL; i++) {
		struct vport *vport = target(flood, i);

		if (vport == NULL || wants_tag(flood, vport) != tagged)
			continue;
		if (flood->tag != form) {
			flood->packet =
				switch_retag(flood->worker, vport, flood->packet, flood->tag, form);
			flood->tag = form;
			if (flood->packet == NULL)
				return;
		}
		send_to(flood, vport, tagged);
	}
}

static unsigned
count_targets(const struct flood *flood)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < flood->live->n_members; i++)
		count += target(flood, i) != NULL;
	return count;
}

static void
drop_for_budget(struct worker *worker, struct vport *ingress, struct rte_mbuf *packet)
{
	const struct rte_ether_hdr *header = rte_pktmbuf_mtod(packet, struct rte_ether_hdr *);
	struct punt_notice notice = { .vport = ingress->id,
		.vlan = switch_vlan_told(packet_meta(packet)->vlan) };

	memcpy(notice.mac, &header->src_addr, sizeof(notice.mac));
	if (!(packet_meta(packet)->flags & PACKET_DRY_RUN))
		worker_notice(worker, PUNT_FLOOD, &notice);
	packet_drop(worker, ingress, DROP_FLOOD_BUDGET, packet);
}

void
switch_flood(struct worker *worker, const struct switch_ingress *ingress, struct rte_mbuf *packet,
	enum switch_tag tag)
{
	const struct packet_meta *meta = packet_meta(packet);
	struct flood flood = {
		.worker = worker,
		.live = atomic_load_explicit(&ingress->port->owner->live, memory_order_acquire),
		.ingress = ingress,
		.vlan = meta->vlan,
		.share = meta->copies,
		.packet = packet,
		.tag = tag,
	};

	flood.left = count_targets(&flood);
	if (flood.left == 0) {
		packet_drop(worker, ingress->vport, DROP_NO_DESTINATION, packet);
		return;
	}
	if (unlikely(meta->trace != 0))
		switch_trace_flood(worker, ingress, packet, tag, flood.left);
	if (flood.left > 1) {
		flood.share = (uint16_t)(meta->copies / flood.left);
		if (flood.share == 0) {
			drop_for_budget(worker, ingress->vport, packet);
			return;
		}
	}
	/* first those that take it as it is; a priority tag gets its VID before it goes, so that
	 * the priority is not lost */
	send_to_those(&flood, tag != SWITCH_UNTAGGED);
	send_to_those(&flood, tag == SWITCH_UNTAGGED);
	/* a port that was counted is gone by now: what was for it is left over */
	if (unlikely(flood.packet != NULL))
		packet_drop(worker, ingress->vport, DROP_STALE_VPORT, flood.packet);
}
