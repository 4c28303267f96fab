/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the probes' control side share. */
#ifndef WEFT_GRAPH_PROBE_PRIVATE_H
#define WEFT_GRAPH_PROBE_PRIVATE_H

#include "graph/probe_answer.h"

#include <arpa/inet.h>
#include <sys/queue.h>

/* Times of the last requests, by sequence number. */
#define PROBE_SENT_COUNT 16
#define PROBE_TEXT_SIZE 512

struct probe {
	struct probe_watch watch; /* workers read it while it is in its slot */
	struct weft *weft;
	unsigned slot; /* PROBE_LIMIT: none, it was over and another one needed it */
	uint32_t nic;  /* id */
	char *nic_path, *vport_path;
	enum probe_result result;
	bool gateway;  /* the next hop is one */
	bool resolved; /* hop_mac is known */
	struct rte_ether_addr hop_mac;
	uint64_t timeout, deadline, next;
	uint16_t sequence; /* of the last request */
	uint64_t sent[PROBE_SENT_COUNT];
	uint64_t round_trip;
	char text[PROBE_TEXT_SIZE];
	LIST_ENTRY(probe) entry;
};

/*
 * Checks the request, and notes all of the vnic and its way to the address that will be
 * needed; nothing is sent, and no worker sees it. NULL: see probe_start().
 */
struct probe *probe_make(
	struct weft *weft, const struct probe_request *request, struct weft_error *error);
/* No worker may look at it any more. */
void probe_free(struct probe *probe);

static inline const char *
probe_address_text(uint8_t family, const uint8_t *address, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, INET6_ADDRSTRLEN);
}

#endif
