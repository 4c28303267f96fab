/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Endpoint-independent mappings (RFC 4787, REQ-1) of one worker's shard: which address and port
 * outside stands for an address and port inside, whomever it speaks to, and to whom it has spoken.
 * A mapping lives as long as a connection uses it: its timers are those of its connections (REQ-5,
 * REQ-6).
 *
 * A firewall that has such translations is one worker's as a whole, since what comes to a mapping
 * from anywhere must find it there.
 *
 * Memory: address space for all that there may be; 64 bytes an entry, up to three for a mapping and
 * one for each further peer. Where it is full connections go on without one.
 *
 * Threads: the shard's worker.
 */
#ifndef WEFT_FIREWALL_MAPPING_H
#define WEFT_FIREWALL_MAPPING_H

#include "firewall/connection.h"

struct mapping_table;

struct mapping_end {
	uint8_t ip[16];
	uint16_t port;
};

/* Whose: flow.domain, protocol. */
struct mapping_scope {
	uint32_t domain;
	uint8_t family, protocol;
};

/* connections: as many as the shard may have. NULL: no memory. */
struct mapping_table *mapping_table_create(const struct hash_key *key, uint32_t connections);
void mapping_table_free(struct mapping_table *table);

/* False: there is none. */
bool mapping_to_outside(const struct mapping_table *table, struct mapping_scope scope,
	const struct mapping_end *inside, struct mapping_end *outside);
bool mapping_to_inside(const struct mapping_table *table, struct mapping_scope scope,
	const struct mapping_end *outside, struct mapping_end *inside);
/* Whether the peer has been spoken to by the mapping. */
bool mapping_has_peer(const struct mapping_table *table, struct mapping_scope scope,
	const struct mapping_end *outside, const uint8_t peer[16]);

/* A translated connection begins to use the mapping that its flows tell, which is made if it is not
 * there. inside: which side of it is. */
void mapping_hold(
	struct mapping_table *table, const struct connection *connection, unsigned inside);
/* Any connection, before it ends. */
void mapping_release(struct mapping_table *table, const struct connection *connection);

/* How many mappings there are. */
uint32_t mapping_count(const struct mapping_table *table);

#endif
