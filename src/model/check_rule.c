/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of firewalls, and what translations have in common with them: the zones, sets, addresses
 * and ports that are named. */
#include "base/nearest.h"
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#include <netinet/in.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------
 */

/* Whether the firewall has a port or zone of the name. */
static bool
has_zone(const struct lyd_node *firewall, const struct lyd_node *router, const char *name)
{
	if (router == NULL)
		return model_entry(firewall, "ports", name) != NULL;
	return model_entry(firewall, "zones", name) != NULL ||
	       model_entry(router, "ports", name) != NULL;
}

static const char *
zone_hint(struct checker *checker, const struct lyd_node *firewall, const struct lyd_node *router,
	const char *wanted)
{
	const struct lyd_node *zones = model_child(firewall, "zones"), *entry;
	struct nearest nearest = { .wanted = wanted };

	for (entry = zones; entry != NULL; entry = model_next(entry))
		nearest_offer(&nearest, model_key(entry));
	if (nearest.best != NULL)
		return check_key(checker, "did you mean '%s'?", nearest.best);
	return check_reference_hint(
		checker, model_child(router != NULL ? router : firewall, "ports"), "ports", wanted);
}

void
check_zones_named(struct checker *checker, const struct lyd_node *firewall,
	const struct lyd_node *entry, const char *leaf)
{
	const struct lyd_node *router = checker->guarded;
	const struct lyd_node *name = model_child(entry, leaf);

	if (build_is_broken(firewall) || (router == NULL && checker->is_routed))
		return;
	for (; name != NULL; name = model_next(name))
		if (!has_zone(firewall, router, model_value(name)))
			check_wrong(checker, name, NULL,
				zone_hint(checker, firewall, router, model_value(name)),
				"firewall '%s' has no %s '%s'", model_key(firewall),
				router != NULL ? "zone" : "port", model_value(name));
}

/* `list`: the network's list of such sets; `kind`: one of them, in words. */
static void
check_set_named(struct checker *checker, const struct lyd_node *entry, const char *leaf,
	const char *list, const char *kind)
{
	const struct lyd_node *name = model_child(entry, leaf);

	if (name == NULL || build_is_broken(checker->network) ||
		model_entry(checker->network, list, model_value(name)) != NULL)
		return;
	check_wrong(checker, name, NULL,
		check_reference_hint(
			checker, model_child(checker->network, list), list, model_value(name)),
		"there is no %s '%s' in network '%s'", kind, model_value(name),
		model_key(checker->network));
}

void
check_sets_named(struct checker *checker, const struct lyd_node *entry)
{
	check_set_named(checker, entry, "from-set", "address-sets", "address set");
	check_set_named(checker, entry, "to-set", "address-sets", "address set");
	check_set_named(checker, entry, "from-port-set", "port-sets", "port set");
	check_set_named(checker, entry, "to-port-set", "port-sets", "port set");
}

/* ---- addresses ----------------------------------------------------------------------------------
 */

#define FAMILY_BIT(family) ((family) == 4 ? 1u : 2u)

/* Those of a leaf-list's addresses, a bit each; 0: it has none. */
static unsigned
families_of(const struct lyd_node *entry, const char *name)
{
	const struct lyd_node *leaf = model_child(entry, name);
	struct weft_prefix prefix;
	unsigned families = 0;

	for (; leaf != NULL; leaf = model_next(leaf))
		if (value_match(model_value(leaf), &prefix))
			families |= FAMILY_BIT(prefix.family);
	return families;
}

/* `family`: of what the rule is about, 0: any. */
void
check_families(
	struct checker *checker, const struct lyd_node *entry, unsigned family, const char *about)
{
	unsigned from = families_of(entry, "from-ip"), to = families_of(entry, "to-ip");

	if (model_child(entry, "from-set") != NULL)
		from = 0;
	if (model_child(entry, "to-set") != NULL)
		to = 0;
	if (from != 0 && to != 0 && (from & to) == 0)
		check_wrong(checker, model_child(entry, "to-ip"), NULL,
			"write addresses of one family, or two rules",
			"from-ip is IPv%u and to-ip is not: nothing is both", from == 1 ? 4 : 6);
	if (family != 0 && from != 0 && (from & FAMILY_BIT(family)) == 0)
		check_wrong(checker, model_child(entry, "from-ip"), NULL, NULL,
			"%s is IPv%u, from-ip is not", about, family);
	if (family != 0 && to != 0 && (to & FAMILY_BIT(family)) == 0)
		check_wrong(checker, model_child(entry, "to-ip"), NULL, NULL,
			"%s is IPv%u, to-ip is not", about, family);
}

