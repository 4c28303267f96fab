/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/syn_cookie.h"

#define PERIOD_SHIFT 36 /* of ns: 69 s */
#define MS 1000000u
#define BITS 9
#define BITS_MASK ((1u << BITS) - 1)
#define SCALE_NONE 15 /* RFC 7323, 2.3: none is above 14 */

/* The most usual: 1,280 and 1,500 bytes with either IP header, tunnels, and jumbo frames. */
static const uint16_t sizes[8] = { 216, 536, 1220, 1360, 1400, 1440, 1460, 8940 };

static unsigned
size_index(uint16_t mss)
{
	unsigned index = 7;

	while (index > 0 && sizes[index] > mss)
		index--;
	return index;
}

/* RFC 9293, 3.7.1: where nothing is said. */
static uint16_t
said_size(const struct flow *flow, uint16_t mss)
{
	if (mss != 0)
		return mss;
	return flow->family == 4 ? 536 : 1220;
}

static unsigned
pack(const struct flow *flow, const struct syn_offer *offer, uint32_t period)
{
	unsigned scale = offer->has_scale ? offer->scale : SCALE_NONE;

	return (period & 1) | (unsigned)offer->has_sack << 1 | scale << 2 |
	       size_index(said_size(flow, offer->mss)) << 6;
}

/* The flow, and what else makes a cookie this one. */
static uint64_t
hash(const struct hash_key *key, const struct flow *flow, uint32_t sequence, uint32_t period,
	unsigned bits)
{
	struct {
		struct flow flow;
		uint32_t sequence, period, bits;
	} words = { *flow, sequence, period, bits };

	_Static_assert(sizeof(words) == sizeof(struct flow) + 12, "no gaps");
	return hash_bytes(key, &words, sizeof(words));
}

static uint32_t
cookie_of(uint64_t hash, unsigned bits)
{
	uint32_t mac = (uint32_t)hash & ~BITS_MASK;

	return mac | (bits ^ mac >> (32 - BITS));
}

uint32_t
syn_cookie_make(const struct hash_key *key, const struct flow *flow, uint32_t sequence,
	const struct syn_offer *offer, uint64_t now, uint32_t *time)
{
	uint32_t period = (uint32_t)(now >> PERIOD_SHIFT);
	unsigned bits = pack(flow, offer, period);
	uint64_t made = hash(key, flow, sequence, period, bits);

	/* RFC 7323, 5.4: nobody can tell from it how long we have been up */
	*time = (uint32_t)(made >> 32) + (uint32_t)(now / MS);
	return cookie_of(made, bits);
}

bool
syn_cookie_check(const struct hash_key *key, const struct flow *flow, uint32_t sequence,
	uint32_t cookie, uint64_t now, struct syn_offer *offer)
{
	unsigned bits = (cookie ^ cookie >> (32 - BITS)) & BITS_MASK;
	uint32_t period = (uint32_t)(now >> PERIOD_SHIFT);

	if ((period ^ bits) & 1)
		period--;
	if (cookie_of(hash(key, flow, sequence, period, bits), bits) != cookie)
		return false;
	*offer = (struct syn_offer){
		.mss = sizes[bits >> 6],
		.has_sack = bits >> 1 & 1,
		.has_scale = (bits >> 2 & 15) != SCALE_NONE,
		.scale = bits >> 2 & 15,
	};
	if (!offer->has_scale)
		offer->scale = 0;
	return true;
}
