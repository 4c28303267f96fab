# SPDX-License-Identifier: BSD-3-Clause
"""Loops: the storm stays inside its bounds, everybody else is well, and the loop is named."""
import itertools
import time

import pytest

import harness

DB = "10.0.0.11"


def three_parallel_links():
	ports = {f"p{n}": {} for n in range(3)}
	switches = {"s0": {"ports": dict(ports)}, "s1": {"ports": dict(ports)}}
	return switches, [{"ends": [f"s0:p{n}", f"s1:p{n}"]} for n in range(3)]


def full_mesh_of_four():
	pairs = list(itertools.combinations(range(4), 2))
	switches = {f"s{n}": {"ports": {f"to{m}": {} for m in range(4) if m != n}} for n in range(4)}
	return switches, [{"ends": [f"s{a}:to{b}", f"s{b}:to{a}"]} for a, b in pairs]


@pytest.mark.sanitize
@pytest.mark.parametrize("topology", [three_parallel_links, full_mesh_of_four],
	ids=["parallel", "mesh"])
def test_storm(space, weftd, topology):
	switches, links = topology()
	config = harness.tenants(space, "blue")
	config["networks"]["loop"] = {"switches": switches, "links": links, "nics": {
		name: {"switch": switch, "attach": {"netns": str(space.namespace(name))}}
		for name, switch in (("mouth", "s0"), ("ear", "s1"))}}
	web, db = space.namespace("blue-web"), space.namespace("blue-db")
	with weftd.events() as events:
		weftd.apply(config)
		web.reaches(DB)
		with space.namespace("mouth").packets("mouth") as mouth, \
				space.namespace("ear").packets("ear") as ear, \
				harness.NumberedStream(web, db, DB, rate=500) as stream:
			for number in range(100):
				mouth.send(harness.marked(f"STORM-{number}"))
				time.sleep(0.01)
				if number % 20 == 0:
					start = time.monotonic()
					weftd.show("system")
					assert time.monotonic() - start < 2 * harness.PATIENCE
			assert ear.receive(1, match=harness.is_marked("STORM-"), count=100)
		assert stream.lost == []
		assert weftd.alive()
		loops = [switch["loop"] for switch in weftd.show("switches", network="loop")]
		named = [loop for loop in loops if loop]
		assert named, loops
		assert all(len(loop["between"]) == 2 for loop in named)
		told = harness.wait_until(lambda: [event for event in events if event["kind"] == "loop"], 3,
			"event loop")
		assert "loop/" in told[0]["object"]
	shown = weftd.weft("show", "switches").stdout
	assert "loop" in shown.lower()
	reasons = {drop["reason"] for drop in weftd.show("drops", network="loop")}
	assert reasons & {"flood-budget", "hop-limit"}, reasons


def test_storm_ends(space, weftd):
	"""A loop multiplies what comes in, within bounds: it does not keep it."""
	switches, links = full_mesh_of_four()
	weftd.apply({"networks": {"loop": {"switches": switches, "links": links, "nics": {
		"mouth": {"switch": "s0", "attach": {"netns": str(space.namespace("mouth"))}}}}}})
	with space.namespace("mouth").packets("mouth") as mouth:
		mouth.send(*[harness.marked("STORM")] * 20)
		time.sleep(1)
		before = weftd.cpu_seconds()
		time.sleep(1)
		assert weftd.cpu_seconds() - before < 0.2
