/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors: whether one may be sent, which, and from where. */
#include "graph/trace.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "router/router_objects.h"

struct icmp_words {
	uint8_t type, code;
};

static const struct icmp_words words4[] = {
	[ROUTER_NET_UNREACHABLE] = { ICMP4_UNREACHABLE, ICMP4_NETWORK },
	[ROUTER_HOST_UNREACHABLE] = { ICMP4_UNREACHABLE, ICMP4_HOST },
	[ROUTER_PROTOCOL_UNREACHABLE] = { ICMP4_UNREACHABLE, ICMP4_PROTOCOL },
	[ROUTER_PORT_UNREACHABLE] = { ICMP4_UNREACHABLE, ICMP4_PORT },
	[ROUTER_PROHIBITED] = { ICMP4_UNREACHABLE, ICMP4_PROHIBITED },
	[ROUTER_TTL_EXCEEDED] = { ICMP4_TIME_EXCEEDED, 0 },
	[ROUTER_TOO_BIG] = { ICMP4_UNREACHABLE, ICMP4_TOO_BIG },
	[ROUTER_BEYOND_SCOPE] = { ICMP4_UNREACHABLE, ICMP4_HOST },
	[ROUTER_REASSEMBLY_EXCEEDED] = { ICMP4_TIME_EXCEEDED, 1 },
	[ROUTER_PARAMETER_PROBLEM] = { ICMP4_PARAMETER_PROBLEM, 0 },
	[ROUTER_REDIRECT] = { ICMP4_REDIRECT, 1 },
};

#define BEYOND_SCOPE 2 /* RFC 4443, 3.1 */

static const struct icmp_words words6[] = {
	[ROUTER_NET_UNREACHABLE] = { ICMP6_UNREACHABLE, ICMP6_NO_ROUTE },
	[ROUTER_HOST_UNREACHABLE] = { ICMP6_UNREACHABLE, ICMP6_ADDRESS },
	[ROUTER_PROTOCOL_UNREACHABLE] = { ICMP6_PARAMETER_PROBLEM, 1 },
	[ROUTER_PORT_UNREACHABLE] = { ICMP6_UNREACHABLE, ICMP6_PORT },
	[ROUTER_PROHIBITED] = { ICMP6_UNREACHABLE, ICMP6_PROHIBITED },
	[ROUTER_TTL_EXCEEDED] = { ICMP6_TIME_EXCEEDED, 0 },
	[ROUTER_TOO_BIG] = { ICMP6_TOO_BIG, 0 },
	[ROUTER_BEYOND_SCOPE] = { ICMP6_UNREACHABLE, BEYOND_SCOPE },
	[ROUTER_REASSEMBLY_EXCEEDED] = { ICMP6_TIME_EXCEEDED, 1 },
	[ROUTER_PARAMETER_PROBLEM] = { ICMP6_PARAMETER_PROBLEM, 0 },
	[ROUTER_REDIRECT] = { ICMP6_REDIRECT, 0 },
};

static bool
is_unreachable(enum router_error error)
{
	return error != ROUTER_TTL_EXCEEDED && error != ROUTER_TOO_BIG &&
	       error != ROUTER_REASSEMBLY_EXCEEDED && error != ROUTER_PARAMETER_PROBLEM &&
	       error != ROUTER_REDIRECT;
}

bool
router_may_send_icmp(struct worker *worker, struct router *router)
{
	return rate_allows(&router->icmp_rate, worker->now,
		atomic_load_explicit(&router->icmp_interval, memory_order_relaxed),
		ROUTER_ICMP_BURST);
}

/* Where the error leaves; NULL: there is no way back, or its sender is no single host. */
static struct vport *
way_back(struct worker *worker, const struct routed *routed)
{
	const uint8_t *source = routed_source(routed);
	const struct next_hop *hop;

	if (routed->family == 6 && ip6_is_link_local(source))
		return routed->ingress;
	hop = router_hop_to(worker, routed->port->owner, routed->family, source, routed->packet);
	if (hop == NULL || (hop->key.kind != HOP_CONNECTED && hop->key.kind != HOP_GATEWAY))
		return NULL;
	return vport_get(worker, hop->key.vport);
}

