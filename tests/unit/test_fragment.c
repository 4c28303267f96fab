/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip_frames.h"
#include "packet/edit.h"
#include "packet/fragment.h"
#include "packet/reassemble.h"

#define SECOND 1000000000ull
#define FRAGMENTS_LIMIT 200

static const struct reassembly_limits roomy = {
	.datagrams = 256,
	.domain_datagrams = 256,
	.bytes = 8 << 20,
	.domain_bytes = 8 << 20,
	.timeout = REASSEMBLY_TIMEOUT,
};

static uint8_t bytes[FRAME_LIMIT], whole[FRAME_LIMIT];
static struct rte_mbuf *fragments[FRAGMENTS_LIMIT];

/* ---- fragmentation ------------------------------------------------------------------------ */

/* The payload of fragments in order, and all that is to be said of each. */
static void
assert_fragments(unsigned n, size_t length, unsigned mtu)
{
	unsigned header = (frame[L3] & 0x0fu) * 4, done = 0, field = get16(frame + L3 + 6);

	assert_true(n > 1);
	for (unsigned i = 0; i < n; i++) {
		size_t part = fixture_bytes(fragments[i], bytes);
		unsigned own = (bytes[L3] & 0x0fu) * 4, payload = (unsigned)part - L3 - own;
		unsigned flags = (field & 0xe000) | (i + 1 < n ? 0x2000 : 0);

		assert_parsed(fragments[i]);
		assert_int_equal(fragments[i]->nb_segs, 1);
		assert_true(part - L3 <= mtu);
		assert_int_equal(get16(bytes + L3 + 2), part - L3);
		assert_int_equal(slow_fold(slow_sum(bytes + L3, own)), 0xffff);
		assert_memory_equal(bytes, frame, L3 + (i > 0 ? 0 : 1));
		assert_memory_equal(bytes + L3 + 4, frame + L3 + 4, 2);
		assert_memory_equal(bytes + L3 + 8, frame + L3 + 8, 2);
		assert_memory_equal(bytes + L3 + 12, frame + L3 + 12, 8);
		if (i == 0)
			assert_memory_equal(bytes + L3 + 20, frame + L3 + 20, own - 20);
		assert_int_equal(get16(bytes + L3 + 6), flags | ((field & 0x1fff) + done / 8));
		assert_true(i + 1 == n || payload % 8 == 0);
		assert_memory_equal(bytes + L3 + own, frame + L3 + header + done, payload);
		done += payload;
		/* no fragment could have taken eight more */
		if (i + 1 < n)
			assert_true(part - L3 + 8 > mtu);
	}
	assert_int_equal(L3 + header + done, length);
}

static void
fragments_hold_what_was_cut(void **state)
{
	for (int round = 0; round < 1500; round++) {
		unsigned mtu = 68 + random_number(random_number(2) ? 100 : 1500), n;
		unsigned options = 4 * random_number(11);
		size_t payload = mtu + random_number(3000);
		size_t length = make_ip4(IPPROTO_UDP, options, payload);
		bool no_buffer, partial = random_number(3) == 0;
		struct rte_mbuf *packet;

		/* some are fragments themselves */
		put16(frame + L3 + 6, random_number(2) ? random_number(0x1000) | 0x2000 : 0);
		if (get16(frame + L3 + 6) != 0)
			partial = false;
		if (partial)
			seal_transport(frame, length, true);
		seal_ip4(frame + L3);
		packet = fixture_chain(frame, length + random_number(20), L3 + random_number(3000));
		if (partial) {
			mark_partial(packet, behind_ip(frame), IPPROTO_UDP);
			seal_transport(frame, length, false);
		}
		packet_meta(packet)->vport = 77;
		n = fragment_ip4(&pools, packet, L3, mtu, fragments, FRAGMENTS_LIMIT, &no_buffer);
		assert_false(no_buffer);
		if (n == 0) { /* more than are allowed: eight bytes behind sixty */
			assert_true((payload + 7) / 8 > FRAGMENTS_LIMIT);
			continue;
		}
		assert_fragments(n, length, mtu);
		assert_int_equal(packet_meta(fragments[n - 1])->vport, 77);
		rte_pktmbuf_free_bulk(fragments, n);
	}
}

