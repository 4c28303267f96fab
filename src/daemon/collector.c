/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/collector.h"

#include "base/error.h"
#include "nic/netns.h"
#include "protocols/ipfix/ipfix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define RETRY_FIRST SECOND
#define RETRY_MOST (60 * SECOND)
#define CONNECT_TIMEOUT (10 * SECOND)
#define QUIET (10 * SECOND) /* so long no error: UDP arrives again */

/* Before each message in the buffer. */
struct head {
	uint32_t length, flows;
};

enum state { CLOSED, CONNECTING, OPEN };

struct collector {
	struct collector_config config;
	enum state state;
	int socket;
	uint64_t now;
	uint64_t since;   /* it is in this state */
	uint64_t backoff; /* ns until the next try, of CLOSED */
	bool ended;       /* a session, and it has not been told yet */
	uint64_t refused; /* when an ICMP error came last; 0: none that counts */
	size_t limit;
	char reason[200];
	struct collector_counts counts;
	/* messages that wait, whole but for the first, of which `sent` bytes are gone */
	size_t first, end, sent;
	uint8_t buffer[COLLECTOR_BUFFER];
};

/* ---- the buffer ------------------------------------------------------------------------------ */

static struct head
head_at(const struct collector *collector, size_t at)
{
	struct head head;

	memcpy(&head, collector->buffer + at, sizeof(head));
	return head;
}

static void
drop_first(struct collector *collector)
{
	collector->first += sizeof(struct head) + head_at(collector, collector->first).length;
	collector->sent = 0;
	if (collector->first == collector->end)
		collector->first = collector->end = 0;
}

static void
lose_first(struct collector *collector)
{
	collector->counts.lost += head_at(collector, collector->first).flows;
	drop_first(collector);
}

static void
lose_all(struct collector *collector)
{
	while (collector->first < collector->end)
		lose_first(collector);
}

static bool
make_room(struct collector *collector, size_t need)
{
	size_t waiting = collector->end - collector->first;

	if (need <= sizeof(collector->buffer) - collector->end)
		return true;
	/* only once half of it is free: moving costs little per message then */
	if (collector->first < sizeof(collector->buffer) / 2)
		return false;
	memmove(collector->buffer, collector->buffer + collector->first, waiting);
	collector->first = 0;
	collector->end = waiting;
	return need <= sizeof(collector->buffer) - waiting;
}

