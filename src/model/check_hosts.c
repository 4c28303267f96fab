/* SPDX-License-Identifier: BSD-3-Clause */
/* What routers' ports do for hosts: DHCP, router advertisements. */
#include "model/build.h"
#include "model/check.h"
#include "model/value.h"

#include <string.h>

#define SECOND UINT64_C(1000)
#define RELAY_SERVERS 8
#define RA_NAMES 8        /* of one advertisement */
#define RA_PREFIXES 16    /* likewise */
#define DHCP_ADDRESSES 63 /* of one option */
#define SLAAC_LENGTH 64

/* An address of the family, or told. */
static bool
has_family(struct checker *checker, const struct lyd_node *leaf, unsigned family, const char *who)
{
	struct weft_prefix address;

	if (!value_address(model_value(leaf), false, &address) || address.family == family)
		return address.family == family;
	check_wrong(checker, leaf, NULL, NULL, "%s: %s is of IPv%u, and %s of IPv%u",
		leaf->schema->name, model_value(leaf), address.family, who, family);
	return false;
}

static void
check_addresses(struct checker *checker, const struct lyd_node *entry, const char *name,
	unsigned family, const char *who, unsigned most)
{
	const struct lyd_node *leaf = model_child(entry, name);
	unsigned count = 0;

	for (; leaf != NULL; leaf = model_next(leaf)) {
		has_family(checker, leaf, family, who);
		if (++count == most + 1)
			check_wrong(checker, leaf, NULL, NULL, "%s: %s can tell at most %u", name,
				who, most);
	}
}

/* ---- DHCP ------------------------------------------------------------------------------------ */

struct served {
	const struct lyd_node *port, *dhcp;
	struct weft_prefix network;
	char text[VALUE_TEXT_SIZE]; /* of it */
};

static bool
is_in(const struct weft_prefix *network, const struct weft_prefix *address)
{
	return address->family == network->family &&
	       value_same_bits(network->address, address->address, network->length);
}

/* The port's own address with the bits; NULL: it has none such. */
static const struct lyd_node *
own_address(const struct lyd_node *port, const struct weft_prefix *address)
{
	const struct lyd_node *ip = model_child(port, "ip");
	struct weft_prefix own;

	for (; ip != NULL; ip = model_next(ip))
		if (value_address(model_value(ip), true, &own) && own.family == address->family &&
			memcmp(own.address, address->address, sizeof(own.address)) == 0)
			return ip;
	return NULL;
}

/* The network that it serves, or told. */
static bool
find_network(struct checker *checker, struct served *served)
{
	const struct lyd_node *leaf = model_child(served->dhcp, "network");
	const struct lyd_node *ip = model_child(served->port, "ip");
	struct weft_prefix *network = &served->network;

	if (leaf == NULL)
		for (; ip != NULL; ip = model_next(ip))
			if (value_address(model_value(ip), true, network) && network->family == 4)
				break;
	if (leaf == NULL)
		leaf = ip;
	if (leaf == NULL) {
		if (!build_is_broken(served->port) && !check_has_family(served->port, 4))
			check_wrong(checker, served->dhcp, NULL, "add ip: ADDRESS/LENGTH",
				"dhcp needs an IPv4 address on the port");
		return false;
	}
	if (!value_address(model_value(leaf), true, network))
		return false;
	if (network->family != 4 || network->length < 1 || network->length > 30) {
		check_wrong(checker, served->dhcp, NULL,
			"an IPv4 network with a prefix of 1 to 30 bits",
			"dhcp cannot serve the network of %s", model_value(leaf));
		return false;
	}
	value_mask(network);
	value_canonical(VALUE_PREFIX, model_value(leaf), served->text);
	return true;
}

/* Whether a host can have it in the network, or told. */
static bool
is_host(struct checker *checker, const struct served *served, const struct lyd_node *leaf,
	const char *what, const struct weft_prefix *address)
{
	struct weft_prefix host = *address;
	const char *why;

	if (!is_in(&served->network, address)) {
		check_wrong(checker, leaf, NULL, "network: PREFIX says it where it is another one",
			"%s %s is outside of the network that is served, that of %s", what,
			model_value(leaf), served->text);
		return false;
	}
	host.length = served->network.length;
	why = check_refuse_address(&host);
	if (why != NULL)
		check_wrong(checker, leaf, NULL, NULL, "%s %s %s", what, model_value(leaf), why);
	return why == NULL;
}

