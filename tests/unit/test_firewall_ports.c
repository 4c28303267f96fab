/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewalls of more than two ports: guards of a transparent switch; and what guards of any vports
 * are asked. */
#include "../firewall_fixture.h"
#include "packet/fragment.h"

#define SIDES 3
#define PIECES 8

struct bench_sides {
	struct weft_network *network;
	struct weft_device *firewall;
	struct weft_vport *ports[SIDES];
	struct weft_nic *nics[SIDES];
};

static const char *const names[] = { "a", "b", "c" };

/* Ports "a", "b" and "c", with a vnic each. */
static struct bench_sides
lab_sides(const struct weft_rule *rules, unsigned count)
{
	const struct weft_switch_config transparent = { .transparent = true };
	struct bench_sides made = { .network = lab_network("red", 0) };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_device *place = weft_switch_add(change, made.network, "fw", &transparent);

	made.firewall = weft_firewall_add(change, made.network, "guard:fw", DROP_ALL);
	for (unsigned i = 0; i < SIDES; i++) {
		made.ports[i] = weft_switch_port_add(change, place, names[i], NULL);
		made.nics[i] = weft_nic_add(change, made.network, names[i], &lab_nic_config);
		weft_attach(change, made.ports[i], made.nics[i]);
		weft_firewall_guard(change, made.firewall, made.ports[i], names[i]);
	}
	weft_firewall_rules(change, made.firewall, rules, count);
	lab_commit(change);
	return made;
}

/* Station 1 of a side is 10.0.SIDE.1; `host` stands for it at whichever port it is. */
static struct make_ends
ends_between(unsigned from, unsigned to)
{
	struct make_ends ends = { .family = 4 };
	char text[64];

	station_mac(ends.source_mac.addr_bytes, from + 1);
	station_mac(ends.destination_mac.addr_bytes, to + 1);
	snprintf(text, sizeof(text), "10.0.%u.1", from);
	memcpy(ends.source, prefix_of(text).address, 16);
	snprintf(text, sizeof(text), "10.0.%u.1", to);
	memcpy(ends.destination, prefix_of(text).address, 16);
	return ends;
}

static void
send_udp(const struct bench_sides *sides, unsigned port, const struct make_ends *ends,
	uint16_t from_port, uint16_t to_port)
{
	uint8_t frame[MAKE_SIZE];
	size_t length = make_udp(frame, ends, from_port, to_port, "payload", 7);

	assert_int_equal(weft_nic_send(sides->nics[port], frame, length), 0);
	lab_run();
}

/* How many come out where: a digit for each port. */
static unsigned
came_out(const struct bench_sides *sides)
{
	return lab_drain(sides->nics[0]) * 100 + lab_drain(sides->nics[1]) * 10 +
	       lab_drain(sides->nics[2]);
}

static unsigned
udp_from(const struct bench_sides *sides, unsigned from, unsigned to, uint16_t from_port,
	uint16_t to_port)
{
	struct make_ends ends = ends_between(from, to);

	send_udp(sides, from, &ends, from_port, to_port);
	return came_out(sides);
}

/* The switch learns who is where: what the firewall drops teaches it, too. */
static void
introduce(const struct bench_sides *sides)
{
	for (unsigned i = 0; i < SIDES; i++)
		udp_from(sides, i, (i + 1) % SIDES, 1, 1);
}

static void
each_pair_has_its_rules(void **state)
{
	const struct weft_rule rules[] = {
		{ .name = "ab", .from = &names[0], .n_from = 1, .to = &names[1], .n_to = 1 }
	};
	struct bench_sides sides = lab_sides(rules, 1);

	(void)state;
	introduce(&sides);
	assert_int_equal(udp_from(&sides, 1, 0, 53, 9), 0);
	assert_int_equal(udp_from(&sides, 0, 2, 9, 53), 0);
	/* that, and the copy for c of what was flooded at first */
	assert_int_equal(lab_drops(sides.ports[0], DROP_RULE_DEFAULT), 2);
	assert_int_equal(udp_from(&sides, 0, 1, 9, 53), 10);
	assert_int_equal(udp_from(&sides, 1, 0, 53, 9), 100);
	assert_string_equal(firewall_name(sides.firewall), "fw");
	assert_ptr_equal(firewall_find(sides.network, "fw"), sides.firewall);
}

