# SPDX-License-Identifier: BSD-3-Clause
"""A hundred tenants with the same names and addresses, each with a router between two switches,
under random change: who is not changed loses nothing, and nothing crosses."""
import contextlib
import copy
import os
import random
import socket
import threading
import time

import harness

TENANTS = 100
STEADY = {"t0": "10.0.2.10", "t1": "10.0.2.10", "t2": "2001:db8:2::10"}  # where their streams go
CHURNED = ("t3", "t4", "t5")  # with containers, like the steady ones
APPLIES = int(os.environ.get("WEFT_ISOLATION_APPLIES", "30"))


def mark_of(name):
	return f"<of {name}>".encode()


def tenant(space, name):
	def port(n, **more):
		return {"switch": f"s{n}", "ip": [f"10.0.{n}.1/24", f"2001:db8:{n}::1/64"], **more}
	config = {"switches": {"s1": {}, "s2": {}}, "nics": {},
		"routers": {"r": {"ports": {"p1": port(1), "p2": port(2)}, "routes": {}}}}
	if name in STEADY or name in CHURNED:
		for n, word in ((1, "web"), (2, "db")):
			config["nics"][word] = {"switch": f"s{n}", "mac": f"02:00:00:00:00:1{n}",
				"ip": [f"10.0.{n}.10/24", f"2001:db8:{n}::10/64"],
				"gateway": [f"10.0.{n}.1", f"2001:db8:{n}::1"],
				"attach": {"netns": str(space.namespace(f"{name}-{word}"))}}
	return config


class Watcher:
	"""Every frame that comes to any interface of a namespace."""

	def __init__(self, namespace):
		self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW,
			socket.htons(harness.ETH_P_ALL))
		self.socket.setsockopt(harness.SOL_PACKET, harness.PACKET_IGNORE_OUTGOING, 1)
		self.socket.setsockopt(socket.SOL_SOCKET, harness.SO_RCVBUFFORCE, 64 << 20)

	def frames(self):
		while True:
			try:
				yield self.socket.recv(65536, socket.MSG_DONTWAIT)
			except BlockingIOError:
				return
			except OSError:
				continue  # an interface went


class Chatter:
	"""Marked datagrams from a churned tenant's web to wherever, while it lasts."""

	ADDRESSES = ("10.0.2.10", "10.0.1.1", "10.0.2.77", "20.1.2.3", "20.200.0.1", "2001:db8:2::10",
		"2001:db9::7")

	def __init__(self, space, name):
		self.namespace, self.mark = space.namespace(f"{name}-web"), mark_of(name)
		self.stopping, self.sent = threading.Event(), 0
		self.thread = threading.Thread(target=self.run, daemon=True)
		self.thread.start()

	def run(self):
		sockets = {family: self.namespace.socket(family, socket.SOCK_DGRAM)
			for family in (socket.AF_INET, socket.AF_INET6)}
		while not self.stopping.wait(0.01):
			for address in self.ADDRESSES:
				family = socket.AF_INET6 if ":" in address else socket.AF_INET
				with contextlib.suppress(OSError):  # it has no interface, for the time being
					sockets[family].sendto(self.mark * 8, (address, 7001))
					self.sent += 1

	def stop(self):
		self.stopping.set()
		self.thread.join()


