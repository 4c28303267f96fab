/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Editing the numbers of TCP segments, for who joins two connections, or has changed how much is
 * said in one: sequence and acknowledgment, SACK blocks (RFC 2018), timestamps (RFC 7323), window.
 */
#include "packet/checksum.h"
#include "packet/edit.h"
#include "packet/ip.h"

#include <netinet/in.h>
#include <rte_tcp.h>

#define HEADER_LEAST 20u
#define HEADER_LIMIT 60u
#define OPTION_END 0
#define OPTION_NONE 1
#define OPTION_SACK 5
#define OPTION_TIMES 8
#define TIMES_LENGTH 10

static void
add(uint8_t *field, uint32_t number)
{
	uint32_t before;

	memcpy(&before, field, sizeof(before));
	before = rte_cpu_to_be_32(rte_be_to_cpu_32(before) + number);
	memcpy(field, &before, sizeof(before));
}

/* One that is all there. */
static void
shift_option(uint8_t *option, bool acknowledges, const struct edit_tcp_shift *shift)
{
	unsigned length = option[1];

	if (option[0] == OPTION_SACK && shift->no_sack) {
		memset(option, OPTION_NONE, length);
	} else if (option[0] == OPTION_SACK && (length - 2) % 8 == 0) {
		for (unsigned at = 2; at < length; at += 4)
			add(option + at, shift->acknowledgment);
	} else if (option[0] == OPTION_TIMES && length == TIMES_LENGTH) {
		add(option + 2, shift->time);
		if (acknowledges)
			add(option + 6, shift->echo);
	}
}

static void
shift_options(
	uint8_t *header, unsigned length, bool acknowledges, const struct edit_tcp_shift *shift)
{
	unsigned at = HEADER_LEAST, next;

	while (at < length && header[at] != OPTION_END) {
		if (header[at] == OPTION_NONE) {
			at++;
			continue;
		}
		if (at + 2 > length || header[at + 1] < 2 || at + header[at + 1] > length)
			return;
		next = at + header[at + 1];
		shift_option(header + at, acknowledges, shift);
		at = next;
	}
}

static void
shift_header(uint8_t *header, unsigned length, const struct edit_tcp_shift *shift)
{
	bool acknowledges = header[offsetof(struct rte_tcp_hdr, tcp_flags)] & RTE_TCP_ACK_FLAG;
	uint16_t window = rte_cpu_to_be_16(shift->window);

	add(header + offsetof(struct rte_tcp_hdr, sent_seq), shift->sequence);
	if (acknowledges)
		add(header + offsetof(struct rte_tcp_hdr, recv_ack), shift->acknowledgment);
	memcpy(header + offsetof(struct rte_tcp_hdr, rx_win), &window, sizeof(window));
	shift_options(header, length, acknowledges, shift);
}

/* A partial checksum has none of this in it: edit.c. */
static bool
has_whole_checksum(const struct packet_meta *meta)
{
	return !(meta->offload & PACKET_NEEDS_CHECKSUM) || meta->checksum_start != meta->l4;
}

/* 0: it is no TCP header, or not all there. */
static unsigned
header_length(const struct rte_mbuf *packet, const struct packet_meta *meta)
{
	uint8_t copy;
	const uint8_t *byte;
	unsigned length;

	if (!(meta->flags & PACKET_PARSED) || meta->l4 == PACKET_OFFSET_NONE ||
		meta->protocol != IPPROTO_TCP)
		return 0;
	byte = rte_pktmbuf_read(
		packet, meta->l4 + offsetof(struct rte_tcp_hdr, data_off), 1, &copy);
	if (byte == NULL)
		return 0;
	length = (*byte >> 4) * 4u;
	return length >= HEADER_LEAST && meta->l4 + length <= rte_pktmbuf_pkt_len(packet) ? length
											  : 0;
}

