/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks. */
#include "daemon/state_internal.h"

static void
add_network(struct state_view *view, struct weft_network *network)
{
	json_t *object = state_object(view, network->name);
	const struct weft_device *device;
	const struct weft_nic *nic;
	unsigned devices = 0, nics = 0;

	TAILQ_FOREACH(device, &network->devices, entry)
	devices += !firewall_is_set(device);
	TAILQ_FOREACH(nic, &network->nics, entry)
	nics++;
	state_set_description(view, object, state_configured(view, network->name));
	state_set_number(view, object, "devices", devices);
	state_set_number(view, object, "nics", nics);
	state_set_number(view, object, "macs", atomic_load(&network->macs));
	state_set_number(view, object, "mac-limit", network->config.mac_limit);
	state_set_number(view, object, "neighbors", atomic_load(&network->neighbours));
	state_set_number(view, object, "neighbor-limit", network->config.neighbor_limit);
	state_set_number(view, object, "connections", atomic_load(&network->connections));
	state_set_number(view, object, "connection-limit", network->config.connection_limit);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_networks(struct state_view *view)
{
	struct weft_network *network;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (state_selects_network(view, network))
			add_network(view, network);
	}
}
