/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels: what a right file becomes, what is implied, and that all that is wrong is told. */
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
	"    switches: { lan: {}, dmz: {} }\n"
	"    nics: { web: { switch: lan, vlan: 10, ip: 10.0.0.10/24, mtu: 1350, isolation: 9 } }\n"
	"    routers:\n"
	"      edge: { ports: {\n"
	"        lan: { switch: lan, vlan: 10, ip: 10.0.0.1/24, mtu: 1000 },\n"
	"        wan: { uplink: wire, ip: 192.0.2.2/24, mtu: 1400 },\n"
	"        big: { ip: [198.51.100.1/24, '2001:db8::1/64'], mtu: 9000 } } }\n"
	"    tunnels:\n"
	"      vx: { router: edge, local: 192.0.2.2, vnis: {\n"
	"        5000: { switch: lan, vlan: 10, remotes: [203.0.113.7, 203.0.113.8] },\n"
	"        16777215: { switch: dmz, remotes: 203.0.113.7 } } }\n"
	"      v6: { router: blue/carrier, local: '2001:DB8:0::2', port: 8472, vnis: {\n"
	"        1: { switch: dmz, vlan: 2, remotes: '2001:db8::7' } } }\n"
	"      fixed: { router: edge, local: 192.0.2.2, port: 1, mtu: 1234 }\n"
	"  blue:\n"
	"    routers: { carrier: { tunnels: red/v6, ports: { p: { ip: '2001:db8::2/64' } } } }\n"
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
entry(const struct configuration *configuration, const char *list, const char *name)
{
	const struct lyd_node *node = configuration_child(configuration, "networks"), *found = NULL;

	for (; node != NULL && found == NULL; node = model_next(node))
		found = model_entry(node, list, name);
	assert_non_null(found);
	return found;
}

static void
a_tunnel_is_in_the_tree(void **state)
{
	struct configuration *configuration = load(all);
	const struct lyd_node *vx = entry(configuration, "tunnels", "vx"), *vni;

	(void)state;
	assert_string_equal(model_text(vx, "local"), "192.0.2.2");
	assert_int_equal(model_number(vx, "port", 0), 4789);
	vni = model_entry(vx, "vnis", "5000");
	assert_string_equal(model_text(vni, "switch"), "lan");
	assert_int_equal(model_number(vni, "vlan", 0), 10);
	assert_string_equal(model_value(model_next(model_child(vni, "remotes"))), "203.0.113.8");
	assert_int_equal(model_number(model_entry(vx, "vnis", "16777215"), "vlan", 0), 1);
	assert_string_equal(
		model_text(entry(configuration, "tunnels", "v6"), "local"), "2001:db8::2");
	assert_int_equal(model_number(entry(configuration, "nics", "web"), "isolation", 0), 9);
	configuration_free(configuration);
}

static void
names_and_the_mtu_are_implied(void **state)
{
	struct configuration *configuration = load(all);
	const struct lyd_node *vx = entry(configuration, "tunnels", "vx");
	const struct lyd_node *v6 = entry(configuration, "tunnels", "v6");
	const struct lyd_node *edge = entry(configuration, "routers", "edge");
	const struct lyd_node *carrier = entry(configuration, "routers", "carrier");
	char network[MODEL_NAME_SIZE], name[MODEL_REMOTE_SIZE];

	(void)state;
	assert_true(model_tunnel_router(vx, network, name));
	assert_string_equal(network, "red");
	assert_string_equal(name, "edge");
	assert_true(model_service_name(vx, name));
	assert_string_equal(name, "vx");
	assert_true(model_tunnel_router(v6, network, name));
	assert_string_equal(network, "blue");
	assert_string_equal(name, "carrier");
	assert_true(model_service_name(v6, name));
	assert_string_equal(name, "red.v6");
	assert_string_equal(model_remote_name(model_entry(v6, "vnis", "1"), "2001:db8::7", name),
		"1.2001-db8--7");
	/* the least of its family that is not inside: 1400 - 50; 1500 - 70; as it says */
	assert_int_equal(model_tunnel_mtu(vx, edge), 1350);
	assert_int_equal(model_tunnel_mtu(v6, carrier), 1430);
	assert_int_equal(model_tunnel_mtu(v6, edge), 8930);
	assert_int_equal(model_tunnel_mtu(entry(configuration, "tunnels", "fixed"), edge), 1234);
	assert_int_equal(model_tunnel_mtu(vx, NULL), 1450);
	configuration_free(configuration);
}

static void
it_is_written_as_it_was_read(void **state)
{
	struct configuration *configuration = load(all), *copy;
	char *yaml = configuration_to_yaml(configuration);
	char *json = configuration_to_json(configuration), *again;

	(void)state;
	copy = load(yaml);
	again = configuration_to_json(copy);
	assert_string_equal(json, again);
	free(again);
	free(json);
	free(yaml);
	configuration_free(copy);
	configuration_free(configuration);
}

