/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/router_config.h"

#include "base/error.h"
#include "model/model.h"

#include <errno.h>
#include <libyang/libyang.h>
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

static void *
take(struct router_port_settings *settings, size_t count, size_t size)
{
	return arena_take(&settings->memory, (count + 1) * size);
}

/* A leaf-list of addresses, with prefix lengths or without. -1: out of memory, or one is none. */
static int
read_addresses(const struct lyd_node *node, const char *name, bool prefix,
	struct router_port_settings *settings, const struct weft_prefix **list, unsigned *n)
{
	const struct lyd_node *entry = model_child(node, name);
	struct weft_prefix *addresses = take(settings, count(node, name), sizeof(*addresses));

	*list = addresses;
	*n = 0;
	if (addresses == NULL)
		return -1;
	for (; entry != NULL; entry = model_next(entry)) {
		struct weft_prefix *address = &addresses[(*n)++];
		const char *text = model_value(entry);

		if ((prefix ? model_parse_prefix(text, address)
			    : model_parse_address(text, address)) < 0)
			return -1;
	}
	return 0;
}

static int
read_names(const struct lyd_node *node, const char *name, struct router_port_settings *settings,
	const char *const **list, unsigned *n)
{
	const struct lyd_node *entry = model_child(node, name);
	const char **names = take(settings, count(node, name), sizeof(*names));

	*list = names;
	*n = 0;
	for (; names != NULL && entry != NULL; entry = model_next(entry))
		names[(*n)++] = model_value(entry);
	return names != NULL ? 0 : -1;
}

static uint32_t
seconds(const struct lyd_node *node, const char *leaf, uint32_t otherwise)
{
	uint64_t milliseconds = model_milliseconds(node, leaf, UINT64_MAX);

	if (milliseconds == UINT64_MAX)
		return otherwise;
	return milliseconds / 1000 < UINT32_MAX ? (uint32_t)(milliseconds / 1000) : UINT32_MAX;
}

static void
read_address(const struct lyd_node *node, const char *leaf, struct weft_prefix *address)
{
	const char *text = model_text(node, leaf);

	if (text != NULL)
		model_parse_address(text, address);
}

/* ---- what a port does for hosts ------------------------------------------------------------- */

static int
read_pools(const struct lyd_node *node, struct router_port_settings *settings)
{
	const struct lyd_node *entry = model_child(node, "pools");
	struct weft_prefix(*pools)[2] = take(settings, count(node, "pools"), sizeof(*pools));

	settings->dhcp.pools = pools;
	for (; pools != NULL && entry != NULL; entry = model_next(entry))
		if (model_parse_range(model_value(entry), pools[settings->dhcp.n_pools++]) < 0)
			return -1;
	return pools != NULL ? 0 : -1;
}

static int
read_options(const struct lyd_node *node, struct router_port_settings *settings)
{
	const struct lyd_node *entry = model_child(node, "options");
	struct weft_dhcp_option *options = take(settings, count(node, "options"), sizeof(*options));
	uint8_t bytes[UINT8_MAX], *kept;

	settings->dhcp.options = options;
	for (; options != NULL && entry != NULL; entry = model_next(entry)) {
		const char *text = model_text(entry, "value");
		int length = text != NULL ? model_parse_octets(text, bytes, sizeof(bytes)) : -1;

		kept = length > 0 ? take(settings, (size_t)length, 1) : NULL;
		if (kept == NULL)
			return -1;
		memcpy(kept, bytes, (size_t)length);
		options[settings->dhcp.n_options++] =
			(struct weft_dhcp_option){ (uint8_t)model_number(entry, "code", 0), kept,
				(unsigned)length };
	}
	return options != NULL ? 0 : -1;
}

static int
read_reservations(const struct lyd_node *node, struct router_port_settings *settings)
{
	const struct lyd_node *entry = model_child(node, "reservations");
	struct weft_dhcp_reservation *list =
		take(settings, count(node, "reservations"), sizeof(*list));

	settings->dhcp.reservations = list;
	for (; list != NULL && entry != NULL; entry = model_next(entry)) {
		struct weft_dhcp_reservation *reservation = &list[settings->dhcp.n_reservations++];

		if (model_parse_mac(model_key(entry), reservation->mac) < 0)
			return -1;
		read_address(entry, "ip", &reservation->address);
		reservation->host_name = model_text(entry, "hostname");
	}
	return list != NULL ? 0 : -1;
}

