# SPDX-License-Identifier: BSD-3-Clause
"""What weft shows is what is: trace, explain, capture, monitor, test, doctor, show, metrics."""
import contextlib
import json
import re
import signal
import subprocess
import threading
import time

import pytest

import harness

WEB, DB, OUT = "10.0.0.10", "10.0.0.11", "10.0.0.12"
WEB_MAC, DB_MAC = "02:00:00:00:00:10", "02:00:00:00:00:11"
KINDS = ("networks", "switches", "ports", "nics", "uplinks", "links", "macs", "drops", "workers",
	"history", "system")


@pytest.fixture
def red(space, weftd):
	"""web and db on lan, out on dmz behind a link, and an uplink; nobody says anything by
	itself: without IPv6 kernels are quiet."""
	host = space.namespace("host")
	host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "far")
	for end in ("wire", "far"):
		host.run("ip", "link", "set", end, "addrgenmode", "none", "up")
	config = harness.tenants(space, "red")
	network = config["networks"]["red"]
	network["description"] = "what is looked at"
	network["nics"]["out"] = {"switch": "dmz", "ip": [f"{OUT}/24"],
		"attach": {"netns": str(space.namespace("red-out"))}}
	network["nics"]["web"]["vlan"] = 1
	network["switches"]["lan"]["ports"] = {"x": {}, "up": {"uplink": "wire", "uplink-vlan": 101}}
	network["switches"]["dmz"] = {"ports": {"y": {}}}
	network["links"] = [{"name": "between", "ends": ["lan:x", "dmz:y"]}]
	config["uplinks"] = {"wire": {"attach": {"interface": "wire"}}}
	for word in ("web", "db", "out"):
		# not sysctl(8), which is not everywhere
		space.namespace(f"red-{word}").run("sh", "-c",
			"echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
	weftd.apply(config)
	space.namespace("red-web").reaches(DB)
	space.namespace("red-web").reaches(OUT)
	return config


@contextlib.contextmanager
def following(weftd, *words, text=True):
	"""A `weft` that runs on; it ends with the block, if it has not by itself."""
	process = subprocess.Popen([str(harness.BUILD / "src/cli/weft"), "-S", str(weftd.socket),
		*map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
		text=text, env=weftd.env, preexec_fn=harness.die_with_parent)
	try:
		yield process
	finally:
		process.kill()
		process.communicate()


def until_done(process, again, seconds=20):
	"""Does it again and again until the process ends; returns what it printed."""
	end = time.monotonic() + seconds * harness.PATIENCE
	while process.poll() is None:
		assert time.monotonic() < end, "it did not end"
		again()
		time.sleep(0.02)
	out, error = process.communicate()
	assert process.returncode == 0, error
	return out


def tagged(frame, vlan=7):
	return frame[:12] + bytes([0x81, 0, 0, vlan]) + frame[12:]


# ---- packets

@pytest.mark.sanitize
def test_trace(space, weftd, red):
	web = space.namespace("red-web")
	with web.packets("web") as socket, following(weftd, "trace", "proto=icmp", f"dst={OUT}",
			"--count", "3") as process:
		def send():
			socket.send(harness.marked("NOT-THIS"))
			web.ping(DB, count=1)
			web.ping(OUT, count=1)
		told = until_done(process, send)
	packets = [packet for packet in told.split("\n\n") if packet.strip()]
	assert len(packets) == 3, told
	for packet in packets:
		first, *steps, verdict = packet.strip().splitlines()
		assert f"{WEB} > {OUT} icmp echo request" in first, packet
		where = [step.split()[0] for step in steps]
		assert where[0] == "red/lan:web" and where[-1] == "red/dmz:out", packet
		assert {"red/lan:x", "red/dmz:y"} <= set(where), packet
		assert "vnic web" in steps[0] and "vnic out" in steps[-1]
		assert verdict.strip() == "sent"


def test_trace_names_why_it_was_dropped(space, weftd, red):
	with space.namespace("red-web").packets("web") as socket:
		with following(weftd, "trace", "vlan=7", "--count", "2") as process:
			told = until_done(process, lambda: socket.send(tagged(harness.marked("DROP-ME"))))
		assert told.count("dropped: vlan-not-allowed") == 2
		assert "does not carry this VLAN" in told
		with following(weftd, "trace", "vlan=7", "--count", "1", "--json") as process:
			told = until_done(process, lambda: socket.send(tagged(harness.marked("DROP-ME"))))
	steps = [json.loads(line) for line in told.splitlines()]
	assert [step["verdict"] for step in steps][-1] == "dropped"
	assert steps[-1]["reason"] == "vlan-not-allowed" and steps[0]["where"] == "red/lan:web"
	assert "vlan 7" in steps[0]["describe"]
	wrong = weftd.weft("trace", "protoo=icmp", check=False)
	assert wrong.returncode == 2 and "proto" in wrong.stderr


def without_times(told):
	return re.sub(r"\d\d:\d\d:\d\d\.\d+", "", told)


def test_explain(space, weftd, red):
	before = counters(weftd)
	macs = {entry["mac"] for entry in weftd.show("macs")}
	with space.namespace("red-out").packets("out") as out:
		done = weftd.weft("explain", "red/web", "to", OUT, "tcp/443")
		assert "tcp" in done.stdout and f"> {OUT}:443" in done.stdout
		where = re.findall(r"^  (red/\S+)", done.stdout, re.M)
		assert where[0] == "red/lan:web" and where[-1] == "red/dmz:out"
		assert {"red/lan:x", "red/dmz:y"} <= set(where)
		dropped = weftd.weft("explain", "red/web", "to", DB, "--vlan", "7", check=False)
		assert dropped.returncode == 1 and "vlan-not-allowed" in dropped.stdout
		frame = harness.marked("BY-HAND", source="02:cc:00:00:00:01")
		done = weftd.weft("explain", "red/web", "--frame", frame.hex())
		assert "red/dmz:out" in done.stdout and "red/lan:db" in done.stdout
		assert not out.receive(0.2, match=lambda frame: frame[23] == 6 or b"BY-HAND" in frame)
	# nothing was sent, learned or counted
	assert counters(weftd) == before
	assert {entry["mac"] for entry in weftd.show("macs")} == macs
	for words in (("red/wbe", "to", DB), ("blue/web", "to", DB), ("red/web", "to", "10.0.0.77"),
			("red/web", "to", "dbb"), ("red/web", "to", "blue/db")):
		done = weftd.weft("explain", *words, check=False)
		assert done.returncode == 3, done
		assert words[0] == "red/web" and "." in words[2] or "there is no nic" in done.stderr \
			or "network red has no nic 'dbb'" in done.stderr, done
	by_address = weftd.weft("explain", "red/web", "to", DB, "udp/53").stdout
	for words in (("red/web", "to", "db"), ("red", "from", "web", "to", "red/db")):
		told = weftd.weft("explain", *words, "udp/53").stdout
		assert without_times(told) == without_times(by_address)
	answer = weftd.operation("explain", **{"from": "red/web", "to": DB})
	assert answer["verdict"].startswith("sent") and answer["steps"]


def read_back(file):
	"""Of each packet, as tshark sees it: interface, direction, comment, source, whole frame's length."""
	fields = ("frame.interface_name", "frame.packet_flags_direction", "frame.comment", "eth.src",
		"frame.len")
	words = [word for field in fields for word in ("-e", field)]
	done = harness.run("tshark", "-r", file, "-T", "fields", "-E", "separator=|", *words, timeout=60)
	return [line.split("|") for line in done.stdout.splitlines()]


def test_capture(space, weftd, red):
	web = space.namespace("red-web")
	web.run("ip", "neigh", "replace", OUT, "lladdr",
		space.namespace("red-out").links()["out"]["address"], "dev", "web")
	file = space.folder / "web.pcapng"
	with following(weftd, "capture", "red/lan:web", "proto=icmp", "-w", file, "--count",
			"8") as process:
		until_done(process, lambda: web.ping(OUT, count=1))
	packets = read_back(file)
	assert len(packets) == 8
	for interface, direction, comment, source, _ in packets:
		assert interface == "red/lan:web" and comment == ""
		assert int(direction, 16) == (1 if source == WEB_MAC else 2)
	assert {packet[3] == WEB_MAC for packet in packets} == {True, False}

	# a nic's name serves as well as its port's; several at once; drops say why
	file = space.folder / "many.pcapng"
	with web.packets("web") as socket, following(weftd, "capture", "red/web", "red/lan:x",
			"red/dmz:y", "-w", file, "--count", "30") as process:
		def send():
			socket.send(tagged(harness.marked("DROPPED")), harness.marked("FLOODED"))
		until_done(process, send)
	packets = read_back(file)
	assert len(packets) == 30
	assert {packet[0] for packet in packets} == {"red/lan:web", "red/lan:x", "red/dmz:y"}
	comments = {packet[2] for packet in packets} - {""}
	assert comments and all("vlan-not-allowed" in comment for comment in comments)
	flooded = [(packet[0], int(packet[1] or "0", 16) & 3) for packet in packets
		if packet[4] == "64" and not packet[2]]
	assert {("red/lan:web", 1), ("red/lan:x", 2), ("red/dmz:y", 1)} <= set(flooded)


def test_capture_into_a_pipe(space, weftd, red):
	web = space.namespace("red-web")
	file = space.folder / "pipe.pcapng"
	with following(weftd, "capture", "red/lan:db", "proto=icmp", "-w", "-", "--snaplen", "60",
			"--count", "4", text=False) as process:
		file.write_bytes(until_done(process, lambda: web.ping(DB, count=1)))
	packets = read_back(file)
	assert len(packets) == 4
	assert {packet[4] for packet in packets} == {"98"}, "the length on the wire is told"
	# Ctrl-C ends it, and what came until then is whole
	file = space.folder / "interrupted.pcapng"
	with following(weftd, "capture", "red/lan:db", "-w", file) as process:
		def some():
			web.ping(DB, count=1)
			return file.exists() and file.stat().st_size > 2000
		harness.wait_until(some, 10, "packets in the file")
		process.send_signal(signal.SIGINT)
		assert process.wait(10) == 0
	assert len(read_back(file)) >= 4
	wrong = weftd.weft("capture", "red/lan:wbe", "-w", space.folder / "none", check=False)
	assert wrong.returncode in (2, 3) and "red/lan:wbe" in wrong.stderr
	assert not (space.folder / "none").exists()


def test_explain_and_trace_of_a_nic_that_is_down(space, weftd, red):
	mac = weftd.show("nics", "red/db")["mac"]
	space.namespaces.pop("red-db").delete()
	harness.wait_until(lambda: weftd.show("nics", "red/db")["status"] == "degraded", 10)
	done = weftd.weft("explain", "red/web", "to", mac, check=False)
	assert done.returncode == 1, done.stdout
	assert "vnic db: dropped: the vnic is down" in done.stdout and "sent" not in done.stdout
	assert done.stdout.count("nic-down") == 1, "a single verdict is told once"
	with following(weftd, "trace", f"dst-mac={mac}", "--count", "1") as process:
		web = space.namespace("red-web")
		web.run("ip", "neigh", "replace", DB, "lladdr", mac, "dev", "web")
		harness.wait_until(lambda: web.ping(DB, count=1) == 0 and process.poll() is not None,
			10, "a packet was traced")
		assert "dropped: nic-down" in process.stdout.read()


# ---- events, tests, doctor

@pytest.mark.sanitize
def test_monitor(space, weftd, red):
	with following(weftd, "monitor") as process, following(weftd, "monitor", "--json") as second:
		lines, objects = [], []
		def read(stream, into, decode):
			for line in stream:
				into.append(decode(line))
		threads = [threading.Thread(target=read, args=arguments, daemon=True)
			for arguments in ((process.stdout, lines, str), (second.stdout, objects, json.loads))]
		for thread in threads:
			thread.start()
		def told(word, *also):
			return [line for line in lines if word in line and all(one in line for one in also)]
		# nothing says when it listens: change something until it does
		number = 0
		def change():
			nonlocal number
			number += 1
			red["networks"]["red"]["description"] = f"number {number}"
			weftd.apply(red)
			return told("apply", "configuration") and objects
		harness.wait_until(change, 10, "it tells of an apply")
		space.namespaces.pop("red-db").delete()
		harness.wait_until(lambda: told("nic-degraded", "red/db"), 10, "it tells of the nic")
		space.namespace("red-db")
		harness.wait_until(lambda: told("nic-up", "red/db"), 10, "it tells of the nic again")
		harness.wait_until(lambda: [event for event in objects if event["kind"] == "nic-up"
			and event["object"] == "red/db"], 10, "in JSON, too")
		assert {"time", "severity", "object", "text", "kind"} <= set(objects[0])
		process.send_signal(signal.SIGINT)
		assert process.wait(10) == 0


def test_test(space, weftd, red):
	tests = [
		{"name": "web to db", "from": "web", "ping": DB},
		{"from": "out", "ping": WEB},
		{"from": "web", "ping": "10.0.0.77", "expect": "blocked", "timeout": "300ms"},
		{"from": "web", "tcp": f"{DB}:7777", "expect": "closed"},
		{"from": "web", "udp": f"{DB}:7777", "expect": "closed"},
		{"from": "db", "tcp": f"{OUT}:8888"},
	]
	red["networks"]["red"]["tests"] = tests
	weftd.apply(red)
	listener = space.namespace("red-out").socket()
	listener.bind((OUT, 8888))
	listener.listen()
	done = weftd.weft("test")
	assert "6 of 6 tests hold" in done.stdout, done.stdout
	assert "web to db" in done.stdout
	results = [test["result"] for test in
		json.loads(weftd.weft("test", "red", "--json").stdout)["tests"]]
	assert results == ["reachable", "reachable", "blocked", "closed", "closed", "reachable"]
	# what does not hold any more
	listener.close()
	tests[0]["expect"] = "blocked"
	tests[3]["expect"] = "reachable"
	weftd.apply(red)
	done = weftd.weft("test", check=False)
	assert done.returncode == 1
	failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
	assert len(failed) == 3, done.stdout
	assert "expected blocked" in failed[0]
	assert "closed, expected reachable" in failed[1] and "closed, expected reachable" in failed[2]
	assert weftd.weft("test", "blue", check=False).returncode == 3
	# probes are nobody's: the kernels know nothing of them
	assert space.namespace("red-web").ping(DB) == 3


def test_doctor(space, weftd, red):
	done = weftd.weft("doctor", check=False)
	assert done.returncode == 0, done.stdout
	for check in ("cpu", "kernel", "rights", "tun", "weftd", "nics"):
		assert re.search(rf"^(ok  |warn)  {check} ", done.stdout, re.M), done.stdout
	findings = {finding["check"]: finding for finding in json.loads(
		weftd.weft("doctor", "--json").stdout)}
	assert "3, all up" in findings["nics"]["text"]
	red["networks"]["red"]["nics"]["late"] = {"switch": "lan", "attach": {"netns": space.name("none")}}
	weftd.apply(red)
	findings = {finding["check"]: finding for finding in json.loads(
		weftd.weft("doctor", "--json", check=False).stdout)}
	assert findings["nics"]["status"] != "ok"


# ---- show

def test_show_everything(space, weftd, red):
	with space.namespace("red-web").packets("web") as web:
		web.send(tagged(harness.marked("DROPPED")))
	harness.wait_until(lambda: weftd.show("drops"), 5, "the drop is counted")
	for kind in KINDS:
		told = json.loads(weftd.weft("show", kind, "--json").stdout)
		shown = weftd.weft("show", kind).stdout
		assert shown and told, kind
		if kind == "system":
			assert told["pid"] == weftd.pid and str(weftd.pid) in shown
			continue
		heading, *lines = shown.splitlines()
		assert heading == heading.upper(), heading
		assert len(lines) == len(told), shown
		for told_one, line in zip(told, lines):
			key = next(leaf for leaf in ("name", "number", "index", "mac", "port") if leaf in told_one)
			assert str(told_one[key]) in line, (kind, line)
			if "name" not in told_one and kind not in ("workers", "history"):
				continue
			name = told_one.get("name", told_one.get("index", told_one.get("number")))
			own = json.loads(weftd.weft("show", kind, name, "--json").stdout)
			assert set(own) == set(told_one)
			for leaf in ("name", "network", "status", "ends", "mtu", "description"):
				assert own.get(leaf) == told_one.get(leaf)
			assert str(name) in weftd.weft("show", kind, name).stdout
			# the singular does as well
			singular = {"switches": "switch"}.get(kind, kind.rstrip("s"))
			assert weftd.weft("show", singular, name).returncode == 0
	for kind, name in (("ports", "red/lan:wbe"), ("nics", "red/wbe"), ("networks", "rde"),
			("switches", "red/lna"), ("uplinks", "wrie"), ("links", "red/betwen"), ("workers", "99")):
		done = weftd.weft("show", kind, name, check=False)
		assert done.returncode == 3 and done.stderr, (kind, done)
	assert weftd.weft("show", "prots", check=False).returncode == 2


def test_show_is_true(space, weftd, red):
	port = weftd.show("ports", "red/lan:web")
	assert (port["attachment"], port["to"], port["vlan-mode"], port["vlan"]) == (
		"nic", "red/web", "access", 1)
	port = weftd.show("ports", "red/lan:x")
	assert (port["attachment"], port["to"]) == ("link", "red/dmz:y")
	port = weftd.show("ports", "red/lan:up")
	assert (port["attachment"], port["to"], port["uplink-vlan"]) == ("uplink", "wire", 101)
	nic = weftd.show("nics", "red/web")
	assert (nic["driver"], nic["mac"], nic["addresses"], nic["port"], nic["interface"]) == (
		"tap", WEB_MAC, [f"{WEB}/24"], "red/lan:web", "web")
	assert set(weftd.show("links", "red/between")["ends"]) == {"red/lan:x", "red/dmz:y"}
	assert weftd.show("networks", "red")["description"] == "what is looked at"
	macs = {(entry["switch"], entry["mac"]): entry["port"] for entry in weftd.show("macs")}
	assert macs["red/lan", WEB_MAC] == "red/lan:web"
	assert macs["red/dmz", WEB_MAC] == "red/dmz:y"
	only = json.loads(weftd.weft("show", "macs", "-s", "red/dmz", "--json").stdout)
	assert {entry["switch"] for entry in only} == {"red/dmz"}
	assert "configuration" in weftd.weft("show", "system").stdout


# ---- counters

def counters(weftd):
	"""By port, without what is zero."""
	return {port["name"]: {**{leaf: port[leaf] for leaf in ("in-packets", "in-bytes", "out-packets",
		"out-bytes")}, "drops": port["drops"]} for port in weftd.show("ports")}


def settled(weftd):
	"""Counters that have come to rest."""
	before = counters(weftd)
	def same():
		nonlocal before
		time.sleep(0.1)
		now, before = before, counters(weftd)
		return now == before
	harness.wait_until(same, 10, "nobody sends anything")
	return before


def grown(before, after):
	return {port: {leaf: after[port][leaf] - before[port][leaf] for leaf in after[port]
		if leaf != "drops" and after[port][leaf] != before[port][leaf]} for port in after}


@pytest.mark.sanitize
def test_counters_are_exact(space, weftd, red):
	before = settled(weftd)
	nic_before = weftd.show("nics", "red/web")["out-packets"]
	came = before["red/lan:web"]["in-packets"]
	frame = harness.marked("COUNTED", destination=DB_MAC, source=WEB_MAC)
	with space.namespace("red-web").packets("web") as web:
		for turn in range(10):
			web.send(*[frame] * 100)
			web.send(*[harness.marked("FLOODED", source=WEB_MAC)] * 10)
			web.send(*[tagged(frame)] * 5)
			web.send(*[harness.marked("BAD", source="01:00:00:00:00:01")] * 3)
			# the queue of a tap is 500 frames: what is too much for it weft never sees
			harness.wait_until(lambda: weftd.show("ports", "red/lan:web")["in-packets"] - came
				== 118 * (turn + 1), 5, "what was sent has come")
	after = settled(weftd)
	size = len(frame)
	def out(packets):
		return {"out-packets": packets, "out-bytes": packets * size}
	assert grown(before, after) == {
		"red/lan:web": {"in-packets": 1180, "in-bytes": 1180 * size + 50 * 4},
		"red/lan:db": out(1100),
		"red/lan:x": out(100),
		"red/lan:up": out(100),
		"red/dmz:y": {"in-packets": 100, "in-bytes": 100 * size},
		"red/dmz:out": out(100),
	}
	assert after["red/lan:web"]["drops"] == {"vlan-not-allowed": 50, "bad-source-mac": 30}
	assert weftd.show("nics", "red/web")["out-packets"] - nic_before == 1180
	drops = {(drop["port"], drop["reason"]): drop["count"] for drop in weftd.show("drops")}
	assert drops["red/lan:web", "vlan-not-allowed"] == 50
	shown = weftd.weft("show", "drops", "-r", "bad-source-mac").stdout.splitlines()
	assert len(shown) == 2 and shown[1].split()[:3] == ["red/lan:web", "bad-source-mac", "30"]
	check_metrics(weftd)


SAMPLE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$')


def check_metrics(weftd):
	"""They parse, each has its head, none comes twice, and they agree with what show says."""
	samples, kinds = {}, {}
	for line in weftd.api("/metrics").splitlines():
		if line.startswith("# TYPE "):
			_, _, name, kind = line.split()
			assert name not in kinds
			kinds[name] = kind
		elif not line.startswith("# HELP "):
			found = SAMPLE.match(line)
			assert found, line
			name, labels, value = found.groups()
			assert name in kinds, line
			assert kinds[name] != "counter" or name.endswith("_total"), line
			key = name, frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))
			assert key not in samples, line
			samples[key] = float(value)

	def value(name, **labels):
		return samples[name, frozenset(labels.items())]

	for port in weftd.show("ports"):
		labels = {"network": port["network"], "device": port["device"],
			"port": port["name"].split(":")[1]}
		for leaf in ("in-packets", "in-bytes", "out-packets", "out-bytes"):
			name = f"weft_port_{leaf.replace('-', '_')}_total"
			assert value(name, **labels) == port[leaf], (name, port)
		for reason, count in port["drops"].items():
			assert value("weft_port_dropped_packets_total", reason=reason, **labels) == count
	for nic in weftd.show("nics"):
		for status in ("up", "degraded", "down"):
			assert value("weft_nic_status", network=nic["network"], nic=nic["name"].split("/")[1],
				status=status) == (nic["status"] == status)
	for switch in weftd.show("switches"):
		labels = {"network": switch["network"], "switch": switch["name"].split("/")[1]}
		assert value("weft_switch_macs", **labels) == switch["macs"]
		assert value("weft_switch_mac_limit", **labels) == switch["mac-limit"]
	for network in weftd.show("networks"):
		assert value("weft_network_macs", network=network["name"]) == network["macs"]
	for uplink in weftd.show("uplinks"):
		assert value("weft_uplink_in_packets_total", uplink=uplink["name"]) == uplink["in-packets"]
	system = weftd.show("system")
	assert value("weft_build_info", version=system["version"]) == 1
	assert value("weft_configuration_number") == system["configuration"]
	assert value("weft_configuration_unconfirmed") == 0
	assert value("weft_resident_memory_bytes") > 1 << 20


