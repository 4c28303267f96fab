/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that are expected, because another one has announced them (firewall_helper.c): in
 * number and time bounded, of all firewalls, and seen by all workers, for another one than that of
 * the announcing connection may get the first packet.
 *
 * Threads: any; a lock of few places is held for some words. Who has seen with expectations_any()
 * that there are none need not ask.
 */
#ifndef WEFT_FIREWALL_EXPECTATION_H
#define WEFT_FIREWALL_EXPECTATION_H

#include "firewall/flow.h"

#include <stdatomic.h>

#define EXPECTATIONS_LIMIT 4096 /* of all firewalls */
#define EXPECTATIONS_EACH 1024  /* of one */
#define EXPECTATION_SECONDS 60

struct expectation {
	/* As its first packet comes, and how that is answered. Who begins may take any port:
	 * flow.from_port and reply.to_port are 0. */
	struct flow flow, reply;
	uint64_t until;           /* ns of the engine's clock */
	uint64_t owner;           /* of the connection that has announced it; never 0 */
	uint32_t rule;            /* id of that by which it is accepted */
	uint16_t parent_ports[2]; /* of side 0 and of whom it asks, of the one that has announced it
				   */
	uint8_t from, to;         /* where it crosses the firewall */
	bool backwards;           /* begun by whom the other one was begun to */
};

struct expectations;

/* NULL: no memory. */
struct expectations *expectations_create(const struct hash_key *key);
void expectations_free(struct expectations *expectations);

bool expectations_any(const struct expectations *expectations);
/* Takes the place of what is expected of the same flow by the same owner. False: another's is, or
 * there are too many. */
bool expectations_add(struct expectations *expectations, const struct expectation *expectation,
	_Atomic unsigned *count, uint64_t now);
/* Of the owner; it may be gone already. */
void expectations_remove(
	struct expectations *expectations, const struct flow *flow, uint64_t owner);
/* That of a first packet, which is not expected any more. False: there is none. */
bool expectations_take(struct expectations *expectations, const struct flow *flow, uint64_t now,
	struct expectation *expectation);
/* Those that have not come, or of a firewall that goes (`domain`, 0: none does). */
void expectations_expire(struct expectations *expectations, uint64_t now, uint32_t domain);

#endif
