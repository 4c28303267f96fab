/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tunnel's entry implies: names of the ports that are made for it, and its MTU. */
#include "model/model.h"

#include <libyang/libyang.h>
#include <stdio.h>
#include <string.h>

#define OVERHEAD4 50 /* RFC 7348, 5: Ethernet, IPv4, UDP, VXLAN */
#define OVERHEAD6 70
#define UNDERLAY_MTU 1500
#define LEAST_MTU 68

bool
model_tunnel_router(
	const struct lyd_node *tunnel, char network[MODEL_NAME_SIZE], char router[MODEL_NAME_SIZE])
{
	const char *text = model_text(tunnel, "router"), *slash;

	if (text == NULL)
		return false;
	slash = strchr(text, '/');
	if (slash == NULL)
		snprintf(network, MODEL_NAME_SIZE, "%s", model_key(lyd_parent(tunnel)));
	else
		snprintf(network, MODEL_NAME_SIZE, "%.*s", (int)(slash - text), text);
	snprintf(router, MODEL_NAME_SIZE, "%s", slash != NULL ? slash + 1 : text);
	return true;
}

const char *
model_remote_name(const struct lyd_node *vni, const char *remote, char name[MODEL_REMOTE_SIZE])
{
	snprintf(name, MODEL_REMOTE_SIZE, "%s.%s", model_key(vni), remote);
	for (char *at = name; *at != '\0'; at++)
		if (*at == ':')
			*at = '-';
	return name;
}

bool
model_service_name(const struct lyd_node *tunnel, char name[MODEL_NAME_SIZE])
{
	const char *router = model_text(tunnel, "router");
	int length;

	if (router == NULL || strchr(router, '/') == NULL)
		length = snprintf(name, MODEL_NAME_SIZE, "%s", model_key(tunnel));
	else
		length = snprintf(name, MODEL_NAME_SIZE, "%s.%s", model_key(lyd_parent(tunnel)),
			model_key(tunnel));
	return length < MODEL_NAME_SIZE;
}

static bool
has_family(const struct lyd_node *port, bool six)
{
	const struct lyd_node *ip = model_child(port, "ip");

	if (six && model_flag(port, "ipv6", false))
		return true;
	for (; ip != NULL; ip = model_next(ip))
		if ((strchr(model_value(ip), ':') != NULL) == six)
			return true;
	return false;
}

/* Whether what the port sends would go into the tunnel itself. */
static bool
is_inside(const struct lyd_node *tunnel, const struct lyd_node *port)
{
	const struct lyd_node *vni = model_child(tunnel, "vnis");
	const char *device = model_text(port, "switch"), *place;

	if (device == NULL || lyd_parent(lyd_parent(port)) != lyd_parent(tunnel))
		return false;
	for (; vni != NULL; vni = model_next(vni)) {
		place = model_text(vni, "switch");
		if (place != NULL && strcmp(place, device) == 0)
			return true;
	}
	return false;
}

uint32_t
model_tunnel_mtu(const struct lyd_node *tunnel, const struct lyd_node *router)
{
	const struct lyd_node *port = model_child(router, "ports");
	const char *local = model_text(tunnel, "local");
	bool six = local != NULL && strchr(local, ':') != NULL;
	uint32_t given = (uint32_t)model_number(tunnel, "mtu", 0), least = UINT32_MAX;
	uint32_t overhead = six ? OVERHEAD6 : OVERHEAD4;

	if (given != 0)
		return given;
	for (; port != NULL; port = model_next(port)) {
		uint32_t mtu = (uint32_t)model_number(port, "mtu", UNDERLAY_MTU);

		if (mtu < least && has_family(port, six) && !is_inside(tunnel, port))
			least = mtu;
	}
	if (least == UINT32_MAX)
		least = UNDERLAY_MTU;
	return least > overhead + LEAST_MTU ? least - overhead : LEAST_MTU;
}