void
collector_send(struct collector *collector, const uint8_t *message, size_t length, unsigned flows)
{
	struct head head = { (uint32_t)length, flows };

	if (!make_room(collector, sizeof(head) + length)) {
		collector->counts.lost += flows;
		return;
	}
	memcpy(collector->buffer + collector->end, &head, sizeof(head));
	memcpy(collector->buffer + collector->end + sizeof(head), message, length);
	collector->end += sizeof(head) + length;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void
set_state(struct collector *collector, enum state state)
{
	collector->state = state;
	collector->since = collector->now;
}

static void
give_up(struct collector *collector, const char *what, int code)
{
	snprintf(collector->reason, sizeof(collector->reason), "%s%s%s", what,
		code != 0 ? ": " : "", code != 0 ? strerror(code) : "");
	if (collector->socket >= 0)
		close(collector->socket);
	collector->socket = -1;
	if (collector->state == OPEN) {
		lose_all(collector);
		collector->ended = true;
	}
	collector->backoff *= 2;
	if (collector->backoff < RETRY_FIRST)
		collector->backoff = RETRY_FIRST;
	if (collector->backoff > RETRY_MOST)
		collector->backoff = RETRY_MOST;
	set_state(collector, CLOSED);
}

static int
make_socket(void *argument)
{
	const struct collector *collector = argument;
	int family = collector->config.address.family == 6 ? AF_INET6 : AF_INET;
	int type = collector->config.tcp ? SOCK_STREAM : SOCK_DGRAM;

	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* In the namespace. -1: told. */
static int
open_socket(struct collector *collector)
{
	struct weft_error error = { 0 };
	int space;

	if (*collector->config.netns == '\0') {
		collector->socket = make_socket(collector);
		if (collector->socket < 0)
			give_up(collector, "cannot open a socket", errno);
		return collector->socket;
	}
	space = netns_open(WEFT_NETNS_NAME, collector->config.netns, &error);
	if (space < 0) {
		give_up(collector, error.text, 0);
		return -1;
	}
	collector->socket = netns_call(space, make_socket, collector, &error);
	close(space);
	if (collector->socket < 0)
		give_up(collector, error.text, 0);
	return collector->socket;
}

static socklen_t
address_of(const struct collector_config *config, struct sockaddr_storage *storage)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;
	struct sockaddr_in *four = (struct sockaddr_in *)storage;

	*storage = (struct sockaddr_storage){ 0 };
	if (config->address.family == 6) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(config->port);
		memcpy(&six->sin6_addr, config->address.address, sizeof(six->sin6_addr));
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(config->port);
	memcpy(&four->sin_addr, config->address.address, sizeof(four->sin_addr));
	return sizeof(*four);
}

/* What the kernel knows of the path (RFC 7011, 10.3.3). */
static size_t
datagram_limit(const struct collector *collector)
{
	bool six = collector->config.address.family == 6;
	int headers = six ? 40 + 8 : 20 + 8, mtu = 0;
	socklen_t length = sizeof(mtu);

	if (getsockopt(collector->socket, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU : IP_MTU,
		    &mtu, &length) < 0 ||
		mtu < headers + IPFIX_MESSAGE_LEAST)
		return IPFIX_MESSAGE_LEAST;
	return mtu - headers < IPFIX_MESSAGE_MOST ? (size_t)(mtu - headers) : IPFIX_MESSAGE_MOST;
}

static void
begin_session(struct collector *collector)
{
	int nodelay = 1;

	set_state(collector, OPEN);
	collector->backoff = 0;
	collector->reason[0] = '\0';
	if (collector->config.tcp)
		setsockopt(collector->socket, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay));
	else
		collector->limit = datagram_limit(collector);
}

static void
begin(struct collector *collector)
{
	struct sockaddr_storage address;
	socklen_t length = address_of(&collector->config, &address);

	if (open_socket(collector) < 0)
		return;
	if (connect(collector->socket, (struct sockaddr *)&address, length) == 0)
		begin_session(collector);
	else if (errno == EINPROGRESS)
		set_state(collector, CONNECTING);
	else
		give_up(collector, "cannot connect", errno);
}

