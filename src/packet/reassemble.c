/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/reassemble.h"

#include "packet/checksum.h"
#include "packet/ip.h"
#include "packet/layout.h"
#include "packet/reassemble_store.h"

#define FRAGMENT_HEADER 8
#define ECN_NOT 0
#define ECN_CE 3

/* A fragment, as it is judged. */
struct piece {
	struct name name;
	uint32_t start, end, skip;
	uint16_t l3;
	bool more;
	uint8_t ecn;
};

/* ---- fragments ---------------------------------------------------------------------------- */

/* Fills what both families have, and judges it. */
static enum reassembly_result
judge(struct piece *piece, uint32_t offset, unsigned skip, unsigned end)
{
	if (end <= skip || (piece->more && (end - skip) % 8 != 0))
		return REASSEMBLY_BAD_LENGTH;
	piece->skip = skip;
	piece->start = offset;
	piece->end = offset + end - skip;
	return skip + piece->end > UINT16_MAX ? REASSEMBLY_TOO_LONG : REASSEMBLY_WAITING;
}

/* RFC 791, 3.2; RFC 1858 and RFC 3128 for what a first fragment must have. */
static enum reassembly_result
read_ip4(const struct rte_mbuf *packet, struct piece *piece)
{
	struct rte_ipv4_hdr ip;
	unsigned end = piece->l3 + ip_length(packet, piece->l3), skip;
	enum reassembly_result result;
	uint16_t field;

	packet_copy_range(&ip, packet, piece->l3, sizeof(ip));
	field = rte_be_to_cpu_16(ip.fragment_offset);
	if ((field & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		return REASSEMBLY_WHOLE;
	skip = piece->l3 + (ip.version_ihl & 0x0f) * 4u;
	piece->more = field & RTE_IPV4_HDR_MF_FLAG;
	piece->ecn = ip.type_of_service & 3;
	piece->name.kind = 4u << 8 | ip.next_proto_id;
	piece->name.id = ip.packet_id;
	memcpy(piece->name.ends, &ip.src_addr, 8);
	result = judge(piece, (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u, skip, end);
	if (result == REASSEMBLY_WAITING && piece->start == 0 &&
		skip + layout_transport_least(ip.next_proto_id) > end)
		return REASSEMBLY_TINY;
	return result;
}

/* RFC 8200, 4.5; RFC 7112 for what a first fragment must have. */
static enum reassembly_result
read_ip6(const struct rte_mbuf *packet, struct piece *piece)
{
	unsigned end = piece->l3 + ip_length(packet, piece->l3);
	enum reassembly_result result;
	struct ip6_upper upper;
	struct rte_ipv6_hdr ip;
	enum ip6_walk found = ip6_find_upper(packet, piece->l3, &upper);

	if (!upper.fragment)
		return REASSEMBLY_WHOLE;
	packet_copy_range(&ip, packet, piece->l3, sizeof(ip));
	piece->more = upper.more;
	piece->ecn = rte_be_to_cpu_32(ip.vtc_flow) >> 20 & 3;
	piece->name.kind = 6u << 8;
	piece->name.id = upper.id;
	memcpy(piece->name.ends, ip.src_addr, 32);
	result = judge(piece, upper.fragment_offset, upper.fragment_header + FRAGMENT_HEADER, end);
	if (result != REASSEMBLY_WAITING || piece->start != 0)
		return result;
	if (found == IP6_CUT_OFF || found == IP6_TOO_MANY ||
		(found == IP6_UPPER && upper.offset + layout_transport_least(upper.protocol) > end))
		return REASSEMBLY_TINY;
	return REASSEMBLY_WAITING;
}

/*
 * Where it belongs: *before is the one that it follows, STORE_NONE: it is the first. What comes in
 * order is put behind the last one without a search.
 */
static enum reassembly_result
find_place(const struct reassembly *reassembly, const struct datagram *datagram,
	const struct piece *piece, uint32_t *before)
{
	const struct fragment *all = reassembly->fragments;
	uint32_t after;

	*before = STORE_NONE;
	if (datagram->last != STORE_NONE && piece->start >= all[datagram->last].end)
		*before = datagram->last;
	after = *before != STORE_NONE ? STORE_NONE : datagram->first;
	while (after != STORE_NONE && all[after].start < piece->start) {
		*before = after;
		after = all[after].next;
	}
	if (after != STORE_NONE && all[after].start == piece->start &&
		all[after].end == piece->end && piece->more == (piece->end != datagram->end))
		return REASSEMBLY_DUPLICATE;
	if ((*before != STORE_NONE && all[*before].end > piece->start) ||
		(after != STORE_NONE && all[after].start < piece->end))
		return REASSEMBLY_OVERLAP;
	/* a second end, or something behind the end */
	if (!piece->more && (datagram->end != 0 || after != STORE_NONE))
		return REASSEMBLY_OVERLAP;
	if (datagram->end != 0 && piece->end > datagram->end)
		return REASSEMBLY_OVERLAP;
	return REASSEMBLY_WAITING;
}

static void
put_fragment(struct reassembly *reassembly, struct datagram *datagram, const struct piece *piece,
	struct rte_mbuf *packet, uint32_t before)
{
	const struct fragment fragment = {
		.packet = packet,
		.start = piece->start,
		.end = piece->end,
		.skip = piece->skip,
	};

	store_put(reassembly, datagram, &fragment, before);
	if (piece->start == 0)
		datagram->l3 = piece->l3;
	if (!piece->more)
		datagram->end = piece->end;
	datagram->ecn |= (uint8_t)(1 << piece->ecn);
}

/* ---- the whole datagram ------------------------------------------------------------------- */

static struct rte_mbuf *
join(struct reassembly *reassembly, const struct datagram *datagram)
{
	const struct fragment *first = &reassembly->fragments[datagram->first];
	struct rte_mbuf *head = first->packet, *last = rte_pktmbuf_lastseg(head);

	for (uint32_t f = first->next; f != STORE_NONE; f = reassembly->fragments[f].next) {
		const struct fragment *fragment = &reassembly->fragments[f];

		last->next = packet_trim_front(fragment->packet, fragment->skip);
		last = rte_pktmbuf_lastseg(last);
	}
	head->pkt_len = first->skip + datagram->end;
	head->nb_segs = 0;
	for (last = head; last != NULL; last = last->next)
		head->nb_segs++;
	return head;
}

/* The header of a whole datagram of `length` bytes of payload behind `skip` bytes. */
static void
write_ip4(struct rte_mbuf *packet, unsigned l3, unsigned skip, unsigned length, bool congested)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(packet, struct rte_ipv4_hdr *, l3);

	/* who cuts it again may have to tell its sender that it did not fit */
	ip->fragment_offset &= RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(skip - l3 + length));
	if (congested)
		ip->type_of_service |= ECN_CE;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = ~checksum_fold(checksum_sum(ip, skip - l3));
}

/* Takes the fragment header, which is the last in front of the payload, away. */
static void
write_ip6(struct rte_mbuf *packet, unsigned l3, unsigned skip, unsigned length, bool congested)
{
	uint8_t *frame = rte_pktmbuf_mtod(packet, uint8_t *);
	unsigned gone = skip - FRAGMENT_HEADER;
	struct rte_ipv6_hdr *ip;
	struct ip6_upper upper;

	ip6_find_upper(packet, (uint16_t)l3, &upper);
	frame[upper.fragment_field] = frame[gone];
	memmove(frame + FRAGMENT_HEADER, frame, gone);
	rte_pktmbuf_adj(packet, FRAGMENT_HEADER);
	ip = rte_pktmbuf_mtod_offset(packet, struct rte_ipv6_hdr *, l3);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(gone - l3 - IP6_HEADER_LENGTH + length));
	if (congested)
		ip->vtc_flow |= RTE_BE32(ECN_CE << 20);
}

