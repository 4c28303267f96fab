/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes: what they send, what of the answers is taken, and what comes of it. */
#include "probe_station.h"

#include "graph/capture.h"
#include "graph/explain.h"
#include "graph/trace.h"

#define MS UINT64_C(1000000)
#define USER 0  /* the ports of the switch: who probes, */
#define PEER 1  /* who is probed, or is the gateway, */
#define OTHER 2 /* who sees only what is flooded */

static const uint8_t user_mac[6] = { 2, 0, 0, 0, 0, 0x10 };
static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 0x11 };
static const uint8_t addresses[2][3][16] = {
	{ { 10, 0, 0, 10 }, { 10, 0, 0, 11 }, { 192, 0, 2, 7 } },
	{ { 0xfd, [15] = 0x10 }, { 0xfd, [15] = 0x11 }, { 0x20, 1, 0xd, 0xb8, [15] = 7 } },
};
enum { OWN, NEAR, FAR };
static const struct weft_prefix prefixes[2] = {
	{ .family = 4, .length = 24, .address = { 10, 0, 0, 10 } },
	{ .family = 6, .length = 64, .address = { 0xfd, [15] = 0x10 } },
};
static const struct weft_prefix gateways[2] = {
	{ .family = 4, .address = { 10, 0, 0, 11 } },
	{ .family = 6, .address = { 0xfd, [15] = 0x11 } },
};

static struct weft_network *network;
static struct weft_device *lan;
static struct weft_vport *ports[3];
static struct weft_nic *nics[3];

static const uint8_t *
address(uint8_t family, unsigned which)
{
	return addresses[family == 6][which];
}

static struct weft_nic_config
user_config(void)
{
	struct weft_nic_config config = {
		.kind = WEFT_NIC_MEMORY,
		.addresses = prefixes,
		.n_addresses = 2,
		.gateways = gateways,
		.n_gateways = 2,
	};

	memcpy(config.mac, user_mac, sizeof(config.mac));
	return config;
}

static void
build(void)
{
	static const char *const names[] = { "user", "peer", "other" };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_nic_config config = user_config();

	network = weft_network_add(change, "red", NULL);
	lan = weft_switch_add(change, network, "lan", NULL);
	for (unsigned i = 0; i < 3; i++) {
		ports[i] = weft_switch_port_add(change, lan, names[i], NULL);
		nics[i] = weft_nic_add(
			change, network, names[i], i == USER ? &config : &lab_nic_config);
		weft_attach(change, ports[i], nics[i]);
	}
	lab_commit(change);
}

static int
set_up(void **state)
{
	if (lab_open(state) < 0)
		return -1;
	build();
	return 0;
}

/* ---- steps of a probe ------------------------------------------------------------------------ */

static struct probe_request
request_to(enum probe_kind kind, uint8_t family, unsigned which)
{
	struct probe_request request = {
		.from = nics[USER], .kind = kind, .family = family, .port = 4711
	};

	memcpy(request.to, address(family, which), 16);
	return request;
}

static struct probe *
start(const struct probe_request *request)
{
	struct weft_error error = { 0 };
	struct probe *probe = probe_start(lab, request, &error);

	if (probe == NULL)
		fail_msg("%s", error.text);
	assert_int_equal(probe_result(probe), PROBE_RUNNING);
	assert_int_equal(probe_round_trip(probe), 0);
	lab_run();
	return probe;
}

/* The question for the next hop's MAC, as it must be. */
static void
expect_question(uint8_t family, struct frame *frame)
{
	receive_one(nics[PEER], frame);
	assert_memory_equal(frame->bytes + 6, user_mac, 6);
	if (family == 4) {
		static const uint8_t head[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
		static const uint8_t arp[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };

		assert_memory_equal(frame->bytes, head, sizeof(head));
		assert_memory_equal(frame->bytes + 12, arp, sizeof(arp));
		assert_memory_equal(frame->bytes + 22, user_mac, 6);
		assert_memory_equal(frame->bytes + 28, address(4, OWN), 4);
		assert_memory_equal(frame->bytes + 38, address(4, NEAR), 4);
		return;
	}
	assert_int_equal(get16(frame->bytes + 12), 0x86dd);
	assert_int_equal(frame->bytes[54], 135);
	assert_memory_equal(frame->bytes + 22, address(6, OWN), 16);
	assert_memory_equal(frame->bytes + 62, address(6, NEAR), 16);
}

/* Started, its question answered, its request at the peer. */
static struct probe *
start_and_resolve(const struct probe_request *request, struct frame *frame)
{
	struct probe *probe = start(request);

	expect_question(request->family, frame);
	answer_neighbour(frame, peer_mac);
	deliver(nics[PEER], frame);
	receive_one(nics[PEER], frame);
	assert_memory_equal(frame->bytes, peer_mac, 6);
	assert_memory_equal(frame->bytes + 6, user_mac, 6);
	assert_memory_equal(frame->bytes + (request->family == 4 ? 26 : 22),
		address(request->family, OWN), request->family == 4 ? 4 : 16);
	assert_memory_equal(frame->bytes + (request->family == 4 ? 30 : 38), request->to,
		request->family == 4 ? 4 : 16);
	lab_expect_nothing(nics[USER]);
	return probe;
}

static void
expect(struct probe *probe, enum probe_result result, const char *text)
{
	if (probe_result(probe) != result || strcmp(probe_text(probe), text) != 0)
		fail_msg("result %d, \"%s\", not %d, \"%s\"", probe_result(probe),
			probe_text(probe), result, text);
}

static void
pass(uint64_t time)
{
	lab_time += time;
	lab_run();
	punt_drain(lab);
	probe_poll(lab, lab_time);
	lab_run();
}

/* The user sees nothing, neither now nor of what came before. */
static void
end(struct probe *probe)
{
	lab_expect_nothing(nics[USER]);
	probe_end(probe);
	assert_int_equal(atomic_load(&ports[USER]->watch), 0);
}

/* ---- each kind, each result ------------------------------------------------------------------ */

static void
a_ping_is_answered(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_PING, family, NEAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		assert_int_equal(transport(&frame)[0], family == 4 ? 8 : 128);
		lab_time += 210000;
		answer_echo(&frame);
		deliver(nics[PEER], &frame);
		expect(probe, PROBE_REACHABLE,
			family == 4 ? "answer from 10.0.0.11 in 0.21 ms"
				    : "answer from fd00::11 in 0.21 ms");
		assert_int_equal(probe_round_trip(probe), 210000);
		end(probe);
		lab_drain(nics[OTHER]);
	}
}

