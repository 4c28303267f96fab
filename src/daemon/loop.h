/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of the main thread: signals, the watchdog of systemd, punts, probes; and the tick
 * thread beside it. The loop never waits for a change that is being committed.
 */
#ifndef WEFT_DAEMON_LOOP_H
#define WEFT_DAEMON_LOOP_H

#include "daemon/daemon.h"

struct loop;

/* Sets daemon->wake and ->end. Blocks the signals that it takes: before other threads start. */
struct loop *loop_open(struct daemon *daemon, struct weft_error *error);
/* Returns when a signal or daemon->end asked for the end. */
int loop_run(struct loop *loop, struct weft_error *error);
void loop_close(struct loop *loop);

#endif
