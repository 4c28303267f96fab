/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/client.h"

#include "base/error.h"
#include "cli/output.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_SECONDS 5
#define READ_SECONDS 30
#define CHANGE_SECONDS 600
#define TOLD_AFTER_SECONDS 1.0

struct client {
	char *socket;
	double seconds;
	CURLM *multi;
};

/* One request under way. */
struct transfer {
	struct client *client;
	const struct request *request;
	struct reply *reply;
	CURL *easy;
	char *sent;  /* JSON */
	char *bytes; /* answer, as far as it is one document */
	size_t length, room;
	bool too_long, sink_ended;
	int signals; /* descriptor, -1: not watched */
	double began;
	unsigned told; /* seconds last shown; 0: nothing yet */
	char reason[CURL_ERROR_SIZE];
};

static double
monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* -1: signals do what they do by default. */
static int signal_descriptor = -1;

int
client_signals(void)
{
	sigset_t set;

	if (signal_descriptor >= 0)
		return signal_descriptor;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return signal_descriptor;
}

bool
client_sleep(double seconds)
{
	struct pollfd fds = { .fd = client_signals(), .events = POLLIN };
	double until = monotonic() + seconds;

	for (;;) {
		double left = until - monotonic();

		if (left <= 0)
			return true;
		if (poll(&fds, 1, left > 1e6 ? 1000000000 : (int)(left * 1000) + 1) > 0)
			return false;
	}
}

struct client *
client_open(const char *socket, double seconds)
{
	struct client *client = output_memory(calloc(1, sizeof(*client)));

	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->socket = output_memory(strdup(socket));
	client->seconds = seconds;
	client->multi = output_memory(curl_multi_init());
	return client;
}

void
client_close(struct client *client)
{
	if (client == NULL)
		return;
	curl_multi_cleanup(client->multi);
	curl_global_cleanup();
	free(client->socket);
	free(client);
}

char *
client_encode(const char *text)
{
	char *encoded = output_memory(curl_easy_escape(NULL, text, 0));
	char *copy = output_memory(strdup(encoded));

	curl_free(encoded);
	return copy;
}

static bool
keep_bytes(struct transfer *transfer, const char *bytes, size_t length)
{
	if (length > CLIENT_ANSWER_LIMIT - transfer->length) {
		transfer->too_long = true;
		return false;
	}
	if (transfer->length + length + 1 > transfer->room) {
		transfer->room = (transfer->length + length + 1) * 2;
		transfer->bytes = output_memory(realloc(transfer->bytes, transfer->room));
	}
	memcpy(transfer->bytes + transfer->length, bytes, length);
	transfer->length += length;
	transfer->bytes[transfer->length] = '\0';
	return true;
}

static size_t
received(char *bytes, size_t one, size_t length, void *context)
{
	struct transfer *transfer = context;
	long status = 0;

	(void)one;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->request->sink != NULL && status == 200) {
		if (transfer->request->sink(transfer->request->context, bytes, length))
			return length;
		transfer->sink_ended = true;
		return 0;
	}
	return keep_bytes(transfer, bytes, length) ? length : 0;
}

/* "applying net.yaml: 3 s", over itself, until it is done. */
static void
tell_time(struct transfer *transfer)
{
	double passed = monotonic() - transfer->began;
	unsigned seconds = (unsigned)passed;

	if (transfer->request->doing == NULL || passed < TOLD_AFTER_SECONDS ||
		seconds == transfer->told || !isatty(STDERR_FILENO))
		return;
	transfer->told = seconds;
	fprintf(stderr, "\r%s: %u s", transfer->request->doing, seconds);
}

static void
untell_time(const struct transfer *transfer)
{
	if (transfer->told != 0)
		fprintf(stderr, "\r%*s\r", (int)strlen(transfer->request->doing) + 16, "");
}

static double
limit_of(const struct client *client, const struct request *request)
{
	if (request->seconds > 0)
		return request->seconds;
	if (client->seconds > 0)
		return client->seconds;
	return request->changes ? CHANGE_SECONDS : READ_SECONDS;
}

/* A stream has no end in time; its headers must come in time. */
static bool
headers_are_late(const struct transfer *transfer)
{
	long status = 0;

	if (transfer->request->sink == NULL)
		return false;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status == 0 &&
	       monotonic() - transfer->began > limit_of(transfer->client, transfer->request);
}

