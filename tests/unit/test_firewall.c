/* SPDX-License-Identifier: BSD-3-Clause */
/* The firewall, as the stations on its two sides see it: one engine, memory vnics. */
#include "../firewall_fixture.h"
#include "packet/fragment.h"
#include "packet/icmp.h"
#include "packet/parse.h"

static const struct weft_port_range web_port = { 80, 80 }, dns_port = { 53, 53 };

/* To the servers on side IN. */
static struct weft_rule
web_rule(enum weft_rule_action action)
{
	return (struct weft_rule){ .name = "web",
		.action = action,
		.from = only_out,
		.n_from = 1,
		.fields = WEFT_RULE_PROTOCOL,
		.protocol = IPPROTO_TCP,
		.to_port = &web_port,
		.n_to_port = 1 };
}

static struct weft_rule
dns_rule(enum weft_rule_action action)
{
	return (struct weft_rule){ .name = "dns",
		.action = action,
		.from = only_out,
		.n_from = 1,
		.fields = WEFT_RULE_PROTOCOL,
		.protocol = IPPROTO_UDP,
		.to_port = &dns_port,
		.n_to_port = 1 };
}

/* ---- rules and replies ------------------------------------------------------------------------
 */

static void
test_default(void **state)
{
	struct bench_firewall drops = lab_firewall("red", DROP_ALL, NULL, 0);
	struct bench_firewall accepts = lab_firewall("blue", ACCEPT_ALL, NULL, 0);
	uint8_t frame[MAKE_SIZE];
	size_t length;

	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		length = make_frame(frame, 1, 2, NO_TAG, 7);
		expect_drop(&drops, side, frame, length, DROP_RULE_DEFAULT);
		expect_pass(&accepts, side, frame, length);
		length = udp_of(frame, side, 4, 9, 53);
		expect_drop(&drops, side, frame, length, DROP_RULE_DEFAULT);
		expect_pass(&accepts, side, frame, length);
		length = udp_of(frame, side, 6, 9, 53);
		expect_drop(&drops, side, frame, length, DROP_RULE_DEFAULT);
		expect_pass(&accepts, side, frame, length);
	}
	lab_expect_nothing(drops.nics[IN]);
	lab_expect_nothing(drops.nics[OUT]);
	assert_int_equal(connections_of(&drops), 0);
	assert_int_equal(connections_of(&accepts), 4);
}

/* What a rule accepts may be answered; nothing else comes that way. */
static void
check_replies(uint8_t family)
{
	const struct weft_rule rules[] = { dns_rule(WEFT_RULE_ACCEPT) };
	struct bench_firewall bench =
		lab_firewall(family == 4 ? "red" : "blue", DROP_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE];

	expect_drop(&bench, IN, frame, udp_of(frame, IN, family, 53, 9), DROP_RULE_DEFAULT);
	expect_drop(&bench, IN, frame, udp_of(frame, IN, family, 9, 53), DROP_RULE_DEFAULT);
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, family, 9, 54), DROP_RULE_DEFAULT);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, family, 9, 53));
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, family, 9, 53));
	expect_pass(&bench, IN, frame, udp_of(frame, IN, family, 53, 9));
	expect_drop(&bench, IN, frame, udp_of(frame, IN, family, 53, 10), DROP_RULE_DEFAULT);
	assert_int_equal(connections_of(&bench), 1);
	/* until it has been silent for too long */
	lab_wait(179);
	expect_pass(&bench, IN, frame, udp_of(frame, IN, family, 53, 9));
	lab_wait(182);
	assert_int_equal(connections_of(&bench), 0);
	expect_drop(&bench, IN, frame, udp_of(frame, IN, family, 53, 9), DROP_RULE_DEFAULT);
}

static void
test_replies(void **state)
{
	(void)state;
	check_replies(4);
	check_replies(6);
}

static void
test_order_and_counters(void **state)
{
	const struct weft_rule rules[] = { dns_rule(WEFT_RULE_DROP),
		{ .name = "all", .from = only_out, .n_from = 1 } };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 2);
	uint8_t frame[MAKE_SIZE];
	size_t length = udp_of(frame, OUT, 4, 9, 53);
	const struct rule *rule;
	struct rule_count count;
	const struct rule_counters *counters = firewalls_of(lab)->shards[0].counters;
	struct firewall *firewall = bench.device->data;

	(void)state;
	expect_drop(&bench, OUT, frame, length, DROP_RULE);
	expect_drop(&bench, OUT, frame, length, DROP_RULE);
	rule = rule_list_find(firewall->rules, "dns");
	rule_counters_sum(&counters, 1, rule->id, &count);
	assert_int_equal(count.packets, 2);
	assert_int_equal(count.bytes, 2 * length);
	assert_true(count.last > 0);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 54));
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 54));
	rule = rule_list_find(firewall->rules, "all");
	rule_counters_sum(&counters, 1, rule->id, &count);
	assert_int_equal(count.packets, 1); /* the other was of a connection */
}

/* ARP, tags, groups: what is no connection is judged packet by packet. */
static void
test_no_connection(void **state)
{
	const struct weft_rule rules[] = {
		{ .name = "arp", .fields = WEFT_RULE_ETHERTYPE, .ethertype = 0x0806 },
		{ .name = "out", .from = only_in, .n_from = 1 }
	};
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 2);
	struct make_ends ends = ends_of(OUT, 1, 2, 4);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	expect_pass(&bench, OUT, frame, make_neighbour_request(frame, &ends));
	ends.vlan = 7;
	expect_pass(&bench, OUT, frame, make_neighbour_request(frame, &ends));
	ends = ends_of(IN, 1, 2, 4);
	memcpy(ends.destination, prefix_of("224.0.0.5").address, 4);
	expect_pass(&bench, IN, frame, make_udp(frame, &ends, 1, 2, "", 0));
	assert_int_equal(connections_of(&bench), 0);
	ends = ends_of(IN, 1, 2, 4);
	ends.vlan = 7;
	expect_pass(&bench, IN, frame, make_udp(frame, &ends, 1, 2, "", 0));
	assert_int_equal(connections_of(&bench), 1);
	/* a stateless rule makes none either */
	set_rules(&bench, &(const struct weft_rule){ .name = "out", .stateless = true }, 1);
	expect_pass(&bench, IN, frame, make_udp(frame, &ends, 3, 4, "", 0));
	assert_int_equal(connections_of(&bench), 1);
}

/* ---- TCP --------------------------------------------------------------------------------------
 */

static void
test_tcp(void **state)
{
	const struct weft_rule rules[] = { web_rule(WEFT_RULE_ACCEPT) };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	/* nothing but a SYN begins */
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_INVALID_STATE);
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1, 0, RTE_TCP_RST_FLAG),
		DROP_INVALID_STATE);
	shake_hands(&bench, 9);
	assert_int_equal(connections_of(&bench), 1);
	/* far from its window: data, and a blind reset */
	expect_drop(&bench, OUT, frame,
		tcp_of(frame, OUT, 4, 9, 80, 0x70000000, 5001, RTE_TCP_ACK_FLAG),
		DROP_OUT_OF_WINDOW);
	expect_drop(&bench, OUT, frame,
		tcp_of(frame, OUT, 4, 9, 80, 0x70000000, 0, RTE_TCP_RST_FLAG), DROP_OUT_OF_WINDOW);
	/* of the client, but by the server's port */
	expect_drop(&bench, IN, frame, tcp_of(frame, OUT, 4, 9, 80, 1001, 5001, RTE_TCP_ACK_FLAG),
		DROP_INVALID_STATE);
	expect_pass(&bench, IN, frame, tcp_of(frame, IN, 4, 80, 9, 5001, 1001, RTE_TCP_ACK_FLAG));
	/* a reset at its place ends it; its next SYN begins anew */
	expect_pass(&bench, IN, frame, tcp_of(frame, IN, 4, 80, 9, 5001, 0, RTE_TCP_RST_FLAG));
	shake_hands(&bench, 9);
	assert_int_equal(connections_of(&bench), 1);
}

