/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/dhcp/dhcp_subnet.h"

#include "base/error.h"
#include "protocols/domain_name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ---------------------------------------------------------------------------------- */

void
dhcp_key_hardware(struct dhcp_key *key, uint8_t htype, const uint8_t *address, uint8_t length)
{
	key->bytes[0] = DHCP_KEY_HARDWARE;
	key->bytes[1] = htype;
	memcpy(key->bytes + 2, address, length);
	key->length = (uint16_t)(2 + length);
}

void
dhcp_key_client_id(struct dhcp_key *key, const uint8_t *id, unsigned length)
{
	key->bytes[0] = DHCP_KEY_CLIENT_ID;
	memcpy(key->bytes + 1, id, length);
	key->length = (uint16_t)(1 + length);
}

static int
compare_keys(const struct dhcp_key *a, const struct dhcp_key *b)
{
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(a->bytes, b->bytes, a->length);
}

static int
compare_addresses(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/* ---- looking up ---------------------------------------------------------------------------- */

const struct dhcp_reserved *
dhcp_reserved_address(const struct dhcp_subnet *subnet, uint32_t address)
{
	unsigned low = 0, high = subnet->n_reserved;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = compare_addresses(address, subnet->by_address[middle]->address);

		if (order == 0)
			return subnet->by_address[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct dhcp_reserved *
dhcp_reserved_key(const struct dhcp_subnet *subnet, const struct dhcp_key *key)
{
	unsigned low = 0, high = subnet->n_reserved;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = compare_keys(key, &subnet->by_key[middle]->key);

		if (order == 0)
			return subnet->by_key[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static bool
in_pools(const struct dhcp_subnet *subnet, uint32_t address)
{
	for (unsigned i = 0; i < subnet->n_pools; i++) {
		if (address >= subnet->pools[i].first && address <= subnet->pools[i].last)
			return true;
	}
	return false;
}

bool
dhcp_subnet_pooled(const struct dhcp_subnet *subnet, uint32_t address)
{
	for (unsigned i = 0; i < subnet->n_kept; i++) {
		if (subnet->kept[i] == address)
			return false;
	}
	return in_pools(subnet, address) && dhcp_reserved_address(subnet, address) == NULL;
}

/* ---- errors -------------------------------------------------------------------------------- */

/* All return -1. */
static int
wrong_address(struct weft_error *error, const char *what, uint32_t address, const char *why)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr in = { htonl(address) };

	inet_ntop(AF_INET, &in, text, sizeof(text));
	return error_set(error, EINVAL, "DHCP %s %s %s", what, text, why);
}

/* ---- options ------------------------------------------------------------------------------- */

#define OPTION_LIMIT 1024

/* An option with no bytes is left out. 0 or -1. */
static int
encode(struct dhcp_subnet *subnet, uint8_t code, const uint8_t *bytes, unsigned length, bool always,
	struct weft_error *error)
{
	uint8_t *copy;

	if (length > OPTION_LIMIT)
		return error_set(error, EINVAL, "DHCP option %u has %u bytes; it can have %u", code,
			length, OPTION_LIMIT);
	copy = arena_take(&subnet->arena, length + 1);
	if (copy == NULL)
		return error_memory(error);
	if (length != 0)
		memcpy(copy, bytes, length);
	subnet->options[code] = (struct dhcp_encoded){ copy, (uint16_t)length, always };
	return 0;
}

static int
encode_addresses(struct dhcp_subnet *subnet, uint8_t code, const uint32_t *addresses,
	unsigned count, struct weft_error *error)
{
	uint8_t bytes[OPTION_LIMIT];

	if (count == 0)
		return 0;
	if (count > OPTION_LIMIT / 4)
		return error_set(error, EINVAL, "DHCP option %u has %u addresses; it can have %u",
			code, count, OPTION_LIMIT / 4);
	for (unsigned i = 0; i < count; i++)
		dhcp_put32(bytes + 4 * i, addresses[i]);
	return encode(subnet, code, bytes, 4 * count, false, error);
}

static int
encode_search(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	uint8_t bytes[OPTION_LIMIT + DOMAIN_NAME_ROOM];
	unsigned at = 0, length;

	for (unsigned i = 0; i < config->n_search; i++) {
		length = domain_name_encode(bytes + at, config->search[i]);
		at += length;
		if (length == 0 || at > OPTION_LIMIT)
			return error_set(error, EINVAL, "DHCP search domain %s is %s",
				config->search[i], length == 0 ? "no domain name" : "one too many");
	}
	if (at == 0)
		return 0;
	return encode(subnet, DHCP_OPTION_SEARCH, bytes, at, false, error);
}

/* RFC 3442: only the bytes of the prefix that count. */
static unsigned
append_route(uint8_t *bytes, unsigned at, const struct dhcp_route *route)
{
	uint8_t prefix[4];
	unsigned significant = (route->length + 7u) / 8;

	dhcp_put32(prefix, route->prefix);
	bytes[at++] = route->length;
	memcpy(bytes + at, prefix, significant);
	at += significant;
	dhcp_put32(bytes + at, route->gateway);
	return at + 4;
}

static uint32_t
mask_of(unsigned length)
{
	return length == 0 ? 0 : UINT32_MAX << (32 - length);
}

#define ROUTES_LIMIT (OPTION_LIMIT / 9)

static int
encode_routes(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	uint8_t bytes[OPTION_LIMIT];
	bool has_default = false;
	unsigned at = 0;

	if (config->n_routes == 0)
		return 0;
	if (config->n_routes >= ROUTES_LIMIT)
		return error_set(error, EINVAL, "DHCP can give %u routes, not %u", ROUTES_LIMIT - 1,
			config->n_routes);
	for (unsigned i = 0; i < config->n_routes; i++) {
		const struct dhcp_route *route = &config->routes[i];

		if (route->length > 32 || (route->prefix & ~mask_of(route->length)) != 0)
			return wrong_address(
				error, "route", route->prefix, "has bits behind its length");
		has_default = has_default || route->length == 0;
		at = append_route(bytes, at, route);
	}
	if (!has_default && config->n_gateways != 0) {
		struct dhcp_route route = { .gateway = config->gateways[0] };

		at = append_route(bytes, at, &route);
	}
	return encode(subnet, DHCP_OPTION_ROUTES, bytes, at, false, error);
}

/* Those that the protocol itself writes, and what is no option. */
static bool
is_own(uint8_t code)
{
	switch (code) {
	case DHCP_OPTION_PAD:
	case DHCP_OPTION_REQUESTED:
	case DHCP_OPTION_LEASE_TIME:
	case DHCP_OPTION_OVERLOAD:
	case DHCP_OPTION_TYPE:
	case DHCP_OPTION_SERVER:
	case DHCP_OPTION_PARAMETERS:
	case DHCP_OPTION_MESSAGE:
	case DHCP_OPTION_MAX_SIZE:
	case DHCP_OPTION_T1:
	case DHCP_OPTION_T2:
	case DHCP_OPTION_CLIENT_ID:
	case DHCP_OPTION_RELAY:
	case DHCP_OPTION_END:
		return true;
	default:
		return false;
	}
}

static int
encode_raw(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	for (unsigned i = 0; i < config->n_options; i++) {
		const struct dhcp_option_config *option = &config->options[i];

		if (is_own(option->code))
			return error_set(error, EINVAL,
				"DHCP option %u is the protocol's own and cannot be set",
				option->code);
		if (encode(subnet, option->code, option->bytes, option->length, option->always,
			    error) < 0)
			return -1;
	}
	return 0;
}

static int
encode_all(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	uint32_t broadcast = subnet->prefix | ~subnet->mask;
	const char *domain = config->domain;

	if (encode_addresses(subnet, DHCP_OPTION_MASK, &subnet->mask, 1, error) < 0 ||
		encode_addresses(subnet, DHCP_OPTION_ROUTER, config->gateways, config->n_gateways,
			error) < 0 ||
		encode_addresses(subnet, DHCP_OPTION_DNS, config->dns, config->n_dns, error) < 0 ||
		encode_addresses(subnet, DHCP_OPTION_BROADCAST, &broadcast, 1, error) < 0 ||
		encode_addresses(subnet, DHCP_OPTION_NTP, config->ntp, config->n_ntp, error) < 0)
		return -1;
	if (domain != NULL && encode(subnet, DHCP_OPTION_DOMAIN, (const uint8_t *)domain,
				      (unsigned)strlen(domain), false, error) < 0)
		return -1;
	if (encode_search(subnet, config, error) < 0 || encode_routes(subnet, config, error) < 0)
		return -1;
	subnet->options[DHCP_OPTION_MASK].always = true;
	return encode_raw(subnet, config, error);
}

/* ---- pools and reservations ---------------------------------------------------------------- */

static int
range_order(const void *a, const void *b)
{
	return compare_addresses(
		((const struct dhcp_range *)a)->first, ((const struct dhcp_range *)b)->first);
}

static int
take_pools(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	subnet->n_pools = config->n_pools;
	subnet->pools = arena_take(&subnet->arena, (config->n_pools + 1) * sizeof(*subnet->pools));
	if (subnet->pools == NULL)
		return error_memory(error);
	for (unsigned i = 0; i < config->n_pools; i++) {
		const struct dhcp_range *pool = &config->pools[i];

		if (pool->first > pool->last)
			return wrong_address(error, "pool from", pool->first, "ends before it");
		if (!dhcp_subnet_is_host(subnet, pool->first))
			return wrong_address(
				error, "pool from", pool->first, "is not in the port's network");
		if (!dhcp_subnet_is_host(subnet, pool->last))
			return wrong_address(
				error, "pool to", pool->last, "is not in the port's network");
		subnet->pools[i] = *pool;
	}
	qsort(subnet->pools, subnet->n_pools, sizeof(*subnet->pools), range_order);
	for (unsigned i = 1; i < subnet->n_pools; i++) {
		if (subnet->pools[i].first <= subnet->pools[i - 1].last)
			return wrong_address(error, "pool from", subnet->pools[i].first,
				"overlaps with another");
	}
	return 0;
}

static int
key_order(const void *a, const void *b)
{
	return compare_keys(&(*(struct dhcp_reserved *const *)a)->key,
		&(*(struct dhcp_reserved *const *)b)->key);
}

static int
address_order(const void *a, const void *b)
{
	return compare_addresses((*(struct dhcp_reserved *const *)a)->address,
		(*(struct dhcp_reserved *const *)b)->address);
}

static int
reserve(struct dhcp_subnet *subnet, struct dhcp_reserved *reserved,
	const struct dhcp_reservation *config, struct weft_error *error)
{
	if (!dhcp_subnet_is_host(subnet, config->address))
		return wrong_address(
			error, "reservation", config->address, "is not in the port's network");
	if (config->address == subnet->server)
		return wrong_address(error, "reservation", config->address, "is the port's own");
	if (config->client_id != NULL &&
		(config->client_id_length < 2 || config->client_id_length > 255))
		return wrong_address(error, "reservation", config->address,
			"has a client id of less than 2 or more than 255 bytes");
	if (config->host_name != NULL && strlen(config->host_name) > DHCP_NAME_LENGTH)
		return wrong_address(error, "reservation", config->address,
			"has a host name of more than 63 characters");
	if (config->client_id != NULL)
		dhcp_key_client_id(&reserved->key, config->client_id, config->client_id_length);
	else
		dhcp_key_hardware(&reserved->key, DHCP_ETHERNET, config->mac, 6);
	reserved->address = config->address;
	if (config->host_name == NULL)
		return 0;
	reserved->host_name = arena_format(&subnet->arena, "%s", config->host_name);
	return reserved->host_name != NULL ? 0 : error_memory(error);
}

static int
check_twice(const struct dhcp_subnet *subnet, struct weft_error *error)
{
	for (unsigned i = 1; i < subnet->n_reserved; i++) {
		if (subnet->by_address[i]->address == subnet->by_address[i - 1]->address)
			return wrong_address(error, "reservation", subnet->by_address[i]->address,
				"is there twice");
		if (compare_keys(&subnet->by_key[i]->key, &subnet->by_key[i - 1]->key) == 0)
			return wrong_address(error, "reservation", subnet->by_key[i]->address,
				"is for a client that has another one");
	}
	return 0;
}

static int
take_reservations(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	unsigned count = config->n_reservations;
	struct dhcp_reserved *all = arena_take(&subnet->arena, (count + 1) * sizeof(*all));

	subnet->n_reserved = count;
	subnet->by_key = arena_take(&subnet->arena, (count + 1) * sizeof(*subnet->by_key));
	subnet->by_address = arena_take(&subnet->arena, (count + 1) * sizeof(*subnet->by_address));
	if (all == NULL || subnet->by_key == NULL || subnet->by_address == NULL)
		return error_memory(error);
	for (unsigned i = 0; i < count; i++) {
		if (reserve(subnet, &all[i], &config->reservations[i], error) < 0)
			return -1;
		subnet->by_key[i] = subnet->by_address[i] = &all[i];
	}
	qsort(subnet->by_key, count, sizeof(*subnet->by_key), key_order);
	qsort(subnet->by_address, count, sizeof(*subnet->by_address), address_order);
	return check_twice(subnet, error);
}

static int
take_kept(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	subnet->kept = arena_take(&subnet->arena, (config->n_gateways + 1) * sizeof(*subnet->kept));
	if (subnet->kept == NULL)
		return error_memory(error);
	subnet->kept[subnet->n_kept++] = config->server;
	for (unsigned i = 0; i < config->n_gateways; i++)
		subnet->kept[subnet->n_kept++] = config->gateways[i];
	return 0;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int
take_text(char *to, size_t size, const char *text, const char *what, struct weft_error *error)
{
	if (text == NULL)
		return 0;
	if (strlen(text) >= size)
		return error_set(
			error, EINVAL, "DHCP %s has more than %zu characters", what, size - 1);
	strcpy(to, text);
	return 0;
}

static int
take_times(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	uint32_t lease = config->lease_time != 0 ? config->lease_time : DHCP_LEASE_DEFAULT;

	if (lease < DHCP_LEASE_LEAST)
		return error_set(error, EINVAL, "DHCP lease of %u s; it has to be %u at least",
			lease, DHCP_LEASE_LEAST);
	subnet->lease_time = lease;
	subnet->t1 = config->t1;
	subnet->t2 = config->t2;
	if (config->t2 != 0 && (config->t2 >= lease || config->t1 >= config->t2))
		return error_set(error, EINVAL,
			"DHCP times: renewal (%u s) has to be before rebinding (%u s), and that "
			"before the lease ends (%u s)",
			config->t1, config->t2, lease);
	if (config->t1 >= lease)
		return error_set(error, EINVAL, "DHCP renewal (%u s) after the lease ends (%u s)",
			config->t1, lease);
	return 0;
}

static int
take_network(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	if (config->length < 1 || config->length > 30)
		return error_set(error, EINVAL,
			"DHCP needs a network of prefix length 1 to 30, not %u", config->length);
	subnet->mask = mask_of(config->length);
	if ((config->prefix & ~subnet->mask) != 0)
		return wrong_address(
			error, "network", config->prefix, "has bits behind its length");
	subnet->prefix = config->prefix;
	subnet->server = config->server;
	if (config->server == 0)
		return error_set(error, EINVAL, "DHCP server has no address");
	subnet->next_server = config->next_server;
	subnet->limit = config->limit != 0 ? config->limit : DHCP_LIMIT_DEFAULT;
	subnet->authoritative = !config->not_authoritative;
	return 0;
}

static int
take_all(struct dhcp_subnet *subnet, const struct dhcp_server_config *config,
	struct weft_error *error)
{
	if (take_network(subnet, config, error) < 0 || take_times(subnet, config, error) < 0 ||
		take_kept(subnet, config, error) < 0 || take_pools(subnet, config, error) < 0 ||
		take_reservations(subnet, config, error) < 0)
		return -1;
	if (take_text(subnet->server_name, sizeof(subnet->server_name), config->server_name,
		    "server name", error) < 0 ||
		take_text(subnet->boot_file, sizeof(subnet->boot_file), config->boot_file,
			"boot file", error) < 0)
		return -1;
	return encode_all(subnet, config, error);
}

struct dhcp_subnet *
dhcp_subnet_make(const struct dhcp_server_config *config, struct weft_error *error)
{
	struct dhcp_subnet *subnet = calloc(1, sizeof(*subnet));

	if (subnet == NULL) {
		error_memory(error);
		return NULL;
	}
	if (take_all(subnet, config, error) == 0)
		return subnet;
	dhcp_subnet_free(subnet);
	return NULL;
}

void
dhcp_subnet_free(struct dhcp_subnet *subnet)
{
	if (subnet == NULL)
		return;
	arena_free(&subnet->arena);
	free(subnet);
}
