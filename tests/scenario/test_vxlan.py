# SPDX-License-Identifier: BSD-3-Clause
"""Networks across hosts: weftd at both ends of a VXLAN tunnel, and the kernel's vxlan device."""
import pytest
import yaml

import harness

# of each family: the wire's addresses, where a tunnel adds its headers
WIRE = {4: "192.0.2.{}", 6: "2001:db8:aa::{:x}"}
LENGTH = {4: 24, 6: 64}
OVERHEAD = {4: 50, 6: 70}
FAMILIES = pytest.mark.parametrize("family", (4, 6))


def plug(space, hosts, mtu=1500):
	"""Hosts on one wire: a bridge that knows nothing of weft, in a namespace of its own."""
	wire = space.namespace("wire")
	wire.run("ip", "link", "add", "bridge", "type", "bridge")
	wire.run("ip", "link", "set", "bridge", "addrgenmode", "none", "mtu", mtu, "up")
	for host in hosts:
		inside = space.namespace(host)
		wire.run("ip", "link", "add", f"to-{host}", "mtu", mtu, "type", "veth",
			"peer", "name", "wire", "mtu", mtu, "netns", inside)
		wire.run("ip", "link", "set", f"to-{host}", "master", "bridge", "addrgenmode", "none", "up")
		inside.run("ip", "link", "set", "wire", "addrgenmode", "none", "up")
		inside.run("ip", "link", "set", "lo", "up")


def host(space, number, others, family=4, tenants=("red",), mtu=None):
	"""What weftd runs on a host: per tenant a lan with one nic, and a tunnel to the other hosts
	by the provider's router. Tenants differ in nothing but the VNI."""
	address = WIRE[family].format(number)
	config = {
		"networks": {"provider": {"routers": {"edge": {
			"tunnels": [f"{tenant}/vx" for tenant in tenants],
			"ports": {"wan": {"uplink": "wire", "ip": f"{address}/{LENGTH[family]}"}}}}}},
		"uplinks": {"wire": {"attach": {"interface": "wire"}}}}
	for n, tenant in enumerate(tenants):
		config["networks"][tenant] = {
			"switches": {"lan": {}},
			"nics": {"web": {"switch": "lan", "vlan": 10, "ip": [f"10.0.0.{number}/24"],
				"mtu": 1500 - OVERHEAD[family],
				"attach": {"netns": str(space.namespace(f"{tenant}-{number}"))}}},
			"tunnels": {"vx": {"router": "provider/edge", "local": address, "port": 4789 + n,
				"vnis": {5000 + n: {"switch": "lan", "vlan": 10,
					"remotes": [WIRE[family].format(other) for other in others]}}}}}
	return config


def start_all(space, numbers, **how):
	plug(space, [f"host{number}" for number in numbers])
	return [space.start_weftd(host(space, number, [n for n in numbers if n != number], **how),
		f"host{number}", f"host{number}") for number in numbers]


def drops(weftd):
	return {(drop["reason"], drop["port"]): drop["count"] for drop in weftd.show("drops")}


@pytest.mark.sanitize
@FAMILIES
def test_two_hosts(space, family):
	daemons = start_all(space, (1, 2), family=family)
	one, two = space.namespace("red-1"), space.namespace("red-2")
	one.reaches("10.0.0.2")
	whole = ["-M", "do", "-s", 1500 - OVERHEAD[family] - 28]
	assert one.ping("10.0.0.2", options=whole) == 3
	assert two.ping("10.0.0.1", options=whole) == 3
	harness.check_tcp_bytes(one, two, "10.0.0.2")
	harness.check_tcp_bytes(two, one, "10.0.0.1")
	for weftd in daemons:
		assert not [key for key in drops(weftd) if "vxlan" in key[0] or "unknown" in key[0]]
		assert weftd.alive()


@pytest.mark.sanitize
def test_a_broadcast_comes_once_to_each_of_three(space):
	"""A full mesh without spanning tree: the switches never send on what came from a remote."""
	daemons = start_all(space, (1, 2, 3))
	nics = {number: space.namespace(f"red-{number}") for number in (1, 2, 3)}
	for number in (2, 3):
		nics[1].reaches(f"10.0.0.{number}")
	nics[2].reaches("10.0.0.3")
	ears = {number: nic.packets("web") for number, nic in nics.items()}
	wire = {number: space.namespace("wire").packets(f"to-host{number}") for number in nics}
	ears[1].send(*[harness.marked("ROUND-AND-ROUND")] * 20)
	for number in (2, 3):
		heard = ears[number].receive(1, match=harness.is_marked("ROUND-AND-ROUND"))
		assert len(heard) == 20, f"host {number} heard {len(heard)}"
	assert not ears[1].receive(0.2, match=harness.is_marked("ROUND-AND-ROUND"))
	sent = {number: sum(b"ROUND-AND-ROUND" in frame for frame in ear.receive(0.2))
		for number, ear in wire.items()}
	for ear in (*ears.values(), *wire.values()):
		ear.close()
	assert sent == {1: 40, 2: 0, 3: 0}, "one copy to each remote, and none from there"
	for weftd in daemons:
		assert weftd.show("switches", "red/lan")["loop"] is None


