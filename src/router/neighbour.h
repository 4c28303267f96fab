/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: which MAC an address on a router's port has. One table for all ports of all
 * routers, both families, keyed by (vport, address); the states are those of RFC 4861, 7.3.2,
 * for ARP as well:
 *
 *	NONE        a gateway's, never needed so far: no MAC
 *	INCOMPLETE  asked for; packets wait (up to NEIGHBOUR_QUEUE, then drop neighbor-queue)
 *	REACHABLE   heard from in the last half minute
 *	STALE       its MAC is used, and the first use leads to DELAY
 *	DELAY       used for 5 s in the hope of a sign from it; then PROBE
 *	PROBE       asked, unicast, each second; its MAC is still used
 *	FAILED      did not answer three times: what comes for it is dropped at once
 *(neighbor-failed, with an ICMP unreachable) until a pause is over. A gateway's is asked again
 *then, without being needed, so that ECMP and backups know.
 *
 * Bounds: a network has at most neighbor_limit neighbours (weft_network_config). At the limit
 * the oldest failed or unused ones of that network go with the next tick, and until then what
 * needs a new one is dropped (neighbor-limit). Gateways of routes do not count.
 *
 * Threads
 *	Workers find and use entries without locks, under RCU: state and MAC are one word. What
 *	changes an entry holds the table's lock for a moment: learning, the first packets for an
 *	unknown address, timers. No packet of an established flow takes it. Timers run on worker
 *	0, called by the tick. The control side pins, flushes, and frees what was removed after
 *	a grace period.
 */
#ifndef WEFT_ROUTER_NEIGHBOUR_H
#define WEFT_ROUTER_NEIGHBOUR_H

#include "graph/device.h"

#include <rte_ether.h>
#include <stdatomic.h>

#define NEIGHBOUR_QUEUE 16       /* packets that wait for one */
#define NEIGHBOUR_QUEUE_ALL 1024 /* that wait in one network */
#define NEIGHBOUR_ASK_RATE 1000  /* a second and network: of those that did not answer at once */
#define NEIGHBOUR_ASK_BURST 250
#define NEIGHBOUR_QUEUE_LARGE 32 /* what a large buffer counts for among them: there are few */

/* RFC 4861, 10, in seconds */
#define NEIGHBOUR_REACHABLE_S 30
#define NEIGHBOUR_DELAY_S 5
#define NEIGHBOUR_RETRANS_S 1
#define NEIGHBOUR_TRIES 3
#define NEIGHBOUR_FAILED_S 3   /* what does not answer is not asked for again so long */
#define NEIGHBOUR_UNUSED_S 600 /* stale for so long: forgotten */
#define NEIGHBOUR_CROWDED_S 20 /* the same where the network is at its limit */

/* In this order: from STALE on there is a MAC, from REACHABLE on it is used as it is. */
enum neighbour_state {
	NEIGHBOUR_NONE,
	NEIGHBOUR_INCOMPLETE,
	NEIGHBOUR_FAILED,
	NEIGHBOUR_STALE,
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_DELAY,
	NEIGHBOUR_PROBE,
};

#define NEIGHBOUR_MAC_MASK UINT64_C(0xffffffffffff)

struct neighbour {
	uint32_t id;    /* 0: free */
	uint32_t vport; /* id of the router's port */
	uint8_t address[16];
	_Atomic uint64_t link; /* the MAC as in memory, and the state above it */
	uint8_t family;
	_Atomic uint32_t next;     /* id of the next one of the bucket; 0: the end */
	_Atomic uint32_t deadline; /* second of the engine's clock when a timer is due; 0: none */
	/* under the lock */
	uint32_t pins;
	uint32_t since; /* second: of the state */
	uint8_t tries, n_queued;
	bool removed;                 /* out of the chains; its memory waits for a grace period */
	bool is_router;               /* it said so (RFC 4861, 4.4) */
	struct weft_network *network; /* NULL: its port is gone */
	uint32_t port_next, port_previous; /* ids: the list of its port */
	uint64_t confirmed;                /* ns: last sign of life; 0: never */
	struct rte_mbuf *queue[NEIGHBOUR_QUEUE];
} __attribute__((aligned(64)));

