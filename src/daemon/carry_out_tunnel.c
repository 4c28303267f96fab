/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels. The underlay is joined to a service port of the router, which comes and goes with
 * the tunnel; each remote of a VNI to a port of its own on the switch, TUNNEL.VNI.REMOTE. What
 * a tunnel's mtu is may follow from ports of the router: so every tunnel that stays is looked
 * at, not only those in the plan.
 */
#include "base/hash.h"
#include "daemon/carry_out_internal.h"
#include "graph/change.h"
#include "switch/switch.h"
#include "tunnel/tunnel_config.h"

#include <libyang/libyang.h>
#include <stdio.h>
#include <string.h>

/* ---- tunnels ----------------------------------------------------------------------------------
 */

static const struct lyd_node *
router_node(const struct side *side, const struct lyd_node *tunnel)
{
	char network[MODEL_NAME_SIZE], router[MODEL_NAME_SIZE];

	if (!model_tunnel_router(tunnel, network, router))
		return NULL;
	return model_entry(name_map_get(&side->networks, network), "routers", router);
}

static void
read_tunnel(const struct side *side, const struct lyd_node *node, struct weft_tunnel_config *config)
{
	tunnel_config_read(node, model_tunnel_mtu(node, router_node(side, node)), config);
}

static void
update_tunnel(struct job *job, const char *network, const struct lyd_node *before,
	const struct lyd_node *after)
{
	struct weft_tunnel_config old, new;

	read_tunnel(&job->before, before, &old);
	read_tunnel(&job->after, after, &new);
	if (!tunnel_config_same(&old, &new))
		weft_tunnel_update(
			job->change, carry_out_device(job, network, model_key(after)), &new);
}

void
carry_out_update_tunnels(struct job *job)
{
	const struct lyd_node *network, *tunnel, *before;
	size_t at = 0;

	while ((network = name_map_next(&job->after.networks, &at)) != NULL) {
		const char *name = model_key(network);

		tunnel = model_child(network, "tunnels");
		for (; tunnel != NULL; tunnel = model_next(tunnel)) {
			before = model_entry(name_map_get(&job->before.networks, name), "tunnels",
				model_key(tunnel));
			if (before != NULL)
				update_tunnel(job, name, before, tunnel);
		}
	}
}

/* ---- the port on the router ---------------------------------------------------------------------
 */

/* NULL: there is none (any more). */
static struct weft_vport *
find_service(struct job *job, const struct lyd_node *tunnel)
{
	char network[MODEL_NAME_SIZE], router[MODEL_NAME_SIZE], name[MODEL_NAME_SIZE];

	if (!model_tunnel_router(tunnel, network, router) || !model_service_name(tunnel, name))
		return NULL;
	return carry_out_port(job, network, router, name);
}

static struct weft_router_port_config
service_config(const struct lyd_node *tunnel)
{
	struct weft_tunnel_config config;

	tunnel_config_read(tunnel, 0, &config);
	return (struct weft_router_port_config){
		.udp_port = config.port,
		.service_address = config.local,
	};
}

static void
add_service(struct job *job, const struct plan_item *item)
{
	struct weft_router_port_config config = service_config(item->after);
	char network[MODEL_NAME_SIZE], router[MODEL_NAME_SIZE], name[MODEL_NAME_SIZE];
	struct weft_vport *service, *underlay;

	if (!model_tunnel_router(item->after, network, router) ||
		!model_service_name(item->after, name))
		return;
	service = weft_router_port_add(
		job->change, carry_out_device(job, network, router), name, &config);
	underlay = carry_out_port(job, item->network, item->name, WEFT_TUNNEL_UNDERLAY);
	if (strcmp(network, item->network) == 0)
		weft_link(job->change, underlay, service);
	else
		weft_peer(job->change, underlay, service);
}

void
carry_out_make_tunnel(struct job *job, const struct plan_item *item)
{
	struct weft_router_port_config service = service_config(item->after);
	struct weft_tunnel_config config;

	if (item->before == NULL) {
		read_tunnel(&job->after, item->after, &config);
		weft_tunnel_add(job->change, weft_network_find(job->weft, item->network),
			item->name, &config);
	}
	if (item->before == NULL || carry_out_differs(item, "router"))
		add_service(job, item);
	else if (carry_out_differs(item, "local") || carry_out_differs(item, "port"))
		weft_router_port_update(job->change, find_service(job, item->after), &service);
}

void
carry_out_release_tunnel(struct job *job, const struct plan_item *item)
{
	if (item->after == NULL || carry_out_differs(item, "router"))
		weft_vport_remove(job->change, find_service(job, item->before));
}

/* ---- ports on switches ---------------------------------------------------------------------- */

static bool
has_remote(const struct lyd_node *vni, const char *remote)
{
	const struct lyd_node *leaf = model_child(vni, "remotes");

	for (; leaf != NULL; leaf = model_next(leaf))
		if (strcmp(model_value(leaf), remote) == 0)
			return true;
	return false;
}

static bool
has_port(const struct lyd_node *vni, const char *name)
{
	const struct lyd_node *leaf = model_child(vni, "remotes");
	char remote[MODEL_REMOTE_SIZE];

	for (; leaf != NULL; leaf = model_next(leaf))
		if (strcmp(model_remote_name(vni, model_value(leaf), remote), name) == 0)
			return true;
	return false;
}

