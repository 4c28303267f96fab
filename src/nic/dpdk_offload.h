/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between what a packet's metadata says of offloads (the terms of virtio-net) and what DPDK's
 * mbuf flags say, both ways. Worker's thread.
 */
#ifndef WEFT_NIC_DPDK_OFFLOAD_H
#define WEFT_NIC_DPDK_OFFLOAD_H

#include "graph/nic.h"

#include <rte_ethdev.h>

/* What is asked of a device that has it. */
#define DPDK_TRANSMIT_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
		RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO | \
		RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

/* NIC_OFFLOAD_ bits for RTE_ETH_TX_OFFLOAD_ ones. */
uint32_t dpdk_offload_capabilities(uint64_t transmit_offloads);

/* Metadata that a received packet's mbuf flags ask for; a tag that the device stripped is put
 * back. False: drop no-buffer, the packet has been freed. */
bool dpdk_offload_received(struct rte_mbuf **packet);

/* Packets just received: returns how many are left. */
static inline unsigned
dpdk_offload_receive(
	struct worker *worker, struct weft_nic *nic, struct rte_mbuf **packets, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		packet_meta_reset(packets[i]);
		if (unlikely(packets[i]->ol_flags != 0) && !dpdk_offload_received(&packets[i])) {
			nic_receive_drop(worker, nic, DROP_NO_BUFFER);
			continue;
		}
		packets[kept++] = packets[i];
	}
	return kept;
}

/* Gives what is left undone in the packets to the device. Returns how many are left: those
 * that cannot be sent are dropped. */
unsigned dpdk_offload_transmit(struct worker *worker, struct weft_nic *nic, uint16_t port,
	uint16_t queue, struct rte_mbuf **packets, unsigned count);

#endif
