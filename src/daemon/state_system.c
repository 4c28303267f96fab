/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon itself: its workers, its history, its process. */
#include "base/clock.h"
#include "daemon/state_internal.h"
#include "graph/waiter.h"

#include <cap-ng.h>
#include <linux/capability.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_LIMIT 1000 /* the model keeps no more */
#define SECOND_NS UINT64_C(1000000000)

/* ---- workers --------------------------------------------------------------------------------- */

/*
 * How busy a worker is can only be told of a span of time: that since the last look that was
 * a second ago, or more; at first, since its start.
 */
struct look {
	uint64_t time, slept; /* ns */
};

static struct {
	pthread_mutex_t lock;
	uint64_t started[WORKER_LIMIT]; /* of the worker that these are of */
	struct look before[WORKER_LIMIT], latest[WORKER_LIMIT];
} looks = { .lock = PTHREAD_MUTEX_INITIALIZER };

static double
percent_busy(const struct look *from, const struct look *to)
{
	double passed = (double)(to->time - from->time), slept = (double)(to->slept - from->slept);

	if (to->time <= from->time || to->slept < from->slept || slept > passed)
		return 0;
	return 100 * (1 - slept / passed);
}

static double
look_again(const struct worker *worker)
{
	struct look now = { engine_now(worker->weft), worker_slept(worker) };
	struct look *before = &looks.before[worker->index], *latest = &looks.latest[worker->index];
	double percent;

	pthread_mutex_lock(&looks.lock);
	if (looks.started[worker->index] != worker->started) {
		looks.started[worker->index] = worker->started;
		*before = *latest = (struct look){ worker->started, 0 };
	}
	if (now.time >= latest->time + SECOND_NS) {
		*before = *latest;
		*latest = now;
	}
	percent = percent_busy(before, &now);
	pthread_mutex_unlock(&looks.lock);
	return percent;
}

/* The CPU that a thread ran on last; -1: not known. */
static int
cpu_of(int thread)
{
	char path[64], text[1024] = "";
	const char *at;
	FILE *file;
	int cpu;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	file = thread != 0 ? fopen(path, "re") : NULL;
	if (file == NULL)
		return -1;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	/* field 39; the name, field 2, is in parentheses and may hold anything */
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 39; field++)
		at = strchr(at + 1, ' ');
	return at != NULL && sscanf(at, "%d", &cpu) == 1 ? cpu : -1;
}

static void
add_worker(struct state_view *view, const struct worker *worker)
{
	json_t *object = json_object();
	int cpu = cpu_of(worker->thread);

	if (object == NULL)
		view->no_memory = true;
	state_set_number(view, object, "index", worker->index);
	state_set(view, object, "cpu", cpu >= 0 ? json_integer(cpu) : json_null());
	state_set_number(view, object, "packets", STATE_PEEK(worker->packets));
	state_set_number(view, object, "turns", STATE_PEEK(worker->turns));
	state_set_number(view, object, "sleeps", STATE_PEEK(worker->sleeps));
	state_set(view, object, "busy-percent",
		worker->thread != 0 ? json_real(look_again(worker)) : json_null());
	state_set_text(
		view, object, "waiter", waiter_ring(worker->waiter) != NULL ? "io_uring" : "epoll");
	state_add(view, object, NULL, worker->index);
}

void
state_workers(struct state_view *view)
{
	for (unsigned i = 0; i < view->weft->n_workers; i++)
		if (state_selects_number(view, i))
			add_worker(view, view->weft->workers[i]);
}

/* ---- history --------------------------------------------------------------------------------- */

static void
add_entry(struct state_view *view, const struct history_entry *entry,
	const struct config_status *status)
{
	bool waits = entry->number == status->unconfirmed;
	char time[STATE_TIME_SIZE];
	json_t *object = json_object();

	if (object == NULL)
		view->no_memory = true;
	state_set_number(view, object, "number", entry->number);
	state_set_text(view, object, "time", state_time((uint64_t)entry->time * SECOND_NS, time));
	state_set_text(view, object, "user", entry->user[0] != '\0' ? entry->user : NULL);
	state_set_text(view, object, "note", entry->note[0] != '\0' ? entry->note : NULL);
	state_set(view, object, "running", json_boolean(entry->number == status->running));
	state_set(view, object, "unconfirmed", json_boolean(waits));
	state_set(view, object, "confirm-left",
		waits ? json_real(status->confirm_left) : json_null());
	state_add(view, object, NULL, UINT64_MAX - entry->number); /* newest first */
}

