/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/interface_private.h"
#include "packet/edit.h"

#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

/*
 * The kernel takes the outermost tag out of every frame before a packet socket sees it, and
 * tells of it beside. Before Linux 3.14 it did not tell the type.
 */
static void
read_tag(const struct tpacket_auxdata *data, struct interface_notes *notes)
{
	if (!(data->tp_status & TP_STATUS_VLAN_VALID))
		return;
	notes->tag_type = data->tp_status & TP_STATUS_VLAN_TPID_VALID ? data->tp_vlan_tpid
								      : RTE_ETHER_TYPE_VLAN;
	notes->tci = data->tp_vlan_tci;
}

struct interface_notes
interface_read_notes(struct msghdr *message)
{
	struct interface_notes notes = { 0 };

	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL;
		at = CMSG_NXTHDR(message, at)) {
		struct tpacket_auxdata data;

		if (likely(at->cmsg_level == SOL_PACKET && at->cmsg_type == PACKET_AUXDATA &&
			    at->cmsg_len >= CMSG_LEN(sizeof(data)))) {
			memcpy(&data, CMSG_DATA(at), sizeof(data));
			read_tag(&data, &notes);
		} else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL &&
			   at->cmsg_len >= CMSG_LEN(sizeof(notes.overflows))) {
			memcpy(&notes.overflows, CMSG_DATA(at), sizeof(notes.overflows));
		}
	}
	return notes;
}

static struct rte_mbuf *
give_away(struct rte_mbuf **buffer)
{
	struct rte_mbuf *given = *buffer;

	*buffer = NULL;
	return given;
}

static struct rte_mbuf *
make_packet(struct interface_slot *slot, unsigned length)
{
	struct rte_mbuf *packet = give_away(&slot->head), *rest;

	packet->pkt_len = length;
	packet->data_len = (uint16_t)RTE_MIN(length, (unsigned)PACKET_SMALL_ROOM);
	if (unlikely(length > PACKET_SMALL_ROOM)) {
		rest = give_away(&slot->rest);
		rest->data_off = 0;
		rest->data_len = (uint16_t)(length - PACKET_SMALL_ROOM);
		packet->next = rest;
		packet->nb_segs = 2;
	}
	packet_meta_reset(packet);
	return packet;
}

struct rte_mbuf *
interface_take_frame(struct packet_pools *pools, struct interface_slot *slot, unsigned length,
	const struct interface_notes *notes, enum drop_reason *reason)
{
	struct virtio_net_hdr header;
	struct rte_mbuf *packet;

	*reason = DROP_TOO_SHORT;
	if (unlikely(length < OFFLOAD_HEADER_SIZE + RTE_ETHER_HDR_LEN))
		return NULL;
	*reason = DROP_TOO_LONG;
	if (unlikely(length > INTERFACE_HEAD_SIZE + INTERFACE_REST_SIZE))
		return NULL;
	memcpy(&header, rte_pktmbuf_mtod(slot->head, char *) - OFFLOAD_HEADER_SIZE, sizeof(header));
	packet = make_packet(slot, length - (unsigned)OFFLOAD_HEADER_SIZE);
	/* its offsets are those of the frame without the tag */
	if (unlikely(!offload_from_header(packet, &header))) {
		*reason = DROP_BAD_OFFLOAD;
		rte_pktmbuf_free(packet);
		return NULL;
	}
	*reason = DROP_NO_BUFFER;
	return likely(notes->tag_type == 0)
		       ? packet
		       : edit_push_vlan(pools, packet, notes->tag_type, notes->tci);
}
