/* SPDX-License-Identifier: BSD-3-Clause */
/* Who asks by ARP or ND for an outside address of a transparent firewall is told where it is: at
 * whoever was last heard inside. */
#include "firewall/firewall_objects.h"
#include "graph/trace.h"
#include "packet/edit.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_arp.h>

/* ---- who is inside ------------------------------------------------------------------------------
 */

void
firewall_hear(const struct passage *passage)
{
	struct firewall *firewall = passage->firewall;
	struct rte_ether_addr mac;
	uint64_t word;

	if (passage->fields.from != passage->live->translations->inside ||
		passage->fields.from_mac[0] & 1 || passage_is_dry_run(passage))
		return;
	memcpy(&mac, passage->fields.from_mac, sizeof(mac));
	word = edit_mac_word(&mac);
	if (unlikely(atomic_load_explicit(&firewall->inside_mac, memory_order_relaxed) != word))
		atomic_store_explicit(&firewall->inside_mac, word, memory_order_relaxed);
}

/* The MAC at which an outside address is, for who asks: outside, the one that is inside; for that
 * one, one of the firewall's own, to which nothing is ever sent. */
static bool
answering_mac(const struct passage *passage, struct rte_ether_addr *mac)
{
	uint64_t word = atomic_load_explicit(&passage->firewall->inside_mac, memory_order_relaxed);
	uint32_t id = passage->firewall->domain.id;

	if (passage->fields.from == passage->live->translations->inside) {
		*mac = (struct rte_ether_addr){ { 0x02, 0xfe, (uint8_t)(id >> 24),
			(uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id } };
		return true;
	}
	memcpy(mac, &word, sizeof(*mac));
	return word != 0;
}

/* A request for an address that is answered for. */
static bool
is_question(const struct passage *passage, struct rte_arp_hdr *arp)
{
	const struct fields *fields = &passage->fields;

	if (fields->ethertype != RTE_ETHER_TYPE_ARP ||
		fields->l3 + sizeof(*arp) > rte_pktmbuf_pkt_len(passage->packet))
		return false;
	packet_copy_range(arp, passage->packet, fields->l3, sizeof(*arp));
	return arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
	       arp->arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) && arp->arp_plen == 4 &&
	       arp->arp_hlen == RTE_ETHER_ADDR_LEN &&
	       translations_answer(
		       passage->live->translations, 4, (const uint8_t *)&arp->arp_data.arp_tip);
}

/* RFC 1027. */
static void
send_answer(
	struct worker *worker, const struct passage *passage, struct make_ends *ends, uint8_t flags)
{
	uint8_t frame[MAKE_SIZE];
	struct rte_mbuf *answer;

	ends->vlan = passage->fields.vlan;
	answer = packet_from_bytes(&worker->pools, frame, make_neighbour_reply(frame, ends, flags));
	if (answer == NULL)
		return;
	packet_meta(answer)->hops = packet_meta(passage->packet)->hops;
	packet_parse(answer);
	vport_send(worker, passage->ingress, answer);
}

static void
answer_arp(struct worker *worker, const struct passage *passage, const struct rte_arp_hdr *arp,
	const struct rte_ether_addr *mac)
{
	struct make_ends ends = {
		.source_mac = *mac, .destination_mac = arp->arp_data.arp_sha, .family = 4
	};

	memcpy(ends.source, &arp->arp_data.arp_tip, 4);
	memcpy(ends.destination, &arp->arp_data.arp_sip, 4);
	send_answer(worker, passage, &ends, 0);
}

/* ---- the same by neighbour discovery ------------------------------------------------------------
 */

#define SOLICITATION 135
#define SOLICITATION_LENGTH 24u /* RFC 4861, 4.3: without options */

/* RFC 4861, 7.1.1: a sound solicitation, which cannot come from afar, for such an address. */
static bool
is_solicitation(const struct passage *passage, uint8_t target[16])
{
	const struct fields *fields = &passage->fields;
	unsigned end = rte_pktmbuf_pkt_len(passage->packet), length;
	uint8_t hop_limit, code;

	if (fields->family != 6 || fields->protocol != IPPROTO_ICMPV6 || fields->fragment ||
		fields->from_port != SOLICITATION || fields->l4 + SOLICITATION_LENGTH > end)
		return false;
	length = fields->l3 + ip_length(passage->packet, fields->l3) - fields->l4;
	packet_copy_range(&hop_limit, passage->packet, fields->l3 + 7u, 1);
	packet_copy_range(&code, passage->packet, fields->l4 + 1u, 1);
	packet_copy_range(target, passage->packet, fields->l4 + 8u, 16);
	return hop_limit == 255 && code == 0 && length >= SOLICITATION_LENGTH &&
	       translations_answer(passage->live->translations, 6, target) &&
	       icmp6_checksum_holds(passage->packet, fields->l3, fields->l4, length);
}

/* 7.2.4, 7.2.8: a proxy does not override who really has it. Who asks from no address is looking
 * whether it is free: all are told. */
static void
answer_solicitation(struct worker *worker, const struct passage *passage, const uint8_t *target,
	const struct rte_ether_addr *mac)
{
	struct make_ends ends = { .source_mac = *mac, .family = 6 };
	uint8_t flags = MAKE_ADVERTISE_ROUTER;

	memcpy(ends.source, target, sizeof(ends.source));
	if (ip6_is_unspecified(passage->fields.from_ip)) {
		ends.destination[0] = 0xff;
		ends.destination[1] = 0x02;
		ends.destination[15] = 1;
		ip6_multicast_mac(&ends.destination_mac, ends.destination);
	} else {
		memcpy(ends.destination, passage->fields.from_ip, sizeof(ends.destination));
		memcpy(&ends.destination_mac, passage->fields.from_mac, RTE_ETHER_ADDR_LEN);
		flags |= MAKE_ADVERTISE_SOLICITED;
	}
	send_answer(worker, passage, &ends, flags);
}

/* ---- both ---------------------------------------------------------------------------------------
 */

bool
firewall_answer(struct worker *worker, struct passage *passage)
{
	bool dry_run = passage_is_dry_run(passage), arp_asks;
	struct rte_ether_addr mac;
	struct rte_arp_hdr arp;
	uint8_t target[16];

	if (!passage->live->translations->answers)
		return false;
	arp_asks = is_question(passage, &arp);
	if ((!arp_asks && !is_solicitation(passage, target)) || !answering_mac(passage, &mac))
		return false;
	if (arp_asks && !dry_run)
		answer_arp(worker, passage, &arp, &mac);
	else if (!dry_run)
		answer_solicitation(worker, passage, target, &mac);
	if (passage_is_traced(passage))
		trace_taken(worker, passage->packet, passage->ingress,
			"it asked for an address that is translated: answered");
	rte_pktmbuf_free(passage->packet);
	return true;
}
