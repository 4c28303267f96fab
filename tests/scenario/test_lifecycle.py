# SPDX-License-Identifier: BSD-3-Clause
"""weftd's life: starting, crashing, coming back, ending; and changes that move what is there."""
import contextlib
import copy
import http.client
import json
import os
import signal
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

import harness

WEB, DB = "10.0.0.10", "10.0.0.11"


@pytest.fixture
def red(space, weftd):
	"""A tenant that runs: its configuration."""
	config = harness.tenants(space, "red")
	weftd.apply(config)
	space.namespace("red-web").reaches(DB)
	return config


def with_cache(space, config, name="cache"):
	"""The same, with one nic more."""
	config = copy.deepcopy(config)
	config["networks"]["red"]["nics"][name] = {"switch": "lan", "ip": ["10.0.0.12/24"],
		"attach": {"netns": str(space.namespace(f"red-{name}"))}}
	return config


def nics(weftd):
	return {nic["name"] for nic in weftd.show("nics")}


def identity(space, word):
	"""What a tap that is taken back keeps."""
	namespace, name = space.namespace(word), word.split("-")[1]
	link = namespace.links()[name]
	return link["ifindex"], link["address"], namespace.addresses(name)


@contextlib.contextmanager
def undisturbed(source, destination, address=DB):
	"""A stream of datagrams from one to the other, none of which is lost."""
	with harness.NumberedStream(source, destination, address, rate=1000) as stream:
		yield stream
	assert stream.lost == [], f"{len(stream.lost)} of {stream.sent} lost"
	assert stream.duplicated == 0


# ---- crashes

@pytest.mark.sanitize
def test_killed_under_traffic_and_started_again(space, weftd, red):
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.run("ip", "addr", "add", "10.9.9.9/32", "dev", "web")  # somebody else's
	before = {word: identity(space, word) for word in ("red-web", "red-db")}
	with harness.NumberedStream(web, db, DB) as stream:
		weftd.kill()
		assert {word: identity(space, word) for word in before} == before
		arrived = len(stream.arrived)
		weftd.start()
		harness.wait_until(lambda: len(stream.arrived) > arrived + 100, 5, "traffic flows again")
	assert {word: identity(space, word) for word in before} == before
	assert weftd.show("system")["configuration"] == 1
	assert {nic["name"]: nic["status"] for nic in weftd.show("nics")} == {
		"red/web": "up", "red/db": "up"}
	assert "is taken back" in weftd.log
	assert "were removed" not in weftd.log
	harness.check_tcp_bytes(web, db, DB, size=1 << 20)


def test_killed_inside_the_confirm_window(space, weftd, red):
	"""The configuration before it comes back, and what the other one had made is gone."""
	weftd.apply(with_cache(space, red), **{"confirm-timeout": 300})
	cache = space.namespace("red-cache")
	harness.wait_until(lambda: "cache" in cache.links(), 5, "the new nic is there")
	web = identity(space, "red-web")
	weftd.kill()
	weftd.start()
	assert nics(weftd) == {"red/web", "red/db"}
	assert cache.links() == {}
	assert identity(space, "red-web") == web
	space.namespace("red-web").reaches(DB)
	assert weftd.show("system")["unconfirmed"] is None
	running = [entry for entry in weftd.show("history") if entry["running"]]
	assert [entry["unconfirmed"] for entry in running] == [False]
	with pytest.raises(harness.ApiError) as refused:
		weftd.operation("confirm")
	assert refused.value.status == 409


def test_killed_before_the_first_configuration_is_confirmed(space, weftd):
	weftd.apply(harness.tenants(space, "red"), **{"confirm-timeout": 300})
	weftd.kill()
	weftd.start()
	assert weftd.show("networks") == []
	assert space.namespace("red-web").links() == {}


