/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/bundle.h"

#include "packet/checksum.h"
#include "packet/encapsulate.h"
#include "packet/ip.h"
#include "packet/offload.h"
#include "packet/segment.h"

#include <netinet/in.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define LENGTH_LIMIT 65535 /* of a packet; a longer frame the kernel cuts itself */

#define UDP_LENGTH offsetof(struct rte_udp_hdr, dgram_len)
#define UDP_CHECKSUM offsetof(struct rte_udp_hdr, dgram_cksum)
#define TCP_CHECKSUM offsetof(struct rte_tcp_hdr, cksum)

static void
put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/*
 * Lengths in the headers in front of the pieces, for `length` bytes in all; the UDP checksum is
 * left undone.
 */
static void
write_front(const struct packet_layout *outer, uint8_t *frame, uint16_t ip_id, unsigned length)
{
	uint8_t *udp = frame + outer->l4;
	uint16_t sum;

	segment_write_network(outer, frame, ip_id, length);
	length -= outer->l4;
	put_u16(udp + UDP_LENGTH, length);
	sum = checksum_fold(segment_pseudo_header(outer, frame, length));
	memcpy(udp + UDP_CHECKSUM, &sum, sizeof(sum));
}

static void
set_layout(struct packet_meta *meta, const struct packet_layout *outer)
{
	meta->l3 = outer->l3;
	meta->l4 = outer->l4;
	meta->ethertype = outer->ethertype;
	meta->protocol = outer->protocol;
	meta->flags |= PACKET_PARSED;
}

/* ---- making ------------------------------------------------------------------------------- */

struct bundling {
	struct packet_pools *pools;
	const struct rte_mbuf *packet;
	struct segmentation plan;   /* of the super-packet */
	struct segmentation pieces; /* the same, as seen from the VXLAN header on */
	struct segment_reader reader;
	unsigned front; /* bytes in front of the pieces */
	unsigned full;  /* bytes of a piece that is not the last */
};

static void
begin(struct bundling *bundling)
{
	struct segmentation *pieces = &bundling->pieces;
	unsigned front = bundling->plan.outer.l4 + LAYOUT_UDP_LENGTH;

	*pieces = bundling->plan;
	pieces->layout.l3 -= (uint16_t)front;
	pieces->layout.l4 -= (uint16_t)front;
	pieces->layout.end -= front;
	pieces->headers += front;
	pieces->header_length -= front;
	bundling->front = front;
	bundling->full = pieces->header_length + pieces->size;
	bundling->reader = segment_read_from(bundling->packet, bundling->plan.header_length);
}

/* How many pieces fit into the first buffer of a bundle, which is a small one. */
static unsigned
room_in_front(const struct bundling *bundling)
{
	return (PACKET_SMALL_ROOM - bundling->front) / bundling->full;
}

/* How many there are in each bundle but the last: less than two make none. */
static unsigned
choose_share(const struct bundling *bundling)
{
	unsigned most = room_in_front(bundling) + PACKET_LARGE_ROOM / bundling->full;
	unsigned count = bundling->plan.count, bundles;

	most = RTE_MIN(most, (LENGTH_LIMIT - bundling->front) / bundling->full);
	if (count < 2 || most < 2)
		return 0;
	bundles = (count + most - 1) / most;
	return (count + bundles - 1) / bundles;
}

/* Pieces from `first` up to `end` go behind what is in the buffer. */
static void
add_pieces(struct bundling *bundling, struct rte_mbuf *buffer, unsigned first, unsigned end)
{
	uint8_t *start = rte_pktmbuf_mtod(buffer, uint8_t *);

	for (; first < end; first++)
		buffer->data_len += (uint16_t)segment_write(
			&bundling->pieces, &bundling->reader, first, start + buffer->data_len);
}