static void
an_open_tcp_port_is_reachable_and_reset(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_TCP, family, NEAR);
		struct frame frame, reset;
		struct probe *probe = start_and_resolve(&request, &frame);
		uint32_t sequence = get32(transport(&frame) + 4);

		assert_int_equal(protocol(&frame), 6);
		assert_int_equal(transport(&frame)[13], 0x02);
		assert_int_equal(get16(transport(&frame) + 2), 4711);
		assert_true(get16(transport(&frame)) >= 61000);
		lab_time += 3 * MS;
		answer_tcp(&frame, 0x12);
		/* twice, as a peer does to whom the RST was lost */
		for (unsigned i = 0; i < 2; i++) {
			deliver(nics[PEER], &frame);
			receive_one(nics[PEER], &reset);
			assert_memory_equal(reset.bytes, peer_mac, 6);
			assert_int_equal(transport(&reset)[13], 0x04);
			assert_int_equal(get32(transport(&reset) + 4), sequence + 1);
			assert_int_equal(get16(transport(&reset)), get16(transport(&frame) + 2));
		}
		expect(probe, PROBE_REACHABLE,
			family == 4 ? "answer from 10.0.0.11 in 3 ms"
				    : "answer from fd00::11 in 3 ms");
		end(probe);
	}
}

static void
a_closed_tcp_port_is_closed(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_TCP, family, NEAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		lab_time += MS;
		answer_tcp(&frame, 0x14);
		deliver(nics[PEER], &frame);
		expect(probe, PROBE_CLOSED,
			family == 4 ? "10.0.0.11 says that TCP port 4711 is closed, in 1 ms"
				    : "fd00::11 says that TCP port 4711 is closed, in 1 ms");
		assert_int_equal(probe_round_trip(probe), MS);
		lab_expect_nothing(nics[PEER]);
		end(probe);
	}
}

static void
udp_is_answered_or_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t family = i & 1 ? 6 : 4;
		bool closed = i & 2;
		struct probe_request request = request_to(PROBE_UDP, family, NEAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		assert_int_equal(protocol(&frame), 17);
		assert_int_equal(get16(transport(&frame) + 2), 4711);
		lab_time += 1500000;
		if (closed)
			answer_error(&frame, family == 4 ? 3 : 1, family == 4 ? 3 : 4, NULL);
		else
			answer_udp(&frame);
		deliver(nics[PEER], &frame);
		assert_int_equal(probe_result(probe), closed ? PROBE_CLOSED : PROBE_REACHABLE);
		assert_non_null(strstr(probe_text(probe), "in 1.5 ms"));
		assert_int_equal(probe_round_trip(probe), 1500000);
		end(probe);
	}
}

static void
an_icmp_error_is_blocked(void **state)
{
	static const struct {
		enum probe_kind kind;
		uint8_t family, type, code;
		const char *text;
	} cases[] = {
		{ PROBE_PING, 4, 3, 1, "10.0.0.1 says: host unreachable" },
		{ PROBE_PING, 4, 3, 7, "10.0.0.1 says: destination unreachable" },
		{ PROBE_TCP, 4, 3, 3, "10.0.0.1 says: port unreachable" },
		{ PROBE_UDP, 4, 3, 3, "10.0.0.1 says: port unreachable" }, /* not its own */
		{ PROBE_UDP, 4, 3, 13, "10.0.0.1 says: administratively prohibited" },
		{ PROBE_PING, 4, 11, 0, "10.0.0.1 says: time exceeded (TTL)" },
		{ PROBE_PING, 6, 1, 0, "fd00::1 says: no route" },
		{ PROBE_TCP, 6, 1, 1, "fd00::1 says: administratively prohibited" },
		{ PROBE_UDP, 6, 1, 4, "fd00::1 says: port unreachable" },
		{ PROBE_PING, 6, 3, 0, "fd00::1 says: time exceeded (hop limit)" },
		{ PROBE_PING, 4, 5, 1, NULL }, /* a redirect says nothing, and is not the user's */
		{ PROBE_PING, 6, 2, 0, NULL },
	};
	static const uint8_t froms[2][16] = { { 10, 0, 0, 1 }, { 0xfd, [15] = 1 } };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct probe_request request = request_to(cases[i].kind, cases[i].family, FAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		answer_error(&frame, cases[i].type, cases[i].code, froms[cases[i].family == 6]);
		deliver(nics[PEER], &frame);
		if (cases[i].text != NULL)
			expect(probe, PROBE_BLOCKED, cases[i].text);
		else
			assert_int_equal(probe_result(probe), PROBE_RUNNING);
		assert_int_equal(probe_round_trip(probe), 0);
		end(probe);
	}
}

static void
far_addresses_are_probed_by_the_gateway(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_PING, family, FAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		answer_echo(&frame);
		lab_time += 4200;
		deliver(nics[PEER], &frame);
		expect(probe, PROBE_REACHABLE,
			family == 4 ? "answer from 192.0.2.7 in 0.0042 ms"
				    : "answer from 2001:db8::7 in 0.0042 ms");
		end(probe);
	}
}

/* ---- nothing comes --------------------------------------------------------------------------- */

static void
requests_are_repeated_until_the_time_is_over(void **state)
{
	(void)state;
	for (unsigned kind = PROBE_PING; kind <= PROBE_UDP; kind++) {
		struct probe_request request = request_to((enum probe_kind)kind, 4, NEAR);
		struct frame first, again;
		struct probe *probe = start_and_resolve(&request, &first);
		unsigned repeated = 0;

		assert_int_equal(probe_next(lab, lab_time), 200 * MS);
		assert_string_equal(probe_text(probe), "waiting for an answer from 10.0.0.11");
		for (unsigned i = 1; i < 100; i++) {
			pass(10 * MS);
			assert_int_equal(probe_result(probe), PROBE_RUNNING);
			if (!receive(nics[PEER], &again))
				continue;
			repeated++;
			assert_int_equal(i, repeated * 20);
			assert_int_equal(again.length, first.length);
			if (kind != PROBE_PING)
				assert_memory_equal(again.bytes, first.bytes, first.length);
			else
				assert_int_equal(get16(transport(&again) + 6),
					get16(transport(&first) + 6) + repeated);
		}
		assert_int_equal(repeated, 4);
		assert_int_equal(probe_next(lab, lab_time), 10 * MS);
		pass(10 * MS);
		expect(probe, PROBE_BLOCKED, "no answer from 10.0.0.11 in 1 s");
		assert_int_equal(probe_round_trip(probe), 0);
		assert_int_equal(probe_next(lab, lab_time), UINT64_MAX);
		lab_expect_nothing(nics[PEER]);
		end(probe);
	}
}

