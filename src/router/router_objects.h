/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the router's own files share: its objects as the workers and the control side see
 * them. Others include router/router.h.
 */
#ifndef WEFT_ROUTER_ROUTER_OBJECTS_H
#define WEFT_ROUTER_ROUTER_OBJECTS_H

#include "base/rate.h"
#include "graph/engine.h"
#include "router/fib.h"
#include "router/neighbour.h"
#include "router/router.h"
#include "router/static_route.h"

#include <rte_ether.h>

/* A list of routes; a change makes a new one. */
struct route_list {
	bool has_source6;
	uint8_t source6[16]; /* an address of some port, for those that have none but link-local */
	size_t count;
	struct router_route routes[];
};

/* Which service port a datagram is for; sorted. A change makes a new one. */
struct udp_service {
	uint8_t family;
	uint8_t reserved;
	uint16_t udp_port; /* host order */
	uint32_t vport;    /* id */
	uint8_t address[16];
};

/* Addresses of its guard; a change makes a new one. */
struct claim_list {
	unsigned count;
	struct weft_claim claims[];
};

struct udp_service_list {
	size_t count;
	struct udp_service services[];
};

/* A router; weft_device.data. */
struct router {
	struct fib fib4, fib6;
	struct route_list *_Atomic routes; /* for traces and for looking; RCU */
	_Atomic bool claims_any;           /* an address of its guard is in the FIBs */
	struct udp_service_list *_Atomic udp_services;
	struct weft_network *network;
	uint32_t device;                /* id */
	_Atomic uint32_t icmp_interval; /* ns between two errors */
	struct rate icmp_rate, punt_rate;
	/* control side */
	struct weft_router_config config;
	struct static_routes statics; /* as the open change leaves them */
	struct claim_list *claims;    /* likewise; NULL: none */
	struct route_list *prepared, *replaced;
	bool filled; /* the FIBs have what is prepared already: no worker has seen the router yet */
	struct udp_service_list *prepared_udp, *replaced_udp;
	struct news_list *news;          /* ports to look after when the commit is done */
	struct service_change *services; /* of what ports do for hosts, prepared */
};

struct service_plan;

/* A port; vport->context. Never changed once made, but for what says so and what the plan holds. */
struct router_port {
	struct router *owner;
	uint64_t mac_word; /* edit_mac_word() of: */
	struct rte_ether_addr mac;
	bool has_ip4, has_ip6;
	uint16_t udp_port; /* a service port, whose only address is the service's; 0: none */
	bool redirects, unreachables, proxy_arp;
	bool dhcp, advertises;     /* what is for these services is punted */
	bool plain;                /* nothing here asks for more than a look at TTL and length */
	uint8_t urpf;              /* enum weft_urpf */
	uint16_t clamp_mss;        /* 0: none */
	struct rate defence;       /* of its addresses; workers change it */
	uint8_t link_local[16];    /* has_ip6 */
	struct service_plan *plan; /* control side; NULL: nothing is done for hosts */
	unsigned n_addresses;
	struct router_address addresses[]; /* link-local ones last */
};

static inline const struct router_port *
router_port_of(const struct vport *vport)
{
	return vport->context;
}

static inline const struct fib *
router_fib(const struct router *router, uint8_t family)
{
	return family == 4 ? &router->fib4 : &router->fib6;
}

/* ---- addresses (router_address.c) ---------------------------------------------------------- */

#define ROUTER_ADDRESS_SIZE 46
const char *router_address_text(
	uint8_t family, const uint8_t *address, char text[ROUTER_ADDRESS_SIZE]);
#define ROUTER_PREFIX_SIZE (ROUTER_ADDRESS_SIZE + 4)
const char *router_prefix_text(const struct weft_prefix *prefix, char text[ROUTER_PREFIX_SIZE]);

