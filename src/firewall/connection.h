/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state table: the connections of all firewalls, a shard for each worker, which nobody else
 * touches: no lock, no atomic write per packet. Both directions of a connection have one entry; it
 * is found by either of its two flows, which are each other's reverse unless one is translated.
 *
 * Memory
 *	A shard takes address space for all connections that it may ever hold, and memory for those
 *	that it has had at once: less than 192 bytes for one of IPv4, all told; 64 more for one of
 *	IPv6, or one that is translated. Its index (base/place_index.h) grows by moving a little
 *	with each connection that comes; nothing waits for it. Places that are given back are the
 *	first to be used again, and whole pages of free ones go back to the kernel in time.
 *
 * Cost
 *	A packet of a connection reads one line of the index and, of the connection, one line, or
 *	two if it is TCP; it writes those of the connection. Callers with a vector prefetch
 *	the former for all of it (connection_prefetch), then the latter
 *	(connection_prefetch_found), then look. connection_fast.h has the same inline.
 *
 * Ids
 *	A connection's id is its place and a generation; of one that is gone it is never again
 *	that of another, for as good as ever.
 *
 * Limits
 *	Counted before anything is taken: per network (weft_network.connections), per domain, and
 *	per source address where the domain says so. At the limit of the network, the domain or the
 *	shard a connection of the domain gives its place that is not established (TCP before its
 *	third segment, others that were never answered) or has ended (CONNECTION_ENDED): the one
 *	that has been so for longest. A flood of openings ends openings, never what is established.
 *	While there are more than a limit allows that was lowered, one goes and none comes.
 *	Limits of rules are the caller's to ask (rule_limit.h).
 *	Sources are counted in each shard by itself, from when the limit is set: of one whose
 *	connections are spread over several workers each worker lets that many begin.
 *
 * Time
 *	A timing wheel (timing_wheel.h) ends what is silent: a packet only notes the time, and an
 *	entry that comes up too early is put back. connections_expire() does a bounded amount of
 *	work at a time. A connection lives for its timeout at least, and up to 0.14 s more. Where a
 *	domain's timeouts get shorter, connections that wait already do so until they come up, or
 *	their state changes.
 *
 * Threads: everything here runs on the shard's worker, but for create and free, and for the
 * counts in a domain, which anybody reads.
 */
#ifndef WEFT_FIREWALL_CONNECTION_H
#define WEFT_FIREWALL_CONNECTION_H

#include "firewall/flow.h"
#include "firewall/rule_limit.h"
#include "firewall/tcp_track.h"
#include "graph/device.h"

#define CONNECTION_LIMIT_MOST (1u << 24)  /* of one shard */
#define CONNECTION_TIMEOUT_MOST 0x7fffffu /* seconds, of a connection's own: 97 days */

enum connection_timeout {
	TIMEOUT_TCP_OPENING,     /* until ESTABLISHED */
	TIMEOUT_TCP_ESTABLISHED, /* and half closed */
	TIMEOUT_TCP_CLOSING,     /* FINs of both, TIME_WAIT */
	TIMEOUT_TCP_RESET,
	TIMEOUT_UDP,       /* not answered yet */
	TIMEOUT_UDP_REPLY, /* answered */
	TIMEOUT_ICMP,
	TIMEOUT_OTHER,
	CONNECTION_TIMEOUTS
};

/* What the connections of one firewall have in common. Its owner changes it while workers read:
 * single words, relaxed. It lives as long as `count` is not 0. */
struct connection_domain {
	struct weft_network *network;
	uint32_t id;                                    /* flow.domain; not 0 */
	_Atomic uint32_t limit;                         /* of the domain's connections */
	_Atomic uint32_t source_limit;                  /* of one source's; 0: none */
	_Atomic uint32_t timeouts[CONNECTION_TIMEOUTS]; /* seconds */
	_Atomic uint32_t count;                         /* in all shards */
};

/* Sides: 0 is who began, and packets from it; 1 the other. */
struct connection {
	/* the line that every packet reads and writes */
	uint64_t packets[2], bytes[2];
	uint32_t ends[2]; /* connection_key.c's, as `ports` and `domain` */
	uint16_t ports[2];
	uint32_t domain;
	uint32_t seen;    /* tick of the last packet: connection_time.c's */
	uint32_t judged;  /* the caller's: under which version of the rules */
	uint32_t rule;    /* id of the one that accepted it; 0: the policy's default */
	uint8_t from, to; /* ports of the firewall, as its first packet crossed it */
	uint8_t protocol;
	uint8_t flags; /* CONNECTION_ */

	struct tcp_track tcp; /* TCP only */
	uint64_t began;       /* ns of the engine's clock */
	uint32_t place : 25;  /* in its shard */
	uint32_t family : 3;
	uint32_t phase : 4;  /* the TCP state that was acted upon: connection_time.c's */
	uint32_t generation; /* with `place` the id: connection_id() */
} __attribute__((aligned(128)));

#define CONNECTION_ANSWERED 0x1   /* there was a packet of side 1 */
#define CONNECTION_ENDED 0x2      /* nothing more comes of it but stragglers: TIME_WAIT, reset */
#define CONNECTION_TRANSLATED 0x4 /* side 1 does not send the reverse of what side 0 does */
#define CONNECTION_SPLICED 0x40   /* there is more of it: connection_splice.h */
#define CONNECTION_TOLD 0x80      /* flow_records.c's: it has been told of */
/* those between are the table's own */

struct connection_table;

