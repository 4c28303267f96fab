/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of a tunnel. */
#include "tunnel/tunnel_objects.h"

void
tunnel_read(const struct weft_device *device, struct tunnel_info *info)
{
	const struct tunnel *tunnel = device->data;
	const struct tunnel_live *live = tunnel_live_of(tunnel);

	*info = (struct tunnel_info){ .config = tunnel->config };
	if (live == NULL)
		return;
	info->vnis = live->vnis;
	info->remotes = live->remotes;
}

void
tunnel_vport_read(const struct weft_vport *vport, struct tunnel_remote_info *info)
{
	const struct tunnel_port *port = tunnel_port_of(vport->live);

	*info = (struct tunnel_remote_info){ .underlay = port->vni == 0, .vni = port->vni };
	info->remote.family = port->family;
	info->remote.length = port->family == 4 ? 32 : port->family == 6 ? 128 : 0;
	memcpy(info->remote.address, port->remote, sizeof(info->remote.address));
}
