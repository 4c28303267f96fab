/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links: the engine knows which ports are joined, the configuration how that is called. What
 * joins a router's port to the switch that it is on is not one: it has no name, and comes and
 * goes with the port. What joins two networks' routers is in both.
 */
#include "daemon/state_internal.h"
#include "router/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The configured links of one network by both of their ends, "lan:a". */
static int
map_links(struct name_map *map, const struct lyd_node *network)
{
	const struct lyd_node *link = network != NULL ? model_child(network, "links") : NULL;
	const struct lyd_node *end;

	for (; link != NULL; link = model_next(link))
		for (end = model_child(link, "ends"); end != NULL; end = model_next(end))
			if (name_map_put(map, model_value(end), (void *)link) < 0)
				return -1;
	return 0;
}

static void
local_name(const struct weft_vport *vport, char name[VPORT_NAME_SIZE])
{
	snprintf(name, VPORT_NAME_SIZE, "%s:%s", vport->device->name, vport->name);
}

static void
add_link(struct state_view *view, const struct weft_network *of, const struct lyd_node *link,
	const struct weft_vport *a, const struct weft_vport *b)
{
	bool peering = a->device->network != b->device->network;
	char first[VPORT_NAME_SIZE], second[VPORT_NAME_SIZE], made[2 * VPORT_NAME_SIZE];
	const char *network = a->device->network->name, *name = made;
	char path[3 * VPORT_NAME_SIZE];
	json_t *object, *ends;

	local_name(a, first);
	if (peering)
		vport_path(b, second);
	else
		local_name(b, second);
	snprintf(made, sizeof(made), "%s~%s", first, second); /* as YAML does for one without */
	if (link != NULL)
		name = model_key(link);
	if (!state_selects_link(view, of->name, name))
		return;
	snprintf(path, sizeof(path), "%s/%s", network, name);
	object = state_object(view, path);
	ends = json_array();
	state_set_text(view, object, "network", network);
	state_set_description(view, object, link);
	state_set(view, object, "ends", ends);
	state_append(view, ends, json_text(vport_path(a, path)));
	state_append(view, ends, json_text(vport_path(b, path)));
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

/* A router's port on a switch: of what is not declared no link but its joint has one of each. */
static bool
is_place_on_switch(const struct weft_vport *a, const struct weft_vport *b)
{
	return (a->device->class == &router_class) != (b->device->class == &router_class);
}

static void
add_links_at(
	struct state_view *view, const struct name_map *configured, const struct weft_vport *vport)
{
	const struct weft_network *network = vport->device->network;
	char a[VPORT_NAME_SIZE], b[VPORT_NAME_SIZE], name[VPORT_NAME_SIZE];
	const struct lyd_node *link;
	const struct weft_vport *peer;
	bool first;

	if (vport->live->attachment != ATTACHED_VPORT)
		return;
	peer = vport_by_id(view->weft, vport->live->peer);
	if (peer == NULL)
		return;
	first = state_compare_names(vport_path(vport, a), vport_path(peer, b)) < 0;
	if (!first && (peer->device->network == network ||
			      state_selects_network(view, peer->device->network)))
		return; /* once for the two of them */
	local_name(first ? vport : peer, name);
	link = peer->device->network == network ? name_map_get(configured, name) : NULL;
	if (link != NULL || !is_place_on_switch(vport, peer))
		add_link(view, network, link, first ? vport : peer, first ? peer : vport);
}

static void
add_links_of(struct state_view *view, const struct weft_network *network)
{
	struct name_map configured = { 0 };
	const struct weft_device *device;
	const struct weft_vport *vport;

	if (map_links(&configured, state_configured(view, network->name)) < 0)
		view->no_memory = true;
	TAILQ_FOREACH(device, &network->devices, entry)
	{
		TAILQ_FOREACH(vport, &device->vports, entry)
		add_links_at(view, &configured, vport);
	}
	name_map_free(&configured);
}

void
state_links(struct state_view *view)
{
	const struct weft_network *network;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (state_selects_network(view, network))
			add_links_of(view, network);
	}
}
