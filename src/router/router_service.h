/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What routers do for hosts on their ports: DHCPv4 server or relay, router advertisements. The
 * engines (protocols/dhcp, protocols/ra) decide; this carries: what workers punt goes into an
 * engine, what it sends leaves by a worker.
 *
 * A plan is what a port's configuration asks for; it belongs to the router_port. A service is
 * what does it: one for each port that has a plan with something in it, from the commit that
 * brings it to the port's end. Leases live on as long as the service does. What a change needs
 * of memory is taken in its prepare (services_prepare) and put to use in its commit.
 *
 * Threads: all on the control thread, under services_lock, which those who look take, too. It
 * is taken behind weft_objects_lock, and held for short: no waiting but for a worker's turn.
 */
#ifndef WEFT_ROUTER_ROUTER_SERVICE_H
#define WEFT_ROUTER_ROUTER_SERVICE_H

#include "protocols/dhcp/dhcp_relay.h"
#include "protocols/ra/ra.h"
#include "router/router_objects.h"

struct service_plan {
	bool serves, relays, advertises;
	bool on_link; /* serves the network that is on the port: addresses can be asked for there */
	struct dhcp_subnet *subnet; /* serves; NULL: an engine has taken it */
	uint8_t server_address[4];
	struct dhcp_relay_config relay;
	struct ra_config ra;
};

#define SERVICE_PROBES 32

/* An address that is asked for before it is offered. */
struct service_probe {
	uint32_t address;
	uint64_t asked; /* ns; 0: free */
};

struct service {
	struct weft *weft;
	uint32_t vport; /* id */
	char path[VPORT_NAME_SIZE];
	struct rte_ether_addr mac;
	uint8_t link_local[16];
	/* each if the plan has it */
	struct dhcp_server *server;
	struct dhcp_relay *relay;
	bool advertises;
	struct ra ra;
	uint8_t dhcp_address[4]; /* the server's or relay's own */
	uint64_t changes;        /* of the server, seen so far */
	struct service_probe probes[SERVICE_PROBES];
	unsigned next_probe;
	LIST_ENTRY(service) entry;
};

/* Services_lock. */
void router_hosts_lock(void);
void router_hosts_unlock(void);
/* The service of a port; NULL: it has none. */
struct service *service_of(uint32_t vport);
/* Something has changed when the service has to be looked at next. */
void service_poke(struct service *service);
/* Who wants to hear of leases; all zero: nobody. */
const struct router_host_hooks *service_hooks(void);
uint32_t service_random(void *context);

/* ---- out ------------------------------------------------------------------------------------- */

/*
 * (router_send.c) A frame leaves the service's port, or, `routed`, goes where its IPv4
 * destination is: at services_flush. What is sent in between service_gather and service_release
 * waits, if the latter says so, until what has changed by then has been written down.
 */
void service_send(struct service *service, const uint8_t *frame, size_t length, bool routed);
void service_gather(void);
void service_release(struct weft *weft, bool hold);
void services_flush(struct weft *weft);
/* The same, and waits until it has left weft, as far as it goes at once. */
void services_flush_through(struct weft *weft);
/* Leases have changed. */
void service_count_change(void);
/* A punted packet is dropped. Takes it. */
void service_lose(
	struct weft *weft, uint32_t vport, enum drop_reason reason, struct rte_mbuf *packet);

/* ---- DHCP (router_dhcp.c) -------------------------------------------------------------------- */

/* 0, or -1: the error says what and why. */
int router_dhcp_plan(struct service_plan *plan, const struct router_port *port,
	const struct weft_router_port_config *config, struct weft_error *error);
/* A server of the plan's, with what was kept of its leases; takes the plan's subnet. NULL: out
 * of memory. */
struct dhcp_server *router_dhcp_open(struct service *service, struct service_plan *plan);
/* An IPv4 packet to UDP port 67, whole. Takes it. */
void router_dhcp_take(struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet);
void router_dhcp_timer(struct service *service, uint64_t now);
/* Notes that leases have changed, if they have. True: they have. */
bool router_dhcp_changed(struct service *service);

/* ---- router advertisements (router_ra.c) ----------------------------------------------------- */

int router_ra_plan(struct service_plan *plan, const struct router_port *port,
	const struct weft_ra_config *config, struct weft_error *error);
void router_ra_use(struct service *service, const struct ra_config *config, uint64_t now);
/* Tells those who hear it only now. */
void router_ra_again(struct service *service, uint64_t now);
/* An IPv6 packet with a router solicitation or advertisement. Takes it. */
void router_ra_take(struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet);

/* (router.c) Whether others are attached to the port after a change. */
bool router_is_attached_anew(const struct vport *before, const struct vport *after);

/* ---- for router.c ---------------------------------------------------------------------------- */

/* Gives the port its plan. -1: the change has failed. */
int router_services_plan(struct weft_change *change, struct router_port *port,
	const struct weft_router_port_config *config);
void service_plan_free(struct service_plan *plan);
int router_services_prepare(struct weft_device *device, struct weft_error *error);
void router_services_commit(struct weft_device *device);
void router_services_discard(struct weft_device *device);
/* A change is about to be made: hosts are told of what will end. */
void router_services_leave(struct weft *weft);
/* The port is gone. */
void router_services_end(uint32_t vport);
void router_hosts_poll(struct weft *weft, uint64_t now);
void router_hosts_close(void);
void service_out_close(void);

#endif
