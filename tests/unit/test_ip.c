/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip_frames.h"
#include "packet/edit.h"
#include "packet/ip.h"
#include "packet/offload.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Whatever a chain is cut into, the verdict is the same. */
static enum ip_result
check(size_t length)
{
	enum ip_result result = 0;

	for (size_t piece = L3; piece <= 100; piece += 3) {
		struct rte_mbuf *packet = fixture_chain(frame, length, piece);
		enum ip_result now =
			get16(frame + 12) == 0x0800 ? ip4_check(packet, L3) : ip6_check(packet, L3);

		if (piece > L3)
			assert_int_equal(now, result);
		result = now;
		rte_pktmbuf_free(packet);
	}
	return result;
}

/* ---- judging headers --------------------------------------------------------------------- */

static void
sound_ip4_headers_pass(void **state)
{
	for (unsigned options = 0; options <= 40; options += 4) {
		assert_int_equal(check(make_ip4(IPPROTO_UDP, options, 0)), IP_OK);
		assert_int_equal(check(make_ip4(IPPROTO_UDP, options, 33)), IP_OK);
		/* padding behind it */
		assert_int_equal(check(make_ip4(IPPROTO_UDP, options, 3) + 20), IP_OK);
	}
	assert_int_equal(check(make_ip4(IPPROTO_UDP, 0, 50000)), IP_OK);
}

/* By the steps of RFC 1812, 5.2.2. */
static void
bad_ip4_headers_are_told_apart(void **state)
{
	uint8_t *ip = frame + L3;

	for (size_t length = 0; length < 20; length++) {
		make_ip4(IPPROTO_UDP, 0, 0);
		assert_int_equal(check(L3 + length), IP_TOO_SHORT);
	}
	make_ip4(IPPROTO_UDP, 0, 8);
	ip[0] = 0x65;
	seal_ip4(ip);
	assert_int_equal(check(L3 + 28), IP_BAD_VERSION);
	make_ip4(IPPROTO_UDP, 0, 8);
	ip[0] = 0x44;
	assert_int_equal(check(L3 + 28), IP_BAD_HEADER_LENGTH);
	make_ip4(IPPROTO_UDP, 12, 0);
	assert_int_equal(check(L3 + 31), IP_BAD_HEADER_LENGTH);
	make_ip4(IPPROTO_UDP, 0, 8);
	put16(ip + 2, 19);
	seal_ip4(ip);
	assert_int_equal(check(L3 + 28), IP_BAD_LENGTH);
	put16(ip + 2, 29);
	seal_ip4(ip);
	assert_int_equal(check(L3 + 28), IP_BAD_LENGTH);
	make_ip4(IPPROTO_UDP, 8, 8);
	put16(ip + 2, 27);
	seal_ip4(ip);
	assert_int_equal(check(L3 + 36), IP_BAD_LENGTH);
}

