/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/counters.h"

#include "graph/id.h"

#include <string.h>
#include <sys/mman.h>

#define VPORTS_BYTES (ID_INDEX_COUNT * sizeof(struct vport_counters))
#define DROPS_BYTES (ID_INDEX_COUNT * sizeof(struct vport_drops))

static void *
reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int
counters_open(struct counters *counters)
{
	counters->vports = reserve(VPORTS_BYTES);
	counters->drops = reserve(DROPS_BYTES);
	if (counters->vports != NULL && counters->drops != NULL)
		return 0;
	counters_close(counters);
	return -1;
}

void
counters_close(struct counters *counters)
{
	if (counters->vports != NULL)
		munmap(counters->vports, VPORTS_BYTES);
	if (counters->drops != NULL)
		munmap(counters->drops, DROPS_BYTES);
	counters->vports = NULL;
	counters->drops = NULL;
}

static uint64_t
peek(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void
counters_add_drops(struct vport_drops *sum, const struct vport_drops *more)
{
	for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
		sum->by_reason[reason] += peek(&more->by_reason[reason]);
}

void
counters_sum(const struct counters *const *workers, unsigned n, uint32_t index,
	struct vport_counters *sum, struct vport_drops *drops)
{
	memset(sum, 0, sizeof(*sum));
	memset(drops, 0, sizeof(*drops));
	for (unsigned i = 0; i < n; i++) {
		const struct vport_counters *one = &workers[i]->vports[index];

		sum->in_packets += peek(&one->in_packets);
		sum->in_bytes += peek(&one->in_bytes);
		sum->out_packets += peek(&one->out_packets);
		sum->out_bytes += peek(&one->out_bytes);
		counters_add_drops(drops, &workers[i]->drops[index]);
	}
}
