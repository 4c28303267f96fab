/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/checksum.h"

#include <rte_ip.h>
#include <string.h>

uint16_t
checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint32_t
checksum_sum(const void *bytes, size_t length)
{
	return rte_raw_cksum(bytes, length);
}

/* rte_raw_cksum_mbuf() of DPDK 22.11 swaps an unfolded sum where a segment is odd. */
uint32_t
checksum_sum_packet(const struct rte_mbuf *packet, unsigned offset, unsigned length)
{
	unsigned done = 0;
	uint32_t sum = 0;

	while (offset > 0 && offset >= rte_pktmbuf_data_len(packet)) {
		offset -= rte_pktmbuf_data_len(packet);
		packet = packet->next;
	}
	for (; done < length; packet = packet->next, offset = 0) {
		unsigned n = RTE_MIN(length - done, rte_pktmbuf_data_len(packet) - offset);
		uint16_t part =
			rte_raw_cksum(rte_pktmbuf_mtod_offset(packet, const uint8_t *, offset), n);

		/* RFC 1071, 2 (B): behind an odd number of bytes the sum is the swapped one */
		sum += done & 1 ? rte_bswap16(part) : part;
		done += n;
	}
	return sum;
}

uint16_t
checksum_update(uint16_t checksum, const void *old_bytes, const void *new_bytes, size_t length)
{
	const uint8_t *from = old_bytes, *to = new_bytes;
	uint32_t sum = (uint16_t)~checksum;

	for (size_t i = 0; i + 1 < length; i += 2) {
		uint16_t before, after;

		memcpy(&before, from + i, sizeof(before));
		memcpy(&after, to + i, sizeof(after));
		sum += (uint16_t)~before;
		sum += after;
	}
	return (uint16_t)~checksum_fold(sum);
}
