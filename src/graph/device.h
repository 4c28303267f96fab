/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device types, as the graph sees them, and the stable objects (network, device, vport) that
 * the control side holds.
 *
 * A device type is one struct device_class, in its own room, with one line in the registry
 * (src/registry.c).
 */
#ifndef WEFT_GRAPH_DEVICE_H
#define WEFT_GRAPH_DEVICE_H

#include "base/name_map.h"
#include "base/rate.h"
#include "graph/change.h"
#include "graph/vport.h"

#include <sys/queue.h>

struct device_class {
	const char *name;     /* "switch" */
	node_process process; /* its node */
	/* It says by share_note() whose what it brings in is: of its own network, not of the one
	 * that it is linked to. */
	bool tells_whose;

	/* Once per engine, before any device, on the control thread; 0 or -1. */
	int (*open)(struct weft *weft, struct weft_error *error);
	void (*close)(struct weft *weft);

	/*
	 * A change touched the device (change_touch), by whatever call: its vports, what is
	 * attached to them, or its configuration. prepare: works out what the workers will read
	 * (flood lists), the device's vports being those of change_vports; can fail, nothing
	 * visible. commit: swaps it in; cannot fail. discard: after an abort. reclaim: after the
	 * grace period, frees what commit replaced. Control thread; any may be NULL.
	 */
	int (*prepare)(
		struct weft_device *device, struct weft_change *change, struct weft_error *error);
	void (*commit)(struct weft_device *device);
	void (*discard)(struct weft_device *device);
	void (*reclaim)(struct weft_device *device);

	/* After the grace period, or an abort. device->data is the class's to free; it may be
	 * NULL when staging failed half way. */
	void (*device_free)(struct weft_device *device);
	void (*vport_free)(struct weft_vport *vport);
	/* No version of the vport uses this context any more. */
	void (*context_free)(void *context);

	/* Once for each change, when it is certain and before anybody can see it: what ends with
	 * it may say so by what is still there (change_vport_after). Control thread. */
	void (*leave)(struct weft *weft);
	/* Often (weft_poll), on the control thread, after what was punted has been handled. */
	void (*poll)(struct weft *weft, uint64_t now);
	/* About once a second, on the control thread: ageing, growing of tables. */
	void (*tick)(struct weft *weft, uint64_t now);

	/* Which MAC of the device answers for the address, asked by ARP or ND; false: none. Any
	 * control thread, under weft_objects_lock; NULL: its devices have no addresses. */
	bool (*find_station)(const struct weft_device *device, uint8_t family,
		const uint8_t *address, uint8_t mac[6]);

	/* For the guard of the device's vports, on workers; NULL: the device knows no addresses.
	 * Where what came in by `ingress` would leave, were it for the address; NULL: nowhere. */
	struct vport *(*way_out)(struct worker *worker, const struct vport *ingress, uint8_t family,
		const uint8_t *address, struct rte_mbuf *packet);
	/* What the device itself would send from out of the vport; NULL: it has no such address. */
	const uint8_t *(*own_address)(
		const struct vport *vport, uint8_t family, const uint8_t *destination);
};

enum object_state { OBJECT_STAGED, OBJECT_LIVE, OBJECT_REMOVED };

TAILQ_HEAD(device_list, weft_device);
TAILQ_HEAD(vport_list, weft_vport);
TAILQ_HEAD(network_list, weft_network);
TAILQ_HEAD(nic_list, weft_nic);

/*
 * Lists hold what is committed, under weft_objects_lock(); the maps by name hold what is
 * staged, too, and are for the thread that has the change.
 */
struct weft_network {
	struct weft *weft;
	char *name;
	uint32_t id; /* 1.. ; index for per-network quotas */
	enum object_state state;
	struct weft_network_config config;
	struct name_map device_names, nic_names;
	struct device_list devices;
	struct nic_list nics;
	struct worker_share *shares; /* by worker: see share.h */
	_Atomic bool carries;        /* what others bring in (tells_whose); once so, always */
	_Atomic uint32_t macs;       /* learned, counted against config.mac_limit */
	_Atomic uint32_t neighbours; /* of routers, counted against config.neighbor_limit */
	/* packets that wait for a neighbour's answer; large ones more */
	_Atomic uint32_t queued;
	struct rate asked_again;      /* neighbours that did not answer at once: see neighbour.h */
	_Atomic uint32_t connections; /* of firewalls, counted against config.connection_limit */
	_Atomic uint32_t
		limited_sources;     /* that limits of rules remember, no more than connections */
	_Atomic uint64_t flows_lost; /* flow records for which a worker had no room */
	TAILQ_ENTRY(weft_network) entry;
};

struct weft_device {
	uint32_t id;
	const struct device_class *class;
	uint8_t node;
	enum object_state state;
	struct weft_network *network;
	char *name;
	struct name_map vport_names;
	struct vport_list vports;
	struct vport_list staged_vports; /* as they are after the open change */
	bool touched, removed;           /* by the open change */
	void *data;                      /* the class's */
	TAILQ_ENTRY(weft_device) entry;
};

struct weft_vport {
	uint32_t id;
	enum object_state state;
	struct weft_device *device;
	char *name;
	struct vport *live;                  /* what the workers see; NULL before the commit */
	struct vport *draft;                 /* what the open change will make of it, or NULL */
	_Atomic uint32_t watch;              /* WATCH_ bits */
	struct vport_counters counters_base; /* of the index's former owners */
	struct vport_drops drops_base;
	TAILQ_ENTRY(weft_vport) entry, staged_entry;
};

/* False: this change has removed the network, and has failed for that. */
bool change_has_network(struct weft_change *change, const struct weft_network *network);

/*
 * Staging a device and its vports: for the device rooms. NULL after a failure; then data and
 * context are still the caller's, otherwise the object's.
 */
struct weft_device *device_add(struct weft_change *change, struct weft_network *network,
	const struct device_class *class, const char *name, void *data);
struct weft_vport *vport_add(struct weft_change *change, struct weft_device *device,
	const char *name, void *context, uint32_t mtu);
/* Gives the vport another context and MTU. -1: the change has failed, and context is still the
 * caller's. */
int vport_update(struct weft_change *change, struct weft_vport *vport, void *context, uint32_t mtu);
/* From the commit on the guard judges what goes out of the vport; it calls it `index`. NULL: nobody
 * does. -1: the change has failed. */
int vport_guard(struct weft_change *change, struct weft_vport *vport,
	const struct weft_device *guard, uint8_t index);
/* From now on, unless the change is aborted, it has that name, and its old one is free. -1: the
 * change has failed. */
int device_rename(struct weft_change *change, struct weft_device *device, const char *name);
/* False, with the change failed: it is of another class. */
bool device_is(struct weft_change *change, const struct weft_device *device,
	const struct device_class *class);

/*
 * Any thread: what is committed stays as it is, and is not freed, as long as this is held. A
 * commit is seen as a whole. For short looks only: a commit waits for it.
 */
void weft_objects_lock(struct weft *weft);
void weft_objects_unlock(struct weft *weft);

/* "red/lan:web" into a buffer; returns it. */
#define VPORT_NAME_SIZE 256
const char *vport_path(const struct weft_vport *vport, char path[VPORT_NAME_SIZE]);

/* By id, committed ones, under weft_objects_lock; NULL when gone. */
struct weft_vport *vport_by_id(struct weft *weft, uint32_t id);

#endif
