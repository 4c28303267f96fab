/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What weftd tells of its objects, as JSON and as metrics: with the engine, and in place of
 * weftd's configuration one that each test makes.
 */
#include "../router_fixture.h"
#include "daemon/config.h"
#include "daemon/metrics.h"
#include "daemon/state.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* ---- in place of config.c ----------------------------------------------------------------------
 */

struct config {
	struct running running;
	struct config_status status;
	struct history_entry entries[4];
	unsigned n_entries;
};

static struct config config;
static struct model *model;
static struct daemon daemon_under_test;

struct running *
config_hold(struct config *of)
{
	atomic_fetch_add(&of->running.holders, 1);
	return &of->running;
}

void
config_release(struct running *running)
{
	atomic_fetch_sub(&running->holders, 1);
}

unsigned
config_history(struct config *of, struct history_entry *entries, unsigned limit,
	struct config_status *status)
{
	unsigned count = of->n_entries < limit ? of->n_entries : limit;

	if (count > 0)
		memcpy(entries, of->entries, count * sizeof(*entries));
	*status = of->status;
	return count;
}

static void
configure(const char *yaml)
{
	struct diagnostics diagnostics;

	configuration_free(config.running.configuration);
	config.running.configuration =
		configuration_from_yaml(model, "test.yaml", yaml, strlen(yaml), &diagnostics);
	diagnostics_print(&diagnostics, stderr, false);
	diagnostics_free(&diagnostics);
	assert_non_null(config.running.configuration);
}

static int
open_all(void **state)
{
	if (lab_open(state) != 0)
		return -1;
	model = model_open(NULL);
	config = (struct config){ 0 };
	config.running.configuration = configuration_empty(model);
	daemon_under_test = (struct daemon){ .weft = lab,
		.config = &config,
		.socket = "/run/weft/test.sock",
		.state = "/var/lib/weft" };
	return 0;
}

static int
close_all(void **state)
{
	int held = atomic_load(&config.running.holders) != 0;

	configuration_free(config.running.configuration);
	model_close(model);
	return lab_close(state) | held;
}

static int
close_routed(void **state)
{
	int held = atomic_load(&config.running.holders) != 0;

	configuration_free(config.running.configuration);
	model_close(model);
	return lab_close_routers(state) | held;
}

/* ---- asking ------------------------------------------------------------------------------------
 */

static json_t *
ask(struct state_query query)
{
	struct weft_error error = { 0 };
	json_t *answer = state_read(&daemon_under_test, &query, &error);

	if (answer == NULL)
		fail_msg("%s: %s", query.kind, error.text);
	return answer;
}

#define ASK(...) ask((struct state_query){ __VA_ARGS__ })

/* Asks, fails, and says so. */
static void
refused(struct state_query query, int code, const char *text)
{
	struct weft_error error = { 0 };

	assert_null(state_read(&daemon_under_test, &query, &error));
	if (error.code != code || strcmp(error.text, text) != 0)
		fail_msg("%d: %s", error.code, error.text);
}

#define REFUSED(code, text, ...) refused((struct state_query){ __VA_ARGS__ }, code, text)

/* The answer is this JSON; leaves that it has beyond it do not matter, null is as good as absent.
 */
static void
has(const json_t *got, const char *text, const char *file, int line)
{
	json_error_t error;
	json_t *wanted = json_loads(text, JSON_DECODE_ANY, &error), *value;
	const char *key;
	size_t i;

	if (wanted == NULL)
		fail_msg("%s:%d: %s", file, line, error.text);
	if (json_is_object(wanted)) {
		json_object_foreach(wanted, key, value)
		{
			json_t *there = json_object_get(got, key);
			char *dump;

			if (json_equal(there, value) || (json_is_null(value) && there == NULL))
				continue;
			dump = json_dumps(got, JSON_INDENT(1));
			fail_msg("%s:%d: %s is not so in %s", file, line, key, dump);
		}
	} else {
		assert_int_equal(json_array_size(got), json_array_size(wanted));
		json_array_foreach(wanted, i, value)
		{
			if (!json_equal(json_array_get(got, i), value))
				fail_msg("%s:%d: element %zu differs", file, line, i);
		}
	}
	json_decref(wanted);
}

#define HAS(got, text) has(got, text, __FILE__, __LINE__)

/* The only object of the answer is so. */
#define ONE_HAS(answer, text) \
	do { \
		json_t *answered = answer; \
		assert_int_equal(json_array_size(answered), 1); \
		HAS(json_array_get(answered, 0), text); \
		json_decref(answered); \
	} while (0)

/* The values of a leaf of all objects, joined by blanks. */
static void
leaves_are(json_t *array, const char *leaf, const char *wanted)
{
	char text[4096] = "";
	json_t *object;
	size_t i;

	json_array_foreach(array, i, object)
	{
		const json_t *value = json_object_get(object, leaf);

		if (i > 0)
			strcat(text, " ");
		if (json_is_string(value))
			strcat(text, json_string_value(value));
		else
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%lld",
				(long long)json_integer_value(value));
	}
	assert_string_equal(text, wanted);
	json_decref(array);
}

/* ---- objects -----------------------------------------------------------------------------------
 */

static void
nothing_is_an_empty_list(void **state)
{
	static const char *const kinds[] = { "networks", "switches", "ports", "nics", "uplinks",
		"links", "tunnels", "macs", "drops", "history", "routers", "routes", "neighbors" };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		json_t *answer = ASK(.kind = kinds[i]);

		assert_true(json_is_array(answer));
		assert_int_equal(json_array_size(answer), 0);
		json_decref(answer);
	}
	leaves_are(state_degraded(&daemon_under_test), "name", "");
}

static void
networks_and_switches(void **state)
{
	struct weft_switch_config switch_config = { .ageing_s = 60, .mac_limit = 5 };
	struct weft_network *red = lab_network("red", 100);
	struct bench_switch lan = lab_switch(red, "lan", &switch_config, 3, NULL);

	(void)state;
	lab_switch(red, "dmz", NULL, 0, NULL);
	lab_network("blue", 0);
	configure("networks: { red: { description: The first., "
		  "switches: { lan: { description: Offices. } } } }");
	lab_send(lan.nics[0], BROADCAST, 1, NO_TAG);
	ONE_HAS(ASK(.kind = "networks", .name = "red"),
		"{\"name\": \"red\", \"description\": \"The first.\", \"devices\": 2, \"nics\": 3,"
		" \"macs\": 1, \"mac-limit\": 100}");
	ONE_HAS(ASK(.kind = "networks", .network = "blue"),
		"{\"name\": \"blue\", \"description\": null, \"devices\": 0, \"nics\": 0,"
		" \"macs\": 0, \"mac-limit\": 65536}");
	ONE_HAS(ASK(.kind = "switches", .name = "red/lan"),
		"{\"name\": \"red/lan\", \"network\": \"red\", \"description\": \"Offices.\","
		" \"ports\": 3, \"macs\": 1, \"mac-limit\": 5, \"ageing-time\": 60, \"loop\": "
		"null}");
	leaves_are(ASK(.kind = "switches", .network = "red"), "name", "red/dmz red/lan");
	leaves_are(ASK(.kind = "switches", .network = "blue"), "name", "");
	for (unsigned i = 0; i < lan.n_ports; i++)
		lab_drain(lan.nics[i]);
}

