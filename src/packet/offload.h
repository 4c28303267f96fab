/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a sender leaves undone (partial checksums, super-packets), in the terms of virtio-net:
 * reading its header without trusting it, writing it, and doing the work in software where
 * the next port cannot.
 *
 * A kernel's vxlan device leaves super-packets to the interface below it. virtio-net has no word
 * for those: they come with the type of what is inside. Here they have types of their own, as
 * have those that our tunnels make, so that a tunnel's end takes the headers off and has an
 * ordinary super-packet; whoever sends them on as they are cuts them, or makes bundles of them
 * (packet/bundle.h).
 */
#ifndef WEFT_PACKET_OFFLOAD_H
#define WEFT_PACKET_OFFLOAD_H

#include "packet/packet.h"

#include <linux/virtio_net.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5 /* since Linux 6.2; older headers lack it */
#endif

/* TUNSETVNETHDRSZ, PACKET_VNET_HDR: the 10-byte header (of 12 bytes the kernel misplaces). */
#define OFFLOAD_HEADER_SIZE sizeof(struct virtio_net_hdr)

/*
 * Takes what the header says into the packet's metadata, after checking it against the
 * frame: a checksum inside the packet and behind its network header, a GSO type that fits the
 * frame's own protocol, a segment size that is not zero. False: it lies (drop bad-offload).
 * Headers are little endian here as the kernel gives them on this machine (native).
 */
bool offload_from_header(struct rte_mbuf *packet, const struct virtio_net_hdr *header);

/* Whether a super-packet of TCP still is one by its own headers, its checksum undone: for who has
 * taken headers off it. */
bool offload_holds(const struct rte_mbuf *packet);

/* The header for sending the packet as it is. */
void offload_to_header(const struct rte_mbuf *packet, struct virtio_net_hdr *header);

/* Finishes a partial checksum in place. The packet must be writable there: returns the packet
 * or another head (see packet_writable); NULL: no buffer, freed. */
struct rte_mbuf *offload_finish_checksum(struct packet_pools *pools, struct rte_mbuf *packet);

/* What finishing would write into the field of a partial checksum, which the packet has. */
uint16_t offload_checksum(const struct rte_mbuf *packet);

/*
 * Cuts a super-packet into at most `limit` frames with finished checksums (RFC 9293 for what
 * each segment's flags and sequence numbers are; IP IDs count up), each a packet with the
 * super-packet's metadata. Returns how many; 0: it cannot be cut, since it is malformed or has
 * too many segments, or, with *no_buffer, for want of buffers. The super-packet is freed in
 * either case.
 */
unsigned offload_segment(struct packet_pools *pools, struct rte_mbuf *packet,
	struct rte_mbuf **segments, unsigned limit, bool *no_buffer);

/* The first of those frames, while the super-packet stays; NULL: it cannot be cut, or there
 * was no buffer. */
struct rte_mbuf *offload_first_segment(struct packet_pools *pools, const struct rte_mbuf *packet);

/* Bytes of the largest frame this becomes, without Ethernet header and tags: against an MTU. */
unsigned offload_wire_length(struct rte_mbuf *packet);

#endif
