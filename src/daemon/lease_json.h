/* SPDX-License-Identifier: BSD-3-Clause */
/* A DHCP lease as JSON: in the file of leases and, in other words, for those who look. */
#ifndef WEFT_DAEMON_LEASE_JSON_H
#define WEFT_DAEMON_LEASE_JSON_H

#include "protocols/dhcp/dhcp_server.h"

#include <jansson.h>

/* NULL: out of memory. */
json_t *lease_to_json(const struct dhcp_lease *lease);
/* False: it is none. */
bool lease_from_json(const json_t *object, struct dhcp_lease *lease);

/* "held", "declined", "free" */
const char *lease_state_name(const struct dhcp_lease *lease);
#define LEASE_ADDRESS_SIZE 16
const char *lease_address(uint32_t address, char text[LEASE_ADDRESS_SIZE]);
/* "02:00:00:00:00:0a"; at most 255 bytes. */
#define LEASE_HEX_SIZE (3 * 255 + 1)
const char *lease_hex(const uint8_t *bytes, unsigned length, char text[LEASE_HEX_SIZE]);

#endif
