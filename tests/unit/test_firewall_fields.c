/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/fields.h"
#include "firewall/tcp_track.h"
#include "ip_frames.h"
#include "packet/ip.h"

#include <rte_tcp.h>

#define ACK RTE_TCP_ACK_FLAG
#define LATE "2c00 0008 00000007"  /* behind a fragment header: UDP, not the first */
#define FIRST "1100 0001 00000007" /* UDP follows, the first of more */

static struct fields fields;
static struct tcp_segment segment;
static bool is_segment;

/* Whatever a chain is cut into, all that is read is the same; and the metadata as well as what
 * packet_parse() makes of it. */
static enum fields_result
read_frame(size_t length)
{
	enum fields_result result = FIELDS_OK;
	size_t first = length > 1000 ? 100 : 14;

	for (size_t piece = first; piece <= 150; piece += length > 1000 ? 25 : 1) {
		struct rte_mbuf *packet = fixture_chain(frame, length, piece);
		struct fields now;
		struct tcp_segment told;
		enum fields_result verdict;
		bool tcp;

		memset(&now, 0xa5, sizeof(now));
		verdict = fields_read(packet, &now);
		tcp = verdict == FIELDS_OK && tcp_segment_read(&told, packet, &now);
		if (verdict == FIELDS_OK)
			assert_parsed(packet);
		if (piece > first) {
			assert_int_equal(verdict, result);
			assert_int_equal(tcp, is_segment);
			assert_int_equal(now.l4, fields.l4);
			assert_int_equal(now.l4_length, fields.l4_length);
			assert_int_equal(now.protocol, fields.protocol);
			assert_int_equal(now.from_port, fields.from_port);
			assert_int_equal(now.to_port, fields.to_port);
			assert_int_equal(now.icmp_id, fields.icmp_id);
			assert_int_equal(now.fragment, fields.fragment);
			assert_int_equal(now.has_ports, fields.has_ports);
			assert_memory_equal(now.from_ip, fields.from_ip, 32);
			if (tcp) {
				assert_int_equal(told.sequence, segment.sequence);
				assert_int_equal(told.length, segment.length);
				assert_int_equal(told.mss, segment.mss);
				assert_int_equal(told.scale, segment.scale);
			}
		}
		result = verdict;
		fields = now;
		is_segment = tcp;
		if (tcp)
			segment = told;
		rte_pktmbuf_free(packet);
	}
	return result;
}

static uint8_t *
transport(void)
{
	return frame + behind_ip(frame);
}

/* A frame of either family with `payload` bytes behind a TCP header and its options, in hex. */
static size_t
make_tcp(unsigned family, uint8_t flags, const char *options, size_t payload)
{
	uint8_t bytes[40];
	size_t n = from_hex(bytes, options), length;
	uint8_t *tcp;

	assert_int_equal(n % 4, 0);
	length = family == 4 ? make_ip4(IPPROTO_TCP, 0, 20 + n + payload)
			     : make_ip6(IPPROTO_TCP, "", 20 + n + payload);
	tcp = transport();
	from_hex(tcp, "3039 01bb 89abcdef 12345678 5000 1234 0000 0000");
	tcp[12] = (uint8_t)((5 + n / 4) << 4);
	tcp[13] = flags;
	memcpy(tcp + 20, bytes, n);
	return length;
}

static size_t
make_udp(unsigned family, size_t payload)
{
	size_t length = family == 4 ? make_ip4(IPPROTO_UDP, 0, 8 + payload)
				    : make_ip6(IPPROTO_UDP, "", 8 + payload);

	put16(transport(), 5353);
	put16(transport() + 2, 53);
	put16(transport() + 4, (unsigned)(8 + payload));
	return length;
}

/* Puts tags in front of what the frame has; returns its length. */
static size_t
add_tags(size_t length, const char *tags)
{
	uint8_t bytes[40];
	size_t n = from_hex(bytes, tags);

	memmove(frame + 12 + n, frame + 12, length - 12);
	memcpy(frame + 12, bytes, n);
	return length + n;
}

/* ---- what is read --------------------------------------------------------------------------- */

