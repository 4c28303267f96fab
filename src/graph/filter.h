/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filters of trace and capture: words joined by spaces, all of which must hold.
 *
 *	network=red  port=red/lan:web      where the packet is (a port of a device)
 *	mac=  src-mac=  dst-mac=           02:00:00:00:00:01
 *	ip=  src=  dst=                    10.0.0.1, 10.0.0.0/24, fe80::/10; of ARP too
 *	proto=                             tcp, udp, icmp, icmp6, arp, or a number (of IP)
 *	port-number words: tcp-port=  udp-port=  (either end)  sport=  dport=
 *	vlan=                              VID of the frame's outermost tag; 0: no tag
 *	ethertype=                         0x88cc; behind the tags
 *
 * A filter is plain data: copied by assignment, nothing to free.
 */
#ifndef WEFT_GRAPH_FILTER_H
#define WEFT_GRAPH_FILTER_H

#include "packet/packet.h"

#include <weft/weft.h>

struct vport;

#define FILTER_TERM_LIMIT 16

struct filter_term {
	uint8_t kind;   /* enum filter_kind, in filter.c */
	uint8_t ends;   /* FILTER_SOURCE, FILTER_DESTINATION */
	uint8_t family; /* of a prefix: 4 or 6 */
	uint8_t length; /* of a prefix, in bits */
	uint32_t number;
	uint8_t bytes[16]; /* MAC or address */
};

/* All zero matches everything. */
struct filter {
	unsigned count;
	struct filter_term terms[FILTER_TERM_LIMIT];
};

/*
 * Any thread that may look at objects. 0, or -1 and an error that names the word, what is
 * wrong with it, and the nearest right one. weft NULL: names of networks and ports are not
 * looked up, and match nothing.
 */
int filter_parse(
	struct filter *filter, const char *text, struct weft *weft, struct weft_error *error);

/* Worker. vport: where the packet is. */
bool filter_matches(
	const struct filter *filter, const struct rte_mbuf *packet, const struct vport *vport);

#endif
