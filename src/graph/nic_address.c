/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/nic_address.h"

#include "base/error.h"
#include "graph/engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <rte_ether.h>
#include <string.h>

static size_t
address_length(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static bool
on_link(const struct weft_prefix *prefix, uint8_t family, const uint8_t *address)
{
	unsigned whole = prefix->length / 8, rest = prefix->length % 8;

	if (prefix->family != family || memcmp(prefix->address, address, whole) != 0)
		return false;
	return rest == 0 || (prefix->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static const char *
nic_path(const struct weft_nic *nic)
{
	return nic->network != NULL ? nic->network->name : "uplink";
}

static int
no_way(const struct weft_nic *nic, uint8_t family, const uint8_t *address, bool any_address,
	struct weft_error *error)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, sizeof(text));
	if (!any_address)
		return error_set(error, EADDRNOTAVAIL,
			"vnic %s/%s has no IPv%u address to send to %s from; give it one (ip:)",
			nic_path(nic), nic->name, family, text);
	return error_set(error, ENETUNREACH,
		"vnic %s/%s has no way to %s: it is in none of its prefixes, and it has no IPv%u "
		"gateway",
		nic_path(nic), nic->name, text, family);
}

int
nic_way_to(const struct weft_nic *nic, uint8_t family, const uint8_t *address, struct nic_way *way,
	struct weft_error *error)
{
	const struct weft_nic_config *config = nic->config;
	size_t length = address_length(family);
	const struct weft_prefix *own = NULL, *gateway = NULL;

	*way = (struct nic_way){ 0 };
	memcpy(way->mac, nic->mac, sizeof(way->mac));
	memcpy(way->next_hop, address, length);
	for (unsigned i = 0; i < config->n_addresses; i++) {
		const struct weft_prefix *prefix = &config->addresses[i];

		if (own == NULL && prefix->family == family)
			own = prefix;
		if (on_link(prefix, family, address)) {
			memcpy(way->source, prefix->address, length);
			goto found;
		}
	}
	for (unsigned i = 0; i < config->n_gateways && gateway == NULL; i++)
		if (config->gateways[i].family == family)
			gateway = &config->gateways[i];
	if (own == NULL || gateway == NULL)
		return no_way(nic, family, address, own != NULL, error);
	memcpy(way->next_hop, gateway->address, length);
	way->gateway = true;
	/* of several addresses the one that shares the gateway's prefix */
	for (unsigned i = 0; i < config->n_addresses; i++)
		if (on_link(&config->addresses[i], family, gateway->address))
			own = &config->addresses[i];
	memcpy(way->source, own->address, length);
found:
	if (rte_is_zero_ether_addr((const struct rte_ether_addr *)way->mac))
		return error_set(error, EADDRNOTAVAIL,
			"the MAC address behind vnic %s/%s is not known; give it one (mac:)",
			nic_path(nic), nic->name);
	return 0;
}

struct weft_nic *
nic_with_address(
	struct weft *weft, struct weft_network *network, uint8_t family, const uint8_t *address)
{
	struct weft_nic *other;

	TAILQ_FOREACH(other, engine_nics(weft, network), entry)
	{
		for (unsigned i = 0; i < other->config->n_addresses; i++) {
			const struct weft_prefix *prefix = &other->config->addresses[i];

			if (prefix->family == family &&
				memcmp(prefix->address, address, address_length(family)) == 0)
				return other;
		}
	}
	return NULL;
}
