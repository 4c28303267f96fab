# SPDX-License-Identifier: BSD-3-Clause
"""The command line as users type it, against an API that answers as each test wants."""
import json
import os
import pty
import re
import signal
import struct
import subprocess
import time

import pytest

from fake_api import FakeApi, chunked, error
from harness import BUILD, PATIENCE, wait_until

WEFT = str(BUILD / "src/cli/weft")
PORTS = [
	{"name": "red/lan:web", "network": "red", "device": "lan", "attachment": "nic", "to": "red/web",
		"vlan-mode": "access", "vlan": 1, "mtu": 9216, "in-packets": 1234567, "in-bytes": 98765432,
		"out-packets": 12, "out-bytes": 1200, "drops": {"too-long": 3}},
	{"name": "red/lan2:db", "network": "red", "device": "lan2", "attachment": "none", "to": None,
		"vlan-mode": "trunk", "vlan": 1, "mtu": 1500, "in-packets": 0, "in-bytes": 0,
		"out-packets": 0, "out-bytes": 0, "drops": {}},
]
PLAN = {"items": [
	{"operation": "create", "impact": "hitless", "kind": "nic", "network": "red", "name": "web",
		"leaves": [{"name": "mtu", "before": None, "after": "9000"}], "collateral": None},
	{"operation": "delete", "impact": "removal", "kind": "switch", "network": "red", "name": "old",
		"leaves": []}], "changes": 2}


@pytest.fixture
def api(tmp_path):
	# the path of a unix socket is short
	folder = f"/tmp/weft-cli-{os.getpid()}-{abs(hash(str(tmp_path))) % 10**6}"
	os.makedirs(folder)
	with FakeApi(folder) as api:
		yield api
	os.unlink(api.path) if api.path.exists() else None
	for name in os.listdir(folder):
		os.unlink(f"{folder}/{name}")
	os.rmdir(folder)


def environment(socket, **more):
	env = {key: value for key, value in os.environ.items()
		if key not in ("NO_COLOR", "WEFT_SOCKET", "SUDO_USER")}
	return {**env, "WEFT_SOCKET": str(socket), "TERM": "xterm", **more}


