/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frame, in any pieces, as a router meets it: judged, answered with errors, replies and
 * resets, clamped, fragmented and put together again; and any set of fragments, reassembled
 * against a model. The first bytes choose what and how.
 */
#include "fuzz_packet.h"
#include "packet/edit.h"
#include "packet/fragment.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/offload.h"
#include "packet/reassemble.h"

#include <netinet/in.h>
#include <stdio.h>

#define FRAGMENTS_LIMIT 64
#define FRAGMENT_ROUNDS 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t before[UINT16_MAX + 1], after[UINT16_MAX + 1];
static struct reassembly *reassembly;

#define must(holds) must_at(holds, __LINE__)

static void
must_at(bool holds, int line)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_ip.c:%d does not hold\n", line);
	abort();
}

/* ---- what holds of whatever is made --------------------------------------------------------- */

/* The sum that a right transport checksum makes 0xffff; `end`: of the IP packet. */
static uint16_t
transport_sum(const uint8_t *frame, unsigned l3, unsigned l4, unsigned end, uint8_t protocol)
{
	uint64_t sum = slow_sum(frame + l4, end - l4);

	if (protocol != IPPROTO_ICMP) {
		bool four = frame[l3] >> 4 == 4;

		sum += slow_sum(frame + l3 + (four ? 12 : 8), four ? 8 : 32) + protocol + end - l4;
	}
	return slow_fold(sum);
}

