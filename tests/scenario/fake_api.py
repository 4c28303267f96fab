# SPDX-License-Identifier: BSD-3-Clause
"""A weftd that is none: answers on a unix socket as a test tells it to, and notes what came.

	with FakeApi(folder) as api:
		api.answers["GET", "/restconf/data/weft-state:system"] = 200, {"weft-state:system": {}}
		...
		assert api.requests[0].body["weft:input"]["yaml"] == "..."

An answer is (status, JSON or bytes), or a function of the request that gives one, or that
writes to the connection itself and gives None.
"""
import json
import socket
import threading
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit


class Request:
	def __init__(self, method, target, headers, body):
		parts = urlsplit(target)
		self.method, self.path, self.headers = method, unquote(parts.path), headers
		self.query = parse_qsl(parts.query, keep_blank_values=True)
		self.raw = body
		self.body = json.loads(body) if body else None
		self.connection = None


class FakeApi:
	def __init__(self, folder):
		self.path = Path(folder) / "sock"
		self.answers, self.requests, self.connections = {}, [], []
		self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

	def __enter__(self):
		self.listener.bind(str(self.path))
		self.listener.listen(16)
		threading.Thread(target=self.serve, daemon=True).start()
		return self

	def __exit__(self, *_):
		self.stop()

	def stop(self):
		"""As when weftd is killed: the socket's file stays."""
		for one in [self.listener, *self.connections]:
			try:
				one.shutdown(socket.SHUT_RDWR)
			except OSError:
				pass
			one.close()

	def serve(self):
		while True:
			try:
				connection = self.listener.accept()[0]
			except OSError:
				return
			self.connections.append(connection)
			threading.Thread(target=self.talk, args=[connection], daemon=True).start()

	def talk(self, connection):
		try:
			stream = connection.makefile("rb")
			while line := stream.readline():
				method, target, _ = line.decode().split()
				headers = {}
				while (line := stream.readline().strip()):
					name, value = line.decode().split(":", 1)
					headers[name.lower()] = value.strip()
				body = stream.read(int(headers.get("content-length", 0)))
				request = Request(method, target, headers, body)
				request.connection = connection
				self.requests.append(request)
				if not self.answer(connection, request):
					break
		except OSError:
			pass
		finally:
			connection.close()

	def answer(self, connection, request):
		answer = self.answers.get((request.method, request.path), error(404, "there is no such thing"))
		if callable(answer):
			answer = answer(request)
		if answer is None:
			return False
		status, body = answer
		body = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
		connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: application/yang-data+json\r\n"
			f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
		return True

	def state(self, kind, objects):
		"""Objects of a kind, each also by its own name."""
		path = f"/restconf/data/weft-state:{kind}"
		self.answers["GET", path] = 200, {f"weft-state:{kind}": objects}
		for one in objects if isinstance(objects, list) else []:
			if "name" in one:
				self.answers["GET", f"{path}={one['name']}"] = 200, {f"weft-state:{kind}": [one]}

	def operation(self, name, answer):
		self.answers["POST", f"/restconf/operations/weft:{name}"] = answer


def error(status, message, tag="invalid-value", **info):
	one = {"error-type": "application", "error-tag": tag, "error-message": message}
	if info:
		one["error-info"] = {f"weft:{key}": value for key, value in info.items()}
	return status, {"ietf-restconf:errors": {"error": [one]}}


def chunked(request, kind="text/event-stream"):
	"""Begins a stream; returns what sends a piece of it."""
	connection = request.connection
	connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
		"Transfer-Encoding: chunked\r\n\r\n".encode())

	def send(piece):
		piece = piece if isinstance(piece, bytes) else piece.encode()
		connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
	return send
