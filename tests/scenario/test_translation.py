# SPDX-License-Identifier: BSD-3-Clause
"""Translation between real namespaces: in and in2 behind a router, out beside it, the kernel's own
stack at all ends. By a transparent firewall on the wire outside the router, and by one that guards
the router itself."""
import contextlib
import errno
import re
import socket
import threading

import pytest

import harness

LAST = {"in": 10, "in2": 12, "dmz": 10, "out": 10}
NETS = {"lan": "10.0.0.{}/24", "dmz": "10.9.0.{}/24", "net": "192.0.2.{}/24"}
NETS6 = {"lan": "2001:db8:a::{}/64", "dmz": "2001:db8:9::{}/64", "net": "2001:db8:c::{}/64"}


def at(net, last, family=4):
	"""An address, without its length."""
	return (NETS if family == 4 else NETS6)[net].format(last).split("/")[0]


def both(net, last):
	return [NETS[net].format(last), NETS6[net].format(last)]


def nic(space, word, switch):
	made = {"switch": switch, "ip": both(switch, LAST[word]),
		"attach": {"netns": str(space.namespace(word))}}
	if switch != "net":
		made["gateway"] = [at(switch, 1), at(switch, 1, 6)]
	return made


def transparent(space, translations, **firewall):
	"""A firewall on the wire between the router and the outside."""
	return {"networks": {"red": {
		"switches": {"lan": {}, "net": {"ports": {"fw": {}}}},
		"nics": {"in": nic(space, "in", "lan"), "in2": nic(space, "in2", "lan"),
			"out": nic(space, "out", "net")},
		"routers": {"r": {"ports": {"lan": {"switch": "lan", "ip": both("lan", 1)},
			"wan": {"ip": both("net", 1)}}}},
		"firewalls": {"fw": {"ports": {"in": {}, "out": {}}, "default": "accept",
			"translations": translations, **firewall}},
		"links": [{"ends": ["r:wan", "fw:in"]}, {"ends": ["fw:out", "net:fw"]}]}}}


def routed(space, translations, **firewall):
	"""A firewall of the router, with a third zone."""
	return {"networks": {"red": {
		"switches": {"lan": {}, "dmz": {}, "net": {}},
		"nics": {"in": nic(space, "in", "lan"), "in2": nic(space, "in2", "lan"),
			"dmz": nic(space, "dmz", "dmz"), "out": nic(space, "out", "net")},
		"routers": {"r": {"ports": {"lan": {"switch": "lan", "ip": both("lan", 1)},
			"dmz": {"switch": "dmz", "ip": both("dmz", 1)},
			"wan": {"switch": "net", "ip": both("net", 1)}}}},
		"firewalls": {"fw": {"router": "r", "zones": {"inside": {"ports": ["lan"]},
			"outside": {"ports": ["wan"]}}, "default": "accept", "translations": translations,
			**firewall}}}}}


class Server:
	"""Sends back what comes, by TCP and UDP; notes from whom."""

	def __init__(self, namespace, port, family=4):
		family = socket.AF_INET if family == 4 else socket.AF_INET6
		self.tcp = namespace.socket(family, socket.SOCK_STREAM)
		self.udp = namespace.socket(family, socket.SOCK_DGRAM)
		for one in (self.tcp, self.udp):
			one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
			one.bind(("0.0.0.0" if family == socket.AF_INET else "::", port))
		self.tcp.listen()
		self.peers = {"tcp": [], "udp": []}
		threading.Thread(target=self.accept, daemon=True).start()
		threading.Thread(target=self.answer, daemon=True).start()

	def accept(self):
		while True:
			try:
				connection, peer = self.tcp.accept()
			except OSError:
				return
			self.peers["tcp"].append(peer[:2])
			threading.Thread(target=self.echo, args=(connection,), daemon=True).start()

	@staticmethod
	def echo(connection):
		try:
			while data := connection.recv(65536):
				connection.sendall(data)
		except OSError:
			pass

	def answer(self):
		while True:
			try:
				data, peer = self.udp.recvfrom(65536)
				if peer is None:
					return
				self.udp.sendto(data, peer)
			except OSError:
				return
			self.peers["udp"].append(peer[:2])

	def close(self):
		for one in (self.tcp, self.udp):
			try:
				one.shutdown(socket.SHUT_RDWR)
			except OSError:
				pass
			one.close()

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.close()


