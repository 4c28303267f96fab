/* SPDX-License-Identifier: BSD-3-Clause */
/* Routers and their ports: where they are, whom they peer with, their addresses. */
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#include <stdlib.h>
#include <string.h>

#define NAME_LENGTH 63      /* of wt:name */
#define LEAST_IPV6_MTU 1280 /* RFC 8200, section 5 */

/* ---- where a port is -------------------------------------------------------------------- */

static const char *const joints[] = { "switch", "uplink", "peer" };

/* The leaf that says it, or NULL; a second one is told. */
static const struct lyd_node *
joint_of(struct checker *checker, const struct lyd_node *port)
{
	const struct lyd_node *first = NULL, *leaf;

	for (unsigned i = 0; i < sizeof(joints) / sizeof(*joints); i++) {
		leaf = model_child(port, joints[i]);
		if (first != NULL && leaf != NULL)
			check_wrong(checker, leaf, NULL,
				"a port is on one switch, one uplink or one link, or has one peer",
				"%s cannot stand beside %s", joints[i], first->schema->name);
		if (first == NULL)
			first = leaf;
	}
	return first;
}

/* The port that is made on the switch for it: ROUTER.PORT. */
static void
declare_on_switch(struct checker *checker, const struct lyd_node *router,
	const struct lyd_node *port, const struct lyd_node *leaf)
{
	const char *name = check_key(checker, "%s.%s", model_key(router), model_key(port)), *key;
	const struct lyd_node *device = check_named_switch(checker, leaf), *before;

	if (device == NULL || name == NULL)
		return;
	if (strlen(name) > NAME_LENGTH) {
		check_wrong(checker, leaf, NULL, "shorten one of them",
			"the port that is made on the switch is named ROUTER.PORT, which has %zu "
			"characters, more than %u",
			strlen(name), NAME_LENGTH);
		return;
	}
	key = check_key(checker, "%s:%s", model_key(device), name);
	before = check_claim(checker, &checker->ports, key, port);
	if (before == NULL) {
		check_use_port(checker, key, port, leaf);
		return;
	}
	check_wrong(checker, leaf, NULL, "give one of them another name",
		"the port that is made on switch '%s' would be '%s', as is that of %s",
		model_key(device), name, check_where(checker, before));
}

static void
declare_port(struct checker *checker, const struct lyd_node *router, const struct lyd_node *port)
{
	const struct lyd_node *joint = joint_of(checker, port);
	const char *key = check_key(checker, "%s:%s", model_key(router), model_key(port));

	check_claim(checker, &checker->ports, key, port);
	if (joint == NULL)
		return;
	check_use_port(checker, key, port, joint);
	if (strcmp(joint->schema->name, "switch") == 0)
		declare_on_switch(checker, router, port, joint);
}

void
check_declare_router(struct checker *checker, const struct lyd_node *router)
{
	const struct lyd_node *device = name_map_get(&checker->switches, model_key(router)), *port;

	if (device != NULL) {
		check_wrong(checker, router, NULL,
			"the devices of a network need names of their own",
			"router '%s' has the name of %s", model_key(router),
			check_where(checker, device));
		return;
	}
	if (name_map_put(&checker->routers, model_key(router), (void *)(uintptr_t)router) < 0)
		checker->failed = true;
	for (port = model_child(router, "ports"); port != NULL; port = model_next(port))
		declare_port(checker, router, port);
}

static void
check_place(struct checker *checker, const struct lyd_node *port)
{
	const struct lyd_node *vlan = model_child(port, "vlan");
	const struct lyd_node *uplink = model_child(port, "uplink");

	if (uplink != NULL)
		check_uplink_vlan(checker, port, "vlan");
	if (vlan != NULL && uplink == NULL && model_child(port, "switch") == NULL &&
		!build_is_broken(port))
		check_wrong(checker, vlan, NULL, "say of which: switch: NAME, or uplink: NAME",
			"vlan without a switch or an uplink");
}

/* ---- peers ------------------------------------------------------------------------------ */

/* The router of a peer's name, "NETWORK/ROUTER:PORT" with its length, or NULL, told. */
static const struct lyd_node *
peer_router(struct checker *checker, const struct lyd_node *leaf, const struct lyd_node *network,
	const char *name)
{
	const struct lyd_node *router = model_entry(network, "routers", name);

	if (router == NULL && !build_is_broken(network))
		check_wrong(checker, leaf, NULL,
			check_reference_hint(
				checker, model_child(network, "routers"), "routers", name),
			"there is no router '%s' in network '%s'", name, model_key(network));
	return router;
}

