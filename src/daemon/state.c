/* SPDX-License-Identifier: BSD-3-Clause */
/* What is: which kinds of objects there are, and how one asks for them. */
#include "daemon/state.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/nearest.h"
#include "daemon/state_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the kinds ------------------------------------------------------------------------------- */

#define FILTER_NETWORK 0x1
#define FILTER_DEVICE 0x2
#define FILTER_PORT 0x4
#define FILTER_VLAN 0x8
#define FILTER_MAC 0x10
#define FILTER_REASON 0x20
#define FILTER_ROUTER 0x40
#define FILTER_PREFIX 0x80
#define FILTER_FAMILY 0x100
#define FILTER_ADDRESS 0x200
#define FILTER_FIREWALL 0x400
#define FILTER_PROTOCOL 0x800
#define FILTER_LIMIT 0x1000
#define FILTERS_CONNECTIONS \
	(FILTER_NETWORK | FILTER_FIREWALL | FILTER_ADDRESS | FILTER_PREFIX | FILTER_PROTOCOL)

#define CONNECTIONS_TOLD 1000 /* unless a limit is asked for */
#define CONNECTIONS_MOST 100000

enum naming {
	NAMED,   /* by a selector */
	UNNAMED, /* only filters */
	SINGLE,  /* one object */
};

struct state_kind {
	const char *name, *one;
	enum naming naming;
	enum state_selector_kind selector;
	unsigned filters;
	bool engine; /* of the engine's objects: under their lock */
	void (*collect)(struct state_view *view);
	/* of what workers have to be asked for; else NULL */
	int (*ask)(struct state_view *view, struct weft_error *error);
};

static const struct state_kind kinds[] = {
	{ "networks", "network", NAMED, SELECT_NETWORK, FILTER_NETWORK, true, state_networks },
	{ "switches", "switch", NAMED, SELECT_DEVICE, FILTER_NETWORK, true, state_switches },
	{ "routers", "router", NAMED, SELECT_ROUTER, FILTER_NETWORK, true, state_routers },
	{ "routes", "route", UNNAMED, 0,
		FILTER_NETWORK | FILTER_ROUTER | FILTER_PORT | FILTER_PREFIX | FILTER_FAMILY |
			FILTER_ADDRESS,
		true, state_routes },
	{ "neighbors", "neighbor", UNNAMED, 0,
		FILTER_NETWORK | FILTER_ROUTER | FILTER_PORT | FILTER_MAC | FILTER_ADDRESS, true,
		state_neighbors },
	{ "ports", "port", NAMED, SELECT_PORT, FILTER_NETWORK, true, state_ports },
	{ "nics", "nic", NAMED, SELECT_NIC, FILTER_NETWORK, true, state_nics },
	{ "uplinks", "uplink", NAMED, SELECT_UPLINK, 0, true, state_uplinks },
	{ "links", "link", NAMED, SELECT_LINK, FILTER_NETWORK, true, state_links },
	{ "tunnels", "tunnel", NAMED, SELECT_DEVICE, FILTER_NETWORK, true, state_tunnels },
	{ "firewalls", "firewall", NAMED, SELECT_FIREWALL, FILTER_NETWORK, true, state_firewalls },
	{ "rules", "rule", UNNAMED, 0, FILTER_NETWORK | FILTER_FIREWALL, false, NULL, state_rules },
	{ "connections", "connection", UNNAMED, 0, FILTERS_CONNECTIONS | FILTER_LIMIT, false, NULL,
		state_connections },
	{ "address-sets", "address set", UNNAMED, 0, FILTER_NETWORK, true, state_address_sets },
	{ "port-sets", "port set", UNNAMED, 0, FILTER_NETWORK, true, state_port_sets },
	{ "flow-records", "network with flow records", NAMED, SELECT_NETWORK, FILTER_NETWORK, true,
		state_flow_records },
	{ "macs", "mac", UNNAMED, 0,
		FILTER_NETWORK | FILTER_DEVICE | FILTER_PORT | FILTER_VLAN | FILTER_MAC, true,
		state_macs },
	{ "leases", "lease", UNNAMED, 0, FILTER_NETWORK | FILTER_ROUTER | FILTER_PORT | FILTER_MAC,
		true, state_leases },
	{ "drops", "drop", UNNAMED, 0,
		FILTER_NETWORK | FILTER_DEVICE | FILTER_ROUTER | FILTER_PORT | FILTER_REASON, true,
		state_drops },
	{ "workers", "worker", NAMED, SELECT_NUMBER, 0, false, state_workers },
	{ "history", "entry of the history", NAMED, SELECT_NUMBER, 0, false, state_history },
	{ "system", "system", SINGLE, 0, 0, false, state_system },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct state_kind *
find_kind(const char *name, struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	char hint[STATE_HINT_SIZE];

	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	for (size_t i = 0; i < KINDS; i++)
		nearest_offer(&nearest, kinds[i].name);
	error_set(error, ENOENT, "there are no objects '%.100s'%s", name,
		state_hint(nearest.best, hint));
	return NULL;
}

/* ---- what is asked for ----------------------------------------------------------------------- */

static int
read_vlan(struct state_view *view, const char *text, struct weft_error *error)
{
	char *end;
	unsigned long vlan = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || vlan < 1 || vlan > WEFT_VLAN_MAX)
		return error_set(error, EINVAL, "'%.100s' is not a VLAN: they are 1 to %u", text,
			WEFT_VLAN_MAX);
	view->vlan = (int)vlan;
	return 0;
}