static enum reassembly_result
finish(struct packet_pools *pools, struct rte_mbuf **packet, unsigned l3, unsigned skip,
	unsigned length, bool congested)
{
	struct packet_meta *meta;
	uint8_t version;

	*packet = packet_writable(pools, *packet, skip, 0);
	if (unlikely(*packet == NULL))
		return REASSEMBLY_NO_BUFFER;
	version = *rte_pktmbuf_mtod_offset(*packet, const uint8_t *, l3) >> 4;
	if (version == 4)
		write_ip4(*packet, l3, skip, length, congested);
	else
		write_ip6(*packet, l3, skip, length, congested);
	meta = packet_meta(*packet);
	meta->offload = 0; /* what one fragment's sender said does not hold for all */
	meta->gso = PACKET_GSO_NONE;
	meta->flow_hash = 0;
	packet_parse(*packet);
	return REASSEMBLY_WHOLE;
}

static enum reassembly_result
complete(struct reassembly *reassembly, struct packet_pools *pools, uint32_t i,
	struct rte_mbuf **packet)
{
	struct datagram *datagram = &reassembly->datagrams[i];
	unsigned skip = reassembly->fragments[datagram->first].skip, length = datagram->end;
	bool congested = datagram->ecn & 1 << ECN_CE;
	uint16_t l3 = datagram->l3;

	/* the first one's headers may be longer than those that were reckoned with */
	if (skip + length > UINT16_MAX) {
		store_free(reassembly, i, true);
		*packet = NULL;
		return REASSEMBLY_TOO_LONG;
	}
	*packet = join(reassembly, datagram);
	store_free(reassembly, i, false);
	return finish(pools, packet, l3, skip, length, congested);
}

