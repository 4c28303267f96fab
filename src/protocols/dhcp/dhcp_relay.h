/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DHCPv4 relay agent for one router port (RFC 1542 4, RFC 2131, RFC 3046): a BOOTP message
 * in, the same message changed and its destinations out. It keeps nothing but counters: what
 * a reply needs is in the reply. Plain BOOTP is relayed, too.
 *
 * From clients: the port's address goes into giaddr where none is there, hops counts up, and
 * the relay agent information option says which circuit it was (if the configuration has it).
 * What already has another relay's giaddr goes on unchanged but for hops. To servers: one copy
 * each, to port 67, from port 67.
 *
 * From servers: only what has the port's address for giaddr is taken (DHCP_NOT_OURS otherwise:
 * it may be another port's); the relay agent information is taken out, and the rest goes to
 * the client as RFC 1542 4.1.2 says.
 *
 * Addresses are numbers in the host's byte order. One thread at a time.
 */
#ifndef WEFT_PROTOCOLS_DHCP_RELAY_H
#define WEFT_PROTOCOLS_DHCP_RELAY_H

#include "protocols/dhcp/dhcp_server.h"

#define DHCP_RELAY_SERVERS 8
#define DHCP_RELAY_HOPS 4 /* RFC 1542 4.1.1: the default */
#define DHCP_RELAY_HOPS_MOST 16
#define DHCP_RELAY_ID_LENGTH 64

struct dhcp_relay_config {
	uint32_t address; /* the port's own, in giaddr: where servers send their replies */
	uint32_t servers[DHCP_RELAY_SERVERS];
	unsigned n_servers;
	uint8_t hops; /* messages that have more are dropped; 0: default; at most 16 */
	/*
	 * Relay agent information: circuit (the port) and remote (the router), each left out if
	 * its length is 0; both: no such option. Clients that bring one of their own without a
	 * giaddr are not trusted (RFC 3046 2.1): dropped, unless `trusted`.
	 */
	uint8_t circuit[DHCP_RELAY_ID_LENGTH], remote[DHCP_RELAY_ID_LENGTH];
	uint8_t circuit_length, remote_length;
	bool trusted;
};

struct dhcp_relay {
	struct dhcp_relay_config config;
	uint64_t to_servers, to_clients; /* messages relayed, not copies */
	uint64_t dropped[DHCP_VERDICTS];
};

/* All of struct dhcp_relay is its user's: no memory is taken. Counters go on in _use. */
void dhcp_relay_open(struct dhcp_relay *relay, const struct dhcp_relay_config *config);
void dhcp_relay_use(struct dhcp_relay *relay, const struct dhcp_relay_config *config);

typedef void (*dhcp_relay_send)(void *context, const struct dhcp_reply *reply);

/*
 * The payload of a datagram to port 67 that came in by the port: a client's, or another
 * relay's. DHCP_TAKEN: sent to each server. DHCP_SILENT: too many hops, untrusted, or a loop.
 */
enum dhcp_verdict dhcp_relay_from_client(struct dhcp_relay *relay, const uint8_t *payload,
	size_t length, dhcp_relay_send send, void *context);
/* The payload of a datagram to port 67 of one of the router's addresses, from a server. */
enum dhcp_verdict dhcp_relay_from_server(struct dhcp_relay *relay, const uint8_t *payload,
	size_t length, dhcp_relay_send send, void *context);

#endif
