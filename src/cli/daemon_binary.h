/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where weftd is.
 */
#ifndef WEFT_CLI_DAEMON_BINARY_H
#define WEFT_CLI_DAEMON_BINARY_H

/* Malloced path of weftd: beside this program (as installed, or in a build folder), else in
 * PATH and the sbin folders. NULL: there is none. */
char *daemon_binary(void);

#endif