static void
test_tcp_in_the_middle(void **state)
{
	const struct weft_firewall_config config = { .otherwise = WEFT_RULE_DROP,
		.accept_invalid = true };
	const struct weft_rule rules[] = { web_rule(WEFT_RULE_ACCEPT) };
	struct bench_firewall bench = lab_firewall("red", &config, rules, 1);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	expect_pass(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1, 1, RTE_TCP_ACK_FLAG));
	assert_int_equal(connections_of(&bench), 0);
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 81, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_RULE_DEFAULT);
}

/* What a stateless rule accepts has no beginning; the first rule that is for it decides. */
static void
test_tcp_stateless(void **state)
{
	struct weft_rule rules[] = {
		{ .name = "no", .action = WEFT_RULE_DROP, .to_port = &dns_port, .n_to_port = 1 },
		web_rule(WEFT_RULE_ACCEPT), { .name = "strays", .action = WEFT_RULE_REJECT }
	};
	struct bench_firewall bench;
	uint8_t frame[MAKE_SIZE];

	(void)state;
	rules[1].stateless = true;
	rules[2].states = WEFT_STATE_INVALID;
	bench = lab_firewall("red", DROP_ALL, rules, 2);
	for (unsigned i = 0; i < 2; i++) {
		expect_pass(
			&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1, 0, RTE_TCP_SYN_FLAG));
		expect_pass(&bench, OUT, frame,
			tcp_of(frame, OUT, 4, 9, 80, 0x70000000, 1, RTE_TCP_ACK_FLAG));
	}
	assert_int_equal(connections_of(&bench), 0);
	/* others are as they were */
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 81, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_INVALID_STATE);
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 53, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_INVALID_STATE);
	expect_drop(&bench, IN, frame, tcp_of(frame, IN, 4, 80, 9, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_INVALID_STATE);
	/* in front of one that names the state, and behind it */
	set_rules(&bench, rules, 3);
	expect_pass(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1, 1, RTE_TCP_ACK_FLAG));
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 81, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_RULE);
	assert_int_equal(lab_drain(bench.nics[OUT]), 1);
	set_rules(&bench, (const struct weft_rule[]){ rules[2], rules[1] }, 2);
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_RULE);
	assert_int_equal(lab_drain(bench.nics[OUT]), 1);
	/* what there is a connection of is judged by that */
	rules[1].stateless = false;
	set_rules(&bench, rules, 2);
	shake_hands(&bench, 9);
	rules[1].stateless = true;
	set_rules(&bench, rules, 2);
	expect_drop(&bench, OUT, frame,
		tcp_of(frame, OUT, 4, 9, 80, 0x70000000, 5001, RTE_TCP_ACK_FLAG),
		DROP_OUT_OF_WINDOW);
}

/* Rules may name what cannot be of any connection. */
static void
test_invalid_by_rule(void **state)
{
	const struct weft_rule rules[] = { { .name = "strays",
						   .action = WEFT_RULE_REJECT,
						   .from = only_out,
						   .n_from = 1,
						   .states = WEFT_STATE_INVALID },
		{ .name = "all" } };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 2);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_RULE);
	assert_int_equal(lab_drain(bench.nics[OUT]), 1);
	expect_drop(&bench, IN, frame, tcp_of(frame, IN, 4, 9, 80, 1, 1, RTE_TCP_ACK_FLAG),
		DROP_INVALID_STATE);
	lab_expect_nothing(bench.nics[IN]);
}

/* ---- ICMP -------------------------------------------------------------------------------------
 */

static void
check_ping(uint8_t family)
{
	const struct weft_rule rules[] = { { .name = "out", .from = only_in, .n_from = 1 } };
	struct bench_firewall bench =
		lab_firewall(family == 4 ? "red" : "blue", DROP_ALL, rules, 1);
	struct make_ends ends = ends_of(IN, 1, 1, family), back = ends_of(OUT, 1, 1, family);
	uint8_t frame[MAKE_SIZE], reply[MAKE_SIZE];
	size_t length = make_echo(frame, &ends, 7, 1, "x", 1);
	unsigned icmp = 14 + (family == 4 ? 20 : 40);

	/* a request turned round is a reply but for type and checksum, which is not looked at */
	assert_int_equal(make_echo(reply, &back, 7, 1, "x", 1), length);
	reply[icmp] = family == 4 ? 0 : 129;
	expect_drop(&bench, OUT, reply, length, DROP_INVALID_STATE);
	expect_pass(&bench, IN, frame, length);
	expect_pass(&bench, OUT, reply, length);
	/* with another id it is nobody's */
	reply[icmp + 5] ^= 1;
	expect_drop(&bench, OUT, reply, length, DROP_INVALID_STATE);
	/* and who is asked may not ask */
	reply[icmp] = family == 4 ? 8 : 128;
	expect_drop(&bench, OUT, reply, length, DROP_RULE_DEFAULT);
}

static void
test_ping(void **state)
{
	(void)state;
	check_ping(4);
	check_ping(6);
}

/* An error by somebody on the way, about a packet of which `frame` is. */
static size_t
error_about(uint8_t *error, const uint8_t *frame, size_t length, uint8_t family)
{
	struct rte_mbuf *packet = packet_from_bytes(&lab->pools, frame, length), *answer;
	uint8_t source[16] = { 192, 0, 2, 1 };
	size_t size;

	assert_non_null(packet);
	packet_parse(packet);
	answer = family == 4 ? icmp4_error(&lab->pools, packet, 14, ICMP4_UNREACHABLE,
				       ICMP4_TOO_BIG, 1400, source)
			     : icmp6_error(&lab->pools, packet, 14, ICMP6_TOO_BIG, 0, 1400,
				       prefix_of("2001:db8:7::1").address);
	assert_non_null(answer);
	size = rte_pktmbuf_pkt_len(answer);
	packet_copy_bytes(error, answer, (unsigned)size);
	station_mac(error, 1);
	station_mac(error + 6, 2);
	rte_pktmbuf_free(packet);
	rte_pktmbuf_free(answer);
	return size;
}

/* RFC 792, 4443; the way of path MTU discovery must not be shut. */
static void
check_errors(uint8_t family)
{
	const struct weft_rule rules[] = { { .name = "out", .from = only_in, .n_from = 1 } };
	struct bench_firewall bench =
		lab_firewall(family == 4 ? "red" : "blue", DROP_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE], error[BUFFER];
	size_t length = udp_of(frame, IN, family, 9, 53), size;

	size = error_about(error, frame, length, family);
	expect_drop(&bench, OUT, error, size, DROP_INVALID_STATE);
	expect_pass(&bench, IN, frame, length);
	expect_pass(&bench, OUT, error, size);
	/* from the side of who sent what it quotes */
	expect_drop(&bench, IN, error, size, DROP_INVALID_STATE);
	/* a rule may name them */
	set_rules(&bench,
		(const struct weft_rule[]){ { .name = "errors",
						    .action = WEFT_RULE_DROP,
						    .states = WEFT_STATE_RELATED },
			rules[0] },
		2);
	expect_drop(&bench, OUT, error, size, DROP_RULE);
}

/* One that does not tell what it is about, or tells it to somebody else, is not for rules that
 * accept what is new. */
