#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Floods a virtual router, from an interface of the network namespace that this runs in.

	flood.py KIND INTERFACE[,INTERFACE...] SECONDS ROUTER-MAC [RATE]

RATE: frames a second, as fast as can be if 0. Several interfaces get a burst each in turn.

The router's ports have 10.1.0.1/16 (here) and 10.2.0.1/16; 10.2.0.10 is there. Kinds:
	neighbors	UDP to every address of 10.2.0.0/16
	ttl		UDP whose TTL ends at the router
	fragments	first and middle fragments, every second to the router itself, never complete
	senders		ARP requests and neighbour solicitations, each from a new address and MAC
Prints how many frames it sent.
"""
import random
import socket
import struct
import sys
import time

from ip_reference import (ICMP6, UDP, address_bytes, ether, icmp, ip4, ip6, udp)

COUNT = 65536


def mac_of(number):
	return b"\x02\x77" + struct.pack("!I", number)


def neighbors(router):
	for number in range(COUNT):
		to = f"10.2.{number >> 8}.{number & 255}"
		yield ether(router, mac_of(0), ip4("10.1.0.77", to, UDP, udp("10.1.0.77", to)))


def ttl(router):
	for number in range(1024):
		source, to = f"10.1.7.{number & 255}", "10.2.0.10"
		yield ether(router, mac_of(0), ip4(source, to, UDP, udp(source, to, bytes(40)), ttl=1))


def fragments(router):
	for number in range(COUNT):
		to = "10.1.0.1" if number % 2 else "10.2.0.10"
		field = 0x2000 | (100 if number % 4 > 1 else 0)
		yield ether(router, mac_of(0), ip4(f"10.1.8.{number >> 8 & 255}", to, UDP, bytes(400),
			ident=number, field=field))


def senders(router):
	rng = random.Random(1)
	for number in range(COUNT):
		mac = mac_of(number)
		if number % 2:
			yield (b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac
				+ address_bytes(f"10.1.{number >> 8}.{number & 255}") + bytes(6)
				+ address_bytes("10.1.0.1"))
		else:
			source, to = f"fe80::{rng.getrandbits(63) >> 48:x}:{number:x}:7", "ff02::1:ff00:1"
			message = icmp(source, to, 135, 0, 0, address_bytes("2001:db8:1::1") + b"\1\1" + mac)
			yield ether(b"\x33\x33\xff\0\0\1", mac, ip6(source, to, ICMP6, message, hops=255))


def main(kind, interface, seconds, router, rate="0"):
	frames = list({"neighbors": neighbors, "ttl": ttl, "fragments": fragments,
		"senders": senders}[kind](bytes.fromhex(router.replace(":", ""))))
	opened = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in interface.split(",")]
	for one, name in zip(opened, interface.split(",")):
		one.bind((name, 0))
	print("ready", flush=True)
	sent, refused, start, rate = 0, 0, time.monotonic(), int(rate)
	while (passed := time.monotonic() - start) < float(seconds):
		if rate and sent > rate * passed:
			time.sleep(0.001)
			continue
		send = opened[sent // 64 % len(opened)].send
		for frame in (frames[(sent + n) % len(frames)] for n in range(64)):
			try:
				send(frame)
			except OSError:
				refused += 1  # the queue of the interface is full
		sent += 64
	print(sent - refused, flush=True)


if __name__ == "__main__":
	main(*sys.argv[1:])
