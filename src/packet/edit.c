/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/edit.h"

#include "packet/checksum.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <string.h>

#define MACS_LENGTH (2 * RTE_ETHER_ADDR_LEN)
#define VID_MASK 0x0fff
#define ICMP_ID_OFFSET 4
#define ICMP6_CHECKSUM_OFFSET 2
#define DCCP_CHECKSUM_OFFSET 6
#define TCP_HEADER_LIMIT 60 /* with options */
#define TCP_OPTION_END 0
#define TCP_OPTION_NONE 1
#define TCP_OPTION_MSS 2
#define TCP_MSS_LENGTH 4

/* ---- the edit log ---------------------------------------------------------------------- */

static void
log_count(struct edit_log *log, uint16_t what, uint8_t *counter)
{
	log->what |= what;
	if (*counter == UINT8_MAX)
		log->what |= EDIT_OVERFLOW;
	else
		(*counter)++;
}

static void
log_push(struct edit_log *log, uint16_t type, uint16_t tci)
{
	log->what |= EDIT_VLAN;
	if (log->pushed == EDIT_LOG_TAGS) {
		log->what |= EDIT_OVERFLOW;
		return;
	}
	for (unsigned i = log->pushed; i > 0; i--) {
		log->tags[i] = log->tags[i - 1];
		log->tag_types[i] = log->tag_types[i - 1];
	}
	log->tags[0] = rte_cpu_to_be_16(tci);
	log->tag_types[0] = rte_cpu_to_be_16(type);
	log->pushed++;
}

static void
log_pop(struct edit_log *log)
{
	if (log->pushed == 0) {
		log_count(log, EDIT_VLAN, &log->popped);
		return;
	}
	log->pushed--;
	for (unsigned i = 0; i < log->pushed; i++) {
		log->tags[i] = log->tags[i + 1];
		log->tag_types[i] = log->tag_types[i + 1];
	}
	if (log->pushed == 0 && log->popped == 0 && !(log->what & EDIT_OVERFLOW))
		log->what &= (uint16_t)~EDIT_VLAN;
}

/* ---- tags ------------------------------------------------------------------------------ */

/* What lies behind the MACs has moved by `distance` bytes. */
static void
move_offsets(struct packet_meta *meta, int distance)
{
	if (meta->flags & PACKET_PARSED) {
		meta->l3 += distance;
		if (meta->l4 != PACKET_OFFSET_NONE)
			meta->l4 += distance;
	}
	if (meta->offload & PACKET_NEEDS_CHECKSUM)
		meta->checksum_start += distance;
	if (meta->gso != PACKET_GSO_NONE)
		meta->header_length += distance;
}

struct rte_mbuf *
edit_push_vlan(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t type, uint16_t tci)
{
	struct packet_meta *meta;
	uint16_t tag[2] = { rte_cpu_to_be_16(type), rte_cpu_to_be_16(tci) };
	uint8_t *frame;

	packet = packet_writable(pools, packet, MACS_LENGTH, RTE_VLAN_HLEN);
	if (unlikely(packet == NULL))
		return NULL;
	packet->data_off -= RTE_VLAN_HLEN;
	packet->data_len += RTE_VLAN_HLEN;
	packet->pkt_len += RTE_VLAN_HLEN;
	frame = rte_pktmbuf_mtod(packet, uint8_t *);
	memmove(frame, frame + RTE_VLAN_HLEN, MACS_LENGTH);
	memcpy(frame + MACS_LENGTH, tag, sizeof(tag));
	meta = packet_meta(packet);
	move_offsets(meta, RTE_VLAN_HLEN);
	if (unlikely(meta->log != NULL))
		log_push(meta->log, type, tci);
	return packet;
}