static void
the_next_hop_may_be_silent(void **state)
{
	static const char *const texts[] = {
		"no answer to ARP for 10.0.0.11 in 250 ms",
		"no answer to neighbour solicitation for fd00::11 in 250 ms",
		"no answer to ARP for 10.0.0.11 (the gateway) in 250 ms",
		"no answer to neighbour solicitation for fd00::11 (the gateway) in 250 ms",
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(texts); i++) {
		uint8_t family = i & 1 ? 6 : 4;
		struct probe_request request = request_to(PROBE_PING, family, i & 2 ? FAR : NEAR);
		struct frame frame;
		struct probe *probe;

		request.timeout_ns = 250 * MS;
		probe = start(&request);
		expect_question(family, &frame);
		assert_memory_equal(probe_text(probe), "waiting for an answer to ", 25);
		pass(199 * MS);
		lab_expect_nothing(nics[PEER]);
		pass(MS);
		expect_question(family, &frame);
		assert_int_equal(probe_next(lab, lab_time), 50 * MS);
		pass(50 * MS);
		expect(probe, PROBE_BLOCKED, texts[i]);
		lab_expect_nothing(nics[PEER]);
		/* and now it comes: too late, but it was asked for */
		answer_neighbour(&frame, peer_mac);
		deliver(nics[PEER], &frame);
		expect(probe, PROBE_BLOCKED, texts[i]);
		lab_expect_nothing(nics[PEER]);
		end(probe);
	}
}

static void
a_lost_packet_does_no_harm(void **state)
{
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct frame frame, first, second;
	struct probe *probe = start(&request);

	(void)state;
	expect_question(4, &frame);
	pass(200 * MS);
	expect_question(4, &frame);
	answer_neighbour(&frame, peer_mac);
	deliver(nics[PEER], &frame);
	receive_one(nics[PEER], &first);
	pass(200 * MS);
	receive_one(nics[PEER], &second);
	/* the late answer to the first one: timed from that one */
	lab_time += 50 * MS;
	answer_echo(&first);
	deliver(nics[PEER], &first);
	expect(probe, PROBE_REACHABLE, "answer from 10.0.0.11 in 250 ms");
	answer_echo(&second);
	deliver(nics[PEER], &second);
	expect(probe, PROBE_REACHABLE, "answer from 10.0.0.11 in 250 ms");
	end(probe);
}

static void
an_answer_counts_when_it_came_not_when_it_is_drained(void **state)
{
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct frame frame;
	struct probe *probe;

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		probe = start_and_resolve(&request, &frame);
		lab_time += late ? SECOND + 1 : 999 * MS;
		answer_echo(&frame);
		assert_int_equal(weft_nic_send(nics[PEER], frame.bytes, frame.length), 0);
		lab_run();
		pass(500 * MS);
		if (late)
			expect(probe, PROBE_BLOCKED, "no answer from 10.0.0.11 in 1 s");
		else
			expect(probe, PROBE_REACHABLE, "answer from 10.0.0.11 in 999 ms");
		end(probe);
	}
}

/* ---- answers that lie ------------------------------------------------------------------------ */

static void
expect_lie_is_the_users(struct probe *probe, const struct frame *lie)
{
	struct frame got;

	deliver(nics[PEER], lie);
	assert_int_equal(probe_result(probe), PROBE_RUNNING);
	receive_one(nics[USER], &got);
	assert_int_equal(got.length, lie->length);
	assert_memory_equal(got.bytes, lie->bytes, lie->length);
	lab_expect_nothing(nics[PEER]);
}

/* What is changed in an answer, from its transport header, so that it answers nothing. */
struct lie {
	int offset;
	uint8_t flip;
	bool mended; /* checksums and lengths are right again */
};

static void
try_lies(struct probe *probe, const struct frame *truth, const struct lie *lies, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct frame lie = *truth;

		transport(&lie)[lies[i].offset] ^= lies[i].flip;
		if (lies[i].mended)
			mend(&lie);
		expect_lie_is_the_users(probe, &lie);
	}
	/* cut off, with lengths that do not know of it, and with such that do */
	for (size_t cut = 1; truth->length - cut >= 14; cut++) {
		struct frame lie = *truth;

		lie.length -= cut;
		expect_lie_is_the_users(probe, &lie);
		if (cut % 4 != 0 || transport(&lie) + 8 > lie.bytes + lie.length ||
			protocol(&lie) == 17)
			continue;
		mend(&lie);
		expect_lie_is_the_users(probe, &lie);
	}
}

static void
lying_echo_replies_are_not_believed(void **state)
{
	static const struct lie lies[] = { { 0, 8, true }, { 1, 1, true }, { 4, 1, true },
		{ 5, 0x80, true }, { 8, 1, true }, { 15, 0x80, true }, { 2, 1, false },
		{ 7, 1, false } };

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_PING, family, NEAR);
		struct frame frame, lie;
		struct probe *probe = start_and_resolve(&request, &frame);

		answer_echo(&frame);
		try_lies(probe, &frame, lies, RTE_DIM(lies));
		lie = frame; /* from another station */
		lie.bytes[family == 4 ? 29 : 37] ^= 1;
		mend(&lie);
		expect_lie_is_the_users(probe, &lie);
		lie = frame; /* to another address of the user's */
		lie.bytes[family == 4 ? 33 : 53] ^= 1;
		mend(&lie);
		expect_lie_is_the_users(probe, &lie);
		deliver(nics[PEER], &frame);
		assert_int_equal(probe_result(probe), PROBE_REACHABLE);
		end(probe);
	}
}

static void
lying_segments_are_not_believed(void **state)
{
	static const struct lie lies[] = {
		{ 1, 1, true }, /* ports */
		{ 3, 1, true },
		{ 8, 1, true }, /* what it acknowledges */
		{ 11, 1, true },
		{ 13, 0x10, true },  /* SYN without ACK */
		{ 13, 0x02, true },  /* ACK alone */
		{ 12, 0x90, false }, /* the header's length */
		{ 16, 1, false },
		{ 14, 1, false },
	};

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_TCP, family, NEAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		answer_tcp(&frame, 0x12);
		try_lies(probe, &frame, lies, RTE_DIM(lies));
		deliver(nics[PEER], &frame);
		assert_int_equal(probe_result(probe), PROBE_REACHABLE);
		end(probe);
		lab_drain(nics[PEER]);
	}
}

static void
lying_datagrams_and_errors_are_not_believed(void **state)
{
	static const struct lie answer_lies[] = { { 1, 1, true }, { 3, 1, true }, { 6, 1, false },
		{ 4, 0x80, false }, { 5, 0x10, false }, { 9, 1, false } };

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		unsigned header = family == 4 ? 20 : 40;
		const struct lie error_lies[] = {
			{ 2, 1, false },
			{ 8, 0x10, true },                     /* quoted: version */
			{ family == 4 ? 17 : 14, 0x80, true }, /* protocol */
			{ (int)(8 + header - 1), 1, true },    /* destination */
			{ (int)(8 + header + 1), 1, true },    /* ports */
			{ (int)(8 + header + 3), 1, true },
		};
		struct probe_request request = request_to(PROBE_UDP, family, NEAR);
		struct frame sent, frame;
		struct probe *probe = start_and_resolve(&request, &sent);

		frame = sent;
		answer_udp(&frame);
		try_lies(probe, &frame, answer_lies, RTE_DIM(answer_lies));
		frame = sent;
		answer_error(&frame, family == 4 ? 3 : 1, 0, NULL);
		for (unsigned i = 0; i < RTE_DIM(error_lies); i++) {
			struct frame lie = frame;

			transport(&lie)[error_lies[i].offset] ^= error_lies[i].flip;
			if (error_lies[i].mended)
				mend(&lie);
			expect_lie_is_the_users(probe, &lie);
		}
		/* it quotes too little to tell whose it is */
		frame.length = 14 + header + 8 + header + 7;
		mend(&frame);
		expect_lie_is_the_users(probe, &frame);
		end(probe);
	}
}

