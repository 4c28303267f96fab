/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies (RFC 4987, 3.6): the sequence number with which a SYN is answered by somebody who
 * keeps nothing of it, and from which all that has to be known is known when it comes back
 * acknowledged.
 *
 *	mac:23 bits:9
 *
 * `mac` is of SipHash over the flow, the client's own sequence number, the period of the clock,
 * and `bits`; these are the parity of the period, the MSS as one of eight, the window scale, and
 * whether SACK is permitted, masked with the upper bits of `mac`. So what a client asks for is
 * kept whole but for the MSS, without timestamps too (of which many clients have none); that
 * these are in use its acknowledgment shows by itself. A cookie holds for one to two periods: 69
 * to 137 s.
 *
 * Who cannot see the answer needs 2^22 guesses on average for a connection that then only exists in
 * the state table and at the server; FreeBSD's cookies are as long.
 *
 * Threads: any.
 */
#ifndef WEFT_FIREWALL_SYN_COOKIE_H
#define WEFT_FIREWALL_SYN_COOKIE_H

#include "firewall/flow.h"

/* What a SYN asks for, or its answer grants. */
struct syn_offer {
	uint16_t mss; /* 0: not said */
	uint8_t scale;
	bool has_scale, has_sack, has_times;
};

/* `sequence`: of the SYN. `now`: ns of the engine's clock. `time`: the TSval that goes with it. */
uint32_t syn_cookie_make(const struct hash_key *key, const struct flow *flow, uint32_t sequence,
	const struct syn_offer *offer, uint64_t now, uint32_t *time);

/* Whether the cookie was made for these; `offer`: what the SYN asked for, the MSS rounded down, and
 * has_times not known. */
bool syn_cookie_check(const struct hash_key *key, const struct flow *flow, uint32_t sequence,
	uint32_t cookie, uint64_t now, struct syn_offer *offer);

#endif
