/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/make.h"

#include "packet/checksum.h"
#include "packet/ip.h"

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <stdbool.h>
#include <string.h>

#define HOPS 64
#define MAKE_OPTIONS_LIMIT 40 /* of TCP */
#define ND_SOLICITATION 135   /* RFC 4861, 4.3, 4.4 */
#define ND_ADVERTISEMENT 136

static size_t
put_ether(uint8_t *frame, const struct make_ends *ends, uint16_t type)
{
	uint16_t words[3] = { RTE_BE16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(ends->vlan),
		rte_cpu_to_be_16(type) };
	size_t offset = 2 * RTE_ETHER_ADDR_LEN;

	memcpy(frame, &ends->destination_mac, RTE_ETHER_ADDR_LEN);
	memcpy(frame + RTE_ETHER_ADDR_LEN, &ends->source_mac, RTE_ETHER_ADDR_LEN);
	if (ends->vlan != 0) {
		memcpy(frame + offset, words, sizeof(words));
		return offset + sizeof(words);
	}
	memcpy(frame + offset, &words[2], sizeof(words[2]));
	return offset + sizeof(words[2]);
}

/* MACs to network header, for `length` bytes behind them; returns where those begin. */
static size_t
put_ip(uint8_t *frame, const struct make_ends *ends, uint8_t protocol, uint8_t hops, size_t length)
{
	size_t offset;

	if (ends->family == 4) {
		struct rte_ipv4_hdr ip = {
			.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + length)),
			.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
			.time_to_live = hops,
			.next_proto_id = protocol,
		};

		memcpy(&ip.src_addr, ends->source, 4);
		memcpy(&ip.dst_addr, ends->destination, 4);
		ip.hdr_checksum = ~checksum_fold(checksum_sum(&ip, sizeof(ip)));
		offset = put_ether(frame, ends, RTE_ETHER_TYPE_IPV4);
		memcpy(frame + offset, &ip, sizeof(ip));
		return offset + sizeof(ip);
	}
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16((uint16_t)length),
		.proto = protocol,
		.hop_limits = hops,
	};

	memcpy(ip.src_addr, ends->source, 16);
	memcpy(ip.dst_addr, ends->destination, 16);
	offset = put_ether(frame, ends, RTE_ETHER_TYPE_IPV6);
	memcpy(frame + offset, &ip, sizeof(ip));
	return offset + sizeof(ip);
}

static uint8_t
hops_of(const struct make_ends *ends)
{
	return ends->hops != 0 ? ends->hops : HOPS;
}

static uint32_t
pseudo_header(const struct make_ends *ends, uint8_t protocol, size_t length)
{
	size_t address = ends->family == 4 ? 4 : 16;

	return checksum_sum(ends->source, address) + checksum_sum(ends->destination, address) +
	       rte_cpu_to_be_16(protocol) + rte_cpu_to_be_16((uint16_t)length);
}

static uint16_t
checksum_of(uint32_t sum, const uint8_t *bytes, size_t length)
{
	return ~checksum_fold(sum + checksum_sum(bytes, length));
}

static size_t
limited(size_t length)
{
	return length < MAKE_PAYLOAD_LIMIT ? length : MAKE_PAYLOAD_LIMIT;
}

static size_t
make_arp(uint8_t *frame, const struct make_ends *ends, uint16_t operation,
	const struct rte_ether_addr *target)
{
	struct rte_arp_hdr arp = {
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(operation),
		.arp_data.arp_sha = ends->source_mac,
	};
	size_t offset;

	if (target != NULL)
		arp.arp_data.arp_tha = *target;
	memcpy(&arp.arp_data.arp_sip, ends->source, 4);
	memcpy(&arp.arp_data.arp_tip, ends->destination, 4);
	offset = put_ether(frame, ends, RTE_ETHER_TYPE_ARP);
	memcpy(frame + offset, &arp, sizeof(arp));
	return offset + sizeof(arp);
}

/* A solicitation or advertisement with the one option that says the source's MAC (RFC 4861,
 * 4.6.1), which one from no address does not have. */
