# SPDX-License-Identifier: BSD-3-Clause
"""Two containers (network namespaces) with something between them: what is measured of it, and the
table. For the benches that put weft and its peers there, side by side in one run.

Every round measures every peer once; the table has the medians of the rounds, and of the ratios
weft : peer within a round. Sender, what is between and receiver share the machine's cores; nothing
is pinned but the polling thread of the peer that has one. MTU 1,500.
"""
import contextlib
import os
import sys
import time

import benchlib
import harness

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = float(os.environ.get("SECONDS", "3"))
NETBENCH = harness.BUILD / "bench/netbench"


class Setup:
	"""Containers a and b, and the namespace where what is between them runs. `gateways`: of a and
	b, where a router is between."""

	def __init__(self, space, ends, gateways=None):
		self.space, self.ends, self.gateways = space, ends, gateways
		self.a, self.b, self.host = (space.namespace(word) for word in ("a", "b", "host"))
		for namespace in (self.a, self.b, self.host):
			# no router solicitations in the middle of a measurement
			namespace.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
				"net.ipv6.conf.default.disable_ipv6=1")

	def addresses(self):
		for index, namespace in enumerate((self.a, self.b)):
			harness.run("ip", "-n", namespace, "addr", "add", f"{self.ends[index]}/24", "dev", "e0")
			harness.run("ip", "-n", namespace, "link", "set", "e0", "up")
			if self.gateways:
				harness.run("ip", "-n", namespace, "route", "add", "default", "via",
					self.gateways[index])

	def veths(self):
		for port, namespace in (("sa", self.a), ("sb", self.b)):
			harness.run("ip", "-n", self.host, "link", "add", port, "type", "veth", "peer", "name",
				"e0", "netns", namespace)
			harness.run("ip", "-n", self.host, "link", "set", port, "up")

	def openvswitch(self, *options):
		switch = benchlib.OpenVSwitch(self.space.folder / "ovs", self.host, options=options)
		switch.add_bridge("br0")
		return switch

	@contextlib.contextmanager
	def weft(self, config):
		daemon = self.space.start_weftd(config)
		try:
			yield daemon.pid
		finally:
			daemon.stop()


# key, heading, digits, whether more is better
FIGURES = [
	("tcp1", "TCP 1", 1, True),
	("tcp4", "TCP 4", 1, True),
	("rtt", "rtt", 0, False),
	("rtt99", "rtt 99 %", 0, False),
	("udp64", "UDP 64", 0, True),
	("cpu", "cpu TCP 1", 0, False),
	("idle", "cpu idle", 1, False),
]

LEGEND = """TCP 1, TCP 4: iperf3 with that many streams, Gbit/s received. rtt: one-byte TCP request and
answer, us, median and 99th percentile. UDP 64: 64-byte frames sent without pause, thousands that
reach the receiving socket in a second. cpu: processor time of the process, % of a core,
under TCP 1 and when idle (the kernel works in its users' time).
"""


def processor_share(pid, action):
	"""Runs action(); its result, and the processor time that pid took, in % of a core."""
	if pid is None:
		return action(), None
	before, start = benchlib.processor_seconds(pid), time.monotonic()
	result = action()
	return result, 100 * (benchlib.processor_seconds(pid) - before) / (time.monotonic() - start)


def tcp(setup, streams):
	report = setup.a.iperf3(setup.ends[1], SECONDS, options=["-P", streams])
	return report["end"]["sum_received"]["bits_per_second"] / 1e9


@contextlib.contextmanager
def background(namespace, *words):
	process = namespace.popen(*words)
	time.sleep(0.3)
	try:
		yield process
	finally:
		process.terminate()
		process.wait(5)


def measure(setup, pid):
	figures = {}
	setup.a.reaches(setup.ends[1], 10)
	figures["idle"] = processor_share(pid, lambda: time.sleep(2))[1]
	with setup.b.iperf3_server():
		figures["tcp1"], figures["cpu"] = processor_share(pid, lambda: tcp(setup, 1))
		figures["tcp4"] = tcp(setup, 4)
	with background(setup.b, NETBENCH, "answer", 7001):
		words = setup.a.run(NETBENCH, "ask", setup.ends[1], 7001, SECONDS, timeout=60).stdout.split()
		figures["rtt"], figures["rtt99"] = float(words[0]), float(words[1])
	with background(setup.b, NETBENCH, "receive", 7002, SECONDS + 1) as receiver:
		# 18 bytes of payload make a frame of 64 with its checksum
		setup.a.run(NETBENCH, "send", setup.ends[1], 7002, SECONDS, 18, timeout=60)
		figures["udp64"] = float(receiver.communicate(timeout=20)[0]) / 1e3
	return figures


def measure_all(peers, names, ends, gateways):
	"""A list of rounds, each {peer: {figure: value}}."""
	rounds = []
	for number in range(1, ROUNDS + 1):
		rounds.append({})
		for index, name in enumerate(names):
			space = harness.Space(f"bc{os.getpid()}-{index}")
			try:
				setup = Setup(space, ends, gateways)
				with peers[name](setup) as pid:
					figures = rounds[-1][name] = measure(setup, pid)
				benchlib.say(f"round {number}: {name}: " + ", ".join(f"{key} {value:.1f}"
					for key, value in figures.items() if value is not None))
			except (AssertionError, OSError) as error:
				benchlib.say(f"round {number}: {name}: not measured: {error}")
			finally:
				space.sweep()
	return rounds


def values_of(rounds, name, key):
	return [figures[name].get(key) for figures in rounds if name in figures]


def cell(rounds, name, key, digits):
	value = benchlib.median(values_of(rounds, name, key))
	return "-" if value is None else f"{value:.{digits}f}"


def ratio(rounds, name, key, more_is_better):
	pairs = [(figures["weft"].get(key), figures[name].get(key)) for figures in rounds
		if name in figures and "weft" in figures]
	ratios = [own / peer if more_is_better else peer / own for own, peer in pairs if own and peer]
	value = benchlib.median(ratios)
	return "-" if value is None else f"{value:.2f}"


def main(title, peers, names, ends, gateways=None):
	"""peers: {name: context manager of a Setup that gives the process's id, or None}, weft among
	them; `names` of those to measure, [] for all."""
	unknown = [name for name in names if name not in peers]
	if unknown:
		print(f"peers are: {', '.join(peers)}", file=sys.stderr)
		return 2
	names = names or list(peers)
	conditions = benchlib.conditions()
	rounds = measure_all(peers, names, ends, gateways)
	print(f"## {title}\n")
	print(f"{conditions}. Medians of {ROUNDS} rounds of {SECONDS:g} s a figure.\n")
	print(LEGEND)
	print(benchlib.table(["between them", *(figure[1] for figure in FIGURES)],
		[[name, *(cell(rounds, name, key, digits) for key, _, digits, _ in FIGURES)]
			for name in names]))
	others = [name for name in names if name != "weft"]
	if others and "weft" in names:
		compared = FIGURES[:5]
		print("\nHow many times better weft is (above 1: weft is ahead), median over the rounds:\n")
		print(benchlib.table(["weft against", *(figure[1] for figure in compared)],
			[[name, *(ratio(rounds, name, key, better) for key, _, _, better in compared)]
				for name in others]))
	missing = [name for name in names if not values_of(rounds, name, "tcp1")]
	if missing:
		print(f"\nNot measured: {', '.join(missing)}.")
	return 1 if "weft" in missing else 0

