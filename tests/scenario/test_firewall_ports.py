# SPDX-License-Identifier: BSD-3-Clause
"""Transparent firewalls of more than two ports: each pair of ports has rules of its own."""
import json

import harness
from test_firewall import NEIGHBORS, Server, connect, echoes

WORDS = ("a", "b", "c")


def joined(space, rules, words=WORDS, **firewall):
	"""A namespace and a switch for each port of one firewall: 10.0.0.1, .2, .3."""
	network = {"switches": {}, "nics": {}, "links": [],
		"firewalls": {"fw": {"ports": {word: {} for word in words}, "rules": rules, **firewall}}}
	for last, word in enumerate(WORDS, 1):
		network["switches"][f"s-{word}"] = {"ports": {"fw": {}}}
		network["nics"][word] = {"switch": f"s-{word}",
			"ip": [f"10.0.0.{last}/24", f"2001:db8::{last}/64"],
			"attach": {"netns": str(space.namespace(word))}}
		if word in words:
			network["links"].append({"ends": [f"s-{word}:fw", f"fw:{word}"]})
	return {"networks": {"red": network}}


RULES = [*NEIGHBORS,
	{"name": "web", "accept": "tcp", "from": "a", "to": "b", "to-port": 80},
	{"name": "no", "reject": "tcp", "from": "c", "to": "b"},
	{"name": "ping", "accept": "icmp", "from": "b", "to": "c"}]


def test_verdicts(space):
	weftd = space.start_weftd(joined(space, RULES))
	a, b, c = (space.namespace(word) for word in WORDS)
	server, other = Server(b, 80), Server(c, 80)
	client = connect(a, "10.0.0.2", 80)
	assert echoes(client)
	# the same rule does not let a reach c, nor c reach b
	assert isinstance(connect(a, "10.0.0.3", 80, timeout=0.5), TimeoutError)
	assert isinstance(connect(c, "10.0.0.2", 80), ConnectionRefusedError)
	b.reaches("10.0.0.3")
	assert c.ping("10.0.0.2", count=2, timeout=0.5) == 0
	# fragments are judged whole
	assert b.ping("10.0.0.3", options=("-s", "4000")) == 3
	# what people see has the names that they gave
	assert [f["name"] for f in weftd.show("firewalls")] == ["red/fw"]
	assert sorted(weftd.show("firewalls")[0]["ports"]) == ["a", "b", "c"]
	assert "red/fw" not in [s["name"] for s in weftd.show("switches")]
	ports = {p["name"]: p for p in weftd.show("ports")}
	assert ports["red/fw:a"]["drops"].get("rule-default", 0) > 0
	assert ports["red/fw:c"]["drops"].get("rule", 0) > 0
	held = [x for x in weftd.show("connections") if x["rule"] == "web"]
	assert held and held[0]["firewall"] == "red/fw"
	assert all(r["firewall"] == "red/fw" for r in weftd.show("rules"))
	text = weftd.weft("explain", "red", "from", "a", "to", "b", "tcp/80").stdout
	assert "rule web accepts" in text and "red/fw:a" in text and "guard" not in text, text
	text = weftd.weft("explain", "red", "from", "a", "to", "c", "tcp/80", check=False).stdout
	assert "no rule fits" in text, text
	assert "guard" not in json.dumps([weftd.show(kind) for kind in
		("firewalls", "ports", "rules", "connections", "macs", "switches")])
	for it in (client, server, other):
		it.close()


def test_two_ports_become_three_and_two_again(space):
	"""A connection that is open meanwhile goes on, whatever the firewall is made of."""
	rules = [*NEIGHBORS, {"name": "web", "accept": "tcp", "to-port": 80}]
	weftd = space.start_weftd(joined(space, rules, words=("a", "b")))
	a, b = space.namespace("a"), space.namespace("b")
	server = Server(b, 80)
	client = connect(a, "10.0.0.2", 80)
	assert echoes(client)
	plan = weftd.operation("plan", yaml=harness.as_yaml(joined(space, rules)))["items"]
	assert [item["impact"] for item in plan if item["name"] == "fw:c"] == ["traffic-loss"], plan
	weftd.apply(joined(space, rules))
	assert echoes(client, b"three")
	third = Server(space.namespace("c"), 80)
	assert echoes(connect(a, "10.0.0.3", 80))
	weftd.apply(joined(space, rules, words=("a", "b")))
	assert echoes(client, b"two")
	assert len([x for x in weftd.show("connections") if x["state"] == "established"]) >= 1
	assert isinstance(connect(a, "10.0.0.3", 80, timeout=0.5), OSError)
	for it in (client, server, third):
		it.close()


def test_a_host_moves(space):
	"""What was connected goes on at another port, where the rules let it."""
	rules = [*NEIGHBORS, {"name": "web", "accept": "tcp", "from": "a", "to-port": 80}]
	config = joined(space, rules)
	weftd = space.start_weftd(config)
	server = Server(space.namespace("b"), 80)
	client = connect(space.namespace("a"), "10.0.0.2", 80)
	assert echoes(client)
	config["networks"]["red"]["nics"]["b"]["switch"] = "s-c"
	weftd.apply(config)
	assert echoes(client, b"moved")
	config["networks"]["red"]["firewalls"]["fw"]["rules"][-1]["to"] = "b"
	weftd.apply(config)
	client.settimeout(0.5 * harness.PATIENCE)
	try:
		assert not echoes(client, b"again")
	except OSError:
		pass
	client.close()
	server.close()


def test_zones(space):
	"""Within a zone nothing is judged."""
	rules = [*NEIGHBORS, {"name": "out", "accept": "icmp", "from": "inside", "to": "c"}]
	weftd = space.start_weftd(joined(space, rules, zones={"inside": {"ports": ["a", "b"]}}))
	a, b, c = (space.namespace(word) for word in WORDS)
	a.reaches("10.0.0.2")
	b.reaches("10.0.0.3")
	assert c.ping("10.0.0.1", count=2, timeout=0.5) == 0
	weftd.apply(joined(space, [*NEIGHBORS, {"name": "out", "accept": "icmp", "from": "a", "to": "c"}]))
	a.reaches("10.0.0.3")
	assert a.ping("10.0.0.2", count=2, timeout=0.5) == 0
