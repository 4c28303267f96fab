/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/nic_config.h"

#include "base/error.h"
#include "model/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libyang/libyang.h>
#include <stdio.h>
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

/* "10.0.0.1/24", "2001:db8::1/64", and both without a length */
static int
read_prefix(const char *text, struct weft_prefix *prefix, struct weft_error *error)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	unsigned long bits = family == AF_INET6 ? 128 : 32, most = bits;
	char address[INET6_ADDRSTRLEN];

	*prefix = (struct weft_prefix){ .family = family == AF_INET6 ? 6 : 4 };
	if (length >= sizeof(address))
		return error_set(error, EINVAL, "'%s' is not an address", text);
	memcpy(address, text, length);
	address[length] = '\0';
	if (slash != NULL)
		bits = strtoul(slash + 1, NULL, 10);
	if (inet_pton(family, address, prefix->address) != 1 || bits > most)
		return error_set(error, EINVAL, "'%s' is not an address", text);
	prefix->length = (uint8_t)bits;
	return 0;
}

static int
read_prefixes(const struct lyd_node *node, const char *name, struct weft_prefix *prefixes,
	struct weft_error *error)
{
	const struct lyd_node *entry = model_child(node, name);

	for (; entry != NULL; entry = model_next(entry))
		if (read_prefix(lyd_get_value(entry), prefixes++, error) < 0)
			return -1;
	return 0;
}

static void
read_netns(const struct lyd_node *attach, struct weft_nic_config *config)
{
	static const struct {
		const char *leaf;
		enum weft_netns_kind kind;
	} kinds[] = {
		{ "netns", WEFT_NETNS_NAME },
		{ "pid", WEFT_NETNS_PID },
		{ "path", WEFT_NETNS_PATH },
	};

	config->netns_kind = WEFT_NETNS_HOST;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *text = model_text(attach, kinds[i].leaf);

		if (text == NULL)
			continue;
		config->netns_kind = kinds[i].kind;
		config->netns = text;
	}
	config->netns_create = model_flag(attach, "create", false);
}

static void
read_attach(const struct lyd_node *attach, struct weft_nic_config *config)
{
	const char *interface = model_text(attach, "interface");

	config->devargs = model_text(attach, "dpdk");
	if (model_flag(attach, "memory", false))
		config->kind = WEFT_NIC_MEMORY;
	else if (config->devargs != NULL)
		config->kind = WEFT_NIC_DPDK;
	else
		config->kind = interface != NULL ? WEFT_NIC_INTERFACE : WEFT_NIC_TAP;
	config->interface = interface != NULL ? interface : model_text(attach, "name");
	read_netns(attach, config);
}

static void
read_mac(const struct lyd_node *node, uint8_t mac[6])
{
	const char *text = model_text(node, "mac");

	if (text != NULL)
		sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
			&mac[4], &mac[5]);
}

int
nic_config_read(
	const struct lyd_node *node, struct nic_settings *settings, struct weft_error *error)
{
	struct weft_nic_config *config = &settings->config;
	unsigned addresses = count(node, "ip"), gateways = count(node, "gateway");

	*settings = (struct nic_settings){ 0 };
	settings->prefixes = calloc(addresses + gateways + 1, sizeof(*settings->prefixes));
	if (settings->prefixes == NULL)
		return error_memory(error);
	read_attach(model_child(node, "attach"), config);
	read_mac(node, config->mac);
	config->mtu = (uint32_t)model_number(node, "mtu", 0);
	config->queues = (unsigned)model_number(node, "queues", 0);
	config->addresses = settings->prefixes;
	config->n_addresses = addresses;
	config->gateways = settings->prefixes + addresses;
	config->n_gateways = gateways;
	if (read_prefixes(node, "ip", settings->prefixes, error) == 0 &&
		read_prefixes(node, "gateway", settings->prefixes + addresses, error) == 0)
		return 0;
	nic_config_free(settings);
	return -1;
}

void
nic_config_free(struct nic_settings *settings)
{
	free(settings->prefixes);
	*settings = (struct nic_settings){ 0 };
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_prefixes(const struct weft_prefix *a, unsigned n_a, const struct weft_prefix *b, unsigned n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

bool
nic_config_same(const struct weft_nic_config *a, const struct weft_nic_config *b)
{
	return a->kind == b->kind && a->netns_kind == b->netns_kind &&
	       same_text(a->netns, b->netns) && a->netns_create == b->netns_create &&
	       same_text(a->interface, b->interface) && same_text(a->devargs, b->devargs) &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 && a->mtu == b->mtu &&
	       a->queues == b->queues &&
	       same_prefixes(a->addresses, a->n_addresses, b->addresses, b->n_addresses) &&
	       same_prefixes(a->gateways, a->n_gateways, b->gateways, b->n_gateways);
}
