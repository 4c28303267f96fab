/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `weft capture`: packets at vports, in and out, as a pcapng stream: one interface per vport
 * with its name, direction flags, nanosecond timestamps. A packet that is dropped at a
 * captured vport comes once more, as it was then, with the reason as a comment.
 *
 * Workers copy packets into a ring each, made when the capture is opened; a full ring loses
 * packets, counted, and never holds up a worker. Super-packets are captured whole, with
 * their checksums as unfinished as they are.
 *
 * Threads: any thread but a worker's may open a capture, several at once; what is opened belongs
 * to one thread at a time, which reads and closes it.
 */
#ifndef WEFT_GRAPH_CAPTURE_H
#define WEFT_GRAPH_CAPTURE_H

#include "graph/filter.h"
#include "graph/vport.h"

#define CAPTURE_LIMIT 8 /* open at a time */
#define CAPTURE_VPORT_LIMIT 1024

struct capture;

struct capture_options {
	const uint32_t *vports; /* ids */
	unsigned n_vports;
	struct filter filter;
	uint32_t snaplen; /* bytes kept of each packet; 0: all */
	uint64_t count;   /* packets; 0: no end */
};

struct capture *capture_open(
	struct weft *weft, const struct capture_options *options, struct weft_error *error);
/*
 * The next bytes of the stream: whole pcapng blocks, the section header and the interfaces
 * first. `size` must be at least CAPTURE_READ_SIZE. 0: nothing at the moment.
 */
#define CAPTURE_READ_SIZE (128 * 1024)
size_t capture_read(struct capture *capture, void *bytes, size_t size);
/* `count` packets have been read. */
bool capture_done(const struct capture *capture);
/* Packets that were not captured for want of room. */
uint64_t capture_lost(const struct capture *capture);
void capture_close(struct capture *capture);

/* ---- for the graph --------------------------------------------------------------------------- */

enum capture_direction { CAPTURE_UNKNOWN, CAPTURE_IN, CAPTURE_OUT }; /* as in epb_flags */

/* Worker; vport->watch has WATCH_CAPTURE. reason: DROP_REASON_COUNT when it was not dropped. */
void capture_packet(struct worker *worker, const struct vport *vport, const struct rte_mbuf *packet,
	enum capture_direction direction, enum drop_reason reason);

#endif