/* ---- adding ------------------------------------------------------------------------------- */

/* Drops what there is of a datagram and remembers that nothing more is to be taken. */
static enum reassembly_result
spoil(struct reassembly *reassembly, struct datagram *datagram, enum reassembly_result why)
{
	store_empty(reassembly, datagram, true);
	datagram->spoiled = true;
	return why;
}

static enum reassembly_result
add_piece(struct reassembly *reassembly, const struct piece *piece, struct rte_mbuf *packet,
	uint64_t now, uint32_t *index)
{
	uint32_t i = store_find(reassembly, &piece->name), before;
	uint64_t memory = store_memory_of(packet);
	enum reassembly_result result;
	struct datagram *datagram;
	uint8_t ecn;

	if (i == STORE_NONE) {
		if (!store_make_room(reassembly, piece->name.domain, memory, STORE_NONE))
			return REASSEMBLY_LIMIT;
		i = store_new(reassembly, &piece->name, now);
	}
	datagram = &reassembly->datagrams[i];
	if (datagram->spoiled)
		return REASSEMBLY_OVERLAP;
	result = find_place(reassembly, datagram, piece, &before);
	if (result == REASSEMBLY_OVERLAP)
		return spoil(reassembly, datagram, result);
	if (result != REASSEMBLY_WAITING)
		return result;
	ecn = datagram->ecn | (uint8_t)(1 << piece->ecn);
	if ((ecn & 1 << ECN_NOT) && (ecn & 1 << ECN_CE))
		return spoil(reassembly, datagram, REASSEMBLY_BAD_ECN);
	if (datagram->count == REASSEMBLY_FRAGMENTS)
		return spoil(reassembly, datagram, REASSEMBLY_LIMIT);
	if (!store_make_room(reassembly, piece->name.domain, memory, i))
		return spoil(reassembly, datagram, REASSEMBLY_LIMIT);
	put_fragment(reassembly, datagram, piece, packet, before);
	*index = i;
	return datagram->end != 0 && datagram->received == datagram->end ? REASSEMBLY_WHOLE
									 : REASSEMBLY_WAITING;
}

enum reassembly_result
reassembly_add(struct reassembly *reassembly, struct packet_pools *pools, uint32_t domain,
	struct rte_mbuf **packet, uint16_t l3, uint64_t now)
{
	return reassembly_add_copy(reassembly, pools, domain, 0, packet, l3, now);
}

enum reassembly_result
reassembly_add_copy(struct reassembly *reassembly, struct packet_pools *pools, uint32_t domain,
	uint32_t copy, struct rte_mbuf **packet, uint16_t l3, uint64_t now)
{
	struct piece piece = { .l3 = l3, .name = { .domain = domain, .path = copy } };
	enum reassembly_result result;
	uint8_t byte;
	uint32_t i;
	bool four;

	packet_copy_range(&byte, *packet, l3, 1);
	four = byte >> 4 == 4;
	result = four ? read_ip4(*packet, &piece) : read_ip6(*packet, &piece);
	if (result != REASSEMBLY_WAITING)
		return result;
	ip_trim(*packet, l3);
	/* RFC 6946: an atomic one, which IPv4 has none of */
	if (piece.start == 0 && !piece.more)
		return finish(pools, packet, l3, piece.skip, piece.end, false);
	result = add_piece(reassembly, &piece, *packet, now, &i);
	if (result != REASSEMBLY_WHOLE)
		return result;
	return complete(reassembly, pools, i, packet);
}

/* ---- time --------------------------------------------------------------------------------- */

/* The first fragment, to be kept when the rest of its datagram goes. */
static struct rte_mbuf *
take_first(struct reassembly *reassembly, struct datagram *datagram)
{
	struct fragment *first = &reassembly->fragments[datagram->first];
	struct rte_mbuf *packet = first->packet;

	if (first->start != 0)
		return NULL;
	first->packet = NULL; /* freeing nothing is allowed */
	return packet;
}

bool
reassembly_expire(struct reassembly *reassembly, uint64_t now, struct reassembly_expired *expired)
{
	while (reassembly_deadline(reassembly) <= now) {
		uint32_t i = reassembly->oldest;
		struct datagram *datagram = &reassembly->datagrams[i];

		*expired = (struct reassembly_expired){
			.domain = datagram->name.domain,
			.l3 = datagram->l3,
			.fragments = datagram->count,
		};
		if (datagram->first != STORE_NONE)
			expired->first = take_first(reassembly, datagram);
		store_free(reassembly, i, true);
		reassembly->dropped -= expired->fragments;
		if (expired->fragments > 0)
			return true;
	}
	return false;
}
