/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traffic for the container benches: what iperf3 does not measure.
 *
 *	netbench answer PORT			echoes TCP requests until it is ended
 *	netbench ask ADDRESS PORT SECONDS	one-byte requests, one at a time; prints
 *						"MEDIAN_US P99_US REQUESTS_PER_SECOND"
 *	netbench receive PORT SECONDS		UDP; prints datagrams received per second
 *	netbench send ADDRESS PORT SECONDS BYTES [RATE]
 *						UDP, so many a second, or without pause; prints
 *						datagrams per second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define DATAGRAM_MAX 2048
#define SECOND 1000000000ull
#define WARM_UP 1000

static uint64_t
now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in
endpoint(const char *address, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (address != NULL && inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		fprintf(stderr, "netbench: not an IPv4 address: %s\n", address);
		exit(2);
	}
	return at;
}

static int
open_socket(int type)
{
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static void
bind_to(int fd, const char *port)
{
	struct sockaddr_in at = endpoint(NULL, port);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail("bind");
}

static void
no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static _Noreturn void
answer(const char *port)
{
	int listener = open_socket(SOCK_STREAM);
	char bytes[64];
	ssize_t length;

	bind_to(listener, port);
	if (listen(listener, 4) < 0)
		fail("listen");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			fail("accept");
		no_delay(fd);
		while ((length = read(fd, bytes, sizeof(bytes))) > 0)
			if (write(fd, bytes, (size_t)length) != length)
				break;
		close(fd);
	}
}

static void
exchange(int fd)
{
	char byte = 'x';

	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		fail("exchange");
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
ask(const char *address, const char *port, double seconds)
{
	size_t room = 1u << 23, count = 0;
	struct sockaddr_in to = endpoint(address, port);
	uint32_t *times = malloc(room * sizeof(*times));
	int fd = open_socket(SOCK_STREAM);
	uint64_t start, end, now, before;

	if (times == NULL || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	no_delay(fd);
	for (int i = 0; i < WARM_UP; i++)
		exchange(fd);
	start = now = now_ns();
	end = start + (uint64_t)(seconds * SECOND);
	while (now < end && count < room) {
		before = now;
		exchange(fd);
		now = now_ns();
		times[count++] = (uint32_t)(now - before);
	}
	qsort(times, count, sizeof(*times), compare);
	printf("%.2f %.2f %.0f\n", times[count / 2] / 1e3, times[count * 99 / 100] / 1e3,
		(double)count * SECOND / (double)(now - start));
	free(times);
	return 0;
}

static void
prepare_batch(struct mmsghdr *messages, struct iovec *vectors)
{
	memset(messages, 0, BATCH * sizeof(*messages));
	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

/* Counts from the first arrival to the last, so that neither end's start matters. */
static int
receive(const char *port, double seconds)
{
	static char bytes[BATCH][DATAGRAM_MAX];
	struct timeval timeout = { .tv_usec = 100000 };
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	uint64_t count = 0, first = 0, last = 0, end = now_ns() + (uint64_t)(seconds * SECOND);
	int fd = open_socket(SOCK_DGRAM), room = 8 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	bind_to(fd, port);
	for (int i = 0; i < BATCH; i++)
		vectors[i] = (struct iovec){ bytes[i], DATAGRAM_MAX };
	prepare_batch(messages, vectors);
	while (now_ns() < end) {
		int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (got <= 0)
			continue;
		last = now_ns();
		if (first == 0)
			first = last;
		else
			count += (uint64_t)got;
	}
	printf("%.0f\n", last > first ? (double)count * SECOND / (double)(last - first) : 0.0);
	return 0;
}

/* Sleeps until then, if it is not past; what time it is after that. */
static uint64_t
wait_until(uint64_t then)
{
	struct timespec at = { (time_t)(then / SECOND), (long)(then % SECOND) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		continue;
	return now_ns();
}

static int
send_datagrams(const char *address, const char *port, double seconds, size_t size, double rate)
{
	static char bytes[DATAGRAM_MAX];
	struct sockaddr_in to = endpoint(address, port);
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	uint64_t count = 0, start, now, end;
	int fd = open_socket(SOCK_DGRAM), room = 8 << 20;

	if (size > sizeof(bytes)) {
		fprintf(stderr, "netbench: at most %zu bytes\n", sizeof(bytes));
		return 2;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	for (int i = 0; i < BATCH; i++)
		vectors[i] = (struct iovec){ bytes, size };
	prepare_batch(messages, vectors);
	start = now = now_ns();
	end = start + (uint64_t)(seconds * SECOND);
	while (now < end) {
		int sent = sendmmsg(fd, messages, BATCH, 0);

		if (sent > 0)
			count += (uint64_t)sent;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
			fail("sendmmsg");
		now = now_ns();
		if (rate > 0)
			now = wait_until(start + (uint64_t)((double)count * SECOND / rate));
	}
	printf("%.0f\n", (double)count * SECOND / (double)(now - start));
	return 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "answer") == 0 && argc == 3)
		answer(argv[2]);
	if (strcmp(what, "ask") == 0 && argc == 5)
		return ask(argv[2], argv[3], atof(argv[4]));
	if (strcmp(what, "receive") == 0 && argc == 4)
		return receive(argv[2], atof(argv[3]));
	if (strcmp(what, "send") == 0 && (argc == 6 || argc == 7))
		return send_datagrams(argv[2], argv[3], atof(argv[4]), (size_t)atol(argv[5]),
			argc == 7 ? atof(argv[6]) : 0);
	fprintf(stderr, "usage: netbench answer PORT | ask ADDRESS PORT SECONDS |"
			" receive PORT SECONDS | send ADDRESS PORT SECONDS BYTES [RATE]\n");
	return 2;
}
