/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading headers. Lengths are checked before they are used. Headers may be spread over the
 * segments of a chain in any way (reading copies them together), but for the MACs and the
 * first type: a first segment without them is too short.
 */
#ifndef WEFT_PACKET_PARSE_H
#define WEFT_PACKET_PARSE_H

#include "base/hash.h"
#include "packet/packet.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <string.h>

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

#define PARSE_TAGS_LIMIT 8

/* Frames with more than one tag, cut-off ones and chains. */
enum parse_result parse_ether_slow(const struct rte_mbuf *packet, struct ether_view *view);

static inline bool
parse_is_tag(uint16_t type)
{
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ;
}

static inline uint16_t
parse_u16(const uint8_t *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return rte_be_to_cpu_16(value);
}

static inline enum parse_result
parse_ether(const struct rte_mbuf *packet, struct ether_view *view)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);
	uint16_t type;

	if (unlikely(rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN))
		return parse_ether_slow(packet, view);
	view->destination = frame;
	view->source = frame + RTE_ETHER_ADDR_LEN;
	type = parse_u16(frame + 2 * RTE_ETHER_ADDR_LEN);
	if (likely(!parse_is_tag(type))) {
		view->type = type;
		view->offset = RTE_ETHER_HDR_LEN;
		view->n_tags = 0;
		view->tci = view->tag_type = 0;
		return PARSE_OK;
	}
	view->tag_type = type;
	view->tci = parse_u16(frame + RTE_ETHER_HDR_LEN);
	view->type = parse_u16(frame + RTE_ETHER_HDR_LEN + 2);
	view->offset = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
	view->n_tags = 1;
	if (unlikely(parse_is_tag(view->type)))
		return parse_ether_slow(packet, view);
	return PARSE_OK;
}

/*
 * Fills l3, l4, ethertype and protocol of the metadata (PACKET_PARSED). A network or
 * transport header that is cut off or malformed leaves l4 PACKET_OFFSET_NONE: that is for
 * the device to judge, not an error here. Fragments other than the first have no l4. An
 * IPv6 packet's protocol is the one behind its extension headers.
 */
enum parse_result packet_parse(struct rte_mbuf *packet);

/* Of a parsed packet: bytes to the end of what the editing calls may write in it, for
 * packet_writable(). */
unsigned packet_header_bytes(const struct rte_mbuf *packet);

/*
 * The flow hash, keyed: the same for all packets of a flow in one direction, fragments among
 * themselves. Computed when first asked for, then kept in the metadata. Never 0.
 */
uint32_t packet_flow_hash(struct rte_mbuf *packet, const struct hash_key *key);

/* One line for people: "10.0.0.1:1234 > 10.0.0.2:80 tcp S, 74 bytes"; always terminated. */
void packet_describe(const struct rte_mbuf *packet, char *text, size_t size);

#endif
