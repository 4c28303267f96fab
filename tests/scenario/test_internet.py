# SPDX-License-Identifier: BSD-3-Clause
"""A network's way out through the host. The host is a namespace, with a world behind it that knows
the host's address and nobody else's."""
import re

import pytest

import harness
from test_translation import Server, client, expect_ping, expect_served

WORLD, HOST = "198.51.100.1", "198.51.100.2"


def host_and_world(space):
	host, world = space.namespace("host"), space.namespace("world")
	host.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", world.name)
	for one, address in ((host, HOST), (world, WORLD)):
		one.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
		one.run("ip", "link", "set", "eth0", "up")
	host.run("ip", "route", "add", "default", "via", WORLD)
	# rules of the host's own, which nobody may touch
	host.run("nft", "add table inet mine; add chain inet mine c { type filter hook forward priority 0; };"
		" add rule inet mine c counter")
	return host, world


def network(space, word, **more):
	return {"internet": "host", "switches": {"lan": {}},
		"nics": {word: {"switch": "lan", "ip": "10.0.0.10/24", "gateway": "10.0.0.1",
			"attach": {"netns": str(space.namespace(word))}}},
		"routers": {"r1": {"ports": {"lan": {"switch": "lan", "ip": "10.0.0.1/24"}}}}, **more}


def rules_of(host):
	return host.run("nft", "list", "ruleset").stdout


def tables_of(host):
	return set(re.findall(r"^table inet (\S+)", rules_of(host), re.M))


def test_two_networks_get_out(space):
	"""Each by one line, with the same addresses inside; to the world, and nowhere else."""
	host, world = host_and_world(space)
	weftd = space.start_weftd({"networks": {"red": network(space, "red"),
		"blue": network(space, "blue")}})
	red, blue = space.namespace("red"), space.namespace("blue")
	with Server(world, 80) as server:
		for one in (red, blue):
			one.reaches(WORLD)
			for protocol in ("tcp", "udp"):
				expect_served(one, protocol, WORLD, 80, server, HOST)
			expect_served(one, "tcp", WORLD, 80, server, HOST, size=500000)
			expect_ping(one, WORLD, 3000)
	# the other's tap, from inside and by the host's end; and the host itself answers pings alone
	taps = {word: host.addresses(f"out-{word}")[0].split("/")[0] for word in ("red", "blue")}
	assert taps["red"] != taps["blue"]
	expect_ping(red, taps["red"])
	with Server(host, 22):
		with pytest.raises(TimeoutError):
			client(red, "tcp", HOST, 22, timeout=0.5)
		with pytest.raises(TimeoutError):
			client(red, "tcp", taps["red"], 22, timeout=0.5)
	other = taps["blue"].rsplit(".", 1)
	router_of_blue = f"{other[0]}.{int(other[1]) + 1}"
	assert red.ping(router_of_blue, count=2, timeout=0.5) == 0
	# nothing comes in, by whatever way the world has
	world.run("ip", "route", "add", "100.64.0.0/10", "via", HOST)
	assert world.ping(router_of_blue, count=2, timeout=0.5) == 0
	# what is shown, and what is written
	assert any(nic["name"] == "red/internet" for nic in weftd.show("nics"))
	assert "internet: host" in weftd.weft("export").stdout
	assert "100.64" not in weftd.weft("export").stdout
	told = weftd.weft("explain", "red", "from", "red", "to", WORLD, "tcp/80").stdout
	assert "translated: " in told and "red/internet" in told, told
	# one goes, the other stays
	weftd.apply({"networks": {"blue": network(space, "blue")}})
	assert "out-red" not in rules_of(host) and "out-blue" in rules_of(host)
	expect_ping(blue, WORLD)
	weftd.stop()
	assert tables_of(host) == {"mine"}


def test_with_a_firewall_of_the_routers_own(space):
	"""The router's firewall says what may leave, and what is let in is forwarded by it."""
	host, world = host_and_world(space)
	firewalls = {"fw": {"router": "r1", "rules": [
			{"name": "web", "accept": "tcp", "from": "lan", "to": "internet", "to-port": 80},
			{"name": "ping", "accept": "icmp", "from": "lan", "to": "internet"}]}}
	config = {"networks": {"red": network(space, "red", firewalls=firewalls)}}
	weftd = space.start_weftd(config)
	red = space.namespace("red")
	red.reaches(WORLD)
	with Server(world, 80) as server, Server(world, 81):
		expect_served(red, "tcp", WORLD, 80, server, HOST)
		with pytest.raises(TimeoutError):
			client(red, "tcp", WORLD, 81, timeout=0.5)
		# without the line the way is gone, and the firewall stays
		del config["networks"]["red"]["internet"]
		del firewalls["fw"]["rules"][:]
		weftd.apply(config)
		assert red.ping(WORLD, count=2, timeout=0.5) == 0
		assert tables_of(host) == {"mine"}
		assert not host.links().keys() - {"eth0"}
		assert [one["name"] for one in weftd.show("firewalls")] == ["red/fw"]


def test_after_a_crash(space):
	"""What is left is found at the next start, whatever is wanted then."""
	host, _ = host_and_world(space)
	config = {"networks": {"red": network(space, "red")}}
	weftd = space.start_weftd(config)
	red = space.namespace("red")
	red.reaches(WORLD)
	weftd.kill()
	assert len(tables_of(host)) == 2
	weftd.start()
	red.reaches(WORLD)
	assert len(tables_of(host)) == 2
	weftd.kill()
	weftd.start({"networks": {}})
	assert tables_of(host) == {"mine"}


def test_what_is_refused(space):
	"""Addresses that the host has; and wrong files, with what to do."""
	host, _ = host_and_world(space)
	weftd = space.start_weftd({"networks": {}})
	host.run("ip", "addr", "add", "100.64.0.1/10", "dev", "eth0")
	with pytest.raises(harness.ApiError) as refused:
		weftd.apply({"networks": {"red": network(space, "red")}})
	assert "interface eth0 has 100.64.0.1/10: choose another internet-prefix" in str(refused.value)
	assert tables_of(host) == {"mine"} and weftd.show("networks") == []
	weftd.apply({"networks": {"red": network(space, "red", **{"internet-prefix": "192.168.77.4/30"})}})
	space.namespace("red").reaches(WORLD)
	assert host.addresses("out-red") == ["192.168.77.5/30"]
	for more, words in (({"routers": {}}, "no router to get out by"),
			({"routers": {"a": {}, "b": {}}}, "several routers"),
			({"internet-router": "r2"}, "no router 'r2'"),
			({"internet-prefix": "10.9.0.0/24"}, "prefix of 30 bits"),
			({"switches": {"lan": {}, "internet": {}}}, "a switch 'internet' of its own")):
		with pytest.raises(harness.ApiError) as refused:
			weftd.apply({"networks": {"red": network(space, "red", **more)}})
		assert words in str(refused.value), refused.value


def test_without_rights(space):
	"""A host that may not be changed is told, and nothing is applied."""
	host, _ = host_and_world(space)
	weftd = space.start_weftd({"networks": {}}, without=["nftables"])
	with pytest.raises(harness.ApiError) as refused:
		weftd.apply({"networks": {"red": network(space, "red")}})
	assert "needs nftables" in str(refused.value)
	assert weftd.show("networks") == []
	assert tables_of(host) == {"mine"}
