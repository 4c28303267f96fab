# SPDX-License-Identifier: BSD-3-Clause
"""Firewalls between real namespaces: the kernel's own stack at both ends."""
import json
import socket
import struct
import threading

import pytest
import yaml

import harness


def firewalled(space, rules, **firewall):
	"""in (10.0.0.10) and out (10.0.0.11): one network, a firewall between them."""
	def nic(word, last):
		return {"switch": f"s-{word}", "ip": [f"10.0.0.{last}/24", f"2001:db8::{last}/64"],
			"attach": {"netns": str(space.namespace(word))}}
	return {"networks": {"red": {
		"switches": {"s-in": {"ports": {"fw": {}}}, "s-out": {"ports": {"fw": {}}}},
		"nics": {"in": nic("in", 10), "out": nic("out", 11)},
		"firewalls": {"fw": {"ports": {"in": {}, "out": {}}, "rules": rules, **firewall}},
		"links": [{"ends": ["s-in:fw", "fw:in"]}, {"ends": ["fw:out", "s-out:fw"]}]}}}


NEIGHBORS = [{"name": "arp", "accept": "arp"},
	{"name": "nd", "accept": "icmpv6", "icmp-type": ["neighbor-solicitation",
		"neighbor-advertisement"]}]


class Server:
	"""Accepts TCP connections and sends back what comes."""

	def __init__(self, namespace, port, family=socket.AF_INET):
		self.socket = namespace.socket(family, socket.SOCK_STREAM)
		self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		self.socket.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
		self.socket.listen()
		self.peers = []
		threading.Thread(target=self.serve, daemon=True).start()

	def serve(self):
		while True:
			try:
				connection, peer = self.socket.accept()
			except OSError:
				return
			self.peers.append(peer)
			threading.Thread(target=self.echo, args=(connection,), daemon=True).start()

	@staticmethod
	def echo(connection):
		try:
			while data := connection.recv(4096):
				connection.sendall(data)
		except OSError:
			pass

	def close(self):
		self.socket.close()


def connect(namespace, address, port, timeout=3, source=None):
	"""A connection, or the exception."""
	family = socket.AF_INET6 if ":" in address else socket.AF_INET
	client = namespace.socket(family, socket.SOCK_STREAM)
	client.settimeout(timeout * harness.PATIENCE)
	if source is not None:
		client.bind(source)
	try:
		client.connect((address, port))
	except OSError as error:
		client.close()
		return error
	return client


def echoes(client, data=b"hello"):
	client.sendall(data)
	return client.recv(len(data)) == data


@pytest.mark.parametrize("name", ["firewall", "edge"])
def test_example(space, name):
	"""examples/firewall.yaml, edge.yaml: what their own tests say holds."""
	config = yaml.safe_load((harness.ROOT / f"examples/{name}.yaml").read_text())
	count = len(config["networks"]["red"]["tests"])
	weftd = space.start_weftd(config)
	answer = weftd.weft("test")
	assert count > 3 and f"{count} of {count} tests hold" in answer.stdout, answer.stdout


@pytest.mark.parametrize("family", [4, 6])
def test_verdicts(space, family):
	"""Accepted with its replies; dropped in silence; rejected so that the sender knows at once."""
	rules = [*NEIGHBORS,
		{"name": "ping", "accept": "icmp" if family == 4 else "icmpv6", "from": "in",
			"icmp-type": "echo-request"},
		{"name": "web", "accept": "tcp", "from": "out", "to-port": 80},
		{"name": "no", "reject": "any", "from": "out", "to-port": [81]}]
	rules[-1]["reject"] = "tcp"
	space.start_weftd(firewalled(space, rules))
	inside, outside = space.namespace("in"), space.namespace("out")
	address = {4: ("10.0.0.10", "10.0.0.11"), 6: ("2001:db8::10", "2001:db8::11")}[family]
	inside.reaches(address[1])
	assert outside.ping(address[0], count=2, timeout=0.5) == 0
	kind = socket.AF_INET6 if family == 6 else socket.AF_INET
	server = Server(inside, 80, kind)
	client = connect(outside, address[0], 80)
	assert echoes(client)
	assert isinstance(connect(outside, address[0], 81), ConnectionRefusedError)
	assert isinstance(connect(outside, address[0], 82, timeout=0.5), TimeoutError)
	client.close()
	server.close()