def client(namespace, protocol, address, port, source=None, timeout=3):
	family = socket.AF_INET6 if ":" in address else socket.AF_INET
	kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
	made = namespace.socket(family, kind)
	made.settimeout(timeout * harness.PATIENCE)
	if source is not None:
		made.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source))
	made.connect((address, port))
	return made


def exchange(namespace, protocol, address, port, size=100, source=None):
	"""There and back, whole."""
	data = bytes(i % 251 for i in range(size))
	with client(namespace, protocol, address, port, source) as one:
		one.sendall(data)
		got = b""
		while len(got) < size:
			more = one.recv(65536)
			assert more, f"{protocol} to {address}: ended after {len(got)} of {size} bytes"
			got += more
		assert got == data


def expect_served(namespace, protocol, address, port, server, source, size=100, own=None):
	"""An exchange, and who the server saw."""
	before = len(server.peers[protocol])
	exchange(namespace, protocol, address, port, size, own)
	harness.wait_until(lambda: len(server.peers[protocol]) > before, what="the server heard nobody")
	assert server.peers[protocol][before][0] == source, server.peers


def expect_ping(namespace, address, size=56):
	answer = namespace.run("ping", "-n", "-c", "2", "-i", "0.2", "-W", "3", "-s", str(size), address,
		check=False)
	assert " 0% packet loss" in answer.stdout, answer.stdout


def expect_refused(namespace, address, port):
	"""Nobody listens: the ICMP error finds who asked."""
	with client(namespace, "udp", address, port) as one:
		one.send(b"?")
		with pytest.raises(ConnectionRefusedError):
			one.recv(10)


MASQUERADE = {"name": "hide", "masquerade": True, "to": "outside"}


# ---- the matrix: kinds of translation x (TCP, UDP, echo, errors, fragments) x families x firewalls ------

POOL, FORWARDED, OTHER = 100, 110, 120  # of the outside network, and nobody's


def bits(family):
	return 32 if family == 4 else 128


def source(family):
	return {"name": "hide", "source": at("net", POOL, family), "from-ip": NETS_OF[family]}


def destination(family):
	return {"name": "in", "destination": at("lan", 10, family), "to-ip": at("net", FORWARDED, family)}


def one_to_one(family):
	return {"name": "one", "prefix": f"{at('lan', 10, family)}/{bits(family)}",
		"outside": f"{at('net', OTHER, family)}/{bits(family)}"}


NETS_OF = {4: "10.0.0.0/24", 6: "2001:db8:a::/64"}


def matrix(space, firewall, family, translations):
	"""By a firewall of the kind, which answers for its addresses."""
	for one in translations:
		if firewall == "routed" and "destination" not in one:
			one["to"] = "outside"
		if firewall == "transparent":
			one["answer"] = True
	made = {"routed": routed, "transparent": transparent}[firewall](space, translations)
	space.start_weftd(made)
	inside, other, outside = (space.namespace(word) for word in ("in", "in2", "out"))
	inside.reaches(at("lan", 1, family))
	other.reaches(at("lan", 1, family))
	return inside, other, outside


def expect_all(from_, address, server_at, seen_as, family):
	"""TCP, UDP, fragments, pings and errors, there and back; the server sees whom it should."""
	with Server(server_at, 80, family) as server:
		for protocol, size in (("tcp", 100), ("tcp", 300000), ("udp", 100), ("udp", 5000)):
			expect_served(from_, protocol, address, 80, server, seen_as, size)
	for size in (56, 3000):
		expect_ping(from_, address, size)
	expect_refused(from_, address, 7777)


both_firewalls = pytest.mark.parametrize("firewall", ("transparent", "routed"))
both_families = pytest.mark.parametrize("family", (4, 6))


