/* SPDX-License-Identifier: BSD-3-Clause */
/* Routers and their ports as objects: how they are made, changed and taken away. */
#include "router/router.h"

#include "base/error.h"
#include "packet/edit.h"
#include "packet/ip.h"
#include "router/router_service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES_LIMIT 64 /* of one port */
#define LINK_LOCAL_LENGTH 64
#define ANNOUNCEMENTS 2 /* RFC 5227, ANNOUNCE_NUM */

/* ---- ports
 * ---------------------------------------------------------------------------------------- */

static int
check_address(struct weft_change *change, const struct weft_prefix *address)
{
	unsigned bits = address->family == 4 ? 32 : 128;
	char text[ROUTER_PREFIX_SIZE];

	if (address->family != 4 && address->family != 6)
		return change_fail(change, EINVAL, "an address is of family 4 or 6");
	if (address->length == 0 || address->length > bits ||
		(address->family == 4 ? ip4_is_martian_source(address->address)
				      : ip6_is_martian_source(address->address)))
		return change_fail(change, EINVAL, "%s is no address for a router's port",
			router_prefix_text(address, text));
	return 0;
}

static int
check_service(struct weft_change *change, const struct weft_router_port_config *config)
{
	const struct weft_prefix *address = &config->service_address;

	if (config->n_addresses > 0 || config->ipv6)
		return change_fail(
			change, EINVAL, "a service port has no addresses but that of its service");
	if ((address->family != 4 && address->family != 6) ||
		(address->family == 4 ? ip4_is_martian_source(address->address)
				      : ip6_is_martian_source(address->address) ||
						ip6_is_link_local(address->address)))
		return change_fail(change, EINVAL, "the address of a service is that of a host");
	return 0;
}

static int
check_port_config(struct weft_change *change, const struct weft_router_port_config *config)
{
	bool six = config->ipv6;

	if (config->n_addresses > ADDRESSES_LIMIT)
		return change_fail(change, EINVAL, "%u addresses: a port has at most %u",
			config->n_addresses, ADDRESSES_LIMIT);
	for (unsigned i = 0; i < config->n_addresses; i++) {
		if (check_address(change, &config->addresses[i]) < 0)
			return -1;
		six |= config->addresses[i].family == 6;
	}
	if (config->mtu != 0 &&
		(config->mtu < ROUTER_PORT_MTU_LEAST || config->mtu > ROUTER_PORT_MTU_MOST))
		return change_fail(change, EINVAL, "MTU %u: a router's port has one from %u to %u",
			config->mtu, ROUTER_PORT_MTU_LEAST, ROUTER_PORT_MTU_MOST);
	if (six && config->mtu != 0 && config->mtu < ROUTER_PORT_MTU_IPV6)
		return change_fail(change, EINVAL, "MTU %u: IPv6 needs at least %u", config->mtu,
			ROUTER_PORT_MTU_IPV6);
	if (config->udp_port != 0 && check_service(change, config) < 0)
		return -1;
	if (config->mac[0] & 1)
		return change_fail(
			change, EINVAL, "a port's MAC is that of one station, not of a group");
	return 0;
}

/* Of this engine, network, router and port: the same at each start where the identity is. */
static void
make_mac(struct rte_ether_addr *mac, const struct weft_device *device, const char *port)
{
	struct hash_key key = { { device->network->weft->options.identity } };
	char path[VPORT_NAME_SIZE];
	uint64_t hash;

	snprintf(path, sizeof(path), "%s/%s:%s", device->network->name, device->name, port);
	hash = hash_bytes(&key, path, strlen(path));
	memcpy(mac, &hash, sizeof(*mac));
	/* IEEE 802, 8.2: one station's, locally administered */
	mac->addr_bytes[0] = (uint8_t)((mac->addr_bytes[0] & 0xfc) | 0x02);
}

/* RFC 4291, appendix A. */
static void
make_link_local(uint8_t address[16], const struct rte_ether_addr *mac)
{
	const uint8_t *bytes = mac->addr_bytes;
	const uint8_t made[16] = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, bytes[0] ^ 0x02, bytes[1],
		bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5] };

	memcpy(address, made, sizeof(made));
}

static void
put_address(struct router_port *port, const struct weft_prefix *from)
{
	struct router_address *address = &port->addresses[port->n_addresses++];

	address->family = from->family;
	address->length = from->length;
	memcpy(address->bytes, from->address, from->family == 4 ? 4 : 16);
}

