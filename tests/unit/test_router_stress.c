/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two workers forward, learn and forget while routers, ports, routes and what is attached
 * change beside them, timers run and others look. Time runs fifty times as fast, so that
 * neighbours age. What it finds, sanitizers say; at the end nothing may be left.
 */
#include "../router_fixture.h"
#include "base/clock.h"
#include "graph/trace.h"

#include <pthread.h>
#include <unistd.h>

#define RUN_NS (2 * SECOND)
#define CHANGES_LEAST 20 /* sanitizers take their time */
#define SPEED 50
#define STATIONS 40
#define FLOWS 3 /* ports with traffic; the fourth comes and goes */

static _Atomic bool over;
static _Atomic unsigned woken;
static unsigned long forwarded, answered;
static unsigned changes, looks;
/* ticks and commits are kept apart (weft.h) */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;
static struct bench_router router;

static uint64_t
fast_clock(void *context)
{
	(void)context;
	return clock_monotonic() * SPEED;
}

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* ---- traffic ----------------------------------------------------------------------------------
 */

static void
send_to(const char *to, unsigned port, unsigned station, uint32_t random)
{
	struct make_ends ends = ends_from_station(&router, port, station, to);
	uint8_t frame[MAKE_SIZE];
	size_t length = random % 7 == 0 ? make_echo(frame, &ends, 1, 1, "x", 1)
					: make_udp(frame, &ends, (uint16_t)random, 80, "x", 1);

	if (random % 11 == 0 && ends.family == 4) { /* the first piece of more */
		frame[20] |= 0x20;
		memset(frame + 24, 0, 2);
		*(uint16_t *)(frame + 24) = rte_ipv4_cksum((struct rte_ipv4_hdr *)(frame + 14));
	}
	weft_nic_send(router.nics[port], frame, length);
}

static void
send_some(uint32_t *seed)
{
	static const char *const far[] = { "172.16.%u.1", "172.17.%u.1", "172.18.%u.1",
		"172.19.%u.1", "2001:db8:aa::%x", "2001:db8:bb::%x", "10.3.0.%u" };
	uint32_t random = next_random(seed);
	unsigned port = random % FLOWS, station = 2 + next_random(seed) % STATIONS;
	char to[64];

	switch (random / 8 % 4) {
	case 0:
		snprintf(to, sizeof(to), "10.%u.0.%u", random / 64 % FLOWS, station);
		break;
	case 1:
		snprintf(to, sizeof(to), "2001:db8:%x::%x", random / 64 % FLOWS, station);
		break;
	case 2:
		snprintf(to, sizeof(to), random & 32 ? "10.%u.0.1" : "2001:db8:%u::1",
			random / 64 % FLOWS);
		break;
	default:
		snprintf(to, sizeof(to), far[random / 64 % RTE_DIM(far)], random / 512 % 200);
	}
	send_to(to, port, 2 + station % 5, next_random(seed));
}

/* The stations answer when they like. */
static void
hear(unsigned port, const uint8_t *frame, size_t length, uint32_t *seed)
{
	struct make_ends ends = { .family = ethertype_of(frame) == RTE_ETHER_TYPE_ARP ? 4 : 6 };
	bool asked = ends.family == 4
			     ? frame[21] == RTE_ARP_OP_REQUEST
			     : length > 78 && frame[20] == IPPROTO_ICMPV6 && frame[54] == 135;
	uint8_t answer[MAKE_SIZE];

	if (!asked) {
		forwarded += ends.family == 6 || ethertype_of(frame) == RTE_ETHER_TYPE_IPV4;
		return;
	}
	if (next_random(seed) % 3 == 0)
		return;
	memcpy(ends.source, frame + (ends.family == 4 ? 38 : 62), ends.family == 4 ? 4 : 16);
	memcpy(ends.destination, frame + (ends.family == 4 ? 28 : 22), ends.family == 4 ? 4 : 16);
	memcpy(&ends.destination_mac, router.macs[port], 6);
	station_mac(ends.source_mac.addr_bytes, port * 256 + next_random(seed) % 200);
	weft_nic_send(router.nics[port], answer,
		make_neighbour_reply(
			answer, &ends, MAKE_ADVERTISE_SOLICITED | MAKE_ADVERTISE_OVERRIDE));
	answered++;
}

