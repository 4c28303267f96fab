/* SPDX-License-Identifier: BSD-3-Clause */
/* Bundles: made of super-packets, and taken apart, against cutting them. */
#include "../bundle_oracle.h"
#include "packet/checksum.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <setjmp.h>
#include <stdarg.h>
/* after those */
#include <cmocka.h>

#define SIZE 1400u
#define OPTIONS 12u /* of TCP */

struct shape {
	unsigned outer, inner; /* families */
	unsigned payload, size;
	bool inner_tag;
	uint8_t flags;
};

static uint8_t frame[PACKET_LARGE_ROOM];

static void
put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A frame with a TCP super-packet in it, as a tap gives it; its length. */
static unsigned
write_super(const struct shape *shape, unsigned *l4)
{
	unsigned l3 = shape->inner_tag ? 18 : 14, tcp_length = 20 + OPTIONS;
	uint8_t *ip = frame + l3, *tcp;
	uint16_t sum;

	memset(frame, 0, 200);
	for (unsigned i = 0; i < l3 - 2; i++)
		frame[i] = (uint8_t)(2 + i);
	if (shape->inner_tag)
		put16(frame + 12, RTE_ETHER_TYPE_VLAN);
	put16(ip - 2, shape->inner == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	*l4 = l3 + (shape->inner == 4 ? 20 : 40);
	tcp = frame + *l4;
	if (shape->inner == 4) {
		ip[0] = 0x45;
		put16(ip + 2, 20 + tcp_length + shape->payload);
		put16(ip + 4, 0xfffe); /* the ID goes through zero */
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, "\12\0\0\1\12\0\0\2", 8);
		sum = (uint16_t)~checksum_fold(checksum_sum(ip, 20));
		memcpy(ip + 10, &sum, 2);
		sum = rte_ipv4_phdr_cksum((const struct rte_ipv4_hdr *)ip, 0);
	} else {
		ip[0] = 0x60;
		put16(ip + 4, tcp_length + shape->payload);
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
		sum = rte_ipv6_phdr_cksum((const struct rte_ipv6_hdr *)ip, 0);
	}
	put16(tcp, 40000);
	put16(tcp + 2, 80);
	put16(tcp + 4, 0xffff); /* so does the sequence number */
	tcp[12] = (uint8_t)(tcp_length / 4 << 4);
	tcp[13] = shape->flags;
	memcpy(tcp + 16, &sum, 2);
	for (unsigned i = 0; i < shape->payload; i++)
		tcp[tcp_length + i] = (uint8_t)(i * 7 + i / 256 + 1);
	return *l4 + tcp_length + shape->payload;
}

/* The super-packet in VXLAN. */
static struct rte_mbuf *
make_super(const struct shape *shape)
{
	static const uint8_t source[16] = { 192, 0, 2, 1 }, destination[16] = { 192, 0, 2, 2 };
	struct vxlan_outer outer = { .family = (uint8_t)shape->outer,
		.source_port = 50000,
		.destination_port = 4789,
		.vni = 5000,
		.source = source,
		.destination = destination };
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = shape->inner == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
		.gso_size = (uint16_t)shape->size,
		.csum_offset = 16 };
	unsigned l4, length = write_super(shape, &l4);
	struct rte_mbuf *packet = fixture_chain(frame, length, PACKET_LARGE_ROOM);

	header.csum_start = (uint16_t)l4;
	assert_true(offload_from_header(packet, &header));
	assert_true(offload_holds(packet));
	packet = edit_push_vxlan(&pools, packet, &outer);
	assert_non_null(packet);
	assert_true(offload_holds(packet));
	assert_int_equal(packet_meta(packet)->gso,
		shape->inner == 4 ? PACKET_GSO_VXLAN_TCP4 : PACKET_GSO_VXLAN_TCP6);
	return packet;
}

/* The one bundle of a super-packet. */
static struct rte_mbuf *
make_bundle(const struct shape *shape)
{
	struct rte_mbuf *packet = make_super(shape), *bundles[ORACLE_PIECES];

	assert_int_equal(oracle_make(packet, bundles), 1);
	rte_pktmbuf_free(packet);
	return bundles[0];
}