struct rte_mbuf *
edit_shift_tcp(
	struct packet_pools *pools, struct rte_mbuf *packet, const struct edit_tcp_shift *shift)
{
	struct packet_meta *meta = packet_meta(packet);
	unsigned length = header_length(packet, meta);
	uint8_t after[HEADER_LIMIT], *header;
	uint16_t checksum;

	if (unlikely(length == 0)) {
		rte_pktmbuf_free(packet);
		return NULL;
	}
	packet = packet_writable(pools, packet, meta->l4 + length, 0);
	if (unlikely(packet == NULL))
		return NULL;
	meta = packet_meta(packet);
	header = rte_pktmbuf_mtod_offset(packet, uint8_t *, meta->l4);
	memcpy(after, header, length);
	shift_header(after, length, shift);
	if (has_whole_checksum(meta)) {
		/* its own field is the same in both: that adds nothing */
		memcpy(&checksum, header + offsetof(struct rte_tcp_hdr, cksum), sizeof(checksum));
		checksum = checksum_update(checksum, header, after, length);
		memcpy(after + offsetof(struct rte_tcp_hdr, cksum), &checksum, sizeof(checksum));
	}
	memcpy(header, after, length);
	if (unlikely(meta->log != NULL))
		meta->log->what |= EDIT_OVERFLOW;
	return packet;
}

/* ---- payload ----------------------------------------------------------------------------- */

#define FRAME_LIMIT 2048u /* nothing longer is edited so */

/* Lengths and checksums of a frame in one piece, which ends with its IP packet. */
static void
seal(uint8_t *frame, unsigned length, const struct packet_meta *meta)
{
	bool six = meta->ethertype == RTE_ETHER_TYPE_IPV6;
	uint16_t whole = rte_cpu_to_be_16(
			 (uint16_t)(length - meta->l3 - (six ? IP6_HEADER_LENGTH : 0))),
		 checksum = 0;
	uint8_t *ip = frame + meta->l3, *tcp = frame + meta->l4;
	unsigned segment = length - meta->l4, header = (ip[0] & 0x0f) * 4u;
	uint32_t sum;

	memcpy(ip + (six ? 4 : 2), &whole, sizeof(whole));
	if (!six) {
		memset(ip + 10, 0, 2);
		checksum = (uint16_t)~checksum_fold(checksum_sum(ip, header));
		memcpy(ip + 10, &checksum, sizeof(checksum));
	}
	memset(tcp + offsetof(struct rte_tcp_hdr, cksum), 0, 2);
	sum = checksum_sum(ip + (six ? 8 : 12), six ? 32 : 8) + rte_cpu_to_be_16(IPPROTO_TCP) +
	      rte_cpu_to_be_16((uint16_t)segment);
	checksum = (uint16_t)~checksum_fold(sum + checksum_sum(tcp, segment));
	memcpy(tcp + offsetof(struct rte_tcp_hdr, cksum), &checksum, sizeof(checksum));
}

struct rte_mbuf *
edit_replace_payload(struct packet_pools *pools, struct rte_mbuf *packet, unsigned offset,
	unsigned before, const void *bytes, unsigned length)
{
	struct packet_meta *meta = packet_meta(packet);
	unsigned end = meta->l3 + ip_length(packet, meta->l3), after = end - before + length;
	uint8_t frame[FRAME_LIMIT];
	struct rte_mbuf *made = NULL;

	if (after <= sizeof(frame) && offset + before <= end) {
		packet_copy_bytes(frame, packet, offset);
		memcpy(frame + offset, bytes, length);
		packet_copy_range(
			frame + offset + length, packet, offset + before, end - offset - before);
		seal(frame, after, meta);
		made = packet_from_bytes(pools, frame, after);
	}
	if (made != NULL) {
		*packet_meta(made) = *meta;
		packet_meta(made)->offload = PACKET_CHECKSUM_GOOD;
		made->port = packet->port;
		if (meta->log != NULL)
			meta->log->what |= EDIT_OVERFLOW;
	}
	rte_pktmbuf_free(packet);
	return made;
}
