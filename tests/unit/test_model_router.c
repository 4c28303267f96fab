/* SPDX-License-Identifier: BSD-3-Clause */
/* Routers: what a right file becomes, and that all that is wrong is told at once. */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libyang/libyang.h>

static struct model *model;

static const char all[] =
	"networks:\n"
	"  red:\n"
	"    quota: { neighbors: 4096 }\n"
	"    switches: { lan: {}, lan2: {} }\n"
	"    nics: { web: { switch: lan, vlan: 10, ip: 10.0.0.10/24, gateway: 10.0.0.1 } }\n"
	"    routers:\n"
	"      edge: { ports: { core: { ip: 172.16.0.1/31 } } }\n"
	"      r1:\n"
	"        icmp-rate: 500\n"
	"        ports:\n"
	"          lan:  { switch: lan, vlan: 10, ip: [10.0.0.1/24, 2001:db8::1/64, 10.0.0.2/24,\n"
	"                  10.0.0.3/32, 'fe80::1/64'] }\n"
	"          core: { ip: 172.16.0.0/31 }\n"
	"          wan:  { uplink: wire, vlan: 101, ip: 192.0.2.2/30, mtu: 1400, urpf: strict,\n"
	"                  mac: 02:00:00:00:00:01, redirects: false, unreachables: false,\n"
	"                  proxy-arp: true, clamp-mss: auto }\n"
	"          up:   { peer: \"blue/r9:down\", ip: 10.255.0.0/31 }\n"
	"          v6:   { switch: lan2, ip: 'fe80::1/64' }\n"
	"          lo:   { ip: [10.0.0.99/32, '2001:db8::99/128'] }\n"
	"        routes:\n"
	"          0.0.0.0/0:   { via: 192.0.2.1 }\n"
	"          10.9.0.0/16: { via: [10.0.0.7, 10.0.0.8, 198.51.100.1, wan], backup: "
	"[172.16.0.1],\n"
	"                         preference: 5, metric: 10 }\n"
	"          10.8.0.0/16: { type: blackhole }\n"
	"          2001:DB8:9:0::/48: { via: \"FE80:0::7@lan\" }\n"
	"          ::/0: { via: [fe80::8@v6, 2001:db8::9] }\n"
	"    links:\n"
	"      - { ends: [r1:core, edge:core] }\n"
	"  blue:\n"
	"    switches: { lan: { ports: { up: { vlan: 3 } } } }\n"
	"    routers:\n"
	"      r9: { ports: { down: { peer: red/r1:up, ip: 10.255.0.1/31 }, lan: { ip: 10.0.0.1/24 "
	"} } }\n"
	"    links:\n"
	"      - { ends: [r9:lan, lan:up] }\n"
	"uplinks:\n"
	"  wire: { attach: { interface: eth1 } }\n";

static struct configuration *
load(const char *text)
{
	struct diagnostics diagnostics;
	struct configuration *configuration;

	configuration =
		configuration_from_yaml(model, "test.yaml", text, strlen(text), &diagnostics);
	diagnostics_print(&diagnostics, stderr, false);
	assert_int_equal(diagnostics.count, 0);
	assert_non_null(configuration);
	diagnostics_free(&diagnostics);
	return configuration;
}

static const struct lyd_node *
router(const struct configuration *configuration, const char *name)
{
	const struct lyd_node *node = configuration_child(configuration, "networks");

	node = model_entry(node, "routers", name);
	assert_non_null(node);
	return node;
}

static void
a_router_is_in_the_tree(void **state)
{
	struct configuration *configuration = load(all);
	const struct lyd_node *r1 = router(configuration, "r1"), *port;

	assert_int_equal(model_number(model_child(lyd_parent(r1), "quota"), "neighbors", 0), 4096);
	assert_int_equal(model_number(r1, "icmp-rate", 0), 500);
	assert_int_equal(model_number(router(configuration, "edge"), "icmp-rate", 0), 1000);
	port = model_entry(r1, "ports", "lan");
	assert_string_equal(model_text(port, "switch"), "lan");
	assert_string_equal(model_text(port, "vlan"), "10");
	assert_string_equal(model_value(model_next(model_child(port, "ip"))), "2001:db8::1/64");
	assert_null(model_text(port, "mtu"));
	assert_null(model_text(port, "clamp-mss"));
	assert_string_equal(model_text(port, "urpf"), "off");
	assert_true(model_flag(port, "redirects", false));
	assert_true(model_flag(port, "unreachables", false));
	assert_false(model_flag(port, "proxy-arp", true));
	assert_false(model_flag(port, "ipv6", true));
	port = model_entry(r1, "ports", "wan");
	assert_false(model_flag(port, "redirects", true));
	assert_string_equal(model_text(port, "clamp-mss"), "auto");
	assert_string_equal(model_text(model_entry(r1, "ports", "up"), "peer"), "blue/r9:down");
	configuration_free(configuration);
}

