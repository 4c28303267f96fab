/* SPDX-License-Identifier: BSD-3-Clause */
/* Switches, and the MACs in them. */
#include "daemon/state_internal.h"
#include "switch/switch.h"

#include <stdlib.h>
#include <string.h>

/* ---- switches -------------------------------------------------------------------------------- */

static void
set_loop(struct state_view *view, json_t *object, const struct switch_loop *loop)
{
	json_t *told, *between;
	char text[STATE_TIME_SIZE];

	if (!loop->seen) {
		state_set(view, object, "loop", json_null());
		return;
	}
	told = json_object();
	between = json_array();
	state_set(view, object, "loop", told);
	state_set_mac(view, told, "mac", loop->mac);
	state_set_number(view, told, "vlan", loop->vlan);
	state_set(view, told, "between", between);
	for (unsigned i = 0; i < 2; i++) {
		const struct weft_vport *vport = vport_by_id(view->weft, loop->vports[i]);
		char path[VPORT_NAME_SIZE];

		state_append(view, between,
			vport != NULL ? json_text(vport_path(vport, path)) : json_null());
	}
	state_set_text(
		view, told, "since", state_time(state_wall_clock(view->daemon, loop->since), text));
	state_set_text(
		view, told, "last", state_time(state_wall_clock(view->daemon, loop->last), text));
}

static void
add_switch(
	struct state_view *view, const struct weft_device *device, const struct switch_info *info)
{
	const struct lyd_node *network = state_configured(view, device->network->name);
	char path[VPORT_NAME_SIZE];
	json_t *object = state_object(view, state_device_path(device, path));

	state_set_text(view, object, "network", device->network->name);
	state_set_description(
		view, object, state_configured_in(view, network, STATE_SWITCHES, device->name));
	state_set_number(view, object, "ports", info->ports);
	state_set_number(view, object, "macs", info->macs);
	state_set_number(view, object, "mac-limit", info->mac_limit);
	state_set_number(view, object, "ageing-time", info->ageing_s);
	set_loop(view, object, &info->loop);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_switches(struct state_view *view)
{
	const struct weft_network *network;
	const struct weft_device *device;
	struct switch_info info;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (!state_selects_network(view, network))
			continue;
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			if (device->class != &switch_class || !state_selects_device(view, device))
				continue;
			switch_read(device, &info);
			if (!info.transparent) /* that is the inside of a firewall */
				add_switch(view, device, &info);
		}
	}
}

/* ---- MACs ------------------------------------------------------------------------------------ */

/*
 * The table is walked into an array first, for its lock keeps it from growing; and the array is
 * sorted by port, so that the words of a port are made once for all of its MACs.
 */
struct found_macs {
	struct state_view *view;
	struct switch_mac *list;
	size_t count, capacity;
};

static bool
note_mac(void *context, const struct switch_mac *mac)
{
	struct found_macs *found = context;
	struct state_view *view = found->view;

	if (!state_selects_vport(view, mac->vport) || (view->vlan >= 0 && view->vlan != mac->vlan))
		return true;
	if (view->has_mac && memcmp(view->mac, mac->mac, sizeof(view->mac)) != 0)
		return true;
	if (found->count == found->capacity) {
		size_t capacity = found->capacity > 0 ? found->capacity * 2 : 256;
		struct switch_mac *list = realloc(found->list, capacity * sizeof(*list));

		if (list == NULL) {
			view->no_memory = true;
			return false;
		}
		found->list = list;
		found->capacity = capacity;
	}
	found->list[found->count++] = *mac;
	return true;
}

static int
compare_ports(const void *one, const void *other)
{
	const struct switch_mac *a = one, *b = other;

	return a->vport < b->vport ? -1 : a->vport > b->vport;
}

/* What all MACs of a port share. */
struct port_words {
	const struct weft_vport *vport;
	json_t *network, *device, *port;
};

static void
free_words(struct port_words *words)
{
	json_decref(words->network);
	json_decref(words->device);
	json_decref(words->port);
}

static void
make_words(struct port_words *words, const struct weft_vport *vport)
{
	char path[VPORT_NAME_SIZE];

	free_words(words);
	words->vport = vport;
	words->network = json_text(vport->device->network->name);
	words->device = json_text(state_device_path(vport->device, path));
	words->port = json_text(vport_path(vport, path));
}

/* VLAN, then address */
static uint64_t
mac_order(const struct switch_mac *mac)
{
	uint64_t order = mac->vlan;

	for (unsigned i = 0; i < sizeof(mac->mac); i++)
		order = order << 8 | mac->mac[i];
	return order;
}

static void
add_mac(struct state_view *view, const struct port_words *words, const struct switch_mac *mac)
{
	json_t *object = json_object();

	if (object == NULL)
		view->no_memory = true;
	state_set(view, object, "network", json_incref(words->network));
	state_set(view, object, "switch", json_incref(words->device));
	state_set_number(view, object, "vlan", mac->vlan);
	state_set_mac(view, object, "mac", mac->mac);
	state_set(view, object, "port", json_incref(words->port));
	state_set(view, object, "age", mac->fixed ? json_null() : json_integer(mac->age_s));
	state_set(view, object, "static", json_boolean(mac->fixed));
	state_add(view, object, json_string_value(words->device), mac_order(mac));
}

/* The only switch that is asked for; NULL: more than one. */
static const struct weft_device *
only_switch(const struct state_view *view)
{
	const struct weft_network *network;
	const struct weft_device *device, *only = NULL;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (!state_selects_network(view, network))
			continue;
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			if (!state_selects_device(view, device))
				continue;
			if (only != NULL)
				return NULL;
			only = device;
		}
	}
	return only;
}

void
state_macs(struct state_view *view)
{
	struct found_macs found = { .view = view };
	struct port_words words = { 0 };

	switch_each_mac(view->weft, only_switch(view), note_mac, &found);
	if (found.count > 0)
		qsort(found.list, found.count, sizeof(*found.list), compare_ports);
	for (size_t i = 0; i < found.count; i++) {
		if (words.vport != found.list[i].vport)
			make_words(&words, found.list[i].vport);
		add_mac(view, &words, &found.list[i]);
	}
	free_words(&words);
	free(found.list);
}
