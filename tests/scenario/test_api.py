# SPDX-License-Identifier: BSD-3-Clause
"""The API over HTTP, as clients that are not weft(1) use and misuse it."""
import contextlib
import grp
import json
import os
import re
import socket
import stat
import threading
import time

import pytest

import harness

DATA = "/restconf/data/weft:"
JSON = "application/yang-data+json"
LAN = {"networks": {"red": {"switches": {"lan": {}},
	"nics": {"web": {"switch": "lan", "attach": {"memory": True}}}}}}


class Raw:
	"""A connection of which every byte is the test's own."""

	def __init__(self, weftd, timeout=10):
		self.socket = socket.socket(socket.AF_UNIX)
		self.socket.settimeout(timeout * harness.PATIENCE)
		self.socket.connect(str(weftd.socket))
		self.buffer = b""

	def send(self, text):
		self.socket.sendall(text if isinstance(text, bytes) else text.encode())
		return self

	def request(self, method, path, body=b"", headers=""):
		length = f"Content-Length: {len(body)}\r\n" if body else ""
		return self.send(f"{method} {path} HTTP/1.1\r\nHost: weft\r\n{headers}{length}\r\n".encode() + body)

	def more(self):
		data = self.socket.recv(65536)
		self.buffer += data
		return len(data) > 0

	def until(self, mark):
		while mark not in self.buffer:
			assert self.more(), f"the connection ended after {self.buffer[-200:]}"
		found, _, self.buffer = self.buffer.partition(mark)
		return found

	def head(self):
		"""Status and headers of the next answer."""
		lines = self.until(b"\r\n\r\n").decode().split("\r\n")
		fields = dict(line.lower().split(": ", 1) for line in lines[1:])
		return int(lines[0].split()[1]), fields

	def answer(self, has_body=True):
		status, fields = self.head()
		length = int(fields.get("content-length", 0)) if has_body else 0
		while len(self.buffer) < length:
			assert self.more(), "the body is cut off"
		body, self.buffer = self.buffer[:length], self.buffer[length:]
		return status, fields, body

	def ended(self):
		"""Whether the other side has closed, and said nothing more."""
		with contextlib.suppress(ConnectionResetError):
			return self.socket.recv(65536) == b""
		return True

	def close(self):
		self.socket.close()

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.close()


def error_of(body):
	return json.loads(body)["ietf-restconf:errors"]["error"][0]


def still_answers(weftd, timeout=5):
	assert weftd.request("GET", "/restconf", timeout=timeout)[0] == 200


@pytest.mark.sanitize
def test_content_types_and_methods(weftd):
	with Raw(weftd) as raw:
		for path, wanted in (("/restconf", JSON), ("/restconf/data", JSON),
				("/restconf/data/weft-state:system", JSON), ("/nowhere", JSON),
				("/.well-known/host-meta", "application/xrd+xml"),
				("/metrics", "text/plain; version=0.0.4")):
			status, fields, body = raw.request("GET", path).answer()
			assert (fields["content-type"], len(body)) == (wanted, int(fields["content-length"]))
			assert fields["cache-control"] == "no-cache"
			# HEAD is GET without its body
			told, head, _ = raw.request("HEAD", path).answer(has_body=False)
			assert (told, head["content-type"]) == (status, wanted)
		for path in ("/restconf/data", "/restconf/operations/weft:plan", "/metrics", "/streams/events"):
			status, fields, body = raw.request("OPTIONS", path).answer()
			assert (status, body) == (200, b"") and "options" in fields["allow"]
			status, fields, body = raw.request("BREW", path).answer()
			assert status == 405 and fields["allow"]
			assert error_of(body)["error-tag"] == "operation-not-supported"