static void
routes_are_in_the_tree(void **state)
{
	struct configuration *configuration = load(all);
	const struct lyd_node *r1 = router(configuration, "r1"), *route, *via;

	route = model_entry(r1, "routes", "10.9.0.0/16");
	via = model_child(route, "via");
	assert_string_equal(model_value(via), "10.0.0.7");
	assert_string_equal(model_value(model_next(via)), "10.0.0.8");
	assert_string_equal(model_text(route, "backup"), "172.16.0.1");
	assert_int_equal(model_number(route, "preference", 0), 5);
	assert_int_equal(model_number(route, "metric", 0), 10);
	assert_string_equal(model_text(route, "type"), "forward");
	route = model_entry(r1, "routes", "0.0.0.0/0");
	assert_int_equal(model_number(route, "preference", 0), 1);
	assert_int_equal(model_number(route, "metric", 9), 0);
	route = model_entry(r1, "routes", "2001:db8:9::/48");
	assert_string_equal(model_text(route, "via"), "fe80::7@lan");
	assert_string_equal(
		model_text(model_entry(r1, "routes", "10.8.0.0/16"), "type"), "blackhole");
	configuration_free(configuration);
}

static void
it_comes_back_as_yaml_and_json(void **state)
{
	struct configuration *configuration = load(all), *copy;
	char *yaml = configuration_to_yaml(configuration);
	char *json = configuration_to_json(configuration), *again;
	struct diagnostics diagnostics;

	copy = load(yaml);
	again = configuration_to_json(copy);
	assert_string_equal(json, again);
	free(again);
	configuration_free(copy);
	copy = configuration_from_json(model, "test", json, strlen(json), &diagnostics);
	assert_non_null(copy);
	diagnostics_free(&diagnostics);
	again = configuration_to_yaml(copy);
	assert_string_equal(yaml, again);
	free(again);
	configuration_free(copy);
	free(json);
	free(yaml);
	configuration_free(configuration);
}

static void
json_takes_only_prefixes_without_host_bits(void **state)
{
	static const char text[] =
		"{\"weft:networks\":[{\"name\":\"r\",\"routers\":[{\"name\":\"a\",\"routes\":["
		"{\"to\":\"10.0.0.1/8\",\"type\":\"blackhole\"}]}]}]}";
	struct diagnostics diagnostics;

	assert_null(configuration_from_json(model, "test", text, strlen(text), &diagnostics));
	assert_int_equal(diagnostics.count, 1);
	assert_non_null(strstr(diagnostics.list->hint, "10.0.0.0/8"));
	diagnostics_free(&diagnostics);
}

/* Each line from the fifth on is wrong in one way. */
static void
all_that_is_wrong_is_told_at_once(void **state)
{
	static const char text[] = "networks:\n"
				   "  red:\n"
				   "    routers:\n"
				   "      r1: { ports: {\n"
				   "        a: { switch: lan },\n"
				   "        b: { uplink: wire },\n"
				   "        c: { peer: blue/r:p },\n"
				   "        d: { vlan: 3 },\n"
				   "        e: { ip: 10.0.0.1/24 },\n"
				   "        f: { ip: 10.0.0.2/25 } },\n"
				   "        routes: {\n"
				   "        10.1.0.0/16: { via: g },\n"
				   "        10.2.0.0/16: { via: 10.0.0.1 },\n"
				   "        10.3.0.0/16: { via: 10.4.0.1 } } }\n";
	static const unsigned lines[] = { 5, 6, 7, 8, 10, 12, 13, 14 };
	struct diagnostics diagnostics;

	assert_null(configuration_from_yaml(model, "test", text, strlen(text), &diagnostics));
	if (diagnostics.count != 8)
		diagnostics_print(&diagnostics, stderr, false);
	assert_int_equal(diagnostics.count, 8);
	assert_int_equal(diagnostics.errors, 7);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(diagnostics.list[i].line, lines[i]);
	diagnostics_free(&diagnostics);
}

/* ECMP has 64 ways; the 65th is told, and no further one. */
static void
a_route_has_so_many_ways(void **state)
{
	for (unsigned ways = 64; ways <= 66; ways++) {
		struct diagnostics diagnostics;
		char text[4096];
		size_t used;

		used = (size_t)snprintf(text, sizeof(text),
			"networks:\n  r:\n    routers:\n      a:\n        ports: { p: { ip: "
			"10.0.0.1/24 } }\n"
			"        routes: { 10.9.0.0/16: { via: [10.0.0.2");
		for (unsigned i = 1; i < ways; i++)
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, ", 10.0.0.%u", i + 2);
		snprintf(text + used, sizeof(text) - used, "] } }\n");
		configuration_free(
			configuration_from_yaml(model, "test", text, strlen(text), &diagnostics));
		assert_int_equal(diagnostics.count, ways > 64);
		if (ways > 64)
			assert_string_equal(
				diagnostics.list->message, "via: a route has at most 64");
		diagnostics_free(&diagnostics);
	}
}

static void
the_example_loads(void **state)
{
	FILE *file = fopen(EXAMPLES "/routers.yaml", "r");
	char text[8192];

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	assert_true(feof(file));
	fclose(file);
	configuration_free(load(text));
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
		cmocka_unit_test(a_router_is_in_the_tree),
		cmocka_unit_test(routes_are_in_the_tree),
		cmocka_unit_test(it_comes_back_as_yaml_and_json),
		cmocka_unit_test(json_takes_only_prefixes_without_host_bits),
		cmocka_unit_test(all_that_is_wrong_is_told_at_once),
		cmocka_unit_test(a_route_has_so_many_ways),
		cmocka_unit_test(the_example_loads),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
