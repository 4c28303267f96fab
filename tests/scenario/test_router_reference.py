# SPDX-License-Identifier: BSD-3-Clause
"""The same random routes and packets through weft's router and the kernel's: the same must come
out, bit by bit. Where weft departs from the kernel it is named here, with the RFC's section
(DEPARTURES), and weft's own answer is checked instead.

Environment: WEFT_REFERENCE_SEEDS=100-140 and WEFT_REFERENCE_PACKETS=500 for more than usual.
"""
import collections
import ipaddress
import os
import random
import struct

import pytest

from ip_reference import (GATEWAYS, ICMP, ICMP6, MTUS, PORTS, STATIONS, TCP, UDP, Kernel,
	Weft, address_bytes, checksum, ether, family_of, has_ip6, icmp, ip4, ip6, router_address,
	router_mac, station, station_mac, tcp, udp)

pytestmark = pytest.mark.sanitize

SEEDS = os.environ.get("WEFT_REFERENCE_SEEDS", "1-20")
PACKETS = int(os.environ.get("WEFT_REFERENCE_PACKETS", "220"))

# What weft does otherwise than the kernel, and must do: name -> why.
DEPARTURES = {
	"class-e": "RFC 1812, 5.3.7 and RFC 6890: 240/4 is no source and no destination",
	"link-local-4": "RFC 3927, 2.7: not forwarded; weft tells the sender, as for IPv6",
	"link-local-6": "RFC 4291, 2.5.6; RFC 4443, 3.1: beyond scope; the kernel looks on the ingress link",
	"zero-net": "RFC 1812, 5.3.7 and RFC 6890: 0/8 is no source",
	"unreachable-6": "RFC 4443, 3.1: code 0 is for no matching route; the one that refuses is code 3",
	"redirect-quote": "RFC 792: the original datagram, its TTL not yet counted down",
	"own-source": "RFC 1812, 5.3.8: sources are looked up where that is asked for (urpf); "
		"the kernel does so for its own addresses in any case",
	"redirect-6": "RFC 4861, 8.2: a redirect when a packet is forwarded; the kernel also when it is too big",
	"source-6": "RFC 4443, 2.2: of an error about a packet that went elsewhere, any; weft: by where it leaves",
	"unspecified": "RFC 4291, 2.5.2: :: is no source of what is forwarded",
	"mapped": "RFC 6890: ::ffff:0:0/96 is on no wire",
	"extension": "RFC 8200, 4: a router that forwards does not look behind the IPv6 header",
	"far-address": "RFC 1812, 4.3.2.4: the source is an address of the port that it leaves by",
	"fragment-to-router": "fragments to the router itself are not put together",
}


def length_of(frame):
	"""Of the IP packet that it says it holds."""
	if frame[12:14] == b"\x08\0":
		return struct.unpack("!H", frame[16:18])[0]
	return 40 + struct.unpack("!H", frame[18:20])[0]


OWN = {address_bytes(router_address(port, family)) for port in PORTS for family in (4, 6)}


def is_own(frame):
	"""Made by the router, not forwarded (stations never send from its addresses)."""
	return frame[12:14] == b"\x08\0" and frame[26:30] in OWN


def is_own6(frame):
	return frame[12:14] == b"\x86\xdd" and frame[22:38] in OWN


def normal(frame):
	"""Without what may differ: padding behind the packet; of IPv4 messages of the router's own the
	ID, and the low bits of the TOS (RFC 1349, 5.1: errors have the default)."""
	frame = frame[:14 + length_of(frame)]
	if frame[12:14] != b"\x08\0":
		return frame
	header = 4 * (frame[14] & 15)
	assert checksum(frame[14:14 + header]) == 0, f"wrong header checksum: {frame.hex()}"
	if not is_own(frame):
		return frame
	return frame[:15] + bytes([frame[15] & 0xE0]) + frame[16:18] + b"\0\0" + frame[20:24] + b"\0\0" \
		+ frame[26:]


