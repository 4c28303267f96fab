/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the firewalls' state table costs, alone: packets of connections that are there, in vectors;
 * connections that come and go; what time and memory they take. Prints Markdown.
 *
 *	connection_bench [ROUNDS]
 *
 * Packets are of random connections, from either side. Each figure is the median of the rounds.
 * Time is the thread's own. "Found and passed" has the hash and the flow at hand, as a firewall
 * has them when it comes to the table; the hash has a column of its own.
 */
#include "base/clock.h"
#include "firewall/connection.h"
#include "measure.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR_MOST 256
#define PACKETS (4u << 20) /* a round */
#define ROUNDS_MAX 99
#define SECOND 1000000000ull

struct kind {
	const char *name;
	uint8_t family, protocol;
	bool translated;
};

static const struct kind kinds[] = {
	{ "UDP, IPv4", 4, IPPROTO_UDP, false },
	{ "TCP, IPv4", 4, IPPROTO_TCP, false },
	{ "TCP, IPv4, translated", 4, IPPROTO_TCP, true },
	{ "TCP, IPv6", 6, IPPROTO_TCP, false },
};

struct world {
	const struct kind *kind;
	uint32_t count;
	struct hash_key key;
	struct weft_network network;
	struct connection_domain domain;
	struct connection_table *table;
	uint32_t *order; /* connections to which packets come: connection * 2 + side */
};

static unsigned rounds = 5;
static double ghz; /* of the TSC */

static uint64_t
random_word(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1du >> 16;
}

/* ---- connections ------------------------------------------------------------------------------
 */

static struct flow
flow_of(const struct world *world, uint32_t number, unsigned side)
{
	struct flow flow = {
		.family = world->kind->family,
		.protocol = world->kind->protocol,
		.domain = world->domain.id,
		.from_port = (uint16_t)(number * 7 + 1024),
		.to_port = 443,
	};
	uint32_t client = number * 2654435761u, server = 0x0a000001;

	flow.from_ip[0] = flow.to_ip[0] = flow.family == 6 ? 0x20 : 0;
	memcpy(flow.from_ip + (flow.family == 6 ? 12 : 0), &client, sizeof(client));
	memcpy(flow.to_ip + (flow.family == 6 ? 12 : 0), &server, sizeof(server));
	if (side == 0)
		return flow;
	flow = flow_reverse(&flow);
	if (world->kind->translated) { /* from many addresses: ports do not suffice */
		flow.to_port = (uint16_t)number;
		client = 0x64000000 | number >> 16;
		memcpy(flow.to_ip, &client, sizeof(client));
	}
	return flow;
}

static struct connection *
add(struct world *world, uint32_t number, uint64_t at)
{
	struct connection_request request = {
		.domain = &world->domain,
		.flow = flow_of(world, number, 0),
		.reply = flow_of(world, number, 1),
	};
	enum connection_refusal why;
	struct connection *connection;

	request.flow_hash = flow_hash(&request.flow, &world->key);
	request.reply_hash = world->kind->translated ? flow_hash(&request.reply, &world->key)
						     : request.flow_hash;
	connection = connection_add(world->table, &request, at, &why);
	if (connection == NULL)
		fail("refused");
	return connection;
}

static void
pass(struct world *world, struct connection *connection, unsigned side, uint8_t flags,
	uint32_t sequence, uint32_t acknowledgment, uint64_t at)
{
	struct tcp_segment segment = { .sequence = sequence,
		.acknowledgment = acknowledgment,
		.window = 65535,
		.flags = flags };

	if (connection_pass(world->table, connection, side,
		    world->kind->protocol == IPPROTO_TCP ? &segment : NULL, 64, at) != TCP_PASS)
		fail("not passed");
}

static void
establish(struct world *world, struct connection *connection, uint64_t at)
{
	pass(world, connection, 0, RTE_TCP_SYN_FLAG, 1, 0, at);
	pass(world, connection, 1, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 1, 2, at);
	pass(world, connection, 0, RTE_TCP_ACK_FLAG, 2, 2, at);
}

