/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at firewalls, their rules and connections, and ending some of these. */
#include "firewall/firewall_objects.h"
#include "firewall/rule_cover.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>

/* ---- firewalls and rules ----------------------------------------------------------------------
 */

void
firewall_read(const struct weft_device *device, struct firewall_info *info)
{
	const struct firewall *firewall = device->data;
	/* what is staged may be given up meanwhile */
	const struct firewall_live *live = firewall_live_of(firewall);
	const struct weft *weft = device->network->weft;

	*info = (struct firewall_info){
		.config = live->config,
		.rules = rule_list_count(firewall->rules),
		.translations = live->translations != NULL ? live->translations->count : 0,
		.connections = atomic_load_explicit(&firewall->domain.count, memory_order_relaxed),
	};
	for (unsigned i = 0; i < weft->n_workers; i++)
		connection_counts_add(
			firewall->all->shards[i].connections, firewall->domain.id, &info->counts);
}

void
firewall_classifier(const struct weft_device *device, struct classifier_state *state)
{
	struct firewall *firewall = device->data;
	uint32_t version = firewall_live_of(firewall)->version;

	if (firewall->classifier_version != version)
		classifier_state(rule_list_classifier(firewall->rules), &firewall->classifier);
	firewall->classifier_version = version;
	*state = firewall->classifier;
}

/* From `at` on, below `end`, which is returned; UINT_MAX: there are no more, or look() has said
 * stop. */
static unsigned
look_at_rules(const struct weft_device *device, unsigned at, unsigned end, bool shadows,
	bool (*look)(void *context, const struct firewall_rule *rule), void *context)
{
	const struct firewall *firewall = device->data;
	const struct weft *weft = device->network->weft;
	const struct classifier_view *view = classifier_view(rule_list_classifier(firewall->rules));
	const struct rule_counters *counters[WORKER_LIMIT];
	struct firewall_rule one = { 0 };

	for (unsigned i = 0; i < weft->n_workers; i++)
		counters[i] = firewall->all->shards[i].counters;
	for (; at < end; at++) {
		one.rule = rule_list_at(firewall->rules, at);
		if (one.rule == NULL)
			return UINT_MAX;
		if (shadows)
			one.shadowed = rule_shadow(view, one.rule);
		rule_counters_sum(counters, weft->n_workers, one.rule->id, &one.count);
		one.connections = rule_limit_connections(firewall->all->limits, one.rule->id);
		if (!look(context, &one))
			return UINT_MAX;
	}
	return at;
}

void
firewall_each_rule(const struct weft_device *device,
	bool (*look)(void *context, const struct firewall_rule *rule), void *context)
{
	look_at_rules(device, 0, UINT_MAX, false, look, context);
}

enum firewall_rules_end
firewall_next_rules(const struct weft_device *device, struct firewall_rules_at *at, unsigned most,
	bool (*look)(void *context, const struct firewall_rule *rule), void *context)
{
	uint32_t version = firewall_live_of(device->data)->version;
	bool same = at->at == 0 || at->version == version;

	at->version = version;
	if (!same)
		return FIREWALL_RULES_CHANGED;
	at->at = look_at_rules(device, at->at, at->at + most, true, look, context);
	return at->at == UINT_MAX ? FIREWALL_RULES_END : FIREWALL_RULES_MORE;
}

const char *
firewall_place_name(const struct weft_device *device, unsigned index)
{
	const struct firewall *firewall = device->data;
	const struct weft_vport *vport;

	/* what guards has no ports of its own */
	if (TAILQ_EMPTY(&device->vports))
		return index < RULE_PORTS ? firewall->zones.names[index] : NULL;
	TAILQ_FOREACH(vport, &device->vports, entry)
	{
		if (vport->live != NULL && firewall_port_of(vport->live)->index == index)
			return vport->name;
	}
	return NULL;
}

const struct rule *
firewall_find_rule(const struct weft *weft, uint32_t id)
{
	const struct firewalls *all = firewalls_of(weft);

	return all->ready ? rule_table_get(&all->rules, id) : NULL;
}

/* ---- connections: which --------------------------------------------------------------------- */

