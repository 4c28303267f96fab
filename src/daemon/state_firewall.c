/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewalls, their rules, their connections, and the address sets that rules name. */
#include "daemon/state_internal.h"
#include "firewall/firewall.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS 1e9
#define RULE_TEXT 512
#define RULES_AT_ONCE 500 /* that are looked at under the lock */
#define LET_GO 20000      /* ns */

static void
each_device(struct state_view *view, const struct device_class *class,
	void (*add)(struct state_view *view, const struct weft_device *device))
{
	const struct weft_network *network;
	const struct weft_device *device;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (!state_selects_network(view, network) && class != &firewall_class)
			continue;
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			if (device->class == class && state_selects_device(view, device))
				add(view, device);
		}
	}
}

static const struct lyd_node *
configured(const struct state_view *view, const struct weft_device *device, const char *list,
	const char *name)
{
	const struct lyd_node *network = state_configured(view, device->network->name);

	return network != NULL ? model_entry(network, list, name) : NULL;
}

static const char *
action_name(unsigned action)
{
	static const char *const names[] = {
		[WEFT_RULE_ACCEPT] = "accept",
		[WEFT_RULE_DROP] = "drop",
		[WEFT_RULE_REJECT] = "reject",
	};

	return names[action];
}

static const char *
helper_name(unsigned helper)
{
	if (helper == WEFT_HELPER_NONE)
		return NULL;
	return helper == WEFT_HELPER_FTP ? "ftp" : "tftp";
}

/* ---- firewalls ------------------------------------------------------------------------------- */

/* Whose ports it has: its own, or those of the switch inside it (firewall/firewall.h). */
static const struct weft_device *
with_ports(const struct weft_device *device)
{
	const char *name = firewall_name(device);
	const struct weft_device *other;

	if (name == device->name)
		return device;
	TAILQ_FOREACH(other, &device->network->devices, entry)
	{
		if (strcmp(other->name, name) == 0)
			return other;
	}
	return device;
}

static json_t *
port_names(struct state_view *view, const struct weft_device *device)
{
	json_t *names = json_array();
	const struct weft_vport *vport;

	if (names == NULL)
		view->no_memory = true;
	TAILQ_FOREACH(vport, &with_ports(device)->vports, entry)
	state_append(view, names, json_text(vport->name));
	return names;
}