static void
addresses_and_ports_are_read(void **state)
{
	static const uint8_t from_mac[6] = { 2, 0, 0, 0, 0, 2 }, to_mac[6] = { 2, 0, 0, 0, 0, 1 };
	static const uint8_t from4[16] = { 10, 0, 0, 1 }, to4[16] = { 192, 0, 2, 9 };
	size_t length = make_tcp(4, ACK, "", 10);

	frame[L3 + 1] = 46 << 2 | 1;
	seal_ip4(frame + L3);
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_int_equal(fields.family, 4);
	assert_int_equal(fields.ethertype, 0x0800);
	assert_int_equal(fields.protocol, IPPROTO_TCP);
	assert_int_equal(fields.dscp, 46);
	assert_int_equal(fields.from_port, 12345);
	assert_int_equal(fields.to_port, 443);
	assert_int_equal(fields.tcp_flags, ACK);
	assert_true(fields.has_ports && !fields.fragment);
	assert_memory_equal(fields.from_mac, from_mac, 6);
	assert_memory_equal(fields.to_mac, to_mac, 6);
	assert_memory_equal(fields.from_ip, from4, 16);
	assert_memory_equal(fields.to_ip, to4, 16);
	assert_int_equal(fields.l3, 14);
	assert_int_equal(fields.l4, 34);
	assert_int_equal(fields.l4_length, 30);
	assert_int_equal(fields.vlan, 0);

	length = make_udp(6, 5);
	frame[L3] = 0x6b;
	frame[L3 + 1] = 0x90;
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_int_equal(fields.family, 6);
	assert_int_equal(fields.dscp, 46);
	assert_int_equal(fields.from_port, 5353);
	assert_int_equal(fields.l4, 54);
	assert_memory_equal(fields.from_ip, frame + L3 + 8, 16);
	assert_memory_equal(fields.to_ip, frame + L3 + 24, 16);
	assert_false(is_segment);
}

static void
tags_are_looked_through(void **state)
{
	assert_int_equal(read_frame(add_tags(make_udp(4, 5), "8100 6123")), FIELDS_OK);
	assert_int_equal(fields.vlan, 0x123);
	assert_int_equal(fields.ethertype, 0x0800);
	assert_int_equal(fields.to_port, 53);
	assert_int_equal(read_frame(add_tags(make_udp(4, 5), "88a8 0064 8100 00c8")), FIELDS_OK);
	assert_int_equal(fields.vlan, 100);
	assert_int_equal(fields.to_port, 53);
	/* priority only */
	assert_int_equal(read_frame(add_tags(make_udp(6, 5), "8100 e000")), FIELDS_OK);
	assert_int_equal(fields.vlan, 0);
	make_udp(4, 0);
	add_tags(42, "8100 0001 8100 0002");
	assert_int_equal(read_frame(17), FIELDS_BAD_VLAN_TAG);
	assert_int_equal(read_frame(20), FIELDS_BAD_VLAN_TAG);
	assert_int_equal(read_frame(13), FIELDS_TOO_SHORT);
}

static void
what_is_not_ip_has_no_family(void **state)
{
	size_t length = from_hex(frame, "ffffffffffff 020000000002 0806 0001080006040001 0200000000"
					"02 0a000001 000000000000 0a000002");

	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_int_equal(fields.family, 0);
	assert_int_equal(fields.ethertype, 0x0806);
	assert_int_equal(fields.l4, PACKET_OFFSET_NONE);
	assert_int_equal(read_frame(14), FIELDS_OK);
}

static void
options_and_extension_headers_are_skipped(void **state)
{
	size_t length = make_ip4(IPPROTO_UDP, 40, 8);

	from_hex(transport(), "14e9 0035 0008 0000");
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_int_equal(fields.l4, 74);
	assert_int_equal(fields.to_port, 53);

	length = make_ip6(IPPROTO_HOPOPTS, "3c00 0502 0000 0100 1100 0104 00000000", 8);
	from_hex(frame + L3 + 56, "14e9 0035 0008 0000");
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_int_equal(fields.protocol, IPPROTO_UDP);
	assert_int_equal(fields.l4, 70);
	assert_int_equal(fields.to_port, 53);
	/* RFC 8200, 4.4: on to somebody else */
	make_ip6(IPPROTO_ROUTING, "1102 0201 00000000 20010db8000300000000000000000001", 8);
	assert_int_equal(read_frame(L3 + 40 + 24 + 8), FIELDS_BAD_IP_HEADER);
	/* cut off */
	make_ip6(IPPROTO_DSTOPTS, "1105 0104 00000000", 8);
	assert_int_equal(read_frame(L3 + 40 + 16), FIELDS_BAD_IP_HEADER);
}

