# SPDX-License-Identifier: BSD-3-Clause
"""One wire, many tenants: two daemons share an uplink by VLAN tag, and nothing crosses."""
import struct

import pytest

import harness

WEB, DB = "10.0.0.10", "10.0.0.11"
VLANS = {"red": 101, "blue": 102}
MARKS = {"red": "MARK-OF-RED", "blue": "MARK-OF-BLUE"}


def plug(space, mtu=1500):
	"""Two hosts joined by a veth named wire at either end; it has room for a second tag."""
	left, right = space.namespace("left"), space.namespace("right")
	left.run("ip", "link", "add", "wire", "mtu", mtu + 4, "type", "veth",
		"peer", "name", "wire", "mtu", mtu + 4, "netns", right)
	for host in (left, right):
		# without a link-local address the host itself says nothing on the wire
		host.run("ip", "link", "set", "wire", "addrgenmode", "none", "up")
	return left, right


def half(space, nic, last, mtu=1500):
	"""What one host runs: per tenant a switch with the uplink, a nic on it, and one in VLAN 20 of
	that switch. Tenants differ in nothing but namespaces and the VLAN of the uplink; the network
	`alone` has the same once more, and no uplink."""
	def network(name):
		def on(word, vlan, address):
			return {"switch": "lan", "ip": [f"10.0.{vlan}.{last}/24"], "mtu": mtu,
				"mac": f"02:00:00:00:{vlan:02}:{last}", "attach":
				{"netns": str(space.namespace(f"{name}-{word}"))}, **({"vlan": vlan} if vlan else {})}
		return {"switches": {"lan": {"ports": {}}},
			"nics": {nic: on(nic, 0, WEB), f"{nic}20": on(f"{nic}20", 20, WEB)}}

	config = {"networks": {name: network(name) for name in (*VLANS, "alone")},
		"uplinks": {"wire": {"mtu": mtu + 4, "attach": {"interface": "wire"}}}}
	for name, vlan in VLANS.items():
		config["networks"][name]["switches"]["lan"]["ports"]["up"] = {
			"uplink": "wire", "uplink-vlan": vlan}
	return config


def start_both(space, mtu=1500):
	plug(space, mtu)
	config = half(space, "db", 11, mtu)
	del config["networks"]["alone"]
	both = (space.start_weftd(half(space, "web", 10, mtu), "left", "left"),
		space.start_weftd(config, "right", "right"))
	for name in VLANS:
		space.namespace(f"{name}-web").reaches(DB)
		space.namespace(f"{name}-web20").reaches("10.0.20.11")
	return both


def outer_vlan(frame):
	kind, tci = struct.unpack("!HH", frame[12:16])
	return tci & 0xFFF if kind == 0x8100 else 0