static void
world_open(struct world *world, const struct kind *kind, uint32_t count)
{
	static const uint32_t timeouts[CONNECTION_TIMEOUTS] = { 240, 7440, 240, 10, 30, 180, 30,
		600 };

	memset(world, 0, sizeof(*world));
	world->kind = kind;
	world->count = count;
	world->network.config.connection_limit = UINT32_MAX;
	world->domain = (struct connection_domain){
		.network = &world->network,
		.id = 9,
		.limit = UINT32_MAX,
	};
	for (unsigned i = 0; i < CONNECTION_TIMEOUTS; i++)
		world->domain.timeouts[i] = timeouts[i];
	hash_key_random(&world->key);
	world->table = connection_table_create(&world->key, CONNECTION_LIMIT_MOST, NULL, NULL);
	world->order = malloc(PACKETS * sizeof(*world->order));
	if (world->table == NULL || world->order == NULL)
		fail("no memory");
	for (uint32_t i = 0; i < PACKETS; i++)
		world->order[i] = (uint32_t)(random_word() % (count * 2ull));
}

static void
world_close(struct world *world)
{
	connection_table_free(world->table);
	free(world->order);
}

/* ---- packets of connections -------------------------------------------------------------------
 */

struct vector {
	struct flow flows[VECTOR_MOST];
	uint64_t hashes[VECTOR_MOST];
};

static void
vector_find_and_pass(struct world *world, const struct vector *vector, unsigned size, uint64_t at)
{
	for (unsigned i = 0; i < size; i++)
		connection_prefetch(world->table, vector->hashes[i]);
	for (unsigned i = 0; i < size; i++)
		connection_prefetch_found(world->table, vector->hashes[i]);
	for (unsigned i = 0; i < size; i++) {
		unsigned side;
		struct connection *connection =
			connection_find(world->table, &vector->flows[i], vector->hashes[i], &side);

		if (connection == NULL)
			fail("not found");
		pass(world, connection, side, RTE_TCP_ACK_FLAG, 2, 2, at);
	}
}

/* Cycles per packet: `hash`: for its hash; `find`: to find it and let it pass. */
static void
round_of(struct world *world, unsigned size, double *hash, double *find)
{
	static struct vector vector;
	uint64_t hashing = 0, finding = 0;

	for (uint32_t done = 0; done < PACKETS; done += size) {
		uint64_t begin;

		for (unsigned i = 0; i < size; i++) {
			uint32_t which = world->order[done + i];

			vector.flows[i] = flow_of(world, which / 2, which & 1);
		}
		begin = rte_rdtsc_precise();
		for (unsigned i = 0; i < size; i++)
			vector.hashes[i] = flow_hash(&vector.flows[i], &world->key);
		hashing += rte_rdtsc_precise() - begin;
		begin = rte_rdtsc_precise();
		vector_find_and_pass(world, &vector, size, SECOND * 2);
		finding += rte_rdtsc_precise() - begin;
	}
	*hash = (double)hashing / PACKETS;
	*find = (double)finding / PACKETS;
}

static void
packets(struct world *world)
{
	static const unsigned sizes[] = { 32, 64, 256 };
	double hash[ROUNDS_MAX], find[3][ROUNDS_MAX];

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned round = 0; round < rounds; round++)
			round_of(world, sizes[i], &hash[round], &find[i][round]);
	}
	printf("| %s | %u | %.0f | %.0f | %.0f | %.0f |\n", world->kind->name, world->count,
		median(hash, rounds), median(find[0], rounds), median(find[1], rounds),
		median(find[2], rounds));
	fflush(stdout);
}

static void
established(const struct kind *kind, uint32_t count)
{
	struct world world;

	world_open(&world, kind, count);
	for (uint32_t i = 0; i < count; i++) {
		struct connection *connection = add(&world, i, SECOND);

		if (kind->protocol == IPPROTO_TCP)
			establish(&world, connection, SECOND);
	}
	packets(&world);
	world_close(&world);
}

/* ---- coming and going -------------------------------------------------------------------------
 */

