/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switch's node. The packets go through in small batches, stage by stage, so that the
 * table's cache lines are under way while other packets are worked on. What follows from the
 * port a packet came in at is worked out once for a run of packets of that port, and the way
 * out once for a run of packets to one address.
 */
#include "packet/packet.h"
#include "switch/switch_objects.h"

#include <rte_byteorder.h>
#include <rte_ether.h>

#define BATCH 16 /* with two lines each, no more than a core fetches at once gain anything */
#define PREFETCH_AHEAD 4
#define VID_RESERVED SWITCH_NO_TAG
#define TAG_END 18 /* MACs, tag, ethertype */

struct frame {
	struct rte_mbuf *packet;
	uint64_t source, destination; /* keys */
	uint64_t source_hash, destination_hash;
	const struct switch_ingress *ingress;
	uint8_t tag; /* enum switch_tag */
	bool group;
};

/* The way out to one address, for the next packet to the same one. */
struct egress {
	uint64_t key;
	uint32_t device;
	struct vport *vport; /* NULL: unknown, flood */
	bool carries;        /* the key's VLAN */
	bool tags;
};

struct batch {
	struct worker *worker;
	struct mac_array *array;
	uint32_t second;
	unsigned n_frames, n_ingresses;
	struct frame frames[BATCH];
	struct switch_ingress ingresses[BATCH];
};

/* ---- what came in -----------------------------------------------------------------------------
 */

/* Six bytes as they are in memory, in the low bits; two more bytes are read. */
static uint64_t
load_address(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static bool
is_group(uint64_t address)
{
	return address & 1; /* 802, 8.2: the first bit on the wire is the first byte's lowest */
}

/* 802.1Q, table 8-1: 01-80-C2-00-00-00 to 01-80-C2-00-00-0F are not relayed by a bridge. */
static bool
is_reserved(uint64_t address)
{
	return (address & 0xf0ffffffffff) == 0x000000c28001;
}

/* One more port that packets of this batch came in at. */
static const struct switch_ingress *
add_ingress(struct batch *batch, struct vport *vport)
{
	struct switch_ingress *ingress = &batch->ingresses[batch->n_ingresses++];
	const struct switch_port *port = vport->context;

	ingress->vport = vport;
	ingress->port = port;
	ingress->group = port->group;
	ingress->epoch = atomic_load_explicit(&port->station->epoch, memory_order_acquire);
	ingress->second = batch->second;
	ingress->fresh = mac_stamp(batch->second, ingress->epoch, 0) >> 4;
	ingress->untagged =
		port->native != 0 && switch_port_carries(port, port->native) ? port->native : 0;
	return ingress;
}

/* (2.) The VLAN of a tagged frame; DROP_REASON_COUNT: it has one. */
static enum drop_reason
classify_tagged(
	const struct switch_port *port, const struct rte_mbuf *packet, uint16_t *vlan, uint8_t *tag)
{
	const uint8_t *data = rte_pktmbuf_mtod(packet, const uint8_t *);
	uint16_t vid;

	if (rte_pktmbuf_data_len(packet) < TAG_END)
		return DROP_BAD_VLAN_TAG;
	vid = (uint16_t)(data[14] << 8 | data[15]) & 0xfff;
	if (vid == VID_RESERVED)
		return DROP_BAD_VLAN_TAG;
	/* a transparent port leaves a priority tag where it is */
	if (vid == 0)
		*tag = port->transparent ? SWITCH_UNTAGGED : SWITCH_PRIORITY;
	else
		*tag = SWITCH_TAGGED;
	*vlan = vid == 0 ? port->native : vid;
	if (vid != 0 && port->access != 0)
		return DROP_VLAN_NOT_ALLOWED;
	return DROP_REASON_COUNT;
}

/* (1. to 3.) DROP_REASON_COUNT: it may pass. */
static enum drop_reason
classify(const struct switch_ingress *ingress, struct frame *frame)
{
	const uint8_t *data = rte_pktmbuf_mtod(frame->packet, const uint8_t *);
	uint64_t destination = load_address(data);
	uint64_t source = load_address(data + RTE_ETHER_ADDR_LEN);
	uint16_t vlan = ingress->untagged;

	if (unlikely(is_group(source) || (source & MAC_ADDRESS_MASK) == 0))
		return DROP_BAD_SOURCE_MAC;
	frame->tag = SWITCH_UNTAGGED;
	if (unlikely(source >> 48 == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN))) {
		enum drop_reason reason =
			classify_tagged(ingress->port, frame->packet, &vlan, &frame->tag);

		if (reason != DROP_REASON_COUNT)
			return reason;
		if (vlan != 0 && !switch_port_carries(ingress->port, vlan))
			vlan = 0;
	}
	if (unlikely(vlan == 0))
		return DROP_VLAN_NOT_ALLOWED;
	frame->group = is_group(destination);
	if (unlikely(frame->group && is_reserved(destination) && !ingress->port->transparent))
		return DROP_RESERVED_MAC;
	packet_meta(frame->packet)->vlan = vlan;
	frame->source = mac_key(source, vlan);
	frame->destination = mac_key(destination, vlan);
	return DROP_REASON_COUNT;
}

