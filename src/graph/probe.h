/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `weft test`: probes that enter at a vnic as if its user had sent them, from that user's
 * own MAC and address, untagged. What comes back towards the vnic is taken and not delivered.
 *
 *	ping	an echo request; the reply is `reachable`
 *	tcp	a SYN; a SYN-ACK is `reachable` (and a RST is sent), a RST is `closed`
 *	udp	a datagram; an answer is `reachable`, an ICMP port unreachable of the address
 *		itself is `closed`
 * An ICMP error otherwise, or nothing in time, is `blocked`. The next hop's MAC is asked for
 * first, by ARP or neighbour solicitation, each time anew. Requests are repeated each 200 ms
 * until the time is over; the time counts from probe_start.
 *
 * What is an answer
 *	It comes untagged to the vnic's MAC and address, is whole, its checksums right or left to
 *	be finished, and it is told from the user's own traffic by what the probe has sent: by
 *	random bytes in the echo, the sequence number of the SYN, a local port of 61,000 and up.
 *	An ICMP error is one if it quotes these. All else goes to the user as ever, what is
 *	malformed, too.
 *
 * What the user behind the vnic sees: nothing, but
 *	- answers to ARP and neighbour solicitation for the next hop, if the user asked for it
 *	  while the probe did: then both are answered. Beyond what the probe has asked for
 *	  (a second station with that address), they are the user's, too;
 *	- what the answering side asks the user itself, as who has the vnic's address;
 *	- answers that come after probe_end; those before it are taken though the probe is over;
 *	- of an answer in IP fragments all but the first.
 *
 * Threads: all calls, and punt_drain(), on one control thread (or under one lock), and kept
 * apart from weft_change_commit and _abort, as weft_tick. Between two calls a change may
 * take away the vnic or its port: the probe then ends as blocked, and its text says so.
 */
#ifndef WEFT_GRAPH_PROBE_H
#define WEFT_GRAPH_PROBE_H

#include "graph/punt.h"
#include "graph/vport.h"

#define PROBE_LIMIT 64 /* under way at a time; those that are over do not count */

enum probe_kind { PROBE_PING, PROBE_TCP, PROBE_UDP };

enum probe_result { PROBE_RUNNING, PROBE_REACHABLE, PROBE_CLOSED, PROBE_BLOCKED };

struct probe_request {
	struct weft_nic *from; /* committed; not kept */
	enum probe_kind kind;
	uint8_t family;      /* 4 or 6 */
	uint8_t to[16];      /* network byte order */
	uint16_t port;       /* tcp, udp; host order */
	uint64_t timeout_ns; /* 0: one second */
};

struct probe;

/*
 * Sends the first packet. NULL: `to` is not a single station's address, or is the vnic's own;
 * no port; the vnic has no address of that family, no MAC that is known, no way to the
 * address, is attached nowhere, or is an uplink; or too many probes are under way.
 */
struct probe *probe_start(
	struct weft *weft, const struct probe_request *request, struct weft_error *error);
/*
 * Repeats and times out what is under way; now: engine_now(). Call it, after punt_drain, each
 * 10 ms or so: an answer is noted with the time when it came, whenever it is drained.
 */
void probe_poll(struct weft *weft, uint64_t now);
/* ns until probe_poll has something to do; UINT64_MAX: nothing is under way. */
uint64_t probe_next(struct weft *weft, uint64_t now);

enum probe_result probe_result(const struct probe *probe);
/* "reachable", "closed", "blocked"; NULL while it runs. */
const char *probe_result_name(enum probe_result result);
/*
 * In words: "answer from 10.0.0.11 in 0.21 ms"; "no answer to ARP for 10.0.0.1 in 1 s"; while
 * it runs what it waits for. Never NULL; good until probe_poll, punt_drain or probe_end.
 */
const char *probe_text(const struct probe *probe);
/*
 * From the request to its answer, in ns; 0: there was none. Of a ping the very request that
 * was answered, else the last one. An ICMP error is no answer.
 */
uint64_t probe_round_trip(const struct probe *probe);
/* Frees it, whether it is over or not; NULL is fine. Waits for the workers' grace period. */
void probe_end(struct probe *probe);

/* ---- for the graph --------------------------------------------------------------------------- */

/*
 * Worker; vport->watch has WATCH_PROBE, a vnic is attached, and the packet is to go out
 * there. True: it was the answer to a probe, and has been taken (counted as sent out of the
 * vport, captured, traced as TRACE_TAKEN).
 */
bool probe_take(struct worker *worker, struct vport *vport, struct rte_mbuf *packet);
/* Worker; vport->watch has WATCH_PROBE, and the packet has come from the vnic: does its user
 * ask for a MAC that a probe asks for, too? */
void probe_overhear(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet);
/* Frees all probes; before the workers are closed. */
void probe_close_all(struct weft *weft);

#endif
