/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vnic, and the contract between it and its driver (in src/nic/).
 *
 * Life of a vnic
 *	1. A change stages it: driver->open(), on the control thread. The driver makes what it
 *	   needs (fds, kernel devices), allocates, sets nic->driver_state, ->n_queues, ->offloads,
 *	   ->mtu, ->mac. No packet may reach the other side yet, or be read.
 *	2. The commit starts it: driver->start() for each queue, on the worker that owns the
 *	   queue; from then on it receives. Then driver->publish() on the control thread: sets
 *	   the link up, addresses and routes, whatever the other side may see.
 *	3. Every second or so, and when the driver reports it lost (nic_lost), a helper thread
 *	   calls driver->check(): it compares the world with the configuration and mends.
 *	4. Removal, abort, and reopening after a loss: driver->stop() on each queue's worker until
 *	   it says that no I/O is under way, then driver->close() on a control or helper thread.
 *
 * What is not there yet
 *	When the world is not ready (the namespace or the interface does not exist), open() says
 *	NIC_ABSENT with the reason in the error: the vnic then exists, is shown as degraded with
 *	that reason, drops what is sent to it (nic-down), and open() is tried again at the commit
 *	(a vnic that the same change removes may have been in the way) and then each second.
 *	Only what cannot come right by waiting is NIC_FAILED, and makes the change fail.
 *
 * Threads
 *	open, close, publish, check, update: one at a time per vnic, may block; open and close
 *	of different vnics may run at the same time.
 *	start, stop, receive: the worker that owns the queue. transmit: with NIC_TRANSMIT_ANY any
 *	worker, several at once; otherwise only the owner of the queue.
 *
 * Packets
 *	receive() gives packets with packet_meta_reset() done and the offload fields set from
 *	what the other side said, after checking it against the frame (offload_check in
 *	packet/offload.h): a header that lies is a drop `bad-offload`, never trusted.
 *	transmit() owns the packets it gets, and gets only what nic->offloads says it can take:
 *	the graph completes checksums and cuts super-packets before.
 */
#ifndef WEFT_GRAPH_NIC_H
#define WEFT_GRAPH_NIC_H

#include "graph/worker.h"

#include <pthread.h>
#include <rte_branch_prediction.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <weft/weft.h>

struct weft_nic;
struct nic_queue;

enum nic_result { NIC_OK = 0, NIC_FAILED = -1, NIC_ABSENT = 1 };

/* nic->offloads: what transmit() takes unfinished. */
#define NIC_OFFLOAD_CHECKSUM 0x1
#define NIC_OFFLOAD_TSO4 0x2
#define NIC_OFFLOAD_TSO6 0x4
#define NIC_OFFLOAD_USO 0x8
#define NIC_OFFLOAD_CHAINS 0x10 /* packets of several segments */
#define NIC_OFFLOAD_VXLAN 0x20  /* super-packets in VXLAN: no driver has it (packet/bundle.h) */

struct nic_driver {
	const char *name; /* as in the model: tap, interface, dpdk, memory */
	enum weft_nic_kind kind;
	bool transmit_any; /* any worker may call transmit on any queue */

	enum nic_result (*open)(struct weft_nic *nic, struct weft_error *error);
	void (*close)(struct weft_nic *nic);
	/* A failure here does not fail the change: it shows as degraded; check() tries again. */
	enum nic_result (*publish)(struct weft_nic *nic, struct weft_error *error);
	/* NIC_OK: as configured. NIC_ABSENT: lost; it will be stopped, closed and opened again.
	 * NIC_FAILED: something is not as configured and could not be mended; shown. */
	enum nic_result (*check)(struct weft_nic *nic, struct weft_error *error);
	/* nic->config is the new configuration already. NIC_OK: done while running.
	 * NIC_ABSENT: it has to be closed and opened anew for this. NULL: always anew. */
	enum nic_result (*update)(
		struct weft_nic *nic, const struct weft_nic_config *old, struct weft_error *error);

	/* Worker. 0, or -1: the queue cannot run (then nic_lost has been called). */
	int (*start)(struct nic_queue *queue, struct worker *worker);
	/* True when no I/O of the queue is under way any more; called again until then. */
	bool (*stop)(struct nic_queue *queue, struct worker *worker);
	/*
	 * For transmit_any: true when the worker has no sending of this vnic under way any more;
	 * called on every worker, after stop, until then. NULL: transmit() leaves nothing behind.
	 */
	bool (*drain)(struct weft_nic *nic, struct worker *worker);
	/* At most `count` packets, 1 to NIC_BURST. Fewer than `count`: it is empty for now. */
	unsigned (*receive)(struct nic_queue *queue, struct worker *worker,
		struct rte_mbuf **packets, unsigned count);
	/* Sends or queues all; what cannot be sent is dropped by nic_transmit_drop. */
	void (*transmit)(struct nic_queue *queue, struct worker *worker, struct rte_mbuf **packets,
		unsigned count);
};

#define NIC_QUEUE_LIMIT 8
#define NIC_BURST 64

