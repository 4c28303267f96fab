/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judging an IP header before anything is done with what it says, and telling what kind of
 * address an address is. All of this only reads (but for ip_trim), and headers may be spread
 * over the segments of a chain in any way. Addresses are bytes in network order.
 *
 * `l3` is the offset of the network header in the frame, as packet_parse() or parse_ether()
 * found it: inside the packet or right behind it.
 */
#ifndef WEFT_PACKET_IP_H
#define WEFT_PACKET_IP_H

#include "packet/parse.h"

#include <rte_ip.h>

#define IP4_HEADER_LENGTH sizeof(struct rte_ipv4_hdr)
#define IP6_HEADER_LENGTH sizeof(struct rte_ipv6_hdr)
#define IP4_HEADER_LIMIT 60 /* with options */
#define IP6_LEAST_MTU 1280  /* RFC 8200, 5 */

enum ip_result {
	IP_OK,
	IP_TOO_SHORT,         /* no whole header without options */
	IP_BAD_VERSION,       /* not what the ethertype says */
	IP_BAD_HEADER_LENGTH, /* less than the least, or behind the end of the frame */
	IP_BAD_LENGTH,        /* less than the header, or behind the end of the frame */
	IP_BAD_CHECKSUM,
};

/* Headers with options, spread ones and wrong ones. */
enum ip_result ip4_check_slow(const struct rte_mbuf *packet, uint16_t l3);
enum ip_result ip6_check_slow(const struct rte_mbuf *packet, uint16_t l3);

/*
 * Of 20 bytes: 0xffff for a header whose checksum is right. Adding a word to itself with its
 * halves swapped leaves their sum, carry included, in the upper half.
 */
