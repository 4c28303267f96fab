/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `weft explain`: a made-up packet through the live tables. It enters where a vnic is, as a
 * dry run (PACKET_DRY_RUN): nothing is sent, learned or counted. Its steps are those of a
 * trace.
 *
 * Threads: explain_packet on the thread that has the changes (it looks at the vnic's
 * configuration), explain_frame on any thread but a worker's. They run on worker 0, one after
 * the other, and return when that is done.
 */
#ifndef WEFT_GRAPH_EXPLAIN_H
#define WEFT_GRAPH_EXPLAIN_H

#include "graph/trace.h"

#define EXPLAIN_STEP_LIMIT 512

struct explanation {
	unsigned count;
	unsigned lost;     /* steps beyond the limit */
	char verdict[300]; /* "sent at red/lan:db", "dropped at …: no-destination, …" */
	struct trace_event steps[EXPLAIN_STEP_LIMIT];
};

/* Sends a whole frame in at the vport. NULL: error. The caller frees it. */
struct explanation *explain_frame(struct weft *weft, uint32_t vport, const void *frame,
	size_t length, struct weft_error *error);

enum explain_protocol { EXPLAIN_ICMP, EXPLAIN_TCP, EXPLAIN_UDP };

/* What the frame shall be; see explain_packet. */
struct explain_request {
	struct weft_nic *from;
	uint8_t family; /* of `to`; 0: none, see to_mac */
	uint8_t to[16]; /* address, network byte order */
	bool has_mac;
	uint8_t to_mac[6]; /* destination MAC, if it is to be that */
	enum explain_protocol protocol;
	uint16_t from_port, to_port;
	uint16_t vlan; /* 0: untagged */
};

/*
 * Makes the frame that the vnic's user would send: from the vnic's own MAC and address, to
 * the address; the destination MAC is that of whichever vnic of the network has the address,
 * or the gateway's, unless to_mac says it. Then as explain_frame.
 */
struct explanation *explain_packet(
	struct weft *weft, const struct explain_request *request, struct weft_error *error);

/*
 * Worker, of a packet that is explained: the MAC that would answer, as far as the configuration
 * tells, if the address were asked for on the port: of a vnic or a router's port of its network.
 * False: nobody is known to have it, or nothing is being explained.
 */
bool explain_station(struct worker *worker, const struct vport *vport, uint8_t family,
	const uint8_t *address, uint8_t mac[6]);

#endif
