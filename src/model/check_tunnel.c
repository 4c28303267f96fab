/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels: their routers, their addresses, the switches that they lead to. */
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#include <string.h>

#define NAME_LENGTH 63 /* of wt:name */

/* ---- ports on switches ------------------------------------------------------------------ */

/* The port that is made on the switch for a remote: TUNNEL.VNI.REMOTE. */
static void
declare_remote(struct checker *checker, const struct lyd_node *vni, const struct lyd_node *device,
	const struct lyd_node *remote)
{
	const struct lyd_node *tunnel = lyd_parent(vni), *before;
	char port[MODEL_REMOTE_SIZE];
	const char *name, *key;

	model_remote_name(vni, model_value(remote), port);
	name = check_key(checker, "%s.%s", model_key(tunnel), port);
	if (name == NULL)
		return;
	if (strlen(name) > NAME_LENGTH) {
		check_wrong(checker, remote, NULL, "shorten the name of the tunnel",
			"the port that is made on the switch is named TUNNEL.VNI.REMOTE, which has "
			"%zu characters, more than %u",
			strlen(name), NAME_LENGTH);
		return;
	}
	key = check_key(checker, "%s:%s", model_key(device), name);
	before = check_claim(checker, &checker->ports, key, vni);
	if (before == NULL)
		check_use_port(checker, key, vni, remote);
	else
		check_wrong(checker, remote, NULL, "give one of them another name",
			"the port that is made on switch '%s' would be '%s', as is that of %s",
			model_key(device), name, check_where(checker, before));
}

static void
declare_vni(struct checker *checker, const struct lyd_node *vni)
{
	const struct lyd_node *leaf = model_child(vni, "switch"), *device, *remote;

	if (leaf == NULL) {
		if (!build_is_broken(vni))
			check_wrong(checker, vni, "switch", "add switch: NAME",
				"VNI %s leads to no switch", model_key(vni));
		return;
	}
	device = check_named_switch(checker, leaf);
	if (device == NULL)
		return;
	for (remote = model_child(vni, "remotes"); remote != NULL; remote = model_next(remote))
		declare_remote(checker, vni, device, remote);
	/* of several the first one counts */
	check_claim(checker, &checker->overlays,
		check_key(checker, "%s %s", model_key(device), model_text(vni, "vlan")), vni);
}

/* ---- the port on the router --------------------------------------------------------------- */

/* Of the network at hand; `place`: where it is said. */
static void
declare_service(struct checker *checker, const struct lyd_node *router,
	const struct lyd_node *tunnel, const struct lyd_node *place)
{
	const struct lyd_node *before;
	char name[MODEL_NAME_SIZE];
	const char *key;

	if (!model_service_name(tunnel, name)) {
		check_wrong(checker, place, NULL, "shorten one of them",
			"the port that is made on the router is named NETWORK.TUNNEL, which has "
			"more than %u characters",
			NAME_LENGTH);
		return;
	}
	key = check_key(checker, "%s:%s", model_key(router), name);
	before = check_claim(checker, &checker->ports, key, tunnel);
	if (before == NULL)
		check_use_port(checker, key, tunnel, place);
	else
		check_wrong(checker, place, NULL, "give one of them another name",
			"the port that is made on router '%s' would be '%s', as is %s",
			model_key(router), name, check_where(checker, before));
}

void
check_declare_tunnel(struct checker *checker, const struct lyd_node *tunnel)
{
	const struct lyd_node *device = name_map_get(&checker->switches, model_key(tunnel)), *vni;
	const struct lyd_node *leaf = model_child(tunnel, "router"), *router;

	if (device == NULL)
		device = name_map_get(&checker->routers, model_key(tunnel));
	if (device != NULL) {
		check_wrong(checker, tunnel, NULL,
			"the devices of a network need names of their own",
			"tunnel '%s' has the name of %s", model_key(tunnel),
			check_where(checker, device));
		return;
	}
	if (name_map_put(&checker->tunnels, model_key(tunnel), (void *)(uintptr_t)tunnel) < 0)
		checker->failed = true;
	for (vni = model_child(tunnel, "vnis"); vni != NULL; vni = model_next(vni))
		declare_vni(checker, vni);
	if (leaf == NULL || strchr(model_value(leaf), '/') != NULL)
		return;
	router = name_map_get(&checker->routers, model_value(leaf));
	if (router != NULL)
		declare_service(checker, router, tunnel, leaf);
}

/* ---- routers of other networks ------------------------------------------------------------ */

/* Whether the router names the tunnel as one that it carries. */
static bool
carries(const struct lyd_node *router, const char *tunnel)
{
	const struct lyd_node *leaf = model_child(router, "tunnels");

	for (; leaf != NULL; leaf = model_next(leaf))
		if (strcmp(model_value(leaf), tunnel) == 0)
			return true;
	return false;
}

