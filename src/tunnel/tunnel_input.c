/* SPDX-License-Identifier: BSD-3-Clause */
/* The tunnel's node: frames from the switches go out, datagrams from the router come in. */
#include "packet/bundle.h"
#include "packet/edit.h"
#include "packet/encapsulate.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/offload.h"
#include "tunnel/tunnel_objects.h"

#include <netinet/in.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#define PREFETCH_AHEAD 4
#define SEGMENT_LIMIT 1024      /* of a super-packet, as in graph/nic.c */
#define FIRST_SOURCE_PORT 49152 /* RFC 7348, 5: the dynamic ports */
#define LENGTH_LIMIT 65535      /* of a packet, and so of the outer frame */

#define ECN_MASK 3 /* RFC 3168, 5 */
#define ECN_NOT_ECT 0
#define ECN_ECT1 1
#define ECN_CE 3

/* The IP header in a frame. */
struct inner {
	struct rte_mbuf *packet;
	uint8_t family; /* 0: none that is whole */
	uint8_t class;  /* TOS or traffic class */
	uint16_t l3;
};

static void
look_inside(struct rte_mbuf *packet, struct inner *inner)
{
	uint8_t copy[2];
	const uint8_t *header;
	struct ether_view view;

	*inner = (struct inner){ .packet = packet };
	if (parse_ether(packet, &view) != PARSE_OK)
		return;
	inner->l3 = view.offset;
	header = rte_pktmbuf_read(packet, view.offset, sizeof(copy), copy);
	if (header == NULL)
		return;
	if (view.type == RTE_ETHER_TYPE_IPV4 && ip4_check(packet, view.offset) == IP_OK) {
		inner->family = 4;
		inner->class = header[1];
	} else if (view.type == RTE_ETHER_TYPE_IPV6 && ip6_check(packet, view.offset) == IP_OK) {
		inner->family = 6;
		inner->class = (uint8_t)(header[0] << 4 | header[1] >> 4);
	}
}

/* ---- out (2.): what is too long -------------------------------------------------------------- */

/* As router_may_send_icmp(): the generic cell rate algorithm. */
static bool
may_send_icmp(const struct worker *worker, struct tunnel *tunnel)
{
	const uint64_t interval = 1000000000 / TUNNEL_ICMP_RATE;
	uint64_t next = atomic_load_explicit(&tunnel->icmp_next, memory_order_relaxed);

	for (;;) {
		uint64_t from = RTE_MAX(next, worker->now);

		if (from - worker->now > interval * TUNNEL_ICMP_BURST)
			return false;
		if (atomic_compare_exchange_weak_explicit(&tunnel->icmp_next, &next,
			    from + interval, memory_order_relaxed, memory_order_relaxed))
			return true;
	}
}

/* IPv4 without DF might be cut by nobody: who sends it is not told, as RFC 1191 has it. */
static bool
may_tell(const struct inner *inner)
{
	const struct rte_mbuf *packet = inner->packet;
	uint8_t copy;

	if (rte_pktmbuf_mtod(packet, const uint8_t *)[0] & 1)
		return false;
	if (inner->family == 4)
		return (*(const uint8_t *)rte_pktmbuf_read(packet, inner->l3 + 6u, 1, &copy) &
			       0x40) &&
		       icmp4_may_answer(packet, inner->l3);
	return inner->family == 6 && icmp6_may_answer(packet, inner->l3, ICMP6_TOO_BIG, 0);
}

/* An error from whom the packet was for, which so is behind this vport, as it was. */
static struct rte_mbuf *
make_error(struct worker *worker, const struct inner *inner, uint32_t mtu)
{
	uint8_t address[16], macs[2 * RTE_ETHER_ADDR_LEN];
	struct rte_mbuf *packet = inner->packet, *message;

	memcpy(macs, rte_pktmbuf_mtod(packet, const uint8_t *), sizeof(macs));
	if (inner->family == 4) {
		packet_copy_range(address, packet, inner->l3 + 16u, 4);
		message = icmp4_error(&worker->pools, packet, inner->l3, ICMP4_UNREACHABLE,
			ICMP4_TOO_BIG, mtu, address);
	} else {
		packet_copy_range(address, packet, inner->l3 + 24u, 16);
		message = icmp6_error(
			&worker->pools, packet, inner->l3, ICMP6_TOO_BIG, 0, mtu, address);
	}
	if (message == NULL)
		return NULL;
	edit_set_ether_destination(
		message, (const struct rte_ether_addr *)(macs + RTE_ETHER_ADDR_LEN));
	edit_set_ether_source(message, (const struct rte_ether_addr *)macs);
	packet_meta(message)->trace = 0;
	return message;
}

