/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/internet.h"

#include "model/build.h"
#include "model/schema.h"
#include "model/text.h"
#include "model/value.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#define SHARED_SPACE 0x64400000u /* 100.64.0.0/10, RFC 6598: of nobody's own networks */
#define SHARED_BITS 10
#define LENGTH 30

/* ---- what it comes to ---------------------------------------------------------------------------
 */

/* FNV-1a: the same on every machine and at every start. */
static uint32_t
hash_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

static void
choose_prefix(const char *name, struct weft_prefix *prefix)
{
	uint32_t most = 1u << (LENGTH - SHARED_BITS);
	uint32_t word = htobe32(SHARED_SPACE + (hash_of(name) % most << (32 - LENGTH)));

	*prefix = (struct weft_prefix){ .family = 4, .length = LENGTH };
	memcpy(prefix->address, &word, sizeof(word));
}

/* The network's name, where it fits; else what of it does, and its hash. */
static void
choose_interface(const char *name, char interface[IFNAMSIZ])
{
	if (strlen(name) <= IFNAMSIZ - 1 - 4)
		snprintf(interface, IFNAMSIZ, "out-%.11s", name);
	else
		snprintf(interface, IFNAMSIZ, "out-%.6s-%04x", name, hash_of(name) & 0xffff);
}

static const struct lyd_node *
find_router(const struct lyd_node *network)
{
	const struct lyd_node *routers = model_child(network, "routers");
	const char *name = model_text(network, "internet-router");

	if (name != NULL)
		return model_entry(network, "routers", name);
	return routers != NULL && model_next(routers) == NULL ? routers : NULL;
}

bool
internet_of(const struct lyd_node *network, struct internet *internet)
{
	const char *prefix = model_text(network, "internet-prefix");

	if (model_child(network, "internet") == NULL)
		return false;
	internet->router = find_router(network);
	if (prefix == NULL || !value_match(prefix, &internet->prefix))
		choose_prefix(model_key(network), &internet->prefix);
	choose_interface(model_key(network), internet->interface);
	return true;
}

/* ---- the objects --------------------------------------------------------------------------------
 */

struct growth {
	const struct lyd_node *network;
	const struct internet *internet;
	bool failed; /* no memory */
};

/* NULL: there is one already, or no memory. */
static struct lyd_node *
add_entry(struct growth *growth, const struct lyd_node *parent, const char *list, const char *key)
{
	struct lyd_node *entry = NULL;

	if (model_entry(parent, list, key) != NULL)
		return NULL;
	if (lyd_new_list((struct lyd_node *)(uintptr_t)parent, NULL, list, 0, &entry, key) !=
		LY_SUCCESS) {
		growth->failed = true;
		return NULL;
	}
	return entry;
}

static void
set(struct growth *growth, struct lyd_node *parent, const char *name, const char *value)
{
	if (parent != NULL && lyd_new_term(parent, NULL, name, value, 0, NULL) != LY_SUCCESS)
		growth->failed = true;
}

/* The prefix's address of that number, "100.64.0.1/30". */
static const char *
address(const struct growth *growth, unsigned number, bool with_length, char text[32])
{
	uint8_t bytes[4];
	char words[INET_ADDRSTRLEN];

	memcpy(bytes, growth->internet->prefix.address, sizeof(bytes));
	bytes[3] = (uint8_t)(bytes[3] + number);
	inet_ntop(AF_INET, bytes, words, sizeof(words));
	snprintf(text, 32, with_length ? "%s/%u" : "%s", words, LENGTH);
	return text;
}

static void
add_host_side(struct growth *growth)
{
	struct lyd_node *nic, *attach = NULL;
	char text[32];

	add_entry(growth, growth->network, "switches", INTERNET);
	nic = add_entry(growth, growth->network, "nics", INTERNET);
	set(growth, nic, "switch", INTERNET);
	set(growth, nic, "ip", address(growth, 1, true, text));
	if (nic != NULL && lyd_new_inner(nic, NULL, "attach", 0, &attach) != LY_SUCCESS)
		growth->failed = true;
	set(growth, attach, "host", "true");
	set(growth, attach, "name", growth->internet->interface);
}

static void
add_router_side(struct growth *growth)
{
	const struct lyd_node *router = growth->internet->router;
	struct lyd_node *port = add_entry(growth, router, "ports", INTERNET);
	struct lyd_node *route = add_entry(growth, router, "routes", "0.0.0.0/0");
	char text[32];

	set(growth, port, "switch", INTERNET);
	set(growth, port, "ip", address(growth, 2, true, text));
	set(growth, route, "via", address(growth, 1, false, text));
}

/* All other ports are one zone: between them nothing is judged. */
static void
add_inside_zone(struct growth *growth, struct lyd_node *firewall)
{
	const struct lyd_node *port = model_child(growth->internet->router, "ports");
	struct lyd_node *zone = NULL;

	for (; port != NULL; port = model_next(port)) {
		if (strcmp(model_key(port), INTERNET) == 0)
			continue;
		if (zone == NULL)
			zone = add_entry(growth, firewall, "zones", "inside");
		set(growth, zone, "ports", model_key(port));
	}
}

