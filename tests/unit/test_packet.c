/* SPDX-License-Identifier: BSD-3-Clause */
#include "../packet_fixture.h"
#include "packet/checksum.h"
#include "packet/edit.h"
#include "packet/offload.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define FRAME_LIMIT 70000

/* ---- random frames whose layout is known by how they were made -------------------------- */

static uint64_t random_state = 88172645463325252ull;

static uint32_t
random_number(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % below;
}

static void
random_bytes(uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)random_number(256);
}

struct frame {
	uint8_t bytes[FRAME_LIMIT];
	size_t length, end; /* end: without padding */
	unsigned tags, l3, l3_length, l4, l4_length;
	bool six;
	uint8_t protocol;
	bool no_checksum; /* UDP */
};

static void
put16(uint8_t *to, unsigned value)
{
	to[0] = value >> 8;
	to[1] = (uint8_t)value;
}

static unsigned
get16(const uint8_t *from)
{
	return (unsigned)from[0] << 8 | from[1];
}

static unsigned
checksum_place(const struct frame *frame)
{
	switch (frame->protocol) {
	case IPPROTO_TCP:
		return frame->l4 + 16;
	case IPPROTO_UDP:
		return frame->l4 + 6;
	default:
		return frame->l4 + 2;
	}
}

static uint64_t
pseudo_header(const struct frame *frame)
{
	const uint8_t *ip = frame->bytes + frame->l3;

	if (frame->protocol == IPPROTO_ICMP)
		return 0;
	return slow_sum(ip + (frame->six ? 8 : 12), frame->six ? 32 : 8) + frame->protocol +
	       (frame->end - frame->l4);
}

/* Writes all checksums as they have to be, or the transport's partial one. */
static void
seal(struct frame *frame, bool partial)
{
	uint8_t *ip = frame->bytes + frame->l3;
	uint8_t *field = frame->bytes + checksum_place(frame);
	unsigned checksum;

	if (!frame->six) {
		put16(ip + 10, 0);
		put16(ip + 10, 0xffff ^ slow_fold(slow_sum(ip, frame->l3_length)));
	}
	put16(field, 0);
	if (partial) {
		put16(field, slow_fold(pseudo_header(frame)));
		return;
	}
	if (frame->protocol == IPPROTO_UDP && frame->no_checksum)
		return;
	checksum = 0xffff ^ slow_fold(pseudo_header(frame) +
				      slow_sum(frame->bytes + frame->l4, frame->end - frame->l4));
	if (frame->protocol == IPPROTO_UDP && checksum == 0)
		checksum = 0xffff;
	put16(field, checksum);
}

static void
make_ip(struct frame *frame, unsigned extension, size_t payload)
{
	uint8_t *ip = frame->bytes + frame->l3;
	size_t behind = extension + frame->l4_length + payload;

	if (frame->six) {
		ip[0] = 0x60 | (ip[0] & 0x0f);
		put16(ip + 4, (unsigned)behind);
		ip[6] = extension ? IPPROTO_HOPOPTS : frame->protocol;
		if (extension) {
			ip[40] = frame->protocol;
			ip[41] = (uint8_t)(extension / 8 - 1);
		}
		ip[7] = (uint8_t)(2 + random_number(254));
		return;
	}
	ip[0] = (uint8_t)(0x40 | frame->l3_length / 4);
	put16(ip + 2, (unsigned)(frame->l3_length + frame->l4_length + payload));
	put16(ip + 6, 0x4000);
	ip[8] = (uint8_t)(2 + random_number(254));
	ip[9] = frame->protocol;
}

static void
make_frame(struct frame *frame, bool six, uint8_t protocol, unsigned tags, size_t payload)
{
	unsigned extension = six && random_number(4) == 0 ? 8 * (1 + random_number(3)) : 0;
	uint8_t *transport;

	*frame = (struct frame){ .six = six, .protocol = protocol, .tags = tags };
	frame->l3 = 14 + 4 * tags;
	frame->l3_length = six ? 40 : 20 + 4 * (random_number(3) == 0 ? random_number(11) : 0);
	frame->l4 = frame->l3 + frame->l3_length + extension;
	frame->l4_length = protocol == IPPROTO_TCP ? 20 + 4 * random_number(11) : 8;
	frame->end = frame->l4 + frame->l4_length + payload;
	assert_true(frame->end <= FRAME_LIMIT);
	random_bytes(frame->bytes, frame->end);
	frame->length = frame->end < 60 && random_number(2) == 0 ? 60 : frame->end;

	for (unsigned i = 0; i < tags; i++)
		put16(frame->bytes + 12 + 4 * i, random_number(2) ? 0x8100 : 0x88a8);
	put16(frame->bytes + 12 + 4 * tags, six ? 0x86dd : 0x0800);
	make_ip(frame, extension, payload);
	transport = frame->bytes + frame->l4;
	if (protocol == IPPROTO_TCP) {
		transport[12] = (uint8_t)(frame->l4_length / 4 << 4);
	} else if (protocol == IPPROTO_UDP) {
		put16(transport + 4, (unsigned)(8 + payload));
		frame->no_checksum = !six && random_number(4) == 0;
	} else {
		transport[0] = (uint8_t)(protocol == IPPROTO_ICMP ? 8 : 128);
		transport[1] = 0;
	}
	seal(frame, false);
}