static void
ports_and_what_they_carry(void **state)
{
	struct weft_switch_port_config configs[] = {
		{ .access = 10 },
		{ 0 },
		{ .native = WEFT_VLAN_NO_NATIVE, .mtu = 1500, .mac_limit = 7 },
		{ .native = 5 },
	};
	struct weft_network *red;
	struct bench_switch lan, core;
	struct weft_change *change;
	struct weft_nic *wire;

	(void)state;
	configs[2].vlans[0] = 1ull << 7 | 1ull << 10 | 1ull << 11 | 1ull << 12;
	configs[2].vlans[63] = 1ull << 62; /* 4094 */
	red = lab_network("red", 0);
	lan = lab_switch(red, "lan", NULL, 4, configs);
	core = lab_switch(red, "core", NULL, 1, NULL);
	change = weft_change_begin(lab);
	wire = weft_nic_add(change, NULL, "wire", &lab_nic_config);
	for (unsigned i = 1; i < 4; i++)
		weft_detach(change, lan.ports[i]);
	weft_detach(change, core.ports[0]);
	weft_attach_uplink(change, lan.ports[1], wire, 101);
	weft_link(change, lan.ports[2], core.ports[0]);
	lab_commit(change);
	configure("networks: { red: { switches: { lan: { ports: { p0: { description: Desk. } } } } "
		  "} }");
	ONE_HAS(ASK(.kind = "ports", .name = "red/lan:p0"),
		"{\"name\": \"red/lan:p0\", \"network\": \"red\", \"device\": \"lan\","
		" \"description\": \"Desk.\", \"attachment\": \"nic\", \"to\": \"red/lan-0\","
		" \"vlan-mode\": \"access\", \"vlan\": 10, \"vlans\": null, \"mtu\": 9216,"
		" \"macs\": 0, \"mac-limit\": null, \"in-packets\": 0, \"in-bytes\": 0,"
		" \"out-packets\": 0, \"out-bytes\": 0, \"drops\": {}}");
	ONE_HAS(ASK(.kind = "ports", .name = "red/lan:p1"),
		"{\"attachment\": \"uplink\", \"to\": \"wire\", \"uplink-vlan\": 101,"
		" \"vlan-mode\": \"trunk\", \"vlan\": 1, \"vlans\": null}");
	ONE_HAS(ASK(.kind = "ports", .name = "red/lan:p2"),
		"{\"attachment\": \"link\", \"to\": \"red/core:p0\", \"vlan-mode\": \"trunk\","
		" \"vlan\": null, \"vlans\": [\"7\", \"10-12\", \"4094\"], \"mtu\": 1500,"
		" \"mac-limit\": 7}");
	ONE_HAS(ASK(.kind = "ports", .name = "red/lan:p3"),
		"{\"attachment\": \"none\", \"to\": null, \"vlan\": 5}");
}

static void
names_are_sorted_as_people_do(void **state)
{
	static const char *const names[] = { "p10", "p2", "lan-2", "lan", "p010", "P1", "p1" };
	struct weft_change *change = weft_change_begin(lab);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct weft_network *network = weft_network_add(change, names[i], NULL);
		struct weft_device *device = weft_switch_add(change, network, "s", NULL);

		weft_switch_port_add(change, device, "a", NULL);
	}
	lab_commit(change);
	leaves_are(ASK(.kind = "networks"), "name", "P1 lan lan-2 p1 p2 p010 p10");
	leaves_are(ASK(.kind = "ports"), "name",
		"P1/s:a lan/s:a lan-2/s:a p1/s:a p2/s:a p010/s:a p10/s:a");
}

static void
traffic_is_seen_from_both_sides(void **state)
{
	struct bench_switch lan = lab_switch(lab_network("red", 0), "lan", NULL, 2, NULL);

	(void)state;
	lab_send(lan.nics[0], BROADCAST, 1, NO_TAG);
	lab_send(lan.nics[0], BROADCAST, 1, NO_TAG);
	lab_send(lan.nics[1], 1, 2, NO_TAG);
	ONE_HAS(ASK(.kind = "ports", .name = "red/lan:p0"),
		"{\"in-packets\": 2, \"in-bytes\": 120, \"out-packets\": 1, \"out-bytes\": 60}");
	ONE_HAS(ASK(.kind = "nics", .name = "red/lan-0"),
		"{\"in-packets\": 1, \"in-bytes\": 60, \"out-packets\": 2, \"out-bytes\": 120}");
	assert_int_equal(lab_drain(lan.nics[0]) + lab_drain(lan.nics[1]), 3);
}

