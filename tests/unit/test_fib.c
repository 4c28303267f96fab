/* SPDX-License-Identifier: BSD-3-Clause */
/* The FIB against a plain list of routes, at its edges, without memory, and under readers. */
#include "fault.h"
#include "router/fib.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- the oracle: a list ---------------------------------------------------------------------- */

#define ROUTES_MAX 4096

struct route {
	uint8_t prefix[16];
	unsigned length;
	uint32_t leaf;
};

struct world {
	enum fib_family family;
	unsigned bytes; /* of an address */
	struct fib fib;
	struct route routes[ROUTES_MAX];
	unsigned count;
	uint64_t seed;
};

static uint64_t
random_word(struct world *world)
{
	world->seed ^= world->seed << 13;
	world->seed ^= world->seed >> 7;
	world->seed ^= world->seed << 17;
	return world->seed * 0x2545f4914f6cdd1du >> 16;
}

static unsigned
random_below(struct world *world, unsigned limit)
{
	return (unsigned)(random_word(world) % limit);
}

static struct world *
world_new(enum fib_family family, uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->family = family;
	world->bytes = family == FIB_IPV4 ? 4 : 16;
	world->seed = seed;
	fib_open(&world->fib, family);
	return world;
}

static void
world_free(struct world *world)
{
	fib_close(&world->fib);
	free(world);
}

static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned length)
{
	unsigned whole = length / 8, bits = length % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return bits == 0 || ((a[whole] ^ b[whole]) & 0xff00 >> bits & 0xff) == 0;
}

static struct route *
oracle_find(struct world *world, const uint8_t *prefix, unsigned length)
{
	for (unsigned i = 0; i < world->count; i++) {
		struct route *route = &world->routes[i];

		if (route->length == length && same_bits(route->prefix, prefix, length))
			return route;
	}
	return NULL;
}

/* The longest that contains the prefix and is not longer. */
static const struct route *
oracle_cover(const struct world *world, const uint8_t *prefix, unsigned length)
{
	const struct route *best = NULL;

	for (unsigned i = 0; i < world->count; i++) {
		const struct route *route = &world->routes[i];

		if (route->length <= length && same_bits(route->prefix, prefix, route->length) &&
			(best == NULL || route->length > best->length))
			best = route;
	}
	return best;
}

static uint32_t
oracle_lookup(const struct world *world, const uint8_t *address)
{
	const struct route *route = oracle_cover(world, address, world->bytes * 8);

	return route != NULL ? route->leaf : 0;
}

