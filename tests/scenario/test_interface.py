# SPDX-License-Identifier: BSD-3-Clause
"""The interface driver alone (tests/scenario/tap_switch.c): a switch between a container's tap,
or a veth, and a veth whose other end is in the namespace `far`."""
import contextlib
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from scapy.all import IP, TCP, UDP, Dot1Q, Ether, Raw

import harness

WEB, FAR = "10.0.0.1", "10.0.0.2"
FAR_MAC = "02:00:00:00:00:02"  # stays, so that nobody waits for a neighbour entry to age
BROADCAST = "ff:ff:ff:ff:ff:ff"
ENOUGH_MBITS = 20 if harness.SANITIZED else 300
RING_SLOTS = 2048  # src/nic/interface_private.h


class NicSwitch:
	"""A tap_switch in the namespace `host`."""

	def __init__(self, space, *nics, options=()):
		self.log_file = space.folder / "log"
		self.status, self.dropped, self.is_up = {}, [], threading.Event()
		with self.log_file.open("w") as log:
			self.process = subprocess.Popen(
				space.namespace("host").command(harness.BUILD / "tests/tap_switch", *options, *nics),
				stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
				preexec_fn=harness.die_with_parent)
		self.reader = threading.Thread(target=self.read, daemon=True)
		self.reader.start()
		harness.wait_until(self.has_started, 10, "the switch is up")

	def has_started(self):
		assert self.process.poll() is None, self.log_file.read_text()
		return self.is_up.is_set()

	def read(self):
		for line in self.process.stdout:
			word, *rest = line.split(maxsplit=2)
			if word == "up":
				self.is_up.set()
			elif word == "status":
				self.status[int(rest[0])] = rest[1].strip()
			elif word == "drops":
				counts = rest[1].split() if len(rest) > 1 else []
				self.dropped.append(dict(zip(counts[::2], map(int, counts[1::2]))))

	def wait_status(self, nic, *words):
		"""All words are in what the vnic says."""
		harness.wait_until(lambda: all(word in self.status.get(nic, "") for word in words), 5,
			f"{words} in {self.status}")

	def drops(self, nic):
		self.dropped = []
		self.process.stdin.write("\n")
		self.process.stdin.flush()
		harness.wait_until(lambda: len(self.dropped) > nic, 5, "drops are told")
		return self.dropped[nic]

	def close(self):
		self.process.stdin.close()
		assert self.process.wait(20 * harness.PATIENCE) == 0, self.log_file.read_text()
		reports = harness.Weftd.SANITIZER.findall(self.log_file.read_text())
		assert not reports, self.log_file.read_text()


class Site:
	"""host: wire, and what the test adds; far: the wire's other end."""

	def __init__(self, space):
		self.space = space
		self.host, self.web, self.far = map(space.namespace, ("host", "web", "far"))

	def plug(self, name="wire", namespace="far", address=FAR, mtu=1500, host="host"):
		"""A veth from `host` to the other namespace."""
		here, other = self.space.namespace(host), self.space.namespace(namespace)
		here.run("ip", "link", "add", name, "mtu", mtu, "type", "veth", "peer", "name", name,
			"mtu", mtu, "netns", other)
		if namespace == "far":
			other.run("ip", "link", "set", name, "address", FAR_MAC)
		here.run("ip", "link", "set", name, "up")
		other.run("ip", "link", "set", name, "up")
		other.run("ip", "addr", "add", f"{address}/24", "dev", name)

	@property
	def tap(self):
		return f"{self.web},{WEB}/24"


@pytest.fixture
def site(space):
	return Site(space)


@contextlib.contextmanager
def running(space, *nics, options=()):
	switch = NicSwitch(space, *nics, options=options)
	try:
		yield switch
		switch.close()
	finally:
		switch.process.kill()


@pytest.fixture(params=["tap", "veth", "two workers"])
def joined(request, space, site):
	"""web and far, joined by a switch: web by a tap, by an interface, with several queues."""
	site.plug()
	options = ["-w", "2"] if request.param == "two workers" else []
	web = site.tap
	if request.param == "veth":
		site.plug("cable", "web", WEB)
		web = "cable@host"
	with running(space, web, "wire@host", options=options) as switch:
		site.web.reaches(FAR)
		site.switch = switch
		yield site