/* A segment of the user's own connection, with the same ports, got an error. */
static void
errors_of_other_segments_are_the_users(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_TCP, family, NEAR);
		struct frame frame, lie;
		struct probe *probe = start_and_resolve(&request, &frame);

		lie = frame;
		transport(&lie)[7] ^= 1;
		answer_error(&lie, family == 4 ? 3 : 1, 0, NULL);
		expect_lie_is_the_users(probe, &lie);
		answer_error(&frame, family == 4 ? 3 : 1, 0, NULL);
		deliver(nics[PEER], &frame);
		assert_int_equal(probe_result(probe), PROBE_BLOCKED);
		end(probe);
	}
}

static void
lying_neighbours_are_not_believed(void **state)
{
	static const struct {
		uint8_t family, offset, flip;
	} lies[] = {
		{ 4, 14, 1 }, { 4, 16, 8 }, { 4, 18, 1 }, { 4, 19, 2 }, /* no ARP of Ethernet, IP */
		{ 4, 21, 3 },                                           /* a request */
		{ 4, 22, 1 },                                           /* a group's MAC */
		{ 4, 31, 1 },                                           /* another sender */
		{ 4, 37, 1 }, { 4, 41, 1 },                             /* for another one */
		{ 6, 21, 1 },                                           /* a router was between */
		{ 6, 54, 1 }, { 6, 55, 1 }, { 6, 77, 1 },               /* type, code, target */
		{ 6, 78, 1 }, { 6, 79, 1 }, { 6, 79, 2 },               /* its option */
		{ 6, 80, 1 },                                           /* a group's MAC */
		{ 6, 53, 1 },                                           /* for another one */
	};

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(lies); i++) {
		struct probe_request request = request_to(PROBE_PING, lies[i].family, NEAR);
		struct probe *probe = start(&request);
		struct frame frame, lie;

		expect_question(lies[i].family, &frame);
		answer_neighbour(&frame, peer_mac);
		lie = frame;
		lie.bytes[lies[i].offset] ^= lies[i].flip;
		if (lies[i].family == 6)
			mend(&lie);
		expect_lie_is_the_users(probe, &lie);
		lie = frame;
		if (lies[i].family == 6) {
			lie.bytes[56] ^= 1; /* its checksum */
			expect_lie_is_the_users(probe, &lie);
			lie = frame;
		}
		for (lie.length--; lie.length >= 14; lie.length--)
			expect_lie_is_the_users(probe, &lie);
		deliver(nics[PEER], &frame);
		assert_string_equal(probe_text(probe),
			lies[i].family == 4 ? "waiting for an answer from 10.0.0.11"
					    : "waiting for an answer from fd00::11");
		lab_drain(nics[PEER]);
		end(probe);
	}
}

static void
make_answer(unsigned kind, struct frame *frame)
{
	switch (kind) {
	case 0:
		answer_echo(frame);
		break;
	case 1:
		answer_tcp(frame, 0x12);
		break;
	case 2:
		answer_udp(frame);
		break;
	default:
		answer_error(frame, is_ip4(frame) ? 11 : 3, 0, NULL);
		break;
	}
}

/* One wrong byte behind the type, and it answers nothing; it goes to the user as it is. */
static void
every_wrong_byte_is_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		unsigned kind = i / 2;
		struct probe_request request = request_to(
			kind < 3 ? (enum probe_kind)kind : PROBE_PING, i & 1 ? 6 : 4, NEAR);
		struct frame frame;
		struct probe *probe;

		request.timeout_ns = 1000 * SECOND;
		probe = start_and_resolve(&request, &frame);
		make_answer(kind, &frame);
		for (size_t at = 14; at < frame.length; at++) {
			struct frame lie = frame;
			bool free_field = (i & 1) && ((at >= 14 && at < 18) || at == 21);

			lie.bytes[at] ^= (uint8_t)(1 + rand() % 255);
			/* IPv6 has no checksum for its traffic class, flow label, hop limit */
			if (!free_field)
				expect_lie_is_the_users(probe, &lie);
		}
		deliver(nics[PEER], &frame);
		assert_int_not_equal(probe_result(probe), PROBE_RUNNING);
		lab_drain(nics[PEER]);
		end(probe);
	}
}

/* A frame in pieces of odd lengths, as a sender may cut it. */
static struct rte_mbuf *
in_pieces(const struct frame *frame, size_t first)
{
	struct rte_mbuf *head = NULL, *last = NULL;

	for (size_t at = 0, n; at < frame->length; at += n) {
		struct rte_mbuf *piece = rte_pktmbuf_alloc(lab->pools.small);

		assert_non_null(piece);
		n = head == NULL ? first : 1 + (size_t)rand() % 30;
		n = RTE_MIN(n, frame->length - at);
		memcpy(rte_pktmbuf_append(piece, (uint16_t)n), frame->bytes + at, n);
		if (head == NULL) {
			head = last = piece;
			packet_meta_reset(head);
			continue;
		}
		last->next = piece;
		last = piece;
		head->nb_segs++;
		head->pkt_len += (uint32_t)n;
	}
	return head;
}

static void
garbage_does_no_harm(void **state)
{
	struct frame answers[10];
	struct probe *probes[8];

	(void)state;
	srand(20261124);
	for (unsigned i = 0; i < 8; i++) {
		unsigned kind = i / 2;
		struct probe_request request = request_to(
			kind < 3 ? (enum probe_kind)kind : PROBE_PING, i & 1 ? 6 : 4, NEAR);

		request.timeout_ns = 1000 * SECOND;
		probes[i] = start(&request);
		expect_question(request.family, &answers[i]);
		answer_neighbour(&answers[i], peer_mac);
		if (i < 2)
			answers[8 + i] = answers[i];
		deliver(nics[PEER], &answers[i]);
		receive_one(nics[PEER], &answers[i]);
		make_answer(kind, &answers[i]);
	}
	for (unsigned i = 0; i < 30000; i++) {
		struct frame frame = answers[rand() % 10];
		struct packet_meta *meta;
		struct rte_mbuf *packet;

		for (int changes = rand() % 6; changes > 0; changes--)
			frame.bytes[12 + (size_t)rand() % (frame.length - 12)] = (uint8_t)rand();
		if (rand() % 3 == 0)
			frame.length = 14 + (size_t)rand() % (frame.length - 13);
		else if (rand() % 3 == 0)
			frame.length += (size_t)rand() % 300; /* what stands there */
		packet = in_pieces(&frame, 14 + (size_t)rand() % 60);
		meta = packet_meta(packet);
		if (rand() % 4 == 0)
			meta->offload = PACKET_CHECKSUM_GOOD;
		inject_in(lab, ports[rand() % 4 == 0 ? USER : PEER]->id, packet);
		lab_run();
		punt_drain(lab);
		lab_run();
		lab_drain(nics[USER]);
		lab_drain(nics[PEER]);
	}
	/* those that did not happen to be answered still can be */
	for (unsigned i = 0; i < 8; i++) {
		deliver(nics[PEER], &answers[i]);
		assert_int_not_equal(probe_result(probes[i]), PROBE_RUNNING);
		lab_drain(nics[USER]);
		lab_drain(nics[PEER]);
	}
	for (unsigned i = 0; i < 8; i++)
		probe_end(probes[i]);
}

