/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/flow.h"

#include "packet/icmp.h"
#include "packet/ip.h"

#include <rte_tcp.h>

#define ICMP_HEADER_LENGTH 8
#define QUOTED_LEAST 8 /* bytes of what is behind the quoted header: RFC 792 */

static bool
has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

/* ---- of a packet ------------------------------------------------------------------------------
 */

/* The id stands on the side of who asks. False: no echo. */
static bool
set_echo(struct flow *flow, uint8_t type, uint16_t id)
{
	bool six = flow->family == 6;

	if (type == (six ? ICMP6_ECHO : ICMP4_ECHO))
		flow->from_port = id;
	else if (type == (six ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY))
		flow->to_port = id;
	else
		return false;
	return true;
}

bool
flow_read_slow(struct flow *flow, const struct fields *fields, uint32_t domain)
{
	*flow = (struct flow){
		.domain = domain,
		.family = fields->family,
		.protocol = fields->protocol,
	};
	if (fields->family == 0 || (fields->fragment && !fields->has_ports))
		return false;
	memcpy(flow->from_ip, fields->from_ip, sizeof(flow->from_ip));
	memcpy(flow->to_ip, fields->to_ip, sizeof(flow->to_ip));
	if (fields_is_icmp(fields))
		return fields->has_ports &&
		       set_echo(flow, (uint8_t)fields->from_port, fields->icmp_id);
	if (!has_ports(fields->protocol))
		return true;
	flow->from_port = fields->from_port;
	flow->to_port = fields->to_port;
	return fields->has_ports;
}

void
flow_fields(const struct flow *flow, struct fields *fields)
{
	*fields = (struct fields){
		.family = flow->family,
		.protocol = flow->protocol,
		.ethertype = flow->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6,
		.l4 = PACKET_OFFSET_NONE,
	};
	memcpy(fields->from_ip, flow->from_ip, sizeof(fields->from_ip));
	memcpy(fields->to_ip, flow->to_ip, sizeof(fields->to_ip));
	if (fields_is_icmp(fields)) {
		fields->has_ports = true;
		fields->from_port = flow->family == 6 ? ICMP6_ECHO : ICMP4_ECHO;
		fields->icmp_id = flow->from_port;
		return;
	}
	fields->has_ports = has_ports(flow->protocol);
	fields->from_port = flow->from_port;
	fields->to_port = flow->to_port;
	if (flow->protocol == IPPROTO_TCP)
		fields->tcp_flags = RTE_TCP_SYN_FLAG;
}

/* ---- of what an ICMP error quotes -------------------------------------------------------------
 */

bool
flow_is_error(const struct fields *fields)
{
	uint16_t type = fields->from_port;

	if (!fields_is_icmp(fields) || !fields->has_ports || fields->fragment ||
		fields->l4 == PACKET_OFFSET_NONE)
		return false;
	if (fields->family == 6) /* RFC 4443, 2.1: those that nobody has defined yet, too */
		return type < ICMP6_ECHO;
	return type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_REDIRECT ||
	       type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM;
}

/* A packet as far as it is quoted. */
struct quote {
	const struct rte_mbuf *packet;
	unsigned at, end; /* offsets: what comes next, and where the error ends */
};

/* The next bytes, which stay next; NULL: there are fewer. */
static const uint8_t *
quote_read(const struct quote *quote, unsigned length, void *copy)
{
	if (quote->at + length > quote->end)
		return NULL;
	return rte_pktmbuf_read(quote->packet, quote->at, length, copy);
}

/* RFC 791, 3.1. Its checksum may be of before somebody changed it on the way. */
static bool
quote_ip4(struct quote *quote, struct flow *flow)
{
	uint8_t copy[IP4_HEADER_LENGTH];
	const uint8_t *header = quote_read(quote, sizeof(copy), copy);
	unsigned length;

	if (header == NULL || header[0] >> 4 != 4)
		return false;
	length = (header[0] & 0x0f) * 4u;
	if (length < IP4_HEADER_LENGTH || parse_u16(header + 2) < length ||
		(parse_u16(header + 6) & RTE_IPV4_HDR_OFFSET_MASK) != 0)
		return false;
	flow->protocol = header[9];
	memcpy(flow->from_ip, header + 12, 4);
	memcpy(flow->to_ip, header + 16, 4);
	quote->at += length;
	return true;
}

/* RFC 8200, 4. */
static bool
quote_ip6(struct quote *quote, struct flow *flow)
{
	uint8_t copy[IP6_HEADER_LENGTH];
	const uint8_t *header = quote_read(quote, sizeof(copy), copy);

	if (header == NULL || header[0] >> 4 != 6)
		return false;
	flow->protocol = header[6];
	memcpy(flow->from_ip, header + 8, 16);
	memcpy(flow->to_ip, header + 24, 16);
	quote->at += IP6_HEADER_LENGTH;
	for (int i = 0; i < IP6_HEADERS_LIMIT; i++) {
		if (!ip6_is_extension(flow->protocol))
			return true;
		header = quote_read(quote, 8, copy);
		if (header == NULL || (flow->protocol == IPPROTO_FRAGMENT &&
					      (parse_u16(header + 2) & 0xfff8) != 0))
			return false;
		quote->at += ip6_extension_length(flow->protocol, header[1]);
		flow->protocol = header[0];
	}
	return false;
}

static bool
quote_transport(const struct quote *quote, struct flow *flow)
{
	uint8_t icmp = flow->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, copy[QUOTED_LEAST];
	const uint8_t *header;

	if (flow->protocol != icmp && !has_ports(flow->protocol))
		return quote->at <= quote->end;
	header = quote_read(quote, sizeof(copy), copy);
	if (header == NULL)
		return false;
	if (flow->protocol == icmp)
		return set_echo(flow, header[0], parse_u16(header + 4));
	flow->from_port = parse_u16(header);
	flow->to_port = parse_u16(header + 2);
	return true;
}

bool
flow_read_quoted(struct flow *flow, const struct rte_mbuf *packet, const struct fields *fields,
	uint32_t domain, uint16_t *l4)
{
	struct quote quote = { .packet = packet };

	if (!flow_is_error(fields))
		return false;
	quote.at = fields->l4 + ICMP_HEADER_LENGTH;
	quote.end = fields->l3 + ip_length(packet, fields->l3);
	*flow = (struct flow){ .domain = domain, .family = fields->family };
	if (!(flow->family == 4 ? quote_ip4(&quote, flow) : quote_ip6(&quote, flow)))
		return false;
	*l4 = (uint16_t)quote.at;
	/* an error about a packet goes to who sent it */
	return memcmp(flow->from_ip, fields->to_ip, sizeof(flow->from_ip)) == 0 &&
	       quote_transport(&quote, flow);
}