def mbits(report):
	return report["end"]["sum_received"]["bits_per_second"] / 1e6


def test_tcp(joined):
	assert joined.switch.status == {0: "up", 1: "up"}
	# a server for each: one that has just served says "busy" now and then
	for port, options in enumerate(([], ["-R"], ["-P", "4"]), 5201):
		with joined.far.iperf3_server(port):
			assert mbits(joined.web.iperf3(FAR, port=port, options=options)) > ENOUGH_MBITS


def send_bytes(source, destination, address, content):
	"""What comes out of a TCP connection at the other end."""
	received = hashlib.sha256()
	with destination.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
		listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		listener.bind(("", 7070))
		listener.listen()

		def receive():
			connection, _ = listener.accept()
			with connection:
				while piece := connection.recv(1 << 16):
					received.update(piece)

		thread = threading.Thread(target=receive, daemon=True)
		thread.start()
		with source.socket(socket.AF_INET, socket.SOCK_STREAM) as sender:
			sender.connect((address, 7070))
			sender.sendall(content)
		thread.join(20 * harness.PATIENCE)
	return received.hexdigest()


@pytest.mark.sanitize
def test_bytes_arrive_as_sent(joined):
	content = os.urandom(20_000_003)
	wanted = hashlib.sha256(content).hexdigest()
	assert send_bytes(joined.web, joined.far, FAR, content) == wanted
	assert send_bytes(joined.far, joined.web, WEB, content) == wanted


def test_udp_in_order(joined):
	for source, destination, address in ((joined.web, joined.far, FAR), (joined.far, joined.web, WEB)):
		with harness.NumberedStream(source, destination, address) as stream:
			time.sleep(1)
		assert stream.lost == [] and stream.duplicated == 0 and stream.reordered == 0


@pytest.mark.parametrize("size", [8, 1400, 1473, 9000, 65507])
def test_udp_of_any_length(joined, size):
	"""Also what the sender's kernel cuts into fragments."""
	with joined.far.socket(socket.AF_INET, socket.SOCK_DGRAM) as far, \
			joined.web.socket(socket.AF_INET, socket.SOCK_DGRAM) as web:
		far.bind(("", 7001))
		far.settimeout(2 * harness.PATIENCE)
		content = os.urandom(size)
		web.sendto(content, (FAR, 7001))
		got, sender = far.recvfrom(65536)
		assert got == content
		web.settimeout(2 * harness.PATIENCE)
		far.sendto(content[::-1], sender)
		assert web.recv(65536) == content[::-1]


@pytest.mark.parametrize("size", [10_000, 65_507])
def test_udp_super_packets(joined, size):
	"""UDP_SEGMENT: the kernel gives it to the interface in one piece."""
	with joined.far.socket(socket.AF_INET, socket.SOCK_DGRAM) as far, \
			joined.web.socket(socket.AF_INET, socket.SOCK_DGRAM) as web:
		for end in (far, web):
			end.bind(("", 7002))
		for receiver, sender, address in ((far, web, FAR), (web, far, WEB)):
			receiver.setsockopt(socket.SOL_SOCKET, harness.SO_RCVBUFFORCE, 4 << 20)
			receiver.settimeout(2 * harness.PATIENCE)
			sender.setsockopt(socket.IPPROTO_UDP, 103, 1400)  # UDP_SEGMENT
			content = os.urandom(size)
			sender.sendto(content, (address, 7002))
			got = b""
			while len(got) < size:
				got += receiver.recv(65536)
			assert got == content


TAGS = {
	"802.1Q": bytes.fromhex("81000065"),
	"802.1Q with priority": bytes.fromhex("8100a065"),
	"802.1ad": bytes.fromhex("88a80065"),
	"stacked": bytes.fromhex("8100006581000007"),
	"802.1ad outside": bytes.fromhex("88a8006581000007"),
}


