/* SPDX-License-Identifier: BSD-3-Clause */
/* Collecting objects as JSON: in order, with the words that they share. */
#include "daemon/state_internal.h"
#include "firewall/firewall.h"
#include "router/router.h"
#include "switch/switch.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libyang/libyang.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- its life -------------------------------------------------------------------------------- */

/* Networks are top-level: without a map each would be looked for among all of them. */
static int
map_networks(struct state_view *view)
{
	const struct lyd_node *network =
		configuration_child(view->running->configuration, "networks");

	for (; network != NULL; network = model_next(network))
		if (name_map_put(&view->networks, model_key(network), (void *)network) < 0)
			return -1;
	return 0;
}

int
state_view_open(struct state_view *view, struct daemon *daemon)
{
	*view = (struct state_view){
		.daemon = daemon,
		.weft = daemon->weft,
		.running = config_hold(daemon->config),
		.vlan = -1,
		.reason = -1,
	};
	if (map_networks(view) == 0)
		return 0;
	state_view_close(view);
	return -1;
}

void
state_drop(struct state_view *view, size_t from)
{
	for (size_t i = from; i < view->n_items; i++)
		json_decref(view->items[i].object);
	view->n_items = from;
}

static void
drop_items(struct state_view *view)
{
	state_drop(view, 0);
	free(view->items);
	view->items = NULL;
	view->capacity = 0;
}

void
state_view_close(struct state_view *view)
{
	drop_items(view);
	state_selectors_free(view);
	for (unsigned i = 0; i < STATE_LISTS; i++)
		name_map_free(&view->names[i].map);
	name_map_free(&view->networks);
	config_release(view->running);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* The digits at `text`, leading zeros left out. */
static size_t
digits(const char **text)
{
	size_t n = 0;

	while (**text == '0' && isdigit((unsigned char)(*text)[1]))
		(*text)++;
	while (isdigit((unsigned char)(*text)[n]))
		n++;
	return n;
}

/* red/lan:p1 before red/lan-2:p1 */
static int
weight(char character)
{
	if (character == '\0')
		return 0;
	if (character == '/' || character == ':')
		return 1;
	return 2 + (unsigned char)character;
}

int
state_compare_names(const char *a, const char *b)
{
	const char *first = a, *second = b;

	while (*a != '\0' && *b != '\0') {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			size_t n = digits(&a), m = digits(&b);
			int order = n != m ? (n < m ? -1 : 1) : memcmp(a, b, n);

			if (order != 0)
				return order;
			a += n;
			b += m;
		} else if (*a != *b) {
			return weight(*a) - weight(*b);
		} else {
			a++;
			b++;
		}
	}
	if (*a != *b)
		return weight(*a) - weight(*b);
	return strcmp(first, second); /* "p1" and "p01" */
}

