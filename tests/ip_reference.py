# SPDX-License-Identifier: BSD-3-Clause
"""The bench of test_router_reference.py: the kernel's router and weft's, side by side.

Both have the same four ports (MACs, addresses, MTUs) and the same stations on them. A packet is
put into a port of both; what comes out at each port is taken until a fence has come out of it: a
packet sent behind it that goes the same way in. ARP and neighbour solicitations are answered for
the stations, and are no output.
"""
import fcntl
import ipaddress
import os
import select
import socket
import struct
import time

import harness

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000

# 4 has no IPv6: its MTU is too small
MTUS = {1: 1500, 2: 1400, 3: 1280, 4: 600}
PORTS = tuple(MTUS)
STATIONS = range(10, 60)  # the last part of their addresses
GATEWAYS = range(10, 18)
FENCE_FROM, FENCE_TO = 60, 61
FENCE = b"fence"
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58


def has_ip6(port):
	return MTUS[port] >= 1280


def station(port, last, family=4):
	return f"10.{port}.0.{last}" if family == 4 else f"2001:db8:{port}::{last:x}"


def router_address(port, family=4):
	return station(port, 1, family)


def router_mac(port):
	return bytes([2, 0, 0, 0, 1, port])


def station_mac(port, last):
	return bytes([2, 0, 0, port, 0, last])


def address_bytes(address):
	return ipaddress.ip_address(address).packed


def family_of(address):
	return 6 if ":" in address else 4


# ---- making packets


def checksum(data):
	data = bytes(data) + b"\0" * (len(data) % 2)
	total = sum(struct.unpack(f"!{len(data) // 2}H", data))
	while total >> 16:
		total = (total & 0xFFFF) + (total >> 16)
	return ~total & 0xFFFF


def ip4(source, to, protocol, payload, ttl=64, tos=0, ident=0x1234, field=0, options=b"",
		length=None, version=4, header_words=None, wrong=0):
	"""field: flags and fragment offset; wrong: is added to the checksum."""
	words = 5 + len(options) // 4
	header = bytearray(struct.pack("!BBHHHBBH4s4s", version << 4 | (header_words or words), tos,
		len(payload) + 4 * words if length is None else length, ident, field, ttl, protocol, 0,
		address_bytes(source), address_bytes(to)) + options)
	header[10:12] = struct.pack("!H", (checksum(header) + wrong) & 0xFFFF)
	return bytes(header) + payload


def ip6(source, to, next_header, payload, hops=64, tclass=0, label=0, length=None, version=6):
	return struct.pack("!IHBB16s16s", version << 28 | tclass << 20 | label,
		len(payload) if length is None else length, next_header, hops, address_bytes(source),
		address_bytes(to)) + payload


def with_checksum(message, at, source, to, protocol, wrong=0):
	source, to = address_bytes(source), address_bytes(to)
	pseudo = (struct.pack("!4s4sBBH", source, to, 0, protocol, len(message)) if len(source) == 4
		else struct.pack("!16s16sII", source, to, len(message), protocol))
	value = (checksum(pseudo + message) + wrong) & 0xFFFF
	return message[:at] + struct.pack("!H", value or 0xFFFF) + message[at + 2:]


