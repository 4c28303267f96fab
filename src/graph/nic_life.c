/* SPDX-License-Identifier: BSD-3-Clause */
/* The control side of a vnic: its life as graph/nic.h tells it, from open() to close(). */
#include "base/error.h"
#include "base/log.h"
#include "graph/engine.h"
#include "graph/nic_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_NS 1000000000
#define CHECKS_PER_TICK 256
#define STOP_PAUSE_US 500
#define NIC_MTU 1500

/* ---- status
 * -------------------------------------------------------------------------------------- */

static void
log_status(const struct weft_nic *nic, enum nic_status status, const char *text)
{
	const char *network = nic->network != NULL ? nic->network->name : "uplinks";

	if (status == NIC_STATUS_UP)
		log_info("vnic %s/%s is up", network, nic->name);
	else
		log_warning("vnic %s/%s is degraded: %s", network, nic->name, text);
}

void
nic_set_status(struct weft_nic *nic, enum nic_status status, const char *text)
{
	struct weft *weft = nic->weft;

	if (nic->status == status && strcmp(nic->status_text, text) == 0)
		return;
	weft_objects_lock(weft);
	nic->status = status;
	snprintf(nic->status_text, sizeof(nic->status_text), "%s", text);
	weft_objects_unlock(weft);
	if (weft->nic_status != NULL)
		weft->nic_status(weft->nic_status_context, nic, status, text);
	else
		log_status(nic, status, text);
}

void
engine_watch_nics(struct weft *weft, nic_status_handler handler, void *context)
{
	weft->nic_status_context = context;
	weft->nic_status = handler;
}

/* ---- on the workers
 * ------------------------------------------------------------------------------- */

static void
start_on_worker(struct worker *worker, void *argument)
{
	struct nic_queue *queue = argument;

	if (queue->nic->driver->start(queue, worker) == 0)
		queue->running = true;
	if (queue->running && queue->polled)
		nic_queue_ready(worker, queue);
}

static void
stop_on_worker(struct worker *worker, void *argument)
{
	struct nic_queue *queue = argument;

	if (!queue->running)
		return;
	share_leave(worker, queue);
	if (queue->nic->driver->stop(queue, worker)) {
		share_leave(worker, queue);
		queue->running = false;
	}
}

static void
start_queues(struct weft_nic *nic)
{
	for (unsigned i = 0; i < nic->n_queues; i++) {
		struct nic_queue *queue = nic->queues[i];

		worker_call(nic->weft->workers[queue->worker], start_on_worker, queue);
	}
	atomic_store(&nic->usable, true);
}

struct drain {
	struct weft_nic *nic;
	bool done;
};

static void
drain_on_worker(struct worker *worker, void *argument)
{
	struct drain *drain = argument;

	drain->done = drain->nic->driver->drain(drain->nic, worker);
}

/* Lets the worker's I/O get on. */
static void
pause_for(struct worker *worker)
{
	if (worker->weft->threads)
		usleep(STOP_PAUSE_US);
	else
		worker_turn(worker);
}

/* After a grace period in which nobody finds it usable, no worker is inside transmit(). */
static void
stop_queues(struct weft_nic *nic)
{
	struct worker *const *workers = nic->weft->workers;

	atomic_store(&nic->usable, false);
	engine_synchronize(nic->weft);
	for (unsigned i = 0; i < nic->n_queues; i++) {
		struct nic_queue *queue = nic->queues[i];

		for (worker_call(workers[queue->worker], stop_on_worker, queue); queue->running;
			worker_call(workers[queue->worker], stop_on_worker, queue))
			pause_for(workers[queue->worker]);
	}
	for (unsigned i = 0; nic->driver->drain != NULL && i < nic->weft->n_workers; i++) {
		struct drain drain = { nic, false };

		for (worker_call(workers[i], drain_on_worker, &drain); !drain.done;
			worker_call(workers[i], drain_on_worker, &drain))
			pause_for(workers[i]);
	}
}

/* ---- opening and closing
 * -------------------------------------------------------------------------- */

static void
free_queues(struct weft_nic *nic)
{
	for (unsigned i = 0; i < NIC_QUEUE_LIMIT; i++) {
		free(nic->queues[i]);
		nic->queues[i] = NULL;
	}
}

int
nic_make_queues(struct weft_nic *nic)
{
	/* vnics with one queue are spread over the workers by their ids */
	unsigned first = id_index(nic->id) % nic->weft->n_workers;
	struct worker_share *shares = nic->uplink ? nic->shares : nic->network->shares;

	for (unsigned i = 0; i < NIC_QUEUE_LIMIT; i++) {
		nic->queues[i] = calloc(1, sizeof(struct nic_queue));
		if (nic->queues[i] == NULL)
			return -1;
		nic->queues[i]->nic = nic;
		nic->queues[i]->index = i;
		nic->queues[i]->worker = (first + i) % nic->weft->n_workers;
		nic->queues[i]->share = &shares[nic->queues[i]->worker];
	}
	return 0;
}