def without_departures(frame):
	"""Without what DEPARTURES names in messages of the router's own."""
	if icmp_kind(frame) == (5, 1):  # redirect-quote
		return frame[:36] + b"\0\0" + frame[38:50] + b"\0" + frame[51:52] + b"\0\0" + frame[54:]
	if is_own6(frame) and frame[20] == ICMP6 and frame[54] in (1, 2, 3):
		code = b"\0" if frame[54:56] == b"\1\3" else frame[55:56]  # unreachable-6
		elsewhere = frame[86:102] not in OWN
		source = bytes(16) if elsewhere else frame[22:38]  # source-6
		return frame[:22] + source + frame[38:55] + code + b"\0\0" + frame[58:]
	return frame


def check_own6(frame, port):
	"""What the kernel is not asked about."""
	if not is_own6(frame) or frame[20] != ICMP6:
		return
	pseudo = frame[22:54] + struct.pack("!II", len(frame) - 54, ICMP6)
	assert checksum(pseudo + frame[54:]) == 0, f"wrong checksum: {describe(frame)}"
	if frame[54] in (1, 2, 3) and frame[86:102] not in OWN:
		assert frame[22:38] == address_bytes(router_address(port, 6)), describe(frame)


def describe(frame):
	if frame[12:14] == b"\x08\0":
		return (f"{len(frame)} {frame[6:12].hex()}>{frame[:6].hex()} {ipaddress.ip_address(frame[26:30])}"
			f" > {ipaddress.ip_address(frame[30:34])} proto {frame[23]} ttl {frame[22]} {frame[14:].hex()[:200]}")
	return (f"{len(frame)} {frame[6:12].hex()}>{frame[:6].hex()} {ipaddress.ip_address(frame[22:38])}"
		f" > {ipaddress.ip_address(frame[38:54])} next {frame[20]} hops {frame[21]} {frame[14:].hex()[:240]}")


def icmp_kind(frame):
	"""(type, code) of an ICMP message of the router's own; None: something else."""
	if is_own(frame) and frame[23] == ICMP and not frame[20] & 0x1F and not frame[21]:
		return tuple(frame[34:36])
	return None


def is_redirect(frame):
	return icmp_kind(frame) == (5, 1) or (frame[12:14] == b"\x86\xdd" and frame[20:22] == b"\x3a\xff"
		and frame[54] == 137)


def sender_of(frame):
	return frame[26:30] if frame[12:14] == b"\x08\0" else frame[22:38]


def receiver_of(frame):
	return frame[30:34] if frame[12:14] == b"\x08\0" else frame[38:54]


# ---- routes and packets


