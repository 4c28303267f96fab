/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/ip.h"

#include "packet/checksum.h"

#include <netinet/in.h>

#define FRAGMENT_LENGTH 8u
#define PROBLEM_FIELD 0  /* RFC 4443, 3.4: erroneous header field */
#define PROBLEM_NEXT 1   /* unrecognized Next Header type */
#define PROBLEM_OPTION 2 /* unrecognized IPv6 option */

enum ip_result
ip4_check_slow(const struct rte_mbuf *packet, uint16_t l3)
{
	uint8_t copy[IP4_HEADER_LIMIT];
	const uint8_t *header = rte_pktmbuf_read(packet, l3, IP4_HEADER_LENGTH, copy);
	unsigned length, total;

	/* RFC 1812, 5.2.2 (1) */
	if (header == NULL)
		return IP_TOO_SHORT;
	/* (3) before (2): what is of another version has its checksum elsewhere, if at all */
	if (header[0] >> 4 != 4)
		return IP_BAD_VERSION;
	/* (4) */
	length = (header[0] & 0x0f) * 4;
	if (length < IP4_HEADER_LENGTH || l3 + length > rte_pktmbuf_pkt_len(packet))
		return IP_BAD_HEADER_LENGTH;
	/* (5) */
	total = parse_u16(header + offsetof(struct rte_ipv4_hdr, total_length));
	if (total < length || l3 + total > rte_pktmbuf_pkt_len(packet))
		return IP_BAD_LENGTH;
	/* (2) */
	if (checksum_fold(checksum_sum_packet(packet, l3, length)) != 0xffff)
		return IP_BAD_CHECKSUM;
	return IP_OK;
}

enum ip_result
ip6_check_slow(const struct rte_mbuf *packet, uint16_t l3)
{
	struct rte_ipv6_hdr copy;
	const uint8_t *header = rte_pktmbuf_read(packet, l3, sizeof(copy), &copy);
	unsigned payload;

	if (header == NULL)
		return IP_TOO_SHORT;
	if (header[0] >> 4 != 6)
		return IP_BAD_VERSION;
	payload = parse_u16(header + offsetof(struct rte_ipv6_hdr, payload_len));
	if (l3 + IP6_HEADER_LENGTH + payload > rte_pktmbuf_pkt_len(packet))
		return IP_BAD_LENGTH;
	/* RFC 2675, 3: then the length is in an option */
	if (payload == 0 && header[offsetof(struct rte_ipv6_hdr, proto)] == IPPROTO_HOPOPTS)
		return IP_BAD_LENGTH;
	return IP_OK;
}

/* ---- the headers behind the IPv6 header ------------------------------------------------- */

struct walk {
	const struct rte_mbuf *packet;
	struct ip6_upper *upper;
	unsigned l3, end; /* end: of the IP packet */
	unsigned options; /* looked at so far */
	bool lengths_only;
};

static enum ip6_walk
problem(const struct walk *walk, uint8_t code, unsigned offset)
{
	walk->upper->code = code;
	walk->upper->pointer = (uint16_t)(offset - walk->l3);
	return IP6_PROBLEM;
}

/* RFC 8200, 4.2: what an option that is not known is to be met with says itself. */
static enum ip6_walk
unknown_option(const struct walk *walk, uint8_t type, unsigned offset)
{
	switch (type >> 6) {
	case 0:
		return IP6_UPPER;
	case 1:
		return IP6_SILENT;
	case 2:
		return problem(walk, PROBLEM_OPTION, offset);
	default:
		problem(walk, PROBLEM_OPTION, offset);
		return IP6_PROBLEM_HOST;
	}
}

/*
 * The options from `offset` to `end`, of a header that is inside the packet. Router Alert
 * (RFC 2711) is known, and means nothing here; padding (RFC 8200, 4.2) likewise.
 */
static enum ip6_walk
walk_options(struct walk *walk, unsigned offset, unsigned end)
{
	while (offset < end) {
		uint8_t copy[2];
		const uint8_t *option;
		enum ip6_walk result;

		if (++walk->options > IP6_OPTIONS_LIMIT)
			return IP6_TOO_MANY;
		option = rte_pktmbuf_read(walk->packet, offset, 1, copy);
		if (option[0] == 0) { /* Pad1 has no length */
			offset++;
			continue;
		}
		if (offset + 2 > end)
			return problem(walk, PROBLEM_FIELD, offset);
		option = rte_pktmbuf_read(walk->packet, offset, 2, copy);
		if (offset + 2 + option[1] > end)
			return problem(walk, PROBLEM_FIELD, offset + 1);
		result = option[0] == 1 || option[0] == 5 ? IP6_UPPER
							  : unknown_option(walk, option[0], offset);
		if (result != IP6_UPPER)
			return result;
		offset += 2u + option[1];
	}
	return IP6_UPPER;
}

/* RFC 8200, 4.5. What follows a second fragment header is not a datagram's: RFC 7112. */
static enum ip6_walk
walk_fragment(struct walk *walk, unsigned offset, const uint8_t *header)
{
	struct ip6_upper *upper = walk->upper;
	uint16_t field = parse_u16(header + 2);

	if (upper->fragment)
		return problem(walk, PROBLEM_NEXT, upper->next_field);
	upper->fragment = true;
	upper->fragment_header = (uint16_t)offset;
	upper->fragment_field = upper->next_field;
	upper->fragment_offset = field & 0xfff8;
	upper->more = field & 1;
	upper->id = (uint32_t)parse_u16(header + 4) << 16 | parse_u16(header + 6);
	return upper->fragment_offset == 0 ? IP6_UPPER : IP6_LATER;
}