def test_killed_in_the_middle_of_an_apply(space, weftd, red):
	"""Whatever the moment: what ran before comes back, or what was applied."""
	both = {True: with_cache(space, red), False: red}
	cache, wanted = space.namespace("red-cache"), False
	for turn in range(12):
		def apply(config=both[not wanted]):
			with contextlib.suppress(OSError, http.client.HTTPException):
				weftd.apply(config)
		thread = threading.Thread(target=apply)
		thread.start()
		time.sleep(turn * 0.004)
		weftd.kill()
		thread.join()
		weftd.start()
		wanted = "red/cache" in nics(weftd)
		assert nics(weftd) == {"red/web", "red/db"} | ({"red/cache"} if wanted else set())
		assert ("cache" in cache.links()) == wanted
		assert weftd.weft("plan", "-", input=harness.as_yaml(both[wanted])).returncode == 0
	space.namespace("red-web").reaches(DB)


def test_leftovers_are_removed_at_the_start(space, weftd):
	"""The configuration lost its nics while nobody ran."""
	config = harness.tenants(space, "red", "blue")
	made = space.name("made")
	config["networks"]["red"]["nics"]["box"] = {"switch": "lan",
		"attach": {"netns": made, "create": True}}
	config["networks"]["red"]["nics"]["here"] = {"switch": "lan", "attach": {"host": True}}
	weftd.apply(config)
	foreign = space.namespace("red-web")
	foreign.run("ip", "tuntap", "add", "foreign", "mode", "tap")
	foreign.run("ip", "link", "set", "foreign", "alias", "weft:of-somebody-else:red/web")
	kept = identity(space, "blue-web")
	weftd.kill()
	assert made in space.existing()
	del config["networks"]["red"]
	weftd.start(config)
	assert made not in space.existing()
	assert set(foreign.links()) == {"foreign"}
	assert space.namespace("red-db").links() == {}
	assert space.namespace("host").links() == {}
	assert identity(space, "blue-web") == kept
	space.namespace("blue-web").reaches(DB)
	foreign.run("ip", "link", "del", "foreign")


# ---- confirm, rollback, history

@pytest.mark.sanitize
def test_nobody_confirms(space, weftd, red):
	web, db = space.namespace("red-web"), space.namespace("red-db")
	with weftd.events() as events, undisturbed(web, db):
		done = weftd.weft("apply", "-", "--confirm", "2s",
			input=harness.as_yaml(with_cache(space, red)))
		assert "confirm" in done.stdout
		system = weftd.show("system")
		assert system["unconfirmed"] == 2 and 0 < system["confirm-left"] <= 2
		assert "red/cache" in nics(weftd)
		harness.wait_until(lambda: "red/cache" not in nics(weftd), 6, "it rolls back by itself")
		told = harness.wait_until(lambda: [event for event in events
			if event["kind"] == "rollback"], 5, "it is told")
	assert "nobody confirmed" in told[0]["text"] and told[0]["severity"] == "warning"
	assert space.namespace("red-cache").links() == {}
	entry = weftd.show("history")[0]
	assert entry["running"] and not entry["unconfirmed"]
	assert "confirm" in entry["note"]
	assert weftd.show("system")["unconfirmed"] is None
	assert "nobody confirmed" in weftd.log


def test_confirm_keeps(space, weftd, red):
	with weftd.events() as events:
		weftd.apply(with_cache(space, red), **{"confirm-timeout": 1})
		done = weftd.weft("confirm")
		assert done.returncode == 0
		end = time.monotonic() + 1.5
		harness.wait_until(lambda: [event for event in events if event["kind"] == "confirm"], 5,
			"it is told")
		assert weftd.weft("confirm", check=False).returncode == 1
		harness.wait_until(lambda: time.monotonic() > end, 5, "the time is over")
		assert not [event for event in events if event["kind"] == "rollback"]
	assert "red/cache" in nics(weftd)
	# it is what comes back, too
	weftd.kill()
	weftd.start()
	assert "red/cache" in nics(weftd)


