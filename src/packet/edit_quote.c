/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Editing what an ICMP error quotes (RFC 792, RFC 4443; for translation RFC 5508, 4.2). Each
 * change is one of the quoted packet's checksums, too, if they are quoted, and each of these and
 * the change itself is one of the error's.
 */
#include "packet/checksum.h"
#include "packet/edit.h"
#include "packet/ip.h"

#include <netinet/in.h>
#include <rte_icmp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define QUOTED_TRANSPORT 18 /* as far as the checksum of TCP, which is the last */
#define ICMP_CHECKSUM 2
#define ICMP_ID 4

unsigned
edit_quote_bytes(const struct rte_mbuf *packet, const struct edit_quote *quote)
{
	unsigned most = quote->l4 + QUOTED_TRANSPORT, length = rte_pktmbuf_pkt_len(packet);

	return most < length ? most : length;
}

/* Where the quoted packet has its transport checksum; NULL: it is not quoted, or there is none that
 * addresses and ports change. */
static uint8_t *
quoted_checksum(struct rte_mbuf *packet, const struct edit_quote *quote)
{
	const struct packet_meta *meta = packet_meta(packet);
	unsigned end = meta->l3 + ip_length(packet, meta->l3), offset;

	switch (quote->protocol) {
	case IPPROTO_TCP:
		offset = quote->l4 + offsetof(struct rte_tcp_hdr, cksum);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		offset = quote->l4 + offsetof(struct rte_udp_hdr, dgram_cksum);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		offset = quote->l4 + ICMP_CHECKSUM;
		break;
	default:
		return NULL;
	}
	if (offset + sizeof(uint16_t) > end ||
		offset + sizeof(uint16_t) > rte_pktmbuf_data_len(packet))
		return NULL;
	return rte_pktmbuf_mtod_offset(packet, uint8_t *, offset);
}

struct quote_edit {
	uint8_t *outer;     /* the error's checksum */
	uint8_t *transport; /* or NULL */
	uint8_t *header;    /* IPv4: of the quoted header's checksum; else NULL */
	bool udp;
};

static void
update(uint8_t *field, const void *before, const void *after, size_t length)
{
	uint16_t checksum;

	memcpy(&checksum, field, sizeof(checksum));
	checksum = checksum_update(checksum, before, after, length);
	memcpy(field, &checksum, sizeof(checksum));
}

/* A checksum in the quote changes by what it covers, and the error's by that. */
static void
update_quoted(const struct quote_edit *edit, uint8_t *field, bool udp, const void *before,
	const void *after, size_t length)
{
	uint16_t was, now;

	memcpy(&was, field, sizeof(was));
	if (udp && was == 0)
		return;
	update(field, before, after, length);
	memcpy(&now, field, sizeof(now));
	if (udp && now == 0) {
		now = 0xffff;
		memcpy(field, &now, sizeof(now));
	}
	update(edit->outer, &was, &now, sizeof(now));
}

/* `pseudo`: the field is of a pseudo-header, for those whose checksum has one. */
static void
replace(const struct quote_edit *edit, uint8_t *field, const void *after, size_t length,
	bool pseudo, bool icmp4)
{
	if (pseudo && edit->header != NULL)
		update_quoted(edit, edit->header, false, field, after, length);
	if (edit->transport != NULL && !(pseudo && icmp4))
		update_quoted(edit, edit->transport, edit->udp, field, after, length);
	update(edit->outer, field, after, length);
	memcpy(field, after, length);
}

static void
replace_ports(
	struct rte_mbuf *packet, const struct quote_edit *edit, const struct edit_quote *quote)
{
	uint8_t *ports = rte_pktmbuf_mtod_offset(packet, uint8_t *, quote->l4);

	switch (quote->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		replace(edit, ports, &quote->source_port, 2, false, false);
		replace(edit, ports + 2, &quote->destination_port, 2, false, false);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		replace(edit, ports + ICMP_ID, &quote->source_port, 2, false, false);
		break;
	default:
		break;
	}
}

void
edit_set_quote(struct rte_mbuf *packet, const struct edit_quote *quote)
{
	struct packet_meta *meta = packet_meta(packet);
	bool six = quote->family == 6, icmp4 = quote->protocol == IPPROTO_ICMP;
	uint8_t *ip = rte_pktmbuf_mtod_offset(packet, uint8_t *, quote->l3);
	struct quote_edit edit = {
		.outer = rte_pktmbuf_mtod_offset(packet, uint8_t *, meta->l4 + ICMP_CHECKSUM),
		.transport = quoted_checksum(packet, quote),
		.header = six ? NULL : ip + offsetof(struct rte_ipv4_hdr, hdr_checksum),
		.udp = quote->protocol == IPPROTO_UDP || quote->protocol == IPPROTO_UDPLITE,
	};
	size_t length = six ? 16 : 4;

	ip += six ? offsetof(struct rte_ipv6_hdr, src_addr)
		  : offsetof(struct rte_ipv4_hdr, src_addr);
	replace(&edit, ip, quote->source, length, true, icmp4);
	replace(&edit, ip + length, quote->destination, length, true, icmp4);
	replace_ports(packet, &edit, quote);
	if (unlikely(meta->log != NULL))
		meta->log->what |= EDIT_OVERFLOW;
}

void
edit_shift_quote(struct rte_mbuf *packet, const struct edit_quote *quote, uint32_t sequence)
{
	struct packet_meta *meta = packet_meta(packet);
	struct quote_edit edit = {
		.outer = rte_pktmbuf_mtod_offset(packet, uint8_t *, meta->l4 + ICMP_CHECKSUM),
		.transport = quoted_checksum(packet, quote),
	};
	uint8_t *field = rte_pktmbuf_mtod_offset(
		packet, uint8_t *, quote->l4 + offsetof(struct rte_tcp_hdr, sent_seq));
	uint32_t number;

	memcpy(&number, field, sizeof(number));
	number = rte_cpu_to_be_32(rte_be_to_cpu_32(number) + sequence);
	replace(&edit, field, &number, sizeof(number), false, false);
	if (unlikely(meta->log != NULL))
		meta->log->what |= EDIT_OVERFLOW;
}