static const struct lyd_node *
find_network(struct checker *checker, const struct lyd_node *leaf, const char *name)
{
	const struct lyd_node *network = name_map_get(&checker->networks, name);

	if (network == NULL)
		check_wrong(checker, leaf, NULL,
			check_reference_hint(checker, checker->first_network, "networks", name),
			"there is no network '%s'", name);
	return network;
}

/* An entry of a list of any network, or NULL, told. `what`: "router". */
static const struct lyd_node *
find_entry(struct checker *checker, const struct lyd_node *leaf, const struct lyd_node *network,
	const char *list, const char *what, const char *name)
{
	const struct lyd_node *entry = model_entry(network, list, name);

	if (entry == NULL && !build_is_broken(network))
		check_wrong(checker, leaf, NULL,
			check_reference_hint(checker, model_child(network, list), list, name),
			"there is no %s '%s' in network '%s'", what, name, model_key(network));
	return entry;
}

static void
check_carried(struct checker *checker, const struct lyd_node *router, const struct lyd_node *leaf)
{
	const char *text = model_value(leaf), *slash = strchr(text, '/'), *own, *says;
	const char *name = check_key(checker, "%.*s", (int)(slash - text), text);
	const struct lyd_node *network, *tunnel;

	network = name != NULL ? find_network(checker, leaf, name) : NULL;
	if (network == NULL)
		return;
	if (network == checker->network) {
		check_wrong(checker, leaf, NULL, "remove it",
			"tunnels of the router's own network need not be named");
		return;
	}
	tunnel = find_entry(checker, leaf, network, "tunnels", "tunnel", slash + 1);
	if (tunnel == NULL)
		return;
	own = check_key(checker, "%s/%s", model_key(checker->network), model_key(router));
	says = model_text(tunnel, "router");
	if (own != NULL && says != NULL && strcmp(says, own) == 0)
		declare_service(checker, router, tunnel, leaf);
	else if (own != NULL && !build_is_broken(tunnel))
		check_wrong(checker, leaf, NULL, check_key(checker, "write there: router: %s", own),
			says == NULL ? "%s names no router" : "%s has another router: %s", text,
			says);
}

void
check_carried_tunnels(struct checker *checker, const struct lyd_node *router)
{
	const struct lyd_node *leaf = model_child(router, "tunnels");

	for (; leaf != NULL; leaf = model_next(leaf))
		check_carried(checker, router, leaf);
}

/* The router that the tunnel names, or NULL, told. */
static const struct lyd_node *
find_router(struct checker *checker, const struct lyd_node *tunnel)
{
	const struct lyd_node *leaf = model_child(tunnel, "router"), *network, *router;
	char network_name[MODEL_NAME_SIZE], name[MODEL_NAME_SIZE];
	const char *own;

	if (!model_tunnel_router(tunnel, network_name, name)) {
		if (!build_is_broken(tunnel))
			check_wrong(checker, tunnel, "router", "add router: NAME",
				"tunnel '%s' has no router to carry it", model_key(tunnel));
		return NULL;
	}
	network = find_network(checker, leaf, network_name);
	if (network == NULL)
		return NULL;
	router = find_entry(checker, leaf, network, "routers", "router", name);
	if (router == NULL || strchr(model_value(leaf), '/') == NULL)
		return router;
	if (network == checker->network) {
		check_wrong(checker, leaf, NULL, check_key(checker, "write router: %s", name),
			"a router of the tunnel's own network is named without it");
		return NULL;
	}
	own = check_key(checker, "%s/%s", model_key(checker->network), model_key(tunnel));
	if (own != NULL && !carries(router, own) && !build_is_broken(router))
		check_wrong(checker, leaf, NULL,
			check_key(checker, "write there: tunnels: [%s]", own),
			"router %s does not name this tunnel", model_value(leaf));
	return router;
}

/* ---- addresses ------------------------------------------------------------------------------ */

/* Why no end of a tunnel can have it; NULL: it can. */
static const char *
refuse(const struct weft_prefix *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (value_is_link_local(address))
		return "is a link-local address";
	if (address->family == 6 && memcmp(address->address, mapped, sizeof(mapped)) == 0)
		return "is an IPv4 address within IPv6";
	return check_refuse_address(address);
}

/* Whether a host of the family (0: any) can have it; else that is told. */
static bool
check_host(struct checker *checker, const struct lyd_node *leaf, unsigned family,
	struct weft_prefix *address)
{
	const char *why;

	if (!value_address(model_value(leaf), false, address))
		return false;
	address->length = address->family == 4 ? 32 : 128;
	why = refuse(address);
	if (why != NULL)
		check_wrong(checker, leaf, NULL, "write the address of a host", "%s %s",
			model_value(leaf), why);
	else if (family != 0 && family != address->family)
		check_wrong(checker, leaf, NULL,
			"both ends of a tunnel are IPv4, or IPv6: make two tunnels of it",
			"%s is not IPv%u, as the tunnel's own address is", model_value(leaf),
			family);
	return why == NULL;
}

