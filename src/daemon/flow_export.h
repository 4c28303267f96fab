/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow records of networks, to their collectors (`flow-records` in the configuration): takes them
 * from the engine (firewall/flow_records.h), makes IPFIX of them (protocols/ipfix), and sends that
 * (collector.h). Each network has an exporter of its own: its session, its observation domain (the
 * network's id), its counts, its losses.
 *
 * A thread of its own does it, which sleeps where no network has a collector; the engine's lock it
 * takes only to look up names.
 *
 * Threads: flow_export_open, _stop and _close by main, flow_export_configure by config;
 * flow_export_read by any.
 */
#ifndef WEFT_DAEMON_FLOW_EXPORT_H
#define WEFT_DAEMON_FLOW_EXPORT_H

#include "daemon/collector.h"
#include "daemon/daemon.h"
#include "model/model.h"

struct flow_export;

/* NULL: out of memory, no thread. */
struct flow_export *flow_export_open(struct daemon *daemon, struct weft_error *error);
/* Before the engine ends: what has been told of so far is sent. */
void flow_export_stop(struct flow_export *export);
void flow_export_close(struct flow_export *export);

/* The configuration runs. An exporter whose settings are the same goes on. */
void flow_export_configure(struct flow_export *export, const struct configuration *configuration);

struct flow_export_info {
	char network[MODEL_NAME_SIZE];
	uint32_t id; /* of the network */
	struct collector_config collector;
	uint32_t interval_s;
	bool up;
	char reason[200];
	struct collector_counts counts; /* lost: those for which workers had no room, too */
};

/* Calls look() for each exporter, in no order. */
void flow_export_read(struct flow_export *export,
	void (*look)(void *context, const struct flow_export_info *info), void *context);

#endif
