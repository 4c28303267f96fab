# SPDX-License-Identifier: BSD-3-Clause
"""FTP and TFTP through a firewall that opens what their control connections announce, and nothing
else: vsftpd and curl, in.tftpd and busybox; plain, and translated on either side."""
import os
import socket
import tempfile

import pytest

import harness
from test_firewall import NEIGHBORS, connect, firewalled
from test_syn_proxy import translated

MASQUERADE = {"name": "hide", "source": "192.0.2.1", "from-ip": "10.0.0.0/8"}
FTP = {"name": "ftp", "accept": "tcp", "to-port": 21, "helper": "ftp"}
TFTP = {"name": "tftp", "accept": "udp", "to-port": 69, "helper": "tftp"}
DATA = bytes(range(256)) * 4000


def vsftpd(namespace, folder, **more):
	root = folder / "root"
	(root / "up").mkdir(parents=True, exist_ok=True)
	os.chmod(root, 0o555)
	os.chmod(root / "up", 0o777)
	(root / "data").write_bytes(DATA)
	config = {"listen": "NO", "listen_ipv6": "YES", "anonymous_enable": "YES", "anon_root": root,
		"write_enable": "YES", "anon_upload_enable": "YES", "anon_umask": "022",
		"secure_chroot_dir": "/var/run/vsftpd/empty", "no_anon_password": "YES",
		"run_as_launching_user": "NO", "seccomp_sandbox": "NO", "ftp_username": "daemon",
		"port_promiscuous": "NO", "connect_from_port_20": "YES", "pasv_min_port": 40000,
		"pasv_max_port": 50000, **more}
	os.makedirs("/var/run/vsftpd/empty", exist_ok=True)
	file = folder / "vsftpd.conf"
	file.write_text("".join(f"{key}={value}\n" for key, value in config.items()))
	server = namespace.popen("vsftpd", file)
	harness.wait_until(lambda: ":21 " in namespace.run("ss", "-Hltn").stdout, what="vsftpd listens")
	return server


def fetch(namespace, address, *options):
	"""What curl got; None: nothing within some seconds."""
	host = f"[{address}]" if ":" in address else address
	with tempfile.NamedTemporaryFile() as file:
		done = namespace.run("curl", "-sgv", "--connect-timeout", 3 * harness.PATIENCE, "-m",
			8 * harness.PATIENCE, *options, f"ftp://{host}/data", "-o", file.name, check=False)
		print(done.stderr)
		return file.read() if done.returncode == 0 else None


WAYS = {"active": ("-P", "-", "--disable-eprt"), "extended active": ("-P", "-"),
	"passive": ("--disable-epsv", "--no-ftp-skip-pasv-ip"), "extended passive": ()}


@pytest.fixture
def files(tmp_path):
	os.chmod(tmp_path, 0o755)
	for parent in list(tmp_path.parents)[:3]:
		if str(parent).startswith("/tmp/"):
			os.chmod(parent, 0o755)
	return tmp_path


def check_ways(client, address, ways=WAYS):
	for word, options in ways.items():
		assert fetch(client, address, *options) == DATA, word


def test_plain(space, files):
	"""Each way of both families; without the helper none of them; the parent is told."""
	config = firewalled(space, [*NEIGHBORS, {**FTP, "from": "out"}])
	weftd = space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	server = vsftpd(inside, files)
	check_ways(outside, "10.0.0.10")
	check_ways(outside, "2001:db8::10", {key: value for key, value in WAYS.items() if "extended" in key})
	shown = weftd.show("connections", network="red", protocol="tcp")
	parents = [one for one in shown if one["parent"] is None]
	children = [one for one in shown if one["parent"] is not None]
	assert len(parents) == 6 and all(one["to"].endswith(":21") for one in parents), shown
	assert len(children) == 6 and all(one["rule"] == "ftp" for one in children), shown
	assert {one["parent"] for one in children} == {f"{one['from']} > {one['to']}" for one in parents}
	upload = outside.run("curl", "-sg", "-T", files / "root/data", "ftp://10.0.0.10/up/new")
	assert upload.returncode == 0 and (files / "root/up/new").read_bytes() == DATA
	del config["networks"]["red"]["firewalls"]["fw"]["rules"][-1]["helper"]
	weftd.apply(config)
	for word, options in WAYS.items():
		assert fetch(outside, "10.0.0.10", *options) is None, word
	server.terminate()


