/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/fragment.h"

#include "packet/checksum.h"
#include "packet/edit.h"
#include "packet/ip.h"
#include "packet/layout.h"
#include "packet/offload.h"

#include <netinet/in.h>

#define PREFIX_LIMIT (RTE_ETHER_HDR_LEN + PARSE_TAGS_LIMIT * RTE_VLAN_HLEN)
#define OPTION_END 0
#define OPTION_NONE 1
#define OPTION_COPIED 0x80

#define IP6_FRAGMENT_LENGTH 8 /* RFC 8200, 4.5: the fragment header */

/* The headers of the first fragment and those of all others, which lack some options. */
struct cut {
	uint8_t family;
	uint8_t first[IP4_HEADER_LIMIT], later[IP4_HEADER_LIMIT];
	unsigned first_length, later_length;
	unsigned header; /* length of the packet's own */
	unsigned l3, payload, mtu;
	unsigned flags, offset; /* IPv4: of the packet; offset in bytes */
};

/*
 * RFC 791, 3.1: options whose copied bit is set go into every fragment. What is malformed ends
 * the list. Returns the length of the header, whole words.
 */
static unsigned
copy_options(uint8_t *to, const uint8_t *from, unsigned length)
{
	unsigned at = IP4_HEADER_LENGTH, end = IP4_HEADER_LENGTH;

	memcpy(to, from, IP4_HEADER_LENGTH);
	while (at < length && from[at] != OPTION_END) {
		unsigned size;

		if (from[at] == OPTION_NONE) {
			at++;
			continue;
		}
		if (at + 2 > length || from[at + 1] < 2 || at + from[at + 1] > length)
			break;
		size = from[at + 1];
		if (from[at] & OPTION_COPIED) {
			memcpy(to + end, from + at, size);
			end += size;
		}
		at += size;
	}
	while (end % 4 != 0)
		to[end++] = OPTION_END;
	to[0] = (uint8_t)(0x40 | end / 4);
	return end;
}

static bool
plan_cut4(const struct rte_mbuf *packet, unsigned l3, unsigned mtu, struct cut *cut)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)cut->first;
	uint16_t field;

	if (l3 > PREFIX_LIMIT || mtu < FRAGMENT_LEAST_MTU)
		return false;
	packet_copy_range(cut->first, packet, l3, IP4_HEADER_LENGTH);
	cut->first_length = (ip->version_ihl & 0x0f) * 4;
	packet_copy_range(cut->first, packet, l3, cut->first_length);
	cut->later_length = copy_options(cut->later, cut->first, cut->first_length);
	field = rte_be_to_cpu_16(ip->fragment_offset);
	cut->flags = field & ~RTE_IPV4_HDR_OFFSET_MASK;
	cut->offset = (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u;
	cut->payload = rte_be_to_cpu_16(ip->total_length) - cut->first_length;
	cut->header = cut->first_length;
	cut->family = 4;
	cut->l3 = l3;
	cut->mtu = mtu;
	return cut->offset + cut->payload <= UINT16_MAX;
}

/* All behind the IPv6 header is the fragmentable part (RFC 8200, 4.5). */
static bool
plan_cut6(const struct rte_mbuf *packet, unsigned l3, unsigned mtu, uint32_t id, struct cut *cut)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)cut->first;
	uint8_t *extension = cut->first + IP6_HEADER_LENGTH;

	if (l3 > PREFIX_LIMIT || mtu < IP6_LEAST_MTU)
		return false;
	packet_copy_range(cut->first, packet, l3, IP6_HEADER_LENGTH);
	cut->payload = rte_be_to_cpu_16(ip->payload_len);
	memset(extension, 0, IP6_FRAGMENT_LENGTH);
	extension[0] = ip->proto;
	id = rte_cpu_to_be_32(id);
	memcpy(extension + 4, &id, sizeof(id));
	ip->proto = IPPROTO_FRAGMENT;
	cut->first_length = cut->later_length = IP6_HEADER_LENGTH + IP6_FRAGMENT_LENGTH;
	memcpy(cut->later, cut->first, cut->first_length);
	cut->header = IP6_HEADER_LENGTH;
	cut->family = 6;
	cut->l3 = l3;
	cut->mtu = mtu;
	cut->flags = cut->offset = 0;
	return true;
}

/* How much of the payload goes with a header of `header` bytes when `left` are left. */
static unsigned
portion(const struct cut *cut, unsigned header, unsigned left)
{
	return header + left <= cut->mtu ? left : (cut->mtu - header) & ~7u;
}

static unsigned
count_fragments(const struct cut *cut)
{
	unsigned done = portion(cut, cut->first_length, cut->payload), count = 1;

	for (; done < cut->payload; count++)
		done += portion(cut, cut->later_length, cut->payload - done);
	return count;
}

