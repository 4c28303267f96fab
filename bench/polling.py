# SPDX-License-Identifier: BSD-3-Clause
"""Programs that poll without end on a core, measured in turn.

Each runs in a process of its own and stands still (SIGSTOP) but while it is measured. What a
packet costs is the processor time of the polling thread (schedstat) over the packets that it
forwarded meanwhile: a compiler on the same core takes cache from it, but not time.
"""
import contextlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import benchlib
import harness

CORE = int(os.environ.get("CORE", os.cpu_count() - 1))
CONTROL_CORE = int(os.environ.get("CONTROL_CORE", 0))
SECONDS = float(os.environ.get("SECONDS", "1"))
SETTLE = 0.3  # seconds: caches are warm again
FRAME = 64
SWITCH_BENCH = harness.BUILD / "bench/switch_bench"
MEMORY_MB = 1024 # of packets, for each


def hugepages():
	"""Whether there are enough for four processes; their file system is mounted if not yet."""
	free = int(re.search(r"HugePages_Free: *(\d+)", Path("/proc/meminfo").read_text())[1])
	if free * 2 < 4 * MEMORY_MB:
		return False
	if "hugetlbfs" not in Path("/proc/mounts").read_text():
		Path("/dev/hugepages").mkdir(exist_ok=True)
		harness.run("mount", "-t", "hugetlbfs", "hugepages", "/dev/hugepages")
	return True


HUGEPAGES = hugepages()


# ---- frames ---------------------------------------------------------------------------------------

def mac(prefix, number):
	return struct.pack("!BBI", 2, prefix, number)


def frame(number):
	"""UDP from station `number` to station `number` behind the way out, of 64 bytes."""
	length = FRAME - 14
	words = struct.pack("!BBHHHBBHII", 0x45, 0, length, 0, 0, 64, 17, 0,
		0x0a000001 + number, 0x14000001 + number)
	total = sum(struct.unpack("!10H", words))
	total = (total & 0xffff) + (total >> 16)
	words = words[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + words[12:]
	udp = struct.pack("!HHHH", 1024 + number % 50000, 5001, length - 20, 0)
	return mac(1, number) + mac(0, number) + b"\x08\x00" + words + udp.ljust(length - 20, b"\0")


def write_frames(path, pairs):
	"""Each pair's frame as often as any other's, in no order; more than a burst of them."""
	frames = [frame(number) for number in range(pairs)] * max(1, 2048 // pairs)
	random.Random(1).shuffle(frames)
	with open(path, "wb") as file:
		file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
		for data in frames:
			file.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)
	return path


def frames_in(path):
	return (path.stat().st_size - 24) // (FRAME + 16)


# ---- contestants ----------------------------------------------------------------------------------

class Contestant:
	"""A process with one thread that polls. count() tells the packets it forwarded so far."""

	def begin(self, words, **options):
		self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE,
			stdout=subprocess.PIPE, text=True, bufsize=1, preexec_fn=harness.die_with_parent,
			**options)
		self.pid = self.process.pid

	def ask(self, line=""):
		self.process.stdin.write(line + "\n")
		return self.process.stdout.readline()

	def thread_ns(self):
		"""Time on the processor, by thread."""
		return {path.parent: int(path.read_text().split()[0])
			for path in Path(f"/proc/{self.pid}/task").glob("*/schedstat")}

	def pause(self):
		os.kill(self.pid, signal.SIGSTOP)

	def resume(self):
		os.kill(self.pid, signal.SIGCONT)

	def sample(self, hertz, seconds=None):
		"""Resumes, measures, pauses. Cycles of the TSC per packet."""
		self.resume()
		time.sleep(SETTLE)
		packets, before = self.count(), self.thread_ns()
		time.sleep(seconds or SECONDS)
		packets, after = self.count() - packets, self.thread_ns()
		self.pause()
		ns = max(after[thread] - before.get(thread, 0) for thread in after)
		return ns * hertz / 1e9 / packets if packets > 0 else None

	def close(self):
		with contextlib.suppress(ProcessLookupError):
			self.resume()
		self.process.stdin.close()
		try:
			self.process.wait(20)
		except subprocess.TimeoutExpired:
			self.process.kill()
			self.process.wait()


class Weft(Contestant):
	"""bench/switch_bench.c; options -g: the generator and the sink alone. `then`: what follows."""

	def __init__(self, frames, *options, then=()):
		self.begin(["taskset", "-c", CORE, SWITCH_BENCH, *(["-H"] if HUGEPAGES else []),
			*options, frames, *then])
		self.ready = self.process.stdout.readline().split()
		if not self.ready:
			raise RuntimeError(f"switch_bench {' '.join(map(str, options))} did not start")
		self.hertz = int(self.ready[1])
		self.pause()

	def count(self):
		return int(self.ask())


