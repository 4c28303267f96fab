/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From one random configuration to the next, and the next: each time the engine must be what
 * the configuration says, as if it had been made of that alone. Switches and vnics are
 * libweft's own; in place of its routers there are ones that only remember what they were told.
 */
#include "daemon/carry_out.h"
#include "graph/engine.h"
#include "model/text.h"
#include "nic/drivers.h"
#include "switch/switch_objects.h"

#include <arpa/inet.h>
#include <libyang/libyang.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 400
#define VPORTS 4096

static struct weft *weft;
static struct model *model;
static unsigned seed;

/* ---- in place of routers ---------------------------------------------------------------- */

static char *port_words[VPORTS]; /* by the vport's index: its configuration in words */
static unsigned port_updates;

struct remembered {
	uint32_t icmp_rate;
	struct name_map routes; /* prefix -> the route in words */
};

static void
remember_no_packets(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	fail_msg("%u packets at %p for a router that has no node", count, (void *)packets);
}

static void
forget_router(struct weft_device *device)
{
	struct remembered *router = device->data;

	for (size_t i = 0; i < router->routes.capacity; i++)
		if (router->routes.slots[i].name != NULL) {
			free((void *)(uintptr_t)router->routes.slots[i].name);
			free(router->routes.slots[i].value);
		}
	name_map_free(&router->routes);
	free(router);
}

static void
forget_port(struct weft_vport *vport)
{
	free(port_words[id_index(vport->id)]);
	port_words[id_index(vport->id)] = NULL;
}

static const struct device_class remembering_class = {
	.name = "router",
	.process = remember_no_packets,
	.device_free = forget_router,
	.vport_free = forget_port,
};

static void
add_prefix(struct text *text, const struct weft_prefix *prefix, bool length)
{
	char printed[INET6_ADDRSTRLEN];

	inet_ntop(prefix->family == 6 ? AF_INET6 : AF_INET, prefix->address, printed,
		sizeof(printed));
	text_add(text, "%s", printed);
	if (length)
		text_add(text, "/%u", prefix->length);
}

static char *
port_in_words(const struct weft_router_port_config *config)
{
	static const char *const urpf[] = { "off", "strict", "loose" };
	struct text text = { 0 };

	for (unsigned i = 0; i < config->n_addresses; i++) {
		add_prefix(&text, &config->addresses[i], true);
		text_add(&text, " ");
	}
	text_add(&text,
		"ipv6 %d mac %02x mtu %u urpf %s redirects %d unreachables %d arp %d mss %u",
		config->ipv6, config->mac[5], config->mtu, urpf[config->urpf],
		!config->no_redirects, !config->no_unreachables, config->proxy_arp,
		config->clamp_mss);
	return text_take(&text);
}

static void
add_hops(struct text *text, const char *list, const struct weft_hop *hops, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		text_add(text, " %s ", list);
		if (hops[i].gateway.family != 0)
			add_prefix(text, &hops[i].gateway, false);
		if (hops[i].port != NULL)
			text_add(text, "%s%s", hops[i].gateway.family != 0 ? "@" : "",
				weft_vport_name(hops[i].port));
	}
}

struct weft_device *__wrap_weft_router_add(struct weft_change *change, struct weft_network *network,
	const char *name, const struct weft_router_config *config);
void __wrap_weft_router_update(struct weft_change *change, struct weft_device *device,
	const struct weft_router_config *config);
struct weft_vport *__wrap_weft_router_port_add(struct weft_change *change,
	struct weft_device *device, const char *name, const struct weft_router_port_config *config);
void __wrap_weft_router_port_update(struct weft_change *change, struct weft_vport *vport,
	const struct weft_router_port_config *config);
void __wrap_weft_router_route_set(
	struct weft_change *change, struct weft_device *device, const struct weft_route *route);
void __wrap_weft_router_route_remove(
	struct weft_change *change, struct weft_device *device, const struct weft_prefix *prefix);