@pytest.mark.parametrize("proxied", [False, True])
def test_translated_client(space, files, proxied):
	"""The client is behind an address that is not its own; and with the SYN proxy between."""
	config = translated(space, [MASQUERADE],
		[*NEIGHBORS, {"name": "ping", "accept": "icmp"}, {**FTP, "syn-proxy": proxied}])
	config["networks"]["red"]["firewalls"]["fw"]["default"] = "drop"
	space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("192.0.2.10")
	server = vsftpd(outside, files)
	check_ways(inside, "192.0.2.10")
	server.terminate()


@pytest.mark.parametrize("proxied", [False, True])
def test_translated_server(space, files, proxied):
	"""The server is behind an address, and a port, that are not its own."""
	forward = {"name": "ftp", "destination": "10.0.0.10", "protocol": "tcp", "to-ip": "192.0.2.100",
		"to-port": 21, "answer": True}
	config = translated(space, [MASQUERADE, forward],
		[*NEIGHBORS, {"name": "ping", "accept": "icmp"}, {**FTP, "syn-proxy": proxied}])
	config["networks"]["red"]["firewalls"]["fw"]["default"] = "drop"
	space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("192.0.2.10")
	server = vsftpd(inside, files)
	check_ways(outside, "192.0.2.100")
	server.terminate()


def test_nobody_elses_address(space):
	"""An announcement of another's address, or of a well-known port, opens nothing (RFC 2577)."""
	weftd = space.start_weftd(firewalled(space, [*NEIGHBORS, {**FTP, "from": "out"}]))
	inside, outside = space.namespace("in"), space.namespace("out")
	listener = inside.socket(socket.AF_INET, socket.SOCK_STREAM)
	listener.bind(("0.0.0.0", 21))
	listener.listen()
	client = connect(outside, "10.0.0.10", 21)
	server, _ = listener.accept()
	waiting = {}
	for port in (80, 5000, 6000):
		waiting[port] = outside.socket(socket.AF_INET, socket.SOCK_STREAM)
		waiting[port].bind(("0.0.0.0", port))
		waiting[port].listen()

	def says(line, port):
		client.sendall(line + b"\r\n")
		assert server.recv(100) == line + b"\r\n"
		return not isinstance(connect(inside, "10.0.0.11", port, timeout=0.5), OSError)
	assert not says(b"PORT 10,0,0,12,19,136", 5000)
	assert not says(b"PORT 10,0,0,11,0,80", 80)
	assert not says(b"NOOP PORT 10,0,0,11,19,136", 5000)
	assert not says(b"PORT 10,0,0,11,19,136,1", 5000)
	assert says(b"PORT 10,0,0,11,19,136", 5000)
	# once, and at no other port
	assert isinstance(connect(inside, "10.0.0.11", 5000, timeout=0.5), OSError)
	assert not says(b"PORT 10,0,0,11,19,136", 6000)
	assert says(b"EPRT |1|10.0.0.11|6000|", 6000)
	assert len(weftd.show("connections", network="red", protocol="tcp")) == 3
	for one in (client, server, listener, *waiting.values()):
		one.close()


def test_passive_only_when_asked(space):
	"""A server opens its own ports only where its client has asked for them."""
	space.start_weftd(firewalled(space, [*NEIGHBORS, {**FTP, "from": "out"}]))
	inside, outside = space.namespace("in"), space.namespace("out")
	listener = inside.socket(socket.AF_INET, socket.SOCK_STREAM)
	listener.bind(("0.0.0.0", 21))
	listener.listen()
	client = connect(outside, "10.0.0.10", 21)
	server, _ = listener.accept()
	data = inside.socket(socket.AF_INET, socket.SOCK_STREAM)
	data.bind(("0.0.0.0", 5000))
	data.listen()

	def reply():
		server.sendall(b"227 Entering Passive Mode (10,0,0,10,19,136).\r\n")
		assert client.recv(100).startswith(b"227 ")
		return not isinstance(connect(outside, "10.0.0.10", 5000, timeout=0.5), OSError)
	assert not reply()
	# in pieces
	for piece in (b"PA", b"SV", b"\r\n"):
		client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		client.sendall(piece)
		assert server.recv(10) == piece
	assert reply()
	assert not reply()
	for one in (client, server, listener, data):
		one.close()