static int
read_mac(struct state_view *view, const char *text, struct weft_error *error)
{
	view->has_mac = true;
	if (strlen(text) == STATE_MAC_SIZE - 1 && model_parse_mac(text, view->mac) == 0)
		return 0;
	return error_set(
		error, EINVAL, "'%.100s' is not a MAC address like 02:00:00:00:00:0a", text);
}

static int
read_reason(struct state_view *view, const char *text, struct weft_error *error)
{
	struct nearest nearest = { .wanted = text };
	char hint[STATE_HINT_SIZE];

	for (unsigned i = 0; i < DROP_REASON_COUNT; i++) {
		const char *name = drop_name((enum drop_reason)i);

		nearest_offer(&nearest, name);
		if (strcmp(name, text) == 0)
			view->reason = (int)i;
	}
	if (view->reason >= 0)
		return 0;
	return error_set(error, EINVAL, "there is no reason to drop called '%.100s'%s", text,
		state_hint(nearest.best, hint));
}

/* "red/lan:web", and of what is dropped at a vnic "red/web", at an uplink "wire" */
static enum state_selector_kind
place_kind(const struct state_kind *kind, const char *text)
{
	const char *slash = strchr(text, '/');

	if ((kind->filters & FILTER_REASON) == 0 || (slash != NULL && strchr(slash, ':') != NULL))
		return SELECT_PORT;
	return slash != NULL ? SELECT_NIC : SELECT_UPLINK;
}

static int
check_filters(
	const struct state_kind *kind, const struct state_query *query, struct weft_error *error)
{
	const struct {
		const char *name, *value;
		unsigned filter;
	} filters[] = {
		{ "network", query->network, FILTER_NETWORK },
		{ "switch", query->device, FILTER_DEVICE },
		{ "router", query->router, FILTER_ROUTER },
		{ "port", query->port, FILTER_PORT },
		{ "vlan", query->vlan, FILTER_VLAN },
		{ "mac", query->mac, FILTER_MAC },
		{ "reason", query->reason, FILTER_REASON },
		{ "prefix", query->prefix, FILTER_PREFIX },
		{ "family", query->family, FILTER_FAMILY },
		{ "address", query->address, FILTER_ADDRESS },
		{ "firewall", query->firewall, FILTER_FIREWALL },
		{ "protocol", query->protocol, FILTER_PROTOCOL },
		{ "limit", query->limit, FILTER_LIMIT },
	};

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (filters[i].value != NULL && (kind->filters & filters[i].filter) == 0)
			return error_set(error, EINVAL, "%s cannot be limited by %s", kind->name,
				filters[i].name);
	if (query->name != NULL && kind->naming == UNNAMED)
		return error_set(error, EINVAL, "%s have no names: limit them by %s%s", kind->name,
			kind->filters & FILTER_PORT ? "port or " : "",
			kind->filters & FILTER_DEVICE     ? "switch"
			: kind->filters & FILTER_FIREWALL ? "firewall"
			: kind->filters & FILTER_ROUTER   ? "router"
							  : "network");
	if (query->name != NULL && kind->naming == SINGLE)
		return error_set(error, EINVAL, "there is one %s, without a name", kind->name);
	return 0;
}

