/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/tap_io.h"

#include "graph/engine.h"

#include <errno.h>
#include <rte_ether.h>
#include <rte_memcpy.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By worker; each is its worker's alone. */
static struct tap_worker *workers[WORKER_LIMIT];

/* ---- what a worker has for its taps -------------------------------------------------------- */

/* NULL: out of memory or buffers. */
static struct tap_worker *
worker_use(struct worker *worker)
{
	struct tap_worker *io = workers[worker->index];

	if (io != NULL) {
		io->users++;
		return io;
	}
	io = calloc(1, sizeof(*io));
	if (io == NULL)
		return NULL;
	io->worker = worker;
	io->users = 1;
	io->ring = waiter_ring(worker->waiter);
	io->plain.buffer = rte_pktmbuf_alloc(worker->pools.large);
	if (io->plain.buffer == NULL) {
		free(io);
		return NULL;
	}
	if (io->ring != NULL && tap_ring_open_writes(io) < 0)
		io->ring = NULL;
	if (io->ring != NULL)
		tap_ring_open_reads(io); /* else plain reads */
	workers[worker->index] = io;
	return io;
}

static void
worker_unuse(struct tap_worker *io)
{
	if (--io->users > 0)
		return;
	workers[io->worker->index] = NULL;
	tap_ring_close_reads(io);
	tap_ring_close_writes(io);
	rte_pktmbuf_free(io->plain.buffer);
	free(io);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Short frames; the copy costs less than a cold large buffer. */
static struct rte_mbuf *
copy_short(struct worker *worker, const char *frame, unsigned length)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(worker->pools.small);

	if (likely(packet != NULL))
		rte_memcpy(rte_pktmbuf_mtod(packet, char *), frame, length);
	return packet;
}

struct rte_mbuf *
tap_take_frame(struct tap_worker *io, struct weft_nic *nic, struct tap_slot *slot)
{
	struct worker *worker = io->worker;
	const char *start = tap_slot_header(slot);
	unsigned length = (unsigned)slot->length - (unsigned)OFFLOAD_HEADER_SIZE;
	struct virtio_net_hdr header;
	struct rte_mbuf *packet;

	if (unlikely(slot->length < (int)(OFFLOAD_HEADER_SIZE + RTE_ETHER_HDR_LEN))) {
		nic_receive_drop(worker, nic, DROP_TOO_SHORT);
		return NULL;
	}
	/* a full buffer: the kernel has cut the frame */
	if (unlikely(slot->length >= (int)TAP_READ_SIZE)) {
		nic_receive_drop(worker, nic, DROP_TOO_LONG);
		return NULL;
	}
	memcpy(&header, start, sizeof(header));
	if (length <= PACKET_SMALL_ROOM) {
		packet = copy_short(worker, start + OFFLOAD_HEADER_SIZE, length);
	} else {
		struct rte_mbuf *empty = rte_pktmbuf_alloc(worker->pools.large);

		packet = empty != NULL ? slot->buffer : NULL;
		if (likely(empty != NULL))
			slot->buffer = empty;
	}
	if (unlikely(packet == NULL)) {
		nic_receive_drop(worker, nic, DROP_NO_BUFFER);
		return NULL;
	}
	packet->data_len = (uint16_t)length;
	packet->pkt_len = length;
	packet_meta_reset(packet);
	if (likely(offload_from_header(packet, &header)))
		return packet;
	nic_transmit_drop(worker, nic, DROP_BAD_OFFLOAD, packet);
	return NULL;
}

static bool
is_lost(int code)
{
	return code == EBADFD || code == EBADF || code == ENODEV;
}

unsigned
tap_plain_receive(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count)
{
	struct weft_nic *nic = queue->queue->nic;
	unsigned n = 0, reads;

	for (reads = 0; reads < count; reads++) {
		ssize_t size = read(queue->fd, tap_slot_header(&io->plain), TAP_READ_SIZE);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0) {
			if (is_lost(errno))
				nic_lost(nic);
			break;
		}
		io->plain.length = (int32_t)size;
		packets[n] = tap_take_frame(io, nic, &io->plain);
		if (packets[n] != NULL)
			n++;
	}
	/* what was dropped makes the burst smaller, but the tap is not empty for that, and the
	 * watch would not tell it again */
	queue->queue->polled = reads == count;
	return n;
}

static void
plain_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct tap_queue *queue = (struct tap_queue *)source;

	(void)result;
	(void)flags;
	nic_queue_ready(worker, queue->queue);
}

static int
plain_start(struct tap_worker *io, struct tap_queue *queue)
{
	queue->plain = true;
	queue->source.ready = plain_ready;
	if (waiter_watch(io->worker->waiter, queue->fd, &queue->source) < 0)
		return -1;
	/* what has come before the watch was there */
	nic_queue_ready(io->worker, queue->queue);
	return 0;
}

