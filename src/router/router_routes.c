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
	for (unsigned bit = length; bit < router_address_bits(family); bit++)
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
	unsigned bits = router_address_bits(own->family);

	if (is_link_local(own))
		return;
	if (own->family == 6 && !builder->list->has_source6) {
		memcpy(builder->list->source6, own->bytes, sizeof(builder->list->source6));
		builder->list->has_source6 = true;
	}
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

	for (int length = (int)router_address_bits(gateway->family); length > than; length--) {
		struct static_route *route;

		if (length < (int)router_address_bits(gateway->family))
			prefix.address[length / 8] &= (uint8_t) ~(0x80 >> length % 8);
		prefix.length = (uint8_t)length;
		route = static_routes_get(&builder->router->statics, &prefix);
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
		add_hops(builder, set, route->hops->hops, route->hops->n_hops, depth + 1);
	}
}

static void
add_hop(struct builder *builder, struct hop_set *set, const struct static_hop *hop, unsigned depth)
{
	struct weft_vport *object;
	const struct vport *vport;
	struct hop_key key = { .kind = HOP_CONNECTED };

	if (hop->port == NULL) {
		resolve_gateway(builder, set, &hop->gateway, depth);
		return;
	}
	object = weft_vport_find(builder->device, hop->port);
	vport = object != NULL ? change_vport_after(object) : NULL;
	if (vport == NULL || vport->attachment == ATTACHED_NOTHING ||
		router_port_of(vport)->udp_port != 0)
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

/* The route in force for exactly this prefix; NULL: none. */
static const struct router_route *
find_selected(const struct route_list *list, const struct weft_prefix *prefix)
{
	size_t low = 0, high = list != NULL ? list->count : 0;

	/* the first one of the prefix, which alone may be in force */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare_prefixes(&list->routes[middle].prefix, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (list == NULL || low == list->count || !list->routes[low].selected ||
		compare_prefixes(&list->routes[low].prefix, prefix) != 0)
		return NULL;
	return &list->routes[low];
}

/* The next hop that the prefix has now, so that its flows stay where they are. */
static uint32_t
present_hop(const struct router *router, const struct weft_prefix *prefix)
{
	const struct router_route *route = find_selected(atomic_load(&router->routes), prefix);

	return route != NULL ? route->hop : 0;
}

/* What a list of next hops comes to, worked out once for all routes that have it. */
struct ways {
	struct hop_set primaries, backups;
};

/* NULL: no memory. */
static const struct ways *
resolve_once(struct builder *builder, struct static_hops *hops)
{
	struct ways *ways = hops->resolved;

	if (ways != NULL)
		return ways;
	ways = hops->resolved = calloc(1, sizeof(*ways));
	if (ways == NULL) {
		builder->failed = true;
		return NULL;
	}
	add_hops(builder, &ways->primaries, hops->hops, hops->n_hops, 0);
	add_hops(builder, &ways->backups, hops->hops + hops->n_hops, hops->n_backups, 0);
	builder->failed |= ways->primaries.failed || ways->backups.failed;
	return ways;
}

static void
forget_resolved(struct builder *builder)
{
	struct static_hops *hops;
	size_t at = 0;

	while ((hops = static_routes_next_hops(&builder->router->statics, &at)) != NULL) {
		struct ways *ways = hops->resolved;

		if (ways == NULL)
			continue;
		set_release(&ways->primaries);
		set_release(&ways->backups);
		free(ways);
		hops->resolved = NULL;
	}
}

/* One use of what the members come to: one alone, or a group. 0: none of them, or no memory. */
static uint32_t
join(struct builder *builder, const struct weft_prefix *prefix, const struct ways *ways)
{
	/* with no primary the backups are the ways */
	const struct hop_set *first = ways->primaries.n > 0 ? &ways->primaries : &ways->backups;
	const struct hop_set *second = ways->primaries.n > 0 ? &ways->backups : &ways->primaries;
	uint32_t all[2 * WEFT_ROUTE_HOPS], id;
	unsigned n = first->n;

	memcpy(all, first->ids, n * sizeof(all[0]));
	for (unsigned i = 0; i < second->n; i++) {
		bool known = false;

		for (unsigned j = 0; j < first->n; j++)
			known |= first->ids[j] == second->ids[i];
		if (!known)
			all[n++] = second->ids[i];
	}
	if (n == 0)
		return 0;
	if (n == 1) {
		next_hop_hold_again(all[0]);
		return all[0];
	}
	id = next_hop_hold_group(all, n, first->n, present_hop(builder->router, prefix));
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
	const struct ways *ways;

	if (from->kind != WEFT_ROUTE_FORWARD) {
		route.hop = hop_of_kind(builder, (enum weft_route_kind)from->kind);
	} else {
		ways = resolve_once(builder, from->hops);
		if (ways != NULL)
			route.hop = join(builder, &from->prefix, ways);
	}
	add_route(builder, &route);
}

static void
add_statics(struct builder *builder)
{
	const struct static_route *route;
	size_t at = 0;

	while ((route = static_routes_next(&builder->router->statics, &at)) != NULL)
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

#define RECLAIM_EVERY 1024

/* The FIBs of a router that no worker knows: what an update replaces is free at once, so that
 * they take no more memory than they need. 0, or -1: no memory. */
static int
fill(struct router *router, const struct route_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct router_route *route = &list->routes[i];
		struct fib *fib = route->prefix.family == 4 ? &router->fib4 : &router->fib6;

		if (route->selected && fib_set(fib, route->prefix.address, route->prefix.length,
					       route->hop, NULL) < 0)
			return -1;
		if (i % RECLAIM_EVERY == 0 || i + 1 == list->count)
			fib_reclaim(fib);
	}
	router->filled = true;
	return 0;
}

static void
empty(struct router *router)
{
	fib_close(&router->fib4);
	fib_close(&router->fib6);
	fib_open(&router->fib4, FIB_IPV4);
	fib_open(&router->fib6, FIB_IPV6);
	router->filled = false;
}

/* All that the commit needs, so that it cannot fail. 0, or -1: no memory. */
static int
make_ready(struct router *router, const struct route_list *list)
{
	const struct route_list *before = atomic_load(&router->routes);
	size_t counts[2] = { 0 };

	if (before == NULL) {
		if (fill(router, list) == 0)
			return 0;
		empty(router);
		return -1;
	}
	each_difference(before, list, count_difference, counts);
	return fib_reserve(&router->fib4, counts[0]) < 0 ||
			       fib_reserve(&router->fib6, counts[1]) < 0
		       ? -1
		       : 0;
}

int
router_routes_prepare(
	struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct router *router = device->data;
	struct builder builder = { .device = device, .router = router };

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
	if (builder.failed || make_ready(router, builder.list) < 0) {
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
	if (!router->filled)
		each_difference(router->replaced, router->prepared, carry_out_difference, router);
	router->filled = false;
	atomic_store_explicit(&router->routes, router->prepared, memory_order_release);
	router->prepared = NULL;
}

void
router_routes_discard(struct router *router)
{
	list_free(router->prepared);
	router->prepared = NULL;
	if (router->filled)
		empty(router);
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
	static_routes_free(&router->statics);
	list_free(atomic_load(&router->routes));
	fib_close(&router->fib4);
	fib_close(&router->fib6);
}

/* ---- looking
 * -------------------------------------------------------------------------------------- */

const uint8_t *
router_any_source6(const struct router *router)
{
	const struct route_list *list = atomic_load_explicit(&router->routes, memory_order_acquire);

	return list != NULL && list->has_source6 ? list->source6 : NULL;
}

/* Length by length: some twenty steps each, however many routes there are. */
const struct router_route *
router_route_to(const struct router *router, uint8_t family, const uint8_t *address)
{
	const struct route_list *list = atomic_load_explicit(&router->routes, memory_order_acquire);
	struct weft_prefix prefix = { .family = family };
	const struct router_route *route = NULL;

	memcpy(prefix.address, address, router_address_bits(family) / 8);
	for (int length = (int)router_address_bits(family); length >= 0 && route == NULL;
		length--) {
		if (length < (int)router_address_bits(family))
			prefix.address[length / 8] &= (uint8_t) ~(0x80 >> length % 8);
		prefix.length = (uint8_t)length;
		route = find_selected(list, &prefix);
	}
	return route;
}
