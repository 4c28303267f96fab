/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP connection as somebody on the path sees it: its state as one table, and the windows that
 * tell which segments can be of it (RFC 9293; window scale by RFC 7323; blind resets, SYNs and
 * acknowledgments by RFC 5961, as far as a middle box can tell; Rooij, "Real stateful TCP packet
 * filtering", 2001). No I/O, no clock, no allocation: a segment goes in, a verdict comes out.
 *
 * One belongs to one thread.
 *
 * Windows
 *	Who stands between sees every segment before its receiver does, and so knows the ends'
 *	variables as ranges. With W the largest window that the receiver has advertised (at least
 *	65,535), of a segment that ends at `end`:
 *
 *	end <= limit + 1	the receiver has room for it; one more is a zero-window probe, or a
 *				FIN behind a full window (RFC 9293, 3.8.6.1)
 *	end >= sent - 2W	SND.UNA is no more than W behind SND.NXT, so a sender's own words
 *				are within one W; the other is for what the network delayed
 *	ack <= sent by other	RFC 9293, 3.10.7.4
 *	ack >= that - 2W	RFC 5961, 5.2: a receiver takes what is no older than
 *				SND.UNA - MAX.SND.WND, and SND.UNA itself may be W behind
 *
 *	What passes can raise these marks, never so far that the true segments would fall out.
 *	Of segments with random numbers a share of at most (3W + 2)(2W + 1) / 2^64 passes; W is
 *	what either advertised.
 *
 * Resets
 *	A receiver takes a reset that is exactly at RCV.NXT, challenges one in its window, and
 *	drops the rest (RFC 5961, 3.2). RCV.NXT is not known here, but that it lies between what the
 *	receiver has acknowledged and what the sender has sent. At either end of that the reset
 *	ends the connection (TCP_STATE_RESET); a true one is nearly always there. Between them it
 *	goes on to its receiver and changes nothing here: if it is taken, what the peer sends next
 *	is answered with a reset at the exact place, and if nothing comes, the timeout or the next
 *	SYN ends it. Outside of it no receiver would take it, and it is refused: a blind one passes
 *	only for as many numbers as are under way. As long as it may not have seen the other's SYN
 *	a side takes what acknowledges its own (RFC 9293, 3.10.7.3).
 *
 *	In TCP_STATE_RESET segments are judged as before: those under way go on, and challenges of
 *	a receiver that did not take it.
 *
 * SYNs inside a connection
 *	They go on (TCP_BAD_SYN): a peer that still has the connection answers with a challenge,
 *	upon which who has crashed resets it, and its next SYN begins another. A peer that has lost
 *	the connection, too, answers with a SYN-ACK or a reset that acknowledges the SYN: the last
 *	SYN is remembered, and then believed. To begin anew in this way is for side 0 only, which
 *	the rules have allowed to begin. Nobody off the path can say both: it is on the caller
 *	to see that a segment of a side came in by that side's port.
 *
 * A SYN from side 1 in place of an answer is a simultaneous open (RFC 9293, 3.5).
 */
#ifndef WEFT_FIREWALL_TCP_TRACK_H
#define WEFT_FIREWALL_TCP_TRACK_H

#include "firewall/fields.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_tcp.h>

#define TCP_HEADER_LEAST 20u

enum tcp_state {
	TCP_STATE_NONE,         /* nothing has been seen */
	TCP_STATE_SYN_SENT,     /* SYN of the first */
	TCP_STATE_SIMULTANEOUS, /* a SYN of each, none acknowledged (RFC 9293, 3.5, figure 7) */
	TCP_STATE_SYN_RECEIVED, /* SYN, SYN-ACK */
	TCP_STATE_ESTABLISHED,
	TCP_STATE_FIN_WAIT,   /* FIN of one side */
	TCP_STATE_CLOSE_WAIT, /* that is acknowledged */
	TCP_STATE_CLOSING,    /* FINs of both, at most one acknowledged */
	TCP_STATE_TIME_WAIT,  /* FINs of both, acknowledged */
	TCP_STATE_RESET,      /* a reset ended it */
	TCP_STATE_COUNT
};

enum tcp_verdict {
	TCP_PASS,
	TCP_RESTART, /* a SYN that begins another connection of the same ports where this one is
		      * over (TIME_WAIT with a higher sequence number, RESET): forget this one */
	TCP_CANNOT_BEGIN,  /* TCP_STATE_NONE: no SYN */
	TCP_OUT_OF_WINDOW, /* data or acknowledgment that cannot be of the connection */
	TCP_BAD_RESET,     /* a reset that its receiver would not take (RFC 5961, 3.2) */
	TCP_BAD_SYN,       /* a SYN inside a connection: goes on only so that its receiver can
			    * challenge it (RFC 5961, 4.2); changes nothing here */
};

#define TCP_SIDE_SCALE 0x01     /* has offered to scale windows; they are if both have */
#define TCP_SIDE_ACKED 0x02     /* has acknowledged the other's SYN */
#define TCP_SIDE_FIN 0x04       /* has sent a FIN */
#define TCP_SIDE_SYN_AGAIN 0x08 /* tcp_track.syn is a SYN of it, seen inside the connection */
#define TCP_SIDE_CHALLENGE 0x10 /* SYN_SENT: `end` is what it acknowledged without a SYN */

/* Of one direction; 20 bytes. */
struct tcp_side {
	uint32_t end;    /* highest sequence number plus length sent */
	uint32_t limit;  /* highest that the other side has room for */
	uint32_t window; /* largest window it has advertised, scaled */
	/* highest of the other side's numbers that it has acknowledged; the other's initial
	 * sequence number until both SYNs are acknowledged */
	uint32_t acked;
	uint8_t scale; /* as it has offered */
	uint8_t flags; /* TCP_SIDE_ */
	uint16_t isn;  /* the lower half of its initial sequence number */
};

/* 48 bytes. All zero: nothing has been seen. */
struct tcp_track {
	struct tcp_side sides[2]; /* of who began, of the other */
	uint32_t syn;             /* the SYN seen inside the connection: TCP_SIDE_SYN_AGAIN */
	uint16_t syn_window;
	uint8_t syn_scale; /* 0xff: not offered */
	uint8_t state;     /* enum tcp_state */
};

/* What of a segment matters. */
struct tcp_segment {
	uint32_t sequence, acknowledgment; /* host order */
	uint32_t length;                   /* bytes of data; of a super-packet all of them */
	uint16_t window;                   /* as in the header */
	uint8_t flags;                     /* RTE_TCP_ bits */
	bool has_scale;                    /* a SYN with the option */
	uint8_t scale;                     /* at most 14 (RFC 7323, 2.3) */
	bool has_sack;                     /* a SYN with SACK permitted (RFC 2018) */
	uint16_t mss;                      /* of a SYN; 0: none said */
};

/* The rest of tcp_segment_read(), of a SYN. */
bool tcp_segment_read_options(
	struct tcp_segment *segment, const struct rte_mbuf *packet, const struct fields *fields);

/* Of a sound TCP packet (fields_read() said so) that is no fragment; lengths are those of the IP
 * header: padding is no data. False: it is something else. */
static inline bool
tcp_segment_read(
	struct tcp_segment *segment, const struct rte_mbuf *packet, const struct fields *fields)
{
	uint8_t copy[TCP_HEADER_LEAST];
	uint32_t numbers[2];
	const uint8_t *header;
	unsigned length;

	if (fields->protocol != IPPROTO_TCP || fields->l4 == PACKET_OFFSET_NONE || fields->fragment)
		return false;
	header = rte_pktmbuf_read(packet, fields->l4, sizeof(copy), copy);
	if (unlikely(header == NULL))
		return false;
	length = (header[12] >> 4) * 4u;
	if (unlikely(length < sizeof(copy) || length > fields->l4_length))
		return false;
	memcpy(numbers, header + 4, sizeof(numbers));
	*segment = (struct tcp_segment){
		.sequence = rte_be_to_cpu_32(numbers[0]),
		.acknowledgment = rte_be_to_cpu_32(numbers[1]),
		.length = fields->l4_length - length,
		.window = parse_u16(header + 14),
		.flags = header[13],
	};
	return likely(!(segment->flags & RTE_TCP_SYN_FLAG)) ||
	       tcp_segment_read_options(segment, packet, fields);
}

/* `side`: 0: from who began. A verdict other than TCP_PASS has changed nothing, but for what
 * TCP_BAD_SYN remembers. */
enum tcp_verdict tcp_track(
	struct tcp_track *track, unsigned side, const struct tcp_segment *segment);

/* Whether it may be the first of a connection. */
static inline bool
tcp_segment_begins(const struct tcp_segment *segment)
{
	const uint8_t which =
		RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_FIN_FLAG;

	return (segment->flags & which) == RTE_TCP_SYN_FLAG;
}

/* "established": for people. */
const char *tcp_state_name(uint8_t state);

/* Reads the options of a SYN: has_scale, scale, has_sack, mss. `header` has at least `length`
 * bytes, the data offset's; malformed options end the reading. */
void tcp_segment_options(struct tcp_segment *segment, const uint8_t *header, unsigned length);

/* The timestamps of a segment that was read: TSval and TSecr, host order (RFC 7323, 3.2). False: it
 * has none. */
bool tcp_segment_times(const struct tcp_segment *segment, const struct rte_mbuf *packet,
	const struct fields *fields, uint32_t times[2]);

#endif