static void
icmp_has_type_and_code(void **state)
{
	size_t length = make_ip4(IPPROTO_ICMP, 0, 8);

	from_hex(transport(), "0800 0000 0bad 0001");
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_true(fields.has_ports && fields_is_icmp(&fields));
	assert_int_equal(fields.from_port, 8);
	assert_int_equal(fields.to_port, 0);
	assert_int_equal(fields.icmp_id, 0x0bad);
	from_hex(transport(), "0304 0000 0bad 0001");
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_int_equal(fields.from_port, 3);
	assert_int_equal(fields.to_port, 4);
	assert_int_equal(fields.icmp_id, 0);
	make_ip4(IPPROTO_ICMP, 0, 7);
	assert_int_equal(read_frame(L3 + 27), FIELDS_BAD_TRANSPORT);

	length = make_ip6(IPPROTO_ICMPV6, "", 8);
	from_hex(transport(), "8100 0000 0bad 0001");
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_int_equal(fields.from_port, 129);
	assert_int_equal(fields.icmp_id, 0x0bad);
	/* the other family's is no ICMP there */
	length = make_ip6(IPPROTO_ICMP, "", 8);
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_false(fields.has_ports);
}

static void
fragments_are_told(void **state)
{
	size_t length = make_udp(4, 40);

	put16(transport() + 4, 1000); /* of all of it */
	put16(frame + L3 + 6, 0x2000);
	seal_ip4(frame + L3);
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_true(fields.fragment && fields.has_ports);
	put16(frame + L3 + 6, 0x2001);
	seal_ip4(frame + L3);
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_true(fields.fragment && !fields.has_ports);
	assert_int_equal(fields.l4, PACKET_OFFSET_NONE);
	assert_int_equal(fields.from_port, 0);
	/* RFC 1858, 3: what does not hold the ports, and the flags */
	make_tcp(4, ACK, "", 0);
	put16(frame + L3 + 2, 20 + 16);
	put16(frame + L3 + 6, 0x2000);
	seal_ip4(frame + L3);
	assert_int_equal(read_frame(L3 + 36), FIELDS_BAD_TRANSPORT);

	length = make_ip6(IPPROTO_FRAGMENT, FIRST, 16);
	from_hex(frame + L3 + 48, "14e9 0035 03e8 0000");
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_true(fields.fragment && fields.has_ports);
	assert_int_equal(fields.to_port, 53);
	length = make_ip6(IPPROTO_FRAGMENT, LATE, 16);
	assert_int_equal(read_frame(length), FIELDS_OK);
	assert_true(fields.fragment && !fields.has_ports);
	assert_int_equal(fields.l4, PACKET_OFFSET_NONE);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void
bad_ip_headers_are_refused(void **state)
{
	size_t length = make_udp(4, 5);

	frame[L3 + 12] ^= 1;
	assert_int_equal(read_frame(length), FIELDS_BAD_IP_CHECKSUM);
	make_udp(4, 5);
	assert_int_equal(read_frame(length - 1), FIELDS_BAD_IP_HEADER);
	frame[L3] = 0x55;
	seal_ip4(frame + L3);
	assert_int_equal(read_frame(length), FIELDS_BAD_IP_HEADER);
	length = make_udp(6, 5);
	assert_int_equal(read_frame(length - 1), FIELDS_BAD_IP_HEADER);
	frame[L3] = 0x45;
	assert_int_equal(read_frame(length), FIELDS_BAD_IP_HEADER);
}

static void
udp_lengths_are_judged(void **state)
{
	static const struct {
		unsigned length;
		enum fields_result due, lite;
	} cases[] = {
		{ 0, FIELDS_BAD_TRANSPORT, FIELDS_OK },
		{ 7, FIELDS_BAD_TRANSPORT, FIELDS_BAD_TRANSPORT },
		{ 8, FIELDS_OK, FIELDS_OK },
		{ 13, FIELDS_OK, FIELDS_OK },
		{ 14, FIELDS_BAD_TRANSPORT, FIELDS_BAD_TRANSPORT },
		{ 65535, FIELDS_BAD_TRANSPORT, FIELDS_BAD_TRANSPORT },
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		size_t length = make_udp(4, 5);

		put16(transport() + 4, cases[i].length);
		/* padding of the frame is not the packet's */
		assert_int_equal(read_frame(length + 20), cases[i].due);
		frame[L3 + 9] = IPPROTO_UDPLITE;
		seal_ip4(frame + L3);
		assert_int_equal(read_frame(length), cases[i].lite);
	}
	make_ip4(IPPROTO_UDP, 0, 7);
	assert_int_equal(read_frame(L3 + 27), FIELDS_BAD_TRANSPORT);
	/* of those that are not looked into, as much as there is */
	make_ip4(IPPROTO_SCTP, 0, 11);
	assert_int_equal(read_frame(L3 + 31), FIELDS_BAD_TRANSPORT);
	make_ip4(IPPROTO_SCTP, 0, 12);
	assert_int_equal(read_frame(L3 + 32), FIELDS_OK);
	assert_int_equal(fields.to_port, get16(transport() + 2));
	make_ip4(47, 0, 0);
	assert_int_equal(read_frame(L3 + 20), FIELDS_OK);
	assert_int_equal(fields.l4, PACKET_OFFSET_NONE);
}

/* RFC 9293, 3.1, against all 64 sets of flags, ECN (RFC 3168) as it likes. */
static void
tcp_flags_are_judged(void **state)
{
	unsigned sound = 0;

	for (unsigned flags = 0; flags < 256; flags++) {
		bool syn = flags & 2, ack = flags & 16, fin = flags & 1, rst = flags & 4,
		     urg = flags & 32;
		bool due = syn + fin + rst <= 1 && (ack || syn || rst) &&
			   !(urg && (rst || (syn && ack)));
		size_t length = make_tcp(flags & 1 ? 4 : 6, (uint8_t)flags, "", 0);

		assert_int_equal(read_frame(length), due ? FIELDS_OK : FIELDS_BAD_TRANSPORT);
		sound += due;
	}
	assert_int_equal(sound, 9 * 8);
}

static void
tcp_data_offsets_are_judged(void **state)
{
	for (unsigned offset = 0; offset < 16; offset++) {
		size_t length = make_tcp(4, ACK, "01010101 01010101", 4);

		transport()[12] = (uint8_t)(offset << 4 | 0x0f);
		assert_int_equal(read_frame(length),
			offset >= 5 && offset <= 8 ? FIELDS_OK : FIELDS_BAD_TRANSPORT);
		if (offset >= 5 && offset <= 8)
			assert_int_equal(segment.length, 32 - offset * 4);
	}
}

/* ---- segments ------------------------------------------------------------------------------- */

static void
segments_are_read(void **state)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		/* what a frame was padded with is no data */
		size_t length = make_tcp(family, ACK | RTE_TCP_PSH_FLAG, "", 3);

		assert_int_equal(read_frame(length + 9), FIELDS_OK);
		assert_true(is_segment);
		assert_int_equal(segment.sequence, 0x89abcdef);
		assert_int_equal(segment.acknowledgment, 0x12345678);
		assert_int_equal(segment.window, 0x1234);
		assert_int_equal(segment.flags, ACK | RTE_TCP_PSH_FLAG);
		assert_int_equal(segment.length, 3);
		assert_false(segment.has_scale || segment.has_sack || segment.mss != 0);
		/* a super-packet */
		length = make_tcp(family, ACK, "01010101", 60000);
		assert_int_equal(read_frame(length), FIELDS_OK);
		assert_int_equal(segment.length, 60000);
	}
	/* behind a header of IPv6 */
	make_ip6(IPPROTO_DSTOPTS, "0600 0104 00000000", 25);
	from_hex(frame + L3 + 48, "3039 01bb 89abcdef 12345678 5010 1234 0000 0000");
	assert_int_equal(read_frame(L3 + 40 + 8 + 25), FIELDS_OK);
	assert_int_equal(segment.length, 5);
	/* a fragment's length is not the segment's */
	make_tcp(4, ACK, "", 8);
	put16(frame + L3 + 6, 0x2000);
	seal_ip4(frame + L3);
	assert_int_equal(read_frame(L3 + 48), FIELDS_OK);
	assert_false(is_segment);
}

