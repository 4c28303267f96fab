/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of the router share: a router with a memory vnic on each of its ports, stations
 * on those that answer ARP and neighbour solicitations when told to, and frames.
 */
#ifndef WEFT_TESTS_ROUTER_FIXTURE_H
#define WEFT_TESTS_ROUTER_FIXTURE_H

#include "packet/make.h"
#include "router/neighbour.h"
#include "router/router_objects.h"
#include "switch_fixture.h"

#include <arpa/inet.h>
#include <rte_arp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define ROUTER_PORTS 4

/* What waits for neighbours goes with the networks; then every packet buffer must be back. */
static inline int
lab_close_routers(void **state)
{
	struct weft_network *network;

	while ((network = TAILQ_FIRST(&lab->networks)) != NULL) {
		struct weft_change *change = weft_change_begin(lab);

		weft_network_remove(change, network);
		lab_commit(change);
	}
	return lab_close(state);
}

#define BUFFER 9000

/* Port i has 10.i.0.1/24 and 2001:db8:i::1/64; its station j 10.i.0.j, 2001:db8:i::j. */
struct bench_router {
	struct weft_network *network;
	struct weft_device *device;
	struct weft_vport *ports[ROUTER_PORTS];
	struct weft_nic *nics[ROUTER_PORTS];
	uint8_t macs[ROUTER_PORTS][6];
};

static inline struct weft_prefix
prefix_of(const char *text)
{
	struct weft_prefix prefix = { 0 };
	char address[64];
	const char *slash = strchr(text, '/');

	snprintf(address, sizeof(address), "%.*s",
		slash != NULL ? (int)(slash - text) : (int)strlen(text), text);
	prefix.family = strchr(address, ':') != NULL ? 6 : 4;
	assert_int_equal(
		inet_pton(prefix.family == 4 ? AF_INET : AF_INET6, address, prefix.address), 1);
	prefix.length = slash != NULL ? (uint8_t)atoi(slash + 1) : prefix.family == 4 ? 32 : 128;
	return prefix;
}

static inline void
port_addresses(struct weft_prefix addresses[2], unsigned port)
{
	char text[64];

	snprintf(text, sizeof(text), "10.%u.0.1/24", port);
	addresses[0] = prefix_of(text);
	snprintf(text, sizeof(text), "2001:db8:%x::1/64", port);
	addresses[1] = prefix_of(text);
}

static inline struct bench_router
lab_router(const char *name, const struct weft_router_port_config *like)
{
	struct bench_router made = { .network = lab_network(name, 0) };
	struct weft_change *change = weft_change_begin(lab);
	struct router_port_info info;
	char nic[64];

	made.device = weft_router_add(change, made.network, "r", NULL);
	for (unsigned i = 0; i < ROUTER_PORTS; i++) {
		struct weft_router_port_config config = { 0 };
		struct weft_prefix addresses[2];
		char port[16];

		if (like != NULL)
			config = *like;
		port_addresses(addresses, i);
		config.addresses = addresses;
		config.n_addresses = 2;
		snprintf(port, sizeof(port), "p%u", i);
		snprintf(nic, sizeof(nic), "n%u", i);
		made.ports[i] = weft_router_port_add(change, made.device, port, &config);
		made.nics[i] = weft_nic_add(change, made.network, nic, &lab_nic_config);
		weft_attach(change, made.ports[i], made.nics[i]);
	}
	lab_commit(change);
	for (unsigned i = 0; i < ROUTER_PORTS; i++) {
		router_port_read(made.ports[i], &info);
		memcpy(made.macs[i], info.mac, 6);
	}
	return made;
}

/* ---- frames -----------------------------------------------------------------------------------
 */

/* From a station of a port to an address, by way of the router. */
static inline struct make_ends
ends_from_station(
	const struct bench_router *router, unsigned port, unsigned station, const char *to)
{
	struct make_ends ends = { 0 };
	struct weft_prefix destination = prefix_of(to);
	char text[64];

	memcpy(&ends.destination_mac, router->macs[port], 6);
	station_mac(ends.source_mac.addr_bytes, port * 256 + station);
	ends.family = destination.family;
	memcpy(ends.destination, destination.address, 16);
	snprintf(text, sizeof(text), ends.family == 4 ? "10.%u.0.%u" : "2001:db8:%x::%x", port,
		station);
	memcpy(ends.source, prefix_of(text).address, 16);
	return ends;
}

