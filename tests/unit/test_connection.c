/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state table against a plain list of connections, over hundreds of thousands of things that
 * happen on a clock of its own; and its limits, times, memory and edges one by one.
 */
#include "fault.h"
#include "firewall/connection.h"

#include <netinet/in.h>
#include <rte_tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define SLACK (SECOND * 14 / 100) /* as the header says */
#define DOMAINS 3
#define RECORDS 4096

/* What the model knows of a connection. */
struct record {
	bool live;
	uint64_t id;
	struct flow flow, reply;
	unsigned domain;
	uint64_t began, last; /* ns */
	uint64_t order;       /* of coming */
	bool answered, counted;
	uint32_t timeout;
	uint64_t packets[2], bytes[2];
	uint32_t next; /* of its two chains: record * 2 + side + 1; see model_find */
	uint32_t next_reply;
};

struct world {
	struct hash_key key;
	struct connection_table *table;
	struct weft_network network;
	struct connection_domain domains[DOMAINS];
	struct record *records;
	uint32_t heads[4096];
	unsigned live, live_in[DOMAINS];
	uint64_t now, seed, order;
	uint64_t ended[CONNECTION_FORGOTTEN + 1];
	struct record *victim; /* the only one that may be evicted now */
};

static uint64_t
random_word(struct world *world)
{
	world->seed ^= world->seed << 13;
	world->seed ^= world->seed >> 7;
	world->seed ^= world->seed << 17;
	return world->seed * 0x2545f4914f6cdd1du >> 16;
}

static uint32_t
random_below(struct world *world, uint32_t limit)
{
	return (uint32_t)(random_word(world) % limit);
}

/* ---- the model --------------------------------------------------------------------------------
 */

static uint32_t *
chain_of(struct world *world, const struct flow *flow)
{
	const uint8_t *bytes = (const uint8_t *)flow;
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < sizeof(*flow); i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return &world->heads[sum % 4096];
}

static uint32_t *
next_of(struct world *world, uint32_t at)
{
	struct record *record = &world->records[(at - 1) / 2];

	return (at - 1) % 2 == 0 ? &record->next : &record->next_reply;
}

static struct record *
model_find(struct world *world, const struct flow *flow, unsigned *side)
{
	for (uint32_t at = *chain_of(world, flow); at != 0; at = *next_of(world, at)) {
		struct record *record = &world->records[(at - 1) / 2];

		*side = (at - 1) % 2;
		if (memcmp(*side == 0 ? &record->flow : &record->reply, flow, sizeof(*flow)) == 0)
			return record;
	}
	return NULL;
}

static void
model_chain(struct world *world, struct record *record, bool in)
{
	for (unsigned side = 0; side < 2; side++) {
		uint32_t *head = chain_of(world, side == 0 ? &record->flow : &record->reply);
		uint32_t me = (uint32_t)(record - world->records) * 2 + side + 1;

		if (in) {
			*next_of(world, me) = *head;
			*head = me;
			continue;
		}
		while (*head != me)
			head = next_of(world, *head);
		*head = *next_of(world, me);
	}
}

static struct record *
record_by_id(struct world *world, uint64_t id)
{
	for (unsigned i = 0; i < RECORDS; i++) {
		if (world->records[i].live && world->records[i].id == id)
			return &world->records[i];
	}
	return NULL;
}

static void
model_remove(struct world *world, struct record *record)
{
	record->live = false;
	model_chain(world, record, false);
	world->live--;
	world->live_in[record->domain]--;
}

/* Seconds that it may be silent. */
static uint64_t
timeout_of(const struct world *world, const struct record *record)
{
	enum connection_timeout kind = TIMEOUT_OTHER;

	if (record->timeout != 0)
		return record->timeout;
	if (record->flow.protocol == IPPROTO_UDP)
		kind = record->answered ? TIMEOUT_UDP_REPLY : TIMEOUT_UDP;
	else if (record->flow.protocol == IPPROTO_ICMP || record->flow.protocol == IPPROTO_ICMPV6)
		kind = TIMEOUT_ICMP;
	return atomic_load(&world->domains[record->domain].timeouts[kind]);
}

static struct record *
oldest_unanswered(struct world *world, unsigned domain)
{
	struct record *oldest = NULL;

	for (unsigned i = 0; i < RECORDS; i++) {
		struct record *record = &world->records[i];

		if (record->live && !record->answered && record->domain == domain &&
			(oldest == NULL || record->order < oldest->order))
			oldest = record;
	}
	return oldest;
}

