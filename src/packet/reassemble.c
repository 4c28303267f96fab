/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/reassemble.h"

#include "base/hash.h"
#include "packet/checksum.h"
#include "packet/ip.h"
#include "packet/layout.h"

#include <stdlib.h>

#define NONE UINT32_MAX
#define FRAGMENT_HEADER 8
#define ECN_NOT 0
#define ECN_CE 3

/* Who sent what to whom: a datagram's name. No padding, so that it can be compared whole. */
struct name {
	uint32_t domain, id;
	uint32_t kind; /* family, and protocol of IPv4 */
	uint32_t reserved;
	uint8_t ends[32];
};

struct fragment {
	struct rte_mbuf *packet;
	uint32_t next;       /* by offset; of the free list */
	uint32_t start, end; /* in the datagram's payload */
	uint32_t skip;       /* bytes of the frame in front of it */
};

struct datagram {
	struct name name;
	uint64_t since;
	uint64_t memory;
	uint32_t next;                       /* in its bucket; of the free list */
	uint32_t older, newer;               /* of all */
	uint32_t domain_older, domain_newer; /* of its domain */
	uint32_t domain;                     /* index */
	uint32_t first, last;                /* fragments */
	uint32_t end;                        /* of the payload; 0: not known yet */
	uint32_t received;                   /* bytes */
	uint16_t count;                      /* fragments */
	uint16_t l3;                         /* of the first fragment */
	uint8_t ecn;                         /* code points seen, a bit each */
	bool spoiled;                        /* an overlap was seen: takes no more */
};

struct domain {
	uint32_t id, next; /* in its bucket; of the free list */
	uint32_t datagrams, oldest, newest;
	uint64_t memory;
};

struct reassembly {
	struct reassembly_limits limits;
	struct hash_key key;
	struct fragment *fragments;
	struct datagram *datagrams;
	struct domain *domains;
	uint32_t *buckets, *domain_buckets;
	uint32_t mask;
	uint32_t free_fragment, free_datagram, free_domain;
	uint32_t oldest, newest, n_datagrams, n_domains;
	uint64_t memory, dropped;
};

/* A fragment, as it is judged. */
struct piece {
	struct name name;
	uint32_t start, end, skip;
	uint16_t l3;
	bool more;
	uint8_t ecn;
};

/* ---- making and freeing ------------------------------------------------------------------- */

void
reassembly_free(struct reassembly *reassembly)
{
	if (reassembly == NULL)
		return;
	for (uint32_t i = reassembly->oldest; i != NONE; i = reassembly->datagrams[i].newer)
		for (uint32_t f = reassembly->datagrams[i].first; f != NONE;
			f = reassembly->fragments[f].next)
			rte_pktmbuf_free(reassembly->fragments[f].packet);
	free(reassembly->fragments);
	free(reassembly->datagrams);
	free(reassembly->domains);
	free(reassembly->buckets);
	free(reassembly->domain_buckets);
	free(reassembly);
}

static void
make_lists(struct reassembly *reassembly, uint32_t fragments)
{
	uint32_t n = reassembly->limits.datagrams;

	for (uint32_t i = 0; i < fragments; i++)
		reassembly->fragments[i].next = i + 1 < fragments ? i + 1 : NONE;
	for (uint32_t i = 0; i < n; i++) {
		reassembly->datagrams[i].next = i + 1 < n ? i + 1 : NONE;
		reassembly->domains[i].next = i + 1 < n ? i + 1 : NONE;
	}
	memset(reassembly->buckets, 0xff, (reassembly->mask + 1ul) * sizeof(uint32_t));
	memset(reassembly->domain_buckets, 0xff, (reassembly->mask + 1ul) * sizeof(uint32_t));
}

struct reassembly *
reassembly_create(const struct reassembly_limits *limits)
{
	/* each is charged a small buffer at least, so that there are never more */
	uint64_t fragments = limits->bytes / PACKET_SMALL_ROOM;
	struct reassembly *reassembly;
	uint32_t n = limits->datagrams;

	if (n == 0 || n > 1u << 24 || fragments == 0 || fragments > 1u << 28)
		return NULL;
	reassembly = calloc(1, sizeof(*reassembly));
	if (reassembly == NULL)
		return NULL;
	reassembly->limits = *limits;
	reassembly->oldest = reassembly->newest = NONE;
	reassembly->mask = rte_align32pow2(n) - 1;
	reassembly->fragments = calloc(fragments, sizeof(*reassembly->fragments));
	reassembly->datagrams = calloc(n, sizeof(*reassembly->datagrams));
	reassembly->domains = calloc(n, sizeof(*reassembly->domains));
	reassembly->buckets = malloc((reassembly->mask + 1ul) * sizeof(uint32_t));
	reassembly->domain_buckets = malloc((reassembly->mask + 1ul) * sizeof(uint32_t));
	if (reassembly->fragments == NULL || reassembly->datagrams == NULL ||
		reassembly->domains == NULL || reassembly->buckets == NULL ||
		reassembly->domain_buckets == NULL) {
		reassembly_free(reassembly);
		return NULL;
	}
	make_lists(reassembly, (uint32_t)fragments);
	hash_key_random(&reassembly->key);
	return reassembly;
}