/* RFC 791, 3.1: the copied bit. */
static void
options_go_where_their_bit_says(void **state)
{
	bool no_buffer;
	size_t length = make_ip4(IPPROTO_UDP, 28, 3000);
	uint8_t *options = frame + L3 + 20;
	unsigned n;

	/* record route, no-operation, router alert (copied), basic security (copied), end */
	from_hex(options, "070704 00000000 01 94040000 820b 0102030405060708 09 00 00 0000");
	seal_ip4(frame + L3);
	n = fragment_ip4(&pools, fixture_chain(frame, length, 4000), L3, 1000, fragments,
		FRAGMENTS_LIMIT, &no_buffer);
	assert_fragments(n, length, 1000);
	for (unsigned i = 1; i < n; i++) {
		fixture_bytes(fragments[i], bytes);
		assert_int_equal(bytes[L3], 0x49);
		assert_memory_equal(bytes + L3 + 20,
			"\x94\x04\0\0\x82\x0b\x01\x02\x03\x04\x05\x06\x07\x08\x09\0", 16);
	}
	rte_pktmbuf_free_bulk(fragments, n);

	/* what is malformed is not copied, and not read past its end */
	from_hex(options, "94040000 ff40 01010101010101 01010101010101 01010101010101 01");
	seal_ip4(frame + L3);
	n = fragment_ip4(&pools, fixture_chain(frame, length, 4000), L3, 1000, fragments,
		FRAGMENTS_LIMIT, &no_buffer);
	fixture_bytes(fragments[1], bytes);
	assert_int_equal(bytes[L3], 0x46);
	rte_pktmbuf_free_bulk(fragments, n);
}

static unsigned
cut(size_t length, unsigned mtu, unsigned limit, bool *no_buffer)
{
	return fragment_ip4(
		&pools, fixture_chain(frame, length, 60000), L3, mtu, fragments, limit, no_buffer);
}

static void
what_cannot_be_cut_is_refused(void **state)
{
	size_t length = make_ip4(IPPROTO_UDP, 0, 2000);
	struct rte_mbuf *packet, *held[4095];
	struct edit_log log = { 0 };
	unsigned taken = 0;
	bool no_buffer;

	assert_int_equal(cut(length, 2020, 1, &no_buffer), 1);
	assert_int_equal(fixture_bytes(fragments[0], bytes), length);
	assert_memory_equal(bytes, frame, length);
	rte_pktmbuf_free(fragments[0]);
	assert_int_equal(cut(length, 2019, 1, &no_buffer), 0);
	assert_int_equal(cut(length, 67, FRAGMENTS_LIMIT, &no_buffer), 0);
	assert_false(no_buffer);
	packet = fixture_chain(frame, length, 4000);
	packet_meta(packet)->gso = PACKET_GSO_UDP;
	assert_int_equal(fragment_ip4(&pools, packet, L3, 1000, fragments, 9, &no_buffer), 0);
	assert_false(no_buffer);
	/* the end would lie behind 65,535 */
	put16(frame + L3 + 6, 0x1fff);
	seal_ip4(frame + L3);
	assert_int_equal(cut(length, 1000, FRAGMENTS_LIMIT, &no_buffer), 0);
	assert_false(no_buffer);

	length = make_ip4(IPPROTO_UDP, 0, 30000);
	packet = fixture_chain(frame, length, 60000);
	packet_meta(packet)->log = &log;
	while (taken < RTE_DIM(held) - 5 && (held[taken] = rte_pktmbuf_alloc(pools.small)) != NULL)
		taken++;
	assert_int_equal(fragment_ip4(&pools, packet, L3, 1500, fragments, 99, &no_buffer), 0);
	assert_true(no_buffer);
	assert_true(log.what & EDIT_OVERFLOW);
	rte_pktmbuf_free_bulk(held, taken);
}

/* ---- fragments of either family made by hand ----------------------------------------------- */

