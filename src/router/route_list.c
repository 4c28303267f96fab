/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/route_list.h"

#include <stdlib.h>
#include <string.h>

int
route_prefix_compare(const struct weft_prefix *a, const struct weft_prefix *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	order = memcmp(a->address, b->address, sizeof(a->address));
	if (order != 0)
		return order;
	return (int)a->length - (int)b->length;
}

const struct router_route *
route_list_find(const struct route_list *list, const struct weft_prefix *prefix)
{
	size_t low = 0, high = list != NULL ? list->count : 0;

	/* the first one of the prefix, which alone may be in force */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (route_prefix_compare(&list->routes[middle].prefix, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (list == NULL || low == list->count || !list->routes[low].selected ||
		route_prefix_compare(&list->routes[low].prefix, prefix) != 0)
		return NULL;
	return &list->routes[low];
}

/* By prefix; the best of one prefix first. */
static int
compare_routes(const void *one, const void *other)
{
	const struct router_route *a = one, *b = other;
	int order = route_prefix_compare(&a->prefix, &b->prefix);

	if (order != 0)
		return order;
	if ((a->hop == 0) != (b->hop == 0))
		return a->hop == 0 ? 1 : -1;
	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return a->hop < b->hop ? -1 : a->hop > b->hop;
}

void
route_list_select(struct route_list *list)
{
	qsort(list->routes, list->count, sizeof(list->routes[0]), compare_routes);
	for (size_t i = 0; i < list->count; i++)
		list->routes[i].selected =
			list->routes[i].hop != 0 &&
			(i == 0 || route_prefix_compare(&list->routes[i - 1].prefix,
					   &list->routes[i].prefix) != 0);
}

void
route_list_free(struct route_list *list)
{
	for (size_t i = 0; list != NULL && i < list->count; i++)
		next_hop_release(list->routes[i].hop);
	free(list);
}

static const struct router_route *
next_selected(const struct route_list *list, size_t *at)
{
	while (list != NULL && *at < list->count) {
		const struct router_route *route = &list->routes[*at];

		if (route->selected)
			return route;
		++*at;
	}
	return NULL;
}

void
route_list_each_difference(const struct route_list *before, const struct route_list *after,
	void (*differ)(void *context, const struct weft_prefix *prefix, uint32_t hop),
	void *context)
{
	size_t i = 0, j = 0;

	for (;;) {
		const struct router_route *old = next_selected(before, &i);
		const struct router_route *new = next_selected(after, &j);
		int order = old == NULL   ? 1
			    : new == NULL ? -1
					  : route_prefix_compare(&old->prefix, &new->prefix);

		if (old == NULL && new == NULL)
			return;
		if (order < 0)
			differ(context, &old->prefix, 0);
		else if (order > 0 || old->hop != new->hop)
			differ(context, &new->prefix, new->hop);
		i += order <= 0;
		j += order >= 0;
	}
}