enum connection_end {
	CONNECTION_EXPIRED,   /* silent for too long */
	CONNECTION_CLOSED,    /* silent after its end (CONNECTION_ENDED) */
	CONNECTION_REPLACED,  /* a new one of the same flow */
	CONNECTION_EVICTED,   /* gave its place to another */
	CONNECTION_REFUSED,   /* rules have changed */
	CONNECTION_KILLED,    /* somebody asked for it */
	CONNECTION_FORGOTTEN, /* its firewall is gone */
};

/* Told of each connection that ends, while it can still be read: for flow records. */
typedef void (*connection_ended)(void *context, struct connection_table *table,
	const struct connection *connection, enum connection_end why);

/* `limit`: of the shard, at most CONNECTION_LIMIT_MOST. `key`: of all flow_hash()es that are given
 * here. `ended` may be NULL. NULL: no memory. */
struct connection_table *connection_table_create(
	const struct hash_key *key, uint32_t limit, connection_ended ended, void *context);
/* Ends what is still there: CONNECTION_FORGOTTEN. */
void connection_table_free(struct connection_table *table);
/* Who gets charges back; before the first connection that has one. */
void connection_table_limits(struct connection_table *table, struct rule_limits *limits);

/* Brings the line of the index that connection_find() will read for the hash into the cache. */
void connection_prefetch(const struct connection_table *table, uint64_t hash);
/* When that has come: the connection that it leads to. */
void connection_prefetch_found(struct connection_table *table, uint64_t hash);
/* NULL: there is none. `side`: from which the packet is. */
struct connection *connection_find(
	struct connection_table *table, const struct flow *flow, uint64_t hash, unsigned *side);
/* By the id that it had; NULL: it is gone. */
struct connection *connection_by_id(struct connection_table *table, uint64_t id);

static inline uint64_t
connection_id(const struct connection *connection)
{
	return (uint64_t)connection->generation << 32 | connection->place;
}

struct connection_request {
	struct connection_domain *domain;
	struct flow flow, reply; /* as side 0 and side 1 send, of one family and protocol and of the
				  * domain's id; there is none of either yet */
	uint64_t flow_hash, reply_hash;
	uint32_t rule, judged;
	uint32_t timeout; /* seconds, in place of the domain's but for TCP_OPENING, _CLOSING and
			   * _RESET, at most CONNECTION_TIMEOUT_MOST of them; 0: the domain's */
	/* what its rule has let it have, until it ends or is CONNECTION_ENDED; stays the caller's
	 * if the connection is refused */
	struct rule_charge charge;
	uint8_t from, to;
};

enum connection_refusal {
	REFUSED_NETWORK_LIMIT,
	REFUSED_DOMAIN_LIMIT,
	REFUSED_SOURCE_LIMIT,
	REFUSED_TABLE_LIMIT,
	REFUSED_NO_MEMORY,
};

/* A new one, of which no packet has passed yet. NULL: `why`. */
struct connection *connection_add(struct connection_table *table,
	const struct connection_request *request, uint64_t now, enum connection_refusal *why);

/*
 * A packet of `bytes` bytes from `side`; `segment`: of TCP, else NULL. TCP_PASS: it is counted, and
 * the connection lives on from now. Otherwise nothing has changed; TCP_RESTART is the caller's
 * to do, by connection_end() and connection_add().
 */
enum tcp_verdict connection_pass(struct connection_table *table, struct connection *connection,
	unsigned side, const struct tcp_segment *segment, uint32_t bytes, uint64_t now);

/* Another rule's timeout, as connection_request has it, is the connection's from now on. */
void connection_set_timeout(
	struct connection_table *table, struct connection *connection, uint32_t seconds);

/* How side 0 or 1 sends. */
struct flow connection_flow(const struct connection *connection, unsigned side);
/* Whose it is. */
const struct connection_domain *connection_domain(
	const struct connection_table *table, const struct connection *connection);
/* ns of the engine's clock: when its last packet passed, or up to 0.07 s before. */
uint64_t connection_seen(const struct connection_table *table, const struct connection *connection);
/* ns of the engine's clock: when it will end if it stays silent. */
uint64_t connection_deadline(
	const struct connection_table *table, const struct connection *connection);

void connection_end(
	struct connection_table *table, struct connection *connection, enum connection_end why);

/* Ends what is over, at most `most` entries looked at; true: there is more to do. */
bool connections_expire(struct connection_table *table, uint64_t now, unsigned most);

/*
 * Every connection, `most` places at a time: start with *at = 0; false: that was the end. One that
 * comes or goes meanwhile may be missed, none is told twice. look() may end it.
 */
bool connections_walk(struct connection_table *table, uint32_t *at, unsigned most,
	void (*look)(void *context, struct connection_table *table, struct connection *connection),
	void *context);

/* Of one domain in this shard, since it has its id. */
struct connection_counts {
	uint64_t added, ended;
	uint64_t evicted; /* of those that ended: they gave their places to others */
	uint64_t refused; /* were not added, for whatever reason */
};

/* Adds them to *sum. Any thread. */
void connection_counts_add(
	const struct connection_table *table, uint32_t domain, struct connection_counts *sum);
/* One that was not even asked for: what its rule allows was used up. */
void connection_count_refused(struct connection_table *table, uint32_t domain);

struct connection_table_state {
	uint32_t connections;
	uint64_t added, ended, evicted, refused; /* ever */
	size_t bytes;                            /* of memory in use */
};

void connection_table_state(
	const struct connection_table *table, struct connection_table_state *state);

#endif
