/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving. Frames that fit a slot of the ring are copied out of it. What was too long for
 * its slot (super-packets, jumbo frames) is read from the socket: all that a burst has, by
 * one system call, straight into packet buffers; each worker has a set of empty ones that all
 * its interfaces share.
 */
#include "graph/engine.h"
#include "nic/interface_private.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

/* How often a socket may tell an error in place of frames, in one burst. */
#define ERROR_LIMIT 8

struct interface_worker {
	struct worker *worker;
	unsigned users; /* running queues */
	struct interface_buffers buffers[NIC_BURST];
	struct mmsghdr messages[NIC_BURST];
	struct iovec vectors[NIC_BURST][2];
	char control[NIC_BURST][INTERFACE_CONTROL_SIZE] __attribute__((aligned(8)));
};

/* By worker; each is its worker's alone. */
static struct interface_worker *workers[WORKER_LIMIT];

/* ---- what a worker has for its interfaces -----------------------------------------------------
 */

/* False: there are none. */
static bool
fill_buffers(struct interface_worker *io, unsigned i)
{
	struct interface_buffers *buffers = &io->buffers[i];
	struct packet_pools *pools = &io->worker->pools;

	if (buffers->head == NULL) {
		buffers->head = rte_pktmbuf_alloc(pools->small);
		if (unlikely(buffers->head == NULL))
			return false;
		io->vectors[i][0].iov_base =
			rte_pktmbuf_mtod(buffers->head, char *) - OFFLOAD_HEADER_SIZE;
	}
	if (buffers->rest == NULL) {
		buffers->rest = rte_pktmbuf_alloc(pools->large);
		if (unlikely(buffers->rest == NULL))
			return false;
		io->vectors[i][1].iov_base = buffers->rest->buf_addr;
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
		rte_pktmbuf_free(io->buffers[i].head);
		rte_pktmbuf_free(io->buffers[i].rest);
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

/* ---- long frames, from the socket -------------------------------------------------------------
 */

/* Into no buffer, since there is none: the next one is another frame's turn. */
static void
discard_frame(struct interface_queue *queue)
{
	struct virtio_net_hdr header;

	while (recv(queue->fd, &header, sizeof(header), MSG_DONTWAIT | MSG_TRUNC) < 0 &&
		errno == EINTR)
		;
}

/* Reads `count` frames that the ring has announced; returns how many came. */
static unsigned
read_messages(struct interface_worker *io, struct interface_queue *queue, unsigned count)
{
	unsigned done = 0, errors = 0;

	while (done < count && errors < ERROR_LIMIT) {
		int n = recvmmsg(queue->fd, &io->messages[done], count - done, MSG_DONTWAIT, NULL);

		if (likely(n > 0))
			done += (unsigned)n;
		else if (errno == EAGAIN)
			break;
		else
			errors++; /* one that stood in the socket, and is told once */
	}
	return done;
}

static struct rte_mbuf *
take_message(struct interface_worker *io, unsigned i, enum drop_reason *reason)
{
	struct mmsghdr *message = &io->messages[i];
	struct interface_notes notes = interface_read_notes(&message->msg_hdr);
	bool cut = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;

	prepare_message(io, i);
	*reason = DROP_TOO_LONG;
	if (unlikely(cut))
		return NULL;
	return interface_take_frame(
		&io->worker->pools, &io->buffers[i], message->msg_len, &notes, reason);
}

/* The frames whose places in `packets` are `places`. */
static void
read_long_frames(struct interface_worker *io, struct interface_queue *queue,
	struct rte_mbuf **packets, const uint8_t *places, unsigned count)
{
	struct weft_nic *nic = queue->queue->nic;
	unsigned ready = 0, came;

	while (ready < count && fill_buffers(io, ready))
		ready++;
	came = read_messages(io, queue, ready);
	for (unsigned i = 0; i < came; i++) {
		enum drop_reason reason;

		packets[places[i]] = take_message(io, i, &reason);
		if (unlikely(packets[places[i]] == NULL))
			nic_receive_drop(io->worker, nic, reason);
	}
	for (unsigned i = came; i < count; i++) {
		if (i >= ready)
			discard_frame(queue);
		nic_receive_drop(io->worker, nic, DROP_NO_BUFFER);
	}
}

/* ---- the ring ---------------------------------------------------------------------------------
 */

static char *
next_slot(const struct interface_queue *queue)
{
	return queue->ring + (size_t)queue->next * INTERFACE_RING_SLOT;
}

static void
give_back(struct interface_queue *queue, char *memory)
{
	struct tpacket2_hdr *header = (void *)memory;

	__atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	queue->next = (queue->next + 1) & (INTERFACE_RING_SLOTS - 1);
}

/* Frames that came faster than they were read. Asking sets the kernel's count to zero. */
static void
count_lost(struct worker *worker, struct interface_queue *queue)
{
	struct tpacket_stats stats = { 0 };
	socklen_t size = sizeof(stats);

	if (getsockopt(queue->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
		return;
	nic_receive_drops(worker, queue->queue->nic, DROP_RECEIVE_FULL, stats.tp_drops);
}

static struct rte_mbuf *
take_slot(struct worker *worker, struct weft_nic *nic, const struct interface_slot *slot)
{
	/* cut, and not queued: there was no room in the socket */
	enum drop_reason reason = DROP_RECEIVE_FULL;
	struct rte_mbuf *packet = NULL;

	if (likely(!slot->cut))
		packet = interface_copy_frame(&worker->pools, slot, &reason);
	if (unlikely(packet == NULL))
		nic_receive_drop(worker, nic, reason);
	return packet;
}

/* Those that became packets, moved together. */
static unsigned
close_gaps(struct rte_mbuf **packets, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++)
		if (packets[i] != NULL)
			packets[kept++] = packets[i];
	return kept;
}

unsigned
interface_receive(struct nic_queue *nic_queue, struct worker *worker, struct rte_mbuf **packets,
	unsigned count)
{
	struct interface_queue *queue = nic_queue->driver_state;
	uint8_t places[NIC_BURST];
	unsigned n = 0, n_long = 0, none = 0;
	bool losing = false;

	count = RTE_MIN(count, (unsigned)NIC_BURST);
	while (n < count) {
		char *memory = next_slot(queue);
		struct interface_slot slot;

		if (!interface_read_slot(memory, &slot))
			break;
		losing |= slot.losing;
		if (slot.queued) {
			packets[n] = NULL;
			places[n_long++] = (uint8_t)n;
		} else {
			packets[n] = take_slot(worker, nic_queue->nic, &slot);
			none += packets[n] == NULL;
		}
		give_back(queue, memory);
		n++;
	}
	/* what was dropped makes the burst smaller, but the ring is not empty for that */
	nic_queue->polled = n == count;
	if (unlikely(losing))
		count_lost(worker, queue);
	if (n_long > 0)
		read_long_frames(queue->io, queue, packets, places, n_long);
	return n_long > 0 || unlikely(none > 0) ? close_gaps(packets, n) : n;
}

/* ---- starting and stopping --------------------------------------------------------------------
 */

static void
socket_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct interface_queue *queue = (struct interface_queue *)source;
	socklen_t size = sizeof(int);
	int error;

	(void)flags;
	/* that the interface was set down: check() sees it; not to be told by the next send */
	if (unlikely(result & POLLERR))
		getsockopt(queue->fd, SOL_SOCKET, SO_ERROR, &error, &size);
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
		/* what came before the watch was there */
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