def tagged(mark, tags, payload=b""):
	frame = harness.marked(mark)
	return frame[:12] + tags + frame[12:] + payload


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("length", [0, 1400], ids=["short", "long"])
def test_vlan_tags_stay(space, site, tags, length):
	site.plug()
	site.plug("cable", "web", WEB)
	payload = os.urandom(length)
	with running(space, "cable@host", "wire@host"):
		with site.far.packets("wire") as far, site.web.packets("cable") as web:
			for sender, receiver, mark in ((far, web, "FROM-FAR"), (web, far, "FROM-WEB")):
				sent = tagged(mark, tags, payload)
				sender.send(sent)
				assert receiver.receive(1, count=1, match=harness.is_marked(mark)) == [sent]


def checksum(data):
	data += bytes(len(data) % 2)
	total = sum(struct.unpack(f"!{len(data) // 2}H", data))
	while total >> 16:
		total = (total & 0xFFFF) + (total >> 16)
	return total


def finish(message):
	"""What a receiver has to do: the checksum that the virtio-net header leaves to it."""
	flags, _, _, _, start, offset = struct.unpack("=BBHHHH", message[:10])
	frame = bytearray(message[10:])
	if flags & 1:
		value = ~checksum(bytes(frame[start:])) & 0xFFFF
		frame[start + offset:start + offset + 2] = struct.pack("!H", value or 0xFFFF)
	return bytes(frame)


def test_partial_checksum_with_tag(space, site):
	"""A sender's unfinished checksum in a tagged frame, whose tag the kernel takes out."""
	site.plug()
	site.plug("cable", "web", WEB)
	whole = bytes(Ether(src="02:aa:00:00:00:01", dst=BROADCAST) / Dot1Q(vlan=101) /
		IP(src="10.0.0.7", dst="10.0.0.8") / UDP(sport=1, dport=2) / Raw(b"PARTIAL" + bytes(range(93))))
	at = 18 + 20 + 6
	address = whole[18 + 12:18 + 20] + struct.pack("!HH", 17, len(whole) - 38)
	partial = whole[:at] + struct.pack("!H", checksum(address)) + whole[at + 2:]
	header = struct.pack("=BBHHHH", 1, 0, 0, 0, 38, 6)
	with running(space, "cable@host", "wire@host"):
		with site.far.packets("wire", vnet_header=True) as far, \
				site.web.packets("cable", vnet_header=True) as web:
			far.send(header + partial)
			message, = web.receive(1, count=1, match=lambda frame: b"PARTIAL" in frame)
	# the socket's header speaks of the frame without the tag
	untagged = message[:22] + message[26:]
	assert message[22:26] == bytes.fromhex("81000065")
	assert finish(untagged) == whole[:12] + whole[16:]


def test_partial_checksum_of_a_container(space, site):
	"""What a packet socket at the other end of the veth sees of a container's datagram."""
	site.plug()
	with running(space, site.tap, "wire@host"):
		site.web.reaches(FAR)
		with site.far.packets("wire", vnet_header=True) as far, \
				site.web.socket(socket.AF_INET, socket.SOCK_DGRAM) as web:
			web.sendto(b"CONTAINER" * 10, (FAR, 9))
			message, = far.receive(1, count=1, match=lambda frame: b"CONTAINER" in frame)
	frame = finish(message)
	again = Ether(frame)
	del again[UDP].chksum
	assert bytes(again) == frame
	assert struct.unpack("=BBHHHH", message[:10])[0] & 1, "the kernel need not sum what stays here"


@pytest.mark.parametrize("web", ["tap", "veth"])
def test_jumbo_frames(space, site, web):
	site.plug(mtu=9000)
	if web == "veth":
		site.plug("cable", "web", WEB, mtu=9000)
	nics = (site.tap if web == "tap" else "cable@host", "wire@host")
	with running(space, *nics, options=["-m", "9000"]) as switch:
		site.web.reaches(FAR)
		for size in (1972, 2006, 2010, 8972):
			assert site.web.ping(FAR, options=["-s", size, "-M", "do"]) == 3
		with site.far.iperf3_server():
			assert mbits(site.web.iperf3(FAR, seconds=1)) > ENOUGH_MBITS
		assert switch.status == {0: "up", 1: "up"}


