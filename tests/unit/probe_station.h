/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of probes: stations on memory vnics that answer frame by frame, as they are told.
 */
#ifndef WEFT_TESTS_PROBE_STATION_H
#define WEFT_TESTS_PROBE_STATION_H

#include "../switch_fixture.h"
#include "graph/probe.h"
#include "packet/make.h"

#define FRAME_SIZE 2048

struct frame {
	uint8_t bytes[FRAME_SIZE];
	size_t length;
};

static inline unsigned
get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static inline void
put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t
get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline bool
is_arp(const struct frame *frame)
{
	return get16(frame->bytes + 12) == 0x0806;
}

static inline bool
is_ip4(const struct frame *frame)
{
	return get16(frame->bytes + 12) == 0x0800;
}

static inline uint8_t *
transport(struct frame *frame)
{
	return frame->bytes + (is_ip4(frame) ? 14 + (frame->bytes[14] & 15) * 4 : 54);
}

static inline uint8_t
protocol(const struct frame *frame)
{
	return frame->bytes[is_ip4(frame) ? 23 : 20];
}

/* RFC 1071, 1, by the book; `sum` in host order. */
static inline unsigned
slow_checksum(unsigned long sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : (unsigned long)bytes[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)(~sum & 0xffff);
}

/* Where the transport checksum is, from the transport header. */
static inline size_t
checksum_place(const struct frame *frame)
{
	return protocol(frame) == 6 ? 16 : protocol(frame) == 17 ? 6 : 2;
}

static inline unsigned long
pseudo_sum(struct frame *frame)
{
	bool four = is_ip4(frame);
	size_t length = frame->length - (size_t)(transport(frame) - frame->bytes);

	if (protocol(frame) == 1)
		return 0;
	return (~slow_checksum(0, frame->bytes + (four ? 26 : 22), four ? 8 : 32) & 0xffff) +
	       protocol(frame) + length;
}

/* Makes lengths and checksums of an IP frame right again; no padding. */
static inline void
mend(struct frame *frame)
{
	uint8_t *ip = frame->bytes + 14, *at = transport(frame);
	size_t length = frame->length - (size_t)(at - frame->bytes);

	if (is_ip4(frame)) {
		put16(ip + 2, (unsigned)(frame->length - 14));
		put16(ip + 10, 0);
		put16(ip + 10, slow_checksum(0, ip, (size_t)(at - ip)));
	} else {
		put16(ip + 4, (unsigned)length);
	}
	if (protocol(frame) == 17)
		put16(at + 4, (unsigned)length);
	put16(at + checksum_place(frame), 0);
	put16(at + checksum_place(frame), slow_checksum(pseudo_sum(frame), at, length));
}

static inline void
swap(uint8_t *a, uint8_t *b, size_t length)
{
	uint8_t kept[16];

	memcpy(kept, a, length);
	memcpy(a, b, length);
	memcpy(b, kept, length);
}

/* The frame on its way back: MACs, addresses and ports swapped. */
static inline void
turn_round(struct frame *frame)
{
	uint8_t *at = transport(frame);

	swap(frame->bytes, frame->bytes + 6, 6);
	if (is_ip4(frame))
		swap(frame->bytes + 26, frame->bytes + 30, 4);
	else
		swap(frame->bytes + 22, frame->bytes + 38, 16);
	if (protocol(frame) == 6 || protocol(frame) == 17)
		swap(at, at + 2, 2);
}

/* ---- answers: each makes it out of the request ------------------------------------------------
 */

static inline void
answer_arp(struct frame *frame, const uint8_t mac[6])
{
	uint8_t *arp = frame->bytes + 14;

	put16(arp + 6, 2);
	swap(arp + 8, arp + 18, 10);
	memcpy(arp + 8, mac, 6);
	memcpy(frame->bytes, arp + 18, 6);
	memcpy(frame->bytes + 6, mac, 6);
}

static inline void
answer_solicitation(struct frame *frame, const uint8_t mac[6])
{
	uint8_t *message = frame->bytes + 54;

	memcpy(frame->bytes, frame->bytes + 6, 6);
	memcpy(frame->bytes + 6, mac, 6);
	memcpy(frame->bytes + 38, frame->bytes + 22, 16);
	memcpy(frame->bytes + 22, message + 8, 16);
	message[0] = 136;
	message[4] = 0x60; /* solicited, override */
	message[24] = 2;
	memcpy(message + 26, mac, 6);
	mend(frame);
}

static inline void
answer_neighbour(struct frame *frame, const uint8_t mac[6])
{
	if (is_arp(frame))
		answer_arp(frame, mac);
	else
		answer_solicitation(frame, mac);
}

static inline void
answer_echo(struct frame *frame)
{
	turn_round(frame);
	transport(frame)[0] = is_ip4(frame) ? 0 : 129;
	mend(frame);
}

static inline void
answer_tcp(struct frame *frame, uint8_t flags)
{
	uint8_t *tcp = transport(frame);
	uint32_t acknowledged = get32(tcp + 4) + 1;

	turn_round(frame);
	put16(tcp + 8, acknowledged >> 16);
	put16(tcp + 10, acknowledged & 0xffff);
	memset(tcp + 4, 0x77, 4);
	tcp[13] = flags;
	mend(frame);
}

static inline void
answer_udp(struct frame *frame)
{
	turn_round(frame);
	memcpy(frame->bytes + frame->length, "here I am", 9);
	frame->length += 9;
	mend(frame);
}

/* An ICMP error that quotes the frame; from: NULL: of the address that the frame was for. */
static inline void
answer_error(struct frame *frame, uint8_t type, uint8_t code, const uint8_t *from)
{
	bool four = is_ip4(frame);
	size_t header = four ? 20 : 40, quoted = frame->length - 14;
	struct frame error = *frame;
	uint8_t *icmp = error.bytes + 14 + header;

	swap(error.bytes, error.bytes + 6, 6);
	if (four) {
		swap(error.bytes + 26, error.bytes + 30, 4);
		error.bytes[23] = 1;
	} else {
		swap(error.bytes + 22, error.bytes + 38, 16);
		error.bytes[20] = 58;
	}
	if (from != NULL)
		memcpy(error.bytes + (four ? 26 : 22), from, four ? 4 : 16);
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 8, frame->bytes + 14, quoted);
	error.length = 14 + header + 8 + quoted;
	mend(&error);
	*frame = error;
}

/* ---- the vnics --------------------------------------------------------------------------------
 */

static inline bool
receive(struct weft_nic *nic, struct frame *frame)
{
	frame->length = weft_nic_receive(nic, frame->bytes, sizeof(frame->bytes));
	return frame->length > 0;
}

/* There is one frame, no more. */
static inline void
receive_one(struct weft_nic *nic, struct frame *frame)
{
	assert_true(receive(nic, frame));
	lab_expect_nothing(nic);
}

/* Puts it in, lets it run, gives weft what came for it. */
static inline void
deliver(struct weft_nic *nic, const struct frame *frame)
{
	assert_int_equal(weft_nic_send(nic, frame->bytes, frame->length), 0);
	lab_run();
	punt_drain(lab);
	lab_run();
}

#endif
