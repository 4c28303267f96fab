/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a packet costs inside: through a router with small and large tables, and through chains of
 * switches and routers. For bench/router; prints Markdown.
 *
 *	router_bench [ROUNDS]
 *
 * 64-byte packets are made in bursts of 64, enter at a vnic, walk, and leave by net_null. What
 * making them and sending them at once costs is measured beside it and taken off. Cycles of the
 * TSC, of the thread's own time. Each figure is the median of the rounds.
 */
#include "measure.h"
#include "random_routes.h"

#include "base/clock.h"
#include "graph/engine.h"
#include "packet/checksum.h"
#include "router/neighbour.h"
#include "router/router.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <rte_cycles.h>
#include <rte_ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BURST 64
#define PACKETS (2u << 20) /* a round */
#define ROUNDS_MAX 99
#define FRAME 64
#define GATEWAYS 16
#define VISITS 4096

struct setup {
	const char *name;
	unsigned family, routes, flows;
	unsigned switches_before, routers, switches_behind;
};

/* What is sent: one frame, and the destinations that it gets in turn. */
struct traffic {
	uint8_t frame[FRAME];
	unsigned family, flows, next;
	uint8_t (*destinations)[16];
	uint16_t *checksums; /* of the IPv4 header with that destination */
};

struct lab {
	struct weft *weft;
	struct weft_nic *in, *out;
	struct weft_vport *last; /* the router's port to the gateways */
	struct traffic traffic;
};

static unsigned rounds = 5;
static double ghz; /* of the TSC */

static void
commit(struct weft_change *change)
{
	struct weft_error error;

	if (weft_change_commit(change, &error) < 0)
		fail(error.text);
}

/* ---- addresses --------------------------------------------------------------------------------
 */

static const uint8_t gateway_mac[6] = { 2, 0, 0, 0, 9, 9 };

static struct weft_prefix
prefix(const char *text, uint8_t length)
{
	struct weft_prefix made = { .family = strchr(text, ':') != NULL ? 6 : 4, .length = length };

	inet_pton(made.family == 4 ? AF_INET : AF_INET6, text, made.address);
	return made;
}

/* Link number `link` joins router link - 1 and router `link`: 198.18.link.0/24, 2001:2:link::/64.
 */
static struct weft_prefix
link_address(unsigned family, unsigned link, unsigned host)
{
	char text[64];

	snprintf(text, sizeof(text), family == 4 ? "198.18.%u.%u" : "2001:2:%x::%x", link, host);
	return prefix(text, family == 4 ? 24 : 64);
}

static void
router_mac(uint8_t mac[6], unsigned router, unsigned side)
{
	const uint8_t made[6] = { 2, 0, 0, 1, (uint8_t)router, (uint8_t)side };

	memcpy(mac, made, sizeof(made));
}

/* ---- devices ----------------------------------------------------------------------------------
 */

/* What stands at the end of what has been built: where the next device is joined. */
static void
join(struct weft_change *change, struct weft_vport **end, struct weft_nic *in,
	struct weft_vport *next)
{
	if (*end == NULL)
		weft_attach(change, next, in);
	else
		weft_link(change, *end, next);
}

/* A switch that knows where `mac` is. */
static void
add_switch(struct weft_change *change, struct weft_network *network, struct lab *lab,
	struct weft_vport **end, const uint8_t mac[6], const char *name)
{
	struct weft_device *device = weft_switch_add(change, network, name, NULL);
	struct weft_vport *out;

	join(change, end, lab->in, weft_switch_port_add(change, device, "in", NULL));
	out = weft_switch_port_add(change, device, "out", NULL);
	weft_switch_mac_add(change, device, 0, mac, out);
	*end = out;
}

static struct weft_vport *
add_port(struct weft_change *change, struct weft_device *device, const char *name, unsigned router,
	unsigned side)
{
	struct weft_prefix addresses[2] = { link_address(4, router + side, 1 + !side),
		link_address(6, router + side, 1 + !side) };
	struct weft_router_port_config config = { .addresses = addresses, .n_addresses = 2 };

	router_mac(config.mac, router, side);
	return weft_router_port_add(change, device, name, &config);
}

