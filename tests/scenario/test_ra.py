# SPDX-License-Identifier: BSD-3-Clause
"""Router advertisements, as the kernel takes them (SLAAC, default route), and as they look."""
import json

import pytest

import harness

from scapy.all import (Ether, ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptDNSSL, ICMPv6NDOptMTU,
	ICMPv6NDOptPrefixInfo, ICMPv6NDOptRDNSS, ICMPv6NDOptSrcLLAddr, IPv6)


def advertised(space, advertise, **port):
	web = space.namespace("red-web")
	for where in ("all", "default"):
		web.run("sysctl", "-qw", f"net.ipv6.conf.{where}.accept_ra=2")
	return {"networks": {"red": {"switches": {"lan": {}},
		"nics": {"web": {"switch": "lan", "mac": "02:00:00:00:00:0a", "attach": {"netns": str(web)}}},
		"routers": {"r": {"ports": {"lan": {"switch": "lan", "ip": "2001:db8::1/64",
			"mac": "02:00:00:00:00:01", **({"advertise": advertise} if advertise is not None else {}),
			**port}}}}}}}


def routes(namespace):
	return json.loads(namespace.run("ip", "-6", "-j", "route", "show", "default").stdout or "[]")


def wait_for_route(namespace, there=True):
	harness.wait_until(lambda: bool(routes(namespace)) == there, 15,
		"default route" if there else "no default route")


@pytest.mark.sanitize
def test_slaac(space):
	"""The kernel makes an address and takes the router, until that says that it is none."""
	weftd = space.start_weftd(advertised(space, {"mtu": 1400}))
	web = space.namespace("red-web")
	wait_for_route(web)
	[route] = routes(web)
	assert (route["gateway"], route["dev"], route["protocol"]) == ("fe80::ff:fe00:1", "web", "ra")
	harness.wait_until(lambda: "2001:db8::ff:fe00:a/64" in web.addresses("web"), 10, "an address")
	assert web.run("sysctl", "-n", "net.ipv6.conf.web.mtu").stdout.strip() == "1400"
	web.reaches("2001:db8::1")
	# it stops advertising, and starts again
	weftd.apply(advertised(space, None))
	wait_for_route(web, False)
	weftd.apply(advertised(space, {}))
	wait_for_route(web)
	# the port goes
	config = advertised(space, {})
	del config["networks"]["red"]["routers"]["r"]["ports"]["lan"]
	weftd.apply(config)
	wait_for_route(web, False)


def test_prefix_that_goes(space):
	"""Addresses of a prefix that the configuration has no more are not used for anything new."""
	weftd = space.start_weftd(advertised(space, {}))
	web = space.namespace("red-web")
	harness.wait_until(lambda: "2001:db8::ff:fe00:a/64" in web.addresses("web"), 15, "an address")
	weftd.apply(advertised(space, {"prefixes": {"2001:db8:7::/64": {"valid": "1h", "preferred": "30m"}}}))
	harness.wait_until(lambda: "2001:db8:7::ff:fe00:a/64" in web.addresses("web"), 20, "another one")

	def deprecated():
		[link] = json.loads(web.run("ip", "-j", "addr", "show", "web").stdout)
		return [info["local"] for info in link["addr_info"] if info.get("deprecated")]
	harness.wait_until(lambda: deprecated() == ["2001:db8::ff:fe00:a"], 20, "the old one is deprecated")


