/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/named_set.h"

#include "firewall/firewall_objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* weft_device.data */
struct named_set {
	const struct named_set_kind *kind;
	void *now;
	void *next; /* as the open change leaves it, or NULL: as it is */
};

const char *
named_set_name(const struct named_set_kind *kind, const struct weft_device *device)
{
	return device->name + strlen(kind->prefix);
}

void *
named_set_now(const struct weft_device *device)
{
	return ((const struct named_set *)device->data)->now;
}

void *
named_set_next(const struct weft_device *device)
{
	const struct named_set *set = device->data;

	return set->next != NULL ? set->next : set->now;
}

/* False: that is too long. */
static bool
path_of(const struct named_set_kind *kind, const char *name, char path[256])
{
	return (size_t)snprintf(path, 256, "%s%s", kind->prefix, name) < 256;
}

struct weft_device *
named_set_find(const struct named_set_kind *kind, struct weft_network *network, const char *name)
{
	char path[256];

	return path_of(kind, name, path) ? weft_device_find(network, path) : NULL;
}

static void
free_members(const struct named_set_kind *kind, void *members)
{
	if (members != NULL)
		kind->free(members);
}

/* ---- coming ------------------------------------------------------------------------------------
 */

bool
named_set_may_come(struct weft_change *change, const struct named_set_kind *kind,
	struct weft_network *network, const char *name)
{
	char path[256];

	if (weft_change_failed(change, NULL) || network == NULL)
		return false;
	if (name == NULL || *name == '\0' || !path_of(kind, name, path)) {
		change_fail(change, EINVAL, "a name of %s has 1 to %zu letters", kind->words,
			sizeof(path) - 1 - strlen(kind->prefix));
		return false;
	}
	if (named_set_find(kind, network, name) == NULL)
		return true;
	change_fail(change, EEXIST, "%s '%s' is there already", kind->words, name);
	return false;
}

void
named_set_add(struct weft_change *change, const struct named_set_kind *kind,
	struct weft_network *network, const char *name, void *members)
{
	struct named_set *set = calloc(1, sizeof(*set));
	char path[256];

	if (members == NULL || set == NULL || !path_of(kind, name, path)) {
		change_fail(change, ENOMEM, "out of memory");
		free_members(kind, members);
		free(set);
		return;
	}
	*set = (struct named_set){ kind, NULL, members };
	if (device_add(change, network, kind->class, path, set) == NULL) {
		free_members(kind, members);
		free(set);
		return;
	}
	firewalls_touch(change, network);
}

/* ---- changing ---------------------------------------------------------------------------------
 */

struct set_update {
	struct named_set *set;
	void *before; /* of the commit, to be freed when no rule has it any more */
	void *staged; /* what `next` was before */
};

static void
update_commit(void *object)
{
	struct set_update *update = object;

	/* the first of several has done it for all */
	if (update->set->next == NULL)
		return;
	update->before = update->set->now;
	update->set->now = update->set->next;
	update->set->next = NULL;
}

static void
update_finish(void *object)
{
	struct set_update *update = object;

	free_members(update->set->kind, update->before);
	free_members(update->set->kind, update->staged);
	free(update);
}

static void
update_abort(void *object)
{
	struct set_update *update = object;

	free_members(update->set->kind, update->set->next);
	update->set->next = update->staged;
	free(update);
}

static const struct change_step update_step = { update_commit, update_finish, update_abort };

struct weft_device *
named_set_to_change(struct weft_change *change, const struct named_set_kind *kind,
	struct weft_network *network, const char *name)
{
	struct weft_device *device;

	if (weft_change_failed(change, NULL) || network == NULL)
		return NULL;
	device = named_set_find(kind, network, name);
	if (device == NULL)
		change_fail(change, ENOENT, "there is no %s '%s'", kind->words, name);
	return device;
}

void
named_set_replace(struct weft_change *change, struct weft_device *device, void *members)
{
	struct set_update *update = calloc(1, sizeof(*update));
	struct named_set *set = device->data;

	if (members == NULL || update == NULL || change_touch(change, device) < 0 ||
		change_stage(change, &update_step, update) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		free_members(set->kind, members);
		free(update);
		return;
	}
	*update = (struct set_update){ set, NULL, set->next };
	set->next = members;
	firewalls_touch(change, device->network);
}

void
named_set_remove(struct weft_change *change, const struct named_set_kind *kind,
	struct weft_network *network, const char *name)
{
	struct weft_device *device = named_set_to_change(change, kind, network, name);

	if (device == NULL)
		return;
	firewalls_touch(change, network);
	weft_device_remove(change, device);
}

/* ---- as a device ------------------------------------------------------------------------------
 */

/* What has come with this change is there, unless an update of the same change has put it so. */
void
named_set_commit(struct weft_device *device)
{
	struct named_set *set = device->data;

	if (set->next == NULL)
		return;
	set->now = set->next;
	set->next = NULL;
}

void
named_set_device_free(struct weft_device *device)
{
	struct named_set *set = device->data;

	if (set == NULL)
		return;
	free_members(set->kind, set->next);
	free_members(set->kind, set->now);
	free(set);
}

/* Nothing comes in where there is no vport. */
void
named_set_process(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		packet_drop(worker, NULL, DROP_STALE_VPORT, packets[i]);
}
