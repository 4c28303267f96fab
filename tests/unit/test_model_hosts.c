/* SPDX-License-Identifier: BSD-3-Clause */
/* What routers' ports do for hosts, in the model: DHCP, relays, router advertisements. */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libyang/libyang.h>

static struct model *model;

#define HEAD "networks:\n  r:\n    routers:\n      a:\n        ports:\n"

static const char all[] = HEAD
	"          plain: { ip: [10.0.0.1/24, 2001:db8::1/64], dhcp: {}, advertise: {} }\n"
	"          full:\n"
	"            ip: [10.1.0.1/24, 2001:db8:1::1/64]\n"
	"            dhcp:\n"
	"              pools: [10.1.0.100-10.1.0.199, 10.1.0.77]\n"
	"              lease-time: 2d\n"
	"              gateway: 10.1.0.254\n"
	"              dns: [10.0.0.53, 10.0.0.54]\n"
	"              domain: red.example\n"
	"              search: [red.example, example]\n"
	"              ntp: 10.0.0.1\n"
	"              boot-file: \"a b: c.0\"\n"
	"              next-server: 10.0.0.5\n"
	"              options: { 43: \"01:02:ff\", 66: \"0a\" }\n"
	"              reservations:\n"
	"                02:00:00:00:00:0A: { ip: 10.1.0.50, hostname: printer }\n"
	"                02:00:00:00:00:0b: { ip: 10.1.0.100 }\n"
	"            advertise:\n"
	"              prefixes: { 2001:db8:1::/64: { valid: 30d, preferred: 7d },\n"
	"                          2001:db8:2::/60: { autonomous: false, on-link: false } }\n"
	"              interval: 60s\n"
	"              lifetime: 0s\n"
	"              managed: true\n"
	"              other: true\n"
	"              preference: low\n"
	"              mtu: 1400\n"
	"              dns: 2001:db8::53\n"
	"              search: red.example\n"
	"          away: { ip: 10.2.0.1/24, dhcp: { network: 10.9.0.0/24, gateway: 10.9.0.1,\n"
	"                                           pools: 10.9.0.5-10.9.0.9 } }\n"
	"          relay: { ip: 10.3.0.1/24, dhcp-relay: { servers: [192.0.2.10, 192.0.2.11] } }\n";

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
port_of(const struct configuration *configuration, const char *name)
{
	const struct lyd_node *node = configuration_child(configuration, "networks");

	node = model_entry(node, "routers", "a");
	node = model_entry(node, "ports", name);
	assert_non_null(node);
	return node;
}

static void
it_is_in_the_tree(void **state)
{
	struct configuration *configuration = load(all);
	const struct lyd_node *dhcp = model_child(port_of(configuration, "full"), "dhcp"), *entry;
	const struct lyd_node *advertise =
		model_child(port_of(configuration, "plain"), "advertise");
	struct weft_prefix range[2];
	uint8_t bytes[8];

	assert_int_equal(model_milliseconds(dhcp, "lease-time", 0), 172800000);
	assert_int_equal(model_parse_range(model_text(dhcp, "pools"), range), 0);
	assert_int_equal(range[0].address[3], 100);
	assert_int_equal(range[1].address[3], 199);
	entry = model_entry(dhcp, "options", "43");
	assert_int_equal(model_parse_octets(model_text(entry, "value"), bytes, sizeof(bytes)), 3);
	assert_memory_equal(bytes, "\x01\x02\xff", 3);
	assert_int_equal(model_parse_octets(model_text(entry, "value"), bytes, 2), -1);
	entry = model_entry(dhcp, "reservations", "02:00:00:00:00:0a");
	assert_string_equal(model_text(entry, "hostname"), "printer");
	/* what is there for its presence alone has its defaults */
	assert_int_equal(model_milliseconds(advertise, "interval", 0), 600000);
	assert_null(model_text(advertise, "lifetime"));
	dhcp = model_child(port_of(configuration, "plain"), "dhcp");
	assert_int_equal(model_milliseconds(dhcp, "lease-time", 0), 43200000);
	assert_null(model_child(port_of(configuration, "plain"), "dhcp-relay"));
	configuration_free(configuration);
}

