/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random routes, and destinations in them, for the benches: the same ones in each run. Lengths
 * are about those of the Internet's tables in 2025; the routes lie together as they do there, in
 * some of the /16 (IPv6: /32) more than in others.
 */
#ifndef WEFT_BENCH_RANDOM_ROUTES_H
#define WEFT_BENCH_RANDOM_ROUTES_H

#include <stdint.h>
#include <string.h>

struct route {
	uint8_t prefix[16];
	uint8_t length;
	uint32_t leaf; /* the user's */
};

static uint64_t random_seed = 88172645463325252u;

static inline uint64_t
random_word(void)
{
	random_seed ^= random_seed << 13;
	random_seed ^= random_seed >> 7;
	random_seed ^= random_seed << 17;
	return random_seed * 0x2545f4914f6cdd1du;
}

static inline uint32_t
random_below(uint32_t limit)
{
	return (uint32_t)((random_word() >> 32) * limit >> 32);
}

struct share {
	unsigned length, per_mille;
};

static const struct share mix4[] = { { 24, 590 }, { 23, 100 }, { 22, 110 }, { 21, 50 }, { 20, 50 },
	{ 19, 28 }, { 18, 16 }, { 17, 10 }, { 16, 14 }, { 15, 4 }, { 14, 3 }, { 12, 2 }, { 32, 15 },
	{ 29, 8 }, { 0, 0 } };
static const struct share mix6[] = { { 48, 460 }, { 32, 110 }, { 44, 130 }, { 40, 100 }, { 36, 50 },
	{ 46, 40 }, { 47, 30 }, { 45, 15 }, { 33, 15 }, { 34, 10 }, { 29, 25 }, { 64, 10 },
	{ 128, 5 }, { 0, 0 } };

static inline unsigned
random_length(const struct share *mix)
{
	unsigned pick = random_below(1000);

	for (; mix[1].length != 0 && pick >= mix->per_mille; mix++)
		pick -= mix->per_mille;
	return mix->length;
}

#define BLOCKS 24000

/* Some blocks hold many routes, most hold few. */
static inline uint32_t
random_block(void)
{
	uint64_t u = random_below(1u << 16);

	return (uint32_t)(u * u % (1ull << 32) * BLOCKS >> 32);
}

/* Which block of 65,536 addresses (or so) the nth one is. */
static inline uint32_t
block_number(uint32_t n)
{
	uint64_t word = (n + 1) * 0x9e3779b97f4a7c15u;

	return (uint32_t)(word ^ word >> 29);
}

/* family: 4 or 6. The same route may come twice. */
static inline void
random_route(struct route *route, unsigned family)
{
	uint64_t words[2] = { random_word(), random_word() };
	uint32_t block = block_number(random_block());

	memset(route->prefix, 0, sizeof(route->prefix));
	if (family == 4) {
		route->length = (uint8_t)random_length(mix4);
		memcpy(route->prefix, words, 4);
		route->prefix[0] = (uint8_t)(1 + (block >> 8) % 223);
		route->prefix[1] = (uint8_t)block;
	} else {
		route->length = (uint8_t)random_length(mix6);
		memcpy(route->prefix, words, 16);
		route->prefix[0] = block >> 24 & 1 ? 0x20 : block >> 25 & 1 ? 0x24 : 0x2a;
		route->prefix[1] = block >> 16 & 0xf;
		route->prefix[2] = (uint8_t)(block >> 8);
		route->prefix[3] = (uint8_t)block;
	}
}

/* A random address in the route, of `bytes` bytes. */
static inline void
random_address(const struct route *route, unsigned bytes, uint8_t address[16])
{
	uint64_t words[2] = { random_word(), random_word() };
	unsigned whole = route->length / 8, bits = route->length % 8;

	memcpy(address, words, 16);
	memcpy(address, route->prefix, whole);
	if (bits != 0)
		address[whole] = (uint8_t)((route->prefix[whole] & 0xff00 >> bits) |
					   (address[whole] & 0xff >> bits));
	memset(address + bytes, 0, 16 - bytes);
}

#endif
