/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions with collectors, on loopback; time is what the test says. */
#include "daemon/collector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define MESSAGE 1000

static uint64_t now = 1000 * SECOND;
static uint8_t message[MESSAGE], got[1 << 20];

/* ---- the other side ---------------------------------------------------------------------------
 */

static int
listener(bool tcp, uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
		.sin_port = htons(*port) };
	socklen_t length = sizeof(address);
	int one = 1, made = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);

	assert_true(made >= 0);
	setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(made, (struct sockaddr *)&address, length), 0);
	if (tcp)
		assert_int_equal(listen(made, 8), 0);
	assert_int_equal(getsockname(made, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	return made;
}

/* What comes within a tenth of a second; 0: nothing. */
static size_t
hear(int from)
{
	struct pollfd wait = { from, POLLIN, 0 };
	ssize_t length;

	if (poll(&wait, 1, 100) != 1)
		return 0;
	length = recv(from, got, sizeof(got), 0);
	return length > 0 ? (size_t)length : 0;
}

static struct collector *
create(bool tcp, uint16_t port)
{
	struct collector_config config = {
		.address = { .family = 4, .length = 32, .address = { 127, 0, 0, 1 } },
		.port = port,
		.tcp = tcp,
	};
	struct collector *collector = collector_create(&config);

	assert_non_null(collector);
	return collector;
}

/* Until it is up; returns whether a session has ended meanwhile. */
static bool
come_up(struct collector *collector)
{
	bool ended = false;

	for (unsigned i = 0; i < 1000 && !collector_is_up(collector); i++) {
		ended |= collector_work(collector, now);
		usleep(1000);
	}
	assert_true(collector_is_up(collector));
	return ended;
}

static void
send_one(struct collector *collector, uint8_t mark)
{
	memset(message, mark, sizeof(message));
	collector_send(collector, message, sizeof(message), 3);
}

static struct collector_counts
counts_of(const struct collector *collector)
{
	struct collector_counts counts;

	collector_count(collector, &counts);
	return counts;
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void
test_udp(void **state)
{
	uint16_t port = 0;
	int other = listener(false, &port);
	struct collector *collector = create(false, port);

	(void)state;
	assert_int_equal(collector_message_limit(collector), 512); /* nothing is known yet */
	assert_false(collector_work(collector, now));
	assert_true(collector_is_up(collector));
	assert_true(collector_message_limit(collector) >= 512);
	for (uint8_t i = 1; i < 4; i++)
		send_one(collector, i);
	assert_false(collector_work(collector, now));
	for (uint8_t i = 1; i < 4; i++) {
		assert_int_equal(hear(other), MESSAGE); /* each in a datagram of its own */
		assert_int_equal(got[0], i);
	}
	assert_int_equal(counts_of(collector).flows, 9);
	assert_int_equal(counts_of(collector).messages, 3);
	assert_int_equal(counts_of(collector).bytes, 3 * MESSAGE);
	assert_int_equal(counts_of(collector).lost, 0);
	collector_free(collector);
	close(other);
}

/* Nobody listens: that is heard, told, and over when nothing more is heard of it. */
static void
test_udp_refused(void **state)
{
	uint16_t port = 0;
	struct collector *collector;

	(void)state;
	close(listener(false, &port));
	collector = create(false, port);
	collector_work(collector, now);
	send_one(collector, 1);
	collector_work(collector, now);
	for (unsigned i = 0; i < 1000 && collector_is_up(collector); i++) {
		usleep(1000);
		assert_false(collector_work(collector, now));
	}
	assert_false(collector_is_up(collector));
	assert_non_null(strstr(collector_reason(collector), "refused"));
	assert_int_equal(counts_of(collector).lost, 0); /* it was sent, whatever became of it */
	now += 11 * SECOND;
	collector_work(collector, now);
	assert_true(collector_is_up(collector));
	assert_string_equal(collector_reason(collector), "");
	collector_free(collector);
}

static void
test_tcp(void **state)
{
	uint16_t port = 0;
	int other = listener(true, &port), session;
	struct collector *collector = create(true, port);
	size_t heard = 0;

	(void)state;
	send_one(collector, 7); /* before there is a session: it waits */
	assert_false(come_up(collector));
	session = accept(other, NULL, NULL);
	for (unsigned i = 0; i < 100; i++)
		send_one(collector, 7);
	collector_work(collector, now);
	while (heard < 101 * MESSAGE) {
		size_t more = hear(session);

		assert_true(more > 0);
		heard += more;
		collector_work(collector, now);
	}
	assert_int_equal(heard, 101 * MESSAGE);
	assert_int_equal(counts_of(collector).flows, 303);
	assert_int_equal(counts_of(collector).lost, 0);
	close(session);
	close(other);
	collector_free(collector);
}

/* The other side does not read: the buffer fills, the rest is lost, and what is read is whole. */
static void
test_slow(void **state)
{
	uint16_t port = 0;
	int other = listener(true, &port), session;
	struct collector *collector = create(true, port);
	uint64_t sent = 0, whole;
	size_t heard = 0, more;

	(void)state;
	come_up(collector);
	session = accept(other, NULL, NULL);
	while (counts_of(collector).lost == 0) {
		send_one(collector, 9);
		sent++;
		if (sent % 100 == 0)
			assert_false(collector_work(collector, now));
		assert_true(sent < 100000);
	}
	assert_true(sent * MESSAGE > COLLECTOR_BUFFER / 2);
	whole = sent - 1;
	/* all but what was lost comes, and there is room again */
	do {
		collector_work(collector, now);
		more = hear(session);
		heard += more;
	} while (more > 0);
	assert_int_equal(heard, whole * MESSAGE);
	assert_int_equal(counts_of(collector).flows, 3 * whole);
	assert_int_equal(counts_of(collector).lost, 3);
	send_one(collector, 9);
	collector_work(collector, now);
	assert_int_equal(hear(session), MESSAGE);
	close(session);
	close(other);
	collector_free(collector);
}

/* After the end of a session what waited for it is lost; the next begins with what came since. */
static void
test_lost_session(void **state)
{
	uint16_t port = 0;
	int other = listener(true, &port), session;
	struct collector *collector = create(true, port);
	bool ended = false;

	(void)state;
	come_up(collector);
	session = accept(other, NULL, NULL);
	close(session);
	for (unsigned i = 0; i < 1000 && !ended; i++) {
		usleep(1000);
		ended = collector_work(collector, now);
	}
	assert_true(ended);
	assert_false(collector_is_up(collector));
	assert_non_null(strstr(collector_reason(collector), "closed"));
	assert_false(collector_work(collector, now)); /* told once */
	send_one(collector, 5);
	now += SECOND / 2;
	collector_work(collector, now);
	assert_false(collector_is_up(collector)); /* not before a second has passed */
	now += SECOND;
	assert_false(come_up(collector));
	collector_work(collector, now);
	session = accept(other, NULL, NULL);
	assert_int_equal(hear(session), MESSAGE);
	assert_int_equal(got[0], 5);
	assert_int_equal(counts_of(collector).lost, 0);
	close(session);
	close(other);
	collector_free(collector);
}

/* Tries after 1, 2, 4, ... 60, 60 seconds. */
static void
test_backoff(void **state)
{
	static const unsigned waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	uint16_t port = 0;
	struct collector *collector;
	int other;

	(void)state;
	close(listener(true, &port));
	collector = create(true, port);
	for (unsigned i = 0; i < 10; i++)
		collector_work(collector, now);
	for (unsigned i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		/* somebody is there, but nobody asks */
		other = listener(true, &port);
		now += waits[i] * SECOND - 1;
		for (unsigned n = 0; n < 5; n++)
			assert_false(collector_work(collector, now));
		assert_false(collector_is_up(collector));
		close(other);
		now += 1;
		for (unsigned n = 0; n < 5; n++)
			collector_work(collector, now);
		assert_false(collector_is_up(collector));
		assert_non_null(strstr(collector_reason(collector), "refused"));
	}
	assert_int_equal(counts_of(collector).lost, 0);
	collector_free(collector);
}

static void
test_netns(void **state)
{
	struct collector_config config = {
		.address = { .family = 4, .address = { 127, 0, 0, 1 } },
		.port = 4739,
		.netns = "weft-there-is-none",
	};
	struct collector *collector = collector_create(&config);

	(void)state;
	assert_non_null(collector);
	assert_false(collector_work(collector, now));
	assert_false(collector_is_up(collector));
	assert_non_null(strstr(collector_reason(collector), "weft-there-is-none"));
	send_one(collector, 1);
	assert_false(collector_work(collector, now));
	collector_free(collector);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_udp_refused),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_lost_session),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_netns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
