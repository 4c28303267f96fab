/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/tap_io.h"

#include <errno.h>
#include <liburing.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define OP_READ_MULTISHOT 49 /* IORING_OP_READ_MULTISHOT; liburing 2.3 does not name it */
#define PAGE_SIZE 4096

/* ---- buffers --------------------------------------------------------------------------------- */

/* Gives the slot's buffer to the kernel, as the `nth` of those that buffers_publish shows. */
static void
buffers_add(struct tap_worker *io, uint16_t slot, unsigned nth)
{
	io_uring_buf_ring_add(io->buffers, tap_slot_header(&io->slots[slot]), TAP_READ_SIZE, slot,
		io_uring_buf_ring_mask(TAP_SLOTS), (int)nth);
}

static void
buffers_publish(struct tap_worker *io, unsigned count)
{
	io_uring_buf_ring_advance(io->buffers, (int)count);
	io->given -= count;
}

static void
free_buffers(struct tap_worker *io)
{
	for (unsigned i = 0; i < TAP_SLOTS; i++) {
		rte_pktmbuf_free(io->slots[i].buffer);
		io->slots[i].buffer = NULL;
	}
}

static int
fill_buffers(struct tap_worker *io)
{
	for (unsigned i = 0; i < TAP_SLOTS; i++) {
		io->slots[i].buffer = rte_pktmbuf_alloc(io->worker->pools.large);
		if (io->slots[i].buffer == NULL) {
			free_buffers(io);
			return -1;
		}
	}
	return 0;
}

int
tap_ring_open_reads(struct tap_worker *io)
{
	const struct waiter_features *features = waiter_features(io->worker->waiter);
	struct io_uring_buf_reg registration = { .ring_entries = TAP_SLOTS,
		.bgid = TAP_BUFFER_GROUP };
	void *memory;

	if (!features->read_multishot || !features->buffer_rings || fill_buffers(io) < 0)
		return -1;
	if (posix_memalign(&memory, PAGE_SIZE, TAP_SLOTS * sizeof(struct io_uring_buf)) != 0) {
		free_buffers(io);
		return -1;
	}
	registration.ring_addr = (uintptr_t)memory;
	if (io_uring_register_buf_ring(io->ring, &registration, 0) < 0) {
		free(memory);
		free_buffers(io);
		return -1;
	}
	io->starving_end = &io->starving;
	io->buffers = memory;
	io_uring_buf_ring_init(io->buffers);
	io->given = TAP_SLOTS;
	for (uint16_t i = 0; i < TAP_SLOTS; i++)
		buffers_add(io, i, i);
	buffers_publish(io, TAP_SLOTS);
	return 0;
}

