/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels, two of each family, whose underlays are joined. The first byte says what the rest is:
 *	a frame, with any virtio-net header, that goes in at one end: the same frame comes out at
 *	the other, but for what its sender had left undone; or too long, and then its sender may
 *	be told; or
 *	a datagram, in any pieces, that comes to the tunnel from the network, as it is or made
 *	right as far as the VXLAN header: at most what is behind that comes out.
 * Whatever came in has come out or is a counted drop, and every buffer comes back. What is cut
 * is the same datagrams whether or not it was a bundle in between, and a bundle of which a bit has
 * flipped (where, hdr_len says, of which nobody else takes notice) is taken apart into what it is
 * cut into.
 */
#include "../bundle_oracle.h"
#include "fuzz_packet.h"
#include "graph/engine.h"
#include "packet/checksum.h"
#include "packet/encapsulate.h"
#include "packet/offload.h"
#include "packet/parse.h"
#include "tunnel/tunnel.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <stdio.h>

#define TUNNELS 4 /* 0 and 1, 2 and 3 are joined */
#define VNI 5000
#define MTU 1450
#define LIMIT 30000

#define SIX 1
#define FROM_OUTSIDE 2
#define OFFLOAD 4
#define MADE_RIGHT 8
#define IN_PIECES 16
#define LONGER 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weft *weft;
static struct weft_vport *underlays[TUNNELS], *remotes[TUNNELS];
static struct weft_nic *nics[TUNNELS];

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static struct weft_prefix
address_of(unsigned tunnel)
{
	struct weft_prefix address = { .family = tunnel < 2 ? 4 : 6 };

	address.address[0] = tunnel < 2 ? 192 : 0xfd;
	address.address[tunnel < 2 ? 3 : 15] = (uint8_t)(1 + tunnel % 2);
	return address;
}

static void
add_tunnel(struct weft_change *change, struct weft_network *network, unsigned i)
{
	static const struct weft_nic_config memory = { .kind = WEFT_NIC_MEMORY, .mtu = 65521 };
	struct weft_tunnel_config config = { .local = address_of(i), .mtu = MTU };
	struct weft_prefix remote = address_of(i ^ 1);
	struct weft_device *device;
	char name[16];

	snprintf(name, sizeof(name), "t%u", i);
	device = weft_tunnel_add(change, network, name, &config);
	underlays[i] = weft_vport_find(device, WEFT_TUNNEL_UNDERLAY);
	remotes[i] = weft_tunnel_remote_add(change, device, VNI, &remote);
	nics[i] = weft_nic_add(change, network, name, &memory);
	weft_attach(change, remotes[i], nics[i]);
}

static void
open_once(void)
{
	struct weft_options options = { .memory_mb = 64 };
	struct weft_change *change;
	struct weft_network *network;

	if (weft != NULL)
		return;
	weft = weft_open(&options, NULL);
	require(weft != NULL, "no engine");
	pools = weft->pools;
	change = weft_change_begin(weft);
	network = weft_network_add(change, "red", NULL);
	for (unsigned i = 0; i < TUNNELS; i++)
		add_tunnel(change, network, i);
	weft_link(change, underlays[0], underlays[1]);
	weft_link(change, underlays[2], underlays[3]);
	require(weft_change_commit(change, NULL) == 0, "no tunnels");
	for (unsigned i = 0; i < TUNNELS; i++)
		nics[i]->offloads = NIC_OFFLOAD_CHAINS;
}

static uint64_t
drops(void)
{
	struct weft_counters counters;
	struct vport_drops lost;
	uint64_t sum = 0;

	for (unsigned i = 0; i < TUNNELS; i++) {
		weft_vport_counters(underlays[i], &counters);
		sum += counters.drops;
		weft_vport_counters(remotes[i], &counters);
		sum += counters.drops;
		nic_read_drops(nics[i], &lost);
		for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
			sum += lost.by_reason[reason];
	}
	return sum;
}

/* Puts the packet in at the vport and lets it run. */
static void
put(struct weft_vport *vport, struct rte_mbuf *packet)
{
	vport_receive(weft->workers[0], vport->live, packet);
	for (unsigned turns = 0; weft_run(weft) > 0; turns++)
		require(turns < 1000, "it never ends");
}

