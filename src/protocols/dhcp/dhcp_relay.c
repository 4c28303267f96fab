/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/dhcp/dhcp_relay.h"

#include <string.h>

/* RFC 3046 2.0 */
#define SUB_CIRCUIT 1
#define SUB_REMOTE 2
#define INFORMATION_LIMIT (2 * (2 + DHCP_RELAY_ID_LENGTH))

void
dhcp_relay_use(struct dhcp_relay *relay, const struct dhcp_relay_config *config)
{
	relay->config = *config;
	if (relay->config.hops == 0)
		relay->config.hops = DHCP_RELAY_HOPS;
	if (relay->config.hops > DHCP_RELAY_HOPS_MOST)
		relay->config.hops = DHCP_RELAY_HOPS_MOST;
	if (relay->config.n_servers > DHCP_RELAY_SERVERS)
		relay->config.n_servers = DHCP_RELAY_SERVERS;
	if (relay->config.circuit_length > DHCP_RELAY_ID_LENGTH)
		relay->config.circuit_length = DHCP_RELAY_ID_LENGTH;
	if (relay->config.remote_length > DHCP_RELAY_ID_LENGTH)
		relay->config.remote_length = DHCP_RELAY_ID_LENGTH;
}

void
dhcp_relay_open(struct dhcp_relay *relay, const struct dhcp_relay_config *config)
{
	memset(relay, 0, sizeof(*relay));
	dhcp_relay_use(relay, config);
}

static enum dhcp_verdict
drop(struct dhcp_relay *relay, enum dhcp_verdict verdict)
{
	relay->dropped[verdict]++;
	return verdict;
}

/* Well-formed, or plain BOOTP: a relay does not need to understand the options of that. */
static bool
can_be_relayed(const uint8_t *payload, size_t length, struct dhcp_message *message)
{
	enum dhcp_parsed parsed = dhcp_parse(payload, length, message);

	return parsed == DHCP_OK || parsed == DHCP_BOOTP;
}

/* ---- the relay agent information option ---------------------------------------------------- */

static unsigned
add_sub_option(uint8_t *to, unsigned at, uint8_t code, const uint8_t *bytes, uint8_t length)
{
	if (length == 0)
		return at;
	to[at++] = code;
	to[at++] = length;
	memcpy(to + at, bytes, length);
	return at + length;
}

static unsigned
make_information(const struct dhcp_relay_config *config, uint8_t to[INFORMATION_LIMIT])
{
	unsigned at = 0;

	at = add_sub_option(to, at, SUB_CIRCUIT, config->circuit, config->circuit_length);
	return add_sub_option(to, at, SUB_REMOTE, config->remote, config->remote_length);
}

static size_t
padded(uint8_t *message, size_t length)
{
	if (length >= DHCP_MESSAGE_LEAST)
		return length;
	memset(message + length, 0, DHCP_MESSAGE_LEAST - length);
	return DHCP_MESSAGE_LEAST;
}

/*
 * Puts the option where the end option was. Where it makes the message too long, it is left
 * out (RFC 3046 2.1). Returns the new length.
 */
static size_t
add_information(const struct dhcp_relay_config *config, const struct dhcp_message *parsed,
	uint8_t *message, size_t length)
{
	uint8_t information[INFORMATION_LIMIT];
	unsigned size = make_information(config, information);
	size_t at = parsed->end;

	if (size == 0 || at == 0 || at + 2 + size + 1 > DHCP_MESSAGE_LIMIT)
		return length;
	message[at++] = DHCP_OPTION_RELAY;
	message[at++] = (uint8_t)size;
	memcpy(message + at, information, size);
	at += size;
	message[at++] = DHCP_OPTION_END;
	/* what is behind the end is padding, some of it the option's bytes now */
	if (length > at)
		memset(message + at, 0, length - at);
	return length > at ? length : padded(message, at);
}

