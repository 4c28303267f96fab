/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking weftd: one HTTP request over its unix socket, answered by JSON or by a stream.
 * Nothing is printed here but the time that long work takes, on a terminal.
 */
#ifndef WEFT_CLI_CLIENT_H
#define WEFT_CLI_CLIENT_H

#include "cli/cli.h"

#include <jansson.h>
#include <stddef.h>
#include <weft/weft.h>

/* An answer longer than this is not read: filters make it shorter. */
#define CLIENT_ANSWER_LIMIT (512u << 20)

enum reply_end {
	REPLY_OK,        /* body is the answer; or a stream has ended */
	REPLY_ERROR,     /* the daemon says no: status and body (errors of RESTCONF) */
	REPLY_NO_DAEMON, /* nobody listens at the socket */
	REPLY_BROKEN,    /* no answer, half of one, or one that cannot be understood */
};

struct reply {
	enum reply_end end;
	bool ended;              /* OK, but by Ctrl-C, a closed stdout, or the sink: no body */
	long status;             /* of HTTP; 0: none came */
	json_t *body;            /* NULL: empty, or a stream */
	struct weft_error error; /* NO_DAEMON, BROKEN: what happened */
};

/* Takes a piece of a stream; false ends the stream without error. */
typedef bool (*client_sink)(void *context, const char *bytes, size_t length);

struct request {
	const char *method; /* NULL: GET, or POST where there is a body */
	const char *path;   /* with its query, encoded */
	json_t *body;       /* sent as it is; the reference stays the caller's */
	bool changes;       /* may take long: the longer time limit */
	const char *doing;  /* "applying net.yaml": shown while it takes long; or NULL */
	client_sink sink;   /* a stream; Ctrl-C, SIGTERM and a closed stdout end it cleanly */
	void *context;
	double seconds; /* > 0: of this request, instead of the client's limit */
};

/* seconds: limit of every request, 0: the defaults. */
struct client *client_open(const char *socket, double seconds);
void client_close(struct client *client);

/* Fills the reply; free it with reply_free. */
void client_do(struct client *client, const struct request *request, struct reply *reply);
void reply_free(struct reply *reply);

/* Process at the other end of the socket; 0: nobody, or unknown. */
int client_daemon_pid(const struct client *client);

/* Percent-encoded for a path or a query (RFC 3986, 2.3); malloced. */
char *client_encode(const char *text);

/* Waits; false: Ctrl-C or SIGTERM came (signals must be blocked: client_signals). */
bool client_sleep(double seconds);
/* Blocks SIGINT and SIGTERM from here on and gives the descriptor that tells of them. */
int client_signals(void);

/* To stdout with a newline; takes the reference; flags: JSON_INDENT(2) is the caller's. ASCII
 * only, so that no terminal obeys it. */
void json_print(json_t *value, size_t flags);

#endif
