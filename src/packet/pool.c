/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/packet.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

/*
 * rte_pktmbuf_pool_create() lets no buffer lie across a page, so that without hugepages each
 * takes a page of its own, and all headers fall into the same set of the processor's cache.
 * Only devices that know physical addresses need that.
 */
struct rte_mempool *
packet_pool_create(const char *name, unsigned count, unsigned cache, uint16_t room)
{
	/* whole lines, so that the headers begin at the beginning of one */
	const uint16_t private_size = RTE_CACHE_LINE_ROUNDUP(sizeof(struct packet_meta));
	struct rte_pktmbuf_pool_private data = {
		.mbuf_data_room_size = (uint16_t)(PACKET_HEADROOM + room),
		.mbuf_priv_size = private_size,
	};
	unsigned flags = rte_eal_iova_mode() == RTE_IOVA_VA ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
	struct rte_mempool *pool = rte_mempool_create_empty(name, count,
		(unsigned)sizeof(struct rte_mbuf) + private_size + data.mbuf_data_room_size, cache,
		sizeof(data), SOCKET_ID_ANY, flags);

	if (pool == NULL)
		return NULL;
	rte_pktmbuf_pool_init(pool, &data);
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0 ||
		rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		rte_errno = ENOMEM;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}
