/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The router's node. Packets go through in batches, stage by stage: all are judged, then all
 * are looked up in the FIBs of their routers (whose cache lines are under way together), then
 * all go on, in the order in which they came.
 */
#include "packet/ip.h"
#include "router/router_objects.h"

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_prefetch.h>

#define BATCH 32
#define PREFETCH_AHEAD 4
#define TAKEN DROP_REASON_COUNT /* no drop: it goes on, or has gone */

struct batch {
	struct worker *worker;
	struct vport *vport; /* of the packet before */
	unsigned n;
	struct routed packets[BATCH];
	/* what is looked up, by family */
	unsigned n4, n6;
	uint8_t index4[BATCH], index6[BATCH];
	const struct fib *fibs4[BATCH], *fibs6[BATCH];
	uint32_t addresses4[BATCH];
	const uint8_t *addresses6[BATCH];
};

/* ---- (1.) the frame ----------------------------------------------------------------------------
 */

/* The headers in one piece of memory that may be written. NULL: it was dropped. */
static struct rte_mbuf *
gather(struct worker *worker, struct vport *vport, struct rte_mbuf *packet, unsigned bytes)
{
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;

	packet = packet_writable(&worker->pools, packet, bytes, 0);
	if (unlikely(packet == NULL))
		packet_dropped(worker, vport, DROP_NO_BUFFER, dry_run);
	return packet;
}

static bool
is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

/* RFC 1112, 6.4; RFC 2464, 7; broadcast. What else is sent to groups is not for a router. */
static bool
is_listened_to(const uint8_t *mac)
{
	return rte_is_broadcast_ether_addr((const struct rte_ether_addr *)mac) ||
	       (mac[0] == 0x33 && mac[1] == 0x33) ||
	       (mac[0] == 0x01 && mac[1] == 0x00 && mac[2] == 0x5e);
}

static bool
is_for(const struct router_port *port, const uint8_t *mac)
{
	return rte_is_same_ether_addr((const struct rte_ether_addr *)mac, &port->mac);
}

/* ---- (2.) the header ---------------------------------------------------------------------------
 */

static enum drop_reason
reason_of(enum ip_result result)
{
	switch (result) {
	case IP_OK:
		return TAKEN;
	case IP_TOO_SHORT:
		return DROP_TOO_SHORT;
	case IP_BAD_CHECKSUM:
		return DROP_BAD_IP_CHECKSUM;
	default:
		return DROP_BAD_IP_HEADER;
	}
}

/* 5.3.4: what a station sends to all on the link must be for all by its IP address, too. */
static enum drop_reason
judge4(struct batch *batch, struct routed *routed)
{
	enum drop_reason reason = reason_of(ip4_check(routed->packet, routed->l3));
	const uint8_t *header;

	if (unlikely(reason != TAKEN))
		return reason;
	header = routed_header(routed);
	if (unlikely(ip4_is_martian_source(header + 12))) {
		/* RFC 2131, 4.1: a client without an address asks from 0.0.0.0 */
		if (!(routed->group && ip4_is_broadcast(header + 16)))
			return DROP_MARTIAN_SOURCE;
	}
	if (unlikely(ip4_is_martian_destination(header + 16)))
		return DROP_MARTIAN_DESTINATION;
	batch->index4[batch->n4] = (uint8_t)batch->n;
	batch->fibs4[batch->n4] = &routed->port->owner->fib4;
	memcpy(&batch->addresses4[batch->n4], header + 16, sizeof(uint32_t));
	batch->addresses4[batch->n4] = rte_be_to_cpu_32(batch->addresses4[batch->n4]);
	batch->n4++;
	return TAKEN;
}

static enum drop_reason
judge6(struct batch *batch, struct routed *routed)
{
	enum drop_reason reason = reason_of(ip6_check(routed->packet, routed->l3));
	const uint8_t *header;

	if (unlikely(reason != TAKEN))
		return reason;
	header = routed_header(routed);
	if (unlikely(ip6_is_martian_source(header + 8))) {
		/* RFC 4862, 5.4.2: it may be looking whether the address is free */
		if (!(ip6_is_unspecified(header + 8) && ip6_is_multicast(header + 24)))
			return DROP_MARTIAN_SOURCE;
	}
	if (unlikely(ip6_is_martian_destination(header + 24)))
		return DROP_MARTIAN_DESTINATION;
	batch->index6[batch->n6] = (uint8_t)batch->n;
	batch->fibs6[batch->n6] = &routed->port->owner->fib6;
	batch->addresses6[batch->n6] = header + 24;
	batch->n6++;
	return TAKEN;
}

/* ---- one packet --------------------------------------------------------------------------------
 */

