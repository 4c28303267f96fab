/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation, as hosts inside and outside see it. Inside are 10.0.0.0/24 and 2001:db8:0::/64,
 * outside 10.1.0.0/24 and 2001:db8:1::/64; the firewall translates to 10.1.0.100 and up.
 */
#include "../translation_fixture.h"
#include "packet/fragment.h"
#include "packet/icmp.h"
#include "packet/parse.h"

/* Comes out on the other side, or where it came from; sound; its length. */
static size_t
pass(const struct bench_firewall *bench, enum side side, enum side to, const uint8_t *frame,
	size_t length, uint8_t got[BUFFER])
{
	size_t size;

	put(bench, side, frame, length);
	size = weft_nic_receive(bench->nics[to], got, BUFFER);
	assert_int_equal(size, length);
	assert_sound(got + 14, size - 14);
	lab_expect_nothing(bench->nics[IN]);
	lab_expect_nothing(bench->nics[OUT]);
	return size;
}

static void
set_translations(
	const struct bench_firewall *bench, const struct weft_translation *list, unsigned count)
{
	struct weft_change *change = weft_change_begin(lab);

	weft_firewall_translations(change, bench->device, "in", list, count);
	lab_commit(change);
}

static struct bench_firewall
translating(const struct weft_translation *list, unsigned count)
{
	const struct weft_rule rules[] = { { .name = "out", .from = only_in, .n_from = 1 },
		{ .name = "in",
			.from = only_out,
			.n_from = 1,
			.to_ip = &(const struct weft_prefix){ 4, 24, { 10, 0, 0 } },
			.n_to_ip = 1 },
		{ .name = "in6",
			.from = only_out,
			.n_from = 1,
			.to_ip = &(const struct weft_prefix){ 6, 64, { 0x20, 1, 0xd, 0xb8 } },
			.n_to_ip = 1 } };
	struct bench_firewall bench = lab_firewall("red", DROP_ALL, rules, 3);

	set_translations(&bench, list, count);
	return bench;
}

static struct make_ends
ends_between(enum side side, const char *from, const char *to)
{
	struct weft_prefix a = prefix_of(from), b = prefix_of(to);
	struct make_ends ends = ends_of(side, 1, 1, a.family);

	memcpy(ends.source, a.address, 16);
	memcpy(ends.destination, b.address, 16);
	return ends;
}

/* ---- source -------------------------------------------------------------------------------------
 */

struct names {
	uint8_t family;
	const char *host, *other_host, *server, *outside;
};

static const struct names names[] = {
	{ 4, "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.100" },
	{ 6, "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "2001:db8:1::100" },
};

static void
check_source(const struct names *n, uint8_t protocol)
{
	struct weft_prefix pool = prefix_of(n->outside);
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1 } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(IN, n->host, n->server);
	struct make_ends other = ends_between(IN, n->other_host, n->server);
	struct make_ends back = ends_between(OUT, n->server, n->outside);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	size_t length;
	uint16_t port;
	bool tcp = protocol == IPPROTO_TCP;

#define MAKE(e, from, to) \
	(tcp ? make_tcp(frame, e, from, to, 1, 0, RTE_TCP_SYN_FLAG) \
	     : make_udp(frame, e, from, to, "payload", 7))
	/* its own port is free */
	pass(&bench, IN, OUT, frame, MAKE(&ends, 5000, 80), got);
	assert_address(got, n->family, true, n->outside);
	assert_address(got, n->family, false, n->server);
	assert_int_equal(port_at(got, n->family, 0), 5000);
	assert_int_equal(port_at(got, n->family, 2), 80);
	/* and is not for another host */
	pass(&bench, IN, OUT, frame, MAKE(&other, 5000, 80), got);
	assert_address(got, n->family, true, n->outside);
	port = port_at(got, n->family, 0);
	assert_int_not_equal(port, 5000);
	assert_in_range(port, 1024, 65535);
	/* replies find both */
	length = tcp ? make_tcp(frame, &back, 80, port, 1, 2, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)
		     : make_udp(frame, &back, 80, port, "payload", 7);
	pass(&bench, OUT, IN, frame, length, got);
	assert_address(got, n->family, true, n->server);
	assert_address(got, n->family, false, n->other_host);
	assert_int_equal(port_at(got, n->family, 2), 5000);
	length = tcp ? make_tcp(frame, &back, 80, 5000, 1, 2, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)
		     : make_udp(frame, &back, 80, 5000, "payload", 7);
	pass(&bench, OUT, IN, frame, length, got);
	assert_address(got, n->family, false, n->host);
	/* nobody's port */
	put(&bench, OUT, frame, make_udp(frame, &back, 80, 5001, "payload", 7));
	lab_expect_nothing(bench.nics[IN]);
	/* later packets of the connection go the same way */
	length = tcp ? make_tcp(frame, &other, 5000, 80, 2, 2, RTE_TCP_ACK_FLAG)
		     : make_udp(frame, &other, 5000, 80, "payload", 7);
	pass(&bench, IN, OUT, frame, length, got);
	assert_int_equal(port_at(got, n->family, 0), port);
#undef MAKE
}