static void
finish_bundle(const struct bundling *bundling, struct rte_mbuf *bundle, unsigned first, bool one)
{
	const struct packet_layout *outer = &bundling->plan.outer;
	struct packet_meta *meta = packet_meta(bundle);

	bundle->port = bundling->packet->port;
	*meta = *packet_meta((struct rte_mbuf *)(uintptr_t)bundling->packet);
	meta->gso = one ? PACKET_GSO_NONE : PACKET_GSO_UDP;
	meta->gso_size = one ? 0 : (uint16_t)bundling->full;
	meta->header_length = (uint16_t)bundling->front;
	meta->offload = PACKET_NEEDS_CHECKSUM;
	meta->checksum_start = outer->l4;
	meta->checksum_offset = UDP_CHECKSUM;
	meta->flags &= (uint8_t)~PACKET_GSO_ECN;
	set_layout(meta, outer);
	write_front(outer, rte_pktmbuf_mtod(bundle, uint8_t *),
		(uint16_t)(bundling->plan.outer_id + first), rte_pktmbuf_pkt_len(bundle));
}

/* NULL: no buffer. */
static struct rte_mbuf *
make_bundle(struct bundling *bundling, unsigned first, unsigned end)
{
	struct packet_pools *pools = bundling->pools;
	unsigned middle = RTE_MIN(end, first + room_in_front(bundling));
	struct rte_mbuf *bundle = rte_pktmbuf_alloc(pools->small), *rest;

	if (unlikely(bundle == NULL))
		return NULL;
	memcpy(rte_pktmbuf_mtod(bundle, void *), bundling->plan.headers, bundling->front);
	bundle->data_len = (uint16_t)bundling->front;
	add_pieces(bundling, bundle, first, middle);
	bundle->pkt_len = bundle->data_len;
	if (middle < end) {
		bool little = (end - middle) * bundling->full <= PACKET_SMALL_ROOM;

		rest = rte_pktmbuf_alloc(little ? pools->small : pools->large);
		if (unlikely(rest == NULL)) {
			rte_pktmbuf_free(bundle);
			return NULL;
		}
		add_pieces(bundling, rest, middle, end);
		bundle->next = rest;
		bundle->nb_segs = 2;
		bundle->pkt_len += rest->data_len;
	}
	finish_bundle(bundling, bundle, first, end - first == 1);
	return bundle;
}

unsigned
bundle_make(struct packet_pools *pools, struct rte_mbuf *packet, struct rte_mbuf **made,
	unsigned limit, bool *no_buffer)
{
	struct bundling bundling = { .pools = pools, .packet = packet };
	uint8_t copy[SEGMENT_HEADERS_LIMIT];
	unsigned count = 0, share;

	*no_buffer = false;
	if (!segment_plan(packet, &bundling.plan, copy, limit) || !bundling.plan.vxlan) {
		rte_pktmbuf_free(packet);
		return 0;
	}
	begin(&bundling);
	share = choose_share(&bundling);
	if (share < 2)
		return offload_segment(pools, packet, made, limit, no_buffer);
	for (unsigned first = 0; first < bundling.plan.count; first += share) {
		made[count] =
			make_bundle(&bundling, first, RTE_MIN(first + share, bundling.plan.count));
		if (unlikely(made[count] == NULL)) {
			rte_pktmbuf_free_bulk(made, count);
			count = 0;
			*no_buffer = true;
			break;
		}
		count++;
	}
	rte_pktmbuf_free(packet);
	return count;
}

/* ---- taking apart ---------------------------------------------------------------------------- */

#define INNER_L3 (VXLAN_HEADER_LENGTH + RTE_ETHER_HDR_LEN)
#define IP4_ID (INNER_L3 + offsetof(struct rte_ipv4_hdr, packet_id))
#define IP4_CHECKSUM (INNER_L3 + offsetof(struct rte_ipv4_hdr, hdr_checksum))
#define PIECE_HEADERS_LIMIT (INNER_L3 + sizeof(struct rte_ipv6_hdr) + 60) /* 60: of TCP */

#define FLAGS_FIRST_ONLY RTE_TCP_CWR_FLAG
#define FLAGS_LAST_ONLY (RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG)
#define FLAGS_PLAIN (RTE_TCP_ACK_FLAG | RTE_TCP_ECE_FLAG)

