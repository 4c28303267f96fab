# SPDX-License-Identifier: BSD-3-Clause
"""Malformed frames on every vnic driver: counted drops, no crash, nothing read out of bounds
(`make test` runs this with the sanitizer build as well)."""
import random
import struct

import pytest
from scapy.all import IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw, wrpcap

import harness

pytestmark = pytest.mark.sanitize

DB = "10.0.0.11"
SOURCE, NEIGHBOUR, BROADCAST = "02:aa:00:00:00:01", "02:00:00:00:00:11", "ff:ff:ff:ff:ff:ff"
MAX_FRAME = 1514


def ether(to=BROADCAST, kind=0x0800, payload=b""):
	return (bytes.fromhex(to.replace(":", "") + SOURCE.replace(":", "")) + struct.pack("!H", kind)
		+ payload)


def truncated(frame):
	"""The frame cut off at every length from its Ethernet header on."""
	return [frame[:length] for length in range(14, min(len(frame), 120))]


def lying_frames():
	for to in (BROADCAST, NEIGHBOUR):
		# VLAN stacks: cut off, endless, nested in one another
		for tag in (0x8100, 0x88A8, 0x9100):
			yield from (ether(to, tag, bytes(cut)) for cut in range(0, 5))
			yield ether(to, tag, struct.pack("!HH", 5, tag) * 30)
			yield ether(to, tag, struct.pack("!HH", 0xFFFF, tag) * 9 + b"\x00")
		tcp4 = bytes(Ether(src=SOURCE, dst=to) / IP(dst=DB) / TCP(options=[("MSS", 1460)]) / Raw(b"x" * 60))
		tcp6 = bytes(Ether(src=SOURCE, dst=to) / IPv6(dst="fe80::1") / TCP() / Raw(b"x" * 60))
		udp = bytes(Ether(src=SOURCE, dst=to) / Dot1Q(vlan=5) / IP(dst=DB) / UDP() / Raw(b"x" * 60))
		for frame in (tcp4, tcp6, udp):
			yield from truncated(frame)
		# IPv4: version, header length and total length that lie; fragments
		for first in (0x00, 0x40, 0x41, 0x44, 0x4F, 0x55, 0xFF):
			yield tcp4[:14] + bytes([first]) + tcp4[15:]
		for length in (0, 1, 19, 20, 21, 40, 0x7FFF, 0xFFFF):
			yield tcp4[:16] + struct.pack("!H", length) + tcp4[18:]
			yield udp[:20] + struct.pack("!H", length) + udp[22:]
			yield udp[:42] + struct.pack("!H", length) + udp[44:]  # UDP's own length
			yield tcp6[:18] + struct.pack("!H", length) + tcp6[20:]
		for fragment in (0x2000, 0x1FFF, 0x3FFF, 0xFFFF):
			yield tcp4[:20] + struct.pack("!H", fragment) + tcp4[22:]
		for offset in range(16):  # TCP data offset
			yield tcp4[:46] + bytes([offset << 4]) + tcp4[47:]
		# IPv6 extension headers: endless chains, lengths past the end
		for header in (0, 43, 44, 51, 60, 135):
			chain = bytes([header, 0]) + bytes(6)
			yield tcp6[:20] + bytes([header]) + tcp6[21:54] + chain * 40
			yield tcp6[:20] + bytes([header]) + tcp6[21:54] + bytes([header, 255]) + bytes(30)
		for kind in (0x0000, 0x0005, 0x05DC, 0x05FF, 0x0600, 0x0806, 0x86DD, 0xFFFF):
			yield ether(to, kind)
			yield ether(to, kind, b"\xff" * 46)
	# MACs that no sender has
	for source in ("00" * 6, "ff" * 6, "01005e000001"):
		yield bytes.fromhex("ff" * 6 + source) + b"\x08\x00" + bytes(46)


def mutated_frames(count, seed=1):
	rng = random.Random(seed)
	base = [bytes(frame) for frame in (
		Ether(src=SOURCE, dst=BROADCAST) / IP(dst=DB) / UDP() / Raw(b"x" * 100),
		Ether(src=SOURCE, dst=NEIGHBOUR) / Dot1Q(vlan=3) / IP(dst=DB) / TCP() / Raw(b"x" * 900),
		Ether(src=SOURCE, dst=NEIGHBOUR) / IPv6(dst="fe80::1") / UDP() / Raw(b"x" * 10))]
	for _ in range(count):
		frame = bytearray(rng.choice(base))
		for _ in range(rng.randint(1, 6)):
			frame[rng.randrange(12, min(len(frame), 80))] = rng.randrange(256)
		yield bytes(frame[:rng.randint(14, len(frame))])


def offload_headers():
	"""struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset."""
	lengths = (0, 1, 13, 14, 34, 54, 66, 200, 1500, 0xFFFF)
	for flags in (0, 1, 2, 3, 0xFF):
		for gso in (0, 1, 3, 4, 5, 0x81, 0x84, 0xFF):
			for size in (0, 1, 8, 536, 1448, 0xFFFF):
				yield struct.pack("=BBHHHH", flags, gso, 54, size, 34, 16)
	for start in lengths:
		for offset in (0, 6, 16, 100, 0xFFFF):
			yield struct.pack("=BBHHHH", 1, 0, 0, 0, start, offset)
			yield struct.pack("=BBHHHH", 1, 1, start, 1448, start, offset)


