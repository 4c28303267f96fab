/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/check.h"

#include "base/nearest.h"
#include "model/build.h"
#include "model/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 1024
#define NAMES_SHOWN 6

/* ---- telling ------------------------------------------------------------------------ */

static struct place
nearest_place(const struct lyd_node *node)
{
	struct place place = { 0, 0 };

	for (; node != NULL && place.line == 0; node = lyd_parent(node))
		place = build_place(node);
	return place;
}

void
check_wrong(struct checker *checker, const struct lyd_node *node, const char *leaf,
	const char *hint, const char *format, ...)
{
	char path[TEXT_SIZE], text[TEXT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	report_error(checker->report, nearest_place(node),
		build_path(node, leaf, path, sizeof(path)), hint, "%s", text);
}

void
check_doubt(struct checker *checker, const struct lyd_node *node, const char *leaf,
	const char *hint, const char *format, ...)
{
	char path[TEXT_SIZE], text[TEXT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	report_warning(checker->report, nearest_place(node),
		build_path(node, leaf, path, sizeof(path)), hint, "%s", text);
}

/* "nic 'web'" for an entry of the list "nics" */
static void
entry_text(const struct lyd_node *entry, char *text, size_t size)
{
	static const char *const names[][2] = { { "switches", "switch" }, { "ports", "port" },
		{ "nics", "nic" }, { "routers", "router" }, { "routes", "route" },
		{ "tunnels", "tunnel" }, { "vnis", "vni" }, { "firewalls", "firewall" },
		{ "address-sets", "address set" }, { "port-sets", "port set" }, { "rules", "rule" },
		{ "translations", "translation" }, { "zones", "zone" }, { "links", "link" },
		{ "uplinks", "uplink" }, { "networks", "network" }, { "tests", "test" } };
	const char *name = entry->schema->name;

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i][0]) == 0)
			name = names[i][1];
	snprintf(text, size, "%s '%s'", name, model_key(entry));
}

const char *
check_where(struct checker *checker, const struct lyd_node *node)
{
	unsigned line = nearest_place(node).line;
	char text[160], owner[160] = "";
	const struct lyd_node *outer;
	const char *key;

	while (node->schema->nodetype != LYS_LIST)
		node = lyd_parent(node);
	entry_text(node, text, sizeof(text));
	outer = lyd_parent(node);
	if (outer != NULL && outer != checker->network)
		entry_text(outer, owner, sizeof(owner));
	key = check_key(checker, "%s%s%s", text, owner[0] != '\0' ? " of " : "", owner);
	if (key != NULL && line > 0)
		key = check_key(checker, "%s, line %u", key, line);
	return key != NULL ? key : "";
}

const struct lyd_node *
check_claim(
	struct checker *checker, struct name_map *map, const char *key, const struct lyd_node *user)
{
	const struct lyd_node *before;

	if (key == NULL) {
		checker->failed = true;
		return NULL;
	}
	before = name_map_get(map, key);
	if (before == NULL && name_map_put(map, key, (void *)(uintptr_t)user) < 0)
		checker->failed = true;
	return before;
}

const char *
check_reference_hint(
	struct checker *checker, const struct lyd_node *first, const char *list, const char *wanted)
{
	struct nearest nearest = { 0 };
	char text[TEXT_SIZE];
	const struct lyd_node *entry;
	unsigned count = 0;
	size_t used;

	nearest.wanted = wanted;
	for (entry = first; entry != NULL; entry = model_next(entry))
		nearest_offer(&nearest, model_key(entry));
	if (nearest.best != NULL)
		return check_key(checker, "did you mean '%s'?", nearest.best);
	if (first == NULL)
		return check_key(checker, "there are no %s; declare it under %s:", list, list);
	used = (size_t)snprintf(text, sizeof(text), "%s are:", list);
	for (entry = first; entry != NULL && count < NAMES_SHOWN;
		entry = model_next(entry), count++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " %s", model_key(entry));
	return check_key(checker, "%s%s", text, entry != NULL ? " ..." : "");
}

/* ---- ports ------------------------------------------------------------------------------- */