static inline unsigned
router_address_bits(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

/* Whether the first `bits` bits are the same. */
bool router_same_bits(const uint8_t *a, const uint8_t *b, unsigned bits);
/* The port's own address in whose network `other` is; NULL: none. */
const struct router_address *router_port_network(
	const struct router_port *port, uint8_t family, const uint8_t *other);
bool router_port_has(const struct router_port *port, uint8_t family, const uint8_t *address);
/* The address that packets to `destination` leave the port from (RFC 6724, as far as a router
 * needs it); NULL: the port has none of that family. */
const uint8_t *router_port_source(
	const struct router_port *port, uint8_t family, const uint8_t *destination);

/* ---- addresses of its guard (router_claims.c) ---------------------------------------------- */

/* Worker: the guard answers for it, and who asks for it there by ARP or ND has to be told. */
bool router_is_claimed(const struct vport *vport, uint8_t family, const uint8_t *address);
/* device_class.way_out, own_address */
struct vport *router_way_out(struct worker *worker, const struct vport *ingress, uint8_t family,
	const uint8_t *address, struct rte_mbuf *packet);
const uint8_t *router_own_address(
	const struct vport *vport, uint8_t family, const uint8_t *destination);

/* ---- routes (router_routes.c) -------------------------------------------------------------- */

int router_routes_prepare(
	struct weft_device *device, struct weft_change *change, struct weft_error *error);
void router_routes_commit(struct router *router);
void router_routes_discard(struct router *router);
void router_routes_reclaim(struct router *router);
void router_routes_free(struct router *router);
/* Worker: the IPv6 address that the router sends from where the port has none of the scope
 * (RFC 6724, 4: a router may take any port's); NULL: none. */
const uint8_t *router_any_source6(const struct router *router);
/* Worker: the route in force for the address, for words about it; NULL: none. */
const struct router_route *router_route_to(
	const struct router *router, uint8_t family, const uint8_t *address);

/* Control threads: its port is there and its vnic is up, and it has not failed to answer. For
 * next_hops_balance: the context is the engine. */
bool router_can_carry(void *weft, const struct next_hop *hop);
/* device_class.find_station (router_state.c) */
bool router_find_station(
	const struct weft_device *device, uint8_t family, const uint8_t *address, uint8_t mac[6]);

/* ---- the node (router_input.c) ------------------------------------------------------------- */

void router_input(struct worker *worker, struct rte_mbuf **packets, unsigned count);

/* A packet under way in the router. */
struct routed {
	struct rte_mbuf *packet;
	struct vport *ingress;
	const struct router_port *port; /* of the ingress */
	uint8_t family;
	bool group;    /* the frame was to a group of stations */
	uint16_t l3;   /* offset of the IP header */
	uint32_t leaf; /* what the FIB says of the destination */
};

static inline uint8_t *
routed_header(const struct routed *routed)
{
	return rte_pktmbuf_mtod_offset(routed->packet, uint8_t *, routed->l3);
}

static inline const uint8_t *
routed_source(const struct routed *routed)
{
	return routed_header(routed) + (routed->family == 4 ? 12 : 8);
}

static inline const uint8_t *
routed_destination(const struct routed *routed)
{
	return routed_header(routed) + (routed->family == 4 ? 16 : 24);
}

/* ---- out (router_output.c) ----------------------------------------------------------------- */

/* (3. to 8.) Packets from elsewhere, with what the FIBs say of them. Takes them. */
void router_forward_all(struct worker *worker, struct routed *packets, unsigned count);
/* One of the router's own, checksums done, to `destination`; `ingress` is where what it answers
 * came in. port: where it leaves if the destination is link-local, or NULL. Takes it. */
void router_originate(struct worker *worker, struct vport *ingress, struct rte_mbuf *packet,
	uint8_t family, struct vport *port);
/* The next hop that packets to the address take, groups resolved; NULL: none. */
const struct next_hop *router_hop_to(struct worker *worker, const struct router *router,
	uint8_t family, const uint8_t *address, struct rte_mbuf *packet);

/* ---- to the router itself (router_local.c) ------------------------------------------------- */

/* Takes it. */
void router_local(struct worker *worker, struct routed *routed);
/* Notes that the router itself took the packet, and frees it. */
void router_taken(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet);

/* ---- the control side's share (router_service.c) ------------------------------------------- */

/*
 * Worker. What the control side sees to: fragments to the router itself, DHCP, router
 * solicitations and advertisements. At most PUNT_RATE a second for a router (punt-rate), so that
 * one router's flood leaves the others their share. Takes the packet.
 */
void router_punt(struct worker *worker, struct routed *routed);

int router_services_open(struct weft *weft);
void router_services_close(void);
/* Control thread, often. */
void router_services_poll(struct weft *weft, uint64_t now);
/* A network has no router any more. */
void router_services_forget(const struct weft_network *network);

/* ---- service ports (router_udp.c) ------------------------------------------------------ */

int router_udp_prepare(struct weft_device *device, struct weft_error *error);
void router_udp_commit(struct router *router);
void router_udp_discard(struct router *router);
void router_udp_reclaim(struct router *router);
void router_udp_free(struct router *router);

/* Takes a whole UDP datagram to the router itself to the port that serves it. False: there is
 * none, and it is still the caller's. `length`: from l4 to the end of the IP packet. */
bool router_udp_deliver(struct worker *worker, struct routed *routed, unsigned l4, unsigned length);
/* What came in by a service port. Takes it. */
void router_udp_input(struct worker *worker, struct vport *vport, struct rte_mbuf *packet);

/* ---- ICMP errors (router_icmp.c) ----------------------------------------------------------- */

enum router_error {
	ROUTER_NET_UNREACHABLE,
	ROUTER_HOST_UNREACHABLE,
	ROUTER_PROTOCOL_UNREACHABLE, /* IPv6: unrecognized next header; value: its pointer */
	ROUTER_PORT_UNREACHABLE,
	ROUTER_PROHIBITED,
	ROUTER_TTL_EXCEEDED,
	ROUTER_TOO_BIG, /* value: the MTU */
	ROUTER_BEYOND_SCOPE,
	ROUTER_REASSEMBLY_EXCEEDED,
	ROUTER_PARAMETER_PROBLEM, /* IPv6; value: code << 16 | pointer */
	ROUTER_REDIRECT,          /* IPv4; value: the better gateway */
};

/* Tells the sender of the packet, where the rules let it and the rate allows. The packet stays
 * the caller's. */
void router_error(struct worker *worker, const struct routed *routed, enum router_error error,
	uint32_t value);
/* The same for a packet that has waited: by its metadata and bytes alone. */
void router_unreachable(struct worker *worker, struct rte_mbuf *packet, enum router_error error);
/* ICMP redirect (RFC 1812, 5.2.7.2; RFC 4861, 8) by way of `target`. */
void router_redirect(struct worker *worker, const struct routed *routed, const uint8_t *target);
/* Whether the router may send one more message of this kind now. */
bool router_may_send_icmp(struct worker *worker, struct router *router);

/* ---- neighbours' own protocols ------------------------------------------------------------- */

/* ARP request or neighbour solicitation. mac NULL: to all. */
void router_solicit(struct worker *worker, struct vport *vport, uint8_t family,
	const uint8_t *target, const struct rte_ether_addr *mac);
/* Asks whether another station has one of the port's own addresses (RFC 5227, 2.1.1; RFC 4862,
 * 5.4.2). They are in use meanwhile, as RFC 4429 has it: a router that waited would be no way. */
void router_probe_own(struct worker *worker, struct vport *vport);
/* Tells the port's stations of its own addresses (RFC 5227, 2.3; RFC 4861, 7.2.6). */
void router_announce(struct worker *worker, struct vport *vport);
/* ARP (router_arp.c): takes the packet. */
void router_arp(struct worker *worker, struct vport *vport, struct rte_mbuf *packet);
/* Neighbour discovery (router_nd.c): an ICMPv6 message of types 133 to 137, whole, its checksum
 * and hop limit not yet looked at. Takes the packet. */
void router_nd(struct worker *worker, struct routed *routed, uint16_t l4, unsigned length);
/* RFC 4861, 8.2: a redirect to the packet's sender, who is on its ingress port's link. The packet
 * stays the caller's. */
void router_nd_redirect(struct worker *worker, const struct routed *routed, const uint8_t *target);
/* Whether the way to the address leads out of another port (proxy ARP and ND). */
bool router_is_elsewhere(
	struct worker *worker, const struct vport *vport, uint8_t family, const uint8_t *address);

/* ---- words (router_trace.c): only for packets that have a trace mark ----------------------- */

void router_trace_route(
	struct worker *worker, const struct routed *routed, const struct next_hop *hop);

#endif