/* That lets nothing in. */
static struct lyd_node *
add_firewall(struct growth *growth)
{
	struct lyd_node *firewall =
		add_entry(growth, growth->network, "firewalls", INTERNET_FIREWALL);
	struct lyd_node *rule;

	if (firewall == NULL)
		return NULL;
	set(growth, firewall, "router", model_key(growth->internet->router));
	add_inside_zone(growth, firewall);
	rule = add_entry(growth, firewall, "rules", "out");
	set(growth, rule, "accept", "any");
	set(growth, rule, "to", INTERNET);
	return firewall;
}

static const struct lyd_node *
find_guard(const struct growth *growth)
{
	const struct lyd_node *firewall = model_child(growth->network, "firewalls");
	const char *router = model_key(growth->internet->router);

	for (; firewall != NULL; firewall = model_next(firewall)) {
		const char *guarded = model_text(firewall, "router");

		if (guarded != NULL && strcmp(guarded, router) == 0)
			return firewall;
	}
	return NULL;
}

/* The zone that its port is in. */
static const char *
zone_of(const struct lyd_node *firewall)
{
	const struct lyd_node *zone = model_child(firewall, "zones"), *leaf;

	for (; zone != NULL; zone = model_next(zone))
		for (leaf = model_child(zone, "ports"); leaf != NULL; leaf = model_next(leaf))
			if (strcmp(model_value(leaf), INTERNET) == 0)
				return model_key(zone);
	return INTERNET;
}

static void
add_translation(struct growth *growth)
{
	const struct lyd_node *guard = find_guard(growth);
	struct lyd_node *translation;

	if (guard == NULL)
		guard = add_firewall(growth);
	if (guard == NULL)
		return;
	translation = add_entry(growth, guard, "translations", INTERNET);
	set(growth, translation, "masquerade", "true");
	set(growth, translation, "protocol", "ipv4");
	set(growth, translation, "to", zone_of(guard));
}

int
internet_expand(struct lyd_node *network)
{
	struct internet internet;
	struct growth growth = { .network = network, .internet = &internet };

	if (!internet_of(network, &internet) || internet.router == NULL)
		return 0;
	add_host_side(&growth);
	add_router_side(&growth);
	add_translation(&growth);
	return growth.failed ? -1 : 0;
}

/* ---- out of sight -------------------------------------------------------------------------------
 */

/* What was written has a place. */
static void
hide(const struct lyd_node *parent, const char *list, const char *key)
{
	struct lyd_node *entry = (struct lyd_node *)(uintptr_t)model_entry(parent, list, key);

	if (entry != NULL && build_place(entry).line == 0)
		entry->flags |= LYD_DEFAULT;
}

void
internet_hide(const struct lyd_node *network)
{
	struct internet internet;
	struct growth growth = { .network = network, .internet = &internet };

	if (!internet_of(network, &internet) || internet.router == NULL)
		return;
	hide(find_guard(&growth), "translations", INTERNET);
	hide(network, "firewalls", INTERNET_FIREWALL);
	hide(internet.router, "ports", INTERNET);
	hide(internet.router, "routes", "0.0.0.0/0");
	hide(network, "nics", INTERNET);
	hide(network, "switches", INTERNET);
}

bool
internet_is_in(const struct lyd_node *networks)
{
	struct internet internet;

	for (; networks != NULL; networks = model_next(networks))
		if (internet_of(networks, &internet))
			return true;
	return false;
}

/* Of the copy's entries one that is default in the original: copying forgets that. */
static void
take_out(const struct lyd_node *original, const struct lyd_node *copy, const char *list,
	const char *key)
{
	const struct lyd_node *entry = model_entry(original, list, key);

	if (entry != NULL && (entry->flags & LYD_DEFAULT))
		lyd_free_tree((struct lyd_node *)(uintptr_t)model_entry(copy, list, key));
}

static void
take_out_all(const struct lyd_node *network, const struct lyd_node *copy)
{
	struct internet internet, other;
	struct growth growth = { .network = network, .internet = &internet };
	const struct lyd_node *guard;

	if (!internet_of(network, &internet) || internet.router == NULL ||
		!internet_of(copy, &other) || other.router == NULL)
		return;
	guard = find_guard(&growth);
	if (guard != NULL)
		take_out(guard, model_entry(copy, "firewalls", model_key(guard)), "translations",
			INTERNET);
	take_out(network, copy, "firewalls", INTERNET_FIREWALL);
	take_out(internet.router, other.router, "ports", INTERNET);
	take_out(internet.router, other.router, "routes", "0.0.0.0/0");
	take_out(network, copy, "nics", INTERNET);
	take_out(network, copy, "switches", INTERNET);
}

static const struct lyd_node *
first_network(const struct lyd_node *tree)
{
	while (tree != NULL && strcmp(tree->schema->name, "networks") != 0)
		tree = tree->next;
	return tree;
}

struct lyd_node *
internet_without(const struct lyd_node *tree)
{
	const struct lyd_node *network = first_network(tree), *other;
	struct lyd_node *copy;

	if (lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS, &copy) !=
		LY_SUCCESS)
		return NULL;
	for (other = first_network(copy); network != NULL && other != NULL;
		network = model_next(network), other = model_next(other))
		take_out_all(network, other);
	return copy;
}