static void
it_comes_back_as_yaml_and_json(void **state)
{
	struct configuration *configuration = load(all), *copy;
	char *yaml = configuration_to_yaml(configuration);
	char *json = configuration_to_json(configuration), *again;
	struct diagnostics diagnostics;

	assert_non_null(strstr(yaml, "dhcp: {}"));
	assert_non_null(strstr(yaml, "43: 01:02:ff"));
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

/* ---- what is wrong ----------------------------------------------------------------------------
 */

#define FOUR "ip: 10.0.0.1/24"
#define SIX "ip: 2001:db8::1/64"

/* A port p, and what is told of it; NULL: nothing. */
static const struct {
	const char *port, *message;
} cases[] = {
	{ FOUR ", dhcp: { pools: [10.0.0.5-10.0.0.9, 10.0.0.10] }", NULL },
	{ "dhcp: {}", "needs an IPv4 address" },
	{ SIX ", dhcp: {}", "needs an IPv4 address" },
	{ SIX ", dhcp-relay: { servers: 192.0.2.1 }", "needs an IPv4 address" },
	{ "ip: 10.0.0.1/32, dhcp: {}", "cannot serve the network" },
	{ FOUR ", dhcp: { network: 2001:db8::/64 }", "cannot serve the network" },
	{ FOUR ", dhcp: { pools: 10.0.1.5-10.0.1.9 }", "outside of the network" },
	{ FOUR ", dhcp: { pools: 10.0.0.5-10.0.1.9 }", "outside of the network" },
	{ FOUR ", dhcp: { pools: 10.0.0.9-10.0.0.5 }", "expected IPv4 addresses" },
	{ FOUR ", dhcp: { pools: 10.0.0.0/24 }", "expected IPv4 addresses" },
	{ FOUR ", dhcp: { pools: '2001:db8::1-2001:db8::2' }", "expected IPv4 addresses" },
	{ FOUR ", dhcp: { pools: [10.0.0.5-10.0.0.9, 10.0.0.9] }", "overlaps" },
	{ FOUR ", dhcp: { pools: 10.0.0.0-10.0.0.9 }", "address of the network" },
	{ FOUR ", dhcp: { pools: 10.0.0.9-10.0.0.255 }", "broadcast address" },
	{ FOUR ", dhcp: { lease-time: 59s }", "from 60s" },
	{ FOUR ", dhcp: { lease-time: forever }", "expected a duration" },
	{ FOUR ", dhcp: { gateway: 10.0.1.1 }", "outside of the network" },
	{ FOUR ", dhcp: { dns: 2001:db8::1 }", "of IPv6" },
	{ FOUR ", dhcp: { domain: 'a..b' }", "expected a domain name" },
	{ FOUR ", dhcp: { options: { 82: '00' } }", "protocol's own" },
	{ FOUR ", dhcp: { options: { 0: '00' } }", "from 1 to 254" },
	{ FOUR ", dhcp: { options: { 43: '0' } }", "bytes in hexadecimal" },
	{ FOUR ", dhcp: { options: { 43: {} } }", "needs its value" },
	{ FOUR ", dhcp: { reservations: { 02:00:00:00:00:0a: {} } }", "needs its address" },
	{ FOUR ", dhcp: { reservations: { 01:00:00:00:00:0a: { ip: 10.0.0.9 } } }",
		"group address" },
	{ FOUR ", dhcp: { reservations: { 02:00:00:00:00:0a: { ip: 10.0.1.9 } } }", "outside" },
	{ FOUR ", dhcp: { reservations: { 02:00:00:00:00:0a: { ip: 10.0.0.1 } } }",
		"router's own" },
	{ FOUR ", dhcp: { reservations: { 02:00:00:00:00:0a: { ip: 10.0.0.9 }, "
	       "02:00:00:00:00:0b: { ip: 10.0.0.9 } } }",
		"reserved already" },
	{ FOUR ", dhcp: {}, dhcp-relay: { servers: 192.0.2.1 }", "not both" },
	{ FOUR ", dhcp-relay: {}", "needs a server" },
	{ FOUR ", dhcp-relay: { servers: 2001:db8::1 }", "of IPv6" },
	{ FOUR ", dhcp-relay: { servers: 10.0.0.1 }", "the router itself" },
	{ FOUR ", dhcp-relay: { servers: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, "
	       "192.0.2.6, 192.0.2.7, 192.0.2.8, 192.0.2.9] }",
		"at most 8" },
	{ SIX ", advertise: {}", NULL },
	{ FOUR ", advertise: {}", "needs IPv6" },
	{ "ip: 2001:db8::1/60, advertise: {}", "make no addresses" },
	{ "ipv6: true, advertise: {}", "make no addresses" },
	{ SIX ", advertise: { prefixes: { 2001:db8::/60: {} } }", "64 bits only" },
	{ SIX ", advertise: { prefixes: { 10.0.0.0/8: {} } }", "of IPv4" },
	{ SIX ", advertise: { prefixes: { 'fe80::/64': {} } }", "link-local" },
	{ SIX ", advertise: { prefixes: { 2001:db8::/64: { valid: 6d } } }", "preferred (7d)" },
	{ SIX ", advertise: { interval: 3s }", "from 4s" },
	{ SIX ", advertise: { lifetime: 9001s }", "up to 9000s" },
	{ SIX ", advertise: { lifetime: 599s }", "forgotten" },
	{ SIX ", advertise: { lifetime: 0s }", NULL },
	{ SIX ", advertise: { mtu: 1501 }", "too small" },
	{ SIX ", advertise: { mtu: 1279 }", "from 1280" },
	{ SIX ", advertise: { dns: 10.0.0.1 }", "of IPv4" },
	{ SIX ", advertise: { search: [a, b, c, d, e, f, g, h, i] }", "at most 8" },
};

static void
each_mistake_is_told(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct diagnostics diagnostics;
		char text[1024];

		snprintf(text, sizeof(text), HEAD "          p: { %s }\n", cases[i].port);
		configuration_free(
			configuration_from_yaml(model, "test", text, strlen(text), &diagnostics));
		if (diagnostics.count != (cases[i].message != NULL) ||
			(cases[i].message != NULL &&
				(strstr(diagnostics.list->message, cases[i].message) == NULL ||
					diagnostics.list->line != 6))) {
			diagnostics_print(&diagnostics, stderr, false);
			fail_msg("%s: not as expected: %s", cases[i].port,
				cases[i].message != NULL ? cases[i].message : "right");
		}
		diagnostics_free(&diagnostics);
	}
}

