/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory vnic: frames from and to the embedding program (weft_nic_send,
 * weft_nic_receive), through one ring of bytes for each direction.
 *
 * Frames are copied at the ring, so that no thread of the program ever touches a pool of
 * packet buffers: a thread that loses its core in the middle of such a call would hold up
 * the workers. Each ring has one producer and one consumer; neither waits for the other.
 */
#include "base/error.h"
#include "graph/engine.h"
#include "nic/drivers.h"

#include <rte_ether.h>
#include <stdlib.h>
#include <string.h>

#define RING_SIZE (256u * 1024) /* bytes; a power of two; address space until it is used */
#define RECORD_ALIGN 8u
#define LENGTH_WRAP UINT32_MAX /* in place of a length: the next record is at the ring's start */
#define MTU_DEFAULT 1500

/* A record is a 32-bit length and so many bytes, aligned to 8; none goes over the ring's end. */
struct frame_ring {
	/* producer */
	_Atomic uint32_t head __attribute__((aligned(64)));
	uint32_t tail_seen;
	/* consumer */
	_Atomic uint32_t tail __attribute__((aligned(64)));
	uint32_t head_seen;
	/* neither */
	uint8_t *bytes __attribute__((aligned(64)));
};

struct memory_nic {
	struct frame_ring in, out; /* seen from weft */
};

/* ---- the ring ---------------------------------------------------------------------------------
 */

static uint32_t
record_size(uint32_t length)
{
	return RTE_ALIGN_CEIL((uint32_t)sizeof(uint32_t) + length, RECORD_ALIGN);
}

/* Producer: where to write a frame of that length; NULL: no room. Then ring_publish. */
static uint8_t *
ring_reserve(struct frame_ring *ring, uint32_t length)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t size = record_size(length), at = head & (RING_SIZE - 1);
	uint32_t skip = at + size > RING_SIZE ? RING_SIZE - at : 0;

	if (RING_SIZE - (head - ring->tail_seen) < skip + size) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (RING_SIZE - (head - ring->tail_seen) < skip + size)
			return NULL;
	}
	if (skip > 0) {
		/* the consumer skips what the next ring_publish lets it see */
		*(uint32_t *)(ring->bytes + at) = LENGTH_WRAP;
		at = 0;
	}
	*(uint32_t *)(ring->bytes + at) = length;
	return ring->bytes + at + sizeof(uint32_t);
}

static void
ring_publish(struct frame_ring *ring, uint32_t length)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t size = record_size(length), at = head & (RING_SIZE - 1);
	uint32_t skip = at + size > RING_SIZE ? RING_SIZE - at : 0;

	atomic_store_explicit(&ring->head, head + skip + size, memory_order_release);
}

/* Consumer: the oldest frame; NULL: there is none. Then ring_release. */
static const uint8_t *
ring_peek(struct frame_ring *ring, uint32_t *length)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t at = tail & (RING_SIZE - 1);

	if (tail == ring->head_seen) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail == ring->head_seen)
			return NULL;
	}
	*length = *(uint32_t *)(ring->bytes + at);
	if (*length == LENGTH_WRAP) {
		atomic_store_explicit(&ring->tail, tail + RING_SIZE - at, memory_order_relaxed);
		at = 0;
		*length = *(uint32_t *)ring->bytes;
	}
	return ring->bytes + at + sizeof(uint32_t);
}

static void
ring_release(struct frame_ring *ring, uint32_t length)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	atomic_store_explicit(&ring->tail, tail + record_size(length), memory_order_release);
}

/* ---- the program's side -----------------------------------------------------------------------
 */

int
weft_nic_send(struct weft_nic *nic, const void *frame, size_t length)
{
	struct memory_nic *memory;
	uint8_t *to;

	if (nic == NULL || nic->driver != &memory_driver || length < RTE_ETHER_HDR_LEN ||
		length > UINT16_MAX)
		return -1;
	memory = nic->driver_state;
	to = ring_reserve(&memory->in, (uint32_t)length);
	if (to == NULL)
		return -1;
	memcpy(to, frame, length);
	ring_publish(&memory->in, (uint32_t)length);
	worker_wake(nic->weft->workers[nic->queues[0]->worker]);
	return 0;
}

