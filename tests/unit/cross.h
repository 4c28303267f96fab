/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of vnic drivers: a device with two ports that sends out of each what comes in at
 * the other, so that they do not stand on a real device.
 */
#ifndef WEFT_TESTS_CROSS_H
#define WEFT_TESTS_CROSS_H

#include "graph/engine.h"

#define CROSS_MTU 65535

struct cross {
	struct weft_vport *ports[2];
	uint32_t ids[2];
};

static void
cross_process(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct vport *vport = vport_get(worker, packet_meta(packets[i])->vport), *other;
		const uint32_t *other_id;

		if (vport == NULL) {
			rte_pktmbuf_free(packets[i]);
			continue;
		}
		other_id = vport->context;
		other = vport_get(worker, *other_id);
		if (other == NULL)
			packet_drop(worker, vport, DROP_NO_DESTINATION, packets[i]);
		else
			vport_send(worker, other, packets[i]);
	}
}

static const struct device_class cross_class = { .name = "cross", .process = cross_process };
static const struct device_class *const cross_classes[] = { &cross_class, NULL };

/* Stages the device; *cross must outlive it. */
static inline void
cross_add(struct weft_change *change, struct weft_network *network, const char *name,
	struct cross *cross)
{
	struct weft_device *device = device_add(change, network, &cross_class, name, NULL);

	cross->ports[0] = vport_add(change, device, "a", &cross->ids[1], CROSS_MTU);
	cross->ports[1] = vport_add(change, device, "b", &cross->ids[0], CROSS_MTU);
	for (unsigned i = 0; i < 2; i++)
		cross->ids[i] = cross->ports[i] != NULL ? cross->ports[i]->id : 0;
}

#endif
