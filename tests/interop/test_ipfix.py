# SPDX-License-Identifier: BSD-3-Clause
"""Flow records: a firewall between namespaces, and collectors: nfcapd, and a decoder of the test's own
that knows RFC 7011 alone and learns from the templates what records hold.

nfcapd 1.7 takes UDP only: what comes by TCP is handed to it message by message.
"""
import collections
import ipaddress
import json
import os
import signal
import socket
import struct
import threading
import time

import pytest

import harness

PORT = 4739
REVERSE = 29305
# by number in IANA's registry
NAMES = {1: "octets", 2: "packets", 4: "protocol", 7: "from-port", 8: "from", 10: "in", 11: "to-port",
	12: "to", 14: "out", 27: "from", 28: "to", 32: "icmp", 82: "interface-name", 136: "end", 139: "icmp",
	148: "id", 149: "domain", 152: "start", 153: "finish", 225: "new-from", 226: "new-to",
	227: "new-from-port", 228: "new-to-port", 233: "event", 239: "direction", 281: "new-from",
	282: "new-to", 300: "domain-name", 302: "rule", 335: "rule-name"}
ADDRESSES = {8, 12, 27, 28, 225, 226, 281, 282}
TEXTS = {82, 300, 335}
DELETED, DENIED, UPDATE = 2, 3, 5
IDLE, ACTIVE, DETECTED, FORCED = 1, 2, 3, 4


class Decoder:
	"""Messages of one session."""

	def __init__(self):
		self.templates, self.flows, self.names = {}, [], {}
		self.expected, self.template_sets = 0, 0

	def message(self, data):
		version, length, self.time, sequence, self.domain = struct.unpack("!HHIII", data[:16])
		assert version == 10 and length == len(data) and self.domain != 0
		assert sequence == self.expected, "records are missing"
		at = 16
		while at < length:
			number, size = struct.unpack("!HH", data[at:at + 4])
			assert size > 4 and at + size <= length
			self.set(number, data[at + 4:at + size])
			at += size

	def set(self, number, data):
		if number in (2, 3):
			self.template_sets += 1
			while data:
				data = self.template(data, number == 3)
		else:
			assert number >= 256
			while data:
				data = self.record(data, self.templates[number])

	def template(self, data, options):
		number, count = struct.unpack("!HH", data[:4])
		data = data[4 + 2 * options:]
		fields = []
		for _ in range(count):
			element, length = struct.unpack("!HH", data[:4])
			data, enterprise = data[4:], 0
			if element & 0x8000:
				(enterprise,), data = struct.unpack("!I", data[:4]), data[4:]
			fields.append((element & 0x7FFF, length, enterprise))
		assert self.templates.setdefault(number, fields) == fields
		return data

	def record(self, data, fields):
		record = {}
		self.expected += 1
		for element, length, enterprise in fields:
			assert enterprise in (0, REVERSE)
			if length == 65535:
				length, data = data[0], data[1:]
			value, data = data[:length], data[length:]
			assert len(value) == length
			if element in ADDRESSES:
				value = str(ipaddress.ip_address(value))
			elif element in TEXTS:
				value = value.decode()
			else:
				value = int.from_bytes(value, "big")
			record[("reverse-" if enterprise else "") + NAMES[element]] = value
		for name, key in (("interface-name", "in"), ("rule-name", "rule"), ("domain-name", "domain")):
			if name in record:
				self.names[key, record[key]] = record[name]
				return data
		self.flows.append(record)
		return data

	def name(self, record, key, kind=None):
		return self.names.get((kind or key, record[key]))


class Collector(threading.Thread):
	"""Listens in a namespace by UDP or TCP, decodes, and gives each message to `pass_on`."""

	def __init__(self, namespace, transport, port=PORT, pass_on=None):
		super().__init__(daemon=True)
		kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
		self.socket = namespace.socket(socket.AF_INET, kind)
		self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		self.socket.bind(("127.0.0.1", port))
		self.stream, self.pass_on = transport == "tcp", pass_on
		self.decoders, self.failure, self.connection, self.longest = [], None, None, 0
		self.start()

	def run(self):
		try:
			if self.stream:
				self.socket.listen()
				while True:
					self.connection, _ = self.socket.accept()
					self.decoders.append(Decoder())
					self.read_stream()
			self.decoders.append(Decoder())
			while True:
				self.take(self.socket.recv(65536))
		except OSError:
			pass
		except Exception as error:  # pylint: disable=broad-except
			self.failure = error

	def read_stream(self):
		data = b""
		while more := self.connection.recv(65536):
			data += more
			while len(data) >= 4 and len(data) >= (length := struct.unpack("!H", data[2:4])[0]):
				self.take(data[:length])
				data = data[length:]
		assert data == b"", "the last message was cut"

	def take(self, message):
		self.longest = max(self.longest, len(message))
		self.decoders[-1].message(message)
		if self.pass_on:
			self.pass_on(message)

	@property
	def flows(self):
		if self.failure:
			raise self.failure
		return [flow for decoder in self.decoders for flow in decoder.flows]

	def close(self):
		for open_socket in (self.connection, self.socket):
			if open_socket is not None:
				try:
					open_socket.shutdown(socket.SHUT_RDWR)
				except OSError:
					pass
				open_socket.close()
		self.join(5)