/* The bytes [start, end) of the payload of `whole` (l4 at `l4`) as a fragment. */
static struct rte_mbuf *
piece_of(size_t l4, unsigned start, unsigned end, bool more, uint32_t id)
{
	size_t length;

	memcpy(frame, whole, l4);
	if (get16(whole + 12) == 0x0800) {
		put16(frame + L3 + 2, (unsigned)(l4 - L3) + end - start);
		put16(frame + L3 + 4, id);
		put16(frame + L3 + 6, start / 8 | (more ? 0x2000 : 0));
		seal_ip4(frame + L3);
	} else {
		memset(frame + l4, 0, 8);
		frame[l4] = frame[L3 + 6];
		frame[L3 + 6] = IPPROTO_FRAGMENT;
		put16(frame + l4 + 2, start | more);
		put16(frame + l4 + 6, id);
		l4 += 8;
		put16(frame + L3 + 4, (unsigned)(l4 - L3 - 40) + end - start);
		memcpy(frame + l4, whole + l4 - 8 + start, end - start);
		length = l4 + end - start;
		return fixture_chain(
			frame, length + random_number(2) * 9, L3 + random_number(1500));
	}
	memcpy(frame + l4, whole + l4 + start, end - start);
	length = l4 + end - start;
	return fixture_chain(frame, length + random_number(2) * 9, L3 + random_number(1500));
}

/* A UDP datagram in `whole`; returns where its payload begins. */
static size_t
make_whole(bool six, unsigned options, size_t payload)
{
	size_t length =
		six ? make_ip6(IPPROTO_UDP, "", payload) : make_ip4(IPPROTO_UDP, options, payload);

	if (!six) {
		put16(frame + L3 + 4, 7);
		seal_ip4(frame + L3);
	}
	seal_transport(frame, length, false);
	memcpy(whole, frame, length);
	return behind_ip(whole);
}

static uint32_t hash_of_whole;

static enum reassembly_result
add(struct reassembly *reassembly, uint32_t domain, struct rte_mbuf *packet, uint64_t now)
{
	enum reassembly_result result;

	packet_parse(packet);
	packet_meta(packet)->flow_hash = 5;
	result = reassembly_add(reassembly, &pools, domain, &packet, L3, now);
	if (result == REASSEMBLY_WAITING)
		return result;
	if (result == REASSEMBLY_WHOLE) {
		size_t length = fixture_bytes(packet, bytes);

		assert_parsed(packet);
		hash_of_whole = packet_meta(packet)->flow_hash;
		assert_int_equal(length, rte_pktmbuf_pkt_len(packet));
		assert_sound(bytes, length);
		assert_memory_equal(bytes, whole, length);
	}
	rte_pktmbuf_free(packet);
	return result;
}

static void
assert_empty(struct reassembly *reassembly)
{
	struct reassembly_state now;

	reassembly_state(reassembly, &now);
	assert_int_equal(now.datagrams, 0);
	assert_int_equal(now.domains, 0);
	assert_int_equal(now.bytes, 0);
	assert_true(reassembly_deadline(reassembly) == UINT64_MAX);
}

/* ---- reassembly --------------------------------------------------------------------------- */

static void
fragments_in_any_order_are_reassembled(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);

	for (int round = 0; round < 1000; round++) {
		bool six = round & 1;
		size_t payload = 40 + random_number(round % 10 ? 5000 : 60000);
		size_t l4 = make_whole(six, six ? 0 : 4 * random_number(11), payload);
		unsigned step = 8 * (unsigned)(payload / 8 / (1 + random_number(60)) + 1);
		unsigned n = (unsigned)(payload + step - 1) / step, order[64];

		if (n < 2)
			continue;
		assert_true(n <= 64);
		for (unsigned i = 0; i < n; i++)
			order[i] = i;
		for (unsigned i = n - 1; i > 0 && round % 5; i--) {
			unsigned other = random_number(i + 1), mine = order[i];

			order[i] = order[other];
			order[other] = mine;
		}
		for (unsigned i = 0; i < n; i++) {
			unsigned start = order[i] * step, end = start + step;
			enum reassembly_result due =
				i + 1 < n ? REASSEMBLY_WAITING : REASSEMBLY_WHOLE;
			unsigned before = order[random_number(i + 1)] * step;

			end = end < payload ? end : (unsigned)payload;
			assert_int_equal(add(reassembly, 5,
						 piece_of(l4, start, end, end < payload, 7), round),
				due);
			if (i + 1 == n || random_number(4))
				continue;
			end = before + step < payload ? before + step : (unsigned)payload;
			assert_int_equal(
				add(reassembly, 5, piece_of(l4, before, end, end < payload, 7),
					round),
				REASSEMBLY_DUPLICATE);
		}
		assert_empty(reassembly);
		/* fragments are hashed without ports */
		assert_int_equal(hash_of_whole, 0);
	}
	reassembly_free(reassembly);
}

