/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP over a unix socket (libmicrohttpd), a thread per connection; api.h answers.
 *
 * The socket is there from server_bind on, with its mode and group, while rights are still
 * there to set them; requests are taken from server_start on.
 */
#ifndef WEFT_DAEMON_SERVER_H
#define WEFT_DAEMON_SERVER_H

#include "daemon/daemon.h"

struct server;

/* Makes the socket and its folder. NULL: error, also when another weftd answers there. */
struct server *server_bind(const char *path, struct weft_error *error);
int server_start(struct server *server, struct daemon *daemon, struct weft_error *error);
/* Takes no more requests, ends those that are under way (daemon->ending is set), removes the
 * socket, frees the server. */
void server_close(struct server *server);

#endif
