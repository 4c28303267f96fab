/* SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- as weft has them -------------------------------------------------------------------------
 */

static struct weft_prefix
random_prefix(uint8_t family)
{
	static const uint8_t lengths4[] = { 16, 24, 30, 31, 32, 32, 32 };
	static const uint8_t lengths6[] = { 48, 64, 126, 127, 128, 128, 128 };
	struct weft_prefix prefix = { .family = family };
	uint8_t host = (uint8_t)(1 + chance(HOSTS)), side = (uint8_t)chance(2);
	unsigned last = family == 4 ? 3 : 15;

	if (family == 4) {
		memcpy(prefix.address, (uint8_t[]){ 10, side, 0 }, 3);
		prefix.length = lengths4[chance(sizeof(lengths4))];
	} else {
		memcpy(prefix.address, (uint8_t[]){ 0x20, 1, 0x0d, 0xb8, 0, side }, 6);
		prefix.length = lengths6[chance(sizeof(lengths6))];
	}
	if (prefix.length > last * 8)
		prefix.address[last] = host & (uint8_t)(0xff << (last * 8 + 8 - prefix.length));
	return prefix;
}

static bool
covers(const struct weft_prefix *prefix, const struct weft_prefix *other)
{
	if (prefix->family != other->family || prefix->length > other->length)
		return false;
	for (unsigned bit = 0; bit < prefix->length; bit++)
		if ((prefix->address[bit / 8] ^ other->address[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

/* nftables refuses lists of which one entry covers another. */
static unsigned
random_prefixes(struct weft_prefix *list, unsigned most, uint8_t family)
{
	unsigned count = 0;

	for (unsigned i = 1 + chance(most); i > 0; i--) {
		bool apart = true;

		list[count] = random_prefix(family != 0 ? family : one_in(2) ? 4 : 6);
		for (unsigned j = 0; j < count; j++)
			apart &= !covers(&list[j], &list[count]) && !covers(&list[count], &list[j]);
		count += apart;
	}
	return count;
}

/* In order and apart from each other, for the same reason. */
static unsigned
random_ports(struct weft_port_range list[RULE_LIST])
{
	static const uint16_t edges[] = { 0, 21, 22, 53, 80, 443, 1024, 2000, 8080, 40000, 65535 };
	unsigned count = 0;

	for (unsigned i = 0; i + 1 < sizeof(edges) / sizeof(edges[0]) && count < RULE_LIST; i++) {
		if (!one_in(5))
			continue;
		list[count].first = edges[i];
		list[count].last = one_in(2) ? edges[i] : edges[i + 1];
		i += list[count].last != edges[i];
		count++;
	}
	return count;
}

static unsigned
random_icmp(struct weft_icmp_type list[RULE_LIST], uint8_t protocol)
{
	static const uint8_t four[] = { 0, 3, 8, 8, 11 }, six[] = { 1, 2, 128, 128, 129 };
	unsigned count = 1 + chance(RULE_LIST);

	for (unsigned i = 0; i < count; i++) {
		list[i].type = protocol == IPPROTO_ICMP ? four[chance(5)] : six[chance(5)];
		list[i].code = one_in(3) ? (int16_t)chance(5) : -1;
	}
	return count;
}

static void
random_transport(struct reference_rule *rule)
{
	struct weft_rule *match = &rule->match;

	if (match->protocol == IPPROTO_TCP || match->protocol == IPPROTO_UDP) {
		match->n_to_port = one_in(2) ? random_ports(rule->to_port) : 0;
		match->n_from_port = one_in(8) ? random_ports(rule->from_port) : 0;
	}
	if (match->protocol == IPPROTO_ICMP || match->protocol == IPPROTO_ICMPV6) {
		match->family = match->protocol == IPPROTO_ICMP ? 4 : 6;
		match->n_icmp = one_in(2) ? random_icmp(rule->icmp, match->protocol) : 0;
	}
	if (match->protocol == IPPROTO_TCP && one_in(8)) {
		match->fields |= WEFT_RULE_TCP_FLAGS;
		match->tcp_flags_mask = (uint8_t)(1 + chance(63));
		match->tcp_flags = match->tcp_flags_mask & (uint8_t)chance(64);
	}
}

static void
random_addresses(struct reference_rule *rule)
{
	struct weft_rule *match = &rule->match;

	match->n_from_ip = one_in(4) ? random_prefixes(rule->from_ip, RULE_LIST, match->family) : 0;
	match->n_to_ip = one_in(4) ? random_prefixes(rule->to_ip, RULE_LIST, match->family) : 0;
	match->from_set = match->n_from_ip == 0 && one_in(8) ? SET_NAME : NULL;
	match->to_set = match->n_to_ip == 0 && one_in(8) ? SET_NAME : NULL;
}

static void
random_rule(struct reference_rule *rule, unsigned number)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP,
		IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_GRE, IPPROTO_ESP };
	struct weft_rule *match = &rule->match;

	*rule = (struct reference_rule){ .from = one_in(2) ? "in" : "out" };
	snprintf(rule->name, sizeof(rule->name), "r%u", number);
	match->name = rule->name;
	match->action = one_in(2) ? WEFT_RULE_ACCEPT : chance(3);
	match->from = &rule->from;
	match->n_from = one_in(2);
	match->family = one_in(4) ? (one_in(2) ? 4 : 6) : 0;
	match->from_ip = rule->from_ip;
	match->to_ip = rule->to_ip;
	match->from_port = rule->from_port;
	match->to_port = rule->to_port;
	match->icmp = rule->icmp;
	if (!one_in(4)) {
		match->fields = WEFT_RULE_PROTOCOL;
		match->protocol = protocols[chance(sizeof(protocols))];
		random_transport(rule);
	}
	random_addresses(rule);
	if (one_in(8)) {
		match->fields |= WEFT_RULE_DSCP;
		match->dscp = one_in(2) ? 0 : 46;
	}
	if (one_in(5))
		match->states = (uint8_t)(1 + chance(7));
}

void
random_rules(struct reference_rules *rules)
{
	*rules = (struct reference_rules){ .otherwise = chance(3) };
	rules->count = 1 + chance(RULES_MOST);
	for (unsigned i = 0; i < rules->count; i++)
		random_rule(&rules->rules[i], i);
	rules->members = random_prefixes(rules->set, SET_MEMBERS, 0);
}

/* ---- as nftables has them ---------------------------------------------------------------------
 */

static void
print_prefixes(FILE *to, const struct weft_prefix *list, unsigned count, uint8_t family)
{
	const char *comma = "";
	char text[64];

	for (unsigned i = 0; i < count; i++) {
		if (list[i].family != family)
			continue;
		inet_ntop(family == 4 ? AF_INET : AF_INET6, list[i].address, text, sizeof(text));
		fprintf(to, "%s%s/%u", comma, text, list[i].length);
		comma = ", ";
	}
}

static bool
has_family(const struct weft_prefix *list, unsigned count, uint8_t family)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i].family == family)
			return true;
	return false;
}