class Generator:
	def __init__(self, seed):
		self.random = random.Random(seed)
		self.routes = {}
		for family in (4, 6):
			self.make_routes(family)

	# what it may be that a prefix leads to
	def make_hop(self, family):
		kind = self.random.choices(("forward", "blackhole", "unreachable", "prohibit"),
			(10, 1, 1, 1))[0]
		port = self.random.choice([port for port in PORTS if family == 4 or has_ip6(port)])
		return kind, station(port, self.random.choice(GATEWAYS), family)

	def random_prefix(self, family, bases):
		bits = 32 if family == 4 else 128
		low = 8 if family == 4 else 32
		length = self.random.randint(low + 1, bits)
		base = self.random.choice(bases)
		keep = self.random.randint(low, length)
		value = base >> (bits - keep) << (bits - keep)
		value |= self.random.getrandbits(bits - keep) if keep < bits else 0
		value = value >> (bits - length) << (bits - length)
		return f"{ipaddress.ip_address(value) if family == 4 else ipaddress.IPv6Address(value)}/{length}"

	def make_routes(self, family):
		bases = ([0x14000000 | self.random.getrandbits(24) for _ in range(4)] if family == 4 else
			[0x2001_0db9 << 96 | self.random.getrandbits(96) for _ in range(4)])
		for _ in range(self.random.randint(5, 60)):
			self.routes[self.random_prefix(family, bases)] = self.make_hop(family)
		if self.random.random() < 0.6:
			self.routes["0.0.0.0/0" if family == 4 else "::/0"] = self.make_hop(family)
		self.prefixes = getattr(self, "prefixes", {})
		self.prefixes[family] = [ipaddress.ip_network(to) for to in self.routes
			if family_of(to) == family and not to.endswith("/0")]

	def routed_address(self, family):
		net = self.random.choice(self.prefixes[family])
		host = self.random.getrandbits(net.max_prefixlen - net.prefixlen) \
			if net.prefixlen < net.max_prefixlen else 0
		return str(net.network_address + host)

	def connected_address(self, family):
		port = self.random.choice([port for port in PORTS if family == 4 or has_ip6(port)])
		return station(port, self.random.choice(STATIONS), family)

	def far_address(self, family):
		return self.routed_address(family) if self.random.random() < 0.7 \
			else self.connected_address(family)

	def source(self, family, port):
		return station(port, self.random.choice(STATIONS), family) if self.random.random() < 0.5 \
			else self.routed_address(family)

	def size(self, family):
		"""Of the payload: small, or around some MTU."""
		if self.random.random() < 0.5:
			return self.random.choice((0, 1, 8, 17, 100))
		around = self.random.choice(list(MTUS.values()))
		header = 28 if family == 4 else 48
		return max(0, min(around + self.random.randint(-10, 10), 1500) - header)

	def ttl(self):
		return self.random.choices((0, 1, 2, 64, 255), (1, 2, 2, 12, 3))[0]

	def transport(self, family, source, to, size):
		"""Protocol and payload."""
		data = self.random.randbytes(size)
		wrong = self.random.random() < 0.1
		what = self.random.randrange(5)
		if what == 0:
			return UDP, udp(source, to, data, wrong=wrong)
		if what == 1:
			return TCP, tcp(source, to, data[:max(len(data) - 12, 0)],
				flags=self.random.choice((2, 16, 17, 18, 4)), wrong=wrong)
		if what == 2:
			kinds = (8, 0, 3, 11, 5, 40) if family == 4 else (128, 129, 1, 3, 200)
			return (ICMP if family == 4 else ICMP6), icmp(source, to, self.random.choice(kinds),
				self.random.randrange(3), self.random.getrandbits(32), data, wrong=wrong)
		return self.random.choice((99, 132, 253)), data + b"12345678"

	# each gives (frame, port, departure or None)

	def forward4(self):
		port = self.random.choice(PORTS)
		source, to = self.source(4, port), self.far_address(4)
		protocol, payload = self.transport(4, source, to, self.size(4))
		options, field, size = b"", 0, len(payload)
		shape = self.random.random()
		if shape < 0.3:
			field = 0x4000
		elif shape < 0.5:  # a fragment: the first, one in the middle, the last
			offset, more = self.random.choice(((0, 1), (185, 1), (370, 0), (7900, 0), (1, 1)))
			payload = payload[:len(payload) // 8 * 8] if more else payload
			field = more << 13 | offset | self.random.choice((0, 0, 0, 0x4000))
		elif shape < 0.6 and size < 500:  # cut anew, the kernel would fill them with no-operations
			options = self.random.choice((b"\1\1\1\0", b"\x82\x0b" + bytes(9) + b"\0",
				b"\x94\4\0\0", b"\x5e\4ab"))
		packet = ip4(source, to, protocol, payload[:1480], self.ttl(),
			self.random.choice((0, 0, 0xB8, 3)), self.random.getrandbits(16), field, options)
		return self.framed(packet, port), port, None

	def forward6(self):
		port = self.random.choice([port for port in PORTS if has_ip6(port)])
		source, to = self.source(6, port), self.far_address(6)
		protocol, payload = self.transport(6, source, to, self.size(6))
		shape = self.random.random()
		if shape < 0.4 and len(payload) < 1400:
			protocol, payload = self.chain(protocol, payload)
		packet = ip6(source, to, protocol, payload[:1460], self.ttl(), 0,
			self.random.choice((0, 0x12345)))
		return self.framed(packet, port), port, None

	def chain(self, protocol, payload):
		"""Extension headers that are all right for a router to pass on."""
		def options(body):
			return bytes([protocol, (2 + len(body)) // 8 - 1]) + body
		for _ in range(self.random.randint(1, 2)):
			what = self.random.randrange(4)
			if what == 0:
				protocol, payload = 60, options(b"\1\4\0\0\0\0") + payload
			elif what == 1:
				# of ICMPv6 the first alone: a later one may be an error, and is not answered
				fields = (0, 1) if protocol == ICMP6 else (0, 1, 1 << 3 | 1, 100 << 3)
				protocol, payload = 44, struct.pack("!BBHI", protocol, 0,
					self.random.choice(fields), 77) + payload
			elif what == 2:
				protocol, payload = 43, bytes([protocol, 0, 253, 0, 0, 0, 0, 0]) + payload
			elif protocol not in (ICMP6, 44):  # what is not seen of ICMPv6 may be an error
				protocol, payload = 60, bytes([protocol, 5]) + payload  # cut off, maybe
		if self.random.random() < 0.4:
			body = self.random.choice((b"\1\4\0\0\0\0", b"\5\2\0\0\1\0", b"\0\0\0\0\0\0", b"\x1e\4abcd"))
			protocol, payload = 0, bytes([protocol, 0]) + body + payload
		return protocol, payload

	def hop_by_hop(self):
		"""Options that ask for an answer, or are cut off: nothing to one who does not look."""
		port = self.random.choice([port for port in PORTS if has_ip6(port)])
		source, to = station(port, 33, 6), self.far_address(6)
		body = self.random.choice((b"\xde\4abcd", b"\x9e\4abcd", b"\x5e\4abcd", b"\1\x40\0\0\0\0"))
		packet = ip6(source, to, 0, bytes([UDP, 0]) + body + udp(source, to, b"data"))
		return self.framed(packet, port), port, "extension"

	def to_router4(self):
		port = self.random.choice(PORTS)
		far = self.random.random() < 0.3
		to = router_address(self.random.choice(PORTS) if far else port)
		source = self.source(4, port)
		size = self.random.choice((0, 8, 100, 556, 1000, 1400))
		protocol, payload = self.transport(4, source, to, size)
		packet = ip4(source, to, protocol, payload, self.random.choice((1, 64)), 0, 7)
		return self.framed(packet, port), port, "far-address"

	def to_router6(self):
		port = self.random.choice([port for port in PORTS if has_ip6(port)])
		far = self.random.random() < 0.3
		to = router_address(self.random.choice([1, 2, 3]) if far else port, 6)
		source = self.source(6, port)
		protocol, payload = self.transport(6, source, to, self.random.choice((0, 8, 100, 1000)))
		if self.random.random() < 0.4:
			protocol, payload = self.chain_to_router(protocol, payload)
		packet = ip6(source, to, protocol, payload, self.random.choice((1, 64)))
		return self.framed(packet, port), port, None

	def chain_to_router(self, protocol, payload):
		body = self.random.choice((b"\1\4\0\0\0\0", b"\xde\4abcd", b"\x9e\4abcd", b"\x5e\4abcd",
			b"\x1e\4abcd"))
		what = self.random.randrange(4)
		if what < 2:
			return 60, bytes([protocol, 0]) + body + payload
		if what == 2:
			return 43, bytes([protocol, 0, 253, self.random.choice((0, 1)), 0, 0, 0, 0]) + payload
		return 59, payload

	def fragment_to_router(self):
		port = self.random.choice(PORTS)
		source, to = station(port, 34), router_address(port)
		field, data = self.random.choice(((0x2000, 64), (0x2001, 8), (1, 3), (100, 40)))
		packet = ip4(source, to, UDP, self.random.randbytes(data), ident=self.random.getrandbits(16),
			field=field)
		return self.framed(packet, port), port, "fragment-to-router"

	def broken4(self):
		port = self.random.choice(PORTS)
		source, to = self.source(4, port), self.far_address(4)
		payload = udp(source, to, self.random.randbytes(30))
		packet = self.random.choice((
			lambda: ip4(source, to, UDP, payload, wrong=self.random.randint(1, 0xFFFE)),
			lambda: ip4(source, to, UDP, payload, length=self.random.choice((0, 10, 19, 1000, 65535))),
			lambda: ip4(source, to, UDP, payload, version=self.random.choice((0, 3, 5, 15))),
			lambda: ip4(source, to, UDP, payload, header_words=self.random.randint(0, 4)),
			lambda: ip4(source, to, UDP, payload, header_words=15, length=40),
			lambda: ip4(source, to, UDP, payload)[:self.random.randint(1, 40)],
			lambda: ip4(source, to, UDP, payload, length=self.random.randint(28, 50)),
			lambda: ip4(source, to, UDP, payload) + b"behind" * 4,
		))()
		return ether(router_mac(port), station_mac(port, 12), b"")[:12] + b"\x08\0" + packet, port, None

	def broken6(self):
		port = self.random.choice([port for port in PORTS if has_ip6(port)])
		source, to = self.source(6, port), self.far_address(6)
		payload = udp(source, to, self.random.randbytes(30))
		packet = self.random.choice((
			lambda: ip6(source, to, UDP, payload, length=self.random.choice((39, 1000, 65535))),
			lambda: ip6(source, to, UDP, payload, version=self.random.choice((0, 4, 5, 7, 15))),
			lambda: ip6(source, to, UDP, payload)[:self.random.randint(1, 60)],
			lambda: ip6(source, to, UDP, payload, length=self.random.randint(1, 37)),
			lambda: ip6(source, to, 59, b""),
			lambda: ip6(source, to, UDP, payload) + b"behind" * 4,
		))()
		return ether(router_mac(port), station_mac(port, 12), b"")[:12] + b"\x86\xdd" + packet, port, None

	def options4(self):
		"""Impossible ones, and source routes."""
		port = self.random.choice(PORTS)
		own = self.random.random() < 0.5
		source, to = self.source(4, port), router_address(port) if own else self.far_address(4)
		options = self.random.choice((b"\x5e\0\0\0", b"\x5e\1\0\0", b"\x5e\5\0\0", b"\1\1\1\x5e",
			b"\1\x5e\4a", b"\1\x5e\3a", b"\x83\7\4\x0a\2\0\x0b\0", b"\x89\7\4\x0a\2\0\x0b\0",
			b"\x5e\4ab\x5e\2\x5e\x28"))
		packet = ip4(source, to, UDP, udp(source, to, b"options"), self.ttl(), options=options,
			field=0 if own else self.random.choice((0, 0, 0x2000, 0x0010)))
		return self.framed(packet, port), port, "far-address" if own else None

	def martian4(self):
		port = self.random.choice(PORTS)
		good = self.routed_address(4)
		odd = self.random.choice(("127.0.0.1", "127.255.1.1", "0.0.0.0", "0.1.2.3", "224.0.0.1",
			"239.1.2.3", "255.255.255.255"))
		departure = "zero-net" if odd.startswith("0.") else None
		if self.random.random() < 0.3:
			odd, departure = self.random.choice((("240.1.1.1", "class-e"), ("169.254.7.7", "link-local-4")))
		source, to = (good, odd) if self.random.random() < 0.5 else (odd, good)
		return self.framed(ip4(source, to, UDP, udp(source, to, b"odd")), port), port, departure

	def martian6(self):
		port = self.random.choice([port for port in PORTS if has_ip6(port)])
		good = self.routed_address(6)
		odd, departure = self.random.choice((("::1", None), ("::", "unspecified"), ("ff02::1:2", None),
			("ff0e::7", None), ("fe80::7", "link-local-6"), ("::ffff:1.2.3.4", "mapped")))
		source, to = (good, odd) if self.random.random() < 0.5 else (odd, good)
		return self.framed(ip6(source, to, UDP, udp(source, to, b"odd")), port), port, departure

	def own_source(self):
		"""From an address of the router itself."""
		port = self.random.choice(PORTS)
		family = 6 if has_ip6(port) and self.random.random() < 0.5 else 4
		source, to = router_address(port, family), self.far_address(family)
		make = ip4 if family == 4 else ip6
		return self.framed(make(source, to, UDP, udp(source, to, b"mine")), port), port, "own-source"

	def link_groups(self):
		"""Unicast packets in frames to many, packets in frames to others, broadcasts of a network."""
		port = self.random.choice(PORTS)
		family = 6 if has_ip6(port) and self.random.random() < 0.4 else 4
		source, to = self.source(family, port), self.far_address(family)
		if family == 4 and self.random.random() < 0.4:
			to = f"10.{self.random.choice(PORTS)}.0.255"
		make = ip4 if family == 4 else ip6
		packet = make(source, to, UDP, udp(source, to, b"group"))
		mac = self.random.choice((b"\xff" * 6, b"\1\0\x5e\0\0\1", b"\x33\x33\0\0\0\1",
			b"\2\0\0\0\7\7", router_mac(port % 4 + 1), router_mac(port)))
		return ether(mac, station_mac(port, 12), packet), port, None

	def redirected(self):
		"""Out where it came in."""
		port = self.random.choice(PORTS)
		family = 6 if has_ip6(port) and self.random.random() < 0.4 else 4
		source, to = (station(port, self.random.choice(STATIONS), family) for _ in range(2))
		make = ip4 if family == 4 else ip6
		return self.framed(make(source, to, UDP, udp(source, to, b"again"), self.ttl()), port), port, None

	def framed(self, packet, port):
		return ether(router_mac(port), station_mac(port, 12), packet)

	def packet(self):
		kinds = {self.forward4: 30, self.forward6: 25, self.to_router4: 10, self.to_router6: 10,
			self.broken4: 6, self.broken6: 5, self.martian4: 4, self.martian6: 4, self.link_groups: 4,
			self.redirected: 5, self.options4: 4, self.own_source: 3, self.hop_by_hop: 3, self.fragment_to_router: 2}
		return self.random.choices(list(kinds), list(kinds.values()))[0]()


# ---- comparing


class Comparison:
	def __init__(self):
		self.asked = collections.Counter()  # packets by their sender
		self.seen = collections.Counter()

	def compare(self, frame, port, departure, weft, kernel):
		"""What differs, as text; empty: nothing."""
		for p, frames in weft.items():
			for f in frames:
				check_own6(f[:14 + length_of(f)], p)
		weft, kernel = ({p: sorted(without_departures(normal(frame)) for frame in frames)
			for p, frames in side.items()} for side in (weft, kernel))
		self.count(frame, kernel)
		if weft == kernel:
			return ""
		if departure and self.departs(frame, port, departure, weft, kernel):
			self.seen["departure " + departure] += 1
			return ""
		weft, kernel = self.without_limited(frame, weft, kernel)
		if weft == kernel:
			self.seen["limited by the kernel"] += 1
			return ""
		lines = [f"in {port}: {describe(frame)} ({departure})"]
		for p in PORTS:
			if weft[p] != kernel[p]:
				lines += [f"  weft   {p}: {describe(f)}" for f in weft[p] if f not in kernel[p]]
				lines += [f"  kernel {p}: {describe(f)}" for f in kernel[p] if f not in weft[p]]
		return "\n".join(lines)

	def count(self, frame, kernel):
		out = [f for frames in kernel.values() for f in frames]
		self.seen["nothing" if not out else "forwarded" if not any(map(is_own, out)) else "answered"] += 1
		self.asked[sender_of(frame)] += 1

	def without_limited(self, frame, weft, kernel):
		"""The kernel sends five unreachables to a sender, then one a second (net.ipv4.route.error_*);
		redirects more and more rarely; and the one counts for the other, as do those that it does
		not send for other reasons. So only of a sender's first packet all must come. weft has one
		limit for all, which is not reached here."""
		def limited(f):
			return self.asked[receiver_of(f)] > 1 and (is_redirect(f) or
				icmp_kind(f) in ((3, 0), (3, 1), (3, 13)))
		weft = {p: [f for f in frames if f in kernel[p] or not limited(f)]
			for p, frames in weft.items()}
		if not any(f[22:54] == frame[22:54] for frames in kernel.values() for f in frames):
			kernel = {p: [f for f in frames if not is_redirect(f)]  # redirect-6
				for p, frames in kernel.items()}
		return weft, kernel

	def departs(self, frame, port, departure, weft, kernel):
		out = [f for frames in weft.values() for f in frames]
		if departure in ("class-e", "zero-net", "unspecified", "mapped", "fragment-to-router"):
			return out == []
		return getattr(self, departure.replace("-", "_"))(frame, port, out, kernel)

	def link_local_4(self, frame, port, out, kernel):
		return all(icmp_kind(f) == (3, 1) and f[42:] == frame[14:14 + len(f) - 42] for f in out)

	def link_local_6(self, frame, port, out, kernel):
		"""Beyond the scope of the source (RFC 4443, 3.1, code 2); or there is no route at all."""
		return all(f[20] == ICMP6 and f[54] == 1 for f in out)

	def own_source(self, frame, port, out, kernel):
		"""It goes on like others; nothing is said to the router itself."""
		return all(f[26:] == frame[26:] and f[22] == frame[22] - 1 for f in out)

	def extension(self, frame, port, out, kernel):
		"""It goes on, or is answered, as if the header were not there."""
		return all(f[14:20] + f[22:] == frame[14:20] + frame[22:] or
			(f[20] == ICMP6 and f[54] in (1, 2, 3, 137)) for f in out)

	def far_address(self, frame, port, out, kernel):
		"""The kernel's messages come from the address that was asked."""
		theirs = [f for frames in kernel.values() for f in frames]
		return len(out) == len(theirs) == 1 and icmp_kind(out[0]) is not None and \
			icmp_kind(out[0]) == icmp_kind(theirs[0]) and out[0][30:] == theirs[0][30:] and \
			out[0][26:30] in OWN and out[0][27] == out[0][11]


def seeds():
	first, _, last = SEEDS.partition("-")
	return range(int(first), int(last or first) + 1)


@pytest.mark.timeout(600 if "WEFT_REFERENCE_SEEDS" in os.environ else 120)
def test_same_as_kernel(space):
	kernel, weft = Kernel(space.namespace("kernel")), Weft(space)
	try:
		weft.meet()
		wrong, comparison = [], Comparison()
		for seed in seeds():
			generator = Generator(seed)
			kernel.set_routes(generator.routes)
			weft.set_routes(generator.routes)
			for number in range(PACKETS):
				frame, port, departure = generator.packet()
				text = comparison.compare(frame, port, departure, weft.outputs(port, frame),
					kernel.outputs(port, frame))
				if text:
					wrong.append(f"seed {seed}, packet {number}: {text}")
		print(dict(comparison.seen))
		assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:40])
	finally:
		kernel.close()
		weft.close()