def udp(source, to, data=b"", sport=4000, dport=4001, length=None, wrong=0):
	message = struct.pack("!HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data
	return with_checksum(message, 6, source, to, UDP, wrong)


def tcp(source, to, data=b"", flags=2, sport=4000, dport=4001, sequence=7, acknowledged=9, wrong=0):
	message = struct.pack("!HHIIBBHHH", sport, dport, sequence, acknowledged, 5 << 4, flags, 1000, 0,
		0) + data
	return with_checksum(message, 16, source, to, TCP, wrong)


def icmp(source, to, kind, code, rest, data=b"", wrong=0):
	message = struct.pack("!BBHI", kind, code, 0, rest) + data
	if family_of(source) == 6:
		return with_checksum(message, 2, source, to, ICMP6, wrong)
	value = (checksum(message) + wrong) & 0xFFFF
	return message[:2] + struct.pack("!H", value) + message[4:]


def ether(to, source, payload):
	kind = 0x86DD if payload and payload[0] >> 4 == 6 else 0x0800
	return to + source + struct.pack("!H", kind) + payload


# ---- the two routers


class Side:
	"""A router with its ports; .outputs(port, frame) is what comes out, by port."""

	def __init__(self):
		self.count = 0

	def answer(self, port, frame):
		"""ARP requests and neighbour solicitations for stations are answered. Whether it is a
		message between neighbours, and no output."""
		kind = struct.unpack("!H", frame[12:14])[0]
		if kind == 0x0806:
			target = frame[38:42]
			if frame[21] == 1 and target[:3] == bytes([10, port, 0]) and target[3] >= STATIONS[0]:
				mac = station_mac(port, target[3])
				self.put(port, frame[6:12] + mac + frame[12:20] + b"\0\2" + mac + target
					+ frame[22:32])
				self.stirred = True
			return True
		if kind != 0x86DD:
			return False
		if frame[20] == 0 and frame[0] == 0x33:
			return True  # multicast listener reports of the kernel
		if frame[20] != ICMP6 or frame[54] not in (133, 134, 135, 136):
			return False
		target = frame[62:78]
		nets = [address_bytes(net)[:15] for net in (f"2001:db8:{port}::", "fe80::")]
		if frame[54] == 135 and target[:15] in nets:
			mac = station_mac(port, target[15])
			source, to = (str(ipaddress.ip_address(part)) for part in (target, frame[22:38]))
			message = icmp(source, to, 136, 0, 0x60000000, target + b"\2\1" + mac)
			self.put(port, ether(frame[6:12], mac, ip6(source, to, ICMP6, message, hops=255)))
			self.stirred = True
		return True

	def send_fences(self, port):
		"""One to come out of every port."""
		self.count += 1
		data = FENCE + struct.pack("!I", self.count)
		for other in PORTS:
			source = station(port, FENCE_FROM)
			if other == port:
				packet = ip4(source, router_address(port), ICMP, icmp(source,
					router_address(port), 8, 0, 1, data))
			else:
				to = station(other, FENCE_TO)
				packet = ip4(source, to, UDP, udp(source, to, data))
			self.put(port, ether(router_mac(port), station_mac(port, FENCE_FROM), packet))
		return data

	def outputs(self, port, frame):
		if frame is not None:
			self.put(port, frame)
		found = {other: [] for other in PORTS}
		while True:
			self.stirred = False
			fence, waiting = self.send_fences(port), set(PORTS)
			end = time.monotonic() + 10 * harness.PATIENCE
			while waiting:
				for other, seen in self.take(max(end - time.monotonic(), 0)):
					if fence in seen[-len(fence) - 18:]:
						waiting.discard(other)
					elif FENCE not in seen[:80] and not self.answer(other, seen):
						found[other].append(seen)
				assert time.monotonic() < end, f"{self}: no fence came out of {waiting}"
			if not self.stirred:
				return found


class Kernel(Side):
	"""Taps that this process holds; the kernel's own stack routes between them."""

	SYSCTLS = """
		net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
		net.ipv4.conf.all.accept_source_route=0 net.ipv4.conf.default.accept_source_route=0
		net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.default.send_redirects=1
		net.ipv4.conf.all.shared_media=0 net.ipv4.conf.default.shared_media=0
		net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_ratemask=0
		net.ipv6.icmp.ratelimit=0 net.ipv6.icmp.ratemask=
		net.ipv6.auto_flowlabels=0 net.ipv4.icmp_echo_ignore_broadcasts=1
		net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
		net.ipv6.conf.default.router_solicitations=0
		net.ipv4.ipfrag_time=3600 net.ipv6.ip6frag_time=3600
	""".split()

	def __init__(self, namespace):
		super().__init__()
		self.namespace, self.files, self.routes = namespace, {}, []
		for setting in self.SYSCTLS:
			namespace.run("sysctl", "-qw", setting)
		for name in ("net.ipv4.icmp_msgs_per_sec", "net.ipv4.icmp_msgs_burst"):
			namespace.run("sysctl", "-qw", f"{name}=1000000", check=False)
		lines = []
		for port, mtu in MTUS.items():
			with namespace.entered():
				file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
				fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", f"k{port}".encode(),
					IFF_TAP | IFF_NO_PI))
			self.files[port] = file
			lines += [f"link set k{port} address {router_mac(port).hex(':')} mtu {mtu}",
				f"link set k{port} txqueuelen 1000 up", f"addr add {router_address(port)}/24 dev k{port}"]
			if has_ip6(port):
				lines.append(f"addr add {router_address(port, 6)}/64 dev k{port} nodad")
			for last in (*STATIONS, FENCE_FROM, FENCE_TO):
				for family in (4, 6) if has_ip6(port) else (4,):
					lines.append(f"neigh replace {station(port, last, family)} lladdr "
						f"{station_mac(port, last).hex(':')} dev k{port} nud permanent")
		self.batch(lines)
		self.poll = select.poll()
		for file in self.files.values():
			self.poll.register(file, select.POLLIN)

	def __str__(self):
		return "the kernel"

	def batch(self, lines):
		harness.run("ip", "-n", self.namespace, "-batch", "-", input="\n".join(lines) + "\n")

	def set_routes(self, routes):
		self.batch([f"route del {to}"
			for to in self.routes])
		self.batch([f"route add {to} via {what}" if kind == "forward" else f"route add {kind} {to}"
			for to, (kind, what) in routes.items()])
		self.routes = list(routes)

	def put(self, port, frame):
		os.write(self.files[port], frame)

	def take(self, seconds):
		self.poll.poll(seconds * 1000)
		for port, file in self.files.items():
			while True:
				try:
					yield port, os.read(file, 65536)
				except BlockingIOError:
					break

	def close(self):
		for file in self.files.values():
			os.close(file)