struct life {
	double added, ended, steady; /* a second */
	double bytes;
};

/* A million come into an empty table, and end when their time is up. */
static struct life
live(const struct kind *kind, uint32_t count)
{
	struct life life = { 0 };
	struct connection_table_state state;
	struct world world;
	uint64_t begin;

	world_open(&world, kind, count);
	begin = now();
	for (uint32_t i = 0; i < count; i++)
		add(&world, i, SECOND + i * 10ull);
	life.added = count / ((double)(now() - begin) / 1e9);
	connection_table_state(world.table, &state);
	life.bytes = (double)state.bytes / count;
	begin = now();
	while (connections_expire(world.table, SECOND * 10000, 256))
		;
	life.ended = count / ((double)(now() - begin) / 1e9);
	connection_table_state(world.table, &state);
	if (state.connections != 0)
		fail("not ended");
	/* as many go as come, on memory that is there */
	for (uint32_t i = 0; i < count / 2; i++)
		add(&world, i, SECOND * 20000 + i);
	begin = now();
	for (uint32_t i = count / 2; i < count; i++) {
		unsigned side;
		struct flow flow = flow_of(&world, i - count / 2, 0);
		struct connection *oldest =
			connection_find(world.table, &flow, flow_hash(&flow, &world.key), &side);

		connection_end(world.table, oldest, CONNECTION_KILLED);
		add(&world, i, SECOND * 20001 + i);
	}
	life.steady = (count - count / 2) / ((double)(now() - begin) / 1e9);
	world_close(&world);
	return life;
}

/* The longest of all additions to a table, each the shortest of the rounds: what it takes always,
 * and not what interrupts it. us */
static double
longest(const struct kind *kind, uint32_t count)
{
	uint64_t *cycles = malloc(count * sizeof(*cycles)), most = 0;
	struct world world;

	if (cycles == NULL)
		fail("no memory");
	memset(cycles, 0xff, count * sizeof(*cycles));
	for (unsigned round = 0; round < rounds; round++) {
		world_open(&world, kind, count);
		/* the same steps of growth each time */
		connection_table_free(world.table);
		memset(&world.key, 7, sizeof(world.key));
		world.table =
			connection_table_create(&world.key, CONNECTION_LIMIT_MOST, NULL, NULL);
		for (uint32_t i = 0; i < count; i++) {
			uint64_t one = rte_rdtsc();

			add(&world, i, SECOND);
			one = rte_rdtsc() - one;
			cycles[i] = one < cycles[i] ? one : cycles[i];
		}
		world_close(&world);
	}
	for (uint32_t i = 0; i < count; i++)
		most = cycles[i] > most ? cycles[i] : most;
	free(cycles);
	return (double)most / ghz / 1e3;
}

static void
lives(const struct kind *kind, uint32_t count)
{
	double values[4][ROUNDS_MAX];

	for (unsigned round = 0; round < rounds; round++) {
		struct life life = live(kind, count);

		values[0][round] = life.added;
		values[1][round] = life.steady;
		values[2][round] = life.ended;
		values[3][round] = life.bytes;
	}
	printf("| %s | %u | %.2f | %.2f | %.2f | %.1f | %.1f |\n", kind->name, count,
		median(values[0], rounds) / 1e6, median(values[1], rounds) / 1e6,
		median(values[2], rounds) / 1e6, longest(kind, count), median(values[3], rounds));
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const uint32_t counts[] = { 1, 65536, 1000000 };

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		fail("ROUNDS");
	ghz = tsc_ghz();
	printf("| packets | connections | cycles, hash | cycles, found and passed: 32 at once | 64 "
	       "| 256 |\n| --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < RTE_DIM(kinds); i++) {
		for (unsigned j = 0; j < RTE_DIM(counts); j++)
			established(&kinds[i], counts[j]);
	}
	printf("\n| connections | there are | added, million/s | one added, one ended, million/s | "
	       "expired, million/s | longest single addition, us | bytes each |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		lives(&kinds[i], 1000000);
	return 0;
}
