/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/change.h"

#include "base/error.h"
#include "graph/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct staged {
	const struct change_step *step;
	void *object;
};

struct weft_change {
	struct weft *weft;
	struct weft_error error;
	bool failed;
	struct staged *steps;
	size_t n_steps, step_capacity;
	struct weft_device **devices; /* touched */
	size_t n_devices, n_prepared, device_capacity;
};

struct weft_change *
weft_change_begin(struct weft *weft)
{
	struct weft_change *change;

	if (weft->change != NULL)
		return NULL;
	change = calloc(1, sizeof(*change));
	if (change == NULL)
		return NULL;
	change->weft = weft;
	weft->change = change;
	return change;
}

struct weft *
change_weft(struct weft_change *change)
{
	return change->weft;
}

struct weft_error *
change_error(struct weft_change *change)
{
	return change->failed ? NULL : &change->error;
}

int
change_failed_with(struct weft_change *change)
{
	change->failed = true;
	return -1;
}

int
change_fail(struct weft_change *change, int code, const char *format, ...)
{
	va_list args;

	if (change->failed)
		return -1;
	change->failed = true;
	change->error.code = code;
	va_start(args, format);
	vsnprintf(change->error.text, sizeof(change->error.text), format, args);
	va_end(args);
	return -1;
}

int
change_fail_removed(struct weft_change *change, const char *what, const char *name)
{
	return change_fail(change, ENOENT, "%s %s is removed by this change", what, name);
}

bool
weft_change_failed(const struct weft_change *change, struct weft_error *error)
{
	if (change == NULL) {
		error_set(error, EBUSY,
			"no change could be begun: another one is open, or there is no memory");
		return true;
	}
	if (change->failed && error != NULL)
		*error = change->error;
	return change->failed;
}

/* Makes room for one more element. The array stays as it is when there is no memory. */
static int
reserve(void **array, size_t count, size_t *capacity, size_t element)
{
	size_t more = *capacity > 0 ? *capacity * 2 : 16;
	void *bigger;

	if (count < *capacity)
		return 0;
	bigger = realloc(*array, more * element);
	if (bigger == NULL)
		return -1;
	*array = bigger;
	*capacity = more;
	return 0;
}

int
change_stage(struct weft_change *change, const struct change_step *step, void *object)
{
	if (reserve((void **)&change->steps, change->n_steps, &change->step_capacity,
		    sizeof(*change->steps)) < 0)
		return change_fail(change, ENOMEM, "out of memory");
	change->steps[change->n_steps++] = (struct staged){ step, object };
	return 0;
}

int
change_touch(struct weft_change *change, struct weft_device *device)
{
	if (device->removed)
		return change_fail_removed(change, "device", device->name);
	if (device->touched)
		return 0;
	if (reserve((void **)&change->devices, change->n_devices, &change->device_capacity,
		    sizeof(struct weft_device *)) < 0)
		return change_fail(change, ENOMEM, "out of memory");
	change->devices[change->n_devices++] = device;
	device->touched = true;
	return 0;
}

/* ---- drafts of vports ------------------------------------------------------------------------ */

struct vport_version {
	struct weft_vport *vport;
	struct vport *replaced;
};

static void
version_commit(void *object)
{
	struct vport_version *version = object;
	struct weft_vport *vport = version->vport;
	struct weft *weft = vport->device->network->weft;

	if (vport->draft == NULL)
		return; /* the same change removed it */
	version->replaced = vport->live;
	vport->live = vport->draft;
	vport->draft = NULL;
	__atomic_store_n(&weft->vports[id_index(vport->id)], vport->live, __ATOMIC_RELEASE);
}

static void
version_finish(void *object)
{
	struct vport_version *version = object;
	struct vport *replaced = version->replaced;

	if (replaced != NULL) {
		if (replaced->context != version->vport->live->context &&
			version->vport->device->class->context_free != NULL)
			version->vport->device->class->context_free(replaced->context);
		free(replaced);
	}
	free(version);
}

static void
version_abort(void *object)
{
	struct vport_version *version = object;
	struct weft_vport *vport = version->vport;

	if (vport->draft != NULL && vport->device->class->context_free != NULL &&
		(vport->live == NULL || vport->draft->context != vport->live->context))
		vport->device->class->context_free(vport->draft->context);
	free(vport->draft);
	vport->draft = NULL;
	free(version);
}

static const struct change_step version_step = { version_commit, version_finish, version_abort };

