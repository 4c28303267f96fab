/* SPDX-License-Identifier: BSD-3-Clause */
/* What FTP's control connections announce: how it is read and said otherwise, and what becomes of
 * the numbers of a connection in which it was. */
#include "../firewall_fixture.h"
#include "firewall/ftp.h"
#include "packet/icmp.h"
#include "packet/parse.h"

/* ---- lines ------------------------------------------------------------------------------------
 */

static struct ftp_announcement
read_line(const char *text, bool by_server)
{
	struct ftp_line line = { 0 };
	struct ftp_announcement announcement;
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		assert_int_equal(ftp_take(&line, text[i]), text[i] == '\n');
	ftp_read(&line, by_server, &announcement);
	return announcement;
}

static const struct {
	const char *text;
	bool by_server;
	enum ftp_kind kind;
	const char *ip;
	uint16_t port;
	const char *place; /* what of it is address and port */
} lines[] = {
	{ "PORT 10,0,0,1,4,1\r\n", false, FTP_PORT, "10.0.0.1", 1025, "10,0,0,1,4,1" },
	{ "port 10,0,0,1,255,255\n", false, FTP_PORT, "10.0.0.1", 65535, "10,0,0,1,255,255" },
	{ "EPRT |1|10.0.0.1|6275|\r\n", false, FTP_EPRT, "10.0.0.1", 6275, "|1|10.0.0.1|6275|" },
	{ "EPRT !2!2001:db8::1!6275!\r\n", false, FTP_EPRT, "2001:db8::1", 6275,
		"!2!2001:db8::1!6275!" },
	{ "PASV\r\n", false, FTP_PASV },
	{ "epsv\r\n", false, FTP_EPSV },
	{ "EPSV 1\r\n", false, FTP_EPSV },
	{ "227 Entering Passive Mode (10,0,0,1,4,1).\r\n", true, FTP_PASV_REPLY, "10.0.0.1", 1025,
		"10,0,0,1,4,1" },
	{ "227 Mode 7: 10,0,0,1,4,1\r\n", true, FTP_PASV_REPLY, "10.0.0.1", 1025, "10,0,0,1,4,1" },
	{ "229 Entering Extended Passive Mode (|||6446|)\r\n", true, FTP_EPSV_REPLY, NULL, 6446,
		"|||6446|" },
	/* what announces nothing */
	{ "PORT 10,0,0,256,4,1\r\n", false, FTP_OTHER },
	{ "PORT 10,0,0,1,4\r\n", false, FTP_OTHER },
	{ "PORT 10,0,0,1,4,1,7\r\n", false, FTP_OTHER },
	{ "PORT 10,0,0,1,4,1 x\r\n", false, FTP_OTHER },
	{ "PORT 10,0,0,1,4,000001\r\n", false, FTP_OTHER },
	{ "EPRT |1|10.0.0.1|65536|\r\n", false, FTP_OTHER },
	{ "EPRT |1|2001:db8::1|6275|\r\n", false, FTP_OTHER },
	{ "EPRT |3|10.0.0.1|6275|\r\n", false, FTP_OTHER },
	{ "EPRT |1|10.0.0.1!6275|\r\n", false, FTP_OTHER },
	{ "NOOP PORT 10,0,0,1,4,1\r\n", false, FTP_OTHER },
	{ "PASVX\r\n", false, FTP_OTHER },
	{ "227 Entering Passive Mode\r\n", true, FTP_OTHER },
	{ "227-(10,0,0,1,4,1)\r\n", true, FTP_OTHER },
	{ "229 (6446)\r\n", true, FTP_OTHER },
	{ "220 PORT 10,0,0,1,4,1\r\n", true, FTP_OTHER },
	/* of the wrong side */
	{ "PORT 10,0,0,1,4,1\r\n", true, FTP_OTHER },
	{ "227 Entering Passive Mode (10,0,0,1,4,1).\r\n", false, FTP_OTHER },
	{ "\n", false, FTP_OTHER },
};

