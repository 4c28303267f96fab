# SPDX-License-Identifier: BSD-3-Clause
"""A firewall beside nftables and conntrack, 400 packets for each of hundreds of seeds: see
firewall_reference.c. SEEDS=N in the environment runs more of them, FIRST=N others."""
import os
import re

import harness

SEEDS = int(os.environ.get("SEEDS", "300"))
FIRST = int(os.environ.get("FIRST", "1"))
MALFORMED = {"bad-ip", "bad-flags", "bad-tcp-length", "bad-udp", "routing", "fragment-twice",
	"fragment-overlapping"}
SELDOM = {"fragment-after-overlap"}  # that one passes: what overlapped had come whole before


def test_verdicts():
	answer = harness.run(harness.BUILD / "tests/firewall_reference", FIRST, SEEDS, check=False,
		timeout=(60 + SEEDS) * harness.PATIENCE)
	assert answer.returncode == 0, answer.stdout[-8000:] + answer.stderr
	if SEEDS < 300:
		return
	# it has tried what it says it tries, and nothing of the list is there without need
	told = re.findall(r"^kind (\S+) +(\d+) drops +(\d+) passes", answer.stdout, re.M)
	assert len(told) == 44
	for kind, dropped, passed in told:
		assert int(dropped) + int(passed) > 0, kind
		if kind not in SELDOM:
			assert (int(passed) > 0) == (kind not in MALFORMED), kind
	meant = re.findall(r"^meant (\S+) (\d+): ", answer.stdout, re.M)
	assert len(meant) == 19 and all(int(count) > 0 for _, count in meant), meant