static void
add_firewall(struct state_view *view, const struct weft_device *device)
{
	const struct lyd_node *node = configured(view, device, "firewalls", firewall_name(device));
	char path[VPORT_NAME_SIZE];
	json_t *object = state_object(view, state_device_path(device, path));
	struct classifier_state classifier;
	struct firewall_info info;

	firewall_read(device, &info);
	firewall_classifier(device, &classifier);
	state_set_text(view, object, "network", device->network->name);
	state_set_description(view, object, node);
	state_set_text(view, object, "router", node != NULL ? model_text(node, "router") : NULL);
	state_set(view, object, "ports", port_names(view, device));
	state_set_text(view, object, "default", action_name(info.config.otherwise));
	state_set_number(view, object, "rules", info.rules);
	state_set_number(view, object, "translations", info.translations);
	state_set_number(view, object, "connections", info.connections);
	state_set_number(view, object, "connection-limit", info.config.connection_limit);
	state_set_some(view, object, "source-limit", info.config.source_limit);
	state_set_number(view, object, "begun-connections", info.counts.added);
	state_set_number(view, object, "ended-connections", info.counts.ended);
	state_set_number(view, object, "displaced-connections", info.counts.evicted);
	state_set_number(view, object, "refused-connections", info.counts.refused);
	state_set_number(view, object, "classifier-bytes", classifier.bytes);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_firewalls(struct state_view *view)
{
	each_device(view, &firewall_class, add_firewall);
}

/* ---- rules ----------------------------------------------------------------------------------- */

struct rule_adding {
	struct state_view *view;
	char path[VPORT_NAME_SIZE];
	uint64_t number, now;
};

static bool
add_rule(void *context, const struct firewall_rule *rule)
{
	struct rule_adding *adding = context;
	struct state_view *view = adding->view;
	json_t *object = state_object(view, rule->rule->match.name);
	char text[RULE_TEXT];

	rule_describe(rule->rule, text, sizeof(text));
	state_set_text(view, object, "firewall", adding->path);
	state_set_number(view, object, "number", ++adding->number);
	state_set_text(view, object, "action", action_name(rule->rule->match.action));
	state_set_text(view, object, "match", text);
	state_set(view, object, "syn-proxy", json_boolean(rule->rule->match.syn_proxy));
	state_set_text(view, object, "helper", helper_name(rule->rule->match.helper));
	state_set(view, object, "log", json_boolean(rule->rule->match.log));
	state_set_number(view, object, "matched-packets", rule->count.packets);
	state_set_number(view, object, "matched-bytes", rule->count.bytes);
	state_set(view, object, "last-hit",
		rule->count.last != 0 && adding->now > rule->count.last
			? json_real((double)(adding->now - rule->count.last) / NS)
			: json_null());
	state_set(view, object, "connections",
		rule->rule->match.limit != NULL ? json_integer(rule->connections) : json_null());
	state_set(view, object, "refused-packets",
		rule->rule->match.limit != NULL ? json_integer((json_int_t)rule->count.refused)
						: json_null());
	state_set_text(view, object, "shadowed-by",
		rule->shadowed != NULL ? rule->shadowed->match.name : NULL);
	state_add(view, object, json_string_value(json_object_get(object, "firewall")),
		adding->number);
	return !view->no_memory;
}

/* Ids of the firewalls that are asked for. */
struct firewall_ids {
	uint32_t *ids;
	size_t count;
};

static int
note_firewall(struct firewall_ids *found, uint32_t id)
{
	/* as large as the next power of two */
	if ((found->count & (found->count - 1)) == 0) {
		size_t room = found->count != 0 ? 2 * found->count : 1;
		uint32_t *ids = realloc(found->ids, room * sizeof(*ids));

		if (ids == NULL)
			return -1;
		found->ids = ids;
	}
	found->ids[found->count++] = id;
	return 0;
}

static int
find_firewalls(struct state_view *view, struct firewall_ids *found)
{
	const struct weft_network *network;
	const struct weft_device *device;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			if (device->class == &firewall_class &&
				state_selects_device(view, device) &&
				note_firewall(found, device->id) < 0)
				return -1;
		}
	}
	return 0;
}

/* Some of them, under the lock. */
static enum firewall_rules_end
add_some_rules(struct rule_adding *adding, uint32_t id, struct firewall_rules_at *at)
{
	const struct weft_device *device = adding->view->weft->devices[id_index(id)];

	/* gone meanwhile */
	if (device == NULL || device->id != id)
		return FIREWALL_RULES_END;
	state_device_path(device, adding->path);
	return firewall_next_rules(device, at, RULES_AT_ONCE, add_rule, adding);
}

/* A policy may have a hundred thousand rules, whose shadows are looked for: the lock is let go now
 * and then, and if the rules change meanwhile it begins again. */
static void
add_rules(struct state_view *view, uint32_t id)
{
	struct rule_adding adding = { .view = view, .now = engine_now(view->weft) };
	size_t items = view->n_items;
	struct firewall_rules_at at = { 0 };
	enum firewall_rules_end end;
	unsigned tries = 3; /* of what changes all the time some of before, some of after is told */

	do {
		weft_objects_lock(view->weft);
		end = add_some_rules(&adding, id, &at);
		weft_objects_unlock(view->weft);
		/* so that who waits for the lock gets it: it is not a fair one */
		nanosleep(&(struct timespec){ .tv_nsec = LET_GO }, NULL);
		if (end == FIREWALL_RULES_CHANGED && tries-- > 0) {
			state_drop(view, items);
			at = (struct firewall_rules_at){ 0 };
			adding.number = 0;
		}
	} while (end != FIREWALL_RULES_END);
}

int
state_rules(struct state_view *view, struct weft_error *error)
{
	struct firewall_ids found = { NULL, 0 };
	int result;

	weft_objects_lock(view->weft);
	result = state_check_selectors(view, error);
	if (result == 0 && find_firewalls(view, &found) < 0)
		view->no_memory = true;
	weft_objects_unlock(view->weft);
	for (size_t i = 0; i < found.count; i++)
		add_rules(view, found.ids[i]);
	free(found.ids);
	return result;
}