static void
check_errors_about_nothing(uint8_t family)
{
	const struct weft_rule rules[] = { { .name = "all" } };
	struct bench_firewall bench =
		lab_firewall(family == 4 ? "green" : "white", ACCEPT_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE], error[BUFFER];
	size_t length = udp_of(frame, IN, family, 9, 53), size;
	unsigned quoted = 14 + (family == 4 ? 20 + 8 : 40 + 8);

	expect_pass(&bench, IN, frame, length);
	size = error_about(error, frame, length, family);
	error[quoted + (family == 4 ? 15 : 23)] ^= 1; /* its source */
	expect_drop(&bench, OUT, error, size, DROP_INVALID_STATE);
	error[quoted + (family == 4 ? 15 : 23)] ^= 1;
	expect_pass(&bench, OUT, error, size);
	error[quoted] ^= 0xf0; /* of no version of IP */
	expect_drop(&bench, OUT, error, size, DROP_INVALID_STATE);
	set_rules(&bench,
		&(const struct weft_rule){ .name = "strays", .states = WEFT_STATE_INVALID }, 1);
	expect_pass(&bench, OUT, error, size);
}

static void
test_errors(void **state)
{
	(void)state;
	check_errors(4);
	check_errors(6);
	check_errors_about_nothing(4);
	check_errors_about_nothing(6);
}

/* ---- rejecting --------------------------------------------------------------------------------
 */

static void
check_reject(uint8_t family, uint16_t vlan)
{
	const struct weft_rule rules[] = { { .name = "no", .action = WEFT_RULE_REJECT } };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 1);
	struct make_ends ends = ends_of(OUT, 1, 1, family);
	unsigned l3 = vlan != 0 ? 18 : 14, header = (family == 4 ? 20u : 40u);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	struct weft_change *change;
	size_t length;

	ends.vlan = vlan;
	length = make_tcp(frame, &ends, 9, 80, 1000, 0, RTE_TCP_SYN_FLAG);
	expect_drop(&bench, OUT, frame, length, DROP_RULE);
	length = weft_nic_receive(bench.nics[OUT], got, sizeof(got));
	assert_int_equal(length, l3 + header + 20);
	assert_memory_equal(got, frame + 6, 6);
	assert_memory_equal(got + 6, frame, 6);
	assert_memory_equal(got + 12, frame + 12, l3 - 12);
	assert_int_equal(got[l3 + header + 13], RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
	length = make_udp(frame, &ends, 9, 80, "x", 1);
	expect_drop(&bench, OUT, frame, length, DROP_RULE);
	length = weft_nic_receive(bench.nics[OUT], got, sizeof(got));
	assert_int_equal(got[l3 + header], family == 4 ? 3 : 1);
	assert_int_equal(got[l3 + header + 1], family == 4 ? 13 : 1);
	/* not what went to all, and no more than there may be at once */
	memset(frame, 0xff, 6);
	expect_drop(&bench, OUT, frame, make_frame(frame, BROADCAST, 1, NO_TAG, 0), DROP_RULE);
	lab_expect_nothing(bench.nics[OUT]);
	for (unsigned i = 0; i < 300; i++)
		expect_drop(&bench, OUT, frame, make_udp(frame, &ends, 9, 80, "x", 1), DROP_RULE);
	assert_in_range(lab_drain(bench.nics[OUT]), 95, 105);
	change = weft_change_begin(lab);
	weft_network_remove(change, bench.network);
	lab_commit(change);
}

static void
test_reject(void **state)
{
	(void)state;
	check_reject(4, 0);
	check_reject(6, 0);
	check_reject(4, 7);
	check_reject(6, 7);
}

/* ---- fragments --------------------------------------------------------------------------------
 */

#define PIECES 8

/* A datagram in pieces of an MTU, as frames. */
static unsigned
cut(uint8_t frames[PIECES][2048], size_t lengths[PIECES], const struct make_ends *ends,
	uint16_t to_port, unsigned mtu)
{
	uint8_t frame[MAKE_LONG_SIZE], payload[1400] = { 1, 2, 3 };
	size_t length = make_long_udp(frame, ends, 9, to_port, payload, sizeof(payload));
	struct rte_mbuf *packet = packet_from_bytes(&lab->pools, frame, length), *pieces[PIECES];
	bool no_buffer;
	unsigned count;

	packet_parse(packet);
	count = ends->family == 4
			? fragment_ip4(&lab->pools, packet, 14, mtu, pieces, PIECES, &no_buffer)
			: fragment_ip6(
				  &lab->pools, packet, 14, mtu, 77, pieces, PIECES, &no_buffer);
	assert_true(count > 1);
	for (unsigned i = 0; i < count; i++) {
		lengths[i] = rte_pktmbuf_pkt_len(pieces[i]);
		packet_copy_bytes(frames[i], pieces[i], (unsigned)lengths[i]);
		rte_pktmbuf_free(pieces[i]);
	}
	return count;
}

static void
check_fragments(uint8_t family, unsigned mtu)
{
	const struct weft_rule rules[] = { dns_rule(WEFT_RULE_ACCEPT) };
	struct bench_firewall bench =
		lab_firewall(family == 4 ? "red" : "blue", DROP_ALL, rules, 1);
	struct make_ends ends = ends_of(OUT, 1, 1, family);
	static uint8_t frames[PIECES][2048];
	uint8_t got[BUFFER];
	size_t lengths[PIECES];
	unsigned count = cut(frames, lengths, &ends, 53, mtu);

	/* nothing goes on before the last one has come: here, the first */
	for (unsigned i = count - 1; i > 0; i--) {
		put(&bench, OUT, frames[i], lengths[i]);
		lab_expect_nothing(bench.nics[IN]);
	}
	put(&bench, OUT, frames[0], lengths[0]);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(weft_nic_receive(bench.nics[IN], got, sizeof(got)), lengths[i]);
		/* the id of IPv6 may be another */
		if (family == 6)
			memcpy(got + 14 + 44, frames[i] + 14 + 44, 4);
		assert_memory_equal(got, frames[i], lengths[i]);
	}
	lab_expect_nothing(bench.nics[IN]);
	assert_int_equal(connections_of(&bench), 1);
	/* a rule that needs ports sees them in all pieces */
	count = cut(frames, lengths, &ends, 54, mtu);
	for (unsigned i = 0; i + 1 < count; i++)
		put(&bench, OUT, frames[i], lengths[i]);
	expect_drop(&bench, OUT, frames[count - 1], lengths[count - 1], DROP_RULE_DEFAULT);
}

static void
test_fragments(void **state)
{
	(void)state;
	check_fragments(4, 576);
	check_fragments(6, 1280);
}

/* RFC 5722: of an overlap nothing is left. */
static void
test_overlap(void **state)
{
	struct bench_firewall bench = lab_firewall("red", ACCEPT_ALL, NULL, 0);
	struct make_ends ends = ends_of(OUT, 1, 1, 4);
	static uint8_t frames[PIECES][2048];
	size_t lengths[PIECES];
	unsigned count = cut(frames, lengths, &ends, 53, 576);
	uint16_t sum;

	(void)state;
	assert_int_equal(count, 3);
	put(&bench, OUT, frames[0], lengths[0]);
	/* the second one begins eight bytes too early */
	frames[1][14 + 7]--;
	memset(&frames[1][14 + 10], 0, 2);
	sum = (uint16_t)~rte_raw_cksum(&frames[1][14], 20);
	memcpy(&frames[1][14 + 10], &sum, 2);
	put(&bench, OUT, frames[1], lengths[1]);
	put(&bench, OUT, frames[2], lengths[2]);
	lab_expect_nothing(bench.nics[IN]);
	assert_true(lab_drops(bench.ports[OUT], DROP_FRAGMENT) >= 1);
	/* what never becomes whole is given up */
	count = cut(frames, lengths, &ends, 53, 1000);
	put(&bench, OUT, frames[0], lengths[0]);
	lab_wait(31);
	lab_expect_nothing(bench.nics[IN]);
}

/* ---- changes ----------------------------------------------------------------------------------
 */

