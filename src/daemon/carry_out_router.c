/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routers. A port that is on a switch is joined by a plain link to a port of its own there,
 * ROUTER.PORT, which comes and goes with it.
 */
#include "daemon/carry_out_internal.h"
#include "graph/change.h"
#include "router/router_config.h"

#include <libyang/libyang.h>
#include <stdio.h>
#include <string.h>

void
carry_out_make_router(struct job *job, const struct plan_item *item)
{
	struct weft_router_config old, new;

	router_config_read(item->after, &new);
	if (item->before == NULL) {
		weft_router_add(
			job->change, weft_network_find(job->weft, item->network), item->name, &new);
		return;
	}
	router_config_read(item->before, &old);
	if (!router_config_same(&old, &new))
		weft_router_update(
			job->change, carry_out_device(job, item->network, item->name), &new);
}

/* ---- ports -------------------------------------------------------------------------------- */

bool
carry_out_is_router_port(const struct plan_item *item)
{
	const struct lyd_node *node = item->after != NULL ? item->after : item->before;

	return strcmp(item->kind, "port") == 0 &&
	       strcmp(lyd_parent(node)->schema->name, "routers") == 0;
}

const struct lyd_node *
carry_out_router_port_on(const struct lyd_node *network, const char *device, const char *name)
{
	const char *dot = strchr(name, '.'), *place;
	const struct lyd_node *port;
	char router[DEVICE_PORT_SIZE];

	/* the names of both may have dots themselves */
	for (; dot != NULL; dot = strchr(dot + 1, '.')) {
		size_t length = (size_t)(dot - name);

		if (length >= sizeof(router))
			return NULL;
		memcpy(router, name, length);
		router[length] = '\0';
		port = model_entry(model_entry(network, "routers", router), "ports", dot + 1);
		place = port != NULL ? model_text(port, "switch") : NULL;
		if (place != NULL && strcmp(place, device) == 0)
			return port;
	}
	return NULL;
}

/* ROUTER.PORT of an item's "ROUTER:PORT". */
static void
name_on_switch(const struct plan_item *item, char name[DEVICE_PORT_SIZE])
{
	snprintf(name, DEVICE_PORT_SIZE, "%s", item->name);
	name[strcspn(name, ":")] = '.';
}

/* The ports on the switches where it was and is. */
static void
settle_on_switches(struct job *job, const struct plan_item *item)
{
	const char *before = item->before != NULL ? model_text(item->before, "switch") : NULL;
	const char *after = item->after != NULL ? model_text(item->after, "switch") : NULL;
	char name[DEVICE_PORT_SIZE];

	name_on_switch(item, name);
	if (before != NULL && (after == NULL || strcmp(before, after) != 0))
		carry_out_switch_port(job, item->network, before, name);
	if (after != NULL)
		carry_out_switch_port(job, item->network, after, name);
}

/* Whether it is put elsewhere than it is. Links are objects of their own. */
static bool
moves(const struct plan_item *item)
{
	return carry_out_differs(item, "switch") || carry_out_differs(item, "uplink") ||
	       carry_out_differs(item, "peer") ||
	       (model_text(item->after, "uplink") != NULL && carry_out_differs(item, "vlan"));
}

static bool
is_somewhere(const struct lyd_node *port)
{
	return model_text(port, "switch") != NULL || model_text(port, "uplink") != NULL ||
	       model_text(port, "peer") != NULL;
}

static int
read_port(struct job *job, const struct lyd_node *node, struct router_port_settings *settings)
{
	struct weft_error error = { 0 };

	if (router_port_config_read(node, settings, &error) == 0)
		return 0;
	change_fail(job->change, error.code, "%s", error.text);
	return -1;
}

static void
update_port(
	struct job *job, const struct plan_item *item, const struct weft_router_port_config *new)
{
	struct router_port_settings old;

	if (read_port(job, item->before, &old) < 0)
		return;
	if (!router_port_config_same(&old.config, new) ||
		!router_port_hosts_same(item->before, item->after))
		weft_router_port_update(
			job->change, carry_out_end(job, item->network, item->name), new);
	router_port_config_free(&old);
}

