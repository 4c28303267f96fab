/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeping the kernel's side of a tap as the configuration says. */
#include "base/error.h"
#include "base/log.h"
#include "graph/engine.h"
#include "nic/tap_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What of the configured list was found in the kernel, and what of ours is too much there. */
struct comparison {
	const struct weft_prefix *wanted;
	unsigned n_wanted;
	bool *found; /* by index in wanted */
	struct weft_prefix *extra;
	unsigned n_extra;
	bool whole; /* compare prefix lengths, too */
	bool no_memory;
};

static void
compare(struct comparison *comparison, const struct weft_prefix *prefix, bool ours)
{
	struct weft_prefix *more;

	for (unsigned i = 0; i < comparison->n_wanted; i++) {
		struct weft_prefix wanted = comparison->wanted[i];

		if (!comparison->whole)
			wanted.length = prefix->length;
		if (prefix_equal(&wanted, prefix)) {
			comparison->found[i] = true;
			return;
		}
	}
	if (!ours)
		return;
	more = realloc(comparison->extra, (comparison->n_extra + 1) * sizeof(*more));
	if (more == NULL) {
		comparison->no_memory = true;
		return;
	}
	comparison->extra = more;
	more[comparison->n_extra++] = *prefix;
}

static int
compare_address(const struct netlink_address *address, void *argument)
{
	if (!address->link_local || address->ours)
		compare(argument, &address->prefix, address->ours);
	return 0;
}

static int
compare_route(const struct netlink_route *route, void *argument)
{
	compare(argument, &route->gateway, route->ours);
	return 0;
}

static int
comparison_open(struct comparison *comparison, const struct weft_prefix *wanted, unsigned n_wanted,
	bool whole, struct weft_error *error)
{
	*comparison = (struct comparison){ .wanted = wanted,
		.n_wanted = n_wanted,
		.whole = whole,
		.found = calloc(n_wanted + 1, sizeof(bool)) };
	return comparison->found != NULL ? 0 : error_memory(error);
}

static void
comparison_close(struct comparison *comparison)
{
	free(comparison->found);
	free(comparison->extra);
}

static void
tell_mended(const struct tap *tap, const char *what)
{
	if (tap->as_configured)
		log_info("interface %s: %s was changed by somebody, and is set back",
			tap->interface, what);
}

static int
reconcile_addresses(struct tap *tap, struct weft_error *error)
{
	const struct weft_nic_config *config = tap->nic->config;
	struct comparison comparison;
	int result;

	if (comparison_open(&comparison, config->addresses, config->n_addresses, true, error) < 0)
		return -1;
	result = netlink_addresses(&tap->netlink, tap->index, compare_address, &comparison, error);
	if (result == 0 && comparison.no_memory)
		result = error_memory(error);
	for (unsigned i = 0; result == 0 && i < comparison.n_extra; i++)
		result = netlink_address_delete(
			&tap->netlink, tap->index, &comparison.extra[i], error);
	for (unsigned i = 0; result == 0 && i < config->n_addresses; i++) {
		if (comparison.found[i])
			continue;
		tell_mended(tap, "an address");
		result = netlink_address_add(
			&tap->netlink, tap->index, &config->addresses[i], error);
	}
	comparison_close(&comparison);
	return result;
}

/* A gateway that no address of the vnic is next to is taken to be on the link all the same. */
static bool
is_on_link(const struct weft_nic_config *config, const struct weft_prefix *gateway)
{
	for (unsigned i = 0; i < config->n_addresses; i++)
		if (prefix_contains(&config->addresses[i], gateway))
			return false;
	return gateway->family != 6 || gateway->address[0] != 0xfe;
}