/* Brings the headers of a frame that its sender cut into odd pieces together. */
static struct rte_mbuf *
gather_headers(struct worker *worker, struct rte_mbuf *packet)
{
	uint32_t length = rte_pktmbuf_pkt_len(packet);
	struct vport *vport = vport_get(worker, packet_meta(packet)->vport);
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;

	if (length < RTE_ETHER_HDR_LEN) {
		packet_drop(worker, vport, DROP_TOO_SHORT, packet);
		return NULL;
	}
	packet = packet_writable(
		&worker->pools, packet, length < TAG_END ? RTE_ETHER_HDR_LEN : TAG_END, 0);
	if (packet == NULL)
		packet_dropped(worker, vport, DROP_NO_BUFFER, dry_run);
	return packet;
}

/* False: it was dropped. `ingress` is that of the packet before. */
static bool
take_in(struct batch *batch, struct rte_mbuf *packet, const struct switch_ingress **ingress,
	struct frame *frame)
{
	struct worker *worker = batch->worker;
	enum drop_reason reason;
	uint32_t id;

	if (unlikely(rte_pktmbuf_data_len(packet) < TAG_END)) {
		packet = gather_headers(worker, packet);
		if (packet == NULL)
			return false;
	}
	id = packet_meta(packet)->vport;
	if (unlikely(*ingress == NULL || (*ingress)->vport->id != id)) {
		struct vport *vport = vport_get(worker, id);

		if (unlikely(vport == NULL)) {
			packet_drop(worker, NULL, DROP_STALE_VPORT, packet);
			return false;
		}
		*ingress = add_ingress(batch, vport);
	}
	frame->packet = packet;
	frame->ingress = *ingress;
	reason = classify(*ingress, frame);
	if (unlikely(reason != DROP_REASON_COUNT)) {
		packet_drop(worker, (*ingress)->vport, reason, packet);
		return false;
	}
	frame->source_hash = mac_hash(batch->array, frame->source, (*ingress)->vport->device);
	mac_prefetch(batch->array, frame->source_hash);
	frame->destination_hash =
		mac_hash(batch->array, frame->destination, (*ingress)->vport->device);
	mac_prefetch(batch->array, frame->destination_hash);
	return true;
}

static void
take_in_all(struct batch *batch, struct rte_mbuf **packets, unsigned count)
{
	const struct switch_ingress *ingress = NULL;
	struct frame *frame = batch->frames;

	batch->n_ingresses = 0;
	for (unsigned i = 0; i < count && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(packets[i], void *));
	for (unsigned i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(packets[i + PREFETCH_AHEAD], void *));
		frame += take_in(batch, packets[i], &ingress, frame);
	}
	batch->n_frames = (unsigned)(frame - batch->frames);
}

/* ---- what the table says
 * ---------------------------------------------------------------------------- */

/* The vport that an entry leads to; NULL: unknown. */
static __rte_always_inline struct vport *
resolve(struct worker *worker, const struct mac_found *found, uint32_t device)
{
	const struct switch_port *port;
	struct vport *vport;

	if (found->vport == 0)
		return NULL;
	vport = vport_get(worker, found->vport);
	/* the second comparison never differs, and would keep networks apart if it did */
	if (unlikely(vport == NULL || vport->device != device))
		return NULL;
	port = vport->context;
	if (likely(mac_stamp_epoch(found->stamp) ==
			    (atomic_load_explicit(&port->station->epoch, memory_order_acquire) &
				    MAC_EPOCH_MASK) ||
		    mac_is_static(found->stamp)))
		return vport;
	return NULL;
}

/* ---- (4.) who sent it
 * ---------------------------------------------------------------------------- */