@pytest.mark.sanitize
def test_tenants_with_the_same_addresses(space):
	daemons = start_all(space, (1, 2), tenants=("red", "blue"))
	spaces = {tenant: [space.namespace(f"{tenant}-{n}") for n in (1, 2)] for tenant in ("red", "blue")}
	for tenant in spaces:
		spaces[tenant][0].reaches("10.0.0.2")
	ears = {(tenant, n): spaces[tenant][n].packets("web") for tenant in spaces for n in (0, 1)}
	for tenant in spaces:
		ears[tenant, 0].send(*harness.every_kind_of_frame(f"OF-{tenant}") * 5)
	heard = {key: ear.receive(1) for key, ear in ears.items()}
	for ear in ears.values():
		ear.close()
	for tenant in spaces:
		assert sum(map(harness.is_marked(f"OF-{tenant}"), heard[tenant, 1])) >= 5
		other = {"red": "blue", "blue": "red"}[tenant]
		for n in (0, 1):
			assert not sum(map(harness.is_marked(f"OF-{other}"), heard[tenant, n]))
	for weftd in daemons:
		assert weftd.alive()


def test_example(space):
	"""examples/vxlan.yaml: what its own tests say holds."""
	weftd = space.start_weftd(yaml.safe_load((harness.ROOT / "examples/vxlan.yaml").read_text()))
	answer = weftd.weft("test")
	assert "2 of 2 tests hold" in answer.stdout, answer.stdout


def test_what_is_shown(space):
	one, _ = start_all(space, (1, 2))
	space.namespace("red-1").reaches("10.0.0.2")
	tunnel = one.show("tunnels", "red/vx")
	assert tunnel["router"] == "provider/edge" and tunnel["local"] == "192.0.2.1"
	assert (tunnel["udp-port"], tunnel["mtu"], tunnel["vnis"]) == (4789, 1450, 1)
	(remote,) = tunnel["remotes"]
	assert (remote["vni"], remote["remote"], remote["vlan"]) == (5000, "192.0.2.2", 10)
	assert remote["port"] == "red/lan:vx.5000.192.0.2.2"
	assert remote["macs"] >= 1 and remote["in-packets"] >= 1 and remote["out-packets"] >= 1
	assert any(mac["port"] == remote["port"] for mac in one.show("macs", switch="red/lan"))
	told = one.weft("show", "tunnels").stdout
	assert "provider/edge" in told and "5000 at 192.0.2.2" in told, told
	assert '"5000.192.0.2.2"' not in told
	mac = next(mac["mac"] for mac in one.show("macs", switch="red/lan")
		if mac["port"] == remote["port"])
	steps = one.weft("explain", "red/web", "to", mac).stdout
	assert "VXLAN: VNI 5000, to 192.0.2.2" in steps, steps


def test_longer_packets_are_answered(space):
	"""A vnic with the usual mtu: path MTU discovery finds what the tunnel carries."""
	plug(space, ("host1", "host2"))
	for number in (1, 2):
		config = host(space, number, [3 - number])
		config["networks"]["red"]["nics"]["web"]["mtu"] = 1500
		space.start_weftd(config, f"host{number}", f"host{number}")
	one, two = space.namespace("red-1"), space.namespace("red-2")
	one.reaches("10.0.0.2")
	for nic, other in ((one, "10.0.0.2"), (two, "10.0.0.1")):
		answer = nic.run("ping", "-n", "-c", "2", "-W", "1", "-M", "do", "-s", 1472, other,
			check=False).stdout
		assert "mtu = 1450" in answer or "mtu=1450" in answer, answer
	assert one.ping("10.0.0.2", options=["-s", 1472]) == 3, "cut by their senders now"
	harness.check_tcp_bytes(one, two, "10.0.0.2")
	harness.check_tcp_bytes(two, one, "10.0.0.1")


def test_changes_while_it_runs(space):
	"""A remote comes and goes, the UDP port changes at both ends: what stays is not touched."""
	daemons = start_all(space, (1, 2, 3))
	one = space.namespace("red-1")
	for number in (2, 3):
		one.reaches(f"10.0.0.{number}")
	config = host(space, 1, [2])
	daemons[0].apply(config)
	assert one.ping("10.0.0.2") == 3
	assert one.ping("10.0.0.3", timeout=0.3) == 0
	assert len(daemons[0].show("tunnels", "red/vx")["remotes"]) == 1
	daemons[0].apply(host(space, 1, [2, 3]))
	one.reaches("10.0.0.3")
	for number, weftd in enumerate(daemons, 1):
		config = host(space, number, [n for n in (1, 2, 3) if n != number])
		config["networks"]["red"]["tunnels"]["vx"]["port"] = 8472
		weftd.apply(config)
	for number in (2, 3):
		one.reaches(f"10.0.0.{number}")
	for weftd in daemons:
		weftd.apply({"networks": {}})
		assert weftd.show("tunnels") == [] and weftd.show("ports") == []


# ---- the kernel at the other end


