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

OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
OVS_PROGRAM = "/usr/lib/openvswitch-switch/ovs-vswitchd"
OVS_DPDK_PROGRAM = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"


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


class OpenVSwitch:
	"""Open vSwitch's userspace datapath with a database and sockets of its own."""

	def __init__(self, folder, namespace=None, dpdk=False, options=()):
		self.folder = Path(folder)
		self.folder.mkdir(parents=True)
		self.database = f"unix:{self.folder}/db.sock"
		self.namespace, self.processes = namespace, []
		self.env = {**os.environ, **{f"OVS_{name}": str(self.folder)
			for name in ("RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR")}}
		harness.run("ovsdb-tool", "create", self.folder / "conf.db", OVS_SCHEMA, env=self.env)
		self.spawn("ovsdb-server", f"--remote=p{self.database}", "--no-chdir",
			self.folder / "conf.db")
		harness.wait_until(lambda: (self.folder / "db.sock").exists(), 10, "ovsdb-server")
		self.vsctl("--no-wait", "init")
		for option in options:
			self.vsctl("--no-wait", "set", "Open_vSwitch", ".", f"other_config:{option}")
		words = [OVS_DPDK_PROGRAM if dpdk else OVS_PROGRAM, self.database, "--no-chdir",
			f"--unixctl={self.folder}/ctl"]
		self.switch = self.spawn(*(namespace.command(*words) if namespace else words))
		self.vsctl("set", "Open_vSwitch", ".", "other_config:ready=1")

	def spawn(self, *words):
		log = (self.folder / "log").open("a")
		process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log,
			stderr=log, env=self.env, preexec_fn=harness.die_with_parent)
		self.processes.append(process)
		return process

	def vsctl(self, *words):
		return harness.run("ovs-vsctl", f"--db={self.database}", *words, env=self.env, timeout=60)

	def appctl(self, *words):
		return harness.run("ovs-appctl", "-t", self.folder / "ctl", *words, env=self.env).stdout

	def add_bridge(self, name):
		self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev",
			"fail_mode=standalone")

	def close(self):
		for process in reversed(self.processes):
			process.terminate()
			try:
				process.wait(5)
			except subprocess.TimeoutExpired:
				process.kill()
				process.wait()
