/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of weft's own: what a probe, an explanation or a router itself sends. Each call writes
 * a whole frame, checksums finished, into a buffer of at least MAKE_SIZE bytes, and returns its
 * length. Payloads are cut at MAKE_PAYLOAD_LIMIT.
 */
#ifndef WEFT_PACKET_MAKE_H
#define WEFT_PACKET_MAKE_H

#include <rte_ether.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAKE_PAYLOAD_LIMIT 128
#define MAKE_SIZE (14 + 4 + 40 + 20 + MAKE_PAYLOAD_LIMIT)
#define MAKE_LONG_LIMIT 1480 /* of the calls that say so: an IPv4 packet of 1,500 bytes */
#define MAKE_LONG_SIZE (14 + 4 + 40 + MAKE_LONG_LIMIT)

/* Who sends to whom. */
struct make_ends {
	struct rte_ether_addr source_mac, destination_mac;
	uint16_t vlan;  /* 0: untagged */
	uint8_t hops;   /* TTL or hop limit; 0: 64 */
	uint8_t family; /* 4 or 6 */
	uint8_t source[16], destination[16];
};

/* Who has `destination`? To all (RFC 826), or to its solicited nodes (RFC 4861, 7.2.2). A source
 * of zeros asks whether the address is free (RFC 5227, 2.1.1; RFC 4862, 5.4.2). */
size_t make_neighbour_request(uint8_t *frame, const struct make_ends *ends);
/* The same to the one station that had it: destination_mac. */
size_t make_neighbour_probe(uint8_t *frame, const struct make_ends *ends);

#define MAKE_ADVERTISE_ROUTER 0x80 /* RFC 4861, 4.4: its flags, at their places */
#define MAKE_ADVERTISE_SOLICITED 0x40
#define MAKE_ADVERTISE_OVERRIDE 0x20
/*
 * `source` is at source_mac: to one who asked, or to a group to tell all. `flags` are for IPv6
 * alone. ARP: a reply to the destination and its MAC; with the source as destination too, it
 * is a request, as RFC 5227, 3 has announcements.
 */
size_t make_neighbour_reply(uint8_t *frame, const struct make_ends *ends, uint8_t flags);
/* An ICMP or ICMPv6 echo request. */
size_t make_echo(uint8_t *frame, const struct make_ends *ends, uint16_t id, uint16_t sequence,
	const void *payload, size_t length);
size_t make_tcp(uint8_t *frame, const struct make_ends *ends, uint16_t source_port,
	uint16_t destination_port, uint32_t sequence, uint32_t acknowledged, uint8_t flags);
size_t make_udp(uint8_t *frame, const struct make_ends *ends, uint16_t source_port,
	uint16_t destination_port, const void *payload, size_t length);

/* A TCP segment without data; host order. */
struct make_segment {
	uint16_t source_port, destination_port;
	uint32_t sequence, acknowledged;
	uint16_t window;
	uint8_t flags;
	uint8_t scale; /* has_scale: of windows (RFC 7323, 2.2) */
	uint16_t mss;  /* 0: not said */
	bool has_scale;
	bool has_sack; /* SACK permitted (RFC 2018, 2) */
	bool has_times;
	uint32_t time, echo; /* has_times: TSval, TSecr (RFC 7323, 3.2) */
};

size_t make_tcp_segment(
	uint8_t *frame, const struct make_ends *ends, const struct make_segment *segment);

/* The same for what is longer: a buffer of MAKE_LONG_SIZE bytes; cut at MAKE_LONG_LIMIT. */
size_t make_long_udp(uint8_t *frame, const struct make_ends *ends, uint16_t source_port,
	uint16_t destination_port, const void *payload, size_t length);
/* A message of neighbour discovery, with hop limit 255; its checksum is filled in. Likewise. */
size_t make_long_nd(
	uint8_t *frame, const struct make_ends *ends, const void *message, size_t length);

#endif
