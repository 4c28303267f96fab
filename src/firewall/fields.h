/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rules and connections look at of a packet, read once. Reading checks every length
 * before it uses it; headers may be spread over the segments of a chain in any way.
 *
 * IPv6 headers in front of the transport's are judged as their receiver would who knows no more
 * options than weft (ip6_find_upper): a routing header with segments left would let a packet go on
 * to somebody else than the one for whom it was judged.
 *
 * Transport checksums are not looked at: a sum over all of a packet costs more than everything
 * else here, partial ones (PACKET_NEEDS_CHECKSUM) are wrong by nature, and the receiver looks
 * itself. A damaged segment that passes moves what tcp_track() knows no further than a true one
 * could. Who answers a packet in its receiver's place looks first (tcp_reset()).
 */
#ifndef WEFT_FIREWALL_FIELDS_H
#define WEFT_FIREWALL_FIELDS_H

#include "packet/packet.h"

#include <string.h>

enum fields_result {
	FIELDS_OK,
	FIELDS_TOO_SHORT,    /* no whole Ethernet header */
	FIELDS_BAD_VLAN_TAG, /* a tag is cut off */
	/* version or lengths of the IP header or of one behind it are wrong, or one behind it
	 * cannot be followed */
	FIELDS_BAD_IP_HEADER,
	FIELDS_BAD_IP_CHECKSUM, /* of the IPv4 header */
	/* the transport header is cut off (of a first fragment, too: RFC 1858), or says what
	 * cannot be: TCP flags that no sender sets, a length behind the end of the packet */
	FIELDS_BAD_TRANSPORT,
};

struct fields {
	uint8_t family;   /* 4 or 6; 0: not IP, and what is below of IP is zero */
	uint8_t protocol; /* of what is behind extension headers */
	uint8_t dscp;
	uint8_t tcp_flags;           /* RTE_TCP_ bits */
	uint16_t ethertype;          /* behind the tags, host order */
	uint16_t vlan;               /* VID of the outermost tag; 0: none, or priority only */
	uint16_t from_port, to_port; /* host order; of has_ports. ICMP: type and code */
	uint16_t icmp_id;            /* of ICMP and ICMPv6 echo, request and reply */
	uint16_t l3, l4;             /* offsets; l4 PACKET_OFFSET_NONE: there is none to read */
	uint16_t l4_length;          /* from l4 to the end of the IP packet; padding is not of it */
	uint8_t from, to;            /* which ports of the firewall; the caller's to set */
	bool has_ports; /* TCP, UDP, UDP-Lite, SCTP, DCCP: ports. ICMP: type and code */
	bool fragment;  /* a fragment, the first one included */
	uint8_t to_mac[6], from_mac[6]; /* in the order of a frame */
	uint8_t from_ip[16], to_ip[16]; /* IPv4: the first four bytes, the rest zero */
};

/* Of an Ethernet frame; also fills the packet's own metadata (packet_parse). What is wrong with
 * a packet leaves those fields zero that could not be read. */
enum fields_result fields_read(struct rte_mbuf *packet, struct fields *fields);

static inline bool
fields_is_icmp(const struct fields *fields)
{
	return (fields->family == 4 && fields->protocol == 1) ||
	       (fields->family == 6 && fields->protocol == 58);
}

#endif
