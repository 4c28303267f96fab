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
static uint64_t stolen; /* ns that other threads had */

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
	uint64_t took; /* of that, by other threads */
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
	stolen += count * spring->took;
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
	bool strange; /* it knows none of its packets */
};

static void
drain_process(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct vport *in = vport_get(worker, packet_meta(packets[i])->vport);
		const struct bends *bends = in != NULL ? in->context : NULL;

		worker->sharing.strangers += bends != NULL && bends->strange;
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

static const struct device_class teller_class = {
	.name = "teller",
	.process = drain_process,
	.tells_whose = true,
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
	static const struct device_class *const classes[] = { &drain_class, &teller_class, NULL };
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
device_of_class(struct weft_change *change, struct weft_network *network,
	const struct device_class *class, struct bends bends)
{
	struct bends *context = calloc(1, sizeof(*context));
	static unsigned serial;
	char name[32];

	snprintf(name, sizeof(name), "drain%u", serial++);
	*context = bends;
	return vport_add(
		change, device_add(change, network, class, name, NULL), "in", context, 9000);
}

static struct weft_vport *
drain_add(struct weft_change *change, struct weft_network *network, unsigned bends)
{
	return device_of_class(change, network, &drain_class, (struct bends){ .count = bends });
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

/* Another vnic of the tenant, whose packets nobody knows. */
static struct spring *
stranger_add(struct tenant *tenant, const char *name, uint64_t cost)
{
	struct weft_change *change = weft_change_begin(tenant->network->weft);
	struct weft_nic *nic = weft_nic_add(change, tenant->network, name, &spring_config);
	struct spring *spring;

	weft_attach(change,
		device_of_class(
			change, tenant->network, &drain_class, (struct bends){ .strange = true }),
		nic);
	commit(change);
	spring = nic->driver_state;
	spring->cost = cost;
	spring->endless = true;
	return spring;
}

/* An uplink whose untagged packets go there. */
static struct weft_nic *
uplink_add(struct weft *weft, struct weft_network *network, uint64_t cost)
{
	struct weft_change *change = weft_change_begin(weft);
	struct weft_nic *wire = weft_nic_add(change, NULL, "wire", &spring_config);
	struct spring *spring;

	weft_attach_uplink(change, drain_add(change, network, 0), wire, 0);
	commit(change);
	spring = wire->driver_state;
	spring->cost = cost;
	spring->endless = true;
	return wire;
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

/* An uplink is in no network: it is a share like one, if it brings what is another's. */
static void
an_uplink_is_a_share(void **state)
{
	struct tenant many = tenant_add(*state, "many", 10, 2 * US, true);
	struct tenant other = tenant_add(*state, "other", 1, 2 * US, false);
	struct weft_nic *wire = uplink_add(*state, other.network, 4 * US);
	struct spring *spring = wire->driver_state;

	run_for(*state, 200 * MS);
	assert_true(is_apart(*state));
	assert_near((double)given(&many) / (double)spring->given, 2, 0.05);
	assert_near((double)share_used(&wire->shares[0]), 100e6, 0.05);
}

static void
a_network_and_its_uplink_do_not_contend(void **state)
{
	struct tenant red = tenant_add(*state, "red", 1, 2 * US, true);
	struct weft_nic *wire = uplink_add(*state, red.network, 4 * US);
	const struct spring *spring = wire->driver_state;

	for (unsigned i = 1; i <= 1000; i++) {
		turn(*state);
		assert_int_equal(given(&red), NIC_BURST * i);
		assert_int_equal(spring->given, NIC_BURST * i);
	}
	assert_false(is_apart(*state));
	/* nor while it is contended for another reason: that ends */
	(*(struct weft **)state)->workers[0]->sharing.apart = true;
	(*(struct weft **)state)->workers[0]->sharing.apart_until = now + 10 * MS;
	run_for(*state, 20 * MS);
	assert_false(is_apart(*state));
}

/* What comes by the uplink of a network that carries others' tunnels is the tunnels' to tell. */
static void
a_network_and_who_carries_it_do_not_contend(void **state)
{
	struct tenant red = tenant_add(*state, "red", 1, 2 * US, true);
	struct tenant infra = tenant_add(*state, "infra", 1, 2 * US, false);
	struct weft_change *change;

	uplink_add(*state, infra.network, 4 * US);
	change = weft_change_begin(*state);
	weft_peer(change, drain_add(change, infra.network, 0),
		device_of_class(change, red.network, &teller_class, (struct bends){ 0 }));
	commit(change);
	run_for(*state, 200 * MS);
	assert_false(is_apart(*state));
}

static void
hand_over(struct worker *worker, const struct weft_nic *nic, unsigned count)
{
	static const uint8_t frame[60];
	struct vport *vport = vport_get(worker, atomic_load(&nic->vport));

	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *packet = packet_from_bytes(&worker->pools, frame, sizeof(frame));

		packet_meta(packet)->vport = vport->id;
		worker_hand_over(worker, 0, vport->node, packet);
	}
}

static void
what_is_handed_over_is_its_networks(void **state)
{
	struct tenant red = tenant_add(*state, "red", 1, 2 * US, true);
	struct tenant blue = tenant_add(*state, "blue", 1, 2 * US, false);
	struct worker *worker = (*(struct weft **)state)->workers[0];

	worker->handoff[0] =
		rte_ring_create("self", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	for (unsigned i = 0; i < 1000; i++) {
		hand_over(worker, red.nics[0], 8);
		turn(*state);
	}
	assert_false(is_apart(*state));
	hand_over(worker, blue.nics[0], 8);
	turn(*state);
	assert_true(is_apart(*state));
}

/* What the control side puts before nodes after a turn is nobody's: others do not wait until it
 * is done. */
static void
what_the_control_side_sends_keeps_nobody_waiting(void **state)
{
	struct tenant small = tenant_add(*state, "small", 1, 2 * US, false);
	struct tenant bad = tenant_add(*state, "bad", 1, 2 * US, true);
	struct worker *worker = (*(struct weft **)state)->workers[0];
	const struct vport *vport;

	small.springs[0]->waiting = 1;
	run_for(*state, 5 * MS);
	assert_true(is_apart(*state));
	vport = vport_get(worker, atomic_load(&bad.nics[0]->vport));
	for (unsigned i = 0; i < 100; i++) {
		static const uint8_t frame[60];
		struct rte_mbuf *packet = packet_from_bytes(&worker->pools, frame, sizeof(frame));
		uint64_t before = given(&small) + given(&bad);

		packet_meta(packet)->vport = vport->id;
		worker_enqueue(worker, vport->node, packet);
		small.springs[0]->waiting = 1;
		turn(*state);
		assert_true(given(&small) + given(&bad) > before);
	}
}

static uint64_t
test_cpu_time(const struct worker *worker)
{
	(void)worker;
	return now - stolen;
}

/* Only what others took within a burst is not charged. */
static void
what_others_took_is_not_charged(void **state)
{
	struct tenant good = tenant_add(*state, "good", 1, 2 * US, true);
	struct tenant bad = tenant_add(*state, "bad", 1, 2 * US, true);
	struct worker *worker = (*(struct weft **)state)->workers[0];
	uint64_t before;

	worker->sharing.cpu_time = test_cpu_time;
	run_for(*state, 5 * MS);
	assert_true(is_apart(*state));
	/* between bursts others have nine tenths: long bursts are charged all the same */
	bad.springs[0]->cost = 200 * US;
	for (unsigned i = 0; i < 2; i++) {
		before = share_used(&bad.network->shares[0]);
		bad.springs[0]->given = 0;
		for (unsigned n = 0; n < 2000; n++) {
			turn(*state);
			now += 500 * US;
			stolen += 500 * US;
		}
		assert_near((double)(share_used(&bad.network->shares[0]) - before),
			(double)bad.springs[0]->given * 200e3, 0.02);
	}
	/* within a burst they have nine tenths of it */
	bad.springs[0]->took = 180 * US;
	before = share_used(&bad.network->shares[0]);
	bad.springs[0]->given = good.springs[0]->given = 0;
	run_for(*state, 400 * MS);
	assert_near((double)(share_used(&bad.network->shares[0]) - before),
		(double)bad.springs[0]->given * 20e3, 0.05);
	assert_near(
		(double)good.springs[0]->given * 2e3, (double)bad.springs[0]->given * 20e3, 0.1);
}

/* ---- strangers ----------------------------------------------------------------------------- */

static void
a_flood_of_strangers_gets_a_tenth(void **state)
{
	struct tenant good = tenant_add(*state, "good", 1, 2 * US, true);
	struct tenant bad = tenant_add(*state, "bad", 1, 2 * US, false);
	struct spring *flood = stranger_add(&bad, "flood", 3 * US);
	uint64_t before;

	run_for(*state, 20 * MS);
	assert_true(is_apart(*state));
	good.springs[0]->given = flood->given = 0;
	run_for(*state, 400 * MS);
	assert_near((double)good.springs[0]->given * 2e3, 400e6 * 10 / 11, 0.02);
	assert_near((double)flood->given * 3e3, 400e6 / 11, 0.1);
	/* what the others leave is the flood's */
	good.springs[0]->endless = false;
	before = flood->given;
	run_for(*state, 400 * MS);
	assert_near((double)(flood->given - before) * 3e3, 400e6, 0.05);
}

/* In one network, too: by vnic. */
static void
a_flood_leaves_its_neighbours_their_part(void **state)
{
	struct tenant red = tenant_add(*state, "red", 3, 2 * US, true);
	struct spring *small = red.springs[2], *flood;
	uint64_t longest = 0;

	small->endless = false;
	run_for(*state, 100 * MS);
	assert_false(is_apart(*state));
	flood = stranger_add(&red, "flood", 3 * US);
	run_for(*state, 20 * MS);
	assert_true(is_apart(*state));
	red.springs[0]->given = red.springs[1]->given = flood->given = 0;
	run_for(*state, 400 * MS);
	assert_near((double)red.springs[0]->given, (double)red.springs[1]->given, 0.02);
	assert_near((double)red.springs[0]->given * 2e3, 400e6 * 10 / 21, 0.02);
	assert_near((double)flood->given * 3e3, 400e6 / 21, 0.1);
	/* one that asks for little gets it, soon */
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t came = now;

		small->waiting = 1;
		while (small->waiting > 0)
			turn(*state);
		longest = RTE_MAX(longest, now - came);
		run_for(*state, 300 * US);
	}
	assert_true(longest < 4 * SHARE_QUEUE_NS);
	/* when the flood ends it is together again */
	flood->endless = false;
	run_for(*state, SHARE_APART_NS + 100 * MS);
	assert_false(is_apart(*state));
}

/* Some strangers are no flood, and one vnic alone floods nobody. */
static void
a_few_strangers_change_nothing(void **state)
{
	struct tenant red = tenant_add(*state, "red", 2, 2 * US, true);
	struct spring *strangers = stranger_add(&red, "new", 2 * US);

	strangers->endless = false;
	for (unsigned i = 0; i < 1000; i++) {
		strangers->waiting = 16;
		turn(*state);
	}
	assert_int_equal(strangers->given, 16000);
	assert_false(is_apart(*state));
	strangers->endless = true;
	red.springs[0]->endless = red.springs[1]->endless = false;
	run_for(*state, 200 * MS);
	assert_false(is_apart(*state));
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
		WITH_ENGINE(a_network_and_its_uplink_do_not_contend),
		WITH_ENGINE(a_network_and_who_carries_it_do_not_contend),
		WITH_ENGINE(what_is_handed_over_is_its_networks),
		WITH_ENGINE(what_the_control_side_sends_keeps_nobody_waiting),
		WITH_ENGINE(what_others_took_is_not_charged),
		WITH_ENGINE(a_flood_of_strangers_gets_a_tenth),
		WITH_ENGINE(a_flood_leaves_its_neighbours_their_part),
		WITH_ENGINE(a_few_strangers_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