/* RFC 1191; RFC 8201. */
static void
refuse_long(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	struct tunnel *tunnel = tunnel_port_of(vport)->owner;
	struct rte_mbuf *message = NULL;
	struct inner inner;

	look_inside(packet, &inner);
	if (!(packet_meta(packet)->flags & PACKET_DRY_RUN) && may_tell(&inner) &&
		may_send_icmp(worker, tunnel))
		message = make_error(worker, &inner, vport->mtu);
	packet_drop(worker, vport, DROP_TOO_LONG, packet);
	if (message != NULL)
		vport_send(worker, vport, message);
}

/* ---- out (3.) -------------------------------------------------------------------------------- */

/* Takes one frame that is as it will be on the wire, or a super-packet that may stay whole. */
static void
send_frame(struct worker *worker, struct vport *vport, const struct tunnel_live *live,
	struct rte_mbuf *packet)
{
	const struct tunnel_port *port = tunnel_port_of(vport);
	uint32_t hash = packet_flow_hash(packet, &worker->flow_key);
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;
	struct vxlan_outer outer = {
		.family = live->family,
		.source_port = (uint16_t)(FIRST_SOURCE_PORT |
					  ((hash ^ hash >> 16) & (UINT16_MAX - FIRST_SOURCE_PORT))),
		.destination_port = live->port,
		.vni = port->vni,
		.flow_label = hash & 0xfffff, /* RFC 6438 */
		.source = live->local,
		.destination = port->remote,
	};
	struct vport *underlay = vport_get(worker, live->underlay);
	struct inner inner;

	if (unlikely(underlay == NULL ||
		     rte_pktmbuf_pkt_len(packet) + vxlan_overhead(live->family) > LENGTH_LIMIT)) {
		packet_drop(
			worker, vport, underlay == NULL ? DROP_STALE_VPORT : DROP_TOO_LONG, packet);
		return;
	}
	look_inside(packet, &inner);
	outer.class = inner.class;
	if (unlikely(packet_meta(packet)->trace != 0))
		tunnel_trace_out(worker, vport, packet, &outer);
	packet = edit_push_vxlan(&worker->pools, packet, &outer);
	if (likely(packet != NULL))
		vport_send(worker, underlay, packet);
	else
		packet_dropped(worker, vport, DROP_NO_BUFFER, dry_run);
}

static void
send_segments(struct worker *worker, struct vport *vport, const struct tunnel_live *live,
	struct rte_mbuf *packet)
{
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN, no_buffer;
	struct rte_mbuf *segments[SEGMENT_LIMIT];
	unsigned count =
		offload_segment(&worker->pools, packet, segments, SEGMENT_LIMIT, &no_buffer);

	if (unlikely(count == 0))
		packet_dropped(
			worker, vport, no_buffer ? DROP_NO_BUFFER : DROP_BAD_OFFLOAD, dry_run);
	for (unsigned i = 0; i < count; i++)
		send_frame(worker, vport, live, segments[i]);
}

static bool
may_stay_whole(const struct tunnel_live *live, const struct rte_mbuf *packet)
{
	return vxlan_takes_whole(packet_meta((struct rte_mbuf *)(uintptr_t)packet)->gso) &&
	       rte_pktmbuf_pkt_len(packet) + vxlan_overhead(live->family) <= LENGTH_LIMIT &&
	       offload_holds(packet);
}

static void
go_out(struct worker *worker, struct vport *vport, const struct tunnel_live *live,
	struct rte_mbuf *packet)
{
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;

	if (unlikely(rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN)) {
		packet_drop(worker, vport, DROP_TOO_SHORT, packet);
		return;
	}
	if (unlikely(rte_pktmbuf_pkt_len(packet) > vport->mtu + RTE_ETHER_HDR_LEN) &&
		offload_wire_length(packet) > vport->mtu) {
		refuse_long(worker, vport, packet);
		return;
	}
	if (packet_meta(packet)->gso != PACKET_GSO_NONE) {
		if (may_stay_whole(live, packet))
			send_frame(worker, vport, live, packet);
		else
			send_segments(worker, vport, live, packet);
		return;
	}
	packet = offload_finish_checksum(&worker->pools, packet);
	if (likely(packet != NULL))
		send_frame(worker, vport, live, packet);
	else
		packet_dropped(worker, vport, DROP_NO_BUFFER, dry_run);
}

