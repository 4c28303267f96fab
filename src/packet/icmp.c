/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/icmp.h"

#include "packet/checksum.h"
#include "packet/edit.h"
#include "packet/ip.h"
#include "packet/layout.h"
#include "packet/offload.h"

#include <netinet/in.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define ICMP_LENGTH 8u
#define ICMP4_ERROR_LIMIT 576u /* RFC 1812, 4.3.2.3 */
#define ICMP6_INFORMATION 128  /* types from here on are no errors: RFC 4443, 2.1 */
#define ICMP_CHECKSUM 2        /* offset of the field */
#define INTERNETWORK_CONTROL 0xc0

static const struct packet_meta *
meta_of(const struct rte_mbuf *packet)
{
	return packet_meta((struct rte_mbuf *)(uintptr_t)packet);
}

/* The bytes at `offset`; NULL: the IP packet, which ends at `end`, has fewer. */
static const uint8_t *
bytes_at(const struct rte_mbuf *packet, unsigned offset, unsigned length, unsigned end, void *copy)
{
	return offset + length <= end ? rte_pktmbuf_read(packet, offset, length, copy) : NULL;
}

/* ---- who may be answered ----------------------------------------------------------------- */

/* Sent to more than one by the link layer. */
static bool
to_many(const struct rte_mbuf *packet)
{
	return *rte_pktmbuf_mtod(packet, const uint8_t *) & 1;
}

/* RFC 1812, 4.3.2.7 and RFC 1122, 3.2.2: errors, and types that might be. */
static bool
is_icmp4_query(uint8_t type)
{
	switch (type) {
	case ICMP4_UNREACHABLE:
	case ICMP4_SOURCE_QUENCH:
	case ICMP4_REDIRECT:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAMETER_PROBLEM:
		return false;
	default: /* 18 was the last of the old ones; 42, 43: RFC 8335 */
		return type <= 18 || type == 42 || type == 43;
	}
}

bool
icmp4_may_answer(const struct rte_mbuf *packet, uint16_t l3)
{
	struct rte_ipv4_hdr copy;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(packet, l3, sizeof(copy), &copy);
	unsigned header = (ip->version_ihl & 0x0f) * 4;
	const uint8_t *type;
	uint8_t byte;

	if (to_many(packet) || ip4_is_martian_source((const uint8_t *)&ip->src_addr) ||
		ip4_is_multicast((const uint8_t *)&ip->dst_addr) ||
		ip4_is_broadcast((const uint8_t *)&ip->dst_addr))
		return false;
	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK))
		return false;
	if (ip->next_proto_id != IPPROTO_ICMP)
		return true;
	type = bytes_at(packet, l3 + header, 1, l3 + ip_length(packet, l3), &byte);
	return type != NULL && is_icmp4_query(*type);
}

bool
icmp6_may_answer(const struct rte_mbuf *packet, uint16_t l3, uint8_t type, uint8_t code)
{
	struct rte_ipv6_hdr copy;
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(packet, l3, sizeof(copy), &copy);
	bool about_group = type == ICMP6_TOO_BIG || (type == ICMP6_PARAMETER_PROBLEM && code == 2);
	struct ip6_upper upper;
	enum ip6_walk found;
	const uint8_t *inner;
	uint8_t byte;

	/* (e.6); a martian is no node's either */
	if (ip6_is_martian_source(ip->src_addr))
		return false;
	/* (e.3) to (e.5) */
	if (!about_group && (to_many(packet) || ip6_is_multicast(ip->dst_addr)))
		return false;
	/* whatever is wrong with a header on the way: an error may be behind it */
	found = ip6_skip_headers(packet, l3, &upper);
	if (upper.protocol != IPPROTO_ICMPV6)
		return found != IP6_TOO_MANY;
	/* RFC 7112, 5: that the first fragment lacks the rest of its headers is told in any case */
	if (found == IP6_CUT_OFF && type == ICMP6_PARAMETER_PROBLEM && code == 3)
		return true;
	/* (e.1), (e.2); what cannot be seen may be an error */
	if (found != IP6_UPPER)
		return false;
	inner = bytes_at(packet, upper.offset, 1, l3 + ip_length(packet, l3), &byte);
	return inner != NULL && *inner >= ICMP6_INFORMATION && *inner != ICMP6_REDIRECT;
}