static void
each_flipped_bit_of_an_ip4_header_is_seen(void **state)
{
	for (unsigned options = 0; options <= 40; options += 20) {
		size_t length = make_ip4(IPPROTO_TCP, options, 40);

		for (unsigned bit = 0; bit < (20 + options) * 8; bit++) {
			frame[L3 + bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(check(length), IP_OK);
			frame[L3 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(check(length), IP_OK);
	}
}

/* The quick sum against the slow one, where carries matter, too. */
static void
header_sums_equal_slow_ones(void **state)
{
	uint8_t header[20];

	for (int round = 0; round < 100000; round++) {
		for (int i = 0; i < 20; i++)
			header[i] = (uint8_t)(random_number(2) ? 0xff : random_number(256));
		header[0] = 0x45;
		seal_ip4(header);
		assert_int_equal(ip4_header_sum(header), 0xffff);
		header[19]++;
		assert_int_equal(
			rte_be_to_cpu_16(ip4_header_sum(header)), slow_fold(slow_sum(header, 20)));
	}
	memset(header, 0xff, sizeof(header));
	assert_int_equal(ip4_header_sum(header), 0xffff);
}

static void
ip6_headers_are_judged(void **state)
{
	uint8_t *ip = frame + L3;

	assert_int_equal(check(make_ip6(IPPROTO_UDP, "", 20)), IP_OK);
	assert_int_equal(check(make_ip6(IPPROTO_UDP, "", 20) + 7), IP_OK);
	assert_int_equal(check(make_ip6(59, "", 0)), IP_OK);
	for (size_t length = 0; length < 40; length++)
		assert_int_equal(check(L3 + length), IP_TOO_SHORT);
	assert_int_equal(check(make_ip6(IPPROTO_UDP, "", 20) - 1), IP_BAD_LENGTH);
	make_ip6(IPPROTO_UDP, "", 20);
	ip[0] = 0x45;
	assert_int_equal(check(L3 + 60), IP_BAD_VERSION);
	/* a jumbogram, RFC 2675 */
	make_ip6(IPPROTO_HOPOPTS, "3b00 c204 00010000", 0);
	put16(ip + 4, 0);
	assert_int_equal(check(L3 + 48), IP_BAD_LENGTH);
}

static void
padding_is_cut_off(void **state)
{
	uint8_t after[200];

	for (size_t piece = L3; piece < 120; piece++) {
		for (int six = 0; six < 2; six++) {
			size_t length =
				six ? make_ip6(IPPROTO_UDP, "", 11) : make_ip4(IPPROTO_UDP, 0, 11);
			struct rte_mbuf *packet = fixture_chain(frame, length + 40, piece);

			for (int twice = 0; twice < 2; twice++) {
				ip_trim(packet, L3);
				rte_mbuf_sanity_check(packet, 1);
				assert_int_equal(rte_pktmbuf_pkt_len(packet), length);
				assert_int_equal(fixture_bytes(packet, after), length);
				assert_memory_equal(after, frame, length);
			}
			rte_pktmbuf_free(packet);
		}
	}
}

static void
a_partial_checksum_of_padding_goes_with_it(void **state)
{
	size_t length = make_ip4(IPPROTO_UDP, 0, 20);
	struct rte_mbuf *packet;

	for (unsigned field = L3 + 20; field < L3 + 50; field++) {
		packet = fixture_chain(frame, length + 30, 2000);
		mark_partial(packet, field - 6, IPPROTO_UDP);
		ip_trim(packet, L3);
		assert_int_equal(packet_meta(packet)->offload,
			field + 2 <= length ? PACKET_NEEDS_CHECKSUM : 0);
		packet = offload_finish_checksum(&pools, packet);
		assert_non_null(packet);
		rte_pktmbuf_free(packet);
	}
}

/* ---- extension headers ------------------------------------------------------------------- */

static enum ip6_walk
walk(uint8_t next, const char *extensions, size_t payload, struct ip6_upper *upper)
{
	size_t length = make_ip6(next, extensions, payload);
	enum ip6_walk result = 0;

	for (size_t piece = L3; piece <= 100; piece += 5) {
		struct rte_mbuf *packet = fixture_chain(frame, length + 9, piece);

		assert_int_equal(ip6_check(packet, L3), IP_OK);
		result = ip6_find_upper(packet, L3, upper);
		rte_pktmbuf_free(packet);
	}
	return result;
}

static void
upper_headers_are_found(void **state)
{
	struct ip6_upper upper;

	assert_int_equal(walk(IPPROTO_TCP, "", 20, &upper), IP6_UPPER);
	assert_int_equal(upper.offset, L3 + 40);
	assert_int_equal(upper.protocol, IPPROTO_TCP);
	assert_int_equal(upper.next_field, L3 + 6);
	assert_false(upper.fragment);

	/* hop-by-hop with router alert, destination options, routing done, AH of 16 bytes */
	assert_int_equal(walk(IPPROTO_HOPOPTS,
				 "3c00 05020000 0100"
				 "2b01 0000000000 0107 00000000000000"
				 "3300 04 00 00000000"
				 "1102 0000 00000000 0000000000000000",
				 8, &upper),
		IP6_UPPER);
	assert_int_equal(upper.offset, L3 + 40 + 8 + 16 + 8 + 16);
	assert_int_equal(upper.protocol, IPPROTO_UDP);
	assert_int_equal(upper.next_field, L3 + 40 + 8 + 16 + 8);

	assert_int_equal(walk(59, "", 0, &upper), IP6_UPPER);
	assert_int_equal(upper.protocol, 59);
	/* an upper protocol that nobody knows */
	assert_int_equal(walk(IPPROTO_DSTOPTS, "fd00 010400000000", 0, &upper), IP6_UPPER);
	assert_int_equal(upper.protocol, 0xfd);
	assert_int_equal(upper.next_field, L3 + 40);
}

static void
fragments_are_told(void **state)
{
	struct ip6_upper upper;

	assert_int_equal(walk(IPPROTO_FRAGMENT, "1100 0001 deadbeef", 8, &upper), IP6_UPPER);
	assert_true(upper.fragment && upper.more);
	assert_int_equal(upper.fragment_offset, 0);
	assert_int_equal(upper.fragment_header, L3 + 40);
	assert_int_equal(upper.fragment_field, L3 + 6);
	assert_int_equal(upper.id, 0xdeadbeef);
	assert_int_equal(upper.offset, L3 + 48);

	assert_int_equal(walk(IPPROTO_DSTOPTS, "2c00 010400000000 3c00 0ff8 00000007", 8, &upper),
		IP6_LATER);
	assert_true(upper.fragment && !upper.more);
	assert_int_equal(upper.fragment_offset, 0x0ff8);
	assert_int_equal(upper.fragment_header, L3 + 48);
	assert_int_equal(upper.fragment_field, L3 + 40);
	assert_int_equal(upper.protocol, IPPROTO_DSTOPTS);
	assert_int_equal(upper.offset, L3 + 56);

	/* RFC 6946: atomic */
	assert_int_equal(walk(IPPROTO_FRAGMENT, "1100 0000 00000001", 8, &upper), IP6_UPPER);
	assert_true(upper.fragment && !upper.more && upper.fragment_offset == 0);
}

static void
assert_problem(enum ip6_walk expected, unsigned code, unsigned pointer, uint8_t next,
	const char *extensions)
{
	struct ip6_upper upper;

	assert_int_equal(walk(next, extensions, 8, &upper), expected);
	assert_int_equal(upper.code, code);
	assert_int_equal(upper.pointer, pointer);
}

static void
problems_point_at_their_field(void **state)
{
	struct ip6_upper upper;

	/* RFC 8200, 4.2: the four kinds of options that are not known */
	assert_int_equal(walk(IPPROTO_DSTOPTS, "1100 3e0400000000", 8, &upper), IP6_UPPER);
	assert_int_equal(walk(IPPROTO_DSTOPTS, "1100 7e0400000000", 8, &upper), IP6_SILENT);
	assert_problem(IP6_PROBLEM, 2, 42, IPPROTO_DSTOPTS, "1100 be0400000000");
	assert_problem(IP6_PROBLEM_HOST, 2, 43, IPPROTO_HOPOPTS, "1100 00 fe03 000000");
	/* an option longer than its header; one without a length */
	assert_problem(IP6_PROBLEM, 0, 43, IPPROTO_HOPOPTS, "1100 010500000000");
	assert_problem(IP6_PROBLEM, 0, 47, IPPROTO_HOPOPTS, "1100 010300000001");
	/* hop-by-hop options that are not first */
	assert_problem(IP6_PROBLEM, 1, 40, IPPROTO_DSTOPTS, "0000 010400000000 1100 010400000000");
	/* routing types with segments left, type 0 too (RFC 5095) */
	assert_problem(IP6_PROBLEM, 0, 42, IPPROTO_ROUTING, "1100 0001 00000000");
	assert_problem(IP6_PROBLEM, 0, 42, IPPROTO_ROUTING, "1100 fd02 00000000");
	/* two fragment headers */
	assert_problem(IP6_PROBLEM, 1, 40, IPPROTO_FRAGMENT, "2c00000100000001 1100000100000001");
}

static void
endless_headers_end(void **state)
{
	char headers[600] = "", options[600] = "1107";
	struct ip6_upper upper;

	for (int i = 0; i < 8; i++)
		strcat(headers, "3c00 010400000000");
	assert_int_equal(walk(IPPROTO_DSTOPTS, headers, 8, &upper), IP6_TOO_MANY);
	headers[strlen("3c00 010400000000") * 7] = '\0';
	memcpy(headers + strlen("3c00 010400000000") * 6, "11", 2);
	assert_int_equal(walk(IPPROTO_DSTOPTS, headers, 8, &upper), IP6_UPPER);
	assert_int_equal(upper.protocol, IPPROTO_UDP);
	for (int i = 0; i < 62; i++)
		strcat(options, "00");
	assert_int_equal(walk(IPPROTO_DSTOPTS, options, 8, &upper), IP6_TOO_MANY);
}

/* However a chain of headers is cut off, nothing behind the packet's end is read. */
static void
cut_off_headers_are_seen(void **state)
{
	static const char chain[] = "3c00 050200000100 2b00 010400000000 2c00 000000000000"
				    "3300 000100000001 1101 000000000000 00000000";
	size_t length = make_ip6(IPPROTO_HOPOPTS, chain, 0);
	struct ip6_upper upper;

	for (size_t cut = L3 + 40; cut <= length; cut++) {
		struct rte_mbuf *packet = fixture_chain(frame, length, 2000);

		put16(rte_pktmbuf_mtod_offset(packet, uint8_t *, L3 + 4),
			(unsigned)(cut - L3 - 40));
		/* an empty payload behind hop-by-hop is a jumbogram's */
		assert_int_equal(ip6_check(packet, L3), cut == L3 + 40 ? IP_BAD_LENGTH : IP_OK);
		assert_int_equal(
			ip6_find_upper(packet, L3, &upper), cut < length ? IP6_CUT_OFF : IP6_UPPER);
		rte_pktmbuf_free(packet);
	}
}

/* ---- addresses --------------------------------------------------------------------------- */

/* Each first octet against the ranges as the RFCs write them. */
static void
ip4_addresses_are_told_apart(void **state)
{
	for (unsigned first = 0; first < 256; first++) {
		uint8_t address[4] = { (uint8_t)first, 1, 2, 3 };
		bool nobody = first == 0 || first == 127, high = first >= 240;
		bool group = first >= 224 && first <= 239;

		assert_int_equal(ip4_is_multicast(address), group);
		assert_int_equal(ip4_is_martian_source(address), nobody || group || high);
		assert_int_equal(ip4_is_martian_destination(address), nobody || high);
		assert_false(ip4_is_broadcast(address));
	}
	assert_true(ip4_is_broadcast((const uint8_t[]){ 255, 255, 255, 255 }));
	assert_false(ip4_is_broadcast((const uint8_t[]){ 255, 255, 255, 254 }));
	assert_false(ip4_is_martian_destination((const uint8_t[]){ 255, 255, 255, 255 }));
	assert_true(ip4_is_martian_source((const uint8_t[]){ 255, 255, 255, 255 }));
	assert_true(ip4_is_link_local((const uint8_t[]){ 169, 254, 3, 4 }));
	assert_false(ip4_is_link_local((const uint8_t[]){ 169, 253, 3, 4 }));
}

static void
assert_ip6(const char *hex, bool link_local, bool martian_source, bool martian_destination)
{
	uint8_t address[16];

	assert_int_equal(from_hex(address, hex), 16);
	assert_int_equal(ip6_is_link_local(address), link_local);
	assert_int_equal(ip6_is_martian_source(address), martian_source);
	assert_int_equal(ip6_is_martian_destination(address), martian_destination);
}

static void
ip6_addresses_are_told_apart(void **state)
{
	assert_ip6("20010db8000000000000000000000001", false, false, false);
	assert_ip6("fe800000000000000000000000000001", true, false, false);
	assert_ip6("febf0000000000000000000000000001", true, false, false);
	assert_ip6("fec00000000000000000000000000001", false, false, false);
	assert_ip6("00000000000000000000000000000000", false, true, true);
	assert_ip6("00000000000000000000000000000001", false, true, true);
	assert_ip6("00000000000000000000000000000002", false, false, false);
	assert_ip6("00000000000000000000ffff0a000001", false, true, true);
	assert_ip6("00000000000000010000ffff0a000001", false, false, false);
	assert_ip6("ff020000000000000000000000000001", false, true, false);
	assert_ip6("ff0e0000000000000000000000000001", false, true, false);
	assert_ip6("ff010000000000000000000000000001", false, true, true);
	assert_ip6("ff300000000000000000000000000001", false, true, true);
}

static void
groups_have_their_macs(void **state)
{
	uint8_t address[16], group[16], expected[16];
	struct rte_ether_addr mac;

	from_hex(address, "fe80000000000000 123456fffe789abc");
	ip6_solicited_node(group, address);
	from_hex(expected, "ff020000000000000000 0001ff789abc");
	assert_memory_equal(group, expected, 16);
	ip6_multicast_mac(&mac, group);
	assert_memory_equal(&mac, "\x33\x33\xff\x78\x9a\xbc", 6);
	ip4_multicast_mac(&mac, (const uint8_t[]){ 239, 129, 2, 3 });
	assert_memory_equal(&mac, "\x01\x00\x5e\x01\x02\x03", 6);
}

/* ---- edits for routers ------------------------------------------------------------------- */

/* A SYN with these options, padded to words with ends of options. */
static size_t
make_syn(bool six, const char *options, size_t payload)
{
	uint8_t list[60] = { 0 };
	size_t n = (from_hex(list, options) + 3) / 4 * 4;
	size_t length = six ? make_ip6(IPPROTO_TCP, "", 20 + n + payload)
			    : make_ip4(IPPROTO_TCP, 0, 20 + n + payload);
	uint8_t *tcp = frame + behind_ip(frame);

	tcp[12] = (uint8_t)((5 + n / 4) << 4);
	tcp[13] = 0x02;
	memcpy(tcp + 20, list, n);
	seal_transport(frame, length, false);
	return length;
}

/* As the packet is after clamping, in any pieces, shared and partial; false: unchanged. */
static bool
clamped(size_t length, uint16_t mss, unsigned expected_at, unsigned expected_mss)
{
	static uint8_t before[FRAME_LIMIT], after[FRAME_LIMIT];
	unsigned l4 = behind_ip(frame);
	bool changed = false;

	memcpy(before, frame, length);
	for (int round = 0; round < 24; round++) {
		bool partial = round & 1, shared = round & 2;
		struct rte_mbuf *packet, *other = NULL;
		struct edit_log log = { 0 };

		memcpy(frame, before, length);
		seal_transport(frame, length, partial);
		packet = fixture_chain(frame, length, L3 + 7 * (unsigned)round);
		if (partial)
			mark_partial(packet, l4, IPPROTO_TCP);
		assert_int_equal(packet_parse(packet), PARSE_OK);
		if (shared)
			other = rte_pktmbuf_clone(packet, pools.small);
		packet_meta(packet)->log = &log;
		packet = edit_clamp_mss(&pools, packet, mss);
		assert_parsed(packet);
		packet_meta(packet)->log = NULL;
		if (other != NULL) {
			assert_int_equal(fixture_bytes(other, after), length);
			assert_memory_equal(after, frame, length);
			rte_pktmbuf_free(other);
		}
		changed = log.what & EDIT_MSS;
		if (changed) {
			assert_int_equal(log.mss, rte_cpu_to_be_16(mss));
			put16(frame + l4 + expected_at, expected_mss);
		}
		assert_int_equal(log.what & ~EDIT_MSS, 0);
		seal_transport(frame, length, false);
		packet = offload_finish_checksum(&pools, packet);
		assert_int_equal(fixture_bytes(packet, after), length);
		assert_memory_equal(after, frame, length);
		rte_pktmbuf_free(packet);
	}
	memcpy(frame, before, length);
	return changed;
}

static void
large_segment_sizes_are_clamped(void **state)
{
	for (int six = 0; six < 2; six++) {
		size_t length = make_syn(six, "020405b4 0402 080a 0102030405060708 01 030307", 7);

		assert_true(clamped(length, 1400, 22, 1400));
		assert_true(clamped(length, 1459, 22, 1459));
		assert_false(clamped(length, 1460, 0, 0));
		assert_false(clamped(length, 9000, 0, 0));
		/* across two words of the checksum */
		length = make_syn(six, "01 020405b4", 0);
		assert_true(clamped(length, 536, 23, 536));
		length = make_syn(six, "fd05010203 01 0204ffff", 3);
		assert_true(clamped(length, 1220, 28, 1220));
		length = make_syn(six, "fd06010203 04 01 0204ffff", 3);
		assert_true(clamped(length, 1220, 29, 1220));
	}
}

static void
what_has_no_whole_segment_size_stays(void **state)
{
	static const char *const lists[] = { "", "0000", "00 020405b4", "0203 05b4", "0205 05b4ff",
		"01010204", "0200 05b4", "fd09 0204ffff", "fd00 0204ffff", "010101fd" };
	size_t length;

	for (unsigned i = 0; i < RTE_DIM(lists); i++)
		assert_false(clamped(make_syn(i & 1, lists[i], 9), 500, 0, 0));
	length = make_syn(false, "020405b4", 0);
	frame[behind_ip(frame) + 13] = 0x10; /* no SYN */
	assert_false(clamped(length, 500, 0, 0));
	length = make_syn(false, "020405b4", 0);
	frame[behind_ip(frame) + 12] = 0xf0; /* options behind the packet's end */
	assert_false(clamped(length, 500, 0, 0));
	length = make_syn(false, "020405b4", 0);
	put16(frame + L3 + 6, 0x0001); /* a later fragment */
	seal_ip4(frame + L3);
	assert_false(clamped(length, 500, 0, 0));
}

static void
both_macs_are_set_at_once(void **state)
{
	const struct rte_ether_addr to = { { 2, 1, 1, 1, 1, 1 } }, by = { { 2, 2, 2, 2, 2, 3 } };
	size_t length = make_ip4(IPPROTO_UDP, 0, 8);
	struct rte_mbuf *packet = fixture_chain(frame, length, 2000);
	struct edit_log log = { 0 };
	uint8_t after[100];

	edit_set_ether_both(packet, edit_mac_word(&to), edit_mac_word(&by));
	packet_meta(packet)->log = &log;
	edit_set_ether_both(packet, edit_mac_word(&to), edit_mac_word(&by));
	assert_int_equal(log.what, EDIT_ETHER_SOURCE | EDIT_ETHER_DESTINATION);
	assert_memory_equal(&log.ether_source, &by, 6);
	assert_memory_equal(&log.ether_destination, &to, 6);
	assert_int_equal(fixture_bytes(packet, after), length);
	assert_memory_equal(after, "\2\1\1\1\1\1\2\2\2\2\2\3", 12);
	assert_memory_equal(after + 12, frame + 12, length - 12);
	rte_pktmbuf_free(packet);
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
		cmocka_unit_test(sound_ip4_headers_pass),
		cmocka_unit_test(bad_ip4_headers_are_told_apart),
		cmocka_unit_test(each_flipped_bit_of_an_ip4_header_is_seen),
		cmocka_unit_test(header_sums_equal_slow_ones),
		cmocka_unit_test(ip6_headers_are_judged),
		cmocka_unit_test(padding_is_cut_off),
		cmocka_unit_test(a_partial_checksum_of_padding_goes_with_it),
		cmocka_unit_test(upper_headers_are_found),
		cmocka_unit_test(fragments_are_told),
		cmocka_unit_test(problems_point_at_their_field),
		cmocka_unit_test(endless_headers_end),
		cmocka_unit_test(cut_off_headers_are_seen),
		cmocka_unit_test(ip4_addresses_are_told_apart),
		cmocka_unit_test(ip6_addresses_are_told_apart),
		cmocka_unit_test(groups_have_their_macs),
		cmocka_unit_test(large_segment_sizes_are_clamped),
		cmocka_unit_test(what_has_no_whole_segment_size_stays),
		cmocka_unit_test(both_macs_are_set_at_once),
	};

	fixture_open();
	return cmocka_run_group_tests(tests, NULL, close_group);
}
