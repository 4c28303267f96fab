/* SPDX-License-Identifier: BSD-3-Clause */
/* The SYN proxy, as a client outside and a server inside see it, on a clock of the test's. */
#include "../firewall_fixture.h"
#include "packet/icmp.h"
#include "packet/parse.h"

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define RST RTE_TCP_RST_FLAG
#define FIN RTE_TCP_FIN_FLAG
#define CLIENT_ISN 1000u
#define SERVER_ISN 0xfffffff0u /* its numbers wrap */

/* ---- cookies ----------------------------------------------------------------------------------
 */

static struct flow
flow_of(uint8_t family)
{
	struct flow flow = { .family = family,
		.protocol = 6,
		.domain = 7,
		.from_port = 9,
		.to_port = 80,
		.from_ip = { 10, 1, 0, 1 },
		.to_ip = { 10, 0, 0, 1 } };

	return flow;
}

static void
check_offer(const struct hash_key *key, struct syn_offer offer, uint16_t mss)
{
	struct flow flow = flow_of(4);
	uint64_t now = 12345 * SECOND;
	struct syn_offer got;
	uint32_t time, cookie = syn_cookie_make(key, &flow, 77, &offer, now, &time);

	assert_true(syn_cookie_check(key, &flow, 77, cookie, now + SECOND, &got));
	assert_int_equal(got.mss, mss);
	assert_int_equal(got.has_scale, offer.has_scale);
	assert_int_equal(got.scale, offer.has_scale ? offer.scale : 0);
	assert_int_equal(got.has_sack, offer.has_sack);
}

static void
test_cookie_keeps_what_was_asked(void **state)
{
	struct hash_key key;

	(void)state;
	hash_key_random(&key);
	for (uint8_t scale = 0; scale <= 14; scale++)
		check_offer(&key, (struct syn_offer){ 1460, scale, true, scale & 1, false }, 1460);
	check_offer(&key, (struct syn_offer){ 1460, 0, false, true, false }, 1460);
	check_offer(&key, (struct syn_offer){ 1459, 0, false, true, false }, 1440);
	check_offer(&key, (struct syn_offer){ 100, 0, false, true, false }, 216);
	check_offer(&key, (struct syn_offer){ 65535, 0, false, true, false }, 8940);
	check_offer(&key, (struct syn_offer){ 0 }, 536);
}

static void
test_cookie_of_another(void **state)
{
	const struct syn_offer offer = { 1460, 7, true, true, false };
	struct flow flow = flow_of(6), other;
	uint64_t now = 12345 * SECOND;
	struct hash_key key, wrong;
	struct syn_offer got;
	uint32_t time, cookie;

	(void)state;
	hash_key_random(&key);
	hash_key_random(&wrong);
	cookie = syn_cookie_make(&key, &flow, 77, &offer, now, &time);
	assert_true(syn_cookie_check(&key, &flow, 77, cookie, now, &got));
	assert_false(syn_cookie_check(&key, &flow, 78, cookie, now, &got));
	assert_false(syn_cookie_check(&wrong, &flow, 77, cookie, now, &got));
	for (size_t i = 0; i < sizeof(flow); i++) {
		other = flow;
		((uint8_t *)&other)[i] ^= 1;
		assert_false(syn_cookie_check(&key, &other, 77, cookie, now, &got));
	}
	for (unsigned bit = 0; bit < 32; bit++)
		assert_false(syn_cookie_check(&key, &flow, 77, cookie ^ 1u << bit, now, &got));
}

/* For one period at least, for two at most. */
static void
test_cookie_ages(void **state)
{
	const struct syn_offer offer = { 1460, 7, true, true, false };
	struct flow flow = flow_of(4);
	struct hash_key key;
	struct syn_offer got;
	uint32_t time;

	(void)state;
	hash_key_random(&key);
	for (uint64_t now = 1000 * SECOND; now < 1140 * SECOND; now += 3 * SECOND) {
		uint32_t cookie = syn_cookie_make(&key, &flow, 77, &offer, now, &time);

		assert_true(syn_cookie_check(&key, &flow, 77, cookie, now + 68 * SECOND, &got));
		assert_false(syn_cookie_check(&key, &flow, 77, cookie, now + 138 * SECOND, &got));
		assert_false(syn_cookie_check(&key, &flow, 77, cookie, now + 9000 * SECOND, &got));
	}
}

/* As many guesses as there are cookies for one connection at most. */
static void
test_cookie_is_not_guessed(void **state)
{
	struct flow flow = flow_of(4);
	uint64_t now = 1000 * SECOND;
	struct hash_key key;
	struct syn_offer got;
	unsigned hits = 0;

	(void)state;
	hash_key_random(&key);
	for (uint32_t guess = 0; guess < 1u << 22; guess++)
		hits += syn_cookie_check(
			&key, &flow, guess * 2654435761u, guess * 40503u, now, &got);
	assert_true(hits < 10); /* half of one is to be expected */
}

