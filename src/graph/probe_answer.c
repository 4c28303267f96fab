/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/probe_answer.h"

#include "graph/engine.h"
#include "graph/watch.h"
#include "packet/checksum.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define ICMP_LENGTH 8
#define ND_MESSAGE_LENGTH 24
#define ND_OPTION_TARGET 2
#define HOPS_OF_NEIGHBOURS 255

enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_QUENCH = 4,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER = 12,
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_SOLICITATION = 135,
	ICMP6_ADVERTISEMENT = 136,
};

static unsigned
address_length(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static bool
same_address(uint8_t family, const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, address_length(family)) == 0;
}

static uint32_t
read_u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return rte_be_to_cpu_32(value);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The headers are there and sound: packet_parse() has found what is behind them. */
static void
look_at_ip(struct probe_view *view)
{
	const uint8_t *ip = view->bytes + view->l3;

	if (view->type == RTE_ETHER_TYPE_IPV4) {
		view->source = ip + offsetof(struct rte_ipv4_hdr, src_addr);
		view->destination = ip + offsetof(struct rte_ipv4_hdr, dst_addr);
		view->whole_end = view->l3 + parse_u16(ip + 2);
		view->fragment = (parse_u16(ip + 6) & RTE_IPV4_HDR_MF_FLAG) != 0;
	} else {
		view->source = ip + offsetof(struct rte_ipv6_hdr, src_addr);
		view->destination = ip + offsetof(struct rte_ipv6_hdr, dst_addr);
		view->whole_end = view->l3 + sizeof(struct rte_ipv6_hdr) + parse_u16(ip + 4);
		view->fragment = ip[6] == IPPROTO_FRAGMENT;
	}
	view->end = RTE_MIN(view->whole_end, view->length);
}

bool
probe_look(struct probe_view *view, struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);
	unsigned length = rte_pktmbuf_pkt_len(packet);

	if (packet_parse(packet) != PARSE_OK || meta->l3 != RTE_ETHER_HDR_LEN)
		return false;
	view->packet = packet;
	view->length = RTE_MIN(length, (unsigned)PROBE_READ_SIZE);
	view->bytes = rte_pktmbuf_read(packet, 0, view->length, view->copy);
	view->type = meta->ethertype;
	view->l3 = meta->l3;
	view->l4 = meta->l4;
	view->protocol = meta->protocol;
	if (view->type == RTE_ETHER_TYPE_ARP)
		return view->length >= RTE_ETHER_HDR_LEN + sizeof(struct rte_arp_hdr);
	if ((view->type != RTE_ETHER_TYPE_IPV4 && view->type != RTE_ETHER_TYPE_IPV6) ||
		view->l4 == PACKET_OFFSET_NONE)
		return false;
	look_at_ip(view);
	/* so long a header is nobody's answer */
	return view->l4 + sizeof(struct rte_tcp_hdr) <= PROBE_READ_SIZE;
}

static bool
has(const struct probe_view *view, unsigned offset, unsigned length)
{
	return offset + length <= view->end;
}

/* ---- checksums ------------------------------------------------------------------------------- */

static bool
ip_checksum_good(const struct probe_view *view)
{
	const uint8_t *ip = view->bytes + view->l3;

	if (view->type != RTE_ETHER_TYPE_IPV4)
		return true;
	return checksum_fold(checksum_sum(ip, (ip[0] & 0x0f) * 4u)) == 0xffff;
}

/* Left to be finished, or vouched for by who received it: nothing to compare with then. */
static bool
checksum_left_out(const struct probe_view *view)
{
	const struct packet_meta *meta = packet_meta(view->packet);

	return (meta->offload & (PACKET_NEEDS_CHECKSUM | PACKET_CHECKSUM_GOOD)) != 0 ||
	       meta->gso != PACKET_GSO_NONE || view->fragment;
}

static bool
checksum_good(const struct probe_view *view)
{
	unsigned address = view->type == RTE_ETHER_TYPE_IPV4 ? 4 : 16;
	unsigned length = view->whole_end - view->l4;
	uint32_t sum = 0;

	if (!ip_checksum_good(view))
		return false;
	if (checksum_left_out(view))
		return true;
	if (view->protocol == IPPROTO_UDP) {
		length = parse_u16(view->bytes + view->l4 + 4);
		/* RFC 768: there is none; RFC 8200, 8.1: there must be one */
		if (parse_u16(view->bytes + view->l4 + 6) == 0)
			return view->type == RTE_ETHER_TYPE_IPV4;
	}
	if (view->protocol != IPPROTO_ICMP)
		sum = checksum_sum(view->source, address) +
		      checksum_sum(view->destination, address) + rte_cpu_to_be_16(view->protocol) +
		      rte_cpu_to_be_16((uint16_t)length);
	sum += checksum_sum_packet(view->packet, view->l4, length);
	return checksum_fold(sum) == 0xffff;
}

