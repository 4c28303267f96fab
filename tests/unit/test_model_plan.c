/* SPDX-License-Identifier: BSD-3-Clause */
/* What a change of routers is: which objects differ, in which order, what traffic feels, who else.
 */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct model *model;

#define BLUE \
	"  blue:\n" \
	"    routers: { r9: { ports: { down: { peer: red/r1:up, ip: 10.255.0.1/31 } } } }\n"
#define UPLINK "uplinks:\n  wire: { attach: { interface: eth1 } }\n"

/* Network red with lan and r1; `port` and `routes` go on in r1's ports, and behind them. */
#define RED(port, routes) \
	"networks:\n" \
	"  red:\n" \
	"    switches: { lan: {}, dmz: {} }\n" \
	"    routers:\n" \
	"      r1:\n" \
	"        ports:\n" \
	"          lan: { switch: lan, ip: 10.0.0.1/24 }\n" \
	"          core: { ip: 172.16.0.0/31 }\n" port routes
#define UP "          up: { peer: blue/r9:down, ip: 10.255.0.0/31 }\n"
#define LINK "    links: [ { ends: [r1:core, r2:core] } ]\n"
#define R2 "      r2: { ports: { core: { ip: 172.16.0.1/31 } } }\n"

static struct configuration *
load(const char *text)
{
	struct diagnostics diagnostics;
	struct configuration *configuration =
		configuration_from_yaml(model, "test.yaml", text, strlen(text), &diagnostics);

	diagnostics_print(&diagnostics, stderr, false);
	diagnostics_free(&diagnostics);
	assert_non_null(configuration);
	return configuration;
}