def kernel_end(space, family, number=2, vni=5000, mtu=None):
	"""A host with the kernel's own vxlan device."""
	inside = space.namespace(f"host{number}")
	address = WIRE[family].format(number)
	inside.run("ip", "addr", "add", f"{address}/{LENGTH[family]}", "dev", "wire",
		*(["nodad"] if family == 6 else []))
	inside.run("ip", "link", "add", "vx", "type", "vxlan", "id", vni, "dstport", 4789,
		"local", address, "remote", WIRE[family].format(1), "dev", "wire",
		*(["udp6zerocsumrx"] if family == 6 else []))
	inside.run("ip", "addr", "add", f"10.0.0.{number}/24", "dev", "vx")
	inside.run("ip", "link", "set", "vx", "mtu", mtu or 1500 - OVERHEAD[family], "up")
	return inside


@pytest.mark.sanitize
@FAMILIES
def test_kernel(space, family):
	plug(space, ("host1", "host2"))
	weftd = space.start_weftd(host(space, 1, [2], family=family), "host1", "host1")
	one, kernel = space.namespace("red-1"), kernel_end(space, family)
	one.reaches("10.0.0.2")
	whole = ["-M", "do", "-s", 1500 - OVERHEAD[family] - 28]
	assert one.ping("10.0.0.2", options=whole) == 3
	assert kernel.ping("10.0.0.1", options=whole) == 3
	harness.check_tcp_bytes(one, kernel, "10.0.0.2")
	harness.check_tcp_bytes(kernel, one, "10.0.0.1")
	with kernel.iperf3_server():
		report = one.iperf3("10.0.0.2", seconds=1)
		assert report["end"]["sum_received"]["bits_per_second"] > 10e6 / harness.PATIENCE
		report = one.iperf3("10.0.0.2", seconds=1, options=["-R"])
		assert report["end"]["sum_received"]["bits_per_second"] > 10e6 / harness.PATIENCE
	reasons = {reason for reason, _ in drops(weftd)}
	assert not reasons & {"bad-vxlan", "bad-udp", "unknown-vni", "unknown-remote", "bad-offload"}


# ---- super-packets


def longest_of(ear):
	frames = ear.receive(0.3)
	ear.close()
	assert frames
	return max(map(len, frames))


def bytes_a_packet(weftd, nic="red/web"):
	"""Of those that the nic's container got."""
	counters = weftd.show("nics", nic)
	return counters["in-bytes"] / counters["in-packets"]


@pytest.mark.sanitize
@FAMILIES
def test_super_packets_stay_whole(space, family):
	"""One piece over the wire, and one to the other container."""
	_, two = start_all(space, (1, 2), family=family)
	one, other = space.namespace("red-1"), space.namespace("red-2")
	one.reaches("10.0.0.2")
	ear = space.namespace("wire").packets("to-host1")
	harness.check_tcp_bytes(one, other, "10.0.0.2")
	assert longest_of(ear) > 10000
	assert bytes_a_packet(two) > 3000
	harness.check_tcp_bytes(other, one, "10.0.0.1")
	for reason, _ in drops(two):
		assert reason not in ("bad-offload", "bad-vxlan")


@FAMILIES
@pytest.mark.parametrize("place", [("host1", "wire"), ("wire", "to-host2")], ids=["own", "other"])
@pytest.mark.parametrize("receiver", ["weft", "tagged weft", "kernel"])
def test_super_packets_are_cut_on_their_way(space, family, place, receiver):
	"""By the kernel, where a device sends single datagrams only: their checksums are right."""
	plug(space, ("host1", "host2"))
	wire = space.namespace("wire")
	space.namespace(place[0]).run("ethtool", "-K", place[1], "tx-udp-segmentation", "off", "tx", "off")
	configs = [host(space, number, [3 - number], family=family) for number in (1, 2)]
	if receiver == "tagged weft":
		for config in configs:
			config["networks"]["provider"]["routers"]["edge"]["ports"]["wan"]["vlan"] = 101
	daemons = [space.start_weftd(configs[0], "host1", "host1")]
	if receiver == "kernel":
		other = kernel_end(space, family)
	else:
		daemons.append(space.start_weftd(configs[1], "host2", "host2"))
		other = space.namespace("red-2")
	one = space.namespace("red-1")
	one.reaches("10.0.0.2")
	ears = [wire.packets("to-host1"), space.namespace("host2").packets("wire")]
	harness.check_tcp_bytes(one, other, "10.0.0.2")
	lengths = [longest_of(ear) for ear in ears]
	assert lengths[1] <= 1518, lengths
	if place[0] == "wire":
		assert lengths[0] > 10000, lengths
	harness.check_tcp_bytes(other, one, "10.0.0.1")
	for weftd in daemons:
		assert not {reason for reason, _ in drops(weftd)} & {"bad-offload", "bad-vxlan"}
	if receiver == "kernel":
		told = other.run("nstat", "-asz", "UdpInCsumErrors", "Udp6InCsumErrors", "TcpInCsumErrors").stdout
		counts = [line.split()[1] for line in told.splitlines() if "Csum" in line]
		assert len(counts) == 3 and set(counts) == {"0"}, told
