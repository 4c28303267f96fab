/* SPDX-License-Identifier: BSD-3-Clause */
/* The nearest of several names to one that was mistyped. */
#ifndef WEFT_MODEL_NEAREST_H
#define WEFT_MODEL_NEAREST_H

struct nearest {
	const char *wanted;
	const char *name;  /* the best so far, or NULL */
	unsigned distance; /* of `name`; at the start: one more than what counts as near */
};

void nearest_begin(struct nearest *nearest, const char *wanted);
/* The name must live as long as the search's result. */
void nearest_try(struct nearest *nearest, const char *name);

#endif
