# SPDX-License-Identifier: BSD-3-Clause
"""weft beside Open vSwitch: a trunk between them, containers on both sides."""
import contextlib

import pytest

import harness
import openvswitch

WEB, DB = "10.0.0.10", "10.0.0.11"
VLANS = {"red": 101, "blue": 102}


@pytest.fixture
def joined(space, weftd):
	"""Each tenant has `web` on weft and `db` on Open vSwitch; one wire between the two."""
	host, far = space.namespace("host"), space.namespace("far")
	host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far)
	# Open vSwitch reads raw frames: a sender's kernel has to finish checksums and cut super-packets
	host.run("ethtool", "-K", "wire", "tx", "off", "tso", "off", "gso", "off")
	host.run("ip", "link", "set", "wire", "up")
	far.run("ip", "link", "set", "wire", "up")
	config = {"networks": {}, "uplinks": {"wire": {"attach": {"interface": "wire"}}}}
	with contextlib.closing(openvswitch.OpenVSwitch(space.folder / "ovs", far)) as switch:
		switch.add_bridge("br0")
		switch.vsctl("add-port", "br0", "wire", "trunks=101,102")
		for name, vlan in VLANS.items():
			db = space.namespace(f"{name}-db")
			far.run("ip", "link", "add", name, "type", "veth", "peer", "name", "db", "netns", db)
			far.run("ip", "link", "set", name, "up")
			switch.vsctl("add-port", "br0", name, f"tag={vlan}")
			db.run("ip", "addr", "add", f"{DB}/24", "dev", "db")
			db.run("ip", "link", "set", "db", "up")
			db.run("ethtool", "-K", "db", "tx", "off", "tso", "off", "gso", "off")
			tenant = harness.tenant(space, name)
			del tenant["nics"]["db"]
			tenant["switches"]["lan"]["ports"] = {"up": {"uplink": "wire", "uplink-vlan": vlan}}
			config["networks"][name] = tenant
		weftd.apply(config)
		yield weftd


def test_each_vlan_reaches_its_own(space, joined):
	for name in VLANS:
		web, db = space.namespace(f"{name}-web"), space.namespace(f"{name}-db")
		web.reaches(DB)
		assert web.ping(DB) == 3
		# the other side knows web by the MAC that weft gave it
		assert "02:00:00:00:00:10" in db.run("ip", "neigh", "show", WEB).stdout
		with db.iperf3_server():
			assert web.iperf3(DB, seconds=1)["end"]["sum_received"]["bits_per_second"] > 10e6
			reverse = web.iperf3(DB, seconds=1, options=["-R"])
			assert reverse["end"]["sum_received"]["bits_per_second"] > 10e6


def test_no_vlan_reaches_another(space, joined):
	ears = {name: space.namespace(f"{name}-db").packets("db") for name in VLANS}
	for name in VLANS:
		with space.namespace(f"{name}-web").packets("web") as web:
			web.send(*[harness.marked(f"OF-{name}")] * 50)
	for name, ear in ears.items():
		frames = ear.receive(0.5)
		ear.close()
		for other in VLANS:
			count = sum(map(harness.is_marked(f"OF-{other}"), frames))
			assert count == (50 if other == name else 0), (name, other, count)
