/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segmentation is our own: rte_gso of DPDK 22.11 knows no TCP over IPv6 and no UDP
 * segmentation, makes chains that few drivers here take, and leaves all checksums undone.
 */
#include "packet/offload.h"

#include "packet/checksum.h"
#include "packet/encapsulate.h"
#include "packet/layout.h"

#include <limits.h>
#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* A transport header behind this is nobody's; it bounds what finishing has to copy. */
#define CHECKSUM_REACH PACKET_SMALL_ROOM
#define SEGMENT_HEADERS_LIMIT 1024

/*
 * Where a transport header may begin at the earliest. Whoever finishes the checksum writes into
 * the frame, maybe long after a device has judged it by its MACs, tag and addresses: those
 * must be out of reach. 0: there is none.
 */
static unsigned
transport_first(const struct rte_mbuf *packet)
{
	struct ether_view view;
	const uint8_t *version;
	uint8_t copy;

	if (unlikely(parse_ether(packet, &view) != PARSE_OK))
		return 0;
	if (view.type == RTE_ETHER_TYPE_IPV6)
		return view.offset + sizeof(struct rte_ipv6_hdr);
	if (view.type != RTE_ETHER_TYPE_IPV4)
		return view.offset;
	version = rte_pktmbuf_read(packet, view.offset, 1, &copy);
	if (unlikely(version == NULL))
		return 0;
	return view.offset + RTE_MAX((*version & 0x0f) * 4u, sizeof(struct rte_ipv4_hdr));
}

static bool
checksum_from_header(struct rte_mbuf *packet, const struct virtio_net_hdr *header)
{
	struct packet_meta *meta = packet_meta(packet);
	unsigned end = (unsigned)header->csum_start + header->csum_offset + sizeof(uint16_t);
	unsigned first = transport_first(packet);

	if (first == 0 || header->csum_start < first || end > CHECKSUM_REACH ||
		end > rte_pktmbuf_pkt_len(packet))
		return false;
	meta->offload = PACKET_NEEDS_CHECKSUM;
	meta->checksum_start = header->csum_start;
	meta->checksum_offset = header->csum_offset;
	return true;
}

/* The super-packet must be what its type says, by its own headers. */
static bool
gso_fits(const struct packet_layout *layout, enum packet_gso gso)
{
	if (layout->l4 == PACKET_OFFSET_NONE || layout->fragment)
		return false;
	switch (gso) {
	case PACKET_GSO_TCP4:
		return layout->ethertype == RTE_ETHER_TYPE_IPV4 && layout->protocol == IPPROTO_TCP;
	case PACKET_GSO_TCP6:
		return layout->ethertype == RTE_ETHER_TYPE_IPV6 && layout->protocol == IPPROTO_TCP;
	case PACKET_GSO_UDP:
		return layout->protocol == IPPROTO_UDP;
	default:
		return false;
	}
}

/* The frame in a VXLAN datagram; offsets are those of the packet. False: none that is whole. */
static bool
layout_inside(const struct rte_mbuf *packet, const struct packet_layout *outer,
	struct packet_layout *inner)
{
	unsigned offset = outer->l4 + LAYOUT_UDP_LENGTH + VXLAN_HEADER_LENGTH;
	struct rte_mbuf view = *packet;

	if (outer->l4 == PACKET_OFFSET_NONE || outer->fragment || outer->protocol != IPPROTO_UDP ||
		offset + RTE_ETHER_HDR_LEN > rte_pktmbuf_data_len(packet))
		return false;
	view.data_off += (uint16_t)offset;
	view.data_len -= (uint16_t)offset;
	view.pkt_len -= offset;
	if (packet_layout(&view, inner) != PARSE_OK || inner->l4 == PACKET_OFFSET_NONE)
		return false;
	inner->l3 += (uint16_t)offset;
	inner->l4 += (uint16_t)offset;
	inner->end += offset;
	return inner->end <= outer->end;
}

