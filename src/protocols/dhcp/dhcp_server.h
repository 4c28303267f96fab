/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DHCPv4 server for one subnet (RFC 2131, 2132, 3046, 3396, 3397, 3442, 6842), as an engine
 * without I/O: messages and the time in, messages and events out. It has no sockets, no clock
 * and no randomness but what its user gives. One thread at a time; hooks are called on it, from
 * within the calls, and must not call the engine.
 *
 * Use
 *	A router port that serves its own network has one. dhcp_server_input() gets the payload
 *	of each UDP datagram to port 67 that came in by the port, and answers by hooks.send:
 *	UDP, IP and Ethernet headers are the user's. For a network behind a relay there is an
 *	engine whose `server` address lies outside of its prefix: it takes what relays bring
 *	from its prefix (giaddr), and renewals of its addresses. What is of another network is
 *	DHCP_NOT_OURS, and may be offered to the next engine.
 *	dhcp_server_timer() wants to be called at dhcp_server_next(). Late is harmless.
 *
 * Which address a client gets (RFC 2131 4.3.1)
 *	its reserved one; the one that it has; the one that it had, or was just offered; the one
 *	that it asks for; one that nobody ever had; the one that is longest free; the one whose
 *	offer to another is oldest. A client is told apart by its client identifier, else by its
 *	hardware address; one with a reservation by MAC, by its MAC.
 *
 * Floods
 *	A DISCOVER takes no lease and no memory of a former owner away: many of them only cycle
 *	offers. An offer that had to be taken from another client before its time is for the one
 *	of the two that asks first. Memory is bounded by config.limit and by the pools.
 *
 * Addresses that are in use already (RFC 2131 3.1 (2))
 *	With a hooks.probe, an address is not offered before it has been asked for: the user
 *	sends an ARP request (or an echo request), and calls dhcp_server_in_use() when anything
 *	answers at the address. The DISCOVER waits for half a second, and is answered then with
 *	this address, or with another. What its client had last is not asked for, nor what was
 *	a minute before, nor more than a few at once: a flood makes no flood of probes.
 *
 * Leases that survive a restart
 *	dhcp_server_changes() counts up with every change that is worth writing;
 *	dhcp_leases_export() gives all, dhcp_leases_import() takes them back into a new engine.
 *	In those, times are seconds of the clock on the wall, which the caller tells beside the
 *	engine's time.
 */
#ifndef WEFT_PROTOCOLS_DHCP_SERVER_H
#define WEFT_PROTOCOLS_DHCP_SERVER_H

#include "protocols/dhcp/dhcp_subnet.h"

#define DHCP_OFFER_SECONDS 10
#define DHCP_QUARANTINE_SECONDS 600
#define DHCP_PROBE_MS 500
#define DHCP_PROBE_SECONDS 60 /* for how long its outcome holds */
#define DHCP_PROBES 16        /* in DHCP_PROBE_MS; what comes beyond is offered unasked */

struct dhcp_server;

enum dhcp_to {
	DHCP_TO_ADDRESS,   /* to `address`, by ARP or by route */
	DHCP_TO_MAC,       /* to `address`, which does not answer ARP yet: the frame to `mac` */
	DHCP_TO_BROADCAST, /* 255.255.255.255 on the link */
};

/* What is to be sent, from port 67. Good for the time of the call. */
struct dhcp_reply {
	enum dhcp_to to;
	uint32_t address;
	uint16_t port;
	uint8_t mac[6];
	const uint8_t *payload;
	size_t length;
};

/* A lease, for those who look or keep it. Client id or hardware address: who owns it. */
struct dhcp_lease {
	uint32_t address;
	bool declined; /* in quarantine; nobody owns it */
	bool held;     /* false and not declined: the owner had it once */
	bool by_client_id;
	uint8_t client_id_length;
	uint8_t htype, hlen;
	uint8_t chaddr[DHCP_CHADDR_LENGTH];
	uint8_t client_id[255];
	char host_name[DHCP_NAME_LENGTH + 1]; /* as the client says, or as reserved; printable */
	uint64_t since, expires; /* seconds, UINT64_MAX: never; not held: when it ended */
};

