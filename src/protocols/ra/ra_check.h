/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judges received messages of neighbour discovery by the rules that come before all others
 * (RFC 4861 6.1.1, 6.1.2, 7.1.1, 7.1.2), and goes through their options. Whoever takes a
 * router solicitation or advertisement, a neighbour solicitation or advertisement, asks here
 * first. The checksum has been checked before.
 */
#ifndef WEFT_PROTOCOLS_RA_CHECK_H
#define WEFT_PROTOCOLS_RA_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nd_type {
	ND_ROUTER_SOLICITATION = 133,
	ND_ROUTER_ADVERTISEMENT = 134,
	ND_NEIGHBOR_SOLICITATION = 135,
	ND_NEIGHBOR_ADVERTISEMENT = 136,
};

enum nd_option_type {
	ND_SOURCE_LINK_LAYER = 1,
	ND_TARGET_LINK_LAYER = 2,
	ND_PREFIX = 3,
	ND_MTU = 5,
	ND_RDNSS = 25, /* RFC 8106 */
	ND_DNSSL = 31,
};

enum ra_verdict {
	RA_VALID,
	RA_OTHER,       /* none of the four types */
	RA_HOP_LIMIT,   /* not 255: it came from beyond the link */
	RA_CODE,        /* not 0 */
	RA_SHORT,       /* shorter than its type has to be */
	RA_BAD_OPTION,  /* of no length, or beyond the end of the message */
	RA_BAD_SOURCE,  /* a router's is not link-local; the unspecified one tells a MAC */
	RA_BAD_ADDRESS, /* the target is multicast, or the destination does not go with the rest */
};

/* `message`: the ICMPv6 message, from its type on. */
enum ra_verdict ra_check(const uint8_t *message, size_t length, uint8_t hop_limit,
	const uint8_t source[16], const uint8_t destination[16]);

/*
 * An option of a message that is RA_VALID: start with *at = 0. `length` with type and length
 * byte, a multiple of 8. False: there are no more.
 */
struct nd_option {
	uint8_t type;
	unsigned length;
	const uint8_t *bytes; /* from the type on */
};

bool nd_option_next(const uint8_t *message, size_t length, size_t *at, struct nd_option *option);

#endif
