# SPDX-License-Identifier: BSD-3-Clause
"""Several workers: queues spread over them, packets handed over, each flow in order."""
import pytest

import harness

WEB, DB = "10.0.0.10", "10.0.0.11"


@pytest.fixture(params=[1, 2], ids=["one queue", "two queues"])
def spread(space, request):
	config = harness.tenants(space, "red", "blue")
	for network in config["networks"].values():
		for nic in network["nics"].values():
			nic["queues"] = request.param
	weftd = space.start_weftd(config, options=["--workers", "2"])
	for name in ("red", "blue"):
		space.namespace(f"{name}-web").reaches(DB)
	return weftd


def test_all_workers_work_and_keep_the_order(space, spread):
	web, db = space.namespace("red-web"), space.namespace("red-db")
	streams = [harness.NumberedStream(web, db, DB, port=7000 + n, rate=1000) for n in range(4)]
	back = harness.NumberedStream(db, web, WEB, port=7100, rate=1000)
	with back:
		for stream in streams:
			stream.__enter__()
		with db.iperf3_server():
			# beside it as much TCP as goes, on several connections
			report = web.iperf3(DB, seconds=2, options=["-P", "4", "-b", "50M"])
		for stream in streams:
			stream.__exit__()
	assert report["end"]["sum_received"]["bits_per_second"] > 10e6
	for stream in [*streams, back]:
		assert stream.lost == []
		assert stream.reordered == 0 and stream.duplicated == 0
	workers = spread.show("workers")
	assert len(workers) == 2
	assert all(worker["packets"] > 0 for worker in workers), workers


def test_change_under_load_on_two_workers(space, spread):
	"""What a change swaps is in use by both."""
	config = harness.tenants(space, "red", "blue")
	spread.apply(config)
	web, db = space.namespace("blue-web"), space.namespace("blue-db")
	web.reaches(DB)
	spare = str(space.namespace("spare"))
	with harness.NumberedStream(web, db, DB) as stream:
		for number in range(10):
			red = config["networks"]["red"]
			red["nics"]["cache"] = {"switch": "lan", "ip": ["10.0.0.12/24"],
				"attach": {"netns": spare}}
			red["switches"]["lan"]["ageing-time"] = f"{100 + number}s"
			spread.apply(config)
			del red["nics"]["cache"]
			spread.apply(config)
	assert stream.lost == []
