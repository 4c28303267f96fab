/* SPDX-License-Identifier: BSD-3-Clause */
/* The classifier against a linear search, through changes, versions, sets, and attacks. */
#include "fault.h"
#include "firewall/rule_list.h"
#include "random_rules.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RULES_MOST 400
#define PACKETS 60

struct world {
	struct rule_table table;
	struct rule_list *list;
	struct address_set *sets[SETS], *old_sets[SETS];
	struct port_set *port_sets[PORT_SETS], *old_port_sets[PORT_SETS];
	struct random_rule *rules; /* as wanted */
	unsigned count, names;
	/* what was published before: copies, for an old view */
	struct rule **before;
	unsigned n_before;
};

static int
port_named(void *context, const char *name)
{
	(void)context;
	for (int i = 0; i < 3; i++)
		if (strcmp(name, port_names[i]) == 0)
			return i;
	return -1;
}

static const struct address_set *
set_named(void *context, const char *name)
{
	const struct world *world = context;

	return world->sets[name[1] - '0'];
}

static const struct port_set *
port_set_named(void *context, const char *name)
{
	const struct world *world = context;

	return world->port_sets[name[1] - '0'];
}

static struct address_set *
random_set(void)
{
	struct weft_prefix members[40];
	unsigned n = random_below(40);

	for (unsigned i = 0; i < n; i++)
		members[i] = random_prefix();
	return address_set_create(members, n);
}

static void
world_open(struct world *world, uint64_t seed)
{
	struct hash_key key;

	random_state = seed * 0x9e3779b97f4a7c15u + 1;
	memset(world, 0, sizeof(*world));
	hash_key_random(&key);
	assert_int_equal(rule_table_open(&world->table), 0);
	world->list = rule_list_create(&key, &world->table);
	assert_non_null(world->list);
	world->rules = calloc(RULES_MOST, sizeof(*world->rules));
	for (unsigned i = 0; i < SETS; i++)
		world->sets[i] = random_set();
	for (unsigned i = 0; i < PORT_SETS; i++)
		world->port_sets[i] = random_port_set();
}

static void
forget_before(struct world *world)
{
	for (unsigned i = 0; i < world->n_before; i++)
		rule_free(world->before[i]);
	free(world->before);
	world->before = NULL;
	world->n_before = 0;
}

static void
world_close(struct world *world)
{
	forget_before(world);
	rule_list_free(world->list);
	for (unsigned i = 0; i < SETS; i++)
		address_set_free(world->sets[i]);
	for (unsigned i = 0; i < PORT_SETS; i++)
		port_set_free(world->port_sets[i]);
	free(world->rules);
	rule_table_close(&world->table);
}

/* Rules point into themselves: they have moved. */
static void
point_again(struct random_rule *rule)
{
	struct weft_rule *match = &rule->match;

	match->name = rule->name;
	match->from = rule->from;
	match->to = rule->to;
	match->from_ip = rule->from_ip;
	match->to_ip = rule->to_ip;
	match->from_port = rule->from_port;
	match->to_port = rule->to_port;
	match->icmp = rule->icmp;
}

static void
insert_rule(struct world *world, unsigned at)
{
	struct random_rule *rules = world->rules;

	if (world->count == RULES_MOST)
		return;
	memmove(&rules[at + 1], &rules[at], (world->count - at) * sizeof(*rules));
	random_rule(&rules[at], world->names++);
	world->count++;
}

static void
remove_rule(struct world *world, unsigned at)
{
	world->count--;
	memmove(&world->rules[at], &world->rules[at + 1],
		(world->count - at) * sizeof(world->rules[0]));
}

static void
swap_rules(struct world *world, unsigned a, unsigned b)
{
	struct random_rule rule = world->rules[a];

	world->rules[a] = world->rules[b];
	world->rules[b] = rule;
}

static void
random_change(struct world *world)
{
	unsigned at = random_below(world->count + 1);

	switch (random_below(4)) {
	case 0:
		if (at < world->count)
			remove_rule(world, at);
		break;
	case 1:
		if (at < world->count) {
			unsigned name = (unsigned)atoi(world->rules[at].name + 4);

			random_rule(&world->rules[at], name);
		}
		break;
	case 2:
		if (world->count > 1)
			swap_rules(world, random_below(world->count), random_below(world->count));
		break;
	default:
		insert_rule(world, at);
	}
}

static int
want(struct world *world)
{
	static struct weft_rule rules[RULES_MOST];
	struct weft_error error;

	for (unsigned i = 0; i < world->count; i++) {
		point_again(&world->rules[i]);
		rules[i] = world->rules[i].match;
	}
	return rule_list_want(world->list, rules, world->count, &error);
}

