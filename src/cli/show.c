/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/duration.h"
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/kinds.h"
#include "cli/output.h"
#include "cli/query.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_TOLD 1000 /* by weftd, unless --limit says so */

/* What is asked for. */
struct query {
	const struct kind *kind;
	const char *name; /* of one object; NULL: a list */
	char *path;
	char *prefix; /* only objects whose names begin so; or NULL */
};

static const struct option *
filter_option(const char *name)
{
	const struct option *option = command_find("show")->options;

	while (option->name != NULL && strcmp(option->name, name) != 0)
		option++;
	return option;
}

static bool
kind_has_filter(const struct kind *kind, const char *name)
{
	for (unsigned i = 0; i < KIND_FILTERS && kind->filters[i] != NULL; i++)
		if (strcmp(kind->filters[i], name) == 0)
			return true;
	return false;
}

/* The options that are filters. -1: one does not fit the kind. */
static int
add_filters(struct query *query, const struct arguments *arguments)
{
	static const char *const all[] = { "network", "switch", "router", "firewall", "port",
		"vlan", "mac", "reason", "prefix", "family", "address", "protocol", "limit" };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const char *value = arguments_value(arguments, all[i]);

		if (value == NULL)
			continue;
		if (!kind_has_filter(query->kind, all[i])) {
			output_error("%s cannot be limited by --%s (%s)", query->kind->name, all[i],
				filter_option(all[i])->summary);
			return -1;
		}
		query_add(&query->path, all[i], value);
	}
	return 0;
}

static bool
has_network(const struct kind *kind)
{
	return kind_has_filter(kind, "network") && strcmp(kind->name, "networks") != 0;
}

/* What "red/x" is, where objects have no names of their own. */
static const char *
place_filter(const struct kind *kind)
{
	static const char *const places[] = { "switch", "firewall" };

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (kind_has_filter(kind, places[i]))
			return places[i];
	return "router";
}

/*
 * A name that is wider than an object's own limits the list: "red" to a network, "red/lan" to
 * a switch or a router, where the kind's own names are longer than that.
 */
static void
add_name(struct query *query, const char *name)
{
	const char *slash = strchr(name, '/'), *colon = strchr(name, ':');
	char *network;

	if (has_network(query->kind) && slash == NULL) {
		query_add(&query->path, "network", name);
	} else if (query->kind->unnamed) {
		query_add(&query->path, colon != NULL ? "port" : place_filter(query->kind), name);
	} else if (strcmp(query->kind->name, "ports") == 0 && colon == NULL) {
		network = output_format("%.*s", (int)(slash - name), name);
		query_add(&query->path, "network", network);
		query->prefix = output_format("%s:", name);
		free(network);
	} else {
		char *encoded = client_encode(name);
		char *path = output_format("%s=%s", query->path, encoded);

		free(encoded);
		free(query->path);
		query->path = path;
		query->name = name;
	}
}

/* The objects' list out of the answer; one object where one was asked for. */
static json_t *
data_of(const struct query *query, const json_t *body)
{
	char *member = output_format("weft-state:%s", query->kind->name);
	json_t *data = json_object_get(body, member), *kept, *object;
	size_t i;

	free(member);
	if (query->kind->single || query->name != NULL) {
		if (json_is_array(data) && json_array_size(data) == 1)
			data = json_array_get(data, 0);
		return json_is_object(data) ? json_incref(data) : NULL;
	}
	if (!json_is_array(data))
		return NULL;
	if (query->prefix == NULL)
		return json_incref(data);
	kept = output_memory(json_array());
	json_array_foreach(data, i, object)
	{
		const char *name = answer_text(object, "name");

		if (name != NULL && strncmp(name, query->prefix, strlen(query->prefix)) == 0)
			json_array_append(kept, object);
	}
	return kept;
}

/* Of connections no more are told than asked for: then there may be others. */
static void
tell_limit(const struct cli *cli, const struct query *query, size_t rows)
{
	const char *limit = arguments_value(cli->arguments, "limit");

	if (kind_has_filter(query->kind, "limit") &&
		rows == (limit != NULL ? strtoul(limit, NULL, 10) : CONNECTIONS_TOLD))
		fprintf(stderr, "the first %zu; there may be more: --limit N\n", rows);
}

static void
print(struct cli *cli, const struct query *query, json_t *data, bool watching)
{
	struct table *table;

	if (cli->json) {
		json_print(json_incref(data), watching ? JSON_COMPACT : JSON_INDENT(2));
	} else if (json_is_object(data)) {
		kind_print_object(stdout, data);
	} else {
		table = kind_table(query->kind, data);
		table_print(table, stdout);
		if (table_rows(table) == 0)
			fprintf(watching ? stdout : stderr, "no %s\n", query->kind->name);
		else if (!watching)
			tell_limit(cli, query, table_rows(table));
		table_free(table);
	}
}

