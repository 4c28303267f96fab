/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/port_block.h"

#include "base/place_index.h"
#include "base/reserve.h"

#include <stdlib.h>
#include <string.h>

#define HOSTS (1u << 20)
#define UNITS (1u << 22) /* in use, of all outside addresses */
#define TRIES 64
#define NS 1000000000ull

struct host {
	struct port_block_host key;
	uint8_t n;
	uint8_t reserved[2];
	uint32_t users;
	struct {
		uint16_t first, last;
	} blocks[PORT_BLOCKS_MOST];
	/* while it has no connection: since when (ns; 0: not noted yet), and its place in the list;
	 * place + 1, 0: none */
	uint64_t idle;
	uint32_t older, newer;
};

/* PORT_BLOCK_UNIT ports of an outside address that somebody has. */
struct unit {
	uint32_t domain;
	uint16_t family, number;
	uint8_t ip[16];
};

struct port_block_table {
	struct hash_key hash;
	struct place_pool host_pool, unit_pool;
	struct place_index host_index, unit_index;
	struct host *hosts;
	struct unit *units;
	uint32_t *held; /* by a connection's place: its host + 1 */
	size_t held_bytes;
	uint32_t oldest, newest; /* of those without connections */
};

/* ---- keys ---------------------------------------------------------------------------------------
 */

static uint64_t
hash_host(const struct port_block_table *table, const struct port_block_host *key)
{
	uint64_t words[4], hash;

	memcpy(words, key->inside, 16);
	memcpy(words + 2, key->outside, 16);
	hash = hash_words(&table->hash, words[0], words[1]);
	hash = hash_words(&table->hash, hash ^ words[2], words[3]);
	return hash_words(&table->hash, hash, (uint64_t)key->domain << 8 | key->family);
}

static uint64_t
hash_unit(const struct port_block_table *table, const struct unit *unit)
{
	uint64_t words[3], hash;

	memcpy(words, unit, sizeof(words));
	hash = hash_words(&table->hash, words[0], words[1]);
	return hash_words(&table->hash, hash, words[2]);
}

static uint64_t
hash_of_host(void *context, uint32_t number)
{
	const struct port_block_table *table = context;

	return hash_host(table, &table->hosts[number].key);
}

static uint64_t
hash_of_unit(void *context, uint32_t number)
{
	const struct port_block_table *table = context;

	return hash_unit(table, &table->units[number]);
}

static bool
same_host(const struct port_block_host *a, const struct port_block_host *b)
{
	return a->domain == b->domain && a->family == b->family &&
	       memcmp(a->inside, b->inside, sizeof(a->inside)) == 0 &&
	       memcmp(a->outside, b->outside, sizeof(a->outside)) == 0;
}

static struct host *
find_host(const struct port_block_table *table, const struct port_block_host *key)
{
	struct place_probe probe = place_index_probe(&table->host_index, hash_host(table, key));
	uint32_t number;

	while (place_probe_next(&probe, &number))
		if (same_host(&table->hosts[number].key, key))
			return &table->hosts[number];
	return NULL;
}

static uint32_t
find_unit(const struct port_block_table *table, const struct unit *unit)
{
	struct place_probe probe = place_index_probe(&table->unit_index, hash_unit(table, unit));
	uint32_t number;

	while (place_probe_next(&probe, &number))
		if (memcmp(&table->units[number], unit, sizeof(*unit)) == 0)
			return number;
	return PLACE_NONE;
}

