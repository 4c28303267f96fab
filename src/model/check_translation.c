/* SPDX-License-Identifier: BSD-3-Clause */
/* Translations, by whether the firewall is one of a router. */
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

void
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

void
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

void
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

void
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
