/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole way of packets through two networks that have nothing different but their names: a
 * router with four ports each, a switch with two vnics before the first port. The bytes choose
 * what happens: frames (as they are, or built sensibly and then changed: IPv4 with options, IPv6
 * with any headers behind it, ARP, neighbour discovery), in any pieces, with any virtio-net
 * header; ticks; changes of routes and ports.
 *
 * What must hold: nothing leaves in another network than it came from; what is forwarded has its
 * TTL counted down by one, a right IPv4 checksum, the MAC of the port that it leaves by, and fits
 * its MTU; what a port counts as sent has been sent; a dry run leaves no trace; every buffer
 * comes back.
 */
#include "fuzz_packet.h"
#include "graph/engine.h"
#include "graph/explain.h"
#include "graph/punt.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "packet/offload.h"
#include "router/neighbour.h"
#include "router/router.h"

#include <rte_ether.h>
#include <stdio.h>

#define NETWORKS 2
#define PORTS 4
#define NICS (PORTS + 1) /* the first port's switch has two */
#define STEPS 48
#define FRAME_LIMIT UINT16_MAX
#define BUILT_LIMIT 2048
#define SECOND UINT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tenant {
	struct weft_network *network;
	struct weft_device *router;
	struct weft_vport *ports[PORTS], *switch_ports[3];
	struct weft_nic *nics[NICS]; /* nics[i] is on port i; nics[PORTS], too, on port 0 */
	uint32_t mtus[PORTS];
	uint8_t macs[PORTS][6];
};

static struct weft *weft;
static uint64_t now = 1000 * SECOND;
static struct tenant tenants[NETWORKS];
static const char *const marks[NETWORKS] = { "<of-red>", "<of-blu>" };
#define MARK_LENGTH 8

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

static void
free_notice(void *context, struct weft *engine, enum punt_reason reason, struct rte_mbuf *packet)
{
	(void)context;
	(void)engine;
	(void)reason;
	rte_pktmbuf_free(packet);
}

static void
commit(struct weft_change *change)
{
	struct weft_error error = { 0 };

	require(weft_change_commit(change, &error) == 0, error.text);
}

/* ---- the bytes that choose ------------------------------------------------------------------ */

struct bytes {
	const uint8_t *at;
	size_t left;
};

static uint8_t
take(struct bytes *bytes)
{
	if (bytes->left == 0)
		return 0;
	bytes->left--;
	return *bytes->at++;
}

static uint16_t
take16(struct bytes *bytes)
{
	uint16_t high = take(bytes);

	return (uint16_t)(high << 8 | take(bytes));
}

static size_t
take_bytes(struct bytes *bytes, uint8_t *to, size_t length)
{
	length = RTE_MIN(length, bytes->left);
	memcpy(to, bytes->at, length);
	bytes->at += length;
	bytes->left -= length;
	return length;
}

/* ---- the networks --------------------------------------------------------------------------- */

/* Port i has 10.i.0.1/24 and 2001:db8:i::1/64. */
static void
put_address(uint8_t address[16], uint8_t family, uint8_t port, uint8_t station)
{
	const uint8_t four[4] = { 10, port, 0, station };
	const uint8_t six[16] = { 0x20, 1, 0x0d, 0xb8, 0, port, [15] = station };

	memset(address, 0, 16);
	memcpy(address, family == 4 ? four : six, family == 4 ? 4 : 16);
}

static void
station_mac(uint8_t mac[6], uint8_t port, uint8_t station)
{
	const uint8_t made[6] = { 2, 0, 0, 1, port, station };

	memcpy(mac, made, 6);
}