/* ---- a world ----------------------------------------------------------------------------------
 */

/* Everything that the table tells of an end is what the model knows. */
static void
heard(void *context, struct connection_table *table, const struct connection *connection,
	enum connection_end why)
{
	struct world *world = context;
	struct record *record = record_by_id(world, connection_id(connection));
	struct flow flow = connection_flow(connection, 0), reply = connection_flow(connection, 1);

	assert_non_null(record);
	assert_memory_equal(&flow, &record->flow, sizeof(flow));
	assert_memory_equal(&reply, &record->reply, sizeof(reply));
	assert_memory_equal(connection->packets, record->packets, sizeof(record->packets));
	assert_memory_equal(connection->bytes, record->bytes, sizeof(record->bytes));
	assert_int_equal(connection->began, record->began);
	if (why == CONNECTION_EXPIRED)
		assert_true(world->now >= record->last + timeout_of(world, record) * SECOND);
	if (why == CONNECTION_EVICTED)
		assert_ptr_equal(record, world->victim);
	world->ended[why]++;
	model_remove(world, record);
}

static struct world *
world_new(uint32_t limit, uint64_t seed)
{
	static const uint32_t timeouts[CONNECTION_TIMEOUTS] = { 240, 7440, 240, 10, 30, 180, 20,
		600 };
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->records = calloc(RECORDS, sizeof(*world->records));
	assert_non_null(world->records);
	world->seed = seed;
	world->now = seed % 1000003 * SECOND;
	world->network.config.connection_limit = RECORDS;
	hash_key_random(&world->key);
	for (unsigned i = 0; i < DOMAINS; i++) {
		world->domains[i].network = &world->network;
		world->domains[i].id = 100 + i;
		world->domains[i].limit = RECORDS;
		for (unsigned kind = 0; kind < CONNECTION_TIMEOUTS; kind++)
			world->domains[i].timeouts[kind] = timeouts[kind];
	}
	world->table = connection_table_create(&world->key, limit, heard, world);
	assert_non_null(world->table);
	return world;
}

static void
world_free(struct world *world)
{
	connection_table_free(world->table);
	assert_int_equal(world->live, 0);
	assert_int_equal(atomic_load(&world->network.connections), 0);
	for (unsigned i = 0; i < DOMAINS; i++)
		assert_int_equal(atomic_load(&world->domains[i].count), 0);
	free(world->records);
	free(world);
}

static void
check_counts(struct world *world)
{
	struct connection_table_state state;

	connection_table_state(world->table, &state);
	assert_int_equal(state.connections, world->live);
	assert_int_equal(state.added - state.ended, world->live);
	assert_int_equal(state.evicted, world->ended[CONNECTION_EVICTED]);
	assert_int_equal(atomic_load(&world->network.connections), world->live);
	for (unsigned i = 0; i < DOMAINS; i++)
		assert_int_equal(atomic_load(&world->domains[i].count), world->live_in[i]);
}

/* ---- what happens -----------------------------------------------------------------------------
 */

static struct flow
make_flow(uint32_t from, uint32_t to, uint16_t from_port, uint16_t to_port, uint8_t family,
	uint8_t protocol, uint32_t domain)
{
	struct flow flow = {
		.family = family,
		.protocol = protocol,
		.domain = domain,
		.from_port = from_port,
		.to_port = to_port,
	};
	unsigned at = family == 4 ? 0 : 12;

	if (family == 6) {
		flow.from_ip[0] = flow.to_ip[0] = 0x20;
		flow.from_ip[1] = flow.to_ip[1] = 0x01;
	}
	memcpy(flow.from_ip + at, &from, sizeof(from));
	memcpy(flow.to_ip + at, &to, sizeof(to));
	return flow;
}

/* Of so few that what is looked for is often there. */
static struct flow
random_flow(struct world *world)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE };
	uint8_t family = random_below(world, 3) == 0 ? 6 : 4;
	uint8_t protocol = protocols[random_below(world, 4)];
	uint16_t from_port = (uint16_t)random_below(world, 40);
	uint16_t to_port = (uint16_t)random_below(world, 4);

	if (protocol == IPPROTO_ICMP && family == 6)
		protocol = IPPROTO_ICMPV6;
	if (protocol != IPPROTO_UDP)
		to_port = 0;
	if (protocol == IPPROTO_GRE)
		from_port = 0;
	return make_flow(random_below(world, 24), random_below(world, 6), from_port, to_port,
		family, protocol, 100 + random_below(world, DOMAINS));
}

