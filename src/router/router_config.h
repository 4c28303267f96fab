/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the model to libweft's words: a router, its ports, its static routes. The nodes have
 * been validated by the model.
 */
#ifndef WEFT_ROUTER_ROUTER_CONFIG_H
#define WEFT_ROUTER_ROUTER_CONFIG_H

#include "model/arena.h"

#include <weft/weft.h>

struct lyd_node;

/* An entry of routers. */
void router_config_read(const struct lyd_node *node, struct weft_router_config *config);
bool router_config_same(const struct weft_router_config *a, const struct weft_router_config *b);

/* A weft_router_port_config, and the memory that it points to; texts are those of the node. */
struct router_port_settings {
	struct weft_router_port_config config;
	struct weft_dhcp_config dhcp;
	struct weft_ra_config ra;
	struct arena memory;
};

/* An entry of a router's ports. 0, or -1: out of memory, or an address that is none. */
int router_port_config_read(const struct lyd_node *node, struct router_port_settings *settings,
	struct weft_error *error);
void router_port_config_free(struct router_port_settings *settings);
/* Whether both nodes say the same of what the port does for hosts. */
bool router_port_hosts_same(const struct lyd_node *a, const struct lyd_node *b);
/* Whether all else is the same. */
bool router_port_config_same(
	const struct weft_router_port_config *a, const struct weft_router_port_config *b);

/* A weft_route whose hops belong to this. */
struct router_route_settings {
	struct weft_route route;
	struct weft_hop *hops; /* and the backups behind them */
};

/*
 * An entry of a router's routes; ports are those that `device` has in the change at hand. 0, or
 * -1: out of memory, or a port that the router does not have.
 */
int router_route_read(struct weft_device *device, const struct lyd_node *node,
	struct router_route_settings *settings, struct weft_error *error);
void router_route_free(struct router_route_settings *settings);

#endif
