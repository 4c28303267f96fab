# SPDX-License-Identifier: BSD-3-Clause
"""What scenario and interop tests stand on: namespaces, packets, traffic, and a real weftd.

Environment: WEFT_BUILD names the build folder (default build); with ASAN_OPTIONS set it is taken
for a sanitizer build, and waits are longer.
"""
import contextlib
import ctypes
import errno
import http.client
import json
import logging
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

# scapy warns of routes that it does not need
logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.all import (ARP, BOOTP, DHCP, ICMP, IP, LLC, STP, TCP, UDP, Dot1AD, Dot1Q, Dot3, Ether,
	ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, Raw)

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("WEFT_BUILD") or ROOT / "build").absolute()
SANITIZED = "ASAN_OPTIONS" in os.environ
PATIENCE = 4 if SANITIZED else 1

PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
SOL_PACKET = 263
PACKET_AUXDATA, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 8, 15, 23
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33

libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
	libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# What an older kernel, or a container's seccomp profile, does not have: system call, its second
# and third argument if it depends on them (the latter by any of these bits), the answer.
LACKS = {
	"io_uring": (425, None, None, errno.ENOSYS),  # io_uring_setup
	# io_uring_register: PROBE tells of READ_MULTISHOT (Linux 6.7); PBUF_RING is of 5.19
	"multishot reads": (427, 8, None, errno.EINVAL),
	"buffer rings": (427, 22, None, errno.EINVAL),
	# socket(AF_NETLINK, ..., NETLINK_NETFILTER)
	"nftables": ({"x86_64": 41}.get(os.uname().machine, 198), None, 12, errno.EPERM),
	# ioctl TUNSETOFFLOAD with USO4 or USO6, of 6.2
	"udp segmentation": ({"x86_64": 16}.get(os.uname().machine, 29), 0x400454D0, 0x60,
		errno.EINVAL),
}


def do_without(names):
	"""Makes the kernel refuse these (names of LACKS) to the process and what it starts."""
	load, equal, any_of, give, allow = 0x20, 0x15, 0x45, 0x06, 0x7FFF0000
	program = []
	for number, second, third, code in (LACKS[name] for name in names):
		# offsets in struct seccomp_data: the number, the lower halves of the arguments
		tests = [(0, equal, number), (24, equal, second), (32, any_of, third)]
		tests = [test for test in tests if test[2] is not None]
		for left, (offset, kind, value) in zip(range(len(tests), 0, -1), tests):
			program += [(load, 0, 0, offset), (kind, 0, 2 * left - 1, value)]
		program.append((give, 0, 0, 0x00050000 | code))
	program.append((give, 0, 0, allow))
	bytecode = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step)
		for step in program))
	head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(bytecode))
	if libc.prctl(22, 2, ctypes.c_char_p(head), 0, 0) != 0:  # PR_SET_SECCOMP, of a filter
		raise OSError(ctypes.get_errno(), "seccomp")