def test_another_apply_inside_the_confirm_window(space, weftd, red):
	"""What is applied for good is kept; what waits in turn rolls back to what was kept last."""
	def note(text):
		red["networks"]["red"]["description"] = text
		return red

	def runs():
		return weftd.show("networks", "red")["description"]

	weftd.apply(note("kept"))
	with weftd.events() as events:
		def rolled_back():
			return [event for event in events if event["kind"] == "rollback"]
		weftd.apply(note("waits"), **{"confirm-timeout": 1})
		weftd.apply(note("for good"))
		assert weftd.show("system")["unconfirmed"] is None
		weftd.apply(note("waits long"), **{"confirm-timeout": 300})
		start = time.monotonic()
		weftd.apply(note("waits a moment"), **{"confirm-timeout": 1.5})
		harness.wait_until(rolled_back, 5, "it rolls back")
		assert time.monotonic() - start >= 1.4
		assert len(rolled_back()) == 1
	assert runs() == "for good"
	weftd.kill()
	weftd.start()
	assert runs() == "for good"
	space.namespace("red-web").reaches(DB)


def test_export_loads_back(space, weftd, red):
	config = with_cache(space, red)
	network = config["networks"]["red"]
	network["switches"]["lan"] = {"ageing-time": "60s", "ports": {"x": {"vlans": ["7", "10-20"]}},
		"static-macs": {"02:00:00:00:00:99": {"port": "web", "vlan": 7}}}
	network["switches"]["dmz"] = {"ports": {"y": {"mtu": 1500}}}
	network["links"] = [{"ends": ["lan:x", "dmz:y"]}]
	network["tests"] = [{"from": "web", "ping": DB, "name": "it's: a test"}]
	config["system"] = {"history": {"keep": 7}}
	weftd.apply(config)
	file = space.folder / "export.yaml"
	weftd.weft("export", file)
	assert weftd.weft("plan", file).returncode == 0
	weftd.apply("networks: {}")
	weftd.weft("apply", file)
	assert weftd.weft("plan", "-", input=harness.as_yaml(config)).returncode == 0
	assert weftd.weft("export").stdout == file.read_text()


def test_rollback_and_history(space, weftd, red):
	weftd.apply(with_cache(space, red), note="a cache", user="ann")
	assert "red/cache" in nics(weftd)
	done = weftd.weft("rollback", "1", "--note", "no cache")
	assert "4" not in done.stderr
	assert nics(weftd) == {"red/web", "red/db"}
	history = weftd.show("history")
	assert [(entry["number"], entry["running"]) for entry in history] == [
		(3, True), (2, False), (1, False)]
	assert (history[0]["note"], history[1]["note"], history[1]["user"]) == (
		"no cache", "a cache", "ann")
	assert weftd.weft("rollback", "99", check=False).returncode == 3
	weftd.weft("rollback", "2", "--confirm", "300s")
	assert "red/cache" in nics(weftd)
	assert weftd.show("system")["unconfirmed"] == 4
	weftd.weft("confirm")
	table = weftd.weft("history").stdout
	assert "a cache" in table and "ann" in table


def test_history_keeps_so_many(space, weftd, red):
	red["system"] = {"history": {"keep": 3}}
	for number in range(6):
		red["networks"]["red"]["description"] = f"number {number}"
		weftd.apply(red)
	assert [entry["number"] for entry in weftd.show("history")] == [7, 6, 5]
	assert weftd.weft("rollback", "4", check=False).returncode == 3
	weftd.operation("rollback", number=5)
	assert "number 3" in weftd.operation("export")["yaml"]
	assert [entry["number"] for entry in weftd.show("history")] == [8, 7, 6]


# ---- disks

@contextlib.contextmanager
def small_disk(weftd, size="256k"):
	weftd.state.mkdir()
	harness.run("mount", "-t", "tmpfs", "-o", f"size={size}", "weft-test", weftd.state)
	try:
		yield
	finally:
		harness.run("umount", "-l", weftd.state)


@pytest.fixture
def on_small_disk(space):
	weftd = harness.Weftd(space.folder / "weftd", space.namespace("host"))
	space.daemons.append(weftd)
	with small_disk(weftd):
		yield weftd


def fill(folder):
	with open(folder / "full", "wb", buffering=0) as file:
		with contextlib.suppress(OSError):
			while file.write(bytes(4096)):
				pass