def test_throughput_and_bytes(space):
	"""Super-packets and partial checksums pass through unbroken."""
	space.start_weftd(firewalled(space, [*NEIGHBORS, {"name": "all", "accept": "any"}]))
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("10.0.0.11")
	harness.check_tcp_bytes(inside, outside, "10.0.0.11")
	harness.check_tcp_bytes(inside, outside, "2001:db8::11")


def test_long_datagrams(space):
	"""Rules see the ports of what comes in pieces."""
	rules = [*NEIGHBORS, {"name": "one", "accept": "udp", "from": "out", "to-port": 9000},
		{"name": "ping", "accept": "icmp"}]
	space.start_weftd(firewalled(space, rules))
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("10.0.0.11")
	for size in (1400, 3000, 20000):
		answer = inside.run("ping", "-n", "-c", "2", "-i", "0.2", "-s", str(size), "10.0.0.11")
		assert " 0% packet loss" in answer.stdout, answer.stdout
	for port, arrives in ((9000, True), (9001, False)):
		with inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, \
				outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
			server.bind(("10.0.0.10", port))
			server.settimeout(1 * harness.PATIENCE if arrives else 0.5)
			client.sendto(b"x" * 5000, ("10.0.0.10", port))
			if arrives:
				assert len(server.recv(9000)) == 5000
			else:
				with pytest.raises(TimeoutError):
					server.recv(9000)


def test_rules_change(space):
	"""Connections that the new rules refuse end, the others live on."""
	rules = [*NEIGHBORS, {"name": "a", "accept": "tcp", "to-port": 80},
		{"name": "b", "accept": "tcp", "to-port": 81}]
	config = firewalled(space, rules)
	weftd = space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	servers = [Server(inside, port) for port in (80, 81)]
	a, b = (connect(outside, "10.0.0.10", port) for port in (80, 81))
	assert echoes(a) and echoes(b)
	config["networks"]["red"]["firewalls"]["fw"]["rules"] = rules[:-1]
	weftd.apply(config)
	assert echoes(a)
	b.settimeout(0.5)
	b.sendall(b"hello")
	with pytest.raises(TimeoutError):
		b.recv(5)
	# back: its packets are of no connection now, a new one is accepted
	config["networks"]["red"]["firewalls"]["fw"]["rules"] = rules
	weftd.apply(config)
	again = connect(outside, "10.0.0.10", 81)
	assert echoes(again) and echoes(a)
	for one in (a, b, again, *servers):
		one.close()


def test_limits_of_rules(space):
	"""Connections at once and in a time, over two workers; what is over them has a name."""
	rules = [*NEIGHBORS,
		{"name": "web", "accept": "tcp", "to-port": 80, "limit": {"per-source": 6}},
		{"name": "ssh", "accept": "tcp", "to-port": 22, "timeout": "1h", "log": True, "log-rate": 1000,
			"limit": {"source-rate": "4/h"}},
		{"name": "rest", "accept": "tcp"}]
	weftd = space.start_weftd(firewalled(space, rules), options=["--workers", "2"])
	inside, outside = space.namespace("in"), space.namespace("out")
	servers = [Server(inside, port) for port in (80, 22)]
	clients = [connect(outside, "10.0.0.10", 80) for _ in range(6)]
	assert all(echoes(client) for client in clients)
	assert isinstance(connect(outside, "10.0.0.10", 80, timeout=0.5), TimeoutError)
	explained = weftd.weft("explain", "red", "from", "out", "to", "in", "tcp/80", check=False).stdout
	assert "its source has 6 connections by rule web" in explained, explained
	assert "source-limit" in explained, explained
	# one that is over makes room
	gone = clients.pop()
	gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
	gone.close()
	def another():
		client = connect(outside, "10.0.0.10", 80, timeout=0.5)
		return isinstance(client, socket.socket) and client
	clients.append(harness.wait_until(another))
	with weftd.events() as events:
		clients += [connect(outside, "10.0.0.10", 22) for _ in range(4)]
		assert isinstance(connect(outside, "10.0.0.10", 22, timeout=0.5), TimeoutError)
		harness.wait_until(lambda: any("over its rate of a source" in str(event)
			for event in events))
	told = {rule["name"]: rule for rule in weftd.show("rules")}
	assert told["web"]["connections"] == 6 and told["web"]["refused-packets"] >= 1
	assert told["ssh"]["connections"] == 4 and told["ssh"]["refused-packets"] >= 1
	assert told["rest"]["connections"] is None and told["rest"]["refused-packets"] is None
	drops = {(drop["port"], drop["reason"]) for drop in weftd.show("drops")}
	assert {("red/fw:out", "source-limit"), ("red/fw:out", "source-rate")} <= drops
	expires = [connection["expires"] for connection in weftd.show("connections")
		if connection["rule"] == "ssh" and connection["state"] == "established"]
	assert len(expires) == 4 and all(3000 < seconds <= 3601 for seconds in expires), expires
	assert "REFUSED" in weftd.weft("show", "rules").stdout
	for one in (*clients, *servers):
		one.close()


