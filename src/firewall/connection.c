/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/connection.h"

#include "base/reserve.h"
#include "firewall/connection_fast.h"

#include <netinet/in.h>

/* ---- memory -----------------------------------------------------------------------------------
 */

/* Places of whole chunks. */
static size_t
places(uint32_t limit)
{
	return ((size_t)limit + PLACE_CHUNK - 1) / PLACE_CHUNK * PLACE_CHUNK;
}

static size_t
table_bytes(uint32_t limit)
{
	return sizeof(struct connection_table) + 2 * places(limit) * sizeof(struct connection);
}

static size_t
cold_bytes(uint32_t limit)
{
	return 2 * places(limit) * sizeof(struct connection_cold);
}

static size_t
wide_bytes(uint32_t limit)
{
	return places(limit) * sizeof(struct connection_wide);
}

static uint64_t
hash_of(void *context, uint32_t number)
{
	const struct connection_table *table = context;
	struct flow flow = connection_flow(&table->connections[number / 2], number & 1);

	return flow_hash(&flow, &table->key);
}

static int
table_open(struct connection_table *table)
{
	table->cold = reserve_open(cold_bytes(table->limit));
	table->wide = reserve_open(wide_bytes(table->limit));
	if (table->cold == NULL || table->wide == NULL ||
		place_pool_open(&table->plain_pool, table->limit) < 0 ||
		place_pool_open(&table->wide_pool, table->limit) < 0 ||
		place_index_open(&table->index, table->limit * 2, hash_of, table) < 0 ||
		connection_splices_open(&table->splices, 2 * places(table->limit), table->limit) <
			0)
		return -1;
	timing_wheel_open(&table->wheel, table->cold, sizeof(*table->cold), 0);
	return connection_limits_open(table);
}

static void
table_close(struct connection_table *table)
{
	uint32_t limit = table->limit;

	connection_limits_close(table);
	connection_splices_close(&table->splices, limit);
	place_index_close(&table->index);
	place_pool_close(&table->wide_pool);
	place_pool_close(&table->plain_pool);
	reserve_close(table->wide, wide_bytes(limit));
	reserve_close(table->cold, cold_bytes(limit));
	reserve_close(table, table_bytes(limit));
}

struct connection_table *
connection_table_create(
	const struct hash_key *key, uint32_t limit, connection_ended ended, void *context)
{
	struct connection_table *table;

	if (limit == 0 || limit > CONNECTION_LIMIT_MOST)
		return NULL;
	table = reserve_open(table_bytes(limit));
	if (table == NULL)
		return NULL;
	table->key = *key;
	table->limit = limit;
	table->wide_base = (uint32_t)places(limit);
	table->ended = ended;
	table->context = context;
	if (table_open(table) == 0)
		return table;
	table_close(table);
	return NULL;
}

void
connection_table_limits(struct connection_table *table, struct rule_limits *limits)
{
	table->limits = limits;
}

static void
forget(void *context, struct connection_table *table, struct connection *connection)
{
	connection_end(table, connection, CONNECTION_FORGOTTEN);
}

void
connection_table_free(struct connection_table *table)
{
	uint32_t at = 0;

	if (table == NULL)
		return;
	while (connections_walk(table, &at, UINT32_MAX, forget, NULL))
		;
	table_close(table);
}

void
connection_table_state(const struct connection_table *table, struct connection_table_state *state)
{
	size_t bytes = sizeof(*table) + place_index_bytes(&table->index) +
		       place_index_bytes(&table->source_index) +
		       place_index_bytes(&table->domain_index) +
		       connection_splices_bytes(&table->splices);

	bytes += ((size_t)table->plain_pool.resident + table->wide_pool.resident) * PLACE_CHUNK *
		 (sizeof(struct connection) + sizeof(struct connection_cold));
	bytes += (size_t)table->wide_pool.resident * PLACE_CHUNK * sizeof(struct connection_wide);
	bytes += (size_t)table->source_pool.resident * PLACE_CHUNK *
		 sizeof(struct connection_source);
	bytes += (size_t)table->domain_pool.resident * PLACE_CHUNK *
		 sizeof(struct connection_domain_here);
	bytes += ((size_t)table->plain_pool.begun + table->wide_pool.begun +
			 table->source_pool.begun) *
		 sizeof(struct place_chunk);
	*state = (struct connection_table_state){
		.connections = connection_count(table),
		.added = table->added,
		.ended = table->ended_ever,
		.evicted = table->evicted,
		.refused = table->refused,
		.bytes = bytes,
	};
}

/* ---- places: of plain ones from 0 on, of wide ones from wide_base on --- */

/* PLACE_NONE: all are taken. */
static uint32_t
place_take(struct connection_table *table, bool wide)
{
	uint32_t place = place_pool_take(wide ? &table->wide_pool : &table->plain_pool);

	return wide && place != PLACE_NONE ? table->wide_base + place : place;
}

static void
place_give(struct connection_table *table, uint32_t place)
{
	if (place < table->wide_base)
		place_pool_give(&table->plain_pool, place);
	else
		place_pool_give(&table->wide_pool, place - table->wide_base);
}

/* The first one that is taken from `place` on, below `end`, or PLACE_NONE. */
static uint32_t
place_next(const struct connection_table *table, uint32_t place, uint32_t end)
{
	uint32_t base = table->wide_base, next;

	if (place < base) {
		next = place_pool_next(&table->plain_pool, place, end < base ? end : base);
		if (next != PLACE_NONE || end <= base)
			return next;
		place = base;
	}
	next = place_pool_next(&table->wide_pool, place - base, end - base);
	return next != PLACE_NONE ? base + next : next;
}

