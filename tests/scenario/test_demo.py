# SPDX-License-Identifier: BSD-3-Clause
"""Two tenants with the same addresses: traffic inside each, and none across."""
import os
import re
import threading

import pytest
from scapy.all import (ARP, BOOTP, DHCP, ICMP, IP, LLC, STP, TCP, UDP, Dot1AD, Dot1Q, Dot3, Ether,
	ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, Raw)

import harness

WEB, DB = "10.0.0.10", "10.0.0.11"


@pytest.fixture
def two(space, weftd):
	weftd.apply(harness.tenants(space, "red", "blue"))
	for name in ("red", "blue"):
		space.namespace(f"{name}-web").reaches(DB)
	return weftd


@pytest.mark.sanitize
def test_each_tenant_has_its_own_traffic(space, two):
	for name in ("red", "blue"):
		web, db = space.namespace(f"{name}-web"), space.namespace(f"{name}-db")
		assert web.ping(DB) == 3
		assert db.ping(WEB) == 3
		with db.iperf3_server():
			report = web.iperf3(DB, seconds=1)
			assert report["end"]["sum_received"]["bits_per_second"] > 10e6
			report = web.iperf3(DB, seconds=1, options=["-u", "-b", "20M"])
			assert report["end"]["sum"]["packets"] > 100


def test_tcp_carries_bytes_unbroken(space, two):
	"""Partial checksums and super-packets arrive right: the bytes are compared."""
	web, db = space.namespace("red-web"), space.namespace("red-db")
	sent, received = os.urandom(8 << 20), bytearray()
	listener = db.socket()
	listener.bind((DB, 9000))
	listener.listen()
	def take():
		connection, _ = listener.accept()
		while data := connection.recv(1 << 18):
			received.extend(data)
	thread = threading.Thread(target=take, daemon=True)
	thread.start()
	sender = web.socket()
	sender.connect((DB, 9000))
	sender.sendall(sent)
	sender.close()
	thread.join(30)
	listener.close()
	assert bytes(received) == sent


def every_kind_of_frame(mark):
	"""Frames that a tenant could send to get out: all marked."""
	note = Raw(mark.encode().ljust(40, b"."))
	own, broadcast = "02:aa:00:00:00:01", "ff:ff:ff:ff:ff:ff"
	neighbour, absent = "02:00:00:00:00:11", "02:00:00:00:77:77"
	def ether(to, source=own, **fields):
		return Ether(src=source, dst=to, **fields)
	frames = [
		ether(broadcast) / ARP(op=1, hwsrc=own, psrc=WEB, pdst=DB) / note,
		ether(broadcast) / ARP(op=2, hwsrc=own, psrc=DB, pdst=DB, hwdst=broadcast) / note,
		ether(broadcast) / IP(src=WEB, dst="255.255.255.255") / UDP(sport=68, dport=67)
			/ BOOTP(op=1) / DHCP(options=[("message-type", "discover"), "end"]) / note,
		ether(broadcast) / IP(src=WEB, dst="10.0.0.255") / ICMP() / note,
		ether(neighbour) / IP(src=WEB, dst=DB) / UDP(sport=1, dport=2) / note,
		ether(neighbour) / IP(src=WEB, dst=DB) / TCP(dport=80, flags="S") / note,
		ether(absent) / IP(src=WEB, dst="10.0.0.77") / UDP() / note,
		ether("01:00:5e:00:00:fb") / IP(src=WEB, dst="224.0.0.251") / UDP(dport=5353) / note,
		ether("33:33:ff:00:00:01") / IPv6(dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt="fe80::1") / note,
		ether("33:33:00:00:00:01") / IPv6(dst="ff02::1") / ICMPv6EchoRequest() / note,
		Dot3(src=own, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP() / note,
		ether("01:80:c2:00:00:0e", type=0x88CC) / note,
		ether(broadcast, type=0x9000) / note,
		# the neighbour's own MAC as source: it must not draw the other tenant's traffic here
		ether(broadcast, source=neighbour) / IP(src=DB, dst="10.0.0.255") / UDP() / note,
	]
	for vlan in (0, 1, 2, 101, 4094, 4095):
		frames.append(ether(broadcast) / Dot1Q(vlan=vlan) / IP(src=WEB, dst=DB) / UDP() / note)
		frames.append(ether(broadcast) / Dot1AD(vlan=vlan) / Dot1Q(vlan=7) / IP(dst=DB) / note)
	return [bytes(frame) for frame in frames]


@pytest.mark.sanitize
def test_nothing_crosses(space, two):
	"""Both tenants flood with every kind of frame at once; every vnic is looked at."""
	words = [f"{tenant}-{nic}" for tenant in ("red", "blue") for nic in ("web", "db")]
	ears = {word: space.namespace(word).packets(word.split("-")[1]) for word in words}
	marks = {"red": "MARK-OF-RED", "blue": "MARK-OF-BLUE"}
	for _ in range(20):
		for tenant, mark in marks.items():
			ears[f"{tenant}-web"].send(*every_kind_of_frame(mark))
	heard = {word: ear.receive(1) for word, ear in ears.items()}
	for word, frames in heard.items():
		own = word.split("-")[0]
		for tenant, mark in marks.items():
			count = sum(map(harness.is_marked(mark), frames))
			if tenant != own:
				assert count == 0, f"{word} got {count} frames of {tenant}"
			elif word.endswith("db"):
				assert count >= 20, f"{word} got {count} frames of its own tenant"
	for ear in ears.values():
		ear.close()
	# what was learned of one tenant's frames is not in the other's tables
	for tenant in marks:
		ports = {entry["port"] for entry in two.show("macs", network=tenant)}
		assert all(port.startswith(f"{tenant}/") for port in ports)
	# web took the neighbour's MAC and answered for its address above: when the kernels ask anew,
	# and the neighbour speaks, all is as before
	for word in words:
		space.namespace(word).run("ip", "neigh", "flush", "all")
	for tenant in marks:
		space.namespace(f"{tenant}-db").ping(WEB, count=1)
		assert space.namespace(f"{tenant}-web").ping(DB) == 3


def test_demo_file_loads(space, weftd):
	"""examples/demo.yaml, in namespaces of the test's own, made and removed by weft."""
	text = (harness.ROOT / "examples/demo.yaml").read_text()
	assert re.search(r"netns: red-web", text) and re.search(r"netns: blue-db", text)
	weftd.apply(re.sub(r"netns: ((red|blue)-\w+)", lambda found:
		f"netns: {space.name(found.group(1))}", text), file="demo.yaml")
	for name in ("red", "blue"):
		web = harness.Namespace(space.name(f"{name}-web"), create=False)
		web.reaches(DB)
	weftd.apply("networks: {}")
	assert not [name for name in space.existing() if not name.endswith("-host")]


def test_demo_script():
	"""`make demo` as people run it, in a sandbox for its names are fixed."""
	done = harness.run(harness.ROOT / "tests/sandbox", harness.ROOT / "examples/demo.sh",
		timeout=100, check=False, env={**os.environ, "BUILD": str(harness.BUILD), "NO_COLOR": "1"})
	assert done.returncode == 0, done.stdout + done.stderr
