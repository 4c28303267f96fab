/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewalls: what a right file becomes, that all that is wrong is told, and how they differ. */
#include "firewall/firewall_config.h"
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libyang/libyang.h>

static struct model *model;

/* Line 1 to 9; what follows is in firewall fw. */
#define BEFORE \
	"networks:\n" \
	"  red:\n" \
	"    switches: { lan: { ports: { fw: {} } } }\n" \
	"    routers: { r1: { ports: { lan: {}, dmz: {}, wan: {} } } }\n" \
	"    address-sets: { friends: { members: [10.0.0.0/8, 192.0.2.7, '2001:db8::/32'] } }\n" \
	"    port-sets: { web: { ports: [80, 443, 8000-8010] } }\n" \
	"    links: [ { ends: [lan:fw, fw:in] } ]\n" \
	"    firewalls:\n" \
	"      fw:\n"
#define PORTS "        ports: { in: {}, out: {} }\n"
#define RULE(text) BEFORE PORTS "        rules:\n          - { " text " }\n"
#define ROUTED(text) BEFORE "        router: r1\n        translations:\n          - { " text " }\n"
#define TRANSLATION(text) BEFORE PORTS "        translations:\n          - { " text " }\n"

static struct configuration *
load(const char *text)
{
	struct diagnostics diagnostics;
	struct configuration *configuration =
		configuration_from_yaml(model, "test.yaml", text, strlen(text), &diagnostics);

	diagnostics_print(&diagnostics, stderr, false);
	assert_int_equal(diagnostics.count, 0);
	assert_non_null(configuration);
	diagnostics_free(&diagnostics);
	return configuration;
}

static const struct lyd_node *
firewall_of(const struct configuration *configuration)
{
	const struct lyd_node *node =
		model_entry(configuration_child(configuration, "networks"), "firewalls", "fw");

	assert_non_null(node);
	return node;
}

/* ---- what a right file becomes --------------------------------------------------------------- */