static struct weft_router_port_config
port_config(uint8_t port, uint8_t choice, struct weft_prefix addresses[2])
{
	static const uint32_t mtus[] = { 0, 1280, 576, 68 };
	struct weft_router_port_config config = { .mtu = mtus[choice & 3],
		.urpf = (enum weft_urpf)(choice >> 2 & 3) % 3,
		.proxy_arp = choice & 16,
		.clamp_mss = choice & 32 ? 500 : 0,
		.no_redirects = choice & 64,
		.addresses = addresses };

	for (unsigned i = 0; i < 2; i++) {
		addresses[i] = (struct weft_prefix){ .family = i == 0 ? 4 : 6,
			.length = i == 0 ? 24 : 64 };
		put_address(addresses[i].address, addresses[i].family, port, 1);
	}
	/* RFC 8200, 5: no IPv6 where the MTU is below 1,280 */
	config.n_addresses = (choice & 128) || (choice & 3) > 1 ? 1 : 2;
	return config;
}

static void
add_network(struct weft_change *change, unsigned n)
{
	static const char *const names[] = { "red", "blue" };
	static const struct weft_nic_config nic = { .kind = WEFT_NIC_MEMORY, .mtu = 65521 };
	struct weft_router_config router = { .icmp_rate = 1000000 };
	struct tenant *tenant = &tenants[n];
	struct weft_prefix addresses[2];
	struct weft_device *device;
	char name[32];

	tenant->network = weft_network_add(change, names[n], NULL);
	tenant->router = weft_router_add(change, tenant->network, "r", &router);
	device = weft_switch_add(change, tenant->network, "s", NULL);
	for (uint8_t i = 0; i < PORTS; i++) {
		struct weft_router_port_config config = port_config(i, 0, addresses);

		snprintf(name, sizeof(name), "p%u", i);
		tenant->ports[i] = weft_router_port_add(change, tenant->router, name, &config);
	}
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		tenant->switch_ports[i] = weft_switch_port_add(change, device, name, NULL);
	}
	for (unsigned i = 0; i < NICS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		tenant->nics[i] = weft_nic_add(change, tenant->network, name, &nic);
	}
}

static void
open_once(void)
{
	struct weft_options options = { .memory_mb = 64, .clock = read_clock };
	struct weft_change *change;

	if (weft != NULL)
		return;
	weft = weft_open(&options, NULL);
	require(weft != NULL, "no engine");
	pools = weft->pools;
	for (int reason = 0; reason < PUNT_REASON_COUNT; reason++)
		punt_register(weft, (enum punt_reason)reason, free_notice, NULL);
	change = weft_change_begin(weft);
	for (unsigned n = 0; n < NETWORKS; n++)
		add_network(change, n);
	commit(change);
}

static void
attach(struct weft_change *change, const struct tenant *tenant, unsigned port)
{
	if (port != 0) {
		weft_attach(change, tenant->ports[port], tenant->nics[port]);
		return;
	}
	weft_link(change, tenant->ports[0], tenant->switch_ports[0]);
	weft_attach(change, tenant->switch_ports[1], tenant->nics[0]);
	weft_attach(change, tenant->switch_ports[2], tenant->nics[PORTS]);
}

static void
detach(struct weft_change *change, const struct tenant *tenant, unsigned port)
{
	weft_detach(change, tenant->ports[port]);
	for (unsigned i = 0; port == 0 && i < 3; i++)
		weft_detach(change, tenant->switch_ports[i]);
}

static void
configure(struct weft_change *change, struct tenant *tenant, uint8_t port, uint8_t choice)
{
	struct weft_prefix addresses[2];
	struct weft_router_port_config config = port_config(port, choice, addresses);

	weft_router_port_update(change, tenant->ports[port], &config);
	tenant->mtus[port] = config.mtu != 0 ? config.mtu : ROUTER_PORT_MTU;
}

static const struct weft_prefix prefixes[] = {
	{ 4, 0, { 0 } },
	{ 4, 8, { 20 } },
	{ 4, 16, { 20, 1 } },
	{ 4, 32, { 20, 1, 2, 3 } },
	{ 6, 0, { 0 } },
	{ 6, 32, { 0x20, 1, 0x0d, 0xb9 } },
	{ 6, 64, { 0x20, 1, 0x0d, 0xb9, 0, 1 } },
	{ 6, 128, { 0x20, 1, 0x0d, 0xb9, 0, 1, 0, 0, [15] = 3 } },
};

