/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a TCP connection has beside its entry in the state table (connection.h) whose sides do not
 * number its bytes alike: somebody in between has answered for one of them, or has changed how much
 * it says. Taken for such connections only, which have CONNECTION_SPLICED, and given back with
 * them.
 *
 * Its numbers in the state table are those that side 0 sends and sees.
 *
 * Threads: the worker of the shard.
 */
#ifndef WEFT_FIREWALL_CONNECTION_SPLICE_H
#define WEFT_FIREWALL_CONNECTION_SPLICE_H

#include "base/place_pool.h"
#include "base/timing_wheel.h"
#include "firewall/connection.h"
#include "firewall/ftp.h"

/* What is added to a side's sequence numbers on their way to the other. */
struct splice_shift {
	uint32_t from;          /* sequence number, as it is sent, from which `after` holds */
	uint32_t before, after; /* modulo 2^32 */
};

#define SPLICE_PROXY 0x1   /* the SYN proxy has answered for side 1 (firewall_proxy.c) */
#define SPLICE_WAITING 0x2 /* ... which has not answered itself yet */
#define SPLICE_TIMES 0x4   /* side 0 has timestamps in use */
#define SPLICE_FTP 0x8     /* it announces others (firewall_helper.c) */
#define SPLICE_TFTP 0x10
#define SPLICE_CHILD 0x20     /* it was announced by another */
#define SPLICE_BACKWARDS 0x40 /* ... the side 0 of which is its side 1 */

struct connection_splice {
	uint32_t place;               /* of its connection */
	uint32_t opening;             /* place of its splice_opening + 1; 0: none */
	uint32_t first[2];            /* initial sequence numbers, as side 0 knows them */
	struct splice_shift shift[2]; /* of what each side sends */
	uint32_t time_shift;          /* added to TSval of side 1 */
	uint32_t times[2];            /* of each side, as side 0 last knew them at its beginning */
	uint16_t window;              /* of side 0, likewise, as in the header */
	uint8_t flags;                /* SPLICE_ */
	uint8_t told_scale;           /* to side 0, of side 1's windows; 0xff: none */
	/* By which a side scales its windows, and by which the other takes them to be: RFC 7323,
	 * 2.2. */
	uint8_t scale[2], seen_scale[2];
	union {
		uint32_t helper;          /* SPLICE_FTP: place of its splice_helper + 1 */
		uint16_t parent_ports[2]; /* SPLICE_CHILD: of side 0 of its parent, of whom that
					     asks */
	};
};

/* The last address that was replaced in what a side says: it may come again. */
struct splice_replaced {
	uint32_t sequence;      /* of its first byte, as it was sent */
	uint16_t before, after; /* bytes; before 0: there is none */
	char text[FTP_TEXT];
};

/* What is read of a control connection: SPLICE_FTP. */
struct splice_helper {
	uint32_t next[2]; /* sequence numbers, as they are sent, of what is to be read next */
	bool synchronized[2];
	uint8_t asked;        /* enum ftp_kind: for what the server has been asked */
	uint8_t family;       /* of `expected`; 0: nothing is */
	struct flow expected; /* what was announced last */
	struct ftp_line lines[2];
	struct splice_replaced replaced[2];
	uint8_t reserved[56];
};

#define SPLICE_FRAME 132 /* MACs, as many tags as are read, IPv6, TCP with the options of a SYN */

/* While SPLICE_WAITING: the SYN that side 1 is to answer, as side 0 would have sent it. */
struct splice_opening {
	struct timing_wheel_link timer;
	uint32_t splice;          /* place */
	uint32_t ingress, egress; /* ids of vports; egress 0: it has no guard */
	uint16_t length;
	uint8_t tries; /* how often it was sent */
	uint8_t way;   /* the firewall's: how it goes through */
	uint8_t frame[SPLICE_FRAME];
};

_Static_assert(sizeof(struct connection_splice) == 64, "whole pages for a chunk");
_Static_assert(sizeof(struct splice_opening) == 160, "whole pages for a chunk");
_Static_assert(sizeof(struct splice_helper) == 512, "whole pages for a chunk");

/* Of a shard; its memory is address space. */
struct connection_splices {
	uint32_t *by_place; /* of the connection: place of the splice + 1 */
	size_t places;
	struct place_pool pool, opening_pool, helper_pool;
	struct connection_splice *list;
	struct splice_opening *openings;
	struct splice_helper *helpers;
	struct timing_wheel wheel;
};

/* For connections of places below `places`, `limit` of them at once. 0, or -1: no address space. */
int connection_splices_open(struct connection_splices *splices, size_t places, uint32_t limit);
void connection_splices_close(struct connection_splices *splices, uint32_t limit);

/* The connection has none yet; all zero but for `place`. There is one for each. */
struct connection_splice *connection_splice_add(
	struct connection_table *table, struct connection *connection);
/* It has one. */
struct connection_splice *connection_splice_of(
	struct connection_table *table, const struct connection *connection);
/* Gives back what the connection has. */
void connection_splice_release(struct connection_table *table, struct connection *connection);

/* It is a control connection from now on. */
struct splice_helper *connection_splice_help(
	struct connection_table *table, struct connection_splice *splice);
/* SPLICE_FTP. */
struct splice_helper *connection_splice_helper(
	struct connection_table *table, const struct connection_splice *splice);

/* Side 1 is to be asked, and asked again at `due` (ns of the engine's clock); the caller fills the
 * rest in. */
struct splice_opening *connection_splice_wait(
	struct connection_table *table, struct connection_splice *splice, uint64_t due);
/* NULL: it does not wait. */
struct splice_opening *connection_splice_opening(
	struct connection_table *table, const struct connection_splice *splice);
/* It waits no more. */
void connection_splice_done(struct connection_table *table, struct connection_splice *splice);

/* The connection, with its splice, of the next opening that is due; it is asked for again at what
 * connection_splice_again() says, or is to be done or ended. NULL: none. */
struct connection *connection_splice_due(
	struct connection_table *table, uint64_t now, unsigned *budget);
void connection_splice_again(
	struct connection_table *table, const struct connection_splice *splice, uint64_t due);
bool connection_splices_wait(const struct connection_table *table);

/* A chunk that is empty goes back to the kernel. */
void connection_splices_reclaim(struct connection_splices *splices);
size_t connection_splices_bytes(const struct connection_splices *splices);

/* ---- sequence numbers -------------------------------------------------------------------------
 */

/* What is added to a sequence number that the side sends. */
static inline uint32_t
splice_shift_of(const struct splice_shift *shift, uint32_t sequence)
{
	return (int32_t)(sequence - shift->from) < 0 ? shift->before : shift->after;
}

/* A number that the other side names, as it was sent. One within what was replaced is of what is
 * before it: nobody is told of more than has come. */
static inline uint32_t
splice_named(const struct splice_shift *shift, uint32_t sequence)
{
	uint32_t before = sequence - shift->before;

	if ((int32_t)(sequence - shift->after - shift->from) >= 0)
		return sequence - shift->after;
	return (int32_t)(before - shift->from) > 0 ? shift->from : before;
}

#endif
