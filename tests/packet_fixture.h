/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of packets share: an environment and pools without privileges, packets out of
 * bytes in any number of segments, and checksums done the slow way.
 */
#ifndef WEFT_TESTS_PACKET_FIXTURE_H
#define WEFT_TESTS_PACKET_FIXTURE_H

#include "packet/packet.h"

#include <rte_eal.h>
#include <stdlib.h>
#include <string.h>

static struct packet_pools pools;

static inline struct rte_mempool *
fixture_pool(const char *name, unsigned count, unsigned room)
{
	return rte_pktmbuf_pool_create(name, count, 0,
		RTE_ALIGN(sizeof(struct packet_meta), RTE_MBUF_PRIV_ALIGN), PACKET_HEADROOM + room,
		SOCKET_ID_ANY);
}

/* No hugepages, no shared files, no devices. */
static inline void
fixture_open(void)
{
	char *arguments[] = { "test", "--no-huge", "--no-shconf", "--no-pci", "-m", "64",
		"--no-telemetry", "--log-level=error", "-l", "0" };

	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0)
		abort();
	pools.small = fixture_pool("small", 4095, PACKET_SMALL_ROOM);
	pools.large = fixture_pool("large", 127, PACKET_LARGE_ROOM);
	if (pools.small == NULL || pools.large == NULL)
		abort();
}

/* True when every buffer is back. */
static inline bool
fixture_nothing_lost(void)
{
	return rte_mempool_full(pools.small) && rte_mempool_full(pools.large);
}

/* A packet in segments of at most `piece` bytes each. */
static inline struct rte_mbuf *
fixture_chain(const uint8_t *bytes, size_t length, size_t piece)
{
	struct rte_mbuf *first = NULL, *last = NULL;
	size_t offset = 0;

	do {
		size_t n = length - offset < piece ? length - offset : piece;
		struct rte_mbuf *segment =
			rte_pktmbuf_alloc(n <= PACKET_SMALL_ROOM ? pools.small : pools.large);

		if (segment == NULL || n > PACKET_LARGE_ROOM)
			abort();
		memcpy(rte_pktmbuf_mtod(segment, void *), bytes + offset, n);
		segment->data_len = n;
		if (first == NULL)
			first = segment;
		else
			last->next = segment;
		last = segment;
		offset += n;
		first->nb_segs += first == segment ? 0 : 1;
	} while (offset < length);
	first->pkt_len = length;
	packet_meta_reset(first);
	return first;
}

static inline size_t
fixture_bytes(const struct rte_mbuf *packet, uint8_t *to)
{
	size_t length = 0;

	for (; packet != NULL; packet = packet->next) {
		memcpy(to + length, rte_pktmbuf_mtod(packet, const void *),
			rte_pktmbuf_data_len(packet));
		length += rte_pktmbuf_data_len(packet);
	}
	return length;
}

/* The Internet checksum by the book (RFC 1071, 1), in 64 bits, byte by byte; host order. */
static inline uint64_t
slow_sum(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : (uint64_t)bytes[i] << 8;
	return sum;
}

static inline uint16_t
slow_fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

#endif
