/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/dhcp/dhcp_message.h"

#include <string.h>

/* ---- reading ------------------------------------------------------------------------------- */

#define FIELDS 3

/* Where options are: the options field, then file, then sname (RFC 2131 4.1). */
struct field {
	size_t at, end;
};

typedef void (*option_look)(
	struct dhcp_message *message, uint8_t code, const uint8_t *bytes, uint8_t length);

/* Returns where the end option is, 0 if the options are not well-formed. */
static size_t
walk(const uint8_t *payload, const struct field *field, struct dhcp_message *message,
	option_look look)
{
	size_t at = field->at;

	while (at < field->end) {
		uint8_t code = payload[at];

		if (code == DHCP_OPTION_END)
			return at;
		if (code == DHCP_OPTION_PAD) {
			at++;
			continue;
		}
		if (field->end - at < 2 || field->end - at - 2 < payload[at + 1])
			return 0;
		look(message, code, payload + at + 2, payload[at + 1]);
		at += 2u + payload[at + 1];
	}
	return 0;
}

static void
count_bytes(struct dhcp_message *message, uint8_t code, const uint8_t *bytes, uint8_t length)
{
	(void)bytes;
	message->present[code] = true;
	/* cannot overflow: each is in a message of DHCP_MESSAGE_LIMIT */
	message->lengths[code] = (uint16_t)(message->lengths[code] + length);
}

/* `at` goes on with each piece, and is set back in the end. */
static void
copy_bytes(struct dhcp_message *message, uint8_t code, const uint8_t *bytes, uint8_t length)
{
	memcpy(message->bytes + message->at[code], bytes, length);
	message->at[code] = (uint16_t)(message->at[code] + length);
}

static void
see_overload(struct dhcp_message *message, uint8_t code, const uint8_t *bytes, uint8_t length)
{
	if (code == DHCP_OPTION_OVERLOAD && length == 1)
		message->bytes[0] = bytes[0];
}

/* Returns how many fields there are, 0 if they are not well-formed. */
static unsigned
find_fields(const uint8_t *payload, size_t length, struct field fields[FIELDS],
	struct dhcp_message *message)
{
	unsigned count = 1;
	size_t end;

	fields[0] = (struct field){ DHCP_OPTIONS_AT, length };
	message->bytes[0] = 0;
	end = walk(payload, &fields[0], message, see_overload);
	if (end == 0)
		return 0;
	message->end = (uint16_t)end;
	if (message->bytes[0] & 1)
		fields[count++] = (struct field){ DHCP_FILE, DHCP_FILE + DHCP_FILE_LENGTH };
	if (message->bytes[0] & 2)
		fields[count++] = (struct field){ DHCP_SNAME, DHCP_SNAME + DHCP_SNAME_LENGTH };
	return count;
}

static bool
gather(const uint8_t *payload, size_t length, struct dhcp_message *message)
{
	struct field fields[FIELDS];
	unsigned count = find_fields(payload, length, fields, message);
	uint16_t at = 0;

	if (count == 0)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (walk(payload, &fields[i], message, count_bytes) == 0)
			return false;
	}
	for (unsigned code = 0; code < 256; code++) {
		message->at[code] = at;
		at = (uint16_t)(at + message->lengths[code]);
	}
	for (unsigned i = 0; i < count; i++)
		walk(payload, &fields[i], message, copy_bytes);
	for (unsigned code = 0; code < 256; code++)
		message->at[code] = (uint16_t)(message->at[code] - message->lengths[code]);
	return true;
}

