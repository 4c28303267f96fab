/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/dpdk_pool.h"

#include "base/error.h"
#include "graph/engine.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_kvargs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_SIZE 256
/* Packets on their way through the graph and in the descriptors of others. */
#define UNDER_WAY 2048
#define LEFT_LIMIT 64

/* Pools of devices that have gone. */
static struct left_pool {
	struct rte_mempool *pool; /* NULL: none */
	unsigned lost;            /* buffers that do not come home */
} left[LEFT_LIMIT];
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- net_pcap's infinite_rx ----------------------------------------------------------------- */

/* infinite_rx keeps every frame of the file in an mbuf of its own. -1: not readable. */
static int
count_frames(const char *file, struct weft_error *error)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_open_offline(file, reason);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int count = 0;

	if (pcap == NULL)
		return error_set(error, EINVAL, "%s", reason);
	while (pcap_next_ex(pcap, &header, &bytes) == 1)
		count++;
	pcap_close(pcap);
	return count;
}

struct pcap_frames {
	struct weft_error *error;
	unsigned count;
};

static int
add_frames(const char *key, const char *file, void *context)
{
	struct pcap_frames *frames = context;
	int count = count_frames(file, frames->error);

	if (count < 0)
		return -1;
	frames->count += (unsigned)count;
	return 0;
}

static int
is_set(const char *key, const char *value, void *context)
{
	*(bool *)context = value != NULL && strtoul(value, NULL, 0) != 0;
	return 0;
}

/* Frames that the device keeps for itself; 0 for all but net_pcap with infinite_rx. */
static int
kept_frames(const char *devargs, struct weft_error *error)
{
	struct pcap_frames frames = { .error = error };
	struct rte_devargs parsed;
	struct rte_kvargs *arguments;
	bool infinite = false;
	int result = 0;

	if (rte_devargs_parse(&parsed, devargs) != 0)
		return 0;
	arguments = strncmp(parsed.name, "net_pcap", strlen("net_pcap")) == 0
			    ? rte_kvargs_parse(parsed.args, NULL)
			    : NULL;
	free(parsed.data); /* rte_devargs_reset() is not in the stable ABI yet */
	if (arguments == NULL)
		return 0;
	rte_kvargs_process(arguments, "infinite_rx", is_set, &infinite);
	if (infinite)
		result = rte_kvargs_process(arguments, "rx_pcap", add_frames, &frames);
	rte_kvargs_free(arguments);
	return result < 0 ? -1 : (int)frames.count;
}

/* ---- pools ------------------------------------------------------------------------------------
 */

/* Frees the left ones whose packets are all back; they get no more from then on. */
static void
sweep(struct weft *weft)
{
	pthread_mutex_lock(&left_lock);
	for (unsigned i = 0; i < LEFT_LIMIT; i++) {
		if (left[i].pool == NULL || rte_mempool_in_use_count(left[i].pool) > left[i].lost)
			continue;
		/* the worker that freed the last one may be inside the pool still */
		engine_synchronize(weft);
		rte_mempool_free(left[i].pool);
		left[i].pool = NULL;
	}
	pthread_mutex_unlock(&left_lock);
}

/* Room for a frame in one buffer, unless the device can spread it over several. */
static uint16_t
data_room(const struct weft_nic *nic, const struct rte_eth_dev_info *info)
{
	uint32_t frame = nic->mtu + DPDK_FRAME_OVERHEAD;

	if (frame <= PACKET_SMALL_ROOM || info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER)
		frame = PACKET_SMALL_ROOM;
	return (uint16_t)RTE_MIN(frame, (uint32_t)PACKET_LARGE_ROOM);
}

struct rte_mempool *
dpdk_pool_take(struct weft_nic *nic, const struct rte_eth_dev_info *info, unsigned descriptors,
	struct weft_error *error)
{
	static unsigned serial;
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;
	unsigned count;
	int kept = kept_frames(nic->config->devargs, error);

	if (kept < 0)
		return NULL;
	sweep(nic->weft);
	count = descriptors + (unsigned)kept + UNDER_WAY + nic->weft->n_workers * 2 * CACHE_SIZE;
	snprintf(name, sizeof(name), "dpdk-%u", __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED));
	pool = packet_pool_create(name, count, CACHE_SIZE, data_room(nic, info));
	if (pool == NULL)
		error_errno(error, rte_errno,
			"%s: no packet memory for %u buffers (give the engine more)",
			nic->config->devargs, count);
	return pool;
}

void
dpdk_pool_give(struct weft *weft, struct rte_mempool *pool, unsigned lost)
{
	unsigned i;

	pthread_mutex_lock(&left_lock);
	for (i = 0; i < LEFT_LIMIT && left[i].pool != NULL; i++)
		;
	if (i < LEFT_LIMIT) /* else it is lost: memory, but nobody's packet */
		left[i] = (struct left_pool){ pool, lost };
	pthread_mutex_unlock(&left_lock);
	sweep(weft);
}
