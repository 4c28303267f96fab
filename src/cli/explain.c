/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/query.h"
#include "cli/steps.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_LIMIT 65535

/* tcp/443, udp/53, icmp. False: it is not one, told. */
static bool
add_protocol(json_t *input, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
	bool ports =
		(length == 3 && (strncmp(text, "tcp", 3) == 0 || strncmp(text, "udp", 3) == 0));
	bool icmp = slash == NULL && strcmp(text, "icmp") == 0;
	uint64_t port = 0;

	if (!icmp && (!ports || slash == NULL || !query_parse(slash + 1, 1, 65535, &port))) {
		output_error("the protocol is tcp/PORT, udp/PORT or icmp, not '%s'", text);
		return false;
	}
	json_object_set_new(input, "protocol", json_stringn(text, length));
	if (ports)
		json_object_set_new(input, "to-port", json_integer((json_int_t)port));
	return true;
}

static bool
add_number(json_t *input, const struct arguments *arguments, const char *name, uint64_t most)
{
	const char *text = arguments_value(arguments, name);
	uint64_t number;

	if (text == NULL)
		return true;
	if (!query_parse(text, 1, most, &number)) {
		output_error("--%s takes a number from 1 to %llu, not '%s'", name,
			(unsigned long long)most, text);
		return false;
	}
	json_object_set_new(input, name, json_integer((json_int_t)number));
	return true;
}

/* Hex digits; blanks, colons and dashes between them are as people paste them. */
static bool
add_frame(json_t *input, const char *text)
{
	char *hex = output_memory(malloc(strlen(text) + 1));
	size_t length = 0;
	bool good = true;

	for (const char *c = text; *c != '\0' && good; c++) {
		if (isxdigit((unsigned char)*c))
			hex[length++] = (char)tolower((unsigned char)*c);
		else
			good = isspace((unsigned char)*c) || *c == ':' || *c == '-';
	}
	good = good && length % 2 == 0 && length >= 28 && length / 2 <= FRAME_LIMIT;
	if (good)
		json_object_set_new(input, "frame", json_stringn(hex, length));
	else
		output_error("--frame takes 14 to %u bytes in hex, from the destination MAC on",
			FRAME_LIMIT);
	free(hex);
	return good;
}

static bool
add_text(json_t *input, const char *name, const char *text)
{
	json_t *value = json_string(text);

	if (value == NULL) {
		output_error("'%s' is not text (UTF-8)", text);
		return false;
	}
	json_object_set_new(input, name, value);
	return true;
}

/*
 * NETWORK/NIC, or NETWORK from NIC: the vnic; *used tells how many of the words that were. NULL:
 * wrong usage, told.
 */
static char *
read_from(const struct arguments *arguments, unsigned *used)
{
	const char *const *words = arguments->operands;

	if (arguments->count > 1 && strcmp(words[1], "from") == 0) {
		*used = 3;
		if (arguments->count > 2)
			return output_format("%s/%s", words[0], words[2]);
	} else {
		*used = 1;
		if (arguments->count > 0)
			return output_format("%s", words[0]);
	}
	output_error("from which vnic? weft explain NETWORK/NIC to ADDRESS [tcp/443]");
	return NULL;
}

/* What the command line asks for; false: wrong usage, told. */
static bool
fill_input(json_t *input, const struct arguments *arguments)
{
	const char *frame = arguments_value(arguments, "frame");
	unsigned used;
	char *from = read_from(arguments, &used);
	const char *const *words = arguments->operands + used;
	bool good = from != NULL && add_text(input, "from", from);
	unsigned count = arguments->count - used;

	free(from);
	if (!good)
		return false;
	if (frame != NULL) {
		if (count == 0)
			return add_frame(input, frame);
		output_error("--frame says where to; '%s' is too much", words[0]);
		return false;
	}
	if (count < 2 || strcmp(words[0], "to") != 0) {
		output_error("where to? weft explain %s to ADDRESS [tcp/443]",
			json_string_value(json_object_get(input, "from")));
		return false;
	}
	if (count > 3) {
		output_error("'%s' is too much", words[3]);
		return false;
	}
	return add_text(input, "to", words[1]) &&
	       add_protocol(input, count > 2 ? words[2] : "icmp") &&
	       add_number(input, arguments, "vlan", 4094) &&
	       add_number(input, arguments, "from-port", 65535);
}

static enum cli_exit
print_steps(struct cli *cli, const json_t *output)
{
	const json_t *list = json_object_get(output, "steps"), *step;
	const char *verdict = answer_text(output, "verdict"), *last = NULL;
	struct steps steps = { 0 };
	size_t i, verdicts = 0;

	json_array_foreach(list, i, step)
	{
		if (answer_text(step, "verdict") != NULL) {
			last = answer_text(step, "verdict");
			verdicts++;
		}
		if (!cli->json)
			steps_print(stdout, &steps, step);
	}
	if (cli->json)
		json_print(json_incref((json_t *)output), JSON_INDENT(2));
	else if (verdict != NULL && verdicts != 1) { /* of one copy the step told it */
		answer_put(stdout, verdict);
		putchar('\n');
	}
	if (verdict == NULL)
		verdict = last;
	return verdict != NULL && (strncmp(verdict, "sent", 4) == 0 ||
					  strncmp(verdict, "taken", 5) == 0)
		       ? CLI_DONE
		       : CLI_FAILED;
}

enum cli_exit
command_explain(struct cli *cli)
{
	json_t *input = output_memory(json_object()), *output;
	enum cli_exit exit = CLI_USAGE;

	if (!fill_input(input, cli->arguments)) {
		json_decref(input);
		return CLI_USAGE;
	}
	output = answer_operation(cli, "explain", input, NULL, &exit);
	if (output == NULL)
		return exit;
	exit = print_steps(cli, output);
	json_decref(output);
	return exit;
}
