/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels and their vports as objects: how they are made, changed and taken away. */
#include "tunnel/tunnel.h"

#include "base/error.h"
#include "packet/encapsulate.h"
#include "packet/ip.h"
#include "tunnel/tunnel_objects.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define UNDERLAY_MTU 65521 /* the router's ports judge what is too long for them */

const char *
tunnel_remote_name(uint32_t vni, const struct weft_prefix *remote, char name[TUNNEL_NAME_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(remote->family == 4 ? AF_INET : AF_INET6, remote->address, address,
		sizeof(address));
	snprintf(name, TUNNEL_NAME_SIZE, "%u.%s", vni, address);
	for (char *at = name; *at != '\0'; at++)
		if (*at == ':')
			*at = '-';
	return name;
}

/* ---- what a call may say --------------------------------------------------------------------- */

static bool
is_host(const struct weft_prefix *address)
{
	if (address->family == 4)
		return !ip4_is_martian_source(address->address);
	return address->family == 6 && !ip6_is_martian_source(address->address) &&
	       !ip6_is_link_local(address->address);
}

static int
check_config(struct weft_change *change, const struct weft_tunnel_config *config)
{
	if (!is_host(&config->local))
		return change_fail(
			change, EINVAL, "a tunnel needs a local address, which is that of a host");
	if (config->mtu != 0 && (config->mtu < TUNNEL_MTU_LEAST || config->mtu > TUNNEL_MTU_MOST))
		return change_fail(change, EINVAL, "MTU %u: a tunnel has one from %u to %u",
			config->mtu, TUNNEL_MTU_LEAST, TUNNEL_MTU_MOST);
	return 0;
}

static struct weft_tunnel_config
with_defaults(const struct weft_tunnel_config *config)
{
	struct weft_tunnel_config result = *config;

	result.local.length = config->local.family == 4 ? 32 : 128;
	if (result.port == 0)
		result.port = TUNNEL_PORT;
	if (result.mtu == 0)
		result.mtu = TUNNEL_UNDERLAY_MTU - vxlan_overhead(config->local.family);
	return result;
}

/* ---- vports ------------------------------------------------------------------------------------
 */

/* remote NULL: the underlay. */
static struct weft_vport *
add_vport(struct weft_change *change, struct weft_device *device, uint32_t vni,
	const struct weft_prefix *remote)
{
	struct tunnel *tunnel = device->data;
	struct tunnel_port *port = calloc(1, sizeof(*port));
	struct weft_vport *vport;
	char name[TUNNEL_NAME_SIZE] = WEFT_TUNNEL_UNDERLAY;

	if (port == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	port->owner = tunnel;
	port->vni = vni;
	if (remote != NULL) {
		port->family = remote->family;
		memcpy(port->remote, remote->address, remote->family == 4 ? 4 : 16);
		tunnel_remote_name(vni, remote, name);
	}
	vport = vport_add(
		change, device, name, port, remote != NULL ? tunnel->config.mtu : UNDERLAY_MTU);
	if (vport == NULL)
		free(port);
	return vport;
}

struct weft_vport *
weft_tunnel_remote_add(struct weft_change *change, struct weft_device *device, uint32_t vni,
	const struct weft_prefix *remote)
{
	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &tunnel_class))
		return NULL;
	if (vni == 0 || vni > VXLAN_VNI_MAX) {
		change_fail(change, EINVAL, "VNI %u: they are 1 to %u", vni, VXLAN_VNI_MAX);
		return NULL;
	}
	if (!is_host(remote)) {
		change_fail(change, EINVAL, "a remote's address is that of a host");
		return NULL;
	}
	return add_vport(change, device, vni, remote);
}

/* ---- tunnels -----------------------------------------------------------------------------------
 */

