# SPDX-License-Identifier: BSD-3-Clause
"""Virtual routers between real namespaces: the kernel's own stack at both ends."""
import yaml

import harness


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


def test_tcp(space):
	"""Super-packets and partial checksums pass through a router unbroken."""
	space.start_weftd(routed(space))
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches("10.0.2.10")
	harness.check_tcp_bytes(web, db, "10.0.2.10")
