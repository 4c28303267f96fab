# SPDX-License-Identifier: BSD-3-Clause
"""The SYN proxy between the kernel's own stacks: with their options on and off, slow servers, lost
packets, translation, a router, and a flood."""
import json
import socket
import threading
import time

import pytest

import harness
from test_firewall import NEIGHBORS, Server, connect, echoes, firewalled
from test_firewall_tcp import vanish

PORTS = [80, 5201, 9000]
RULE = {"name": "web", "accept": "tcp", "from": "out", "to-port": PORTS, "syn-proxy": True}
RULES = [*NEIGHBORS, {"name": "ping", "accept": "icmp"}, RULE]
LOSS = "table inet t { chain c { type filter hook input priority 0; " \
	"tcp dport != 22 numgen random mod 100 < 3 drop; }; }"


def translated(space, translations, rules):
	"""in (10.0.0.10) and in2 behind a router and a firewall; out (192.0.2.10) beside it."""
	def nic(word, switch, ip, **more):
		return {"switch": switch, "ip": ip, "attach": {"netns": str(space.namespace(word))}, **more}
	return {"networks": {"red": {
		"switches": {"lan": {}, "net": {"ports": {"fw": {}}}},
		"nics": {"in": nic("in", "lan", "10.0.0.10/24", gateway="10.0.0.1"),
			"in2": nic("in2", "lan", "10.0.0.12/24", gateway="10.0.0.1"),
			"out": nic("out", "net", "192.0.2.10/24")},
		"routers": {"r": {"ports": {"lan": {"switch": "lan", "ip": "10.0.0.1/24"},
			"wan": {"ip": "192.0.2.1/24"}}}},
		"firewalls": {"fw": {"ports": {"in": {}, "out": {}}, "default": "accept",
			"rules": rules, "translations": translations}},
		"links": [{"ends": ["r:wan", "fw:in"]}, {"ends": ["fw:out", "net:fw"]}]}}}


def options(namespace, **values):
	for name, value in values.items():
		namespace.run("sysctl", "-qw", f"net.ipv4.tcp_{name}={value}")


def hold(namespace, what):
	namespace.run("nft", "-f", "-", input="table inet h { chain c { type filter hook input priority 0; "
		f"{what} drop; }}; }}")


def release(namespace):
	namespace.run("nft", "flush", "ruleset")


def is_refused(client):
	"""It was connected, for a while."""
	if isinstance(client, OSError):
		return isinstance(client, ConnectionResetError)
	try:
		client.recv(1)
	except ConnectionResetError:
		return True
	finally:
		client.close()
	return False


@pytest.fixture
def lan(space):
	class Lan:
		config = firewalled(space, RULES)
		weftd = space.start_weftd(config)
		inside, outside = space.namespace("in"), space.namespace("out")
		server = Server(inside, 80, socket.AF_INET6)

		def states(self):
			return [one["state"] for one in self.weftd.show("connections", network="red",
				protocol="tcp")]
	made = Lan()
	made.inside.reaches("10.0.0.11")
	yield made
	made.server.close()


def talk(lan, address):
	client = connect(lan.outside, address, 80)
	assert not isinstance(client, OSError), client
	for data in (b"hello", b"x" * 3000, b"bye"):
		client.sendall(data)
		got = b""
		while len(got) < len(data):
			got += client.recv(4096)
		assert got == data
	client.close()


@pytest.mark.parametrize("side", ["in", "out", "both"])
@pytest.mark.parametrize("off", [["timestamps"], ["sack"], ["window_scaling"],
	["timestamps", "sack", "window_scaling"], []])
def test_options(lan, side, off):
	"""What one side does without the other does not get, and all data come through."""
	for word, namespace in (("in", lan.inside), ("out", lan.outside)):
		if side in (word, "both"):
			options(namespace, **{name: 0 for name in off})
	for address in ("10.0.0.10", "2001:db8::10"):
		# twice: the second time it is known what the server is like
		talk(lan, address)
		talk(lan, address)
		harness.check_tcp_bytes(lan.outside, lan.inside, address, size=1 << 20)


