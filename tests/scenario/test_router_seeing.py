# SPDX-License-Identifier: BSD-3-Clause
"""Routers are seen: show, explain, events and metrics tell what they do."""
import json
import re

import harness
from test_router import routed

WEB, DB, R1, R2 = "10.0.1.10", "10.0.2.10", "10.0.1.1", "10.0.2.1"


def described(space):
	"""Two stations, a router with two ports in use, one that is not, and routes of all sorts."""
	config = routed(space)
	router = config["networks"]["red"]["routers"]["r"]
	router["description"] = "the way out"
	router["ports"]["p1"]["description"] = "to the web"
	router["ports"]["spare"] = {"ip": ["10.0.3.1/24"]}
	router["routes"] = {"172.16.0.0/12": {"via": [DB], "description": "behind the db"},
		"192.0.2.0/24": {"via": ["10.0.3.9"]},
		"198.51.100.0/24": {"type": "prohibit"}}
	return config


def test_show(space):
	weftd = space.start_weftd(described(space))
	space.namespace("red-web").reaches(DB)
	router, = weftd.show("routers")
	assert router["name"] == "red/r" and router["description"] == "the way out"
	assert (router["ports"], router["routes4"]) == (3, 4) and router["memory-bytes"] > 0
	routes = {route["prefix"]: route for route in weftd.show("routes", router="red/r", family="4")}
	assert routes["10.0.1.0/24"]["source"] == "connected" and routes["10.0.1.0/24"]["selected"]
	assert "10.0.3.0/24" not in routes  # nothing is attached there
	behind = routes["172.16.0.0/12"]
	assert behind["description"] == "behind the db" and behind["selected"]
	assert [(hop["gateway"], hop["port"], hop["usable"]) for hop in behind["next-hops"]] \
		== [(DB, "red/r:p2", True)]
	assert behind["next-hops"][0]["state"] in ("reachable", "stale", "delay")
	assert not routes["192.0.2.0/24"]["selected"] and "10.0.3.9" in routes["192.0.2.0/24"]["reason"]
	assert [route["prefix"] for route in weftd.show("routes", address="172.16.5.5")] \
		== ["172.16.0.0/12"]
	neighbors = {entry["address"]: entry for entry in weftd.show("neighbors", network="red")}
	macs = {nic["name"]: nic["mac"] for nic in weftd.show("nics")}
	assert neighbors[WEB]["mac"] == macs["red/web"] and neighbors[WEB]["port"] == "red/r:p1"
	assert neighbors[DB]["mac"] == macs["red/db"] and neighbors[DB]["gateway"]
	assert neighbors[WEB]["heard"] <= 60
	port = weftd.show("ports", "red/r:p1")
	assert port["description"] == "to the web" and "10.0.1.1/24" in port["addresses"]
	assert port["to"] == "red/s1:r.p1" and port["in-packets"] > 0
	assert weftd.show("links") == []
	# and for people
	table = weftd.weft("show", "routes", "red/r").stdout
	assert re.search(rf"^red/r +172\.16\.0\.0/12 +static .* yes +{DB} on p2$", table, re.M), table
	assert "the static route 192.0.2.0/24 is not in force" in table
	assert re.search(rf"^red/r:p1 +{WEB} +{macs['red/web']} ", weftd.weft("show", "neighbors").stdout, re.M)
	assert re.search(r"^red/r:p1 +link +red/s1:r\.p1 +- +10\.0\.1\.1/24 ",
		weftd.weft("show", "ports", "red/r").stdout, re.M)
	wrong = weftd.weft("show", "routes", "red/s1", check=False)
	assert wrong.returncode == 3 and "no router 'red/s1'" in wrong.stderr


def test_tables_are_whole(space):
	"""A line for each object of the API, under headings; a name shows one of them."""
	weftd = space.start_weftd(described(space))
	space.namespace("red-web").reaches(DB)
	for kind, key in (("routers", "name"), ("routes", "prefix"), ("neighbors", "address")):
		told = json.loads(weftd.weft("show", kind, "--json").stdout)
		heading, *lines = weftd.weft("show", kind).stdout.splitlines()
		assert heading == heading.upper() and told
		for one, line in zip(told, lines):
			assert f" {one[key]} " in f" {line} ", (kind, line)
		notes = lines[len(told):]
		assert len(notes) == (1 if kind == "routes" else 0), notes
	assert re.search(r"^description +the way out$", weftd.weft("show", "router", "red/r").stdout, re.M)
	addressed = json.loads(weftd.weft("show", "routes", "--address", "172.16.5.5", "--json").stdout)
	assert [route["prefix"] for route in addressed] == ["172.16.0.0/12"]
	exact = json.loads(weftd.weft("show", "routes", "red", "--prefix", "10.0.1.0/24", "-j").stdout)
	assert [route["source"] for route in exact] == ["connected"]
	wrong = weftd.weft("show", "routers", "--prefix", "10.0.0.0/8", check=False)
	assert wrong.returncode == 2 and "cannot be limited by --prefix" in wrong.stderr