static const struct lyd_node *
peer_network(
	struct checker *checker, const struct lyd_node *leaf, const char *own, const char *name)
{
	const struct lyd_node *network = name_map_get(&checker->networks, name);
	const char *peer = model_value(leaf);

	if (network == NULL) {
		check_wrong(checker, leaf, NULL,
			check_reference_hint(checker, checker->first_network, "networks", name),
			"there is no network '%s'", name);
		return NULL;
	}
	if (network != checker->network)
		return network;
	if (strcmp(own, peer) == 0)
		check_wrong(checker, leaf, NULL, "name a port of another network's router",
			"a port cannot be its own peer");
	else
		check_wrong(checker, leaf, NULL,
			check_key(checker, "join them under links: - { ends: [%s, %s] }",
				strchr(own, '/') + 1, strchr(peer, '/') + 1),
			"a peer is of another network, and '%s' is of this one", peer);
	return NULL;
}

/* The other end, or NULL, told. */
static const struct lyd_node *
peer_port(struct checker *checker, const struct lyd_node *leaf, const char *own)
{
	const char *text = model_value(leaf), *slash = strchr(text, '/');
	const char *colon = strchr(slash, ':');
	const char *network_name = check_key(checker, "%.*s", (int)(slash - text), text);
	const char *router_name = check_key(checker, "%.*s", (int)(colon - slash - 1), slash + 1);
	const struct lyd_node *node, *port;

	if (network_name == NULL || router_name == NULL)
		return NULL;
	node = peer_network(checker, leaf, own, network_name);
	if (node != NULL)
		node = peer_router(checker, leaf, node, router_name);
	if (node == NULL)
		return NULL;
	port = model_entry(node, "ports", colon + 1);
	if (port == NULL && !build_is_broken(node))
		check_wrong(checker, leaf, NULL,
			check_reference_hint(
				checker, model_child(node, "ports"), "ports", colon + 1),
			"router '%s' of network '%s' has no port '%s'", router_name, network_name,
			colon + 1);
	return port;
}

static void
check_peer_addresses(
	struct checker *checker, const struct lyd_node *port, const struct lyd_node *other)
{
	const struct lyd_node *ip = model_child(port, "ip"), *before;
	struct weft_prefix a, b;

	for (; ip != NULL; ip = model_next(ip))
		for (before = model_child(other, "ip"); before != NULL; before = model_next(before))
			if (value_address(model_value(ip), true, &a) &&
				value_address(model_value(before), true, &b) &&
				a.family == b.family &&
				memcmp(a.address, b.address, sizeof(a.address)) == 0)
				check_wrong(checker, ip, NULL,
					"the two ends of a peering need addresses of their own",
					"address %s is used already by the peer, %s",
					check_bare_address(checker, ip),
					check_where(checker, before));
}

static void
check_peer(struct checker *checker, const struct lyd_node *router, const struct lyd_node *port)
{
	const struct lyd_node *leaf = model_child(port, "peer"), *other, *back;
	const char *own = check_key(checker, "%s/%s:%s", model_key(checker->network),
		model_key(router), model_key(port));

	if (leaf == NULL || own == NULL)
		return;
	other = peer_port(checker, leaf, own);
	if (other == NULL)
		return;
	back = model_child(other, "peer");
	if (back != NULL && strcmp(model_value(back), own) == 0) {
		/* the one end that both have told of is enough */
		if (strcmp(own, model_value(leaf)) > 0)
			check_peer_addresses(checker, port, other);
		return;
	}
	if (build_is_broken(other))
		return;
	check_wrong(checker, leaf, NULL, check_key(checker, "write there: peer: %s", own),
		back == NULL ? "%s does not name this port as its peer" : "%s has another peer: %s",
		model_value(leaf), back != NULL ? model_value(back) : "");
}

/* ---- addresses -------------------------------------------------------------------------- */

/* Of a link's two ends the one that is not `key`. */
static const char *
other_end(const struct lyd_node *link, const char *key)
{
	const struct lyd_node *end = model_child(link, "ends");

	while (end != NULL && strcmp(model_value(end), key) == 0)
		end = model_next(end);
	return end != NULL ? model_value(end) : NULL;
}