class Nfcapd:
	def __init__(self, namespace, folder, port=PORT):
		self.folder, self.namespace = folder, namespace
		folder.mkdir()
		self.process = namespace.popen("nfcapd", "-w", str(folder), "-b", "127.0.0.1", "-p", str(port),
			"-t", "3600", "-I", "weft", "-B", "4000000")
		self.port = port
		harness.wait_until(self.listens, what="nfcapd to listen")

	def listens(self):
		assert self.process.poll() is None, "nfcapd has ended"
		return f":{self.port:04X} " in self.namespace.run("cat", "/proc/net/udp").stdout

	def flows(self):
		"""Ends it, and has nfdump tell what it has noted."""
		self.process.send_signal(signal.SIGTERM)
		self.process.wait(10)
		done = harness.run("nfdump", "-R", str(self.folder), "-o", "json")
		return json.loads(done.stdout)

	def close(self):
		if self.process.poll() is None:
			self.process.kill()
			self.process.wait()


def firewalled(space, flow_records, **firewall):
	"""in (10.0.0.10) and out (10.0.0.11): one network, a firewall between them."""
	def nic(word, last):
		return {"switch": f"s-{word}", "ip": [f"10.0.0.{last}/24", f"2001:db8::{last}/64"],
			"attach": {"netns": str(space.namespace(word))}}
	rules = firewall.pop("rules", [{"name": "arp", "accept": "arp"},
		{"name": "nd", "accept": "icmpv6", "icmp-type": ["neighbor-solicitation",
			"neighbor-advertisement"], "stateless": True},
		{"name": "web", "accept": "tcp", "from": ["out"], "to-port": ["80"]},
		{"name": "dns", "accept": "udp", "to-port": ["53"]},
		{"name": "ping", "accept": "icmp"}, {"name": "ping6", "accept": "icmpv6"},
		{"name": "never", "drop": "tcp", "to-port": ["23"]}])
	return {"networks": {"red": {"flow-records": flow_records,
		"switches": {"s-in": {"ports": {"fw": {}}}, "s-out": {"ports": {"fw": {}}}},
		"nics": {"in": nic("in", 10), "out": nic("out", 11)},
		"firewalls": {"fw": {"ports": {"in": {}, "out": {}}, "rules": rules, **firewall}},
		"links": [{"ends": ["s-in:fw", "fw:in"]}, {"ends": ["fw:out", "s-out:fw"]}]}}}


def exchange_udp(space, count, size, port=53, address="10.0.0.10"):
	"""`count` datagrams there and half as many back; the client's port."""
	family = socket.AF_INET6 if ":" in address else socket.AF_INET
	with space.namespace("in").socket(family, socket.SOCK_DGRAM) as server, \
			space.namespace("out").socket(family, socket.SOCK_DGRAM) as client:
		server.bind((address, port))
		server.settimeout(5)
		client.settimeout(5)
		client.connect((address, port))
		for i in range(count):
			client.send(bytes(size))
			_, peer = server.recvfrom(2048)
			if i % 2:
				server.sendto(bytes(size), peer)
				client.recv(2048)
		return client.getsockname()[1]


def exchange_tcp(space, size, address="10.0.0.10", keep=False):
	"""`size` bytes from a client outside to a server inside; the client's port."""
	with space.namespace("in").socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
		listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		listener.bind((address, 80))
		listener.listen()
		client = space.namespace("out").socket(socket.AF_INET, socket.SOCK_STREAM)
		client.settimeout(10)
		client.connect((address, 80))
		server, _ = listener.accept()
		server.settimeout(10)
		port = client.getsockname()[1]
		threading.Thread(target=client.sendall, args=(bytes(size),), daemon=True).start()
		got = 0
		while got < size:
			got += len(server.recv(1 << 20))
		if keep:
			return client, server
		client.close()
		server.close()
		return port


