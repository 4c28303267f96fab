/* SPDX-License-Identifier: BSD-3-Clause */
/* Who speaks to whom: of packets, and of what ICMP errors quote. */
#include "firewall/flow.h"
#include "ip_frames.h"

#define DOMAIN 7

static struct flow flow;
static struct fields fields;

/* Fields and flow of the frame, cut into pieces; what is read does not depend on them. */
static bool
read_flow(size_t length, bool quoted)
{
	bool told = false;

	for (size_t piece = 14; piece <= 140; piece++) {
		struct rte_mbuf *packet = fixture_chain(frame, length, piece);
		struct flow now;
		uint16_t l4;
		bool has;

		memset(&now, 0xa5, sizeof(now));
		assert_int_equal(fields_read(packet, &fields), FIELDS_OK);
		has = quoted ? flow_read_quoted(&now, packet, &fields, DOMAIN, &l4)
			     : flow_read(&now, &fields, DOMAIN);
		rte_pktmbuf_free(packet);
		if (piece > 14) {
			assert_int_equal(has, told);
			if (has)
				assert_memory_equal(&now, &flow, sizeof(now));
		}
		told = has;
		flow = now;
	}
	return told;
}

static void
assert_flow(uint8_t family, uint8_t protocol, unsigned from_port, unsigned to_port)
{
	struct flow due = { .family = family, .protocol = protocol, .domain = DOMAIN };

	memcpy(due.from_ip, frame + L3 + (family == 4 ? 12 : 8), family == 4 ? 4 : 16);
	memcpy(due.to_ip, frame + L3 + (family == 4 ? 16 : 24), family == 4 ? 4 : 16);
	due.from_port = (uint16_t)from_port;
	due.to_port = (uint16_t)to_port;
	assert_memory_equal(&flow, &due, sizeof(due));
}

/* ---- of packets -------------------------------------------------------------------------------
 */

static void
ports(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
		IPPROTO_SCTP, IPPROTO_DCCP };

	for (unsigned i = 0; i < sizeof(protocols); i++) {
		for (unsigned family = 4; family <= 6; family += 2) {
			size_t length = family == 4 ? make_ip4(protocols[i], 0, 24)
						    : make_ip6(protocols[i], "", 24);
			uint8_t *header = frame + length - 24;

			memset(header, 0, 24);
			put16(header, 1234);
			put16(header + 2, 80);
			if (protocols[i] == IPPROTO_TCP) {
				header[12] = 0x50;
				header[13] = 0x10;
			} else if (protocols[i] == IPPROTO_DCCP) {
				header[4] = 3; /* data offset */
			} else if (protocols[i] != IPPROTO_SCTP) {
				put16(header + 4, 24);
			}
			assert_true(read_flow(length, false));
			assert_flow((uint8_t)family, protocols[i], 1234, 80);
		}
	}
}

static size_t
make_icmp(unsigned family, uint8_t type)
{
	size_t length =
		family == 4 ? make_ip4(IPPROTO_ICMP, 4, 16) : make_ip6(IPPROTO_ICMPV6, "", 16);

	frame[length - 16] = type;
	frame[length - 15] = 0;
	put16(frame + length - 12, 777);
	return length;
}

static void
echo(void **state)
{
	assert_true(read_flow(make_icmp(4, 8), false));
	assert_flow(4, IPPROTO_ICMP, 777, 0);
	assert_true(read_flow(make_icmp(4, 0), false));
	assert_flow(4, IPPROTO_ICMP, 0, 777);
	assert_true(read_flow(make_icmp(6, 128), false));
	assert_flow(6, IPPROTO_ICMPV6, 777, 0);
	assert_true(read_flow(make_icmp(6, 129), false));
	assert_flow(6, IPPROTO_ICMPV6, 0, 777);
}

static void
no_flow(void **state)
{
	for (unsigned type = 0; type < 256; type++) {
		assert_int_equal(
			read_flow(make_icmp(4, (uint8_t)type), false), type == 0 || type == 8);
		assert_int_equal(
			read_flow(make_icmp(6, (uint8_t)type), false), type == 128 || type == 129);
	}
	make_ip4(IPPROTO_UDP, 0, 16);
	put16(frame + 12, 0x0806);
	memset(frame + L3, 0, 28);
	assert_false(read_flow(L3 + 28, false));
}

static void
by_addresses(void **state)
{
	assert_true(read_flow(make_ip4(IPPROTO_GRE, 0, 20), false));
	assert_flow(4, IPPROTO_GRE, 0, 0);
	assert_true(read_flow(make_ip6(89, "", 20), false));
	assert_flow(6, 89, 0, 0);
}

