/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which packets answer a probe: used by the workers, which take those and leave all others to
 * the vnic's user, and once more by the control side (probe.c) to find what each one means.
 */
#ifndef WEFT_GRAPH_PROBE_ANSWER_H
#define WEFT_GRAPH_PROBE_ANSWER_H

#include "graph/probe.h"

#include <rte_ether.h>

#define PROBE_NONCE_SIZE 8

/* What a probe looks for. Does not change while workers may read it, but for the atomics. */
struct probe_watch {
	uint32_t vport;
	uint8_t kind; /* enum probe_kind */
	uint8_t family;
	struct rte_ether_addr mac; /* the user's */
	uint8_t own[16], to[16], next_hop[16];
	uint16_t id;       /* local port, or id of the echo */
	uint16_t port;     /* the other side's */
	uint32_t sequence; /* of the SYN */
	uint8_t nonce[PROBE_NONCE_SIZE];
	/* how many requests for the next hop's MAC were sent and not yet answered: so many
	 * answers are the probe's at most */
	_Atomic uint32_t owed;
	_Atomic bool shared; /* the user has asked, too: answers are for both */
};

/* By slot; RCU. Freed when the engine closes. */
struct probe_watches {
	struct probe_watch *slots[PROBE_LIMIT];
};

enum probe_meaning {
	PROBE_NOT_MINE,
	PROBE_NEIGHBOUR, /* the next hop's MAC */
	PROBE_ANSWERED,
	PROBE_REFUSED,
	PROBE_ERROR, /* of ICMP */
	PROBE_NOISE, /* of the probe, but tells nothing: a redirect */
};

struct probe_finding {
	struct rte_ether_addr mac; /* PROBE_NEIGHBOUR */
	uint8_t from[16];          /* who says it */
	uint8_t type, code;        /* PROBE_ERROR */
	uint16_t sequence;         /* PROBE_ANSWERED, of a ping: which request */
};

/* Of a longer frame no more is looked at, but for checksums. */
#define PROBE_READ_SIZE 256

/* A frame made easy to read. */
struct probe_view {
	struct rte_mbuf *packet;
	const uint8_t *bytes;
	unsigned length;    /* of bytes */
	unsigned end;       /* where the IP packet ends, at most length */
	unsigned whole_end; /* the same, in the packet */
	uint16_t type, l3, l4;
	uint8_t protocol;
	bool fragment;
	const uint8_t *source, *destination; /* IP */
	uint8_t copy[PROBE_READ_SIZE];
};

/* False: it can be nobody's answer (tagged, cut off, neither IP nor ARP). */
bool probe_look(struct probe_view *view, struct rte_mbuf *packet);
enum probe_meaning probe_match(const struct probe_watch *watch, const struct probe_view *view,
	struct probe_finding *finding);

#endif
