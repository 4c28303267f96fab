/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a packet costs inside a firewall, beside a switch and a router with the same packets, and
 * what connections cost that begin. For bench/firewall; prints Markdown.
 *
 *	firewall_bench [ROUNDS]
 *	firewall_bench -p FAMILY PROTOCOL CONNECTIONS RULES	without end, for a profiler
 *
 * Packets are made in bursts, of connections taken by chance, from one side and from the other in
 * turn; they enter at a vnic, walk, and leave by net_null. What making them and sending them at
 * once costs is measured beside it and taken off. Cycles of the TSC, of the thread's own time. Each
 * figure is the median of the rounds.
 */
#include "firewall_lab.h"

#include "base/clock.h"

#include <rte_cycles.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKETS (1u << 20) /* a round */
#define ROUNDS_MAX 99
#define STEADY 262144

static const char *const sinks[2] = { "net_null0,no-rx=1", "net_null1,no-rx=1" };
static const uint32_t counts[] = { 1, 1024, 65536, CONNECTIONS_MOST };

static unsigned rounds = 5;
static double ghz; /* of the TSC */

static struct weft *
engine(void)
{
	const struct weft_options options = { .memory_mb = 512 };
	struct weft_error error;
	struct weft *weft = weft_open(&options, &error);

	if (weft == NULL)
		fail(error.text);
	ghz = (double)rte_get_tsc_hz() / 1e9;
	return weft;
}

/* In a process of its own: the state table keeps the size that it once had. */
static void
apart(void (*print)(struct weft *weft, const void *argument), const void *argument)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		struct weft *weft = engine();

		print(weft, argument);
		fflush(stdout);
		weft_close(weft);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		fail("a process of its own");
}

static void
run(struct lab *lab, void (*burst)(struct worker *, void *), uint32_t packets)
{
	for (uint32_t i = 0; i < packets; i += lab->burst)
		worker_call(lab->weft->workers[0], burst, lab);
}

static double
timed(struct lab *lab, void (*burst)(struct worker *, void *))
{
	uint64_t begin;

	run(lab, burst, 65536);
	begin = clock_read(CLOCK_THREAD_CPUTIME_ID);
	run(lab, burst, PACKETS);
	return (double)(clock_read(CLOCK_THREAD_CPUTIME_ID) - begin) * ghz / PACKETS;
}

static uint64_t
sent(const struct lab *lab)
{
	struct weft_counters counters[2];

	for (unsigned side = 0; side < 2; side++)
		weft_vport_counters(lab->ports[side], &counters[side]);
	return counters[0].out_packets + counters[1].out_packets;
}

/* Inside, of packets of the first `connections`. */
static double
inside(struct lab *lab, uint32_t connections)
{
	double values[ROUNDS_MAX];
	uint64_t before = sent(lab);

	lab->connections = connections;
	for (unsigned round = 0; round < rounds; round++) {
		double generator = timed(lab, send_at_once);

		values[round] = timed(lab, walk) - generator;
	}
	if (sent(lab) - before != (uint64_t)rounds * (PACKETS + 65536))
		fail("packets were lost on the way");
	return median(values, rounds);
}

/* ---- established ------------------------------------------------------------------------------
 */

static const char *
protocol_name(const struct setup *setup)
{
	return setup->protocol == IPPROTO_TCP ? "TCP" : "UDP";
}

static void
print_established_row(struct weft *weft, const void *argument)
{
	const struct setup *setup = argument;
	static const char *const names[] = { "switch", "router, 1 route a way", "firewall" };
	struct lab *lab = lab_open(weft, setup, sinks);

	printf("| %s | IPv%u, %s | %u |", names[setup->between], setup->family,
		protocol_name(setup), setup->rules);
	for (unsigned i = 0; i < RTE_DIM(counts); i++) {
		if (setup->between == FIREWALL)
			lab_establish(lab, counts[i]);
		printf(" %.0f |", inside(lab, counts[i]));
		fflush(stdout);
	}
	printf("\n");
	lab_close(lab);
}

