/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define DSCP_MOST 63
#define VLAN_MOST 4094
#define ALIGN 8
#define RATE_MOST 1000000u
#define RATE_SECONDS_MOST 3600u

/* ---- copying ----------------------------------------------------------------------------------
 */

/*
 * A rule is one piece of memory: what it points to lies behind it. `at` counts the bytes; while
 * `memory` is NULL they are only counted.
 */
struct pack {
	char *memory;
	size_t at;
};

static const void *
pack_bytes(struct pack *pack, const void *bytes, size_t size)
{
	char *place = pack->memory != NULL ? pack->memory + pack->at : NULL;

	if (size == 0)
		return NULL;
	if (place != NULL)
		memcpy(place, bytes, size);
	pack->at += (size + ALIGN - 1) / ALIGN * ALIGN;
	return place;
}

static const char *
pack_text(struct pack *pack, const char *text)
{
	return text != NULL ? pack_bytes(pack, text, strlen(text) + 1) : NULL;
}

static const char *const *
pack_texts(struct pack *pack, const char *const *texts, unsigned count)
{
	const char **copy =
		(const char **)(uintptr_t)pack_bytes(pack, texts, count * sizeof(*texts));

	for (unsigned i = 0; i < count; i++) {
		const char *text = pack_text(pack, texts[i]);

		if (copy != NULL)
			copy[i] = text;
	}
	return copy;
}

static const struct weft_prefix *
pack_prefixes(struct pack *pack, const struct weft_prefix *prefixes, unsigned count)
{
	return pack_bytes(pack, prefixes, count * sizeof(*prefixes));
}

static const struct weft_port_range *
pack_ranges(struct pack *pack, const struct weft_port_range *ranges, unsigned count)
{
	return pack_bytes(pack, ranges, count * sizeof(*ranges));
}

/* *to becomes a copy that points into the pack. */
static void
pack_match(struct pack *pack, struct weft_rule *to, const struct weft_rule *match)
{
	*to = *match;
	to->name = pack_text(pack, match->name);
	to->from = pack_texts(pack, match->from, match->n_from);
	to->to = pack_texts(pack, match->to, match->n_to);
	to->from_ip = pack_prefixes(pack, match->from_ip, match->n_from_ip);
	to->to_ip = pack_prefixes(pack, match->to_ip, match->n_to_ip);
	to->from_set = pack_text(pack, match->from_set);
	to->to_set = pack_text(pack, match->to_set);
	to->from_port = pack_ranges(pack, match->from_port, match->n_from_port);
	to->to_port = pack_ranges(pack, match->to_port, match->n_to_port);
	to->from_port_set = pack_text(pack, match->from_port_set);
	to->to_port_set = pack_text(pack, match->to_port_set);
	to->icmp = pack_bytes(pack, match->icmp, match->n_icmp * sizeof(*match->icmp));
	if (match->limit != NULL)
		to->limit = pack_bytes(pack, match->limit, sizeof(*match->limit));
}

/* ---- checks -----------------------------------------------------------------------------------
 */

static bool
prefixes_are_right(const struct weft_prefix *prefixes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!(prefixes[i].family == 4 && prefixes[i].length <= 32) &&
			!(prefixes[i].family == 6 && prefixes[i].length <= 128))
			return false;
	return true;
}

static bool
ranges_are_right(const struct weft_port_range *ranges, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ranges[i].first > ranges[i].last)
			return false;
	return true;
}

static bool
rate_is_right(const struct weft_rule_rate *rate)
{
	return rate->count == 0 || (rate->count <= RATE_MOST && rate->burst <= RATE_MOST &&
					   rate->seconds > 0 && rate->seconds <= RATE_SECONDS_MOST);
}

/* Of what it says about connections. */
static const char *
connections_fault_of(const struct weft_rule *match)
{
	if ((match->limit != NULL || match->timeout != 0) &&
		(match->action != WEFT_RULE_ACCEPT || match->stateless))
		return "a limit and a timeout are of connections, of which it makes none";
	if (match->limit != NULL &&
		!(rate_is_right(&match->limit->rate) && rate_is_right(&match->limit->source_rate)))
		return "a rate is out of bounds";
	return NULL;
}

