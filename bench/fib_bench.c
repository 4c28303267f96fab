/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the routers' FIBs cost, alone: lookups one by one and in bursts, memory, loading, and
 * updates beside a reader. For bench/fib; prints Markdown.
 *
 *	fib_bench [ROUNDS]
 *
 * Lengths are about those of the Internet's tables in 2025; the routes lie together as they do
 * there, in some of the /16 (IPv6: /32) more than in others. Destinations are random addresses
 * within random routes. Each figure is the median of the rounds. Time is the thread's own.
 */
#include "measure.h"
#include "random_routes.h"

#include "base/clock.h"
#include "router/fib.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST 64
#define LOOKUPS (4u << 20) /* a round */
#define ROUNDS_MAX 99
#define HOPS 64            /* next hops */
#define RECLAIM_EVERY 1024 /* updates */
#define CHURN 300000

struct table {
	const char *name;
	enum fib_family family;
	uint32_t routes, wanted;
	struct route *route;
	struct fib fib;
	double load; /* s */
};

static unsigned rounds = 5;
static double ghz; /* of the TSC */

/* ---- routes --------------------------------------------------------------------------------- */

static void
make_routes(struct table *table)
{
	struct fib seen;

	table->route = memory(table->wanted, sizeof(*table->route));
	fib_open(&seen, table->family);
	while (table->routes < table->wanted) {
		struct route *route = &table->route[table->routes];
		uint32_t old;

		random_route(route, table->family == FIB_IPV4 ? 4 : 6);
		route->leaf = 1 + random_below(HOPS);
		if (fib_set(&seen, route->prefix, route->length, route->leaf, &old) != 0)
			fail("no memory");
		if (old == 0)
			table->routes++;
		if (table->routes % RECLAIM_EVERY == 0)
			fib_reclaim(&seen);
	}
	fib_close(&seen);
}

static void
load(struct table *table)
{
	double times[ROUNDS_MAX];

	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin = now();

		if (round != 0)
			fib_close(&table->fib);
		fib_open(&table->fib, table->family);
		for (uint32_t i = 0; i < table->routes; i++) {
			const struct route *route = &table->route[i];

			if (fib_set(&table->fib, route->prefix, route->length, route->leaf, NULL))
				fail("no memory");
			/* nobody looks yet */
			if (i % RECLAIM_EVERY == 0)
				fib_reclaim(&table->fib);
		}
		fib_reclaim(&table->fib);
		times[round] = (double)(now() - begin) / 1e9;
	}
	table->load = median(times, rounds);
}

/* ---- lookups -------------------------------------------------------------------------------- */

struct destinations {
	uint32_t count;
	uint32_t *four;
	uint8_t (*six)[16];
	const uint8_t **six_at;
};

static struct destinations
make_destinations(const struct table *table, uint32_t count)
{
	struct destinations result = {
		.count = count,
		.four = memory(count, sizeof(*result.four)),
		.six = memory(count, sizeof(*result.six)),
		.six_at = memory(count, sizeof(*result.six_at)),
	};

	for (uint32_t i = 0; i < count; i++) {
		const struct route *route = &table->route[random_below(table->routes)];
		uint8_t *address = result.six[i];

		random_address(route, table->family == FIB_IPV4 ? 4 : 16, address);
		result.four[i] = (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 |
				 (uint32_t)address[2] << 8 | address[3];
		result.six_at[i] = address;
	}
	return result;
}

static uint64_t sum; /* so that no lookup is left out */

static void
one_by_one(const struct table *table, const struct destinations *to, uint32_t first)
{
	for (uint32_t i = first; i < first + BURST; i++)
		sum += table->family == FIB_IPV4 ? fib4_lookup(&table->fib, to->four[i])
						 : fib6_lookup(&table->fib, to->six[i]);
}

static void
at_once(const struct table *table, const struct destinations *to, uint32_t first)
{
	const struct fib *fibs[BURST];
	uint32_t leaves[BURST];

	for (unsigned i = 0; i < BURST; i++)
		fibs[i] = &table->fib;
	if (table->family == FIB_IPV4)
		fib4_lookup_burst(fibs, to->four + first, leaves, BURST);
	else
		fib6_lookup_burst(fibs, to->six_at + first, leaves, BURST);
	for (unsigned i = 0; i < BURST; i++)
		sum += leaves[i];
}

/* Cycles per lookup. */
static double
measure(const struct table *table, const struct destinations *to,
	void (*look)(const struct table *table, const struct destinations *to, uint32_t first))
{
	double cycles[ROUNDS_MAX];

	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin = now();

		for (uint32_t done = 0; done < LOOKUPS; done += BURST)
			look(table, to, done % to->count);
		cycles[round] = (double)(now() - begin) * ghz / LOOKUPS;
	}
	return median(cycles, rounds);
}

