/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cutting a super-packet, piece by piece, into memory of the caller's: what offload_segment() and
 * packet/bundle.h have in common. Of this room only.
 */
#ifndef WEFT_PACKET_SEGMENT_H
#define WEFT_PACKET_SEGMENT_H

#include "packet/layout.h"

#define SEGMENT_HEADERS_LIMIT 1024 /* in front of what is cut */

/* A place in a chain's bytes. */
struct segment_reader {
	const struct rte_mbuf *segment;
	unsigned offset;
};

struct segmentation {
	struct packet_layout layout; /* of what is cut */
	struct packet_layout outer;  /* of the packet, as its metadata has it; vxlan: in front */
	bool vxlan, outer_checksum;
	uint16_t outer_id;
	const uint8_t *headers; /* of the super-packet, contiguous */
	unsigned header_length, payload, size, count;
	uint16_t ip_id;
	uint32_t sequence;
	bool checksum; /* segments carry a transport checksum */
};

/* What is cut: of the packet itself, or of the frame in it. False: it is not what gso says. */
bool segment_layout(const struct rte_mbuf *packet, const struct packet_layout *layout, uint8_t gso,
	struct packet_layout *cut);

/*
 * How the packet is cut, by its own bytes: it may have changed since it came in. The headers stay
 * in the packet, or are copied to `copy`. False: malformed, or more than `limit` segments, or one
 * longer than PACKET_LARGE_ROOM.
 */
bool segment_plan(const struct rte_mbuf *packet, struct segmentation *plan,
	uint8_t copy[SEGMENT_HEADERS_LIMIT], unsigned limit);

/* Writes the headers and the payload of segment `index`, which the reader is at; returns how
 * many bytes: plan->header_length + plan->size, or less for the last. */
unsigned segment_write(const struct segmentation *plan, struct segment_reader *reader,
	unsigned index, uint8_t *frame);

/* The segment as a packet with the super-packet's metadata, headers of VXLAN in front with it.
 * NULL: no buffer. */
struct rte_mbuf *segment_make(struct packet_pools *pools, const struct rte_mbuf *packet,
	const struct segmentation *plan, struct segment_reader *reader, unsigned index);

/* Length, ID and checksum of the network header of a frame of `length` bytes. */
void segment_write_network(
	const struct packet_layout *layout, uint8_t *frame, uint16_t ip_id, unsigned length);

/* RFC 9293, 3.1 and RFC 8200, 8.1: not folded; length: of the transport header and behind. */
uint32_t segment_pseudo_header(
	const struct packet_layout *layout, const uint8_t *frame, unsigned length);

/* offset: inside the packet, or right behind it. */
struct segment_reader segment_read_from(const struct rte_mbuf *packet, unsigned offset);
void segment_read(struct segment_reader *reader, uint8_t *to, unsigned length);

/* Only UDP has a checksum that must not be zero (RFC 768). */
uint16_t segment_checksum(uint32_t sum, bool udp);

#endif
