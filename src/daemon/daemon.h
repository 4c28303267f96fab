/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weftd: what its parts share.
 *
 * Threads
 *	main	signals, watchdog, punts, probes; blocks on nothing (daemon_run)
 *	tick	weft_tick() each second: ageing, checks of vnics; may take long
 *	config	loads, plans, commits, writes the history (config.h)
 *	leases	writes DHCP leases to the state folder (leases.h)
 *	flow-records	exports them (flow_export.h)
 *	API	one per connection (server.h): reads state, waits for config
 *	workers	libweft's
 *
 * Locks, in the order in which they may be taken
 *	engine_lock	commit and abort of a change, weft_tick, punt_drain, probe_...: one of
 *			them at a time. Held long by a commit: main only tries it.
 *	libweft's own	nics_lock, then weft_objects_lock, then that of routers' services
 */
#ifndef WEFT_DAEMON_DAEMON_H
#define WEFT_DAEMON_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <weft/weft.h>

struct config;
struct events;
struct flow_export;
struct way_out;

struct daemon {
	struct weft *weft;
	struct config *config;
	struct events *events;
	struct flow_export *flow_export; /* may be NULL */
	struct way_out *way_out;         /* may be NULL; config's */
	pthread_mutex_t engine_lock;
	uint64_t started;              /* ns of CLOCK_MONOTONIC */
	const char *socket, *state;    /* paths, as given */
	_Atomic unsigned streams;      /* of the API that are open */
	_Atomic bool ending;           /* streams end, changes are refused */
	void (*wake)(struct daemon *); /* any thread: main has something to do; may be NULL */
	void (*end)(struct daemon *);  /* any thread: as SIGTERM; may be NULL */
};

#endif
