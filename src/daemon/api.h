/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The API of weftd (docs/api.md) without HTTP and sockets: a request in, an answer out. The
 * server (server.h) carries both; a fuzzer calls it directly.
 *
 * Any thread but the config thread and the workers; may wait for the config thread.
 */
#ifndef WEFT_DAEMON_API_H
#define WEFT_DAEMON_API_H

#include "daemon/daemon.h"

#include <stddef.h>
#include <sys/types.h>

#define API_JSON "application/yang-data+json"
#define API_EVENTS "text/event-stream"

struct api_request {
	const char *method;
	const char
		*target; /* as it came, still encoded: "/restconf/data/weft:networks=red?depth=2" */
	const char *body; /* NUL behind it */
	size_t length;
	const char *user; /* who asks, or NULL */
	/* header fields as they came; NULL: there is none */
	const char *content_type, *if_match, *if_none_match;
};

/*
 * A body without end. read() waits until there is something to send and returns how many
 * bytes it wrote (at most `size`, which is at least API_STREAM_SIZE), or -1: it is over.
 */
#define API_STREAM_SIZE (128 * 1024)
/* Of the server's connections: clients that have stopped reading leave room for others. */
#define API_STREAM_LIMIT 192
struct api_stream {
	struct daemon *daemon;
	int peer; /* the connection, to see that the other side has gone; -1: unknown */
	ssize_t (*read)(struct api_stream *stream, char *bytes, size_t size);
	void (*close)(struct api_stream *stream); /* api_stream_close() calls it; frees it, too */
};

void api_stream_close(struct api_stream *stream);

#define API_ETAG_SIZE 16

struct api_answer {
	unsigned status;
	const char *content_type; /* static; NULL: no body */
	char *body;               /* malloced */
	size_t length;
	const char *allow;         /* static; of 405 and OPTIONS */
	char *location;            /* malloced; of 201 */
	char etag[API_ETAG_SIZE];  /* of the configuration; "": none */
	struct api_stream *stream; /* instead of a body */
	bool ends;                 /* weftd is to end when the answer has been sent */
};

void api_answer(
	struct daemon *daemon, const struct api_request *request, struct api_answer *answer);
/* For a request that cannot be read as a whole: 413, or 500. */
void api_refuse(struct api_answer *answer, bool too_long);
/* Frees what the answer holds; a stream that nobody has taken is closed. */
void api_answer_free(struct api_answer *answer);

#endif
