/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the firewall's classifier costs, alone: lookups, loading, memory, and changes of one rule.
 * Then sets of many addresses, that some rules name. Prints Markdown.
 *
 *	classifier_bench [ROUNDS]
 *
 * Rule sets and packets are random_policy.h's. Each figure is the median of the rounds; of changes,
 * of all changes. Time is the thread's own.
 */
#include "base/clock.h"
#include "firewall/rule_list.h"
#include "measure.h"
#include "random_policy.h"

#include <rte_cycles.h>
#include <stdlib.h>

#define PACKETS 65536
#define LOOKUPS (1u << 20) /* a round */
#define ROUNDS_MAX 99
#define CHANGES 1000

struct bench {
	const struct policy_kind *kind;
	unsigned count;
	struct policy_rule *rules;
	struct weft_rule *list;
	struct fields *packets;
	struct rule_table table;
	struct rule_list *published;
};

static unsigned rounds = 5;
static double ghz;   /* of the TSC */
static uint64_t sum; /* so that no lookup is left out */

/* ---- rules and packets ------------------------------------------------------------------------
 */

static void
make(struct bench *bench)
{
	bench->rules = memory(bench->count, sizeof(*bench->rules));
	bench->list = memory(bench->count + 1, sizeof(*bench->list));
	bench->packets = memory(PACKETS, sizeof(*bench->packets));
	for (unsigned i = 0; i < bench->count; i++) {
		policy_make_rule(&bench->rules[i], bench->kind, i, bench->count);
		bench->list[i] = bench->rules[i].match;
	}
	for (unsigned i = 0; i < PACKETS; i++)
		policy_make_packet(&bench->packets[i],
			random_below(10) == 0 ? NULL : &bench->rules[random_below(bench->count)]);
}

static void
apply(struct bench *bench, const struct weft_rule *list, unsigned count)
{
	static const struct rule_names names = { NULL, NULL, NULL };

	if (rule_list_want(bench->published, list, count, NULL) < 0 ||
		rule_list_prepare(bench->published, &names, NULL) < 0)
		fail("cannot load");
	rule_list_publish(bench->published);
	rule_list_reclaim(bench->published);
}

/* Seconds. */
static double
load(struct bench *bench)
{
	double times[ROUNDS_MAX];
	struct hash_key key;

	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin;

		rule_list_free(bench->published);
		hash_key_random(&key);
		bench->published = rule_list_create(&key, &bench->table);
		if (bench->published == NULL)
			fail("no memory");
		begin = now();
		apply(bench, bench->list, bench->count);
		times[round] = (double)(now() - begin) / 1e9;
	}
	return median(times, rounds);
}

/* ---- lookups ----------------------------------------------------------------------------------
 */

/* Cycles for one. */
static double
look(const struct bench *bench, unsigned packets)
{
	const struct classifier_view *view =
		classifier_view(rule_list_classifier(bench->published));
	double cycles[ROUNDS_MAX];

	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin = now();

		for (unsigned i = 0; i < LOOKUPS; i++) {
			const struct rule *rule =
				classifier_find(view, &bench->packets[i % packets], RULE_STATE_NEW);

			sum += rule != NULL ? rule->id : 1;
		}
		cycles[round] = (double)(now() - begin) * ghz / LOOKUPS;
	}
	return median(cycles, rounds);
}

/* ---- changes ----------------------------------------------------------------------------------
 */

/* Microseconds to put one more rule before all others, and to take it away. */
static double
change_classifier(struct bench *bench)
{
	struct classifier *classifier = rule_list_classifier(bench->published);
	double times[CHANGES];

	for (unsigned i = 0; i < CHANGES; i++) {
		struct policy_rule made;
		struct rule *rule;
		uint64_t begin;

		policy_make_rule(&made, bench->kind, bench->count, bench->count);
		begin = now();
		rule = rule_create(&made.match, 1, 1, NULL);
		if (rule == NULL || classifier_add(classifier, rule) < 0)
			fail("no memory");
		classifier_publish(classifier);
		classifier_reclaim(classifier);
		if (classifier_remove(classifier, rule) < 0)
			fail("no memory");
		classifier_publish(classifier);
		classifier_reclaim(classifier);
		rule_free(rule);
		times[i] = (double)(now() - begin) / 2e3;
	}
	return median(times, CHANGES);
}

/* The same by a whole new list. */
static double
change_list(struct bench *bench)
{
	double times[ROUNDS_MAX];
	struct policy_rule made;

	policy_make_rule(&made, bench->kind, bench->count, bench->count);
	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin;

		memmove(bench->list + 1, bench->list, bench->count * sizeof(*bench->list));
		bench->list[0] = made.match;
		begin = now();
		apply(bench, bench->list, bench->count + 1);
		memmove(bench->list, bench->list + 1, bench->count * sizeof(*bench->list));
		apply(bench, bench->list, bench->count);
		times[round] = (double)(now() - begin) / 2e3;
	}
	return median(times, rounds);
}

