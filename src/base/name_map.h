/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A map from a name to a pointer, for the control side: keyed hash, open addressing.
 * The map keeps the pointer to the name, not a copy: the name must live, unchanged, as long
 * as its entry. Not for several threads at once.
 */
#ifndef WEFT_BASE_NAME_MAP_H
#define WEFT_BASE_NAME_MAP_H

#include <stddef.h>
#include <stdint.h>

struct name_map_slot {
	const char *name; /* NULL: free */
	void *value;
};

/* All zero is an empty map. */
struct name_map {
	struct name_map_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

/* Makes room for `more` further names, so that as many name_map_put cannot fail. 0 or -1. */
int name_map_reserve(struct name_map *map, size_t more);
/* Adds or replaces. 0, or -1 when out of memory. */
int name_map_put(struct name_map *map, const char *name, void *value);
void *name_map_get(const struct name_map *map, const char *name);
/* Returns what was there, or NULL. */
void *name_map_remove(struct name_map *map, const char *name);
void name_map_free(struct name_map *map);

/* Walks the entries in no order: start with *at = 0; NULL at the end. */
void *name_map_next(const struct name_map *map, size_t *at);

#endif
