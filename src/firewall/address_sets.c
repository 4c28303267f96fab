/* SPDX-License-Identifier: BSD-3-Clause */
/* Named sets of addresses as objects of their network: see named_set.h. */
#include "firewall/firewall_objects.h"
#include "firewall/named_set.h"

static void
free_members(void *members)
{
	address_set_free(members);
}

const struct device_class address_set_class = {
	.name = "address set",
	.process = named_set_process,
	.commit = named_set_commit,
	.device_free = named_set_device_free,
};

static const struct named_set_kind kind = {
	.class = &address_set_class,
	.words = "address set",
	.prefix = "set:",
	.free = free_members,
};

const char *
address_set_name(const struct weft_device *device)
{
	return named_set_name(&kind, device);
}

const struct address_set *
address_set_of(const struct weft_device *device)
{
	return named_set_now(device);
}

const struct address_set *
address_set_staged(struct weft_network *network, const char *name)
{
	const struct weft_device *device = named_set_find(&kind, network, name);

	return device != NULL ? named_set_next(device) : NULL;
}

void
weft_address_set_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_prefix *members, size_t count)
{
	if (named_set_may_come(change, &kind, network, name))
		named_set_add(change, &kind, network, name, address_set_create(members, count));
}

void
weft_address_set_update(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_prefix *come, size_t n_come, const struct weft_prefix *go, size_t n_go)
{
	struct weft_device *device = named_set_to_change(change, &kind, network, name);

	if (device != NULL)
		named_set_replace(change, device,
			address_set_update(named_set_next(device), come, n_come, go, n_go));
}

void
weft_address_set_remove(struct weft_change *change, struct weft_network *network, const char *name)
{
	named_set_remove(change, &kind, network, name);
}