/* Each copy is judged by itself, whatever connection the first one has begun. */
static void
floods_are_judged_by_copy(void **state)
{
	const struct weft_rule rules[] = {
		{ .name = "ab", .from = &names[0], .n_from = 1, .to = &names[1], .n_to = 1 },
		/* what is refused at c is no lost packet */
		{ .name = "lost", .states = WEFT_STATE_INVALID },
	};
	const struct weft_rule all[] = { { .name = "all" } };
	struct bench_sides sides = lab_sides(rules, 2);
	struct weft_change *change;

	(void)state;
	assert_int_equal(udp_from(&sides, 0, 1, 9, 53), 10);
	assert_int_equal(udp_from(&sides, 0, 1, 9, 53), 10);
	change = weft_change_begin(lab);
	weft_firewall_rules(change, sides.firewall, all, 1);
	lab_commit(change);
	/* the host is behind the last port: its reply goes back, though the first copy went to b */
	assert_int_equal(udp_from(&sides, 0, 2, 9, 53), 11);
	assert_int_equal(udp_from(&sides, 2, 0, 53, 9), 100);
	assert_int_equal(udp_from(&sides, 0, 2, 9, 53), 1);
}

static void
hosts_move_where_rules_let_them(void **state)
{
	static const char *const ac[] = { "a", "c" };
	const struct weft_rule rules[] = {
		{ .name = "b", .from = ac, .n_from = 2, .to = &names[1], .n_to = 1 }
	};
	struct bench_sides sides = lab_sides(rules, 1);
	struct make_ends ends = ends_between(0, 1), back = ends_between(1, 0);
	uint64_t dropped;

	(void)state;
	introduce(&sides);
	assert_int_equal(udp_from(&sides, 0, 1, 9, 53), 10);
	assert_int_equal(udp_from(&sides, 1, 0, 53, 9), 100);
	/* who began it is at c now, which may reach b as well */
	send_udp(&sides, 2, &ends, 9, 53);
	assert_int_equal(came_out(&sides), 10);
	send_udp(&sides, 1, &back, 53, 9);
	assert_int_equal(came_out(&sides), 1);
	/* b's host is at a: nobody may reach that there, so it is not the other side of anything */
	dropped = lab_drops(sides.ports[0], DROP_RULE_DEFAULT);
	send_udp(&sides, 0, &back, 53, 9);
	assert_int_equal(came_out(&sides), 0);
	assert_int_equal(lab_drops(sides.ports[0], DROP_RULE_DEFAULT), dropped + 1);
}

static void
fragments_are_put_together_for_each_port(void **state)
{
	const struct weft_rule rules[] = { { .name = "all" } };
	struct bench_sides sides = lab_sides(rules, 1);
	struct make_ends ends = ends_between(0, 1); /* nobody knows where: flooded */
	uint8_t frame[MAKE_LONG_SIZE], payload[1400] = { 1, 2, 3 }, bytes[2048];
	size_t length = make_long_udp(frame, &ends, 9, 53, payload, sizeof(payload));
	struct rte_mbuf *packet = packet_from_bytes(&lab->pools, frame, length), *pieces[PIECES];
	bool no_buffer;
	unsigned count;

	(void)state;
	packet_parse(packet);
	count = fragment_ip4(&lab->pools, packet, 14, 600, pieces, PIECES, &no_buffer);
	assert_int_equal(count, 3);
	for (unsigned i = 0; i < count; i++) {
		length = rte_pktmbuf_pkt_len(pieces[i]);
		packet_copy_bytes(bytes, pieces[i], (unsigned)length);
		rte_pktmbuf_free(pieces[i]);
		assert_int_equal(weft_nic_send(sides.nics[0], bytes, length), 0);
		lab_run();
	}
	assert_int_equal(came_out(&sides), 33);
}

