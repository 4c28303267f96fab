/* SPDX-License-Identifier: BSD-3-Clause */
/* A server's answers: their bytes (RFC 2131 table 3) and where they go (4.1). */
#ifndef WEFT_PROTOCOLS_DHCP_REPLY_H
#define WEFT_PROTOCOLS_DHCP_REPLY_H

#include "protocols/dhcp/dhcp_server.h"

struct dhcp_answer {
	enum dhcp_type type;   /* OFFER, ACK or NAK */
	uint32_t yiaddr;       /* 0: an answer to INFORM, or a NAK */
	uint32_t lease_time;   /* 0: none is told */
	const char *host_name; /* reserved for the client; NULL: none */
	const char *message;   /* of a NAK: why */
};

/* Into `buffer`, of DHCP_MESSAGE_LIMIT bytes. Returns the length; adds to *omitted. */
size_t dhcp_answer_write(const struct dhcp_subnet *subnet, const struct dhcp_message *request,
	const struct dhcp_answer *answer, uint8_t *buffer, uint64_t *omitted);
/* Fills all of the reply but payload and length. */
void dhcp_answer_address(const struct dhcp_message *request, const struct dhcp_answer *answer,
	struct dhcp_reply *reply);

#endif