struct piece {
	uint8_t headers[PIECE_HEADERS_LIMIT]; /* from the VXLAN header on */
	struct packet_layout layout;          /* as seen from the VXLAN header */
	unsigned offset, length;              /* in the super-datagram */
	unsigned header_length, payload;
	uint32_t sequence;
	uint16_t ip_id;
	uint8_t flags;
	bool segment; /* a TCP segment that others may follow: else the rest does not hold */
};

struct run {
	struct piece first;
	unsigned count, payload;
	uint8_t flags; /* of all of it */
	bool ended;
};

struct taking {
	struct packet_pools *pools;
	const struct rte_mbuf *packet;
	struct segmentation plan; /* of the super-datagram */
};

/* An IPv4 header without options, or an IPv6 header without others behind: of the frame's whole
 * length, no fragment, TCP behind it. Gives where that begins, or 0. */
static unsigned
read_network(struct piece *piece, unsigned available)
{
	const uint8_t *ip = piece->headers + INNER_L3;
	struct packet_layout *layout = &piece->layout;
	unsigned length = piece->length - INNER_L3;

	layout->ethertype = parse_u16(ip - 2);
	layout->l3 = INNER_L3;
	layout->protocol = IPPROTO_TCP;
	layout->end = piece->length;
	if (layout->ethertype == RTE_ETHER_TYPE_IPV4) {
		layout->l3_length = IP4_HEADER_LENGTH;
		if (available < INNER_L3 + IP4_HEADER_LENGTH || ip[0] != RTE_IPV4_VHL_DEF ||
			parse_u16(ip + 2) != length || (parse_u16(ip + 6) & 0xbfff) != 0 ||
			ip[9] != IPPROTO_TCP || ip4_header_sum(ip) != 0xffff ||
			parse_u16(piece->headers + IP4_CHECKSUM) == 0xffff)
			return 0;
		piece->ip_id = parse_u16(piece->headers + IP4_ID);
		return INNER_L3 + IP4_HEADER_LENGTH;
	}
	layout->l3_length = IP6_HEADER_LENGTH;
	if (layout->ethertype != RTE_ETHER_TYPE_IPV6 || available < INNER_L3 + IP6_HEADER_LENGTH ||
		ip[0] >> 4 != 6 || parse_u16(ip + 4) + IP6_HEADER_LENGTH != length ||
		ip[6] != IPPROTO_TCP)
		return 0;
	return INNER_L3 + IP6_HEADER_LENGTH;
}

/* 0xffff there is what no sender writes (RFC 1624, 3), and cutting would not write again. */
static bool
is_tcp_sound(const struct taking *taking, const struct piece *piece)
{
	unsigned l4 = piece->layout.l4, length = piece->length - l4;
	uint32_t sum = segment_pseudo_header(&piece->layout, piece->headers, length);

	sum += checksum_fold(checksum_sum_packet(taking->packet, piece->offset + l4, length));
	return checksum_fold(sum) == 0xffff &&
	       parse_u16(piece->headers + l4 + TCP_CHECKSUM) != 0xffff;
}

static bool
read_segment(const struct taking *taking, struct piece *piece, unsigned available)
{
	unsigned l4 = available > INNER_L3 ? read_network(piece, available) : 0;
	const uint8_t *tcp = piece->headers + l4;

	if (l4 == 0 || available < l4 + LAYOUT_TCP_LENGTH)
		return false;
	piece->layout.l4 = (uint16_t)l4;
	piece->layout.l4_length = (tcp[12] >> 4) * 4;
	piece->header_length = l4 + piece->layout.l4_length;
	if (piece->layout.l4_length < LAYOUT_TCP_LENGTH || piece->header_length >= piece->length)
		return false;
	piece->payload = piece->length - piece->header_length;
	piece->sequence = (uint32_t)parse_u16(tcp + 4) << 16 | parse_u16(tcp + 6);
	piece->flags = tcp[13];
	return (piece->flags & RTE_TCP_ACK_FLAG) &&
	       (piece->flags & ~(FLAGS_PLAIN | FLAGS_FIRST_ONLY | FLAGS_LAST_ONLY)) == 0 &&
	       is_tcp_sound(taking, piece);
}

