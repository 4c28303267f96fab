/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ids with generations: a 20-bit index into a table and a 12-bit generation that changes
 * each time the index is used again, so that whoever kept an id of something that is gone
 * finds out by comparing. 0 is never an id.
 */
#ifndef WEFT_GRAPH_ID_H
#define WEFT_GRAPH_ID_H

#include <stdint.h>

#define ID_INDEX_BITS 20
#define ID_INDEX_COUNT (1u << ID_INDEX_BITS)

static inline uint32_t
id_index(uint32_t id)
{
	return id & (ID_INDEX_COUNT - 1);
}

/* Not for several threads at once. */
struct id_pool {
	uint16_t *generations; /* by index */
	uint32_t *free;        /* stack of indices given back */
	uint32_t n_free, used, capacity;
};

/* Returns the new id, or 0 when out of memory or indices. */
uint32_t id_pool_take(struct id_pool *pool);
/* After the grace period of whatever had the id. */
void id_pool_give(struct id_pool *pool, uint32_t id);
void id_pool_free(struct id_pool *pool);

#endif