static size_t
make_fragment(uint8_t protocol, unsigned field)
{
	size_t length = make_ip4(protocol, 0, 24);

	memset(frame + L3 + 20, 0, 24);
	put16(frame + L3 + 20, 5);
	put16(frame + L3 + 22, 6);
	put16(frame + L3 + 24, 100);
	put16(frame + L3 + 6, field);
	seal_ip4(frame + L3);
	return length;
}

/* The first of UDP has ports; a later one has none, nor is GRE whole. */
static void
fragments(void **state)
{
	assert_true(read_flow(make_fragment(IPPROTO_UDP, 0x2000), false));
	assert_flow(4, IPPROTO_UDP, 5, 6);
	assert_false(read_flow(make_fragment(IPPROTO_UDP, 0x2004), false));
	assert_false(read_flow(make_fragment(IPPROTO_UDP, 0x0004), false));
	assert_false(read_flow(make_fragment(IPPROTO_GRE, 0x2000), false));
}

/* ---- hashing ----------------------------------------------------------------------------------
 */

static struct flow
random_flow(void)
{
	struct flow one = {
		.family = random_number(2) ? 4 : 6,
		.protocol = (uint8_t)random_number(256),
		.domain = random_number(1000),
		.from_port = (uint16_t)random_number(65536),
		.to_port = (uint16_t)random_number(65536),
	};

	for (unsigned i = 0; i < (one.family == 4 ? 4 : 16); i++) {
		one.from_ip[i] = (uint8_t)random_number(256);
		one.to_ip[i] = (uint8_t)random_number(256);
	}
	return one;
}

