/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A change of routers that fails leaves everything as it was: each allocation of an apply is
 * made to fail in turn, until it comes through. After each failure there are the same routes,
 * next hops and neighbours, the FIBs say the same, and packets take the same ways.
 */
#include "../router_fixture.h"
#include "fault.h"

#define FAULT_LIMIT 20000
#define LAST_OCTET 9
#define MANY 60 /* routes: enough for every array to grow */

static const char *const destinations[] = { "10.0.0.9", "10.1.0.9", "10.2.0.9", "10.3.0.9",
	"10.4.0.9", "10.9.0.9", "10.1.0.1", "172.16.0.1", "172.17.0.1", "172.17.0.2", "172.17.0.3",
	"172.18.0.1", "172.19.0.1", "172.20.0.1", "172.21.0.1", "172.22.0.1", "172.23.0.1",
	"192.168.1.1", "192.168.50.1", "2001:db8:1::9", "2001:db8:2::9", "2001:db8:aa::1",
	"2001:db8:bb::1", "2001:db8:cc::1" };

static struct bench_router red;

/* What is sent of its own accord. */
static void
silence(void)
{
	struct weft_nic *nic;

	lab_run();
	TAILQ_FOREACH(nic, &red.network->nics, entry)
	lab_drain(nic);
}

/* ---- before ------------------------------------------------------------------------------- */

static void
put_route(struct weft_change *change, struct weft_device *device, const char *prefix,
	const char *const *gateways, unsigned n_hops, unsigned n_backups)
{
	struct weft_hop hops[8] = { 0 };
	struct weft_route route = { .prefix = prefix_of(prefix),
		.kind = n_hops > 0 ? WEFT_ROUTE_FORWARD : WEFT_ROUTE_BLACKHOLE,
		.hops = hops,
		.n_hops = n_hops,
		.backups = hops + n_hops,
		.n_backups = n_backups };

	for (unsigned i = 0; i < n_hops + n_backups; i++)
		hops[i].gateway = prefix_of(gateways[i]);
	weft_router_route_set(change, device, &route);
}

#define ROUTE(device, prefix, n_hops, n_backups, ...) \
	put_route(change, device, prefix, (const char *const[]){ __VA_ARGS__, NULL }, n_hops, \
		n_backups)

/* A router of one port. */
static struct weft_device *
put_small(struct weft_change *change, struct weft_network *network, const char *name,
	const char *address, const char *nic)
{
	struct weft_device *device = weft_router_add(change, network, name, NULL);
	struct weft_prefix own = prefix_of(address);
	struct weft_router_port_config config = { .addresses = &own, .n_addresses = 1 };
	struct weft_vport *port = weft_router_port_add(change, device, "p", &config);

	if (nic != NULL)
		weft_attach(change, port, weft_nic_add(change, network, nic, &lab_nic_config));
	return device;
}

static void
build(void)
{
	static const struct weft_router_port_config silent = { .no_unreachables = true,
		.no_redirects = true };
	struct weft_prefix own = prefix_of("10.9.0.2/24");
	struct weft_router_port_config config = { .addresses = &own, .n_addresses = 1 };
	struct weft_network *gone, *blue;
	struct weft_change *change;

	red = lab_router("red", &silent);
	change = weft_change_begin(lab);
	ROUTE(red.device, "172.16.0.0/16", 1, 0, "10.1.0.9");
	ROUTE(red.device, "172.17.0.0/16", 3, 0, "10.1.0.9", "10.2.0.9", "10.3.0.9");
	ROUTE(red.device, "172.18.0.0/16", 1, 1, "10.1.0.9", "10.2.0.9");
	ROUTE(red.device, "172.19.0.0/16", 1, 0, "172.16.0.1");
	put_route(change, red.device, "172.20.0.0/16", NULL, 0, 0);
	ROUTE(red.device, "172.23.0.0/16", 2, 1, "10.2.0.9", "172.16.7.7", "10.3.0.9");
	ROUTE(red.device, "2001:db8:aa::/48", 1, 0, "2001:db8:1::9");
	ROUTE(red.device, "2001:db8:bb::/48", 2, 0, "2001:db8:1::9", "2001:db8:2::9");
	put_small(change, red.network, "old", "10.9.0.1/24", "old");
	gone = weft_network_add(change, "gone", NULL);
	ROUTE(put_small(change, gone, "r", "10.1.0.1/24", "n"), "172.16.0.0/16", 2, 0, "10.1.0.2",
		"10.1.0.3");
	/* a tenant next door, of the same addresses */
	blue = weft_network_add(change, "blue", NULL);
	ROUTE(put_small(change, blue, "r", "10.1.0.1/24", "n"), "172.16.0.0/16", 1, 0, "10.1.0.9");
	weft_peer(change, weft_router_port_add(change, red.device, "peer", &config),
		weft_router_port_add(change, weft_device_find(blue, "r"), "peer", NULL));
	lab_commit(change);
	for (unsigned port = 0; port < ROUTER_PORTS; port++)
		know(&red, port, LAST_OCTET, 4);
	know(&red, 0, 5, 4);
	know(&red, 1, LAST_OCTET, 6);
	know(&red, 2, LAST_OCTET, 6);
}