/* Whether there is a router of that name, percent-encoded. */
static bool
is_router(struct cli *cli, const char *encoded)
{
	char *path = output_format("/restconf/data/weft-state:routers=%s", encoded);
	struct request request = { .path = path };
	struct reply reply;
	bool found;

	client_do(cli->client, &request, &reply);
	found = reply.end == REPLY_OK;
	reply_free(&reply);
	free(path);
	return found;
}

/* A device that has no ports is there; one that does not exist is an error. */
static enum cli_exit
check_prefix(struct cli *cli, const struct query *query, const json_t *data)
{
	char *device, *path;
	struct request request = { 0 };
	enum cli_exit exit = CLI_DONE;

	if (query->prefix == NULL || json_array_size(data) > 0)
		return CLI_DONE;
	device = output_format("%.*s", (int)strlen(query->prefix) - 1, query->prefix);
	path = client_encode(device);
	free(device);
	device = output_format("/restconf/data/weft-state:switches=%s", path);
	request.path = device;
	if (!is_router(cli, path))
		json_decref(answer_ask(cli, &request, &exit));
	free(device);
	free(path);
	return exit;
}

static enum cli_exit
show_once(struct cli *cli, const struct query *query, bool watching, bool *ended)
{
	struct request request = { .path = query->path };
	struct reply reply;
	enum cli_exit exit = CLI_DONE;
	json_t *data = NULL;

	client_do(cli->client, &request, &reply);
	*ended = reply.ended;
	if (reply.ended)
		return CLI_DONE;
	if (reply.end != REPLY_OK) {
		exit = answer_failed(cli, &reply, CLI_USAGE);
	} else if ((data = data_of(query, reply.body)) == NULL) {
		output_error("the answer of weftd is not a list of %s", query->kind->name);
		exit = CLI_FAILED;
	} else if ((exit = check_prefix(cli, query, data)) == CLI_DONE) {
		if (watching && !cli->json && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		print(cli, query, data, watching);
	}
	json_decref(data);
	reply_free(&reply);
	return exit;
}

static enum cli_exit
watch(struct cli *cli, const struct query *query, double seconds)
{
	enum cli_exit exit;
	bool ended;

	client_signals();
	do {
		exit = show_once(cli, query, true, &ended);
		if (!cli->json && !isatty(STDOUT_FILENO))
			putchar('\n');
		if (fflush(stdout) != 0)
			break; /* whoever read it has gone */
	} while (exit == CLI_DONE && !ended && client_sleep(seconds));
	return exit;
}

static enum cli_exit
run_query(struct cli *cli, const struct query *query)
{
	const char *text = arguments_value(cli->arguments, "watch");
	uint64_t nanoseconds = 1000000000;
	bool ended;

	if (text != NULL && (!duration_parse(text, &nanoseconds) || nanoseconds < 10000000)) {
		output_error("--watch takes seconds, 0.01 or more, not '%s'", text);
		return CLI_USAGE;
	}
	if (arguments_has(cli->arguments, "watch"))
		return watch(cli, query, (double)nanoseconds / 1e9);
	return show_once(cli, query, false, &ended);
}

static enum cli_exit
show_kind(struct cli *cli, const struct kind *kind, const char *name)
{
	struct query query = {
		.kind = kind,
		.path = output_format("/restconf/data/weft-state:%s", kind->name),
	};
	enum cli_exit exit = CLI_USAGE;

	if (kind->single && name != NULL) {
		output_error("there is one %s, without a name", kind->name);
	} else {
		if (name != NULL)
			add_name(&query, name);
		if (add_filters(&query, cli->arguments) == 0)
			exit = run_query(cli, &query);
	}
	free(query.path);
	free(query.prefix);
	return exit;
}

static enum cli_exit
unknown_kind(const char *name)
{
	const char *nearest = name == NULL ? NULL : kind_nearest(name);

	if (name == NULL)
		output_error("which objects?");
	else if (nearest != NULL)
		output_error("there are no objects '%s'; did you mean '%s'?", name, nearest);
	else
		output_error("there are no objects '%s'", name);
	fputs("  weft show", stderr);
	for (const struct kind *kind = kinds; kind->name != NULL; kind++)
		fprintf(stderr, "%s %s", kind == kinds ? "" : " |", kind->name);
	fputc('\n', stderr);
	return CLI_USAGE;
}

enum cli_exit
command_show(struct cli *cli)
{
	const char *object = cli->arguments->operands[0];
	const struct kind *kind = object == NULL ? NULL : kind_find(object);

	if (kind == NULL)
		return unknown_kind(object);
	return show_kind(cli, kind, cli->arguments->operands[1]);
}

enum cli_exit
command_history(struct cli *cli)
{
	return show_kind(cli, kind_find("history"), NULL);
}
