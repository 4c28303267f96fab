/* SPDX-License-Identifier: BSD-3-Clause */
/* vnics and uplinks, seen from who is on their other side. */
#include "daemon/state_internal.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

const char *
state_nic_status(enum nic_status status)
{
	static const char *const names[] = {
		[NIC_STATUS_UP] = "up",
		[NIC_STATUS_DEGRADED] = "degraded",
		[NIC_STATUS_DOWN] = "down",
	};

	return names[status];
}

static const char *
reason(const struct weft_nic *nic)
{
	if (nic->status == NIC_STATUS_UP)
		return NULL;
	return nic->status_text[0] != '\0' ? nic->status_text : "it is being set up";
}

/* ---- counters -------------------------------------------------------------------------------- */

static void
add_vport(struct weft *weft, uint32_t id, struct vport_counters *sum, struct vport_drops *drops)
{
	const struct weft_vport *vport = id != 0 ? vport_by_id(weft, id) : NULL;
	struct vport_counters counters;
	struct vport_drops dropped;

	if (vport == NULL)
		return;
	vport_read_counters(vport, &counters, &dropped);
	sum->in_packets += counters.out_packets;
	sum->in_bytes += counters.out_bytes;
	sum->out_packets += counters.in_packets;
	sum->out_bytes += counters.in_bytes;
	for (unsigned i = 0; i < DROP_REASON_COUNT; i++)
		drops->by_reason[i] += dropped.by_reason[i];
}

void
state_nic_counters(
	const struct weft_nic *nic, struct vport_counters *counters, struct vport_drops *drops)
{
	memset(counters, 0, sizeof(*counters));
	nic_read_drops(nic, drops);
	if (!nic->uplink)
		add_vport(nic->weft, atomic_load(&nic->vport), counters, drops);
	for (unsigned vlan = 0; nic->uplink && vlan <= WEFT_VLAN_MAX; vlan++)
		add_vport(nic->weft, atomic_load(&nic->vlans[vlan]), counters, drops);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

/* As configured: a name, "pid 4711", a path; null: weft's own namespace, or none. */
static void
set_netns(struct state_view *view, json_t *object, const struct weft_nic_config *config)
{
	bool kernel = config->kind == WEFT_NIC_TAP || config->kind == WEFT_NIC_INTERFACE;
	const char *name = kernel && config->netns_kind != WEFT_NETNS_HOST ? config->netns : NULL;
	char pid[32];

	if (name != NULL && config->netns_kind == WEFT_NETNS_PID) {
		snprintf(pid, sizeof(pid), "pid %s", name);
		name = pid;
	}
	state_set_text(view, object, "netns", name);
}

static void
set_interface(struct state_view *view, json_t *object, const struct weft_nic *nic)
{
	const struct weft_nic_config *config = nic->config;
	char cut[IFNAMSIZ];

	if (config->kind == WEFT_NIC_TAP) {
		snprintf(cut, sizeof(cut), "%.*s", IFNAMSIZ - 1,
			config->interface != NULL ? config->interface : nic->name);
		state_set_text(view, object, "interface", cut);
	} else {
		state_set_text(view, object, "interface",
			config->kind == WEFT_NIC_INTERFACE ? config->interface : NULL);
	}
	if (config->kind == WEFT_NIC_DPDK)
		state_set_text(view, object, "device", config->devargs);
}

static void
set_addresses(struct state_view *view, json_t *object, const char *key,
	const struct weft_prefix *prefixes, unsigned count, bool lengths)
{
	json_t *array = json_array();

	state_set(view, object, key, array);
	for (unsigned i = 0; i < count; i++) {
		char text[INET6_ADDRSTRLEN + 8];
		size_t at;

		inet_ntop(prefixes[i].family == 6 ? AF_INET6 : AF_INET, prefixes[i].address, text,
			sizeof(text));
		at = strlen(text);
		if (lengths)
			snprintf(text + at, sizeof(text) - at, "/%u", prefixes[i].length);
		state_append(view, array, json_text(text));
	}
}

/* What it takes unfinished. */
static void
set_offloads(struct state_view *view, json_t *object, uint32_t offloads)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ NIC_OFFLOAD_CHECKSUM, "checksum" },
		{ NIC_OFFLOAD_TSO4, "tso4" },
		{ NIC_OFFLOAD_TSO6, "tso6" },
		{ NIC_OFFLOAD_USO, "uso" },
		{ NIC_OFFLOAD_CHAINS, "chains" },
	};
	json_t *array = json_array();

	state_set(view, object, "offloads", array);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (offloads & names[i].bit)
			state_append(view, array, json_text(names[i].name));
}

static void
set_port(struct state_view *view, json_t *object, const struct weft_nic *nic)
{
	uint32_t id = atomic_load(&nic->vport);
	const struct weft_vport *vport = id != 0 ? vport_by_id(view->weft, id) : NULL;
	char path[VPORT_NAME_SIZE];

	state_set_text(view, object, "port", vport != NULL ? vport_path(vport, path) : NULL);
}