static void
read_piece(const struct taking *taking, struct piece *piece, unsigned index)
{
	const struct segmentation *plan = &taking->plan;
	unsigned available;

	piece->offset = plan->header_length + index * plan->size;
	piece->length = RTE_MIN(plan->size, plan->payload - index * plan->size);
	available = RTE_MIN(piece->length, (unsigned)sizeof(piece->headers));
	packet_copy_range(piece->headers, taking->packet, piece->offset, available);
	piece->segment = read_segment(taking, piece, available);
}

/* What is the same in all segments of a super-packet is left. */
static void
copy_common(const struct piece *piece, uint8_t *headers)
{
	const struct packet_layout *layout = &piece->layout;
	uint8_t *ip = headers + layout->l3, *tcp = headers + layout->l4;

	memcpy(headers, piece->headers, piece->header_length);
	if (layout->ethertype == RTE_ETHER_TYPE_IPV4) {
		memset(ip + offsetof(struct rte_ipv4_hdr, total_length), 0, 4); /* ID, too */
		memset(headers + IP4_CHECKSUM, 0, 2);
	} else {
		memset(ip + offsetof(struct rte_ipv6_hdr, payload_len), 0, 2);
	}
	memset(tcp + offsetof(struct rte_tcp_hdr, sent_seq), 0, 4);
	memset(tcp + TCP_CHECKSUM, 0, 2);
	tcp[offsetof(struct rte_tcp_hdr, tcp_flags)] = piece->flags & FLAGS_PLAIN;
}

/* RFC 9293, 3.4: the next of the same flow, with nothing in it that would be lost. */
static bool
follows(const struct taking *taking, const struct run *run, const struct piece *piece)
{
	const struct piece *first = &run->first;
	uint8_t one[PIECE_HEADERS_LIMIT], other[PIECE_HEADERS_LIMIT];

	if (run->ended || !piece->segment || piece->header_length != first->header_length ||
		piece->payload > first->payload || (piece->flags & FLAGS_FIRST_ONLY) ||
		piece->sequence != first->sequence + run->payload ||
		taking->plan.header_length + first->header_length + run->payload + piece->payload >
			PACKET_LARGE_ROOM)
		return false;
	if (first->layout.ethertype == RTE_ETHER_TYPE_IPV4 &&
		piece->ip_id != (uint16_t)(first->ip_id + run->count))
		return false;
	copy_common(first, one);
	copy_common(piece, other);
	return memcmp(one, other, first->header_length) == 0;
}

static void
add_to_run(struct run *run, const struct piece *piece)
{
	run->count++;
	run->payload += piece->payload;
	run->flags |= piece->flags;
	run->ended = !piece->segment || (piece->flags & FLAGS_LAST_ONLY) ||
		     piece->payload < run->first.payload;
}

static void
write_run_headers(
	const struct taking *taking, const struct run *run, uint8_t *frame, unsigned length)
{
	const struct segmentation *plan = &taking->plan;
	const struct piece *first = &run->first;
	uint8_t *inner = frame + plan->header_length, *tcp = inner + first->layout.l4;
	uint16_t sum;

	memcpy(frame, plan->headers, plan->header_length);
	memcpy(inner, first->headers, first->header_length);
	write_front(&plan->outer, frame, plan->ip_id, length);
	length -= plan->header_length;
	segment_write_network(&first->layout, inner, first->ip_id, length);
	tcp[offsetof(struct rte_tcp_hdr, tcp_flags)] = run->flags;
	sum = checksum_fold(
		segment_pseudo_header(&first->layout, inner, length - first->layout.l4));
	memcpy(tcp + TCP_CHECKSUM, &sum, sizeof(sum));
}

