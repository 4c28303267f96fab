/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/dhcp/dhcp_reply.h"

#include <string.h>

/* ---- the header: RFC 2131 table 3 ---------------------------------------------------------- */

static void
write_header(uint8_t *to, const struct dhcp_subnet *subnet, const struct dhcp_message *request,
	const struct dhcp_answer *answer)
{
	uint16_t flags = request->flags;

	memset(to, 0, DHCP_OPTIONS_AT);
	to[DHCP_OP] = DHCP_REPLY_OP;
	to[DHCP_HTYPE] = request->htype;
	to[DHCP_HLEN] = request->hlen;
	dhcp_put32(to + DHCP_XID, request->xid);
	/* 4.3.2: through a relay a NAK has to reach a client that may have no address there */
	if (answer->type == DHCP_NAK && request->giaddr != 0)
		flags |= DHCP_FLAG_BROADCAST;
	dhcp_put16(to + DHCP_FLAGS, flags);
	dhcp_put32(to + DHCP_GIADDR, request->giaddr);
	memcpy(to + DHCP_CHADDR, request->chaddr, DHCP_CHADDR_LENGTH);
	if (answer->type == DHCP_NAK)
		return;
	if (answer->type == DHCP_ACK)
		dhcp_put32(to + DHCP_CIADDR, request->ciaddr);
	dhcp_put32(to + DHCP_YIADDR, answer->yiaddr);
	dhcp_put32(to + DHCP_SIADDR, subnet->next_server);
	memcpy(to + DHCP_SNAME, subnet->server_name, DHCP_SNAME_LENGTH);
	memcpy(to + DHCP_FILE, subnet->boot_file, DHCP_FILE_LENGTH);
}

/* ---- options ------------------------------------------------------------------------------- */

struct options {
	struct dhcp_writer *writer;
	const struct dhcp_subnet *subnet;
	const struct dhcp_message *request;
	const struct dhcp_answer *answer;
	bool sent[256];
};

static void
write_times(struct options *options)
{
	const struct dhcp_subnet *subnet = options->subnet;
	uint32_t lease = options->answer->lease_time;
	uint32_t t1 = subnet->t1, t2 = subnet->t2;

	if (lease == 0)
		return;
	dhcp_write_number(options->writer, DHCP_OPTION_LEASE_TIME, lease);
	if (lease == DHCP_LEASE_FOREVER)
		return;
	/* a client may have asked for a lease shorter than the configured times */
	if (t2 == 0 || t2 >= lease)
		t2 = (uint32_t)((uint64_t)lease * 7 / 8);
	if (t1 == 0 || t1 >= t2)
		t1 = lease / 2 < t2 ? lease / 2 : t2 / 2;
	dhcp_write_number(options->writer, DHCP_OPTION_T1, t1);
	dhcp_write_number(options->writer, DHCP_OPTION_T2, t2);
}

static void
write_one(struct options *options, uint8_t code)
{
	const struct dhcp_encoded *encoded = &options->subnet->options[code];
	const char *name = options->answer->host_name;

	if (options->sent[code])
		return;
	if (code == DHCP_OPTION_HOST_NAME && name != NULL)
		dhcp_write(options->writer, code, name, (unsigned)strlen(name));
	else if (encoded->bytes != NULL)
		dhcp_write(options->writer, code, encoded->bytes, encoded->length);
	else
		return;
	options->sent[code] = true;
}

/* RFC 3442: to one that takes classless routes, neither gateways nor static routes. */
static void
leave_out_gateways(struct options *options, const uint8_t *wanted, unsigned count)
{
	if (options->subnet->options[DHCP_OPTION_ROUTES].bytes == NULL)
		return;
	if (memchr(wanted, DHCP_OPTION_ROUTES, count) == NULL)
		return;
	options->sent[DHCP_OPTION_ROUTER] = options->sent[DHCP_OPTION_STATIC_ROUTE] = true;
}