static inline uint16_t
ip4_header_sum(const uint8_t *header)
{
	uint64_t first, second, sum;
	uint32_t third, half;

	memcpy(&first, header, sizeof(first));
	memcpy(&second, header + 8, sizeof(second));
	memcpy(&third, header + 16, sizeof(third));
	sum = first + second;
	sum += sum < second;
	sum += third;
	sum += sum < third;
	half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
	return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

/*
 * RFC 1812, 5.2.2 (1) to (5). The header's checksum is always there, with super-packets and
 * partial (transport) checksums, too. Padding behind the packet is no error.
 */
static inline enum ip_result
ip4_check(const struct rte_mbuf *packet, uint16_t l3)
{
	const uint8_t *header = rte_pktmbuf_mtod_offset(packet, const uint8_t *, l3);
	unsigned total;

	if (unlikely(l3 + IP4_HEADER_LENGTH > rte_pktmbuf_data_len(packet) ||
		     header[0] != RTE_IPV4_VHL_DEF))
		return ip4_check_slow(packet, l3);
	total = parse_u16(header + offsetof(struct rte_ipv4_hdr, total_length));
	if (unlikely(total < IP4_HEADER_LENGTH || l3 + total > rte_pktmbuf_pkt_len(packet)))
		return IP_BAD_LENGTH;
	return likely(ip4_header_sum(header) == 0xffff) ? IP_OK : IP_BAD_CHECKSUM;
}

/* RFC 8200, 3. Jumbograms (RFC 2675) are refused as IP_BAD_LENGTH. */
static inline enum ip_result
ip6_check(const struct rte_mbuf *packet, uint16_t l3)
{
	const uint8_t *header = rte_pktmbuf_mtod_offset(packet, const uint8_t *, l3);
	unsigned payload;

	if (unlikely(l3 + IP6_HEADER_LENGTH > rte_pktmbuf_data_len(packet)))
		return ip6_check_slow(packet, l3);
	payload = parse_u16(header + offsetof(struct rte_ipv6_hdr, payload_len));
	if (unlikely(header[0] >> 4 != 6 || payload == 0 ||
		     l3 + IP6_HEADER_LENGTH + payload > rte_pktmbuf_pkt_len(packet)))
		return ip6_check_slow(packet, l3);
	return IP_OK;
}

/*
 * What follows an IPv6 header (RFC 8200, 4). Asked for packets to a device itself and for
 * those that an error may be due to: a router does not look behind the IPv6 header of what
 * it only forwards.
 */
enum ip6_walk {
	IP6_UPPER,        /* an upper-layer header begins at `offset` */
	IP6_LATER,        /* a fragment but the first: its payload begins at `offset` */
	IP6_PROBLEM,      /* drop, and answer with Parameter Problem `code` at `pointer` */
	IP6_PROBLEM_HOST, /* the same, but no answer when the destination is multicast */
	IP6_SILENT,       /* drop without an answer: an option says so */
	IP6_CUT_OFF,      /* the headers go on behind the end of the packet */
	IP6_TOO_MANY,     /* headers or options than are looked through */
};

#define IP6_HEADERS_LIMIT 8  /* RFC 8200 names seven kinds */
#define IP6_OPTIONS_LIMIT 32 /* in all headers together; those that are padding count, too */

struct ip6_upper {
	uint16_t offset;     /* in the frame */
	uint16_t next_field; /* in the frame: the Next Header field that named `protocol` */
	uint8_t protocol;    /* of the upper layer; may be 59, no next header (RFC 8200, 4.7) */
	bool fragment;       /* there is a fragment header; if two, the first counts */
	bool more;           /* fragments follow */
	uint16_t fragment_header; /* its offset in the frame; `fragment` */
	uint16_t fragment_field;  /* the Next Header field that named it */
	uint16_t fragment_offset; /* in bytes, a multiple of 8 */
	uint32_t id;              /* of the fragment, host order */
	uint8_t code;             /* IP6_PROBLEM*: of the Parameter Problem (RFC 4443, 3.4) */
	uint16_t pointer;         /* counted from the IPv6 header */
};

/* Whether it is a header that ip6_find_upper() knows to go behind. */
bool ip6_is_extension(uint8_t protocol);
/* How many bytes it takes; `length`: its second byte. */
unsigned ip6_extension_length(uint8_t type, uint8_t length);

/* The packet must have passed ip6_check(). */
enum ip6_walk ip6_find_upper(const struct rte_mbuf *packet, uint16_t l3, struct ip6_upper *upper);
/* The same, by the lengths of the headers alone: what options and routing headers say is not
 * looked at. For telling what a packet is of which something else is wrong. Of a header that is
 * cut off `protocol` is what it says comes next. */
enum ip6_walk ip6_skip_headers(const struct rte_mbuf *packet, uint16_t l3, struct ip6_upper *upper);

/* Bytes from l3 to the end of the IP packet, of one that has passed its check. */
unsigned ip_length(const struct rte_mbuf *packet, uint16_t l3);

/* Cuts off what a frame was padded with behind its IP packet, which has passed its check. */
void ip_trim(struct rte_mbuf *packet, uint16_t l3);

/* ---- addresses, IPv4 ------------------------------------------------------------------- */

static inline bool
ip4_is_multicast(const uint8_t *address)
{
	return address[0] >> 4 == 0xe;
}

static inline bool
ip4_is_broadcast(const uint8_t *address)
{
	return (address[0] & address[1] & address[2] & address[3]) == 0xff;
}

/* RFC 3927, 2.7: not forwarded, neither from nor to. */
static inline bool
ip4_is_link_local(const uint8_t *address)
{
	return address[0] == 169 && address[1] == 254;
}

/*
 * Nobody's own address (RFC 1812, 5.3.7; RFC 6890): "this network" 0/8, loopback 127/8,
 * multicast 224/4, reserved 240/4 with the limited broadcast.
 */
static inline bool
ip4_is_martian_source(const uint8_t *address)
{
	return address[0] == 0 || address[0] == 127 || address[0] >= 224;
}

/* As above; multicast and the limited broadcast are not martian here, but not forwarded. */
static inline bool
ip4_is_martian_destination(const uint8_t *address)
{
	return address[0] == 0 || address[0] == 127 ||
	       (address[0] >= 240 && !ip4_is_broadcast(address));
}

/* RFC 1112, 6.4: the lower 23 bits. */
static inline void
ip4_multicast_mac(struct rte_ether_addr *mac, const uint8_t *group)
{
	*mac = (struct rte_ether_addr){ { 0x01, 0x00, 0x5e, group[1] & 0x7f, group[2], group[3] } };
}

/* ---- addresses, IPv6 (RFC 4291) -------------------------------------------------------- */

static inline bool
ip6_is_multicast(const uint8_t *address)
{
	return address[0] == 0xff;
}

static inline bool
ip6_is_link_local(const uint8_t *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

/* The scope of a multicast address, 2 being the link (RFC 4291, 2.7). */
static inline uint8_t
ip6_multicast_scope(const uint8_t *group)
{
	return group[1] & 0x0f;
}

static inline bool
ip6_is_unspecified(const uint8_t *address)
{
	uint64_t words[2];

	memcpy(words, address, sizeof(words));
	return (words[0] | words[1]) == 0;
}

static inline bool
ip6_is_loopback(const uint8_t *address)
{
	uint64_t words[2];

	memcpy(words, address, sizeof(words));
	return words[0] == 0 && words[1] == RTE_BE64(1);
}

/* ::ffff:0:0/96 (RFC 4291, 2.5.5.2); not on a wire (RFC 6890). */
static inline bool
ip6_is_mapped(const uint8_t *address)
{
	uint64_t high;
	uint32_t low;

	memcpy(&high, address, sizeof(high));
	memcpy(&low, address + 8, sizeof(low));
	return high == 0 && low == RTE_BE32(0x0000ffff);
}

/* Nobody's own address. The unspecified one is: it is right in duplicate address detection
 * (RFC 4862), which the caller lets pass, but is not forwarded. */
static inline bool
ip6_is_martian_source(const uint8_t *address)
{
	return ip6_is_multicast(address) || ip6_is_unspecified(address) ||
	       ip6_is_loopback(address) || ip6_is_mapped(address);
}

/* With the multicast scopes 0 (reserved) and 1 (interface), which no wire carries. */
static inline bool
ip6_is_martian_destination(const uint8_t *address)
{
	if (ip6_is_multicast(address))
		return ip6_multicast_scope(address) <= 1;
	return ip6_is_unspecified(address) || ip6_is_loopback(address) || ip6_is_mapped(address);
}

/* RFC 4291, 2.7.1: the group of all that end in the same 24 bits. */
static inline void
ip6_solicited_node(uint8_t *group, const uint8_t *address)
{
	static const uint8_t prefix[13] = { 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff };

	memcpy(group, prefix, sizeof(prefix));
	memcpy(group + sizeof(prefix), address + sizeof(prefix), 3);
}

/* RFC 2464, 7. */
static inline void
ip6_multicast_mac(struct rte_ether_addr *mac, const uint8_t *group)
{
	*mac = (struct rte_ether_addr){ { 0x33, 0x33, group[12], group[13], group[14],
		group[15] } };
}

#endif