struct rte_mbuf *
edit_pop_vlan(struct packet_pools *pools, struct rte_mbuf *packet)
{
	struct packet_meta *meta;
	uint8_t *frame;

	packet = packet_writable(pools, packet, MACS_LENGTH + RTE_VLAN_HLEN, 0);
	if (unlikely(packet == NULL))
		return NULL;
	frame = rte_pktmbuf_mtod(packet, uint8_t *);
	memmove(frame + RTE_VLAN_HLEN, frame, MACS_LENGTH);
	rte_pktmbuf_adj(packet, RTE_VLAN_HLEN);
	meta = packet_meta(packet);
	move_offsets(meta, -RTE_VLAN_HLEN);
	if (unlikely(meta->log != NULL))
		log_pop(meta->log);
	return packet;
}

struct rte_mbuf *
edit_set_vlan(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t vid)
{
	struct edit_log *log;
	uint8_t *tag;
	uint16_t type, tci;

	packet = packet_writable(pools, packet, MACS_LENGTH + RTE_VLAN_HLEN, 0);
	if (unlikely(packet == NULL))
		return NULL;
	tag = rte_pktmbuf_mtod_offset(packet, uint8_t *, MACS_LENGTH);
	type = parse_u16(tag);
	tci = (uint16_t)((parse_u16(tag + 2) & ~VID_MASK) | (vid & VID_MASK));
	tag[2] = tci >> 8;
	tag[3] = (uint8_t)tci;
	log = packet_meta(packet)->log;
	if (unlikely(log != NULL)) {
		log_pop(log);
		log_push(log, type, tci);
	}
	return packet;
}

/* ---- MACs ------------------------------------------------------------------------------ */

void
edit_set_ether_source(struct rte_mbuf *packet, const struct rte_ether_addr *address)
{
	struct edit_log *log = packet_meta(packet)->log;

	rte_ether_addr_copy(address, &rte_pktmbuf_mtod(packet, struct rte_ether_hdr *)->src_addr);
	if (unlikely(log != NULL)) {
		log->what |= EDIT_ETHER_SOURCE;
		log->ether_source = *address;
	}
}

void
edit_set_ether_destination(struct rte_mbuf *packet, const struct rte_ether_addr *address)
{
	struct edit_log *log = packet_meta(packet)->log;

	rte_ether_addr_copy(address, &rte_pktmbuf_mtod(packet, struct rte_ether_hdr *)->dst_addr);
	if (unlikely(log != NULL)) {
		log->what |= EDIT_ETHER_DESTINATION;
		log->ether_destination = *address;
	}
}

/* ---- checksums ------------------------------------------------------------------------- */

/* The packet's network header, or NULL where there is none to edit. */
static uint8_t *
network_header(struct rte_mbuf *packet, uint16_t ethertype)
{
	const struct packet_meta *meta = packet_meta(packet);
	unsigned length = ethertype == RTE_ETHER_TYPE_IPV4 ? sizeof(struct rte_ipv4_hdr)
							   : sizeof(struct rte_ipv6_hdr);
	uint8_t *header;

	if (!(meta->flags & PACKET_PARSED) || meta->ethertype != ethertype ||
		meta->l3 + length > rte_pktmbuf_data_len(packet))
		return NULL;
	header = rte_pktmbuf_mtod_offset(packet, uint8_t *, meta->l3);
	return header[0] >> 4 == (ethertype == RTE_ETHER_TYPE_IPV4 ? 4 : 6) ? header : NULL;
}

/* Where the transport checksum is; NULL: there is none that depends on addresses or ports. */
static uint8_t *
transport_checksum(struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);
	unsigned offset;

	if (meta->l4 == PACKET_OFFSET_NONE)
		return NULL;
	switch (meta->protocol) {
	case IPPROTO_TCP:
		offset = offsetof(struct rte_tcp_hdr, cksum);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		offset = offsetof(struct rte_udp_hdr, dgram_cksum);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		offset = ICMP6_CHECKSUM_OFFSET;
		break;
	case IPPROTO_DCCP: /* RFC 4340, 5.1 */
		offset = DCCP_CHECKSUM_OFFSET;
		break;
	default: /* SCTP's does not cover addresses (RFC 9260, 6.8) */
		return NULL;
	}
	offset += meta->l4;
	if (offset + sizeof(uint16_t) > rte_pktmbuf_data_len(packet))
		return NULL;
	return rte_pktmbuf_mtod_offset(packet, uint8_t *, offset);
}

