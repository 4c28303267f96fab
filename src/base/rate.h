/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate with a burst, shared by threads without locks: the generic cell rate algorithm. What
 * is kept is the time at which the next one would be due if they came evenly; it may run ahead
 * of the clock by a burst. Written only when one is let through.
 */
#ifndef WEFT_BASE_RATE_H
#define WEFT_BASE_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
	_Atomic uint64_t next; /* ns; 0 at first */
};

/* Lets one through, or not. now: ns; interval: ns between two of them on average. */
static inline bool
rate_allows(struct rate *rate, uint64_t now, uint64_t interval, unsigned burst)
{
	uint64_t next = atomic_load_explicit(&rate->next, memory_order_relaxed);

	for (;;) {
		uint64_t from = next > now ? next : now;

		if (from - now > interval * burst)
			return false;
		if (atomic_compare_exchange_weak_explicit(&rate->next, &next, from + interval,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	}
}

#endif
