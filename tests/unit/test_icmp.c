/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip_frames.h"
#include "packet/edit.h"
#include "packet/icmp.h"
#include "packet/offload.h"

static const uint8_t router4[4] = { 192, 0, 2, 1 };
static const uint8_t router6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 9, [15] = 1 };

static uint8_t answer[FRAME_LIMIT], before[FRAME_LIMIT];

/* ---- errors ------------------------------------------------------------------------------- */

/* What an error about `packet` (which is freed) is, its bytes in `answer`. */
static size_t
error_bytes(struct rte_mbuf *packet, uint8_t type, uint8_t code, uint32_t rest)
{
	bool six = get16(frame + 12) == 0x86dd;
	size_t length = fixture_bytes(packet, before), now;
	struct rte_mbuf *error;

	packet_meta(packet)->hops = 7;
	packet_meta(packet)->trace = 99;
	packet_meta(packet)->flags |= PACKET_PROBE;
	error = six ? icmp6_error(&pools, packet, L3, type, code, rest, router6)
		    : icmp4_error(&pools, packet, L3, type, code, rest, router4);
	assert_non_null(error);
	assert_parsed(error);
	assert_int_equal(packet_meta(error)->hops, 7);
	assert_int_equal(packet_meta(error)->trace, 99);
	assert_int_equal(packet_meta(error)->flags, PACKET_PARSED | PACKET_PROBE);
	/* the offender is as it was */
	assert_int_equal(fixture_bytes(packet, answer), length);
	assert_memory_equal(answer, before, length);
	length = fixture_bytes(error, answer);
	assert_sound(answer, length);
	for (int i = 0; i < 12; i++)
		assert_int_equal(answer[i], 0);
	now = behind_ip(answer);
	assert_int_equal(answer[now], type);
	assert_int_equal(answer[now + 1], code);
	rte_pktmbuf_free(error);
	rte_pktmbuf_free(packet);
	return length;
}

static void
ip4_errors_quote_what_fits(void **state)
{
	for (unsigned payload = 0; payload < 1400; payload += 1 + random_number(9)) {
		unsigned options = 4 * random_number(11), total = 20 + options + payload;
		size_t length = make_ip4(IPPROTO_UDP, options, payload), error;
		/* with padding, which is not quoted */
		struct rte_mbuf *packet =
			fixture_chain(frame, length + random_number(30), L3 + random_number(2000));

		error = error_bytes(packet, ICMP4_UNREACHABLE, ICMP4_TOO_BIG, 1400);
		assert_int_equal(error, L3 + 28 + (total < 548 ? total : 548));
		assert_memory_equal(answer + L3 + 28, frame + L3, error - L3 - 28);
		assert_int_equal(answer[L3 + 1], 0xc0);      /* RFC 1812, 4.3.2.5 */
		assert_int_equal(get16(answer + L3 + 6), 0); /* may be fragmented */
		assert_int_equal(answer[L3 + 8], 64);
		assert_memory_equal(answer + L3 + 12, router4, 4);
		assert_memory_equal(answer + L3 + 16, frame + L3 + 12, 4);
		assert_int_equal(get16(answer + L3 + 26), 1400); /* RFC 1191, 4 */
		assert_int_equal(get16(answer + L3 + 24), 0);
	}
}

static void
the_rest_is_where_its_type_has_it(void **state)
{
	size_t length = make_ip4(IPPROTO_UDP, 0, 30);

	error_bytes(fixture_chain(frame, length, 2000), ICMP4_PARAMETER_PROBLEM, 0, 20);
	assert_memory_equal(answer + L3 + 24, "\x14\0\0\0", 4);
	error_bytes(fixture_chain(frame, length, 2000), ICMP4_REDIRECT, 1, 0xc0000209);
	assert_memory_equal(answer + L3 + 24, "\xc0\0\x02\x09", 4);
	length = make_ip6(IPPROTO_UDP, "", 30);
	error_bytes(fixture_chain(frame, length, 2000), ICMP6_PARAMETER_PROBLEM, 1, 0x2a);
	assert_memory_equal(answer + L3 + 44, "\0\0\0\x2a", 4);
	error_bytes(fixture_chain(frame, length, 2000), ICMP6_TOO_BIG, 0, 1480);
	assert_memory_equal(answer + L3 + 44, "\0\0\x05\xc8", 4);
}