static void
set_route(struct weft_change *change, const struct tenant *tenant, uint8_t which, uint8_t choice)
{
	const struct weft_prefix *prefix = &prefixes[which % RTE_DIM(prefixes)];
	struct weft_hop hops[2] = { 0 };
	struct weft_route route = { .prefix = *prefix, .hops = hops, .n_hops = 1 };

	if (which & 0x80) {
		weft_router_route_remove(change, tenant->router, prefix);
		return;
	}
	route.kind =
		(choice & 0x30) == 0x30 ? (enum weft_route_kind)(choice & 3) : WEFT_ROUTE_FORWARD;
	if (route.kind != WEFT_ROUTE_FORWARD)
		route.n_hops = 0;
	else if (choice & 0x40)
		route.n_hops = 2;
	for (unsigned i = 0; i < route.n_hops; i++) {
		hops[i].gateway.family = prefix->family;
		put_address(hops[i].gateway.address, prefix->family, (uint8_t)(choice + i) % PORTS,
			(uint8_t)(5 + i));
	}
	weft_router_route_set(change, tenant->router, &route);
}

/* What was learned is forgotten with what was attached. */
static void
tear_down(void)
{
	struct weft_change *change = weft_change_begin(weft);

	for (unsigned n = 0; n < NETWORKS; n++)
		for (uint8_t i = 0; i < PORTS; i++)
			detach(change, &tenants[n], i);
	commit(change);
}

static void
set_up(struct bytes *bytes)
{
	struct weft_change *change = weft_change_begin(weft);

	for (unsigned n = 0; n < NETWORKS; n++) {
		for (unsigned i = 0; i < RTE_DIM(prefixes); i++)
			set_route(change, &tenants[n], (uint8_t)(i | 0x80), 0);
		for (uint8_t i = 0; i < PORTS; i++) {
			configure(change, &tenants[n], i, take(bytes));
			attach(change, &tenants[n], i);
		}
		set_route(change, &tenants[n], 1, 2);
		set_route(change, &tenants[n], 5, 1);
	}
	commit(change);
	for (unsigned n = 0; n < NETWORKS; n++)
		for (unsigned i = 0; i < PORTS; i++) {
			struct router_port_info info;

			router_port_read(tenants[n].ports[i], &info);
			memcpy(tenants[n].macs[i], info.mac, 6);
		}
}

/* ---- frames ---------------------------------------------------------------------------------- */

struct input {
	unsigned tenant, nic, port;
	bool offload;
	struct virtio_net_hdr header;
	size_t piece; /* of the chain */
	size_t length;
	uint8_t frame[FRAME_LIMIT];
};

static void
choose_destination(struct make_ends *ends, uint8_t choice)
{
	static const uint8_t odd4[][4] = { { 20, 1, 2, 3 }, { 20, 200, 1, 1 }, { 30, 1, 1, 1 },
		{ 127, 0, 0, 1 }, { 255, 255, 255, 255 }, { 224, 0, 0, 1 }, { 240, 0, 0, 1 },
		{ 10, 1, 0, 255 }, { 169, 254, 1, 1 }, { 0 } };
	static const uint8_t odd6[][16] = { { 0x20, 1, 0x0d, 0xb9, 0, 1, [15] = 3 },
		{ 0x20, 1, 0x0d, 0xb9, 9 }, { 0x30, 1 }, { [15] = 1 }, { 0xff, 2, [15] = 1 },
		{ 0xff, 2, [15] = 2 }, { 0xff, 2, [11] = 1, [12] = 0xff, [15] = 1 },
		{ 0xff, 0x0e, 1 }, { 0xfe, 0x80, [15] = 7 }, { 0 } };

	if (choice & 0x40)
		put_address(
			ends->destination, ends->family, choice % PORTS, (choice >> 2 & 15) + 1);
	else if (ends->family == 4)
		memcpy(ends->destination, odd4[choice % RTE_DIM(odd4)], 4);
	else
		memcpy(ends->destination, odd6[choice % RTE_DIM(odd6)], 16);
}