def test_both_ways_at_speed(lan):
	with lan.inside.iperf3_server():
		for options in ([], ["-R"]):
			report = lan.outside.iperf3("10.0.0.10", seconds=1, options=options)
			rate = report["end"]["sum_received"]["bits_per_second"]
			print(f"{rate / 1e9:.2f} Gbit/s {'from' if options else 'to'} the server")
			assert rate > 1e8 / harness.PATIENCE


def test_losses(lan):
	"""Selective acknowledgments name what is missing in numbers that the other side knows."""
	for namespace in (lan.inside, lan.outside):
		namespace.run("nft", "-f", "-", input=LOSS)
	for address in ("10.0.0.10", "2001:db8::10"):
		harness.check_tcp_bytes(lan.outside, lan.inside, address, size=2 << 20)
	client = connect(lan.outside, "10.0.0.10", 80, timeout=20)
	data = bytes(range(256)) * 2000
	threading.Thread(target=client.sendall, args=(data,), daemon=True).start()
	got = b""
	while len(got) < len(data):
		got += client.recv(65536)
	assert got == data
	client.close()


def test_slow_server(lan):
	"""What the client says right after its handshake waits with it."""
	hold(lan.inside, "tcp dport 80")
	client = connect(lan.outside, "10.0.0.10", 80)
	client.sendall(b"hello")
	harness.wait_until(lambda: lan.states() == ["syn-sent"], what="the server is asked")
	time.sleep(1.5)
	release(lan.inside)
	assert client.recv(5) == b"hello"
	assert lan.states() == ["established"]
	client.close()


def test_server_speaks_first(lan):
	listener = lan.inside.socket(socket.AF_INET, socket.SOCK_STREAM)
	listener.bind(("0.0.0.0", 9000))
	listener.listen()
	client = connect(lan.outside, "10.0.0.10", 9000)
	listener.settimeout(5 * harness.PATIENCE)
	peer, _ = listener.accept()
	peer.sendall(b"220 welcome")
	assert client.recv(11) == b"220 welcome"
	peer.close()
	assert client.recv(1) == b""
	client.close()
	listener.close()


def test_refused(lan):
	"""The client has heard from the firewall that it may come: it hears from the server that not."""
	assert is_refused(connect(lan.outside, "10.0.0.10", 9000))


def test_peers_crash(lan):
	"""Either comes back with the same ports."""
	source = ("0.0.0.0", 5555)
	client = connect(lan.outside, "10.0.0.10", 80, source=source)
	assert echoes(client)
	vanish(client)
	client = connect(lan.outside, "10.0.0.10", 80, source=source)
	assert echoes(client)
	assert lan.states() == ["established"]
	# the firewall has lost what both still have
	lan.weftd.weft("kill", "red")
	vanish(client)
	client = connect(lan.outside, "10.0.0.10", 80, source=source)
	assert echoes(client)
	client.close()


def test_translated(space):
	"""A port forwarded to a host inside, for clients outside and, by way of the outside, inside."""
	forward = {"name": "web", "destination": "10.0.0.10", "protocol": "tcp", "to-ip": "192.0.2.100",
		"to-port": 8080, "port": 80, "answer": True}
	hide = {"name": "hide", "source": "192.0.2.1", "from-ip": "10.0.0.0/8"}
	space.start_weftd(translated(space, [hide, forward],
		[{"name": "web", "accept": "tcp", "to-ip": "10.0.0.10", "to-port": 80, "syn-proxy": True}]))
	inside, other, outside = (space.namespace(word) for word in ("in", "in2", "out"))
	inside.reaches("192.0.2.10")
	server = Server(inside, 80)
	for one in (outside, other):
		client = connect(one, "192.0.2.100", 8080)
		assert not isinstance(client, OSError), client
		for _ in range(20):
			assert echoes(client, b"y" * 1000)
		client.close()
	assert [peer[0] for peer in server.peers] == ["192.0.2.10", "192.0.2.100"]
	server.socket.shutdown(socket.SHUT_RDWR)
	assert is_refused(connect(outside, "192.0.2.100", 8080))
	server.close()


