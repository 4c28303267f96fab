/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to the router itself: its own addresses, and the groups that it listens to. */
#include "graph/trace.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "protocols/dhcp/dhcp_message.h"
#include "router/router_objects.h"
#include "router/router_ping.h"

#include <netinet/in.h>

#define ICMP_LENGTH 8

void
router_taken(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	if (unlikely(packet_meta(packet)->trace != 0))
		trace_taken(worker, packet, vport, "it was for the router itself");
	rte_pktmbuf_free(packet);
}

/* ---- echo
 * ---------------------------------------------------------------------------------------- */

/* The packet, writable as far as the ICMP header; NULL: it was dropped. */
static struct rte_mbuf *
open_icmp(struct worker *worker, struct routed *routed, unsigned l4)
{
	bool dry_run = packet_meta(routed->packet)->flags & PACKET_DRY_RUN;

	if (l4 + ICMP_LENGTH > rte_pktmbuf_pkt_len(routed->packet)) {
		packet_drop(worker, routed->ingress, DROP_BAD_ICMP, routed->packet);
		return NULL;
	}
	routed->packet = packet_writable(&worker->pools, routed->packet, l4 + ICMP_LENGTH, 0);
	if (routed->packet == NULL)
		packet_dropped(worker, routed->ingress, DROP_NO_BUFFER, dry_run);
	return routed->packet;
}

static void
finish_echo(struct worker *worker, struct routed *routed, enum icmp_echo result)
{
	struct rte_mbuf *packet = routed->packet;
	struct vport *port = NULL;

	if (result == ICMP_ECHO_BAD_CHECKSUM) {
		packet_drop(worker, routed->ingress, DROP_BAD_ICMP, packet);
		return;
	}
	if (result == ICMP_ECHO_NOT) {
		router_taken(worker, routed->ingress, packet);
		return;
	}
	if (packet_meta(packet)->flags & PACKET_DRY_RUN) { /* the question is what is explained */
		trace_taken(worker, packet, routed->ingress,
			"echo request to the router: it would be answered");
		rte_pktmbuf_free(packet);
		return;
	}
	if (unlikely(packet_meta(packet)->trace != 0))
		trace_step(worker, packet, routed->ingress, "echo request to the router: answered");
	if (routed->family == 6 && ip6_is_link_local(routed_destination(routed)))
		port = routed->ingress;
	router_originate(worker, routed->ingress, packet, routed->family, port);
}

/* ---- IPv4
 * ---------------------------------------------------------------------------------------- */

/* What may answer a ping of the router's own, while there is one. */
static bool
may_answer_ping(const struct routed *routed, unsigned l4)
{
	uint8_t type = *rte_pktmbuf_mtod_offset(routed->packet, uint8_t *, l4);

	if (atomic_load_explicit(&router_pings, memory_order_relaxed) == 0)
		return false;
	if (routed->family == 4)
		return type == ICMP4_ECHO_REPLY || type == ICMP4_UNREACHABLE ||
		       type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM;
	return type == ICMP6_ECHO_REPLY || type < ICMP6_ECHO;
}

static void
icmp4(struct worker *worker, struct routed *routed)
{
	unsigned l4 = routed->l3 + (routed_header(routed)[0] & 0x0f) * 4u;

	if (open_icmp(worker, routed, l4) == NULL)
		return;
	if (may_answer_ping(routed, l4)) {
		router_punt(worker, routed);
		return;
	}
	ip_trim(routed->packet, routed->l3);
	finish_echo(worker, routed, icmp4_echo_reply_in_place(routed->packet, routed->l3));
}

/* Nobody listens here. RFC 1122, 4.1.3.4: a UDP datagram that is broken is not answered, nor
 * (RFC 8200, 4.7) what says that it holds nothing. */