/* Tags, and groups that no bridge forwards, go as they came; VLANs are kept apart. */
static void
frames_stay_as_they_are(void **state)
{
	static const uint16_t vlans[] = { 0, 1, 7, 4094 };
	const struct weft_rule rules[] = { { .name = "all" } };
	struct bench_sides sides = lab_sides(rules, 1);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	struct make_ends ends;
	size_t length;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		ends = ends_between(0, 1);
		ends.vlan = vlans[i];
		length = make_udp(frame, &ends, 9, 53, "payload", 7);
		assert_int_equal(weft_nic_send(sides.nics[0], frame, length), 0);
		lab_run();
		for (unsigned port = 1; port < SIDES; port++) {
			assert_int_equal(
				weft_nic_receive(sides.nics[port], got, sizeof(got)), length);
			assert_memory_equal(got, frame, length);
		}
	}
	/* a priority tag */
	frame[14] = 0xe0;
	frame[15] = 0;
	assert_int_equal(weft_nic_send(sides.nics[0], frame, length), 0);
	lab_run();
	assert_int_equal(weft_nic_receive(sides.nics[2], got, sizeof(got)), length);
	assert_memory_equal(got, frame, length);
	/* a bridge's own group */
	memcpy(frame, "\x01\x80\xc2\x00\x00\x00", 6);
	came_out(&sides);
	assert_int_equal(weft_nic_send(sides.nics[0], frame, length), 0);
	lab_run();
	assert_int_equal(came_out(&sides), 11);
}

/* With connections that live on, and back: by calls, as the daemon makes them. */
static void
ports_become_zones(void **state)
{
	const struct weft_rule rules[] = { { .name = "out", .from = only_in, .n_from = 1 } };
	const struct weft_switch_config transparent = { .transparent = true };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE];
	struct make_ends there = ends_of(IN, 1, 1, 4), back = ends_of(OUT, 1, 1, 4);
	struct weft_change *change;
	struct weft_device *place;
	size_t length;

	(void)state;
	length = make_udp(frame, &there, 9, 53, "payload", 7);
	expect_pass(&bench, IN, frame, length);
	for (unsigned aborts = 2; aborts-- > 0;) {
		change = weft_change_begin(lab);
		firewall_become_guard(change, bench.device);
		place = weft_switch_add(change, bench.network, "fw", &transparent);
		for (unsigned side = 0; side < 2; side++) {
			struct weft_vport *port = weft_switch_port_add(
				change, place, side == IN ? "in" : "out", NULL);

			weft_attach(change, port, bench.nics[side]);
			weft_firewall_guard(change, bench.device, port, side == IN ? "in" : "out");
			bench.ports[side] = aborts ? bench.ports[side] : port;
		}
		if (aborts)
			weft_change_abort(change);
		else
			lab_commit(change);
		assert_ptr_equal(firewall_find(bench.network, "fw"), bench.device);
	}
	length = make_udp(frame, &back, 53, 9, "payload", 7);
	expect_pass(&bench, OUT, frame, length);
	length = make_udp(frame, &back, 54, 9, "payload", 7);
	expect_drop(&bench, OUT, frame, length, DROP_RULE_DEFAULT);
	change = weft_change_begin(lab);
	weft_device_remove(change, place);
	firewall_become_device(change, bench.device);
	bench.ports[IN] = weft_firewall_port_add(change, bench.device, "in");
	bench.ports[OUT] = weft_firewall_port_add(change, bench.device, "out");
	for (unsigned side = 0; side < 2; side++)
		weft_attach(change, bench.ports[side], bench.nics[side]);
	lab_commit(change);
	length = make_udp(frame, &back, 53, 9, "payload", 7);
	expect_pass(&bench, OUT, frame, length);
	assert_string_equal(bench.device->name, "fw");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_pair_has_its_rules),
		TEST(floods_are_judged_by_copy),
		TEST(hosts_move_where_rules_let_them),
		TEST(fragments_are_put_together_for_each_port),
		TEST(frames_stay_as_they_are),
		TEST(ports_become_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