static int
add_route(struct tap *tap, const struct weft_prefix *gateway, struct weft_error *error)
{
	char text[PREFIX_TEXT_SIZE];

	tell_mended(tap, "a default route");
	if (netlink_default_route_add(&tap->netlink, tap->index, gateway,
		    is_on_link(tap->nic->config, gateway), error) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	return error_set(error, EEXIST,
		"cannot add the default route via %s: the namespace has another one",
		prefix_text(gateway, false, text));
}

static int
reconcile_routes(struct tap *tap, struct weft_error *error)
{
	const struct weft_nic_config *config = tap->nic->config;
	struct comparison comparison;
	int result;

	if (comparison_open(&comparison, config->gateways, config->n_gateways, false, error) < 0)
		return -1;
	result = netlink_default_routes(
		&tap->netlink, tap->index, compare_route, &comparison, error);
	if (result == 0 && comparison.no_memory)
		result = error_memory(error);
	for (unsigned i = 0; result == 0 && i < comparison.n_extra; i++)
		result = netlink_default_route_delete(
			&tap->netlink, tap->index, &comparison.extra[i], error);
	for (unsigned i = 0; result == 0 && i < config->n_gateways; i++)
		if (!comparison.found[i])
			result = add_route(tap, &config->gateways[i], error);
	comparison_close(&comparison);
	return result;
}

/* Linux before 6.2 renames an interface only while it is down. */
static int
rename_back(struct tap *tap, bool up, struct weft_error *error)
{
	struct netlink_link_change change = { .set = NETLINK_SET_NAME, .name = tap->interface };

	tell_mended(tap, "the name");
	if (netlink_link_set(&tap->netlink, tap->index, &change, error) == 0)
		return 0;
	if (errno != EBUSY || !up)
		return -1;
	change.set = NETLINK_SET_UP;
	change.up = false;
	if (netlink_link_set(&tap->netlink, tap->index, &change, error) < 0)
		return -1;
	change.set = NETLINK_SET_NAME;
	return netlink_link_set(&tap->netlink, tap->index, &change, error);
}

static int
reconcile_link(struct tap *tap, const struct netlink_link *link, struct weft_error *error)
{
	struct netlink_link_change change = {
		.up = true, .alias = tap->mark, .mtu = tap->nic->mtu
	};
	struct weft_nic *nic = tap->nic;
	static const uint8_t none[6];

	if (strcmp(link->name, tap->interface) != 0 &&
		rename_back(tap, link->flags & IFF_UP, error) < 0)
		return -1;
	if (strcmp(link->alias, tap->mark) != 0)
		change.set |= NETLINK_SET_ALIAS;
	if (link->mtu != nic->mtu) {
		tell_mended(tap, "the MTU");
		change.set |= NETLINK_SET_MTU;
	}
	if (memcmp(nic->config->mac, none, 6) != 0 && memcmp(nic->config->mac, link->mac, 6) != 0) {
		tell_mended(tap, "the MAC address");
		change.set |= NETLINK_SET_MAC;
		memcpy(change.mac, nic->config->mac, 6);
	}
	if (!(link->flags & IFF_UP)) {
		tell_mended(tap, "the state (down)");
		change.set |= NETLINK_SET_UP;
	}
	if (change.set != 0 && netlink_link_set(&tap->netlink, tap->index, &change, error) < 0)
		return -1;
	memcpy(nic->mac, change.set & NETLINK_SET_MAC ? change.mac : link->mac, 6);
	return 0;
}

enum nic_result
tap_reconcile(struct tap *tap, struct weft_error *error)
{
	struct netlink_link link;

	if (netlink_link_by_index(&tap->netlink, tap->index, &link, error) < 0) {
		if (errno != ENODEV)
			return NIC_FAILED;
		error_set(error, ENODEV, "the interface %s was removed", tap->interface);
		return NIC_ABSENT;
	}
	if (reconcile_link(tap, &link, error) < 0 || reconcile_addresses(tap, error) < 0 ||
		reconcile_routes(tap, error) < 0) {
		tap->as_configured = false;
		return NIC_FAILED;
	}
	tap->as_configured = true;
	return NIC_OK;
}