static bool
is_in(const struct weft_prefix *prefix, const struct flow *flow, const uint8_t *address)
{
	unsigned whole = prefix->length / 8, rest = prefix->length % 8;

	if (prefix->family == 0)
		return true;
	if (prefix->family != flow->family || memcmp(prefix->address, address, whole) != 0)
		return false;
	return rest == 0 || ((prefix->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

static bool
is_meant(const struct firewalls *all, const struct connection_filter *filter,
	const struct connection *connection, const struct flow *flow)
{
	const struct firewall *firewall = atomic_load_explicit(
		&all->by_device[id_index(connection->domain)], memory_order_acquire);

	if (filter->device != 0 && filter->device != connection->domain)
		return false;
	if (filter->network != NULL &&
		(firewall == NULL || firewall->domain.network != filter->network))
		return false;
	if (filter->protocol != 0 && filter->protocol != connection->protocol)
		return false;
	if (filter->port != 0 && filter->port != flow->from_port && filter->port != flow->to_port)
		return false;
	return is_in(&filter->from, flow, flow->from_ip) && is_in(&filter->to, flow, flow->to_ip) &&
	       (is_in(&filter->address, flow, flow->from_ip) ||
		       is_in(&filter->address, flow, flow->to_ip));
}

/* ---- connections: telling ------------------------------------------------------------------- */

#define BATCH 256

/* Copies that a worker has made, for who asks to look at without it. */
struct telling {
	const struct firewalls *all;
	const struct connection_filter *filter;
	const struct worker *worker;
	struct connection_table *table;
	uint32_t at;
	unsigned count;
	bool more;
	struct firewall_connection copies[BATCH];
};

/* Between the same addresses, perhaps the other way round. */
static struct flow
parent_of(struct connection_table *table, const struct connection *connection)
{
	const struct connection_splice *splice;
	struct flow parent = { 0 };

	if (!(connection->flags & CONNECTION_SPLICED))
		return parent;
	splice = connection_splice_of(table, connection);
	if (!(splice->flags & SPLICE_CHILD))
		return parent;
	parent = connection_flow(connection, splice->flags & SPLICE_BACKWARDS ? 1 : 0);
	parent.from_port = splice->parent_ports[0];
	parent.to_port = splice->parent_ports[1];
	return parent;
}

static void
copy(void *context, struct connection_table *table, struct connection *connection)
{
	struct telling *telling = context;
	struct flow flow = connection_flow(connection, 0);
	uint64_t now = telling->worker->now, deadline;

	if (!is_meant(telling->all, telling->filter, connection, &flow))
		return;
	deadline = connection_deadline(table, connection);
	telling->copies[telling->count++] = (struct firewall_connection){
		.id = connection_id(connection),
		.worker = telling->worker->index,
		.device = connection->domain,
		.rule = connection->rule,
		.flow = flow,
		.reply = connection_flow(connection, 1),
		.state = connection->protocol == IPPROTO_TCP ? connection->tcp.state : 0,
		.answered = connection->flags & CONNECTION_ANSWERED,
		.from = connection->from,
		.to = connection->to,
		.parent = parent_of(table, connection),
		.packets = { connection->packets[0], connection->packets[1] },
		.bytes = { connection->bytes[0], connection->bytes[1] },
		.age = now > connection->began ? now - connection->began : 0,
		.rest = deadline > now ? deadline - now : 0,
	};
}

/* As many places as there is room for copies. */
static void
tell_slice(struct worker *worker, void *argument)
{
	struct telling *telling = argument;

	telling->worker = worker;
	telling->count = 0;
	telling->more = connections_walk(telling->table, &telling->at, BATCH, copy, telling);
}

static bool
tell_worker(struct worker *worker, struct telling *telling,
	bool (*look)(void *context, const struct firewall_connection *connection), void *context)
{
	telling->table = telling->all->shards[worker->index].connections;
	telling->at = 0;
	do {
		worker_call(worker, tell_slice, telling);
		for (unsigned i = 0; i < telling->count; i++)
			if (!look(context, &telling->copies[i]))
				return false;
	} while (telling->more);
	return true;
}

bool
firewall_each_connection(struct weft *weft, const struct connection_filter *filter,
	bool (*look)(void *context, const struct firewall_connection *connection), void *context)
{
	struct telling telling = { .all = firewalls_of(weft), .filter = filter };

	if (!telling.all->ready)
		return true;
	for (unsigned i = 0; i < weft->n_workers; i++)
		if (!tell_worker(weft->workers[i], &telling, look, context))
			return false;
	return true;
}

/* ---- connections: ending -------------------------------------------------------------------- */

struct killing {
	const struct firewalls *all;
	const struct connection_filter *filter;
	size_t killed;
};

static void
kill_one(void *context, struct connection_table *table, struct connection *connection)
{
	struct killing *killing = context;
	struct flow flow = connection_flow(connection, 0);

	if (!is_meant(killing->all, killing->filter, connection, &flow))
		return;
	connection_end(table, connection, CONNECTION_KILLED);
	killing->killed++;
}

size_t
firewall_kill(struct weft *weft, const struct connection_filter *filter)
{
	struct killing killing = { firewalls_of(weft), filter, 0 };

	firewalls_walk(weft, kill_one, &killing);
	return killing.killed;
}