static enum drop_reason
judge(struct batch *batch, struct routed *routed, uint16_t type)
{
	if (likely(type == RTE_ETHER_TYPE_IPV4)) {
		routed->family = 4;
		return routed->port->has_ip4 ? judge4(batch, routed) : DROP_NO_IPV4;
	}
	if (type == RTE_ETHER_TYPE_IPV6) {
		routed->family = 6;
		return routed->port->has_ip6 ? judge6(batch, routed) : DROP_NO_IPV6;
	}
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ ? DROP_VLAN_NOT_ALLOWED
									  : DROP_UNKNOWN_ETHERTYPE;
}

/* Bytes that have to be in one piece and writable: up to the longest header of the family. */
static unsigned
header_bytes(uint16_t type, unsigned length)
{
	unsigned wanted = RTE_ETHER_HDR_LEN;

	if (type == RTE_ETHER_TYPE_IPV4)
		wanted += IP4_HEADER_LENGTH;
	else if (type == RTE_ETHER_TYPE_IPV6)
		wanted += IP6_HEADER_LENGTH;
	else if (type == RTE_ETHER_TYPE_ARP)
		wanted += sizeof(struct rte_arp_hdr);
	return RTE_MIN(wanted, length);
}

/* False: it is not a frame with a MAC header, or there was no buffer. */
static struct rte_mbuf *
open_frame(struct worker *worker, struct vport *vport, struct rte_mbuf *packet, uint16_t *type)
{
	unsigned length = rte_pktmbuf_pkt_len(packet);

	if (unlikely(rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN)) {
		if (length < RTE_ETHER_HDR_LEN) {
			packet_drop(worker, vport, DROP_TOO_SHORT, packet);
			return NULL;
		}
		packet = gather(worker, vport, packet, RTE_ETHER_HDR_LEN);
		if (packet == NULL)
			return NULL;
	}
	*type = parse_u16(rte_pktmbuf_mtod_offset(packet, const uint8_t *, 2 * RTE_ETHER_ADDR_LEN));
	return gather(worker, vport, packet, header_bytes(*type, length));
}

/* Whether it is one for the lookup; else it has gone. */
static bool
take_in(struct batch *batch, struct rte_mbuf *packet)
{
	struct worker *worker = batch->worker;
	struct routed *routed = &batch->packets[batch->n];
	uint32_t id = packet_meta(packet)->vport;
	enum drop_reason reason;
	const uint8_t *frame;
	uint16_t type;

	if (unlikely(batch->vport == NULL || batch->vport->id != id)) {
		batch->vport = vport_get(worker, id);
		if (unlikely(batch->vport == NULL)) {
			packet_drop(worker, NULL, DROP_STALE_VPORT, packet);
			return false;
		}
	}
	packet = open_frame(worker, batch->vport, packet, &type);
	if (unlikely(packet == NULL))
		return false;
	routed->packet = packet;
	routed->ingress = batch->vport;
	routed->port = router_port_of(batch->vport);
	if (unlikely(routed->port->udp_port != 0)) {
		router_udp_input(worker, batch->vport, packet);
		return false;
	}
	routed->l3 = RTE_ETHER_HDR_LEN;
	frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	routed->group = is_group(frame);
	reason = TAKEN;
	if (unlikely(is_group(frame + RTE_ETHER_ADDR_LEN)))
		reason = DROP_BAD_SOURCE_MAC;
	else if (unlikely(!is_for(routed->port, frame) && !is_listened_to(frame)))
		reason = DROP_FOREIGN_MAC;
	if (unlikely(reason == TAKEN && type == RTE_ETHER_TYPE_ARP)) {
		router_arp(worker, batch->vport, packet);
		return false;
	}
	if (likely(reason == TAKEN))
		reason = judge(batch, routed, type);
	if (likely(reason == TAKEN))
		return true;
	packet_drop(worker, batch->vport, reason, packet);
	return false;
}

static void
look_up(struct batch *batch)
{
	uint32_t leaves[BATCH];

	if (likely(batch->n4 > 0)) {
		fib4_lookup_burst(batch->fibs4, batch->addresses4, leaves, batch->n4);
		for (unsigned i = 0; i < batch->n4; i++)
			batch->packets[batch->index4[i]].leaf = leaves[i];
	}
	if (batch->n6 > 0) {
		fib6_lookup_burst(batch->fibs6, batch->addresses6, leaves, batch->n6);
		for (unsigned i = 0; i < batch->n6; i++)
			batch->packets[batch->index6[i]].leaf = leaves[i];
	}
}

static void
route(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct batch batch; /* some kilobytes: not cleared for a burst of one */

	batch.worker = worker;
	batch.vport = NULL;
	batch.n = batch.n4 = batch.n6 = 0;
	for (unsigned i = 0; i < count && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(packets[i], void *));
	for (unsigned i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(packets[i + PREFETCH_AHEAD], void *));
		batch.n += take_in(&batch, packets[i]);
	}
	look_up(&batch);
	router_forward_all(worker, batch.packets, batch.n);
}

void
router_input(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i += BATCH)
		route(worker, &packets[i], RTE_MIN(count - i, (unsigned)BATCH));
}
