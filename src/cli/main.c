/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/duration.h"
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/output.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static bool
set_output(const struct arguments *arguments)
{
	const char *when = arguments_value(arguments, "color");
	enum colour_choice choice = COLOUR_AUTO;

	if (when != NULL && strcmp(when, "always") == 0)
		choice = COLOUR_ALWAYS;
	else if (when != NULL && strcmp(when, "never") == 0)
		choice = COLOUR_NEVER;
	else if (when != NULL && strcmp(when, "auto") != 0) {
		output_error("--color is auto, always or never, not '%s'", when);
		return false;
	}
	output_setup(choice, arguments_has(arguments, "exact"));
	return true;
}

/* Seconds; 0: the defaults. Negative: told. */
static double
timeout_of(const struct arguments *arguments)
{
	const char *text = arguments_value(arguments, "timeout");
	uint64_t nanoseconds;

	if (text == NULL)
		return 0;
	if (duration_parse(text, &nanoseconds) && nanoseconds >= 1000000 &&
		nanoseconds <= 864000000000000)
		return (double)nanoseconds / 1e9;
	output_error("--timeout takes a time like 5s, 500ms or 2m, not '%s'", text);
	return -1;
}

static const char *
socket_of(const struct arguments *arguments, bool *given)
{
	const char *path = arguments_value(arguments, "socket");

	if (path == NULL)
		path = getenv("WEFT_SOCKET");
	*given = path != NULL && *path != '\0';
	return *given ? path : CLI_SOCKET;
}

static enum cli_exit
run(const struct arguments *arguments)
{
	struct cli cli = { .arguments = arguments, .json = arguments_has(arguments, "json") };
	double seconds = timeout_of(arguments);
	enum cli_exit exit;

	if (seconds < 0)
		return CLI_USAGE;
	cli.socket = socket_of(arguments, &cli.socket_given);
	cli.client = client_open(cli.socket, seconds);
	exit = arguments->command->run(&cli);
	client_close(cli.client);
	if (!output_flush() && exit == CLI_DONE)
		exit = CLI_FAILED;
	return exit;
}

static enum cli_exit
usage_error(const struct arguments *arguments, const struct weft_error *error)
{
	output_error("%s", error->text);
	help_usage(arguments->command);
	return CLI_USAGE;
}

static enum cli_exit
without_command(const struct arguments *arguments)
{
	if (arguments_has(arguments, "version")) {
		puts("weft " WEFT_VERSION);
		return CLI_DONE;
	}
	if (arguments_has(arguments, "help")) {
		help_overview();
		return CLI_DONE;
	}
	help_usage(NULL);
	return CLI_USAGE;
}

/* What is to be completed is no command line yet: it is taken as it is. */
static void
completion_arguments(struct arguments *arguments, int count, char **words)
{
	*arguments = (struct arguments){
		.command = command_find("__complete"),
		.operands = output_memory(calloc((size_t)count + 1, sizeof(char *))),
		.count = (unsigned)count,
	};
	for (int i = 0; i < count; i++)
		arguments->operands[i] = words[i];
}

int
main(int argc, char **argv)
{
	struct arguments arguments;
	struct weft_error error;
	enum cli_exit exit;

	/* for the widths of characters alone; whoever lacks it sees them as one column wide */
	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN); /* `| head`: seen as EPIPE */
	output_setup(COLOUR_AUTO, false);
	if (argc > 1 && strcmp(argv[1], "__complete") == 0) {
		completion_arguments(&arguments, argc - 2, argv + 2);
		exit = run(&arguments);
	} else if (arguments_parse(&arguments, argc > 0 ? argc - 1 : 0, argv + 1, &error) != 0) {
		exit = usage_error(&arguments, &error);
	} else if (!set_output(&arguments)) {
		exit = CLI_USAGE;
	} else if (arguments.command == NULL) {
		exit = without_command(&arguments);
	} else if (arguments_has(&arguments, "help")) {
		help_command(arguments.command);
		exit = CLI_DONE;
	} else {
		exit = run(&arguments);
	}
	arguments_free(&arguments);
	return exit;
}
