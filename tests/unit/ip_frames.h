/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Untagged IP frames made byte by byte, and judged the slow way: what the tests of the
 * IP room's parts share.
 */
#ifndef WEFT_TESTS_IP_FRAMES_H
#define WEFT_TESTS_IP_FRAMES_H

#include "../packet_fixture.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define L3 14
#define FRAME_LIMIT 70000

static uint8_t frame[FRAME_LIMIT];

static uint64_t random_state = 88172645463325252ull;

static inline uint32_t
random_number(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % below;
}

static inline void
put16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static inline unsigned
get16(const uint8_t *from)
{
	return (unsigned)from[0] << 8 | from[1];
}

/* Bytes of a frame as people write them. */
static inline size_t
from_hex(uint8_t *bytes, const char *hex)
{
	size_t length = 0;
	unsigned byte;

	for (; *hex != '\0'; hex++) {
		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[length++] = (uint8_t)byte;
		hex++;
	}
	return length;
}

static inline void
seal_ip4(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, 0xffff ^ slow_fold(slow_sum(ip, (ip[0] & 0x0fu) * 4)));
}

/* MACs and an IPv4 header with `options` bytes of no-operation; returns the frame's length. */
static inline size_t
make_ip4(uint8_t protocol, unsigned options, size_t payload)
{
	static const uint8_t ends[8] = { 10, 0, 0, 1, 192, 0, 2, 9 };
	uint8_t *ip = frame + L3;

	memset(frame, 0, L3 + 20);
	from_hex(frame, "020000000001 020000000002 0800");
	ip[0] = (uint8_t)(0x45 + options / 4);
	put16(ip + 2, (unsigned)(20 + options + payload));
	put16(ip + 4, 0x1234);
	ip[8] = 17;
	ip[9] = protocol;
	memcpy(ip + 12, ends, sizeof(ends));
	memset(ip + 20, 1, options);
	for (size_t i = 0; i < payload; i++)
		ip[20 + options + i] = (uint8_t)random_number(256);
	seal_ip4(ip);
	return L3 + 20 + options + payload;
}

/* MACs and an IPv6 header in front of `extensions`, in hex, and the payload. */
static inline size_t
make_ip6(uint8_t next, const char *extensions, size_t payload)
{
	uint8_t *ip = frame + L3;
	size_t length;

	from_hex(frame, "020000000001 020000000002 86dd 60000000 0000 00 11"
			"20010db8000100000000000000000001 20010db8000200000000000000000009");
	ip[6] = next;
	length = from_hex(ip + 40, extensions);
	for (size_t i = 0; i < payload; i++)
		ip[40 + length + i] = (uint8_t)random_number(256);
	put16(ip + 4, (unsigned)(length + payload));
	return L3 + 40 + length + payload;
}

/* ---- what stands in a frame, judged the slow way ------------------------------------------- */

/* Where IPv4's or IPv6's payload begins, extension headers not looked at. */
static inline unsigned
behind_ip(const uint8_t *bytes)
{
	return get16(bytes + 12) == 0x0800 ? L3 + (bytes[L3] & 0x0fu) * 4 : L3 + 40;
}

static inline unsigned
checksum_field(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 2;
}

static inline uint64_t
pseudo_header(const uint8_t *bytes, size_t length)
{
	bool four = get16(bytes + 12) == 0x0800;
	uint8_t protocol = bytes[L3 + (four ? 9 : 6)];

	if (protocol == IPPROTO_ICMP)
		return 0;
	return slow_sum(bytes + L3 + (four ? 12 : 8), four ? 8 : 32) + protocol +
	       (length - behind_ip(bytes));
}

/* Writes the transport checksum of a frame without padding, or the partial one. */
static inline void
seal_transport(uint8_t *bytes, size_t length, bool partial)
{
	uint8_t protocol = bytes[L3 + (get16(bytes + 12) == 0x0800 ? 9 : 6)];
	unsigned l4 = behind_ip(bytes), checksum;
	uint8_t *field = bytes + l4 + checksum_field(protocol);

	put16(field, 0);
	if (partial) {
		put16(field, slow_fold(pseudo_header(bytes, length)));
		return;
	}
	checksum = 0xffff ^
		   slow_fold(pseudo_header(bytes, length) + slow_sum(bytes + l4, length - l4));
	put16(field, protocol == IPPROTO_UDP && checksum == 0 ? 0xffff : checksum);
}

/* Lengths and all checksums of a frame without padding and extension headers. */
static inline void
assert_sound(const uint8_t *bytes, size_t length)
{
	const uint8_t *ip = bytes + L3;
	unsigned l4 = behind_ip(bytes);

	if (get16(bytes + 12) == 0x0800) {
		assert_int_equal(L3 + get16(ip + 2), length);
		assert_int_equal(slow_fold(slow_sum(ip, l4 - L3)), 0xffff);
	} else {
		assert_int_equal(get16(bytes + 12), 0x86dd);
		assert_int_equal(ip[0] >> 4, 6);
		assert_int_equal(L3 + 40 + get16(ip + 4), length);
	}
	assert_int_equal(
		slow_fold(pseudo_header(bytes, length) + slow_sum(bytes + l4, length - l4)),
		0xffff);
}

/* The metadata is what parsing the bytes finds. */
static inline void
assert_parsed(struct rte_mbuf *packet)
{
	struct packet_meta *meta = packet_meta(packet), kept = *meta;

	rte_mbuf_sanity_check(packet, 1);
	assert_true(kept.flags & PACKET_PARSED);
	assert_int_equal(packet_parse(packet), PARSE_OK);
	assert_memory_equal(meta, &kept, sizeof(kept));
}

static inline void
mark_partial(struct rte_mbuf *packet, unsigned l4, uint8_t protocol)
{
	packet_meta(packet)->offload = PACKET_NEEDS_CHECKSUM;
	packet_meta(packet)->checksum_start = (uint16_t)l4;
	packet_meta(packet)->checksum_offset = (uint16_t)checksum_field(protocol);
}

#endif