static void
what_fragmentation_cut_is_put_together(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);

	for (int round = 0; round < 300; round++) {
		size_t payload = 1500 + random_number(20000);
		size_t l4 = make_whole(false, 4 * random_number(11), payload);
		bool no_buffer;
		unsigned n = fragment_ip4(&pools, fixture_chain(whole, l4 + payload, 60000), L3,
			576 + random_number(900), fragments, FRAGMENTS_LIMIT, &no_buffer);

		assert_true(n > 1);
		for (unsigned i = n; i-- > 0;)
			assert_int_equal(add(reassembly, 0, fragments[i], 0),
				i > 0 ? REASSEMBLY_WAITING : REASSEMBLY_WHOLE);
		assert_empty(reassembly);
	}
	reassembly_free(reassembly);
}

/* Domain, id, addresses, and of IPv4 the protocol keep datagrams apart. */
static void
datagrams_are_told_apart(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);
	struct reassembly_state now;

	for (int six = 0; six < 2; six++) {
		size_t l4 = make_whole(six, 0, 64);
		struct rte_mbuf *packet;

		for (uint32_t domain = 0; domain < 3; domain++)
			for (uint32_t id = 6; id < 9; id++)
				assert_int_equal(
					add(reassembly, domain, piece_of(l4, 0, 32, true, id), 0),
					REASSEMBLY_WAITING);
		assert_int_equal(
			add(reassembly, 1, piece_of(l4, 32, 64, false, 7), 0), REASSEMBLY_WHOLE);
		reassembly_state(reassembly, &now);
		assert_int_equal(now.datagrams, 8);
		assert_int_equal(now.domains, 3);
		/* another source, another protocol */
		packet = piece_of(l4, 32, 64, false, 8);
		packet = packet_writable(&pools, packet, L3 + 42, 0);
		rte_pktmbuf_mtod(packet, uint8_t *)[six ? L3 + 20 : L3 + 13] ^= 1;
		assert_int_equal(add(reassembly, 1, packet, 0), REASSEMBLY_WAITING);
		packet = packet_writable(&pools, piece_of(l4, 32, 64, false, 8), L3 + 42, 0);
		rte_pktmbuf_mtod(packet, uint8_t *)[six ? L3 + 40 : L3 + 9] = 6;
		/* RFC 8200, 4.5: the first fragment's next header counts */
		assert_int_equal(
			add(reassembly, 1, packet, 0), six ? REASSEMBLY_WHOLE : REASSEMBLY_WAITING);
		for (uint32_t domain = 0; domain < 3; domain++)
			reassembly_forget(reassembly, domain);
		assert_empty(reassembly);
	}
	reassembly_free(reassembly);
}

