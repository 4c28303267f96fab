/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the daemon answers, told to people: errors as a compiler prints them, and reading
 * members of JSON that may not be there.
 */
#ifndef WEFT_CLI_ANSWER_H
#define WEFT_CLI_ANSWER_H

#include "cli/client.h"

#include <stdint.h>
#include <stdio.h>

/*
 * Tells on stderr why there is no good answer (on stdout as JSON with --json, where the
 * daemon gave one), and gives the exit code: 3 for "there is no such thing", 4 no daemon,
 * `wrong_request` where the daemon did not understand the request itself (400), else 1.
 */
enum cli_exit answer_failed(
	struct cli *cli, const struct reply *reply, enum cli_exit wrong_request);

/* One element of "error" or "warnings" to the stream: file:line:column, line, caret, hint. */
void answer_diagnostic(FILE *stream, const json_t *error);

/* Asks, and tells failures: the answer's body (an owned reference; an empty object when the
 * answer was empty), or NULL with *exit set. */
json_t *answer_ask(struct cli *cli, const struct request *request, enum cli_exit *exit);
/* The same for an operation: /restconf/operations/weft:NAME with this input (its reference is
 * taken; may be NULL); gives the output. */
json_t *answer_operation(
	struct cli *cli, const char *name, json_t *input, const char *doing, enum cli_exit *exit);

/* Members of an object. Absent, null, or of another type: NULL, 0, false. */
const char *answer_text(const json_t *object, const char *name);
uint64_t answer_number(const json_t *object, const char *name);
double answer_real(const json_t *object, const char *name);
bool answer_flag(const json_t *object, const char *name);

/* Cleaned of what a terminal would obey; newlines and tabs stay. */
void answer_put(FILE *stream, const char *text);

#endif