static void
put_somewhere(struct job *job, const struct plan_item *item)
{
	struct weft_vport *vport = carry_out_end(job, item->network, item->name);
	const char *device = model_text(item->after, "switch");
	const char *uplink = model_text(item->after, "uplink");
	char name[DEVICE_PORT_SIZE];

	name_on_switch(item, name);
	if (device != NULL)
		weft_link(job->change, vport, carry_out_port(job, item->network, device, name));
	else if (uplink != NULL)
		weft_attach_uplink(job->change, vport, weft_nic_find(job->weft, NULL, uplink),
			(uint16_t)model_number(item->after, "vlan", 0));
}

void
carry_out_make_router_port(struct job *job, const struct plan_item *item)
{
	struct router_port_settings new;
	char device[DEVICE_PORT_SIZE];
	const char *port;

	if (!carry_out_split(item->name, device, &port) || read_port(job, item->after, &new) < 0)
		return;
	if (item->before == NULL)
		weft_router_port_add(job->change, carry_out_device(job, item->network, device),
			port, &new.config);
	else
		update_port(job, item, &new.config);
	router_port_config_free(&new);
	settle_on_switches(job, item);
	if (item->before == NULL || moves(item))
		put_somewhere(job, item);
}

void
carry_out_remove_router_port(struct job *job, const struct plan_item *item)
{
	weft_vport_remove(job->change, carry_out_end(job, item->network, item->name));
	settle_on_switches(job, item);
}

void
carry_out_release_router_port(struct job *job, const struct plan_item *item)
{
	if (moves(item) && is_somewhere(item->before))
		weft_detach(job->change, carry_out_end(job, item->network, item->name));
}

/* ---- peers ---------------------------------------------------------------------------------- */

/* "NETWORK/ROUTER:PORT" */
static struct weft_vport *
find_peer(struct job *job, const char *peer)
{
	size_t length = strcspn(peer, "/");
	char network[DEVICE_PORT_SIZE];

	if (length >= sizeof(network) || peer[length] == '\0')
		return NULL;
	memcpy(network, peer, length);
	network[length] = '\0';
	return carry_out_end(job, network, peer + length + 1);
}

void
carry_out_make_peer(struct job *job, const struct plan_item *item)
{
	const char *peer = model_text(item->after, "peer");
	char own[2 * DEVICE_PORT_SIZE];

	if (peer == NULL || (item->before != NULL && !carry_out_differs(item, "peer")))
		return;
	/* both ends are in the plan, as each names the other: one of them does it */
	snprintf(own, sizeof(own), "%s/%s", item->network, item->name);
	if (strcmp(own, peer) < 0)
		weft_peer(job->change, carry_out_end(job, item->network, item->name),
			find_peer(job, peer));
}

/* ---- routes --------------------------------------------------------------------------------- */

void
carry_out_make_route(struct job *job, const struct plan_item *item)
{
	struct router_route_settings settings;
	struct weft_error error = { 0 };
	struct weft_device *device;
	char name[DEVICE_PORT_SIZE];
	const char *prefix;

	if (!carry_out_split(item->name, name, &prefix))
		return;
	device = carry_out_device(job, item->network, name);
	if (device == NULL || weft_change_failed(job->change, NULL))
		return;
	if (router_route_read(device, item->after, &settings, &error) < 0) {
		change_fail(job->change, error.code, "%s", error.text);
		return;
	}
	weft_router_route_set(job->change, device, &settings.route);
	router_route_free(&settings);
}

void
carry_out_remove_route(struct job *job, const struct plan_item *item)
{
	struct weft_prefix prefix;
	char device[DEVICE_PORT_SIZE];
	const char *text;

	if (carry_out_split(item->name, device, &text) && model_parse_prefix(text, &prefix) == 0)
		weft_router_route_remove(
			job->change, carry_out_device(job, item->network, device), &prefix);
}