@both_firewalls
@both_families
def test_source(space, firewall, family):
	inside, _, outside = matrix(space, firewall, family, [source(family)])
	inside.reaches(at("net", 10, family))
	expect_all(inside, at("net", 10, family), outside, at("net", POOL, family), family)


@both_firewalls
@both_families
def test_destination(space, firewall, family):
	inside, _, outside = matrix(space, firewall, family, [destination(family)])
	outside.reaches(at("net", FORWARDED, family))
	expect_all(outside, at("net", FORWARDED, family), inside, at("net", 10, family), family)


@both_firewalls
@both_families
def test_hairpin(space, firewall, family):
	"""From inside to a host inside, by its outside address: it sees that address, too."""
	inside, other, _ = matrix(space, firewall, family, [source(family), destination(family)])
	inside.reaches(at("net", 10, family))
	other.reaches(at("net", FORWARDED, family))
	expect_all(other, at("net", FORWARDED, family), inside, at("net", FORWARDED, family), family)


@both_firewalls
@both_families
def test_one_to_one(space, firewall, family):
	inside, _, outside = matrix(space, firewall, family, [one_to_one(family)])
	inside.reaches(at("net", 10, family))
	outside.reaches(at("net", OTHER, family))
	expect_all(inside, at("net", 10, family), outside, at("net", OTHER, family), family)
	expect_all(outside, at("net", OTHER, family), inside, at("net", 10, family), family)


@both_families
def test_both_ends(space, family):
	"""From a third zone: the destination inside, and the source, too, as the zone is told."""
	translations = [{"name": "hide", "masquerade": True, "from": "dmz", "to": "inside"},
		destination(family)]
	inside, _, _ = matrix(space, "routed", family, [])
	space.daemons[0].apply(routed(space, translations))
	dmz = space.namespace("dmz")
	inside.reaches(at("dmz", 10, family))
	expect_all(dmz, at("net", FORWARDED, family), inside, at("lan", 1, family), family)


@pytest.mark.parametrize("family", (4, 6))
def test_masquerade_of_a_router(space, family):
	"""The source becomes the address of the port that it leaves by; between zones inside it stays."""
	weftd = space.start_weftd(routed(space, [MASQUERADE]))
	inside, other, dmz, outside = (space.namespace(word) for word in ("in", "in2", "dmz", "out"))
	server, own, host = at("net", 10, family), at("net", 1, family), at("lan", 10, family)
	inside.reaches(server)
	inside.reaches(at("dmz", 10, family))
	with Server(outside, 80, family) as far, Server(dmz, 80, family) as near:
		for protocol in ("tcp", "udp"):
			expect_served(inside, protocol, server, 80, far, own)
			expect_served(inside, protocol, at("dmz", 10, family), 80, near, host)
		# fragments, both ways
		expect_served(inside, "udp", server, 80, far, own, size=5000)
		# two hosts with the same port
		clients = [client(one, "tcp", server, 80, source=5555) for one in (inside, other)]
		for one in clients:
			one.sendall(b"x")
			assert one.recv(1) == b"x"
		assert len(set(far.peers["tcp"][-2:])) == 2, far.peers
		for one in clients:
			one.close()
	for size in (56, 3000):
		expect_ping(inside, server, size)
	expect_refused(inside, server, 7777)
	# the router's own are still its own
	expect_ping(outside, own)
	expect_ping(outside, own, 3000)
	expect_ping(inside, at("lan", 1, family))
	expect_refused(outside, own, 7777)
	shown = weftd.weft("show", "connections", "--json").stdout
	assert own in shown


