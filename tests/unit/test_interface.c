/* SPDX-License-Identifier: BSD-3-Clause */
/* What an interface's socket gives, and the packet that it becomes; no socket needed. */
#include "nic/interface_private.h"

#include "../packet_fixture.h"
#include "packet/parse.h"

#include <linux/if_packet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#define FRAME_AT 96 /* tp_mac, as the kernel has it */
#define UDP_START 34
#define UDP_CHECKSUM 6

/* Ethernet, IPv4, UDP from port 1 to 2, then bytes that count up. */
static void
make_frame(uint8_t *frame, unsigned length)
{
	static const uint8_t headers[] = { 0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08, 0x00,
		0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2 };

	for (unsigned i = 0; i < length; i++)
		frame[i] = i < sizeof(headers) ? headers[i] : (uint8_t)i;
	if (length > UDP_START + 8) {
		frame[16] = (uint8_t)((length - 14) >> 8);
		frame[17] = (uint8_t)(length - 14);
		frame[38] = (uint8_t)((length - UDP_START) >> 8);
		frame[39] = (uint8_t)(length - UDP_START);
	}
}

/* A slot as the kernel fills it. */
static struct tpacket2_hdr *
fill_slot(char *memory, const struct virtio_net_hdr *header, unsigned length)
{
	struct tpacket2_hdr *slot = (void *)memory;

	memset(memory, 0, INTERFACE_RING_SLOT);
	slot->tp_status = TP_STATUS_USER;
	slot->tp_len = slot->tp_snaplen = length;
	slot->tp_mac = FRAME_AT;
	memcpy(memory + FRAME_AT - OFFLOAD_HEADER_SIZE, header, OFFLOAD_HEADER_SIZE);
	make_frame((uint8_t *)memory + FRAME_AT, length);
	return slot;
}

static const struct virtio_net_hdr plain;
static const struct virtio_net_hdr partial = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	.csum_start = UDP_START,
	.csum_offset = UDP_CHECKSUM,
};

static char memory[INTERFACE_RING_SLOT] __attribute__((aligned(64)));

static struct rte_mbuf *
packet_of_slot(enum drop_reason *reason)
{
	struct interface_slot slot;

	assert_true(interface_read_slot(memory, &slot));
	return interface_copy_frame(&pools, &slot, reason);
}

static void
test_slot_of_the_kernel(void **state)
{
	struct interface_slot slot;

	fill_slot(memory, &plain, 60)->tp_status = TP_STATUS_KERNEL;
	assert_false(interface_read_slot(memory, &slot));
	fill_slot(memory, &plain, 60)->tp_status = TP_STATUS_LOSING;
	assert_false(interface_read_slot(memory, &slot));
}

static void
test_slot_becomes_packet(void **state)
{
	uint8_t frame[100], got[100];
	enum drop_reason reason;
	struct rte_mbuf *packet;

	for (unsigned length = 14; length <= sizeof(frame); length++) {
		fill_slot(memory, &plain, length);
		packet = packet_of_slot(&reason);
		assert_non_null(packet);
		make_frame(frame, length);
		assert_int_equal(fixture_bytes(packet, got), length);
		assert_memory_equal(got, frame, length);
		assert_int_equal(packet_meta(packet)->copies, PACKET_COPY_BUDGET);
		rte_pktmbuf_free(packet);
	}
	assert_true(fixture_nothing_lost());
}

static void
test_slot_too_short(void **state)
{
	enum drop_reason reason;

	for (unsigned length = 0; length < 14; length++) {
		fill_slot(memory, &plain, length);
		assert_null(packet_of_slot(&reason));
		assert_int_equal(reason, DROP_TOO_SHORT);
	}
	assert_true(fixture_nothing_lost());
}

static void
test_slot_whose_frame_lies_outside(void **state)
{
	static const unsigned outside[][2] = { { FRAME_AT, INTERFACE_RING_SLOT - FRAME_AT + 1 },
		{ INTERFACE_RING_SLOT, 1 }, { INTERFACE_RING_SLOT + 1, 0 }, { 0, 60 }, { 41, 60 },
		{ 65535, 60 }, { FRAME_AT, UINT32_MAX } };
	enum drop_reason reason;

	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
		struct tpacket2_hdr *slot = fill_slot(memory, &plain, 60);

		slot->tp_mac = (uint16_t)outside[i][0];
		slot->tp_snaplen = slot->tp_len = outside[i][1];
		assert_null(packet_of_slot(&reason));
		assert_int_equal(reason, DROP_TOO_SHORT);
	}
}

