/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/waiter.h"

#include <errno.h>
#include <liburing.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_ENTRIES 1024
#define RING_COMPLETIONS 8192
#define EPOLL_BATCH 64
#define OP_READ_MULTISHOT 49 /* IORING_OP_READ_MULTISHOT; liburing 2.3 does not name it */

struct watch {
	struct wait_source own;     /* what the ring reports to */
	struct wait_source *target; /* NULL: unwatched, freed when the kernel has let go of it */
	struct waiter *waiter;
	int fd;
	struct watch *next;
};

struct waiter {
	struct worker *worker;
	struct waiter_features features;
	struct io_uring ring;
	int epoll; /* -1: the ring is used */
	int kick;  /* eventfd */
	struct wait_source kicked;
	struct watch *watches;
	struct watch *garbage; /* epoll: unwatched, freed after the reaping */
};

/* ---- io_uring ------------------------------------------------------------------------------ */

static void
probe(struct waiter *waiter)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&waiter->ring);
	struct io_uring_buf_reg registration = { .ring_entries = 8, .bgid = 0xffff };
	void *memory = NULL;

	if (probe != NULL) {
		waiter->features.read_multishot = probe->last_op >= OP_READ_MULTISHOT;
		io_uring_free_probe(probe);
	}
	if (posix_memalign(&memory, 4096, 4096) != 0)
		return;
	registration.ring_addr = (uintptr_t)memory;
	if (io_uring_register_buf_ring(&waiter->ring, &registration, 0) == 0) {
		io_uring_unregister_buf_ring(&waiter->ring, registration.bgid);
		waiter->features.buffer_rings = true;
	}
	free(memory);
}

/*
 * Completions that need the task's own context (DEFER_TASKRUN) run only when the worker
 * asks for them, and TASKRUN_FLAG tells it in shared memory when to ask: a turn without
 * events costs no system call, and none interrupts a walk. Linux 6.1; older ones get less.
 */
static int
open_ring(struct waiter *waiter)
{
	static const unsigned choices[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};

	for (unsigned i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		struct io_uring_params parameters = {
			.flags = choices[i] | IORING_SETUP_CQSIZE,
			.cq_entries = RING_COMPLETIONS,
		};

		if (io_uring_queue_init_params(RING_ENTRIES, &waiter->ring, &parameters) != 0)
			continue;
		/* the release (5.13) that has multishot polls, without which nothing here works */
		if (!(parameters.features & IORING_FEAT_RSRC_TAGS)) {
			io_uring_queue_exit(&waiter->ring);
			return -1;
		}
		waiter->features.io_uring = true;
		probe(waiter);
		return 0;
	}
	return -1;
}

struct io_uring_sqe *
waiter_sqe(struct waiter *waiter)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&waiter->ring);

	/* a submit empties the queue: the kernel takes all, or fails those it does not like */
	while (sqe == NULL) {
		io_uring_submit(&waiter->ring);
		sqe = io_uring_get_sqe(&waiter->ring);
	}
	return sqe;
}

void
waiter_submit(struct waiter *waiter)
{
	if (waiter->epoll < 0 && io_uring_sq_ready(&waiter->ring) > 0)
		io_uring_submit(&waiter->ring);
}

static void
arm_poll(struct watch *watch)
{
	struct io_uring_sqe *sqe = waiter_sqe(watch->waiter);

	io_uring_prep_poll_multishot(sqe, watch->fd, EPOLLIN);
	io_uring_sqe_set_data(sqe, &watch->own);
}

static void
forget(struct watch *watch)
{
	struct watch **at = &watch->waiter->watches;

	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	free(watch);
}

static void
poll_ready(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct watch *watch = (struct watch *)source;
	bool more = (flags & IORING_CQE_F_MORE) != 0;

	if (watch->target == NULL) {
		if (!more)
			forget(watch);
		return;
	}
	if (!more && result != -ECANCELED)
		arm_poll(watch);
	watch->target->ready(watch->target, worker, result < 0 ? EPOLLERR : result, 0);
}

