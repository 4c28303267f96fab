/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a router says for itself: ICMP errors, echo replies, TCP resets. Whether it is allowed
 * to is judged here as far as the packet alone tells; what only the caller knows (the
 * broadcast addresses of its prefixes, which addresses are its own, rate limits) is the
 * caller's.
 *
 * `l3` is the offset of the network header, as in ip.h; the packet has passed ip4_check() or
 * ip6_check(). New packets are whole untagged frames whose MACs are zero, with metadata as
 * packet_parse() would fill it in; marks, hop count and vport are those of the packet that
 * they answer. They belong to the caller; the answered packet stays the caller's, unchanged.
 */
#ifndef WEFT_PACKET_ICMP_H
#define WEFT_PACKET_ICMP_H

#include "packet/packet.h"

#define ICMP_HOPS 64 /* TTL and hop limit of what is made here */

enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_SOURCE_QUENCH = 4,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
};

enum icmp4_unreachable { /* RFC 792; RFC 1812, 5.2.7.1 */
	ICMP4_NETWORK = 0,
	ICMP4_HOST = 1,
	ICMP4_PROTOCOL = 2,
	ICMP4_PORT = 3,
	ICMP4_TOO_BIG = 4,
	ICMP4_PROHIBITED = 13,
};

enum icmp6_type { /* RFC 4443, RFC 4861 */
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_REDIRECT = 137,
};

enum icmp6_unreachable { /* RFC 4443, 3.1 */
	ICMP6_NO_ROUTE = 0,
	ICMP6_PROHIBITED = 1,
	ICMP6_ADDRESS = 3,
	ICMP6_PORT = 4,
	ICMP6_SOURCE_POLICY = 5,
	ICMP6_REJECT = 6,
};

/*
 * May an error be sent about this packet? RFC 1812, 4.3.2.7: not about an ICMP error (or
 * what may be one), a later fragment, what came or went to more than one, or from an address
 * that is not one host's. The broadcast addresses of prefixes are the caller's to know.
 */
bool icmp4_may_answer(const struct rte_mbuf *packet, uint16_t l3);
/* RFC 4443, 2.4 (e); what goes to many may be answered with Packet Too Big and with
 * Parameter Problem code 2. */
bool icmp6_may_answer(const struct rte_mbuf *packet, uint16_t l3, uint8_t type, uint8_t code);

/*
 * An error about `offender`, to its source. It quotes as much of it as fits 576 bytes
 * (RFC 1812, 4.3.2.3), or 1,280 (RFC 4443, 2.4 (c)), as it would be on the wire: a partial
 * checksum is finished in the quote, and of a super-packet the first segment is quoted.
 * `rest`, in host order: the next hop's MTU (RFC 1191), the gateway's address (redirect), the
 * pointer; else 0. Source routes of the offender are not taken back. NULL: no buffer.
 */
struct rte_mbuf *icmp4_error(struct packet_pools *pools, const struct rte_mbuf *offender,
	uint16_t l3, uint8_t type, uint8_t code, uint32_t rest, const uint8_t source[4]);
struct rte_mbuf *icmp6_error(struct packet_pools *pools, const struct rte_mbuf *offender,
	uint16_t l3, uint8_t type, uint8_t code, uint32_t rest, const uint8_t source[16]);

/*
 * RFC 4861, 4.5: tells the packet's source that `target` is the better way to its destination:
 * the destination itself, or a router by its link-local address. mac: the target's, or NULL.
 * Quotes as much as fits 1,280 bytes. NULL: no buffer.
 */
struct rte_mbuf *icmp6_redirect(struct packet_pools *pools, const struct rte_mbuf *offender,
	uint16_t l3, const uint8_t source[16], const uint8_t target[16], const uint8_t *mac);

/* Whether the UDP datagram at l4 has a length that is possible, and a checksum that is right, is
 * vouched for by the packet's metadata, or is none (RFC 1122, 4.1.3.4; RFC 8200, 8.1). */
bool udp_is_sound(const struct rte_mbuf *packet, uint16_t l3, uint16_t l4);

/* Whether the checksum of the ICMPv6 message of `length` bytes at l4 is right, or the packet's
 * metadata vouches for it (RFC 4443, 2.3). */
bool icmp6_checksum_holds(const struct rte_mbuf *packet, uint16_t l3, uint16_t l4, unsigned length);

/* The same of the TCP segment of `length` bytes, header included, at l4 (RFC 9293, 3.1). */
bool tcp_checksum_holds(const struct rte_mbuf *packet, uint16_t l3, uint16_t l4, unsigned length);

enum icmp_echo {
	ICMP_ECHO_REPLIED,
	ICMP_ECHO_NOT,          /* no echo request, or none that is answered; unchanged */
	ICMP_ECHO_BAD_CHECKSUM, /* unchanged */
};

/*
 * Turns an echo request into its reply: addresses swapped, TTL 64, checksums right (a partial
 * one stays partial). IP options and extension headers are not sent back. The packet must be
 * whole (no fragment, no super-packet) and writable as far as 8 bytes of ICMP; its MACs stay
 * as they are. Not answered: what came or went to more than one, or from no host.
 */
enum icmp_echo icmp4_echo_reply_in_place(struct rte_mbuf *packet, uint16_t l3);
/* `source`: of the reply, needed when the request went to a group; NULL: whom it went to. */
enum icmp_echo icmp6_echo_reply_in_place(
	struct rte_mbuf *packet, uint16_t l3, const uint8_t *source);

/*
 * The reset for a TCP segment of either family that nobody expects (RFC 9293, 3.5.2, 1.).
 * NULL: no buffer, or none is due: the segment is itself a reset, malformed, a fragment, has a
 * wrong checksum, went to more than one or came from no host.
 */
struct rte_mbuf *tcp_reset(struct packet_pools *pools, const struct rte_mbuf *segment, uint16_t l3);

#endif