/* Those of wider use first, so that the first one of a family is preferred. */
static void
put_addresses(struct router_port *port, const struct weft_router_port_config *config)
{
	bool has_link_local = false;

	for (unsigned i = 0; i < config->n_addresses; i++) {
		const struct weft_prefix *from = &config->addresses[i];

		port->has_ip4 |= from->family == 4;
		port->has_ip6 |= from->family == 6;
		if (from->family == 4 || !ip6_is_link_local(from->address))
			put_address(port, from);
	}
	port->has_ip6 |= config->ipv6;
	for (unsigned i = 0; i < config->n_addresses; i++) {
		const struct weft_prefix *from = &config->addresses[i];

		if (from->family == 4 || !ip6_is_link_local(from->address))
			continue;
		if (!has_link_local)
			memcpy(port->link_local, from->address, sizeof(port->link_local));
		has_link_local = true;
		put_address(port, from);
	}
	if (port->has_ip6 && !has_link_local) {
		struct weft_prefix made = { .family = 6, .length = LINK_LOCAL_LENGTH };

		make_link_local(made.address, &port->mac);
		memcpy(port->link_local, made.address, sizeof(port->link_local));
		put_address(port, &made);
	}
}

/* As an address with no network about it, it is a local route, and nothing else. */
static void
put_service_address(struct router_port *port, const struct weft_prefix *address)
{
	struct weft_prefix host = *address;

	host.length = address->family == 4 ? 32 : 128;
	put_address(port, &host);
}

static struct router_port *
port_new(const struct weft_device *device, const char *name,
	const struct weft_router_port_config *config)
{
	static const uint8_t none[6];
	struct router_port *port =
		calloc(1, sizeof(*port) + (config->n_addresses + 1) * sizeof(port->addresses[0]));

	if (port == NULL)
		return NULL;
	port->owner = device->data;
	if (memcmp(config->mac, none, sizeof(none)) != 0)
		memcpy(&port->mac, config->mac, sizeof(port->mac));
	else
		make_mac(&port->mac, device, name);
	port->mac_word = edit_mac_word(&port->mac);
	port->redirects = !config->no_redirects;
	port->unreachables = !config->no_unreachables;
	port->proxy_arp = config->proxy_arp;
	port->urpf = (uint8_t)config->urpf;
	port->clamp_mss = config->clamp_mss;
	port->udp_port = config->udp_port;
	port->plain =
		config->urpf == WEFT_URPF_OFF && config->clamp_mss == 0 && port->udp_port == 0;
	if (port->udp_port != 0)
		put_service_address(port, &config->service_address);
	else
		put_addresses(port, config);
	return port;
}

static uint32_t
mtu_of(const struct weft_router_port_config *config)
{
	return config->mtu != 0 ? config->mtu : ROUTER_PORT_MTU;
}

static void
port_free(void *context)
{
	struct router_port *port = context;

	if (port == NULL)
		return;
	service_plan_free(port->plan);
	free(port);
}

/* NULL: the change has failed. */
static struct router_port *
port_with_plan(struct weft_change *change, const struct weft_device *device, const char *name,
	const struct weft_router_port_config *config)
{
	struct router_port *port = port_new(device, name, config);

	if (port == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	if (router_services_plan(change, port, config) == 0)
		return port;
	port_free(port);
	return NULL;
}

static const struct weft_router_port_config default_port;

struct weft_vport *
weft_router_port_add(struct weft_change *change, struct weft_device *device, const char *name,
	const struct weft_router_port_config *config)
{
	struct weft_vport *vport;
	struct router_port *port;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &router_class))
		return NULL;
	if (config == NULL)
		config = &default_port;
	if (check_port_config(change, config) < 0)
		return NULL;
	port = port_with_plan(change, device, name != NULL ? name : "", config);
	if (port == NULL)
		return NULL;
	vport = vport_add(change, device, name, port, mtu_of(config));
	if (vport == NULL)
		port_free(port);
	return vport;
}

void
weft_router_port_update(struct weft_change *change, struct weft_vport *vport,
	const struct weft_router_port_config *config)
{
	struct router_port *port;

	if (weft_change_failed(change, NULL) || vport == NULL ||
		!device_is(change, vport->device, &router_class))
		return;
	if (config == NULL)
		config = &default_port;
	if (check_port_config(change, config) < 0)
		return;
	port = port_with_plan(change, vport->device, vport->name, config);
	if (port != NULL && vport_update(change, vport, port, mtu_of(config)) < 0)
		port_free(port);
}