/* What is cut: of the packet itself, or of the frame in it. False: it is not what gso says. */
static bool
layout_to_cut(const struct rte_mbuf *packet, const struct packet_layout *layout, uint8_t gso,
	struct packet_layout *cut)
{
	if (!packet_gso_is_vxlan(gso)) {
		*cut = *layout;
		return gso_fits(cut, gso);
	}
	return layout_inside(packet, layout, cut) && gso_fits(cut, packet_gso_inside(gso));
}

static unsigned
gso_checksum_offset(enum packet_gso gso)
{
	return gso == PACKET_GSO_UDP ? offsetof(struct rte_udp_hdr, dgram_cksum)
				     : offsetof(struct rte_tcp_hdr, cksum);
}

static bool
gso_from_header(struct rte_mbuf *packet, const struct virtio_net_hdr *header)
{
	struct packet_meta *meta = packet_meta(packet);
	struct packet_layout layout, cut;
	enum packet_gso gso;

	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		gso = PACKET_GSO_TCP4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		gso = PACKET_GSO_TCP6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		gso = PACKET_GSO_UDP;
		break;
	default: /* UFO, too: it is not offered to anyone */
		return false;
	}
	if (header->gso_size == 0 || packet_layout(packet, &layout) != PARSE_OK)
		return false;
	/* what says TCP, and is UDP, is of a tunnel, whose sender leaves the checksum inside undone
	 */
	if (gso != PACKET_GSO_UDP && layout.protocol == IPPROTO_UDP &&
		(meta->offload & PACKET_NEEDS_CHECKSUM))
		gso = gso == PACKET_GSO_TCP4 ? PACKET_GSO_VXLAN_TCP4 : PACKET_GSO_VXLAN_TCP6;
	if (!layout_to_cut(packet, &layout, gso, &cut) ||
		cut.l4 + cut.l4_length > SEGMENT_HEADERS_LIMIT)
		return false;
	if ((meta->offload & PACKET_NEEDS_CHECKSUM) &&
		(meta->checksum_start != cut.l4 ||
			meta->checksum_offset != gso_checksum_offset(gso)))
		return false;
	meta->gso = gso;
	meta->gso_size = header->gso_size;
	/* hdr_len is a hint that senders get wrong (virtio 1.2, 5.1.6.2): our own instead */
	meta->header_length = cut.l4 + cut.l4_length;
	if (header->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		meta->flags |= PACKET_GSO_ECN;
	meta->l3 = layout.l3;
	meta->l4 = layout.l4;
	meta->ethertype = layout.ethertype;
	meta->protocol = layout.protocol;
	meta->flags |= PACKET_PARSED;
	return true;
}

bool
offload_from_header(struct rte_mbuf *packet, const struct virtio_net_hdr *header)
{
	struct packet_meta *meta = packet_meta(packet);

	meta->offload = 0;
	meta->gso = PACKET_GSO_NONE;
	meta->flags &= (uint8_t)~PACKET_GSO_ECN;
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!checksum_from_header(packet, header))
			return false;
	} else if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		meta->offload = PACKET_CHECKSUM_GOOD;
	}
	if (likely(header->gso_type == VIRTIO_NET_HDR_GSO_NONE))
		return true;
	if (gso_from_header(packet, header))
		return true;
	meta->offload = 0;
	return false;
}

bool
offload_holds(const struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	struct packet_layout layout;

	return (meta->offload & PACKET_NEEDS_CHECKSUM) &&
	       packet_layout(packet, &layout) == PARSE_OK && gso_fits(&layout, meta->gso) &&
	       meta->checksum_start == layout.l4 &&
	       meta->header_length == layout.l4 + layout.l4_length;
}