static void
check_shape(const struct shape *shape, unsigned wanted)
{
	struct rte_mbuf *packet = make_super(shape), *bundles[ORACLE_PIECES];
	unsigned overhead = vxlan_overhead((uint8_t)shape->outer) - VXLAN_HEADER_LENGTH;
	unsigned count = oracle_make(packet, bundles);

	assert_int_equal(count, wanted);
	for (unsigned i = 0; i < count; i++) {
		const struct packet_meta *meta = packet_meta(bundles[i]);
		unsigned parts = 1;

		if (meta->gso == PACKET_GSO_UDP) {
			assert_true(meta->offload & PACKET_NEEDS_CHECKSUM);
			assert_int_equal(meta->checksum_start, overhead - 8);
			assert_int_equal(meta->header_length, overhead);
			parts = oracle_take_apart(bundles[i]);
		}
		/* a tag is nothing that would be merged, and then each is a part */
		if (!shape->inner_tag)
			assert_int_equal(parts, 1);
		else if (meta->gso == PACKET_GSO_UDP)
			assert_true(parts > 1);
		rte_pktmbuf_free(bundles[i]);
	}
	rte_pktmbuf_free(packet);
	assert_true(fixture_nothing_lost());
}

static void
test_all_shapes(void **state)
{
	static const unsigned payloads[] = { SIZE + 1, 2 * SIZE, 10 * SIZE - 1, 41 * SIZE };

	(void)state;
	for (unsigned i = 0; i < 8 * RTE_DIM(payloads); i++) {
		struct shape shape = { .outer = i & 1 ? 4 : 6,
			.inner = i & 2 ? 4 : 6,
			.inner_tag = (i & 4) != 0,
			.payload = payloads[i / 8],
			.size = SIZE,
			.flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG | RTE_TCP_CWR_FLAG };

		check_shape(&shape, 1);
	}
}

/* Little pieces, of odd lengths; one more than a bundle holds; too long for two in one. */
static void
test_sizes(void **state)
{
	struct shape shape = { .outer = 4, .inner = 4, .size = 1, .flags = RTE_TCP_ACK_FLAG };

	(void)state;
	for (shape.payload = 2; shape.payload < 200; shape.payload += 13)
		check_shape(&shape, 1);
	shape.size = 1447;
	shape.payload = 42 * 1447;
	check_shape(&shape, 1);
	shape.payload = 42 * 1447 + 2500;
	check_shape(&shape, 2);
	shape.size = 29000;
	shape.payload = 60000;
	check_shape(&shape, 2);
	shape.size = 40000;
	check_shape(&shape, 2);
	shape.payload = 100; /* one segment */
	check_shape(&shape, 1);
}

/* The checksum of the outer datagram is right once somebody has finished it, or cut it. */
static void
test_outer_checksum(void **state)
{
	struct shape shape = {
		.outer = 4, .inner = 4, .size = SIZE, .payload = 5000, .flags = RTE_TCP_ACK_FLAG
	};
	struct rte_mbuf *bundle = make_bundle(&shape), *cut[ORACLE_PIECES];
	bool no_buffer;
	unsigned count = offload_segment(&pools, bundle, cut, ORACLE_PIECES, &no_buffer);

	(void)state;
	assert_int_equal(count, 4);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *ip = rte_pktmbuf_mtod_offset(cut[i], const uint8_t *, 14);
		unsigned length = rte_pktmbuf_pkt_len(cut[i]) - 34;

		assert_int_equal(slow_fold(slow_sum(ip, 20)), 0xffff);
		assert_int_equal(slow_fold(slow_sum(ip + 20, length) + slow_sum(ip + 12, 8) +
					   IPPROTO_UDP + length),
			0xffff);
		rte_pktmbuf_free(cut[i]);
	}
	assert_true(fixture_nothing_lost());
}

/* ---- pieces that do not belong together -------------------------------------------------------
 */

/* The byte at `offset` of piece `index`, which lies in whatever segment. */
static uint8_t *
byte_of(struct rte_mbuf *bundle, unsigned index, unsigned offset)
{
	const struct packet_meta *meta = packet_meta(bundle);

	offset += meta->header_length + index * meta->gso_size;
	while (offset >= rte_pktmbuf_data_len(bundle)) {
		offset -= rte_pktmbuf_data_len(bundle);
		bundle = bundle->next;
	}
	return rte_pktmbuf_mtod_offset(bundle, uint8_t *, offset);
}

