/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the headers of a packet are, worked out from its bytes alone: what packet_parse()
 * keeps in the metadata, and what only this room needs.
 */
#ifndef WEFT_PACKET_LAYOUT_H
#define WEFT_PACKET_LAYOUT_H

#include "packet/parse.h"

#define LAYOUT_TCP_LENGTH 20 /* least length of a TCP header */
#define LAYOUT_UDP_LENGTH 8  /* of UDP, UDP-Lite, and of ICMP as far as it concerns us */

struct packet_layout {
	uint16_t l3;        /* behind MACs and tags */
	uint16_t l4;        /* PACKET_OFFSET_NONE: there is none that is whole */
	uint16_t ethertype; /* behind the tags */
	uint16_t l3_length; /* IPv4 header with options, or IPv6 without; 0: not IP, malformed */
	uint16_t l4_length; /* TCP with options; 8 for UDP and ICMP; 0 for others */
	uint8_t protocol;
	bool fragment; /* the first one, too */
	uint32_t end;  /* where the IP packet ends, padding not counted; l3_length > 0 */
};

/* Bytes that a transport header must have at least; 1 for protocols that are not known. */
unsigned layout_transport_least(uint8_t protocol);

enum parse_result packet_layout(const struct rte_mbuf *packet, struct packet_layout *layout);

#endif