enum nic_result
nic_open_driver(struct weft_nic *nic, struct weft_error *error)
{
	enum nic_result result;

	nic->n_queues = 1;
	nic->offloads = 0;
	nic->mtu = nic->config->mtu != 0 ? nic->config->mtu : NIC_MTU;
	atomic_store(&nic->lost, false);
	for (unsigned i = 0; i < NIC_QUEUE_LIMIT; i++) {
		nic->queues[i]->polled = nic->queues[i]->wakes = false;
		nic->queues[i]->burst_least = 0;
	}
	result = nic->driver->open(nic, error);
	nic->opened = result == NIC_OK;
	/* of one that is only staged nobody is told: the commit tries it again */
	if (result == NIC_ABSENT && nic->state == OBJECT_LIVE) {
		nic->next_try = engine_now(nic->weft) + RETRY_NS;
		nic_set_status(nic, NIC_STATUS_DEGRADED, error->text);
	}
	return result;
}

void
nic_bring_up(struct weft_nic *nic)
{
	struct weft_error error = { 0 };

	if (!nic->opened)
		return;
	start_queues(nic);
	if (atomic_load(&nic->lost)) { /* a queue could not be started; check() opens it anew */
		nic_set_status(
			nic, NIC_STATUS_DEGRADED, "a queue does not run: no memory, or it is gone");
		return;
	}
	if (nic->driver->publish != NULL && nic->driver->publish(nic, &error) != NIC_OK)
		nic_set_status(nic, NIC_STATUS_DEGRADED, error.text);
	else
		nic_set_status(nic, NIC_STATUS_UP, "");
}

void
nic_bring_down(struct weft_nic *nic)
{
	if (!nic->opened)
		return;
	stop_queues(nic);
	nic->driver->close(nic);
	nic->opened = false;
}

void
nic_reopen(struct weft_nic *nic, const struct nic_driver *driver)
{
	struct weft_error error = { 0 };

	nic_bring_down(nic);
	nic->driver = driver;
	switch (nic_open_driver(nic, &error)) {
	case NIC_OK:
		nic_bring_up(nic);
		break;
	case NIC_FAILED:
		nic->next_try = engine_now(nic->weft) + RETRY_NS;
		nic_set_status(nic, NIC_STATUS_DEGRADED, error.text);
		break;
	case NIC_ABSENT:
		break;
	}
}

static void
free_transmits(struct weft_nic *nic)
{
	for (unsigned i = 0; nic->transmit != NULL && i < nic->weft->n_workers; i++)
		free(nic->transmit[i]);
	free(nic->transmit);
}

void
nic_free(struct weft_nic *nic)
{
	if (nic->opened)
		nic->driver->close(nic);
	free_queues(nic);
	free_transmits(nic);
	if (nic->id != 0)
		id_pool_give(&nic->weft->nic_ids, nic->id);
	nic_free_config(nic->config);
	free((void *)nic->vlans);
	free(nic->shares);
	free(nic->staged_vlans);
	free(nic->name);
	free(nic);
}

/* ---- checking
 * ------------------------------------------------------------------------------------- */

static void
check(struct weft_nic *nic, uint64_t now)
{
	struct weft_error error = { 0 };
	enum nic_result result = NIC_OK;

	if (!nic->opened) {
		if (now >= nic->next_try)
			nic_reopen(nic, nic->driver);
		return;
	}
	if (nic->driver->check != NULL)
		result = nic->driver->check(nic, &error);
	else if (atomic_load(&nic->lost))
		result = NIC_ABSENT;
	if (result == NIC_ABSENT)
		nic_reopen(nic, nic->driver);
	else if (result == NIC_FAILED)
		nic_set_status(nic, NIC_STATUS_DEGRADED, error.text);
	else
		nic_set_status(nic, NIC_STATUS_UP, "");
}

void
nic_check_all(struct weft *weft)
{
	uint64_t now = engine_now(weft);
	uint32_t used = __atomic_load_n(&weft->nic_ids.used, __ATOMIC_RELAXED);
	unsigned budget = CHECKS_PER_TICK;

	pthread_mutex_lock(&weft->nics_lock);
	for (uint32_t seen = 0; seen < used; seen++) {
		uint32_t index = (weft->nic_check_next + seen) % used;
		struct weft_nic *nic = weft->nics[index];

		if (nic == NULL || (nic->opened && !atomic_load(&nic->lost) && budget == 0))
			continue;
		if (budget > 0 && --budget == 0)
			weft->nic_check_next = index + 1;
		check(nic, now);
	}
	pthread_mutex_unlock(&weft->nics_lock);
}
