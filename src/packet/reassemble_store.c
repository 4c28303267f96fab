/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/reassemble_store.h"

#include <stdlib.h>
#include <string.h>

/* ---- making and freeing ------------------------------------------------------------------- */

void
reassembly_free(struct reassembly *reassembly)
{
	if (reassembly == NULL)
		return;
	for (uint32_t i = reassembly->oldest; i != STORE_NONE; i = reassembly->datagrams[i].newer)
		for (uint32_t f = reassembly->datagrams[i].first; f != STORE_NONE;
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
		reassembly->fragments[i].next = i + 1 < fragments ? i + 1 : STORE_NONE;
	for (uint32_t i = 0; i < n; i++) {
		reassembly->datagrams[i].next = i + 1 < n ? i + 1 : STORE_NONE;
		reassembly->domains[i].next = i + 1 < n ? i + 1 : STORE_NONE;
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
	reassembly->oldest = reassembly->newest = STORE_NONE;
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

	while (i != STORE_NONE && reassembly->domains[i].id != id)
		i = reassembly->domains[i].next;
	return i;
}

/* There are as many as datagrams, and each holds one: there is always one free. */
static uint32_t
need_domain(struct reassembly *reassembly, uint32_t id)
{
	uint32_t i = find_domain(reassembly, id), *bucket = domain_bucket(reassembly, id);

	if (i != STORE_NONE)
		return i;
	i = reassembly->free_domain;
	reassembly->free_domain = reassembly->domains[i].next;
	reassembly->domains[i] = (struct domain){
		.id = id, .next = *bucket, .oldest = STORE_NONE, .newest = STORE_NONE
	};
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

uint32_t
store_find(struct reassembly *reassembly, const struct name *name)
{
	uint32_t i = *bucket_of(reassembly, name);

	while (i != STORE_NONE && memcmp(&reassembly->datagrams[i].name, name, sizeof(*name)) != 0)
		i = reassembly->datagrams[i].next;
	return i;
}

uint32_t
store_new(struct reassembly *reassembly, const struct name *name, uint64_t now)
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
		.newer = STORE_NONE,
		.domain_older = domain->newest,
		.domain_newer = STORE_NONE,
		.domain = owner,
		.first = STORE_NONE,
		.last = STORE_NONE,
	};
	*bucket = i;
	if (reassembly->newest != STORE_NONE)
		reassembly->datagrams[reassembly->newest].newer = i;
	else
		reassembly->oldest = i;
	reassembly->newest = i;
	if (domain->newest != STORE_NONE)
		reassembly->datagrams[domain->newest].domain_newer = i;
	else
		domain->oldest = i;
	domain->newest = i;
	domain->datagrams++;
	reassembly->n_datagrams++;
	return i;
}

/* Takes a datagram's fragments out of it; those that are not handed on are freed. */
void
store_empty(struct reassembly *reassembly, struct datagram *datagram, bool free_packets)
{
	uint32_t next;

	for (uint32_t f = datagram->first; f != STORE_NONE; f = next) {
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
	datagram->first = datagram->last = STORE_NONE;
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

	if (datagram->older != STORE_NONE)
		all[datagram->older].newer = datagram->newer;
	else
		reassembly->oldest = datagram->newer;
	if (datagram->newer != STORE_NONE)
		all[datagram->newer].older = datagram->older;
	else
		reassembly->newest = datagram->older;
	if (datagram->domain_older != STORE_NONE)
		all[datagram->domain_older].domain_newer = datagram->domain_newer;
	else
		domain->oldest = datagram->domain_newer;
	if (datagram->domain_newer != STORE_NONE)
		all[datagram->domain_newer].domain_older = datagram->domain_older;
	else
		domain->newest = datagram->domain_older;
}

void
store_free(struct reassembly *reassembly, uint32_t i, bool free_packets)
{
	struct datagram *datagram = &reassembly->datagrams[i];
	uint32_t *at = bucket_of(reassembly, &datagram->name);

	store_empty(reassembly, datagram, free_packets);
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
uint64_t
store_memory_of(const struct rte_mbuf *packet)
{
	uint64_t memory = 0;

	for (; packet != NULL; packet = packet->next)
		memory += RTE_MAX(packet->buf_len, PACKET_SMALL_ROOM);
	return memory;
}

/* The oldest but `except`, which is being added to; STORE_NONE: there is no other. */
static uint32_t
victim_of_domain(const struct reassembly *reassembly, uint32_t domain, uint32_t except)
{
	uint32_t i = domain != STORE_NONE ? reassembly->domains[domain].oldest : STORE_NONE;

	return i != STORE_NONE && i == except ? reassembly->datagrams[i].domain_newer : i;
}

static uint32_t
victim_of_all(const struct reassembly *reassembly, uint32_t except)
{
	uint32_t i = reassembly->oldest;

	return i != STORE_NONE && i == except ? reassembly->datagrams[i].newer : i;
}

/*
 * Room for `memory` more and, when there is no datagram yet (`except` is STORE_NONE), for one.
 * False: there is none.
 */
bool
store_make_room(struct reassembly *reassembly, uint32_t id, uint64_t memory, uint32_t except)
{
	const struct reassembly_limits *limits = &reassembly->limits;
	uint32_t more = except == STORE_NONE;

	if (memory > limits->bytes || memory > limits->domain_bytes ||
		limits->domain_datagrams == 0)
		return false;
	for (;;) {
		/* its last datagram may have gone, and the domain with it */
		uint32_t domain = find_domain(reassembly, id), victim;
		bool own = domain != STORE_NONE &&
			   (reassembly->domains[domain].memory + memory > limits->domain_bytes ||
				   reassembly->domains[domain].datagrams + more >
					   limits->domain_datagrams);

		if (!own && reassembly->memory + memory <= limits->bytes &&
			reassembly->n_datagrams + more <= limits->datagrams)
			return true;
		victim = victim_of_domain(reassembly, domain, except);
		if (victim == STORE_NONE && !own)
			victim = victim_of_all(reassembly, except);
		if (victim == STORE_NONE)
			return false;
		store_free(reassembly, victim, true);
	}
}

/* ---- fragments --------------------------------------------------------------------------- */

void
store_put(struct reassembly *reassembly, struct datagram *datagram, const struct fragment *fragment,
	uint32_t before)
{
	uint32_t f = reassembly->free_fragment;
	uint32_t *from =
		before != STORE_NONE ? &reassembly->fragments[before].next : &datagram->first;
	uint64_t memory = store_memory_of(fragment->packet);

	reassembly->free_fragment = reassembly->fragments[f].next;
	reassembly->fragments[f] = *fragment;
	reassembly->fragments[f].next = *from;
	*from = f;
	if (reassembly->fragments[f].next == STORE_NONE)
		datagram->last = f;
	datagram->received += fragment->end - fragment->start;
	datagram->count++;
	datagram->memory += memory;
	reassembly->memory += memory;
	reassembly->domains[datagram->domain].memory += memory;
}

/* ---- what the header promises -------------------------------------------------------------- */

uint64_t
reassembly_deadline(const struct reassembly *reassembly)
{
	if (reassembly->oldest == STORE_NONE)
		return UINT64_MAX;
	return reassembly->datagrams[reassembly->oldest].since + reassembly->limits.timeout;
}

void
reassembly_forget(struct reassembly *reassembly, uint32_t id)
{
	uint32_t domain;

	while ((domain = find_domain(reassembly, id)) != STORE_NONE)
		store_free(reassembly, reassembly->domains[domain].oldest, true);
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