/* RFC 8200, 4.4: no routing type is known here, nor is type 0 (RFC 5095). */
static enum ip6_walk
walk_routing(const struct walk *walk, unsigned offset, const uint8_t *header)
{
	return header[3] == 0 ? IP6_UPPER : problem(walk, PROBLEM_FIELD, offset + 2);
}

bool
ip6_is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT ||
	       protocol == IPPROTO_AH;
}

unsigned
ip6_extension_length(uint8_t type, uint8_t length)
{
	if (type == IPPROTO_FRAGMENT)
		return FRAGMENT_LENGTH;
	if (type == IPPROTO_AH) /* RFC 4302, 2.2: in 4-byte units, minus 2 */
		return (length + 2u) * 4;
	return (length + 1u) * 8;
}

/* One extension header at `offset`, of type upper->protocol; *length: how long it is. */
static enum ip6_walk
walk_header(struct walk *walk, unsigned offset, const uint8_t *header, unsigned *length)
{
	uint8_t type = walk->upper->protocol;

	*length = ip6_extension_length(type, header[1]);
	if (offset + *length > walk->end)
		return IP6_CUT_OFF;
	if (walk->lengths_only && type != IPPROTO_FRAGMENT)
		return IP6_UPPER;
	switch (type) {
	case IPPROTO_HOPOPTS:
		/* RFC 8200, 4.1: right behind the IPv6 header only */
		if (offset != walk->l3 + IP6_HEADER_LENGTH)
			return problem(walk, PROBLEM_NEXT, walk->upper->next_field);
		return walk_options(walk, offset + 2, offset + *length);
	case IPPROTO_DSTOPTS:
		return walk_options(walk, offset + 2, offset + *length);
	case IPPROTO_ROUTING:
		return walk_routing(walk, offset, header);
	case IPPROTO_FRAGMENT:
		return walk_fragment(walk, offset, header);
	default:
		return IP6_UPPER;
	}
}

static enum ip6_walk
walk_headers(const struct rte_mbuf *packet, uint16_t l3, struct ip6_upper *upper, bool lengths_only)
{
	struct walk walk = {
		.packet = packet,
		.upper = upper,
		.l3 = l3,
		.end = l3 + ip_length(packet, l3),
		.lengths_only = lengths_only,
	};
	unsigned offset = l3 + IP6_HEADER_LENGTH;
	uint8_t copy[8];

	*upper = (struct ip6_upper){
		.next_field = (uint16_t)(l3 + offsetof(struct rte_ipv6_hdr, proto)),
	};
	upper->protocol = *(const uint8_t *)rte_pktmbuf_read(packet, upper->next_field, 1, copy);
	for (int i = 0; i < IP6_HEADERS_LIMIT; i++) {
		const uint8_t *header;
		enum ip6_walk result;
		unsigned length;
		uint8_t next;

		upper->offset = (uint16_t)offset;
		if (!ip6_is_extension(upper->protocol))
			return IP6_UPPER;
		if (offset + sizeof(copy) > walk.end)
			return IP6_CUT_OFF;
		header = rte_pktmbuf_read(packet, offset, sizeof(copy), copy);
		next = header[0]; /* `copy` may be used again */
		result = walk_header(&walk, offset, header, &length);
		if (result != IP6_UPPER && result != IP6_LATER) {
			if (lengths_only)
				upper->protocol = next;
			return result;
		}
		upper->next_field = (uint16_t)offset;
		upper->protocol = next;
		offset += length;
		if (result == IP6_LATER) {
			upper->offset = (uint16_t)offset;
			return IP6_LATER;
		}
	}
	return IP6_TOO_MANY;
}

enum ip6_walk
ip6_find_upper(const struct rte_mbuf *packet, uint16_t l3, struct ip6_upper *upper)
{
	return walk_headers(packet, l3, upper, false);
}

enum ip6_walk
ip6_skip_headers(const struct rte_mbuf *packet, uint16_t l3, struct ip6_upper *upper)
{
	return walk_headers(packet, l3, upper, true);
}

/* ---- where the IP packet ends ------------------------------------------------------------ */

unsigned
ip_length(const struct rte_mbuf *packet, uint16_t l3)
{
	uint8_t copy[6];
	const uint8_t *header = rte_pktmbuf_read(packet, l3, sizeof(copy), copy);

	if (header[0] >> 4 == 4)
		return parse_u16(header + offsetof(struct rte_ipv4_hdr, total_length));
	return IP6_HEADER_LENGTH + parse_u16(header + offsetof(struct rte_ipv6_hdr, payload_len));
}

void
ip_trim(struct rte_mbuf *packet, uint16_t l3)
{
	unsigned length = l3 + ip_length(packet, l3);
	struct packet_meta *meta = packet_meta(packet);

	if (likely(length >= rte_pktmbuf_pkt_len(packet)))
		return;
	/* a partial checksum of the padding goes with it */
	if ((meta->offload & PACKET_NEEDS_CHECKSUM) &&
		meta->checksum_start + meta->checksum_offset + sizeof(uint16_t) > length)
		meta->offload = 0;
	packet_trim(packet, length);
}