/* ---- new packets -------------------------------------------------------------------------- */

/* A frame of `length` bytes with its MACs zero and its metadata filled in. */
static struct rte_mbuf *
new_frame(struct packet_pools *pools, const struct rte_mbuf *cause, uint16_t ethertype,
	uint8_t protocol, unsigned length)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(pools->small);
	const struct packet_meta *from = meta_of(cause);
	uint16_t type = rte_cpu_to_be_16(ethertype);
	uint8_t *frame;

	if (unlikely(packet == NULL))
		return NULL;
	packet->data_len = (uint16_t)length;
	packet->pkt_len = length;
	packet->port = cause->port;
	*packet_meta(packet) = (struct packet_meta){
		.vport = from->vport,
		.vlan = from->vlan,
		.hops = from->hops,
		.copies = from->copies,
		.trace = from->trace,
		.flags = PACKET_PARSED | (from->flags & (PACKET_DRY_RUN | PACKET_PROBE)),
		.offload = PACKET_CHECKSUM_GOOD,
		.l3 = RTE_ETHER_HDR_LEN,
		.l4 = RTE_ETHER_HDR_LEN +
		      (ethertype == RTE_ETHER_TYPE_IPV4 ? IP4_HEADER_LENGTH : IP6_HEADER_LENGTH),
		.ethertype = ethertype,
		.protocol = protocol,
	};
	frame = rte_pktmbuf_mtod(packet, uint8_t *);
	memset(frame, 0, 2 * RTE_ETHER_ADDR_LEN);
	memcpy(frame + 2 * RTE_ETHER_ADDR_LEN, &type, sizeof(type));
	return packet;
}

/* The header of a new frame that has no options; the frame ends with the IP packet. */
static void
put_ip4(struct rte_mbuf *packet, const struct rte_ipv4_hdr *header, const uint8_t *source,
	const uint8_t *destination)
{
	struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(packet, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);

	*ip = *header;
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(packet->pkt_len - RTE_ETHER_HDR_LEN));
	ip->time_to_live = ICMP_HOPS;
	ip->next_proto_id = packet_meta(packet)->protocol;
	memcpy(&ip->src_addr, source, sizeof(ip->src_addr));
	memcpy(&ip->dst_addr, destination, sizeof(ip->dst_addr));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~ip4_header_sum((const uint8_t *)ip);
}

static void
put_ip6(struct rte_mbuf *packet, const uint8_t *source, const uint8_t *destination)
{
	struct rte_ipv6_hdr *ip =
		rte_pktmbuf_mtod_offset(packet, struct rte_ipv6_hdr *, RTE_ETHER_HDR_LEN);

	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16(
			(uint16_t)(packet->pkt_len - RTE_ETHER_HDR_LEN - IP6_HEADER_LENGTH)),
		.proto = packet_meta(packet)->protocol,
		.hop_limits = ICMP_HOPS,
	};
	memcpy(ip->src_addr, source, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, destination, sizeof(ip->dst_addr));
}

/* RFC 9293, 3.1 and RFC 8200, 8.1; addresses: source and destination. */
static uint32_t
pseudo_sum(const uint8_t *addresses, unsigned size, uint8_t protocol, unsigned length)
{
	return checksum_sum(addresses, size) + rte_cpu_to_be_16(protocol) +
	       rte_cpu_to_be_16((uint16_t)length);
}

/* ---- errors ------------------------------------------------------------------------------- */

/*
 * The first bytes of the offender's IP packet. A partial checksum is finished, with all that
 * it is over, of which only a part may be quoted.
 */
