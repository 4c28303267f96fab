/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving: a burst of frames by one system call, straight into packet buffers. Each worker
 * has a set of empty buffers that all its interfaces share; what a burst takes out of it is
 * put back before the next.
 */
#include "graph/engine.h"
#include "nic/interface_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Kinds of errors that a socket may tell in place of frames, in one burst. */
#define ERROR_LIMIT 8

struct interface_worker {
	struct worker *worker;
	unsigned users; /* running queues */
	struct interface_slot slots[NIC_BURST];
	struct mmsghdr messages[NIC_BURST];
	struct iovec vectors[NIC_BURST][2];
	char control[NIC_BURST][INTERFACE_CONTROL_SIZE] __attribute__((aligned(8)));
};

/* By worker; each is its worker's alone. */
static struct interface_worker *workers[WORKER_LIMIT];

/* ---- what a worker has for its interfaces -----------------------------------------------------
 */

/* False: no buffer. */
static bool
fill_slot(struct interface_worker *io, unsigned i)
{
	struct interface_slot *slot = &io->slots[i];
	struct packet_pools *pools = &io->worker->pools;

	if (slot->head == NULL) {
		slot->head = rte_pktmbuf_alloc(pools->small);
		if (unlikely(slot->head == NULL))
			return false;
		io->vectors[i][0].iov_base =
			rte_pktmbuf_mtod(slot->head, char *) - OFFLOAD_HEADER_SIZE;
	}
	if (unlikely(slot->rest == NULL)) {
		slot->rest = rte_pktmbuf_alloc(pools->large);
		if (slot->rest == NULL)
			return false;
		io->vectors[i][1].iov_base = slot->rest->buf_addr;
	}
	return true;
}

static void
prepare_message(struct interface_worker *io, unsigned i)
{
	struct msghdr *message = &io->messages[i].msg_hdr;

	message->msg_controllen = INTERFACE_CONTROL_SIZE;
	message->msg_flags = 0;
}

static void
worker_unuse(struct interface_worker *io)
{
	if (--io->users > 0)
		return;
	workers[io->worker->index] = NULL;
	for (unsigned i = 0; i < NIC_BURST; i++) {
		rte_pktmbuf_free(io->slots[i].head);
		rte_pktmbuf_free(io->slots[i].rest);
	}
	free(io);
}

/* NULL: out of memory. */
static struct interface_worker *
worker_use(struct worker *worker)
{
	struct interface_worker *io = workers[worker->index];

	if (io != NULL) {
		io->users++;
		return io;
	}
	io = calloc(1, sizeof(*io));
	if (io == NULL)
		return NULL;
	io->worker = worker;
	io->users = 1;
	for (unsigned i = 0; i < NIC_BURST; i++) {
		struct msghdr *message = &io->messages[i].msg_hdr;

		io->vectors[i][0].iov_len = INTERFACE_HEAD_SIZE;
		io->vectors[i][1].iov_len = INTERFACE_REST_SIZE;
		message->msg_iov = io->vectors[i];
		message->msg_iovlen = 2;
		message->msg_control = io->control[i];
		prepare_message(io, i);
	}
	workers[worker->index] = io;
	return io;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Frames that came faster than they were read: the kernel has dropped and counted them. */
static void
count_overflows(struct worker *worker, struct interface_queue *queue, uint32_t overflows)
{
	for (; queue->overflows != overflows; queue->overflows++)
		nic_receive_drop(worker, queue->queue->nic, DROP_RECEIVE_FULL);
}

static struct rte_mbuf *
take_message(struct interface_worker *io, struct interface_queue *queue, unsigned i)
{
	struct weft_nic *nic = queue->queue->nic;
	struct mmsghdr *message = &io->messages[i];
	struct interface_notes notes = interface_read_notes(&message->msg_hdr);
	enum drop_reason reason = DROP_TOO_LONG;
	struct rte_mbuf *packet = NULL;

	if (unlikely(notes.overflows != 0))
		count_overflows(io->worker, queue, notes.overflows);
	if (likely(!(message->msg_hdr.msg_flags & MSG_TRUNC)))
		packet = interface_take_frame(
			&io->worker->pools, &io->slots[i], message->msg_len, &notes, &reason);
	if (unlikely(packet == NULL))
		nic_receive_drop(io->worker, nic, reason);
	prepare_message(io, i);
	return packet;
}

/* What came in place of a frame. False: nothing more to read. */
static bool
receive_error(struct worker *worker, struct weft_nic *nic, int code)
{
	switch (code) {
	case EAGAIN:
		return false;
	case EINVAL: /* a super-packet of a kind that virtio-net has no word for */
		nic_receive_drop(worker, nic, DROP_BAD_OFFLOAD);
		return true;
	case EINTR:
	case ENOBUFS:
	case ENETDOWN: /* set down, or gone: check() sees which */
		return true;
	default:
		nic_lost(nic);
		return false;
	}
}

/* Returns how many messages came. *more: there may be others. */
static unsigned
read_messages(
	struct interface_worker *io, struct interface_queue *queue, unsigned count, bool *more)
{
	unsigned ready = 0;

	while (ready < count && likely(fill_slot(io, ready)))
		ready++;
	*more = true;
	for (unsigned i = 0; i < ERROR_LIMIT && ready > 0; i++) {
		int n = recvmmsg(queue->fd, io->messages, ready, MSG_DONTWAIT, NULL);

		if (likely(n > 0))
			return (unsigned)n;
		if (n < 0 && !receive_error(io->worker, queue->queue->nic, errno)) {
			*more = false;
			return 0;
		}
	}
	return 0;
}

unsigned
interface_receive(struct nic_queue *nic_queue, struct worker *worker, struct rte_mbuf **packets,
	unsigned count)
{
	struct interface_queue *queue = nic_queue->driver_state;
	struct interface_worker *io = workers[worker->index];
	unsigned n, kept = 0;
	bool more;

	n = read_messages(io, queue, RTE_MIN(count, (unsigned)NIC_BURST), &more);
	for (unsigned i = 0; i < n; i++) {
		packets[kept] = take_message(io, queue, i);
		kept += packets[kept] != NULL;
	}
	/*
	 * A burst may also end at an error that the next call tells, with frames behind it that
	 * no event announces: so it is empty only when the kernel says so. Meanwhile more come.
	 */
	nic_queue->polled = more;
	return kept;
}

/* ---- starting and stopping --------------------------------------------------------------------
 */

static void
socket_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct interface_queue *queue = (struct interface_queue *)source;

	(void)result;
	(void)flags;
	nic_queue_ready(worker, queue->queue);
}

int
interface_start(struct nic_queue *nic_queue, struct worker *worker)
{
	struct interface_queue *queue = nic_queue->driver_state;

	queue->io = worker_use(worker);
	queue->source.ready = socket_ready;
	if (queue->io == NULL)
		goto failed;
	if (waiter_watch(worker->waiter, queue->fd, &queue->source) < 0) {
		worker_unuse(queue->io);
		goto failed;
	}
	if (interface_socket_start(queue->fd) == 0) {
		/* an error may stand there already */
		nic_queue_ready(worker, nic_queue);
		return 0;
	}
	waiter_unwatch(worker->waiter, queue->fd, &queue->source);
	worker_unuse(queue->io);
failed:
	nic_lost(nic_queue->nic);
	return -1;
}

bool
interface_stop(struct nic_queue *nic_queue, struct worker *worker)
{
	struct interface_queue *queue = nic_queue->driver_state;

	waiter_unwatch(worker->waiter, queue->fd, &queue->source);
	worker_unuse(queue->io);
	nic_queue->polled = false;
	return true;
}