static void
test_slot_notes(void **state)
{
	struct tpacket2_hdr *header = fill_slot(memory, &plain, 60);
	struct interface_slot slot;

	assert_true(interface_read_slot(memory, &slot));
	assert_false(slot.cut || slot.queued || slot.losing);
	header->tp_len = 61;
	assert_true(interface_read_slot(memory, &slot));
	assert_true(slot.cut);
	assert_false(slot.queued || slot.losing);
	header->tp_status |= TP_STATUS_COPY;
	assert_true(interface_read_slot(memory, &slot));
	assert_true(slot.cut && slot.queued);
	header->tp_status = TP_STATUS_USER | TP_STATUS_LOSING;
	assert_true(interface_read_slot(memory, &slot));
	assert_true(slot.losing);
	assert_false(slot.queued);
}

/* The tag is where it was, and the partial checksum's place has moved with the bytes. */
static void
check_tagged(struct rte_mbuf *packet, unsigned length, uint16_t type, uint16_t tci)
{
	static uint8_t frame[70000], got[70000];
	const uint8_t tag[4] = { (uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(tci >> 8),
		(uint8_t)tci };

	assert_non_null(packet);
	make_frame(frame, length);
	assert_int_equal(fixture_bytes(packet, got), length + 4);
	assert_memory_equal(got, frame, 12);
	assert_memory_equal(got + 12, tag, 4);
	assert_memory_equal(got + 16, frame + 12, length - 12);
	assert_int_equal(packet_meta(packet)->offload, PACKET_NEEDS_CHECKSUM);
	assert_int_equal(packet_meta(packet)->checksum_start, UDP_START + 4);
	assert_int_equal(packet_meta(packet)->checksum_offset, UDP_CHECKSUM);
	rte_pktmbuf_free(packet);
	assert_true(fixture_nothing_lost());
}

static void
test_tag_of_slot(void **state)
{
	enum drop_reason reason;
	struct tpacket2_hdr *slot = fill_slot(memory, &partial, 100);

	slot->tp_vlan_tci = 0xa065;
	slot->tp_vlan_tpid = 0x88a8;
	slot->tp_status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
	check_tagged(packet_of_slot(&reason), 100, 0x88a8, 0xa065);
	/* VLAN 0 is a tag, too; an old kernel tells no type */
	slot->tp_vlan_tci = 0;
	slot->tp_status = TP_STATUS_USER | TP_STATUS_VLAN_VALID;
	check_tagged(packet_of_slot(&reason), 100, 0x8100, 0);
}

static void
test_no_tag_although_the_field_is_set(void **state)
{
	enum drop_reason reason;
	struct tpacket2_hdr *slot = fill_slot(memory, &plain, 100);
	struct rte_mbuf *packet;

	slot->tp_vlan_tci = 7;
	slot->tp_vlan_tpid = 0x8100;
	packet = packet_of_slot(&reason);
	assert_int_equal(rte_pktmbuf_pkt_len(packet), 100);
	rte_pktmbuf_free(packet);
}

static void
test_lying_headers(void **state)
{
	static const struct virtio_net_hdr lies[] = {
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 95, .csum_offset = 4 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 65535, .csum_offset = 65535 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0, .csum_offset = 4 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 1448 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4, .gso_size = 0 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 100 },
		{ .gso_type = 0x7f, .gso_size = 100 },
	};
	enum drop_reason reason;

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		fill_slot(memory, &lies[i], 100);
		assert_null(packet_of_slot(&reason));
		assert_int_equal(reason, DROP_BAD_OFFLOAD);
	}
	assert_true(fixture_nothing_lost());
}

static void
test_no_buffer(void **state)
{
	static struct rte_mbuf *taken[8192];
	enum drop_reason reason;
	unsigned n = 0;

	while ((taken[n] = rte_pktmbuf_alloc(pools.small)) != NULL)
		n++;
	fill_slot(memory, &plain, 100);
	assert_null(packet_of_slot(&reason));
	assert_int_equal(reason, DROP_NO_BUFFER);
	rte_pktmbuf_free_bulk(taken, n);
}

/* ---- long frames ------------------------------------------------------------------------------
 */

static struct interface_buffers
take_buffers(void)
{
	struct interface_buffers buffers = { rte_pktmbuf_alloc(pools.small),
		rte_pktmbuf_alloc(pools.large) };

	assert_non_null(buffers.head);
	assert_non_null(buffers.rest);
	return buffers;
}

static void
free_buffers(struct interface_buffers *buffers)
{
	rte_pktmbuf_free(buffers->head);
	rte_pktmbuf_free(buffers->rest);
}

/* What recvmsg does with the driver's vector. */
static void
scatter(struct interface_buffers *buffers, const struct virtio_net_hdr *header, unsigned length)
{
	static uint8_t message[80000];
	unsigned first = RTE_MIN(length, (unsigned)PACKET_SMALL_ROOM);

	make_frame(message, length);
	memcpy(rte_pktmbuf_mtod(buffers->head, char *) - OFFLOAD_HEADER_SIZE, header,
		OFFLOAD_HEADER_SIZE);
	memcpy(rte_pktmbuf_mtod(buffers->head, char *), message, first);
	memcpy(buffers->rest->buf_addr, message + first, length - first);
}