static void
check_pools(struct checker *checker, const struct served *served)
{
	const struct lyd_node *first = model_child(served->dhcp, "pools"), *leaf, *other;
	struct weft_prefix range[2], before[2];

	for (leaf = first; leaf != NULL; leaf = model_next(leaf)) {
		if (!value_range(model_value(leaf), range) ||
			!is_host(checker, served, leaf, "pool", &range[0]) ||
			!is_host(checker, served, leaf, "pool", &range[1]))
			continue;
		for (other = first; other != leaf; other = model_next(other))
			if (value_range(model_value(other), before) &&
				memcmp(range[0].address, before[1].address, 4) <= 0 &&
				memcmp(before[0].address, range[1].address, 4) <= 0)
				check_wrong(checker, leaf, NULL, "each address is in one pool",
					"pool %s overlaps %s", model_value(leaf),
					model_value(other));
	}
}

static void
check_gateway(struct checker *checker, const struct served *served)
{
	const struct lyd_node *leaf = model_child(served->dhcp, "gateway");
	struct weft_prefix address;

	if (leaf != NULL && has_family(checker, leaf, 4, "dhcp") &&
		value_address(model_value(leaf), false, &address))
		is_host(checker, served, leaf, "gateway", &address);
}

static void
check_reserved_address(struct checker *checker, const struct served *served,
	const struct lyd_node *leaf, struct name_map *taken)
{
	const char *gateway = model_text(served->dhcp, "gateway");
	const struct lyd_node *before;
	struct weft_prefix address;

	if (!has_family(checker, leaf, 4, "dhcp") ||
		!value_address(model_value(leaf), false, &address) ||
		!is_host(checker, served, leaf, "address", &address))
		return;
	if (own_address(served->port, &address) != NULL ||
		(gateway != NULL && strcmp(gateway, model_value(leaf)) == 0))
		check_wrong(checker, leaf, NULL, "reserve another one",
			"address %s is the router's own", model_value(leaf));
	before = check_claim(checker, taken, model_value(leaf), leaf);
	if (before != NULL)
		check_wrong(checker, leaf, NULL, "reserve another one",
			"address %s is reserved already for %s", model_value(leaf),
			model_key(lyd_parent(before)));
}

static void
check_reservations(struct checker *checker, const struct served *served)
{
	const struct lyd_node *entry = model_child(served->dhcp, "reservations"), *leaf;
	struct name_map taken = { 0 };
	uint8_t mac[6];

	for (; entry != NULL; entry = model_next(entry)) {
		if (value_mac(model_key(entry), mac) && (mac[0] & 1))
			check_wrong(checker, entry, NULL,
				"the first byte of a station's address is even",
				"'%s' is a group address", model_key(entry));
		leaf = model_child(entry, "ip");
		if (leaf != NULL)
			check_reserved_address(checker, served, leaf, &taken);
		else if (!build_is_broken(entry))
			check_wrong(checker, entry, NULL, "add ip: ADDRESS",
				"a reservation needs its address");
	}
	name_map_free(&taken);
}

/* RFC 2132: those that the protocol itself writes. */
static bool
is_protocols_own(uint64_t code)
{
	static const uint8_t own[] = { 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 82 };

	for (unsigned i = 0; i < sizeof(own); i++)
		if (own[i] == code)
			return true;
	return false;
}

static void
check_options(struct checker *checker, const struct lyd_node *dhcp)
{
	const struct lyd_node *entry = model_child(dhcp, "options");

	for (; entry != NULL; entry = model_next(entry)) {
		if (is_protocols_own(model_number(entry, "code", 0)))
			check_wrong(checker, entry, NULL, NULL,
				"option %s is the protocol's own and cannot be set",
				model_key(entry));
		if (model_child(entry, "value") == NULL && !build_is_broken(entry))
			check_wrong(checker, entry, NULL,
				check_key(checker, "write its bytes: %s: \"01:02:ff\"",
					model_key(entry)),
				"an option needs its value");
	}
}