static void
make_random_frame(struct frame *frame, size_t payload_limit)
{
	static const uint8_t four[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	static const uint8_t six[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };
	bool is_six = random_number(2);

	make_frame(frame, is_six, is_six ? six[random_number(3)] : four[random_number(3)],
		random_number(4), random_number((uint32_t)payload_limit + 1));
}

static void
assert_bytes(struct rte_mbuf *packet, const uint8_t *bytes, size_t length)
{
	static uint8_t flat[FRAME_LIMIT];

	rte_mbuf_sanity_check(packet, 1);
	assert_int_equal(rte_pktmbuf_pkt_len(packet), length);
	assert_int_equal(fixture_bytes(packet, flat), length);
	assert_memory_equal(flat, bytes, length);
}

static struct frame frame, other;

/* ---- reading ---------------------------------------------------------------------------- */

static void
headers_are_found_wherever_a_chain_is_cut(void **state)
{
	for (int round = 0; round < 3000; round++) {
		struct rte_mbuf *packet;
		struct packet_meta *meta;
		struct ether_view view;

		make_random_frame(&frame, 200);
		packet = fixture_chain(frame.bytes, frame.length, 14 + random_number(100));
		meta = packet_meta(packet);
		assert_int_equal(parse_ether(packet, &view), PARSE_OK);
		assert_int_equal(view.n_tags, frame.tags);
		assert_int_equal(view.offset, frame.l3);
		assert_int_equal(view.type, frame.six ? 0x86dd : 0x0800);
		if (frame.tags > 0) {
			assert_int_equal(view.tag_type, get16(frame.bytes + 12));
			assert_int_equal(view.tci, get16(frame.bytes + 14));
		}
		assert_int_equal(packet_parse(packet), PARSE_OK);
		assert_true(meta->flags & PACKET_PARSED);
		assert_int_equal(meta->l3, frame.l3);
		assert_int_equal(meta->l4, frame.l4);
		assert_int_equal(meta->protocol, frame.protocol);
		assert_int_equal(meta->ethertype, frame.six ? 0x86dd : 0x0800);
		rte_pktmbuf_free(packet);
	}
}

static void
cut_off_headers_are_no_headers(void **state)
{
	for (int round = 0; round < 100; round++) {
		make_random_frame(&frame, 0);
		for (size_t length = 0; length < frame.end; length++) {
			struct rte_mbuf *packet = fixture_chain(frame.bytes, length, 2000);
			enum parse_result result = packet_parse(packet);

			if (length < 14)
				assert_int_equal(result, PARSE_TOO_SHORT);
			else if (length < frame.l3)
				assert_int_equal(result, PARSE_BAD_VLAN_TAG);
			else
				assert_int_equal(result, PARSE_OK);
			if (result == PARSE_OK)
				assert_int_equal(packet_meta(packet)->l4, PACKET_OFFSET_NONE);
			else
				assert_false(packet_meta(packet)->flags & PACKET_PARSED);
			rte_pktmbuf_free(packet);
		}
	}
}

/* The transport header that a lying frame gets, by changing one byte of a good one. */
static uint16_t
l4_with(unsigned at, uint8_t value)
{
	struct rte_mbuf *packet;
	uint8_t kept = frame.bytes[at];
	uint16_t l4;

	frame.bytes[at] = value;
	packet = fixture_chain(frame.bytes, frame.length, 2000);
	assert_int_equal(packet_parse(packet), PARSE_OK);
	l4 = packet_meta(packet)->l4;
	rte_pktmbuf_free(packet);
	frame.bytes[at] = kept;
	return l4;
}

static void
lying_lengths_and_fragments_have_no_transport_header(void **state)
{
	make_frame(&frame, false, IPPROTO_TCP, 0, 100);
	assert_int_equal(l4_with(14, frame.bytes[14]), frame.l4);
	assert_int_equal(l4_with(14, 0x65), PACKET_OFFSET_NONE);              /* version 6 */
	assert_int_equal(l4_with(14, 0x44), PACKET_OFFSET_NONE);              /* IHL 4 */
	assert_int_equal(l4_with(16, 0x40), PACKET_OFFSET_NONE);              /* total length */
	assert_int_equal(l4_with(20, 0x01), PACKET_OFFSET_NONE);              /* fragment offset */
	assert_int_equal(l4_with(20, 0x20), frame.l4);                        /* first fragment */
	assert_int_equal(l4_with(frame.l4 + 12, 4 << 4), PACKET_OFFSET_NONE); /* data offset */
	make_frame(&frame, false, IPPROTO_TCP, 0, 0);
	assert_int_equal(l4_with(frame.l4 + 12, 15 << 4),
		frame.l4_length == 60 ? frame.l4 : PACKET_OFFSET_NONE);
	make_frame(&frame, true, IPPROTO_UDP, 0, 100);
	assert_int_equal(l4_with(18, 0xff), PACKET_OFFSET_NONE); /* payload length */
	assert_int_equal(l4_with(14, 0x40), PACKET_OFFSET_NONE); /* version 4 */
}

static void
extension_headers_are_walked(void **state)
{
	static const uint8_t chain[] = {
		/* hop-by-hop, routing, destination options, AH (24 bytes), fragment, UDP */
		43, 0, 1, 4, 0, 0, 0, 0,               /* hop-by-hop -> routing */
		60, 0, 0, 0, 0, 0, 0, 0,               /* routing -> destination options */
		51, 0, 1, 4, 0, 0, 0, 0,               /* destination options -> AH */
		44, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1,   /* AH -> fragment: (4 + 2) * 4 bytes */
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, /* its ICV */
		17, 0, 0, 1, 0, 0, 0, 9,               /* fragment, offset 0, more */
		0, 1, 0, 2, 0, 8, 0, 0,                /* UDP */
	};
	uint8_t bytes[14 + 40 + sizeof(chain)] = { 0 };
	struct rte_mbuf *packet;

	put16(bytes + 12, 0x86dd);
	bytes[14] = 0x60;
	put16(bytes + 18, sizeof(chain));
	bytes[20] = 0;
	memcpy(bytes + 54, chain, sizeof(chain));
	packet = fixture_chain(bytes, sizeof(bytes), 20);
	assert_int_equal(packet_parse(packet), PARSE_OK);
	assert_int_equal(packet_meta(packet)->protocol, IPPROTO_UDP);
	assert_int_equal(packet_meta(packet)->l4, sizeof(bytes) - 8);
	rte_pktmbuf_free(packet);

	bytes[54 + sizeof(chain) - 8 - 6] = 0x10; /* no more the first fragment */
	packet = fixture_chain(bytes, sizeof(bytes), 20);
	assert_int_equal(packet_parse(packet), PARSE_OK);
	assert_int_equal(packet_meta(packet)->protocol, IPPROTO_UDP);
	assert_int_equal(packet_meta(packet)->l4, PACKET_OFFSET_NONE);
	rte_pktmbuf_free(packet);
}

static void
a_deep_tag_stack_ends_after_eight(void **state)
{
	uint8_t bytes[14 + 4 * 12 + 20] = { 0 };
	struct ether_view view;
	struct rte_mbuf *packet;

	for (unsigned i = 0; i < 12; i++)
		put16(bytes + 12 + 4 * i, 0x8100);
	packet = fixture_chain(bytes, sizeof(bytes), 2000);
	assert_int_equal(parse_ether(packet, &view), PARSE_OK);
	assert_int_equal(view.n_tags, 8);
	assert_int_equal(view.type, 0x8100);
	assert_int_equal(view.offset, 14 + 4 * 8);
	rte_pktmbuf_free(packet);
}

static uint32_t
hash_of(const struct hash_key *key, size_t piece)
{
	struct rte_mbuf *packet = fixture_chain(frame.bytes, frame.length, piece);
	uint32_t hash = packet_flow_hash(packet, key);

	assert_int_not_equal(hash, 0);
	assert_int_equal(hash, packet_meta(packet)->flow_hash);
	rte_pktmbuf_free(packet);
	return hash;
}

static void
a_flow_has_one_hash(void **state)
{
	struct hash_key key, another;

	hash_key_random(&key);
	hash_key_random(&another);
	for (int round = 0; round < 200; round++) {
		uint32_t hash;

		make_random_frame(&frame, 300);
		hash = hash_of(&key, 14 + random_number(60));
		assert_int_not_equal(hash, hash_of(&another, 2000));
		random_bytes(frame.bytes + frame.l4 + frame.l4_length,
			frame.end - frame.l4 - frame.l4_length);
		frame.bytes[frame.l3 + (frame.six ? 7 : 8)] ^= 0x55; /* TTL */
		assert_int_equal(hash, hash_of(&key, 2000));
		if (frame.protocol == IPPROTO_TCP || frame.protocol == IPPROTO_UDP) {
			frame.bytes[frame.l4] ^= 1;
			assert_int_not_equal(hash, hash_of(&key, 2000));
			frame.bytes[frame.l4] ^= 1;
		}
		frame.bytes[frame.l3 + (frame.six ? 8 : 12)] ^= 1; /* source address */
		assert_int_not_equal(hash, hash_of(&key, 2000));
	}
}

static void
fragments_of_a_packet_have_one_hash(void **state)
{
	struct hash_key key;
	uint32_t first;

	hash_key_random(&key);
	make_frame(&frame, false, IPPROTO_UDP, 1, 64);
	put16(frame.bytes + frame.l3 + 6, 0x2000);
	first = hash_of(&key, 2000);
	put16(frame.bytes + frame.l3 + 6, 0x0008);
	random_bytes(frame.bytes + frame.l4, 8);
	assert_int_equal(first, hash_of(&key, 2000));
}

static void
frames_that_are_not_ip_hash_by_their_macs(void **state)
{
	struct hash_key key;
	uint32_t hash;

	hash_key_random(&key);
	make_frame(&frame, false, IPPROTO_UDP, 0, 64);
	put16(frame.bytes + 12, 0x88cc);
	hash = hash_of(&key, 2000);
	frame.bytes[40] ^= 1;
	assert_int_equal(hash, hash_of(&key, 2000));
	frame.bytes[8] ^= 1;
	assert_int_not_equal(hash, hash_of(&key, 2000));
	frame.length = 9;
	assert_int_not_equal(hash_of(&key, 2000), 0);
}

/* ---- describing ------------------------------------------------------------------------- */

static void
assert_described(const char *hex, unsigned gso_size, const char *expected)
{
	uint8_t bytes[256];
	size_t length = 0;
	struct rte_mbuf *packet;
	char text[160];

	for (; *hex != '\0'; hex++) {
		unsigned byte;

		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		bytes[length++] = (uint8_t)byte;
		hex++;
	}
	packet = fixture_chain(bytes, length, 18);
	if (gso_size > 0) {
		packet_meta(packet)->gso = PACKET_GSO_TCP4;
		packet_meta(packet)->gso_size = (uint16_t)gso_size;
	}
	packet_describe(packet, text, sizeof(text));
	assert_string_equal(text, expected);
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		packet_describe(packet, text, size);
		assert_true(strlen(text) < size);
		assert_memory_equal(text, expected, strlen(text));
	}
	rte_pktmbuf_free(packet);
}

