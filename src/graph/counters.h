/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters by vport index. Each worker writes its own (no shared line is written per
 * packet); readers add up all workers'. The arrays are address space for every vport that
 * there can be: pages that nobody counts in cost nothing.
 *
 * When a vport's index is used again, what its former owner counted is kept as a base that
 * readers subtract (weft_vport.counters_base), so that nobody but the worker ever writes.
 */
#ifndef WEFT_GRAPH_COUNTERS_H
#define WEFT_GRAPH_COUNTERS_H

#include "graph/drop.h"

#include <stdint.h>

struct vport_counters {
	uint64_t in_packets, in_bytes;
	uint64_t out_packets, out_bytes;
};

struct vport_drops {
	uint64_t by_reason[DROP_REASON_COUNT];
};

/* One worker's. */
struct counters {
	struct vport_counters *vports; /* by vport index */
	struct vport_drops *drops;
};

int counters_open(struct counters *counters);
void counters_close(struct counters *counters);

/* Adds what another thread may be counting. */
void counters_add_drops(struct vport_drops *sum, const struct vport_drops *more);

/* Sums over the workers' arrays, `n` of them. Relaxed reads: any thread. */
void counters_sum(const struct counters *const *workers, unsigned n, uint32_t index,
	struct vport_counters *sum, struct vport_drops *drops);

#endif
