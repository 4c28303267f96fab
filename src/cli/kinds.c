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

const struct kind kinds[] = {
	{ "networks", "network", "tenants, each with its devices", false, false,
		{ { "NETWORK", "name", NULL }, { "DEVICES", "devices", NULL },
			{ "NICS", "nics", NULL }, { "MACS", "macs", NULL },
			{ "MAC LIMIT", "mac-limit", NULL } },
		{ "network" }, NULL },
	{ "switches", "switch", "virtual switches", false, false,
		{ { "SWITCH", "name", NULL }, { "PORTS", "ports", NULL }, { "MACS", "macs", NULL },
			{ "MAC LIMIT", "mac-limit", NULL }, { "AGEING", "ageing-time", NULL },
			{ "LOOP", NULL, loop_cell } },
		{ "network" }, loop_note },
	{ "ports", "port", "places on devices, what is attached there, and their traffic", false,
		false,
		{ { "PORT", "name", NULL }, { "HAS", "attachment", NULL }, { "TO", "to", NULL },
			{ "VLAN", NULL, vlan_cell }, { "MTU", "mtu", NULL },
			{ "IN", "in-packets", NULL }, { "IN BYTES", "in-bytes", NULL },
			{ "OUT", "out-packets", NULL }, { "OUT BYTES", "out-bytes", NULL },
			{ "DROPS", "drops", NULL } },
		{ "network" }, NULL },
	{ "nics", "nic", "vnics (virtual NICs): where packets enter and leave", false, false,
		{ { "NIC", "name", NULL }, { "DRIVER", "driver", NULL },
			{ "STATUS", "status", NULL }, { "PORT", "port", NULL },
			{ "WHERE", NULL, place_cell }, { "MAC", "mac", NULL },
			{ "ADDRESSES", "addresses", NULL }, { "MTU", "mtu", NULL },
			{ "IN", "in-packets", NULL }, { "OUT", "out-packets", NULL },
			{ "DROPS", "drops", NULL } },
		{ "network" }, reason_note },
	{ "uplinks", "uplink", "vnics on the physical network, shared by VLAN", false, false,
		{ { "UPLINK", "name", NULL }, { "DRIVER", "driver", NULL },
			{ "STATUS", "status", NULL }, { "WHERE", NULL, place_cell },
			{ "MTU", "mtu", NULL }, { "VLANS", NULL, uplink_vlans_cell },
			{ "IN", "in-packets", NULL }, { "OUT", "out-packets", NULL },
			{ "UNKNOWN VLAN", "unknown-vlan", NULL } },
		{ NULL }, reason_note },
	{ "links", "link", "joints of two ports", false, false,
		{ { "LINK", "name", NULL }, { "ENDS", "ends", NULL } }, { "network" }, NULL },
	{ "macs", "mac", "addresses that switches have learned", false, true,
		{ { "SWITCH", "switch", NULL }, { "VLAN", "vlan", NULL }, { "MAC", "mac", NULL },
			{ "PORT", "port", NULL }, { "AGE", NULL, age_cell } },
		{ "network", "switch", "port", "vlan", "mac" }, NULL },
	{ "leases", "lease", "addresses that routers have given by DHCP", false, true,
		{ { "PORT", "port", NULL }, { "ADDRESS", "address", NULL }, { "MAC", "mac", NULL },
			{ "HOSTNAME", "hostname", NULL }, { "STATE", "state", NULL },
			{ "EXPIRES", NULL, expires_cell }, { "RESERVED", "reserved", NULL } },
		{ "network", "switch", "port", "mac" }, NULL },
	{ "drops", "drop", "packets that were dropped, and why", false, true,
		{ { "PORT", "port", NULL }, { "REASON", "reason", NULL },
			{ "COUNT", "count", NULL }, { "MEANING", "text", NULL } },
		{ "network", "switch", "port", "reason" }, NULL },
	{ "workers", "worker", "threads that forward", false, false,
		{ { "WORKER", "index", NULL }, { "CPU", "cpu", NULL },
			{ "PACKETS", "packets", NULL }, { "TURNS", "turns", NULL },
			{ "SLEEPS", "sleeps", NULL }, { "BUSY", "busy-percent", NULL },
			{ "WAITS BY", "waiter", NULL } },
		{ NULL }, NULL },
	{ "history", "entry", "configurations that were applied", false, false,
		{ { "NUMBER", "number", NULL }, { "TIME", NULL, time_cell },
			{ "USER", "user", NULL }, { "STATE", NULL, state_cell },
			{ "NOTE", "note", NULL } },
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

static void
add_row(struct table *table, const struct kind *kind, const json_t *object)
{
	for (const struct kind_column *column = kind->columns; column->heading != NULL; column++) {
		enum style style = STYLE_PLAIN;
		char *text;

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
	const json_t *object;
	size_t i;

	for (const struct kind_column *column = kind->columns; column->heading != NULL; column++)
		table_column(table, column->heading, alignment(column, list));
	json_array_foreach(list, i, object) if (json_is_object(object))
		add_row(table, kind, object);
	return table;
}