/* ---- the change --------------------------------------------------------------------------- */

static void
stage_ports(struct weft_change *change)
{
	struct weft_prefix own[4] = { prefix_of("10.1.0.1/24"), prefix_of("10.11.0.1/24"),
		prefix_of("2001:db8:1::1/64"), prefix_of("fe80::1/64") };
	struct weft_router_port_config config = { .addresses = own,
		.n_addresses = 4,
		.mtu = 1400,
		.no_unreachables = true,
		.no_redirects = true };
	struct weft_prefix fourth = prefix_of("10.4.0.1/24");
	struct weft_vport *port;

	weft_router_port_update(change, red.ports[1], NULL);
	weft_router_port_update(change, red.ports[1], &config); /* once more */
	weft_vport_remove(change, red.ports[3]);
	weft_nic_remove(change, red.nics[3]);
	config.addresses = &fourth;
	config.n_addresses = 1;
	port = weft_router_port_add(change, red.device, "p4", &config);
	weft_attach(change, port, weft_nic_add(change, red.network, "n4", &lab_nic_config));
	/* others are at the second port now */
	weft_detach(change, red.ports[2]);
	weft_nic_remove(change, red.nics[2]);
	weft_attach(
		change, red.ports[2], weft_nic_add(change, red.network, "other", &lab_nic_config));
}

static void
stage_routes(struct weft_change *change)
{
	struct weft_prefix gone = prefix_of("172.17.0.0/16"), never = prefix_of("172.99.0.0/16");
	char prefix[32];

	ROUTE(red.device, "172.16.0.0/16", 1, 0, "10.2.0.9"); /* and what leads through it */
	weft_router_route_remove(change, red.device, &gone);
	weft_router_route_remove(change, red.device, &never);
	ROUTE(red.device, "172.18.0.0/16", 1, 2, "10.1.0.9", "10.4.0.9", "10.2.0.9");
	ROUTE(red.device, "172.21.0.0/16", 3, 0, "10.1.0.8", "10.4.0.8", "10.11.0.8");
	ROUTE(red.device, "172.21.0.0/16", 2, 0, "10.1.0.9", "10.4.0.9"); /* once more */
	ROUTE(red.device, "172.22.0.0/16", 1, 0, "10.1.0.9");
	gone = prefix_of("172.22.0.0/16");
	weft_router_route_remove(change, red.device, &gone);
	ROUTE(red.device, "2001:db8:bb::/48", 1, 1, "2001:db8:2::9", "2001:db8:1::9");
	ROUTE(red.device, "2001:db8:cc::/48", 1, 0, "2001:db8:1::8");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(prefix, sizeof(prefix), "192.168.%u.%u/%u", i, i % 3 == 0 ? 0 : 128,
			i % 3 == 0 ? 24 : 25 + i % 4);
		ROUTE(red.device, prefix, 1, 0, i % 2 == 0 ? "10.1.0.9" : "10.1.0.7");
	}
}