static void
nobody(struct worker *worker, struct routed *routed, uint8_t protocol, uint16_t l4,
	uint32_t next_field)
{
	struct router *router = routed->port->owner;
	bool dry_run = packet_meta(routed->packet)->flags & PACKET_DRY_RUN;
	struct rte_mbuf *reset;

	if (protocol == IPPROTO_TCP && !dry_run && router_may_send_icmp(worker, router)) {
		reset = tcp_reset(&worker->pools, routed->packet, routed->l3);
		if (reset != NULL) {
			packet_meta(reset)->trace = 0;
			router_originate(worker, routed->ingress, reset, routed->family,
				routed->family == 6 && ip6_is_link_local(routed_source(routed))
					? routed->ingress
					: NULL);
		}
	} else if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE) {
		if (protocol != IPPROTO_UDP || udp_is_sound(routed->packet, routed->l3, l4))
			router_error(worker, routed, ROUTER_PORT_UNREACHABLE, 0);
	} else if (protocol != IPPROTO_TCP && !(routed->family == 6 && protocol == IPPROTO_NONE)) {
		router_error(worker, routed, ROUTER_PROTOCOL_UNREACHABLE, next_field);
	}
	packet_drop(worker, routed->ingress, DROP_NOT_LISTENING, routed->packet);
}

/* RFC 791: a piece of a longer one. */
static bool
is_fragment4(const uint8_t *header)
{
	return (parse_u16(header + 6) & 0x3fff) != 0;
}

/* Whether a service port took it. */
static bool
is_served4(struct worker *worker, struct routed *routed)
{
	const uint8_t *header = routed_header(routed);
	unsigned length = (header[0] & 0x0f) * 4u;

	return header[9] == IPPROTO_UDP && router_udp_deliver(worker, routed, routed->l3 + length,
						   ip_length(routed->packet, routed->l3) - length);
}

/* A datagram to the port of DHCP servers and relays. */
static bool
is_dhcp(const struct routed *routed)
{
	const uint8_t *header = routed_header(routed), *port;
	unsigned l4 = routed->l3 + (header[0] & 0x0f) * 4u;
	uint8_t copy[2];

	if (header[9] != IPPROTO_UDP || is_fragment4(header))
		return false;
	port = rte_pktmbuf_read(routed->packet, l4 + 2, sizeof(copy), copy);
	return port != NULL && parse_u16(port) == DHCP_SERVER_PORT;
}

/* Whether it is for a port that serves or relays: the one whose address it is for, or the one
 * where it came in, if it is for all there. */
static bool
is_for_dhcp(struct worker *worker, const struct routed *routed, const struct next_hop *hop)
{
	const struct vport *vport = routed->ingress;
	bool broadcast = ip4_is_broadcast(routed_destination(routed));

	if (!broadcast && hop != NULL && hop->key.kind == HOP_LOCAL && !routed->group)
		vport = vport_get(worker, hop->key.vport);
	else if (!broadcast &&
		 (hop == NULL || hop->key.kind != HOP_BROADCAST || hop->key.vport != vport->id))
		return false;
	return vport != NULL && router_port_of(vport)->dhcp && is_dhcp(routed);
}

static void
local4(struct worker *worker, struct routed *routed)
{
	const uint8_t *header = routed_header(routed);
	bool own = !ip4_is_multicast(header + 16) && !ip4_is_broadcast(header + 16);
	const struct next_hop *hop = next_hop_get(routed->leaf);

	if (header[9] == IPPROTO_UDP && is_for_dhcp(worker, routed, hop)) {
		router_punt(worker, routed);
		return;
	}
	own = own && hop != NULL && hop->key.kind == HOP_LOCAL;
	if (!own || routed->group)
		packet_drop(worker, routed->ingress, DROP_MULTICAST, routed->packet);
	else if (is_fragment4(header))
		router_punt(worker, routed);
	else if (header[9] == IPPROTO_ICMP)
		icmp4(worker, routed);
	else if (!is_served4(worker, routed))
		nobody(worker, routed, header[9], (uint16_t)(routed->l3 + (header[0] & 0x0f) * 4),
			0);
}

/* ---- IPv6
 * ---------------------------------------------------------------------------------------- */

