/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/loop.h"

#include "base/error.h"
#include "base/log.h"
#include "graph/engine.h"
#include "graph/probe.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <uv.h>

#define QUIET_MS 100 /* between looks at the punts when nothing happens */
#define BUSY_MS 5
#define TICK_NS 1000000000u

struct loop {
	struct daemon *daemon;
	uv_loop_t uv;
	uv_signal_t terminate, interrupt;
	uv_async_t woken;
	uv_timer_t drain, watchdog;
	_Atomic bool end_asked;

	pthread_t ticker;
	bool ticking;
	pthread_mutex_t lock; /* of `stopping` */
	pthread_cond_t stop;
	bool stopping;
};

static struct loop *the_loop; /* one per process: daemon->wake and ->end know no more */

/* ---- punts and probes -------------------------------------------------------------------------
 */

static unsigned
look(struct daemon *daemon)
{
	struct weft *weft = daemon->weft;
	unsigned drained;
	uint64_t next;

	/* a commit is under way: what was punted waits in its rings */
	if (pthread_mutex_trylock(&daemon->engine_lock) != 0)
		return BUSY_MS;
	drained = weft_poll(weft);
	probe_poll(weft, engine_now(weft));
	next = probe_next(weft, engine_now(weft));
	pthread_mutex_unlock(&daemon->engine_lock);
	return drained > 0 || next != UINT64_MAX ? BUSY_MS : QUIET_MS;
}

static void
drain(uv_timer_t *timer)
{
	struct loop *loop = timer->data;

	uv_timer_start(timer, drain, look(loop->daemon), 0);
}

static void
feed_watchdog(uv_timer_t *timer)
{
	(void)timer;
	sd_notify(0, "WATCHDOG=1");
}

/* ---- the tick thread ----------------------------------------------------------------------------
 */

/* Each second; checks of vnics ask the kernel, and may open what was lost. */
static void *
tick(void *argument)
{
	struct loop *loop = argument;
	struct timespec next;

	pthread_setname_np(pthread_self(), "tick");
	clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&loop->lock);
	while (!loop->stopping) {
		next.tv_sec++;
		if (pthread_cond_timedwait(&loop->stop, &loop->lock, &next) == 0)
			continue;
		pthread_mutex_unlock(&loop->lock);
		pthread_mutex_lock(&loop->daemon->engine_lock);
		weft_tick(loop->daemon->weft);
		pthread_mutex_unlock(&loop->daemon->engine_lock);
		/* what was missed is not made up for */
		clock_gettime(CLOCK_MONOTONIC, &next);
		pthread_mutex_lock(&loop->lock);
	}
	pthread_mutex_unlock(&loop->lock);
	return NULL;
}

static void
stop_ticking(struct loop *loop)
{
	if (!loop->ticking)
		return;
	pthread_mutex_lock(&loop->lock);
	loop->stopping = true;
	pthread_cond_signal(&loop->stop);
	pthread_mutex_unlock(&loop->lock);
	pthread_join(loop->ticker, NULL);
	loop->ticking = false;
}

/* ---- waking and ending
 * --------------------------------------------------------------------------- */

static void
wake(struct daemon *daemon)
{
	(void)daemon;
	uv_async_send(&the_loop->woken);
}

/* Any thread, workers' too. */
static void
wake_for_punts(void *context)
{
	wake(context);
}

static void
end(struct daemon *daemon)
{
	(void)daemon;
	atomic_store(&the_loop->end_asked, true);
	uv_async_send(&the_loop->woken);
}

static void
take_wake(uv_async_t *woken)
{
	struct loop *loop = woken->data;

	if (atomic_load(&loop->end_asked))
		uv_stop(&loop->uv);
	else
		uv_timer_start(&loop->drain, drain, 0, 0);
}

static void
take_signal(uv_signal_t *handle, int number)
{
	log_info("%s: ending", number == SIGTERM ? "SIGTERM" : "SIGINT");
	uv_stop(handle->loop);
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

struct loop *
loop_open(struct daemon *daemon, struct weft_error *error)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	pthread_condattr_t attributes;
	sigset_t pipe;

	if (loop == NULL) {
		error_memory(error);
		return NULL;
	}
	loop->daemon = daemon;
	if (uv_loop_init(&loop->uv) != 0) {
		error_set(error, 0, "cannot open an event loop");
		free(loop);
		return NULL;
	}
	pthread_mutex_init(&loop->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&loop->stop, &attributes);
	pthread_condattr_destroy(&attributes);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	uv_signal_init(&loop->uv, &loop->terminate);
	uv_signal_init(&loop->uv, &loop->interrupt);
	uv_signal_start(&loop->terminate, take_signal, SIGTERM);
	uv_signal_start(&loop->interrupt, take_signal, SIGINT);
	uv_async_init(&loop->uv, &loop->woken, take_wake);
	uv_timer_init(&loop->uv, &loop->drain);
	uv_timer_init(&loop->uv, &loop->watchdog);
	loop->woken.data = loop->drain.data = loop;
	the_loop = loop;
	daemon->wake = wake;
	daemon->end = end;
	return loop;
}

int
loop_run(struct loop *loop, struct weft_error *error)
{
	uint64_t interval;
	int code = pthread_create(&loop->ticker, NULL, tick, loop);

	if (code != 0)
		return error_errno(error, code, "cannot start a thread");
	loop->ticking = true;
	weft_watch(loop->daemon->weft, wake_for_punts, loop->daemon);
	uv_timer_start(&loop->drain, drain, QUIET_MS, 0);
	if (sd_watchdog_enabled(0, &interval) > 0)
		uv_timer_start(&loop->watchdog, feed_watchdog, 0, interval / 2000);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	stop_ticking(loop);
	return 0;
}

static void
close_handle(uv_handle_t *handle, void *argument)
{
	(void)argument;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void
loop_close(struct loop *loop)
{
	if (loop == NULL)
		return;
	stop_ticking(loop);
	if (loop->daemon->weft != NULL)
		weft_watch(loop->daemon->weft, NULL, NULL);
	loop->daemon->wake = loop->daemon->end = NULL;
	uv_walk(&loop->uv, close_handle, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_loop_close(&loop->uv);
	pthread_cond_destroy(&loop->stop);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
	the_loop = NULL;
}
