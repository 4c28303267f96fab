/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/parse.h"

#include "packet/layout.h"

#include <netinet/in.h>
#include <rte_ip.h>

/* IPv6 extension headers that are looked through. RFC 8200 names seven kinds. */
#define EXTENSIONS_LIMIT 8

enum parse_result
parse_ether_slow(const struct rte_mbuf *packet, struct ether_view *view)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);

	if (rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN)
		return PARSE_TOO_SHORT;
	*view = (struct ether_view){
		.destination = frame,
		.source = frame + RTE_ETHER_ADDR_LEN,
		.type = parse_u16(frame + 2 * RTE_ETHER_ADDR_LEN),
		.offset = RTE_ETHER_HDR_LEN,
	};
	while (parse_is_tag(view->type) && view->n_tags < PARSE_TAGS_LIMIT) {
		uint8_t copy[RTE_VLAN_HLEN];
		const uint8_t *tag = rte_pktmbuf_read(packet, view->offset, RTE_VLAN_HLEN, copy);

		if (tag == NULL)
			return PARSE_BAD_VLAN_TAG;
		if (view->n_tags++ == 0) {
			view->tag_type = view->type;
			view->tci = parse_u16(tag);
		}
		view->type = parse_u16(tag + 2);
		view->offset += RTE_VLAN_HLEN;
	}
	return PARSE_OK;
}

unsigned
layout_transport_least(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return LAYOUT_TCP_LENGTH;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return LAYOUT_UDP_LENGTH;
	default:
		return 1;
	}
}

/* `end`: where the network layer says that its packet ends; inside the frame. */
static void
parse_transport(
	const struct rte_mbuf *packet, struct packet_layout *layout, unsigned offset, unsigned end)
{
	uint8_t copy[LAYOUT_TCP_LENGTH];
	const uint8_t *header;

	if (offset + layout_transport_least(layout->protocol) > end)
		return;
	if (layout->protocol == IPPROTO_TCP) {
		header = rte_pktmbuf_read(packet, offset, LAYOUT_TCP_LENGTH, copy);
		layout->l4_length = (header[12] >> 4) * 4;
		if (layout->l4_length < LAYOUT_TCP_LENGTH || offset + layout->l4_length > end)
			return;
	} else if (layout_transport_least(layout->protocol) > 1) {
		layout->l4_length = LAYOUT_UDP_LENGTH;
	}
	layout->l4 = offset;
}

static void
parse_ip4(const struct rte_mbuf *packet, struct packet_layout *layout)
{
	struct rte_ipv4_hdr copy;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(packet, layout->l3, sizeof(copy), &copy);
	unsigned header, total;
	uint16_t fragment;

	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return;
	header = (ip->version_ihl & 0x0f) * 4;
	total = rte_be_to_cpu_16(ip->total_length);
	if (header < sizeof(*ip) || total < header ||
		layout->l3 + total > rte_pktmbuf_pkt_len(packet))
		return;
	layout->l3_length = header;
	layout->end = layout->l3 + total;
	layout->protocol = ip->next_proto_id;
	fragment = rte_be_to_cpu_16(ip->fragment_offset);
	layout->fragment = (fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0;
	if ((fragment & RTE_IPV4_HDR_OFFSET_MASK) == 0)
		parse_transport(packet, layout, layout->l3 + header, layout->end);
}

/* RFC 8200, section 4. Stops in front of what is not an extension header. */
static void
parse_ip6(const struct rte_mbuf *packet, struct packet_layout *layout)
{
	struct rte_ipv6_hdr copy;
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_read(packet, layout->l3, sizeof(copy), &copy);
	unsigned offset = layout->l3 + sizeof(*ip);
	uint8_t next;

	if (ip == NULL || rte_be_to_cpu_32(ip->vtc_flow) >> 28 != 6 ||
		offset + rte_be_to_cpu_16(ip->payload_len) > rte_pktmbuf_pkt_len(packet))
		return;
	layout->l3_length = sizeof(*ip);
	layout->end = offset + rte_be_to_cpu_16(ip->payload_len);
	next = ip->proto;
	for (int i = 0; i < EXTENSIONS_LIMIT; i++) {
		uint8_t bytes[8];
		const uint8_t *extension;
		unsigned length;

		layout->protocol = next;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
			next != IPPROTO_FRAGMENT && next != IPPROTO_AH) {
			parse_transport(packet, layout, offset, layout->end);
			return;
		}
		if (offset + sizeof(bytes) > layout->end)
			return;
		extension = rte_pktmbuf_read(packet, offset, sizeof(bytes), bytes);
		if (next == IPPROTO_FRAGMENT) {
			uint16_t fragment = parse_u16(extension + 2);

			layout->fragment = true;
			length = sizeof(bytes);
			if ((fragment & 0xfff8) != 0) {
				layout->protocol = extension[0];
				return;
			}
		} else if (next == IPPROTO_AH) { /* RFC 4302, 2.2: in 4-byte units, minus 2 */
			length = (extension[1] + 2u) * 4;
		} else {
			length = (extension[1] + 1u) * 8;
		}
		next = extension[0];
		offset += length;
	}
}

