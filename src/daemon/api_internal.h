/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the API: its answers, and its parts. */
#ifndef WEFT_DAEMON_API_INTERNAL_H
#define WEFT_DAEMON_API_INTERNAL_H

#include "daemon/api.h"
#include "daemon/config.h"
#include "daemon/target.h"

#include <jansson.h>

/* One request being answered. */
struct api_call {
	struct daemon *daemon;
	const struct api_request *request;
	const struct target *target;
	struct api_answer *answer;
};

/* ---- answers (api_answer.c) ---------------------------------------------------------------- */

/* Takes the reference; NULL: out of memory. */
void answer_json(struct api_answer *answer, unsigned status, json_t *json);
/* Takes malloced text; NULL: out of memory. */
void answer_text(struct api_answer *answer, const char *content_type, char *text);
/* 204 */
void answer_nothing(struct api_answer *answer);
/* An error of RFC 8040, section 7.1. path may be NULL. */
void answer_error(struct api_answer *answer, unsigned status, const char *tag, const char *path,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
/* By the error's code: ENOENT 404, EINVAL 400, EEXIST 409, ... */
void answer_failure(struct api_answer *answer, const struct weft_error *error);
/* What is wrong with a text. */
void answer_diagnostics(struct api_answer *answer, const struct diagnostics *diagnostics);
/* The warnings among them, as the errors' form has them. */
json_t *answer_warnings(const struct diagnostics *diagnostics);
/* A result that is not DONE. */
void answer_result(struct api_answer *answer, const struct config_result *result);
/* 405, with what would be allowed. */
void answer_not_allowed(struct api_call *call, const char *allow);

/* ---- preconditions (api_precondition.c) ------------------------------------------------------ */

/* The entity tag of the configuration of that number (RFC 8040, 3.4.1.2). */
void precondition_tag(char etag[API_ETAG_SIZE], uint32_t number);
/* If-Match (RFC 9110, 13.1.1): whether what runs is what the client knows. */
bool precondition_matches(const struct api_request *request, uint32_t number);
/* If-None-Match (RFC 9110, 13.1.2) names what runs, or by * anything that `exists`. */
bool precondition_is_known(const struct api_request *request, uint32_t number, bool exists);

/* ---- parts: each answers the call ----------------------------------------------------------- */

void api_data(struct api_call *call);       /* /restconf/data/weft:... */
void api_state(struct api_call *call);      /* /restconf/data/weft-state:... */
void api_operations(struct api_call *call); /* /restconf/operations/... */
void api_streams(struct api_call *call);    /* /streams/... */

/* More of the operations: the input is an object, and not NULL. */
void api_explain(struct api_call *call, const json_t *input);
void api_test(struct api_call *call, const json_t *input);
void api_ping(struct api_call *call, const json_t *input);
void api_kill(struct api_call *call, const json_t *input);

/* A step of a trace, as docs/api.md has it; packet: its number, 0: of `weft explain`. */
struct trace_event;
json_t *api_trace_step(struct daemon *daemon, const struct trace_event *event);

bool api_is_get(const struct api_call *call); /* or HEAD */
/* Whether the body is said to be JSON, or nothing is said. False: answered by 415. */
bool api_is_json(struct api_call *call);

#endif
