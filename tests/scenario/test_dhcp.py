# SPDX-License-Identifier: BSD-3-Clause
"""Routers as DHCP servers and relays, with a real client (udhcpc of busybox), and a real server
(dnsmasq) behind the relay."""
import contextlib
import json
import os
import shutil
import signal

import pytest

import harness

# udhcpc runs it for each event; what it was told is written down, what it was given is set
SCRIPT = """#!/bin/sh
env > "$TOLD.new"
echo "event=$1" >> "$TOLD.new"
case $1 in
bound|renew)
	ip address replace $ip/$mask dev $interface
	[ -z "$router" ] || ip route replace default via $router dev $interface
	mv "$TOLD.new" "$TOLD" ;;
deconfig)
	ip address flush dev $interface
	rm -f "$TOLD" ;;
*)
	mv "$TOLD.new" "$TOLD.$1" ;;
esac
"""


class Client:
	"""udhcpc on a vnic's interface."""

	def __init__(self, space, name, *options):
		self.script = space.folder / "udhcpc.sh"
		if not self.script.exists():
			self.script.write_text(SCRIPT)
			self.script.chmod(0o755)
		self.file = space.folder / f"told-{name}"
		self.file.unlink(missing_ok=True)
		self.namespace, self.name = space.namespace(f"red-{name}"), name
		self.process = self.namespace.popen("busybox", "udhcpc", "-f", "-i", name, "-s", self.script,
			"-t", "20", "-T", "1", "-O", "search", "-O", "ntpsrv", "-O", "bootfile", *options,
			env={**os.environ, "TOLD": str(self.file)})

	@property
	def told(self):
		"""What the server has said, as udhcpc tells its script; {}: nothing yet."""
		with contextlib.suppress(FileNotFoundError):
			return dict(line.split("=", 1) for line in self.file.read_text().splitlines()
				if "=" in line)
		return {}

	def bound(self, timeout=10):
		harness.wait_until(lambda: self.told.get("event") in ("bound", "renew"), timeout,
			f"{self.name} has an address")
		return self.told

	def signal(self, number):
		self.process.send_signal(number)

	def end(self):
		self.process.kill()
		self.process.wait()


@pytest.fixture
def client(space):
	clients = []

	def start(name, *options):
		clients.append(Client(space, name, *options))
		return clients[-1]
	yield start
	for each in clients:
		each.end()


def mac(n):
	return f"02:00:00:00:00:{n:02x}"


def served(space, names=("a", "b"), **dhcp):
	"""Hosts without addresses on a switch, and a router that serves them."""
	nics = {name: {"switch": "lan", "mac": mac(10 + n),
		"attach": {"netns": str(space.namespace(f"red-{name}"))}} for n, name in enumerate(names)}
	return {"networks": {"red": {"switches": {"lan": {}}, "nics": nics, "routers": {"r": {"ports": {
		"lan": {"switch": "lan", "ip": "10.0.0.1/24", "dhcp": dhcp}}}}}}}


def leases(weftd):
	return {lease["address"]: lease for lease in weftd.show("leases")}


@pytest.mark.sanitize
def test_what_a_host_is_told(space, client):
	"""Address, gateway and the rest; two hosts, which reach the router and each other."""
	weftd = space.start_weftd(served(space, pools=["10.0.0.100-10.0.0.109"], dns=["10.0.0.53", "10.0.0.54"],
		**{"lease-time": "1h"}, domain="red.example", search=["red.example", "example"],
		ntp="10.0.0.123", options={66: "62:6f:6f:74"}, **{"boot-file": "pxelinux.0"},
		**{"next-server": "10.0.0.5"}))
	with weftd.events() as events:
		a, b = client("a", "-x", "hostname:printer"), client("b")
		told = a.bound()
		assert told["ip"] == "10.0.0.100" or told["ip"] == "10.0.0.101"
		assert (told["mask"], told["router"], told["serverid"]) == ("24", "10.0.0.1", "10.0.0.1")
		assert (told["dns"], told["lease"]) == ("10.0.0.53 10.0.0.54", "3600")
		assert (told["domain"], told["search"]) == ("red.example", "red.example example")
		assert (told["ntpsrv"], told["boot_file"], told["siaddr"]) == ("10.0.0.123", "pxelinux.0",
			"10.0.0.5")
		other = b.bound()["ip"]
		assert {told["ip"], other} == {"10.0.0.100", "10.0.0.101"}
		a.namespace.reaches("10.0.0.1")
		a.namespace.reaches(other)
		kinds = [(event["kind"], event["object"]) for event in events]
		assert kinds.count(("lease-given", "red/r:lan")) == 2, events
	lease = leases(weftd)[told["ip"]]
	assert (lease["port"], lease["network"], lease["mac"]) == ("red/r:lan", "red", mac(10))
	assert (lease["hostname"], lease["state"], lease["reserved"]) == ("printer", "held", False)
	assert lease["expires"] > lease["since"]
	table = weftd.weft("show", "leases").stdout
	assert told["ip"] in table and "printer" in table and mac(10) in table
	assert len(json.loads(weftd.weft("show", "leases", "--json", "--mac", mac(10)).stdout)) == 1
	assert weftd.weft("show", "leases", "red/r:lan").stdout.count("10.0.0.10") == 2


