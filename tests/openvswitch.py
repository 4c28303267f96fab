# SPDX-License-Identifier: BSD-3-Clause
"""A private Open vSwitch, for interop tests and benches."""
import os
import subprocess
from pathlib import Path

import harness

OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
OVS_PROGRAM = "/usr/lib/openvswitch-switch/ovs-vswitchd"
OVS_DPDK_PROGRAM = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"


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
