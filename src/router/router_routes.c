/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The routes of a router: what a change makes of them. They are worked out whole from the
 * ports and the static routes as they will be; what differs from the list in force goes into
 * the FIBs at the commit, whose memory has been reserved before.
 */
#include "base/error.h"
#include "router/router_objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- static routes ------------------------------------------------------------------------------
 */

struct static_hop {
	struct weft_prefix gateway; /* family 0: none */
	char *port;                 /* its name; NULL: any */
};

struct static_route {
	char key[ROUTER_PREFIX_SIZE];
	struct weft_prefix prefix;
	enum weft_route_kind kind;
	uint8_t preference;
	uint32_t metric;
	unsigned n_hops, n_backups;
	struct static_hop hops[]; /* backups behind */
};

static void
static_free(struct static_route *route)
{
	if (route == NULL)
		return;
	for (unsigned i = 0; i < route->n_hops + route->n_backups; i++)
		free(route->hops[i].port);
	free(route);
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
static struct static_route *
static_new(const struct weft_route *route)
{
	unsigned n = route->n_hops + route->n_backups;
	struct static_route *copy = calloc(1, sizeof(*copy) + n * sizeof(copy->hops[0]));

	if (copy == NULL)
		return NULL;
	router_prefix_text(&route->prefix, copy->key);
	copy->prefix = route->prefix;
	copy->kind = route->kind;
	copy->preference = route->preference != 0 ? route->preference : ROUTER_STATIC_PREFERENCE;
	copy->metric = route->metric;
	copy->n_hops = route->n_hops;
	copy->n_backups = route->n_backups;
	if (copy_hops(copy->hops, route->hops, route->n_hops) == 0 &&
		copy_hops(copy->hops + route->n_hops, route->backups, route->n_backups) == 0)
		return copy;
	static_free(copy);
	return NULL;
}

/* One route set or removed by the open change. */
struct edit {
	struct router *router;
	struct static_route *before, *after; /* NULL: there was, will be none */
};

static void
edit_finish(void *object)
{
	struct edit *edit = object;

	static_free(edit->before);
	free(edit);
}

static void
edit_abort(void *object)
{
	struct edit *edit = object;

	if (edit->after != NULL)
		name_map_remove(&edit->router->statics, edit->after->key);
	if (edit->before != NULL) /* there was room for it */
		name_map_put(&edit->router->statics, edit->before->key, edit->before);
	static_free(edit->after);
	free(edit);
}

static const struct change_step edit_step = { NULL, edit_finish, edit_abort };

/* after NULL: removal. Takes it. */
static void
stage_edit(struct weft_change *change, struct weft_device *device, const char *key,
	struct static_route *after)
{
	struct router *router = device->data;
	struct edit *edit = calloc(1, sizeof(*edit));

	if (edit == NULL || name_map_reserve(&router->statics, 2) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		goto failed;
	}
	*edit = (struct edit){ router, name_map_get(&router->statics, key), after };
	if (change_touch(change, device) < 0 || change_stage(change, &edit_step, edit) < 0)
		goto failed;
	if (edit->before != NULL)
		name_map_remove(&router->statics, key);
	if (after != NULL)
		name_map_put(&router->statics, after->key, after);
	return;
failed:
	free(edit);
	static_free(after);
}

/* ---- what a call may say ------------------------------------------------------------------------
 */

static unsigned
bits_of(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

static bool
is_prefix(const struct weft_prefix *prefix)
{
	static const uint8_t zero[16];
	uint8_t rest[16];

	if ((prefix->family != 4 && prefix->family != 6) ||
		prefix->length > bits_of(prefix->family))
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

static bool
is_router(struct weft_change *change, const struct weft_device *device)
{
	if (device->class == &router_class)
		return true;
	change_fail(change, EINVAL, "%s/%s is a %s, not a router", device->network->name,
		device->name, device->class->name);
	return false;
}

void
weft_router_route_set(
	struct weft_change *change, struct weft_device *device, const struct weft_route *route)
{
	struct static_route *copy;

	if (weft_change_failed(change, NULL) || device == NULL || !is_router(change, device) ||
		check_route(change, device, route) < 0)
		return;
	copy = static_new(route);
	if (copy == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	stage_edit(change, device, copy->key, copy);
}

void
weft_router_route_remove(
	struct weft_change *change, struct weft_device *device, const struct weft_prefix *prefix)
{
	struct router *router;
	char key[ROUTER_PREFIX_SIZE];

	if (weft_change_failed(change, NULL) || device == NULL || !is_router(change, device))
		return;
	router = device->data;
	router_prefix_text(prefix, key);
	if (name_map_get(&router->statics, key) != NULL)
		stage_edit(change, device, key, NULL);
}

/* ---- working out the list
 * ------------------------------------------------------------------------ */

/* Ids of next hops, each held once. */
struct hop_set {
	uint32_t ids[WEFT_ROUTE_HOPS];
	unsigned n;
	bool failed; /* no memory */
};

struct builder {
	struct weft_device *device;
	struct router *router;
	struct route_list *list;
	size_t capacity;
	bool failed;
	struct name_map resolved; /* gateway -> hop_set, for what has been asked for before */
};

/* Takes one use of the id; 0: there was no memory. */
static void
set_add(struct hop_set *set, uint32_t id)
{
	if (id == 0) {
		set->failed = true;
		return;
	}
	for (unsigned i = 0; i < set->n; i++) {
		if (set->ids[i] == id) {
			next_hop_release(id);
			return;
		}
	}
	if (set->n < WEFT_ROUTE_HOPS)
		set->ids[set->n++] = id;
	else
		next_hop_release(id);
}

static void
set_release(struct hop_set *set)
{
	for (unsigned i = 0; i < set->n; i++)
		next_hop_release(set->ids[i]);
	set->n = 0;
}

static void
set_add_all(struct hop_set *set, const struct hop_set *more)
{
	for (unsigned i = 0; i < more->n; i++) {
		next_hop_hold_again(more->ids[i]);
		set_add(set, more->ids[i]);
	}
	set->failed |= more->failed;
}

/* Takes one use of the hop. */
static void
add_route(struct builder *builder, const struct router_route *route)
{
	if (builder->list->count == builder->capacity) {
		size_t capacity = builder->capacity * 2;
		struct route_list *more =
			realloc(builder->list, sizeof(*more) + capacity * sizeof(more->routes[0]));

		if (more == NULL) {
			builder->failed = true;
			next_hop_release(route->hop);
			return;
		}
		builder->list = more;
		builder->capacity = capacity;
	}
	builder->list->routes[builder->list->count++] = *route;
}

/* ---- what follows from the ports
 * ------------------------------------------------------------------ */

static void
add_port_route(struct builder *builder, const struct vport *vport, const uint8_t *address,
	uint8_t family, unsigned length, enum route_source source)
{
	static const uint8_t kinds[] = { [ROUTE_LOCAL] = HOP_LOCAL,
		[ROUTE_BROADCAST] = HOP_BROADCAST,
		[ROUTE_CONNECTED] = HOP_CONNECTED };
	struct hop_key key = { .kind = kinds[source], .vport = vport->id };
	struct router_route route = { .source = (uint8_t)source };

	route.prefix.family = family;
	route.prefix.length = (uint8_t)length;
	memcpy(route.prefix.address, address, family == 4 ? 4 : 16);
	for (unsigned bit = length; bit < bits_of(family); bit++)
		route.prefix.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	route.hop = next_hop_hold(&key, builder->router->network);
	if (route.hop == 0)
		builder->failed = true;
	else
		add_route(builder, &route);
}

/* RFC 919: all ones; a network of 31 bits has none (RFC 3021). */
static void
add_broadcast(struct builder *builder, const struct vport *vport, const struct router_address *own)
{
	uint8_t address[4];

	memcpy(address, own->bytes, sizeof(address));
	for (unsigned bit = own->length; bit < 32; bit++)
		address[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	add_port_route(builder, vport, address, 4, 32, ROUTE_BROADCAST);
}

/* RFC 4291, 2.6.1: the subnet-router anycast address; RFC 6164: not in a network of 127 bits. */
static void
add_anycast(struct builder *builder, const struct vport *vport, const struct router_address *own)
{
	uint8_t address[16];

	memcpy(address, own->bytes, sizeof(address));
	for (unsigned bit = own->length; bit < 128; bit++)
		address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	if (memcmp(address, own->bytes, sizeof(address)) != 0)
		add_port_route(builder, vport, address, 6, 128, ROUTE_LOCAL);
}

static bool
is_link_local(const struct router_address *own)
{
	return own->family == 6 && own->bytes[0] == 0xfe && (own->bytes[1] & 0xc0) == 0x80;
}

/* Link-local ones are each port's own matter (router_output.c). */
static void
add_address(struct builder *builder, const struct vport *vport, const struct router_address *own)
{
	unsigned bits = bits_of(own->family);

	if (is_link_local(own))
		return;
	add_port_route(builder, vport, own->bytes, own->family, bits, ROUTE_LOCAL);
	if (own->length == bits)
		return;
	if (own->family == 4 && own->length < 31)
		add_broadcast(builder, vport, own);
	if (own->family == 6 && own->length < 127)
		add_anycast(builder, vport, own);
	if (vport->attachment != ATTACHED_NOTHING)
		add_port_route(
			builder, vport, own->bytes, own->family, own->length, ROUTE_CONNECTED);
}

static void
add_ports(struct builder *builder)
{
	struct weft_vport *object = NULL;

	while ((object = change_vport_next(builder->device, object)) != NULL) {
		const struct vport *vport = change_vport_after(object);
		const struct router_port *port = router_port_of(vport);

		for (unsigned i = 0; i < port->n_addresses; i++)
			add_address(builder, vport, &port->addresses[i]);
	}
}

/* ---- gateways
 * ------------------------------------------------------------------------------------ */

/* The attached port in whose network the gateway is, and the length of that; NULL: none. */
static const struct vport *
connected_port(const struct builder *builder, const struct weft_prefix *gateway, int *length)
{
	struct weft_vport *object = NULL;
	const struct vport *best = NULL;

	*length = -1;
	while ((object = change_vport_next(builder->device, object)) != NULL) {
		const struct vport *vport = change_vport_after(object);
		const struct router_address *own = router_port_network(
			router_port_of(vport), gateway->family, gateway->address);

		if (own == NULL || vport->attachment == ATTACHED_NOTHING ||
			own->length <= *length || is_link_local(own))
			continue;
		*length = own->length;
		best = vport;
	}
	return best;
}

/* The longest static route to the gateway that is longer than `than`; NULL: none. */
static struct static_route *
static_route_to(const struct builder *builder, const struct weft_prefix *gateway, int than)
{
	struct weft_prefix prefix = *gateway;
	char key[ROUTER_PREFIX_SIZE];

	for (int length = (int)bits_of(gateway->family); length > than; length--) {
		struct static_route *route;

		if (length < (int)bits_of(gateway->family))
			prefix.address[length / 8] &= (uint8_t) ~(0x80 >> length % 8);
		prefix.length = (uint8_t)length;
		route = name_map_get(&builder->router->statics, router_prefix_text(&prefix, key));
		if (route != NULL)
			return route;
	}
	return NULL;
}

static void add_hops(struct builder *builder, struct hop_set *set, const struct static_hop *hops,
	unsigned n, unsigned depth);

static void
add_gateway(struct builder *builder, struct hop_set *set, const struct vport *vport,
	const struct weft_prefix *gateway)
{
	struct hop_key key = { .kind = HOP_GATEWAY, .family = gateway->family, .vport = vport->id };

	memcpy(key.gateway, gateway->address, gateway->family == 4 ? 4 : 16);
	set_add(set, next_hop_hold(&key, builder->router->network));
}

/* Through the longest route to it; another static one leads on to its own next hops. */
static void
resolve_gateway(struct builder *builder, struct hop_set *set, const struct weft_prefix *gateway,
	unsigned depth)
{
	const struct vport *vport;
	struct static_route *route;
	int length;

	vport = connected_port(builder, gateway, &length);
	route = static_route_to(builder, gateway, length);
	if (route == NULL && vport != NULL) {
		if (!router_port_has(router_port_of(vport), gateway->family, gateway->address))
			add_gateway(builder, set, vport, gateway);
	} else if (route != NULL && route->kind == WEFT_ROUTE_FORWARD && depth < ROUTER_RECURSION) {
		add_hops(builder, set, route->hops, route->n_hops, depth + 1);
	}
}

/* A name for a gateway in the map, and what was found of it. */
struct resolved {
	char key[ROUTER_ADDRESS_SIZE];
	struct hop_set set;
};

static void
resolve_once(struct builder *builder, struct hop_set *set, const struct weft_prefix *gateway)
{
	char key[ROUTER_ADDRESS_SIZE];
	struct resolved *resolved;

	router_address_text(gateway->family, gateway->address, key);
	resolved = name_map_get(&builder->resolved, key);
	if (resolved == NULL) {
		resolved = calloc(1, sizeof(*resolved));
		if (resolved == NULL) {
			set->failed = true;
			return;
		}
		memcpy(resolved->key, key, sizeof(key));
		resolve_gateway(builder, &resolved->set, gateway, 0);
		if (name_map_put(&builder->resolved, resolved->key, resolved) < 0) {
			set->failed = true;
			set_release(&resolved->set);
			free(resolved);
			return;
		}
	}
	set_add_all(set, &resolved->set);
}

static void
add_hop(struct builder *builder, struct hop_set *set, const struct static_hop *hop, unsigned depth)
{
	struct weft_vport *object;
	const struct vport *vport;
	struct hop_key key = { .kind = HOP_CONNECTED };

	if (hop->port == NULL) {
		if (depth == 0)
			resolve_once(builder, set, &hop->gateway);
		else
			resolve_gateway(builder, set, &hop->gateway, depth);
		return;
	}
	object = weft_vport_find(builder->device, hop->port);
	vport = object != NULL ? change_vport_after(object) : NULL;
	if (vport == NULL || vport->attachment == ATTACHED_NOTHING || is_service_port(object))
		return;
	if (hop->gateway.family != 0) {
		add_gateway(builder, set, vport, &hop->gateway);
		return;
	}
	key.vport = vport->id;
	set_add(set, next_hop_hold(&key, builder->router->network));
}

static void
add_hops(struct builder *builder, struct hop_set *set, const struct static_hop *hops, unsigned n,
	unsigned depth)
{
	for (unsigned i = 0; i < n; i++)
		add_hop(builder, set, &hops[i], depth);
}

/* ---- static routes in the list -----------------------------------------------------------------
 */

static int
compare_prefixes(const struct weft_prefix *a, const struct weft_prefix *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	order = memcmp(a->address, b->address, sizeof(a->address));
	if (order != 0)
		return order;
	return (int)a->length - (int)b->length;
}

/* The next hop that the prefix has now, so that its flows stay where they are. */
static uint32_t
present_hop(const struct router *router, const struct weft_prefix *prefix)
{
	const struct route_list *list = atomic_load(&router->routes);
	size_t low = 0, high = list != NULL ? list->count : 0;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct router_route *route = &list->routes[middle];
		int order = compare_prefixes(&route->prefix, prefix);

		if (order == 0 && route->selected)
			return route->hop;
		if (order < 0 || (order == 0 && !route->selected))
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* One use of what the members come to: one alone, or a group. 0: none of them, or no memory. */
static uint32_t
join(struct builder *builder, const struct weft_prefix *prefix, struct hop_set *primaries,
	struct hop_set *backups)
{
	uint32_t all[2 * WEFT_ROUTE_HOPS], id;
	unsigned n = primaries->n;

	if (primaries->failed || backups->failed) {
		builder->failed = true;
		return 0;
	}
	if (primaries->n == 0)
		return backups->n > 0 ? join(builder, prefix, backups, primaries) : 0;
	memcpy(all, primaries->ids, n * sizeof(all[0]));
	for (unsigned i = 0; i < backups->n; i++) {
		bool known = false;

		for (unsigned j = 0; j < primaries->n; j++)
			known |= primaries->ids[j] == backups->ids[i];
		if (!known)
			all[n++] = backups->ids[i];
	}
	if (n == 1) {
		next_hop_hold_again(all[0]);
		return all[0];
	}
	id = next_hop_hold_group(all, n, primaries->n, present_hop(builder->router, prefix));
	builder->failed |= id == 0;
	return id;
}

static uint32_t
hop_of_kind(struct builder *builder, enum weft_route_kind kind)
{
	static const uint8_t kinds[] = { [WEFT_ROUTE_BLACKHOLE] = HOP_BLACKHOLE,
		[WEFT_ROUTE_UNREACHABLE] = HOP_UNREACHABLE,
		[WEFT_ROUTE_PROHIBIT] = HOP_PROHIBIT };
	struct hop_key key = { .kind = kinds[kind] };
	uint32_t id = next_hop_hold(&key, builder->router->network);

	builder->failed |= id == 0;
	return id;
}

static void
add_static(struct builder *builder, const struct static_route *from)
{
	struct router_route route = { .prefix = from->prefix,
		.source = ROUTE_STATIC,
		.kind = (uint8_t)from->kind,
		.preference = from->preference,
		.metric = from->metric };
	struct hop_set primaries = { .n = 0 }, backups = { .n = 0 };

	if (from->kind != WEFT_ROUTE_FORWARD) {
		route.hop = hop_of_kind(builder, from->kind);
	} else {
		add_hops(builder, &primaries, from->hops, from->n_hops, 0);
		add_hops(builder, &backups, from->hops + from->n_hops, from->n_backups, 0);
		route.hop = join(builder, &from->prefix, &primaries, &backups);
		set_release(&primaries);
		set_release(&backups);
	}
	add_route(builder, &route);
}

static void
add_statics(struct builder *builder)
{
	const struct static_route *route;
	size_t at = 0;

	while ((route = name_map_next(&builder->router->statics, &at)) != NULL)
		add_static(builder, route);
}

/* ---- which are in force
 * -------------------------------------------------------------------------- */

/* By prefix; the best of one prefix first. */
static int
compare_routes(const void *one, const void *other)
{
	const struct router_route *a = one, *b = other;
	int order = compare_prefixes(&a->prefix, &b->prefix);

	if (order != 0)
		return order;
	if ((a->hop == 0) != (b->hop == 0))
		return a->hop == 0 ? 1 : -1;
	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return a->hop < b->hop ? -1 : a->hop > b->hop;
}

static void
select_routes(struct route_list *list)
{
	qsort(list->routes, list->count, sizeof(list->routes[0]), compare_routes);
	for (size_t i = 0; i < list->count; i++)
		list->routes[i].selected = list->routes[i].hop != 0 &&
					   (i == 0 || compare_prefixes(&list->routes[i - 1].prefix,
							      &list->routes[i].prefix) != 0);
}

static void
list_free(struct route_list *list)
{
	for (size_t i = 0; list != NULL && i < list->count; i++)
		next_hop_release(list->routes[i].hop);
	free(list);
}

/* ---- from list to list
 * --------------------------------------------------------------------------- */

static const struct router_route *
next_selected(const struct route_list *list, size_t *at)
{
	while (list != NULL && *at < list->count) {
		const struct router_route *route = &list->routes[*at];

		if (route->selected)
			return route;
		++*at;
	}
	return NULL;
}

/*
 * Calls differ(context, prefix, hop) for each prefix whose next hop is another one after than
 * before; hop 0: it has none any more.
 */
static void
each_difference(const struct route_list *before, const struct route_list *after,
	void (*differ)(void *context, const struct weft_prefix *prefix, uint32_t hop),
	void *context)
{
	size_t i = 0, j = 0;

	for (;;) {
		const struct router_route *old = next_selected(before, &i);
		const struct router_route *new = next_selected(after, &j);
		int order = old == NULL   ? 1
			    : new == NULL ? -1
					  : compare_prefixes(&old->prefix, &new->prefix);

		if (old == NULL && new == NULL)
			return;
		if (order < 0)
			differ(context, &old->prefix, 0);
		else if (order > 0 || old->hop != new->hop)
			differ(context, &new->prefix, new->hop);
		i += order <= 0;
		j += order >= 0;
	}
}

static void
count_difference(void *context, const struct weft_prefix *prefix, uint32_t hop)
{
	size_t *counts = context;

	(void)hop;
	counts[prefix->family == 4 ? 0 : 1]++;
}

static void
carry_out_difference(void *context, const struct weft_prefix *prefix, uint32_t hop)
{
	struct router *router = context;
	struct fib *fib = prefix->family == 4 ? &router->fib4 : &router->fib6;

	/* neither fails: prepare has reserved the memory */
	if (hop != 0)
		fib_set(fib, prefix->address, prefix->length, hop, NULL);
	else
		fib_clear(fib, prefix->address, prefix->length, NULL);
}

static void
forget_resolved(struct builder *builder)
{
	struct resolved *resolved;
	size_t at = 0;

	while ((resolved = name_map_next(&builder->resolved, &at)) != NULL) {
		set_release(&resolved->set);
		free(resolved);
	}
	name_map_free(&builder->resolved);
}

int
router_routes_prepare(
	struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct router *router = device->data;
	struct builder builder = { .device = device, .router = router };
	size_t counts[2] = { 0 };

	(void)change;
	builder.capacity = router->statics.count + 16;
	builder.list = calloc(
		1, sizeof(*builder.list) + builder.capacity * sizeof(builder.list->routes[0]));
	if (builder.list == NULL)
		return error_memory(error);
	add_ports(&builder);
	add_statics(&builder);
	forget_resolved(&builder);
	select_routes(builder.list);
	each_difference(atomic_load(&router->routes), builder.list, count_difference, counts);
	if (builder.failed || fib_reserve(&router->fib4, counts[0]) < 0 ||
		fib_reserve(&router->fib6, counts[1]) < 0) {
		list_free(builder.list);
		return error_memory(error);
	}
	router->prepared = builder.list;
	return 0;
}

void
router_routes_commit(struct router *router)
{
	router->replaced = atomic_load_explicit(&router->routes, memory_order_relaxed);
	each_difference(router->replaced, router->prepared, carry_out_difference, router);
	atomic_store_explicit(&router->routes, router->prepared, memory_order_release);
	router->prepared = NULL;
}

void
router_routes_discard(struct router *router)
{
	list_free(router->prepared);
	router->prepared = NULL;
}

/* No worker uses the old next hops any more. */
void
router_routes_reclaim(struct router *router)
{
	fib_reclaim(&router->fib4);
	fib_reclaim(&router->fib6);
	list_free(router->replaced);
	router->replaced = NULL;
}

void
router_routes_free(struct router *router)
{
	struct static_route *route;
	size_t at = 0;

	while ((route = name_map_next(&router->statics, &at)) != NULL)
		static_free(route);
	name_map_free(&router->statics);
	list_free(atomic_load(&router->routes));
	fib_close(&router->fib4);
	fib_close(&router->fib6);
}

/* ---- looking
 * -------------------------------------------------------------------------------------- */

/* The list is sorted by address: what contains the address begins at or before it. */
const struct router_route *
router_route_to(const struct router *router, uint8_t family, const uint8_t *address)
{
	const struct route_list *list = atomic_load_explicit(&router->routes, memory_order_acquire);
	const struct router_route *best = NULL;

	for (size_t i = 0; list != NULL && i < list->count; i++) {
		const struct router_route *route = &list->routes[i];

		if (route->selected && route->prefix.family == family &&
			router_same_bits(route->prefix.address, address, route->prefix.length) &&
			(best == NULL || route->prefix.length >= best->prefix.length))
			best = route;
	}
	return best;
}