/* Connections that the new rules refuse end, by their next packet or without one; others live. */
static void
test_policy_change(void **state)
{
	const struct weft_rule both[] = { dns_rule(WEFT_RULE_ACCEPT), web_rule(WEFT_RULE_ACCEPT) };
	const struct weft_rule less[] = { dns_rule(WEFT_RULE_DROP), web_rule(WEFT_RULE_ACCEPT) };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, both, 2);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	shake_hands(&bench, 9);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	expect_pass(&bench, IN, frame, udp_of(frame, IN, 4, 53, 9));
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 10, 53));
	expect_pass(&bench, IN, frame, udp_of(frame, IN, 4, 53, 10));
	set_rules(&bench, less, 2);
	assert_int_equal(connections_of(&bench), 3);
	expect_drop(&bench, IN, frame, udp_of(frame, IN, 4, 53, 9), DROP_RULE_DEFAULT);
	assert_int_equal(connections_of(&bench), 2);
	weft_poll(lab);
	assert_int_equal(connections_of(&bench), 1);
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 10, 53), DROP_RULE);
	expect_pass(&bench, IN, frame, tcp_of(frame, IN, 4, 80, 9, 5001, 1001, RTE_TCP_ACK_FLAG));
	/* a rule that becomes another with the same meaning ends nothing */
	set_rules(&bench, (const struct weft_rule[]){ web_rule(WEFT_RULE_ACCEPT) }, 1);
	weft_poll(lab);
	expect_pass(&bench, OUT, frame, tcp_of(frame, OUT, 4, 9, 80, 1001, 5001, RTE_TCP_ACK_FLAG));
	set_rules(&bench, NULL, 0);
	weft_poll(lab);
	assert_int_equal(connections_of(&bench), 0);
}

static void
test_keep(void **state)
{
	const struct weft_firewall_config config = { .otherwise = WEFT_RULE_DROP, .keep = true };
	const struct weft_rule rules[] = { dns_rule(WEFT_RULE_ACCEPT) };
	struct bench_firewall bench = lab_firewall("red", &config, rules, 1);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	set_rules(&bench, NULL, 0);
	weft_poll(lab);
	expect_pass(&bench, IN, frame, udp_of(frame, IN, 4, 53, 9));
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 10, 53), DROP_RULE_DEFAULT);
}

/* A rule that looks at more than a flow tells is judged by the connection's next packet alone. */
static void
test_change_of_macs(void **state)
{
	struct weft_rule rule = { .name = "friend",
		.fields = WEFT_RULE_FROM_MAC,
		.from_mac_mask = { 255, 255, 255, 255, 255, 255 } };
	struct bench_firewall bench = lab_firewall("red", ACCEPT_ALL, NULL, 0);
	struct weft_change *change;
	uint8_t frame[MAKE_SIZE];

	(void)state;
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	station_mac(rule.from_mac, 256 + 1);
	change = weft_change_begin(lab);
	weft_firewall_update(change, bench.device, DROP_ALL);
	weft_firewall_rules(change, bench.device, &rule, 1);
	lab_commit(change);
	weft_poll(lab);
	assert_int_equal(connections_of(&bench), 1);
	expect_pass(&bench, IN, frame, udp_of(frame, IN, 4, 53, 9));
	rule.from_mac[5] ^= 1;
	set_rules(&bench, &rule, 1);
	expect_drop(&bench, IN, frame, udp_of(frame, IN, 4, 53, 9), DROP_RULE_DEFAULT);
	assert_int_equal(connections_of(&bench), 0);
}

static void
refused(struct weft_change *change, const char *words)
{
	struct weft_error error;

	assert_int_equal(weft_change_commit(change, &error), -1);
	if (strstr(error.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
}

static void
test_sets(void **state)
{
	const struct weft_rule rules[] = { { .name = "friends", .from_set = "friends" } };
	const struct weft_prefix net = prefix_of("10.1.0.0/24"), one = prefix_of("10.1.0.1"),
				 other = prefix_of("2001:db8:1::/48");
	struct weft_change *change;
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, NULL, 0);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench.device, rules, 1);
	refused(change, "no address set");
	change = weft_change_begin(lab);
	weft_address_set_add(change, bench.network, "friends", &net, 1);
	weft_firewall_rules(change, bench.device, rules, 1);
	lab_commit(change);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 6, 9, 53), DROP_RULE_DEFAULT);
	/* two changes of one commit */
	change = weft_change_begin(lab);
	weft_address_set_update(change, bench.network, "friends", &other, 1, &net, 1);
	weft_address_set_update(change, bench.network, "friends", &one, 1, NULL, 0);
	lab_commit(change);
	weft_poll(lab);
	assert_int_equal(connections_of(&bench), 1);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 6, 9, 53));
	/* aborted ones are not seen */
	change = weft_change_begin(lab);
	weft_address_set_update(change, bench.network, "friends", NULL, 0, &one, 1);
	weft_address_set_update(change, bench.network, "friends", NULL, 0, &other, 1);
	weft_change_abort(change);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 10, 53));
	change = weft_change_begin(lab);
	weft_address_set_update(change, bench.network, "friends", NULL, 0, &one, 1);
	lab_commit(change);
	weft_poll(lab);
	assert_int_equal(connections_of(&bench), 1);
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53), DROP_RULE_DEFAULT);
	change = weft_change_begin(lab);
	weft_address_set_remove(change, bench.network, "friends");
	refused(change, "no address set");
	change = weft_change_begin(lab);
	weft_address_set_remove(change, bench.network, "friends");
	weft_firewall_rules(change, bench.device, NULL, 0);
	lab_commit(change);
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 6, 9, 53), DROP_RULE_DEFAULT);
}

static void
test_port_sets(void **state)
{
	const struct weft_rule rules[] = { { .name = "web", .to_port_set = "web" } };
	const struct weft_port_range low = { 50, 60 }, one = { 53, 53 }, high = { 8000, 9000 };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, NULL, 0);
	struct weft_change *change;
	uint8_t frame[MAKE_SIZE];

	(void)state;
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench.device, rules, 1);
	refused(change, "no port set");
	change = weft_change_begin(lab);
	weft_port_set_add(change, bench.network, "web", &low, 1);
	weft_firewall_rules(change, bench.device, rules, 1);
	lab_commit(change);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 60));
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 61), DROP_RULE_DEFAULT);
	/* the last of two changes of one commit; what is refused now ends */
	change = weft_change_begin(lab);
	weft_port_set_update(change, bench.network, "web", &high, 1);
	weft_port_set_update(change, bench.network, "web", &one, 1);
	lab_commit(change);
	weft_poll(lab);
	assert_int_equal(connections_of(&bench), 1);
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 60), DROP_RULE_DEFAULT);
	change = weft_change_begin(lab);
	weft_port_set_update(change, bench.network, "web", &high, 1);
	weft_port_set_update(change, bench.network, "web", NULL, 0);
	weft_change_abort(change);
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 10, 53));
	change = weft_change_begin(lab);
	weft_port_set_add(change, bench.network, "web", &high, 1);
	refused(change, "there already");
	change = weft_change_begin(lab);
	weft_port_set_update(change, bench.network, "wep", &high, 1);
	refused(change, "no port set");
	change = weft_change_begin(lab);
	weft_port_set_remove(change, bench.network, "web");
	refused(change, "no port set");
	/* in one change, whichever goes first */
	change = weft_change_begin(lab);
	weft_port_set_remove(change, bench.network, "web");
	weft_device_remove(change, bench.device);
	lab_commit(change);
}

/* A set, and the firewall whose rules have it, in one change: whichever goes first. */
static void
test_removal_with_sets(void **state)
{
	const struct weft_rule rules[] = { { .name = "friends", .from_set = "friends" } };
	const struct weft_prefix net = prefix_of("10.1.0.0/24");

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct bench_firewall bench = lab_firewall("red", DROP_ALL, NULL, 0);
		struct weft_change *change = weft_change_begin(lab);

		weft_address_set_add(change, bench.network, "friends", &net, 1);
		weft_firewall_rules(change, bench.device, rules, 1);
		lab_commit(change);
		change = weft_change_begin(lab);
		if (i == 0)
			weft_address_set_remove(change, bench.network, "friends");
		weft_device_remove(change, bench.device);
		if (i == 1)
			weft_address_set_remove(change, bench.network, "friends");
		weft_network_remove(change, bench.network);
		lab_commit(change);
	}
}