static void
set_run_meta(const struct taking *taking, const struct run *run, struct rte_mbuf *made)
{
	const struct segmentation *plan = &taking->plan;
	struct packet_meta *meta = packet_meta(made);
	unsigned l4 = plan->header_length + run->first.layout.l4;

	*meta = *packet_meta((struct rte_mbuf *)(uintptr_t)taking->packet);
	meta->gso = run->first.layout.ethertype == RTE_ETHER_TYPE_IPV4 ? PACKET_GSO_VXLAN_TCP4
								       : PACKET_GSO_VXLAN_TCP6;
	meta->gso_size = (uint16_t)run->first.payload;
	meta->header_length = (uint16_t)(plan->header_length + run->first.header_length);
	meta->offload = PACKET_NEEDS_CHECKSUM;
	meta->checksum_start = (uint16_t)l4;
	meta->checksum_offset = TCP_CHECKSUM;
	if (run->flags & RTE_TCP_CWR_FLAG)
		meta->flags |= PACKET_GSO_ECN;
	set_layout(meta, &plan->outer);
}

/* NULL: no buffer. */
static struct rte_mbuf *
merge_run(const struct taking *taking, const struct run *run)
{
	const struct segmentation *plan = &taking->plan;
	const struct piece *first = &run->first;
	unsigned at = plan->header_length + first->header_length, left = run->payload;
	unsigned length = at + left, offset = first->offset + first->header_length;
	struct rte_mbuf *made = rte_pktmbuf_alloc(
		length <= PACKET_SMALL_ROOM ? taking->pools->small : taking->pools->large);
	struct segment_reader reader;
	uint8_t *frame;

	if (unlikely(made == NULL))
		return NULL;
	frame = rte_pktmbuf_mtod(made, uint8_t *);
	write_run_headers(taking, run, frame, length);
	for (; left > 0; offset += plan->size) {
		unsigned payload = RTE_MIN(left, first->payload);

		reader = segment_read_from(taking->packet, offset);
		segment_read(&reader, frame + at, payload);
		at += payload;
		left -= payload;
	}
	made->data_len = (uint16_t)length;
	made->pkt_len = length;
	made->port = taking->packet->port;
	set_run_meta(taking, run, made);
	return made;
}

static struct rte_mbuf *
take_run(const struct taking *taking, const struct run *run, unsigned index)
{
	struct segment_reader reader;

	if (run->count > 1)
		return merge_run(taking, run);
	reader = segment_read_from(taking->packet, run->first.offset);
	return segment_make(taking->pools, taking->packet, &taking->plan, &reader, index);
}

/* How many parts; 0: no buffer. */
static unsigned
take_all(const struct taking *taking, struct rte_mbuf **parts)
{
	unsigned made = 0, index = 0;
	struct piece piece;
	struct run run;

	read_piece(taking, &piece, 0);
	while (index < taking->plan.count) {
		run = (struct run){ .first = piece };
		do {
			add_to_run(&run, &piece);
			if (index + run.count == taking->plan.count)
				break;
			read_piece(taking, &piece, index + run.count);
		} while (follows(taking, &run, &piece));
		parts[made] = take_run(taking, &run, index);
		if (unlikely(parts[made] == NULL)) {
			rte_pktmbuf_free_bulk(parts, made);
			return 0;
		}
		made++;
		index += run.count;
	}
	return made;
}

unsigned
bundle_take_apart(struct packet_pools *pools, struct rte_mbuf *packet, struct rte_mbuf **parts,
	unsigned limit, bool *no_buffer)
{
	struct taking taking = { .pools = pools, .packet = packet };
	uint8_t copy[SEGMENT_HEADERS_LIMIT];
	unsigned made = 0;

	*no_buffer = false;
	if (packet_meta(packet)->gso == PACKET_GSO_UDP &&
		segment_plan(packet, &taking.plan, copy, limit)) {
		made = take_all(&taking, parts);
		*no_buffer = made == 0;
	}
	rte_pktmbuf_free(packet);
	return made;
}