# ---- many

def test_a_hundred_containers(space, weftd):
	"""One network, applied in one go: all of them reach each other."""
	count = 100
	places = [space.namespace(f"c{number}") for number in range(count)]
	addresses = [f"10.0.{number // 50}.{number % 50 + 1}" for number in range(count)]
	config = {"networks": {"red": {"switches": {"lan": {}}, "nics": {
		f"c{number}": {"switch": "lan", "ip": [f"{addresses[number]}/16"],
			"attach": {"netns": str(places[number]), "name": "eth0"}} for number in range(count)}}}}
	answer = weftd.apply(config)
	assert not answer["degraded"]
	assert {nic["status"] for nic in weftd.show("nics")} == {"up"}
	# each pings the next one, so each is reached and reaches; and one pings all
	pings = [place.popen("ping", "-n", "-c", 10, "-i", 0.2, "-W", 1, addresses[(number + 1) % count])
		for number, place in enumerate(places)]
	for number, ping in enumerate(pings):
		out, _ = ping.communicate(timeout=60)
		assert re.search(r"([1-9]\d*) received", out), f"c{number}: {out}"
	for number in range(1, count):
		places[0].reaches(addresses[number])
	assert weftd.show("networks", "red")["macs"] == count
	# all gone in one go
	weftd.apply("networks: {}")
	assert [place.name for place in places if place.links()] == []