/* RFC 2132, of those that this code reads or that a client may send. */
static const struct rule {
	uint8_t code, least;
	uint8_t most; /* 0: no limit */
	uint8_t unit; /* the length is a multiple of it */
} rules[] = {
	{ DHCP_OPTION_MASK, 4, 4, 4 },
	{ DHCP_OPTION_ROUTER, 4, 0, 4 },
	{ DHCP_OPTION_DNS, 4, 0, 4 },
	{ DHCP_OPTION_BROADCAST, 4, 4, 4 },
	{ DHCP_OPTION_STATIC_ROUTE, 8, 0, 8 },
	{ DHCP_OPTION_NTP, 4, 0, 4 },
	{ DHCP_OPTION_REQUESTED, 4, 4, 4 },
	{ DHCP_OPTION_LEASE_TIME, 4, 4, 4 },
	{ DHCP_OPTION_OVERLOAD, 1, 1, 1 },
	{ DHCP_OPTION_TYPE, 1, 1, 1 },
	{ DHCP_OPTION_SERVER, 4, 4, 4 },
	{ DHCP_OPTION_PARAMETERS, 1, 0, 1 },
	{ DHCP_OPTION_MAX_SIZE, 2, 2, 2 },
	{ DHCP_OPTION_T1, 4, 4, 4 },
	{ DHCP_OPTION_T2, 4, 4, 4 },
	{ DHCP_OPTION_CLIENT_ID, 2, 255, 1 },
};

static bool
values_hold(const struct dhcp_message *message)
{
	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];
		unsigned length = message->lengths[rule->code];

		if (!message->present[rule->code])
			continue;
		if (length < rule->least || (rule->most != 0 && length > rule->most) ||
			length % rule->unit != 0)
			return false;
	}
	return true;
}

static void
read_header(const uint8_t *payload, struct dhcp_message *message)
{
	message->op = payload[DHCP_OP];
	message->htype = payload[DHCP_HTYPE];
	message->hlen = payload[DHCP_HLEN];
	message->hops = payload[DHCP_HOPS];
	message->xid = dhcp_get32(payload + DHCP_XID);
	message->secs = dhcp_get16(payload + DHCP_SECS);
	message->flags = dhcp_get16(payload + DHCP_FLAGS);
	message->ciaddr = dhcp_get32(payload + DHCP_CIADDR);
	message->yiaddr = dhcp_get32(payload + DHCP_YIADDR);
	message->siaddr = dhcp_get32(payload + DHCP_SIADDR);
	message->giaddr = dhcp_get32(payload + DHCP_GIADDR);
}

enum dhcp_parsed
dhcp_parse(const uint8_t *payload, size_t length, struct dhcp_message *message)
{
	const uint8_t *type;

	memset(message, 0, offsetof(struct dhcp_message, bytes));
	if (length < DHCP_HEADER_LENGTH || length > DHCP_MESSAGE_LIMIT)
		return DHCP_LENGTH;
	read_header(payload, message);
	if ((message->op != DHCP_REQUEST_OP && message->op != DHCP_REPLY_OP) ||
		message->hlen > DHCP_CHADDR_LENGTH)
		return DHCP_BAD_HEADER;
	memcpy(message->chaddr, payload + DHCP_CHADDR, message->hlen);
	if (length < DHCP_OPTIONS_AT || dhcp_get32(payload + DHCP_HEADER_LENGTH) != DHCP_COOKIE)
		return DHCP_BOOTP;
	if (!gather(payload, length, message))
		return DHCP_BAD_OPTION;
	if (!values_hold(message))
		return DHCP_BAD_VALUE;
	if (!message->present[DHCP_OPTION_TYPE])
		return DHCP_BOOTP;
	type = message->bytes + message->at[DHCP_OPTION_TYPE];
	if (*type == 0 || *type >= DHCP_TYPES)
		return DHCP_BAD_VALUE;
	message->type = *type;
	return DHCP_OK;
}

const uint8_t *
dhcp_option(const struct dhcp_message *message, enum dhcp_code code, unsigned *length)
{
	*length = message->lengths[code];
	return message->present[code] ? message->bytes + message->at[code] : NULL;
}

