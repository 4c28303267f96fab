/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets for harnesses: DPDK's memory is not the sanitizer's, so what lies behind the bytes
 * of each segment is poisoned by hand.
 */
#ifndef WEFT_FUZZ_PACKET_H
#define WEFT_FUZZ_PACKET_H

#include "../packet_fixture.h"

#include <sanitizer/asan_interface.h>
#include <stdint.h>

static inline void
fuzz_guard(const struct rte_mbuf *packet, bool guard)
{
	for (; packet != NULL; packet = packet->next) {
		const uint8_t *end =
			rte_pktmbuf_mtod(packet, const uint8_t *) + rte_pktmbuf_data_len(packet);

		if (guard)
			ASAN_POISON_MEMORY_REGION(end, rte_pktmbuf_tailroom(packet));
		else
			ASAN_UNPOISON_MEMORY_REGION(end, rte_pktmbuf_tailroom(packet));
	}
}

/* Every buffer usable again, after whatever became of guarded packets. */
static inline void
fuzz_unguard_object(struct rte_mempool *pool, void *opaque, void *object, unsigned index)
{
	(void)opaque;
	(void)index;
	ASAN_UNPOISON_MEMORY_REGION(object, pool->elt_size);
}

static inline void
fuzz_end(void)
{
	if (!fixture_nothing_lost())
		abort();
	rte_mempool_obj_iter(pools.small, fuzz_unguard_object, NULL);
	rte_mempool_obj_iter(pools.large, fuzz_unguard_object, NULL);
}

static inline void
fuzz_open(void)
{
	static bool open;

	if (!open)
		fixture_open();
	open = true;
}

#endif
