/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a router takes from hosts. Its ports serve DHCP, relay it, serve a network behind relays,
 * and send router advertisements. The input is a list of steps, each with a port: a frame as it
 * is; the payload of a datagram to port 67, or a message of neighbour discovery, in right
 * headers; a station that tells its MAC; time that goes by; a port's services that change. What
 * must hold: whatever leaves is right by its lengths and checksums, DHCP messages and
 * advertisements can be read, and in the end every buffer comes back.
 */
#include "fuzz_packet.h"
#include "graph/engine.h"
#include "packet/checksum.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "protocols/dhcp/dhcp_message.h"
#include "protocols/ra/ra_check.h"
#include "router/router_objects.h"

#include <netinet/in.h>
#include <stdio.h>

#define PORTS 4
#define SECOND UINT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { STEP_FRAME, STEP_DHCP, STEP_DISCOVERY, STEP_STATION, STEP_TIME, STEP_CHANGE, STEPS };

static struct weft *weft;
static uint64_t now = 1000 * SECOND;
static struct weft_vport *ports[PORTS];
static struct weft_nic *nics[PORTS];
static uint8_t macs[PORTS][6];

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static uint64_t
read_clock(void *context)
{
	(void)context;
	return now;
}

/* ---- the router --------------------------------------------------------------------------- */

static const struct weft_dhcp_config servers[] = {
	{ .lease_s = 60 },
	{ .network = { 4, 24, { 10, 9 } }, .gateway = { 4, 32, { 10, 9, 0, 1 } }, .lease_s = 600 }
};
static const struct weft_prefix far_server = { 4, 32, { 10, 0, 2, 9 } };
static const struct weft_ra_config advertises = { .lifetime_s = 1800, .interval_s = 60 };

/* services: bits: DHCP, advertisements */
static struct weft_router_port_config
port_config(unsigned port, struct weft_prefix addresses[2], unsigned services)
{
	struct weft_router_port_config config = { .addresses = addresses, .n_addresses = 2 };

	addresses[0] = (struct weft_prefix){ 4, 24, { 10, 0, (uint8_t)port, 1 } };
	addresses[1] = (struct weft_prefix){ 6, 64, { 0xfd, [7] = (uint8_t)port, [15] = 1 } };
	if ((services & 1) && port == 1) {
		config.dhcp_relay = &far_server;
		config.n_dhcp_relay = 1;
	} else if (services & 1) {
		config.dhcp = &servers[port == 3];
	}
	if (services & 2)
		config.ra = &advertises;
	return config;
}

static void
open_once(void)
{
	static const struct weft_nic_config nic_config = { .kind = WEFT_NIC_MEMORY, .mtu = 65521 };
	struct weft_options options = { .memory_mb = 64, .clock = read_clock };
	struct weft_prefix addresses[2];
	struct router_port_info info;
	struct weft_change *change;
	struct weft_network *network;
	struct weft_device *device;
	char name[8];

	if (weft != NULL)
		return;
	weft = weft_open(&options, NULL);
	require(weft != NULL, "no engine");
	pools = weft->pools;
	change = weft_change_begin(weft);
	network = weft_network_add(change, "red", NULL);
	device = weft_router_add(change, network, "r", NULL);
	for (unsigned i = 0; i < PORTS; i++) {
		struct weft_router_port_config config = port_config(i, addresses, 0);

		snprintf(name, sizeof(name), "p%u", i);
		ports[i] = weft_router_port_add(change, device, name, &config);
		nics[i] = weft_nic_add(change, network, name, &nic_config);
		weft_attach(change, ports[i], nics[i]);
	}
	require(weft_change_commit(change, NULL) == 0, "no router");
	for (unsigned i = 0; i < PORTS; i++) {
		router_port_read(ports[i], &info);
		memcpy(macs[i], info.mac, sizeof(macs[i]));
	}
}

