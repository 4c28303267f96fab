/* SPDX-License-Identifier: BSD-3-Clause */
/* When a connection ends: by what its state allows, and the wheel. */
#include "base/reserve.h"
#include "firewall/connection_private.h"

#include <netinet/in.h>

#define TICKS_MOST (1u << 31)         /* a timeout: four years */
#define RECLAIM_INTERVAL (1ull << 20) /* ns, between chunks that go back: 128 places each */

/* ---- which timeout ----------------------------------------------------------------------------
 */

static const uint8_t timeout_of_state[TCP_STATE_COUNT] = {
	[TCP_STATE_NONE] = TIMEOUT_TCP_OPENING,
	[TCP_STATE_SYN_SENT] = TIMEOUT_TCP_OPENING,
	[TCP_STATE_SIMULTANEOUS] = TIMEOUT_TCP_OPENING,
	[TCP_STATE_SYN_RECEIVED] = TIMEOUT_TCP_OPENING,
	[TCP_STATE_ESTABLISHED] = TIMEOUT_TCP_ESTABLISHED,
	[TCP_STATE_FIN_WAIT] = TIMEOUT_TCP_ESTABLISHED,
	[TCP_STATE_CLOSE_WAIT] = TIMEOUT_TCP_ESTABLISHED,
	[TCP_STATE_CLOSING] = TIMEOUT_TCP_CLOSING,
	[TCP_STATE_TIME_WAIT] = TIMEOUT_TCP_CLOSING,
	[TCP_STATE_RESET] = TIMEOUT_TCP_RESET,
};

static enum connection_timeout
timeout_kind(const struct connection *connection)
{
	switch (connection->protocol) {
	case IPPROTO_TCP:
		return timeout_of_state[connection->tcp.state];
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return connection->flags & CONNECTION_ANSWERED ? TIMEOUT_UDP_REPLY : TIMEOUT_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return TIMEOUT_ICMP;
	default:
		return TIMEOUT_OTHER;
	}
}

/* In ticks, rounded up. */
static uint32_t
timeout_ticks(const struct connection_table *table, const struct connection *connection)
{
	enum connection_timeout kind = timeout_kind(connection);
	uint32_t seconds = (uint32_t)connection_cold_of(table, connection)->timeout;
	uint64_t ticks;

	if (seconds == 0 || kind == TIMEOUT_TCP_OPENING || kind == TIMEOUT_TCP_CLOSING ||
		kind == TIMEOUT_TCP_RESET)
		seconds = atomic_load_explicit(
			&connection_domain_of(table, connection)->timeouts[kind],
			memory_order_relaxed);
	ticks = connection_tick(seconds * 1000000000ull + (1ull << CONNECTION_TICK_SHIFT) - 1);
	return ticks < TICKS_MOST ? (uint32_t)ticks : TICKS_MOST;
}

static uint64_t
seen_tick(const struct connection_table *table, const struct connection *connection)
{
	uint64_t tick = table->wheel.tick;

	return tick + (uint64_t)(int32_t)(connection->seen - (uint32_t)tick);
}

/* The first tick at which it is over: the one of its last packet is only begun. */
static uint64_t
deadline_tick(const struct connection_table *table, const struct connection *connection)
{
	return seen_tick(table, connection) + 1 + timeout_ticks(table, connection);
}

uint64_t
connection_seen(const struct connection_table *table, const struct connection *connection)
{
	return seen_tick(table, connection) << CONNECTION_TICK_SHIFT;
}

uint64_t
connection_deadline(const struct connection_table *table, const struct connection *connection)
{
	return deadline_tick(table, connection) << CONNECTION_TICK_SHIFT;
}

/* ---- what its state means ---------------------------------------------------------------------
 */

static bool
may_give_place(const struct connection *connection)
{
	if (connection->protocol != IPPROTO_TCP)
		return !(connection->flags & CONNECTION_ANSWERED);
	return (connection->flags & CONNECTION_ENDED) ||
	       timeout_kind(connection) == TIMEOUT_TCP_OPENING;
}

