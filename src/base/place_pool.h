/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which places of an array are taken. The user has the arrays, as address space (reserve.h); the
 * pool hands out places in them, in O(1) and without allocating.
 *
 * Places lie in chunks of PLACE_CHUNK. One that was given back is used before one that never was,
 * and a chunk that is begun before one that is empty, so that chunks get empty again; the user may
 * then give their memory to the kernel (place_pool_reclaim).
 *
 * Threads: one at a time.
 */
#ifndef WEFT_BASE_PLACE_POOL_H
#define WEFT_BASE_PLACE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define PLACE_CHUNK 128
#define PLACE_NONE UINT32_MAX

struct place_chunk {
	uint64_t free[PLACE_CHUNK / 64]; /* a bit each */
	uint32_t next, previous;         /* in its list; chunk + 1, 0: none */
	uint32_t taken;
	uint32_t reserved;
};

struct place_pool {
	struct place_chunk *chunks; /* address space for all */
	uint32_t limit;             /* places */
	uint32_t taken;
	uint32_t begun;    /* chunks that have ever been used; those behind are untouched */
	uint32_t n_empty;  /* chunks in `empty` */
	uint32_t resident; /* chunks that the user has memory for */
	/* first of each list; chunk + 1, 0: none */
	uint32_t partial, empty, returned;
};

/* 0, or -1: no address space. limit: at most 2^31. */
int place_pool_open(struct place_pool *pool, uint32_t limit);
void place_pool_close(struct place_pool *pool);

/* PLACE_NONE: all are taken. */
uint32_t place_pool_take(struct place_pool *pool);
void place_pool_give(struct place_pool *pool, uint32_t place);

/* Any number. */
static inline bool
place_pool_is_taken(const struct place_pool *pool, uint32_t place)
{
	uint32_t chunk = place / PLACE_CHUNK;

	return chunk < pool->begun &&
	       !(pool->chunks[chunk].free[place % PLACE_CHUNK / 64] >> place % 64 & 1);
}

/* The first taken place from `place` on, below `end`; PLACE_NONE: there is none. */
uint32_t place_pool_next(const struct place_pool *pool, uint32_t place, uint32_t end);

/* The first place of an empty chunk, the memory of which shall go back to the kernel; PLACE_NONE:
 * there are no more than will soon be wanted. */
uint32_t place_pool_reclaim(struct place_pool *pool);

#endif
