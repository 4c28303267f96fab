/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/flow_records.h"

#include "base/reserve.h"
#include "firewall/firewall_objects.h"
#include "packet/icmp.h"

#include <netinet/in.h>
#include <string.h>

#define RING_BYTES (16u << 20) /* some 80,000 records */
#define SLICE 1024             /* places; what is noted of so many are whole pages */
#define NS UINT64_C(1000000000)

/* What has been told of a connection that has CONNECTION_TOLD. */
struct flow_told {
	uint64_t packets[2], bytes[2];
	uint64_t when; /* ns of the engine's clock */
	bool ended;
};

_Static_assert(sizeof(struct flow_told) * SLICE % 4096 == 0, "whole pages");

/* ---- life -------------------------------------------------------------------------------------
 */

/* The state table has two halves of them. */
static size_t
told_bytes(uint32_t limit)
{
	return 2 * (size_t)limit * sizeof(struct flow_told);
}

static size_t
slices_bytes(uint32_t limit)
{
	return 2 * (size_t)limit / SLICE + 1;
}

int
flow_recorder_open(struct flow_recorder *recorder, unsigned worker, uint32_t limit)
{
	recorder->worker = worker;
	recorder->told = reserve_open(told_bytes(limit));
	recorder->told_here = reserve_open(slices_bytes(limit));
	if (recorder->told == NULL || recorder->told_here == NULL)
		return -1;
	return record_ring_open(&recorder->ring, RING_BYTES);
}

void
flow_recorder_close(struct flow_recorder *recorder, uint32_t limit)
{
	record_ring_close(&recorder->ring);
	if (recorder->told != NULL)
		reserve_close(recorder->told, told_bytes(limit));
	if (recorder->told_here != NULL)
		reserve_close(recorder->told_here, slices_bytes(limit));
}

/* ---- a record ---------------------------------------------------------------------------------
 */

/* ns between two records of a connection; 0: the network has none. */
static uint64_t
interval_of(const struct weft_network *network)
{
	return __atomic_load_n(&network->config.flow_interval_s, __ATOMIC_RELAXED) * NS;
}

/* Echo has its id as the port of who asks: flow.h. */
static uint16_t
icmp_of(const struct flow *flow)
{
	bool asks = flow->to_port == 0;

	if (flow->protocol == IPPROTO_ICMP && flow->family == 4)
		return asks ? ICMP4_ECHO << 8 : ICMP4_ECHO_REPLY << 8;
	if (flow->protocol == IPPROTO_ICMPV6 && flow->family == 6)
		return asks ? ICMP6_ECHO << 8 : ICMP6_ECHO_REPLY << 8;
	return 0;
}

