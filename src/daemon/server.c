/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/server.h"

#include "base/error.h"
#include "base/log.h"
#include "daemon/api.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <microhttpd.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define GROUP "weft"
#define CONNECTION_LIMIT 256
#define BODY_LIMIT (64u << 20)
#define STACK_SIZE (1u << 20)
#define BACKLOG 1024     /* a client that does not block is refused where there is no room */
#define IDLE_SECONDS 20u /* a connection that says nothing makes room for others */

#define FAREWELL_MS 2000

struct server {
	struct daemon *daemon;
	struct MHD_Daemon *http;
	_Atomic unsigned exchanges; /* under way */
	int listener;
	char *path;
	dev_t device; /* of the socket's file, to remove no other one */
	ino_t inode;
};

/* One request while it comes and is answered. */
struct exchange {
	char *target;
	bool begun, too_long, no_memory, ends;
	char *body;
	size_t length, room;
};

/* ---- the socket ----------------------------------------------------------------------------- */

static int
make_folder(const char *path, struct weft_error *error)
{
	char *copy = strdup(path), *folder;
	int result = 0;

	if (copy == NULL)
		return error_memory(error);
	folder = dirname(copy);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		result = error_errno(error, errno, "cannot make %s", folder);
	free(copy);
	return result;
}

/* A socket's file that nobody listens at is what a weftd that was killed left behind. */
static int
clear_way(const struct sockaddr_un *address, struct weft_error *error)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int code = 0;

	if (probe < 0)
		return error_errno(error, errno, "cannot make a socket");
	if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) < 0)
		code = errno;
	close(probe);
	if (code == 0)
		return error_set(error, EADDRINUSE,
			"another weftd answers at %s; give each its own --socket and --state",
			address->sun_path);
	if (code == ECONNREFUSED && unlink(address->sun_path) < 0)
		return error_errno(error, errno, "cannot remove the old %s", address->sun_path);
	if (code == ENOENT || code == ECONNREFUSED)
		return 0;
	return error_errno(error, code, "cannot listen at %s", address->sun_path);
}

/* For members of the group where there is one, else for the owner alone. */
static int
set_rights(const char *path, struct weft_error *error)
{
	const struct group *group = getgrnam(GROUP);

	if (group != NULL && chown(path, (uid_t)-1, group->gr_gid) == 0)
		return chmod(path, 0660) == 0
			       ? 0
			       : error_errno(error, errno, "cannot set the mode of %s", path);
	if (group != NULL)
		log_warning("%s cannot be given to the group %s: %s", path, GROUP, strerror(errno));
	return 0;
}

static int
bind_socket(struct server *server, struct weft_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat status;
	mode_t mask;
	int result;

	if (strlen(server->path) >= sizeof(address.sun_path))
		return error_set(error, ENAMETOOLONG,
			"the socket's path is longer than %zu bytes: %s",
			sizeof(address.sun_path) - 1, server->path);
	strcpy(address.sun_path, server->path);
	if (make_folder(server->path, error) < 0 || clear_way(&address, error) < 0)
		return -1;
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listener < 0)
		return error_errno(error, errno, "cannot make a socket");
	mask = umask(0177);
	result = bind(server->listener, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (result < 0)
		return error_errno(error, errno, "cannot listen at %s", server->path);
	if (stat(server->path, &status) == 0) {
		server->device = status.st_dev;
		server->inode = status.st_ino;
	}
	return set_rights(server->path, error);
}

struct server *
server_bind(const char *path, struct weft_error *error)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		error_memory(error);
		return NULL;
	}
	server->listener = -1;
	server->path = strdup(path);
	if (server->path == NULL)
		error_memory(error);
	else if (bind_socket(server, error) == 0)
		return server;
	server_close(server);
	return NULL;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The target as it came, before anything is decoded; what is returned is the exchange. */
static void *
begin_exchange(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct server *server = context;
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	(void)connection;
	if (exchange == NULL)
		return NULL;
	exchange->target = strdup(uri);
	atomic_fetch_add(&server->exchanges, 1);
	return exchange;
}

static void
end_exchange(void *context, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode code)
{
	struct server *server = context;
	struct exchange *exchange = *state;

	(void)connection;
	(void)code;
	if (exchange == NULL)
		return;
	if (exchange->ends && server->daemon->end != NULL)
		server->daemon->end(server->daemon);
	free(exchange->target);
	free(exchange->body);
	free(exchange);
	*state = NULL;
	atomic_fetch_sub(&server->exchanges, 1);
}

static size_t
leave_as_it_is(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

static void
take_body(struct exchange *exchange, const char *bytes, size_t length)
{
	size_t room = exchange->room > 0 ? exchange->room : 4096;
	char *more;

	exchange->too_long = exchange->too_long || length > BODY_LIMIT - exchange->length;
	if (exchange->too_long || exchange->no_memory)
		return;
	while (room < exchange->length + length + 1)
		room *= 2;
	if (room != exchange->room) {
		more = realloc(exchange->body, room);
		exchange->no_memory = more == NULL;
		if (more == NULL)
			return;
		exchange->body = more;
		exchange->room = room;
	}
	memcpy(exchange->body + exchange->length, bytes, length);
	exchange->length += length;
	exchange->body[exchange->length] = '\0';
}

static int
descriptor_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info != NULL ? info->connect_fd : -1;
}

