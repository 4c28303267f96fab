/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of rules, by several threads at once: none is passed, and all that is held comes back. */
#include "firewall/rule_limit.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define THREADS 4
#define ROUNDS 20000
#define HELD 32
#define SOURCES 5

static struct rule_limits *limits;
static struct weft_network network;
static const struct weft_rule_limit both = { .connections = 20, .per_source = 6 };
static struct rule *rule;
static _Atomic unsigned held, held_of[SOURCES];
static _Atomic unsigned most, most_of_one, refusals;

static struct rule *
make(const struct weft_rule_limit *limit, uint32_t id)
{
	const struct weft_rule match = { .name = "a", .limit = limit };
	struct weft_error error;
	struct rule *made = rule_create(&match, id, 1, &error);

	assert_non_null(made);
	return made;
}

static struct flow
flow_of(unsigned source)
{
	struct flow flow = { .family = 4, .domain = 1 };

	flow.from_ip[0] = 10;
	flow.from_ip[2] = (uint8_t)(source >> 8);
	flow.from_ip[3] = (uint8_t)source;
	return flow;
}

static void
raise_to(_Atomic unsigned *highest, unsigned value)
{
	unsigned now = atomic_load(highest);

	while (value > now && !atomic_compare_exchange_weak(highest, &now, value))
		;
}

/* It is counted after it has been admitted, and before it is released: never more than there are.
 */
static void
give_back(struct rule_charge *charge, unsigned source)
{
	if (charge->of == 0)
		return;
	atomic_fetch_sub(&held, 1);
	atomic_fetch_sub(&held_of[source], 1);
	rule_limit_release(limits, *charge);
	charge->of = 0;
}

static void *
hold_and_release(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument * 2654435761u + 1;
	struct rule_charge charges[HELD] = { { 0 } };
	unsigned sources[HELD] = { 0 };

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned at, source;
		struct flow flow;

		seed = seed * 1664525u + 1013904223u;
		at = seed >> 27;
		source = (seed >> 16) % SOURCES;
		if (charges[at].of != 0) {
			give_back(&charges[at], sources[at]);
			continue;
		}
		flow = flow_of(source);
		if (rule_limit_admit(limits, rule, &flow, &network, SECOND, &charges[at]) !=
			LIMIT_KEPT) {
			charges[at].of = 0;
			atomic_fetch_add(&refusals, 1);
			continue;
		}
		sources[at] = source;
		raise_to(&most, atomic_fetch_add(&held, 1) + 1);
		raise_to(&most_of_one, atomic_fetch_add(&held_of[source], 1) + 1);
	}
	for (unsigned at = 0; at < HELD; at++)
		give_back(&charges[at], sources[at]);
	return NULL;
}

static void
test_threads_keep_the_limits(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	rule = make(&both, 1 << 20 | 7);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(most, both.connections);
	assert_int_equal(most_of_one, both.per_source);
	assert_true(refusals > 0);
	assert_int_equal(rule_limit_connections(limits, rule->id), 0);
	assert_int_equal(atomic_load(&network.limited_sources), 0);
	rule_free(rule);
}

static struct rule *fast;
static _Atomic unsigned begun;

static void *
begin_fast(void *argument)
{
	struct rule_charge charge;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct flow flow = flow_of(i);

		if (rule_limit_admit(limits, fast, &flow, &network, i * 100000ull + SECOND,
			    &charge) == LIMIT_KEPT) {
			atomic_fetch_add(&begun, 1);
			rule_limit_release(limits, charge);
		}
	}
	return argument;
}

/* Two seconds of a thousand a second, and a burst of ten. */
static void
test_threads_keep_the_rate(void **state)
{
	const struct weft_rule_limit limit = { .rate = { 1000, 1, 10 } };
	pthread_t threads[THREADS];

	(void)state;
	fast = make(&limit, 1 << 20 | 8);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, begin_fast, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(begun, 1990, 2010);
	rule_free(fast);
}

/* The index of a rule goes to another: what is given back late does not count in that one. */
static void
test_an_index_is_used_again(void **state)
{
	const struct weft_rule_limit limit = { .connections = 1, .rate = { 1, 3600, 1 } };
	struct rule *first = make(&limit, 1 << 20 | 9), *second = make(&limit, 2 << 20 | 9);
	struct rule_charge charge, other, none;
	struct flow flow = flow_of(1);

	(void)state;
	assert_int_equal(rule_limit_admit(limits, first, &flow, &network, SECOND, &charge), 0);
	assert_int_equal(
		rule_limit_admit(limits, first, &flow, &network, SECOND, &none), LIMIT_CONNECTIONS);
	assert_int_equal(rule_limit_connections(limits, first->id), 1);
	assert_int_equal(rule_limit_connections(limits, second->id), 0);
	assert_int_equal(rule_limit_check(limits, second, &flow, &network, 2 * SECOND), 0);
	/* neither the count nor what the rate remembers is the other's */
	assert_int_equal(rule_limit_admit(limits, second, &flow, &network, 2 * SECOND, &other), 0);
	rule_limit_release(limits, charge);
	assert_int_equal(rule_limit_connections(limits, second->id), 1);
	rule_limit_release(limits, other);
	assert_int_equal(rule_limit_connections(limits, second->id), 0);
	assert_int_equal(rule_limit_check(limits, second, &flow, &network, 3 * SECOND), LIMIT_RATE);
	rule_free(first);
	rule_free(second);
}

static int
set_up(void **state)
{
	struct hash_key key;

	(void)state;
	hash_key_random(&key);
	network.config.connection_limit = 1000;
	limits = rule_limits_open(&key);
	return limits != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	rule_limits_close(limits);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_keep_the_limits),
		cmocka_unit_test(test_threads_keep_the_rate),
		cmocka_unit_test(test_an_index_is_used_again),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