/* ---- the next hop's MAC ---------------------------------------------------------------------- */

static bool
is_station(const uint8_t *mac)
{
	struct rte_ether_addr address;

	memcpy(&address, mac, sizeof(address));
	return rte_is_valid_assigned_ether_addr(&address);
}

static bool
is_arp_of_ip(const uint8_t *arp, uint16_t opcode)
{
	return parse_u16(arp) == RTE_ARP_HRD_ETHER && parse_u16(arp + 2) == RTE_ETHER_TYPE_IPV4 &&
	       arp[4] == RTE_ETHER_ADDR_LEN && arp[5] == 4 && parse_u16(arp + 6) == opcode;
}

/* RFC 826 */
static enum probe_meaning
match_arp(const struct probe_watch *watch, const struct probe_view *view,
	struct probe_finding *finding)
{
	const uint8_t *arp = view->bytes + view->l3;
	const uint8_t *sender_mac = arp + 8, *sender = arp + 14, *target_mac = arp + 18,
		      *target = arp + 24;

	if (watch->family != 4 || !is_arp_of_ip(arp, RTE_ARP_OP_REPLY) || !is_station(sender_mac) ||
		!same_address(4, sender, watch->next_hop) || !same_address(4, target, watch->own) ||
		memcmp(target_mac, &watch->mac, RTE_ETHER_ADDR_LEN) != 0)
		return PROBE_NOT_MINE;
	memcpy(&finding->mac, sender_mac, sizeof(finding->mac));
	return PROBE_NEIGHBOUR;
}

/* The option of that type, of 8 bytes at least; NULL: none, or an option is malformed. */
static const uint8_t *
find_option(const struct probe_view *view, uint8_t type)
{
	const uint8_t *found = NULL;
	unsigned at = view->l4 + ND_MESSAGE_LENGTH;

	for (; has(view, at, 8); at += view->bytes[at + 1] * 8u) {
		if (view->bytes[at + 1] == 0)
			return NULL; /* RFC 4861, 4.6 */
		if (view->bytes[at] == type && found == NULL)
			found = view->bytes + at;
	}
	return at == view->whole_end ? found : NULL;
}

/* RFC 4861, 7.1.1 and 7.1.2: what both messages must be. */
static bool
is_neighbour_message(const struct probe_view *view, uint8_t type)
{
	return view->protocol == IPPROTO_ICMPV6 && has(view, view->l4, ND_MESSAGE_LENGTH) &&
	       view->bytes[view->l4] == type && view->bytes[view->l4 + 1] == 0 &&
	       view->bytes[view->l3 + 7] == HOPS_OF_NEIGHBOURS;
}

/* RFC 4861, 7.2.5: while the MAC is not known only one that says it is of use. */
static enum probe_meaning
match_advertisement(const struct probe_watch *watch, const struct probe_view *view,
	struct probe_finding *finding)
{
	const uint8_t *option;

	if (!is_neighbour_message(view, ICMP6_ADVERTISEMENT) ||
		!same_address(6, view->bytes + view->l4 + 8, watch->next_hop) ||
		!checksum_good(view))
		return PROBE_NOT_MINE;
	option = find_option(view, ND_OPTION_TARGET);
	if (option == NULL || !is_station(option + 2))
		return PROBE_NOT_MINE;
	memcpy(&finding->mac, option + 2, sizeof(finding->mac));
	return PROBE_NEIGHBOUR;
}

/* ---- ICMP errors ----------------------------------------------------------------------------- */

static bool
is_error(const struct probe_view *view)
{
	uint8_t type = view->bytes[view->l4];

	if (view->protocol == IPPROTO_ICMPV6)
		return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
	return view->protocol == IPPROTO_ICMP &&
	       (type == ICMP4_UNREACHABLE || type == ICMP4_QUENCH || type == ICMP4_REDIRECT ||
		       type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER);
}

static uint8_t
protocol_of(const struct probe_watch *watch)
{
	switch (watch->kind) {
	case PROBE_TCP:
		return IPPROTO_TCP;
	case PROBE_UDP:
		return IPPROTO_UDP;
	default:
		return watch->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	}
}