/* ---- segments ---------------------------------------------------------------------------------
 */

/* What of a segment that has come a test looks at. */
struct seen {
	struct tcp_segment segment;
	bool has_times;
	uint32_t times[2];
	struct fields fields;
	uint8_t frame[BUFFER];
	size_t length;
};

/* What is due is done, and sent. */
static void
wait(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		lab_wait(1);
		lab_run();
	}
}

static struct bench_firewall bench;
static uint16_t client_port = 9, server_port = 80;
static unsigned server_station = 1;

/* Bytes behind a frame: `option`: of the TCP header, else data. */
static size_t
append(uint8_t *frame, size_t length, const void *bytes, size_t n, bool option)
{
	bool six = frame[12] == 0x86;
	uint8_t *tcp = frame + 14 + (six ? 40 : 20);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(frame + 14);

	memcpy(frame + length, bytes, n);
	if (option)
		tcp[12] = (uint8_t)(tcp[12] + (n / 4 << 4));
	memset(tcp + 16, 0, 2);
	if (six) {
		ip6->payload_len = rte_cpu_to_be_16((uint16_t)(length + n - 54));
		((struct rte_tcp_hdr *)tcp)->cksum = rte_ipv6_udptcp_cksum(ip6, tcp);
	} else {
		ip->total_length = rte_cpu_to_be_16((uint16_t)(length + n - 14));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		((struct rte_tcp_hdr *)tcp)->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	}
	return length + n;
}

static size_t
segment_of(uint8_t *frame, enum side side, uint8_t family, struct make_segment segment)
{
	struct make_ends ends = ends_of(
		side, side == IN ? server_station : 1, side == IN ? 1 : server_station, family);

	segment.source_port = side == OUT ? client_port : server_port;
	segment.destination_port = side == OUT ? server_port : client_port;
	return make_tcp_segment(frame, &ends, &segment);
}

static void
send_segment(enum side side, uint8_t family, struct make_segment segment)
{
	uint8_t frame[MAKE_SIZE];

	put(&bench, side, frame, segment_of(frame, side, family, segment));
}

/* The next that has come out at a side; its checksums are right. */
static struct seen
receive(enum side side)
{
	struct seen seen = { 0 };
	struct rte_mbuf *packet;

	seen.length = weft_nic_receive(bench.nics[side], seen.frame, sizeof(seen.frame));
	assert_true(seen.length > 0);
	packet = packet_from_bytes(&lab->pools, seen.frame, seen.length);
	assert_int_equal(fields_read(packet, &seen.fields), FIELDS_OK);
	assert_true(tcp_segment_read(&seen.segment, packet, &seen.fields));
	seen.has_times = tcp_segment_times(&seen.segment, packet, &seen.fields, seen.times);
	assert_true(
		tcp_checksum_holds(packet, seen.fields.l3, seen.fields.l4, seen.fields.l4_length));
	rte_pktmbuf_free(packet);
	return seen;
}

static void
expect_silence(void)
{
	lab_expect_nothing(bench.nics[IN]);
	lab_expect_nothing(bench.nics[OUT]);
}

static void
expect_numbers(const struct seen *seen, uint8_t flags, uint32_t sequence, uint32_t acknowledgment)
{
	assert_int_equal(seen->segment.flags, flags);
	assert_int_equal(seen->segment.sequence, sequence);
	assert_int_equal(seen->segment.acknowledgment, acknowledgment);
}

/* ---- a connection -----------------------------------------------------------------------------
 */

static const struct weft_port_range web = { 80, 80 };

static struct weft_rule
proxy_rule(void)
{
	return (struct weft_rule){ .name = "web",
		.syn_proxy = true,
		.from = only_out,
		.n_from = 1,
		.fields = WEFT_RULE_PROTOCOL,
		.protocol = IPPROTO_TCP,
		.to_port = &web,
		.n_to_port = 1 };
}

static void
set_up(void)
{
	const struct weft_rule rules[] = { proxy_rule() };

	client_port = 9;
	server_port = 80;
	server_station = 1;
	bench = lab_firewall("red", DROP_ALL, rules, 1);
}

static const struct make_segment full_syn = { .sequence = CLIENT_ISN,
	.flags = SYN,
	.window = 64240,
	.mss = 1460,
	.has_scale = true,
	.scale = 7,
	.has_sack = true,
	.has_times = true,
	.time = 500 };
static const struct make_segment full_answer = { .sequence = SERVER_ISN,
	.acknowledged = CLIENT_ISN + 1,
	.flags = SYN | ACK,
	.window = 65160,
	.mss = 1400,
	.has_scale = true,
	.scale = 5,
	.has_sack = true,
	.has_times = true,
	.time = 70,
	.echo = 500 };