static void
answers_in_pieces_are_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		unsigned kind = i / 2;
		struct probe_request request = request_to(
			kind < 3 ? (enum probe_kind)kind : PROBE_PING, i & 1 ? 6 : 4, NEAR);
		struct frame frame;
		struct probe *probe = start(&request);

		expect_question(request.family, &frame);
		answer_neighbour(&frame, peer_mac);
		inject_in(lab, ports[PEER]->id, in_pieces(&frame, 15));
		pass(0);
		receive_one(nics[PEER], &frame);
		make_answer(kind, &frame);
		inject_in(lab, ports[PEER]->id, in_pieces(&frame, 14 + i * 7));
		pass(0);
		assert_int_not_equal(probe_result(probe), PROBE_RUNNING);
		lab_drain(nics[PEER]);
		end(probe);
	}
}

static uint64_t
always_the_same(void *context)
{
	(void)context;
	return 4535; /* the last port there is */
}

/* It could be guessed; but what was not asked is not answered. */
static void
an_answer_before_the_request_is_none(void **state)
{
	struct probe_request request = request_to(PROBE_UDP, 4, NEAR);
	struct make_ends ends = { .family = 4 };
	struct frame question, frame;
	struct probe *probe;

	(void)state;
	lab->options.random = always_the_same;
	memcpy(&ends.source_mac, peer_mac, 6);
	memcpy(&ends.destination_mac, user_mac, 6);
	memcpy(ends.source, address(4, NEAR), 4);
	memcpy(ends.destination, address(4, OWN), 4);
	probe = start(&request);
	frame.length = make_udp(frame.bytes, &ends, 4711, 65535, "early", 5);
	expect_question(4, &question);
	deliver(nics[PEER], &frame);
	assert_int_equal(probe_result(probe), PROBE_RUNNING);
	answer_arp(&question, peer_mac);
	deliver(nics[PEER], &question);
	deliver(nics[PEER], &frame);
	assert_int_equal(probe_result(probe), PROBE_REACHABLE);
	lab_drain(nics[PEER]);
	end(probe);
}

/* All of a datagram that shows whose it is is its first fragment. */
static void
the_first_fragment_of_a_datagram_is_an_answer(void **state)
{
	(void)state;
	for (unsigned kind = PROBE_PING; kind <= PROBE_UDP; kind++) {
		struct probe_request request = request_to((enum probe_kind)kind, 4, NEAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		make_answer(kind, &frame);
		frame.bytes[20] = 0x20; /* more fragments; none in front */
		mend(&frame);
		if (kind == PROBE_UDP)
			put16(transport(&frame) + 4, 3000);
		if (kind == PROBE_UDP)
			deliver(nics[PEER], &frame);
		else
			expect_lie_is_the_users(probe, &frame);
		assert_int_equal(
			probe_result(probe), kind == PROBE_UDP ? PROBE_REACHABLE : PROBE_RUNNING);
		end(probe);
	}
}

/* ---- what the answering side leaves undone ----------------------------------------------------
 */

static void
partial_checksums_are_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		bool tcp = i & 1, said = i & 4;
		struct probe_request request =
			request_to(tcp ? PROBE_TCP : PROBE_UDP, i & 2 ? 6 : 4, NEAR);
		struct frame frame, got;
		struct probe *probe = start_and_resolve(&request, &frame);
		struct rte_mbuf *packet;
		struct packet_meta *meta;

		if (tcp)
			answer_tcp(&frame, 0x12);
		else
			answer_udp(&frame);
		put16(transport(&frame) + checksum_place(&frame),
			~slow_checksum(pseudo_sum(&frame), NULL, 0) & 0xffff);
		packet = packet_from_bytes(&lab->pools, frame.bytes, frame.length);
		meta = packet_meta(packet);
		meta->offload = said ? PACKET_NEEDS_CHECKSUM : 0;
		meta->checksum_start = (uint16_t)(transport(&frame) - frame.bytes);
		meta->checksum_offset = (uint16_t)checksum_place(&frame);
		inject_in(lab, ports[PEER]->id, packet);
		pass(0);
		assert_int_equal(probe_result(probe), said ? PROBE_REACHABLE : PROBE_RUNNING);
		if (!said) /* it is just wrong */
			receive_one(nics[USER], &got);
		lab_drain(nics[PEER]);
		end(probe);
	}
}

static void
udp_over_ip4_needs_no_checksum(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct probe_request request = request_to(PROBE_UDP, family, NEAR);
		struct frame frame;
		struct probe *probe = start_and_resolve(&request, &frame);

		answer_udp(&frame);
		put16(transport(&frame) + 6, 0);
		if (family == 4)
			deliver(nics[PEER], &frame);
		else
			expect_lie_is_the_users(probe, &frame);
		assert_int_equal(
			probe_result(probe), family == 4 ? PROBE_REACHABLE : PROBE_RUNNING);
		end(probe);
	}
}

/* ---- the user beside it ---------------------------------------------------------------------- */

static void
both_who_ask_are_answered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t family = i & 1 ? 6 : 4;
		bool lost = i & 2; /* the probe's question */
		struct probe_request request = request_to(PROBE_PING, family, NEAR);
		struct probe *probe = start(&request);
		struct frame frame, question, got;

		expect_question(family, &question);
		deliver(nics[USER], &question); /* the user asks the same */
		receive_one(nics[PEER], &frame);
		answer_neighbour(&frame, peer_mac);
		deliver(nics[PEER], &frame);
		receive_one(nics[USER], &got);
		assert_memory_equal(got.bytes, frame.bytes, frame.length);
		assert_string_equal(
			probe_text(probe), family == 4 ? "waiting for an answer from 10.0.0.11"
						       : "waiting for an answer from fd00::11");
		if (!lost) {
			deliver(nics[PEER], &frame);
			receive_one(nics[USER], &got);
		}
		lab_drain(nics[PEER]);
		end(probe);
	}
}