/* ---- what is wrong ------------------------------------------------------------------------- */

/* A file with one more line in red, which is wrong in the given way. */
static void
check_wrong(const char *line, unsigned count, const char *message)
{
	static const char before[] =
		"networks:\n"
		"  red:\n"
		"    switches: { lan: { ports: { a.1.1.1.1.1: {} } }, dmz: {} }\n"
		"    routers:\n"
		"      edge: { ports: { wan: { ip: 192.0.2.2/24 }, taken: {} } }\n"
		"    tunnels:\n";
	static const char after[] =
		"  blue:\n"
		"    tunnels: { elsewhere: { router: edge, local: 192.0.2.3 } }\n"
		"    routers:\n"
		"      edge: {}\n"
		"      named: { tunnels: red/vx }\n";
	struct diagnostics diagnostics;
	struct configuration *configuration;
	char text[4096];

	snprintf(text, sizeof(text), "%s      %s\n%s", before, line, after);
	configuration = configuration_from_yaml(model, "test", text, strlen(text), &diagnostics);
	configuration_free(configuration);
	if (diagnostics.count != count || strstr(diagnostics.list[0].message, message) == NULL) {
		print_error("of: %s\n", line);
		diagnostics_print(&diagnostics, stderr, false);
	}
	assert_int_equal(diagnostics.count, count);
	assert_non_null(strstr(diagnostics.list[0].message, message));
	assert_int_equal(diagnostics.list[0].line,
		strstr(message, "names no") != NULL || strstr(message, "another router") != NULL
			? 12
			: 7);
	diagnostics_free(&diagnostics);
}

#define NAMED "router: blue/named, local: 192.0.2.2"
/* what else is wrong of a file where red/vx is not carried by blue/named */
#define AND_NAMED 2

static void
each_mistake_is_told(void **state)
{
	(void)state;
	check_wrong("vx: { " NAMED ", vnis: { 1: { switch: lam, remotes: 192.0.2.9 } } }", 1,
		"there is no switch 'lam' in network 'red'");
	check_wrong("vx: { " NAMED ", vnis: { 1: { remotes: 192.0.2.9 } } }", 1,
		"VNI 1 leads to no switch");
	check_wrong("vx: { " NAMED ", vnis: { 0: { switch: lan } } }", 1, "vni");
	check_wrong("vx: { " NAMED ", vnis: { 1: { switch: lan } } }", 1, "VNI 1 has no remotes");
	check_wrong("vx: { " NAMED ", vnis: { 1: { switch: lan, remotes: '2001:db8::1' } } }", 1,
		"is not IPv4");
	check_wrong("vx: { " NAMED ", vnis: { 1: { switch: lan, remotes: 192.0.2.2 } } }", 1,
		"is the tunnel's own address");
	check_wrong("vx: { " NAMED ", vnis: { 1: { switch: lan, remotes: 224.0.0.1 } } }", 1,
		"is a multicast or reserved address");
	check_wrong("vx: { router: blue/named }", 1, "tunnel 'vx' has no address");
	check_wrong("vx: { router: blue/named, local: 'fe80::1' }", 1, "is a link-local address");
	check_wrong("{ vx: { " NAMED " }, x: { router: edge, local: 192.0.2.3 } }", 1,
		"in the network of port 'wan', which does not have it");
	check_wrong("vx: { router: blue/named, local: '::ffff:192.0.2.2' }", 1,
		"is an IPv4 address within IPv6");
	check_wrong("vx: { local: 192.0.2.2 }", AND_NAMED, "has no router to carry it");
	check_wrong("vx: { router: edgy, local: 192.0.2.2 }", AND_NAMED,
		"there is no router 'edgy' in network 'red'");
	check_wrong("vx: { router: red/edge, local: 192.0.2.2 }", AND_NAMED, "is named without it");
	check_wrong("vx: { router: green/edge, local: 192.0.2.2 }", AND_NAMED,
		"there is no network 'green'");
	check_wrong("vx: { router: blue/edge, local: 192.0.2.2 }", AND_NAMED,
		"router blue/edge does not name this tunnel");
	check_wrong("edge: { router: edge, local: 192.0.2.2 }", AND_NAMED,
		"has the name of router 'edge'");
	/* two of one address and port; two names that are one */
	check_wrong("{ vx: { " NAMED " }, x: { router: edge, local: 192.0.2.2 }, "
		    "y: { router: edge, local: 192.0.2.2 } }",
		1, "are used already by tunnel 'x'");
	check_wrong("{ vx: { " NAMED " }, taken: { router: edge, local: 192.0.2.2 } }", 1,
		"would be 'taken', as is port 'taken' of router 'edge'");
	check_wrong("{ vx: { " NAMED " }, a: { router: edge, local: 192.0.2.2, vnis: "
		    "{ 1: { switch: lan, remotes: 1.1.1.1 } } } }",
		1,
		"the port that is made on switch 'lan' would be 'a.1.1.1.1.1', as is that of port "
		"'a.1.1.1.1.1'");
}