@pytest.mark.parametrize("family", (4, 6))
def test_ports_forwarded_by_a_router(space, family):
	"""From outside to a host inside, and by the same address from inside and from another zone."""
	own, host = at("net", 1, family), at("lan", 10, family)
	web = {"name": "web", "destination": host, "protocol": "tcp", "to-ip": own, "to-port": 8080,
		"port": 80}
	dns = {"name": "dns", "destination": host, "protocol": "udp", "from": "outside", "to-port": 53}
	rules = [{"name": "out", "accept": "any", "from": ["inside", "dmz"]},
		{"name": "web", "accept": "tcp", "from": "outside", "to": "inside", "to-port": [80, 53]}]
	rules.append({**rules[1], "name": "dns", "accept": "udp"})
	space.start_weftd(routed(space, [MASQUERADE, web, dns], default="drop", rules=rules))
	inside, other, dmz, outside = (space.namespace(word) for word in ("in", "in2", "dmz", "out"))
	inside.reaches(at("net", 10, family))
	dmz.reaches(host)
	with Server(inside, 80, family) as server, Server(inside, 53, family) as resolver:
		expect_served(outside, "tcp", own, 8080, server, at("net", 10, family), size=100000)
		expect_served(outside, "udp", own, 53, resolver, at("net", 10, family))
		expect_served(outside, "udp", own, 53, resolver, at("net", 10, family), size=5000)
		# hairpin: whom it is for would answer past the router, were it not for the source
		expect_served(other, "tcp", own, 8080, server, own)
		expect_served(dmz, "tcp", own, 8080, server, at("dmz", 10, family))
	# an error from inside is told as from the address that was asked
	expect_refused(outside, own, 53)
	# not forwarded: for the router itself
	with pytest.raises(ConnectionRefusedError):
		client(outside, "tcp", own, 80)
	expect_ping(outside, own)


@pytest.mark.parametrize("family", (4, 6))
def test_outside_addresses_of_a_router(space, family):
	"""A pool, one to one and a forwarded port, at addresses that are nobody's but the firewall's."""
	pool, single, one_to_one = (at("net", last, family) for last in (100, 110, 120))
	bits = "32" if family == 4 else "128"
	translations = [
		{"name": "both", "prefix": f"{at('lan', 12, family)}/{bits}", "outside": f"{one_to_one}/{bits}",
			"to": "outside"},
		{"name": "pool", "source": pool, "from": "inside", "to": "outside"},
		{"name": "web", "destination": at("lan", 10, family), "protocol": "tcp", "to-ip": single,
			"to-port": 80}]
	weftd = space.start_weftd(routed(space, translations))
	inside, other, outside = (space.namespace(word) for word in ("in", "in2", "out"))
	inside.reaches(at("net", 10, family))
	with Server(outside, 80, family) as far:
		expect_served(inside, "tcp", at("net", 10, family), 80, far, pool)
		expect_served(other, "udp", at("net", 10, family), 80, far, one_to_one)
	expect_ping(inside, at("net", 10, family))
	expect_ping(outside, one_to_one)
	expect_ping(outside, one_to_one, 3000)
	with Server(inside, 80, family) as server, Server(other, 80, family) as second:
		expect_served(outside, "tcp", single, 80, server, at("net", 10, family))
		expect_served(other, "tcp", single, 80, server, single)
		expect_served(outside, "udp", one_to_one, 80, second, at("net", 10, family))
	routes = weftd.weft("show", "routes").stdout
	assert "translated" in routes, routes
	# nobody has it: refused in words, not lost
	answer = outside.run("ping", "-n", "-c", "1", "-W", "2", pool, check=False).stdout
	assert "nreachable" in answer, answer


@pytest.mark.parametrize("family", (4, 6))
def test_a_router_tells_of_a_small_mtu_inside(space, family):
	"""What it says of a packet that it has readdressed is about what was sent."""
	own, host = at("net", 1, family), at("lan", 10, family)
	config = routed(space, [MASQUERADE, {"name": "all", "destination": host, "from": "outside"}])
	network = config["networks"]["red"]
	network["routers"]["r"]["ports"]["lan"]["mtu"] = 1400
	space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches(at("net", 10, family))
	with Server(inside, 80, family) as server:
		with client(outside, "udp", own, 80) as one:
			if family == 4:
				one.setsockopt(socket.IPPROTO_IP, 10, 2) # IP_MTU_DISCOVER: do
			else:
				one.setsockopt(socket.IPPROTO_IPV6, 62, 1) # IPV6_DONTFRAG
			one.send(b"x" * 1440)

			def is_refused():
				try:
					one.send(b"x" * 1440)
				except OSError as error:
					return error.errno == errno.EMSGSIZE
				return False
			harness.wait_until(is_refused, what="the error came back")
			one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) # another one may have come
			one.send(b"x" * 1300)
			assert len(one.recv(2000)) == 1300
		expect_served(outside, "tcp", own, 80, server, at("net", 10, family), size=200000)