static void
test_source_tcp4(void **state)
{
	(void)state;
	check_source(&names[0], IPPROTO_TCP);
}

static void
test_source_tcp6(void **state)
{
	(void)state;
	check_source(&names[1], IPPROTO_TCP);
}

static void
test_source_udp4(void **state)
{
	(void)state;
	check_source(&names[0], IPPROTO_UDP);
}

static void
test_source_udp6(void **state)
{
	(void)state;
	check_source(&names[1], IPPROTO_UDP);
}

/* Two hosts that ping with the same id. */
static void
check_ping(const struct names *n)
{
	struct weft_prefix pool = prefix_of(n->outside);
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1 } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(IN, n->host, n->server);
	struct make_ends other = ends_between(IN, n->other_host, n->server);
	struct make_ends back = ends_between(OUT, n->server, n->outside);
	uint8_t frame[MAKE_SIZE], got[BUFFER], *icmp = frame + 14 + header_of(n->family);
	uint8_t request = n->family == 4 ? 8 : 128, reply = n->family == 4 ? 0 : 129;
	uint16_t id, word;
	size_t length;

	pass(&bench, IN, OUT, frame, make_echo(frame, &ends, 1, 1, "x", 1), got);
	assert_int_equal(port_at(got, n->family, 4), 1);
	pass(&bench, IN, OUT, frame, make_echo(frame, &other, 1, 1, "x", 1), got);
	id = port_at(got, n->family, 4);
	assert_int_not_equal(id, 1);
	length = make_echo(frame, &back, id, 1, "x", 1);
	/* the reply: another type, and the checksum that goes with it */
	memcpy(&word, icmp + 2, 2);
	word = rte_be_to_cpu_16(word);
	word = (uint16_t)(word + (unsigned)((request - reply) * 256) +
			  (word + (unsigned)((request - reply) * 256 & 0xffff) > 0xffff));
	icmp[0] = reply;
	if (n->family == 6) /* one less becomes one more in the complement */
		word = (uint16_t)(((icmp[2] << 8 | icmp[3]) + 0xffff - 0x100) % 0xffff);
	icmp[2] = (uint8_t)(word >> 8);
	icmp[3] = (uint8_t)word;
	pass(&bench, OUT, IN, frame, length, got);
	assert_address(got, n->family, false, n->other_host);
	assert_int_equal(port_at(got, n->family, 4), 1);
}

static void
test_ping(void **state)
{
	(void)state;
	check_ping(&names[0]);
}

static void
test_ping6(void **state)
{
	(void)state;
	check_ping(&names[1]);
}

/* RFC 4787, REQ-2: all of a host's connections have one address; ports as the range says. */
static void
test_pool(void **state)
{
	const struct weft_prefix pool[] = { prefix_of("10.1.0.128/26"), prefix_of("10.1.0.64/26") };
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = pool,
		.n_addresses = 2,
		.ports = { 2000, 2003 } } };
	struct bench_firewall bench = translating(list, 1);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	bool seen[256] = { false };
	unsigned addresses = 0;

	(void)state;
	for (unsigned host = 1; host < 100; host++) {
		uint8_t address = 0;

		for (unsigned i = 0; i < 4; i++) {
			struct make_ends ends = ends_of(IN, host, 1, 4);

			pass(&bench, IN, OUT, frame,
				make_udp(frame, &ends, (uint16_t)(5000 + i), (uint16_t)(host * 9),
					"", 0),
				got);
			assert_in_range(port_at(got, 4, 0), 2000, 2003);
			if (i > 0)
				assert_int_equal(got[14 + 15], address);
			address = got[14 + 15];
			assert_in_range(address, 64, 191);
		}
		addresses += !seen[address];
		seen[address] = true;
		if (host == 1) { /* the range is used up */
			struct make_ends ends = ends_of(IN, host, 1, 4);

			expect_drop(&bench, IN, frame, make_udp(frame, &ends, 6000, 9, "", 0),
				DROP_NO_TRANSLATION);
		}
	}
	assert_true(addresses > 30);
}

/* ---- destination --------------------------------------------------------------------------------
 */

static const struct weft_port_range port_8080 = { 8080, 8080 };

