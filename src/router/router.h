/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual router: IPv4 and IPv6 forwarding by RFC 1812, 8200 and 4443, with tables of its
 * own.
 *
 * What happens to a frame (numbers as in router_input.c)
 *	1. It is untagged (vlan-not-allowed) and for the port's MAC, or a group that the router
 *	   listens to (foreign-mac). ARP is answered and learned from; of other types only IPv4
 *	   and IPv6 are taken, where the port has them (unknown-ethertype, no-ipv4, no-ipv6).
 *	2. The header is judged (bad-ip-header, bad-ip-checksum; RFC 1812, 5.2.2; RFC 8200, 3), and
 *	   the addresses (martian-source, martian-destination; RFC 1812, 5.3.7). A unicast packet
 *	   in a link-layer broadcast is dropped (link-broadcast; RFC 1812, 5.3.4).
 *	3. Where the port asks for it: the route to the source leads out of this port (strict), or
 *	   there is one (loose): else urpf (RFC 3704).
 *	4. The longest route: to the router itself (router_local.c); to no one (no-route,
 *	   route-unreachable, route-prohibited: with an ICMP unreachable; route-blackhole: in
 *	   silence); multicast is not routed (multicast). IPv4 source routes are not followed
 *	   (source-route), nor is what has impossible options (bad-ip-header, with an ICMP
 *	   parameter problem; RFC 1812, 4.3.3.5), by anybody. ECMP: by the flow hash.
 *	5. TTL or hop limit above 1, else an ICMP time exceeded (ttl-exceeded).
 *	6. Where it leaves by the port that it came in at, and its sender could have sent it there
 *	   itself: a redirect to the sender, besides. IPv6: not about a gateway that is known by
 *	   another than its link-local address (RFC 4861, 8.2).
 *	7. Longer than the MTU of the port: IPv4 is fragmented unless DF forbids it; else an ICMP
 *	   "too big" that says the MTU (too-big; RFC 1191, 8201). Super-packets count as what
 *	   they will be cut into.
 *	8. The neighbour's MAC (neighbour.h), and out.
 *
 * ICMP errors are of the router's own, from the address of the port that they leave by (RFC
 * 1812, 4.3.2.4); IPv6: from the router's address that was asked, if one was (RFC 4443, 2.2 (a)).
 * What is sent to the router by UDP is answered only if it is whole. At most icmp_rate a second for
 *a router, redirects included.
 *
 * Addresses
 *	A port's new addresses are asked for once (RFC 5227, 4862) and told twice, by ticks. They
 *	are in use at once (RFC 4429); another station that has one is told of, and ours is
 *	defended, once in ten seconds.
 *
 * Routes
 *	local and connected ones follow from the ports' addresses; static ones from calls. Of a
 *	prefix the one with the lowest preference and metric is in force. A static route's
 *	gateway may be behind another route (recursive), up to ROUTER_RECURSION of them. A
 *	connected route is in force while something is attached to the port; its own addresses
 *	answer in any case.
 *
 * Service ports
 *	are for devices that speak UDP by the router's addresses (tunnels). A datagram to the
 *	router itself that a service port is for, whole and with a right checksum (bad-udp), goes
 *	out of it as it is. What comes in by it is the router's own (router_originate); its source
 *	must be the port's address (martian-source).
 *
 * Threads: the node runs on workers; changes, ticks and looking as graph/device.h says.
 */
#ifndef WEFT_ROUTER_ROUTER_H
#define WEFT_ROUTER_ROUTER_H

#include "graph/device.h"
#include "router/next_hop.h"

#define ROUTER_PORT_MTU 1500
#define ROUTER_PORT_MTU_LEAST 68  /* RFC 791 */
#define ROUTER_PORT_MTU_IPV6 1280 /* RFC 8200, 5 */
#define ROUTER_PORT_MTU_MOST 65521
#define ROUTER_ICMP_RATE 1000
#define ROUTER_ICMP_BURST 100
#define ROUTER_RECURSION 8
#define ROUTER_STATIC_PREFERENCE 1

extern const struct device_class router_class;

/* ---- looking (router_state.c); hold weft_objects_lock, or be the thread that changes ------ */