def offload_frames():
	tcp = bytes(Ether(src=SOURCE, dst=NEIGHBOUR) / IP(dst=DB) / TCP() / Raw(b"x" * 4000))
	udp = bytes(Ether(src=SOURCE, dst=NEIGHBOUR) / IP(dst=DB) / UDP() / Raw(b"x" * 4000))
	tcp6 = bytes(Ether(src=SOURCE, dst=NEIGHBOUR) / IPv6(dst="fe80::1") / TCP() / Raw(b"x" * 4000))
	broadcast = ether(BROADCAST, 0x88B5, b"x" * 3000)
	for header in offload_headers():
		for frame in (tcp, udp, tcp6, broadcast, tcp[:60], tcp[:14]):
			yield header + frame


def send_all(socket, frames):
	"""Sends what the kernel lets through; returns how many. It refuses some by itself."""
	sent = 0
	for frame in frames:
		try:
			socket.send(frame)
			sent += 1
		except OSError:
			pass
	return sent


def check_well(space, weftd, stream):
	assert weftd.alive(), weftd.log
	assert stream.lost == []
	assert space.namespace("blue-web").ping(DB) == 3
	drops = {drop["reason"]: drop["count"] for drop in weftd.show("drops", network="red")}
	assert sum(drops.values()) > 0, drops
	return drops


@pytest.fixture
def running(space, weftd):
	config = harness.tenants(space, "red", "blue")
	config["networks"]["red"]["nics"]["evil"] = {"switch": "lan",
		"attach": {"netns": str(space.namespace("evil"))}}
	weftd.apply(config)
	for name in ("red", "blue"):
		space.namespace(f"{name}-web").reaches(DB)
	return weftd


def blue_stream(space):
	return harness.NumberedStream(space.namespace("blue-web"), space.namespace("blue-db"), DB,
		rate=300)


def test_tap(space, running):
	with blue_stream(space) as stream, space.namespace("evil").packets("evil") as evil:
		assert send_all(evil, lying_frames()) > 300
		assert send_all(evil, mutated_frames(2000)) > 1500
	drops = check_well(space, running, stream)
	assert drops.get("bad-vlan-tag") and drops.get("bad-source-mac"), drops
	assert space.namespace("red-web").ping(DB) == 3


def test_tap_offload_headers(space, running):
	evil_space = space.namespace("evil")
	with blue_stream(space) as stream, evil_space.packets("evil", vnet_header=True) as evil:
		assert send_all(evil, offload_frames()) > 100
	assert running.alive(), running.log
	assert stream.lost == []
	assert space.namespace("red-web").ping(DB) == 3


@pytest.fixture
def wire(space):
	"""A veth pair: `inside` where weft runs, `outside` in a namespace of its own."""
	host, outside = space.namespace("host"), space.namespace("outside")
	host.run("ip", "link", "add", "inside", "type", "veth", "peer", "name", "outside", "netns",
		outside)
	host.run("ip", "link", "set", "inside", "up")
	outside.run("ip", "link", "set", "outside", "up")
	return outside


@pytest.mark.parametrize("vlan", [None, 101], ids=["nic", "uplink"])
def test_interface(space, weftd, wire, vlan):
	config = harness.tenants(space, "red", "blue")
	if vlan:
		config["uplinks"] = {"wire": {"attach": {"interface": "inside"}}}
		config["networks"]["red"]["switches"]["lan"]["ports"] = {
			"up": {"uplink": "wire", "uplink-vlan": vlan}}
	else:
		config["networks"]["red"]["nics"]["evil"] = {"switch": "lan",
			"attach": {"interface": "inside"}}
	weftd.apply(config)
	for name in ("red", "blue"):
		space.namespace(f"{name}-web").reaches(DB)
	with blue_stream(space) as stream:
		with wire.packets("outside") as evil:
			assert send_all(evil, lying_frames()) > 300
			assert send_all(evil, mutated_frames(1000)) > 700
			tag = struct.pack("!HH", 0x8100, vlan or 1)
			assert send_all(evil, (frame[:12] + tag + frame[12:] for frame in mutated_frames(1000, 2)
				if len(frame) < MAX_FRAME - 4)) > 700
		with wire.packets("outside", vnet_header=True) as evil:
			assert send_all(evil, offload_frames()) > 100
	if vlan:
		assert weftd.alive(), weftd.log
		assert stream.lost == []
		assert weftd.show("uplinks", "wire")["unknown-vlan"] > 0
	else:
		check_well(space, weftd, stream)
	assert space.namespace("red-web").ping(DB) == 3


def test_dpdk(space, weftd):
	"""net_pcap reads what no kernel would pass on: frames below 14 bytes, and none at all."""
	file = space.folder / "evil.pcap"
	frames = [*lying_frames(), *mutated_frames(1000), *(bytes(n) for n in range(1, 14))]
	wrpcap(str(file), [Raw(frame) for frame in frames], linktype=1)
	config = harness.tenants(space, "red", "blue")
	weftd.apply(config)
	for name in ("red", "blue"):
		space.namespace(f"{name}-web").reaches(DB)
	with blue_stream(space) as stream:
		config["networks"]["red"]["nics"]["evil"] = {"switch": "lan", "attach": {
			"dpdk": f"net_pcap_evil,rx_pcap={file},tx_pcap={space.folder}/out.pcap"}}
		weftd.apply(config)
		harness.wait_until(lambda: weftd.show("nics", "red/evil")["out-packets"] +
			sum(drop["count"] for drop in weftd.show("drops", network="red")) >= len(frames) // 2, 10,
			"the file has been read")
	check_well(space, weftd, stream)
	assert space.namespace("red-web").ping(DB) == 3
