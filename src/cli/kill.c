/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

static void
add_text(json_t *input, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(input, name, output_memory(json_string(text)));
}

/* "red", or "red/fw" */
static void
add_place(json_t *input, const char *place)
{
	if (place != NULL)
		add_text(input, strchr(place, '/') != NULL ? "firewall" : "network", place);
}

enum cli_exit
command_kill(struct cli *cli)
{
	const struct arguments *arguments = cli->arguments;
	static const char *const names[] = { "address", "prefix", "protocol" };
	json_t *input = output_memory(json_object()), *output;
	enum cli_exit exit = CLI_DONE;
	uint64_t killed;

	add_place(input, arguments->count > 0 ? arguments->operands[0] : NULL);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_text(input, names[i], arguments_value(arguments, names[i]));
	if (json_object_size(input) == 0 && !arguments_has(arguments, "all")) {
		output_error("which connections? Name a network or a firewall, or say --address, "
			     "--prefix, --protocol, or --all");
		json_decref(input);
		return CLI_USAGE;
	}
	if (json_object_size(input) == 0)
		json_object_set_new(input, "all", json_true());
	output = answer_operation(cli, "kill", input, NULL, &exit);
	if (output == NULL)
		return exit;
	killed = answer_number(output, "killed");
	if (cli->json)
		json_print(json_incref(output), JSON_INDENT(2));
	else
		printf("%llu connection%s ended\n", (unsigned long long)killed,
			killed == 1 ? "" : "s");
	json_decref(output);
	return CLI_DONE;
}