/* A SYN, answered by the firewall; nothing of it is kept. */
static struct seen
ask(uint8_t family, const struct make_segment *syn)
{
	uint32_t before = connections_of(&bench);
	struct seen answer;

	send_segment(OUT, family, *syn);
	lab_expect_nothing(bench.nics[IN]);
	answer = receive(OUT);
	expect_silence();
	assert_int_equal(answer.segment.flags, SYN | ACK);
	assert_int_equal(answer.segment.acknowledgment, syn->sequence + 1);
	assert_int_equal(answer.segment.window, 0);
	assert_int_equal(answer.segment.has_scale, syn->has_scale);
	assert_int_equal(answer.segment.has_sack, syn->has_sack);
	if (syn->has_times && answer.has_times)
		assert_int_equal(answer.times[1], syn->time);
	assert_int_equal(answer.fields.from_port, 80);
	assert_int_equal(answer.fields.to_port, client_port);
	assert_int_equal(connections_of(&bench), before);
	return answer;
}

static struct make_segment
proof_of(const struct make_segment *syn, const struct seen *answer)
{
	return (struct make_segment){ .sequence = syn->sequence + 1,
		.acknowledged = answer->segment.sequence + 1,
		.flags = ACK,
		.window = 502,
		.has_times = answer->has_times,
		.time = syn->time + 1,
		.echo = answer->times[0] };
}

/* The client has proved itself: what the server gets. */
static struct seen
prove(uint8_t family, const struct make_segment *syn, const struct seen *answer)
{
	struct seen asked;

	send_segment(OUT, family, proof_of(syn, answer));
	lab_expect_nothing(bench.nics[OUT]);
	asked = receive(IN);
	expect_silence();
	expect_numbers(&asked, SYN, syn->sequence, 0);
	return asked;
}

/* The whole; returns our initial sequence number. `opened`: what opened the client's window. */
static uint32_t
shake(uint8_t family, const struct make_segment *syn, const struct make_segment *back,
	struct seen *opened)
{
	struct seen answer = ask(family, syn), own;
	uint32_t cookie = answer.segment.sequence;

	prove(family, syn, &answer);
	send_segment(IN, family, *back);
	own = receive(IN);
	expect_numbers(&own, ACK, syn->sequence + 1, back->sequence + 1);
	*opened = receive(OUT);
	expect_numbers(opened, ACK, cookie + 1, syn->sequence + 1);
	expect_silence();
	return cookie;
}

/* What is sent at one side comes out at the other so. */
static struct seen
expect_shifted(enum side side, uint8_t family, struct make_segment segment, const char *data,
	uint32_t sequence, uint32_t acknowledgment)
{
	uint8_t frame[BUFFER];
	size_t length = segment_of(frame, side, family, segment);
	struct seen seen;

	length = append(frame, length, data, strlen(data), false);
	put(&bench, side, frame, length);
	seen = receive(!side);
	expect_silence();
	expect_numbers(&seen, segment.flags, sequence, acknowledgment);
	assert_int_equal(seen.length, length);
	assert_memory_equal(seen.frame + length - strlen(data), data, strlen(data));
	return seen;
}