/* Puts `length` bytes into the frame. */
static void
insert(struct input *input, size_t at, const uint8_t *bytes, size_t length)
{
	memmove(input->frame + at + length, input->frame + at, input->length - at);
	memcpy(input->frame + at, bytes, length);
	input->length += length;
}

static void
put16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void
fix_header(struct input *input)
{
	uint8_t *ip = input->frame + 14;
	unsigned header = (ip[0] & 15u) * 4;

	if (input->length < 34 || ip[0] >> 4 != 4 || header < 20 || 14 + header > input->length)
		return;
	ip[10] = ip[11] = 0;
	put16(ip + 10, (uint16_t)~slow_fold(slow_sum(ip, header)));
}

/* IPv4 options, or whatever may stand behind an IPv6 header, and more payload. */
static void
grow(struct input *input, struct bytes *bytes, uint8_t family, uint8_t choice)
{
	uint8_t more[64], *ip = input->frame + 14;
	size_t length = take_bytes(bytes, more, (choice & 3) * 8u);

	if (choice & 0x80) {
		size_t room = take16(bytes) % 3000;

		memset(input->frame + input->length, 'x', room);
		input->length += room;
	}
	length &= family == 4 ? ~3ul : ~7ul;
	if (length > 0) {
		if (family == 6 && (choice & 0x40)) {
			const uint8_t kinds[] = { 0, 43, 44, 60, 51, 59, 135, 58 };
			uint8_t next = ip[6];

			ip[6] = kinds[choice >> 2 & 7];
			more[0] = next;
			more[1] = (uint8_t)(length / 8 - 1);
		}
		insert(input, family == 4 ? 34 : 54, more, length);
		if (family == 4)
			ip[0] = (uint8_t)(0x45 + length / 4);
	}
	if (family == 4)
		put16(ip + 2, (unsigned)(input->length - 14));
	else
		put16(ip + 4, (unsigned)(input->length - 54));
}

static void
build(struct input *input, struct bytes *bytes)
{
	uint8_t kind = take(bytes), choice = take(bytes), station = take(bytes) % 16;
	struct make_ends ends = { .family = kind & 1 ? 6 : 4 };
	const struct tenant *tenant = &tenants[input->tenant];
	bool is_ip = (kind >> 1) % 6 < 3;
	uint8_t *frame = input->frame;

	memcpy(&ends.destination_mac, tenant->macs[input->port], 6);
	station_mac(ends.source_mac.addr_bytes, (uint8_t)input->port, station);
	put_address(ends.source, ends.family, (uint8_t)input->port, station);
	choose_destination(&ends, choice);
	if (!is_ip && !(choice & 0x80)) /* what a station would say to the router */
		put_address(ends.destination, ends.family, (uint8_t)input->port, 1);
	switch ((kind >> 1) % 6) {
	case 0:
		input->length = make_udp(frame, &ends, 1, 2, marks[input->tenant], MARK_LENGTH);
		break;
	case 1:
		input->length = make_tcp(frame, &ends, 1, 2, 3, 4, kind);
		break;
	case 2:
		input->length = make_echo(frame, &ends, 1, 2, marks[input->tenant], MARK_LENGTH);
		break;
	case 3:
		input->length = make_neighbour_request(frame, &ends);
		break;
	case 4:
		input->length = make_neighbour_probe(frame, &ends);
		break;
	default:
		input->length = make_neighbour_reply(frame, &ends, choice & 0xe0);
	}
	if (is_ip)
		frame[14 + (ends.family == 4 ? 8 : 7)] = kind & 0x80 ? take(bytes) : 64;
	if (is_ip && (kind & 0x40))
		grow(input, bytes, ends.family, take(bytes));
}