def test_smaller_mtu_than_asked_for(space, site):
	site.plug(mtu=1500)
	with running(space, site.tap, "wire@host", options=["-m", "9000"]) as switch:
		switch.wait_status(1, "MTU of 1500", "9000", "ip link set wire mtu 9000")
		assert site.host.links()["wire"]["mtu"] == 1500, "it belongs to others"
		site.web.reaches(FAR)
		# longer than the interface takes: a counted drop
		assert site.web.ping(FAR, count=2, timeout=0.3, options=["-s", "4000", "-M", "do"]) == 0
		assert switch.drops(1).get("too-long", 0) >= 2
		for namespace in (site.host, site.far):
			namespace.run("ip", "link", "set", "wire", "mtu", 9000)
		switch.wait_status(1, "up")
		assert site.web.ping(FAR, options=["-s", "4000", "-M", "do"]) == 3


@pytest.mark.sanitize
def test_not_there_yet(space, site):
	with running(space, site.tap, "wire@host", f"wire@{space.name('later')}") as switch:
		switch.wait_status(1, "there is no interface wire")
		switch.wait_status(2, "there is no network namespace", space.name("later"))
		site.plug()
		switch.wait_status(1, "up")
		site.web.reaches(FAR)
		later = space.namespace("later")
		switch.wait_status(2, "there is no interface wire of network namespace", later.name)
		site.host.run("ip", "link", "add", "spare", "type", "veth", "peer", "name", "wire", "netns", later)
		switch.wait_status(2, "is down", "ip link set wire up")
		assert "UP" not in later.links()["wire"]["flags"]


@pytest.mark.sanitize
def test_down_and_up(space, site):
	site.plug()
	with running(space, site.tap, "wire@host") as switch:
		site.web.reaches(FAR)
		for _ in range(2):
			site.host.run("ip", "link", "set", "wire", "down")
			switch.wait_status(1, "interface wire is down", "ip link set wire up")
			before = switch.drops(1).get("nic-down", 0)
			assert site.web.ping(FAR, count=2, timeout=0.2) == 0
			assert switch.drops(1).get("nic-down", 0) >= before + 2
			assert "UP" not in site.host.links()["wire"]["flags"], "it belongs to others"
			site.host.run("ip", "link", "set", "wire", "up")
			switch.wait_status(1, "up")
			assert site.web.ping(FAR, count=3) == 3
		site.far.run("ip", "link", "set", "wire", "down")
		switch.wait_status(1, "no carrier")
		site.far.run("ip", "link", "set", "wire", "up")
		switch.wait_status(1, "up")
		site.web.reaches(FAR)


def test_down_from_the_start(space, site):
	site.plug()
	site.host.run("ip", "link", "set", "wire", "down")
	with running(space, site.tap, "wire@host", options=["-w", "2"]) as switch:
		switch.wait_status(1, "interface wire is down")
		site.host.run("ip", "link", "set", "wire", "up")
		switch.wait_status(1, "up")
		site.web.reaches(FAR)
		assert site.web.ping(FAR, count=20) == 20


@pytest.mark.sanitize
def test_deleted_and_made_again(space, site):
	site.plug()
	with running(space, site.tap, "wire@host") as switch:
		site.web.reaches(FAR)
		for _ in range(2):
			site.host.run("ip", "link", "del", "wire")
			switch.wait_status(1, "no interface wire")
			site.plug()
			switch.wait_status(1, "up")
			site.web.reaches(FAR)
		# gone and back between two looks
		site.host.run("ip", "link", "del", "wire")
		site.plug()
		site.web.reaches(FAR)


