/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/place_pool.h"

#include "base/reserve.h"

#include <stddef.h>

/* Empty chunks that are kept for what comes next: these, and a part of those in use. */
#define KEEP_LEAST 8
#define KEEP_PART 8

static size_t
chunks_bytes(const struct place_pool *pool)
{
	return ((size_t)pool->limit / PLACE_CHUNK + 1) * sizeof(struct place_chunk);
}

int
place_pool_open(struct place_pool *pool, uint32_t limit)
{
	*pool = (struct place_pool){ .limit = limit };
	pool->chunks = reserve_open(chunks_bytes(pool));
	return pool->chunks == NULL ? -1 : 0;
}

void
place_pool_close(struct place_pool *pool)
{
	reserve_close(pool->chunks, chunks_bytes(pool));
	pool->chunks = NULL;
}

/* ---- lists of chunks ------------------------------------------------------------------------ */

static void
push(struct place_pool *pool, uint32_t *list, uint32_t chunk)
{
	struct place_chunk *first = &pool->chunks[chunk];

	first->previous = 0;
	first->next = *list;
	if (*list != 0)
		pool->chunks[*list - 1].previous = chunk + 1;
	*list = chunk + 1;
}

static void
unlist(struct place_pool *pool, uint32_t *list, uint32_t chunk)
{
	struct place_chunk *gone = &pool->chunks[chunk];

	if (gone->next != 0)
		pool->chunks[gone->next - 1].previous = gone->previous;
	if (gone->previous != 0)
		pool->chunks[gone->previous - 1].next = gone->next;
	else
		*list = gone->next;
}

/* ---- taking and giving ---------------------------------------------------------------------- */

/* Of a chunk; the last one may be cut short. */
static uint32_t
chunk_places(const struct place_pool *pool, uint32_t chunk)
{
	uint32_t left = pool->limit - chunk * PLACE_CHUNK;

	return left < PLACE_CHUNK ? left : PLACE_CHUNK;
}

/* One that was never used; false: there is none. */
static bool
begin_chunk(struct place_pool *pool)
{
	uint32_t chunk = pool->begun;
	struct place_chunk *fresh = &pool->chunks[chunk];
	uint32_t places;

	if ((uint64_t)chunk * PLACE_CHUNK >= pool->limit)
		return false;
	places = chunk_places(pool, chunk);
	for (unsigned i = 0; i < places; i++)
		fresh->free[i / 64] |= 1ull << i % 64;
	pool->begun++;
	pool->resident++;
	push(pool, &pool->partial, chunk);
	return true;
}

/* Makes a chunk with free places the first of `partial`; false: there is none. */
static bool
find_chunk(struct place_pool *pool)
{
	uint32_t chunk;

	if (pool->partial != 0)
		return true;
	if (pool->empty != 0) {
		chunk = pool->empty - 1;
		unlist(pool, &pool->empty, chunk);
		pool->n_empty--;
	} else if (pool->returned != 0) {
		chunk = pool->returned - 1;
		unlist(pool, &pool->returned, chunk);
		pool->resident++;
	} else {
		return begin_chunk(pool);
	}
	push(pool, &pool->partial, chunk);
	return true;
}

uint32_t
place_pool_take(struct place_pool *pool)
{
	struct place_chunk *chunk;
	uint32_t number;
	unsigned word, bit;

	if (!find_chunk(pool))
		return PLACE_NONE;
	number = pool->partial - 1;
	chunk = &pool->chunks[number];
	word = chunk->free[0] == 0;
	bit = (unsigned)__builtin_ctzll(chunk->free[word]);
	chunk->free[word] &= chunk->free[word] - 1;
	pool->taken++;
	if (++chunk->taken == chunk_places(pool, number))
		unlist(pool, &pool->partial, number);
	return number * PLACE_CHUNK + word * 64 + bit;
}

void
place_pool_give(struct place_pool *pool, uint32_t place)
{
	uint32_t number = place / PLACE_CHUNK;
	struct place_chunk *chunk = &pool->chunks[number];

	chunk->free[place % PLACE_CHUNK / 64] |= 1ull << place % 64;
	pool->taken--;
	if (chunk->taken-- == chunk_places(pool, number))
		push(pool, &pool->partial, number);
	if (chunk->taken > 0)
		return;
	unlist(pool, &pool->partial, number);
	push(pool, &pool->empty, number);
	pool->n_empty++;
}

uint32_t
place_pool_next(const struct place_pool *pool, uint32_t place, uint32_t end)
{
	uint64_t most = (uint64_t)pool->begun * PLACE_CHUNK;

	if (most > pool->limit)
		most = pool->limit;
	if (end > most)
		end = (uint32_t)most;
	while (place < end) {
		uint64_t taken =
			~pool->chunks[place / PLACE_CHUNK].free[place % PLACE_CHUNK / 64] >>
			place % 64;

		if (taken != 0) {
			place += (uint32_t)__builtin_ctzll(taken);
			return place < end ? place : PLACE_NONE;
		}
		place = (place | 63) + 1;
	}
	return PLACE_NONE;
}

uint32_t
place_pool_reclaim(struct place_pool *pool)
{
	uint32_t in_use = pool->resident - pool->n_empty, chunk;

	if (pool->n_empty <= KEEP_LEAST + in_use / KEEP_PART)
		return PLACE_NONE;
	chunk = pool->empty - 1;
	unlist(pool, &pool->empty, chunk);
	pool->n_empty--;
	pool->resident--;
	push(pool, &pool->returned, chunk);
	return chunk * PLACE_CHUNK;
}
