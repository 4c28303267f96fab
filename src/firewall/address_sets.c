/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named sets of addresses as objects of their network. A set is a device without vports, so that
 * its name, and its coming and going, are those of any object; it is named apart from devices that
 * people name.
 */
#include "firewall/firewall_objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "set:" /* no name that people give has a colon */

/* weft_device.data */
struct named_set {
	struct address_set *now;
	struct address_set *next; /* as the open change leaves it, or NULL: as it is */
};

const char *
address_set_name(const struct weft_device *device)
{
	return device->name + strlen(PREFIX);
}

const struct address_set *
address_set_of(const struct weft_device *device)
{
	return ((const struct named_set *)device->data)->now;
}

static struct weft_device *
find(struct weft_network *network, const char *name)
{
	char path[256];

	if ((size_t)snprintf(path, sizeof(path), PREFIX "%s", name) >= sizeof(path))
		return NULL;
	return weft_device_find(network, path);
}

const struct address_set *
address_set_staged(struct weft_network *network, const char *name)
{
	const struct weft_device *device = find(network, name);
	const struct named_set *set = device != NULL ? device->data : NULL;

	if (set == NULL)
		return NULL;
	return set->next != NULL ? set->next : set->now;
}

/* ---- coming ------------------------------------------------------------------------------------
 */

void
weft_address_set_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_prefix *members, size_t count)
{
	struct named_set *set;
	char path[256];

	if (weft_change_failed(change, NULL) || network == NULL)
		return;
	if (name == NULL || *name == '\0' ||
		(size_t)snprintf(path, sizeof(path), PREFIX "%s", name) >= sizeof(path)) {
		change_fail(change, EINVAL, "an address set needs a name, of at most 250 letters");
		return;
	}
	set = calloc(1, sizeof(*set));
	if (set != NULL)
		set->next = address_set_create(members, count);
	if (set == NULL || set->next == NULL) {
		free(set);
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	if (find(network, name) != NULL)
		change_fail(change, EEXIST, "address set '%s' is there already", name);
	if (device_add(change, network, &address_set_class, path, set) == NULL) {
		address_set_free(set->next);
		free(set);
		return;
	}
	firewalls_touch(change, network);
}

/* ---- changing ---------------------------------------------------------------------------------
 */

struct set_update {
	struct named_set *set;
	struct address_set *before; /* of the commit, to be freed when no rule has it any more */
	struct address_set *staged; /* what `next` was before */
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

	address_set_free(update->before);
	address_set_free(update->staged);
	free(update);
}

static void
update_abort(void *object)
{
	struct set_update *update = object;

	address_set_free(update->set->next);
	update->set->next = update->staged;
	free(update);
}

static const struct change_step update_step = { update_commit, update_finish, update_abort };

void
weft_address_set_update(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_prefix *come, size_t n_come, const struct weft_prefix *go, size_t n_go)
{
	struct set_update *update;
	struct weft_device *device;
	struct named_set *set;
	struct address_set *next;

	if (weft_change_failed(change, NULL) || network == NULL)
		return;
	device = find(network, name);
	if (device == NULL) {
		change_fail(change, ENOENT, "there is no address set '%s'", name);
		return;
	}
	set = device->data;
	next = address_set_update(set->next != NULL ? set->next : set->now, come, n_come, go, n_go);
	update = calloc(1, sizeof(*update));
	if (next == NULL || update == NULL || change_touch(change, device) < 0 ||
		change_stage(change, &update_step, update) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		address_set_free(next);
		free(update);
		return;
	}
	*update = (struct set_update){ set, NULL, set->next };
	set->next = next;
	firewalls_touch(change, network);
}

void
weft_address_set_remove(struct weft_change *change, struct weft_network *network, const char *name)
{
	struct weft_device *device;

	if (weft_change_failed(change, NULL) || network == NULL)
		return;
	device = find(network, name);
	if (device == NULL) {
		change_fail(change, ENOENT, "there is no address set '%s'", name);
		return;
	}
	firewalls_touch(change, network);
	weft_device_remove(change, device);
}

/* ---- as a device ------------------------------------------------------------------------------
 */

/* What has come with this change is there, unless an update of the same change has put it so. */
static void
commit(struct weft_device *device)
{
	struct named_set *set = device->data;

	if (set->next == NULL)
		return;
	set->now = set->next;
	set->next = NULL;
}

static void
device_free(struct weft_device *device)
{
	struct named_set *set = device->data;

	if (set == NULL)
		return;
	address_set_free(set->next);
	address_set_free(set->now);
	free(set);
}

/* Nothing comes in where there is no vport. */
static void
process(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		packet_drop(worker, NULL, DROP_STALE_VPORT, packets[i]);
}

const struct device_class address_set_class = {
	.name = "address set",
	.process = process,
	.commit = commit,
	.device_free = device_free,
};
