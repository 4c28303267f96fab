/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Punt and inject: the way of single packets and of notices between the workers and the
 * control side. Bounded: what finds the ring full is dropped (punt-full), and the data path
 * goes on.
 *
 * A worker punts by worker_punt or punt_notice (no allocation but the mbuf's); the control
 * side drains all rings in punt_drain and calls what is registered for the reason.
 */
#ifndef WEFT_GRAPH_PUNT_H
#define WEFT_GRAPH_PUNT_H

#include "graph/vport.h"

enum punt_reason {
	PUNT_MAC_MOVE,         /* notice: a MAC flaps between two vports of a switch */
	PUNT_MAC_LIMIT,        /* notice: a MAC was not learned for a limit */
	PUNT_FLOOD,            /* notice: a flood used up its budget */
	PUNT_PROBE,            /* packet: the answer to an injected probe */
	PUNT_ROUTER,           /* packet: for a router itself, beyond what workers do */
	PUNT_ADDRESS_CONFLICT, /* notice: another station has a router port's address */
	PUNT_RULE_LOG,         /* what a firewall's rule tells: firewall/firewall.h */
	PUNT_PORT_BLOCK,       /* given or taken back by a firewall: firewall/port_block.h */
	PUNT_REASON_COUNT
};

/* What a notice says; a fixed size, in the data of the mbuf that carries it. */
struct punt_notice {
	uint32_t vport, other; /* ids */
	uint16_t vlan;
	uint8_t mac[6];
};

/* Worker. The packet, with the vport's id in its metadata, goes to the control side. */
void worker_punt(struct worker *worker, enum punt_reason reason, struct rte_mbuf *packet);
/* Worker. At most one per reason and worker each 100 ms; the rest is not told. */
void worker_notice(
	struct worker *worker, enum punt_reason reason, const struct punt_notice *notice);

/* Control thread. The handler owns the packet. One handler per reason. */
typedef void (*punt_handler)(
	void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet);
void punt_register(struct weft *weft, enum punt_reason reason, punt_handler handler, void *context);
/* Control thread, often: returns how many were handled. */
unsigned punt_drain(struct weft *weft);

/*
 * Control thread. The packet enters at the vport as if its vnic had received it
 * (inject_in), or goes out of the vport to what is attached there (inject_out). Worker 0 does
 * it. When its ring is full the packet is lost, as it may be anywhere on its way.
 */
void inject_in(struct weft *weft, uint32_t vport, struct rte_mbuf *packet);
void inject_out(struct weft *weft, uint32_t vport, struct rte_mbuf *packet);
/* The same for what had come in at the vport, and was punted: goes before its device's node once
 * more, and is not counted as one that comes in. */
void inject_again(struct weft *weft, uint32_t vport, struct rte_mbuf *packet);

/* ---- for the engine and the workers ------------------------------------------------------ */

int punt_open(struct weft *weft);
void punt_close(struct weft *weft);
unsigned punt_take_injected(struct worker *worker);

#endif
