/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/firewall_config.h"

#include <rte_ether.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists -------------------------------------------------------------------------------------
 */

/* All of an entry's leaf-lists are read by this one way: how long they are, then one by one. */
struct reading {
	struct arena *arena;
	bool failed; /* out of memory */
};

static unsigned
count_of(const struct lyd_node *leaf)
{
	unsigned count = 0;

	for (; leaf != NULL; leaf = model_next(leaf))
		count++;
	return count;
}

static void *
room_for(struct reading *reading, const struct lyd_node *first, size_t size, unsigned *count)
{
	void *memory;

	*count = count_of(first);
	if (*count == 0)
		return NULL;
	memory = arena_take(reading->arena, *count * size);
	if (memory == NULL) {
		reading->failed = true;
		*count = 0;
	}
	return memory;
}

static const struct weft_prefix *
read_prefixes(
	struct reading *reading, const struct lyd_node *entry, const char *name, unsigned *count)
{
	const struct lyd_node *leaf = model_child(entry, name);
	struct weft_prefix *prefixes = room_for(reading, leaf, sizeof(*prefixes), count);

	for (unsigned i = 0; i < *count; i++, leaf = model_next(leaf))
		model_parse_match(model_value(leaf), &prefixes[i]);
	return prefixes;
}

static const struct weft_port_range *
read_ports(struct reading *reading, const struct lyd_node *entry, const char *name, unsigned *count)
{
	const struct lyd_node *leaf = model_child(entry, name);
	struct weft_port_range *ports = room_for(reading, leaf, sizeof(*ports), count);

	for (unsigned i = 0; i < *count; i++, leaf = model_next(leaf))
		model_parse_ports(model_value(leaf), &ports[i]);
	return ports;
}

static const char *const *
read_names(struct reading *reading, const struct lyd_node *entry, const char *name, unsigned *count)
{
	const struct lyd_node *leaf = model_child(entry, name);
	const char **names = room_for(reading, leaf, sizeof(*names), count);

	for (unsigned i = 0; i < *count; i++, leaf = model_next(leaf))
		names[i] = model_value(leaf);
	return names;
}

/* ---- what is matched ---------------------------------------------------------------------------
 */

static void
read_subject(const char *text, struct weft_rule *rule)
{
	struct model_subject subject;

	if (text == NULL || model_parse_subject(text, &subject) < 0)
		return;
	rule->family = subject.family;
	if (subject.ip)
		rule->fields |= WEFT_RULE_IP;
	if (subject.arp) {
		rule->fields |= WEFT_RULE_ETHERTYPE;
		rule->ethertype = RTE_ETHER_TYPE_ARP;
	}
	if (subject.has_protocol) {
		rule->fields |= WEFT_RULE_PROTOCOL;
		rule->protocol = subject.protocol;
	}
}

static void
read_endpoints(struct reading *reading, const struct lyd_node *node, struct weft_rule *rule)
{
	rule->from = read_names(reading, node, "from", &rule->n_from);
	rule->from_ip = read_prefixes(reading, node, "from-ip", &rule->n_from_ip);
	rule->to_ip = read_prefixes(reading, node, "to-ip", &rule->n_to_ip);
	rule->from_set = model_text(node, "from-set");
	rule->to_set = model_text(node, "to-set");
	rule->from_port = read_ports(reading, node, "from-port", &rule->n_from_port);
	rule->to_port = read_ports(reading, node, "to-port", &rule->n_to_port);
	rule->from_port_set = model_text(node, "from-port-set");
	rule->to_port_set = model_text(node, "to-port-set");
}

static void
read_icmp(struct reading *reading, const struct lyd_node *node, struct weft_rule *rule)
{
	const struct lyd_node *leaf = model_child(node, "icmp-type");
	struct weft_icmp_type *types = room_for(reading, leaf, sizeof(*types), &rule->n_icmp);
	/* the rule has no family where its protocol is a number, and names are of one */
	unsigned family = model_icmp_family(rule->protocol);

	rule->icmp = types;
	for (unsigned i = 0; i < rule->n_icmp; i++, leaf = model_next(leaf))
		model_parse_icmp(model_value(leaf), family, &types[i]);
}

