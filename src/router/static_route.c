/* SPDX-License-Identifier: BSD-3-Clause */
/* Static routes: what calls say of them, and how a change keeps them. */
#include "router/static_route.h"

#include "router/router_objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16

/* ---- lists of next hops
 * -------------------------------------------------------------------------- */

/* Of the longest list: 128 next hops, of an address, '@', a name of 63 characters and ','. */
#define KEY_SIZE (2 * WEFT_ROUTE_HOPS * (ROUTER_ADDRESS_SIZE + 66))

static char *
append_hops(char *at, const struct weft_hop *hops, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (hops[i].gateway.family != 0) {
			router_address_text(hops[i].gateway.family, hops[i].gateway.address, at);
			at += strlen(at);
		}
		if (hops[i].port != NULL)
			at += sprintf(at, "@%.63s", hops[i].port->name);
		*at++ = ',';
	}
	return at;
}

/* "10.0.0.1@lan,10.0.0.2,|10.0.0.3," */
static void
put_key(char key[KEY_SIZE], const struct weft_route *route)
{
	char *at = append_hops(key, route->hops, route->n_hops);

	*at++ = '|';
	at = append_hops(at, route->backups, route->n_backups);
	*at = '\0';
}

static void
hops_free(struct static_hops *hops)
{
	if (hops == NULL)
		return;
	for (unsigned i = 0; i < hops->n_hops + hops->n_backups; i++)
		free(hops->hops[i].port);
	free(hops->key);
	free(hops);
}

static int
copy_hops(struct static_hop *to, const struct weft_hop *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		to[i].gateway = from[i].gateway;
		if (from[i].port == NULL)
			continue;
		to[i].port = strdup(from[i].port->name);
		if (to[i].port == NULL)
			return -1;
	}
	return 0;
}

/* NULL: no memory. */
static struct static_hops *
hops_new(const struct weft_route *route, const char *key)
{
	unsigned n = route->n_hops + route->n_backups;
	struct static_hops *hops = calloc(1, sizeof(*hops) + n * sizeof(hops->hops[0]));

	if (hops == NULL)
		return NULL;
	hops->references = 1;
	hops->n_hops = (uint16_t)route->n_hops;
	hops->n_backups = (uint16_t)route->n_backups;
	hops->key = strdup(key);
	if (hops->key != NULL && copy_hops(hops->hops, route->hops, route->n_hops) == 0 &&
		copy_hops(hops->hops + route->n_hops, route->backups, route->n_backups) == 0)
		return hops;
	hops_free(hops);
	return NULL;
}

/* The list of the route's next hops, with one more user. NULL: no memory. */
static struct static_hops *
hops_hold(struct static_routes *routes, const struct weft_route *route)
{
	struct static_hops *hops;
	char key[KEY_SIZE];

	put_key(key, route);
	hops = name_map_get(&routes->hops, key);
	if (hops != NULL) {
		hops->references++;
		return hops;
	}
	hops = hops_new(route, key);
	if (hops != NULL && name_map_put(&routes->hops, hops->key, hops) == 0)
		return hops;
	hops_free(hops);
	return NULL;
}

static void
hops_release(struct static_routes *routes, struct static_hops *hops)
{
	if (hops == NULL || --hops->references > 0)
		return;
	name_map_remove(&routes->hops, hops->key);
	hops_free(hops);
}

/* ---- the set
 * -------------------------------------------------------------------------------------- */

static size_t
first_slot(const struct static_routes *routes, const struct weft_prefix *prefix)
{
	uint64_t words[2];

	memcpy(words, prefix->address, sizeof(words));
	words[0] ^= (uint64_t)prefix->length << 56 | (uint64_t)prefix->family << 48;
	words[0] = hash_words(&routes->hash, words[0], words[1]);
	return hash_words(&routes->hash, words[0], prefix->length) & (routes->capacity - 1);
}