static int
compare_items(const void *one, const void *other)
{
	const struct state_item *a = one, *b = other;
	int order = 0;

	if (a->name != b->name && a->name != NULL && b->name != NULL)
		order = state_compare_names(a->name, b->name);
	if (order != 0)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

void
state_add(struct state_view *view, json_t *object, const char *name, uint64_t order)
{
	if (object == NULL)
		return;
	if (view->n_items == view->capacity) {
		size_t capacity = view->capacity > 0 ? view->capacity * 2 : 64;
		struct state_item *items = realloc(view->items, capacity * sizeof(*items));

		if (items == NULL) {
			view->no_memory = true;
			json_decref(object);
			return;
		}
		view->items = items;
		view->capacity = capacity;
	}
	view->items[view->n_items++] = (struct state_item){ object, name, order };
}

json_t *
state_take(struct state_view *view)
{
	json_t *array = view->no_memory ? NULL : json_array();

	if (array != NULL && view->n_items > 1)
		qsort(view->items, view->n_items, sizeof(*view->items), compare_items);
	for (size_t i = 0; array != NULL && i < view->n_items; i++) {
		if (json_array_append(array, view->items[i].object) == 0)
			continue;
		json_decref(array);
		array = NULL;
	}
	if (array == NULL)
		view->no_memory = true;
	drop_items(view);
	return array;
}

/* ---- objects --------------------------------------------------------------------------------- */

json_t *
state_object(struct state_view *view, const char *name)
{
	json_t *object = json_object();

	if (object == NULL)
		view->no_memory = true;
	state_set(view, object, "name", json_text(name));
	return object;
}

void
state_set(struct state_view *view, json_t *object, const char *key, json_t *value)
{
	if (object == NULL)
		json_decref(value);
	else if (json_object_set_new_nocheck(object, key, value) < 0)
		view->no_memory = true;
}

void
state_append(struct state_view *view, json_t *array, json_t *value)
{
	if (array == NULL)
		json_decref(value);
	else if (json_array_append_new(array, value) < 0)
		view->no_memory = true;
}

void
state_set_text(struct state_view *view, json_t *object, const char *key, const char *text)
{
	state_set(view, object, key, text != NULL ? json_text(text) : json_null());
}

void
state_set_number(struct state_view *view, json_t *object, const char *key, uint64_t number)
{
	state_set(view, object, key, json_integer((json_int_t)number));
}

void
state_set_some(struct state_view *view, json_t *object, const char *key, uint64_t number)
{
	state_set(view, object, key, number != 0 ? json_integer((json_int_t)number) : json_null());
}

const char *
state_mac(const uint8_t mac[6], char text[STATE_MAC_SIZE])
{
	snprintf(text, STATE_MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return text;
}

void
state_set_mac(struct state_view *view, json_t *object, const char *key, const uint8_t mac[6])
{
	static const uint8_t none[6];
	char text[STATE_MAC_SIZE];

	state_set_text(view, object, key,
		memcmp(mac, none, sizeof(none)) != 0 ? state_mac(mac, text) : NULL);
}

void
state_set_counters(struct state_view *view, json_t *object, const struct vport_counters *counters)
{
	state_set_number(view, object, "in-packets", counters->in_packets);
	state_set_number(view, object, "in-bytes", counters->in_bytes);
	state_set_number(view, object, "out-packets", counters->out_packets);
	state_set_number(view, object, "out-bytes", counters->out_bytes);
}

void
state_set_drops(struct state_view *view, json_t *object, const struct vport_drops *drops)
{
	json_t *counts = json_object();

	state_set(view, object, "drops", counts);
	for (unsigned reason = 0; counts != NULL && reason < DROP_REASON_COUNT; reason++)
		if (drops->by_reason[reason] != 0)
			state_set_number(view, counts, drop_name((enum drop_reason)reason),
				drops->by_reason[reason]);
}

const char *
state_device_path(const struct weft_device *device, char path[VPORT_NAME_SIZE])
{
	/* as people named it */
	snprintf(path, VPORT_NAME_SIZE, "%s/%s", device->network->name, firewall_name(device));
	return path;
}

const char *
state_address(uint8_t family, const uint8_t *address, char text[STATE_ADDRESS_SIZE])
{
	inet_ntop(family == 6 ? AF_INET6 : AF_INET, address, text, STATE_ADDRESS_SIZE);
	return text;
}

const char *
state_prefix(const struct weft_prefix *prefix, char text[STATE_ADDRESS_SIZE])
{
	size_t at = strlen(state_address(prefix->family, prefix->address, text));

	snprintf(text + at, STATE_ADDRESS_SIZE - at, "/%u", prefix->length);
	return text;
}

const char *
state_nic_path(const struct weft_nic *nic, char path[VPORT_NAME_SIZE])
{
	if (nic->network != NULL)
		snprintf(path, VPORT_NAME_SIZE, "%s/%s", nic->network->name, nic->name);
	else
		snprintf(path, VPORT_NAME_SIZE, "%s", nic->name);
	return path;
}

/* ---- what is configured ---------------------------------------------------------------------- */

const struct lyd_node *
state_configured(const struct state_view *view, const char *network)
{
	return name_map_get(&view->networks, network);
}

/* A map costs less than libyang's own look-up does, two to a switch included. */
static void
map_names(struct state_view *view, struct state_names *names, const struct lyd_node *parent,
	const char *list)
{
	const struct lyd_node *entry;

	name_map_free(&names->map);
	names->map = (struct name_map){ 0 };
	names->parent = parent;
	for (entry = model_child(parent, list); entry != NULL; entry = model_next(entry))
		if (name_map_put(&names->map, model_key(entry), (void *)entry) < 0)
			view->no_memory = true;
}

const struct lyd_node *
state_configured_in(struct state_view *view, const struct lyd_node *parent, enum state_list list,
	const char *name)
{
	static const char *const lists[] = {
		[STATE_SWITCHES] = "switches",
		[STATE_ROUTERS] = "routers",
		[STATE_FIREWALLS] = "firewalls",
		[STATE_PORTS] = "ports",
		[STATE_ROUTES] = "routes",
		[STATE_NICS] = "nics",
	};
	struct state_names *names = &view->names[list];

	if (parent == NULL)
		return NULL;
	if (names->parent != parent)
		map_names(view, names, parent, lists[list]);
	return name_map_get(&names->map, name);
}

void
state_set_description(struct state_view *view, json_t *object, const struct lyd_node *configured)
{
	const char *text = configured != NULL ? model_text(configured, "description") : NULL;

	if (text != NULL)
		state_set_text(view, object, "description", text);
}

/* ---- walking the engine ---------------------------------------------------------------------- */

static void
each_nic_of(struct state_view *view, struct weft_network *network,
	void (*look)(struct state_view *view, const struct weft_nic *nic))
{
	const struct weft_nic *nic;

	TAILQ_FOREACH(nic, engine_nics(view->weft, network), entry)
	{
		if (state_selects_nic(view, nic))
			look(view, nic);
	}
}

void
state_each_nic(
	struct state_view *view, void (*look)(struct state_view *view, const struct weft_nic *nic))
{
	struct weft_network *network;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (state_selects_network(view, network))
			each_nic_of(view, network, look);
	}
	each_nic_of(view, NULL, look);
}

static enum state_list
list_of(const struct weft_device *device)
{
	if (device->class == &router_class)
		return STATE_ROUTERS;
	return device->class == &firewall_class ? STATE_FIREWALLS : STATE_SWITCHES;
}

void
state_each_vport(struct state_view *view,
	void (*look)(struct state_view *view, const struct weft_vport *vport,
		const struct lyd_node *configured))
{
	const struct weft_network *network;
	const struct weft_device *device;
	const struct weft_vport *vport;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		const struct lyd_node *known = state_configured(view, network->name);

		if (!state_selects_network(view, network))
			continue;
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			const struct lyd_node *configured;

			if (!state_selects_device(view, device))
				continue;
			configured = state_configured_in(
				view, known, list_of(device), firewall_name(device));
			/* one of more than two ports has a switch inside */
			if (configured == NULL && device->class == &switch_class)
				configured = state_configured_in(
					view, known, STATE_FIREWALLS, device->name);
			TAILQ_FOREACH(vport, &device->vports, entry)
			{
				if (state_selects_vport(view, vport))
					look(view, vport, configured);
			}
		}
	}
}
