/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewalls: their ports or zones; check_rule.c and check_translation.c look at what these do. */
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#define PORTS 2
#define ZONES_MOST 64

static void
find_guarded(struct checker *checker, const struct lyd_node *firewall)
{
	const char *router = model_text(firewall, "router");

	checker->is_routed = router != NULL;
	checker->guarded = router != NULL ? name_map_get(&checker->routers, router) : NULL;
	/* then its zones are of its own ports */
	if (model_firewall_switches(firewall))
		checker->guarded = firewall;
}

/* ---- zones --------------------------------------------------------------------------------------
 */

static void
check_zone_port(struct checker *checker, const struct lyd_node *router, const struct lyd_node *leaf,
	struct name_map *taken)
{
	const struct lyd_node *before;

	if (model_entry(router, "ports", model_value(leaf)) == NULL) {
		if (!build_is_broken(router))
			check_wrong(checker, leaf, NULL,
				check_reference_hint(checker, model_child(router, "ports"), "ports",
					model_value(leaf)),
				"%s '%s' has no port '%s'",
				checker->is_routed ? "router" : "firewall", model_key(router),
				model_value(leaf));
		return;
	}
	before = check_claim(checker, taken, model_value(leaf), leaf);
	if (before != NULL)
		check_wrong(checker, leaf, NULL, "a port is in one zone",
			"port '%s' is in zone '%s' already", model_value(leaf),
			model_key(lyd_parent(before)));
}

static void
check_zones(struct checker *checker, const struct lyd_node *firewall)
{
	const struct lyd_node *router = checker->guarded, *zone, *leaf;
	struct name_map taken = { 0 };
	unsigned count = 0;

	for (zone = model_child(firewall, "zones"); zone != NULL; zone = model_next(zone)) {
		for (leaf = model_child(zone, "ports"); router != NULL && leaf != NULL;
			leaf = model_next(leaf))
			check_zone_port(checker, router, leaf, &taken);
	}
	for (leaf = model_child(router, "ports"); leaf != NULL; leaf = model_next(leaf))
		count++;
	if (count > ZONES_MOST)
		check_wrong(checker,
			checker->is_routed ? model_child(firewall, "router") : firewall, NULL, NULL,
			"a firewall has at most %u ports, %s '%s' has %u", ZONES_MOST,
			checker->is_routed ? "router" : "firewall", model_key(router), count);
	name_map_free(&taken);
}

static void
check_routed(struct checker *checker, const struct lyd_node *firewall)
{
	const struct lyd_node *leaf = model_child(firewall, "router"), *before;
	const struct lyd_node *ports = model_child(firewall, "ports");

	if (checker->guarded == NULL && !build_is_broken(checker->network))
		check_wrong(checker, leaf, NULL,
			check_reference_hint(checker, model_child(checker->network, "routers"),
				"routers", model_value(leaf)),
			"there is no router '%s' in network '%s'", model_value(leaf),
			model_key(checker->network));
	if (ports != NULL)
		check_wrong(checker, ports, NULL, "remove ports, or router",
			"a firewall of a router has no ports of its own");
	before = check_claim(checker, &checker->guards, model_value(leaf), firewall);
	if (before != NULL)
		check_wrong(checker, leaf, NULL, "a router has one firewall",
			"router '%s' is guarded already by %s", model_value(leaf),
			check_where(checker, before));
	check_zones(checker, firewall);
}

static void
check_transparent(struct checker *checker, const struct lyd_node *firewall)
{
	const struct lyd_node *port = model_child(firewall, "ports");
	const struct lyd_node *zones = model_child(firewall, "zones");
	unsigned count = 0;

	for (; port != NULL; port = model_next(port))
		count++;
	if (count > PORTS)
		check_zones(checker, firewall);
	else if (zones != NULL)
		check_wrong(checker, zones, NULL,
			"add router: NAME, or more ports, or remove zones",
			"firewall '%s' has neither a router nor more than %u ports, of which zones "
			"could be made",
			model_key(firewall), PORTS);
	if (count < PORTS && !build_is_broken(firewall))
		check_doubt(checker, firewall, "ports", "add ports: { in: {}, out: {} }",
			"firewall '%s' has %u of its %u ports: nothing passes", model_key(firewall),
			count, PORTS);
}

/* ---- the whole
 * ------------------------------------------------------------------------------------- */

void
check_declare_firewall(struct checker *checker, const struct lyd_node *firewall)
{
	struct name_map *const others[] = { &checker->switches, &checker->routers,
		&checker->tunnels };
	const struct lyd_node *device = NULL, *port;

	for (unsigned i = 0; i < 3 && device == NULL; i++)
		device = name_map_get(others[i], model_key(firewall));
	if (device != NULL) {
		check_wrong(checker, firewall, NULL,
			"the devices of a network need names of their own",
			"firewall '%s' has the name of %s", model_key(firewall),
			check_where(checker, device));
		return;
	}
	if (name_map_put(&checker->firewalls, model_key(firewall), (void *)(uintptr_t)firewall) < 0)
		checker->failed = true;
	for (port = model_child(firewall, "ports"); port != NULL; port = model_next(port))
		check_claim(checker, &checker->ports,
			check_key(checker, "%s:%s", model_key(firewall), model_key(port)), port);
}

void
check_firewall(struct checker *checker, const struct lyd_node *firewall)
{
	static const char *const timeouts[] = { "tcp", "tcp-opening", "tcp-closing", "udp",
		"udp-reply", "icmp", "other" };
	const struct lyd_node *container = model_child(firewall, "timeouts"), *rule;

	/* it has the name of another device, which is told */
	if (name_map_get(&checker->firewalls, model_key(firewall)) != firewall)
		return;
	find_guarded(checker, firewall);
	if (checker->is_routed)
		check_routed(checker, firewall);
	else
		check_transparent(checker, firewall);
	for (rule = model_child(firewall, "rules"); rule != NULL; rule = model_next(rule))
		check_rule(checker, firewall, rule);
	check_translations(checker, firewall);
	for (unsigned i = 0; i < sizeof(timeouts) / sizeof(*timeouts); i++)
		check_duration(checker, container, timeouts[i], 1000, 30 * 86400000ull,
			"a duration from 1s to 30d");
}
