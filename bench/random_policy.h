/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random rule sets that are built as those of ClassBench are (Taylor and Turner, 2007): access
 * lists, firewalls, IP chains; IPv4. Addresses lie together in networks, ports are those of known
 * services, some ranges, or any. And packets for them: one in ten anything, the others of some
 * rule. The same ones in each run.
 */
#ifndef WEFT_BENCH_RANDOM_POLICY_H
#define WEFT_BENCH_RANDOM_POLICY_H

#include "firewall/rule.h"
#include "random_routes.h"

#include <stdio.h>

/* Per cent. What is missing to a hundred is of the kind that is named last. */
struct policy_kind {
	const char *name;
	unsigned from_any, from_host, from_net; /* /24 to /31; shorter */
	unsigned to_any, to_host, to_net;
	unsigned from_port_any, from_port_high; /* 1024-65535; a single one */
	unsigned to_port_any, to_port_single;   /* a range */
	unsigned tcp, udp;                      /* no protocol */
	unsigned networks;                      /* rules to a network that addresses lie in */
};

static const struct policy_kind policy_kinds[] = {
	{ "access list", 10, 20, 45, 2, 60, 33, 99, 1, 25, 60, 75, 15, 20 },
	{ "firewall", 35, 30, 25, 25, 45, 25, 75, 15, 40, 35, 60, 25, 30 },
	{ "chain", 12, 40, 38, 10, 50, 35, 80, 10, 35, 45, 60, 20, 25 },
};

struct policy_rule {
	struct weft_rule match;
	char name[16];
	struct weft_prefix from_ip, to_ip;
	struct weft_port_range from_port, to_port;
};

static inline void
put_word(uint8_t address[16], uint32_t word)
{
	for (unsigned i = 0; i < 4; i++)
		address[i] = (uint8_t)(word >> (24 - 8 * i));
}

static inline uint32_t
get_word(const uint8_t address[16])
{
	return (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 |
	       address[3];
}

/* An address in one of the policy's networks, /16 to /22 of them. */
static inline uint32_t
policy_address(unsigned networks)
{
	uint32_t network = random_below(networks) * 0x9e3779b1u;

	return (network & 0xfffff000u) + random_below(4096);
}

/* False: any. */
static inline bool
policy_prefix(
	struct weft_prefix *prefix, unsigned any, unsigned host, unsigned net, unsigned networks)
{
	unsigned choice = random_below(100);
	uint32_t mask;

	if (choice < any)
		return false;
	*prefix = (struct weft_prefix){ .family = 4 };
	if (choice < any + host)
		prefix->length = 32;
	else if (choice < any + host + net)
		prefix->length = (uint8_t)(24 + random_below(8));
	else
		prefix->length = (uint8_t)(8 + random_below(16));
	mask = ~0u << (32 - prefix->length);
	put_word(prefix->address, policy_address(networks) & mask);
	return true;
}

static inline uint16_t
policy_service(void)
{
	static const uint16_t services[] = { 80, 443, 53, 22, 25, 123, 21, 23, 110, 143, 161, 389,
		445, 993, 1433, 1521, 3306, 3389, 5060, 8080 };
	unsigned most = sizeof(services) / sizeof(services[0]);

	if (random_below(4) == 0)
		return (uint16_t)random_below(65536);
	return services[random_below(1 + random_below(most))];
}

static inline void
policy_ports(struct policy_rule *rule, const struct policy_kind *kind)
{
	struct weft_rule *match = &rule->match;
	unsigned choice = random_below(100);
	uint16_t port = policy_service();

	match->from_port = &rule->from_port;
	match->to_port = &rule->to_port;
	if (choice >= kind->from_port_any) {
		bool high = choice < kind->from_port_any + kind->from_port_high;

		match->n_from_port = 1;
		rule->from_port = high ? (struct weft_port_range){ 1024, 65535 }
				       : (struct weft_port_range){ port, port };
	}
	choice = random_below(100);
	if (choice < kind->to_port_any)
		return;
	port = policy_service();
	match->n_to_port = 1;
	rule->to_port = (struct weft_port_range){ port, port };
	if (choice < kind->to_port_any + kind->to_port_single)
		return;
	if (random_below(3) == 0)
		rule->to_port = (struct weft_port_range){ 1024, 65535 };
	else if (port < 65000)
		rule->to_port.last = (uint16_t)(port + random_below(500));
}

static inline void
policy_make_rule(
	struct policy_rule *rule, const struct policy_kind *kind, unsigned number, unsigned count)
{
	unsigned networks = 1 + count / kind->networks, choice = random_below(100);
	struct weft_rule *match = &rule->match;

	memset(rule, 0, sizeof(*rule));
	snprintf(rule->name, sizeof(rule->name), "r%u", number);
	match->name = rule->name;
	match->action = random_below(2) ? WEFT_RULE_ACCEPT : WEFT_RULE_DROP;
	match->from_ip = &rule->from_ip;
	match->to_ip = &rule->to_ip;
	do {
		match->n_from_ip = policy_prefix(
			&rule->from_ip, kind->from_any, kind->from_host, kind->from_net, networks);
		match->n_to_ip = policy_prefix(
			&rule->to_ip, kind->to_any, kind->to_host, kind->to_net, networks);
	} while (match->n_from_ip + match->n_to_ip == 0);
	if (choice >= kind->tcp + kind->udp)
		return;
	match->fields = WEFT_RULE_PROTOCOL;
	match->protocol = choice < kind->tcp ? 6 : 17;
	policy_ports(rule, kind);
}

static inline void
policy_fill_address(uint8_t address[16], bool any, const struct weft_prefix *prefix)
{
	uint32_t mask = any || prefix->length == 0 ? 0 : ~0u << (32 - prefix->length);

	put_word(
		address, (any ? 0 : get_word(prefix->address)) | ((uint32_t)random_word() & ~mask));
}

/* A packet of the rule; rule NULL: anything. */
static inline void
policy_make_packet(struct fields *fields, const struct policy_rule *rule)
{
	const struct weft_rule *match = rule != NULL ? &rule->match : NULL;

	memset(fields, 0, sizeof(*fields));
	fields->family = 4;
	fields->ethertype = 0x0800;
	fields->has_ports = true;
	fields->tcp_flags = 2;
	fields->from_port = (uint16_t)(32768 + random_below(28000));
	fields->to_port = policy_service();
	fields->protocol = random_below(3) == 0 ? 17 : 6;
	policy_fill_address(fields->from_ip, rule == NULL || match->n_from_ip == 0,
		rule != NULL ? &rule->from_ip : NULL);
	policy_fill_address(fields->to_ip, rule == NULL || match->n_to_ip == 0,
		rule != NULL ? &rule->to_ip : NULL);
	if (rule == NULL)
		return;
	if (match->fields & WEFT_RULE_PROTOCOL)
		fields->protocol = match->protocol;
	if (match->n_from_port > 0)
		fields->from_port = rule->from_port.first;
	if (match->n_to_port > 0)
		fields->to_port =
			(uint16_t)(rule->to_port.first +
				   random_below(rule->to_port.last - rule->to_port.first + 1u));
}

#endif