/* Who is at the other end of the socket; for the history, not for rights. */
static const char *
name_user(int descriptor, char *memory, size_t size)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	struct passwd entry, *found = NULL;

	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return NULL;
	if (getpwuid_r(peer.uid, &entry, memory, size, &found) == 0 && found != NULL)
		return found->pw_name;
	snprintf(memory, size, "uid %u", peer.uid);
	return memory;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static ssize_t
read_stream(void *context, uint64_t position, char *bytes, size_t size)
{
	struct api_stream *stream = context;
	ssize_t length = stream->read(stream, bytes, size);

	(void)position;
	return length < 0 ? MHD_CONTENT_READER_END_OF_STREAM : length;
}

static void
close_stream(void *context)
{
	api_stream_close(context);
}

/* Takes over the answer's body or stream. NULL: out of memory. */
static struct MHD_Response *
make_response(struct api_answer *answer, struct MHD_Connection *connection)
{
	struct api_stream *stream = answer->stream;
	struct MHD_Response *response;

	if (stream == NULL) {
		response = MHD_create_response_from_buffer(
			answer->length, answer->body, MHD_RESPMEM_MUST_FREE);
		if (response != NULL)
			answer->body = NULL;
		return response;
	}
	stream->peer = descriptor_of(connection);
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, API_STREAM_SIZE, read_stream, stream, close_stream);
	if (response != NULL)
		answer->stream = NULL;
	return response;
}

static enum MHD_Result
send_answer(struct MHD_Connection *connection, struct api_answer *answer)
{
	struct MHD_Response *response = make_response(answer, connection);
	enum MHD_Result result = MHD_NO;

	if (response != NULL) {
		if (answer->content_type != NULL)
			MHD_add_response_header(
				response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
		if (answer->allow != NULL)
			MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
		if (answer->etag[0] != '\0')
			MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, answer->etag);
		if (answer->location != NULL)
			MHD_add_response_header(
				response, MHD_HTTP_HEADER_LOCATION, answer->location);
		MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
		result = MHD_queue_response(connection, answer->status, response);
		MHD_destroy_response(response);
	}
	api_answer_free(answer);
	return result;
}

static const char *
header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result
answer_exchange(struct server *server, struct MHD_Connection *connection, const char *method,
	struct exchange *exchange)
{
	char memory[1024];
	struct api_request request = {
		.method = method,
		.target = exchange->target,
		.body = exchange->body != NULL ? exchange->body : "",
		.length = exchange->length,
		.user = name_user(descriptor_of(connection), memory, sizeof(memory)),
		.content_type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE),
		.if_match = header(connection, MHD_HTTP_HEADER_IF_MATCH),
		.if_none_match = header(connection, MHD_HTTP_HEADER_IF_NONE_MATCH),
	};
	struct api_answer answer = { 0 };

	/* its time does not run while the answer is made, which may take minutes */
	MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	if (exchange->too_long || exchange->no_memory || exchange->target == NULL)
		api_refuse(&answer, exchange->too_long);
	else
		api_answer(server->daemon, &request, &answer);
	/* a quiet stream is no dead one */
	if (answer.stream == NULL)
		MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_SECONDS);
	exchange->ends = answer.ends;
	return send_answer(connection, &answer);
}

/* libmicrohttpd calls it first with the head, then with pieces of the body, then at its end. */
static enum MHD_Result
handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *bytes, size_t *length, void **state)
{
	struct exchange *exchange = *state;

	(void)url;
	(void)version;
	if (exchange == NULL)
		return MHD_NO;
	if (!exchange->begun) {
		exchange->begun = true;
		return MHD_YES;
	}
	if (*length == 0)
		return answer_exchange(context, connection, method, exchange);
	take_body(exchange, bytes, *length);
	*length = 0;
	return MHD_YES;
}

static void
log_problem(void *context, const char *format, va_list arguments)
{
	char text[256];

	(void)context;
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

/* ---- life --------------------------------------------------------------------------------------
 */

int
server_start(struct server *server, struct daemon *daemon, struct weft_error *error)
{
	server->daemon = daemon;
	if (listen(server->listener, BACKLOG) < 0)
		return error_errno(error, errno, "cannot listen at %s", server->path);
	server->http = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
						MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
						MHD_USE_ERROR_LOG,
		0, NULL, NULL, handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_problem, NULL,
		MHD_OPTION_LISTEN_SOCKET, server->listener, MHD_OPTION_URI_LOG_CALLBACK,
		begin_exchange, server, MHD_OPTION_NOTIFY_COMPLETED, end_exchange, server,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTION_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE, MHD_OPTION_END);
	if (server->http == NULL)
		return error_errno(error, errno, "cannot start the server of the API");
	server->listener = -1; /* libmicrohttpd's now */
	return 0;
}

static void
remove_socket(const struct server *server)
{
	struct stat status;

	if (server->inode != 0 && stat(server->path, &status) == 0 &&
		status.st_dev == server->device && status.st_ino == server->inode)
		unlink(server->path);
}

/* libmicrohttpd cuts off what is under way: streams get the time to say that this was all. */
static void
wait_for_exchanges(const struct server *server)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (unsigned i = 0; i < FAREWELL_MS / 10 && atomic_load(&server->exchanges) > 0; i++)
		nanosleep(&pause, NULL);
}

void
server_close(struct server *server)
{
	if (server == NULL)
		return;
	if (server->http != NULL) {
		server->listener = MHD_quiesce_daemon(server->http);
		wait_for_exchanges(server);
		MHD_stop_daemon(server->http);
	}
	if (server->listener >= 0)
		close(server->listener);
	if (server->path != NULL)
		remove_socket(server);
	free(server->path);
	free(server);
}