static void
check_connection(uint8_t family)
{
	struct seen answer, asked, opened, seen;
	uint32_t cookie;

	answer = ask(family, &full_syn);
	assert_int_equal(answer.segment.mss, family == 4 ? 1460 : 1440);
	asked = prove(family, &full_syn, &answer);
	assert_int_equal(asked.segment.mss, 1460);
	assert_true(asked.segment.has_scale && asked.segment.has_sack && asked.has_times);
	assert_int_equal(asked.segment.scale, 7);
	assert_int_equal(asked.segment.window, 502 << 7);
	assert_int_equal(asked.times[0], 501);
	assert_int_equal(connections_of(&bench), 1);
	cookie = answer.segment.sequence;
	send_segment(IN, family, full_answer);
	seen = receive(IN);
	expect_numbers(&seen, ACK, CLIENT_ISN + 1, SERVER_ISN + 1);
	assert_int_equal(seen.segment.window, 502);
	assert_int_equal(seen.times[1], 70);
	opened = receive(OUT);
	expect_numbers(&opened, ACK, cookie + 1, CLIENT_ISN + 1);
	assert_int_equal(opened.segment.window, 65160 >> 8);
	assert_int_equal(opened.times[0], answer.times[0]);
	assert_int_equal(opened.times[1], 501);
	expect_silence();
	/* both talk */
	seen = expect_shifted(OUT, family,
		(struct make_segment){ .sequence = CLIENT_ISN + 1,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 500,
			.has_times = true,
			.time = 502,
			.echo = answer.times[0] + 3 },
		"hello", CLIENT_ISN + 1, SERVER_ISN + 1);
	assert_int_equal(seen.segment.window, 500);
	assert_int_equal(seen.times[0], 502);
	assert_int_equal(seen.times[1], 73);
	seen = expect_shifted(IN, family,
		(struct make_segment){ .sequence = SERVER_ISN + 1,
			.acknowledged = CLIENT_ISN + 6,
			.flags = ACK,
			.window = 800,
			.has_times = true,
			.time = 75,
			.echo = 502 },
		"a long answer that wraps", cookie + 1, CLIENT_ISN + 6);
	assert_int_equal(seen.segment.window, 800 >> 3); /* the same, in steps of 2^8 not 2^5 */
	assert_int_equal(seen.times[0], answer.times[0] + 5);
	assert_int_equal(seen.times[1], 502);
	/* and close */
	expect_shifted(IN, family,
		(struct make_segment){ .sequence = SERVER_ISN + 25,
			.acknowledged = CLIENT_ISN + 6,
			.flags = FIN | ACK,
			.window = 800 },
		"", cookie + 25, CLIENT_ISN + 6);
	expect_shifted(OUT, family,
		(struct make_segment){ .sequence = CLIENT_ISN + 6,
			.acknowledged = cookie + 26,
			.flags = FIN | ACK,
			.window = 500 },
		"", CLIENT_ISN + 6, SERVER_ISN + 26);
	expect_shifted(IN, family,
		(struct make_segment){ .sequence = SERVER_ISN + 26,
			.acknowledged = CLIENT_ISN + 7,
			.flags = ACK,
			.window = 800 },
		"", cookie + 26, CLIENT_ISN + 7);
	wait(242);
	assert_int_equal(connections_of(&bench), 0);
}

static void
test_connection(void **state)
{
	(void)state;
	set_up();
	check_connection(4);
	/* what the server is like is known now */
	assert_int_equal(ask(4, &full_syn).segment.mss, 1400);
	check_connection(6);
}

/* A client and a server without any option. */
static void
test_plain(void **state)
{
	const struct make_segment syn = { .sequence = CLIENT_ISN, .flags = SYN, .window = 8000 };
	const struct make_segment back = { .sequence = SERVER_ISN,
		.acknowledged = CLIENT_ISN + 1,
		.flags = SYN | ACK,
		.window = 5000 };
	struct seen opened, seen;
	uint32_t cookie;

	(void)state;
	set_up();
	cookie = shake(4, &syn, &back, &opened);
	assert_int_equal(opened.segment.window, 5000);
	assert_false(opened.has_times);
	seen = expect_shifted(OUT, 4,
		(struct make_segment){ .sequence = CLIENT_ISN + 1,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 8000 },
		"hello", CLIENT_ISN + 1, SERVER_ISN + 1);
	assert_int_equal(seen.segment.window, 8000);
	seen = expect_shifted(IN, 4,
		(struct make_segment){ .sequence = SERVER_ISN + 1,
			.acknowledged = CLIENT_ISN + 6,
			.flags = ACK,
			.window = 123 },
		"hello", cookie + 1, CLIENT_ISN + 6);
	assert_int_equal(seen.segment.window, 123);
}

/* A client that scales, and a server that neither does nor has timestamps. */
static void
test_old_server(void **state)
{
	const struct make_segment back = { .sequence = SERVER_ISN,
		.acknowledged = CLIENT_ISN + 1,
		.flags = SYN | ACK,
		.window = 5000,
		.mss = 600 };
	struct seen answer, opened, seen;
	uint32_t cookie;

	(void)state;
	set_up();
	cookie = shake(4, &full_syn, &back, &opened);
	assert_int_equal(opened.segment.window, 5000 >> 8);
	/* what the client scales, the server does not */
	seen = expect_shifted(OUT, 4,
		(struct make_segment){ .sequence = CLIENT_ISN + 1,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 100 },
		"hello", CLIENT_ISN + 1, SERVER_ISN + 1);
	assert_int_equal(seen.segment.window, 100 << 7);
	seen = expect_shifted(OUT, 4,
		(struct make_segment){ .sequence = CLIENT_ISN + 6,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 600 },
		"hello", CLIENT_ISN + 6, SERVER_ISN + 1);
	assert_int_equal(seen.segment.window, 65535);
	seen = expect_shifted(IN, 4,
		(struct make_segment){ .sequence = SERVER_ISN + 1,
			.acknowledged = CLIENT_ISN + 11,
			.flags = ACK,
			.window = 100 },
		"hello", cookie + 1, CLIENT_ISN + 11);
	assert_int_equal(seen.segment.window, 1); /* open it is */
	/* the next one is told so */
	client_port = 10;
	answer = ask(4, &full_syn);
	assert_int_equal(answer.segment.mss, 600);
	assert_false(answer.has_times);
}

