/* SPDX-License-Identifier: BSD-3-Clause */
/* The tunnel, as the wire and its stations see it: one engine, memory vnics. */
#include "../tunnel_fixture.h"
#include "packet/offload.h"

#include <netinet/in.h>
#include <rte_tcp.h>

static uint16_t
u16_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void
put_inner(const struct bench_tunnel *tunnel, unsigned station, const void *frame, size_t length)
{
	assert_int_equal(weft_nic_send(tunnel->nics[station], frame, length), 0);
	lab_run();
}

/* The wire's checksum over IPv6 (RFC 8200, 8.1). */
static bool
is_udp6_sound(const uint8_t *ip)
{
	uint32_t sum = rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)ip, 0) +
		       rte_raw_cksum(ip + 40, u16_at(ip + 4));

	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* ---- out --------------------------------------------------------------------------------------
 */

/* RFC 7348, figures 1 and 2. */
static void
check_outer(const struct bench_tunnel *tunnel, const uint8_t *frame, size_t length, unsigned remote,
	const uint8_t *inner, size_t inner_length)
{
	static const uint8_t vxlan[8] = { 8, 0, 0, 0, 0, VNI >> 8, VNI & 0xff, 0 };
	const uint8_t *ip = frame + 14, *udp = ip + ip_header_length(tunnel->family);
	uint8_t mac[6];

	station_mac(mac, 256 + 7 + remote);
	assert_memory_equal(frame, mac, 6);
	assert_memory_equal(frame + 6, tunnel->router.macs[1], 6);
	assert_int_equal(length, vxlan_overhead(tunnel->family) + inner_length);
	if (tunnel->family == 4) {
		assert_int_equal(u16_at(frame + 12), 0x0800);
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(u16_at(ip + 2), length - 14);
		assert_int_equal(u16_at(ip + 6), 0x4000); /* DF */
		assert_int_equal(ip[8], 64);
		assert_int_equal(ip[9], IPPROTO_UDP);
		assert_true(is_ip4_sound(ip));
		assert_memory_equal(ip + 12, tunnel->local.address, 4);
		assert_memory_equal(ip + 16, tunnel->addresses[remote].address, 4);
		assert_int_equal(u16_at(udp + 6), 0); /* RFC 7348, 5 */
	} else {
		assert_int_equal(u16_at(frame + 12), 0x86dd);
		assert_int_equal(ip[0] >> 4, 6);
		assert_int_equal(u16_at(ip + 4), length - 54);
		assert_int_equal(ip[6], IPPROTO_UDP);
		assert_int_equal(ip[7], 64);
		assert_memory_equal(ip + 8, tunnel->local.address, 16);
		assert_memory_equal(ip + 24, tunnel->addresses[remote].address, 16);
		assert_int_not_equal(u16_at(udp + 6), 0);
		assert_true(is_udp6_sound(ip));
	}
	assert_true(u16_at(udp) >= 49152);
	assert_int_equal(u16_at(udp + 2), 4789);
	assert_int_equal(u16_at(udp + 4), 16 + inner_length);
	assert_memory_equal(udp + 8, vxlan, sizeof(vxlan));
	assert_memory_equal(udp + 16, inner, inner_length);
}

static void
check_layout(uint8_t family)
{
	struct bench_tunnel tunnel = lab_tunnel(family, NULL);
	uint8_t inner[MAKE_SIZE], frame[BUFFER];
	size_t inner_length = make_inner(inner, 1, 9, 4), length;
	unsigned seen = 0;

	/* unknown: a copy to each remote, and one to the other station */
	put_inner(&tunnel, 0, inner, inner_length);
	for (unsigned i = 0; i < REMOTES; i++) {
		unsigned remote;

		length = take_frame(&tunnel.router, 1, frame);
		assert_true(length > 0);
		remote = frame[5] - 7u;
		seen |= 1u << remote;
		assert_true(remote < REMOTES);
		check_outer(&tunnel, frame, length, remote, inner, inner_length);
	}
	assert_int_equal(seen, 3);
	lab_expect_nothing(tunnel.router.nics[1]);
	assert_int_equal(lab_drain(tunnel.nics[1]), 1);
}

static void
test_layout(void **state)
{
	(void)state;
	check_layout(4);
}

static void
test_layout6(void **state)
{
	(void)state;
	check_layout(6);
}

