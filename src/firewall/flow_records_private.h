/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow records, as workers make them: for the firewall's own files. */
#ifndef WEFT_FIREWALL_FLOW_RECORDS_PRIVATE_H
#define WEFT_FIREWALL_FLOW_RECORDS_PRIVATE_H

#include "base/record_ring.h"
#include "firewall/flow_records.h"

struct passage;
struct rule;
struct worker;
struct flow_told;

/* One worker's; opened with its shard. */
struct flow_recorder {
	struct record_ring ring;
	struct connection_table *table;
	struct flow_told *told; /* by a connection's place */
	uint8_t *told_here;     /* by slice of places: some of it is in use, or was */
	unsigned worker;
};

/* Of at most `limit` connections, a multiple of 1,024. 0 or -1: no memory. */
int flow_recorder_open(struct flow_recorder *recorder, unsigned worker, uint32_t limit);
void flow_recorder_close(struct flow_recorder *recorder, uint32_t limit);

/* The state table's `ended`; the context is the recorder. */
void flow_record_ended(void *context, struct connection_table *table,
	const struct connection *connection, enum connection_end why);
/* A packet that is not let through; rule NULL: by the default. */
void flow_record_denied(
	struct worker *worker, const struct passage *passage, const struct rule *rule);

#endif