static void
rules_become_those_of_the_library(void **state)
{
	struct configuration *configuration = load(BEFORE PORTS
		"        default: reject\n"
		"        timeouts: { udp: 1m, tcp: 1500ms }\n"
		"        policy-change: keep\n"
		"        invalid: judge\n"
		"        rules:\n"
		"          - { name: a, accept: arp }\n"
		"          - { name: b, drop: tcp, from: out, to: in, from-ip: [10.0.0.1, "
		"10.1.0.0/16], "
		"to-set: friends, from-port: 1024-65535, to-port: [80, 443], tcp-flags: [syn, "
		"'!ack'], "
		"dscp: 46, vlan: 7, from-mac: '02:00:00:00:00:00/FF:00:00:00:00:00', log: true, "
		"log-rate: 3 }\n"
		"          - { name: c, reject: icmp, icmp-type: [echo-request, 3/4], "
		"state: [new, invalid] }\n"
		"          - { name: d, accept: '47', stateless: true }\n"
		"          - { name: e, accept: any, ethertype: '0x88cc' }\n"
		"          - { name: f, accept: ip }\n"
		"          - { name: g, drop: '58', icmp-type: [redirect, echo-request/0] }\n"
		"          - { name: h, accept: tcp, timeout: 90s, limit: { connections: 100, "
		"per-source: 10, rate: 500/s, burst: 50, source-rate: 3/m } }\n"
		"          - { name: i, accept: udp, limit: { rate: 7/h }, from-port: 53, "
		"from-port-set: web, to-port-set: web }\n"
		"          - { name: j, accept: tcp, to-port: 80, syn-proxy: true, "
		"helper: ftp }\n");
	const struct lyd_node *node = firewall_of(configuration);
	struct weft_firewall_config config;
	struct arena memory = { 0 };
	unsigned count;
	struct weft_rule *rules = firewall_rules_read(&memory, node, &count), *b = &rules[1];

	(void)state;
	firewall_config_read(node, &config);
	assert_int_equal(config.otherwise, WEFT_RULE_REJECT);
	assert_int_equal(config.udp_timeout, 60);
	assert_int_equal(config.tcp_timeout, 2);
	assert_int_equal(config.connection_limit, 262144);
	assert_true(config.keep && config.accept_invalid);
	assert_int_equal(count, 10);
	assert_true(rules[9].syn_proxy && !rules[0].syn_proxy);
	assert_int_equal(rules[9].helper, WEFT_HELPER_FTP);
	assert_int_equal(rules[0].helper, WEFT_HELPER_NONE);
	assert_int_equal(rules[0].fields, WEFT_RULE_ETHERTYPE);
	assert_int_equal(rules[0].ethertype, 0x0806);
	assert_string_equal(b->name, "b");
	assert_int_equal(b->action, WEFT_RULE_DROP);
	assert_int_equal(b->protocol, 6);
	assert_string_equal(b->from[0], "out");
	assert_string_equal(b->to[0], "in");
	assert_int_equal(b->n_from_ip, 2);
	assert_int_equal(b->from_ip[0].length, 32);
	assert_int_equal(b->from_ip[1].length, 16);
	assert_string_equal(b->to_set, "friends");
	assert_int_equal(b->from_port[0].last, 65535);
	assert_int_equal(b->to_port[1].first, 443);
	assert_int_equal(b->tcp_flags, 0x02);
	assert_int_equal(b->tcp_flags_mask, 0x12);
	assert_int_equal(b->dscp, 46);
	assert_int_equal(b->vlan, 7);
	assert_int_equal(b->from_mac_mask[0], 0xff);
	assert_int_equal(b->from_mac_mask[5], 0);
	assert_true(b->log);
	assert_int_equal(b->log_rate, 3);
	/* by its number it is ICMPv6 all the same, whose types they are */
	assert_int_equal(rules[6].icmp[0].type, 137);
	assert_int_equal(rules[6].icmp[1].type, 128);
	assert_int_equal(rules[6].icmp[1].code, 0);
	assert_int_equal(rules[2].family, 4);
	assert_int_equal(rules[2].icmp[0].type, 8);
	assert_int_equal(rules[2].icmp[1].code, 4);
	assert_int_equal(rules[2].states, WEFT_STATE_NEW | WEFT_STATE_INVALID);
	assert_int_equal(rules[3].protocol, 47);
	assert_true(rules[3].stateless);
	assert_int_equal(rules[4].ethertype, 0x88cc);
	assert_int_equal(rules[5].fields, WEFT_RULE_IP);
	assert_null(rules[5].limit);
	assert_int_equal(rules[7].timeout, 90);
	assert_int_equal(rules[7].limit->connections, 100);
	assert_int_equal(rules[7].limit->per_source, 10);
	assert_int_equal(rules[7].limit->rate.count, 500);
	assert_int_equal(rules[7].limit->rate.seconds, 1);
	assert_int_equal(rules[7].limit->rate.burst, 50);
	assert_int_equal(rules[7].limit->source_rate.count, 3);
	assert_int_equal(rules[7].limit->source_rate.seconds, 60);
	assert_int_equal(rules[7].limit->source_rate.burst, 0);
	assert_int_equal(rules[8].limit->rate.seconds, 3600);
	assert_int_equal(rules[8].limit->source_rate.count, 0);
	assert_string_equal(rules[8].from_port_set, "web");
	assert_string_equal(rules[8].to_port_set, "web");
	arena_free(&memory);
	configuration_free(configuration);
}

static void
translations_become_those_of_the_library(void **state)
{
	struct configuration *configuration = load(BEFORE PORTS
		"        translations:\n"
		"          - { name: a, source: [192.0.2.1, 192.0.2.8/30], from-ip: 10.0.0.0/8, "
		"ports: 2000-3000 }\n"
		"          - { name: b, destination: 10.0.0.10, protocol: tcp, to-ip: 192.0.2.1, "
		"to-port: 8080, port: 80, answer: true }\n"
		"          - { name: c, prefix: 10.1.0.0/24, outside: 198.51.100.0/24 }\n"
		"          - { name: d, masquerade: false, source: 192.0.2.2 }\n");
	struct arena memory = { 0 };
	unsigned count;
	struct weft_translation *list =
		firewall_translations_read(&memory, firewall_of(configuration), &count);

	(void)state;
	assert_int_equal(count, 4);
	assert_int_equal(list[3].kind, WEFT_TRANSLATE_SOURCE);
	assert_int_equal(list[0].kind, WEFT_TRANSLATE_SOURCE);
	assert_int_equal(list[0].n_addresses, 2);
	assert_int_equal(list[0].ports.last, 3000);
	assert_int_equal(list[0].match.n_from_ip, 1);
	assert_int_equal(list[1].kind, WEFT_TRANSLATE_DESTINATION);
	assert_int_equal(list[1].ports.first, 80);
	assert_int_equal(list[1].match.to_port[0].first, 8080);
	assert_true(list[1].answer);
	assert_int_equal(list[2].kind, WEFT_TRANSLATE_PREFIX);
	assert_int_equal(list[2].addresses[1].length, 24);
	arena_free(&memory);
	configuration_free(configuration);
}

