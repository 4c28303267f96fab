/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/port_set.h"

#include <stdlib.h>
#include <string.h>

static int
compare(const void *a, const void *b)
{
	const struct weft_port_range *x = a, *y = b;

	return x->first != y->first ? (x->first < y->first ? -1 : 1) : 0;
}

/* Those that touch or overlap become one. */
static void
merge(struct port_set *set)
{
	uint32_t kept = 0;

	for (uint32_t i = 1; i < set->count; i++) {
		struct weft_port_range *last = &set->ranges[kept], *next = &set->ranges[i];

		if (next->first <= last->last + 1u)
			last->last = next->last > last->last ? next->last : last->last;
		else
			set->ranges[++kept] = *next;
	}
	if (set->count > 0)
		set->count = kept + 1;
}

struct port_set *
port_set_create(const struct weft_port_range *ranges, size_t count)
{
	struct port_set *set = calloc(1, sizeof(*set) + count * sizeof(*ranges));

	if (set == NULL)
		return NULL;
	set->count = (uint32_t)count;
	if (count > 0)
		memcpy(set->ranges, ranges, count * sizeof(*ranges));
	qsort(set->ranges, count, sizeof(*ranges), compare);
	merge(set);
	return set;
}

void
port_set_free(struct port_set *set)
{
	free(set);
}

bool
port_set_same(const struct port_set *a, const struct port_set *b)
{
	return a->count == b->count &&
	       memcmp(a->ranges, b->ranges, a->count * sizeof(*a->ranges)) == 0;
}

const struct weft_port_range *
port_set_find(const struct port_set *set, uint16_t port)
{
	uint32_t low = 0, high = set->count;

	/* the first that does not end before the port */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->ranges[middle].last < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && set->ranges[low].first <= port ? &set->ranges[low] : NULL;
}