/* Some bytes of it are changed; the IPv4 checksum is made right again, mostly. */
static void
mutate(struct input *input, struct bytes *bytes)
{
	uint8_t count = take(bytes);

	for (unsigned i = 0; i < (count & 7) && input->length > 0; i++) {
		unsigned at = take(bytes);

		input->frame[at % input->length] = take(bytes);
	}
	if (count & 0x40)
		input->length = RTE_MIN(input->length, (size_t)take16(bytes));
	if (!(count & 0x80))
		fix_header(input);
}

static void
make_input(struct input *input, struct bytes *bytes)
{
	uint8_t where = take(bytes), how = take(bytes);

	input->tenant = where % NETWORKS;
	input->nic = (where >> 1) % NICS;
	input->port = input->nic % PORTS;
	input->offload = how & 1;
	input->piece = how & 2 ? 14u + (how >> 2) : (size_t)PACKET_LARGE_ROOM;
	if (input->offload)
		take_bytes(bytes, (uint8_t *)&input->header, sizeof(input->header));
	if (where & 0x80) {
		input->length = take_bytes(bytes, input->frame, take16(bytes) % BUILT_LIMIT);
		if ((where & 0x40) && input->length >= 12) {
			memcpy(input->frame, tenants[input->tenant].macs[input->port], 6);
			station_mac(input->frame + 6, (uint8_t)input->port, 5);
			fix_header(input);
		}
		return;
	}
	build(input, bytes);
	mutate(input, bytes);
}

/* ---- what comes out ----------------------------------------------------------------------------
 */

static bool
is_own(const struct tenant *tenant, uint8_t family, const uint8_t *address)
{
	for (unsigned i = 0; i < PORTS; i++) {
		struct router_port_info info;

		router_port_read(tenant->ports[i], &info);
		for (unsigned j = 0; j < info.n_addresses; j++)
			if (info.addresses[j].family == family &&
				memcmp(info.addresses[j].bytes, address, family == 4 ? 4 : 16) == 0)
				return true;
	}
	return false;
}

/* The IP packet that was put in, if it was one. */
static const uint8_t *
ip_of(const uint8_t *frame, size_t length, uint8_t *family)
{
	uint16_t type = length >= 14 ? (uint16_t)(frame[12] << 8 | frame[13]) : 0;

	*family = type == RTE_ETHER_TYPE_IPV4 ? 4 : type == RTE_ETHER_TYPE_IPV6 ? 6 : 0;
	if (*family == 0 || length < (*family == 4 ? 34 : 54))
		return NULL;
	return frame + 14;
}

/* input NULL: nothing was put in (a tick, a change). */
static void
check_forwarded(
	const struct tenant *tenant, const struct input *input, const uint8_t *ip, uint8_t family)
{
	unsigned ttl = family == 4 ? 8 : 7, addresses = family == 4 ? 12 : 8;
	unsigned size = family == 4 ? 8 : 32;
	const uint8_t *in;
	uint8_t of;

	if (input == NULL || is_own(tenant, family, ip + addresses))
		return;
	in = ip_of(input->frame, input->length, &of);
	if (in == NULL || of != family || memcmp(in + addresses, ip + addresses, size) != 0)
		return;
	require(in[ttl] >= 2 && ip[ttl] == in[ttl] - 1, "its TTL was not counted down by one");
	require(!(input->frame[0] & 1), "what went to all was forwarded");
	require(family == 6 || in[9] == ip[9], "it has another protocol");
}