/* ---- domains ------------------------------------------------------------------------------ */

static uint32_t *
domain_bucket(struct reassembly *reassembly, uint32_t id)
{
	return &reassembly->domain_buckets[hash_words(&reassembly->key, id, 1) & reassembly->mask];
}

static uint32_t
find_domain(struct reassembly *reassembly, uint32_t id)
{
	uint32_t i = *domain_bucket(reassembly, id);

	while (i != NONE && reassembly->domains[i].id != id)
		i = reassembly->domains[i].next;
	return i;
}

/* There are as many as datagrams, and each holds one: there is always one free. */
static uint32_t
need_domain(struct reassembly *reassembly, uint32_t id)
{
	uint32_t i = find_domain(reassembly, id), *bucket = domain_bucket(reassembly, id);

	if (i != NONE)
		return i;
	i = reassembly->free_domain;
	reassembly->free_domain = reassembly->domains[i].next;
	reassembly->domains[i] =
		(struct domain){ .id = id, .next = *bucket, .oldest = NONE, .newest = NONE };
	*bucket = i;
	reassembly->n_domains++;
	return i;
}

static void
free_domain(struct reassembly *reassembly, uint32_t i)
{
	uint32_t *at = domain_bucket(reassembly, reassembly->domains[i].id);

	while (*at != i)
		at = &reassembly->domains[*at].next;
	*at = reassembly->domains[i].next;
	reassembly->domains[i].next = reassembly->free_domain;
	reassembly->free_domain = i;
	reassembly->n_domains--;
}

/* ---- datagrams ---------------------------------------------------------------------------- */

static uint32_t *
bucket_of(struct reassembly *reassembly, const struct name *name)
{
	uint64_t words[sizeof(*name) / sizeof(uint64_t)], hash;

	memcpy(words, name, sizeof(words));
	hash = hash_words(&reassembly->key, words[0], words[1]);
	hash = hash_words(&reassembly->key, hash ^ words[2], words[3]);
	hash = hash_words(&reassembly->key, hash ^ words[4], words[5]);
	return &reassembly->buckets[hash & reassembly->mask];
}

static uint32_t
find_datagram(struct reassembly *reassembly, const struct name *name)
{
	uint32_t i = *bucket_of(reassembly, name);

	while (i != NONE && memcmp(&reassembly->datagrams[i].name, name, sizeof(*name)) != 0)
		i = reassembly->datagrams[i].next;
	return i;
}

static uint32_t
new_datagram(struct reassembly *reassembly, const struct name *name, uint64_t now)
{
	uint32_t i = reassembly->free_datagram, *bucket = bucket_of(reassembly, name);
	uint32_t owner = need_domain(reassembly, name->domain);
	struct domain *domain = &reassembly->domains[owner];
	struct datagram *datagram = &reassembly->datagrams[i];

	reassembly->free_datagram = datagram->next;
	*datagram = (struct datagram){
		.name = *name,
		.since = now,
		.next = *bucket,
		.older = reassembly->newest,
		.newer = NONE,
		.domain_older = domain->newest,
		.domain_newer = NONE,
		.domain = owner,
		.first = NONE,
		.last = NONE,
	};
	*bucket = i;
	if (reassembly->newest != NONE)
		reassembly->datagrams[reassembly->newest].newer = i;
	else
		reassembly->oldest = i;
	reassembly->newest = i;
	if (domain->newest != NONE)
		reassembly->datagrams[domain->newest].domain_newer = i;
	else
		domain->oldest = i;
	domain->newest = i;
	domain->datagrams++;
	reassembly->n_datagrams++;
	return i;
}

/* Takes a datagram's fragments out of it; those that are not handed on are freed. */
static void
empty_datagram(struct reassembly *reassembly, struct datagram *datagram, bool free_packets)
{
	uint32_t next;

	for (uint32_t f = datagram->first; f != NONE; f = next) {
		struct fragment *fragment = &reassembly->fragments[f];

		next = fragment->next;
		if (free_packets) {
			rte_pktmbuf_free(fragment->packet);
			reassembly->dropped++;
		}
		fragment->packet = NULL;
		fragment->next = reassembly->free_fragment;
		reassembly->free_fragment = f;
	}
	datagram->first = datagram->last = NONE;
	datagram->count = 0;
	reassembly->memory -= datagram->memory;
	reassembly->domains[datagram->domain].memory -= datagram->memory;
	datagram->memory = 0;
}

