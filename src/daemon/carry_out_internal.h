/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files carry_out*.c: see there. */
#ifndef WEFT_DAEMON_CARRY_OUT_INTERNAL_H
#define WEFT_DAEMON_CARRY_OUT_INTERNAL_H

#include "base/name_map.h"
#include "model/model.h"

#define DEVICE_PORT_SIZE 128

/* One side of the plan: its networks by name. */
struct side {
	struct name_map networks;
};

struct job {
	struct weft *weft;
	struct weft_change *change;
	struct side before, after;
};

/* Whether a leaf is another before and after; not for leaf-lists. */
bool carry_out_differs(const struct plan_item *item, const char *leaf);
/* "lan:web" in two; false: it is not of that form. */
bool carry_out_split(const char *text, char device[DEVICE_PORT_SIZE], const char **port);
/* By names, any of which may be NULL; NULL: there is none. */
struct weft_device *carry_out_device(struct job *job, const char *network, const char *name);
struct weft_vport *carry_out_port(
	struct job *job, const char *network, const char *device, const char *name);
/* A port as "lan:web". */
struct weft_vport *carry_out_end(struct job *job, const char *network, const char *text);
/* Makes a port of a switch be what defines it after the change, if anything does. */
void carry_out_switch_port(
	struct job *job, const char *network, const char *device, const char *name);

/* ---- routers ------------------------------------------------------------------------------ */

/* Whether a "port" is one of a router. */
bool carry_out_is_router_port(const struct plan_item *item);
/* The router's port that has the port of that name, ROUTER.PORT, on the switch; or NULL. */
const struct lyd_node *carry_out_router_port_on(
	const struct lyd_node *network, const char *device, const char *name);

void carry_out_make_router(struct job *job, const struct plan_item *item);
void carry_out_make_router_port(struct job *job, const struct plan_item *item);
void carry_out_remove_router_port(struct job *job, const struct plan_item *item);
/* Detaches it from where it will not be any more. */
void carry_out_release_router_port(struct job *job, const struct plan_item *item);
/* Joins it with its peer; to be called when all ports are made, of both. */
void carry_out_make_peer(struct job *job, const struct plan_item *item);
void carry_out_make_route(struct job *job, const struct plan_item *item);
void carry_out_remove_route(struct job *job, const struct plan_item *item);

/* ---- tunnels ------------------------------------------------------------------------------ */

/* Those that stay become what they are after the change, but for their VNIs and routers. */
void carry_out_update_tunnels(struct job *job);
void carry_out_make_tunnel(struct job *job, const struct plan_item *item);
/* Takes the port on the router away that it will not have any more. */
void carry_out_release_tunnel(struct job *job, const struct plan_item *item);
void carry_out_make_vni(struct job *job, const struct plan_item *item);
void carry_out_remove_vni(struct job *job, const struct plan_item *item);
void carry_out_release_vni(struct job *job, const struct plan_item *item);
/* The VNI that has the port of that name, TUNNEL.VNI.REMOTE, on the switch; or NULL. */
const struct lyd_node *carry_out_vni_on(
	const struct lyd_node *network, const char *device, const char *name);
void carry_out_read_vni_port(const struct lyd_node *vni, struct weft_switch_port_config *config);

/* ---- firewalls ---------------------------------------------------------------------------- */

void carry_out_make_address_set(struct job *job, const struct plan_item *item);
void carry_out_remove_address_set(struct job *job, const struct plan_item *item);
void carry_out_make_port_set(struct job *job, const struct plan_item *item);
void carry_out_remove_port_set(struct job *job, const struct plan_item *item);
void carry_out_make_firewall(struct job *job, const struct plan_item *item);
void carry_out_remove_firewall(struct job *job, const struct plan_item *item);
/* Whether a "port" is one of a firewall. */
bool carry_out_is_firewall_port(const struct plan_item *item);
void carry_out_make_firewall_port(struct job *job, const struct plan_item *item);
/* Its rules and translations; when its ports and all sets are made. */
void carry_out_make_policy(struct job *job, const struct plan_item *item);
/* It does not guard the ports of a router that it will not guard any more. */
void carry_out_release_firewall(struct job *job, const struct plan_item *item);
/* It guards its router's ports, when they are made; and a port that the router gets. */
void carry_out_guard(struct job *job, const struct plan_item *item);
void carry_out_guard_port(struct job *job, const struct plan_item *item);
/* By names, any of which may be NULL; NULL: there is none. */
struct weft_device *carry_out_firewall(struct job *job, const char *network, const char *name);

/* ---- firewalls of more than two ports (carry_out_bridge.c) -------------------------------- */

/* The switch inside the firewall, and a port of it. */
void carry_out_make_bridge(struct job *job, const char *network, const char *firewall);
void carry_out_make_bridge_port(
	struct job *job, const char *network, const char *firewall, const char *port);
/* Of a firewall, or a port of one: what has two ports before the change and more after it, or the
 * other way round, becomes what it will be, with all of its ports that stay, and their links. */
void carry_out_turn_firewall(struct job *job, const struct plan_item *item);
/* Lets the firewall judge at all of its ports, or not any more. */
void carry_out_guard_bridge(
	struct job *job, const char *network, const struct lyd_node *firewall, bool guards);

#endif