/* Where the quoted packet has its transport header; 0: it is not one of the probe's. */
static unsigned
quoted_transport(const struct probe_watch *watch, const struct probe_view *view, unsigned at)
{
	const uint8_t *ip = view->bytes + at;
	unsigned header, source, protocol;

	if (watch->family == 4) {
		header = has(view, at, sizeof(struct rte_ipv4_hdr)) ? (ip[0] & 0x0f) * 4u : 0;
		if (header < sizeof(struct rte_ipv4_hdr) || ip[0] >> 4 != 4)
			return 0;
		source = offsetof(struct rte_ipv4_hdr, src_addr);
		protocol = ip[offsetof(struct rte_ipv4_hdr, next_proto_id)];
	} else {
		header = sizeof(struct rte_ipv6_hdr);
		if (!has(view, at, header) || ip[0] >> 4 != 6)
			return 0;
		source = offsetof(struct rte_ipv6_hdr, src_addr);
		protocol = ip[offsetof(struct rte_ipv6_hdr, proto)];
	}
	if (protocol != protocol_of(watch) ||
		!same_address(watch->family, ip + source, watch->own) ||
		!same_address(
			watch->family, ip + source + address_length(watch->family), watch->to))
		return 0;
	return at + header;
}

static bool
quotes_the_probe(const struct probe_watch *watch, const struct probe_view *view)
{
	unsigned at = quoted_transport(watch, view, view->l4 + ICMP_LENGTH);
	const uint8_t *transport = view->bytes + at;

	if (at == 0 || !has(view, at, 8))
		return false;
	if (watch->kind == PROBE_PING)
		return transport[0] == (watch->family == 4 ? ICMP4_ECHO : ICMP6_ECHO) &&
		       parse_u16(transport + 4) == watch->id;
	if (parse_u16(transport) != watch->id || parse_u16(transport + 2) != watch->port)
		return false;
	return watch->kind == PROBE_UDP || read_u32(transport + 4) == watch->sequence;
}

static enum probe_meaning
match_error(const struct probe_watch *watch, const struct probe_view *view,
	struct probe_finding *finding)
{
	bool four = watch->family == 4;

	if (!quotes_the_probe(watch, view) || !checksum_good(view))
		return PROBE_NOT_MINE;
	finding->type = view->bytes[view->l4];
	finding->code = view->bytes[view->l4 + 1];
	if (four ? finding->type == ICMP4_QUENCH || finding->type == ICMP4_REDIRECT
		 : finding->type == ICMP6_TOO_BIG)
		return PROBE_NOISE;
	if (watch->kind == PROBE_UDP && same_address(watch->family, view->source, watch->to) &&
		finding->type == (four ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE) &&
		finding->code == (four ? 3 : 4)) /* the port */
		return PROBE_REFUSED;
	return PROBE_ERROR;
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum probe_meaning
match_echo(const struct probe_watch *watch, const struct probe_view *view,
	struct probe_finding *finding)
{
	const uint8_t *echo = view->bytes + view->l4;

	if (!has(view, view->l4, ICMP_LENGTH + PROBE_NONCE_SIZE) ||
		echo[0] != (watch->family == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY) ||
		echo[1] != 0 || parse_u16(echo + 4) != watch->id ||
		memcmp(echo + ICMP_LENGTH, watch->nonce, PROBE_NONCE_SIZE) != 0)
		return PROBE_NOT_MINE;
	finding->sequence = parse_u16(echo + 6);
	return PROBE_ANSWERED;
}

/* RFC 9293, 3.10.7.3: what a socket in SYN-SENT takes notice of. */
static enum probe_meaning
match_tcp(const struct probe_watch *watch, const struct probe_view *view)
{
	const uint8_t *tcp = view->bytes + view->l4;
	uint8_t flags = tcp[13];

	if (parse_u16(tcp) != watch->port || parse_u16(tcp + 2) != watch->id ||
		!(flags & RTE_TCP_ACK_FLAG) || read_u32(tcp + 8) != watch->sequence + 1)
		return PROBE_NOT_MINE;
	if (flags & RTE_TCP_RST_FLAG)
		return PROBE_REFUSED;
	return flags & RTE_TCP_SYN_FLAG ? PROBE_ANSWERED : PROBE_NOT_MINE;
}

static enum probe_meaning
match_udp(const struct probe_watch *watch, const struct probe_view *view)
{
	const uint8_t *udp = view->bytes + view->l4;
	unsigned length = parse_u16(udp + 4);

	if (parse_u16(udp) != watch->port || parse_u16(udp + 2) != watch->id ||
		length < sizeof(struct rte_udp_hdr) ||
		(!view->fragment && view->l4 + length > view->whole_end))
		return PROBE_NOT_MINE;
	return PROBE_ANSWERED;
}

static enum probe_meaning
match_answer(const struct probe_watch *watch, const struct probe_view *view,
	struct probe_finding *finding)
{
	enum probe_meaning meaning;

	if (!same_address(watch->family, view->source, watch->to) ||
		view->protocol != protocol_of(watch) ||
		(view->fragment && watch->kind != PROBE_UDP))
		return PROBE_NOT_MINE;
	if (watch->kind == PROBE_PING)
		meaning = match_echo(watch, view, finding);
	else if (watch->kind == PROBE_TCP)
		meaning = match_tcp(watch, view);
	else
		meaning = match_udp(watch, view);
	return meaning != PROBE_NOT_MINE && checksum_good(view) ? meaning : PROBE_NOT_MINE;
}

enum probe_meaning
probe_match(const struct probe_watch *watch, const struct probe_view *view,
	struct probe_finding *finding)
{
	uint16_t type = watch->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;

