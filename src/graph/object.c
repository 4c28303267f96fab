/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Networks, devices and vports as objects: staging them in and out. Names are entered into
 * the maps at once, so that a later call of the same change finds them, and taken back by an
 * abort; lists and the workers' tables change at the commit.
 */
#include "base/error.h"
#include "graph/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NETWORK_MAC_LIMIT 65536
#define NETWORK_NEIGHBOR_LIMIT 16384
#define NETWORK_CONNECTION_LIMIT 1048576

void
weft_objects_lock(struct weft *weft)
{
	pthread_mutex_lock(&weft->objects_lock);
}

void
weft_objects_unlock(struct weft *weft)
{
	pthread_mutex_unlock(&weft->objects_lock);
}

/* Enters the name; `what` and the name are for the error. */
static int
enter_name(struct weft_change *change, struct name_map *map, const char *what, const char *name,
	void *object)
{
	if (name_map_get(map, name) != NULL)
		return change_fail(change, EEXIST, "%s '%s' is there already", what, name);
	/* one place more, so that an abort can always put back a name that was removed */
	if (name_map_reserve(map, 2) < 0 || name_map_put(map, name, object) < 0)
		return change_fail(change, ENOMEM, "out of memory");
	return 0;
}

static char *
copy_name(struct weft_change *change, const char *what, const char *name)
{
	char *copy;

	if (name == NULL || *name == '\0') {
		change_fail(change, EINVAL, "a %s needs a name", what);
		return NULL;
	}
	copy = strdup(name);
	if (copy == NULL)
		change_fail(change, ENOMEM, "out of memory");
	return copy;
}

/* ---- networks ----------------------------------------------------------------------------------
 */

static void
network_free(struct weft_network *network)
{
	if (network->id != 0)
		id_pool_give(&network->weft->network_ids, network->id);
	name_map_free(&network->device_names);
	name_map_free(&network->nic_names);
	free(network->shares);
	free(network->name);
	free(network);
}

static void
network_add_commit(void *object)
{
	struct weft_network *network = object;

	weft_objects_lock(network->weft);
	network->state = OBJECT_LIVE;
	TAILQ_INSERT_TAIL(&network->weft->networks, network, entry);
	weft_objects_unlock(network->weft);
}

static void
network_add_abort(void *object)
{
	struct weft_network *network = object;

	name_map_remove(&network->weft->network_names, network->name);
	network_free(network);
}

static const struct change_step network_add_step = { network_add_commit, NULL, network_add_abort };

static struct weft_network_config
network_config(const struct weft_network_config *config)
{
	struct weft_network_config result = { 0 };

	if (config != NULL)
		result = *config;
	if (result.mac_limit == 0)
		result.mac_limit = NETWORK_MAC_LIMIT;
	if (result.neighbor_limit == 0)
		result.neighbor_limit = NETWORK_NEIGHBOR_LIMIT;
	if (result.connection_limit == 0)
		result.connection_limit = NETWORK_CONNECTION_LIMIT;
	return result;
}

struct weft_network *
weft_network_add(
	struct weft_change *change, const char *name, const struct weft_network_config *config)
{
	struct weft_network *network;
	struct weft *weft;