void __wrap_weft_peer(struct weft_change *change, struct weft_vport *a, struct weft_vport *b);

struct weft_device *
__wrap_weft_router_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_router_config *config)
{
	struct remembered *router = calloc(1, sizeof(*router));

	router->icmp_rate = config->icmp_rate;
	return device_add(change, network, &remembering_class, name, router);
}

void
__wrap_weft_router_update(struct weft_change *change, struct weft_device *device,
	const struct weft_router_config *config)
{
	struct remembered *router = device->data;

	assert_int_not_equal(router->icmp_rate, config->icmp_rate);
	router->icmp_rate = config->icmp_rate;
}

struct weft_vport *
__wrap_weft_router_port_add(struct weft_change *change, struct weft_device *device,
	const char *name, const struct weft_router_port_config *config)
{
	struct weft_vport *vport = vport_add(change, device, name, NULL, 1500);

	assert_non_null(vport);
	port_words[id_index(vport->id)] = port_in_words(config);
	return vport;
}

/* What has not changed is not told again. */
void
__wrap_weft_router_port_update(struct weft_change *change, struct weft_vport *vport,
	const struct weft_router_port_config *config)
{
	char *words = port_in_words(config);

	assert_non_null(vport);
	assert_string_not_equal(port_words[id_index(vport->id)], words);
	free(port_words[id_index(vport->id)]);
	port_words[id_index(vport->id)] = words;
	port_updates++;
}

static char *
prefix_text(const struct weft_prefix *prefix)
{
	struct text text = { 0 };

	add_prefix(&text, prefix, true);
	return text_take(&text);
}

static bool
forget_route(struct remembered *router, const char *prefix)
{
	size_t at = 0;
	void *words;
	const char *name = NULL;

	for (at = 0; at < router->routes.capacity; at++)
		if (router->routes.slots[at].name != NULL &&
			strcmp(router->routes.slots[at].name, prefix) == 0)
			name = router->routes.slots[at].name;
	words = name_map_remove(&router->routes, prefix);
	free((void *)(uintptr_t)name);
	free(words);
	return words != NULL;
}

void
__wrap_weft_router_route_set(
	struct weft_change *change, struct weft_device *device, const struct weft_route *route)
{
	static const char *const kinds[] = { "forward", "blackhole", "unreachable", "prohibit" };
	struct remembered *router = device->data;
	char *prefix = prefix_text(&route->prefix);
	struct text text = { 0 };

	text_add(&text, "%s %u %u", kinds[route->kind], route->preference, route->metric);
	add_hops(&text, "via", route->hops, route->n_hops);
	add_hops(&text, "backup", route->backups, route->n_backups);
	forget_route(router, prefix);
	name_map_put(&router->routes, prefix, text_take(&text));
}

void
__wrap_weft_router_route_remove(
	struct weft_change *change, struct weft_device *device, const struct weft_prefix *prefix)
{
	char *text = prefix_text(prefix);

	assert_true(forget_route(device->data, text));
	free(text);
}

void
__wrap_weft_peer(struct weft_change *change, struct weft_vport *a, struct weft_vport *b)
{
	struct vport *draft_a, *draft_b;

	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a->device->network, b->device->network);
	assert_int_equal(change_vport_after(a)->attachment, ATTACHED_NOTHING);
	assert_int_equal(change_vport_after(b)->attachment, ATTACHED_NOTHING);
	draft_a = change_vport(change, a);
	draft_b = change_vport(change, b);
	draft_a->attachment = draft_b->attachment = ATTACHED_VPORT;
	draft_a->peer = b->id;
	draft_b->peer = a->id;
}

/* ---- lines: one for each object ----------------------------------------------------------- */

struct lines {
	char *line[8192];
	unsigned count;
};

