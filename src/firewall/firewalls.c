/* SPDX-License-Identifier: BSD-3-Clause */
/* What all firewalls have in common: the workers' shards, and looking through them from outside. */
#include "base/error.h"
#include "base/reserve.h"
#include "firewall/firewall_objects.h"

#include <stdlib.h>

#define SHARD_LIMIT (1u << 22)
#define SLICE 1000 /* places looked at between two turns of a worker */
#define SLICES_PER_POLL 64
#define EXPIRE_SLICE 4096
#define BY_DEVICE_BYTES (ID_INDEX_COUNT * sizeof(struct firewall *))

/* ---- life -------------------------------------------------------------------------------------
 */

static unsigned
node_of(const struct weft *weft)
{
	unsigned node = 0;

	while (weft->classes[node] != &firewall_class)
		node++;
	return node;
}

unsigned
firewall_node(const struct worker *worker)
{
	return node_of(worker->weft);
}

struct firewalls *
firewalls_of(const struct weft *weft)
{
	return weft->class_data[node_of(weft)];
}

static void
shard_close(struct firewall_shard *shard)
{
	connection_table_free(shard->connections);
	mapping_table_free(shard->mappings);
	port_block_table_free(shard->blocks);
	flow_recorder_close(&shard->recorder, SHARD_LIMIT);
	reassembly_free(shard->fragments);
	rule_counters_close(shard->counters);
	*shard = (struct firewall_shard){ 0 };
}

static void
connection_has_ended(void *context, struct connection_table *table,
	const struct connection *connection, enum connection_end why)
{
	struct firewall_shard *shard = context;

	mapping_release(shard->mappings, connection);
	port_block_release(shard->blocks, connection);
	flow_record_ended(&shard->recorder, table, connection, why);
}

static int
shard_open(struct firewalls *all, unsigned worker)
{
	struct firewall_shard *shard = &all->shards[worker];
	struct flow_recorder *recorder = &shard->recorder;

	if (flow_recorder_open(recorder, worker, SHARD_LIMIT) < 0)
		return -1;
	shard->mappings = mapping_table_create(&all->key, SHARD_LIMIT);
	shard->blocks = port_block_table_create(&all->key, SHARD_LIMIT);
	if (shard->mappings == NULL || shard->blocks == NULL)
		return -1;
	shard->connections =
		connection_table_create(&all->key, SHARD_LIMIT, connection_has_ended, shard);
	recorder->table = shard->connections;
	if (shard->connections != NULL)
		connection_table_limits(shard->connections, all->limits);
	shard->fragments = firewall_fragments_open();
	shard->counters = rule_counters_open();
	return shard->connections != NULL && shard->fragments != NULL && shard->counters != NULL
		       ? 0
		       : -1;
}

static void
close_all(struct firewalls *all)
{
	for (unsigned i = 0; i < WORKER_LIMIT; i++)
		shard_close(&all->shards[i]);
	rule_limits_close(all->limits);
	all->limits = NULL;
	rule_table_close(&all->rules);
	expectations_free(all->expectations);
	all->expectations = NULL;
	if (all->by_device != NULL)
		reserve_close(all->by_device, BY_DEVICE_BYTES);
	all->by_device = NULL;
}

struct firewalls *
firewalls_ready(struct weft *weft, struct weft_error *error)
{
	struct firewalls *all = firewalls_of(weft);
	int result;

	if (all->ready)
		return all;
	hash_key_random(&all->key);
	hash_key_random(&all->cookie_key);
	all->by_device = reserve_open(BY_DEVICE_BYTES);
	all->expectations = expectations_create(&all->key);
	all->limits = rule_limits_open(&all->key);
	result = all->by_device != NULL && all->limits != NULL && all->expectations != NULL
			 ? rule_table_open(&all->rules)
			 : -1;
	for (unsigned i = 0; i < weft->n_workers && result == 0; i++)
		result = shard_open(all, i);
	if (result < 0) {
		close_all(all);
		error_memory(error);
		return NULL;
	}
	all->ready = true;
	return all;
}

int
firewalls_open(struct weft *weft, struct weft_error *error)
{
	struct firewalls *all = aligned_alloc(64, sizeof(*all));

	if (all == NULL)
		return error_memory(error);
	*all = (struct firewalls){ 0 };
	weft->class_data[node_of(weft)] = all;
	return 0;
}

void
firewalls_close(struct weft *weft)
{
	struct firewalls *all = firewalls_of(weft);

	if (all == NULL)
		return;
	close_all(all);
	free(all);
	weft->class_data[node_of(weft)] = NULL;
}