static int
read_dhcp(const struct lyd_node *node, struct router_port_settings *settings)
{
	struct weft_dhcp_config *dhcp = &settings->dhcp;
	const char *network = model_text(node, "network");

	if (node == NULL)
		return 0;
	settings->config.dhcp = dhcp;
	if (network != NULL && model_parse_prefix(network, &dhcp->network) < 0)
		return -1;
	dhcp->lease_s = seconds(node, "lease-time", 0);
	read_address(node, "gateway", &dhcp->gateway);
	read_address(node, "next-server", &dhcp->next_server);
	dhcp->domain = model_text(node, "domain");
	dhcp->boot_file = model_text(node, "boot-file");
	if (read_addresses(node, "dns", false, settings, &dhcp->dns, &dhcp->n_dns) < 0 ||
		read_addresses(node, "ntp", false, settings, &dhcp->ntp, &dhcp->n_ntp) < 0 ||
		read_names(node, "search", settings, &dhcp->search, &dhcp->n_search) < 0)
		return -1;
	if (read_pools(node, settings) < 0 || read_options(node, settings) < 0)
		return -1;
	return read_reservations(node, settings);
}

static int
read_ra_prefixes(const struct lyd_node *node, struct router_port_settings *settings)
{
	const struct lyd_node *entry = model_child(node, "prefixes");
	struct weft_ra_prefix *list = take(settings, count(node, "prefixes"), sizeof(*list));

	settings->ra.prefixes = list;
	for (; list != NULL && entry != NULL; entry = model_next(entry)) {
		struct weft_ra_prefix *prefix = &list[settings->ra.n_prefixes++];

		if (model_parse_prefix(model_key(entry), &prefix->prefix) < 0)
			return -1;
		prefix->off_link = !model_flag(entry, "on-link", true);
		prefix->not_autonomous = !model_flag(entry, "autonomous", true);
		prefix->valid_s = seconds(entry, "valid", 0);
		prefix->preferred_s = seconds(entry, "preferred", 0);
	}
	return list != NULL ? 0 : -1;
}

static int
read_ra(const struct lyd_node *node, struct router_port_settings *settings)
{
	static const char *const preferences[] = {
		[WEFT_RA_MEDIUM] = "medium",
		[WEFT_RA_HIGH] = "high",
		[WEFT_RA_LOW] = "low",
	};
	struct weft_ra_config *ra = &settings->ra;

	if (node == NULL)
		return 0;
	settings->config.ra = ra;
	ra->interval_s = seconds(node, "interval", 0);
	ra->lifetime_s = seconds(node, "lifetime", WEFT_RA_DEFAULT);
	ra->managed = model_flag(node, "managed", false);
	ra->other = model_flag(node, "other", false);
	ra->preference = (enum weft_ra_preference)choice(node, "preference", preferences, 3);
	ra->mtu = (uint32_t)model_number(node, "mtu", 0);
	if (read_addresses(node, "dns", false, settings, &ra->dns, &ra->n_dns) < 0 ||
		read_names(node, "search", settings, &ra->search, &ra->n_search) < 0)
		return -1;
	return read_ra_prefixes(node, settings);
}

static bool
same_child(const struct lyd_node *a, const struct lyd_node *b, const char *name)
{
	const struct lyd_node *first = model_child(a, name), *second = model_child(b, name);

	if (first == NULL || second == NULL)
		return first == second;
	return lyd_compare_single(first, second, LYD_COMPARE_FULL_RECURSION) == LY_SUCCESS;
}

bool
router_port_hosts_same(const struct lyd_node *a, const struct lyd_node *b)
{
	return same_child(a, b, "dhcp") && same_child(a, b, "dhcp-relay") &&
	       same_child(a, b, "advertise");
}

/* ---- all of a port -------------------------------------------------------------------------- */

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
	if (read_addresses(node, "ip", true, settings, &config->addresses, &config->n_addresses) ==
			0 &&
		read_addresses(model_child(node, "dhcp-relay"), "servers", false, settings,
			&config->dhcp_relay, &config->n_dhcp_relay) == 0 &&
		read_dhcp(model_child(node, "dhcp"), settings) == 0 &&
		read_ra(model_child(node, "advertise"), settings) == 0)
		return 0;
	router_port_config_free(settings);
	return error_memory(error);
}

void
router_port_config_free(struct router_port_settings *settings)
{
	arena_free(&settings->memory);
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
