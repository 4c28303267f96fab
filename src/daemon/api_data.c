/* SPDX-License-Identifier: BSD-3-Clause */
/* The running configuration at /restconf/data/weft:...: read, and edited piece by piece. */
#include "base/error.h"
#include "daemon/api_internal.h"
#include "daemon/data_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_LIMIT 100
#define SEGMENTS_BEFORE 2 /* restconf, data */

static struct data_path
path_of(const struct api_call *call)
{
	return (struct data_path){ call->target->segments + SEGMENTS_BEFORE,
		call->target->n_segments - SEGMENTS_BEFORE };
}

static json_t *
running_json(struct daemon *daemon, uint32_t *number)
{
	struct running *running = config_hold(daemon->config);
	char *text = configuration_to_json(running->configuration);
	json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL;

	*number = running->number;
	free(text);
	config_release(running);
	return json;
}

static void
stale(struct weft_error *error)
{
	error_set(error, ESTALE,
		"the configuration is another one than the request is for; read it anew");
}

/* RFC 8040, 4.8.1 and 4.8.2. False: answered. */
static bool
read_parameters(struct api_call *call, unsigned *depth)
{
	static const char *const names[] = { "content", "depth", NULL };
	const char *content = target_parameter(call->target, "content");
	const char *text = target_parameter(call->target, "depth");
	struct weft_error error = { 0 };
	uint64_t number = 0;

	if (target_unknown(call->target, names) != NULL)
		error_set(&error, EINVAL, "the parameters here are content and depth, not '%s'",
			target_unknown(call->target, names));
	else if (content != NULL && strcmp(content, "config") != 0 && strcmp(content, "all") != 0 &&
		 strcmp(content, "nonconfig") != 0)
		error_set(&error, EINVAL, "content is config, nonconfig or all, not '%s'", content);
	else if (content != NULL && strcmp(content, "nonconfig") == 0)
		error_set(&error, ENOENT, "this is configuration; state is in weft-state:");
	else if (text == NULL || strcmp(text, "unbounded") != 0)
		target_number(call->target, "depth", 1, DEPTH_LIMIT, 0, &number, &error);
	*depth = (unsigned)number;
	if (error.code == 0)
		return true;
	answer_failure(call->answer, &error);
	return false;
}

/* What is asked for is there: it is sent, unless the client has it. Takes `data`. */
static void
answer_data(struct api_call *call, json_t *data, uint32_t number)
{
	if (precondition_is_known(call->request, number, true)) {
		json_decref(data);
		call->answer->status = 304;
	} else {
		answer_json(call->answer, 200, data);
	}
	precondition_tag(call->answer->etag, number);
}

static void
get(struct api_call *call)
{
	struct data_path path = path_of(call);
	struct weft_error error = { 0 };
	json_t *root, *data;
	uint32_t number;
	unsigned depth;

	if (!read_parameters(call, &depth))
		return;
	root = running_json(call->daemon, &number);
	if (root == NULL) {
		answer_json(call->answer, 500, NULL);
		return;
	}
	data = data_get(config_model(call->daemon->config), root, &path, depth, &error);
	if (data != NULL && !precondition_matches(call->request, number))
		stale(&error);
	if (error.code != 0) {
		answer_failure(call->answer, &error);
		json_decref(data);
	} else {
		answer_data(call, data, number);
	}
	json_decref(root);
}

/* ---- editing ----------------------------------------------------------------------------------
 */

struct edit {
	struct config *config;
	const struct api_request *request;
	const struct model *model;
	struct data_path path;
	enum data_edit kind;
	json_t *body;
	bool created;
	char *child;
	bool refused; /* before it was carried out */
};