void
firewalls_touch(struct weft_change *change, struct weft_network *network)
{
	struct weft_device *device;
	size_t at = 0;

	while ((device = name_map_next(&network->device_names, &at)) != NULL)
		if (device->class == &firewall_class && change_touch(change, device) < 0)
			return;
}

/* ---- looking through connections ----------------------------------------------------------- */

struct slice {
	struct connection_table *table;
	uint32_t at;
	firewall_look look;
	void *context;
	bool more;
};

static void
look_at_slice(struct worker *worker, void *argument)
{
	struct slice *slice = argument;

	(void)worker;
	slice->more =
		connections_walk(slice->table, &slice->at, SLICE, slice->look, slice->context);
}

void
firewalls_walk(struct weft *weft, firewall_look look, void *context)
{
	struct firewalls *all = firewalls_of(weft);

	if (!all->ready)
		return;
	for (unsigned i = 0; i < weft->n_workers; i++) {
		struct slice slice = { all->shards[i].connections, 0, look, context, true };

		while (slice.more)
			worker_call(weft->workers[i], look_at_slice, &slice);
	}
}

static void
forget(void *context, struct connection_table *table, struct connection *connection)
{
	if (connection->domain == *(const uint32_t *)context)
		connection_end(table, connection, CONNECTION_FORGOTTEN);
}

void
firewalls_forget(struct weft *weft, const struct connection_domain *domain)
{
	uint32_t device = domain->id;

	firewalls_walk(weft, forget, &device);
	expectations_expire(firewalls_of(weft)->expectations, 0, domain->id);
	rule_limits_forget(firewalls_of(weft)->limits, domain->network);
}

struct places {
	uint32_t device;
	uint64_t places;
};

static void
forget_place(void *context, struct connection_table *table, struct connection *connection)
{
	const struct places *gone = context;
	uint64_t own = 1ull << connection->from | 1ull << connection->to;

	if (connection->domain == gone->device && (gone->places & own) != 0)
		connection_end(table, connection, CONNECTION_FORGOTTEN);
}

void
firewalls_forget_places(struct weft *weft, uint32_t device, uint64_t places)
{
	struct places gone = { device, places };

	firewalls_walk(weft, forget_place, &gone);
}

/* ---- judging again -------------------------------------------------------------------------- */

static void
judge_again(void *context, struct connection_table *table, struct connection *connection)
{
	const struct firewalls *all = context;
	const struct firewall *firewall = atomic_load_explicit(
		&all->by_device[id_index(connection->domain)], memory_order_acquire);

	if (firewall == NULL || firewall->domain.id != connection->domain)
		return;
	/* what the flow alone cannot tell is judged with the next packet */
	if (firewall_live_of(firewall)->flow_tells && firewall_refuses(firewall, connection))
		connection_end(table, connection, CONNECTION_REFUSED);
}

void
firewalls_sweep(struct firewalls *all)
{
	all->sweeping = true;
	all->sweep_worker = 0;
	all->sweep_at = 0;
}

static void
sweep_slice(struct weft *weft, struct firewalls *all)
{
	struct slice slice = { all->shards[all->sweep_worker].connections, all->sweep_at,
		judge_again, all, false };

	worker_call(weft->workers[all->sweep_worker], look_at_slice, &slice);
	all->sweep_at = slice.at;
	if (slice.more)
		return;
	all->sweep_at = 0;
	all->sweep_worker++;
	all->sweeping = all->sweep_worker < weft->n_workers;
}

void
firewalls_poll(struct weft *weft, uint64_t now)
{
	struct firewalls *all = firewalls_of(weft);

	(void)now;
	for (unsigned i = 0; i < SLICES_PER_POLL && all->sweeping; i++)
		sweep_slice(weft, all);
}

/* ---- what is over while nothing passes --------------------------------------------------------
 */

static void
expire_slice(struct worker *worker, void *argument)
{
	struct firewall_shard *shard = argument;

	shard->expiring = connections_expire(shard->connections, worker->now, EXPIRE_SLICE);
	firewall_expire_fragments(worker, shard);
	firewall_proxy_poll(worker, shard);
	port_blocks_expire(shard->blocks, worker->now, firewall_tell_block, worker);
}

void
firewalls_tick(struct weft *weft, uint64_t now)
{
	struct firewalls *all = firewalls_of(weft);

	if (all->ready)
		expectations_expire(all->expectations, now, 0);
	for (unsigned i = 0; all->ready && i < weft->n_workers; i++) {
		unsigned slices = 0;

		do
			worker_call(weft->workers[i], expire_slice, &all->shards[i]);
		while (all->shards[i].expiring && ++slices < SLICES_PER_POLL);
	}
	if (all->ready)
		rule_limits_expire(all->limits, now);
}
