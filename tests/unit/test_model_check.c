/* SPDX-License-Identifier: BSD-3-Clause */
/* The mistakes that people make: each is told, where it is, with what to do. */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct model *model;

/* `place` is "line:column" of the first diagnostic; the texts must be in message and hint. */
struct mistake {
	const char *yaml, *place, *message, *hint;
};

/* a network with a switch `lan` that has ports a, b, and one vnic, in seven lines */
#define NETWORK \
	"networks:\n" \
	"  red:\n" \
	"    switches:\n" \
	"      lan: { ports: { a: {}, b: {} } }\n" \
	"      dmz: { ports: { a: {}, b: {} } }\n" \
	"    nics:\n" \
	"      web: { switch: lan, ip: 10.0.0.1/24 }\n"
#define UPLINK "uplinks:\n  wire: { attach: { interface: eth1 } }\n"

static const struct mistake mistakes[] = {
	/* the text */
	{ "", "0:0", "nothing in it", "write {}" },
	{ "# only a comment\n", "0:0", "nothing in it", "write {}" },
	{ "networks:\n\tred: {}\n", "2:1", "tab in the indentation", "blanks" },
	{ "networks:\n  red:\n    switches: { lan: {}\n", "4:1", "not YAML", NULL },
	{ "networks:\n  red: \xff\xfe\n", "2:8", "0xff is not UTF-8", "UTF-8" },
	{ "networks:\n  red: \xc0\xaf\n", "2:8", "not UTF-8", NULL },
	{ "networks:\n  r\x01: {}\n", "2:4", "control character 0x01", "remove" },
	{ "networks:\n  red: { description: \"a\\0b\" }\n", "2:24", "control character", NULL },
	{ "a: 1\n---\nb: 2\n", "2:1", "second document", NULL },
	{ "networks: &a {}\n", "1:12", "anchor", NULL },
	{ "networks:\n  red: *a\n", "2:9", "alias", "write the value" },
	{ "networks:\n  red:\n    description: |\n    a\n      b\n", "4:1", "not below a key",
		"indent" },
	{ "system:\n  eal:\n  - |\n    a\n", "4:1", "not below a key", NULL },
	{ "? |\n  a\n: b\n", "2:1", "key must be a name", NULL },
	{ "*a\n", "1:2", "alias", "write the value" },
	{ "%YAML 9.9\n--- {}\n", "0:0", "not YAML", NULL },
	{ "networks:\r  red: {}\r  blue {}\r", "1:", "not YAML", NULL },
	{ "networks:\n  red:\n    <<: {}\n", "3:5", "merge key", NULL },
	{ "networks: !!map {}\n", "1:11", "tag", "remove" },
	{ "? [a]\n: b\n", "1:3", "key must be a name", NULL },
	{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n", "1:25", "too deeply",
		NULL },
	{ "system:\n  workers 3\n", "2:3", "expected a map, not 'workers 3'", NULL },
	{ "system:\n  workers: 1\n  poll busy\n", "3:", "not YAML", "colon" },
	{ "system:\n  workers:3\n  poll: busy\n", "2:", "not YAML", "blank after the colon" },
	{ "- networks\n", "1:1", "expected a map", "networks:" },
	{ "networks\n", "1:1", "expected a map", "networks:" },
	/* keys */
	{ "network: {}\n", "1:1", "unknown key 'network'", "did you mean 'networks'" },
	{ "networks:\n  red:\n    Switches: {}\n", "3:5", "unknown key 'Switches'",
		"did you mean 'switches'" },
	{ "networks:\n  red:\n    nonsense: {}\n", "3:5", "unknown key", "there are: description" },
	{ "system: { workers:3 }\n", "1:11", "unknown key 'workers:3'",
		"blank after the colon: workers: 3" },
	{ "system: { workers 3 }\n", "1:11", "unknown key 'workers 3'", "colon: workers: 3" },
	{ "networks:\n  red: {}\n  blue: {}\n  red: {}\n", "4:3", "first in line 2", NULL },
	{ "networks:\n  red: { switches: { web: { name: web } } }\n", "2:29", "unknown key 'name'",
		NULL },
	{ "networks:\n  'a b': {}\n", "2:4", "a name of letters, digits", NULL },
	{ "networks:\n  -a: {}\n", "2:3", "does not begin with", NULL },
	{ "networks:\n  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: {}\n",
		"2:3", "1 to 63 characters", NULL },
	{ "networks:\n  red: lan\n", "2:8", "expected a map, not 'lan'", "red: {" },
	{ "networks: [red]\n", "1:11", "expected a map from names, not a list", "NAME" },
	/* types and ranges */
	{ "system: { workers: 65 }\n", "1:20", "from 0 to 64, not '65'", NULL },
	{ "system: { workers: -1 }\n", "1:20", "not '-1'", NULL },
	{ "system: { workers: 1.5 }\n", "1:20", "not '1.5'", NULL },
	{ "system: { workers: }\n", "1:11", "not nothing", NULL },
	{ "system: { workers: [1] }\n", "1:20", "not a list", NULL },
	{ "system: { workers: auto }\n", "1:20", "workers", "0 is weft's choice" },
	{ "system: { hugepages: yes }\n", "1:22", "true or false", "write true" },
	{ "system: { hugepages: False }\n", "1:22", "true or false", "write false" },
	{ "system: { poll: Busy }\n", "1:17", "one of sleep, busy", "did you mean 'busy'" },
	{ "system: { memory: 512 }\n", "1:19", "a size", "add the unit" },
	{ "system: { memory: 1M }\n", "1:19", "from 64M to 1024G", NULL },
	{ "system: { devices: [eth0] }\n", "1:21", "PCI address", NULL },
	{ "system: { history: { keep: 1 } }\n", "1:28", "from 2 to 1000", NULL },
	{ "networks: { r: { switches: { s: { ageing-time: 300 } } } }\n", "1:48", "a duration",
		"300s" },
	{ "networks: { r: { switches: { s: { ageing-time: 10ms } } } }\n", "1:48", "from 1s",
		NULL },
	{ "networks: { r: { switches: { s: { ports: { p: { vlan: all } } } } } }\n", "1:55",
		"from 1 to 4094", "trunk of every VLAN" },
	{ "networks: { r: { switches: { s: { ports: { p: { vlan: 4095 } } } } } }\n", "1:55",
		"from 1 to 4094", NULL },
	{ "networks: { r: { switches: { s: { ports: { p: { vlan: [1, 2] } } } } } }\n", "1:55",
		"not a list", NULL },
	{ "networks: { r: { switches: { s: { ports: { p: { vlans: 20-10 } } } } } }\n", "1:56",
		"range", NULL },
	{ "networks: { r: { switches: { s: { ports: { p: { vlans: [5, 5] } } } } } }\n", "1:60",
		"'5' is here twice", NULL },
	{ "networks: { r: { switches: { s: { ports: { p: { native: no } } } } } }\n", "1:57",
		"from 1 to 4094, or none", NULL },
	/* vnics */
	{ NETWORK "      x: { switch: lna }\n", "8:20", "no switch 'lna' in network 'red'",
		"did you mean 'lan'" },
	{ NETWORK "      x: { swich: lan }\n", "8:12", "unknown key 'swich'", "'switch'" },
	{ NETWORK "      x: {}\n", "8:7", "on no switch", "add switch: lan" },
	{ NETWORK "      x: { switch: lan, port: c }\n", "8:31", "has no port 'c'", NULL },
	{ NETWORK "      x: { switch: lan, port: web }\n", "8:31", "has no port 'web'", NULL },
	{ NETWORK "      x: { switch: lan, port: a, vlan: 3 }\n", "8:40", "has its own vlan",
		NULL },
	{ NETWORK "      x: { switch: lan, vlan: 3, vlans: [4] }\n", "8:42", "beside vlan", NULL },
	{ NETWORK "      x: { switch: lan, port: a }\n      y: { switch: lan, port: a }\n", "9:31",
		"lan:a is used already by nic 'x', line 8", NULL },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.2 }\n", "8:29", "with its prefix length",
		"10.0.0.2/24" },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.256/24 }\n", "8:29", "prefix length", NULL },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.2/33 }\n", "8:29", "prefix length", NULL },
	{ NETWORK "      x: { switch: lan, ip: '10.0.0.2/24, 10.0.0.3/24' }\n", "8:30",
		"prefix length", "[first, second]" },
	{ NETWORK "      x: { switch: lan, ip: dhcp }\n", "8:29", "prefix length", "leave it out" },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.0/24 }\n", "8:29", "the network itself",
		NULL },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.255/24 }\n", "8:29", "broadcast", NULL },
	{ NETWORK "      x: { switch: lan, ip: 224.0.0.1/24 }\n", "8:29", "multicast", NULL },
	{ NETWORK "      x: { switch: lan, ip: 'ff02::1/64' }\n", "8:30", "multicast", NULL },
	{ NETWORK "      x: { switch: lan, ip: '2001:db8::1/64', mtu: 1279 }\n", "8:30", "1280",
		NULL },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.1/24 }\n", "8:29",
		"10.0.0.1 is used already by nic 'web', line 7", NULL },
	{ NETWORK "      x: { switch: lan, ip: [10.0.0.2/24, 10.0.0.3/16] }\n", "8:43", "overlaps",
		NULL },
	{ NETWORK "      x: { switch: dmz, ip: 10.0.0.1/24, attach: { netns: red-web } }\n", "8:29",
		"already in that namespace", NULL },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.2/24, gateway: 10.0.1.1 }\n", "8:51",
		"in no network of nic 'x'", NULL },
	{ NETWORK "      x: { switch: lan, ip: 10.0.0.2/24, gateway: 10.0.0.2 }\n", "8:51",
		"own address", NULL },
	{ NETWORK "      x: { switch: lan, gateway: 10.0.0.2/24 }\n", "8:34", "gateway",
		"without the prefix length: 10.0.0.2" },
	{ NETWORK "      x: { switch: lan, mac: 01:00:00:00:00:01 }\n", "8:30", "MAC address",
		NULL },
	{ NETWORK "      x: { switch: lan, mac: 02-00-00-00-00-0A }\n", "8:30", "MAC address",
		"02:00:00:00:00:0a" },
	{ NETWORK "      x: { switch: lan, mac: 02:00:00:00:00:01 }\n"
		  "      y: { switch: lan, mac: 02:00:00:00:00:01 }\n",
		"9:30", "used already by nic 'x'", NULL },
	{ NETWORK "      x: { switch: lan, mtu: 9 }\n", "8:30", "from 68 to 65521", NULL },
	/* attachments */
	{ NETWORK "      x: { switch: lan, attach: red-x }\n", "8:33", "expected a map",
		"attach: {" },
	{ NETWORK "      x: { switch: lan, attach: { netns: a, pid: 7 } }\n", "8:50",
		"pid cannot stand beside netns", NULL },
	{ NETWORK "      x: { switch: lan, attach: { interface: e, memory: true } }\n", "8:57",
		"memory cannot stand beside interface", NULL },
	{ NETWORK "      x: { switch: lan, attach: { host: false } }\n", "8:25",
		"does not say to what", "netns: NAME" },
	{ NETWORK "      x: { switch: lan, attach: { pid: 7, create: true } }\n", "8:51",
		"has a name", NULL },
	{ NETWORK "      x: { switch: lan, attach: { interface: e, name: f } }\n", "8:55",
		"name cannot stand beside interface", NULL },
	{ NETWORK "      x: { switch: lan, attach: { netns: a/b } }\n", "8:42", "path", NULL },
	{ NETWORK "      x: { switch: lan, attach: { path: ns } }\n", "8:41", "absolute path",
		NULL },
	{ NETWORK "      x: { switch: lan, attach: { netns: n, name: sixteencharacters } }\n",
		"8:51", "1 to 15", NULL },
	{ NETWORK "      x: { switch: lan, attach: { interface: eth1 } }\n" UPLINK, "8:46",
		"interface 'eth1' of that namespace is used already by uplink 'wire', line 10",
		NULL },
	{ NETWORK "      x: { switch: lan, attach: { netns: n, name: e } }\n"
		  "      y: { switch: lan, attach: { path: /run/netns/n, name: e } }\n",
		"9:61", "used already by nic 'x'", NULL },
	{ NETWORK "      averylongname-one: { switch: lan, attach: { host: true } }\n"
		  "      averylongname-other: { switch: lan, attach: { host: true } }\n",
		"9:7", "15 characters", "another name" },
	{ "networks:\n"
	  "  a-b: { switches: { s: {} }, nics: { c: { switch: s } } }\n"
	  "  a: { switches: { s: {} }, nics: { b-c: { switch: s } } }\n",
		"3:37", "namespace 'a-b-c' would be shared with network 'a-b'", NULL },
	{ NETWORK "      x: { switch: lan, attach: { dpdk: net_null0 } }\n"
		  "      y: { switch: lan, attach: { dpdk: net_null0 } }\n",
		"9:41", "used already by nic 'x'", NULL },
	/* uplinks */
	{ "uplinks:\n  wire: {}\n", "2:3", "attached to nothing", "interface: NAME" },
	{ "networks: { r: { switches: { s: { ports: { p: { uplink: wrie } } } } } }\n" UPLINK,
		"1:57", "no uplink 'wrie'", "did you mean 'wire'" },
	{ "networks:\n"
	  "  r: { switches: { s: { ports: { p: { uplink: wire, uplink-vlan: 5 } } } } }\n"
	  "  b: { switches: { s: { ports: { p: { uplink: wire, uplink-vlan: 5 } } } } }\n" UPLINK,
		"3:66", "VLAN 5 of uplink 'wire' is used already by port 'p'", NULL },
	{ "networks:\n"
	  "  r: { switches: { s: { ports: { p: { uplink: wire } } } } }\n"
	  "  b: { switches: { s: { ports: { p: { uplink: wire } } } } }\n" UPLINK,
		"3:47", "untagged frames of uplink 'wire' go already", "uplink-vlan" },
	{ "networks: { r: { switches: { s: { ports: { p: { uplink-vlan: 5 } } } } } }\n", "1:62",
		"without an uplink", NULL },
	{ "networks: { r: { switches: { s: { ports: { p: { uplink: wire, vlan: 5 } } } } } "
	  "}\n" UPLINK,
		"1:57", "untagged frames are meant", "write uplink-vlan" },
	/* links */
	{ NETWORK "    links: [ { ends: [lan:a] } ]\n", "8:14", "two ends, not 1", NULL },
	{ NETWORK "    links: [ { ends: [lan:a, dmz:a, dmz:b] } ]\n", "8:14", "two ends, not 3",
		NULL },
	{ NETWORK "    links: [ { ends: [lan:a, dmz:c] } ]\n", "8:30", "has no port 'c'", "a" },
	{ NETWORK "    links: [ { ends: [lan:a, dzm:a] } ]\n", "8:30", "no switch 'dzm'", "'dmz'" },
	{ NETWORK "    links: [ { ends: [lan:a, dmz] } ]\n", "8:30", "SWITCH:PORT", NULL },
	{ NETWORK "    links: [ { ends: [lan:a, dmz:a] }, { ends: [lan:a, dmz:b] } ]\n", "8:49",
		"lan:a is used already by link 'dmz:a~lan:a'", NULL },
	{ NETWORK "    links: [ { ends: [lan:a, dmz:a] }, { ends: [dmz:a, lan:a] } ]\n", "8:40",
		"is here twice", NULL },
	{ NETWORK "    links: [ { ends: [lan:a, lan:b] } ]\n", "8:23", "a loop", NULL },
	{ NETWORK "    links: [ { ends: [lan:web, dmz:a] } ]\n", "8:23",
		"used already by nic 'web'", NULL },
	{ NETWORK "    links: { a: b }\n", "8:12", "expected a list", "- {" },
	/* tests */
	{ NETWORK "    tests: [ { from: wbe, ping: 10.0.0.2 } ]\n", "8:22", "no nic 'wbe'",
		"did you mean 'web'" },
	{ NETWORK "    tests: [ { ping: 10.0.0.2 } ]\n", "8:14", "starts at a nic", "from" },
	{ NETWORK "    tests: [ { from: web } ]\n", "8:14", "without a target", "ping" },
	{ NETWORK "    tests: [ { from: web, ping: 10.0.0.2, udp: '10.0.0.2:9' } ]\n", "8:14",
		"several targets", NULL },
	{ NETWORK "    tests: [ { from: web, ping: '2001:db8::1' } ]\n", "8:34", "no IPv6 address",
		NULL },
	{ NETWORK "    tests: [ { from: web, tcp: 10.0.0.2 } ]\n", "8:32", "an address and a port",
		"10.0.0.2:80" },
	{ NETWORK "    tests: [ { from: web, tcp: '10.0.0.2:65536' } ]\n", "8:33", "port", NULL },
	{ NETWORK "    tests: [ { from: web, ping: 10.0.0.2, timeout: 2m } ]\n", "8:52", "to 60s",
		NULL },
	{ NETWORK "    tests: [ { from: web, ping: 10.0.0.2 }, { from: web, ping: 10.0.0.2 } ]\n",
		"8:45", "is here twice", NULL },
	/* static MACs */
	{ "networks: { r: { switches: { s: { static-macs: { 02:00:00:00:00:01: {} } } } } }\n",
		"1:50", "needs its port", NULL },
	{ "networks: { r: { switches: { s: { static-macs: { 02:00:00:00:00:01: { port: x } } } } } "
	  "}\n",
		"1:77", "no port 'x'", NULL },
	{ "networks: { r: { switches: { s: { ports: { x: }, static-macs: { 02:00:00:00:00:0a: { "
	  "port: x }, "
	  "02:00:00:00:00:0A: { port: x } } } } } }\n",
		"1:97", "is here twice", NULL },
};

