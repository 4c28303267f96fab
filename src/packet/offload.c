/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/offload.h"

#include "packet/checksum.h"
#include "packet/segment.h"

#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* A transport header behind this is nobody's; it bounds what finishing has to copy. */
#define CHECKSUM_REACH PACKET_SMALL_ROOM
/* What may be put in front of a super-packet on its way: a tunnel's headers, and tags. */
#define PUSHED_LIMIT 128

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
	if (!segment_layout(packet, &layout, gso, &cut) ||
		cut.l4 + cut.l4_length > SEGMENT_HEADERS_LIMIT - PUSHED_LIMIT)
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
	struct packet_layout layout, cut;

	return (meta->offload & PACKET_NEEDS_CHECKSUM) &&
	       packet_layout(packet, &layout) == PARSE_OK &&
	       segment_layout(packet, &layout, meta->gso, &cut) && meta->checksum_start == cut.l4 &&
	       meta->header_length == cut.l4 + cut.l4_length;
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

uint16_t
offload_checksum(const struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	unsigned start = meta->checksum_start;

	/* the field holds the pseudo-header's sum: so it is summed with the rest */
	return segment_checksum(
		checksum_sum_packet(packet, start, rte_pktmbuf_pkt_len(packet) - start),
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
