/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of tunnels share: a switch with two stations, a tunnel with two remotes in one VNI
 * on it, and the router that carries it, whose ports have memory vnics: what is on the wire can
 * be looked at. The remotes are stations 7 and 8 of the router's port 1.
 */
#ifndef WEFT_TESTS_TUNNEL_FIXTURE_H
#define WEFT_TESTS_TUNNEL_FIXTURE_H

#include "packet/encapsulate.h"
#include "router_fixture.h"
#include "tunnel/tunnel.h"

#define VNI 5000
#define REMOTES 2
#define STATIONS 2

struct bench_tunnel {
	struct bench_router router;
	struct weft_device *lan, *device;
	struct weft_vport *underlay, *service;
	struct weft_vport *remotes[REMOTES], *on_switch[REMOTES];
	struct weft_nic *nics[STATIONS];
	uint8_t family;
	struct weft_prefix local, addresses[REMOTES];
};

static inline void
add_stations(struct weft_change *change, struct bench_tunnel *made)
{
	char name[16];

	for (unsigned i = 0; i < STATIONS; i++) {
		snprintf(name, sizeof(name), "web%u", i);
		made->nics[i] = weft_nic_add(change, made->router.network, name, &lab_nic_config);
		weft_attach(
			change, weft_switch_port_add(change, made->lan, name, NULL), made->nics[i]);
	}
}

static inline void
add_remotes(struct weft_change *change, struct bench_tunnel *made)
{
	struct weft_switch_port_config config = { .access = 1, .group = 5 };
	char text[64];

	for (unsigned i = 0; i < REMOTES; i++) {
		snprintf(text, sizeof(text), made->family == 4 ? "10.1.0.%u" : "2001:db8:1::%x",
			7 + i);
		made->addresses[i] = prefix_of(text);
		made->remotes[i] =
			weft_tunnel_remote_add(change, made->device, VNI, &made->addresses[i]);
		snprintf(text, sizeof(text), "vx.%u", i);
		made->on_switch[i] = weft_switch_port_add(change, made->lan, text, &config);
		weft_link(change, made->remotes[i], made->on_switch[i]);
	}
}

/* local NULL: the address of the router's port 0. */
static inline struct bench_tunnel
lab_tunnel(uint8_t family, const char *local)
{
	struct bench_tunnel made = { .router = lab_router("red", NULL), .family = family };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_tunnel_config config = { .port = 0 };
	struct weft_router_port_config service = { .udp_port = 4789 };

	if (local == NULL)
		local = family == 4 ? "10.0.0.1" : "2001:db8::1";
	made.local = config.local = service.service_address = prefix_of(local);
	made.lan = weft_switch_add(change, made.router.network, "lan", NULL);
	made.device = weft_tunnel_add(change, made.router.network, "vx", &config);
	made.service = weft_router_port_add(change, made.router.device, "vx", &service);
	if (made.device != NULL)
		made.underlay = weft_vport_find(made.device, WEFT_TUNNEL_UNDERLAY);
	weft_link(change, made.underlay, made.service);
	add_stations(change, &made);
	add_remotes(change, &made);
	lab_commit(change);
	for (unsigned i = 0; i < REMOTES; i++)
		know(&made.router, 1, 7 + i, family);
	quiet(&made.router);
	return made;
}

static inline unsigned
ip_header_length(uint8_t family)
{
	return family == 4 ? 20 : 40;
}

/* RFC 7348, 5: a datagram of a remote with `length` bytes behind the VXLAN header, unless the
 * test changes it; returns the length of the frame. */
static inline size_t
make_vxlan(const struct bench_tunnel *tunnel, unsigned remote, uint32_t vni, const void *inner,
	size_t length, uint8_t *frame)
{
	const uint8_t header[8] = { 8, 0, 0, 0, (uint8_t)(vni >> 16), (uint8_t)(vni >> 8),
		(uint8_t)vni, 0 };
	unsigned l3 = 14, l4 = l3 + ip_header_length(tunnel->family);
	size_t size = 8 + sizeof(header) + length;
	uint8_t *ip = frame + l3;

	memset(frame, 0, l4 + 8);
	memcpy(frame, tunnel->router.macs[1], 6);
	station_mac(frame + 6, 256 + 7 + remote);
	frame[12] = tunnel->family == 4 ? 0x08 : 0x86;
	frame[13] = tunnel->family == 4 ? 0x00 : 0xdd;
	if (tunnel->family == 4) {
		uint16_t checksum;

		ip[0] = 0x45;
		ip[2] = (uint8_t)((20 + size) >> 8);
		ip[3] = (uint8_t)(20 + size);
		ip[8] = 60;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, tunnel->addresses[remote].address, 4);
		memcpy(ip + 16, tunnel->local.address, 4);
		checksum = (uint16_t)~rte_raw_cksum(ip, 20);
		memcpy(ip + 10, &checksum, 2);
	} else {
		ip[0] = 0x60;
		ip[4] = (uint8_t)(size >> 8);
		ip[5] = (uint8_t)size;
		ip[6] = IPPROTO_UDP;
		ip[7] = 60;
		memcpy(ip + 8, tunnel->addresses[remote].address, 16);
		memcpy(ip + 24, tunnel->local.address, 16);
	}
	frame[l4] = 0xd0; /* source port */
	frame[l4 + 2] = 4789 >> 8;
	frame[l4 + 3] = 4789 & 0xff;
	frame[l4 + 4] = (uint8_t)(size >> 8);
	frame[l4 + 5] = (uint8_t)size;
	memcpy(frame + l4 + 8, header, sizeof(header));
	memcpy(frame + l4 + 16, inner, length);
	return l4 + 16 + length;
}

/* From a station behind a remote, or one on the switch, to another: stations' MACs by number. */
static inline size_t
make_inner(uint8_t frame[MAKE_SIZE], unsigned source, unsigned destination, uint8_t family)
{
	struct make_ends ends = { .family = family };
	char text[64];

	station_mac(ends.source_mac.addr_bytes, source);
	station_mac(ends.destination_mac.addr_bytes, destination);
	snprintf(text, sizeof(text), family == 4 ? "192.168.0.%u" : "fd00::%x", source & 0xff);
	memcpy(ends.source, prefix_of(text).address, 16);
	snprintf(text, sizeof(text), family == 4 ? "192.168.0.%u" : "fd00::%x", destination & 0xff);
	memcpy(ends.destination, prefix_of(text).address, 16);
	return make_udp(frame, &ends, 1000, 2000, "inside", 6);
}

#endif