/* RFC 7348, 5: a flow has one source port, and flows have several. */
static void
test_source_port_is_of_the_flow(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	uint8_t inner[MAKE_SIZE], frame[BUFFER];
	uint16_t ports[64];
	unsigned others = 0;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		/* twice the same flow, by turns with 32 others */
		size_t length = make_inner(inner, 1, 9, 4);

		inner[34] = i % 2 ? (uint8_t)i : 0;
		put_inner(&tunnel, 0, inner, length);
		assert_true(take_frame(&tunnel.router, 1, frame) > 0);
		ports[i] = u16_at(frame + 34);
		lab_drain(tunnel.router.nics[1]);
	}
	for (unsigned i = 0; i < 64; i += 2) {
		assert_int_equal(ports[i], ports[0]);
		others += ports[i + 1] != ports[0];
	}
	assert_true(others >= 30);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

static void
check_arrival(uint8_t family, const char *local)
{
	struct bench_tunnel tunnel = lab_tunnel(family, local);
	uint8_t inner[MAKE_SIZE], frame[BUFFER], got[BUFFER];
	size_t inner_length = make_inner(inner, 9, 1, 4), length;

	/* what is for all comes to every station once, and to no other remote */
	memset(inner, 0xff, 6);
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	put_frame(&tunnel.router, 1, frame, length);
	for (unsigned i = 0; i < STATIONS; i++) {
		assert_int_equal(weft_nic_receive(tunnel.nics[i], got, sizeof(got)), inner_length);
		assert_memory_equal(got, inner, inner_length);
		lab_expect_nothing(tunnel.nics[i]);
	}
	lab_expect_nothing(tunnel.router.nics[1]);
	/* its sender is known now to be behind that remote alone */
	inner_length = make_inner(inner, 1, 9, 4);
	put_inner(&tunnel, 0, inner, inner_length);
	length = take_frame(&tunnel.router, 1, frame);
	check_outer(&tunnel, frame, length, 0, inner, inner_length);
	lab_expect_nothing(tunnel.router.nics[1]);
	lab_expect_nothing(tunnel.nics[1]);
	/* from the other remote to the first: they have a way of their own */
	inner_length = make_inner(inner, 10, 9, 4);
	length = make_vxlan(&tunnel, 1, VNI, inner, inner_length, frame);
	put_frame(&tunnel.router, 1, frame, length);
	lab_expect_nothing(tunnel.router.nics[1]);
	assert_int_equal(lab_drops(tunnel.on_switch[0], DROP_ISOLATED), 1);
}

static void
test_arrival(void **state)
{
	(void)state;
	check_arrival(4, NULL);
}

static void
test_arrival6(void **state)
{
	(void)state;
	check_arrival(6, NULL);
}

/* An address that no port has is the router's own: it answers, and carries the tunnel. */
static void
test_address_of_its_own(void **state)
{
	struct bench_tunnel tunnel;
	struct make_ends ends;
	uint8_t frame[BUFFER];

	(void)state;
	check_arrival(4, "192.0.2.99");
	lab_close_routers(state);
	assert_int_equal(lab_open(state), 0);
	tunnel = lab_tunnel(4, "192.0.2.99");
	put_ping(&tunnel.router, 1, 7, "192.0.2.99");
	ends = ends_from_station(&tunnel.router, 1, 7, "192.0.2.99");
	assert_true(take_frame(&tunnel.router, 1, frame) > 0);
	assert_int_equal(frame[34], 0); /* echo reply */
	assert_memory_equal(frame + 26, ends.destination, 4);
	assert_memory_equal(frame + 30, ends.source, 4);
}

static uint64_t
drops_at(const struct bench_tunnel *tunnel, enum drop_reason reason)
{
	return lab_drops(tunnel->underlay, reason);
}

/* Changes a byte of a right datagram, or its length, and expects the drop and nothing else. */
static void
expect_drop(const struct bench_tunnel *tunnel, uint8_t *frame, size_t length,
	const struct weft_vport *where, enum drop_reason reason)
{
	uint64_t before = lab_drops(where, reason);

	put_frame(&tunnel->router, 1, frame, length);
	assert_int_equal(lab_drops(where, reason), before + 1);
	for (unsigned i = 0; i < STATIONS; i++)
		lab_expect_nothing(tunnel->nics[i]);
}