def test_sets_change(space):
	config = firewalled(space, [*NEIGHBORS,
		{"name": "friends", "accept": "any", "from": "out", "from-set": "friends"}])
	sets = config["networks"]["red"]["address-sets"] = {"friends": {"members": ["10.9.0.0/16"]}}
	weftd = space.start_weftd(config)
	outside = space.namespace("out")
	assert outside.ping("10.0.0.10", count=2, timeout=0.5) == 0
	sets["friends"]["members"] = ["10.9.0.0/16", "10.0.0.11"]
	weftd.apply(config)
	outside.reaches("10.0.0.10")
	sets["friends"]["members"] = ["10.0.0.8/30"]
	weftd.apply(config)
	assert outside.ping("10.0.0.10", count=2) == 2
	sets["friends"]["members"] = []
	weftd.apply(config)
	assert outside.ping("10.0.0.10", count=2, timeout=0.5) == 0


def test_port_sets(space):
	config = firewalled(space, [*NEIGHBORS,
		{"name": "web", "accept": "tcp", "from": "out", "to-port-set": "web"}])
	sets = config["networks"]["red"]["port-sets"] = {"web": {"ports": [81, "8000-8010"],
		"description": "what serves"}}
	weftd = space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	server = Server(inside, 80)
	assert isinstance(connect(outside, "10.0.0.10", 80, timeout=0.5), TimeoutError)
	before = weftd.weft("explain", "red", "from", "out", "to", "in", "tcp/8005", check=False).stdout
	assert "rule web accepts: tcp in:out to port @web (8000-8010 of web)" in before, before
	sets["web"]["ports"] = [80, 443]
	assert "port-set" in weftd.weft("plan", "-", input=yaml.safe_dump(config), check=False).stdout
	weftd.apply(config)
	client = connect(outside, "10.0.0.10", 80)
	assert echoes(client)
	assert weftd.show("port-sets") == [{"name": "red/web", "network": "red",
		"description": "what serves", "ports": ["80", "443"]}]
	assert "80, 443" in weftd.weft("show", "port-sets").stdout
	exported = yaml.safe_load(weftd.weft("export").stdout)
	assert exported["networks"]["red"]["port-sets"]["web"]["ports"] == [80, 443]
	client.close()
	server.close()