static unsigned
reap_ring(struct waiter *waiter)
{
	struct io_uring *ring = &waiter->ring;
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;
	unsigned flags = __atomic_load_n(ring->sq.kflags, __ATOMIC_RELAXED);

	if (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		io_uring_get_events(ring);
	io_uring_for_each_cqe(ring, head, cqe)
	{
		struct wait_source *source = io_uring_cqe_get_data(cqe);

		count++;
		if (source != NULL)
			source->ready(source, waiter->worker, cqe->res, cqe->flags);
	}
	io_uring_cq_advance(ring, count);
	return count;
}

static void
sleep_ring(struct waiter *waiter, uint64_t nanoseconds)
{
	struct __kernel_timespec time = {
		.tv_sec = (long long)(nanoseconds / 1000000000),
		.tv_nsec = (long long)(nanoseconds % 1000000000),
	};
	struct io_uring_cqe *cqe;

	io_uring_submit_and_wait_timeout(&waiter->ring, &cqe, 1, &time, NULL);
}

/* ---- epoll ----------------------------------------------------------------------------------- */

static unsigned
reap_epoll(struct waiter *waiter, int milliseconds)
{
	struct epoll_event events[EPOLL_BATCH];
	int count = epoll_wait(waiter->epoll, events, EPOLL_BATCH, milliseconds);

	for (int i = 0; i < count; i++) {
		struct watch *watch = events[i].data.ptr;

		if (watch->target != NULL)
			watch->target->ready(
				watch->target, waiter->worker, (int32_t)events[i].events, 0);
	}
	while (waiter->garbage != NULL) {
		struct watch *watch = waiter->garbage;

		waiter->garbage = watch->next;
		free(watch);
	}
	return count > 0 ? (unsigned)count : 0;
}

/* ---- both ------------------------------------------------------------------------------------ */

int
waiter_watch(struct waiter *waiter, int fd, struct wait_source *source)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = watch };

	if (watch == NULL)
		return -1;
	*watch = (struct watch){ { poll_ready }, source, waiter, fd, waiter->watches };
	if (waiter->epoll < 0) {
		arm_poll(watch);
	} else if (epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(watch);
		return -1;
	}
	waiter->watches = watch;
	return 0;
}

/* at: where the list of watches points to it. */
static void
cancel(struct waiter *waiter, struct watch **at)
{
	struct io_uring_sqe *sqe;
	struct watch *watch = *at;

	watch->target = NULL;
	if (waiter->epoll >= 0) {
		*at = watch->next;
		epoll_ctl(waiter->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
		watch->next = waiter->garbage;
		waiter->garbage = watch;
		return;
	}
	/* poll_ready frees it with the last completion */
	sqe = waiter_sqe(waiter);
	io_uring_prep_cancel(sqe, &watch->own, 0);
	io_uring_sqe_set_data(sqe, NULL);
	io_uring_submit(&waiter->ring);
}

void
waiter_unwatch(struct waiter *waiter, int fd, struct wait_source *source)
{
	struct watch **at = &waiter->watches;

	while (*at != NULL && ((*at)->fd != fd || (*at)->target != source))
		at = &(*at)->next;
	if (*at != NULL)
		cancel(waiter, at);
}

struct io_uring *
waiter_ring(struct waiter *waiter)
{
	return waiter->epoll < 0 ? &waiter->ring : NULL;
}

const struct waiter_features *
waiter_features(const struct waiter *waiter)
{
	return &waiter->features;
}

static void
drain_kick(struct wait_source *source, struct worker *worker, int32_t result, uint32_t flags)
{
	struct waiter *waiter = (struct waiter *)((char *)source - offsetof(struct waiter, kicked));
	uint64_t count;

	(void)worker;
	(void)result;
	(void)flags;
	if (read(waiter->kick, &count, sizeof(count)) < 0)
		return; /* EAGAIN: an earlier look has taken it */
}

struct waiter *
waiter_open(struct worker *worker, bool use_io_uring)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter == NULL)
		return NULL;
	waiter->worker = worker;
	waiter->epoll = -1;
	waiter->kicked.ready = drain_kick;
	waiter->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (waiter->kick < 0)
		goto failed;
	if (!use_io_uring || open_ring(waiter) < 0) {
		waiter->epoll = epoll_create1(EPOLL_CLOEXEC);
		if (waiter->epoll < 0)
			goto failed;
	}
	if (waiter_watch(waiter, waiter->kick, &waiter->kicked) == 0)
		return waiter;
failed:
	waiter_close(waiter);
	return NULL;
}

void
waiter_close(struct waiter *waiter)
{
	struct watch *watch, *next;

	if (waiter == NULL)
		return;
	if (waiter->features.io_uring)
		io_uring_queue_exit(&waiter->ring);
	if (waiter->epoll >= 0)
		close(waiter->epoll);
	if (waiter->kick >= 0)
		close(waiter->kick);
	for (watch = waiter->watches; watch != NULL; watch = next) {
		next = watch->next;
		free(watch);
	}
	for (watch = waiter->garbage; watch != NULL; watch = next) {
		next = watch->next;
		free(watch);
	}
	free(waiter);
}

unsigned
waiter_reap(struct waiter *waiter)
{
	return waiter->epoll < 0 ? reap_ring(waiter) : reap_epoll(waiter, 0);
}

void
waiter_sleep(struct waiter *waiter, uint64_t nanoseconds)
{
	if (waiter->epoll < 0)
		sleep_ring(waiter, nanoseconds);
	else
		reap_epoll(waiter, (int)((nanoseconds + 999999) / 1000000));
}

void
waiter_kick(struct waiter *waiter)
{
	uint64_t one = 1;

	if (write(waiter->kick, &one, sizeof(one)) < 0)
		return; /* EAGAIN: full, so it is awake */
}