static void
test_malformed(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	uint8_t inner[MAKE_SIZE], frame[BUFFER], got[BUFFER];
	size_t inner_length = make_inner(inner, 9, 1, 4), length;

	(void)state;
	/* RFC 7348, 5: the I flag must be set; all else in the header is ignored */
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	frame[42] = 0xf7;
	expect_drop(&tunnel, frame, length, tunnel.underlay, DROP_BAD_VXLAN);
	frame[42] = 0xff;
	frame[43] = frame[44] = frame[45] = frame[49] = 0xff;
	put_frame(&tunnel.router, 1, frame, length);
	assert_int_equal(weft_nic_receive(tunnel.nics[0], got, sizeof(got)), inner_length);
	lab_drain(tunnel.nics[1]);
	/* no whole Ethernet header, no whole VXLAN header, no whole UDP header */
	for (size_t n = 0; n < 14; n++) {
		length = make_vxlan(&tunnel, 0, VNI, inner, n, frame);
		expect_drop(&tunnel, frame, length, tunnel.underlay, DROP_BAD_VXLAN);
	}
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	frame[39] = 8 + 7;
	expect_drop(&tunnel, frame, length, tunnel.underlay, DROP_BAD_VXLAN);
	frame[39] = 7;
	expect_drop(&tunnel, frame, length, tunnel.router.ports[1], DROP_BAD_UDP);
	/* longer than the packet */
	frame[38] = 0x40;
	expect_drop(&tunnel, frame, length, tunnel.router.ports[1], DROP_BAD_UDP);
	/* a checksum that is not right */
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	frame[40] = 0x12;
	expect_drop(&tunnel, frame, length, tunnel.router.ports[1], DROP_BAD_UDP);
	/* another VNI; another sender */
	length = make_vxlan(&tunnel, 0, VNI + 1, inner, inner_length, frame);
	expect_drop(&tunnel, frame, length, tunnel.underlay, DROP_UNKNOWN_VNI);
	length = make_vxlan(&tunnel, 0, 0, inner, inner_length, frame);
	expect_drop(&tunnel, frame, length, tunnel.underlay, DROP_UNKNOWN_VNI);
	tunnel.addresses[0] = prefix_of("10.1.0.77");
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	expect_drop(&tunnel, frame, length, tunnel.underlay, DROP_UNKNOWN_REMOTE);
	/* another UDP port is nobody's */
	tunnel.addresses[0] = prefix_of("10.1.0.7");
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	frame[37]++;
	expect_drop(&tunnel, frame, length, tunnel.router.ports[1], DROP_NOT_LISTENING);
	/* a fragment waits for the others */
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	frame[20] = 0x20;
	frame[24] -= 0x20;
	put_frame(&tunnel.router, 1, frame, length);
	weft_poll(lab);
	for (unsigned i = 0; i < STATIONS; i++)
		lab_expect_nothing(tunnel.nics[i]);
}

/* A right checksum is no worse than none, and padding behind the datagram is not the frame's. */
static void
test_checksum_and_padding(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(6, NULL);
	uint8_t inner[MAKE_SIZE], frame[BUFFER], got[BUFFER];
	size_t inner_length = make_inner(inner, 9, 1, 4);
	size_t length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	uint16_t checksum =
		rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)(frame + 14), frame + 54);

	(void)state;
	memcpy(frame + 60, &checksum, 2);
	memset(frame + length, 0xee, 40);
	put_frame(&tunnel.router, 1, frame, length + 40);
	assert_int_equal(weft_nic_receive(tunnel.nics[0], got, sizeof(got)), inner_length);
	assert_memory_equal(got, inner, inner_length);
	lab_drain(tunnel.nics[1]);
	frame[60] ^= 1;
	expect_drop(&tunnel, frame, length + 40, tunnel.router.ports[1], DROP_BAD_UDP);
}

/* A tag inside is no VLAN of the switch's (RFC 7348, 6.1). */
static void
test_inner_tags_are_dropped(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	uint8_t inner[128], frame[BUFFER];
	size_t inner_length = make_frame(inner, BROADCAST, 9, 1, 0x5a);
	size_t length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);

	(void)state;
	expect_drop(&tunnel, frame, length, tunnel.on_switch[0], DROP_VLAN_NOT_ALLOWED);
}

/* ---- ECN ---------------------------------------------------------------------------------------
 */

