/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a change of a firewall's rules costs while a worker forwards packets of a million
 * connections: how long the worker stops, how long it takes until all connections are judged
 * again, and how long a change of a single rule takes. For bench/firewall; prints Markdown.
 *
 *	firewall_change_bench [ROUNDS]
 *
 * The worker runs by itself on the last core, the rest on the first. Packets come without end from
 * two net_null devices; what they have in them, and when the worker looks for more, is told by a
 * callback that DPDK makes on the worker.
 */
#include "firewall_lab.h"

#include "base/clock.h"

#include <pthread.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <unistd.h>

#define ROUNDS_MAX 99
#define QUIET_US 300000

static const char *const sources[2] = { "net_null0", "net_null1" };

static unsigned rounds = 5;

/* The worker's, but for `restart`. */
struct watch {
	struct lab *lab;
	uint64_t last, last_own; /* ns: by the clock; of the worker's own time */
	_Atomic uint64_t longest, longest_own;
	_Atomic bool restart;
};

static struct watch watch;

static void
run_on(unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		fail("no such core");
}

/* ---- on the worker ----------------------------------------------------------------------------
 */

static void
lengthen(_Atomic uint64_t *longest, uint64_t gap)
{
	if (gap > atomic_load_explicit(longest, memory_order_relaxed))
		atomic_store_explicit(longest, gap, memory_order_relaxed);
}

static void
note_look(void)
{
	uint64_t now = clock_monotonic(), own = clock_read(CLOCK_THREAD_CPUTIME_ID);

	if (atomic_exchange_explicit(&watch.restart, false, memory_order_acquire)) {
		atomic_store_explicit(&watch.longest, 0, memory_order_release);
		atomic_store_explicit(&watch.longest_own, 0, memory_order_release);
	} else {
		lengthen(&watch.longest, now - watch.last);
		lengthen(&watch.longest_own, own - watch.last_own);
	}
	watch.last = now;
	watch.last_own = own;
}

static uint16_t
fill(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t count, uint16_t most,
	void *argument)
{
	struct lab *lab = watch.lab;
	unsigned side = argument != NULL;

	(void)port;
	(void)queue;
	(void)most;
	if (side == 0)
		note_look();
	for (uint16_t i = 0; i < count; i++) {
		uint32_t which = lab->order[lab->next++ & (ORDER - 1)];

		put_frame(lab, side, (uint32_t)((uint64_t)which * lab->connections >> 32),
			rte_pktmbuf_mtod(packets[i], uint8_t *));
	}
	return count;
}

/* ---- beside it --------------------------------------------------------------------------------
 */

static void
watch_begin(void)
{
	atomic_store_explicit(&watch.restart, true, memory_order_release);
	while (atomic_load_explicit(&watch.restart, memory_order_acquire))
		usleep(10);
}

/* ms */
struct pause {
	double clock, own;
};

static struct pause
watch_end(void)
{
	return (struct pause){
		(double)atomic_load_explicit(&watch.longest, memory_order_acquire) / 1e6,
		(double)atomic_load_explicit(&watch.longest_own, memory_order_acquire) / 1e6,
	};
}

static double
ms_since(uint64_t begin)
{
	return (double)(clock_monotonic() - begin) / 1e6;
}

static uint32_t
connections_of(const struct lab *lab)
{
	struct firewall_info info;

	firewall_read(lab->device, &info);
	return info.connections;
}

struct change {
	double staged, committed, judged; /* ms */
	struct pause pause;
};

/* `count` rules, one of them as `other` says; until every connection is judged by them. */
static struct change
change_rules(struct lab *lab, unsigned count, unsigned other)
{
	struct firewalls *all = firewalls_of(lab->weft);
	struct weft_change *change;
	struct change result;
	uint64_t begin;

	watch_begin();
	begin = clock_monotonic();
	change = weft_change_begin(lab->weft);
	set_rules(change, lab, count, other);
	result.staged = ms_since(begin);
	begin = clock_monotonic();
	lab_commit(change);
	result.committed = ms_since(begin);
	begin = clock_monotonic();
	while (all->sweeping)
		weft_poll(lab->weft);
	result.judged = ms_since(begin);
	result.pause = watch_end();
	return result;
}

/* All that come are there. */
static void
wait_for_connections(struct lab *lab)
{
	/* picks at random leave some out */
	for (uint32_t i = 0; i < ORDER; i++)
		lab->order[i] = i << 12;
	for (unsigned i = 0; connections_of(lab) < lab->connections; i++) {
		if (i == 3000)
			fail("not all connections are there");
		usleep(10000);
	}
	for (uint32_t i = 0; i < ORDER; i++)
		lab->order[i] = (uint32_t)random_word();
}