static void
translations_of_a_router(void **state)
{
	static const char text[] =
		"networks:\n"
		"  red:\n"
		"    routers: { r1: { ports: { lan: {}, wan: {} } } }\n"
		"    firewalls:\n"
		"      fw:\n"
		"        router: r1\n"
		"        translations:\n"
		"          - { name: a, masquerade: true, to: wan, ports: 2000-3000, "
		"mapping: endpoint-independent, filtering: address, port-block: 256 }\n"
		"          - { name: b, source: 192.0.2.8/30, to: [wan, lan], to-ip: 10.9.0.0/16 "
		"}\n"
		"          - { name: c, destination: 10.0.0.10, to-ip: 192.0.2.1, answer: true }\n"
		"          - { name: d, prefix: 10.1.0.0/24, outside: 198.51.100.0/24, to: wan }\n";
	struct configuration *configuration = load(text);
	struct arena memory = { 0 };
	unsigned count, claims;
	struct weft_translation *list =
		firewall_translations_read(&memory, firewall_of(configuration), &count);
	struct weft_claim *claim =
		firewall_claims_read(&memory, firewall_of(configuration), &claims);

	(void)state;
	assert_int_equal(count, 4);
	assert_int_equal(list[0].kind, WEFT_TRANSLATE_MASQUERADE);
	assert_int_equal(list[0].n_addresses, 0);
	assert_true(list[0].endpoint_independent);
	assert_int_equal(list[0].filtering, WEFT_FILTER_ADDRESS);
	assert_false(list[1].endpoint_independent);
	assert_int_equal(list[0].port_block, 256);
	assert_int_equal(list[0].ports.first, 2000);
	assert_int_equal(list[1].match.n_to, 2);
	/* what is translated to, and whom it is for; not where else things go */
	assert_int_equal(claims, 3);
	assert_int_equal(claim[0].prefix.length, 30);
	assert_false(claim[0].everywhere);
	assert_int_equal(claim[1].prefix.length, 32);
	assert_true(claim[1].everywhere);
	assert_int_equal(claim[2].prefix.length, 24);
	arena_free(&memory);
	configuration_free(configuration);
}

/* Rules keep their order; what is default is left out. */
static void
it_is_written_as_it_is_read(void **state)
{
	static const char text[] =
		BEFORE "        router: r1\n"
		       "        zones: { inside: { ports: [lan, dmz] } }\n"
		       "        rules:\n"
		       "          - { name: z, accept: tcp, to: wan, to-port: [80, 8000-8010] }\n"
		       "          - { name: a, drop: any, from: inside, from-set: friends }\n"
		       "          - { name: l, accept: udp, to-port-set: web, timeout: 2h, "
		       "limit: { per-source: 7, rate: 10/m } }\n";
	struct configuration *first, *second;
	struct plan *plan;
	char *yaml, *again;

	(void)state;
	/* the link needs a port that this one has not */
	yaml = strdup(text);
	memcpy(strstr(yaml, "    links:"), "#", 1);
	first = load(yaml);
	free(yaml);
	yaml = configuration_to_yaml(first);
	assert_true(strstr(yaml, "name: z") < strstr(yaml, "name: a"));
	assert_non_null(strstr(yaml, "- { name: a, drop: any, from: inside, from-set: friends }"));
	second = load(yaml);
	again = configuration_to_yaml(second);
	assert_string_equal(yaml, again);
	plan = plan_make(first, second);
	assert_int_equal(plan->count, 0);
	assert_string_equal(firewall_zone_of(firewall_of(first), "dmz"), "inside");
	assert_string_equal(firewall_zone_of(firewall_of(first), "wan"), "wan");
	plan_free(plan);
	free(yaml);
	free(again);
	configuration_free(first);
	configuration_free(second);
}

/* ---- what is wrong -----------------------------------------------------------------------------
 */

