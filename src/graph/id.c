/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/id.h"

#include <stdlib.h>
#include <string.h>

#define GENERATION_COUNT (1u << (32 - ID_INDEX_BITS))

static int
grow(struct id_pool *pool)
{
	uint32_t capacity = pool->capacity > 0 ? pool->capacity * 2 : 64;
	uint16_t *generations;
	uint32_t *stack;

	if (capacity > ID_INDEX_COUNT)
		return -1;
	generations = realloc(pool->generations, capacity * sizeof(*generations));
	if (generations == NULL)
		return -1;
	pool->generations = generations;
	/* as large as the pool, so that giving back never fails */
	stack = realloc(pool->free, capacity * sizeof(*stack));
	if (stack == NULL)
		return -1;
	pool->free = stack;
	memset(&generations[pool->capacity], 0, (capacity - pool->capacity) * sizeof(*generations));
	pool->capacity = capacity;
	return 0;
}

uint32_t
id_pool_take(struct id_pool *pool)
{
	uint32_t index, generation;

	if (pool->n_free == 0 && pool->used == pool->capacity && grow(pool) < 0)
		return 0;
	if (pool->n_free > 0) {
		index = pool->free[--pool->n_free];
	} else {
		index = pool->used;
		/* the tick walks what was ever used, while a change stages */
		__atomic_store_n(&pool->used, index + 1, __ATOMIC_RELAXED);
	}
	generation = (pool->generations[index] + 1u) % GENERATION_COUNT;
	/* generation 0 is left out, so that no id is 0 */
	pool->generations[index] = (uint16_t)(generation > 0 ? generation : 1);
	return (uint32_t)pool->generations[index] << ID_INDEX_BITS | index;
}

void
id_pool_give(struct id_pool *pool, uint32_t id)
{
	pool->free[pool->n_free++] = id_index(id);
}

void
id_pool_free(struct id_pool *pool)
{
	free(pool->generations);
	free(pool->free);
	*pool = (struct id_pool){ 0 };
}