static void
nics_as_they_are_and_as_configured(void **state)
{
	struct weft_prefix addresses[] = {
		{ .family = 4, .length = 24, .address = { 10, 0, 0, 10 } },
		{ .family = 6, .length = 64, .address = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	};
	struct weft_nic_config nic_config = { .kind = WEFT_NIC_MEMORY,
		.mtu = 9000,
		.mac = { 2, 0, 0, 0, 0, 10 },
		.addresses = addresses,
		.n_addresses = 2,
		.gateways = addresses,
		.n_gateways = 1 };
	struct weft_network *red = lab_network("red", 0);
	struct bench_switch lan = lab_switch(red, "lan", NULL, 1, NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_nic *web = weft_nic_add(change, red, "web", &nic_config);

	(void)state;
	weft_detach(change, lan.ports[0]);
	weft_attach(change, lan.ports[0], web);
	lab_commit(change);
	configure("networks: { red: { switches: { lan: {} }, "
		  "nics: { web: { switch: lan, description: The site. } } } }");
	ONE_HAS(ASK(.kind = "nics", .name = "red/web"),
		"{\"name\": \"red/web\", \"network\": \"red\", \"description\": \"The site.\","
		" \"driver\": \"memory\", \"status\": \"up\", \"reason\": null,"
		" \"port\": \"red/lan:p0\", \"mac\": \"02:00:00:00:00:0a\", \"mtu\": 9000,"
		" \"queues\": 1, \"netns\": null, \"interface\": null,"
		" \"addresses\": [\"10.0.0.10/24\", \"2001:db8::1/64\"],"
		" \"gateways\": [\"10.0.0.10\"]}");
	ONE_HAS(ASK(.kind = "nics", .name = "red/lan-0"), "{\"port\": null, \"addresses\": []}");
	web->offloads = NIC_OFFLOAD_CHECKSUM | NIC_OFFLOAD_TSO6;
	web->config->kind = WEFT_NIC_TAP; /* as a tap in the namespace of a process would be */
	web->config->netns_kind = WEFT_NETNS_PID;
	web->config->netns = strdup("4711");
	ONE_HAS(ASK(.kind = "nics", .name = "red/web"),
		"{\"netns\": \"pid 4711\", \"interface\": \"web\","
		" \"offloads\": [\"checksum\", \"tso6\"]}");
	web->config->netns_kind = WEFT_NETNS_NAME;
	ONE_HAS(ASK(.kind = "nics", .name = "red/web"), "{\"netns\": \"4711\"}");
	web->config->kind = WEFT_NIC_MEMORY;
}

static void
degraded_says_why(void **state)
{
	struct weft_network *red = lab_network("red", 0);
	struct bench_switch lan = lab_switch(red, "lan", NULL, 3, NULL);

	(void)state;
	lan.nics[1]->status = NIC_STATUS_DEGRADED;
	strcpy(lan.nics[1]->status_text, "no namespace r\xf6t here");
	lan.nics[2]->status = NIC_STATUS_DOWN;
	ONE_HAS(ASK(.kind = "nics", .name = "red/lan-1"),
		"{\"status\": \"degraded\", \"reason\": \"no namespace r?t here\"}");
	ONE_HAS(ASK(.kind = "nics", .name = "red/lan-2"),
		"{\"status\": \"down\", \"reason\": \"it is being set up\"}");
	leaves_are(state_degraded(&daemon_under_test), "name", "red/lan-1 red/lan-2");
	leaves_are(state_degraded(&daemon_under_test), "kind", "nic nic");
	leaves_are(state_degraded(&daemon_under_test), "reason",
		"no namespace r?t here it is being set up");
	lan.nics[1]->status = lan.nics[2]->status = NIC_STATUS_UP;
}

static void
a_tap_that_is_not_there_is_shown_as_configured(void **state)
{
	struct weft_prefix address = { .family = 4, .length = 24, .address = { 10, 0, 0, 10 } };
	struct weft_nic_config nic_config = { .kind = WEFT_NIC_TAP,
		.mtu = 1400,
		.queues = 2,
		.netns_kind = WEFT_NETNS_NAME,
		.netns = "weft-test-nowhere",
		.mac = { 2, 0, 0, 0, 0, 10 },
		.addresses = &address,
		.n_addresses = 1 };
	struct weft_network *red = lab_network("red", 0);
	struct weft_change *change = weft_change_begin(lab);

	(void)state;
	weft_nic_add(change, red, "a-name-longer-than-15", &nic_config);
	lab_commit(change);
	ONE_HAS(ASK(.kind = "nics"),
		"{\"name\": \"red/a-name-longer-than-15\", \"driver\": \"tap\","
		" \"status\": \"degraded\", \"netns\": \"weft-test-nowhere\","
		" \"interface\": \"a-name-longer-t\", \"mac\": \"02:00:00:00:00:0a\","
		" \"mtu\": 1400, \"queues\": 2, \"addresses\": [\"10.0.0.10/24\"],"
		" \"offloads\": []}");
	leaves_are(state_degraded(&daemon_under_test), "name", "red/a-name-longer-than-15");
	leaves_are(state_degraded(&daemon_under_test), "reason",
		"there is no network namespace weft-test-nowhere");
}

static void
uplinks_with_their_vlans(void **state)
{
	struct weft_network *red = lab_network("red", 0);
	struct bench_switch lan = lab_switch(red, "lan", NULL, 3, NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_nic *wire = weft_nic_add(change, NULL, "wire", &lab_nic_config);

	(void)state;
	weft_detach(change, lan.ports[0]);
	weft_detach(change, lan.ports[1]);
	weft_attach_uplink(change, lan.ports[0], wire, 0);
	weft_attach_uplink(change, lan.ports[1], wire, 101);
	lab_commit(change);
	configure("uplinks: { wire: { description: To the world., attach: { interface: eth1 } } }");
	lab_send(wire, 3, 1, 101);
	lab_send(wire, 3, 1, 102);
	lab_send(wire, 3, 1, 103);
	ONE_HAS(ASK(.kind = "uplinks", .name = "wire"),
		"{\"name\": \"wire\", \"description\": \"To the world.\", \"driver\": \"memory\","
		" \"status\": \"up\", \"vlans\": [{\"vlan\": 0, \"port\": \"red/lan:p0\"},"
		" {\"vlan\": 101, \"port\": \"red/lan:p1\"}], \"out-packets\": 1, \"in-packets\": "
		"1,"
		" \"drops\": {\"unknown-vlan\": 2}, \"unknown-vlan\": 2}");
	leaves_are(ASK(.kind = "nics"), "name", "red/lan-0 red/lan-1 red/lan-2");
	ONE_HAS(ASK(.kind = "drops", .port = "wire"),
		"{\"port\": \"wire\", \"reason\": \"unknown-vlan\", \"count\": 2,"
		" \"text\": \"no vport takes this VLAN of the uplink\"}");
	leaves_are(ASK(.kind = "drops", .network = "red"), "port", "");
	assert_int_equal(lab_drain(wire) + lab_drain(lan.nics[2]), 2);
}

static void
links_by_their_configured_names(void **state)
{
	struct weft_network *red = lab_network("red", 0);
	struct bench_switch lan = lab_switch(red, "lan", NULL, 2, NULL);
	struct bench_switch core = lab_switch(red, "core", NULL, 2, NULL);
	struct weft_change *change = weft_change_begin(lab);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		weft_detach(change, lan.ports[i]);
		weft_detach(change, core.ports[i]);
		weft_link(change, lan.ports[i], core.ports[i]);
	}
	lab_commit(change);
	configure("networks: { red: { switches: { lan: { ports: { p0: {} } },"
		  " core: { ports: { p0: {} } } },"
		  " links: [{ name: trunk, description: Fibre., ends: [\"lan:p0\", \"core:p0\"] }] "
		  "} }");
	ONE_HAS(ASK(.kind = "links", .name = "red/trunk"),
		"{\"name\": \"red/trunk\", \"network\": \"red\", \"description\": \"Fibre.\","
		" \"ends\": [\"red/core:p0\", \"red/lan:p0\"]}");
	leaves_are(ASK(.kind = "links", .network = "red"), "name", "red/core:p1~lan:p1 red/trunk");
	ONE_HAS(ASK(.kind = "links", .name = "red/core:p1~lan:p1"), "{\"network\": \"red\"}");
	REFUSED(ENOENT, "there is no link 'red/trnuk'; did you mean 'red/trunk'?", .kind = "links",
		.name = "red/trnuk");
}

/* ---- MACs, loops, drops ------------------------------------------------------------------------
 */

static void
macs_and_their_filters(void **state)
{
	struct weft_network *red = lab_network("red", 0);
	struct bench_switch lan = lab_switch(red, "lan", NULL, 3, NULL);
	struct bench_switch dmz = lab_switch(red, "dmz", NULL, 2, NULL);
	struct weft_change *change = weft_change_begin(lab);
	uint8_t fixed[6] = { 2, 0, 0, 0, 1, 0 };

	(void)state;
	weft_switch_mac_add(change, lan.device, 7, fixed, lan.ports[2]);
	lab_commit(change);
	lab_send(lan.nics[1], BROADCAST, 11, NO_TAG);
	lab_send(lan.nics[0], BROADCAST, 10, NO_TAG);
	lab_send(lan.nics[0], BROADCAST, 10, 7);
	lab_send(dmz.nics[0], BROADCAST, 10, NO_TAG);
	lab_wait(3);
	leaves_are(ASK(.kind = "macs"), "switch", "red/dmz red/lan red/lan red/lan red/lan");
	leaves_are(ASK(.kind = "macs", .device = "red/lan"), "mac",
		"02:00:00:00:00:0a 02:00:00:00:00:0b 02:00:00:00:00:0a 02:00:00:00:01:00");
	leaves_are(ASK(.kind = "macs", .device = "red/lan"), "vlan", "1 1 7 7");
	ONE_HAS(ASK(.kind = "macs", .device = "red/lan", .vlan = "7", .mac = "02:00:00:00:00:0A"),
		"{\"network\": \"red\", \"switch\": \"red/lan\", \"vlan\": 7,"
		" \"mac\": \"02:00:00:00:00:0a\", \"port\": \"red/lan:p0\", \"age\": 3,"
		" \"static\": false}");
	ONE_HAS(ASK(.kind = "macs", .port = "red/lan:p2"), "{\"static\": true, \"age\": null}");
	leaves_are(ASK(.kind = "macs", .port = "red/lan:p0", .device = "red/dmz"), "mac", "");
	leaves_are(ASK(.kind = "macs", .network = "red", .mac = "02:00:00:00:00:99"), "mac", "");
	for (unsigned i = 0; i < 3; i++)
		lab_drain(lan.nics[i]);
	lab_drain(dmz.nics[1]);
}

static void
a_loop_is_told(void **state)
{
	struct weft_network *red = lab_network("red", 0);
	struct bench_switch lan = lab_switch(red, "lan", NULL, 2, NULL);
	struct weft_change *change;
	char since[STATE_TIME_SIZE];
	json_t *answer, *loop;

	(void)state;
	for (unsigned i = 0; i < SWITCH_FLAP_MOVES + 2; i++)
		lab_send(lan.nics[i % 2], BROADCAST, 5, NO_TAG);
	lab_wait(1);
	answer = ASK(.kind = "switches");
	loop = json_object_get(json_array_get(answer, 0), "loop");
	HAS(loop, "{\"mac\": \"02:00:00:00:00:05\", \"vlan\": 1,"
		  " \"between\": [\"red/lan:p1\", \"red/lan:p0\"]}");
	state_time((uint64_t)(time(NULL) - 1) * SECOND, since);
	assert_memory_equal(json_string_value(json_object_get(loop, "since")), since, 14);
	json_decref(answer);
	change = weft_change_begin(lab);
	weft_vport_remove(change, lan.ports[1]);
	lab_commit(change);
	answer = ASK(.kind = "switches");
	loop = json_object_get(json_array_get(answer, 0), "loop");
	HAS(loop, "{\"between\": [null, \"red/lan:p0\"]}");
	json_decref(answer);
	lab_wait(SWITCH_LOOP_REMEMBERED + 1);
	ONE_HAS(ASK(.kind = "switches"), "{\"loop\": null}");
	lab_drain(lan.nics[0]);
	lab_drain(lan.nics[1]);
}

static void
drops_by_place_and_reason(void **state)
{
	struct weft_network *red = lab_network("red", 0);
	struct bench_switch lan = lab_switch(red, "lan", NULL, 2, NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_nic *spare = weft_nic_add(change, red, "spare", &lab_nic_config);

	(void)state;
	lab_commit(change);
	lab_send(lan.nics[1], BROADCAST, 0, NO_TAG); /* source 02:00:00:00:00:00 is fine */
	lab_send(lan.nics[0], BROADCAST, BROADCAST, NO_TAG);
	lab_send(lan.nics[0], BROADCAST, BROADCAST, NO_TAG);
	lab_send(lan.nics[0], BROADCAST, 1, 4095);
	lab_send(spare, BROADCAST, 1, NO_TAG);
	leaves_are(ASK(.kind = "drops"), "port", "red/lan:p0 red/lan:p0 red/spare");
	leaves_are(ASK(.kind = "drops"), "reason", "bad-vlan-tag bad-source-mac no-attachment");
	leaves_are(ASK(.kind = "drops"), "count", "1 2 1");
	leaves_are(ASK(.kind = "drops", .device = "red/lan"), "count", "1 2");
	ONE_HAS(ASK(.kind = "drops", .port = "red/lan:p0", .reason = "bad-source-mac"),
		"{\"port\": \"red/lan:p0\", \"reason\": \"bad-source-mac\","
		" \"text\": \"the source MAC is zero or a group address\", \"count\": 2}");
	ONE_HAS(ASK(.kind = "drops", .port = "red/spare"), "{\"reason\": \"no-attachment\"}");
	ONE_HAS(ASK(.kind = "ports", .name = "red/lan:p0"),
		"{\"drops\": {\"bad-source-mac\": 2, \"bad-vlan-tag\": 1}}");
	ONE_HAS(ASK(.kind = "nics", .name = "red/spare"), "{\"drops\": {\"no-attachment\": 1}}");
	ONE_HAS(ASK(.kind = "nics", .name = "red/lan-0"),
		"{\"drops\": {\"bad-source-mac\": 2, \"bad-vlan-tag\": 1}}");
	/* and one whose port was removed while it was on its way */
	inject_in(lab, 0xfff00007, packet_from_bytes(&lab->pools, "12345678901234", 14));
	lab_run();
	leaves_are(ASK(.kind = "drops"), "port", "(gone) red/lan:p0 red/lan:p0 red/spare");
	leaves_are(ASK(.kind = "drops", .network = "red"), "count", "1 2 1");
	lab_drain(lan.nics[0]);
}

/* ---- the daemon itself -------------------------------------------------------------------------
 */

static void
history_newest_first(void **state)
{
	(void)state;
	config.entries[0] = (struct history_entry){ 8, 1795348800, "root", "net.yaml" };
	config.entries[1] = (struct history_entry){ 7, 1795345200, "", "" };
	config.n_entries = 2;
	config.status = (struct config_status){ 8, 8, 42.5 };
	leaves_are(ASK(.kind = "history"), "number", "8 7");
	ONE_HAS(ASK(.kind = "history", .name = "8"),
		"{\"number\": 8, \"time\": \"2026-11-22T12:00:00.000000+00:00\", \"user\": "
		"\"root\","
		" \"note\": \"net.yaml\", \"running\": true, \"unconfirmed\": true,"
		" \"confirm-left\": 42.5}");
	ONE_HAS(ASK(.kind = "history", .name = "7"),
		"{\"user\": null, \"note\": null, \"running\": false, \"unconfirmed\": false,"
		" \"confirm-left\": null}");
	REFUSED(ENOENT, "there is no entry of the history 9", .kind = "history", .name = "9");
	REFUSED(EINVAL, "'last' does not name a number", .kind = "history", .name = "last");
}

static void
the_system(void **state)
{
	struct timespec now;
	json_t *system;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &now);
	daemon_under_test.started = (uint64_t)(now.tv_sec - 5) * SECOND;
	config.status = (struct config_status){ 3, 0, 0 };
	system = ASK(.kind = "system");
	assert_true(json_is_object(system));
	HAS(system, "{\"version\": \"" WEFT_VERSION "\", \"workers\": 0, \"poll\": \"sleep\","
		    " \"configuration\": 3, \"unconfirmed\": null, \"confirm-left\": null,"
		    " \"socket\": \"/run/weft/test.sock\", \"state\": \"/var/lib/weft\"}");
	assert_int_equal(json_integer_value(json_object_get(system, "pid")), getpid());
	assert_in_range(json_real_value(json_object_get(system, "uptime")), 5, 65);
	assert_true(json_is_array(json_object_get(system, "capabilities")));
	HAS(json_object_get(system, "io-uring"), "{\"used\": false}");
	HAS(json_object_get(system, "memory"),
		"{\"packet-bytes\": 134217728, \"hugepages\": false,"
		" \"small-buffers\": {\"count\": 8192, \"used\": 0}}");
	assert_true(json_integer_value(json_object_get(
			    json_object_get(system, "memory"), "resident-bytes")) > 1000000);
	json_decref(system);
	config.status = (struct config_status){ 4, 4, 9.5 };
	system = ASK(.kind = "system");
	HAS(system, "{\"configuration\": 4, \"unconfirmed\": 4, \"confirm-left\": 9.5}");
	json_decref(system);
}

static void
workers_by_their_numbers(void **state)
{
	(void)state;
	lab_run();
	ONE_HAS(ASK(.kind = "workers", .name = "0"),
		"{\"index\": 0, \"cpu\": null, \"busy-percent\": null, \"waiter\": \"epoll\"}");
	REFUSED(ENOENT, "there is no worker 1", .kind = "workers", .name = "1");
}

/* The machine's clock, and a thread for the worker. */
static int
open_with_worker(void **state)
{
	struct weft_options options = { .workers = 1, .memory_mb = 64 };

	if (open_all(state) != 0)
		return -1;
	weft_close(lab);
	lab = weft_open(&options, NULL);
	daemon_under_test.weft = lab;
	return lab != NULL ? 0 : -1;
}

static void
a_worker_that_sleeps_is_not_busy(void **state)
{
	const char *label = "\nweft_worker_busy_seconds_total{worker=\"0\"} ";
	char *metrics;
	double busy;

	(void)state;
	/* twice: since its start; then since the first look */
	for (unsigned i = 0; i < 2; i++) {
		json_t *answer, *worker;

		usleep(1100000);
		answer = ASK(.kind = "workers");
		worker = json_array_get(answer, 0);
		busy = json_real_value(json_object_get(worker, "busy-percent"));
		assert_true(busy > 0 && busy < 60);
		assert_true(json_is_integer(json_object_get(worker, "cpu")));
		assert_true(json_integer_value(json_object_get(worker, "sleeps")) > 0);
		assert_true(json_integer_value(json_object_get(worker, "turns")) > 0);
		json_decref(answer);
	}
	metrics = metrics_text(&daemon_under_test);
	busy = strtod(strstr(metrics, label) + strlen(label), NULL);
	assert_true(busy > 0 && busy < 1.3);
	free(metrics);
}

static void
times(void **state)
{
	char text[STATE_TIME_SIZE];
	struct timespec now;
	uint64_t wall;

	(void)state;
	assert_string_equal(state_time(UINT64_C(1795348800123456789), text),
		"2026-11-22T12:00:00.123456+00:00");
	assert_string_equal(state_time(0, text), "1970-01-01T00:00:00.000000+00:00");
	clock_gettime(CLOCK_REALTIME, &now);
	wall = state_wall_clock(&daemon_under_test, lab_time - 90 * SECOND);
	assert_in_range(wall / SECOND, (uint64_t)now.tv_sec - 91, (uint64_t)now.tv_sec - 30);
}

/* ---- routers -----------------------------------------------------------------------------------
 */

static const char routed_yaml[] =
	"networks: { red: { switches: { lan: {} }, routers: { r: { description: The way out., "
	"icmp-rate: 1000, ports: { p0: { description: Offices., switch: lan, ip: 10.0.0.1/24 }, "
	"p3: { ip: 10.3.0.1/24 } }, routes: { "
	"172.16.0.0/12: { via: 10.0.0.9, description: Factory. }, "
	"192.0.2.0/24: { via: 10.3.0.9 } } } } } }";

static void
detach_port(const struct bench_router *router, unsigned port)
{
	struct weft_change *change = weft_change_begin(lab);

	weft_detach(change, router->ports[port]);
	lab_commit(change);
}

static void
routers_and_their_ports(void **state)
{
	struct weft_router_port_config like = { .urpf = WEFT_URPF_STRICT };
	struct bench_router router = lab_router("red", &like);
	const char *one[] = { "10.1.0.9" };
	char mac[STATE_TIME_SIZE];
	json_t *answer;

	(void)state;
	configure(routed_yaml);
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, one, 1, 0);
	know(&router, 1, 7, 4);
	know(&router, 2, 7, 6);
	/* four networks of each family, a static one; 10.1.0.9, which is a gateway, and two more */
	ONE_HAS(ASK(.kind = "routers", .name = "red/r"),
		"{\"name\": \"red/r\", \"network\": \"red\", \"description\": \"The way out.\","
		" \"ports\": 4, \"routes4\": 5, \"routes6\": 4, \"neighbors\": 3,"
		" \"icmp-rate\": 1000}");
	ONE_HAS(ASK(.kind = "networks"), "{\"neighbors\": 2, \"neighbor-limit\": 16384}");
	leaves_are(ASK(.kind = "switches"), "name", "");
	answer = ASK(.kind = "ports", .name = "red/r:p0");
	HAS(json_array_get(answer, 0),
		"{\"name\": \"red/r:p0\", \"device\": \"r\", \"description\": \"Offices.\","
		" \"attachment\": \"nic\", \"to\": \"red/n0\", \"urpf\": \"strict\", \"mtu\": "
		"1500}");
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", router.macs[0][0],
		router.macs[0][1], router.macs[0][2], router.macs[0][3], router.macs[0][4],
		router.macs[0][5]);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(answer, 0), "mac")), mac);
	json_decref(answer);
	answer = ASK(.kind = "ports", .name = "red/r:p1");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(json_array_get(answer, 0), "addresses"), 1)),
		"2001:db8:1::1/64");
	json_decref(answer);
}

