/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each packet does with the state table, inline: for the firewall's node, where calls would
 * be a good part of the cost. connection.h tells the contract; its functions of these names
 * without `fast` do the same.
 */
#ifndef WEFT_FIREWALL_CONNECTION_FAST_H
#define WEFT_FIREWALL_CONNECTION_FAST_H

#include "firewall/connection_private.h"

/* Where connection_fast_candidate() will look for the hash, on its way into the cache; as long as
 * no connection comes or goes. */
static inline const struct place_bucket *
connection_fast_prefetch(const struct connection_table *table, uint64_t hash)
{
	const struct place_bucket *bucket = place_index_bucket(&table->index, hash);

	__builtin_prefetch(bucket);
	return bucket;
}

/* The connection that the hash most likely leads to, on its way into the cache; NULL: that is still
 * to be found out. For connection_fast_find(). */
static inline struct connection *
connection_fast_candidate(
	struct connection_table *table, const struct place_bucket *bucket, uint64_t hash, bool tcp)
{
	uint32_t number = place_bucket_guess(bucket, hash);
	struct connection *connection = &table->connections[number / 2];

	if (unlikely(number == PLACE_NONE))
		return NULL;
	__builtin_prefetch(connection, 1);
	if (tcp)
		__builtin_prefetch(&connection->tcp, 1);
	if (number / 2 >= table->wide_base)
		__builtin_prefetch(&table->wide[number / 2 - table->wide_base]);
	return connection;
}

/* `candidate`: what connection_fast_candidate() has said for the hash, at whatever time: one that
 * has ended since is of no flow. */
static inline struct connection *
connection_fast_find(struct connection_table *table, struct connection *candidate,
	const struct flow *flow, uint64_t hash, unsigned *side)
{
	if (likely(candidate != NULL && connection_key_is(table, candidate, flow, side)))
		return candidate;
	return connection_find(table, flow, hash, side);
}

static inline enum tcp_verdict
connection_fast_pass(struct connection_table *table, struct connection *connection, unsigned side,
	const struct tcp_segment *segment, uint32_t bytes, uint64_t now)
{
	bool settle = false;

	if (segment != NULL) {
		enum tcp_verdict verdict = tcp_track(&connection->tcp, side, segment);

		if (unlikely(verdict != TCP_PASS))
			return verdict;
		settle = connection->tcp.state != connection->phase;
	}
	connection->packets[side]++;
	connection->bytes[side] += bytes;
	connection->seen = (uint32_t)connection_tick(now);
	if (unlikely(side == 1 && !(connection->flags & CONNECTION_ANSWERED))) {
		connection->flags |= CONNECTION_ANSWERED;
		settle = true;
	}
	if (unlikely(settle))
		connection_settle(table, connection);
	return TCP_PASS;
}

#endif