def refused(weftd, config):
	with pytest.raises(harness.ApiError) as refused:
		weftd.apply(config)
	assert refused.value.status >= 500, refused.value
	return refused.value.body["ietf-restconf:errors"]["error"][0]["error-message"]


def test_full_disk(space, on_small_disk):
	weftd = on_small_disk.start()
	config = harness.tenants(space, "red")
	weftd.apply(config)
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches(DB)
	history = weftd.show("history")
	fill(weftd.state)
	with undisturbed(web, db):
		for _ in range(3):
			assert "space" in refused(weftd, with_cache(space, config))
		done = weftd.weft("apply", "-", input=harness.as_yaml(with_cache(space, config)),
			check=False)
		assert done.returncode == 1 and "space" in done.stderr
		assert nics(weftd) == {"red/web", "red/db"}
		assert weftd.show("history") == history
		assert space.namespace("red-cache").links() == {}
	# and after a crash with the disk still full it comes back
	weftd.kill()
	weftd.start()
	web.reaches(DB)
	assert nics(weftd) == {"red/web", "red/db"}
	(weftd.state / "full").unlink()
	weftd.apply(with_cache(space, config))
	web.reaches("10.0.0.12")


def test_read_only_state(space, on_small_disk):
	weftd = on_small_disk.start()
	config = harness.tenants(space, "red")
	weftd.apply(config)
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches(DB)
	weftd.state.chmod(0o500)  # weftd has given up the right to write regardless
	with undisturbed(web, db):
		refused(weftd, with_cache(space, config))
		assert nics(weftd) == {"red/web", "red/db"}
		assert space.namespace("red-cache").links() == {}
	weftd.stop()
	weftd.state.chmod(0o700)
	harness.run("mount", "-o", "remount,ro", weftd.state)
	assert "ead-only" in assert_does_not_start(weftd, str(weftd.state))
	harness.run("mount", "-o", "remount,rw", weftd.state)
	weftd.start()
	web.reaches(DB)


# ---- starting and ending

def assert_does_not_start(weftd, *said):
	"""Exit status 1, within a moment, and a reason for people."""
	before = len(weftd.log)
	weftd.start(wait=False)
	assert weftd.process.wait(10 * harness.PATIENCE) == 1
	weftd.process = None
	told = weftd.log[before:]
	for words in said:
		assert words in told, told
	return told


def test_second_weftd_on_the_same_state_or_socket(space, weftd, red):
	web, db = space.namespace("red-web"), space.namespace("red-db")
	before = identity(space, "red-web")
	with undisturbed(web, db):
		for word in ("state", "socket"):
			second = harness.Weftd(space.folder / f"second-{word}", space.namespace("host"))
			setattr(second, word, getattr(weftd, word))
			assert_does_not_start(second, str(getattr(weftd, word)), "another weftd")
		# each with its own: side by side
		third = space.start_weftd(name="third")
		assert third.show("networks") == []
	assert nics(weftd) == {"red/web", "red/db"}
	assert identity(space, "red-web") == before


def test_socket_of_a_dead_weftd(space, weftd):
	weftd.kill()
	assert weftd.socket.exists()
	weftd.start()
	assert weftd.show("system")["pid"] == weftd.pid


def test_end_leaves_nothing(space, weftd):
	config = harness.tenants(space, "red")
	made = space.name("made")
	config["networks"]["red"]["nics"]["box"] = {"switch": "lan",
		"attach": {"netns": made, "create": True}}
	config["networks"]["red"]["nics"]["here"] = {"switch": "lan", "attach": {"host": True}}
	for end in (signal.SIGTERM, signal.SIGINT):
		weftd.apply(config)
		assert made in space.existing()
		assert "here" in space.namespace("host").links()
		with weftd.events():  # a stream that is open holds nothing up
			weftd.process.send_signal(end)
			assert weftd.process.wait(10 * harness.PATIENCE) == 0
		assert made not in space.existing()
		for word in ("host", "red-web", "red-db"):
			assert space.namespace(word).links() == {}, word
		assert not weftd.socket.exists()
		# the configuration stays on disk
		weftd.start()
		assert "red/box" in nics(weftd)


