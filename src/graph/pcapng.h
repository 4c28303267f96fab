/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks of pcapng (draft-ietf-opsawg-pcapng): section header, interface description,
 * enhanced packet. Our own, because rte_pcapng of DPDK 22.11 cannot write comments.
 *
 * Each call writes one whole block, in the machine's byte order, and returns its length; 0:
 * it does not fit into `room`.
 */
#ifndef WEFT_GRAPH_PCAPNG_H
#define WEFT_GRAPH_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

size_t pcapng_section(void *to, size_t room);
/* An Ethernet interface with timestamps in nanoseconds; they are numbered from 0. */
size_t pcapng_interface(void *to, size_t room, const char *name, uint32_t snaplen);

#define PCAPNG_INBOUND 1 /* epb_flags, bits 0 and 1 */
#define PCAPNG_OUTBOUND 2

struct pcapng_packet {
	uint32_t interface;
	uint64_t time;   /* ns since 1970 */
	uint32_t length; /* on the wire */
	uint32_t captured;
	const void *bytes;
	uint32_t flags;      /* 0, PCAPNG_INBOUND, PCAPNG_OUTBOUND */
	const char *comment; /* UTF-8, or NULL */
};
size_t pcapng_packet(void *to, size_t room, const struct pcapng_packet *packet);

#endif