/* ---- what goes with which protocol -------------------------------------------------------------
 */

static bool
has_ports(const struct model_subject *subject)
{
	switch (subject->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return subject->has_protocol;
	default:
		return false;
	}
}

/* The leaves of which `entry` must have none, since its protocol has no such thing. */
static void
check_absent(struct checker *checker, const struct lyd_node *entry, const char *const *leaves,
	const char *hint, const char *about)
{
	for (; *leaves != NULL; leaves++)
		if (model_child(entry, *leaves) != NULL)
			check_wrong(checker, model_child(entry, *leaves), NULL, hint,
				"%s cannot stand beside %s", *leaves, about);
}

void
check_ports_fit(struct checker *checker, const struct lyd_node *entry,
	const struct model_subject *subject, const char *about)
{
	static const char *const ports[] = { "from-port", "to-port", "from-port-set", "to-port-set",
		NULL };
	static const char *const addresses[] = { "from-ip", "to-ip", "from-set", "to-set", "dscp",
		NULL };

	if (!has_ports(subject))
		check_absent(checker, entry, ports,
			"ports are of tcp, udp, sctp and dccp: name one", about);
	if (subject->arp)
		check_absent(checker, entry, addresses, "ARP is not IP", about);
}

/* What the rule is about, 0: any. By its number ICMP is of one, too. */
static unsigned
family_of(const struct model_subject *subject)
{
	if (subject->family != 0 || !subject->has_protocol)
		return subject->family;
	return model_icmp_family(subject->protocol);
}

static const char *
icmp_hint(struct checker *checker, const char *text, unsigned family)
{
	struct nearest nearest = { .wanted = text };

	for (const struct model_word *word = model_icmp_types; word->word != NULL; word++)
		if (word->family == family)
			nearest_offer(&nearest, word->word);
	return nearest.best != NULL
		       ? check_key(checker, "did you mean '%s'?", nearest.best)
		       : "write its name, such as echo-request, or its number, 0 to 255";
}

static void
check_icmp(struct checker *checker, const struct lyd_node *rule,
	const struct model_subject *subject, const char *about)
{
	static const char *const leaves[] = { "icmp-type", NULL };
	const struct lyd_node *leaf = model_child(rule, "icmp-type");
	unsigned family = subject->has_protocol ? model_icmp_family(subject->protocol) : 0;
	struct weft_icmp_type icmp;

	if (family == 0) {
		check_absent(checker, rule, leaves, "say which: icmp (IPv4) or icmpv6", about);
		return;
	}
	for (; leaf != NULL; leaf = model_next(leaf))
		if (model_parse_icmp(model_value(leaf), family, &icmp) < 0)
			check_wrong(checker, leaf, NULL,
				icmp_hint(checker, model_value(leaf), family),
				"'%s' is no type of %s", model_value(leaf),
				family == 4 ? "ICMP" : "ICMPv6");
}

static void
check_flags(struct checker *checker, const struct lyd_node *rule,
	const struct model_subject *subject, const char *about)
{
	static const char *const leaves[] = { "tcp-flags", NULL };
	const struct lyd_node *leaf = model_child(rule, "tcp-flags");
	unsigned seen = 0;

	if (!subject->has_protocol || subject->protocol != IPPROTO_TCP) {
		check_absent(checker, rule, leaves, "flags are of tcp: name it", about);
		return;
	}
	for (; leaf != NULL; leaf = model_next(leaf)) {
		uint8_t bit = 0;
		bool set;

		if (model_parse_tcp_flag(model_value(leaf), &bit, &set) == 0 && (seen & bit))
			check_wrong(checker, leaf, NULL, "remove one",
				"a flag cannot be set and not set: %s", model_value(leaf));
		seen |= bit;
	}
}