static void
check_destination(const struct names *n)
{
	struct weft_prefix outside = prefix_of(n->outside), server = prefix_of(n->host);
	const struct weft_translation list[] = { { .match = { .name = "web",
							   .fields = WEFT_RULE_PROTOCOL,
							   .protocol = IPPROTO_TCP,
							   .to_ip = &outside,
							   .n_to_ip = 1,
							   .to_port = &port_8080,
							   .n_to_port = 1 },
		.kind = WEFT_TRANSLATE_DESTINATION,
		.addresses = &server,
		.n_addresses = 1,
		.ports = { 80, 80 } } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(OUT, n->server, n->outside);
	struct make_ends back = ends_between(IN, n->host, n->server);
	struct make_ends inside = ends_between(IN, n->other_host, n->outside);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	struct make_ends turned;
	uint16_t port;

	pass(&bench, OUT, IN, frame, make_tcp(frame, &ends, 5000, 8080, 1, 0, RTE_TCP_SYN_FLAG),
		got);
	assert_address(got, n->family, true, n->server);
	assert_address(got, n->family, false, n->host);
	assert_int_equal(port_at(got, n->family, 0), 5000);
	assert_int_equal(port_at(got, n->family, 2), 80);
	pass(&bench, IN, OUT, frame,
		make_tcp(frame, &back, 80, 5000, 1, 2, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG), got);
	assert_address(got, n->family, true, n->outside);
	assert_int_equal(port_at(got, n->family, 0), 8080);
	/* another port is not forwarded */
	put(&bench, OUT, frame, make_tcp(frame, &ends, 5000, 8081, 1, 0, RTE_TCP_SYN_FLAG));
	lab_expect_nothing(bench.nics[IN]);
	/* RFC 4787, REQ-9: from inside it is sent back, as if from outside */
	pass(&bench, IN, IN, frame, make_tcp(frame, &inside, 6000, 8080, 1, 0, RTE_TCP_SYN_FLAG),
		got);
	assert_memory_equal(got, frame + 6, 6);
	assert_memory_equal(got + 6, frame, 6);
	assert_address(got, n->family, true, n->outside);
	assert_address(got, n->family, false, n->host);
	port = port_at(got, n->family, 0);
	turned = ends_between(IN, n->host, n->outside);
	pass(&bench, IN, IN, frame,
		make_tcp(frame, &turned, 80, port, 1, 2, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG), got);
	assert_address(got, n->family, true, n->outside);
	assert_address(got, n->family, false, n->other_host);
	assert_int_equal(port_at(got, n->family, 0), 8080);
	assert_int_equal(port_at(got, n->family, 2), 6000);
}

static void
test_destination(void **state)
{
	(void)state;
	check_destination(&names[0]);
}

static void
test_destination6(void **state)
{
	(void)state;
	check_destination(&names[1]);
}

/* One to one, whoever begins. */
static void
check_prefix(const char *in, const char *out, const struct names *n, const char *host,
	const char *translated)
{
	const struct weft_prefix prefixes[] = { prefix_of(in), prefix_of(out) };
	const struct weft_translation list[] = { { .match = { .name = "both" },
		.kind = WEFT_TRANSLATE_PREFIX,
		.addresses = prefixes,
		.n_addresses = 2 } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(IN, host, n->server);
	struct make_ends from = ends_between(OUT, n->server, translated);
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	pass(&bench, IN, OUT, frame, make_udp(frame, &ends, 1, 2, "x", 1), got);
	assert_address(got, n->family, true, translated);
	assert_int_equal(port_at(got, n->family, 0), 1);
	pass(&bench, OUT, IN, frame, make_udp(frame, &from, 3, 4, "x", 1), got);
	assert_address(got, n->family, false, host);
	assert_int_equal(port_at(got, n->family, 2), 4);
}

static void
test_prefix(void **state)
{
	(void)state;
	check_prefix("10.0.0.64/27", "10.1.0.128/27", &names[0], "10.0.0.77", "10.1.0.141");
}

static void
test_prefix6(void **state)
{
	(void)state;
	check_prefix("2001:db8::40/123", "2001:db8:1::a0/123", &names[1], "2001:db8::4d",
		"2001:db8:1::ad");
}

/* ---- errors and fragments
 * ------------------------------------------------------------------------ */

/* About what is in `frame`, by somebody outside or inside; a whole quote, so that it can be
 * checked. */
static size_t
error_about(
	uint8_t *error, const uint8_t *frame, size_t length, const struct names *n, const char *by)
{
	struct rte_mbuf *packet = packet_from_bytes(&lab->pools, frame, length), *answer;
	struct weft_prefix source = prefix_of(by);
	size_t size;

	packet_parse(packet);
	answer = n->family == 4 ? icmp4_error(&lab->pools, packet, 14, ICMP4_UNREACHABLE,
					  ICMP4_PORT, 0, source.address)
				: icmp6_error(&lab->pools, packet, 14, ICMP6_UNREACHABLE,
					  ICMP6_PORT, 0, source.address);
	assert_non_null(answer);
	size = rte_pktmbuf_pkt_len(answer);
	packet_copy_bytes(error, answer, (unsigned)size);
	station_mac(error, 1);
	station_mac(error + 6, 2);
	rte_pktmbuf_free(packet);
	rte_pktmbuf_free(answer);
	return size;
}

/* RFC 5508, REQ-4: what is quoted is as its sender sent it. */
static void
check_error(const struct names *n, unsigned kind)
{
	struct weft_prefix pool = prefix_of(n->outside);
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1,
		.ports = { 2000, 3000 } } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(IN, n->host, n->server);
	uint8_t frame[MAKE_SIZE], got[BUFFER], error[BUFFER], *quoted;
	size_t length, size;

	length = kind == 0   ? make_udp(frame, &ends, 5000, 80, "payload", 7)
		 : kind == 1 ? make_tcp(frame, &ends, 5000, 80, 1, 0, RTE_TCP_SYN_FLAG)
			     : make_echo(frame, &ends, 5000, 1, "x", 1);
	pass(&bench, IN, OUT, frame, length, got);
	size = error_about(error, got, length, n, n->server);
	assert_sound(error + 14, size - 14);
	pass(&bench, OUT, IN, error, size, got);
	assert_address(got, n->family, false, n->host);
	assert_address(got, n->family, true, n->server);
	quoted = got + 14 + header_of(n->family) + 8;
	assert_memory_equal(quoted, frame + 14, length - 14);
}

static void
test_errors(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++)
		for (unsigned i = 0; i < 2; i++) {
			check_error(&names[i], kind);
			lab_close_routers(state);
			lab_open(state);
		}
}

