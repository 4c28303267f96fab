/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a packet goes on, and how it leaves: what the FIB has found is carried out. */
#include "graph/trace.h"
#include "packet/edit.h"
#include "packet/fragment.h"
#include "packet/ip.h"
#include "packet/offload.h"
#include "router/router_objects.h"

#include <netinet/in.h>
#include <rte_tcp.h>

#define FRAGMENTS_LIMIT 64 /* 65,535 bytes in pieces of 1,280; smaller MTUs carry less */

/* ---- which next hop ----------------------------------------------------------------------------
 */

static const struct next_hop *
resolve(struct worker *worker, uint32_t leaf, struct rte_mbuf *packet)
{
	const struct next_hop *hop = next_hop_get(leaf);

	if (likely(hop == NULL || hop->key.kind != HOP_GROUP))
		return hop;
	return next_hop_get(
		hop_group_choose(hop->group, packet_flow_hash(packet, &worker->flow_key)));
}

static uint32_t
look_up(const struct router *router, uint8_t family, const uint8_t *address)
{
	uint32_t word;

	if (family == 6)
		return fib6_lookup(&router->fib6, address);
	memcpy(&word, address, sizeof(word));
	return fib4_lookup(&router->fib4, rte_be_to_cpu_32(word));
}

const struct next_hop *
router_hop_to(struct worker *worker, const struct router *router, uint8_t family,
	const uint8_t *address, struct rte_mbuf *packet)
{
	return resolve(worker, look_up(router, family, address), packet);
}

static bool
leads_somewhere(const struct next_hop *hop)
{
	return hop != NULL && (hop->key.kind == HOP_CONNECTED || hop->key.kind == HOP_GATEWAY);
}

bool
router_is_elsewhere(
	struct worker *worker, const struct vport *vport, uint8_t family, const uint8_t *address)
{
	const struct next_hop *hop;

	(void)worker;
	/* RFC 3927, 2.7; RFC 4291, 2.5.6: they are of this link, whatever a default route says */
	if (family == 4 ? ip4_is_link_local(address) || ip4_is_martian_source(address)
			: ip6_is_link_local(address) || ip6_is_martian_source(address))
		return false;
	hop = next_hop_get(look_up(router_port_of(vport)->owner, family, address));
	if (hop != NULL && hop->key.kind == HOP_GROUP)
		hop = next_hop_get(hop->group->members[0]);
	return leads_somewhere(hop) && hop->key.vport != vport->id;
}

/* ---- (3.) where it came from -------------------------------------------------------------------
 */

/* RFC 3704, 2.2 and 2.4; of several ways any one is right (2.3). */
static bool
passes_urpf(struct worker *worker, const struct routed *routed)
{
	const struct router *router = routed->port->owner;
	const uint8_t *source = routed_source(routed);
	const struct next_hop *hop;

	if (routed->family == 6 && ip6_is_link_local(source))
		return true;
	hop = next_hop_get(look_up(router, routed->family, source));
	/* the router's own, a broadcast, or one that nothing leads to: nobody's */
	if (hop == NULL || (hop->key.kind != HOP_GROUP && !leads_somewhere(hop)))
		return false;
	if (routed->port->urpf == WEFT_URPF_LOOSE)
		return true;
	if (hop->key.kind != HOP_GROUP)
		return hop->key.vport == routed->ingress->id;
	for (unsigned i = 0; i < hop->group->n_members; i++) {
		const struct next_hop *member = next_hop_get(hop->group->members[i]);

		if (member != NULL && member->key.vport == routed->ingress->id)
			return true;
	}
	return false;
}

/* ---- (6.) redirects ----------------------------------------------------------------------------
 */

/* RFC 1812, 5.2.7.2: it leaves where it came in, and the next hop and its sender are in one
 * network there. RFC 4861, 8.2. */
static void
maybe_redirect(struct worker *worker, const struct routed *routed, const struct next_hop *hop)
{
	const struct router_port *port = routed->port;
	const uint8_t *source = routed_source(routed);
	const uint8_t *target =
		hop->key.kind == HOP_GATEWAY ? hop->key.gateway : routed_destination(routed);
	const struct router_address *network;

	if (!port->redirects || routed->group)
		return;
	network = router_port_network(port, routed->family, source);
	if (network == NULL || (!router_same_bits(network->bytes, target, network->length) &&
				       !(routed->family == 6 && ip6_is_link_local(target))))
		return;
	router_redirect(worker, routed, target);
}