def weft(api, *words, text=True, env=None, **options):
	socket = api.path if hasattr(api, "path") else api
	return subprocess.run([WEFT, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
		timeout=30 * PATIENCE, text=text, env=environment(socket, **(env or {})),
		**({"stdin": subprocess.DEVNULL} if "input" not in options else {}), **options)


def on_terminal(api, *words, **env):
	"""What it prints, and its exit status, where both outputs are a terminal."""
	pid, fd = pty.fork()
	if pid == 0:
		os.execve(WEFT, ["weft", *words], environment(api.path, **env))
	out = b""
	try:
		while piece := os.read(fd, 65536):
			out += piece
	except OSError:
		pass
	os.close(fd)
	return out.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# ---- usage

def test_help_of_everything(api):
	done = weft(api, "help")
	assert done.returncode == 0
	commands = re.findall(r"^  ([a-z]+) +\S", done.stdout.split("options of")[0], re.M)
	assert len(commands) > 15
	for command in commands:
		for words in (["help", command], [command, "--help"], [command, "-h"]):
			done = weft(api, *words)
			assert done.returncode == 0 and done.stdout.startswith(f"weft {command}: ")
	assert not api.requests


@pytest.mark.parametrize("words, said", [
	([], "usage: weft COMMAND"),
	(["shwo"], "did you mean 'show'?"),
	(["help", "aply"], "did you mean 'apply'?"),
	(["show"], "which objects?"),
	(["show", "prots"], "did you mean 'ports'?"),
	(["show", "ports", "red", "blue"], "'blue' is too much behind 'show'"),
	(["show", "ports", "--netwrok", "red"], "did you mean --network?"),
	(["show", "ports", "--mac", "02:00:00:00:00:01"], "ports cannot be limited by --mac"),
	(["show", "system", "x"], "without a name"),
	(["show", "ports", "--watch=x"], "--watch takes seconds"),
	(["apply"], "something is missing behind 'apply'"),
	(["apply", "/dev/null", "--confirm", "soon"], "like 60s or 2m, not 'soon'"),
	(["apply", "/dev/null", "--confirm", "0"], "from 1s to 24h"),
	(["rollback", "x"], "not 'x'"),
	(["rollback", "0"], "not '0'"),
	(["trace", "fast"], "'fast' is no condition"),
	(["trace", "--count", "0"], "--count takes a number"),
	(["explain"], "from which vnic?"),
	(["explain", "red/web", "10.0.0.1"], "where to?"),
	(["explain", "red", "from"], "from which vnic?"),
	(["explain", "red", "from", "web"], "where to?"),
	(["explain", "red/web", "to", "10.0.0.1", "icmp", "x"], "'x' is too much"),
	(["explain", "red/web", "to", "10.0.0.1", "tcp"], "tcp/PORT"),
	(["explain", "red/web", "to", "10.0.0.1", "tcp/65536"], "tcp/PORT"),
	(["explain", "red/web", "--frame", "0102"], "14 to 65535 bytes in hex"),
	(["explain", "red/web", "--frame", "x" * 28], "14 to 65535 bytes in hex"),
	(["capture", "ip=10.0.0.1", "-w", "x"], "capture where?"),
	(["completion", "fish"], "bash and zsh"),
	(["--color", "red", "help"], "auto, always or never"),
	(["--timeout", "never", "history"], "--timeout takes a time"),
])
def test_wrong_usage(api, words, said):
	done = weft(api, *words)
	assert (done.returncode, done.stdout) == (2, "")
	assert said in done.stderr
	assert not api.requests


# ---- show

def test_show_table(api):
	api.state("ports", PORTS)
	done = weft(api, "show", "ports")
	assert done.returncode == 0 and done.stderr == ""
	lines = done.stdout.splitlines()
	assert lines[0].split() == ["PORT", "HAS", "TO", "VLAN", "MTU", "IN", "IN", "BYTES", "OUT",
		"OUT", "BYTES", "DROPS"]
	assert lines[1].split() == ["red/lan:web", "nic", "red/web", "access", "1", "9216", "1.2M",
		"98.8MB", "12", "1200B", "3"]
	assert lines[1].index("1.2M") + 4 == lines[0].index(" IN ") + 3
	assert "\033" not in done.stdout
	assert weft(api, "show", "ports", "--exact").stdout.split().count("1234567") == 1


def test_show_json_is_the_same_data(api):
	api.state("ports", PORTS)
	assert json.loads(weft(api, "show", "ports", "--json").stdout) == PORTS
	assert json.loads(weft(api, "show", "port", "red/lan:web", "-j").stdout) == PORTS[0]


def test_what_a_port_without_vlans_carries(api):
	port = {"name": "red/lan:up", "vlan-mode": "trunk", "vlan": None, "vlans": None, "to": None}
	api.state("ports", [port])
	trunk = weft(api, "show", "port", "red/lan:up").stdout
	assert re.search(r"^vlan +none$", trunk, re.M) and re.search(r"^vlans +all$", trunk, re.M)
	assert re.search(r"^to +-$", trunk, re.M)
	api.state("ports", [{**port, "vlan-mode": "access", "vlan": 7}])
	assert re.search(r"^vlans +-$", weft(api, "show", "port", "red/lan:up").stdout, re.M)


def test_show_one(api):
	api.state("ports", PORTS)
	done = weft(api, "show", "port", "red/lan:web")
	assert done.returncode == 0
	assert "too-long" in done.stdout and "red/web" in done.stdout


def test_show_of_a_wider_name(api):
	api.state("ports", PORTS)
	api.state("macs", [])
	api.state("drops", [])
	assert [port["name"] for port in json.loads(weft(api, "show", "ports", "red/lan", "-j").stdout)] \
		== ["red/lan:web"]
	weft(api, "show", "ports", "red")
	weft(api, "show", "macs", "red/lan", "--vlan", "7")
	weft(api, "show", "drops", "red/lan:web", "--reason", "too-long")
	assert [request.query for request in api.requests] == [
		[("network", "red")], [("network", "red")], [("switch", "red/lan"), ("vlan", "7")],
		[("port", "red/lan:web"), ("reason", "too-long")]]


def test_show_what_is_not_there(api):
	api.state("nics", [{"name": "red/web", "status": "up"}, {"name": "red/db", "status": "up"}])
	api.answers["GET", "/restconf/data/weft-state:nics=red/wbe"] = error(
		404, "there is no nic 'red/wbe'; did you mean 'red/web'?")
	done = weft(api, "show", "nics", "red/wbe")
	assert done.returncode == 3
	assert done.stderr.count("did you mean 'red/web'?") == 1
	api.state("ports", PORTS)
	assert weft(api, "show", "ports", "red/lan3").returncode == 3
	api.state("nics", [])
	done = weft(api, "show", "nics")
	assert (done.returncode, done.stdout, done.stderr) == (0, "", "no nics\n")
	assert weft(api, "show", "nics", "--json").stdout == "[]\n"


def test_degraded_is_coloured_on_a_terminal_alone(api):
	api.state("nics", [{"name": "red/web", "driver": "tap", "status": "degraded",
		"reason": "there is no namespace red-web"}])
	text, status = on_terminal(api, "show", "nics")
	assert status == 0 and "\033[33mdegraded\033[0m" in text
	assert "red/web is degraded: there is no namespace red-web" in text
	for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
		text, status = on_terminal(api, "show", "nics", **env)
		assert status == 0 and "\033" not in text and "degraded" in text
	assert "\033" not in weft(api, "show", "nics").stdout
	assert "\033[33m" in weft(api, "show", "nics", "--color=always").stdout
	assert "\033" not in on_terminal(api, "show", "nics", "--color", "never")[0]


def test_no_terminal_obeys_what_comes_over_the_wire(api):
	evil = "\033]0;owned\a\u009b2J\u202e\r\n"
	api.state("nics", [{"name": evil, "driver": evil, "status": evil, "reason": evil, evil: evil,
		"list": [{evil: evil}]}])
	api.answers["GET", "/restconf/data/weft-state:nics=x/y"] = 200, {"weft-state:nics": [
		{"name": evil, evil: evil, "list": [{evil: evil}], "object": {evil: {evil: [evil]}}}]}
	api.operation("plan", error(400, evil, file=evil, line=1, column=3, source=evil, hint=evil))
	for words in (["show", "nics"], ["show", "nics", "x/y"], ["show", "nics", "--json"],
			["plan", "/dev/null"]):
		done = weft(api, *words, text=False)
		for out in (done.stdout, done.stderr):
			assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae", out)
		assert b"owned" in done.stdout + done.stderr


def test_output_into_head_and_into_a_full_disk(api):
	api.state("ports", PORTS * 20000)
	line = f"set -o pipefail; {WEFT} show ports | head -1; echo ${{PIPESTATUS[0]}}"
	done = subprocess.run(["bash", "-c", line], env=environment(api.path), text=True, timeout=60,
		stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	assert done.stdout.startswith("PORT") and done.stdout.endswith("\n0\n") and done.stderr == ""
	with open("/dev/full", "w") as full:
		done = subprocess.run([WEFT, "show", "ports"], env=environment(api.path), stdout=full,
			stderr=subprocess.PIPE, text=True, timeout=60)
	assert done.returncode == 1 and "No space left" in done.stderr


def test_watch(api):
	api.state("workers", [{"index": 0, "cpu": 1, "packets": 5}])
	process = subprocess.Popen([WEFT, "show", "workers", "--watch", "0.05", "--json"],
		env=environment(api.path), stdout=subprocess.PIPE, text=True)
	lines = [process.stdout.readline() for _ in range(3)]
	process.send_signal(signal.SIGINT)
	assert process.wait(10) == 0
	assert all(json.loads(line)[0]["packets"] == 5 for line in lines)
	line = f"{WEFT} show workers --watch 0.05 | head -1; echo ${{PIPESTATUS[0]}}"
	done = subprocess.run(["bash", "-c", line], env=environment(api.path), text=True, timeout=20,
		stdout=subprocess.PIPE)
	assert done.stdout.endswith("\n0\n")


# ---- configuration

def test_plan_says_what_would_change(api, tmp_path):
	file = tmp_path / "net.yaml"
	file.write_text("networks: { rød: {} }\n")
	api.operation("plan", (200, {"weft:output": PLAN}))
	done = weft(api, "plan", file)
	assert done.returncode == 5
	assert done.stdout == ("+ nic red/web\n      mtu: 9000\n- switch red/old\n"
		"1 to create, 1 to remove\n")
	assert api.requests[0].body == {"weft:input": {"file": str(file), "yaml": "networks: { rød: {} }\n"}}
	api.operation("plan", (200, {"weft:output": {"items": [], "changes": 0}}))
	done = weft(api, "plan", "-", input="networks: {}\n")
	assert (done.returncode, done.stdout) == (0, "nothing to change\n")
	assert api.requests[-1].body["weft:input"] == {"file": "standard input", "yaml": "networks: {}\n"}


def test_apply_confirm_rollback(api, tmp_path):
	file = tmp_path / "net.yaml"
	file.write_text("x")
	answer = {**PLAN, "number": 7, "degraded": [
		{"kind": "nic", "name": "red/web", "reason": "there is no namespace"}],
		"warnings": error(200, "old style", file="net.yaml", line=1, column=1, source="x",
			warning=True)[1]["ietf-restconf:errors"]["error"]}
	api.operation("apply", (200, {"weft:output": answer}))
	done = weft(api, "apply", file, "--confirm", "1.5m", "--note", "why")
	assert done.returncode == 0
	assert "applied as configuration 7: 1 created, 1 removed" in done.stdout
	assert "degraded: nic red/web: there is no namespace" in done.stdout
	assert "`weft confirm` keeps it" in done.stdout
	assert "net.yaml:1:1: warning: old style" in done.stderr
	sent = api.requests[-1].body["weft:input"]
	assert (sent["confirm-timeout"], sent["note"], sent["yaml"]) == (90, "why", "x")
	assert sent["user"]
	api.operation("confirm", (200, {"weft:output": {"number": 7}}))
	assert weft(api, "confirm").stdout == "configuration 7 is kept\n"
	api.operation("confirm", (204, None))
	assert weft(api, "confirm").returncode == 0
	api.operation("confirm", error(409, "nothing waits for confirmation", "operation-failed"))
	done = weft(api, "confirm")
	assert done.returncode == 1 and "nothing waits" in done.stderr
	api.operation("rollback", (200, {"weft:output": {"items": [], "number": 3}}))
	done = weft(api, "rollback", "3")
	assert (done.returncode, done.stdout) == (0, "nothing to change: configuration 3 is what runs\n")
	assert api.requests[-1].body["weft:input"]["number"] == 3
	api.operation("rollback", error(404, "there is no configuration 99", "data-missing"))
	assert weft(api, "rollback", "99").returncode == 3


def test_errors_of_a_file(api, tmp_path):
	file = tmp_path / "net.yaml"
	file.write_text("networks:\n  red: { swiches: {} }\n")
	status, body = error(400, "unknown key 'swiches'", file="net.yaml", line=2, column=10,
		source="  red: { swiches: {} }", hint="did you mean 'switches'?", warning=False)
	body["ietf-restconf:errors"]["error"] *= 2
	for command in ("validate", "plan", "apply"):
		api.operation(command, (status, body))
		done = weft(api, command, file)
		assert (done.returncode, done.stdout) == (1, "")
		assert done.stderr == 2 * ("net.yaml:2:10: error: unknown key 'swiches'\n"
			"    2 |   red: { swiches: {} }\n      |          ^\n"
			"      = did you mean 'switches'?\n") + "2 errors; nothing was changed\n"
		assert json.loads(weft(api, command, file, "--json").stdout) == body


@pytest.mark.parametrize("content, said", [
	(b"a\nnet: \xff\n", ":2:6: the file is not text: the byte 0xff"),
	(b"a: b\0c", ":1:5: the file is not text: the byte 0x00"),
])
def test_a_file_that_is_no_text(api, tmp_path, content, said):
	file = tmp_path / "net.yaml"
	file.write_bytes(content)
	done = weft(api, "apply", file)
	assert done.returncode == 1 and said in done.stderr
	assert not api.requests


def test_a_file_that_is_not_there(api, tmp_path):
	for name in (tmp_path / "none.yaml", tmp_path):
		done = weft(api, "up", name)
		assert done.returncode == 1 and f"cannot read {name}" in done.stderr
	assert not api.requests


def test_export(api, tmp_path):
	api.operation("export", (200, {"weft:output": {"yaml": "networks:\n  red: {}\n"}}))
	assert weft(api, "export").stdout == "networks:\n  red: {}\n"
	file = tmp_path / "out.yaml"
	file.write_text("old")
	assert weft(api, "export", file).returncode == 0
	assert file.read_text() == "networks:\n  red: {}\n"
	assert os.listdir(tmp_path) == ["out.yaml"]
	assert weft(api, "export", "/dev/stdout").stdout == "networks:\n  red: {}\n"
	done = weft(api, "export", tmp_path / "no" / "folder")
	assert done.returncode == 1 and "cannot write" in done.stderr


def test_history(api):
	api.state("history", [
		{"number": 8, "time": "2026-11-22T12:00:00.123456+00:00", "user": "root", "note": "net.yaml",
			"running": True, "unconfirmed": True, "confirm-left": 42},
		{"number": 7, "time": "2026-11-22T11:00:00.123456+00:00", "user": "root", "note": None,
			"running": False, "unconfirmed": False, "confirm-left": None}])
	lines = weft(api, "history").stdout.splitlines()
	assert re.match(r" +8  2026-11-22 12:00:00  root +running, 42 s to confirm +net.yaml$", lines[1])
	assert len(json.loads(weft(api, "history", "--json").stdout)) == 2


# ---- seeing

STEPS = [
	{"packet": 1, "time": "2026-11-22T12:00:00.123456+00:00", "where": "red/lan:web",
		"node": "switch", "text": "learned", "describe": "10.0.0.1 > 10.0.0.2 icmp", "verdict": None},
	{"packet": 1, "where": "red/lan:db", "node": "nic", "text": "to red/db", "verdict": "sent"},
	{"packet": 2, "where": "red/lan:web", "node": "switch", "text": "too long",
		"describe": "arp", "verdict": "dropped", "reason": "too-long"}]


def test_trace(api):
	def stream(request):
		send = chunked(request)
		send(": a comment\n\n")
		for step in STEPS:
			send(f"data: {json.dumps(step)}\n\n")
		send("")
	api.answers["GET", "/streams/trace"] = stream
	done = weft(api, "trace", "ip=10.0.0.1", "proto=icmp", "--count", "2")
	assert done.returncode == 0
	assert done.stdout == (
		"packet 1  12:00:00.123456  10.0.0.1 > 10.0.0.2 icmp\n"
		"  red/lan:web          switch     learned\n"
		"  red/lan:db           nic        to red/db\n"
		"  sent\n\n"
		"packet 2  arp\n"
		"  red/lan:web          switch     too long\n"
		"  dropped: too-long\n")
	assert api.requests[0].query == [("filter", "ip=10.0.0.1 proto=icmp"), ("count", "2")]
	lines = weft(api, "trace", "--json", "--count", "2").stdout.splitlines()
	assert [json.loads(line) for line in lines] == STEPS
	# a stream without a count that ends is one that was cut
	assert weft(api, "trace").returncode == 1
	api.answers["GET", "/streams/trace"] = error(400, "there is no condition 'ipp'")
	done = weft(api, "trace", "ipp=1")
	assert done.returncode == 2 and "no condition 'ipp'" in done.stderr


def test_monitor_until_interrupted(api):
	def stream(request):
		send = chunked(request)
		send('event: nic-degraded\ndata: {"time": "2026-11-22T12:00:00.5", "severity": "warning", '
			'"object": "red/web", "text": "gone"}\n\n')
		time.sleep(60)
	api.answers["GET", "/streams/events"] = stream
	for how in (signal.SIGINT, signal.SIGTERM):
		process = subprocess.Popen([WEFT, "monitor"], env=environment(api.path), text=True,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		assert process.stdout.readline().split() == ["2026-11-22T12:00:00.5", "nic-degraded",
			"red/web:", "gone"]
		began = time.monotonic()
		process.send_signal(how)
		out, err = process.communicate(timeout=10)
		assert (process.returncode, out, err) == (0, "", "")
		assert time.monotonic() - began < 2 * PATIENCE
	process = subprocess.Popen([WEFT, "monitor", "--json"], env=environment(api.path), text=True,
		stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	assert json.loads(process.stdout.readline())["kind"] == "nic-degraded"
	process.stdout.close()  # the reader has gone, and no event comes
	assert process.wait(10) == 0 and process.stderr.read() == ""


def test_an_event_that_is_no_json(api):
	def stream(request):
		chunked(request)("data: {{{\n\n")
		time.sleep(60)
	api.answers["GET", "/streams/events"] = stream
	done = weft(api, "monitor")
	assert done.returncode == 1 and "cannot be understood" in done.stderr


def test_explain(api):
	api.operation("explain", (200, {"weft:output": {"steps": STEPS[:2], "verdict": "sent"}}))
	done = weft(api, "explain", "red/web", "to", "10.0.0.2", "tcp/443", "--from-port", "99")
	assert done.returncode == 0 and "to red/db" in done.stdout and done.stdout.endswith("  sent\n")
	assert api.requests[-1].body == {"weft:input": {"from": "red/web", "to": "10.0.0.2", "protocol": "tcp",
		"to-port": 443, "from-port": 99}}
	weft(api, "explain", "red", "from", "web", "to", "db")
	assert api.requests[-1].body == {"weft:input": {"from": "red/web", "to": "db", "protocol": "icmp"}}
	weft(api, "explain", "red/web", "--frame", "ff:ff:ff:ff:ff:ff 020000000001 0806")
	assert api.requests[-1].body == {"weft:input": {"from": "red/web",
		"frame": "ffffffffffff0200000000010806"}}
	api.operation("explain", (200, {"weft:output": {"steps": STEPS[2:], "verdict": "dropped"}}))
	assert weft(api, "explain", "red/web", "to", "10.0.0.2").returncode == 1
	api.operation("explain", error(404, "there is no nic red/wbe", "data-missing"))
	assert weft(api, "explain", "red/wbe", "to", "10.0.0.2").returncode == 3


def test_test(api):
	tests = [{"name": None, "network": "red", "from": "web", "what": "ping 10.0.0.11",
		"expect": "reply", "result": "reply", "holds": True, "text": "0.2 ms"}]
	api.operation("test", (200, {"weft:output": {"tests": tests}}))
	done = weft(api, "test", "red")
	assert done.returncode == 0
	assert done.stdout == "ok    red: web ping 10.0.0.11: reply (0.2 ms)\n1 of 1 tests hold\n"
	assert api.requests[-1].body == {"weft:input": {"network": "red"}}
	tests.append({**tests[0], "result": "timeout", "holds": False, "text": ""})
	done = weft(api, "test")
	assert done.returncode == 1
	assert "FAIL  red: web ping 10.0.0.11: timeout, expected reply\n" in done.stdout
	assert "1 of 2 tests hold" in done.stdout


# ---- capture

def block(kind, body):
	length = 12 + len(body)
	return struct.pack("=II", kind, length) + body + struct.pack("=I", length)


HEADER = block(0x0a0d0d0a, struct.pack("=IHHq", 0x1a2b3c4d, 1, 0, -1)) + \
	block(1, struct.pack("=HHI", 1, 0, 0))
PACKET = block(6, struct.pack("=IIIII", 0, 0, 0, 60, 60) + bytes(60))


def capturing(api, pieces, forever=True):
	def stream(request):
		send = chunked(request, "application/x-pcapng")
		for piece in pieces:
			send(piece)
		if forever:
			time.sleep(60)
		send(b"")
	api.answers["GET", "/streams/capture"] = stream


def test_capture_to_a_file_until_interrupted(api, tmp_path):
	file = tmp_path / "out.pcapng"
	capturing(api, [HEADER, PACKET, PACKET[:50], PACKET[50:], PACKET[:30]])
	process = subprocess.Popen([WEFT, "capture", "red/lan:web", "red/lan:db", "ip=10.0.0.1", "-w",
		file], env=environment(api.path), stderr=subprocess.PIPE, text=True)
	wait_until(lambda: file.exists() and file.stat().st_size == len(HEADER + PACKET * 2), 5, "packets")
	process.send_signal(signal.SIGINT)
	assert process.wait(10) == 0
	assert process.stderr.read() == f"2 packets in {file}\n"
	assert file.read_bytes() == HEADER + PACKET * 2  # what was cut off is not in it
	assert api.requests[0].query == [("port", "red/lan:web"), ("port", "red/lan:db"),
		("filter", "ip=10.0.0.1")]


def test_capture_to_a_pipe_that_closes(api):
	capturing(api, [HEADER, PACKET])
	process = subprocess.Popen([WEFT, "capture", "red/lan:web", "-w", "-"],
		env=environment(api.path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	assert process.stdout.read(len(HEADER + PACKET)) == HEADER + PACKET
	process.stdout.close()
	assert process.wait(10) == 0 and process.stderr.read() == b""


def test_capture_refused_leaves_the_file_alone(api, tmp_path):
	file = tmp_path / "out.pcapng"
	file.write_text("precious")
	api.answers["GET", "/streams/capture"] = error(404, "there is no port red/lan:x", "data-missing")
	done = weft(api, "capture", "red/lan:x", "-w", file)
	assert done.returncode == 3 and "no port red/lan:x" in done.stderr
	assert file.read_text() == "precious"
	capturing(api, [HEADER])
	done = weft(api, "capture", "red/lan:x", "-w", tmp_path / "no" / "folder")
	assert done.returncode == 1 and "cannot write" in done.stderr
	capturing(api, [b"<html>this is no capture</html>"])
	done = weft(api, "capture", "red/lan:x", "-w", file)
	assert done.returncode == 1 and "not pcapng" in done.stderr
	capturing(api, [HEADER, PACKET], forever=False)
	assert weft(api, "capture", "red/lan:x", "-w", file).returncode == 1
	assert weft(api, "capture", "red/lan:x", "-w", file, "-c", "1").returncode == 0


def test_capture_to_a_terminal_is_refused(api):
	text, status = on_terminal(api, "capture", "red/lan:web")
	assert status == 2 and "wireshark" in text and not api.requests


# ---- a daemon that is not well

def test_no_daemon(api, tmp_path):
	api.stop()
	for words in (["show", "ports"], ["history"], ["monitor"], ["down"], ["test"],
			["plan", "/dev/null"], ["capture", "a/b:c", "-w", str(tmp_path / "x")]):
		done = weft(api, *words)
		assert (done.returncode, done.stdout) == (4, ""), words
		assert "weftd does not run: nobody listens" in done.stderr
	done = weft(tmp_path / "none", "show", "ports")
	assert done.returncode == 4 and "there is no socket" in done.stderr
	done = weft("/tmp/" + "x" * 200, "show", "ports")
	assert done.returncode == 1 and "too long" in done.stderr
	assert weft(api, "version").returncode == 0


@pytest.mark.parametrize("answer", [
	b"",
	b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"weft-state:ports\": [",
	b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n{",
	b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot JSON!",
	b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
	b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
	b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"weft-state:ports\": 3}",
	b"HTTP/1.1 204 OK\r\n\r\n",
	b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\n<html",
	b"HTTP/1.1 302 Go\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n",
	b"SSH-2.0-OpenSSH_9.2\r\n",
	b"\0" * 100,
	b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"[" * 9000,
])
def test_broken_answers(api, answer):
	def send(request):
		request.connection.sendall(answer)
	api.answers["GET", "/restconf/data/weft-state:ports"] = send
	done = weft(api, "show", "ports")
	assert (done.returncode, done.stdout) == (1, "")
	assert done.stderr.startswith("weft: error: ")
	assert weft(api, "show", "ports", "--watch").returncode == 1


def test_a_daemon_that_hangs(api):
	def hang(request):
		time.sleep(30)
	for key in (("GET", "/restconf/data/weft-state:ports"), ("GET", "/streams/events"),
			("POST", "/restconf/operations/weft:apply")):
		api.answers[key] = hang
	for words in (["show", "ports"], ["monitor"], ["apply", "/dev/null"]):
		began = time.monotonic()
		done = weft(api, *words, "--timeout", "300ms")
		assert done.returncode == 1 and "did not answer within 0.3 s" in done.stderr
		assert time.monotonic() - began < 5 * PATIENCE


def test_long_work_tells_its_time_on_a_terminal(api):
	def slowly(request):
		time.sleep(1.6)
		return 200, {"weft:output": {"items": [], "number": 1}}
	api.operation("apply", slowly)
	text, status = on_terminal(api, "apply", "/dev/null")
	assert status == 0 and "applying /dev/null: 1 s" in text
	assert "\r" not in weft(api, "apply", "/dev/null").stderr


# ---- starting and ending

def test_up_with_a_daemon_that_runs(api, tmp_path):
	api.state("system", {"version": "0.1.0", "pid": 1})
	api.operation("apply", (200, {"weft:output": {**PLAN, "number": 1}}))
	file = tmp_path / "net.yaml"
	file.write_text("x")
	done = weft(api, "up", file)
	assert done.returncode == 0 and "applied as configuration 1" in done.stdout
	assert weft(api, "up").stdout == "weftd runs already\n"


def fake_weftd(folder, script):
	"""A folder with weft and a weftd of our own beside it."""
	(folder / "weft").write_bytes(open(WEFT, "rb").read())
	(folder / "weft").chmod(0o755)
	(folder / "weftd").write_text("#!/bin/sh\n" + script)
	(folder / "weftd").chmod(0o755)
	return folder / "weft"


def test_up_with_a_daemon_that_cannot_start(tmp_path):
	program = fake_weftd(tmp_path, 'echo "args: $*"; echo "weftd: cannot: it is Sunday" >&2; exit 3')
	socket = tmp_path / "run" / "sock"
	done = subprocess.run([program, "up", "--socket", socket, "--state", "st"], cwd=tmp_path,
		env=environment(""), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
	assert done.returncode == 1
	assert "weftd ended at once, with status 3:" in done.stderr
	assert "it is Sunday" in done.stderr
	assert f"args: --socket {socket} --state {tmp_path}/st" in done.stderr


def test_down_waits_until_the_daemon_is_gone(api):
	def shut_down(request):
		return 200, {"weft:output": {}}
	api.operation("shutdown", shut_down)
	# the daemon is this very process, which lives on
	process = subprocess.Popen([WEFT, "down"], env=environment(api.path), stdout=subprocess.PIPE,
		stderr=subprocess.PIPE, text=True)
	time.sleep(1)
	assert process.poll() is None
	process.kill()
	process.wait()


# ---- completion

def complete(api, *words):
	return [line.split("\t")[0] for line in weft(api, "__complete", *words).stdout.splitlines()]


def test_completion_candidates(api):
	api.state("ports", PORTS)
	api.state("networks", [{"name": "red"}, {"name": "x;rm -rf /"}])
	assert complete(api, "sh") == ["show"]
	assert "__complete" not in complete(api, "")
	assert complete(api, "show", "ma") == ["macs"]
	assert complete(api, "show", "ports", "red/lan:") == ["red/lan:web"]
	assert complete(api, "show", "ports", "--network", "") == ["red"]
	assert complete(api, "show", "--wat") == ["--watch"]
	assert complete(api, "apply", "") == [":file"]
	assert complete(api, "apply", "--note", "") == []
	assert complete(api, "apply", "f", "") == []
	assert complete(api, "trace", "tcp") == ["tcp-port="]
	assert complete(api, "trace", "ip=1.2.3.4", "proto") == ["proto="]
	assert complete(api, "trace", "network=") == ["network=red"]
	assert complete(api, "capture", "red/lan:web", "port=red/lan:") == ["port=red/lan:web"]
	assert complete(api, "explain", "red/web", "") == ["to"]
	assert "red/lan:web" in complete(api, "capture", "red/lan2:db", "")
	assert complete(api, "--socket", "") == [":file"]
	api.stop()
	assert complete(api, "show", "ports", "") == []


def test_completion_in_bash(api):
	api.state("ports", PORTS)
	script = weft(api, "completion", "bash").stdout

	def press_tab(line):
		words = f"{script}\ncompopt() {{ :; }}\nweft() {{ {WEFT} \"$@\"; }}\n" \
			f"COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _weft; printf '%s\\n' \"${{COMPREPLY[@]}}\""
		return subprocess.run(["bash", "-c", words], env=environment(api.path), text=True,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20).stdout.split()
	assert press_tab("weft mon") == ["monitor"]
	# behind the colon, which breaks words in bash
	assert press_tab("weft show ports red/lan:") == ["web"]
	assert press_tab("weft trace port=red/lan:") == ["web"]
	assert sorted(press_tab("weft trace port=re")) == ["red/lan2:db", "red/lan:web"]
	assert sorted(press_tab("weft show po")) == ["port-sets", "ports"]
	assert sorted(press_tab("weft show ports ")) == ["red/lan2:db", "red/lan:web"]
	assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_doctor(api):
	api.state("system", {"version": "0.0.1", "pid": 77, "uptime": 3})
	api.state("nics", [{"name": "red/web", "status": "degraded"}, {"name": "red/db", "status": "up"}])
	done = weft(api, "doctor")
	assert re.search(r"^warn  version +weft is \S+, weftd is 0\.0\.1$", done.stdout, re.M)
	assert re.search(r"^warn  nics +1 of 2 are not up$", done.stdout, re.M)
	assert re.search(r"^(ok  |warn|FAIL)  tun|netns", done.stdout, re.M)
	findings = json.loads(weft(api, "doctor", "--json").stdout)
	assert {finding["status"] for finding in findings} <= {"ok", "warn", "fail"}
	assert done.returncode == (1 if any(f["status"] == "fail" for f in findings) else 0)