/* Copies without the option. The message is well-formed. Returns the new length. */
static size_t
without_information(
	const struct dhcp_message *parsed, const uint8_t *payload, size_t length, uint8_t *message)
{
	size_t from = DHCP_OPTIONS_AT, to = DHCP_OPTIONS_AT;

	if (parsed->end == 0 || !parsed->present[DHCP_OPTION_RELAY]) {
		memcpy(message, payload, length);
		return length;
	}
	memcpy(message, payload, DHCP_OPTIONS_AT);
	while (from < parsed->end) {
		size_t size = payload[from] == DHCP_OPTION_PAD ? 1 : 2u + payload[from + 1];

		if (payload[from] != DHCP_OPTION_RELAY) {
			memcpy(message + to, payload + from, size);
			to += size;
		}
		from += size;
	}
	message[to++] = DHCP_OPTION_END;
	return padded(message, to);
}

/* ---- from clients: RFC 1542 4.1.1 ---------------------------------------------------------- */

static bool
acceptable(const struct dhcp_relay_config *config, const struct dhcp_message *message)
{
	if (message->hops > config->hops)
		return false;
	/* our own: it went round, or somebody wants us to believe so (RFC 3046 2.1.1) */
	if (message->giaddr == config->address)
		return false;
	return message->giaddr != 0 || !message->present[DHCP_OPTION_RELAY] || config->trusted;
}

enum dhcp_verdict
dhcp_relay_from_client(struct dhcp_relay *relay, const uint8_t *payload, size_t length,
	dhcp_relay_send send, void *context)
{
	const struct dhcp_relay_config *config = &relay->config;
	uint8_t message[DHCP_MESSAGE_LIMIT];
	struct dhcp_message parsed;
	struct dhcp_reply reply = {
		.to = DHCP_TO_ADDRESS, .port = DHCP_SERVER_PORT, .payload = message
	};

	if (!can_be_relayed(payload, length, &parsed) || parsed.op != DHCP_REQUEST_OP)
		return drop(relay, DHCP_MALFORMED);
	if (!acceptable(config, &parsed))
		return drop(relay, DHCP_SILENT);
	memcpy(message, payload, length);
	message[DHCP_HOPS]++;
	if (parsed.giaddr == 0) {
		dhcp_put32(message + DHCP_GIADDR, config->address);
		if (!parsed.present[DHCP_OPTION_RELAY])
			length = add_information(config, &parsed, message, length);
	}
	reply.length = length;
	for (unsigned i = 0; i < config->n_servers; i++) {
		reply.address = config->servers[i];
		send(context, &reply);
	}
	relay->to_servers++;
	return DHCP_TAKEN;
}

/* ---- from servers: RFC 1542 4.1.2 ---------------------------------------------------------- */

static void
address_client(const struct dhcp_message *message, struct dhcp_reply *reply)
{
	/* to a DHCPINFORM the answer has no yiaddr */
	uint32_t address = message->yiaddr != 0 ? message->yiaddr : message->ciaddr;

	reply->port = DHCP_CLIENT_PORT;
	reply->address = address;
	if ((message->flags & DHCP_FLAG_BROADCAST) != 0 || address == 0) {
		reply->to = DHCP_TO_BROADCAST;
		reply->address = UINT32_MAX;
	} else if (message->htype == DHCP_ETHERNET && message->hlen == 6 &&
		   (message->chaddr[0] & 1) == 0) {
		reply->to = DHCP_TO_MAC;
		memcpy(reply->mac, message->chaddr, sizeof(reply->mac));
	} else {
		reply->to = DHCP_TO_ADDRESS;
	}
}

enum dhcp_verdict
dhcp_relay_from_server(struct dhcp_relay *relay, const uint8_t *payload, size_t length,
	dhcp_relay_send send, void *context)
{
	uint8_t message[DHCP_MESSAGE_LIMIT];
	struct dhcp_message parsed;
	struct dhcp_reply reply = { .payload = message };

	if (!can_be_relayed(payload, length, &parsed) || parsed.op != DHCP_REPLY_OP)
		return drop(relay, DHCP_MALFORMED);
	if (parsed.giaddr != relay->config.address)
		return drop(relay, DHCP_NOT_OURS);
	address_client(&parsed, &reply);
	reply.length = without_information(&parsed, payload, length, message);
	send(context, &reply);
	relay->to_clients++;
	return DHCP_ANSWERED;
}