static void
ip6_errors_quote_what_fits(void **state)
{
	for (unsigned payload = 0; payload < 2500; payload += 1 + random_number(19)) {
		size_t length = make_ip6(IPPROTO_UDP, "", payload), error;
		unsigned total = 40 + payload;
		struct rte_mbuf *packet =
			fixture_chain(frame, length + random_number(30), L3 + random_number(2000));

		error = error_bytes(packet, ICMP6_TIME_EXCEEDED, 0, 0);
		assert_int_equal(error, L3 + 48 + (total < 1232 ? total : 1232));
		assert_memory_equal(answer + L3 + 48, frame + L3, error - L3 - 48);
		assert_int_equal(answer[L3 + 7], 64);
		assert_memory_equal(answer + L3 + 8, router6, 16);
		assert_memory_equal(answer + L3 + 24, frame + L3 + 8, 16);
	}
}

/* What is quoted is what would have been on the wire. */
static void
partial_checksums_are_finished_in_the_quote(void **state)
{
	for (int round = 0; round < 400; round++) {
		bool six = round & 1;
		uint8_t protocol = round & 2 ? IPPROTO_UDP : IPPROTO_TCP;
		size_t payload = 20 + random_number(1400), error;
		size_t length = six ? make_ip6(protocol, "", payload)
				    : make_ip4(protocol, 4 * random_number(11), payload);
		unsigned headers = six ? 48 : 28;
		struct rte_mbuf *packet;

		seal_transport(frame, length, true);
		packet = fixture_chain(frame, length, L3 + random_number(800));
		mark_partial(packet, behind_ip(frame), protocol);
		error = error_bytes(packet, six ? ICMP6_UNREACHABLE : ICMP4_UNREACHABLE, 0, 0);
		seal_transport(frame, length, false);
		assert_memory_equal(answer + L3 + headers, frame + L3, error - L3 - headers);
	}
}

/* A TCP super-packet of either family in `frame`, partial; returns its length. */
static size_t
make_super(bool six, size_t payload)
{
	size_t length = six ? make_ip6(IPPROTO_TCP, "", 20 + payload)
			    : make_ip4(IPPROTO_TCP, 0, 20 + payload);
	uint8_t *tcp = frame + behind_ip(frame);

	tcp[12] = 0x50;
	tcp[13] = 0x99; /* CWR, ACK, PSH, FIN */
	seal_transport(frame, length, true);
	return length;
}

static void
of_a_super_packet_the_first_segment_is_quoted(void **state)
{
	for (int round = 0; round < 40; round++) {
		bool six = round & 1, no_buffer;
		size_t length = make_super(six, 20000), error;
		unsigned headers = six ? 48 : 28, n;
		struct rte_mbuf *packet = fixture_chain(frame, length, 900 + random_number(60000));
		struct rte_mbuf *copy = fixture_chain(frame, length, 30000), *segments[64];

		mark_partial(packet, behind_ip(frame), IPPROTO_TCP);
		packet_meta(packet)->gso = six ? PACKET_GSO_TCP6 : PACKET_GSO_TCP4;
		packet_meta(packet)->gso_size = 1400;
		packet_meta(packet)->header_length = (uint16_t)(behind_ip(frame) + 20);
		*packet_meta(copy) = *packet_meta(packet);
		error = error_bytes(packet, six ? ICMP6_TOO_BIG : ICMP4_UNREACHABLE, 0, 1300);
		n = offload_segment(&pools, copy, segments, 64, &no_buffer);
		assert_int_equal(n, 15);
		assert_memory_equal(answer + L3 + headers,
			rte_pktmbuf_mtod_offset(segments[0], uint8_t *, L3), error - L3 - headers);
		rte_pktmbuf_free_bulk(segments, n);
	}
}

