/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frame, in any pieces: parsed, described, hashed, edited, duplicated, cut. The first
 * bytes choose how, the rest is the frame.
 */
#include "fuzz_packet.h"
#include "packet/edit.h"
#include "packet/offload.h"
#include "packet/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mbuf *
edit(struct rte_mbuf *packet, uint8_t what)
{
	static const uint8_t address[16] = { 0x20, 0x01, 0x0d, 0xb8, 9, 8, 7, 6 };
	static const struct rte_ether_addr mac = { { 2, 3, 4, 5, 6, 7 } };
	struct ether_view view;

	switch (what % 11) {
	case 0:
		return edit_push_vlan(&pools, packet, what & 16 ? 0x8100 : 0x88a8, 0x6005);
	case 1:
	case 2:
		if (parse_ether(packet, &view) != PARSE_OK || view.n_tags == 0)
			return packet;
		return what % 11 == 1 ? edit_pop_vlan(&pools, packet)
				      : edit_set_vlan(&pools, packet, what);
	case 3:
		edit_set_ether_source(packet, &mac);
		return packet;
	case 4:
		edit_set_ether_destination(packet, &mac);
		return packet;
	case 5:
		edit_set_ip_source(packet, address);
		return packet;
	case 6:
		edit_set_ip_destination(packet, address);
		return packet;
	case 7:
		edit_decrement_ttl(packet);
		return packet;
	case 8:
		edit_set_dscp(packet, what);
		return packet;
	case 9:
		edit_set_l4_source(packet, what);
		return packet;
	default:
		edit_set_l4_destination(packet, what);
		return packet;
	}
}

/* Editing keeps the offsets as parsing finds them, and leaves the copy as it was. */
static void
edit_some(struct rte_mbuf *packet, const uint8_t *edits, size_t count)
{
	static uint8_t before[UINT16_MAX], after[UINT16_MAX];
	struct rte_mbuf *copy = packet_duplicate(&pools, packet);
	size_t length = fixture_bytes(copy, before);
	struct edit_log log = { 0 };
	struct packet_meta kept;

	for (size_t i = 0; i < count && packet != NULL; i++) {
		packet = packet_writable(&pools, packet, packet_header_bytes(packet), 0);
		if (packet == NULL)
			break;
		packet_meta(packet)->log = &log;
		packet = edit(packet, edits[i]);
	}
	if (fixture_bytes(copy, after) != length || memcmp(before, after, length) != 0)
		abort();
	rte_pktmbuf_free(copy);
	if (packet == NULL)
		return;
	rte_mbuf_sanity_check(packet, 1);
	kept = *packet_meta(packet);
	/* a stack of more tags than are looked through reads differently when one is pushed */
	if (kept.l3 < RTE_ETHER_HDR_LEN + 8 * RTE_VLAN_HLEN && !(log.what & EDIT_VLAN) &&
		packet_parse(packet) == PARSE_OK &&
		memcmp(&kept, packet_meta(packet), sizeof(kept)) != 0)
		abort();
	rte_pktmbuf_free(packet);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hash_key key = { { 1, 2, 3, 4 } };
	struct rte_mbuf *packet, *segments[64];
	struct packet_meta *meta;
	uint8_t choice[8];
	unsigned made;
	bool no_buffer;
	char text[120];

	fuzz_open();
	if (size < sizeof(choice) || size > UINT16_MAX)
		return 0;
	memcpy(choice, data, sizeof(choice));
	data += sizeof(choice);
	size -= sizeof(choice);
	packet = fixture_chain(
		data, size, choice[0] & 1 ? 14u + choice[1] : (size_t)PACKET_LARGE_ROOM);
	fuzz_guard(packet, true);
	meta = packet_meta(packet);
	packet_describe(packet, text, choice[2] % sizeof(text));
	packet_flow_hash(packet, &key);
	offload_wire_length(packet);
	if (packet_parse(packet) != PARSE_OK) {
		rte_pktmbuf_free(packet);
	} else if (choice[0] & 2) {
		/* whatever the metadata says: cutting believes the bytes only */
		meta->gso = choice[3] % 5;
		meta->gso_size = (uint16_t)(choice[4] << (choice[0] >> 5));
		meta->offload = choice[5] & 1;
		made = offload_segment(&pools, packet, segments, 64, &no_buffer);
		for (unsigned i = 0; i < made; i++)
			rte_mbuf_sanity_check(segments[i], 1);
		rte_pktmbuf_free_bulk(segments, made);
	} else {
		edit_some(packet, choice + 3, 5);
	}
	fuzz_end();
	return 0;
}