/* False: nothing of the family can match. */
static bool
print_addresses(FILE *to, const struct weft_prefix *list, unsigned count, const char *set,
	uint8_t family, const char *what)
{
	const char *ip = family == 4 ? "ip" : "ip6";

	if (set != NULL) {
		fprintf(to, "%s %s @" SET_NAME "%u ", ip, what, family);
		return true;
	}
	if (count == 0)
		return true;
	if (!has_family(list, count, family))
		return false;
	fprintf(to, "%s %s { ", ip, what);
	print_prefixes(to, list, count, family);
	fprintf(to, " } ");
	return true;
}

static void
print_ports(FILE *to, const struct weft_port_range *list, unsigned count, const char *what)
{
	if (count == 0)
		return;
	fprintf(to, "th %s { ", what);
	for (unsigned i = 0; i < count; i++)
		fprintf(to, "%s%u-%u", i > 0 ? ", " : "", list[i].first, list[i].last);
	fprintf(to, " } ");
}

static void
print_verdict(FILE *to, enum weft_rule_action action, bool begins)
{
	if (action == WEFT_RULE_ACCEPT)
		fprintf(to, "%saccept\n", begins ? "ct mark set 1 " : "");
	else
		fprintf(to, action == WEFT_RULE_DROP ? "drop\n" : "goto refuse\n");
}