void
offload_to_header(const struct rte_mbuf *packet, struct virtio_net_hdr *header)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);

	*header = (struct virtio_net_hdr){ 0 };
	if (meta->offload & PACKET_NEEDS_CHECKSUM) {
		header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header->csum_start = meta->checksum_start;
		header->csum_offset = meta->checksum_offset;
	} else if (meta->offload & PACKET_CHECKSUM_GOOD) {
		header->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (likely(meta->gso == PACKET_GSO_NONE))
		return;
	switch (meta->gso) {
	case PACKET_GSO_TCP4:
		header->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		break;
	case PACKET_GSO_TCP6:
		header->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
		break;
	default:
		header->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
		break;
	}
	if (meta->flags & PACKET_GSO_ECN)
		header->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	header->gso_size = meta->gso_size;
	header->hdr_len = meta->header_length;
}

/* Only UDP, told by its field's place, has a checksum that must not be zero (RFC 768). */
static uint16_t
finished(uint32_t sum, bool udp)
{
	uint16_t checksum = ~checksum_fold(sum);

	return udp && checksum == 0 ? 0xffff : checksum;
}

uint16_t
offload_checksum(const struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	unsigned start = meta->checksum_start;

	/* the field holds the pseudo-header's sum: so it is summed with the rest */
	return finished(checksum_sum_packet(packet, start, rte_pktmbuf_pkt_len(packet) - start),
		meta->checksum_offset == offsetof(struct rte_udp_hdr, dgram_cksum));
}

struct rte_mbuf *
offload_finish_checksum(struct packet_pools *pools, struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);
	unsigned field = meta->checksum_start + meta->checksum_offset;
	uint16_t checksum;

	if (!(meta->offload & PACKET_NEEDS_CHECKSUM))
		return packet;
	packet = packet_writable(pools, packet, field + sizeof(checksum), 0);
	if (unlikely(packet == NULL))
		return NULL;
	meta = packet_meta(packet);
	checksum = offload_checksum(packet);
	memcpy(rte_pktmbuf_mtod_offset(packet, void *, field), &checksum, sizeof(checksum));
	meta->offload = PACKET_CHECKSUM_GOOD;
	return packet;
}

/* ---- segmentation ---------------------------------------------------------------------- */

struct segmentation {
	struct packet_layout layout; /* of what is cut */
	struct packet_layout outer;  /* of the packet, as its metadata has it; vxlan: in front */
	bool vxlan, outer_checksum;
	uint16_t outer_id;
	const uint8_t *headers; /* of the super-packet, contiguous */
	unsigned header_length, payload, size, count;
	uint16_t ip_id;
	uint32_t sequence;
	bool checksum; /* segments carry a transport checksum */
};

static void
segment_network(const struct packet_layout *layout, uint8_t *frame, uint16_t ip_id, unsigned length)
{
	uint8_t *header = frame + layout->l3;

	if (layout->ethertype == RTE_ETHER_TYPE_IPV4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)header;

		ip->total_length = rte_cpu_to_be_16(length - layout->l3);
		ip->packet_id = rte_cpu_to_be_16(ip_id);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = ~checksum_fold(checksum_sum(ip, layout->l3_length));
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)header;

		ip->payload_len = rte_cpu_to_be_16(length - layout->l3 - sizeof(*ip));
	}
}

/* RFC 9293, 3.1; CWR goes with the first segment only (RFC 3168, 6.1.2). */
static void
segment_tcp(const struct segmentation *plan, struct rte_tcp_hdr *tcp, unsigned index)
{
	tcp->sent_seq = rte_cpu_to_be_32(plan->sequence + index * plan->size);
	if (index > 0)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (index + 1 < plan->count)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
}

/* RFC 9293, 3.1 and RFC 8200, 8.1. */
static uint32_t
pseudo_header_sum(const struct packet_layout *layout, const uint8_t *frame, unsigned length)
{
	const uint8_t *ip = frame + layout->l3;
	uint32_t sum = rte_cpu_to_be_16(layout->protocol) + rte_cpu_to_be_16(length);

	if (layout->ethertype == RTE_ETHER_TYPE_IPV4)
		return sum + checksum_sum(ip + offsetof(struct rte_ipv4_hdr, src_addr), 8);
	return sum + checksum_sum(ip + offsetof(struct rte_ipv6_hdr, src_addr), 32);
}