class Churn:
	"""Random changes to all tenants but the steady ones."""

	def __init__(self, space, seed):
		self.space, self.random = space, random.Random(seed)
		self.networks = {f"t{n}": tenant(space, f"t{n}") for n in range(TENANTS)}

	@property
	def config(self):
		return {"networks": self.networks}

	def change(self):
		for name in self.random.sample([f"t{n}" for n in range(len(STEADY), TENANTS)], 12) \
				+ [self.random.choice(CHURNED)]:
			if name not in self.networks:
				self.networks[name] = tenant(self.space, name)
			elif self.random.random() < 0.2:
				del self.networks[name]
			else:
				self.change_router(self.networks[name])

	def change_router(self, network):
		router = network["routers"]["r"]
		what = self.random.randrange(6)
		if what == 0:
			self.change_routes(router["routes"])
		elif what == 1:
			router["ports"]["p1"]["mtu"] = self.random.choice((1280, 1400, 1500, 9000))
		elif what == 2:
			router["ports"]["p2"]["ip"] = [f"10.0.2.{self.random.choice((1, 2, 3))}/24",
				"2001:db8:2::1/64"]
		elif what == 3 and "p3" in router["ports"]:
			del router["ports"]["p3"], network["switches"]["s3"]
		elif what == 3:
			network["switches"]["s3"] = {}
			router["ports"]["p3"] = {"switch": "s3", "ip": ["10.0.3.1/24"]}
		elif what == 4:
			router["ports"]["p1"]["urpf"] = self.random.choice(("off", "loose", "strict"))
		else:
			router["icmp-rate"] = self.random.randint(1, 10000)

	def change_routes(self, routes):
		for _ in range(5):
			prefix, via = self.random.choice(((f"20.{self.random.randrange(4)}.0.0/16", "10.0.2.10"),
				("20.0.0.0/8", "10.0.1.10"), ("2001:db9::/32", "2001:db8:2::10"),
				("0.0.0.0/0", "10.0.2.77")))
			if prefix in routes:
				del routes[prefix]
			else:
				routes[prefix] = self.random.choice(({"via": [via]}, {"via": [via]},
					{"type": "blackhole"}, {"type": "prohibit"}))


def test_hundred_tenants(space):
	churn = Churn(space, 1)
	weftd = space.start_weftd(churn.config)
	watchers = {(name, word): Watcher(space.namespace(f"{name}-{word}"))
		for name in (*STEADY, *CHURNED) for word in ("web", "db")}
	before = {name: copy.deepcopy(churn.networks[name]) for name in STEADY}
	for name, address in STEADY.items():
		space.namespace(f"{name}-web").reaches(address)
	with contextlib.ExitStack() as stack:
		streams = {}
		for name, address in STEADY.items():
			streams[name] = harness.NumberedStream(space.namespace(f"{name}-web"),
				space.namespace(f"{name}-db"), address, rate=300)
			streams[name].padding = mark_of(name) * 20
			stack.enter_context(streams[name])
		chatters = [Chatter(space, name) for name in CHURNED]
		for chatter in chatters:
			stack.callback(chatter.stop)
		for _ in range(APPLIES):
			churn.change()
			weftd.apply(churn.config)
			time.sleep(0.05)
	assert before == {name: churn.networks[name] for name in STEADY}
	for name, stream in streams.items():
		assert stream.lost == [], f"{name} lost {len(stream.lost)} of {stream.sent}"
		assert stream.duplicated == 0
	check_marks(watchers)
	assert all(chatter.sent > 100 for chatter in chatters)
	# and all are as they should be
	for name in CHURNED:
		churn.networks[name] = tenant(space, name)
	weftd.apply(churn.config)
	for name in CHURNED:
		space.namespace(f"{name}-web").reaches("10.0.2.10")
		space.namespace(f"{name}-web").reaches("2001:db8:2::10")


def check_marks(watchers):
	"""At each vnic what is marked is its own tenant's; and the watchers did see such."""
	marks = {name: mark_of(name) for name in (*STEADY, *CHURNED)}
	seen = dict.fromkeys(marks, 0)
	for (name, word), watcher in watchers.items():
		for frame in watcher.frames():
			for other, mark in marks.items():
				if mark in frame:
					assert other == name, f"{other}'s frame at {name}-{word}: {frame.hex()[:200]}"
					seen[name] += 1
	assert all(seen[name] > 500 for name in STEADY), seen
	assert all(seen[name] > 0 for name in CHURNED), seen