static void
set_route(struct weft_change *change, struct weft_device *device, const struct weft_prefix *to,
	const struct weft_prefix *by)
{
	struct weft_hop hop = { .gateway = *by };
	struct weft_route route = { .prefix = *to, .hops = &hop, .n_hops = 1 };

	weft_router_route_set(change, device, &route);
}

static void
add_default_route(struct weft_change *change, struct weft_device *device, unsigned router)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct weft_prefix any = prefix(family == 4 ? "0.0.0.0" : "::", 0);
		struct weft_prefix next = link_address(family, router + 1, 2);

		set_route(change, device, &any, &next);
	}
}

static struct weft_device *
add_router(struct weft_change *change, struct weft_network *network, struct lab *lab,
	struct weft_vport **end, unsigned number)
{
	struct weft_device *device;
	char name[32];

	snprintf(name, sizeof(name), "r%u", number);
	device = weft_router_add(change, network, name, NULL);
	join(change, end, lab->in, add_port(change, device, "in", number, 0));
	*end = add_port(change, device, "out", number, 1);
	lab->last = *end;
	return device;
}

/* ---- routes and flows -------------------------------------------------------------------------
 */

/* Not those that no packet can be for, or that are ours. */
static bool
is_usable(const struct route *route, unsigned family)
{
	const uint8_t *bytes = route->prefix;

	if (family == 4)
		return bytes[0] != 127 && bytes[0] != 10 && bytes[0] != 169 &&
		       !(bytes[0] == 198 && (bytes[1] & 0xfe) == 18) && route->length >= 8;
	return !(bytes[0] == 0x20 && bytes[1] == 1);
}

static struct weft_prefix
prefix_of(const struct route *route, unsigned family)
{
	struct weft_prefix made = { .family = (uint8_t)family, .length = route->length };

	memcpy(made.address, route->prefix, family == 4 ? 4 : 16);
	for (unsigned bit = route->length; bit < (family == 4 ? 32u : 128u); bit++)
		made.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return made;
}

static struct route *
make_routes(unsigned count, unsigned family)
{
	struct route *routes = memory(count, sizeof(*routes));

	for (unsigned i = 0; i < count; i++) {
		do
			random_route(&routes[i], family);
		while (!is_usable(&routes[i], family));
		routes[i].leaf = random_below(GATEWAYS);
	}
	return routes;
}

static void
put_frame(struct traffic *traffic)
{
	uint8_t *ip = traffic->frame + 14;

	memcpy(traffic->frame + 6, (const uint8_t[6]){ 2, 0, 0, 0, 7, 7 }, 6);
	if (traffic->family == 4) {
		const uint8_t header[20] = { 0x45, 0, 0, FRAME - 14, 0, 0, 0, 0, 64, 17, 0, 0, 198,
			18, 0, 9 };

		memcpy(traffic->frame + 12, (const uint8_t[2]){ 8, 0 }, 2);
		memcpy(ip, header, sizeof(header));
		return;
	}
	memcpy(traffic->frame + 12, (const uint8_t[2]){ 0x86, 0xdd }, 2);
	memcpy(ip, (const uint8_t[8]){ 0x60, 0, 0, 0, 0, FRAME - 54, 17, 64 }, 8);
	memcpy(ip + 8, prefix("2001:2::9", 64).address, 16);
}

static void
make_flows(struct traffic *traffic, const struct setup *setup, const struct route *routes)
{
	traffic->family = setup->family;
	traffic->flows = setup->flows;
	traffic->destinations = memory(setup->flows, sizeof(*traffic->destinations));
	traffic->checksums = memory(setup->flows, sizeof(*traffic->checksums));
	put_frame(traffic);
	for (unsigned i = 0; i < setup->flows; i++) {
		const struct route *route = &routes[random_below(setup->routes)];
		uint8_t header[20];

		random_address(route, setup->family == 4 ? 4 : 16, traffic->destinations[i]);
		memcpy(header, traffic->frame + 14, sizeof(header));
		memcpy(header + 16, traffic->destinations[i], 4);
		traffic->checksums[i] = (uint16_t)~checksum_fold(checksum_sum(header, 20));
	}
}