uint32_t
dhcp_option_number(const struct dhcp_message *message, enum dhcp_code code, uint32_t none)
{
	unsigned length;
	const uint8_t *bytes = dhcp_option(message, code, &length);

	return bytes != NULL && length == 4 ? dhcp_get32(bytes) : none;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* An option with the codes and lengths of its pieces. */
static unsigned
room_of(unsigned length)
{
	return length + 2 * (length == 0 ? 1 : (length + 254) / 255);
}

static void
put(uint8_t *message, struct dhcp_space *space, uint8_t code, const uint8_t *bytes, unsigned length)
{
	do {
		unsigned piece = length < 255 ? length : 255;

		message[space->at++] = code;
		message[space->at++] = (uint8_t)piece;
		if (piece == 0)
			return;
		memcpy(message + space->at, bytes, piece);
		space->at = (uint16_t)(space->at + piece);
		bytes += piece;
		length -= piece;
	} while (length != 0);
}

static void
add_space(struct dhcp_writer *writer, uint16_t at, uint16_t limit, uint8_t overload)
{
	writer->spaces[writer->n_spaces++] = (struct dhcp_space){ at, limit, overload };
}

#define OVERLOAD_ROOM 3
#define END_ROOM 1
#define LEAST_FOR_OTHERS 128 /* what the relay's option has to leave */

void
dhcp_write_begin(struct dhcp_writer *writer, uint8_t *message, size_t limit, const uint8_t *relay,
	unsigned relay_length)
{
	unsigned reserve = OVERLOAD_ROOM + END_ROOM;

	*writer = (struct dhcp_writer){ .message = message };
	if (relay != NULL &&
		DHCP_OPTIONS_AT + reserve + LEAST_FOR_OTHERS + room_of(relay_length) <= limit) {
		writer->relay = relay;
		writer->relay_length = relay_length;
		reserve += room_of(relay_length);
	} else if (relay != NULL) {
		writer->omitted++;
	}
	dhcp_put32(message + DHCP_HEADER_LENGTH, DHCP_COOKIE);
	add_space(writer, DHCP_OPTIONS_AT, (uint16_t)(limit - reserve), 0);
	if (message[DHCP_FILE] == 0)
		add_space(writer, DHCP_FILE, DHCP_FILE + DHCP_FILE_LENGTH - END_ROOM, 1);
	if (message[DHCP_SNAME] == 0)
		add_space(writer, DHCP_SNAME, DHCP_SNAME + DHCP_SNAME_LENGTH - END_ROOM, 2);
}

bool
dhcp_write(struct dhcp_writer *writer, uint8_t code, const void *bytes, unsigned length)
{
	for (unsigned i = 0; i < writer->n_spaces; i++) {
		struct dhcp_space *space = &writer->spaces[i];

		if ((unsigned)(space->limit - space->at) < room_of(length))
			continue;
		put(writer->message, space, code, bytes, length);
		return true;
	}
	writer->omitted++;
	return false;
}

bool
dhcp_write_number(struct dhcp_writer *writer, uint8_t code, uint32_t number)
{
	uint8_t bytes[4];

	dhcp_put32(bytes, number);
	return dhcp_write(writer, code, bytes, sizeof(bytes));
}

/* Ends the options in `file` and `sname`, if there are any; returns the value of option 52. */
static uint8_t
end_overload(struct dhcp_writer *writer)
{
	uint8_t overload = 0;

	for (unsigned i = 1; i < writer->n_spaces; i++) {
		struct dhcp_space *space = &writer->spaces[i];

		if (writer->message[space->overload == 1 ? DHCP_FILE : DHCP_SNAME] == 0)
			continue;
		writer->message[space->at] = DHCP_OPTION_END;
		overload |= space->overload;
	}
	return overload;
}

size_t
dhcp_write_end(struct dhcp_writer *writer)
{
	struct dhcp_space *space = &writer->spaces[0];
	uint8_t overload = end_overload(writer);
	size_t length;

	if (overload != 0)
		put(writer->message, space, DHCP_OPTION_OVERLOAD, &overload, 1);
	if (writer->relay != NULL)
		put(writer->message, space, DHCP_OPTION_RELAY, writer->relay, writer->relay_length);
	writer->message[space->at] = DHCP_OPTION_END;
	length = space->at + 1u;
	if (length >= DHCP_MESSAGE_LEAST)
		return length;
	memset(writer->message + length, 0, DHCP_MESSAGE_LEAST - length);
	return DHCP_MESSAGE_LEAST;
}
