/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/mapping.h"

#include "base/place_index.h"
#include "base/reserve.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES (1u << 22)

enum kind {
	FROM_INSIDE = 1, /* ip, port: inside */
	FROM_OUTSIDE,    /* ip, port: outside */
	WITH_PEER,       /* ip, port: outside; and who was spoken to */
};

struct key {
	uint32_t domain;
	uint16_t port;
	uint8_t family, protocol;
	uint8_t ip[16], peer[16];
	uint64_t kind;
};

struct entry {
	struct key key;
	uint32_t users;
	uint16_t other_port; /* of the other end */
	uint16_t reserved;
};

_Static_assert(sizeof(struct key) == 48, "six words");

struct mapping_table {
	struct hash_key hash;
	struct place_pool pool;
	struct place_index index;
	struct entry *entries;
	uint8_t (*others)[16]; /* addresses of the other end, at the entry's place */
	uint8_t *held;         /* by a connection's place: 0, or 1 + its side that is inside */
	uint32_t places;
	uint32_t count;
};

/* ---- entries ------------------------------------------------------------------------------------
 */

static uint64_t
hash_key(const struct mapping_table *table, const struct key *key)
{
	uint64_t words[6], hash;

	memcpy(words, key, sizeof(words));
	hash = hash_words(&table->hash, words[0], words[1]);
	hash = hash_words(&table->hash, hash ^ words[2], words[3]);
	return hash_words(&table->hash, hash ^ words[4], words[5]);
}

static uint64_t
hash_of(void *context, uint32_t number)
{
	const struct mapping_table *table = context;

	return hash_key(table, &table->entries[number].key);
}

static struct key
key_of(struct mapping_scope scope, enum kind kind, const struct mapping_end *end,
	const uint8_t *peer)
{
	struct key key = { .domain = scope.domain,
		.port = end->port,
		.family = scope.family,
		.protocol = scope.protocol,
		.kind = kind };

	memcpy(key.ip, end->ip, sizeof(key.ip));
	if (peer != NULL)
		memcpy(key.peer, peer, sizeof(key.peer));
	return key;
}

/* PLACE_NONE: there is none. */
static uint32_t
find(const struct mapping_table *table, const struct key *key)
{
	struct place_probe probe = place_index_probe(&table->index, hash_key(table, key));
	uint32_t number;

	while (place_probe_next(&probe, &number))
		if (memcmp(&table->entries[number].key, key, sizeof(*key)) == 0)
			return number;
	return PLACE_NONE;
}

/* One more user of what leads to `other`; one that is there keeps where it leads. */
static void
hold(struct mapping_table *table, const struct key *key, const struct mapping_end *other)
{
	uint32_t place = find(table, key);

	if (place != PLACE_NONE) {
		table->entries[place].users++;
		return;
	}
	place = place_pool_take(&table->pool);
	if (place == PLACE_NONE)
		return;
	table->entries[place] =
		(struct entry){ .key = *key, .users = 1, .other_port = other->port };
	memcpy(table->others[place], other->ip, sizeof(table->others[place]));
	place_index_add(&table->index, hash_key(table, key), place);
	table->count += key->kind == FROM_INSIDE;
}