/* With buffers for less than it takes nothing is made, and nothing lost. */
static void
without_buffers_there_is_no_error(void **state)
{
	static struct rte_mbuf *held[4095];

	for (int six = 0; six < 2; six++) {
		size_t length = make_super(six, 3000);
		struct rte_mbuf *packet = fixture_chain(frame, length, 60000);
		unsigned taken = 0;

		mark_partial(packet, behind_ip(frame), IPPROTO_TCP);
		packet_meta(packet)->gso = six ? PACKET_GSO_TCP6 : PACKET_GSO_TCP4;
		packet_meta(packet)->gso_size = 1400;
		packet_meta(packet)->header_length = (uint16_t)(behind_ip(frame) + 20);
		while (taken < RTE_DIM(held) &&
			(held[taken] = rte_pktmbuf_alloc(pools.small)) != NULL)
			taken++;
		for (int left = 0; left < 2; left++) {
			assert_null(six ? icmp6_error(&pools, packet, L3, 3, 0, 0, router6)
					: icmp4_error(&pools, packet, L3, 11, 0, 0, router4));
			/* one is enough for the segment that is to be quoted */
			rte_pktmbuf_free(held[--taken]);
		}
		rte_pktmbuf_free_bulk(held, taken);
		rte_pktmbuf_free(packet);
	}
}

/* ---- who may be answered ------------------------------------------------------------------ */

static bool
may_answer4(size_t length)
{
	bool result = false;

	seal_ip4(frame + L3);
	for (unsigned piece = L3; piece < 90; piece += 7) {
		struct rte_mbuf *packet = fixture_chain(frame, length, piece);

		result = icmp4_may_answer(packet, L3);
		rte_pktmbuf_free(packet);
	}
	return result;
}

/* RFC 1812, 4.3.2.7. */
static void
ip4_answers_follow_the_list(void **state)
{
	static const uint8_t sources[][4] = { { 0, 0, 0, 0 }, { 0, 1, 2, 3 }, { 127, 0, 0, 1 },
		{ 224, 0, 0, 1 }, { 255, 255, 255, 255 }, { 240, 0, 0, 1 } };
	size_t length = make_ip4(IPPROTO_UDP, 8, 20);

	assert_true(may_answer4(length));
	put16(frame + L3 + 6, 0x2000); /* the first fragment */
	assert_true(may_answer4(length));
	put16(frame + L3 + 6, 0x0001);
	assert_false(may_answer4(length));
	for (unsigned i = 0; i < RTE_DIM(sources); i++) {
		length = make_ip4(IPPROTO_UDP, 0, 20);
		memcpy(frame + L3 + 12, sources[i], 4);
		assert_false(may_answer4(length));
	}
	length = make_ip4(IPPROTO_UDP, 0, 20);
	memcpy(frame + L3 + 16, "\xe0\0\0\x05", 4);
	assert_false(may_answer4(length));
	memcpy(frame + L3 + 16, "\xff\xff\xff\xff", 4);
	assert_false(may_answer4(length));
	length = make_ip4(IPPROTO_UDP, 0, 20);
	frame[0] = 0x33;
	assert_false(may_answer4(length));
	for (unsigned type = 0; type < 256; type++) {
		static const char queries[] = { 0, 8, 9, 10, 13, 14, 15, 16, 17, 18 };
		static const char errors[] = { 3, 4, 5, 11, 12 };

		length = make_ip4(IPPROTO_ICMP, 8, 20);
		frame[L3 + 28] = (uint8_t)type;
		if (memchr(queries, (int)type, sizeof(queries)) != NULL)
			assert_true(may_answer4(length));
		if (memchr(errors, (int)type, sizeof(errors)) != NULL || type == 200)
			assert_false(may_answer4(length));
	}
	/* no type at all */
	assert_false(may_answer4(make_ip4(IPPROTO_ICMP, 8, 0)));
}

static bool
may_answer6(size_t length, uint8_t type, uint8_t code)
{
	bool result = false;

	for (unsigned piece = L3; piece < 130; piece += 7) {
		struct rte_mbuf *packet = fixture_chain(frame, length, piece);

		result = icmp6_may_answer(packet, L3, type, code);
		rte_pktmbuf_free(packet);
	}
	return result;
}