static void
check_dhcp(struct checker *checker, const struct lyd_node *port, const struct lyd_node *dhcp)
{
	struct served served = { .port = port, .dhcp = dhcp };
	const struct lyd_node *next = model_child(dhcp, "next-server");

	check_duration(checker, dhcp, "lease-time", 60 * SECOND, UINT64_C(49710) * 86400 * SECOND,
		"a duration from 60s to 49710d");
	check_addresses(checker, dhcp, "dns", 4, "dhcp", DHCP_ADDRESSES);
	check_addresses(checker, dhcp, "ntp", 4, "dhcp", DHCP_ADDRESSES);
	if (next != NULL)
		has_family(checker, next, 4, "dhcp");
	check_options(checker, dhcp);
	if (!find_network(checker, &served))
		return;
	check_pools(checker, &served);
	check_gateway(checker, &served);
	check_reservations(checker, &served);
}

/* ---- relays ---------------------------------------------------------------------------------- */

static const struct lyd_node *
port_with(const struct lyd_node *router, const struct weft_prefix *address)
{
	const struct lyd_node *port = model_child(router, "ports");

	while (port != NULL && own_address(port, address) == NULL)
		port = model_next(port);
	return port;
}

static void
check_relay(struct checker *checker, const struct lyd_node *port, const struct lyd_node *relay)
{
	const struct lyd_node *leaf = model_child(relay, "servers"), *own;
	struct weft_prefix address;
	unsigned count = 0;

	if (model_child(port, "dhcp") != NULL)
		check_wrong(checker, relay, NULL, "remove one of them",
			"a port is a DHCP server or a relay, not both");
	if (!check_has_family(port, 4) && !build_is_broken(port))
		check_wrong(checker, relay, NULL, "add ip: ADDRESS/LENGTH",
			"dhcp-relay needs an IPv4 address on the port");
	if (leaf == NULL && !build_is_broken(relay))
		check_wrong(checker, relay, NULL, "add servers: [ADDRESS]",
			"dhcp-relay needs a server to relay to");
	for (; leaf != NULL; leaf = model_next(leaf)) {
		if (++count == RELAY_SERVERS + 1)
			check_wrong(checker, leaf, NULL, NULL, "a relay has at most %u servers",
				RELAY_SERVERS);
		if (!has_family(checker, leaf, 4, "dhcp-relay") ||
			!value_address(model_value(leaf), false, &address))
			continue;
		own = port_with(lyd_parent(port), &address);
		if (own != NULL)
			check_wrong(checker, leaf, NULL,
				"let the port serve by itself: dhcp: { ... }",
				"server %s is the router itself: it is an address of %s",
				model_value(leaf), check_where(checker, own));
	}
}

/* ---- router advertisements ------------------------------------------------------------------- */

static void
check_prefix(struct checker *checker, const struct lyd_node *entry)
{
	struct weft_prefix prefix;

	check_duration(checker, entry, "valid", 0, UINT64_C(49710) * 86400 * SECOND,
		"a duration up to 49710d");
	check_duration(checker, entry, "preferred", 0, UINT64_C(49710) * 86400 * SECOND,
		"a duration up to 49710d");
	if (model_milliseconds(entry, "preferred", 0) > model_milliseconds(entry, "valid", 0))
		check_wrong(checker, entry, NULL, "raise valid, or lower preferred",
			"addresses would be preferred (%s) for longer than they are valid (%s)",
			model_text(entry, "preferred"), model_text(entry, "valid"));
	if (!value_address(model_key(entry), true, &prefix))
		return;
	if (prefix.family != 6)
		check_wrong(checker, entry, NULL, "IPv4 addresses are given by dhcp",
			"prefix %s is of IPv4, and router advertisements of IPv6",
			model_key(entry));
	else if (value_is_link_local(&prefix) || prefix.address[0] == 0xff)
		check_wrong(checker, entry, NULL, NULL,
			"prefix %s is link-local or multicast: it is not advertised",
			model_key(entry));
	else if (prefix.length != SLAAC_LENGTH && model_flag(entry, "autonomous", true))
		check_wrong(checker, entry, NULL,
			"take a prefix of 64 bits, or add autonomous: false",
			"hosts make addresses of their own in prefixes of 64 bits only, not in %s",
			model_key(entry));
}