static uint8_t
class_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

static void
set_class(uint8_t *ip, uint8_t class)
{
	uint16_t checksum = 0;

	if (ip[0] >> 4 == 6) {
		ip[0] = (uint8_t)(0x60 | class >> 4);
		ip[1] = (uint8_t)(class << 4 | (ip[1] & 0x0f));
		return;
	}
	ip[1] = class;
	memcpy(ip + 10, &checksum, 2);
	checksum = (uint16_t)~rte_raw_cksum(ip, 20);
	memcpy(ip + 10, &checksum, 2);
}

/* RFC 6040, 4.1, normal mode: copied. */
static void
check_class_out(const struct bench_tunnel *tunnel, uint8_t inner_family, uint8_t class)
{
	uint8_t inner[MAKE_SIZE], frame[BUFFER];
	size_t length = make_inner(inner, 1, 9, inner_family);

	set_class(inner + 14, class);
	put_inner(tunnel, 0, inner, length);
	assert_true(take_frame(&tunnel->router, 1, frame) > 0);
	assert_int_equal(class_of(frame + 14), class);
	lab_drain(tunnel->router.nics[1]);
	lab_drain(tunnel->nics[1]);
}

/* RFC 6040, figure 4; outer across, inner down; 4: dropped. */
static void
check_class_in(const struct bench_tunnel *tunnel, uint8_t inner_family)
{
	static const uint8_t wanted[4][4] = {
		[0] = { 0, 0, 0, 4 },
		[2] = { 2, 1, 2, 3 },
		[1] = { 1, 1, 1, 3 },
		[3] = { 3, 3, 3, 3 },
	};
	uint8_t inner[MAKE_SIZE], frame[BUFFER], got[BUFFER];

	for (uint8_t in = 0; in < 4; in++) {
		for (uint8_t out = 0; out < 4; out++) {
			size_t inner_length = make_inner(inner, 9, 1, inner_family), length;

			set_class(inner + 14, 0xb8 | in);
			length = make_vxlan(tunnel, 0, VNI, inner, inner_length, frame);
			set_class(frame + 14, out);
			if (wanted[in][out] == 4) {
				expect_drop(
					tunnel, frame, length, tunnel->remotes[0], DROP_BAD_ECN);
				continue;
			}
			put_frame(&tunnel->router, 1, frame, length);
			assert_int_equal(
				weft_nic_receive(tunnel->nics[0], got, sizeof(got)), inner_length);
			assert_int_equal(class_of(got + 14), 0xb8 | wanted[in][out]);
			assert_true(inner_family == 6 || is_ip4_sound(got + 14));
			lab_drain(tunnel->nics[1]);
		}
	}
}

static void
check_ecn(uint8_t family)
{
	struct bench_tunnel tunnel = lab_tunnel(family, NULL);

	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		check_class_out(&tunnel, 4, 0x28 | ecn);
		check_class_out(&tunnel, 6, 0x28 | ecn);
	}
	check_class_in(&tunnel, 4);
	check_class_in(&tunnel, 6);
}

static void
test_ecn(void **state)
{
	(void)state;
	check_ecn(4);
}

static void
test_ecn6(void **state)
{
	(void)state;
	check_ecn(6);
}

/* ---- MTU ---------------------------------------------------------------------------------------
 */

/* An IPv4 packet of `length` bytes from station 1 to 9. */
static size_t
make_long(uint8_t *frame, unsigned length, bool df)
{
	make_inner(frame, 1, 9, 4);
	frame[16] = (uint8_t)(length >> 8);
	frame[17] = (uint8_t)length;
	frame[20] = df ? 0x40 : 0;
	set_class(frame + 14, 0);
	return 14 + length;
}