static void
put_quote(uint8_t *to, const struct rte_mbuf *offender, unsigned l3, unsigned length)
{
	const struct packet_meta *meta = meta_of(offender);
	unsigned field = (unsigned)meta->checksum_start + meta->checksum_offset;
	uint16_t checksum;

	packet_copy_range(to, offender, l3, length);
	if (!(meta->offload & PACKET_NEEDS_CHECKSUM) || field < l3 ||
		field + sizeof(checksum) > l3 + length)
		return;
	checksum = offload_checksum(offender);
	memcpy(to + field - l3, &checksum, sizeof(checksum));
}

/* What the offender is on the wire: itself, or the first segment, which is to be freed. */
static const struct rte_mbuf *
on_wire(struct packet_pools *pools, const struct rte_mbuf *offender, struct rte_mbuf **segment)
{
	*segment = NULL;
	if (likely(meta_of(offender)->gso == PACKET_GSO_NONE))
		return offender;
	*segment = offload_first_segment(pools, offender);
	return *segment != NULL ? *segment : offender;
}

static void
put_icmp(uint8_t *icmp, uint8_t type, uint8_t code, uint32_t rest)
{
	rest = rte_cpu_to_be_32(rest);
	icmp[0] = type;
	icmp[1] = code;
	icmp[ICMP_CHECKSUM] = icmp[ICMP_CHECKSUM + 1] = 0;
	memcpy(icmp + 4, &rest, sizeof(rest));
}