/* What is wrong, or NULL. */
static const char *
fault_of(const struct weft_rule *match)
{
	if (match->name == NULL || match->name[0] == '\0')
		return "a rule has no name";
	if (match->action > WEFT_RULE_REJECT)
		return "no such action";
	if (match->family != 0 && match->family != 4 && match->family != 6)
		return "no such family";
	if (!prefixes_are_right(match->from_ip, match->n_from_ip) ||
		!prefixes_are_right(match->to_ip, match->n_to_ip))
		return "a prefix is too long, or of no family";
	if (!ranges_are_right(match->from_port, match->n_from_port) ||
		!ranges_are_right(match->to_port, match->n_to_port))
		return "a range of ports ends before it begins";
	if ((match->fields & WEFT_RULE_DSCP) && match->dscp > DSCP_MOST)
		return "no such DSCP";
	if ((match->fields & WEFT_RULE_VLAN) && match->vlan > VLAN_MOST)
		return "no such VLAN";
	if (match->states & ~(WEFT_STATE_NEW | WEFT_STATE_RELATED | WEFT_STATE_INVALID))
		return "no such state";
	return connections_fault_of(match);
}

struct rule *
rule_create(const struct weft_rule *match, uint32_t id, uint64_t order, struct weft_error *error)
{
	const char *fault = fault_of(match);
	struct weft_rule counted;
	struct pack pack = { NULL, 0 };
	struct rule *rule;

	if (fault != NULL) {
		error_set(error, EINVAL, "rule \"%s\": %s", match->name != NULL ? match->name : "",
			fault);
		return NULL;
	}
	pack_match(&pack, &counted, match);
	rule = calloc(1, sizeof(*rule) + pack.at);
	if (rule == NULL) {
		error_memory(error);
		return NULL;
	}
	pack = (struct pack){ (char *)(rule + 1), 0 };
	pack_match(&pack, &rule->match, match);
	rule->id = id;
	rule->order = order;
	rule->from = ~0ull;
	rule->to = ~0ull;
	return rule;
}

void
rule_free(struct rule *rule)
{
	free(rule);
}

/* ---- comparing --------------------------------------------------------------------------------
 */

