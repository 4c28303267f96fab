/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/dpdk_offload.h"

#include "packet/offload.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* What says how an mbuf holds its bytes, and is not about the packet. */
#define MEMORY_FLAGS (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)

uint32_t
dpdk_offload_capabilities(uint64_t transmit_offloads)
{
	const uint64_t checksums = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t segmenting = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
				    RTE_ETH_TX_OFFLOAD_MULTI_SEGS | checksums;
	uint32_t offloads = 0;

	if (transmit_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		offloads |= NIC_OFFLOAD_CHAINS;
	if ((transmit_offloads & checksums) == checksums)
		offloads |= NIC_OFFLOAD_CHECKSUM;
	if ((transmit_offloads & segmenting) == segmenting)
		offloads |= NIC_OFFLOAD_TSO4 | NIC_OFFLOAD_TSO6;
	return offloads;
}

bool
dpdk_offload_received(struct rte_mbuf **packet)
{
	uint64_t flags = (*packet)->ol_flags;

	(*packet)->ol_flags &= MEMORY_FLAGS;
	if ((flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		packet_meta(*packet)->offload = PACKET_CHECKSUM_GOOD;
	if (!(flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
		return true;
	if (rte_pktmbuf_data_len(*packet) >= RTE_ETHER_HDR_LEN && rte_vlan_insert(packet) == 0) {
		(*packet)->ol_flags &= MEMORY_FLAGS;
		return true;
	}
	rte_pktmbuf_free(*packet);
	return false;
}

/*
 * A super-packet: the device wants the pseudo-header sum without the length, and for IPv4
 * an empty header checksum (rte_mbuf_core.h, RTE_MBUF_F_TX_TCP_SEG).
 */
static bool
prepare_super(struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(packet, struct rte_tcp_hdr *, meta->l4);
	unsigned l4_length = (unsigned)(tcp->data_off >> 4) * 4;

	if (meta->gso == PACKET_GSO_UDP || l4_length < sizeof(*tcp) ||
		meta->l4 + l4_length >= rte_pktmbuf_pkt_len(packet))
		return false;
	packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	packet->l4_len = l4_length;
	packet->tso_segsz = meta->gso_size;
	if (meta->gso == PACKET_GSO_TCP4) {
		struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(packet, struct rte_ipv4_hdr *, meta->l3);

		packet->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		ip->hdr_checksum = 0;
		tcp->cksum = rte_ipv4_phdr_cksum(ip, packet->ol_flags);
	} else {
		tcp->cksum = rte_ipv6_phdr_cksum(
			rte_pktmbuf_mtod_offset(packet, struct rte_ipv6_hdr *, meta->l3),
			packet->ol_flags);
	}
	return true;
}

/* The transport checksum as a device does it: TCP's and UDP's. */
static bool
fits_device(const struct packet_meta *meta)
{
	unsigned offset = meta->protocol == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
			  : meta->protocol == IPPROTO_UDP
				  ? offsetof(struct rte_udp_hdr, dgram_cksum)
				  : UINT16_MAX;

	return meta->l4 != PACKET_OFFSET_NONE && meta->checksum_start == meta->l4 &&
	       meta->checksum_offset == offset;
}

/* NULL: freed; `reason` tells why. */
static struct rte_mbuf *
prepare(struct worker *worker, struct rte_mbuf *packet, enum drop_reason *reason)
{
	struct packet_meta *meta = packet_meta(packet);

	if (!(meta->flags & PACKET_PARSED))
		packet_parse(packet);
	*reason = DROP_NO_BUFFER;
	if (!fits_device(meta)) {
		if (meta->gso == PACKET_GSO_NONE)
			return offload_finish_checksum(&worker->pools, packet);
		goto refused;
	}
	packet = packet_writable(&worker->pools, packet, packet_header_bytes(packet), 0);
	if (packet == NULL)
		return NULL;
	meta = packet_meta(packet);
	packet->l2_len = meta->l3;
	packet->l3_len = (uint16_t)(meta->l4 - meta->l3);
	packet->ol_flags |=
		meta->ethertype == RTE_ETHER_TYPE_IPV4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	packet->ol_flags |=
		meta->protocol == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (meta->gso == PACKET_GSO_NONE || prepare_super(packet))
		return packet;
refused:
	*reason = DROP_BAD_OFFLOAD;
	rte_pktmbuf_free(packet);
	return NULL;
}

unsigned
dpdk_offload_transmit(struct worker *worker, struct weft_nic *nic, uint16_t port, uint16_t queue,
	struct rte_mbuf **packets, unsigned count)
{
	unsigned kept = 0, ready = 0;

	for (unsigned i = 0; i < count; i++) {
		enum drop_reason reason;
		struct rte_mbuf *packet = packets[i];

		if (packet_meta(packet)->offload & PACKET_NEEDS_CHECKSUM)
			packet = prepare(worker, packet, &reason);
		if (packet != NULL)
			packets[kept++] = packet;
		else
			nic_receive_drop(worker, nic, reason);
	}
	/* what the device itself needs, or will not take */
	while (ready < kept) {
		ready += rte_eth_tx_prepare(port, queue, packets + ready, (uint16_t)(kept - ready));
		if (ready < kept) {
			nic_transmit_drop(worker, nic, DROP_TRANSMIT_FAILED, packets[ready]);
			kept--;
			for (unsigned i = ready; i < kept; i++)
				packets[i] = packets[i + 1];
		}
	}
	return kept;
}