static void
seal_icmp(uint8_t *icmp, uint32_t sum, unsigned length)
{
	uint16_t checksum = ~checksum_fold(sum + checksum_sum(icmp, length));

	memcpy(icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
}

struct rte_mbuf *
icmp4_error(struct packet_pools *pools, const struct rte_mbuf *offender, uint16_t l3, uint8_t type,
	uint8_t code, uint32_t rest, const uint8_t source[4])
{
	const unsigned headers = IP4_HEADER_LENGTH + ICMP_LENGTH;
	struct rte_mbuf *packet, *segment;
	const struct rte_mbuf *quoted = on_wire(pools, offender, &segment);
	unsigned quote = RTE_MIN(ip_length(quoted, l3), ICMP4_ERROR_LIMIT - headers);
	struct rte_ipv4_hdr header = { .type_of_service = INTERNETWORK_CONTROL };
	uint8_t *icmp;

	packet = new_frame(pools, offender, RTE_ETHER_TYPE_IPV4, IPPROTO_ICMP,
		RTE_ETHER_HDR_LEN + headers + quote);
	if (likely(packet != NULL)) {
		const struct rte_ipv4_hdr *ip;

		icmp = rte_pktmbuf_mtod_offset(packet, uint8_t *, packet_meta(packet)->l4);
		put_quote(icmp + ICMP_LENGTH, quoted, l3, quote);
		/* RFC 792: the pointer is the first of the four bytes */
		put_icmp(icmp, type, code, type == ICMP4_PARAMETER_PROBLEM ? rest << 24 : rest);
		seal_icmp(icmp, 0, ICMP_LENGTH + quote);
		/* RFC 1812, 4.3.2.5: precedence 6. The ID is the offender's: another each time,
		 * as far as the receiver itself saw to it (RFC 6864, 4.3). */
		ip = (const struct rte_ipv4_hdr *)(icmp + ICMP_LENGTH);
		header.packet_id = ip->packet_id;
		put_ip4(packet, &header, source, (const uint8_t *)&ip->src_addr);
	}
	rte_pktmbuf_free(segment);
	return packet;
}

struct rte_mbuf *
icmp6_error(struct packet_pools *pools, const struct rte_mbuf *offender, uint16_t l3, uint8_t type,
	uint8_t code, uint32_t rest, const uint8_t source[16])
{
	const unsigned headers = IP6_HEADER_LENGTH + ICMP_LENGTH;
	struct rte_mbuf *packet, *segment;
	const struct rte_mbuf *quoted = on_wire(pools, offender, &segment);
	unsigned quote = RTE_MIN(ip_length(quoted, l3), IP6_LEAST_MTU - headers);

	packet = new_frame(pools, offender, RTE_ETHER_TYPE_IPV6, IPPROTO_ICMPV6,
		RTE_ETHER_HDR_LEN + headers + quote);
	if (likely(packet != NULL)) {
		uint8_t *icmp = rte_pktmbuf_mtod_offset(packet, uint8_t *, packet_meta(packet)->l4);
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(icmp + ICMP_LENGTH);
		uint32_t sum;

		put_quote(icmp + ICMP_LENGTH, quoted, l3, quote);
		put_icmp(icmp, type, code, rest);
		put_ip6(packet, source, ip->src_addr);
		/* RFC 4443, 2.3 */
		sum = pseudo_sum(icmp - 32, 32, IPPROTO_ICMPV6, ICMP_LENGTH + quote);
		seal_icmp(icmp, sum, ICMP_LENGTH + quote);
	}
	rte_pktmbuf_free(segment);
	return packet;
}

#define REDIRECT_LENGTH 40u /* with target and destination */
#define REDIRECT_HOPS 255   /* RFC 4861, 8.1 */
#define OPTION_UNIT 8u
#define OPTION_TARGET_LINK 2
#define OPTION_REDIRECTED 4

/* RFC 4861, 4.6.3: its length is in units of 8 bytes, the first of them its own. */
static void
put_redirected(uint8_t *to, const struct rte_mbuf *offender, unsigned l3, unsigned quote)
{
	memset(to, 0, OPTION_UNIT);
	to[0] = OPTION_REDIRECTED;
	to[1] = (uint8_t)(1 + quote / OPTION_UNIT);
	put_quote(to + OPTION_UNIT, offender, l3, quote);
}

struct rte_mbuf *
icmp6_redirect(struct packet_pools *pools, const struct rte_mbuf *offender, uint16_t l3,
	const uint8_t source[16], const uint8_t target[16], const uint8_t *mac)
{
	const unsigned link = mac != NULL ? OPTION_UNIT : 0;
	const unsigned before = REDIRECT_LENGTH + link + OPTION_UNIT;
	struct rte_mbuf *packet, *segment;
	const struct rte_mbuf *quoted = on_wire(pools, offender, &segment);
	unsigned quote = RTE_MIN(ip_length(quoted, l3), IP6_LEAST_MTU - IP6_HEADER_LENGTH - before);
	unsigned length;

	quote -= quote % OPTION_UNIT;
	length = before + quote;
	packet = new_frame(pools, offender, RTE_ETHER_TYPE_IPV6, IPPROTO_ICMPV6,
		RTE_ETHER_HDR_LEN + IP6_HEADER_LENGTH + length);
	if (likely(packet != NULL)) {
		uint8_t *icmp = rte_pktmbuf_mtod_offset(packet, uint8_t *, packet_meta(packet)->l4);
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(icmp - IP6_HEADER_LENGTH);
		uint8_t to[16];

		put_redirected(icmp + REDIRECT_LENGTH + link, quoted, l3, quote);
		put_icmp(icmp, ICMP6_REDIRECT, 0, 0);
		memcpy(icmp + 8, target, 16);
		packet_copy_range(
			icmp + 24, quoted, l3 + offsetof(struct rte_ipv6_hdr, dst_addr), 16);
		if (mac != NULL) {
			icmp[REDIRECT_LENGTH] = OPTION_TARGET_LINK;
			icmp[REDIRECT_LENGTH + 1] = 1;
			memcpy(icmp + REDIRECT_LENGTH + 2, mac, RTE_ETHER_ADDR_LEN);
		}
		packet_copy_range(to, quoted, l3 + offsetof(struct rte_ipv6_hdr, src_addr), 16);
		put_ip6(packet, source, to);
		ip->hop_limits = REDIRECT_HOPS;
		seal_icmp(icmp, pseudo_sum(icmp - 32, 32, IPPROTO_ICMPV6, length), length);
	}
	rte_pktmbuf_free(segment);
	return packet;
}

/* ---- transport checksums ------------------------------------------------------------------ */

/* Can the transport checksum be believed, or left to whoever finishes it? */
static bool
checksum_holds(const struct rte_mbuf *packet, unsigned l4, unsigned length, unsigned field,
	uint32_t pseudo)
{
	const struct packet_meta *meta = meta_of(packet);

	if (meta->offload & PACKET_NEEDS_CHECKSUM)
		return meta->checksum_start == l4 && meta->checksum_offset == field;
	if (meta->offload & PACKET_CHECKSUM_GOOD)
		return true;
	return checksum_fold(pseudo + checksum_sum_packet(packet, l4, length)) == 0xffff;
}

bool
icmp6_checksum_holds(const struct rte_mbuf *packet, uint16_t l3, uint16_t l4, unsigned length)
{
	const uint8_t *addresses;
	uint8_t copy[32];

	addresses = rte_pktmbuf_read(
		packet, l3 + offsetof(struct rte_ipv6_hdr, src_addr), sizeof(copy), copy);
	return addresses != NULL &&
	       checksum_holds(packet, l4, length, ICMP_CHECKSUM,
		       pseudo_sum(addresses, sizeof(copy), IPPROTO_ICMPV6, length));
}

bool
tcp_checksum_holds(const struct rte_mbuf *packet, uint16_t l3, uint16_t l4, unsigned length)
{
	unsigned size = meta_of(packet)->ethertype == RTE_ETHER_TYPE_IPV4 ? 4 : 16;
	uint8_t ends[32];

	packet_copy_range(ends, packet, l3 + (size == 4 ? 12 : 8), 2 * size);
	return checksum_holds(packet, l4, length, offsetof(struct rte_tcp_hdr, cksum),
		pseudo_sum(ends, 2 * size, IPPROTO_TCP, length));
}

bool
udp_is_sound(const struct rte_mbuf *packet, uint16_t l3, uint16_t l4)
{
	uint8_t copy[LAYOUT_UDP_LENGTH], ends[32], version;
	unsigned end = l3 + ip_length(packet, l3), length, size;
	const uint8_t *udp = bytes_at(packet, l4, sizeof(copy), end, copy);

	if (udp == NULL)
		return false;
	length = parse_u16(udp + 4);
	if (length < LAYOUT_UDP_LENGTH || l4 + length > end)
		return false;
	packet_copy_range(&version, packet, l3, 1);
	if (parse_u16(udp + 6) == 0)
		return version >> 4 == 4;
	size = version >> 4 == 4 ? 4 : 16;
	packet_copy_range(ends, packet, l3 + (size == 4 ? 12 : 8), 2 * size);
	return checksum_holds(packet, l4, length, offsetof(struct rte_udp_hdr, dgram_cksum),
		pseudo_sum(ends, 2 * size, IPPROTO_UDP, length));
}

/* ---- echo --------------------------------------------------------------------------------- */

struct echo {
	uint8_t *ip, *icmp;
	unsigned l3, l4, header; /* header: of IP, without what goes away */
	unsigned length;         /* of the ICMP message */
};

static bool
echo_is_in_reach(struct rte_mbuf *packet, struct echo *echo, unsigned end)
{
	if (echo->l4 + ICMP_LENGTH > end || echo->l4 + ICMP_LENGTH > rte_pktmbuf_data_len(packet) ||
		packet_meta(packet)->gso != PACKET_GSO_NONE)
		return false;
	echo->ip = rte_pktmbuf_mtod_offset(packet, uint8_t *, echo->l3);
	echo->icmp = rte_pktmbuf_mtod_offset(packet, uint8_t *, echo->l4);
	echo->length = end - echo->l4;
	return true;
}

/* Takes away what is between the IP header's fixed part and the message. */
static void
drop_options(struct rte_mbuf *packet, struct echo *echo)
{
	struct packet_meta *meta = packet_meta(packet);
	unsigned keep = echo->l3 + echo->header, gone = echo->l4 - keep;
	uint8_t *frame = rte_pktmbuf_mtod(packet, uint8_t *);

	if (likely(gone == 0))
		return;
	memmove(frame + gone, frame, keep);
	rte_pktmbuf_adj(packet, (uint16_t)gone);
	echo->ip += gone;
	echo->l4 -= gone;
	if (meta->offload & PACKET_NEEDS_CHECKSUM)
		meta->checksum_start -= gone;
}

static void
set_type(struct rte_mbuf *packet, const struct echo *echo, uint8_t type)
{
	const uint8_t pair[2] = { type, echo->icmp[1] };
	uint16_t checksum;

	/* a partial one is over the bytes as they are when it is finished */
	if (!(packet_meta(packet)->offload & PACKET_NEEDS_CHECKSUM)) {
		memcpy(&checksum, echo->icmp + ICMP_CHECKSUM, sizeof(checksum));
		checksum = checksum_update(checksum, echo->icmp, pair, sizeof(pair));
		memcpy(echo->icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
	}
	echo->icmp[0] = type;
}

static void
finish_echo(struct rte_mbuf *packet, const struct echo *echo, uint16_t ethertype, uint8_t protocol)
{
	struct packet_meta *meta = packet_meta(packet);

	meta->l3 = (uint16_t)echo->l3;
	meta->l4 = (uint16_t)echo->l4;
	meta->ethertype = ethertype;
	meta->protocol = protocol;
	meta->flags |= PACKET_PARSED;
	meta->flow_hash = 0;
	if (unlikely(meta->log != NULL)) /* a device's own words are always walked */
		meta->log->what |= EDIT_OVERFLOW;
}

static bool
is_ip4_echo(const struct rte_mbuf *packet, unsigned l3)
{
	struct rte_ipv4_hdr copy;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(packet, l3, sizeof(copy), &copy);

	return ip->next_proto_id == IPPROTO_ICMP &&
	       !(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) &&
	       !to_many(packet) && !ip4_is_martian_source((const uint8_t *)&ip->src_addr) &&
	       !ip4_is_multicast((const uint8_t *)&ip->dst_addr) &&
	       !ip4_is_broadcast((const uint8_t *)&ip->dst_addr);
}

/* RFC 1812, 4.3.3.6; TOS stays (4.3.2.5). Route and time records are not sent back. */
enum icmp_echo
icmp4_echo_reply_in_place(struct rte_mbuf *packet, uint16_t l3)
{
	struct echo echo = { .l3 = l3, .header = IP4_HEADER_LENGTH };
	struct rte_ipv4_hdr *ip;
	uint8_t copy, addresses[8];

	if (!is_ip4_echo(packet, l3))
		return ICMP_ECHO_NOT;
	echo.l4 = l3 + (*(const uint8_t *)rte_pktmbuf_read(packet, l3, 1, &copy) & 0x0f) * 4u;
	if (!echo_is_in_reach(packet, &echo, l3 + ip_length(packet, l3)) ||
		echo.icmp[0] != ICMP4_ECHO)
		return ICMP_ECHO_NOT;
	if (!checksum_holds(packet, echo.l4, echo.length, ICMP_CHECKSUM, 0))
		return ICMP_ECHO_BAD_CHECKSUM;
	set_type(packet, &echo, ICMP4_ECHO_REPLY);
	drop_options(packet, &echo);
	ip = (struct rte_ipv4_hdr *)echo.ip;
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(IP4_HEADER_LENGTH + echo.length));
	ip->time_to_live = ICMP_HOPS;
	memcpy(addresses, &ip->dst_addr, 4);
	memcpy(addresses + 4, &ip->src_addr, 4);
	memcpy(&ip->src_addr, addresses, sizeof(addresses));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~ip4_header_sum(echo.ip);
	finish_echo(packet, &echo, RTE_ETHER_TYPE_IPV4, IPPROTO_ICMP);
	return ICMP_ECHO_REPLIED;
}

/* The reply's source is not whom the request went to. */
static void
replace_address(struct rte_mbuf *packet, const struct echo *echo, const uint8_t *before,
	const uint8_t *after)
{
	bool partial = packet_meta(packet)->offload & PACKET_NEEDS_CHECKSUM;
	uint16_t checksum;

	memcpy(&checksum, echo->icmp + ICMP_CHECKSUM, sizeof(checksum));
	if (partial) /* it holds the pseudo-header's sum, not complemented */
		checksum = ~checksum_update((uint16_t)~checksum, before, after, 16);
	else
		checksum = checksum_update(checksum, before, after, 16);
	memcpy(echo->icmp + ICMP_CHECKSUM, &checksum, sizeof(checksum));
}

/* RFC 4443, 4.2: never from a group's address. */
enum icmp_echo
icmp6_echo_reply_in_place(struct rte_mbuf *packet, uint16_t l3, const uint8_t *source)
{
	struct echo echo = { .l3 = l3, .header = IP6_HEADER_LENGTH };
	struct ip6_upper upper;
	struct rte_ipv6_hdr *ip;
	uint8_t addresses[32];

	if (ip6_find_upper(packet, l3, &upper) != IP6_UPPER || upper.more ||
		upper.protocol != IPPROTO_ICMPV6)
		return ICMP_ECHO_NOT;
	echo.l4 = upper.offset;
	if (!echo_is_in_reach(packet, &echo, l3 + ip_length(packet, l3)))
		return ICMP_ECHO_NOT;
	ip = (struct rte_ipv6_hdr *)echo.ip;
	memcpy(addresses, ip->dst_addr, 16);
	memcpy(addresses + 16, ip->src_addr, 16);
	if (echo.icmp[0] != ICMP6_ECHO || ip6_is_martian_source(ip->src_addr) ||
		(source == NULL && (to_many(packet) || ip6_is_martian_source(ip->dst_addr))))
		return ICMP_ECHO_NOT;
	if (!checksum_holds(packet, echo.l4, echo.length, ICMP_CHECKSUM,
		    pseudo_sum(addresses, 32, IPPROTO_ICMPV6, echo.length)))
		return ICMP_ECHO_BAD_CHECKSUM;
	set_type(packet, &echo, ICMP6_ECHO_REPLY);
	if (source != NULL) {
		replace_address(packet, &echo, addresses, source);
		memcpy(addresses, source, 16);
	}
	drop_options(packet, &echo);
	ip = (struct rte_ipv6_hdr *)echo.ip;
	ip->vtc_flow &= RTE_BE32(0xfff00000); /* the flow label is the requester's */
	ip->payload_len = rte_cpu_to_be_16((uint16_t)echo.length);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = ICMP_HOPS;
	memcpy(ip->src_addr, addresses, sizeof(addresses));
	finish_echo(packet, &echo, RTE_ETHER_TYPE_IPV6, IPPROTO_ICMPV6);
	return ICMP_ECHO_REPLIED;
}

/* ---- resets ------------------------------------------------------------------------------- */

struct segment {
	struct rte_tcp_hdr tcp; /* its first 20 bytes */
	unsigned length;        /* SEG.LEN: SYN and FIN count */
	unsigned size;          /* of an address */
	uint8_t ends[32];       /* source and destination */
};

/* Where the segment begins; 0: there is none that is whole. */
static unsigned
find_tcp(const struct rte_mbuf *packet, unsigned l3, struct segment *segment)
{
	struct rte_ipv4_hdr copy;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(packet, l3, sizeof(copy), &copy);
	struct ip6_upper upper;

	if (ip->version_ihl >> 4 == 4) {
		segment->size = 4;
		memcpy(segment->ends, &ip->src_addr, 8);
		if (ip->next_proto_id != IPPROTO_TCP ||
			(ip->fragment_offset &
				RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)))
			return 0;
		return l3 + (ip->version_ihl & 0x0f) * 4u;
	}
	segment->size = 16;
	packet_copy_range(segment->ends, packet, l3 + offsetof(struct rte_ipv6_hdr, src_addr), 32);
	if (ip6_find_upper(packet, (uint16_t)l3, &upper) != IP6_UPPER || upper.more ||
		upper.protocol != IPPROTO_TCP)
		return 0;
	return upper.offset;
}

