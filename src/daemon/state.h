/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is: the objects of GET /restconf/data/weft-state:KIND as JSON (docs/api.md), from the
 * live engine and the running configuration.
 *
 * Any thread. Holds the engine's locks only while it collects.
 */
#ifndef WEFT_DAEMON_STATE_H
#define WEFT_DAEMON_STATE_H

#include "daemon/daemon.h"

#include <jansson.h>

/* Decoded strings; NULL: not given. */
struct state_query {
	const char *kind; /* "ports" */
	const char *name; /* of one object; NULL: all of them */
	const char *network, *device, *router, *port, *vlan, *mac, *reason; /* filters */
	const char *prefix, *family, *address, *firewall, *protocol, *limit;
};

/*
 * The objects: an array (of one for a name), sorted by name as people sort; of `system` one
 * object. NULL and an error: code ENOENT when there is no such kind, object or network (the
 * text names the nearest), EINVAL for a filter that is not of its form or that the kind does
 * not have, ENOMEM.
 */
json_t *state_read(
	struct daemon *daemon, const struct state_query *query, struct weft_error *error);

/* What the kernel does not have as configured: [{"kind", "name", "reason"}]. NULL: ENOMEM. */
json_t *state_degraded(struct daemon *daemon);

/* "2026-11-22T12:00:00.123456+00:00" of ns since 1970, into `text`; returns it. */
#define STATE_TIME_SIZE 40
const char *state_time(uint64_t nanoseconds, char text[STATE_TIME_SIZE]);
/* A time of the engine's clock (engine_now) as ns since 1970. */
uint64_t state_wall_clock(struct daemon *daemon, uint64_t engine_time);

#endif