	if (memcmp(view->bytes, &watch->mac, RTE_ETHER_ADDR_LEN) != 0)
		return PROBE_NOT_MINE;
	if (view->type == RTE_ETHER_TYPE_ARP)
		return match_arp(watch, view, finding);
	if (view->type != type || !same_address(watch->family, view->destination, watch->own))
		return PROBE_NOT_MINE;
	memcpy(finding->from, view->source, address_length(watch->family));
	if (is_error(view) && !view->fragment)
		return match_error(watch, view, finding);
	if (watch->family == 6 && is_neighbour_message(view, ICMP6_ADVERTISEMENT))
		return match_advertisement(watch, view, finding);
	return match_answer(watch, view, finding);
}

/* ---- on the workers -------------------------------------------------------------------------- */

static struct probe_watch *
watch_at(struct worker *worker, unsigned slot, const struct vport *vport)
{
	struct probe_watches *watches = __atomic_load_n(&worker->weft->probes, __ATOMIC_ACQUIRE);
	struct probe_watch *watch = NULL;

	if (watches != NULL)
		watch = __atomic_load_n(&watches->slots[slot], __ATOMIC_ACQUIRE);
	return watch != NULL && watch->vport == vport->id ? watch : NULL;
}

/* One of the answers that the probe has asked for. */
static bool
is_owed(struct probe_watch *watch)
{
	uint32_t owed = atomic_load_explicit(&watch->owed, memory_order_relaxed);

	while (owed > 0)
		if (atomic_compare_exchange_weak_explicit(&watch->owed, &owed, owed - 1,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	return false;
}

/* Nobody traces it any more: the mark's place holds the time when it came. */
static void
punt_answer(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	packet_meta(packet)->vport = vport->id;
	packet_meta(packet)->trace = worker->now;
	worker_punt(worker, PUNT_PROBE, packet);
}

static bool
take(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	vport_count_out(worker, vport, 1, rte_pktmbuf_pkt_len(packet));
	if (watch_captures(vport, packet_meta(packet)))
		capture_packet(worker, vport, packet, CAPTURE_OUT, DROP_REASON_COUNT);
	if (packet_meta(packet)->trace != 0)
		trace_taken(worker, packet, vport, "the answer to a probe");
	punt_answer(worker, vport, packet);
	return true;
}

static void
take_copy(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	struct rte_mbuf *copy = packet_duplicate(&worker->pools, packet);

	if (copy != NULL)
		punt_answer(worker, vport, copy);
}

bool
probe_take(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	bool shared = false;
	struct probe_view view;

	if (packet_meta(packet)->flags & PACKET_DRY_RUN || !probe_look(&view, packet))
		return false;
	for (unsigned i = 0; i < PROBE_LIMIT; i++) {
		struct probe_watch *watch = watch_at(worker, i, vport);
		struct probe_finding finding;
		enum probe_meaning meaning;

		if (watch == NULL)
			continue;
		meaning = probe_match(watch, &view, &finding);
		if (meaning == PROBE_NOT_MINE)
			continue;
		if (meaning == PROBE_NEIGHBOUR &&
			atomic_load_explicit(&watch->shared, memory_order_relaxed))
			shared = true;
		else if (meaning != PROBE_NEIGHBOUR || is_owed(watch))
			return take(worker, vport, packet);
	}
	if (shared)
		take_copy(worker, vport, packet);
	return false;
}

/* The address whose MAC is asked for; NULL: that is not what the packet does. */
static const uint8_t *
asked_for(const struct probe_view *view, uint8_t *family)
{
	const uint8_t *arp = view->bytes + view->l3;

	*family = view->type == RTE_ETHER_TYPE_ARP ? 4 : 6;
	if (*family == 4)
		return is_arp_of_ip(arp, RTE_ARP_OP_REQUEST) ? arp + 24 : NULL;
	if (view->type != RTE_ETHER_TYPE_IPV6 || !is_neighbour_message(view, ICMP6_SOLICITATION))
		return NULL;
	return view->bytes + view->l4 + 8;
}

void
probe_overhear(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet)
{
	const uint8_t *address;
	struct probe_view view;
	uint8_t family;

	if (!probe_look(&view, packet))
		return;
	address = asked_for(&view, &family);
	for (unsigned i = 0; address != NULL && i < PROBE_LIMIT; i++) {
		struct probe_watch *watch = watch_at(worker, i, vport);

		if (watch != NULL && watch->family == family &&
			same_address(family, address, watch->next_hop))
			atomic_store_explicit(&watch->shared, true, memory_order_relaxed);
	}
}
