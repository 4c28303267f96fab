/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/kinds.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

#ifndef WEFT_VERSION
#error "the build gives WEFT_VERSION"
#endif

static void
print_options(const struct option *options)
{
	for (; options != NULL && options->name != NULL; options++) {
		char *long_form = output_format(options->argument == NULL ? "--%s"
						: options->optional       ? "--%s[=%s]"
									  : "--%s %s",
			options->name, options->argument);

		printf("  %c%c%s %-28s %s\n", options->letter ? '-' : ' ',
			options->letter ? options->letter : ' ', options->letter ? "," : " ",
			long_form, options->summary);
		free(long_form);
	}
}

void
help_overview(void)
{
	const char *bold = output_style(stdout, STYLE_BOLD), *plain = output_plain(stdout);

	printf("weft weaves virtual networks, described by one YAML file.\n\n"
	       "%susage:%s weft COMMAND [OPERANDS] [OPTIONS]\n\n%scommands:%s\n",
		bold, plain, bold, plain);
	for (const struct command *command = commands; command->name != NULL; command++)
		if (!command->hidden)
			printf("  %-11s %s\n", command->name, command->summary);
	printf("\n%soptions of every command:%s\n", bold, plain);
	print_options(global_options);
	printf("\n%sexit status:%s 0 done, 1 failed, 2 wrong usage, 3 no such object, 4 no "
	       "daemon,\n"
	       "5 `plan` has changes. Names are network/device:port. More: man weft, weft help "
	       "show.\n",
		bold, plain);
}

void
help_command(const struct command *command)
{
	const char *bold = output_style(stdout, STYLE_BOLD), *plain = output_plain(stdout);

	printf("weft %s: %s\n\n%susage:%s weft %s%s%s%s\n", command->name, command->summary, bold,
		plain, command->name, *command->operands ? " " : "", command->operands,
		command->options != NULL ? " [OPTIONS]" : "");
	if (command->text != NULL)
		printf("\n%s\n", command->text);
	if (command->run == command_show) {
		printf("\n%sobjects:%s\n", bold, plain);
		for (const struct kind *kind = kinds; kind->name != NULL; kind++)
			printf("  %-11s %s\n", kind->name, kind->summary);
	}
	printf("\n%soptions:%s\n", bold, plain);
	print_options(command->options);
	print_options(global_options);
	if (command->example != NULL)
		printf("\n%sexample:%s %s\n", bold, plain, command->example);
}

void
help_usage(const struct command *command)
{
	if (command == NULL)
		fputs("usage: weft COMMAND [OPERANDS] [OPTIONS]; `weft help` lists the commands\n",
			stderr);
	else
		fprintf(stderr, "usage: weft %s%s%s%s; `weft help %s` tells more\n", command->name,
			*command->operands ? " " : "", command->operands,
			command->options != NULL ? " [OPTIONS]" : "", command->name);
}

enum cli_exit
command_help(struct cli *cli)
{
	const char *name = cli->arguments->operands[0];
	const struct command *command;
	const char *nearest;

	if (name == NULL) {
		help_overview();
		return CLI_DONE;
	}
	command = command_find(name);
	if (command != NULL) {
		help_command(command);
		return CLI_DONE;
	}
	nearest = command_nearest(name);
	if (nearest != NULL)
		output_error("there is no command '%s'; did you mean '%s'?", name, nearest);
	else
		output_error("there is no command '%s'; `weft help` lists them", name);
	return CLI_USAGE;
}

/* The daemon need not be there: its absence is no failure of `version`. */
enum cli_exit
command_version(struct cli *cli)
{
	struct request request = { .path = "/restconf/data/weft-state:system" };
	struct reply reply;
	const char *daemon = NULL;

	client_do(cli->client, &request, &reply);
	if (reply.end == REPLY_OK)
		daemon = json_string_value(json_object_get(
			json_object_get(reply.body, "weft-state:system"), "version"));
	if (cli->json) {
		json_print(json_pack("{ss ss?}", "weft", WEFT_VERSION, "weftd", daemon), 0);
	} else {
		char *clean = daemon == NULL ? NULL : output_clean(daemon, strlen(daemon), false);

		printf("weft %s\n", WEFT_VERSION);
		printf("weftd %s\n", clean != NULL ? clean : "does not answer");
		free(clean);
	}
	reply_free(&reply);
	return CLI_DONE;
}
