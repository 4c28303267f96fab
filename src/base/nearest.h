/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "Did you mean": the name that is nearest to what somebody wrote.
 */
#ifndef WEFT_BASE_NEAREST_H
#define WEFT_BASE_NEAREST_H

#include <stddef.h>

/*
 * Edits (insert, delete, replace, swap of neighbours, each 1; case is not counted) between
 * two names. Names over 64 bytes: as many as the longer one has.
 */
unsigned nearest_distance(const char *a, const char *b);

/* All zero but `wanted` to begin with; then offer every valid name; `best` is the result. */
struct nearest {
	const char *wanted;
	const char *best; /* NULL: nothing is near enough to be meant */
	unsigned distance;
};
void nearest_offer(struct nearest *nearest, const char *name);

#endif