static void
test_lines(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RTE_DIM(lines); i++) {
		struct ftp_announcement got = read_line(lines[i].text, lines[i].by_server);
		char place[FTP_LINE] = "";

		if (got.kind != lines[i].kind)
			fail_msg("%s: %d", lines[i].text, got.kind);
		assert_int_equal(got.port, lines[i].port);
		if (lines[i].ip != NULL)
			assert_memory_equal(
				got.ip, prefix_of(lines[i].ip).address, got.family == 4 ? 4 : 16);
		memcpy(place, lines[i].text + got.begin, got.end - got.begin);
		assert_string_equal(place, lines[i].place != NULL ? lines[i].place : "");
	}
}

/* What is written reads back. */
static void
test_writing(void **state)
{
	const uint8_t ip[16] = { 192, 0, 2, 255, 9, [15] = 7 };

	(void)state;
	for (unsigned i = 0; i < RTE_DIM(lines); i++) {
		struct ftp_announcement got = read_line(lines[i].text, lines[i].by_server), again;
		char text[FTP_TEXT], line[2 * FTP_LINE] = "";
		size_t length;

		if (lines[i].place == NULL)
			continue;
		length = ftp_write(&got, ip, 65280, text);
		assert_int_equal(length, strlen(text));
		memcpy(line, lines[i].text, got.begin);
		strcat(line, text);
		strcat(line, lines[i].text + got.end);
		again = read_line(line, lines[i].by_server);
		assert_int_equal(again.kind, got.kind);
		assert_int_equal(again.port, 65280);
		if (got.family != 0)
			assert_memory_equal(again.ip, ip, got.family == 4 ? 4 : 16);
	}
}

static void
test_long_lines(void **state)
{
	struct ftp_line line = { 0 };
	struct ftp_announcement announcement;
	const char *next = "PASV\r\n";

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_false(ftp_take(&line, i < 5 ? "PORT "[i] : '1'));
	assert_true(ftp_take(&line, '\n'));
	ftp_read(&line, false, &announcement);
	assert_int_equal(announcement.kind, FTP_OTHER);
	for (; *next != '\0'; next++)
		ftp_take(&line, *next);
	ftp_read(&line, false, &announcement);
	assert_int_equal(announcement.kind, FTP_PASV);
}

/* ---- expectations -----------------------------------------------------------------------------
 */

static struct expectation
expected(uint16_t port, uint64_t owner)
{
	struct expectation expectation = {
		.flow = { .family = 4, .protocol = 6, .domain = 7, .to_port = port },
		.until = 100,
		.owner = owner
	};

	return expectation;
}

static void
test_expectations(void **state)
{
	struct hash_key key;
	struct expectations *all;
	struct expectation one = expected(5, 1), got;
	_Atomic unsigned count = 0;
	struct flow flow = one.flow;

	(void)state;
	hash_key_random(&key);
	all = expectations_create(&key);
	assert_false(expectations_any(all));
	assert_true(expectations_add(all, &one, &count, 1));
	assert_true(expectations_add(all, &one, &count, 1));
	assert_int_equal(count, 1);
	one.owner = 2;
	assert_false(expectations_add(all, &one, &count, 1)); /* it is the other's */
	expectations_remove(all, &one.flow, 2);
	assert_true(expectations_any(all));
	flow.to_port = 6;
	assert_false(expectations_take(all, &flow, 1, &got));
	flow.to_port = 5;
	flow.from_port = 20; /* whatever it is */
	assert_true(expectations_take(all, &flow, 1, &got));
	assert_int_equal(got.owner, 1);
	assert_false(expectations_take(all, &flow, 1, &got)); /* once */
	assert_int_equal(count, 0);
	/* too late */
	assert_true(expectations_add(all, &one, &count, 1));
	assert_false(expectations_take(all, &flow, 100, &got));
	assert_false(expectations_any(all));
	/* so many, and no more; then they are over, or their firewall is gone */
	for (unsigned i = 0; i < 60000; i++) {
		one = expected((uint16_t)i, 1);
		expectations_add(all, &one, &count, 1);
	}
	assert_in_range(count, EXPECTATIONS_EACH / 2, EXPECTATIONS_EACH);
	expectations_expire(all, 2, 8);
	assert_true(expectations_any(all));
	expectations_expire(all, 2, 7);
	assert_int_equal(count, 0);
	assert_false(expectations_any(all));
	expectations_free(all);
}

