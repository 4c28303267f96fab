/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks of ports of outside addresses, which hosts inside have for themselves: all connections of
 * a host by a translation with blocks get ports of its own ones. Who had which port when is told by
 * an event for each block that is given or taken back (RFC 6888, REQ-12; RFC 7422), not for each
 * connection. A host has PORT_BLOCKS_MOST at most, of one outside address, and keeps them until it
 * has had no connection for PORT_BLOCK_LINGER. Where the event cannot be told nothing is given, and
 * nothing taken yet.
 *
 * A firewall with such translations is one worker's as a whole (mapping.h).
 *
 * Threads: the shard's worker.
 */
#ifndef WEFT_FIREWALL_PORT_BLOCK_H
#define WEFT_FIREWALL_PORT_BLOCK_H

#include "firewall/connection.h"

#define PORT_BLOCK_UNIT 64 /* ports: sizes and first ports are multiples */
#define PORT_BLOCKS_MOST 4
#define PORT_BLOCK_LINGER 60 /* seconds */

struct port_block_table;

struct port_block_host {
	uint32_t domain;
	uint8_t family;
	uint8_t inside[16], outside[16];
};

/* What is told: the data of the mbuf, of punt reason PUNT_PORT_BLOCK. */
struct port_block_notice {
	struct port_block_host host;
	bool given; /* or taken back */
	uint16_t first, last;
};

/* False: it cannot be told now. */
typedef bool (*port_block_tell)(void *context, const struct port_block_notice *notice);

/* connections: as many as the shard may have. NULL: no memory. */
struct port_block_table *port_block_table_create(const struct hash_key *key, uint32_t connections);
void port_block_table_free(struct port_block_table *table);

/* The host's block of that number, from 0 on; false: it has no such. */
bool port_block_of(const struct port_block_table *table, const struct port_block_host *host,
	unsigned number, uint16_t *first, uint16_t *last);
/* One more, of `size` ports between `first` and `last`, by chance; false: it has as many as it may,
 * none was free, or it could not be told. */
bool port_block_give(struct port_block_table *table, const struct port_block_host *host,
	uint16_t first, uint16_t last, uint16_t size, uint64_t random, port_block_tell tell,
	void *context);

/* A connection of the host begins, ends. */
void port_block_hold(struct port_block_table *table, const struct port_block_host *host,
	const struct connection *connection);
void port_block_release(struct port_block_table *table, const struct connection *connection);

/* Takes back what nobody has used for long; cheap where there is nothing. */
void port_blocks_expire(
	struct port_block_table *table, uint64_t now, port_block_tell tell, void *context);

/* How many hosts have some. */
uint32_t port_block_hosts(const struct port_block_table *table);

#endif