/* ---- address sets -----------------------------------------------------------------------------
 */

static void
add_set(struct state_view *view, const struct weft_device *device)
{
	const char *name = address_set_name(device);
	char path[VPORT_NAME_SIZE];
	json_t *object;

	snprintf(path, sizeof(path), "%s/%s", device->network->name, name);
	object = state_object(view, path);
	state_set_text(view, object, "network", device->network->name);
	state_set_description(view, object, configured(view, device, "address-sets", name));
	state_set_number(view, object, "members", address_set_count(address_set_of(device)));
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_address_sets(struct state_view *view)
{
	each_device(view, &address_set_class, add_set);
}

/* ---- port sets --------------------------------------------------------------------------------
 */

static void
add_port_set(struct state_view *view, const struct weft_device *device)
{
	const struct port_set *set = port_set_of(device);
	const char *name = port_set_name(device);
	char path[VPORT_NAME_SIZE], text[16];
	json_t *object, *ports = json_array();

	snprintf(path, sizeof(path), "%s/%s", device->network->name, name);
	object = state_object(view, path);
	state_set_text(view, object, "network", device->network->name);
	state_set_description(view, object, configured(view, device, "port-sets", name));
	for (uint32_t i = 0; ports != NULL && i < set->count; i++) {
		const struct weft_port_range *range = &set->ranges[i];

		snprintf(text, sizeof(text), range->first == range->last ? "%u" : "%u-%u",
			range->first, range->last);
		state_append(view, ports, json_text(text));
	}
	state_set(view, object, "ports", ports);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_port_sets(struct state_view *view)
{
	each_device(view, &port_set_class, add_port_set);
}

/* ---- connections -------------------------------------------------------------------------------
 */

/* Copies, as workers tell of them; names are looked up when there is a number of them. */
#define BATCH 256

struct telling {
	struct state_view *view;
	struct firewall_connection batch[BATCH];
	unsigned count;
	uint64_t told;
};

static const char *
end_text(const struct flow *flow, const uint8_t *address, uint16_t port, char *text, size_t size)
{
	char words[STATE_ADDRESS_SIZE];

	state_address(flow->family, address, words);
	if (flow->protocol == IPPROTO_ICMP || flow->protocol == IPPROTO_ICMPV6 ||
		(flow->from_port == 0 && flow->to_port == 0))
		snprintf(text, size, "%s", words);
	else
		snprintf(text, size, flow->family == 6 ? "[%s]:%u" : "%s:%u", words, port);
	return text;
}

static void
set_ends(struct state_view *view, json_t *object, const char *from, const char *to,
	const struct flow *flow)
{
	char text[STATE_ADDRESS_SIZE + 8];

	state_set_text(view, object, from,
		end_text(flow, flow->from_ip, flow->from_port, text, sizeof(text)));
	state_set_text(
		view, object, to, end_text(flow, flow->to_ip, flow->to_port, text, sizeof(text)));
}

static json_t *
protocol_name(uint8_t protocol)
{
	for (const struct model_word *word = model_protocols; word->word != NULL; word++)
		if (word->number == protocol)
			return json_text(word->word);
	return json_integer(protocol);
}

static const char *
state_of(const struct firewall_connection *connection)
{
	if (connection->flow.protocol == IPPROTO_TCP)
		return tcp_state_name(connection->state);
	return connection->answered ? "answered" : "unanswered";
}

static void
set_translation(
	struct state_view *view, json_t *object, const struct firewall_connection *connection)
{
	struct flow reverse = flow_reverse(&connection->flow);
	bool translated = memcmp(&reverse, &connection->reply, sizeof(reverse)) != 0;

	if (translated) {
		set_ends(view, object, "reply-from", "reply-to", &connection->reply);
		return;
	}
	state_set_text(view, object, "reply-from", NULL);
	state_set_text(view, object, "reply-to", NULL);
}

/* "192.0.2.1:5000 > 198.51.100.7:21" */
static void
set_parent(struct state_view *view, json_t *object, const struct flow *parent)
{
	char from[STATE_ADDRESS_SIZE + 8], to[STATE_ADDRESS_SIZE + 8],
		text[sizeof(from) + sizeof(to) + 3];

	if (parent->family != 0) {
		end_text(parent, parent->from_ip, parent->from_port, from, sizeof(from));
		end_text(parent, parent->to_ip, parent->to_port, to, sizeof(to));
		snprintf(text, sizeof(text), "%s > %s", from, to);
	}
	state_set_text(view, object, "parent", parent->family != 0 ? text : NULL);
}

static void
add_connection(struct state_view *view, const struct firewall_connection *connection,
	const struct weft_device *device, uint64_t order)
{
	const struct rule *rule = firewall_find_rule(view->weft, connection->rule);
	json_t *object = json_object();
	char path[VPORT_NAME_SIZE];

	if (object == NULL)
		view->no_memory = true;
	state_set_text(view, object, "firewall", state_device_path(device, path));
	state_set(view, object, "protocol", protocol_name(connection->flow.protocol));
	set_ends(view, object, "from", "to", &connection->flow);
	set_translation(view, object, connection);
	state_set_text(view, object, "state", state_of(connection));
	state_set_text(view, object, "rule", rule != NULL ? rule->match.name : NULL);
	set_parent(view, object, &connection->parent);
	state_set_number(view, object, "packets", connection->packets[0]);
	state_set_number(view, object, "bytes", connection->bytes[0]);
	state_set_number(view, object, "reply-packets", connection->packets[1]);
	state_set_number(view, object, "reply-bytes", connection->bytes[1]);
	state_set(view, object, "age", json_real((double)connection->age / NS));
	state_set(view, object, "expires", json_real((double)connection->rest / NS));
	state_set_number(view, object, "worker", connection->worker);
	state_add(view, object, json_string_value(json_object_get(object, "firewall")), order);
}

static void
flush(struct telling *telling)
{
	struct state_view *view = telling->view;

	weft_objects_lock(view->weft);
	for (unsigned i = 0; i < telling->count; i++) {
		const struct firewall_connection *connection = &telling->batch[i];
		const struct weft_device *device =
			view->weft->devices[id_index(connection->device)];

		if (device != NULL && device->id == connection->device)
			add_connection(view, connection, device, telling->told++);
	}
	weft_objects_unlock(view->weft);
	telling->count = 0;
}

static bool
tell(void *context, const struct firewall_connection *connection)
{
	struct telling *telling = context;

	telling->batch[telling->count++] = *connection;
	if (telling->count == BATCH ||
		telling->told + telling->count == telling->view->connections.limit)
		flush(telling);
	return telling->told < telling->view->connections.limit && !telling->view->no_memory;
}

/* Which firewall or network was selected; the selectors have been checked. */
static void
fill_filter(struct state_view *view, struct connection_filter *filter)
{
	const struct weft_network *network;
	const struct weft_device *device;

	*filter = view->connections.filter;
	if (view->n_selectors == 0)
		return;
	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (state_selects_network(view, network))
			filter->network = network;
		TAILQ_FOREACH(device, &network->devices, entry)
		{
			if (device->class == &firewall_class &&
				state_selects_device(view, device) &&
				view->selectors[view->n_selectors - 1].kind == SELECT_FIREWALL)
				filter->device = device->id;
		}
	}
}

int
state_select_connections(
	struct state_view *view, struct connection_filter *filter, struct weft_error *error)
{
	int result;

	weft_objects_lock(view->weft);
	result = state_check_selectors(view, error);
	if (result == 0)
		fill_filter(view, filter);
	weft_objects_unlock(view->weft);
	return result;
}

int
state_connections(struct state_view *view, struct weft_error *error)
{
	struct telling *telling;
	struct connection_filter filter;

	if (state_select_connections(view, &filter, error) < 0)
		return -1;
	telling = calloc(1, sizeof(*telling));
	if (telling == NULL) {
		view->no_memory = true;
		return 0;
	}
	telling->view = view;
	firewall_each_connection(view->weft, &filter, tell, telling);
	flush(telling);
	free(telling);
	return 0;
}