/* RFC 4291, 2.8: what a router listens to. */
static bool
is_own_group(const struct router_port *port, const uint8_t *group)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	static const uint8_t all_routers[16] = { 0xff, 0x02, [15] = 2 };
	uint8_t solicited[16];

	if (memcmp(group, all_nodes, sizeof(all_nodes)) == 0 ||
		memcmp(group, all_routers, sizeof(all_routers)) == 0)
		return true;
	for (unsigned i = 0; i < port->n_addresses; i++) {
		if (port->addresses[i].family != 6)
			continue;
		ip6_solicited_node(solicited, port->addresses[i].bytes);
		if (memcmp(group, solicited, sizeof(solicited)) == 0)
			return true;
	}
	return (port->proxy_arp ||
		       atomic_load_explicit(&port->owner->claims_any, memory_order_relaxed)) &&
	       group[11] == 1 && group[12] == 0xff;
}

static void
icmp6(struct worker *worker, struct routed *routed, const struct ip6_upper *upper)
{
	unsigned end = routed->l3 + ip_length(routed->packet, routed->l3);
	unsigned length = end > upper->offset ? end - upper->offset : 0;
	const uint8_t *source = NULL;
	uint8_t type;

	if (length < ICMP_LENGTH || open_icmp(worker, routed, upper->offset) == NULL) {
		if (length < ICMP_LENGTH)
			packet_drop(worker, routed->ingress, DROP_BAD_ICMP, routed->packet);
		return;
	}
	if (!icmp6_checksum_holds(routed->packet, routed->l3, upper->offset, length)) {
		packet_drop(worker, routed->ingress, DROP_BAD_ICMP, routed->packet);
		return;
	}
	type = *rte_pktmbuf_mtod_offset(routed->packet, uint8_t *, upper->offset);
	if (type >= 133 && type <= 137) {
		router_nd(worker, routed, upper->offset, length);
		return;
	}
	if (may_answer_ping(routed, upper->offset)) {
		router_punt(worker, routed);
		return;
	}
	ip_trim(routed->packet, routed->l3);
	if (ip6_is_multicast(routed_destination(routed)))
		source = router_port_source(routed->port, 6, routed_source(routed));
	finish_echo(worker, routed, icmp6_echo_reply_in_place(routed->packet, routed->l3, source));
}

/* What the extension headers say is wrong. */
static void
problem6(struct worker *worker, struct routed *routed, enum ip6_walk walk,
	const struct ip6_upper *upper)
{
	if (walk == IP6_PROBLEM || (walk == IP6_PROBLEM_HOST && !routed->group))
		router_error(worker, routed, ROUTER_PARAMETER_PROBLEM,
			(uint32_t)upper->code << 16 | upper->pointer);
	packet_drop(worker, routed->ingress, DROP_BAD_IP_HEADER, routed->packet);
}

static bool
is_served6(struct worker *worker, struct routed *routed, const struct ip6_upper *upper)
{
	unsigned end = routed->l3 + ip_length(routed->packet, routed->l3);

	return upper->protocol == IPPROTO_UDP && end > upper->offset &&
	       router_udp_deliver(worker, routed, upper->offset, end - upper->offset);
}

static void
local6(struct worker *worker, struct routed *routed)
{
	const uint8_t *destination = routed_destination(routed);
	bool group = ip6_is_multicast(destination);
	struct ip6_upper upper;
	enum ip6_walk walk;

	if (group ? !is_own_group(routed->port, destination) : routed->group) {
		packet_drop(worker, routed->ingress, DROP_MULTICAST, routed->packet);
		return;
	}
	walk = ip6_find_upper(routed->packet, routed->l3, &upper);
	if (walk != IP6_UPPER && walk != IP6_LATER) {
		problem6(worker, routed, walk, &upper);
		return;
	}
	if (upper.fragment && (upper.more || upper.fragment_offset != 0))
		router_punt(worker, routed);
	else if (upper.protocol == IPPROTO_ICMPV6)
		icmp6(worker, routed, &upper);
	else if (group || !is_served6(worker, routed, &upper))
		nobody(worker, routed, upper.protocol, upper.offset, upper.next_field - routed->l3);
}

void
router_local(struct worker *worker, struct routed *routed)
{
	if (routed->family == 4)
		local4(worker, routed);
	else
		local6(worker, routed);
}
