/* SPDX-License-Identifier: BSD-3-Clause */
/* Working out a router's routes, whole, from its ports and static routes as they will be. */
#include "router/route_list.h"

#include <stdlib.h>
#include <string.h>

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

/* What is the router's own, or a neighbour's, is so by a longer prefix, or by its source. */
static void
add_claims(struct builder *builder)
{
	const struct claim_list *list = builder->router->claims;

	for (unsigned i = 0; list != NULL && i < list->count; i++) {
		struct hop_key key = { .kind = HOP_CLAIMED,
			.everywhere = list->claims[i].everywhere };
		struct router_route route = { .prefix = list->claims[i].prefix,
			.source = ROUTE_CLAIMED };

		route.hop = next_hop_hold(&key, builder->router->network);
		if (route.hop == 0)
			builder->failed = true;
		else
			add_route(builder, &route);
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

/* The next hop that the prefix has now, so that its flows stay where they are. */
static uint32_t
present_hop(const struct router *router, const struct weft_prefix *prefix)
{
	const struct router_route *route = route_list_find(atomic_load(&router->routes), prefix);

	return route != NULL ? route->hop : 0;
}

/* ---- static routes -----------------------------------------------------------------------------
 */

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

struct route_list *
route_list_build(struct weft_device *device)
{
	struct router *router = device->data;
	struct builder builder = { .device = device, .router = router };

	builder.capacity = router->statics.count + 16;
	builder.list = calloc(
		1, sizeof(*builder.list) + builder.capacity * sizeof(builder.list->routes[0]));
	if (builder.list == NULL)
		return NULL;
	add_ports(&builder);
	add_claims(&builder);
	add_statics(&builder);
	forget_resolved(&builder);
	route_list_select(builder.list);
	if (!builder.failed)
		return builder.list;
	route_list_free(builder.list);
	return NULL;
}