/* Whether the first `length` bits are the same. */
static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned length)
{
	unsigned whole = length / 8, rest = length % 8;

	return memcmp(a, b, whole) == 0 &&
	       (rest == 0 || ((a[whole] ^ b[whole]) & 0xff00 >> rest & 0xff) == 0);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same_texts(const char *const *a, unsigned n_a, const char *const *b, unsigned n_b)
{
	if (n_a != n_b)
		return false;
	for (unsigned i = 0; i < n_a; i++)
		if (!same_text(a[i], b[i]))
			return false;
	return true;
}

static bool
same_prefixes(const struct weft_prefix *a, unsigned n_a, const struct weft_prefix *b, unsigned n_b)
{
	if (n_a != n_b)
		return false;
	for (unsigned i = 0; i < n_a; i++)
		if (a[i].family != b[i].family || a[i].length != b[i].length ||
			!same_bits(a[i].address, b[i].address, a[i].length))
			return false;
	return true;
}

static bool
same_ranges(const struct weft_port_range *a, unsigned n_a, const struct weft_port_range *b,
	unsigned n_b)
{
	if (n_a != n_b)
		return false;
	for (unsigned i = 0; i < n_a; i++)
		if (a[i].first != b[i].first || a[i].last != b[i].last)
			return false;
	return true;
}

static bool
same_icmp(const struct weft_rule *a, const struct weft_rule *b)
{
	if (a->n_icmp != b->n_icmp)
		return false;
	for (unsigned i = 0; i < a->n_icmp; i++)
		if (a->icmp[i].type != b->icmp[i].type || a->icmp[i].code != b->icmp[i].code)
			return false;
	return true;
}

static bool
same_lists(const struct weft_rule *a, const struct weft_rule *b)
{
	return same_texts(a->from, a->n_from, b->from, b->n_from) &&
	       same_texts(a->to, a->n_to, b->to, b->n_to) &&
	       same_prefixes(a->from_ip, a->n_from_ip, b->from_ip, b->n_from_ip) &&
	       same_prefixes(a->to_ip, a->n_to_ip, b->to_ip, b->n_to_ip) &&
	       same_text(a->from_set, b->from_set) && same_text(a->to_set, b->to_set) &&
	       same_ranges(a->from_port, a->n_from_port, b->from_port, b->n_from_port) &&
	       same_ranges(a->to_port, a->n_to_port, b->to_port, b->n_to_port) &&
	       same_text(a->from_port_set, b->from_port_set) &&
	       same_text(a->to_port_set, b->to_port_set) && same_icmp(a, b);
}

static bool
same_fields(const struct weft_rule *a, const struct weft_rule *b)
{
	return a->fields == b->fields && a->ethertype == b->ethertype &&
	       a->protocol == b->protocol && a->tcp_flags == b->tcp_flags &&
	       a->tcp_flags_mask == b->tcp_flags_mask && a->dscp == b->dscp && a->vlan == b->vlan &&
	       memcmp(a->from_mac, b->from_mac, sizeof(a->from_mac)) == 0 &&
	       memcmp(a->from_mac_mask, b->from_mac_mask, sizeof(a->from_mac_mask)) == 0 &&
	       memcmp(a->to_mac, b->to_mac, sizeof(a->to_mac)) == 0 &&
	       memcmp(a->to_mac_mask, b->to_mac_mask, sizeof(a->to_mac_mask)) == 0;
}

static bool
same_rate(const struct weft_rule_rate *a, const struct weft_rule_rate *b)
{
	return a->count == b->count && a->seconds == b->seconds && a->burst == b->burst;
}

static bool
same_limit(const struct weft_rule_limit *a, const struct weft_rule_limit *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->connections == b->connections && a->per_source == b->per_source &&
	       same_rate(&a->rate, &b->rate) && same_rate(&a->source_rate, &b->source_rate);
}

bool
rule_same(const struct weft_rule *a, const struct weft_rule *b)
{
	return a->mark == b->mark && a->timeout == b->timeout && same_limit(a->limit, b->limit) &&
	       a->syn_proxy == b->syn_proxy && a->helper == b->helper && a->action == b->action &&
	       a->stateless == b->stateless && a->log == b->log && a->log_rate == b->log_rate &&
	       a->family == b->family && a->states == b->states && same_fields(a, b) &&
	       same_lists(a, b);
}

/* ---- matching ---------------------------------------------------------------------------------
 */

static bool
any_prefix_has(
	const struct weft_prefix *prefixes, unsigned count, uint8_t family, const uint8_t *address)
{
	for (unsigned i = 0; i < count; i++)
		if (prefixes[i].family == family &&
			same_bits(prefixes[i].address, address, prefixes[i].length))
			return true;
	return false;
}

static bool
side_matches(const struct weft_prefix *prefixes, unsigned count, bool has_set,
	const struct address_set *set, uint8_t family, const uint8_t *address)
{
	if (count == 0 && !has_set)
		return true;
	if (family == 0)
		return false;
	return any_prefix_has(prefixes, count, family, address) ||
	       (set != NULL && address_set_has(set, family, address));
}

bool
rule_matches_addresses(const struct rule *rule, const struct fields *fields)
{
	const struct weft_rule *match = &rule->match;

	return side_matches(match->from_ip, match->n_from_ip, match->from_set != NULL,
		       rule->from_set, fields->family, fields->from_ip) &&
	       side_matches(match->to_ip, match->n_to_ip, match->to_set != NULL, rule->to_set,
		       fields->family, fields->to_ip);
}

static bool
any_range_has(const struct weft_port_range *ranges, unsigned count, uint16_t port)
{
	for (unsigned i = 0; i < count; i++)
		if (ranges[i].first <= port && port <= ranges[i].last)
			return true;
	return false;
}

static bool
ports_match(const struct rule *rule, const struct fields *fields)
{
	const struct weft_rule *match = &rule->match;
	bool from = rule_has_from_port(match), to = rule_has_to_port(match);

	if (!from && !to)
		return true;
	if (!fields->has_ports || fields_is_icmp(fields))
		return false;
	if (from && !any_range_has(match->from_port, match->n_from_port, fields->from_port) &&
		(rule->from_port_set == NULL ||
			port_set_find(rule->from_port_set, fields->from_port) == NULL))
		return false;
	return !to || any_range_has(match->to_port, match->n_to_port, fields->to_port) ||
	       (rule->to_port_set != NULL &&
		       port_set_find(rule->to_port_set, fields->to_port) != NULL);
}

static bool
icmp_matches(const struct weft_rule *match, const struct fields *fields)
{
	if (match->n_icmp == 0)
		return true;
	if (!fields->has_ports || !fields_is_icmp(fields))
		return false;
	for (unsigned i = 0; i < match->n_icmp; i++)
		if (match->icmp[i].type == fields->from_port &&
			(match->icmp[i].code < 0 || match->icmp[i].code == fields->to_port))
			return true;
	return false;
}

static bool
mac_matches(const uint8_t mac[6], const uint8_t mask[6], const uint8_t wanted[6])
{
	for (unsigned i = 0; i < 6; i++)
		if ((mac[i] ^ wanted[i]) & mask[i])
			return false;
	return true;
}

static bool
link_matches(const struct weft_rule *match, const struct fields *fields)
{
	unsigned looks = match->fields;

	return (!(looks & WEFT_RULE_ETHERTYPE) || match->ethertype == fields->ethertype) &&
	       (!(looks & WEFT_RULE_VLAN) || match->vlan == fields->vlan) &&
	       (!(looks & WEFT_RULE_FROM_MAC) ||
		       mac_matches(fields->from_mac, match->from_mac_mask, match->from_mac)) &&
	       (!(looks & WEFT_RULE_TO_MAC) ||
		       mac_matches(fields->to_mac, match->to_mac_mask, match->to_mac));
}

static bool
is_tcp(const struct fields *fields)
{
	return fields->family != 0 && fields->protocol == IPPROTO_TCP && fields->has_ports;
}

static bool
ip_matches(const struct weft_rule *match, const struct fields *fields)
{
	unsigned looks = match->fields;

	return (!(looks & WEFT_RULE_PROTOCOL) ||
		       (fields->family != 0 && match->protocol == fields->protocol)) &&
	       (!(looks & WEFT_RULE_TCP_FLAGS) ||
		       (is_tcp(fields) && ((fields->tcp_flags ^ match->tcp_flags) &
						  match->tcp_flags_mask) == 0)) &&
	       (!(looks & WEFT_RULE_DSCP) ||
		       (fields->family != 0 && match->dscp == fields->dscp)) &&
	       (!(looks & WEFT_RULE_IP) || fields->family != 0) &&
	       (!(looks & WEFT_RULE_FRAGMENT) || fields->fragment);
}

bool
rule_matches_rest(const struct rule *rule, const struct fields *fields)
{
	const struct weft_rule *match = &rule->match;

	return (rule->from >> fields->from & 1) && (rule->to >> fields->to & 1) &&
	       (match->family == 0 || match->family == fields->family) &&
	       link_matches(match, fields) && ip_matches(match, fields) &&
	       ports_match(rule, fields) && icmp_matches(match, fields);
}

bool
rule_matches(const struct rule *rule, const struct fields *fields, uint8_t state)
{
	return (rule_states(&rule->match) & state) && rule_matches_rest(rule, fields) &&
	       rule_matches_addresses(rule, fields);
}