def test_routed(space):
	"""Between the zones of a router."""
	network = {"switches": {}, "nics": {}, "routers": {"r": {"ports": {}}},
		"firewalls": {"fw": {"router": "r", "rules": [
			{"name": "ping", "accept": "icmp"},
			{"name": "web", "accept": "tcp", "from": "wan", "to": "lan", "to-port": PORTS,
				"syn-proxy": True}]}}}
	for n, word in enumerate(("lan", "wan")):
		network["switches"][word] = {}
		network["nics"][word] = {"switch": word, "gateway": f"10.0.{n}.1",
			"ip": [f"10.0.{n}.10/24", f"2001:db8:{n}::10/64"],
			"attach": {"netns": str(space.namespace(word))}}
		network["routers"]["r"]["ports"][word] = {"switch": word,
			"ip": [f"10.0.{n}.1/24", f"2001:db8:{n}::1/64"], "advertise": {}}
	space.start_weftd({"networks": {"red": network}})
	lan, wan = space.namespace("lan"), space.namespace("wan")
	wan.reaches("10.0.0.10")
	for namespace, other, n in ((lan, 1, 0), (wan, 0, 1)):
		namespace.run("ip", "-6", "route", "replace", f"2001:db8:{other}::/64", "via",
			f"2001:db8:{n}::1")
	server = Server(lan, 80, socket.AF_INET6)
	for address in ("10.0.0.10", "2001:db8:0::10"):
		client = connect(wan, address, 80)
		assert not isinstance(client, OSError), client
		assert echoes(client)
		client.close()
		harness.check_tcp_bytes(wan, lan, address)
		assert is_refused(connect(wan, address, 5201))
	server.close()


def test_workers(space):
	"""Each connection is one worker's, whoever received its packets."""
	weftd = space.start_weftd(firewalled(space, RULES), options=["--workers", "2"])
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("10.0.0.11")
	server = Server(inside, 80)
	clients = [connect(outside, "10.0.0.10", 80) for _ in range(40)]
	assert all(echoes(client) for client in clients)
	assert len({one["worker"] for one in weftd.show("connections", network="red")}) == 2
	for client in clients:
		client.close()
	server.close()


def test_flood(lan):
	"""SYNs from everywhere make no connection and no hole: old and new clients go on."""
	mac = next(link["address"] for link in json.loads(
		lan.inside.run("ip", "-j", "link").stdout) if link["ifname"] == "in")
	client = connect(lan.outside, "10.0.0.10", 80)
	lan.outside.run("ip", "addr", "add", "10.2.0.99/16", "dev", "out")
	lan.inside.run("ip", "addr", "add", "10.2.0.10/16", "dev", "in")
	flood = lan.outside.popen("/usr/bin/python3", harness.ROOT / "tests/flood.py", "syn", "out",
		"4", mac, "20000")
	assert flood.stdout.readline().strip() == "ready"
	refused = []
	for _ in range(30):
		assert echoes(client)
		one = connect(lan.outside, "10.0.0.10", 80)
		if isinstance(one, OSError) or not echoes(one):
			refused.append(one)
		else:
			one.close()
		time.sleep(0.05)
	assert refused == []
	assert len(lan.states()) == 31
	sent = int(flood.communicate()[0])
	rules = {rule["name"]: rule for rule in lan.weftd.show("rules", firewall="red/fw")}
	assert rules["web"]["syn-proxy"] is True
	assert rules["web"]["matched-packets"] > sent / 2
	client.close()