static int
prepare(struct world *world)
{
	const struct rule_names names = { port_named, set_named, port_set_named, world };
	struct weft_error error;

	return rule_list_prepare(world->list, &names, &error);
}

/* ---- the oracle -------------------------------------------------------------------------------
 */

static void
say_difference(const struct rule *found, const struct rule *wanted, uint8_t state)
{
	char text[512] = "";

	if (found != NULL)
		rule_describe(found, text, sizeof(text));
	print_error("state %u, found: %s\n", state, text);
	text[0] = '\0';
	if (wanted != NULL)
		rule_describe(wanted, text, sizeof(text));
	print_error("wanted: %s\n", text);
}

static const char *
name_of(const struct rule *rule)
{
	return rule != NULL ? rule->match.name : "none";
}

static void
check_packet(const struct classifier_view *view, const struct rule *const *rules, unsigned count,
	const struct fields *fields)
{
	for (uint8_t state = 1; state < 8; state <<= 1) {
		const struct rule *wanted = NULL, *found = classifier_find(view, fields, state);

		for (unsigned i = 0; i < count && wanted == NULL; i++)
			if (rule_matches(rules[i], fields, state))
				wanted = rules[i];
		if (strcmp(name_of(found), name_of(wanted)) != 0)
			say_difference(found, wanted, state);
		assert_string_equal(name_of(found), name_of(wanted));
	}
}

static void
check_view(const struct classifier_view *view, const struct rule *const *rules, unsigned count,
	unsigned packets)
{
	struct fields fields;

	for (unsigned i = 0; i < packets; i++) {
		if (count > 0 && one_in(2))
			corner_packet(rules[random_below(count)], &fields);
		else
			random_packet(&fields);
		check_packet(view, rules, count, &fields);
	}
}

static const struct rule **
rules_of(const struct world *world)
{
	unsigned count = rule_list_count(world->list);
	const struct rule **rules = calloc(count + 1, sizeof(*rules));

	for (unsigned i = 0; i < count; i++)
		rules[i] = rule_list_at(world->list, i);
	return rules;
}

static void
check_now(const struct world *world, unsigned packets)
{
	const struct rule **rules = rules_of(world);

	check_view(classifier_view(rule_list_classifier(world->list)), rules,
		rule_list_count(world->list), packets);
	free(rules);
}

/* The published list is the wanted one. */
static void
check_list(const struct world *world)
{
	assert_int_equal(rule_list_count(world->list), world->count);
	for (unsigned i = 0; i < world->count; i++) {
		const struct rule *rule = rule_list_at(world->list, i);

		assert_string_equal(rule->match.name, world->rules[i].name);
		assert_true(rule_same(&rule->match, &world->rules[i].match));
		assert_ptr_equal(rule_list_find(world->list, rule->match.name), rule);
		if (i > 0)
			assert_true(rule->order > rule_list_at(world->list, i - 1)->order);
	}
}

static void
remember(struct world *world)
{
	forget_before(world);
	world->n_before = rule_list_count(world->list);
	world->before = calloc(world->n_before + 1, sizeof(*world->before));
	for (unsigned i = 0; i < world->n_before; i++) {
		const struct rule *rule = rule_list_at(world->list, i);
		struct rule *copy = rule_create(&rule->match, rule->id, rule->order, NULL);

		copy->from = rule->from;
		copy->to = rule->to;
		copy->from_set = rule->from_set;
		copy->to_set = rule->to_set;
		copy->from_port_set = rule->from_port_set;
		copy->to_port_set = rule->to_port_set;
		world->before[i] = copy;
	}
}

/* ---- random changes ---------------------------------------------------------------------------
 */

/* `old_sets` has what was before, of those that have changed. */
static void
change_sets(struct world *world)
{
	for (unsigned i = 0; i < SETS; i++) {
		struct weft_prefix come[4], go[4];

		world->old_sets[i] = NULL;
		if (!one_in(3))
			continue;
		world->old_sets[i] = world->sets[i];
		for (unsigned k = 0; k < 4; k++) {
			come[k] = random_prefix();
			go[k] = random_prefix();
		}
		world->sets[i] = one_in(8) ? random_set()
					   : address_set_update(world->old_sets[i], come,
						     random_below(5), go, random_below(5));
	}
	for (unsigned i = 0; i < PORT_SETS; i++) {
		world->old_port_sets[i] = NULL;
		if (!one_in(3))
			continue;
		world->old_port_sets[i] = world->port_sets[i];
		world->port_sets[i] = random_port_set();
	}
}

