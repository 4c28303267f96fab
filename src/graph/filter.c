/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/filter.h"

#include "base/error.h"
#include "base/nearest.h"
#include "graph/engine.h"
#include "packet/layout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER_SOURCE 1
#define FILTER_DESTINATION 2
#define FILTER_EITHER (FILTER_SOURCE | FILTER_DESTINATION)

enum filter_kind {
	FILTER_NETWORK,
	FILTER_VPORT,
	FILTER_MAC,
	FILTER_ADDRESS,
	FILTER_PROTOCOL,
	FILTER_PORT,
	FILTER_VLAN,
	FILTER_ETHERTYPE,
};

static const struct filter_word {
	const char *name;
	uint8_t kind, ends;
	uint8_t protocol; /* FILTER_PORT: of this one alone; 0: of any that has ports */
} words[] = {
	{ "network", FILTER_NETWORK, 0, 0 },
	{ "port", FILTER_VPORT, 0, 0 },
	{ "mac", FILTER_MAC, FILTER_EITHER, 0 },
	{ "src-mac", FILTER_MAC, FILTER_SOURCE, 0 },
	{ "dst-mac", FILTER_MAC, FILTER_DESTINATION, 0 },
	{ "ip", FILTER_ADDRESS, FILTER_EITHER, 0 },
	{ "src", FILTER_ADDRESS, FILTER_SOURCE, 0 },
	{ "dst", FILTER_ADDRESS, FILTER_DESTINATION, 0 },
	{ "proto", FILTER_PROTOCOL, 0, 0 },
	{ "tcp-port", FILTER_PORT, FILTER_EITHER, IPPROTO_TCP },
	{ "udp-port", FILTER_PORT, FILTER_EITHER, IPPROTO_UDP },
	{ "sport", FILTER_PORT, FILTER_SOURCE, 0 },
	{ "dport", FILTER_PORT, FILTER_DESTINATION, 0 },
	{ "vlan", FILTER_VLAN, 0, 0 },
	{ "ethertype", FILTER_ETHERTYPE, 0, 0 },
};

/* ---- values ---------------------------------------------------------------------------------- */

static int
parse_number(const char *text, unsigned long limit, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoul(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	if (*end != '\0' || errno != 0 || value > limit)
		return -1;
	*number = (uint32_t)value;
	return 0;
}

static int
parse_mac(const char *text, uint8_t mac[RTE_ETHER_ADDR_LEN])
{
	struct rte_ether_addr address;

	/* the function takes other forms, too, that nobody should learn from us */
	if (strlen(text) != 17 || rte_ether_unformat_addr(text, &address) != 0)
		return -1;
	memcpy(mac, address.addr_bytes, RTE_ETHER_ADDR_LEN);
	return 0;
}

static int
parse_prefix(const char *text, struct filter_term *term)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	uint32_t bits;

	if (length >= sizeof(address))
		return -1;
	memcpy(address, text, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, term->bytes) == 1)
		term->family = 4;
	else if (inet_pton(AF_INET6, address, term->bytes) == 1)
		term->family = 6;
	else
		return -1;
	bits = term->family == 4 ? 32 : 128;
	if (slash != NULL && parse_number(slash + 1, bits, &bits) < 0)
		return -1;
	term->length = (uint8_t)bits;
	return 0;
}

static int
parse_protocol(const char *text, struct filter_term *term)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = { { "icmp", IPPROTO_ICMP }, { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },
		{ "icmp6", IPPROTO_ICMPV6 } };

	for (size_t i = 0; i < RTE_DIM(names); i++) {
		if (strcmp(text, names[i].name) == 0) {
			term->number = names[i].number;
			return 0;
		}
	}
	if (strcmp(text, "arp") == 0) { /* which is no protocol of IP */
		term->kind = FILTER_ETHERTYPE;
		term->number = RTE_ETHER_TYPE_ARP;
		return 0;
	}
	return parse_number(text, UINT8_MAX, &term->number);
}

/* ---- names ----------------------------------------------------------------------------------- */

static int
no_such(struct weft_error *error, const char *what, const char *name, const struct nearest *nearest)
{
	if (nearest->best != NULL)
		return error_set(error, ENOENT, "filter: there is no %s '%s'; did you mean '%s'?",
			what, name, nearest->best);
	return error_set(error, ENOENT, "filter: there is no %s '%s'", what, name);
}