@pytest.mark.sanitize
def test_two_tenants_share_a_wire(space):
	"""Both tenants flood from both ends with every kind of frame, and each end of the wire and
	every vnic is looked at."""
	left, right = start_both(space)
	words = [f"{tenant}-{nic}" for tenant in VLANS for nic in ("web", "web20", "db", "db20")]
	words += ["alone-web", "alone-web20"]
	ears = {word: space.namespace(word).packets(word.split("-")[1]) for word in words}
	wire = {host: space.namespace(host).packets("wire") for host in ("left", "right")}
	rounds = 20
	vlans = (0, 1, 2, 20, *VLANS.values(), 4094, 4095)
	for _ in range(rounds):
		for tenant, mark in MARKS.items():
			ears[f"{tenant}-web"].send(*harness.every_kind_of_frame(mark, vlans=vlans))
			ears[f"{tenant}-db"].send(*harness.every_kind_of_frame(mark, DB, WEB,
				"02:00:00:00:00:10", vlans))
	heard = {word: ear.receive(2) for word, ear in ears.items()}
	on_wire = {host: ear.receive(0.5) for host, ear in wire.items()}
	for ear in (*ears.values(), *wire.values()):
		ear.close()

	for word, frames in heard.items():
		own = word.split("-")[0]
		for tenant, mark in MARKS.items():
			count = sum(map(harness.is_marked(mark), frames))
			if tenant != own:
				assert count == 0, f"{word} got {count} frames of {tenant}"
			else:
				# broadcasts at least: the nics of VLAN 20 see those that were tagged so
				assert count >= (10 if word.endswith("20") else 100), f"{word}: {count} of its own"
	for host, frames in on_wire.items():
		for tenant, mark in MARKS.items():
			tags = [outer_vlan(frame) for frame in frames if mark.encode() in frame]
			assert len(tags) >= 100, f"{tenant} sent {len(tags)} frames to {host}"
			assert set(tags) == {VLANS[tenant]}, f"{tenant} was on the wire in VLANs {set(tags)}"
		# nothing else is on the wire, either: what kernels in the tenants' namespaces sent
		assert {outer_vlan(frame) for frame in frames} == set(VLANS.values())

	for weftd in (left, right):
		assert weftd.show("uplinks", "wire")["unknown-vlan"] == 0
		for tenant in MARKS:
			ports = {entry["port"] for entry in weftd.show("macs", network=tenant)}
			assert ports and all(port.startswith(f"{tenant}/") for port in ports)
		assert weftd.alive()
	assert all(entry["port"].startswith("alone/") for entry in left.show("macs", network="alone"))

	# each flood bore the other side's MACs: once the kernels speak again all is as it was
	for word in words:
		space.namespace(word).run("ip", "neigh", "flush", "all")
	for tenant in MARKS:
		space.namespace(f"{tenant}-db").reaches(WEB)
		space.namespace(f"{tenant}-web").reaches(DB)


@pytest.mark.sanitize
def test_tcp_through_the_uplink(space):
	"""What the sender's kernel left undone (checksums, segmentation) is right behind the wire."""
	left, right = start_both(space)
	for tenant in VLANS:
		web, db = space.namespace(f"{tenant}-web"), space.namespace(f"{tenant}-db")
		harness.check_tcp_bytes(web, db, DB)
		harness.check_tcp_bytes(db, web, WEB)
	web, db = space.namespace("red-web20"), space.namespace("red-db20")
	harness.check_tcp_bytes(web, db, "10.0.20.11")
	with db.iperf3_server():
		for options in ([], ["-R"], ["-P", "4"]):
			report = web.iperf3("10.0.20.11", seconds=1, options=options)
			assert report["end"]["sum_received"]["bits_per_second"] > 10e6 / harness.PATIENCE
		report = web.iperf3("10.0.20.11", seconds=1, options=["-u", "-b", "20M"])
		assert report["end"]["sum"]["packets"] > 100
	for weftd in (left, right):
		assert weftd.show("uplinks", "wire")["drops"] == {}


@pytest.fixture
def one(space):
	"""One daemon on the left; on the right a bare interface."""
	_, right = plug(space)
	weftd = space.start_weftd(half(space, "web", 10), "left", "left")
	return weftd, right


def test_unknown_vlan_is_counted(space, one):
	weftd, right = one
	before = weftd.show("uplinks", "wire")
	assert before["unknown-vlan"] == 0
	with right.packets("wire") as wire, space.namespace("red-web").packets("web") as web:
		for vlan in (7, 103, 4094, 0):
			tag = struct.pack("!HH", 0x8100, vlan)
			frame = harness.marked("NOBODYS")
			# VLAN 0 is a priority tag: as good as none
			wire.send(*[frame[:12] + tag + frame[12:]] * 25)
		wire.send(*[harness.marked("NOBODYS")] * 5)
		harness.wait_until(lambda: weftd.show("uplinks", "wire")["unknown-vlan"] == 105, 5,
			"105 frames of unknown VLANs are counted")
		assert not web.receive(0.2, match=harness.is_marked("NOBODYS"))
	drops = {drop["reason"]: drop["count"] for drop in weftd.show("drops", port="wire")}
	assert drops == {"unknown-vlan": 105}
	assert "unknown-vlan" in weftd.weft("show", "drops").stdout
	assert ('weft_uplink_dropped_packets_total{uplink="wire",reason="unknown-vlan"} 105'
		in weftd.api("/metrics").splitlines())


