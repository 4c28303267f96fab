/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DHCP leases that outlive weftd: the file `leases` in its state folder, and events about them.
 *
 * A thread of its own writes the file, whole, beside it and renamed, with fsync: at once after a
 * change, but for a pause of a tenth of a second to a second after the write before, the longer
 * that has taken. A client gets its address when that has been done, so that
 * no crash makes weftd forget what a client was promised. Without room on the disk that is told,
 * and clients get their addresses all the same.
 *
 * The file is JSON: {"version": 1, "ports": {"red/r1:lan": [lease...]}}. A port that has gone
 * stays in it until its leases have ended: it may come back. A file that is none is told of, put
 * aside as `leases.bad`, and begun anew.
 *
 * Threads: leases_open and _close by main, while nothing else runs; the hooks on the control
 * thread; the rest on its own.
 */
#ifndef WEFT_DAEMON_LEASES_H
#define WEFT_DAEMON_LEASES_H

#include "daemon/daemon.h"

struct leases;

/* With the engine there, and before the first configuration. NULL: out of memory, no thread. */
struct leases *leases_open(struct daemon *daemon, struct weft_error *error);
/* Before the engine ends: writes what has changed. */
void leases_stop(struct leases *leases);
/* Behind its end. */
void leases_close(struct leases *leases);

#endif
