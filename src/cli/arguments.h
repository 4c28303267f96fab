/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a command line, sorted into command, operands and options by the table of
 * commands. Options may stand anywhere; after "--" there are none.
 */
#ifndef WEFT_CLI_ARGUMENTS_H
#define WEFT_CLI_ARGUMENTS_H

#include "cli/commands.h"

#include <weft/weft.h>

struct given_option {
	const struct option *option;
	const char *value; /* NULL: none was given */
};

struct arguments {
	const struct command *command; /* NULL: none was named */
	const char **operands;         /* `count` of them, then NULL */
	unsigned count;
	struct given_option *given;
	unsigned n_given;
};

/* -1: the line is not right, and `error` says why (the command, if known, is set). The
 * words must live as long as the arguments. */
int arguments_parse(
	struct arguments *arguments, int count, char *const *words, struct weft_error *error);
void arguments_free(struct arguments *arguments);

bool arguments_has(const struct arguments *arguments, const char *option);
/* Value of an option, the last one given; NULL: not given, or without a value. */
const char *arguments_value(const struct arguments *arguments, const char *option);

#endif
