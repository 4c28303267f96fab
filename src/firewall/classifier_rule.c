/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which entries a rule becomes. Each of its lists gives alternatives, and an entry has one of
 * each; where that would be too many, a list of prefixes becomes a set of its own, and a list
 * of ports is left to rule_matches_rest().
 */
#include "firewall/classifier_private.h"

#include <netinet/in.h>
#include <rte_ether.h>

#define PREFIXES_MOST 8 /* of a list, each in an entry of its own */
#define RANGES_MOST 16
#define ENTRIES_MOST 64 /* of a rule in a family */

struct address {
	uint64_t word[2];
	uint8_t bits;
	bool hashed;
};

/* One of the two address fields of the rule. */
struct side {
	const struct weft_prefix *list;
	unsigned n_list;
	const struct address_set *set;
	bool any;         /* all addresses */
	bool list_is_set; /* a slot for all of the list */
	unsigned n;       /* of alternatives */
	struct address alternatives[PREFIXES_MOST + 1];
};

struct ranges {
	uint16_t from[2], to[2];
};

struct plan {
	struct classifier *classifier;
	const struct rule *rule;
	unsigned family;
	bool comes;
	struct entry entry; /* what all have in common */
	bool never;         /* no packet can match */
	struct side from, to;
	unsigned n_ranges;
	struct ranges ranges[RANGES_MOST];
};

/* ---- single fields ----------------------------------------------------------------------------
 */

static void
want(struct plan *plan, uint32_t value, uint32_t mask)
{
	struct entry *entry = &plan->entry;

	if ((entry->value ^ value) & entry->mask & mask)
		plan->never = true;
	entry->value |= value;
	entry->mask |= mask;
}

static void
want_protocol(struct plan *plan, uint8_t protocol)
{
	want(plan, FIELD_PROTOCOL(protocol), FIELD_PROTOCOL(0xff));
	plan->entry.protocol = true;
}

/*
 * Which of the first two ports the entry does not want. A packet of a further port has both
 * bits, so that it fits no entry that wants only one of the two.
 */
static unsigned
unwanted_ports(struct plan *plan, uint64_t wanted)
{
	if (wanted == 1 || wanted == 2)
		return (unsigned)wanted ^ 3;
	if (wanted != ~0ull)
		plan->entry.rest = true;
	return 0;
}

static bool
needs_ip(const struct rule *rule)
{
	const struct weft_rule *match = &rule->match;

	return match->n_from_ip > 0 || match->n_to_ip > 0 || match->from_set != NULL ||
	       match->to_set != NULL || rule_has_from_port(match) || rule_has_to_port(match) ||
	       match->n_icmp > 0 || match->family != 0 ||
	       (match->fields &
		       (WEFT_RULE_PROTOCOL | WEFT_RULE_TCP_FLAGS | WEFT_RULE_DSCP | WEFT_RULE_IP));
}

/* What the rule asks of a packet's family and ethertype. */
static bool
can_be_of(const struct rule *rule, unsigned family)
{
	static const uint8_t numbers[] = { 0, 4, 6 };
	static const uint16_t ethertypes[] = { 0, RTE_ETHER_TYPE_IPV4, RTE_ETHER_TYPE_IPV6 };
	const struct weft_rule *match = &rule->match;

	if (family == FAMILY_OTHER)
		return !needs_ip(rule);
	if (match->family != 0 && match->family != numbers[family])
		return false;
	return !(match->fields & WEFT_RULE_ETHERTYPE) || match->ethertype == ethertypes[family];
}