/* RFC 4443, 2.4 (e). */
static void
ip6_answers_follow_the_list(void **state)
{
	size_t length = make_ip6(IPPROTO_UDP, "", 20);

	assert_true(may_answer6(length, ICMP6_TIME_EXCEEDED, 0));
	frame[0] = 0x33; /* (e.4) */
	assert_false(may_answer6(length, ICMP6_TIME_EXCEEDED, 0));
	assert_true(may_answer6(length, ICMP6_TOO_BIG, 0));
	length = make_ip6(IPPROTO_UDP, "", 20);
	frame[L3 + 24] = 0xff; /* (e.3) */
	assert_false(may_answer6(length, ICMP6_PARAMETER_PROBLEM, 1));
	assert_true(may_answer6(length, ICMP6_PARAMETER_PROBLEM, 2));
	assert_true(may_answer6(length, ICMP6_TOO_BIG, 0));
	frame[L3 + 8] = 0xff; /* (e.6) */
	assert_false(may_answer6(length, ICMP6_TOO_BIG, 0));
	memset(frame + L3 + 8, 0, 16);
	assert_false(may_answer6(length, ICMP6_TOO_BIG, 0));
	for (unsigned type = 0; type < 256; type++) {
		bool error = type < 128 || type == 137; /* (e.1), (e.2) */

		length = make_ip6(IPPROTO_ICMPV6, "", 20);
		frame[L3 + 40] = (uint8_t)type;
		assert_int_equal(may_answer6(length, ICMP6_UNREACHABLE, 0), !error);
		length = make_ip6(IPPROTO_DSTOPTS, "3a00 010400000000", 20);
		frame[L3 + 48] = (uint8_t)type;
		assert_int_equal(may_answer6(length, ICMP6_TOO_BIG, 0), !error);
		/* behind an option that is not known, and a routing type */
		length = make_ip6(IPPROTO_DSTOPTS, "2b00 be0400000000 3a00 fd02 00000000", 20);
		frame[L3 + 56] = (uint8_t)type;
		assert_int_equal(may_answer6(length, ICMP6_PARAMETER_PROBLEM, 2), !error);
	}
	/* a chain of headers that is cut off, RFC 7112 */
	length = make_ip6(IPPROTO_FRAGMENT, "3c00 0001 00000000 3a02 010400000000", 0);
	assert_true(may_answer6(length, ICMP6_PARAMETER_PROBLEM, 3));
	assert_false(may_answer6(make_ip6(IPPROTO_ICMPV6, "", 0), ICMP6_TOO_BIG, 0));
	/* later fragments: of ICMPv6, which may be an error, and of others */
	length = make_ip6(IPPROTO_FRAGMENT, "3a00 0101 00000000", 20);
	frame[L3 + 48] = 128;
	assert_false(may_answer6(length, ICMP6_TOO_BIG, 0));
	length = make_ip6(IPPROTO_FRAGMENT, "1100 0101 00000000", 20);
	assert_true(may_answer6(length, ICMP6_TOO_BIG, 0));
	/* behind a header that the answer would be about, and behind one that is cut off */
	length = make_ip6(IPPROTO_ROUTING, "3a00 fd01 00000000", 20);
	frame[L3 + 48] = 3;
	assert_false(may_answer6(length, ICMP6_PARAMETER_PROBLEM, 0));
	frame[L3 + 48] = 128;
	assert_true(may_answer6(length, ICMP6_PARAMETER_PROBLEM, 0));
	assert_false(
		may_answer6(make_ip6(IPPROTO_DSTOPTS, "3a05 010400000000", 20), ICMP6_TOO_BIG, 0));
	assert_true(
		may_answer6(make_ip6(IPPROTO_DSTOPTS, "1105 010400000000", 20), ICMP6_TOO_BIG, 0));
}

/* ---- echo --------------------------------------------------------------------------------- */

static enum icmp_echo
reply_to(struct rte_mbuf *packet, const uint8_t *source)
{
	return get16(frame + 12) == 0x0800 ? icmp4_echo_reply_in_place(packet, L3)
					   : icmp6_echo_reply_in_place(packet, L3, source);
}