static void
test_sack_blocks(void **state)
{
	struct seen opened, seen;
	uint32_t cookie, edges[4];
	uint8_t frame[BUFFER], option[12] = { 1, 1, 5, 10 };
	size_t length;

	(void)state;
	set_up();
	cookie = shake(4, &full_syn, &full_answer, &opened);
	/* the server's bytes 1 to 4 and 11 to 14: the client has the latter only */
	expect_shifted(IN, 4,
		(struct make_segment){ .sequence = SERVER_ISN + 1,
			.acknowledged = CLIENT_ISN + 1,
			.flags = ACK,
			.window = 800 },
		"aaaabbbbbbcccc", cookie + 1, CLIENT_ISN + 1);
	edges[0] = rte_cpu_to_be_32(cookie + 11);
	edges[1] = rte_cpu_to_be_32(cookie + 15);
	memcpy(option + 4, edges, 8);
	length = segment_of(frame, OUT, 4,
		(struct make_segment){ .sequence = CLIENT_ISN + 1,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 500 });
	length = append(frame, length, option, sizeof(option), true);
	put(&bench, OUT, frame, length);
	seen = receive(IN);
	expect_numbers(&seen, ACK, CLIENT_ISN + 1, SERVER_ISN + 1);
	memcpy(edges, seen.frame + 14 + 20 + 20 + 4, 8);
	assert_int_equal(rte_be_to_cpu_32(edges[0]), SERVER_ISN + 11);
	assert_int_equal(rte_be_to_cpu_32(edges[1]), SERVER_ISN + 15);
}

/* ---- who does not prove itself ----------------------------------------------------------------
 */

static void
test_flood(void **state)
{
	struct make_segment syn = full_syn;
	struct firewall_info info;

	(void)state;
	set_up();
	for (unsigned i = 0; i < 5000; i++) {
		client_port = (uint16_t)(1000 + i);
		syn.sequence = i * 77;
		ask(i & 1 ? 4 : 6, &syn);
	}
	firewall_read(bench.device, &info);
	assert_int_equal(info.connections, 0);
}

static void
test_wrong_proof(void **state)
{
	struct seen answer;
	struct make_segment proof;
	uint8_t frame[MAKE_SIZE];
	size_t length;

	(void)state;
	set_up();
	answer = ask(4, &full_syn);
	proof = proof_of(&full_syn, &answer);
	proof.acknowledged++;
	expect_drop(&bench, OUT, frame, segment_of(frame, OUT, 4, proof), DROP_INVALID_STATE);
	proof = proof_of(&full_syn, &answer);
	proof.sequence += 2;
	expect_drop(&bench, OUT, frame, segment_of(frame, OUT, 4, proof), DROP_INVALID_STATE);
	proof = proof_of(&full_syn, &answer);
	proof.flags = RST | ACK;
	expect_drop(&bench, OUT, frame, segment_of(frame, OUT, 4, proof), DROP_INVALID_STATE);
	/* damaged on its way */
	proof.flags = ACK;
	length = segment_of(frame, OUT, 4, proof);
	frame[14 + 20 + 14] ^= 1;
	expect_drop(&bench, OUT, frame, length, DROP_INVALID_STATE);
	/* too late */
	wait(140);
	expect_drop(&bench, OUT, frame, segment_of(frame, OUT, 4, proof), DROP_INVALID_STATE);
	expect_silence();
}

static void
test_bad_syns(void **state)
{
	struct make_ends ends;
	uint8_t frame[MAKE_SIZE];
	size_t length;

	(void)state;
	set_up();
	length = segment_of(frame, OUT, 4, full_syn);
	frame[14 + 20 + 14] ^= 1;
	expect_drop(&bench, OUT, frame, length, DROP_BAD_TRANSPORT);
	ends = ends_of(OUT, 1, 1, 4);
	memcpy(ends.source, (uint8_t[]){ 224, 0, 0, 1 }, 4);
	expect_drop(
		&bench, OUT, frame, make_tcp(frame, &ends, 9, 80, 1, 0, SYN), DROP_MARTIAN_SOURCE);
	expect_silence();
}

/* The rule is gone when the client comes back. */
static void
test_rules_change(void **state)
{
	struct seen answer;
	uint8_t frame[MAKE_SIZE];
	struct weft_rule rule = proxy_rule();

	(void)state;
	set_up();
	answer = ask(4, &full_syn);
	rule.syn_proxy = false;
	set_rules(&bench, &rule, 1);
	expect_drop(&bench, OUT, frame, segment_of(frame, OUT, 4, proof_of(&full_syn, &answer)),
		DROP_INVALID_STATE);
	expect_pass(&bench, OUT, frame, segment_of(frame, OUT, 4, full_syn));
	/* one that lives goes on without the rule that made it */
	client_port = 11;
	rule.syn_proxy = true;
	set_rules(&bench, &rule, 1);
	{
		struct seen opened;
		uint32_t cookie = shake(4, &full_syn, &full_answer, &opened);

		rule.syn_proxy = false;
		set_rules(&bench, &rule, 1);
		expect_shifted(OUT, 4,
			(struct make_segment){ .sequence = CLIENT_ISN + 1,
				.acknowledged = cookie + 1,
				.flags = ACK,
				.window = 500 },
			"hello", CLIENT_ISN + 1, SERVER_ISN + 1);
	}
}

