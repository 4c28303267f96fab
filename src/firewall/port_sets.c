/* SPDX-License-Identifier: BSD-3-Clause */
/* Named sets of ports as objects of their network: see named_set.h. Rules that name a set that
 * changes are made anew. */
#include "firewall/firewall_objects.h"
#include "firewall/named_set.h"

#include <errno.h>

static void
free_members(void *members)
{
	port_set_free(members);
}

const struct device_class port_set_class = {
	.name = "port set",
	.process = named_set_process,
	.commit = named_set_commit,
	.device_free = named_set_device_free,
};

static const struct named_set_kind kind = {
	.class = &port_set_class,
	.words = "port set",
	.prefix = "ports:",
	.free = free_members,
};

const char *
port_set_name(const struct weft_device *device)
{
	return named_set_name(&kind, device);
}

const struct port_set *
port_set_of(const struct weft_device *device)
{
	return named_set_now(device);
}

const struct port_set *
port_set_staged(struct weft_network *network, const char *name)
{
	const struct weft_device *device = named_set_find(&kind, network, name);

	return device != NULL ? named_set_next(device) : NULL;
}

/* False: the change has failed. */
static bool
are_ranges(struct weft_change *change, const struct weft_port_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ranges[i].first > ranges[i].last) {
			change_fail(change, EINVAL, "a range of ports ends before it begins");
			return false;
		}
	return true;
}

void
weft_port_set_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_port_range *ranges, size_t count)
{
	if (named_set_may_come(change, &kind, network, name) && are_ranges(change, ranges, count))
		named_set_add(change, &kind, network, name, port_set_create(ranges, count));
}

void
weft_port_set_update(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_port_range *ranges, size_t count)
{
	struct weft_device *device = named_set_to_change(change, &kind, network, name);

	if (device != NULL && are_ranges(change, ranges, count))
		named_set_replace(change, device, port_set_create(ranges, count));
}

void
weft_port_set_remove(struct weft_change *change, struct weft_network *network, const char *name)
{
	named_set_remove(change, &kind, network, name);
}