def test_wrong_requests(weftd):
	weftd.apply(LAN)
	for method, path, body, status, tag in (
			("GET", "/restconf/nothing", None, 404, "invalid-value"),
			("GET", "/restconf/data?depht=1", None, 400, "invalid-value"),
			("GET", "/restconf/data/weft-state:nics?speed=1", None, 400, "invalid-value"),
			("GET", DATA + "networks=%zz", None, 400, "invalid-value"),
			("GET", DATA + "networks=rde", None, 404, "invalid-value"),
			("GET", "/" + "a/" * 40, None, 413, "too-big"),
			("PUT", DATA + "networks=red", "{", 400, "malformed-message"),
			("PUT", DATA + "networks=red", b"\xff\xfe", 400, "malformed-message"),
			("PUT", DATA + "networks=red", "[" * 100000, 400, "malformed-message"),
			("POST", "/restconf/data", {"weft:networks": [{"name": "red"}]}, 409, "data-exists"),
			("POST", "/restconf/operations/weft:confirm", None, 409, "data-missing"),
			("POST", "/restconf/operations/weft:rollback", {"weft:input": {"number": 9}}, 404, "invalid-value"),
			("DELETE", DATA + "networks=red/switches=lan", None, 400, "invalid-value")):
		got, text = weftd.request(method, path, body)
		assert (got, error_of(text)["error-tag"]) == (status, tag), text
		assert error_of(text)["error-message"]
	assert "did you mean 'red'" in weftd.request("GET", DATA + "networks=rde")[1]


def test_edits_are_configurations(weftd):
	weftd.apply(LAN)
	with Raw(weftd) as raw:
		status, fields, _ = raw.request("POST", DATA + "networks=red",
			b'{"weft:nics": [{"name": "db", "switch": "lan", "attach": {"memory": true}}]}',
			f"Content-Type: {JSON}\r\n").answer()
		assert (status, fields["location"]) == (201, DATA + "networks=red/nics=db")
		assert raw.request("GET", fields["location"]).answer()[0] == 200
	assert weftd.request("PATCH", DATA + "networks=red/nics=db",
		{"weft:nics": [{"name": "db", "mtu": 9000}]}) == (204, "")
	assert weftd.request("PUT", DATA + "networks=red/description", {"weft:description": "r\u00f6t"})[0] == 201
	assert weftd.show("nics", "red/db")["mtu"] == 9000
	assert weftd.request("DELETE", DATA + "networks=red/nics=web") == (204, "")
	history = weftd.show("history")
	assert [entry["note"] for entry in history] == ["DELETE", "PUT", "PATCH", "POST", "test.yaml"]
	assert history[0]["running"] and history[0]["user"] == "root"
	yaml = weftd.operation("export")["yaml"]
	assert weftd.operation("plan", yaml=yaml)["items"] == []
	assert "9000" in yaml and "web" not in yaml
	weftd.operation("rollback", number=1)
	assert [nic["name"] for nic in weftd.show("nics")] == ["red/web"]


def test_two_who_edit(weftd):
	"""Both have read the same: who is second is told, and nothing is lost (RFC 8040, 3.4.1)."""
	weftd.apply(LAN)
	body = b'{"weft:nics": [{"name": "web", "mtu": 9000}]}'
	with Raw(weftd) as raw:
		status, fields, _ = raw.request("GET", DATA + "networks=red/nics=web").answer()
		assert (status, fields["etag"]) == (200, '"1"')
		first, second = (raw.request("PATCH", DATA + "networks=red/nics=web", body,
			f"Content-Type: {JSON}\r\nIf-Match: {fields['etag']}\r\n").answer() for _ in range(2))
		assert (first[0], first[1]["etag"], second[0]) == (204, '"2"', 412)
		assert "read it anew" in error_of(second[2])["error-message"]
		assert raw.request("GET", DATA + "networks", headers='If-None-Match: "2"\r\n').answer(False)[0] == 304
		assert raw.request("PATCH", DATA + "networks=red", body, "Content-Type: text/yaml\r\n").answer()[0] == 415
	assert [entry["number"] for entry in weftd.show("history")] == [2, 1]