static void *
run_stations(void *argument)
{
	uint8_t frame[BUFFER];
	uint32_t seed = 4711;
	size_t length;

	while (!over) {
		for (unsigned i = 0; i < 32; i++)
			send_some(&seed);
		for (unsigned port = 0; port < FLOWS; port++)
			while ((length = weft_nic_receive(
					router.nics[port], frame, sizeof(frame))) > 0)
				hear(port, frame, length, &seed);
		usleep(100);
	}
	return argument;
}

/* ---- looking, ticking --------------------------------------------------------------------------
 */

static void
look_at_neighbour(void *context, const struct neighbour_info *info)
{
	(void)context;
	looks += info->has_mac;
}

static bool
look_at_route(void *context, const struct router_route *route)
{
	struct router_hop hops[NEXT_HOP_MEMBERS];

	(void)context;
	looks += router_hops(lab, route, hops);
	return true;
}

static void *
run_looker(void *argument)
{
	const struct filter any = { 0 };
	struct router_route route;
	struct trace_event event;

	while (!over) {
		struct trace *trace = trace_open(lab, &any, 20, NULL);

		weft_objects_lock(lab);
		neighbours_walk(look_at_neighbour, NULL);
		router_each_route(router.device, look_at_route, NULL);
		router_find_route(router.device, 4, prefix_of("172.16.0.1").address, &route);
		weft_objects_unlock(lab);
		usleep(1000);
		while (trace != NULL && trace_read(trace, &event))
			looks += event.text[0] != '\0';
		trace_close(trace);
	}
	return argument;
}

static void
wake(void *context)
{
	(void)context;
	woken++;
}

static void *
run_ticks(void *argument)
{
	unsigned count = 0;

	while (!over) {
		pthread_mutex_lock(&control);
		weft_poll(lab);
		if (++count % 3 == 0)
			weft_tick(lab);
		if (count % 20 == 0)
			weft_watch(lab, count % 40 == 0 ? wake : NULL, NULL);
		pthread_mutex_unlock(&control);
		usleep(3000);
	}
	return argument;
}

/* ---- changes ------------------------------------------------------------------------------------
 */

static void
stage_route(struct weft_change *change, uint32_t *seed)
{
	static const char *const prefixes[] = { "172.16.0.0/16", "172.17.0.0/16", "172.18.0.0/16",
		"172.16.0.0/12", "2001:db8:aa::/48", "2001:db8:bb::/48", "0.0.0.0/0" };
	uint32_t random = next_random(seed);
	struct weft_hop hops[8] = { 0 };
	struct weft_route route = { .prefix = prefix_of(prefixes[random % RTE_DIM(prefixes)]),
		.hops = hops,
		.backups = hops + 4,
		.n_hops = 1 + random / 16 % 4,
		.n_backups = random / 64 % 4 };
	char text[64];

	if (random % 5 == 0) {
		weft_router_route_remove(change, router.device, &route.prefix);
		return;
	}
	for (unsigned i = 0; i < RTE_DIM(hops); i++) {
		random = next_random(seed);
		snprintf(text, sizeof(text),
			route.prefix.family == 6 ? "2001:db8:%x::%x" : "10.%u.0.%u", random % 4,
			2 + random / 4 % STATIONS);
		hops[i].gateway = prefix_of(text);
	}
	weft_router_route_set(change, router.device, &route);
}

static void
stage_addresses(struct weft_change *change, uint32_t random)
{
	struct weft_prefix own[3];
	struct weft_router_port_config config = { .addresses = own,
		.n_addresses = 2 + (random & 1),
		.proxy_arp = random & 2,
		.clamp_mss = random & 4 ? WEFT_CLAMP_MSS_AUTO : 0,
		.urpf = random & 8 ? WEFT_URPF_LOOSE : WEFT_URPF_OFF };

	port_addresses(own, random / 16 % FLOWS);
	own[2] = prefix_of("10.44.0.1/24");
	weft_router_port_update(change, router.ports[random / 16 % FLOWS], &config);
}

