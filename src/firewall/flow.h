/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who speaks to whom, in one direction: by what a packet is found in the state table.
 */
#ifndef WEFT_FIREWALL_FLOW_H
#define WEFT_FIREWALL_FLOW_H

#include "base/hash.h"
#include "firewall/fields.h"

#include <netinet/in.h>

/*
 * TCP, UDP, UDP-Lite, SCTP, DCCP have ports. ICMP echo has its id as the port of who asks, and 0
 * as that of who answers. Other protocols are told apart by their addresses alone: ports 0.
 */
struct flow {
	uint8_t from_ip[16], to_ip[16]; /* IPv4: the first four bytes, the rest zero */
	uint16_t from_port, to_port;    /* host order */
	uint32_t domain;                /* whose state it is: another one's flows are others */
	uint8_t family, protocol;
	uint8_t reserved[2]; /* zero */
};

/* Words are put together out of neighbours. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "flow_rest()");
_Static_assert(sizeof(struct flow) == 44, "no gaps");

/* The flow of a packet. False: it has none (not IP, a fragment without ports, a transport header
 * that is cut off, an ICMP message other than echo: errors, redirects, router and neighbor
 * discovery). */
bool flow_read_slow(struct flow *flow, const struct fields *fields, uint32_t domain);

static inline bool
flow_read(struct flow *flow, const struct fields *fields, uint32_t domain)
{
	uint32_t ports, kind;
	uint64_t rest;

	/* nearly every packet */
	if (unlikely(!fields->has_ports ||
		     (fields->protocol != IPPROTO_TCP && fields->protocol != IPPROTO_UDP)))
		return flow_read_slow(flow, fields, domain);
	memcpy(flow->from_ip, fields->from_ip, sizeof(flow->from_ip));
	memcpy(flow->to_ip, fields->to_ip, sizeof(flow->to_ip));
	/* in one store each, for flow_rest() and who looks at the rest */
	memcpy(&ports, &fields->from_port, sizeof(ports));
	rest = ports | (uint64_t)domain << 32;
	memcpy(&flow->from_port, &rest, sizeof(rest));
	kind = fields->family | (uint32_t)fields->protocol << 8;
	memcpy(&flow->family, &kind, sizeof(kind));
	return true;
}

/* The same in the other direction. */
static inline struct flow
flow_reverse(const struct flow *flow)
{
	struct flow other = *flow;

	memcpy(other.from_ip, flow->to_ip, sizeof(other.from_ip));
	memcpy(other.to_ip, flow->from_ip, sizeof(other.to_ip));
	other.from_port = flow->to_port;
	other.to_port = flow->from_port;
	return other;
}

/* What rules look at of a flow's first packet, as far as the flow tells: addresses, ports, a SYN,
 * an echo request; the rest is zero. */
void flow_fields(const struct flow *flow, struct fields *fields);

/* The addresses of an IPv4 flow in one word; turned by half of it those of the other direction. */
static inline uint64_t
flow_ends(const struct flow *flow)
{
	uint32_t from, to;

	memcpy(&from, flow->from_ip, sizeof(from));
	memcpy(&to, flow->to_ip, sizeof(to));
	return from | (uint64_t)to << 32;
}

static inline uint64_t
flow_ends_turned(uint64_t ends)
{
	return ends << 32 | ends >> 32;
}

/* Ports and, above them, the domain. */
static inline uint64_t
flow_rest(const struct flow *flow)
{
	uint64_t rest;

	memcpy(&rest, &flow->from_port, sizeof(rest));
	return rest;
}

static inline uint64_t
flow_rest_turned(uint64_t rest)
{
	uint32_t ports = (uint32_t)rest;

	return (rest >> 32 << 32) | (uint32_t)(ports << 16 | ports >> 16);
}

/* An address of IPv6 and a port in one word, which nobody can foresee. */
static inline uint64_t
flow_endpoint6(const uint8_t *ip, uint16_t port, const struct hash_key *key)
{
	uint64_t high, low;

	memcpy(&high, ip, sizeof(high));
	memcpy(&low, ip + sizeof(high), sizeof(low));
	return hash_words(key, high, low) ^ port;
}

/* Keyed; the same for both directions, so that both come to one worker. */
static inline uint64_t
flow_hash(const struct flow *flow, const struct hash_key *key)
{
	/* domains that live at one time do not differ in the upper byte alone: graph/id.h */
	uint64_t whose = (uint64_t)(flow->domain ^ (uint32_t)flow->protocol << 24) << 32;
	uint64_t ends = flow_ends(flow), turned = flow_ends_turned(ends);
	uint64_t rest = flow_rest(flow), rest_turned = flow_rest_turned(rest), from, to;
	/* all ones for one of both directions: a branch would be foretold every other time */
	uint64_t turn = 0 - (uint64_t)((turned < ends) | ((turned == ends) & (rest_turned < rest)));

	if (likely(flow->family == 4))
		return hash_words(key, ends ^ ((ends ^ turned) & turn),
			(uint32_t)(rest ^ ((rest ^ rest_turned) & turn)) | whose);
	from = flow_endpoint6(flow->from_ip, flow->from_port, key);
	to = flow_endpoint6(flow->to_ip, flow->to_port, key);
	return hash_words(key, from < to ? from : to, (from < to ? to : from) ^ whose);
}

/* Whether it is an ICMP message about a packet, which it quotes: an error (RFC 792, 4443), or a
 * redirect of IPv4. */
bool flow_is_error(const struct fields *fields);

/*
 * The flow that an ICMP error is about, as the packet that it quotes had it (RFC 792, 4443): from
 * whom the error goes to. False: it is no error, goes to somebody else than who sent what it
 * quotes, or what it quotes is malformed, too short, of no flow, or a fragment but the first.
 * `packet` has passed fields_read() as `fields`. `l4`: where the quoted transport header is.
 */
bool flow_read_quoted(struct flow *flow, const struct rte_mbuf *packet, const struct fields *fields,
	uint32_t domain, uint16_t *l4);

#endif