/* ---- servers that do not answer ---------------------------------------------------------------
 */

static void
test_refusal(void **state)
{
	struct seen answer, seen;

	(void)state;
	set_up();
	answer = ask(4, &full_syn);
	prove(4, &full_syn, &answer);
	send_segment(
		IN, 4, (struct make_segment){ .acknowledged = CLIENT_ISN + 1, .flags = RST | ACK });
	seen = receive(OUT);
	expect_numbers(&seen, RST | ACK, answer.segment.sequence + 1, CLIENT_ISN + 1);
	expect_silence();
	wait(5);
	expect_silence(); /* it is not asked again */
	wait(10);
	assert_int_equal(connections_of(&bench), 0);
}

static void
test_silence(void **state)
{
	unsigned asked = 0;
	struct seen answer, seen;

	(void)state;
	set_up();
	answer = ask(4, &full_syn);
	prove(4, &full_syn, &answer);
	for (unsigned second = 0; second < 62; second++) {
		wait(1);
		lab_expect_nothing(bench.nics[OUT]);
		while (weft_nic_receive(bench.nics[IN], seen.frame, sizeof(seen.frame)) > 0)
			asked++;
	}
	assert_int_equal(asked, 5);
	assert_int_equal(connections_of(&bench), 1);
	wait(8); /* each time up to a second of this test's clock is lost */
	seen = receive(OUT);
	expect_numbers(&seen, RST | ACK, answer.segment.sequence + 1, CLIENT_ISN + 1);
	expect_silence();
	assert_int_equal(connections_of(&bench), 0);
}

/* Late, but in time. */
static void
test_slow_server(void **state)
{
	struct seen answer, seen;
	uint32_t cookie;

	(void)state;
	set_up();
	answer = ask(6, &full_syn);
	cookie = answer.segment.sequence;
	prove(6, &full_syn, &answer);
	wait(2);
	seen = receive(IN);
	expect_numbers(&seen, SYN, CLIENT_ISN, 0);
	/* the client looks whether its window is still closed, in either way */
	send_segment(OUT, 6,
		(struct make_segment){ .sequence = CLIENT_ISN,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 502 });
	send_segment(OUT, 6,
		(struct make_segment){ .sequence = CLIENT_ISN + 1,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 502 });
	expect_silence();
	send_segment(IN, 6, full_answer);
	receive(IN);
	seen = receive(OUT);
	expect_numbers(&seen, ACK, cookie + 1, CLIENT_ISN + 1);
	/* our acknowledgment was lost: the server says it again */
	send_segment(IN, 6, full_answer);
	seen = receive(IN);
	expect_numbers(&seen, ACK, CLIENT_ISN + 1, SERVER_ISN + 1);
	seen = receive(OUT);
	expect_numbers(&seen, ACK, cookie + 1, CLIENT_ISN + 1);
	expect_silence();
	wait(70);
	expect_silence();
	assert_int_equal(connections_of(&bench), 1);
}

static void
test_client_gives_up(void **state)
{
	struct seen answer, seen;

	(void)state;
	set_up();
	answer = ask(4, &full_syn);
	prove(4, &full_syn, &answer);
	send_segment(OUT, 4, (struct make_segment){ .sequence = CLIENT_ISN + 1, .flags = RST });
	seen = receive(IN);
	expect_numbers(&seen, RST, CLIENT_ISN + 1, 0);
	wait(40);
	expect_silence();
	assert_int_equal(connections_of(&bench), 0);
}

/* ---- what was before, and comes after ---------------------------------------------------------
 */

/* The server still has an older connection of these ports. */
static void
test_challenge(void **state)
{
	struct seen answer, seen;

	(void)state;
	set_up();
	answer = ask(4, &full_syn);
	prove(4, &full_syn, &answer);
	send_segment(IN, 4,
		(struct make_segment){
			.sequence = 0x7000, .acknowledged = 0x1234, .flags = ACK, .window = 100 });
	seen = receive(IN);
	assert_int_equal(seen.segment.flags, RST);
	assert_int_equal(seen.segment.sequence, 0x1234);
	expect_silence();
	wait(2);
	seen = receive(IN);
	expect_numbers(&seen, SYN, CLIENT_ISN, 0);
	send_segment(IN, 4, full_answer);
	receive(IN);
	seen = receive(OUT);
	expect_numbers(&seen, ACK, answer.segment.sequence + 1, CLIENT_ISN + 1);
}

