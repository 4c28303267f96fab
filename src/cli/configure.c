/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/configure.h"

#include "base/duration.h"
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/file.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "cli/query.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Who asks, also behind sudo: for the history, not for rights. */
static void
add_user(json_t *input)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *user = getpwuid(geteuid());

	if (sudo != NULL && *sudo != '\0')
		json_object_set_new(input, "user", json_string(sudo));
	else if (user != NULL)
		json_object_set_new(input, "user", json_string(user->pw_name));
}

bool
configure_options(struct cli *cli, json_t *input)
{
	const char *confirm = arguments_value(cli->arguments, "confirm");
	const char *note = arguments_value(cli->arguments, "note");
	uint64_t nanoseconds;

	add_user(input);
	if (note != NULL) {
		json_t *text = json_string(note);

		if (text == NULL) {
			output_error("--note is not text (UTF-8)");
			return false;
		}
		json_object_set_new(input, "note", text);
	}
	if (confirm == NULL)
		return true;
	if (!duration_parse(confirm, &nanoseconds) || nanoseconds < 1000000000 ||
		nanoseconds > 86400000000000) {
		output_error(
			"--confirm takes a time from 1s to 24h, like 60s or 2m, not '%s'", confirm);
		return false;
	}
	json_object_set_new(input, "confirm-timeout",
		json_integer((json_int_t)((nanoseconds + 999999999) / 1000000000)));
	return true;
}

static void
print_warnings(const json_t *output)
{
	const json_t *warning;
	size_t i;

	fflush(stdout);
	json_array_foreach(json_object_get(output, "warnings"), i, warning)
		answer_diagnostic(stderr, warning);
}

/* What the kernel does not have yet. */
static void
print_degraded(const json_t *output)
{
	const json_t *object;
	size_t i;

	json_array_foreach(json_object_get(output, "degraded"), i, object)
	{
		const char *kind = answer_text(object, "kind"), *name = answer_text(object, "name");
		const char *reason = answer_text(object, "reason");

		printf("%sdegraded:%s ", output_style(stdout, STYLE_WARN), output_plain(stdout));
		answer_put(stdout, kind != NULL ? kind : "object");
		putchar(' ');
		answer_put(stdout, name != NULL ? name : "?");
		fputs(": ", stdout);
		answer_put(stdout, reason != NULL ? reason : "for no known reason");
		putchar('\n');
	}
}

static void
print_applied(struct cli *cli, const json_t *output)
{
	const char *confirm = arguments_value(cli->arguments, "confirm");
	unsigned long long number = answer_number(output, "number");
	char *summary = plan_summary(output, 1);

	if (plan_count(output) == 0)
		printf("nothing to change: configuration %llu is what runs\n", number);
	else
		printf("applied as configuration %llu: %s\n", number, summary);
	free(summary);
	print_degraded(output);
	if (confirm != NULL && plan_count(output) > 0)
		printf("it rolls back by itself in %s; `weft confirm` keeps it\n", confirm);
}

/* apply and rollback answer alike. */
static enum cli_exit
told_applied(struct cli *cli, json_t *output)
{
	print_warnings(output);
	if (cli->json) {
		json_print(json_incref(output), JSON_INDENT(2));
	} else {
		plan_print(stdout, output);
		print_applied(cli, output);
	}
	json_decref(output);
	return CLI_DONE;
}

enum cli_exit
configure_apply(struct cli *cli, json_t *input)
{
	enum cli_exit exit = CLI_FAILED;
	char *doing = output_format("applying %s", answer_text(input, "file"));
	json_t *output = answer_operation(cli, "apply", input, doing, &exit);

	free(doing);
	return output == NULL ? exit : told_applied(cli, output);
}

enum cli_exit
command_apply(struct cli *cli)
{
	json_t *input = file_input(cli->arguments->operands[0]);

	if (input == NULL)
		return CLI_FAILED;
	if (!configure_options(cli, input)) {
		json_decref(input);
		return CLI_USAGE;
	}
	return configure_apply(cli, input);
}

enum cli_exit
command_plan(struct cli *cli)
{
	json_t *input = file_input(cli->arguments->operands[0]), *output;
	enum cli_exit exit = CLI_FAILED;
	size_t count;
	char *summary;

	if (input == NULL)
		return CLI_FAILED;
	output = answer_operation(cli, "plan", input, "planning", &exit);
	if (output == NULL)
		return exit;
	count = plan_count(output);
	print_warnings(output);
	if (cli->json) {
		json_print(json_incref(output), JSON_INDENT(2));
	} else {
		plan_print(stdout, output);
		summary = plan_summary(output, 0);
		puts(count == 0 ? "nothing to change" : summary);
		free(summary);
	}
	json_decref(output);
	return count == 0 ? CLI_DONE : CLI_CHANGES;
}

enum cli_exit
command_validate(struct cli *cli)
{
	json_t *input = file_input(cli->arguments->operands[0]), *output;
	enum cli_exit exit = CLI_FAILED;

	if (input == NULL)
		return CLI_FAILED;
	output = answer_operation(cli, "validate", input, "validating", &exit);
	if (output == NULL)
		return exit;
	print_warnings(output);
	if (cli->json)
		json_print(json_incref(output), JSON_INDENT(2));
	else
		printf("%s is valid\n", cli->arguments->operands[0]);
	json_decref(output);
	return CLI_DONE;
}

enum cli_exit
command_confirm(struct cli *cli)
{
	enum cli_exit exit = CLI_FAILED;
	json_t *output = answer_operation(cli, "confirm", NULL, NULL, &exit);

	if (output == NULL)
		return exit;
	if (cli->json)
		json_print(json_incref(output), JSON_INDENT(2));
	else if (answer_number(output, "number") > 0)
		printf("configuration %llu is kept\n",
			(unsigned long long)answer_number(output, "number"));
	else
		puts("confirmed");
	json_decref(output);
	return CLI_DONE;
}

enum cli_exit
command_rollback(struct cli *cli)
{
	const char *text = cli->arguments->operands[0];
	enum cli_exit exit = CLI_FAILED;
	json_t *input, *output;
	char *doing;
	uint64_t number;

	if (!query_parse(text, 1, UINT32_MAX, &number)) {
		output_error(
			"rollback takes the number of a configuration (`weft history`), not '%s'",
			text);
		return CLI_USAGE;
	}
	input = output_memory(json_pack("{sI}", "number", (json_int_t)number));
	if (!configure_options(cli, input)) {
		json_decref(input);
		return CLI_USAGE;
	}
	doing = output_format("rolling back to %s", text);
	output = answer_operation(cli, "rollback", input, doing, &exit);
	free(doing);
	return output == NULL ? exit : told_applied(cli, output);
}

enum cli_exit
command_export(struct cli *cli)
{
	const char *file = cli->arguments->operands[0];
	enum cli_exit exit = CLI_FAILED;
	json_t *output = answer_operation(cli, "export", NULL, NULL, &exit);
	const char *yaml;

	if (output == NULL)
		return exit;
	exit = CLI_DONE;
	yaml = answer_text(output, "yaml");
	if (yaml == NULL) {
		output_error("the answer of weftd has no YAML in it");
		exit = CLI_FAILED;
	} else if (file != NULL && strcmp(file, "-") != 0) {
		exit = file_write(file, yaml) ? CLI_DONE : CLI_FAILED;
	} else if (cli->json) {
		json_print(json_incref(output), JSON_INDENT(2));
	} else if (isatty(STDOUT_FILENO)) {
		answer_put(stdout, yaml);
	} else {
		fputs(yaml, stdout);
	}
	json_decref(output);
	return exit;
}