static const char *
vlan_domain(struct checker *checker, const char *device, const char *vlan)
{
	return check_key(checker, "%s %s", device, vlan != NULL ? vlan : "1");
}

/* Names those who hear the port's ARP (see check_claim_address); NULL: not known. */
static const char *
domain_of(struct checker *checker, const struct lyd_node *router, const struct lyd_node *port)
{
	const char *key = check_key(checker, "%s:%s", model_key(router), model_key(port)), *end;
	const char *device = model_text(port, "switch"), *vlan;
	const struct lyd_node *link, *other;

	if (device != NULL)
		return vlan_domain(checker, device, model_text(port, "vlan"));
	link = key != NULL ? name_map_get(&checker->uses, key) : NULL;
	if (link == NULL || strcmp(link->schema->name, "links") != 0)
		return NULL;
	end = other_end(link, key);
	other = end != NULL ? name_map_get(&checker->ports, end) : NULL;
	if (other == NULL)
		return NULL;
	if (!check_is_switch_port(other))
		return check_key(checker, "link %s", model_key(link));
	vlan = model_text(other, "vlan");
	return vlan_domain(checker, model_key(lyd_parent(other)),
		vlan != NULL ? vlan : model_text(other, "native"));
}

/* Why no port of a router can have it; NULL: it can. */
static const char *
refuse(const struct weft_prefix *address)
{
	struct weft_prefix network = *address;

	value_mask(&network);
	/* RFC 4291, section 2.6.1; RFC 6164: a prefix of 127 bits has none */
	if (address->family == 6 && address->length > 0 && address->length < 127 &&
		memcmp(&network, address, sizeof(network)) == 0 && address->address[0] != 0)
		return "is the address of the network itself";
	return check_refuse_address(address);
}

/* Whether the router has the address on another port already, which is told. */
static bool
is_own_already(struct checker *checker, const struct lyd_node *port, const struct lyd_node *leaf)
{
	const struct lyd_node *before =
		check_claim(checker, &checker->own, check_bare_address(checker, leaf), leaf);

	if (before == NULL || lyd_parent(before) == port)
		return false;
	check_wrong(checker, leaf, NULL, "give it to one of them",
		"address %s is used already by %s", check_bare_address(checker, leaf),
		check_where(checker, before));
	return true;
}

static void
check_port_address(struct checker *checker, const struct lyd_node *port,
	const struct lyd_node *leaf, const char *domain)
{
	struct weft_prefix prefix;
	const char *why;

	if (!value_address(model_value(leaf), true, &prefix))
		return;
	why = refuse(&prefix);
	if (why != NULL) {
		check_wrong(checker, leaf, NULL, "write the address of the port", "%s %s",
			model_value(leaf), why);
		return;
	}
	check_address_overlap(checker, leaf, &prefix);
	/* a link-local address is of its port alone */
	if (value_is_link_local(&prefix) || !is_own_already(checker, port, leaf))
		check_claim_address(checker, port, leaf, domain, NULL);
}

static void
check_mtu(struct checker *checker, const struct lyd_node *port)
{
	if (check_has_family(port, 6) && model_number(port, "mtu", 1500) < LEAST_IPV6_MTU)
		check_wrong(checker, model_child(port, "mtu"), NULL, "raise mtu",
			"IPv6 needs an mtu of at least %u", LEAST_IPV6_MTU);
}

static void
check_port(struct checker *checker, const struct lyd_node *router, const struct lyd_node *port)
{
	const char *domain = domain_of(checker, router, port);
	const struct lyd_node *ip = model_child(port, "ip");

	check_place(checker, port);
	check_peer(checker, router, port);
	for (; ip != NULL; ip = model_next(ip))
		check_port_address(checker, port, ip, domain);
	check_mac(checker, port, domain);
	check_mtu(checker, port);
	if (model_child(port, "switch") != NULL)
		check_overlay_mtu(
			checker, port, model_text(port, "switch"), model_text(port, "vlan"));
	check_hosts(checker, port);
}

void
check_router(struct checker *checker, const struct lyd_node *router)
{
	const struct lyd_node *port = model_child(router, "ports");

	/* it has the name of a switch, which is told */
	if (name_map_get(&checker->routers, model_key(router)) != router)
		return;
	for (; port != NULL; port = model_next(port))
		check_port(checker, router, port);
	check_routes(checker, router);
	name_map_free(&checker->own);
}