def tftp_server(namespace, files):
	root = files / "tftp"
	root.mkdir()
	(root / "data").write_bytes(DATA[:100000])
	os.chmod(root, 0o777)
	os.chmod(root / "data", 0o666)
	server = namespace.popen("in.tftpd", "-L", "-4", "-c", "-u", "nobody", "-s", root)
	harness.wait_until(lambda: ":69 " in namespace.run("ss", "-Hlun").stdout, what="tftpd listens")
	return server


def tftp(namespace, files, address, *what):
	namespace.run("busybox", "tftp", *what, address, timeout=20 * harness.PATIENCE)


def check_tftp(client, files, address):
	tftp(client, files, address, "-g", "-r", "data", "-l", files / "got")
	assert (files / "got").read_bytes() == DATA[:100000]
	tftp(client, files, address, "-p", "-l", files / "got", "-r", "new")
	harness.wait_until(lambda: (files / "tftp/new").read_bytes() == DATA[:100000], what="the upload")


def test_tftp(space, files):
	"""From and to a server inside; nothing of it without the helper."""
	config = firewalled(space, [*NEIGHBORS, {**TFTP, "from": "out"}])
	weftd = space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	server = tftp_server(inside, files)
	check_tftp(outside, files, "10.0.0.10")
	shown = weftd.show("connections", network="red", protocol="udp")
	assert len([one for one in shown if one["parent"] is not None]) == 2, shown
	server.terminate()


def test_tftp_translated_client(space, files):
	config = translated(space, [MASQUERADE], [*NEIGHBORS, {"name": "ping", "accept": "icmp"}, TFTP])
	config["networks"]["red"]["firewalls"]["fw"]["default"] = "drop"
	space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("192.0.2.10")
	server = tftp_server(outside, files)
	check_tftp(inside, files, "192.0.2.10")
	server.terminate()


def test_tftp_translated_server(space, files):
	forward = {"name": "tftp", "destination": "10.0.0.10", "protocol": "udp",
		"to-ip": "192.0.2.100", "to-port": 69, "answer": True}
	config = translated(space, [MASQUERADE, forward],
		[*NEIGHBORS, {"name": "ping", "accept": "icmp"}, TFTP])
	config["networks"]["red"]["firewalls"]["fw"]["default"] = "drop"
	space.start_weftd(config)
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("192.0.2.10")
	server = tftp_server(inside, files)
	check_tftp(outside, files, "192.0.2.100")
	server.terminate()


@pytest.mark.parametrize("workers", [2])
def test_workers(space, files, workers):
	"""What one worker is told of, another may get."""
	config = translated(space, [MASQUERADE], [*NEIGHBORS, {"name": "ping", "accept": "icmp"}, FTP])
	config["networks"]["red"]["firewalls"]["fw"]["default"] = "drop"
	space.start_weftd(config, options=["--workers", str(workers)])
	inside, outside = space.namespace("in"), space.namespace("out")
	inside.reaches("192.0.2.10")
	server = vsftpd(outside, files)
	for _ in range(5):
		check_ways(inside, "192.0.2.10")
	server.terminate()


@pytest.mark.parametrize("proxied", [False, True])
def test_routed_and_translated(space, files, proxied):
	"""In a router: clients inside behind its own address, and a server of theirs outside; the other
	way round by a port that is forwarded to them."""
	network = {"switches": {}, "nics": {}, "routers": {"r": {"ports": {}}},
		"firewalls": {"fw": {"router": "r", "rules": [{"name": "ping", "accept": "icmp"},
			{**FTP, "syn-proxy": proxied}],
			"translations": [{"name": "out", "masquerade": True, "to": "wan"},
				{"name": "ftp", "destination": "10.0.0.10", "protocol": "tcp", "from": "wan",
					"to-ip": "10.0.1.1", "to-port": 21}]}}}
	for n, word in enumerate(("lan", "wan")):
		network["switches"][word] = {}
		network["nics"][word] = {"switch": word, "ip": f"10.0.{n}.10/24",
			"attach": {"netns": str(space.namespace(word))}}
		network["routers"]["r"]["ports"][word] = {"switch": word, "ip": f"10.0.{n}.1/24"}
	network["nics"]["lan"]["gateway"] = "10.0.0.1"
	space.start_weftd({"networks": {"red": network}})
	lan, wan = space.namespace("lan"), space.namespace("wan")
	lan.reaches("10.0.1.10")
	server = vsftpd(wan, files)
	check_ways(lan, "10.0.1.10")
	server.terminate()
	server.wait(5)
	server = vsftpd(lan, files)
	check_ways(wan, "10.0.1.1")
	server.terminate()
