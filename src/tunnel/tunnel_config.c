/* SPDX-License-Identifier: BSD-3-Clause */
#include "tunnel/tunnel_config.h"

#include "model/model.h"
#include "tunnel/tunnel.h"

#include <string.h>

void
tunnel_config_read(const struct lyd_node *node, uint32_t mtu, struct weft_tunnel_config *config)
{
	const char *local = model_text(node, "local");

	*config = (struct weft_tunnel_config){
		.port = (uint16_t)model_number(node, "port", TUNNEL_PORT),
		.mtu = mtu,
	};
	if (local != NULL)
		model_parse_address(local, &config->local);
}

bool
tunnel_config_same(const struct weft_tunnel_config *a, const struct weft_tunnel_config *b)
{
	return a->port == b->port && a->mtu == b->mtu && a->local.family == b->local.family &&
	       memcmp(a->local.address, b->local.address, sizeof(a->local.address)) == 0;
}