/* Its ways, one after another: gateway, port, state, usable, backup. */
static void
ways_are(json_t *answer, const char *wanted)
{
	char text[512] = "";
	json_t *hop;
	size_t i;

	assert_int_equal(json_array_size(answer), 1);
	json_array_foreach(json_object_get(json_array_get(answer, 0), "next-hops"), i, hop)
	{
		const char *gateway = json_string_value(json_object_get(hop, "gateway"));
		const char *neighbor = json_string_value(json_object_get(hop, "state"));

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s %s%s%s",
			i > 0 ? ", " : "", gateway != NULL ? gateway : "-",
			json_string_value(json_object_get(hop, "port")),
			neighbor != NULL ? neighbor : "-",
			json_is_true(json_object_get(hop, "usable")) ? "" : " unusable",
			json_is_true(json_object_get(hop, "backup")) ? " backup" : "");
	}
	assert_string_equal(text, wanted);
	json_decref(answer);
}

static void
routes_and_why_not(void **state)
{
	struct bench_router router = lab_router("red", NULL);
	const char *two[] = { "10.1.0.9", "10.2.0.9" }, *gone[] = { "10.3.0.9" };

	(void)state;
	configure(routed_yaml);
	know(&router, 1, 9, 4);
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, two, 1, 1);
	set_route(&router, "10.0.0.0/24", WEFT_ROUTE_FORWARD, two, 1, 0);
	set_route(&router, "192.0.2.0/24", WEFT_ROUTE_FORWARD, gone, 1, 0);
	set_route(&router, "198.51.100.0/24", WEFT_ROUTE_PROHIBIT, NULL, 0, 0);
	detach_port(&router, 3);
	ONE_HAS(ASK(.kind = "routes", .prefix = "172.16.0.0/12"),
		"{\"network\": \"red\", \"router\": \"red/r\", \"prefix\": \"172.16.0.0/12\","
		" \"description\": \"Factory.\", \"source\": \"static\", \"type\": \"forward\","
		" \"preference\": 1, \"metric\": 0, \"selected\": true, \"reason\": null}");
	ways_are(ASK(.kind = "routes", .prefix = "172.16.0.0/12"),
		"10.1.0.9 red/r:p1 reachable, 10.2.0.9 red/r:p2 none backup");
	ways_are(ASK(.kind = "routes", .prefix = "10.1.0.0/24"), "- red/r:p1 -");
	ONE_HAS(ASK(.kind = "routes", .prefix = "192.0.2.0/24"),
		"{\"selected\": false, \"reason\": \"nothing that is attached leads to 10.3.0.9\","
		" \"next-hops\": []}");
	ONE_HAS(ASK(.kind = "routes", .prefix = "198.51.100.0/24"),
		"{\"type\": \"prohibit\", \"selected\": true, \"next-hops\": []}");
	leaves_are(ASK(.kind = "routes", .prefix = "10.0.0.0/24"), "source", "connected static");
	leaves_are(ASK(.kind = "routes", .prefix = "10.0.0.0/24", .router = "red/r"), "reason",
		"0 a connected route, of preference 0, goes before");
	/* the longest */
	ONE_HAS(ASK(.kind = "routes", .address = "172.31.0.1"), "{\"prefix\": \"172.16.0.0/12\"}");
	ONE_HAS(ASK(.kind = "routes", .address = "10.1.0.1"),
		"{\"prefix\": \"10.1.0.1/32\", \"source\": \"local\"}");
	leaves_are(ASK(.kind = "routes", .address = "192.0.2.1"), "prefix", "");
	set_route(&router, "0.0.0.0/0", WEFT_ROUTE_BLACKHOLE, NULL, 0, 0);
	set_route(&router, "::/0", WEFT_ROUTE_BLACKHOLE, NULL, 0, 0);
	leaves_are(ASK(.kind = "routes", .address = "192.0.2.1"), "prefix", "0.0.0.0/0");
	leaves_are(ASK(.kind = "routes", .address = "::1"), "prefix", "::/0");
	leaves_are(ASK(.kind = "routes", .address = "2001:db8:1::77"), "prefix", "2001:db8:1::/64");
	leaves_are(ASK(.kind = "routes", .port = "red/r:p1", .family = "4"), "prefix",
		"10.0.0.0/24 10.1.0.0/24 10.1.0.1/32 10.1.0.255/32 172.16.0.0/12");
	leaves_are(ASK(.kind = "routes", .port = "red/r:p3", .family = "6"), "prefix",
		"2001:db8:3::/128 2001:db8:3::1/128");
	/* who does not answer is not usable */
	put_udp(&router, 0, 5, "172.16.0.1");
	lab_wait(NEIGHBOUR_REACHABLE_S + 2);
	put_udp(&router, 0, 5, "172.16.0.1");
	lab_wait(NEIGHBOUR_DELAY_S + NEIGHBOUR_TRIES + 2);
	ways_are(ASK(.kind = "routes", .prefix = "172.16.0.0/12"),
		"10.1.0.9 red/r:p1 failed unusable, 10.2.0.9 red/r:p2 none backup");
	quiet(&router);
}