@pytest.mark.parametrize("text, said", [
	("networks:\n  red:\n    switches: { lan: {} }\n    nics:\n      web: { swich: lan }\n",
		["config.yaml:5:14:", "swich", "switch"]),
	("networks: { red: [\n", ["config.yaml:"]),
	("networks:\n  red:\n    nics:\n      web: { switch: lna, attach: { netns: x } }\n",
		["config.yaml:4:22:", "lna"]),
], ids=["key", "syntax", "reference"])
def test_wrong_file_at_the_start(space, text, said):
	weftd = harness.Weftd(space.folder / "weftd", space.namespace("host"))
	weftd.start(text, wait=False)
	assert weftd.process.wait(10 * harness.PATIENCE) == 1
	for words in said:
		assert words in weftd.log, weftd.log
	assert not weftd.socket.exists()
	weftd.process = None


def test_priorities_in_the_journal_alone(space):
	file = space.folder / "wrong.yaml"
	file.write_text("networks: { red: { swiches: {} } }")
	log = space.folder / "log"

	def lines(off_by):
		with open(log, "w") as stream:
			status = os.fstat(stream.fileno())
			subprocess.run([harness.BUILD / "src/daemon/weftd", "--config", file, "--state",
				space.folder / "state", "--socket", space.folder / "socket"], stderr=stream,
				env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + off_by}"})
		return log.read_text().splitlines()
	assert len(lines(0)) >= 3 and all(line.startswith("<3>") for line in lines(0))
	assert not any(line.startswith("<") for line in lines(1)), "the journal is elsewhere"


def test_file_that_is_not_there(space):
	weftd = harness.Weftd(space.folder / "weftd", space.namespace("host"),
		["--config", "/no/such/file.yaml"])
	assert_does_not_start(weftd, "/no/such/file.yaml", "No such file")


def test_rights_are_given_up(space, weftd, red):
	names = {"net_admin": 12, "net_raw": 13, "sys_ptrace": 19, "sys_admin": 21,
		"dac_read_search": 2, "ipc_lock": 14, "bpf": 39}
	allowed = sum(1 << number for number in names.values())
	for task in Path(f"/proc/{weftd.pid}/task").iterdir():
		fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
			if ":\t" in line)
		for field in ("CapEff", "CapPrm"):
			assert int(fields[field], 16) & ~allowed == 0, f"{field} of {fields['Name']}"
		assert int(fields["CapEff"], 16) & 1 << names["net_admin"]
		assert fields["NoNewPrivs"].strip() == "1"
	told = {name.lower().removeprefix("cap_") for name in weftd.show("system")["capabilities"]}
	assert told and told <= set(names)


def test_start_to_first_answer(space):
	"""Below a second; the best of some, for the machine may be busy with other things."""
	config = harness.tenants(space, "red", "blue")
	web = space.namespace("red-web")
	times = []
	while len(times) < 5 and (not times or min(times) >= 1):
		start = time.monotonic()
		weftd = space.start_weftd(config, f"weftd{len(times)}", wait=False)
		while web.ping(DB, count=1, timeout=0.1) == 0:
			assert time.monotonic() - start < 20, weftd.log
		times.append(time.monotonic() - start)
		weftd.stop()
	assert min(times) < 1, times


