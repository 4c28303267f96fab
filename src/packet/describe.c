/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/layout.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ip.h>
#include <stdarg.h>
#include <stdio.h>

#define MAC_FORMAT "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_ARGUMENTS(mac) (mac)[0], (mac)[1], (mac)[2], (mac)[3], (mac)[4], (mac)[5]

/* A text that grows up to its size and stays terminated. */
struct text {
	char *at;
	size_t left;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text->at, text->left, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	if ((size_t)length >= text->left)
		length = text->left > 0 ? (int)text->left - 1 : 0;
	text->at += length;
	text->left -= (size_t)length;
}

static void
add_address(struct text *text, const struct packet_layout *layout, const uint8_t *address, int port)
{
	bool four = layout->ethertype == RTE_ETHER_TYPE_IPV4;
	char words[INET6_ADDRSTRLEN];

	inet_ntop(four ? AF_INET : AF_INET6, address, words, sizeof(words));
	if (port < 0)
		add(text, "%s", words);
	else if (four)
		add(text, "%s:%d", words, port);
	else
		add(text, "[%s]:%d", words, port);
}

static void
describe_macs(struct text *text, const struct rte_mbuf *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);

	add(text, MAC_FORMAT " > " MAC_FORMAT " ", MAC_ARGUMENTS(frame + 6), MAC_ARGUMENTS(frame));
}

static bool
describe_arp(struct text *text, const struct rte_mbuf *packet, unsigned offset)
{
	struct rte_arp_hdr copy;
	const struct rte_arp_hdr *arp = rte_pktmbuf_read(packet, offset, sizeof(copy), &copy);
	char sender[INET_ADDRSTRLEN], target[INET_ADDRSTRLEN];

	if (arp == NULL || arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != 4)
		return false;
	inet_ntop(AF_INET, &arp->arp_data.arp_sip, sender, sizeof(sender));
	inet_ntop(AF_INET, &arp->arp_data.arp_tip, target, sizeof(target));
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST))
		add(text, "arp who-has %s tell %s", target, sender);
	else if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY))
		add(text, "arp reply %s is-at " MAC_FORMAT, sender,
			MAC_ARGUMENTS(arp->arp_data.arp_sha.addr_bytes));
	else
		add(text, "arp operation %u", rte_be_to_cpu_16(arp->arp_opcode));
	return true;
}

static void
describe_tcp_flags(struct text *text, uint8_t flags)
{
	static const char letters[] = "FSRPAUEC"; /* from bit 0: FIN, SYN, RST, PSH, ACK, ... */

	add(text, " tcp ");
	if (flags == 0)
		add(text, "-");
	for (int bit = 0; bit < 8; bit++) {
		if (flags & 1 << bit)
			add(text, "%c", letters[bit]);
	}
}

static void
describe_icmp(struct text *text, const struct rte_mbuf *packet, const struct packet_layout *layout)
{
	static const struct {
		uint8_t protocol, type;
		const char *name;
	} names[] = {
		{ IPPROTO_ICMP, 0, "echo reply" },
		{ IPPROTO_ICMP, 3, "unreachable" },
		{ IPPROTO_ICMP, 8, "echo request" },
		{ IPPROTO_ICMP, 11, "time exceeded" },
		{ IPPROTO_ICMPV6, 1, "unreachable" },
		{ IPPROTO_ICMPV6, 2, "packet too big" },
		{ IPPROTO_ICMPV6, 3, "time exceeded" },
		{ IPPROTO_ICMPV6, 128, "echo request" },
		{ IPPROTO_ICMPV6, 129, "echo reply" },
		{ IPPROTO_ICMPV6, 133, "router solicitation" },
		{ IPPROTO_ICMPV6, 134, "router advertisement" },
		{ IPPROTO_ICMPV6, 135, "neighbour solicitation" },
		{ IPPROTO_ICMPV6, 136, "neighbour advertisement" },
	};
	bool six = layout->protocol == IPPROTO_ICMPV6;
	uint8_t copy[LAYOUT_UDP_LENGTH], target[16];
	const uint8_t *icmp = rte_pktmbuf_read(packet, layout->l4, sizeof(copy), copy), *bytes;
	const char *name = NULL;

	for (size_t i = 0; i < RTE_DIM(names); i++) {
		if (names[i].protocol == layout->protocol && names[i].type == icmp[0])
			name = names[i].name;
	}
	add(text, six ? " icmp6 " : " icmp ");
	if (name == NULL) {
		add(text, "type %u code %u", icmp[0], icmp[1]);
		return;
	}
	add(text, "%s", name);
	if (strncmp(name, "echo", 4) == 0)
		add(text, " id %u seq %u", parse_u16(icmp + 4), parse_u16(icmp + 6));
	if (six && (icmp[0] == 135 || icmp[0] == 136) &&
		layout->l4 + 8u + sizeof(target) <= layout->end) {
		bytes = rte_pktmbuf_read(packet, layout->l4 + 8u, sizeof(target), target);
		add(text, " ");
		add_address(text, layout, bytes, -1);
	}
}