static void
set_vlans(struct state_view *view, json_t *object, const struct weft_nic *nic)
{
	json_t *array = json_array();

	state_set(view, object, "vlans", array);
	for (unsigned vlan = 0; vlan <= WEFT_VLAN_MAX; vlan++) {
		uint32_t id = atomic_load(&nic->vlans[vlan]);
		const struct weft_vport *vport = id != 0 ? vport_by_id(view->weft, id) : NULL;
		char path[VPORT_NAME_SIZE];
		json_t *entry;

		if (vport == NULL)
			continue;
		entry = json_object();
		state_append(view, array, entry);
		state_set_number(view, entry, "vlan", vlan);
		state_set_text(view, entry, "port", vport_path(vport, path));
	}
}

/* ---- objects --------------------------------------------------------------------------------- */

/* A vnic that is not there yet is shown as it is configured. */
static void
set_size(struct state_view *view, json_t *object, const struct weft_nic *nic)
{
	static const uint8_t none[6];
	const struct weft_nic_config *config = nic->config;
	bool known = memcmp(nic->mac, none, sizeof(none)) != 0;

	state_set_mac(view, object, "mac", known ? nic->mac : config->mac);
	state_set_number(view, object, "mtu", nic->mtu);
	state_set_some(view, object, "queues", nic->opened ? nic->n_queues : config->queues);
}

static const struct lyd_node *
configured_nic(struct state_view *view, const struct weft_nic *nic)
{
	const struct lyd_node *uplink;

	if (nic->network != NULL)
		return state_configured_in(
			view, state_configured(view, nic->network->name), STATE_NICS, nic->name);
	uplink = configuration_child(view->running->configuration, "uplinks");
	while (uplink != NULL && strcmp(model_key(uplink), nic->name) != 0)
		uplink = model_next(uplink);
	return uplink;
}

static void
add_nic(struct state_view *view, const struct weft_nic *nic)
{
	const struct weft_nic_config *config = nic->config;
	struct vport_counters counters;
	struct vport_drops drops;
	char path[VPORT_NAME_SIZE];
	json_t *object = state_object(view, state_nic_path(nic, path));

	if (!nic->uplink)
		state_set_text(view, object, "network", nic->network->name);
	state_set_description(view, object, configured_nic(view, nic));
	state_set_text(view, object, "driver", nic->driver->name);
	state_set_text(view, object, "status", state_nic_status(nic->status));
	state_set_text(view, object, "reason", reason(nic));
	if (nic->uplink)
		set_vlans(view, object, nic);
	else
		set_port(view, object, nic);
	set_size(view, object, nic);
	set_netns(view, object, config);
	set_interface(view, object, nic);
	set_addresses(view, object, "addresses", config->addresses, config->n_addresses, true);
	set_addresses(view, object, "gateways", config->gateways, config->n_gateways, false);
	set_offloads(view, object, nic->offloads);
	state_nic_counters(nic, &counters, &drops);
	state_set_counters(view, object, &counters);
	state_set_drops(view, object, &drops);
	if (nic->uplink) {
		nic_read_drops(nic, &drops);
		state_set_number(view, object, "unknown-vlan", drops.by_reason[DROP_UNKNOWN_VLAN]);
	}
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

static void
add_if_nic(struct state_view *view, const struct weft_nic *nic)
{
	if (!nic->uplink)
		add_nic(view, nic);
}

static void
add_if_uplink(struct state_view *view, const struct weft_nic *nic)
{
	if (nic->uplink)
		add_nic(view, nic);
}

void
state_nics(struct state_view *view)
{
	state_each_nic(view, add_if_nic);
}

void
state_uplinks(struct state_view *view)
{
	state_each_nic(view, add_if_uplink);
}

/* ---- degraded -------------------------------------------------------------------------------- */

static void
add_if_degraded(struct state_view *view, const struct weft_nic *nic)
{
	char path[VPORT_NAME_SIZE];
	json_t *object;

	if (nic->status == NIC_STATUS_UP)
		return;
	object = json_object();
	if (object == NULL)
		view->no_memory = true;
	state_set_text(view, object, "kind", nic->uplink ? "uplink" : "nic");
	state_set_text(view, object, "name", state_nic_path(nic, path));
	state_set_text(view, object, "reason", reason(nic));
	state_add(view, object, json_string_value(json_object_get(object, "name")), nic->uplink);
}

json_t *
state_degraded(struct daemon *daemon)
{
	struct state_view view;
	json_t *array;

	if (state_view_open(&view, daemon) < 0)
		return NULL;
	weft_objects_lock(view.weft);
	state_each_nic(&view, add_if_degraded);
	weft_objects_unlock(view.weft);
	array = state_take(&view);
	state_view_close(&view);
	return array;
}