static bool
is_partial(const struct packet_meta *meta)
{
	return (meta->offload & PACKET_NEEDS_CHECKSUM) && meta->checksum_start == meta->l4;
}

/*
 * `address`: of the pseudo-header, which is all that a partial checksum holds so far, and
 * holds not complemented; what it lacks is summed later, from the bytes as they are then.
 */
static void
update_transport(
	struct rte_mbuf *packet, const void *before, const void *after, size_t length, bool address)
{
	const struct packet_meta *meta = packet_meta(packet);
	uint8_t *field = transport_checksum(packet);
	bool udp = meta->protocol == IPPROTO_UDP || meta->protocol == IPPROTO_UDPLITE;
	uint16_t checksum;

	if (field == NULL || (address && meta->protocol == IPPROTO_ICMP))
		return;
	memcpy(&checksum, field, sizeof(checksum));
	if (is_partial(meta)) {
		if (!address)
			return;
		checksum = ~checksum_update((uint16_t)~checksum, before, after, length);
	} else {
		if (udp && checksum == 0) /* RFC 768: the sender made none */
			return;
		checksum = checksum_update(checksum, before, after, length);
		if (udp && checksum == 0)
			checksum = 0xffff;
	}
	memcpy(field, &checksum, sizeof(checksum));
}

static void
update_ip4(uint8_t *header, const void *before, const void *after, size_t length)
{
	uint8_t *field = header + offsetof(struct rte_ipv4_hdr, hdr_checksum);
	uint16_t checksum;

	memcpy(&checksum, field, sizeof(checksum));
	checksum = checksum_update(checksum, before, after, length);
	memcpy(field, &checksum, sizeof(checksum));
}

/* ---- the network header ---------------------------------------------------------------- */

/* Returns the address's length, 0 when there is no network header to write it into. */
static size_t
set_address(struct rte_mbuf *packet, const uint8_t *address, size_t offset4, size_t offset6)
{
	uint8_t *header = network_header(packet, RTE_ETHER_TYPE_IPV4), *field;
	size_t length = 4;

	if (header != NULL) {
		field = header + offset4;
		update_ip4(header, field, address, length);
	} else {
		header = network_header(packet, RTE_ETHER_TYPE_IPV6);
		if (header == NULL)
			return 0;
		field = header + offset6;
		length = 16;
	}
	update_transport(packet, field, address, length, true);
	memcpy(field, address, length);
	return length;
}

void
edit_set_ip_source(struct rte_mbuf *packet, const uint8_t *address)
{
	struct edit_log *log = packet_meta(packet)->log;
	size_t length = set_address(packet, address, offsetof(struct rte_ipv4_hdr, src_addr),
		offsetof(struct rte_ipv6_hdr, src_addr));

	if (unlikely(log != NULL && length > 0)) {
		log->what |= EDIT_IP_SOURCE;
		memcpy(log->ip_source, address, length);
	}
}

void
edit_set_ip_destination(struct rte_mbuf *packet, const uint8_t *address)
{
	struct edit_log *log = packet_meta(packet)->log;
	size_t length = set_address(packet, address, offsetof(struct rte_ipv4_hdr, dst_addr),
		offsetof(struct rte_ipv6_hdr, dst_addr));

	if (unlikely(log != NULL && length > 0)) {
		log->what |= EDIT_IP_DESTINATION;
		memcpy(log->ip_destination, address, length);
	}
}

/* Replaces an even-aligned pair of bytes of an IPv4 header. */
static void
set_ip4_pair(uint8_t *header, size_t offset, uint8_t first, uint8_t second)
{
	const uint8_t pair[2] = { first, second };

	update_ip4(header, header + offset, pair, sizeof(pair));
	memcpy(header + offset, pair, sizeof(pair));
}