static void
check_remotes(struct checker *checker, const struct lyd_node *tunnel, const struct lyd_node *vni,
	unsigned family)
{
	const struct lyd_node *leaf = model_child(vni, "remotes");
	const char *local = model_text(tunnel, "local");
	struct weft_prefix address;

	if (leaf == NULL && !build_is_broken(vni))
		check_doubt(checker, vni, "remotes", "add remotes: [ADDRESS]",
			"VNI %s has no remotes: nothing comes or goes", model_key(vni));
	for (; leaf != NULL; leaf = model_next(leaf))
		if (check_host(checker, leaf, family, &address) && local != NULL &&
			strcmp(local, model_value(leaf)) == 0)
			check_wrong(checker, leaf, NULL, "remove it",
				"%s is the tunnel's own address", local);
}

/* Two tunnels by one router need different addresses or UDP ports. */
static void
claim_service(struct checker *checker, const struct lyd_node *tunnel, const struct lyd_node *router,
	const struct lyd_node *local)
{
	const struct lyd_node *before = check_claim(checker, &checker->services,
		check_key(checker, "%s/%s %s %s", model_key(lyd_parent(router)), model_key(router),
			model_value(local), model_text(tunnel, "port")),
		tunnel);

	if (before != NULL)
		check_wrong(checker, local, NULL,
			"give one of them another address, or both ends of it another port",
			"%s and port %s of router '%s' are used already by %s of network '%s'",
			model_value(local), model_text(tunnel, "port"), model_key(router),
			check_where(checker, before), model_key(lyd_parent(before)));
}

/* An address of a port is answered for by ARP and ND; others have to be routed to. */
static void
check_neighbours(struct checker *checker, const struct lyd_node *router,
	const struct lyd_node *local, const struct weft_prefix *address)
{
	const struct lyd_node *port = model_child(router, "ports"), *ip, *near = NULL;
	struct weft_prefix network;

	for (; port != NULL; port = model_next(port))
		for (ip = model_child(port, "ip"); ip != NULL; ip = model_next(ip)) {
			if (!value_address(model_value(ip), true, &network) ||
				network.family != address->family)
				continue;
			if (value_same_bits(network.address, address->address, address->length))
				return;
			if (value_same_bits(network.address, address->address, network.length))
				near = port;
		}
	if (near != NULL)
		check_doubt(checker, local, NULL,
			check_key(checker, "add %s/%u to ip of port '%s'", model_value(local),
				address->length, model_key(near)),
			"%s is in the network of port '%s', which does not have it: its neighbors "
			"there will not find it",
			model_value(local), model_key(near));
}

void
check_tunnel(struct checker *checker, const struct lyd_node *tunnel)
{
	const struct lyd_node *local = model_child(tunnel, "local"), *router, *vni;
	struct weft_prefix address = { 0 };

	/* it has the name of another device, which is told */
	if (name_map_get(&checker->tunnels, model_key(tunnel)) != tunnel)
		return;
	router = find_router(checker, tunnel);
	if (local == NULL && !build_is_broken(tunnel))
		check_wrong(checker, tunnel, "local", "add local: ADDRESS",
			"tunnel '%s' has no address", model_key(tunnel));
	if (local != NULL && check_host(checker, local, 0, &address) && router != NULL) {
		claim_service(checker, tunnel, router, local);
		check_neighbours(checker, router, local, &address);
	}
	for (vni = model_child(tunnel, "vnis"); vni != NULL; vni = model_next(vni))
		check_remotes(checker, tunnel, vni, address.family);
}

/* ---- what is longer than the tunnel carries ------------------------------------------------ */

void
check_overlay_mtu(
	struct checker *checker, const struct lyd_node *entry, const char *device, const char *vlan)
{
	const struct lyd_node *vni, *network, *router = NULL, *leaf = model_child(entry, "mtu");
	const char *key = check_key(checker, "%s %s", device, vlan != NULL ? vlan : "1");
	char network_name[MODEL_NAME_SIZE], name[MODEL_NAME_SIZE];
	uint32_t mtu = (uint32_t)model_number(entry, "mtu", 1500), carried;

	vni = key != NULL ? name_map_get(&checker->overlays, key) : NULL;
	if (vni == NULL)
		return;
	if (model_tunnel_router(lyd_parent(vni), network_name, name)) {
		network = name_map_get(&checker->networks, network_name);
		router = network != NULL ? model_entry(network, "routers", name) : NULL;
	}
	carried = model_tunnel_mtu(lyd_parent(vni), router);
	if (mtu > carried)
		check_doubt(checker, leaf != NULL ? leaf : entry, NULL,
			check_key(checker, "set mtu: %u", carried),
			"%s '%s': its mtu %u is more than the %u that tunnel '%s' carries",
			strcmp(entry->schema->name, "nics") == 0 ? "nic" : "port", model_key(entry),
			mtu, carried, model_key(lyd_parent(vni)));
}