/* The fourth port, its vnic, and a router of another network on a peering. */
static void
stage_objects(struct weft_change *change, uint32_t random)
{
	struct weft_vport *port = weft_vport_find(router.device, "p3"), *far;
	struct weft_network *blue = weft_network_find(lab, "blue");
	struct weft_prefix own[2], other = prefix_of("10.3.0.9/24");
	struct weft_router_port_config config = { .addresses = own, .n_addresses = 2 };
	struct weft_router_port_config across = { .addresses = &other, .n_addresses = 1 };

	if (port != NULL)
		weft_vport_remove(change, port);
	if (weft_nic_find(lab, router.network, "n3") != NULL)
		weft_nic_remove(change, weft_nic_find(lab, router.network, "n3"));
	if (blue != NULL)
		weft_network_remove(change, blue);
	if (random % 4 == 0)
		return;
	port_addresses(own, 3);
	port = weft_router_port_add(change, router.device, "p3", &config);
	if (random % 4 == 1) {
		weft_attach(
			change, port, weft_nic_add(change, router.network, "n3", &lab_nic_config));
		return;
	}
	blue = weft_network_add(change, "blue", NULL);
	far = weft_router_port_add(change, weft_router_add(change, blue, "r", NULL), "p", &across);
	weft_peer(change, port, far);
}

static void
change_something(uint32_t *seed)
{
	struct weft_change *change = weft_change_begin(lab);
	uint32_t random = next_random(seed);
	struct weft_error error;

	for (unsigned i = 0; i < 1 + random % 3; i++)
		stage_route(change, seed);
	if (random / 4 % 3 == 0)
		stage_addresses(change, next_random(seed));
	if (random / 16 % 3 == 0)
		stage_objects(change, next_random(seed));
	if (weft_change_prepare(change, &error) < 0)
		fail_msg("%s", error.text);
	pthread_mutex_lock(&control);
	if (random / 64 % 4 == 0)
		weft_change_abort(change);
	else
		lab_commit(change);
	pthread_mutex_unlock(&control);
	changes++;
}

/* ---- the test -----------------------------------------------------------------------------------
 */

static void
remove_all(void)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network *network;

	TAILQ_FOREACH(network, &lab->networks, entry)
	weft_network_remove(change, network);
	lab_commit(change);
}

static unsigned
buffers_in_use(void)
{
	return rte_mempool_in_use_count(lab->pools.small) +
	       rte_mempool_in_use_count(lab->pools.large);
}

static void
test_changes_beside_traffic(void **state)
{
	struct weft_options options = { .workers = 2, .memory_mb = 64, .clock = fast_clock };
	void *(*const runs[])(void *) = { run_stations, run_looker, run_ticks };
	pthread_t threads[RTE_DIM(runs)];
	uint64_t end = clock_monotonic() + RUN_NS;
	struct weft_error error;
	uint32_t seed = 815;

	(void)state;
	lab = weft_open(&options, &error);
	if (lab == NULL)
		fail_msg("%s", error.text);
	router = lab_router("red", NULL);
	for (unsigned i = 0; i < RTE_DIM(runs); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, runs[i], NULL), 0);
	while (clock_monotonic() < end || changes < CHANGES_LEAST)
		change_something(&seed);
	over = true;
	for (unsigned i = 0; i < RTE_DIM(runs); i++)
		pthread_join(threads[i], NULL);
	print_message("%u changes, %lu frames forwarded, %lu questions answered, %u looks\n",
		changes, forwarded, answered, looks);
	assert_true(forwarded > 100);
	assert_true(answered > 20);
	remove_all();
	for (unsigned i = 0; i < 2000 && buffers_in_use() > 0; i++) {
		weft_poll(lab);
		usleep(1000);
	}
	assert_int_equal(buffers_in_use(), 0);
	assert_int_equal(next_hops_count(), 0);
	weft_close(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes_beside_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
