/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DHCPv4 messages as bytes (RFC 2131 2, 2132): taken apart and put together. Knows no leases.
 * A message is the payload of a UDP datagram. Addresses are numbers in the host's byte order.
 *
 * Strict: a message whose options run over their field, lack their end, or have a length that
 * their code cannot have is no message. Options given in pieces (RFC 3396) and in the fields
 * `file` and `sname` (option 52) are put together on reading; on writing they are made of what
 * does not fit otherwise.
 */
#ifndef WEFT_PROTOCOLS_DHCP_MESSAGE_H
#define WEFT_PROTOCOLS_DHCP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68

#define DHCP_MESSAGE_LIMIT 1472 /* what a frame of 1,500 bytes can carry; longer: DHCP_LENGTH */
#define DHCP_MESSAGE_LEAST 300  /* RFC 951: what is sent is padded to that */
#define DHCP_HEADER_LENGTH 236
#define DHCP_OPTIONS_AT (DHCP_HEADER_LENGTH + 4) /* behind the cookie */
#define DHCP_COOKIE 0x63825363u

/* Where the fields are. */
enum dhcp_field {
	DHCP_OP = 0,
	DHCP_HTYPE = 1,
	DHCP_HLEN = 2,
	DHCP_HOPS = 3,
	DHCP_XID = 4,
	DHCP_SECS = 8,
	DHCP_FLAGS = 10,
	DHCP_CIADDR = 12,
	DHCP_YIADDR = 16,
	DHCP_SIADDR = 20,
	DHCP_GIADDR = 24,
	DHCP_CHADDR = 28,
	DHCP_SNAME = 44,
	DHCP_FILE = 108,
};

#define DHCP_CHADDR_LENGTH 16
#define DHCP_SNAME_LENGTH 64
#define DHCP_FILE_LENGTH 128
#define DHCP_REQUEST_OP 1
#define DHCP_REPLY_OP 2
#define DHCP_ETHERNET 1 /* htype */
#define DHCP_FLAG_BROADCAST 0x8000

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
	DHCP_TYPES,
};

enum dhcp_code {
	DHCP_OPTION_PAD = 0,
	DHCP_OPTION_MASK = 1,
	DHCP_OPTION_ROUTER = 3,
	DHCP_OPTION_DNS = 6,
	DHCP_OPTION_HOST_NAME = 12,
	DHCP_OPTION_DOMAIN = 15,
	DHCP_OPTION_BROADCAST = 28,
	DHCP_OPTION_STATIC_ROUTE = 33,
	DHCP_OPTION_NTP = 42,
	DHCP_OPTION_REQUESTED = 50,
	DHCP_OPTION_LEASE_TIME = 51,
	DHCP_OPTION_OVERLOAD = 52,
	DHCP_OPTION_TYPE = 53,
	DHCP_OPTION_SERVER = 54,
	DHCP_OPTION_PARAMETERS = 55,
	DHCP_OPTION_MESSAGE = 56,
	DHCP_OPTION_MAX_SIZE = 57,
	DHCP_OPTION_T1 = 58,
	DHCP_OPTION_T2 = 59,
	DHCP_OPTION_CLIENT_ID = 61,
	DHCP_OPTION_RELAY = 82,
	DHCP_OPTION_SEARCH = 119,
	DHCP_OPTION_ROUTES = 121,
	DHCP_OPTION_END = 255,
};

enum dhcp_parsed {
	DHCP_OK,
	DHCP_LENGTH,     /* of the message: too short, too long */
	DHCP_BAD_HEADER, /* op, or a hardware address that is longer than its field */
	DHCP_BOOTP,      /* no cookie or no message type; the fields of the header are filled */
	DHCP_BAD_OPTION, /* an option runs over its field, or the end is missing */
	DHCP_BAD_VALUE,  /* an option's value has a length or content that its code cannot have */
};

struct dhcp_message {
	uint8_t op, htype, hlen, hops;
	uint8_t type; /* enum dhcp_type; 0: none */
	uint16_t secs, flags;
	uint32_t xid, ciaddr, yiaddr, siaddr, giaddr;
	uint8_t chaddr[DHCP_CHADDR_LENGTH]; /* zero behind hlen */
	uint16_t end;                       /* where in the message option 255 is */
	/* by code: each option's pieces, put together in `bytes` */
	bool present[256];
	uint16_t at[256], lengths[256];
	uint8_t bytes[DHCP_MESSAGE_LIMIT];
};

enum dhcp_parsed dhcp_parse(const uint8_t *payload, size_t length, struct dhcp_message *message);

/* NULL: not there. The bytes are in the message. */
const uint8_t *dhcp_option(
	const struct dhcp_message *message, enum dhcp_code code, unsigned *length);
/* Of an option that is one address or one number of four bytes; `none` if it is not there. */
uint32_t dhcp_option_number(const struct dhcp_message *message, enum dhcp_code code, uint32_t none);

static inline uint16_t
dhcp_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
dhcp_get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void
dhcp_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void
dhcp_put32(uint8_t *at, uint32_t value)
{
	dhcp_put16(at, (uint16_t)(value >> 16));
	dhcp_put16(at + 2, (uint16_t)value);
}

/* ---- writing ------------------------------------------------------------------------------- */

/*
 * Puts options into a message: into the options field as long as there is room, then into
 * `file` and `sname` where the message does not need these. Each option goes whole into one of
 * the three, in pieces of 255 bytes.
 */
struct dhcp_writer {
	uint8_t *message;
	struct dhcp_space {
		uint16_t at, limit;
		uint8_t overload; /* bit in option 52; 0: the options field */
	} spaces[3];
	unsigned n_spaces;
	const uint8_t *relay; /* option 82, the last one */
	unsigned relay_length;
	unsigned omitted; /* options for which there was no room */
};

/*
 * `message` has `limit` bytes (at least DHCP_MESSAGE_LEAST, at most DHCP_MESSAGE_LIMIT), of
 * which the header is filled: file and sname are free for options if their first byte is zero.
 * `relay` (NULL: none) is echoed behind all others, if it leaves room for them (RFC 3046 2.2).
 */
void dhcp_write_begin(struct dhcp_writer *writer, uint8_t *message, size_t limit,
	const uint8_t *relay, unsigned relay_length);
/* False: no room. */
bool dhcp_write(struct dhcp_writer *writer, uint8_t code, const void *bytes, unsigned length);
bool dhcp_write_number(struct dhcp_writer *writer, uint8_t code, uint32_t number);
/* Returns the length of the message. */
size_t dhcp_write_end(struct dhcp_writer *writer);

#endif