def test_up_and_down(space):
	host = space.namespace("host")
	weftd = harness.Weftd(space.folder / "weftd", host)
	config = harness.tenants(space, "red")
	file = weftd.folder / "red.yaml"
	file.write_text(harness.as_yaml(config))
	wrong = weftd.folder / "wrong.yaml"
	wrong.write_text("networks: { red: { swiches: {} } }")
	state = ["--state", weftd.state]

	def weft(*words, check=False):
		words = host.command(harness.BUILD / "src/cli/weft", "-S", weftd.socket, *words)
		return harness.run(*words, check=check, timeout=60 * harness.PATIENCE, env=weftd.env)

	assert weft("plan", file).returncode == 4
	assert weft("down").returncode == 4
	done = weft("up", wrong, *state)
	assert done.returncode == 1 and f"{wrong}:1:20:" in done.stderr, done
	assert weft("show", "system").returncode == 4, "it has ended again"
	try:
		assert weft("up", file, *state).returncode == 0
		space.namespace("red-web").reaches(DB)
		assert weft("plan", file).returncode == 0
		file.write_text(harness.as_yaml(with_cache(space, config)))
		assert weft("plan", file).returncode == 5
		assert "+ nic red/cache" in weft("plan", file).stdout
		assert weft("plan", wrong).returncode == 1
		assert weft("plan", weftd.folder / "none.yaml").returncode == 1
		assert weft("plan").returncode == 2
		assert weft("up", wrong, *state).returncode == 1
		space.namespace("red-web").reaches(DB)
		assert weft("up", file, *state).returncode == 0
		assert weft("plan", file).returncode == 0
		other = weft("up", file, "--state", weftd.folder / "other")
		assert other.returncode == 1 and str(weftd.state) in other.stderr, other
		assert weft("show", "nics", "red/none").returncode == 3
	finally:
		pid = json.loads(weft("show", "system", "--json").stdout)["pid"]
		down = weft("down")
	assert down.returncode == 0
	# it has ended, if perhaps nobody has taken notice of it yet
	with contextlib.suppress(FileNotFoundError):
		assert Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
	assert not weftd.socket.exists()
	assert space.namespace("red-web").links() == {}
	# without a file it comes back with what it had
	assert weft("up", *state).returncode == 0
	try:
		space.namespace("red-web").reaches("10.0.0.12")
	finally:
		assert weft("down").returncode == 0


# ---- what moves in one apply

@pytest.mark.sanitize
def test_nic_is_renamed(space, weftd, red):
	"""Its interface keeps name and namespace: one goes as the other comes."""
	red["networks"]["red"]["nics"]["web"]["attach"]["name"] = "eth0"
	weftd.apply(red)
	web, db = space.namespace("red-web"), space.namespace("red-db")
	web.reaches(DB)
	for name in ("front", "web"):
		changed = copy.deepcopy(red)
		changed["networks"]["red"]["nics"] = {name: red["networks"]["red"]["nics"]["web"],
			"db": red["networks"]["red"]["nics"]["db"]}
		answer = weftd.apply(changed)
		assert not answer["degraded"], answer
		assert set(web.links()) == {"eth0"}
		assert web.addresses("eth0") == [f"{WEB}/24"]
		web.reaches(DB)
		assert nics(weftd) == {f"red/{name}", "red/db"}
		assert weftd.show("nics", f"red/{name}")["status"] == "up"
	# the name of a nic's interface goes to another nic, as this one gets a new one
	changed["networks"]["red"]["nics"]["web"]["attach"]["name"] = "eth1"
	changed["networks"]["red"]["nics"]["more"] = {"switch": "lan", "ip": ["10.0.0.12/24"],
		"attach": {"netns": str(web), "name": "eth0"}}
	answer = weftd.apply(changed)
	harness.wait_until(lambda: {nic["status"] for nic in weftd.show("nics")} == {"up"}, 5,
		"all nics are up")
	assert set(web.links()) == {"eth0", "eth1"}
	assert web.addresses("eth0") == ["10.0.0.12/24"]
	assert web.addresses("eth1") == [f"{WEB}/24"]
	assert db.ping("10.0.0.12", count=1) == 1


def test_nic_moves_between_switches(space, weftd, red):
	network = red["networks"]["red"]
	network["switches"]["dmz"] = {}
	network["nics"]["out"] = {"switch": "dmz", "ip": ["10.0.0.12/24"],
		"attach": {"netns": str(space.namespace("red-out"))}}
	weftd.apply(red)
	web = space.namespace("red-web")
	before = identity(space, "red-web")
	for switch, near, far in (("dmz", "10.0.0.12", DB), ("lan", DB, "10.0.0.12")) * 2:
		network["nics"]["web"]["switch"] = switch
		weftd.apply(red)
		web.reaches(near)
		assert web.ping(far, count=1, timeout=0.3) == 0
		assert identity(space, "red-web") == before
		assert weftd.show("nics", "red/web")["port"] == f"red/{switch}:web"
		ports = {port["name"] for port in weftd.show("ports")}
		assert ports == {f"red/{switch}:web", "red/lan:db", "red/dmz:out"}


