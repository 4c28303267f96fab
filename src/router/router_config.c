/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/router_config.h"

#include "base/error.h"
#include "model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned
count(const struct lyd_node *node, const char *name)
{
	const struct lyd_node *entry;
	unsigned n = 0;

	for (entry = model_child(node, name); entry != NULL; entry = model_next(entry))
		n++;
	return n;
}

/* Which of the names the text of a leaf is; 0, the first, if it is not set. */
static unsigned
choice(const struct lyd_node *node, const char *leaf, const char *const *names, unsigned n_names)
{
	const char *text = model_text(node, leaf);

	for (unsigned i = 0; text != NULL && i < n_names; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return 0;
}

/* ---- the router --------------------------------------------------------------------------- */

void
router_config_read(const struct lyd_node *node, struct weft_router_config *config)
{
	*config = (struct weft_router_config){
		.icmp_rate = (uint32_t)model_number(node, "icmp-rate", 0),
	};
}

bool
router_config_same(const struct weft_router_config *a, const struct weft_router_config *b)
{
	return a->icmp_rate == b->icmp_rate;
}

/* ---- ports -------------------------------------------------------------------------------- */

static int
read_addresses(const struct lyd_node *node, struct router_port_settings *settings,
	struct weft_error *error)
{
	const struct lyd_node *entry = model_child(node, "ip");
	unsigned n = 0;

	settings->addresses = calloc(count(node, "ip") + 1, sizeof(*settings->addresses));
	if (settings->addresses == NULL)
		return error_memory(error);
	for (; entry != NULL; entry = model_next(entry))
		if (model_parse_prefix(model_value(entry), &settings->addresses[n++]) < 0)
			return error_set(
				error, EINVAL, "'%s' is not an address", model_value(entry));
	settings->config.addresses = settings->addresses;
	settings->config.n_addresses = n;
	return 0;
}

static uint16_t
read_clamp(const struct lyd_node *node)
{
	const char *text = model_text(node, "clamp-mss");

	if (text != NULL && strcmp(text, "auto") == 0)
		return WEFT_CLAMP_MSS_AUTO;
	return (uint16_t)model_number(node, "clamp-mss", 0);
}

int
router_port_config_read(const struct lyd_node *node, struct router_port_settings *settings,
	struct weft_error *error)
{
	static const char *const urpf[] = {
		[WEFT_URPF_OFF] = "off",
		[WEFT_URPF_STRICT] = "strict",
		[WEFT_URPF_LOOSE] = "loose",
	};
	struct weft_router_port_config *config = &settings->config;
	const char *mac = model_text(node, "mac");

	*settings = (struct router_port_settings){ 0 };
	config->ipv6 = model_flag(node, "ipv6", false);
	if (mac != NULL)
		model_parse_mac(mac, config->mac);
	config->mtu = (uint32_t)model_number(node, "mtu", 0);
	config->urpf = (enum weft_urpf)choice(node, "urpf", urpf, 3);
	config->no_redirects = !model_flag(node, "redirects", true);
	config->no_unreachables = !model_flag(node, "unreachables", true);
	config->proxy_arp = model_flag(node, "proxy-arp", false);
	config->clamp_mss = read_clamp(node);
	if (read_addresses(node, settings, error) == 0)
		return 0;
	router_port_config_free(settings);
	return -1;
}

void
router_port_config_free(struct router_port_settings *settings)
{
	free(settings->addresses);
	*settings = (struct router_port_settings){ 0 };
}

bool
router_port_config_same(
	const struct weft_router_port_config *a, const struct weft_router_port_config *b)
{
	return a->n_addresses == b->n_addresses &&
	       (a->n_addresses == 0 || memcmp(a->addresses, b->addresses,
					       a->n_addresses * sizeof(*a->addresses)) == 0) &&
	       a->ipv6 == b->ipv6 && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       a->mtu == b->mtu && a->urpf == b->urpf && a->no_redirects == b->no_redirects &&
	       a->no_unreachables == b->no_unreachables && a->proxy_arp == b->proxy_arp &&
	       a->clamp_mss == b->clamp_mss;
}

/* ---- routes ------------------------------------------------------------------------------- */

static int
read_hops(struct weft_device *device, const struct lyd_node *entry, struct weft_hop *hop,
	struct weft_error *error)
{
	for (; entry != NULL; entry = model_next(entry), hop++) {
		const char *text = model_value(entry), *port;

		if (model_parse_hop(text, &hop->gateway, &port) < 0)
			return error_set(error, EINVAL, "'%s' is not a next hop", text);
		if (port == NULL)
			continue;
		hop->port = weft_vport_find(device, port);
		if (hop->port == NULL)
			return error_set(error, ENOENT, "there is no port '%s'", port);
	}
	return 0;
}

int
router_route_read(struct weft_device *device, const struct lyd_node *node,
	struct router_route_settings *settings, struct weft_error *error)
{
	static const char *const kinds[] = {
		[WEFT_ROUTE_FORWARD] = "forward",
		[WEFT_ROUTE_BLACKHOLE] = "blackhole",
		[WEFT_ROUTE_UNREACHABLE] = "unreachable",
		[WEFT_ROUTE_PROHIBIT] = "prohibit",
	};
	unsigned hops = count(node, "via"), backups = count(node, "backup");
	struct weft_route *route = &settings->route;

	*settings = (struct router_route_settings){ 0 };
	if (model_parse_prefix(model_key(node), &route->prefix) < 0)
		return error_set(error, EINVAL, "'%s' is not a prefix", model_key(node));
	settings->hops = calloc(hops + backups + 1, sizeof(*settings->hops));
	if (settings->hops == NULL)
		return error_memory(error);
	route->kind = (enum weft_route_kind)choice(node, "type", kinds, 4);
	route->hops = settings->hops;
	route->n_hops = hops;
	route->backups = settings->hops + hops;
	route->n_backups = backups;
	route->preference = (uint8_t)model_number(node, "preference", 0);
	route->metric = (uint32_t)model_number(node, "metric", 0);
	if (read_hops(device, model_child(node, "via"), settings->hops, error) == 0 &&
		read_hops(device, model_child(node, "backup"), settings->hops + hops, error) == 0)
		return 0;
	router_route_free(settings);
	return -1;
}

void
router_route_free(struct router_route_settings *settings)
{
	free(settings->hops);
	*settings = (struct router_route_settings){ 0 };
}