/* `rest`: "5000.198.51.100.7" */
static const struct lyd_node *
vni_of_port(const struct lyd_node *tunnel, const char *device, const char *rest)
{
	char number[MODEL_NAME_SIZE];
	const struct lyd_node *vni;
	const char *place;

	snprintf(number, sizeof(number), "%.*s", (int)strcspn(rest, "."), rest);
	vni = model_entry(tunnel, "vnis", number);
	place = vni != NULL ? model_text(vni, "switch") : NULL;
	return place != NULL && strcmp(place, device) == 0 && has_port(vni, rest) ? vni : NULL;
}

const struct lyd_node *
carry_out_vni_on(const struct lyd_node *network, const char *device, const char *name)
{
	const char *dot = strchr(name, '.');
	const struct lyd_node *tunnel, *vni;
	char text[MODEL_NAME_SIZE];

	/* a tunnel's name may have dots itself */
	for (; dot != NULL; dot = strchr(dot + 1, '.')) {
		snprintf(text, sizeof(text), "%.*s", (int)(dot - name), name);
		tunnel = model_entry(network, "tunnels", text);
		vni = tunnel != NULL ? vni_of_port(tunnel, device, dot + 1) : NULL;
		if (vni != NULL)
			return vni;
	}
	return NULL;
}

/* Another for each VNI of each tunnel, and never one of those that people choose. */
static uint64_t
group_of(const struct lyd_node *vni)
{
	static const struct hash_key key;
	char text[2 * MODEL_NAME_SIZE];
	int length =
		snprintf(text, sizeof(text), "%s:%s", model_key(lyd_parent(vni)), model_key(vni));

	return hash_bytes(&key, text, (size_t)length) | UINT64_C(1) << 63;
}

void
carry_out_read_vni_port(const struct lyd_node *vni, struct weft_switch_port_config *config)
{
	*config = (struct weft_switch_port_config){
		.access = (uint16_t)model_number(vni, "vlan", 1),
		/* the tunnel judges what is too long, and tells */
		.mtu = SWITCH_PORT_MTU_MAX,
		.group = group_of(vni),
	};
}

/* ---- VNIs --------------------------------------------------------------------------------------
 */

static const char *
tunnel_name(const struct plan_item *item)
{
	return model_key(lyd_parent(item->after != NULL ? item->after : item->before));
}

static struct weft_vport *
find_remote(struct job *job, const struct plan_item *item, const char *remote)
{
	const struct lyd_node *vni = item->after != NULL ? item->after : item->before;
	char name[MODEL_REMOTE_SIZE];

	return carry_out_port(
		job, item->network, tunnel_name(item), model_remote_name(vni, remote, name));
}

/* The port on the switch, if the VNI had or has one there. */
static void
settle(struct job *job, const struct plan_item *item, const struct lyd_node *vni,
	const char *remote)
{
	const char *device = vni != NULL ? model_text(vni, "switch") : NULL;
	char port[MODEL_REMOTE_SIZE], name[DEVICE_PORT_SIZE];

	if (device == NULL)
		return;
	snprintf(name, sizeof(name), "%s.%s", tunnel_name(item),
		model_remote_name(vni, remote, port));
	carry_out_switch_port(job, item->network, device, name);
}

static void
link_remote(struct job *job, const struct plan_item *item, const char *remote)
{
	char port[MODEL_REMOTE_SIZE], name[DEVICE_PORT_SIZE];

	snprintf(name, sizeof(name), "%s.%s", tunnel_name(item),
		model_remote_name(item->after, remote, port));
	weft_link(job->change, find_remote(job, item, remote),
		carry_out_port(job, item->network, model_text(item->after, "switch"), name));
}

static void
make_remote(struct job *job, const struct plan_item *item, const char *remote)
{
	bool is_new = item->before == NULL || !has_remote(item->before, remote);
	struct weft_prefix address;

	if (is_new && model_parse_address(remote, &address) == 0)
		weft_tunnel_remote_add(job->change,
			carry_out_device(job, item->network, tunnel_name(item)),
			(uint32_t)model_number(item->after, "vni", 0), &address);
	if (!is_new)
		settle(job, item, item->before, remote);
	settle(job, item, item->after, remote);
	if (is_new || carry_out_differs(item, "switch"))
		link_remote(job, item, remote);
}

static void
remove_remote(struct job *job, const struct plan_item *item, const char *remote)
{
	weft_vport_remove(job->change, find_remote(job, item, remote));
	settle(job, item, item->before, remote);
}

void
carry_out_make_vni(struct job *job, const struct plan_item *item)
{
	const struct lyd_node *leaf = model_child(item->before, "remotes");

	for (; leaf != NULL; leaf = model_next(leaf))
		if (!has_remote(item->after, model_value(leaf)))
			remove_remote(job, item, model_value(leaf));
	for (leaf = model_child(item->after, "remotes"); leaf != NULL; leaf = model_next(leaf))
		make_remote(job, item, model_value(leaf));
}

void
carry_out_remove_vni(struct job *job, const struct plan_item *item)
{
	const struct lyd_node *leaf = model_child(item->before, "remotes");

	for (; leaf != NULL; leaf = model_next(leaf))
		remove_remote(job, item, model_value(leaf));
}

void
carry_out_release_vni(struct job *job, const struct plan_item *item)
{
	const struct lyd_node *leaf = model_child(item->before, "remotes");

	if (!carry_out_differs(item, "switch"))
		return;
	for (; leaf != NULL; leaf = model_next(leaf))
		weft_detach(job->change, find_remote(job, item, model_value(leaf)));
}
