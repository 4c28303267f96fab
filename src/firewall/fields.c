/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/fields.h"

#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_tcp.h>

#define VLAN_ID 0x0fff
#define TCP_LENGTH 20u
#define UDP_LENGTH 8u
#define SCTP_LENGTH 12u /* RFC 9260, 3.1 */
#define DCCP_LENGTH 12u /* RFC 4340, 5.1: with short sequence numbers */
#define ICMP_LENGTH 8u  /* no message of either family is shorter */

#ifndef IPPROTO_DCCP
#define IPPROTO_DCCP 33
#endif
#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

/* ---- the transport ------------------------------------------------------------------------ */

/*
 * What RFC 9293 lets a sender set: every segment has ACK, but for the first SYN and for resets that
 * answer what has none (3.10.7.1); SYN, RST and FIN exclude each other. Urgent data cannot be of a
 * SYN-ACK or a reset. PSH says nothing to anybody in between, ECE and CWR are RFC 3168's.
 */
static bool
flags_are_sound(uint8_t flags)
{
	switch (flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG |
				RTE_TCP_URG_FLAG)) {
	case RTE_TCP_SYN_FLAG:
	case RTE_TCP_SYN_FLAG | RTE_TCP_URG_FLAG:
	case RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG:
	case RTE_TCP_ACK_FLAG:
	case RTE_TCP_ACK_FLAG | RTE_TCP_URG_FLAG:
	case RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG:
	case RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_URG_FLAG:
	case RTE_TCP_RST_FLAG:
	case RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG:
		return true;
	default:
		return false;
	}
}

/* How much of a transport header has to be there; 0: nothing is known of the protocol. */
static unsigned
least_length(const struct fields *fields)
{
	static const uint8_t lengths[256] = {
		[IPPROTO_TCP] = TCP_LENGTH,
		[IPPROTO_UDP] = UDP_LENGTH,
		[IPPROTO_UDPLITE] = UDP_LENGTH,
		[IPPROTO_SCTP] = SCTP_LENGTH,
		[IPPROTO_DCCP] = DCCP_LENGTH,
	};
	unsigned length = lengths[fields->protocol];

	return unlikely(length == 0) && fields_is_icmp(fields) ? ICMP_LENGTH : length;
}

static bool
read_tcp(struct fields *fields, const uint8_t *header, unsigned room)
{
	unsigned length = (header[12] >> 4) * 4u;

	if (length < TCP_LENGTH || length > room || !flags_are_sound(header[13]))
		return false;
	fields->tcp_flags = header[13];
	return true;
}

/* What is behind a datagram's own length is options (RFC 9868), of which its receiver decides. A
 * fragment is not all of it. */
static bool
udp_length_is_sound(const struct fields *fields, const uint8_t *header, unsigned room)
{
	unsigned length = parse_u16(header + 4);

	return length >= UDP_LENGTH && (fields->fragment || length <= room);
}

/* RFC 3828, 3.1: how much the checksum covers; 0 is everything. */
static bool
coverage_is_sound(const struct fields *fields, const uint8_t *header, unsigned room)
{
	unsigned coverage = parse_u16(header + 4);

	return coverage == 0 || (coverage >= UDP_LENGTH && (fields->fragment || coverage <= room));
}

static void
read_icmp(struct fields *fields, const uint8_t *header)
{
	bool echo = fields->family == 4 ? header[0] == ICMP4_ECHO || header[0] == ICMP4_ECHO_REPLY
					: header[0] == ICMP6_ECHO || header[0] == ICMP6_ECHO_REPLY;

	fields->from_port = header[0];
	fields->to_port = header[1];
	if (echo)
		fields->icmp_id = parse_u16(header + 4);
}

/* Both in one store, for who loads them together. */
static void
read_ports(struct fields *fields, const uint8_t *header)
{
	uint16_t ports[2] = { parse_u16(header), parse_u16(header + 2) };
	uint32_t both = ports[0] | (uint32_t)ports[1] << 16;

	memcpy(&fields->from_port, &both, sizeof(both));
}

/* Of protocols with ports but TCP and UDP. */
static bool
is_sound(const struct fields *fields, const uint8_t *header, unsigned room)
{
	if (fields->protocol == IPPROTO_UDPLITE)
		return coverage_is_sound(fields, header, room);
	if (fields->protocol == IPPROTO_DCCP) /* RFC 4340, 5.1: the data offset, in words */
		return header[4] * 4u >= DCCP_LENGTH &&
		       (fields->fragment || header[4] * 4u <= room);
	return true;
}