static void
options_of_a_syn_are_read(void **state)
{
	static const struct {
		const char *options;
		uint16_t mss;
		bool has_scale, has_sack;
		uint8_t scale;
	} cases[] = {
		{ "", 0, false, false, 0 },
		{ "020405b4 0402 080a 0000000000000000 01 030307", 1460, true, true, 7 },
		{ "020405b4 01 03030e 01010402", 1460, true, true, 14 },
		{ "0303ff01", 0, true, false, 14 },                      /* RFC 7323, 2.3 */
		{ "00000000 03030700", 0, false, false, 0 },             /* behind the end */
		{ "01010101 01010303", 0, false, false, 0 },             /* cut off */
		{ "01010103", 0, false, false, 0 },                      /* not even its length */
		{ "0300 0307 01030307", 0, false, false, 0 },            /* length 0 */
		{ "0301 0307 01030307", 0, false, false, 0 },            /* length 1 */
		{ "0302 0307 01030307", 0, false, false, 0 },            /* not its length */
		{ "0404 0000 01030307", 0, false, false, 0 },            /* not its length */
		{ "0203 05b4 03030701", 0, false, false, 0 },            /* not its length */
		{ "020405b4 08ff0000 03030701", 1460, false, false, 0 }, /* behind the header */
		{ "fd080000 00000000 01030302", 0, true, false, 2 },     /* not known */
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		size_t length = make_tcp(4, RTE_TCP_SYN_FLAG, cases[i].options, 0);

		assert_int_equal(read_frame(length), FIELDS_OK);
		assert_int_equal(segment.mss, cases[i].mss);
		assert_int_equal(segment.has_scale, cases[i].has_scale);
		assert_int_equal(segment.has_sack, cases[i].has_sack);
		assert_int_equal(segment.scale, cases[i].scale);
	}
	/* of others nobody looks at them */
	assert_int_equal(read_frame(make_tcp(4, ACK, "01030307", 0)), FIELDS_OK);
	assert_false(segment.has_scale);
}