static void
lookups(const struct table *table, uint32_t count)
{
	struct destinations to = make_destinations(table, count);

	printf("| %s | %u | %u | %.0f | %.0f |\n", table->name, table->routes, count,
		measure(table, &to, one_by_one), measure(table, &to, at_once));
	fflush(stdout);
	free(to.four);
	free(to.six);
	free(to.six_at);
}

/* ---- updates beside a reader ---------------------------------------------------------------- */

struct reader {
	const struct table *table;
	struct destinations to;
	_Atomic uint64_t quiescent;
	_Atomic bool stop;
};

static void *
read_on(void *argument)
{
	struct reader *reader = argument;
	uint32_t first = 0;

	while (!atomic_load_explicit(&reader->stop, memory_order_relaxed)) {
		at_once(reader->table, &reader->to, first);
		first = (first + BURST) % reader->to.count;
		atomic_fetch_add_explicit(&reader->quiescent, 1, memory_order_release);
	}
	return NULL;
}

static void
wait_for_reader(struct reader *reader)
{
	uint64_t before = atomic_load_explicit(&reader->quiescent, memory_order_acquire);

	while (atomic_load_explicit(&reader->quiescent, memory_order_acquire) < before + 2)
		sched_yield();
}

/* Updates a second: routes go and come back. */
static double
churn(struct table *table)
{
	struct reader reader = { .table = table, .to = make_destinations(table, 65536) };
	pthread_t thread;
	uint64_t begin;

	if (pthread_create(&thread, NULL, read_on, &reader) != 0)
		fail("no thread");
	begin = now();
	for (uint32_t i = 0; i < CHURN; i += 2) {
		const struct route *route = &table->route[random_below(table->routes)];

		if (fib_clear(&table->fib, route->prefix, route->length, NULL) != 0 ||
			fib_set(&table->fib, route->prefix, route->length, route->leaf, NULL) != 0)
			fail("no memory");
		if (i % RECLAIM_EVERY == 0) {
			wait_for_reader(&reader);
			fib_reclaim(&table->fib);
		}
	}
	begin = now() - begin;
	atomic_store(&reader.stop, true);
	pthread_join(thread, NULL);
	fib_reclaim(&table->fib);
	return CHURN / ((double)begin / 1e9);
}

/* The longest single update there is: the default route, which covers all. ms */
static double
default_route(struct table *table)
{
	const uint8_t any[16] = { 0 };
	uint64_t begin = now();

	fib_set(&table->fib, any, 0, 1, NULL);
	begin = now() - begin;
	fib_clear(&table->fib, any, 0, NULL);
	return (double)begin / 1e6;
}

int
main(int argc, char **argv)
{
	struct table tables[] = { { "IPv4", FIB_IPV4, .wanted = 1 },
		{ "IPv4", FIB_IPV4, .wanted = 10 }, { "IPv4", FIB_IPV4, .wanted = 1000 },
		{ "IPv4", FIB_IPV4, .wanted = 1000000 }, { "IPv6", FIB_IPV6, .wanted = 1 },
		{ "IPv6", FIB_IPV6, .wanted = 10 }, { "IPv6", FIB_IPV6, .wanted = 1000 },
		{ "IPv6", FIB_IPV6, .wanted = 250000 } };
	const unsigned count = sizeof(tables) / sizeof(tables[0]);

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		fail("ROUNDS");
	ghz = tsc_ghz();
	printf("| family | routes | destinations | cycles, one by one | cycles, 64 at once |\n"
	       "| --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < count; i++) {
		make_routes(&tables[i]);
		load(&tables[i]);
		lookups(&tables[i], 65536);
		lookups(&tables[i], 1u << 20);
	}
	printf("\n| family | routes | memory, bytes | loaded in, ms | updates/s of the writer's "
	       "time, beside a reader | "
	       "default route set in, ms |\n| --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < count; i++) {
		size_t bytes = fib_memory(&tables[i].fib);
		double updates = churn(&tables[i]);

		printf("| %s | %u | %zu | %.3f | %.0f | %.3f |\n", tables[i].name, tables[i].routes,
			bytes, tables[i].load * 1e3, updates, default_route(&tables[i]));
		fflush(stdout);
	}
	return sum == 0;
}
