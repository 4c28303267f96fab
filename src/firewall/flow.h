/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who speaks to whom, in one direction: by what a packet is found in the state table.
 */
#ifndef WEFT_FIREWALL_FLOW_H
#define WEFT_FIREWALL_FLOW_H

#include "base/hash.h"
#include "firewall/fields.h"

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
bool flow_read(struct flow *flow, const struct fields *fields, uint32_t domain);

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

/* Keyed; the same for both directions, so that both come to one worker. */
uint64_t flow_hash(const struct flow *flow, const struct hash_key *key);

/*
 * The flow that an ICMP error is about, as the packet that it quotes had it (RFC 792, 4443): from
 * whom the error goes to. False: it is no error, goes to somebody else than who sent what it
 * quotes, or what it quotes is malformed, too short, of no flow, or a fragment but the first.
 * `packet` has passed fields_read() as `fields`. `l4`: where the quoted transport header is.
 */
bool flow_read_quoted(struct flow *flow, const struct rte_mbuf *packet, const struct fields *fields,
	uint32_t domain, uint16_t *l4);

#endif