static void
keep_sets(struct world *world)
{
	memset(world->old_sets, 0, sizeof(world->old_sets));
	memset(world->old_port_sets, 0, sizeof(world->old_port_sets));
}

static void
free_old_sets(struct world *world)
{
	for (unsigned i = 0; i < SETS; i++)
		address_set_free(world->old_sets[i]);
	for (unsigned i = 0; i < PORT_SETS; i++)
		port_set_free(world->old_port_sets[i]);
}

static void
undo_sets(struct world *world)
{
	for (unsigned i = 0; i < SETS; i++) {
		if (world->old_sets[i] == NULL)
			continue;
		address_set_free(world->sets[i]);
		world->sets[i] = world->old_sets[i];
	}
	for (unsigned i = 0; i < PORT_SETS; i++) {
		if (world->old_port_sets[i] == NULL)
			continue;
		port_set_free(world->port_sets[i]);
		world->port_sets[i] = world->old_port_sets[i];
	}
}

static void
one_change(struct world *world, unsigned changes)
{
	struct classifier *classifier = rule_list_classifier(world->list);
	const struct classifier_view *old;

	remember(world);
	keep_sets(world);
	if (one_in(3))
		change_sets(world);
	if (!one_in(4)) {
		for (unsigned i = 0; i < changes; i++)
			random_change(world);
		assert_int_equal(want(world), 0);
	}
	assert_int_equal(prepare(world), 0);
	/* nothing of it is seen */
	check_now(world, 4);
	old = classifier_view(classifier);
	rule_list_publish(world->list);
	check_now(world, PACKETS);
	/* and who has the view from before sees the rules from before */
	check_view(old, (const struct rule *const *)world->before, world->n_before, PACKETS);
	rule_list_reclaim(world->list);
	free_old_sets(world);
	check_now(world, 4);
}

static void
one_undo(struct world *world)
{
	struct random_rule *rules = malloc(RULES_MOST * sizeof(*rules));
	unsigned count = world->count;

	memcpy(rules, world->rules, RULES_MOST * sizeof(*rules));
	keep_sets(world);
	if (one_in(2))
		change_sets(world);
	for (unsigned i = 0; i < 10; i++)
		random_change(world);
	assert_int_equal(want(world), 0);
	assert_int_equal(prepare(world), 0);
	rule_list_undo(world->list);
	undo_sets(world);
	memcpy(world->rules, rules, RULES_MOST * sizeof(*rules));
	world->count = count;
	free(rules);
	check_now(world, PACKETS);
}

static void
fill(struct world *world, unsigned count)
{
	while (world->count < count)
		insert_rule(world, world->count);
}

static unsigned
seeds(unsigned count)
{
	const char *more = getenv("WEFT_TEST_SEEDS");

	return more != NULL ? (unsigned)atoi(more) : count;
}

static void
test_random(void **state)
{
	struct classifier_state classifier_is;
	struct world world;

	(void)state;
	for (unsigned seed = 1; seed <= seeds(300); seed++) {
		world_open(&world, seed);
		fill(&world, random_below(one_in(10) ? 300 : 60));
		for (unsigned i = 0; i < 10; i++) {
			one_change(&world, 1 + random_below(12));
			if (world.count == rule_list_count(world.list))
				check_list(&world);
			if (one_in(3))
				one_undo(&world);
		}
		/* nothing stays behind when all rules go */
		world.count = 0;
		assert_int_equal(want(&world), 0);
		assert_int_equal(prepare(&world), 0);
		rule_list_publish(world.list);
		rule_list_reclaim(world.list);
		classifier_state(rule_list_classifier(world.list), &classifier_is);
		assert_int_equal(classifier_is.rules, 0);
		assert_int_equal(classifier_is.entries, 0);
		assert_int_equal(classifier_is.tables, 0);
		world_close(&world);
	}
}

/* ---- without memory ---------------------------------------------------------------------------
 */

static void
test_no_memory(void **state)
{
	struct world world;
	unsigned at = 0;
	bool fired;

	(void)state;
	world_open(&world, 7);
	fill(&world, 60);
	keep_sets(&world);
	assert_int_equal(want(&world), 0);
	assert_int_equal(prepare(&world), 0);
	rule_list_publish(world.list);
	rule_list_reclaim(world.list);
	do {
		int result;

		for (unsigned i = 0; i < 6; i++)
			random_change(&world);
		change_sets(&world);
		fault_arm(at++, false);
		result = want(&world);
		if (result == 0)
			result = prepare(&world);
		fired = fault_disarm();
		if (!fired)
			assert_int_equal(result, 0);
		if (result == 0) {
			/* afterwards nothing can fail */
			fault_arm(random_below(20), false);
			rule_list_publish(world.list);
			rule_list_reclaim(world.list);
			fault_disarm();
			free_old_sets(&world);
		} else {
			fault_arm(random_below(20), false);
			rule_list_undo(world.list);
			fault_disarm();
			undo_sets(&world);
		}
		check_now(&world, 10);
	} while (fired || at < 1500);
	world_close(&world);
}