/* ---- in (1., 2.) ------------------------------------------------------------------------------
 */

/* What is said in front of the frame. */
struct arrival {
	uint8_t source[16]; /* unused bytes zero */
	uint8_t ecn;
	uint32_t vni;
	unsigned front, length; /* where the frame is */
};

/* Of the IP header, which must be one to the tunnel's own address, and of no fragment. */
static bool
read_addresses(const struct tunnel_live *live, const struct rte_mbuf *packet, uint16_t l3,
	struct arrival *arrival)
{
	uint8_t copy[IP6_HEADER_LENGTH];
	bool four = live->family == 4;
	unsigned size = four ? 4 : 16;
	const uint8_t *header;

	if (four ? ip4_check(packet, l3) != IP_OK : ip6_check(packet, l3) != IP_OK)
		return false;
	header = rte_pktmbuf_read(packet, l3, four ? IP4_HEADER_LENGTH : IP6_HEADER_LENGTH, copy);
	if (four && (parse_u16(header + 6) & 0x3fff) != 0)
		return false;
	memset(arrival->source, 0, sizeof(arrival->source));
	memcpy(arrival->source, header + (four ? 12 : 8), size);
	arrival->ecn = (four ? header[1] : header[1] >> 4) & ECN_MASK;
	return memcmp(header + (four ? 16 : 24), live->local, size) == 0;
}

/* RFC 7348, 4.1 and 5. */
static bool
read_vxlan(const struct tunnel_live *live, const struct rte_mbuf *packet, uint16_t l4,
	struct arrival *arrival)
{
	uint8_t copy[sizeof(struct rte_udp_hdr) + VXLAN_HEADER_LENGTH];
	const uint8_t *header = rte_pktmbuf_read(packet, l4, sizeof(copy), copy), *vxlan;
	unsigned length;

	if (header == NULL || parse_u16(header + 2) != live->port)
		return false;
	length = parse_u16(header + 4);
	if (length < sizeof(copy) + RTE_ETHER_HDR_LEN || l4 + length > rte_pktmbuf_pkt_len(packet))
		return false;
	vxlan = header + sizeof(struct rte_udp_hdr);
	if (!(vxlan[0] & VXLAN_FLAG_VNI))
		return false;
	arrival->vni = (uint32_t)vxlan[4] << 16 | (uint32_t)vxlan[5] << 8 | vxlan[6];
	arrival->front = l4 + sizeof(copy);
	arrival->length = length - sizeof(copy);
	return true;
}

static bool
read_arrival(const struct tunnel_live *live, struct rte_mbuf *packet, struct arrival *arrival)
{
	const struct packet_meta *meta = packet_meta(packet);

	if (rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN || packet_parse(packet) != PARSE_OK)
		return false;
	return meta->ethertype == (live->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6) &&
	       meta->protocol == IPPROTO_UDP && meta->l4 != PACKET_OFFSET_NONE &&
	       read_addresses(live, packet, meta->l3, arrival) &&
	       read_vxlan(live, packet, meta->l4, arrival);
}

/* ---- in (3.) -----------------------------------------------------------------------------------
 */

/* RFC 6040, figure 4; ECN_MASK + 1: drop. */
static uint8_t
merge_ecn(uint8_t inner, uint8_t outer)
{
	if (inner == ECN_NOT_ECT)
		return outer == ECN_CE ? ECN_MASK + 1 : ECN_NOT_ECT;
	if (inner == ECN_CE || outer == ECN_CE)
		return ECN_CE;
	return outer == ECN_ECT1 ? ECN_ECT1 : inner;
}

