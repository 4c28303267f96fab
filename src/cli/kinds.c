/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kinds.h"

#include "base/nearest.h"
#include "cli/answer.h"

#include <stdlib.h>
#include <string.h>

static char *
copy(const char *text)
{
	return text == NULL ? NULL : output_memory(strdup(text));
}

static char *
loop_cell(const json_t *object, enum style *style)
{
	const json_t *loop = json_object_get(object, "loop");

	if (!json_is_object(loop))
		return copy("no");
	*style = STYLE_BAD;
	return copy("LOOP");
}

static void
loop_note(struct table *table, const json_t *object)
{
	const json_t *loop = json_object_get(object, "loop");
	const json_t *between = json_object_get(loop, "between");
	const char *a = json_string_value(json_array_get(between, 0));
	const char *b = json_string_value(json_array_get(between, 1));
	const char *name = answer_text(object, "name"), *mac = answer_text(loop, "mac");
	const char *since = answer_text(loop, "since");
	char *text;

	if (!json_is_object(loop))
		return;
	text = output_format("%s: a loop: MAC %s of VLAN %llu moves between %s and %s, since %s",
		name ? name : "?", mac ? mac : "?", (unsigned long long)answer_number(loop, "vlan"),
		a ? a : "?", b ? b : "?", since ? since : "?");
	table_note(table, STYLE_BAD, text);
	free(text);
}

/* "access 10", "trunk 1" with the VLANs that it carries: "trunk 1 (10-20)" */
static char *
vlan_cell(const json_t *object, enum style *style)
{
	const char *mode = answer_text(object, "vlan-mode");
	char *vlan = leaf_text("vlan", json_object_get(object, "vlan"));
	char *vlans = leaf_text("vlans", json_object_get(object, "vlans"));
	bool listed =
		vlans != NULL && *vlans != '\0' && (mode == NULL || strcmp(mode, "access") != 0);
	char *text = output_format("%s%s%s%s%s%s", mode ? mode : "", mode && vlan ? " " : "",
		vlan ? vlan : "", listed ? " (" : "", listed ? vlans : "", listed ? ")" : "");

	(void)style;
	free(vlan);
	free(vlans);
	return text;
}

/* Where the other side is: "web-ns:eth0" */
static char *
place_cell(const json_t *object, enum style *style)
{
	const char *netns = answer_text(object, "netns");
	const char *interface = answer_text(object, "interface");

	(void)style;
	if (interface == NULL)
		return copy(netns);
	return netns == NULL ? copy(interface) : output_format("%s:%s", netns, interface);
}

static void
reason_note(struct table *table, const json_t *object)
{
	const char *status = answer_text(object, "status"), *reason = answer_text(object, "reason");
	const char *name = answer_text(object, "name");
	char *text;

	if (status == NULL || strcmp(status, "up") == 0 || reason == NULL)
		return;
	text = output_format("%s is %s: %s", name ? name : "?", status, reason);
	table_note(table, STYLE_WARN, text);
	free(text);
}

/* 101 > red/lan:up, ... */
static char *
uplink_vlans_cell(const json_t *object, enum style *style)
{
	const json_t *vlans = json_object_get(object, "vlans"), *vlan;
	char *text = NULL;
	size_t size = 0, i;
	FILE *stream = output_memory(open_memstream(&text, &size));

	(void)style;
	json_array_foreach(vlans, i, vlan) fprintf(stream, "%s%llu %s", i > 0 ? ", " : "",
		(unsigned long long)answer_number(vlan, "vlan"),
		answer_text(vlan, "port") ? answer_text(vlan, "port") : "?");
	if (fclose(stream) != 0)
		output_memory(NULL);
	return text;
}

/* 5000 from 198.51.100.7, ... */
static char *
remotes_cell(const json_t *object, enum style *style)
{
	const json_t *remotes = json_object_get(object, "remotes"), *remote;
	char *text = NULL;
	size_t size = 0, i;
	FILE *stream = output_memory(open_memstream(&text, &size));

	(void)style;
	json_array_foreach(remotes, i, remote) fprintf(stream, "%s%llu at %s", i > 0 ? ", " : "",
		(unsigned long long)answer_number(remote, "vni"),
		answer_text(remote, "remote") ? answer_text(remote, "remote") : "?");
	if (fclose(stream) != 0)
		output_memory(NULL);
	return text;
}