struct weft_device *
weft_tunnel_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_tunnel_config *config)
{
	struct weft_device *device;
	struct tunnel *tunnel;

	if (weft_change_failed(change, NULL) || network == NULL || check_config(change, config) < 0)
		return NULL;
	tunnel = calloc(1, sizeof(*tunnel));
	if (tunnel == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	tunnel->network = network;
	tunnel->config = with_defaults(config);
	device = device_add(change, network, &tunnel_class, name, tunnel);
	if (device == NULL) {
		free(tunnel);
		return NULL;
	}
	return add_vport(change, device, 0, NULL) != NULL ? device : NULL;
}

struct config_update {
	struct tunnel *tunnel;
	struct weft_tunnel_config before;
};

static void
config_update_abort(void *object)
{
	struct config_update *update = object;

	update->tunnel->config = update->before;
	free(update);
}

static const struct change_step config_update_step = { NULL, free, config_update_abort };

static void
set_mtu(struct weft_change *change, struct weft_device *device, uint32_t mtu)
{
	struct weft_vport *vport = NULL;
	struct vport *draft;

	while ((vport = change_vport_next(device, vport)) != NULL) {
		const struct vport *after = change_vport_after(vport);

		if (tunnel_port_of(after)->vni == 0 || after->mtu == mtu)
			continue;
		draft = change_vport(change, vport);
		if (draft == NULL)
			return;
		draft->mtu = mtu;
	}
}

void
weft_tunnel_update(struct weft_change *change, struct weft_device *device,
	const struct weft_tunnel_config *config)
{
	struct config_update *update;
	struct tunnel *tunnel;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &tunnel_class) || check_config(change, config) < 0)
		return;
	tunnel = device->data;
	update = malloc(sizeof(*update));
	if (update == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	*update = (struct config_update){ tunnel, tunnel->config };
	if (change_touch(change, device) < 0 ||
		change_stage(change, &config_update_step, update) < 0) {
		free(update);
		return;
	}
	tunnel->config = with_defaults(config);
	set_mtu(change, device, tunnel->config.mtu);
}

/* ---- what a change makes of a tunnel -------------------------------------------------------- */

static void
live_free(struct tunnel_live *live)
{
	if (live == NULL)
		return;
	free(live->map);
	free(live);
}

/* False: a remote of the other family. */
static bool
enter_port(struct tunnel_live *live, const struct vport *vport)
{
	const struct tunnel_port *port = tunnel_port_of(vport);

	if (port->vni == 0) {
		live->underlay = vport->id;
		return true;
	}
	if (port->family != live->family)
		return false;
	live->vnis += !vni_map_has(live->map, port->vni);
	live->remotes++;
	vni_map_add(live->map, port->vni, port->remote, vport->id);
	return true;
}

static int
prepare(struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct tunnel *tunnel = device->data;
	struct weft_vport *object = NULL;
	struct tunnel_live *live = calloc(1, sizeof(*live));
	size_t ports = 0;

	(void)change;
	while ((object = change_vport_next(device, object)) != NULL)
		ports++;
	if (live != NULL)
		live->map = vni_map_new(&device->network->weft->workers[0]->flow_key, ports);
	if (live == NULL || live->map == NULL) {
		live_free(live);
		return error_memory(error);
	}
	live->family = tunnel->config.local.family;
	live->port = tunnel->config.port;
	memcpy(live->local, tunnel->config.local.address, live->family == 4 ? 4 : 16);
	while ((object = change_vport_next(device, object)) != NULL) {
		if (enter_port(live, change_vport_after(object)))
			continue;
		live_free(live);
		return error_set(error, EINVAL,
			"remote %s of tunnel %s/%s is not IPv%u, as the tunnel's own address is",
			object->name, device->network->name, device->name,
			tunnel->config.local.family);
	}
	tunnel->prepared = live;
	return 0;
}

static void
commit(struct weft_device *device)
{
	struct tunnel *tunnel = device->data;

	tunnel->replaced = atomic_load_explicit(&tunnel->live, memory_order_relaxed);
	atomic_store_explicit(&tunnel->live, tunnel->prepared, memory_order_release);
	tunnel->prepared = NULL;
}

static void
discard(struct weft_device *device)
{
	struct tunnel *tunnel = device->data;

	live_free(tunnel->prepared);
	tunnel->prepared = NULL;
}

static void
reclaim(struct weft_device *device)
{
	struct tunnel *tunnel = device->data;

	live_free(tunnel->replaced);
	tunnel->replaced = NULL;
}

static void
device_free(struct weft_device *device)
{
	struct tunnel *tunnel = device->data;

	if (tunnel == NULL)
		return;
	live_free(atomic_load_explicit(&tunnel->live, memory_order_relaxed));
	free(tunnel);
}

const struct device_class tunnel_class = {
	.name = "tunnel",
	.process = tunnel_input,
	.tells_whose = true,
	.prepare = prepare,
	.commit = commit,
	.discard = discard,
	.reclaim = reclaim,
	.device_free = device_free,
	.context_free = free,
};