void
tap_ring_close_reads(struct tap_worker *io)
{
	if (io->buffers == NULL)
		return;
	io_uring_unregister_buf_ring(io->ring, TAP_BUFFER_GROUP);
	free(io->buffers);
	io->buffers = NULL;
	free_buffers(io);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void
arm(struct tap_worker *io, struct tap_queue *queue)
{
	struct io_uring_sqe *sqe = waiter_sqe(io->worker->waiter);

	io_uring_prep_read(sqe, queue->fd, NULL, 0, (uint64_t)-1);
	sqe->opcode = OP_READ_MULTISHOT;
	sqe->buf_group = TAP_BUFFER_GROUP;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	io_uring_sqe_set_data(sqe, &queue->source);
	queue->armed = true;
}

/* Whether a queue that finds no buffer is read when its turn comes, and not by whoever is first
 * when there are some again: the kernel gives them to those that flood. */
static bool
reads_directly(const struct tap_worker *io)
{
	return io->worker->sharing.apart || !io->no_batches;
}

/* It is read when its share's turn comes, until it is empty. */
static void
read_directly(struct tap_worker *io, struct tap_queue *queue)
{
	queue->direct = true;
	queue->queue->polled = true;
	nic_queue_ready(io->worker, queue->queue);
}

/* In the order in which they ran dry: so that none takes all buffers for good. */
static void
arm_starving(struct tap_worker *io)
{
	struct tap_queue *queue = io->starving;

	io->starving = NULL;
	io->starving_end = &io->starving;
	while (queue != NULL) {
		struct tap_queue *next = queue->next_starving;

		queue->starving = false;
		queue->next_starving = NULL;
		if (!queue->stopping && !queue->failed) {
			if (reads_directly(io))
				read_directly(io, queue);
			else
				arm(io, queue);
		}
		queue = next;
	}
}

/* The request has ended: it is made anew when there are buffers. */
static void
starve(struct tap_worker *io, struct tap_queue *queue)
{
	if (queue->starving || queue->stopping || queue->failed)
		return;
	if (reads_directly(io)) {
		read_directly(io, queue);
		return;
	}
	queue->starving = true;
	*io->starving_end = queue;
	io->starving_end = &queue->next_starving;
}

static void
leave_starving(struct tap_worker *io, struct tap_queue *queue)
{
	struct tap_queue **at = &io->starving;

	if (!queue->starving)
		return;
	while (*at != queue)
		at = &(*at)->next_starving;
	*at = queue->next_starving;
	if (io->starving_end == &queue->next_starving)
		io->starving_end = at;
	queue->starving = false;
	queue->next_starving = NULL;
}

static void
append_slot(struct tap_worker *io, struct tap_queue *queue, uint16_t slot, int32_t length)
{
	io->slots[slot].length = length;
	io->slots[slot].next = TAP_NO_SLOT;
	if (queue->first == TAP_NO_SLOT)
		queue->first = slot;
	else
		io->slots[queue->last].next = slot;
	queue->last = slot;
}

/* Frames that nobody will receive any more. */
static void
discard_slots(struct tap_worker *io, struct tap_queue *queue)
{
	unsigned count = 0;

	while (queue->first != TAP_NO_SLOT) {
		uint16_t slot = queue->first;

		queue->first = io->slots[slot].next;
		buffers_add(io, slot, count++);
	}
	if (count > 0)
		buffers_publish(io, count);
}

static void
read_failed(struct tap_queue *queue, int code)
{
	switch (code) {
	case ENOBUFS: /* no buffer was free */
	case EAGAIN:
	case EINTR:
	case ECANCELED: /* stopping */
		return;
	default:
		queue->failed = true;
		nic_lost(queue->queue->nic);
	}
}

static void
read_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct tap_queue *queue = (struct tap_queue *)source;
	struct tap_worker *io = queue->io;

	if (flags & IORING_CQE_F_BUFFER) {
		io->given++;
		append_slot(io, queue, (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT),
			result > 0 ? result : 0);
		if (queue->stopping)
			discard_slots(io, queue);
		else
			nic_queue_ready(worker, queue->queue);
	}
	if (result < 0)
		read_failed(queue, -result);
	if (flags & IORING_CQE_F_MORE)
		return;
	queue->armed = false;
	starve(io, queue);
	/* no receive() will come by to do it */
	if (io->given == 0)
		arm_starving(io);
}

void
tap_ring_start(struct tap_worker *io, struct tap_queue *queue)
{
	queue->source.ready = read_ready;
	queue->io = io;
	queue->plain = false;
	queue->stopping = queue->failed = queue->direct = false;
	queue->first = queue->last = TAP_NO_SLOT;
	arm(io, queue);
	waiter_submit(io->worker->waiter);
}

bool
tap_ring_stop(struct tap_worker *io, struct tap_queue *queue)
{
	if (!queue->stopping) {
		queue->stopping = true;
		queue->direct = queue->queue->polled = false;
		leave_starving(io, queue);
		discard_slots(io, queue);
		if (queue->armed) {
			struct io_uring_sqe *sqe = waiter_sqe(io->worker->waiter);

			io_uring_prep_cancel(sqe, &queue->source, 0);
			io_uring_sqe_set_data(sqe, NULL);
		}
	}
	waiter_submit(io->worker->waiter);
	if (io->given == 0)
		arm_starving(io);
	return !queue->armed && queue->under_way == 0;
}

/* What the kernel has read for the queue so far. */
static unsigned
take_slots(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count)
{
	struct weft_nic *nic = queue->queue->nic;
	unsigned n = 0, taken = 0;

	while (n < count && queue->first != TAP_NO_SLOT) {
		uint16_t slot = queue->first;

		queue->first = io->slots[slot].next;
		packets[n] = tap_take_frame(io, nic, &io->slots[slot]);
		if (likely(packets[n] != NULL))
			n++;
		buffers_add(io, slot, taken++);
	}
	if (taken > 0)
		buffers_publish(io, taken);
	return n;
}

static void
direct_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct tap_queue *queue =
		(struct tap_queue *)((char *)source - offsetof(struct tap_queue, direct_source));

	(void)worker;
	queue->under_way--;
	if (flags & IORING_CQE_F_BUFFER) {
		queue->io->given++;
		append_slot(queue->io, queue, (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT),
			result > 0 ? result : 0);
		if (queue->stopping)
			discard_slots(queue->io, queue);
	} else if (result == -EAGAIN) {
		queue->empty = true;
	} else if (result == -EOPNOTSUPP || result == -EINVAL) {
		queue->io->no_batches = true; /* a kernel that cannot read without waiting */
	} else if (result < 0) {
		read_failed(queue, -result);
	}
}