def test_zones_of_a_router(space):
	"""A routed firewall: rules by where packets come from and go to."""
	config = {"networks": {"red": {"switches": {}, "nics": {}, "routers": {"r": {"ports": {}}},
		"firewalls": {"fw": {"router": "r", "default": "reject",
			"zones": {"inside": {"ports": ["lan", "lab"]}},
			"rules": [{"name": "out", "accept": "any", "from": "inside", "to": "wan"},
				{"name": "ssh", "accept": "tcp", "from": "wan", "to": "inside", "to-port": 22}]}}}}}
	network = config["networks"]["red"]
	for n, word in enumerate(("lan", "lab", "wan")):
		network["switches"][word] = {}
		network["nics"][word] = {"switch": word, "ip": f"10.0.{n}.10/24", "gateway": f"10.0.{n}.1",
			"attach": {"netns": str(space.namespace(word))}}
		network["routers"]["r"]["ports"][word] = {"switch": word, "ip": f"10.0.{n}.1/24"}
	weftd = space.start_weftd(config)
	lan, lab, wan = (space.namespace(word) for word in ("lan", "lab", "wan"))
	lan.reaches("10.0.2.10")
	lan.reaches("10.0.1.10")
	lab.reaches("10.0.0.10")
	answer = wan.run("ping", "-n", "-c", "1", "-W", "2", "10.0.0.10", check=False).stdout
	assert "Packet filtered" in answer, answer
	assert wan.ping("10.0.2.1") == 3
	assert isinstance(connect(wan, "10.0.1.10", 23), ConnectionRefusedError)
	server = Server(lab, 22)
	client = connect(wan, "10.0.1.10", 22)
	assert echoes(client)
	# zones change under traffic
	network["firewalls"]["fw"]["zones"] = {}
	network["firewalls"]["fw"]["rules"][0]["from"] = ["lan"]
	network["firewalls"]["fw"]["rules"][1]["to"] = ["lab"]
	weftd.apply(config)
	assert lan.ping("10.0.1.10", count=2, timeout=0.5) == 0
	lan.reaches("10.0.2.10")
	assert echoes(connect(wan, "10.0.1.10", 22))
	# without it all is open
	del network["firewalls"]
	weftd.apply(config)
	wan.reaches("10.0.0.10")
	client.close()
	server.close()


def test_from_a_router_to_the_wire_and_back(space):
	"""The same firewall, by name: transparent, then a router's, then transparent again."""
	transparent = firewalled(space, [*NEIGHBORS, {"name": "web", "accept": "tcp", "from": "in",
		"to-port": 9000}])
	routed = {"networks": {"red": {
		"routers": {"r": {"ports": {"a": {"ip": "10.7.0.1/24"}, "b": {"ip": "10.8.0.1/24"}}}},
		"firewalls": {"fw": {"router": "r", "zones": {"in": {"ports": ["b"]}},
			"rules": [{"name": "web", "accept": "tcp", "from": "in"}]}}}}}
	weftd = space.start_weftd(transparent)
	weftd.apply(routed)
	weftd.apply(transparent)
	server = Server(space.namespace("out"), 9000)
	client = connect(space.namespace("in"), "10.0.0.11", 9000)
	assert not isinstance(client, OSError), client
	assert echoes(client)
	client.close()
	server.close()
	other = Server(space.namespace("in"), 9000)
	assert isinstance(connect(space.namespace("out"), "10.0.0.10", 9000, timeout=1), OSError)
	other.close()


def test_export(space):
	"""What is shown loads back to the same, rules in their order."""
	config = yaml.safe_load((harness.ROOT / "examples/firewall.yaml").read_text())
	weftd = space.start_weftd(config)
	text = weftd.weft("export").stdout
	assert json.loads(weftd.weft("plan", "-", "--json", input=text).stdout)["changes"] == 0