/* Not answered, and left as it was. */
static void
assert_no_reply(size_t length, enum icmp_echo expected)
{
	struct rte_mbuf *packet = fixture_chain(frame, length, 2000);

	assert_int_equal(reply_to(packet, NULL), expected);
	assert_int_equal(fixture_bytes(packet, answer), length);
	assert_memory_equal(answer, frame, length);
	rte_pktmbuf_free(packet);
}

static size_t
make_echo4(unsigned options, size_t payload)
{
	size_t length = make_ip4(IPPROTO_ICMP, options, 8 + payload);

	put16(frame + L3 + 20 + options, 0x0800);
	seal_transport(frame, length, false);
	return length;
}

static size_t
make_echo6(size_t payload)
{
	size_t length = make_ip6(IPPROTO_ICMPV6, "", 8 + payload);

	put16(frame + L3 + 40, 0x8000);
	seal_transport(frame, length, false);
	return length;
}

static void
echo_requests_become_replies(void **state)
{
	for (int round = 0; round < 1000; round++) {
		bool six = round & 1, partial = random_number(3) == 0, vouched = !random_number(3);
		unsigned options = six ? 0 : 4 * random_number(11), l4, size = six ? 16 : 4;
		unsigned from = six ? L3 + 8 : L3 + 12;
		size_t payload = random_number(1500);
		size_t length = six ? make_echo6(payload) : make_echo4(options, payload), after;
		struct rte_mbuf *packet;

		l4 = behind_ip(frame);
		if (six) /* a class, which is kept, and a label, which is not */
			memcpy(frame + L3, "\x6b\x81\x23\x45", 4);
		if (partial)
			seal_transport(frame, length, true);
		packet = fixture_chain(frame, length, l4 + 8 + random_number(1000));
		if (partial)
			mark_partial(packet, l4, IPPROTO_ICMPV6);
		else if (vouched)
			packet_meta(packet)->offload = PACKET_CHECKSUM_GOOD;
		assert_int_equal(reply_to(packet, NULL), ICMP_ECHO_REPLIED);
		assert_parsed(packet);
		packet = offload_finish_checksum(&pools, packet);
		after = fixture_bytes(packet, answer);
		assert_int_equal(after, length - options);
		assert_sound(answer, after);
		assert_memory_equal(answer, frame, 14);
		assert_memory_equal(answer + from, frame + from + size, size);
		assert_memory_equal(answer + from + size, frame + from, size);
		assert_int_equal(answer[six ? L3 + 7 : L3 + 8], 64);
		if (six)
			assert_memory_equal(answer + L3, "\x6b\x80\0\0", 4);
		assert_int_equal(answer[l4 - options], six ? 129 : 0);
		/* id, sequence, payload */
		assert_memory_equal(answer + l4 - options + 4, frame + l4 + 4, payload + 4);
		rte_pktmbuf_free(packet);
	}
}

static void
what_is_no_proper_request_gets_no_reply(void **state)
{
	uint8_t *ip = frame + L3;
	struct rte_mbuf *packet;
	size_t length = make_echo4(0, 30);

	frame[L3 + 40] ^= 1;
	assert_no_reply(length, ICMP_ECHO_BAD_CHECKSUM);
	/* a partial checksum of something else */
	packet = fixture_chain(frame, length, 2000);
	mark_partial(packet, L3 + 24, IPPROTO_ICMP);
	assert_int_equal(icmp4_echo_reply_in_place(packet, L3), ICMP_ECHO_BAD_CHECKSUM);
	rte_pktmbuf_free(packet);
	length = make_echo6(30);
	frame[L3 + 60] ^= 1;
	assert_no_reply(length, ICMP_ECHO_BAD_CHECKSUM);

	for (unsigned type = 0; type < 256; type++) {
		length = make_echo4(0, 9);
		ip[20] = (uint8_t)type;
		seal_transport(frame, length, false);
		if (type != 8)
			assert_no_reply(length, ICMP_ECHO_NOT);
		length = make_echo6(9);
		ip[40] = (uint8_t)type;
		seal_transport(frame, length, false);
		if (type != 128)
			assert_no_reply(length, ICMP_ECHO_NOT);
	}
	for (size_t cut = 0; cut < 8; cut++) {
		length = make_ip4(IPPROTO_ICMP, 0, cut);
		ip[20] = 8;
		assert_no_reply(length, ICMP_ECHO_NOT);
		length = make_ip6(IPPROTO_ICMPV6, "", cut);
		ip[40] = 128;
		assert_no_reply(length, ICMP_ECHO_NOT);
	}
	length = make_echo4(0, 9);
	put16(ip + 6, 0x2000);
	seal_ip4(ip);
	assert_no_reply(length, ICMP_ECHO_NOT);
	length = make_echo4(0, 9);
	memcpy(ip + 16, "\xff\xff\xff\xff", 4);
	seal_ip4(ip);
	assert_no_reply(length, ICMP_ECHO_NOT);
	memcpy(ip + 12, "\0\0\0\0\x0a\0\0\x01", 8);
	seal_ip4(ip);
	assert_no_reply(length, ICMP_ECHO_NOT);
	length = make_echo4(0, 9);
	memset(frame, 0xff, 6);
	assert_no_reply(length, ICMP_ECHO_NOT);
	length = make_echo6(9);
	ip[24] = 0xff;
	seal_transport(frame, length, false);
	assert_no_reply(length, ICMP_ECHO_NOT);
}

