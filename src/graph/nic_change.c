/* SPDX-License-Identifier: BSD-3-Clause */
/* Vnics as objects: staging them in and out, and what a commit makes of them. */
#include "base/error.h"
#include "base/parallel.h"
#include "graph/engine.h"
#include "graph/nic_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLOSING_BATCH 256
#define CLOSING_THREADS 32

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
	pthread_mutex_lock(&nic->weft->nics_lock);
	/* before it can send: what another worker hands over must find it */
	__atomic_store_n(&nic->weft->nics[id_index(nic->id)], nic, __ATOMIC_RELEASE);
	/* what was in its way may have gone with this very change */
	if (nic->opened)
		nic_bring_up(nic);
	else
		nic_reopen(nic, nic->driver);
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
		nic->shares = share_make(weft->n_workers, NULL);
		made = made && nic->vlans != NULL && nic->staged_vlans != NULL &&
		       nic->shares != NULL;
	}
	if (!made || nic->id == 0 || nic->name == NULL || nic->config == NULL ||
		nic->transmit == NULL || nic_make_queues(nic) < 0) {
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

	if (weft_change_failed(change, NULL) ||
		(network != NULL && !change_has_network(change, network)))
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
	if (nic_open_driver(nic, error) == NIC_FAILED) {
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
			nic_reopen(nic, find_driver(nic->weft, nic->config->kind));
		else if (result == NIC_FAILED)
			nic_set_status(nic, NIC_STATUS_DEGRADED, error.text);
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
	nic_bring_down(item);
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
