/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"

#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

#define SOURCE_WIDTH 100

const char *
answer_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

uint64_t
answer_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_real(value) && json_real_value(value) > 0 && json_real_value(value) < 1.8e19)
		return (uint64_t)json_real_value(value);
	return json_integer_value(value) < 0 ? 0 : (uint64_t)json_integer_value(value);
}

double
answer_real(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

bool
answer_flag(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

void
answer_put(FILE *stream, const char *text)
{
	char *clean = output_clean(text, strlen(text), true);

	fputs(clean, stream);
	free(clean);
}

/*
 * The line and, under it, a caret at the column (counted from 1, in characters). Of a long
 * line the part around the column. Tabs stay tabs in both, so that the caret stands right.
 */
static void
print_source(FILE *stream, uint64_t line, uint64_t column, const char *source)
{
	char *clean = output_clean(source, strcspn(source, "\n"), true);
	size_t length = strlen(clean), from = 0, at;

	for (at = 0; at < length && column > 1; column--)
		do
			at++;
		while (((unsigned char)clean[at] & 0xc0) == 0x80);
	if (at > SOURCE_WIDTH * 3 / 4)
		from = at - SOURCE_WIDTH / 2;
	while (from > 0 && ((unsigned char)clean[from] & 0xc0) == 0x80)
		from--;
	if (length - from > SOURCE_WIDTH) {
		length = from + SOURCE_WIDTH;
		while (((unsigned char)clean[length] & 0xc0) == 0x80)
			length--;
	}
	fprintf(stream, "%5llu | %s%.*s\n      | %s", (unsigned long long)line,
		from > 0 ? "..." : "", (int)(length - from), clean + from, from > 0 ? "   " : "");
	for (size_t i = from; i < at && i < length; i++)
		if (((unsigned char)clean[i] & 0xc0) != 0x80)
			fputc(clean[i] == '\t' ? '\t' : ' ', stream);
	fprintf(stream, "%s^%s\n", output_style(stream, STYLE_GOOD), output_plain(stream));
	free(clean);
}

void
answer_diagnostic(FILE *stream, const json_t *error)
{
	const json_t *info = json_object_get(error, "error-info");
	const char *file = answer_text(info, "weft:file"), *hint = answer_text(info, "weft:hint");
	const char *source = answer_text(info, "weft:source"),
		   *message = answer_text(error, "error-message");
	uint64_t line = answer_number(info, "weft:line"),
		 column = answer_number(info, "weft:column");
	bool warning = answer_flag(info, "weft:warning");

	fputs(output_style(stream, STYLE_BOLD), stream);
	answer_put(stream, file != NULL ? file : "weft");
	if (line > 0)
		fprintf(stream, ":%llu", (unsigned long long)line);
	if (line > 0 && column > 0)
		fprintf(stream, ":%llu", (unsigned long long)column);
	fprintf(stream, ":%s %s%s:%s ", output_plain(stream),
		output_style(stream, warning ? STYLE_WARN : STYLE_BAD),
		warning ? "warning" : "error", output_plain(stream));
	answer_put(stream, message != NULL ? message : "weftd does not say why");
	fputc('\n', stream);
	if (source != NULL && line > 0)
		print_source(stream, line, column, source);
	if (hint != NULL) {
		fputs("      = ", stream);
		answer_put(stream, hint);
		fputc('\n', stream);
	}
}

static const json_t *
errors_of(const json_t *body)
{
	const json_t *errors =
		json_object_get(json_object_get(body, "ietf-restconf:errors"), "error");

	return json_is_array(errors) && json_array_size(errors) > 0 ? errors : NULL;
}

static void
tell_errors(const json_t *errors)
{
	size_t i, count = 0, warnings = 0;
	const json_t *error;
	bool file = false;

	json_array_foreach(errors, i, error)
	{
		const json_t *info = json_object_get(error, "error-info");

		answer_diagnostic(stderr, error);
		file = file || json_object_get(info, "weft:file") != NULL;
		if (answer_flag(info, "weft:warning"))
			warnings++;
		else
			count++;
	}
	if (file && count + warnings > 1) {
		char *errors_text = output_plural(count, "error", "errors");
		char *warnings_text = output_plural(warnings, "warning", "warnings");

		fprintf(stderr, "%s%s%s; nothing was changed\n", errors_text,
			warnings > 0 ? ", " : "", warnings > 0 ? warnings_text : "");
		free(errors_text);
		free(warnings_text);
	}
}

static void
tell_text(const struct weft_error *error)
{
	const char *newline = strchr(error->text, '\n');
	char *clean;

	clean = output_clean(error->text,
		newline == NULL ? strlen(error->text) : (size_t)(newline - error->text), false);
	output_error("%s", clean);
	free(clean);
	if (newline == NULL)
		return;
	clean = output_clean(newline + 1, strlen(newline + 1), true);
	output_hint("%s", clean);
	free(clean);
}

enum cli_exit
answer_failed(struct cli *cli, const struct reply *reply, enum cli_exit wrong_request)
{
	const json_t *errors = errors_of(reply->body);

	if (reply->end != REPLY_ERROR) {
		tell_text(&reply->error);
		return reply->end == REPLY_NO_DAEMON ? CLI_NO_DAEMON : CLI_FAILED;
	}
	fflush(stdout);
	if (errors != NULL && cli->json)
		json_print(json_incref(reply->body), JSON_INDENT(2));
	else if (errors != NULL)
		tell_errors(errors);
	else
		output_error("weftd refused with status %ld, and does not say why", reply->status);
	if (reply->status == 404)
		return CLI_NO_OBJECT;
	return reply->status == 400 ? wrong_request : CLI_FAILED;
}

json_t *
answer_ask(struct cli *cli, const struct request *request, enum cli_exit *exit)
{
	struct reply reply;
	json_t *body = NULL;

	client_do(cli->client, request, &reply);
	if (reply.end != REPLY_OK)
		*exit = answer_failed(cli, &reply, CLI_FAILED);
	else
		body = reply.body != NULL ? json_incref(reply.body) : output_memory(json_object());
	reply_free(&reply);
	return body;
}

json_t *
answer_operation(
	struct cli *cli, const char *name, json_t *input, const char *doing, enum cli_exit *exit)
{
	char *path = output_format("/restconf/operations/weft:%s", name);
	json_t *sent = input == NULL ? NULL : output_memory(json_pack("{so}", "weft:input", input));
	struct request request = {
		.method = "POST", .path = path, .body = sent, .doing = doing, .changes = true
	};
	json_t *body = answer_ask(cli, &request, exit), *output;

	json_decref(sent);
	free(path);
	if (body == NULL)
		return NULL;
	output = json_object_get(body, "weft:output");
	output = json_is_object(output) ? json_incref(output) : output_memory(json_object());
	json_decref(body);
	return output;
}
