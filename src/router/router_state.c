/* SPDX-License-Identifier: BSD-3-Clause */
/* What `show` prints of routers. */
#include "router/router_objects.h"

void
router_read(const struct weft_device *device, struct router_info *info)
{
	const struct router *router = device->data;
	const struct route_list *list = atomic_load(&router->routes);
	const struct weft_vport *vport;

	*info = (struct router_info){ .icmp_rate = router->config.icmp_rate };
	TAILQ_FOREACH(vport, &device->vports, entry)
	info->ports++;
	info->memory = fib_memory(&router->fib4) + fib_memory(&router->fib6);
	if (list == NULL)
		return;
	info->memory += sizeof(*list) + list->count * sizeof(list->routes[0]);
	for (size_t i = 0; i < list->count; i++) {
		const struct router_route *route = &list->routes[i];

		if (!route->selected || route->source < ROUTE_CONNECTED)
			continue;
		if (route->prefix.family == 4)
			info->routes4++;
		else
			info->routes6++;
	}
}

void
router_each_route(const struct weft_device *device,
	bool (*look)(void *context, const struct router_route *route), void *context)
{
	const struct router *router = device->data;
	const struct route_list *list = atomic_load(&router->routes);

	for (size_t i = 0; list != NULL && i < list->count; i++)
		if (!look(context, &list->routes[i]))
			return;
}

bool
router_find_route(const struct weft_device *device, uint8_t family, const uint8_t *address,
	struct router_route *route)
{
	const struct router_route *found = router_route_to(device->data, family, address);

	if (found != NULL)
		*route = *found;
	return found != NULL;
}

/* ---- ways ------------------------------------------------------------------------------------ */

static void
read_hop(struct weft *weft, const struct next_hop *from, struct router_hop *hop)
{
	const struct neighbour *gateway;

	hop->kind = from->key.kind;
	hop->family = from->key.family;
	hop->port = vport_by_id(weft, from->key.vport);
	hop->usable =
		from->key.vport == 0 || from->key.kind == HOP_LOCAL || router_can_carry(weft, from);
	memcpy(hop->gateway, from->key.gateway, sizeof(hop->gateway));
	gateway = from->key.kind == HOP_GATEWAY ? neighbour_get(from->neighbour) : NULL;
	if (gateway != NULL)
		hop->gateway_state = (uint8_t)neighbour_link_state(atomic_load(&gateway->link));
}

unsigned
router_hops(struct weft *weft, const struct router_route *route,
	struct router_hop hops[NEXT_HOP_MEMBERS])
{
	struct next_hop found[NEXT_HOP_MEMBERS];
	unsigned n_primaries, n = next_hop_read(route->hop, found, &n_primaries);

	for (unsigned i = 0; i < n; i++) {
		hops[i] = (struct router_hop){ .backup = i >= n_primaries };
		read_hop(weft, &found[i], &hops[i]);
	}
	return n;
}

/* ---- words ----------------------------------------------------------------------------------- */

const char *
route_source_name(enum route_source source)
{
	static const char *const names[] = {
		[ROUTE_LOCAL] = "local",
		[ROUTE_BROADCAST] = "broadcast",
		[ROUTE_CLAIMED] = "translated",
		[ROUTE_CONNECTED] = "connected",
		[ROUTE_STATIC] = "static",
	};

	return (unsigned)source < RTE_DIM(names) ? names[source] : "?";
}

const char *
route_kind_name(enum weft_route_kind kind)
{
	static const char *const names[] = {
		[WEFT_ROUTE_FORWARD] = "forward",
		[WEFT_ROUTE_BLACKHOLE] = "blackhole",
		[WEFT_ROUTE_UNREACHABLE] = "unreachable",
		[WEFT_ROUTE_PROHIBIT] = "prohibit",
	};

	return (unsigned)kind < RTE_DIM(names) ? names[kind] : "?";
}

/* ---- ports ----------------------------------------------------------------------------------- */

void
router_port_read(const struct weft_vport *vport, struct router_port_info *info)
{
	const struct router_port *port = router_port_of(vport->live);

	*info = (struct router_port_info){
		.mtu = vport->live->mtu,
		.urpf = (enum weft_urpf)port->urpf,
		.addresses = port->addresses,
		.n_addresses = port->n_addresses,
		.udp_port = port->udp_port,
	};
	memcpy(info->mac, &port->mac, sizeof(info->mac));
}

const struct weft_vport *
router_port_with_address(const struct weft_device *device, uint8_t family, const uint8_t *address)
{
	const struct weft_vport *vport;

	TAILQ_FOREACH(vport, &device->vports, entry)
	{
		if (router_port_has(router_port_of(vport->live), family, address))
			return vport;
	}
	return NULL;
}

bool
router_find_station(
	const struct weft_device *device, uint8_t family, const uint8_t *address, uint8_t mac[6])
{
	const struct weft_vport *vport = router_port_with_address(device, family, address);

	if (vport != NULL)
		memcpy(mac, &router_port_of(vport->live)->mac, RTE_ETHER_ADDR_LEN);
	return vport != NULL;
}
