/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of commands: the one place that says what there is. Arguments are parsed by it,
 * help and usage errors are printed from it, completion completes from it.
 */
#ifndef WEFT_CLI_COMMANDS_H
#define WEFT_CLI_COMMANDS_H

#include "cli/cli.h"

/* What a word may be, for completion. */
enum word {
	WORD_NONE,
	WORD_FILE,
	WORD_COMMAND,
	WORD_KIND, /* of weft-state */
	WORD_NAME, /* of an object of the kind before it */
	WORD_NETWORK,
	WORD_SWITCH,
	WORD_ROUTER,
	WORD_FIREWALL,
	WORD_PORT,
	WORD_NIC,
	WORD_NUMBER, /* of the history */
	WORD_FILTER, /* of packets */
	WORD_TO,     /* the word "to" */
	WORD_PROTOCOL,
	WORD_SHELL,
	WORD_COLOUR,
};

struct option {
	const char *name;
	char letter;          /* 0: none */
	const char *argument; /* NULL: takes none */
	bool optional;        /* the argument may be missing */
	enum word word;
	const char *summary;
};

struct command {
	const char *name;
	const char *summary;
	const char *operands;         /* as usage shows them */
	unsigned least, most;         /* number of operands */
	enum word words[4];           /* of each operand; the last one repeats */
	const struct option *options; /* up to one without a name, or NULL */
	enum cli_exit (*run)(struct cli *cli);
	const char *text; /* more about it, for `weft help COMMAND` */
	const char *example;
	bool hidden;
};

/* Up to one without a name. */
extern const struct command commands[];
extern const struct option global_options[];

const struct command *command_find(const char *name);
/* The nearest command's name, or NULL. */
const char *command_nearest(const char *name);

/* `weft help`, `weft help COMMAND`, to stdout; the usage line alone, to stderr. */
void help_overview(void);
void help_command(const struct command *command);
void help_usage(const struct command *command);

#endif
