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
#include "base/record_ring.h"
#include "graph/engine.h"
#include "nic/drivers.h"

#include <rte_ether.h>
#include <stdlib.h>
#include <string.h>

#define RING_SIZE (256u * 1024) /* bytes; a power of two */
#define MTU_DEFAULT 1500

struct memory_nic {
	struct record_ring in, out; /* seen from weft */
};

/* ---- the program's side -----------------------------------------------------------------------
 */

int
weft_nic_send(struct weft_nic *nic, const void *frame, size_t length)
{
	struct memory_nic *memory;
	void *to;

	if (nic == NULL || nic->driver != &memory_driver || length < RTE_ETHER_HDR_LEN ||
		length > UINT16_MAX)
		return -1;
	memory = nic->driver_state;
	to = record_ring_reserve(&memory->in, length);
	if (to == NULL)
		return -1;
	memcpy(to, frame, length);
	record_ring_commit(&memory->in);
	worker_wake(nic->weft->workers[nic->queues[0]->worker]);
	return 0;
}

size_t
weft_nic_receive(struct weft_nic *nic, void *frame, size_t size)
{
	struct memory_nic *memory;
	const void *from;
	size_t length, kept;

	if (nic == NULL || nic->driver != &memory_driver)
		return 0;
	memory = nic->driver_state;
	from = record_ring_peek(&memory->out, &length);
	if (from == NULL)
		return 0;
	kept = length < size ? length : size;
	memcpy(frame, from, kept);
	record_ring_release(&memory->out);
	return kept;
}

/* ---- the driver -------------------------------------------------------------------------------
 */

static void
memory_close(struct weft_nic *nic)
{
	struct memory_nic *memory = nic->driver_state;

	record_ring_close(&memory->in);
	record_ring_close(&memory->out);
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
	nic->driver_state = memory;
	if (record_ring_open(&memory->in, RING_SIZE) < 0 ||
		record_ring_open(&memory->out, RING_SIZE) < 0) {
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
		size_t length;
		const void *frame = record_ring_peek(&memory->in, &length);

		if (frame == NULL)
			break;
		packets[received] = packet_from_bytes(&worker->pools, frame, length);
		record_ring_release(&memory->in);
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
		void *to = length <= UINT16_MAX ? record_ring_reserve(&memory->out, length) : NULL;

		if (to == NULL) {
			nic_transmit_drop(worker, queue->nic,
				length <= UINT16_MAX ? DROP_TRANSMIT_FULL : DROP_TOO_LONG,
				packets[i]);
			continue;
		}
		packet_copy_bytes(to, packets[i], length);
		record_ring_commit(&memory->out);
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
