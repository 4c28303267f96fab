/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of records of any length, from one thread to one other: neither waits for the
 * other, nothing is allocated once it is open. Memory that was never used costs nothing.
 */
#ifndef WEFT_BASE_RECORD_RING_H
#define WEFT_BASE_RECORD_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct record_ring {
	/* producer */
	_Atomic uint64_t head __attribute__((aligned(64)));
	uint64_t reserved;  /* where the head will be after the commit */
	uint64_t tail_seen; /* the other side's line is read only where this says that it is full */
	/* consumer */
	_Atomic uint64_t tail __attribute__((aligned(64)));
	uint64_t next;      /* where the tail will be after the release */
	uint64_t head_seen; /* or empty */
	/* neither */
	uint8_t *bytes __attribute__((aligned(64)));
	size_t size;
};

/* size: a power of two. 0, or -1: no memory. */
int record_ring_open(struct record_ring *ring, size_t size);
void record_ring_close(struct record_ring *ring);

/* Producer. Where to write a record of `length` bytes (aligned to 8); NULL: no room. For one of
 * more than half of the ring there may never be any: a record does not go over the end. */
void *record_ring_reserve(struct record_ring *ring, size_t length);
/* Producer. The consumer may have what was reserved last. */
void record_ring_commit(struct record_ring *ring);
/* Producer. Bytes that are free, the records' own heads included. */
size_t record_ring_room(const struct record_ring *ring);

/* Consumer. The oldest record; NULL: there is none. It stays there until the release. */
const void *record_ring_peek(struct record_ring *ring, size_t *length);
void record_ring_release(struct record_ring *ring);

#endif