static void
neighbors_and_their_filters(void **state)
{
	struct bench_router router = lab_router("red", NULL), other = lab_router("blue", NULL);
	const char *one[] = { "10.1.0.9" };

	(void)state;
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, one, 1, 0);
	know(&router, 1, 10, 4);
	know(&router, 1, 2, 4);
	know(&router, 1, 2, 6);
	know(&router, 0, 7, 4);
	know(&other, 0, 7, 4);
	lab_wait(4);
	put_udp(&router, 0, 5, "10.2.0.3");
	leaves_are(ASK(.kind = "neighbors", .network = "red"), "address",
		"10.0.0.7 10.1.0.2 10.1.0.9 10.1.0.10 2001:db8:1::2 10.2.0.3");
	leaves_are(
		ASK(.kind = "neighbors"), "router", "blue/r red/r red/r red/r red/r red/r red/r");
	leaves_are(ASK(.kind = "neighbors", .router = "blue/r"), "port", "blue/r:p0");
	leaves_are(ASK(.kind = "neighbors", .port = "red/r:p2"), "state", "incomplete");
	leaves_are(ASK(.kind = "neighbors", .address = "10.0.0.7"), "network", "blue red");
	ONE_HAS(ASK(.kind = "neighbors", .mac = "02:00:00:00:01:0a"),
		"{\"network\": \"red\", \"router\": \"red/r\", \"port\": \"red/r:p1\","
		" \"address\": \"10.1.0.10\", \"mac\": \"02:00:00:00:01:0a\","
		" \"state\": \"reachable\", \"age\": 4, \"heard\": 4, \"is-router\": false,"
		" \"gateway\": false}");
	ONE_HAS(ASK(.kind = "neighbors", .address = "10.1.0.9"),
		"{\"mac\": null, \"state\": \"none\", \"heard\": null, \"gateway\": true}");
	quiet(&router);
}