static const struct {
	const char *yaml, *place, *message, *hint;
} wrong[] = {
	{ RULE("name: a"), "12:21", "rule 'a' says neither", "add accept:" },
	{ RULE("name: a, accept: any, drop: any"), "12:43", "has accept and drop", "two rules" },
	{ RULE("accept: any"), "12:13", "an entry with its name", NULL },
	{ RULE("name: a, accept: tpc"), "12:32", "'tpc' is no protocol", "'tcp'" },
	{ RULE("name: a, accept: '256'"), "12:33", "is no protocol", "number" },
	{ RULE("name: a, accept: any, from: dmz"), "12:43", "has no port 'dmz'", "in out" },
	{ RULE("name: a, accept: any, from-set: frends"), "12:47", "no address set 'frends'",
		"'friends'" },
	{ RULE("name: a, accept: icmp, to-port: 80"), "12:47", "to-port cannot stand beside",
		"tcp, udp" },
	{ RULE("name: a, accept: icmp, to-port-set: web"), "12:51",
		"to-port-set cannot stand beside", "tcp, udp" },
	{ RULE("name: a, accept: tcp, to-port-set: wep"), "12:50", "no port set 'wep'", "'web'" },
	{ RULE("name: a, accept: arp, from-ip: 10.0.0.1"), "12:46", "from-ip cannot stand",
		"ARP is not IP" },
	{ RULE("name: a, accept: icmpv6, from-ip: 10.0.0.1"), "12:49", "is IPv6, from-ip is not",
		NULL },
	{ RULE("name: a, accept: '58', from-ip: 10.0.0.1"), "12:47", "is IPv6, from-ip is not",
		NULL },
	{ RULE("name: a, drop: '1', to-ip: '2001:db8::1'"), "12:43", "is IPv4, to-ip is not",
		NULL },
	{ RULE("name: a, accept: tcp, from-ip: 10.0.0.1, to-ip: '2001:db8::1'"), "12:64",
		"nothing is both", "two rules" },
	{ RULE("name: a, accept: icmp, icmp-type: echo-reqest"), "12:49", "is no type of ICMP",
		"'echo-request'" },
	{ RULE("name: a, accept: udp, icmp-type: 8"), "12:48", "icmp-type cannot stand", "icmp" },
	{ RULE("name: a, accept: udp, tcp-flags: syn"), "12:48", "tcp-flags cannot stand", "tcp" },
	{ RULE("name: a, accept: tcp, tcp-flags: [syn, '!syn']"), "12:55", "set and not set",
		"remove" },
	{ RULE("name: a, accept: tcp, to-port: 90-80"), "12:46", "a port", NULL },
	{ RULE("name: a, accept: tcp, from-ip: 10.0.0.1/8"), "12:46", "host bits", "10.0.0.0/8" },
	{ RULE("name: a, accept: ip, ethertype: '0x0800'"), "12:48", "says the ethertype already",
		"any" },
	{ RULE("name: a, drop: any, stateless: true"), "12:46", "stateless says nothing",
		"remove" },
	{ RULE("name: a, accept: udp, syn-proxy: true"), "12:48", "syn-proxy cannot stand",
		"accept: tcp" },
	{ RULE("name: a, accept: udp, helper: ftp"), "12:45", "helper: ftp cannot stand",
		"accept: tcp" },
	{ RULE("name: a, accept: tcp, helper: tftp"), "12:45", "helper: tftp cannot stand",
		"accept: udp" },
	{ RULE("name: a, accept: udp, stateless: true, helper: tftp"), "12:62",
		"stateless makes none", "remove one" },
	{ RULE("name: a, drop: tcp, syn-proxy: true"), "12:46", "syn-proxy cannot stand",
		"accept: tcp" },
	{ RULE("name: a, accept: tcp, stateless: true, syn-proxy: true"), "12:65",
		"stateless does not", "remove one" },
	{ RULE("name: a, drop: tcp, limit: { connections: 5 }"), "12:35", "drop makes none",
		"with the rule that accepts" },
	{ RULE("name: a, accept: tcp, stateless: true, timeout: 5s"), "12:63",
		"a stateless rule makes none", NULL },
	{ RULE("name: a, accept: arp, limit: { rate: 5 }"), "12:37", "accept: arp makes none",
		NULL },
	{ RULE("name: a, accept: tcp, timeout: 5ms"), "12:46", "from 1s to 30d", NULL },
	{ RULE("name: a, accept: tcp, limit: { rate: 5/d }"), "12:52", "10/m", NULL },
	{ RULE("name: a, accept: tcp, limit: { rate: 1000001 }"), "12:52", "at most 1000000",
		NULL },
	{ RULE("name: a, accept: tcp, limit: { source-burst: 3 }"), "12:60",
		"source-burst without source-rate", "add source-rate" },
	{ RULE("name: a, accept: tcp, limit: { connections: 3, per-source: 4 }"), "12:74",
		"no source comes to 4", "less" },
	{ RULE("name: a, accept: any }\n          - { name: a, drop: any"), "13:21",
		"'a' is here twice", NULL },
	{ TRANSLATION("name: a"), "12:21", "says nothing", "source:" },
	{ TRANSLATION("name: a, source: 192.0.2.1, destination: 10.0.0.1"), "12:56",
		"destination cannot stand beside source", "two" },
	{ TRANSLATION("name: a, source: 192.0.2.1, port: 80"), "12:49",
		"port goes with destination", NULL },
	{ TRANSLATION("name: a, prefix: 10.0.0.0/24, outside: 192.0.2.0/25"), "12:54",
		"are not as long", "/24" },
	{ TRANSLATION("name: a, prefix: 10.0.0.0/24"), "12:21", "prefix without outside", NULL },
	{ TRANSLATION("name: a, source: [192.0.2.1, '2001:db8::1']"), "12:45", "both families",
		NULL },
	{ TRANSLATION("name: a, masquerade: true"), "12:36", "masquerade goes with router",
		"router: NAME" },
	{ TRANSLATION("name: a, source: 192.0.2.1, to: in"), "12:47", "to goes with router", NULL },
	{ ROUTED("name: a"), "12:21", "says nothing", "masquerade: true" },
	{ ROUTED("name: a, masquerade: true"), "12:21", "behind which zone", "to: ZONE" },
	{ ROUTED("name: a, masquerade: true, to: out"), "12:46", "has no zone 'out'", NULL },
	{ ROUTED("name: a, masquerade: true, to: wan, source: 192.0.2.1"), "12:36",
		"masquerade cannot stand beside source", NULL },
	{ ROUTED("name: a, destination: 10.0.0.1, to: lan"), "12:51", "zone of its destination",
		NULL },
	{ ROUTED("name: a, destination: 10.0.0.1, to-set: friends"), "12:55",
		"which addresses a router translates", "to-ip" },
	{ TRANSLATION("name: a, source: 192.0.2.1, filtering: address"), "12:54",
		"filtering is of mappings", "mapping:" },
	{ TRANSLATION("name: a, destination: 10.0.0.1, mapping: endpoint-independent"), "12:56",
		"mapping goes with source", NULL },
	{ TRANSLATION("name: a, source: 192.0.2.1, port-block: 100"), "12:55", "a multiple of 64",
		"write 64" },
	{ TRANSLATION("name: a, source: 192.0.2.1, ports: 1024-1100, port-block: 128"), "12:73",
		"hold no block of 128", NULL },
	{ TRANSLATION("name: a, destination: 10.0.0.1, port-block: 64"), "12:59",
		"port-block goes with source", NULL },
	{ BEFORE "        router: r1\n        inside: lan\n", "11:17", "without a router", NULL },
	{ BEFORE "        ports: { in: {}, out: {}, dmz: {} }\n"
		 "        translations: [{ name: a, source: 1.2.3.4 }]\n",
		"11:32", "more than two ports does not translate", "router: NAME" },
	{ BEFORE "        ports: { in: {}, out: {}, dmz: {} }\n"
		 "        zones: { a: { ports: dmy } }\n",
		"11:30", "has no port 'dmy'", "'dmz'" },
	{ BEFORE "        ports: { in: {} }\n", "9:7", "1 of its 2 ports", NULL },
	{ BEFORE PORTS
		"        inside: lan\n        translations: [{ name: a, source: 1.2.3.4 }]\n",
		"11:17", "no port 'lan' to translate behind", "in out" },
	{ BEFORE PORTS "        zones: { a: { ports: lan } }\n", "11:18",
		"neither a router nor more than 2 ports", "more ports" },
	{ BEFORE PORTS "        router: r1\n", "10:18", "has no ports of its own", NULL },
	{ BEFORE PORTS "        timeouts: { tcp: 10ms }\n", "11:26", "from 1s to 30d", NULL },
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
		if (wrong[i].hint != NULL &&
			(found->hint == NULL || strstr(found->hint, wrong[i].hint) == NULL))
			fail_msg("%s: the hint is \"%s\"", wrong[i].message,
				found->hint != NULL ? found->hint : "");
		diagnostics_free(&diagnostics);
		configuration_free(configuration);
	}
}

