/* SPDX-License-Identifier: BSD-3-Clause */
/* The control side of a vnic: its life as graph/nic.h tells it. */
#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "graph/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_NS 1000000000
#define CHECKS_PER_TICK 256
#define STOP_PAUSE_US 500
#define CLOSING_BATCH 256
#define CLOSING_THREADS 32
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

static void
set_status(struct weft_nic *nic, enum nic_status status, const char *text)
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
leave_receiving(struct worker *worker, struct nic_queue *queue)
{
	struct nic_queue **at = &worker->receiving;

	while (*at != NULL && *at != queue)
		at = &(*at)->next;
	if (*at != NULL)
		*at = queue->next;
	queue->receiving = false;
}

static void
stop_on_worker(struct worker *worker, void *argument)
{
	struct nic_queue *queue = argument;

	if (!queue->running)
		return;
	leave_receiving(worker, queue);
	if (queue->nic->driver->stop(queue, worker)) {
		leave_receiving(worker, queue);
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

static int
make_queues(struct weft_nic *nic)
{
	/* vnics with one queue are spread over the workers by their ids */
	unsigned first = id_index(nic->id) % nic->weft->n_workers;

	for (unsigned i = 0; i < NIC_QUEUE_LIMIT; i++) {
		nic->queues[i] = calloc(1, sizeof(struct nic_queue));
		if (nic->queues[i] == NULL)
			return -1;
		nic->queues[i]->nic = nic;
		nic->queues[i]->index = i;
		nic->queues[i]->worker = (first + i) % nic->weft->n_workers;
	}
	return 0;
}

static enum nic_result
open_driver(struct weft_nic *nic, struct weft_error *error)
{
	enum nic_result result;

	nic->n_queues = 1;
	nic->offloads = 0;
	nic->mtu = nic->config->mtu != 0 ? nic->config->mtu : NIC_MTU;
	atomic_store(&nic->lost, false);
	for (unsigned i = 0; i < NIC_QUEUE_LIMIT; i++)
		nic->queues[i]->polled = nic->queues[i]->wakes = false;
	result = nic->driver->open(nic, error);
	nic->opened = result == NIC_OK;
	/* of one that is only staged nobody is told: the commit tries it again */
	if (result == NIC_ABSENT && nic->state == OBJECT_LIVE) {
		nic->next_try = engine_now(nic->weft) + RETRY_NS;
		set_status(nic, NIC_STATUS_DEGRADED, error->text);
	}
	return result;
}

static void
bring_up(struct weft_nic *nic)
{
	struct weft_error error = { 0 };

	if (!nic->opened)
		return;
	start_queues(nic);
	if (atomic_load(&nic->lost)) { /* a queue could not be started; check() opens it anew */
		set_status(
			nic, NIC_STATUS_DEGRADED, "a queue does not run: no memory, or it is gone");
		return;
	}
	if (nic->driver->publish != NULL && nic->driver->publish(nic, &error) != NIC_OK)
		set_status(nic, NIC_STATUS_DEGRADED, error.text);
	else
		set_status(nic, NIC_STATUS_UP, "");
}

static void
bring_down(struct weft_nic *nic)
{
	if (!nic->opened)
		return;
	stop_queues(nic);
	nic->driver->close(nic);
	nic->opened = false;
}

/* The driver may be another one than before: a new configuration may say so. */
static void
reopen(struct weft_nic *nic, const struct nic_driver *driver)
{
	struct weft_error error = { 0 };

	bring_down(nic);
	nic->driver = driver;
	switch (open_driver(nic, &error)) {
	case NIC_OK:
		bring_up(nic);
		break;
	case NIC_FAILED:
		nic->next_try = engine_now(nic->weft) + RETRY_NS;
		set_status(nic, NIC_STATUS_DEGRADED, error.text);
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

static void
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
			reopen(nic, nic->driver);
		return;
	}
	if (nic->driver->check != NULL)
		result = nic->driver->check(nic, &error);
	else if (atomic_load(&nic->lost))
		result = NIC_ABSENT;
	if (result == NIC_ABSENT)
		reopen(nic, nic->driver);
	else if (result == NIC_FAILED)
		set_status(nic, NIC_STATUS_DEGRADED, error.text);
	else
		set_status(nic, NIC_STATUS_UP, "");
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

/* ---- staging
 * -------------------------------------------------------------------------------------- */

struct nic_list *
engine_nics(struct weft *weft, struct weft_network *network)
{
	return network != NULL ? &network->nics : &weft->uplinks;
}

static struct name_map *
names(struct weft *weft, struct weft_network *network)
{
	return network != NULL ? &network->nic_names : &weft->uplink_names;
}

static void
nic_add_commit(void *object)
{
	struct weft_nic *nic = object;

	if (nic->removed)
		return;
	weft_objects_lock(nic->weft);
	nic->state = OBJECT_LIVE;
	TAILQ_INSERT_TAIL(engine_nics(nic->weft, nic->network), nic, entry);
	weft_objects_unlock(nic->weft);
}

static void
nic_add_finish(void *object)
{
	struct weft_nic *nic = object;

	if (nic->removed)
		return;
	/* what was in its way may have gone with this very change */
	if (nic->opened)
		bring_up(nic);
	else
		reopen(nic, nic->driver);
	pthread_mutex_lock(&nic->weft->nics_lock);
	__atomic_store_n(&nic->weft->nics[id_index(nic->id)], nic, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&nic->weft->nics_lock);
}

static void
nic_add_abort(void *object)
{
	struct weft_nic *nic = object;

	name_map_remove(names(nic->weft, nic->network), nic->name);
	nic_free(nic);
}

static const struct change_step nic_add_step = { nic_add_commit, nic_add_finish, nic_add_abort };

static const struct nic_driver *
find_driver(struct weft *weft, enum weft_nic_kind kind)
{
	for (unsigned i = 0; weft->drivers[i] != NULL; i++)
		if (weft->drivers[i]->kind == kind)
			return weft->drivers[i];
	return NULL;
}

/* Everything of a vnic but what its driver opens. NULL: the change has failed. */
static struct weft_nic *
nic_make(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_nic_config *config)
{
	struct weft *weft = change_weft(change);
	struct weft_nic *nic = calloc(1, sizeof(*nic));
	bool made = nic != NULL;

	if (nic == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	nic->weft = weft;
	nic->network = network;
	nic->uplink = network == NULL;
	nic->driver = find_driver(weft, config->kind);
	nic->status = NIC_STATUS_DOWN;
	nic->id = id_pool_take(&weft->nic_ids);
	nic->name = strdup(name);
	nic->config = nic_copy_config(config);
	nic->transmit = calloc(weft->n_workers, sizeof(struct nic_transmit *));
	for (unsigned i = 0; nic->transmit != NULL && i < weft->n_workers; i++) {
		nic->transmit[i] = calloc(1, sizeof(struct nic_transmit));
		if (nic->transmit[i] != NULL)
			nic->transmit[i]->nic = nic;
		made = made && nic->transmit[i] != NULL;
	}
	if (nic->uplink) {
		nic->vlans = calloc(4096, sizeof(*nic->vlans));
		nic->staged_vlans = calloc(4096, sizeof(*nic->staged_vlans));
		made = made && nic->vlans != NULL && nic->staged_vlans != NULL;
	}
	if (!made || nic->id == 0 || nic->name == NULL || nic->config == NULL ||
		nic->transmit == NULL || make_queues(nic) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		nic_free(nic);
		return NULL;
	}
	return nic;
}

struct weft_nic *
weft_nic_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_nic_config *config)
{
	struct name_map *map;
	struct weft_error *error;
	struct weft_nic *nic;

	if (weft_change_failed(change, NULL))
		return NULL;
	map = names(change_weft(change), network);
	if (name == NULL || config == NULL ||
		find_driver(change_weft(change), config->kind) == NULL) {
		change_fail(change, EINVAL, "a vnic needs a name and a kind that this weft has");
		return NULL;
	}
	if (name_map_get(map, name) != NULL) {
		change_fail(change, EEXIST, "vnic '%s' is there already", name);
		return NULL;
	}
	nic = nic_make(change, network, name, config);
	if (nic == NULL)
		return NULL;
	if (name_map_reserve(map, 2) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		nic_free(nic);
		return NULL;
	}
	error = change_error(change);
	if (open_driver(nic, error) == NIC_FAILED) {
		error_prefix(error, "vnic %s", name);
		change_failed_with(change);
		nic_free(nic);
		return NULL;
	}
	name_map_put(map, nic->name, nic);
	if (change_stage(change, &nic_add_step, nic) < 0) {
		nic_add_abort(nic);
		return NULL;
	}
	return nic;
}

struct nic_update {
	struct weft_nic *nic;
	struct weft_nic_config *config; /* the new one; after the commit the old one */
};

static void
nic_update_commit(void *object)
{
	(void)object; /* drivers look at the configuration under nics_lock: see finish */
}

/* What lives in the kernel is reconciled: a failure here is shown and tried again. */
static void
nic_update_finish(void *object)
{
	struct nic_update *update = object;
	struct weft_nic *nic = update->nic;
	struct weft_nic_config *old;
	struct weft_error error = { 0 };
	enum nic_result result = NIC_ABSENT;

	pthread_mutex_lock(&nic->weft->nics_lock);
	old = nic->config;
	weft_objects_lock(nic->weft);
	nic->config = update->config;
	weft_objects_unlock(nic->weft);
	if (!nic->removed) {
		if (nic->opened && nic->driver->update != NULL && nic->config->kind == old->kind)
			result = nic->driver->update(nic, old, &error);
		if (result == NIC_ABSENT)
			reopen(nic, find_driver(nic->weft, nic->config->kind));
		else if (result == NIC_FAILED)
			set_status(nic, NIC_STATUS_DEGRADED, error.text);
	}
	pthread_mutex_unlock(&nic->weft->nics_lock);
	nic_free_config(old);
	free(update);
}

static void
nic_update_abort(void *object)
{
	struct nic_update *update = object;

	nic_free_config(update->config);
	free(update);
}

static const struct change_step nic_update_step = { nic_update_commit, nic_update_finish,
	nic_update_abort };

void
weft_nic_update(
	struct weft_change *change, struct weft_nic *nic, const struct weft_nic_config *config)
{
	struct nic_update *update;

	if (weft_change_failed(change, NULL) || nic == NULL)
		return;
	if (find_driver(nic->weft, config->kind) == NULL) {
		change_fail(change, EINVAL, "vnic %s: this weft has no such kind", nic->name);
		return;
	}
	update = calloc(1, sizeof(*update));
	if (update != NULL)
		update->config = nic_copy_config(config);
	if (update == NULL || update->config == NULL) {
		free(update);
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	update->nic = nic;
	if (change_stage(change, &nic_update_step, update) < 0)
		nic_update_abort(update);
}

static void
nic_remove_commit(void *object)
{
	struct weft_nic *nic = object;
	struct weft *weft = nic->weft;

	weft_objects_lock(weft);
	if (nic->state == OBJECT_LIVE)
		TAILQ_REMOVE(engine_nics(weft, nic->network), nic, entry);
	nic->state = OBJECT_REMOVED;
	weft_objects_unlock(weft);
	pthread_mutex_lock(&weft->nics_lock);
	__atomic_store_n(&weft->nics[id_index(nic->id)], NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&weft->nics_lock);
	TAILQ_INSERT_TAIL(&weft->closing, nic, entry);
}

static void
close_removed(void *item)
{
	bring_down(item);
}

/* No vport leads to any of them any more. Without worker threads the caller is the worker,
 * and nobody else may do its work. */
void
nic_close_removed(struct weft *weft)
{
	unsigned threads = weft->threads ? CLOSING_THREADS : 1;
	struct weft_nic *nic, *batch[CLOSING_BATCH];

	while (!TAILQ_EMPTY(&weft->closing)) {
		size_t count = 0;

		while (count < CLOSING_BATCH && (nic = TAILQ_FIRST(&weft->closing)) != NULL) {
			TAILQ_REMOVE(&weft->closing, nic, entry);
			batch[count++] = nic;
		}
		parallel_each((void **)batch, count, threads, close_removed);
	}
}

static void
nic_remove_finish(void *object)
{
	nic_free(object);
}

static void
nic_remove_abort(void *object)
{
	struct weft_nic *nic = object;

	nic->removed = false;
	name_map_put(names(nic->weft, nic->network), nic->name, nic);
}

static const struct change_step nic_remove_step = { nic_remove_commit, nic_remove_finish,
	nic_remove_abort };

static void
detach_all(struct weft_change *change, struct weft_nic *nic)
{
	struct weft_vport **objects = nic->weft->vport_objects;

	if (!nic->uplink && nic->staged_vport != 0)
		weft_detach(change, objects[id_index(nic->staged_vport)]);
	for (unsigned vlan = 0; nic->uplink && vlan <= WEFT_VLAN_MAX; vlan++)
		if (nic->staged_vlans[vlan] != 0)
			weft_detach(change, objects[id_index(nic->staged_vlans[vlan])]);
}

void
weft_nic_remove(struct weft_change *change, struct weft_nic *nic)
{
	if (weft_change_failed(change, NULL) || nic == NULL)
		return;
	if (nic->removed) {
		change_fail_removed(change, "vnic", nic->name);
		return;
	}
	detach_all(change, nic);
	if (weft_change_failed(change, NULL) || change_stage(change, &nic_remove_step, nic) < 0)
		return;
	nic->removed = true;
	name_map_remove(names(nic->weft, nic->network), nic->name);
}

struct weft_nic *
weft_nic_find(struct weft *weft, struct weft_network *network, const char *name)
{
	return name_map_get(names(weft, network), name);
}