static int
read_family(struct state_view *view, const char *text, struct weft_error *error)
{
	if (strcmp(text, "4") != 0 && strcmp(text, "6") != 0)
		return error_set(error, EINVAL, "'%.100s' is not a family: they are 4 and 6", text);
	view->family = (uint8_t)(text[0] - '0');
	return 0;
}

/* Of routes: those to a prefix, those that an address takes; of neighbours: the address. */
static int
read_addresses(struct state_view *view, const struct state_query *query, struct weft_error *error)
{
	if (query->family != NULL && read_family(view, query->family, error) < 0)
		return -1;
	if (query->prefix != NULL && model_parse_prefix(query->prefix, &view->prefix) < 0)
		return error_set(
			error, EINVAL, "'%.100s' is not a prefix like 10.0.0.0/8", query->prefix);
	if (query->address != NULL && model_parse_address(query->address, &view->address) < 0)
		return error_set(error, EINVAL, "'%.100s' is not an address of IPv4 or IPv6",
			query->address);
	return 0;
}

static int
read_protocol(struct state_view *view, const char *text, struct weft_error *error)
{
	struct model_subject subject;

	if (model_parse_subject(text, &subject) < 0 || !subject.has_protocol)
		return error_set(error, EINVAL,
			"'%.100s' is not a protocol like tcp, udp or icmp, or a number", text);
	view->connections.filter.protocol = subject.protocol;
	return 0;
}

static int
read_limit(struct state_view *view, const char *text, struct weft_error *error)
{
	char *end;

	errno = 0;
	view->connections.limit = strtoull(text, &end, 10);
	if (errno == 0 && *end == '\0' && text[0] >= '1' && text[0] <= '9' &&
		view->connections.limit <= CONNECTIONS_MOST)
		return 0;
	return error_set(error, EINVAL, "'%.100s' is not a number of connections from 1 to %u",
		text, CONNECTIONS_MOST);
}

int
state_read_connection_query(
	struct state_view *view, const struct state_query *query, struct weft_error *error)
{
	view->connections.limit = CONNECTIONS_TOLD;
	if (query->protocol != NULL && read_protocol(view, query->protocol, error) < 0)
		return -1;
	if (query->limit != NULL && read_limit(view, query->limit, error) < 0)
		return -1;
	if (query->address != NULL && query->prefix != NULL)
		return error_set(error, EINVAL,
			"connections are limited by an address, or by a prefix, not by both");
	if (read_addresses(view, query, error) < 0)
		return -1;
	view->connections.filter.address = view->address.family != 0 ? view->address : view->prefix;
	if (view->address.family != 0)
		view->connections.filter.address.length = view->address.family == 4 ? 32 : 128;
	if (query->network != NULL && state_select(view, SELECT_NETWORK, query->network, error) < 0)
		return -1;
	if (query->firewall == NULL)
		return 0;
	return state_select(view, SELECT_FIREWALL, query->firewall, error);
}

