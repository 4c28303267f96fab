/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The steps of packets (docs/api.md, trace and explain), printed for people.
 */
#ifndef WEFT_CLI_STEPS_H
#define WEFT_CLI_STEPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* All zero to begin with. */
struct steps {
	bool any;
	uint64_t packet; /* whose step was printed last */
};

/* One step, under a line about its packet when that is another than before. */
void steps_print(FILE *stream, struct steps *steps, const json_t *step);

#endif