def test_reservation(space, client):
	"""The reserved host gets its address and name; nobody else does."""
	weftd = space.start_weftd(served(space, pools=["10.0.0.50-10.0.0.51"], reservations={
		mac(11): {"ip": "10.0.0.50", "hostname": "printer"}}))
	a = client("a")
	assert a.bound()["ip"] == "10.0.0.51"
	told = client("b", "-O", "hostname").bound()
	assert (told["ip"], told["hostname"]) == ("10.0.0.50", "printer")
	assert leases(weftd)["10.0.0.50"]["reserved"] and not leases(weftd)["10.0.0.51"]["reserved"]


def test_renewal_release_and_exhaustion(space, client):
	weftd = space.start_weftd(served(space, pools=["10.0.0.100"], **{"lease-time": "60s"}))
	with weftd.events() as events:
		def happened(kind):
			return [event for event in events if event["kind"] == kind]
		a = client("a")
		a.bound()
		a.namespace.reaches("10.0.0.1")
		before = leases(weftd)["10.0.0.100"]["expires"]
		a.signal(signal.SIGUSR1)
		harness.wait_until(lambda: a.told.get("event") == "renew", 10, "the lease is renewed")
		harness.wait_until(lambda: leases(weftd)["10.0.0.100"]["expires"] >= before, 5, "later end")
		b = client("b")
		harness.wait_until(lambda: happened("pool-exhausted"), 10, "the pool is exhausted")
		assert not b.told
		a.signal(signal.SIGUSR2)
		assert b.bound()["ip"] == "10.0.0.100"
		assert happened("lease-released")
	assert leases(weftd)["10.0.0.100"]["mac"] == mac(11)


@pytest.mark.sanitize
def test_leases_survive(space, client):
	"""An end, a crash, and a change of the configuration."""
	weftd = space.start_weftd(served(space, ("a", "b", "c"), pools=["10.0.0.100-10.0.0.109"]))
	a = client("a")
	address = a.bound()["ip"]
	a.end()
	for end in (weftd.stop, weftd.kill):
		end()
		weftd.start()
		assert leases(weftd)[address]["mac"] == mac(10)
		b = client("b")
		assert b.bound()["ip"] != address
		b.end()
		a = client("a")
		assert a.bound()["ip"] == address
		a.end()
	weftd.apply(served(space, ("a", "b", "c"), pools=["10.0.0.100-10.0.0.119"], dns="10.0.0.53"))
	assert leases(weftd)[address]["state"] == "held"
	a = client("a")
	told = a.bound()
	assert (told["ip"], told["dns"]) == (address, "10.0.0.53")
	# the server goes, and comes back
	weftd.operation("rollback", number=1)
	config = served(space, ("a", "b", "c"), pools=["10.0.0.100-10.0.0.119"])
	del config["networks"]["red"]["routers"]["r"]["ports"]["lan"]["dhcp"]
	weftd.apply(config)
	assert leases(weftd) == {}
	weftd.apply(served(space, ("a", "b", "c"), pools=["10.0.0.100-10.0.0.119"]))
	assert leases(weftd)[address]["state"] == "held"


def test_crash_right_after_the_promise(space, client):
	"""Whatever a client has heard of is still known after kill -9."""
	names = [f"h{n}" for n in range(4)]
	weftd = space.start_weftd(served(space, names))
	given = {}
	for n, name in enumerate(names):
		host = client(name)
		harness.wait_until(lambda: host.told.get("event") == "bound", 15, "bound")
		weftd.kill()
		given[host.told["ip"]] = mac(10 + n)
		host.end()
		weftd.start()
		assert {address: lease["mac"] for address, lease in leases(weftd).items()} == given