static int
read_query(struct state_view *view, const struct state_kind *kind, const struct state_query *query,
	struct weft_error *error)
{
	if (check_filters(kind, query, error) < 0)
		return -1;
	if (kind->ask != NULL)
		return state_read_connection_query(view, query, error);
	if (query->vlan != NULL && read_vlan(view, query->vlan, error) < 0)
		return -1;
	if (query->mac != NULL && read_mac(view, query->mac, error) < 0)
		return -1;
	if (query->reason != NULL && read_reason(view, query->reason, error) < 0)
		return -1;
	if (read_addresses(view, query, error) < 0)
		return -1;
	if (query->network != NULL && state_select(view, SELECT_NETWORK, query->network, error) < 0)
		return -1;
	if (query->device != NULL && state_select(view, SELECT_DEVICE, query->device, error) < 0)
		return -1;
	if (query->router != NULL && state_select(view, SELECT_ROUTER, query->router, error) < 0)
		return -1;
	if (query->firewall != NULL &&
		state_select(view, SELECT_FIREWALL, query->firewall, error) < 0)
		return -1;
	if (query->port != NULL &&
		state_select(view, place_kind(kind, query->port), query->port, error) < 0)
		return -1;
	if (query->name == NULL)
		return 0;
	return state_select(view, kind->selector, query->name, error);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static int
collect(struct state_view *view, const struct state_kind *kind, struct weft_error *error)
{
	int result;

	if (kind->ask != NULL)
		return kind->ask(view, error);
	if (!kind->engine) {
		kind->collect(view);
		return 0;
	}
	weft_objects_lock(view->weft);
	result = state_check_selectors(view, error);
	if (result == 0)
		kind->collect(view);
	weft_objects_unlock(view->weft);
	return result;
}

/* Of those that are found without its name. */
static void
missing(struct state_view *view, const struct state_kind *kind, const char *name,
	struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	char hint[STATE_HINT_SIZE];

	if (kind->selector == SELECT_LINK) {
		view->selectors[view->n_selectors - 1].kind = SELECT_NETWORK;
		if (collect(view, kind, error) < 0)
			return;
	}
	for (size_t i = 0; i < view->n_items; i++)
		if (view->items[i].name != NULL)
			nearest_offer(&nearest, view->items[i].name);
	error_set(error, ENOENT, "there is no %s %s%.100s%s%s", kind->one,
		kind->selector == SELECT_NUMBER ? "" : "'", name,
		kind->selector == SELECT_NUMBER ? "" : "'", state_hint(nearest.best, hint));
}

static json_t *
answer(struct state_view *view, const struct state_kind *kind, const struct state_query *query,
	struct weft_error *error)
{
	json_t *array, *single;

	if (read_query(view, kind, query, error) < 0 || collect(view, kind, error) < 0)
		return NULL;
	if (query->name != NULL && view->n_items == 0 && !view->no_memory) {
		missing(view, kind, query->name, error);
		return NULL;
	}
	array = state_take(view);
	if (array == NULL) {
		error_memory(error);
		return NULL;
	}
	if (kind->naming != SINGLE)
		return array;
	single = json_incref(json_array_get(array, 0));
	json_decref(array);
	return single;
}

json_t *
state_read(struct daemon *daemon, const struct state_query *query, struct weft_error *error)
{
	const struct state_kind *kind = find_kind(query->kind, error);
	struct state_view view;
	json_t *found;

	if (kind == NULL)
		return NULL;
	if (state_view_open(&view, daemon) < 0) {
		error_memory(error);
		return NULL;
	}
	found = answer(&view, kind, query, error);
	state_view_close(&view);
	return found;
}

/* ---- time ------------------------------------------------------------------------------------ */

const char *
state_time(uint64_t nanoseconds, char text[STATE_TIME_SIZE])
{
	time_t seconds = (time_t)(nanoseconds / 1000000000);
	struct tm fields;
	size_t at;

	gmtime_r(&seconds, &fields);
	at = strftime(text, STATE_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &fields);
	snprintf(text + at, STATE_TIME_SIZE - at, ".%06u+00:00",
		(unsigned)(nanoseconds % 1000000000 / 1000));
	return text;
}

uint64_t
state_wall_clock(struct daemon *daemon, uint64_t engine_time)
{
	return clock_of_day() + (engine_time - engine_now(daemon->weft));
}