def one(flows, **wanted):
	"""The only flow that has these values."""
	wanted = {key.replace("_", "-"): value for key, value in wanted.items()}
	found = [flow for flow in flows if all(flow.get(key) == value for key, value in wanted.items())]
	assert len(found) == 1, (wanted, flows)
	return found[0]


def traffic(space):
	"""What every collector is to be told of; the ports that clients had."""
	ports = {"udp": exchange_udp(space, 10, 100), "udp6": exchange_udp(space, 6, 100, address="2001:db8::10"),
		"tcp": exchange_tcp(space, 300000)}
	assert space.namespace("out").ping("10.0.0.10", count=3) == 3
	with space.namespace("out").socket(socket.AF_INET, socket.SOCK_STREAM) as client:
		client.settimeout(0.2)
		with pytest.raises(OSError):
			client.connect(("10.0.0.10", 23))
		ports["denied"] = client.getsockname()[1]
	return ports


def end_all(weftd, ports, wanted):
	"""The closed TCP connection is told of by itself; then all others end."""
	tcp = lambda: [flow for flow in wanted() if flow.get("from-port") == ports["tcp"]]
	harness.wait_until(tcp, 10 * harness.PATIENCE, "the TCP connection's record")
	weftd.weft("kill", "red/fw")
	harness.wait_until(lambda: len(wanted()) >= 5, 10 * harness.PATIENCE, "all records")
	return [flow for flow in wanted() if flow["to-port" if "to-port" in flow else "icmp"] != 23 or
		flow["from-port"] == ports["denied"]]


def check_flows(decoder, flows, ports):
	now = time.time() * 1000
	for flow in flows:
		assert now - 60000 * harness.PATIENCE < flow["start"] <= flow["finish"] <= now + 1000
		assert flow["direction"] == 1
	udp = one(flows, from_port=ports["udp"], to_port=53, protocol=17)
	assert (udp["from"], udp["to"], udp["event"], udp["end"]) == ("10.0.0.11", "10.0.0.10", DELETED, FORCED)
	assert (udp["packets"], udp["octets"]) == (10, 10 * 128)
	assert (udp["reverse-packets"], udp["reverse-octets"]) == (5, 5 * 128)
	assert decoder.name(udp, "in") == "fw:out" and decoder.name(udp, "out", "in") == "fw:in"
	assert decoder.name(udp, "rule") == "dns"
	six = one(flows, from_port=ports["udp6"], to_port=53)
	assert (six["from"], six["to"]) == ("2001:db8::11", "2001:db8::10")
	assert (six["packets"], six["octets"], six["reverse-packets"]) == (6, 6 * 148, 3)
	tcp = one(flows, from_port=ports["tcp"], to_port=80)
	assert tcp["event"] == DELETED and tcp["end"] == DETECTED
	assert tcp["packets"] > 4 and tcp["octets"] > 300000 and tcp["reverse-packets"] > 2
	assert decoder.name(tcp, "rule") == "web"
	ping = one(flows, protocol=1)
	assert (ping["icmp"], ping["packets"], ping["octets"]) == (0x0800, 3, 3 * 84)
	assert (ping["reverse-packets"], ping["reverse-octets"]) == (3, 3 * 84)
	denied = [flow for flow in flows if flow.get("to-port") == 23]
	assert denied and all(flow["event"] == DENIED and flow["packets"] == 1 and
		flow["octets"] == 60 and flow["reverse-packets"] == 0 for flow in denied)
	assert decoder.name(denied[0], "rule") == "never"
	assert decoder.names["domain", decoder.domain] == "red"
	return tcp