#define MACS "ffffffffffff 020000000001 "
#define TCP4 \
	"0800 4500002800010000400600000a0000010a000002 04d20050 00000000 00000000 5012 0000 " \
	"00000000"

static void
packets_are_described_for_people(void **state)
{
	assert_described(MACS TCP4, 0, "10.0.0.1:1234 > 10.0.0.2:80 tcp SA, 54 bytes");
	assert_described(MACS TCP4, 1448,
		"10.0.0.1:1234 > 10.0.0.2:80 tcp SA, 54 bytes in segments of 1448");
	assert_described(
		MACS "8100 600a" TCP4, 0, "vlan 10 10.0.0.1:1234 > 10.0.0.2:80 tcp SA, 58 bytes");
	assert_described(MACS
		"0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002",
		0, "arp who-has 10.0.0.2 tell 10.0.0.1, 42 bytes");
	assert_described(MACS
		"0806 0001 0800 06 04 0002 020000000001 0a000001 000000000000 0a000002",
		0, "arp reply 10.0.0.1 is-at 02:00:00:00:00:01, 42 bytes");
	assert_described(MACS "0800 4500001c00000000400100000a0000010a000002 0800 0000 0007 0003",
		0, "10.0.0.1 > 10.0.0.2 icmp echo request id 7 seq 3, 42 bytes");
	assert_described(MACS "0800 4500001c00000000400100000a0000010a000002 2a01 0000 0007 0003",
		0, "10.0.0.1 > 10.0.0.2 icmp type 42 code 1, 42 bytes");
	assert_described(MACS "86dd 60000000 0008 11 40 fe800000000000000000000000000001 "
			      "ff020000000000000000000000000002 0035 1f90 0008 0000",
		0, "[fe80::1]:53 > [ff02::2]:8080 udp, 62 bytes");
	assert_described(MACS "86dd 60000000 0018 3a ff fe800000000000000000000000000001 "
			      "ff0200000000000000000001ff000002 8700 0000 00000000 "
			      "fe800000000000000000000000000002",
		0, "fe80::1 > ff02::1:ff00:2 icmp6 neighbour solicitation fe80::2, 78 bytes");
	assert_described(MACS "88cc 0011", 0,
		"02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ethertype 0x88cc, 16 bytes");
	assert_described(
		MACS "0026 0011", 0, "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff 802.3 frame, 16 bytes");
	assert_described(MACS, 0, "malformed frame, 12 bytes");
	assert_described(MACS "0800 4500001c00012001401100000a0000010a000002 0800000000070003", 0,
		"10.0.0.1 > 10.0.0.2 protocol 17 fragment, 42 bytes");
}