static void
read_flags(const struct lyd_node *node, struct weft_rule *rule)
{
	const struct lyd_node *leaf = model_child(node, "tcp-flags");

	if (leaf != NULL)
		rule->fields |= WEFT_RULE_TCP_FLAGS;
	for (; leaf != NULL; leaf = model_next(leaf)) {
		uint8_t bit;
		bool set;

		if (model_parse_tcp_flag(model_value(leaf), &bit, &set) < 0)
			continue;
		rule->tcp_flags_mask |= bit;
		if (set)
			rule->tcp_flags |= bit;
	}
}

static void
read_states(const struct lyd_node *node, struct weft_rule *rule)
{
	const struct lyd_node *leaf = model_child(node, "state");

	for (; leaf != NULL; leaf = model_next(leaf))
		rule->states |= strcmp(model_value(leaf), "new") == 0       ? WEFT_STATE_NEW
				: strcmp(model_value(leaf), "related") == 0 ? WEFT_STATE_RELATED
									    : WEFT_STATE_INVALID;
}

static void
read_single(const struct lyd_node *node, struct weft_rule *rule)
{
	const char *ethertype = model_text(node, "ethertype");
	const char *from = model_text(node, "from-mac"), *to = model_text(node, "to-mac");

	if (ethertype != NULL) {
		rule->fields |= WEFT_RULE_ETHERTYPE;
		rule->ethertype = (uint16_t)strtoul(ethertype, NULL, 16);
	}
	if (model_child(node, "dscp") != NULL) {
		rule->fields |= WEFT_RULE_DSCP;
		rule->dscp = (uint8_t)model_number(node, "dscp", 0);
	}
	if (model_child(node, "vlan") != NULL) {
		rule->fields |= WEFT_RULE_VLAN;
		rule->vlan = (uint16_t)model_number(node, "vlan", 0);
	}
	if (from != NULL && model_parse_mac_match(from, rule->from_mac, rule->from_mac_mask) == 0)
		rule->fields |= WEFT_RULE_FROM_MAC;
	if (to != NULL && model_parse_mac_match(to, rule->to_mac, rule->to_mac_mask) == 0)
		rule->fields |= WEFT_RULE_TO_MAC;
}

/* ---- limits -------------------------------------------------------------------------------------
 */

static uint32_t
seconds(const struct lyd_node *node, const char *name)
{
	return (uint32_t)((model_milliseconds(node, name, 0) + 999) / 1000);
}

static void
read_rate(const struct lyd_node *node, const char *name, const char *burst,
	struct weft_rule_rate *rate)
{
	const char *text = model_text(node, name);

	if (text == NULL || model_parse_rate(text, rate) < 0)
		return;
	rate->burst = (uint32_t)model_number(node, burst, 0);
}

static void
read_limit(struct reading *reading, const struct lyd_node *entry, struct weft_rule *rule)
{
	const struct lyd_node *node = model_child(entry, "limit");
	struct weft_rule_limit *limit;

	if (node == NULL || rule->action != WEFT_RULE_ACCEPT)
		return;
	limit = arena_take(reading->arena, sizeof(*limit));
	if (limit == NULL) {
		reading->failed = true;
		return;
	}
	*limit = (struct weft_rule_limit){
		.connections = (uint32_t)model_number(node, "connections", 0),
		.per_source = (uint32_t)model_number(node, "per-source", 0),
	};
	read_rate(node, "rate", "burst", &limit->rate);
	read_rate(node, "source-rate", "source-burst", &limit->source_rate);
	if (limit->connections + limit->per_source + limit->rate.count + limit->source_rate.count >
		0)
		rule->limit = limit;
}

/* ---- rules --------------------------------------------------------------------------------------
 */

static enum weft_rule_action
action_of(const char *text)
{
	if (strcmp(text, "accept") == 0)
		return WEFT_RULE_ACCEPT;
	return strcmp(text, "drop") == 0 ? WEFT_RULE_DROP : WEFT_RULE_REJECT;
}

static enum weft_helper
helper_of(const char *text)
{
	if (text == NULL)
		return WEFT_HELPER_NONE;
	return strcmp(text, "ftp") == 0 ? WEFT_HELPER_FTP : WEFT_HELPER_TFTP;
}