/* An item in words: "~ port red/r1:lan ip, mtu (traffic-loss) also port blue/r9:down" */
static void
describe(const struct plan_item *item, char *text, size_t size)
{
	static const char marks[] = { '+', '~', '-' };
	size_t used = (size_t)snprintf(text, size, "%c %s %s%s%s", marks[item->operation],
		item->kind, item->network != NULL ? item->network : "",
		item->network != NULL ? "/" : "", item->name);

	for (unsigned i = 0; item->operation == PLAN_UPDATE && i < item->n_leaves; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s %s", i > 0 ? "," : "", item->leaves[i].name);
	used += (size_t)snprintf(text + used, size - used, " (%s)", plan_impact_name(item->impact));
	if (item->collateral != NULL)
		snprintf(text + used, size - used, " also %s", item->collateral);
}

/* `wanted`: the items in their order, NULL at the end. */
static void
assert_plan(const char *before, const char *after, const char *const *wanted)
{
	struct configuration *old = load(before), *new = load(after);
	struct plan *plan = plan_make(old, new);
	char text[1024];
	unsigned i;

	assert_non_null(plan);
	for (i = 0; i < plan->count && wanted[i] != NULL; i++) {
		describe(&plan->items[i], text, sizeof(text));
		assert_string_equal(text, wanted[i]);
	}
	assert_int_equal(i, plan->count);
	assert_null(wanted[i]);
	plan_free(plan);
	configuration_free(old);
	configuration_free(new);
}
#define ASSERT_PLAN(before, after, ...) \
	assert_plan(before, after, (const char *const[]){ __VA_ARGS__, NULL })

static void
routers_come_after_switches_and_routes_after_links(void **state)
{
	ASSERT_PLAN("{}",
		RED(UP, "        routes: { 10.9.0.0/16: { via: 10.0.0.7 } }\n") R2 LINK BLUE,
		"+ network red (hitless)", "+ network blue (hitless)", "+ switch red/lan (hitless)",
		"+ switch red/dmz (hitless)", "+ router red/r1 (hitless)",
		"+ router red/r2 (hitless)", "+ router blue/r9 (hitless)",
		"+ port red/r1:lan (hitless)", "+ port red/r1:core (hitless)",
		"+ port red/r1:up (hitless)", "+ port red/r2:core (hitless)",
		"+ port blue/r9:down (hitless)", "+ link red/r1:core~r2:core (hitless)",
		"+ route red/r1:10.9.0.0/16 (hitless)");
}

static void
they_go_the_other_way_round(void **state)
{
	ASSERT_PLAN(RED("", "        routes: { 10.9.0.0/16: { via: 10.0.0.7 } }\n") R2 LINK,
		"networks:\n  red:\n    switches: { lan: {}, dmz: {} }\n",
		"- route red/r1:10.9.0.0/16 (removal)", "- link red/r1:core~r2:core (removal)",
		"- port red/r1:lan (removal)",
		"- port red/r1:core (removal) also link red/r1:core~r2:core",
		"- port red/r2:core (removal) also link red/r1:core~r2:core",
		"- router red/r1 (removal) also link red/r1:core~r2:core",
		"- router red/r2 (removal) also link red/r1:core~r2:core");
}

static void
routes_are_changed_without_loss(void **state)
{
	ASSERT_PLAN(RED("", "        routes:\n"
			    "          10.9.0.0/16: { via: 10.0.0.7, metric: 0, type: forward }\n"
			    "          10.8.0.0/16: { via: 10.0.0.7 }\n"
			    "          10.7.0.0/16: { type: blackhole }\n"
			    "          10.6.0.0/16: { via: [10.0.0.7, 10.0.0.8] }\n"),
		RED("", "        routes:\n"
			"          10.5.0.0/16: { via: 10.0.0.8 }\n"
			"          10.9.0.0/16: { via: 10.0.0.7, preference: 1 }\n"
			"          10.8.0.0/16: { via: [10.0.0.7, 10.0.0.8], metric: 3 }\n"
			"          10.7.0.0/16: { type: prohibit }\n"
			"          10.6.0.0/16: { via: [10.0.0.8, 10.0.0.7] }\n"),
		"+ route red/r1:10.5.0.0/16 (hitless)",
		"~ route red/r1:10.8.0.0/16 via, metric (hitless)",
		"~ route red/r1:10.7.0.0/16 type (traffic-loss)",
		"~ route red/r1:10.6.0.0/16 via (hitless)");
}

static void
an_address_that_goes_is_missed(void **state)
{
	ASSERT_PLAN(RED("          p: { ip: 10.1.0.1/24 }\n", ""),
		RED("          p: { ip: [10.1.0.1/24, 10.1.0.2/24], mtu: 1400, urpf: loose }\n",
			""),
		"~ port red/r1:p ip, mtu, urpf (hitless)");
	ASSERT_PLAN(RED("          p: { ip: [10.1.0.1/24, 10.1.0.2/24] }\n", ""),
		RED("          p: { ip: [10.1.0.2/24, 10.1.0.1/24] }\n", ""),
		"~ port red/r1:p ip (hitless)");
	ASSERT_PLAN(RED("          p: { ip: [10.1.0.1/24, 10.1.0.2/24] }\n", ""),
		RED("          p: { ip: 10.1.0.1/24 }\n", ""), "~ port red/r1:p ip (traffic-loss)");
	ASSERT_PLAN(RED("          p: { ipv6: true }\n", ""), RED("          p: {}\n", ""),
		"~ port red/r1:p ipv6 (traffic-loss)");
	ASSERT_PLAN(RED("          p: {}\n", ""), RED("          p: { ipv6: true }\n", ""),
		"~ port red/r1:p ipv6 (hitless)");
}

static void
a_port_that_moves_loses_packets(void **state)
{
	ASSERT_PLAN(RED("          p: { switch: lan }\n", ""),
		RED("          p: { switch: dmz }\n", ""), "~ port red/r1:p switch (traffic-loss)");
	ASSERT_PLAN(RED("          p: { switch: lan }\n", ""),
		RED("          p: { switch: lan, vlan: 7 }\n", ""),
		"~ port red/r1:p vlan (traffic-loss)");
	ASSERT_PLAN(RED("          p: { switch: lan }\n", "") UPLINK,
		RED("          p: { uplink: wire }\n", "") UPLINK,
		"~ port red/r1:p switch, uplink (traffic-loss)");
	ASSERT_PLAN(RED("          p: { mac: 02:00:00:00:00:01 }\n", ""),
		RED("          p: { mac: 02:00:00:00:00:02 }\n", ""),
		"~ port red/r1:p mac (traffic-loss)");
	ASSERT_PLAN(RED("", ""), RED("", "        icmp-rate: 7\n"),
		"~ router red/r1 icmp-rate (hitless)");
}

/* Whoever is on a switch, on an uplink or at the other end of a peering feels it. */
static void
others_feel_it(void **state)
{
	ASSERT_PLAN(RED(UP, "") BLUE,
		RED("          up: { ip: 10.255.0.0/31 }\n",
			"") "  blue:\n    routers: { r9: { ports: { down: { ip: 10.255.0.1/31 } } "
			    "} }\n",
		"~ port red/r1:up peer (traffic-loss) also port blue/r9:down",
		"~ port blue/r9:down peer (traffic-loss) also port red/r1:up");
	ASSERT_PLAN(RED(UP, "") BLUE, RED("          up: { ip: 10.255.0.0/31 }\n", ""),
		"- port blue/r9:down (removal) also port red/r1:up",
		"- router blue/r9 (removal) also port red/r1:up",
		"- network blue (removal) also port red/r1:up, router r9",
		"~ port red/r1:up peer (traffic-loss) also port blue/r9:down");
	ASSERT_PLAN(
		"networks:\n"
		"  red: { switches: { s: }, routers: { r: { ports: { p: { switch: s } } } } }\n",
		"networks:\n  red: { routers: { r: { ports: { p: {} } } } }\n",
		"- switch red/s (removal) also port red/r:p",
		"~ port red/r:p switch (traffic-loss)");
	ASSERT_PLAN("networks: { red: { routers: { r: { ports: { p: { uplink: wire } } } } } "
		    "}\n" UPLINK,
		"networks: { red: { routers: { r: { ports: { p: } } } } }\n",
		"- uplink wire (removal) also port red/r:p",
		"~ port red/r:p uplink (traffic-loss)");
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
		cmocka_unit_test(routers_come_after_switches_and_routes_after_links),
		cmocka_unit_test(they_go_the_other_way_round),
		cmocka_unit_test(routes_are_changed_without_loss),
		cmocka_unit_test(an_address_that_goes_is_missed),
		cmocka_unit_test(a_port_that_moves_loses_packets),
		cmocka_unit_test(others_feel_it),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
