/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line: what its parts share. It is a client of the API (docs/api.md) and uses
 * nothing else of weft but a few words of base/.
 *
 * One thread; memory that a command takes may live until the process ends; running out of
 * it ends the process with a message (output.h).
 */
#ifndef WEFT_CLI_CLI_H
#define WEFT_CLI_CLI_H

#include <stdbool.h>

/* Exit codes are an interface: scripts rely on them (weft.1). */
enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_OBJECT = 3,
	CLI_NO_DAEMON = 4,
	CLI_CHANGES = 5, /* `plan`: the file differs from what runs */
};

#define CLI_SOCKET "/run/weft/weft.sock"

struct arguments;
struct client;

struct cli {
	const struct arguments *arguments;
	const char *socket;
	bool socket_given; /* by --socket or WEFT_SOCKET */
	bool json;
	struct client *client;
};

/* One for each command of the table in commands.c. */
enum cli_exit command_apply(struct cli *cli);
enum cli_exit command_capture(struct cli *cli);
enum cli_exit command_complete(struct cli *cli);
enum cli_exit command_completion(struct cli *cli);
enum cli_exit command_confirm(struct cli *cli);
enum cli_exit command_doctor(struct cli *cli);
enum cli_exit command_down(struct cli *cli);
enum cli_exit command_explain(struct cli *cli);
enum cli_exit command_kill(struct cli *cli);
enum cli_exit command_ping(struct cli *cli);
enum cli_exit command_traceroute(struct cli *cli);
enum cli_exit command_export(struct cli *cli);
enum cli_exit command_help(struct cli *cli);
enum cli_exit command_history(struct cli *cli);
enum cli_exit command_monitor(struct cli *cli);
enum cli_exit command_plan(struct cli *cli);
enum cli_exit command_rollback(struct cli *cli);
enum cli_exit command_show(struct cli *cli);
enum cli_exit command_test(struct cli *cli);
enum cli_exit command_trace(struct cli *cli);
enum cli_exit command_up(struct cli *cli);
enum cli_exit command_validate(struct cli *cli);
enum cli_exit command_version(struct cli *cli);

#endif
