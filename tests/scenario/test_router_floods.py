# SPDX-License-Identifier: BSD-3-Clause
"""A flood in one tenant's router is that tenant's problem: memory is bounded, another tenant loses
nothing, and the flooded one is well again afterwards. bench/floods has the figures."""
import re
from pathlib import Path

import pytest

import harness

FLOOD = harness.ROOT / "tests/flood.py"
RATE = 20000 // harness.PATIENCE  # the two other programs of the test need their share of the cores
SECONDS = 2
NEIGHBORS = 16384 if not harness.SANITIZED else 4096  # in the time, a slower one does not fill more
MEGABYTE = 1 << 20


def tenant(space, name):
	def port(n):
		return {"switch": f"s{n}", "ip": [f"10.{n}.0.1/16", f"2001:db8:{n}::1/64"],
			"mac": f"02:00:00:00:0{n}:01"}
	nics = {word: {"switch": f"s{n}", "ip": [f"10.{n}.0.{10 if n == 2 else 11}/16"],
		"gateway": [f"10.{n}.0.1"], "attach": {"netns": str(space.namespace(f"{name}-{word}"))}}
		for n, word in ((1, "web"), (2, "db"))}
	nics["evil"] = {"switch": "s1", "attach": {"netns": str(space.namespace(f"{name}-evil"))}}
	return {"quota": {"neighbors": NEIGHBORS}, "switches": {"s1": {}, "s2": {}}, "nics": nics,
		"routers": {"r": {"ports": {"p1": port(1), "p2": port(2)}}}}


def resident(weftd):
	status = Path(f"/proc/{weftd.pid}/status").read_text()
	return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10


def flood(space, kind):
	words = ("/usr/bin/python3", FLOOD, kind, "evil", SECONDS, "02:00:00:00:01:01", RATE)
	done = space.namespace("bad-evil").run(*words, timeout=60)
	sent = int(done.stdout.split()[-1])
	assert sent > RATE * SECONDS / 4, sent
	return sent


def drops(weftd, network):
	"""By reason. What kernels say to groups of their own accord is not counted."""
	counts = {}
	for drop in weftd.show("drops", network=network):
		counts[drop["reason"]] = counts.get(drop["reason"], 0) + drop["count"]
	counts.pop("multicast", None)
	return counts


@pytest.mark.parametrize("kind, reason", [("neighbors", "neighbor-limit"), ("ttl", "ttl-exceeded"),
	("fragments", "punt-rate"), ("senders", None)])
def test_flood(space, kind, reason):
	weftd = space.start_weftd({"networks": {name: tenant(space, name) for name in ("bad", "good")}})
	web, db = space.namespace("good-web"), space.namespace("good-db")
	for name in ("bad", "good"):
		space.namespace(f"{name}-web").reaches("10.2.0.10")
	before = drops(weftd, "good")
	with harness.NumberedStream(web, db, "10.2.0.10", rate=500) as stream:
		start = resident(weftd)
		sent = flood(space, kind)
		once = resident(weftd)
		flood(space, kind)
		twice = resident(weftd)
	assert stream.lost == [] and stream.duplicated == 0
	# nothing of it reaches the other tenant
	assert drops(weftd, "good") == before
	if reason:
		assert drops(weftd, "bad").get(reason, 0) > sent // 4, drops(weftd, "bad")
	if not harness.SANITIZED:
		assert once - start < 48 * MEGABYTE, f"{(once - start) / MEGABYTE:.1f} MB more"
		assert twice - once < 4 * MEGABYTE, f"{(twice - once) / MEGABYTE:.1f} MB more, the second time"
	print(f"{kind}: {sent} frames, {(once - start) >> 10} kB, then {(twice - once) >> 10} kB more")
	# who was known before is known again, or still
	space.namespace("bad-web").reaches("10.2.0.10", 60)
