/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the DHCPv4 server share: dhcp_server.c, dhcp_request.c and dhcp_keep.c. */
#ifndef WEFT_PROTOCOLS_DHCP_PRIVATE_H
#define WEFT_PROTOCOLS_DHCP_PRIVATE_H

#include "protocols/dhcp/dhcp_lease.h"
#include "protocols/dhcp/dhcp_server.h"

#define SECOND UINT64_C(1000000000)

struct dhcp_server {
	struct dhcp_subnet *subnet;
	struct dhcp_hooks hooks;
	struct lease_table leases;
	/* the next address of the pools that may never have been thought of */
	unsigned fresh_pool;
	uint32_t fresh;
	uint64_t changes;
	uint64_t probes_since; /* DHCP_PROBE_MS begin here; `probes` were made in them */
	unsigned probes;
	uint64_t exhausted_told; /* 0: never */
	struct dhcp_counters counters;
};

/* Counts the change and tells who listens. */
void dhcp_tell(struct dhcp_server *server, enum dhcp_event_kind kind, const struct lease *lease,
	uint32_t seconds);
/* `a` may be NULL: nobody. */
bool dhcp_same_client(const struct dhcp_key *a, const struct dhcp_key *b);
/* The lease of an address, made if it is not there. NULL: no memory, or the limit is reached. */
struct lease *dhcp_lease_of(struct dhcp_server *server, uint32_t address, bool pooled);

/* What a message leads to. `payload` is what it was taken from. */
enum dhcp_verdict dhcp_judge(struct dhcp_server *server, const struct dhcp_message *message,
	const uint8_t *payload, size_t length, uint64_t now);

#endif