/* Peerings are in both networks, once; a router's place on a switch is no link. */
static void
links_of_routers(void **state)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network *red = weft_network_add(change, "red", NULL);
	struct weft_network *blue = weft_network_add(change, "blue", NULL);
	struct weft_device *lan = weft_switch_add(change, red, "lan", NULL);
	struct weft_device *r[3] = { weft_router_add(change, red, "r1", NULL),
		weft_router_add(change, blue, "r1", NULL),
		weft_router_add(change, red, "r2", NULL) };
	struct weft_router_port_config port = { 0 };

	(void)state;
	weft_peer(change, weft_router_port_add(change, r[0], "x", &port),
		weft_router_port_add(change, r[1], "x", &port));
	weft_link(change, weft_router_port_add(change, r[0], "lan", &port),
		weft_switch_port_add(change, lan, "r1.lan", NULL));
	weft_link(change, weft_router_port_add(change, r[0], "up", &port),
		weft_router_port_add(change, r[2], "up", &port));
	weft_link(change, weft_router_port_add(change, r[2], "lan", &port),
		weft_switch_port_add(change, lan, "named", NULL));
	lab_commit(change);
	configure("networks: { red: { switches: { lan: { ports: { named: {} } } }, routers: { "
		  "r2: { ports: { lan: {} } } }, "
		  "links: [ { name: wire, ends: [ r2:lan, lan:named ] } ] } }");
	leaves_are(ASK(.kind = "links"), "name", "blue/r1:x~red/r1:x red/r1:up~r2:up red/wire");
	leaves_are(ASK(.kind = "links", .network = "red"), "name",
		"blue/r1:x~red/r1:x red/r1:up~r2:up red/wire");
	leaves_are(ASK(.kind = "links", .network = "blue"), "name", "blue/r1:x~red/r1:x");
	ONE_HAS(ASK(.kind = "links", .name = "blue/r1:x~red/r1:x"),
		"{\"network\": \"blue\", \"ends\": [\"blue/r1:x\", \"red/r1:x\"]}");
	ONE_HAS(ASK(.kind = "ports", .name = "red/r1:x"),
		"{\"attachment\": \"link\", \"to\": \"blue/r1:x\"}");
	ONE_HAS(ASK(.kind = "ports", .name = "red/r1:lan"),
		"{\"attachment\": \"link\", \"to\": \"red/lan:r1.lan\"}");
}

static void
wrong_questions_about_routers(void **state)
{
	struct bench_router router = lab_router("red", NULL);

	(void)state;
	lab_switch(router.network, "lan", NULL, 0, NULL);
	REFUSED(ENOENT, "there is no router 'red/lan'", .kind = "routers", .name = "red/lan");
	REFUSED(ENOENT, "there is no router 'red/r2'; did you mean 'red/r'?", .kind = "routes",
		.router = "red/r2");
	REFUSED(ENOENT, "there is no port 'red/r:p9'; did you mean 'red/r:p0'?",
		.kind = "neighbors", .port = "red/r:p9");
	REFUSED(EINVAL, "'r' does not name a router as NETWORK/ROUTER", .kind = "routers",
		.name = "r");
	REFUSED(EINVAL, "routes have no names: limit them by port or router", .kind = "routes",
		.name = "red/r");
	REFUSED(EINVAL, "neighbors cannot be limited by prefix", .kind = "neighbors",
		.prefix = "10.0.0.0/8");
	REFUSED(EINVAL, "'10.0.0.0' is not a prefix like 10.0.0.0/8", .kind = "routes",
		.prefix = "10.0.0.0");
	REFUSED(EINVAL, "'10.0.0.256' is not an address of IPv4 or IPv6", .kind = "routes",
		.address = "10.0.0.256");
	REFUSED(EINVAL, "'5' is not a family: they are 4 and 6", .kind = "routes", .family = "5");
}

/* ---- what is refused ---------------------------------------------------------------------------
 */

static void
wrong_questions(void **state)
{
	struct weft_network *red = lab_network("red", 0);

	(void)state;
	lab_switch(red, "lan", NULL, 2, NULL);
	lab_network("blue", 0);
	REFUSED(ENOENT, "there are no objects 'prots'; did you mean 'ports'?", .kind = "prots");
	REFUSED(ENOENT, "there are no objects 'elephants'", .kind = "elephants");
	REFUSED(ENOENT, "there is no network 'rde'; did you mean 'red'?", .kind = "ports",
		.network = "rde");
	REFUSED(ENOENT, "there is no network 'rde'; did you mean 'red'?", .kind = "networks",
		.name = "rde");
	REFUSED(ENOENT, "there is no switch 'red/lna'; did you mean 'red/lan'?", .kind = "switches",
		.name = "red/lna");
	REFUSED(ENOENT, "there is no switch 'blue/lan'", .kind = "macs", .device = "blue/lan");
	REFUSED(ENOENT, "there is no port 'red/lan:p01'; did you mean 'red/lan:p0'?",
		.kind = "ports", .name = "red/lan:p01");
	REFUSED(ENOENT, "there is no port 'red/lan:px'; did you mean 'red/lan:p0'?",
		.kind = "drops", .port = "red/lan:px");
	REFUSED(ENOENT, "there is no nic 'red/lam-1'; did you mean 'red/lan-1'?", .kind = "nics",
		.name = "red/lam-1");
	REFUSED(ENOENT, "there is no uplink 'wire'", .kind = "uplinks", .name = "wire");
	REFUSED(ENOENT, "there is no link 'red/x'", .kind = "links", .name = "red/x");
	REFUSED(EINVAL, "'lan:p0' does not name a port as NETWORK/DEVICE:PORT", .kind = "ports",
		.name = "lan:p0");
	REFUSED(EINVAL, "'red/lan' does not name a port as NETWORK/DEVICE:PORT", .kind = "macs",
		.port = "red/lan");
	REFUSED(EINVAL, "'red/lan:' does not name a port as NETWORK/DEVICE:PORT", .kind = "ports",
		.name = "red/lan:");
	REFUSED(EINVAL, "'web' does not name a nic as NETWORK/NIC", .kind = "nics", .name = "web");
	REFUSED(EINVAL, "'' does not name a network", .kind = "ports", .network = "");
	REFUSED(EINVAL, "ports cannot be limited by vlan", .kind = "ports", .vlan = "1");
	REFUSED(EINVAL, "uplinks cannot be limited by network", .kind = "uplinks",
		.network = "red");
	REFUSED(EINVAL, "macs have no names: limit them by port or switch", .kind = "macs",
		.name = "red");
	REFUSED(EINVAL, "there is one system, without a name", .kind = "system", .name = "x");
	REFUSED(EINVAL, "'4095' is not a VLAN: they are 1 to 4094", .kind = "macs", .vlan = "4095");
	REFUSED(EINVAL, "'-1' is not a VLAN: they are 1 to 4094", .kind = "macs", .vlan = "-1");
	REFUSED(EINVAL, "'02:00' is not a MAC address like 02:00:00:00:00:0a", .kind = "macs",
		.mac = "02:00");
	REFUSED(EINVAL, "there is no reason to drop called 'too-lng'; did you mean 'too-long'?",
		.kind = "drops", .reason = "too-lng");
}

/* ---- metrics -----------------------------------------------------------------------------------
 */

static bool
is_name(char character)
{
	return (character >= 'a' && character <= 'z') || character == '_';
}

/* Past {a="b",c="d"}: names, quotes and escapes must be right. */
static const char *
past_labels(const char *at)
{
	do {
		const char *begin = ++at;

		while (is_name(*at))
			at++;
		assert_true(at > begin && at[0] == '=' && at[1] == '"');
		for (at += 2; *at != '"'; at++) {
			assert_true(*at != '\n' && *at != '\0');
			if (*at == '\\' && *++at != '\\' && *at != '"')
				assert_int_equal(*at, 'n');
		}
		at++;
	} while (*at == ',');
	assert_int_equal(*at, '}');
	return at + 1;
}

