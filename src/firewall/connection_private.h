/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the state table share: how a shard lies in memory, and what each file does
 * for the others. Nobody else includes it.
 */
#ifndef WEFT_FIREWALL_CONNECTION_PRIVATE_H
#define WEFT_FIREWALL_CONNECTION_PRIVATE_H

#include "base/place_index.h"
#include "base/place_pool.h"
#include "base/timing_wheel.h"
#include "firewall/connection.h"
#include "firewall/connection_splice.h"

#include "graph/id.h"

#include <stddef.h>

/* connection.flags, beside the public ones */
#define CONNECTION_WIDE 0x8   /* its addresses are in a connection_wide, its place says where */
#define CONNECTION_SIX 0x10   /* of IPv6 */
#define CONNECTION_SPARE 0x20 /* in its domain's list of those that may give their place */

#define CONNECTION_PAGE 4096

/* What no packet touches; at the connection's place in an array of its own. */
struct connection_cold {
	struct timing_wheel_link timer;
	uint32_t charge; /* rule_charge.of */
	/* in the list of CONNECTION_SPARE ones: place + 1, 0: none */
	uint64_t older : 26, newer : 26;
	uint64_t charge_is_source : 1;
	uint64_t domain : 16;  /* place of its connection_domain_here */
	uint64_t source : 25;  /* place of its connection_source + 1; 0: it is not counted */
	uint64_t timeout : 23; /* connection_request.timeout */
};

/* Addresses that are too long, or too many, for the connection itself: by side. At its place, less
 * wide_base. */
struct connection_wide {
	uint8_t from_ip[2][16], to_ip[2][16];
};

/* A domain that has connections in this shard. */
struct connection_domain_here {
	struct connection_domain *domain;
	uint32_t id, count;
	uint32_t oldest, newest; /* of its CONNECTION_SPARE ones: place + 1, 0: none */
	uint32_t reserved[2];
};

/* A source that has connections in this shard, in a domain that counts them. */
struct connection_source {
	uint8_t ip[16];
	uint32_t domain, family, count, reserved;
};

/* What happened to a domain's; at the index of its id. Only the worker writes. */
struct connection_tally {
	_Atomic uint32_t id; /* 0: nobody's */
	_Atomic uint64_t added, ended, evicted, refused;
};

_Static_assert(sizeof(struct connection) == 128 && offsetof(struct connection, tcp) == 64, "lines");
_Static_assert(sizeof(struct connection_cold) == 32, "two a line");
_Static_assert(sizeof(struct connection_wide) == 64, "one line");
_Static_assert(sizeof(struct connection_domain_here) == 32, "two a line");
_Static_assert(sizeof(struct connection_source) == 32, "two a line");

#define CONNECTION_DOMAINS_LIMIT 65536 /* with connections in one shard */

/* Its memory is address space; connections, cold, wide lie in whole pages for each chunk of places,
 * so that those of a chunk can go back to the kernel. */
struct connection_table {
	struct hash_key key;
	uint32_t limit;
	connection_ended ended;
	void *context;

	struct place_index index; /* to place * 2 + side; one for both sides if not translated */
	struct place_pool plain_pool, wide_pool;
	uint32_t wide_base; /* those with CONNECTION_WIDE have the places from here on */
	struct connection_cold *cold;
	struct connection_wide *wide;
	struct timing_wheel wheel;
	uint32_t generation; /* highest in memory that went back */
	uint64_t reclaimed;  /* ns: when memory last went back */

	struct place_pool domain_pool;
	struct place_index domain_index;
	struct connection_domain_here *domains;
	struct place_pool source_pool;
	struct place_index source_index;
	struct connection_source *sources;
	struct connection_splices splices;

	struct connection_tally *tallies;
	struct rule_limits *limits; /* to whom charges are given back */
	uint64_t added, ended_ever, evicted, refused;

	struct connection connections[] __attribute__((aligned(CONNECTION_PAGE)));
};

/* Which shard it is in. */
static inline struct connection_table *
connection_table_of(const struct connection *connection)
{
	const struct connection *first = connection - connection->place;

	return (struct connection_table *)((uintptr_t)first -
					   offsetof(struct connection_table, connections));
}

static inline struct connection_cold *
connection_cold_of(const struct connection_table *table, const struct connection *connection)
{
	return &table->cold[connection->place];
}

static inline void
connection_timeout_put(struct connection_cold *cold, uint32_t seconds)
{
	if (seconds > CONNECTION_TIMEOUT_MOST)
		seconds = CONNECTION_TIMEOUT_MOST;
	cold->timeout = seconds & CONNECTION_TIMEOUT_MOST;
}

