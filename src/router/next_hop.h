/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops: what a FIB's leaves are ids of. One table for all routers; equal ones are one
 * object with several users, so that a million routes by ten gateways are ten next hops.
 *
 * Ids have generations (graph/id.h): a leaf of something that is gone is found out.
 *
 * Groups (ECMP)
 *	A group shares packets by their flow hash among its members, through a table of buckets.
 *	When members come or go, only as many buckets change as must (resilient hashing): flows
 *	by the others stay where they are. Backups carry packets only while no primary can.
 *	A member can if its port has something attached that is up and its gateway has not
 *	failed to answer.
 *
 * Threads: workers read, under RCU, without locks; hop_group_balance changes buckets under
 * their eyes, each by one store. All else is for control threads. What is released goes at
 * once: release only what no worker can reach any more.
 */
#ifndef WEFT_ROUTER_NEXT_HOP_H
#define WEFT_ROUTER_NEXT_HOP_H

#include "graph/id.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/weft.h>

struct weft_network;

enum hop_kind {
	HOP_NONE,
	HOP_LOCAL,     /* one of the router's own addresses */
	HOP_BROADCAST, /* of a connected network: for the router itself, and nobody else */
	HOP_CLAIMED,   /* the guard answers for it */
	HOP_CONNECTED, /* the destination is a neighbour on the port */
	HOP_GATEWAY,
	HOP_GROUP,
	HOP_BLACKHOLE,
	HOP_UNREACHABLE,
	HOP_PROHIBIT,
};

/* What makes two of them equal. */
struct hop_key {
	uint8_t kind;        /* enum hop_kind, no HOP_GROUP */
	uint8_t family;      /* GATEWAY: of it */
	uint16_t everywhere; /* CLAIMED: asked for by ARP or ND at any port, it is answered */
	uint32_t vport;      /* id; LOCAL, BROADCAST, CONNECTED, GATEWAY */
	uint8_t gateway[16]; /* GATEWAY; unused bytes zero */
};

struct hop_group {
	uint32_t mask; /* number of buckets - 1 */
	uint16_t n_members;
	uint16_t n_primaries; /* the first of the members */
	uint32_t *members;    /* ids, each held */
	_Atomic uint32_t buckets[];
};

struct next_hop {
	uint32_t id;        /* 0: free */
	uint32_t neighbour; /* GATEWAY: its id, pinned */
	struct hop_key key;
	struct hop_group *group; /* HOP_GROUP */
	/* control side */
	uint32_t references;
	uint32_t hash_next; /* index + 1 of the next one in the bucket of the interning table */
} __attribute__((aligned(64)));

extern struct next_hop *next_hops; /* by index */

int next_hops_open(void);
void next_hops_close(void);

/* Workers. NULL: it is gone, or id is 0. */
static inline const struct next_hop *
next_hop_get(uint32_t id)
{
	const struct next_hop *hop = &next_hops[id_index(id)];

	return hop->id == id && id != 0 ? hop : NULL;
}

/* Workers. The member of a group that packets of that flow take; 0: it has none. */
static inline uint32_t
hop_group_choose(const struct hop_group *group, uint32_t flow_hash)
{
	return atomic_load_explicit(&group->buckets[flow_hash & group->mask], memory_order_acquire);
}

/*
 * The id of a next hop with that key, with one more user. network: whose neighbour a gateway
 * is. 0: no memory, or too many.
 */
uint32_t next_hop_hold(const struct hop_key *key, struct weft_network *network);
/*
 * A group of `n` members, the first n_primaries of them not backups; holds them itself. One
 * with the same members in the same roles is the same group. `before`, if not 0, is a group
 * whose flows shall stay where they are as far as can be.
 */
uint32_t next_hop_hold_group(
	const uint32_t *members, unsigned n, unsigned n_primaries, uint32_t before);
void next_hop_hold_again(uint32_t id);
void next_hop_release(uint32_t id);

/*
 * Gives each bucket of each group a member that can carry packets, as few as possible anew.
 * `can` tells of a next hop that is no group.
 */
void next_hops_balance(bool (*can)(void *context, const struct next_hop *hop), void *context);

/*
 * For looking: copies of the next hop, or of a group's members in their order, the first
 * n_primaries of them not backups. Returns how many; 0: it is gone, or id is 0.
 */
#define NEXT_HOP_MEMBERS (2 * WEFT_ROUTE_HOPS)
unsigned next_hop_read(uint32_t id, struct next_hop hops[NEXT_HOP_MEMBERS], unsigned *n_primaries);

unsigned next_hops_count(void);
/* Bytes of the table in use, groups included. */
size_t next_hops_memory(void);

#endif
