/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The editing calls: the only code that changes a packet's bytes. Each does its incremental
 * checksum work (RFC 1624; a zero UDP checksum stays zero, a zero result becomes 0xffff; a
 * partial checksum takes the address delta only), keeps the metadata's offsets right, and
 * notes itself in the packet's edit log if one is being kept.
 *
 * Calls that need room or private bytes return the packet, or another head in its place, or
 * NULL when there was no buffer (then the packet has been freed). The others need a packet
 * that packet_writable() has made writable as far as its transport header.
 */
#ifndef WEFT_PACKET_EDIT_H
#define WEFT_PACKET_EDIT_H

#include "packet/packet.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <string.h>

/* What of a packet was changed; bits of edit_log.what. */
#define EDIT_ETHER_SOURCE 0x0001
#define EDIT_ETHER_DESTINATION 0x0002
#define EDIT_VLAN 0x0004 /* tags pushed, popped or rewritten */
#define EDIT_IP_SOURCE 0x0008
#define EDIT_IP_DESTINATION 0x0010
#define EDIT_TTL 0x0020
#define EDIT_DSCP 0x0040
#define EDIT_L4_SOURCE 0x0080
#define EDIT_L4_DESTINATION 0x0100
#define EDIT_MSS 0x0200
#define EDIT_OVERFLOW 0x8000 /* an edit that the log cannot hold: do not record this walk */

#define EDIT_LOG_TAGS 2

/*
 * Merged as they come: two rewrites of a field are one, a push and its pop are none. What is
 * not marked in `what` was not changed. All values in network byte order.
 */
struct edit_log {
	uint16_t what;
	uint8_t popped;               /* tags of the original frame that are gone */
	uint8_t pushed;               /* tags in `tags`, outermost first */
	uint16_t tags[EDIT_LOG_TAGS]; /* TCIs */
	uint16_t tag_types[EDIT_LOG_TAGS];
	uint8_t ttl_decrement;
	uint8_t dscp;
	uint16_t l4_source, l4_destination;
	uint16_t mss; /* the least that a SYN's was clamped to */
	struct rte_ether_addr ether_source, ether_destination;
	uint8_t ip_source[16], ip_destination[16];
};

/* Pushes a tag behind the MACs: type 0x8100 or 0x88a8, tci in host order. */
struct rte_mbuf *edit_push_vlan(
	struct packet_pools *pools, struct rte_mbuf *packet, uint16_t type, uint16_t tci);
/* Takes the outermost tag away; the frame must have one. */
struct rte_mbuf *edit_pop_vlan(struct packet_pools *pools, struct rte_mbuf *packet);
/* Writes another VID into the outermost tag, priority kept. */
struct rte_mbuf *edit_set_vlan(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t vid);

void edit_set_ether_source(struct rte_mbuf *packet, const struct rte_ether_addr *address);
void edit_set_ether_destination(struct rte_mbuf *packet, const struct rte_ether_addr *address);

/* A MAC in a word: its bytes as they are in memory, in the low 48 bits, the others zero. */
static inline uint64_t
edit_mac_word(const struct rte_ether_addr *address)
{
	uint64_t word = 0;

	memcpy(&word, address, sizeof(*address));
	return word;
}

/* Both MACs, by edit_mac_word(): in two stores. */
static inline void
edit_set_ether_both(struct rte_mbuf *packet, uint64_t destination, uint64_t source)
{
	struct edit_log *log = packet_meta(packet)->log;
	uint8_t *macs = rte_pktmbuf_mtod(packet, uint8_t *);
	uint64_t first = destination | source << 48;
	uint32_t second = (uint32_t)(source >> 16);

	memcpy(macs, &first, sizeof(first));
	memcpy(macs + sizeof(first), &second, sizeof(second));
	if (unlikely(log != NULL)) {
		log->what |= EDIT_ETHER_SOURCE | EDIT_ETHER_DESTINATION;
		memcpy(&log->ether_destination, &destination, RTE_ETHER_ADDR_LEN);
		memcpy(&log->ether_source, &source, RTE_ETHER_ADDR_LEN);
	}
}

/* 4 or 16 bytes, as the packet's family has it. The packet must be parsed. */
void edit_set_ip_source(struct rte_mbuf *packet, const uint8_t *address);
void edit_set_ip_destination(struct rte_mbuf *packet, const uint8_t *address);
/* TTL or hop limit minus one; the caller has seen that it is above 1. */
void edit_decrement_ttl(struct rte_mbuf *packet);
/* Notes a decrement in the log that the packet has. */
void edit_log_ttl(struct edit_log *log);

