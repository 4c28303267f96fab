# SPDX-License-Identifier: BSD-3-Clause
"""A firewall beside nftables and conntrack: the same rules and packets, the same verdicts. From the
file on, and between interfaces; test_firewall_reference.py tries much more, inside one process.

Each seed makes rules, and conversations of hosts on both sides: TCP in and out of order, in and out
of its window, UDP, pings, ICMP errors that quote what was and what never was sent. A packet goes
through both; behind it goes a fence that is always accepted: what comes out before the fence has
passed. SEEDS=N in the environment runs more of them, FIRST=N others.

What differs by intent is in `differs()`, with the reason.
"""
import os
import random
import struct
import time

import pytest

import harness
from ip_reference import ICMP, ICMP6, TCP, UDP, ether, icmp, ip4, ip6, tcp, udp

SEEDS = int(os.environ.get("SEEDS", "10"))
FIRST = int(os.environ.get("FIRST", "1"))
PACKETS = 120
FENCE_PORT = 65000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
FAR = 1 << 30  # out of any window


def host(side, number, family):
	return f"10.{side}.0.{number}" if family == 4 else f"2001:db8:{side}::{number}"


def fence_of(side):
	return f"10.{side}.9.9", f"10.{1 - side}.9.9"


# ---- the two firewalls

class Path:
	"""What is put in at one side, and comes out at the other."""

	def __init__(self, sockets, macs):
		self.sockets, self.macs, self.fences = sockets, macs, 0

	def put(self, side, packet):
		"""Whether it passes."""
		source, to = fence_of(side)
		self.fences += 1
		fence = ip4(source, to, UDP, udp(source, to, struct.pack("!I", self.fences),
			sport=FENCE_PORT, dport=FENCE_PORT))
		for payload in (packet, fence):
			self.sockets[side].send(ether(self.macs[side], bytes([2, 0, 0, 0, side, 1]), payload))
		wanted, passed = number_of(packet), False
		end = time.monotonic() + 5 * harness.PATIENCE
		while time.monotonic() < end:
			for frame in self.sockets[1 - side].receive(1, count=1):
				if frame[14:34] and frame[12:14] == b"\x08\0" and frame[-4:] == struct.pack(
						"!I", self.fences) and frame[26:30] == bytes(map(int, source.split("."))):
					return passed
				passed |= number_of(frame[14:]) == wanted
		raise AssertionError("the fence has not come")


def number_of(packet):
	"""That every packet has: IPv4 in its id, IPv6 in its flow label."""
	if len(packet) < 20:
		return None
	if packet[0] >> 4 == 4:
		return 4, struct.unpack("!H", packet[4:6])[0]
	return 6, struct.unpack("!I", packet[:4])[0] & 0xFFFFF


def kernel_path(space, rules, accepts):
	middle = space.namespace("kernel")
	sockets, macs = [], []
	for side, word in enumerate(("in", "out")):
		far = space.namespace(f"k{word}")
		middle.run("ip", "link", "add", word, "address", f"02:00:00:00:0{side}:ff", "type", "veth",
			"peer", "name", word, "netns", far)
		for namespace in (middle, far):
			namespace.run("sysctl", "-qw", f"net.ipv6.conf.{word}.accept_dad=0")
			namespace.run("ip", "link", "set", word, "up")
		middle.run("sysctl", "-qw", f"net.ipv4.conf.{word}.rp_filter=0")
		middle.run("ip", "route", "add", f"10.{side}.0.0/16", "dev", word)
		middle.run("ip", "-6", "route", "add", f"2001:db8:{side}::/64", "dev", word)
		for number in (1, 2, 3):
			for family in (4, 6):
				middle.run("ip", "neigh", "add", host(side, number, family), "dev", word,
					"lladdr", "02:00:00:00:07:07", "nud", "permanent")
		middle.run("ip", "neigh", "add", fence_of(side)[0], "dev", word, "lladdr",
			"02:00:00:00:07:07", "nud", "permanent")
		sockets.append(far.packets(word))
		macs.append(bytes([2, 0, 0, 0, side, 0xff]))
	middle.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.ip_forward=1",
		"net.ipv6.conf.all.forwarding=1")
	middle.run("nft", "-f", "-", input=nft_rules(rules, accepts))
	# the packets' own sums are not looked at by weft; nor does a connection begin in its middle
	middle.run("sysctl", "-qw", "net.netfilter.nf_conntrack_checksum=0",
		"net.netfilter.nf_conntrack_tcp_loose=0")
	return Path(sockets, macs)


