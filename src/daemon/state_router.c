/* SPDX-License-Identifier: BSD-3-Clause */
/* Routers, their routes, and their neighbours. */
#include "daemon/state_internal.h"
#include "router/neighbour.h"
#include "router/router.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

static const struct lyd_node *
configured_router(struct state_view *view, const struct weft_device *device)
{
	const struct lyd_node *network = state_configured(view, device->network->name);

	return state_configured_in(view, network, STATE_ROUTERS, device->name);
}

static void
each_router(struct state_view *view,
	void (*look)(struct state_view *view, const struct weft_device *device, void *context),
	void *context)
{
	const struct weft_network *network;
	const struct weft_device *device;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (!state_selects_network(view, network))
			continue;
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			if (device->class == &router_class && state_selects_device(view, device))
				look(view, device, context);
		}
	}
}

/* What all that is of one device or port shares: the words are made once. */
struct shared_words {
	const void *of;
	json_t *network, *router, *port;
};

static void
free_words(struct shared_words *words)
{
	json_decref(words->network);
	json_decref(words->router);
	json_decref(words->port);
	*words = (struct shared_words){ 0 };
}

static void
make_words(struct shared_words *words, const struct weft_device *device,
	const struct weft_vport *vport)
{
	char path[VPORT_NAME_SIZE];

	free_words(words);
	words->of = vport != NULL ? (const void *)vport : device;
	words->network = json_text(device->network->name);
	words->router = json_text(state_device_path(device, path));
	words->port = vport != NULL ? json_text(vport_path(vport, path)) : NULL;
}

static json_t *
new_object(struct state_view *view)
{
	json_t *object = json_object();

	if (object == NULL)
		view->no_memory = true;
	return object;
}

/* ---- routers --------------------------------------------------------------------------------- */

static void
count_neighbour(void *context, const struct neighbour_info *neighbour)
{
	uint32_t *counts = context;

	counts[id_index(neighbour->vport)]++;
}

static uint64_t
neighbours_of(const struct weft_device *device, const uint32_t *counts)
{
	const struct weft_vport *vport;
	uint64_t count = 0;

	TAILQ_FOREACH(vport, &device->vports, entry)
	count += counts[id_index(vport->id)];
	return count;
}