enum route_source {
	ROUTE_LOCAL,
	ROUTE_BROADCAST,
	ROUTE_CONNECTED,
	ROUTE_CLAIMED, /* of its guard: weft_router_claims() */
	ROUTE_STATIC
};

struct router_route {
	struct weft_prefix prefix;
	uint8_t source; /* enum route_source */
	uint8_t kind;   /* enum weft_route_kind */
	uint8_t preference;
	bool selected; /* in force */
	uint32_t metric;
	uint32_t hop; /* id; 0: no gateway of it can be resolved */
};

struct router_info {
	uint32_t icmp_rate;
	unsigned ports;
	unsigned routes4, routes6; /* in force, local ones not counted */
	size_t memory;             /* bytes: FIBs and routes */
};

void router_read(const struct weft_device *device, struct router_info *info);

/* Every route, sorted by prefix, those not in force included. look() false: stop. */
void router_each_route(const struct weft_device *device,
	bool (*look)(void *context, const struct router_route *route), void *context);
/*
 * The route that the router takes to the address, copied. False: none is in force. One long
 * look at the list of routes.
 */
bool router_find_route(const struct weft_device *device, uint8_t family, const uint8_t *address,
	struct router_route *route);
const char *route_source_name(enum route_source source);
const char *route_kind_name(enum weft_route_kind kind);

/* One of a route's ways. */
struct router_hop {
	uint8_t kind;                  /* enum hop_kind, no HOP_GROUP */
	uint8_t family;                /* HOP_GATEWAY: of it */
	uint8_t gateway_state;         /* HOP_GATEWAY: enum neighbour_state */
	bool backup;                   /* taken while no primary one is usable */
	bool usable;                   /* its port is up, and its gateway has not failed */
	const struct weft_vport *port; /* NULL: of blackholes and their like */
	uint8_t gateway[16];
};

/* The ways of a route, primary ones first; returns how many. */
unsigned router_hops(struct weft *weft, const struct router_route *route,
	struct router_hop hops[NEXT_HOP_MEMBERS]);

struct router_port_info {
	uint8_t mac[6];
	uint32_t mtu;
	enum weft_urpf urpf;
	const struct router_address *addresses; /* link-local ones included */
	unsigned n_addresses;
	uint16_t udp_port; /* 0: no service port */
};

struct router_address {
	uint8_t family, length;
	uint8_t bytes[16];
};

void router_port_read(const struct weft_vport *vport, struct router_port_info *info);
/* The router's port that has the address; NULL: none. */
const struct weft_vport *router_port_with_address(
	const struct weft_device *device, uint8_t family, const uint8_t *address);

/* ---- hosts that routers serve (router_hosts.c) --------------------------------------------- */

struct dhcp_event;
struct dhcp_lease;

/* For those who tell people of leases, and keep them. All may be NULL. Called on the control
 * thread, under a lock: they must not call the router. `port` as vport_path has it. */
struct router_host_hooks {
	void *context;
	void (*lease)(void *context, const char *port, const struct dhcp_event *event);
	/* router_lease_changes() has moved */
	void (*changed)(void *context);
	/* another router on the link advertises what contradicts ours (RFC 4861, 6.2.7) */
	void (*contradiction)(void *context, const char *port, const char *what);
	/* what was kept of the leases of a server that begins: how many, in an array that the
	 * router frees */
	size_t (*restore)(void *context, const char *port, struct dhcp_lease **leases);
	/* replies that give leases wait until router_leases_written() has told that they are kept
	 */
	bool keeps;
};

void router_watch_hosts(const struct router_host_hooks *hooks);
/* Any thread: a count of what has changed in leases anywhere. */
uint64_t router_lease_changes(void);
/* Any thread: all that had changed when the count was `changes` is kept. The next weft_poll lets
 * go what has waited for that. */
void router_leases_written(uint64_t changes);

struct router_leases {
	bool serves; /* there is a DHCP server on the port */
	uint64_t pool;
	uint32_t held;
	struct dhcp_lease *list; /* to free() */
	size_t count;
};

/* Any thread, under weft_objects_lock. 0, or -1: out of memory. */
int router_port_leases(const struct weft_vport *vport, struct router_leases *leases);

#endif
