/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan (docs/api.md) as people read it.
 */
#ifndef WEFT_CLI_PLAN_H
#define WEFT_CLI_PLAN_H

#include <jansson.h>
#include <stdio.h>

/* Number of objects that the plan changes. */
size_t plan_count(const json_t *plan);
/* One object after the other with its leaves and what traffic will feel. */
void plan_print(FILE *stream, const json_t *plan);
/* "2 to create, 1 to change"; malloced. done: "2 created, 1 changed". */
char *plan_summary(const json_t *plan, int done);

#endif