/* A header that is shorter than its options say: they are cut off where the header ends. */
static void
options_end_with_the_header(void **state)
{
	static const char all[] = "020405b4 0402 080a 0000000000000000 01 030307";
	uint8_t header[60] = { 0 };

	for (unsigned length = 20; length <= 60; length++) {
		struct tcp_segment told = { 0 };
		uint8_t *exact = malloc(length);

		from_hex(header + 20, all);
		memcpy(exact, header, length);
		tcp_segment_options(&told, exact, length);
		assert_int_equal(told.mss, length >= 24 ? 1460 : 0);
		assert_int_equal(told.has_sack, length >= 26);
		assert_int_equal(told.has_scale, length >= 40);
		free(exact);
	}
}

/* Any bytes: nothing but what is there is read (under the sanitizer), and what is told holds. */
static void
random_frames_are_survived(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		static const uint8_t protocols[] = { 6, 17, 1, 58, 136, 132, 33, 44, 0, 60, 59 };
		uint8_t protocol = protocols[random_number(RTE_DIM(protocols))];
		size_t length = i & 1 ? make_ip4(protocol, random_number(11) * 4, random_number(80))
				      : make_ip6(protocol, "", random_number(80));
		struct rte_mbuf *packet;

		if (random_number(4) == 0) {
			frame[L3 + random_number((uint32_t)length - L3)] ^= 1u << random_number(8);
			if (i & 1)
				seal_ip4(frame + L3);
		}
		length -= random_number(8) == 0 ? random_number((uint32_t)length - 1) : 0;
		packet = fixture_chain(
			frame, length, random_number(2) ? 2000 : 14 + random_number(60));
		if (fields_read(packet, &fields) == FIELDS_OK) {
			assert_parsed(packet);
			assert_true(fields.l4 == PACKET_OFFSET_NONE || fields.l4 < length);
			assert_true(!fields.has_ports || fields.l4 != PACKET_OFFSET_NONE);
			if (tcp_segment_read(&segment, packet, &fields))
				assert_true(fields.l4 + 20 + segment.length <= length);
		}
		rte_pktmbuf_free(packet);
	}
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
		cmocka_unit_test(addresses_and_ports_are_read),
		cmocka_unit_test(tags_are_looked_through),
		cmocka_unit_test(what_is_not_ip_has_no_family),
		cmocka_unit_test(options_and_extension_headers_are_skipped),
		cmocka_unit_test(icmp_has_type_and_code),
		cmocka_unit_test(fragments_are_told),
		cmocka_unit_test(bad_ip_headers_are_refused),
		cmocka_unit_test(udp_lengths_are_judged),
		cmocka_unit_test(tcp_flags_are_judged),
		cmocka_unit_test(tcp_data_offsets_are_judged),
		cmocka_unit_test(segments_are_read),
		cmocka_unit_test(options_of_a_syn_are_read),
		cmocka_unit_test(options_end_with_the_header),
		cmocka_unit_test(random_frames_are_survived),
	};

	fixture_open();
	return cmocka_run_group_tests(tests, NULL, close_group);
}