static uint32_t
place_of(const struct port_block_table *table, const struct host *host)
{
	return (uint32_t)(host - table->hosts);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

void
port_block_table_free(struct port_block_table *table)
{
	if (table == NULL)
		return;
	place_index_close(&table->host_index);
	place_index_close(&table->unit_index);
	place_pool_close(&table->host_pool);
	place_pool_close(&table->unit_pool);
	if (table->hosts != NULL)
		reserve_close(table->hosts, HOSTS * sizeof(*table->hosts));
	if (table->units != NULL)
		reserve_close(table->units, UNITS * sizeof(*table->units));
	if (table->held != NULL)
		reserve_close(table->held, table->held_bytes);
	free(table);
}

struct port_block_table *
port_block_table_create(const struct hash_key *key, uint32_t connections)
{
	struct port_block_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->hash = *key;
	table->held_bytes = ((size_t)2 * connections + 2 * PLACE_CHUNK) * sizeof(*table->held);
	table->hosts = reserve_open(HOSTS * sizeof(*table->hosts));
	table->units = reserve_open(UNITS * sizeof(*table->units));
	table->held = reserve_open(table->held_bytes);
	if (table->hosts != NULL && table->units != NULL && table->held != NULL &&
		place_pool_open(&table->host_pool, HOSTS) == 0 &&
		place_pool_open(&table->unit_pool, UNITS) == 0 &&
		place_index_open(&table->host_index, HOSTS, hash_of_host, table) == 0 &&
		place_index_open(&table->unit_index, UNITS, hash_of_unit, table) == 0)
		return table;
	port_block_table_free(table);
	return NULL;
}

uint32_t
port_block_hosts(const struct port_block_table *table)
{
	return table->host_pool.taken;
}

/* ---- units --------------------------------------------------------------------------------------
 */

static struct unit
unit_of(const struct port_block_host *host, unsigned port)
{
	struct unit unit = { .domain = host->domain,
		.family = host->family,
		.number = (uint16_t)(port / PORT_BLOCK_UNIT) };

	memcpy(unit.ip, host->outside, sizeof(unit.ip));
	return unit;
}

static bool
is_free(const struct port_block_table *table, const struct port_block_host *host, unsigned first,
	unsigned last)
{
	for (unsigned port = first; port <= last; port += PORT_BLOCK_UNIT) {
		struct unit unit = unit_of(host, port);

		if (find_unit(table, &unit) != PLACE_NONE)
			return false;
	}
	return true;
}

static void
give_units(struct port_block_table *table, const struct port_block_host *host, unsigned first,
	unsigned last)
{
	for (unsigned port = first; port <= last; port += PORT_BLOCK_UNIT) {
		uint32_t place = place_pool_take(&table->unit_pool);

		if (place == PLACE_NONE)
			return;
		table->units[place] = unit_of(host, port);
		place_index_add(&table->unit_index, hash_of_unit(table, place), place);
	}
}

static void
take_units(struct port_block_table *table, const struct port_block_host *host, unsigned first,
	unsigned last)
{
	for (unsigned port = first; port <= last; port += PORT_BLOCK_UNIT) {
		struct unit unit = unit_of(host, port);
		uint32_t place = find_unit(table, &unit);

		if (place == PLACE_NONE)
			continue;
		place_index_remove(&table->unit_index, hash_unit(table, &unit), place);
		place_pool_give(&table->unit_pool, place);
	}
}

/* ---- hosts without connections
 * -------------------------------------------------------------------
 */

static void
append(struct port_block_table *table, struct host *host)
{
	uint32_t place = place_of(table, host) + 1;

	host->idle = 0;
	host->newer = 0;
	host->older = table->newest;
	if (table->newest != 0)
		table->hosts[table->newest - 1].newer = place;
	else
		table->oldest = place;
	table->newest = place;
}

static void
take_out(struct port_block_table *table, struct host *host)
{
	if (host->older != 0)
		table->hosts[host->older - 1].newer = host->newer;
	else
		table->oldest = host->newer;
	if (host->newer != 0)
		table->hosts[host->newer - 1].older = host->older;
	else
		table->newest = host->older;
}

/* Those that have come since the last look. */
static void
note_time(struct port_block_table *table, uint64_t now)
{
	for (uint32_t at = table->newest; at != 0; at = table->hosts[at - 1].older) {
		if (table->hosts[at - 1].idle != 0)
			return;
		table->hosts[at - 1].idle = now;
	}
}

/* ---- giving, taking -----------------------------------------------------------------------------
 */

static bool
tell_of(const struct host *host, unsigned number, bool given, port_block_tell tell, void *context)
{
	const struct port_block_notice notice = { .host = host->key,
		.given = given,
		.first = host->blocks[number].first,
		.last = host->blocks[number].last };

	return tell(context, &notice);
}

bool
port_block_of(const struct port_block_table *table, const struct port_block_host *key,
	unsigned number, uint16_t *first, uint16_t *last)
{
	const struct host *host = find_host(table, key);

	if (host == NULL || number >= host->n)
		return false;
	*first = host->blocks[number].first;
	*last = host->blocks[number].last;
	return true;
}

/* The first port of a free block; 0: none was found. */
static unsigned
choose(const struct port_block_table *table, const struct port_block_host *key, unsigned first,
	unsigned last, unsigned size, uint64_t random)
{
	unsigned from = (first + PORT_BLOCK_UNIT - 1) / PORT_BLOCK_UNIT * PORT_BLOCK_UNIT;
	unsigned count = last + 1 > from ? (last + 1 - from) / size : 0;

	for (unsigned i = 0; i < count && i < TRIES; i++) {
		unsigned at = from + (unsigned)((random + i) % count) * size;

		if (at != 0 && is_free(table, key, at, at + size - 1))
			return at;
	}
	return 0;
}

static struct host *
new_host(struct port_block_table *table, const struct port_block_host *key)
{
	uint32_t place = place_pool_take(&table->host_pool);
	struct host *host;

	if (place == PLACE_NONE)
		return NULL;
	host = &table->hosts[place];
	*host = (struct host){ .key = *key };
	place_index_add(&table->host_index, hash_host(table, key), place);
	append(table, host); /* until a connection begins */
	return host;
}

static void
forget(struct port_block_table *table, struct host *host)
{
	uint32_t place = place_of(table, host);

	take_out(table, host);
	place_index_remove(&table->host_index, hash_host(table, &host->key), place);
	place_pool_give(&table->host_pool, place);
}

bool
port_block_give(struct port_block_table *table, const struct port_block_host *key, uint16_t first,
	uint16_t last, uint16_t size, uint64_t random, port_block_tell tell, void *context)
{
	unsigned at = choose(table, key, first, last, size, random);
	struct host *host = find_host(table, key);

	if (at == 0 || (host != NULL && host->n == PORT_BLOCKS_MOST) ||
		table->unit_pool.limit - table->unit_pool.taken < size / PORT_BLOCK_UNIT)
		return false;
	if (host == NULL)
		host = new_host(table, key);
	if (host == NULL)
		return false;
	host->blocks[host->n].first = (uint16_t)at;
	host->blocks[host->n].last = (uint16_t)(at + size - 1);
	if (!tell_of(host, host->n, true, tell, context)) {
		if (host->n == 0)
			forget(table, host);
		return false;
	}
	host->n++;
	give_units(table, key, at, at + size - 1);
	return true;
}

/* False: it could not all be told. */
static bool
take_back(struct port_block_table *table, struct host *host, port_block_tell tell, void *context)
{
	while (host->n != 0) {
		unsigned number = host->n - 1u;

		if (!tell_of(host, number, false, tell, context))
			return false;
		take_units(
			table, &host->key, host->blocks[number].first, host->blocks[number].last);
		host->n--;
	}
	forget(table, host);
	return true;
}

void
port_blocks_expire(
	struct port_block_table *table, uint64_t now, port_block_tell tell, void *context)
{
	if (table->newest == 0)
		return;
	note_time(table, now);
	while (table->oldest != 0) {
		struct host *host = &table->hosts[table->oldest - 1];

		if (now - host->idle < PORT_BLOCK_LINGER * NS ||
			!take_back(table, host, tell, context))
			return;
	}
}

/* ---- connections --------------------------------------------------------------------------------
 */

void
port_block_hold(struct port_block_table *table, const struct port_block_host *key,
	const struct connection *connection)
{
	struct host *host = find_host(table, key);

	if (host == NULL)
		return;
	if (host->users++ == 0)
		take_out(table, host);
	table->held[connection->place] = place_of(table, host) + 1;
}

void
port_block_release(struct port_block_table *table, const struct connection *connection)
{
	struct host *host;

	if (table->host_pool.taken == 0 || table->held[connection->place] == 0)
		return;
	host = &table->hosts[table->held[connection->place] - 1];
	table->held[connection->place] = 0;
	if (--host->users == 0)
		append(table, host);
}