static size_t
make_discovery(uint8_t *frame, const struct make_ends *ends, uint8_t type, uint8_t flags,
	const uint8_t *target)
{
	static const uint8_t nobody[16];
	uint8_t message[32] = { type, 0, 0, 0, flags, 0, 0, 0 };
	size_t length = memcmp(ends->source, nobody, sizeof(nobody)) != 0 ? 32 : 24, offset;
	uint16_t checksum;

	memcpy(message + 8, target, 16);
	message[24] = type == ND_SOLICITATION ? 1 : 2; /* of the source, of the target */
	message[25] = 1;                               /* in units of 8 bytes */
	memcpy(message + 26, &ends->source_mac, RTE_ETHER_ADDR_LEN);
	checksum = checksum_of(pseudo_header(ends, IPPROTO_ICMPV6, length), message, length);
	memcpy(message + 2, &checksum, sizeof(checksum));
	/* RFC 4861, 7.1.1: by its hop limit it cannot come from afar */
	offset = put_ip(frame, ends, IPPROTO_ICMPV6, 255, length);
	memcpy(frame + offset, message, length);
	return offset + length;
}

size_t
make_neighbour_request(uint8_t *frame, const struct make_ends *ends)
{
	struct make_ends to_group = *ends;

	if (ends->family == 4) {
		memset(&to_group.destination_mac, 0xff, RTE_ETHER_ADDR_LEN);
		return make_arp(frame, &to_group, RTE_ARP_OP_REQUEST, NULL);
	}
	ip6_solicited_node(to_group.destination, ends->destination);
	ip6_multicast_mac(&to_group.destination_mac, to_group.destination);
	return make_discovery(frame, &to_group, ND_SOLICITATION, 0, ends->destination);
}

size_t
make_neighbour_probe(uint8_t *frame, const struct make_ends *ends)
{
	if (ends->family == 4)
		return make_arp(frame, ends, RTE_ARP_OP_REQUEST, &ends->destination_mac);
	return make_discovery(frame, ends, ND_SOLICITATION, 0, ends->destination);
}

size_t
make_neighbour_reply(uint8_t *frame, const struct make_ends *ends, uint8_t flags)
{
	bool to_all = memcmp(ends->source, ends->destination, 4) == 0;

	if (ends->family == 6)
		return make_discovery(frame, ends, ND_ADVERTISEMENT, flags, ends->source);
	return make_arp(frame, ends, to_all ? RTE_ARP_OP_REQUEST : RTE_ARP_OP_REPLY,
		to_all ? NULL : &ends->destination_mac);
}

size_t
make_echo(uint8_t *frame, const struct make_ends *ends, uint16_t id, uint16_t sequence,
	const void *payload, size_t length)
{
	bool four = ends->family == 4;
	uint8_t protocol = four ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint16_t words[4] = { rte_cpu_to_be_16(four ? 8 << 8 : 128 << 8), 0, rte_cpu_to_be_16(id),
		rte_cpu_to_be_16(sequence) };
	size_t offset, whole;
	uint16_t checksum;

	length = limited(length);
	whole = sizeof(words) + length;
	offset = put_ip(frame, ends, protocol, hops_of(ends), whole);
	memcpy(frame + offset, words, sizeof(words));
	memcpy(frame + offset + sizeof(words), payload, length);
	checksum =
		checksum_of(four ? 0 : pseudo_header(ends, protocol, whole), frame + offset, whole);
	memcpy(frame + offset + 2, &checksum, sizeof(checksum));
	return offset + whole;
}

size_t
make_tcp(uint8_t *frame, const struct make_ends *ends, uint16_t source_port,
	uint16_t destination_port, uint32_t sequence, uint32_t acknowledged, uint8_t flags)
{
	struct rte_tcp_hdr tcp = {
		.src_port = rte_cpu_to_be_16(source_port),
		.dst_port = rte_cpu_to_be_16(destination_port),
		.sent_seq = rte_cpu_to_be_32(sequence),
		.recv_ack = rte_cpu_to_be_32(acknowledged),
		.data_off = sizeof(tcp) / 4 << 4,
		.tcp_flags = flags,
		.rx_win = RTE_BE16(65535),
	};
	size_t offset = put_ip(frame, ends, IPPROTO_TCP, hops_of(ends), sizeof(tcp));

	tcp.cksum = checksum_of(
		pseudo_header(ends, IPPROTO_TCP, sizeof(tcp)), (const uint8_t *)&tcp, sizeof(tcp));
	memcpy(frame + offset, &tcp, sizeof(tcp));
	return offset + sizeof(tcp);
}