/* Those from `first` on, up to `end`; bit 4: tries alone. */
static void
change_ports(unsigned first, unsigned end, unsigned services)
{
	struct weft_change *change = weft_change_begin(weft);
	struct weft_prefix addresses[2];

	for (unsigned i = first; i < end; i++) {
		struct weft_router_port_config config = port_config(i, addresses, services);

		weft_router_port_update(change, ports[i], &config);
	}
	if (services & 4)
		weft_change_abort(change);
	else
		require(weft_change_commit(change, NULL) == 0, "no change");
}

/* ---- what leaves --------------------------------------------------------------------------- */

static void
check_dhcp(const uint8_t *payload, size_t length)
{
	static struct dhcp_message message;
	enum dhcp_parsed parsed = dhcp_parse(payload, length, &message);

	/* a relay passes on what is no DHCP, too */
	require(parsed == DHCP_OK || parsed == DHCP_BOOTP, "a DHCP message that nobody can read");
}

static void
check_ip4(struct rte_mbuf *packet, const uint8_t *ip, size_t length)
{
	unsigned header = (ip[0] & 15u) * 4, total = (unsigned)ip[2] << 8 | ip[3];
	uint32_t pseudo;

	require(ip4_check(packet, RTE_ETHER_HDR_LEN) == IP_OK, "a wrong IPv4 header leaves");
	if (ip[9] != IPPROTO_UDP || (ip[6] & 0x3f) != 0 || ip[7] != 0 || total < header + 8 ||
		dhcp_get16(ip + header) != DHCP_SERVER_PORT)
		return;
	require(total <= length, "a cut datagram leaves");
	/* of the router itself: what goes through is its sender's */
	if (ip[12] != 10 || ip[15] != 1)
		return;
	pseudo = checksum_sum(ip + 12, 8) + rte_cpu_to_be_16(IPPROTO_UDP) +
		 rte_cpu_to_be_16((uint16_t)(total - header));
	if (checksum_fold(pseudo + checksum_sum(ip + header, total - header)) == 0xffff)
		check_dhcp(ip + header + 8, total - header - 8);
}

static void
check_ip6(struct rte_mbuf *packet, const uint8_t *ip, size_t length)
{
	unsigned payload = (unsigned)ip[4] << 8 | ip[5];

	require(ip6_check(packet, RTE_ETHER_HDR_LEN) == IP_OK, "a wrong IPv6 header leaves");
	if (ip[6] != IPPROTO_ICMPV6 || ip[40] != ND_ROUTER_ADVERTISEMENT || ip[7] != 255)
		return;
	require(payload + 40 <= length, "a cut advertisement leaves");
	require(icmp6_checksum_holds(packet, RTE_ETHER_HDR_LEN, RTE_ETHER_HDR_LEN + 40, payload),
		"the checksum of an advertisement is wrong");
	require(ra_check(ip + 40, payload, ip[7], ip + 8, ip + 24) == RA_VALID,
		"an advertisement that nobody can read");
}

static void
take_all(unsigned port)
{
	static uint8_t frame[1 << 16];
	size_t length;

	while ((length = weft_nic_receive(nics[port], frame, sizeof(frame))) > 0) {
		struct rte_mbuf *packet = packet_from_bytes(&pools, frame, length);
		unsigned type = (unsigned)frame[12] << 8 | frame[13];

		require(length >= RTE_ETHER_HDR_LEN && packet != NULL, "no frame leaves");
		if (type == RTE_ETHER_TYPE_IPV4)
			check_ip4(packet, frame + 14, length - 14);
		else if (type == RTE_ETHER_TYPE_IPV6)
			check_ip6(packet, frame + 14, length - 14);
		rte_pktmbuf_free(packet);
	}
}