static bool
is_told(const struct mistake *mistake, const struct diagnostics *diagnostics)
{
	const struct diagnostic *first = diagnostics->list;
	char place[32];

	if (diagnostics->count != 1)
		return false;
	snprintf(place, sizeof(place), "%u:%u", first->line, first->column);
	return strncmp(place, mistake->place, strlen(mistake->place)) == 0 &&
	       strstr(first->message, mistake->message) != NULL &&
	       (mistake->hint == NULL ||
		       (first->hint != NULL && strstr(first->hint, mistake->hint) != NULL));
}

static void
each_mistake_is_told_alone(void **state)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		const struct mistake *mistake = &mistakes[i];
		struct diagnostics diagnostics;
		struct configuration *configuration = configuration_from_yaml(
			model, "file.yaml", mistake->yaml, strlen(mistake->yaml), &diagnostics);

		if (!is_told(mistake, &diagnostics)) {
			wrong++;
			diagnostics_print(&diagnostics, stderr, false);
			print_error("wanted %s: %s, hint %s, of\n%s\n", mistake->place,
				mistake->message, mistake->hint != NULL ? mistake->hint : "any",
				mistake->yaml);
		}
		/* a warning lets the configuration pass */
		assert_true((configuration != NULL) == (diagnostics.errors == 0));
		configuration_free(configuration);
		diagnostics_free(&diagnostics);
	}
	assert_int_equal(wrong, 0);
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
		cmocka_unit_test(each_mistake_is_told_alone),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
