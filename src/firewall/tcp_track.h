/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP connection as somebody on the path sees it: its state as one table, and the windows that
 * tell which segments can be of it (RFC 9293; window scale by RFC 7323; blind resets, SYNs and
 * acknowledgments by RFC 5961, as far as a middle box can tell; Rooij, "Real stateful TCP packet
 * filtering", 2001). No I/O, no clock, no allocation: a segment goes in, a verdict comes out.
 *
 * One belongs to one thread.
 */
#ifndef WEFT_FIREWALL_TCP_TRACK_H
#define WEFT_FIREWALL_TCP_TRACK_H

#include <stdbool.h>
#include <stdint.h>

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
		      * over (TIME_WAIT with a higher sequence number, RESET, or a half-open
		      * one of which the peer restarted): forget this one */
	TCP_CANNOT_BEGIN,  /* TCP_STATE_NONE: no SYN */
	TCP_OUT_OF_WINDOW, /* data or acknowledgment that cannot be of the connection */
	TCP_BAD_RESET,     /* a reset that its receiver would not take (RFC 5961, 3.2) */
	TCP_BAD_SYN,       /* a SYN inside a connection: goes on only so that its receiver can
			    * challenge it (RFC 5961, 4.2); changes nothing here */
};

/* Of one direction; 20 bytes. */
struct tcp_side {
	uint32_t end;    /* highest sequence number plus length sent */
	uint32_t limit;  /* highest that the other side has room for */
	uint32_t window; /* largest window it has advertised, scaled */
	uint32_t acked;  /* highest of the other side's numbers that it has acknowledged */
	uint8_t scale;   /* of its windows; 0 until both have offered it */
	uint8_t flags;   /* TCP_SIDE_ */
	uint16_t reserved;
};

struct tcp_track {
	struct tcp_side sides[2]; /* of who began, of the other */
	uint8_t state;            /* enum tcp_state */
	uint8_t reserved[3];
};

/* What of a segment matters. */
struct tcp_segment {
	uint32_t sequence, acknowledgment; /* host order */
	uint32_t length;                   /* bytes of data; of a super-packet all of them */
	uint16_t window;                   /* as in the header */
	uint8_t flags;                     /* RTE_TCP_ bits */
	bool has_scale;                    /* a SYN with the option */
	uint8_t scale;                     /* at most 14 (RFC 7323, 2.3) */
};

/* `side`: 0: from who began. A verdict other than TCP_PASS has changed nothing. */
enum tcp_verdict tcp_track(
	struct tcp_track *track, unsigned side, const struct tcp_segment *segment);

/* "established": for people. */
const char *tcp_state_name(uint8_t state);

/* Reads the options of a SYN. `header` has at least `length` bytes, the data offset's; malformed
 * options end the reading. */
void tcp_segment_options(struct tcp_segment *segment, const uint8_t *header, unsigned length);

#endif
