/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/lease_json.h"

#include "daemon/json_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* ---- words ----------------------------------------------------------------------------------- */

const char *
lease_state_name(const struct dhcp_lease *lease)
{
	return lease->declined ? "declined" : lease->held ? "held" : "free";
}

const char *
lease_address(uint32_t address, char text[LEASE_ADDRESS_SIZE])
{
	struct in_addr in = { htonl(address) };

	inet_ntop(AF_INET, &in, text, LEASE_ADDRESS_SIZE);
	return text;
}

const char *
lease_hex(const uint8_t *bytes, unsigned length, char text[LEASE_HEX_SIZE])
{
	text[0] = '\0';
	for (unsigned i = 0; i < length && i < 255; i++)
		sprintf(text + (i > 0 ? 3 * i - 1 : 0), i > 0 ? ":%02x" : "%02x", bytes[i]);
	return text;
}

/* How many bytes; -1: it is not of that form, or there are more than `size`. */
static int
parse_hex(const char *text, uint8_t *bytes, unsigned size)
{
	unsigned count = 0, byte;
	int used;

	if (text == NULL || *text == '\0')
		return 0;
	for (;; text++) {
		if (count == size || sscanf(text, "%2x%n", &byte, &used) != 1 || used != 2)
			return -1;
		bytes[count++] = (uint8_t)byte;
		text += 2;
		if (*text == '\0')
			return (int)count;
		if (*text != ':')
			return -1;
	}
}

/* ---- the file's ------------------------------------------------------------------------------ */

json_t *
lease_to_json(const struct dhcp_lease *lease)
{
	char address[LEASE_ADDRESS_SIZE], mac[LEASE_HEX_SIZE], id[LEASE_HEX_SIZE];

	return json_pack("{s:s, s:s, s:b, s:s, s:i, s:s, s:o, s:I, s:o}", "address",
		lease_address(lease->address, address), "state", lease_state_name(lease),
		"by-client-id", lease->by_client_id, "client-id",
		lease_hex(lease->client_id, lease->client_id_length, id), "hardware-type",
		lease->htype, "mac", lease_hex(lease->chaddr, lease->hlen, mac), "hostname",
		json_text(lease->host_name), "since", (json_int_t)lease->since, "expires",
		lease->expires == UINT64_MAX ? json_null()
					     : json_integer((json_int_t)lease->expires));
}

static bool
read_client(const json_t *object, struct dhcp_lease *lease)
{
	const char *name = json_string_value(json_object_get(object, "hostname"));
	const char *id = json_string_value(json_object_get(object, "client-id"));
	const char *mac = json_string_value(json_object_get(object, "mac"));
	int id_length = parse_hex(id, lease->client_id, sizeof(lease->client_id));
	int mac_length = parse_hex(mac, lease->chaddr, sizeof(lease->chaddr));

	if (id_length < 0 || mac_length < 0)
		return false;
	lease->by_client_id = json_is_true(json_object_get(object, "by-client-id"));
	lease->client_id_length = (uint8_t)id_length;
	lease->hlen = (uint8_t)mac_length;
	lease->htype = (uint8_t)json_integer_value(json_object_get(object, "hardware-type"));
	snprintf(lease->host_name, sizeof(lease->host_name), "%s", name != NULL ? name : "");
	return !lease->by_client_id || id_length > 0;
}

bool
lease_from_json(const json_t *object, struct dhcp_lease *lease)
{
	const char *address = json_string_value(json_object_get(object, "address"));
	const char *state = json_string_value(json_object_get(object, "state"));
	const json_t *since = json_object_get(object, "since");
	const json_t *expires = json_object_get(object, "expires");
	struct in_addr in;

	*lease = (struct dhcp_lease){ .expires = UINT64_MAX };
	if (address == NULL || state == NULL || inet_pton(AF_INET, address, &in) != 1)
		return false;
	lease->address = ntohl(in.s_addr);
	lease->held = strcmp(state, "held") == 0;
	lease->declined = strcmp(state, "declined") == 0;
	if (!json_is_integer(since) || json_integer_value(since) < 0)
		return false;
	lease->since = (uint64_t)json_integer_value(since);
	if (json_is_integer(expires) && json_integer_value(expires) >= 0)
		lease->expires = (uint64_t)json_integer_value(expires);
	else if (!json_is_null(expires))
		return false;
	return read_client(object, lease);
}
