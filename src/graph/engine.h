/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct weft: what belongs to all workers and objects together. One per process.
 */
#ifndef WEFT_GRAPH_ENGINE_H
#define WEFT_GRAPH_ENGINE_H

#include "graph/device.h"

#include <rte_rcu_qsbr.h>

/* Told of a change of a vnic's status; see engine_watch_nics. */
typedef void (*nic_status_handler)(
	void *context, const struct weft_nic *nic, enum nic_status status, const char *text);

struct weft {
	struct weft_options options;
	struct worker *workers[WORKER_LIMIT];
	unsigned n_workers; /* at least 1: the caller's own when threads is false */
	bool threads;       /* workers have threads of their own */
	struct rte_rcu_qsbr *rcu;
	struct packet_pools pools;
	struct punt *punt;
	void (*_Atomic wake)(void *context); /* weft_watch */
	void *wake_context;
	_Atomic bool woken;           /* weft_poll has not been called since */
	struct probe_watches *probes; /* RCU; NULL: there has been no probe yet */
	struct hash_key flow_key;

	struct vport **vports; /* by index; RCU */
	struct id_pool vport_ids, device_ids, nic_ids, network_ids;
	struct weft_vport **vport_objects; /* by index, staged ones too; control side */
	struct weft_device **devices;      /* by index */
	struct weft_nic **nics;            /* by index; RCU */

	const struct device_class *const *classes; /* NULL-terminated; by node */
	unsigned n_classes;                        /* of them, open */
	const struct nic_driver *const *drivers;   /* NULL-terminated */

	/* both recursive; nics_lock is taken first */
	pthread_mutex_t objects_lock;
	pthread_mutex_t nics_lock; /* checking vnics, and freeing them, exclude each other */
	struct network_list networks;
	struct name_map network_names, uplink_names;
	struct nic_list uplinks;
	nic_status_handler nic_status;
	void *nic_status_context;
	struct nic_list closing;           /* removed by the change that is being committed */
	uint32_t nic_check_next;           /* index of the vnic that is checked next */
	struct weft_change *change;        /* the open one */
	unsigned trace_places, trace_next; /* trace.c, under objects_lock */
	_Atomic uint64_t trace_number;     /* of the packet that was marked last */
	struct capture *captures[8];       /* under objects_lock */
	void *class_data[NODE_LIMIT];      /* by node: the device type's tables */
};

/* weft_open() with the types it knows, NULL-terminated. */
struct weft *engine_open(const struct weft_options *options,
	const struct device_class *const *classes, const struct nic_driver *const *drivers,
	struct weft_error *error);
void engine_close(struct weft *weft);

/* Told of each change of a vnic's status, by whatever thread makes it; no lock of libweft's own
 * may be taken there. One handler; without it the log is told. */
void engine_watch_nics(struct weft *weft, nic_status_handler handler, void *context);

/* Control threads: returns when no worker uses what was reachable before the call. */
void engine_synchronize(struct weft *weft);

uint64_t engine_now(const struct weft *weft);

/* The committed vnics of a network, or of NULL: the uplinks. Hold weft_objects_lock. */
struct nic_list *engine_nics(struct weft *weft, struct weft_network *network);

/* Sums of all workers: since the vport was made; since ever for that index. */
void vport_sum_counters(
	struct weft *weft, uint32_t id, struct vport_counters *counters, struct vport_drops *drops);
void vport_read_counters(
	const struct weft_vport *vport, struct vport_counters *counters, struct vport_drops *drops);
/* Any thread: drops of packets whose vport or vnic was gone by then, of all workers. */
void engine_read_lost(const struct weft *weft, struct vport_drops *drops);

#endif
