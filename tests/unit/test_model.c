/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading: what a right file becomes. */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct model *model;

static struct configuration *
load(const char *text)
{
	struct diagnostics diagnostics;
	struct configuration *configuration;

	configuration =
		configuration_from_yaml(model, "test.yaml", text, strlen(text), &diagnostics);
	diagnostics_print(&diagnostics, stderr, false);
	diagnostics_free(&diagnostics);
	return configuration;
}

static const struct lyd_node *
network(const struct configuration *configuration, const char *name)
{
	const struct lyd_node *node = configuration_child(configuration, "networks");

	while (node != NULL && strcmp(model_key(node), name) != 0)
		node = model_next(node);
	assert_non_null(node);
	return node;
}

static void
lists_with_one_key_are_maps(void **state)
{
	struct configuration *configuration =
		load("networks:\n"
		     "  red:\n"
		     "    switches: { lan: { ports: { a: {}, b: } } }\n"
		     "    nics:\n"
		     "      web: { switch: lan, ip: 10.0.0.1/24 }\n"
		     "  blue:\n");
	const struct lyd_node *red, *lan, *port;

	assert_non_null(configuration);
	network(configuration, "blue");
	red = network(configuration, "red");
	lan = model_entry(red, "switches", "lan");
	assert_non_null(lan);
	assert_null(model_entry(red, "switches", "dmz"));
	port = model_child(lan, "ports");
	assert_string_equal(model_key(port), "a");
	port = model_next(port);
	assert_string_equal(model_key(port), "b");
	assert_null(model_next(port));
	assert_string_equal(model_text(model_child(red, "nics"), "ip"), "10.0.0.1/24");
	configuration_free(configuration);
}

static void
defaults_are_in_the_tree(void **state)
{
	struct configuration *configuration = load("networks:\n"
						   "  red:\n"
						   "    switches: { lan: }\n"
						   "    nics: { web: { switch: lan } }\n");
	const struct lyd_node *red, *lan, *web, *system;

	assert_non_null(configuration);
	red = network(configuration, "red");
	lan = model_entry(red, "switches", "lan");
	assert_int_equal(model_milliseconds(lan, "ageing-time", 0), 300000);
	assert_int_equal(model_number(lan, "mac-limit", 0), 8192);
	assert_int_equal(model_number(model_child(red, "quota"), "macs", 0), 65536);
	web = model_entry(red, "nics", "web");
	assert_string_equal(model_text(web, "port"), "web");
	assert_string_equal(model_text(model_child(web, "attach"), "netns"), "red-web");
	assert_true(model_flag(model_child(web, "attach"), "create", false));
	assert_null(model_text(web, "mtu"));
	system = configuration_child(configuration, "system");
	assert_int_equal(model_bytes(system, "memory", 0), 512u << 20);
	assert_string_equal(model_text(system, "poll"), "sleep");
	configuration_free(configuration);
}

static void
values_are_written_one_way(void **state)
{
	struct configuration *configuration =
		load("networks:\n"
		     "  red:\n"
		     "    switches: { lan: { ports: { a: } } }\n"
		     "    nics:\n"
		     "      web:\n"
		     "        switch: lan\n"
		     "        mac: 02:AB:CD:00:00:01\n"
		     "        ip: [2001:DB8:0:0::1/64, 10.0.0.1/24]\n");
	const struct lyd_node *web, *ip;
	struct weft_prefix prefix;
	uint8_t mac[6];

	assert_non_null(configuration);
	web = model_entry(network(configuration, "red"), "nics", "web");
	assert_string_equal(model_text(web, "mac"), "02:ab:cd:00:00:01");
	assert_int_equal(model_parse_mac(model_text(web, "mac"), mac), 0);
	assert_int_equal(mac[1], 0xab);
	ip = model_child(web, "ip");
	assert_string_equal(model_value(ip), "2001:db8::1/64");
	assert_int_equal(model_parse_prefix(model_value(ip), &prefix), 0);
	assert_int_equal(prefix.family, 6);
	assert_int_equal(prefix.length, 64);
	ip = model_next(ip);
	assert_string_equal(model_value(ip), "10.0.0.1/24");
	assert_null(model_next(ip));
	configuration_free(configuration);
}

static const char *
description(const char *text, struct configuration **configuration)
{
	*configuration = load(text);
	assert_non_null(*configuration);
	return model_text(network(*configuration, "red"), "description");
}

/* What may stand in a block of text, and behind it. */
static void
blocks_of_text_end_where_they_end(void **state)
{
	static const struct {
		const char *yaml, *text;
	} blocks[] = {
		{ "networks:\n  red:\n    description: |\n      a\n      b\n# c\n    switches: "
		  "{}\n",
			"a\nb\n" },
		{ "networks:\n  red:\n    description: |\n      a\n\n  # c\n    switches: {}\n",
			"a\n" },
		{ "networks:\r\n  red:\r\n    description: >-\r\n      a\r\n\r\n      b\r\n  blue: "
		  "{}\r\n",
			"a\nb" },
		{ "networks:\n  red:\n    description: |\n      a\n  \n      b\n  blue:\n",
			"a\n\nb\n" },
		{ "networks:\n  red:\n    description: |2\n        a\n      b\n  blue:\n",
			"  a\nb\n" },
		{ "networks:\n  red:\n    description: | # c\n      a\n", "a\n" },
		{ "networks:\n  red:\n    description:\n      |\n      a\n", "a\n" },
	};
	struct configuration *configuration;

	for (unsigned i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		assert_string_equal(description(blocks[i].yaml, &configuration), blocks[i].text);
		configuration_free(configuration);
	}
}

/* RFC 7951, section 4: with the module's name at the top, and without it below. */
static void
json_names_have_one_form(void **state)
{
	static const char *const wrong[] = {
		"{\"networks\":[]}",
		"{\"other:networks\":[]}",
		"{\"weft:\":[]}",
		"{\"weft:system\":{\"weft:workers\":1}}",
		"{\"weft:networks\":[{\"name\":\"r\",\"weft:quota\":{},\"quota\":{}}]}",
		"{\"weft:networks\":[{\"weft:name\":\"r\"}]}",
	};
	struct diagnostics diagnostics;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_null(configuration_from_json(
			model, "test.json", wrong[i], strlen(wrong[i]), &diagnostics));
		assert_int_not_equal(diagnostics.errors, 0);
		diagnostics_free(&diagnostics);
	}
}

static int
open_model(void **state)
{
	struct weft_error error;

	model = model_open(&error);
	return model != NULL ? 0 : -1;
}

static int
close_model(void **state)
{
	model_close(model);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_with_one_key_are_maps),
		cmocka_unit_test(defaults_are_in_the_tree),
		cmocka_unit_test(values_are_written_one_way),
		cmocka_unit_test(json_names_have_one_form),
		cmocka_unit_test(blocks_of_text_end_where_they_end),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
