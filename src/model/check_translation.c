/* SPDX-License-Identifier: BSD-3-Clause */
/* Translations of firewalls. */
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#include <string.h>

/* ---- outside addresses, which the router has to claim -------------------------------------------
 */

static bool
covers(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->family == b->family && a->length <= b->length &&
	       value_same_bits(a->address, b->address, a->length);
}

/* What is a whole network of the router cannot be taken from its neighbours. */
static void
check_claim_fits(struct checker *checker, const struct lyd_node *leaf)
{
	const struct lyd_node *port = model_child(checker->guarded, "ports"), *ip;
	struct weft_prefix claim, network;

	if (!value_match(model_value(leaf), &claim))
		return;
	for (; port != NULL; port = model_next(port))
		for (ip = model_child(port, "ip"); ip != NULL; ip = model_next(ip)) {
			if (!value_address(model_value(ip), true, &network) ||
				network.length == (network.family == 4 ? 32 : 128) ||
				!covers(&claim, &network))
				continue;
			check_wrong(checker, leaf, NULL, "name addresses of it that nobody has",
				"%s holds the whole network of port '%s' of router '%s'",
				model_value(leaf), model_key(port), model_key(checker->guarded));
			return;
		}
}

static void
check_claims(struct checker *checker, const struct lyd_node *translation, bool destination)
{
	static const char *const leaves[] = { "source", "outside" };

	for (unsigned i = 0; i < 2; i++) {
		const struct lyd_node *leaf = model_child(translation, leaves[i]);

		for (; leaf != NULL; leaf = model_next(leaf))
			check_claim_fits(checker, leaf);
	}
	if (!destination)
		return;
	for (const struct lyd_node *leaf = model_child(translation, "to-ip"); leaf != NULL;
		leaf = model_next(leaf))
		check_claim_fits(checker, leaf);
	if (model_child(translation, "to-set") != NULL)
		check_wrong(checker, model_child(translation, "to-set"), NULL,
			"write to-ip: the router has to know what it answers for",
			"to-set cannot say which addresses a router translates");
}

/* ---- by kind of firewall ------------------------------------------------------------------------
 */

static void
check_routed_translation(
	struct checker *checker, const struct lyd_node *translation, const char *kind)
{
	const struct lyd_node *to = model_child(translation, "to");
	bool destination = strcmp(kind, "destination") == 0;

	if (destination && to != NULL)
		check_wrong(checker, to, NULL, "remove it",
			"to: it goes to the zone of its destination");
	else if (!destination && to == NULL && !build_is_broken(translation))
		check_wrong(checker, translation, "to", "add to: ZONE",
			"translation '%s' does not say behind which zone the outside is",
			model_key(translation));
	check_claims(checker, translation, destination);
}

static void
check_transparent_translation(struct checker *checker, const struct lyd_node *translation)
{
	const struct lyd_node *to = model_child(translation, "to");
	const struct lyd_node *masquerade = model_child(translation, "masquerade");

	if (to != NULL)
		check_wrong(checker, to, NULL, "remove it: there is one port outside",
			"to goes with router");
	if (model_flag(translation, "masquerade", false))
		check_wrong(checker, masquerade, NULL,
			"write source: ADDRESS, or guard a router: router: NAME",
			"masquerade goes with router: only that has an address outside");
}

static void
check_port_block(struct checker *checker, const struct lyd_node *translation, const char *kind)
{
	const struct lyd_node *leaf = model_child(translation, "port-block");
	struct weft_port_range ports = { 1024, 65535 };
	uint64_t size = model_number(translation, "port-block", 64);

	if (leaf == NULL)
		return;
	if (strcmp(kind, "source") != 0 && strcmp(kind, "masquerade") != 0)
		check_wrong(checker, leaf, NULL, "remove it",
			"port-block goes with source and masquerade, not %s", kind);
	if (size % 64 != 0)
		check_wrong(checker, leaf, NULL,
			check_key(checker, "write %u", (unsigned)(size / 64 * 64)),
			"port-block: expected a multiple of 64");
	else if (model_text(translation, "ports") != NULL &&
		 value_ports(model_text(translation, "ports"), &ports) &&
		 (ports.first + 63u) / 64 * 64 + size > ports.last + 1u)
		check_wrong(checker, leaf, NULL, "write more ports, or a smaller block",
			"ports %s hold no block of %u", model_text(translation, "ports"),
			(unsigned)size);
}

static void
check_mapping(struct checker *checker, const struct lyd_node *translation, const char *kind)
{
	const struct lyd_node *mapping = model_child(translation, "mapping");
	const struct lyd_node *filtering = model_child(translation, "filtering");
	bool maps = mapping != NULL && strcmp(model_value(mapping), "endpoint-independent") == 0;

	if (maps && strcmp(kind, "source") != 0 && strcmp(kind, "masquerade") != 0)
		check_wrong(checker, mapping, NULL, "remove it",
			"mapping goes with source and masquerade, not %s", kind);
	else if (!maps && filtering != NULL && !(filtering->flags & LYD_DEFAULT))
		check_wrong(checker, filtering, NULL, "add mapping: endpoint-independent",
			"filtering is of mappings that are endpoint-independent");
}

void
check_inside(struct checker *checker, const struct lyd_node *firewall)
{
	const struct lyd_node *inside = model_child(firewall, "inside");

	if (inside == NULL || (inside->flags & LYD_DEFAULT))
		return;
	check_wrong(checker, inside, NULL, "remove it: translations name zones, from and to",
		"inside is a port of a firewall without a router");
}

/* ---- translations
 * --------------------------------------------------------------------------------- */

