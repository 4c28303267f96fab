/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What reassembly holds: datagrams by name and by age, their fragments, and the domains that
 * are charged for them. Everything is in arrays and told by index. Bounds are kept here
 * (store_make_room); what fits together is reassemble.c's to know.
 */
#ifndef WEFT_PACKET_REASSEMBLE_STORE_H
#define WEFT_PACKET_REASSEMBLE_STORE_H

#include "base/hash.h"
#include "packet/reassemble.h"

#define STORE_NONE UINT32_MAX

/* Who sent what to whom: a datagram's name. No padding, so that it can be compared whole. */
struct name {
	uint32_t domain, id;
	uint32_t kind; /* family, and protocol of IPv4 */
	uint32_t path; /* the caller's: of several copies of a fragment which */
	uint8_t ends[32];
};

struct fragment {
	struct rte_mbuf *packet;
	uint32_t next;       /* by offset; of the free list */
	uint32_t start, end; /* in the datagram's payload */
	uint32_t skip;       /* bytes of the frame in front of it */
};

struct datagram {
	struct name name;
	uint64_t since;
	uint64_t memory;
	uint32_t next;                       /* in its bucket; of the free list */
	uint32_t older, newer;               /* of all */
	uint32_t domain_older, domain_newer; /* of its domain */
	uint32_t domain;                     /* index */
	uint32_t first, last;                /* fragments */
	uint32_t end;                        /* of the payload; 0: not known yet */
	uint32_t received;                   /* bytes */
	uint16_t count;                      /* fragments */
	uint16_t l3;                         /* of the first fragment */
	uint8_t ecn;                         /* code points seen, a bit each */
	bool spoiled;                        /* an overlap was seen: takes no more */
};

struct domain {
	uint32_t id, next; /* in its bucket; of the free list */
	uint32_t datagrams, oldest, newest;
	uint64_t memory;
};

struct reassembly {
	struct reassembly_limits limits;
	struct hash_key key;
	struct fragment *fragments;
	struct datagram *datagrams;
	struct domain *domains;
	uint32_t *buckets, *domain_buckets;
	uint32_t mask;
	uint32_t free_fragment, free_datagram, free_domain;
	uint32_t oldest, newest, n_datagrams, n_domains;
	uint64_t memory, dropped;
};

/* STORE_NONE: there is none. */
uint32_t store_find(struct reassembly *reassembly, const struct name *name);

/* Needs room for it (store_make_room). */
uint32_t store_new(struct reassembly *reassembly, const struct name *name, uint64_t now);

/* Takes a datagram's fragments out of it; their packets are freed, or have been handed on. */
void store_empty(struct reassembly *reassembly, struct datagram *datagram, bool free_packets);
/* The same, and the datagram itself goes. */
void store_free(struct reassembly *reassembly, uint32_t index, bool free_packets);

/* What a packet keeps others from: its buffers. */
uint64_t store_memory_of(const struct rte_mbuf *packet);

/*
 * Room for `memory` more in this domain and, when `except` is STORE_NONE, for one more
 * datagram; else for a fragment of that one, which stays. False: there is none.
 */
bool store_make_room(
	struct reassembly *reassembly, uint32_t domain, uint64_t memory, uint32_t except);

/* Puts a fragment behind the fragment `before`, STORE_NONE: first. There is room for it. */
void store_put(struct reassembly *reassembly, struct datagram *datagram,
	const struct fragment *fragment, uint32_t before);

#endif