/* Whether it went to the router itself, by an address of one host. */
static bool
is_to_own6(const struct routed *routed)
{
	const uint8_t *destination = routed_destination(routed);
	const struct next_hop *hop = next_hop_get(routed->leaf);

	return routed->family == 6 && !ip6_is_multicast(destination) &&
	       ((hop != NULL && hop->key.kind == HOP_LOCAL) ||
		       router_port_has(routed->port, 6, destination));
}

/* RFC 1812, 4.3.2.4; RFC 4443, 2.2: (a) who was asked answers; (d) else who sends. */
static const uint8_t *
source_of(const struct routed *routed, const struct vport *egress)
{
	const uint8_t *to = routed_source(routed), *source;

	if (is_to_own6(routed))
		return routed_destination(routed);
	source = router_port_source(router_port_of(egress), routed->family, to);
	return source != NULL ? source : router_port_source(routed->port, routed->family, to);
}

static bool
may_answer(const struct routed *routed, enum router_error error, struct icmp_words words)
{
	if (is_unreachable(error) && !routed->port->unreachables)
		return false;
	if (routed->family == 6)
		return icmp6_may_answer(routed->packet, routed->l3, words.type, words.code);
	return !routed->group && icmp4_may_answer(routed->packet, routed->l3);
}

void
router_error(
	struct worker *worker, const struct routed *routed, enum router_error error, uint32_t value)
{
	struct icmp_words words = routed->family == 4 ? words4[error] : words6[error];
	struct packet_meta *meta = packet_meta(routed->packet);
	struct rte_mbuf *message;
	const uint8_t *source;
	struct vport *egress;

	if (error == ROUTER_PARAMETER_PROBLEM)
		words.code = (uint8_t)(value >> 16);
	if (!may_answer(routed, error, words))
		return;
	egress = way_back(worker, routed);
	source = egress != NULL ? source_of(routed, egress) : NULL;
	if (source == NULL && egress != NULL && routed->family == 6)
		source = router_any_source6(routed->port->owner);
	if (source == NULL)
		return;
	if (unlikely(meta->trace != 0))
		trace_step(worker, routed->packet, routed->ingress,
			"its sender %s told: ICMP%s type %u, code %u",
			meta->flags & PACKET_DRY_RUN ? "would be" : "is",
			routed->family == 4 ? "" : "v6", words.type, words.code);
	if ((meta->flags & PACKET_DRY_RUN) || !router_may_send_icmp(worker, routed->port->owner))
		return;
	if (routed->family == 4)
		message = icmp4_error(&worker->pools, routed->packet, routed->l3, words.type,
			words.code, value, source);
	else
		message = icmp6_error(&worker->pools, routed->packet, routed->l3, words.type,
			words.code, value & 0xffff, source);
	if (message == NULL)
		return;
	packet_meta(message)->trace = 0;
	if (meta->flags & PACKET_JUDGED)
		packet_meta(message)->flags |= PACKET_ABOUT_JUDGED;
	router_originate(worker, routed->ingress, message, routed->family,
		routed->family == 6 && ip6_is_link_local(routed_source(routed)) ? egress : NULL);
}

void
router_unreachable(struct worker *worker, struct rte_mbuf *packet, enum router_error error)
{
	struct routed routed = { .packet = packet, .l3 = RTE_ETHER_HDR_LEN };
	uint8_t version;

	routed.ingress = vport_get(worker, packet_meta(packet)->vport);
	if (routed.ingress == NULL || rte_pktmbuf_data_len(packet) <= routed.l3)
		return;
	routed.port = router_port_of(routed.ingress);
	version = routed_header(&routed)[0] >> 4;
	routed.family = version == 4 ? 4 : 6;
	router_error(worker, &routed, error, 0);
}

void
router_redirect(struct worker *worker, const struct routed *routed, const uint8_t *target)
{
	uint32_t gateway;

	if (routed->family == 6) {
		router_nd_redirect(worker, routed, target);
		return;
	}
	memcpy(&gateway, target, sizeof(gateway));
	router_error(worker, routed, ROUTER_REDIRECT, rte_be_to_cpu_32(gateway));
}