static void
a_user_who_asked_before_is_answered(void **state)
{
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct frame frame, got;
	struct probe *probe = start(&request);

	(void)state;
	expect_question(4, &frame);
	answer_arp(&frame, peer_mac);
	/* two answers, one was asked for by the probe */
	deliver(nics[PEER], &frame);
	lab_expect_nothing(nics[USER]);
	deliver(nics[PEER], &frame);
	receive_one(nics[USER], &got);
	assert_memory_equal(got.bytes, frame.bytes, frame.length);
	lab_drain(nics[PEER]);
	end(probe);
}

static void
the_users_traffic_is_not_taken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		uint8_t family = i & 1 ? 6 : 4;
		unsigned kind = i / 2;
		struct probe_request request = request_to((enum probe_kind)kind, family, NEAR);
		struct frame frame, own, question;
		struct probe *probe = start_and_resolve(&request, &frame);

		/* the user does the very same, but for what is random */
		own = frame;
		if (kind == 0)
			transport(&own)[8] ^= 0xff; /* and even the id is the same */
		else if (kind == 1)
			transport(&own)[4] ^= 0xff; /* and even the port */
		else
			transport(&own)[1] ^= 0xff;
		mend(&own);
		deliver(nics[USER], &own);
		receive_one(nics[PEER], &own);
		make_answer(kind, &own);
		expect_lie_is_the_users(probe, &own);
		/* others may ask the user */
		question = (struct frame){ .length = 0 };
		memset(question.bytes, 0xff, 6);
		memcpy(question.bytes + 6, peer_mac, 6);
		put16(question.bytes + 12, 0x0806);
		question.length = 60;
		put16(question.bytes + 14, 1);
		put16(question.bytes + 16, 0x0800);
		put16(question.bytes + 18, 0x0604);
		put16(question.bytes + 20, 1);
		memcpy(question.bytes + 22, peer_mac, 6);
		memcpy(question.bytes + 28, address(4, NEAR), 4);
		memcpy(question.bytes + 38, address(4, OWN), 4);
		expect_lie_is_the_users(probe, &question);
		/* and weft explain what it likes */
		make_answer(kind, &frame);
		free(explain_frame(lab, ports[PEER]->id, frame.bytes, frame.length, NULL));
		punt_drain(lab);
		assert_int_equal(probe_result(probe), PROBE_RUNNING);
		deliver(nics[PEER], &frame);
		assert_int_equal(probe_result(probe), PROBE_REACHABLE);
		lab_drain(nics[PEER]);
		end(probe);
	}
}

static void
answers_for_others_are_none(void **state)
{
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct frame frame, tagged;
	struct probe *probe = start_and_resolve(&request, &frame);
	struct rte_mbuf *packet;

	(void)state;
	answer_echo(&frame);
	tagged = frame;
	memmove(tagged.bytes + 16, tagged.bytes + 12, frame.length - 12);
	put16(tagged.bytes + 12, 0x8100);
	put16(tagged.bytes + 14, 7);
	tagged.length += 4;
	packet = packet_from_bytes(&lab->pools, tagged.bytes, tagged.length);
	inject_out(lab, ports[USER]->id, packet);
	pass(0);
	assert_int_equal(probe_result(probe), PROBE_RUNNING);
	receive_one(nics[USER], &tagged);
	/* nor are those that a switch floods there for another station */
	frame.bytes[5] ^= 1;
	inject_out(lab, ports[USER]->id, packet_from_bytes(&lab->pools, frame.bytes, frame.length));
	pass(0);
	assert_int_equal(probe_result(probe), PROBE_RUNNING);
	receive_one(nics[USER], &tagged);
	frame.bytes[5] ^= 1;
	inject_out(lab, ports[USER]->id, packet_from_bytes(&lab->pools, frame.bytes, frame.length));
	pass(0);
	assert_int_equal(probe_result(probe), PROBE_REACHABLE);
	end(probe);
}

static void
after_its_end_nothing_is_taken(void **state)
{
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct frame frame, got;
	struct probe *probe = start_and_resolve(&request, &frame);

	(void)state;
	answer_echo(&frame);
	assert_int_equal(atomic_load(&ports[USER]->watch), WATCH_PROBE);
	end(probe); /* while it runs */
	deliver(nics[PEER], &frame);
	receive_one(nics[USER], &got);
	/* one that is on its way to the control side then is nobody's */
	probe = start_and_resolve(&request, &frame);
	answer_echo(&frame);
	weft_nic_send(nics[PEER], frame.bytes, frame.length);
	lab_run();
	end(probe);
	assert_int_equal(punt_drain(lab), 1);
	probe_end(NULL);
}

/* ---- many ------------------------------------------------------------------------------------ */

static void
there_is_a_limit(void **state)
{
	struct probe_request request = request_to(PROBE_UDP, 4, NEAR);
	struct probe *probes[PROBE_LIMIT], *one_more;
	struct weft_error error;
	struct frame frame;
	uint16_t ids[PROBE_LIMIT];

	(void)state;
	lab->options.random = always_the_same;
	for (unsigned i = 0; i < PROBE_LIMIT; i++)
		probes[i] = start(&request);
	assert_null(probe_start(lab, &request, &error));
	assert_int_equal(error.code, EBUSY);
	assert_string_equal(error.text, "64 probes are under way already; wait until one is over");
	/* one answer about the next hop is for all */
	assert_true(receive(nics[PEER], &frame));
	assert_int_equal(lab_drain(nics[PEER]), PROBE_LIMIT - 1);
	answer_arp(&frame, peer_mac);
	deliver(nics[PEER], &frame);
	for (unsigned i = 0; i < PROBE_LIMIT; i++) {
		assert_true(receive(nics[PEER], &frame));
		ids[i] = (uint16_t)get16(transport(&frame));
		assert_true(ids[i] >= 61000);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(ids[i], ids[j]);
		if (i != 40)
			continue;
		answer_udp(&frame);
		deliver(nics[PEER], &frame);
		assert_int_equal(probe_result(probes[i]), PROBE_REACHABLE);
	}
	for (unsigned i = 0; i < PROBE_LIMIT; i++)
		assert_int_equal(
			probe_result(probes[i]), i == 40 ? PROBE_REACHABLE : PROBE_RUNNING);
	/* what is over makes room, and keeps its result */
	one_more = start(&request);
	assert_null(probe_start(lab, &request, &error));
	assert_int_equal(probe_result(probes[40]), PROBE_REACHABLE);
	pass(SECOND);
	assert_int_equal(probe_next(lab, lab_time), UINT64_MAX);
	assert_int_equal(probe_result(one_more), PROBE_BLOCKED);
	for (unsigned i = 0; i < PROBE_LIMIT; i++)
		probe_end(probes[i]);
	assert_int_equal(atomic_load(&ports[USER]->watch), WATCH_PROBE);
	end(one_more);
	lab_drain(nics[PEER]);
}

