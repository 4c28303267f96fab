/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses that a DHCPv4 server has had to do with: who has each, had it last, or was
 * offered it, and until when. Knows no messages and no configuration but what it is told: the
 * server (dhcp_server.c) decides, this keeps the books.
 *
 * A lease here is an address with its story, made when the address is first thought of and
 * kept until the configuration no longer has it. It is
 *	free      nobody has it. Its owner, if any, had it last, and gets it again if it can be.
 *	held      its owner has it until `expires`.
 *	declined  something else answers at it: nobody gets it until `expires`.
 * A free one may be offered to a client until `offered_until`. The offer stands beside the
 * owner, so that a flood of offers makes nobody's memory go. A client owns one lease at most,
 * and is offered one at most.
 *
 * Lists: free ones without an offer, the one that is longest so first; offered ones, the
 * oldest offer first. Only `pooled` leases are in them: what is reserved is for one client.
 * A heap orders what is to end by when. Times: ns of the engine's clock. One thread.
 */
#ifndef WEFT_PROTOCOLS_DHCP_LEASE_H
#define WEFT_PROTOCOLS_DHCP_LEASE_H

#include "base/hash.h"
#include "protocols/dhcp/dhcp_subnet.h"

#include <sys/queue.h>

#define LEASE_NEVER UINT64_MAX

enum lease_state { LEASE_FREE, LEASE_HELD, LEASE_DECLINED };

/* Ways to find a lease. */
enum lease_index { LEASE_BY_ADDRESS, LEASE_BY_OWNER, LEASE_BY_OFFER, LEASE_INDICES };

/* A message that waits. Made by malloc. */
struct lease_waiting {
	size_t length;
	uint8_t bytes[];
};

struct lease {
	uint32_t address;
	uint8_t state; /* enum lease_state */
	bool pooled;
	bool contended; /* the offer was taken from another client before its time */
	bool listed;    /* in `free` or `offered` */
	/* made by malloc; NULL: nobody */
	struct dhcp_key *owner, *offered_to;
	uint64_t since, expires, offered_until;
	/* what is to be answered when the probe of the offer has ended; NULL: no probe */
	struct lease_waiting *waiting;
	uint64_t probed; /* when one ended without an answer; 0: never */
	/* of the owner */
	uint8_t htype, hlen, chaddr[DHCP_CHADDR_LENGTH];
	char host_name[DHCP_NAME_LENGTH + 1];
	/* the table's */
	size_t heap_at; /* + 1; 0: not there */
	uint64_t hashes[LEASE_INDICES];
	struct lease *next[LEASE_INDICES];
	TAILQ_ENTRY(lease) entry;
	LIST_ENTRY(lease) all;
};

TAILQ_HEAD(lease_list, lease);
LIST_HEAD(lease_all, lease);

struct lease_table {
	struct hash_key hash;
	struct lease **buckets[LEASE_INDICES]; /* `capacity` each, a power of two or 0 */
	size_t capacity;
	struct lease **heap; /* room for `capacity` */
	size_t heap_count;
	size_t count, held;
	struct lease_list free, offered;
	struct lease_all all;
};

void lease_table_open(struct lease_table *table, const struct hash_key *hash);
void lease_table_close(struct lease_table *table);

struct lease *lease_find(const struct lease_table *table, uint32_t address);
struct lease *lease_owned(const struct lease_table *table, const struct dhcp_key *owner);
struct lease *lease_offered(const struct lease_table *table, const struct dhcp_key *client);

/* The address must not be there. Free, without owner. NULL: out of memory. */
struct lease *lease_add(struct lease_table *table, uint32_t address, bool pooled);
void lease_remove(struct lease_table *table, struct lease *lease);
/* The configuration now says otherwise. */
void lease_set_pooled(struct lease_table *table, struct lease *lease, bool pooled);

/*
 * Offers a free lease, instead of what the client was offered before. False: out of memory,
 * nothing has happened.
 */
bool lease_offer(struct lease_table *table, struct lease *lease, const struct dhcp_key *client,
	uint64_t until);
void lease_withdraw(struct lease_table *table, struct lease *lease);
/* Instead of what waits there; the lease is offered. False: out of memory. */
bool lease_wait(struct lease *lease, const uint8_t *message, size_t length);
/* What waits no more, to free(). NULL: nothing did. */
struct lease_waiting *lease_take_waiting(struct lease *lease);
/*
 * The client has the lease from now on, or goes on having it. What it owned before is free and
 * forgotten, what it was offered is withdrawn. False: out of memory, nothing has happened.
 */
bool lease_hold(struct lease_table *table, struct lease *lease, const struct dhcp_key *owner,
	uint64_t expires);
/* Ends what is held or declined. `remember` the owner. */
void lease_free(struct lease_table *table, struct lease *lease, bool remember);
void lease_decline(struct lease_table *table, struct lease *lease, uint64_t until);
/* A free lease gets an owner who had it once. Only if nobody owns it, and he owns nothing. */
bool lease_remember(struct lease_table *table, struct lease *lease, const struct dhcp_key *owner);

/* What ends first; NULL: nothing will. */
struct lease *lease_first_end(const struct lease_table *table);
/* When it ends: offer, lease or quarantine. LEASE_NEVER. */
uint64_t lease_end(const struct lease *lease);

#endif