void
state_history(struct state_view *view)
{
	struct history_entry *entries = calloc(HISTORY_LIMIT, sizeof(*entries));
	struct config_status status = { 0 };
	unsigned count = 0;

	if (entries == NULL)
		view->no_memory = true;
	else
		count = config_history(view->daemon->config, entries, HISTORY_LIMIT, &status);
	for (unsigned i = 0; i < count; i++)
		if (state_selects_number(view, entries[i].number))
			add_entry(view, &entries[i], &status);
	free(entries);
}

/* ---- system ---------------------------------------------------------------------------------- */

uint64_t
state_resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

double
state_uptime(const struct daemon *daemon)
{
	uint64_t now = clock_monotonic();

	return now > daemon->started ? (double)(now - daemon->started) / 1e9 : 0;
}

static void
set_pool(struct state_view *view, json_t *object, const char *key, struct rte_mempool *pool)
{
	json_t *told = json_object();

	state_set(view, object, key, told);
	state_set_number(view, told, "count", pool->size);
	state_set_number(view, told, "used", rte_mempool_in_use_count(pool));
}

static void
set_memory(struct state_view *view, json_t *object)
{
	json_t *memory = json_object();

	state_set(view, object, "memory", memory);
	state_set_number(view, memory, "packet-bytes",
		(uint64_t)view->weft->options.memory_mb * 1024 * 1024);
	state_set(view, memory, "hugepages", json_boolean(view->weft->options.hugepages));
	state_set_number(view, memory, "resident-bytes", state_resident_bytes());
	set_pool(view, memory, "small-buffers", view->weft->pools.small);
	set_pool(view, memory, "large-buffers", view->weft->pools.large);
}

static void
set_configuration(struct state_view *view, json_t *object)
{
	struct config_status status = { 0 };

	config_history(view->daemon->config, NULL, 0, &status);
	state_set_number(view, object, "configuration", status.running);
	state_set_some(view, object, "unconfirmed", status.unconfirmed);
	state_set(view, object, "confirm-left",
		status.unconfirmed != 0 ? json_real(status.confirm_left) : json_null());
}

/* The effective ones of this process. */
static void
set_capabilities(struct state_view *view, json_t *object)
{
	json_t *array = json_array();

	state_set(view, object, "capabilities", array);
	if (capng_get_caps_process() != 0)
		return;
	for (unsigned i = 0; i <= CAP_LAST_CAP; i++) {
		const char *name = capng_capability_to_name(i);

		if (name != NULL && capng_have_capability(CAPNG_EFFECTIVE, i))
			state_append(view, array, json_text(name));
	}
}

static void
set_io_uring(struct state_view *view, json_t *object)
{
	const struct waiter_features *features = waiter_features(view->weft->workers[0]->waiter);
	json_t *told = json_object();

	state_set(view, object, "io-uring", told);
	state_set(view, told, "used", json_boolean(features->io_uring));
	state_set(view, told, "read-multishot", json_boolean(features->read_multishot));
	state_set(view, told, "buffer-rings", json_boolean(features->buffer_rings));
}

void
state_system(struct state_view *view)
{
	const struct daemon *daemon = view->daemon;
	json_t *object = json_object();

	if (object == NULL)
		view->no_memory = true;
	state_set_text(view, object, "version", WEFT_VERSION);
	state_set_number(view, object, "pid", (uint64_t)getpid());
	state_set(view, object, "uptime", json_real(state_uptime(daemon)));
	state_set_number(view, object, "workers", view->weft->threads ? view->weft->n_workers : 0);
	state_set_text(view, object, "poll",
		view->weft->options.poll == WEFT_POLL_BUSY ? "busy" : "sleep");
	set_memory(view, object);
	set_configuration(view, object);
	set_capabilities(view, object);
	set_io_uring(view, object);
	state_set_text(view, object, "socket", daemon->socket);
	state_set_text(view, object, "state", daemon->state);
	state_add(view, object, NULL, 0);
}
