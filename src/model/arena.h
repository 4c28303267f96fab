/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is given back all at once. All zero is an empty arena. */
#ifndef WEFT_MODEL_ARENA_H
#define WEFT_MODEL_ARENA_H

#include <stddef.h>

struct arena {
	struct arena_chunk *chunks;
};

/* Zeroed, aligned for anything; NULL: out of memory. */
void *arena_take(struct arena *arena, size_t size);
char *arena_format(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);

#endif