static void
check_output(
	unsigned n, unsigned nic, const struct input *input, const uint8_t *frame, size_t length)
{
	const struct tenant *tenant = &tenants[n];
	unsigned port = nic % PORTS;
	const uint8_t *ip;
	uint8_t family;

	require(length >= RTE_ETHER_HDR_LEN, "no frame came out");
	require(memmem(frame, length, marks[1 - n], MARK_LENGTH) == NULL || input != NULL,
		"it holds what is the other network's");
	if (memcmp(frame + 6, tenant->macs[port], 6) != 0) {
		require(port == 0, "it left by another's MAC");
		return; /* from station to station, by the switch */
	}
	ip = ip_of(frame, length, &family);
	if (ip == NULL)
		return;
	if (family == 4)
		require(slow_fold(slow_sum(ip, (ip[0] & 15u) * 4)) == 0xffff,
			"its header's checksum is wrong");
	if (input == NULL || (!input->offload && input->nic != nic % PORTS))
		require((family == 4 ? (unsigned)(ip[2] << 8 | ip[3])
				     : 40u + (unsigned)(ip[4] << 8 | ip[5])) <= tenant->mtus[port],
			"it is longer than the MTU");
	check_forwarded(tenant, input, ip, family);
}

/* Takes what has come out; all of it must be of network `of` (NETWORKS: may be of any). */
static uint64_t
take_output(unsigned of, const struct input *input)
{
	static uint8_t frame[UINT16_MAX];
	uint64_t count = 0;
	size_t length;

	for (unsigned i = 0; i < NETWORKS * NICS; i++) {
		unsigned n = i / NICS, nic = i % NICS;

		while ((length = weft_nic_receive(tenants[n].nics[nic], frame, sizeof(frame))) >
			0) {
			require(of == NETWORKS || n == of, "it left in another network");
			check_output(n, nic, input, frame, length);
			count++;
		}
	}
	return count;
}

struct tally {
	uint64_t in[NETWORKS], out[NETWORKS], drops[NETWORKS];
	uint64_t sent[NETWORKS]; /* out of ports that have a vnic */
	uint64_t nic_drops;
	unsigned neighbours[NETWORKS];
};

static void
count_vport(struct tally *tally, unsigned n, const struct weft_vport *vport, bool has_nic)
{
	struct vport_counters counters;
	struct vport_drops drops;

	vport_read_counters(vport, &counters, &drops);
	tally->in[n] += counters.in_packets;
	tally->out[n] += counters.out_packets;
	tally->sent[n] += has_nic ? counters.out_packets : 0;
	for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
		tally->drops[n] += drops.by_reason[reason];
}

static void
take_tally(struct tally *tally)
{
	struct vport_drops drops;

	memset(tally, 0, sizeof(*tally));
	for (unsigned n = 0; n < NETWORKS; n++) {
		for (unsigned i = 0; i < PORTS; i++)
			count_vport(tally, n, tenants[n].ports[i], i != 0);
		for (unsigned i = 0; i < 3; i++)
			count_vport(tally, n, tenants[n].switch_ports[i], i != 0);
		tally->neighbours[n] = neighbours_count(tenants[n].network);
		for (unsigned i = 0; i < NICS; i++) {
			nic_read_drops(tenants[n].nics[i], &drops);
			for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
				tally->nic_drops += drops.by_reason[reason];
		}
	}
}

static void
check_tallies(const struct tally *before, const struct tally *after, unsigned network,
	uint64_t came_out, bool super)
{
	unsigned other = 1 - network;
	uint64_t sent = after->sent[network] - before->sent[network];
	uint64_t drops = after->drops[network] - before->drops[network] + after->nic_drops -
			 before->nic_drops;

	require(before->in[other] == after->in[other] && before->out[other] == after->out[other] &&
			before->drops[other] == after->drops[other] &&
			before->neighbours[other] == after->neighbours[other],
		"the other network counted");
	require(after->in[network] - before->in[network] + drops > 0, "neither in nor dropped");
	if (!super)
		require(came_out <= sent && came_out + drops >= sent,
			"what was sent did not come out");
}