static void
describe_ip(struct text *text, const struct rte_mbuf *packet, const struct packet_layout *layout)
{
	bool four = layout->ethertype == RTE_ETHER_TYPE_IPV4;
	unsigned offset = layout->l3 + (four ? offsetof(struct rte_ipv4_hdr, src_addr)
					     : offsetof(struct rte_ipv6_hdr, src_addr));
	unsigned length = four ? 4 : 16;
	uint8_t copy[32], transport_copy[LAYOUT_TCP_LENGTH];
	const uint8_t *addresses = rte_pktmbuf_read(packet, offset, 2 * length, copy);
	const uint8_t *transport = NULL;
	bool tcp = layout->protocol == IPPROTO_TCP, udp = layout->protocol == IPPROTO_UDP;

	if (layout->l4 != PACKET_OFFSET_NONE && (tcp || udp))
		transport = rte_pktmbuf_read(packet, layout->l4,
			tcp ? LAYOUT_TCP_LENGTH : LAYOUT_UDP_LENGTH, transport_copy);
	add_address(text, layout, addresses, transport == NULL ? -1 : parse_u16(transport));
	add(text, " > ");
	add_address(text, layout, addresses + length,
		transport == NULL ? -1 : parse_u16(transport + 2));
	if (transport != NULL && tcp)
		describe_tcp_flags(text, transport[13]);
	else if (transport != NULL)
		add(text, " udp");
	else if (layout->l4 != PACKET_OFFSET_NONE &&
		 (layout->protocol == IPPROTO_ICMP || layout->protocol == IPPROTO_ICMPV6))
		describe_icmp(text, packet, layout);
	else
		add(text, " protocol %u", layout->protocol);
	if (layout->fragment)
		add(text, " fragment");
}

void
packet_describe(const struct rte_mbuf *packet, char *line, size_t size)
{
	const struct packet_meta *meta = packet_meta((struct rte_mbuf *)(uintptr_t)packet);
	struct text text = { .at = line, .left = size };
	struct packet_layout layout;
	struct ether_view view;

	if (size == 0)
		return;
	line[0] = '\0';
	if (packet_layout(packet, &layout) != PARSE_OK) {
		add(&text, "malformed frame, %u bytes", rte_pktmbuf_pkt_len(packet));
		return;
	}
	parse_ether(packet, &view);
	if (view.n_tags > 0)
		add(&text, "vlan %u ", view.tci & 0x0fff);
	if (layout.l3_length > 0) {
		describe_ip(&text, packet, &layout);
	} else if (layout.ethertype != RTE_ETHER_TYPE_ARP ||
		   !describe_arp(&text, packet, layout.l3)) {
		describe_macs(&text, packet);
		if (layout.ethertype < 0x0600) /* IEEE 802.3: a length */
			add(&text, "802.3 frame");
		else
			add(&text, "ethertype 0x%04x", layout.ethertype);
	}
	add(&text, ", %u bytes", rte_pktmbuf_pkt_len(packet));
	if (meta->gso != PACKET_GSO_NONE)
		add(&text, " in segments of %u", meta->gso_size);
}