/* ---- bursts -----------------------------------------------------------------------------------
 */

static void
make_burst(struct worker *worker, struct traffic *traffic, struct rte_mbuf **packets)
{
	if (rte_pktmbuf_alloc_bulk(worker->pools.small, packets, BURST) != 0)
		fail("no buffers");
	for (unsigned i = 0; i < BURST; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(packets[i], uint8_t *);
		unsigned flow = traffic->next;

		traffic->next = flow + 1 == traffic->flows ? 0 : flow + 1;
		memcpy(frame, traffic->frame, FRAME);
		if (traffic->family == 4) {
			memcpy(frame + 24, &traffic->checksums[flow], 2);
			memcpy(frame + 30, traffic->destinations[flow], 4);
		} else {
			memcpy(frame + 38, traffic->destinations[flow], 16);
		}
		packets[i]->data_len = FRAME;
		packets[i]->pkt_len = FRAME;
		packet_meta_reset(packets[i]);
	}
}

/* Through all of it; worker_call flushes the way out. */
static void
walk(struct worker *worker, void *argument)
{
	struct lab *lab = argument;
	struct rte_mbuf *packets[BURST];

	make_burst(worker, &lab->traffic, packets);
	nic_input(worker, lab->in->queues[0], packets, BURST);
	worker_run_nodes(worker, VISITS);
}

static void
send_at_once(struct worker *worker, void *argument)
{
	struct lab *lab = argument;
	struct rte_mbuf *packets[BURST];

	make_burst(worker, &lab->traffic, packets);
	for (unsigned i = 0; i < BURST; i++)
		nic_enqueue(worker, lab->out, packets[i]);
}

static double
cycles(struct lab *lab, void (*burst)(struct worker *, void *))
{
	double values[ROUNDS_MAX];

	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin;

		for (unsigned i = 0; i < 65536; i += BURST)
			worker_call(lab->weft->workers[0], burst, lab);
		begin = clock_read(CLOCK_THREAD_CPUTIME_ID);
		for (unsigned i = 0; i < PACKETS; i += BURST)
			worker_call(lab->weft->workers[0], burst, lab);
		values[round] =
			(double)(clock_read(CLOCK_THREAD_CPUTIME_ID) - begin) * ghz / PACKETS;
	}
	return median(values, rounds);
}

/* The gateways have answered. */
static void
know_gateways(struct lab *lab, unsigned link)
{
	struct worker *worker = lab->weft->workers[0];

	worker->now = engine_now(lab->weft);
	for (unsigned family = 4; family <= 6; family += 2)
		for (unsigned i = 0; i < GATEWAYS; i++)
			neighbour_heard(worker, lab->last->live, (uint8_t)family,
				link_address(family, link, 2 + i).address, gateway_mac,
				NEIGHBOUR_CREATE | NEIGHBOUR_CONFIRM | NEIGHBOUR_OVERRIDE);
}

/* ---- one setup --------------------------------------------------------------------------------
 */

static void
build_chain(struct weft_change *change, struct weft_network *network, struct lab *lab,
	const struct setup *setup, struct weft_device **last)
{
	struct weft_vport *end = NULL;
	uint8_t mac[6];
	char name[32];

	router_mac(mac, 0, 0);
	memcpy(lab->traffic.frame, setup->routers > 0 ? mac : gateway_mac, 6);
	for (unsigned i = 0; i < setup->switches_before; i++) {
		snprintf(name, sizeof(name), "before%u", i);
		add_switch(change, network, lab, &end, lab->traffic.frame, name);
	}
	for (unsigned i = 0; i < setup->routers; i++) {
		*last = add_router(change, network, lab, &end, i);
		if (i + 1 < setup->routers)
			add_default_route(change, *last, i);
	}
	for (unsigned i = 0; i < setup->switches_behind; i++) {
		snprintf(name, sizeof(name), "behind%u", i);
		add_switch(change, network, lab, &end, gateway_mac, name);
	}
	weft_attach(change, end, lab->out);
}

