# SPDX-License-Identifier: BSD-3-Clause
"""Two tenants with the same addresses: traffic inside each, and none across."""
import os
import re

import pytest
import harness

WEB, DB = "10.0.0.10", "10.0.0.11"


@pytest.fixture
def two(space, weftd):
	weftd.apply(harness.tenants(space, "red", "blue"))
	for name in ("red", "blue"):
		space.namespace(f"{name}-web").reaches(DB)
	return weftd


@pytest.mark.sanitize
def test_each_tenant_has_its_own_traffic(space, two):
	for name in ("red", "blue"):
		web, db = space.namespace(f"{name}-web"), space.namespace(f"{name}-db")
		assert web.ping(DB) == 3
		assert db.ping(WEB) == 3
		with db.iperf3_server():
			report = web.iperf3(DB, seconds=1)
			assert report["end"]["sum_received"]["bits_per_second"] > 10e6
			report = web.iperf3(DB, seconds=1, options=["-u", "-b", "20M"])
			assert report["end"]["sum"]["packets"] > 100


def test_tcp_carries_bytes_unbroken(space, two):
	"""Partial checksums and super-packets arrive right: the bytes are compared."""
	harness.check_tcp_bytes(space.namespace("red-web"), space.namespace("red-db"), DB)


@pytest.mark.sanitize
def test_nothing_crosses(space, two):
	"""Both tenants flood with every kind of frame at once; every vnic is looked at."""
	words = [f"{tenant}-{nic}" for tenant in ("red", "blue") for nic in ("web", "db")]
	ears = {word: space.namespace(word).packets(word.split("-")[1]) for word in words}
	marks = {"red": "MARK-OF-RED", "blue": "MARK-OF-BLUE"}
	for _ in range(20):
		for tenant, mark in marks.items():
			ears[f"{tenant}-web"].send(*harness.every_kind_of_frame(mark))
	heard = {word: ear.receive(1) for word, ear in ears.items()}
	for word, frames in heard.items():
		own = word.split("-")[0]
		for tenant, mark in marks.items():
			count = sum(map(harness.is_marked(mark), frames))
			if tenant != own:
				assert count == 0, f"{word} got {count} frames of {tenant}"
			elif word.endswith("db"):
				assert count >= 20, f"{word} got {count} frames of its own tenant"
	for ear in ears.values():
		ear.close()
	# what was learned of one tenant's frames is not in the other's tables
	for tenant in marks:
		ports = {entry["port"] for entry in two.show("macs", network=tenant)}
		assert all(port.startswith(f"{tenant}/") for port in ports)
	# web took the neighbour's MAC and answered for its address above: when the kernels ask anew,
	# and the neighbour speaks, all is as before
	for word in words:
		space.namespace(word).run("ip", "neigh", "flush", "all")
	for tenant in marks:
		space.namespace(f"{tenant}-db").ping(WEB, count=1)
		assert space.namespace(f"{tenant}-web").ping(DB) == 3


def test_demo_file_loads(space, weftd):
	"""examples/demo.yaml, in namespaces of the test's own, made and removed by weft."""
	text = (harness.ROOT / "examples/demo.yaml").read_text()
	assert re.search(r"netns: red-web", text) and re.search(r"netns: blue-db", text)
	weftd.apply(re.sub(r"netns: ((red|blue)-\w+)", lambda found:
		f"netns: {space.name(found.group(1))}", text), file="demo.yaml")
	for name in ("red", "blue"):
		web = harness.Namespace(space.name(f"{name}-web"), create=False)
		web.reaches(DB)
	weftd.apply("networks: {}")
	assert not [name for name in space.existing() if not name.endswith("-host")]


def test_demo_script():
	"""`make demo` as people run it, in a sandbox for its names are fixed."""
	done = harness.run(harness.ROOT / "tests/sandbox", harness.ROOT / "examples/demo.sh",
		timeout=100, check=False, env={**os.environ, "BUILD": str(harness.BUILD), "NO_COLOR": "1"})
	assert done.returncode == 0, done.stdout + done.stderr