/* ---- numbers ----------------------------------------------------------------------------------
 *
 * A client inside, at 10.0.0.1, which everybody outside knows as 10.0.0.9: what it announces gets
 * shorter or longer on its way.
 */

static struct bench_firewall bench;

static size_t
segment(uint8_t *frame, enum side side, uint32_t sequence, uint32_t acknowledged, uint8_t flags,
	const char *data)
{
	struct make_ends ends = ends_of(side, 1, side == OUT ? 9 : 1, 4);
	size_t length = make_tcp(frame, &ends, side == IN ? 9999 : 21, side == IN ? 21 : 9999,
		sequence, acknowledged, flags);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + 34);

	memcpy(frame + length, data, strlen(data));
	length += strlen(data);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(length - 14));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	tcp->cksum = 0;
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	return length;
}

/* What is sent comes out so, its checksums right. */
static void
expect_said(enum side side, uint32_t sequence, uint32_t acknowledged, uint8_t flags,
	const char *data, uint32_t seen_sequence, uint32_t seen_acknowledged, const char *seen)
{
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	struct tcp_segment what;
	struct rte_mbuf *packet;
	struct fields fields;
	size_t length;

	put(&bench, side, frame, segment(frame, side, sequence, acknowledged, flags, data));
	length = weft_nic_receive(bench.nics[!side], got, sizeof(got));
	assert_int_equal(length, 54 + strlen(seen));
	packet = packet_from_bytes(&lab->pools, got, length);
	assert_int_equal(fields_read(packet, &fields), FIELDS_OK);
	assert_true(tcp_segment_read(&what, packet, &fields));
	assert_true(tcp_checksum_holds(packet, fields.l3, fields.l4, fields.l4_length));
	rte_pktmbuf_free(packet);
	assert_int_equal(what.sequence, seen_sequence);
	if (flags & RTE_TCP_ACK_FLAG)
		assert_int_equal(what.acknowledgment, seen_acknowledged);
	assert_memory_equal(got + 54, seen, strlen(seen));
	lab_expect_nothing(bench.nics[IN]);
	lab_expect_nothing(bench.nics[OUT]);
}

static void
set_up(void)
{
	const struct weft_prefix outside = { 4, 32, { 10, 0, 0, 9 } };
	const struct weft_translation list[] = { { .match = { .name = "hide" },
		.kind = WEFT_TRANSLATE_SOURCE,
		.addresses = &outside,
		.n_addresses = 1,
		.ports = { 1024, 65535 } } };
	const struct weft_rule rule = { .name = "ftp",
		.helper = WEFT_HELPER_FTP,
		.from = only_in,
		.n_from = 1,
		.fields = WEFT_RULE_PROTOCOL,
		.protocol = IPPROTO_TCP };
	struct weft_change *change;

	bench = lab_firewall("red", DROP_ALL, &rule, 1);
	change = weft_change_begin(lab);
	weft_firewall_translations(change, bench.device, "in", list, 1);
	lab_commit(change);
	expect_said(IN, 1000, 0, RTE_TCP_SYN_FLAG, "", 1000, 0, "");
	expect_said(OUT, 5000, 1001, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, "", 5000, 1001, "");
	expect_said(IN, 1001, 5001, RTE_TCP_ACK_FLAG, "", 1001, 5001, "");
}

#define ACK RTE_TCP_ACK_FLAG

