/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly of what was sent to a device itself in fragments, both families. What a router
 * only forwards is not reassembled.
 *
 * Datagrams
 *	are told apart by (domain, addresses, protocol, id), IPv6 ones without the protocol
 *	(RFC 8200, 4.5); the domain is a number of the caller's. Found by a keyed hash. Any
 *	overlap drops the whole datagram, and what comes of it later (RFC 5722, for IPv4, too);
 *	an exact duplicate is dropped alone. A first fragment must hold the headers down to the
 *	transport's (RFC 7112, RFC 1858). An atomic fragment is no other fragment's (RFC 6946).
 *
 * Bounds
 *	What is held is bounded in datagrams and in memory (of buffers, not of bytes in them:
 *	ten bytes hold a buffer of two kilobytes), per domain and in all. At its own bound a
 *	domain loses its oldest datagram, at the common one, too, and only a domain that holds
 *	nothing takes the oldest of all: a flood in one domain costs that domain. Everything is
 *	allocated when the object is made.
 *
 * Threads: one at a time. Time is the caller's, in ns, and does not go backwards.
 */
#ifndef WEFT_PACKET_REASSEMBLE_H
#define WEFT_PACKET_REASSEMBLE_H

#include "packet/packet.h"

#define REASSEMBLY_TIMEOUT (30 * 1000000000ull) /* at least 15 s (RFC 791); 60 s by RFC 8200 */
#define REASSEMBLY_FRAGMENTS 128                /* of one datagram: with 576 bytes each, 119 */

struct reassembly;

struct reassembly_limits {
	uint32_t datagrams, domain_datagrams;
	uint64_t bytes, domain_bytes;
	uint64_t timeout; /* since a datagram's first arrival */
};

enum reassembly_result {
	REASSEMBLY_WAITING, /* taken */
	REASSEMBLY_WHOLE,   /* *packet is the datagram, in a chain, its metadata parsed anew */
	/* not taken, the caller drops it; errors that RFC 8200, 4.5 wants for IPv6 are named */
	REASSEMBLY_DUPLICATE,
	REASSEMBLY_OVERLAP,    /* of this or of an earlier fragment: the datagram is dropped */
	REASSEMBLY_BAD_LENGTH, /* empty, or not the last and no multiple of 8: Parameter Problem
				* code 0, pointer 4 */
	REASSEMBLY_TOO_LONG,   /* more than a frame of 65,535 bytes: Parameter Problem code 0,
				* pointer at the fragment offset */
	REASSEMBLY_TINY,       /* Parameter Problem code 3 (RFC 7112) */
	REASSEMBLY_BAD_ECN,    /* RFC 3168, 5.3: the datagram is dropped */
	REASSEMBLY_LIMIT,      /* no room for it within the limits, or too many fragments */
	REASSEMBLY_NO_BUFFER,  /* *packet is NULL, the datagram is dropped */
};

/* NULL: no memory, or limits of zero. */
struct reassembly *reassembly_create(const struct reassembly_limits *limits);
void reassembly_free(struct reassembly *reassembly);

/*
 * A fragment that has passed ip4_check() or ip6_check(). What is no fragment is WHOLE as it
 * is. *packet is the caller's unless the result is WAITING; NULL where nothing is left of it.
 */
enum reassembly_result reassembly_add(struct reassembly *reassembly, struct packet_pools *pools,
	uint32_t domain, struct rte_mbuf **packet, uint16_t l3, uint64_t now);
/* The same of a fragment that was flooded: only those of one number `copy` are put together. */
enum reassembly_result reassembly_add_copy(struct reassembly *reassembly,
	struct packet_pools *pools, uint32_t domain, uint32_t copy, struct rte_mbuf **packet,
	uint16_t l3, uint64_t now);

struct reassembly_expired {
	uint32_t domain;
	uint16_t l3;
	struct rte_mbuf *first; /* the first fragment, the caller's now: due is Time Exceeded
				 * code 1 (RFC 792; RFC 8200, 4.5). NULL: it has not come */
	unsigned fragments;     /* that have come, the first included */
};

/* Takes one datagram out whose time is over; false: there is none. */
bool reassembly_expire(
	struct reassembly *reassembly, uint64_t now, struct reassembly_expired *expired);
/* When there will be one; UINT64_MAX: never. */
uint64_t reassembly_deadline(const struct reassembly *reassembly);

/* A domain has gone. */
void reassembly_forget(struct reassembly *reassembly, uint32_t domain);

struct reassembly_state {
	uint32_t datagrams, domains;
	uint64_t bytes;
	uint64_t dropped; /* fragments ever dropped that had been taken, expired ones not counted */
};

void reassembly_state(const struct reassembly *reassembly, struct reassembly_state *state);

#endif