static void
run(struct bench *bench)
{
	struct classifier_state state;
	double loaded;

	make(bench);
	if (rule_table_open(&bench->table) < 0)
		fail("no memory");
	loaded = load(bench);
	classifier_state(rule_list_classifier(bench->published), &state);
	printf("| %s | %u | %.0f | %.0f | %zu | %zu | %.2f | %zu |", bench->kind->name,
		bench->count, look(bench, 1024), look(bench, PACKETS), state.tables, state.entries,
		loaded * 1e3, state.bytes);
	printf(" %.1f | %.1f |\n", change_classifier(bench), change_list(bench));
	fflush(stdout);
	rule_list_free(bench->published);
	rule_table_close(&bench->table);
	free(bench->rules);
	free(bench->list);
	free(bench->packets);
}

/* ---- sets -------------------------------------------------------------------------------------
 */

#define SET_RULES 16 /* all name the set, and a port each */

static struct address_set *set;

static const struct address_set *
the_set(void *context, const char *name)
{
	(void)context;
	(void)name;
	return set;
}

static const struct rule_names set_names = { NULL, the_set, NULL };

static void
apply_set(struct bench *bench)
{
	if (rule_list_prepare(bench->published, &set_names, NULL) < 0)
		fail("cannot load");
	rule_list_publish(bench->published);
	rule_list_reclaim(bench->published);
}

static struct weft_prefix
random_member(void)
{
	struct weft_prefix prefix = { .family = 4, .length = 32 };

	put_word(prefix.address, 0x0a000000 + random_below(1u << 24));
	return prefix;
}

/* Microseconds until one member more, and then one less, is in force. */
static double
change_member(struct bench *bench)
{
	double times[CHANGES];

	for (unsigned i = 0; i < CHANGES; i++) {
		struct weft_prefix member = random_member();
		struct address_set *before = set;
		uint64_t begin = now();

		set = address_set_update(before, i % 2 == 0 ? &member : NULL, i % 2 == 0,
			i % 2 != 0 ? &member : NULL, i % 2 != 0);
		if (set == NULL)
			fail("no memory");
		apply_set(bench);
		address_set_free(before);
		times[i] = (double)(now() - begin) / 1e3;
	}
	return median(times, CHANGES);
}

static void
make_set_rules(struct bench *bench)
{
	bench->list = memory(SET_RULES, sizeof(*bench->list));
	bench->rules = memory(SET_RULES, sizeof(*bench->rules));
	bench->packets = memory(PACKETS, sizeof(*bench->packets));
	for (unsigned i = 0; i < SET_RULES; i++) {
		struct policy_rule *rule = &bench->rules[i];

		snprintf(rule->name, sizeof(rule->name), "r%u", i);
		rule->to_port.first = rule->to_port.last = (uint16_t)i;
		bench->list[i] = (struct weft_rule){ .name = rule->name,
			.from_set = "set",
			.to_port = &rule->to_port,
			.n_to_port = 1 };
	}
	for (unsigned i = 0; i < PACKETS; i++) {
		struct weft_prefix from = random_member();

		policy_make_packet(&bench->packets[i], NULL);
		bench->packets[i].to_port = (uint16_t)random_below(SET_RULES);
		memcpy(bench->packets[i].from_ip, from.address, 16);
	}
}

static void
run_set(unsigned members)
{
	struct weft_prefix *list = memory(members, sizeof(*list));
	struct bench bench = { .count = SET_RULES };
	struct hash_key key;
	double made, loaded;
	uint64_t begin;

	for (unsigned i = 0; i < members; i++)
		list[i] = random_member();
	make_set_rules(&bench);
	hash_key_random(&key);
	if (rule_table_open(&bench.table) < 0)
		fail("no memory");
	bench.published = rule_list_create(&key, &bench.table);
	if (bench.published == NULL)
		fail("no memory");
	begin = now();
	set = address_set_create(list, members);
	made = (double)(now() - begin) / 1e6;
	begin = now();
	if (set == NULL || rule_list_want(bench.published, bench.list, SET_RULES, NULL) < 0)
		fail("no memory");
	apply_set(&bench);
	loaded = (double)(now() - begin) / 1e6;
	printf("| %u | %.1f | %.1f | %.0f | %.0f |", members, made, loaded, look(&bench, 1024),
		look(&bench, PACKETS));
	printf(" %.1f |\n", change_member(&bench));
	fflush(stdout);
	rule_list_free(bench.published);
	rule_table_close(&bench.table);
	address_set_free(set);
	free(bench.rules);
	free(bench.list);
	free(bench.packets);
	free(list);
}

int
main(int argc, char **argv)
{
	static const unsigned counts[] = { 1, 1000, 10000, 100000 };

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		fail("ROUNDS");
	ghz = tsc_ghz();
	printf("| rules like | rules | cycles a lookup, 1,024 flows | 65,536 flows | tables | "
	       "entries | loaded in, ms | bytes | one rule changed, us | by a whole list, us |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		for (unsigned k = 0; k < sizeof(policy_kinds) / sizeof(policy_kinds[0]); k++) {
			struct bench bench = { .kind = &policy_kinds[k], .count = counts[i] };

			run(&bench);
		}
	printf("\n| members of a set | made in, ms | in force in, ms | cycles a lookup, 1,024 "
	       "flows | "
	       "65,536 flows | one member changed, us |\n| --- | --- | --- | --- | --- | --- |\n");
	run_set(1000);
	run_set(300000);
	return sum == 0;
}
