/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting options into the query of a path.
 */
#ifndef WEFT_CLI_QUERY_H
#define WEFT_CLI_QUERY_H

#include "cli/arguments.h"

#include <stdbool.h>
#include <stdint.h>

/* Adds name=value, encoded. *path is malloced, and made anew. */
void query_add(char **path, const char *name, const char *value);

/* Adds the option of that name if it is given. False: not a number in that range, told. */
bool query_number(char **path, const struct arguments *arguments, const char *name, uint64_t least,
	uint64_t most);

/* Adds conditions as one filter. False: a word is not a condition (name=value), told. */
bool query_filter(char **path, const char *const *words, unsigned count);

/* Digits, in that range. */
bool query_parse(const char *text, uint64_t least, uint64_t most, uint64_t *number);

#endif
