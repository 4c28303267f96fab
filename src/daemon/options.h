/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of weftd; see weftd(8). */
#ifndef WEFT_DAEMON_OPTIONS_H
#define WEFT_DAEMON_OPTIONS_H

#include "base/log.h"

struct options {
	const char *config; /* NULL: what ran last */
	const char *socket, *state;
	unsigned workers; /* 0: as the configuration says */
	enum log_level log_level;
};

/* -1: go on; else the exit status, everything has been told. */
int options_read(struct options *options, int count, char **words);

#endif
