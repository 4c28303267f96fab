/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose packets a worker takes next: its time is shared out among tenants.
 *
 * Shares
 *	Each network has one share of each worker, however many vnics, devices and vports it has;
 *	an uplink, which networks have in common, has one of its own; what other workers hand
 *	over and what the control side injects is one more. A packet is charged to the share of
 *	the vnic at which it came in, for its whole way: receiving it, the nodes, the copies it
 *	becomes, and the system calls that send it on (a write to a tap runs the receiver's IP
 *	stack inside it). Only what the kernel does when it announces packets is nobody's.
 *
 * Whose they are
 *	Contention is between networks, not between shares: a network and the uplink that it uses
 *	do not contend. What comes by an uplink is of the network that its VLAN leads to, what
 *	comes through a tunnel of the tunnel's, what is handed over of that where it is.
 *	share_note() tells.
 *
 * Together
 *	As long as the worker is not contended, a turn takes a burst from every queue of every
 *	share, at most SHARE_TURN_PACKETS in all, and sends what comes of it at once. It is
 *	contended when such a turn took longer than a quantum and had packets of two networks, or
 *	of two vnics and a flood: many strangers.
 *
 * Apart
 *	From then on a turn serves one share: deficit round robin by time. In each round a share
 *	may use SHARE_QUANTUM_NS; its bursts are as large as what it has left of them, by what
 *	its packets have cost before. What it uses beyond is taken off its next rounds; what it
 *	does not use is not kept. A share that had no packets and gets some comes next, if it has
 *	not used up its quantum in this round. So
 *	- one that asks for less than its part gets all that it asks for, whatever the others do;
 *	- one that asks for more gets at least its part;
 *	- a packet of the former waits for the burst that is under way, and, when several such
 *	  shares get packets at once, a quantum for each of them; one of the latter waits a
 *	  quantum for each busy share, and for its own share's packets before it.
 *	A burst may outlast its quantum once, when packets suddenly cost more than those before.
 *	It is together again when for SHARE_APART_NS no round had packets of two networks, or a
 *	flood.
 *
 * Strangers
 *	are packets that belong to nothing that is known: those that begin a connection in a
 *	firewall, or would. Their time counts SHARE_STRANGER_WEIGHT times. So a flood of them
 *	gets a tenth of what others that want all get, and all that these leave. A share with a
 *	flood is itself shared out, in the same way, among its vnics, a quantum of
 *	SHARE_QUEUE_NS each: those of the same network that do not flood keep their part, too.
 *
 * Time is the engine's clock, in ns. Time within a long burst that other threads of the machine
 * had is not charged (it is the thread's CPU time that tells).
 *
 * A share's memory belongs to its network or uplink. Worker's thread only, but for
 * share_used().
 */
#ifndef WEFT_GRAPH_SHARE_H
#define WEFT_GRAPH_SHARE_H

#include <rte_branch_prediction.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct nic_queue;
struct weft_network;
struct worker;

#define SHARE_QUANTUM_NS 50000
#define SHARE_QUEUE_NS 25000
#define SHARE_APART_NS 1000000000
#define SHARE_TURN_PACKETS 256
#define SHARE_STRANGER_WEIGHT 10

TAILQ_HEAD(nic_queue_list, nic_queue);

struct share_list;

/* What one worker has of a network or an uplink. Zeroed memory is a share without packets. */
struct worker_share {
	struct share_list *list;            /* that it is in; NULL: none */
	const struct weft_network *network; /* NULL: of several */
	struct nic_queue_list queues; /* with packets, or polled; set up by the first of them */
	unsigned n_queues;
	uint32_t cost;          /* ns a packet, of late; 0: not known */
	int64_t credit;         /* ns that it may use in its round */
	uint64_t round;         /* the last one in which it got its quantum */
	uint64_t turn;          /* the last one in which it was looked at */
	uint64_t flooded_until; /* its vnics are served one by one */
	uint64_t used;          /* ns while the worker was contended; atomic */
	TAILQ_ENTRY(worker_share) entry;
} __attribute__((aligned(64)));

TAILQ_HEAD(share_list, worker_share);

/* A worker's sharing out. */
struct sharing {
	bool apart;
	bool overflowed;             /* a node's queue was full in this turn */
	struct share_list now, next; /* those of this round, and of the next; together: now */
	unsigned count;              /* in both */
	struct worker_share others;  /* what is handed over and injected; always in a list */

	/* this turn; apart: this round */
	const struct weft_network *whose; /* packets there were; NULL: none yet, or nobody's */
	bool several;                     /* of other networks, too */

	/* this turn */
	struct worker_share *serving; /* apart: whose packets they are; NULL: there are none */
	struct nic_queue *queue;      /* likewise, of a flooded share; NULL: of several */
	uint64_t turn;
	uint64_t started;   /* of the burst */
	uint64_t cpu;       /* the thread's, then */
	unsigned unseen;    /* shares in the lists that were not looked at */
	unsigned received;  /* in the burst, or the turn */
	unsigned strangers; /* of them */
	unsigned busy;      /* together: queues that had packets */
	uint64_t spent;     /* ns, in turns before, on a burst that is not done yet */

	uint64_t round;
	uint64_t round_started;
	uint64_t apart_until;

	uint64_t (*cpu_time)(const struct worker *); /* of the thread, ns; 0: it has none */
};

void share_open(struct worker *worker);

/* The shares of all workers, for a network or an uplink (NULL); NULL: no memory. By free(). */
struct worker_share *share_make(unsigned workers, const struct weft_network *network);

/* The queue has packets, or is to be polled: it will be received from. */
void share_enter(struct worker *worker, struct nic_queue *queue);
/* The queue will not be received from, if it would have been. */
void share_leave(struct worker *worker, struct nic_queue *queue);

/*
 * Receives what this turn is to work on; returns how many packets. 0: there are none in any
 * queue, unless packets still wait before nodes. share_charge() at the turn's end, when all
 * that came of them has been sent.
 */
unsigned share_receive(struct worker *worker);
void share_charge(struct worker *worker);

/* There were packets of this network. */
static inline void
share_note(struct sharing *sharing, const struct weft_network *network)
{
	if (sharing->whose == NULL)
		sharing->whose = network;
	else if (unlikely(sharing->whose != network))
		sharing->several = true;
}

/* Whether some queue has to be looked at because nothing announces its packets. */
bool share_must_poll(const struct worker *worker);

/* Any thread: ns that the share has had of its worker while that was contended. */
static inline uint64_t
share_used(const struct worker_share *share)
{
	return __atomic_load_n(&share->used, __ATOMIC_RELAXED);
}

#endif