/* A client that has crashed begins again with the same port; a SYN alone ends nothing. */
static void
test_client_comes_back(void **state)
{
	struct make_segment syn = full_syn;
	struct seen answer, opened;
	uint32_t cookie;

	(void)state;
	set_up();
	cookie = shake(4, &full_syn, &full_answer, &opened);
	syn.sequence = 0x50000000;
	answer = ask(4, &syn);
	expect_shifted(OUT, 4,
		(struct make_segment){ .sequence = CLIENT_ISN + 1,
			.acknowledged = cookie + 1,
			.flags = ACK,
			.window = 500 },
		"hello", CLIENT_ISN + 1, SERVER_ISN + 1);
	prove(4, &syn, &answer);
	assert_int_equal(connections_of(&bench), 1);
	/* and again while the server has not answered */
	syn.sequence = 0x60000000;
	answer = ask(4, &syn);
	prove(4, &syn, &answer);
	assert_int_equal(connections_of(&bench), 1);
}

static void
test_reset_in_the_middle(void **state)
{
	struct seen opened;
	uint32_t cookie;
	uint8_t frame[MAKE_SIZE];

	(void)state;
	set_up();
	cookie = shake(4, &full_syn, &full_answer, &opened);
	/* out of the window, as the server numbers: the firewall knows */
	expect_drop(&bench, IN, frame,
		segment_of(frame, IN, 4,
			(struct make_segment){ .sequence = SERVER_ISN + 0x1000000, .flags = RST }),
		DROP_OUT_OF_WINDOW);
	expect_drop(&bench, OUT, frame,
		segment_of(frame, OUT, 4,
			(struct make_segment){ .sequence = CLIENT_ISN + 1,
				.acknowledged = SERVER_ISN + 0x1000000 + cookie,
				.flags = ACK }),
		DROP_OUT_OF_WINDOW);
	expect_shifted(IN, 4,
		(struct make_segment){ .sequence = SERVER_ISN + 1,
			.acknowledged = CLIENT_ISN + 1,
			.flags = RST | ACK },
		"", cookie + 1, CLIENT_ISN + 1);
	/* it is over: the same client, with a number that is higher or lower */
	shake(4, &full_syn, &full_answer, &opened);
	assert_int_equal(connections_of(&bench), 1);
}

/* ---- errors -----------------------------------------------------------------------------------
 */

/* A router outside says that what the server has sent is too long: in the server's own numbers. */
static void
check_error(uint8_t family)
{
	struct rte_mbuf *packet, *error;
	struct seen opened, seen;
	uint32_t cookie = shake(family, &full_syn, &full_answer, &opened), sequence;
	unsigned l3 = family == 4 ? 20 : 40;
	uint8_t source[16] = { 192, 0, 2, 1 }, frame[BUFFER];
	size_t length;

	seen = expect_shifted(IN, family,
		(struct make_segment){ .sequence = SERVER_ISN + 1,
			.acknowledged = CLIENT_ISN + 1,
			.flags = ACK,
			.window = 800 },
		"data that is too long", cookie + 1, CLIENT_ISN + 1);
	packet = packet_from_bytes(&lab->pools, seen.frame, seen.length);
	packet_parse(packet);
	error = family == 4 ? icmp4_error(&lab->pools, packet, 14, ICMP4_UNREACHABLE, ICMP4_TOO_BIG,
				      1400, source)
			    : icmp6_error(&lab->pools, packet, 14, ICMP6_TOO_BIG, 0, 1400,
				      prefix_of("2001:db8:7::1").address);
	packet_copy_bytes(frame, error, rte_pktmbuf_pkt_len(error));
	length = rte_pktmbuf_pkt_len(error);
	station_mac(frame, 1);
	station_mac(frame + 6, 2);
	put(&bench, OUT, frame, length);
	assert_int_equal(weft_nic_receive(bench.nics[IN], seen.frame, sizeof(seen.frame)), length);
	memcpy(&sequence, seen.frame + 14 + l3 + 8 + l3 + 4, sizeof(sequence));
	assert_int_equal(rte_be_to_cpu_32(sequence), SERVER_ISN + 1);
	if (family == 4) {
		assert_int_equal(rte_raw_cksum(seen.frame + 34, length - 34), 0xffff);
	} else {
		rte_pktmbuf_free(packet);
		packet = packet_from_bytes(&lab->pools, seen.frame, length);
		packet_parse(packet);
		assert_true(icmp6_checksum_holds(packet, 14, 54, (unsigned)length - 54));
	}
	rte_pktmbuf_free(packet);
	rte_pktmbuf_free(error);
	expect_silence();
}

static void
test_errors(void **state)
{
	(void)state;
	set_up();
	check_error(4);
	check_error(6);
}