static bool
stdout_is_closed(void)
{
	struct pollfd fds = { .fd = STDOUT_FILENO };

	return poll(&fds, 1, 0) > 0 && (fds.revents & (POLLERR | POLLNVAL)) != 0;
}

static bool
interrupted(const struct transfer *transfer)
{
	struct pollfd fds = { .fd = transfer->signals, .events = POLLIN };

	return transfer->signals >= 0 && (poll(&fds, 1, 0) > 0 || stdout_is_closed());
}

/* Runs the transfer. True: curl has a result for it; false: it was ended here. */
static bool
run(struct transfer *transfer, CURLcode *result)
{
	struct curl_waitfd extra[] = {
		{ .fd = transfer->signals, .events = CURL_WAIT_POLLIN },
		{ .fd = STDOUT_FILENO, .events = CURL_WAIT_POLLPRI },
	};
	unsigned n_extra = transfer->signals >= 0 ? 2 : 0;
	int running = 1, left;

	while (curl_multi_perform(transfer->client->multi, &running) == CURLM_OK) {
		CURLMsg *message = curl_multi_info_read(transfer->client->multi, &left);

		if (message != NULL && message->msg == CURLMSG_DONE) {
			*result = message->data.result;
			return true;
		}
		if (running == 0)
			break;
		if (headers_are_late(transfer)) {
			*result = CURLE_OPERATION_TIMEDOUT;
			return true;
		}
		tell_time(transfer);
		curl_multi_poll(transfer->client->multi, extra, n_extra, 200, NULL);
		if (interrupted(transfer))
			return false;
	}
	*result = CURLE_FAILED_INIT;
	return true;
}

static void
no_connection(struct transfer *transfer)
{
	struct weft_error *error = &transfer->reply->error;
	const char *socket = transfer->client->socket;
	long code = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &code);
	transfer->reply->end = code == EACCES || code == EPERM ? REPLY_BROKEN : REPLY_NO_DAEMON;
	if (code == EACCES || code == EPERM)
		error_set(error, (int)code,
			"may not talk to weftd at %s: permission denied\n"
			"be root, or a member of the socket's group",
			socket);
	else if (code == ENOENT)
		error_set(error, (int)code,
			"weftd does not run: there is no socket %s\n"
			"start it with `weft up`, or name its socket with --socket or WEFT_SOCKET",
			socket);
	else if (code == ECONNREFUSED)
		error_set(error, (int)code,
			"weftd does not run: nobody listens at %s\n"
			"start it with `weft up`",
			socket);
	else if (code != 0)
		error_errno(error, (int)code, "cannot connect to weftd at %s", socket);
	else
		error_set(error, 0, "cannot connect to weftd at %s: %s", socket, transfer->reason);
}

static void
broken(struct transfer *transfer, CURLcode result)
{
	struct weft_error *error = &transfer->reply->error;
	const char *socket = transfer->client->socket;

	transfer->reply->end = REPLY_BROKEN;
	if (transfer->too_long)
		error_set(error, EMSGSIZE,
			"the answer is longer than %u MB\nask for less: one network, or one object",
			CLIENT_ANSWER_LIMIT >> 20);
	else if (result == CURLE_COULDNT_CONNECT)
		no_connection(transfer);
	else if (result == CURLE_OPERATION_TIMEDOUT)
		error_set(error, ETIMEDOUT,
			"weftd at %s did not answer within %g s\nit may be busy, or hang: look at "
			"its "
			"log, or wait longer with --timeout",
			socket, limit_of(transfer->client, transfer->request));
	else if (result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR ||
		 result == CURLE_SEND_ERROR || result == CURLE_PARTIAL_FILE)
		error_set(error, ECONNRESET,
			"weftd at %s went away before its answer was complete\nlook at its log",
			socket);
	else
		error_set(error, EPROTO, "what answers at %s does not speak as weftd: %s", socket,
			transfer->reason[0] ? transfer->reason : curl_easy_strerror(result));
}