/* ---- routers
 * --------------------------------------------------------------------------------------- */

static struct weft_router_config
with_defaults(const struct weft_router_config *config)
{
	struct weft_router_config result = { 0 };

	if (config != NULL)
		result = *config;
	if (result.icmp_rate == 0)
		result.icmp_rate = ROUTER_ICMP_RATE;
	return result;
}

struct weft_device *
weft_router_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_router_config *config)
{
	struct weft_device *device;
	struct router *router;

	if (weft_change_failed(change, NULL) || network == NULL)
		return NULL;
	router = calloc(1, sizeof(*router));
	if (router == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	fib_open(&router->fib4, FIB_IPV4);
	fib_open(&router->fib6, FIB_IPV6);
	router->network = network;
	router->config = with_defaults(config);
	device = device_add(change, network, &router_class, name, router);
	if (device == NULL)
		free(router);
	else
		router->device = device->id;
	return device;
}

struct config_update {
	struct router *router;
	struct weft_router_config after;
};

static void
config_update_commit(void *object)
{
	struct config_update *update = object;

	update->router->config = update->after;
}

static const struct change_step config_update_step = { config_update_commit, free, free };

void
weft_router_update(struct weft_change *change, struct weft_device *device,
	const struct weft_router_config *config)
{
	struct config_update *update;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &router_class))
		return;
	update = malloc(sizeof(*update));
	if (update == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	*update = (struct config_update){ device->data, with_defaults(config) };
	if (change_touch(change, device) < 0 ||
		change_stage(change, &config_update_step, update) < 0)
		free(update);
}

/* ---- what a change makes of a router
 * ------------------------------------------------------------- */

/* What has to be done about a port after the commit. */
struct port_news {
	uint32_t vport; /* id */
	bool flush;     /* others are attached to it now: its neighbours are forgotten */
};

struct news_list {
	size_t count;
	struct port_news ports[];
};

bool
router_is_attached_anew(const struct vport *before, const struct vport *after)
{
	return before->attachment != after->attachment || before->nic != after->nic ||
	       before->peer != after->peer || before->uplink_vlan != after->uplink_vlan;
}

static struct news_list *
collect_news(struct weft_device *device)
{
	struct weft_vport *object = NULL;
	struct news_list *list;
	size_t ports = 0;

	while ((object = change_vport_next(device, object)) != NULL)
		ports++;
	list = calloc(1, sizeof(*list) + ports * sizeof(list->ports[0]));
	while (list != NULL && (object = change_vport_next(device, object)) != NULL) {
		const struct vport *before = object->live, *after = change_vport_after(object);

		if (before == after || after->attachment == ATTACHED_NOTHING)
			continue;
		list->ports[list->count++] = (struct port_news){
			after->id,
			before != NULL && router_is_attached_anew(before, after),
		};
	}
	return list;
}

static int
prepare(struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct router *router = device->data;

	router->news = collect_news(device);
	if (router->news == NULL)
		return error_memory(error);
	if (router_udp_prepare(device, error) == 0 &&
		router_routes_prepare(device, change, error) == 0) {
		if (router_services_prepare(device, error) == 0)
			return 0;
		router_routes_discard(router);
	}
	router_udp_discard(router);
	free(router->news);
	router->news = NULL;
	return -1;
}

static void
commit(struct weft_device *device)
{
	struct router *router = device->data;

	router_routes_commit(router);
	router_udp_commit(router);
	router_services_commit(device);
	atomic_store(&router->icmp_interval, 1000000000 / router->config.icmp_rate);
	atomic_store(&router->claims_any, router->claims != NULL && router->claims->count != 0);
}

static void
discard(struct weft_device *device)
{
	struct router *router = device->data;

	router_services_discard(device);
	router_routes_discard(router);
	router_udp_discard(router);
	free(router->news);
	router->news = NULL;
}

/* ---- announcements
 * -------------------------------------------------------------------------------- */

/* Ports that are yet to ask for their own addresses, and then to say them; by ticks, for a port's
 * vnic may not be up so soon. Commits and ticks are kept apart by the engine's user. */