/* ---- (7., 8.) out of a port --------------------------------------------------------------------
 */

/* The IP packet as it is will be longer than the MTU on the wire. */
static bool
is_too_big(struct rte_mbuf *packet, uint16_t l3, uint32_t mtu)
{
	if (likely(rte_pktmbuf_pkt_len(packet) <= mtu + l3))
		return false;
	if (packet_meta(packet)->gso != PACKET_GSO_NONE)
		return offload_wire_length(packet) > mtu;
	return ip_length(packet, l3) > mtu;
}

static void
send_to_hop(struct worker *worker, struct vport *egress, const struct next_hop *hop, uint8_t family,
	const uint8_t *destination, struct rte_mbuf *packet)
{
	struct neighbour *gateway;

	if (hop->key.kind == HOP_CONNECTED) {
		neighbour_send_to(worker, egress, family, destination, packet);
		return;
	}
	gateway = neighbour_get(hop->neighbour);
	if (likely(gateway != NULL))
		neighbour_send(worker, egress, gateway, packet);
	else
		packet_drop(worker, egress, DROP_NEIGHBOR_UNKNOWN, packet);
}

/* In pieces; each goes its way by itself. IPv6: of the router's own alone. */
static void
send_fragments(struct worker *worker, struct vport *egress, const struct next_hop *hop,
	uint8_t family, struct rte_mbuf *packet, uint16_t l3)
{
	const uint8_t *header = rte_pktmbuf_mtod_offset(packet, const uint8_t *, l3);
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN, no_buffer;
	struct rte_mbuf *fragments[FRAGMENTS_LIMIT];
	uint8_t destination[16];
	unsigned count;

	memcpy(destination, header + (family == 4 ? 16 : 24), family == 4 ? 4 : 16);
	if (unlikely(packet_meta(packet)->trace != 0))
		trace_step(worker, packet, egress, "longer than the MTU, %u: cut into fragments",
			egress->mtu);
	if (family == 4)
		count = fragment_ip4(&worker->pools, packet, l3, egress->mtu, fragments,
			FRAGMENTS_LIMIT, &no_buffer);
	else
		count = fragment_ip6(&worker->pools, packet, l3, egress->mtu,
			(uint32_t)worker_random(worker), fragments, FRAGMENTS_LIMIT, &no_buffer);
	if (unlikely(count == 0))
		packet_dropped(worker, egress, no_buffer ? DROP_NO_BUFFER : DROP_TOO_BIG, dry_run);
	for (unsigned i = 0; i < count; i++)
		send_to_hop(worker, egress, hop, family, destination, fragments[i]);
}

static uint16_t
clamp_of(const struct vport *egress, uint16_t clamp, uint8_t family)
{
	uint32_t headers =
		(family == 4 ? IP4_HEADER_LENGTH : IP6_HEADER_LENGTH) + sizeof(struct rte_tcp_hdr);

	if (clamp != WEFT_CLAMP_MSS_AUTO)
		return clamp;
	return (uint16_t)(egress->mtu - headers);
}

static bool
is_tcp(const struct routed *routed)
{
	return routed_header(routed)[routed->family == 4 ? 9 : 6] == IPPROTO_TCP;
}

static bool
clamp(struct worker *worker, struct routed *routed, uint16_t mss)
{
	routed->packet = edit_clamp_mss(&worker->pools, routed->packet, mss);
	return routed->packet != NULL;
}

/* What an established flow pays for it: a look at two words. False: there was no buffer. */
static bool
maybe_clamp(struct worker *worker, struct vport *egress, struct routed *routed)
{
	uint16_t out = router_port_of(egress)->clamp_mss, in = routed->port->clamp_mss;
	bool dry_run = packet_meta(routed->packet)->flags & PACKET_DRY_RUN;

	if (likely((out | in) == 0) || !is_tcp(routed))
		return true;
	packet_parse(routed->packet);
	if ((out == 0 || clamp(worker, routed, clamp_of(egress, out, routed->family))) &&
		(in == 0 || clamp(worker, routed, clamp_of(routed->ingress, in, routed->family))))
		return true;
	packet_dropped(worker, egress, DROP_NO_BUFFER, dry_run);
	return false;
}

static bool
forbids_fragments(const struct routed *routed)
{
	return routed->family == 6 || (routed_header(routed)[6] & 0x40);
}

