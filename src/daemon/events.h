/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens, for `weft monitor` (GET /streams/events) and the log. The last EVENTS_KEPT
 * events are kept in a ring: a reader that is slower loses the oldest, and is told how many.
 *
 * Any thread may emit and read.
 */
#ifndef WEFT_DAEMON_EVENTS_H
#define WEFT_DAEMON_EVENTS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define EVENTS_KEPT 1024
#define EVENT_KIND_SIZE 24
#define EVENT_OBJECT_SIZE 256
#define EVENT_TEXT_SIZE 300

enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_ERROR };

struct event {
	uint64_t number; /* counts up from 1 */
	uint64_t time;   /* ns since 1970 */
	enum event_severity severity;
	char kind[EVENT_KIND_SIZE];
	char object[EVENT_OBJECT_SIZE]; /* "red/lan", may be empty */
	char text[EVENT_TEXT_SIZE];
};

struct events;

/* NULL: out of memory. */
struct events *events_open(void);
void events_close(struct events *events);

void events_emit(struct events *events, enum event_severity severity, const char *kind,
	const char *object, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Number of the newest event; 0: there was none. */
uint64_t events_last(struct events *events);
/*
 * The oldest event that is newer than number `after`; waits at most `milliseconds` for it.
 * False: there is none, or events_wake_all was called.
 */
bool events_read(struct events *events, uint64_t after, unsigned milliseconds, struct event *event);
/* Ends everybody's waiting. */
void events_wake_all(struct events *events);

const char *event_severity_name(enum event_severity severity);

#endif