static uint32_t
oracle_set(struct world *world, const uint8_t *prefix, unsigned length, uint32_t leaf)
{
	struct route *route = oracle_find(world, prefix, length);
	uint32_t old = route != NULL ? route->leaf : 0;

	if (leaf == 0) {
		if (route != NULL)
			*route = world->routes[--world->count];
		return old;
	}
	if (route == NULL) {
		assert_true(world->count < ROUTES_MAX);
		route = &world->routes[world->count++];
		memset(route, 0, sizeof(*route));
		memcpy(route->prefix, prefix, world->bytes);
		for (unsigned bit = length; bit < 128; bit++)
			route->prefix[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
		route->length = length;
	}
	route->leaf = leaf;
	return old;
}

/* ---- the FIB ----------------------------------------------------------------------------------
 */

static uint32_t
host_order(const uint8_t *address)
{
	return (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 |
	       address[3];
}

static uint32_t
lookup(const struct world *world, const uint8_t *address)
{
	return world->family == FIB_IPV4 ? fib4_lookup(&world->fib, host_order(address))
					 : fib6_lookup(&world->fib, address);
}

static void
update(struct world *world, const uint8_t *prefix, unsigned length, uint32_t leaf)
{
	uint32_t old = 12345, before = oracle_set(world, prefix, length, leaf);

	if (leaf != 0)
		assert_int_equal(fib_set(&world->fib, prefix, length, leaf, &old), 0);
	else
		assert_int_equal(fib_clear(&world->fib, prefix, length, &old), 0);
	assert_int_equal(old, before);
	assert_int_equal(fib_count(&world->fib), world->count);
}

/* Addresses as text are too long for tables: the bytes in hexadecimal, the rest zero. */
static void
bytes_of(const char *text, uint8_t bytes[16])
{
	memset(bytes, 0, 16);
	for (unsigned i = 0; text[2 * i] != '\0'; i++)
		sscanf(text + 2 * i, "%2hhx", &bytes[i]);
}

static void
put(struct world *world, const char *prefix, unsigned length, uint32_t leaf)
{
	uint8_t bytes[16];

	bytes_of(prefix, bytes);
	update(world, bytes, length, leaf);
}

static uint32_t
ask(const struct world *world, const char *address)
{
	uint8_t bytes[16];
	uint32_t leaf;

	bytes_of(address, bytes);
	leaf = lookup(world, bytes);
	assert_int_equal(leaf, oracle_lookup(world, bytes));
	return leaf;
}

static void
check_burst(const struct world *world, const uint8_t (*addresses)[16], unsigned count)
{
	const struct fib *fibs[256];
	const uint8_t *six[256];
	uint32_t four[256], leaves[256];

	assert_true(count <= 256);
	for (unsigned i = 0; i < count; i++) {
		fibs[i] = &world->fib;
		six[i] = addresses[i];
		four[i] = host_order(addresses[i]);
	}
	if (world->family == FIB_IPV4)
		fib4_lookup_burst(fibs, four, leaves, count);
	else
		fib6_lookup_burst(fibs, six, leaves, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(leaves[i], lookup(world, addresses[i]));
}

/* Close to each other, so that prefixes meet at every length. */
static void
random_address(struct world *world, uint8_t address[16])
{
	memset(address, 0, 16);
	if (world->count != 0 && random_below(world, 4) != 0)
		memcpy(address, world->routes[random_below(world, world->count)].prefix, 16);
	for (unsigned i = random_below(world, 3); i > 0; i--) {
		unsigned bit = random_below(world, world->bytes * 8);

		address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
	if (random_below(world, 4) == 0) {
		for (unsigned i = random_below(world, world->bytes); i < world->bytes; i++)
			address[i] = (uint8_t)random_word(world);
	}
	memset(address + world->bytes, 0, 16 - world->bytes);
}

static void
check_lookups(struct world *world, unsigned count)
{
	uint8_t addresses[256][16];

	assert_true(count <= 256);
	for (unsigned i = 0; i < count; i++) {
		random_address(world, addresses[i]);
		assert_int_equal(lookup(world, addresses[i]), oracle_lookup(world, addresses[i]));
	}
	check_burst(world, (const uint8_t(*)[16])addresses, count);
}

struct walked {
	struct world *world;
	struct route last;
	unsigned count, stop;
};

static bool
walk_look(void *context, const uint8_t prefix[16], unsigned length, uint32_t leaf)
{
	struct walked *walked = context;
	struct route *route = oracle_find(walked->world, prefix, length);
	int order = memcmp(walked->last.prefix, prefix, 16);

	assert_non_null(route);
	assert_memory_equal(route->prefix, prefix, 16);
	assert_int_equal(route->leaf, leaf);
	if (walked->count != 0)
		assert_true(order < 0 || (order == 0 && walked->last.length < length));
	memcpy(walked->last.prefix, prefix, 16);
	walked->last.length = length;
	return ++walked->count != walked->stop;
}

/* Everything that can be asked. */
static void
check_all(struct world *world)
{
	struct walked walked = { .world = world };

	fib_walk(&world->fib, walk_look, &walked);
	assert_int_equal(walked.count, world->count);
	for (unsigned i = 0; i < world->count; i++) {
		const struct route *route = &world->routes[i], *cover;
		unsigned found = 999;

		assert_int_equal(fib_get(&world->fib, route->prefix, route->length), route->leaf);
		if (route->length == 0)
			continue;
		cover = oracle_cover(world, route->prefix, route->length - 1);
		assert_int_equal(fib_cover(&world->fib, route->prefix, route->length - 1, &found),
			cover != NULL ? cover->leaf : 0);
		assert_int_equal(found, cover != NULL ? cover->length : 0);
	}
	check_lookups(world, 256);
}

/* ---- edges ------------------------------------------------------------------------------------
 */

static void
test_empty(void **state)
{
	for (int family = FIB_IPV4; family <= FIB_IPV6; family++) {
		struct world *world = world_new(family, 1);

		assert_true(sizeof(struct fib) <= 64);
		assert_int_equal(fib_memory(&world->fib), sizeof(struct fib));
		check_all(world);
		put(world, "0a", 8, 0);
		put(world, "", 0, 0);
		assert_int_equal(fib_memory(&world->fib), sizeof(struct fib));
		fib_reclaim(&world->fib);
		world_free(world);
	}
}

static void
test_default_route(void **state)
{
	for (int family = FIB_IPV4; family <= FIB_IPV6; family++) {
		struct world *world = world_new(family, 2);

		put(world, "", 0, UINT32_MAX);
		assert_int_equal(ask(world, "ffffffff"), UINT32_MAX);
		assert_int_equal(ask(world, ""), UINT32_MAX);
		put(world, "0a", 8, 8);
		put(world, "0a010203", 32, 32);
		assert_int_equal(ask(world, "0b"), UINT32_MAX);
		put(world, "", 0, 5);
		assert_int_equal(ask(world, "0b"), 5);
		assert_int_equal(ask(world, "0a01"), 8);
		put(world, "0a", 8, 0);
		assert_int_equal(ask(world, "0a010204"), 5);
		assert_int_equal(ask(world, "0a010203"), 32);
		put(world, "", 0, 0);
		assert_int_equal(ask(world, "0a010204"), 0);
		check_all(world);
		world_free(world);
	}
}

/* A route of every length, one within the other; then away from either end. */
static void
test_nested(void **state)
{
	for (unsigned way = 0; way < 4; way++) {
		enum fib_family family = way & 1 ? FIB_IPV6 : FIB_IPV4;
		struct world *world = world_new(family, 3);
		const unsigned longest = world->bytes * 8;
		uint8_t prefix[16];

		for (unsigned i = 0; i < 16; i++)
			prefix[i] = (uint8_t)(0x35 + 71 * i);
		for (unsigned length = 0; length <= longest; length++) {
			update(world, prefix, length, length + 1);
			assert_int_equal(lookup(world, prefix), length + 1);
		}
		check_all(world);
		/* who leaves the way at a bit has the route up to there */
		for (unsigned bit = 0; bit < longest; bit++) {
			uint8_t address[16];

			memcpy(address, prefix, 16);
			address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_int_equal(lookup(world, address), bit + 1);
		}
		for (unsigned i = 0; i <= longest; i++) {
			update(world, prefix, way & 2 ? i : longest - i, 0);
			fib_reclaim(&world->fib);
			check_lookups(world, 32);
		}
		check_all(world);
		world_free(world);
	}
}

/* Both halves of a prefix, and the prefix: each answers for its own. */
static void
test_siblings(void **state)
{
	for (int family = FIB_IPV4; family <= FIB_IPV6; family++) {
		struct world *world = world_new(family, 4);

		put(world, "c0a80000", 17, 1);
		put(world, "c0a88000", 17, 2);
		put(world, "c0a8", 16, 3);
		assert_int_equal(ask(world, "c0a87fff"), 1);
		assert_int_equal(ask(world, "c0a88000"), 2);
		put(world, "c0a80000", 17, 0);
		assert_int_equal(ask(world, "c0a87fff"), 3);
		put(world, "c0a88000", 17, 0);
		assert_int_equal(ask(world, "c0a88000"), 3);
		put(world, "fffffffe", 31, 31);
		put(world, "ffffffff", 32, 32);
		put(world, "00000000", 32, 33);
		assert_int_equal(ask(world, "ffffffff"), 32);
		assert_int_equal(ask(world, "fffffffe"), 31);
		assert_int_equal(ask(world, "00000000"), 33);
		assert_int_equal(ask(world, "00000001"), 0);
		check_all(world);
		world_free(world);
	}
}

/* Routes far apart: IPv6 ones leave out more than one block's window shows. */
static void
test_far_apart(void **state)
{
	struct world *world = world_new(FIB_IPV6, 5);

	put(world, "20010db8000000000000000000000001", 128, 1);
	check_all(world);
	put(world, "20010db8000000000000000000000002", 128, 2);
	check_all(world);
	put(world, "fe80", 10, 3);
	check_all(world);
	put(world, "20010db80000000100", 72, 4);
	check_all(world);
	put(world, "8000", 1, 5);
	check_all(world);
	put(world, "20010db80000000100", 72, 0);
	put(world, "20010db8000000000000000000000001", 128, 0);
	check_all(world);
	put(world, "20010db8000000000000000000000002", 128, 0);
	check_all(world);
	put(world, "8000", 1, 0);
	put(world, "fe80", 10, 0);
	check_all(world);
	world_free(world);
}

/* ---- at random --------------------------------------------------------------------------------
 */

static void
random_update(struct world *world, unsigned target)
{
	uint8_t prefix[16];
	unsigned length;

	if (world->count > random_below(world, 2 * target)) {
		const struct route route = world->routes[random_below(world, world->count)];

		update(world, route.prefix, route.length, 0);
		return;
	}
	random_address(world, prefix);
	length = random_below(world, world->bytes * 8 + 1);
	/* as many short ones as there are would cover all */
	if (length < 8 && random_below(world, 4) != 0)
		length += 8;
	update(world, prefix, length, 1 + random_below(world, 7));
}

static void
test_random(void **state)
{
	for (unsigned run = 0; run < 60; run++) {
		struct world *world = world_new(run % 2 ? FIB_IPV6 : FIB_IPV4, 1000 + run);
		unsigned target = 1u << (1 + run % 9);

		for (unsigned i = 0; i < 1500; i++) {
			random_update(world, target);
			if (random_below(world, 8) == 0)
				fib_reclaim(&world->fib);
			if (i % 16 == 0)
				check_lookups(world, 24);
		}
		check_all(world);
		while (world->count != 0) {
			const struct route route = world->routes[0];

			update(world, route.prefix, route.length, 0);
		}
		check_all(world);
		fib_reclaim(&world->fib);
		assert_int_equal(fib_waiting(&world->fib), 0);
		world_free(world);
	}
}

/* Enough routes for the table in front, then fewer, and again: at each step all is right. */
static void
test_table_comes_and_goes(void **state)
{
	for (int family = FIB_IPV4; family <= FIB_IPV6; family++) {
		struct world *world = world_new(family, 77 + (unsigned)family);
		size_t with, without;

		for (unsigned round = 0; round < 2; round++) {
			while (world->count < 2500)
				random_update(world, ROUTES_MAX);
			assert_int_not_equal(world->fib.table & FIB_TABLE_MASK, 0);
			check_all(world);
			for (unsigned i = 0; i < 1000; i++) {
				random_update(world, 2500);
				if (i % 50 == 0)
					check_lookups(world, 24);
			}
			check_all(world);
			fib_reclaim(&world->fib);
			with = fib_memory(&world->fib);
			while (world->count > 200) {
				const struct route route = world->routes[0];

				update(world, route.prefix, route.length, 0);
				if (world->count % 100 == 0)
					check_lookups(world, 24);
			}
			assert_int_equal(world->fib.table & FIB_TABLE_MASK, 0);
			check_all(world);
			fib_reclaim(&world->fib);
			without = fib_memory(&world->fib);
			assert_true(without < with);
		}
		world_free(world);
	}
}

/* A block that the table leads to is replaced because of a route elsewhere: a branch comes above
 * it, above the table's end, or a short route's block that does not cover it. */
static void
test_table_follows(void **state)
{
	for (int family = FIB_IPV4; family <= FIB_IPV6; family++) {
		struct world *world = world_new(family, 8);
		uint8_t prefix[16] = { 0x20 };

		for (unsigned i = 0; i < 2100; i++) {
			prefix[2] = (uint8_t)(i >> 8);
			prefix[3] = (uint8_t)i;
			update(world, prefix, 32, i + 1);
		}
		assert_int_not_equal(world->fib.table & FIB_TABLE_MASK, 0);
		put(world, "0a010100", 24, 1);
		put(world, "0ac80000", 24, 2);
		put(world, "0a010100", 24, 3);
		assert_int_equal(ask(world, "0a010101"), 3);
		put(world, "c0a80100", 24, 4);
		put(world, "c000", 10, 5);
		put(world, "c0a80100", 24, 6);
		assert_int_equal(ask(world, "c0a80101"), 6);
		put(world, "d8010100", 24, 7);
		put(world, "df00", 9, 8);
		put(world, "d8010100", 24, 9);
		assert_int_equal(ask(world, "d8010101"), 9);
		put(world, "df00", 9, 0);
		put(world, "d8010100", 24, 10);
		assert_int_equal(ask(world, "d8010101"), 10);
		put(world, "0ac80000", 24, 0);
		put(world, "0a010100", 24, 11);
		assert_int_equal(ask(world, "0a010101"), 11);
		fib_reclaim(&world->fib);
		check_all(world);
		world_free(world);
	}
}

/* The largest table, and short routes that paint whole parts of it. */
static void
test_large_table(void **state)
{
	for (int family = FIB_IPV4; family <= FIB_IPV6; family++) {
		struct world *world = world_new(family, 99);
		struct fib *fib = &world->fib;
		uint8_t address[16] = { 0 };
		unsigned wanted = family == FIB_IPV4 ? 20000 : 70000;

		for (unsigned i = 0; i < wanted; i++) {
			address[0] = 0x20;
			address[1] = (uint8_t)(i >> 16);
			address[2] = (uint8_t)(i >> 8);
			address[3] = (uint8_t)i;
			assert_int_equal(fib_set(fib, address, 32, i + 1, NULL), 0);
		}
		assert_int_equal(fib->table & FIB_TABLE_MASK, 2);
		for (unsigned length = 0; length <= 30; length++) {
			address[0] = 0x20;
			memset(address + 1, 0xff, 3);
			assert_int_equal(fib_set(fib, address, length, 1u << 20 | length, NULL), 0);
			assert_int_equal(lookup(world, address), 1u << 20 | length);
			/* the last address that this route does not cover has the one before */
			address[(length + 7) / 8 - (length > 0)] ^=
				(uint8_t)(length > 0 ? 0x80 >> (length - 1) % 8 : 0);
			if (length > 3)
				assert_int_equal(lookup(world, address), 1u << 20 | (length - 1));
		}
		for (unsigned i = 0; i < wanted; i++) {
			address[0] = 0x20;
			address[1] = (uint8_t)(i >> 16);
			address[2] = (uint8_t)(i >> 8);
			address[3] = (uint8_t)i;
			assert_int_equal(lookup(world, address), i + 1);
			assert_int_equal(fib_clear(fib, address, 32, NULL), 0);
		}
		assert_int_equal(fib->table & FIB_TABLE_MASK, 0);
		assert_int_equal(fib_count(fib), 31);
		world_free(world);
	}
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static void
ten_routes(struct world *world)
{
	static const struct {
		const char *four, *six;
		unsigned length4, length6;
	} routes[10] = { { "", "", 0, 0 }, { "0a000100", "20010db800010001", 24, 64 },
		{ "0a000101", "20010db8000100010000000000000001", 32, 128 },
		{ "0a000200", "20010db800010002", 24, 64 },
		{ "0a000201", "20010db8000100020000000000000001", 32, 128 },
		{ "c0a80000", "fd00000000010000", 16, 48 }, { "ac100000", "fe80", 12, 10 },
		{ "cb007100", "20010db8ffff0000", 24, 48 },
		{ "c6336401", "20010db8ffffffff00000000000000fe", 32, 128 },
		{ "08080808", "2a000000000000000000000000000053", 32, 128 } };

	for (unsigned i = 0; i < 10; i++)
		put(world, world->family == FIB_IPV4 ? routes[i].four : routes[i].six,
			world->family == FIB_IPV4 ? routes[i].length4 : routes[i].length6, i + 1);
}

static void
test_small_memory(void **state)
{
	for (int family = FIB_IPV4; family <= FIB_IPV6; family++) {
		for (int reserved = 0; reserved < 2; reserved++) {
			struct world *world = world_new(family, 6);

			if (reserved)
				assert_int_equal(fib_reserve(&world->fib, 10), 0);
			ten_routes(world);
			check_all(world);
			fib_reclaim(&world->fib);
			print_message("IPv%d, ten routes%s: %zu bytes\n", family ? 6 : 4,
				reserved ? ", reserved" : "", fib_memory(&world->fib));
			assert_true(fib_memory(&world->fib) <= 4096);
			world_free(world);
		}
	}
}

/* Waiting memory goes up with updates, and away with fib_reclaim; the rest does not grow. */
static void
test_reclaim(void **state)
{
	struct world *world = world_new(FIB_IPV6, 7);
	size_t memory;

	ten_routes(world);
	fib_reclaim(&world->fib);
	assert_int_equal(fib_waiting(&world->fib), 0);
	put(world, "20010db800010001", 64, 0);
	assert_true(fib_waiting(&world->fib) > 0);
	put(world, "20010db800010001", 64, 2);
	fib_reclaim(&world->fib);
	memory = fib_memory(&world->fib);
	for (unsigned i = 0; i < 1000; i++) {
		put(world, "20010db800010001", 64, 0);
		put(world, "20010db800010001", 64, 2);
		fib_reclaim(&world->fib);
	}
	assert_int_equal(fib_memory(&world->fib), memory);
	assert_int_equal(fib_waiting(&world->fib), 0);
	world_free(world);
}

/* Each allocation of each update fails once: it says so and has changed nothing, or is done. */
static void
test_no_memory(void **state)
{
	unsigned failed = 0;

	for (unsigned run = 0; run < 8; run++) {
		struct world *world = world_new(run % 2 ? FIB_IPV6 : FIB_IPV4, 500 + run);

		for (unsigned i = 0; i < 1400; i++) {
			uint8_t prefix[16];
			unsigned length = random_below(world, world->bytes * 8 + 1);
			uint32_t leaf = random_below(world, 10) ? 1 + random_below(world, 9) : 0;

			random_address(world, prefix);
			for (unsigned at = 1;; at++) {
				uint32_t old = 999;
				int result;

				fault_arm(at, false);
				result = fib_set(&world->fib, prefix, length, leaf, &old);
				if (!fault_disarm() && result == 0) {
					assert_int_equal(
						old, oracle_set(world, prefix, length, leaf));
					break;
				}
				if (result == 0) {
					/* the table in front did not come: nobody has to know */
					oracle_set(world, prefix, length, leaf);
					check_lookups(world, 8);
					break;
				}
				failed++;
				assert_int_equal(old, 999);
				assert_int_equal(fib_count(&world->fib), world->count);
				check_lookups(world, 8);
			}
		}
		check_all(world);
		world_free(world);
	}
	assert_true(failed > 50);
}

/* After a reservation nothing is allocated that an update could not do without. */
static void
test_reserved(void **state)
{
	for (unsigned run = 0; run < 40; run++) {
		struct world *world = world_new(run % 2 ? FIB_IPV6 : FIB_IPV4, 700 + run);

		for (unsigned round = 0; round < 6; round++) {
			unsigned updates = 1 + random_below(world, 300);

			assert_int_equal(fib_reserve(&world->fib, updates), 0);
			for (unsigned i = 0; i < updates; i++) {
				uint8_t prefix[16];
				unsigned length = random_below(world, world->bytes * 8 + 1);
				uint32_t leaf = random_below(world, 4);
				int result;

				random_address(world, prefix);
				fault_arm(1, false);
				result = fib_set(&world->fib, prefix, length, leaf, NULL);
				fault_disarm();
				assert_int_equal(result, 0);
				oracle_set(world, prefix, length, leaf);
			}
			check_all(world);
			if (run % 3 == 0)
				fib_reclaim(&world->fib);
		}
		fault_arm(1, false);
		assert_int_equal(fib_reserve(&world->fib, 1000000), -1);
		fault_disarm();
		check_all(world);
		world_free(world);
	}
}

/* ---- readers and a writer at once --------------------------------------------------------------
 */

#define READERS 2
#define WATCHED 24

/*
 * Every leaf that a watched address may have is the number of the update that put it. The
 * writer puts a route anew before it takes away the one that was there, so that an address is
 * never without, and its answers only go up: a reader that ever sees one go down, or none, has
 * seen what never held.
 */
struct race {
	struct world *world;
	uint8_t addresses[WATCHED][16];
	_Atomic uint64_t step; /* updates that have begun */
	_Atomic uint64_t quiescent[READERS];
	_Atomic bool stop;
	_Atomic uint64_t looked;
};

struct racer {
	struct race *race;
	unsigned index;
	bool wrong;
};

static bool
race_look(struct race *race, uint32_t seen[WATCHED])
{
	const struct fib *fibs[WATCHED];
	const uint8_t *six[WATCHED];
	uint32_t four[WATCHED], leaves[WATCHED];
	bool fine = true;

	for (unsigned i = 0; i < WATCHED; i++) {
		uint32_t leaf = lookup(race->world, race->addresses[i]);

		fine = fine && leaf >= seen[i] && leaf <= atomic_load(&race->step);
		seen[i] = leaf;
		fibs[i] = &race->world->fib;
		six[i] = race->addresses[i];
		four[i] = host_order(race->addresses[i]);
	}
	if (race->world->family == FIB_IPV4)
		fib4_lookup_burst(fibs, four, leaves, WATCHED);
	else
		fib6_lookup_burst(fibs, six, leaves, WATCHED);
	for (unsigned i = 0; i < WATCHED; i++) {
		fine = fine && leaves[i] >= seen[i] && leaves[i] <= atomic_load(&race->step);
		seen[i] = leaves[i];
	}
	return fine;
}

static void *
race_run(void *argument)
{
	struct racer *racer = argument;
	struct race *race = racer->race;
	uint32_t seen[WATCHED] = { 0 };

	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		racer->wrong = racer->wrong || !race_look(race, seen);
		atomic_fetch_add(&race->looked, 1);
		atomic_fetch_add(&race->quiescent[racer->index], 1);
	}
	return NULL;
}

static void
race_reclaim(struct race *race)
{
	for (unsigned i = 0; i < READERS; i++) {
		uint64_t before = atomic_load(&race->quiescent[i]);

		while (atomic_load(&race->quiescent[i]) < before + 2)
			sched_yield();
	}
	fib_reclaim(&race->world->fib);
}

static int
race_set(struct race *race, const uint8_t *prefix, unsigned length)
{
	uint32_t step = (uint32_t)atomic_fetch_add(&race->step, 1) + 1;

	return fib_set(&race->world->fib, prefix, length, step, NULL);
}

static int
race_update(struct race *race, unsigned *length)
{
	struct world *world = race->world;
	unsigned which = random_below(world, WATCHED), longest = world->bytes * 8;
	unsigned next = 8 + random_below(world, longest - 7);
	int result = race_set(race, race->addresses[which], next);

	/* if the old one is longer, it is only now that the answer changes */
	if (length[which] != next && length[which] != 0)
		result |= fib_clear(&world->fib, race->addresses[which], length[which], NULL);
	length[which] = next;
	return result;
}

static void
race(enum fib_family family, unsigned others, unsigned updates)
{
	struct race race = { .world = world_new(family, 42) };
	struct racer racers[READERS];
	pthread_t threads[READERS];
	unsigned length[WATCHED] = { 0 };
	int result = 0;

	for (unsigned i = 0; i < WATCHED; i++) {
		race.addresses[i][0] = (uint8_t)(i * 10 + 1);
		for (unsigned j = 1; j < race.world->bytes; j++)
			race.addresses[i][j] = (uint8_t)random_word(race.world);
	}
	/* others come in between, but cover none of them: their first bytes are others */
	for (unsigned i = 0; i < others; i++) {
		uint8_t prefix[16];

		for (unsigned j = 0; j < 16; j++)
			prefix[j] = (uint8_t)random_word(race.world);
		prefix[0] = (uint8_t)(prefix[0] / 10 * 10 + 2 + prefix[0] % 3);
		assert_int_equal(
			fib_set(&race.world->fib, prefix,
				9 + random_below(race.world, race.world->bytes * 8 - 8), 1, NULL),
			0);
	}
	fib_reclaim(&race.world->fib);
	for (unsigned i = 0; i < READERS; i++) {
		racers[i] = (struct racer){ .race = &race, .index = i };
		assert_int_equal(pthread_create(&threads[i], NULL, race_run, &racers[i]), 0);
	}
	for (unsigned i = 0; i < updates; i++) {
		result |= race_update(&race, length);
		if (i % 256 == 0)
			race_reclaim(&race);
	}
	atomic_store(&race.stop, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		assert_false(racers[i].wrong);
	}
	assert_int_equal(result, 0);
	assert_true(atomic_load(&race.looked) > 100);
	world_free(race.world);
}

static void
test_readers(void **state)
{
	race(FIB_IPV4, 0, 30000);
	race(FIB_IPV4, 2000, 30000);
	race(FIB_IPV6, 0, 30000);
	race(FIB_IPV6, 4000, 30000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_default_route),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_siblings),
		cmocka_unit_test(test_far_apart),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_table_comes_and_goes),
		cmocka_unit_test(test_table_follows),
		cmocka_unit_test(test_large_table),
		cmocka_unit_test(test_small_memory),
		cmocka_unit_test(test_reclaim),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
