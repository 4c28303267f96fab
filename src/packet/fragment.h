/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 fragmentation, on the way, too; and IPv6 fragmentation, which is for a packet's source
 * alone (RFC 8200, 4.5).
 */
#ifndef WEFT_PACKET_FRAGMENT_H
#define WEFT_PACKET_FRAGMENT_H

#include "packet/packet.h"

#define FRAGMENT_LEAST_MTU 68 /* RFC 791: every module forwards so much */

/*
 * Cuts a packet that has passed ip4_check() into at most `limit` frames whose IP packets have
 * at most `mtu` bytes, each with the packet's MACs, tags and metadata, in a buffer of its
 * own. Fragments are cut further in the same way (RFC 791, 3.2). Whether DF allows it is for
 * the caller to look at; the bit is passed on. A partial checksum is finished first; a
 * super-packet must have been segmented (offload_segment).
 *
 * Returns how many; 1: it fits as it is and is returned itself. 0: it cannot be cut (a
 * super-packet, too many fragments, an MTU below the least, an offset that ends behind
 * 65,535), or, with *no_buffer, for want of buffers. Unless returned, the packet is freed.
 */
unsigned fragment_ip4(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t l3,
	unsigned mtu, struct rte_mbuf **fragments, unsigned limit, bool *no_buffer);
/*
 * The same for a packet of weft's own that has passed ip6_check() and has no extension headers.
 * `id`: one that its source has not used of late between the two addresses; the MTU is at
 * least 1,280.
 */
unsigned fragment_ip6(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t l3,
	unsigned mtu, uint32_t id, struct rte_mbuf **fragments, unsigned limit, bool *no_buffer);

#endif
