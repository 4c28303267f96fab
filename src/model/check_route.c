/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the networks of a router's ports and its static routes are to each other. All prefixes
 * are sorted, so that what holds another comes before it, and each knows the nearest that
 * holds it: a look-up is a binary search and a walk outwards.
 */
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct weft_prefix prefix;   /* without host bits */
	const struct lyd_node *port; /* NULL: a static route */
	const struct lyd_node *node; /* leaf of ip, or entry of routes */
	unsigned order;              /* in the file */
	int outer;                   /* the nearest that holds it, or -1 */
};

struct table {
	struct entry *entries;
	unsigned count;
	bool broken; /* a port's addresses are not all known */
};

/* ---- the table -------------------------------------------------------------------------- */

static bool
holds(const struct weft_prefix *outer, const struct weft_prefix *inner)
{
	return outer->family == inner->family && outer->length <= inner->length &&
	       value_same_bits(outer->address, inner->address, outer->length);
}

static int
compare_prefixes(const struct weft_prefix *a, const struct weft_prefix *b)
{
	int order = a->family - b->family;

	if (order == 0)
		order = memcmp(a->address, b->address, sizeof(a->address));
	return order != 0 ? order : a->length - b->length;
}

/* Of equal prefixes the ports' come first. */
static int
compare_entries(const void *first, const void *second)
{
	const struct entry *a = first, *b = second;
	int order = compare_prefixes(&a->prefix, &b->prefix);

	return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static void
add(struct table *table, const struct lyd_node *port, const struct lyd_node *node,
	const struct weft_prefix *prefix)
{
	struct entry *entry = &table->entries[table->count];

	*entry = (struct entry){ *prefix, port, node, table->count, -1 };
	value_mask(&entry->prefix);
	table->count++;
}

/* A single address has no network, and link-local ones are on every port. */
static void
add_network(struct table *table, const struct lyd_node *port, const struct lyd_node *leaf)
{
	struct weft_prefix prefix;

	if (value_address(model_value(leaf), true, &prefix) && prefix.length > 0 &&
		prefix.length < (prefix.family == 6 ? 128 : 32) && !value_is_link_local(&prefix))
		add(table, port, leaf, &prefix);
}

static unsigned
count_prefixes(const struct lyd_node *router)
{
	const struct lyd_node *node, *ip;
	unsigned count = 0;

	for (node = model_child(router, "ports"); node != NULL; node = model_next(node))
		for (ip = model_child(node, "ip"); ip != NULL; ip = model_next(ip))
			count++;
	for (node = model_child(router, "routes"); node != NULL; node = model_next(node))
		count++;
	return count;
}

static void
sort(struct table *table)
{
	int outer;

	qsort(table->entries, table->count, sizeof(*table->entries), compare_entries);
	for (unsigned i = 0; i < table->count; i++) {
		outer = (int)i - 1;
		while (outer >= 0 &&
			!holds(&table->entries[outer].prefix, &table->entries[i].prefix))
			outer = table->entries[outer].outer;
		table->entries[i].outer = outer;
	}
}

static bool
make_table(struct table *table, const struct lyd_node *router)
{
	const struct lyd_node *node, *ip;
	struct weft_prefix prefix;

	table->entries = malloc((count_prefixes(router) + 1) * sizeof(*table->entries));
	if (table->entries == NULL)
		return false;
	table->broken = build_is_broken(router);
	for (node = model_child(router, "ports"); node != NULL; node = model_next(node)) {
		table->broken |= build_is_broken(node);
		for (ip = model_child(node, "ip"); ip != NULL; ip = model_next(ip))
			add_network(table, node, ip);
	}
	for (node = model_child(router, "routes"); node != NULL; node = model_next(node))
		if (value_address(model_key(node), true, &prefix))
			add(table, NULL, node, &prefix);
	sort(table);
	return true;
}

/* The longest prefix that holds the address, other than that of `route`; NULL: none does. */
static const struct entry *
find(const struct table *table, const struct weft_prefix *address, const struct lyd_node *route)
{
	int low = 0, high = (int)table->count;
	int at;

	while (low < high) {
		int middle = (low + high) / 2;

		if (compare_prefixes(&table->entries[middle].prefix, address) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (at = low - 1; at >= 0; at = table->entries[at].outer)
		if (table->entries[at].node != route && holds(&table->entries[at].prefix, address))
			return &table->entries[at];
	return NULL;
}

/* ---- networks of the ports -------------------------------------------------------------- */

static void
check_networks(struct checker *checker, const struct table *table)
{
	for (unsigned i = 0; i < table->count; i++) {
		const struct entry *inner = &table->entries[i], *outer, *later, *before;
		int at = inner->outer;

		if (inner->port == NULL)
			continue;
		while (at >= 0 &&
			(table->entries[at].port == NULL || table->entries[at].port == inner->port))
			at = table->entries[at].outer;
		if (at < 0)
			continue;
		outer = &table->entries[at];
		later = outer->order > inner->order ? outer : inner;
		before = later == outer ? inner : outer;
		check_wrong(checker, later->node, NULL,
			"each port of a router leads to a network of its own",
			"the network of %s overlaps that of %s, %s", model_value(later->node),
			model_value(before->node), check_where(checker, before->node));
	}
}

/* ---- next hops -------------------------------------------------------------------------- */

struct hop {
	const struct lyd_node *router, *route, *leaf;
	struct weft_prefix to;
	struct weft_prefix gateway; /* family 0: none */
	const struct lyd_node *port;
};

/* The port that is named; false: there is none, which is told. */
static bool
find_port(struct checker *checker, struct hop *hop, const char *name)
{
	const struct lyd_node *first = model_child(hop->router, "ports");
	const char *key = check_key(checker, "%s:%s", model_key(hop->router), name);

	hop->port = key != NULL ? name_map_get(&checker->ports, key) : NULL;
	if (hop->port == NULL && !build_is_broken(hop->router))
		check_wrong(checker, hop->leaf, NULL,
			check_reference_hint(checker, first, "ports", name),
			"router '%s' has no port '%s'", model_key(hop->router), name);
	return hop->port != NULL;
}

static bool
check_hop_port(struct checker *checker, const struct hop *hop)
{
	if (hop->port == NULL || check_has_family(hop->port, hop->to.family) ||
		build_is_broken(hop->port))
		return true;
	check_wrong(checker, hop->leaf, NULL,
		hop->to.family == 6 ? "give it one, or write there ipv6: true" : "give it one",
		"port '%s' has no IPv%u address to ask for neighbours from", model_key(hop->port),
		hop->to.family);
	return false;
}

static bool
is_own(struct checker *checker, const struct hop *hop, const char *address)
{
	const struct lyd_node *ip = model_child(hop->port, "ip");
	struct weft_prefix prefix;

	if (name_map_get(&checker->own, address) != NULL)
		return true;
	for (; ip != NULL; ip = model_next(ip))
		if (value_address(model_value(ip), true, &prefix) &&
			prefix.family == hop->gateway.family &&
			memcmp(prefix.address, hop->gateway.address, sizeof(prefix.address)) == 0)
			return true;
	return false;
}

/* What is wrong with the gateway by itself, told; false: nothing. */
static bool
refuse_gateway(struct checker *checker, const struct hop *hop, const char *address)
{
	const struct lyd_node *ports = model_child(hop->router, "ports");
	const char *why = check_refuse_address(&hop->gateway);

	if (hop->gateway.family != hop->to.family)
		check_wrong(checker, hop->leaf, NULL,
			check_key(checker, "write an IPv%u address", hop->to.family),
			"gateway %s is not of the family of %s", address, model_key(hop->route));
	else if (why != NULL)
		check_wrong(checker, hop->leaf, NULL, "write the address of a router",
			"gateway %s %s", address, why);
	else if (is_own(checker, hop, address))
		check_wrong(checker, hop->leaf, NULL, "a gateway is another router",
			"gateway %s is an address of router '%s' itself", address,
			model_key(hop->router));
	else if (value_is_link_local(&hop->gateway) && hop->port == NULL)
		check_wrong(checker, hop->leaf, NULL,
			check_key(checker, "write it as %s@%s", address,
				ports != NULL ? model_key(ports) : "PORT"),
			"a link-local gateway needs its port");
	else
		return false;
	return true;
}

/* A gateway without a port: whether it is in a network of a port, or behind a route. */
static void
check_reachable(struct checker *checker, const struct table *table, const struct hop *hop)
{
	const struct entry *entry = find(table, &hop->gateway, hop->route);
	struct weft_prefix host = hop->gateway;
	const char *why;

	if (entry == NULL && !table->broken) {
		check_doubt(checker, hop->leaf, NULL,
			"give a port an address of its network, or write ADDRESS@PORT",
			"gateway %s is not reachable at the moment: it is in no port's network, "
			"and behind no other route",
			model_value(hop->leaf));
		return;
	}
	if (entry == NULL || entry->port == NULL)
		return;
	host.length = entry->prefix.length;
	why = check_refuse_address(&host);
	if (why != NULL)
		check_wrong(checker, hop->leaf, NULL, "write the address of a router",
			"gateway %s %s", model_value(hop->leaf), why);
}

static void
check_hop(struct checker *checker, const struct table *table, struct hop *hop)
{
	char address[INET6_ADDRSTRLEN] = "";
	const char *port;

	if (!value_hop(model_value(hop->leaf), &hop->gateway, &port) ||
		(port != NULL && !find_port(checker, hop, port)) || !check_hop_port(checker, hop) ||
		hop->gateway.family == 0)
		return;
	inet_ntop(hop->gateway.family == 6 ? AF_INET6 : AF_INET, hop->gateway.address, address,
		sizeof(address));
	if (!refuse_gateway(checker, hop, address) && hop->port == NULL)
		check_reachable(checker, table, hop);
}

/* ---- routes ----------------------------------------------------------------------------- */

static void
check_hops(struct checker *checker, const struct table *table, const struct lyd_node *router,
	const struct lyd_node *route, const char *list)
{
	const struct lyd_node *leaf = model_child(route, list);
	struct weft_prefix to;
	unsigned count = 0;

	if (!value_address(model_key(route), true, &to))
		return;
	for (; leaf != NULL; leaf = model_next(leaf)) {
		struct hop hop = { router, route, leaf, .to = to };

		if (count++ == WEFT_ROUTE_HOPS)
			check_wrong(checker, leaf, NULL, "remove some",
				"%s: a route has at most %u", list, WEFT_ROUTE_HOPS);
		if (count <= WEFT_ROUTE_HOPS)
			check_hop(checker, table, &hop);
	}
}

/* Whether the type and what is beside it go together. */
static bool
check_type(struct checker *checker, const struct lyd_node *route)
{
	const char *type = model_text(route, "type");
	const struct lyd_node *via = model_child(route, "via");
	const struct lyd_node *hop = via != NULL ? via : model_child(route, "backup");

	if (strcmp(type, "forward") != 0 && hop != NULL) {
		check_wrong(checker, hop, NULL,
			"remove one of them: only a route of type forward leads on",
			"%s cannot stand beside type: %s", hop->schema->name, type);
		return false;
	}
	if (strcmp(type, "forward") != 0 || via != NULL)
		return true;
	if (!build_is_broken(route))
		check_wrong(checker, route, NULL,
			"add via: ADDRESS or PORT, or type: blackhole, unreachable or prohibit",
			hop != NULL ? "a route with backup alone" : "a route to nowhere");
	return false;
}

static bool
is_multicast(const struct weft_prefix *prefix)
{
	static const struct weft_prefix all[] = { { 4, 4, { 224 } }, { 6, 8, { 0xff } } };

	return holds(&all[prefix->family == 6], prefix);
}

/* A port's own network wins over every static route to it. */
static void
check_use(struct checker *checker, const struct table *table, const struct entry *route)
{
	const struct entry *outer = route;

	while (outer->outer >= 0) {
		outer = &table->entries[outer->outer];
		if (outer->prefix.length != route->prefix.length)
			return;
		if (outer->port == NULL)
			continue;
		check_doubt(checker, route->node, NULL, "remove it",
			"the route is never used: it is the network of %s",
			check_where(checker, outer->node));
		return;
	}
}

static void
check_route(struct checker *checker, const struct table *table, const struct lyd_node *router,
	const struct entry *entry)
{
	const struct lyd_node *route = entry->node;

	if (is_multicast(&entry->prefix))
		check_wrong(checker, route, NULL, "write a prefix of hosts' addresses",
			"'%s' is of multicast addresses", model_key(route));
	check_use(checker, table, entry);
	if (!check_type(checker, route))
		return;
	check_hops(checker, table, router, route, "via");
	check_hops(checker, table, router, route, "backup");
}

void
check_routes(struct checker *checker, const struct lyd_node *router)
{
	struct table table = { 0 };

	if (!make_table(&table, router)) {
		checker->failed = true;
		return;
	}
	check_networks(checker, &table);
	for (unsigned i = 0; i < table.count; i++)
		if (table.entries[i].port == NULL)
			check_route(checker, &table, router, &table.entries[i]);
	free(table.entries);
}
