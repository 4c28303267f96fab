/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels, and what is at their other ends. */
#include "daemon/state_internal.h"
#include "switch/switch.h"
#include "tunnel/tunnel.h"

#include <arpa/inet.h>

static const char *
address_text(const struct weft_prefix *address, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->address, text,
		INET6_ADDRSTRLEN);
}

/* The other end of the link that a vport is on; NULL: none. */
static const struct weft_vport *
other_end(const struct state_view *view, const struct weft_vport *vport)
{
	if (vport->live->attachment != ATTACHED_VPORT)
		return NULL;
	return vport_by_id(view->weft, vport->live->peer);
}

static void
set_router(struct state_view *view, json_t *object, const struct weft_vport *underlay)
{
	const struct weft_vport *service = other_end(view, underlay);
	char path[VPORT_NAME_SIZE];

	state_set_text(view, object, "router",
		service != NULL ? state_device_path(service->device, path) : NULL);
}

/* in: what came from there. The vport's own counters are the device's: in is from the switch. */
static void
append_remote(struct state_view *view, json_t *array, const struct weft_vport *vport,
	const struct tunnel_remote_info *info)
{
	const struct weft_vport *place = other_end(view, vport);
	json_t *object = json_object();
	struct switch_port_info port;
	struct vport_counters counters, turned;
	struct vport_drops drops;
	char text[INET6_ADDRSTRLEN], path[VPORT_NAME_SIZE];

	if (object == NULL)
		view->no_memory = true;
	state_set_number(view, object, "vni", info->vni);
	state_set_text(view, object, "remote", address_text(&info->remote, text));
	state_set_text(view, object, "port", place != NULL ? vport_path(place, path) : NULL);
	if (place != NULL && place->device->class == &switch_class) {
		switch_port_read(place, &port);
		state_set_number(view, object, "vlan", port.config.access);
		state_set_number(view, object, "macs", port.macs);
	}
	vport_read_counters(vport, &counters, &drops);
	turned = (struct vport_counters){ counters.out_packets, counters.out_bytes,
		counters.in_packets, counters.in_bytes };
	state_set_counters(view, object, &turned);
	state_set_drops(view, object, &drops);
	state_append(view, array, object);
}

/* All of its vports: of the underlay, and of the remotes. */
static void
set_ends(struct state_view *view, json_t *object, const struct weft_device *device)
{
	json_t *remotes = json_array();
	const struct weft_vport *vport;
	struct tunnel_remote_info info;
	struct vport_counters counters;
	struct vport_drops drops;

	if (remotes == NULL)
		view->no_memory = true;
	TAILQ_FOREACH(vport, &device->vports, entry)
	{
		tunnel_vport_read(vport, &info);
		if (!info.underlay) {
			append_remote(view, remotes, vport, &info);
			continue;
		}
		set_router(view, object, vport);
		vport_read_counters(vport, &counters, &drops);
		state_set_counters(view, object, &counters);
		state_set_drops(view, object, &drops);
	}
	state_set(view, object, "remotes", remotes);
}

static void
add_tunnel(struct state_view *view, const struct weft_device *device)
{
	const struct lyd_node *network = state_configured(view, device->network->name);
	char path[VPORT_NAME_SIZE], text[INET6_ADDRSTRLEN];
	json_t *object = state_object(view, state_device_path(device, path));
	struct tunnel_info info;

	tunnel_read(device, &info);
	state_set_text(view, object, "network", device->network->name);
	state_set_description(view, object,
		network != NULL ? model_entry(network, "tunnels", device->name) : NULL);
	state_set_text(view, object, "local", address_text(&info.config.local, text));
	state_set_number(view, object, "udp-port", info.config.port);
	state_set_number(view, object, "mtu", info.config.mtu);
	state_set_number(view, object, "vnis", info.vnis);
	set_ends(view, object, device);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_tunnels(struct state_view *view)
{
	const struct weft_network *network;
	const struct weft_device *device;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (!state_selects_network(view, network))
			continue;
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			if (device->class == &tunnel_class && state_selects_device(view, device))
				add_tunnel(view, device);
		}
	}
}