static void
unlink_by_age(struct reassembly *reassembly, const struct datagram *datagram)
{
	struct datagram *all = reassembly->datagrams;
	struct domain *domain = &reassembly->domains[datagram->domain];

	if (datagram->older != NONE)
		all[datagram->older].newer = datagram->newer;
	else
		reassembly->oldest = datagram->newer;
	if (datagram->newer != NONE)
		all[datagram->newer].older = datagram->older;
	else
		reassembly->newest = datagram->older;
	if (datagram->domain_older != NONE)
		all[datagram->domain_older].domain_newer = datagram->domain_newer;
	else
		domain->oldest = datagram->domain_newer;
	if (datagram->domain_newer != NONE)
		all[datagram->domain_newer].domain_older = datagram->domain_older;
	else
		domain->newest = datagram->domain_older;
}

static void
free_datagram(struct reassembly *reassembly, uint32_t i, bool free_packets)
{
	struct datagram *datagram = &reassembly->datagrams[i];
	uint32_t *at = bucket_of(reassembly, &datagram->name);

	empty_datagram(reassembly, datagram, free_packets);
	while (*at != i)
		at = &reassembly->datagrams[*at].next;
	*at = datagram->next;
	unlink_by_age(reassembly, datagram);
	if (--reassembly->domains[datagram->domain].datagrams == 0)
		free_domain(reassembly, datagram->domain);
	datagram->next = reassembly->free_datagram;
	reassembly->free_datagram = i;
	reassembly->n_datagrams--;
}

/* ---- limits ------------------------------------------------------------------------------- */

/* What a packet keeps others from: its buffers. */
static uint64_t
memory_of(const struct rte_mbuf *packet)
{
	uint64_t memory = 0;

	for (; packet != NULL; packet = packet->next)
		memory += RTE_MAX(packet->buf_len, PACKET_SMALL_ROOM);
	return memory;
}

/* The oldest but `except`, which is being added to; NONE: there is no other. */
static uint32_t
victim_of_domain(const struct reassembly *reassembly, uint32_t domain, uint32_t except)
{
	uint32_t i = domain != NONE ? reassembly->domains[domain].oldest : NONE;

	return i != NONE && i == except ? reassembly->datagrams[i].domain_newer : i;
}

static uint32_t
victim_of_all(const struct reassembly *reassembly, uint32_t except)
{
	uint32_t i = reassembly->oldest;

	return i != NONE && i == except ? reassembly->datagrams[i].newer : i;
}

/*
 * Room for `memory` more and, when there is no datagram yet (`except` is NONE), for one.
 * False: there is none.
 */
static bool
make_room(struct reassembly *reassembly, uint32_t id, uint64_t memory, uint32_t except)
{
	const struct reassembly_limits *limits = &reassembly->limits;
	uint32_t more = except == NONE;

	if (memory > limits->bytes || memory > limits->domain_bytes ||
		limits->domain_datagrams == 0)
		return false;
	for (;;) {
		/* its last datagram may have gone, and the domain with it */
		uint32_t domain = find_domain(reassembly, id), victim;
		bool own = domain != NONE &&
			   (reassembly->domains[domain].memory + memory > limits->domain_bytes ||
				   reassembly->domains[domain].datagrams + more >
					   limits->domain_datagrams);

		if (!own && reassembly->memory + memory <= limits->bytes &&
			reassembly->n_datagrams + more <= limits->datagrams)
			return true;
		victim = victim_of_domain(reassembly, domain, except);
		if (victim == NONE && !own)
			victim = victim_of_all(reassembly, except);
		if (victim == NONE)
			return false;
		free_datagram(reassembly, victim, true);
	}
}

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
 * Where it belongs: *before is the one that it follows, NONE: it is the first. What comes in
 * order is put behind the last one without a search.
 */
static enum reassembly_result
find_place(const struct reassembly *reassembly, const struct datagram *datagram,
	const struct piece *piece, uint32_t *before)
{
	const struct fragment *all = reassembly->fragments;
	uint32_t after;

	*before = NONE;
	if (datagram->last != NONE && piece->start >= all[datagram->last].end)
		*before = datagram->last;
	after = *before != NONE ? NONE : datagram->first;
	while (after != NONE && all[after].start < piece->start) {
		*before = after;
		after = all[after].next;
	}
	if (after != NONE && all[after].start == piece->start && all[after].end == piece->end &&
		piece->more == (piece->end != datagram->end))
		return REASSEMBLY_DUPLICATE;
	if ((*before != NONE && all[*before].end > piece->start) ||
		(after != NONE && all[after].start < piece->end))
		return REASSEMBLY_OVERLAP;
	/* a second end, or something behind the end */
	if (!piece->more && (datagram->end != 0 || after != NONE))
		return REASSEMBLY_OVERLAP;
	if (datagram->end != 0 && piece->end > datagram->end)
		return REASSEMBLY_OVERLAP;
	return REASSEMBLY_WAITING;
}