class Weft(Side):
	"""A router of a real weftd, a vnic (tap) on a switch at each of its ports."""

	def __init__(self, space):
		super().__init__()
		self.outside = space.namespace("stations")
		for word in ("all", "default"):
			self.outside.run("sysctl", "-qw", f"net.ipv6.conf.{word}.disable_ipv6=1")
		self.config = {"networks": {"red": {
			"switches": {f"s{port}": {} for port in PORTS},
			"nics": {f"n{port}": {"switch": f"s{port}", "attach": {"netns": str(self.outside)}}
				for port in PORTS},
			"routers": {"r": {"icmp-rate": 1000000, "ports": {
				f"p{port}": {"switch": f"s{port}", "mtu": mtu, "mac": router_mac(port).hex(":"),
					"ip": [f"{router_address(port)}/24"]
						+ [f"{router_address(port, 6)}/64"] * has_ip6(port)}
				for port, mtu in MTUS.items()}, "routes": {}}}}}}
		self.weftd = space.start_weftd(self.config)
		self.sockets = {port: self.outside.packets(f"n{port}") for port in PORTS}
		self.poll = select.poll()
		for port, opened in self.sockets.items():
			self.poll.register(opened.socket, select.POLLIN)

	def __str__(self):
		return "weft"

	def set_routes(self, routes):
		self.config["networks"]["red"]["routers"]["r"]["routes"] = {
			to: {"via": [what]} if kind == "forward" else {"type": kind}
			for to, (kind, what) in routes.items()}
		self.weftd.apply(self.config)

	def put(self, port, frame):
		self.sockets[port].send(frame)

	def take(self, seconds):
		self.poll.poll(seconds * 1000)
		for port, opened in self.sockets.items():
			while True:
				try:
					yield port, opened.socket.recv(65536, socket.MSG_DONTWAIT)
				except BlockingIOError:
					break

	def meet(self):
		"""Lets it resolve every station, so that later nothing waits for a neighbour."""
		for port in PORTS:
			for last in (*STATIONS, FENCE_TO):
				for family in (4, 6) if has_ip6(port) else (4,):
					source = station(port, last, family)
					to = router_address(port, family)
					kind, code = (8, ICMP) if family == 4 else (128, ICMP6)
					make = ip4 if family == 4 else ip6
					self.put(port, ether(router_mac(port), station_mac(port, last),
						make(source, to, code, icmp(source, to, kind, 0, 1))))
			self.outputs(port, None)

	def close(self):
		for opened in self.sockets.values():
			opened.close()