static void
send_out(struct worker *worker, struct routed *routed, const struct next_hop *hop)
{
	struct vport *egress = vport_get(worker, hop->key.vport);
	struct rte_mbuf *packet = routed->packet;
	bool too_big;

	if (unlikely(egress == NULL)) {
		packet_drop(worker, routed->ingress, DROP_STALE_VPORT, packet);
		return;
	}
	too_big = is_too_big(packet, routed->l3, egress->mtu);
	/* a super-packet is never cut anew: its sender cut it for its own MTU */
	if (unlikely(too_big &&
		     (forbids_fragments(routed) || packet_meta(packet)->gso != PACKET_GSO_NONE))) {
		router_error(worker, routed, ROUTER_TOO_BIG, egress->mtu);
		packet_drop(worker, egress, DROP_TOO_BIG, packet);
		return;
	}
	if (unlikely(egress == routed->ingress))
		maybe_redirect(worker, routed, hop);
	if (unlikely(too_big)) {
		edit_forward_ttl(packet, routed->l3, routed->family);
		send_fragments(worker, egress, hop, 4, packet, routed->l3);
		return;
	}
	edit_forward_ttl(packet, routed->l3, routed->family);
	if (!maybe_clamp(worker, egress, routed))
		return;
	send_to_hop(
		worker, egress, hop, routed->family, routed_destination(routed), routed->packet);
}

/* ---- (4., 5.) ----------------------------------------------------------------------------------
 */

struct options {
	bool source_route; /* RFC 791, 3.1: one says the way (LSRR 131, SSRR 137) */
	uint8_t wrong;     /* offset in the header of one that has no possible length; 0: none */
};

static void
walk_options(const uint8_t *header, unsigned length, struct options *options)
{
	unsigned at = IP4_HEADER_LENGTH;

	while (at < length && header[at] != 0) {
		if (header[at] == 1) {
			at++;
			continue;
		}
		if (at + 2 > length || header[at + 1] < 2 || at + header[at + 1] > length) {
			options->wrong = (uint8_t)at;
			return;
		}
		if (header[at] == 131 || header[at] == 137)
			options->source_route = true;
		at += header[at + 1];
	}
}

static struct options
read_options(const struct routed *routed)
{
	unsigned length = (routed_header(routed)[0] & 0x0f) * 4u;
	struct options options = { 0 };
	uint8_t copy[IP4_HEADER_LIMIT];
	const uint8_t *header;

	header = rte_pktmbuf_read(routed->packet, routed->l3, length, copy);
	if (likely(header != NULL))
		walk_options(header, length, &options);
	return options;
}

/* No way on. */
static void
refuse(struct worker *worker, struct routed *routed, enum drop_reason reason,
	enum router_error error)
{
	router_error(worker, routed, error, 0);
	packet_drop(worker, routed->ingress, reason, routed->packet);
}

static void
go_nowhere(struct worker *worker, struct routed *routed, const struct next_hop *hop)
{
	switch (hop != NULL ? hop->key.kind : HOP_NONE) {
	case HOP_BLACKHOLE:
		packet_drop(worker, routed->ingress, DROP_ROUTE_BLACKHOLE, routed->packet);
		return;
	case HOP_UNREACHABLE:
		refuse(worker, routed, DROP_ROUTE_UNREACHABLE, ROUTER_HOST_UNREACHABLE);
		return;
	case HOP_PROHIBIT:
		refuse(worker, routed, DROP_ROUTE_PROHIBITED, ROUTER_PROHIBITED);
		return;
	case HOP_CLAIMED: /* and the guard knows nobody who has it */
		refuse(worker, routed, DROP_NOT_LISTENING, ROUTER_HOST_UNREACHABLE);
		return;
	default:
		refuse(worker, routed, DROP_NO_ROUTE, ROUTER_NET_UNREACHABLE);
	}
}

/* For the router, by an address that no FIB has: multicast, broadcast, link-local. */
static bool
is_local_by_address(const struct routed *routed)
{
	const uint8_t *destination = routed_destination(routed);

	if (routed->family == 4)
		return ip4_is_broadcast(destination) || ip4_is_multicast(destination);
	return ip6_is_multicast(destination) ||
	       (ip6_is_link_local(destination) && router_port_has(routed->port, 6, destination));
}

