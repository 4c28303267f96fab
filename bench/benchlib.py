# SPDX-License-Identifier: BSD-3-Clause
"""What the benches share: medians, tables, conditions, and a private Open vSwitch."""
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import harness  # noqa: E402
from openvswitch import OpenVSwitch  # noqa: E402, F401

def say(text):
	"""Progress, on stderr: the table alone goes to stdout."""
	print(f"# {text}", file=sys.stderr, flush=True)


def median(values):
	values = [value for value in values if value is not None]
	return statistics.median(values) if values else None


def table(head, rows):
	"""A Markdown table, its columns lined up."""
	rows = [list(map(str, row)) for row in rows]
	widths = [max(map(len, column)) for column in zip(head, *rows)]
	def line(cells):
		return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
	return "\n".join([line(head), "| " + " | ".join("-" * width for width in widths) + " |",
		*map(line, rows)])


def ratio(value, base):
	return f"{value / base:.2f}" if value and base else "-"


def conditions():
	"""One line: on what this was measured."""
	cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
		if line.startswith("model name")), platform.machine())
	version = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT,
		capture_output=True, text=True).stdout.strip()
	return (f"{cpu}, {os.cpu_count()} cores, kernel {platform.release()}, "
		f"{time.strftime('%Y-%m-%d')}, weft {version}, load before {os.getloadavg()[0]:.1f}")


def processor_seconds(pid):
	"""User and system time of a process, all its threads."""
	fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
	return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
