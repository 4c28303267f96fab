/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named sets as objects of their network, of whatever they are: a set is a device without vports,
 * so that its name, and its coming and going, are those of any object; it is named apart from
 * devices that people name. A set that changes is replaced as a whole, and firewalls of its network
 * with it.
 *
 * Threads: that which changes; looking as graph/device.h says.
 */
#ifndef WEFT_FIREWALL_NAMED_SET_H
#define WEFT_FIREWALL_NAMED_SET_H

#include "graph/device.h"

struct named_set_kind {
	const struct device_class *class;
	const char *words;  /* "address set" */
	const char *prefix; /* of the device's name; no name that people give has a colon */
	void (*free)(void *members);
};

/* For its class. */
void named_set_process(struct worker *worker, struct rte_mbuf **packets, unsigned count);
void named_set_commit(struct weft_device *device);
void named_set_device_free(struct weft_device *device);

const char *named_set_name(const struct named_set_kind *kind, const struct weft_device *device);
/* Its members, as they are. */
void *named_set_now(const struct weft_device *device);
/* As the open change leaves them. */
void *named_set_next(const struct weft_device *device);
/* NULL: there is none. */
struct weft_device *named_set_find(
	const struct named_set_kind *kind, struct weft_network *network, const char *name);

/* Before the members are made. False: the change has failed, or had before. */
bool named_set_may_come(struct weft_change *change, const struct named_set_kind *kind,
	struct weft_network *network, const char *name);
/* With these, which it takes; NULL: there was no memory for them. */
void named_set_add(struct weft_change *change, const struct named_set_kind *kind,
	struct weft_network *network, const char *name, void *members);
/* The one that is to change; NULL: the change has failed, or had before. */
struct weft_device *named_set_to_change(struct weft_change *change,
	const struct named_set_kind *kind, struct weft_network *network, const char *name);
/* Takes the members; NULL: there was no memory for them. */
void named_set_replace(struct weft_change *change, struct weft_device *device, void *members);
void named_set_remove(struct weft_change *change, const struct named_set_kind *kind,
	struct weft_network *network, const char *name);

#endif