static bool
has_slaac_network(const struct lyd_node *port)
{
	const struct lyd_node *ip = model_child(port, "ip");
	struct weft_prefix own;

	for (; ip != NULL; ip = model_next(ip))
		if (value_address(model_value(ip), true, &own) && own.family == 6 &&
			own.length == SLAAC_LENGTH && !value_is_link_local(&own))
			return true;
	return false;
}

static void
check_prefixes(struct checker *checker, const struct lyd_node *port, const struct lyd_node *entry)
{
	unsigned count = 0;

	if (entry == NULL && !has_slaac_network(port) && !build_is_broken(port))
		check_doubt(checker, model_child(port, "advertise"), NULL,
			"give the port an address such as 2001:db8::1/64, or write prefixes",
			"hosts will make no addresses: the port has none with a prefix of 64 bits");
	for (; entry != NULL; entry = model_next(entry)) {
		check_prefix(checker, entry);
		if (++count == RA_PREFIXES + 1)
			check_wrong(checker, entry, NULL, NULL,
				"an advertisement has at most %u prefixes", RA_PREFIXES);
	}
}

/* RFC 4861, 6.2.1 */
static void
check_times(struct checker *checker, const struct lyd_node *entry)
{
	const struct lyd_node *lifetime = model_child(entry, "lifetime");
	uint64_t interval = model_milliseconds(entry, "interval", 0), life;

	check_duration(checker, entry, "interval", 4 * SECOND, 1800 * SECOND,
		"a duration from 4s to 1800s");
	if (lifetime == NULL)
		return;
	life = model_milliseconds(entry, "lifetime", 0);
	if (life > 9000 * SECOND)
		check_wrong(checker, lifetime, NULL, NULL,
			"lifetime: expected a duration up to 9000s, not '%s'",
			model_value(lifetime));
	else if (life != 0 && life < interval)
		check_wrong(checker, lifetime, NULL, "raise it, or lower interval",
			"the router would be forgotten (%s) before it advertises again (%s)",
			model_value(lifetime), model_text(entry, "interval"));
}

static void
check_advertise(struct checker *checker, const struct lyd_node *port, const struct lyd_node *entry)
{
	const struct lyd_node *search = model_child(entry, "search");
	uint64_t mtu = model_number(entry, "mtu", 0);
	unsigned count = 0;

	if (!check_has_family(port, 6) && !build_is_broken(port)) {
		check_wrong(checker, entry, NULL, "add ip: 2001:db8::1/64, or ipv6: true",
			"advertise needs IPv6 on the port");
		return;
	}
	check_prefixes(checker, port, model_child(entry, "prefixes"));
	check_times(checker, entry);
	check_addresses(checker, entry, "dns", 6, "advertise", RA_NAMES);
	for (; search != NULL; search = model_next(search))
		if (++count == RA_NAMES + 1)
			check_wrong(checker, search, NULL, NULL,
				"search: advertise can tell at most %u", RA_NAMES);
	if (mtu > model_number(port, "mtu", 1500))
		check_doubt(checker, model_child(entry, "mtu"), NULL,
			"lower it, or raise the port's",
			"hosts would send packets that the port is too small for: its mtu is %u",
			(unsigned)model_number(port, "mtu", 1500));
}

void
check_hosts(struct checker *checker, const struct lyd_node *port)
{
	const struct lyd_node *dhcp = model_child(port, "dhcp");
	const struct lyd_node *relay = model_child(port, "dhcp-relay");
	const struct lyd_node *advertise = model_child(port, "advertise");

	if (dhcp != NULL)
		check_dhcp(checker, port, dhcp);
	if (relay != NULL)
		check_relay(checker, port, relay);
	if (advertise != NULL)
		check_advertise(checker, port, advertise);
}
