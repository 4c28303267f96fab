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

/* The flow of a packet. False: it has none (not IP, a fragment without ports, a transport header
 * that is cut off, an ICMP message other than echo: errors, redirects, router and neighbor
 * discovery). */
bool flow_read_slow(struct flow *flow, const struct fields *fields, uint32_t domain);

static inline bool
flow_read(struct flow *flow, const struct fields *fields, uint32_t domain)
{
	/* nearly every packet */
	if (unlikely(!fields->has_ports ||
		     (fields->protocol != IPPROTO_TCP && fields->protocol != IPPROTO_UDP)))
		return flow_read_slow(flow, fields, domain);
	memcpy(flow->from_ip, fields->from_ip, sizeof(flow->from_ip));
	memcpy(flow->to_ip, fields->to_ip, sizeof(flow->to_ip));
	memcpy(&flow->from_port, &fields->from_port, 2 * sizeof(flow->from_port));
	flow->domain = domain;
	flow->family = fields->family;
	flow->protocol = fields->protocol;
	memset(flow->reserved, 0, sizeof(flow->reserved));
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

/* An address and a port in one word, which for IPv6 nobody can foresee. */
static inline uint64_t
flow_endpoint(
	const struct flow *flow, const uint8_t *ip, uint16_t port, const struct hash_key *key)
{
	uint64_t high, low;
	uint32_t four;

	if (likely(flow->family == 4)) {
		memcpy(&four, ip, sizeof(four));
		return (uint64_t)four << 16 | port;
	}
	memcpy(&high, ip, sizeof(high));
	memcpy(&low, ip + sizeof(high), sizeof(low));
	return hash_words(key, high, low) ^ port;
}

/* Keyed; the same for both directions, so that both come to one worker. */
static inline uint64_t
flow_hash(const struct flow *flow, const struct hash_key *key)
{
	uint64_t from = flow_endpoint(flow, flow->from_ip, flow->from_port, key);
	uint64_t to = flow_endpoint(flow, flow->to_ip, flow->to_port, key);
	uint64_t least = from < to ? from : to, most = from < to ? to : from;

	/* where endpoints of IPv4 have nothing, but for a domain's upper byte: no two domains that
	 * live at one time differ in that alone (graph/id.h) */
	least ^= (uint64_t)(flow->domain << 8 | flow->protocol) << 48;
	most ^= (uint64_t)(flow->domain >> 8) << 48 ^ (uint64_t)(flow->domain >> 24) << 40;
	return hash_words(key, least, most);
}

/*
 * The flow that an ICMP error is about, as the packet that it quotes had it (RFC 792, 4443): from
 * whom the error goes to. False: it is no error, goes to somebody else than who sent what it
 * quotes, or what it quotes is malformed, too short, of no flow, or a fragment but the first.
 * `packet` has passed fields_read() as `fields`. `l4`: where the quoted transport header is.
 */
bool flow_read_quoted(struct flow *flow, const struct rte_mbuf *packet, const struct fields *fields,
	uint32_t domain, uint16_t *l4);

#endif
