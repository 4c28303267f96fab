/* SPDX-License-Identifier: BSD-3-Clause */
/* Any virtio-net header before any frame: what it claims is checked, then done. */
#include "fuzz_packet.h"
#include "packet/edit.h"
#include "packet/offload.h"
#include "packet/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
finish(struct rte_mbuf *packet)
{
	packet = offload_finish_checksum(&pools, packet);
	if (packet == NULL)
		return;
	if (packet_meta(packet)->offload & PACKET_NEEDS_CHECKSUM)
		abort();
	rte_pktmbuf_free(packet);
}

static void
cut(struct rte_mbuf *packet)
{
	struct rte_mbuf *segments[64];
	unsigned wire = offload_wire_length(packet), size = packet_meta(packet)->gso_size;
	bool no_buffer;
	unsigned made = offload_segment(&pools, packet, segments, 64, &no_buffer);
	size_t payload = 0;

	for (unsigned i = 0; i < made; i++) {
		rte_mbuf_sanity_check(segments[i], 1);
		if (offload_wire_length(segments[i]) > wire)
			abort();
		payload += size;
	}
	if (made > 0 && payload > UINT16_MAX + (size_t)size)
		abort();
	rte_pktmbuf_free_bulk(segments, made);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr header, back;
	struct rte_mbuf *packet;
	uint8_t choice;

	fuzz_open();
	if (size < 1 + sizeof(header) || size > UINT16_MAX)
		return 0;
	choice = data[0];
	memcpy(&header, data + 1, sizeof(header));
	data += 1 + sizeof(header);
	size -= 1 + sizeof(header);
	packet = fixture_chain(
		data, size, choice & 1 ? 14u + (choice >> 2) * 5 : (size_t)PACKET_LARGE_ROOM);
	fuzz_guard(packet, true);
	if (!offload_from_header(packet, &header)) {
		rte_pktmbuf_free(packet);
		fuzz_end();
		return 0;
	}
	offload_to_header(packet, &back);
	if (back.gso_type != header.gso_type ||
		(back.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) !=
			(header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		abort();
	if (choice & 2)
		packet = edit_push_vlan(&pools, packet, 0x8100, 7);
	if (packet == NULL) { /* not even MACs */
		fuzz_end();
		return 0;
	}
	if (packet_meta(packet)->gso != PACKET_GSO_NONE)
		cut(packet);
	else
		finish(packet);
	fuzz_end();
	return 0;
}