def complete(weftd, *words):
	told = weftd.weft("__complete", *words).stdout.splitlines()
	return [line.split("\t")[0] for line in told]


def test_completion(space):
	weftd = space.start_weftd(described(space))
	assert complete(weftd, "show", "rout") == ["routers", "routes"]
	assert complete(weftd, "show", "routes", "") == ["red/r"]
	assert complete(weftd, "show", "routes", "--router", "") == ["red/r"]
	assert complete(weftd, "show", "neighbors", "--port", "red/r:") \
		== ["red/r:p1", "red/r:p2", "red/r:spare"]


def test_explain(space):
	"""Through the router, with the route, the neighbour and why; to it; and to nowhere."""
	weftd = space.start_weftd(described(space))
	space.namespace("red-web").reaches(DB)
	mac = {nic["name"]: nic["mac"] for nic in weftd.show("nics")}["red/db"]
	before = weftd.show("neighbors")
	done = weftd.weft("explain", "red/web", "to", DB, "tcp/443")
	assert "route 10.0.2.0/24 (connected): a neighbor on port p2" in done.stdout, done.stdout
	assert f"neighbor {DB} is at {mac} " in done.stdout and "sent" in done.stdout
	done = weftd.weft("explain", "red/web", "to", "172.16.5.5")
	assert f"route 172.16.0.0/12 (static): via {DB} on port p2" in done.stdout, done.stdout
	done = weftd.weft("explain", "red/web", "to", R2)
	assert "taken: echo request to the router" in done.stdout, done.stdout
	for address, why in (("198.51.100.1", "route-prohibited"), ("8.8.8.8", "no-route")):
		done = weftd.weft("explain", "red/web", "to", address, check=False)
		assert done.returncode == 1 and f"dropped: {why}" in done.stdout, done.stdout
	assert [entry["address"] for entry in weftd.show("neighbors")] \
		== [entry["address"] for entry in before]
	answer = json.loads(weftd.weft("explain", "red/web", "to", R1, "--json").stdout)
	assert answer["verdict"] == "taken at red/r:p1"


def test_address_conflict(space):
	"""A station that asks with the router's address as its own is told of, by its MAC."""
	weftd = space.start_weftd(described(space))
	web = space.namespace("red-web")
	web.reaches(R1)
	web.run("ip", "address", "add", f"{R1}/32", "dev", "web")
	mac = weftd.show("nics", "red/web")["mac"]
	with weftd.events() as events:
		def told():
			web.run("ping", "-c", "1", "-W", "1", "-I", R1, "10.0.1.99", check=False)
			return [event for event in events if event["kind"] == "address-conflict"]
		event = harness.wait_until(told, 10, "the event")[0]
	assert event["object"] == "red/r:p1" and event["severity"] == "warning"
	assert event["text"] == f"another station ({mac}) has an address of port red/r:p1"


def test_metrics(space):
	weftd = space.start_weftd(described(space))
	status, text = weftd.request("GET", "/metrics")
	assert status == 200
	for line in ('weft_network_routers{network="red"} 1',
			'weft_network_routes{network="red",family="4"} 4'):
		assert line in text.splitlines()
	assert re.search(r'^weft_network_neighbors\{network="red"\} \d+$', text, re.M)


def macs_of(weftd):
	return {port["name"]: port["mac"] for port in weftd.show("ports", network="red") if "mac" in port}


def test_macs_survive_a_restart(space):
	"""Neighbours' tables stay right: the same state folder, the same MACs; another, others."""
	config = described(space)
	weftd = space.start_weftd(config)
	first = macs_of(weftd)
	assert len(set(first.values())) == 3
	weftd.stop()
	weftd.start()
	assert macs_of(weftd) == first
	weftd.stop()
	other = space.start_weftd(config, "other")
	assert not set(macs_of(other).values()) & set(first.values())
