/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The static routes of a router, as the open change leaves them: by prefix, in little memory.
 * Routes with the same next hops share one list of them, so that a million routes by ten
 * gateways are a million small records and ten lists.
 *
 * Threads: the one that has the change.
 */
#ifndef WEFT_ROUTER_STATIC_ROUTE_H
#define WEFT_ROUTER_STATIC_ROUTE_H

#include "base/hash.h"
#include "base/name_map.h"

#include <weft/weft.h>

struct static_hop {
	struct weft_prefix gateway; /* family 0: none */
	char *port;                 /* its name; NULL: any */
};

struct static_hops {
	char *key; /* in words: what makes two lists equal */
	uint32_t references;
	uint16_t n_hops, n_backups;
	void *resolved;           /* the user's, while it works the routes out; NULL otherwise */
	struct static_hop hops[]; /* backups behind */
};

struct static_route {
	struct weft_prefix prefix;
	uint8_t kind; /* enum weft_route_kind */
	uint8_t preference;
	uint32_t metric;
	struct static_hops *hops; /* NULL: it does not forward */
};

/* All zero is an empty set. */
struct static_routes {
	struct static_route **slots; /* by a keyed hash of the prefix, open addressing */
	size_t capacity, count;      /* capacity: a power of two, or 0 */
	struct hash_key hash;
	struct name_map hops; /* key -> static_hops */
};

/* NULL: there is none. */
struct static_route *static_routes_get(
	const struct static_routes *routes, const struct weft_prefix *prefix);
/* Walks them in no order: start with *at = 0; NULL at the end. */
struct static_route *static_routes_next(const struct static_routes *routes, size_t *at);
void static_routes_free(struct static_routes *routes);

/* Each list of next hops, likewise. */
struct static_hops *static_routes_next_hops(const struct static_routes *routes, size_t *at);

#endif
