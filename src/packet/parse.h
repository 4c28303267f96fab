/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading headers. Lengths are checked before they are used, against the first segment of
 * the packet where the headers are (packet_parse copies headers together if a sender split
 * them over segments).
 */
#ifndef WEFT_PACKET_PARSE_H
#define WEFT_PACKET_PARSE_H

#include "base/hash.h"
#include "packet/packet.h"

enum parse_result {
	PARSE_OK,
	PARSE_TOO_SHORT,    /* no whole Ethernet header */
	PARSE_BAD_VLAN_TAG, /* a tag is cut off */
};

/* The outer frame only: MACs and tags. */
struct ether_view {
	const uint8_t *destination, *source;
	uint16_t type;          /* behind the tags, host order */
	uint16_t offset;        /* of what is behind the tags and the type */
	uint8_t n_tags;         /* 0x8100 and 0x88a8, at most 8 are looked through */
	uint16_t tci, tag_type; /* of the outermost tag, host order; n_tags > 0 */
};
enum parse_result parse_ether(const struct rte_mbuf *packet, struct ether_view *view);

/*
 * Fills l3, l4, ethertype and protocol of the metadata (PACKET_PARSED). A network or
 * transport header that is cut off or malformed leaves l4 PACKET_OFFSET_NONE: that is for
 * the device to judge, not an error here. Fragments other than the first have no l4.
 */
enum parse_result packet_parse(struct rte_mbuf *packet);

/*
 * The flow hash, keyed: the same for both directions of a connection never matters, for
 * packets of one flow always. Computed when first asked for, then kept in the metadata.
 */
uint32_t packet_flow_hash(struct rte_mbuf *packet, const struct hash_key *key);

/* One line for people: "10.0.0.1:1234 > 10.0.0.2:80 tcp S, 74 bytes"; always terminated. */
void packet_describe(const struct rte_mbuf *packet, char *text, size_t size);

#endif