/* The whole text is of the format; each metric comes once, told before, and rightly named. */
static void
check_metrics(const char *text)
{
	char name[128] = "", type[16], seen[8192] = "";

	while (*text != '\0') {
		char found[128] = "";
		const char *end;
		size_t length;

		if (strncmp(text, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(text, "# HELP %127[a-z_] ", name), 1);
			snprintf(found, sizeof(found), " %s ", name);
			assert_null(strstr(seen, found));
			assert_true(strlen(seen) + strlen(found) < sizeof(seen));
			strcat(seen, found);
			text = strchr(text, '\n') + 1;
			assert_int_equal(
				sscanf(text, "# TYPE %127[a-z_] %15[a-z]\n", found, type), 2);
			assert_string_equal(found, name);
			length = strlen(name);
			assert_int_equal(strcmp(type, "counter") == 0,
				length > 6 && strcmp(name + length - 6, "_total") == 0);
			assert_int_equal(strcmp(type, "counter") != 0, strcmp(type, "gauge") == 0);
			text = strchr(text, '\n') + 1;
			continue;
		}
		length = strlen(name);
		assert_memory_equal(text, name, length);
		text += length;
		if (*text == '{')
			text = past_labels(text);
		assert_int_equal(*text, ' ');
		strtod(text + 1, (char **)&end);
		assert_true(end > text + 1 && *end == '\n');
		text = end + 1;
	}
}

static void
said(const char *text, const char *line)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "\n%s", line);
	if (strstr(text, whole) == NULL)
		fail_msg("\"%s\" is not in\n%s", line, text);
}

static void
metrics_are_as_prometheus_wants_them(void **state)
{
	struct weft_network *odd = lab_network("o\"d\\d\n", 50);
	struct bench_switch lan = lab_switch(odd, "lan", NULL, 2, NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_nic *wire = weft_nic_add(change, NULL, "wire", &lab_nic_config);
	char *text;

	(void)state;
	lab_commit(change);
	lab_send(lan.nics[0], BROADCAST, 1, NO_TAG);
	lab_send(lan.nics[0], BROADCAST, BROADCAST, NO_TAG);
	lab_send(wire, BROADCAST, 1, 9);
	lan.nics[1]->status = NIC_STATUS_DEGRADED;
	config.status = (struct config_status){ 3, 3, 10 };
	text = metrics_text(&daemon_under_test);
	check_metrics(text);
#define ODD "network=\"o\\\"d\\\\d\\n\""
	said(text, "weft_build_info{version=\"" WEFT_VERSION "\"} 1\n");
	said(text, "weft_port_in_packets_total{" ODD ",device=\"lan\",port=\"p0\"} 2\n");
	said(text, "weft_port_in_bytes_total{" ODD ",device=\"lan\",port=\"p0\"} 120\n");
	said(text, "weft_port_out_packets_total{" ODD ",device=\"lan\",port=\"p1\"} 1\n");
	said(text, "weft_port_out_bytes_total{" ODD ",device=\"lan\",port=\"p1\"} 60\n");
	said(text, "weft_port_dropped_packets_total{" ODD
		   ",device=\"lan\",port=\"p0\",reason=\"bad-source-mac\"} 1\n");
	said(text, "weft_nic_status{" ODD ",nic=\"lan-0\",status=\"up\"} 1\n");
	said(text, "weft_nic_status{" ODD ",nic=\"lan-1\",status=\"up\"} 0\n");
	said(text, "weft_nic_status{" ODD ",nic=\"lan-1\",status=\"degraded\"} 1\n");
	said(text, "weft_uplink_status{uplink=\"wire\",status=\"up\"} 1\n");
	said(text,
		"weft_uplink_dropped_packets_total{uplink=\"wire\",reason=\"unknown-vlan\"} 1\n");
	said(text, "weft_network_macs{" ODD "} 1\n");
	said(text, "weft_network_mac_limit{" ODD "} 50\n");
	said(text, "weft_switch_macs{" ODD ",switch=\"lan\"} 1\n");
	said(text, "weft_switch_mac_limit{" ODD ",switch=\"lan\"} 8192\n");
	said(text, "weft_worker_packets_total{worker=\"0\"} ");
	said(text, "weft_worker_busy_seconds_total{worker=\"0\"} ");
	said(text, "weft_configuration_number 3\n");
	said(text, "weft_configuration_unconfirmed 1\n");
	said(text, "weft_uptime_seconds ");
	free(text);
	lan.nics[1]->status = NIC_STATUS_UP;
	lab_drain(lan.nics[1]);
}

static void
metrics_of_routers(void **state)
{
	struct bench_router router = lab_router("red", NULL);
	const char *one[] = { "10.1.0.9" };
	char *text;

	(void)state;
	lab_network("blue", 0);
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, one, 1, 0);
	know(&router, 2, 7, 6);
	text = metrics_text(&daemon_under_test);
	check_metrics(text);
	said(text, "weft_network_routers{network=\"red\"} 1\n");
	said(text, "weft_network_routers{network=\"blue\"} 0\n");
	said(text, "weft_network_routes{network=\"red\",family=\"4\"} 5\n");
	said(text, "weft_network_routes{network=\"red\",family=\"6\"} 4\n");
	said(text, "weft_network_neighbors{network=\"red\"} 1\n");
	said(text, "weft_network_neighbor_limit{network=\"red\"} 16384\n");
	said(text, "weft_port_out_packets_total{network=\"red\",device=\"r\",port=\"p0\"} ");
	free(text);
}

/* ---- while it changes --------------------------------------------------------------------------
 */

static _Atomic bool stop_reading;

#define FURTHER 60 /* switches, so that a commit takes its time */

/* All or nothing of a change: the network comes and goes with all that is in it. */
static void *
read_all(void *rounds)
{
	static const char *const kinds[] = { "networks", "switches", "ports", "nics", "uplinks",
		"links", "macs", "drops" };

	while (!atomic_load(&stop_reading)) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			struct state_query query = { .kind = kinds[i] };
			json_t *answer = state_read(&daemon_under_test, &query, NULL);
			size_t count = json_array_size(answer);

			if (answer == NULL || (i == 0 && count > 1) ||
				(i == 1 && count != 0 && count != 2 + FURTHER) ||
				(i == 2 && count != 0 && count != 5 + FURTHER))
				abort();
			json_decref(answer);
		}
		free(metrics_text(&daemon_under_test));
		(*(unsigned *)rounds)++;
	}
	return NULL;
}

/* The same by a look at the objects themselves, as often as can be. */
static void *
look_all(void *argument)
{
	const struct weft_network *network;
	const struct weft_device *device;
	const struct weft_vport *vport;

	(void)argument;
	while (!atomic_load(&stop_reading)) {
		weft_objects_lock(lab);
		TAILQ_FOREACH(network, &lab->networks, entry)
		{
			unsigned devices = 0;

			TAILQ_FOREACH(device, &network->devices, entry)
			{
				devices++;
				TAILQ_FOREACH(vport, &device->vports, entry)
				if (vport->live == NULL)
					abort();
			}
			if (devices != 2 + FURTHER)
				abort();
		}
		weft_objects_unlock(lab);
		sched_yield();
	}
	return NULL;
}

static void
change_all(unsigned round)
{
	struct weft_switch_config switch_config = { .ageing_s = 100 + round };
	struct weft_switch_port_config port_config = { .access = 7 };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network *red = weft_network_add(change, "red", NULL);
	struct weft_device *lan = weft_switch_add(change, red, "lan", NULL);
	struct weft_device *core = weft_switch_add(change, red, "core", NULL);
	struct weft_vport *a = weft_switch_port_add(change, lan, "a", NULL);
	struct weft_vport *web = weft_switch_port_add(change, lan, "web", NULL);
	struct weft_vport *wire = weft_switch_port_add(change, lan, "wire", NULL);
	struct weft_vport *b = weft_switch_port_add(change, core, "b", NULL);
	struct weft_nic *nic = weft_nic_add(change, red, "web", &lab_nic_config);
	struct weft_nic *uplink = weft_nic_add(change, NULL, "wire", &lab_nic_config);
	struct weft_nic_config nic_config = { .kind = WEFT_NIC_MEMORY, .mtu = 2000 };
	char name[16];

	weft_switch_port_add(change, core, "c", NULL);
	for (unsigned i = 0; i < FURTHER; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		weft_switch_port_add(change, weft_switch_add(change, red, name, NULL), "p", NULL);
	}
	weft_link(change, a, b);
	weft_attach(change, web, nic);
	weft_attach_uplink(change, wire, uplink, 0);
	lab_commit(change);
	lab_send(nic, BROADCAST, 1 + round, NO_TAG);
	change = weft_change_begin(lab);
	weft_switch_update(change, lan, &switch_config);
	weft_switch_port_update(change, web, &port_config);
	weft_nic_update(change, nic, &nic_config);
	lab_commit(change);
	lab_send(nic, BROADCAST, 1 + round, 7);
	change = weft_change_begin(lab);
	weft_network_remove(change, red);
	weft_nic_remove(change, uplink);
	lab_commit(change);
}