static struct pending {
	uint32_t vport;
	unsigned left;
} * pending;
static size_t n_pending, pending_capacity;

/* Without memory nobody is told, and has to ask. */
static void
announce_later(uint32_t vport)
{
	if (n_pending == pending_capacity) {
		size_t capacity = pending_capacity > 0 ? pending_capacity * 2 : 64;
		struct pending *more = realloc(pending, capacity * sizeof(*more));

		if (more == NULL)
			return;
		pending = more;
		pending_capacity = capacity;
	}
	pending[n_pending++] = (struct pending){ vport, ANNOUNCEMENTS + 1 };
}

static void
announce_all(struct worker *worker, void *argument)
{
	(void)argument;
	for (size_t i = 0; i < n_pending; i++) {
		struct vport *vport = vport_get(worker, pending[i].vport);

		if (vport == NULL || vport->attachment == ATTACHED_NOTHING)
			continue;
		if (pending[i].left > ANNOUNCEMENTS)
			router_probe_own(worker, vport);
		else
			router_announce(worker, vport);
	}
}

static void
announce_pending(struct weft *weft)
{
	size_t kept = 0;

	if (n_pending == 0)
		return;
	worker_call(weft->workers[0], announce_all, NULL);
	for (size_t i = 0; i < n_pending; i++)
		if (--pending[i].left > 0)
			pending[kept++] = pending[i];
	n_pending = kept;
}

static void
reclaim(struct weft_device *device)
{
	struct router *router = device->data;

	for (size_t i = 0; router->news != NULL && i < router->news->count; i++) {
		if (router->news->ports[i].flush)
			neighbours_flush(device->network->weft, router->news->ports[i].vport);
		announce_later(router->news->ports[i].vport);
	}
	free(router->news);
	router->news = NULL;
	router_routes_reclaim(router);
	router_udp_reclaim(router);
}

/* ---- the type
 * -------------------------------------------------------------------------------------- */

static void
device_free(struct weft_device *device)
{
	struct router *router = device->data;

	if (router == NULL)
		return;
	router_services_forget(device->network);
	router_routes_free(router);
	router_udp_free(router);
	free(router->claims);
	free(router);
}

static void
vport_free(struct weft_vport *vport)
{
	router_services_end(vport->id);
	neighbours_forget(vport->device->network->weft, vport->id);
}

static int
open_tables(struct weft *weft, struct weft_error *error)
{
	n_pending = 0;
	if (next_hops_open() < 0)
		return error_memory(error);
	if (neighbours_open(weft) == 0) {
		if (router_services_open(weft) == 0)
			return 0;
		neighbours_close();
	}
	next_hops_close();
	return error_memory(error);
}

static void
close_tables(struct weft *weft)
{
	(void)weft;
	router_services_close();
	neighbours_close();
	next_hops_close();
	free(pending);
	pending = NULL;
	n_pending = pending_capacity = 0;
}

bool
router_can_carry(void *context, const struct next_hop *hop)
{
	const struct weft *weft = context;
	const struct vport *vport =
		__atomic_load_n(&weft->vports[id_index(hop->key.vport)], __ATOMIC_ACQUIRE);
	const struct neighbour *gateway;

	if (vport == NULL || vport->id != hop->key.vport || vport->attachment == ATTACHED_NOTHING)
		return false;
	if (vport->nic != NULL && !atomic_load(&vport->nic->usable))
		return false;
	gateway = hop->key.kind == HOP_GATEWAY ? neighbour_get(hop->neighbour) : NULL;
	return gateway == NULL ||
	       neighbour_link_state(atomic_load(&gateway->link)) != NEIGHBOUR_FAILED;
}

static void
tick(struct weft *weft, uint64_t now)
{
	announce_pending(weft);
	neighbours_tick(weft, now);
	next_hops_balance(router_can_carry, weft);
}

const struct device_class router_class = {
	.name = "router",
	.process = router_input,
	.open = open_tables,
	.close = close_tables,
	.prepare = prepare,
	.commit = commit,
	.discard = discard,
	.reclaim = reclaim,
	.device_free = device_free,
	.vport_free = vport_free,
	.context_free = port_free,
	.leave = router_services_leave,
	.poll = router_services_poll,
	.tick = tick,
	.find_station = router_find_station,
	.way_out = router_way_out,
	.own_address = router_own_address,
};