/* Each pair of ranges that overlap, ends twice or goes on behind its end. */
static void
any_overlap_drops_the_datagram(void **state)
{
	static const struct {
		unsigned start, end;
		bool more;
	} pairs[][2] = {
		{ { 0, 64, true }, { 56, 128, true } },
		{ { 56, 128, true }, { 0, 64, true } },
		{ { 0, 64, true }, { 0, 56, true } },
		{ { 0, 64, true }, { 0, 72, true } },
		{ { 0, 64, true }, { 16, 24, true } },
		{ { 16, 24, true }, { 0, 64, true } },
		{ { 64, 100, false }, { 64, 104, true } },
		{ { 64, 100, false }, { 104, 112, true } },
		{ { 64, 104, false }, { 64, 104, true } },
		{ { 64, 104, true }, { 64, 104, false } },
		{ { 64, 100, false }, { 48, 56, false } },
		{ { 64, 104, true }, { 32, 40, false } },
	};

	for (unsigned i = 0; i < 2 * RTE_DIM(pairs); i++) {
		struct reassembly *reassembly = reassembly_create(&roomy);
		bool six = i & 1;
		size_t l4 = make_whole(six, 0, 200);
		struct reassembly_expired expired;
		struct reassembly_state now;

		for (int j = 0; j < 2; j++)
			assert_int_equal(
				add(reassembly, 0,
					piece_of(l4, pairs[i / 2][j].start, pairs[i / 2][j].end,
						pairs[i / 2][j].more, 7),
					0),
				j ? REASSEMBLY_OVERLAP : REASSEMBLY_WAITING);
		/* RFC 5722: and all that comes later */
		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 0, 104, true, 7), 1), REASSEMBLY_OVERLAP);
		assert_int_equal(add(reassembly, 0, piece_of(l4, 104, 200, false, 7), 1),
			REASSEMBLY_OVERLAP);
		reassembly_state(reassembly, &now);
		assert_int_equal(now.bytes, 0);
		assert_int_equal(now.dropped, 1);
		/* which ends without a word */
		assert_false(reassembly_expire(reassembly, 31 * SECOND, &expired));
		assert_empty(reassembly);
		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 0, 104, true, 7), 1), REASSEMBLY_WAITING);
		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 104, 200, false, 7), 1), REASSEMBLY_WHOLE);
		reassembly_free(reassembly);
	}
}

static void
odd_fragments_are_refused(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);
	struct rte_mbuf *packet;

	for (int six = 0; six < 2; six++) {
		size_t l4 = make_whole(six, 0, 3000);

		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 0, 30, true, 7), 0), REASSEMBLY_BAD_LENGTH);
		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 8, 8, true, 7), 0), REASSEMBLY_BAD_LENGTH);
		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 8, 8, false, 7), 0), REASSEMBLY_BAD_LENGTH);
		/* the last bytes of 65,535 are not for a frame of that length */
		packet = packet_writable(&pools, piece_of(l4, 0, 8, false, 7), (unsigned)l4 + 8, 0);
		put16(rte_pktmbuf_mtod_offset(packet, uint8_t *, six ? L3 + 42 : L3 + 6),
			six ? 0xfff8 : 0x1fff);
		assert_int_equal(add(reassembly, 0, packet, 0), REASSEMBLY_TOO_LONG);
		/* of TCP, 8 bytes are not the header */
		whole[six ? L3 + 6 : L3 + 9] = IPPROTO_TCP;
		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 0, 16, true, 7), 0), REASSEMBLY_TINY);
		assert_int_equal(
			add(reassembly, 0, piece_of(l4, 0, 24, true, 7), 0), REASSEMBLY_WAITING);
		reassembly_forget(reassembly, 0);
		assert_empty(reassembly);
	}
	/* a header chain that goes on in the next fragment, RFC 7112 */
	make_ip6(IPPROTO_FRAGMENT, "3c00 0001 00000001 1101 010400000000", 0);
	assert_int_equal(
		add(reassembly, 0, fixture_chain(frame, L3 + 56, 2000), 0), REASSEMBLY_TINY);
	assert_empty(reassembly);
	reassembly_free(reassembly);
}

static void
packets_that_are_whole_pass(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);
	size_t l4 = make_whole(true, 0, 100);

	/* RFC 6946: an atomic fragment is whole, whatever else has its id */
	assert_int_equal(add(reassembly, 0, piece_of(l4, 0, 48, true, 7), 0), REASSEMBLY_WAITING);
	assert_int_equal(add(reassembly, 0, piece_of(l4, 0, 100, false, 7), 0), REASSEMBLY_WHOLE);
	assert_int_equal(add(reassembly, 0, piece_of(l4, 48, 100, false, 7), 0), REASSEMBLY_WHOLE);
	assert_int_equal(
		add(reassembly, 0, fixture_chain(whole, l4 + 100, 50), 0), REASSEMBLY_WHOLE);
	l4 = make_whole(false, 0, 100);
	assert_int_equal(
		add(reassembly, 0, fixture_chain(whole, l4 + 100, 50), 0), REASSEMBLY_WHOLE);
	assert_empty(reassembly);
	reassembly_free(reassembly);
}