static struct connection *
find(struct world *world, const struct flow *flow, unsigned *side)
{
	uint64_t hash = flow_hash(flow, &world->key);

	connection_prefetch(world->table, hash);
	connection_prefetch_found(world->table, hash);
	return connection_find(world->table, flow, hash, side);
}

/* Table and model find the same, from the same side. */
static struct record *
look(struct world *world, const struct flow *flow, struct connection **connection, unsigned *side)
{
	unsigned model_side = 0;
	struct record *record = model_find(world, flow, &model_side);

	*connection = find(world, flow, side);
	if (record == NULL) {
		assert_null(*connection);
		return NULL;
	}
	assert_non_null(*connection);
	assert_int_equal(connection_id(*connection), record->id);
	/* one that is its own reverse is of both */
	if (memcmp(&record->flow, &record->reply, sizeof(record->flow)) != 0)
		assert_int_equal(*side, model_side);
	assert_ptr_equal(connection_by_id(world->table, record->id), *connection);
	return record;
}

static void
pass(struct world *world, struct record *record, struct connection *connection, unsigned side)
{
	uint32_t bytes = 60 + random_below(world, 1400);
	uint64_t deadline, due;

	assert_int_equal(
		connection_pass(world->table, connection, side, NULL, bytes, world->now), TCP_PASS);
	record->last = world->now;
	record->packets[side]++;
	record->bytes[side] += bytes;
	record->answered |= side == 1;
	assert_int_equal(!!(connection->flags & CONNECTION_ANSWERED), record->answered);
	due = world->now + timeout_of(world, record) * SECOND;
	deadline = connection_deadline(world->table, connection);
	assert_true(deadline >= due && deadline <= due + SLACK);
}

static uint32_t
count_source(const struct world *world, const struct flow *flow)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < RECORDS; i++) {
		const struct record *record = &world->records[i];

		count += record->live && record->counted && record->flow.domain == flow->domain &&
			 record->flow.family == flow->family &&
			 memcmp(record->flow.from_ip, flow->from_ip, 16) == 0;
	}
	return count;
}

/* Which limit is reached when `gone` connections have gone for it; -1: none. */
static int
limit_reached(struct world *world, unsigned domain, uint32_t table_limit, unsigned gone)
{
	if (world->live - gone >= table_limit)
		return REFUSED_TABLE_LIMIT;
	if (world->live_in[domain] - gone >= atomic_load(&world->domains[domain].limit))
		return REFUSED_DOMAIN_LIMIT;
	if (world->live - gone >= world->network.config.connection_limit)
		return REFUSED_NETWORK_LIMIT;
	return -1;
}

/* What has to come of an addition: no refusal (-1), or which; `victim`: who has to go for it. */
static int
verdict(struct world *world, const struct flow *flow, uint32_t table_limit)
{
	unsigned domain = flow->domain - 100;
	uint32_t source_limit = atomic_load(&world->domains[domain].source_limit);
	int refusal = limit_reached(world, domain, table_limit, 0);

	world->victim = NULL;
	if (source_limit != 0 && count_source(world, flow) >= source_limit)
		return REFUSED_SOURCE_LIMIT;
	if (refusal < 0)
		return -1;
	world->victim = oldest_unanswered(world, domain);
	return world->victim == NULL ? refusal : limit_reached(world, domain, table_limit, 1);
}

static struct record *
free_record(struct world *world)
{
	for (unsigned i = 0; i < RECORDS; i++) {
		if (!world->records[i].live)
			return &world->records[i];
	}
	fail();
	return NULL;
}

static void
learn(struct world *world, const struct connection_request *request, uint64_t id)
{
	struct record *record = free_record(world);

	*record = (struct record){
		.live = true,
		.id = id,
		.flow = request->flow,
		.reply = request->reply,
		.domain = request->flow.domain - 100,
		.began = world->now,
		.last = world->now,
		.order = ++world->order,
		.counted = atomic_load(&request->domain->source_limit) != 0,
		.timeout = request->timeout,
	};
	model_chain(world, record, true);
	world->live++;
	world->live_in[record->domain]++;
}

