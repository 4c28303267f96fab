/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sharing a worker out (graph/share.h), on a clock that only its packets move: each costs so
 * many ns to receive. A spring is a vnic that gives packets; a drain is a device that swallows
 * them.
 */
#include "graph/engine.h"

#include <rte_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define TURN_COST 200 /* ns that a turn takes whatever it finds */
#define SPRINGS 20

static uint64_t now;

static uint64_t
test_clock(void *context)
{
	(void)context;
	return now;
}

/* ---- the spring ---------------------------------------------------------------------------- */

struct spring {
	unsigned waiting; /* packets */
	bool endless;
	uint64_t cost; /* of each, ns */
	uint64_t given;
	unsigned most; /* of one burst */
};

static enum nic_result
spring_open(struct weft_nic *nic, struct weft_error *error)
{
	(void)error;
	nic->driver_state = calloc(1, sizeof(struct spring));
	nic->queues[0]->polled = nic->queues[0]->wakes = true;
	return NIC_OK;
}

static void
spring_close(struct weft_nic *nic)
{
	free(nic->driver_state);
}

static int
spring_start(struct nic_queue *queue, struct worker *worker)
{
	(void)queue;
	(void)worker;
	return 0;
}

static bool
spring_stop(struct nic_queue *queue, struct worker *worker)
{
	(void)queue;
	(void)worker;
	return true;
}

static unsigned
spring_receive(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	static const uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
	struct spring *spring = queue->nic->driver_state;

	assert_true(count > 0 && count <= NIC_BURST);
	if (!spring->endless)
		count = RTE_MIN(count, spring->waiting);
	for (unsigned i = 0; i < count; i++) {
		packets[i] = packet_from_bytes(&worker->pools, frame, sizeof(frame));
		assert_non_null(packets[i]);
	}
	spring->waiting -= spring->endless ? 0 : count;
	spring->given += count;
	spring->most = RTE_MAX(spring->most, count);
	now += count * spring->cost;
	return count;
}

static void
spring_transmit(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	(void)queue;
	(void)worker;
	rte_pktmbuf_free_bulk(packets, count);
}

static const struct nic_driver spring_driver = {
	.name = "spring",
	.kind = WEFT_NIC_MEMORY,
	.transmit_any = true,
	.open = spring_open,
	.close = spring_close,
	.start = spring_start,
	.stop = spring_stop,
	.receive = spring_receive,
	.transmit = spring_transmit,
};

/* ---- the drain ----------------------------------------------------------------------------- */

/* A packet goes round in it so often before it is swallowed, a µs each time. */
struct bends {
	unsigned count;
};

static void
drain_process(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct vport *in = vport_get(worker, packet_meta(packets[i])->vport);
		const struct bends *bends = in != NULL ? in->context : NULL;

		if (bends == NULL || packet_meta(packets[i])->flow_hash++ >= bends->count) {
			rte_pktmbuf_free(packets[i]);
			continue;
		}
		now += US;
		worker_enqueue(worker, in->node, packets[i]);
	}
}

static const struct device_class drain_class = {
	.name = "drain",
	.process = drain_process,
	.context_free = free,
};

/* ---- tenants ------------------------------------------------------------------------------- */

struct tenant {
	struct weft_network *network;
	struct weft_nic *nics[SPRINGS];
	struct spring *springs[SPRINGS];
	unsigned count;
};

static const struct weft_nic_config spring_config = { .kind = WEFT_NIC_MEMORY };

static int
open_engine(void **state)
{
	static const struct device_class *const classes[] = { &drain_class, NULL };
	static const struct nic_driver *const drivers[] = { &spring_driver, NULL };
	static const char *const eal[] = { NULL };
	struct weft_options options = { .memory_mb = 32, .eal = eal, .clock = test_clock };
	struct weft_error error;

	now = 1000 * MS;
	*state = engine_open(&options, classes, drivers, &error);
	return *state != NULL ? 0 : -1;
}

static int
close_engine(void **state)
{
	engine_close(*state);
	return 0;
}

static void
commit(struct weft_change *change)
{
	struct weft_error error = { 0 };

	if (weft_change_commit(change, &error) < 0)
		fail_msg("%s", error.text);
}