/* RFC 9110, 13.2. */
static int
check_preconditions(const struct edit *edit, json_t *root, struct weft_error *error)
{
	struct running *running = config_hold(edit->config);
	uint32_t number = running->number;
	struct weft_error absent = { 0 };
	json_t *there;
	bool exists;

	config_release(running);
	if (!precondition_matches(edit->request, number)) {
		stale(error);
		return -1;
	}
	there = data_get(edit->model, root, &edit->path, 1, &absent);
	exists = there != NULL;
	json_decref(there);
	if (!precondition_is_known(edit->request, number, exists))
		return 0;
	return error_set(error, ESTALE, "what is not to be there is there: If-None-Match");
}

/* On the config thread, on what runs then. */
static char *
make_text(void *context, const char *json, struct weft_error *error)
{
	struct edit *edit = context;
	json_t *root = json_loads(json, 0, NULL);
	char *text = NULL;

	if (root == NULL) {
		error_memory(error);
		return NULL;
	}
	edit->refused = check_preconditions(edit, root, error) < 0 ||
			data_edit(edit->model, root, &edit->path, edit->kind, edit->body,
				&edit->created, &edit->child, error) < 0;
	if (!edit->refused) {
		text = json_dumps(root, JSON_COMPACT);
		if (text == NULL)
			error_memory(error);
	}
	json_decref(root);
	return text;
}

/* The text that was judged is not one that the user has seen: no lines of it. */
static void
forget_lines(struct diagnostics *diagnostics)
{
	for (unsigned i = 0; i < diagnostics->count; i++) {
		struct diagnostic *diagnostic = &diagnostics->list[i];

		diagnostic->line = diagnostic->column = 0;
		free(diagnostic->source);
		diagnostic->source = NULL;
	}
}

static char *
join_location(const char *target, const char *child)
{
	size_t length = strcspn(target, "?");
	char *text;

	while (length > 0 && target[length - 1] == '/')
		length--;
	if (child == NULL || asprintf(&text, "%.*s/%s", (int)length, target, child) < 0)
		return NULL;
	return text;
}

static void
answer_edit(struct api_call *call, struct edit *edit, struct config_result *result)
{
	forget_lines(&result->diagnostics);
	if (result->outcome != CONFIG_DONE && edit->refused) {
		answer_failure(call->answer, &result->error);
	} else if (result->outcome != CONFIG_DONE) {
		answer_result(call->answer, result);
	} else {
		call->answer->status = edit->created ? 201 : 204;
		call->answer->location = join_location(call->request->target, edit->child);
		precondition_tag(call->answer->etag, result->number);
	}
}

static void
change(struct api_call *call, enum data_edit kind)
{
	struct edit edit = {
		.config = call->daemon->config,
		.request = call->request,
		.model = config_model(call->daemon->config),
		.path = path_of(call),
		.kind = kind,
	};
	struct config_request request = {
		.source = CONFIG_EDIT,
		.file = "request",
		.edit = make_text,
		.context = &edit,
		.user = call->request->user,
		.note = call->request->method,
	};
	struct config_result result;

	if (kind != DATA_DELETE) {
		json_error_t where;

		if (!api_is_json(call))
			return;
		edit.body = json_loadb(
			call->request->body, call->request->length, JSON_REJECT_DUPLICATES, &where);
		if (!json_is_object(edit.body)) {
			answer_error(call->answer, 400, "malformed-message", NULL,
				"the body is no JSON object: %s",
				edit.body == NULL ? where.text : "it is something else");
			json_decref(edit.body);
			return;
		}
	}
	config_apply(call->daemon->config, &request, &result);
	answer_edit(call, &edit, &result);
	config_result_free(&result);
	json_decref(edit.body);
	free(edit.child);
}

void
api_data(struct api_call *call)
{
	static const struct {
		const char *method;
		enum data_edit kind;
	} edits[] = {
		{ "PUT", DATA_PUT },
		{ "PATCH", DATA_PATCH },
		{ "POST", DATA_POST },
		{ "DELETE", DATA_DELETE },
	};

	if (api_is_get(call)) {
		get(call);
		return;
	}
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++)
		if (strcmp(call->request->method, edits[i].method) == 0) {
			change(call, edits[i].kind);
			return;
		}
	answer_not_allowed(call, "GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS");
}