static void
run(void)
{
	for (unsigned turns = 0; weft_run(weft) > 0; turns++)
		require(turns < 20000, "it never ends");
	punt_drain(weft);
}

/* ---- steps ------------------------------------------------------------------------------------
 */

/* A dry run through the same tables: nothing leaves, counts or learns. */
static void
explain(const struct input *input)
{
	static struct tally before, after;
	struct weft_nic *nic = tenants[input->tenant].nics[input->nic];
	struct explanation *told;

	if (atomic_load(&nic->vport) == 0)
		return;
	take_tally(&before);
	told = explain_frame(weft, atomic_load(&nic->vport), input->frame, input->length, NULL);
	if (told != NULL)
		require(told->verdict[0] != '\0' && told->count > 0, "no verdict, or no steps");
	free(told);
	run();
	take_tally(&after);
	require(memcmp(&before, &after, sizeof(before)) == 0, "a dry run was counted");
	require(take_output(NETWORKS, NULL) == 0, "a dry run left");
}

static void
put(const struct input *input)
{
	static struct tally before, after;
	struct weft_nic *nic = tenants[input->tenant].nics[input->nic];
	struct rte_mbuf *packet;
	bool super;

	if (input->length == 0)
		return;
	packet = fixture_chain(input->frame, input->length, input->piece);
	if (input->offload && !offload_from_header(packet, &input->header)) {
		rte_pktmbuf_free(packet);
		return;
	}
	super = packet_meta(packet)->gso != PACKET_GSO_NONE;
	take_tally(&before);
	nic_input(weft->workers[0], nic->queues[0], &packet, 1);
	run();
	take_tally(&after);
	check_tallies(&before, &after, input->tenant, take_output(input->tenant, input), super);
}

static void
change_something(struct bytes *bytes)
{
	struct weft_change *change = weft_change_begin(weft);
	uint8_t what = take(bytes), choice = take(bytes);
	struct tenant *tenant = &tenants[what % NETWORKS];
	uint8_t port = (what >> 1) % PORTS;

	switch (what >> 3 & 3) {
	case 0:
		set_route(change, tenant, choice, take(bytes));
		break;
	case 1:
		configure(change, tenant, port, choice);
		break;
	case 2:
		detach(change, tenant, port);
		if (choice & 1)
			attach(change, tenant, port);
		break;
	default:
		detach(change, tenant, port);
		commit(change);
		change = weft_change_begin(weft);
		attach(change, tenant, port);
	}
	commit(change);
	run();
	take_output(NETWORKS, NULL);
}

static void
let_time_pass(uint8_t choice)
{
	for (unsigned i = 0; i <= (choice & 3); i++) {
		now += choice & 4 ? 30 * SECOND : SECOND;
		if (choice & 8)
			weft_tick(weft); /* goes through the whole MAC table */
		else
			neighbours_tick(weft, now);
		run();
		take_output(NETWORKS, NULL);
	}
}

static void
step(struct bytes *bytes)
{
	static struct input input;
	uint8_t what = take(bytes);

	switch (what % 8) {
	case 0:
		let_time_pass(what >> 3);
		return;
	case 1:
		change_something(bytes);
		return;
	case 2:
		make_input(&input, bytes);
		explain(&input);
		return;
	default:
		make_input(&input, bytes);
		put(&input);
		now += 1000;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, size };

	open_once();
	set_up(&bytes);
	run();
	take_output(NETWORKS, NULL);
	for (unsigned i = 0; i < STEPS && bytes.left > 0; i++)
		step(&bytes);
	tear_down();
	run();
	take_output(NETWORKS, NULL);
	/* what still waits for a neighbour is given up when it has been asked for in vain */
	for (unsigned i = 0; i <= NEIGHBOUR_TRIES * NEIGHBOUR_RETRANS_S; i++) {
		now += SECOND;
		neighbours_tick(weft, now);
		run();
	}
	require(fixture_nothing_lost(), "a buffer was lost");
	return 0;
}