static void
test_refusals(void **state)
{
	const char *const nowhere[] = { "dmz" };
	const struct weft_rule rules[] = { { .name = "a", .from = nowhere, .n_from = 1 } };
	const struct weft_rule twice[] = { { .name = "a" }, { .name = "a" } };
	struct bench_firewall bench = lab_firewall("red", ACCEPT_ALL, NULL, 0);
	struct weft_change *change = weft_change_begin(lab);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	weft_firewall_port_add(change, bench.device, "third");
	refused(change, "2 ports");
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench.device, rules, 1);
	refused(change, "no port \"dmz\"");
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench.device, twice, 2);
	refused(change, "two rules");
	/* what was wanted of a change that is given up is not done with the next one */
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench.device, &(struct weft_rule){ "no", WEFT_RULE_DROP }, 1);
	weft_change_abort(change);
	change = weft_change_begin(lab);
	weft_firewall_update(change, bench.device, ACCEPT_ALL);
	lab_commit(change);
	change = weft_change_begin(lab);
	weft_address_set_update(change, bench.network, "x", NULL, 0, NULL, 0);
	refused(change, "no address set");
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	/* with one port there is no other */
	change = weft_change_begin(lab);
	weft_vport_remove(change, bench.ports[IN]);
	lab_commit(change);
	put(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	assert_int_equal(lab_drops(bench.ports[OUT], DROP_NO_DESTINATION), 1);
}

/* ---- limits -----------------------------------------------------------------------------------
 */

static void
test_limits(void **state)
{
	const struct weft_firewall_config config = {
		.otherwise = WEFT_RULE_ACCEPT, .connection_limit = 4, .source_limit = 3
	};
	struct bench_firewall bench = lab_firewall("red", &config, NULL, 0);
	struct make_ends other = ends_of(OUT, 2, 1, 4);
	struct firewall_info info;
	struct weft_change *change;
	uint8_t frame[MAKE_SIZE];

	(void)state;
	/* answered ones keep their places */
	for (uint16_t i = 0; i < 3; i++) {
		expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9 + i, 53));
		expect_pass(&bench, IN, frame, udp_of(frame, IN, 4, 53, 9 + i));
	}
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 20, 53), DROP_SOURCE_LIMIT);
	expect_pass(&bench, OUT, frame, make_udp(frame, &other, 9, 53, "", 0));
	/* one that is not answered gives its place to the next */
	expect_pass(&bench, OUT, frame, make_udp(frame, &other, 10, 53, "", 0));
	assert_int_equal(connections_of(&bench), 4);
	firewall_read(bench.device, &info);
	assert_int_equal(info.counts.added, 5);
	assert_int_equal(info.counts.ended, 1);
	assert_int_equal(info.counts.evicted, 1);
	assert_int_equal(info.counts.refused, 1);
	assert_int_equal(atomic_load(&bench.network->connections), 4);
	change = weft_change_begin(lab);
	weft_device_remove(change, bench.device);
	lab_commit(change);
	assert_int_equal(atomic_load(&bench.network->connections), 0);
}

static uint64_t refused_by(const struct bench_firewall *bench, const char *name);

/* UDP of station n outside. */
static size_t
udp_from(uint8_t *frame, unsigned n, uint16_t port)
{
	struct make_ends ends = ends_of(OUT, n, 1, 4);

	return make_udp(frame, &ends, port, 53, "", 0);
}

static struct bench_firewall
limited(const struct weft_rule_limit *limit)
{
	const struct weft_rule rules[] = {
		{ .name = "first", .action = WEFT_RULE_ACCEPT, .limit = limit },
		/* what is over the limit is dropped, and asks no other */
		{ .name = "second", .action = WEFT_RULE_ACCEPT },
	};

	return lab_firewall("red", DROP_ALL, rules, 2);
}

/* As the control thread does while nothing passes. */
static void
elapse(unsigned seconds)
{
	lab_time += seconds * SECOND;
	lab_run();
	weft_tick(lab);
	weft_poll(lab);
}

static void
test_rule_connections(void **state)
{
	struct bench_firewall bench =
		limited(&(const struct weft_rule_limit){ .connections = 3, .per_source = 2 });
	struct firewall_info info;
	uint8_t frame[MAKE_SIZE];

	(void)state;
	for (uint16_t i = 0; i < 2; i++)
		expect_pass(&bench, OUT, frame, udp_from(frame, 1, 10 + i));
	expect_drop(&bench, OUT, frame, udp_from(frame, 1, 12), DROP_SOURCE_LIMIT);
	/* the others are not touched by it */
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 10));
	expect_pass(&bench, OUT, frame, udp_from(frame, 2, 10));
	expect_drop(&bench, OUT, frame, udp_from(frame, 3, 10), DROP_CONNECTION_LIMIT);
	assert_int_equal(connections_of(&bench), 3);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 2);
	assert_int_equal(refused_by(&bench, "first"), 2);
	firewall_read(bench.device, &info);
	assert_int_equal(info.counts.refused, 2);
	/* two of station 1's end, in silence: 30 s; there is room again */
	elapse(20);
	expect_pass(&bench, OUT, frame, udp_from(frame, 2, 10));
	elapse(11);
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 12));
	expect_pass(&bench, OUT, frame, udp_from(frame, 3, 10));
	expect_drop(&bench, OUT, frame, udp_from(frame, 4, 10), DROP_CONNECTION_LIMIT);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 3);
}

/* A connection that has closed keeps its place in the table for a while, but not in the limit. */
static void
test_closed_connections_do_not_count(void **state)
{
	struct bench_firewall bench = limited(&(const struct weft_rule_limit){ .per_source = 1 });
	uint8_t frame[MAKE_SIZE];
	const uint8_t fin = RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG;

	(void)state;
	shake_hands(&bench, 1000);
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 1001, 80, 1, 0, RTE_TCP_SYN_FLAG),
		DROP_SOURCE_LIMIT);
	expect_pass(&bench, OUT, frame, tcp_of(frame, OUT, 4, 1000, 80, 1001, 5001, fin));
	expect_pass(&bench, IN, frame, tcp_of(frame, IN, 4, 80, 1000, 5001, 1002, fin));
	expect_pass(
		&bench, OUT, frame, tcp_of(frame, OUT, 4, 1000, 80, 1002, 5002, RTE_TCP_ACK_FLAG));
	assert_int_equal(connections_of(&bench), 1);
	shake_hands(&bench, 1001);
	assert_int_equal(connections_of(&bench), 2);
	/* what has given its charge back gives nothing back when it ends */
	elapse(241);
	assert_int_equal(connections_of(&bench), 1);
	expect_drop(&bench, OUT, frame, tcp_of(frame, OUT, 4, 1002, 80, 1, 0, RTE_TCP_SYN_FLAG),
		DROP_SOURCE_LIMIT);
}

static void
test_rule_rates(void **state)
{
	struct bench_firewall bench = limited(&(const struct weft_rule_limit){
		.rate = { .count = 10, .seconds = 1, .burst = 4 },
		.source_rate = { .count = 3, .seconds = 60 },
	});
	uint8_t frame[MAKE_SIZE];

	(void)state;
	for (uint16_t i = 0; i < 3; i++)
		expect_pass(&bench, OUT, frame, udp_from(frame, 1, 10 + i));
	/* what a source is refused the rule's own rate does not pay for */
	for (uint16_t i = 0; i < 5; i++)
		expect_drop(&bench, OUT, frame, udp_from(frame, 1, 20 + i), DROP_SOURCE_RATE);
	expect_pass(&bench, OUT, frame, udp_from(frame, 2, 10));
	expect_drop(&bench, OUT, frame, udp_from(frame, 3, 10), DROP_CONNECTION_RATE);
	lab_time += SECOND / 10;
	expect_pass(&bench, OUT, frame, udp_from(frame, 3, 10));
	expect_drop(&bench, OUT, frame, udp_from(frame, 4, 10), DROP_CONNECTION_RATE);
	/* a third of a minute gives the first one more */
	lab_time += 19 * SECOND;
	expect_drop(&bench, OUT, frame, udp_from(frame, 1, 30), DROP_SOURCE_RATE);
	lab_time += SECOND;
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 30));
	expect_drop(&bench, OUT, frame, udp_from(frame, 1, 31), DROP_SOURCE_RATE);
	assert_int_equal(refused_by(&bench, "first"), 9);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 3);
	/* remembered for as long as it matters: longer than the connections */
	elapse(31);
	assert_int_equal(connections_of(&bench), 0);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 1);
	elapse(30);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 0);
}