static void
add_routes(struct weft_change *change, struct weft_device *device, const struct setup *setup,
	const struct route *routes)
{
	for (unsigned i = 0; device != NULL && i < setup->routes; i++) {
		struct weft_prefix to = prefix_of(&routes[i], setup->family);
		struct weft_prefix by =
			link_address(setup->family, setup->routers, 2 + routes[i].leaf);

		set_route(change, device, &to, &by);
	}
}

/* What the routers between know of each other, without asking. */
static void
know_routers(struct lab *lab, struct weft_network *network, unsigned routers)
{
	struct worker *worker = lab->weft->workers[0];
	uint8_t mac[6];
	char name[32];

	for (unsigned i = 0; i + 1 < routers; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		router_mac(mac, i + 1, 0);
		for (unsigned family = 4; family <= 6; family += 2)
			neighbour_heard(worker,
				weft_vport_find(weft_device_find(network, name), "out")->live,
				(uint8_t)family, link_address(family, i + 1, 2).address, mac,
				NEIGHBOUR_CREATE | NEIGHBOUR_CONFIRM | NEIGHBOUR_OVERRIDE);
	}
}

static double
measure(struct weft *weft, const struct setup *setup)
{
	const struct weft_nic_config in = { .kind = WEFT_NIC_MEMORY };
	const struct weft_nic_config out = { .kind = WEFT_NIC_DPDK,
		.devargs = "net_null0,no-rx=1" };
	struct route *routes = make_routes(setup->routes, setup->family);
	struct lab lab = { .weft = weft };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "bench", NULL);
	struct weft_device *last = NULL;
	struct weft_counters counters;
	double whole, generator;

	lab.in = weft_nic_add(change, network, "in", &in);
	lab.out = weft_nic_add(change, network, "out", &out);
	build_chain(change, network, &lab, setup, &last);
	add_routes(change, last, setup, routes);
	commit(change);
	make_flows(&lab.traffic, setup, routes);
	if (lab.last != NULL) {
		know_gateways(&lab, setup->routers);
		know_routers(&lab, network, setup->routers);
	}
	generator = cycles(&lab, send_at_once);
	whole = cycles(&lab, walk);
	if (lab.last != NULL) {
		weft_vport_counters(lab.last, &counters);
		if (counters.out_packets < (uint64_t)rounds * PACKETS)
			fail("packets were lost on the way");
	}
	change = weft_change_begin(weft);
	weft_network_remove(change, network);
	commit(change);
	free(routes);
	free(lab.traffic.destinations);
	free(lab.traffic.checksums);
	return whole - generator;
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static void
print_forwarding(struct weft *weft)
{
	static const struct {
		unsigned family, routes;
		const char *vpp[4];
	} rows[] = {
		{ 4, 1, { "37", "37", "37", "-" } },
		{ 4, 1000, { "-", "-", "-", "-" } },
		{ 4, 1000000, { "-", "-", "167", "-" } },
		{ 6, 1, { "50", "50", "58", "-" } },
		{ 6, 1000, { "-", "-", "-", "-" } },
		{ 6, 250000, { "-", "-", "1,252", "-" } },
	};
	static const unsigned flows[] = { 1, 1000, 65536, 1000000 };

	printf("| family | routes | 1 flow | 1,000 flows | 65,536 flows | 1,000,000 flows | "
	       "VPP, elsewhere |\n| --- | --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf("| IPv%u | %u |", rows[i].family, rows[i].routes);
		for (unsigned j = 0; j < 4; j++) {
			struct setup setup = { .family = rows[i].family,
				.routes = rows[i].routes,
				.flows = flows[j],
				.routers = 1 };

			printf(" %.0f |", measure(weft, &setup));
			fflush(stdout);
		}
		printf(" %s / %s / %s / %s |\n", rows[i].vpp[0], rows[i].vpp[1], rows[i].vpp[2],
			rows[i].vpp[3]);
	}
}

