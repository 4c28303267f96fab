# SPDX-License-Identifier: BSD-3-Clause
"""A tenant that floods through many vnics, as fast as it can, takes no more of a worker than its
part: another tenant's traffic loses nothing, and goes on when the flood has ended. bench/floods has
the figures, tests/unit/test_share.c the bounds."""
import contextlib

import pytest

import harness

FLOOD = harness.ROOT / "tests/flood.py"
VNICS = 12
SECONDS = 3
ROUTER_MAC = "02:00:00:00:00:01"


def tenant(space, name, vnics):
	nics = {word: {"switch": "lan", "ip": [f"10.1.0.{n}/16"],
		"attach": {"netns": str(space.namespace(f"{name}-{word}"))}}
		for n, word in ((10, "web"), (11, "db"))}
	nics |= {nic: {"switch": "lan", "attach": {"netns": str(space.namespace(f"{name}-evil"))}}
		for nic in evil(vnics)}
	return {"switches": {"lan": {}}, "nics": nics}


def evil(count):
	return [f"evil{n}" for n in range(count)]


@contextlib.contextmanager
def flooding(space, name, count):
	words = ("/usr/bin/python3", FLOOD, "senders", ",".join(evil(count)), SECONDS, ROUTER_MAC, 0)
	# the other programs of the test need their part of the cores
	flood = space.namespace(f"{name}-evil").popen("nice", "-n", "19", *words)
	try:
		assert flood.stdout.readline().strip() == "ready"
		yield
		# each frame becomes a copy for each vnic: far more than a worker can do
		assert int(flood.communicate(timeout=60)[0]) > 20000 // harness.PATIENCE
	finally:
		flood.kill()
		flood.wait()


@pytest.mark.parametrize("without", [(), ("multishot reads",), ("io_uring",)],
	ids=["io_uring", "plain reads", "epoll"])
def test_flood_through_many_vnics(space, without):
	config = {"system": {"workers": 1}, "networks": {"bad": tenant(space, "bad", VNICS),
		"good": tenant(space, "good", 0)}}
	weftd = space.start_weftd(config, without=without)
	web, db = space.namespace("good-web"), space.namespace("good-db")
	web.reaches("10.1.0.11")
	with harness.NumberedStream(web, db, "10.1.0.11", rate=300 // harness.PATIENCE) as stream:
		with flooding(space, "bad", VNICS):
			pass
	assert stream.lost == [] and stream.duplicated == 0
	assert not [drop for drop in weftd.show("drops", network="good")
		if drop["reason"] in ("graph-full", "no-buffer")]
	# the flooded one is served again, too
	space.namespace("bad-web").reaches("10.1.0.11", 60)