static inline enum neighbour_state
neighbour_link_state(uint64_t link)
{
	return (enum neighbour_state)(link >> 48);
}

static inline void
neighbour_link_mac(uint64_t link, uint8_t mac[6])
{
	memcpy(mac, &link, RTE_ETHER_ADDR_LEN);
}

int neighbours_open(struct weft *weft);
void neighbours_close(void);

/* ---- workers ----------------------------------------------------------------------------- */

/* NULL: there is none. */
struct neighbour *neighbour_find(uint32_t vport, uint8_t family, const uint8_t *address);

extern struct neighbour *neighbour_entries; /* by index */

/* By id. NULL: it is gone. */
static inline struct neighbour *
neighbour_get(uint32_t id)
{
	struct neighbour *entry = &neighbour_entries[id_index(id)];

	return id != 0 && entry->id == id ? entry : NULL;
}

/* Nothing has to be done but to use the MAC in the link. */
static inline bool
neighbour_is_at_hand(uint64_t link)
{
	return neighbour_link_state(link) >= NEIGHBOUR_REACHABLE;
}

/*
 * Sends the packet out of the port to the neighbour: its MACs are written, or it waits for the
 * answer, or is dropped. Its metadata's vport says where it came into the router. Takes it.
 */
void neighbour_send(struct worker *worker, struct vport *egress, struct neighbour *neighbour,
	struct rte_mbuf *packet);
/* The same to an address on the port, whose neighbour may have to be made first. */
void neighbour_send_to(struct worker *worker, struct vport *egress, uint8_t family,
	const uint8_t *address, struct rte_mbuf *packet);

/* What a message from a neighbour says; bits. */
#define NEIGHBOUR_CREATE 0x1   /* it may be new */
#define NEIGHBOUR_CONFIRM 0x2  /* the answer to what we asked: it is reachable */
#define NEIGHBOUR_OVERRIDE 0x4 /* another MAC than the known one counts */
#define NEIGHBOUR_ROUTER 0x8   /* it is a router */
#define NEIGHBOUR_HOST 0x10    /* it is none */

/* The neighbour of that port has said so. mac NULL: the one that it is known by, if it is. Sends
 * what waited. */
void neighbour_heard(struct worker *worker, struct vport *vport, uint8_t family,
	const uint8_t *address, const uint8_t mac[6], unsigned what);

/* ---- the control side -------------------------------------------------------------------- */

/* The id of an entry that stays until as many calls of unpin. 0: no memory. */
uint32_t neighbour_pin(
	uint32_t vport, uint8_t family, const uint8_t *address, struct weft_network *network);
void neighbour_unpin(uint32_t id);
/* Forgets what is known on the port: something else is attached to it. */
void neighbours_flush(struct weft *weft, uint32_t vport);
/* The port is gone, and no worker knows it any more. */
void neighbours_forget(struct weft *weft, uint32_t vport);
/* Timers, ageing, room for new ones. Once a second. */
void neighbours_tick(struct weft *weft, uint64_t now);

/* What is told of one. */
struct neighbour_info {
	uint32_t vport; /* id */
	uint8_t address[16];
	uint8_t family;
	uint8_t state; /* enum neighbour_state */
	bool has_mac;  /* that is in use */
	uint8_t mac[6];
	bool is_router;
	bool gateway;       /* of a route: it stays */
	uint32_t since;     /* second: of the state */
	uint64_t confirmed; /* ns: last sign of life; 0: never */
};

/* Any control thread, under weft_objects_lock: every neighbour, in no order. Each is copied
 * whole; look() is called without the table's lock. */
void neighbours_walk(
	void (*look)(void *context, const struct neighbour_info *neighbour), void *context);
unsigned neighbours_count(const struct weft_network *network);
const char *neighbour_state_name(enum neighbour_state state);

#endif