/* ---- connection_key.c ---------------------------------------------------------------------------
 */

/* CONNECTION_SIX, CONNECTION_TRANSLATED, CONNECTION_WIDE: what its flows make of a connection. */
uint8_t connection_key_flags(const struct connection_request *request);
/* Its flags say where it is. */
void connection_key_set(struct connection_table *table, struct connection *connection,
	const struct connection_request *request);
/* For those with CONNECTION_WIDE. */
bool connection_key_is_wide(const struct connection_table *table,
	const struct connection *connection, const struct flow *flow, unsigned *side);

_Static_assert(
	offsetof(struct connection, domain) == offsetof(struct connection, ports) + 4 &&
		offsetof(struct connection, flags) == offsetof(struct connection, protocol) + 1,
	"connection_key_is()");

static inline bool
connection_key_is(const struct connection_table *table, const struct connection *connection,
	const struct flow *flow, unsigned *side)
{
	uint64_t ends, rest, own_ends = flow_ends(flow), own_rest = flow_rest(flow);
	uint16_t kind;
	bool forth;

	memcpy(&kind, &connection->protocol, sizeof(kind));
	memcpy(&ends, connection->ends, sizeof(ends));
	memcpy(&rest, connection->ports, sizeof(rest));
	if (unlikely(kind & CONNECTION_WIDE << 8))
		return connection_key_is_wide(table, connection, flow, side);
	/* without a branch by the side, which nobody can foretell */
	forth = ((ends ^ own_ends) | (rest ^ own_rest)) == 0;
	*side = !forth;
	return (forth | (((ends ^ flow_ends_turned(own_ends)) |
				 (rest ^ flow_rest_turned(own_rest))) == 0)) &&
	       (uint8_t)kind == flow->protocol && flow->family == 4;
}

static inline bool
connection_is_taken(const struct connection_table *table, uint32_t place)
{
	return place < table->wide_base
		       ? place_pool_is_taken(&table->plain_pool, place)
		       : place_pool_is_taken(&table->wide_pool, place - table->wide_base);
}

/* How many there are. */
static inline uint32_t
connection_count(const struct connection_table *table)
{
	return table->plain_pool.taken + table->wide_pool.taken;
}

/* ---- connection_limit.c: who may have how many --------------------------------------------------
 */

int connection_limits_open(struct connection_table *table);
void connection_limits_close(struct connection_table *table);
/* Counts one for the request, in place of another if need be. False: `why`. */
bool connection_admit(struct connection_table *table, const struct connection_request *request,
	enum connection_refusal *why);
/* Enters the connection that was admitted. False, with nothing counted any more: no memory. */
bool connection_enter(struct connection_table *table, struct connection *connection,
	const struct connection_request *request);
/* It counts for its rule's limit no more. */
void connection_uncharge(struct connection_table *table, const struct connection *connection);
/* Of one that goes; the domain may be gone after. */
void connection_leave(struct connection_table *table, struct connection *connection);
/* Whether it may give its place to another from now on. */
void connection_set_spare(
	struct connection_table *table, struct connection *connection, bool spare);

/* The tally of the domain; that of another, which had the index before, ends with it. */
struct connection_tally *connection_tally_begin(struct connection_tally *tally, uint32_t id);

static inline struct connection_tally *
connection_tally_of(const struct connection_table *table, uint32_t id)
{
	struct connection_tally *tally = &table->tallies[id_index(id)];

	return likely(atomic_load_explicit(&tally->id, memory_order_relaxed) == id)
		       ? tally
		       : connection_tally_begin(tally, id);
}

/* Without a locked instruction. */
static inline void
connection_tally_raise(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
		memory_order_relaxed);
}

static inline struct connection_domain *
connection_domain_of(const struct connection_table *table, const struct connection *connection)
{
	return table->domains[connection_cold_of(table, connection)->domain].domain;
}

/* ---- connection_time.c --------------------------------------------------------------------------
 */

#define CONNECTION_TICK_SHIFT 26 /* ticks of 67 ms */

static inline uint64_t
connection_tick(uint64_t now)
{
	return now >> CONNECTION_TICK_SHIFT;
}

/* Its time begins to run. */
void connection_time_begin(
	struct connection_table *table, struct connection *connection, uint64_t now);
/* Its TCP state is another, or it has been answered: another timeout may hold, and whether it may
 * give its place. */
void connection_settle(struct connection_table *table, struct connection *connection);

#endif