/* The same where the router has checked the header at `l3` already; it need not be parsed. */
static inline void
edit_forward_ttl(struct rte_mbuf *packet, uint16_t l3, uint8_t family)
{
	uint8_t *header = rte_pktmbuf_mtod_offset(packet, uint8_t *, l3);
	struct edit_log *log = packet_meta(packet)->log;
	uint32_t checksum;
	uint16_t field;

	if (family == 6) {
		header[offsetof(struct rte_ipv6_hdr, hop_limits)]--;
	} else {
		/* RFC 1624: the word that TTL is the upper half of gets 0x0100 less */
		memcpy(&field, header + offsetof(struct rte_ipv4_hdr, hdr_checksum), sizeof(field));
		checksum = rte_be_to_cpu_16(field) + 0x0100u;
		field = rte_cpu_to_be_16((uint16_t)(checksum + (checksum >= 0xffff)));
		memcpy(header + offsetof(struct rte_ipv4_hdr, hdr_checksum), &field, sizeof(field));
		header[offsetof(struct rte_ipv4_hdr, time_to_live)]--;
	}
	if (unlikely(log != NULL))
		edit_log_ttl(log);
}

void edit_set_dscp(struct rte_mbuf *packet, uint8_t dscp);
/* The two bits of ECN (RFC 3168); the packet must be parsed. */
void edit_set_ecn(struct rte_mbuf *packet, uint8_t ecn);
/* TCP, UDP port or ICMP echo id; network byte order. */
void edit_set_l4_source(struct rte_mbuf *packet, uint16_t port);
void edit_set_l4_destination(struct rte_mbuf *packet, uint16_t port);

/* What a TCP segment's header becomes where it goes from one connection into another that it was
 * joined with. What is added is so modulo 2^32. */
struct edit_tcp_shift {
	uint32_t sequence, acknowledgment; /* added; the latter to the edges of SACK blocks, too */
	uint32_t time, echo;               /* added to the timestamps (RFC 7323, 3.2) */
	uint16_t window;                   /* set; host order */
	bool no_sack; /* SACK blocks are taken out: what they name cannot be said */
};

/* Of a parsed TCP packet that is no fragment; it need not be writable before. The acknowledgment
 * and the echo of a segment without ACK stay. NULL: no buffer, or the header is cut off: freed. */
struct rte_mbuf *edit_shift_tcp(
	struct packet_pools *pools, struct rte_mbuf *packet, const struct edit_tcp_shift *shift);

/*
 * Puts `bytes` in the place of `before` bytes of a TCP segment's payload, which begin at an offset
 * in the frame and are all there, of a parsed packet that is no super-packet. Lengths and checksums
 * are made right; the transport's is made anew: that it was right is the caller's to see. NULL: no
 * buffer: freed.
 */
struct rte_mbuf *edit_replace_payload(struct packet_pools *pools, struct rte_mbuf *packet,
	unsigned offset, unsigned before, const void *bytes, unsigned length);

/* The packet that an ICMP error quotes. Addresses as its family has them; ports, or for ICMP echo
 * the id as `source_port`, in network byte order, of what has them. */
struct edit_quote {
	uint16_t l3, l4; /* offsets in the frame of the quoted headers, which are all there */
	uint8_t family;
	uint8_t protocol; /* of l4 */
	const uint8_t *source, *destination;
	uint16_t source_port, destination_port;
};

/* Bytes of the frame that edit_quote() may write, at most; for packet_writable(). */
unsigned edit_quote_bytes(const struct rte_mbuf *packet, const struct edit_quote *quote);
/*
 * Makes what a parsed ICMP error of either family quotes another's packet: its addresses and
 * ports, its own checksums as far as they are quoted, and the error's.
 */
void edit_set_quote(struct rte_mbuf *packet, const struct edit_quote *quote);
/* Adds to the sequence number of a quoted TCP segment; only l3, l4, family and protocol of the
 * quote are looked at. */
void edit_shift_quote(struct rte_mbuf *packet, const struct edit_quote *quote, uint32_t sequence);

/*
 * Lowers the MSS option of a TCP SYN (RFC 9293, 3.7.1) to `mss`, host order, if it is larger.
 * Other packets, and SYNs whose options are malformed or lack it, stay as they are. The
 * packet must be parsed; it need not be writable before. NULL: no buffer, freed.
 */
struct rte_mbuf *edit_clamp_mss(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t mss);

#endif