/* Of a packet that is traced: with words about it. */
static void
learn_told(struct batch *batch, const struct frame *frame)
{
	const struct switch_ingress *ingress = frame->ingress;
	bool dry = packet_meta(frame->packet)->flags & PACKET_DRY_RUN;
	const struct vport *before, *after;
	struct mac_found found;

	mac_find(batch->array, frame->source_hash, frame->source, ingress->vport->device, &found);
	before = after = resolve(batch->worker, &found, ingress->vport->device);
	if (!dry) {
		switch_learn(batch->worker, batch->array, ingress, frame->source, &found);
		mac_find(batch->array, frame->source_hash, frame->source, ingress->vport->device,
			&found);
		after = resolve(batch->worker, &found, ingress->vport->device);
	}
	switch_trace_source(
		batch->worker, ingress, frame->packet, frame->source, before, dry ? NULL : after);
}

static void
learn_all(struct batch *batch)
{
	const struct switch_ingress *last_ingress = NULL;
	uint64_t last = 0;

	for (unsigned i = 0; i < batch->n_frames; i++) {
		const struct frame *frame = &batch->frames[i];
		const struct switch_ingress *ingress = frame->ingress;
		struct mac_found found;

		if (unlikely(packet_meta(frame->packet)->trace != 0)) {
			learn_told(batch, frame);
			continue;
		}
		if (frame->source == last && ingress == last_ingress)
			continue;
		mac_find(batch->array, frame->source_hash, frame->source, ingress->vport->device,
			&found);
		if (unlikely(found.vport != ingress->vport->id ||
			     found.stamp >> 4 != ingress->fresh)) {
			if (packet_meta(frame->packet)->flags & PACKET_DRY_RUN)
				continue;
			switch_learn(batch->worker, batch->array, ingress, frame->source, &found);
		}
		last = frame->source;
		last_ingress = ingress;
	}
}

/* ---- (5., 6.) where it goes
 * ------------------------------------------------------------------------ */

static void
find_egress(const struct batch *batch, const struct frame *frame, uint32_t device,
	struct egress *egress)
{
	struct mac_found found;
	uint16_t vlan = mac_key_vlan(frame->destination);

	mac_find(batch->array, frame->destination_hash, frame->destination, device, &found);
	egress->key = frame->destination;
	egress->device = device;
	egress->vport = resolve(batch->worker, &found, device);
	if (egress->vport == NULL)
		return;
	egress->carries = switch_port_carries(egress->vport->context, vlan);
	egress->tags = switch_port_tags(egress->vport->context, vlan);
}

static void
forward(struct batch *batch, const struct frame *frame, const struct switch_ingress *ingress,
	const struct egress *egress)
{
	struct worker *worker = batch->worker;
	struct rte_mbuf *packet = frame->packet;
	enum switch_tag wanted = egress->tags ? SWITCH_TAGGED : SWITCH_UNTAGGED;

	if (unlikely(egress->vport == ingress->vport)) {
		packet_drop(worker, ingress->vport, DROP_SAME_PORT, packet);
		return;
	}
	if (unlikely(!egress->carries)) {
		packet_drop(worker, egress->vport, DROP_VLAN_NOT_ALLOWED, packet);
		return;
	}
	if (unlikely(switch_isolates(ingress, egress->vport))) {
		packet_drop(worker, egress->vport, DROP_ISOLATED, packet);
		return;
	}
	if (unlikely(frame->tag != wanted)) {
		packet = switch_retag(worker, egress->vport, packet, frame->tag, wanted);
		if (packet == NULL)
			return;
	}
	switch_send(worker, egress->vport, packet, egress->tags);
}

static void
send_all(struct batch *batch)
{
	struct egress egress = { 0 };

	for (unsigned i = 0; i < batch->n_frames; i++) {
		const struct frame *frame = &batch->frames[i];
		const struct switch_ingress *ingress = frame->ingress;
		uint32_t device = ingress->vport->device;

		if (unlikely(frame->group)) {
			switch_flood(batch->worker, ingress, frame->packet, frame->tag);
			continue;
		}
		if (egress.key != frame->destination || egress.device != device)
			find_egress(batch, frame, device, &egress);
		if (unlikely(packet_meta(frame->packet)->trace != 0) && egress.vport != NULL)
			switch_trace_known(batch->worker, ingress, frame->packet, frame->tag,
				frame->destination, egress.vport);
		if (likely(egress.vport != NULL))
			forward(batch, frame, ingress, &egress);
		else
			switch_flood(batch->worker, ingress, frame->packet, frame->tag);
	}
}

void
switch_input(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct batch batch; /* some kilobytes: not cleared for a burst of one */

	batch.worker = worker;
	batch.array = mac_table_array(&switch_macs);
	batch.second = switch_second(worker->now);
	for (unsigned i = 0; i < count; i += BATCH) {
		take_in_all(&batch, &packets[i], count - i < BATCH ? count - i : BATCH);
		learn_all(&batch);
		send_all(&batch);
	}
}
