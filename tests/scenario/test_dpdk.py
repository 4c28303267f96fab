# SPDX-License-Identifier: BSD-3-Clause
"""DPDK devices as vnics and uplinks: added and removed while it runs, by their arguments."""
import contextlib
import os
import time
from pathlib import Path

from scapy.all import Ether, Raw, rdpcap, wrpcap

import harness

WEB, DB = "10.0.0.10", "10.0.0.11"


def af_xdp_config(space, vlan=None):
	config = harness.tenants(space, "red", "blue")
	attach = {"dpdk": "net_af_xdp_far,iface=inside"}
	if vlan is None:
		config["networks"]["red"]["nics"]["far"] = {"switch": "lan", "attach": attach}
	else:
		config["uplinks"] = {"wire": {"attach": attach}}
		config["networks"]["red"]["switches"]["lan"]["ports"] = {
			"up": {"uplink": "wire", "uplink-vlan": vlan}}
	return config


def start_weftd(space, config=None, name="weftd"):
	"""A leak of DPDK's is known by its stack (tests/lsan.supp), which libxdp has no frames for."""
	options = os.environ.get("ASAN_OPTIONS", "") + ":fast_unwind_on_malloc=0"
	return space.start_weftd(config, name, env={"ASAN_OPTIONS": options})


def veth(space):
	host, far = space.namespace("host"), space.namespace("far")
	host.run("ip", "link", "add", "inside", "type", "veth", "peer", "name", "far", "netns", far)
	host.run("ip", "link", "set", "inside", "up")
	far.run("ip", "addr", "add", "10.0.0.99/24", "dev", "far")
	far.run("ip", "link", "set", "far", "up")
	# who reads raw frames can finish no checksum
	far.run("ethtool", "-K", "far", "tx", "off", "tso", "off", "gso", "off")
	return host, far


def is_up(weftd):
	return weftd.show("nics", "red/far")["status"] == "up"


def test_af_xdp(space):
	"""A container behind a veth that AF_XDP reads; the device comes and goes, others go on."""
	host, far = veth(space)
	weftd = start_weftd(space, harness.tenants(space, "red", "blue"))
	web, db = space.namespace("blue-web"), space.namespace("blue-db")
	web.reaches(DB)
	with harness.NumberedStream(web, db, DB) as stream:
		for _ in range(2):
			weftd.apply(af_xdp_config(space))
			# the kernel lets go of a queue only after a while: then it is tried again
			harness.wait_until(lambda: is_up(weftd), 10, "the device is up")
			space.namespace("red-web").reaches("10.0.0.99")
			assert far.ping(DB) == 3
			with far.iperf3_server():
				report = space.namespace("red-web").iperf3("10.0.0.99", seconds=1)
			assert report["end"]["sum_received"]["bits_per_second"] > 10e6
			weftd.apply(harness.tenants(space, "red", "blue"))
			assert far.ping(DB, count=1) == 0
	assert stream.lost == []


def bpf_files(weftd):
	links = []
	for file in Path(f"/proc/{weftd.pid}/fd").iterdir():
		with contextlib.suppress(OSError):
			links.append(os.readlink(file))
	return [link for link in links if "bpf" in link]


def test_af_xdp_leaves_nothing(space):
	"""Neither files nor packet memory (a device's buffers take 20 MB) nor a promiscuous veth."""
	host, far = veth(space)
	without, between = harness.tenants(space, "red", "blue"), af_xdp_config(space)
	for config in without, between:
		config["system"] = {"memory": "128M"}
	weftd = start_weftd(space, without)
	for _ in range(8):
		weftd.apply(between)
		harness.wait_until(lambda: is_up(weftd), 10, "the device is up")
		assert "PROMISC" in host.run("ip", "link", "show", "inside").stdout
		assert bpf_files(weftd)
		space.namespace("red-web").reaches("10.0.0.99")
		weftd.apply(without)
		assert bpf_files(weftd) == []
		assert "PROMISC" not in host.run("ip", "link", "show", "inside").stdout
	host.run("ip", "link", "set", "inside", "promisc", "on")
	weftd.apply(between)
	harness.wait_until(lambda: is_up(weftd), 10, "the device is up")
	weftd.apply(without)
	assert "PROMISC" in host.run("ip", "link", "show", "inside").stdout


def test_af_xdp_waits_for_its_queue(space):
	"""Another process has the interface's queue: tried again and again, until it lets go."""
	host, far = veth(space)
	weftd = start_weftd(space, af_xdp_config(space))
	harness.wait_until(lambda: is_up(weftd), 10, "the device is up")
	config = harness.tenants(space, "green")
	config["system"] = {"memory": "64M"}
	second = start_weftd(space, config, "second")
	config["networks"]["green"]["nics"]["far"] = {"switch": "lan",
		"attach": {"dpdk": "net_af_xdp_other,iface=inside"}}
	second.apply(config)
	nic = lambda: second.show("nics", "green/far")["status"]
	for _ in range(5):
		assert nic() == "degraded"
		time.sleep(1)
	weftd.apply(harness.tenants(space, "red", "blue"))
	harness.wait_until(lambda: nic() == "up", 10, "the device is up")
	space.namespace("green-web").reaches("10.0.0.99")


def test_wrong_device_is_refused(space, weftd):
	config = harness.tenants(space, "red")
	weftd.apply(config)
	space.namespace("red-web").reaches(DB)
	history = weftd.show("history")
	config["networks"]["red"]["nics"]["far"] = {"switch": "lan",
		"attach": {"dpdk": "net_pcap_far,rx_pcap=/nowhere/at.all"}}
	with contextlib.suppress(harness.ApiError):
		weftd.apply(config)
		assert weftd.show("nics", "red/far")["status"] == "degraded"
		return
	assert weftd.show("history") == history
	assert space.namespace("red-web").ping(DB) == 3


def test_pcap_in_and_out(space, weftd):
	"""Frames of a file come out at a tap, and what the tap's user sends lands in a file."""
	given, taken = space.folder / "in.pcap", space.folder / "out.pcap"
	frames = [Ether(src="02:aa:00:00:00:07", dst="ff:ff:ff:ff:ff:ff", type=0x88B5)
		/ Raw(f"FROM-FILE-{number:03}".encode().ljust(50, b".")) for number in range(20)]
	wrpcap(str(given), frames)
	config = harness.tenants(space, "red")
	weftd.apply(config)
	web = space.namespace("red-web")
	web.reaches(DB)
	with web.packets("web") as ear:
		config["networks"]["red"]["nics"]["file"] = {"switch": "lan",
			"attach": {"dpdk": f"net_pcap_file,rx_pcap={given},tx_pcap={taken}"}}
		weftd.apply(config)
		heard = ear.receive(3, count=20, match=harness.is_marked("FROM-FILE-"))
		assert len(heard) == 20
		ear.send(*[harness.marked("TO-FILE")] * 10)
		harness.wait_until(lambda: weftd.show("nics", "red/file")["in-packets"] >= 10, 5,
			"the frames were written")
	del config["networks"]["red"]["nics"]["file"]
	weftd.apply(config)  # closes the file
	assert sum(harness.is_marked("TO-FILE")(bytes(packet)) for packet in rdpcap(str(taken))) == 10