static int
apply(struct weft_error *error)
{
	struct weft_router_config config = { .icmp_rate = 77 };
	struct weft_prefix own = prefix_of("10.12.0.1/24");
	struct weft_router_port_config port = { .addresses = &own, .n_addresses = 1 };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_device *device;
	struct weft_network *green;

	if (change == NULL)
		return weft_change_prepare(change, error);
	weft_network_remove(change, weft_network_find(lab, "gone"));
	weft_device_remove(change, weft_device_find(red.network, "old"));
	weft_router_update(change, red.device, &config);
	stage_ports(change);
	stage_routes(change);
	green = weft_network_add(change, "green", NULL);
	ROUTE(put_small(change, green, "r", "10.1.0.1/24", "n"), "172.16.0.0/16", 2, 1, "10.1.0.2",
		"10.1.0.3", "10.1.0.4");
	device = put_small(change, green, "far", "10.1.0.2/24", NULL);
	weft_peer(change, weft_router_port_add(change, red.device, "peer2", &port),
		weft_router_port_add(change, device, "peer", NULL));
	return weft_change_commit(change, error);
}

/* ---- what there is, in words ---------------------------------------------------------------- */

static void
tell_hop(FILE *to, uint32_t id)
{
	struct next_hop hops[NEXT_HOP_MEMBERS];
	unsigned n_primaries, n = next_hop_read(id, hops, &n_primaries);
	char text[ROUTER_ADDRESS_SIZE];

	for (unsigned i = 0; i < n; i++) {
		const struct hop_key *key = &hops[i].key;
		const struct weft_vport *port =
			key->vport != 0 ? vport_by_id(lab, key->vport) : NULL;

		assert_true(key->vport == 0 || port != NULL);
		fprintf(to, " %u%s@%s", key->kind, i < n_primaries ? "" : "(backup)",
			port != NULL ? port->name : "-");
		if (key->kind == HOP_GATEWAY)
			fprintf(to, ":%s", router_address_text(key->family, key->gateway, text));
	}
}

struct telling {
	FILE *to;
	const struct router *router;
};

static bool
tell_route(void *context, const struct router_route *route)
{
	const struct telling *telling = context;
	const struct fib *fib = router_fib(telling->router, route->prefix.family);
	char text[ROUTER_PREFIX_SIZE];

	fprintf(telling->to, "  %s %s %u %u", router_prefix_text(&route->prefix, text),
		route_source_name((enum route_source)route->source), route->kind, route->selected);
	tell_hop(telling->to, route->hop);
	fprintf(telling->to, "\n");
	if (route->selected)
		assert_int_equal(
			fib_get(fib, route->prefix.address, route->prefix.length), route->hop);
	return true;
}

static void
tell_port(FILE *to, const struct weft_vport *vport)
{
	struct router_port_info info;
	char text[ROUTER_ADDRESS_SIZE];

	assert_null(vport->draft);
	assert_int_equal(vport->state, OBJECT_LIVE);
	router_port_read(vport, &info);
	fprintf(to, "  port %s mtu %u attached %d", vport->name, info.mtu, vport->live->attachment);
	for (unsigned i = 0; i < info.n_addresses; i++) {
		const struct router_address *own = &info.addresses[i];

		/* one that is made of the MAC is another one at each start */
		router_address_text(own->family, own->bytes, text);
		fprintf(to, " %s/%u", strncmp(text, "fe80", 4) == 0 ? "link-local" : text,
			own->length);
	}
	fprintf(to, "\n");
}

static void
tell_router(FILE *to, const struct weft_device *device)
{
	const struct router *router = device->data;
	struct telling telling = { to, router };
	const struct weft_vport *vport;
	struct router_info info;

	assert_false(device->touched);
	assert_null(router->prepared);
	assert_null(router->replaced);
	assert_null(router->news);
	assert_false(router->filled);
	router_read(device, &info);
	fprintf(to, " router %s rate %u/%u statics %zu\n", device->name, info.icmp_rate,
		atomic_load(&router->icmp_interval), router->statics.count);
	TAILQ_FOREACH(vport, &device->vports, entry)
	tell_port(to, vport);
	router_each_route(device, tell_route, &telling);
	for (unsigned i = 0; i < RTE_DIM(destinations); i++) {
		struct weft_prefix address = prefix_of(destinations[i]);
		uint32_t word;

		memcpy(&word, address.address, sizeof(word));
		fprintf(to, "  to %s:", destinations[i]);
		tell_hop(to, address.family == 4
				     ? fib4_lookup(&router->fib4, rte_be_to_cpu_32(word))
				     : fib6_lookup(&router->fib6, address.address));
		fprintf(to, "\n");
	}
}