void
edit_decrement_ttl(struct rte_mbuf *packet)
{
	const size_t offset4 = offsetof(struct rte_ipv4_hdr, time_to_live);
	struct edit_log *log = packet_meta(packet)->log;
	uint8_t *header = network_header(packet, RTE_ETHER_TYPE_IPV4);

	if (header != NULL) {
		set_ip4_pair(header, offset4, header[offset4] - 1, header[offset4 + 1]);
	} else {
		header = network_header(packet, RTE_ETHER_TYPE_IPV6);
		if (header == NULL)
			return;
		header[offsetof(struct rte_ipv6_hdr, hop_limits)]--;
	}
	if (unlikely(log != NULL))
		log_count(log, EDIT_TTL, &log->ttl_decrement);
}

void
edit_log_ttl(struct edit_log *log)
{
	log_count(log, EDIT_TTL, &log->ttl_decrement);
}

/* TOS, or the traffic class. False: there is no network header. */
static bool
get_class(struct rte_mbuf *packet, uint8_t *class)
{
	const uint8_t *header = network_header(packet, RTE_ETHER_TYPE_IPV4);

	if (header != NULL) {
		*class = header[1];
		return true;
	}
	header = network_header(packet, RTE_ETHER_TYPE_IPV6);
	if (header == NULL)
		return false;
	*class = (uint8_t)(header[0] << 4 | header[1] >> 4);
	return true;
}

static void
set_class(struct rte_mbuf *packet, uint8_t class)
{
	uint8_t *header = network_header(packet, RTE_ETHER_TYPE_IPV4);

	if (header != NULL) {
		set_ip4_pair(header, 0, header[0], class);
		return;
	}
	header = network_header(packet, RTE_ETHER_TYPE_IPV6);
	header[0] = (header[0] & 0xf0) | class >> 4;
	header[1] = (uint8_t)(class << 4) | (header[1] & 0x0f);
}

/* RFC 2474: the upper six bits; ECN stays. */
void
edit_set_dscp(struct rte_mbuf *packet, uint8_t dscp)
{
	struct edit_log *log = packet_meta(packet)->log;
	uint8_t class;

	if (!get_class(packet, &class))
		return;
	dscp &= 0x3f;
	set_class(packet, (uint8_t)(dscp << 2 | (class & 0x03)));
	if (unlikely(log != NULL)) {
		log->what |= EDIT_DSCP;
		log->dscp = dscp;
	}
}

void
edit_set_ecn(struct rte_mbuf *packet, uint8_t ecn)
{
	struct edit_log *log = packet_meta(packet)->log;
	uint8_t class;

	if (!get_class(packet, &class))
		return;
	set_class(packet, (uint8_t)((class & 0xfc) | (ecn & 0x03)));
	if (unlikely(log != NULL))
		log->what |= EDIT_OVERFLOW;
}

/* ---- the transport header -------------------------------------------------------------- */

static bool
is_icmp_echo(uint8_t protocol, uint8_t type)
{
	if (protocol == IPPROTO_ICMP)
		return type == 8 || type == 0;                             /* RFC 792 */
	return protocol == IPPROTO_ICMPV6 && (type == 128 || type == 129); /* RFC 4443, 4 */
}

/* Returns false where there is no such field. */
static bool
set_port(struct rte_mbuf *packet, size_t offset, uint16_t port)
{
	const struct packet_meta *meta = packet_meta(packet);
	uint8_t *header, *field;

	if (!(meta->flags & PACKET_PARSED) || meta->l4 == PACKET_OFFSET_NONE ||
		meta->l4 + 8u > rte_pktmbuf_data_len(packet))
		return false;
	header = rte_pktmbuf_mtod_offset(packet, uint8_t *, meta->l4);
	switch (meta->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		break;
	default:
		if (!is_icmp_echo(meta->protocol, header[0]))
			return false;
		offset = ICMP_ID_OFFSET;
	}
	field = header + offset;
	update_transport(packet, field, &port, sizeof(port), false);
	memcpy(field, &port, sizeof(port));
	return true;
}