/* A packet of weft's own: its metadata, lengths and checksums are right. */
static void
check_made(struct rte_mbuf *packet, unsigned limit)
{
	const struct packet_meta *meta = packet_meta(packet);
	struct packet_meta kept = *meta;
	size_t length = fixture_bytes(packet, after);

	rte_mbuf_sanity_check(packet, 1);
	must(packet_parse(packet) == PARSE_OK && memcmp(&kept, meta, sizeof(kept)) == 0);
	must(length - meta->l3 <= limit && ip_length(packet, meta->l3) == length - meta->l3);
	must((meta->ethertype == RTE_ETHER_TYPE_IPV4 ? ip4_check(packet, meta->l3)
						     : ip6_check(packet, meta->l3)) == IP_OK);
	must(transport_sum(after, meta->l3, meta->l4, (unsigned)length, meta->protocol) == 0xffff);
	rte_pktmbuf_free(packet);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
answer4(struct rte_mbuf *packet, unsigned l3, const uint8_t *choice)
{
	static const uint8_t source[4] = { 10, 0, 0, 1 };
	struct rte_mbuf *made;

	icmp4_may_answer(packet, (uint16_t)l3);
	made = icmp4_error(&pools, packet, (uint16_t)l3, choice[3], choice[4], choice[5], source);
	must(made != NULL);
	check_made(made, 576);
}

static void
answer6(struct rte_mbuf *packet, unsigned l3, const uint8_t *choice)
{
	static const uint8_t source[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };
	struct ip6_upper upper, skipped;
	struct rte_mbuf *made;
	enum ip6_walk found = ip6_find_upper(packet, (uint16_t)l3, &upper);
	unsigned end = l3 + ip_length(packet, (uint16_t)l3);

	if (found == IP6_UPPER || found == IP6_LATER)
		must(upper.offset <= end && upper.next_field < upper.offset);
	ip6_skip_headers(packet, (uint16_t)l3, &skipped);
	if (found == IP6_UPPER)
		must(upper.offset == skipped.offset && upper.protocol == skipped.protocol);
	if (found == IP6_PROBLEM || found == IP6_PROBLEM_HOST)
		must(l3 + upper.pointer < end);
	icmp6_may_answer(packet, (uint16_t)l3, choice[3], choice[4]);
	made = icmp6_error(&pools, packet, (uint16_t)l3, choice[3], choice[4], choice[5], source);
	must(made != NULL);
	check_made(made, 1280);
}

/* A reply to what was vouched for is as wrong as the request. */
static void
reply(struct rte_mbuf *packet, unsigned l3, uint8_t choice)
{
	static const uint8_t source[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };
	struct packet_meta *meta;
	enum icmp_echo result;

	packet = packet_writable(&pools, packet, packet_header_bytes(packet), 0);
	must(packet != NULL);
	meta = packet_meta(packet);
	meta->offload &= (uint8_t)~PACKET_CHECKSUM_GOOD;
	ip_trim(packet, (uint16_t)l3);
	result = meta->ethertype == RTE_ETHER_TYPE_IPV4
			 ? icmp4_echo_reply_in_place(packet, (uint16_t)l3)
			 : icmp6_echo_reply_in_place(
				   packet, (uint16_t)l3, choice & 1 ? source : NULL);
	if (result != ICMP_ECHO_REPLIED || meta->offload != 0) {
		rte_pktmbuf_free(packet);
		return;
	}
	must(*rte_pktmbuf_mtod_offset(packet, uint8_t *, meta->l4) ==
		(meta->ethertype == RTE_ETHER_TYPE_IPV4 ? 0 : 129));
	meta->flags |= PACKET_PARSED;
	check_made(packet, UINT16_MAX);
}

/* ---- clamping -------------------------------------------------------------------------------- */

/* Nothing changes but two bytes, which say `mss` then, and the checksum along with them. */
static void
clamp(struct rte_mbuf *packet, uint16_t mss)
{
	size_t length = fixture_bytes(packet, before);
	struct edit_log log = { 0 };
	struct packet_meta meta;
	unsigned field, end, changed = 0;
	bool partial;

	packet_meta(packet)->log = &log;
	packet = edit_clamp_mss(&pools, packet, mss);
	must(packet != NULL && fixture_bytes(packet, after) == length);
	meta = *packet_meta(packet);
	partial = meta.offload & PACKET_NEEDS_CHECKSUM;
	rte_pktmbuf_free(packet);
	if (log.what == 0) {
		must(memcmp(before, after, length) == 0);
		return;
	}
	field = meta.l4 + 16u;
	end = meta.l3 + (meta.ethertype == RTE_ETHER_TYPE_IPV4 ? 0 : 40) +
	      parse_u16(after + meta.l3 + (meta.ethertype == RTE_ETHER_TYPE_IPV4 ? 2 : 4));
	for (size_t i = 0; i < length; i++)
		changed += before[i] != after[i] && i != field && i != field + 1;
	must(changed >= 1 && changed <= 2);
	if (!partial)
		must(transport_sum(before, meta.l3, meta.l4, end, IPPROTO_TCP) % 0xffff ==
			transport_sum(after, meta.l3, meta.l4, end, IPPROTO_TCP) % 0xffff);
}

/* ---- fragments and back ---------------------------------------------------------------------- */

/* What fragments of a whole datagram become again: the datagram, but for flags and checksum. */
static void
check_joined(struct rte_mbuf *packet, unsigned l3, size_t length)
{
	must(fixture_bytes(packet, after) == length && ip4_check(packet, (uint16_t)l3) == IP_OK);
	before[l3 + 6] = after[l3 + 6];
	before[l3 + 7] = after[l3 + 7];
	memcpy(before + l3 + 10, after + l3 + 10, 2);
	must(memcmp(before, after, length) == 0 && (after[l3 + 6] & 0x3f) == 0 &&
		after[l3 + 7] == 0);
	rte_pktmbuf_free(packet);
}

static void
add_fragment(struct rte_mbuf *packet, unsigned l3, bool last, size_t length)
{
	enum reassembly_result result =
		reassembly_add(reassembly, &pools, 1, &packet, (uint16_t)l3, 0);

	if (result == REASSEMBLY_WAITING)
		return;
	/* a first fragment of eight bytes is refused */
	must(result == REASSEMBLY_TINY || (result == REASSEMBLY_WHOLE && last));
	if (result == REASSEMBLY_WHOLE)
		check_joined(packet, l3, length);
	else
		rte_pktmbuf_free(packet);
}

static void
fragment(struct rte_mbuf *packet, unsigned l3, unsigned mtu, bool backwards)
{
	struct rte_mbuf *fragments[FRAGMENTS_LIMIT];
	bool no_buffer, whole;
	size_t length;
	unsigned n;

	ip_trim(packet, (uint16_t)l3);
	packet = offload_finish_checksum(&pools, packet);
	must(packet != NULL);
	length = fixture_bytes(packet, before);
	whole = (parse_u16(before + l3 + 6) & 0x3fff) == 0;
	n = fragment_ip4(&pools, packet, (uint16_t)l3, mtu, fragments, FRAGMENTS_LIMIT, &no_buffer);
	must(!no_buffer);
	for (unsigned i = 0; i < n; i++) {
		rte_mbuf_sanity_check(fragments[i], 1);
		must(ip4_check(fragments[i], (uint16_t)l3) == IP_OK);
		must(ip_length(fragments[i], (uint16_t)l3) <= mtu);
	}
	if (n < 2 || !whole) {
		rte_pktmbuf_free_bulk(fragments, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		add_fragment(fragments[backwards ? n - 1 - i : i], l3, i + 1 == n, length);
}

/* ---- one frame ------------------------------------------------------------------------------- */

/* So that more than one frame in 65,536 has a right header checksum. */
static void
seal(uint8_t *frame, size_t size)
{
	unsigned length;

	if (size < 34 || frame[12] != 8 || frame[13] != 0)
		return;
	length = (frame[14] & 0x0f) * 4u;
	if (14 + length > size || length < 20)
		return;
	frame[24] = frame[25] = 0;
	length = 0xffffu ^ slow_fold(slow_sum(frame + 14, length));
	frame[24] = length >> 8;
	frame[25] = (uint8_t)length;
}

static enum ip_result
judge(const struct rte_mbuf *packet, const struct packet_meta *meta)
{
	enum ip_result result;

	if (meta->ethertype == RTE_ETHER_TYPE_IPV4) {
		result = ip4_check(packet, meta->l3);
		must((result == IP_OK) == (ip4_check_slow(packet, meta->l3) == IP_OK));
		return result;
	}
	result = ip6_check(packet, meta->l3);
	must(result == ip6_check_slow(packet, meta->l3));
	return result;
}

static void
meet(struct rte_mbuf *packet, const uint8_t *choice)
{
	unsigned l3 = packet_meta(packet)->l3;
	bool four = packet_meta(packet)->ethertype == RTE_ETHER_TYPE_IPV4;
	struct rte_mbuf *made;

	if (four)
		answer4(packet, l3, choice);
	else
		answer6(packet, l3, choice);
	made = tcp_reset(&pools, packet, (uint16_t)l3);
	if (made != NULL)
		check_made(made, 60);
	made = packet_duplicate(&pools, packet);
	must(made != NULL);
	reply(made, l3, choice[3]);
	made = packet_duplicate(&pools, packet);
	must(made != NULL);
	clamp(made, (uint16_t)(choice[4] << 8 | choice[5]));
	if (four) {
		made = packet_duplicate(&pools, packet);
		must(made != NULL);
		fragment(made, l3, 68u + choice[6] * 8, choice[1] & 1);
	}
	/* as a fragment of somebody's, if it is one */
	if (reassembly_add(reassembly, &pools, 2, &packet, (uint16_t)l3, 0) != REASSEMBLY_WAITING)
		rte_pktmbuf_free(packet);
}

static void
one_frame(const uint8_t *choice, const uint8_t *data, size_t size)
{
	static uint8_t frame[UINT16_MAX];
	struct virtio_net_hdr header = { 0 };
	struct rte_mbuf *packet;
	struct packet_meta *meta;

	memcpy(frame, data, size);
	if (choice[0] & 2)
		seal(frame, size);
	packet = fixture_chain(
		frame, size, choice[0] & 1 ? 14u + choice[2] * 3 : (size_t)PACKET_LARGE_ROOM);
	fuzz_guard(packet, true);
	header.flags = choice[0] & 4 ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
	header.csum_start = choice[7];
	header.csum_offset = choice[0] & 8 ? 6 : 16;
	header.gso_type = choice[0] & 16 ? choice[0] >> 5 : 0;
	header.gso_size = (uint16_t)(choice[6] * 8);
	offload_from_header(packet, &header);
	meta = packet_meta(packet);
	if (packet_parse(packet) != PARSE_OK ||
		(meta->ethertype != RTE_ETHER_TYPE_IPV4 &&
			meta->ethertype != RTE_ETHER_TYPE_IPV6) ||
		judge(packet, meta) != IP_OK)
		rte_pktmbuf_free(packet);
	else
		meet(packet, choice);
}

/* ---- fragments against a model ----------------------------------------------------------------
 */

static uint8_t
model_byte(unsigned offset)
{
	return (uint8_t)(offset * 7 ^ offset >> 8);
}

/* A fragment [start, end) of the one datagram that there is, whose bytes their place tells. */
static struct rte_mbuf *
model_fragment(bool six, unsigned start, unsigned end, bool more)
{
	static const uint8_t four[20] = { 0x45, 0, 0, 0, 0, 7, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10,
		0, 0, 2 };
	uint8_t frame[14 + 48 + 512] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint8_t *ip = frame + 14;
	unsigned header = six ? 48 : 20, field = six ? start | more : start / 8 | more << 13;
	unsigned total = header + end - start, length = six ? total - 40 : total;

	frame[12] = six ? 0x86 : 8;
	frame[13] = six ? 0xdd : 0;
	memcpy(ip, four, sizeof(four));
	if (six) {
		memset(ip, 0, header);
		ip[0] = 0x60;
		ip[6] = IPPROTO_FRAGMENT;
		ip[8] = ip[24] = 0x20;
		ip[40] = 253;
	}
	ip[six ? 4 : 2] = (uint8_t)(length >> 8);
	ip[six ? 5 : 3] = (uint8_t)length;
	ip[six ? 42 : 6] = (uint8_t)(field >> 8);
	ip[six ? 43 : 7] = (uint8_t)field;
	seal(frame, 14 + total);
	for (unsigned i = start; i < end; i++)
		ip[header + i - start] = model_byte(i);
	return fixture_chain(frame, 14 + total, 14u + (start + end) % 700);
}

/* What there is of the datagram, byte by byte. */
struct model {
	uint8_t have[UINT16_MAX + 1];      /* 1: a byte is there; 2: a fragment begins here */
	unsigned end, received, count;     /* end: 0, not known */
	unsigned ends[UINT16_MAX / 8 + 2]; /* of the fragment that begins at 8 * i */
	bool spoiled;
};

static enum reassembly_result
model_add(struct model *model, unsigned start, unsigned end, bool more)
{
	bool overlap = model->end != 0 && (!more || end > model->end);

	if (end == start || (more && (end - start) % 8 != 0))
		return REASSEMBLY_BAD_LENGTH;
	if (model->spoiled)
		return REASSEMBLY_OVERLAP;
	if (model->ends[start / 8] == end && more == (end != model->end))
		return REASSEMBLY_DUPLICATE;
	for (unsigned i = start; i < end; i++)
		overlap |= model->have[i] != 0;
	for (unsigned i = end; !more && i < sizeof(model->have); i++)
		overlap |= model->have[i] != 0;
	if (overlap) {
		model->spoiled = true;
		return REASSEMBLY_OVERLAP;
	}
	memset(model->have + start, 1, end - start);
	model->ends[start / 8] = end;
	model->received += end - start;
	if (!more)
		model->end = end;
	return model->received == model->end ? REASSEMBLY_WHOLE : REASSEMBLY_WAITING;
}

static void
check_model(struct rte_mbuf *packet, bool six, const struct model *model)
{
	unsigned header = 14 + (six ? 40 : 20);
	size_t length = fixture_bytes(packet, after);

	must(length == header + model->end);
	must((six ? ip6_check(packet, 14) : ip4_check(packet, 14)) == IP_OK);
	for (unsigned i = 0; i < model->end; i++)
		must(after[header + i] == model_byte(i));
	rte_pktmbuf_free(packet);
}

static void
many_fragments(bool six, const uint8_t *data, size_t size)
{
	static struct model model;

	memset(&model, 0, sizeof(model));
	for (unsigned i = 0; i < FRAGMENT_ROUNDS && size >= 3; i++, data += 3, size -= 3) {
		unsigned start = data[0] * 8u, end = start + data[1] * 2;
		bool more = data[2] & 1;
		struct rte_mbuf *packet = model_fragment(six, start, end, more);
		enum reassembly_result due, result;

		if (start == 0 && !more) { /* no fragment, or an atomic one */
			rte_pktmbuf_free(packet);
			continue;
		}
		due = model_add(&model, start, end, more);
		result = reassembly_add(reassembly, &pools, 3, &packet, 14, i);
		must(result == due);
		if (result == REASSEMBLY_WHOLE) {
			check_model(packet, six, &model);
			memset(&model, 0, sizeof(model));
		} else if (result != REASSEMBLY_WAITING) {
			rte_pktmbuf_free(packet);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct reassembly_limits limits = { 64, 64, 16 << 20, 16 << 20, 1000 };
	struct reassembly_state state;

	fuzz_open();
	if (reassembly == NULL)
		reassembly = reassembly_create(&limits);
	if (size < 8 || size > UINT16_MAX)
		return 0;
	if (data[0] == 0xff)
		many_fragments(data[1] & 1, data + 8, size - 8);
	else
		one_frame(data, data + 8, size - 8);
	for (uint32_t domain = 1; domain <= 3; domain++)
		reassembly_forget(reassembly, domain);
	reassembly_state(reassembly, &state);
	must(state.datagrams == 0 && state.bytes == 0 && state.domains == 0);
	fuzz_end();
	return 0;
}