static void
print_established(void)
{
	static const struct setup rows[] = {
		{ SWITCH, 4, IPPROTO_UDP, 0, 0 },
		{ ROUTER, 4, IPPROTO_UDP, 0, 0 },
		{ FIREWALL, 4, IPPROTO_UDP, 1, 0 },
		{ FIREWALL, 4, IPPROTO_UDP, 1000, 0 },
		{ FIREWALL, 4, IPPROTO_UDP, 10000, 0 },
		{ FIREWALL, 4, IPPROTO_UDP, 100000, 0 },
		{ FIREWALL, 4, IPPROTO_TCP, 1, 0 },
		{ FIREWALL, 4, IPPROTO_TCP, 1000, 0 },
		{ FIREWALL, 4, IPPROTO_TCP, 10000, 0 },
		{ FIREWALL, 4, IPPROTO_TCP, 100000, 0 },
		{ ROUTER, 6, IPPROTO_UDP, 0, 0 },
		{ FIREWALL, 6, IPPROTO_UDP, 1, 0 },
		{ FIREWALL, 6, IPPROTO_TCP, 1, 0 },
		{ FIREWALL, 6, IPPROTO_TCP, 10000, 0 },
	};

	printf("| through | packets | rules | 1 connection | 1,024 | 65,536 | 1,048,576 |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < RTE_DIM(rows); i++)
		apart(print_established_row, &rows[i]);
}

static void
print_bursts(struct weft *weft, const void *argument)
{
	static const unsigned bursts[] = { 1, 8, 32, 64, 128, 256 };
	static const struct setup setup = { FIREWALL, 4, IPPROTO_TCP, 10000, 0 };
	struct lab *lab = lab_open(weft, &setup, sinks);

	printf("\n| IPv4, TCP, 10,000 rules | 1 connection | 1,024 | 65,536 | 1,048,576 |\n"
	       "| --- | --- | --- | --- | --- |\n");
	lab_establish(lab, CONNECTIONS_MOST);
	for (unsigned i = 0; i < RTE_DIM(bursts); i++) {
		lab->burst = bursts[i];
		printf("| vectors of %u |", bursts[i]);
		for (unsigned j = 0; j < RTE_DIM(counts); j++) {
			printf(" %.0f |", inside(lab, counts[j]));
			fflush(stdout);
		}
		printf("\n");
	}
	lab_close(lab);
}

/* ---- that begin -------------------------------------------------------------------------------
 */

/* Seconds, of the thread's own time. */
static double
opening_time(struct lab *lab, uint32_t first, uint32_t count, unsigned packets, bool through)
{
	uint64_t begin = clock_read(CLOCK_THREAD_CPUTIME_ID);

	open_connections(lab, first, first + count, packets, through);
	return (double)(clock_read(CLOCK_THREAD_CPUTIME_ID) - begin) / 1e9;
}

struct beginning {
	double fresh, steady; /* a second */
	double bytes;
};

static struct beginning
begin_many(struct weft *weft, const struct setup *setup)
{
	/* after which they give their place yet: of UDP it is not answered */
	unsigned packets = setup->protocol == IPPROTO_TCP ? 2 : 1;
	struct setup limited = *setup;
	struct lab *lab = lab_open(weft, setup, sinks);
	double made = opening_time(lab, 0, CONNECTIONS_MOST, 2, false);
	struct connection_table_state state;
	struct beginning result;
	struct firewall_info info;

	made = opening_time(lab, 0, CONNECTIONS_MOST, 2, true) - made;
	result.fresh = CONNECTIONS_MOST / made;
	firewall_read(lab->device, &info);
	if (info.connections != CONNECTIONS_MOST)
		fail("not all connections have begun");
	connection_table_state(firewalls_of(weft)->shards[0].connections, &state);
	result.bytes = (double)state.bytes / state.connections;
	lab_close(lab);

	limited.connection_limit = STEADY;
	lab = lab_open(weft, &limited, sinks);
	open_connections(lab, 0, STEADY, packets, true);
	made = opening_time(lab, STEADY, STEADY, packets, false);
	made = opening_time(lab, STEADY, STEADY, packets, true) - made;
	result.steady = STEADY / made;
	firewall_read(lab->device, &info);
	if (info.connections != STEADY)
		fail("more connections than the limit, or fewer");
	lab_close(lab);
	return result;
}

static void
print_beginning_row(struct weft *weft, const void *argument)
{
	double fresh[ROUNDS_MAX], steady[ROUNDS_MAX], bytes[ROUNDS_MAX];
	const struct setup *setup = argument;

	for (unsigned round = 0; round < rounds; round++) {
		struct beginning result = begin_many(weft, setup);

		fresh[round] = result.fresh;
		steady[round] = result.steady;
		bytes[round] = result.bytes;
	}
	printf("| IPv%u, %s | %u | %.0f | %.0f | %.0f |\n", setup->family, protocol_name(setup),
		setup->rules, median(fresh, rounds) / 1e3, median(steady, rounds) / 1e3,
		median(bytes, rounds));
}

static void
print_beginning(void)
{
	static const struct setup rows[] = {
		{ FIREWALL, 4, IPPROTO_TCP, 1, 0 },
		{ FIREWALL, 4, IPPROTO_TCP, 10000, 0 },
		{ FIREWALL, 4, IPPROTO_TCP, 100000, 0 },
		{ FIREWALL, 4, IPPROTO_UDP, 1, 0 },
		{ FIREWALL, 4, IPPROTO_UDP, 10000, 0 },
		{ FIREWALL, 6, IPPROTO_TCP, 1, 0 },
	};

	printf("\n| connections that begin: packet and reply | rules | a million into an empty "
	       "table, thousands/s | each in place of one not yet answered (TCP: not yet open), "
	       "thousands/s | bytes each |\n"
	       "| --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < RTE_DIM(rows); i++)
		apart(print_beginning_row, &rows[i]);
}

/* ------------------------------------------------------------------------------------------------
 */

static _Noreturn void
profile(struct weft *weft, char **words)
{
	const struct setup setup = { FIREWALL, (unsigned)atoi(words[0]), (unsigned)atoi(words[1]),
		(unsigned)atoi(words[3]), 0 };
	struct lab *lab = lab_open(weft, &setup, sinks);

	lab_establish(lab, (uint32_t)atoi(words[2]));
	for (;;)
		printf("%.0f\n", inside(lab, (uint32_t)atoi(words[2])));
}

int
main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "-p") == 0)
		profile(engine(), argv + 2);
	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		fail("ROUNDS");
	print_established();
	apart(print_bursts, NULL);
	print_beginning();
	return 0;
}