void
edit_set_l4_source(struct rte_mbuf *packet, uint16_t port)
{
	struct edit_log *log = packet_meta(packet)->log;

	if (set_port(packet, offsetof(struct rte_udp_hdr, src_port), port) && log != NULL) {
		log->what |= EDIT_L4_SOURCE;
		log->l4_source = port;
	}
}

void
edit_set_l4_destination(struct rte_mbuf *packet, uint16_t port)
{
	struct edit_log *log = packet_meta(packet)->log;

	if (set_port(packet, offsetof(struct rte_udp_hdr, dst_port), port) && log != NULL) {
		log->what |= EDIT_L4_DESTINATION;
		log->l4_destination = port;
	}
}

/* ---- the maximum segment size ------------------------------------------------------------ */

/* The value of the MSS option, as an offset into the header; 0: there is none. */
static unsigned
find_mss(const uint8_t *header, unsigned length)
{
	unsigned at = sizeof(struct rte_tcp_hdr);

	while (at < length && header[at] != TCP_OPTION_END) {
		unsigned size = 1;

		if (header[at] != TCP_OPTION_NONE) {
			if (at + 2 > length || header[at + 1] < 2 || at + header[at + 1] > length)
				return 0;
			size = header[at + 1];
		}
		if (header[at] == TCP_OPTION_MSS && size == TCP_MSS_LENGTH)
			return at + 2;
		at += size;
	}
	return 0;
}

/* Where the MSS of a SYN is that is larger than `mss`, as above. */
static unsigned
find_large_mss(const struct rte_mbuf *packet, uint16_t l4, uint16_t mss)
{
	uint8_t header[TCP_HEADER_LIMIT];
	unsigned length, at;

	packet_copy_range(header, packet, l4, sizeof(struct rte_tcp_hdr));
	length = (header[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4u;
	if (l4 + length > rte_pktmbuf_pkt_len(packet))
		return 0;
	packet_copy_range(header, packet, l4, length);
	at = find_mss(header, length);
	return at != 0 && parse_u16(header + at) > mss ? at : 0;
}

static bool
is_syn(const struct rte_mbuf *packet, const struct packet_meta *meta)
{
	const uint8_t *flags;
	uint8_t copy;

	if (!(meta->flags & PACKET_PARSED) || meta->l4 == PACKET_OFFSET_NONE ||
		meta->protocol != IPPROTO_TCP)
		return false;
	flags = rte_pktmbuf_read(
		packet, meta->l4 + offsetof(struct rte_tcp_hdr, tcp_flags), 1, &copy);
	return flags != NULL && (*flags & RTE_TCP_SYN_FLAG);
}

/* The value may lie across two words of the checksum. */
static void
set_mss(struct rte_mbuf *packet, unsigned at, uint16_t mss)
{
	uint8_t *header = rte_pktmbuf_mtod_offset(packet, uint8_t *, packet_meta(packet)->l4);
	unsigned first = at & ~1u, length = at & 1 ? 4 : 2;
	uint8_t before[4], after[4];

	memcpy(before, header + first, length);
	memcpy(after, before, length);
	after[at - first] = mss >> 8;
	after[at - first + 1] = (uint8_t)mss;
	update_transport(packet, before, after, length, false);
	memcpy(header + first, after, length);
}

struct rte_mbuf *
edit_clamp_mss(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t mss)
{
	struct packet_meta *meta = packet_meta(packet);
	struct edit_log *log = meta->log;
	unsigned at;

	if (likely(!is_syn(packet, meta)))
		return packet;
	at = find_large_mss(packet, meta->l4, mss);
	if (at == 0)
		return packet;
	/* whole words, for the checksum */
	packet = packet_writable(pools, packet, meta->l4 + ((at + 3) & ~1u), 0);
	if (unlikely(packet == NULL))
		return NULL;
	set_mss(packet, at, mss);
	if (unlikely(log != NULL)) {
		if (!(log->what & EDIT_MSS) || mss < rte_be_to_cpu_16(log->mss))
			log->mss = rte_cpu_to_be_16(mss);
		log->what |= EDIT_MSS;
	}
	return packet;
}