static void
add_line(struct lines *lines, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	assert_in_range(lines->count, 0, sizeof(lines->line) / sizeof(*lines->line) - 1);
	lines->line[lines->count++] = strdup(line);
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
finish(struct lines *lines)
{
	struct text text = { 0 };

	qsort(lines->line, lines->count, sizeof(*lines->line), compare_lines);
	for (unsigned i = 0; i < lines->count; i++) {
		text_add(&text, "%s\n", lines->line[i]);
		free(lines->line[i]);
	}
	lines->count = 0;
	return text_take(&text);
}

/* ---- what the engine has -------------------------------------------------------------------- */

static void
list_vport(struct lines *lines, const struct weft_vport *vport)
{
	const struct vport *live = vport->live;
	char path[VPORT_NAME_SIZE], other[VPORT_NAME_SIZE];
	const char *words = port_words[id_index(vport->id)];

	vport_path(vport, path);
	if (words != NULL)
		add_line(lines, "words of %s: %s", path, words);
	else
		add_line(lines, "words of %s: vlan %u mtu %u", path,
			((const struct switch_port *)live->context)->access, live->mtu);
	if (live->attachment == ATTACHED_NOTHING)
		add_line(lines, "%s: nothing", path);
	else if (live->attachment == ATTACHED_NIC)
		add_line(lines, "%s: nic %s", path, live->nic->name);
	else if (live->attachment == ATTACHED_UPLINK)
		add_line(lines, "%s: uplink %s %u", path, live->nic->name, live->uplink_vlan);
	else
		add_line(lines, "%s: port %s", path,
			vport_path(vport_by_id(weft, live->peer), other));
}

static void
list_device(struct lines *lines, const struct weft_device *device)
{
	const char *network = device->network->name;
	const struct remembered *router = device->data;
	const struct weft_vport *vport;

	TAILQ_FOREACH(vport, &device->vports, entry)
	list_vport(lines, vport);
	if (device->class != &remembering_class) {
		add_line(lines, "switch %s/%s", network, device->name);
		return;
	}
	add_line(lines, "router %s/%s %u", network, device->name, router->icmp_rate);
	for (size_t i = 0; i < router->routes.capacity; i++)
		if (router->routes.slots[i].name != NULL)
			add_line(lines, "route %s/%s %s: %s", network, device->name,
				router->routes.slots[i].name,
				(const char *)router->routes.slots[i].value);
}

static char *
engine_lines(void)
{
	static struct lines lines;
	const struct weft_network *network;
	const struct weft_device *device;

	TAILQ_FOREACH(network, &weft->networks, entry)
	{
		add_line(&lines, "network %s %u %u %u", network->name, network->config.mac_limit,
			network->config.neighbor_limit, network->config.flow_interval_s);
		TAILQ_FOREACH(device, &network->devices, entry)
		list_device(&lines, device);
	}
	return finish(&lines);
}

/* ---- what the configuration says ------------------------------------------------------------ */

static struct name_map attached; /* "red/r0:p0" -> what is on it, of strdup */

static void
put(const char *port, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert_null(name_map_get(&attached, port));
	name_map_put(&attached, strdup(port), strdup(text));
}

static void
put_both(const char *a, const char *b)
{
	put(a, "port %s", b);
	put(b, "port %s", a);
}

static void
put_router_port(const char *network, const char *router, const struct lyd_node *port)
{
	const char *device = model_text(port, "switch"), *uplink = model_text(port, "uplink");
	const char *peer = model_text(port, "peer"), *key = model_key(port);
	char own[256], other[256];

	snprintf(own, sizeof(own), "%s/%s:%s", network, router, key);
	if (device != NULL) {
		snprintf(other, sizeof(other), "%s/%s:%s.%s", network, device, router, key);
		put_both(own, other);
	}
	if (uplink != NULL)
		put(own, "uplink %s %u", uplink, (unsigned)model_number(port, "vlan", 0));
	if (peer != NULL)
		put(own, "port %s", peer);
}

static void
put_switch_port(const char *network, const char *device, const struct lyd_node *port)
{
	const char *uplink = model_text(port, "uplink");
	char own[256];

	snprintf(own, sizeof(own), "%s/%s:%s", network, device, model_key(port));
	if (uplink != NULL)
		put(own, "uplink %s %u", uplink, (unsigned)model_number(port, "uplink-vlan", 0));
}

static void
put_nic(const char *network, const struct lyd_node *nic)
{
	char port[256];

	snprintf(port, sizeof(port), "%s/%s:%s", network, model_text(nic, "switch"),
		model_text(nic, "port"));
	put(port, "nic %s", model_key(nic));
}

static void
put_link(const char *network, const struct lyd_node *link)
{
	const struct lyd_node *end = model_child(link, "ends");
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s/%s", network, model_value(end));
	snprintf(b, sizeof(b), "%s/%s", network, model_value(model_next(end)));
	put_both(a, b);
}

static void
say_port(struct lines *lines, const char *path)
{
	const char *what = name_map_get(&attached, path);

	add_line(lines, "%s: %s", path, what != NULL ? what : "nothing");
}

/* vlan NULL: a trunk */
static void
say_switch_port(struct lines *lines, const char *path, const char *vlan)
{
	say_port(lines, path);
	add_line(lines, "words of %s: vlan %s mtu 9216", path, vlan != NULL ? vlan : "0");
}

static void
say_words(struct lines *lines, const char *path, const struct lyd_node *port)
{
	const char *mac = model_text(port, "mac"), *mss = model_text(port, "clamp-mss");
	const struct lyd_node *ip = model_child(port, "ip");
	struct text text = { 0 };
	char *words;

	for (; ip != NULL; ip = model_next(ip))
		text_add(&text, "%s ", model_value(ip));
	words = text_take(&text);
	add_line(lines,
		"words of %s: %sipv6 %d mac %s mtu %s urpf %s redirects %d unreachables %d arp %d "
		"mss %s",
		path, words, model_flag(port, "ipv6", false), mac != NULL ? mac + 15 : "00",
		model_text(port, "mtu") != NULL ? model_text(port, "mtu") : "0",
		model_text(port, "urpf"), model_flag(port, "redirects", true),
		model_flag(port, "unreachables", true), model_flag(port, "proxy-arp", false),
		mss == NULL                ? "0"
		: strcmp(mss, "auto") == 0 ? "1"
					   : mss);
	free(words);
}

static void
say_route(
	struct lines *lines, const char *network, const char *router, const struct lyd_node *route)
{
	static const char *const lists[] = { "via", "backup" };
	struct text text = { 0 };
	const struct lyd_node *hop;
	char *words;

	text_add(&text, "%s %s %s", model_text(route, "type"), model_text(route, "preference"),
		model_text(route, "metric"));
	for (unsigned i = 0; i < 2; i++)
		for (hop = model_child(route, lists[i]); hop != NULL; hop = model_next(hop))
			text_add(&text, " %s %s", lists[i], model_value(hop));
	words = text_take(&text);
	add_line(lines, "route %s/%s %s: %s", network, router, model_key(route), words);
	free(words);
}

static void
say_router(struct lines *lines, const char *network, const struct lyd_node *router)
{
	const char *name = model_key(router), *place;
	const struct lyd_node *node;
	char path[256];

	add_line(lines, "router %s/%s %s", network, name, model_text(router, "icmp-rate"));
	for (node = model_child(router, "ports"); node != NULL; node = model_next(node)) {
		snprintf(path, sizeof(path), "%s/%s:%s", network, name, model_key(node));
		say_port(lines, path);
		say_words(lines, path, node);
		place = model_text(node, "switch");
		if (place == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s:%s.%s", network, place, name, model_key(node));
		say_switch_port(lines, path,
			model_text(node, "vlan") != NULL ? model_text(node, "vlan") : "1");
	}
	for (node = model_child(router, "routes"); node != NULL; node = model_next(node))
		say_route(lines, network, name, node);
}

static void
say_switch(struct lines *lines, const char *network, const struct lyd_node *device)
{
	const struct lyd_node *port = model_child(device, "ports");
	char path[256];

	add_line(lines, "switch %s/%s", network, model_key(device));
	for (; port != NULL; port = model_next(port)) {
		snprintf(path, sizeof(path), "%s/%s:%s", network, model_key(device),
			model_key(port));
		say_switch_port(lines, path, model_text(port, "vlan"));
	}
}

static void
say_nic_port(struct lines *lines, const char *network, const struct lyd_node *nic)
{
	char path[256];

	if (!(model_child(nic, "port")->flags & LYD_DEFAULT))
		return;
	snprintf(
		path, sizeof(path), "%s/%s:%s", network, model_text(nic, "switch"), model_key(nic));
	say_switch_port(lines, path, model_text(nic, "vlan"));
}

static void
put_all(const struct lyd_node *network)
{
	const struct lyd_node *node, *port;

	for (node = model_child(network, "routers"); node != NULL; node = model_next(node))
		for (port = model_child(node, "ports"); port != NULL; port = model_next(port))
			put_router_port(model_key(network), model_key(node), port);
	for (node = model_child(network, "switches"); node != NULL; node = model_next(node))
		for (port = model_child(node, "ports"); port != NULL; port = model_next(port))
			put_switch_port(model_key(network), model_key(node), port);
	for (node = model_child(network, "nics"); node != NULL; node = model_next(node))
		put_nic(model_key(network), node);
	for (node = model_child(network, "links"); node != NULL; node = model_next(node))
		put_link(model_key(network), node);
}

static void
say_network(struct lines *lines, const struct lyd_node *network)
{
	const char *key = model_key(network);
	const struct lyd_node *quota = model_child(network, "quota"), *node;
	const struct lyd_node *flows = model_child(network, "flow-records");
	bool told = model_text(flows, "collector") != NULL;

	add_line(lines, "network %s %s %s %u", key, model_text(quota, "macs"),
		model_text(quota, "neighbors"),
		told ? (unsigned)atoi(model_text(flows, "active-timeout")) : 0);
	for (node = model_child(network, "switches"); node != NULL; node = model_next(node))
		say_switch(lines, key, node);
	for (node = model_child(network, "routers"); node != NULL; node = model_next(node))
		say_router(lines, key, node);
	for (node = model_child(network, "nics"); node != NULL; node = model_next(node))
		say_nic_port(lines, key, node);
}

static char *
configuration_lines(const struct configuration *configuration)
{
	static struct lines lines;
	const struct lyd_node *first = configuration_child(configuration, "networks"), *network;

	for (network = first; network != NULL; network = model_next(network))
		put_all(network);
	for (network = first; network != NULL; network = model_next(network))
		say_network(&lines, network);
	for (size_t i = 0; i < attached.capacity; i++)
		if (attached.slots[i].name != NULL) {
			free((void *)(uintptr_t)attached.slots[i].name);
			free(attached.slots[i].value);
		}
	name_map_free(&attached);
	return finish(&lines);
}

/* ---- random configurations ------------------------------------------------------------------ */

static unsigned
random_below(unsigned limit)
{
	return (unsigned)rand_r(&seed) / 7 % limit;
}

static bool
chance(unsigned percent)
{
	return random_below(100) < percent;
}

/* Of a network: switches s0 and s1 (or s0 alone), routers r0 to r2, ports p0 to p3. */
struct shape {
	/* who has the port r9.p0 of s0 */
	enum { NOBODY, A_NIC, A_ROUTER, ITSELF } r9;
	unsigned switches, routers;
	bool switch_port_free[2][3]; /* declared d0 to d2, not used yet */
	unsigned links;
	struct text link_text;
};

static void
add_end(struct shape *shape, const char *end)
{
	unsigned device = random_below(shape->switches), port = random_below(3);

	if (!shape->switch_port_free[device][port])
		return;
	shape->switch_port_free[device][port] = false;
	text_add(&shape->link_text, "      - { ends: [%s, s%u:d%u] }\n", end, device, port);
	shape->links++;
}

static void
add_router_port(
	struct text *text, struct shape *shape, unsigned network, unsigned router, unsigned port)
{
	char end[32];

	text_add(text, "          p%u: { mtu: %u, ip: [10.1%u%u.%u.1/24", port,
		1500 + random_below(2), network, router, port);
	text_add(text, chance(50) ? ", 10.1%u%u.%u.2/24]" : "]", network, router, port);
	text_add(text, ", mac: 02:00:00:00:%02x:%02x", network * 16 + router,
		port * 16 + random_below(2));
	switch (random_below(6)) {
	case 0:
	case 1:
		text_add(text, ", switch: s%u, vlan: %u", random_below(shape->switches),
			1 + random_below(3));
		break;
	case 2:
		text_add(text, ", uplink: wire, vlan: %u",
			1 + network * 1000 + router * 100 + port * 10 + random_below(2));
		break;
	case 3:
		snprintf(end, sizeof(end), "r%u:p%u", router, port);
		add_end(shape, end);
		break;
	default:
		break;
	}
	text_add(text, chance(30) ? ", ipv6: true" : "");
	text_add(text, chance(30) ? ", urpf: strict, redirects: false" : "");
	text_add(text, chance(30) ? ", clamp-mss: auto, proxy-arp: true }\n" : " }\n");
}

static void
add_routes(struct text *text, unsigned network, unsigned router, unsigned ports)
{
	unsigned port = random_below(ports);

	text_add(text, "        routes:\n          10.99.0.0/16: { type: %s }\n",
		chance(50) ? "blackhole" : "prohibit");
	for (unsigned i = 0; i < 3; i++)
		if (chance(50))
			text_add(text,
				"          10.9%u.0.0/16: { via: [10.1%u%u.%u.9@p%u, p%u], metric: "
				"%u }\n",
				i, network, router, port, port, port, random_below(2));
	if (chance(50))
		text_add(text, "          0.0.0.0/0: { via: 10.1%u%u.%u.%u, backup: p%u }\n",
			network, router, port, 7 + random_below(2), port);
}

static void
add_router(struct text *text, struct shape *shape, unsigned network, unsigned router, bool peers)
{
	unsigned ports = 1 + random_below(3);

	text_add(text, "      r%u:\n        icmp-rate: %u\n        ports:\n", router,
		1 + random_below(2));
	for (unsigned i = 0; i < ports; i++)
		add_router_port(text, shape, network, router, i);
	text_add(text, router < 2 ? "          x: {}\n" : "");
	if (peers)
		text_add(text, "          peer: { peer: net%u/r%u:peer }\n", 1 - network, router);
	add_routes(text, network, router, ports);
}

/* A vnic of a name that a router's port might take on the same switch. */
static void
add_nics(struct text *text, const struct shape *shape)
{
	text_add(text, "    nics:\n");
	for (unsigned i = 0; i < 3; i++)
		if (chance(60))
			text_add(text, "      n%u: { switch: s%u, attach: { memory: true } }\n", i,
				random_below(shape->switches));
	if (shape->r9 == A_NIC)
		text_add(text, "      r9.p0: { switch: s0, attach: { memory: true } }\n");
	else if (shape->r9 == A_ROUTER && shape->routers == 0)
		text_add(text, "    routers: { r9: { ports: { p0: { switch: s0 } } } }\n");
}

static void
add_switches(struct text *text, struct shape *shape)
{
	shape->switches = 1 + random_below(2);
	text_add(text, "    switches:\n");
	for (unsigned i = 0; i < shape->switches; i++) {
		text_add(text, "      s%u: { ports: { d0: {}, d1: { vlan: 2 }, d2: {}%s } }\n", i,
			i == 0 && shape->r9 == ITSELF ? ", r9.p0: { uplink: wire }" : "");
		for (unsigned j = 0; j < 3; j++)
			shape->switch_port_free[i][j] = true;
	}
}

static void
add_network(struct text *text, unsigned network, unsigned peering)
{
	struct shape shape = { .routers = random_below(4) };
	char *links;

	shape.r9 = random_below(network == 0 ? 4 : 3);
	if (shape.routers < peering)
		shape.routers = peering;
	text_add(text, "  net%u:\n    quota: { neighbors: %u }\n", network, 100 + random_below(2));
	if (random_below(2) == 0)
		text_add(text,
			"    flow-records: { collector: 192.0.2.1:%u, active-timeout: %us }\n",
			4739 + random_below(2), 10 + random_below(2));
	add_switches(text, &shape);
	add_nics(text, &shape);
	if (shape.routers == 0)
		return;
	text_add(text, "    routers:\n");
	for (unsigned i = 0; i < shape.routers; i++)
		add_router(text, &shape, network, i, i < peering);
	/* what is free of two routers may be joined */
	if (shape.routers > 1 && chance(50)) {
		text_add(&shape.link_text, "      - { ends: [r0:x, r1:x] }\n");
		shape.links++;
	}
	links = text_take(&shape.link_text);
	if (shape.links > 0)
		text_add(text, "    links:\n%s", links);
	free(links);
}

static struct configuration *
random_configuration(void)
{
	unsigned networks = random_below(3), peering = networks == 2 ? random_below(3) : 0;
	struct text text = { 0 };
	struct diagnostics diagnostics;
	struct configuration *configuration;
	char *yaml;

	text_add(&text, "uplinks: { wire: { attach: { memory: true } } }\nnetworks:\n");
	for (unsigned i = 0; i < networks; i++)
		add_network(&text, i, peering);
	yaml = text_take(&text);
	configuration = configuration_from_yaml(model, "test", yaml, strlen(yaml), &diagnostics);
	if (configuration == NULL) {
		diagnostics_print(&diagnostics, stderr, false);
		fail_msg("%s", yaml);
	}
	diagnostics_free(&diagnostics);
	free(yaml);
	return configuration;
}

/* ---- the test ------------------------------------------------------------------------------- */

static void
go(const struct configuration *before, const struct configuration *after)
{
	struct plan *plan = plan_make(before, after);
	struct weft_change *change = weft_change_begin(weft);
	struct weft_error error;
	char *wanted, *got;

	carry_out(weft, change, plan);
	if (weft_change_commit(change, &error) < 0)
		fail_msg("%s", error.text);
	plan_free(plan);
	wanted = configuration_lines(after);
	got = engine_lines();
	if (strcmp(wanted, got) != 0)
		fprintf(stderr, "seed %u: wanted\n%s\ngot\n%s\n", seed, wanted, got);
	assert_string_equal(wanted, got);
	free(wanted);
	free(got);
}

static void
the_engine_is_what_the_configuration_says(void **state)
{
	struct configuration *before = configuration_empty(model), *after;

	seed = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		after = random_configuration();
		go(before, after);
		configuration_free(before);
		before = after;
	}
	after = configuration_empty(model);
	go(before, after);
	assert_int_not_equal(port_updates, 0);
	configuration_free(before);
	configuration_free(after);
}

static int
open_all(void **state)
{
	static const struct device_class *const classes[] = { &switch_class, &remembering_class,
		NULL };
	static const struct nic_driver *const drivers[] = { &memory_driver, NULL };
	struct weft_options options = { .memory_mb = 64 };
	struct weft_error error;

	model = model_open(&error);
	weft = engine_open(&options, classes, drivers, &error);
	if (weft == NULL)
		print_error("%s\n", error.text);
	return model != NULL && weft != NULL ? 0 : -1;
}

static int
close_all(void **state)
{
	engine_close(weft);
	model_close(model);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_is_what_the_configuration_says),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
