/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named sets of ports as objects of their network: devices without vports, as address_sets.c has
 * them. A set that changes is replaced as a whole: rules that name it are made anew.
 */
#include "firewall/firewall_objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "ports:" /* no name that people give has a colon */

/* weft_device.data */
struct named_ports {
	struct port_set *now;
	struct port_set *next; /* as the open change leaves it, or NULL: as it is */
};

const char *
port_set_name(const struct weft_device *device)
{
	return device->name + strlen(PREFIX);
}

const struct port_set *
port_set_of(const struct weft_device *device)
{
	return ((const struct named_ports *)device->data)->now;
}

static struct weft_device *
find(struct weft_network *network, const char *name)
{
	char path[256];

	if ((size_t)snprintf(path, sizeof(path), PREFIX "%s", name) >= sizeof(path))
		return NULL;
	return weft_device_find(network, path);
}

const struct port_set *
port_set_staged(struct weft_network *network, const char *name)
{
	const struct weft_device *device = find(network, name);
	const struct named_ports *set = device != NULL ? device->data : NULL;

	if (set == NULL)
		return NULL;
	return set->next != NULL ? set->next : set->now;
}

/* NULL: it is told. */
static struct port_set *
make(struct weft_change *change, const struct weft_port_range *ranges, size_t count)
{
	struct port_set *set;

	for (size_t i = 0; i < count; i++)
		if (ranges[i].first > ranges[i].last) {
			change_fail(change, EINVAL, "a range of ports ends before it begins");
			return NULL;
		}
	set = port_set_create(ranges, count);
	if (set == NULL)
		change_fail(change, ENOMEM, "out of memory");
	return set;
}

/* ---- coming ------------------------------------------------------------------------------------
 */

void
weft_port_set_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_port_range *ranges, size_t count)
{
	struct named_ports *set;
	struct port_set *next;
	char path[256];

	if (weft_change_failed(change, NULL) || network == NULL)
		return;
	if (name == NULL || *name == '\0' ||
		(size_t)snprintf(path, sizeof(path), PREFIX "%s", name) >= sizeof(path)) {
		change_fail(change, EINVAL, "a port set needs a name, of at most 248 letters");
		return;
	}
	if (find(network, name) != NULL) {
		change_fail(change, EEXIST, "port set '%s' is there already", name);
		return;
	}
	next = make(change, ranges, count);
	if (next == NULL)
		return;
	set = calloc(1, sizeof(*set));
	if (set == NULL)
		change_fail(change, ENOMEM, "out of memory");
	if (set == NULL || device_add(change, network, &port_set_class, path, set) == NULL) {
		port_set_free(next);
		free(set);
		return;
	}
	set->next = next;
	firewalls_touch(change, network);
}

/* ---- changing ---------------------------------------------------------------------------------
 */

struct ports_update {
	struct named_ports *set;
	struct port_set *before; /* of the commit, to be freed when no rule has it any more */
	struct port_set *staged; /* what `next` was before */
};

static void
update_commit(void *object)
{
	struct ports_update *update = object;

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
	struct ports_update *update = object;

	port_set_free(update->before);
	port_set_free(update->staged);
	free(update);
}

static void
update_abort(void *object)
{
	struct ports_update *update = object;

	port_set_free(update->set->next);
	update->set->next = update->staged;
	free(update);
}

static const struct change_step update_step = { update_commit, update_finish, update_abort };

void
weft_port_set_update(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_port_range *ranges, size_t count)
{
	struct ports_update *update;
	struct weft_device *device;
	struct named_ports *set;
	struct port_set *next;

	if (weft_change_failed(change, NULL) || network == NULL)
		return;
	device = find(network, name);
	if (device == NULL) {
		change_fail(change, ENOENT, "there is no port set '%s'", name);
		return;
	}
	next = make(change, ranges, count);
	if (next == NULL)
		return;
	set = device->data;
	update = calloc(1, sizeof(*update));
	if (update == NULL || change_touch(change, device) < 0 ||
		change_stage(change, &update_step, update) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		port_set_free(next);
		free(update);
		return;
	}
	*update = (struct ports_update){ set, NULL, set->next };
	set->next = next;
	firewalls_touch(change, network);
}

void
weft_port_set_remove(struct weft_change *change, struct weft_network *network, const char *name)
{
	struct weft_device *device;

	if (weft_change_failed(change, NULL) || network == NULL)
		return;
	device = find(network, name);
	if (device == NULL) {
		change_fail(change, ENOENT, "there is no port set '%s'", name);
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
	struct named_ports *set = device->data;

	if (set->next == NULL)
		return;
	set->now = set->next;
	set->next = NULL;
}

static void
device_free(struct weft_device *device)
{
	struct named_ports *set = device->data;

	if (set == NULL)
		return;
	port_set_free(set->next);
	port_set_free(set->now);
	free(set);
}

/* Nothing comes in where there is no vport. */
static void
process(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		packet_drop(worker, NULL, DROP_STALE_VPORT, packets[i]);
}

const struct device_class port_set_class = {
	.name = "port set",
	.process = process,
	.commit = commit,
	.device_free = device_free,
};
