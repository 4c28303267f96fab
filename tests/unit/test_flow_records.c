/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow records of a firewall, as workers make them: one engine, a clock that the test moves. */
#include "../firewall_fixture.h"
#include "firewall/flow_records.h"

#define LISTED 512
#define INTERVAL 60

/* ---- taking -----------------------------------------------------------------------------------
 */

static struct flow_record list[LISTED];
static unsigned listed;

static void
note(void *context, const struct flow_record *record)
{
	(void)context;
	if (listed < LISTED)
		list[listed] = *record;
	listed++;
}

/* What has come since the last time; returns how many. */
static unsigned
take(void)
{
	listed = 0;
	while (flow_records_take(lab, 100, note, NULL) == 100)
		;
	return listed;
}

/* All connections are looked at. */
static unsigned
walk(void)
{
	struct flow_walk at = { 0 };
	unsigned slices = 0;

	while (flow_records_walk(lab, &at))
		assert_true(++slices < 100000);
	return take();
}

static void
ask_for_records(const struct bench_firewall *bench, uint32_t interval)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network_config config = { .flow_interval_s = interval };

	weft_network_update(change, bench->network, &config);
	lab_commit(change);
}

static struct bench_firewall
recorded(const struct weft_firewall_config *config, const struct weft_rule *rules, unsigned count)
{
	struct bench_firewall bench = lab_firewall("red", config, rules, count);

	ask_for_records(&bench, INTERVAL);
	return bench;
}

static void
send_udp(const struct bench_firewall *bench, enum side side, uint8_t family, uint16_t from,
	uint16_t to)
{
	uint8_t frame[MAKE_SIZE];

	expect_pass(bench, side, frame, udp_of(frame, side, family, from, to));
}

static size_t
udp_length(uint8_t family)
{
	uint8_t frame[MAKE_SIZE];

	return udp_of(frame, OUT, family, 9, 53);
}

static void
expect_counts(const struct flow_record *record, unsigned there, unsigned back, size_t length)
{
	assert_int_equal(record->packets[0], there);
	assert_int_equal(record->packets[1], back);
	assert_int_equal(record->bytes[0], there * length);
	assert_int_equal(record->bytes[1], back * length);
}

/* ---- what ends --------------------------------------------------------------------------------
 */

static void
check_expired(uint8_t family)
{
	const struct weft_rule rules[] = { { .name = "all", .action = WEFT_RULE_ACCEPT } };
	struct bench_firewall bench = recorded(DROP_ALL, rules, 1);
	uint64_t began = lab_time;
	const struct flow_record *record = &list[0];
	struct make_ends ends = ends_of(OUT, 1, 1, family);

	send_udp(&bench, OUT, family, 9, 53);
	send_udp(&bench, OUT, family, 9, 53);
	lab_wait(7);
	send_udp(&bench, IN, family, 53, 9);
	assert_int_equal(walk(), 0);
	lab_wait(182);
	assert_int_equal(take(), 1);
	assert_int_equal(record->network, bench.network->id);
	assert_int_equal(record->device, bench.device->id);
	assert_string_equal(firewall_find_rule(lab, record->rule)->match.name, "all");
	assert_int_equal(record->event, FLOW_ENDED);
	assert_int_equal(record->why, CONNECTION_EXPIRED);
	assert_string_equal(firewall_place_name(bench.device, record->from), "out");
	assert_string_equal(firewall_place_name(bench.device, record->to), "in");
	assert_null(firewall_place_name(bench.device, 2));
	assert_false(record->translated);
	assert_int_equal(record->icmp, 0);
	assert_int_not_equal(record->id, 0);
	assert_int_equal(record->began, began);
	assert_in_range(record->seen, began + 6900000000, began + 7 * SECOND);
	expect_counts(record, 2, 1, udp_length(family));
	assert_int_equal(record->flow.family, family);
	assert_int_equal(record->flow.protocol, IPPROTO_UDP);
	assert_int_equal(record->flow.from_port, 9);
	assert_int_equal(record->flow.to_port, 53);
	assert_memory_equal(record->flow.from_ip, ends.source, 16);
	assert_memory_equal(record->reply.from_ip, ends.destination, 16);
	assert_int_equal(walk(), 0);
}