def test_seeing(space):
	"""`show firewalls, rules, connections, address-sets`, `kill`, and what a rule tells."""
	config = firewalled(space, [*NEIGHBORS,
		{"name": "web", "accept": "tcp", "from": "out", "to-port": [80, 443], "log": True},
		{"name": "friends", "accept": "udp", "from-set": "friends"},
		{"name": "never", "drop": "tcp", "from": "out", "to-port": 80}])
	config["networks"]["red"]["address-sets"] = {"friends": {"members": ["10.0.0.0/28", "2001:db8::/64"]}}
	weftd = space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	server = Server(inside, 80)
	with weftd.events() as events:
		client = connect(outside, "10.0.0.10", 80, source=("0.0.0.0", 5555))
		assert echoes(client)
		harness.wait_until(lambda: any("rule web accepts" in json.dumps(event) for event in events),
			what="the rule tells")
	firewall = weftd.show("firewalls", "red/fw")
	assert (firewall["rules"], firewall["connections"], firewall["default"]) == (5, 1, "drop")
	assert firewall["ports"] == ["in", "out"]
	assert firewall["begun-connections"] >= 1 and firewall["refused-connections"] == 0
	assert firewall["begun-connections"] - firewall["ended-connections"] == 1
	assert firewall["classifier-bytes"] > 1000
	rules = {rule["name"]: rule for rule in weftd.show("rules", firewall="red/fw")}
	assert list(rules) == ["arp", "nd", "web", "friends", "never"]
	assert rules["web"]["matched-packets"] == 1 and rules["web"]["last-hit"] is not None
	assert rules["friends"]["last-hit"] is None
	assert rules["never"]["shadowed-by"] == "web"
	metrics = weftd.api("/metrics").splitlines()
	firewall_labels = 'network="red",firewall="fw"'
	assert f"weft_firewall_connections{{{firewall_labels}}} 1" in metrics
	assert f"weft_firewall_rules{{{firewall_labels}}} 5" in metrics
	assert f"weft_firewall_begun_connections_total{{{firewall_labels}}} " \
		f"{firewall['begun-connections']}" in metrics
	assert f"weft_firewall_classifier_bytes{{{firewall_labels}}} " \
		f"{firewall['classifier-bytes']}" in metrics
	assert f'weft_rule_matched_packets_total{{{firewall_labels},rule="web"}} 1' in metrics
	assert f'weft_rule_matched_bytes_total{{{firewall_labels},rule="web"}} ' \
		f'{rules["web"]["matched-bytes"]}' in metrics
	assert not any('rule="friends"' in line for line in metrics)
	assert weftd.show("address-sets")[0]["members"] == 2
	(connection,) = weftd.show("connections", network="red")
	assert (connection["from"], connection["to"]) == ("10.0.0.11:5555", "10.0.0.10:80")
	assert (connection["state"], connection["rule"]) == ("established", "web")
	assert connection["reply-packets"] > 0
	assert weftd.show("connections", address="10.0.0.9") == []
	assert weftd.show("connections", protocol="udp", limit="5") == []
	for wrong in ({"address": "10.0.0.9", "prefix": "10.0.0.0/8"}, {"limit": "0"}, {"limit": "200000"},
			{"protocol": "quic"}, {"firewall": "red/fv"}):
		with pytest.raises(harness.ApiError):
			weftd.show("connections", **wrong)
	for words in (["firewalls"], ["rules", "red/fw"], ["connections", "red/fw"], ["address-sets"]):
		assert weftd.weft("show", *words).stdout.count("\n") >= 2
	assert "no packet reaches rule never" in weftd.weft("show", "rules").stdout
	answer = weftd.weft("kill", check=False)
	assert answer.returncode == 2 and "which connections" in answer.stderr
	assert "0 connections ended" in weftd.weft("kill", "red", "--address", "10.0.0.9").stdout
	assert "1 connection ended" in weftd.weft("kill", "red/fw").stdout
	assert weftd.show("connections") == []
	client.close()
	server.close()


def test_explain(space):
	"""Names the rule, the set's member, the connection, and the translation."""
	config = yaml.safe_load((harness.ROOT / "examples/firewall.yaml").read_text())
	weftd = space.start_weftd(config)
	told = weftd.weft("explain", "red/friend", "to", "203.0.113.2", "tcp/8080").stdout
	assert "rule web accepts" in told and "203.0.113.0/28 of friends" in told, told
	assert "translated: 203.0.113.7" in told and "10.1.0.10:80" in told, told
	told = weftd.weft("explain", "red/stranger", "to", "203.0.113.2", "tcp/8080", check=False).stdout
	assert "no rule fits: the firewall's default drops" in told, told
	told = weftd.weft("explain", "red/web", "to", "10.0.0.11", "tcp/5432", check=False).stdout
	assert "no rule fits: the firewall's default rejects" in told, told
	# nothing of it was kept
	assert weftd.show("connections") == []