static struct connection_request
request_for(struct world *world, const struct flow *flow, const struct flow *reply)
{
	return (struct connection_request){
		.domain = &world->domains[flow->domain - 100],
		.flow = *flow,
		.reply = *reply,
		.flow_hash = flow_hash(flow, &world->key),
		.reply_hash = flow_hash(reply, &world->key),
		.rule = 11,
		.judged = 12,
		.from = 1,
		.to = 2,
	};
}

/* NULL: as the model has it. */
static struct connection *
add(struct world *world, const struct flow *flow, const struct flow *reply, uint32_t timeout,
	uint32_t table_limit)
{
	struct connection_request request = request_for(world, flow, reply);
	enum connection_refusal why = REFUSED_NO_MEMORY;
	int due = verdict(world, flow, table_limit);
	struct record *victim = world->victim;
	struct connection *connection;

	request.timeout = timeout;
	connection = connection_add(world->table, &request, world->now, &why);
	world->victim = NULL;
	if (victim != NULL)
		assert_false(victim->live);
	if (due >= 0) {
		assert_null(connection);
		assert_int_equal(why, due);
		return NULL;
	}
	assert_non_null(connection);
	assert_int_equal(connection->rule, 11);
	assert_int_equal(connection->judged, 12);
	assert_int_equal(connection->from, 1);
	assert_int_equal(connection->to, 2);
	assert_int_equal(connection->family, flow->family);
	assert_null(record_by_id(world, connection_id(connection)));
	learn(world, &request, connection_id(connection));
	return connection;
}

/* A flow comes: it is of a connection, or begins one, translated at times. */
static void
something_comes(struct world *world, uint32_t table_limit)
{
	struct flow flow = random_flow(world), reply = flow_reverse(&flow);
	struct connection *connection;
	unsigned side, other;
	struct record *record = look(world, &flow, &connection, &side);

	if (record != NULL) {
		pass(world, record, connection, side);
		return;
	}
	if (random_below(world, 5) == 0) {
		reply.to_port = (uint16_t)(1000 + random_below(world, 400));
		reply.to_ip[flow.family == 4 ? 3 : 2] = 77;
		if (random_below(world, 2))
			reply.from_ip[flow.family == 4 ? 3 : 2] = 78;
	}
	if (model_find(world, &reply, &other) != NULL)
		return; /* a translator would take another port */
	add(world, &flow, &reply, random_below(world, 10) == 0 ? 50 : 0, table_limit);
}

/* An answer, to one of those that are there. */
static void
something_is_answered(struct world *world)
{
	struct record *record = &world->records[random_below(world, RECORDS)];
	struct connection *connection;
	unsigned side;

	if (!record->live)
		return;
	assert_ptr_equal(look(world, &record->reply, &connection, &side), record);
	pass(world, record, connection, side);
}

static void
something_is_ended(struct world *world)
{
	struct record *record = &world->records[random_below(world, RECORDS)];
	struct connection *connection;
	uint64_t id = record->id;

	if (!record->live) {
		assert_null(id == 0 ? NULL : connection_by_id(world->table, id));
		return;
	}
	connection = connection_by_id(world->table, id);
	assert_non_null(connection);
	connection_end(world->table, connection, CONNECTION_KILLED);
	assert_false(record->live);
	assert_null(connection_by_id(world->table, id));
}

/* Those that were silent for too long go, all of them, and no others (heard() sees to that). */
static void
time_goes_on(struct world *world, uint64_t ns)
{
	world->now += ns;
	while (connections_expire(world->table, world->now, 1 + random_below(world, 200)))
		;
	for (unsigned i = 0; i < RECORDS; i++) {
		const struct record *record = &world->records[i];

		if (record->live)
			assert_true(world->now <=
				    record->last + timeout_of(world, record) * SECOND + SLACK);
	}
}

static void
count_seen(void *context, struct connection_table *table, struct connection *connection)
{
	struct world *world = context;
	struct record *record = record_by_id(world, connection_id(connection));

	assert_non_null(record);
	assert_true(record->order != 0);
	record->order |= 1ull << 63;
}