static void
test_too_long(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	uint8_t frame[BUFFER] = { 0 }, mac[6];
	size_t length;

	(void)state;
	/* station 9 is behind the first remote: nobody else is asked */
	length = make_inner(frame, 9, 1, 4);
	length = make_vxlan(&tunnel, 0, VNI, frame, length, frame + 1000);
	put_frame(&tunnel.router, 1, frame + 1000, length);
	lab_drain(tunnel.nics[0]);
	lab_drain(tunnel.nics[1]);
	put_inner(&tunnel, 0, frame, make_long(frame, 1450, true));
	assert_int_equal(take_frame(&tunnel.router, 1, frame), 1514);
	/* RFC 1191: from whom it was for, with the MTU */
	put_inner(&tunnel, 0, frame, make_long(frame, 1451, true));
	lab_expect_nothing(tunnel.router.nics[1]);
	assert_int_equal(lab_drops(tunnel.remotes[0], DROP_TOO_LONG), 1);
	assert_true(weft_nic_receive(tunnel.nics[0], frame, sizeof(frame)) > 0);
	station_mac(mac, 1);
	assert_memory_equal(frame, mac, 6);
	station_mac(mac, 9);
	assert_memory_equal(frame + 6, mac, 6);
	assert_memory_equal(frame + 26, prefix_of("192.168.0.9").address, 4);
	assert_int_equal(frame[34], 3);
	assert_int_equal(frame[35], 4);
	assert_int_equal(u16_at(frame + 40), 1450);
	/* without DF nobody is told */
	put_inner(&tunnel, 0, frame, make_long(frame, 1451, false));
	assert_int_equal(lab_drops(tunnel.remotes[0], DROP_TOO_LONG), 2);
	lab_expect_nothing(tunnel.nics[0]);
	/* so many in a second, and no more */
	for (unsigned i = 0; i < 300; i++)
		put_inner(&tunnel, 0, frame, make_long(frame, 1451, true));
	assert_in_range(lab_drain(tunnel.nics[0]), TUNNEL_ICMP_BURST - 2, TUNNEL_ICMP_BURST + 1);
}

/* ---- super-packets -----------------------------------------------------------------------------
 */

#define SEGMENT 1000u
#define SUPER 3500u

/* A TCP super-packet of IPv4 from station 9 to 1, its checksum undone: the pseudo-header's sum. */
static size_t
make_super(uint8_t *frame)
{
	struct make_ends ends = { .family = 4 };
	uint8_t small[MAKE_SIZE];
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + 34);

	station_mac(ends.source_mac.addr_bytes, 9);
	station_mac(ends.destination_mac.addr_bytes, 1);
	memcpy(ends.source, prefix_of("192.168.0.9").address, 4);
	memcpy(ends.destination, prefix_of("192.168.0.1").address, 4);
	make_tcp(small, &ends, 1000, 2000, 77, 88, RTE_TCP_ACK_FLAG);
	memcpy(frame, small, 54);
	for (unsigned i = 0; i < SUPER; i++)
		frame[54 + i] = (uint8_t)(i * 7 + i / 256);
	frame[16] = (40 + SUPER) >> 8;
	frame[17] = (40 + SUPER) & 0xff;
	set_class(frame + 14, 0);
	tcp->cksum = rte_ipv4_phdr_cksum((const struct rte_ipv4_hdr *)(frame + 14), 0);
	return 54 + SUPER;
}

/* As a driver gives it to weft. */
static void
put_super(struct weft_nic *nic, const uint8_t *frame, size_t length, unsigned tcp)
{
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = SEGMENT,
		.hdr_len = (uint16_t)(tcp + 20),
		.csum_start = (uint16_t)tcp,
		.csum_offset = 16 };
	struct rte_mbuf *packet = packet_from_bytes(&lab->pools, frame, length);

	assert_true(offload_from_header(packet, &header));
	nic_input(lab->workers[0], nic->queues[0], &packet, 1);
	lab_run();
}