/* ---- checksums -------------------------------------------------------------------------- */

/* RFC 1624, 4: where the older equation gave 0xffff. */
static void
the_example_of_rfc_1624_holds(void **state)
{
	const uint8_t before[] = { 0x55, 0x55 }, after[] = { 0x32, 0x85 };

	assert_int_equal(checksum_update(RTE_BE16(0xdd2f), before, after, 2), 0);
}

static void
updates_equal_recomputation(void **state)
{
	for (int round = 0; round < 200000; round++) {
		uint8_t before[20], after[20];
		size_t at = random_number(5) * 4, length = 2 * (1 + random_number(2));
		uint16_t checksum;

		random_bytes(before, sizeof(before));
		if (random_number(4) == 0)
			memset(before, random_number(2) ? 0xff : 0, 16);
		before[16] |= 1; /* a header that is not all zero */
		memcpy(after, before, sizeof(after));
		random_bytes(after + at, length);
		if (random_number(4) == 0)
			memset(after + at, random_number(2) ? 0xff : 0, length);
		after[16] |= 1;
		length = RTE_MIN(length, sizeof(before) - at);
		checksum = rte_cpu_to_be_16(0xffff ^ slow_fold(slow_sum(before, 20)));
		checksum = checksum_update(checksum, before + at, after + at, length);
		assert_int_equal(
			rte_be_to_cpu_16(checksum), 0xffff ^ slow_fold(slow_sum(after, 20)));
	}
}

static void
sums_over_chains_equal_slow_ones(void **state)
{
	for (int round = 0; round < 500; round++) {
		size_t length = 1 + random_number(random_number(10) == 0 ? 65000 : 300);
		unsigned offset = random_number((uint32_t)length);
		unsigned n = random_number((uint32_t)(length - offset + 1));
		struct rte_mbuf *packet;

		random_bytes(frame.bytes, length);
		if (random_number(4) == 0)
			memset(frame.bytes, 0xff, length);
		packet = fixture_chain(
			frame.bytes, length, length > 1000 ? 997 : 1 + random_number(60));
		assert_int_equal(
			rte_be_to_cpu_16(checksum_fold(checksum_sum_packet(packet, offset, n))),
			slow_fold(slow_sum(frame.bytes + offset, n)));
		assert_int_equal(
			rte_be_to_cpu_16(checksum_fold(checksum_sum(frame.bytes + offset, n))),
			slow_fold(slow_sum(frame.bytes + offset, n)));
		rte_pktmbuf_free(packet);
	}
}

/* ---- editing ---------------------------------------------------------------------------- */

/* The same edit on a frame's bytes, by hand; checksums are for seal(). */
static void
model_push(struct frame *model, uint16_t type, uint16_t tci)
{
	memmove(model->bytes + 16, model->bytes + 12, model->length - 12);
	put16(model->bytes + 12, type);
	put16(model->bytes + 14, tci);
	model->l3 += 4;
	model->l4 += 4;
	model->length += 4;
	model->end += 4;
	model->tags++;
}

static void
model_pop(struct frame *model)
{
	memmove(model->bytes + 12, model->bytes + 16, model->length - 16);
	model->l3 -= 4;
	model->l4 -= 4;
	model->length -= 4;
	model->end -= 4;
	model->tags--;
}

static void
model_dscp(struct frame *model, uint8_t dscp)
{
	uint8_t *ip = model->bytes + model->l3;

	if (model->six)
		put16(ip, (get16(ip) & 0xf03f) | (unsigned)dscp << 6);
	else
		ip[1] = (uint8_t)(dscp << 2 | (ip[1] & 3));
}

static unsigned
port_place(const struct frame *model, bool source)
{
	if (model->protocol == IPPROTO_ICMP || model->protocol == IPPROTO_ICMPV6)
		return model->l4 + 4;
	return model->l4 + (source ? 0 : 2);
}

static unsigned
address_place(const struct frame *model, bool source)
{
	unsigned length = model->six ? 16 : 4;

	return model->l3 + (model->six ? 8 : 12) + (source ? 0 : length);
}

/* One random edit on both; returns the packet. */
static struct rte_mbuf *
edit_both(struct rte_mbuf *packet, struct frame *model)
{
	struct rte_ether_addr mac;
	uint8_t address[16];
	uint16_t value = (uint16_t)random_number(65536);
	uint8_t *ttl = model->bytes + model->l3 + (model->six ? 7 : 8);

	random_bytes(address, sizeof(address));
	random_bytes(mac.addr_bytes, 6);
	switch (random_number(11)) {
	case 0:
		if (model->tags >= 6)
			return packet;
		model_push(model, 0x8100, value);
		return edit_push_vlan(&pools, packet, 0x8100, value);
	case 1:
		if (model->tags == 0)
			return packet;
		model_pop(model);
		return edit_pop_vlan(&pools, packet);
	case 2:
		if (model->tags == 0)
			return packet;
		put16(model->bytes + 14, (get16(model->bytes + 14) & 0xf000) | (value & 0x0fff));
		return edit_set_vlan(&pools, packet, value & 0x0fff);
	case 3:
		memcpy(model->bytes + 6, mac.addr_bytes, 6);
		edit_set_ether_source(packet, &mac);
		return packet;
	case 4:
		memcpy(model->bytes, mac.addr_bytes, 6);
		edit_set_ether_destination(packet, &mac);
		return packet;
	case 5:
		memcpy(model->bytes + address_place(model, true), address, model->six ? 16 : 4);
		edit_set_ip_source(packet, address);
		return packet;
	case 6:
		memcpy(model->bytes + address_place(model, false), address, model->six ? 16 : 4);
		edit_set_ip_destination(packet, address);
		return packet;
	case 7:
		if (*ttl < 2)
			return packet;
		(*ttl)--;
		edit_decrement_ttl(packet);
		return packet;
	case 8:
		model_dscp(model, value & 0x3f);
		edit_set_dscp(packet, value & 0x3f);
		return packet;
	case 9:
		put16(model->bytes + port_place(model, true), value);
		edit_set_l4_source(packet, rte_cpu_to_be_16(value));
		return packet;
	default:
		put16(model->bytes + port_place(model, false), value);
		edit_set_l4_destination(packet, rte_cpu_to_be_16(value));
		return packet;
	}
}

