/* SPDX-License-Identifier: BSD-3-Clause */
/* The way out through the host: what one line stands for, that it is not written, what is wrong. */
#include "base/error.h"
#include "model/configuration.h"
#include "model/internet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libyang/libyang.h>

static struct model *model;

#define NETWORK(words) \
	"networks:\n" \
	"  red:\n" \
	"    switches: { lan: {} }\n" \
	"    routers: { r1: { ports: { lan: { switch: lan, ip: 10.0.0.1/24 }, dmz: {} } } " \
	"}\n" words

static struct configuration *
load(const char *text)
{
	struct diagnostics diagnostics;
	struct configuration *configuration =
		configuration_from_yaml(model, "test.yaml", text, strlen(text), &diagnostics);

	diagnostics_print(&diagnostics, stderr, false);
	assert_non_null(configuration);
	diagnostics_free(&diagnostics);
	return configuration;
}

static const struct lyd_node *
red_of(const struct configuration *configuration)
{
	return configuration_child(configuration, "networks");
}

static void
it_stands_for_objects(void **state)
{
	struct configuration *configuration = load(NETWORK("    internet: host\n"));
	const struct lyd_node *red = red_of(configuration), *node;
	struct internet internet;

	(void)state;
	assert_true(internet_of(red, &internet));
	assert_string_equal(internet.interface, "out-red");
	assert_int_equal(internet.prefix.length, 30);
	assert_int_equal(internet.prefix.address[0], 100);
	assert_int_equal(internet.prefix.address[1] & 0xc0, 64);
	assert_int_equal(internet.prefix.address[3] & 3, 0);
	assert_non_null(model_entry(red, "switches", "internet"));
	node = model_entry(red, "nics", "internet");
	assert_true(model_flag(model_child(node, "attach"), "host", false));
	assert_string_equal(model_text(model_child(node, "attach"), "name"), "out-red");
	assert_string_equal(model_text(node, "port"), "internet");
	node = model_entry(red, "routers", "r1");
	assert_string_equal(
		model_text(model_entry(node, "ports", "internet"), "switch"), "internet");
	assert_non_null(model_text(model_entry(node, "routes", "0.0.0.0/0"), "via"));
	node = model_entry(red, "firewalls", "internet-firewall");
	assert_string_equal(model_text(node, "router"), "r1");
	assert_string_equal(model_text(node, "default"), "drop");
	assert_non_null(model_entry(node, "zones", "inside"));
	assert_string_equal(
		model_text(model_entry(node, "translations", "internet"), "to"), "internet");
	configuration_free(configuration);
}

static void
a_firewall_of_the_router_translates(void **state)
{
	struct configuration *configuration = load(
		NETWORK("    internet: host\n    firewalls: { fw: { router: r1, "
			"zones: { out: { ports: internet } }, "
			"translations: [{ name: a, destination: 10.0.0.2, from: out }] } }\n"));
	const struct lyd_node *red = red_of(configuration);
	const struct lyd_node *node = model_entry(red, "firewalls", "fw");

	(void)state;
	assert_string_equal(model_text(model_entry(node, "translations", "internet"), "to"), "out");
	assert_null(model_entry(red, "firewalls", "internet-firewall"));
	configuration_free(configuration);
}

/* Written and read again it is the same, and nothing of what it stands for is there. */
static void
it_is_one_line(void **state)
{
	struct configuration *first =
		load(NETWORK("    internet: host\n    internet-prefix: 192.168.7.4/30\n"
			     "    firewalls: { fw: { router: r1, default: accept } }\n"));
	char *yaml = configuration_to_yaml(first), *json = configuration_to_json(first);
	struct configuration *second = load(yaml), *third;
	struct diagnostics diagnostics;
	struct plan *plan;

	(void)state;
	assert_non_null(strstr(yaml, "internet: host"));
	assert_null(strstr(yaml, "192.168.7.5"));
	assert_null(strstr(json, "192.168.7.5"));
	assert_null(strstr(json, "masquerade"));
	assert_non_null(strstr(json, "\"fw\""));
	third = configuration_from_json(model, "json", json, strlen(json), &diagnostics);
	assert_non_null(third);
	diagnostics_free(&diagnostics);
	for (unsigned i = 0; i < 2; i++) {
		plan = plan_make(first, i == 0 ? second : third);
		assert_int_equal(plan->count, 0);
		plan_free(plan);
	}
	configuration_free(first);
	configuration_free(second);
	configuration_free(third);
	free(yaml);
	free(json);
}

