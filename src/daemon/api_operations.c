/* SPDX-License-Identifier: BSD-3-Clause */
/* POST /restconf/operations/weft:NAME */
#include "base/error.h"
#include "base/nearest.h"
#include "daemon/api_internal.h"
#include "daemon/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "weft:"
#define CONFIRM_MOST 86400.0 /* seconds */

/* ---- input and output -------------------------------------------------------------------------
 */

static void
answer_output(struct api_answer *answer, json_t *output)
{
	answer_json(answer, 200, json_pack("{so}", "weft:output", output));
}

static int
wrong_input(struct api_call *call, const char *name, const char *what)
{
	answer_error(call->answer, 400, "invalid-value", NULL, "%s is to be %s", name, what);
	return -1;
}

/* A text that may be left out. -1: answered. */
static int
get_text(struct api_call *call, const json_t *input, const char *name, const char **text)
{
	const json_t *value = json_object_get(input, name);

	*text = json_string_value(value);
	if (value == NULL || json_is_null(value) || *text != NULL)
		return 0;
	return wrong_input(call, name, "a text");
}

/* What all changes have. -1: answered. */
static int
get_common(struct api_call *call, const json_t *input, struct config_request *request)
{
	const json_t *timeout = json_object_get(input, "confirm-timeout");

	if (get_text(call, input, "user", &request->user) < 0 ||
		get_text(call, input, "note", &request->note) < 0)
		return -1;
	if (request->user == NULL)
		request->user = call->request->user;
	if (timeout == NULL || json_is_null(timeout))
		return 0;
	request->confirm_timeout = json_number_value(timeout);
	/* written so that NaN is refused as well */
	if (json_is_number(timeout) && request->confirm_timeout >= 1 &&
		request->confirm_timeout <= CONFIRM_MOST)
		return 0;
	return wrong_input(call, "confirm-timeout", "a number of seconds from 1 to 86400");
}

/* -1: answered. */
static int
get_yaml(struct api_call *call, const json_t *input, struct config_request *request)
{
	const json_t *yaml = json_object_get(input, "yaml");

	request->source = CONFIG_YAML;
	if (get_text(call, input, "file", &request->file) < 0)
		return -1;
	if (request->file == NULL)
		request->file = "(request)";
	request->text = json_string_value(yaml);
	request->length = json_string_length(yaml);
	return request->text != NULL ? 0 : wrong_input(call, "yaml", "the text of a file");
}

/* ---- the configuration ------------------------------------------------------------------------
 */

static void
validate(struct api_call *call, const json_t *input)
{
	struct config_request request = { 0 };
	struct config_result result;

	if (get_yaml(call, input, &request) < 0)
		return;
	config_validate(call->daemon->config, &request, &result);
	if (result.outcome == CONFIG_DONE)
		answer_output(call->answer,
			json_pack("{so}", "warnings", answer_warnings(&result.diagnostics)));
	else
		answer_result(call->answer, &result);
	config_result_free(&result);
}

static void
plan(struct api_call *call, const json_t *input)
{
	struct config_request request = { 0 };
	struct config_result result;
	json_t *output;

	if (get_yaml(call, input, &request) < 0)
		return;
	config_plan(call->daemon->config, &request, &result);
	if (result.outcome == CONFIG_DONE) {
		output = json_incref(result.plan);
		json_object_set_new(output, "warnings", answer_warnings(&result.diagnostics));
		answer_output(call->answer, output);
	} else {
		answer_result(call->answer, &result);
	}
	config_result_free(&result);
}

static void
carry_out_request(struct api_call *call, const struct config_request *request)
{
	struct config_result result;
	json_t *output;

	config_apply(call->daemon->config, request, &result);
	if (result.outcome == CONFIG_DONE) {
		output = json_incref(result.plan);
		json_object_set_new(output, "number", json_integer(result.number));
		json_object_set_new(output, "degraded", state_degraded(call->daemon));
		json_object_set_new(output, "warnings", answer_warnings(&result.diagnostics));
		answer_output(call->answer, output);
	} else {
		answer_result(call->answer, &result);
	}
	config_result_free(&result);
}

static void
apply(struct api_call *call, const json_t *input)
{
	struct config_request request = { 0 };

	if (get_yaml(call, input, &request) == 0 && get_common(call, input, &request) == 0)
		carry_out_request(call, &request);
}