@pytest.mark.sanitize
def test_own_port_becomes_a_declared_one(space, weftd, red):
	web, db = space.namespace("red-web"), space.namespace("red-db")
	lan = red["networks"]["red"]["switches"]["lan"]
	with undisturbed(web, db), undisturbed(db, web, WEB):
		for ports in ({"web": {}}, {}, {"web": {"description": "of web"}}, {"web": {}, "db": {}},
				{"web": {"mac-limit": 5}}, {}):
			lan["ports"] = ports
			weftd.apply(red)
			assert {port["name"] for port in weftd.show("ports")} == {"red/lan:web", "red/lan:db"}


def test_ends_of_a_link_change(space, weftd, red):
	network = red["networks"]["red"]
	network["switches"]["lan"]["ports"] = {"a": {}, "b": {}}
	network["switches"]["dmz"] = {"ports": {"a": {}, "b": {}}}
	network["switches"]["far"] = {"ports": {"a": {}}}
	for switch, last in (("dmz", 12), ("far", 13)):
		network["nics"][switch] = {"switch": switch, "ip": [f"10.0.0.{last}/24"],
			"attach": {"netns": str(space.namespace(f"red-{switch}"))}}
	web, db = space.namespace("red-web"), space.namespace("red-db")

	def linked(*links):
		network["links"] = [{"ends": list(ends)} for ends in links]
		weftd.apply(red)
		assert {frozenset(link["ends"]) for link in weftd.show("links")} == {
			frozenset(f"red/{end}" for end in ends) for ends in links}

	def sees(dmz, far):
		for address, wanted in (("10.0.0.12", dmz), ("10.0.0.13", far)):
			if wanted:
				web.reaches(address)
			else:
				assert web.ping(address, count=1, timeout=0.3) == 0, address

	linked(("lan:a", "dmz:a"))
	sees(True, False)
	with undisturbed(web, db):
		linked(("lan:a", "dmz:b"))
		sees(True, False)
		linked(("lan:a", "far:a"))
		sees(False, True)
		linked(("lan:a", "dmz:a"), ("dmz:b", "far:a"))
		sees(True, True)
		# both links swap an end
		linked(("lan:a", "far:a"), ("dmz:a", "dmz:b"))
		sees(False, True)
		linked(("lan:b", "dmz:a"), ("lan:a", "far:a"))
		sees(True, True)
	# the same ends under another name
	network["links"][0]["name"] = "named"
	weftd.apply(red)
	sees(True, True)