struct vport *
change_vport(struct weft_change *change, struct weft_vport *vport)
{
	struct vport_version *version;
	struct vport *draft;

	if (change->failed || vport == NULL)
		return NULL;
	if (vport->state == OBJECT_REMOVED) {
		change_fail_removed(change, "vport", vport->name);
		return NULL;
	}
	if (vport->draft != NULL)
		return vport->draft;
	draft = aligned_alloc(64, sizeof(*draft));
	version = calloc(1, sizeof(*version));
	if (draft == NULL || version == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		goto failed;
	}
	version->vport = vport;
	if (vport->live != NULL)
		*draft = *vport->live;
	else
		memset(draft, 0, sizeof(*draft));
	if (change_touch(change, vport->device) < 0 ||
		change_stage(change, &version_step, version) < 0)
		goto failed;
	vport->draft = draft;
	return draft;
failed:
	free(draft);
	free(version);
	return NULL;
}

const struct vport *
change_vport_after(const struct weft_vport *vport)
{
	if (vport->state == OBJECT_REMOVED)
		return NULL;
	return vport->draft != NULL ? vport->draft : vport->live;
}

struct weft_vport *
change_vport_next(struct weft_device *device, struct weft_vport *vport)
{
	return vport == NULL ? TAILQ_FIRST(&device->staged_vports)
			     : TAILQ_NEXT(vport, staged_entry);
}

/* ---- the end of a change -----------------------------------------------------------------------
 */

static void
free_change(struct weft_change *change)
{
	change->weft->change = NULL;
	free(change->steps);
	free(change->devices);
	free(change);
}

void
weft_change_abort(struct weft_change *change)
{
	if (change == NULL)
		return;
	for (size_t i = 0; i < change->n_prepared; i++) {
		struct weft_device *device = change->devices[i];

		if (!device->removed && device->class->discard != NULL)
			device->class->discard(device);
	}
	/* a device that was added goes away with its step: it must not be looked at later */
	for (size_t i = 0; i < change->n_devices; i++)
		change->devices[i]->touched = false;
	change->n_devices = 0;
	while (change->n_steps > 0) {
		const struct staged *last = &change->steps[--change->n_steps];

		if (last->step->abort != NULL)
			last->step->abort(last->object);
	}
	free_change(change);
}

/* Who looks at objects meanwhile, on another thread, sees all of the change or none. */
static void
make_visible(struct weft_change *change)
{
	pthread_mutex_lock(&change->weft->nics_lock);
	weft_objects_lock(change->weft);
	for (size_t i = 0; i < change->n_steps; i++)
		if (change->steps[i].step->commit != NULL)
			change->steps[i].step->commit(change->steps[i].object);
	for (size_t i = 0; i < change->n_devices; i++) {
		struct weft_device *device = change->devices[i];

		if (!device->removed && device->class->commit != NULL)
			device->class->commit(device);
	}
	weft_objects_unlock(change->weft);
	pthread_mutex_unlock(&change->weft->nics_lock);
}

static void
say_goodbye(struct weft *weft)
{
	for (unsigned i = 0; i < weft->n_classes; i++)
		if (weft->classes[i]->leave != NULL)
			weft->classes[i]->leave(weft);
}

static void
carry_out(struct weft_change *change)
{
	say_goodbye(change->weft);
	make_visible(change);
	engine_synchronize(change->weft);
	nic_close_removed(change->weft);
	for (size_t i = 0; i < change->n_devices; i++) {
		struct weft_device *device = change->devices[i];

		if (!device->removed && device->class->reclaim != NULL)
			device->class->reclaim(device);
		device->touched = false;
	}
	change->n_devices = 0;
	for (size_t i = 0; i < change->n_steps; i++)
		if (change->steps[i].step->finish != NULL)
			change->steps[i].step->finish(change->steps[i].object);
}

int
weft_change_prepare(struct weft_change *change, struct weft_error *error)
{
	if (weft_change_failed(change, error))
		return -1;
	for (; change->n_prepared < change->n_devices; change->n_prepared++) {
		struct weft_device *device = change->devices[change->n_prepared];

		if (device->removed || device->class->prepare == NULL)
			continue;
		if (device->class->prepare(device, change, &change->error) < 0) {
			change_failed_with(change);
			weft_change_failed(change, error);
			return -1;
		}
	}
	return 0;
}

int
weft_change_commit(struct weft_change *change, struct weft_error *error)
{
	if (weft_change_prepare(change, error) < 0) {
		weft_change_abort(change);
		return -1;
	}
	carry_out(change);
	free_change(change);
	return 0;
}
