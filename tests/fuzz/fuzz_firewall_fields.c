/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frame, in any pieces: what rules and connections look at of it is the same for each way of
 * cutting it, agrees with packet_parse(), and lies inside the packet; and so is the flow that
 * it has, or that an ICMP error in it is about. The first byte chooses the
 * size of the pieces, the second whether the IPv4 header's checksum is made right.
 */
#include "firewall/flow.h"
#include "firewall/tcp_track.h"
#include "fuzz_packet.h"
#include "packet/ip.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(holds) must_at(holds, __LINE__)

static void
must_at(bool holds, int line)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_firewall_fields.c:%d does not hold\n", line);
	abort();
}

struct reading {
	enum fields_result result;
	struct fields fields;
	struct tcp_segment segment;
	struct flow flow, quoted; /* zero: none */
};

static void
check_sound(struct rte_mbuf *packet, const struct fields *fields)
{
	struct packet_meta *meta = packet_meta(packet), kept = *meta;
	unsigned end;

	must(packet_parse(packet) == PARSE_OK && memcmp(&kept, meta, sizeof(kept)) == 0);
	must(fields->ethertype == kept.ethertype && fields->l3 == kept.l3);
	if (fields->family == 0) {
		must(fields->l4 == PACKET_OFFSET_NONE && !fields->has_ports);
		return;
	}
	must(fields->family == 4 ? ip4_check(packet, kept.l3) == IP_OK
				 : ip6_check(packet, kept.l3) == IP_OK);
	must(fields->protocol == kept.protocol);
	must(!fields->has_ports || (fields->l4 == kept.l4 && fields->l4 != PACKET_OFFSET_NONE));
	end = kept.l3 + ip_length(packet, kept.l3);
	must(end <= rte_pktmbuf_pkt_len(packet));
	must(fields->l4 == PACKET_OFFSET_NONE || fields->l4 + fields->l4_length == end);
}

/* An echo is a flow, and an error is about one, but never both. */
static void
read_flows(struct reading *reading, const struct rte_mbuf *packet)
{
	const struct fields *fields = &reading->fields;
	struct flow flow;
	uint16_t l4;

	if (flow_read(&flow, fields, 1)) {
		must(flow.family == fields->family && flow.protocol == fields->protocol);
		must(!fields_is_icmp(fields) || flow.from_port == 0 || flow.to_port == 0);
		reading->flow = flow;
	}
	if (!flow_read_quoted(&flow, packet, fields, 1, &l4))
		return;
	must(fields_is_icmp(fields) && reading->flow.family == 0);
	must(flow.family == fields->family && memcmp(flow.from_ip, fields->to_ip, 16) == 0);
	reading->quoted = flow;
}

static void
read_frame(struct reading *reading, const uint8_t *frame, size_t size, size_t piece)
{
	struct rte_mbuf *packet = fixture_chain(frame, size, piece);
	unsigned end;

	memset(reading, 0, sizeof(*reading));
	fuzz_guard(packet, true);
	reading->result = fields_read(packet, &reading->fields);
	if (reading->result == FIELDS_OK)
		check_sound(packet, &reading->fields);
	if (reading->result == FIELDS_OK)
		read_flows(reading, packet);
	if (reading->result == FIELDS_OK &&
		tcp_segment_read(&reading->segment, packet, &reading->fields)) {
		end = reading->fields.l3 + ip_length(packet, reading->fields.l3);
		must(reading->fields.l4 + 20 + reading->segment.length <= end);
		must(reading->segment.scale <= 14);
		must(reading->segment.flags == reading->fields.tcp_flags);
	}
	rte_pktmbuf_free(packet);
}

/* So that more than one frame in 65,536 has a right header checksum. */
static void
seal(uint8_t *frame, size_t size)
{
	unsigned at = 12, length;

	while (at + 4 <= size && frame[at] == 0x81 && frame[at + 1] == 0)
		at += 4;
	at += 2;
	if (at + 20 > size || frame[at - 2] != 8 || frame[at - 1] != 0)
		return;
	length = (frame[at] & 0x0f) * 4u;
	if (at + length > size || length < 20)
		return;
	frame[at + 10] = frame[at + 11] = 0;
	length = 0xffffu ^ slow_fold(slow_sum(frame + at, length));
	frame[at + 10] = (uint8_t)(length >> 8);
	frame[at + 11] = (uint8_t)length;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[4096];
	struct reading whole, pieces;

	fuzz_open();
	if (size < 2 || size - 2 > sizeof(frame))
		return 0;
	memcpy(frame, data + 2, size - 2);
	if (data[1] & 1)
		seal(frame, size - 2);
	read_frame(&whole, frame, size - 2, sizeof(frame));
	read_frame(&pieces, frame, size - 2, 14u + data[0] % 64);
	must(whole.result == pieces.result);
	must(memcmp(&whole.fields, &pieces.fields, sizeof(whole.fields)) == 0);
	must(memcmp(&whole.segment, &pieces.segment, sizeof(whole.segment)) == 0);
	must(memcmp(&whole.flow, &pieces.flow, sizeof(whole.flow)) == 0);
	must(memcmp(&whole.quoted, &pieces.quoted, sizeof(whole.quoted)) == 0);
	fuzz_end();
	return 0;
}