/* The frame with its ECN as it must be. NULL: dropped. */
static struct rte_mbuf *
take_over_ecn(struct worker *worker, struct vport *vport, struct rte_mbuf *packet, uint8_t outer)
{
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;
	struct inner inner;
	uint8_t ecn;

	look_inside(packet, &inner);
	if (inner.family == 0)
		return packet;
	ecn = merge_ecn(inner.class & ECN_MASK, outer);
	if (ecn == (inner.class & ECN_MASK))
		return packet;
	if (ecn > ECN_MASK) {
		packet_drop(worker, vport, DROP_BAD_ECN, packet);
		return NULL;
	}
	packet_parse(packet);
	packet = packet_writable(&worker->pools, packet,
		inner.l3 + (inner.family == 4 ? IP4_HEADER_LENGTH : IP6_HEADER_LENGTH), 0);
	if (unlikely(packet == NULL))
		packet_dropped(worker, vport, DROP_NO_BUFFER, dry_run);
	else
		edit_set_ecn(packet, ecn);
	return packet;
}

static void
deliver(struct worker *worker, struct vport *vport, struct vport *egress, struct rte_mbuf *packet,
	const struct arrival *arrival)
{
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN;

	packet = edit_pop_outer(&worker->pools, packet, arrival->front, arrival->length);
	if (unlikely(packet == NULL)) {
		packet_dropped(worker, vport, DROP_NO_BUFFER, dry_run);
		return;
	}
	if (unlikely(packet_meta(packet)->gso != PACKET_GSO_NONE && !offload_holds(packet))) {
		packet_drop(worker, egress, DROP_BAD_OFFLOAD, packet);
		return;
	}
	if (unlikely(arrival->ecn == ECN_CE || arrival->ecn == ECN_ECT1)) {
		packet = take_over_ecn(worker, egress, packet, arrival->ecn);
		if (packet == NULL)
			return;
	}
	vport_send(worker, egress, packet);
}

static void
come_in(struct worker *worker, struct vport *vport, const struct tunnel_live *live,
	struct rte_mbuf *packet)
{
	struct arrival arrival;
	struct vport *egress;

	if (unlikely(!read_arrival(live, packet, &arrival))) {
		packet_drop(worker, vport, DROP_BAD_VXLAN, packet);
		return;
	}
	egress = vport_get(worker, vni_map_find(live->map, arrival.vni, arrival.source));
	if (unlikely(packet_meta(packet)->trace != 0))
		tunnel_trace_in(
			worker, vport, packet, arrival.vni, live->family, arrival.source, egress);
	if (likely(egress != NULL))
		deliver(worker, vport, egress, packet, &arrival);
	else
		packet_drop(worker, vport,
			vni_map_has(live->map, arrival.vni) ? DROP_UNKNOWN_REMOTE
							    : DROP_UNKNOWN_VNI,
			packet);
}

/* Several datagrams in one: each has a frame of its own, or what was one super-packet. */
static void
come_in_cut(struct worker *worker, struct vport *vport, const struct tunnel_live *live,
	struct rte_mbuf *packet)
{
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN, no_buffer;
	struct rte_mbuf *parts[SEGMENT_LIMIT];
	unsigned count =
		bundle_take_apart(&worker->pools, packet, parts, SEGMENT_LIMIT, &no_buffer);

	if (unlikely(count == 0))
		packet_dropped(
			worker, vport, no_buffer ? DROP_NO_BUFFER : DROP_BAD_OFFLOAD, dry_run);
	for (unsigned i = 0; i < count; i++)
		come_in(worker, vport, live, parts[i]);
}

/* ---- the node ----------------------------------------------------------------------------------
 */

static void
process(struct worker *worker, struct rte_mbuf *packet)
{
	struct vport *vport = vport_get(worker, packet_meta(packet)->vport);
	const struct tunnel_port *port;
	const struct tunnel_live *live;

	if (unlikely(vport == NULL)) {
		packet_drop(worker, NULL, DROP_STALE_VPORT, packet);
		return;
	}
	port = tunnel_port_of(vport);
	live = tunnel_live_of(port->owner);
	if (port->vni != 0) {
		go_out(worker, vport, live, packet);
		return;
	}
	share_note(&worker->sharing, port->owner->network);
	if (likely(packet_meta(packet)->gso != PACKET_GSO_UDP))
		come_in(worker, vport, live, packet);
	else
		come_in_cut(worker, vport, live, packet);
}

void
tunnel_input(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(packets[i], void *));
	for (unsigned i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(packets[i + PREFETCH_AHEAD], void *));
		process(worker, packets[i]);
	}
}
