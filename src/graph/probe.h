/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `weft test`: probes that enter at a vnic as if its user had sent them, from that user's
 * own MAC and address. What comes back towards the vnic is taken and not delivered: the user
 * sees nothing of it (one exception: answers to ARP and neighbour solicitation that were
 * asked for by both are both answered).
 *
 *	ping	an echo request; the reply is `reachable`
 *	tcp	a SYN; a SYN-ACK is `reachable` (and a RST is sent), a RST is `closed`
 *	udp	a datagram; an answer is `reachable`, an ICMP port unreachable is `closed`
 * Nothing, or another ICMP error, is `blocked`. Requests are repeated until the time is over.
 *
 * Threads: all calls, and punt_drain(), on one control thread (or under one lock).
 */
#ifndef WEFT_GRAPH_PROBE_H
#define WEFT_GRAPH_PROBE_H

#include "graph/punt.h"
#include "graph/vport.h"

#define PROBE_LIMIT 64 /* under way at a time */

enum probe_kind { PROBE_PING, PROBE_TCP, PROBE_UDP };

enum probe_result { PROBE_RUNNING, PROBE_REACHABLE, PROBE_CLOSED, PROBE_BLOCKED };

struct probe_request {
	struct weft_nic *from;
	enum probe_kind kind;
	uint8_t family;      /* 4 or 6 */
	uint8_t to[16];      /* network byte order */
	uint16_t port;       /* tcp, udp; host order */
	uint64_t timeout_ns; /* 0: one second */
};

struct probe;

/*
 * Sends the first packet. NULL: the vnic has no address of that family, no MAC that is
 * known, no way to the address, is attached nowhere; or too many probes are under way.
 */
struct probe *probe_start(
	struct weft *weft, const struct probe_request *request, struct weft_error *error);
/* Repeats and times out what is under way. Call it, after punt_drain, each 10 ms or so. */
void probe_poll(struct weft *weft, uint64_t now);
/* ns until probe_poll has something to do; UINT64_MAX: nothing is under way. */
uint64_t probe_next(struct weft *weft, uint64_t now);

enum probe_result probe_result(const struct probe *probe);
/* "reachable", "closed", "blocked"; NULL while it runs. */
const char *probe_result_name(enum probe_result result);
/* In words: "answer from 10.0.0.11 in 0.21 ms"; "no answer to ARP for 10.0.0.1 in 1 s". */
const char *probe_text(const struct probe *probe);
/* From the (last) request to its answer, in ns; 0: there was none. */
uint64_t probe_round_trip(const struct probe *probe);
/* Frees it, whether it is over or not. */
void probe_end(struct probe *probe);

/* ---- for the graph --------------------------------------------------------------------------- */

/*
 * Worker; vport->watch has WATCH_PROBE and the packet is to go out there. True: it was the
 * answer to a probe, and has been taken.
 */
bool probe_take(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet);
void probe_close_all(struct weft *weft);

#endif