/* By the server that a port is forwarded to: it is not seen outside. */
static void
test_error_from_inside(void **state)
{
	const struct names *n = &names[0];
	struct weft_prefix outside = prefix_of(n->outside), server = prefix_of(n->host);
	const struct weft_translation list[] = {
		{ .match = { .name = "dns", .to_ip = &outside, .n_to_ip = 1 },
			.kind = WEFT_TRANSLATE_DESTINATION,
			.addresses = &server,
			.n_addresses = 1 }
	};
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(OUT, n->server, n->outside);
	uint8_t frame[MAKE_SIZE], got[BUFFER], error[BUFFER];
	size_t length = make_udp(frame, &ends, 5000, 53, "payload", 7), size;

	(void)state;
	pass(&bench, OUT, IN, frame, length, got);
	size = error_about(error, got, length, n, n->host);
	pass(&bench, IN, OUT, error, size, got);
	assert_address(got, 4, true, n->outside);
	assert_address(got, 4, false, n->server);
	assert_memory_equal(got + 14 + 20 + 8, frame + 14, length - 14);
}

static void
test_fragments(void **state)
{
	const struct names *n = &names[0];
	struct weft_prefix pool = prefix_of(n->outside);
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1,
		.ports = { 2000, 3000 } } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(IN, n->host, n->server);
	uint8_t frame[MAKE_LONG_SIZE], got[BUFFER], whole[BUFFER] = { 0 }, payload[1400] = { 5 };
	size_t length = make_long_udp(frame, &ends, 5000, 80, payload, sizeof(payload)), size;
	struct rte_mbuf *packet = packet_from_bytes(&lab->pools, frame, length), *pieces[8];
	unsigned count, total = 0;
	bool no_buffer;

	(void)state;
	packet_parse(packet);
	count = fragment_ip4(&lab->pools, packet, 14, 600, pieces, 8, &no_buffer);
	assert_int_equal(count, 3);
	for (unsigned i = 0; i < count; i++) {
		size = rte_pktmbuf_pkt_len(pieces[i]);
		packet_copy_bytes(got, pieces[i], (unsigned)size);
		rte_pktmbuf_free(pieces[i]);
		put(&bench, IN, got, size);
	}
	for (unsigned i = 0; i < count; i++) {
		unsigned at;

		size = weft_nic_receive(bench.nics[OUT], got, sizeof(got));
		assert_true(size > 34 && size <= 614);
		assert_address(got, 4, true, n->outside);
		at = (unsigned)((got[20] << 8 | got[21]) & 0x1fff) * 8;
		memcpy(whole + 34 + at, got + 34, size - 34);
		if (at == 0)
			memcpy(whole, got, 34);
		total += (unsigned)size - 34;
	}
	lab_expect_nothing(bench.nics[OUT]);
	assert_int_equal(total, length - 34);
	/* as if it had never been cut */
	whole[16] = frame[16];
	whole[17] = frame[17];
	whole[20] = whole[21] = 0;
	whole[24] = whole[25] = 0;
	*(uint16_t *)(whole + 24) = (uint16_t)~rte_raw_cksum(whole + 14, 20);
	assert_sound(whole + 14, length - 14);
	assert_in_range(port_at(whole, 4, 0), 2000, 3000);
	assert_memory_equal(whole + 42, frame + 42, length - 42);
}

/* ---- ARP
 * ------------------------------------------------------------------------------------------ */