int
tap_start(struct nic_queue *nic_queue, struct worker *worker)
{
	struct tap_queue *queue = nic_queue->driver_state;
	struct tap_worker *io = worker_use(worker);

	if (io == NULL) {
		nic_lost(nic_queue->nic);
		return -1;
	}
	if (io->buffers != NULL) {
		tap_ring_start(io, queue);
		return 0;
	}
	if (plain_start(io, queue) == 0)
		return 0;
	worker_unuse(io);
	nic_lost(nic_queue->nic);
	return -1;
}

bool
tap_stop(struct nic_queue *nic_queue, struct worker *worker)
{
	struct tap_queue *queue = nic_queue->driver_state;
	struct tap_worker *io = workers[worker->index];

	if (queue->plain) {
		waiter_unwatch(worker->waiter, queue->fd, &queue->source);
		nic_queue->polled = false;
	} else if (!tap_ring_stop(io, queue))
		return false;
	worker_unuse(io);
	return true;
}

unsigned
tap_receive(struct nic_queue *nic_queue, struct worker *worker, struct rte_mbuf **packets,
	unsigned count)
{
	struct tap_queue *queue = nic_queue->driver_state;
	struct tap_worker *io = workers[worker->index];

	return queue->plain ? tap_plain_receive(io, queue, packets, count)
			    : tap_ring_receive(io, queue, packets, count);
}

/* ---- writing --------------------------------------------------------------------------------- */

void
tap_write_failed(struct worker *worker, struct tap *tap, struct rte_mbuf *packet, int code)
{
	enum drop_reason reason = DROP_TRANSMIT_FAILED;

	if (is_lost(code)) {
		nic_lost(tap->nic);
		reason = DROP_NIC_DOWN;
	} else if (code == EIO) {
		reason = DROP_NIC_DOWN; /* the other side has set it down */
	} else if (code == EAGAIN || code == ENOBUFS || code == ENOMEM) {
		reason = DROP_TRANSMIT_FULL;
	}
	nic_transmit_drop(worker, tap->nic, reason, packet);
}

unsigned
tap_fill_vector(const struct rte_mbuf *packet, struct virtio_net_hdr *header, struct iovec *vector)
{
	unsigned n = 1;

	if (packet->nb_segs >= TAP_VECTOR)
		return 0;
	vector[0] = (struct iovec){ header, OFFLOAD_HEADER_SIZE };
	for (const struct rte_mbuf *at = packet; at != NULL; at = at->next)
		vector[n++] = (struct iovec){ rte_pktmbuf_mtod(at, void *), at->data_len };
	return n;
}

static void
plain_transmit(
	struct worker *worker, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count)
{
	struct tap *tap = queue->queue->nic->driver_state;

	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *packet = packets[i];
		struct iovec vector[TAP_VECTOR];
		struct virtio_net_hdr header;
		ssize_t size;
		unsigned n;

		if (unlikely(packet->nb_segs >= TAP_VECTOR))
			packet = packet_linear(&worker->pools, packet);
		if (unlikely(packet == NULL)) {
			nic_receive_drop(worker, tap->nic, DROP_NO_BUFFER);
			continue;
		}
		offload_to_header(packet, &header);
		n = tap_fill_vector(packet, &header, vector);
		do
			size = writev(queue->fd, vector, (int)n);
		while (size < 0 && errno == EINTR);
		if (likely(size >= 0))
			rte_pktmbuf_free(packet);
		else
			tap_write_failed(worker, tap, packet, errno);
	}
}

/* The first packet that this worker sends on this tap. */
static struct tap_worker *
begin_sending(struct worker *worker, struct tap *tap)
{
	struct tap_worker *io = worker_use(worker);

	tap->senders[worker->index].used = io != NULL;
	return io;
}

void
tap_transmit(struct nic_queue *nic_queue, struct worker *worker, struct rte_mbuf **packets,
	unsigned count)
{
	struct tap_queue *queue = nic_queue->driver_state;
	struct tap *tap = nic_queue->nic->driver_state;
	struct tap_worker *io = workers[worker->index];
	unsigned sent = 0;

	if (unlikely(!tap->senders[worker->index].used))
		io = begin_sending(worker, tap);
	if (likely(io != NULL && io->ring != NULL))
		sent = tap_ring_transmit(io, queue, packets, count);
	if (sent == count)
		return;
	/* not before what is queued */
	waiter_submit(worker->waiter);
	plain_transmit(worker, queue, &packets[sent], count - sent);
}

bool
tap_worker_drain(struct weft_nic *nic, struct worker *worker)
{
	struct tap *tap = nic->driver_state;
	struct tap_sender *sender = &tap->senders[worker->index];

	if (!sender->used)
		return true;
	if (sender->under_way > 0) {
		waiter_submit(worker->waiter);
		return false;
	}
	sender->used = false;
	worker_unuse(workers[worker->index]);
	return true;
}
