/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/interface_private.h"
#include "packet/edit.h"

#include <linux/if_packet.h>
#include <rte_memcpy.h>
#include <string.h>
#include <sys/socket.h>

/*
 * The kernel takes the outermost tag out of every frame before a packet socket sees it, and
 * tells of it beside. Before Linux 3.14 it did not tell the type.
 */
static struct interface_notes
read_tag(uint32_t status, uint16_t tci, uint16_t type)
{
	struct interface_notes notes = { 0 };

	if (likely(!(status & TP_STATUS_VLAN_VALID)))
		return notes;
	notes.tag_type = status & TP_STATUS_VLAN_TPID_VALID ? type : RTE_ETHER_TYPE_VLAN;
	notes.tci = tci;
	return notes;
}

bool
interface_read_slot(const char *memory, struct interface_slot *slot)
{
	const struct tpacket2_hdr *header = (const void *)memory;
	uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
	unsigned at = header->tp_mac, length = header->tp_snaplen;

	if (!(status & TP_STATUS_USER))
		return false;
	slot->queued = (status & TP_STATUS_COPY) != 0;
	slot->losing = (status & TP_STATUS_LOSING) != 0;
	slot->cut = length < header->tp_len;
	/* never seen, but cheap to be sure of */
	if (unlikely(at < sizeof(*header) + OFFLOAD_HEADER_SIZE || at > INTERFACE_RING_SLOT ||
		     length > INTERFACE_RING_SLOT - at))
		at = length = 0;
	slot->frame = memory + at;
	slot->length = length;
	slot->notes = read_tag(status, header->tp_vlan_tci, header->tp_vlan_tpid);
	return true;
}

struct interface_notes
interface_read_notes(struct msghdr *message)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL;
		at = CMSG_NXTHDR(message, at)) {
		struct tpacket_auxdata data;

		if (at->cmsg_level != SOL_PACKET || at->cmsg_type != PACKET_AUXDATA ||
			at->cmsg_len < CMSG_LEN(sizeof(data)))
			continue;
		memcpy(&data, CMSG_DATA(at), sizeof(data));
		return read_tag(data.tp_status, data.tp_vlan_tci, data.tp_vlan_tpid);
	}
	return (struct interface_notes){ 0 };
}

/* What every packet needs once its bytes are there. */
static struct rte_mbuf *
finish_packet(struct packet_pools *pools, struct rte_mbuf *packet, const char *header_bytes,
	const struct interface_notes *notes, enum drop_reason *reason)
{
	struct virtio_net_hdr header;

	memcpy(&header, header_bytes, sizeof(header));
	packet_meta_reset(packet);
	/* its offsets are those of the frame without the tag */
	if (unlikely(!offload_from_header(packet, &header))) {
		*reason = DROP_BAD_OFFLOAD;
		rte_pktmbuf_free(packet);
		return NULL;
	}
	if (likely(notes->tag_type == 0))
		return packet;
	*reason = DROP_NO_BUFFER;
	return edit_push_vlan(pools, packet, notes->tag_type, notes->tci);
}

struct rte_mbuf *
interface_copy_frame(
	struct packet_pools *pools, const struct interface_slot *slot, enum drop_reason *reason)
{
	struct rte_mbuf *packet;

	*reason = DROP_TOO_SHORT;
	if (unlikely(slot->length < RTE_ETHER_HDR_LEN))
		return NULL;
	packet = rte_pktmbuf_alloc(pools->small);
	*reason = DROP_NO_BUFFER;
	if (unlikely(packet == NULL))
		return NULL;
	rte_memcpy(rte_pktmbuf_mtod(packet, char *), slot->frame, slot->length);
	packet->data_len = (uint16_t)slot->length;
	packet->pkt_len = slot->length;
	return finish_packet(
		pools, packet, slot->frame - OFFLOAD_HEADER_SIZE, &slot->notes, reason);
}

static struct rte_mbuf *
give_away(struct rte_mbuf **buffer)
{
	struct rte_mbuf *given = *buffer;

	*buffer = NULL;
	return given;
}

static struct rte_mbuf *
make_chain(struct interface_buffers *buffers, unsigned length)
{
	struct rte_mbuf *packet = give_away(&buffers->head), *rest;

	packet->pkt_len = length;
	packet->data_len = (uint16_t)RTE_MIN(length, (unsigned)PACKET_SMALL_ROOM);
	if (length > PACKET_SMALL_ROOM) {
		rest = give_away(&buffers->rest);
		rest->data_off = 0;
		rest->data_len = (uint16_t)(length - PACKET_SMALL_ROOM);
		packet->next = rest;
		packet->nb_segs = 2;
	}
	return packet;
}

struct rte_mbuf *
interface_take_frame(struct packet_pools *pools, struct interface_buffers *buffers, unsigned length,
	const struct interface_notes *notes, enum drop_reason *reason)
{
	struct rte_mbuf *packet;

	*reason = DROP_TOO_SHORT;
	if (unlikely(length < OFFLOAD_HEADER_SIZE + RTE_ETHER_HDR_LEN))
		return NULL;
	*reason = DROP_TOO_LONG;
	if (unlikely(length > INTERFACE_HEAD_SIZE + INTERFACE_REST_SIZE))
		return NULL;
	packet = make_chain(buffers, length - (unsigned)OFFLOAD_HEADER_SIZE);
	return finish_packet(pools, packet, rte_pktmbuf_mtod(packet, char *) - OFFLOAD_HEADER_SIZE,
		notes, reason);
}