def run(*words, timeout=30, check=True, **options):
	"""Runs a program; output as text. What it said is in the error if it fails."""
	options = {"stdin": subprocess.DEVNULL, **options} if "input" not in options else options
	done = subprocess.run([str(word) for word in words], timeout=timeout, text=True,
		stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
	if check and done.returncode != 0:
		raise AssertionError(f"{' '.join(map(str, words))}: exit status {done.returncode}\n"
			f"{done.stdout}{done.stderr}")
	return done


def wait_until(condition, timeout=5, what="condition"):
	"""Waits until condition() is true, and returns its value."""
	end = time.monotonic() + timeout * PATIENCE
	while True:
		value = condition()
		if value:
			return value
		if time.monotonic() > end:
			raise AssertionError(f"not within {timeout * PATIENCE} s: {what}")
		time.sleep(0.02)


def is_stopped(pid):
	"""Whether SIGSTOP has reached every thread."""
	return all(stat.read_text().rsplit(")", 1)[1].split()[0] == "T"
		for stat in Path(f"/proc/{pid}/task").glob("*/stat"))


class Namespace:
	"""A network namespace with a name under /run/netns."""

	def __init__(self, name, create=True):
		self.name = name
		self.path = f"/run/netns/{name}"
		if create:
			run("ip", "netns", "add", name)
			run("ip", "-n", name, "link", "set", "lo", "up")

	def __str__(self):
		return self.name

	def command(self, *words):
		# nsenter, not `ip netns exec`: that hides namespaces that the program makes
		return ["nsenter", f"--net={self.path}", *map(str, words)]

	def run(self, *words, **options):
		return run(*self.command(*words), **options)

	def popen(self, *words, **options):
		options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
			"stderr": subprocess.STDOUT, "text": True, **options}
		return subprocess.Popen(self.command(*words), preexec_fn=die_with_parent, **options)

	@contextlib.contextmanager
	def entered(self):
		"""The calling thread is in this namespace; sockets made now stay in it."""
		with open("/proc/thread-self/ns/net") as before, open(self.path) as inside:
			if libc.setns(inside.fileno(), CLONE_NEWNET) != 0:
				raise OSError(ctypes.get_errno(), f"setns {self.name}")
			try:
				yield
			finally:
				libc.setns(before.fileno(), CLONE_NEWNET)

	def socket(self, *arguments):
		with self.entered():
			return socket.socket(*arguments)

	def packets(self, interface, vnet_header=False):
		return PacketSocket(self, interface, vnet_header)

	def links(self):
		"""Interfaces but lo, by name, as `ip -d -j link` tells them."""
		links = json.loads(run("ip", "-n", self.name, "-d", "-j", "link").stdout or "[]")
		return {link["ifname"]: link for link in links if link.get("ifname", "lo") != "lo"}

	def addresses(self, interface):
		"""Addresses with prefix length, link-local ones left out."""
		links = json.loads(run("ip", "-n", self.name, "-j", "addr", "show", interface).stdout)
		return [f"{info['local']}/{info['prefixlen']}" for link in links
			for info in link.get("addr_info", []) if info["scope"] != "link"]

	def ping(self, address, count=3, interval=0.05, timeout=1, options=()):
		"""Answers received of `count` requests."""
		done = self.run("ping", "-n", "-c", count, "-i", interval, "-W", timeout * PATIENCE,
			*options, address, check=False, timeout=60 * PATIENCE)
		found = re.search(r"(\d+) received", done.stdout)
		return int(found.group(1)) if found else 0

	def reaches(self, address, timeout=5):
		"""Waits until the address answers a ping."""
		wait_until(lambda: self.ping(address, count=1, timeout=0.3), timeout,
			f"{address} answers {self.name}")

	@contextlib.contextmanager
	def iperf3_server(self, port=5201):
		server = self.popen("iperf3", "-s", "-p", port, "--forceflush")
		try:
			for line in server.stdout:
				if "listening" in line:
					break
			threading.Thread(target=server.stdout.read, daemon=True).start()
			yield server
		finally:
			server.terminate()
			server.wait(5)

	def iperf3(self, address, seconds=2, port=5201, options=()):
		"""Runs a client; the decoded JSON of its report."""
		for _ in range(50):
			done = self.run("iperf3", "-c", address, "-p", port, "-t", seconds, "-J", *options,
				timeout=seconds + 30, check=False)
			report = json.loads(done.stdout or "{}")
			if "busy" not in report.get("error", ""):
				break
			time.sleep(0.1)  # with the end of the test before
		assert "error" not in report and "end" in report, f"iperf3: {done.stdout[-400:]}{done.stderr}"
		return report

	def delete(self):
		run("ip", "netns", "del", self.name, check=False)


