/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server-sent events (WHATWG HTML, 9.2), as far as weftd sends them: fields event and data,
 * comments.
 */
#ifndef WEFT_CLI_EVENTS_H
#define WEFT_CLI_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

/* A longer event is malformed. */
#define EVENTS_LIMIT (1u << 20)

/* One event; kind "message" when it has none. False ends the stream. */
typedef bool (*events_take)(void *context, const char *kind, const char *data);

/* All zero but take and context to begin with. */
struct events {
	events_take take;
	void *context;
	struct events_text {
		char *bytes;
		size_t length, room;
	} line, data;
	char *kind;
	bool ended;     /* take said so */
	bool malformed; /* longer than the limit */
};

/* A piece of the stream, cut anywhere. False: no more of it is wanted. */
bool events_feed(struct events *events, const char *bytes, size_t length);
void events_free(struct events *events);

#endif
