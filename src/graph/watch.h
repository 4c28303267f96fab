/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the graph shows its packets to trace and capture. Costs a look at two words where
 * nobody watches.
 */
#ifndef WEFT_GRAPH_WATCH_H
#define WEFT_GRAPH_WATCH_H

#include "graph/capture.h"
#include "graph/trace.h"

static inline bool
watch_captures(const struct vport *vport, const struct packet_meta *meta)
{
	return (atomic_load_explicit(vport->watch, memory_order_relaxed) & WATCH_CAPTURE) &&
	       !(meta->flags & PACKET_DRY_RUN);
}

/* The packet comes into a device at the vport. */
static inline void
watch_in(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);

	if (unlikely(worker->trace_mask != 0 || meta->trace != 0))
		trace_enter(worker, packet, vport);
	if (unlikely(watch_captures(vport, meta)))
		capture_packet(worker, vport, packet, CAPTURE_IN, DROP_REASON_COUNT);
}

/* It leaves there, to what is attached. */
static inline void
watch_out(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);

	if (unlikely(meta->trace != 0))
		trace_leave(worker, packet, vport);
	if (unlikely(watch_captures(vport, meta)))
		capture_packet(worker, vport, packet, CAPTURE_OUT, DROP_REASON_COUNT);
}

/* It is dropped there; vport NULL: where is not known any more. */
static inline void
watch_drop(struct worker *worker, struct vport *vport, enum drop_reason reason,
	struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);

	if (unlikely(meta->trace != 0))
		trace_dropped(worker, packet, vport, reason);
	if (unlikely(vport != NULL && watch_captures(vport, meta)))
		capture_packet(worker, vport, packet, CAPTURE_UNKNOWN, reason);
}

#endif