def test_two_thousand_switches(space, weftd):
	"""In one go, and in the same daemon a tenant that does not feel it."""
	config = harness.tenants(space, "red")
	weftd.apply(config)
	web = space.namespace("red-web")
	web.reaches(DB)
	config["networks"]["many"] = {
		"switches": {f"s{number}": {"ports": {"a": {}, "b": {}}} for number in range(2000)},
		"links": [{"ends": [f"s{number}:b", f"s{number + 1}:a"]} for number in range(1999)],
		"nics": {f"n{number}": {"switch": f"s{number}", "ip": [f"10.0.0.{number + 1}/24"],
			"attach": {"netns": str(space.namespace(f"n{number}"))}} for number in (0, 1, 9)}}
	with harness.NumberedStream(web, space.namespace("red-db"), DB, rate=1000) as stream:
		answer = weftd.apply(config, timeout=100)
		assert answer["changes"] >= 4000
		assert len(weftd.show("switches", network="many")) == 2000
		space.namespace("n0").reaches("10.0.0.2")
		space.namespace("n0").reaches("10.0.0.10")
		assert "red/lan" in weftd.weft("show", "switches").stdout
		del config["networks"]["many"]
		weftd.apply(config, timeout=100)
	assert stream.lost == []
	assert [switch["name"] for switch in weftd.show("switches")] == ["red/lan"]
