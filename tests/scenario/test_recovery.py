# SPDX-License-Identifier: BSD-3-Clause
"""What goes away on the other side of a vnic: the rest forwards on, `show` tells, and the vnic
comes back by itself when its other side does."""
import contextlib
import os
import subprocess

import pytest

import harness

WEB, DB = "10.0.0.10", "10.0.0.11"


@contextlib.contextmanager
def others_undisturbed(space):
	"""The other network loses nothing."""
	with harness.NumberedStream(space.namespace("blue-web"), space.namespace("blue-db"), DB,
			rate=500) as stream:
		yield
	assert stream.lost == []


def status(weftd, nic):
	return weftd.show("nics", nic)["status"]


def wait_status(weftd, nic, wanted):
	harness.wait_until(lambda: status(weftd, nic) in wanted, 5, f"{nic} is {' or '.join(wanted)}")


@pytest.fixture
def running(space, weftd):
	weftd.apply(harness.tenants(space, "red", "blue"))
	for name in ("red", "blue"):
		space.namespace(f"{name}-web").reaches(DB)
	return weftd


@pytest.mark.sanitize
def test_namespace_deleted_and_made_again(space, running):
	with others_undisturbed(space), running.events() as events:
		for _ in range(3):
			space.namespaces.pop("red-db").delete()
			wait_status(running, "red/db", ["degraded", "down"])
			assert space.name("red-db") in running.show("nics", "red/db")["reason"]
			assert "red/db" in running.weft("show", "nics").stdout
			db = space.namespace("red-db")
			wait_status(running, "red/db", ["up"])
			assert db.addresses("db") == [f"{DB}/24"]
			space.namespace("red-web").reaches(DB)
		kinds = [event["kind"] for event in events if "red/db" in str(event["object"])]
		assert "nic-degraded" in kinds and "nic-up" in kinds, kinds


def test_namespace_not_there_yet(space, weftd):
	config = harness.tenants(space, "red", "blue")
	late = space.name("late")
	config["networks"]["red"]["nics"]["late"] = {"switch": "lan", "ip": ["10.0.0.12/24"],
		"attach": {"netns": late}}
	answer = weftd.apply(config)
	assert answer["degraded"]
	assert status(weftd, "red/late") == "degraded"
	space.namespace("red-web").reaches(DB)
	space.namespace("late")
	wait_status(weftd, "red/late", ["up"])
	space.namespace("red-web").reaches("10.0.0.12")


def test_tap_deleted(space, running):
	"""By somebody inside the namespace."""
	with others_undisturbed(space):
		db = space.namespace("red-db")
		db.run("ip", "link", "del", "db")
		harness.wait_until(lambda: "db" in db.links(), 5, "the tap is made again")
		space.namespace("red-web").reaches(DB)
		assert db.addresses("db") == [f"{DB}/24"]
		wait_status(running, "red/db", ["up"])


def test_address_taken_away(space, running):
	"""What lives in the kernel is reconciled towards the configuration."""
	db = space.namespace("red-db")
	db.run("ip", "addr", "flush", "dev", "db")
	db.run("ip", "link", "set", "db", "down")
	harness.wait_until(lambda: db.addresses("db") == [f"{DB}/24"], 5, "the address is back")
	space.namespace("red-web").reaches(DB)


def test_container_killed(space, running):
	"""A vnic in the namespace of a process: the process dies, the next one gets it."""
	def container():
		process = subprocess.Popen(["unshare", "--net", "sleep", "1000"],
			preexec_fn=harness.die_with_parent)
		own = os.readlink("/proc/self/ns/net")
		harness.wait_until(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != own, 5,
			"the container has its namespace")
		return process

	def config(pid):
		config = harness.tenants(space, "red", "blue")
		config["networks"]["red"]["nics"]["box"] = {"switch": "lan", "ip": ["10.0.0.12/24"],
			"attach": {"pid": pid}}
		return config

	web = space.namespace("red-web")
	with others_undisturbed(space):
		first = container()
		running.apply(config(first.pid))
		web.reaches("10.0.0.12")
		first.kill()
		first.wait()
		wait_status(running, "red/box", ["degraded", "down"])
		assert web.ping(DB) == 3
		second = container()
		running.apply(config(second.pid))
		wait_status(running, "red/box", ["up"])
		web.reaches("10.0.0.12")
		second.kill()
		second.wait()


@pytest.fixture
def wired(space, weftd):
	"""Red reaches 10.0.0.99 over an uplink, a veth whose other end is in `far`."""
	host, far = space.namespace("host"), space.namespace("far")

	def plug():
		host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far)
		host.run("ip", "link", "set", "wire", "up")
		far.run("ip", "link", "set", "wire", "up")

	def far_socket():
		return far.packets("wire")

	plug()
	config = harness.tenants(space, "red", "blue")
	config["uplinks"] = {"wire": {"attach": {"interface": "wire"}}}
	config["networks"]["red"]["switches"]["lan"]["ports"] = {
		"up": {"uplink": "wire", "uplink-vlan": 101}}
	weftd.apply(config)
	space.namespace("red-web").reaches(DB)
	return host, far_socket, plug


def crosses_wire(space, far_socket):
	"""Whether a broadcast of red comes out of the uplink, tagged."""
	with far_socket() as far, space.namespace("red-web").packets("web") as web:
		web.send(harness.marked("OVER-THE-WIRE"))
		frames = far.receive(0.3, count=1, match=harness.is_marked("OVER-THE-WIRE"))
	return bool(frames) and frames[0][12:16] == b"\x81\x00\x00\x65"


def test_uplink_down_and_up(space, weftd, wired):
	host, far_socket, _ = wired
	harness.wait_until(lambda: crosses_wire(space, far_socket), 5, "the wire carries red")
	with others_undisturbed(space):
		host.run("ip", "link", "set", "wire", "down")
		harness.wait_until(lambda: weftd.show("uplinks", "wire")["status"] != "up", 5, "it is told")
		assert space.namespace("red-web").ping(DB) == 3
		host.run("ip", "link", "set", "wire", "up")
		harness.wait_until(lambda: weftd.show("uplinks", "wire")["status"] == "up", 5, "it is up")
		harness.wait_until(lambda: crosses_wire(space, far_socket), 5, "the wire carries red again")


def test_uplink_deleted_and_made_again(space, weftd, wired):
	host, far_socket, plug = wired
	harness.wait_until(lambda: crosses_wire(space, far_socket), 5, "the wire carries red")
	with others_undisturbed(space):
		host.run("ip", "link", "del", "wire")
		harness.wait_until(lambda: weftd.show("uplinks", "wire")["status"] != "up", 5, "it is told")
		assert weftd.show("uplinks", "wire")["reason"]
		assert space.namespace("red-web").ping(DB) == 3
		plug()
		harness.wait_until(lambda: weftd.show("uplinks", "wire")["status"] == "up", 5, "it is up")
		harness.wait_until(lambda: crosses_wire(space, far_socket), 5, "the wire carries red again")