static void
segment_transport(const struct segmentation *plan, uint8_t *frame, unsigned index, unsigned length)
{
	uint8_t *header = frame + plan->layout.l4;
	bool udp = plan->layout.protocol == IPPROTO_UDP;
	uint16_t *field;
	uint32_t sum;

	length -= plan->layout.l4;
	if (udp) {
		struct rte_udp_hdr *datagram = (struct rte_udp_hdr *)header;

		datagram->dgram_len = rte_cpu_to_be_16(length);
		field = &datagram->dgram_cksum;
	} else {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)header;

		segment_tcp(plan, tcp, index);
		field = &tcp->cksum;
	}
	if (!plan->checksum)
		return;
	*field = 0;
	sum = pseudo_header_sum(&plan->layout, frame, length) + checksum_sum(header, length);
	*field = finished(sum, udp);
}

/* The headers in front of a frame in VXLAN, which is finished. */
static void
segment_outer(const struct segmentation *plan, uint8_t *frame, unsigned index, unsigned length)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(frame + plan->outer.l4);
	unsigned datagram = length - plan->outer.l4;

	segment_network(&plan->outer, frame, (uint16_t)(plan->outer_id + index), length);
	udp->dgram_len = rte_cpu_to_be_16(datagram);
	if (!plan->outer_checksum)
		return;
	udp->dgram_cksum = 0;
	udp->dgram_cksum = finished(pseudo_header_sum(&plan->outer, frame, datagram) +
					    checksum_fold(checksum_sum(udp, datagram)),
		true);
}

/* What of the super-packet's payload has not been copied yet. */
struct reader {
	const struct rte_mbuf *segment;
	unsigned offset;
};

static struct reader
read_from(const struct rte_mbuf *packet, unsigned offset)
{
	while (offset > rte_pktmbuf_data_len(packet)) {
		offset -= rte_pktmbuf_data_len(packet);
		packet = packet->next;
	}
	return (struct reader){ .segment = packet, .offset = offset };
}

static void
read_on(struct reader *reader, uint8_t *to, unsigned length)
{
	while (length > 0) {
		unsigned n = rte_pktmbuf_data_len(reader->segment) - reader->offset;

		if (n == 0) {
			reader->segment = reader->segment->next;
			reader->offset = 0;
			continue;
		}
		n = RTE_MIN(n, length);
		memcpy(to,
			rte_pktmbuf_mtod_offset(reader->segment, const uint8_t *, reader->offset),
			n);
		reader->offset += n;
		to += n;
		length -= n;
	}
}

static struct rte_mbuf *
make_segment(struct packet_pools *pools, const struct rte_mbuf *packet,
	const struct segmentation *plan, struct reader *reader, unsigned index)
{
	unsigned payload = RTE_MIN(plan->size, plan->payload - index * plan->size);
	unsigned length = plan->header_length + payload;
	struct rte_mbuf *segment =
		rte_pktmbuf_alloc(length <= PACKET_SMALL_ROOM ? pools->small : pools->large);
	struct packet_meta *meta;
	uint8_t *frame;

	if (unlikely(segment == NULL))
		return NULL;
	frame = rte_pktmbuf_mtod(segment, uint8_t *);
	memcpy(frame, plan->headers, plan->header_length);
	read_on(reader, frame + plan->header_length, payload);
	segment->data_len = length;
	segment->pkt_len = length;
	segment->port = packet->port;
	segment_network(&plan->layout, frame, (uint16_t)(plan->ip_id + index), length);
	segment_transport(plan, frame, index, length);
	if (plan->vxlan)
		segment_outer(plan, frame, index, length);

	meta = packet_meta(segment);
	*meta = *packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	meta->gso = PACKET_GSO_NONE;
	meta->gso_size = 0;
	meta->offload = plan->checksum ? PACKET_CHECKSUM_GOOD : 0;
	meta->flags &= (uint8_t)~PACKET_GSO_ECN;
	meta->l3 = plan->outer.l3;
	meta->l4 = plan->outer.l4;
	meta->ethertype = plan->outer.ethertype;
	meta->protocol = plan->outer.protocol;
	meta->flags |= PACKET_PARSED;
	return segment;
}