/* RFC 4291, 2.5.6; RFC 3927, 7: such packets stay on their link. RFC 4443, 3.1, code 2. */
static bool
stays_on_link(const struct routed *routed)
{
	const uint8_t *source = routed_source(routed), *destination = routed_destination(routed);

	if (routed->family == 4)
		return unlikely(ip4_is_link_local(source) || ip4_is_link_local(destination));
	return unlikely(ip6_is_link_local(source) || ip6_is_link_local(destination));
}

static uint8_t
ttl_of(const struct routed *routed)
{
	return routed_header(routed)[routed->family == 4 ? 8 : 7];
}

/* IPv4 options. RFC 1812, 4.3.3.5: a header that is wrong is answered; RFC 7126, 4.3: source
 * routes are not followed. False: the packet is gone. */
static bool
pass_options(struct worker *worker, struct routed *routed)
{
	struct options options = read_options(routed);

	if (options.wrong == 0 && !options.source_route)
		return true;
	if (options.wrong != 0)
		router_error(worker, routed, ROUTER_PARAMETER_PROBLEM, options.wrong);
	packet_drop(worker, routed->ingress,
		options.wrong != 0 ? DROP_BAD_IP_HEADER : DROP_SOURCE_ROUTE, routed->packet);
	return false;
}

static bool
has_options(const struct routed *routed)
{
	return routed->family == 4 && routed_header(routed)[0] != RTE_IPV4_VHL_DEF;
}

/* It may be for somebody whom the guard of the port hides. */
static bool
is_for_guard(const struct routed *routed, const struct next_hop *hop)
{
	return hop != NULL && !routed->group &&
	       (hop->key.kind == HOP_LOCAL || hop->key.kind == HOP_CLAIMED);
}

static void
forward(struct worker *worker, struct routed *routed)
{
	const struct next_hop *hop = resolve(worker, routed->leaf, routed->packet);

	if (unlikely(has_options(routed)) && !pass_options(worker, routed))
		return;
	if (unlikely(is_local_by_address(routed))) {
		router_local(worker, routed);
		return;
	}
	if (unlikely(routed->port->urpf != WEFT_URPF_OFF) && !passes_urpf(worker, routed)) {
		packet_drop(worker, routed->ingress, DROP_URPF, routed->packet);
		return;
	}
	if (unlikely(packet_meta(routed->packet)->trace != 0))
		router_trace_route(worker, routed, hop);
	if (unlikely(!leads_somewhere(hop))) {
		if (is_for_guard(routed, hop) &&
			vport_ask_on_arrival(worker, routed->ingress, routed->packet))
			return;
		if (hop != NULL && (hop->key.kind == HOP_LOCAL || hop->key.kind == HOP_BROADCAST))
			router_local(worker, routed);
		else
			go_nowhere(worker, routed, hop);
		return;
	}
	if (unlikely(routed->group))
		packet_drop(worker, routed->ingress, DROP_LINK_BROADCAST, routed->packet);
	else if (unlikely(stays_on_link(routed)))
		refuse(worker, routed, DROP_LINK_LOCAL, ROUTER_BEYOND_SCOPE);
	else if (unlikely(ttl_of(routed) <= 1))
		refuse(worker, routed, DROP_TTL_EXCEEDED, ROUTER_TTL_EXCEEDED);
	else
		send_out(worker, routed, hop);
}

/* ---- what most packets are ----------------------------------------------------------------------
 */

/* The way out by one next hop, for the next packet that takes it. */
struct way {
	uint32_t leaf; /* 0: none yet */
	struct vport *egress;
	uint64_t mac, own_mac; /* of a gateway; of the port */
	bool connected;        /* the destination itself is the neighbour */
};

/* False: there is more to it than a MAC. */
static bool
find_way(struct worker *worker, uint32_t leaf, struct way *way)
{
	const struct next_hop *hop = next_hop_get(leaf);
	const struct neighbour *gateway;
	uint64_t link;

	if (!leads_somewhere(hop))
		return false;
	way->leaf = leaf;
	way->egress = vport_get(worker, hop->key.vport);
	way->connected = hop->key.kind == HOP_CONNECTED;
	if (way->egress == NULL || !router_port_of(way->egress)->plain)
		return false;
	way->own_mac = router_port_of(way->egress)->mac_word;
	if (way->connected)
		return true;
	gateway = neighbour_get(hop->neighbour);
	link = gateway != NULL ? atomic_load_explicit(&gateway->link, memory_order_acquire) : 0;
	way->mac = link & NEIGHBOUR_MAC_MASK;
	return neighbour_is_at_hand(link);
}

