# SPDX-License-Identifier: BSD-3-Clause
"""TCP through a firewall as its users want it: the kernel's own at both ends, which restart, lose
each other, open at once, are silent for long, or are seen in one direction only."""
import socket
import struct
import time

import pytest

import harness
from test_firewall import NEIGHBORS, Server, connect, echoes, firewalled

TCP_REPAIR = 19
SERVER, PORT, SOURCE = "10.0.0.10", 80, ("0.0.0.0", 5555)
WEB = {"name": "web", "accept": "tcp", "from": "out", "to-port": PORT}


def vanish(connection):
	"""Its host loses it as if it had crashed: nothing is sent."""
	connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
	connection.close()


class Echo:
	"""A server whose connections the test holds."""

	def __init__(self, namespace, port=PORT):
		self.socket = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
		self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		self.socket.bind(("0.0.0.0", port))
		self.socket.listen()

	def accept(self):
		self.socket.settimeout(5 * harness.PATIENCE)
		connection, _ = self.socket.accept()
		connection.settimeout(5 * harness.PATIENCE)
		return connection


def works(client, server):
	for one, other in ((client, server), (server, client)):
		one.sendall(b"hello")
		if other.recv(5) != b"hello":
			return False
	return True


@pytest.fixture
def lan(space):
	"""A firewall with WEB alone: weftd, the namespaces, a server."""
	class Lan:
		config = firewalled(space, [*NEIGHBORS, WEB])
		weftd = space.start_weftd(config)
		inside, outside = space.namespace("in"), space.namespace("out")
		server = Echo(inside)

		def connect(self):
			client = self.outside.socket(socket.AF_INET, socket.SOCK_STREAM)
			client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
			client.settimeout(5 * harness.PATIENCE)
			client.bind(SOURCE)
			client.connect((SERVER, PORT))
			return client

		def pair(self):
			client = self.connect()
			return client, self.server.accept()

		def states(self):
			return [one["state"] for one in self.weftd.show("connections", network="red")]

		def configure(self, **leaves):
			self.config["networks"]["red"]["firewalls"]["fw"].update(leaves)
			self.weftd.apply(self.config)
	made = Lan()
	yield made
	made.server.socket.close()


def test_client_restarts(lan):
	"""The server still has the connection: it challenges the SYN, and the second SYN gets through."""
	client, server = lan.pair()
	assert works(client, server)
	vanish(client)
	client, again = lan.pair()
	assert works(client, again)
	with pytest.raises(ConnectionResetError):
		server.recv(5)
	assert lan.states() == ["established"]


def test_server_restarts(lan):
	"""The client is told as soon as it says something."""
	client, server = lan.pair()
	vanish(server)
	client.sendall(b"hello")
	with pytest.raises(ConnectionResetError):
		client.recv(5)
	client.close()
	assert works(*lan.pair())


def test_both_restart(lan):
	"""Nobody but the firewall has the connection: that does not stand in the way of a new one."""
	client, server = lan.pair()
	vanish(client)
	vanish(server)
	begin = time.monotonic()
	client, server = lan.pair()
	assert works(client, server)
	assert time.monotonic() - begin < 0.9 * harness.PATIENCE  # not by the second SYN
	assert lan.states() == ["established"]


def test_firewall_forgets(lan):
	"""A connection that it does not know is not picked up in its middle; a new one has its ports."""
	client, server = lan.pair()
	lan.weftd.weft("kill", "red/fw")
	client.settimeout(0.5)
	client.sendall(b"hello")
	server.settimeout(0.5)
	for end in (client, server):
		with pytest.raises(TimeoutError):
			end.recv(5)
	vanish(client)
	assert works(*lan.pair())  # challenged by the old one, whose answer the firewall lets through


def test_strays_rejected(lan):
	"""The same, but a rule tells both ends at once."""
	lan.configure(rules=[*NEIGHBORS, WEB, {"name": "strays", "reject": "tcp", "state": ["invalid"]}])
	client, server = lan.pair()
	lan.weftd.weft("kill", "red/fw")
	client.sendall(b"hello")
	with pytest.raises(ConnectionResetError):
		client.recv(5)
	server.sendall(b"hello")
	with pytest.raises(ConnectionResetError):
		server.recv(5)


def test_reset_and_refusal(lan):
	"""Who resets, or is refused, can begin again with the same ports at once."""
	for _ in range(5):
		client, server = lan.pair()
		client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		client.close()
		with pytest.raises(ConnectionResetError):
			server.recv(5)
		assert lan.states() == ["reset"]
	lan.server.socket.close()
	for _ in range(5):
		assert isinstance(connect(lan.outside, SERVER, PORT, source=SOURCE), ConnectionRefusedError)
	lan.server = Echo(lan.inside)
	assert works(*lan.pair())


def test_ports_again(lan):
	"""A connection follows another of the same ports, which the server's end remembers."""
	for _ in range(20):
		client, server = lan.pair()
		assert works(client, server)
		server.close()
		assert client.recv(5) == b""
		client.close()
		# the last acknowledgment is on its way
		harness.wait_until(lambda: not lan.outside.run("ss", "-tnH").stdout, what="its end")
	assert lan.states() in (["established"], ["closing"], ["time-wait"])


def test_half_closed(lan):
	"""A client that has said all gets all of the answer, however long that takes."""
	lan.configure(timeouts={"tcp-closing": "1s"})
	client, server = lan.pair()
	client.shutdown(socket.SHUT_WR)
	assert server.recv(5) == b""
	for _ in range(3):
		time.sleep(1)
		server.sendall(b"hello")
		assert client.recv(5) == b"hello"
	server.close()
	assert client.recv(5) == b""
	harness.wait_until(lambda: lan.states() == [], timeout=5 * harness.PATIENCE,
		what="the connection's end")