size_t
weft_nic_receive(struct weft_nic *nic, void *frame, size_t size)
{
	struct memory_nic *memory;
	const uint8_t *from;
	uint32_t length;
	size_t kept;

	if (nic == NULL || nic->driver != &memory_driver)
		return 0;
	memory = nic->driver_state;
	from = ring_peek(&memory->out, &length);
	if (from == NULL)
		return 0;
	kept = length < size ? length : size;
	memcpy(frame, from, kept);
	ring_release(&memory->out, length);
	return kept;
}

/* ---- the driver -------------------------------------------------------------------------------
 */

static void
memory_close(struct weft_nic *nic)
{
	struct memory_nic *memory = nic->driver_state;

	free(memory->in.bytes);
	free(memory->out.bytes);
	free(memory);
	nic->driver_state = NULL;
}

static enum nic_result
memory_open(struct weft_nic *nic, struct weft_error *error)
{
	struct memory_nic *memory = aligned_alloc(64, sizeof(*memory));

	if (memory == NULL) {
		error_memory(error);
		return NIC_FAILED;
	}
	memset(memory, 0, sizeof(*memory));
	memory->in.bytes = malloc(RING_SIZE);
	memory->out.bytes = malloc(RING_SIZE);
	nic->driver_state = memory;
	if (memory->in.bytes == NULL || memory->out.bytes == NULL) {
		memory_close(nic);
		error_memory(error);
		return NIC_FAILED;
	}
	nic->n_queues = 1;
	nic->offloads = NIC_OFFLOAD_CHAINS;
	nic->mtu = nic->config->mtu != 0 ? nic->config->mtu : MTU_DEFAULT;
	memcpy(nic->mac, nic->config->mac, sizeof(nic->mac));
	return NIC_OK;
}

/* In place whatever it is: the program's threads are inside the rings at any time. */
static enum nic_result
memory_update(struct weft_nic *nic, const struct weft_nic_config *old, struct weft_error *error)
{
	nic->mtu = nic->config->mtu != 0 ? nic->config->mtu : MTU_DEFAULT;
	memcpy(nic->mac, nic->config->mac, sizeof(nic->mac));
	return NIC_OK;
}

static int
memory_start(struct nic_queue *queue, struct worker *worker)
{
	queue->polled = true;
	queue->wakes = true;
	nic_queue_ready(worker, queue);
	return 0;
}

static bool
memory_stop(struct nic_queue *queue, struct worker *worker)
{
	return true;
}

static unsigned
memory_receive(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct memory_nic *memory = queue->nic->driver_state;
	unsigned received = 0;

	/* so many looks, whatever comes of them: it stays in the worker's list all the same */
	for (unsigned i = 0; i < count; i++) {
		uint32_t length;
		const uint8_t *frame = ring_peek(&memory->in, &length);

		if (frame == NULL)
			break;
		packets[received] = packet_from_bytes(&worker->pools, frame, length);
		ring_release(&memory->in, length);
		if (packets[received] != NULL)
			received++;
		else
			nic_receive_drop(worker, queue->nic, DROP_NO_BUFFER);
	}
	return received;
}

static void
memory_transmit(
	struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct memory_nic *memory = queue->nic->driver_state;

	for (unsigned i = 0; i < count; i++) {
		uint32_t length = rte_pktmbuf_pkt_len(packets[i]);
		uint8_t *to = length <= UINT16_MAX ? ring_reserve(&memory->out, length) : NULL;

		if (to == NULL) {
			nic_transmit_drop(worker, queue->nic,
				length <= UINT16_MAX ? DROP_TRANSMIT_FULL : DROP_TOO_LONG,
				packets[i]);
			continue;
		}
		for (struct rte_mbuf *at = packets[i]; at != NULL; at = at->next) {
			memcpy(to, rte_pktmbuf_mtod(at, void *), rte_pktmbuf_data_len(at));
			to += rte_pktmbuf_data_len(at);
		}
		ring_publish(&memory->out, length);
		rte_pktmbuf_free(packets[i]);
	}
}

const struct nic_driver memory_driver = {
	.name = "memory",
	.kind = WEFT_NIC_MEMORY,
	.open = memory_open,
	.close = memory_close,
	.update = memory_update,
	.start = memory_start,
	.stop = memory_stop,
	.receive = memory_receive,
	.transmit = memory_transmit,
};