static struct weft_vport *
drain_add(struct weft_change *change, struct weft_network *network, unsigned bends)
{
	struct bends *context = calloc(1, sizeof(*context));
	static unsigned serial;
	char name[32];

	snprintf(name, sizeof(name), "drain%u", serial++);
	context->count = bends;
	return vport_add(
		change, device_add(change, network, &drain_class, name, NULL), "in", context, 9000);
}

/* A network of so many vnics; each packet costs so much. */
static struct tenant
tenant_add(struct weft *weft, const char *name, unsigned count, uint64_t cost, bool endless)
{
	struct weft_change *change = weft_change_begin(weft);
	struct tenant tenant = { .count = count };

	tenant.network = weft_network_add(change, name, NULL);
	for (unsigned i = 0; i < count; i++) {
		char nic[16];

		snprintf(nic, sizeof(nic), "nic%u", i);
		tenant.nics[i] = weft_nic_add(change, tenant.network, nic, &spring_config);
		weft_attach(change, drain_add(change, tenant.network, 0), tenant.nics[i]);
	}
	commit(change);
	for (unsigned i = 0; i < count; i++) {
		tenant.springs[i] = tenant.nics[i]->driver_state;
		tenant.springs[i]->cost = cost;
		tenant.springs[i]->endless = endless;
	}
	return tenant;
}

static uint64_t
given(const struct tenant *tenant)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < tenant->count; i++)
		sum += tenant->springs[i]->given;
	return sum;
}

static unsigned
turn(struct weft *weft)
{
	now += TURN_COST;
	return weft_run(weft);
}

static void
run_for(struct weft *weft, uint64_t time)
{
	uint64_t end = now + time;

	while (now < end)
		turn(weft);
}

static bool
is_apart(const struct weft *weft)
{
	return weft->workers[0]->sharing.apart;
}

static void
assert_near(double value, double wanted, double tolerance)
{
	if (value < wanted * (1 - tolerance) || value > wanted * (1 + tolerance))
		fail_msg("%.3f is not near %.3f", value, wanted);
}

/* ---- what must hold ------------------------------------------------------------------------ */

static void
one_vnic_gets_as_much_as_twenty(void **state)
{
	struct tenant one = tenant_add(*state, "one", 1, 2 * US, true);
	struct tenant many = tenant_add(*state, "many", 20, 2 * US, true);

	run_for(*state, MS);
	one.springs[0]->given = 0;
	for (unsigned i = 0; i < 20; i++)
		many.springs[i]->given = 0;
	run_for(*state, 200 * MS);
	assert_true(is_apart(*state));
	assert_near((double)given(&one) / (double)given(&many), 1, 0.02);
	/* and all of the many take part */
	for (unsigned i = 0; i < 20; i++)
		assert_near((double)many.springs[i]->given, (double)given(&many) / 20, 0.05);
	/* little is lost by it: a turn's own time for some 25 packets */
	assert_near((double)(given(&one) + given(&many)), 200e6 / 2e3, 0.02);
}

static void
time_is_shared_not_packets(void **state)
{
	struct tenant cheap = tenant_add(*state, "cheap", 2, 200, true);
	struct tenant dear = tenant_add(*state, "dear", 2, 20 * US, true);

	run_for(*state, 200 * MS);
	assert_near((double)given(&cheap) / (double)given(&dear), 100, 0.05);
	assert_near((double)share_used(&cheap.network->shares[0]), 100e6, 0.05);
	assert_near((double)share_used(&dear.network->shares[0]), 100e6, 0.05);
}

/* A packet each 500 µs against three networks that ask for all: none waits for longer than the
 * burst that is under way. */
static void
who_asks_for_little_gets_all_of_it(void **state)
{
	struct tenant small = tenant_add(*state, "small", 1, 2 * US, false);
	struct spring *spring = small.springs[0];
	uint64_t longest = 0, next;

	tenant_add(*state, "a", 20, 3 * US, true);
	tenant_add(*state, "b", 1, 1 * US, true);
	tenant_add(*state, "c", 5, 30 * US, true);
	spring->waiting = 1;
	run_for(*state, 20 * MS);
	assert_true(is_apart(*state));
	next = now;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t came = now;

		spring->waiting = 1;
		while (spring->waiting > 0)
			turn(*state);
		longest = RTE_MAX(longest, now - came);
		for (next += 500 * US; now < next;)
			turn(*state);
	}
	assert_int_equal(spring->given, 1001);
	/* polled, so it is looked at once a round: three quanta, and what they overran by */
	assert_true(longest > 0 && longest < 3 * (SHARE_QUANTUM_NS + 30 * US) + 10 * US);
}