static uint8_t output[UINT16_MAX];

/* How many frames came out at a tunnel's remote end; the last one's length is in *length. */
static unsigned
take(unsigned tunnel, size_t *length)
{
	unsigned count = 0;
	size_t got;

	while ((got = weft_nic_receive(nics[tunnel], output, sizeof(output))) > 0) {
		require(got >= RTE_ETHER_HDR_LEN, "no frame came out");
		*length = got;
		count++;
	}
	return count;
}

static void
nothing_else(unsigned tunnel)
{
	size_t length;

	for (unsigned i = 0; i < TUNNELS; i++)
		require((i | 1) == (tunnel | 1) || take(i, &length) == 0, "it came to others");
}

/* ---- bundles ----------------------------------------------------------------------------------
 */

static void
flip_a_bit(struct rte_mbuf *packet, uint16_t where)
{
	unsigned offset = where / 8 % rte_pktmbuf_pkt_len(packet);

	while (offset >= rte_pktmbuf_data_len(packet)) {
		offset -= rte_pktmbuf_data_len(packet);
		packet = packet->next;
	}
	*rte_pktmbuf_mtod_offset(packet, uint8_t *, offset) ^= (uint8_t)(1 << where % 8);
}

/* A super-packet in VXLAN, which stays. */
static void
check_making(struct rte_mbuf *packet, uint16_t where)
{
	struct rte_mbuf *bundles[ORACLE_PIECES];
	unsigned count = oracle_make(packet, bundles);

	for (unsigned i = 0; i < count; i++) {
		if (packet_meta(bundles[i])->gso == PACKET_GSO_UDP) {
			oracle_take_apart(bundles[i]);
			flip_a_bit(bundles[i], where);
			oracle_take_apart(bundles[i]);
		}
		rte_pktmbuf_free(bundles[i]);
	}
}

/* What comes out of a tunnel, whatever it is, or goes into one. It stays. */
static void
check_bundles(unsigned tunnel, struct rte_mbuf *packet, uint16_t where)
{
	struct weft_prefix from = address_of(tunnel), to = address_of(tunnel ^ 1);
	struct vxlan_outer outer = { .family = from.family,
		.source_port = 50000,
		.destination_port = TUNNEL_PORT,
		.vni = VNI,
		.source = from.address,
		.destination = to.address };
	uint8_t gso = packet_meta(packet)->gso;

	if (gso == PACKET_GSO_UDP) {
		oracle_take_apart(packet);
	} else if (packet_gso_is_vxlan(gso)) {
		check_making(packet, where);
	} else if (vxlan_takes_whole(gso) && offload_holds(packet)) {
		packet = edit_push_vxlan(&pools, oracle_copy(packet), &outer);
		require(packet != NULL, "no room for headers");
		check_making(packet, where);
		rte_pktmbuf_free(packet);
	}
}

/* ---- a frame through both ---------------------------------------------------------------------
 */

static void
send_through(unsigned tunnel, uint8_t flags, const struct virtio_net_hdr *header,
	const uint8_t *frame, size_t length)
{
	struct rte_mbuf *packet = fixture_chain(frame, length, flags & IN_PIECES ? 15 : LIMIT);
	uint64_t before = drops();
	unsigned out, back;
	size_t got = 0, told = 0;
	bool undone, super;

	if ((flags & OFFLOAD) && !offload_from_header(packet, header)) {
		rte_pktmbuf_free(packet);
		return;
	}
	check_bundles(tunnel, packet, header->hdr_len);
	undone = packet_meta(packet)->offload & PACKET_NEEDS_CHECKSUM;
	super = packet_meta(packet)->gso != PACKET_GSO_NONE;
	put(remotes[tunnel], packet);
	out = take(tunnel ^ 1, &got);
	if (out == 1 && !super) {
		require(drops() == before, "dropped, and came out");
		require(got == length, "another length");
		require(length <= MTU + RTE_ETHER_HDR_LEN + 8 * RTE_VLAN_HLEN, "too long");
		require(undone || memcmp(output, frame, length) == 0, "another frame");
	}
	back = take(tunnel, &told);
	require(back <= 1 && (back == 0 || out == 0), "told, though it came out");
	require(out > 0 || drops() > before, "neither out nor dropped");
	require(super || out <= 1, "it became more");
	nothing_else(tunnel);
}