/* What a flow cache will do with a log: everything at once, on a frame like the first. */
static void
replay(struct frame *model, const struct edit_log *log)
{
	unsigned length = model->six ? 16 : 4;
	uint8_t *ttl;

	if (log->what & EDIT_VLAN) {
		for (unsigned i = 0; i < log->popped; i++)
			model_pop(model);
		for (unsigned i = log->pushed; i > 0; i--)
			model_push(model, rte_be_to_cpu_16(log->tag_types[i - 1]),
				rte_be_to_cpu_16(log->tags[i - 1]));
	}
	ttl = model->bytes + model->l3 + (model->six ? 7 : 8);
	if (log->what & EDIT_ETHER_SOURCE)
		memcpy(model->bytes + 6, &log->ether_source, 6);
	if (log->what & EDIT_ETHER_DESTINATION)
		memcpy(model->bytes, &log->ether_destination, 6);
	if (log->what & EDIT_IP_SOURCE)
		memcpy(model->bytes + address_place(model, true), log->ip_source, length);
	if (log->what & EDIT_IP_DESTINATION)
		memcpy(model->bytes + address_place(model, false), log->ip_destination, length);
	if (log->what & EDIT_TTL)
		*ttl -= log->ttl_decrement;
	if (log->what & EDIT_DSCP)
		model_dscp(model, log->dscp);
	if (log->what & EDIT_L4_SOURCE)
		memcpy(model->bytes + port_place(model, true), &log->l4_source, 2);
	if (log->what & EDIT_L4_DESTINATION)
		memcpy(model->bytes + port_place(model, false), &log->l4_destination, 2);
}

static bool
is_icmp(const struct frame *model)
{
	return model->protocol == IPPROTO_ICMP || model->protocol == IPPROTO_ICMPV6;
}

static void
assert_meta_as_parsed(struct rte_mbuf *packet)
{
	struct packet_meta before = *packet_meta(packet);

	assert_int_equal(packet_parse(packet), PARSE_OK);
	assert_memory_equal(&before, packet_meta(packet), sizeof(before));
}

static void
edits_equal_recomputation(void **state)
{
	unsigned overflows = 0;

	for (int round = 0; round < 20000; round++) {
		struct edit_log log = { 0 };
		bool partial = random_number(3) == 0;
		size_t payload = random_number(50) == 0 ? 9000 : 200;
		struct rte_mbuf *packet;
		struct packet_meta *meta;

		make_random_frame(&frame, payload);
		if (is_icmp(&frame))
			partial = false;
		seal(&frame, partial);
		other = frame;
		packet = fixture_chain(frame.bytes, frame.length, 14 + random_number(300));
		assert_int_equal(packet_parse(packet), PARSE_OK);
		packet = packet_writable(&pools, packet, packet_header_bytes(packet), 0);
		assert_non_null(packet);
		meta = packet_meta(packet);
		meta->log = &log;
		if (partial) {
			meta->offload = PACKET_NEEDS_CHECKSUM;
			meta->checksum_start = (uint16_t)frame.l4;
			meta->checksum_offset = (uint16_t)(checksum_place(&frame) - frame.l4);
		}
		for (unsigned edits = random_number(12); edits > 0; edits--) {
			packet = edit_both(packet, &frame);
			assert_non_null(packet);
		}
		seal(&frame, partial);
		assert_bytes(packet, frame.bytes, frame.length);
		assert_meta_as_parsed(packet);

		if (log.what & EDIT_OVERFLOW) {
			overflows++;
		} else if (!is_icmp(&other) || (log.what & 0x0180) != 0x0180) {
			/* both ports of an ICMP echo are its one id: the last one holds */
			replay(&other, &log);
			seal(&other, partial);
			assert_bytes(packet, other.bytes, other.length);
		}
		if (partial) {
			packet = offload_finish_checksum(&pools, packet);
			assert_non_null(packet);
			frame.no_checksum = false;
			/* virtio sums to the end of the frame: padding must be zero to not count */
			if (frame.length == frame.end) {
				seal(&frame, false);
				assert_bytes(packet, frame.bytes, frame.length);
			}
			assert_int_equal(packet_meta(packet)->offload, PACKET_CHECKSUM_GOOD);
		}
		rte_pktmbuf_free(packet);
	}
	assert_in_range(overflows, 1, 4000);
}

static void
a_push_and_its_pop_leave_no_trace_in_the_log(void **state)
{
	struct edit_log log = { 0 };
	struct rte_mbuf *packet;

	make_frame(&frame, false, IPPROTO_UDP, 1, 20);
	put16(frame.bytes + 12, 0x8100);
	put16(frame.bytes + 14, 0xe00a);
	packet = fixture_chain(frame.bytes, frame.length, 2000);
	assert_int_equal(packet_parse(packet), PARSE_OK);
	packet_meta(packet)->log = &log;

	packet = edit_push_vlan(&pools, packet, 0x88a8, 100);
	packet = edit_set_vlan(&pools, packet, 200);
	assert_int_equal(log.what, EDIT_VLAN);
	assert_int_equal(log.pushed, 1);
	assert_int_equal(log.popped, 0);
	assert_int_equal(log.tags[0], RTE_BE16(200));
	assert_int_equal(log.tag_types[0], RTE_BE16(0x88a8));
	packet = edit_pop_vlan(&pools, packet);
	assert_int_equal(log.what, 0);

	packet = edit_set_vlan(&pools, packet, 20); /* priority 7 is kept */
	assert_int_equal(log.popped, 1);
	assert_int_equal(log.pushed, 1);
	assert_int_equal(log.tags[0], RTE_BE16(0xe014));
	packet = edit_pop_vlan(&pools, packet);
	assert_int_equal(log.what, EDIT_VLAN);
	assert_int_equal(log.popped, 1);
	assert_int_equal(log.pushed, 0);

	for (int i = 0; i < 3; i++)
		packet = edit_push_vlan(&pools, packet, 0x8100, (uint16_t)i);
	assert_true(log.what & EDIT_OVERFLOW);
	for (int i = 0; i < 3; i++)
		packet = edit_pop_vlan(&pools, packet);
	assert_true(log.what & EDIT_OVERFLOW);
	rte_pktmbuf_free(packet);
}

