# SPDX-License-Identifier: BSD-3-Clause
"""Virtual routers between real namespaces: the kernel's own stack at both ends."""
import json
import socket

import pytest
import yaml

import harness
from harness import ICMP, IP, Ether


def routed(space, family=4, **port):
	"""Two stations on two switches, a router between them."""
	ip = {4: ("10.0.{}.{}/24", "10.0.{}.1"), 6: ("2001:db8:{}::{}/64", "2001:db8:{}::1")}[family]
	network = {"switches": {"s1": {}, "s2": {}}, "nics": {},
		"routers": {"r": {"ports": {}}}}
	for n, name in ((1, "web"), (2, "db")):
		network["nics"][name] = {"switch": f"s{n}", "ip": [ip[0].format(n, 10)],
			"gateway": [ip[1].format(n)], "attach": {"netns": str(space.namespace(f"red-{name}"))}}
		network["routers"]["r"]["ports"][f"p{n}"] = {"switch": f"s{n}",
			"ip": [ip[0].format(n, 1)], **port}
	return {"networks": {"red": network}}


def test_example(space):
	"""examples/routers.yaml: what its own tests say holds."""
	config = yaml.safe_load((harness.ROOT / "examples/routers.yaml").read_text())
	weftd = space.start_weftd(config)
	answer = weftd.weft("test")
	assert "6 of 6 tests hold" in answer.stdout, answer.stdout


def test_ping_through_and_to(space):
	space.start_weftd(routed(space))
	web = space.namespace("red-web")
	web.reaches("10.0.2.10")
	for target, ttl in (("10.0.2.10", 63), ("10.0.1.1", 64), ("10.0.2.1", 64)):
		answer = web.run("ping", "-n", "-c", "3", "-i", "0.05", target).stdout
		assert f"ttl={ttl}" in answer and " 0% packet loss" in answer, answer


def test_ping6_through_and_to(space):
	space.start_weftd(routed(space, 6))
	web = space.namespace("red-web")
	web.reaches("2001:db8:2::10")
	for target, ttl in (("2001:db8:2::10", 63), ("2001:db8:1::1", 64), ("2001:db8:2::1", 64)):
		answer = web.run("ping", "-n", "-c", "3", "-i", "0.05", target).stdout
		assert f"ttl={ttl}" in answer and " 0% packet loss" in answer, answer


@pytest.mark.parametrize("family", [4, 6])
def test_long_pings(space, family):
	"""Fragments: on the way through, and to the router itself, whose answers are cut, too."""
	space.start_weftd(routed(space, family))
	web = space.namespace("red-web")
	through, to = {4: ("10.0.2.10", "10.0.2.1"), 6: ("2001:db8:2::10", "2001:db8:2::1")}[family]
	web.reaches(through)
	for target in (through, to):
		for size in (1400, 1473, 3000, 20000):
			answer = web.run("ping", "-n", "-c", "2", "-i", "0.2", "-s", str(size), target).stdout
			assert " 0% packet loss" in answer, answer


def test_small_mtu(space):
	"""Path MTU: the sender is told, and TCP goes on; without DF the router cuts."""
	config = routed(space)
	config["networks"]["red"]["routers"]["r"]["ports"]["p2"]["mtu"] = 1000
	space.start_weftd(config)
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches("10.0.2.10")
	answer = web.run("ping", "-n", "-c", "1", "-M", "do", "-s", "1200", "10.0.2.10", check=False)
	assert "mtu = 1000" in answer.stdout or "mtu=1000" in answer.stdout, answer.stdout
	answer = web.run("ping", "-n", "-c", "2", "-i", "0.2", "-M", "dont", "-s", "1200", "10.0.2.10")
	assert " 0% packet loss" in answer.stdout
	harness.check_tcp_bytes(web, db, "10.0.2.10", size=1 << 20)


def test_tcp(space):
	"""Super-packets and partial checksums pass through a router unbroken."""
	space.start_weftd(routed(space))
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches("10.0.2.10")
	harness.check_tcp_bytes(web, db, "10.0.2.10")


def test_ping_from_a_router(space):
	"""`weft ping` and `weft traceroute`: by the router's own tables, to a real kernel."""
	config = routed(space)
	routers = config["networks"]["red"]["routers"]
	routers["far"] = {"ports": {"core": {"ip": ["172.16.0.1/31"]}},
		"routes": {"10.0.0.0/8": {"via": ["172.16.0.0"]}}}
	routers["r"]["ports"]["core"] = {"ip": ["172.16.0.0/31"]}
	config["networks"]["red"]["links"] = [{"ends": ["r:core", "far:core"]}]
	# what comes from behind r goes back through r
	for nic in config["networks"]["red"]["nics"].values():
		assert nic["gateway"]
	weftd = space.start_weftd(config)
	answer = weftd.weft("ping", "red/r", "10.0.1.10", "-c", "2")
	assert "2 sent, 2 answered" in answer.stdout and "ttl=64" in answer.stdout, answer.stdout
	answer = weftd.weft("traceroute", "red/far", "10.0.2.10", "--json")
	hops = [[one["from"] for one in hop["answers"]] for hop in json.loads(answer.stdout)]
	assert hops == [["172.16.0.0"] * 3, ["10.0.2.10"] * 3]
	# nobody there: no answer, and the exit status says so
	answer = weftd.weft("ping", "red/r", "10.0.1.77", "-c", "1", check=False)
	assert answer.returncode == 1 and "no answer" in answer.stdout
	answer = weftd.weft("ping", "red/r", "192.0.2.1", check=False)
	assert answer.returncode == 1 and "no route" in answer.stderr
	answer = weftd.weft("ping", "red/nobody", "192.0.2.1", check=False)
	assert answer.returncode == 3


def is_time_exceeded(frame):
	packet = Ether(frame)
	return ICMP in packet and packet[ICMP].type == 11


def test_traceroute_through_routers(space):
	"""Each router on the way says so itself (RFC 1812, 4.3.2.4), for TTL and hop limit."""
	space.start_weftd(routed(space))
	web = space.namespace("red-web")
	web.reaches("10.0.2.10")
	with web.packets("web") as ear:
		with web.entered():
			sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
		sender.sendto(b"x", ("10.0.2.10", 33434))
		frames = ear.receive(1, count=1, match=is_time_exceeded)
		sender.close()
	assert len(frames) == 1 and Ether(frames[0])[IP].src == "10.0.1.1"


def test_two_workers(space):
	"""Neighbours are learned and used by both; each flow stays in order beside it."""
	space.start_weftd(routed(space), options=["--workers", "2"])
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches("10.0.2.10")
	streams = [harness.NumberedStream(web, db, "10.0.2.10", port=7000 + n, rate=1000)
		for n in range(3)]
	back = harness.NumberedStream(db, web, "10.0.1.10", port=7100, rate=1000)
	with back:
		for stream in streams:
			stream.__enter__()
		for last in range(100, 120):
			# neighbours come, and fail to
			web.run("ping", "-c", "1", "-W", "0.05", f"10.0.2.{last}", check=False)
			db.run("ping", "-c", "1", "-W", "0.05", f"10.0.1.{last}", check=False)
		for stream in streams:
			stream.__exit__()
	for stream in [*streams, back]:
		assert stream.lost == [] and stream.reordered == 0 and stream.duplicated == 0