static void
test_shorter(void **state)
{
	const char *port = "PORT 10,0,0,1,039,016\r\n", *seen = "PORT 10,0,0,9,39,16\r\n";
	uint8_t frame[MAKE_SIZE];

	(void)state;
	set_up();
	expect_said(IN, 1001, 5001, ACK, port, 1001, 5001, seen); /* 23 bytes, 21 bytes */
	/* it comes again, and is changed again */
	expect_said(IN, 1001, 5001, ACK, port, 1001, 5001, seen);
	/* acknowledged, and what comes next */
	expect_said(OUT, 5001, 1022, ACK, "200 ok\r\n", 5001, 1024, "200 ok\r\n");
	expect_said(IN, 1024, 5009, ACK, "RETR x\r\n", 1022, 5009, "RETR x\r\n");
	expect_said(OUT, 5009, 1030, ACK, "", 5009, 1032, "");
	/* before its turn: that is for another time */
	expect_drop(&bench, IN, frame, segment(frame, IN, 1040, 5009, ACK, "NOOP\r\n"),
		DROP_HELPER_ORDER);
	expect_said(IN, 1032, 5009, ACK, "12345678", 1030, 5009, "12345678");
	expect_said(IN, 1040, 5009, ACK, "NOOP\r\n", 1038, 5009, "NOOP\r\n");
	/* a second one adds to the first */
	expect_said(IN, 1046, 5009, ACK, port, 1044, 5009, seen);
	expect_said(IN, 1069, 5009, ACK, "NOOP\r\n", 1065, 5009, "NOOP\r\n");
	expect_said(OUT, 5009, 1071, ACK, "", 5009, 1075, "");
}

static void
test_longer(void **state)
{
	const char *port = "EPRT |1|10.0.0.1|2000|\r\n", *seen = "EPRT |1|10.0.0.9|2000|\r\n";
	const char *small = "PORT 10,0,0,1,7,208\r\n", *large = "PORT 10,0,0,9,7,208\r\n";

	(void)state;
	set_up();
	expect_said(IN, 1001, 5001, ACK, port, 1001, 5001, seen); /* as long */
	expect_said(IN, 1025, 5001, ACK, small, 1025, 5001, large);
	expect_said(IN, 1046, 5001, ACK, "NOOP\r\n", 1046, 5001, "NOOP\r\n");
}

/* The announced connection comes from outside, by what the client is known as. */
static void
test_announced(void **state)
{
	struct make_ends ends = ends_of(OUT, 1, 9, 4), other = ends_of(OUT, 2, 9, 4);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	size_t length;

	(void)state;
	set_up();
	expect_said(IN, 1001, 5001, ACK, "PORT 10,0,0,1,39,16\r\n", 1001, 5001,
		"PORT 10,0,0,9,39,16\r\n");
	/* of another server, and to another port */
	expect_drop(&bench, OUT, frame, make_tcp(frame, &other, 20, 10000, 1, 0, RTE_TCP_SYN_FLAG),
		DROP_RULE_DEFAULT);
	expect_drop(&bench, OUT, frame, make_tcp(frame, &ends, 20, 10001, 1, 0, RTE_TCP_SYN_FLAG),
		DROP_RULE_DEFAULT);
	length = make_tcp(frame, &ends, 20, 10000, 1, 0, RTE_TCP_SYN_FLAG);
	put(&bench, OUT, frame, length);
	assert_int_equal(weft_nic_receive(bench.nics[IN], got, sizeof(got)), length);
	assert_memory_equal(got + 14 + 16, ((uint8_t[]){ 10, 0, 0, 1 }), 4);
	assert_int_equal(connections_of(&bench), 2);
	/* the rules change: it lives as long as that one has its helper */
	set_rules(&bench, NULL, 0);
	expect_drop(&bench, OUT, frame, length, DROP_RULE_DEFAULT);
}

/* One that does not come is not waited for for ever. */
static void
test_not_for_ever(void **state)
{
	struct make_ends ends = ends_of(OUT, 1, 9, 4);
	uint8_t frame[MAKE_SIZE];
	size_t length = make_tcp(frame, &ends, 20, 10000, 1, 0, RTE_TCP_SYN_FLAG);

	(void)state;
	set_up();
	expect_said(IN, 1001, 5001, ACK, "PORT 10,0,0,1,39,16\r\n", 1001, 5001,
		"PORT 10,0,0,9,39,16\r\n");
	lab_wait(62);
	expect_drop(&bench, OUT, frame, length, DROP_RULE_DEFAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_expectations),
		TEST(test_shorter),
		TEST(test_longer),
		TEST(test_announced),
		TEST(test_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