/* Malloced. */
static char *
tell(void)
{
	struct weft_network *network;
	struct weft_device *device;
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	TAILQ_FOREACH(network, &lab->networks, entry)
	{
		fprintf(to, "network %s neighbors %u waiting %u\n", network->name,
			neighbours_count(network), atomic_load(&network->queued));
		TAILQ_FOREACH(device, &network->devices, entry)
		tell_router(to, device);
	}
	fprintf(to, "hops %u vports %u devices %u\n", next_hops_count(),
		lab->vport_ids.used - lab->vport_ids.n_free,
		lab->device_ids.used - lab->device_ids.n_free);
	fclose(to);
	return text;
}

static void
tell_sent(FILE *to, unsigned flow)
{
	struct weft_nic *nic;
	uint8_t frame[BUFFER];

	TAILQ_FOREACH(nic, &red.network->nics, entry)
	while (weft_nic_receive(nic, frame, sizeof(frame)) > 0)
		fprintf(to, "%s flow %u: %s to %02x:%02x\n", "sent", flow, nic->name, frame[4],
			frame[5]);
}

/* Malloced: which way packets take. */
static char *
forward(void)
{
	uint8_t frame[MAKE_SIZE];
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	silence();
	for (unsigned i = 0; i < RTE_DIM(destinations); i++) {
		struct make_ends ends = ends_from_station(&red, 0, 5, destinations[i]);

		if (strcmp(destinations[i], "10.4.0.9") == 0 ||
			strcmp(destinations[i], "10.9.0.9") == 0)
			continue; /* nobody knows them yet */
		fprintf(to, "%s\n", destinations[i]);
		for (uint16_t flow = 0; flow < 8; flow++) {
			put_frame(&red, 0, frame, make_udp(frame, &ends, flow, 80, "x", 1));
			tell_sent(to, flow);
		}
	}
	fclose(to);
	return text;
}

/* ---- every call fails in turn -------------------------------------------------------------- */

static void
assert_same(char *text, const char *wanted, unsigned at)
{
	if (strcmp(text, wanted) != 0) {
		const char *a = text, *b = wanted;

		while (*a == *b)
			a++, b++;
		while (a > text && a[-1] != '\n')
			a--, b--;
		fail_msg("call %u (%s) failed; then there is\n%.300s\ninstead of\n%.300s", at,
			fault.name, a, b);
	}
	free(text);
}

static unsigned
buffers_in_use(void)
{
	return rte_mempool_in_use_count(lab->pools.small) +
	       rte_mempool_in_use_count(lab->pools.large);
}

static void
open_all(void)
{
	assert_int_equal(lab_open(NULL), 0);
	build();
	lab_wait(3); /* all is announced */
	silence();
}

static void
change_nothing(void)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_router_config config = { 0 };

	weft_router_update(change, red.device, &config);
	lab_commit(change);
}

/* What only a failed change needed goes with the next tick. */
static void
settle(void)
{
	weft_tick(lab);
	silence();
}

/* True: no call failed. */
static bool
attempt(unsigned at, const char *old, const char *way, const char *new)
{
	struct weft_error error = { 0 };
	unsigned buffers = buffers_in_use();
	bool fired;
	int result;

	fault_arm(at, false);
	result = apply(&error);
	fired = fault_disarm();
	if (result == 0) {
		lab_wait(3);
		lab_run();
		assert_same(tell(), new, at);
		assert_int_equal(lab_close_routers(NULL), 0);
		open_all();
		assert_same(tell(), old, at);
		return !fired;
	}
	assert_true(fired);
	assert_int_not_equal(error.text[0], '\0');
	assert_int_equal(buffers_in_use(), buffers);
	settle();
	assert_same(tell(), old, at);
	assert_same(forward(), way, at);
	change_nothing();
	assert_same(tell(), old, at);
	return false;
}