static const char *
protocol_hint(struct checker *checker, const char *text)
{
	static const char *const others[] = { "any", "ip", "ipv4", "ipv6", "arp" };
	struct nearest nearest = { .wanted = text };

	for (const struct model_word *word = model_protocols; word->word != NULL; word++)
		nearest_offer(&nearest, word->word);
	for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
		nearest_offer(&nearest, others[i]);
	return nearest.best != NULL
		       ? check_key(checker, "did you mean '%s'?", nearest.best)
		       : "any, ip, ipv4, ipv6, arp, tcp, udp, icmp, icmpv6, ..., or a number";
}

/* False: it is told. */
bool
check_subject(struct checker *checker, const struct lyd_node *leaf, struct model_subject *subject)
{
	if (model_parse_subject(model_value(leaf), subject) == 0)
		return true;
	check_wrong(checker, leaf, NULL, protocol_hint(checker, model_value(leaf)),
		"%s: '%s' is no protocol", leaf->schema->name, model_value(leaf));
	return false;
}

/* ---- rules
 * ---------------------------------------------------------------------------------------- */

/* Its accept, drop or reject; NULL: it has not exactly one, which is told. */
static const struct lyd_node *
verdict_of(struct checker *checker, const struct lyd_node *rule)
{
	static const char *const actions[] = { "accept", "drop", "reject" };
	const struct lyd_node *found = NULL;

	for (unsigned i = 0; i < 3; i++) {
		const struct lyd_node *leaf = model_child(rule, actions[i]);

		if (leaf != NULL && found != NULL)
			check_wrong(checker, leaf, NULL, "make two rules of it",
				"rule '%s' has %s and %s", model_key(rule), found->schema->name,
				actions[i]);
		if (leaf != NULL)
			found = leaf;
	}
	if (found == NULL && !build_is_broken(rule))
		check_wrong(checker, rule, NULL, "add accept: PROTOCOL, drop: or reject:, or any",
			"rule '%s' says neither accept, drop nor reject", model_key(rule));
	return found;
}

static void
check_stateless(
	struct checker *checker, const struct lyd_node *rule, const struct lyd_node *verdict)
{
	const struct lyd_node *leaf = model_child(rule, "stateless");

	if (leaf != NULL && model_flag(rule, "stateless", false) &&
		strcmp(verdict->schema->name, "accept") != 0)
		check_doubt(checker, leaf, NULL, "remove it",
			"stateless says nothing where nothing is accepted");
}

/* What is of connections, and so of rules that make some. */
static void
check_connections(struct checker *checker, const struct lyd_node *rule,
	const struct lyd_node *verdict, const struct model_subject *subject)
{
	static const char *const leaves[] = { "limit", "timeout" };
	bool accepts = strcmp(verdict->schema->name, "accept") == 0;
	bool stateless = model_flag(rule, "stateless", false);

	for (unsigned i = 0; i < 2; i++) {
		const struct lyd_node *leaf = model_child(rule, leaves[i]);

		if (leaf == NULL || (accepts && !stateless && !subject->arp))
			continue;
		check_wrong(checker, leaf, NULL,
			accepts ? NULL : "write it with the rule that accepts, before this one",
			"%s is of connections, and %s makes none", leaves[i],
			!accepts       ? verdict->schema->name
			: subject->arp ? "accept: arp"
				       : "a stateless rule");
	}
	check_duration(
		checker, rule, "timeout", 1000, 30 * 86400000ull, "a duration from 1s to 30d");
}

/* `leaf`: of a container of a rule; it says nothing without `other`. */
static void
check_beside(struct checker *checker, const struct lyd_node *container, const char *name,
	const char *other)
{
	const struct lyd_node *leaf = model_child(container, name);

	if (leaf != NULL && model_child(container, other) == NULL && !build_is_broken(container))
		check_wrong(checker, leaf, NULL,
			check_key(checker, "add %s: 100/s, or remove it", other), "%s without %s",
			name, other);
}

static void
check_rate(struct checker *checker, const struct lyd_node *container, const char *name)
{
	const char *text = model_text(container, name);
	struct weft_rule_rate rate;

	if (text != NULL && model_parse_rate(text, &rate) < 0)
		check_wrong(checker, model_child(container, name), NULL, NULL,
			"%s: expected at most 1000000, such as 100/s, not '%s'", name, text);
}