static void
test_expired(void **state)
{
	(void)state;
	check_expired(4);
}

static void
test_expired6(void **state)
{
	(void)state;
	check_expired(6);
}

/* TCP that is over is told of with the next look, not only when it is forgotten; what comes after
 * is told of then, and nothing twice. */
static void
test_closed(void **state)
{
	struct bench_firewall bench = recorded(ACCEPT_ALL, NULL, 0);
	uint8_t frame[MAKE_SIZE];
	uint64_t id;

	(void)state;
	shake_hands(&bench, 4000);
	shake_hands(&bench, 4001);
	assert_int_equal(walk(), 0);
	for (uint16_t port = 4000; port < 4002; port++)
		expect_pass(&bench, OUT, frame,
			tcp_of(frame, OUT, 4, port, 80, 1001, 5001,
				RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG));
	assert_int_equal(walk(), 2);
	assert_int_equal(list[0].event, FLOW_ENDED);
	assert_int_equal(list[0].why, CONNECTION_CLOSED);
	assert_int_equal(list[0].rule, 0);
	assert_int_equal(list[0].packets[0] + list[0].packets[1], 4);
	assert_int_not_equal(list[0].id, list[1].id);
	id = list[0].id;
	assert_int_equal(walk(), 0);
	/* a straggler of the first one */
	put(&bench, OUT, frame,
		tcp_of(frame, OUT, 4, 4000, 80, 1001, 5001, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG));
	assert_int_equal(walk(), 0);
	lab_wait(300);
	assert_int_equal(connections_of(&bench), 0);
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].id, id);
	assert_int_equal(list[0].packets[0], 1);
	assert_int_equal(list[0].packets[1], 0);
}

static void
kill_all(const struct bench_firewall *bench)
{
	struct connection_filter filter = { .device = bench->device->id };

	firewall_kill(lab, &filter);
}

static void
test_why(void **state)
{
	struct bench_firewall bench = recorded(ACCEPT_ALL, NULL, 0);
	const struct weft_rule none[] = { { .name = "none", .action = WEFT_RULE_DROP } };
	struct weft_change *change;

	(void)state;
	send_udp(&bench, OUT, 4, 9, 53);
	kill_all(&bench);
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].why, CONNECTION_KILLED);
	send_udp(&bench, OUT, 4, 9, 53);
	set_rules(&bench, none, 1);
	weft_poll(lab);
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].why, CONNECTION_REFUSED);
	set_rules(&bench, NULL, 0);
	send_udp(&bench, OUT, 4, 9, 53);
	change = weft_change_begin(lab);
	weft_device_remove(change, bench.device);
	lab_commit(change);
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].why, CONNECTION_FORGOTTEN);
	assert_int_equal(list[0].network, bench.network->id);
}