static void
add_router(struct state_view *view, const struct weft_device *device, void *counts)
{
	char path[VPORT_NAME_SIZE];
	json_t *object = state_object(view, state_device_path(device, path));
	struct router_info info;

	router_read(device, &info);
	state_set_text(view, object, "network", device->network->name);
	state_set_description(view, object, configured_router(view, device));
	state_set_number(view, object, "ports", info.ports);
	state_set_number(view, object, "routes4", info.routes4);
	state_set_number(view, object, "routes6", info.routes6);
	state_set_number(view, object, "neighbors", neighbours_of(device, counts));
	state_set_number(view, object, "memory-bytes", info.memory);
	state_set_number(view, object, "icmp-rate", info.icmp_rate);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_routers(struct state_view *view)
{
	/* by index of the vport: one look at the table is for all routers; sparse */
	uint32_t *counts = calloc(ID_INDEX_COUNT, sizeof(*counts));

	if (counts == NULL) {
		view->no_memory = true;
		return;
	}
	neighbours_walk(count_neighbour, counts);
	each_router(view, add_router, counts);
	free(counts);
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* The routes of one router, as they are looked at one by one. */
struct found_routes {
	struct state_view *view;
	const struct weft_device *device;
	const struct lyd_node *configured; /* the router; or NULL */
	struct shared_words words;
	struct router_route selected; /* the last one that was in force */
	uint64_t order;
};

static bool
same_prefix(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->family == b->family && a->length == b->length &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static bool
is_asked_for(const struct state_view *view, const struct router_route *route)
{
	if (view->family != 0 && view->family != route->prefix.family)
		return false;
	return view->prefix.family == 0 || same_prefix(&view->prefix, &route->prefix);
}

/* Where a port is asked for: one of the ways is by it. */
static bool
goes_by_port(const struct state_view *view, const struct router_hop *hops, unsigned n)
{
	if (!state_selects_by_port(view))
		return true;
	for (unsigned i = 0; i < n; i++)
		if (hops[i].port != NULL && state_selects_vport(view, hops[i].port))
			return true;
	return false;
}

static void
append_hop(struct state_view *view, json_t *array, const struct router_hop *hop)
{
	json_t *object = new_object(view);
	char text[VPORT_NAME_SIZE];
	bool gateway = hop->kind == HOP_GATEWAY;

	state_set_text(view, object, "gateway",
		gateway ? state_address(hop->family, hop->gateway, text) : NULL);
	state_set_text(
		view, object, "port", hop->port != NULL ? vport_path(hop->port, text) : NULL);
	state_set_text(view, object, "state",
		gateway ? neighbour_state_name((enum neighbour_state)hop->gateway_state) : NULL);
	state_set(view, object, "usable", json_boolean(hop->usable));
	state_set(view, object, "backup", json_boolean(hop->backup));
	state_append(view, array, object);
}

static void
set_hops(struct state_view *view, json_t *object, const struct router_hop *hops, unsigned n)
{
	json_t *array = json_array();

	state_set(view, object, "next-hops", array);
	for (unsigned i = 0; i < n; i++)
		if (hops[i].kind <= HOP_GATEWAY)
			append_hop(view, array, &hops[i]);
}

/* "10.9.0.1, 10.9.0.2@lan": what the configuration has it go by. */
static void
list_ways(const struct lyd_node *route, char *text, size_t size)
{
	const struct lyd_node *way = route != NULL ? model_child(route, "via") : NULL;
	size_t at = 0;

	text[0] = '\0';
	for (; way != NULL && at < size; way = model_next(way))
		at += (size_t)snprintf(
			text + at, size - at, "%s%s", at > 0 ? ", " : "", model_value(way));
}

static void
set_reason(struct found_routes *found, json_t *object, const struct router_route *route,
	const struct lyd_node *configured)
{
	const struct router_route *other = &found->selected;
	char text[200] = "", ways[100];

	if (route->selected)
		return;
	list_ways(configured, ways, sizeof(ways));
	if (route->hop == 0)
		snprintf(text, sizeof(text), "nothing that is attached leads to %s",
			ways[0] != '\0' ? ways : "its gateways");
	else if (same_prefix(&other->prefix, &route->prefix))
		snprintf(text, sizeof(text), "a %s route, of preference %u, goes before",
			route_source_name(other->source), other->preference);
	state_set_text(found->view, object, "reason", text);
}

static void
add_route(struct found_routes *found, const struct router_route *route,
	const struct router_hop *hops, unsigned n)
{
	struct state_view *view = found->view;
	json_t *object = new_object(view);
	const struct lyd_node *configured = NULL;
	char text[STATE_ADDRESS_SIZE];

	state_prefix(&route->prefix, text);
	if (route->source == ROUTE_STATIC)
		configured = state_configured_in(view, found->configured, STATE_ROUTES, text);
	state_set(view, object, "network", json_incref(found->words.network));
	state_set(view, object, "router", json_incref(found->words.router));
	state_set_text(view, object, "prefix", text);
	state_set_description(view, object, configured);
	state_set_text(view, object, "source", route_source_name(route->source));
	state_set_text(view, object, "type", route_kind_name(route->kind));
	state_set_number(view, object, "preference", route->preference);
	state_set_number(view, object, "metric", route->metric);
	state_set(view, object, "selected", json_boolean(route->selected));
	set_reason(found, object, route, configured);
	set_hops(view, object, hops, n);
	state_add(view, object, json_string_value(found->words.router), found->order++);
}

static bool
look_at_route(void *context, const struct router_route *route)
{
	struct found_routes *found = context;
	struct router_hop hops[NEXT_HOP_MEMBERS];
	unsigned n;

	if (route->selected)
		found->selected = *route;
	if (!is_asked_for(found->view, route))
		return true;
	n = router_hops(found->view->weft, route, hops);
	if (goes_by_port(found->view, hops, n))
		add_route(found, route, hops, n);
	return !found->view->no_memory;
}

static void
add_routes(struct state_view *view, const struct weft_device *device, void *context)
{
	struct found_routes found = {
		.view = view, .device = device, .configured = configured_router(view, device)
	};
	struct router_route route;

	(void)context;
	make_words(&found.words, device, NULL);
	if (view->address.family == 0)
		router_each_route(device, look_at_route, &found);
	else if (router_find_route(device, view->address.family, view->address.address, &route))
		look_at_route(&found, &route);
	free_words(&found.words);
}

void
state_routes(struct state_view *view)
{
	each_router(view, add_routes, NULL);
}

/* ---- neighbours ------------------------------------------------------------------------------ */

struct found_neighbour {
	const struct weft_vport *vport;
	struct neighbour_info info;
};

/* Collected first, then sorted, so that the words of a port are made once. */
struct found_neighbours {
	struct state_view *view;
	struct found_neighbour *list;
	size_t count, capacity;
};

static bool
has_address(const struct state_view *view, const struct neighbour_info *info)
{
	const struct weft_prefix *address = &view->address;

	return address->family == 0 ||
	       (address->family == info->family &&
		       memcmp(address->address, info->address, sizeof(info->address)) == 0);
}

static bool
is_neighbour_asked_for(const struct state_view *view, const struct neighbour_info *info)
{
	if (view->has_mac &&
		(!info->has_mac || memcmp(view->mac, info->mac, sizeof(view->mac)) != 0))
		return false;
	return has_address(view, info);
}

static void
note_neighbour(void *context, const struct neighbour_info *info)
{
	struct found_neighbours *found = context;
	struct state_view *view = found->view;
	const struct weft_vport *vport = vport_by_id(view->weft, info->vport);

	if (vport == NULL || !state_selects_vport(view, vport) ||
		!is_neighbour_asked_for(view, info))
		return;
	if (found->count == found->capacity) {
		size_t capacity = found->capacity > 0 ? found->capacity * 2 : 256;
		struct found_neighbour *list = realloc(found->list, capacity * sizeof(*list));

		if (list == NULL) {
			view->no_memory = true;
			return;
		}
		found->list = list;
		found->capacity = capacity;
	}
	found->list[found->count++] = (struct found_neighbour){ vport, *info };
}

static int
compare_neighbours(const void *one, const void *other)
{
	const struct found_neighbour *a = one, *b = other;

	if (a->vport != b->vport)
		return a->vport < b->vport ? -1 : 1;
	if (a->info.family != b->info.family)
		return a->info.family < b->info.family ? -1 : 1;
	return memcmp(a->info.address, b->info.address, sizeof(a->info.address));
}

static json_t *
seconds_since(uint64_t now, uint64_t then)
{
	return json_integer(now > then ? (json_int_t)((now - then) / SECOND_NS) : 0);
}

static void
add_neighbour(struct state_view *view, const struct shared_words *words,
	const struct neighbour_info *info, uint64_t order)
{
	json_t *object = new_object(view);
	uint64_t now = engine_now(view->weft);
	char text[STATE_ADDRESS_SIZE];

	state_set(view, object, "network", json_incref(words->network));
	state_set(view, object, "router", json_incref(words->router));
	state_set(view, object, "port", json_incref(words->port));
	state_set_text(view, object, "address", state_address(info->family, info->address, text));
	if (info->has_mac)
		state_set_mac(view, object, "mac", info->mac);
	else
		state_set(view, object, "mac", json_null());
	state_set_text(
		view, object, "state", neighbour_state_name((enum neighbour_state)info->state));
	state_set(view, object, "age",
		info->since != 0 ? seconds_since(now, info->since * SECOND_NS) : json_null());
	state_set(view, object, "heard",
		info->confirmed != 0 ? seconds_since(now, info->confirmed) : json_null());
	state_set(view, object, "is-router", json_boolean(info->is_router));
	state_set(view, object, "gateway", json_boolean(info->gateway));
	state_add(view, object, json_string_value(words->port), order);
}

void
state_neighbors(struct state_view *view)
{
	struct found_neighbours found = { .view = view };
	struct shared_words words = { 0 };

	neighbours_walk(note_neighbour, &found);
	if (found.count > 0)
		qsort(found.list, found.count, sizeof(*found.list), compare_neighbours);
	for (size_t i = 0; i < found.count; i++) {
		if (words.of != found.list[i].vport)
			make_words(&words, found.list[i].vport->device, found.list[i].vport);
		add_neighbour(view, &words, &found.list[i].info, i);
	}
	free_words(&words);
	free(found.list);
}
