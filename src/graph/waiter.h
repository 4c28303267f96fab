/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place where a worker waits: an io_uring where the kernel has one that will do, an
 * epoll set otherwise. Drivers of vnics hang wait_sources into it.
 *
 * Worker's thread only.
 */
#ifndef WEFT_GRAPH_WAITER_H
#define WEFT_GRAPH_WAITER_H

#include <stdbool.h>
#include <stdint.h>

struct io_uring;
struct io_uring_sqe;
struct waiter;
struct worker;

/*
 * Something that reports. `ready` runs on the worker's thread, from the waiter's reaping.
 * For a watched fd: result is the poll(2) events, and the source must then read until the
 * fd is empty (or come back by itself): it is told again only when more arrives.
 * For an io_uring request of the driver's own: result and flags are those of the completion.
 */
struct wait_source {
	void (*ready)(
		struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags);
};

/* Tells when the fd gets readable. 0, or -1 with errno. */
int waiter_watch(struct waiter *waiter, int fd, struct wait_source *source);
/* Returns when no further `ready` of this watch will come. */
void waiter_unwatch(struct waiter *waiter, int fd, struct wait_source *source);

/*
 * For drivers that do their I/O in the ring itself. NULL when there is none: then use plain
 * calls and waiter_watch. sqe: a free request (submits the queued ones if there is none),
 * whose user data the driver sets by io_uring_sqe_set_data(sqe, wait_source). Requests are
 * submitted once a turn, or by waiter_submit.
 */
struct io_uring *waiter_ring(struct waiter *waiter);
struct io_uring_sqe *waiter_sqe(struct waiter *waiter);
void waiter_submit(struct waiter *waiter);

/* What of io_uring this kernel has; probed once. */
struct waiter_features {
	bool io_uring;
	bool read_multishot; /* IORING_OP_READ_MULTISHOT, Linux 6.7 */
	bool buffer_rings;   /* IORING_REGISTER_PBUF_RING, Linux 5.19 */
};
const struct waiter_features *waiter_features(const struct waiter *waiter);

/* ---- for the worker itself --------------------------------------------------------------- */

/* use_io_uring false: epoll whatever the kernel has. NULL on failure, errno set. */
struct waiter *waiter_open(struct worker *worker, bool use_io_uring);
void waiter_close(struct waiter *waiter);
/* Runs `ready` for all that has happened; returns how many. No system call if none is due. */
unsigned waiter_reap(struct waiter *waiter);
/* Submits, then sleeps until something happens, waiter_kick, or the time is over. */
void waiter_sleep(struct waiter *waiter, uint64_t nanoseconds);
/* Any thread: ends a sleep. */
void waiter_kick(struct waiter *waiter);

#endif