static void
test_answers(void **state)
{
	struct weft_prefix pool = prefix_of("10.1.0.96/28");
	struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1,
		.answer = true } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(OUT, "10.1.0.1", "10.1.0.100");
	struct make_ends inside = ends_between(IN, "10.0.0.7", "10.1.0.1");
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	size_t length = make_neighbour_request(frame, &ends);

	(void)state;
	/* nobody has been heard inside yet */
	expect_drop(&bench, OUT, frame, length, DROP_RULE_DEFAULT);
	put(&bench, IN, got, make_udp(got, &inside, 1, 2, "", 0));
	lab_drain(bench.nics[OUT]);
	put(&bench, OUT, frame, length);
	assert_true(weft_nic_receive(bench.nics[OUT], got, sizeof(got)) >= 42);
	assert_memory_equal(got, frame + 6, 6);
	assert_memory_equal(got + 6, inside.source_mac.addr_bytes, 6);
	assert_int_equal(got[21], 2);
	assert_memory_equal(got + 22, inside.source_mac.addr_bytes, 6);
	assert_memory_equal(got + 28, prefix_of("10.1.0.100").address, 4);
	lab_expect_nothing(bench.nics[IN]);
	/* not for addresses that are not translated to, nor unless it is told to */
	ends = ends_between(OUT, "10.1.0.1", "10.1.0.112");
	expect_drop(&bench, OUT, frame, make_neighbour_request(frame, &ends), DROP_RULE_DEFAULT);
	list[0].answer = false;
	set_translations(&bench, list, 1);
	ends = ends_between(OUT, "10.1.0.1", "10.1.0.100");
	expect_drop(&bench, OUT, frame, make_neighbour_request(frame, &ends), DROP_RULE_DEFAULT);
	lab_expect_nothing(bench.nics[OUT]);
}

/* ---- changes
 * --------------------------------------------------------------------------------------- */

static void
test_changes(void **state)
{
	struct weft_prefix pool = prefix_of("10.1.0.100"), other = prefix_of("10.1.0.101");
	struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1 } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(IN, "10.0.0.1", "10.1.0.1");
	struct weft_change *change;
	struct weft_error error;
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	(void)state;
	pass(&bench, IN, OUT, frame, make_udp(frame, &ends, 1000, 2, "", 0), got);
	/* an aborted change leaves it */
	list[0].addresses = &other;
	change = weft_change_begin(lab);
	weft_firewall_translations(change, bench.device, "in", list, 1);
	weft_firewall_translations(change, bench.device, "in", NULL, 0);
	weft_change_abort(change);
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench.device, &(struct weft_rule){ "all" }, 1);
	lab_commit(change);
	pass(&bench, IN, OUT, frame, make_udp(frame, &ends, 1001, 2, "", 0), got);
	assert_address(got, 4, true, "10.1.0.100");
	/* connections that are there keep theirs */
	change = weft_change_begin(lab);
	weft_firewall_translations(change, bench.device, "in", NULL, 0);
	weft_firewall_translations(change, bench.device, "in", list, 1);
	lab_commit(change);
	pass(&bench, IN, OUT, frame, make_udp(frame, &ends, 1000, 2, "", 0), got);
	assert_address(got, 4, true, "10.1.0.100");
	pass(&bench, IN, OUT, frame, make_udp(frame, &ends, 1002, 2, "", 0), got);
	assert_address(got, 4, true, "10.1.0.101");
	set_translations(&bench, NULL, 0);
	pass(&bench, IN, OUT, frame, make_udp(frame, &ends, 1003, 2, "", 0), got);
	assert_address(got, 4, true, "10.0.0.1");
	/* what makes no sense */
	change = weft_change_begin(lab);
	weft_firewall_translations(change, bench.device, "dmz", list, 1);
	assert_int_equal(weft_change_commit(change, &error), -1);
	list[0].kind = WEFT_TRANSLATE_PREFIX;
	change = weft_change_begin(lab);
	weft_firewall_translations(change, bench.device, "in", list, 1);
	assert_int_equal(weft_change_commit(change, &error), -1);
	list[0].n_addresses = 0;
	change = weft_change_begin(lab);
	weft_firewall_translations(change, bench.device, "in", list, 1);
	assert_int_equal(weft_change_commit(change, &error), -1);
}

/* RFC 4861, 7.2.8: the same by neighbour discovery. */
static void
test_answers6(void **state)
{
	struct weft_prefix pool = prefix_of("2001:db8:1::60/124");
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1,
		.answer = true } };
	struct bench_firewall bench = translating(list, 1);
	struct make_ends ends = ends_between(OUT, "2001:db8:1::1", "2001:db8:1::64");
	struct make_ends inside = ends_between(IN, "2001:db8::7", "2001:db8:1::1");
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	size_t length = make_neighbour_request(frame, &ends), size;

	(void)state;
	expect_drop(&bench, OUT, frame, length, DROP_RULE_DEFAULT);
	put(&bench, IN, got, make_udp(got, &inside, 1, 2, "", 0));
	lab_drain(bench.nics[OUT]);
	put(&bench, OUT, frame, length);
	size = weft_nic_receive(bench.nics[OUT], got, sizeof(got));
	assert_int_equal(size, 14 + 40 + 32);
	assert_sound(got + 14, size - 14);
	assert_memory_equal(got, frame + 6, 6);
	assert_memory_equal(got + 6, inside.source_mac.addr_bytes, 6);
	assert_int_equal(got[54], 136);
	assert_int_equal(got[58] & 0x60, 0x40); /* solicited, no override */
	assert_memory_equal(got + 62, prefix_of("2001:db8:1::64").address, 16);
	assert_memory_equal(got + 80, inside.source_mac.addr_bytes, 6);
	lab_expect_nothing(bench.nics[IN]);
	/* from afar, damaged, cut short, or for another address: not */
	frame[21] = 254;
	expect_drop(&bench, OUT, frame, length, DROP_RULE_DEFAULT);
	frame[21] = 255;
	frame[56] ^= 1;
	put(&bench, OUT, frame, length);
	lab_expect_nothing(bench.nics[OUT]);
	frame[56] ^= 1;
	put(&bench, OUT, frame, 14 + 40 + 20);
	lab_expect_nothing(bench.nics[OUT]);
	ends = ends_between(OUT, "2001:db8:1::1", "2001:db8:1::70");
	expect_drop(&bench, OUT, frame, make_neighbour_request(frame, &ends), DROP_RULE_DEFAULT);
	lab_expect_nothing(bench.nics[OUT]);
}