static bool
same_prefix(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->family == b->family && a->length == b->length &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* Where the prefix is, or would be. */
static struct static_route **
slot_of(const struct static_routes *routes, const struct weft_prefix *prefix)
{
	size_t at = first_slot(routes, prefix);

	while (routes->slots[at] != NULL && !same_prefix(&routes->slots[at]->prefix, prefix))
		at = (at + 1) & (routes->capacity - 1);
	return &routes->slots[at];
}

struct static_route *
static_routes_get(const struct static_routes *routes, const struct weft_prefix *prefix)
{
	return routes->capacity != 0 ? *slot_of(routes, prefix) : NULL;
}

static int
grow(struct static_routes *routes)
{
	struct static_routes more = *routes;

	more.capacity = routes->capacity != 0 ? routes->capacity * 2 : FIRST_SLOTS;
	more.slots = calloc(more.capacity, sizeof(*more.slots));
	if (more.slots == NULL)
		return -1;
	if (routes->capacity == 0)
		hash_key_random(&more.hash);
	for (size_t i = 0; i < routes->capacity; i++)
		if (routes->slots[i] != NULL)
			*slot_of(&more, &routes->slots[i]->prefix) = routes->slots[i];
	free(routes->slots);
	*routes = more;
	return 0;
}

/* So that one more of static_routes_put cannot fail; three quarters full at most. 0 or -1. */
static int
reserve(struct static_routes *routes)
{
	return (routes->count + 2) * 4 <= routes->capacity * 3 ? 0 : grow(routes);
}

static void
put(struct static_routes *routes, struct static_route *route)
{
	struct static_route **slot = slot_of(routes, &route->prefix);

	routes->count += *slot == NULL;
	*slot = route;
}

/* Those behind it move up, if that brings them nearer to where they belong. */
static void
take_out(struct static_routes *routes, const struct weft_prefix *prefix)
{
	size_t mask = routes->capacity - 1;
	size_t hole = (size_t)(slot_of(routes, prefix) - routes->slots), at = hole;

	if (routes->slots[hole] == NULL)
		return;
	routes->slots[hole] = NULL;
	routes->count--;
	while (routes->slots[at = (at + 1) & mask] != NULL) {
		size_t wanted = first_slot(routes, &routes->slots[at]->prefix);

		if (((at - wanted) & mask) < ((at - hole) & mask))
			continue;
		routes->slots[hole] = routes->slots[at];
		routes->slots[at] = NULL;
		hole = at;
	}
}

struct static_route *
static_routes_next(const struct static_routes *routes, size_t *at)
{
	while (*at < routes->capacity) {
		struct static_route *route = routes->slots[(*at)++];

		if (route != NULL)
			return route;
	}
	return NULL;
}

struct static_hops *
static_routes_next_hops(const struct static_routes *routes, size_t *at)
{
	return name_map_next(&routes->hops, at);
}

/* ---- routes
 * --------------------------------------------------------------------------------------- */

static void
route_free(struct static_routes *routes, struct static_route *route)
{
	if (route == NULL)
		return;
	hops_release(routes, route->hops);
	free(route);
}

/* NULL: no memory. */
static struct static_route *
route_new(struct static_routes *routes, const struct weft_route *from)
{
	struct static_route *route = calloc(1, sizeof(*route));

	if (route == NULL)
		return NULL;
	route->prefix = from->prefix;
	route->kind = (uint8_t)from->kind;
	route->preference = from->preference != 0 ? from->preference : ROUTER_STATIC_PREFERENCE;
	route->metric = from->metric;
	if (from->kind != WEFT_ROUTE_FORWARD)
		return route;
	route->hops = hops_hold(routes, from);
	if (route->hops != NULL)
		return route;
	free(route);
	return NULL;
}

void
static_routes_free(struct static_routes *routes)
{
	struct static_route *route;
	size_t at = 0;

	while ((route = static_routes_next(routes, &at)) != NULL)
		route_free(routes, route);
	free(routes->slots);
	name_map_free(&routes->hops);
	*routes = (struct static_routes){ 0 };
}

/* ---- edits
 * ---------------------------------------------------------------------------------------- */

/* One route set or removed by the open change. */
struct edit {
	struct static_routes *routes;
	struct static_route *before, *after; /* NULL: there was, will be none */
};

static void
edit_finish(void *object)
{
	struct edit *edit = object;

	route_free(edit->routes, edit->before);
	free(edit);
}

static void
edit_abort(void *object)
{
	struct edit *edit = object;

	if (edit->after != NULL)
		take_out(edit->routes, &edit->after->prefix);
	if (edit->before != NULL)
		put(edit->routes, edit->before); /* there was room for it */
	route_free(edit->routes, edit->after);
	free(edit);
}

static const struct change_step edit_step = { NULL, edit_finish, edit_abort };

/* after NULL: removal. Takes it. */
static void
stage_edit(struct weft_change *change, struct weft_device *device, const struct weft_prefix *prefix,
	struct static_route *after)
{
	struct router *router = device->data;
	struct static_routes *routes = &router->statics;
	struct edit *edit = calloc(1, sizeof(*edit));

	if (edit == NULL || reserve(routes) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		goto failed;
	}
	*edit = (struct edit){ routes, static_routes_get(routes, prefix), after };
	if (change_touch(change, device) < 0 || change_stage(change, &edit_step, edit) < 0)
		goto failed;
	if (after != NULL)
		put(routes, after);
	else
		take_out(routes, prefix);
	return;
failed:
	free(edit);
	route_free(routes, after);
}

/* ---- what a call may say ------------------------------------------------------------------------
 */

static bool
is_prefix(const struct weft_prefix *prefix)
{
	static const uint8_t zero[16];
	uint8_t rest[16];

	if ((prefix->family != 4 && prefix->family != 6) ||
		prefix->length > router_address_bits(prefix->family))
		return false;
	memcpy(rest, prefix->address, sizeof(rest));
	for (unsigned bit = 0; bit < prefix->length; bit++)
		rest[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return memcmp(rest, zero, sizeof(rest)) == 0;
}

static bool
is_service_port(const struct weft_vport *object)
{
	const struct vport *vport = change_vport_after(object);

	return vport != NULL && router_port_of(vport)->udp_port != 0;
}

static int
check_hops(struct weft_change *change, const struct weft_device *device, const char *key,
	const struct weft_prefix *prefix, const struct weft_hop *hops, unsigned n)
{
	if (n > WEFT_ROUTE_HOPS)
		return change_fail(change, EINVAL, "route %s: %u next hops: at most %u", key, n,
			WEFT_ROUTE_HOPS);
	for (unsigned i = 0; i < n; i++) {
		if (hops[i].gateway.family == 0 && hops[i].port == NULL)
			return change_fail(change, EINVAL,
				"route %s: a next hop is a gateway, a port, or both", key);
		if (hops[i].gateway.family != 0 && hops[i].gateway.family != prefix->family)
			return change_fail(change, EINVAL,
				"route %s: a gateway is of the route's own family", key);
		if (hops[i].port != NULL && hops[i].port->device != device)
			return change_fail(change, EINVAL, "route %s: %s is no port of %s/%s", key,
				hops[i].port->name, device->network->name, device->name);
		if (hops[i].port != NULL && is_service_port(hops[i].port))
			return change_fail(change, EINVAL,
				"route %s: port %s has no neighbours: it is a tunnel's", key,
				hops[i].port->name);
	}
	return 0;
}

static int
check_route(struct weft_change *change, const struct weft_device *device,
	const struct weft_route *route)
{
	char key[ROUTER_PREFIX_SIZE];

	if (!is_prefix(&route->prefix))
		return change_fail(change, EINVAL,
			"a route's prefix is of family 4 or 6, and has no bits behind its length");
	router_prefix_text(&route->prefix, key);
	if (route->kind == WEFT_ROUTE_FORWARD && route->n_hops == 0)
		return change_fail(change, EINVAL, "route %s leads nowhere: add a next hop", key);
	if (route->kind != WEFT_ROUTE_FORWARD && route->n_hops + route->n_backups > 0)
		return change_fail(
			change, EINVAL, "route %s has next hops, but does not forward", key);
	if (check_hops(change, device, key, &route->prefix, route->hops, route->n_hops) < 0)
		return -1;
	return check_hops(change, device, key, &route->prefix, route->backups, route->n_backups);
}

void
weft_router_route_set(
	struct weft_change *change, struct weft_device *device, const struct weft_route *route)
{
	struct static_route *copy;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &router_class) || check_route(change, device, route) < 0)
		return;
	copy = route_new(&((struct router *)device->data)->statics, route);
	if (copy == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	stage_edit(change, device, &route->prefix, copy);
}

void
weft_router_route_remove(
	struct weft_change *change, struct weft_device *device, const struct weft_prefix *prefix)
{
	struct router *router;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &router_class))
		return;
	router = device->data;
	if (static_routes_get(&router->statics, prefix) != NULL)
		stage_edit(change, device, prefix, NULL);
}
