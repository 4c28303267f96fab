/* SPDX-License-Identifier: BSD-3-Clause */
/* Random configurations go out as YAML and as JSON, and come back as they were. */
#include "model/model.h"
#include "model/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 300

static struct model *model;
static unsigned seed;

static unsigned
random_below(unsigned limit)
{
	return (unsigned)rand_r(&seed) % limit;
}

static bool
chance(unsigned percent)
{
	return random_below(100) < percent;
}

/* Texts that YAML could take for something else. */
static const char *
random_text(void)
{
	static const char *const texts[] = { "\"\"", "\"null\"", "\"~\"", "\" leading\"",
		"\"trailing \"", "\"a: b\"", "\"a #b\"", "\"- a\"", "\"[x]\"", "\"{x}\"", "\"&a\"",
		"\"*a\"", "\"!t\"", "\"%d\"", "\"@x\"", "\"`x\"", "\"'q'\"", "\"\\\"q\\\"\"",
		"\"back\\\\slash\"", "\"two\\nlines\\n\"", "\"tab\\there\"", "\"true\"", "\"0x10\"",
		"\"a, b\"", "\"\\u00e9\\u4e2d\\U0001f600\"", "\"\\u2028\"", "\"? x\"", "\"| x\"",
		"\"> x\"", "\"---\"", "\"a:\"", "\":a\"", "\"=\"", "\"<<\"", "plain words",
		"\"\\u00a0x\"", "\"#\"" };

	return texts[random_below(sizeof(texts) / sizeof(*texts))];
}

static void
add_membership(struct text *text)
{
	switch (random_below(4)) {
	case 0:
		text_add(text, ", vlan: %u", 1 + random_below(4094));
		break;
	case 1:
		text_add(text, ", vlans: [%u, 100-%u]", 1 + random_below(99),
			100 + random_below(900));
		text_add(text, chance(50) ? ", native: none" : ", native: 7");
		break;
	case 2:
		text_add(text, ", vlans: 5-9");
		break;
	default:
		break;
	}
}

static void
add_switch(struct text *text, unsigned network, unsigned number)
{
	text_add(text, "      s%u:\n        ports:\n", number);
	for (unsigned i = 0; i < 3; i++) {
		text_add(text, "          p%u: { mtu: %u", i, 1500 + random_below(5000));
		add_membership(text);
		if (i == 1 && chance(50))
			text_add(text, ", uplink: wire, uplink-vlan: %u",
				network * 100 + number + 1);
		text_add(text, " }\n");
	}
	if (chance(50))
		text_add(text, "        ageing-time: %u%s\n", 1 + random_below(900),
			chance(50) ? "s" : "m");
	if (chance(50))
		text_add(text, "        description: %s\n", random_text());
	if (chance(50))
		text_add(text,
			"        static-macs: { 02:00:00:00:00:%02x: { port: p0, vlan: 9 } }\n",
			random_below(256));
}

static void
add_nic(struct text *text, unsigned network, unsigned switches, unsigned number)
{
	text_add(text, "      n%u: { switch: s%u", number, random_below(switches));
	if (chance(70))
		text_add(text, ", ip: [10.%u.0.1/24, '2001:db8:%x::1/64'], gateway: 10.%u.0.254",
			number, number, number);
	if (chance(50))
		add_membership(text);
	if (chance(30))
		text_add(text, ", mac: 02:00:00:01:00:%02x", number);
	if (chance(30))
		text_add(text, ", description: %s", random_text());
	switch (random_below(4)) {
	case 0:
		text_add(text, ", attach: { memory: true }");
		break;
	case 1:
		text_add(text, ", attach: { path: '/proc/%u/ns/net', name: eth0 }",
			network * 100 + number + 1);
		break;
	case 2:
		text_add(text, ", attach: {}");
		break;
	default:
		break;
	}
	text_add(text, " }\n");
}

static void
add_routes(struct text *text, unsigned number)
{
	text_add(text, "        routes:\n");
	text_add(text, "          0.0.0.0/0: { via: 10.%u.0.9 }\n", number);
	text_add(text, "          '::/0': { via: [fe80::%x@p0, 'fe80::@p1', p0] }\n", number);
	text_add(text, "          10.200.%u.0/24: { via: [10.%u.0.9@p0, p0, 10.%u.0.8]",
		random_below(256), number, number);
	text_add(text, chance(50) ? ", backup: p0" : "");
	text_add(text, ", preference: %u, metric: %u }\n", 1 + random_below(9), random_below(3));
	text_add(text, "          2001:db8:%x::/48: { type: %s }\n", 1 + random_below(60000),
		chance(50) ? "blackhole" : "prohibit");
}

