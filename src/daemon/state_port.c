/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: what is attached, what they carry, and their traffic seen from the device. */
#include "daemon/state_internal.h"
#include "router/router.h"
#include "switch/switch.h"

#include <stdio.h>
#include <string.h>

/* "nic" and "red/web" */
static void
set_attachment(struct state_view *view, json_t *object, const struct weft_vport *vport)
{
	static const char *const names[] = {
		[ATTACHED_NOTHING] = "none",
		[ATTACHED_NIC] = "nic",
		[ATTACHED_UPLINK] = "uplink",
		[ATTACHED_VPORT] = "link",
	};
	const struct vport *live = vport->live;
	const struct weft_vport *peer;
	char path[VPORT_NAME_SIZE];
	const char *to = NULL;

	if (live->nic != NULL) {
		to = state_nic_path(live->nic, path);
	} else if (live->attachment == ATTACHED_VPORT) {
		peer = vport_by_id(view->weft, live->peer);
		to = peer != NULL ? vport_path(peer, path) : NULL;
	}
	state_set_text(view, object, "attachment", names[live->attachment]);
	state_set_text(view, object, "to", to);
	if (live->attachment == ATTACHED_UPLINK)
		state_set_some(view, object, "uplink-vlan", live->uplink_vlan);
}

/* "10-20", or "7" */
static void
append_range(struct state_view *view, json_t *array, unsigned first, unsigned last)
{
	char text[32];

	if (first == last)
		snprintf(text, sizeof(text), "%u", first);
	else
		snprintf(text, sizeof(text), "%u-%u", first, last);
	state_append(view, array, json_text(text));
}

static bool
has_vlan(const uint64_t *vlans, unsigned vlan)
{
	return (vlans[vlan / 64] >> vlan % 64 & 1) != 0;
}

/* NULL: all of them. */
static json_t *
vlan_ranges(struct state_view *view, const uint64_t *vlans)
{
	static const uint64_t all[WEFT_VLAN_BITMAP_WORDS];
	json_t *array = NULL;

	if (memcmp(vlans, all, sizeof(all)) == 0)
		return NULL;
	for (unsigned vlan = 1, first = 0; vlan <= WEFT_VLAN_MAX; vlan++) {
		if (!has_vlan(vlans, vlan))
			continue;
		if (first == 0)
			first = vlan;
		if (vlan < WEFT_VLAN_MAX && has_vlan(vlans, vlan + 1))
			continue;
		if (array == NULL && (array = json_array()) == NULL)
			view->no_memory = true;
		append_range(view, array, first, vlan);
		first = 0;
	}
	return array;
}

static void
set_vlans(struct state_view *view, json_t *object, const struct weft_switch_port_config *config)
{
	bool access = config->access != 0, native = config->native != WEFT_VLAN_NO_NATIVE;
	json_t *vlans = access ? NULL : vlan_ranges(view, config->vlans);

	state_set_text(view, object, "vlan-mode", access ? "access" : "trunk");
	state_set_some(view, object, "vlan", access ? config->access : native ? config->native : 0);
	state_set(view, object, "vlans", vlans != NULL ? vlans : json_null());
}

/* What a router's port has of its own. */
static void
set_station(struct state_view *view, json_t *object, const struct weft_vport *vport)
{
	static const char *const urpf[] = {
		[WEFT_URPF_OFF] = "off", [WEFT_URPF_STRICT] = "strict", [WEFT_URPF_LOOSE] = "loose"
	};
	json_t *addresses = json_array();
	struct router_port_info info;
	char text[STATE_ADDRESS_SIZE];

	router_port_read(vport, &info);
	state_set_mac(view, object, "mac", info.mac);
	state_set(view, object, "addresses", addresses);
	for (unsigned i = 0; i < info.n_addresses; i++) {
		const struct router_address *own = &info.addresses[i];
		struct weft_prefix prefix = { .family = own->family, .length = own->length };

		memcpy(prefix.address, own->bytes, sizeof(prefix.address));
		state_append(view, addresses, json_text(state_prefix(&prefix, text)));
	}
	state_set_text(view, object, "urpf", urpf[info.urpf]);
}

static void
add_port(struct state_view *view, const struct weft_vport *vport, const struct lyd_node *configured)
{
	const struct weft_device *device = vport->device;
	struct switch_port_info info;
	struct vport_counters counters;
	struct vport_drops drops;
	char path[VPORT_NAME_SIZE];
	json_t *object = state_object(view, vport_path(vport, path));

	state_set_text(view, object, "network", device->network->name);
	state_set_text(view, object, "device", device->name);
	state_set_description(
		view, object, state_configured_in(view, configured, STATE_PORTS, vport->name));
	set_attachment(view, object, vport);
	if (device->class == &switch_class) {
		switch_port_read(vport, &info);
		if (!info.transparent)
			set_vlans(view, object, &info.config);
	} else if (device->class == &router_class) {
		set_station(view, object, vport);
	}
	state_set_number(view, object, "mtu", vport->live->mtu);
	if (device->class == &switch_class) {
		state_set_number(view, object, "macs", info.macs);
		state_set_some(view, object, "mac-limit", info.config.mac_limit);
	}
	vport_read_counters(vport, &counters, &drops);
	state_set_counters(view, object, &counters);
	state_set_drops(view, object, &drops);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_ports(struct state_view *view)
{
	state_each_vport(view, add_port);
}