static void
read_rule(struct reading *reading, const struct lyd_node *node, struct weft_rule *rule)
{
	const char *action = "drop", *subject = model_rule_subject(node, &action);

	*rule = (struct weft_rule){
		.name = model_key(node),
		.action = action_of(action),
		.stateless = model_flag(node, "stateless", false),
		.syn_proxy = model_flag(node, "syn-proxy", false),
		.helper = helper_of(model_text(node, "helper")),
		.log = model_flag(node, "log", false),
		.log_rate = (uint32_t)model_number(node, "log-rate", 0),
	};
	if (!rule->log)
		rule->log_rate = 0;
	read_subject(subject, rule);
	read_endpoints(reading, node, rule);
	rule->to = read_names(reading, node, "to", &rule->n_to);
	read_icmp(reading, node, rule);
	read_flags(node, rule);
	read_states(node, rule);
	read_single(node, rule);
	read_limit(reading, node, rule);
	rule->timeout = seconds(node, "timeout");
}

struct weft_rule *
firewall_rules_read(struct arena *arena, const struct lyd_node *node, unsigned *count)
{
	const struct lyd_node *entry = model_child(node, "rules");
	struct reading reading = { .arena = arena };
	struct weft_rule *rules;

	*count = count_of(entry);
	rules = arena_take(arena, (*count + 1) * sizeof(*rules));
	for (unsigned i = 0; rules != NULL && i < *count; i++, entry = model_next(entry))
		read_rule(&reading, entry, &rules[i]);
	return reading.failed ? NULL : rules;
}

/* ---- translations
 * ---------------------------------------------------------------------------------- */

static void
read_one_to_one(
	struct reading *reading, const struct lyd_node *node, struct weft_translation *translation)
{
	struct weft_prefix *prefixes = arena_take(reading->arena, 2 * sizeof(*prefixes));

	if (prefixes == NULL) {
		reading->failed = true;
		return;
	}
	model_parse_match(model_text(node, "prefix"), &prefixes[0]);
	model_parse_match(model_text(node, "outside"), &prefixes[1]);
	translation->kind = WEFT_TRANSLATE_PREFIX;
	translation->addresses = prefixes;
	translation->n_addresses = 2;
}

static enum weft_filtering
filtering_of(const char *text)
{
	if (strcmp(text, "address") == 0)
		return WEFT_FILTER_ADDRESS;
	return strcmp(text, "endpoint-independent") == 0 ? WEFT_FILTER_NONE
							 : WEFT_FILTER_ADDRESS_AND_PORT;
}

static void
read_translation(
	struct reading *reading, const struct lyd_node *node, struct weft_translation *translation)
{
	const char *ports = model_text(node, "ports");
	uint16_t port = (uint16_t)model_number(node, "port", 0);

	*translation = (struct weft_translation){
		.match = { .name = model_key(node) },
		.kind = WEFT_TRANSLATE_SOURCE,
		.ports = { port, port },
		.answer = model_flag(node, "answer", false),
	};
	read_subject(model_text(node, "protocol"), &translation->match);
	read_endpoints(reading, node, &translation->match);
	if (ports != NULL)
		model_parse_ports(ports, &translation->ports);
	translation->addresses = read_prefixes(reading, node, "source", &translation->n_addresses);
	translation->endpoint_independent =
		strcmp(model_text(node, "mapping"), "endpoint-independent") == 0;
	translation->port_block = (uint16_t)model_number(node, "port-block", 0);
	translation->filtering = filtering_of(model_text(node, "filtering"));
	translation->match.to = read_names(reading, node, "to", &translation->match.n_to);
	if (model_flag(node, "masquerade", false)) {
		translation->kind = WEFT_TRANSLATE_MASQUERADE;
	} else if (model_child(node, "prefix") != NULL) {
		read_one_to_one(reading, node, translation);
	} else if (model_child(node, "destination") != NULL) {
		translation->kind = WEFT_TRANSLATE_DESTINATION;
		translation->addresses =
			read_prefixes(reading, node, "destination", &translation->n_addresses);
	}
}

struct weft_translation *
firewall_translations_read(struct arena *arena, const struct lyd_node *node, unsigned *count)
{
	const struct lyd_node *entry = model_child(node, "translations");
	struct reading reading = { .arena = arena };
	struct weft_translation *list;

	*count = count_of(entry);
	list = arena_take(arena, (*count + 1) * sizeof(*list));
	for (unsigned i = 0; list != NULL && i < *count; i++, entry = model_next(entry))
		read_translation(&reading, entry, &list[i]);
	return reading.failed ? NULL : list;
}

static void
add_claims(struct weft_claim *claims, unsigned *count, const struct lyd_node *node,
	const char *leaf, bool everywhere)
{
	const struct lyd_node *entry = model_child(node, leaf);

	for (; entry != NULL; entry = model_next(entry)) {
		struct weft_claim *claim = &claims[(*count)++];

		model_parse_match(model_value(entry), &claim->prefix);
		claim->everywhere = everywhere;
	}
}

