# SPDX-License-Identifier: BSD-3-Clause
"""A change in one place loses no packet in another, and leaves its tables as they are."""
import contextlib
import copy
import time

import pytest

import harness

DB = "10.0.0.11"


@contextlib.contextmanager
def load(source, destination, address=DB, tcp=True):
	"""A numbered stream beside TCP as fast as it goes; every datagram must arrive, once."""
	with contextlib.ExitStack() as stack:
		if tcp:
			stack.enter_context(destination.iperf3_server())
			client = source.popen("iperf3", "-c", address, "-t", 60, "-b", "200M")
			stack.callback(client.wait, 5)
			stack.callback(client.terminate)
		stream = harness.NumberedStream(source, destination, address)
		with stream:
			yield stream
			harness.wait_until(lambda: stream.sent > 100, 5, "a hundred datagrams were sent")
	assert stream.lost == [], f"{len(stream.lost)} of {stream.sent} datagrams lost"
	assert stream.duplicated == 0


def learned(weftd, network):
	return {(entry["vlan"], entry["mac"]): entry["port"]
		for entry in weftd.show("macs", network=network)}


def changes(config, spare):
	"""Ten configurations, each a step from the one before, all of them changes to red alone."""
	config = copy.deepcopy(config)
	red = config["networks"]["red"]
	red["nics"]["cache"] = {"switch": "lan", "ip": ["10.0.0.12/24"], "attach": {"netns": spare}}
	yield config
	red["switches"]["dmz"] = {"ports": {"x": {}, "y": {}}}
	yield config
	red["switches"]["lan"]["ports"] = {"up": {}}
	red["links"] = [{"ends": ["lan:up", "dmz:x"]}]
	yield config
	red["nics"]["cache"]["mtu"] = 9000
	yield config
	red["nics"]["cache"]["vlan"] = 7
	yield config
	red["switches"]["lan"]["ageing-time"] = "60s"
	yield config
	red["nics"]["cache"]["switch"] = "dmz"
	yield config
	del red["links"]
	yield config
	red["switches"]["dmz"]["mac-limit"] = 100
	yield config
	del red["nics"]["cache"], red["switches"]["dmz"]
	yield config


@pytest.mark.sanitize
def test_change_in_another_network(space, weftd):
	config = harness.tenants(space, "red", "blue")
	blue = config["networks"]["blue"]
	blue["nics"]["ear"] = {"switch": "lan", "attach": {"netns": str(space.namespace("ear"))}}
	weftd.apply(config)
	web, db = space.namespace("blue-web"), space.namespace("blue-db")
	web.reaches(DB)
	before = learned(weftd, "blue")
	with load(web, db), space.namespace("ear").packets("ear") as ear:
		for changed in changes(config, str(space.namespace("spare"))):
			weftd.apply(changed)
			time.sleep(0.1)
		# a table that was emptied would flood the stream
		strays = ear.receive(0.2, match=lambda frame: frame[:6] == bytes.fromhex("020000000011"))
	assert strays == []
	after = learned(weftd, "blue")
	assert {key: after.get(key) for key in before} == before


def test_change_beside_it_in_the_same_network(space, weftd):
	"""Another switch of the network, and another port of the same switch."""
	config = harness.tenants(space, "red")
	weftd.apply(config)
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches(DB)
	before = learned(weftd, "red")
	with load(web, db):
		for changed in changes(config, str(space.namespace("spare"))):
			weftd.apply(changed)
			time.sleep(0.1)
	after = learned(weftd, "red")
	assert {key: after.get(key) for key in before} == before


def test_refused_change_touches_nothing(space, weftd):
	config = harness.tenants(space, "red", "blue")
	weftd.apply(config)
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches(DB)
	running = weftd.api("/restconf/data/weft:networks?content=config")
	history = weftd.show("history")
	wrong = copy.deepcopy(config)
	wrong["networks"]["red"]["nics"]["cache"] = {"switch": "lna", "attach": {"netns": "none"}}
	with load(web, db):
		for text in (wrong, "networks: { red: [", "networks: { red: { switch: {} } }"):
			with pytest.raises(harness.ApiError) as refused:
				weftd.apply(text)
			assert 400 <= refused.value.status < 500
	assert weftd.api("/restconf/data/weft:networks?content=config") == running
	assert weftd.show("history") == history


def test_same_again_is_no_change(space, weftd):
	config = harness.tenants(space, "red")
	weftd.apply(config)
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches(DB)
	index = web.links()["web"]["ifindex"]
	with load(web, db, tcp=False):
		for _ in range(5):
			assert not weftd.apply(config).get("items")
	assert web.links()["web"]["ifindex"] == index


def test_rollback_under_load(space, weftd):
	config = harness.tenants(space, "red", "blue")
	weftd.apply(config)
	number = weftd.show("history")[0]["number"]
	web, db = space.namespace("blue-web"), space.namespace("blue-db")
	web.reaches(DB)
	with load(web, db):
		only_blue = {"networks": {"blue": config["networks"]["blue"]}}
		weftd.apply(only_blue)
		assert {network["name"] for network in weftd.show("networks")} == {"blue"}
		weftd.operation("rollback", number=number)
	assert {network["name"] for network in weftd.show("networks")} == {"red", "blue"}
	space.namespace("red-web").reaches(DB)