/* ---- endpoint-independent mappings (RFC 4787) ---------------------------------------------------
 */

static uint32_t
mappings_of(void)
{
	return mapping_count(firewalls_of(lab)->shards[0].mappings);
}

static struct weft_translation
cone(const struct weft_prefix *pool, enum weft_filtering filtering)
{
	return (struct weft_translation){ .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = pool,
		.n_addresses = 1,
		.ports = { 2000, 3000 },
		.endpoint_independent = true,
		.filtering = filtering };
}

/* What a host sends from port 5000 to a peer's port 53; which port it gets. */
static uint16_t
port_outside(const struct bench_firewall *bench, const struct names *n, const char *host,
	const char *peer)
{
	struct make_ends ends = ends_between(IN, host, peer);
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	pass(bench, IN, OUT, frame, make_udp(frame, &ends, 5000, 53, "x", 1), got);
	assert_address(got, n->family, true, n->outside);
	return port_at(got, n->family, 0);
}

/* A packet to the mapped port: whether it comes to the host's port 5000. */
static bool
comes_in(const struct bench_firewall *bench, const struct names *n, const char *peer,
	uint16_t from_port, uint16_t to_port)
{
	struct make_ends ends = ends_between(OUT, peer, n->outside);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	size_t length = make_udp(frame, &ends, from_port, to_port, "x", 1);

	put(bench, OUT, frame, length);
	if (weft_nic_receive(bench->nics[IN], got, sizeof(got)) == 0)
		return false;
	assert_sound(got + 14, length - 14);
	assert_address(got, n->family, true, peer);
	assert_address(got, n->family, false, n->host);
	assert_int_equal(port_at(got, n->family, 2), 5000);
	/* and is answered from there */
	ends = ends_between(IN, n->host, peer);
	pass(bench, IN, OUT, frame, make_udp(frame, &ends, 5000, from_port, "x", 1), got);
	assert_int_equal(port_at(got, n->family, 0), to_port);
	return true;
}

static void
check_mapping(const struct names *n, const char *peer, const char *stranger)
{
	struct weft_prefix pool = prefix_of(n->outside);
	struct weft_translation list[] = { cone(&pool, WEFT_FILTER_ADDRESS_AND_PORT) };
	struct bench_firewall bench = translating(list, 1);
	uint16_t port = port_outside(&bench, n, n->host, n->server);

	/* REQ-1: whomever it speaks to; another host's is another one */
	assert_in_range(port, 2000, 3000);
	assert_int_equal(port_outside(&bench, n, n->host, peer), port);
	assert_int_not_equal(port_outside(&bench, n, n->other_host, peer), port);
	assert_int_equal(mappings_of(), 2);
	/* REQ-8: who may come */
	assert_true(comes_in(&bench, n, peer, 53, port));
	assert_false(comes_in(&bench, n, peer, 54, port));
	list[0].filtering = WEFT_FILTER_ADDRESS;
	set_translations(&bench, list, 1);
	assert_true(comes_in(&bench, n, peer, 54, port));
	assert_false(comes_in(&bench, n, stranger, 53, port));
	list[0].filtering = WEFT_FILTER_NONE;
	set_translations(&bench, list, 1);
	assert_true(comes_in(&bench, n, stranger, 53, port));
	assert_false(comes_in(&bench, n, stranger, 53, port == 2000 ? 2001 : 2000));
	/* it lives as long as one of its connections does, of which those from outside are some */
	lab_wait(100);
	assert_true(comes_in(&bench, n, stranger, 53, port));
	lab_wait(100);
	assert_int_equal(mappings_of(), 1);
	assert_int_equal(port_outside(&bench, n, n->host, peer), port);
	lab_wait(400);
	assert_int_equal(mappings_of(), 0);
	assert_false(comes_in(&bench, n, stranger, 53, port));
}

static void
test_mappings(void **state)
{
	check_mapping(&names[0], "10.1.0.5", "10.1.0.6");
	lab_close_routers(state);
	lab_open(state);
	check_mapping(&names[1], "2001:db8:1::5", "2001:db8:1::6");
}

