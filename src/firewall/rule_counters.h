/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rules have matched, by rule id. Each worker writes its own (no shared line is written per
 * packet); readers add up all workers'. The arrays are address space for every rule that there
 * can be: pages that nobody counts in cost nothing.
 *
 * A place notes whose id it counts for: the first packet of a rule that has come to an index of
 * another sets it back. So nobody but the worker ever writes.
 */
#ifndef WEFT_FIREWALL_RULE_COUNTERS_H
#define WEFT_FIREWALL_RULE_COUNTERS_H

#include "graph/id.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rule_count {
	uint64_t packets, bytes;
	uint64_t last;    /* ns of the engine's clock, of the last packet; 0: none */
	uint64_t refused; /* packets of `packets` that were over a limit of the rule */
};

struct rule_counter {
	_Atomic uint32_t id; /* 0: nobody's */
	uint32_t logged;     /* its worker's: when it was told of last, in 2^20 ns */
	_Atomic uint64_t packets, bytes, last;
};

/* Of rules with a limit. */
struct rule_refusals {
	_Atomic uint32_t id; /* 0: nobody's */
	_Atomic uint64_t packets;
};

/* One worker's. */
struct rule_counters {
	struct rule_counter by_index[ID_INDEX_COUNT];
	struct rule_refusals refusals[ID_INDEX_COUNT];
};

/* NULL: no address space. */
struct rule_counters *rule_counters_open(void);
void rule_counters_close(struct rule_counters *counters);

/* Sums over the workers', `n` of them. Any thread. */
void rule_counters_sum(const struct rule_counters *const *workers, unsigned n, uint32_t id,
	struct rule_count *sum);

/* Worker: the place has counted for another. */
void rule_counter_begin(struct rule_counter *counter, uint32_t id);

static inline void
rule_counter_raise(_Atomic uint64_t *counter, uint64_t by)
{
	/* only its worker writes: no locked instruction */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
		memory_order_relaxed);
}

/* Worker: a packet of `bytes` bytes is judged by the rule. */
static inline void
rule_count_hit(struct rule_counters *counters, uint32_t id, uint32_t bytes, uint64_t now)
{
	struct rule_counter *counter = &counters->by_index[id_index(id)];

	if (__builtin_expect(atomic_load_explicit(&counter->id, memory_order_relaxed) != id, 0))
		rule_counter_begin(counter, id);
	rule_counter_raise(&counter->packets, 1);
	rule_counter_raise(&counter->bytes, bytes);
	atomic_store_explicit(&counter->last, now, memory_order_relaxed);
}

/* Worker: it was over a limit of the rule. */
void rule_count_refused(struct rule_counters *counters, uint32_t id);

/* Worker: whether something may be told of a packet that the rule judges, which was counted: once
 * in `interval` ns. */
static inline bool
rule_counter_may_log(struct rule_counters *counters, uint32_t id, uint64_t now, uint64_t interval)
{
	struct rule_counter *counter = &counters->by_index[id_index(id)];
	uint32_t tick = (uint32_t)(now >> 20) | 1;

	if (counter->logged != 0 && tick - counter->logged < interval >> 20)
		return false;
	counter->logged = tick;
	return true;
}

#endif