/* Each once. */
static void
everybody_is_seen(struct world *world)
{
	uint32_t at = 0;

	while (connections_walk(world->table, &at, 1 + random_below(world, 300), count_seen, world))
		;
	for (unsigned i = 0; i < RECORDS; i++) {
		if (!world->records[i].live)
			continue;
		assert_true(world->records[i].order >> 63);
		world->records[i].order &= ~(1ull << 63);
	}
}

static void
limits_change(struct world *world)
{
	struct connection_domain *domain = &world->domains[random_below(world, DOMAINS)];

	atomic_store(&domain->limit, random_below(world, 3) ? RECORDS : random_below(world, 600));
	atomic_store(
		&domain->source_limit, random_below(world, 3) ? 0 : 1 + random_below(world, 40));
	world->network.config.connection_limit =
		random_below(world, 3) ? RECORDS : random_below(world, 1500);
}

static void
play(uint64_t seed, uint32_t table_limit, unsigned rounds)
{
	struct world *world = world_new(table_limit, seed);

	for (unsigned i = 0; i < rounds; i++) {
		uint32_t what = random_below(world, 1000);

		if (what < 700)
			something_comes(world, table_limit);
		else if (what < 960)
			something_is_answered(world);
		else if (what < 985)
			something_is_ended(world);
		else if (what < 997)
			time_goes_on(world, random_word(world) % (SECOND * 2));
		else if (what < 998)
			time_goes_on(world, random_word(world) % (SECOND * 200));
		else if (what < 999)
			limits_change(world);
		else
			everybody_is_seen(world);
		if (i % 256 == 0)
			check_counts(world);
	}
	/* it was no idle world */
	assert_true(world->ended[CONNECTION_EXPIRED] > rounds / 100);
	assert_true(world->ended[CONNECTION_EVICTED] > rounds / 1000);
	assert_true(world->ended[CONNECTION_KILLED] > rounds / 1000);
	world_free(world);
}

static void
a_list_agrees(void **state)
{
	play(1, 3000, 150000);
	play(2, 700, 150000);
	play(3, 2048, 150000);
}

/* ---- one thing at a time ----------------------------------------------------------------------
 */

static struct flow
udp(uint32_t from, uint16_t port)
{
	return make_flow(from, 1, port, 53, 4, IPPROTO_UDP, 100);
}

static struct connection *
add_plain(struct world *world, const struct flow *flow)
{
	struct flow reply = flow_reverse(flow);

	return add(world, flow, &reply, 0, RECORDS);
}

static void
answer(struct world *world, const struct flow *flow)
{
	struct flow reply = flow_reverse(flow);
	struct connection *connection;
	unsigned side;
	struct record *record = look(world, &reply, &connection, &side);

	assert_non_null(record);
	assert_int_equal(side, 1);
	pass(world, record, connection, 1);
}

/* A flood ends what was never answered, oldest first, and only of its own domain. */
static void
floods_end_floods(void **state)
{
	struct world *world = world_new(RECORDS, 1);
	struct flow good = udp(1, 1), other = make_flow(1, 1, 1, 53, 4, IPPROTO_UDP, 101), flow;
	struct connection *connection;
	unsigned side;

	atomic_store(&world->domains[0].limit, 50);
	assert_non_null(add_plain(world, &other));
	assert_non_null(add_plain(world, &good));
	answer(world, &good);
	for (uint16_t i = 0; i < 2000; i++) {
		flow = udp(5 + i, i);
		assert_non_null(add_plain(world, &flow));
	}
	assert_int_equal(world->live, 51);
	assert_int_equal(world->ended[CONNECTION_EVICTED], 2001 - 50);
	assert_non_null(look(world, &good, &connection, &side));
	assert_non_null(look(world, &other, &connection, &side));
	/* when all are answered, nobody else comes in */
	for (uint16_t i = 2000 - 49; i < 2000; i++) {
		flow = udp(5 + i, i);
		answer(world, &flow);
	}
	flow = udp(9, 9999);
	assert_null(add_plain(world, &flow));
	assert_int_equal(world->live, 51);
	world_free(world);
}

static void
segment_pass(struct world *world, const struct flow *flow, unsigned from, uint8_t flags,
	uint32_t sequence, uint32_t acknowledgment)
{
	struct tcp_segment segment = { .sequence = sequence,
		.acknowledgment = acknowledgment,
		.window = 8000,
		.flags = flags };
	struct flow sent = from == 0 ? *flow : flow_reverse(flow);
	struct connection *connection;
	unsigned side;
	struct record *record = look(world, &sent, &connection, &side);

	assert_non_null(record);
	assert_int_equal(side, from);
	assert_int_equal(connection_pass(world->table, connection, side, &segment, 60, world->now),
		TCP_PASS);
	record->packets[side]++;
	record->bytes[side] += 60;
	record->last = world->now;
}

