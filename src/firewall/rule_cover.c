/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule_cover.h"

#include <netinet/in.h>
#include <rte_ether.h>

/* ---- one rule in another ----------------------------------------------------------------------
 */

static bool
prefix_covers(const struct weft_prefix *a, const struct weft_prefix *b)
{
	unsigned whole = a->length / 8, rest = a->length % 8;

	if (a->family != b->family || a->length > b->length ||
		memcmp(a->address, b->address, whole) != 0)
		return false;
	return rest == 0 || ((a->address[whole] ^ b->address[whole]) >> (8 - rest)) == 0;
}

static bool
any_prefix_covers(const struct weft_prefix *a, unsigned n_a, const struct weft_prefix *b)
{
	for (unsigned i = 0; i < n_a; i++)
		if (prefix_covers(&a[i], b))
			return true;
	return false;
}

/* Addresses of one side: prefixes, and a set beside them. */
struct addresses {
	const struct weft_prefix *prefixes;
	unsigned count;
	const struct address_set *set;
	bool has_set;
};

static bool
addresses_cover(const struct addresses *a, const struct addresses *b)
{
	if (a->count == 0 && !a->has_set)
		return true;
	if (b->count == 0 && !b->has_set)
		return false;
	if (b->has_set && !(a->has_set && a->set == b->set))
		return false;
	for (unsigned i = 0; i < b->count; i++)
		if (!any_prefix_covers(a->prefixes, a->count, &b->prefixes[i]))
			return false;
	return true;
}

static bool
both_addresses_cover(const struct rule *a, const struct rule *b)
{
	const struct weft_rule *x = &a->match, *y = &b->match;
	const struct addresses from[] = {
		{ x->from_ip, x->n_from_ip, a->from_set, x->from_set != NULL },
		{ y->from_ip, y->n_from_ip, b->from_set, y->from_set != NULL },
	};
	const struct addresses to[] = {
		{ x->to_ip, x->n_to_ip, a->to_set, x->to_set != NULL },
		{ y->to_ip, y->n_to_ip, b->to_set, y->to_set != NULL },
	};

	return addresses_cover(&from[0], &from[1]) && addresses_cover(&to[0], &to[1]);
}

/* Ports of one side: a list, and a set beside it. */
struct ports {
	const struct weft_port_range *list;
	unsigned count;
	const struct port_set *set;
	bool any;
};

static bool
ports_have(const struct ports *ports, const struct weft_port_range *range)
{
	const struct weft_port_range *found =
		ports->set != NULL ? port_set_find(ports->set, range->first) : NULL;

	if (found != NULL && range->last <= found->last)
		return true;
	for (unsigned i = 0; i < ports->count; i++)
		if (ports->list[i].first <= range->first && range->last <= ports->list[i].last)
			return true;
	return false;
}

static bool
ports_cover(const struct ports *a, const struct ports *b)
{
	if (a->any)
		return true;
	if (b->any)
		return false;
	for (unsigned i = 0; i < b->count; i++)
		if (!ports_have(a, &b->list[i]))
			return false;
	for (unsigned i = 0; b->set != NULL && b->set != a->set && i < b->set->count; i++)
		if (!ports_have(a, &b->set->ranges[i]))
			return false;
	return true;
}

static bool
both_ports_cover(const struct rule *a, const struct rule *b)
{
	const struct weft_rule *x = &a->match, *y = &b->match;
	const struct ports from[] = {
		{ x->from_port, x->n_from_port, a->from_port_set, !rule_has_from_port(x) },
		{ y->from_port, y->n_from_port, b->from_port_set, !rule_has_from_port(y) },
	};
	const struct ports to[] = {
		{ x->to_port, x->n_to_port, a->to_port_set, !rule_has_to_port(x) },
		{ y->to_port, y->n_to_port, b->to_port_set, !rule_has_to_port(y) },
	};

	return ports_cover(&from[0], &from[1]) && ports_cover(&to[0], &to[1]);
}

static bool
icmp_covers(const struct weft_rule *a, const struct weft_rule *b)
{
	if (a->n_icmp == 0)
		return true;
	for (unsigned i = 0; i < b->n_icmp; i++) {
		unsigned j = 0;

		while (j < a->n_icmp &&
			!(a->icmp[j].type == b->icmp[i].type &&
				(a->icmp[j].code < 0 || a->icmp[j].code == b->icmp[i].code)))
			j++;
		if (j == a->n_icmp)
			return false;
	}
	return b->n_icmp != 0;
}

static bool
mac_covers(const uint8_t *a, const uint8_t *a_mask, const uint8_t *b, const uint8_t *b_mask)
{
	for (unsigned i = 0; i < 6; i++)
		if ((a_mask[i] & ~b_mask[i]) || ((a[i] ^ b[i]) & a_mask[i]))
			return false;
	return true;
}