/* Adds to a word, and takes the same from another, so that a checksum over both stays right. */
static void
shift(struct rte_mbuf *bundle, unsigned index, unsigned word, unsigned balance, int by)
{
	uint8_t *at = byte_of(bundle, index, word), *other;
	uint32_t sum;

	put16(at, (unsigned)((at[0] << 8 | at[1]) + by));
	if (balance == 0)
		return;
	other = byte_of(bundle, index, balance);
	sum = (uint32_t)((other[0] << 8 | other[1]) + 0xffff - by);
	put16(other, slow_fold(sum));
}

#define INNER_IP (8u + 14)
#define INNER_TCP (INNER_IP + 20)

/* One piece of ten is changed; into how many parts it is taken apart then. */
static void
check_changed(unsigned index, unsigned word, unsigned balance, int by, unsigned parts)
{
	struct shape shape = { .outer = 4,
		.inner = 4,
		.size = SIZE,
		.payload = 10 * SIZE,
		.flags = RTE_TCP_ACK_FLAG };
	struct rte_mbuf *bundle = make_bundle(&shape);

	shift(bundle, index, word, balance, by);
	assert_int_equal(oracle_take_apart(bundle), parts);
	rte_pktmbuf_free(bundle);
	assert_true(fixture_nothing_lost());
}

static void
test_strangers(void **state)
{
	(void)state;
	check_changed(0, INNER_TCP + 18, INNER_TCP + 34, 0, 1);
	check_changed(4, 4, 0, 1, 3);                                 /* another VNI */
	check_changed(4, 10, 0, 1, 3);                                /* another MAC */
	check_changed(4, INNER_IP + 2, INNER_IP + 10, -1, 3);         /* shorter than its piece */
	check_changed(4, INNER_IP + 4, INNER_IP + 10, 1, 3);          /* ID */
	check_changed(4, INNER_IP + 6, INNER_IP + 10, 0x2000, 3);     /* a fragment */
	check_changed(4, INNER_IP + 8, INNER_IP + 10, 0x100, 3);      /* TTL */
	check_changed(4, INNER_IP + 10, 0, 1, 3);                     /* its checksum */
	check_changed(4, INNER_TCP, INNER_TCP + 34, 1, 3);            /* port */
	check_changed(4, INNER_TCP + 6, INNER_TCP + 34, 1, 3);        /* sequence number */
	check_changed(4, INNER_TCP + 10, INNER_TCP + 34, 1, 3);       /* acknowledged */
	check_changed(4, INNER_TCP + 12, INNER_TCP + 34, 0x02, 3);    /* SYN */
	check_changed(4, INNER_TCP + 12, INNER_TCP + 34, 0x20, 3);    /* URG */
	check_changed(4, INNER_TCP + 12, INNER_TCP + 34, 0x80, 2);    /* CWR: a run's first */
	check_changed(4, INNER_TCP + 12, INNER_TCP + 34, 0x08, 2);    /* PSH: a run's last */
	check_changed(4, INNER_TCP + 12, INNER_TCP + 34, 0x01, 2);    /* FIN */
	check_changed(4, INNER_TCP + 12, INNER_TCP + 34, 0x1000, 3);  /* longer header */
	check_changed(4, INNER_TCP + 12, INNER_TCP + 34, -0x4000, 3); /* too short a header */
	check_changed(4, INNER_TCP + 14, INNER_TCP + 34, 1, 3);       /* window */
	check_changed(4, INNER_TCP + 16, 0, 1, 3);                    /* its checksum */
	check_changed(4, INNER_TCP + 24, INNER_TCP + 34, 1, 3);       /* an option */
	check_changed(4, INNER_TCP + 800, INNER_TCP + 34, 1, 1);      /* other words */
	check_changed(4, INNER_TCP + 800, 0, 1, 3);                   /* a flipped bit */
	check_changed(9, INNER_TCP + 800, 0, 1, 2);
	check_changed(0, INNER_TCP + 800, 0, 1, 2);
}