static void
routers_and_zones_are_checked(void **state)
{
	static const char text[] =
		"networks:\n  red:\n    routers: { r1: { ports: { lan: {}, wan: {} } } }\n"
		"    firewalls:\n"
		"      a: { router: r2 }\n"
		"      b: { router: r1, zones: { x: { ports: [lan, lam] }, y: { ports: lan } } }\n"
		"      c: { router: r1, rules: [{ name: q, accept: any, from: dmz }] }\n"
		"      r1: { router: r1 }\n"
		"  blue:\n    routers: { r: { ports: { a: { ip: 10.0.0.1/24 } } } }\n"
		"    firewalls: { f: { router: r, translations: [{ name: t, to: a, "
		"source: 10.0.0.0/23 }] } }\n";
	static const char *const told[] = { "there is no router 'r2'", "has no port 'lam'",
		"port 'lan' is in zone 'x' already", "is guarded already by firewall 'b'",
		"has no zone 'dmz'", "firewall 'r1' has the name of router 'r1'",
		"10.0.0.0/23 holds the whole network of port 'a'" };
	struct diagnostics diagnostics;

	(void)state;
	assert_null(configuration_from_yaml(model, "test.yaml", text, strlen(text), &diagnostics));
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		bool found = false;

		for (unsigned d = 0; d < diagnostics.count; d++)
			found |= strstr(diagnostics.list[d].message, told[i]) != NULL;
		if (!found) {
			diagnostics_print(&diagnostics, stderr, false);
			fail_msg("nothing says \"%s\"", told[i]);
		}
	}
	diagnostics_free(&diagnostics);
}

