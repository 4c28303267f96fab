/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes: one per device type, not per device. A node gets a vector of packets of any number
 * of devices of its type; each packet's metadata says at which vport it came in. The node
 * hands every packet on (vport_send, worker_enqueue) or drops it (packet_drop).
 */
#ifndef WEFT_GRAPH_NODE_H
#define WEFT_GRAPH_NODE_H

#include <stdint.h>

struct rte_mbuf;
struct worker;

/* Takes over all `count` packets. At most NODE_BURST at a time. */
typedef void (*node_process)(struct worker *worker, struct rte_mbuf **packets, unsigned count);

#define NODE_LIMIT 32        /* node types */
#define NODE_BURST 256       /* packets a visit */
#define NODE_QUEUE_SIZE 4096 /* packets that may wait for one node of one worker */

struct node_queue {
	uint32_t head, tail;
	node_process process;
	struct rte_mbuf *packets[NODE_QUEUE_SIZE];
};

#endif