/* RFC 768: zero means none; a sum that comes out as zero goes as 0xffff. */
static void
a_udp_checksum_never_becomes_zero(void **state)
{
	unsigned found = 0;

	make_frame(&frame, true, IPPROTO_UDP, 0, 32);
	for (unsigned port = 0; port < 65536; port++) {
		struct rte_mbuf *packet = fixture_chain(frame.bytes, frame.length, 2000);
		struct frame *model = &other;

		assert_int_equal(packet_parse(packet), PARSE_OK);
		edit_set_l4_source(packet, rte_cpu_to_be_16(port));
		if (port % 256 == 0 ||
			get16(rte_pktmbuf_mtod(packet, uint8_t *) + frame.l4 + 6) == 0xffff) {
			*model = frame;
			put16(model->bytes + model->l4, port);
			seal(model, false);
			found += get16(model->bytes + model->l4 + 6) == 0xffff;
			assert_bytes(packet, model->bytes, model->length);
		}
		assert_int_not_equal(get16(rte_pktmbuf_mtod(packet, uint8_t *) + frame.l4 + 6), 0);
		rte_pktmbuf_free(packet);
	}
	assert_int_equal(found, 1);
}

static void
edits_of_what_is_not_there_do_nothing(void **state)
{
	static const uint8_t address[16] = { 1, 2, 3 };
	struct edit_log log = { 0 };
	struct rte_mbuf *packet;

	make_frame(&frame, false, IPPROTO_TCP, 0, 20);
	put16(frame.bytes + 12, 0x0806);
	packet = fixture_chain(frame.bytes, frame.length, 2000);
	assert_int_equal(packet_parse(packet), PARSE_OK);
	packet_meta(packet)->log = &log;
	edit_set_ip_source(packet, address);
	edit_set_ip_destination(packet, address);
	edit_decrement_ttl(packet);
	edit_set_dscp(packet, 5);
	edit_set_l4_source(packet, 7);
	edit_set_l4_destination(packet, 7);
	assert_bytes(packet, frame.bytes, frame.length);
	assert_int_equal(log.what, 0);
	rte_pktmbuf_free(packet);
}

/* ---- sharing ---------------------------------------------------------------------------- */

static void
shared_bytes_are_never_written(void **state)
{
	static const size_t lengths[] = { 60, 400, 513, 1500, 2048, 9000, 60000 };

	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		for (int which = 0; which < 6; which++) {
			size_t piece = which & 1 ? 700 : PACKET_LARGE_ROOM;
			struct rte_mbuf *packets[3];
			struct frame *model = &other;
			struct rte_mbuf **edited = &packets[which / 2];

			make_frame(&frame, which & 1, IPPROTO_UDP, 1, lengths[i] - 60);
			packets[0] = fixture_chain(frame.bytes, frame.length, piece);
			assert_int_equal(packet_parse(packets[0]), PARSE_OK);
			packets[1] = packet_duplicate(&pools, packets[0]);
			packets[2] = packet_duplicate(&pools, packets[1]);
			*model = frame;
			for (int edit = 0; edit < 40; edit++) {
				*edited = packet_writable(
					&pools, *edited, packet_header_bytes(*edited), 0);
				*edited = edit_both(*edited, model);
				assert_non_null(*edited);
			}
			seal(model, false);
			for (int k = 0; k < 3; k++) {
				const struct frame *expected =
					&packets[k] == edited ? model : &frame;

				assert_bytes(packets[k], expected->bytes, expected->length);
				rte_pktmbuf_free(packets[k]);
			}
			assert_true(fixture_nothing_lost());
		}
	}
}

static void
the_last_owner_may_write_in_place(void **state)
{
	struct rte_mbuf *packet, *copy, *same;

	make_frame(&frame, false, IPPROTO_UDP, 0, 5000);
	packet = fixture_chain(frame.bytes, frame.length, PACKET_LARGE_ROOM);
	packet_meta(packet)->copies = 77;
	packet_meta(packet)->vport = 5;
	copy = packet_duplicate(&pools, packet);
	assert_int_equal(packet_meta(copy)->copies, 77);
	assert_int_equal(packet_meta(copy)->vport, 5);
	rte_pktmbuf_free(packet);
	same = packet_writable(&pools, copy, 100, 4);
	assert_ptr_equal(same, copy);
	rte_pktmbuf_free(copy);
	assert_true(fixture_nothing_lost());
}

static void
room_is_made_where_there_is_none(void **state)
{
	struct rte_mbuf *packet;

	make_frame(&frame, false, IPPROTO_UDP, 0, 5000);
	packet = fixture_chain(frame.bytes, frame.length, PACKET_LARGE_ROOM);
	packet_meta(packet)->hops = 3;
	packet = packet_writable(&pools, packet, 60, 300);
	assert_non_null(packet);
	assert_true(rte_pktmbuf_headroom(packet) >= 300);
	assert_int_equal(packet_meta(packet)->hops, 3);
	assert_bytes(packet, frame.bytes, frame.length);
	rte_pktmbuf_free(packet);

	packet = fixture_chain(frame.bytes, 50, 2000);
	assert_null(packet_writable(&pools, packet, 51, 0));
	packet = fixture_chain(frame.bytes, 50, 2000);
	assert_null(packet_writable(&pools, packet, 50, 5000));
	assert_true(fixture_nothing_lost());
}

static void
packets_come_from_bytes_of_any_length(void **state)
{
	static const size_t lengths[] = { 0, 1, 60, 2048, 2049, PACKET_LARGE_ROOM,
		PACKET_LARGE_ROOM + 1, 65535 };
	struct rte_mbuf *packet;

	random_bytes(frame.bytes, FRAME_LIMIT);
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		packet = packet_from_bytes(&pools, frame.bytes, lengths[i]);
		assert_non_null(packet);
		assert_int_equal(packet_meta(packet)->copies, PACKET_COPY_BUDGET);
		if (lengths[i] > 0)
			assert_bytes(packet, frame.bytes, lengths[i]);
		rte_pktmbuf_free(packet);
	}
	assert_null(packet_from_bytes(&pools, frame.bytes, 65536));

	packet = fixture_chain(frame.bytes, 1500, 100);
	packet = packet_linear(&pools, packet);
	assert_int_equal(packet->nb_segs, 1);
	assert_bytes(packet, frame.bytes, 1500);
	rte_pktmbuf_free(packet);
	packet = fixture_chain(frame.bytes, PACKET_LARGE_ROOM + 1, 60000);
	assert_null(packet_linear(&pools, packet));
	assert_true(fixture_nothing_lost());
}