void
connection_settle(struct connection_table *table, struct connection *connection)
{
	uint64_t deadline;

	if (connection->protocol == IPPROTO_TCP) {
		uint8_t state = connection->tcp.state;

		connection->phase = state;
		connection->flags &= (uint8_t)~CONNECTION_ENDED;
		if (state == TCP_STATE_TIME_WAIT || state == TCP_STATE_RESET)
			connection->flags |= CONNECTION_ENDED;
	}
	if (connection->flags & CONNECTION_ENDED)
		connection_uncharge(table, connection);
	connection_set_spare(table, connection, may_give_place(connection));
	deadline = deadline_tick(table, connection);
	if (deadline >= timing_wheel_due(&table->wheel, connection->place))
		return; /* it is put back when it comes up */
	timing_wheel_remove(&table->wheel, connection->place);
	timing_wheel_add(&table->wheel, connection->place, deadline);
}

void
connection_set_timeout(
	struct connection_table *table, struct connection *connection, uint32_t seconds)
{
	struct connection_cold *cold = connection_cold_of(table, connection);

	if (cold->timeout == seconds)
		return;
	connection_timeout_put(cold, seconds);
	connection_settle(table, connection);
}

void
connection_time_begin(struct connection_table *table, struct connection *connection, uint64_t now)
{
	timing_wheel_skip(&table->wheel, connection_tick(now));
	connection->began = now;
	connection->seen = (uint32_t)connection_tick(now);
	connection_set_spare(table, connection, may_give_place(connection));
	timing_wheel_add(&table->wheel, connection->place, deadline_tick(table, connection));
}

/* ---- ending it --------------------------------------------------------------------------------
 */

static void
come_up(struct connection_table *table, uint32_t place, uint64_t tick)
{
	struct connection *connection = &table->connections[place];
	uint32_t next = timing_wheel_peek(&table->wheel);
	uint64_t deadline;

	/* on its way from memory while this one is looked at */
	if (next != TIMING_WHEEL_NONE)
		__builtin_prefetch(&table->connections[next], 1);
	deadline = deadline_tick(table, connection);
	if (deadline > tick)
		timing_wheel_add(&table->wheel, place, deadline);
	else
		connection_end(table, connection,
			connection->flags & CONNECTION_ENDED ? CONNECTION_CLOSED
							     : CONNECTION_EXPIRED);
}

/* Of the chunk at a place; generations go on from where they were. */
static void
give_back_connections(struct connection_table *table, uint32_t place)
{
	for (uint32_t i = place; i < place + PLACE_CHUNK; i++) {
		if (table->connections[i].generation > table->generation)
			table->generation = table->connections[i].generation;
	}
	reserve_give_back(&table->connections[place], PLACE_CHUNK * sizeof(struct connection));
	reserve_give_back(&table->cold[place], PLACE_CHUNK * sizeof(struct connection_cold));
}

static void
reclaim(struct connection_table *table, uint64_t now)
{
	uint32_t place;

	if (now - table->reclaimed < RECLAIM_INTERVAL)
		return;
	table->reclaimed = now;
	place = place_pool_reclaim(&table->plain_pool);
	if (place != PLACE_NONE)
		give_back_connections(table, place);
	place = place_pool_reclaim(&table->wide_pool);
	if (place != PLACE_NONE) {
		give_back_connections(table, table->wide_base + place);
		reserve_give_back(
			&table->wide[place], PLACE_CHUNK * sizeof(struct connection_wide));
	}
	place = place_pool_reclaim(&table->source_pool);
	if (place != PLACE_NONE)
		reserve_give_back(
			&table->sources[place], PLACE_CHUNK * sizeof(struct connection_source));
	connection_splices_reclaim(&table->splices);
}

bool
connections_expire(struct connection_table *table, uint64_t now, unsigned most)
{
	uint64_t tick = connection_tick(now);
	uint32_t place;

	while ((place = timing_wheel_take(&table->wheel, tick, &most)) != TIMING_WHEEL_NONE)
		come_up(table, place, tick);
	reclaim(table, now);
	return most == 0;
}