/* `header` has least_length() bytes, which is not 0; `room`: from there to the end of the IP
 * packet. */
static inline bool
read_header(struct fields *fields, const uint8_t *header, unsigned room)
{
	bool sound;

	fields->has_ports = true;
	if (likely(fields->protocol == IPPROTO_TCP)) {
		sound = read_tcp(fields, header, room);
	} else if (likely(fields->protocol == IPPROTO_UDP)) {
		sound = udp_length_is_sound(fields, header, room);
	} else if (fields_is_icmp(fields)) {
		read_icmp(fields, header);
		return true;
	} else {
		sound = is_sound(fields, header, room);
	}
	if (likely(sound))
		read_ports(fields, header);
	else
		fields->has_ports = false;
	return sound;
}

static void
keep_offset(struct fields *fields, unsigned offset, unsigned end)
{
	fields->l4 = (uint16_t)offset;
	fields->l4_length = (uint16_t)(end - offset);
}

/* `end`: of the IP packet, in the frame. */
static inline enum fields_result
read_transport(const struct rte_mbuf *packet, struct fields *fields, unsigned offset, unsigned end)
{
	unsigned length = least_length(fields);
	uint8_t copy[TCP_LENGTH];
	const uint8_t *header;

	if (length == 0) { /* there is something, or nothing (RFC 8200, 4.7) */
		if (offset < end && fields->protocol != IPPROTO_NONE)
			keep_offset(fields, offset, end);
		return FIELDS_OK;
	}
	if (unlikely(offset + length > end))
		return FIELDS_BAD_TRANSPORT;
	header = rte_pktmbuf_read(packet, offset, length, copy);
	if (unlikely(header == NULL || !read_header(fields, header, end - offset)))
		return FIELDS_BAD_TRANSPORT;
	keep_offset(fields, offset, end);
	return FIELDS_OK;
}

/* ---- the network layer -------------------------------------------------------------------- */

/* In one store, as those who go on with it load it: a load of sixteen bytes, of which four have
 * just been written by themselves, waits until these are in the cache. */
static void
put_ip4(uint8_t to[16], const uint8_t *from)
{
	typedef uint32_t quad __attribute__((vector_size(16)));
	quad whole = { 0 };
	uint32_t four;

	memcpy(&four, from, sizeof(four));
	whole[0] = four;
	memcpy(to, &whole, sizeof(whole));
}

static void
read_ip4_header(struct fields *fields, const uint8_t *ip)
{
	fields->family = 4;
	fields->dscp = ip[offsetof(struct rte_ipv4_hdr, type_of_service)] >> 2;
	fields->protocol = ip[offsetof(struct rte_ipv4_hdr, next_proto_id)];
	put_ip4(fields->from_ip, ip + offsetof(struct rte_ipv4_hdr, src_addr));
	put_ip4(fields->to_ip, ip + offsetof(struct rte_ipv4_hdr, dst_addr));
}

static void
read_ip6_header(struct fields *fields, const uint8_t *ip)
{
	fields->family = 6;
	fields->dscp = (parse_u16(ip) >> 6) & 0x3f;
	fields->protocol = ip[offsetof(struct rte_ipv6_hdr, proto)];
	memcpy(fields->from_ip, ip + offsetof(struct rte_ipv6_hdr, src_addr), 16);
	memcpy(fields->to_ip, ip + offsetof(struct rte_ipv6_hdr, dst_addr), 16);
}

static enum fields_result
result_of(enum ip_result result)
{
	if (result == IP_BAD_CHECKSUM)
		return FIELDS_BAD_IP_CHECKSUM;
	return result == IP_OK ? FIELDS_OK : FIELDS_BAD_IP_HEADER;
}