static void
a_group_is_answered_from_an_address_of_ones_own(void **state)
{
	for (int partial = 0; partial < 2; partial++) {
		size_t length = make_echo6(33);
		struct rte_mbuf *packet;

		frame[L3 + 24] = 0xff;
		frame[L3 + 25] = 0x02;
		frame[0] = frame[1] = 0x33;
		seal_transport(frame, length, partial);
		packet = fixture_chain(frame, length, 2000);
		if (partial)
			mark_partial(packet, L3 + 40, IPPROTO_ICMPV6);
		assert_int_equal(icmp6_echo_reply_in_place(packet, L3, router6), ICMP_ECHO_REPLIED);
		packet = offload_finish_checksum(&pools, packet);
		assert_int_equal(fixture_bytes(packet, answer), length);
		assert_sound(answer, length);
		assert_memory_equal(answer + L3 + 8, router6, 16);
		assert_memory_equal(answer + L3 + 24, frame + L3 + 8, 16);
		rte_pktmbuf_free(packet);
	}
}

static void
extension_headers_are_not_sent_back(void **state)
{
	/* hop-by-hop with router alert, and an atomic fragment (RFC 6946) */
	size_t length = make_ip6(IPPROTO_HOPOPTS,
		"2c00 05020000 0100 3a00 0000 00000007 80000000 00010002 aabbcc", 0);
	uint8_t *icmp = frame + L3 + 56;
	struct rte_mbuf *packet;

	put16(icmp + 2,
		0xffff ^ slow_fold(slow_sum(frame + L3 + 8, 32) + 58 + 11 + slow_sum(icmp, 11)));
	packet = fixture_chain(frame, length, 2000);
	assert_int_equal(icmp6_echo_reply_in_place(packet, L3, NULL), ICMP_ECHO_REPLIED);
	assert_parsed(packet);
	assert_int_equal(fixture_bytes(packet, answer), L3 + 40 + 11);
	assert_sound(answer, L3 + 40 + 11);
	assert_memory_equal(answer + L3 + 44, icmp + 4, 7);
	rte_pktmbuf_free(packet);
}

/* ---- resets ------------------------------------------------------------------------------- */

static size_t
make_tcp(bool six, uint8_t flags, size_t payload)
{
	size_t length = six ? make_ip6(IPPROTO_TCP, "", 24 + payload)
			    : make_ip4(IPPROTO_TCP, 4, 24 + payload);
	uint8_t *tcp = frame + behind_ip(frame);

	tcp[12] = 0x60;
	tcp[13] = flags;
	seal_transport(frame, length, false);
	return length;
}

static struct rte_mbuf *
reset_for(size_t length, unsigned piece)
{
	struct rte_mbuf *packet = fixture_chain(frame, length, piece);
	struct rte_mbuf *reset = tcp_reset(&pools, packet, L3);

	rte_pktmbuf_free(packet);
	return reset;
}

