/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pools that DPDK devices receive into: mbufs with our metadata in their private area,
 * as many as the device's descriptors and what is under way at once need.
 *
 * A device that goes leaves its pool behind: its packets may still sit in the transmit
 * descriptors of other devices, for as long as nothing else is sent there. So a pool is
 * given back here, and freed when all its packets have come home.
 *
 * Control or helper threads.
 */
#ifndef WEFT_NIC_DPDK_POOL_H
#define WEFT_NIC_DPDK_POOL_H

#include "graph/nic.h"

#include <rte_ethdev.h>

/* Bytes of a frame beside its MTU: Ethernet header, two tags, FCS. */
#define DPDK_FRAME_OVERHEAD 26

/* NULL: no memory, or a pcap file that cannot be read. nic->mtu is set. */
struct rte_mempool *dpdk_pool_take(struct weft_nic *nic, const struct rte_eth_dev_info *info,
	unsigned descriptors, struct weft_error *error);
/* The device has gone, and as many buffers with it: these do not come home. */
void dpdk_pool_give(struct weft *weft, struct rte_mempool *pool, unsigned lost);

#endif