/* What found no room has no entry, or one of others. */
static void
release(struct mapping_table *table, const struct key *key)
{
	uint32_t place = find(table, key);

	if (place == PLACE_NONE || --table->entries[place].users != 0)
		return;
	place_index_remove(&table->index, hash_key(table, key), place);
	place_pool_give(&table->pool, place);
	table->count -= key->kind == FROM_INSIDE;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

struct mapping_table *
mapping_table_create(const struct hash_key *key, uint32_t connections)
{
	struct mapping_table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->hash = *key;
	table->places = 2 * connections + 2 * PLACE_CHUNK;
	table->entries = reserve_open(ENTRIES * sizeof(*table->entries));
	table->others = reserve_open(ENTRIES * sizeof(*table->others));
	table->held = reserve_open(table->places);
	if (table->entries != NULL && table->others != NULL && table->held != NULL &&
		place_pool_open(&table->pool, ENTRIES) == 0) {
		if (place_index_open(&table->index, ENTRIES, hash_of, table) == 0)
			return table;
		place_pool_close(&table->pool);
	}
	if (table->entries != NULL)
		reserve_close(table->entries, ENTRIES * sizeof(*table->entries));
	if (table->others != NULL)
		reserve_close(table->others, ENTRIES * sizeof(*table->others));
	if (table->held != NULL)
		reserve_close(table->held, table->places);
	free(table);
	return NULL;
}

void
mapping_table_free(struct mapping_table *table)
{
	if (table == NULL)
		return;
	place_index_close(&table->index);
	place_pool_close(&table->pool);
	reserve_close(table->entries, ENTRIES * sizeof(*table->entries));
	reserve_close(table->others, ENTRIES * sizeof(*table->others));
	reserve_close(table->held, table->places);
	free(table);
}

uint32_t
mapping_count(const struct mapping_table *table)
{
	return table->count;
}

/* ---- looking ------------------------------------------------------------------------------------
 */

static bool
look_up(const struct mapping_table *table, struct mapping_scope scope, enum kind kind,
	const struct mapping_end *end, struct mapping_end *other)
{
	struct key key = key_of(scope, kind, end, NULL);
	uint32_t place;

	if (table->count == 0)
		return false;
	place = find(table, &key);
	if (place == PLACE_NONE)
		return false;
	memcpy(other->ip, table->others[place], sizeof(other->ip));
	other->port = table->entries[place].other_port;
	return true;
}

bool
mapping_to_outside(const struct mapping_table *table, struct mapping_scope scope,
	const struct mapping_end *inside, struct mapping_end *outside)
{
	return look_up(table, scope, FROM_INSIDE, inside, outside);
}

bool
mapping_to_inside(const struct mapping_table *table, struct mapping_scope scope,
	const struct mapping_end *outside, struct mapping_end *inside)
{
	return look_up(table, scope, FROM_OUTSIDE, outside, inside);
}

bool
mapping_has_peer(const struct mapping_table *table, struct mapping_scope scope,
	const struct mapping_end *outside, const uint8_t peer[16])
{
	struct key key = key_of(scope, WITH_PEER, outside, peer);

	return table->count != 0 && find(table, &key) != PLACE_NONE;
}

/* ---- connections --------------------------------------------------------------------------------
 */

struct ends {
	struct mapping_scope scope;
	struct mapping_end inside, outside;
	uint8_t peer[16];
};

static struct ends
ends_of(const struct connection *connection, unsigned inside)
{
	/* how the inside sends, and the outside */
	struct flow near = connection_flow(connection, inside);
	struct flow far = connection_flow(connection, !inside);
	struct ends ends = { .scope = { near.domain, near.family, near.protocol },
		.inside.port = near.from_port,
		.outside.port = far.to_port };

	memcpy(ends.inside.ip, near.from_ip, sizeof(ends.inside.ip));
	memcpy(ends.outside.ip, far.to_ip, sizeof(ends.outside.ip));
	memcpy(ends.peer, far.from_ip, sizeof(ends.peer));
	return ends;
}

void
mapping_hold(struct mapping_table *table, const struct connection *connection, unsigned inside)
{
	struct ends ends = ends_of(connection, inside);
	struct key near = key_of(ends.scope, FROM_INSIDE, &ends.inside, NULL);
	struct key far = key_of(ends.scope, FROM_OUTSIDE, &ends.outside, NULL);
	struct key peer = key_of(ends.scope, WITH_PEER, &ends.outside, ends.peer);

	table->held[connection->place] = (uint8_t)(1 + inside);
	hold(table, &near, &ends.outside);
	hold(table, &far, &ends.inside);
	hold(table, &peer, &ends.inside);
}

void
mapping_release(struct mapping_table *table, const struct connection *connection)
{
	struct ends ends;
	struct key key;

	if (table->count == 0 || table->held[connection->place] == 0)
		return;
	ends = ends_of(connection, table->held[connection->place] - 1u);
	table->held[connection->place] = 0;
	key = key_of(ends.scope, FROM_INSIDE, &ends.inside, NULL);
	release(table, &key);
	key = key_of(ends.scope, FROM_OUTSIDE, &ends.outside, NULL);
	release(table, &key);
	key = key_of(ends.scope, WITH_PEER, &ends.outside, ends.peer);
	release(table, &key);
}
