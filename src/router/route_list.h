/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of a router's routes: sorted by prefix, the best of each prefix first and in force. A
 * change makes a new one; what is made is not changed any more, and holds its next hops.
 *
 * Threads: control; route_list_find on workers, too, under RCU.
 */
#ifndef WEFT_ROUTER_ROUTE_LIST_H
#define WEFT_ROUTER_ROUTE_LIST_H

#include "router/router_objects.h"

/* (route_build.c) The list that follows from the ports and static routes as the open change leaves
 * them. NULL: no memory. */
struct route_list *route_list_build(struct weft_device *device);
void route_list_free(struct route_list *list);

/* As memcmp: by family, address, length. */
int route_prefix_compare(const struct weft_prefix *a, const struct weft_prefix *b);
/* Sorts, and says which are in force: of each prefix the best that leads somewhere. */
void route_list_select(struct route_list *list);
/* The route in force for exactly this prefix; NULL: none. */
const struct router_route *route_list_find(
	const struct route_list *list, const struct weft_prefix *prefix);
/*
 * Calls differ(context, prefix, hop) for each prefix whose next hop is another one after than
 * before; hop 0: it has none any more. Lists may be NULL.
 */
void route_list_each_difference(const struct route_list *before, const struct route_list *after,
	void (*differ)(void *context, const struct weft_prefix *prefix, uint32_t hop),
	void *context);

#endif
