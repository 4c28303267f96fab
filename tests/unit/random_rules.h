/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random rules of every kind, and packets of which half come from their corners. Few addresses,
 * ports and so on, so that rules lie on one another. Everything is static.
 */
#ifndef WEFT_TESTS_RANDOM_RULES_H
#define WEFT_TESTS_RANDOM_RULES_H

#include "firewall/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MOST 20
#define SETS 6
#define PORT_SETS 4

static uint64_t random_state = 1;

static inline uint64_t
random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1du >> 16;
}

static inline unsigned
random_below(unsigned limit)
{
	return (unsigned)(random_word() % limit);
}

static inline bool
one_in(unsigned n)
{
	return random_below(n) == 0;
}

/* What a random rule points to. */
struct random_rule {
	struct weft_rule match;
	char name[32];
	const char *from[2], *to[2];
	struct weft_prefix from_ip[LIST_MOST], to_ip[LIST_MOST];
	struct weft_port_range from_port[LIST_MOST], to_port[LIST_MOST];
	struct weft_icmp_type icmp[LIST_MOST];
};

static const char *const port_names[] = { "in", "out", "third" };
static const char *const set_names[SETS] = { "s0", "s1", "s2", "s3", "s4", "s5" };

static const char *const port_set_names[PORT_SETS] = { "p0", "p1", "p2", "p3" };

static inline void
random_address(uint8_t family, uint8_t address[16])
{
	unsigned bytes = family == 4 ? 4 : 16;

	memset(address, 0, 16);
	address[0] = family == 4 ? 10 : 0x20;
	/* few values, at a few places */
	for (unsigned i = 1; i < bytes; i++)
		if (bytes == 4 || i % 3 == 1 || i == 15)
			address[i] = (uint8_t)(one_in(8) ? random_below(256) : random_below(3));
	if (one_in(32))
		for (unsigned i = 0; i < bytes; i++)
			address[i] = (uint8_t)random_word();
}

static inline struct weft_prefix
random_prefix(void)
{
	static const uint8_t four[] = { 0, 7, 8, 15, 16, 17, 23, 24, 28, 31, 32, 32, 32 };
	static const uint8_t six[] = { 0, 3, 16, 32, 47, 48, 63, 64, 65, 96, 127, 128, 128 };
	struct weft_prefix prefix = { .family = one_in(3) ? 6 : 4 };
	unsigned i = random_below(sizeof(four));

	prefix.length = prefix.family == 4 ? four[i] : six[i];
	random_address(prefix.family, prefix.address);
	return prefix;
}

static inline unsigned
random_prefixes(struct weft_prefix list[LIST_MOST])
{
	unsigned n = one_in(6) ? random_below(LIST_MOST + 1) : random_below(4);

	for (unsigned i = 0; i < n; i++)
		list[i] = random_prefix();
	return n;
}

static inline uint16_t
random_port(void)
{
	static const uint16_t ports[] = { 0, 1, 7, 8, 53, 80, 443, 1023, 1024, 8000, 32767, 32768,
		60000, 65535 };

	return one_in(8) ? (uint16_t)random_word() : ports[random_below(14)];
}

static inline unsigned
random_ranges(struct weft_port_range list[LIST_MOST])
{
	unsigned n = one_in(8) ? random_below(LIST_MOST + 1) : random_below(3);

	for (unsigned i = 0; i < n; i++) {
		uint16_t a = random_port(), b = one_in(2) ? a : random_port();

		list[i] = (struct weft_port_range){ a < b ? a : b, a < b ? b : a };
	}
	return n;
}

/* Now and then an empty one, or one of many ranges. */
static inline struct port_set *
random_port_set(void)
{
	struct weft_port_range ranges[4 * LIST_MOST];
	unsigned n = 0;

	for (unsigned i = one_in(4) ? 4 : 1; i > 0; i--)
		n += random_ranges(&ranges[n]);
	return port_set_create(ranges, n);
}

static inline unsigned
random_links(const char *list[2])
{
	unsigned n = one_in(3) ? 1 + random_below(2) : 0;

	for (unsigned i = 0; i < n; i++)
		list[i] = port_names[random_below(3)];
	return n;
}

static inline uint8_t
random_protocol(void)
{
	static const uint8_t protocols[] = { 6, 6, 17, 17, 1, 58, 47, 132, 0 };

	return protocols[random_below(sizeof(protocols))];
}

static inline void
random_mac(uint8_t mac[6])
{
	memset(mac, 0, 6);
	mac[0] = 2;
	mac[5] = (uint8_t)random_below(4);
}