/* ---- virtio-net headers ------------------------------------------------------------------ */

static bool
accepts(const struct virtio_net_hdr *header)
{
	struct rte_mbuf *packet = fixture_chain(frame.bytes, frame.length, 999);
	bool taken = offload_from_header(packet, header);
	struct virtio_net_hdr back;

	offload_to_header(packet, &back);
	if (taken) {
		assert_int_equal(back.flags, header->flags);
		assert_int_equal(back.gso_type, header->gso_type);
		assert_int_equal(back.csum_start, header->csum_start);
		assert_int_equal(back.csum_offset, header->csum_offset);
		if (back.gso_type != 0)
			assert_int_equal(back.hdr_len, frame.l4 + frame.l4_length);
	} else {
		assert_int_equal(packet_meta(packet)->offload, 0);
		assert_int_equal(packet_meta(packet)->gso, PACKET_GSO_NONE);
	}
	rte_pktmbuf_free(packet);
	return taken;
}

static void
headers_that_lie_are_refused(void **state)
{
	struct virtio_net_hdr good, header;
	const struct virtio_net_hdr none = { 0 };

	make_frame(&frame, false, IPPROTO_TCP, 1, 4000);
	good = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
		.hdr_len = 9999,
		.gso_size = 1400,
		.csum_start = (uint16_t)frame.l4,
		.csum_offset = 16 };
	assert_true(accepts(&none));
	assert_true(accepts(&good));
#define REFUSED(field, value) \
	header = good; \
	header.field = (value); \
	assert_false(accepts(&header));
	REFUSED(gso_size, 0)
	REFUSED(gso_type, VIRTIO_NET_HDR_GSO_TCPV6)
	REFUSED(gso_type, VIRTIO_NET_HDR_GSO_UDP)
	REFUSED(gso_type, VIRTIO_NET_HDR_GSO_UDP_L4)
	REFUSED(gso_type, 0x7f)
	REFUSED(gso_type, VIRTIO_NET_HDR_GSO_ECN)
	REFUSED(csum_start, frame.l4 + 2)
	REFUSED(csum_start, 0)
	REFUSED(csum_start, 65535)
	REFUSED(csum_offset, 6)
	REFUSED(csum_offset, 65535)
#undef REFUSED
	header = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = (uint16_t)frame.l4,
		.csum_offset = 6 };
	assert_true(accepts(&header));
	frame.length = frame.l4 + 7;
	assert_false(accepts(&header));
	frame.length = frame.l4 + 8;
	assert_true(accepts(&header));
	header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	header.csum_start = header.csum_offset = 0;
	assert_true(accepts(&header));

	make_frame(&frame, false, IPPROTO_TCP, 1, 4000);
	frame.bytes[frame.l3 + 6] = 0x20; /* a fragment is no super-packet */
	assert_false(accepts(&good));
}

/*
 * Whoever finishes the checksum writes into the frame, maybe after a switch has put it into a
 * VLAN by its tag: what is in front of the transport header is out of reach.
 */
static void
a_checksum_lies_behind_tags_and_network_header(void **state)
{
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

	(void)state;
	for (unsigned six = 0; six < 2; six++) {
		for (unsigned tags = 0; tags < 3; tags++) {
			make_frame(&frame, six != 0, IPPROTO_UDP, tags, 200);
			for (unsigned start = 0; start < frame.l3 + (six ? 40 : 20); start += 2) {
				header.csum_start = (uint16_t)start;
				header.csum_offset = 0;
				assert_false(accepts(&header));
				header.csum_offset = (uint16_t)(frame.l4 + 6 - start);
				assert_false(accepts(&header));
			}
			header.csum_start = (uint16_t)frame.l4;
			header.csum_offset = 6;
			assert_true(accepts(&header));
			/* of what is in a tunnel */
			header.csum_start = (uint16_t)frame.l4 + 58;
			assert_true(accepts(&header));
		}
	}
	/* neither: behind the tags alone */
	make_frame(&frame, false, IPPROTO_UDP, 1, 200);
	frame.bytes[frame.l3 - 2] = 0x88;
	frame.bytes[frame.l3 - 1] = 0xb5;
	header.csum_start = (uint16_t)frame.l3 - 2;
	assert_false(accepts(&header));
	header.csum_start = (uint16_t)frame.l3;
	assert_true(accepts(&header));
}

/* ---- segmentation ------------------------------------------------------------------------ */

/* What the segment must be, made by hand from the super-packet. */
static void
model_segment(const struct frame *whole, struct frame *part, unsigned index, unsigned count,
	unsigned size)
{
	unsigned headers = whole->l4 + whole->l4_length, n;
	uint8_t *ip, *transport;

	*part = *whole;
	n = (unsigned)(whole->end - headers) - index * size;
	n = n < size ? n : size;
	memcpy(part->bytes + headers, whole->bytes + headers + index * size, n);
	part->length = part->end = headers + n;
	ip = part->bytes + part->l3;
	transport = part->bytes + part->l4;
	if (part->six) {
		put16(ip + 4, (unsigned)part->end - part->l3 - 40);
	} else {
		put16(ip + 2, (unsigned)part->end - part->l3);
		put16(ip + 4, get16(ip + 4) + index);
	}
	if (part->protocol == IPPROTO_UDP) {
		put16(transport + 4, 8 + n);
	} else {
		uint32_t sequence;

		memcpy(&sequence, transport + 4, 4);
		sequence = rte_cpu_to_be_32(rte_be_to_cpu_32(sequence) + index * size);
		memcpy(transport + 4, &sequence, 4);
		if (index + 1 < count)
			transport[13] &= 0xf6; /* FIN, PSH */
		if (index > 0)
			transport[13] &= 0x7f; /* CWR */
	}
	seal(part, false);
}