/* What a network remembers of sources is bounded; those without connections give way. */
static void
test_sources_are_bounded(void **state)
{
	const struct weft_rule rules[] = { {
		.name = "a",
		.action = WEFT_RULE_ACCEPT,
		.timeout = 1,
		.limit = &(const struct weft_rule_limit){ .source_rate = { .count = 1,
								  .seconds = 3600 } },
	} };
	const struct weft_network_config tight = { .connection_limit = 8 };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 1);
	struct weft_change *change = weft_change_begin(lab);
	uint8_t frame[MAKE_SIZE];
	unsigned passed = 0;

	(void)state;
	weft_network_update(change, bench.network, &tight);
	lab_commit(change);
	for (unsigned n = 1; n <= 8; n++)
		expect_pass(&bench, OUT, frame, udp_from(frame, n, 9));
	assert_int_equal(atomic_load(&bench.network->limited_sources), 8);
	elapse(3);
	assert_int_equal(connections_of(&bench), 0);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 8);
	for (unsigned n = 9; n <= 12; n++)
		expect_pass(&bench, OUT, frame, udp_from(frame, n, 9));
	assert_int_equal(atomic_load(&bench.network->limited_sources), 8);
	/* what is forgotten may begin again; what has a connection is not forgotten */
	passed = 0;
	for (unsigned n = 1; n <= 8; n++) {
		put(&bench, OUT, frame, udp_from(frame, n, 10));
		passed += weft_nic_receive(bench.nics[IN], frame, sizeof(frame)) > 0;
	}
	assert_int_equal(passed, 4);
	expect_drop(&bench, OUT, frame, udp_from(frame, 12, 10), DROP_SOURCE_RATE);
	expect_drop(&bench, OUT, frame, udp_from(frame, 13, 10), DROP_SOURCE_LIMIT);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 8);
	change = weft_change_begin(lab);
	weft_device_remove(change, bench.device);
	lab_commit(change);
	assert_int_equal(atomic_load(&bench.network->limited_sources), 0);
}

/* A rule that changes keeps its counts, and lets its connections end; one that goes takes none of
 * another's. */
static void
test_limits_change(void **state)
{
	struct bench_firewall bench = limited(&(const struct weft_rule_limit){ .connections = 2 });
	struct weft_rule rule = { .name = "first",
		.action = WEFT_RULE_ACCEPT,
		.limit = &(const struct weft_rule_limit){ .connections = 3 } };
	uint8_t frame[MAKE_SIZE];

	(void)state;
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 10));
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 11));
	expect_drop(&bench, OUT, frame, udp_from(frame, 1, 12), DROP_CONNECTION_LIMIT);
	set_rules(&bench, &rule, 1);
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 12));
	expect_drop(&bench, OUT, frame, udp_from(frame, 1, 13), DROP_CONNECTION_LIMIT);
	/* lowered: none comes before enough have gone */
	rule.limit = &(const struct weft_rule_limit){ .connections = 1 };
	set_rules(&bench, &rule, 1);
	expect_drop(&bench, OUT, frame, udp_from(frame, 1, 13), DROP_CONNECTION_LIMIT);
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 12));
	/* another rule has the place of the first: its count begins at nothing, and what ends does
	 * not count in it */
	set_rules(&bench, NULL, 0);
	weft_poll(lab);
	assert_int_equal(connections_of(&bench), 0);
	rule.name = "other";
	set_rules(&bench, &rule, 1);
	expect_pass(&bench, OUT, frame, udp_from(frame, 1, 10));
	expect_drop(&bench, OUT, frame, udp_from(frame, 1, 11), DROP_CONNECTION_LIMIT);
}

static void
test_rule_timeout(void **state)
{
	struct weft_rule rules[] = {
		{ .name = "long",
			.action = WEFT_RULE_ACCEPT,
			.fields = WEFT_RULE_PROTOCOL,
			.protocol = IPPROTO_TCP,
			.timeout = 20000 },
		{ .name = "short", .action = WEFT_RULE_ACCEPT, .timeout = 5 },
	};
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 2);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	shake_hands(&bench, 1000);
	/* before it is established: as the firewall says */
	expect_pass(&bench, OUT, frame, tcp_of(frame, OUT, 4, 1001, 80, 1, 0, RTE_TCP_SYN_FLAG));
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	expect_pass(&bench, IN, frame, udp_of(frame, IN, 4, 53, 9));
	assert_int_equal(connections_of(&bench), 3);
	elapse(6);
	assert_int_equal(connections_of(&bench), 2);
	elapse(240);
	assert_int_equal(connections_of(&bench), 1);
	elapse(19000);
	assert_int_equal(connections_of(&bench), 1);
	/* it becomes shorter for those that are there, when they are judged again */
	expect_pass(
		&bench, OUT, frame, tcp_of(frame, OUT, 4, 1000, 80, 1001, 5001, RTE_TCP_ACK_FLAG));
	rules[0].timeout = 30;
	set_rules(&bench, rules, 2);
	weft_poll(lab);
	elapse(25);
	assert_int_equal(connections_of(&bench), 1);
	elapse(6);
	assert_int_equal(connections_of(&bench), 0);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

struct seen {
	unsigned count;
	struct firewall_connection last;
};

static bool
see(void *context, const struct firewall_connection *connection)
{
	struct seen *seen = context;

	seen->count++;
	seen->last = *connection;
	return true;
}

static unsigned
count_connections(struct connection_filter filter)
{
	struct seen seen = { 0 };

	assert_true(firewall_each_connection(lab, &filter, see, &seen));
	return seen.count;
}

static void
test_looking(void **state)
{
	const struct weft_rule rules[] = { dns_rule(WEFT_RULE_ACCEPT), web_rule(WEFT_RULE_ACCEPT) };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 2);
	struct bench_firewall other = lab_firewall("blue", ACCEPT_ALL, NULL, 0);
	struct connection_filter filter = { .protocol = IPPROTO_TCP };
	uint8_t frame[MAKE_SIZE];
	struct seen seen = { 0 };

	(void)state;
	shake_hands(&bench, 9);
	for (uint16_t i = 0; i < 1000; i++)
		expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 1000 + i, 53));
	expect_pass(&other, OUT, frame, udp_of(frame, OUT, 6, 9, 53));
	lab_time += 2 * SECOND;
	assert_true(firewall_each_connection(lab, &filter, see, &seen));
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last.device, bench.device->id);
	assert_string_equal(firewall_find_rule(lab, seen.last.rule)->match.name, "web");
	assert_int_equal(seen.last.state, TCP_STATE_ESTABLISHED);
	assert_true(seen.last.answered);
	assert_int_equal(seen.last.from, OUT);
	assert_int_equal(seen.last.packets[0], 2);
	assert_int_equal(seen.last.packets[1], 1);
	assert_int_equal(seen.last.flow.from_port, 9);
	assert_int_equal(seen.last.reply.from_port, 80);
	assert_in_range(seen.last.rest, 7000 * SECOND, 7441 * SECOND);
	assert_int_equal(count_connections((struct connection_filter){ 0 }), 1002);
	assert_int_equal(
		count_connections((struct connection_filter){ .network = other.network }), 1);
	assert_int_equal(
		count_connections((struct connection_filter){ .device = bench.device->id }), 1001);
	assert_int_equal(count_connections((struct connection_filter){ .port = 1010 }), 1);
	assert_int_equal(count_connections(
				 (struct connection_filter){ .address = prefix_of("10.0.0.0/31") }),
		1001);
	assert_int_equal(
		count_connections((struct connection_filter){ .from = prefix_of("10.0.0.0/24") }),
		0);
	assert_int_equal(firewall_kill(lab, &(struct connection_filter){ .port = 1010 }), 1);
	expect_drop(&bench, IN, frame, udp_of(frame, IN, 4, 53, 1010), DROP_RULE_DEFAULT);
	assert_int_equal(firewall_kill(lab, &(struct connection_filter){ 0 }), 1001);
	assert_int_equal(connections_of(&bench), 0);
}