/* The first fragment's own header may be too long for what the others allow. */
static void
a_long_header_can_be_too_much(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);
	size_t l4 = make_whole(false, 0, 65496 - 40);
	struct rte_mbuf *packet;

	assert_int_equal(
		add(reassembly, 0, piece_of(l4, 16, 40000, true, 7), 0), REASSEMBLY_WAITING);
	memmove(whole + l4 + 40, whole + l4, 100);
	put16(whole + L3, 0x4f00);
	memset(whole + L3 + 20, 1, 40);
	packet = piece_of(l4 + 40, 0, 16, true, 7);
	assert_int_equal(add(reassembly, 0, packet, 0), REASSEMBLY_WAITING);
	make_whole(false, 0, 65496 - 40);
	packet = packet_writable(&pools, piece_of(l4, 40000, 65456, false, 7), L3 + 20, 0);
	/* forty bytes more than `whole` has: at 40,040 and up to 65,496 */
	assert_int_equal(
		add(reassembly, 0, piece_of(l4, 40000, 40040, true, 7), 0), REASSEMBLY_WAITING);
	put16(rte_pktmbuf_mtod_offset(packet, uint8_t *, L3 + 6), 40040 / 8);
	assert_int_equal(
		reassembly_add(reassembly, &pools, 0, &packet, L3, 0), REASSEMBLY_TOO_LONG);
	assert_null(packet);
	assert_empty(reassembly);
	reassembly_free(reassembly);
}

/* RFC 3168, 5.3. */
static void
congestion_marks_are_kept(void **state)
{
	static const struct {
		uint8_t marks[2];
		enum reassembly_result result;
		uint8_t mark;
	} cases[] = {
		{ { 0, 0 }, REASSEMBLY_WHOLE, 0 },
		{ { 2, 2 }, REASSEMBLY_WHOLE, 2 },
		{ { 2, 3 }, REASSEMBLY_WHOLE, 3 },
		{ { 3, 1 }, REASSEMBLY_WHOLE, 3 },
		{ { 0, 3 }, REASSEMBLY_BAD_ECN, 0 },
		{ { 3, 0 }, REASSEMBLY_BAD_ECN, 0 },
	};

	for (unsigned i = 0; i < 2 * RTE_DIM(cases); i++) {
		struct reassembly *reassembly = reassembly_create(&roomy);
		bool six = i & 1;
		size_t l4 = make_whole(six, 0, 64);
		enum reassembly_result result = 0;

		for (unsigned j = 0; j < 2; j++) {
			uint8_t mark = cases[i / 2].marks[j];

			whole[L3 + 1] = six ? (uint8_t)(mark << 4) : mark;
			if (j == 1) {
				struct rte_mbuf *packet = piece_of(l4, 32, 64, false, 7);

				/* what comes out has the result's mark */
				mark = cases[i / 2].mark;
				whole[L3 + 1] = six ? (uint8_t)(mark << 4) : mark;
				if (!six)
					seal_ip4(whole + L3);
				result = add(reassembly, 0, packet, 0);
				break;
			}
			assert_int_equal(add(reassembly, 0, piece_of(l4, 0, 32, true, 7), 0),
				REASSEMBLY_WAITING);
		}
		assert_int_equal(result, cases[i / 2].result);
		reassembly_free(reassembly);
	}
}

static void
what_does_not_get_whole_expires(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);
	struct reassembly_expired expired;
	struct reassembly_state now;
	size_t l4 = make_whole(false, 8, 96);

	add(reassembly, 3, piece_of(l4, 0, 32, true, 1), 10 * SECOND);
	add(reassembly, 4, piece_of(l4, 64, 96, false, 2), 11 * SECOND);
	/* time counts from the first arrival */
	add(reassembly, 3, piece_of(l4, 64, 96, false, 1), 20 * SECOND);
	assert_true(reassembly_deadline(reassembly) == 40 * SECOND);
	assert_false(reassembly_expire(reassembly, 40 * SECOND - 1, &expired));
	assert_true(reassembly_expire(reassembly, 40 * SECOND, &expired));
	assert_int_equal(expired.domain, 3);
	assert_int_equal(expired.l3, L3);
	assert_int_equal(expired.fragments, 2);
	assert_non_null(expired.first);
	fixture_bytes(expired.first, bytes);
	assert_int_equal(get16(bytes + L3 + 4), 1);
	assert_int_equal(get16(bytes + L3 + 6), 0x2000);
	assert_memory_equal(bytes + L3 + 28, whole + L3 + 28, 32);
	rte_pktmbuf_free(expired.first);
	assert_false(reassembly_expire(reassembly, 40 * SECOND, &expired));
	/* the first fragment never came: no answer is due */
	assert_true(reassembly_expire(reassembly, 99 * SECOND, &expired));
	assert_int_equal(expired.domain, 4);
	assert_int_equal(expired.fragments, 1);
	assert_null(expired.first);
	reassembly_state(reassembly, &now);
	assert_int_equal(now.dropped, 0);
	assert_empty(reassembly);
	reassembly_free(reassembly);
}