static inline void
random_mask(uint8_t mask[6])
{
	static const uint8_t masks[][6] = { { 255, 255, 255, 255, 255, 255 }, { 255, 255, 255 },
		{ 0, 0, 0, 0, 0, 1 }, { 255, 255, 255, 255, 255, 254 }, { 0 } };

	memcpy(mask, masks[random_below(5)], 6);
}

static inline void
random_single_fields(struct weft_rule *match)
{
	static const uint16_t ethertypes[] = { 0x0800, 0x86dd, 0x0806, 0x88cc };
	uint16_t looks = 0;

	if (one_in(2))
		looks |= WEFT_RULE_PROTOCOL;
	for (unsigned bit = 0; bit < 9; bit++)
		if (one_in(14))
			looks |= (uint16_t)(1u << bit);
	match->fields = looks;
	match->ethertype = ethertypes[random_below(4)];
	match->protocol = random_protocol();
	match->tcp_flags = (uint8_t)(2 << random_below(4));
	match->tcp_flags_mask = (uint8_t)(match->tcp_flags | random_below(32));
	match->dscp = (uint8_t)random_below(3);
	match->vlan = (uint16_t)random_below(3);
	random_mac(match->from_mac);
	random_mac(match->to_mac);
	random_mask(match->from_mac_mask);
	random_mask(match->to_mac_mask);
	match->states = (uint8_t)(one_in(3) ? random_below(8) : 0);
}

static inline void
random_rule(struct random_rule *rule, unsigned name)
{
	struct weft_rule *match = &rule->match;

	memset(rule, 0, sizeof(*rule));
	snprintf(rule->name, sizeof(rule->name), "rule%u", name);
	match->name = rule->name;
	match->action = random_below(3);
	match->from = rule->from;
	match->to = rule->to;
	match->n_from = random_links(rule->from);
	match->n_to = random_links(rule->to);
	match->family = (uint8_t)(one_in(6) ? 4 + 2 * random_below(2) : 0);
	match->from_ip = rule->from_ip;
	match->to_ip = rule->to_ip;
	if (!one_in(3))
		match->n_from_ip = random_prefixes(rule->from_ip);
	if (!one_in(3))
		match->n_to_ip = random_prefixes(rule->to_ip);
	if (one_in(4))
		match->from_set = set_names[random_below(SETS)];
	if (one_in(4))
		match->to_set = set_names[random_below(SETS)];
	match->from_port = rule->from_port;
	match->to_port = rule->to_port;
	match->icmp = rule->icmp;
	if (one_in(4))
		match->n_from_port = random_ranges(rule->from_port);
	if (one_in(2))
		match->n_to_port = random_ranges(rule->to_port);
	if (one_in(6))
		match->from_port_set = port_set_names[random_below(PORT_SETS)];
	if (one_in(4))
		match->to_port_set = port_set_names[random_below(PORT_SETS)];
	if (one_in(8)) {
		match->n_icmp = 1 + random_below(one_in(4) ? LIST_MOST : 2);
		for (unsigned i = 0; i < match->n_icmp; i++)
			rule->icmp[i] = (struct weft_icmp_type){ (uint8_t)random_below(4),
				(int16_t)((int)random_below(4) - 1) };
	}
	random_single_fields(match);
}

/* ---- packets ----------------------------------------------------------------------------------
 */

/* What fields_read() keeps to: what there is none of is zero. */
static inline void
make_consistent(struct fields *fields)
{
	if (fields->family == 0) {
		fields->protocol = fields->dscp = 0;
		fields->fragment = false;
		fields->has_ports = false;
		memset(fields->from_ip, 0, 16);
		memset(fields->to_ip, 0, 16);
		if (fields->ethertype == 0x0800 || fields->ethertype == 0x86dd)
			fields->ethertype = 0x0806;
	} else {
		fields->ethertype = fields->family == 4 ? 0x0800 : 0x86dd;
		fields->has_ports = fields->has_ports &&
				    (fields->protocol == 6 || fields->protocol == 17 ||
					    fields->protocol == 132 || fields_is_icmp(fields));
	}
	if (!fields->has_ports)
		fields->from_port = fields->to_port = 0;
	if (!fields->has_ports || fields->protocol != 6)
		fields->tcp_flags = 0;
}

static inline void
random_packet(struct fields *fields)
{
	static const uint16_t ethertypes[] = { 0x0806, 0x88cc };

	memset(fields, 0, sizeof(*fields));
	fields->family = (uint8_t)(one_in(8) ? 0 : one_in(3) ? 6 : 4);
	fields->protocol = random_protocol();
	fields->dscp = (uint8_t)random_below(3);
	fields->tcp_flags = (uint8_t)random_below(32);
	fields->ethertype = ethertypes[random_below(2)];
	fields->vlan = (uint16_t)random_below(3);
	fields->from_port = random_port();
	fields->to_port = random_port();
	if (one_in(2)) {
		fields->from_port = (uint16_t)random_below(4);
		fields->to_port = (uint16_t)random_below(4);
	}
	fields->from = (uint8_t)random_below(3);
	fields->to = (uint8_t)random_below(3);
	fields->has_ports = !one_in(8);
	fields->fragment = one_in(8);
	random_mac(fields->from_mac);
	random_mac(fields->to_mac);
	random_address(fields->family, fields->from_ip);
	random_address(fields->family, fields->to_ip);
	make_consistent(fields);
}