def weft_path(space, rules, accepts):
	network = {"switches": {}, "nics": {}, "firewalls": {"fw": {"ports": {"in": {}, "out": {}},
		"default": "accept" if accepts else "drop", "rules": [FENCE, *rules]}}, "links": []}
	sockets = []
	for word in ("in", "out"):
		network["switches"][word] = {"ports": {"fw": {}}}
		network["nics"][word] = {"switch": word, "attach": {"netns": str(space.namespace(f"w{word}"))}}
		network["links"].append({"ends": [f"{word}:fw", f"fw:{word}"]})
	space.start_weftd({"networks": {"red": network}})
	for word in ("in", "out"):
		space.namespace(f"w{word}").run("sysctl", "-qw", f"net.ipv6.conf.{word}.disable_ipv6=1")
		sockets.append(space.namespace(f"w{word}").packets(word))
	# to whoever is on the other side: nobody's MAC is known to the switches, so they flood
	return Path(sockets, [bytes([2, 0, 0, 9, 9, side]) for side in range(2)])


# ---- rules

FENCE = {"name": "fence", "accept": "udp", "from-port": FENCE_PORT, "to-port": FENCE_PORT}


def random_rules(rng):
	rules = []
	for number in range(rng.randrange(1, 9)):
		family = rng.choice((4, 6))
		protocol = rng.choice(("tcp", "tcp", "tcp", "udp", "any", "icmp" if family == 4 else "icmpv6"))
		rule = {"name": f"r{number}", rng.choice(("accept", "accept", "drop")): protocol}
		if rng.random() < 0.5:
			rule["from"] = rng.choice(("in", "out"))
		if rng.random() < 0.3 and protocol != "any":
			rule["from-ip"] = rng.choice((host(0, 1, family), host(1, 1, family),
				"10.0.0.0/16" if family == 4 else "2001:db8:1::/64"))
		if rng.random() < 0.3 and protocol != "any":
			rule["to-ip"] = rng.choice((host(0, 1, family), host(1, 2, family)))
		if protocol in ("tcp", "udp") and rng.random() < 0.6:
			rule["to-port"] = rng.choice((80, [22, 80], "1-442", "443-65000"))
		if protocol == "tcp" and rng.random() < 0.1:
			rule["tcp-flags"] = rng.choice((["syn", "!ack"], "rst", ["!syn", "ack"]))
		if rng.random() < 0.15:
			rule["state"] = rng.choice((["invalid"], ["related"], ["new", "invalid"]))
		rules.append(rule)
	return rules


def as_list(value):
	return value if isinstance(value, list) else [value]


def nft_matches(rule, protocol):
	words = []
	if "from" in rule:
		words.append(f'iifname "{rule["from"]}"')
	if protocol != "any":
		words.append({"icmp": "meta nfproto ipv4 meta l4proto icmp",
			"icmpv6": "meta nfproto ipv6 meta l4proto ipv6-icmp"}.get(protocol, f"meta l4proto {protocol}"))
	for leaf, word in (("from-ip", "saddr"), ("to-ip", "daddr")):
		if leaf in rule:
			words.append(f"{'ip6' if ':' in rule[leaf] else 'ip'} {word} {rule[leaf]}")
	if "to-port" in rule:
		words.append(f"th dport {{ {', '.join(map(str, as_list(rule['to-port'])))} }}")
	if "tcp-flags" in rule:
		flags = as_list(rule["tcp-flags"])
		mask = "|".join(flag.lstrip("!") for flag in flags)
		on = "|".join(flag for flag in flags if flag[0] != "!")
		words.append(f"tcp flags & ({mask}) == {on or 0}")
	return " ".join(words)


