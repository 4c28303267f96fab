/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a DHCPv4 server is to give: the configuration of one subnet, as its user writes it
 * (dhcp_server_config) and as the engine uses it (dhcp_subnet: checked, copied, and with its
 * options in the bytes of the wire). Making one can fail and changes nothing; giving it to an
 * engine cannot (dhcp_server_use): the two halves of a two-phase commit.
 *
 * Addresses are numbers in the host's byte order; times are seconds. A subnet never changes
 * and belongs to one engine at most.
 */
#ifndef WEFT_PROTOCOLS_DHCP_SUBNET_H
#define WEFT_PROTOCOLS_DHCP_SUBNET_H

#include "model/arena.h"
#include "protocols/dhcp/dhcp_message.h"

#include <weft/weft.h>

#define DHCP_LEASE_DEFAULT (12 * 3600)
#define DHCP_LEASE_LEAST 60
#define DHCP_LEASE_FOREVER UINT32_MAX
#define DHCP_LIMIT_DEFAULT 65536
#define DHCP_NAME_LENGTH 63 /* of a host name */

/*
 * Who a client is: a client identifier (option 61), or a hardware address behind its type.
 * The first byte tells which, so that neither can pass for the other.
 */
struct dhcp_key {
	uint16_t length;
	uint8_t bytes[256];
};

enum dhcp_key_kind { DHCP_KEY_HARDWARE, DHCP_KEY_CLIENT_ID };

void dhcp_key_hardware(struct dhcp_key *key, uint8_t htype, const uint8_t *address, uint8_t length);
/* At most 255 bytes. */
void dhcp_key_client_id(struct dhcp_key *key, const uint8_t *id, unsigned length);

struct dhcp_range {
	uint32_t first, last;
};

struct dhcp_reservation {
	uint32_t address;
	const uint8_t *client_id; /* NULL: by MAC, whatever identifier the client gives */
	unsigned client_id_length;
	uint8_t mac[6];
	const char *host_name; /* given to the client; NULL: none */
};

struct dhcp_route {
	uint32_t prefix;
	uint8_t length;
	uint32_t gateway;
};

struct dhcp_option_config {
	uint8_t code;
	const uint8_t *bytes;
	unsigned length;
	bool always; /* also to clients that do not ask for it */
};

struct dhcp_server_config {
	uint32_t server; /* the port's address; outside of the prefix: reached by relays only */
	uint32_t prefix;
	uint8_t length; /* 1 to 30 */
	const struct dhcp_range *pools;
	unsigned n_pools;
	const struct dhcp_reservation *reservations; /* in the prefix, in a pool or not */
	unsigned n_reservations;

	const uint32_t *gateways, *dns, *ntp;
	unsigned n_gateways, n_dns, n_ntp;
	const char *domain;
	const char *const *search;
	unsigned n_search;
	/* option 121; a default route by the first gateway is added if there is none in it,
	 * since a client that takes these routes ignores the gateways (RFC 3442) */
	const struct dhcp_route *routes;
	unsigned n_routes;
	/* in place of what the fields above give for the code */
	const struct dhcp_option_config *options;
	unsigned n_options;
	uint32_t next_server; /* siaddr */
	const char *server_name, *boot_file;

	uint32_t lease_time;    /* 0: default; DHCP_LEASE_FOREVER: does not end */
	uint32_t t1, t2;        /* 0: half and seven eighths of the lease */
	uint32_t limit;         /* addresses with a lease, an offer or a memory; 0: default */
	bool not_authoritative; /* other servers are here: no NAK for addresses that are not ours */
};

struct dhcp_subnet {
	struct arena arena;
	uint32_t server, prefix, mask;
	struct dhcp_range *pools; /* in order, none overlaps */
	unsigned n_pools;
	struct dhcp_reserved {
		struct dhcp_key key;
		uint32_t address;
		const char *host_name; /* NULL: none */
	} * *by_key, **by_address;     /* the same ones, in order */
	unsigned n_reserved;
	struct dhcp_encoded {
		uint8_t *bytes; /* NULL: there is no such option */
		uint16_t length;
		bool always;
	} options[256];
	uint32_t *kept; /* addresses that are never given away: the port's, the gateways */
	unsigned n_kept;
	uint32_t next_server;
	char server_name[DHCP_SNAME_LENGTH], boot_file[DHCP_FILE_LENGTH];
	uint32_t lease_time, t1, t2, limit;
	bool authoritative;
};

/* NULL: the configuration is wrong, or out of memory; the error says what and why. */
struct dhcp_subnet *dhcp_subnet_make(
	const struct dhcp_server_config *config, struct weft_error *error);
void dhcp_subnet_free(struct dhcp_subnet *subnet);

static inline bool
dhcp_subnet_contains(const struct dhcp_subnet *subnet, uint32_t address)
{
	return (address & subnet->mask) == subnet->prefix;
}

/* Neither the network's own address nor its broadcast. */
static inline bool
dhcp_subnet_is_host(const struct dhcp_subnet *subnet, uint32_t address)
{
	return dhcp_subnet_contains(subnet, address) && address != subnet->prefix &&
	       address != (subnet->prefix | ~subnet->mask);
}

/* NULL: nobody's. */
const struct dhcp_reserved *dhcp_reserved_address(
	const struct dhcp_subnet *subnet, uint32_t address);
const struct dhcp_reserved *dhcp_reserved_key(
	const struct dhcp_subnet *subnet, const struct dhcp_key *key);
/* The address may go to anybody: it is in a pool, and neither reserved nor kept. */
bool dhcp_subnet_pooled(const struct dhcp_subnet *subnet, uint32_t address);

#endif