static uint64_t
seconds_left(struct world *world, const struct flow *flow)
{
	struct connection *connection;
	unsigned side;

	assert_non_null(look(world, flow, &connection, &side));
	return (connection_deadline(world->table, connection) - world->now) / SECOND;
}

static uint8_t
flags_of(struct world *world, const struct flow *flow)
{
	struct connection *connection;
	unsigned side;

	assert_non_null(look(world, flow, &connection, &side));
	return connection->flags & (CONNECTION_ANSWERED | CONNECTION_ENDED);
}

static void
handshake(struct world *world, const struct flow *flow)
{
	assert_non_null(add_plain(world, flow));
	segment_pass(world, flow, 0, RTE_TCP_SYN_FLAG, 1000, 0);
	segment_pass(world, flow, 1, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 5000, 1001);
	segment_pass(world, flow, 0, RTE_TCP_ACK_FLAG, 1001, 5001);
}

static void
close_both(struct world *world, const struct flow *flow)
{
	segment_pass(world, flow, 0, RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, 1001, 5001);
	segment_pass(world, flow, 1, RTE_TCP_ACK_FLAG, 5001, 1002);
	segment_pass(world, flow, 1, RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, 5001, 1002);
	segment_pass(world, flow, 0, RTE_TCP_ACK_FLAG, 1002, 5002);
}

/* Each state has its time; one that gets shorter holds at once. */
static void
tcp_has_its_times(void **state)
{
	struct world *world = world_new(RECORDS, 1);
	struct flow flow = make_flow(1, 2, 40000, 80, 4, IPPROTO_TCP, 100);

	assert_non_null(add_plain(world, &flow));
	segment_pass(world, &flow, 0, RTE_TCP_SYN_FLAG, 1000, 0);
	assert_int_equal(seconds_left(world, &flow), 240);
	segment_pass(world, &flow, 1, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 5000, 1001);
	assert_int_equal(seconds_left(world, &flow), 240);
	assert_int_equal(flags_of(world, &flow), CONNECTION_ANSWERED);
	segment_pass(world, &flow, 0, RTE_TCP_ACK_FLAG, 1001, 5001);
	assert_int_equal(seconds_left(world, &flow), 7440);
	/* it comes up in the wheel at its former time, and lives on */
	world->now += 3000 * SECOND;
	while (connections_expire(world->table, world->now, 100))
		;
	assert_int_equal(seconds_left(world, &flow), 4440);
	close_both(world, &flow);
	assert_int_equal(seconds_left(world, &flow), 240);
	assert_int_equal(flags_of(world, &flow), CONNECTION_ANSWERED | CONNECTION_ENDED);
	world->now += 241 * SECOND;
	while (connections_expire(world->table, world->now, 100))
		;
	assert_int_equal(world->live, 0);
	assert_int_equal(world->ended[CONNECTION_CLOSED], 1);

	handshake(world, &flow);
	segment_pass(world, &flow, 1, RTE_TCP_RST_FLAG, 5001, 0);
	assert_int_equal(seconds_left(world, &flow), 10);
	world->now += 11 * SECOND;
	while (connections_expire(world->table, world->now, 100))
		;
	assert_int_equal(world->live, 0);
	assert_int_equal(world->ended[CONNECTION_CLOSED], 2);
	world_free(world);
}

static bool
is_there(struct world *world, const struct flow *flow)
{
	unsigned side;

	return find(world, flow, &side) != NULL;
}