@pytest.mark.sanitize
def test_namespace_deleted_and_made_again(space, site):
	for turn in range(3):
		box = space.namespace("box")
		site.plug(host="box")
		if turn == 0:
			context = running(space, site.tap, f"wire@{box}")
			switch = context.__enter__()
		switch.wait_status(1, "up")
		site.web.reaches(FAR)
		space.namespaces.pop("box").delete()
		switch.wait_status(1, "no network namespace", box.name)
		harness.wait_until(lambda: "wire" not in site.far.links(), 5, "nobody holds the namespace")
	context.__exit__(None, None, None)


@pytest.mark.sanitize
def test_lying_offload_headers(space, site):
	"""Those that the sender's own kernel lets pass: a checksum far inside the payload."""
	site.plug(mtu=9000)
	frame = bytes(Ether(src="02:aa:00:00:00:01", dst=BROADCAST) / IP(dst=WEB) / TCP() /
		Raw(bytes(4000)))
	with running(space, site.tap, "wire@host") as switch:
		site.web.reaches(FAR)
		with site.far.packets("wire", vnet_header=True) as far:
			for kind in (0, 1, 3, 4, 5, 0x81):
				for start in (0, 14, 34, 54, 300, 2040, 0xFFFF):
					for offset in (0, 6, 16, 100, 900):
						with contextlib.suppress(OSError):
							far.send(struct.pack("=BBHHHH", 1, kind, 54, 1448, start, offset) + frame)
			assert site.web.ping(FAR) == 3  # all of them have been read
			before = switch.drops(1).get("bad-offload", 0)
			for start in (2048, 3000, 3500):
				far.send(struct.pack("=BBHHHH", 1, 0, 0, 0, start, 16) + frame)
		harness.wait_until(lambda: switch.drops(1).get("bad-offload", 0) == before + 3, 5,
			"the lies are counted")
		assert site.web.ping(FAR) == 3


def test_overrun_is_counted(space, site):
	"""Frames that come while nobody reads: those that found no slot are told."""
	site.plug()
	count = RING_SLOTS + 1000
	with running(space, site.tap, "wire@host") as switch:
		site.web.reaches(FAR)
		with site.web.packets("e0") as web, site.far.packets("wire") as far:
			switch.process.send_signal(signal.SIGSTOP)
			harness.wait_until(lambda: harness.is_stopped(switch.process.pid), 5, "it stands still")
			for number in range(count):
				far.send(harness.marked(f"OVER{number:06}"))
			switch.process.send_signal(signal.SIGCONT)
			arrived = web.receive(1, match=harness.is_marked("OVER"))
			far.send(harness.marked("AFTER"))
			assert web.receive(1, count=1, match=harness.is_marked("AFTER"))
		# the tap's namespace may be the slow one: what counts is that nothing is missing
		lost = switch.drops(1)["receive-full"]
		elsewhere = sum(switch.drops(0).values()) + tap_drops(site)
		assert len(arrived) + lost + elsewhere >= count
		assert count - RING_SLOTS <= lost <= count - RING_SLOTS + 20
		numbers = [int(frame[18:24]) for frame in arrived]
		assert numbers == sorted(set(numbers))


def tap_drops(site):
	link, = json.loads(site.web.run("ip", "-s", "-j", "link", "show", "e0").stdout)
	return link["stats64"]["rx"]["dropped"]


def test_promiscuous_only_while_running(space, site):
	site.plug()

	def promiscuity():
		return site.host.links()["wire"]["promiscuity"]
	assert promiscuity() == 0
	with running(space, site.tap, "wire@host"):
		harness.wait_until(lambda: promiscuity() == 1, 2, "it is promiscuous")
	assert promiscuity() == 0


def processor_seconds(pid):
	return sum(int(task.read_text().split()[0])
		for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def test_idle_costs_nothing(space, site):
	site.plug()
	with running(space, site.tap, "wire@host") as switch:
		site.web.reaches(FAR)
		time.sleep(2)  # neighbour discovery
		before = processor_seconds(switch.process.pid)
		time.sleep(3)
		assert processor_seconds(switch.process.pid) - before < 0.03
		assert site.web.ping(FAR, count=10, interval=0.1) == 10