def check_nfdump(noted, ports, tcp):
	by_port = {(flow["proto"], flow["src_port"]): flow for flow in noted if flow["proto"] != 1}
	udp = by_port[17, ports["udp"]]
	assert (udp["src4_addr"], udp["dst4_addr"], udp["dst_port"]) == ("10.0.0.11", "10.0.0.10", 53)
	assert (udp["in_packets"], udp["in_bytes"]) == (10, 1280)
	assert (udp["out_packets"], udp["out_bytes"]) == (5, 640)
	six = by_port[17, ports["udp6"]]
	assert (six["src6_addr"], six["in_packets"], six["in_bytes"]) == ("2001:db8::11", 6, 6 * 148)
	web = by_port[6, ports["tcp"]]
	assert (web["in_packets"], web["in_bytes"]) == (tcp["packets"], tcp["octets"])
	assert (web["out_packets"], web["out_bytes"]) == (tcp["reverse-packets"], tcp["reverse-octets"])
	assert (web["input_snmp"], web["output_snmp"]) == (tcp["in"], tcp["out"])
	(ping,) = [flow for flow in noted if flow["proto"] == 1]
	assert (ping["in_packets"], ping["in_bytes"], ping["icmp_type"]) == (3, 252, 8)
	assert by_port[6, ports["denied"]]["in_packets"] == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_collector(space, weftd, tmp_path, transport):
	host = space.namespace("host")
	nfcapd = Nfcapd(host, tmp_path / "nfcapd", PORT + 1)
	relay = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
	collector = Collector(host, transport,
		pass_on=lambda message: relay.sendto(message, ("127.0.0.1", PORT + 1)))
	try:
		weftd.apply(firewalled(space, {"collector": f"127.0.0.1:{PORT}", "transport": transport,
			"active-timeout": "4s"}))
		ports = traffic(space)
		flows = end_all(weftd, ports, lambda: collector.flows)
		tcp = check_flows(collector.decoders[-1], flows, ports)
		(shown,) = weftd.show("flow-records")
		assert (shown["name"], shown["status"], shown["lost-records"]) == ("red", "up", 0)
		assert shown["exported-records"] == len(collector.flows)
		status, metrics = weftd.request("GET", "/metrics")
		assert status == 200
		assert f'weft_flow_records_exported_total{{network="red"}} {len(collector.flows)}\n' in metrics
		assert 'weft_flow_records_lost_total{network="red"} 0\n' in metrics
		assert collector.longest <= (65536 - 28 if transport == "udp" else 8192)
		check_nfdump(nfcapd.flows(), ports, tcp)
	finally:
		collector.close()
		relay.close()
		nfcapd.close()


def test_nfcapd(space, weftd, tmp_path):
	"""Without anything between."""
	nfcapd = Nfcapd(space.namespace("host"), tmp_path / "nfcapd")
	try:
		weftd.apply(firewalled(space, {"collector": f"127.0.0.1:{PORT}"}))
		port = exchange_udp(space, 10, 100)
		weftd.weft("kill", "red/fw")
		harness.wait_until(lambda: weftd.show("flow-records")[0]["exported-records"] >= 1, 10)
		(udp,) = [flow for flow in nfcapd.flows() if flow["src_port"] == port]
		assert (udp["in_packets"], udp["in_bytes"]) == (10, 1280)
		assert (udp["out_packets"], udp["out_bytes"]) == (5, 640)
	finally:
		nfcapd.close()


def test_long_lived(space, weftd):
	"""A connection that lives on is told of again and again; the sum is what passed."""
	collector = Collector(space.namespace("host"), "udp")
	try:
		weftd.apply(firewalled(space, {"collector": f"127.0.0.1:{PORT}", "active-timeout": "4s"}))
		client, server = exchange_tcp(space, 100000, keep=True)
		port = client.getsockname()[1]
		mine = lambda: [flow for flow in collector.flows if flow["from-port"] == port]
		harness.wait_until(mine, 15 * harness.PATIENCE, "the first record")
		client.sendall(bytes(5000))
		harness.wait_until(lambda: len(mine()) == 2, 15 * harness.PATIENCE, "the second record")
		(known,) = [one for one in weftd.show("connections") if one["protocol"] == "tcp"]
		client.close()
		server.close()
		harness.wait_until(lambda: mine()[-1]["event"] == DELETED, 15 * harness.PATIENCE, "the last")
		flows = mine()
		assert [flow["event"] for flow in flows[:2]] == [UPDATE, UPDATE]
		assert [flow["end"] for flow in flows[:2]] == [ACTIVE, ACTIVE]
		assert len({flow["id"] for flow in flows}) == 1
		assert flows[1]["octets"] >= 5000 and flows[1]["octets"] < 10000
		assert flows[1]["start"] >= flows[0]["finish"]
		packets = sum(flow["packets"] for flow in flows[:2])
		assert packets == known["packets"]
		assert sum(flow["octets"] for flow in flows[:2]) == known["bytes"] - 14 * packets
	finally:
		collector.close()


