/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/encapsulate.h"

#include "packet/checksum.h"
#include "packet/edit.h"

#include <netinet/in.h>
#include <rte_udp.h>

#define FLAG_DF 0x4000

/* RFC 791; one datagram that is never cut needs no ID of its own (RFC 6864, 4.1). */
static void
write_ip4(uint8_t *at, const struct vxlan_outer *outer, unsigned length)
{
	struct rte_ipv4_hdr header = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = outer->class,
		.total_length = rte_cpu_to_be_16((uint16_t)length),
		.fragment_offset = RTE_BE16(FLAG_DF),
		.time_to_live = VXLAN_HOPS,
		.next_proto_id = IPPROTO_UDP,
	};

	memcpy(&header.src_addr, outer->source, sizeof(header.src_addr));
	memcpy(&header.dst_addr, outer->destination, sizeof(header.dst_addr));
	header.hdr_checksum = (uint16_t)~checksum_fold(checksum_sum(&header, sizeof(header)));
	memcpy(at, &header, sizeof(header));
}

static void
write_ip6(uint8_t *at, const struct vxlan_outer *outer, unsigned length)
{
	struct rte_ipv6_hdr header = {
		.vtc_flow = rte_cpu_to_be_32(
			6u << 28 | (uint32_t)outer->class << 20 | (outer->flow_label & 0xfffff)),
		.payload_len = rte_cpu_to_be_16((uint16_t)(length - sizeof(header))),
		.proto = IPPROTO_UDP,
		.hop_limits = VXLAN_HOPS,
	};

	memcpy(header.src_addr, outer->source, sizeof(header.src_addr));
	memcpy(header.dst_addr, outer->destination, sizeof(header.dst_addr));
	memcpy(at, &header, sizeof(header));
}

/* RFC 7348, 5: flags, 24 reserved bits, VNI, 8 reserved bits. */
static void
write_vxlan(uint8_t *at, uint32_t vni)
{
	const uint8_t header[VXLAN_HEADER_LENGTH] = { VXLAN_FLAG_VNI, 0, 0, 0, (uint8_t)(vni >> 16),
		(uint8_t)(vni >> 8), (uint8_t)vni, 0 };

	memcpy(at, header, sizeof(header));
}

/* RFC 8200, 8.1. Of a super-packet only what says that there is one: others are made for what it
 * is cut into. */
static uint16_t
checksum6(struct rte_mbuf *packet, const struct vxlan_outer *outer, unsigned l4)
{
	unsigned length = rte_pktmbuf_pkt_len(packet) - l4;
	uint32_t sum;
	uint16_t checksum;

	if (packet_meta(packet)->gso != PACKET_GSO_NONE)
		return 0xffff;
	sum = checksum_fold(checksum_sum_packet(packet, l4, length));
	sum += checksum_fold(checksum_sum(outer->source, 16));
	sum += checksum_fold(checksum_sum(outer->destination, 16));
	sum += rte_cpu_to_be_16((uint16_t)length) + rte_cpu_to_be_16(IPPROTO_UDP);
	checksum = (uint16_t)~checksum_fold(sum);
	return checksum != 0 ? checksum : 0xffff;
}

static void
write_outer(struct rte_mbuf *packet, const struct vxlan_outer *outer)
{
	unsigned ip_length =
		outer->family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	uint16_t ethertype = outer->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	unsigned l4 = RTE_ETHER_HDR_LEN + ip_length;
	unsigned length = rte_pktmbuf_pkt_len(packet);
	uint8_t *frame = rte_pktmbuf_mtod(packet, uint8_t *);
	struct rte_udp_hdr udp = {
		.src_port = rte_cpu_to_be_16(outer->source_port),
		.dst_port = rte_cpu_to_be_16(outer->destination_port),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(length - l4)),
	};
	struct packet_meta *meta = packet_meta(packet);

	memset(frame, 0, 2 * RTE_ETHER_ADDR_LEN);
	frame[12] = (uint8_t)(ethertype >> 8);
	frame[13] = (uint8_t)ethertype;
	if (outer->family == 4)
		write_ip4(frame + RTE_ETHER_HDR_LEN, outer, length - RTE_ETHER_HDR_LEN);
	else
		write_ip6(frame + RTE_ETHER_HDR_LEN, outer, length - RTE_ETHER_HDR_LEN);
	memcpy(frame + l4, &udp, sizeof(udp));
	write_vxlan(frame + l4 + sizeof(udp), outer->vni);
	if (outer->family == 6) {
		udp.dgram_cksum = checksum6(packet, outer, l4);
		memcpy(frame + l4, &udp, sizeof(udp));
	}
	meta->l3 = RTE_ETHER_HDR_LEN;
	meta->l4 = (uint16_t)l4;
	meta->ethertype = ethertype;
	meta->protocol = IPPROTO_UDP;
	meta->flags |= PACKET_PARSED;
}

/* What is left undone is so behind the new headers. */
static void
keep_super(struct packet_meta *meta, unsigned overhead)
{
	meta->gso = meta->gso == PACKET_GSO_TCP4 ? PACKET_GSO_VXLAN_TCP4 : PACKET_GSO_VXLAN_TCP6;
	meta->header_length += (uint16_t)overhead;
	meta->checksum_start += (uint16_t)overhead;
}

struct rte_mbuf *
edit_push_vxlan(
	struct packet_pools *pools, struct rte_mbuf *packet, const struct vxlan_outer *outer)
{
	unsigned overhead = vxlan_overhead(outer->family);
	struct packet_meta *meta;

	packet = packet_writable(pools, packet, 0, overhead);
	if (unlikely(packet == NULL))
		return NULL;
	packet->data_off -= (uint16_t)overhead;
	packet->data_len += (uint16_t)overhead;
	packet->pkt_len += overhead;
	meta = packet_meta(packet);
	if (vxlan_takes_whole(meta->gso))
		keep_super(meta, overhead);
	else
		meta->offload = 0;
	meta->flow_hash = 0;
	if (unlikely(meta->log != NULL))
		meta->log->what |= EDIT_OVERFLOW;
	write_outer(packet, outer);
	return packet;
}

/* The checksum that is to be finished is inside. */
static bool
is_within(const struct packet_meta *meta, unsigned front, unsigned length)
{
	return (meta->offload & PACKET_NEEDS_CHECKSUM) &&
	       meta->checksum_start >= front + RTE_ETHER_HDR_LEN &&
	       meta->checksum_start + meta->checksum_offset + sizeof(uint16_t) <= front + length;
}

struct rte_mbuf *
edit_pop_outer(struct packet_pools *pools, struct rte_mbuf *packet, unsigned front, unsigned length)
{
	struct packet_meta *meta;

	packet = packet_writable(
		pools, packet, front + RTE_MIN(length, (unsigned)RTE_ETHER_HDR_LEN), 0);
	if (unlikely(packet == NULL))
		return NULL;
	packet_trim(packet, front + length);
	rte_pktmbuf_adj(packet, (uint16_t)front);
	meta = packet_meta(packet);
	if (is_within(meta, front, length))
		meta->checksum_start -= (uint16_t)front;
	else
		meta->offload = 0;
	if (packet_gso_is_vxlan(meta->gso)) {
		meta->gso = packet_gso_inside(meta->gso);
		meta->header_length -= (uint16_t)front;
	}
	meta->flags &= (uint8_t)~PACKET_PARSED;
	meta->flow_hash = 0;
	if (unlikely(meta->log != NULL))
		meta->log->what |= EDIT_OVERFLOW;
	return packet;
}
