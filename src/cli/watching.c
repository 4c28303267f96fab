/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What prints as it happens: trace, monitor; and explain, which prints the same steps.
 */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/events.h"
#include "cli/output.h"
#include "cli/query.h"
#include "cli/steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "12:00:00.123456" of "2026-11-22T12:00:00.123456+00:00"; else as it is. */
static const char *
clock_of(const char *time, char text[16])
{
	const char *t = time == NULL ? NULL : strchr(time, 'T');

	if (t == NULL || strlen(t) < 16)
		return time != NULL ? time : "";
	memcpy(text, t + 1, 15);
	text[15] = '\0';
	return text;
}

static void
print_packet(FILE *stream, const struct steps *steps, const json_t *step, bool again)
{
	const char *describe = answer_text(step, "describe"), *time = answer_text(step, "time");
	char text[16];

	if (steps->any)
		fputc('\n', stream);
	fprintf(stream, "%spacket %llu%s", output_style(stream, STYLE_BOLD),
		(unsigned long long)answer_number(step, "packet"), output_plain(stream));
	if (time != NULL) {
		fputs("  ", stream);
		answer_put(stream, clock_of(time, text));
	}
	fputs("  ", stream);
	answer_put(stream, describe != NULL ? describe : again ? "(goes on)" : "");
	fputc('\n', stream);
}

static void
print_verdict(FILE *stream, const json_t *step)
{
	const char *verdict = answer_text(step, "verdict"), *reason = answer_text(step, "reason");

	if (verdict == NULL)
		return;
	fprintf(stream, "  %s",
		output_style(stream, strcmp(verdict, "dropped") == 0 ? STYLE_BAD : STYLE_GOOD));
	answer_put(stream, verdict);
	if (reason != NULL) {
		fputs(": ", stream);
		answer_put(stream, reason);
	}
	fprintf(stream, "%s\n", output_plain(stream));
}

void
steps_print(FILE *stream, struct steps *steps, const json_t *step)
{
	uint64_t packet = answer_number(step, "packet");
	const char *where = answer_text(step, "where"), *node = answer_text(step, "node");
	const char *text = answer_text(step, "text");
	char *clean = output_clean(
		where != NULL ? where : "-", strlen(where != NULL ? where : "-"), false);

	if (!steps->any || steps->packet != packet || answer_text(step, "describe") != NULL)
		print_packet(
			stream, steps, step, steps->any && answer_text(step, "describe") == NULL);
	steps->any = true;
	steps->packet = packet;
	fprintf(stream, "  %-20s ", clean);
	free(clean);
	if (node != NULL) {
		clean = output_clean(node, strlen(node), false);
		fprintf(stream, "%s%-10s%s ", output_style(stream, STYLE_DIM), clean,
			output_plain(stream));
		free(clean);
	}
	if (text != NULL)
		answer_put(stream, text);
	fputc('\n', stream);
	print_verdict(stream, step);
}

struct watcher {
	struct cli *cli;
	struct steps steps;
	void (*print)(struct watcher *watcher, const char *kind, const json_t *data);
	struct events events;
	bool malformed;
};

static void
print_step(struct watcher *watcher, const char *kind, const json_t *data)
{
	(void)kind;
	steps_print(stdout, &watcher->steps, data);
}

static void
print_event(struct watcher *watcher, const char *kind, const json_t *data)
{
	const char *severity = answer_text(data, "severity"), *object = answer_text(data, "object");
	const char *text = answer_text(data, "text");
	enum style style = severity == NULL                   ? STYLE_PLAIN
			   : strcmp(severity, "error") == 0   ? STYLE_BAD
			   : strcmp(severity, "warning") == 0 ? STYLE_WARN
							      : STYLE_PLAIN;
	char clock[16], *clean = output_clean(kind, strlen(kind), false);

	(void)watcher;
	answer_put(stdout, clock_of(answer_text(data, "time"), clock));
	printf("  %s%-13s%s ", output_style(stdout, style), clean,
		style == STYLE_PLAIN ? "" : output_plain(stdout));
	free(clean);
	if (object != NULL && *object != '\0') {
		answer_put(stdout, object);
		fputs(": ", stdout);
	}
	answer_put(stdout, text != NULL ? text : "");
	putchar('\n');
}

static bool
take_event(void *context, const char *kind, const char *data)
{
	struct watcher *watcher = context;
	json_t *value = json_loads(data, 0, NULL);

	if (!json_is_object(value)) {
		json_decref(value);
		watcher->malformed = true;
		return false;
	}
	if (watcher->cli->json) {
		if (json_object_get(value, "kind") == NULL && strcmp(kind, "message") != 0)
			json_object_set_new(value, "kind", json_string(kind));
		json_print(json_incref(value), JSON_COMPACT);
	} else {
		watcher->print(watcher, kind, value);
	}
	json_decref(value);
	return fflush(stdout) == 0; /* whoever reads may have gone */
}

static bool
take_bytes(void *context, const char *bytes, size_t length)
{
	struct watcher *watcher = context;

	return events_feed(&watcher->events, bytes, length);
}

static enum cli_exit
watch_stream(struct watcher *watcher, const char *path, bool ends)
{
	struct request request = { .path = path, .sink = take_bytes, .context = watcher };
	struct reply reply;
	enum cli_exit exit = CLI_DONE;

	watcher->events.take = take_event;
	watcher->events.context = watcher;
	client_do(watcher->cli->client, &request, &reply);
	if (watcher->malformed || watcher->events.malformed) {
		output_error("weftd sent an event that cannot be understood");
		exit = CLI_FAILED;
	} else if (reply.end != REPLY_OK) {
		exit = answer_failed(watcher->cli, &reply, CLI_USAGE);
	} else if (!reply.ended && !ends) {
		output_error("weftd has ended the stream");
		exit = CLI_FAILED;
	}
	reply_free(&reply);
	events_free(&watcher->events);
	return exit;
}

enum cli_exit
command_monitor(struct cli *cli)
{
	struct watcher watcher = { .cli = cli, .print = print_event };

	return watch_stream(&watcher, "/streams/events", false);
}

enum cli_exit
command_trace(struct cli *cli)
{
	struct watcher watcher = { .cli = cli, .print = print_step };
	const struct arguments *arguments = cli->arguments;
	char *path = output_memory(strdup("/streams/trace"));
	enum cli_exit exit = CLI_USAGE;

	if (query_filter(&path, arguments->operands, arguments->count) &&
		query_number(&path, arguments, "count", 1, UINT32_MAX))
		exit = watch_stream(&watcher, path, arguments_has(arguments, "count"));
	free(path);
	return exit;
}