static enum fields_result
read_ip4(const struct rte_mbuf *packet, struct fields *fields)
{
	enum fields_result result = result_of(ip4_check(packet, fields->l3));
	uint8_t copy[IP4_HEADER_LENGTH];
	const uint8_t *ip;
	uint16_t fragment;

	if (unlikely(result != FIELDS_OK))
		return result;
	ip = rte_pktmbuf_read(packet, fields->l3, IP4_HEADER_LENGTH, copy);
	read_ip4_header(fields, ip);
	fragment = parse_u16(ip + offsetof(struct rte_ipv4_hdr, fragment_offset));
	fields->fragment = (fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0;
	if (unlikely((fragment & RTE_IPV4_HDR_OFFSET_MASK) != 0))
		return FIELDS_OK;
	return read_transport(packet, fields, fields->l3 + (ip[0] & 0x0fu) * 4,
		fields->l3 + parse_u16(ip + offsetof(struct rte_ipv4_hdr, total_length)));
}

static enum fields_result
read_ip6(const struct rte_mbuf *packet, struct fields *fields)
{
	enum fields_result result = result_of(ip6_check(packet, fields->l3));
	unsigned end, offset = fields->l3 + IP6_HEADER_LENGTH;
	uint8_t copy[IP6_HEADER_LENGTH];
	struct ip6_upper upper;
	const uint8_t *ip;
	enum ip6_walk walk;

	if (unlikely(result != FIELDS_OK))
		return result;
	ip = rte_pktmbuf_read(packet, fields->l3, IP6_HEADER_LENGTH, copy);
	read_ip6_header(fields, ip);
	end = offset + parse_u16(ip + offsetof(struct rte_ipv6_hdr, payload_len));
	if (likely(!ip6_is_extension(fields->protocol)))
		return read_transport(packet, fields, offset, end);
	walk = ip6_find_upper(packet, fields->l3, &upper);
	fields->protocol = upper.protocol;
	fields->fragment = upper.fragment;
	if (walk == IP6_LATER)
		return FIELDS_OK;
	if (walk != IP6_UPPER)
		return FIELDS_BAD_IP_HEADER;
	return read_transport(packet, fields, upper.offset, end);
}

/* ---- the frame ---------------------------------------------------------------------------- */

static inline enum fields_result
read_network(const struct rte_mbuf *packet, struct fields *fields)
{
	if (likely(fields->ethertype == RTE_ETHER_TYPE_IPV4))
		return read_ip4(packet, fields);
	if (fields->ethertype == RTE_ETHER_TYPE_IPV6)
		return read_ip6(packet, fields);
	return FIELDS_OK;
}

/* With tags, and what is cut off. */
static enum fields_result
read_frame_slow(const struct rte_mbuf *packet, struct fields *fields)
{
	struct ether_view view;
	enum parse_result parsed = parse_ether(packet, &view);

	if (parsed == PARSE_TOO_SHORT)
		return FIELDS_TOO_SHORT;
	memcpy(fields->to_mac, view.destination, sizeof(fields->to_mac));
	memcpy(fields->from_mac, view.source, sizeof(fields->from_mac));
	fields->vlan = view.tci & VLAN_ID;
	if (parsed != PARSE_OK)
		return FIELDS_BAD_VLAN_TAG;
	fields->ethertype = view.type;
	fields->l3 = view.offset;
	return read_network(packet, fields);
}

static inline enum fields_result
read_frame(const struct rte_mbuf *packet, struct fields *fields)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);

	if (unlikely(rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN ||
		     parse_is_tag(parse_u16(frame + 2 * RTE_ETHER_ADDR_LEN))))
		return read_frame_slow(packet, fields);
	memcpy(fields->to_mac, frame, 2 * RTE_ETHER_ADDR_LEN);
	fields->ethertype = parse_u16(frame + 2 * RTE_ETHER_ADDR_LEN);
	fields->l3 = RTE_ETHER_HDR_LEN;
	return read_network(packet, fields);
}

/* What packet_parse() would find, of a packet whose transport has been found sound. */
static void
keep_layout(struct rte_mbuf *packet, const struct fields *fields)
{
	struct packet_meta *meta = packet_meta(packet);

	meta->l3 = fields->l3;
	meta->l4 = fields->l4;
	meta->ethertype = fields->ethertype;
	meta->protocol = fields->protocol;
	meta->flags |= PACKET_PARSED;
}

enum fields_result
fields_read(struct rte_mbuf *packet, struct fields *fields)
{
	enum fields_result result;

	*fields = (struct fields){ .l4 = PACKET_OFFSET_NONE };
	result = read_frame(packet, fields);
	if (likely(result == FIELDS_OK && fields->has_ports))
		keep_layout(packet, fields);
	else
		packet_parse(packet);
	return result;
}