/* Half-open ones give their place although they were answered, ended ones too; not the others. */
static void
tcp_gives_place(void **state)
{
	struct world *world = world_new(RECORDS, 1);
	struct flow open = make_flow(1, 2, 1, 80, 4, IPPROTO_TCP, 100);
	struct flow half = make_flow(1, 2, 2, 80, 4, IPPROTO_TCP, 100);
	struct flow closed = make_flow(1, 2, 3, 80, 4, IPPROTO_TCP, 100);
	struct flow flow = make_flow(1, 2, 4, 80, 4, IPPROTO_TCP, 100);
	struct flow reply = flow_reverse(&flow);
	struct connection_request request = request_for(world, &flow, &reply);
	enum connection_refusal why;

	atomic_store(&world->domains[0].limit, 3);
	handshake(world, &open);
	assert_non_null(add_plain(world, &half));
	segment_pass(world, &half, 0, RTE_TCP_SYN_FLAG, 1000, 0);
	segment_pass(world, &half, 1, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 5000, 1001);
	handshake(world, &closed);
	close_both(world, &closed);
	world->victim = model_find(world, &half, &(unsigned){ 0 });
	learn(world, &request,
		connection_id(connection_add(world->table, &request, world->now, &why)));
	assert_true(is_there(world, &open) && !is_there(world, &half) && is_there(world, &closed));
	assert_int_equal(world->ended[CONNECTION_EVICTED], 1);
	/* the ended one has been waiting for longer than the new one */
	request.flow.from_port = request.reply.to_port = 5;
	request.flow_hash = request.reply_hash = flow_hash(&request.flow, &world->key);
	learn(world, &request,
		connection_id(connection_add(world->table, &request, world->now, &why)));
	assert_true(is_there(world, &open) && !is_there(world, &closed) && is_there(world, &flow));
	assert_int_equal(world->ended[CONNECTION_CLOSED], 1);
	world_free(world);
}

static void
a_refused_segment_changes_nothing(void **state)
{
	struct world *world = world_new(RECORDS, 1);
	struct flow flow = make_flow(1, 2, 1, 80, 4, IPPROTO_TCP, 100);
	struct tcp_segment segment = { .flags = RTE_TCP_ACK_FLAG, .sequence = 1, .window = 5 };
	struct connection *connection = add_plain(world, &flow);

	assert_int_equal(connection_pass(world->table, connection, 0, &segment, 60, world->now),
		TCP_CANNOT_BEGIN);
	assert_int_equal(connection->packets[0], 0);
	assert_int_equal(connection->bytes[0], 0);
	world_free(world);
}

/* The rule's own timeout, where nothing is opening or over. */
static void
a_rule_has_a_timeout(void **state)
{
	struct world *world = world_new(RECORDS, 1);
	struct flow flow = make_flow(1, 2, 1, 80, 4, IPPROTO_TCP, 100);
	struct flow reply = flow_reverse(&flow);

	assert_non_null(add(world, &flow, &reply, 3600, RECORDS));
	segment_pass(world, &flow, 0, RTE_TCP_SYN_FLAG, 1000, 0);
	assert_int_equal(seconds_left(world, &flow), 240);
	segment_pass(world, &flow, 1, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 5000, 1001);
	segment_pass(world, &flow, 0, RTE_TCP_ACK_FLAG, 1001, 5001);
	assert_int_equal(seconds_left(world, &flow), 3600);
	close_both(world, &flow);
	assert_int_equal(seconds_left(world, &flow), 240);
	world_free(world);
}

/* However long, and on whatever clock. */
static void
long_times(void **state)
{
	struct world *world = world_new(RECORDS, 1);
	struct flow flow = udp(1, 1), reply = flow_reverse(&flow);
	struct flow own = udp(2, 2), own_reply = flow_reverse(&own);

	world->now = SECOND * 3600 * 24 * 365 * 20;
	for (unsigned kind = 0; kind < CONNECTION_TIMEOUTS; kind++)
		world->domains[0].timeouts[kind] = UINT32_MAX;
	assert_non_null(add(world, &flow, &reply, 0, RECORDS));
	assert_non_null(add(world, &own, &own_reply, CONNECTION_TIMEOUT_MOST, RECORDS));
	world->now += (CONNECTION_TIMEOUT_MOST - 1) * SECOND;
	connections_expire(world->table, world->now, 1000);
	assert_true(is_there(world, &own));
	world->now += 2 * SECOND;
	connections_expire(world->table, world->now, 1000);
	assert_false(is_there(world, &own));
	connections_expire(world->table, world->now + SECOND * 3600 * 24 * 365 * 3, 1000);
	assert_true(is_there(world, &flow));
	world_free(world);
}