void
check_membership(struct checker *checker, const struct lyd_node *entry)
{
	const struct lyd_node *vlan = model_child(entry, "vlan");
	const struct lyd_node *other = model_child(entry, "vlans");

	if (other == NULL)
		other = model_child(entry, "native");
	if (vlan != NULL && other != NULL)
		check_wrong(checker, other, NULL,
			"vlan makes an access port; vlans and native belong to a trunk: remove one",
			"%s cannot stand beside vlan", other->schema->name);
}

void
check_duration(struct checker *checker, const struct lyd_node *entry, const char *name,
	uint64_t least, uint64_t most, const char *bounds)
{
	const struct lyd_node *leaf = model_child(entry, name);
	uint64_t milliseconds = model_milliseconds(entry, name, least);

	if (milliseconds < least || milliseconds > most)
		check_wrong(checker, leaf, NULL, NULL, "%s: expected %s, not '%s'", name, bounds,
			model_value(leaf));
}

bool
check_is_switch_port(const struct lyd_node *node)
{
	return strcmp(node->schema->name, "ports") == 0 &&
	       strcmp(lyd_parent(node)->schema->name, "switches") == 0;
}

/* "its own uplink", or who else it is. */
static const char *
user_text(struct checker *checker, const char *port, const struct lyd_node *user)
{
	static const char *const joints[] = { "switch", "uplink", "peer" };
	const char *own;

	if (strcmp(user->schema->name, "ports") != 0)
		return check_where(checker, user);
	own = check_key(checker, "%s:%s", model_key(lyd_parent(user)), model_key(user));
	if (own == NULL || strcmp(own, port) != 0)
		return check_where(checker, user);
	for (unsigned i = 0; i < sizeof(joints) / sizeof(*joints); i++)
		if (model_child(user, joints[i]) != NULL)
			return check_key(checker, "its own %s", joints[i]);
	return check_where(checker, user);
}

void
check_use_port(struct checker *checker, const char *port, const struct lyd_node *user,
	const struct lyd_node *place)
{
	const struct lyd_node *before = check_claim(checker, &checker->uses, port, user);

	if (before != NULL)
		check_wrong(checker, place, NULL,
			"a port takes one vnic, link, uplink, tunnel or router's port",
			"port %s is used already by %s", port, user_text(checker, port, before));
}

void
check_uplink_vlan(struct checker *checker, const struct lyd_node *port, const char *vlan_leaf)
{
	const struct lyd_node *uplink = model_child(port, "uplink");
	const struct lyd_node *vlan = model_child(port, vlan_leaf), *before;
	const char *name = model_value(uplink), *wire = vlan != NULL ? model_value(vlan) : "0";

	if (name_map_get(&checker->uplinks, name) == NULL)
		check_wrong(checker, uplink, NULL,
			check_reference_hint(checker, checker->first_uplink, "uplinks", name),
			"there is no uplink '%s'", name);
	before = check_claim(
		checker, &checker->uplink_vlans, check_key(checker, "%s %s", name, wire), port);
	if (before != NULL && vlan != NULL)
		check_wrong(checker, vlan, NULL, "each VLAN of an uplink leads to one port",
			"VLAN %s of uplink '%s' is used already by %s", wire, name,
			check_where(checker, before));
	else if (before != NULL)
		check_wrong(checker, uplink, NULL,
			check_key(checker, "add %s: 1 to 4094", vlan_leaf),
			"the untagged frames of uplink '%s' go already to %s", name,
			check_where(checker, before));
}

static void
check_port_uplink(struct checker *checker, const char *device, const struct lyd_node *port)
{
	const struct lyd_node *uplink = model_child(port, "uplink");
	const struct lyd_node *vlan = model_child(port, "uplink-vlan");

	if (uplink == NULL && vlan != NULL && !build_is_broken(port))
		check_wrong(checker, vlan, NULL, "say which: uplink: NAME",
			"uplink-vlan without an uplink");
	if (uplink == NULL)
		return;
	check_uplink_vlan(checker, port, "uplink-vlan");
	check_use_port(checker, check_key(checker, "%s:%s", device, model_key(port)), port, uplink);
	if (vlan == NULL && model_child(port, "vlan") != NULL)
		check_doubt(checker, uplink, NULL,
			"vlan is the switch's; for the VLAN on the wire write uplink-vlan",
			"the uplink's untagged frames are meant, as there is no uplink-vlan");
}