static void
add_router(struct text *text, unsigned network, unsigned number)
{
	static const char *const clamps[] = { "", ", clamp-mss: auto", ", clamp-mss: 1400" };

	text_add(text, "      r%u:\n", number);
	if (chance(30))
		text_add(text, "        icmp-rate: %u\n", 1 + random_below(2000));
	text_add(text, "        ports:\n");
	text_add(text, "          p0: { switch: s0, vlan: %u, ip: [10.%u.0.1/24, 2001:db8::%x/64]",
		1 + random_below(4094), number, number + 1);
	text_add(text, "%s }\n", clamps[random_below(3)]);
	text_add(text, "          p1: { uplink: wire, vlan: %u, ipv6: true, urpf: %s }\n",
		2000 + network * 100 + number, chance(50) ? "strict" : "off");
	text_add(text, "          p2: { redirects: %s, mtu: %u }\n", chance(50) ? "true" : "false",
		68 + random_below(1000));
	if (network < 2)
		text_add(text, "          p3: { peer: net%u/r%u:p3 }\n", 1 - network, number);
	if (chance(80))
		add_routes(text, number);
}

static void
add_network(struct text *text, unsigned network, unsigned routers)
{
	unsigned switches = 1 + random_below(4), nics = random_below(5);

	text_add(text, "  net%u:\n", network);
	if (chance(30))
		text_add(text, "    description: %s\n", random_text());
	if (chance(30))
		text_add(text, "    quota: { macs: %u, neighbors: %u }\n", 1 + random_below(99999),
			1 + random_below(99999));
	if (chance(30))
		text_add(text,
			"    flow-records: { collector: '%s:%u', transport: %s, active-timeout: "
			"%us }\n",
			chance(50) ? "192.0.2.1" : "[2001:db8::1]", 1 + random_below(65535),
			chance(50) ? "udp" : "tcp", 4 + random_below(100));
	text_add(text, "    switches:\n");
	for (unsigned i = 0; i < switches; i++)
		add_switch(text, network, i);
	if (nics > 0)
		text_add(text, "    nics:\n");
	for (unsigned i = 0; i < nics; i++)
		add_nic(text, network, switches, i);
	if (routers > 0)
		text_add(text, "    routers:\n");
	for (unsigned i = 0; i < routers; i++)
		add_router(text, network, i);
	if (switches > 1) {
		text_add(text, "    links:\n");
		text_add(text, routers > 1 ? "      - { ends: [r1:p2, r0:p2] }\n" : "");
		text_add(text, "      - { ends: [s1:p2, s0:p2]");
		text_add(text, chance(30) ? ", name: bone }\n" : " }\n");
	}
}

static char *
random_configuration(void)
{
	/* a router of one network peers with that of another */
	unsigned networks = random_below(4), routers = networks > 1 ? random_below(3) : 0;
	struct text text = { 0 };

	if (networks > 0)
		text_add(&text, "networks:\n");
	for (unsigned i = 0; i < networks; i++)
		add_network(&text, i, routers);
	text_add(&text, "uplinks: { wire: { attach: { interface: eth1 } } }\n");
	if (chance(50))
		text_add(&text,
			"system: { workers: %u, poll: busy, memory: 1G, history: { keep: %u } }\n",
			random_below(64), 2 + random_below(90));
	return text_take(&text);
}

static struct configuration *
load(const char *text, bool json)
{
	struct diagnostics diagnostics;
	struct configuration *configuration =
		json ? configuration_from_json(model, "test", text, strlen(text), &diagnostics)
		     : configuration_from_yaml(model, "test", text, strlen(text), &diagnostics);

	if (configuration == NULL) {
		diagnostics_print(&diagnostics, stderr, false);
		fputs(text, stderr);
	}
	diagnostics_free(&diagnostics);
	assert_non_null(configuration);
	return configuration;
}

static void
assert_same(const struct configuration *a, const struct configuration *b)
{
	char *first = configuration_to_json(a), *second = configuration_to_json(b);
	struct plan *plan = plan_make(a, b);

	assert_string_equal(first, second);
	assert_non_null(plan);
	for (unsigned i = 0; i < plan->count; i++)
		print_error("differs: %s %s: %s\n", plan->items[i].kind, plan->items[i].name,
			plan->items[i].n_leaves > 0 ? plan->items[i].leaves[0].name : "");
	assert_int_equal(plan->count, 0);
	plan_free(plan);
	free(first);
	free(second);
}

static void
what_goes_out_comes_back(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct configuration *original, *copy;
		char *text, *exported;

		seed = round;
		text = random_configuration();
		assert_non_null(text);
		original = load(text, false);
		exported = configuration_to_yaml(original);
		assert_non_null(exported);
		copy = load(exported, false);
		assert_same(original, copy);
		configuration_free(copy);
		free(exported);
		exported = configuration_to_json(original);
		copy = load(exported, true);
		assert_same(original, copy);
		configuration_free(copy);
		free(exported);
		configuration_free(original);
		free(text);
	}
}

static void
nothing_is_something(void **state)
{
	struct configuration *empty = configuration_empty(model);
	struct configuration *copy;
	char *text = configuration_to_yaml(empty);

	assert_string_equal(text, "{}\n");
	copy = load(text, false);
	assert_same(empty, copy);
	configuration_free(copy);
	free(text);
	text = configuration_to_json(empty);
	copy = load(text, true);
	assert_same(empty, copy);
	configuration_free(copy);
	free(text);
	configuration_free(empty);
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
		cmocka_unit_test(nothing_is_something),
		cmocka_unit_test(what_goes_out_comes_back),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