static int
find_network(struct weft *weft, const char *name, uint32_t *id, struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	struct weft_network *network;
	int result = -1;

	weft_objects_lock(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	{
		nearest_offer(&nearest, network->name);
		if (strcmp(network->name, name) == 0) {
			*id = network->id;
			result = 0;
		}
	}
	if (result < 0)
		no_such(error, "network", name, &nearest);
	weft_objects_unlock(weft);
	return result;
}

/* A name of a committed port, if it is the one; else it is offered as the nearest. */
static bool
is_vport(const struct weft_vport *vport, const char *name, char best[VPORT_NAME_SIZE],
	struct nearest *nearest)
{
	char path[VPORT_NAME_SIZE];
	const char *before = nearest->best;

	if (strcmp(vport_path(vport, path), name) == 0)
		return true;
	nearest_offer(nearest, path);
	if (nearest->best == path) {
		memcpy(best, path, VPORT_NAME_SIZE);
		nearest->best = best;
	} else {
		nearest->best = before;
	}
	return false;
}

static int
find_vport(struct weft *weft, const char *name, uint32_t *id, struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	char best[VPORT_NAME_SIZE];
	struct weft_network *network;
	struct weft_device *device;
	struct weft_vport *vport;
	int result = -1;

	weft_objects_lock(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	{
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			TAILQ_FOREACH(vport, &device->vports, entry)
			{
				if (!is_vport(vport, name, best, &nearest))
					continue;
				*id = vport->id;
				result = 0;
			}
		}
	}
	if (result < 0)
		no_such(error, "port", name, &nearest);
	weft_objects_unlock(weft);
	return result;
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int
bad_value(struct weft_error *error, const struct filter_word *word, const char *value,
	const char *wanted)
{
	return error_set(error, EINVAL, "filter: %s=%s: %s is expected", word->name, value, wanted);
}

static int
parse_value(struct filter_term *term, const struct filter_word *word, const char *value,
	struct weft *weft, struct weft_error *error)
{
	switch (word->kind) {
	case FILTER_NETWORK:
		return weft != NULL ? find_network(weft, value, &term->number, error) : 0;
	case FILTER_VPORT:
		return weft != NULL ? find_vport(weft, value, &term->number, error) : 0;
	case FILTER_MAC:
		if (parse_mac(value, term->bytes) == 0)
			return 0;
		return bad_value(error, word, value, "a MAC address like 02:00:00:00:00:01");
	case FILTER_ADDRESS:
		if (parse_prefix(value, term) == 0)
			return 0;
		return bad_value(
			error, word, value, "an address or prefix like 10.0.0.1 or fd00::/64");
	case FILTER_PROTOCOL:
		if (parse_protocol(value, term) == 0)
			return 0;
		return bad_value(error, word, value, "tcp, udp, icmp, icmp6, arp or 0 to 255");
	case FILTER_PORT:
		term->bytes[0] = word->protocol;
		if (parse_number(value, UINT16_MAX, &term->number) == 0)
			return 0;
		return bad_value(error, word, value, "a number from 0 to 65535");
	case FILTER_VLAN:
		if (parse_number(value, WEFT_VLAN_MAX, &term->number) == 0)
			return 0;
		return bad_value(error, word, value, "0 (no tag) or a VLAN from 1 to 4094");
	default:
		if (parse_number(value, UINT16_MAX, &term->number) == 0)
			return 0;
		return bad_value(error, word, value, "a number like 0x88cc");
	}
}

static int
parse_word(struct filter *filter, char *text, struct weft *weft, struct weft_error *error)
{
	struct filter_term *term = &filter->terms[filter->count];
	struct nearest nearest = { .wanted = text };
	char *value = strchr(text, '=');

	if (filter->count == FILTER_TERM_LIMIT)
		return error_set(
			error, E2BIG, "filter: at most %u words are taken", FILTER_TERM_LIMIT);
	if (value != NULL)
		*value++ = '\0';
	for (size_t i = 0; i < RTE_DIM(words); i++) {
		nearest_offer(&nearest, words[i].name);
		if (strcmp(words[i].name, text) != 0)
			continue;
		if (value == NULL || *value == '\0')
			return error_set(
				error, EINVAL, "filter: %s needs a value, as %s=…", text, text);
		*term = (struct filter_term){ .kind = words[i].kind, .ends = words[i].ends };
		filter->count++;
		return parse_value(term, &words[i], value, weft, error);
	}
	if (nearest.best != NULL)
		return error_set(error, EINVAL, "filter: '%s' is not known; did you mean '%s='?",
			text, nearest.best);
	return error_set(error, EINVAL,
		"filter: '%s' is not known; words are network= port= mac= src-mac= dst-mac= ip= "
		"src= dst= proto= tcp-port= udp-port= sport= dport= vlan= ethertype=",
		text);
}

int
filter_parse(struct filter *filter, const char *text, struct weft *weft, struct weft_error *error)
{
	char *copy = strdup(text != NULL ? text : ""), *rest = copy, *word;
	int result = 0;

	*filter = (struct filter){ 0 };
	if (copy == NULL)
		return error_memory(error);
	while (result == 0 && (word = strsep(&rest, " \t\r\n")) != NULL)
		if (*word != '\0')
			result = parse_word(filter, word, weft, error);
	free(copy);
	return result;
}

/* ---- matching -------------------------------------------------------------------------------- */

static bool
in_prefix(const struct filter_term *term, const uint8_t *address)
{
	unsigned whole = term->length / 8, rest = term->length % 8;

	if (memcmp(address, term->bytes, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ term->bytes[whole]) >> (8 - rest) == 0;
}

/* source and destination are `length` bytes each, in the packet at these offsets. */
static bool
match_addresses(const struct filter_term *term, const struct rte_mbuf *packet, unsigned source,
	unsigned destination, unsigned length)
{
	uint8_t copy[16];
	const uint8_t *at;

	if ((term->ends & FILTER_SOURCE) &&
		(at = rte_pktmbuf_read(packet, source, length, copy)) != NULL &&
		in_prefix(term, at))
		return true;
	return (term->ends & FILTER_DESTINATION) &&
	       (at = rte_pktmbuf_read(packet, destination, length, copy)) != NULL &&
	       in_prefix(term, at);
}

static bool
match_address(const struct filter_term *term, const struct rte_mbuf *packet,
	const struct packet_layout *layout)
{
	unsigned l3 = layout->l3;

	if (layout->ethertype == RTE_ETHER_TYPE_ARP && term->family == 4)
		return match_addresses(term, packet,
			l3 + offsetof(struct rte_arp_hdr, arp_data) + 6,
			l3 + offsetof(struct rte_arp_hdr, arp_data) + 16, 4);
	if (layout->l3_length == 0)
		return false;
	if (layout->ethertype == RTE_ETHER_TYPE_IPV4 && term->family == 4)
		return match_addresses(term, packet, l3 + offsetof(struct rte_ipv4_hdr, src_addr),
			l3 + offsetof(struct rte_ipv4_hdr, dst_addr), 4);
	if (layout->ethertype == RTE_ETHER_TYPE_IPV6 && term->family == 6)
		return match_addresses(term, packet, l3 + offsetof(struct rte_ipv6_hdr, src_addr),
			l3 + offsetof(struct rte_ipv6_hdr, dst_addr), 16);
	return false;
}

static bool
match_port(const struct filter_term *term, const struct rte_mbuf *packet,
	const struct packet_layout *layout)
{
	uint8_t protocol = layout->protocol, copy[4];
	const uint8_t *ports;

	if (layout->l4 == PACKET_OFFSET_NONE ||
		(protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) ||
		(term->bytes[0] != 0 && term->bytes[0] != protocol))
		return false;
	ports = rte_pktmbuf_read(packet, layout->l4, sizeof(copy), copy);
	return ((term->ends & FILTER_SOURCE) && parse_u16(ports) == term->number) ||
	       ((term->ends & FILTER_DESTINATION) && parse_u16(ports + 2) == term->number);
}

static bool
match_mac(const struct filter_term *term, const struct rte_mbuf *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod(packet, const uint8_t *);

	if (rte_pktmbuf_data_len(packet) < RTE_ETHER_HDR_LEN)
		return false;
	return ((term->ends & FILTER_DESTINATION) &&
		       memcmp(frame, term->bytes, RTE_ETHER_ADDR_LEN) == 0) ||
	       ((term->ends & FILTER_SOURCE) &&
		       memcmp(frame + RTE_ETHER_ADDR_LEN, term->bytes, RTE_ETHER_ADDR_LEN) == 0);
}

static bool
match_vlan(const struct filter_term *term, const struct rte_mbuf *packet)
{
	struct ether_view view;

	if (parse_ether(packet, &view) != PARSE_OK)
		return false;
	return term->number == (view.n_tags > 0 ? view.tci & 0x0fffu : 0);
}

static bool
match_term(const struct filter_term *term, const struct rte_mbuf *packet,
	const struct packet_layout *layout, const struct vport *vport)
{
	switch (term->kind) {
	case FILTER_NETWORK:
		return vport->object->device->network->id == term->number;
	case FILTER_VPORT:
		return vport->id == term->number;
	case FILTER_MAC:
		return match_mac(term, packet);
	case FILTER_ADDRESS:
		return match_address(term, packet, layout);
	case FILTER_PROTOCOL:
		return layout->l3_length > 0 && layout->protocol == term->number;
	case FILTER_PORT:
		return match_port(term, packet, layout);
	case FILTER_VLAN:
		return match_vlan(term, packet);
	default:
		return layout->ethertype == term->number;
	}
}

bool
filter_matches(
	const struct filter *filter, const struct rte_mbuf *packet, const struct vport *vport)
{
	struct packet_layout layout;

	if (filter->count == 0)
		return true;
	packet_layout(packet, &layout); /* of a malformed frame: nothing is known */
	for (unsigned i = 0; i < filter->count; i++)
		if (!match_term(&filter->terms[i], packet, &layout, vport))
			return false;
	return true;
}