/* One that is told of comes next: it waits for one burst whatever number of others is busy. */
static void
who_comes_after_a_pause_is_next(void **state)
{
	struct tenant small = tenant_add(*state, "small", 1, 2 * US, false);
	struct nic_queue *queue = small.nics[0]->queues[0];
	struct weft *weft = *state;
	struct weft_network *other;
	uint64_t before[2];
	char name[16];

	queue->polled = false;
	for (unsigned i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "flood%u", i);
		tenant_add(*state, name, 2, 3 * US, true);
	}
	run_for(*state, 5 * MS);
	assert_true(is_apart(*state) && !queue->receiving);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t came = now;

		small.springs[0]->waiting = 1;
		nic_queue_ready(weft->workers[0], queue);
		turn(*state);
		assert_int_equal(small.springs[0]->waiting, 0);
		assert_true(now - came < 10 * US);
		run_for(*state, 2 * MS);
	}
	/* one that comes again and again is not always next */
	other = weft_network_find(weft, "flood3");
	before[0] = share_used(&small.network->shares[0]);
	before[1] = share_used(&other->shares[0]);
	for (unsigned i = 0; i < 20000; i++) {
		small.springs[0]->waiting = 6;
		nic_queue_ready(weft->workers[0], queue);
		turn(*state);
	}
	assert_near((double)(share_used(&small.network->shares[0]) - before[0]),
		(double)(share_used(&other->shares[0]) - before[1]), 0.05);
}

/* Packets that all at once cost a hundred times as much take one long burst, and that is paid. */
static void
what_was_used_beyond_is_paid(void **state)
{
	struct tenant good = tenant_add(*state, "good", 1, 2 * US, true);
	struct tenant bad = tenant_add(*state, "bad", 1, 2 * US, true);
	uint64_t before;

	run_for(*state, 5 * MS);
	bad.springs[0]->cost = 200 * US;
	bad.springs[0]->most = 0;
	before = good.springs[0]->given;
	run_for(*state, 400 * MS);
	assert_near((double)(good.springs[0]->given - before), 200e6 / 2e3, 0.03);
	bad.springs[0]->most = 0;
	run_for(*state, 10 * MS);
	assert_int_equal(bad.springs[0]->most, 1);
}

/* A packet that is not through its devices when the turn ends goes on being charged. */
static void
long_ways_are_charged_to_the_end(void **state)
{
	struct tenant good = tenant_add(*state, "good", 1, 2 * US, true);
	struct tenant bad = tenant_add(*state, "bad", 1, 2 * US, true);
	struct weft_change *change = weft_change_begin(*state);
	uint64_t before;

	weft_nic_remove(change, bad.nics[0]);
	bad.nics[0] = weft_nic_add(change, bad.network, "other", &spring_config);
	weft_attach(change, drain_add(change, bad.network, 300), bad.nics[0]);
	commit(change);
	bad.springs[0] = bad.nics[0]->driver_state;
	bad.springs[0]->cost = 2 * US;
	bad.springs[0]->endless = true;
	run_for(*state, 50 * MS);
	before = good.springs[0]->given;
	run_for(*state, 400 * MS);
	assert_near((double)(good.springs[0]->given - before), 200e6 / 2e3, 0.05);
}

static void
one_tenant_alone_runs_together(void **state)
{
	struct tenant alone = tenant_add(*state, "alone", 3, 2 * US, true);

	/* a burst of each vnic in a turn, however long it takes */
	for (unsigned i = 1; i <= 100; i++) {
		turn(*state);
		assert_int_equal(given(&alone), 3 * NIC_BURST * i);
	}
	assert_false(is_apart(*state));
}