/* ---- floods ------------------------------------------------------------------------------- */

static void
a_flood_is_its_own_domains_problem(void **state)
{
	static const struct reassembly_limits tight = {
		.datagrams = 64,
		.domain_datagrams = 16,
		.bytes = 64 * 2200,
		.domain_bytes = 16 * 2200,
		.timeout = REASSEMBLY_TIMEOUT,
	};
	struct reassembly *reassembly = reassembly_create(&tight);
	size_t l4 = make_whole(false, 0, 96);
	struct reassembly_state now;

	/* in one buffer each, so that it is known what they are charged */
	assert_int_equal(add(reassembly, 1, packet_linear(&pools, piece_of(l4, 0, 48, true, 7)), 0),
		REASSEMBLY_WAITING);
	for (uint32_t i = 0; i < 20000; i++) {
		enum reassembly_result result;
		struct rte_mbuf *packet = piece_of(l4, 8 * random_number(3), 48, true, i);

		packet = packet_linear(&pools, packet);
		result = add(reassembly, 2 + i % 2, packet, i);
		assert_true(result == REASSEMBLY_WAITING || result == REASSEMBLY_OVERLAP ||
			    result == REASSEMBLY_DUPLICATE);
		reassembly_state(reassembly, &now);
		assert_true(now.datagrams <= 33);
		assert_true(now.bytes <= 33 * 2200);
	}
	assert_int_equal(add(reassembly, 1, piece_of(l4, 48, 96, false, 7), 0), REASSEMBLY_WHOLE);
	put16(whole + L3 + 4, 40000);
	seal_ip4(whole + L3);
	/* in the midst of its own flood a datagram gets whole that comes at once */
	assert_int_equal(
		add(reassembly, 2, piece_of(l4, 0, 48, true, 40000), 0), REASSEMBLY_WAITING);
	assert_int_equal(
		add(reassembly, 2, piece_of(l4, 48, 96, false, 40000), 0), REASSEMBLY_WHOLE);
	reassembly_state(reassembly, &now);
	assert_true(now.dropped > 19000);
	reassembly_free(reassembly);
}

/* Few datagrams of much memory each. */
static void
a_domain_is_bounded_in_memory(void **state)
{
	struct reassembly_limits limits = roomy;
	size_t l4 = make_whole(true, 0, 3000);
	struct reassembly *reassembly;
	struct reassembly_state now;

	limits.domain_bytes = 6 * 2200;
	reassembly = reassembly_create(&limits);
	for (uint32_t i = 0; i < 300; i++) {
		unsigned start = i % 3 * 480;
		struct rte_mbuf *packet = piece_of(l4, start, start + 480, true, i / 3);

		packet = packet_linear(&pools, packet);
		assert_int_equal(add(reassembly, i % 2, packet, i), REASSEMBLY_WAITING);
		reassembly_state(reassembly, &now);
		assert_true(now.bytes <= 12 * 2200);
	}
	assert_true(now.bytes > 10 * 2048);
	reassembly_free(reassembly);
	/* one that is more than all may hold */
	limits.domain_bytes = 2000;
	reassembly = reassembly_create(&limits);
	assert_int_equal(add(reassembly, 0, piece_of(l4, 0, 480, true, 1), 0), REASSEMBLY_LIMIT);
	assert_empty(reassembly);
	reassembly_free(reassembly);
}