struct weft_claim *
firewall_claims_read(struct arena *arena, const struct lyd_node *node, unsigned *count)
{
	static const char *const leaves[] = { "source", "outside", "to-ip" };
	const struct lyd_node *first = model_child(node, "translations"), *entry;
	struct weft_claim *claims;
	unsigned most = 0;

	*count = 0;
	for (entry = first; entry != NULL; entry = model_next(entry))
		for (unsigned i = 0; i < 3; i++)
			most += count_of(model_child(entry, leaves[i]));
	claims = arena_take(arena, (most + 1) * sizeof(*claims));
	for (entry = first; claims != NULL && entry != NULL; entry = model_next(entry)) {
		bool destination = model_child(entry, "destination") != NULL;
		bool everywhere = model_flag(entry, "answer", false);

		/* of what goes out to-ip is somebody else */
		for (unsigned i = 0; i < (destination ? 3u : 2u); i++)
			add_claims(claims, count, entry, leaves[i], everywhere);
	}
	return claims;
}

/* ---- the firewall
 * ---------------------------------------------------------------------------------- */

void
firewall_config_read(const struct lyd_node *node, struct weft_firewall_config *config)
{
	const struct lyd_node *timeouts = model_child(node, "timeouts");

	*config = (struct weft_firewall_config){
		.otherwise = action_of(model_text(node, "default")),
		.connection_limit = (uint32_t)model_number(node, "connection-limit", 0),
		.source_limit = (uint32_t)model_number(node, "source-limit", 0),
		.keep = strcmp(model_text(node, "policy-change"), "keep") == 0,
		.accept_invalid = strcmp(model_text(node, "invalid"), "judge") == 0,
		.tcp_timeout = seconds(timeouts, "tcp"),
		.tcp_opening_timeout = seconds(timeouts, "tcp-opening"),
		.tcp_closing_timeout = seconds(timeouts, "tcp-closing"),
		.udp_timeout = seconds(timeouts, "udp"),
		.udp_reply_timeout = seconds(timeouts, "udp-reply"),
		.icmp_timeout = seconds(timeouts, "icmp"),
		.other_timeout = seconds(timeouts, "other"),
	};
}

bool
firewall_config_same(const struct weft_firewall_config *a, const struct weft_firewall_config *b)
{
	return a->otherwise == b->otherwise && a->connection_limit == b->connection_limit &&
	       a->source_limit == b->source_limit && a->keep == b->keep &&
	       a->accept_invalid == b->accept_invalid && a->tcp_timeout == b->tcp_timeout &&
	       a->tcp_opening_timeout == b->tcp_opening_timeout &&
	       a->tcp_closing_timeout == b->tcp_closing_timeout &&
	       a->udp_timeout == b->udp_timeout && a->udp_reply_timeout == b->udp_reply_timeout &&
	       a->icmp_timeout == b->icmp_timeout && a->other_timeout == b->other_timeout;
}

struct weft_prefix *
address_set_members_read(const struct lyd_node *node, size_t *count)
{
	const struct lyd_node *leaf = model_child(node, "members");
	struct weft_prefix *members;

	*count = count_of(leaf);
	members = malloc((*count + 1) * sizeof(*members));
	for (size_t i = 0; members != NULL && i < *count; i++, leaf = model_next(leaf))
		model_parse_match(model_value(leaf), &members[i]);
	return members;
}

struct weft_port_range *
port_set_read(const struct lyd_node *node, size_t *count)
{
	const struct lyd_node *leaf = model_child(node, "ports");
	struct weft_port_range *ports;

	*count = count_of(leaf);
	ports = malloc((*count + 1) * sizeof(*ports));
	for (size_t i = 0; ports != NULL && i < *count; i++, leaf = model_next(leaf))
		model_parse_ports(model_value(leaf), &ports[i]);
	return ports;
}

const char *
firewall_zone_of(const struct lyd_node *node, const char *port)
{
	const struct lyd_node *zone = model_child(node, "zones"), *leaf;

	for (; zone != NULL; zone = model_next(zone))
		for (leaf = model_child(zone, "ports"); leaf != NULL; leaf = model_next(leaf))
			if (strcmp(model_value(leaf), port) == 0)
				return model_key(zone);
	return port;
}