static void
who_is_not_contended_runs_together(void **state)
{
	struct tenant red = tenant_add(*state, "red", 1, US, false);
	struct tenant blue = tenant_add(*state, "blue", 1, US, false);

	for (unsigned i = 1; i <= 1000; i++) {
		red.springs[0]->waiting = blue.springs[0]->waiting = 20;
		turn(*state);
		/* one turn takes from both */
		assert_int_equal(given(&red) + given(&blue), 40 * i);
	}
	assert_false(is_apart(*state));
}

static void
a_turn_together_is_bounded_and_leaves_nobody_out(void **state)
{
	struct tenant many = tenant_add(*state, "many", 20, 10, true);
	struct tenant one = tenant_add(*state, "one", 1, 10, true);
	uint64_t before = 0;

	for (unsigned i = 0; i < 100; i++) {
		turn(*state);
		assert_true(given(&many) + given(&one) - before <= SHARE_TURN_PACKETS);
		before = given(&many) + given(&one);
	}
	assert_false(is_apart(*state));
	assert_true(given(&one) >= 50 * NIC_BURST);
	for (unsigned i = 0; i < 20; i++)
		assert_true(many.springs[i]->given > 0);
}

static void
it_is_together_again_when_one_is_left(void **state)
{
	struct tenant flood = tenant_add(*state, "flood", 2, 2 * US, true);
	struct tenant other = tenant_add(*state, "other", 1, 2 * US, false);

	other.springs[0]->waiting = 1;
	run_for(*state, 5 * MS);
	assert_true(is_apart(*state));
	run_for(*state, SHARE_APART_NS - 50 * MS);
	assert_true(is_apart(*state));
	run_for(*state, 100 * MS);
	assert_false(is_apart(*state));
	assert_true(given(&flood) > 0);
	assert_int_equal(given(&other), 1);
}

static void
vnics_and_networks_come_and_go_meanwhile(void **state)
{
	struct tenant good = tenant_add(*state, "good", 1, 2 * US, true);
	struct weft_change *change;

	for (unsigned i = 0; i < 30; i++) {
		struct tenant bad = tenant_add(*state, "bad", 6, (1 + i) * US, true);

		run_for(*state, MS + i * 7 * US);
		assert_true(is_apart(*state));
		change = weft_change_begin(*state);
		for (unsigned nic = 0; nic < i % 6; nic++)
			weft_nic_remove(change, bad.nics[nic]);
		commit(change);
		run_for(*state, MS);
		change = weft_change_begin(*state);
		weft_network_remove(change, bad.network);
		commit(change);
		run_for(*state, MS / 3);
	}
	assert_true(given(&good) > 10000);
}

/* An uplink is in no network: it is a share like one. */
static void
an_uplink_is_a_share(void **state)
{
	struct tenant many = tenant_add(*state, "many", 10, 2 * US, true);
	struct weft_change *change = weft_change_begin(*state);
	struct weft_nic *wire = weft_nic_add(change, NULL, "wire", &spring_config);
	struct spring *spring;

	weft_attach_uplink(change, drain_add(change, many.network, 0), wire, 0);
	commit(change);
	spring = wire->driver_state;
	spring->cost = 4 * US;
	spring->endless = true;
	run_for(*state, 200 * MS);
	assert_near((double)given(&many) / (double)spring->given, 2, 0.05);
	assert_near((double)share_used(&wire->shares[0]), 100e6, 0.05);
}

#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, open_engine, close_engine)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ENGINE(one_vnic_gets_as_much_as_twenty),
		WITH_ENGINE(time_is_shared_not_packets),
		WITH_ENGINE(who_asks_for_little_gets_all_of_it),
		WITH_ENGINE(who_comes_after_a_pause_is_next),
		WITH_ENGINE(what_was_used_beyond_is_paid),
		WITH_ENGINE(long_ways_are_charged_to_the_end),
		WITH_ENGINE(one_tenant_alone_runs_together),
		WITH_ENGINE(who_is_not_contended_runs_together),
		WITH_ENGINE(a_turn_together_is_bounded_and_leaves_nobody_out),
		WITH_ENGINE(it_is_together_again_when_one_is_left),
		WITH_ENGINE(vnics_and_networks_come_and_go_meanwhile),
		WITH_ENGINE(an_uplink_is_a_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