/* ---- a datagram from outside -------------------------------------------------------------------
 */

static void
put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* All in front of the VXLAN header is right; the sender, the VNI and flags mostly. */
static void
make_right(unsigned tunnel, uint8_t *frame, size_t length)
{
	struct weft_prefix to = address_of(tunnel), from = address_of(tunnel ^ 1);
	unsigned l4 = tunnel < 2 ? 34 : 54;
	uint8_t *ip = frame + 14;
	uint16_t checksum;

	if (length < l4 + 16)
		return;
	put16(frame + 12, tunnel < 2 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	if (tunnel < 2) {
		ip[0] = 0x45;
		put16(ip + 2, length - 14);
		put16(ip + 6, 0);
		ip[9] = 17;
		memcpy(ip + 16, to.address, 4);
		if (ip[12] & 1)
			memcpy(ip + 12, from.address, 4);
		put16(ip + 10, 0);
		checksum = (uint16_t)~checksum_fold(checksum_sum(ip, 20));
		memcpy(ip + 10, &checksum, 2);
	} else {
		ip[0] = (uint8_t)(0x60 | (ip[0] & 0x0f));
		put16(ip + 4, length - 54);
		ip[6] = 17;
		memcpy(ip + 24, to.address, 16);
		if (ip[8] & 1)
			memcpy(ip + 8, from.address, 16);
	}
	put16(frame + l4 + 2, TUNNEL_PORT);
	if (frame[l4 + 4] & 1)
		put16(frame + l4 + 4, length - l4);
	if (frame[l4 + 8] & 1)
		frame[l4 + 8] |= VXLAN_FLAG_VNI;
	if (frame[l4 + 12] & 1) {
		frame[l4 + 12] = 0;
		put16(frame + l4 + 13, VNI);
	}
}

static void
come_in(unsigned tunnel, uint8_t flags, const struct virtio_net_hdr *header, uint8_t *frame,
	size_t length)
{
	uint64_t before = drops();
	struct rte_mbuf *packet;
	size_t got = 0;
	unsigned out;
	bool super;

	if (flags & MADE_RIGHT)
		make_right(tunnel, frame, length);
	packet = fixture_chain(frame, length, flags & IN_PIECES ? 15 : LIMIT);
	if ((flags & OFFLOAD) && !offload_from_header(packet, header)) {
		rte_pktmbuf_free(packet);
		return;
	}
	check_bundles(tunnel, packet, header->hdr_len);
	super = packet_meta(packet)->gso != PACKET_GSO_NONE;
	put(underlays[tunnel], packet);
	out = take(tunnel, &got);
	require(super || out <= 1, "it became more");
	require(out > 0 || drops() > before, "neither out nor dropped");
	if (out == 1 && !super) {
		require(got + VXLAN_OVERHEAD4 <= length, "it grew");
		require(drops() == before, "dropped, and came out");
	}
	require(take(tunnel ^ 1, &got) == 0, "it went out again");
	nothing_else(tunnel);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[LIMIT];
	struct virtio_net_hdr header = { 0 };
	unsigned tunnel;
	uint8_t flags;

	open_once();
	if (size < 1 + sizeof(header) + 1)
		return 0;
	flags = data[0];
	tunnel = flags & SIX ? 2 : 0;
	memcpy(&header, data + 1, sizeof(header));
	data += 1 + sizeof(header);
	size -= 1 + sizeof(header);
	if (size > LIMIT / 2)
		size = LIMIT / 2;
	memcpy(frame, data, size);
	if (flags & LONGER) {
		memset(frame + size, 0x5a, 3000);
		size += 3000;
	}
	if (flags & FROM_OUTSIDE)
		come_in(tunnel, flags, &header, frame, size);
	else
		send_through(tunnel, flags, &header, frame, size);
	require(fixture_nothing_lost(), "a buffer was lost");
	return 0;
}
