/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the model to libweft's words: a tunnel, and the remotes of a VNI. The nodes have been
 * validated by the model.
 */
#ifndef WEFT_TUNNEL_TUNNEL_CONFIG_H
#define WEFT_TUNNEL_TUNNEL_CONFIG_H

#include <weft/weft.h>

struct lyd_node;

/* An entry of tunnels; mtu is the one that has been worked out for it. */
void tunnel_config_read(
	const struct lyd_node *node, uint32_t mtu, struct weft_tunnel_config *config);
bool tunnel_config_same(const struct weft_tunnel_config *a, const struct weft_tunnel_config *b);

#endif