static void
check_switch(struct checker *checker, const struct lyd_node *device)
{
	const struct lyd_node *port = model_child(device, "ports");

	check_duration(
		checker, device, "ageing-time", 1000, 1000000000, "a duration from 1s to 1000000s");
	for (; port != NULL; port = model_next(port)) {
		check_membership(checker, port);
		check_port_uplink(checker, model_key(device), port);
	}
}

static void
check_static_mac(
	struct checker *checker, const struct lyd_node *device, const struct lyd_node *entry)
{
	const struct lyd_node *port = model_child(entry, "port");
	uint8_t mac[6] = { 0 };

	value_mac(model_key(entry), mac);
	if (mac[0] & 1)
		check_wrong(checker, entry, NULL, "the first byte of a station's address is even",
			"'%s' is a group address", model_key(entry));
	if (port == NULL && !build_is_broken(entry))
		check_wrong(checker, entry, NULL, "add port: NAME", "a static MAC needs its port");
	if (port == NULL)
		return;
	if (name_map_get(&checker->ports,
		    check_key(checker, "%s:%s", model_key(device), model_value(port))) == NULL)
		check_wrong(checker, port, NULL,
			check_reference_hint(
				checker, model_child(device, "ports"), "ports", model_value(port)),
			"switch '%s' has no port '%s'", model_key(device), model_value(port));
}

/* ---- nics ------------------------------------------------------------------------------------ */

const struct lyd_node *
check_named_switch(struct checker *checker, const struct lyd_node *leaf)
{
	const struct lyd_node *device = name_map_get(&checker->switches, model_value(leaf));

	if (device == NULL && !build_is_broken(checker->network))
		check_wrong(checker, leaf, NULL,
			check_reference_hint(checker, model_child(checker->network, "switches"),
				"switches", model_value(leaf)),
			"there is no switch '%s' in network '%s'", model_value(leaf),
			model_key(checker->network));
	return device;
}

/* The switch that the nic names, or NULL, told. */
static const struct lyd_node *
nic_switch(struct checker *checker, const struct lyd_node *nic)
{
	const struct lyd_node *leaf = model_child(nic, "switch");
	const struct lyd_node *first = model_child(checker->network, "switches");

	if (leaf == NULL) {
		if (!build_is_broken(nic))
			check_wrong(checker, nic, NULL,
				first != NULL
					? check_key(checker, "add switch: %s", model_key(first))
					: "declare one under switches:",
				"nic '%s' is on no switch", model_key(nic));
		return NULL;
	}
	return check_named_switch(checker, leaf);
}