static void
test_a_failed_change_leaves_everything(void **state)
{
	char *old, *new, *way;
	unsigned at = 1;

	(void)state;
	open_all();
	old = tell();
	way = forward();
	/* there are ways to tell apart, and the packets are heard of */
	assert_non_null(strstr(way, "sent flow 0: n1 to 01:09"));
	assert_non_null(strstr(way, "sent flow 7: n"));
	assert_int_equal(apply(NULL), 0);
	lab_wait(3);
	lab_run();
	new = tell();
	assert_string_not_equal(old, new);
	assert_int_equal(lab_close_routers(NULL), 0);
	open_all();
	assert_same(tell(), old, 0);
	/* flows are hashed by a key of the engine's own */
	free(way);
	way = forward();
	while (!attempt(at, old, way, new)) {
		if (at % 50 == 0)
			lab_time += SECOND / 1000;
		at++;
		assert_true(at < FAULT_LIMIT);
	}
	assert_true(at > 200);
	print_message("%u calls\n", at - 1);
	assert_int_equal(lab_close_routers(NULL), 0);
	free(old);
	free(new);
	free(way);
}

/* ---- what is not there any more -------------------------------------------------------------- */

static void
use_removed(struct weft_change *change, unsigned which)
{
	struct weft_prefix prefix = prefix_of("172.16.0.0/16");
	struct weft_router_port_config port = { 0 };
	struct weft_router_config config = { 0 };

	if (which == 0)
		weft_router_port_update(change, red.ports[1], &port);
	weft_device_remove(change, red.device);
	switch (which) {
	case 1:
		weft_router_port_update(change, red.ports[1], &port);
		break;
	case 2:
		weft_router_port_add(change, red.device, "p9", &port);
		break;
	case 3:
		weft_router_update(change, red.device, &config);
		break;
	case 4:
		ROUTE(red.device, "172.16.0.0/16", 1, 0, "10.2.0.9");
		break;
	case 5:
		weft_router_route_remove(change, red.device, &prefix);
		break;
	case 6:
		weft_network_remove(change, red.network);
		put_small(change, red.network, "late", "10.1.0.1/24", NULL);
		break;
	default:
		weft_network_remove(change, red.network);
		weft_nic_add(change, red.network, "late", &lab_nic_config);
	}
}

/* Calls for what the same change has removed are refused, or they would outlive it. */
static void
test_what_the_change_has_removed_is_refused(void **state)
{
	struct weft_error error;
	char *old, *way;

	(void)state;
	open_all();
	old = tell();
	way = forward();
	for (unsigned which = 0; which < 8; which++) {
		struct weft_change *change = weft_change_begin(lab);

		error = (struct weft_error){ 0 };
		if (which == 0)
			weft_vport_remove(change, red.ports[1]);
		use_removed(change, which);
		assert_true(weft_change_failed(change, &error));
		assert_int_equal(error.code, ENOENT);
		weft_change_abort(change);
		assert_same(tell(), old, which);
		assert_same(forward(), way, which);
	}
	free(old);
	free(way);
	assert_int_equal(lab_close_routers(NULL), 0);
}

/* Who looks meanwhile sees what is in force. */
static void
test_what_is_staged_is_not_seen(void **state)
{
	struct weft_router_config config = { .icmp_rate = 77 };
	struct weft_change *change;
	struct router_info info;

	(void)state;
	open_all();
	change = weft_change_begin(lab);
	weft_router_update(change, red.device, &config);
	stage_ports(change);
	stage_routes(change);
	assert_int_equal(weft_change_prepare(change, NULL), 0);
	router_read(red.device, &info);
	assert_int_equal(info.icmp_rate, ROUTER_ICMP_RATE);
	lab_commit(change);
	router_read(red.device, &info);
	assert_int_equal(info.icmp_rate, 77);
	assert_int_equal(lab_close_routers(NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failed_change_leaves_everything),
		cmocka_unit_test(test_what_the_change_has_removed_is_refused),
		cmocka_unit_test(test_what_is_staged_is_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
