/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bundles: many VXLAN datagrams of one flow as one UDP super-datagram (PACKET_GSO_UDP), which
 * goes through the kernel in one piece, as far as everybody on its way can take it:
 *
 *	Ethernet, IP, UDP | VXLAN, Ethernet, IP, TCP, payload | VXLAN, Ethernet, IP, ... | ...
 *
 * Every piece but the last is gso_size bytes long, and with the headers in front the datagram
 * that it would be alone: whoever cuts the bundle, as UDP segmentation has it, needs to know
 * nothing of VXLAN. The datagrams have UDP checksums (RFC 7348, 5 permits right ones), since
 * UDP segmentation asks for them; they are left undone as long as the bundle is whole.
 */
#ifndef WEFT_PACKET_BUNDLE_H
#define WEFT_PACKET_BUNDLE_H

#include "packet/packet.h"

/*
 * Makes bundles of a super-packet in VXLAN (PACKET_GSO_VXLAN_*), as few as their lengths allow,
 * each a chain with a partial checksum and the super-packet's metadata. What does not make a
 * bundle of two is a datagram. Returns how many; limit, 0, *no_buffer, and that it frees the
 * super-packet: as offload_segment().
 */
unsigned bundle_make(struct packet_pools *pools, struct rte_mbuf *packet, struct rte_mbuf **made,
	unsigned limit, bool *no_buffer);

/*
 * Takes a UDP super-datagram to a tunnel's port apart: where several pieces in turn are what a
 * TCP super-packet would be cut into, they become one in VXLAN (PACKET_GSO_VXLAN_*) again, their
 * TCP checksums checked; all others a datagram each, whatever is in it. Cutting the result gives
 * the datagrams that cutting the super-datagram would, but for what differs among them in front
 * of the VXLAN header: IPv4's ID, and the UDP checksum. Returns how many packets, each with the
 * super-datagram's metadata, in order; at most `limit` pieces; 0, *no_buffer, and that it frees
 * the super-datagram: as offload_segment().
 */
unsigned bundle_take_apart(struct packet_pools *pools, struct rte_mbuf *packet,
	struct rte_mbuf **parts, unsigned limit, bool *no_buffer);

#endif