static struct pause
pause_without(void)
{
	watch_begin();
	usleep(QUIET_US);
	return watch_end();
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static void
print_row(struct lab *lab, unsigned count)
{
	double staged[ROUNDS_MAX], committed[ROUNDS_MAX], judged[ROUNDS_MAX], own = 0;
	double clock[ROUNDS_MAX], without[ROUNDS_MAX], own_without = 0;
	struct change loaded = change_rules(lab, count, 1);

	for (unsigned round = 0; round < rounds; round++) {
		struct pause quiet = pause_without();
		struct change result = change_rules(lab, count, 2 + round);

		staged[round] = result.staged;
		committed[round] = result.committed;
		judged[round] = result.judged;
		clock[round] = result.pause.clock;
		without[round] = quiet.clock;
		own = RTE_MAX(own, result.pause.own);
		own_without = RTE_MAX(own_without, quiet.own);
	}
	printf("| %u | %.1f, %.1f | %.2f | %.2f | %.0f | %.3f | %.3f | %.3f | %.3f |\n", count,
		loaded.staged, loaded.committed, median(staged, rounds), median(committed, rounds),
		median(judged, rounds), own, own_without, median(clock, rounds),
		median(without, rounds));
	fflush(stdout);
}

static void
print_refusal(struct lab *lab)
{
	struct weft_prefix half = lab_prefix("10.8.0.0", 13);
	const struct weft_rule rules[3] = {
		{ .name = "from", .action = WEFT_RULE_DROP, .from_ip = &half, .n_from_ip = 1 },
		{ .name = "to", .action = WEFT_RULE_DROP, .to_ip = &half, .n_to_ip = 1 },
		{ .name = "all", .action = WEFT_RULE_ACCEPT },
	};
	double gone[ROUNDS_MAX], clock[ROUNDS_MAX], own = 0;
	uint32_t left = 0;

	for (unsigned round = 0; round < rounds; round++) {
		struct firewalls *all = firewalls_of(lab->weft);
		struct weft_change *change;
		struct pause pause;
		uint64_t begin;

		change_rules(lab, 1, 0);
		wait_for_connections(lab);
		watch_begin();
		begin = clock_monotonic();
		change = weft_change_begin(lab->weft);
		weft_firewall_rules(change, lab->device, rules, 3);
		lab_commit(change);
		while (all->sweeping)
			weft_poll(lab->weft);
		gone[round] = ms_since(begin);
		pause = watch_end();
		clock[round] = pause.clock;
		own = RTE_MAX(own, pause.own);
		left = connections_of(lab);
	}
	if (left > lab->connections / 2 + 1)
		fail("connections live on that are refused");
	printf("\n| a change that refuses every second of them | all refused ones gone after, ms | "
	       "longest pause, own time, ms | by the clock, median |\n| --- | --- | --- | --- |\n"
	       "| %u left | %.0f | %.3f | %.3f |\n",
		left, median(gone, rounds), own, median(clock, rounds));
}

static void
watch_port(const char *name, unsigned side)
{
	uint16_t port;

	if (rte_eth_dev_get_port_by_name(name, &port) != 0 ||
		rte_eth_add_rx_callback(port, 0, fill, side == 0 ? NULL : &watch) == NULL)
		fail("no callback");
}

int
main(int argc, char **argv)
{
	static const struct setup setup = { FIREWALL, 4, IPPROTO_UDP, 100000, 0 };
	static const unsigned counts[] = { 10, 1000, 10000, 100000 };
	const struct weft_options options = { .memory_mb = 512, .workers = 1 };
	struct weft_error error;
	struct weft *weft;
	struct lab *lab;

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		fail("ROUNDS");
	run_on((unsigned)sysconf(_SC_NPROCESSORS_ONLN) - 1);
	weft = weft_open(&options, &error);
	if (weft == NULL)
		fail(error.text);
	run_on(0);
	lab = lab_open(weft, &setup, sources);
	lab->connections = CONNECTIONS_MOST;
	watch.lab = lab;
	for (unsigned side = 0; side < 2; side++)
		watch_port(sources[side], side);
	wait_for_connections(lab);
	change_rules(lab, 1, 0);
	printf("| rules | loaded: staged, committed, ms | one rule another: staged, ms | "
	       "committed, ms | all judged again after, ms | longest pause of the worker, own "
	       "time, "
	       "ms | without a change | longest by the clock, median, ms | without a change |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < RTE_DIM(counts); i++)
		print_row(lab, counts[i]);
	print_refusal(lab);
	fflush(stdout);
	_exit(0); /* the callbacks are not for closing */
}