def test_percent_encoding(weftd):
	weftd.apply({"networks": {"red": {"switches": {"lan": {"ports": {"a": {}},
		"static-macs": {"02:00:00:00:00:0a": {"port": "a"}}}}}}})
	for path in ("weft-state:ports=red%2Flan%3Aa", "weft-state:ports=red%2flan:a",
			"weft%2Dstate:macs?switch=red/lan&mac=02%3A00%3A00%3A00%3A00%3A0A",
			"weft:networks=%72ed/switches=lan/static-macs=02%3a00%3a00%3a00%3a00%3a0A"):
		status, body = weftd.request("GET", "/restconf/data/" + path)
		assert status == 200 and len(next(iter(json.loads(body).values()))) == 1, body
	# '+' is itself, not a blank
	assert weftd.request("GET", "/restconf/data/weft-state:ports?network=r+d")[0] == 404


def test_big_bodies(weftd):
	limit = 64 << 20
	with Raw(weftd, 60) as raw:
		raw.send(f"POST /restconf/operations/weft:plan HTTP/1.1\r\nHost: weft\r\n"
			f"Content-Length: {limit + 1}\r\n\r\n")
		for _ in range(limit >> 20):
			raw.send(b" " * (1 << 20))
		status, _, body = raw.send(b" ").answer()
		assert (status, error_of(body)["error-tag"]) == (413, "too-big")
	# what fits is read
	comment = "#" + "x" * (4 << 20) + "\n"
	assert weftd.operation("plan", yaml=comment + "{}")["items"] == []
	with Raw(weftd) as raw:
		status, _, _ = raw.request("POST", "/restconf/operations/weft:export", b"",
			"Transfer-Encoding: chunked\r\n").send("2\r\n{}\r\n0\r\n\r\n").answer()
		assert status == 200


def test_keep_alive_and_pipelining(weftd):
	with Raw(weftd) as raw:
		for _ in range(3):
			assert raw.request("GET", "/restconf").answer()[0] == 200
		one = "GET /restconf/yang-library-version HTTP/1.1\r\nHost: weft\r\n\r\n"
		raw.send(one * 20 + "GET /nowhere HTTP/1.1\r\nHost: weft\r\n\r\n" + one)
		assert [raw.answer()[0] for _ in range(22)] == [200] * 20 + [404, 200]
		raw.request("GET", "/restconf", headers="Connection: close\r\n")
		assert raw.answer()[0] == 200 and raw.ended()


def test_half_open_connections(weftd):
	with Raw(weftd) as raw:
		raw.request("GET", "/restconf").socket.shutdown(socket.SHUT_WR)
		assert raw.answer()[0] == 200 and raw.ended()
	with Raw(weftd) as raw:
		raw.send("GET /restconf HTTP/1.1\r\nHo").socket.shutdown(socket.SHUT_WR)
		raw.ended()
	for garbage in (b"\0" * 100, b"\x16\x03\x01" * 50, b"GET\r\n\r\n", b"x" * 100000):
		with Raw(weftd) as raw, contextlib.suppress(OSError):
			raw.send(garbage)
			raw.socket.shutdown(socket.SHUT_WR)
			raw.more()
	# gone before the answer is
	for _ in range(20):
		Raw(weftd).request("GET", "/metrics").close()
	still_answers(weftd)


def test_slow_clients(weftd):
	with Raw(weftd) as slow, Raw(weftd) as stuck:
		stuck.send("GET /restconf HTTP/1.1\r\n")
		for character in "GET /restconf HTTP/1.1\r\nHost: weft\r\n\r\n":
			slow.send(character)
			time.sleep(0.01)
		assert slow.answer()[0] == 200
		still_answers(weftd)


def test_long_answers(weftd):
	"""What takes longer than a connection may say nothing is answered all the same."""
	weftd.apply({"networks": {"red": {"switches": {"lan": {}},
		"nics": {"web": {"switch": "lan", "ip": ["10.0.0.1/24"], "mac": "02:00:00:00:00:01",
			"attach": {"memory": True}}},
		"tests": [{"from": "web", "ping": "10.0.0.99", "expect": "blocked", "timeout": "25s"}]}}})
	start = time.monotonic()
	tests = weftd.operation("test", timeout=60)["tests"]
	assert tests[0]["holds"], tests
	assert time.monotonic() - start >= 24, tests


