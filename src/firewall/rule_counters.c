/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule_counters.h"

#include <sys/mman.h>

struct rule_counters *
rule_counters_open(void)
{
	void *memory = mmap(NULL, sizeof(struct rule_counters), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void
rule_counters_close(struct rule_counters *counters)
{
	if (counters != NULL)
		munmap(counters, sizeof(*counters));
}

void
rule_counter_begin(struct rule_counter *counter, uint32_t id)
{
	atomic_store_explicit(&counter->id, 0, memory_order_relaxed);
	/* whoever sees a new number sees that the id has gone */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&counter->packets, 0, memory_order_relaxed);
	atomic_store_explicit(&counter->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&counter->last, 0, memory_order_relaxed);
	counter->logged = 0;
	atomic_store_explicit(&counter->id, id, memory_order_release);
}

static void
add(const struct rule_counter *counter, uint32_t id, struct rule_count *sum)
{
	struct rule_count one;

	if (atomic_load_explicit(&counter->id, memory_order_acquire) != id)
		return;
	one.packets = atomic_load_explicit(&counter->packets, memory_order_relaxed);
	one.bytes = atomic_load_explicit(&counter->bytes, memory_order_relaxed);
	one.last = atomic_load_explicit(&counter->last, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&counter->id, memory_order_relaxed) != id)
		return;
	sum->packets += one.packets;
	sum->bytes += one.bytes;
	if (one.last > sum->last)
		sum->last = one.last;
}

void
rule_count_refused(struct rule_counters *counters, uint32_t id)
{
	struct rule_refusals *refusals = &counters->refusals[id_index(id)];

	if (atomic_load_explicit(&refusals->id, memory_order_relaxed) != id) {
		atomic_store_explicit(&refusals->id, 0, memory_order_relaxed);
		/* as rule_counter_begin() */
		atomic_thread_fence(memory_order_release);
		atomic_store_explicit(&refusals->packets, 0, memory_order_relaxed);
		atomic_store_explicit(&refusals->id, id, memory_order_release);
	}
	rule_counter_raise(&refusals->packets, 1);
}

static uint64_t
refused(const struct rule_refusals *refusals, uint32_t id)
{
	uint64_t packets;

	if (atomic_load_explicit(&refusals->id, memory_order_acquire) != id)
		return 0;
	packets = atomic_load_explicit(&refusals->packets, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&refusals->id, memory_order_relaxed) == id ? packets : 0;
}

void
rule_counters_sum(
	const struct rule_counters *const *workers, unsigned n, uint32_t id, struct rule_count *sum)
{
	*sum = (struct rule_count){ 0 };
	for (unsigned i = 0; i < n; i++) {
		add(&workers[i]->by_index[id_index(id)], id, sum);
		sum->refused += refused(&workers[i]->refusals[id_index(id)], id);
	}
}
