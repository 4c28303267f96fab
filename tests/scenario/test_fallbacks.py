# SPDX-License-Identifier: BSD-3-Clause
"""Kernels that have less: Debian 12's (6.1) reads taps one by one and knows no UDP segmentation;
a container's seccomp profile refuses io_uring as a whole."""
import time

import pytest

import harness
from test_idle import processor_seconds

WEB, DB = "10.0.0.10", "10.0.0.11"


def check_traffic(space, weftd):
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches(DB)
	with harness.NumberedStream(web, db, DB) as stream, \
			harness.NumberedStream(db, web, WEB, port=7001) as back:
		harness.check_tcp_bytes(web, db, DB)
		harness.check_tcp_bytes(db, web, WEB, port=9001)
	for one in (stream, back):
		assert one.lost == []
		assert one.reordered == 0 and one.duplicated == 0
	time.sleep(1)
	before = processor_seconds(weftd.pid)
	time.sleep(2)
	assert processor_seconds(weftd.pid) - before < 0.1, "it does not sleep"
	assert web.ping(DB, count=10, interval=0.1) == 10


@pytest.mark.parametrize("workers", [1, 2])
def test_without_io_uring(space, workers):
	weftd = space.start_weftd(harness.tenants(space, "red"),
		options=["--workers", str(workers)], without=["io_uring"])
	assert {worker["waiter"] for worker in weftd.show("workers")} == {"epoll"}
	check_traffic(space, weftd)
	# taps that come and go leave the set of what is waited for in order
	for _ in range(3):
		weftd.apply({"networks": {}})
		weftd.apply(harness.tenants(space, "red"))
	check_traffic(space, weftd)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("lack", ["multishot reads", "buffer rings"])
def test_plain_reads_beside_writes_in_the_ring(space, workers, lack):
	weftd = space.start_weftd(harness.tenants(space, "red"),
		options=["--workers", str(workers)], without=[lack])
	assert {worker["waiter"] for worker in weftd.show("workers")} == {"io_uring"}
	has = weftd.show("system")["io-uring"]
	assert not has["read-multishot" if lack == "multishot reads" else "buffer-rings"]
	check_traffic(space, weftd)


@pytest.mark.parametrize("without", [["udp segmentation"], ["io_uring", "udp segmentation"]],
	ids=["ring", "plain"])
def test_without_udp_segmentation(space, without):
	weftd = space.start_weftd(harness.tenants(space, "red"), without=without)
	for nic in weftd.show("nics"):
		assert "uso" not in nic["offloads"] and "tso4" in nic["offloads"]
	check_traffic(space, weftd)