/* What a port of the vnic's own would have, beside a declared one. */
static void
check_doubled_membership(struct checker *checker, const struct lyd_node *nic, const char *port)
{
	static const char *const names[] = { "vlan", "vlans", "native", "isolation" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (model_child(nic, names[i]) != NULL) {
			check_wrong(checker, model_child(nic, names[i]), NULL,
				"move it to the port", "port %s is declared, and has its own %s",
				port, names[i]);
			return;
		}
}

/* Makes the vnic's own port known, if it has one. */
static void
declare_own_port(struct checker *checker, const struct lyd_node *nic)
{
	const struct lyd_node *device = model_child(nic, "switch"),
			      *port = model_child(nic, "port");

	if (device != NULL && port != NULL && (port->flags & LYD_DEFAULT))
		check_claim(checker, &checker->ports,
			check_key(checker, "%s:%s", model_value(device), model_value(port)), nic);
}

/* In which what comes untagged is; NULL: 1, or none. */
static const char *
untagged_vlan(const struct lyd_node *port)
{
	const char *vlan = model_text(port, "vlan");

	return vlan != NULL ? vlan : model_text(port, "native");
}

static void
check_nic_port(struct checker *checker, const struct lyd_node *nic)
{
	const struct lyd_node *device = nic_switch(checker, nic);
	const struct lyd_node *leaf = model_child(nic, "port"), *port = NULL;
	const char *key;

	if (device != NULL && leaf != NULL) {
		key = check_key(checker, "%s:%s", model_key(device), model_value(leaf));
		port = key != NULL ? name_map_get(&checker->ports, key) : NULL;
		/* an own port of a vnic or a router is not there for others */
		if (port != NULL && !check_is_switch_port(port))
			port = NULL;
		if (port == NULL && !(leaf->flags & LYD_DEFAULT) && !build_is_broken(device))
			check_wrong(checker, leaf, NULL,
				check_reference_hint(checker, model_child(device, "ports"), "ports",
					model_value(leaf)),
				"switch '%s' has no port '%s'; leave port out for one of its own",
				model_key(device), model_value(leaf));
		if (port != NULL)
			check_doubled_membership(checker, nic, key);
		if (port != NULL || (leaf->flags & LYD_DEFAULT))
			check_use_port(checker, key, nic, leaf);
	}
	check_membership(checker, nic);
	check_nic(checker, nic, port);
	if (device != NULL)
		check_overlay_mtu(
			checker, nic, model_key(device), untagged_vlan(port != NULL ? port : nic));
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void
check_target(struct checker *checker, const struct lyd_node *nic, const struct lyd_node *target)
{
	struct weft_prefix address = { 0 };
	uint16_t port;

	if (strcmp(target->schema->name, "ping") == 0)
		value_address(model_value(target), false, &address);
	else
		value_endpoint(model_value(target), &address, &port);
	if (nic != NULL && !build_is_broken(nic) && !check_has_family(nic, address.family))
		check_wrong(checker, target, NULL, "add its ip",
			"nic '%s' has no IPv%u address to send from", model_key(nic),
			address.family);
}

static void
check_test(struct checker *checker, const struct lyd_node *test)
{
	static const char *const kinds[] = { "ping", "tcp", "udp" };
	const struct lyd_node *from = model_child(test, "from"), *nic = NULL, *target;
	unsigned count = 0;

	if (from != NULL) {
		nic = name_map_get(&checker->nics, model_value(from));
		if (nic == NULL && !build_is_broken(checker->network))
			check_wrong(checker, from, NULL,
				check_reference_hint(checker, model_child(checker->network, "nics"),
					"nics", model_value(from)),
				"there is no nic '%s' in network '%s'", model_value(from),
				model_key(checker->network));
	} else if (!build_is_broken(test)) {
		check_wrong(checker, test, "from", "add from: NIC", "a test starts at a nic");
	}
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		target = model_child(test, kinds[i]);
		if (target == NULL)
			continue;
		count++;
		check_target(checker, nic, target);
	}
	if (count != 1 && !build_is_broken(test))
		check_wrong(checker, test, NULL,
			"write one of ping: IP, tcp: IP:PORT, udp: IP:PORT",
			count == 0 ? "a test without a target" : "a test with several targets");
	check_duration(checker, test, "timeout", 1, 60000, "a duration from 1ms to 60s");
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

/* A map from the entries' names. */
static void
index_list(struct checker *checker, struct name_map *map, const struct lyd_node *first)
{
	for (const struct lyd_node *entry = first; entry != NULL; entry = model_next(entry))
		if (name_map_put(map, model_key(entry), (void *)(uintptr_t)entry) < 0)
			checker->failed = true;
}

static void
index_ports(struct checker *checker, const struct lyd_node *device)
{
	const struct lyd_node *port = model_child(device, "ports");

	for (; port != NULL; port = model_next(port))
		check_claim(checker, &checker->ports,
			check_key(checker, "%s:%s", model_key(device), model_key(port)), port);
}

static void
check_flow_records(struct checker *checker, const struct lyd_node *network)
{
	const struct lyd_node *node = model_child(network, "flow-records"), *leaf;
	static const char *const useless[] = { "transport", "active-timeout", "netns" };

	check_duration(checker, node, "active-timeout", 4000, 3600000, "a duration from 4s to 1h");
	if (model_child(node, "collector") != NULL || build_is_broken(node))
		return;
	for (unsigned i = 0; i < sizeof(useless) / sizeof(*useless); i++) {
		leaf = model_child(node, useless[i]);
		if (leaf == NULL || (leaf->flags & LYD_DEFAULT))
			continue;
		check_wrong(checker, leaf, NULL, "add collector: ADDRESS:4739",
			"flow records need a collector");
		return;
	}
}

static void
check_network(struct checker *checker, const struct lyd_node *network)
{
	const struct lyd_node *switches = model_child(network, "switches"), *node, *entry;
	const struct lyd_node *nics = model_child(network, "nics");
	const struct lyd_node *routers = model_child(network, "routers");
	const struct lyd_node *tunnels = model_child(network, "tunnels");
	const struct lyd_node *firewalls = model_child(network, "firewalls");

	checker->network = network;
	check_flow_records(checker, network);
	check_internet(checker, network);
	index_list(checker, &checker->switches, switches);
	index_list(checker, &checker->nics, nics);
	for (node = switches; node != NULL; node = model_next(node))
		index_ports(checker, node);
	for (node = nics; node != NULL; node = model_next(node))
		declare_own_port(checker, node);
	for (node = routers; node != NULL; node = model_next(node))
		check_declare_router(checker, node);
	for (node = tunnels; node != NULL; node = model_next(node))
		check_declare_tunnel(checker, node);
	for (node = firewalls; node != NULL; node = model_next(node))
		check_declare_firewall(checker, node);
	for (node = routers; node != NULL; node = model_next(node))
		check_carried_tunnels(checker, node);
	for (node = switches; node != NULL; node = model_next(node)) {
		check_switch(checker, node);
		entry = model_child(node, "static-macs");
		for (; entry != NULL; entry = model_next(entry))
			check_static_mac(checker, node, entry);
	}
	for (node = nics; node != NULL; node = model_next(node))
		check_nic_port(checker, node);
	for (node = model_child(network, "links"); node != NULL; node = model_next(node))
		check_link(checker, node);
	for (node = routers; node != NULL; node = model_next(node))
		check_router(checker, node);
	for (node = tunnels; node != NULL; node = model_next(node))
		check_tunnel(checker, node);
	for (node = firewalls; node != NULL; node = model_next(node))
		check_firewall(checker, node);
	for (node = model_child(network, "tests"); node != NULL; node = model_next(node))
		check_test(checker, node);
	name_map_free(&checker->switches);
	name_map_free(&checker->routers);
	name_map_free(&checker->tunnels);
	name_map_free(&checker->firewalls);
	name_map_free(&checker->guards);
	name_map_free(&checker->overlays);
	name_map_free(&checker->ports);
	name_map_free(&checker->uses);
	name_map_free(&checker->nics);
	name_map_free(&checker->addresses);
}

static void
check_system(struct checker *checker, const struct lyd_node *system)
{
	uint64_t bytes = model_bytes(system, "memory", 64u << 20);

	if (bytes < 64u << 20 || bytes > 1024ull << 30)
		check_wrong(checker, model_child(system, "memory"), NULL, NULL,
			"memory: expected a size from 64M to 1024G, not '%s'",
			model_text(system, "memory"));
}

int
check_configuration(const struct configuration *configuration, struct report *report)
{
	struct checker checker = { .report = report };
	const struct lyd_node *node;

	checker.first_uplink = configuration_child(configuration, "uplinks");
	index_list(&checker, &checker.uplinks, checker.first_uplink);
	check_system(&checker, configuration_child(configuration, "system"));
	for (node = checker.first_uplink; node != NULL; node = model_next(node))
		check_uplink(&checker, node);
	checker.first_network = configuration_child(configuration, "networks");
	index_list(&checker, &checker.networks, checker.first_network);
	for (node = checker.first_network; node != NULL; node = model_next(node))
		check_network(&checker, node);
	name_map_free(&checker.uplinks);
	name_map_free(&checker.networks);
	name_map_free(&checker.uplink_vlans);
	name_map_free(&checker.interfaces);
	name_map_free(&checker.devices);
	name_map_free(&checker.namespaces);
	name_map_free(&checker.host_addresses);
	name_map_free(&checker.services);
	name_map_free(&checker.internets);
	arena_free(&checker.memory);
	return checker.failed ? -1 : 0;
}