static void
put_header6(const struct cut *cut, uint8_t *to, unsigned done, unsigned length)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)to;
	unsigned field = done | (done + length < cut->payload);

	memcpy(to, cut->first, cut->first_length);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(IP6_FRAGMENT_LENGTH + length));
	to[IP6_HEADER_LENGTH + 2] = (uint8_t)(field >> 8);
	to[IP6_HEADER_LENGTH + 3] = (uint8_t)field;
}

static void
put_header4(const struct cut *cut, uint8_t *to, unsigned done, unsigned length)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)to;
	unsigned header = done == 0 ? cut->first_length : cut->later_length;
	unsigned field = cut->flags | (cut->offset + done) / 8;

	memcpy(to, done == 0 ? cut->first : cut->later, header);
	if (done + length < cut->payload)
		field |= RTE_IPV4_HDR_MF_FLAG;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(header + length));
	ip->fragment_offset = rte_cpu_to_be_16((uint16_t)field);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = ~checksum_fold(checksum_sum(to, header));
}

/* The fragment that begins behind `done` bytes of the payload; *length: how many it takes. */
static struct rte_mbuf *
make_fragment(struct packet_pools *pools, struct rte_mbuf *packet, const struct cut *cut,
	unsigned done, unsigned *length)
{
	unsigned header = done == 0 ? cut->first_length : cut->later_length, total;
	struct rte_mbuf *fragment;
	struct packet_meta *meta;
	uint8_t *frame;

	*length = portion(cut, header, cut->payload - done);
	total = cut->l3 + header + *length;
	if (total > PACKET_LARGE_ROOM)
		return NULL;
	fragment = rte_pktmbuf_alloc(total <= PACKET_SMALL_ROOM ? pools->small : pools->large);
	if (unlikely(fragment == NULL))
		return NULL;
	fragment->data_len = (uint16_t)total;
	fragment->pkt_len = total;
	fragment->port = packet->port;
	frame = rte_pktmbuf_mtod(fragment, uint8_t *);
	packet_copy_bytes(frame, packet, cut->l3);
	if (cut->family == 4)
		put_header4(cut, frame + cut->l3, done, *length);
	else
		put_header6(cut, frame + cut->l3, done, *length);
	packet_copy_range(frame + cut->l3 + header, packet, cut->l3 + cut->header + done, *length);
	meta = packet_meta(fragment);
	*meta = *packet_meta(packet);
	meta->offload = 0;   /* nobody vouches for a part */
	meta->flow_hash = 0; /* fragments are hashed without ports */
	packet_parse(fragment);
	return fragment;
}

/* All of the fragments, or none. */
static unsigned
make_fragments(struct packet_pools *pools, struct rte_mbuf *packet, const struct cut *cut,
	struct rte_mbuf **fragments)
{
	unsigned made = 0, length;

	for (unsigned done = 0; done < cut->payload; done += length, made++) {
		fragments[made] = make_fragment(pools, packet, cut, done, &length);
		if (likely(fragments[made] != NULL))
			continue;
		rte_pktmbuf_free_bulk(fragments, made);
		return 0;
	}
	return made;
}

/* Of one that is longer than the MTU; id: of IPv6. */
static unsigned
cut_up(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t l3, unsigned mtu,
	const uint32_t *id, struct rte_mbuf **fragments, unsigned limit, bool *no_buffer)
{
	unsigned made = 0;
	struct cut cut;

	ip_trim(packet, l3);
	packet = offload_finish_checksum(pools, packet);
	if (unlikely(packet == NULL)) {
		*no_buffer = true;
		return 0;
	}
	if (packet_meta(packet)->log != NULL) /* fragments are always walked */
		packet_meta(packet)->log->what |= EDIT_OVERFLOW;
	if (packet_meta(packet)->gso == PACKET_GSO_NONE &&
		(id == NULL ? plan_cut4(packet, l3, mtu, &cut)
			    : plan_cut6(packet, l3, mtu, *id, &cut)) &&
		count_fragments(&cut) <= limit) {
		made = make_fragments(pools, packet, &cut, fragments);
		*no_buffer = made == 0;
	}
	rte_pktmbuf_free(packet);
	return made;
}

unsigned
fragment_ip4(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t l3, unsigned mtu,
	struct rte_mbuf **fragments, unsigned limit, bool *no_buffer)
{
	*no_buffer = false;
	if (ip_length(packet, l3) > mtu || limit == 0)
		return cut_up(pools, packet, l3, mtu, NULL, fragments, limit, no_buffer);
	fragments[0] = packet;
	return 1;
}

unsigned
fragment_ip6(struct packet_pools *pools, struct rte_mbuf *packet, uint16_t l3, unsigned mtu,
	uint32_t id, struct rte_mbuf **fragments, unsigned limit, bool *no_buffer)
{
	*no_buffer = false;
	if (ip_length(packet, l3) > mtu || limit == 0)
		return cut_up(pools, packet, l3, mtu, &id, fragments, limit, no_buffer);
	fragments[0] = packet;
	return 1;
}