static void
segment_and_compare(size_t piece, unsigned size, bool partial)
{
	unsigned payload = (unsigned)(frame.end - frame.l4 - frame.l4_length);
	unsigned count = payload == 0 ? 1 : (payload + size - 1) / size, made, wire;
	struct virtio_net_hdr header = { .gso_size = (uint16_t)size };
	struct rte_mbuf *segments[64], *packet;
	struct frame *part = &other;
	bool no_buffer;

	if (partial) {
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.csum_start = (uint16_t)frame.l4;
		header.csum_offset = (uint16_t)(checksum_place(&frame) - frame.l4);
		frame.no_checksum = false;
	}
	header.gso_type = frame.protocol == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4
			  : frame.six                   ? VIRTIO_NET_HDR_GSO_TCPV6
							: VIRTIO_NET_HDR_GSO_TCPV4;
	seal(&frame, partial);
	packet = fixture_chain(frame.bytes, frame.length, piece);
	packet_meta(packet)->hops = 9;
	assert_true(offload_from_header(packet, &header));
	wire = offload_wire_length(packet);
	made = offload_segment(&pools, packet, segments, RTE_DIM(segments), &no_buffer);
	assert_int_equal(made, count <= RTE_DIM(segments) ? count : 0);
	for (unsigned i = 0; i < made; i++) {
		model_segment(&frame, part, i, count, size);
		assert_int_equal(segments[i]->nb_segs, 1);
		assert_bytes(segments[i], part->bytes, part->length);
		assert_true(part->length - part->l3 <= wire);
		if (i == 0 && frame.length == frame.end)
			assert_int_equal(part->length - part->l3, wire);
		assert_int_equal(packet_meta(segments[i])->hops, 9);
		assert_int_equal(packet_meta(segments[i])->gso, PACKET_GSO_NONE);
		assert_false(packet_meta(segments[i])->offload & PACKET_NEEDS_CHECKSUM);
		assert_meta_as_parsed(segments[i]);
		rte_pktmbuf_free(segments[i]);
	}
	assert_true(fixture_nothing_lost());
}

static void
segments_equal_those_made_by_hand(void **state)
{
	for (int round = 0; round < 600; round++) {
		bool tcp = random_number(2);
		size_t payload = random_number(round % 10 == 0 ? 61000 : 6000);

		make_frame(&frame, random_number(2), tcp ? IPPROTO_TCP : IPPROTO_UDP,
			random_number(4), payload);
		segment_and_compare(round % 3 == 0 ? 1 + random_number(300) + 14 : 62 * 1024,
			1 + random_number(round % 7 == 0 ? 9000 : 1448), random_number(4) != 0);
	}
}

static void
a_full_super_packet_is_cut(void **state)
{
	make_frame(&frame, false, IPPROTO_TCP, 0, 61440 - 100);
	segment_and_compare(PACKET_LARGE_ROOM, 1448, true);
	make_frame(&frame, true, IPPROTO_TCP, 1, 65000);
	segment_and_compare(9000, 1428, true);
}

static void
without_buffers_nothing_is_cut_and_nothing_lost(void **state)
{
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 1000,
		.csum_offset = 16 };
	static struct rte_mbuf *taken[4096];
	struct rte_mbuf *packet, *segments[64];
	bool no_buffer = false;
	unsigned n = 0;

	make_frame(&frame, false, IPPROTO_TCP, 0, 20000);
	header.csum_start = (uint16_t)frame.l4;
	packet = fixture_chain(frame.bytes, frame.length, PACKET_LARGE_ROOM);
	assert_true(offload_from_header(packet, &header));
	while ((taken[n] = rte_pktmbuf_alloc(pools.small)) != NULL)
		n++;
	assert_null(packet_duplicate(&pools, packet));
	for (int i = 0; i < 5; i++)
		rte_pktmbuf_free(taken[--n]);
	assert_int_equal(offload_segment(&pools, packet, segments, 64, &no_buffer), 0);
	assert_true(no_buffer);
	assert_int_equal(rte_mempool_avail_count(pools.small), 5);
	for (int i = 0; i < 5; i++)
		taken[n++] = rte_pktmbuf_alloc(pools.small);
	packet = fixture_chain(frame.bytes, 3000, PACKET_LARGE_ROOM);
	assert_null(packet_writable(&pools, packet, 60, 200));
	rte_pktmbuf_free_bulk(taken, n);
	assert_true(fixture_nothing_lost());
}

static void
wire_lengths_leave_out_macs_and_tags(void **state)
{
	struct rte_mbuf *packet;

	make_frame(&frame, false, IPPROTO_UDP, 2, 1000);
	packet = fixture_chain(frame.bytes, frame.length, 2000);
	assert_int_equal(offload_wire_length(packet), frame.length - 14 - 8);
	rte_pktmbuf_free(packet);
	packet = fixture_chain(frame.bytes, 9, 2000);
	assert_int_equal(offload_wire_length(packet), 9);
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
		cmocka_unit_test(headers_are_found_wherever_a_chain_is_cut),
		cmocka_unit_test(cut_off_headers_are_no_headers),
		cmocka_unit_test(lying_lengths_and_fragments_have_no_transport_header),
		cmocka_unit_test(extension_headers_are_walked),
		cmocka_unit_test(a_deep_tag_stack_ends_after_eight),
		cmocka_unit_test(a_flow_has_one_hash),
		cmocka_unit_test(fragments_of_a_packet_have_one_hash),
		cmocka_unit_test(frames_that_are_not_ip_hash_by_their_macs),
		cmocka_unit_test(packets_are_described_for_people),
		cmocka_unit_test(the_example_of_rfc_1624_holds),
		cmocka_unit_test(updates_equal_recomputation),
		cmocka_unit_test(sums_over_chains_equal_slow_ones),
		cmocka_unit_test(edits_equal_recomputation),
		cmocka_unit_test(a_push_and_its_pop_leave_no_trace_in_the_log),
		cmocka_unit_test(a_udp_checksum_never_becomes_zero),
		cmocka_unit_test(edits_of_what_is_not_there_do_nothing),
		cmocka_unit_test(shared_bytes_are_never_written),
		cmocka_unit_test(the_last_owner_may_write_in_place),
		cmocka_unit_test(room_is_made_where_there_is_none),
		cmocka_unit_test(packets_come_from_bytes_of_any_length),
		cmocka_unit_test(headers_that_lie_are_refused),
		cmocka_unit_test(a_checksum_lies_behind_tags_and_network_header),
		cmocka_unit_test(segments_equal_those_made_by_hand),
		cmocka_unit_test(a_full_super_packet_is_cut),
		cmocka_unit_test(without_buffers_nothing_is_cut_and_nothing_lost),
		cmocka_unit_test(wire_lengths_leave_out_macs_and_tags),
	};

	fixture_open();
	return cmocka_run_group_tests(tests, NULL, close_group);
}