/* The document is JSON, or empty. */
static void
understand(struct transfer *transfer)
{
	struct reply *reply = transfer->reply;
	json_error_t problem;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	reply->end = reply->status >= 200 && reply->status < 300 ? REPLY_OK : REPLY_ERROR;
	if (transfer->length == 0)
		return;
	reply->body = json_loadb(transfer->bytes, transfer->length, JSON_DECODE_ANY, &problem);
	if (reply->body != NULL || reply->end == REPLY_ERROR)
		return; /* what is wrong is told by the status then */
	reply->end = REPLY_BROKEN;
	error_set(&reply->error, EPROTO,
		"the answer of weftd at %s is not JSON: %s, at byte %d of %zu",
		transfer->client->socket, problem.text, problem.position, transfer->length);
}

static struct curl_slist *
headers_of(const struct request *request)
{
	struct curl_slist *list = NULL;

	list = output_memory(curl_slist_append(list, "Expect:"));
	if (request->sink == NULL)
		curl_slist_append(list, "Accept: application/yang-data+json");
	if (request->body != NULL)
		curl_slist_append(list, "Content-Type: application/yang-data+json");
	return list;
}

static void
set_body(struct transfer *transfer)
{
	const struct request *request = transfer->request;

	if (request->body != NULL)
		transfer->sent = output_memory(json_dumps(request->body, JSON_COMPACT));
	else if (request->method == NULL || strcmp(request->method, "POST") != 0)
		return;
	curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
		(curl_off_t)(transfer->sent == NULL ? 0 : strlen(transfer->sent)));
	curl_easy_setopt(
		transfer->easy, CURLOPT_POSTFIELDS, transfer->sent == NULL ? "" : transfer->sent);
}

static void
set_up(struct transfer *transfer, const char *url, struct curl_slist *headers)
{
	CURL *easy = transfer->easy;
	double limit = limit_of(transfer->client, transfer->request);

	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, transfer->client->socket);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "weft/" WEFT_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	if (transfer->request->sink == NULL)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(limit * 1000));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, received);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	set_body(transfer);
	if (transfer->request->method != NULL)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, transfer->request->method);
}

static bool
socket_fits(const char *socket, struct reply *reply)
{
	struct sockaddr_un address;

	if (strlen(socket) < sizeof(address.sun_path))
		return true;
	reply->end = REPLY_BROKEN;
	error_set(&reply->error, ENAMETOOLONG,
		"the path of the socket is too long (%zu bytes, at most %zu): %.40s...",
		strlen(socket), sizeof(address.sun_path) - 1, socket);
	return false;
}

void
client_do(struct client *client, const struct request *request, struct reply *reply)
{
	struct transfer transfer = { .client = client, .request = request, .reply = reply };
	CURLcode result = CURLE_OK;
	char *url;
	struct curl_slist *headers;

	*reply = (struct reply){ 0 };
	if (!socket_fits(client->socket, reply))
		return;
	url = output_format("http://weft%s", request->path);
	headers = headers_of(request);
	transfer.signals = request->sink != NULL ? client_signals() : signal_descriptor;
	transfer.easy = output_memory(curl_easy_init());
	transfer.began = monotonic();
	set_up(&transfer, url, headers);
	curl_multi_add_handle(client->multi, transfer.easy);
	reply->ended = !run(&transfer, &result) || transfer.sink_ended;
	if (!reply->ended && result == CURLE_OK)
		understand(&transfer);
	else if (!reply->ended)
		broken(&transfer, result);
	untell_time(&transfer);
	curl_multi_remove_handle(client->multi, transfer.easy);
	curl_easy_cleanup(transfer.easy);
	curl_slist_free_all(headers);
	free(transfer.bytes);
	free(transfer.sent);
	free(url);
}

void
reply_free(struct reply *reply)
{
	json_decref(reply->body);
	reply->body = NULL;
}

int
client_daemon_pid(const struct client *client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd, pid = 0;

	if (strlen(client->socket) >= sizeof(address.sun_path))
		return 0;
	memcpy(address.sun_path, client->socket, strlen(client->socket) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		pid = peer.pid;
	close(fd);
	return pid;
}

void
json_print(json_t *value, size_t flags)
{
	char *text = output_memory(json_dumps(output_memory(value),
		flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)));

	puts(text);
	free(text);
	json_decref(value);
}