def test_silence(lan):
	"""Keepalives keep it alive, silence ends it."""
	lan.configure(timeouts={"tcp": "3s"})
	client, server = lan.pair()
	for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
		client.setsockopt(socket.IPPROTO_TCP, option, value)
	client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
	time.sleep(6)
	assert works(client, server)
	client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
	harness.wait_until(lambda: lan.states() == [], timeout=8 * harness.PATIENCE,
		what="the connection's end")
	client.settimeout(0.5)
	client.sendall(b"hello")
	with pytest.raises(TimeoutError):
		client.recv(5)


def test_never_answered(lan):
	"""Openings that nobody answers end by their own time."""
	lan.configure(timeouts={"tcp-opening": "2s"})
	lan.inside.run("nft", "-f", "-", input="table inet t { chain c { type filter hook input priority 0; "
		"tcp dport 80 drop; }; }")
	assert isinstance(connect(lan.outside, SERVER, PORT, timeout=0.3, source=SOURCE), TimeoutError)
	assert lan.states() == ["syn-sent"]
	harness.wait_until(lambda: lan.states() == [], timeout=6 * harness.PATIENCE, what="its end")
	lan.inside.run("nft", "flush", "ruleset")
	assert works(*lan.pair())


def test_rules_change_and_keep(lan):
	"""policy-change: keep. What new rules would refuse lives on, and nothing new begins."""
	client, server = lan.pair()
	lan.configure(rules=NEIGHBORS, **{"policy-change": "keep"})
	assert works(client, server)
	assert isinstance(connect(lan.outside, SERVER, PORT, timeout=0.5), TimeoutError)
	assert works(client, server)
	lan.configure(**{"policy-change": "re-evaluate"})
	client.settimeout(0.5)
	client.sendall(b"hello")
	with pytest.raises(TimeoutError):
		client.recv(5)


def test_simultaneous_open(lan):
	"""RFC 9293, 3.5: both begin; of the rules, one may."""
	hold = "table inet t { chain c { type filter hook input priority 0; " \
		"tcp flags & (syn | ack) == syn drop; }; }"
	for namespace in (lan.inside, lan.outside):
		namespace.run("nft", "-f", "-", input=hold)
	lan.server.socket.close()
	ends = []
	for namespace, other in ((lan.outside, (SERVER, PORT)), (lan.inside, ("10.0.0.11", SOURCE[1]))):
		end = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
		end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		end.bind(("0.0.0.0", SOURCE[1] if namespace is lan.outside else PORT))
		end.setblocking(False)
		assert end.connect_ex(other) == 115  # EINPROGRESS
		ends.append(end)
		harness.wait_until(lambda: len(lan.states()) == 1, what="the SYN")
	harness.wait_until(lambda: lan.states() == ["simultaneous-open"], what="the other's SYN")
	for namespace in (lan.inside, lan.outside):
		namespace.run("nft", "flush", "ruleset")
	harness.wait_until(lambda: lan.states() == ["established"], timeout=8 * harness.PATIENCE,
		what="the connection")
	for end in ends:
		end.settimeout(3 * harness.PATIENCE)
	assert works(*ends)
	for end in ends:
		end.close()


# ---- paths that differ by direction

def two_ways(space, rules, **leaves):
	"""From out to in by fw1, back by fw2: two lans, an address of their own for each host."""
	network = {"switches": {}, "nics": {}, "firewalls": {}, "links": []}
	for lan in (1, 2):
		network["firewalls"][f"fw{lan}"] = {"ports": {"in": {}, "out": {}}, "rules": rules, **leaves}
		for word, last in (("in", 10), ("out", 11)):
			switch = f"{word}{lan}"
			network["switches"][switch] = {"ports": {"fw": {}}}
			network["nics"][switch] = {"switch": switch, "ip": f"10.{lan}.0.{last}/24",
				"attach": {"netns": str(space.namespace(word))}}
			network["links"].append({"ends": [f"{switch}:fw", f"fw{lan}:{word}"]})
	return {"networks": {"red": network}}


def route_two_ways(inside, outside):
	for namespace, own, other, way in ((outside, "10.8.0.11", "10.8.0.10", "10.1.0.10 dev out1"),
			(inside, "10.8.0.10", "10.8.0.11", "10.2.0.11 dev in2")):
		for word in ("all", "in1", "in2", "out1", "out2"):
			namespace.run("sysctl", "-qw", f"net.ipv4.conf.{word}.rp_filter=0", check=False)
		namespace.run("ip", "link", "set", "lo", "up")
		namespace.run("ip", "addr", "add", f"{own}/32", "dev", "lo")
		namespace.run("ip", "route", "add", other, "via", *way.split(), "src", own)


def test_asymmetric(space):
	"""Who sees one direction only cannot follow a connection; rules may do without."""
	config = two_ways(space, [*NEIGHBORS, {"name": "all", "accept": "tcp"}])
	weftd = space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	route_two_ways(inside, outside)
	server = Server(inside, PORT)
	assert isinstance(connect(outside, "10.8.0.10", PORT, timeout=1.5), TimeoutError)
	for rule in ({"stateless": True}, {"state": ["new", "invalid"]}):
		for firewall in config["networks"]["red"]["firewalls"].values():
			firewall["rules"] = [*NEIGHBORS, {"name": "all", "accept": "tcp", **rule}]
		weftd.apply(config)
		weftd.weft("kill", "red")
		client = connect(outside, "10.8.0.10", PORT)
		assert not isinstance(client, OSError), (rule, client)
		assert echoes(client, b"x" * 1000)
		client.close()
	server.close()