static void
readers_do_not_mind_changes(void **state)
{
	unsigned rounds = 0;
	pthread_t reader, looker;

	(void)state;
	atomic_store(&stop_reading, false);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &rounds), 0);
	assert_int_equal(pthread_create(&looker, NULL, look_all, NULL), 0);
	for (unsigned i = 0; i < 400; i++)
		change_all(i);
	atomic_store(&stop_reading, true);
	pthread_join(reader, NULL);
	pthread_join(looker, NULL);
	assert_true(rounds > 0);
}

static void *
read_routers(void *rounds)
{
	static const char *const kinds[] = { "routers", "routes", "neighbors", "ports", "links" };

	while (!atomic_load(&stop_reading)) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			struct state_query query = { .kind = kinds[i] };
			json_t *answer = state_read(&daemon_under_test, &query, NULL);

			if (answer == NULL)
				abort();
			json_decref(answer);
		}
		free(metrics_text(&daemon_under_test));
		(*(unsigned *)rounds)++;
	}
	return NULL;
}

/* Ports, routes, groups of next hops and neighbours come and go; nobody reads what is gone. */
static void
change_routers(void)
{
	struct bench_router router = lab_router("red", NULL);
	const char *gateways[] = { "10.1.0.9", "10.2.0.9", "10.3.0.9" };
	struct weft_change *change;

	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, gateways, 2, 1);
	for (unsigned i = 0; i < 20; i++)
		know(&router, i % ROUTER_PORTS, 10 + i, i & 1 ? 6 : 4);
	put_udp(&router, 0, 5, "172.16.0.1");
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, gateways + 1, 1, 1);
	change = weft_change_begin(lab);
	weft_vport_remove(change, router.ports[2]);
	lab_commit(change);
	lab_wait(1);
	change = weft_change_begin(lab);
	weft_network_remove(change, router.network);
	lab_commit(change);
	lab_wait(1);
}

static void
readers_do_not_mind_routers_that_change(void **state)
{
	unsigned rounds = 0;
	pthread_t reader;

	(void)state;
	configure(routed_yaml);
	atomic_store(&stop_reading, false);
	assert_int_equal(pthread_create(&reader, NULL, read_routers, &rounds), 0);
	for (unsigned i = 0; i < 300; i++)
		change_routers();
	atomic_store(&stop_reading, true);
	pthread_join(reader, NULL);
	assert_true(rounds > 0);
}

/* ---- many --------------------------------------------------------------------------------------
 */

#define MANY 10000

/* Of this thread's own work. */
static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
configure_many(void)
{
	char *yaml = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&yaml, &size);

	fputs("networks:\n  red:\n    switches:\n", out);
	for (unsigned i = 0; i < MANY; i++)
		fprintf(out, "      s%u: { ports: { p1: { description: One. }, p2: {} } }\n", i);
	assert_int_equal(fclose(out), 0);
	configure(yaml);
	free(yaml);
}

static void
many_are_no_burden(void **state)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network *red = weft_network_add(change, "red", NULL);
	char name[32], *text;
	double begin;
	json_t *answer;

	(void)state;
	configure_many();
	for (unsigned i = 0; i < MANY; i++) {
		struct weft_device *device;

		snprintf(name, sizeof(name), "s%u", (i * 7919) % MANY);
		device = weft_switch_add(change, red, name, NULL);
		weft_switch_port_add(change, device, "p1", NULL);
		weft_switch_port_add(change, device, "p2", NULL);
	}
	lab_commit(change);
	begin = seconds_now();
	answer = ASK(.kind = "ports");
	print_message("%u ports: %.3f s\n", 2 * MANY, seconds_now() - begin);
	assert_true(seconds_now() - begin < 5); /* of sanitizer builds, too */
	assert_int_equal(json_array_size(answer), 2 * MANY);
	HAS(json_array_get(answer, 4), "{\"name\": \"red/s2:p1\", \"description\": \"One.\"}");
	HAS(json_array_get(answer, 5), "{\"name\": \"red/s2:p2\"}");
	HAS(json_array_get(answer, 2 * MANY - 1), "{\"name\": \"red/s9999:p2\"}");
	json_decref(answer);
	begin = seconds_now();
	ONE_HAS(ASK(.kind = "ports", .name = "red/s7777:p1"), "{\"device\": \"s7777\"}");
	REFUSED(ENOENT, "there is no switch 'red/s77777'; did you mean 'red/s7777'?",
		.kind = "ports", .name = "red/s77777:p1");
	print_message("one of them, and one that is not: %.3f s\n", seconds_now() - begin);
	begin = seconds_now();
	text = metrics_text(&daemon_under_test);
	print_message("metrics of %zu bytes: %.3f s\n", strlen(text), seconds_now() - begin);
	assert_true(seconds_now() - begin < 5);
	free(text);
}

#define MANY_ROUTES 100000

static void
many_routes_are_no_burden(void **state)
{
	struct bench_router router = lab_router("red", NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_hop hop = { .gateway = prefix_of("10.1.0.9") };
	struct weft_route route = { .hops = &hop, .n_hops = 1 };
	double begin;
	json_t *answer;

	(void)state;
	for (unsigned i = 0; i < MANY_ROUTES; i++) {
		route.prefix = prefix_of("100.0.0.0/24");
		route.prefix.address[0] = (uint8_t)(100 + (i >> 16));
		route.prefix.address[1] = (uint8_t)(i >> 8);
		route.prefix.address[2] = (uint8_t)i;
		weft_router_route_set(change, router.device, &route);
	}
	lab_commit(change);
	begin = seconds_now();
	answer = ASK(.kind = "routes");
	print_message("%u routes: %.3f s\n", MANY_ROUTES, seconds_now() - begin);
	assert_true(seconds_now() - begin < 5); /* of sanitizer builds, too */
	assert_in_range(json_array_size(answer), MANY_ROUTES, MANY_ROUTES + 50);
	json_decref(answer);
	begin = seconds_now();
	ONE_HAS(ASK(.kind = "routes", .address = "101.0.1.7"), "{\"prefix\": \"101.0.1.0/24\"}");
	ONE_HAS(ASK(.kind = "routers"), "{\"routes4\": 100004}");
	print_message("one of them, and how many: %.3f s\n", seconds_now() - begin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
#define ROUTED(name) cmocka_unit_test_setup_teardown(name, open_all, close_routed)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_an_empty_list),
		TEST(networks_and_switches),
		TEST(ports_and_what_they_carry),
		TEST(names_are_sorted_as_people_do),
		TEST(traffic_is_seen_from_both_sides),
		TEST(nics_as_they_are_and_as_configured),
		TEST(degraded_says_why),
		TEST(a_tap_that_is_not_there_is_shown_as_configured),
		TEST(uplinks_with_their_vlans),
		TEST(links_by_their_configured_names),
		TEST(macs_and_their_filters),
		TEST(a_loop_is_told),
		TEST(drops_by_place_and_reason),
		TEST(history_newest_first),
		TEST(the_system),
		TEST(workers_by_their_numbers),
		cmocka_unit_test_setup_teardown(
			a_worker_that_sleeps_is_not_busy, open_with_worker, close_all),
		TEST(times),
		TEST(wrong_questions),
		TEST(metrics_are_as_prometheus_wants_them),
		TEST(readers_do_not_mind_changes),
		TEST(many_are_no_burden),
		ROUTED(routers_and_their_ports),
		ROUTED(metrics_of_routers),
		ROUTED(routes_and_why_not),
		ROUTED(neighbors_and_their_filters),
		ROUTED(links_of_routers),
		ROUTED(wrong_questions_about_routers),
		ROUTED(readers_do_not_mind_routers_that_change),
		ROUTED(many_routes_are_no_burden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