static struct firewall_log last_log;
static unsigned n_logs;

static void
take_log(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	(void)context;
	(void)weft;
	(void)reason;
	memcpy(&last_log, rte_pktmbuf_mtod(packet, void *), sizeof(last_log));
	n_logs++;
	rte_pktmbuf_free(packet);
}

static uint64_t refused_packets;

static bool
see_rule(void *context, const struct firewall_rule *rule)
{
	if (strcmp(rule->rule->match.name, context) == 0)
		refused_packets = rule->count.refused;
	return true;
}

static uint64_t
refused_by(const struct bench_firewall *bench, const char *name)
{
	refused_packets = UINT64_MAX;
	firewall_each_rule(bench->device, see_rule, (void *)(uintptr_t)name);
	return refused_packets;
}

struct listing {
	const struct bench_firewall *bench;
	char names[256];
};

static bool
list_rule(void *context, const struct firewall_rule *rule)
{
	struct listing *listing = context;
	size_t used = strlen(listing->names);

	snprintf(listing->names + used, sizeof(listing->names) - used, "%s%s%s ",
		rule->rule->match.name, rule->shadowed != NULL ? "<" : "",
		rule->shadowed != NULL ? rule->shadowed->match.name : "");
	return true;
}

/* Some at a time; who sees that they are others can begin again, or go on. */
static void
test_rules_by_and_by(void **state)
{
	const struct weft_rule rules[] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 3);
	struct firewall_rules_at at = { 0 };
	struct listing listing = { &bench, "" };

	(void)state;
	assert_int_equal(firewall_next_rules(bench.device, &at, 2, list_rule, &listing),
		FIREWALL_RULES_MORE);
	assert_int_equal(
		firewall_next_rules(bench.device, &at, 2, list_rule, &listing), FIREWALL_RULES_END);
	assert_string_equal(listing.names, "a b<a c<a ");
	at = (struct firewall_rules_at){ 0 };
	listing.names[0] = '\0';
	assert_int_equal(firewall_next_rules(bench.device, &at, 1, list_rule, &listing),
		FIREWALL_RULES_MORE);
	set_rules(&bench, &rules[1], 2);
	assert_int_equal(firewall_next_rules(bench.device, &at, 9, list_rule, &listing),
		FIREWALL_RULES_CHANGED);
	assert_string_equal(listing.names, "a ");
	assert_int_equal(
		firewall_next_rules(bench.device, &at, 9, list_rule, &listing), FIREWALL_RULES_END);
	assert_string_equal(listing.names, "a c<b ");
}

static void
test_log_of_limits(void **state)
{
	const struct weft_rule rules[] = { {
		.name = "ssh",
		.action = WEFT_RULE_ACCEPT,
		.log = true,
		.limit = &(const struct weft_rule_limit){ .per_source = 1 },
	} };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	punt_register(lab, PUNT_RULE_LOG, take_log, NULL);
	n_logs = 0;
	expect_pass(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53));
	weft_poll(lab);
	assert_int_equal(n_logs, 1);
	assert_int_equal(last_log.limit, LIMIT_KEPT);
	lab_time += SECOND;
	expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 10, 53), DROP_SOURCE_LIMIT);
	weft_poll(lab);
	assert_int_equal(n_logs, 2);
	assert_int_equal(last_log.limit, LIMIT_PER_SOURCE);
}

static void
test_log(void **state)
{
	const struct weft_rule rules[] = { {
		.name = "scans",
		.action = WEFT_RULE_DROP,
		.log = true,
		.log_rate = 5,
	} };
	struct bench_firewall bench = lab_firewall("red", ACCEPT_ALL, rules, 1);
	uint8_t frame[MAKE_SIZE];

	(void)state;
	punt_register(lab, PUNT_RULE_LOG, take_log, NULL);
	n_logs = 0;
	for (unsigned i = 0; i < 100; i++) { /* in two seconds */
		lab_time += SECOND / 50;
		expect_drop(&bench, OUT, frame, udp_of(frame, OUT, 4, 9, 53), DROP_RULE);
	}
	weft_poll(lab);
	assert_in_range(n_logs, 9, 12);
	assert_string_equal(last_log.rule, "scans");
	assert_int_equal(last_log.action, WEFT_RULE_DROP);
	assert_int_equal(last_log.vport, bench.ports[OUT]->id);
	assert_non_null(strstr(last_log.packet, "10.1.0.1:9 > 10.0.0.1:53 udp"));
}

/* ---- routed -----------------------------------------------------------------------------------
 */

/* Ports 0 and 2 of a router are the zone "lan", 1 is "wan", 3 is nobody's. */
static struct bench_router
guarded_router(struct weft_device **firewall, const struct weft_firewall_config *config,
	const struct weft_rule *rules, unsigned count)
{
	static const char *const zones[] = { "lan", "wan", "lan" };
	struct bench_router router = lab_router("red", NULL);
	struct weft_change *change = weft_change_begin(lab);

	*firewall = weft_firewall_add(change, router.network, "edge", config);
	for (unsigned i = 0; i < 3; i++)
		weft_firewall_guard(change, *firewall, router.ports[i], zones[i]);
	weft_firewall_rules(change, *firewall, rules, count);
	lab_commit(change);
	for (unsigned i = 0; i < ROUTER_PORTS; i++) {
		know(&router, i, 7, 4);
		know(&router, i, 7, 6);
	}
	quiet(&router);
	return router;
}

/* A datagram of station 7 behind one port to station 7 behind another. */
static size_t
routed_udp(const struct bench_router *router, unsigned from, unsigned to, uint8_t family,
	uint16_t from_port, uint16_t to_port, uint8_t *frame)
{
	char text[64];
	struct make_ends ends;

	snprintf(text, sizeof(text), family == 4 ? "10.%u.0.7" : "2001:db8:%x::7", to);
	ends = ends_from_station(router, from, 7, text);
	return make_udp(frame, &ends, from_port, to_port, "payload", 7);
}

static void
expect_routed(const struct bench_router *router, unsigned from, unsigned to, uint8_t family,
	uint16_t from_port, uint16_t to_port, bool passes)
{
	uint8_t frame[MAKE_SIZE];

	put_frame(router, from, frame,
		routed_udp(router, from, to, family, from_port, to_port, frame));
	assert_int_equal(lab_drain(router->nics[to]), passes);
}

static void
guard_as(struct weft_device *firewall, struct weft_vport *port, const char *zone)
{
	struct weft_change *change = weft_change_begin(lab);

	weft_firewall_guard(change, firewall, port, zone);
	lab_commit(change);
}

