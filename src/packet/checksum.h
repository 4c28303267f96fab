/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Internet checksum arithmetic (RFC 1071, RFC 1624). Sums are of 16-bit words in memory
 * order, so results go into headers as they are.
 */
#ifndef WEFT_PACKET_CHECKSUM_H
#define WEFT_PACKET_CHECKSUM_H

#include "packet/packet.h"

/* Sum over a range of a packet, chains included. The range must lie inside. */
uint32_t checksum_sum_packet(const struct rte_mbuf *packet, unsigned offset, unsigned length);
uint32_t checksum_sum(const void *bytes, size_t length);
/* Folds to 16 bits; not complemented. */
uint16_t checksum_fold(uint32_t sum);

/* RFC 1624 (eqn 3): the checksum after `length` bytes (even) changed from old to new. */
uint16_t checksum_update(
	uint16_t checksum, const void *old_bytes, const void *new_bytes, size_t length);

#endif