static void
run(void)
{
	for (unsigned i = 0; i < 3; i++) {
		while (weft_run(weft) > 0)
			;
		weft_poll(weft);
	}
	for (unsigned i = 0; i < PORTS; i++)
		take_all(i);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void
put_dhcp(unsigned port, uint8_t how, const uint8_t *bytes, size_t length)
{
	struct make_ends ends = { .family = 4 };
	uint8_t frame[MAKE_LONG_SIZE];

	memcpy(&ends.destination_mac, macs[port], 6);
	memcpy(&ends.source_mac, "\x02\0\0\0\0\x07", 6);
	if (how & 1) {
		memset(&ends.destination_mac, 0xff, 6);
		memset(ends.destination, 0xff, 4);
	} else {
		memcpy(ends.source, (uint8_t[]){ 10, 0, (uint8_t)port, 9 }, 4);
		memcpy(ends.destination, (uint8_t[]){ 10, 0, how >> 1 & 3, 1 }, 4);
	}
	length = make_long_udp(frame, &ends, 68, DHCP_SERVER_PORT, bytes, length);
	weft_nic_send(nics[port], frame, length);
}

static void
put_discovery(unsigned port, uint8_t how, const uint8_t *bytes, size_t length)
{
	struct make_ends ends = { .family = 6 };
	uint8_t frame[MAKE_LONG_SIZE];

	memcpy(&ends.source_mac, "\x02\0\0\0\0\x07", 6);
	memcpy(ends.source, (uint8_t[]){ 0xfe, 0x80, [15] = how }, 16);
	memcpy(ends.destination, (uint8_t[]){ 0xff, 2, [15] = 1 + (how & 1) }, 16);
	ip6_multicast_mac(&ends.destination_mac, ends.destination);
	length = make_long_nd(frame, &ends, bytes, length);
	weft_nic_send(nics[port], frame, length);
}

static void
put_station(unsigned port, uint8_t last)
{
	struct make_ends ends = { .family = 4 };
	uint8_t frame[MAKE_SIZE];

	memcpy(&ends.destination_mac, macs[port], 6);
	memcpy(&ends.source_mac, "\x02\0\0\0\0\x07", 6);
	memcpy(ends.source, (uint8_t[]){ 10, 0, (uint8_t)port, last }, 4);
	memcpy(ends.destination, (uint8_t[]){ 10, 0, (uint8_t)port, 1 }, 4);
	weft_nic_send(nics[port], frame, make_neighbour_reply(frame, &ends, 0));
}

static void
pass_time(unsigned seconds)
{
	now += seconds / 8 * 30 * SECOND;
	for (unsigned i = 0; i < seconds % 8; i++) {
		now += SECOND;
		weft_tick(weft);
		run();
	}
}

/* Takes kind and port, how, a length in two bytes, and so many bytes. Returns what it took. */
static size_t
do_step(const uint8_t *data, size_t size)
{
	size_t length = RTE_MIN((size_t)(data[2] << 8 | data[3]), size - 4);
	unsigned port = data[0] / STEPS % PORTS;

	switch (data[0] % STEPS) {
	case STEP_FRAME:
		weft_nic_send(nics[port], data + 4, length);
		break;
	case STEP_DHCP:
		put_dhcp(port, data[1], data + 4, length);
		break;
	case STEP_DISCOVERY:
		put_discovery(port, data[1], data + 4, length);
		break;
	case STEP_STATION:
		put_station(port, data[1]);
		return 4;
	case STEP_TIME:
		pass_time(data[1] % 16);
		return 4;
	default:
		change_ports(port, port + 1, data[1]);
		return 4;
	}
	run();
	return 4 + length;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned used;

	open_once();
	change_ports(0, PORTS, 3);
	for (unsigned steps = 0; size >= 4 && steps < 40; steps++) {
		size_t took = do_step(data, size);

		data += took;
		size -= took;
	}
	/* what waits for neighbours or further fragments is given up, and leases are forgotten */
	change_ports(0, PORTS, 0);
	pass_time(4);
	now += 70 * SECOND;
	pass_time(1);
	used = rte_mempool_in_use_count(pools.small) + rte_mempool_in_use_count(pools.large);
	require(used == 0, "a packet buffer is lost");
	return 0;
}