/* RFC 2131 4.3.1: what the client asks for, in its order, and what everybody gets. */
static void
write_parameters(struct options *options)
{
	unsigned count;
	const uint8_t *wanted = dhcp_option(options->request, DHCP_OPTION_PARAMETERS, &count);

	/* RFC 2132 3.3: the mask comes before the router */
	write_one(options, DHCP_OPTION_MASK);
	if (wanted != NULL) {
		leave_out_gateways(options, wanted, count);
		for (unsigned i = 0; i < count; i++)
			write_one(options, wanted[i]);
	}
	for (unsigned code = 1; code < DHCP_OPTION_END; code++) {
		/* routes only to one that is known to understand them: it would need no gateway */
		if (options->subnet->options[code].always ||
			(wanted == NULL && code != DHCP_OPTION_ROUTES))
			write_one(options, (uint8_t)code);
	}
}

/* What the client can take: without IP and UDP headers (RFC 2132 9.10, RFC 2131 2). */
static size_t
limit_of(const struct dhcp_message *request)
{
	unsigned length, size = 576;
	const uint8_t *bytes = dhcp_option(request, DHCP_OPTION_MAX_SIZE, &length);

	if (bytes != NULL && length == 2 && dhcp_get16(bytes) > size)
		size = dhcp_get16(bytes);
	size -= 28;
	return size < DHCP_MESSAGE_LIMIT ? size : DHCP_MESSAGE_LIMIT;
}

static void
write_options(struct options *options)
{
	struct dhcp_writer *writer = options->writer;
	const struct dhcp_answer *answer = options->answer;
	uint8_t type = (uint8_t)answer->type;
	unsigned length;
	const uint8_t *id = dhcp_option(options->request, DHCP_OPTION_CLIENT_ID, &length);

	dhcp_write(writer, DHCP_OPTION_TYPE, &type, 1);
	dhcp_write_number(writer, DHCP_OPTION_SERVER, options->subnet->server);
	write_times(options);
	if (id != NULL) /* RFC 6842 */
		dhcp_write(writer, DHCP_OPTION_CLIENT_ID, id, length);
	if (answer->type == DHCP_NAK)
		dhcp_write(writer, DHCP_OPTION_MESSAGE, answer->message,
			(unsigned)strlen(answer->message));
	else
		write_parameters(options);
}

size_t
dhcp_answer_write(const struct dhcp_subnet *subnet, const struct dhcp_message *request,
	const struct dhcp_answer *answer, uint8_t *buffer, uint64_t *omitted)
{
	struct dhcp_writer writer;
	struct options options = {
		.writer = &writer, .subnet = subnet, .request = request, .answer = answer
	};
	unsigned relay_length;
	const uint8_t *relay = dhcp_option(request, DHCP_OPTION_RELAY, &relay_length);
	size_t length;

	write_header(buffer, subnet, request, answer);
	dhcp_write_begin(&writer, buffer, limit_of(request), relay, relay_length);
	write_options(&options);
	length = dhcp_write_end(&writer);
	*omitted += writer.omitted;
	return length;
}

/* ---- where it goes: RFC 2131 4.1 ----------------------------------------------------------- */

void
dhcp_answer_address(const struct dhcp_message *request, const struct dhcp_answer *answer,
	struct dhcp_reply *reply)
{
	*reply = (struct dhcp_reply){ .port = DHCP_CLIENT_PORT };
	if (request->giaddr != 0) {
		reply->to = DHCP_TO_ADDRESS;
		reply->address = request->giaddr;
		reply->port = DHCP_SERVER_PORT;
	} else if (answer->type == DHCP_NAK) {
		reply->to = DHCP_TO_BROADCAST;
	} else if (request->ciaddr != 0) {
		reply->to = DHCP_TO_ADDRESS;
		reply->address = request->ciaddr;
	} else if ((request->flags & DHCP_FLAG_BROADCAST) != 0) {
		reply->to = DHCP_TO_BROADCAST;
	} else {
		reply->to = DHCP_TO_MAC;
		reply->address = answer->yiaddr;
		memcpy(reply->mac, request->chaddr, sizeof(reply->mac));
	}
	if (reply->to == DHCP_TO_BROADCAST)
		reply->address = UINT32_MAX;
}