/* The first or last address of the prefix, or one just outside. */
static inline void
corner_of_prefix(const struct weft_prefix *prefix, uint8_t address[16])
{
	unsigned bits = prefix->family == 4 ? 32 : 128;
	bool ones = one_in(2);

	memcpy(address, prefix->address, 16);
	for (unsigned i = prefix->length; i < bits; i++) {
		address[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
		if (ones)
			address[i / 8] |= (uint8_t)(0x80 >> i % 8);
	}
	if (prefix->length > 0 && one_in(6))
		address[(prefix->length - 1) / 8] ^= (uint8_t)(0x80 >> (prefix->length - 1) % 8);
}

static inline uint16_t
corner_of_range(const struct weft_port_range *range)
{
	return (uint16_t)((one_in(2) ? range->first : range->last) +
			  (one_in(6) ? (one_in(2) ? 1 : -1) : 0));
}

static inline void
corner_of_lists(const struct weft_rule *match, struct fields *fields)
{
	const struct weft_prefix *prefix;

	if (match->n_from_ip > 0) {
		prefix = &match->from_ip[random_below(match->n_from_ip)];
		fields->family = prefix->family;
		corner_of_prefix(prefix, fields->from_ip);
	}
	if (match->n_to_ip > 0) {
		prefix = &match->to_ip[random_below(match->n_to_ip)];
		if (match->n_from_ip == 0 || prefix->family == fields->family) {
			if (match->n_from_ip == 0 && prefix->family != fields->family)
				random_address(prefix->family, fields->from_ip);
			fields->family = prefix->family;
			corner_of_prefix(prefix, fields->to_ip);
		}
	}
	if (match->n_from_port > 0)
		fields->from_port =
			corner_of_range(&match->from_port[random_below(match->n_from_port)]);
	if (match->n_to_port > 0)
		fields->to_port = corner_of_range(&match->to_port[random_below(match->n_to_port)]);
	if (match->n_icmp > 0) {
		const struct weft_icmp_type *icmp = &match->icmp[random_below(match->n_icmp)];

		fields->protocol = fields->family == 6 ? 58 : 1;
		fields->from_port = icmp->type;
		fields->to_port = icmp->code < 0 ? 0 : (uint16_t)icmp->code;
	}
}

static inline void
corner_of_port_set(const struct port_set *set, uint16_t *port)
{
	if (set != NULL && set->count > 0 && one_in(2))
		*port = corner_of_range(&set->ranges[random_below(set->count)]);
}

/* A packet that the rule matches, or nearly. */
static inline void
corner_packet(const struct rule *rule, struct fields *fields)
{
	const struct weft_rule *match = &rule->match;

	random_packet(fields);
	if (match->family != 0)
		fields->family = match->family;
	corner_of_lists(match, fields);
	corner_of_port_set(rule->from_port_set, &fields->from_port);
	corner_of_port_set(rule->to_port_set, &fields->to_port);
	if (fields->family == 4) {
		memset(fields->from_ip + 4, 0, 12);
		memset(fields->to_ip + 4, 0, 12);
	}
	fields->has_ports = true;
	if ((match->fields & WEFT_RULE_PROTOCOL) && !one_in(8))
		fields->protocol = match->protocol;
	if (match->fields & WEFT_RULE_TCP_FLAGS)
		fields->tcp_flags = match->tcp_flags;
	if (match->fields & WEFT_RULE_ETHERTYPE)
		fields->ethertype = match->ethertype;
	if (match->fields & WEFT_RULE_VLAN)
		fields->vlan = match->vlan;
	if (match->fields & WEFT_RULE_DSCP)
		fields->dscp = match->dscp;
	if (match->fields & WEFT_RULE_FROM_MAC)
		memcpy(fields->from_mac, match->from_mac, 6);
	if (match->fields & WEFT_RULE_TO_MAC)
		memcpy(fields->to_mac, match->to_mac, 6);
	if (match->fields & WEFT_RULE_FRAGMENT)
		fields->fragment = true;
	if (rule->from != ~0ull)
		fields->from = (uint8_t)__builtin_ctzll(rule->from | 4);
	if (rule->to != ~0ull)
		fields->to = (uint8_t)__builtin_ctzll(rule->to | 4);
	make_consistent(fields);
}

#endif