static void
finish_connecting(struct collector *collector)
{
	struct pollfd poll_for = { collector->socket, POLLOUT, 0 };
	int code = 0;
	socklen_t length = sizeof(code);

	if (poll(&poll_for, 1, 0) == 0) {
		if (collector->now - collector->since > CONNECT_TIMEOUT)
			give_up(collector, "cannot connect", ETIMEDOUT);
		return;
	}
	getsockopt(collector->socket, SOL_SOCKET, SO_ERROR, &code, &length);
	if (code != 0)
		give_up(collector, "cannot connect", code);
	else
		begin_session(collector);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void
count_first(struct collector *collector)
{
	struct head head = head_at(collector, collector->first);

	collector->counts.messages++;
	collector->counts.flows += head.flows;
	collector->counts.bytes += head.length;
	drop_first(collector);
}

static ssize_t
send_first(struct collector *collector)
{
	struct head head = head_at(collector, collector->first);
	const uint8_t *message = collector->buffer + collector->first + sizeof(head);

	return send(collector->socket, message + collector->sent, head.length - collector->sent,
		MSG_NOSIGNAL);
}

/* Of TCP. */
static void
send_stream(struct collector *collector)
{
	while (collector->first < collector->end) {
		ssize_t sent = send_first(collector);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (sent < 0) {
			give_up(collector, "the collector is lost", errno);
			return;
		}
		collector->sent += (size_t)sent;
		if (collector->sent == head_at(collector, collector->first).length)
			count_first(collector);
	}
}

/* An error that came for one that was sent before: this one has not been sent yet. */
static bool
is_late(int code)
{
	return code == ECONNREFUSED || code == EHOSTUNREACH || code == ENETUNREACH;
}

static void
note_refusal(struct collector *collector, int code)
{
	collector->refused = collector->now;
	snprintf(collector->reason, sizeof(collector->reason), "the collector does not answer: %s",
		strerror(code));
}

static void
send_datagrams(struct collector *collector)
{
	while (collector->first < collector->end) {
		ssize_t sent = send_first(collector);
		int code = errno;

		if (sent < 0 && is_late(code)) {
			note_refusal(collector, code);
			sent = send_first(collector);
			code = errno;
		}
		if (sent < 0 && (code == EAGAIN || code == EWOULDBLOCK || code == ENOBUFS))
			return;
		if (sent < 0 && code == EMSGSIZE)
			collector->limit = datagram_limit(collector);
		if (sent < 0) {
			note_refusal(collector, code);
			lose_first(collector);
		} else {
			count_first(collector);
		}
	}
}

/* A collector says nothing; that it has closed is heard here. */
static void
listen_for_end(struct collector *collector)
{
	char ignored[256];
	ssize_t got;

	do
		got = recv(collector->socket, ignored, sizeof(ignored), MSG_DONTWAIT);
	while (got > 0);
	if (got == 0)
		give_up(collector, "the collector has closed the connection", 0);
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		give_up(collector, "the collector is lost", errno);
}

/* What became of datagrams that were sent before. */
static void
listen_for_refusal(struct collector *collector)
{
	int code = 0;
	socklen_t length = sizeof(code);

	if (getsockopt(collector->socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0 && code != 0)
		note_refusal(collector, code);
}

static void
send_waiting(struct collector *collector)
{
	if (!collector->config.tcp) {
		listen_for_refusal(collector);
		send_datagrams(collector);
		return;
	}
	listen_for_end(collector);
	if (collector->state == OPEN)
		send_stream(collector);
}

bool
collector_work(struct collector *collector, uint64_t now)
{
	bool ended;

	collector->now = now;
	if (collector->state == CLOSED && now - collector->since >= collector->backoff)
		begin(collector);
	else if (collector->state == CONNECTING)
		finish_connecting(collector);
	if (collector->state == OPEN)
		send_waiting(collector);
	if (collector->refused != 0 && now - collector->refused > QUIET) {
		collector->refused = 0;
		collector->reason[0] = '\0';
	}
	ended = collector->ended;
	collector->ended = false;
	return ended;
}

/* ---- looking, life --------------------------------------------------------------------------- */

bool
collector_is_up(const struct collector *collector)
{
	return collector->state == OPEN && collector->refused == 0;
}

const char *
collector_reason(const struct collector *collector)
{
	return collector->reason;
}

size_t
collector_message_limit(const struct collector *collector)
{
	return collector->limit;
}

void
collector_count(const struct collector *collector, struct collector_counts *counts)
{
	*counts = collector->counts;
}

struct collector *
collector_create(const struct collector_config *config)
{
	/* what is never used of the buffer costs nothing */
	struct collector *collector = calloc(1, sizeof(*collector));

	if (collector == NULL)
		return NULL;
	collector->config = *config;
	collector->socket = -1;
	collector->limit = config->tcp ? IPFIX_MESSAGE_MOST : IPFIX_MESSAGE_LEAST;
	return collector;
}

void
collector_free(struct collector *collector)
{
	if (collector == NULL)
		return;
	if (collector->state == OPEN)
		send_waiting(collector);
	if (collector->socket >= 0)
		close(collector->socket);
	free(collector);
}
