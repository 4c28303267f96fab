/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler: one queue per node type, a bit per node that has work, run to completion. */
#include "graph/watch.h"

#include <string.h>

void
worker_queue_overflow(struct worker *worker, struct rte_mbuf *packet)
{
	struct vport *vport = vport_get(worker, packet_meta(packet)->vport);

	worker->sharing.overflowed = true;
	packet_drop(worker, vport, DROP_GRAPH_FULL, packet);
}

/*
 * The node may be fed again, by itself too, while it works on the packets it was given: new
 * ones go behind them, and the queue starts over when it has run empty, so that in the
 * steady state it is the same few cache lines again and again.
 */
static void
run_node(struct worker *worker, unsigned node)
{
	struct node_queue *queue = worker->queues[node];
	uint32_t count = queue->tail - queue->head;
	struct rte_mbuf **packets = &queue->packets[queue->head];

	if (count > NODE_BURST)
		count = NODE_BURST;
	queue->head += count;
	queue->process(worker, packets, count);
	if (queue->head == queue->tail) {
		queue->head = queue->tail = 0;
		worker->ready &= ~(1u << node);
	}
}

unsigned
worker_run_nodes(struct worker *worker, unsigned visits)
{
	unsigned made = 0;

	while (worker->ready != 0 && made < visits) {
		run_node(worker, (unsigned)__builtin_ctz(worker->ready));
		made++;
	}
	return made;
}

void
packet_dropped(
	struct worker *worker, const struct vport *vport, enum drop_reason reason, bool dry_run)
{
	struct vport_drops *drops =
		vport != NULL ? &worker->drops[id_index(vport->id)] : &worker->lost;

	if (!dry_run)
		drops->by_reason[reason]++;
}

void
packet_drop(struct worker *worker, struct vport *vport, enum drop_reason reason,
	struct rte_mbuf *packet)
{
	packet_dropped(worker, vport, reason, packet_meta(packet)->flags & PACKET_DRY_RUN);
	watch_drop(worker, vport, reason, packet);
	rte_pktmbuf_free(packet);
}

uint64_t
worker_random(struct worker *worker)
{
	/* Blackman and Vigna, xoroshiro128+ 1.0 */
	uint64_t a = worker->random_state[0], b = worker->random_state[1], sum = a + b;

	b ^= a;
	worker->random_state[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
	worker->random_state[1] = b << 37 | b >> 27;
	return sum;
}
