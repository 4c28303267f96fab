/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Applying a file: what `apply` and `up` share.
 */
#ifndef WEFT_CLI_CONFIGURE_H
#define WEFT_CLI_CONFIGURE_H

#include "cli/cli.h"

#include <jansson.h>

/* Adds --confirm, --note and who asks to an operation's input. False: wrong usage, told. */
bool configure_options(struct cli *cli, json_t *input);

/* Applies an input of file_input (its reference is taken), with the options in it; prints
 * what was done. */
enum cli_exit configure_apply(struct cli *cli, json_t *input);

#endif