def test_many_connections(weftd):
	"""More than there is room for, and all of them quiet: they make room by themselves."""
	before = weftd.open_files()
	raws = []
	try:
		for _ in range(300):
			raw = Raw(weftd, 40)
			raws.append(raw)
			with contextlib.suppress(BrokenPipeError):
				raw.send("GET /restconf HTTP/1.1\r\n")
		start = time.monotonic()
		harness.wait_until(lambda: answers(weftd), 40, "the API answers again")
		assert time.monotonic() - start < 40 * harness.PATIENCE
	finally:
		for raw in raws:
			raw.close()
	harness.wait_until(lambda: weftd.open_files() <= before + 2, 10, "connections are closed")
	still_answers(weftd)


def answers(weftd):
	with contextlib.suppress(OSError, harness.http.client.HTTPException):
		return weftd.request("GET", "/restconf", timeout=5)[0] == 200
	return False


def test_busy_connections(weftd):
	"""As many at once as may be: each is answered."""
	statuses = []

	def ask():
		for _ in range(5):
			statuses.append(weftd.request("GET", "/restconf/data/weft-state:system", timeout=30)[0])
	threads = [threading.Thread(target=ask) for _ in range(100)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	assert statuses == [200] * 500


@pytest.mark.sanitize
def test_events_stream(weftd):
	with Raw(weftd, 30) as raw:
		start = time.monotonic()
		status, fields = raw.request("GET", "/streams/events").head()
		assert (status, fields["content-type"]) == (200, "text/event-stream")
		assert time.monotonic() - start < 2 * harness.PATIENCE
		raw.until(b":\n\n")
		# nothing happens: a heartbeat every 10 s
		start = time.monotonic()
		raw.until(b":\n\n")
		assert 8 < time.monotonic() - start < 15 * harness.PATIENCE
		weftd.apply(LAN)
		raw.until(b"event: apply\n")
		assert json.loads(re.search(rb"data: (.*)", raw.until(b"\n\n")).group(1))["severity"] == "info"
	# its thread notices that nobody reads any more
	harness.wait_until(lambda: threads_of(weftd) <= 10, 15, "the stream's thread is gone")


def threads_of(weftd):
	return len(os.listdir(f"/proc/{weftd.pid}/task"))


def test_streams_end_with_weftd(weftd):
	weftd.apply(LAN)
	raws = [Raw(weftd, 15).request("GET", path) for path in ("/streams/events", "/streams/trace",
		"/streams/capture?port=red/web")]
	for raw in raws:
		assert raw.head()[0] == 200
	start = time.monotonic()
	assert weftd.stop() == 0
	assert time.monotonic() - start < 5 * harness.PATIENCE
	for raw in raws:
		while raw.more():
			pass
		# the chunk that says that this is all of it
		assert raw.buffer.endswith(b"0\r\n\r\n"), raw.buffer[-50:]
		raw.close()


def test_shutdown_is_answered(weftd):
	with Raw(weftd) as raw:
		assert raw.request("POST", "/restconf/operations/weft:shutdown").answer()[0] == 204
	assert weftd.process.wait(10 * harness.PATIENCE) == 0
	assert not weftd.socket.exists()


def test_rights_of_the_socket(space, weftd):
	status = weftd.socket.stat()
	assert stat.S_ISSOCK(status.st_mode)
	try:
		group = grp.getgrnam("weft").gr_gid
	except KeyError:
		assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, os.geteuid())
	else:
		assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, group)
	# a second one at the same place is refused, and leaves the first its socket
	second = space.start_weftd(name="second", options=("--socket", str(weftd.socket)), wait=False)
	assert second.process.wait(20 * harness.PATIENCE) == 1
	assert "another weftd answers" in second.log
	still_answers(weftd)
	second.process = None