static void
plan_single_fields(struct plan *plan)
{
	const struct weft_rule *match = &plan->rule->match;
	struct entry *entry = &plan->entry;

	entry->mask = FIELD_STATE(~rule_states(match) & 7u) |
		      FIELD_FROM(unwanted_ports(plan, plan->rule->from)) |
		      FIELD_TO(unwanted_ports(plan, plan->rule->to));
	if (match->fields & WEFT_RULE_PROTOCOL)
		want_protocol(plan, match->protocol);
	if (match->fields & WEFT_RULE_TCP_FLAGS) {
		want_protocol(plan, IPPROTO_TCP);
		want(plan, FIELD_PORTS, FIELD_PORTS | FIELD_ICMP);
		want(plan, FIELD_TCP_FLAGS(match->tcp_flags & match->tcp_flags_mask),
			FIELD_TCP_FLAGS(match->tcp_flags_mask));
	}
	if (match->fields & WEFT_RULE_DSCP)
		want(plan, FIELD_DSCP(match->dscp), FIELD_DSCP(0x3f));
	if (match->fields & WEFT_RULE_FRAGMENT)
		want(plan, FIELD_FRAGMENT, FIELD_FRAGMENT);
	if (match->n_icmp > 0) {
		want_protocol(plan, plan->family == FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		want(plan, FIELD_ICMP, FIELD_PORTS | FIELD_ICMP);
	}
	if (rule_has_from_port(match) || rule_has_to_port(match))
		want(plan, FIELD_PORTS, FIELD_PORTS | FIELD_ICMP);
	if (plan->family != FAMILY_OTHER &&
		(match->fields & (WEFT_RULE_VLAN | WEFT_RULE_FROM_MAC | WEFT_RULE_TO_MAC)))
		entry->rest = true;
}

/* ---- ports ------------------------------------------------------------------------------------
 */

static const struct ranges all_ports = { { 0, UINT16_MAX }, { 0, UINT16_MAX } };

static void
add_ranges(struct plan *plan, struct ranges ranges)
{
	plan->ranges[plan->n_ranges++] = ranges;
}

/*
 * A range that lies across a large power of two has few bits that are the same in all of its
 * ports; its halves have more. Returns how many it becomes.
 */
static unsigned
split_range(const struct weft_port_range *range, struct weft_port_range parts[2])
{
	unsigned differs = (unsigned)(range->first ^ range->last), block, middle;

	parts[0] = *range;
	if (differs == 0)
		return 1;
	block = 2u << (31 - __builtin_clz(differs));
	if (block < 4u * (range->last - range->first + 1u))
		return 1;
	middle = range->last & ~(block / 2 - 1);
	parts[0].last = (uint16_t)(middle - 1);
	parts[1] = (struct weft_port_range){ (uint16_t)middle, range->last };
	return 2;
}

/* The ports of one side: a list, and a set beside it. */
struct port_side {
	const struct weft_port_range *list;
	unsigned n_list;
	const struct port_set *set;
	bool any;
};

static unsigned
side_count(const struct port_side *side)
{
	return side->n_list + (side->set != NULL ? side->set->count : 0);
}

static const struct weft_port_range *
side_range(const struct port_side *side, unsigned i)
{
	return i < side->n_list ? &side->list[i] : &side->set->ranges[i - side->n_list];
}

/* The smallest range that has all of the side's. */
static struct weft_port_range
side_span(const struct port_side *side)
{
	struct weft_port_range span = *side_range(side, 0);

	for (unsigned i = 1; i < side_count(side); i++) {
		const struct weft_port_range *range = side_range(side, i);

		span.first = RTE_MIN(span.first, range->first);
		span.last = RTE_MAX(span.last, range->last);
	}
	return span;
}

/* Puts a side's parts into *parts: of one that has too many all in one, and the rest has to be
 * asked. 0: it has none, and no packet matches. */
static unsigned
side_parts(
	struct plan *plan, const struct port_side *side, struct weft_port_range parts[RANGES_MOST])
{
	unsigned n = side_count(side), count = 0;

	parts[0] = (struct weft_port_range){ 0, UINT16_MAX };
	if (side->any)
		return 1;
	if (n > RANGES_MOST / 2) {
		plan->entry.rest = true;
		parts[0] = side_span(side);
		return 1;
	}
	for (unsigned i = 0; i < n; i++)
		count += split_range(side_range(side, i), &parts[count]);
	return count;
}

static void
plan_ports(struct plan *plan)
{
	const struct weft_rule *match = &plan->rule->match;
	struct weft_port_range from[RANGES_MOST], to[RANGES_MOST];
	const struct port_side sides[] = {
		{ match->from_port, match->n_from_port, plan->rule->from_port_set,
			!rule_has_from_port(match) },
		{ match->to_port, match->n_to_port, plan->rule->to_port_set,
			!rule_has_to_port(match) },
	};
	unsigned n_from = side_parts(plan, &sides[0], from);
	unsigned n_to = side_parts(plan, &sides[1], to);

	if (n_from * n_to > RANGES_MOST) {
		plan->entry.rest = true;
		n_from = 1;
		from[0] = side_span(&sides[0]);
	}
	for (unsigned i = 0; i < n_from; i++)
		for (unsigned k = 0; k < n_to; k++)
			add_ranges(plan, (struct ranges){ { from[i].first, from[i].last },
						 { to[k].first, to[k].last } });
}

/* Type and code are where the ports are. */
static void
plan_icmp(struct plan *plan)
{
	const struct weft_rule *match = &plan->rule->match;

	if (match->n_icmp > RANGES_MOST) {
		plan->entry.rest = true;
		add_ranges(plan, all_ports);
		return;
	}
	for (unsigned i = 0; i < match->n_icmp; i++) {
		uint16_t type = match->icmp[i].type;
		int code = match->icmp[i].code;
		struct ranges ranges = { { type, type }, { 0, UINT16_MAX } };

		if (code >= 0)
			ranges.to[0] = ranges.to[1] = (uint16_t)code;
		add_ranges(plan, ranges);
	}
}

/* Without IP: VLAN and ethertype. */
static void
plan_tags(struct plan *plan)
{
	const struct weft_rule *match = &plan->rule->match;
	struct ranges ranges = all_ports;

	if (match->fields & WEFT_RULE_VLAN)
		ranges.from[0] = ranges.from[1] = match->vlan;
	if (match->fields & WEFT_RULE_ETHERTYPE)
		ranges.to[0] = ranges.to[1] = match->ethertype;
	add_ranges(plan, ranges);
}

static void
plan_ranges(struct plan *plan)
{
	if (plan->family == FAMILY_OTHER)
		plan_tags(plan);
	else if (plan->rule->match.n_icmp > 0)
		plan_icmp(plan);
	else
		plan_ports(plan);
}

/* ---- addresses --------------------------------------------------------------------------------
 */

static uint8_t
family_number(const struct plan *plan)
{
	return plan->family == FAMILY_IPV6 ? 6 : 4;
}

static unsigned
count_of_family(const struct plan *plan, const struct side *side)
{
	unsigned n = 0;

	for (unsigned i = 0; i < side->n_list; i++)
		n += side->list[i].family == family_number(plan);
	return n;
}

/* How many alternatives the side is going to have. */
static unsigned
width(const struct plan *plan, const struct side *side)
{
	unsigned n = count_of_family(plan, side);

	if (side->any)
		return 1;
	if (side->list_is_set && n > 0)
		n = 1;
	return n + (side->set != NULL);
}

static void
add_prefix(struct side *side, const struct weft_prefix *prefix)
{
	trie_key key = trie_cut(trie_key_of(prefix->family, prefix->address), prefix->length);

	side->alternatives[side->n++] =
		(struct address){ .word = { (uint64_t)(key >> 64), (uint64_t)key },
			.bits = prefix->length };
}

static int
add_slot(struct plan *plan, struct side *side, const struct address_set *set)
{
	const struct weft_prefix *list = set == NULL ? side->list : NULL;
	unsigned n_list = set == NULL ? side->n_list : 0;
	struct classifier *classifier = plan->classifier;
	uint32_t slot;

	if (plan->comes) {
		slot = slot_take(classifier, set, list, n_list);
		if (slot == NO_SLOT)
			return -1;
	} else {
		slot = slot_find(classifier, set, list, n_list);
		if (slot == NO_SLOT)
			return 0;
		if (classifier_note(classifier,
			    (struct change_note){ .kind = CHANGE_SLOT_LEFT, .slot = slot }) < 0)
			return -1;
	}
	side->alternatives[side->n++] = (struct address){
		.word = { slot }, .bits = BY_SET, .hashed = classifier->slots[slot].hashed
	};
	return 0;
}

static int
plan_side(struct plan *plan, struct side *side)
{
	unsigned n = count_of_family(plan, side);

	if (side->any) {
		side->alternatives[side->n++] = (struct address){ .bits = 0 };
		return 0;
	}
	if (side->set != NULL && add_slot(plan, side, side->set) < 0)
		return -1;
	if (n > 0 && side->list_is_set)
		return add_slot(plan, side, NULL);
	for (unsigned i = 0; i < side->n_list; i++)
		if (side->list[i].family == family_number(plan))
			add_prefix(side, &side->list[i]);
	return 0;
}

static bool
is_too_wide(const struct plan *plan)
{
	return width(plan, &plan->from) * width(plan, &plan->to) * plan->n_ranges > ENTRIES_MOST;
}

/* Which lists have to be sets, so that entries do not become too many. */
static void
plan_widths(struct plan *plan)
{
	struct side *larger, *smaller;
	bool from_is_larger;

	plan->from.list_is_set = count_of_family(plan, &plan->from) > PREFIXES_MOST;
	plan->to.list_is_set = count_of_family(plan, &plan->to) > PREFIXES_MOST;
	from_is_larger = width(plan, &plan->from) > width(plan, &plan->to);
	larger = from_is_larger ? &plan->from : &plan->to;
	smaller = from_is_larger ? &plan->to : &plan->from;
	if (is_too_wide(plan))
		larger->list_is_set = true;
	if (is_too_wide(plan))
		smaller->list_is_set = true;
}

/* The leading bits of a MAC that the mask has; what it has further is for the rest. */
static void
plan_mac(struct plan *plan, struct side *side, bool wanted, const uint8_t mac[6],
	const uint8_t mask[6])
{
	uint64_t word = 0, bits = 0, leading;
	unsigned n;

	for (unsigned i = 0; wanted && i < 6; i++) {
		word |= (uint64_t)(mac[i] & mask[i]) << (56 - 8 * i);
		bits |= (uint64_t)mask[i] << (56 - 8 * i);
	}
	/* the last 16 bits of the word are zero */
	n = (unsigned)__builtin_clzll(~bits);
	leading = n > 0 ? ~0ull << (64 - n) : 0;
	if (bits != leading)
		plan->entry.rest = true;
	side->alternatives[side->n++] =
		(struct address){ .word = { word & leading }, .bits = (uint8_t)n };
}

static int
plan_addresses(struct plan *plan)
{
	const struct weft_rule *match = &plan->rule->match;

	if (plan->family == FAMILY_OTHER) {
		plan_mac(plan, &plan->from, match->fields & WEFT_RULE_FROM_MAC, match->from_mac,
			match->from_mac_mask);
		plan_mac(plan, &plan->to, match->fields & WEFT_RULE_TO_MAC, match->to_mac,
			match->to_mac_mask);
		return 0;
	}
	plan->from = (struct side){ .list = match->from_ip,
		.n_list = match->n_from_ip,
		.set = plan->rule->from_set,
		.any = match->n_from_ip == 0 && match->from_set == NULL };
	plan->to = (struct side){ .list = match->to_ip,
		.n_list = match->n_to_ip,
		.set = plan->rule->to_set,
		.any = match->n_to_ip == 0 && match->to_set == NULL };
	if (width(plan, &plan->from) == 0 || width(plan, &plan->to) == 0)
		return 0;
	plan_widths(plan);
	return plan_side(plan, &plan->from) < 0 ? -1 : plan_side(plan, &plan->to);
}

/* ---- entries ----------------------------------------------------------------------------------
 */

static void
put_address(uint64_t word[2], uint8_t *bits, bool *hashed, const struct address *address)
{
	word[0] = address->word[0];
	word[1] = address->word[1];
	*bits = address->bits;
	*hashed = address->hashed;
}

static int
each_entry(struct plan *plan,
	int (*each)(struct classifier *classifier, unsigned family, const struct entry *entry))
{
	struct entry entry = plan->entry;

	for (unsigned i = 0; i < plan->from.n; i++) {
		put_address(entry.from, &entry.from_bits, &entry.from_hashed,
			&plan->from.alternatives[i]);
		for (unsigned k = 0; k < plan->to.n; k++) {
			put_address(entry.to, &entry.to_bits, &entry.to_hashed,
				&plan->to.alternatives[k]);
			for (unsigned r = 0; r < plan->n_ranges; r++) {
				memcpy(entry.from_port, plan->ranges[r].from,
					sizeof(entry.from_port));
				memcpy(entry.to_port, plan->ranges[r].to, sizeof(entry.to_port));
				if (each(plan->classifier, plan->family, &entry) < 0)
					return -1;
			}
		}
	}
	return 0;
}

static int
family_entries(struct plan *plan,
	int (*each)(struct classifier *classifier, unsigned family, const struct entry *entry))
{
	plan_single_fields(plan);
	if (plan->never)
		return 0;
	plan_ranges(plan);
	if (plan_addresses(plan) < 0)
		return -1;
	return each_entry(plan, each);
}

int
rule_entries(struct classifier *classifier, const struct rule *rule, bool comes,
	int (*each)(struct classifier *classifier, unsigned family, const struct entry *entry))
{
	for (unsigned family = 0; family < CLASSIFIER_FAMILIES; family++) {
		struct plan plan = { .classifier = classifier,
			.rule = rule,
			.family = family,
			.comes = comes,
			.entry = { .order = rule->order, .rule = rule } };

		if (!can_be_of(rule, family))
			continue;
		plan.entry.since = classifier->version + 1;
		plan.entry.until = VERSION_EVER;
		if (family_entries(&plan, each) < 0)
			return -1;
	}
	return 0;
}