static void
test_ping(void **state)
{
	struct bench_firewall bench = recorded(ACCEPT_ALL, NULL, 0);
	struct make_ends ends;
	uint8_t frame[MAKE_SIZE];

	(void)state;
	ends = ends_of(OUT, 1, 1, 4);
	expect_pass(&bench, OUT, frame, make_echo(frame, &ends, 77, 1, "x", 1));
	ends = ends_of(OUT, 1, 1, 6);
	expect_pass(&bench, OUT, frame, make_echo(frame, &ends, 77, 1, "x", 1));
	kill_all(&bench);
	assert_int_equal(take(), 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(list[i].icmp, list[i].flow.family == 4 ? 8 << 8 : 128 << 8);
}

/* ---- what lives on ----------------------------------------------------------------------------
 */

static void
test_interval(void **state)
{
	struct bench_firewall bench = recorded(ACCEPT_ALL, NULL, 0);
	uint64_t began = lab_time, told, id;
	size_t length = udp_length(4);

	(void)state;
	send_udp(&bench, OUT, 4, 9, 53);
	send_udp(&bench, IN, 4, 53, 9);
	lab_wait(INTERVAL - 1);
	assert_int_equal(walk(), 0);
	lab_wait(1);
	assert_int_equal(walk(), 1);
	told = lab_time;
	id = list[0].id;
	assert_int_equal(list[0].event, FLOW_UPDATED);
	assert_int_equal(list[0].began, began);
	expect_counts(&list[0], 1, 1, length);
	/* silence is nothing to tell of */
	lab_wait(INTERVAL + 1);
	assert_int_equal(walk(), 0);
	/* what comes after is told of alone, since then */
	send_udp(&bench, OUT, 4, 9, 53);
	assert_int_equal(walk(), 1);
	assert_int_equal(list[0].event, FLOW_UPDATED);
	assert_int_equal(list[0].id, id);
	assert_int_equal(list[0].began, told);
	assert_int_equal(list[0].seen >> 27, lab_time >> 27);
	expect_counts(&list[0], 1, 0, length);
	/* not before the next interval is over */
	told = lab_time;
	send_udp(&bench, IN, 4, 53, 9);
	lab_wait(INTERVAL - 1);
	assert_int_equal(walk(), 0);
	/* and what is left at its end */
	lab_wait(200);
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].event, FLOW_ENDED);
	assert_int_equal(list[0].id, id);
	assert_int_equal(list[0].began, told);
	expect_counts(&list[0], 0, 1, length);
}

/* The sum of all records is what the connection has counted, whatever came when; and another that
 * gets its place begins from nothing. */
static void
test_sums(void **state)
{
	struct bench_firewall bench = recorded(ACCEPT_ALL, NULL, 0);

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 20; round++) {
		unsigned sent = 0, told = 0;

		for (unsigned i = 0; i < 200; i++) {
			if (rand() % 4 == 0) {
				lab_wait(1 + (unsigned)rand() % 25);
				walk();
				for (unsigned n = 0; n < listed; n++)
					told += (unsigned)list[n].packets[0];
			} else {
				send_udp(&bench, OUT, 4, 9, 53);
				sent++;
			}
		}
		kill_all(&bench);
		take();
		for (unsigned n = 0; n < listed; n++)
			told += (unsigned)list[n].packets[0];
		assert_int_equal(told, sent);
	}
}

static void
test_off(void **state)
{
	struct bench_firewall bench = lab_firewall("red", ACCEPT_ALL, NULL, 0);

	(void)state;
	send_udp(&bench, OUT, 4, 9, 53);
	lab_wait(20);
	assert_int_equal(walk(), 0);
	kill_all(&bench);
	assert_int_equal(take(), 0);
	ask_for_records(&bench, 4);
	send_udp(&bench, OUT, 4, 9, 53);
	lab_wait(4);
	assert_int_equal(walk(), 1);
	ask_for_records(&bench, 0);
	send_udp(&bench, OUT, 4, 9, 53);
	lab_wait(20);
	assert_int_equal(walk(), 0);
	kill_all(&bench);
	assert_int_equal(take(), 0);
}

/* ---- what is refused --------------------------------------------------------------------------
 */

static void
test_denied(void **state)
{
	const struct weft_rule rules[] = { { .name = "never",
		.action = WEFT_RULE_DROP,
		.from = only_out,
		.n_from = 1,
		.fields = WEFT_RULE_PROTOCOL,
		.protocol = IPPROTO_TCP } };
	struct bench_firewall bench = recorded(DROP_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE];
	size_t length = tcp_of(frame, OUT, 4, 9, 80, 1, 0, RTE_TCP_SYN_FLAG);

	(void)state;
	expect_drop(&bench, OUT, frame, length, DROP_RULE);
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].event, FLOW_DENIED);
	assert_string_equal(firewall_find_rule(lab, list[0].rule)->match.name, "never");
	assert_int_equal(list[0].network, bench.network->id);
	assert_int_equal(list[0].began, lab_time);
	assert_int_equal(list[0].seen, lab_time);
	assert_int_equal(list[0].flow.to_port, 80);
	expect_counts(&list[0], 1, 0, length);
	expect_drop(&bench, IN, frame, udp_of(frame, IN, 6, 9, 53), DROP_RULE_DEFAULT);
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].rule, 0);
	assert_string_equal(firewall_place_name(bench.device, list[0].from), "in");
	/* what has no flow is told of by counters alone */
	length = make_frame(frame, 1, 2, NO_TAG, 7);
	expect_drop(&bench, OUT, frame, length, DROP_RULE_DEFAULT);
	assert_int_equal(take(), 0);
}