def test_disk_full(space, client):
	"""Leases are given all the same, and written down when there is room again."""
	state = space.folder / "weftd" / "state"
	state.mkdir(parents=True)
	harness.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "full", state)
	try:
		weftd = space.start_weftd(served(space))
		with weftd.events() as events:
			def happened(kind):
				return [event for event in events if event["kind"] == kind]
			with contextlib.suppress(OSError), (state / "ballast").open("wb", buffering=0) as ballast:
				while True:
					ballast.write(bytes(4096))
			address = client("a").bound()["ip"]
			harness.wait_until(lambda: happened("leases-not-written"), 5, "a warning")
			(state / "ballast").unlink()
			client("b").bound()
			harness.wait_until(lambda: happened("leases-written"), 5, "it is written again")
		assert address in (state / "leases").read_text()
		weftd.finish()
	finally:
		harness.run("umount", "-l", state)


# ---- relays


def relayed(space, server):
	"""Hosts behind r1, which relays to 10.9.0.2: r2, or the vnic `server`."""
	config = served(space)
	network = config["networks"]["red"]
	network["switches"]["core"] = {}
	port = network["routers"]["r"]["ports"]["lan"]
	del port["dhcp"]
	port["dhcp-relay"] = {"servers": ["10.9.0.2"]}
	network["routers"]["r"]["ports"]["core"] = {"switch": "core", "ip": "10.9.0.1/24"}
	if server == "router":
		network["routers"]["r2"] = {"ports": {"core": {"switch": "core", "ip": "10.9.0.2/24",
			"dhcp": {"network": "10.0.0.0/24", "pools": ["10.0.0.30-10.0.0.39"],
				"gateway": "10.0.0.1", "dns": "10.9.0.53"}}},
			"routes": {"10.0.0.0/24": {"via": "10.9.0.1"}}}
	else:
		network["nics"]["server"] = {"switch": "core", "ip": "10.9.0.2/24", "gateway": "10.9.0.1",
			"attach": {"netns": str(space.namespace("red-server"))}}
	return config


def check_relayed(space, client, weftd):
	a, b = client("a"), client("b")
	for host in (a, b):
		told = host.bound(20)
		assert told["ip"] in [f"10.0.0.{n}" for n in range(30, 40)]
		assert (told["router"], told["serverid"], told["dns"]) == ("10.0.0.1", "10.9.0.2", "10.9.0.53")
	a.namespace.reaches("10.9.0.2")
	# by unicast, through the router
	a.signal(signal.SIGUSR1)
	harness.wait_until(lambda: a.told.get("event") == "renew", 10, "the lease is renewed")


def test_relay_to_another_router(space, client):
	weftd = space.start_weftd(relayed(space, "router"))
	check_relayed(space, client, weftd)
	assert {lease["port"] for lease in weftd.show("leases")} == {"red/r2:core"}


def test_relay_to_dnsmasq(space, client):
	if shutil.which("dnsmasq") is None:
		pytest.skip("no dnsmasq")
	weftd = space.start_weftd(relayed(space, "nic"))
	server = space.namespace("red-server").popen("dnsmasq", "--keep-in-foreground", "--port=0",
		"--conf-file=/dev/null", "--user=root", "--interface=server", "--leasefile-ro",
		"--dhcp-authoritative", "--dhcp-range=10.0.0.30,10.0.0.39,255.255.255.0,1h",
		"--dhcp-option=option:router,10.0.0.1", "--dhcp-option=option:dns-server,10.9.0.53",
		"--pid-file", "--no-ping")
	try:
		check_relayed(space, client, weftd)
	finally:
		server.kill()
		print(server.communicate()[0])


def test_address_that_is_in_use(space, client):
	"""RFC 2131, 3.1 (2): a host that nobody gave its address keeps it; another is given."""
	weftd = space.start_weftd(served(space, pools=["10.0.0.100-10.0.0.101"]))
	squatter = space.namespace("red-b")
	harness.run("ip", "-n", squatter, "addr", "add", "10.0.0.100/24", "dev", "b")
	with weftd.events() as events:
		told = client("a").bound(15)
		assert told["ip"] == "10.0.0.101"
		told = [event for event in events if event["kind"] == "address-in-use"]
	assert leases(weftd)["10.0.0.100"]["state"] == "declined"
	assert len(told) == 1 and "10.0.0.100" in told[0]["text"]