static bool
fields_cover(const struct weft_rule *a, const struct weft_rule *b)
{
	unsigned looks = a->fields;

	if (looks & ~b->fields)
		return false;
	return (!(looks & WEFT_RULE_ETHERTYPE) || a->ethertype == b->ethertype) &&
	       (!(looks & WEFT_RULE_PROTOCOL) || a->protocol == b->protocol) &&
	       (!(looks & WEFT_RULE_DSCP) || a->dscp == b->dscp) &&
	       (!(looks & WEFT_RULE_VLAN) || a->vlan == b->vlan) &&
	       (!(looks & WEFT_RULE_TCP_FLAGS) ||
		       ((a->tcp_flags_mask & ~b->tcp_flags_mask) == 0 &&
			       ((a->tcp_flags ^ b->tcp_flags) & a->tcp_flags_mask) == 0)) &&
	       (!(looks & WEFT_RULE_FROM_MAC) ||
		       mac_covers(a->from_mac, a->from_mac_mask, b->from_mac, b->from_mac_mask)) &&
	       (!(looks & WEFT_RULE_TO_MAC) ||
		       mac_covers(a->to_mac, a->to_mac_mask, b->to_mac, b->to_mac_mask));
}

bool
rule_covers(const struct rule *a, const struct rule *b)
{
	const struct weft_rule *x = &a->match, *y = &b->match;

	return (rule_states(y) & ~rule_states(x)) == 0 && (b->from & ~a->from) == 0 &&
	       (b->to & ~a->to) == 0 && (x->family == 0 || x->family == y->family) &&
	       fields_cover(x, y) && both_addresses_cover(a, b) && both_ports_cover(a, b) &&
	       icmp_covers(x, y);
}

/* ---- a packet that a rule matches --------------------------------------------------------------
 */

struct sample {
	uint8_t family;
	uint8_t *address;
	bool found;
};

static bool
take_member(void *context, const struct weft_prefix *member)
{
	struct sample *sample = context;

	if (member->family != sample->family)
		return true;
	memcpy(sample->address, member->address, 16);
	sample->found = true;
	return false;
}

/* One of the side's addresses, of the family. */
static void
sample_address(const struct weft_prefix *prefixes, unsigned count, const struct address_set *set,
	uint8_t family, uint8_t *address)
{
	struct sample sample = { family, address, false };

	for (unsigned i = 0; i < count && !sample.found; i++)
		take_member(&sample, &prefixes[i]);
	if (!sample.found && set != NULL)
		address_set_each(set, take_member, &sample);
}

static uint8_t
sample_family(const struct weft_rule *match)
{
	if (match->family != 0)
		return match->family;
	if (match->n_from_ip != 0)
		return match->from_ip[0].family;
	if (match->n_to_ip != 0)
		return match->to_ip[0].family;
	return (match->fields & WEFT_RULE_PROTOCOL) && match->protocol == IPPROTO_ICMPV6 ? 6 : 4;
}

static void
sample_port(const struct weft_port_range *list, unsigned count, const struct port_set *set,
	uint16_t *port)
{
	if (count != 0)
		*port = list[0].first;
	else if (set != NULL && set->count != 0)
		*port = set->ranges[0].first;
}

static void
sample_transport(const struct rule *rule, struct fields *fields)
{
	const struct weft_rule *match = &rule->match;

	fields->protocol = IPPROTO_TCP;
	if (match->fields & WEFT_RULE_PROTOCOL)
		fields->protocol = match->protocol;
	else if (match->n_icmp != 0)
		fields->protocol = fields->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	fields->has_ports = true;
	fields->tcp_flags = match->tcp_flags;
	sample_port(match->from_port, match->n_from_port, rule->from_port_set, &fields->from_port);
	sample_port(match->to_port, match->n_to_port, rule->to_port_set, &fields->to_port);
	if (match->n_icmp != 0) {
		fields->from_port = match->icmp[0].type;
		fields->to_port = match->icmp[0].code < 0 ? 0 : (uint16_t)match->icmp[0].code;
	}
}

static bool
sample_rule(const struct rule *rule, struct fields *fields)
{
	const struct weft_rule *match = &rule->match;

	*fields = (struct fields){
		.family = sample_family(match),
		.dscp = match->dscp,
		.vlan = match->vlan,
		.from = (uint8_t)__builtin_ctzll(rule->from | 1ull << 63),
		.to = (uint8_t)__builtin_ctzll(rule->to | 1ull << 63),
		.fragment = match->fields & WEFT_RULE_FRAGMENT,
	};
	fields->ethertype = fields->family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	if (match->fields & WEFT_RULE_ETHERTYPE) {
		if (match->ethertype != fields->ethertype)
			fields->family = 0;
		fields->ethertype = match->ethertype;
	}
	memcpy(fields->from_mac, match->from_mac, sizeof(fields->from_mac));
	memcpy(fields->to_mac, match->to_mac, sizeof(fields->to_mac));
	if (fields->family != 0) {
		sample_address(match->from_ip, match->n_from_ip, rule->from_set, fields->family,
			fields->from_ip);
		sample_address(
			match->to_ip, match->n_to_ip, rule->to_set, fields->family, fields->to_ip);
		sample_transport(rule, fields);
	}
	return rule_matches_rest(rule, fields) && rule_matches_addresses(rule, fields);
}

const struct rule *
rule_shadow(const struct classifier_view *view, const struct rule *rule)
{
	uint8_t states = rule_states(&rule->match);
	const struct rule *first;
	struct fields fields;

	if (!sample_rule(rule, &fields))
		return NULL;
	first = classifier_find(view, &fields, (uint8_t)(states & -states));
	return first != NULL && first->order < rule->order && rule_covers(first, rule) ? first
										       : NULL;
}