/* ---- attacks ----------------------------------------------------------------------------------
 */

#define NESTED 3000

/*
 * Rules around one point, of every pair of prefix lengths there is, with ports that tell nothing:
 * the explosion of tuples. Tables stay within their bound, and the answer is right.
 */
static void
test_explosion(void **state)
{
	struct weft_rule *rules = calloc(NESTED, sizeof(*rules));
	struct weft_prefix(*prefixes)[2] = calloc(NESTED, sizeof(*prefixes));
	struct weft_port_range *ports = calloc(NESTED, sizeof(*ports));
	char(*texts)[8] = calloc(NESTED, sizeof(*texts));
	struct classifier_state is;
	struct classifier *classifier;
	struct world world;

	(void)state;
	world_open(&world, 5);
	for (unsigned i = 0; i < NESTED; i++) {
		snprintf(texts[i], sizeof(texts[i]), "r%u", i);
		prefixes[i][0] = (struct weft_prefix){ 4, (uint8_t)(i % 33), { 10, 1, 2, 3 } };
		prefixes[i][1] = (struct weft_prefix){ 4, (uint8_t)(i / 33 % 33), { 10, 1, 2, 3 } };
		ports[i].first = (uint16_t)random_below(32000);
		ports[i].last = (uint16_t)(65535 - random_below(32000));
		rules[i] = (struct weft_rule){ .name = texts[i],
			.from_ip = &prefixes[i][0],
			.to_ip = &prefixes[i][1],
			.n_from_ip = 1,
			.n_to_ip = 1,
			.to_port = &ports[i],
			.n_to_port = 1 };
	}
	assert_int_equal(rule_list_want(world.list, rules, NESTED, NULL), 0);
	assert_int_equal(prepare(&world), 0);
	rule_list_publish(world.list);
	rule_list_reclaim(world.list);
	classifier = rule_list_classifier(world.list);
	classifier_state(classifier, &is);
	assert_true(is.tables <= CLASSIFIER_TABLES);
	/* a range that is split is two */
	assert_in_range(is.entries, NESTED, 2 * NESTED);
	assert_true(classifier_worst(classifier) <= is.entries);
	check_now(&world, 200);
	world_close(&world);
	free(rules);
	free(prefixes);
	free(ports);
	free(texts);
}

/*
 * Hosts by the thousand: no chain is long, whoever chose the addresses, as the key is random. So a
 * packet costs what it costs, whichever it is.
 */
static void
test_chains_are_short(void **state)
{
	struct weft_rule *rules = calloc(NESTED, sizeof(*rules));
	struct weft_prefix *prefixes = calloc(NESTED, sizeof(*prefixes));
	char(*texts)[8] = calloc(NESTED, sizeof(*texts));
	struct world world;

	(void)state;
	world_open(&world, 6);
	for (unsigned i = 0; i < NESTED; i++) {
		snprintf(texts[i], sizeof(texts[i]), "r%u", i);
		/* all in one /20: relaxed tuples cannot tell them apart */
		prefixes[i] =
			(struct weft_prefix){ 4, 32, { 10, 1, (uint8_t)(i >> 8), (uint8_t)i } };
		rules[i] =
			(struct weft_rule){ .name = texts[i], .to_ip = &prefixes[i], .n_to_ip = 1 };
	}
	assert_int_equal(rule_list_want(world.list, rules, NESTED, NULL), 0);
	assert_int_equal(prepare(&world), 0);
	rule_list_publish(world.list);
	rule_list_reclaim(world.list);
	assert_in_range(classifier_worst(rule_list_classifier(world.list)), 1, 48);
	check_now(&world, 500);
	world_close(&world);
	free(rules);
	free(prefixes);
	free(texts);
}