/* More domains than there is room for: the oldest of all goes, and memory stays bounded. */
static void
many_floods_together_are_bounded(void **state)
{
	static const struct reassembly_limits tight = {
		.datagrams = 32,
		.domain_datagrams = 16,
		.bytes = 32 * 2200,
		.domain_bytes = 16 * 2200,
		.timeout = REASSEMBLY_TIMEOUT,
	};
	struct reassembly *reassembly = reassembly_create(&tight);
	size_t l4 = make_whole(true, 0, 3000);
	struct reassembly_state now;

	for (uint32_t i = 0; i < 30000; i++) {
		unsigned start = 8 * random_number(300), end = start + 16 + 8 * random_number(60);

		add(reassembly, random_number(100),
			piece_of(l4, start, RTE_MIN(end, 2992u), true, random_number(3)), i);
		reassembly_state(reassembly, &now);
		assert_true(now.datagrams <= 32);
		assert_true(now.bytes <= 32 * 2200);
		assert_true(now.domains <= now.datagrams);
	}
	assert_int_equal(
		add(reassembly, 500, packet_linear(&pools, piece_of(l4, 0, 504, true, 9)), 0),
		REASSEMBLY_WAITING);
	reassembly_free(reassembly);
}

static void
a_datagram_has_so_many_fragments(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);
	size_t l4 = make_whole(true, 0, 3000);
	unsigned i;

	for (i = 0; i < REASSEMBLY_FRAGMENTS; i++)
		assert_int_equal(add(reassembly, 0, piece_of(l4, 8 * i, 8 * i + 8, true, 7), 0),
			REASSEMBLY_WAITING);
	assert_int_equal(
		add(reassembly, 0, piece_of(l4, 8 * i, 8 * i + 8, true, 7), 0), REASSEMBLY_LIMIT);
	reassembly_free(reassembly);
}

static void
without_a_buffer_for_its_head_it_is_lost(void **state)
{
	struct reassembly *reassembly = reassembly_create(&roomy);
	size_t l4 = make_whole(false, 0, 64);
	struct rte_mbuf *first = packet_linear(&pools, piece_of(l4, 0, 32, true, 7));
	struct rte_mbuf *last = packet_linear(&pools, piece_of(l4, 32, 64, false, 7));
	struct rte_mbuf *other = rte_pktmbuf_clone(first, pools.small), *held[4095];
	unsigned taken = 0;

	while (taken < RTE_DIM(held) && (held[taken] = rte_pktmbuf_alloc(pools.small)) != NULL)
		taken++;
	assert_int_equal(add(reassembly, 0, first, 0), REASSEMBLY_WAITING);
	assert_int_equal(reassembly_add(reassembly, &pools, 0, &last, L3, 0), REASSEMBLY_NO_BUFFER);
	assert_null(last);
	assert_empty(reassembly);
	rte_pktmbuf_free_bulk(held, taken);
	rte_pktmbuf_free(other);
	reassembly_free(reassembly);
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
		cmocka_unit_test(fragments_hold_what_was_cut),
		cmocka_unit_test(options_go_where_their_bit_says),
		cmocka_unit_test(what_cannot_be_cut_is_refused),
		cmocka_unit_test(fragments_in_any_order_are_reassembled),
		cmocka_unit_test(what_fragmentation_cut_is_put_together),
		cmocka_unit_test(datagrams_are_told_apart),
		cmocka_unit_test(any_overlap_drops_the_datagram),
		cmocka_unit_test(odd_fragments_are_refused),
		cmocka_unit_test(packets_that_are_whole_pass),
		cmocka_unit_test(a_long_header_can_be_too_much),
		cmocka_unit_test(congestion_marks_are_kept),
		cmocka_unit_test(what_does_not_get_whole_expires),
		cmocka_unit_test(a_flood_is_its_own_domains_problem),
		cmocka_unit_test(a_domain_is_bounded_in_memory),
		cmocka_unit_test(many_floods_together_are_bounded),
		cmocka_unit_test(a_datagram_has_so_many_fragments),
		cmocka_unit_test(without_a_buffer_for_its_head_it_is_lost),
	};

	fixture_open();
	return cmocka_run_group_tests(tests, NULL, close_group);
}