def nft_rules(rules, accepts):
	lines = []
	for rule in [FENCE_NFT, *rules]:
		if isinstance(rule, str):
			lines.append(rule)
			continue
		verdict = "accept" if "accept" in rule else "drop"
		for state in rule.get("state", ["new"]):
			lines.append(f"ct state {state} {nft_matches(rule, rule[verdict])} {verdict}")
	lines.append("ct state related accept")
	lines.append("ct state invalid drop")
	return """table inet firewall {
		chain forward { type filter hook forward priority 0; policy %s;
			ct state established accept
			%s
		}
	}""" % ("accept" if accepts else "drop", "\n".join(lines))


FENCE_NFT = f"ct state new meta l4proto udp th sport {FENCE_PORT} th dport {FENCE_PORT} accept"


# ---- packets

class Conversation:
	"""Two hosts, as they would speak if all that they sent arrived."""

	def __init__(self, rng):
		self.rng = rng
		self.family = rng.choice((4, 6))
		self.client = rng.choice((0, 1))
		self.ends = [host(side, rng.choice((1, 2)), self.family) for side in (0, 1)]
		self.protocol = rng.choice(("tcp", "tcp", "tcp", "udp", "ping"))
		self.ports = [0, 0]
		self.ports[self.client] = rng.randrange(1000, 1100)
		self.ports[1 - self.client] = rng.choice((22, 80, 443, 8080))
		self.next = [rng.getrandbits(32), rng.getrandbits(32)]
		self.step, self.closed, self.over = 0, [False, False], False
		self.sent, self.passed, self.answered = [], [], False

	def ip(self, side, protocol, payload, number):
		source, to = self.ends[side], self.ends[1 - side]
		if self.family == 4:
			return ip4(source, to, protocol, payload, ident=number)
		return ip6(source, to, protocol, payload, label=number)

	def segment(self, side, flags, data=b"", offset=0, behind=0):
		source, to = self.ends[side], self.ends[1 - side]
		acknowledged = (self.next[1 - side] + behind) & 0xFFFFFFFF if flags & ACK else 0
		return TCP, tcp(source, to, data, flags, self.ports[side], self.ports[1 - side],
			(self.next[side] + offset) & 0xFFFFFFFF, acknowledged)

	def advance(self, side, by):
		self.next[side] = (self.next[side] + by) & 0xFFFFFFFF

	def handshake(self):
		side, flags = [(self.client, SYN), (1 - self.client, SYN | ACK), (self.client, ACK)][self.step]
		made = side, self.segment(side, flags)
		self.what = "handshake" if side == self.client else "syn-ack"
		self.step += 1
		self.advance(side, flags & SYN != 0)
		return made

	def speak_tcp(self):
		rng, side = self.rng, self.rng.choice((0, 1))
		if self.step < 3 and rng.random() < 0.9:
			return self.handshake()
		# what no SYN has opened is for both nothing that can be judged by numbers
		kinds = ["data", "ack"]
		if self.step == 3 and all(self.passed[:3]):
			kinds += ["data", "data", "far", "far-ack", "fin", "far-reset", "reset"]
		if self.closed[side]:
			kinds = ["ack", "far", "far-reset"]
		what = self.what = rng.choice(kinds)
		if what == "data":
			data = bytes(rng.randrange(1, 100))
			made = side, self.segment(side, ACK | PSH, data)
			self.advance(side, len(data))
		elif what == "fin":
			made = side, self.segment(side, FIN | ACK)
			self.advance(side, 1)
			self.closed[side] = True
		elif what == "reset":
			made = side, self.segment(side, RST)
			self.over = True
		else:
			made = side, {"ack": lambda: self.segment(side, ACK),
				"far": lambda: self.segment(side, ACK, bytes(10), offset=FAR),
				"far-ack": lambda: self.segment(side, ACK, bytes(10), behind=FAR),
				"far-reset": lambda: self.segment(side, RST, offset=FAR)}[what]()
		return made

	def speak_udp(self):
		side = self.client if self.rng.random() < 0.6 else 1 - self.client
		return side, (UDP, udp(self.ends[side], self.ends[1 - side], b"x" * 8, self.ports[side],
			self.ports[1 - side]))

	def speak_ping(self):
		side = self.client if self.rng.random() < 0.6 else 1 - self.client
		kinds = (8, 0) if self.family == 4 else (128, 129)
		return side, (ICMP if self.family == 4 else ICMP6, icmp(self.ends[side], self.ends[1 - side],
			kinds[side != self.client], 0, self.ports[self.client] << 16 | 1, b"ping"))

	def error(self, number):
		"""About one of its packets, by whom it went to, or about one that nobody sent."""
		side, quoted = self.rng.choice(self.sent)
		if self.rng.random() < 0.3:
			quoted = bytearray(quoted)
			quoted[22 if self.family == 4 else 42] ^= 0x30  # another port
			quoted = bytes(quoted)
		kind, code = (3, 3) if self.family == 4 else (1, 4)
		return 1 - side, self.ip(1 - side, ICMP if self.family == 4 else ICMP6,
			icmp(self.ends[1 - side], self.ends[side], kind, code, 0, quoted), number)

	def speak(self, number):
		self.what = "other"
		if self.sent and self.rng.random() < 0.06:
			return self.error(number)
		side, (protocol, payload) = {"tcp": self.speak_tcp, "udp": self.speak_udp,
			"ping": self.speak_ping}[self.protocol]()
		packet = self.ip(side, protocol, payload, number)
		self.sent.append((side, packet))
		return side, packet