def test_what_is_said(space):
	"""Each part of it, in the answer to a solicitation."""
	space.start_weftd(advertised(space, {"prefixes": {
		"2001:db8::/64": {"valid": "30d", "preferred": "7d"},
		"2001:db8:8::/60": {"autonomous": False, "on-link": False}},
		"interval": "100s", "lifetime": "20m", "managed": True, "other": True, "preference": "high",
		"mtu": 1400, "dns": ["2001:db8::53", "2001:db8::54"], "search": ["red.example", "example"]}))
	with space.namespace("red-web").packets("web") as port:
		def is_advertisement(frame):
			return ICMPv6ND_RA in Ether(frame)
		port.receive(1, match=is_advertisement)
		port.send(Ether(src="02:00:00:00:00:0a", dst="33:33:00:00:00:02") /
			IPv6(src="fe80::ff:fe00:a", dst="ff02::2", hlim=255) / ICMPv6ND_RS() /
			ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:0a"))
		# one each 3 s at most (RFC 4861, 6.2.6)
		[frame] = port.receive(8, count=1, match=is_advertisement)
	packet = Ether(frame)
	assert (packet.src, packet.dst) == ("02:00:00:00:00:01", "33:33:00:00:00:01")
	assert (packet[IPv6].src, packet[IPv6].dst, packet[IPv6].hlim) == ("fe80::ff:fe00:1", "ff02::1", 255)
	said = packet[ICMPv6ND_RA]
	sum = said.cksum
	del packet[ICMPv6ND_RA].cksum
	assert Ether(bytes(packet))[ICMPv6ND_RA].cksum == sum
	assert (said.routerlifetime, said.M, said.O, said.prf, said.chlim) == (1200, 1, 1, 1, 64)
	assert packet[ICMPv6NDOptSrcLLAddr].lladdr == "02:00:00:00:00:01"
	assert packet[ICMPv6NDOptMTU].mtu == 1400
	first, second = packet[ICMPv6NDOptPrefixInfo], packet.getlayer(ICMPv6NDOptPrefixInfo, 2)
	assert (first.prefix, first.prefixlen, first.L, first.A) == ("2001:db8::", 64, 1, 1)
	assert (first.validlifetime, first.preferredlifetime) == (30 * 86400, 7 * 86400)
	assert (second.prefix, second.prefixlen, second.L, second.A) == ("2001:db8:8::", 60, 0, 0)
	assert packet[ICMPv6NDOptRDNSS].dns == ["2001:db8::53", "2001:db8::54"]
	assert packet[ICMPv6NDOptRDNSS].lifetime == 300
	assert [name.rstrip(".") for name in packet[ICMPv6NDOptDNSSL].searchlist] == ["red.example", "example"]


def test_rdisc6(space):
	"""Another implementation's reading of it."""
	space.start_weftd(advertised(space, {"dns": "2001:db8::53"}))
	web = space.namespace("red-web")
	wait_for_route(web)
	harness.wait_until(lambda: "tentative" not in web.run("ip", "addr", "show", "web").stdout, 10, "an address")
	said = web.run("rdisc6", "-1", "-w", "8000", "web").stdout
	assert "2001:db8::/64" in said and "Recursive DNS server" in said and "2001:db8::53" in said, said


def test_other_router_contradicts(space):
	weftd = space.start_weftd(advertised(space, {"managed": True}))
	with weftd.events() as events, space.namespace("red-web").packets("web") as port:
		port.send(Ether(src="02:00:00:00:00:0b", dst="33:33:00:00:00:01") /
			IPv6(src="fe80::ff:fe00:b", dst="ff02::1", hlim=255) /
			ICMPv6ND_RA(M=0, chlim=64, routerlifetime=1800))
		harness.wait_until(lambda: [event for event in events
			if event["kind"] == "ra-contradiction" and event["object"] == "red/r:lan"], 5, "an event")


def test_end_of_weftd(space):
	"""Hosts on an interface that stays hear that the router is none any more."""
	host, wire = space.namespace("host"), space.namespace("wire")
	host.run("ip", "link", "add", "port0", "type", "veth", "peer", "name", "eth0", "netns", str(wire))
	host.run("ip", "link", "set", "port0", "up")
	wire.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2")
	wire.run("ip", "link", "set", "eth0", "up")
	weftd = space.start_weftd({"networks": {"red": {"routers": {"r": {"ports": {"lan": {
		"uplink": "wire", "ip": "2001:db8::1/64", "advertise": {}}}}}}},
		"uplinks": {"wire": {"attach": {"interface": "port0"}}}})
	wait_for_route(wire)
	assert weftd.stop() == 0
	wait_for_route(wire, False)
