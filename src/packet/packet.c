/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/packet.h"

#include <rte_branch_prediction.h>
#include <stdatomic.h>
#include <string.h>

/* Shorter packets are copied for flooding: cheaper than counting references to them. */
#define COPY_LENGTH 512
/* A new head of a long packet takes at least so much along: the headers, as a rule. */
#define HEAD_LENGTH 256u

static bool
is_shared(struct rte_mbuf *packet)
{
	uint16_t references;

	if (RTE_MBUF_HAS_EXTBUF(packet))
		references = rte_mbuf_ext_refcnt_read(packet->shinfo);
	else if (RTE_MBUF_CLONED(packet))
		references = rte_mbuf_refcnt_read(rte_mbuf_from_indirect(packet));
	else
		references = rte_mbuf_refcnt_read(packet);
	/* who gave up the last other reference has read the bytes before we write them */
	atomic_thread_fence(memory_order_acquire);
	return references > 1;
}

struct rte_mbuf *
packet_trim_front(struct rte_mbuf *segment, unsigned length)
{
	struct rte_mbuf *next;

	while (segment != NULL && length >= rte_pktmbuf_data_len(segment)) {
		length -= rte_pktmbuf_data_len(segment);
		next = segment->next;
		rte_pktmbuf_free_seg(segment);
		segment = next;
	}
	if (segment != NULL) {
		segment->data_off += length;
		segment->data_len -= length;
	}
	return segment;
}

void
packet_copy_bytes(void *to, const struct rte_mbuf *packet, unsigned length)
{
	uint8_t *at = to;

	for (; length > 0; packet = packet->next) {
		unsigned n = RTE_MIN(length, rte_pktmbuf_data_len(packet));

		memcpy(at, rte_pktmbuf_mtod(packet, const uint8_t *), n);
		at += n;
		length -= n;
	}
}

void
packet_copy_range(void *to, const struct rte_mbuf *packet, unsigned offset, unsigned length)
{
	const void *bytes = rte_pktmbuf_read(packet, offset, length, to);

	if (bytes != to && length > 0)
		memcpy(to, bytes, length);
}

static struct rte_mbuf *
allocate(struct packet_pools *pools, unsigned length)
{
	if (length > PACKET_LARGE_ROOM)
		return NULL;
	return rte_pktmbuf_alloc(length <= PACKET_SMALL_ROOM ? pools->small : pools->large);
}

/* The packet with its first `length` bytes in a segment of their own, with `room` in front. */
static struct rte_mbuf *
new_head(struct packet_pools *pools, struct rte_mbuf *packet, unsigned length, unsigned room)
{
	unsigned total = rte_pktmbuf_pkt_len(packet);
	unsigned more_room = room > PACKET_HEADROOM ? room - PACKET_HEADROOM : 0;
	struct rte_mbuf *head = NULL, *segment;

	if (length <= total && more_room <= PACKET_SMALL_ROOM)
		head = allocate(pools, more_room + length);
	if (head == NULL) {
		rte_pktmbuf_free(packet);
		return NULL;
	}
	head->data_off = PACKET_HEADROOM + more_room;
	head->data_len = length;
	head->pkt_len = total;
	head->port = packet->port;
	packet_copy_bytes(rte_pktmbuf_mtod(head, uint8_t *), packet, length);
	*packet_meta(head) = *packet_meta(packet);

	head->next = packet_trim_front(packet, length);
	head->nb_segs = 1;
	for (segment = head->next; segment != NULL; segment = segment->next)
		head->nb_segs++;
	return head;
}

struct rte_mbuf *
packet_writable_slow(
	struct packet_pools *pools, struct rte_mbuf *packet, unsigned bytes, unsigned room)
{
	unsigned total = rte_pktmbuf_pkt_len(packet), copied;

	if (likely(bytes <= rte_pktmbuf_data_len(packet) && room <= rte_pktmbuf_headroom(packet) &&
		    !is_shared(packet)))
		return packet;
	/* an ordinary frame stays in one piece, whoever sends it later may take no chains */
	copied = total <= PACKET_SMALL_ROOM ? total : HEAD_LENGTH;
	copied = RTE_MAX(copied, bytes);
	return new_head(pools, packet, copied, room);
}

/* rte_pktmbuf_trim() cuts within the last segment only. */
void
packet_trim(struct rte_mbuf *packet, unsigned length)
{
	struct rte_mbuf *segment = packet;
	unsigned left = length;

	if (likely(length >= rte_pktmbuf_pkt_len(packet)))
		return;
	packet->pkt_len = length;
	packet->nb_segs = 1;
	while (left > rte_pktmbuf_data_len(segment)) {
		left -= rte_pktmbuf_data_len(segment);
		segment = segment->next;
		packet->nb_segs++;
	}
	segment->data_len = (uint16_t)left;
	rte_pktmbuf_free(segment->next);
	segment->next = NULL;
}

struct rte_mbuf *
packet_linear(struct packet_pools *pools, struct rte_mbuf *packet)
{
	if (likely(packet->nb_segs == 1))
		return packet;
	return new_head(pools, packet, rte_pktmbuf_pkt_len(packet), 0);
}

struct rte_mbuf *
packet_duplicate(struct packet_pools *pools, struct rte_mbuf *packet)
{
	unsigned length = rte_pktmbuf_pkt_len(packet);
	struct rte_mbuf *copy;

	if (length > COPY_LENGTH) {
		copy = rte_pktmbuf_clone(packet, pools->small);
		if (unlikely(copy == NULL))
			return NULL;
	} else {
		copy = rte_pktmbuf_alloc(pools->small);
		if (unlikely(copy == NULL))
			return NULL;
		packet_copy_bytes(rte_pktmbuf_mtod(copy, uint8_t *), packet, length);
		copy->data_len = length;
		copy->pkt_len = length;
		copy->port = packet->port;
	}
	*packet_meta(copy) = *packet_meta(packet);
	return copy;
}

struct rte_mbuf *
packet_from_bytes(struct packet_pools *pools, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	struct rte_mbuf *packet, *last;
	size_t n;

	if (length > UINT16_MAX)
		return NULL;
	n = RTE_MIN(length, (size_t)PACKET_LARGE_ROOM);
	packet = allocate(pools, n);
	if (packet == NULL)
		return NULL;
	packet_meta_reset(packet);
	if (n > 0)
		memcpy(rte_pktmbuf_mtod(packet, uint8_t *), from, n);
	packet->data_len = n;
	packet->pkt_len = length;
	if (likely(n == length))
		return packet;

	/* what an mbuf's length field can say, but a large buffer cannot hold */
	last = allocate(pools, length - n);
	if (last == NULL) {
		rte_pktmbuf_free(packet);
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(last, uint8_t *), from + n, length - n);
	last->data_len = length - n;
	packet->next = last;
	packet->nb_segs = 2;
	return packet;
}