/* A connection's own id is its shard's, and leaves those bits zero. */
static uint64_t
id_of(const struct flow_recorder *recorder, const struct connection *connection)
{
	return connection_id(connection) | (uint64_t)recorder->worker << 25;
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void
fill(struct flow_record *record, const struct flow_recorder *recorder,
	const struct connection *connection, const struct flow_told *told)
{
	static const struct flow_told nothing;
	const struct flow_told *before = told != NULL ? told : &nothing;
	uint64_t began = later(connection->began, before->when);

	*record = (struct flow_record){
		.network = connection_domain(recorder->table, connection)->network->id,
		.device = connection->domain,
		.rule = connection->rule,
		.from = connection->from,
		.to = connection->to,
		.translated = connection->flags & CONNECTION_TRANSLATED,
		.id = id_of(recorder, connection),
		.began = began,
		.seen = later(connection_seen(recorder->table, connection), began),
		.flow = connection_flow(connection, 0),
		.reply = connection_flow(connection, 1),
	};
	record->icmp = icmp_of(&record->flow);
	for (unsigned side = 0; side < 2; side++) {
		record->packets[side] = connection->packets[side] - before->packets[side];
		record->bytes[side] = connection->bytes[side] - before->bytes[side];
	}
}

/* False: there is no room. */
static bool
put(struct flow_recorder *recorder, const struct connection *connection, enum flow_event event,
	enum connection_end why, const struct flow_told *told)
{
	struct flow_record *record = record_ring_reserve(&recorder->ring, sizeof(*record));

	if (record == NULL)
		return false;
	fill(record, recorder, connection, told);
	record->event = (uint8_t)event;
	record->why = (uint8_t)why;
	record_ring_commit(&recorder->ring);
	return true;
}

static void
count_lost(struct weft_network *network)
{
	atomic_fetch_add_explicit(&network->flows_lost, 1, memory_order_relaxed);
}

static struct flow_told *
told_of(const struct flow_recorder *recorder, const struct connection *connection)
{
	return connection->flags & CONNECTION_TOLD ? &recorder->told[connection->place] : NULL;
}

static bool
has_news(const struct connection *connection, const struct flow_told *told)
{
	return told == NULL || connection->packets[0] != told->packets[0] ||
	       connection->packets[1] != told->packets[1];
}

/* ---- what ends --------------------------------------------------------------------------------
 */

void
flow_record_ended(void *context, struct connection_table *table,
	const struct connection *connection, enum connection_end why)
{
	struct flow_recorder *recorder = context;
	struct weft_network *network = connection_domain(table, connection)->network;
	const struct flow_told *told;

	if (likely(interval_of(network) == 0))
		return;
	told = told_of(recorder, connection);
	if (told != NULL && told->ended && !has_news(connection, told))
		return;
	if (!put(recorder, connection, FLOW_ENDED, why, told))
		count_lost(network);
}

/* ---- what is refused ---------------------------------------------------------------------------
 */

/* Only what has a flow can be told of. */
static bool
is_to_be_told(const struct worker *worker, const struct passage *passage)
{
	return interval_of(passage->firewall->domain.network) != 0 && passage->kind == FLOW_OWN &&
	       !passage_is_dry_run(passage) &&
	       rate_allows(&passage->firewall->denied_rate, worker->now, NS / FLOW_DENIED_RATE,
		       FLOW_DENIED_BURST);
}

void
flow_record_denied(struct worker *worker, const struct passage *passage, const struct rule *rule)
{
	struct connection_domain *domain = &passage->firewall->domain;
	struct record_ring *ring = &firewalls_of(worker->weft)->shards[worker->index].recorder.ring;
	struct flow_record *record;

	if (likely(!is_to_be_told(worker, passage)))
		return;
	record = record_ring_reserve(ring, sizeof(*record));
	if (record == NULL) {
		count_lost(domain->network);
		return;
	}
	*record = (struct flow_record){
		.network = domain->network->id,
		.device = domain->id,
		.rule = rule != NULL ? rule->id : 0,
		.event = FLOW_DENIED,
		.from = passage->fields.from,
		.to = passage->fields.to,
		.icmp = icmp_of(&passage->flow),
		.began = worker->now,
		.seen = worker->now,
		.packets = { 1 },
		.bytes = { rte_pktmbuf_pkt_len(passage->packet) },
		.flow = passage->flow,
		.reply = flow_reverse(&passage->flow),
	};
	record_ring_commit(ring);
}

/* ---- what lives on ----------------------------------------------------------------------------
 */

struct slice {
	struct flow_recorder *recorder;
	uint64_t now;
	unsigned noted; /* connections of the slice that have been told of */
};

static void
tell(struct slice *slice, struct connection *connection, const struct flow_told *told,
	enum flow_event event)
{
	struct flow_recorder *recorder = slice->recorder;

	if (!put(recorder, connection, event, CONNECTION_CLOSED, told))
		return; /* the next time */
	recorder->told[connection->place] = (struct flow_told){
		.packets = { connection->packets[0], connection->packets[1] },
		.bytes = { connection->bytes[0], connection->bytes[1] },
		.when = slice->now,
		.ended = event == FLOW_ENDED,
	};
	recorder->told_here[connection->place / SLICE] = true;
	connection->flags |= CONNECTION_TOLD;
}

static void
look(void *context, struct connection_table *table, struct connection *connection)
{
	struct slice *slice = context;
	uint64_t interval = interval_of(connection_domain(table, connection)->network);
	const struct flow_told *told = told_of(slice->recorder, connection);
	uint64_t since = told != NULL ? told->when : connection->began;

	if (interval != 0 && has_news(connection, told)) {
		if ((connection->flags & CONNECTION_ENDED) && (told == NULL || !told->ended))
			tell(slice, connection, told, FLOW_ENDED);
		else if (slice->now >= since + interval)
			tell(slice, connection, told, FLOW_UPDATED);
	}
	if (connection->flags & CONNECTION_TOLD)
		slice->noted++;
}

/* Nobody of the slice at `at` has been told of any more: its memory goes back. */
static void
give_back(struct flow_recorder *recorder, uint32_t at)
{
	if (!recorder->told_here[at / SLICE])
		return;
	recorder->told_here[at / SLICE] = false;
	reserve_give_back(&recorder->told[at], SLICE * sizeof(*recorder->told));
}

static void
walk_slice(struct worker *worker, void *argument)
{
	struct flow_walk *walk = argument;
	struct flow_recorder *recorder =
		&firewalls_of(worker->weft)->shards[worker->index].recorder;
	struct slice slice = { recorder, worker->now, 0 };
	uint32_t at = walk->at;

	if (!connections_walk(recorder->table, &walk->at, SLICE, look, &slice)) {
		walk->at = 0;
		walk->worker++;
	}
	if (slice.noted == 0)
		give_back(recorder, at);
}

bool
flow_records_walk(struct weft *weft, struct flow_walk *walk)
{
	if (firewalls_are_ready(weft))
		worker_call(weft->workers[walk->worker], walk_slice, walk);
	if (firewalls_are_ready(weft) && walk->worker < weft->n_workers)
		return true;
	*walk = (struct flow_walk){ 0 };
	return false;
}

/* ---- taking them ------------------------------------------------------------------------------
 */

unsigned
flow_records_take(struct weft *weft, unsigned most,
	void (*take)(void *context, const struct flow_record *record), void *context)
{
	struct firewalls *all = firewalls_of(weft);
	unsigned taken = 0;

	for (unsigned i = 0; firewalls_are_ready(weft) && i < weft->n_workers; i++) {
		struct record_ring *ring = &all->shards[i].recorder.ring;
		const struct flow_record *record;
		size_t length;

		while (taken < most && (record = record_ring_peek(ring, &length)) != NULL) {
			take(context, record);
			record_ring_release(ring);
			taken++;
		}
	}
	return taken;
}
