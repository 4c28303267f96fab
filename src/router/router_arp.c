/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP: RFC 826, with what RFC 5227 asks of one who has addresses, and proxy ARP (RFC 1027). */
#include "graph/punt.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "router/router_objects.h"

#include <rte_arp.h>

#define DEFEND_INTERVAL UINT64_C(10000000000) /* ns; RFC 5227, 1.1 */

/* ---- asking, telling ----------------------------------------------------------------------------
 */

static void
send_frame(struct worker *worker, struct vport *vport, const uint8_t *frame, size_t length)
{
	struct rte_mbuf *packet = packet_from_bytes(&worker->pools, frame, length);

	if (packet == NULL) {
		packet_dropped(worker, vport, DROP_NO_BUFFER, false);
		return;
	}
	packet_meta(packet)->vport = vport->id;
	vport_send(worker, vport, packet);
}

static struct make_ends
ends_from(const struct router_port *port, uint8_t family)
{
	return (struct make_ends){ .source_mac = port->mac, .family = family };
}

void
router_solicit(struct worker *worker, struct vport *vport, uint8_t family, const uint8_t *target,
	const struct rte_ether_addr *mac)
{
	const struct router_port *port = router_port_of(vport);
	const uint8_t *source = router_port_source(port, family, target);
	struct make_ends ends = ends_from(port, family);
	size_t size = family == 4 ? 4 : 16;
	uint8_t frame[MAKE_SIZE];

	/* RFC 4861, 7.2.2: any of the interface's addresses will do */
	if (source == NULL && family == 6)
		source = port->link_local;
	if (source != NULL)
		memcpy(ends.source, source, size);
	memcpy(ends.destination, target, size);
	if (mac == NULL) {
		send_frame(worker, vport, frame, make_neighbour_request(frame, &ends));
		return;
	}
	ends.destination_mac = *mac;
	send_frame(worker, vport, frame, make_neighbour_probe(frame, &ends));
}

void
router_probe_own(struct worker *worker, struct vport *vport)
{
	const struct router_port *port = router_port_of(vport);

	for (unsigned i = 0; i < port->n_addresses && port->udp_port == 0; i++) {
		const struct router_address *own = &port->addresses[i];
		struct make_ends ends = ends_from(port, own->family);
		uint8_t frame[MAKE_SIZE];

		memcpy(ends.destination, own->bytes, sizeof(ends.destination));
		send_frame(worker, vport, frame, make_neighbour_request(frame, &ends));
	}
}

static void
announce_address(struct worker *worker, struct vport *vport, const struct router_address *own)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	struct make_ends ends = ends_from(router_port_of(vport), own->family);
	uint8_t frame[MAKE_SIZE];

	memcpy(ends.source, own->bytes, sizeof(ends.source));
	if (own->family == 4) {
		memcpy(ends.destination, own->bytes, sizeof(ends.destination));
		memset(&ends.destination_mac, 0xff, sizeof(ends.destination_mac));
	} else {
		memcpy(ends.destination, all_nodes, sizeof(all_nodes));
		ip6_multicast_mac(&ends.destination_mac, all_nodes);
	}
	send_frame(worker, vport, frame,
		make_neighbour_reply(
			frame, &ends, MAKE_ADVERTISE_ROUTER | MAKE_ADVERTISE_OVERRIDE));
}

void
router_announce(struct worker *worker, struct vport *vport)
{
	const struct router_port *port = router_port_of(vport);

	if (port->udp_port != 0)
		return;
	for (unsigned i = 0; i < port->n_addresses; i++)
		announce_address(worker, vport, &port->addresses[i]);
}

/* ---- answering ----------------------------------------------------------------------------------
 */

static void
answer(struct worker *worker, struct vport *vport, const struct rte_arp_hdr *arp)
{
	struct make_ends ends = ends_from(router_port_of(vport), 4);
	uint8_t frame[MAKE_SIZE];

	ends.destination_mac = arp->arp_data.arp_sha;
	memcpy(ends.source, &arp->arp_data.arp_tip, 4);
	memcpy(ends.destination, &arp->arp_data.arp_sip, 4);
	send_frame(worker, vport, frame, make_neighbour_reply(frame, &ends, 0));
}