def test_untagged_vlan_of_an_uplink(space, one):
	"""A network on the uplink's untagged frames: they leave untagged and come in so, and a frame
	that a tenant tags with another tenant's VLAN does not get out there."""
	weftd, right = one
	config = half(space, "web", 10)
	config["networks"]["alone"]["switches"]["lan"]["ports"]["up"] = {"uplink": "wire"}
	weftd.apply(config)
	right.run("ip", "addr", "add", f"{DB}/24", "dev", "wire")
	alone = space.namespace("alone-web")
	alone.reaches(DB)
	harness.check_tcp_bytes(alone, right, DB)
	harness.check_tcp_bytes(right, alone, WEB)
	uplink = weftd.show("uplinks", "wire")
	assert {(entry["vlan"], entry["port"]) for entry in uplink["vlans"]} == {
		(0, "alone/lan:up"), (101, "red/lan:up"), (102, "blue/lan:up")}
	words = ("alone-web", "red-web", "blue-web")
	ears = {word: space.namespace(word).packets("web") for word in words}
	with right.packets("wire") as wire:
		ears["alone-web"].send(*harness.every_kind_of_frame("OF-ALONE", vlans=(0, 1, *VLANS.values())))
		frames = wire.receive(1, match=harness.is_marked("OF-ALONE"))
		assert len(frames) >= 8
		assert {outer_vlan(frame) for frame in frames} == {0}
		refused = weftd.show("ports", "alone/lan:up")
		assert refused["drops"]["vlan-not-allowed"] >= 4, "what bears a tag of its own"
		wire.send(harness.marked("FROM-WIRE"))
		priority = harness.marked("PRIORITY")
		wire.send(priority[:12] + struct.pack("!HH", 0x8100, 5 << 13) + priority[12:])
		heard = {word: ear.receive(0.5) for word, ear in ears.items()}
	for word, frames in heard.items():
		for mark in ("FROM-WIRE", "PRIORITY", "OF-ALONE"):
			count = sum(map(harness.is_marked(mark), frames))
			expected = 1 if word == "alone-web" and mark != "OF-ALONE" else 0
			assert count == expected, f"{word}: {count} of {mark}"
	for ear in ears.values():
		ear.close()


def test_jumbo_frames_through_a_link_and_a_tap(space, weftd):
	web, db = space.namespace("web"), space.namespace("db")
	def nic(switch, last, namespace, mtu=9000):
		return {"switch": switch, "ip": [f"10.0.0.{last}/24"], "mtu": mtu,
			"attach": {"netns": str(namespace)}}
	config = {"networks": {"red": {
		"switches": {"lan": {"ports": {"x": {}}}, "dmz": {"ports": {"y": {}}}},
		"links": [{"ends": ["lan:x", "dmz:y"]}],
		"nics": {"web": nic("lan", 10, web), "db": nic("dmz", 11, db)}}}}
	weftd.apply(config)
	web.reaches(DB)
	whole = ["-M", "do", "-s", 9000 - 28]
	assert web.ping(DB, options=whole) == 3
	assert db.ping(WEB, options=whole) == 3
	harness.check_tcp_bytes(web, db, DB)
	# a port that takes less says why
	config["networks"]["red"]["switches"]["dmz"]["ports"]["y"] = {"mtu": 1500}
	weftd.apply(config)
	assert web.ping(DB, options=["-M", "do", "-s", 1500 - 28]) == 3
	assert web.ping(DB, options=whole, timeout=0.3) == 0
	drops = [drop for drop in weftd.show("drops", network="red") if drop["reason"] == "too-long"]
	assert sum(drop["count"] for drop in drops) == 3, drops


def test_jumbo_frames_through_an_uplink(space):
	start_both(space, mtu=9000)
	whole = ["-M", "do", "-s", 9000 - 28]
	for tenant in VLANS:
		web, db = space.namespace(f"{tenant}-web"), space.namespace(f"{tenant}-db")
		assert web.ping(DB, options=whole) == 3
		assert db.ping(WEB, options=whole) == 3
		harness.check_tcp_bytes(web, db, DB)
