/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/record_ring.h"

#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 8u
#define LENGTH_WRAP UINT64_MAX /* in place of a length: the next record is at the ring's start */

int
record_ring_open(struct record_ring *ring, size_t size)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*ring = (struct record_ring){ .size = size };
	if (bytes == MAP_FAILED)
		return -1;
	ring->bytes = bytes;
	return 0;
}

void
record_ring_close(struct record_ring *ring)
{
	if (ring->bytes != NULL)
		munmap(ring->bytes, ring->size);
	ring->bytes = NULL;
}

static uint64_t
read_length(const struct record_ring *ring, uint64_t at)
{
	uint64_t length;

	memcpy(&length, ring->bytes + (at & (ring->size - 1)), sizeof(length));
	return length;
}

static void
write_length(struct record_ring *ring, uint64_t at, uint64_t length)
{
	memcpy(ring->bytes + (at & (ring->size - 1)), &length, sizeof(length));
}

void *
record_ring_reserve(struct record_ring *ring, size_t length)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t need = sizeof(uint64_t) + ((length + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
	size_t to_end = ring->size - (head & (ring->size - 1));
	size_t skip = need > to_end ? to_end : 0;

	if (length > ring->size)
		return NULL;
	if (skip + need > ring->size - (head - ring->tail_seen)) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (skip + need > ring->size - (head - ring->tail_seen))
			return NULL;
	}
	if (skip > 0)
		write_length(ring, head, LENGTH_WRAP);
	head += skip;
	write_length(ring, head, length);
	ring->reserved = head + need;
	return ring->bytes + (head & (ring->size - 1)) + sizeof(uint64_t);
}

void
record_ring_commit(struct record_ring *ring)
{
	atomic_store_explicit(&ring->head, ring->reserved, memory_order_release);
}

size_t
record_ring_room(const struct record_ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	return ring->size - (head - atomic_load_explicit(&ring->tail, memory_order_acquire));
}

const void *
record_ring_peek(struct record_ring *ring, size_t *length)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail == ring->head_seen) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail == ring->head_seen)
			return NULL;
	}
	if (read_length(ring, tail) == LENGTH_WRAP)
		tail += ring->size - (tail & (ring->size - 1));
	*length = read_length(ring, tail);
	ring->next =
		tail + sizeof(uint64_t) + ((*length + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
	return ring->bytes + (tail & (ring->size - 1)) + sizeof(uint64_t);
}

void
record_ring_release(struct record_ring *ring)
{
	atomic_store_explicit(&ring->tail, ring->next, memory_order_release);
}
