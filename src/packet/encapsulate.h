/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Editing calls for tunnels: a whole frame becomes the payload of a UDP datagram, and back.
 * As packet/edit.h has it, but that an edit log does not hold them (EDIT_OVERFLOW).
 *
 * VXLAN (RFC 7348, section 5): Ethernet, IP, UDP and the VXLAN header in front of the frame.
 */
#ifndef WEFT_PACKET_ENCAPSULATE_H
#define WEFT_PACKET_ENCAPSULATE_H

#include "packet/packet.h"

#define VXLAN_HEADER_LENGTH 8
#define VXLAN_FLAG_VNI 0x08 /* in the first byte: the VNI is valid */
#define VXLAN_VNI_MAX 0xffffff
#define VXLAN_HOPS 64 /* TTL and hop limit */

/* Bytes in front of the frame, the outer Ethernet header included. */
#define VXLAN_OVERHEAD4 (14 + 20 + 8 + VXLAN_HEADER_LENGTH)
#define VXLAN_OVERHEAD6 (14 + 40 + 8 + VXLAN_HEADER_LENGTH)

struct vxlan_outer {
	uint8_t family;                         /* 4 or 6 */
	uint8_t class;                          /* TOS or traffic class: DSCP and ECN */
	uint16_t source_port, destination_port; /* host order */
	uint32_t vni;
	uint32_t flow_label;                 /* IPv6: 20 bits */
	const uint8_t *source, *destination; /* network order */
};

static inline unsigned
vxlan_overhead(uint8_t family)
{
	return family == 4 ? VXLAN_OVERHEAD4 : VXLAN_OVERHEAD6;
}

/* Whether edit_push_vxlan() takes a super-packet of this type whole. */
static inline bool
vxlan_takes_whole(uint8_t gso)
{
	return gso == PACKET_GSO_TCP4 || gso == PACKET_GSO_TCP6;
}

/*
 * Puts the headers in front. The outer MACs are zero: whoever sends it on a link writes them.
 * IPv4: no fragments (DF), and no UDP checksum; IPv6: with one. The frame's own checksum must
 * be finished, and the whole no longer than 65,535 bytes. A super-packet of TCP that holds
 * (offload_holds) becomes one in VXLAN, whose UDP checksum is made when it is cut; others must be
 * cut before.
 */
struct rte_mbuf *edit_push_vxlan(
	struct packet_pools *pools, struct rte_mbuf *packet, const struct vxlan_outer *outer);

/*
 * Takes the first `front` bytes away, and what is behind `length` further ones; the packet has
 * as many. What it was vouched for, or left undone, was of the outer headers, unless a partial
 * checksum lies in what is left. A super-packet in VXLAN is an ordinary one then; its headers
 * must be those that are taken away.
 */
struct rte_mbuf *edit_pop_outer(
	struct packet_pools *pools, struct rte_mbuf *packet, unsigned front, unsigned length);

#endif