def test_explaining_a_forwarded_port(space):
	"""It names the translation and the route behind it."""
	web = {"name": "web", "destination": "10.0.0.10", "protocol": "tcp", "to-port": 8080, "port": 80,
		"from": "outside"}
	weftd = space.start_weftd(routed(space, [MASQUERADE, web]))
	space.namespace("in").reaches("192.0.2.10")
	told = weftd.weft("explain", "red", "from", "out", "to", "192.0.2.1", "tcp/8080").stdout
	assert "10.0.0.10:80" in told and "red/r:lan" in told, told
	told = weftd.weft("explain", "red", "from", "in", "to", "192.0.2.10", "tcp/22").stdout
	assert "translated: 192.0.2.1:" in told, told


@pytest.mark.parametrize("workers", (1, 2))
@both_firewalls
def test_endpoint_independent_mapping(space, firewall, workers):
	"""Full cone: one port outside for one inside, whomever it speaks to; anybody may come to it."""
	hide = {"name": "hide", "mapping": "endpoint-independent", "filtering": "endpoint-independent",
		"protocol": "udp", "ports": "20000-20010"}
	if firewall == "routed":
		config = routed(space, [{**hide, "masquerade": True, "to": "outside"}])
	else:
		config = transparent(space, [{**hide, "source": "192.0.2.1", "from-ip": "10.0.0.0/8"}])
	config["system"] = {"workers": workers}
	space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("10.0.0.1")
	outside.reaches("192.0.2.1")
	with inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as host, contextlib.ExitStack() as stack:
		peers = []
		for _ in range(8):
			peer = stack.enter_context(outside.socket(socket.AF_INET, socket.SOCK_DGRAM))
			peer.bind(("192.0.2.10", 0))
			peer.settimeout(3 * harness.PATIENCE)
			peers.append(peer)
		host.settimeout(3 * harness.PATIENCE)
		seen = set()
		for peer in peers[:4]:
			host.sendto(b"there", peer.getsockname())
			data, source_ = peer.recvfrom(100)
			assert data == b"there"
			seen.add(source_)
		assert len(seen) == 1, seen
		mapped = seen.pop()
		assert mapped[0] == "192.0.2.1" and 20000 <= mapped[1] <= 20010, mapped
		# those that it has never spoken to, and answers to them
		for peer in peers:
			peer.sendto(b"back", mapped)
			data, source_ = host.recvfrom(100)
			assert data == b"back" and source_ == peer.getsockname()
			host.sendto(b"again", source_)
			assert peer.recvfrom(100) == (b"again", mapped)


def test_blocks_of_ports(space):
	"""An event tells which ports a host has; its connections have no others."""
	weftd = space.start_weftd(routed(space, [{**MASQUERADE, "port-block": 128, "protocol": "ipv4"}]))
	inside, other, outside = (space.namespace(word) for word in ("in", "in2", "out"))
	inside.reaches("10.0.0.1")
	with weftd.events() as events, Server(outside, 80) as server:
		expect_ping(inside, "192.0.2.10")
		found = harness.wait_until(lambda: next((event for event in events
			if event["kind"] == "port-block"), None), what="the event")
		has = re.fullmatch(r"10.0.0.10 has ports (\d+)-(\d+) of 192.0.2.1", found["text"])
		assert has and found["object"] == "red/fw", found
		first, last = map(int, has.groups())
		assert last - first == 127
		for _ in range(20):
			expect_served(inside, "tcp", "192.0.2.10", 80, server, "192.0.2.1")
		assert all(first <= port <= last for _, port in server.peers["tcp"]), server.peers
		expect_served(other, "udp", "192.0.2.10", 80, server, "192.0.2.1")
		assert not first <= server.peers["udp"][-1][1] <= last
