/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In four passes, so that nothing is taken twice on the way:
 *	1. what will be attached elsewhere, or to nothing, is detached
 *	2. what is gone is removed, users before what they use
 *	3. what is new is made, what differs is updated, and attached
 *	4. static MACs, which need the ports of vnics, peerings, which need the ports of both, and
 *	   what firewalls do, which needs their ports, those of routers, and sets
 *
 * A port of a switch is defined by its entry under the switch, by the vnic of its name that has
 * no declared one, by the port of a router that is on the switch, or by the VNI that leads there
 * from a remote. When it passes from one to
 * the other it stays, with all that is on it.
 */
#include "daemon/carry_out.h"

#include "daemon/carry_out_internal.h"
#include "graph/change.h"
#include "nic/nic_config.h"
#include "switch/switch_config.h"

#include <libyang/libyang.h>
#include <stdlib.h>
#include <string.h>

static bool
is_kind(const struct plan_item *item, const char *kind)
{
	return strcmp(item->kind, kind) == 0;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
carry_out_differs(const struct plan_item *item, const char *leaf)
{
	return !same_text(model_text(item->before, leaf), model_text(item->after, leaf));
}

/* ---- looking up --------------------------------------------------------------------------- */

static int
index_networks(struct side *side, const struct configuration *configuration)
{
	const struct lyd_node *node = configuration_child(configuration, "networks");

	for (; node != NULL; node = model_next(node))
		if (name_map_put(&side->networks, model_key(node), (void *)(uintptr_t)node) < 0)
			return -1;
	return 0;
}

static const struct lyd_node *
switch_node(const struct side *side, const char *network, const char *name)
{
	return model_entry(name_map_get(&side->networks, network), "switches", name);
}

/* The vnic that has the port as its own, or NULL. */
static const struct lyd_node *
nic_on(const struct lyd_node *network, const char *device, const char *name)
{
	const struct lyd_node *node = model_entry(network, "nics", name), *leaf;

	if (node == NULL || !same_text(model_text(node, "switch"), device))
		return NULL;
	/* a port that was asked for by name is a declared one */
	leaf = model_child(node, "port");
	return leaf != NULL && (leaf->flags & LYD_DEFAULT) ? node : NULL;
}

/* What defines a port of a switch, or NULL: there is no such port. */
static const struct lyd_node *
port_node(const struct side *side, const char *network, const char *device, const char *name)
{
	const struct lyd_node *place = switch_node(side, network, device), *node;

	if (place == NULL)
		return NULL;
	node = model_entry(place, "ports", name);
	if (node == NULL)
		node = nic_on(lyd_parent(place), device, name);
	if (node == NULL)
		node = carry_out_router_port_on(lyd_parent(place), device, name);
	if (node == NULL)
		node = carry_out_vni_on(lyd_parent(place), device, name);
	return node;
}

static void
read_port(const struct lyd_node *node, struct weft_switch_port_config *config)
{
	if (strcmp(node->schema->name, "vnis") == 0)
		carry_out_read_vni_port(node, config);
	else
		switch_port_config_read(node, config);
}

struct weft_device *
carry_out_device(struct job *job, const char *network, const char *name)
{
	struct weft_network *found = weft_network_find(job->weft, network);

	return found != NULL && name != NULL ? weft_device_find(found, name) : NULL;
}

struct weft_vport *
carry_out_port(struct job *job, const char *network, const char *device, const char *name)
{
	struct weft_device *found = carry_out_device(job, network, device);

	return found != NULL && name != NULL ? weft_vport_find(found, name) : NULL;
}

bool
carry_out_split(const char *text, char device[DEVICE_PORT_SIZE], const char **port)
{
	const char *colon = strchr(text, ':');
	size_t length = colon != NULL ? (size_t)(colon - text) : 0;

	if (colon == NULL || length >= DEVICE_PORT_SIZE)
		return false;
	memcpy(device, text, length);
	device[length] = '\0';
	*port = colon + 1;
	return true;
}

struct weft_vport *
carry_out_end(struct job *job, const char *network, const char *text)
{
	char device[DEVICE_PORT_SIZE];
	const char *port;

	return carry_out_split(text, device, &port) ? carry_out_port(job, network, device, port)
						    : NULL;
}

/* ---- ports -------------------------------------------------------------------------------- */

void
carry_out_switch_port(struct job *job, const char *network, const char *device, const char *name)
{
	const struct lyd_node *before = port_node(&job->before, network, device, name);
	const struct lyd_node *after = port_node(&job->after, network, device, name);
	struct weft_device *place = carry_out_device(job, network, device);
	struct weft_vport *vport = place != NULL ? weft_vport_find(place, name) : NULL;
	struct weft_switch_port_config old, new;

	if (after == NULL) {
		weft_vport_remove(job->change, vport);
		return;
	}
	read_port(after, &new);
	if (vport == NULL) {
		weft_switch_port_add(job->change, place, name, &new);
		return;
	}
	if (before != NULL)
		read_port(before, &old);
	if (before == NULL || !switch_port_config_same(&old, &new))
		weft_switch_port_update(job->change, vport, &new);
}

static bool
moves_uplink(const struct plan_item *item)
{
	return carry_out_differs(item, "uplink") || carry_out_differs(item, "uplink-vlan");
}

static void
make_switch_port(struct job *job, const struct plan_item *item)
{
	const char *uplink = model_text(item->after, "uplink"), *port;
	char device[DEVICE_PORT_SIZE];

	if (!carry_out_split(item->name, device, &port))
		return;
	carry_out_switch_port(job, item->network, device, port);
	if (uplink != NULL && (item->before == NULL || moves_uplink(item)))
		weft_attach_uplink(job->change, carry_out_port(job, item->network, device, port),
			weft_nic_find(job->weft, NULL, uplink),
			(uint16_t)model_number(item->after, "uplink-vlan", 0));
}

static void
make_port(struct job *job, const struct plan_item *item)
{
	if (carry_out_is_router_port(item))
		carry_out_make_router_port(job, item);
	else if (carry_out_is_firewall_port(item))
		carry_out_make_firewall_port(job, item);
	else
		make_switch_port(job, item);
}

static void
remove_port(struct job *job, const struct plan_item *item)
{
	char device[DEVICE_PORT_SIZE];
	const char *port;

	if (carry_out_is_router_port(item)) {
		carry_out_remove_router_port(job, item);
		return;
	}
	if (carry_out_is_firewall_port(item)) {
		weft_vport_remove(job->change, carry_out_end(job, item->network, item->name));
		return;
	}
	if (!carry_out_split(item->name, device, &port))
		return;
	/* it may stay, as a vnic's own: the uplink that was on it does not */
	if (model_text(item->before, "uplink") != NULL)
		weft_detach(job->change, carry_out_port(job, item->network, device, port));
	carry_out_switch_port(job, item->network, device, port);
}

/* ---- vnics and uplinks -------------------------------------------------------------------- */

static int
read_nic(struct job *job, const struct lyd_node *node, struct nic_settings *settings)
{
	struct weft_error error = { 0 };

	if (nic_config_read(node, settings, &error) == 0)
		return 0;
	change_fail(job->change, error.code, "%s", error.text);
	return -1;
}

/* network NULL: an uplink. */
static void
add_nic(struct job *job, struct weft_network *network, const struct plan_item *item)
{
	struct nic_settings settings;

	if (read_nic(job, item->after, &settings) < 0)
		return;
	weft_nic_add(job->change, network, item->name, &settings.config);
	nic_config_free(&settings);
}

static void
update_nic(struct job *job, struct weft_nic *nic, const struct plan_item *item)
{
	struct nic_settings old, new;

	if (read_nic(job, item->before, &old) < 0)
		return;
	if (read_nic(job, item->after, &new) == 0) {
		if (!nic_config_same(&old.config, &new.config))
			weft_nic_update(job->change, nic, &new.config);
		nic_config_free(&new);
	}
	nic_config_free(&old);
}

static bool
moves_nic(const struct plan_item *item)
{
	return carry_out_differs(item, "switch") || carry_out_differs(item, "port");
}

static void
settle_nic_port(struct job *job, const struct plan_item *item, const struct lyd_node *nic)
{
	if (nic != NULL)
		carry_out_switch_port(
			job, item->network, model_text(nic, "switch"), model_text(nic, "port"));
}

static void
make_nic(struct job *job, const struct plan_item *item)
{
	struct weft_network *network = weft_network_find(job->weft, item->network);
	struct weft_nic *nic;

	if (item->before == NULL)
		add_nic(job, network, item);
	nic = network != NULL ? weft_nic_find(job->weft, network, item->name) : NULL;
	if (item->before != NULL && nic != NULL)
		update_nic(job, nic, item);
	settle_nic_port(job, item, item->after);
	if (item->before != NULL && !moves_nic(item))
		return;
	settle_nic_port(job, item, item->before);
	weft_attach(job->change,
		carry_out_port(job, item->network, model_text(item->after, "switch"),
			model_text(item->after, "port")),
		nic);
}

static void
remove_nic(struct job *job, const struct plan_item *item)
{
	struct weft_network *network = weft_network_find(job->weft, item->network);

	if (network == NULL)
		return;
	weft_nic_remove(job->change, weft_nic_find(job->weft, network, item->name));
	settle_nic_port(job, item, item->before);
}

static void
make_uplink(struct job *job, const struct plan_item *item)
{
	if (item->before == NULL)
		add_nic(job, NULL, item);
	else
		update_nic(job, weft_nic_find(job->weft, NULL, item->name), item);
}

/* ---- networks and switches ---------------------------------------------------------------- */

static struct weft_network_config
network_config(const struct lyd_node *node)
{
	const struct lyd_node *quota = model_child(node, "quota");
	const struct lyd_node *flows = model_child(node, "flow-records");
	bool told = model_text(flows, "collector") != NULL;

	return (struct weft_network_config){
		.mac_limit = (uint32_t)model_number(quota, "macs", 0),
		.neighbor_limit = (uint32_t)model_number(quota, "neighbors", 0),
		.connection_limit = (uint32_t)model_number(quota, "connections", 0),
		.flow_interval_s =
			told ? (uint32_t)(model_milliseconds(flows, "active-timeout", 60000) / 1000)
			     : 0,
	};
}

static void
make_network(struct job *job, const struct plan_item *item)
{
	struct weft_network_config old, new = network_config(item->after);

	if (item->before == NULL) {
		weft_network_add(job->change, item->name, &new);
		return;
	}
	old = network_config(item->before);
	if (old.mac_limit != new.mac_limit || old.neighbor_limit != new.neighbor_limit ||
		old.connection_limit != new.connection_limit ||
		old.flow_interval_s != new.flow_interval_s)
		weft_network_update(job->change, weft_network_find(job->weft, item->name), &new);
}

static void
make_switch(struct job *job, const struct plan_item *item)
{
	struct weft_switch_config old, new;

	switch_config_read(item->after, &new);
	if (item->before == NULL) {
		weft_switch_add(
			job->change, weft_network_find(job->weft, item->network), item->name, &new);
		return;
	}
	switch_config_read(item->before, &old);
	if (!switch_config_same(&old, &new))
		weft_switch_update(
			job->change, carry_out_device(job, item->network, item->name), &new);
}

static void
remove_static_mac(struct job *job, const struct plan_item *item)
{
	struct switch_static_mac entry;
	char device[DEVICE_PORT_SIZE];
	const char *mac;

	if (!carry_out_split(item->name, device, &mac))
		return;
	switch_static_mac_read(item->before, &entry);
	weft_switch_mac_remove(
		job->change, carry_out_device(job, item->network, device), entry.vlan, entry.mac);
}

static void
make_static_mac(struct job *job, const struct plan_item *item)
{
	struct switch_static_mac entry;
	char device[DEVICE_PORT_SIZE];
	const char *mac;

	if (item->before != NULL)
		remove_static_mac(job, item);
	if (!carry_out_split(item->name, device, &mac))
		return;
	switch_static_mac_read(item->after, &entry);
	weft_switch_mac_add(job->change, carry_out_device(job, item->network, device), entry.vlan,
		entry.mac,
		carry_out_port(job, item->network, device, model_text(item->after, "port")));
}

/* ---- links -------------------------------------------------------------------------------- */

static bool
moves_link(const struct plan_item *item)
{
	for (unsigned i = 0; i < item->n_leaves; i++)
		if (strcmp(item->leaves[i].name, "ends") == 0)
			return true;
	return false;
}

static void
make_link(struct job *job, const struct plan_item *item)
{
	const struct lyd_node *a = model_child(item->after, "ends"), *b;

	b = a != NULL ? model_next(a) : NULL;
	if (b == NULL || (item->before != NULL && !moves_link(item)))
		return;
	weft_link(job->change, carry_out_end(job, item->network, model_value(a)),
		carry_out_end(job, item->network, model_value(b)));
}

/* Detaching one end detaches both. */
static void
release_link(struct job *job, const struct plan_item *item)
{
	const struct lyd_node *end = model_child(item->before, "ends");

	if (end != NULL)
		weft_detach(job->change, carry_out_end(job, item->network, model_value(end)));
}

/* ---- the passes ---------------------------------------------------------------------------- */

static void
release(struct job *job, const struct plan_item *item)
{
	if (is_kind(item, "firewall") || carry_out_is_firewall_port(item))
		carry_out_turn_firewall(job, item);
	if (item->before == NULL)
		return;
	if (is_kind(item, "link") && (item->after == NULL || moves_link(item)))
		release_link(job, item);
	else if (is_kind(item, "tunnel"))
		carry_out_release_tunnel(job, item);
	else if (is_kind(item, "firewall"))
		carry_out_release_firewall(job, item);
	else if (item->after == NULL)
		return;
	else if (carry_out_is_router_port(item))
		carry_out_release_router_port(job, item);
	else if (is_kind(item, "vni"))
		carry_out_release_vni(job, item);
	else if (is_kind(item, "nic") && moves_nic(item))
		weft_detach(job->change,
			carry_out_port(job, item->network, model_text(item->before, "switch"),
				model_text(item->before, "port")));
	else if (is_kind(item, "port") && model_text(item->before, "uplink") != NULL &&
		 moves_uplink(item))
		weft_detach(job->change, carry_out_end(job, item->network, item->name));
}

/* Whether what the object was in is gone as a whole: then nothing of it needs a look. */
static bool
goes_with_its_place(struct job *job, const struct plan_item *item)
{
	char device[DEVICE_PORT_SIZE];
	const char *rest;

	if (item->network == NULL)
		return false;
	if (name_map_get(&job->after.networks, item->network) == NULL)
		return true;
	if (!carry_out_split(item->name, device, &rest))
		return false;
	if (is_kind(item, "route"))
		return model_entry(name_map_get(&job->after.networks, item->network), "routers",
			       device) == NULL;
	if (carry_out_is_firewall_port(item))
		return model_entry(name_map_get(&job->after.networks, item->network), "firewalls",
			       device) == NULL;
	/* a router's port leaves one on a switch behind, which stays */
	return (is_kind(item, "port") || is_kind(item, "static-mac")) &&
	       !carry_out_is_router_port(item) &&
	       switch_node(&job->after, item->network, device) == NULL;
}

static void
take_away(struct job *job, const struct plan_item *item)
{
	if (goes_with_its_place(job, item))
		return;
	if (is_kind(item, "nic"))
		remove_nic(job, item);
	else if (is_kind(item, "static-mac"))
		remove_static_mac(job, item);
	else if (is_kind(item, "port"))
		remove_port(job, item);
	else if (is_kind(item, "route"))
		carry_out_remove_route(job, item);
	else if (is_kind(item, "vni"))
		carry_out_remove_vni(job, item);
	else if (is_kind(item, "address-set"))
		carry_out_remove_address_set(job, item);
	else if (is_kind(item, "port-set"))
		carry_out_remove_port_set(job, item);
	else if (is_kind(item, "firewall"))
		carry_out_remove_firewall(job, item);
	else if (is_kind(item, "switch") || is_kind(item, "router") || is_kind(item, "tunnel"))
		weft_device_remove(job->change, carry_out_device(job, item->network, item->name));
	else if (is_kind(item, "network"))
		weft_network_remove(job->change, weft_network_find(job->weft, item->name));
	else if (is_kind(item, "uplink"))
		weft_nic_remove(job->change, weft_nic_find(job->weft, NULL, item->name));
}

static void
make(struct job *job, const struct plan_item *item)
{
	static const struct {
		const char *kind;
		void (*make)(struct job *job, const struct plan_item *item);
	} makers[] = {
		{ "uplink", make_uplink },
		{ "network", make_network },
		{ "switch", make_switch },
		{ "router", carry_out_make_router },
		{ "tunnel", carry_out_make_tunnel },
		{ "address-set", carry_out_make_address_set },
		{ "port-set", carry_out_make_port_set },
		{ "firewall", carry_out_make_firewall },
		{ "port", make_port },
		{ "vni", carry_out_make_vni },
		{ "nic", make_nic },
		{ "link", make_link },
		{ "route", carry_out_make_route },
	};

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (is_kind(item, makers[i].kind))
			makers[i].make(job, item);
}

/* What needs all others to be made. */
static void
finish(struct job *job, const struct plan_item *item)
{
	if (is_kind(item, "static-mac"))
		make_static_mac(job, item);
	if (carry_out_is_router_port(item))
		carry_out_make_peer(job, item);
	if (carry_out_is_router_port(item) || carry_out_is_firewall_port(item))
		carry_out_guard_port(job, item);
	if (is_kind(item, "firewall")) {
		carry_out_make_policy(job, item);
		carry_out_guard(job, item);
	}
}

static void
run_passes(struct job *job, const struct plan *plan)
{
	const struct plan_item *end = plan->items + plan->count, *item;

	for (item = plan->items; item < end; item++)
		release(job, item);
	for (item = plan->items; item < end; item++)
		if (item->operation == PLAN_DELETE)
			take_away(job, item);
	carry_out_update_tunnels(job);
	for (item = plan->items; item < end; item++)
		if (item->operation != PLAN_DELETE)
			make(job, item);
	for (item = plan->items; item < end; item++)
		if (item->operation != PLAN_DELETE)
			finish(job, item);
}

void
carry_out(struct weft *weft, struct weft_change *change, const struct plan *plan)
{
	struct job job = { .weft = weft, .change = change };

	if (index_networks(&job.before, plan->before) < 0 ||
		index_networks(&job.after, plan->after) < 0)
		change_fail(change, 0, "out of memory");
	else
		run_passes(&job, plan);
	name_map_free(&job.before.networks);
	name_map_free(&job.after.networks);
}
