/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/api_internal.h"
#include "daemon/json_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
api_answer_free(struct api_answer *answer)
{
	free(answer->body);
	free(answer->location);
	if (answer->stream != NULL)
		api_stream_close(answer->stream);
	*answer = (struct api_answer){ 0 };
}

static void
answer_memory(struct api_answer *answer)
{
	answer->status = 500;
	answer->content_type = NULL;
	answer->body = NULL;
	answer->length = 0;
}

void
answer_json(struct api_answer *answer, unsigned status, json_t *json)
{
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;

	json_decref(json);
	answer_text(answer, API_JSON, text);
	if (text != NULL)
		answer->status = status;
}

void
answer_text(struct api_answer *answer, const char *content_type, char *text)
{
	if (text == NULL) {
		answer_memory(answer);
		return;
	}
	answer->status = 200;
	answer->content_type = content_type;
	answer->body = text;
	answer->length = strlen(text);
}

void
answer_nothing(struct api_answer *answer)
{
	answer->status = 204;
}

static json_t *
error_json(const char *tag, const char *path, const char *message)
{
	/* a path or message may quote what somebody sent */
	json_t *error = json_pack(
		"{ss, ss, ss?}", "error-type", "application", "error-tag", tag, "error-path", path);

	if (error == NULL)
		error = json_pack("{ss, ss}", "error-type", "application", "error-tag", tag);
	json_object_set_new(error, "error-message", json_text(message));
	return error;
}

static json_t *
wrap_errors(json_t *list)
{
	return json_pack("{s{so}}", "ietf-restconf:errors", "error", list);
}

void
answer_error(struct api_answer *answer, unsigned status, const char *tag, const char *path,
	const char *format, ...)
{
	json_t *list = json_array();
	char message[600];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	json_array_append_new(list, error_json(tag, path, message));
	answer_json(answer, status, wrap_errors(list));
}

void
answer_failure(struct api_answer *answer, const struct weft_error *error)
{
	/* as RFC 8040, section 7, puts tags and statuses together */
	static const struct {
		int code;
		unsigned status;
		const char *tag;
	} known[] = {
		{ ENOENT, 404, "invalid-value" },
		{ EINVAL, 400, "invalid-value" },
		{ ESTALE, 412, "operation-failed" },
		{ E2BIG, 413, "too-big" },
		{ EEXIST, 409, "data-exists" },
		{ EBUSY, 409, "in-use" },
		{ ENOTCONN, 409, "data-missing" },
		{ EADDRNOTAVAIL, 409, "data-missing" },
		{ ENETUNREACH, 409, "data-missing" },
		{ ECANCELED, 409, "resource-denied" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].code != error->code)
			continue;
		answer_error(answer, known[i].status, known[i].tag, NULL, "%s", error->text);
		return;
	}
	answer_error(answer, 500, "operation-failed", NULL, "%s", error->text);
}

/* ---- what is wrong with a text ----------------------------------------------------------------
 */

static json_t *
diagnostic_json(const struct diagnostics *diagnostics, const struct diagnostic *diagnostic)
{
	const char *tag = diagnostic->warning ? "partial-operation" : "invalid-value";
	json_t *error = error_json(tag, diagnostic->path, diagnostic->message);
	json_t *info = json_pack("{sb}", "weft:warning", diagnostic->warning);

	if (diagnostics->file != NULL)
		json_object_set_new(info, "weft:file", json_string(diagnostics->file));
	if (diagnostic->line > 0)
		json_object_set_new(info, "weft:line", json_integer(diagnostic->line));
	if (diagnostic->column > 0)
		json_object_set_new(info, "weft:column", json_integer(diagnostic->column));
	if (diagnostic->source != NULL)
		json_object_set_new(info, "weft:source", json_string(diagnostic->source));
	if (diagnostic->hint != NULL)
		json_object_set_new(info, "weft:hint", json_string(diagnostic->hint));
	json_object_set_new(error, "error-info", info);
	return error;
}

void
answer_diagnostics(struct api_answer *answer, const struct diagnostics *diagnostics)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < diagnostics->count; i++)
		json_array_append_new(list, diagnostic_json(diagnostics, &diagnostics->list[i]));
	answer_json(answer, 400, wrap_errors(list));
}

json_t *
answer_warnings(const struct diagnostics *diagnostics)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < diagnostics->count; i++)
		if (diagnostics->list[i].warning)
			json_array_append_new(
				list, diagnostic_json(diagnostics, &diagnostics->list[i]));
	return list;
}

void
answer_result(struct api_answer *answer, const struct config_result *result)
{
	switch (result->outcome) {
	case CONFIG_WRONG:
		answer_diagnostics(answer, &result->diagnostics);
		break;
	case CONFIG_NOT_FOUND:
	case CONFIG_CONFLICT:
		answer_failure(answer, &result->error);
		break;
	default:
		answer_error(answer, 500, "operation-failed", NULL, "%s", result->error.text);
		break;
	}
}

void
answer_not_allowed(struct api_call *call, const char *allow)
{
	call->answer->allow = allow;
	if (strcmp(call->request->method, "OPTIONS") == 0)
		call->answer->status = 200;
	else
		answer_error(call->answer, 405, "operation-not-supported", NULL,
			"%.20s is not possible here; %s is", call->request->method, allow);
}