/* Zones that nothing is in give their place to others; their connections are not of these. */
static void
test_zones_are_given_back(void **state)
{
	static const char *const named[] = { "kept" };
	const struct weft_rule rules[] = { { .name = "a", .from = named, .n_from = 1 },
		{ .name = "b" } };
	struct weft_device *firewall;
	struct bench_router router = guarded_router(&firewall, DROP_ALL, NULL, 0);
	struct weft_change *change = weft_change_begin(lab);
	struct firewall_info info;
	char name[16];

	(void)state;
	weft_firewall_guard(change, firewall, router.ports[0], "kept");
	weft_firewall_rules(change, firewall, rules, 2);
	lab_commit(change);
	assert_string_equal(firewall_place_name(firewall, 1), "wan");
	expect_routed(&router, 1, 2, 4, 9, 53, true);
	expect_routed(&router, 0, 2, 4, 9, 53, true);
	firewall_read(firewall, &info);
	assert_int_equal(info.connections, 2);
	/* a hundred in its life; "kept" is named by a rule, "lan" has port 2 */
	guard_as(firewall, router.ports[0], "other");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "zone%u", i);
		guard_as(firewall, router.ports[1], name);
	}
	for (unsigned i = 0; i < 5; i++) {
		const char *place = firewall_place_name(firewall, i);

		assert_true(place == NULL || strcmp(place, "wan") != 0);
	}
	/* those that came from "wan" have ended with it, and so have its replies */
	firewall_read(firewall, &info);
	assert_int_equal(info.connections, 1);
	assert_int_equal(info.counts.ended, 1);
	/* more than there may be, in one change: what nothing is in any more makes room */
	change = weft_change_begin(lab);
	for (unsigned i = 0; i < RULE_PORTS + 1; i++) {
		snprintf(name, sizeof(name), "much%u", i);
		weft_firewall_guard(change, firewall, router.ports[1], name);
	}
	lab_commit(change);
	guard_as(firewall, router.ports[1], "last");
	expect_routed(&router, 1, 2, 4, 10, 53, true);
}

/* A rule may name one that no port is in, or not yet. */
static void
test_zone_without_ports(void **state)
{
	static const char *const none[] = { "guests" };
	const struct weft_rule rules[] = { { .name = "a", .from = none, .n_from = 1 } };
	struct weft_device *firewall;
	struct bench_router router = guarded_router(&firewall, DROP_ALL, rules, 1);

	(void)state;
	expect_routed(&router, 0, 1, 4, 9, 53, false);
	guard_as(firewall, router.ports[0], "guests");
	expect_routed(&router, 0, 1, 4, 9, 53, true);
	guard_as(firewall, router.ports[0], "lan");
	expect_routed(&router, 0, 1, 4, 9, 53, false);
}

static void
check_routed(uint8_t family)
{
	static const char *const lan[] = { "lan" }, *const wan[] = { "wan" };
	const struct weft_rule rules[] = { { .name = "out", .from = lan, .n_from = 1 },
		{ .name = "no",
			.action = WEFT_RULE_REJECT,
			.from = wan,
			.n_from = 1,
			.to_port = &dns_port,
			.n_to_port = 1 } };
	struct weft_device *firewall;
	struct bench_router router = guarded_router(&firewall, DROP_ALL, rules, 2);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	struct weft_change *change;
	struct firewall_info info;
	size_t length;

	expect_routed(&router, 1, 0, family, 53, 9, false);
	assert_int_equal(lab_drops(router.ports[1], DROP_RULE_DEFAULT), 1);
	expect_routed(&router, 0, 1, family, 9, 53, true);
	expect_routed(&router, 1, 0, family, 53, 9, true);
	/* of another port of the zone it is not the reply */
	expect_routed(&router, 1, 2, family, 53, 9, false);
	/* within a zone, and by ports that nobody guards, it is not asked */
	expect_routed(&router, 2, 0, family, 53, 9, true);
	expect_routed(&router, 3, 0, family, 53, 9, true);
	expect_routed(&router, 1, 3, family, 53, 9, true);
	firewall_read(firewall, &info);
	assert_int_equal(info.connections, 1);
	/* the router itself answers */
	put_ping(&router, 1, 7, family == 4 ? "10.1.0.1" : "2001:db8:1::1");
	assert_int_equal(lab_drain(router.nics[1]), 1);
	put_ping(&router, 1, 7, family == 4 ? "10.0.0.1" : "2001:db8::1");
	assert_int_equal(lab_drain(router.nics[1]), 1);
	/* and carries what the firewall answers */
	length = routed_udp(&router, 1, 2, family, 9, 53, frame);
	put_frame(&router, 1, frame, length);
	lab_expect_nothing(router.nics[2]);
	assert_true(take_frame(&router, 1, got) > length);
	assert_memory_equal(got, frame + 6, 6);
	assert_memory_equal(got + 6, router.macs[1], 6);
	assert_int_equal(got[14 + (family == 4 ? 20 : 40)], family == 4 ? 3 : 1);
	assert_memory_equal(got + 14 + (family == 4 ? 12 : 8), frame + 14 + (family == 4 ? 16 : 24),
		family == 4 ? 4 : 16);
	/* no more guarding */
	change = weft_change_begin(lab);
	for (unsigned i = 0; i < 3; i++)
		weft_firewall_guard(change, firewall, router.ports[i], NULL);
	weft_device_remove(change, firewall);
	lab_commit(change);
	expect_routed(&router, 1, 0, family, 53, 10, true);
}

static void
test_routed(void **state)
{
	(void)state;
	check_routed(4);
}

static void
test_routed6(void **state)
{
	(void)state;
	check_routed(6);
}

/* Fragments, and TCP, through a router. */
static void
test_routed_fragments(void **state)
{
	static const char *const lan[] = { "lan" };
	const struct weft_rule rules[] = {
		{ .name = "out", .from = lan, .n_from = 1, .to_port = &dns_port, .n_to_port = 1 }
	};
	struct weft_device *firewall;
	struct bench_router router = guarded_router(&firewall, DROP_ALL, rules, 1);
	struct make_ends ends = ends_from_station(&router, 0, 7, "10.1.0.7");
	static uint8_t frames[PIECES][2048];
	size_t lengths[PIECES], size;
	unsigned count = cut(frames, lengths, &ends, 53, 600);
	uint8_t got[BUFFER];

	(void)state;
	for (unsigned i = 0; i < count; i++)
		put_frame(&router, 0, frames[i], lengths[i]);
	for (unsigned i = 0; i < count; i++) {
		size = take_frame(&router, 1, got);
		assert_int_equal(size, lengths[i]);
		assert_memory_equal(got + 34, frames[i] + 34, size - 34);
		assert_int_equal(got[22], 63);
	}
	count = cut(frames, lengths, &ends, 54, 600);
	for (unsigned i = 0; i < count; i++)
		put_frame(&router, 0, frames[i], lengths[i]);
	lab_expect_nothing(router.nics[1]);
	assert_int_equal(lab_drops(router.ports[0], DROP_RULE_DEFAULT), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_default),
		TEST(test_replies),
		TEST(test_order_and_counters),
		TEST(test_no_connection),
		TEST(test_tcp),
		TEST(test_tcp_in_the_middle),
		TEST(test_tcp_stateless),
		TEST(test_invalid_by_rule),
		TEST(test_ping),
		TEST(test_errors),
		TEST(test_reject),
		TEST(test_fragments),
		TEST(test_overlap),
		TEST(test_policy_change),
		TEST(test_keep),
		TEST(test_change_of_macs),
		TEST(test_sets),
		TEST(test_port_sets),
		TEST(test_zone_without_ports),
		TEST(test_zones_are_given_back),
		TEST(test_removal_with_sets),
		TEST(test_refusals),
		TEST(test_limits),
		TEST(test_rule_connections),
		TEST(test_closed_connections_do_not_count),
		TEST(test_rule_rates),
		TEST(test_sources_are_bounded),
		TEST(test_limits_change),
		TEST(test_rule_timeout),
		TEST(test_log_of_limits),
		TEST(test_rules_by_and_by),
		TEST(test_looking),
		TEST(test_log),
		TEST(test_routed),
		TEST(test_routed6),
		TEST(test_routed_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