static bool
is_tcp4_sound(const uint8_t *ip)
{
	uint32_t sum = rte_ipv4_phdr_cksum((const struct rte_ipv4_hdr *)ip, 0) +
		       rte_raw_cksum(ip + 20, u16_at(ip + 2) - 20u);

	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* The segments of the super-packet that begin at `inner` of the frames that come out. */
static void
take_segments(struct weft_nic *nic, unsigned inner, uint8_t family)
{
	static uint8_t super[BUFFER], frame[BUFFER];
	unsigned done = 0;
	size_t length;

	make_super(super);
	while ((length = weft_nic_receive(nic, frame, sizeof(frame))) > 0) {
		const uint8_t *ip = frame + inner + 14;
		unsigned payload = RTE_MIN(SUPER - done, SEGMENT);

		assert_int_equal(length, inner + 54 + payload);
		assert_int_equal(u16_at(ip + 2), 40 + payload);
		assert_true(is_ip4_sound(ip));
		assert_true(is_tcp4_sound(ip));
		assert_memory_equal(ip + 40, super + 54 + done, payload);
		done += payload;
		if (inner == 0)
			continue;
		assert_int_equal(u16_at(frame + inner - 12), 16 + 54 + payload);
		if (family == 4)
			assert_true(is_ip4_sound(frame + 14));
		else
			assert_true(is_udp6_sound(frame + 14));
		assert_int_equal(u16_at(frame + 14 + (family == 4 ? 2 : 4)),
			(family == 4 ? length - 14 : length - 54));
	}
	assert_int_equal(done, SUPER);
}

/* Of a station: cut before it goes out. */
static void
check_super_out(uint8_t family)
{
	struct bench_tunnel tunnel = lab_tunnel(family, NULL);
	uint8_t frame[BUFFER];
	size_t length = make_inner(frame, 1, 9, 4);

	/* so that it goes to one remote alone */
	length = make_vxlan(&tunnel, 0, VNI, frame, length, frame + 4000);
	put_frame(&tunnel.router, 1, frame + 4000, length);
	lab_drain(tunnel.nics[0]);
	lab_drain(tunnel.nics[1]);
	length = make_super(frame);
	put_super(tunnel.nics[0], frame, length, 34);
	lab_drain(tunnel.nics[1]);
	take_segments(tunnel.router.nics[1], vxlan_overhead(family), family);
}

/* Of a kernel's vxlan device: whole to the station, which has it cut by its vnic. */
static void
check_super_in(uint8_t family)
{
	struct bench_tunnel tunnel = lab_tunnel(family, NULL);
	uint8_t super[BUFFER], frame[BUFFER];
	size_t length = make_vxlan(&tunnel, 0, VNI, super, make_super(super), frame);
	struct weft_counters counters;

	put_super(tunnel.router.nics[1], frame, length, vxlan_overhead(family) + 34);
	weft_vport_counters(tunnel.remotes[0], &counters);
	assert_int_equal(counters.out_packets, 1);
	lab_drain(tunnel.nics[1]);
	take_segments(tunnel.nics[0], 0, family);
}

/* The same, to somebody else: the router sends on what its way can take. */
static void
check_super_passing(uint8_t family)
{
	struct bench_tunnel tunnel = lab_tunnel(family, NULL);
	uint8_t super[BUFFER], frame[BUFFER];
	size_t length;

	tunnel.local = prefix_of(family == 4 ? "10.2.0.7" : "2001:db8:2::7");
	know(&tunnel.router, 2, 7, family);
	length = make_vxlan(&tunnel, 0, VNI, super, make_super(super), frame);
	if (family == 6)
		frame[60] = 0x12; /* a checksum that has to be made */
	put_super(tunnel.router.nics[1], frame, length, vxlan_overhead(family) + 34);
	take_segments(tunnel.router.nics[2], vxlan_overhead(family), family);
}

static void
test_super_packets(void **state)
{
	(void)state;
	check_super_out(4);
	lab_close_routers(state);
	assert_int_equal(lab_open(state), 0);
	check_super_in(4);
	lab_close_routers(state);
	assert_int_equal(lab_open(state), 0);
	check_super_passing(4);
}

static void
test_super_packets6(void **state)
{
	(void)state;
	check_super_out(6);
	lab_close_routers(state);
	assert_int_equal(lab_open(state), 0);
	check_super_in(6);
	lab_close_routers(state);
	assert_int_equal(lab_open(state), 0);
	check_super_passing(6);
}

/* What says that it is one, and is not. */
static void
test_wrong_super_packets(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	uint8_t super[BUFFER], frame[BUFFER];
	size_t length = make_vxlan(&tunnel, 0, VNI, super, make_super(super), frame);
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = SEGMENT,
		.csum_start = 84,
		.csum_offset = 16 };
	struct rte_mbuf *packet = packet_from_bytes(&lab->pools, frame, length);

	(void)state;
	header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	assert_false(offload_from_header(packet, &header));
	header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	header.csum_start = 83;
	assert_false(offload_from_header(packet, &header));
	header.csum_start = 84;
	header.csum_offset = 6;
	assert_false(offload_from_header(packet, &header));
	header.csum_offset = 16;
	assert_true(offload_from_header(packet, &header));
	rte_pktmbuf_free(packet);
	/* the datagram is shorter than what is in it */
	frame[38] = 1;
	put_super(tunnel.router.nics[1], frame, length, 84);
	assert_int_equal(lab_drops(tunnel.remotes[0], DROP_BAD_OFFLOAD), 1);
	lab_expect_nothing(tunnel.nics[0]);
}