/* Between two hosts, as far as the addresses tell. */
static bool
is_between_hosts(const struct segment *segment)
{
	const uint8_t *source = segment->ends, *destination = segment->ends + segment->size;

	if (segment->size == 16)
		return !ip6_is_martian_source(source) && !ip6_is_martian_source(destination);
	return !ip4_is_martian_source(source) && !ip4_is_martian_source(destination);
}

static bool
read_segment(const struct rte_mbuf *packet, unsigned l3, struct segment *segment)
{
	unsigned end = l3 + ip_length(packet, (uint16_t)l3);
	unsigned l4 = find_tcp(packet, l3, segment), header;
	const struct rte_tcp_hdr *tcp;
	uint32_t pseudo;

	if (l4 == 0 || to_many(packet) || !is_between_hosts(segment))
		return false;
	tcp = (const void *)bytes_at(packet, l4, sizeof(*tcp), end, &segment->tcp);
	if (tcp == NULL)
		return false;
	if (tcp != &segment->tcp)
		segment->tcp = *tcp;
	header = (segment->tcp.data_off >> 4) * 4u;
	if (header < LAYOUT_TCP_LENGTH || l4 + header > end)
		return false;
	pseudo = pseudo_sum(segment->ends, 2 * segment->size, IPPROTO_TCP, end - l4);
	if (!checksum_holds(packet, l4, end - l4, offsetof(struct rte_tcp_hdr, cksum), pseudo))
		return false;
	segment->length = end - l4 - header;
	segment->length += segment->tcp.tcp_flags & RTE_TCP_SYN_FLAG ? 1 : 0;
	segment->length += segment->tcp.tcp_flags & RTE_TCP_FIN_FLAG ? 1 : 0;
	return true;
}