/* ---- finding ----------------------------------------------------------------------------------
 */

void
connection_prefetch(const struct connection_table *table, uint64_t hash)
{
	connection_fast_prefetch(table, hash);
}

void
connection_prefetch_found(struct connection_table *table, uint64_t hash)
{
	connection_fast_candidate(table, place_index_bucket(&table->index, hash), hash, true);
}

struct connection *
connection_find(
	struct connection_table *table, const struct flow *flow, uint64_t hash, unsigned *side)
{
	struct place_probe probe = place_index_probe(&table->index, hash);
	uint32_t number;

	while (place_probe_next(&probe, &number)) {
		struct connection *connection = &table->connections[number / 2];

		if (likely(connection_key_is(table, connection, flow, side)))
			return connection;
	}
	return NULL;
}

struct connection *
connection_by_id(struct connection_table *table, uint64_t id)
{
	uint32_t place = (uint32_t)id;

	if (!connection_is_taken(table, place) || table->connections[place].generation != id >> 32)
		return NULL;
	return &table->connections[place];
}

bool
connections_walk(struct connection_table *table, uint32_t *at, unsigned most,
	void (*look)(void *context, struct connection_table *table, struct connection *connection),
	void *context)
{
	uint32_t end = *at + most < *at ? UINT32_MAX : *at + most, place;

	while ((place = place_next(table, *at, end)) != PLACE_NONE) {
		*at = place + 1;
		look(context, table, &table->connections[place]);
	}
	*at = end;
	if (end < table->wide_base && end >= table->plain_pool.begun * PLACE_CHUNK)
		*at = table->wide_base; /* nobody was ever between */
	return *at < table->wide_base + table->wide_pool.begun * PLACE_CHUNK;
}

/* ---- coming and going -------------------------------------------------------------------------
 */

/* 0 is none. */
static uint32_t
next_generation(const struct connection_table *table, uint32_t before)
{
	/* the memory is new, or was with the kernel since */
	uint32_t next = (before != 0 ? before : table->generation) + 1;

	return next != 0 ? next : 1;
}

/* What was admitted; NULL, with nothing counted any more: no memory. */
static struct connection *
make(struct connection_table *table, const struct connection_request *request)
{
	uint8_t flags = connection_key_flags(request);
	/* there is one for each that was admitted */
	uint32_t place = place_take(table, flags & CONNECTION_WIDE);
	struct connection *connection = &table->connections[place];
	uint32_t generation = next_generation(table, connection->generation);

	*connection = (struct connection){ .flags = flags, .generation = generation };
	connection->place = place & (CONNECTION_LIMIT_MOST * 2 - 1);
	table->cold[place] = (struct connection_cold){ 0 };
	if (!connection_enter(table, connection, request)) {
		place_give(table, place);
		return NULL;
	}
	connection_key_set(table, connection, request);
	return connection;
}

struct connection *
connection_add(struct connection_table *table, const struct connection_request *request,
	uint64_t now, enum connection_refusal *why)
{
	struct connection *connection = NULL;

	if (connection_admit(table, request, why)) {
		*why = REFUSED_NO_MEMORY;
		connection = make(table, request);
	}
	if (connection == NULL) {
		table->refused++;
		connection_count_refused(table, request->domain->id);
		return NULL;
	}
	connection->rule = request->rule;
	connection->judged = request->judged;
	connection->from = request->from;
	connection->to = request->to;
	connection_timeout_put(connection_cold_of(table, connection), request->timeout);
	connection_time_begin(table, connection, now);
	place_index_add(&table->index, request->flow_hash, connection->place * 2);
	if (connection->flags & CONNECTION_TRANSLATED)
		place_index_add(&table->index, request->reply_hash, connection->place * 2 + 1);
	table->added++;
	connection_tally_raise(&connection_tally_of(table, connection->domain)->added);
	return connection;
}

static void
index_remove(struct connection_table *table, const struct connection *connection, unsigned side)
{
	uint32_t number = connection->place * 2 + side;

	place_index_remove(&table->index, hash_of(table, number), number);
}

void
connection_end(
	struct connection_table *table, struct connection *connection, enum connection_end why)
{
	if (table->ended != NULL)
		table->ended(table->context, table, connection, why);
	index_remove(table, connection, 0);
	if (connection->flags & CONNECTION_TRANSLATED)
		index_remove(table, connection, 1);
	if (connection->flags & CONNECTION_SPLICED)
		connection_splice_release(table, connection);
	if (timing_wheel_has(&table->wheel, connection->place))
		timing_wheel_remove(&table->wheel, connection->place);
	connection_leave(table, connection);
	connection_tally_raise(&connection_tally_of(table, connection->domain)->ended);
	connection->domain = 0; /* of no flow: connection_fast_find() */
	place_give(table, connection->place);
	table->ended_ever++;
}

/* ---- a packet ---------------------------------------------------------------------------------
 */

enum tcp_verdict
connection_pass(struct connection_table *table, struct connection *connection, unsigned side,
	const struct tcp_segment *segment, uint32_t bytes, uint64_t now)
{
	return connection_fast_pass(table, connection, side, segment, bytes, now);
}
