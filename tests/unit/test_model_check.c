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
/* another with a router: lines 8 to 12 are its ports; what follows is in it */
#define ROUTER \
	NETWORK \
	"    routers:\n" \
	"      r1:\n" \
	"        ports:\n" \
	"          a: { ip: [10.1.0.1/24, 2001:db8:1::1/64] }\n" \
	"          b: { switch: dmz, ip: 172.16.0.0/31 }\n"
#define ROUTES ROUTER "        routes:\n"
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
	{ NETWORK "    links: [ { ends: [lan:a, dzm:a] } ]\n", "8:30",
		"no switch, router or firewall 'dzm'", "'dmz'" },
	{ NETWORK "    links: [ { ends: [lan:a, dmz] } ]\n", "8:30", "DEVICE:PORT", NULL },
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
	/* routers */
	{ NETWORK "    routers: { lan: {} }\n", "8:16", "router 'lan' has the name of switch 'lan'",
		"names of their own" },
	{ NETWORK "    routers: { r: { icmp-rate: 0 } }\n", "8:32", "from 1 to 1000000", NULL },
	/* columns are characters */
	{ NETWORK "    routers: { r: { description: 'äöü', icmp-rate: 0 } }\n", "8:52",
		"from 1 to 1000000", NULL },
	{ NETWORK "    quota: { neighbors: 0 }\n", "8:25", "from 1 to 1048576", NULL },
	/* flow records */
	{ NETWORK "    flow-records: { transport: tcp }\n", "8:32", "need a collector",
		"collector: ADDRESS:4739" },
	{ NETWORK "    flow-records: { netns: far, active-timeout: 5s }\n", "8:49",
		"need a collector", NULL },
	{ NETWORK "    flow-records: { collector: 192.0.2.1 }\n", "8:32", "an address and a port",
		NULL },
	{ NETWORK "    flow-records: { collector: '192.0.2.1:0' }\n", "8:33", "port", NULL },
	{ NETWORK "    flow-records: { collector: '192.0.2.1:9', active-timeout: 3s }\n", "8:63",
		"from 4s to 1h", NULL },
	{ NETWORK "    flow-records: { collector: '192.0.2.1:9', active-timeout: 2h }\n", "8:63",
		"from 4s to 1h", NULL },
	{ NETWORK "    flow-records: { collector: '192.0.2.1:9', transport: sctp }\n", "8:58",
		"udp", NULL },
	{ NETWORK "    flow-records: { collector: '192.0.2.1:9', netns: a/b }\n", "8:54",
		"under /run/netns", NULL },
	{ ROUTER "          c: { switch: lna }\n", "13:24", "no switch 'lna' in network 'red'",
		"did you mean 'lan'" },
	{ ROUTER "          c: { uplink: wrie }\n" UPLINK, "13:24", "no uplink 'wrie'",
		"did you mean 'wire'" },
	{ ROUTER "          c: { vlan: 5 }\n", "13:22", "vlan without a switch or an uplink",
		"switch: NAME" },
	{ ROUTER "          c: { switch: lan, uplink: wire }\n" UPLINK, "13:37",
		"uplink cannot stand beside switch", NULL },
	{ ROUTER "          c: { uplink: wire, vlan: 5 }\n"
		 "          d: { uplink: wire, vlan: 5 }\n" UPLINK,
		"14:36", "VLAN 5 of uplink 'wire' is used already by port 'c' of router 'r1'",
		NULL },
	{ ROUTER "          c: { uplink: wire }\n"
		 "          d: { uplink: wire }\n" UPLINK,
		"14:24", "untagged frames of uplink 'wire' go already", "add vlan: 1 to 4094" },
	{ "networks:\n"
	  "  r: { switches: { s: { ports: { p: { uplink: wire, uplink-vlan: 5 } } } } }\n"
	  "  b: { routers: { s: { ports: { p: { uplink: wire, vlan: 5 } } } } }\n" UPLINK,
		"3:58", "VLAN 5 of uplink 'wire' is used already by port 'p'", NULL },
	{ NETWORK "      r1.b: { switch: dmz }\n"
		  "    routers: { r1: { ports: { b: { switch: dmz } } } }\n",
		"9:44", "on switch 'dmz' would be 'r1.b', as is that of nic 'r1.b', line 8",
		"another name" },
	{ NETWORK "    routers:\n"
		  "      a: { ports: { b.c: { switch: dmz } } }\n"
		  "      a.b: { ports: { c: { switch: dmz } } }\n",
		"10:36", "would be 'a.b.c', as is that of port 'b.c' of router 'a', line 9", NULL },
	{ NETWORK "    routers:\n"
		  "      a234567890123456789012345678901:\n"
		  "        ports: { b2345678901234567890123456789012: { switch: dmz } }\n",
		"10:62", "64 characters", "shorten" },
	{ ROUTER "    links: [ { ends: [r1:b, lan:a] } ]\n", "13:23",
		"r1:b is used already by its own switch", NULL },
	{ ROUTER "    links: [ { ends: [dmz:r1.b, lan:a] } ]\n", "13:23",
		"dmz:r1.b is used already by port 'b' of router 'r1', line 12", NULL },
	{ ROUTER "    links: [ { ends: [r1:c, lan:a] } ]\n", "13:23", "router 'r1' has no port 'c'",
		"did you mean 'a'" },
	{ ROUTER "    links: [ { ends: [r2:a, lan:a] } ]\n", "13:23",
		"no switch, router or firewall 'r2'", "did you mean 'r1'" },
	{ ROUTER "          c: {}\n    links: [ { ends: [r1:a, r1:c] } ]\n", "14:23",
		"on one router", NULL },
	{ "networks: { r: { switches: { s: {} }, routers: { r: { ports: { p: { switch: s } } } },\n"
	  "  nics: { x: { switch: s, port: r.p } } } }\n",
		"2:33", "switch 's' has no port 'r.p'", NULL },
	/* addresses of routers */
	{ ROUTER "          c: { ip: 10.5.0.0/24 }\n", "13:20", "the network itself",
		"address of the port" },
	{ ROUTER "          c: { ip: '2001:db8:5::/64' }\n", "13:21", "the network itself", NULL },
	{ ROUTER "          c: { ip: 127.0.0.1/8 }\n", "13:20", "loopback", NULL },
	{ ROUTER "          c: { ip: 10.1.0.2/24 }\n", "13:20",
		"the network of 10.1.0.2/24 overlaps that of 10.1.0.1/24, port 'a' of router 'r1'",
		"a network of its own" },
	{ ROUTER "          c: { ip: 10.0.0.5/8 }\n", "13:20", "overlaps that of 10.1.0.1/24",
		NULL },
	{ ROUTER "          c: { ip: '2001:db8:1::ff01/120' }\n", "13:21",
		"overlaps that of 2001:db8:1::1/64", NULL },
	{ ROUTER "          c: { ip: 172.16.0.1/31 }\n", "13:20", "overlaps that of 172.16.0.0/31",
		NULL },
	{ ROUTER "          c: { ip: 10.1.0.1/32 }\n", "13:20",
		"10.1.0.1 is used already by port 'a' of router 'r1', line 11", "one of them" },
	{ ROUTER "          c: { ip: [10.2.0.1/24, 10.2.0.2/16] }\n", "13:34", "overlaps", NULL },
	{ ROUTER "          c: { switch: lan, ip: 10.0.0.1/24 }\n", "13:33",
		"10.0.0.1 is used already by nic 'web', line 7", NULL },
	{ ROUTER "          c: { ip: 10.0.0.1/24 }\n    links: [ { ends: [r1:c, lan:a] } ]\n",
		"13:20", "10.0.0.1 is used already by nic 'web', line 7", NULL },
	{ ROUTER "      r2: { ports: { b: { switch: dmz, ip: 172.16.0.0/31 } } }\n", "13:44",
		"172.16.0.0 is used already by port 'b' of router 'r1'", NULL },
	{ ROUTER "      r2: { ports: { a: { ip: 10.1.0.1/24 } } }\n"
		 "    links: [ { ends: [r1:a, r2:a] } ]\n",
		"13:31", "10.1.0.1 is used already by port 'a' of router 'r1'", NULL },
	{ ROUTER "          c: { switch: dmz, mac: 03:00:00:00:00:01 }\n", "13:34",
		"no MAC address of a station", NULL },
	{ ROUTER "          c: { switch: lan, mac: 02:00:00:00:00:01 }\n"
		 "      r2: { ports: { c: { switch: lan, mac: 02:00:00:00:00:01 } } }\n",
		"14:45", "used already by port 'c' of router 'r1'", NULL },
	{ ROUTER "          c: { ip: '2001:db8:5::1/64', mtu: 1279 }\n", "13:45", "at least 1280",
		NULL },
	{ ROUTER "          c: { ipv6: true, mtu: 1279 }\n", "13:33", "at least 1280", NULL },
	{ ROUTER "          c: { clamp-mss: 40 }\n", "13:27", "from 48 to 65495, or auto", NULL },
	{ ROUTER "          c: { urpf: on }\n", "13:22", "one of off, strict, loose", NULL },
	{ ROUTER "          c: { proxy-arp: yes }\n", "13:27", "true or false", "write true" },
	/* peers */
	{ ROUTER "          c: { peer: blue }\n", "13:22", "a port as NETWORK/ROUTER:PORT", NULL },
	{ ROUTER "          c: { peer: 'blu/r:p' }\n  blue: {}\n", "13:23", "no network 'blu'",
		"did you mean 'blue'" },
	{ ROUTER "          c: { peer: 'blue/r:p' }\n  blue: { routers: { r3: } }\n", "13:23",
		"no router 'r' in network 'blue'", "'r3'" },
	{ ROUTER "          c: { peer: 'blue/r:p' }\n"
		 "  blue: { routers: { r: { ports: { q: } } } }\n",
		"13:23", "router 'r' of network 'blue' has no port 'p'", "'q'" },
	{ ROUTER "          c: { peer: 'blue/r:p' }\n"
		 "  blue: { routers: { r: { ports: { p: } } } }\n",
		"13:23", "blue/r:p does not name this port as its peer",
		"write there: peer: red/r1:c" },
	{ ROUTER "          c: { peer: 'blue/r:p' }\n"
		 "          d: { peer: 'blue/r:p' }\n"
		 "  blue: { routers: { r: { ports: { p: { peer: 'red/r1:d' } } } } }\n",
		"13:23", "blue/r:p has another peer: red/r1:d", NULL },
	{ ROUTER "          c: { peer: 'red/r1:c' }\n", "13:23", "its own peer", NULL },
	{ ROUTER "          c: { peer: 'red/r1:a' }\n", "13:23", "of another network",
		"- { ends: [r1:c, r1:a] }" },
	{ ROUTER "          c: { uplink: wire, peer: 'blue/r:p' }\n"
		 "  blue: { routers: { r: { ports: { p: { peer: 'red/r1:c' } } } } }\n" UPLINK,
		"13:37", "peer cannot stand beside uplink", NULL },
	{ ROUTER "          c: { peer: 'blue/r:p', ip: 10.9.0.1/31 }\n"
		 "  blue: { routers: { r: { ports: { p: { peer: 'red/r1:c', ip: 10.9.0.1/31 } } } "
		 "} }\n",
		"13:38", "10.9.0.1 is used already by the peer, port 'p' of router 'r'", NULL },
	/* routes */
	{ ROUTES "          10.9.0.1/16: { via: 10.1.0.2 }\n", "14:11",
		"a prefix without host bits", "the network of that address is 10.9.0.0/16" },
	{ ROUTES "          10.9.0.1: { via: 10.1.0.2 }\n", "14:11", "a prefix",
		"of one address 10.9.0.1/32" },
	{ ROUTES "          default: { via: 10.1.0.2 }\n", "14:11", "a prefix", "0.0.0.0/0" },
	{ ROUTES "          10.9.0.0/33: { via: 10.1.0.2 }\n", "14:11", "a prefix", NULL },
	{ ROUTES "          2001:DB8::/32: { via: a }\n          2001:db8:0::/32: { via: a }\n",
		"15:11", "'2001:db8::/32' is here twice", NULL },
	{ ROUTES "          10.9.0.0/16: {}\n", "14:11", "a route to nowhere", "type: blackhole" },
	{ ROUTES "          10.9.0.0/16: { backup: 10.1.0.2 }\n", "14:11", "backup alone", NULL },
	{ ROUTES "          10.9.0.0/16: { type: blackhole, via: 10.1.0.2 }\n", "14:48",
		"via cannot stand beside type: blackhole", NULL },
	{ ROUTES "          10.9.0.0/16: { type: reject }\n", "14:32",
		"one of forward, blackhole, unreachable, prohibit", NULL },
	{ ROUTES "          10.9.0.0/16: { via: 10.1.0.2/24 }\n", "14:31", "ADDRESS@PORT",
		"without the prefix length: 10.1.0.2" },
	{ ROUTES "          10.9.0.0/16: { via: 10.1.0.256 }\n", "14:31", "an address, a port",
		NULL },
	{ ROUTES "          10.9.0.0/16: { via: 10.1.0.2, preference: 0 }\n", "14:53",
		"from 1 to 255", NULL },
	{ ROUTES "          10.9.0.0/16: { via: [10.1.0.2, 10.1.0.2] }\n", "14:42", "is here twice",
		NULL },
	{ ROUTES "          10.9.0.0/16: { via: c }\n", "14:31", "router 'r1' has no port 'c'",
		"did you mean 'a'" },
	{ ROUTES "          10.9.0.0/16: { via: 10.1.0.2@c }\n", "14:31", "has no port 'c'", NULL },
	{ ROUTES "          2001:db8:9::/48: { via: b }\n", "14:35", "port 'b' has no IPv6 address",
		"ipv6: true" },
	{ ROUTES "          10.9.0.0/16: { via: '2001:db8:1::2' }\n", "14:32",
		"gateway 2001:db8:1::2 is not of the family of 10.9.0.0/16",
		"write an IPv4 address" },
	{ ROUTES "          2001:db8:9::/48: { via: 10.1.0.2 }\n", "14:35", "not of the family",
		"IPv6" },
	{ ROUTES "          10.9.0.0/16: { via: 10.1.0.1 }\n", "14:31",
		"an address of router 'r1' itself", NULL },
	{ ROUTES "          10.9.0.0/16: { via: 224.0.0.1 }\n", "14:31", "multicast", NULL },
	{ ROUTES "          10.9.0.0/16: { via: 0.0.0.0 }\n", "14:31", "no address of a host",
		NULL },
	{ ROUTES "          10.9.0.0/16: { via: 10.1.0.255 }\n", "14:31", "broadcast", NULL },
	{ ROUTES "          2001:db8:9::/48: { via: 'fe80::7' }\n", "14:36", "needs its port",
		"fe80::7@a" },
	{ ROUTES "          2001:db8:9::/48: { via: 'fe80::7%a' }\n", "14:36", "ADDRESS@PORT",
		"fe80::1@PORT" },
	{ ROUTES "          10.9.0.0/16: { via: 10.3.0.1 }\n", "14:31",
		"10.3.0.1 is not reachable at the moment", NULL },
	{ ROUTES "          0.0.0.0/0: { via: 10.3.0.1 }\n", "14:29", "not reachable", NULL },
	{ ROUTES "          10.9.0.0/16: { via: 10.1.0.2, backup: 10.3.0.1 }\n", "14:49",
		"not reachable", NULL },
	{ ROUTES "          10.1.0.0/24: { via: 172.16.0.1 }\n", "14:11",
		"never used: it is the network of port 'a'", "remove" },
	{ ROUTES "          224.0.0.0/5: { via: 172.16.0.1 }\n", "14:11", "multicast", NULL },
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