/* Every port is somebody's: no more come; and what goes gives its port to others. */
static void
test_mappings_used_up(void **state)
{
	struct weft_prefix pool = prefix_of("10.1.0.100");
	struct weft_translation list[] = { cone(&pool, WEFT_FILTER_NONE) };
	struct bench_firewall bench;
	uint8_t frame[MAKE_SIZE];
	char host[32];

	(void)state;
	list[0].ports = (struct weft_port_range){ 2000, 2003 };
	bench = translating(list, 1);
	for (unsigned i = 1; i <= 6; i++) {
		struct make_ends ends;

		snprintf(host, sizeof(host), "10.0.0.%u", i);
		ends = ends_between(IN, host, "10.1.0.1");
		put(&bench, IN, frame, make_udp(frame, &ends, 5000, 53, "x", 1));
		assert_int_equal(lab_drain(bench.nics[OUT]), i <= 4);
	}
	assert_int_equal(lab_drops(bench.ports[IN], DROP_NO_TRANSLATION), 2);
	assert_int_equal(mappings_of(), 4);
	lab_wait(60);
	assert_int_equal(mappings_of(), 0);
	assert_in_range(port_outside(&bench, &names[0], "10.0.0.9", "10.1.0.1"), 2000, 2003);
}

/* ---- other protocols with ports -----------------------------------------------------------------
 */

/* A DCCP request (RFC 4340, 5.1), or what SCTP sends. */
static size_t
transport_frame(uint8_t *frame, const struct names *n, const char *host, uint8_t protocol)
{
	struct make_ends ends = ends_between(IN, host, n->server);
	size_t length = make_tcp(frame, &ends, 5000, 80, 0, 0, 0), rest;
	uint8_t *ip = frame + 14, *l4 = ip + header_of(n->family);
	uint32_t sum;

	rest = length - 14 - header_of(n->family);
	memset(l4 + 4, 0, rest - 4);
	ip[n->family == 4 ? 9 : 6] = protocol;
	if (n->family == 4) {
		memset(ip + 10, 0, 2);
		*(uint16_t *)(void *)(ip + 10) = (uint16_t)~rte_raw_cksum(ip, 20);
	}
	if (protocol == IPPROTO_SCTP) {
		memset(l4 + 8, 0x5a, 4); /* CRC32c: of what is behind the IP header alone */
		return length;
	}
	l4[4] = 5; /* data offset, words */
	l4[8] = 1; /* request, long sequence numbers */
	sum = rte_raw_cksum(l4, rest);
	sum += n->family == 4 ? rte_ipv4_phdr_cksum((const struct rte_ipv4_hdr *)(void *)ip, 0)
			      : rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)(void *)ip, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	*(uint16_t *)(void *)(l4 + 6) = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	return length;
}

static void
check_other_transports(const struct names *n)
{
	struct weft_prefix pool = prefix_of(n->outside);
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1,
		.ports = { 2000, 3000 } } };
	struct bench_firewall bench = translating(list, 1);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	uint16_t first;
	size_t length;

	/* pass() looks at the checksum */
	length = transport_frame(frame, n, n->host, IPPROTO_DCCP);
	assert_sound(frame + 14, length - 14);
	pass(&bench, IN, OUT, frame, length, got);
	assert_address(got, n->family, true, n->outside);
	first = port_at(got, n->family, 0);
	assert_in_range(first, 2000, 3000);
	pass(&bench, IN, OUT, frame, transport_frame(frame, n, n->other_host, IPPROTO_DCCP), got);
	assert_int_not_equal(port_at(got, n->family, 0), first);
	/* only its address */
	length = transport_frame(frame, n, n->host, IPPROTO_SCTP);
	put(&bench, IN, frame, length);
	assert_int_equal(weft_nic_receive(bench.nics[OUT], got, sizeof(got)), length);
	assert_address(got, n->family, true, n->outside);
	assert_memory_equal(got + 14 + header_of(n->family), frame + 14 + header_of(n->family),
		length - 14 - header_of(n->family));
	/* so there is none for a second one with the same port */
	put(&bench, IN, frame, transport_frame(frame, n, n->other_host, IPPROTO_SCTP));
	lab_expect_nothing(bench.nics[OUT]);
	assert_int_equal(lab_drops(bench.ports[IN], DROP_NO_TRANSLATION), 1);
}

static void
test_other_transports(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		check_other_transports(&names[i]);
		lab_close_routers(state);
		lab_open(state);
	}
}

/* ---- blocks of ports
 * ------------------------------------------------------------------------------
 */

static struct port_block_notice block_notices[16];
static unsigned n_blocks;

static void
take_block(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	(void)context;
	(void)weft;
	(void)reason;
	assert_true(n_blocks < RTE_DIM(block_notices));
	memcpy(&block_notices[n_blocks++], rte_pktmbuf_mtod(packet, void *),
		sizeof(block_notices[0]));
	rte_pktmbuf_free(packet);
}

static unsigned
blocks_told(void)
{
	weft_poll(lab);
	return n_blocks;
}