/* The frame may have changed since it came in: nothing is taken from then. */
static bool
make_plan(const struct rte_mbuf *packet, struct segmentation *plan, uint8_t *copy, unsigned limit)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	const struct packet_layout *layout = &plan->layout;
	const uint8_t *network, *transport;

	if (packet_layout(packet, &plan->outer) != PARSE_OK || meta->gso_size == 0 ||
		!layout_to_cut(packet, &plan->outer, meta->gso, &plan->layout))
		return false;
	plan->vxlan = packet_gso_is_vxlan(meta->gso);
	plan->header_length = layout->l4 + layout->l4_length;
	plan->payload = layout->end - plan->header_length;
	plan->size = meta->gso_size;
	plan->count = plan->payload == 0 ? 1 : (plan->payload + plan->size - 1) / plan->size;
	if (plan->header_length > SEGMENT_HEADERS_LIMIT || plan->count > limit ||
		plan->header_length + RTE_MIN(plan->size, plan->payload) > PACKET_LARGE_ROOM)
		return false;
	plan->headers = rte_pktmbuf_read(packet, 0, plan->header_length, copy);
	network = plan->headers + layout->l3;
	transport = plan->headers + layout->l4;
	if (plan->vxlan) {
		const uint8_t *outer = plan->headers + plan->outer.l3;

		plan->outer_id = parse_u16(outer + offsetof(struct rte_ipv4_hdr, packet_id));
		outer = plan->headers + plan->outer.l4;
		plan->outer_checksum =
			parse_u16(outer + offsetof(struct rte_udp_hdr, dgram_cksum)) != 0;
	}
	plan->ip_id = parse_u16(network + offsetof(struct rte_ipv4_hdr, packet_id));
	plan->checksum = true;
	if (meta->gso == PACKET_GSO_UDP)
		plan->checksum = (meta->offload & PACKET_NEEDS_CHECKSUM) ||
				 parse_u16(transport + offsetof(struct rte_udp_hdr, dgram_cksum));
	else
		plan->sequence =
			(uint32_t)parse_u16(transport + 4) << 16 | parse_u16(transport + 6);
	return true;
}

unsigned
offload_segment(struct packet_pools *pools, struct rte_mbuf *packet, struct rte_mbuf **segments,
	unsigned limit, bool *no_buffer)
{
	uint8_t copy[SEGMENT_HEADERS_LIMIT];
	struct segmentation plan = { 0 };
	struct reader reader;
	unsigned made = 0;

	*no_buffer = false;
	if (make_plan(packet, &plan, copy, limit)) {
		reader = read_from(packet, plan.header_length);
		while (made < plan.count) {
			segments[made] = make_segment(pools, packet, &plan, &reader, made);
			if (unlikely(segments[made] == NULL))
				break;
			made++;
		}
		if (unlikely(made < plan.count)) {
			rte_pktmbuf_free_bulk(segments, made);
			made = 0;
			*no_buffer = true;
		}
	}
	rte_pktmbuf_free(packet);
	return made;
}

struct rte_mbuf *
offload_first_segment(struct packet_pools *pools, const struct rte_mbuf *packet)
{
	uint8_t copy[SEGMENT_HEADERS_LIMIT];
	struct segmentation plan = { 0 };
	struct reader reader;

	if (!make_plan(packet, &plan, copy, UINT_MAX))
		return NULL;
	reader = read_from(packet, plan.header_length);
	return make_segment(pools, packet, &plan, &reader, 0);
}

unsigned
offload_wire_length(struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);
	unsigned length = rte_pktmbuf_pkt_len(packet);
	struct ether_view view;

	if (parse_ether(packet, &view) != PARSE_OK)
		return length;
	if (unlikely(meta->gso != PACKET_GSO_NONE))
		length = RTE_MIN(length, (unsigned)meta->header_length + meta->gso_size);
	return length - RTE_MIN(length, view.offset);
}