static void
test_long_frames(void **state)
{
	static const unsigned lengths[] = { 14, 100, 2047, 2048, 2049, 9014, 65535, 65549,
		PACKET_SMALL_ROOM + INTERFACE_REST_SIZE };
	static uint8_t frame[80000], got[80000];
	const struct interface_notes none = { 0 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct interface_buffers buffers = take_buffers();
		enum drop_reason reason;
		struct rte_mbuf *packet;

		scatter(&buffers, &plain, lengths[i]);
		packet = interface_take_frame(&pools, &buffers,
			lengths[i] + (unsigned)OFFLOAD_HEADER_SIZE, &none, &reason);
		assert_non_null(packet);
		assert_null(buffers.head);
		assert_true((buffers.rest == NULL) == (lengths[i] > PACKET_SMALL_ROOM));
		rte_mbuf_sanity_check(packet, 1);
		make_frame(frame, lengths[i]);
		assert_int_equal(fixture_bytes(packet, got), lengths[i]);
		assert_memory_equal(got, frame, lengths[i]);
		rte_pktmbuf_free(packet);
		free_buffers(&buffers);
	}
	assert_true(fixture_nothing_lost());
}

static void
test_long_frame_with_tag(void **state)
{
	const struct interface_notes notes = { .tag_type = 0x8100, .tci = 101 };
	struct interface_buffers buffers = take_buffers();
	enum drop_reason reason;

	scatter(&buffers, &partial, 60000);
	check_tagged(interface_take_frame(&pools, &buffers, 60000 + (unsigned)OFFLOAD_HEADER_SIZE,
			     &notes, &reason),
		60000, 0x8100, 101);
}

static void
test_long_frames_refused(void **state)
{
	static const struct {
		unsigned length;
		enum drop_reason reason;
	} refused[] = {
		{ 0, DROP_TOO_SHORT },
		{ OFFLOAD_HEADER_SIZE - 1, DROP_TOO_SHORT },
		{ OFFLOAD_HEADER_SIZE + 13, DROP_TOO_SHORT },
		{ INTERFACE_HEAD_SIZE + INTERFACE_REST_SIZE + 1, DROP_TOO_LONG },
	};
	const struct interface_notes none = { 0 };
	struct interface_buffers buffers = take_buffers();

	scatter(&buffers, &plain, 100);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		enum drop_reason reason;

		assert_null(
			interface_take_frame(&pools, &buffers, refused[i].length, &none, &reason));
		assert_int_equal(reason, refused[i].reason);
		assert_non_null(buffers.head);
		assert_non_null(buffers.rest);
	}
	free_buffers(&buffers);
	assert_true(fixture_nothing_lost());
}

static void
test_notes_of_message(void **state)
{
	union {
		char bytes[INTERFACE_CONTROL_SIZE];
		struct cmsghdr align;
	} control = { 0 };
	struct tpacket_auxdata data = { .tp_status =
						TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID,
		.tp_vlan_tci = 5,
		.tp_vlan_tpid = 0x88a8 };
	struct msghdr message = { .msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(sizeof(data)) };
	struct cmsghdr *at = CMSG_FIRSTHDR(&message);
	struct interface_notes notes;

	assert_true(CMSG_SPACE(sizeof(data)) <= INTERFACE_CONTROL_SIZE);
	at->cmsg_level = SOL_PACKET;
	at->cmsg_type = PACKET_AUXDATA;
	at->cmsg_len = CMSG_LEN(sizeof(data));
	memcpy(CMSG_DATA(at), &data, sizeof(data));
	notes = interface_read_notes(&message);
	assert_int_equal(notes.tag_type, 0x88a8);
	assert_int_equal(notes.tci, 5);
	at->cmsg_type = PACKET_AUXDATA + 1;
	assert_int_equal(interface_read_notes(&message).tag_type, 0);
	at->cmsg_type = PACKET_AUXDATA;
	at->cmsg_len = CMSG_LEN(sizeof(data) - 1);
	assert_int_equal(interface_read_notes(&message).tag_type, 0);
	message.msg_controllen = 0;
	assert_int_equal(interface_read_notes(&message).tag_type, 0);
}

static int
set_up(void **state)
{
	fixture_open();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slot_of_the_kernel),
		cmocka_unit_test(test_slot_becomes_packet),
		cmocka_unit_test(test_slot_too_short),
		cmocka_unit_test(test_slot_whose_frame_lies_outside),
		cmocka_unit_test(test_slot_notes),
		cmocka_unit_test(test_tag_of_slot),
		cmocka_unit_test(test_no_tag_although_the_field_is_set),
		cmocka_unit_test(test_lying_headers),
		cmocka_unit_test(test_no_buffer),
		cmocka_unit_test(test_long_frames),
		cmocka_unit_test(test_long_frame_with_tag),
		cmocka_unit_test(test_long_frames_refused),
		cmocka_unit_test(test_notes_of_message),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