static char *
age_cell(const json_t *object, enum style *style)
{
	(void)style;
	if (answer_flag(object, "static"))
		return copy("static");
	return leaf_text("age", json_object_get(object, "age"));
}

static char *
state_cell(const json_t *object, enum style *style)
{
	char left[OUTPUT_NUMBER];

	if (answer_flag(object, "unconfirmed")) {
		*style = STYLE_WARN;
		output_duration(answer_real(object, "confirm-left"), left);
		return output_format("running, %s to confirm", left);
	}
	if (!answer_flag(object, "running"))
		return NULL;
	*style = STYLE_GOOD;
	return copy("running");
}

/* "2026-11-22 12:00:00" of "2026-11-22T12:00:00.123456+00:00" */
static char *
short_time(const char *time)
{
	char *text = copy(time);

	if (text != NULL && strlen(text) > 19 && text[10] == 'T') {
		text[10] = ' ';
		text[19] = '\0';
	}
	return text;
}

static char *
time_cell(const json_t *object, enum style *style)
{
	(void)style;
	return short_time(answer_text(object, "time"));
}

static char *
expires_cell(const json_t *object, enum style *style)
{
	const char *time = answer_text(object, "expires");

	(void)style;
	return time != NULL ? short_time(time) : copy("never");
}

/* Of a router's port; the link-local ones, which it makes itself, are left out. */
static char *
addresses_cell(const json_t *object, enum style *style)
{
	const json_t *addresses = json_object_get(object, "addresses"), *address;
	char *text = NULL;
	size_t size = 0, i;
	FILE *stream = output_memory(open_memstream(&text, &size));
	const char *before = "";

	(void)style;
	json_array_foreach(addresses, i, address)
	{
		const char *value = json_string_value(address);

		if (value == NULL || strncmp(value, "fe80:", 5) == 0)
			continue;
		fprintf(stream, "%s%s", before, value);
		before = ", ";
	}
	if (fclose(stream) != 0)
		output_memory(NULL);
	return text;
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* "10.1.0.9 on dmz", "lan" */
static void
print_way(FILE *stream, const json_t *hop)
{
	const char *gateway = answer_text(hop, "gateway"), *port = answer_text(hop, "port");
	const char *state = answer_text(hop, "state");
	const char *colon = port != NULL ? strchr(port, ':') : NULL;

	if (answer_flag(hop, "backup"))
		fputs("backup ", stream);
	if (gateway != NULL)
		fprintf(stream, "%s on ", gateway);
	fputs(colon != NULL ? colon + 1 : port != NULL ? port : "?", stream);
	if (json_is_false(json_object_get(hop, "usable")))
		fputs(state != NULL && strcmp(state, "failed") == 0 ? " (failed)" : " (down)",
			stream);
}

static char *
ways_cell(const json_t *object, enum style *style)
{
	const json_t *hops = json_object_get(object, "next-hops"), *hop;
	const char *type = answer_text(object, "type");
	char *text = NULL;
	size_t size = 0, i;
	FILE *stream = output_memory(open_memstream(&text, &size));

	if (type != NULL && strcmp(type, "forward") != 0)
		fputs(type, stream);
	json_array_foreach(hops, i, hop)
	{
		fputs(i > 0 ? ", " : "", stream);
		print_way(stream, hop);
		if (json_is_false(json_object_get(hop, "usable")))
			*style = STYLE_WARN;
	}
	if (fclose(stream) != 0)
		output_memory(NULL);
	return text;
}

static char *
selected_cell(const json_t *object, enum style *style)
{
	const json_t *selected = json_object_get(object, "selected");

	if (json_is_false(selected))
		*style = STYLE_WARN;
	return leaf_text("selected", selected);
}

static void
route_note(struct table *table, const json_t *object)
{
	const char *router = answer_text(object, "router"), *prefix = answer_text(object, "prefix");
	const char *source = answer_text(object, "source"), *reason = answer_text(object, "reason");
	char *text;

	if (reason == NULL || answer_flag(object, "selected"))
		return;
	text = output_format("%s: the %s route %s is not in force: %s", router ? router : "?",
		source ? source : "?", prefix ? prefix : "?", reason);
	table_note(table, STYLE_WARN, text);
	free(text);
}

/* ---- neighbors ------------------------------------------------------------------------------- */

static char *
neighbor_state_cell(const json_t *object, enum style *style)
{
	const char *state = answer_text(object, "state");

	if (state != NULL && strcmp(state, "failed") == 0)
		*style = STYLE_BAD;
	else if (state != NULL && strcmp(state, "incomplete") == 0)
		*style = STYLE_WARN;
	return copy(state);
}

/* What it is besides: a gateway of a route, a router by its own word. */
static char *
role_cell(const json_t *object, enum style *style)
{
	bool gateway = answer_flag(object, "gateway"), router = answer_flag(object, "is-router");

	(void)style;
	return copy(gateway && router ? "gateway, router"
		    : gateway         ? "gateway"
		    : router          ? "router"
				      : NULL);
}

/* ---- firewalls ------------------------------------------------------------------------------- */

static char *
last_hit_cell(const json_t *object, enum style *style)
{
	const json_t *last = json_object_get(object, "last-hit");
	char text[OUTPUT_NUMBER];

	if (json_is_number(last)) {
		output_duration(json_number_value(last), text);
		return output_format("%s ago", text);
	}
	*style = STYLE_WARN;
	return copy("never");
}

static void
shadow_note(struct table *table, const json_t *object)
{
	const char *shadow = answer_text(object, "shadowed-by");
	const char *name = answer_text(object, "name");
	const char *firewall = answer_text(object, "firewall");
	char *text;

	if (shadow == NULL)
		return;
	text = output_format("%s: no packet reaches rule %s: rule %s before it takes all of them",
		firewall ? firewall : "?", name ? name : "?", shadow);
	table_note(table, STYLE_WARN, text);
	free(text);
}

/* As it is on the other side: "192.0.2.1:5000 > 198.51.100.7:80" */
static char *
translated_cell(const json_t *object, enum style *style)
{
	const char *from = answer_text(object, "reply-from"), *to = answer_text(object, "reply-to");

	(void)style;
	return from != NULL && to != NULL ? output_format("%s > %s", to, from) : NULL;
}

const struct kind kinds[] = {
	{ "networks", "network", "tenants, each with its devices", false, false,
		{ { "NETWORK", "name", NULL, NULL }, { "DEVICES", "devices", NULL, NULL },
			{ "NICS", "nics", NULL, NULL }, { "MACS", "macs", NULL, NULL },
			{ "MAC LIMIT", "mac-limit", NULL, NULL } },
		{ "network" }, NULL },
	{ "switches", "switch", "virtual switches", false, false,
		{ { "SWITCH", "name", NULL, NULL }, { "PORTS", "ports", NULL, NULL },
			{ "MACS", "macs", NULL, NULL }, { "MAC LIMIT", "mac-limit", NULL, NULL },
			{ "AGEING", "ageing-time", NULL, NULL },
			{ "LOOP", NULL, loop_cell, NULL } },
		{ "network" }, loop_note },
	{ "routers", "router", "virtual routers", false, false,
		{ { "ROUTER", "name", NULL, NULL }, { "PORTS", "ports", NULL, NULL },
			{ "IPV4 ROUTES", "routes4", NULL, NULL },
			{ "IPV6 ROUTES", "routes6", NULL, NULL },
			{ "NEIGHBORS", "neighbors", NULL, NULL },
			{ "MEMORY", "memory-bytes", NULL, NULL },
			{ "ICMP RATE", "icmp-rate", NULL, NULL } },
		{ "network" }, NULL },
	{ "routes", "route", "where routers send packets, and by which way", false, true,
		{ { "ROUTER", "router", NULL, NULL }, { "PREFIX", "prefix", NULL, NULL },
			{ "SOURCE", "source", NULL, NULL },
			{ "PREFERENCE", "preference", NULL, NULL },
			{ "METRIC", "metric", NULL, NULL },
			{ "IN FORCE", NULL, selected_cell, NULL },
			{ "VIA", NULL, ways_cell, NULL } },
		{ "network", "router", "port", "prefix", "family", "address" }, route_note },
	{ "neighbors", "neighbor", "which MACs the addresses on routers' ports have", false, true,
		{ { "PORT", "port", NULL, NULL }, { "ADDRESS", "address", NULL, NULL },
			{ "MAC", "mac", NULL, NULL }, { "STATE", NULL, neighbor_state_cell, NULL },
			{ "SINCE", "age", NULL, NULL }, { "HEARD", "heard", NULL, NULL },
			{ "IS", NULL, role_cell, NULL } },
		{ "network", "router", "port", "mac", "address" }, NULL },
	{ "ports", "port", "places on devices, what is attached there, and their traffic", false,
		false,
		{ { "PORT", "name", NULL, NULL }, { "HAS", "attachment", NULL, NULL },
			{ "TO", "to", NULL, NULL }, { "VLAN", NULL, vlan_cell, NULL },
			{ "ADDRESSES", NULL, addresses_cell, "addresses" },
			{ "MTU", "mtu", NULL, NULL }, { "IN", "in-packets", NULL, NULL },
			{ "IN BYTES", "in-bytes", NULL, NULL },
			{ "OUT", "out-packets", NULL, NULL },
			{ "OUT BYTES", "out-bytes", NULL, NULL },
			{ "DROPS", "drops", NULL, NULL } },
		{ "network" }, NULL },
	{ "nics", "nic", "vnics (virtual NICs): where packets enter and leave", false, false,
		{ { "NIC", "name", NULL, NULL }, { "DRIVER", "driver", NULL, NULL },
			{ "STATUS", "status", NULL, NULL }, { "PORT", "port", NULL, NULL },
			{ "WHERE", NULL, place_cell, NULL }, { "MAC", "mac", NULL, NULL },
			{ "ADDRESSES", "addresses", NULL, NULL }, { "MTU", "mtu", NULL, NULL },
			{ "IN", "in-packets", NULL, NULL }, { "OUT", "out-packets", NULL, NULL },
			{ "DROPS", "drops", NULL, NULL } },
		{ "network" }, reason_note },
	{ "uplinks", "uplink", "vnics on the physical network, shared by VLAN", false, false,
		{ { "UPLINK", "name", NULL, NULL }, { "DRIVER", "driver", NULL, NULL },
			{ "STATUS", "status", NULL, NULL }, { "WHERE", NULL, place_cell, NULL },
			{ "MTU", "mtu", NULL, NULL }, { "VLANS", NULL, uplink_vlans_cell, NULL },
			{ "IN", "in-packets", NULL, NULL }, { "OUT", "out-packets", NULL, NULL },
			{ "UNKNOWN VLAN", "unknown-vlan", NULL, NULL } },
		{ NULL }, reason_note },
	{ "links", "link", "joints of two ports", false, false,
		{ { "LINK", "name", NULL, NULL }, { "ENDS", "ends", NULL, NULL } }, { "network" },
		NULL },
	{ "tunnels", "tunnel", "networks across hosts", false, false,
		{ { "TUNNEL", "name", NULL, NULL }, { "ROUTER", "router", NULL, NULL },
			{ "LOCAL", "local", NULL, NULL }, { "UDP PORT", "udp-port", NULL, NULL },
			{ "MTU", "mtu", NULL, NULL }, { "VNIS", "vnis", NULL, NULL },
			{ "REMOTES", NULL, remotes_cell, NULL }, { "IN", "in-packets", NULL, NULL },
			{ "OUT", "out-packets", NULL, NULL }, { "DROPS", "drops", NULL, NULL } },
		{ "network" }, NULL },
	{ "firewalls", "firewall", "stateful firewalls", false, false,
		{ { "FIREWALL", "name", NULL, NULL }, { "ROUTER", "router", NULL, "router" },
			{ "PORTS", "ports", NULL, NULL }, { "DEFAULT", "default", NULL, NULL },
			{ "RULES", "rules", NULL, NULL },
			{ "TRANSLATIONS", "translations", NULL, NULL },
			{ "CONNECTIONS", "connections", NULL, NULL },
			{ "LIMIT", "connection-limit", NULL, NULL },
			{ "BEGUN", "begun-connections", NULL, NULL },
			{ "ENDED", "ended-connections", NULL, NULL },
			{ "REFUSED", "refused-connections", NULL, NULL },
			{ "CLASSIFIER", "classifier-bytes", NULL, NULL } },
		{ "network" }, NULL },
	{ "rules", "rule", "what firewalls let through, in order, and what it has matched", false,
		true,
		{ { "FIREWALL", "firewall", NULL, NULL }, { "#", "number", NULL, NULL },
			{ "RULE", "name", NULL, NULL }, { "ACTION", "action", NULL, NULL },
			{ "MATCH", "match", NULL, NULL },
			{ "PACKETS", "matched-packets", NULL, NULL },
			{ "BYTES", "matched-bytes", NULL, NULL },
			{ "CONNECTIONS", "connections", NULL, "connections" },
			{ "REFUSED", "refused-packets", NULL, "refused-packets" },
			{ "LAST", NULL, last_hit_cell, NULL } },
		{ "network", "firewall" }, shadow_note },
	{ "connections", "connection", "what firewalls know of", false, true,
		{ { "FIREWALL", "firewall", NULL, NULL }, { "PROTOCOL", "protocol", NULL, NULL },
			{ "FROM", "from", NULL, NULL }, { "TO", "to", NULL, NULL },
			{ "TRANSLATED", NULL, translated_cell, "reply-from" },
			{ "STATE", "state", NULL, NULL }, { "RULE", "rule", NULL, NULL },
			{ "PARENT", "parent", NULL, "parent" },
			{ "PACKETS", "packets", NULL, NULL },
			{ "REPLIES", "reply-packets", NULL, NULL },
			{ "BYTES", "bytes", NULL, NULL },
			{ "REPLY BYTES", "reply-bytes", NULL, NULL }, { "AGE", "age", NULL, NULL },
			{ "EXPIRES", "expires", NULL, NULL } },
		{ "network", "firewall", "address", "prefix", "protocol", "limit" }, NULL },
	{ "address-sets", "address-set", "named sets of addresses, for rules", false, true,
		{ { "SET", "name", NULL, NULL }, { "MEMBERS", "members", NULL, NULL } },
		{ "network" }, NULL },
	{ "port-sets", "port-set", "named sets of ports, for rules", false, true,
		{ { "SET", "name", NULL, NULL }, { "PORTS", "ports", NULL, NULL } }, { "network" },
		NULL },
	{ "flow-records", "flow-record", "records of connections, and how they get to collectors",
		false, false,
		{ { "NETWORK", "name", NULL, NULL }, { "COLLECTOR", "collector", NULL, NULL },
			{ "TRANSPORT", "transport", NULL, NULL },
			{ "NETNS", "netns", NULL, "netns" }, { "STATUS", "status", NULL, NULL },
			{ "EXPORTED", "exported-records", NULL, NULL },
			{ "MESSAGES", "exported-messages", NULL, NULL },
			{ "LOST", "lost-records", NULL, NULL } },
		{ "network" }, reason_note },
	{ "macs", "mac", "addresses that switches have learned", false, true,
		{ { "SWITCH", "switch", NULL, NULL }, { "VLAN", "vlan", NULL, NULL },
			{ "MAC", "mac", NULL, NULL }, { "PORT", "port", NULL, NULL },
			{ "AGE", NULL, age_cell, NULL } },
		{ "network", "switch", "port", "vlan", "mac" }, NULL },
	{ "leases", "lease", "addresses that routers have given by DHCP", false, true,
		{ { "PORT", "port", NULL, NULL }, { "ADDRESS", "address", NULL, NULL },
			{ "MAC", "mac", NULL, NULL }, { "HOSTNAME", "hostname", NULL, NULL },
			{ "STATE", "state", NULL, NULL }, { "EXPIRES", NULL, expires_cell, NULL },
			{ "RESERVED", "reserved", NULL, NULL } },
		{ "network", "router", "port", "mac" }, NULL },
	{ "drops", "drop", "packets that were dropped, and why", false, true,
		{ { "PORT", "port", NULL, NULL }, { "REASON", "reason", NULL, NULL },
			{ "COUNT", "count", NULL, NULL }, { "MEANING", "text", NULL, NULL } },
		{ "network", "switch", "router", "port", "reason" }, NULL },
	{ "workers", "worker", "threads that forward", false, false,
		{ { "WORKER", "index", NULL, NULL }, { "CPU", "cpu", NULL, NULL },
			{ "PACKETS", "packets", NULL, NULL }, { "TURNS", "turns", NULL, NULL },
			{ "SLEEPS", "sleeps", NULL, NULL }, { "BUSY", "busy-percent", NULL, NULL },
			{ "WAITS BY", "waiter", NULL, NULL } },
		{ NULL }, NULL },
	{ "history", "entry", "configurations that were applied", false, false,
		{ { "NUMBER", "number", NULL, NULL }, { "TIME", NULL, time_cell, NULL },
			{ "USER", "user", NULL, NULL }, { "STATE", NULL, state_cell, NULL },
			{ "NOTE", "note", NULL, NULL } },
		{ NULL }, NULL },
	{ "system", "system", "weftd itself", true, false, { { NULL } }, { NULL }, NULL },
	{ 0 },
};

const struct kind *
kind_find(const char *name)
{
	for (const struct kind *kind = kinds; kind->name != NULL; kind++)
		if (strcmp(kind->name, name) == 0 || strcmp(kind->one, name) == 0)
			return kind;
	return NULL;
}

const char *
kind_nearest(const char *name)
{
	struct nearest nearest = { .wanted = name };

	for (const struct kind *kind = kinds; kind->name != NULL; kind++)
		nearest_offer(&nearest, kind->name);
	return nearest.best;
}

/* Numbers stand at the right: a column is of numbers when all its values are. */
static enum table_align
alignment(const struct kind_column *column, const json_t *list)
{
	const json_t *object, *value;
	size_t i;
	bool number = false;

	if (column->leaf == NULL)
		return TABLE_LEFT;
	if (leaf_format(column->leaf) == LEAF_SUM)
		return TABLE_RIGHT;
	json_array_foreach(list, i, object)
	{
		value = json_object_get(object, column->leaf);
		if (value == NULL || json_is_null(value))
			continue;
		if (!json_is_number(value))
			return TABLE_LEFT;
		number = true;
	}
	return number ? TABLE_RIGHT : TABLE_LEFT;
}

/* Whether some object of the list has what the column is about. */
static bool
is_shown(const struct kind_column *column, const json_t *list)
{
	const json_t *object, *value;
	size_t i;

	if (column->only_with == NULL)
		return true;
	json_array_foreach(list, i, object)
	{
		value = json_object_get(object, column->only_with);
		if (value != NULL && !json_is_null(value))
			return true;
	}
	return false;
}

static void
add_row(struct table *table, const struct kind *kind, const bool *shown, const json_t *object)
{
	for (const struct kind_column *column = kind->columns; column->heading != NULL; column++) {
		enum style style = STYLE_PLAIN;
		char *text;

		if (!shown[column - kind->columns])
			continue;
		if (column->cell != NULL) {
			text = column->cell(object, &style);
		} else {
			const json_t *value = json_object_get(object, column->leaf);

			text = leaf_text(column->leaf, value);
			style = leaf_style(column->leaf, value);
		}
		table_cell(table, style, text);
		free(text);
	}
	if (kind->notes != NULL)
		kind->notes(table, object);
}

struct table *
kind_table(const struct kind *kind, const json_t *list)
{
	struct table *table = table_new();
	bool shown[KIND_COLUMNS] = { false };
	const json_t *object;
	size_t i;

	for (const struct kind_column *column = kind->columns; column->heading != NULL; column++) {
		shown[column - kind->columns] = is_shown(column, list);
		if (shown[column - kind->columns])
			table_column(table, column->heading, alignment(column, list));
	}
	json_array_foreach(list, i, object) if (json_is_object(object))
		add_row(table, kind, shown, object);
	return table;
}
