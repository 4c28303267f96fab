/* SPDX-License-Identifier: BSD-3-Clause */
/* Router advertisements, with a clock of the test's own; and who may speak neighbour discovery. */
#include "protocols/ra/ra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)

static const uint8_t link_local[16] = { 0xfe, 0x80, [15] = 1 };
static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
static const uint8_t all_routers[16] = { 0xff, 2, [15] = 2 };
static const uint8_t unspecified[16];

/* ---- an engine with its world -------------------------------------------------------------- */

static struct world {
	struct ra ra;
	uint64_t now;
	unsigned count;
	uint64_t times[4096];
	uint8_t message[RA_MESSAGE_LIMIT]; /* the last one */
	size_t length;
} world;

static void
keep_message(void *context, const uint8_t *message, size_t length)
{
	assert_int_equal(ra_check(message, length, 255, link_local, all_nodes), RA_VALID);
	assert_true(world.count < 4096);
	world.times[world.count++] = world.now;
	memcpy(world.message, message, length);
	world.length = length;
}

static uint32_t
make_random(void *context)
{
	static uint64_t state = 88172645463325252u;

	/* Marsaglia's xorshift64 */
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static const struct ra_hooks hooks = { .send = keep_message, .random = make_random };

static struct ra_config
usual(void)
{
	struct ra_config config;

	ra_config_defaults(&config);
	config.tell_mac = true;
	memcpy(config.mac, "\2\0\0\0\0\1", 6);
	config.n_prefixes = 1;
	ra_prefix_defaults(&config.prefixes[0]);
	memcpy(config.prefixes[0].address, "\xfd\0\0\1", 4);
	config.prefixes[0].length = 64;
	return config;
}

static void
open_with(const struct ra_config *config)
{
	struct weft_error error;

	memset(&world, 0, sizeof(world));
	world.now = START;
	if (ra_config_check(config, &error) < 0)
		fail_msg("%s", error.text);
	ra_open(&world.ra, config, &hooks, world.now);
}

/* Lets time go by, and the timer run when it wants to. */
static void
run_until(uint64_t end)
{
	while (ra_next(&world.ra) <= end) {
		if (ra_next(&world.ra) > world.now)
			world.now = ra_next(&world.ra);
		ra_timer(&world.ra, world.now);
	}
	world.now = end;
}

/* The n-th option of the type in the last message; NULL: there is none. */
static const uint8_t *
option_of(enum nd_option_type type, unsigned n, unsigned *length)
{
	struct nd_option option;
	size_t at = 0;

	while (nd_option_next(world.message, world.length, &at, &option)) {
		if (option.type != type || n-- != 0)
			continue;
		*length = option.length;
		return option.bytes;
	}
	return NULL;
}

/* ---- what it says -------------------------------------------------------------------------- */

static void
a_message_says_what_is_configured(void **state)
{
	struct ra_config config = usual();
	const uint8_t *option;
	unsigned length;

	config.managed = true;
	config.preference = RA_LOW;
	config.mtu = 1400;
	config.reachable = 30000;
	config.retransmit = 1000;
	config.prefixes[0].autonomous = false;
	config.n_rdnss = 2;
	config.rdnss[1][15] = 7;
	config.n_dnssl = 2;
	strcpy(config.dnssl[0], "a.example");
	strcpy(config.dnssl[1], "example.");
	open_with(&config);
	run_until(START);
	assert_int_equal(world.count, 1);
	assert_memory_equal(
		world.message, "\x86\0\0\0\x40\x98\x07\x08\0\0\x75\x30\0\0\x03\xe8", 16);
	option = option_of(ND_SOURCE_LINK_LAYER, 0, &length);
	assert_memory_equal(option, "\1\1\2\0\0\0\0\1", 8);
	option = option_of(ND_MTU, 0, &length);
	assert_memory_equal(option, "\5\1\0\0\0\0\x05\x78", 8);
	option = option_of(ND_PREFIX, 0, &length);
	assert_memory_equal(option,
		"\3\4\x40\x80\0\x27\x8d\0\0\x09\x3a\x80\0\0\0\0\xfd\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0",
		32);
	option = option_of(ND_RDNSS, 0, &length);
	assert_int_equal(length, 40);
	assert_memory_equal(option, "\x19\5\0\0\0\0\x07\x08", 8);
	assert_int_equal(option[39], 7);
	option = option_of(ND_DNSSL, 0, &length);
	assert_int_equal(length, 32);
	assert_memory_equal(option, "\x1f\4\0\0\0\0\x07\x08\1a\7example\0\7example\0\0\0\0\0", 32);
}

static void
no_default_router_has_no_preference(void **state)
{
	struct ra_config config = usual();
	unsigned length;

	config.lifetime = 0;
	config.preference = RA_HIGH;
	config.tell_mac = false;
	open_with(&config);
	run_until(START);
	assert_int_equal(world.message[5], 0);
	assert_int_equal(world.message[6] | world.message[7], 0);
	assert_null(option_of(ND_SOURCE_LINK_LAYER, 0, &length));
	assert_null(option_of(ND_MTU, 0, &length));
	assert_null(option_of(ND_RDNSS, 0, &length));
	assert_null(option_of(ND_DNSSL, 0, &length));
}

static void
the_largest_configuration_fits(void **state)
{
	struct ra_config config = usual();
	struct weft_error error;
	unsigned length;

	config.mtu = 1500;
	config.n_prefixes = RA_PREFIXES;
	for (unsigned i = 0; i < RA_PREFIXES; i++) {
		config.prefixes[i] = config.prefixes[0];
		config.prefixes[i].address[7] = (uint8_t)i;
	}
	config.n_rdnss = RA_RDNSS;
	config.n_dnssl = 1;
	/* names of 250 characters, of 252 bytes */
	for (unsigned i = 0; i < 2; i++) {
		memset(config.dnssl[i], 'a', 250);
		for (unsigned dot = 49; dot < 250; dot += 50)
			config.dnssl[i][dot] = '.';
	}
	open_with(&config);
	run_until(START);
	assert_non_null(option_of(ND_PREFIX, RA_PREFIXES - 1, &length));
	assert_non_null(option_of(ND_DNSSL, 0, &length));
	for (unsigned i = 1; i < RA_DNSSL; i++)
		strcpy(config.dnssl[i], config.dnssl[0]);
	config.n_dnssl = RA_DNSSL;
	assert_int_equal(ra_config_check(&config, &error), -1);
	assert_non_null(strstr(error.text, "too long"));
}

/* ---- when ---------------------------------------------------------------------------------- */

static void
three_come_quickly_and_then_one_now_and_then(void **state)
{
	struct ra_config config = usual();
	uint64_t least = UINT64_MAX, most = 0;

	open_with(&config);
	run_until(START + 7 * 24 * 3600 * SECOND);
	assert_int_equal(world.times[0], START);
	assert_int_equal(world.times[1], START + 16 * SECOND);
	assert_int_equal(world.times[2], START + 32 * SECOND);
	for (unsigned i = 3; i < world.count; i++) {
		uint64_t interval = world.times[i] - world.times[i - 1];

		assert_in_range(interval, 200 * SECOND, 600 * SECOND);
		least = interval < least ? interval : least;
		most = interval > most ? interval : most;
	}
	/* 400 s on average, and random */
	assert_in_range(world.count, 1400, 1650);
	assert_true(least < 210 * SECOND && most > 590 * SECOND);
}

static void
a_solicitation_is_answered_soon(void **state)
{
	struct ra_config config = usual();
	uint64_t least = UINT64_MAX, most = 0;

	open_with(&config);
	run_until(START + 100 * SECOND);
	for (unsigned i = 0; i < 200; i++) {
		unsigned count = world.count;
		uint64_t asked = world.now, delay;

		ra_solicited(&world.ra, asked);
		run_until(asked + SECOND);
		assert_int_equal(world.count, count + 1);
		delay = world.times[count] - asked;
		assert_true(delay <= SECOND / 2);
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
		run_until(asked + 10 * SECOND);
	}
	assert_true(least < SECOND / 20 && most > SECOND * 9 / 20);
	/* the next one without being asked is as far away as ever */
	assert_true(ra_next(&world.ra) >= world.times[world.count - 1] + 200 * SECOND);
}

static void
a_flood_of_solicitations_makes_no_flood(void **state)
{
	struct ra_config config = usual();

	open_with(&config);
	/* a thousand a second for five minutes */
	for (unsigned i = 0; i < 300000; i++) {
		run_until(START + i * (SECOND / 1000));
		ra_solicited(&world.ra, world.now);
	}
	assert_in_range(world.count, 80, 101);
	for (unsigned i = 1; i < world.count; i++)
		assert_true(world.times[i] - world.times[i - 1] >= 3 * SECOND);
}

static void
the_last_one_sends_the_hosts_away(void **state)
{
	struct ra_config config = usual();
	unsigned length;
	const uint8_t *option;

	config.n_rdnss = 1;
	open_with(&config);
	/* nobody was told anything yet */
	ra_stop(&world.ra, world.now);
	assert_int_equal(world.count, 0);
	open_with(&config);
	run_until(START + SECOND);
	ra_stop(&world.ra, world.now);
	assert_int_equal(world.count, 2);
	assert_int_equal(world.message[6] | world.message[7], 0);
	option = option_of(ND_RDNSS, 0, &length);
	assert_memory_equal(option + 4, "\0\0\0\0", 4);
	assert_int_equal(ra_next(&world.ra), UINT64_MAX);
	ra_solicited(&world.ra, world.now);
	ra_stop(&world.ra, world.now);
	run_until(START + 3600 * SECOND);
	assert_int_equal(world.count, 2);
	/* and it may begin again, not too soon after the last one */
	world.now = START + SECOND;
	ra_use(&world.ra, &config, world.now);
	run_until(START + 10 * SECOND);
	assert_int_equal(world.count, 3);
	assert_int_equal(world.times[2], START + 4 * SECOND);
	assert_int_equal(world.message[6] << 8 | world.message[7], 1800);
}

static void
a_prefix_that_goes_is_deprecated(void **state)
{
	struct ra_config config = usual();
	const uint8_t *option;
	unsigned length;

	open_with(&config);
	run_until(START + 1000 * SECOND);
	world.count = 0;
	ra_use(&world.ra, &config, world.now);
	assert_true(ra_next(&world.ra) > world.now);
	config.prefixes[0].address[3] = 2;
	ra_use(&world.ra, &config, world.now);
	run_until(world.now + 40 * SECOND);
	assert_int_equal(world.count, 3);
	option = option_of(ND_PREFIX, 0, &length);
	assert_int_equal(option[19], 2);
	option = option_of(ND_PREFIX, 1, &length);
	assert_int_equal(option[19], 1);
	assert_memory_equal(option + 4, "\0\0\x1c\x20\0\0\0\0", 8);
	run_until(world.now + 600 * SECOND);
	assert_true(world.count > 3);
	assert_null(option_of(ND_PREFIX, 1, &length));
	/* one that comes back is as before */
	config.prefixes[0].address[3] = 3;
	ra_use(&world.ra, &config, world.now);
	config.prefixes[0].address[3] = 2;
	ra_use(&world.ra, &config, world.now);
	run_until(world.now + 4 * SECOND);
	option = option_of(ND_PREFIX, 0, &length);
	assert_int_equal(option[19], 2);
	assert_memory_equal(option + 4, "\0\x27\x8d\0", 4);
}

/* ---- configuration ------------------------------------------------------------------------- */

static void
wrong_configurations_are_refused(void **state)
{
	struct weft_error error;
	struct ra_config config;

#define REFUSED(change, says) \
	config = usual(); \
	change; \
	assert_int_equal(ra_config_check(&config, &error), -1); \
	assert_non_null(strstr(error.text, says));
	REFUSED(config.max_interval = 3, "4 to 1800")
	REFUSED(config.max_interval = 1801, "4 to 1800")
	REFUSED(config.min_interval = 2, "3 to 450")
	REFUSED(config.min_interval = 451, "3 to 450")
	REFUSED(config.lifetime = 599, "0, or 600 to 9000")
	REFUSED(config.lifetime = 9001, "0, or 600 to 9000")
	REFUSED(config.reachable = 3600001, "3600000")
	REFUSED(config.mtu = 1279, "1280")
	REFUSED(config.preference = 2, "preference 2")
	REFUSED(config.prefixes[0].preferred = RA_FOREVER, "fd00:1:: is preferred for longer")
	REFUSED(config.prefixes[0].length = 129, "length of 129")
	REFUSED(config.prefixes[0].length = 31, "bits behind its length 31")
	REFUSED(memcpy(config.prefixes[0].address, link_local, 8), "fe80:: is link-local")
	REFUSED(config.n_prefixes = RA_PREFIXES + 1, "16 prefixes")
	REFUSED((config.n_dnssl = 1, strcpy(config.dnssl[0], "a..b")), "a..b is no domain name")
	REFUSED((config.n_dnssl = 1, memset(config.dnssl[0], 'a', 254)), "is no domain name")
#undef REFUSED
	config = usual();
	config.max_interval = 4;
	config.min_interval = 3;
	assert_int_equal(ra_config_check(&config, &error), 0);
}

/* ---- what is received ---------------------------------------------------------------------- */

struct received {
	uint8_t bytes[64];
	size_t length;
	uint8_t hop_limit;
	const uint8_t *source, *destination;
};

static enum ra_verdict
check(const struct received *message)
{
	/* memory of its own, so that the sanitizer sees a look beyond the end */
	uint8_t *bytes = malloc(message->length + 1);
	enum ra_verdict verdict;

	memcpy(bytes, message->bytes, message->length);
	bytes = realloc(bytes, message->length != 0 ? message->length : 1);
	verdict = ra_check(
		bytes, message->length, message->hop_limit, message->source, message->destination);
	free(bytes);
	return verdict;
}

static struct received
solicitation(void)
{
	return (struct received){ { ND_ROUTER_SOLICITATION, [8] = 1, 1, 2, 0, 0, 0, 0, 9 }, 16, 255,
		link_local, all_routers };
}

static void
router_messages_are_judged(void **state)
{
	struct received message = solicitation();
	static const uint8_t global[16] = { 0xfd };

	assert_int_equal(check(&message), RA_VALID);
	message.hop_limit = 254;
	assert_int_equal(check(&message), RA_HOP_LIMIT);
	message = solicitation();
	message.bytes[1] = 1;
	assert_int_equal(check(&message), RA_CODE);
	message = solicitation();
	message.source = unspecified;
	assert_int_equal(check(&message), RA_BAD_SOURCE);
	message.length = 8;
	assert_int_equal(check(&message), RA_VALID);
	message.length = 7;
	assert_int_equal(check(&message), RA_SHORT);
	message.length = 0;
	assert_int_equal(check(&message), RA_OTHER);
	message = solicitation();
	message.bytes[9] = 0;
	assert_int_equal(check(&message), RA_BAD_OPTION);
	message.bytes[9] = 2;
	assert_int_equal(check(&message), RA_BAD_OPTION);
	message = solicitation();
	message.length = 15;
	assert_int_equal(check(&message), RA_BAD_OPTION);
	message.length = 9;
	assert_int_equal(check(&message), RA_BAD_OPTION);
	message = (struct received){ { ND_ROUTER_ADVERTISEMENT }, 16, 255, link_local, all_nodes };
	assert_int_equal(check(&message), RA_VALID);
	message.source = global;
	assert_int_equal(check(&message), RA_BAD_SOURCE);
	message.source = link_local;
	message.length = 15;
	assert_int_equal(check(&message), RA_SHORT);
	message.bytes[0] = 128;
	assert_int_equal(check(&message), RA_OTHER);
}

static void
neighbour_messages_are_judged(void **state)
{
	static const uint8_t solicited_node[16] = { 0xff, 2, [11] = 1, 0xff, 0, 0, 5 };
	struct received message = { { ND_NEIGHBOR_SOLICITATION, [8] = 0xfd, [23] = 5, 1, 1 }, 32,
		255, link_local, solicited_node };

	assert_int_equal(check(&message), RA_VALID);
	message.source = unspecified;
	assert_int_equal(check(&message), RA_BAD_SOURCE);
	message.length = 24;
	assert_int_equal(check(&message), RA_VALID);
	message.destination = all_nodes;
	assert_int_equal(check(&message), RA_BAD_ADDRESS);
	message.source = link_local;
	assert_int_equal(check(&message), RA_VALID);
	message.bytes[8] = 0xff;
	assert_int_equal(check(&message), RA_BAD_ADDRESS);
	message.bytes[8] = 0xfd;
	message.length = 23;
	assert_int_equal(check(&message), RA_SHORT);
	message.length = 24;
	message.bytes[0] = ND_NEIGHBOR_ADVERTISEMENT;
	assert_int_equal(check(&message), RA_VALID);
	message.bytes[4] = 0x40;
	assert_int_equal(check(&message), RA_BAD_ADDRESS);
	message.destination = link_local;
	assert_int_equal(check(&message), RA_VALID);
}

static void
routers_that_contradict_each_other_are_found(void **state)
{
	struct ra_config config = usual();
	struct ra other;

	config.mtu = 1500;
	open_with(&config);
	run_until(START);
	other = world.ra;
	assert_null(ra_contradiction(&other, world.message, world.length));
	other.config.hop_limit = 0;
	assert_null(ra_contradiction(&other, world.message, world.length));
	other.config.hop_limit = 32;
	assert_string_equal(ra_contradiction(&other, world.message, world.length), "hop limit");
	other.config = config;
	other.config.managed = true;
	assert_string_equal(ra_contradiction(&other, world.message, world.length), "managed flag");
	other.config = config;
	other.config.mtu = 1400;
	assert_string_equal(ra_contradiction(&other, world.message, world.length), "MTU");
	other.config = config;
	other.config.prefixes[0].valid--;
	assert_string_equal(
		ra_contradiction(&other, world.message, world.length), "lifetimes of a prefix");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_says_what_is_configured),
		cmocka_unit_test(no_default_router_has_no_preference),
		cmocka_unit_test(the_largest_configuration_fits),
		cmocka_unit_test(three_come_quickly_and_then_one_now_and_then),
		cmocka_unit_test(a_solicitation_is_answered_soon),
		cmocka_unit_test(a_flood_of_solicitations_makes_no_flood),
		cmocka_unit_test(the_last_one_sends_the_hosts_away),
		cmocka_unit_test(a_prefix_that_goes_is_deprecated),
		cmocka_unit_test(wrong_configurations_are_refused),
		cmocka_unit_test(router_messages_are_judged),
		cmocka_unit_test(neighbour_messages_are_judged),
		cmocka_unit_test(routers_that_contradict_each_other_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