/* The leaves that each kind has; the first is what makes it one. */
static const char *const kinds[][2] = { { "source", "ports" }, { "destination", "port" },
	{ "prefix", "outside" }, { "masquerade", "ports" } };

#define KINDS 4
#define ONE_TO_ONE 2
#define MASQUERADE 3

/* Which kind it is; -1: none, or several, which is told. */
static int
kind_of(struct checker *checker, const struct lyd_node *translation)
{
	int kind = -1;

	for (int i = 0; i < KINDS; i++) {
		const struct lyd_node *leaf = model_child(translation, kinds[i][0]);

		if (leaf == NULL ||
			(i == MASQUERADE && !model_flag(translation, kinds[i][0], false)))
			continue;
		if (kind >= 0) {
			check_wrong(checker, leaf, NULL, "make two translations of it",
				"%s cannot stand beside %s", kinds[i][0], kinds[kind][0]);
			return -1;
		}
		kind = i;
	}
	if (kind < 0 && !build_is_broken(translation))
		check_wrong(checker, translation, NULL,
			checker->is_routed ? "add masquerade: true, source: ADDRESS, destination: "
					     "ADDRESS, or prefix: and outside:"
					   : "add source: ADDRESS, destination: ADDRESS, or "
					     "prefix: and outside:",
			"translation '%s' says nothing", model_key(translation));
	return kind;
}

static void
check_foreign_leaves(struct checker *checker, const struct lyd_node *translation, int kind)
{
	for (int i = 0; i < MASQUERADE; i++) {
		const struct lyd_node *leaf = model_child(translation, kinds[i][1]);

		if (strcmp(kinds[i][1], kinds[kind][1]) != 0 && leaf != NULL)
			check_wrong(checker, leaf, NULL, "remove it", "%s goes with %s, not %s",
				kinds[i][1], kinds[i][0], kinds[kind][0]);
	}
}

static void
check_one_to_one(struct checker *checker, const struct lyd_node *translation)
{
	const char *inside = model_text(translation, "prefix");
	const char *outside = model_text(translation, "outside");
	struct weft_prefix a, b;

	if (outside == NULL) {
		if (!build_is_broken(translation))
			check_wrong(checker, translation, "outside", "add outside: PREFIX",
				"prefix without outside");
		return;
	}
	if (!value_match(inside, &a) || !value_match(outside, &b))
		return;
	if (a.family != b.family || a.length != b.length)
		check_wrong(checker, model_child(translation, "outside"), NULL,
			check_key(checker, "write a prefix of IPv%u with /%u", a.family, a.length),
			"%s and %s are not as long", inside, outside);
}

static void
check_source_family(struct checker *checker, const struct lyd_node *translation, const char *leaf)
{
	const struct lyd_node *first = model_child(translation, leaf), *node;
	struct weft_prefix a, b;

	if (first == NULL || !value_match(model_value(first), &a))
		return;
	for (node = model_next(first); node != NULL; node = model_next(node))
		if (value_match(model_value(node), &b) && a.family != b.family)
			check_wrong(checker, node, NULL, "make two translations of it",
				"%s has addresses of both families", leaf);
	check_families(checker, translation, a.family, leaf);
}

static void
check_translation(struct checker *checker, const struct lyd_node *firewall,
	const struct lyd_node *translation)
{
	const struct lyd_node *protocol = model_child(translation, "protocol");
	struct model_subject subject = { .has_protocol = true, .protocol = IPPROTO_TCP };
	int kind = kind_of(checker, translation);

	check_zones_named(checker, firewall, translation, "from");
	check_zones_named(checker, firewall, translation, "to");
	check_sets_named(checker, translation);
	if (protocol != NULL && check_subject(checker, protocol, &subject))
		check_ports_fit(checker, translation, &subject,
			check_key(checker, "protocol: %s", model_value(protocol)));
	if (protocol == NULL && model_child(translation, "port") != NULL &&
		model_child(translation, "to-port") == NULL &&
		model_child(translation, "to-port-set") == NULL)
		check_doubt(checker, model_child(translation, "port"), NULL,
			"add protocol: and to-port:", "all ports of the address go to one");
	if (kind < 0)
		return;
	check_foreign_leaves(checker, translation, kind);
	check_mapping(checker, translation, kinds[kind][0]);
	check_port_block(checker, translation, kinds[kind][0]);
	if (checker->is_routed)
		check_routed_translation(checker, translation, kinds[kind][0]);
	else
		check_transparent_translation(checker, translation);
	if (kind == ONE_TO_ONE)
		check_one_to_one(checker, translation);
	else if (kind != MASQUERADE)
		check_source_family(checker, translation, kinds[kind][0]);
}

void
check_translations(struct checker *checker, const struct lyd_node *firewall)
{
	const struct lyd_node *node = model_child(firewall, "translations");
	const struct lyd_node *inside = model_child(firewall, "inside");

	if (checker->is_routed)
		check_inside(checker, firewall);
	if (node == NULL || build_is_broken(firewall))
		return;
	if (model_firewall_switches(firewall))
		check_wrong(checker, node, NULL,
			"translate at a router (router: NAME), or at a firewall of two ports",
			"a firewall of more than two ports does not translate");
	else if (!checker->is_routed && model_entry(firewall, "ports", model_value(inside)) == NULL)
		check_wrong(checker, inside->flags & LYD_DEFAULT ? node : inside, NULL,
			check_reference_hint(checker, model_child(firewall, "ports"), "ports",
				model_value(inside)),
			"firewall '%s' has no port '%s' to translate behind%s", model_key(firewall),
			model_value(inside), inside->flags & LYD_DEFAULT ? " (inside)" : "");
	for (; node != NULL; node = model_next(node))
		check_translation(checker, firewall, node);
}