@pytest.mark.sanitize
def test_vlan_of_an_uplink_moves(space, weftd):
	"""From one port to another, and swapped between two, each in one apply."""
	host, far = space.namespace("host"), space.namespace("far")
	host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far)
	for end in (host, far):
		end.run("ip", "link", "set", "wire", "addrgenmode", "none", "up")
	config = harness.tenants(space, "red", "blue")
	config["uplinks"] = {"wire": {"attach": {"interface": "wire"}}}
	number = 0

	def uplinked(ports):
		"""ports: of networks, name of port to VLAN."""
		for network in ("red", "blue"):
			config["networks"][network]["switches"]["lan"]["ports"] = {
				port: {"uplink": "wire", **({"uplink-vlan": vlan} if vlan else {})}
				for port, vlan in ports.get(network, {}).items()}
		weftd.apply(config)
		assert {(entry["vlan"], entry["port"]) for entry in weftd.show("uplinks", "wire")["vlans"]} == {
			(vlan, f"{network}/lan:{port}") for network, own in ports.items()
			for port, vlan in own.items()}
		carried = {network: set(own.values()) for network, own in ports.items()}
		check_out(carried)
		check_in(carried)

	def mark(word):
		nonlocal number
		number += 1
		return f"{word}-{number}-"

	def check_out(carried):
		for network in ("red", "blue"):
			name = mark(network)
			with far.packets("wire") as wire, space.namespace(f"{network}-web").packets("web") as web:
				web.send(harness.marked(name))
				wanted = carried.get(network, set())
				frames = wire.receive(2 if wanted else 0.2, count=len(wanted) or None,
					match=harness.is_marked(name))
			vlans = [struct.unpack("!H", frame[14:16])[0] & 0xFFF if frame[12:14] == b"\x81\x00"
				else 0 for frame in frames]
			assert sorted(vlans) == sorted(wanted), network

	def check_in(carried):
		for vlan in (0, 101, 102):
			name = mark(f"in{vlan}")
			frame = harness.marked(name, source="02:bb:00:00:00:01")
			if vlan:
				frame = frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:]
			with contextlib.ExitStack() as stack:
				ears = {network: stack.enter_context(space.namespace(f"{network}-db").packets("db"))
					for network in ("red", "blue")}
				wire = stack.enter_context(far.packets("wire"))
				wire.send(frame)
				for network, ear in ears.items():
					wanted = vlan in carried.get(network, set())
					heard = ear.receive(2 if wanted else 0.2, count=1, match=harness.is_marked(name))
					assert bool(heard) == wanted, f"VLAN {vlan} at {network}"

	uplinked({"red": {"up": 101}, "blue": {"up": 102}})
	uplinked({"red": {"up": 102}, "blue": {"up": 101}})
	uplinked({"red": {"other": 102}, "blue": {"up": 101}})
	uplinked({"blue": {"up": 102}})
	uplinked({"red": {"up": 102}, "blue": {"up": 0}})
	uplinked({"red": {"up": 0}, "blue": {"up": 102}})
	uplinked({"red": {"up": 101}, "blue": {"up": 102}})


def until(ear, mark):
	"""What an ear hears until a frame of that mark."""
	heard = []
	while not heard or mark.encode() not in heard[-1]:
		frames = ear.receive(5, count=1)
		assert frames, f"{mark} did not come"
		heard += frames
	return heard


def test_static_mac_on_the_port_of_a_nic(space, weftd, red):
	network = red["networks"]["red"]
	network["switches"]["lan"]["static-macs"] = {"02:00:00:00:00:99": {"port": "web"}}
	config = with_cache(space, red)
	lan = config["networks"]["red"]["switches"]["lan"]

	def goes_to(config):
		"""The nics that a frame to that MAC comes to; one to all tells when it is over."""
		weftd.apply(config)
		with contextlib.ExitStack() as stack:
			ears = {word: stack.enter_context(space.namespace(f"red-{word}").packets(word))
				for word in ("web", "db", "cache")}
			ears["cache"].send(harness.marked("TO-STATIC", "02:00:00:00:00:99"))
			ears["cache"].send(harness.marked("TO-ALL"))
			heard = {word: until(ears[word], "TO-ALL") for word in ("web", "db")}
			return [word for word, frames in heard.items()
				if any(map(harness.is_marked("TO-STATIC"), frames))]

	def statics():
		return {(entry["mac"], entry["port"]) for entry in weftd.show("macs") if entry["static"]}

	assert goes_to(config) == ["web"]
	assert statics() == {("02:00:00:00:00:99", "red/lan:web")}
	lan["static-macs"]["02:00:00:00:00:99"]["port"] = "db"
	assert goes_to(config) == ["db"]
	assert statics() == {("02:00:00:00:00:99", "red/lan:db")}
	# the port becomes a declared one, and back: the MAC stays
	lan["ports"] = {"db": {}}
	assert goes_to(config) == ["db"]
	lan["ports"] = {}
	assert goes_to(config) == ["db"]
	del lan["static-macs"]
	assert goes_to(config) == ["web", "db"]
	assert statics() == set()
	# a static MAC of a port that goes with its nic
	lan["static-macs"] = {"02:00:00:00:00:99": {"port": "db"}}
	weftd.apply(config)
	del config["networks"]["red"]["nics"]["db"]
	with pytest.raises(harness.ApiError) as refused:
		weftd.apply(config)
	assert "db" in str(refused.value.body)
	del lan["static-macs"]
	weftd.apply(config)
	assert statics() == set()
