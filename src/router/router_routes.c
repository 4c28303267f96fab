/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The routes of a router: what a change makes of them. What differs from the list in force goes
 * into the FIBs at the commit, whose memory has been reserved before.
 */
#include "base/error.h"
#include "router/route_list.h"

#include <stdlib.h>
#include <string.h>

/* ---- into the FIBs ------------------------------------------------------------------------------
 */

static void
count_difference(void *context, const struct weft_prefix *prefix, uint32_t hop)
{
	size_t *counts = context;

	(void)hop;
	counts[prefix->family == 4 ? 0 : 1]++;
}

static void
carry_out_difference(void *context, const struct weft_prefix *prefix, uint32_t hop)
{
	struct router *router = context;
	struct fib *fib = prefix->family == 4 ? &router->fib4 : &router->fib6;

	/* neither fails: prepare has reserved the memory */
	if (hop != 0)
		fib_set(fib, prefix->address, prefix->length, hop, NULL);
	else
		fib_clear(fib, prefix->address, prefix->length, NULL);
}

#define RECLAIM_EVERY 1024

/* The FIBs of a router that no worker knows: what an update replaces is free at once, so that
 * they take no more memory than they need. 0, or -1: no memory. */
static int
fill(struct router *router, const struct route_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct router_route *route = &list->routes[i];
		struct fib *fib = route->prefix.family == 4 ? &router->fib4 : &router->fib6;

		if (route->selected && fib_set(fib, route->prefix.address, route->prefix.length,
					       route->hop, NULL) < 0)
			return -1;
		if (i % RECLAIM_EVERY == 0 || i + 1 == list->count)
			fib_reclaim(fib);
	}
	router->filled = true;
	return 0;
}

static void
empty(struct router *router)
{
	fib_close(&router->fib4);
	fib_close(&router->fib6);
	fib_open(&router->fib4, FIB_IPV4);
	fib_open(&router->fib6, FIB_IPV6);
	router->filled = false;
}

/* All that the commit needs, so that it cannot fail. 0, or -1: no memory. */
static int
make_ready(struct router *router, const struct route_list *list)
{
	const struct route_list *before = atomic_load(&router->routes);
	size_t counts[2] = { 0 };

	if (before == NULL) {
		if (fill(router, list) == 0)
			return 0;
		empty(router);
		return -1;
	}
	route_list_each_difference(before, list, count_difference, counts);
	return fib_reserve(&router->fib4, counts[0]) < 0 ||
			       fib_reserve(&router->fib6, counts[1]) < 0
		       ? -1
		       : 0;
}

int
router_routes_prepare(
	struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct router *router = device->data;
	struct route_list *list = route_list_build(device);

	(void)change;
	if (list == NULL || make_ready(router, list) < 0) {
		route_list_free(list);
		return error_memory(error);
	}
	router->prepared = list;
	return 0;
}

void
router_routes_commit(struct router *router)
{
	router->replaced = atomic_load_explicit(&router->routes, memory_order_relaxed);
	if (!router->filled)
		route_list_each_difference(
			router->replaced, router->prepared, carry_out_difference, router);
	router->filled = false;
	atomic_store_explicit(&router->routes, router->prepared, memory_order_release);
	router->prepared = NULL;
}

void
router_routes_discard(struct router *router)
{
	route_list_free(router->prepared);
	router->prepared = NULL;
	if (router->filled)
		empty(router);
}

/* No worker uses the old next hops any more. */
void
router_routes_reclaim(struct router *router)
{
	fib_reclaim(&router->fib4);
	fib_reclaim(&router->fib6);
	route_list_free(router->replaced);
	router->replaced = NULL;
}

void
router_routes_free(struct router *router)
{
	static_routes_free(&router->statics);
	route_list_free(atomic_load(&router->routes));
	fib_close(&router->fib4);
	fib_close(&router->fib6);
}

/* ---- looking
 * -------------------------------------------------------------------------------------- */

const uint8_t *
router_any_source6(const struct router *router)
{
	const struct route_list *list = atomic_load_explicit(&router->routes, memory_order_acquire);

	return list != NULL && list->has_source6 ? list->source6 : NULL;
}

/* Length by length: some twenty steps each, however many routes there are. */
const struct router_route *
router_route_to(const struct router *router, uint8_t family, const uint8_t *address)
{
	const struct route_list *list = atomic_load_explicit(&router->routes, memory_order_acquire);
	struct weft_prefix prefix = { .family = family };
	const struct router_route *route = NULL;

	memcpy(prefix.address, address, router_address_bits(family) / 8);
	for (int length = (int)router_address_bits(family); length >= 0 && route == NULL;
		length--) {
		if (length < (int)router_address_bits(family))
			prefix.address[length / 8] &= (uint8_t) ~(0x80 >> length % 8);
		prefix.length = (uint8_t)length;
		route = route_list_find(list, &prefix);
	}
	return route;
}