/* Each padded to words; returns their length. */
static size_t
put_options(uint8_t *options, const struct make_segment *segment)
{
	uint32_t times[2] = { rte_cpu_to_be_32(segment->time), rte_cpu_to_be_32(segment->echo) };
	size_t at = 0;

	if (segment->mss != 0) {
		const uint8_t mss[4] = { 2, 4, (uint8_t)(segment->mss >> 8),
			(uint8_t)segment->mss };

		memcpy(options, mss, sizeof(mss));
		at += sizeof(mss);
	}
	if (segment->has_sack || segment->has_times) {
		const uint8_t words[4] = { segment->has_sack ? 4 : 1, segment->has_sack ? 2 : 1,
			segment->has_times ? 8 : 1, segment->has_times ? 10 : 1 };

		memcpy(options + at, words, sizeof(words));
		at += sizeof(words);
	}
	if (segment->has_times) {
		memcpy(options + at, times, sizeof(times));
		at += sizeof(times);
	}
	if (segment->has_scale) {
		const uint8_t scale[4] = { 1, 3, 3, segment->scale };

		memcpy(options + at, scale, sizeof(scale));
		at += sizeof(scale);
	}
	return at;
}

size_t
make_tcp_segment(uint8_t *frame, const struct make_ends *ends, const struct make_segment *segment)
{
	struct rte_tcp_hdr tcp = {
		.src_port = rte_cpu_to_be_16(segment->source_port),
		.dst_port = rte_cpu_to_be_16(segment->destination_port),
		.sent_seq = rte_cpu_to_be_32(segment->sequence),
		.recv_ack = rte_cpu_to_be_32(segment->acknowledged),
		.tcp_flags = segment->flags,
		.rx_win = rte_cpu_to_be_16(segment->window),
	};
	uint8_t bytes[sizeof(tcp) + MAKE_OPTIONS_LIMIT];
	size_t length = sizeof(tcp) + put_options(bytes + sizeof(tcp), segment), offset;

	tcp.data_off = (uint8_t)(length / 4 << 4);
	memcpy(bytes, &tcp, sizeof(tcp));
	tcp.cksum = checksum_of(pseudo_header(ends, IPPROTO_TCP, length), bytes, length);
	memcpy(bytes, &tcp, sizeof(tcp));
	offset = put_ip(frame, ends, IPPROTO_TCP, hops_of(ends), length);
	memcpy(frame + offset, bytes, length);
	return offset + length;
}

static size_t
put_udp(uint8_t *frame, const struct make_ends *ends, uint16_t source_port,
	uint16_t destination_port, const void *payload, size_t length)
{
	struct rte_udp_hdr udp = {
		.src_port = rte_cpu_to_be_16(source_port),
		.dst_port = rte_cpu_to_be_16(destination_port),
	};
	size_t whole = sizeof(udp) + length, offset;

	udp.dgram_len = rte_cpu_to_be_16((uint16_t)whole);
	offset = put_ip(frame, ends, IPPROTO_UDP, hops_of(ends), whole);
	memcpy(frame + offset, &udp, sizeof(udp));
	memcpy(frame + offset + sizeof(udp), payload, length);
	udp.dgram_cksum =
		checksum_of(pseudo_header(ends, IPPROTO_UDP, whole), frame + offset, whole);
	if (udp.dgram_cksum == 0) /* RFC 768 */
		udp.dgram_cksum = 0xffff;
	memcpy(frame + offset, &udp, sizeof(udp));
	return offset + whole;
}

size_t
make_udp(uint8_t *frame, const struct make_ends *ends, uint16_t source_port,
	uint16_t destination_port, const void *payload, size_t length)
{
	return put_udp(frame, ends, source_port, destination_port, payload, limited(length));
}

size_t
make_long_udp(uint8_t *frame, const struct make_ends *ends, uint16_t source_port,
	uint16_t destination_port, const void *payload, size_t length)
{
	size_t limit = MAKE_LONG_LIMIT - sizeof(struct rte_udp_hdr);

	return put_udp(frame, ends, source_port, destination_port, payload,
		length < limit ? length : limit);
}

size_t
make_long_nd(uint8_t *frame, const struct make_ends *ends, const void *message, size_t length)
{
	size_t offset;
	uint16_t checksum;

	if (length > MAKE_LONG_LIMIT)
		length = MAKE_LONG_LIMIT;
	offset = put_ip(frame, ends, IPPROTO_ICMPV6, 255, length);
	memcpy(frame + offset, message, length);
	memset(frame + offset + 2, 0, sizeof(checksum));
	checksum = checksum_of(pseudo_header(ends, IPPROTO_ICMPV6, length), frame + offset, length);
	memcpy(frame + offset + 2, &checksum, sizeof(checksum));
	return offset + length;
}
