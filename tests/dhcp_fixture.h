/* SPDX-License-Identifier: BSD-3-Clause */
/* A DHCP client's side, for tests: makes messages, keeps what the engine answers. */
#ifndef WEFT_TESTS_DHCP_FIXTURE_H
#define WEFT_TESTS_DHCP_FIXTURE_H

#include "protocols/dhcp/dhcp_server.h"

#include <string.h>

/* A message in the making; options are appended, then ended. */
struct draft {
	uint8_t bytes[DHCP_MESSAGE_LIMIT];
	size_t length;
};

static inline void
draft_option(struct draft *draft, uint8_t code, const void *bytes, uint8_t length)
{
	draft->bytes[draft->length++] = code;
	draft->bytes[draft->length++] = length;
	memcpy(draft->bytes + draft->length, bytes, length);
	draft->length += length;
}

static inline void
draft_number(struct draft *draft, uint8_t code, uint32_t number)
{
	uint8_t bytes[4];

	dhcp_put32(bytes, number);
	draft_option(draft, code, bytes, 4);
}

/* Of the client with MAC 02:00 and its number. */
static inline void
draft_begin(struct draft *draft, enum dhcp_type type, uint32_t client)
{
	uint8_t code = (uint8_t)type;

	memset(draft, 0, sizeof(*draft));
	draft->bytes[DHCP_OP] = DHCP_REQUEST_OP;
	draft->bytes[DHCP_HTYPE] = DHCP_ETHERNET;
	draft->bytes[DHCP_HLEN] = 6;
	dhcp_put32(draft->bytes + DHCP_XID, 0x1000 + client);
	draft->bytes[DHCP_CHADDR] = 2;
	dhcp_put32(draft->bytes + DHCP_CHADDR + 2, client);
	dhcp_put32(draft->bytes + DHCP_HEADER_LENGTH, DHCP_COOKIE);
	draft->length = DHCP_OPTIONS_AT;
	draft_option(draft, DHCP_OPTION_TYPE, &code, 1);
}

static inline void
draft_end(struct draft *draft)
{
	draft->bytes[draft->length++] = DHCP_OPTION_END;
}

/* What an answer's options contain is as RFC 2131 says, and where it goes can be sent to. */
static inline bool
reply_holds(const struct dhcp_reply *reply, struct dhcp_message *message)
{
	if (dhcp_parse(reply->payload, reply->length, message) != DHCP_OK)
		return false;
	if (message->op != DHCP_REPLY_OP || reply->length < DHCP_MESSAGE_LEAST)
		return false;
	if (!message->present[DHCP_OPTION_SERVER])
		return false;
	if (message->type != DHCP_OFFER && message->type != DHCP_ACK && message->type != DHCP_NAK)
		return false;
	if (message->type == DHCP_NAK &&
		(message->yiaddr != 0 || message->present[DHCP_OPTION_LEASE_TIME]))
		return false;
	if (message->type == DHCP_OFFER &&
		(message->yiaddr == 0 || !message->present[DHCP_OPTION_LEASE_TIME]))
		return false;
	if (message->giaddr != 0)
		return reply->to == DHCP_TO_ADDRESS && reply->port == DHCP_SERVER_PORT &&
		       reply->address == message->giaddr;
	if (reply->port != DHCP_CLIENT_PORT)
		return false;
	return reply->to == DHCP_TO_BROADCAST ? reply->address == UINT32_MAX : reply->address != 0;
}

#endif
