/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The user's files: read whole, and written.
 */
#ifndef WEFT_CLI_FILE_H
#define WEFT_CLI_FILE_H

#include <jansson.h>
#include <stdbool.h>

#define FILE_LIMIT (256u << 20)

/*
 * The input of validate, plan and apply: {"file": NAME, "yaml": TEXT}. "-" is standard input.
 * NULL: it cannot be read, or is no text (UTF-8 without NUL); told on stderr.
 */
json_t *file_input(const char *name);

/* Writes the text; false: told on stderr. A file that exists is replaced when all is written. */
bool file_write(const char *name, const char *text);

#endif
