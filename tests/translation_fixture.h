/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of translation share: what a receiver of translated packets checks. */
#ifndef WEFT_TESTS_TRANSLATION_FIXTURE_H
#define WEFT_TESTS_TRANSLATION_FIXTURE_H

#include "firewall_fixture.h"

/* ---- what a receiver checks -------------------------------------------------------------------
 */

static inline unsigned
header_of(uint8_t family)
{
	return family == 4 ? 20 : 40;
}

/* The checksums of an IP packet of `length` bytes, in whose payload there may be another one that
 * is quoted whole. */
static inline void
assert_sound(const uint8_t *ip, size_t length)
{
	uint8_t family = ip[0] >> 4, protocol = family == 4 ? ip[9] : ip[6];
	const uint8_t *l4 = ip + header_of(family);
	size_t rest = length - header_of(family);
	uint32_t sum = rte_raw_cksum(l4, rest);

	if (family == 4)
		assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
	if (family == 6)
		sum += rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)ip, 0);
	else if (protocol != IPPROTO_ICMP)
		sum += rte_ipv4_phdr_cksum((const struct rte_ipv4_hdr *)ip, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	if ((protocol == IPPROTO_ICMP && l4[0] == 3) || (protocol == IPPROTO_ICMPV6 && l4[0] < 128))
		assert_sound(l4 + 8, rest - 8);
}

static inline uint16_t
port_at(const uint8_t *frame, uint8_t family, unsigned offset)
{
	const uint8_t *at = frame + 14 + header_of(family) + offset;

	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void
assert_address(const uint8_t *frame, uint8_t family, bool source, const char *wanted)
{
	const uint8_t *at = frame + 14 + (family == 4 ? 12 : 8) +
			    (source               ? 0
				    : family == 4 ? 4
						  : 16);
	struct weft_prefix prefix = prefix_of(wanted);

	assert_memory_equal(at, prefix.address, family == 4 ? 4 : 16);
}

#endif