	if (weft_change_failed(change, NULL))
		return NULL;
	weft = change_weft(change);
	network = calloc(1, sizeof(*network));
	if (network == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	network->weft = weft;
	network->config = network_config(config);
	TAILQ_INIT(&network->devices);
	TAILQ_INIT(&network->nics);
	network->name = copy_name(change, "network", name);
	network->shares = share_make(weft->n_workers, network);
	if (network->shares == NULL)
		change_fail(change, ENOMEM, "out of memory");
	network->id = id_pool_take(&weft->network_ids);
	if (network->id == 0)
		change_fail(change, ENOMEM, "too many networks");
	if (weft_change_failed(change, NULL) ||
		enter_name(change, &weft->network_names, "network", network->name, network) < 0) {
		network_free(network);
		return NULL;
	}
	if (change_stage(change, &network_add_step, network) < 0) {
		network_add_abort(network);
		return NULL;
	}
	return network;
}

bool
change_has_network(struct weft_change *change, const struct weft_network *network)
{
	if (weft_network_find(network->weft, network->name) == network)
		return true;
	change_fail_removed(change, "network", network->name);
	return false;
}

struct network_update {
	struct weft_network *network;
	struct weft_network_config config;
};

static void
network_update_commit(void *object)
{
	struct network_update *update = object;

	/* workers are reading it */
	__atomic_store_n(
		&update->network->config.mac_limit, update->config.mac_limit, __ATOMIC_RELAXED);
	__atomic_store_n(&update->network->config.neighbor_limit, update->config.neighbor_limit,
		__ATOMIC_RELAXED);
	__atomic_store_n(&update->network->config.connection_limit, update->config.connection_limit,
		__ATOMIC_RELAXED);
	__atomic_store_n(&update->network->config.flow_interval_s, update->config.flow_interval_s,
		__ATOMIC_RELAXED);
}

static const struct change_step network_update_step = { network_update_commit, free, free };

void
weft_network_update(struct weft_change *change, struct weft_network *network,
	const struct weft_network_config *config)
{
	struct network_update *update;

	if (weft_change_failed(change, NULL) || network == NULL ||
		!change_has_network(change, network))
		return;
	update = calloc(1, sizeof(*update));
	if (update == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	*update = (struct network_update){ network, network_config(config) };
	if (change_stage(change, &network_update_step, update) < 0)
		free(update);
}

static void
network_remove_commit(void *object)
{
	struct weft_network *network = object;

	weft_objects_lock(network->weft);
	if (network->state == OBJECT_LIVE)
		TAILQ_REMOVE(&network->weft->networks, network, entry);
	network->state = OBJECT_REMOVED;
	weft_objects_unlock(network->weft);
}

static void
network_remove_finish(void *object)
{
	network_free(object);
}

static void
network_remove_abort(void *object)
{
	struct weft_network *network = object;

	name_map_put(&network->weft->network_names, network->name, network);
}

static const struct change_step network_remove_step = { network_remove_commit,
	network_remove_finish, network_remove_abort };

/* The objects of a map, as an array that stays while the map is changed. */
static void **
objects_of(struct weft_change *change, const struct name_map *map, size_t *count)
{
	void **objects = malloc((map->count + 1) * sizeof(*objects));
	size_t at = 0;
	void *object;

	*count = 0;
	if (objects == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	while ((object = name_map_next(map, &at)) != NULL)
		objects[(*count)++] = object;
	return objects;
}

void
weft_network_remove(struct weft_change *change, struct weft_network *network)
{
	void **objects;
	size_t count;

	if (weft_change_failed(change, NULL) || network == NULL)
		return;
	if (!change_has_network(change, network))
		return;
	objects = objects_of(change, &network->device_names, &count);
	for (size_t i = 0; objects != NULL && i < count; i++)
		weft_device_remove(change, objects[i]);
	free(objects);
	objects = objects_of(change, &network->nic_names, &count);
	for (size_t i = 0; objects != NULL && i < count; i++)
		weft_nic_remove(change, objects[i]);
	free(objects);
	if (weft_change_failed(change, NULL))
		return;
	if (change_stage(change, &network_remove_step, network) == 0)
		name_map_remove(&network->weft->network_names, network->name);
}

struct weft_network *
weft_network_find(struct weft *weft, const char *name)
{
	return name_map_get(&weft->network_names, name);
}

/* ---- devices ------------------------------------------------------------------------------------
 */

static void
device_free(struct weft_device *device)
{
	struct weft *weft = device->network->weft;

	if (device->class->device_free != NULL)
		device->class->device_free(device);
	if (device->id != 0)
		id_pool_give(&weft->device_ids, device->id);
	name_map_free(&device->vport_names);
	free(device->name);
	free(device);
}

static void
device_add_commit(void *object)
{
	struct weft_device *device = object;
	struct weft *weft = device->network->weft;

	weft_objects_lock(weft);
	if (!device->removed) {
		device->state = OBJECT_LIVE;
		weft->devices[id_index(device->id)] = device;
		TAILQ_INSERT_TAIL(&device->network->devices, device, entry);
	}
	weft_objects_unlock(weft);
}

static void
device_add_abort(void *object)
{
	struct weft_device *device = object;

	name_map_remove(&device->network->device_names, device->name);
	device_free(device);
}

static const struct change_step device_add_step = { device_add_commit, NULL, device_add_abort };

static uint8_t
node_of(const struct weft *weft, const struct device_class *class)
{
	uint8_t node = 0;

	while (weft->classes[node] != class)
		node++;
	return node;
}

struct weft_device *
device_add(struct weft_change *change, struct weft_network *network,
	const struct device_class *class, const char *name, void *data)
{
	struct weft_device *device;
	struct weft *weft;

	if (weft_change_failed(change, NULL) || network == NULL ||
		!change_has_network(change, network))
		return NULL;
	weft = change_weft(change);
	device = calloc(1, sizeof(*device));
	if (device == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	device->class = class;
	device->node = node_of(weft, class);
	device->network = network;
	TAILQ_INIT(&device->vports);
	TAILQ_INIT(&device->staged_vports);
	device->name = copy_name(change, class->name, name);
	device->id = id_pool_take(&weft->device_ids);
	if (device->id == 0)
		change_fail(change, ENOMEM, "too many devices");
	if (weft_change_failed(change, NULL) ||
		enter_name(change, &network->device_names, "device", device->name, device) < 0) {
		device_free(device);
		return NULL;
	}
	device->data = data;
	if (change_stage(change, &device_add_step, device) < 0) {
		device->data = NULL; /* still the caller's */
		device_add_abort(device);
		return NULL;
	}
	change_touch(change, device);
	return device;
}

bool
device_is(struct weft_change *change, const struct weft_device *device,
	const struct device_class *class)
{
	if (device->class == class)
		return true;
	change_fail(change, EINVAL, "%s/%s is a %s, not a %s", device->network->name, device->name,
		device->class->name, class->name);
	return false;
}

static void
device_remove_commit(void *object)
{
	struct weft_device *device = object;
	struct weft *weft = device->network->weft;

	weft_objects_lock(weft);
	if (device->state == OBJECT_LIVE) {
		TAILQ_REMOVE(&device->network->devices, device, entry);
		weft->devices[id_index(device->id)] = NULL;
	}
	device->state = OBJECT_REMOVED;
	weft_objects_unlock(weft);
}

static void
device_remove_finish(void *object)
{
	device_free(object);
}

static void
device_remove_abort(void *object)
{
	struct weft_device *device = object;

	device->removed = false;
	name_map_put(&device->network->device_names, device->name, device);
}

static const struct change_step device_remove_step = { device_remove_commit, device_remove_finish,
	device_remove_abort };

void
weft_device_remove(struct weft_change *change, struct weft_device *device)
{
	struct weft_vport *vport, *next;

	if (weft_change_failed(change, NULL) || device == NULL)
		return;
	if (device->removed) {
		change_fail_removed(change, "device", device->name);
		return;
	}
	for (vport = TAILQ_FIRST(&device->staged_vports); vport != NULL; vport = next) {
		next = TAILQ_NEXT(vport, staged_entry);
		weft_vport_remove(change, vport);
	}
	if (weft_change_failed(change, NULL) ||
		change_stage(change, &device_remove_step, device) < 0)
		return;
	device->removed = true;
	name_map_remove(&device->network->device_names, device->name);
}

struct renaming {
	struct weft_device *device;
	char *before;
};

static void
put_name(struct weft_device *device, char *name)
{
	/* whoever looks at objects may be reading it */
	weft_objects_lock(device->network->weft);
	device->name = name;
	weft_objects_unlock(device->network->weft);
}

static void
device_rename_finish(void *object)
{
	struct renaming *renaming = object;

	free(renaming->before);
	free(renaming);
}

static void
device_rename_abort(void *object)
{
	struct renaming *renaming = object;
	struct weft_device *device = renaming->device;
	char *name = device->name;

	name_map_remove(&device->network->device_names, name);
	put_name(device, renaming->before);
	name_map_put(&device->network->device_names, device->name, device);
	free(name);
	free(renaming);
}

static const struct change_step device_rename_step = { NULL, device_rename_finish,
	device_rename_abort };

int
device_rename(struct weft_change *change, struct weft_device *device, const char *name)
{
	struct name_map *names = &device->network->device_names;
	struct renaming *renaming;
	char *copy;

	if (weft_change_failed(change, NULL))
		return -1;
	if (device->removed)
		return change_fail_removed(change, "device", device->name);
	copy = copy_name(change, device->class->name, name);
	if (copy == NULL || enter_name(change, names, "device", copy, device) < 0) {
		free(copy);
		return -1;
	}
	renaming = malloc(sizeof(*renaming));
	if (renaming == NULL || change_stage(change, &device_rename_step, renaming) < 0) {
		name_map_remove(names, copy);
		free(renaming);
		free(copy);
		return change_fail(change, ENOMEM, "out of memory");
	}
	*renaming = (struct renaming){ device, device->name };
	name_map_remove(names, device->name);
	put_name(device, copy);
	return change_touch(change, device);
}

struct weft_device *
weft_device_find(struct weft_network *network, const char *name)
{
	return name_map_get(&network->device_names, name);
}

/* ---- vports
 * -------------------------------------------------------------------------------------- */

static void
vport_free(struct weft_vport *vport)
{
	const struct device_class *class = vport->device->class;

	if (class->vport_free != NULL)
		class->vport_free(vport);
	if (vport->id != 0) {
		struct weft *weft = vport->device->network->weft;

		weft->vport_objects[id_index(vport->id)] = NULL;
		id_pool_give(&weft->vport_ids, vport->id);
	}
	free(vport->name);
	free(vport);
}

static void
vport_add_commit(void *object)
{
	struct weft_vport *vport = object;
	struct weft *weft = vport->device->network->weft;

	if (vport->state == OBJECT_REMOVED)
		return;
	vport_sum_counters(weft, vport->id, &vport->counters_base, &vport->drops_base);
	weft_objects_lock(weft);
	vport->state = OBJECT_LIVE;
	TAILQ_INSERT_TAIL(&vport->device->vports, vport, entry);
	weft_objects_unlock(weft);
}

static void
vport_add_abort(void *object)
{
	struct weft_vport *vport = object;

	TAILQ_REMOVE(&vport->device->staged_vports, vport, staged_entry);
	name_map_remove(&vport->device->vport_names, vport->name);
	vport_free(vport);
}

static const struct change_step vport_add_step = { vport_add_commit, NULL, vport_add_abort };

struct weft_vport *
vport_add(struct weft_change *change, struct weft_device *device, const char *name, void *context,
	uint32_t mtu)
{
	struct weft_vport *vport;
	struct vport *draft;
	struct weft *weft;

	if (weft_change_failed(change, NULL) || device == NULL)
		return NULL;
	weft = change_weft(change);
	vport = calloc(1, sizeof(*vport));
	if (vport == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	vport->device = device;
	vport->name = copy_name(change, "vport", name);
	vport->id = id_pool_take(&weft->vport_ids);
	if (vport->id == 0)
		change_fail(change, ENOMEM, "too many vports");
	if (weft_change_failed(change, NULL) ||
		enter_name(change, &device->vport_names, "vport", vport->name, vport) < 0) {
		vport_free(vport);
		return NULL;
	}
	weft->vport_objects[id_index(vport->id)] = vport;
	TAILQ_INSERT_TAIL(&device->staged_vports, vport, staged_entry);
	if (change_stage(change, &vport_add_step, vport) < 0) {
		vport_add_abort(vport);
		return NULL;
	}
	draft = change_vport(change, vport);
	if (draft == NULL)
		return NULL; /* the step's abort frees it */
	draft->id = vport->id;
	draft->node = device->node;
	draft->device = device->id;
	draft->mtu = mtu;
	draft->context = context;
	draft->object = vport;
	draft->watch = &vport->watch;
	return vport;
}

int
vport_update(struct weft_change *change, struct weft_vport *vport, void *context, uint32_t mtu)
{
	const struct device_class *class = vport->device->class;
	struct vport *draft;
	void *before;

	if (change_vport_after(vport) == NULL)
		return change_fail_removed(change, "port", vport->name);
	draft = change_vport(change, vport);
	if (draft == NULL)
		return -1;
	before = draft->context;
	draft->context = context;
	draft->mtu = mtu;
	/* one that this change had made, and that nobody will see now */
	if (class->context_free != NULL && (vport->live == NULL || vport->live->context != before))
		class->context_free(before);
	return 0;
}

int
vport_guard(struct weft_change *change, struct weft_vport *vport, const struct weft_device *guard,
	uint8_t index)
{
	struct vport *draft;

	if (change_vport_after(vport) == NULL)
		return change_fail_removed(change, "port", vport->name);
	draft = change_vport(change, vport);
	if (draft == NULL)
		return -1;
	draft->guard = guard != NULL ? guard->id : 0;
	draft->guard_node = guard != NULL ? guard->node : 0;
	draft->guard_index = index;
	return 0;
}

/* A removal keeps the draft that the same change had made, so that an abort finds it again. */
struct vport_removal {
	struct weft_vport *vport;
	struct vport *draft, *live;
};

static void
vport_remove_commit(void *object)
{
	struct vport_removal *removal = object;
	struct weft_vport *vport = removal->vport;
	struct weft *weft = vport->device->network->weft;

	removal->live = vport->live;
	if (vport->live != NULL)
		__atomic_store_n(&weft->vports[id_index(vport->id)], NULL, __ATOMIC_RELEASE);
	weft_objects_lock(weft);
	if (vport->live != NULL)
		TAILQ_REMOVE(&vport->device->vports, vport, entry);
	vport->live = NULL;
	weft_objects_unlock(weft);
}

static void
free_version(const struct device_class *class, struct vport *version, const struct vport *other)
{
	if (version == NULL)
		return;
	if (class->context_free != NULL && (other == NULL || other->context != version->context))
		class->context_free(version->context);
	free(version);
}

static void
vport_remove_finish(void *object)
{
	struct vport_removal *removal = object;
	struct weft_vport *vport = removal->vport;

	free_version(vport->device->class, removal->draft, removal->live);
	free_version(vport->device->class, removal->live, NULL);
	vport_free(vport);
	free(removal);
}

static void
vport_remove_abort(void *object)
{
	struct vport_removal *removal = object;
	struct weft_vport *vport = removal->vport;

	vport->draft = removal->draft;
	vport->state = vport->live != NULL ? OBJECT_LIVE : OBJECT_STAGED;
	TAILQ_INSERT_TAIL(&vport->device->staged_vports, vport, staged_entry);
	name_map_put(&vport->device->vport_names, vport->name, vport);
	free(removal);
}

static const struct change_step vport_remove_step = { vport_remove_commit, vport_remove_finish,
	vport_remove_abort };

void
weft_vport_remove(struct weft_change *change, struct weft_vport *vport)
{
	struct vport_removal *removal;

	weft_detach(change, vport); /* or fails: it is removed already */
	if (weft_change_failed(change, NULL) || vport == NULL)
		return;
	removal = calloc(1, sizeof(*removal));
	if (removal == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	removal->vport = vport;
	if (change_touch(change, vport->device) < 0 ||
		change_stage(change, &vport_remove_step, removal) < 0) {
		free(removal);
		return;
	}
	removal->draft = vport->draft;
	vport->draft = NULL;
	vport->state = OBJECT_REMOVED;
	TAILQ_REMOVE(&vport->device->staged_vports, vport, staged_entry);
	name_map_remove(&vport->device->vport_names, vport->name);
}

struct weft_vport *
weft_vport_find(struct weft_device *device, const char *name)
{
	return name_map_get(&device->vport_names, name);
}