/* Nothing that forward() would answer, refuse or leave to others. */
static inline bool
is_plain4(const uint8_t *header)
{
	uint16_t source, destination;

	memcpy(&source, header + 12, sizeof(source));
	memcpy(&destination, header + 16, sizeof(destination));
	return header[0] == RTE_IPV4_VHL_DEF && header[8] > 1 && header[16] < 224 &&
	       source != RTE_BE16(0xa9fe) && destination != RTE_BE16(0xa9fe);
}

static inline bool
is_plain6(const uint8_t *header)
{
	return header[7] > 1 && header[24] != 0xff && !ip6_is_link_local(header + 8) &&
	       !ip6_is_link_local(header + 24);
}

static inline bool
is_plain(const struct routed *routed)
{
	const struct packet_meta *meta = packet_meta(routed->packet);

	if (routed->leaf == 0 || routed->group || !routed->port->plain || meta->trace != 0 ||
		meta->gso != 0)
		return false;
	return routed->family == 4 ? is_plain4(routed_header(routed))
				   : is_plain6(routed_header(routed));
}

/* False: forward() has to see to it. Takes the packet otherwise. */
static inline bool
forward_plain(struct worker *worker, struct routed *routed, struct way *way)
{
	const struct neighbour *neighbour;
	uint64_t mac, link;

	if (!is_plain(routed))
		return false;
	if (unlikely(way->leaf != routed->leaf) && !find_way(worker, routed->leaf, way)) {
		way->leaf = 0;
		return false;
	}
	if (unlikely(way->egress == routed->ingress ||
		     rte_pktmbuf_pkt_len(routed->packet) > way->egress->mtu + RTE_ETHER_HDR_LEN))
		return false;
	mac = way->mac;
	if (way->connected) {
		neighbour =
			neighbour_find(way->egress->id, routed->family, routed_destination(routed));
		link = neighbour != NULL
			       ? atomic_load_explicit(&neighbour->link, memory_order_acquire)
			       : 0;
		if (unlikely(!neighbour_is_at_hand(link)))
			return false;
		mac = link & NEIGHBOUR_MAC_MASK;
	}
	edit_forward_ttl(routed->packet, routed->l3, routed->family);
	edit_set_ether_both(routed->packet, mac, way->own_mac);
	vport_send(worker, way->egress, routed->packet);
	return true;
}

void
router_forward_all(struct worker *worker, struct routed *packets, unsigned count)
{
	struct way way = { .leaf = 0 };

	for (unsigned i = 0; i < count; i++)
		if (unlikely(!forward_plain(worker, &packets[i], &way)))
			forward(worker, &packets[i]);
}

/* ---- the router's own --------------------------------------------------------------------------
 */

void
router_originate(struct worker *worker, struct vport *ingress, struct rte_mbuf *packet,
	uint8_t family, struct vport *port)
{
	const struct router *router = router_port_of(ingress)->owner;
	const uint8_t *header = rte_pktmbuf_mtod_offset(packet, const uint8_t *, RTE_ETHER_HDR_LEN);
	const uint8_t *to = header + (family == 4 ? 16 : 24);
	struct next_hop on_link = { .key.kind = HOP_CONNECTED };
	const struct next_hop *hop;
	struct vport *egress;

	packet_meta(packet)->vport = ingress->id;
	/* what a router itself says asks no guard, but for how its sender called what it quotes */
	if (likely(!(packet_meta(packet)->flags & PACKET_ABOUT_JUDGED)))
		packet_meta(packet)->flags |= PACKET_JUDGED;
	if (port != NULL) {
		on_link.key.vport = port->id;
		hop = &on_link;
	} else {
		hop = router_hop_to(worker, router, family, to, packet);
	}
	egress = leads_somewhere(hop) ? vport_get(worker, hop->key.vport) : NULL;
	if (egress == NULL) {
		packet_drop(worker, ingress, DROP_NO_ROUTE, packet);
		return;
	}
	if (unlikely(is_too_big(packet, RTE_ETHER_HDR_LEN, egress->mtu))) {
		/* RFC 7348, 4.3: a tunnel's are not cut, whatever the family */
		if (router_port_of(ingress)->udp_port != 0 || (family == 4 && (header[6] & 0x40)))
			packet_drop(worker, egress, DROP_TOO_BIG, packet);
		else
			send_fragments(worker, egress, hop, family, packet, RTE_ETHER_HDR_LEN);
		return;
	}
	send_to_hop(worker, egress, hop, family, to, packet);
}