/* RFC 9293, 3.5.2, 1. */
static void
resets_answer_what_nobody_expects(void **state)
{
	for (int round = 0; round < 256; round++) {
		bool six = round & 0x40, ack = round & 0x10;
		unsigned payload = random_number(100), l4 = six ? 40 : 20, from, size, expected;
		size_t length = make_tcp(six, (uint8_t)round, payload), after;
		struct rte_mbuf *reset = reset_for(length, L3 + random_number(200));
		const uint8_t *tcp = frame + behind_ip(frame), *out = answer + L3 + l4;

		if (round & 0x04) {
			assert_null(reset);
			continue;
		}
		assert_non_null(reset);
		assert_parsed(reset);
		after = fixture_bytes(reset, answer);
		assert_int_equal(after, L3 + l4 + 20);
		assert_sound(answer, after);
		from = six ? L3 + 8 : L3 + 12;
		size = six ? 16 : 4;
		assert_memory_equal(answer + from, frame + from + size, size);
		assert_memory_equal(answer + from + size, frame + from, size);
		assert_memory_equal(out, tcp + 2, 2);
		assert_memory_equal(out + 2, tcp, 2);
		assert_int_equal(out[13], ack ? 0x04 : 0x14);
		if (ack) {
			assert_memory_equal(out + 4, tcp + 8, 4);
			assert_memory_equal(out + 8, "\0\0\0\0", 4);
		} else {
			expected = (get16(tcp + 4) << 16 | get16(tcp + 6)) + payload +
				   !!(round & 2) + (round & 1);
			assert_memory_equal(out + 4, "\0\0\0\0", 4);
			assert_int_equal(get16(out + 8) << 16 | get16(out + 10), expected);
		}
		rte_pktmbuf_free(reset);
	}
}

static void
resets_are_not_for_everything(void **state)
{
	uint8_t *ip = frame + L3;
	size_t length = make_tcp(false, 0x02, 9);

	frame[length - 1] ^= 1;
	assert_null(reset_for(length, 2000));
	length = make_tcp(true, 0x02, 9);
	frame[length - 1] ^= 1;
	assert_null(reset_for(length, 2000));
	length = make_tcp(false, 0x02, 9);
	put16(ip + 6, 0x2000);
	assert_null(reset_for(length, 2000));
	length = make_tcp(false, 0x02, 9);
	ip[16] = 224;
	seal_transport(frame, length, false);
	assert_null(reset_for(length, 2000));
	length = make_tcp(false, 0x02, 9);
	frame[0] = 1;
	assert_null(reset_for(length, 2000));
	length = make_tcp(true, 0x02, 0);
	frame[L3 + 52] = 0xf0;
	seal_transport(frame, length, false);
	assert_null(reset_for(length, 2000));
	frame[L3 + 52] = 0x40;
	seal_transport(frame, length, false);
	assert_null(reset_for(length, 2000));
	assert_null(reset_for(make_ip4(IPPROTO_TCP, 0, 19), 2000));
	assert_null(reset_for(make_ip4(IPPROTO_UDP, 0, 40), 2000));
}

static int
close_group(void **state)
{
	return fixture_nothing_lost() ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip4_errors_quote_what_fits),
		cmocka_unit_test(the_rest_is_where_its_type_has_it),
		cmocka_unit_test(ip6_errors_quote_what_fits),
		cmocka_unit_test(partial_checksums_are_finished_in_the_quote),
		cmocka_unit_test(of_a_super_packet_the_first_segment_is_quoted),
		cmocka_unit_test(without_buffers_there_is_no_error),
		cmocka_unit_test(ip4_answers_follow_the_list),
		cmocka_unit_test(ip6_answers_follow_the_list),
		cmocka_unit_test(echo_requests_become_replies),
		cmocka_unit_test(what_is_no_proper_request_gets_no_reply),
		cmocka_unit_test(a_group_is_answered_from_an_address_of_ones_own),
		cmocka_unit_test(extension_headers_are_not_sent_back),
		cmocka_unit_test(resets_answer_what_nobody_expects),
		cmocka_unit_test(resets_are_not_for_everything),
	};

	fixture_open();
	return cmocka_run_group_tests(tests, NULL, close_group);
}