def fresh(rng, taken):
	"""One that no other has been: of what is left of that one they may think differently."""
	while True:
		made = Conversation(rng)
		key = (made.protocol, *made.ends, *made.ports)
		if key not in taken:
			taken.add(key)
			return made


def describe(packet):
	if packet[0] >> 4 == 4:
		protocol, at, ends = packet[9], 20, (packet[12:16], packet[16:20])
	else:
		protocol, at, ends = packet[6], 40, (packet[8:24], packet[24:40])
	text = " > ".join(".".join(map(str, end[-4:])) for end in ends)
	if protocol == TCP:
		source, to, sequence, acknowledged, _, flags = struct.unpack("!HHIIBB", packet[at:at + 14])
		return f"{text} tcp {source} > {to} seq {sequence} ack {acknowledged} flags {flags:#x}"
	return f"{text} protocol {protocol} {packet[at:at + 8].hex()}"


def differs(conversation, side, nftables, weft):
	"""What is meant to differ: conntrack lets some segments pass, "ignored", that no receiver takes."""
	if not nftables or weft:
		return False
	# RFC 5961, 3.2: a reset out of the window is dropped
	if conversation.what == "far-reset":
		return True
	# RFC 9293, 3.10.7.3: before the other's SYN a segment without SYN or reset is dropped
	return conversation.what in ("data", "ack") and side != conversation.client and not conversation.answered


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_verdicts(space, seed):
	rng = random.Random(seed)
	rules, accepts = random_rules(rng), rng.random() < 0.4
	kernel, weft = kernel_path(space, rules, accepts), weft_path(space, rules, accepts)
	conversations, history, taken = [], {}, set()
	for number in range(1, PACKETS):
		conversations = [one for one in conversations if not one.over]
		while len(conversations) < 4:
			conversations.append(fresh(rng, taken))
		conversation = rng.choice(conversations)
		side, packet = conversation.speak(number)
		verdicts = kernel.put(side, packet), weft.put(side, packet)
		conversation.passed.append(all(verdicts))
		conversation.answered |= conversation.what == "syn-ack" and all(verdicts)
		lines = history.setdefault(conversation, [])
		lines.append(f"{number} {('in', 'out')[side]} {conversation.what} {describe(packet)}: "
			f"nftables {verdicts[0]}, weft {verdicts[1]}")
		if verdicts[0] != verdicts[1] and not differs(conversation, side, *verdicts):
			pytest.fail("\n".join([f"seed {seed}, accepts {accepts}", *map(str, rules), *lines]))
