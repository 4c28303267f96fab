/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `weft trace`: live packets that match a filter are marked where they come in; each device
 * on their way notes its steps, with the reason of each decision.
 *
 * The mark in the metadata (packet_meta.trace) is a number, not a pointer: the packet's, and
 * which traces want it. Copies keep the mark, so that the steps of all copies of a flooded
 * packet are the steps of one packet, told apart by where they were noted; each copy ends
 * with a verdict of its own.
 *
 * Steps go into a ring per worker and trace, made when the trace is opened: nothing is
 * allocated per packet. When a ring has little room left, further packets are not marked at
 * all, and counted as lost: what is told of a packet is told whole.
 *
 * Threads: any thread but a worker's may open a trace, several at once; what is opened belongs
 * to one thread at a time, which reads and closes it. trace_where on any thread, trace_step and
 * the other notes on workers.
 */
#ifndef WEFT_GRAPH_TRACE_H
#define WEFT_GRAPH_TRACE_H

#include "graph/device.h"
#include "graph/filter.h"

#define TRACE_LIMIT 8 /* open at a time */
#define TRACE_TEXT_SIZE 120
#define TRACE_DESCRIBE_SIZE 120

enum trace_verdict {
	TRACE_GOES_ON, /* no verdict yet */
	TRACE_SENT,    /* left weft at this vport's vnic */
	TRACE_DROPPED,
	TRACE_TAKEN, /* came to weft itself: the answer to a probe, what a router listens to */
};

/* One step of one packet. */
struct trace_event {
	uint64_t packet;                    /* number, from 1; 0: `weft explain` */
	uint64_t time;                      /* ns of the engine's clock */
	uint32_t vport;                     /* id, 0: none */
	uint8_t verdict;                    /* enum trace_verdict */
	uint8_t reason;                     /* enum drop_reason, of TRACE_DROPPED */
	const char *node;                   /* "switch", "nic": static */
	char text[TRACE_TEXT_SIZE];         /* what was decided, and why */
	char describe[TRACE_DESCRIBE_SIZE]; /* packet_describe(), in a packet's first step */
};

struct trace;

/* count: of packets; 0: no end. The filter is copied. NULL: too many traces, no memory. */
struct trace *trace_open(
	struct weft *weft, const struct filter *filter, uint64_t count, struct weft_error *error);
/* The next step, the oldest of all workers' first. False: none at the moment. */
bool trace_read(struct trace *trace, struct trace_event *event);
/* `count` packets were traced, and all their steps have been read. */
bool trace_done(const struct trace *trace);
/* Matching packets that were not traced for want of room. */
uint64_t trace_lost(const struct trace *trace);
void trace_close(struct trace *trace);

/* "red/lan:web", or "" when the vport is not there any more; returns its argument. */
const char *trace_where(struct weft *weft, uint32_t vport, char path[VPORT_NAME_SIZE]);
/* null (goes on), "sent", "dropped", "taken": as docs/api.md has it. */
const char *trace_verdict_name(enum trace_verdict verdict);

/* ---- for devices ----------------------------------------------------------------------------- */

/*
 * Worker. Notes a step of a packet whose metadata has a mark; to be called only then:
 *	if (unlikely(meta->trace != 0))
 *		trace_step(worker, packet, vport, "destination is on %s", …);
 * vport: where the packet is; its device's class is the node that is named.
 */
void trace_step(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- for the graph --------------------------------------------------------------------------- */

#define TRACE_MARK_EXPLAIN (1ull << 55) /* the packet of `weft explain` */

/* Worker. Marks the packet for every trace whose filter it matches; notes how it came in. */
void trace_enter(struct worker *worker, struct rte_mbuf *packet, const struct vport *vport);
/* Worker. Of a marked packet: it leaves through a vnic or link. */
void trace_leave(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport);
/* Worker. Of a marked packet: it is dropped; vport may be NULL. */
void trace_dropped(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport,
	enum drop_reason reason);
/* Worker. Of a marked packet: it was for weft itself; `what` says for which part of it. */
void trace_taken(struct worker *worker, const struct rte_mbuf *packet, const struct vport *vport,
	const char *what);

#endif