/* A datagram from a port of the host to a port of the server; which port it gets, 0: it is lost. */
static uint16_t
port_in_block(const struct bench_firewall *bench, const struct names *n, const char *host,
	uint16_t from_port, uint16_t to_port)
{
	struct make_ends ends = ends_between(IN, host, n->server);
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	put(bench, IN, frame, make_udp(frame, &ends, from_port, to_port, "x", 1));
	if (weft_nic_receive(bench->nics[OUT], got, sizeof(got)) == 0)
		return 0;
	assert_address(got, n->family, true, n->outside);
	return port_at(got, n->family, 0);
}

static void
check_blocks(const struct names *n)
{
	struct weft_prefix pool = prefix_of(n->outside);
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1,
		.ports = { 2000, 2367 }, /* from 2048 on five blocks */
		.port_block = 64 } };
	struct bench_firewall bench = translating(list, 1);
	const struct port_block_notice *first = &block_notices[0], *second = &block_notices[1];
	uint16_t port;

	n_blocks = 0;
	punt_register(lab, PUNT_PORT_BLOCK, take_block, NULL);
	/* a host has its own; what begins in it is told no more */
	for (unsigned i = 0; i < 64; i++) {
		port = port_in_block(&bench, n, n->host, (uint16_t)(5000 + i), 53);
		assert_int_equal(blocks_told(), 1);
		assert_in_range(port, first->first, first->last);
	}
	assert_true(first->given);
	assert_int_equal(first->last - first->first, 63);
	assert_in_range(first->first, 2048, 2304);
	assert_int_equal(first->first % 64, 0);
	assert_memory_equal(
		first->host.inside, prefix_of(n->host).address, n->family == 4 ? 4 : 16);
	assert_memory_equal(
		first->host.outside, prefix_of(n->outside).address, n->family == 4 ? 4 : 16);
	/* when all its ports are used it gets another: of one peer's only, to another they are free
	 */
	port = port_in_block(&bench, n, n->host, 6000, 54);
	assert_in_range(port, first->first, first->last);
	port = port_in_block(&bench, n, n->host, 6000, 53);
	assert_int_equal(blocks_told(), 2);
	assert_in_range(port, second->first, second->last);
	assert_int_not_equal(second->first, first->first);
	/* another host has another */
	port = port_in_block(&bench, n, n->other_host, 5000, 53);
	assert_int_equal(blocks_told(), 3);
	assert_in_range(port, block_notices[2].first, block_notices[2].last);
	/* they are kept for a while, and given back */
	lab_wait(60);
	assert_int_equal(connections_of(&bench), 0);
	port = port_in_block(&bench, n, n->host, 6000, 53);
	assert_int_equal(blocks_told(), 3);
	assert_true((port >= first->first && port <= first->last) ||
		    (port >= second->first && port <= second->last));
	lab_wait(200);
	assert_int_equal(blocks_told(), 6);
	for (unsigned i = 3; i < 6; i++)
		assert_false(block_notices[i].given);
	assert_int_equal(port_block_hosts(firewalls_of(lab)->shards[0].blocks), 0);
}

static void
test_blocks(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		check_blocks(&names[i]);
		lab_close_routers(state);
		lab_open(state);
	}
}

/* Nobody gets more than there are, and no host more than four. */
static void
test_blocks_used_up(void **state)
{
	struct weft_prefix pool = prefix_of("10.1.0.100");
	const struct weft_translation list[] = { { .match = { .name = "out" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &pool,
		.n_addresses = 1,
		.ports = { 2048, 2431 }, /* six */
		.port_block = 64,
		.endpoint_independent = true } };
	struct bench_firewall bench = translating(list, 1);
	unsigned passed = 0;

	(void)state;
	n_blocks = 0;
	punt_register(lab, PUNT_PORT_BLOCK, take_block, NULL);
	for (unsigned i = 0; i < 300; i++)
		passed +=
			port_in_block(&bench, &names[0], "10.0.0.1", (uint16_t)(5000 + i), 53) != 0;
	assert_int_equal(passed, 4 * 64);
	assert_int_equal(blocks_told(), 4);
	for (unsigned host = 2; host <= 4; host++) {
		char text[32];

		snprintf(text, sizeof(text), "10.0.0.%u", host);
		assert_int_equal(port_in_block(&bench, &names[0], text, 5000, 53) != 0, host <= 3);
	}
	assert_int_equal(blocks_told(), 6);
	assert_int_equal(lab_drops(bench.ports[IN], DROP_NO_TRANSLATION), 300 - 4 * 64 + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_source_tcp4),
		TEST(test_source_tcp6),
		TEST(test_source_udp4),
		TEST(test_source_udp6),
		TEST(test_ping),
		TEST(test_ping6),
		TEST(test_pool),
		TEST(test_destination),
		TEST(test_destination6),
		TEST(test_prefix),
		TEST(test_prefix6),
		TEST(test_errors),
		TEST(test_error_from_inside),
		TEST(test_fragments),
		TEST(test_answers),
		TEST(test_answers6),
		TEST(test_mappings),
		TEST(test_mappings_used_up),
		TEST(test_other_transports),
		TEST(test_blocks),
		TEST(test_blocks_used_up),
		TEST(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
