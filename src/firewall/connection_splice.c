/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/connection_splice.h"

#include "base/reserve.h"
#include "firewall/connection_private.h"

/* ---- memory -----------------------------------------------------------------------------------
 */

int
connection_splices_open(struct connection_splices *splices, size_t places, uint32_t limit)
{
	splices->places = places;
	splices->by_place = reserve_open(places * sizeof(*splices->by_place));
	splices->list = reserve_open(limit * sizeof(*splices->list));
	splices->openings = reserve_open(limit * sizeof(*splices->openings));
	splices->helpers = reserve_open(limit * sizeof(*splices->helpers));
	if (splices->by_place == NULL || splices->list == NULL || splices->openings == NULL ||
		splices->helpers == NULL || place_pool_open(&splices->helper_pool, limit) < 0 ||
		place_pool_open(&splices->pool, limit) < 0 ||
		place_pool_open(&splices->opening_pool, limit) < 0)
		return -1;
	timing_wheel_open(&splices->wheel, splices->openings, sizeof(*splices->openings), 0);
	return 0;
}

void
connection_splices_close(struct connection_splices *splices, uint32_t limit)
{
	reserve_close(splices->by_place, splices->places * sizeof(*splices->by_place));
	reserve_close(splices->list, limit * sizeof(*splices->list));
	reserve_close(splices->openings, limit * sizeof(*splices->openings));
	reserve_close(splices->helpers, limit * sizeof(*splices->helpers));
	place_pool_close(&splices->helper_pool);
	place_pool_close(&splices->pool);
	place_pool_close(&splices->opening_pool);
}

void
connection_splices_reclaim(struct connection_splices *splices)
{
	uint32_t place = place_pool_reclaim(&splices->pool);

	if (place != PLACE_NONE)
		reserve_give_back(
			&splices->list[place], PLACE_CHUNK * sizeof(struct connection_splice));
	place = place_pool_reclaim(&splices->opening_pool);
	if (place != PLACE_NONE)
		reserve_give_back(
			&splices->openings[place], PLACE_CHUNK * sizeof(struct splice_opening));
	place = place_pool_reclaim(&splices->helper_pool);
	if (place != PLACE_NONE)
		reserve_give_back(
			&splices->helpers[place], PLACE_CHUNK * sizeof(struct splice_helper));
}

size_t
connection_splices_bytes(const struct connection_splices *splices)
{
	return (size_t)splices->pool.resident * PLACE_CHUNK * sizeof(struct connection_splice) +
	       (size_t)splices->opening_pool.resident * PLACE_CHUNK *
		       sizeof(struct splice_opening) +
	       (size_t)splices->helper_pool.resident * PLACE_CHUNK * sizeof(struct splice_helper);
}

/* ---- coming and going -------------------------------------------------------------------------
 */

struct connection_splice *
connection_splice_add(struct connection_table *table, struct connection *connection)
{
	struct connection_splices *splices = &table->splices;
	uint32_t place = place_pool_take(&splices->pool);

	splices->list[place] = (struct connection_splice){ .place = connection->place };
	splices->by_place[connection->place] = place + 1;
	connection->flags |= CONNECTION_SPLICED;
	return &splices->list[place];
}

struct connection_splice *
connection_splice_of(struct connection_table *table, const struct connection *connection)
{
	return &table->splices.list[table->splices.by_place[connection->place] - 1];
}

void
connection_splice_release(struct connection_table *table, struct connection *connection)
{
	struct connection_splices *splices = &table->splices;
	struct connection_splice *splice = connection_splice_of(table, connection);

	connection_splice_done(table, splice);
	if (splice->flags & SPLICE_FTP)
		place_pool_give(&splices->helper_pool, splice->helper - 1);
	place_pool_give(&splices->pool, (uint32_t)(splice - splices->list));
	splices->by_place[connection->place] = 0;
	connection->flags &= (uint8_t)~CONNECTION_SPLICED;
}

struct splice_helper *
connection_splice_help(struct connection_table *table, struct connection_splice *splice)
{
	struct connection_splices *splices = &table->splices;
	uint32_t place = place_pool_take(&splices->helper_pool);

	splices->helpers[place] = (struct splice_helper){ 0 };
	splice->helper = place + 1;
	splice->flags |= SPLICE_FTP;
	return &splices->helpers[place];
}

struct splice_helper *
connection_splice_helper(struct connection_table *table, const struct connection_splice *splice)
{
	return &table->splices.helpers[splice->helper - 1];
}

/* ---- openings ---------------------------------------------------------------------------------
 */

/* The tick in which it is over. */
static uint64_t
due_tick(uint64_t due)
{
	return connection_tick(due) + 1;
}

struct splice_opening *
connection_splice_wait(
	struct connection_table *table, struct connection_splice *splice, uint64_t due)
{
	struct connection_splices *splices = &table->splices;
	uint32_t place = place_pool_take(&splices->opening_pool);
	struct splice_opening *opening = &splices->openings[place];

	*opening = (struct splice_opening){ .splice = (uint32_t)(splice - splices->list) };
	if (splices->wheel.count == 0)
		timing_wheel_skip(&splices->wheel, table->wheel.tick);
	timing_wheel_add(&splices->wheel, place, due_tick(due));
	splice->opening = place + 1;
	splice->flags |= SPLICE_WAITING;
	return opening;
}

struct splice_opening *
connection_splice_opening(struct connection_table *table, const struct connection_splice *splice)
{
	return splice->opening != 0 ? &table->splices.openings[splice->opening - 1] : NULL;
}

void
connection_splice_done(struct connection_table *table, struct connection_splice *splice)
{
	struct connection_splices *splices = &table->splices;
	uint32_t place = splice->opening - 1;

	splice->flags &= (uint8_t)~SPLICE_WAITING;
	if (splice->opening == 0)
		return;
	if (timing_wheel_has(&splices->wheel, place))
		timing_wheel_remove(&splices->wheel, place);
	place_pool_give(&splices->opening_pool, place);
	splice->opening = 0;
}

bool
connection_splices_wait(const struct connection_table *table)
{
	return table->splices.wheel.count > 0;
}

struct connection *
connection_splice_due(struct connection_table *table, uint64_t now, unsigned *budget)
{
	struct connection_splices *splices = &table->splices;
	uint32_t place = timing_wheel_take(&splices->wheel, connection_tick(now), budget);

	if (place == TIMING_WHEEL_NONE)
		return NULL;
	return &table->connections[splices->list[splices->openings[place].splice].place];
}

void
connection_splice_again(
	struct connection_table *table, const struct connection_splice *splice, uint64_t due)
{
	timing_wheel_add(&table->splices.wheel, splice->opening - 1, due_tick(due));
}