/* ---- changes -----------------------------------------------------------------------------------
 */

static void
test_update(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	struct weft_tunnel_config config = {
		.local = prefix_of("10.0.0.1"), .port = 8472, .mtu = 1000
	};
	struct weft_router_port_config service = { .udp_port = 8472 };
	struct weft_change *change = weft_change_begin(lab);
	uint8_t inner[MAKE_SIZE], frame[BUFFER];
	size_t inner_length = make_inner(inner, 1, 9, 4), length;
	struct tunnel_info info;

	(void)state;
	/* an aborted one leaves no trace */
	weft_tunnel_update(change, tunnel.device, &config);
	weft_change_abort(change);
	put_inner(&tunnel, 0, inner, inner_length);
	assert_true(take_frame(&tunnel.router, 1, frame) > 0);
	assert_int_equal(u16_at(frame + 36), 4789);
	lab_drain(tunnel.router.nics[1]);
	change = weft_change_begin(lab);
	weft_tunnel_update(change, tunnel.device, &config);
	service.service_address = config.local;
	weft_router_port_update(change, tunnel.service, &service);
	lab_commit(change);
	tunnel_read(tunnel.device, &info);
	assert_int_equal(info.config.port, 8472);
	assert_int_equal(info.vnis, 1);
	assert_int_equal(info.remotes, REMOTES);
	assert_int_equal(tunnel.remotes[0]->live->mtu, 1000);
	put_inner(&tunnel, 0, inner, inner_length);
	assert_true(take_frame(&tunnel.router, 1, frame) > 0);
	assert_int_equal(u16_at(frame + 36), 8472);
	lab_drain(tunnel.nics[1]);
	/* the port before is nobody's now */
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	expect_drop(&tunnel, frame, length, tunnel.router.ports[1], DROP_NOT_LISTENING);
	/* a remote that is gone */
	change = weft_change_begin(lab);
	weft_vport_remove(change, tunnel.remotes[0]);
	lab_commit(change);
	length = make_vxlan(&tunnel, 0, VNI, inner, inner_length, frame);
	frame[36] = 8472 >> 8;
	frame[37] = 8472 & 0xff;
	expect_drop(&tunnel, frame, length, tunnel.underlay, DROP_UNKNOWN_REMOTE);
	assert_int_equal(drops_at(&tunnel, DROP_UNKNOWN_VNI), 0);
}

/* What a service port may say: as its own address, to one host. */
static void
test_service_port(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_nic *nic;
	struct make_ends ends = { .family = 4 };
	uint8_t frame[BUFFER], sent[MAKE_SIZE];
	struct weft_error error;
	size_t length;

	(void)state;
	weft_detach(change, tunnel.service);
	nic = weft_nic_add(change, tunnel.router.network, "speaker", &lab_nic_config);
	weft_attach(change, tunnel.service, nic);
	lab_commit(change);
	quiet(&tunnel.router);
	lab_expect_nothing(nic);
	memcpy(ends.source, prefix_of("10.0.0.1").address, 4);
	memcpy(ends.destination, prefix_of("10.1.0.7").address, 4);
	length = make_udp(sent, &ends, 4789, 4789, "x", 1);
	assert_int_equal(weft_nic_send(nic, sent, length), 0);
	lab_run();
	assert_int_equal(take_frame(&tunnel.router, 1, frame), length);
	assert_memory_equal(frame + 14, sent + 14, length - 14);
	/* what is for it comes as it is */
	ends = ends_from_station(&tunnel.router, 1, 7, "10.0.0.1");
	length = make_udp(sent, &ends, 1, 4789, "y", 1);
	put_frame(&tunnel.router, 1, sent, length);
	assert_int_equal(weft_nic_receive(nic, frame, sizeof(frame)), length);
	assert_memory_equal(frame, sent, length);
	/* another's address; a group; what is no IPv4 */
	memcpy(ends.source, prefix_of("10.0.0.2").address, 4);
	length = make_udp(sent, &ends, 4789, 4789, "x", 1);
	assert_int_equal(weft_nic_send(nic, sent, length), 0);
	memcpy(ends.source, prefix_of("10.0.0.1").address, 4);
	memcpy(ends.destination, prefix_of("224.0.0.5").address, 4);
	length = make_udp(sent, &ends, 4789, 4789, "x", 1);
	assert_int_equal(weft_nic_send(nic, sent, length), 0);
	sent[12] = 0x86;
	sent[13] = 0xdd;
	assert_int_equal(weft_nic_send(nic, sent, length), 0);
	lab_run();
	assert_int_equal(lab_drops(tunnel.service, DROP_MARTIAN_SOURCE), 1);
	assert_int_equal(lab_drops(tunnel.service, DROP_MARTIAN_DESTINATION), 1);
	assert_int_equal(lab_drops(tunnel.service, DROP_UNKNOWN_ETHERTYPE), 1);
	/* nothing is routed to it, and it has no addresses */
	change = weft_change_begin(lab);
	weft_router_route_set(change, tunnel.router.device,
		&(struct weft_route){ .prefix = prefix_of("10.77.0.0/16"),
			.hops = &(struct weft_hop){ .port = tunnel.service },
			.n_hops = 1 });
	assert_true(weft_change_failed(change, &error));
	weft_change_abort(change);
	change = weft_change_begin(lab);
	weft_router_port_add(change, tunnel.router.device, "more",
		&(struct weft_router_port_config){
			.udp_port = 1, .ipv6 = true, .service_address = prefix_of("10.0.0.1") });
	assert_true(weft_change_failed(change, &error));
	weft_change_abort(change);
}