static void
print_chains(struct weft *weft)
{
	static const struct {
		const char *name, *vpp;
		struct setup setup;
	} rows[] = {
		{ "switch", "32; 54", { .switches_before = 1 } },
		{ "switch, router", "70; 136", { .switches_before = 1, .routers = 1 } },
		{ "switch, router, router", "113; 141", { .switches_before = 1, .routers = 2 } },
		{ "switch, router, switch", "-",
			{ .switches_before = 1, .routers = 1, .switches_behind = 1 } },
		{ "8 routers", "335; 335", { .routers = 8 } },
	};

	printf("\n| way | 1 flow | 65,536 flows | VPP, elsewhere: 1 flow; 65,536 |\n"
	       "| --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct setup setup = rows[i].setup;

		setup.family = 4;
		setup.routes = 1;
		printf("| %s |", rows[i].name);
		for (unsigned j = 0; j < 2; j++) {
			setup.flows = j == 0 ? 1 : 65536;
			printf(" %.0f |", measure(weft, &setup));
			fflush(stdout);
		}
		printf(" %s |\n", rows[i].vpp);
	}
}

/* Resident bytes of this process. */
static long
resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
		fail("/proc/self/statm");
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

struct load {
	double stage, commit; /* ms */
	double memory;        /* bytes */
};

static struct load
load(struct weft *weft, unsigned routers, unsigned routes_each)
{
	struct route *routes = make_routes(routes_each, 4);
	const struct setup setup = { .family = 4, .routes = routes_each, .routers = 1 };
	struct weft_change *change = weft_change_begin(weft);
	struct weft_network *network = weft_network_add(change, "load", NULL);
	struct load result;
	uint64_t begin;
	long before;
	char name[32];

	malloc_trim(0);
	before = resident();
	begin = clock_monotonic();
	for (unsigned i = 0; i < routers; i++) {
		struct weft_prefix address = link_address(4, 1, 1);
		struct weft_router_port_config config = { .addresses = &address, .n_addresses = 1 };
		const struct weft_nic_config nic = { .kind = WEFT_NIC_MEMORY };
		struct weft_device *device;
		struct weft_vport *port;

		snprintf(name, sizeof(name), "r%u", i);
		device = weft_router_add(change, network, name, NULL);
		port = weft_router_port_add(change, device, "out", &config);
		if (routers == 1)
			weft_attach(change, port, weft_nic_add(change, network, name, &nic));
		else /* a memory vnic's ring would be most of it */
			weft_link(change, port, weft_router_port_add(change, device, "in", NULL));
		add_routes(change, device, &setup, routes);
	}
	result.stage = (double)(clock_monotonic() - begin) / 1e6;
	begin = clock_monotonic();
	commit(change);
	result.commit = (double)(clock_monotonic() - begin) / 1e6;
	malloc_trim(0);
	result.memory = (double)(resident() - before);
	change = weft_change_begin(weft);
	weft_network_remove(change, network);
	commit(change);
	free(routes);
	return result;
}

static void
print_loads(struct weft *weft)
{
	static const struct {
		unsigned routers, routes;
	} rows[] = { { 1, 1000000 }, { 1000, 100 }, { 1000, 1 } };

	printf("\n| routers | static routes each | staged in, ms | committed in, ms | memory of "
	       "each router | of each route |\n| --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct load result = load(weft, rows[i].routers, rows[i].routes);

		printf("| %u | %u | %.0f | %.0f | %.0f | %.0f |\n", rows[i].routers, rows[i].routes,
			result.stage, result.commit, result.memory / rows[i].routers,
			result.memory / rows[i].routers / rows[i].routes);
		fflush(stdout);
	}
}

int
main(int argc, char **argv)
{
	const struct weft_options options = { .memory_mb = 512 };
	struct weft_error error;
	struct weft *weft = weft_open(&options, &error);

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		fail("ROUNDS");
	if (weft == NULL)
		fail(error.text);
	ghz = tsc_ghz();
	print_forwarding(weft);
	print_chains(weft);
	print_loads(weft);
	weft_close(weft);
	return 0;
}