/* A list of prefixes, one of ports: few entries, whatever their product is. */
static void
test_lists_do_not_multiply(void **state)
{
	struct classifier_state is;
	struct random_rule made;
	struct world world;

	(void)state;
	world_open(&world, 8);
	memset(&made, 0, sizeof(made));
	for (unsigned i = 0; i < LIST_MOST; i++) {
		made.from_ip[i] = (struct weft_prefix){ 4, 24, { 10, 0, (uint8_t)i } };
		made.to_ip[i] = (struct weft_prefix){ 4, 24, { 10, 1, (uint8_t)i } };
		made.to_port[i].first = made.to_port[i].last = (uint16_t)(100 + i);
	}
	snprintf(made.name, sizeof(made.name), "a");
	point_again(&made);
	for (unsigned n = 1; n <= LIST_MOST; n++) {
		made.match.n_from_ip = made.match.n_to_ip = made.match.n_to_port = n;
		assert_int_equal(rule_list_want(world.list, &made.match, 1, NULL), 0);
		assert_int_equal(prepare(&world), 0);
		rule_list_publish(world.list);
		rule_list_reclaim(world.list);
		classifier_state(rule_list_classifier(world.list), &is);
		assert_in_range(is.entries, 1, 64);
		check_now(&world, 200);
	}
	world_close(&world);
}

/* ---- readers ----------------------------------------------------------------------------------
 */

/* A rule list of which each version answers by its number for all of its packets. */
struct reading {
	struct rule_list *list;
	_Atomic uint64_t quiescent;
	_Atomic bool stop;
	unsigned wrong;
};

static void *
read_on(void *context)
{
	struct reading *reading = context;
	struct fields fields = {
		.family = 4, .protocol = 6, .has_ports = true, .ethertype = 0x800
	};

	fields.from_ip[0] = fields.to_ip[0] = 10;
	while (!atomic_load_explicit(&reading->stop, memory_order_relaxed)) {
		const struct classifier_view *view =
			classifier_view(rule_list_classifier(reading->list));
		unsigned log_rate = 0;

		for (unsigned port = 1; port <= 64; port++) {
			const struct rule *rule;

			fields.to_port = (uint16_t)port;
			rule = classifier_find(view, &fields, RULE_STATE_NEW);
			if (rule == NULL || (port > 1 && rule->match.log_rate != log_rate))
				reading->wrong++;
			else
				log_rate = rule->match.log_rate;
		}
		atomic_fetch_add_explicit(&reading->quiescent, 1, memory_order_release);
	}
	return NULL;
}

static void
wait_for_reader(struct reading *reading)
{
	uint64_t before = atomic_load_explicit(&reading->quiescent, memory_order_acquire);

	while (atomic_load_explicit(&reading->quiescent, memory_order_acquire) < before + 2)
		sched_yield();
}

static void
publish_version(struct reading *reading, const struct rule_names *names, unsigned version)
{
	static const struct weft_prefix ten = { 4, 8, { 10 } };
	struct weft_rule rules[64];
	struct weft_port_range ports[64];
	char texts[64][16];

	for (unsigned i = 0; i < 64; i++) {
		/* another order each time, so that labels move */
		unsigned port = 1 + (i * 7 + version) % 64;

		snprintf(texts[i], sizeof(texts[i]), "port%u", port);
		ports[i] = (struct weft_port_range){ (uint16_t)port, (uint16_t)port };
		rules[i] = (struct weft_rule){ .name = texts[i],
			.from_ip = &ten,
			.n_from_ip = 1,
			.to_set = version % 2 ? "s0" : NULL,
			.to_port = &ports[i],
			.n_to_port = 1,
			.log_rate = version };
	}
	assert_int_equal(rule_list_want(reading->list, rules, 64, NULL), 0);
	assert_int_equal(rule_list_prepare(reading->list, names, NULL), 0);
	if (version % 5 == 4) {
		rule_list_undo(reading->list);
		return;
	}
	rule_list_publish(reading->list);
	if (version > 0)
		wait_for_reader(reading);
	rule_list_reclaim(reading->list);
}

static void
test_reader(void **state)
{
	static const struct weft_prefix ten = { 4, 8, { 10 } };
	struct world world;
	const struct rule_names names = { port_named, set_named, port_set_named, &world };
	struct reading reading = { 0 };
	pthread_t thread;

	(void)state;
	world_open(&world, 3);
	address_set_free(world.sets[0]);
	world.sets[0] = address_set_create(&ten, 1);
	reading.list = world.list;
	publish_version(&reading, &names, 0);
	assert_int_equal(pthread_create(&thread, NULL, read_on, &reading), 0);
	for (unsigned version = 1; version < 1000; version++)
		publish_version(&reading, &names, version);
	atomic_store(&reading.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(reading.wrong, 0);
	world_close(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_explosion),
		cmocka_unit_test(test_chains_are_short),
		cmocka_unit_test(test_lists_do_not_multiply),
		cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
