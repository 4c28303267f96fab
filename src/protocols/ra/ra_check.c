/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/ra/ra_check.h"

#include <string.h>

#define TARGET_AT 8
#define SOLICITED_FLAG 0x40 /* in the fifth byte of a neighbour advertisement */

/* Where the options begin: what the message has to have. 0: not of our types. */
static size_t
fixed_length(uint8_t type)
{
	switch (type) {
	case ND_ROUTER_SOLICITATION:
		return 8;
	case ND_ROUTER_ADVERTISEMENT:
		return 16;
	case ND_NEIGHBOR_SOLICITATION:
	case ND_NEIGHBOR_ADVERTISEMENT:
		return 24;
	default:
		return 0;
	}
}

bool
nd_option_next(const uint8_t *message, size_t length, size_t *at, struct nd_option *option)
{
	unsigned size;

	if (*at == 0)
		*at = fixed_length(message[0]);
	if (*at >= length || length - *at < 2)
		return false;
	size = 8u * message[*at + 1];
	if (size == 0 || size > length - *at)
		return false;
	*option = (struct nd_option){ message[*at], size, message + *at };
	*at += size;
	return true;
}

/* They end where the message does. */
static bool
options_hold(const uint8_t *message, size_t length, bool *tells_source)
{
	struct nd_option option;
	size_t at = fixed_length(message[0]);

	*tells_source = false;
	while (nd_option_next(message, length, &at, &option)) {
		if (option.type == ND_SOURCE_LINK_LAYER)
			*tells_source = true;
	}
	return at == length;
}

static bool
is_unspecified(const uint8_t address[16])
{
	static const uint8_t none[16];

	return memcmp(address, none, 16) == 0;
}

static bool
is_multicast(const uint8_t address[16])
{
	return address[0] == 0xff;
}

static bool
is_link_local(const uint8_t address[16])
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

/* RFC 4291 2.7.1 */
static bool
is_solicited_node(const uint8_t address[16])
{
	static const uint8_t prefix[13] = { 0xff, 2, [11] = 1, [12] = 0xff };

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

/* 7.1.1: from a host that has no address yet */
static enum ra_verdict
check_nameless(const uint8_t *message, const uint8_t destination[16], bool tells_source)
{
	if (tells_source)
		return RA_BAD_SOURCE;
	if (message[0] == ND_NEIGHBOR_SOLICITATION && !is_solicited_node(destination))
		return RA_BAD_ADDRESS;
	return RA_VALID;
}

enum ra_verdict
ra_check(const uint8_t *message, size_t length, uint8_t hop_limit, const uint8_t source[16],
	const uint8_t destination[16])
{
	size_t fixed = length != 0 ? fixed_length(message[0]) : 0;
	bool tells_source;

	if (fixed == 0)
		return RA_OTHER;
	if (hop_limit != 255)
		return RA_HOP_LIMIT;
	if (length < fixed)
		return RA_SHORT;
	if (message[1] != 0)
		return RA_CODE;
	if (!options_hold(message, length, &tells_source))
		return RA_BAD_OPTION;
	if (message[0] == ND_ROUTER_ADVERTISEMENT)
		return is_link_local(source) ? RA_VALID : RA_BAD_SOURCE;
	if (message[0] != ND_ROUTER_SOLICITATION && is_multicast(message + TARGET_AT))
		return RA_BAD_ADDRESS;
	if (message[0] == ND_NEIGHBOR_ADVERTISEMENT)
		return is_multicast(destination) && (message[4] & SOLICITED_FLAG) ? RA_BAD_ADDRESS
										  : RA_VALID;
	return is_unspecified(source) ? check_nameless(message, destination, tells_source)
				      : RA_VALID;
}