static void
test_denied_rate(void **state)
{
	struct bench_firewall bench = recorded(DROP_ALL, NULL, 0);
	uint8_t frame[MAKE_SIZE];
	unsigned told = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, (uint16_t)i, 53),
			DROP_RULE_DEFAULT);
		lab_time += SECOND / 3000;
		told += take();
	}
	assert_in_range(told, FLOW_DENIED_RATE, FLOW_DENIED_RATE + FLOW_DENIED_BURST + 10);
	assert_int_equal(atomic_load(&bench.network->flows_lost), 0);
}

/* A firewall that guards a router calls its places zones. */
static void
test_zones(void **state)
{
	struct bench_router router = lab_router("red", NULL);
	struct bench_firewall bench = { .network = router.network };
	struct weft_change *change = weft_change_begin(lab);
	uint8_t frame[MAKE_SIZE];
	struct make_ends ends;

	(void)state;
	bench.device = weft_firewall_add(change, router.network, "edge", DROP_ALL);
	weft_firewall_guard(change, bench.device, router.ports[0], "lan");
	weft_firewall_guard(change, bench.device, router.ports[1], "wan");
	lab_commit(change);
	ask_for_records(&bench, INTERVAL);
	know(&router, 0, 7, 4);
	ends = ends_from_station(&router, 1, 7, "10.0.0.7");
	put_frame(&router, 1, frame, make_udp(frame, &ends, 9, 53, "payload", 7));
	assert_int_equal(take(), 1);
	assert_int_equal(list[0].event, FLOW_DENIED);
	assert_int_equal(list[0].device, bench.device->id);
	assert_string_equal(firewall_place_name(bench.device, list[0].from), "wan");
	assert_string_equal(firewall_place_name(bench.device, list[0].to), "lan");
	assert_null(firewall_place_name(bench.device, 2));
}

/* ---- nobody takes them ------------------------------------------------------------------------
 */

static void
test_losses(void **state)
{
	struct bench_firewall bench = recorded(ACCEPT_ALL, NULL, 0);
	uint64_t lost;
	unsigned made = 0, taken;

	(void)state;
	do {
		for (uint16_t port = 1; port <= 1000; port++)
			send_udp(&bench, OUT, 4, port, 53);
		made += 1000;
		kill_all(&bench);
		lost = atomic_load(&bench.network->flows_lost);
		assert_true(made < 200000);
	} while (lost == 0);
	/* of what lives on nothing is lost: it is put off */
	send_udp(&bench, OUT, 4, 9, 54);
	send_udp(&bench, IN, 4, 54, 9);
	lab_wait(INTERVAL);
	{
		struct flow_walk at = { 0 };

		while (flow_records_walk(lab, &at))
			;
	}
	assert_int_equal(atomic_load(&bench.network->flows_lost), lost);
	taken = take();
	assert_int_equal(taken + lost, made);
	assert_true(taken > 30000);
	assert_int_equal(walk(), 1);
	expect_counts(&list[0], 1, 1, udp_length(4));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_expired),
		TEST(test_expired6),
		TEST(test_closed),
		TEST(test_why),
		TEST(test_ping),
		TEST(test_interval),
		TEST(test_sums),
		TEST(test_off),
		TEST(test_denied),
		TEST(test_denied_rate),
		TEST(test_zones),
		TEST(test_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