class Testpmd(Contestant):
	"""The floor: MACs rewritten, nothing looked up."""

	def __init__(self, frames, mode="mac"):
		self.begin(["stdbuf", "-oL", "dpdk-testpmd", "-l", f"{CONTROL_CORE},{CORE}", "--main-lcore", CONTROL_CORE,
			"--no-pci", *self.memory(), "-m", MEMORY_MB, "--log-level=lib.eal:3",
			"--vdev", f"net_pcap0,rx_pcap={frames},infinite_rx=1",
			"--vdev", "net_null0,no-rx=1", "--", "--nb-cores=1", f"--forward-mode={mode}",
			f"--total-num-mbufs={frames_in(frames) + 16384}", "--port-topology=paired",
			"--auto-start", "-i"], stderr=subprocess.STDOUT)
		self.count()
		self.pause()

	@staticmethod
	def memory():
		return ["--in-memory"] if HUGEPAGES else ["--no-huge", "--no-shconf"]

	def count(self):
		"""What came in at port 0; what net_null would not take is dropped by nobody."""
		self.process.stdin.write("show port stats 0\n")
		for line in self.process.stdout:
			found = re.search(r"RX-packets: (\d+)", line)
			if found:
				return int(found[1])
		raise RuntimeError("testpmd ended")

	def close(self):
		with contextlib.suppress(BrokenPipeError):
			self.process.stdin.write("quit\n")
		super().close()


class OpenVSwitchDpdk(Contestant):
	"""Its userspace datapath: one polling thread, flow caches as they come, action NORMAL."""

	WARM_UP = 120 # seconds at most

	@staticmethod
	def start(folder, memory=MEMORY_MB):
		return benchlib.OpenVSwitch(folder, dpdk=True, options=[
			"dpdk-init=true", f"dpdk-lcore-mask={1 << CONTROL_CORE:#x}",
			f"pmd-cpu-mask={1 << CORE:#x}", "max-idle=3600000",
			f"dpdk-extra=--no-pci -m {memory} "
			f"{'' if HUGEPAGES else '--no-shconf --legacy-mem --no-huge'}"])

	def __init__(self, folder, frames, pairs):
		self.switch = self.start(folder)
		self.folder = folder
		self.pid = self.switch.switch.pid
		self.switch.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
			"fail_mode=standalone", "other_config:mac-table-size=262144",
			"other_config:mac-aging-time=3600")
		self.add_port("out", "net_null0,no-rx=1")
		self.add_stations("br0", "out", pairs)
		self.hold_still()
		self.add_port("in", f"net_pcap0,rx_pcap={frames},infinite_rx=1")
		self.warm_up()
		self.pause()

	def hold_still(self):
		"""It begins with a low limit of flows, and lowers it when it takes a busy machine, or a
		pause, for a slow revalidation: all flows fit, and no revalidation comes in between."""
		self.switch.appctl("upcall/set-flow-limit", 1000000)
		self.switch.appctl("revalidator/pause")

	def add_port(self, name, devargs, number=0):
		self.switch.vsctl("add-port", "br0", name, "--", "set", "Interface", name, "type=dpdk",
			f"options:dpdk-devargs={devargs}", *([f"ofport_request={number}"] if number else []))
		error = self.switch.vsctl("get", "Interface", name, "error").stdout.strip()
		if error != "[]":
			raise RuntimeError(f"Open vSwitch: {name}: {error}")

	def add_stations(self, bridge, port, count):
		"""Static MACs over one connection: ovs-appctl would be a process for each."""
		with socket.socket(socket.AF_UNIX) as control:
			control.connect(str(self.folder / "ctl"))
			answers = control.makefile("rb")
			for first in range(0, count, 100):
				numbers = range(first, min(first + 100, count))
				control.sendall("".join(json.dumps({"id": number, "method": "fdb/add",
					"params": [bridge, port, "0", mac(1, number).hex(":")]})
					for number in numbers).encode())
				self.take_answers(control, len(numbers))
			answers.close()

	def take_answers(self, control, count):
		decoder, text = json.JSONDecoder(), ""
		while count > 0:
			text += control.recv(65536).decode()
			with contextlib.suppress(ValueError):
				while text:
					answer, end = decoder.raw_decode(text)
					text = text[end:].lstrip()
					count -= 1
					if answer.get("error"):
						raise RuntimeError(f"Open vSwitch: fdb/add: {answer['error']}")

	def statistics(self):
		"""The polling thread's, of all time."""
		text = self.switch.appctl("dpif-netdev/pmd-stats-show").split("main thread")[0]
		def value(name):
			return int(re.search(name + r": *(\d+)", text)[1])
		return {"packets": value("packets received"), "emc": value("emc hits"),
			"megaflow": value("megaflow hits"),
			"missed": value("miss with success upcall") + value("miss with failed upcall")}

	def warm_up(self):
		"""Until no more packets go up to the slow path."""
		missed, end = None, time.monotonic() + self.WARM_UP
		while time.monotonic() < end:
			time.sleep(2)
			now = self.statistics()["missed"]
			if missed is not None and now - missed <= 10:
				return
			missed = now
		benchlib.say("Open vSwitch still sends packets up to its slow path")

	def count(self):
		return self.statistics()["packets"]

	def pause(self):
		for process in reversed(self.switch.processes):
			process.send_signal(signal.SIGSTOP)

	def resume(self):
		for process in self.switch.processes:
			process.send_signal(signal.SIGCONT)

	def close(self):
		with contextlib.suppress(Exception):
			self.resume()
		self.switch.close()


def ovs_version():
	return harness.run("ovs-vsctl", "--version").stdout.split("\n")[0].split()[-1]


# ---- rounds ---------------------------------------------------------------------------------------

def measure(contestants, hertz, rounds):
	"""Every contestant once a round; the medians, by name."""
	samples = {name: [] for name in contestants}
	for number in range(rounds):
		for name, contestant in contestants.items():
			samples[name].append(contestant.sample(hertz))
		benchlib.say(f"round {number + 1}: " + ", ".join(
			f"{name} {values[-1] or 0:.1f}" for name, values in samples.items()))
	return samples
