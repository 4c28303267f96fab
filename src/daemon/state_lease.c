/* SPDX-License-Identifier: BSD-3-Clause */
/* DHCP leases. */
#include "daemon/lease_json.h"
#include "daemon/state_internal.h"
#include "router/router.h"

#include <stdlib.h>
#include <string.h>

static bool
is_selected(const struct state_view *view, const struct dhcp_lease *lease)
{
	return !view->has_mac || (lease->hlen == sizeof(view->mac) &&
					 memcmp(view->mac, lease->chaddr, sizeof(view->mac)) == 0);
}

/* The configuration's entry in reservations that has the address; NULL: none. */
static const struct lyd_node *
reservation_of(const struct lyd_node *port, const char *address)
{
	const struct lyd_node *entry = model_child(model_child(port, "dhcp"), "reservations");
	const char *ip;

	for (; entry != NULL; entry = model_next(entry))
		if ((ip = model_text(entry, "ip")) != NULL && strcmp(ip, address) == 0)
			return entry;
	return NULL;
}

static void
add_lease(struct state_view *view, const struct weft_vport *vport, const struct lyd_node *port,
	const struct dhcp_lease *lease)
{
	char path[VPORT_NAME_SIZE], address[LEASE_ADDRESS_SIZE], hex[LEASE_HEX_SIZE];
	char time[STATE_TIME_SIZE];
	json_t *object = json_object(), *where = json_text(vport_path(vport, path));

	if (object == NULL)
		view->no_memory = true;
	lease_address(lease->address, address);
	state_set_text(view, object, "network", vport->device->network->name);
	state_set(view, object, "port", where);
	state_set_text(view, object, "address", address);
	state_set_text(view, object, "mac",
		lease->hlen > 0 ? lease_hex(lease->chaddr, lease->hlen, hex) : NULL);
	state_set_text(view, object, "client-id",
		lease->client_id_length > 0
			? lease_hex(lease->client_id, lease->client_id_length, hex)
			: NULL);
	state_set_text(
		view, object, "hostname", *lease->host_name != '\0' ? lease->host_name : NULL);
	state_set_text(view, object, "state", lease_state_name(lease));
	state_set_text(view, object, "since", state_time(lease->since * 1000000000, time));
	state_set_text(view, object, "expires",
		lease->expires == UINT64_MAX ? NULL
					     : state_time(lease->expires * 1000000000, time));
	state_set(view, object, "reserved", json_boolean(reservation_of(port, address) != NULL));
	state_add(view, object, json_string_value(where), lease->address);
}

static void
add_leases(struct state_view *view, const struct weft_vport *vport)
{
	const struct weft_device *device = vport->device;
	const struct lyd_node *network = state_configured(view, device->network->name);
	const struct lyd_node *port =
		network != NULL ? model_entry(network, "routers", device->name) : NULL;
	struct router_leases found;

	if (router_port_leases(vport, &found) < 0) {
		view->no_memory = true;
		return;
	}
	if (port != NULL)
		port = model_entry(port, "ports", vport->name);
	for (size_t i = 0; i < found.count; i++)
		if (is_selected(view, &found.list[i]))
			add_lease(view, vport, port, &found.list[i]);
	free(found.list);
}

static void
look_at(struct state_view *view, const struct weft_vport *vport, const struct lyd_node *configured)
{
	(void)configured;
	if (vport->device->class == &router_class)
		add_leases(view, vport);
}

void
state_leases(struct state_view *view)
{
	state_each_vport(view, look_at);
}
