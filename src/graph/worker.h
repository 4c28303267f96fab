/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers: the data-plane threads, each with its own queues, counters, pool cache and clock
 * reading, so that in the steady state none of them writes what another one reads.
 *
 * One turn of the loop: reap what the waiter has (completions, ready fds), receive from the
 * ready vnic queues, run the nodes until no packet waits, flush the vnics, submit, run what
 * the control side asked for, report the quiescent state. A turn that moved nothing leads
 * to sleep in the waiter, unless some queue has to be polled. Which queues a turn receives
 * from, and how much, when tenants ask for more than there is: share.h.
 *
 * All functions here run on the worker's own thread, except where they say otherwise.
 */
#ifndef WEFT_GRAPH_WORKER_H
#define WEFT_GRAPH_WORKER_H

#include "base/hash.h"
#include "graph/counters.h"
#include "graph/node.h"
#include "graph/share.h"
#include "packet/packet.h"

#include <rte_branch_prediction.h>
#include <rte_ring.h>
#include <stdatomic.h>
#include <string.h>
#include <weft/weft.h>

struct nic_queue;
struct nic_transmit;
struct vport;
struct waiter;
struct weft;

#define WORKER_LIMIT 64

struct worker {
	/* read and written for every vector */
	uint64_t now;                    /* ns of the engine's clock, read once a turn */
	uint32_t ready;                  /* bit per node that has packets */
	uint32_t trace_mask;             /* bit per open trace (trace.h) */
	unsigned index;                  /* 0 .. number of workers - 1 */
	struct vport *const *vports;     /* by vport index; RCU */
	struct vport_counters *counters; /* by vport index */
	struct vport_drops *drops;       /* by vport index */
	struct nic_transmit *dirty;      /* vnics with packets to flush */
	struct node_queue *queues[NODE_LIMIT];
	struct packet_pools pools;
	struct waiter *waiter;
	struct weft *weft;
	struct hash_key flow_key; /* the same in every worker */
	uint64_t random_state[2];

	/* seldom */
	struct trace *traces[8];         /* by bit of trace_mask; set between turns (worker_call) */
	struct capture *captures[8];     /* open ones; NULL: free place */
	struct explanation *explanation; /* `weft explain` is running */
	struct rte_ring *punt;           /* to the control side; see punt.h */
	struct rte_ring *injected;       /* from the control side */
	/* by source worker: packets for vnics whose queue this worker owns, and for its nodes; the
	 * metadata says in `reserved` which (single producer) */
	struct rte_ring *handoff[WORKER_LIMIT];
	unsigned rcu_thread;
	uint64_t packets, turns, sleeps, slept_ns; /* for `weft show workers` */
	uint64_t started;                          /* engine's clock */
	uint64_t asleep_since;                     /* likewise; 0: it is awake */
	int thread;                                /* the kernel's id of it; 0: the caller's */
	uint64_t notice_times[8];                  /* by punt reason: when the last one was sent */
	struct counters counters_memory;
	struct vport_drops lost; /* packets whose vport or vnic is gone: nowhere to count them */
	struct worker_control *control; /* what other threads touch */
	struct sharing sharing;         /* whose packets come next */
};

/* Puts a packet before a node. meta->vport says where it came in. */
void worker_queue_overflow(struct worker *worker, struct rte_mbuf *packet);

static inline void
worker_enqueue(struct worker *worker, unsigned node, struct rte_mbuf *packet)
{
	struct node_queue *queue = worker->queues[node];

	if (unlikely(queue->tail == NODE_QUEUE_SIZE)) {
		worker_queue_overflow(worker, packet);
		return;
	}
	queue->packets[queue->tail++] = packet;
	worker->ready |= 1u << node;
}

/* The same for `count` packets, in order. */
static inline void
worker_enqueue_all(struct worker *worker, unsigned node, struct rte_mbuf **packets, unsigned count)
{
	struct node_queue *queue = worker->queues[node];

	if (unlikely(count == 0 || queue->tail + count > NODE_QUEUE_SIZE)) {
		for (unsigned i = 0; i < count; i++)
			worker_enqueue(worker, node, packets[i]);
		return;
	}
	memcpy(&queue->packets[queue->tail], packets, count * sizeof(*packets));
	queue->tail += count;
	worker->ready |= 1u << node;
}

/* Puts a packet before a node of another worker, in order with what this one gave it before.
 * meta->vport says where it came in. */
void worker_hand_over(struct worker *worker, unsigned to, unsigned node, struct rte_mbuf *packet);

/* Counts the drop at the vport (NULL: it is gone), tells trace and capture, frees the packet. */
void packet_drop(struct worker *worker, struct vport *vport, enum drop_reason reason,
	struct rte_mbuf *packet);

/* Counts the drop of one that is freed already; dry_run: it had PACKET_DRY_RUN. */
void packet_dropped(
	struct worker *worker, const struct vport *vport, enum drop_reason reason, bool dry_run);

/* xoroshiro128+, seeded from the engine's generator: for jitter and sampling, not for keys. */
uint64_t worker_random(struct worker *worker);

/* Runs until no packet waits before any node, or `visits` node visits; returns visits made. */
unsigned worker_run_nodes(struct worker *worker, unsigned visits);

/* For share_receive: a burst of what other workers hand over and the control side injects. */
unsigned worker_take_others(struct worker *worker);

/* One turn of the loop; returns how many packets and events it moved. */
unsigned worker_turn(struct worker *worker);

/*
 * Any thread but the worker's: runs function(worker, argument) between two turns of the
 * worker and returns when it has run. With no thread of its own (workers == 0) it runs at
 * once in the caller's. Never called by one worker for another.
 */
void worker_call(struct worker *worker, void (*function)(struct worker *, void *), void *argument);

/* Any thread: ns of the engine's clock that it has slept, up to now. */
uint64_t worker_slept(const struct worker *worker);

/* Any thread: wakes the worker if it sleeps. Cheap when it does not. */
void worker_wake(struct worker *worker);

/* Control thread. start: false: the caller runs worker_turn() itself. NULL on failure. */
struct worker *worker_open(struct weft *weft, unsigned index, bool start, struct weft_error *error);
void worker_close(struct worker *worker);

#endif