/* ---- translation ------------------------------------------------------------------------------
 */

/* 10.0.0.9:80 outside is 10.0.0.1:8080 inside. */
static void
test_destination_translation(void **state)
{
	const struct weft_prefix outside = { 4, 32, { 10, 0, 0, 9 } };
	const struct weft_prefix server = { 4, 32, { 10, 0, 0, 1 } };
	const struct weft_port_range inner = { 8080, 8080 };
	const struct weft_translation list[] = {
		{ .match = { .name = "to", .to_ip = &outside, .n_to_ip = 1 },
			.kind = WEFT_TRANSLATE_DESTINATION,
			.addresses = &server,
			.n_addresses = 1,
			.ports = { 8080, 8080 } }
	};
	struct weft_rule rule = proxy_rule();
	struct weft_change *change;
	struct seen answer, seen;
	uint32_t cookie;

	(void)state;
	set_up();
	rule.to_port = &inner;
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench.device, &rule, 1);
	weft_firewall_translations(change, bench.device, "in", list, 1);
	lab_commit(change);
	server_station = 9;
	answer = ask(4, &full_syn);
	cookie = answer.segment.sequence;
	assert_int_equal(answer.fields.from_ip[3], 9);
	send_segment(OUT, 4, proof_of(&full_syn, &answer));
	seen = receive(IN);
	expect_numbers(&seen, SYN, CLIENT_ISN, 0);
	assert_int_equal(seen.fields.to_ip[3], 1);
	assert_int_equal(seen.fields.to_port, 8080);
	/* asked again it is translated as well */
	wait(2);
	seen = receive(IN);
	expect_numbers(&seen, SYN, CLIENT_ISN, 0);
	assert_int_equal(seen.fields.to_ip[3], 1);
	assert_int_equal(seen.fields.to_port, 8080);
	/* the server is the real one */
	server_station = 1;
	server_port = 8080;
	send_segment(IN, 4, full_answer);
	seen = receive(IN);
	expect_numbers(&seen, ACK, CLIENT_ISN + 1, SERVER_ISN + 1);
	assert_int_equal(seen.fields.to_port, 8080);
	seen = receive(OUT);
	expect_numbers(&seen, ACK, cookie + 1, CLIENT_ISN + 1);
	assert_int_equal(seen.fields.from_ip[3], 9);
	assert_int_equal(seen.fields.from_port, 80);
	seen = expect_shifted(IN, 4,
		(struct make_segment){ .sequence = SERVER_ISN + 1,
			.acknowledged = CLIENT_ISN + 1,
			.flags = ACK,
			.window = 800 },
		"hello", cookie + 1, CLIENT_ISN + 1);
	assert_int_equal(seen.fields.from_ip[3], 9);
	server_station = 9;
	server_port = 80;
	seen = expect_shifted(OUT, 4,
		(struct make_segment){ .sequence = CLIENT_ISN + 1,
			.acknowledged = cookie + 6,
			.flags = ACK,
			.window = 500 },
		"hello", CLIENT_ISN + 1, SERVER_ISN + 6);
	assert_int_equal(seen.fields.to_port, 8080);
}

/* ---- limits -----------------------------------------------------------------------------------
 */

/* Who has proved itself is counted, and where there are too many the oldest that waits goes. */
static void
test_limit(void **state)
{
	const struct weft_firewall_config config = { .otherwise = WEFT_RULE_DROP,
		.connection_limit = 3 };
	struct weft_change *change;
	struct seen answer;

	(void)state;
	set_up();
	change = weft_change_begin(lab);
	weft_firewall_update(change, bench.device, &config);
	lab_commit(change);
	for (unsigned i = 0; i < 20; i++) {
		client_port = (uint16_t)(100 + i);
		answer = ask(4, &full_syn);
		prove(4, &full_syn, &answer);
		assert_int_equal(connections_of(&bench), i < 3 ? i + 1 : 3);
	}
	/* those that are left are asked for again, and the others not */
	wait(2);
	assert_int_equal(lab_drain(bench.nics[IN]), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookie_keeps_what_was_asked),
		cmocka_unit_test(test_cookie_of_another),
		cmocka_unit_test(test_cookie_ages),
		cmocka_unit_test(test_cookie_is_not_guessed),
		TEST(test_connection),
		TEST(test_plain),
		TEST(test_old_server),
		TEST(test_sack_blocks),
		TEST(test_flood),
		TEST(test_wrong_proof),
		TEST(test_bad_syns),
		TEST(test_rules_change),
		TEST(test_refusal),
		TEST(test_silence),
		TEST(test_slow_server),
		TEST(test_client_gives_up),
		TEST(test_challenge),
		TEST(test_client_comes_back),
		TEST(test_reset_in_the_middle),
		TEST(test_errors),
		TEST(test_destination_translation),
		TEST(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