static void
the_example_loads(void **state)
{
	FILE *file = fopen(EXAMPLES "/vxlan.yaml", "r");
	char text[8192];

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	assert_true(feof(file));
	fclose(file);
	configuration_free(load(text));
}

/* ---- doubts ---------------------------------------------------------------------------------- */

static void
longer_frames_than_it_carries_are_doubted(void **state)
{
	static const char text[] = "networks:\n"
				   "  red:\n"
				   "    switches: { lan: { ports: { p: { vlan: 10 } } } }\n"
				   "    nics:\n"
				   "      in:   { switch: lan, vlan: 10, mtu: 1450 }\n"
				   "      web:  { switch: lan, vlan: 10 }\n"
				   "      on:   { switch: lan, port: p }\n"
				   "      else: { switch: lan }\n"
				   "    routers: { edge: { ports: {\n"
				   "      lan: { switch: lan, vlan: 10, ip: 10.0.0.1/24 },\n"
				   "      wan: { ip: 192.0.2.2/24 } } } }\n"
				   "    tunnels: { vx: { router: edge, local: 192.0.2.2, vnis: {\n"
				   "      1: { switch: lan, vlan: 10, remotes: 192.0.2.9 } } } }\n";
	static const unsigned lines[] = { 6, 7, 10 };
	struct configuration *configuration;
	struct diagnostics diagnostics;

	(void)state;
	configuration = configuration_from_yaml(model, "test", text, strlen(text), &diagnostics);
	assert_non_null(configuration);
	configuration_free(configuration);
	if (diagnostics.count != 3)
		diagnostics_print(&diagnostics, stderr, false);
	assert_int_equal(diagnostics.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(diagnostics.list[i].line, lines[i]);
		assert_non_null(strstr(diagnostics.list[i].message,
			"its mtu 1500 is more than the 1450 that tunnel 'vx' carries"));
		assert_string_equal(diagnostics.list[i].hint, "set mtu: 1450");
	}
	diagnostics_free(&diagnostics);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void
a_plan_tells_of_tunnels(void **state)
{
	static const char *const wanted[] = {
		"delete tunnel fixed",
		"update tunnel v6",
		"create vni vx:6000",
		"update vni vx:5000",
		"delete vni vx:16777215",
	};
	struct configuration *before = load(all), *after;
	struct plan *plan;
	char *text = strdup(all), *at;
	unsigned found = 0;

	(void)state;
	at = strstr(text, "        16777215:");
	memcpy(at, "        6000    :", 17);
	at = strstr(text, "203.0.113.8");
	memcpy(at, "203.0.113.9", 11);
	at = strstr(text, "port: 8472");
	memcpy(at, "port: 8473", 10);
	at = strstr(text, "      fixed");
	memset(at, ' ', strcspn(at, "\n"));
	after = load(text);
	plan = plan_make(before, after);
	for (unsigned i = 0; i < plan->count; i++) {
		const struct plan_item *item = &plan->items[i];
		char line[128];

		snprintf(line, sizeof(line), "%s %s %s", plan_operation_name(item->operation),
			item->kind, item->name);
		for (unsigned j = 0; j < sizeof(wanted) / sizeof(*wanted); j++)
			found += strcmp(line, wanted[j]) == 0;
		if (strcmp(item->name, "v6") == 0 || strcmp(item->name, "vx:5000") == 0)
			assert_int_equal(item->impact, PLAN_TRAFFIC_LOSS);
		if (strcmp(item->name, "v6") == 0)
			assert_non_null(strstr(item->collateral, "vni red/v6:1"));
	}
	assert_int_equal(plan->count, 5);
	assert_int_equal(found, 5);
	plan_free(plan);
	/* a router takes with it what it carries */
	at = strstr(text, "tunnels: red/v6,");
	assert_non_null(at);
	plan = plan_make(before, configuration_empty(model));
	for (unsigned i = 0; i < plan->count; i++)
		if (strcmp(plan->items[i].name, "carrier") == 0)
			assert_string_equal(plan->items[i].collateral, "tunnel red/v6");
	configuration_free((struct configuration *)(uintptr_t)plan->after);
	plan_free(plan);
	configuration_free(after);
	configuration_free(before);
	free(text);
}

static int
open_model(void **state)
{
	struct weft_error error;

	(void)state;
	model = model_open(&error);
	return model != NULL ? 0 : -1;
}

static int
close_model(void **state)
{
	(void)state;
	model_close(model);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_is_in_the_tree),
		cmocka_unit_test(names_and_the_mtu_are_implied),
		cmocka_unit_test(it_is_written_as_it_was_read),
		cmocka_unit_test(each_mistake_is_told),
		cmocka_unit_test(longer_frames_than_it_carries_are_doubted),
		cmocka_unit_test(a_plan_tells_of_tunnels),
		cmocka_unit_test(the_example_loads),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