static void
refused(struct weft_change *change)
{
	struct weft_error error;

	assert_true(weft_change_failed(change, &error));
	assert_true(error.text[0] != '\0');
	weft_change_abort(change);
}

static void
test_refusals(void **state)
{
	struct bench_tunnel tunnel = lab_tunnel(4, NULL);
	struct weft_tunnel_config config = { .local = prefix_of("10.0.0.1") };
	struct weft_prefix remote = prefix_of("2001:db8::7"), group = prefix_of("224.0.0.1");
	struct weft_router_port_config service = { .udp_port = 4789,
		.service_address = prefix_of("10.0.0.1") };
	struct weft_change *change = weft_change_begin(lab);
	struct weft_error error;

	(void)state;
	weft_tunnel_remote_add(change, tunnel.device, 1, &remote);
	assert_int_equal(weft_change_commit(change, &error), -1);
	change = weft_change_begin(lab);
	weft_tunnel_remote_add(change, tunnel.device, 0, &tunnel.addresses[0]);
	refused(change);
	change = weft_change_begin(lab);
	weft_tunnel_remote_add(change, tunnel.device, 1 << 24, &tunnel.addresses[0]);
	refused(change);
	change = weft_change_begin(lab);
	weft_tunnel_remote_add(change, tunnel.device, VNI, &tunnel.addresses[0]);
	refused(change);
	change = weft_change_begin(lab);
	config.local = group;
	weft_tunnel_add(change, tunnel.router.network, "other", &config);
	refused(change);
	change = weft_change_begin(lab);
	config.local = remote;
	weft_tunnel_update(change, tunnel.device, &config);
	assert_int_equal(weft_change_commit(change, &error), -1);
	/* two that serve the same, once both are attached */
	change = weft_change_begin(lab);
	config.local = prefix_of("10.0.0.1");
	weft_link(change, weft_router_port_add(change, tunnel.router.device, "more", &service),
		weft_vport_find(weft_tunnel_add(change, tunnel.router.network, "more", &config),
			WEFT_TUNNEL_UNDERLAY));
	assert_int_equal(weft_change_commit(change, &error), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_layout),
		TEST(test_layout6),
		TEST(test_source_port_is_of_the_flow),
		TEST(test_arrival),
		TEST(test_arrival6),
		TEST(test_address_of_its_own),
		TEST(test_malformed),
		TEST(test_checksum_and_padding),
		TEST(test_inner_tags_are_dropped),
		TEST(test_ecn),
		TEST(test_ecn6),
		TEST(test_too_long),
		TEST(test_super_packets),
		TEST(test_super_packets6),
		TEST(test_wrong_super_packets),
		TEST(test_service_port),
		TEST(test_update),
		TEST(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
