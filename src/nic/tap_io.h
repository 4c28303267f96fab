/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a worker moves the packets of its taps.
 *
 * Reading. The kernel copies each frame, its virtio-net header in front, into a large buffer
 * (a frame may be a super-packet of 60 KiB). A short frame is copied on into a small buffer,
 * so that the large one goes back at once and stays in the cache; the frame of a large one
 * goes on as it is, and another takes its place. With io_uring one standing request per
 * queue (multishot) takes buffers out of a ring that all taps of the worker share; filled
 * ones wait in lists by queue, threaded through the slots, until receive() takes them: what
 * can wait is bounded by the number of slots, and then the kernel's own queue fills. While
 * the worker is contended (graph/share.h) one tenant's flood would take all of them, again
 * and again: then a queue that finds none is read by plain calls when its share's turn comes,
 * until it is empty.
 *
 * Writing. A request per frame, submitted together once a turn. The kernel takes the frame
 * while it looks at the request, so that the completions come with the submission. A packet
 * that is private and has room gets its header in front of it; any other goes as a vector
 * with the header beside. When all requests are under way, frames are written by plain calls.
 *
 * Worker's thread only. One struct tap_worker per worker, there while any tap uses it.
 */
#ifndef WEFT_NIC_TAP_IO_H
#define WEFT_NIC_TAP_IO_H

#include "nic/tap_private.h"

#include <sys/uio.h>

struct io_uring;
struct io_uring_buf_ring;

#define TAP_SLOTS 128 /* large buffers for the kernel to read into; a power of two */
#define TAP_REQUESTS 1024
#define TAP_VECTOR 18 /* header and segments of one frame */
#define TAP_BUFFER_GROUP 1

struct tap_slot {
	struct rte_mbuf *buffer;
	int32_t length;
	uint16_t next; /* in the list of its queue */
};

struct tap_request {
	struct wait_source source;
	struct tap_worker *io;
	struct tap *tap;
	struct rte_mbuf *packet;
	struct tap_request *next; /* free */
	struct virtio_net_hdr header;
};

struct tap_worker {
	struct worker *worker;
	unsigned users;        /* running queues, and taps that this worker has sent on */
	struct io_uring *ring; /* NULL: plain calls only */

	/* reading: ring */
	struct io_uring_buf_ring *buffers; /* NULL: plain reads */
	unsigned given;                    /* slots that the kernel does not have */
	bool no_batches;                   /* no RWF_NOWAIT for taps in this kernel */
	struct tap_queue *starving, **starving_end;
	struct tap_slot slots[TAP_SLOTS];
	struct tap_slot plain; /* plain reads need one */

	/* writing */
	struct tap_request *free;
	struct tap_request *requests;
	struct iovec (*vectors)[TAP_VECTOR]; /* by request */
};

/*
 * The frame in a slot becomes a packet, and the slot gets an empty buffer again. NULL: not
 * fit to be a packet, or no buffer; counted. length: what the kernel said, header included.
 */
struct rte_mbuf *tap_take_frame(struct tap_worker *io, struct weft_nic *nic, struct tap_slot *slot);

/* Where in its buffer a slot's header, and behind it the frame, lies. */
static inline char *
tap_slot_header(const struct tap_slot *slot)
{
	return rte_pktmbuf_mtod(slot->buffer, char *) - OFFLOAD_HEADER_SIZE;
}

#define TAP_READ_SIZE (OFFLOAD_HEADER_SIZE + PACKET_LARGE_ROOM)

/* Reads by plain calls, at most `count` times. queue->queue->polled: there may be more. */
unsigned tap_plain_receive(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count);

/* What became of a write, when it was no success. Takes the packet. code: errno, positive. */
void tap_write_failed(struct worker *worker, struct tap *tap, struct rte_mbuf *packet, int code);

/* Fills the vector for the packet; 0: it has too many segments. */
unsigned tap_fill_vector(
	const struct rte_mbuf *packet, struct virtio_net_hdr *header, struct iovec *vector);

/* ---- tap_io_uring.c ---------------------------------------------------------------------- */

/* Buffers and their ring; -1: the kernel has none, or no memory: plain reads will do. */
int tap_ring_open_reads(struct tap_worker *io);
void tap_ring_close_reads(struct tap_worker *io);
int tap_ring_open_writes(struct tap_worker *io);
void tap_ring_close_writes(struct tap_worker *io);

void tap_ring_start(struct tap_worker *io, struct tap_queue *queue);
bool tap_ring_stop(struct tap_worker *io, struct tap_queue *queue);
unsigned tap_ring_receive(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count);
/* Returns how many it took: fewer when all requests are under way. */
unsigned tap_ring_transmit(
	struct tap_worker *io, struct tap_queue *queue, struct rte_mbuf **packets, unsigned count);

#endif