static void
probes_left_open_are_freed_with_the_engine(void **state)
{
	struct probe_request request = request_to(PROBE_TCP, 4, NEAR);
	struct frame frame;

	(void)state;
	start_and_resolve(&request, &frame);
	start(&request);
}

/* ---- changes meanwhile ----------------------------------------------------------------------- */

static void
remove_what(unsigned what)
{
	struct weft_change *change = weft_change_begin(lab);

	switch (what) {
	case 0:
		weft_nic_remove(change, nics[USER]);
		break;
	case 1:
		weft_vport_remove(change, ports[USER]);
		break;
	case 2: /* another vnic takes its place */
		weft_detach(change, ports[OTHER]);
		weft_detach(change, ports[USER]);
		weft_attach(change, ports[USER], nics[OTHER]);
		break;
	default:
		weft_network_remove(change, network);
		break;
	}
	lab_commit(change);
}

static void
what_a_change_takes_away_ends_the_probe(void **state)
{
	static const char *const texts[] = {
		"vnic red/user was removed from port red/lan:user while the probe ran",
		"port red/lan:user, where vnic red/user was, was removed while the probe ran",
		"vnic red/user was removed from port red/lan:user while the probe ran",
		"port red/lan:user, where vnic red/user was, was removed while the probe ran",
	};

	for (unsigned i = 0; i < 2 * RTE_DIM(texts); i++) {
		struct probe_request request = request_to(i & 1 ? PROBE_TCP : PROBE_PING, 4, NEAR);
		struct probe *asking, *asked;
		struct weft_vport *stays = i / 2 == 0 || i / 2 == 2 ? ports[USER] : NULL;
		struct frame frame;

		asked = start_and_resolve(&request, &frame);
		asking = start(&request);
		lab_drain(nics[PEER]);
		/* an answer is on its way while it happens */
		make_answer(i & 1, &frame);
		weft_nic_send(nics[PEER], frame.bytes, frame.length);
		lab_run();
		remove_what(i / 2);
		pass(10 * MS);
		expect(asking, PROBE_BLOCKED, texts[i / 2]);
		expect(asked, PROBE_BLOCKED, texts[i / 2]);
		pass(SECOND);
		assert_int_equal(probe_next(lab, lab_time), UINT64_MAX);
		probe_end(asking);
		if (stays != NULL)
			assert_int_equal(atomic_load(&stays->watch), WATCH_PROBE);
		probe_end(asked);
		if (stays != NULL)
			assert_int_equal(atomic_load(&stays->watch), 0);
		assert_int_equal(lab_close(state), 0);
		assert_int_equal(set_up(state), 0);
	}
}

/* The index is used again; what was meant for the old port does not reach the new one. */
static void
a_new_port_in_the_same_place_is_another_one(void **state)
{
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct weft_nic_config config = user_config();
	struct probe *probe = start(&request);
	struct weft_change *change = weft_change_begin(lab);
	struct frame frame;

	(void)state;
	expect_question(4, &frame);
	weft_vport_remove(change, ports[USER]);
	weft_nic_remove(change, nics[USER]);
	lab_commit(change);
	change = weft_change_begin(lab);
	ports[USER] = weft_switch_port_add(change, lan, "user", NULL);
	nics[USER] = weft_nic_add(change, network, "user", &config);
	weft_attach(change, ports[USER], nics[USER]);
	lab_commit(change);
	pass(200 * MS);
	expect(probe, PROBE_BLOCKED,
		"port red/lan:user, where vnic red/user was, was removed while the probe ran");
	lab_expect_nothing(nics[PEER]);
	assert_int_equal(atomic_load(&ports[USER]->watch), 0);
	probe_end(probe);
	request.from = nics[USER];
	probe = start_and_resolve(&request, &frame);
	end(probe);
}

/* ---- what cannot be probed ------------------------------------------------------------------- */

static void
refuse(const struct probe_request *request, const char *text)
{
	struct weft_error error = { 0 };

	assert_null(probe_start(lab, request, &error));
	assert_string_equal(error.text, text);
	assert_int_equal(probe_next(lab, lab_time), UINT64_MAX);
}

static void
what_cannot_be_probed_is_refused(void **state)
{
	static const uint8_t own[16] = { 10, 0, 0, 10 }, group[16] = { 224, 0, 0, 5 };
	static const uint8_t all[16] = { 0xff, 2, [15] = 1 }, nobody[16] = { 0 };
	struct probe_request request = request_to(PROBE_PING, 4, NEAR), tcp = request;
	struct weft_nic_config config = {
		.kind = WEFT_NIC_MEMORY, .addresses = prefixes, .n_addresses = 1
	};
	struct weft_change *change = weft_change_begin(lab);
	struct weft_nic *loose = weft_nic_add(change, network, "loose", &config);
	struct weft_nic *wire = weft_nic_add(change, NULL, "wire", &config);

	(void)state;
	lab_commit(change);
	memcpy(request.to, own, 16);
	refuse(&request, "10.0.0.10 is vnic red/user's own address");
	memcpy(request.to, group, 16);
	refuse(&request, "224.0.0.5 is not the address of a single station: it cannot be probed");
	memcpy(request.to, nobody, 16);
	refuse(&request, "0.0.0.0 is not the address of a single station: it cannot be probed");
	request.family = 6;
	refuse(&request, ":: is not the address of a single station: it cannot be probed");
	memcpy(request.to, all, 16);
	refuse(&request, "ff02::1 is not the address of a single station: it cannot be probed");
	request.family = 5;
	refuse(&request, "a probe is to an IPv4 or an IPv6 address");
	tcp.kind = PROBE_TCP;
	tcp.port = 0;
	refuse(&tcp, "no port to probe at 10.0.0.11; say which (10.0.0.11:PORT)");
	request = request_to(PROBE_PING, 4, NEAR);
	request.from = wire;
	refuse(&request, "wire is an uplink: probes are sent from vnics of networks");
	request.from = loose;
	refuse(&request, "vnic red/loose is attached to no port");
	request.from = nics[OTHER];
	refuse(&request, "vnic red/other has no IPv4 address to send to 10.0.0.11 from; give it "
			 "one (ip:)");
	change = weft_change_begin(lab);
	weft_nic_update(change, nics[OTHER], &config);
	lab_commit(change);
	refuse(&request, "the MAC address behind vnic red/other is not known; give it one (mac:)");
	request = request_to(PROBE_PING, 6, NEAR);
	request.from = nics[OTHER];
	refuse(&request, "vnic red/other has no IPv6 address to send to fd00::11 from; give it "
			 "one (ip:)");
	request = request_to(PROBE_PING, 4, FAR);
	request.from = nics[OTHER];
	refuse(&request, "vnic red/other has no way to 192.0.2.7: it is in none of its prefixes, "
			 "and it has no IPv4 gateway");
	assert_null(probe_result_name(PROBE_RUNNING));
	assert_string_equal(probe_result_name(PROBE_REACHABLE), "reachable");
	assert_string_equal(probe_result_name(PROBE_CLOSED), "closed");
	assert_string_equal(probe_result_name(PROBE_BLOCKED), "blocked");
}

