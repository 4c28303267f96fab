/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

static void
put_or(const char *text, const char *otherwise)
{
	answer_put(stdout, text != NULL ? text : otherwise);
}

/* A test that was given no name is named for what it does: not to be told twice. */
static bool
has_own_name(const char *name, const char *from, const char *what)
{
	char *made;
	bool own;

	if (name == NULL || *name == '\0' || from == NULL || what == NULL)
		return name != NULL && *name != '\0';
	made = output_format("%s %s", from, what);
	own = strcmp(name, made) != 0;
	free(made);
	return own;
}

/* "ok    red: web ping 10.0.0.11 (0.2 ms)"; what failed says what was expected, and why. */
static bool
print_test(const json_t *test)
{
	bool holds = answer_flag(test, "holds");
	const char *expect = answer_text(test, "expect"), *result = answer_text(test, "result");
	const char *text = answer_text(test, "text"), *name = answer_text(test, "name");

	printf("%s%s%s  ", output_style(stdout, holds ? STYLE_GOOD : STYLE_BAD),
		holds ? "ok  " : "FAIL", output_plain(stdout));
	put_or(answer_text(test, "network"), "?");
	fputs(": ", stdout);
	if (has_own_name(name, answer_text(test, "from"), answer_text(test, "what"))) {
		answer_put(stdout, name);
		fputs(": ", stdout);
	}
	put_or(answer_text(test, "from"), "?");
	putchar(' ');
	put_or(answer_text(test, "what"), "?");
	fputs(": ", stdout);
	put_or(result, "no result");
	if (!holds && expect != NULL) {
		fputs(", expected ", stdout);
		answer_put(stdout, expect);
	}
	if (text != NULL && *text != '\0') {
		fputs(" (", stdout);
		answer_put(stdout, text);
		putchar(')');
	}
	putchar('\n');
	return holds;
}

enum cli_exit
command_test(struct cli *cli)
{
	const char *network = cli->arguments->operands[0];
	json_t *input = network == NULL ? json_object() : json_pack("{ss}", "network", network);
	enum cli_exit exit = CLI_FAILED;
	json_t *output, *test;
	size_t i, count, failed = 0;

	if (input == NULL) {
		output_error("the network's name is not text (UTF-8)");
		return CLI_USAGE;
	}
	output = answer_operation(cli, "test", input, "testing", &exit);
	if (output == NULL)
		return exit;
	count = json_array_size(json_object_get(output, "tests"));
	json_array_foreach(json_object_get(output, "tests"), i, test) failed +=
		cli->json ? !answer_flag(test, "holds") : !print_test(test);
	if (cli->json)
		json_print(json_incref(output), JSON_INDENT(2));
	else if (count == 0)
		puts("the configuration has no tests");
	else
		printf("%zu of %zu tests hold\n", count - failed, count);
	json_decref(output);
	return failed == 0 ? CLI_DONE : CLI_FAILED;
}