def test_translated(space, weftd):
	"""What is translated says to what."""
	collector = Collector(space.namespace("host"), "udp")
	try:
		weftd.apply(firewalled(space, {"collector": f"127.0.0.1:{PORT}"}, rules=[
			{"name": "all", "accept": "any"}], translations=[
			{"name": "inward", "to-ip": ["10.0.0.99"], "protocol": "udp", "to-port": ["5353"],
				"destination": ["10.0.0.10"], "port": 53, "answer": True}]))
		# so that the firewall knows whose MAC stands for the address
		assert space.namespace("in").ping("10.0.0.11", count=1) == 1
		with space.namespace("in").socket(socket.AF_INET, socket.SOCK_DGRAM) as server, \
				space.namespace("out").socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
			server.bind(("10.0.0.10", 53))
			server.settimeout(5)
			client.sendto(b"hello", ("10.0.0.99", 5353))
			_, peer = server.recvfrom(100)
			port = peer[1]
		weftd.weft("kill", "red/fw")
		found = lambda: [flow for flow in collector.flows if flow.get("to-port") == 5353]
		harness.wait_until(found, 10 * harness.PATIENCE, "the record")
		flow = one(found(), from_port=port)
		assert (flow["from"], flow["to"]) == ("10.0.0.11", "10.0.0.99")
		assert (flow["new-from"], flow["new-to"]) == ("10.0.0.11", "10.0.0.10")
		assert (flow["new-from-port"], flow["new-to-port"]) == (port, 53)
	finally:
		collector.close()


def test_collector_comes_back(space, weftd):
	"""TCP: what is told while the collector is away waits for it; the new session has its templates."""
	host = space.namespace("host")
	with weftd.events() as events:
		weftd.apply(firewalled(space, {"collector": f"127.0.0.1:{PORT}", "transport": "tcp"}))
		harness.wait_until(lambda: any(event["kind"] == "collector-down" and event["object"] == "red"
			for event in events), 5 * harness.PATIENCE, "the event")
	first = exchange_udp(space, 4, 10)
	weftd.weft("kill", "red/fw")
	(shown,) = weftd.show("flow-records")
	assert shown["status"] == "down" and "refused" in shown["reason"]
	collector = Collector(host, "tcp")
	try:
		harness.wait_until(lambda: collector.flows, 20 * harness.PATIENCE, "what waited")
		assert one(collector.flows, from_port=first)["packets"] == 4
		assert weftd.show("flow-records")[0]["status"] == "up"
	finally:
		collector.close()
	harness.wait_until(lambda: weftd.show("flow-records")[0]["status"] == "down", 5 * harness.PATIENCE)
	assert "collector" in weftd.show("flow-records")[0]["reason"]
	second = exchange_udp(space, 6, 10)
	weftd.weft("kill", "red/fw")
	collector = Collector(host, "tcp")
	try:
		harness.wait_until(lambda: collector.flows, 20 * harness.PATIENCE, "what waited")
		assert one(collector.flows, from_port=second)["packets"] == 6
		assert weftd.show("flow-records")[0]["lost-records"] == 0
	finally:
		collector.close()


def test_namespace_and_changes(space, weftd):
	"""From a namespace; a collector that nobody is at; another one; none."""
	away = space.namespace("away")
	config = firewalled(space, {"collector": f"127.0.0.1:{PORT}", "netns": str(away)})
	weftd.apply(config)
	exchange_udp(space, 2, 10)
	weftd.weft("kill", "red/fw")
	harness.wait_until(lambda: weftd.show("flow-records")[0]["status"] == "down", 5 * harness.PATIENCE)
	assert "refused" in weftd.show("flow-records")[0]["reason"]
	collector = Collector(away, "udp", PORT + 2)
	try:
		config["networks"]["red"]["flow-records"]["collector"] = f"127.0.0.1:{PORT + 2}"
		weftd.apply(config)
		port = exchange_udp(space, 4, 10)
		weftd.weft("kill", "red/fw")
		harness.wait_until(lambda: collector.flows, 5 * harness.PATIENCE, "a record")
		assert one(collector.flows, from_port=port)["packets"] == 4
		assert "127.0.0.1:4741" in weftd.weft("show", "flow-records").stdout
		del config["networks"]["red"]["flow-records"]
		weftd.apply(config)
		assert weftd.show("flow-records") == []
		exchange_udp(space, 2, 10)
		weftd.weft("kill", "red/fw")
		time.sleep(0.5)
		assert len(collector.flows) == 1
	finally:
		collector.close()


def test_end_of_weftd(space):
	"""What has been told of is sent before weftd ends."""
	collector = Collector(space.namespace("host"), "udp")
	weftd = space.start_weftd()
	try:
		weftd.apply(firewalled(space, {"collector": f"127.0.0.1:{PORT}"}))
		ports = {exchange_udp(space, 2, 10) for _ in range(20)}
		weftd.weft("kill", "red/fw")
		weftd.stop()
		time.sleep(0.2)
		counts = collections.Counter(flow["from-port"] for flow in collector.flows
			if flow["event"] == DELETED and "from-port" in flow)
		assert set(counts) >= ports
	finally:
		collector.close()