/* ---- seen from outside ----------------------------------------------------------------------- */

static void
what_is_taken_is_traced_and_counted(void **state)
{
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct weft_counters before, after;
	struct weft_error error = { 0 };
	struct filter filter = { 0 };
	struct trace_event event;
	struct trace *trace;
	struct frame frame;
	struct probe *probe;
	unsigned taken = 0, steps = 0;

	(void)state;
	weft_vport_counters(ports[USER], &before);
	probe = start_and_resolve(&request, &frame);
	trace = trace_open(lab, &filter, 1, &error);
	assert_non_null(trace);
	answer_echo(&frame);
	deliver(nics[PEER], &frame);
	assert_int_equal(probe_result(probe), PROBE_REACHABLE);
	while (trace_read(trace, &event)) {
		steps++;
		assert_int_not_equal(event.verdict, TRACE_SENT);
		assert_int_not_equal(event.verdict, TRACE_DROPPED);
		if (event.verdict != TRACE_TAKEN)
			continue;
		taken++;
		assert_int_equal(event.vport, ports[USER]->id);
		assert_string_equal(event.text, "taken: the answer to a probe");
	}
	assert_int_equal(taken, 1);
	assert_true(steps > 1);
	trace_close(trace);
	weft_vport_counters(ports[USER], &after);
	assert_int_equal(after.in_packets - before.in_packets, 2);
	assert_int_equal(after.out_packets - before.out_packets, 2);
	assert_int_equal(after.drops, before.drops);
	end(probe);
}

static void
what_is_taken_is_captured(void **state)
{
	static uint8_t stream[CAPTURE_READ_SIZE];
	struct probe_request request = request_to(PROBE_PING, 4, NEAR);
	struct capture_options options = { .vports = &ports[USER]->id, .n_vports = 1 };
	struct weft_error error = { 0 };
	struct capture *capture = capture_open(lab, &options, &error);
	struct frame asked, answer;
	struct probe *probe;
	size_t length;

	(void)state;
	assert_non_null(capture);
	probe = start_and_resolve(&request, &asked);
	answer = asked;
	answer_echo(&answer);
	deliver(nics[PEER], &answer);
	assert_int_equal(probe_result(probe), PROBE_REACHABLE);
	lab_expect_nothing(nics[USER]);
	probe_end(probe);
	assert_int_equal(atomic_load(&ports[USER]->watch), WATCH_CAPTURE);
	length = capture_read(capture, stream, sizeof(stream));
	assert_non_null(memmem(stream, length, asked.bytes, asked.length));
	assert_non_null(memmem(stream, length, answer.bytes, answer.length));
	capture_close(capture);
}

/* ---- with workers of their own ----------------------------------------------------------------
 */

static void
answer_whatever_comes(struct frame *frame)
{
	static const uint8_t solicited[] = { 0x33, 0x33 };

	if (is_arp(frame) || memcmp(frame->bytes, solicited, 2) == 0)
		answer_neighbour(frame, peer_mac);
	else if (protocol(frame) == 6)
		answer_tcp(frame, 0x12);
	else if (protocol(frame) == 17)
		answer_udp(frame);
	else
		answer_echo(frame);
	weft_nic_send(nics[PEER], frame->bytes, frame->length);
}

static void
workers_and_control_side_get_along(void **state)
{
	struct weft_options options = { .workers = 2, .memory_mb = 64 };
	struct weft_error error = { 0 };

	(void)state;
	lab = weft_open(&options, &error);
	if (lab == NULL)
		fail_msg("%s", error.text);
	build();
	for (unsigned i = 0; i < 300; i++) {
		struct probe_request request =
			request_to((enum probe_kind)(i % 3), i & 1 ? 6 : 4, NEAR);
		struct probe *probe;
		struct frame frame;

		request.timeout_ns = 20 * SECOND;
		probe = probe_start(lab, &request, &error);
		assert_non_null(probe);
		while (probe_result(probe) == PROBE_RUNNING && i % 10 != 9) {
			while (receive(nics[PEER], &frame))
				if (!(is_ip4(&frame) && protocol(&frame) == 6 &&
					    transport(&frame)[13] == 0x04))
					answer_whatever_comes(&frame);
			punt_drain(lab);
			probe_poll(lab, engine_now(lab));
		}
		if (i % 10 != 9) {
			assert_int_equal(probe_result(probe), PROBE_REACHABLE);
			assert_true(probe_round_trip(probe) > 0);
		}
		probe_end(probe);
	}
	weft_close(lab);
}

#define IN_LAB(test) cmocka_unit_test_setup_teardown(test, set_up, lab_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_LAB(a_ping_is_answered),
		IN_LAB(an_open_tcp_port_is_reachable_and_reset),
		IN_LAB(a_closed_tcp_port_is_closed),
		IN_LAB(udp_is_answered_or_refused),
		IN_LAB(an_icmp_error_is_blocked),
		IN_LAB(far_addresses_are_probed_by_the_gateway),
		IN_LAB(requests_are_repeated_until_the_time_is_over),
		IN_LAB(the_next_hop_may_be_silent),
		IN_LAB(a_lost_packet_does_no_harm),
		IN_LAB(an_answer_counts_when_it_came_not_when_it_is_drained),
		IN_LAB(lying_echo_replies_are_not_believed),
		IN_LAB(lying_segments_are_not_believed),
		IN_LAB(lying_datagrams_and_errors_are_not_believed),
		IN_LAB(errors_of_other_segments_are_the_users),
		IN_LAB(lying_neighbours_are_not_believed),
		IN_LAB(every_wrong_byte_is_found),
		IN_LAB(garbage_does_no_harm),
		IN_LAB(answers_in_pieces_are_answers),
		IN_LAB(an_answer_before_the_request_is_none),
		IN_LAB(the_first_fragment_of_a_datagram_is_an_answer),
		IN_LAB(partial_checksums_are_right),
		IN_LAB(udp_over_ip4_needs_no_checksum),
		IN_LAB(both_who_ask_are_answered),
		IN_LAB(a_user_who_asked_before_is_answered),
		IN_LAB(the_users_traffic_is_not_taken),
		IN_LAB(answers_for_others_are_none),
		IN_LAB(after_its_end_nothing_is_taken),
		IN_LAB(there_is_a_limit),
		IN_LAB(probes_left_open_are_freed_with_the_engine),
		IN_LAB(what_a_change_takes_away_ends_the_probe),
		IN_LAB(a_new_port_in_the_same_place_is_another_one),
		IN_LAB(what_cannot_be_probed_is_refused),
		IN_LAB(what_is_taken_is_traced_and_counted),
		IN_LAB(what_is_taken_is_captured),
		cmocka_unit_test(workers_and_control_side_get_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