/* ---- how they differ
 * ------------------------------------------------------------------------------ */

/* The leaves of the plan's only item that are not NULL: "rules/a: accept: any > drop: any". */
static void
assert_leaves(const char *before, const char *after, const char *const *wanted)
{
	struct configuration *old = load(before), *new = load(after);
	struct plan *plan = plan_make(old, new);
	unsigned i;

	assert_int_equal(plan->count, 1);
	assert_string_equal(plan->items[0].kind, "firewall");
	assert_int_equal(plan->items[0].impact, PLAN_HITLESS);
	for (i = 0; i < plan->items[0].n_leaves && wanted[i] != NULL; i++) {
		const struct plan_leaf *leaf = &plan->items[0].leaves[i];
		char text[256];

		snprintf(text, sizeof(text), "%s: %s > %s", leaf->name,
			leaf->before != NULL ? leaf->before : "",
			leaf->after != NULL ? leaf->after : "");
		assert_string_equal(text, wanted[i]);
	}
	assert_int_equal(i, plan->items[0].n_leaves);
	assert_null(wanted[i]);
	plan_free(plan);
	configuration_free(old);
	configuration_free(new);
}
#define ASSERT_LEAVES(before, after, ...) \
	assert_leaves(before, after, (const char *const[]){ __VA_ARGS__, NULL })

static void
rules_that_differ_are_told(void **state)
{
#define A "{ name: a, accept: any }"
#define B "{ name: b, accept: tcp, to-port: [80, 443] }"
#define C "{ name: c, drop: any }"
	(void)state;
	ASSERT_LEAVES(RULE("name: a, accept: any"), RULE("name: a, drop: tcp, from: in"),
		"rules/a: accept: any > drop: tcp, from: in");
	ASSERT_LEAVES(BEFORE PORTS "        rules: [" A ", " B "]\n",
		BEFORE PORTS "        rules: [" A ", " C ", " B "]\n", "rules/c:  > drop: any");
	ASSERT_LEAVES(BEFORE PORTS "        rules: [" A ", " B "]\n",
		BEFORE PORTS "        rules: [" A "]\n",
		"rules/b: accept: tcp, to-port: 443, 80 > ");
	ASSERT_LEAVES(BEFORE PORTS "        rules: [" A ", " B ", " C "]\n",
		BEFORE PORTS "        rules: [" C ", " A ", " B "]\n",
		"rules/(order): as it was > another");
	/* that is no rule's name */
	ASSERT_LEAVES(RULE("name: order, accept: any"), RULE("name: order, drop: any"),
		"rules/order: accept: any > drop: any");
	ASSERT_LEAVES(RULE("name: a, accept: any"),
		RULE("name: a, accept: any, timeout: 5s, limit: { rate: 10/m, burst: 2 }"),
		"rules/a: accept: any > accept: any, limit: { rate: 10/m, burst: 2 }, "
		"timeout: 5s");
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
		cmocka_unit_test(rules_become_those_of_the_library),
		cmocka_unit_test(translations_become_those_of_the_library),
		cmocka_unit_test(translations_of_a_router),
		cmocka_unit_test(it_is_written_as_it_is_read),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(routers_and_zones_are_checked),
		cmocka_unit_test(rules_that_differ_are_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