/* What is no TCP in VXLAN at all, of every length of a last piece. */
static void
test_no_frames(void **state)
{
	struct shape shape = { .outer = 6, .inner = 6, .size = 20, .payload = 100, .flags = 0 };

	(void)state;
	shape.flags = RTE_TCP_ACK_FLAG;
	for (unsigned length = 1; length < 300; length++) {
		struct rte_mbuf *bundle = make_bundle(&shape);
		unsigned size = packet_meta(bundle)->header_length + length;
		uint8_t *ip = rte_pktmbuf_mtod_offset(bundle, uint8_t *, 14);

		if (size < rte_pktmbuf_pkt_len(bundle))
			packet_trim(bundle, size);
		put16(ip + 4, rte_pktmbuf_pkt_len(bundle) - 54);
		oracle_take_apart(bundle);
		packet_meta(bundle)->gso_size = 1 + length % 97;
		oracle_take_apart(bundle);
		rte_pktmbuf_free(bundle);
	}
	assert_true(fixture_nothing_lost());
}

/* ---- what lies, and what is missing -----------------------------------------------------------
 */

static void
test_lies(void **state)
{
	struct shape shape = {
		.outer = 4, .inner = 4, .size = SIZE, .payload = 5000, .flags = RTE_TCP_ACK_FLAG
	};
	struct rte_mbuf *parts[ORACLE_PIECES], *bundle;
	bool no_buffer;

	(void)state;
	bundle = make_bundle(&shape);
	assert_int_equal(bundle_take_apart(&pools, oracle_copy(bundle), parts, 3, &no_buffer), 0);
	assert_false(no_buffer);
	packet_meta(bundle)->gso_size = 0;
	assert_int_equal(oracle_take_apart(bundle), 0);
	packet_meta(bundle)->gso_size = 1;
	assert_int_equal(oracle_take_apart(bundle), 0); /* too many */
	packet_meta(bundle)->gso_size = UINT16_MAX;
	assert_int_equal(oracle_take_apart(bundle), 1);
	packet_meta(bundle)->gso_size = SIZE;
	put16(rte_pktmbuf_mtod_offset(bundle, uint8_t *, 16), 65535); /* behind its end */
	assert_int_equal(oracle_take_apart(bundle), 0);
	packet_meta(bundle)->gso = PACKET_GSO_TCP4;
	assert_int_equal(bundle_take_apart(&pools, bundle, parts, ORACLE_PIECES, &no_buffer), 0);
	assert_false(no_buffer);
	/* a super-packet that is in no VXLAN makes no bundle */
	bundle = make_bundle(&shape);
	assert_int_equal(bundle_make(&pools, bundle, parts, ORACLE_PIECES, &no_buffer), 0);
	assert_false(no_buffer);
	assert_true(fixture_nothing_lost());
}

static void
check_without_buffers(struct rte_mbuf *packet, struct rte_mempool *pool,
	unsigned (*change)(
		struct packet_pools *, struct rte_mbuf *, struct rte_mbuf **, unsigned, bool *))
{
	static struct rte_mbuf *taken[4096];
	struct rte_mbuf *made[ORACLE_PIECES];
	bool no_buffer = false;
	unsigned n = 0;

	while ((taken[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	assert_int_equal(change(&pools, packet, made, ORACLE_PIECES, &no_buffer), 0);
	assert_true(no_buffer);
	rte_pktmbuf_free_bulk(taken, n);
	assert_true(fixture_nothing_lost());
}

static void
test_without_buffers(void **state)
{
	struct shape shape = {
		.outer = 4, .inner = 4, .size = SIZE, .payload = 5000, .flags = RTE_TCP_ACK_FLAG
	};

	(void)state;
	check_without_buffers(make_super(&shape), pools.small, bundle_make);
	check_without_buffers(make_super(&shape), pools.large, bundle_make);
	check_without_buffers(make_bundle(&shape), pools.large, bundle_take_apart);
}

static int
open_pools(void **state)
{
	(void)state;
	fixture_open();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_shapes),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_outer_checksum),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_no_frames),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_without_buffers),
	};

	return cmocka_run_group_tests(tests, open_pools, NULL);
}