static void
rollback(struct api_call *call, const json_t *input)
{
	const json_t *number = json_object_get(input, "number");
	struct config_request request = { .source = CONFIG_NUMBER };

	if (!json_is_integer(number) || json_integer_value(number) < 1 ||
		json_integer_value(number) > UINT32_MAX) {
		wrong_input(call, "number", "that of an entry of the history");
		return;
	}
	request.number = (uint32_t)json_integer_value(number);
	if (get_common(call, input, &request) == 0)
		carry_out_request(call, &request);
}

static void
confirm(struct api_call *call, const json_t *input)
{
	struct config_result result;

	(void)input;
	config_confirm(call->daemon->config, &result);
	if (result.outcome == CONFIG_DONE)
		answer_output(call->answer, json_pack("{sI}", "number", (json_int_t)result.number));
	else
		answer_result(call->answer, &result);
	config_result_free(&result);
}

static void export(struct api_call *call, const json_t *input)
{
	struct running *running = config_hold(call->daemon->config);
	char *yaml = configuration_to_yaml(running->configuration);

	(void)input;
	config_release(running);
	answer_output(call->answer, json_pack("{ss}", "yaml", yaml));
	free(yaml);
}

static void
shutdown_daemon(struct api_call *call, const json_t *input)
{
	(void)input;
	answer_nothing(call->answer);
	call->answer->ends = true;
}

/* ---- which operation ---------------------------------------------------------------------------
 */

static const struct operation {
	const char *name;
	void (*run)(struct api_call *call, const json_t *input);
} operations[] = {
	{ "validate", validate },
	{ "plan", plan },
	{ "apply", apply },
	{ "confirm", confirm },
	{ "rollback", rollback },
	{ "export", export },
	{ "explain", api_explain },
	{ "test", api_test },
	{ "ping", api_ping },
	{ "kill", api_kill },
	{ "shutdown", shutdown_daemon },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static const struct operation *
find_operation(struct api_call *call)
{
	const char *name = call->target->segments[2].name;
	struct nearest nearest = { 0 };

	if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0)
		name += sizeof(PREFIX) - 1;
	nearest.wanted = name;
	for (size_t i = 0; i < OPERATIONS; i++) {
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
		nearest_offer(&nearest, operations[i].name);
	}
	answer_error(call->answer, 404, "invalid-value", NULL, "there is no operation '%s'%s%s%s",
		name, nearest.best != NULL ? "; did you mean '" : "",
		nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "'?" : "");
	return NULL;
}

/* RFC 8040, 3.3.2: {"weft:apply": [null], ...} */
static void
list_operations(struct api_call *call)
{
	json_t *list = json_object();

	for (size_t i = 0; i < OPERATIONS; i++) {
		char name[40];

		snprintf(name, sizeof(name), PREFIX "%s", operations[i].name);
		json_object_set_new(list, name, json_pack("[n]"));
	}
	answer_json(call->answer, 200, json_pack("{so}", "operations", list));
}

/* The object within the body's "weft:input" (RFC 8040, 3.6.1); an empty one where there is no body.
 * NULL: answered. */
static json_t *
read_input(struct api_call *call)
{
	json_error_t where;
	json_t *body, *input;

	if (call->request->length == 0)
		return json_object();
	if (!api_is_json(call))
		return NULL;
	body = json_loadb(
		call->request->body, call->request->length, JSON_REJECT_DUPLICATES, &where);
	if (body == NULL) {
		answer_error(call->answer, 400, "malformed-message", NULL,
			"the body is no JSON: %s, at %d:%d", where.text, where.line, where.column);
		return NULL;
	}
	input = json_object_get(body, PREFIX "input");
	if (json_is_object(input))
		json_incref(input);
	else if (json_is_object(body) && json_object_size(body) == 0)
		input = json_object();
	else
		input = NULL;
	json_decref(body);
	if (input == NULL)
		answer_error(call->answer, 400, "malformed-message", NULL,
			"the body is to be {\"weft:input\": {...}}");
	return input;
}

void
api_operations(struct api_call *call)
{
	const struct operation *operation;
	json_t *input;

	if (call->target->n_segments == 2) {
		if (api_is_get(call))
			list_operations(call);
		else
			answer_not_allowed(call, "GET, HEAD, OPTIONS");
		return;
	}
	if (call->target->segments[2].key != NULL) {
		answer_error(call->answer, 404, "invalid-value", NULL,
			"an operation takes its input from the body, and nothing in the address");
		return;
	}
	operation = find_operation(call);
	if (operation == NULL)
		return;
	if (strcmp(call->request->method, "POST") != 0 || call->target->n_segments > 3) {
		answer_not_allowed(call, "POST, OPTIONS");
		return;
	}
	input = read_input(call);
	if (input == NULL)
		return;
	operation->run(call, input);
	json_decref(input);
}
