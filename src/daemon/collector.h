/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session with a collector, by UDP or TCP: messages in, to the network as it takes them. Nothing
 * blocks. What the network does not take at once waits in a buffer of COLLECTOR_BUFFER bytes; where
 * that is full messages are lost, and counted.
 *
 * A TCP session that is lost is opened again, after one second, two, four, ... up to a minute. What
 * waited for it is lost with it; what comes meanwhile waits for the next one. UDP has no session to
 * lose; that nobody listens is known from the ICMP errors of its host, and told.
 *
 * One thread.
 */
#ifndef WEFT_DAEMON_COLLECTOR_H
#define WEFT_DAEMON_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

#define COLLECTOR_BUFFER (4u << 20)
#define COLLECTOR_NETNS_SIZE 256

struct collector_config {
	struct weft_prefix address;
	uint16_t port;
	bool tcp;
	char netns[COLLECTOR_NETNS_SIZE]; /* name under /run/netns; "": weftd's own */
};

struct collector_counts {
	uint64_t messages, flows, bytes; /* given to the kernel */
	uint64_t lost;                   /* flows */
};

struct collector;

/* NULL: no memory. */
struct collector *collector_create(const struct collector_config *config);
/* What waits is sent as far as the network takes it at once. */
void collector_free(struct collector *collector);

/* A message that tells of so many flows. */
void collector_send(
	struct collector *collector, const uint8_t *message, size_t length, unsigned flows);

/*
 * Connects, sends what waits, notices what has ended. Often. now: ns of CLOCK_MONOTONIC.
 * True: a session has ended, what is sent from now on is another's.
 */
bool collector_work(struct collector *collector, uint64_t now);

/* Whether there is a session in which messages arrive, as far as one knows. */
bool collector_is_up(const struct collector *collector);
/* Why not; "" if there is nothing to tell. */
const char *collector_reason(const struct collector *collector);
/* Longest message that goes through in one piece. */
size_t collector_message_limit(const struct collector *collector);
void collector_count(const struct collector *collector, struct collector_counts *counts);

#endif