/* So many reads in one system call: with RWF_NOWAIT they are done when it returns. */
static void
read_batch(struct tap_worker *io, struct tap_queue *queue, unsigned count)
{
	queue->empty = false;
	queue->direct_source.ready = direct_ready;
	for (unsigned i = 0; i < count; i++) {
		struct io_uring_sqe *sqe = waiter_sqe(io->worker->waiter);

		io_uring_prep_read(sqe, queue->fd, NULL, 0, (uint64_t)-1);
		sqe->rw_flags = RWF_NOWAIT;
		sqe->buf_group = TAP_BUFFER_GROUP;
		sqe->flags |= IOSQE_BUFFER_SELECT;
		io_uring_sqe_set_data(sqe, &queue->direct_source);
	}
	queue->under_way += count;
	waiter_submit(io->worker->waiter);
	waiter_reap(io->worker->waiter);
}

static unsigned
receive_directly(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count)
{
	unsigned room = TAP_SLOTS - io->given, n = 0;
	bool *more = &queue->queue->polled;

	if (queue->under_way > 0)
		return 0;
	if (!reads_directly(io)) {
		*more = false;
	} else if (io->no_batches || room == 0) {
		n = tap_plain_receive(io, queue, packets, count);
	} else {
		read_batch(io, queue, RTE_MIN(count, room));
		n = take_slots(io, queue, packets, count);
		*more = !queue->empty && !queue->failed;
	}
	if (!*more && queue->under_way == 0) {
		queue->direct = false;
		if (!queue->failed)
			arm(io, queue);
	}
	return n;
}

unsigned
tap_ring_receive(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count)
{
	unsigned n = take_slots(io, queue, packets, count);

	if (io->starving != NULL)
		arm_starving(io);
	/* what the slots had was first */
	if (unlikely(queue->direct && n < count))
		n += receive_directly(io, queue, &packets[n], count - n);
	return n;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void
write_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct tap_request *request = (struct tap_request *)source;
	struct tap_worker *io = request->io;

	(void)flags;
	if (likely(result >= 0))
		rte_pktmbuf_free(request->packet);
	else
		tap_write_failed(worker, request->tap, request->packet, -result);
	request->tap->senders[worker->index].under_way--;
	request->packet = NULL;
	request->next = io->free;
	io->free = request;
}

int
tap_ring_open_writes(struct tap_worker *io)
{
	io->requests = calloc(TAP_REQUESTS, sizeof(*io->requests));
	io->vectors = calloc(TAP_REQUESTS, sizeof(*io->vectors));
	if (io->requests == NULL || io->vectors == NULL) {
		tap_ring_close_writes(io);
		return -1;
	}
	for (unsigned i = TAP_REQUESTS; i-- > 0;) {
		io->requests[i].source.ready = write_ready;
		io->requests[i].io = io;
		io->requests[i].next = io->free;
		io->free = &io->requests[i];
	}
	return 0;
}

void
tap_ring_close_writes(struct tap_worker *io)
{
	free(io->requests);
	free(io->vectors);
	io->requests = NULL;
	io->vectors = NULL;
	io->free = NULL;
}

static bool
is_private(const struct rte_mbuf *packet)
{
	return packet->nb_segs == 1 && RTE_MBUF_DIRECT(packet) &&
	       rte_mbuf_refcnt_read(packet) == 1 &&
	       rte_pktmbuf_headroom(packet) >= OFFLOAD_HEADER_SIZE;
}

static void
write_one(struct tap_worker *io, struct tap_queue *queue, struct tap *tap,
	struct tap_request *request, struct rte_mbuf *packet)
{
	struct io_uring_sqe *sqe = waiter_sqe(io->worker->waiter);

	request->tap = tap;
	request->packet = packet;
	if (likely(is_private(packet))) {
		char *start = rte_pktmbuf_mtod(packet, char *) - OFFLOAD_HEADER_SIZE;

		offload_to_header(packet, &request->header);
		memcpy(start, &request->header, OFFLOAD_HEADER_SIZE);
		io_uring_prep_write(sqe, queue->fd, start,
			(unsigned)OFFLOAD_HEADER_SIZE + packet->data_len, (uint64_t)-1);
	} else {
		struct iovec *vector = io->vectors[request - io->requests];

		offload_to_header(packet, &request->header);
		io_uring_prep_writev(sqe, queue->fd, vector,
			tap_fill_vector(packet, &request->header, vector), (uint64_t)-1);
	}
	io_uring_sqe_set_data(sqe, &request->source);
}

unsigned
tap_ring_transmit(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count)
{
	struct tap *tap = queue->queue->nic->driver_state;
	unsigned n = 0;

	while (n < count && io->free != NULL && likely(packets[n]->nb_segs < TAP_VECTOR)) {
		struct tap_request *request = io->free;

		io->free = request->next;
		write_one(io, queue, tap, request, packets[n++]);
	}
	tap->senders[io->worker->index].under_way += n;
	return n;
}