enum parse_result
packet_layout(const struct rte_mbuf *packet, struct packet_layout *layout)
{
	struct ether_view view;
	enum parse_result result = parse_ether(packet, &view);

	*layout = (struct packet_layout){ .l4 = PACKET_OFFSET_NONE };
	if (result != PARSE_OK)
		return result;
	layout->ethertype = view.type;
	layout->l3 = view.offset;
	if (view.type == RTE_ETHER_TYPE_IPV4)
		parse_ip4(packet, layout);
	else if (view.type == RTE_ETHER_TYPE_IPV6)
		parse_ip6(packet, layout);
	return PARSE_OK;
}

enum parse_result
packet_parse(struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet);
	struct packet_layout layout;
	enum parse_result result = packet_layout(packet, &layout);

	meta->flags &= (uint8_t)~PACKET_PARSED;
	if (result != PARSE_OK)
		return result;
	meta->l3 = layout.l3;
	meta->l4 = layout.l4;
	meta->ethertype = layout.ethertype;
	meta->protocol = layout.protocol;
	meta->flags |= PACKET_PARSED;
	return PARSE_OK;
}

unsigned
packet_header_bytes(const struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	unsigned length = rte_pktmbuf_pkt_len(packet);
	unsigned end = meta->l3;

	if (meta->l4 != PACKET_OFFSET_NONE)
		end = meta->l4 + LAYOUT_TCP_LENGTH;
	else if (meta->ethertype == RTE_ETHER_TYPE_IPV4)
		end += sizeof(struct rte_ipv4_hdr);
	else if (meta->ethertype == RTE_ETHER_TYPE_IPV6)
		end += sizeof(struct rte_ipv6_hdr);
	return RTE_MIN(end, length);
}

/* All fragments of a packet must go the way of the first: no ports in it then. */
static uint64_t
hash_ports(const struct rte_mbuf *packet, const struct packet_layout *layout)
{
	uint8_t copy[4];
	const uint8_t *ports;
	uint32_t both = 0;

	if (layout->l4 == PACKET_OFFSET_NONE || layout->fragment)
		return 0;
	if (layout->protocol != IPPROTO_TCP && layout->protocol != IPPROTO_UDP &&
		layout->protocol != IPPROTO_UDPLITE)
		return 0;
	ports = rte_pktmbuf_read(packet, layout->l4, sizeof(copy), copy);
	memcpy(&both, ports, sizeof(both));
	return both;
}

static uint64_t
hash_packet(const struct rte_mbuf *packet, const struct hash_key *key)
{
	struct packet_layout layout;
	uint64_t words[4] = { 0 }, hash;
	const void *addresses;
	uint8_t copy[32];

	if (packet_layout(packet, &layout) == PARSE_TOO_SHORT)
		return 1;
	if (layout.l3_length == 0) {
		/* MACs and, in the upper half of the second word, the type or first tag */
		memcpy(words, rte_pktmbuf_mtod(packet, const uint8_t *), RTE_ETHER_HDR_LEN);
		return hash_words(key, words[0], words[1]);
	}
	if (layout.ethertype == RTE_ETHER_TYPE_IPV4) {
		addresses = rte_pktmbuf_read(
			packet, layout.l3 + offsetof(struct rte_ipv4_hdr, src_addr), 8, copy);
		memcpy(words, addresses, 8);
		words[1] = hash_ports(packet, &layout) << 8 | layout.protocol;
		return hash_words(key, words[0], words[1]);
	}
	addresses = rte_pktmbuf_read(
		packet, layout.l3 + offsetof(struct rte_ipv6_hdr, src_addr), 32, copy);
	memcpy(words, addresses, 32);
	hash = hash_words(key, words[0], words[1]);
	hash = hash_words(key, hash ^ words[2], words[3]);
	return hash_words(key, hash, hash_ports(packet, &layout) << 8 | layout.protocol);
}

uint32_t
packet_flow_hash(struct rte_mbuf *packet, const struct hash_key *key)
{
	struct packet_meta *meta = packet_meta(packet);

	if (likely(meta->flow_hash != 0))
		return meta->flow_hash;
	meta->flow_hash = (uint32_t)hash_packet(packet, key);
	if (meta->flow_hash == 0)
		meta->flow_hash = 1;
	return meta->flow_hash;
}