static inline void
put_frame(const struct bench_router *router, unsigned port, const void *frame, size_t length)
{
	assert_int_equal(weft_nic_send(router->nics[port], frame, length), 0);
	lab_run();
}

static inline void
put_udp(const struct bench_router *router, unsigned port, unsigned station, const char *to)
{
	struct make_ends ends = ends_from_station(router, port, station, to);
	uint8_t frame[MAKE_SIZE];

	put_frame(router, port, frame, make_udp(frame, &ends, 1000, 2000, "payload", 7));
}

static inline void
put_ping(const struct bench_router *router, unsigned port, unsigned station, const char *to)
{
	struct make_ends ends = ends_from_station(router, port, station, to);
	uint8_t frame[MAKE_SIZE];

	put_frame(router, port, frame, make_echo(frame, &ends, 7, 1, "payload", 7));
}

/* The next frame out of a port; its length, 0: none. */
static inline size_t
take_frame(const struct bench_router *router, unsigned port, uint8_t frame[BUFFER])
{
	return weft_nic_receive(router->nics[port], frame, BUFFER);
}

static inline uint16_t
ethertype_of(const uint8_t *frame)
{
	return (uint16_t)(frame[12] << 8 | frame[13]);
}

/* The station tells who has its address, as if it had been asked. */
static inline void
answer_as(const struct bench_router *router, unsigned port, unsigned station, uint8_t family)
{
	struct make_ends ends = { .family = family };
	uint8_t frame[MAKE_SIZE];
	char text[64];

	station_mac(ends.source_mac.addr_bytes, port * 256 + station);
	memcpy(&ends.destination_mac, router->macs[port], 6);
	snprintf(text, sizeof(text), family == 4 ? "10.%u.0.%u" : "2001:db8:%x::%x", port, station);
	memcpy(ends.source, prefix_of(text).address, 16);
	snprintf(text, sizeof(text), family == 4 ? "10.%u.0.1" : "2001:db8:%x::1", port);
	memcpy(ends.destination, prefix_of(text).address, 16);
	put_frame(router, port, frame,
		make_neighbour_reply(
			frame, &ends, MAKE_ADVERTISE_SOLICITED | MAKE_ADVERTISE_OVERRIDE));
}

/* Drops what was sent of its own accord. */
static inline void
quiet(const struct bench_router *router)
{
	lab_run();
	for (unsigned i = 0; i < ROUTER_PORTS; i++)
		lab_drain(router->nics[i]);
}

/* The neighbour is known before the test begins. */
static inline void
know(const struct bench_router *router, unsigned port, unsigned station, uint8_t family)
{
	char text[64];
	struct worker *worker = lab->workers[0];
	struct vport *vport = router->ports[port]->live;
	uint8_t mac[6];

	worker->now = lab_time;
	station_mac(mac, port * 256 + station);
	snprintf(text, sizeof(text), family == 4 ? "10.%u.0.%u" : "2001:db8:%x::%x", port, station);
	neighbour_heard(worker, vport, family, prefix_of(text).address, mac,
		NEIGHBOUR_CREATE | NEIGHBOUR_CONFIRM | NEIGHBOUR_OVERRIDE);
}

static inline enum neighbour_state
state_of_station(const struct bench_router *router, unsigned port, unsigned station, uint8_t family)
{
	char text[64];
	const struct neighbour *entry;

	snprintf(text, sizeof(text), family == 4 ? "10.%u.0.%u" : "2001:db8:%x::%x", port, station);
	entry = neighbour_find(router->ports[port]->id, family, prefix_of(text).address);
	return entry != NULL ? neighbour_link_state(atomic_load(&entry->link)) : NEIGHBOUR_NONE;
}

static inline void
set_route(const struct bench_router *router, const char *prefix, enum weft_route_kind kind,
	const char *const *gateways, unsigned n_hops, unsigned n_backups)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_hop hops[16] = { 0 };
	struct weft_route route = { .prefix = prefix_of(prefix),
		.kind = kind,
		.hops = hops,
		.n_hops = n_hops,
		.backups = hops + n_hops,
		.n_backups = n_backups };

	for (unsigned i = 0; i < n_hops + n_backups; i++)
		hops[i].gateway = prefix_of(gateways[i]);
	weft_router_route_set(change, router->device, &route);
	lab_commit(change);
}

static inline bool
is_ip4_sound(const uint8_t *ip)
{
	return rte_raw_cksum(ip, (ip[0] & 15u) * 4) == 0xffff;
}

#endif
