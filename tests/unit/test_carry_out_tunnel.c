/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels from one random configuration to the next: the engine must be what it is when it has
 * been made of the configuration alone.
 */
#include "daemon/carry_out.h"
#include "graph/engine.h"
#include "model/text.h"
#include "nic/drivers.h"
#include "router/router_objects.h"
#include "switch/switch_objects.h"
#include "tunnel/tunnel.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 400

static struct weft *weft;
static struct model *model;
static unsigned seed;

/* ---- what the engine has, a line for each object -------------------------------------------- */

static struct {
	char *line[4096];
	unsigned count;
} lines;

static void
add_line(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	assert_true(lines.count < sizeof(lines.line) / sizeof(*lines.line));
	lines.line[lines.count++] = strdup(line);
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *
address(const struct weft_prefix *prefix, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(
		prefix->family == 4 ? AF_INET : AF_INET6, prefix->address, text, INET6_ADDRSTRLEN);
}

static void
say_vport(const struct weft_vport *vport)
{
	const struct vport *live = vport->live;
	char path[VPORT_NAME_SIZE], other[VPORT_NAME_SIZE] = "", text[INET6_ADDRSTRLEN];

	vport_path(vport, path);
	if (live->attachment == ATTACHED_VPORT)
		vport_path(vport_by_id(weft, live->peer), other);
	else if (live->attachment != ATTACHED_NOTHING)
		snprintf(other, sizeof(other), "nic %s", live->nic->name);
	add_line("%s to '%s' mtu %u", path, other, live->mtu);
	if (vport->device->class == &switch_class) {
		const struct switch_port *port = live->context;

		add_line("%s vlan %u group %llx", path, port->access,
			(unsigned long long)port->group);
	} else if (vport->device->class == &router_class) {
		const struct router_port *port = router_port_of(live);
		struct weft_prefix own = { 0 };

		if (port->udp_port == 0)
			return;
		own.family = port->addresses[0].family;
		memcpy(own.address, port->addresses[0].bytes, sizeof(own.address));
		add_line("%s serves %s %u", path, address(&own, text), port->udp_port);
	}
}

static void
say_device(const struct weft_device *device)
{
	const struct weft_vport *vport;
	char text[INET6_ADDRSTRLEN];
	struct tunnel_info info;

	add_line("%s %s/%s", device->class->name, device->network->name, device->name);
	if (device->class == &tunnel_class) {
		tunnel_read(device, &info);
		add_line("tunnel %s/%s %s %u mtu %u vnis %u remotes %u", device->network->name,
			device->name, address(&info.config.local, text), info.config.port,
			info.config.mtu, info.vnis, info.remotes);
	}
	TAILQ_FOREACH(vport, &device->vports, entry)
	say_vport(vport);
}

static char *
engine_text(void)
{
	const struct weft_network *network;
	const struct weft_device *device;
	struct text text = { 0 };

	TAILQ_FOREACH(network, &weft->networks, entry)
	TAILQ_FOREACH(device, &network->devices, entry)
	say_device(device);
	qsort(lines.line, lines.count, sizeof(*lines.line), compare_lines);
	for (unsigned i = 0; i < lines.count; i++) {
		text_add(&text, "%s\n", lines.line[i]);
		free(lines.line[i]);
	}
	lines.count = 0;
	text_add(&text, "\n");
	return text_take(&text);
}

/* ---- random configurations ------------------------------------------------------------------ */

static unsigned
below(unsigned limit)
{
	return (unsigned)rand_r(&seed) / 7 % limit;
}

static bool
chance(unsigned percent)
{
	return below(100) < percent;
}

static void
add_vni(struct text *text, unsigned vni, bool six)
{
	text_add(text, "          %u: { switch: s%u, vlan: %u, remotes: [", 5000 + vni, below(2),
		1 + below(2));
	for (unsigned i = 0, n = 0; i < 4; i++)
		if (chance(50))
			text_add(text, six ? "%s'2001:db8::%u'" : "%s203.0.113.%u",
				n++ > 0 ? ", " : "", 20 + i);
	text_add(text, "] }\n");
}

/* Carried by its own network's r0 or r1, or by one of `provider`, which is told. */
static void
add_tunnel(struct text *text, struct text carried[2], unsigned network, unsigned tunnel)
{
	unsigned router = below(2);
	bool foreign = chance(40), six = chance(40);

	text_add(text, "      t.%u:\n        router: %sr%u\n", tunnel, foreign ? "provider/" : "",
		router);
	text_add(text, six ? "        local: '2001:db8::%u'\n" : "        local: 192.0.2.%u\n",
		1 + network * 4 + tunnel * 2 + below(2));
	if (chance(30))
		text_add(text, "        port: %u\n", 8472 + below(2));
	if (chance(30))
		text_add(text, "        mtu: %u\n", 1000 + below(2));
	if (foreign)
		text_add(&carried[router], "%snet%u/t.%u", carried[router].length > 0 ? ", " : "",
			network, tunnel);
	text_add(text, "        vnis:\n");
	for (unsigned i = 0; i < 2; i++)
		add_vni(text, i, six);
}

static void
add_routers(struct text *text, unsigned network, const char *const carried[2])
{
	text_add(text, "    routers:\n");
	for (unsigned i = 0; i < 2; i++) {
		text_add(text, "      r%u: {", i);
		if (carried != NULL && carried[i][0] != '\0')
			text_add(text, " tunnels: [%s],", carried[i]);
		text_add(text, " ports: { wan: { ip: [10.%u.%u.1/24, '2001:db8:%u:%u::1/64'], ",
			network, i, 1 + network, i);
		text_add(text, "mtu: %u }%s } }\n", 1500 - below(2) * 100,
			network == 0 && chance(30) && carried == NULL ? ", more: {}" : "");
	}
}

/* A port that a tunnel might have as its own is a declared one at times. */
static void
add_network(struct text *text, struct text carried[2], unsigned network)
{
	bool declared = chance(20);

	text_add(text, "  net%u:\n    switches: { s0: { ports: { p: {}%s } }, s1: {} }\n", network,
		declared ? ", t.0.5000.203.0.113.20: { vlan: 7 }" : "");
	add_routers(text, network, NULL);
	if (chance(80))
		text_add(text, "    tunnels:\n");
	else
		return;
	for (unsigned i = declared; i < 2; i++)
		add_tunnel(text, carried, network, i);
}

static char *
random_text(void)
{
	struct text text = { 0 }, carried[2] = { { 0 } };
	unsigned networks = 1 + below(2);
	const char *words[2];

	text_add(&text, "networks:\n");
	for (unsigned i = 0; i < networks; i++)
		add_network(&text, carried, i);
	for (unsigned i = 0; i < 2; i++) {
		text_add(&carried[i], "%s", "");
		words[i] = text_take(&carried[i]);
	}
	text_add(&text, "  provider:\n");
	add_routers(&text, 9, words);
	free((char *)(uintptr_t)words[0]);
	free((char *)(uintptr_t)words[1]);
	return text_take(&text);
}

static struct configuration *
random_configuration(void)
{
	struct configuration *configuration;
	struct diagnostics diagnostics;
	char *yaml = random_text();

	configuration = configuration_from_yaml(model, "test", yaml, strlen(yaml), &diagnostics);
	if (configuration == NULL) {
		diagnostics_print(&diagnostics, stderr, false);
		fail_msg("%s", yaml);
	}
	diagnostics_free(&diagnostics);
	free(yaml);
	return configuration;
}

/* ---- the test ------------------------------------------------------------------------------- */

static char *
go(const struct configuration *before, const struct configuration *after)
{
	struct plan *plan = plan_make(before, after);
	struct weft_change *change = weft_change_begin(weft);
	struct weft_error error;

	carry_out(weft, change, plan);
	if (weft_change_commit(change, &error) < 0)
		fail_msg("seed %u: %s", seed, error.text);
	plan_free(plan);
	return engine_text();
}

static void
the_engine_is_what_the_configuration_says(void **state)
{
	struct configuration *nothing = configuration_empty(model), *before = nothing, *after;
	unsigned remotes = 0;

	(void)state;
	seed = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		char *changed, *made;

		after = random_configuration();
		changed = go(before, after);
		free(go(after, nothing));
		made = go(nothing, after);
		if (strcmp(changed, made) != 0)
			fprintf(stderr, "round %u: changed\n%s\nmade anew\n%s\n", round, changed,
				made);
		assert_string_equal(changed, made);
		for (const char *at = made; (at = strstr(at, "203.0.113.")) != NULL; at++)
			remotes++;
		free(changed);
		free(made);
		if (before != nothing)
			configuration_free(before);
		before = after;
	}
	assert_true(remotes > ROUNDS);
	free(go(before, nothing));
	assert_true(TAILQ_EMPTY(&weft->networks));
	configuration_free(before);
	configuration_free(nothing);
}

