/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of ports: which network one is in, which of them to send from, as text. */
#include "packet/ip.h"
#include "router/router_objects.h"

#include <arpa/inet.h>
#include <stdio.h>

const char *
router_address_text(uint8_t family, const uint8_t *address, char text[ROUTER_ADDRESS_SIZE])
{
	inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, ROUTER_ADDRESS_SIZE);
	return text;
}

const char *
router_prefix_text(const struct weft_prefix *prefix, char text[ROUTER_PREFIX_SIZE])
{
	char address[ROUTER_ADDRESS_SIZE];

	snprintf(text, ROUTER_PREFIX_SIZE, "%s/%u",
		router_address_text(prefix->family, prefix->address, address), prefix->length);
	return text;
}

bool
router_same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(a, b, bytes) == 0 && (bits % 8 == 0 || ((a[bytes] ^ b[bytes]) & mask) == 0);
}

const struct router_address *
router_port_network(const struct router_port *port, uint8_t family, const uint8_t *other)
{
	for (unsigned i = 0; i < port->n_addresses; i++) {
		const struct router_address *own = &port->addresses[i];

		if (own->family == family && router_same_bits(own->bytes, other, own->length))
			return own;
	}
	return NULL;
}

bool
router_port_has(const struct router_port *port, uint8_t family, const uint8_t *address)
{
	for (unsigned i = 0; i < port->n_addresses; i++) {
		const struct router_address *own = &port->addresses[i];

		if (own->family == family && memcmp(own->bytes, address, family == 4 ? 4 : 16) == 0)
			return true;
	}
	return false;
}

/* Link-local to link-local, and else not (RFC 6724, rule 2); in the destination's own network
 * where there is one (rule 8); else the first one. */
const uint8_t *
router_port_source(const struct router_port *port, uint8_t family, const uint8_t *destination)
{
	const struct router_address *own;

	if (family == 6 &&
		(ip6_is_link_local(destination) ||
			(ip6_is_multicast(destination) && ip6_multicast_scope(destination) <= 2)))
		return port->has_ip6 ? port->link_local : NULL;
	own = router_port_network(port, family, destination);
	if (own != NULL)
		return own->bytes;
	for (unsigned i = 0; i < port->n_addresses; i++) {
		own = &port->addresses[i];
		if (own->family == family && !(family == 6 && ip6_is_link_local(own->bytes)))
			return own->bytes;
	}
	return NULL;
}