/* One receive queue, owned by one worker; transmit uses the same object. */
struct nic_queue {
	struct weft_nic *nic;
	unsigned index;
	unsigned worker;              /* index of the owner */
	struct worker_share *share;   /* its network's, of that worker; an uplink's own */
	int64_t credit;               /* ns that it may use, while its share is flooded */
	uint32_t cost;                /* ns a packet, of then; 0: not known */
	uint64_t empty;               /* the turn that found it so, then */
	TAILQ_ENTRY(nic_queue) entry; /* in share->queues */
	bool receiving;               /* is in that list */
	bool polled;         /* stays in that list: no wait_source tells when packets arrive */
	bool wakes;          /* polled, but whoever brings packets calls worker_wake() */
	bool running;        /* between start and stop */
	uint8_t burst_least; /* what receive() must be asked for at least; open, start set it */
	void *driver_state;  /* the driver's, per queue */
};

/* What one worker has of a vnic: packets to send, flushed once a turn, and its counts. */
struct nic_transmit {
	struct weft_nic *nic;
	struct nic_transmit *next; /* in worker->dirty */
	bool dirty;                /* is in that list */
	unsigned count;
	struct rte_mbuf *packets[NIC_BURST];
	struct vport_drops drops; /* of packets that belong to no vport */
};

enum nic_status { NIC_STATUS_UP, NIC_STATUS_DEGRADED, NIC_STATUS_DOWN };

struct weft_nic {
	/* workers read */
	uint32_t id;
	bool uplink;
	_Atomic bool usable; /* queues run; false: drop nic-down */
	uint32_t offloads;
	uint32_t mtu;            /* of frames without Ethernet header and tags */
	_Atomic uint32_t vport;  /* id of the vport that it is attached to; 0: none */
	_Atomic uint32_t *vlans; /* uplink: id of vport by VLAN, 4,096 of them */
	const struct nic_driver *driver;
	void *driver_state;
	unsigned n_queues;
	struct nic_queue *queues[NIC_QUEUE_LIMIT];
	struct worker_share *shares;    /* by worker; uplinks: see share.h */
	struct nic_transmit **transmit; /* by worker */

	/* control side */
	uint32_t staged_vport, *staged_vlans; /* as the open change leaves them */
	bool removed;                         /* by the open change */
	bool opened;                          /* between open() and close() of the driver */
	struct weft *weft;
	struct weft_network *network; /* NULL: uplink */
	char *name;
	struct weft_nic_config *config; /* own deep copy */
	uint8_t mac[6];                 /* of the other side, as the driver found or set it */
	enum nic_status status;
	char status_text[512]; /* why it is degraded; what has to be done */
	_Atomic bool lost;
	uint64_t next_try;           /* ns; degraded */
	uint8_t state;               /* enum object_state */
	TAILQ_ENTRY(weft_nic) entry; /* in its network's list, or the uplinks' */
};

void nic_enqueue_first(struct worker *worker, struct nic_transmit *transmit);
void nic_flush(struct worker *worker, struct nic_transmit *transmit);

static inline void
nic_transmit_add(struct worker *worker, struct nic_transmit *transmit, struct rte_mbuf *packet)
{
	if (unlikely(transmit->count == NIC_BURST))
		nic_flush(worker, transmit);
	if (transmit->count == 0)
		nic_enqueue_first(worker, transmit);
	transmit->packets[transmit->count++] = packet;
}

/* Adds a packet to what this worker sends on the vnic in this turn. Takes the packet. */
static inline void
nic_enqueue(struct worker *worker, struct weft_nic *nic, struct rte_mbuf *packet)
{
	nic_transmit_add(worker, nic->transmit[worker->index], packet);
}

/*
 * Received packets enter the graph: found their vport, counted, traced, put before its
 * device's node. Worker's thread. Takes the packets.
 */
void nic_input(
	struct worker *worker, struct nic_queue *queue, struct rte_mbuf **packets, unsigned count);

/* The queue has packets: receive() will be called in this turn or the next. Worker's thread. */
void nic_queue_ready(struct worker *worker, struct nic_queue *queue);

/* A received frame that is not fit to become a packet (no mbuf to free). Counts. */
void nic_receive_drop(struct worker *worker, struct weft_nic *nic, enum drop_reason reason);
/* The same for `count` of them. */
void nic_receive_drops(
	struct worker *worker, struct weft_nic *nic, enum drop_reason reason, uint64_t count);
/* For transmit(): counts the drop at the vport, frees the packet. */
void nic_transmit_drop(struct worker *worker, struct weft_nic *nic, enum drop_reason reason,
	struct rte_mbuf *packet);

/* Any thread: the other side has gone; check() will run soon. */
void nic_lost(struct weft_nic *nic);

/* A packet that another worker handed over: its metadata's vport is the id of the vnic. */
void nic_take_handoff(struct worker *worker, struct rte_mbuf *packet);

/* For weft_tick: opens anew what was lost, checks some of the others. */
void nic_check_all(struct weft *weft);

/* For the commit of a change, after its grace period: stops and closes what it removed. */
void nic_close_removed(struct weft *weft);

/* Deep copy of a configuration; NULL when out of memory. */
struct weft_nic_config *nic_copy_config(const struct weft_nic_config *config);
void nic_free_config(struct weft_nic_config *config);

/* Control side: drops that no vport has, summed over the workers. */
void nic_read_drops(const struct weft_nic *nic, struct vport_drops *drops);

#endif