/* ---- differences ------------------------------------------------------------------------------
 */

/* The leaves that differ, joined. */
static void
plan_has(const char *before, const char *after, const char *wanted, enum plan_impact impact)
{
	struct configuration *old, *new;
	char text[1024], leaves[1024] = "";
	struct plan *plan;

	snprintf(text, sizeof(text), HEAD "          p: { %s }\n", before);
	old = load(text);
	snprintf(text, sizeof(text), HEAD "          p: { %s }\n", after);
	new = load(text);
	plan = plan_make(old, new);
	assert_non_null(plan);
	assert_int_equal(plan->count, *wanted != '\0');
	for (unsigned i = 0; plan->count > 0 && i < plan->items[0].n_leaves; i++) {
		const struct plan_leaf *leaf = &plan->items[0].leaves[i];
		size_t used = strlen(leaves);

		snprintf(leaves + used, sizeof(leaves) - used, "%s%s=%s>%s", used > 0 ? " " : "",
			leaf->name, leaf->before != NULL ? leaf->before : "",
			leaf->after != NULL ? leaf->after : "");
	}
	assert_string_equal(leaves, wanted);
	if (plan->count > 0)
		assert_int_equal(plan->items[0].impact, impact);
	plan_free(plan);
	configuration_free(old);
	configuration_free(new);
}

static void
plan_is(const char *before, const char *after, const char *wanted)
{
	plan_has(before, after, wanted, PLAN_HITLESS);
}

static void
differences_are_seen(void **state)
{
	plan_is(FOUR, FOUR ", dhcp: {}", "dhcp/lease-time=>12h");
	plan_is(FOUR ", dhcp: {}", FOUR, "dhcp/lease-time=12h>");
	plan_is(FOUR ", dhcp: {}", FOUR ", dhcp: { lease-time: 720m }", "");
	plan_is(FOUR ", dhcp: { options: { 43: '01' } }", FOUR ", dhcp: { options: { 43: '02' } }",
		"dhcp/options/43/value=01>02");
	plan_is(FOUR ", dhcp: { reservations: { 02:00:00:00:00:0a: { ip: 10.0.0.5 } } }",
		FOUR ", dhcp: { reservations: { 02:00:00:00:00:0b: { ip: 10.0.0.5 } } }",
		"dhcp/reservations/02:00:00:00:00:0b/ip=>10.0.0.5 "
		"dhcp/reservations/02:00:00:00:00:0a/ip=10.0.0.5>");
	plan_is(SIX ", advertise: { prefixes: { 2001:db8::/64: {} } }",
		SIX ", advertise: { prefixes: { 2001:db8::/64: { autonomous: false } } }",
		"advertise/prefixes/2001:db8::/64/autonomous=true>false");
	/* hosts have no gateway then */
	plan_has(SIX ", advertise: { lifetime: 1h }", SIX ", advertise: { lifetime: 0s }",
		"advertise/lifetime=1h>0s", PLAN_TRAFFIC_LOSS);
	plan_has(SIX ", advertise: {}", SIX,
		"advertise/interval=600s> advertise/managed=false> advertise/other=false> "
		"advertise/preference=medium>",
		PLAN_TRAFFIC_LOSS);
}

static void
the_example_loads(void **state)
{
	FILE *file = fopen(EXAMPLES "/hosts.yaml", "r");
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
		cmocka_unit_test(it_is_in_the_tree),
		cmocka_unit_test(it_comes_back_as_yaml_and_json),
		cmocka_unit_test(each_mistake_is_told),
		cmocka_unit_test(differences_are_seen),
		cmocka_unit_test(the_example_loads),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