/* Ids of those that are gone stay gone, also when their memory was with the kernel. */
static void
ids_are_not_used_again(void **state)
{
	enum { COUNT = 3500 };
	static uint64_t ids[40 * COUNT];
	struct world *world = world_new(RECORDS, 1);
	struct connection_table_state before, after;
	unsigned n = 0;

	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			struct flow flow = udp(i, (uint16_t)i), reply = flow_reverse(&flow);
			struct connection_request request = request_for(world, &flow, &reply);
			enum connection_refusal why;

			ids[n] = connection_id(
				connection_add(world->table, &request, world->now, &why));
			learn(world, &request, ids[n++]);
		}
		connection_table_state(world->table, &before);
		world->now += SECOND * 31;
		while (connections_expire(world->table, world->now, 1000))
			;
		assert_int_equal(world->live, 0);
		for (unsigned i = 0; i < 100 && round % 2 == 0; i++) {
			world->now += SECOND / 100;
			connections_expire(world->table, world->now, 1000);
		}
		connection_table_state(world->table, &after);
		if (round % 2 == 0)
			assert_true(after.bytes < before.bytes / 2);
		for (unsigned i = n > 9000 ? n - 9000 : 0; i < n; i += 7)
			assert_null(connection_by_id(world->table, ids[i]));
	}
	assert_null(connection_by_id(world->table, UINT64_MAX));
	assert_null(connection_by_id(world->table, 0));
	world_free(world);
	/* none twice */
	for (unsigned i = 0; i < COUNT; i++) {
		for (unsigned other = i + COUNT; other < n; other += 1)
			assert_true(ids[i] != ids[other]);
	}
}

static void
no_memory(void **state)
{
	struct hash_key key;
	unsigned at = 1;

	hash_key_random(&key);
	assert_null(connection_table_create(&key, 0, NULL, NULL));
	assert_null(connection_table_create(&key, CONNECTION_LIMIT_MOST + 1, NULL, NULL));
	for (;; at++) {
		struct connection_table *table;
		bool failed;

		fault_arm(at, false);
		table = connection_table_create(&key, 100000, NULL, NULL);
		failed = fault_disarm();
		if (!failed) {
			assert_non_null(table);
			connection_table_free(table);
			break;
		}
		assert_null(table);
	}
	assert_true(at > 10);
	connection_table_free(NULL);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static size_t
resident_bytes(void)
{
	unsigned long all, resident;
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &all, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void
fill(struct connection_table *table, struct connection_domain *domain, const struct hash_key *key,
	uint8_t family, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct connection_request request = { .domain = domain };
		enum connection_refusal why;

		request.flow = make_flow(i, 1, 7, 53, family, IPPROTO_UDP, domain->id);
		request.reply = flow_reverse(&request.flow);
		request.flow_hash = request.reply_hash = flow_hash(&request.flow, key);
		assert_non_null(connection_add(table, &request, SECOND, &why));
	}
}

/* What the header promises, by the table's own count and by the kernel's, at sizes between two
 * powers of two. */
static void
bytes_per_connection(void **state)
{
	static const uint32_t counts[] = { 150000, 200000, 262144, 300000 };
	struct weft_network network = { .config.connection_limit = UINT32_MAX };
	struct hash_key key;

	hash_key_random(&key);
	for (unsigned i = 0; i < 8; i++) {
		struct connection_domain domain = {
			.network = &network, .id = 5, .limit = 1 << 24
		};
		uint32_t count = counts[i / 2], most = i % 2 == 0 ? 192 : 256;
		size_t before = resident_bytes(), real;
		struct connection_table_state told;
		struct connection_table *table =
			connection_table_create(&key, CONNECTION_LIMIT_MOST, NULL, NULL);

		fill(table, &domain, &key, i % 2 == 0 ? 4 : 6, count);
		real = resident_bytes() - before;
		connection_table_state(table, &told);
		assert_in_range(told.bytes, (size_t)count * 160, (size_t)count * most);
		assert_in_range(real, (size_t)count * 150, (size_t)count * most);
		connection_table_free(table);
		assert_int_equal(atomic_load(&network.connections), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_agrees),
		cmocka_unit_test(floods_end_floods),
		cmocka_unit_test(tcp_has_its_times),
		cmocka_unit_test(tcp_gives_place),
		cmocka_unit_test(a_refused_segment_changes_nothing),
		cmocka_unit_test(a_rule_has_a_timeout),
		cmocka_unit_test(long_times),
		cmocka_unit_test(ids_are_not_used_again),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(bytes_per_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