/* Both directions have one; each bit of the rest changes it; so does the key. */
static void
hashes(void **state)
{
	struct hash_key key, other;

	hash_key_random(&key);
	hash_key_random(&other);
	for (unsigned round = 0; round < 500; round++) {
		struct flow one = random_flow(), back = flow_reverse(&one), changed;
		uint64_t hash = flow_hash(&one, &key);

		assert_true(flow_hash(&back, &key) == hash);
		assert_true(flow_hash(&one, &other) != hash);
		for (size_t bit = 0; bit < offsetof(struct flow, family) * 8; bit++) {
			changed = one;
			((uint8_t *)&changed)[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (one.family == 4 && bit / 8 < 32 && bit / 8 % 16 >= 4)
				continue; /* zero by contract */
			assert_true(flow_hash(&changed, &key) != hash);
		}
		changed = one;
		changed.protocol ^= 1;
		assert_true(flow_hash(&changed, &key) != hash);
	}
}

/* ---- what errors quote ------------------------------------------------------------------------
 */

#define QUOTE (L3 + 20 + 8) /* IPv4 */
#define QUOTE6 (L3 + 40 + 8)

/* An error of IPv4 to 192.0.2.9, about 192.0.2.9:53 > 198.51.100.1:4000 of the protocol. */
static size_t
make_error(uint8_t type, uint8_t protocol, unsigned options, size_t quoted)
{
	static const uint8_t ends[8] = { 192, 0, 2, 9, 198, 51, 100, 1 };
	size_t length = make_ip4(IPPROTO_ICMP, 0, 8 + 20 + options + quoted);
	uint8_t *ip = frame + QUOTE;

	memset(frame + L3 + 20, 0, length - L3 - 20);
	frame[L3 + 20] = type;
	ip[0] = (uint8_t)(0x45 + options / 4);
	put16(ip + 2, 500);
	ip[9] = protocol;
	memcpy(ip + 12, ends, sizeof(ends));
	if (quoted >= 4) {
		put16(ip + 20 + options, 53);
		put16(ip + 22 + options, 4000);
	}
	return length;
}

static void
assert_quoted(unsigned family, uint8_t protocol, unsigned from_port, unsigned to_port)
{
	unsigned at = family == 4 ? QUOTE + 12 : QUOTE6 + 8, size = family == 4 ? 4 : 16;

	assert_int_equal(flow.family, family);
	assert_int_equal(flow.protocol, protocol);
	assert_int_equal(flow.domain, DOMAIN);
	assert_memory_equal(flow.from_ip, frame + at, size);
	assert_memory_equal(flow.to_ip, frame + at + size, size);
	assert_int_equal(flow.from_port, from_port);
	assert_int_equal(flow.to_port, to_port);
}

static void
errors_quote(void **state)
{
	static const uint8_t types[] = { 3, 4, 5, 11, 12 };

	for (unsigned i = 0; i < sizeof(types); i++) {
		assert_true(read_flow(make_error(types[i], IPPROTO_UDP, 0, 8), true));
		assert_quoted(4, IPPROTO_UDP, 53, 4000);
	}
	assert_true(read_flow(make_error(3, IPPROTO_TCP, 8, 8), true));
	assert_quoted(4, IPPROTO_TCP, 53, 4000);
	assert_true(read_flow(make_error(3, IPPROTO_GRE, 0, 0), true));
	assert_quoted(4, IPPROTO_GRE, 0, 0);
}

static void
errors_quote_echo(void **state)
{
	size_t length = make_error(11, IPPROTO_ICMP, 0, 8);
	uint8_t *icmp = frame + QUOTE + 20;

	memset(icmp, 0, 8);
	icmp[0] = 8;
	put16(icmp + 4, 321);
	assert_true(read_flow(length, true));
	assert_quoted(4, IPPROTO_ICMP, 321, 0);
	icmp[0] = 0;
	assert_true(read_flow(length, true));
	assert_quoted(4, IPPROTO_ICMP, 0, 321);
	icmp[0] = 3; /* an error about an error */
	assert_false(read_flow(length, true));
}

/* Each way in which one byte or the length can be wrong. */
static void
malformed_quotes(void **state)
{
	size_t length = make_error(3, IPPROTO_UDP, 0, 8);

	assert_true(read_flow(length, true));
	frame[QUOTE] = 0x55; /* version */
	assert_false(read_flow(length, true));
	frame[QUOTE] = 0x44; /* header length: too short, behind the end */
	assert_false(read_flow(length, true));
	frame[QUOTE] = 0x4f;
	assert_false(read_flow(length, true));
	frame[QUOTE] = 0x45;
	put16(frame + QUOTE + 2, 19); /* total length */
	assert_false(read_flow(length, true));
	put16(frame + QUOTE + 2, 500);
	put16(frame + QUOTE + 6, 0x4001); /* a later fragment */
	assert_false(read_flow(length, true));
	put16(frame + QUOTE + 6, 0x2000); /* the first */
	assert_true(read_flow(length, true));
	frame[QUOTE + 15] ^= 1; /* sent by somebody else */
	assert_false(read_flow(length, true));
	for (size_t quoted = 0; quoted < 8; quoted++)
		assert_false(read_flow(make_error(3, IPPROTO_UDP, 0, quoted), true));
	length = make_ip4(IPPROTO_ICMP, 0, 8 + 19);
	frame[L3 + 20] = 3;
	assert_false(read_flow(length, true));
}

/* What a frame is padded with is not quoted. */
static void
padding_is_no_quote(void **state)
{
	size_t length = make_error(3, IPPROTO_UDP, 0, 8);

	put16(frame + L3 + 2, (unsigned)(length - L3 - 1));
	seal_ip4(frame + L3);
	assert_false(read_flow(length, true));
}

static void
no_errors(void **state)
{
	static const uint8_t errors[] = { 3, 4, 5, 11, 12 };

	for (unsigned type = 0; type < 256; type++) {
		bool is = memchr(errors, (int)type, sizeof(errors)) != NULL;

		assert_int_equal(read_flow(make_error((uint8_t)type, IPPROTO_UDP, 0, 8), true), is);
		assert_int_equal(flow_is_error(&fields), is);
		/* whatever it quotes */
		assert_false(read_flow(make_error((uint8_t)type, IPPROTO_UDP, 0, 7), true));
		assert_int_equal(flow_is_error(&fields), is);
	}
	assert_false(read_flow(make_ip4(IPPROTO_GRE, 0, 60), true));
}

/* An error of IPv6 to 2001:db8:2::9, about a packet of it; `extensions` in hex, `quoted` bytes of
 * transport with ports 53 and 4000. */
static size_t
make_error6(uint8_t type, uint8_t next, const char *extensions, size_t quoted)
{
	size_t length, more;
	uint8_t *ip, copy[256];

	more = from_hex(copy, extensions);
	length = make_ip6(IPPROTO_ICMPV6, "", 8 + 40 + more + quoted);
	ip = frame + QUOTE6;
	memset(frame + L3 + 40, 0, length - L3 - 40);
	frame[L3 + 40] = type;
	ip[0] = 0x60;
	put16(ip + 4, 1000);
	ip[6] = next;
	memcpy(ip + 8, frame + L3 + 24, 16);
	from_hex(ip + 24, "20010db8000300000000000000000001");
	memcpy(ip + 40, copy, more);
	if (quoted >= 4) {
		put16(ip + 40 + more, 53);
		put16(ip + 42 + more, 4000);
	}
	return length;
}

static void
errors_quote_ip6(void **state)
{
	for (unsigned type = 0; type < 256; type++)
		assert_int_equal(read_flow(make_error6((uint8_t)type, IPPROTO_UDP, "", 8), true),
			type < 128);
	assert_true(read_flow(make_error6(2, IPPROTO_TCP, "", 8), true));
	assert_quoted(6, IPPROTO_TCP, 53, 4000);
	/* hop-by-hop, authentication, the first fragment */
	assert_true(read_flow(make_error6(1, 0,
				      "3300010400000000"
				      "2c01000000000000 00000000"
				      "1100000100000001",
				      8),
		true));
	assert_quoted(6, IPPROTO_UDP, 53, 4000);
	assert_true(read_flow(make_error6(1, 59, "", 0), true));
	assert_quoted(6, 59, 0, 0);
}

static void
malformed_quotes_ip6(void **state)
{
	size_t length = make_error6(1, IPPROTO_UDP, "", 8);

	frame[QUOTE6] = 0x40;
	assert_false(read_flow(length, true));
	frame[QUOTE6] = 0x60;
	frame[QUOTE6 + 20] ^= 1;
	assert_false(read_flow(length, true));
	for (size_t quoted = 0; quoted < 8; quoted++)
		assert_false(read_flow(make_error6(1, IPPROTO_UDP, "", quoted), true));
	assert_false(read_flow(make_error6(1, 44, "1100000900000001", 8), true));
	/* cut off, longer than what there is, and too many */
	assert_false(read_flow(make_error6(1, 60, "11000104", 0), true));
	assert_false(read_flow(make_error6(1, 60, "11ff010400000000", 8), true));
	assert_false(read_flow(make_error6(1, 60, "59ff010400000000", 8), true));
	assert_false(read_flow(make_error6(1, 60,
				       "3c00010400000000 3c00010400000000 3c00010400000000"
				       "3c00010400000000 3c00010400000000 3c00010400000000"
				       "3c00010400000000 3c00010400000000 1100010400000000",
				       8),
		true));
	/* nothing is known of what follows, but it must begin in the packet */
	assert_false(read_flow(make_error6(1, 60, "3b01010400000000", 0), true));
}

#define COLLIDING 2048
#define BUCKETS 256

static struct flow
flow_of_number(uint8_t family, uint32_t number)
{
	struct flow made = { .family = family, .protocol = 17, .domain = DOMAIN, .to_port = 53 };

	memcpy(made.from_ip, &number, sizeof(number));
	made.from_port = (uint16_t)(number * 7);
	made.to_ip[0] = 10;
	return made;
}

/* Of these flows, how many come together in the fullest of the buckets. */
static unsigned
fullest(const struct flow *flows, const struct hash_key *key)
{
	unsigned counts[BUCKETS] = { 0 }, most = 0;

	for (unsigned i = 0; i < COLLIDING; i++) {
		unsigned count = ++counts[flow_hash(&flows[i], key) % BUCKETS];

		most = count > most ? count : most;
	}
	return most;
}

/* Flows chosen to collide under one key, by whoever knows the code, spread under any other. */
static void
collisions_need_the_key(void **state)
{
	static struct flow flows[COLLIDING];
	struct hash_key guessed, own;

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		unsigned n = 0;

		hash_key_random(&guessed);
		for (uint32_t number = 0; n < COLLIDING; number++) {
			flows[n] = flow_of_number(family, number);
			n += flow_hash(&flows[n], &guessed) % BUCKETS == 0;
		}
		assert_int_equal(fullest(flows, &guessed), COLLIDING);
		for (unsigned i = 0; i < 100; i++) {
			hash_key_random(&own);
			/* eight on average; more than 36 in one of them once in 10^9 tries */
			assert_in_range(fullest(flows, &own), 9, 36);
		}
	}
}

static int
teardown(void **state)
{
	return fixture_nothing_lost() ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ports, teardown),
		cmocka_unit_test_teardown(echo, teardown),
		cmocka_unit_test_teardown(no_flow, teardown),
		cmocka_unit_test_teardown(by_addresses, teardown),
		cmocka_unit_test_teardown(fragments, teardown),
		cmocka_unit_test(hashes),
		cmocka_unit_test(collisions_need_the_key),
		cmocka_unit_test_teardown(errors_quote, teardown),
		cmocka_unit_test_teardown(errors_quote_echo, teardown),
		cmocka_unit_test_teardown(malformed_quotes, teardown),
		cmocka_unit_test_teardown(padding_is_no_quote, teardown),
		cmocka_unit_test_teardown(no_errors, teardown),
		cmocka_unit_test_teardown(errors_quote_ip6, teardown),
		cmocka_unit_test_teardown(malformed_quotes_ip6, teardown),
	};

	fixture_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