/* All but the states and the verdict; false: nothing of the family can match. */
static bool
print_match(FILE *to, const struct weft_rule *match, uint8_t family)
{
	if (match->family != 0 && match->family != family)
		return false;
	fprintf(to, "meta nfproto ipv%u ", family);
	if (match->n_from > 0)
		fprintf(to, "iifname \"%s\" ", match->from[0]);
	if (match->fields & WEFT_RULE_PROTOCOL)
		fprintf(to, "meta l4proto %u ", match->protocol);
	if (!print_addresses(
		    to, match->from_ip, match->n_from_ip, match->from_set, family, "saddr") ||
		!print_addresses(to, match->to_ip, match->n_to_ip, match->to_set, family, "daddr"))
		return false;
	print_ports(to, match->from_port, match->n_from_port, "sport");
	print_ports(to, match->to_port, match->n_to_port, "dport");
	if (match->fields & WEFT_RULE_TCP_FLAGS)
		fprintf(to, "tcp flags & 0x%x == 0x%x ", match->tcp_flags_mask, match->tcp_flags);
	if (match->fields & WEFT_RULE_DSCP)
		fprintf(to, "%s dscp %u ", family == 4 ? "ip" : "ip6", match->dscp);
	return true;
}

static void
print_line(FILE *to, const struct weft_rule *match, uint8_t family, const char *state,
	const struct weft_icmp_type *icmp)
{
	const char *word = family == 4 ? "icmp" : "icmpv6";
	char *text = NULL;
	size_t size;
	FILE *line = open_memstream(&text, &size);
	bool can_match;

	if (line == NULL)
		give_up("no memory");
	fprintf(line, "ct state %s ", state);
	can_match = print_match(line, match, family);
	if (icmp != NULL)
		fprintf(line, "%s type %u ", word, icmp->type);
	if (icmp != NULL && icmp->code >= 0)
		fprintf(line, "%s code %d ", word, icmp->code);
	print_verdict(line, match->action, strcmp(state, "new") == 0);
	fclose(line);
	if (can_match)
		fputs(text, to);
	free(text);
}

static void
print_lines(FILE *to, const struct weft_rule *match, const char *state)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (unsigned i = 0; i < match->n_icmp; i++)
			print_line(to, match, family, state, &match->icmp[i]);
		if (match->n_icmp == 0)
			print_line(to, match, family, state, NULL);
	}
}

static void
print_rule(FILE *to, const struct weft_rule *match)
{
	uint8_t states = match->states != 0 ? match->states : WEFT_STATE_NEW;

	if (states & WEFT_STATE_NEW)
		print_lines(to, match, "new");
	if (states & WEFT_STATE_RELATED)
		print_lines(to, match, "related");
	if (states & WEFT_STATE_INVALID)
		print_lines(to, match, "invalid");
}

static void
print_set(FILE *to, const struct reference_rules *rules, uint8_t family)
{
	fprintf(to, "set " SET_NAME "%u { type ipv%u_addr; flags interval;", family, family);
	if (has_family(rules->set, rules->members, family)) {
		fprintf(to, " elements = { ");
		print_prefixes(to, rules->set, rules->members, family);
		fprintf(to, " }");
	}
	fprintf(to, "\n}\n");
}

/*
 * What begins a connection is marked, and all that follows of it accepted, as in weft: conntrack
 * calls UDP and pings new until they are answered, and would ask the rules again. A reset that
 * nftables itself sends is not to end the connection that it is about.
 */
char *
rules_for_nft(const struct reference_rules *rules)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL)
		give_up("no memory");
	fprintf(to, "table inet reference\ndelete table inet reference\ntable inet reference {\n");
	print_set(to, rules, 4);
	print_set(to, rules, 6);
	fprintf(to, "chain output {\ntype filter hook output priority raw; notrack\n}\n"
		    "chain refuse {\nmeta l4proto tcp reject with tcp reset\n"
		    "reject with icmpx type admin-prohibited\n}\n"
		    "chain forward {\ntype filter hook forward priority 0; policy drop;\n"
		    "ct mark 1 ct state { new, established } accept\n");
	for (unsigned i = 0; i < rules->count; i++)
		print_rule(to, &rules->rules[i].match);
	fprintf(to, "ct state related accept\nct state invalid drop\n");
	print_verdict(to, rules->otherwise, true);
	fprintf(to, "}\n}\n");
	fclose(to);
	return text;
}