static void
put_fragment(struct reassembly *reassembly, struct datagram *datagram, const struct piece *piece,
	struct rte_mbuf *packet, uint32_t before, uint64_t memory)
{
	uint32_t f = reassembly->free_fragment;
	struct fragment *fragment = &reassembly->fragments[f];
	uint32_t *from = before != NONE ? &reassembly->fragments[before].next : &datagram->first;

	reassembly->free_fragment = fragment->next;
	*fragment = (struct fragment){
		.packet = packet,
		.next = *from,
		.start = piece->start,
		.end = piece->end,
		.skip = piece->skip,
	};
	*from = f;
	if (fragment->next == NONE)
		datagram->last = f;
	if (piece->start == 0)
		datagram->l3 = piece->l3;
	if (!piece->more)
		datagram->end = piece->end;
	datagram->received += piece->end - piece->start;
	datagram->ecn |= (uint8_t)(1 << piece->ecn);
	datagram->count++;
	datagram->memory += memory;
	reassembly->memory += memory;
	reassembly->domains[datagram->domain].memory += memory;
}

/* ---- the whole datagram ------------------------------------------------------------------- */

static struct rte_mbuf *
join(struct reassembly *reassembly, const struct datagram *datagram)
{
	const struct fragment *first = &reassembly->fragments[datagram->first];
	struct rte_mbuf *head = first->packet, *last = rte_pktmbuf_lastseg(head);

	for (uint32_t f = first->next; f != NONE; f = reassembly->fragments[f].next) {
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

	ip->fragment_offset = 0;
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
		free_datagram(reassembly, i, true);
		*packet = NULL;
		return REASSEMBLY_TOO_LONG;
	}
	*packet = join(reassembly, datagram);
	free_datagram(reassembly, i, false);
	return finish(pools, packet, l3, skip, length, congested);
}

/* ---- adding ------------------------------------------------------------------------------- */

/* Drops what there is of a datagram and remembers that nothing more is to be taken. */
static enum reassembly_result
spoil(struct reassembly *reassembly, struct datagram *datagram, enum reassembly_result why)
{
	empty_datagram(reassembly, datagram, true);
	datagram->spoiled = true;
	return why;
}

static enum reassembly_result
add_piece(struct reassembly *reassembly, const struct piece *piece, struct rte_mbuf *packet,
	uint64_t now, uint32_t *index)
{
	uint32_t i = find_datagram(reassembly, &piece->name), before;
	uint64_t memory = memory_of(packet);
	enum reassembly_result result;
	struct datagram *datagram;
	uint8_t ecn;

	if (i == NONE) {
		if (!make_room(reassembly, piece->name.domain, memory, NONE))
			return REASSEMBLY_LIMIT;
		i = new_datagram(reassembly, &piece->name, now);
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
	if (!make_room(reassembly, piece->name.domain, memory, i))
		return spoil(reassembly, datagram, REASSEMBLY_LIMIT);
	put_fragment(reassembly, datagram, piece, packet, before, memory);
	*index = i;
	return datagram->end != 0 && datagram->received == datagram->end ? REASSEMBLY_WHOLE
									 : REASSEMBLY_WAITING;
}

enum reassembly_result
reassembly_add(struct reassembly *reassembly, struct packet_pools *pools, uint32_t domain,
	struct rte_mbuf **packet, uint16_t l3, uint64_t now)
{
	struct piece piece = { .l3 = l3, .name.domain = domain };
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
		if (datagram->first != NONE)
			expired->first = take_first(reassembly, datagram);
		free_datagram(reassembly, i, true);
		reassembly->dropped -= expired->fragments;
		if (expired->fragments > 0)
			return true;
	}
	return false;
}

uint64_t
reassembly_deadline(const struct reassembly *reassembly)
{
	if (reassembly->oldest == NONE)
		return UINT64_MAX;
	return reassembly->datagrams[reassembly->oldest].since + reassembly->limits.timeout;
}

void
reassembly_forget(struct reassembly *reassembly, uint32_t id)
{
	uint32_t domain;

	while ((domain = find_domain(reassembly, id)) != NONE)
		free_datagram(reassembly, reassembly->domains[domain].oldest, true);
}

void
reassembly_state(const struct reassembly *reassembly, struct reassembly_state *state)
{
	*state = (struct reassembly_state){
		.datagrams = reassembly->n_datagrams,
		.domains = reassembly->n_domains,
		.bytes = reassembly->memory,
		.dropped = reassembly->dropped,
	};
}
