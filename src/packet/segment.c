/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segmentation is our own: rte_gso of DPDK 22.11 knows no TCP over IPv6 and no UDP
 * segmentation, makes chains that few drivers here take, and leaves all checksums undone.
 */
#include "packet/segment.h"

#include "packet/checksum.h"
#include "packet/encapsulate.h"
#include "packet/offload.h"

#include <limits.h>
#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

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

bool
segment_layout(const struct rte_mbuf *packet, const struct packet_layout *layout, uint8_t gso,
	struct packet_layout *cut)
{
	if (!packet_gso_is_vxlan(gso)) {
		*cut = *layout;
		return gso_fits(cut, gso);
	}
	return layout_inside(packet, layout, cut) && gso_fits(cut, packet_gso_inside(gso));
}

void
segment_write_network(
	const struct packet_layout *layout, uint8_t *frame, uint16_t ip_id, unsigned length)
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

uint16_t
segment_checksum(uint32_t sum, bool udp)
{
	uint16_t checksum = ~checksum_fold(sum);

	return udp && checksum == 0 ? 0xffff : checksum;
}

uint32_t
segment_pseudo_header(const struct packet_layout *layout, const uint8_t *frame, unsigned length)
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
	unsigned field = udp ? offsetof(struct rte_udp_hdr, dgram_cksum)
			     : offsetof(struct rte_tcp_hdr, cksum);
	uint16_t checksum = 0;

	length -= plan->layout.l4;
	if (udp)
		((struct rte_udp_hdr *)header)->dgram_len = rte_cpu_to_be_16(length);
	else
		segment_tcp(plan, (struct rte_tcp_hdr *)header, index);
	if (!plan->checksum)
		return;
	/* a frame may begin at any byte */
	memcpy(header + field, &checksum, sizeof(checksum));
	checksum = segment_checksum(
		segment_pseudo_header(&plan->layout, frame, length) + checksum_sum(header, length),
		udp);
	memcpy(header + field, &checksum, sizeof(checksum));
}

unsigned
segment_write(const struct segmentation *plan, struct segment_reader *reader, unsigned index,
	uint8_t *frame)
{
	unsigned payload = RTE_MIN(plan->size, plan->payload - index * plan->size);
	unsigned length = plan->header_length + payload;

	memcpy(frame, plan->headers, plan->header_length);
	segment_read(reader, frame + plan->header_length, payload);
	segment_write_network(&plan->layout, frame, (uint16_t)(plan->ip_id + index), length);
	segment_transport(plan, frame, index, length);
	return length;
}

/* The headers in front of a frame in VXLAN, which is finished. */
static void
segment_outer(const struct segmentation *plan, uint8_t *frame, unsigned index, unsigned length)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(frame + plan->outer.l4);
	unsigned datagram = length - plan->outer.l4;

	segment_write_network(&plan->outer, frame, (uint16_t)(plan->outer_id + index), length);
	udp->dgram_len = rte_cpu_to_be_16(datagram);
	if (!plan->outer_checksum)
		return;
	udp->dgram_cksum = 0;
	udp->dgram_cksum = segment_checksum(segment_pseudo_header(&plan->outer, frame, datagram) +
						    checksum_fold(checksum_sum(udp, datagram)),
		true);
}

struct segment_reader
segment_read_from(const struct rte_mbuf *packet, unsigned offset)
{
	while (offset > rte_pktmbuf_data_len(packet)) {
		offset -= rte_pktmbuf_data_len(packet);
		packet = packet->next;
	}
	return (struct segment_reader){ .segment = packet, .offset = offset };
}

void
segment_read(struct segment_reader *reader, uint8_t *to, unsigned length)
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

struct rte_mbuf *
segment_make(struct packet_pools *pools, const struct rte_mbuf *packet,
	const struct segmentation *plan, struct segment_reader *reader, unsigned index)
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
	segment_write(plan, reader, index, frame);
	segment->data_len = length;
	segment->pkt_len = length;
	segment->port = packet->port;
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

bool
segment_plan(const struct rte_mbuf *packet, struct segmentation *plan,
	uint8_t copy[SEGMENT_HEADERS_LIMIT], unsigned limit)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	const struct packet_layout *layout = &plan->layout;
	const uint8_t *network, *transport;

	if (packet_layout(packet, &plan->outer) != PARSE_OK || meta->gso_size == 0 ||
		!segment_layout(packet, &plan->outer, meta->gso, &plan->layout))
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
	struct segment_reader reader;
	unsigned made = 0;

	*no_buffer = false;
	if (segment_plan(packet, &plan, copy, limit)) {
		reader = segment_read_from(packet, plan.header_length);
		while (made < plan.count) {
			segments[made] = segment_make(pools, packet, &plan, &reader, made);
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
	struct segment_reader reader;

	if (!segment_plan(packet, &plan, copy, UINT_MAX))
		return NULL;
	reader = segment_read_from(packet, plan.header_length);
	return segment_make(pools, packet, &plan, &reader, 0);
}