/* RFC 826: hardware, protocol, lengths; and a sender that is one station. */
static bool
is_well_formed(const struct rte_arp_hdr *arp)
{
	return arp->arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       arp->arp_hlen == RTE_ETHER_ADDR_LEN && arp->arp_plen == 4 &&
	       (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
		       arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY)) &&
	       rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha);
}

static uint32_t
word_of(const uint8_t *address)
{
	uint32_t word;

	memcpy(&word, address, sizeof(word));
	return rte_be_to_cpu_32(word);
}

/* The sender is on this link: by its address, or because the way to it leads here. */
static bool
belongs_here(struct worker *worker, const struct vport *vport, const uint8_t *sender)
{
	const struct router_port *port = router_port_of(vport);
	const struct next_hop *hop;

	if (router_port_network(port, 4, sender) != NULL)
		return true;
	hop = next_hop_get(fib4_lookup(&port->owner->fib4, word_of(sender)));
	return hop != NULL && hop->key.vport == vport->id &&
	       (hop->key.kind == HOP_CONNECTED || hop->key.kind == HOP_GATEWAY);
}

/* RFC 5227, 2.4 (c): another station says that it has our address. Ours is told again, but not
 * more often than that: two that both defend it would fill the link. And people are told. */
static void
defend(struct worker *worker, struct vport *vport, const struct rte_arp_hdr *arp)
{
	struct punt_notice notice = { .vport = vport->id };
	struct router_port *port = vport->context;

	memcpy(notice.mac, &arp->arp_data.arp_sha, sizeof(notice.mac));
	worker_notice(worker, PUNT_ADDRESS_CONFLICT, &notice);
	if (rate_allows(&port->defence, worker->now, DEFEND_INTERVAL, 0))
		router_announce(worker, vport);
}

static void
hear(struct worker *worker, struct vport *vport, const struct rte_arp_hdr *arp, bool for_us)
{
	const uint8_t *sender = (const uint8_t *)&arp->arp_data.arp_sip;
	bool reply = arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY);
	unsigned what = NEIGHBOUR_OVERRIDE;

	if (ip4_is_martian_source(sender) || !belongs_here(worker, vport, sender))
		return;
	/* RFC 826: a known sender is brought up to date; a new one is noted if it means us */
	if (for_us)
		what |= NEIGHBOUR_CREATE;
	if (for_us && reply)
		what |= NEIGHBOUR_CONFIRM;
	neighbour_heard(worker, vport, 4, sender, arp->arp_data.arp_sha.addr_bytes, what);
}

/* RFC 1027: what is asked for here is behind another port. */
static bool
is_proxied(struct worker *worker, const struct vport *vport, const uint8_t *target)
{
	return router_port_of(vport)->proxy_arp && router_is_elsewhere(worker, vport, 4, target);
}

void
router_arp(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	const struct router_port *port = router_port_of(vport);
	bool dry_run = packet_meta(packet)->flags & PACKET_DRY_RUN, for_us;
	const uint8_t *sender, *target;
	struct rte_arp_hdr arp;

	if (!port->has_ip4) {
		packet_drop(worker, vport, DROP_NO_IPV4, packet);
		return;
	}
	if (rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN + sizeof(arp)) {
		packet_drop(worker, vport, DROP_TOO_SHORT, packet);
		return;
	}
	memcpy(&arp, rte_pktmbuf_mtod_offset(packet, void *, RTE_ETHER_HDR_LEN), sizeof(arp));
	if (!is_well_formed(&arp)) {
		packet_drop(worker, vport, DROP_BAD_ARP, packet);
		return;
	}
	sender = (const uint8_t *)&arp.arp_data.arp_sip;
	target = (const uint8_t *)&arp.arp_data.arp_tip;
	for_us = router_port_has(port, 4, target) || router_is_claimed(vport, 4, target);
	if (!dry_run && router_port_has(port, 4, sender) &&
		!rte_is_same_ether_addr(&arp.arp_data.arp_sha, &port->mac))
		defend(worker, vport, &arp);
	else if (!dry_run)
		hear(worker, vport, &arp, for_us);
	if (!dry_run && arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
		memcmp(sender, target, 4) != 0 && (for_us || is_proxied(worker, vport, target)))
		answer(worker, vport, &arp);
	router_taken(worker, vport, packet);
}