enum dhcp_event_kind {
	DHCP_LEASE_GIVEN,
	DHCP_LEASE_RENEWED,
	DHCP_LEASE_RELEASED,
	DHCP_LEASE_EXPIRED,
	DHCP_LEASE_DECLINED, /* the client says that something answers there already */
	DHCP_ADDRESS_IN_USE, /* something answered a probe: in quarantine, as if declined */
	DHCP_LEASE_REVOKED,  /* the configuration has the address no more */
	DHCP_POOL_EXHAUSTED, /* no address for this client; told every ten seconds at most */
};

/* Good for the time of the call. */
struct dhcp_event {
	enum dhcp_event_kind kind;
	uint32_t address; /* exhausted: 0 */
	uint8_t htype, hlen;
	const uint8_t *chaddr;
	const char *host_name; /* "": none */
	uint32_t seconds;      /* given, renewed: for how long */
};

struct dhcp_hooks {
	void *context;
	void (*send)(void *context, const struct dhcp_reply *reply);
	void (*event)(void *context, const struct dhcp_event *event); /* NULL: nobody listens */
	uint32_t (*random)(void *context); /* for the hashes' key; called when it is opened */
	/* Asks whether something is at the address. NULL: offers go unasked. */
	void (*probe)(void *context, uint32_t address);
};

enum dhcp_verdict {
	DHCP_ANSWERED,
	DHCP_TAKEN,     /* and needs no answer */
	DHCP_SILENT,    /* well-formed, and not for us to answer */
	DHCP_NOT_OURS,  /* of another network than this engine's */
	DHCP_MALFORMED, /* counted; nothing has happened */
	DHCP_EXHAUSTED, /* no address is left, or no memory */
	DHCP_VERDICTS,
};

struct dhcp_counters {
	uint64_t received[DHCP_TYPES], sent[DHCP_TYPES]; /* by enum dhcp_type */
	uint64_t verdicts[DHCP_VERDICTS];
	uint64_t omitted; /* options for which a reply had no room */
};

/* Takes the subnet. NULL: out of memory; then the subnet is still the caller's. */
struct dhcp_server *dhcp_server_open(struct dhcp_subnet *subnet, const struct dhcp_hooks *hooks);
void dhcp_server_close(struct dhcp_server *server);
/*
 * Another configuration from now on: takes the subnet, frees the one before. Leases that it has
 * no place for are revoked. Cannot fail.
 */
void dhcp_server_use(struct dhcp_server *server, struct dhcp_subnet *subnet, uint64_t now);

/* now: ns of the engine's clock, never less than before. */
enum dhcp_verdict dhcp_server_input(
	struct dhcp_server *server, const uint8_t *payload, size_t length, uint64_t now);
/* When dhcp_server_timer() has something to do; UINT64_MAX: never. */
uint64_t dhcp_server_next(const struct dhcp_server *server);
/* Ends what is over; a bounded number of them at once. */
void dhcp_server_timer(struct dhcp_server *server, uint64_t now);

/* Something answered at an address that hooks.probe asked for; others are of no interest. */
void dhcp_server_in_use(struct dhcp_server *server, uint32_t address, uint64_t now);

const struct dhcp_counters *dhcp_server_counters(const struct dhcp_server *server);
uint64_t dhcp_server_changes(const struct dhcp_server *server);
/* How many leases are held, and how many addresses the pools have. */
uint32_t dhcp_server_held(const struct dhcp_server *server);
uint64_t dhcp_server_pool_size(const struct dhcp_server *server);
/* Held leases, those remembered, and quarantines, in no order. `look` false: stop. */
void dhcp_server_walk(const struct dhcp_server *server, uint64_t now, uint64_t wall,
	bool (*look)(void *context, const struct dhcp_lease *lease), void *context);
/* All that dhcp_server_walk shows, in an array to free(). 0, or -1: out of memory. */
int dhcp_leases_export(const struct dhcp_server *server, uint64_t now, uint64_t wall,
	struct dhcp_lease **leases, size_t *count);
/* Those for which there is a place, and which clash with none that is there. Returns how many. */
size_t dhcp_leases_import(struct dhcp_server *server, const struct dhcp_lease *leases, size_t count,
	uint64_t now, uint64_t wall);
/* An administrator ends a lease or a quarantine. False: there is none. */
bool dhcp_server_clear(struct dhcp_server *server, uint32_t address);

#endif
