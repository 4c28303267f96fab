/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules that cover others: held to what rules mean, for random ones. */
#include "firewall/rule_cover.h"
#include "firewall/rule_list.h"
#include "random_rules.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct address_set *sets[SETS];
static struct port_set *port_sets[PORT_SETS];

static int
port_of(void *context, const char *name)
{
	(void)context;
	for (int i = 0; i < 3; i++)
		if (strcmp(name, port_names[i]) == 0)
			return i;
	return -1;
}

static const struct address_set *
set_of(void *context, const char *name)
{
	(void)context;
	return sets[name[1] - '0'];
}

static const struct port_set *
port_set_of_name(void *context, const char *name)
{
	(void)context;
	return port_sets[name[1] - '0'];
}

static struct address_set *
make_set(void)
{
	struct weft_prefix members[4];

	for (unsigned i = 0; i < 4; i++)
		members[i] = random_prefix();
	return address_set_create(members, 4);
}

static const struct rule_names names = { port_of, set_of, port_set_of_name, NULL };

static struct rule_list *
make_list(struct rule_table *table, const struct weft_rule *rules, unsigned count)
{
	struct weft_error error;
	struct hash_key key;
	struct rule_list *list;

	hash_key_random(&key);
	assert_int_equal(rule_table_open(table), 0);
	list = rule_list_create(&key, table);
	assert_int_equal(rule_list_want(list, rules, count, &error), 0);
	assert_int_equal(rule_list_prepare(list, &names, &error), 0);
	rule_list_publish(list);
	rule_list_reclaim(list);
	return list;
}

static const struct rule *
shadow_of(const struct rule_list *list, unsigned index)
{
	return rule_shadow(classifier_view(rule_list_classifier(list)), rule_list_at(list, index));
}

static void
test_shadows(void **state)
{
	const struct weft_prefix wide = { 4, 8, { 10 } }, narrow = { 4, 16, { 10, 1 } };
	const struct weft_port_range low = { 1, 1023 }, web = { 80, 80 }, other = { 8080, 8080 };
	const struct weft_rule rules[] = {
		{ .name = "wide",
			.from_ip = &wide,
			.n_from_ip = 1,
			.to_port = &low,
			.n_to_port = 1,
			.fields = WEFT_RULE_PROTOCOL,
			.protocol = 6 },
		{ .name = "shadowed",
			.from_ip = &narrow,
			.n_from_ip = 1,
			.to_port = &web,
			.n_to_port = 1,
			.fields = WEFT_RULE_PROTOCOL,
			.protocol = 6 },
		{ .name = "another port",
			.from_ip = &narrow,
			.n_from_ip = 1,
			.to_port = &other,
			.n_to_port = 1,
			.fields = WEFT_RULE_PROTOCOL,
			.protocol = 6 },
		{ .name = "other states",
			.from_ip = &narrow,
			.n_from_ip = 1,
			.to_port = &web,
			.n_to_port = 1,
			.fields = WEFT_RULE_PROTOCOL,
			.protocol = 6,
			.states = WEFT_STATE_NEW | WEFT_STATE_INVALID },
		{ .name = "set", .from_set = "s0" },
		{ .name = "same set", .from_set = "s0", .fields = WEFT_RULE_DSCP, .dscp = 3 },
		{ .name = "ports", .to_port_set = "p0" },
		{ .name = "some of them", .to_port = &other, .n_to_port = 1 },
		{ .name = "fewer", .to_port_set = "p1", .from_port = &low, .n_from_port = 1 },
		{ .name = "more", .to_port_set = "p0", .to_port = &web, .n_to_port = 1 },
		{ .name = "all" },
		{ .name = "never" },
		{ .name = "strays", .states = WEFT_STATE_INVALID },
	};
	static const char *const shadows[] = { NULL, "wide", NULL, NULL, NULL, "set", NULL, "ports",
		"ports", NULL, NULL, "all", NULL };
	const struct weft_prefix member = { 4, 32, { 192, 0, 2, 1 } };
	struct rule_table table;
	struct rule_list *list;

	(void)state;
	sets[0] = address_set_create(&member, 1);
	port_sets[0] = port_set_create(
		(const struct weft_port_range[]){ { 8000, 8100 }, { 53, 53 }, { 8101, 9000 } }, 3);
	port_sets[1] = port_set_create((const struct weft_port_range[]){ { 8000, 9000 } }, 1);
	list = make_list(&table, rules, 13);
	for (unsigned i = 0; i < 13; i++) {
		const struct rule *shadow = shadow_of(list, i);

		if (shadows[i] == NULL)
			assert_null(shadow);
		else
			assert_string_equal(shadow->match.name, shadows[i]);
	}
	rule_list_free(list);
	rule_table_close(&table);
	address_set_free(sets[0]);
	port_set_free(port_sets[0]);
	port_set_free(port_sets[1]);
}

/* What is told to be covered never matches what the other does not. */
static void
test_random(void **state)
{
	static struct random_rule rules[40];
	struct weft_rule matches[40];
	unsigned covered = 0;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct rule_table table;
		struct rule_list *list;

		random_state = round * 0x9e3779b97f4a7c15u + 1;
		for (unsigned i = 0; i < SETS; i++)
			sets[i] = make_set();
		for (unsigned i = 0; i < PORT_SETS; i++)
			port_sets[i] = random_port_set();
		for (unsigned i = 0; i < 40; i++) {
			random_rule(&rules[i], i);
			matches[i] = rules[i].match;
		}
		list = make_list(&table, matches, 40);
		for (unsigned a = 0; a < 40; a++)
			for (unsigned b = 0; b < 40; b++) {
				const struct rule *x = rule_list_at(list, a),
						  *y = rule_list_at(list, b);

				if (a == b || !rule_covers(x, y))
					continue;
				covered++;
				for (unsigned i = 0; i < 50; i++) {
					struct fields fields;
					uint8_t which = (uint8_t)(1 << random_below(3));

					if (one_in(4))
						random_packet(&fields);
					else
						corner_packet(y, &fields);
					if (rule_matches(y, &fields, which))
						assert_true(rule_matches(x, &fields, which));
				}
			}
		rule_list_free(list);
		rule_table_close(&table);
		for (unsigned i = 0; i < SETS; i++)
			address_set_free(sets[i]);
		for (unsigned i = 0; i < PORT_SETS; i++)
			port_set_free(port_sets[i]);
	}
	assert_true(covered > 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shadows),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
