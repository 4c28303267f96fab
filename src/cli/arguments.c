/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/arguments.h"

#include "base/error.h"
#include "base/nearest.h"
#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct option *
find_in(const struct option *options, const char *name, size_t length, char letter)
{
	for (; options != NULL && options->name != NULL; options++) {
		if (letter != 0 && options->letter == letter)
			return options;
		if (letter == 0 && strlen(options->name) == length &&
			strncmp(options->name, name, length) == 0)
			return options;
	}
	return NULL;
}

/* The command's own come first: `capture -n` may mean other than a global -n. */
static const struct option *
find_option(const struct arguments *arguments, const char *name, size_t length, char letter)
{
	const struct option *option = NULL;

	if (arguments->command != NULL)
		option = find_in(arguments->command->options, name, length, letter);
	return option != NULL ? option : find_in(global_options, name, length, letter);
}

static int
unknown_option(const struct arguments *arguments, const char *word, size_t length,
	struct weft_error *error)
{
	char *name = output_format("%.*s", (int)length, word);
	struct nearest nearest = { .wanted = name + strspn(name, "-") };

	if (arguments->command != NULL)
		for (const struct option *o = arguments->command->options; o && o->name; o++)
			nearest_offer(&nearest, o->name);
	for (const struct option *o = global_options; o->name != NULL; o++)
		nearest_offer(&nearest, o->name);
	if (nearest.best != NULL && name[0] == '-' && name[1] == '-')
		error_set(error, EINVAL, "there is no option %s; did you mean --%s?", name,
			nearest.best);
	else
		error_set(error, EINVAL, "there is no option %s", name);
	free(name);
	return -1;
}

static void
give(struct arguments *arguments, const struct option *option, const char *value)
{
	arguments->given[arguments->n_given++] =
		(struct given_option){ .option = option, .value = value };
}

/* --name, --name=value, --name value. *next is the word behind it. */
static int
parse_long(
	struct arguments *arguments, const char *word, char *const **next, struct weft_error *error)
{
	const char *name = word + 2, *equals = strchr(name, '=');
	size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct option *option = find_option(arguments, name, length, 0);

	if (option == NULL)
		return unknown_option(arguments, word, length + 2, error);
	if (equals != NULL) {
		if (option->argument == NULL)
			return error_set(error, EINVAL, "--%s takes no value", option->name);
		give(arguments, option, equals + 1);
		return 0;
	}
	if (option->argument == NULL || option->optional) {
		give(arguments, option, NULL);
		return 0;
	}
	if (**next == NULL)
		return error_set(error, EINVAL, "--%s needs a value: --%s %s", option->name,
			option->name, option->argument);
	give(arguments, option, *(*next)++);
	return 0;
}

/* -a, -ab, -w FILE, -wFILE */
static int
parse_short(
	struct arguments *arguments, const char *word, char *const **next, struct weft_error *error)
{
	for (const char *letter = word + 1; *letter != '\0'; letter++) {
		const struct option *option = find_option(arguments, NULL, 0, *letter);

		if (option == NULL) {
			char unknown[3] = { '-', *letter, '\0' };

			return unknown_option(arguments, unknown, 2, error);
		}
		if (option->argument == NULL || (option->optional && letter[1] == '\0')) {
			give(arguments, option, NULL);
			continue;
		}
		if (letter[1] != '\0')
			give(arguments, option, letter + 1);
		else if (**next != NULL)
			give(arguments, option, *(*next)++);
		else
			return error_set(error, EINVAL, "-%c needs a value: -%c %s", option->letter,
				option->letter, option->argument);
		return 0;
	}
	return 0;
}

/* Many people write `--watch 2` where the value may be missing: digits there belong to it. */
static void
optional_value(struct arguments *arguments, char *const **next)
{
	struct given_option *last;

	if (arguments->n_given == 0 || **next == NULL)
		return;
	last = &arguments->given[arguments->n_given - 1];
	if (last->option->optional && last->value == NULL &&
		strspn(**next, "0123456789.ms") == strlen(**next) && (**next)[0] != '\0')
		last->value = *(*next)++;
}

static int
parse_word(struct arguments *arguments, const char *word, struct weft_error *error)
{
	const char *nearest;

	if (arguments->command != NULL) {
		arguments->operands[arguments->count++] = word;
		return 0;
	}
	arguments->command = command_find(word);
	if (arguments->command != NULL)
		return 0;
	nearest = command_nearest(word);
	if (nearest != NULL)
		return error_set(error, EINVAL, "there is no command '%s'; did you mean '%s'?",
			word, nearest);
	return error_set(error, EINVAL, "there is no command '%s'; `weft help` lists them", word);
}

static int
check_count(const struct arguments *arguments, struct weft_error *error)
{
	const struct command *command = arguments->command;

	if (command == NULL || arguments_has(arguments, "help"))
		return 0;
	if (arguments->count < command->least)
		return error_set(error, EINVAL, "something is missing behind '%s'", command->name);
	if (arguments->count > command->most)
		return error_set(error, EINVAL, "'%s' is too much behind '%s'",
			arguments->operands[command->most], command->name);
	return 0;
}

int
arguments_parse(
	struct arguments *arguments, int count, char *const *words, struct weft_error *error)
{
	char *const *next = words;
	bool options = true;
	int status = 0;

	*arguments = (struct arguments){ 0 };
	arguments->operands = output_memory(calloc((size_t)count + 1, sizeof(char *)));
	/* -abc gives three */
	size_t room = 1;
	for (int i = 0; i < count; i++)
		room += strlen(words[i]) + 1;
	arguments->given = output_memory(calloc(room, sizeof(struct given_option)));

	while (*next != NULL && status == 0) {
		const char *word = *next++;

		if (!options || word[0] != '-' || word[1] == '\0') {
			status = parse_word(arguments, word, error);
		} else if (strcmp(word, "--") == 0) {
			options = false;
		} else {
			status = word[1] == '-' ? parse_long(arguments, word, &next, error)
						: parse_short(arguments, word, &next, error);
			if (status == 0)
				optional_value(arguments, &next);
		}
	}
	return status == 0 ? check_count(arguments, error) : status;
}

void
arguments_free(struct arguments *arguments)
{
	free(arguments->operands);
	free(arguments->given);
}

static const struct given_option *
last_given(const struct arguments *arguments, const char *name)
{
	for (unsigned i = arguments->n_given; i > 0; i--)
		if (strcmp(arguments->given[i - 1].option->name, name) == 0)
			return &arguments->given[i - 1];
	return NULL;
}

bool
arguments_has(const struct arguments *arguments, const char *option)
{
	return last_given(arguments, option) != NULL;
}

const char *
arguments_value(const struct arguments *arguments, const char *option)
{
	const struct given_option *given = last_given(arguments, option);

	return given == NULL ? NULL : given->value;
}