/* RFC 9293, 3.10.7.1: from the segment alone. */
static void
put_reset(struct rte_tcp_hdr *reset, const struct segment *segment)
{
	const struct rte_tcp_hdr *tcp = &segment->tcp;

	*reset = (struct rte_tcp_hdr){
		.src_port = tcp->dst_port,
		.dst_port = tcp->src_port,
		.data_off = sizeof(*reset) / 4 << 4,
		.tcp_flags = RTE_TCP_RST_FLAG,
	};
	if (tcp->tcp_flags & RTE_TCP_ACK_FLAG) {
		reset->sent_seq = tcp->recv_ack;
		return;
	}
	reset->recv_ack =
		rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + (uint32_t)segment->length);
	reset->tcp_flags |= RTE_TCP_ACK_FLAG;
}

struct rte_mbuf *
tcp_reset(struct packet_pools *pools, const struct rte_mbuf *packet, uint16_t l3)
{
	/* never fragmented: the ID means nothing (RFC 6864, 4.1) */
	const struct rte_ipv4_hdr header = { .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG) };
	struct segment segment;
	struct rte_tcp_hdr *tcp;
	struct rte_mbuf *reset;
	bool six;

	if (!read_segment(packet, l3, &segment) || (segment.tcp.tcp_flags & RTE_TCP_RST_FLAG))
		return NULL;
	six = segment.size == 16;
	reset = new_frame(pools, packet, six ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4,
		IPPROTO_TCP,
		RTE_ETHER_HDR_LEN + (six ? IP6_HEADER_LENGTH : IP4_HEADER_LENGTH) + sizeof(*tcp));
	if (unlikely(reset == NULL))
		return NULL;
	if (six)
		put_ip6(reset, segment.ends + 16, segment.ends);
	else
		put_ip4(reset, &header, segment.ends + 4, segment.ends);
	tcp = rte_pktmbuf_mtod_offset(reset, struct rte_tcp_hdr *, packet_meta(reset)->l4);
	put_reset(tcp, &segment);
	tcp->cksum = ~checksum_fold(
		pseudo_sum(segment.ends, 2 * segment.size, IPPROTO_TCP, sizeof(*tcp)) +
		checksum_sum(tcp, sizeof(*tcp)));
	return reset;
}
