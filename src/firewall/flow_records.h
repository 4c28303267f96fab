/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of connections and of packets that rules refuse, for whoever exports them: made by
 * workers, of the networks that ask for them (weft_network_config.flow_interval_s).
 *
 * Which
 *	FLOW_ENDED when a connection has ended: TCP that both sides have closed or one has reset as
 *	soon as flow_records_walk() comes by, others when they are taken away. FLOW_UPDATED of one
 *	that lives on, when it has not been told of for the interval and packets have passed since.
 *	What comes after its end (stragglers) is told of when it is taken away.
 *	FLOW_DENIED of a packet that a rule, or the firewall's default, has dropped or rejected: of
 *	one firewall at most FLOW_DENIED_RATE a second. Rules' counters tell of all.
 *
 * Counts are of what has passed since the record before of the same connection, `began` is when
 * that was made.
 *
 * Cost
 *	Each worker has a ring; where it is full a record is lost and counted (those of FLOW_UPDATED
 *	are put off instead). No packet of a known connection does anything for records. What has
 *	been told of a connection that lives for longer than an interval takes 48 bytes, beside
 *	it; nothing where there are no such.
 *
 * Threads: flow_records_take() and _walk() by one thread, whichever, between the engine's opening
 * and its closing; they take no lock and are in nobody's way.
 */
#ifndef WEFT_FIREWALL_FLOW_RECORDS_H
#define WEFT_FIREWALL_FLOW_RECORDS_H

#include "firewall/connection.h"

#define FLOW_DENIED_RATE 1000 /* a second */
#define FLOW_DENIED_BURST 100

enum flow_event { FLOW_UPDATED, FLOW_ENDED, FLOW_DENIED };

struct flow_record {
	uint32_t network, device, rule; /* ids; rule 0: the firewall's default */
	uint8_t event;                  /* enum flow_event */
	uint8_t why;                    /* enum connection_end, of FLOW_ENDED */
	uint8_t from, to;               /* as in a connection */
	uint16_t icmp;                  /* of ICMP: type << 8 | code of the first packet */
	bool translated;
	uint64_t id;                   /* of the connection, and of no other one; 0: of none */
	uint64_t began, seen;          /* ns of the engine's clock: its first and last packet */
	uint64_t packets[2], bytes[2]; /* by side; bytes of frames */
	struct flow flow, reply;       /* as side 0 and side 1 send */
};

/* Records in the order in which each worker has made them, at most `most`; returns how many. */
unsigned flow_records_take(struct weft *weft, unsigned most,
	void (*take)(void *context, const struct flow_record *record), void *context);

/* Where a walk is; begins as zero. */
struct flow_walk {
	unsigned worker;
	uint32_t at;
};

/* Looks at some hundred connections: which are to be told of. False: that was the end of a walk,
 * and the next begins. */
bool flow_records_walk(struct weft *weft, struct flow_walk *walk);

#endif
