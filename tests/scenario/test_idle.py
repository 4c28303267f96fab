# SPDX-License-Identifier: BSD-3-Clause
"""A quiet weft costs no processor."""
import time
from pathlib import Path

import harness


def processor_seconds(pid):
	"""Of all threads, to the nanosecond (the first field of schedstat)."""
	return sum(int(task.read_text().split()[0])
		for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def test_quiet_demo_takes_less_than_one_percent(space, weftd):
	weftd.apply(harness.tenants(space, "red", "blue"))
	web = space.namespace("red-web")
	web.reaches("10.0.0.11")
	time.sleep(2)  # neighbour discovery of the new interfaces
	before, start = processor_seconds(weftd.pid), time.monotonic()
	time.sleep(5)
	share = (processor_seconds(weftd.pid) - before) / (time.monotonic() - start)
	assert share < 0.01, f"{share:.2%} of a core"
	# and it wakes at once: the median round trip is far below a scheduler's tick
	assert web.ping("10.0.0.11", count=20, interval=0.1) == 20