static void
it_comes_and_goes(void **state)
{
	struct configuration *without = load(NETWORK(""));
	struct configuration *with = load(NETWORK("    internet: host\n"));
	struct plan *plan = plan_make(without, with);
	unsigned created = 0;

	(void)state;
	for (unsigned i = 0; i < plan->count; i++)
		created += plan->items[i].operation == PLAN_CREATE;
	assert_int_equal(created, 5); /* switch, nic, port, route, firewall */
	plan_free(plan);
	plan = plan_make(with, without);
	for (unsigned i = 0; i < plan->count; i++)
		created -= plan->items[i].operation == PLAN_DELETE;
	assert_int_equal(created, 0);
	plan_free(plan);
	configuration_free(without);
	configuration_free(with);
}

static const struct {
	const char *yaml, *place, *message;
} wrong[] = {
	{ "networks:\n  red:\n    internet: host\n", "3:15", "has no router to get out by" },
	{ "networks:\n  red:\n    internet: host\n    routers: { a: {}, b: {} }\n", "3:15",
		"has several routers" },
	{ NETWORK("    internet: host\n    internet-router: r2\n"), "6:22",
		"there is no router 'r2'" },
	{ NETWORK("    internet-router: r1\n"), "5:22", "internet-router without internet" },
	{ NETWORK("    internet: host\n    internet-prefix: 10.0.0.0/24\n"), "6:22",
		"prefix of 30 bits" },
	{ NETWORK("    internet: host\n    internet-prefix: 2001:db8::/30\n"), "6:22",
		"prefix of 30 bits" },
	{ NETWORK("    internet: host\n    nics: { internet: { switch: lan } }\n"), "6:13",
		"makes a nic 'internet' of its own" },
	{ NETWORK("    internet: host\n    firewalls: { internet-firewall: {} }\n"), "6:18",
		"makes a firewall 'internet-firewall' of its own" },
	{ "networks:\n  red:\n    internet: host\n    routers: { r: { ports: { a: { ip: "
	  "10.0.0.1/24 } },"
	  " routes: { 0.0.0.0/0: { via: 10.0.0.2 } } } }\n",
		"4:66", "default route of router 'r'" },
	{ NETWORK("    internet: host\n    internet-prefix: 192.168.7.4/30\n"
		  "  blue:\n    internet: host\n    internet-prefix: 192.168.7.4/30\n"
		  "    routers: { r: {} }\n"),
		"9:22", "network 'red' gets out by the same addresses" },
};

static void
what_is_wrong_is_told(void **state)
{
	struct diagnostics diagnostics;
	char place[32];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct configuration *configuration = configuration_from_yaml(
			model, "test.yaml", wrong[i].yaml, strlen(wrong[i].yaml), &diagnostics);
		const struct diagnostic *found = NULL;

		for (unsigned d = 0; d < diagnostics.count && found == NULL; d++)
			if (strstr(diagnostics.list[d].message, wrong[i].message) != NULL)
				found = &diagnostics.list[d];
		if (found == NULL) {
			diagnostics_print(&diagnostics, stderr, false);
			fail_msg("nothing says \"%s\" of\n%s", wrong[i].message, wrong[i].yaml);
		}
		snprintf(place, sizeof(place), "%u:%u", found->line, found->column);
		if (strcmp(place, wrong[i].place) != 0)
			fail_msg("%s: at %s, not %s", wrong[i].message, place, wrong[i].place);
		assert_non_null(found->hint);
		diagnostics_free(&diagnostics);
		configuration_free(configuration);
	}
}

/* Long names are cut, and stay apart. */
static void
names_of_taps_differ(void **state)
{
	struct configuration *configuration =
		load("networks:\n"
		     "  a-long-name-of-a-network: { internet: host, routers: { r: {} } }\n"
		     "  a-long-name-of-another: { internet: host, routers: { r: {} } }\n");
	const struct lyd_node *network = red_of(configuration);
	struct internet one, other;

	(void)state;
	assert_true(internet_of(network, &one));
	assert_true(internet_of(model_next(network), &other));
	assert_true(strlen(one.interface) < IFNAMSIZ);
	assert_string_not_equal(one.interface, other.interface);
	assert_memory_not_equal(one.prefix.address, other.prefix.address, 4);
	configuration_free(configuration);
}

static int
set_up(void **state)
{
	struct weft_error error;

	(void)state;
	model = model_open(&error);
	return model != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	model_close(model);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_stands_for_objects),
		cmocka_unit_test(a_firewall_of_the_router_translates),
		cmocka_unit_test(it_is_one_line),
		cmocka_unit_test(it_comes_and_goes),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(names_of_taps_differ),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