static void
check_limit(struct checker *checker, const struct lyd_node *rule)
{
	const struct lyd_node *limit = model_child(rule, "limit");
	const struct lyd_node *all = model_child(limit, "connections");
	const struct lyd_node *one = model_child(limit, "per-source");

	if (limit == NULL)
		return;
	check_rate(checker, limit, "rate");
	check_rate(checker, limit, "source-rate");
	check_beside(checker, limit, "burst", "rate");
	check_beside(checker, limit, "source-burst", "source-rate");
	if (all != NULL && one != NULL &&
		model_number(limit, "per-source", 0) > model_number(limit, "connections", 0))
		check_doubt(checker, one, NULL, "make it less than connections",
			"no source comes to %s connections where all may have %s", model_value(one),
			model_value(all));
}

static void
check_syn_proxy(struct checker *checker, const struct lyd_node *rule,
	const struct lyd_node *verdict, const struct model_subject *subject)
{
	const struct lyd_node *leaf = model_child(rule, "syn-proxy");
	const struct lyd_node *stateless = model_child(rule, "stateless");

	if (leaf == NULL || !model_flag(rule, "syn-proxy", false))
		return;
	if (strcmp(verdict->schema->name, "accept") != 0 || !subject->has_protocol ||
		subject->protocol != IPPROTO_TCP)
		check_wrong(checker, leaf, NULL, "write accept: tcp, or remove it",
			"syn-proxy cannot stand beside %s: %s", verdict->schema->name,
			model_value(verdict));
	else if (model_flag(rule, "stateless", false))
		check_wrong(checker, leaf, NULL, "remove one",
			"syn-proxy makes connections, stateless does not: %s",
			check_where(checker, stateless));
}

static void
check_helper(struct checker *checker, const struct lyd_node *rule, const struct lyd_node *verdict,
	const struct model_subject *subject)
{
	const struct lyd_node *leaf = model_child(rule, "helper");
	const struct lyd_node *stateless = model_child(rule, "stateless");
	bool ftp;

	if (leaf == NULL)
		return;
	ftp = strcmp(model_value(leaf), "ftp") == 0;
	if (strcmp(verdict->schema->name, "accept") != 0 || !subject->has_protocol ||
		subject->protocol != (ftp ? IPPROTO_TCP : IPPROTO_UDP))
		check_wrong(checker, leaf, NULL, ftp ? "write accept: tcp" : "write accept: udp",
			"helper: %s cannot stand beside %s: %s", model_value(leaf),
			verdict->schema->name, model_value(verdict));
	else if (model_flag(rule, "stateless", false))
		check_wrong(checker, leaf, NULL, "remove one",
			"helpers read connections, stateless makes none: %s",
			check_where(checker, stateless));
}

static void
check_ethertype(
	struct checker *checker, const struct lyd_node *rule, const struct model_subject *subject)
{
	const struct lyd_node *leaf = model_child(rule, "ethertype");

	if (leaf != NULL &&
		(subject->ip || subject->arp || subject->has_protocol || subject->family != 0))
		check_wrong(checker, leaf, NULL, "write any in place of the protocol",
			"the protocol says the ethertype already");
}

void
check_rule(struct checker *checker, const struct lyd_node *firewall, const struct lyd_node *rule)
{
	const struct lyd_node *verdict = verdict_of(checker, rule);
	struct model_subject subject;
	const char *about;

	check_zones_named(checker, firewall, rule, "from");
	check_zones_named(checker, firewall, rule, "to");
	check_sets_named(checker, rule);
	if (verdict == NULL || !check_subject(checker, verdict, &subject))
		return;
	about = check_key(checker, "%s: %s", verdict->schema->name, model_value(verdict));
	if (about == NULL)
		return;
	check_families(checker, rule, family_of(&subject), about);
	check_ports_fit(checker, rule, &subject, about);
	check_icmp(checker, rule, &subject, about);
	check_flags(checker, rule, &subject, about);
	check_ethertype(checker, rule, &subject);
	check_stateless(checker, rule, verdict);
	check_syn_proxy(checker, rule, verdict, &subject);
	check_helper(checker, rule, verdict, &subject);
	check_connections(checker, rule, verdict, &subject);
	check_limit(checker, rule);
}
