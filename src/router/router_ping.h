/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `weft ping` and `weft traceroute`: echo requests that a router sends itself, by its own tables,
 * and what comes back of them: the reply, or an ICMP error of a router on the way.
 *
 * An answer is told from others' by id, sequence number and the address that was asked; it is
 * noted with the time when it came. Replies that nobody waits for go the way of all messages to
 * the router itself.
 *
 * Threads: all calls, and weft_poll(), on one control thread or under one lock, and kept apart
 * from weft_change_commit and _abort, as weft_tick. A router that a change removes meanwhile
 * answers no more: its pings time out.
 */
#ifndef WEFT_ROUTER_ROUTER_PING_H
#define WEFT_ROUTER_ROUTER_PING_H

#include "graph/device.h"

#define ROUTER_PING_LIMIT 64 /* under way at a time */

enum router_ping_result {
	ROUTER_PING_WAITING,
	ROUTER_PING_REPLY,
	ROUTER_PING_TTL_EXCEEDED, /* by `from`: a router on the way */
	ROUTER_PING_UNREACHABLE,  /* `from` says so; see type and code */
	ROUTER_PING_TIMEOUT,
};

struct router_ping_request {
	struct weft_device *router; /* committed; not kept */
	struct weft_vport *port;    /* out of this one, for link-local addresses; or NULL */
	uint8_t family;             /* 4 or 6 */
	uint8_t to[16];
	uint8_t ttl;         /* 0: 64 */
	uint64_t timeout_ns; /* 0: one second */
};

struct router_ping_state {
	enum router_ping_result result;
	uint8_t from[16];    /* who answered; of the request's family */
	uint8_t ttl;         /* of the answer, as it came */
	uint8_t type, code;  /* of the ICMP message */
	uint32_t mtu;        /* where it says one, else 0 */
	uint64_t round_trip; /* ns */
};

struct router_ping;

/* Sends it. NULL: there is no way to the address, no address to send from, or too many are under
 * way. */
struct router_ping *router_ping_start(
	struct weft *weft, const struct router_ping_request *request, struct weft_error *error);
void router_ping_read(const struct router_ping *ping, struct router_ping_state *state);
/* Frees it, whether it is over or not; NULL is fine. */
void router_ping_end(struct router_ping *ping);

/* ---- for the router's own files ------------------------------------------------------------ */

/* How many are under way: workers pass on what may be an answer. */
extern _Atomic unsigned router_pings;

/* Control thread: an ICMP message to a router itself, whole. Not kept. `came`: ns. */
void router_ping_heard(
	struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet, uint64_t came);
void router_pings_poll(uint64_t now);

#endif
