/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bundles against the slow way: cut at once, or made one and taken apart first, a super-packet
 * becomes the same datagrams. Take packets of `pools`, and give the buffers back.
 */
#ifndef WEFT_TESTS_BUNDLE_ORACLE_H
#define WEFT_TESTS_BUNDLE_ORACLE_H

#include "packet/bundle.h"
#include "packet/encapsulate.h"
#include "packet/layout.h"
#include "packet/offload.h"
#include "packet_fixture.h"

#include <stdio.h>

#define ORACLE_PIECES 256

static inline void
oracle_require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* The same bytes, pieces of memory and metadata. */
static inline struct rte_mbuf *
oracle_copy(struct rte_mbuf *packet)
{
	static uint8_t bytes[UINT16_MAX + 1];
	size_t length = fixture_bytes(packet, bytes);
	struct rte_mbuf *copy =
		fixture_chain(bytes, length, packet->nb_segs > 1 ? 1999 : PACKET_LARGE_ROOM);

	*packet_meta(copy) = *packet_meta(packet);
	return copy;
}

/* All of them, those that can be cut: cut. */
static inline unsigned
oracle_cut_all(struct rte_mbuf **packets, unsigned count, struct rte_mbuf **cut)
{
	unsigned made = 0;
	bool no_buffer;

	for (unsigned i = 0; i < count; i++) {
		unsigned n = 1;

		if (packet_meta(packets[i])->gso == PACKET_GSO_NONE)
			cut[made] = packets[i];
		else
			n = offload_segment(
				&pools, packets[i], &cut[made], ORACLE_PIECES - made, &no_buffer);
		oracle_require(n > 0, "what was made cannot be cut");
		made += n;
	}
	return made;
}

/* From the VXLAN header on bit by bit; in front the checksum may be another, and the ID. */
static inline void
oracle_compare(struct rte_mbuf **one, unsigned n_one, struct rte_mbuf **other, unsigned n_other)
{
	static uint8_t expected[UINT16_MAX + 1], got[UINT16_MAX + 1];
	struct packet_layout layout;

	oracle_require(n_one == n_other, "another number of datagrams");
	for (unsigned i = 0; i < n_one; i++) {
		size_t length = fixture_bytes(one[i], expected);

		oracle_require(length == fixture_bytes(other[i], got), "another length");
		oracle_require(packet_layout(one[i], &layout) == PARSE_OK, "no frame");
		if (layout.ethertype == RTE_ETHER_TYPE_IPV4) {
			memset(expected + layout.l3 + 4, 0, 2);
			memset(got + layout.l3 + 4, 0, 2);
			memset(expected + layout.l3 + 10, 0, 2);
			memset(got + layout.l3 + 10, 0, 2);
		}
		memset(expected + layout.l4 + 6, 0, 2);
		memset(got + layout.l4 + 6, 0, 2);
		oracle_require(memcmp(expected, got, length) == 0, "another datagram");
		rte_pktmbuf_free(one[i]);
		rte_pktmbuf_free(other[i]);
	}
}

/* A UDP super-datagram, which stays. Returns how many packets it is taken apart into. */
static inline unsigned
oracle_take_apart(struct rte_mbuf *packet)
{
	struct rte_mbuf *slow[ORACLE_PIECES], *parts[ORACLE_PIECES], *cut[ORACLE_PIECES];
	bool no_buffer;
	unsigned n_slow =
		offload_segment(&pools, oracle_copy(packet), slow, ORACLE_PIECES, &no_buffer);
	unsigned n_parts =
		bundle_take_apart(&pools, oracle_copy(packet), parts, ORACLE_PIECES, &no_buffer);

	oracle_require((n_slow == 0) == (n_parts == 0), "only one of the ways takes it");
	for (unsigned i = 0; i < n_parts; i++)
		oracle_require(
			packet_meta(parts[i])->gso == PACKET_GSO_NONE || offload_holds(parts[i]),
			"a super-packet that is none");
	oracle_compare(slow, n_slow, cut, oracle_cut_all(parts, n_parts, cut));
	return n_parts;
}

/* A super-packet in VXLAN, which stays. Gives its bundles, and returns how many. */
static inline unsigned
oracle_make(struct rte_mbuf *packet, struct rte_mbuf *bundles[ORACLE_PIECES])
{
	struct rte_mbuf *slow[ORACLE_PIECES], *copies[ORACLE_PIECES], *cut[ORACLE_PIECES];
	bool no_buffer;
	unsigned n_slow =
		offload_segment(&pools, oracle_copy(packet), slow, ORACLE_PIECES, &no_buffer);
	unsigned count =
		bundle_make(&pools, oracle_copy(packet), bundles, ORACLE_PIECES, &no_buffer);

	oracle_require((n_slow == 0) == (count == 0), "only one of the ways takes it");
	for (unsigned i = 0; i < count; i++) {
		oracle_require(bundles[i]->pkt_len <= UINT16_MAX, "a bundle is too long");
		copies[i] = oracle_copy(bundles[i]);
	}
	oracle_compare(slow, n_slow, cut, oracle_cut_all(copies, count, cut));
	return count;
}

#endif