class PacketSocket:
	"""Whole frames, sent and received on an interface; VLAN tags are put back where they were."""

	def __init__(self, namespace, interface, vnet_header=False):
		self.vnet_header = vnet_header
		self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
		set_option = self.socket.setsockopt
		set_option(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
		set_option(SOL_PACKET, PACKET_AUXDATA, 1)
		if vnet_header:
			set_option(SOL_PACKET, PACKET_VNET_HDR, 1)
		set_option(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
		with namespace.entered():
			self.socket.bind((interface, ETH_P_ALL))

	def send(self, *frames):
		for frame in frames:
			self.socket.send(bytes(frame))

	def receive(self, seconds=0.5, count=None, match=None):
		"""Frames that come within the time, at most `count`, only those that match(frame)."""
		frames = []
		end = time.monotonic() + seconds * PATIENCE
		while count is None or len(frames) < count:
			left = end - time.monotonic()
			if left <= 0:
				break
			self.socket.settimeout(left)
			try:
				frame, control, _, _ = self.socket.recvmsg(1 << 17, 128)
			except (TimeoutError, BlockingIOError):
				break
			frame = self.with_tag(frame, control)
			if match is None or match(frame):
				frames.append(frame)
		return frames

	def with_tag(self, frame, control):
		for level, kind, data in control:
			if level != SOL_PACKET or kind != PACKET_AUXDATA:
				continue
			status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
			if status & TP_STATUS_VLAN_VALID:
				tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
				at = 12 + (10 if self.vnet_header else 0)
				return frame[:at] + struct.pack("!HH", tpid, tci) + frame[at:]
		return frame

	def close(self):
		self.socket.close()

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.close()


class NumberedStream:
	"""UDP datagrams with sequence numbers from one namespace to another, at a steady rate.

	with NumberedStream(web, db, "10.0.0.11") as stream:
		...
	assert stream.lost == []
	"""

	def __init__(self, source, destination, address, port=7000, rate=2000, size=200):
		family = socket.AF_INET6 if ":" in address else socket.AF_INET
		self.address, self.rate, self.padding = (address, port), rate, bytes(max(size - 8, 0))
		self.receiver = destination.socket(family, socket.SOCK_DGRAM)
		self.receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
		self.receiver.bind(("", port))
		self.receiver.settimeout(0.05)
		self.sender = source.socket(family, socket.SOCK_DGRAM)
		self.sent, self.arrived = 0, []
		self.stopping, self.ended = threading.Event(), threading.Event()
		self.threads = [threading.Thread(target=target, daemon=True)
			for target in (self.receive, self.send)]

	def send(self):
		start = time.monotonic()
		while not self.stopping.is_set():
			due = int((time.monotonic() - start) * self.rate)
			while self.sent < due:
				try:
					self.sender.sendto(struct.pack("!Q", self.sent) + self.padding, self.address)
				except OSError:
					pass  # counts as lost
				self.sent += 1
			time.sleep(0.001)

	def receive(self):
		while not self.ended.is_set():
			with contextlib.suppress(TimeoutError):
				self.arrived.append(struct.unpack("!Q", self.receiver.recv(65536)[:8])[0])

	def __enter__(self):
		for thread in self.threads:
			thread.start()
		wait_until(lambda: self.arrived, 5, "first datagram of the stream")
		return self

	def __exit__(self, *_):
		self.stopping.set()
		self.threads[1].join()
		end = time.monotonic() + 2 * PATIENCE
		while time.monotonic() < end and self.sent - 1 not in self.arrived[-64:]:
			time.sleep(0.02)
		self.ended.set()
		self.threads[0].join()
		self.sender.close()
		self.receiver.close()

	@property
	def lost(self):
		"""Numbers that never came, counted from the first one that did (ARP comes before it)."""
		return sorted(set(range(min(self.arrived), self.sent)) - set(self.arrived))

	@property
	def duplicated(self):
		return len(self.arrived) - len(set(self.arrived))

	@property
	def reordered(self):
		return sum(later < earlier for earlier, later in zip(self.arrived, self.arrived[1:]))


class ApiError(Exception):
	def __init__(self, status, body):
		super().__init__(f"HTTP {status}: {body}")
		self.status, self.body = status, body


class UnixConnection(http.client.HTTPConnection):
	def __init__(self, path, timeout):
		super().__init__("weft", timeout=timeout)
		self.path = str(path)

	def connect(self):
		self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		self.sock.settimeout(self.timeout)
		self.sock.connect(self.path)


class Weftd:
	"""A real weftd with socket, state and log in a folder of its own."""

	SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:|Sanitizer:DEADLYSIGNAL")

	def __init__(self, folder, namespace=None, options=(), env=None, without=()):
		self.without = without
		self.folder = Path(folder)
		self.folder.mkdir(parents=True, exist_ok=True)
		self.namespace = namespace
		self.socket = self.folder / "sock"
		self.state = self.folder / "state"
		self.log_file = self.folder / "log"
		self.options, self.env = options, {**os.environ, "NO_COLOR": "1", **(env or {})}
		self.process = None

	def start(self, config=None, wait=True):
		"""config as in apply()."""
		words = [BUILD / "src/daemon/weftd", "--socket", self.socket, "--state", self.state,
			*self.options]
		if config is not None:
			file = self.folder / "config.yaml"
			file.write_text(as_yaml(config))
			words += ["--config", file]
		words = [str(word) for word in words]
		if self.namespace:
			words = self.namespace.command(*words)
		def prepare():
			die_with_parent()
			if self.without:
				do_without(self.without)

		with self.log_file.open("a") as log:
			self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
				stderr=log, env=self.env, preexec_fn=prepare)
		(self.folder / "pid").write_text(str(self.process.pid))
		if wait:
			self.wait_ready()
		return self

	def wait_ready(self):
		def ready():
			assert self.process.poll() is None, f"weftd ended: {self.process.returncode}\n{self.log}"
			with contextlib.suppress(OSError, http.client.HTTPException):
				return self.request("GET", "/restconf/data/weft-state:system")[0] == 200
		wait_until(ready, 10, "weftd is ready")

	@property
	def pid(self):
		return self.process.pid

	@property
	def log(self):
		return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

	# ---- talking to it

	def request(self, method, path, body=None, timeout=30):
		"""Status and body, as they come."""
		connection = UnixConnection(self.socket, timeout * PATIENCE)
		try:
			headers = {"Accept": "application/yang-data+json"}
			if body is not None:
				body = body if isinstance(body, (str, bytes)) else json.dumps(body)
				headers["Content-Type"] = "application/yang-data+json"
			connection.request(method, path, body, headers)
			answer = connection.getresponse()
			return answer.status, answer.read().decode(errors="replace")
		finally:
			connection.close()

	def api(self, path, method=None, body=None, timeout=30):
		"""Decoded answer; ApiError for a status of 400 and above."""
		method = method or ("GET" if body is None else "POST")
		status, text = self.request(method, path, body, timeout)
		try:
			decoded = json.loads(text) if text.strip() else None
		except ValueError:
			decoded = text
		if status >= 400:
			raise ApiError(status, decoded)
		return decoded

	def operation(self, name, timeout=60, **input):
		answer = self.api(f"/restconf/operations/weft:{name}", "POST", {"weft:input": input}, timeout)
		return (answer or {}).get("weft:output", {})

	def apply(self, configuration, file="test.yaml", **input):
		"""A configuration is YAML, or the same as dictionaries and lists."""
		return self.operation("apply", file=file, yaml=as_yaml(configuration), **input)

	def show(self, kind, name=None, **filters):
		"""Objects of a kind as the API tells them; one of them when it is named."""
		path = f"/restconf/data/weft-state:{kind}"
		if name is not None:
			path += "=" + re.sub(r"[^\w.-]", lambda found: f"%{ord(found.group()):02X}", name)
		if filters:
			path += "?" + "&".join(f"{key}={value}" for key, value in filters.items())
		objects = self.api(path)[f"weft-state:{kind}"]
		if name is None:
			return objects
		return objects[0] if isinstance(objects, list) else objects

	def weft(self, *words, check=True, timeout=30, **options):
		"""Runs the command line."""
		env = {**self.env, "WEFT_SOCKET": str(self.socket)}
		return run(BUILD / "src/cli/weft", *words, check=check, timeout=timeout * PATIENCE, env=env,
			**options)

	@contextlib.contextmanager
	def events(self):
		"""A list that fills with the events of /streams/events as they come."""
		stream = EventStream(self.socket)
		try:
			yield stream.events
		finally:
			stream.close()

	# ---- looking at it from outside

	def cpu_seconds(self):
		fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
		return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

	def open_files(self):
		return len(os.listdir(f"/proc/{self.pid}/fd"))

	# ---- ending it

	def alive(self):
		return self.process is not None and self.process.poll() is None

	def stop(self, timeout=10):
		"""SIGTERM; returns the exit status."""
		if self.alive():
			self.process.send_signal(signal.SIGTERM)
		try:
			return self.process.wait(timeout * PATIENCE)
		except subprocess.TimeoutExpired:
			self.process.kill()
			self.process.wait()
			raise AssertionError(f"weftd did not end within {timeout * PATIENCE} s\n{self.log}")

	def kill(self):
		"""As a crash does: it can clean up nothing."""
		self.process.kill()
		self.process.wait()

	def finish(self):
		"""What every test wants to hold at its end: a clean exit."""
		if self.process is None:
			return
		was_killed = self.process.poll() == -signal.SIGKILL
		status = self.process.returncode if was_killed else self.stop()
		reports = [line for line in self.log.splitlines() if self.SANITIZER.search(line)]
		assert not reports, f"sanitizer: {reports}\n{self.log}"
		assert was_killed or status == 0, f"weftd ended with {status}\n{self.log}"


class EventStream:
	"""Server-sent events, read by a thread."""

	def __init__(self, path, url="/streams/events"):
		self.events = []
		self.connection = UnixConnection(path, None)
		self.connection.request("GET", url, headers={"Accept": "text/event-stream"})
		self.answer = self.connection.getresponse()
		self.thread = threading.Thread(target=self.read, daemon=True)
		self.thread.start()

	def read(self):
		kind = None
		with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
			for line in self.answer:
				line = line.decode().rstrip("\r\n")
				if line.startswith("event:"):
					kind = line[6:].strip()
				elif line.startswith("data:"):
					self.events.append({"kind": kind, **json.loads(line[5:])})

	def close(self):
		with contextlib.suppress(OSError):
			self.connection.sock.shutdown(socket.SHUT_RDWR)
		self.thread.join(2)
		self.connection.close()


def as_yaml(configuration):
	# JSON is YAML
	return configuration if isinstance(configuration, str) else json.dumps(configuration, indent=1)


def tenant(space, name):
	"""A network's configuration: web (10.0.0.10) and db (10.0.0.11) on a switch, each in a
	namespace of the test's named NAME-web, NAME-db. Tenants differ in nothing but namespaces."""
	def nic(word, last):
		return {"switch": "lan", "ip": [f"10.0.0.{last}/24"], "mac": f"02:00:00:00:00:{last}",
			"attach": {"netns": str(space.namespace(f"{name}-{word}"))}}
	return {"switches": {"lan": {}}, "nics": {"web": nic("web", 10), "db": nic("db", 11)}}


def tenants(space, *names):
	return {"networks": {name: tenant(space, name) for name in names}}


def marked(mark, destination="ff:ff:ff:ff:ff:ff", source="02:aa:00:00:00:01", kind=0x88B5):
	"""A frame that is_marked() knows again: of an ethertype for experiments (IEEE 802)."""
	return (bytes.fromhex(destination.replace(":", "") + source.replace(":", ""))
		+ struct.pack("!H", kind) + mark.encode().ljust(50, b"."))


def is_marked(mark):
	return lambda frame: mark.encode() in frame


def check_tcp_bytes(source, destination, address, port=9000, size=8 << 20):
	"""Sends random bytes over TCP; they must arrive, and the same."""
	sent, received = os.urandom(size), bytearray()
	listener = destination.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
	listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	listener.bind((address, port))
	listener.listen()

	def take():
		connection, _ = listener.accept()
		while data := connection.recv(1 << 18):
			received.extend(data)
		connection.close()

	thread = threading.Thread(target=take, daemon=True)
	thread.start()
	sender = source.socket(listener.family)
	sender.settimeout(30 * PATIENCE)
	sender.connect((address, port))
	sender.sendall(sent)
	sender.close()
	thread.join(30 * PATIENCE)
	listener.close()
	assert bytes(received) == sent, f"{len(received)} of {len(sent)} bytes came, or others"


def every_kind_of_frame(mark, own_ip="10.0.0.10", other_ip="10.0.0.11", other_mac="02:00:00:00:00:11",
		vlans=(0, 1, 2, 101, 4094, 4095)):
	"""Frames that a tenant could send to get out, as bytes: all marked, 50 bytes at least."""
	note = Raw(mark.encode().ljust(40, b"."))
	own, broadcast = "02:aa:00:00:00:01", "ff:ff:ff:ff:ff:ff"
	absent = "02:00:00:00:77:77"
	def ether(to, source=own, **fields):
		return Ether(src=source, dst=to, **fields)
	frames = [
		ether(broadcast) / ARP(op=1, hwsrc=own, psrc=own_ip, pdst=other_ip) / note,
		ether(broadcast) / ARP(op=2, hwsrc=own, psrc=other_ip, pdst=other_ip, hwdst=broadcast) / note,
		ether(broadcast) / IP(src=own_ip, dst="255.255.255.255") / UDP(sport=68, dport=67)
			/ BOOTP(op=1) / DHCP(options=[("message-type", "discover"), "end"]) / note,
		ether(broadcast) / IP(src=own_ip, dst="10.0.0.255") / ICMP() / note,
		ether(other_mac) / IP(src=own_ip, dst=other_ip) / UDP(sport=1, dport=2) / note,
		ether(other_mac) / IP(src=own_ip, dst=other_ip) / TCP(dport=80, flags="S") / note,
		ether(absent) / IP(src=own_ip, dst="10.0.0.77") / UDP() / note,
		ether("01:00:5e:00:00:fb") / IP(src=own_ip, dst="224.0.0.251") / UDP(dport=5353) / note,
		ether("33:33:ff:00:00:01") / IPv6(dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt="fe80::1") / note,
		ether("33:33:00:00:00:01") / IPv6(dst="ff02::1") / ICMPv6EchoRequest() / note,
		Dot3(src=own, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP() / note,
		ether("01:80:c2:00:00:0e", type=0x88CC) / note,
		ether(broadcast, type=0x9000) / note,
		# the neighbour's own MAC as source: it must not draw the other tenant's traffic here
		ether(broadcast, source=other_mac) / IP(src=other_ip, dst="10.0.0.255") / UDP() / note,
	]
	for vlan in vlans:
		frames.append(ether(broadcast) / Dot1Q(vlan=vlan) / IP(src=own_ip, dst=other_ip) / UDP() / note)
		frames.append(ether(broadcast) / Dot1AD(vlan=vlan) / Dot1Q(vlan=7) / IP(dst=other_ip) / note)
	return [bytes(frame) for frame in frames]


class Space:
	"""One test's own names: a folder, namespaces, daemons; all of it taken away at its end."""

	def __init__(self, prefix):
		self.prefix = prefix
		self.folder = Path("/tmp") / f"weft-{prefix}"
		self.namespaces, self.daemons = {}, []
		self.sweep()
		self.folder.mkdir()

	def name(self, word):
		"""A name that no other test has: of a namespace, or (15 letters at most) an interface."""
		return f"{self.prefix}-{word}"

	def namespace(self, word, create=True):
		"""The namespace of that name, made if it is not there."""
		if word not in self.namespaces:
			self.namespaces[word] = Namespace(self.name(word), create)
		return self.namespaces[word]

	def existing(self):
		folder = Path("/run/netns")
		return sorted(path.name for path in folder.glob(f"{self.prefix}-*")) if folder.exists() else []

	def start_weftd(self, config=None, name="weftd", namespace="host", options=(), env=None,
			wait=True, without=()):
		"""Starts a weftd inside a namespace of the test (None: where the test itself runs), on a
		kernel that does not have what `without` names (see LACKS)."""
		inside = self.namespace(namespace) if namespace else None
		weftd = Weftd(self.folder / name, inside, options, env, without)
		self.daemons.append(weftd)
		return weftd.start(config, wait)

	def close(self, failed):
		try:
			for weftd in self.daemons:
				if failed and weftd.alive():
					weftd.kill()
				elif not failed:
					weftd.finish()
			if not failed:
				self.check_nothing_left()
		finally:
			if failed:
				for weftd in self.daemons:
					print(f"---- log of weftd {weftd.folder.name}\n{weftd.log[-8000:]}")
			self.sweep()

	def check_nothing_left(self):
		if any(weftd.process.returncode == -signal.SIGKILL for weftd in self.daemons if weftd.process):
			return  # the last one was killed: nobody was there to clean up
		own = {namespace.name for namespace in self.namespaces.values()}
		made = [name for name in self.existing() if name not in own]
		assert not made, f"weftd left namespaces behind: {made}"
		# those of weft carry its mark; peers have taps of their own
		taps = [f"{name}: {link}" for name in self.existing()
			for link, info in Namespace(name, create=False).links().items()
			if info.get("ifalias", "").startswith("weft:")]
		assert not taps, f"weftd left taps behind: {taps}"

	def sweep(self):
		"""Takes away what this test, or a run of it that was killed, has left."""
		for pid_file in self.folder.glob("*/pid"):
			pid = pid_file.read_text()
			with contextlib.suppress(OSError):
				if str(self.folder) in Path(f"/proc/{pid}/cmdline").read_text():
					os.kill(int(pid), signal.SIGKILL)
		for name in self.existing():
			for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
				with contextlib.suppress(OSError):
					os.kill(int(pid), signal.SIGKILL)
			run("ip", "netns", "del", name, check=False)
		shutil.rmtree(self.folder, ignore_errors=True)