/* By hand, once. */
static void
a_tunnel_is_joined_on_both_sides(void **state)
{
	static const char yaml[] =
		"networks:\n"
		"  red:\n"
		"    switches: { lan: {} }\n"
		"    tunnels: { vx: { router: blue/r, local: 192.0.2.1, port: 4790, vnis: {\n"
		"      7: { switch: lan, vlan: 3, remotes: [192.0.2.9] } } } }\n"
		"  blue: { routers: { r: { tunnels: red/vx, ports: {\n"
		"    p: { ip: 192.0.2.1/24, mtu: 1400 } } } } }\n";
	static const char *const wanted[] = {
		"blue/r:red.vx to 'red/vx:underlay' mtu 1500\n",
		"blue/r:red.vx serves 192.0.2.1 4790\n",
		"red/vx:underlay to 'blue/r:red.vx' ",
		"red/lan:vx.7.192.0.2.9 to 'red/vx:7.192.0.2.9' ",
		"red/vx:7.192.0.2.9 to 'red/lan:vx.7.192.0.2.9' mtu 1350\n",
		"red/lan:vx.7.192.0.2.9 vlan 3 group ",
		"tunnel red/vx 192.0.2.1 4790 mtu 1350 vnis 1 remotes 1\n",
	};
	struct configuration *nothing = configuration_empty(model), *configuration;
	struct diagnostics diagnostics;
	char *text;

	(void)state;
	configuration = configuration_from_yaml(model, "test", yaml, strlen(yaml), &diagnostics);
	diagnostics_print(&diagnostics, stderr, false);
	diagnostics_free(&diagnostics);
	assert_non_null(configuration);
	text = go(nothing, configuration);
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (strstr(text, wanted[i]) == NULL)
			fail_msg("no '%s' in\n%s", wanted[i], text);
	free(text);
	free(go(configuration, nothing));
	configuration_free(configuration);
	configuration_free(nothing);
}

static int
open_all(void **state)
{
	static const struct device_class *const classes[] = { &switch_class, &router_class,
		&tunnel_class, NULL };
	static const struct nic_driver *const drivers[] = { &memory_driver, NULL };
	struct weft_options options = { .memory_mb = 64, .identity = 1 };
	struct weft_error error;

	(void)state;
	model = model_open(&error);
	weft = engine_open(&options, classes, drivers, &error);
	if (weft == NULL)
		print_error("%s\n", error.text);
	return model != NULL && weft != NULL ? 0 : -1;
}

static int
close_all(void **state)
{
	(void)state;
	engine_close(weft);
	model_close(model);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_is_joined_on_both_sides),
		cmocka_unit_test(the_engine_is_what_the_configuration_says),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
