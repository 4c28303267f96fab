/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of entries, and the buckets that lead to them. */
#include "firewall/classifier_private.h"

#include <stdlib.h>
#include <string.h>

static void
store_link(_Atomic uint64_t *link, uint64_t value)
{
	atomic_store_explicit(link, value, memory_order_release);
}

static uint32_t
load_version(const _Atomic uint32_t *version)
{
	return atomic_load_explicit(version, memory_order_relaxed);
}

static void
store_version(_Atomic uint32_t *version, uint32_t value)
{
	atomic_store_explicit(version, value, memory_order_relaxed);
}

/* ---- chunks -----------------------------------------------------------------------------------
 */

static size_t
chunk_bytes(unsigned count)
{
	return sizeof(struct chunk) + count * sizeof(struct entry);
}

static struct chunk *
chunk_new(struct classifier *classifier, unsigned count, uint64_t next)
{
	struct chunk *chunk = malloc(chunk_bytes(count));

	if (chunk == NULL)
		return NULL;
	chunk->count = count;
	atomic_init(&chunk->next, next);
	classifier->bytes += chunk_bytes(count);
	return chunk;
}

static void
chunk_retire(struct classifier *classifier, struct chunk *chunk)
{
	classifier->bytes -= chunk_bytes(chunk->count);
	classifier_retire(classifier, &chunk->retired);
}

static void
chunk_free(struct classifier *classifier, struct chunk *chunk)
{
	classifier->bytes -= chunk_bytes(chunk->count);
	free(chunk);
}

static uint64_t
link_of(const struct chunk *chunk)
{
	return (uint64_t)(uintptr_t)chunk;
}

/* ---- hashes -----------------------------------------------------------------------------------
 */

static struct hashed
entry_hashed(const struct entry *entry)
{
	struct hashed hashed = {
		.from = { entry->from[0], entry->from[1] },
		.to = { entry->to[0], entry->to[1] },
		.from_port = entry->from_port[0],
		.to_port = entry->to_port[0],
		.protocol = (uint8_t)entry->value,
	};

	if (entry->from_bits == BY_SET)
		hashed.from[0] = slot_word(entry->from[0]);
	if (entry->to_bits == BY_SET)
		hashed.to[0] = slot_word(entry->to[0]);
	return hashed;
}

uint64_t
entry_hash(
	const struct classifier *classifier, const struct table *table, const struct entry *entry)
{
	struct hashed hashed = entry_hashed(entry);

	return probe_hash(&classifier->key, &table->probe, table->family, &hashed);
}

static _Atomic uint64_t *
bucket_of(const struct table *table, uint64_t hash)
{
	struct buckets *buckets = table->probe.buckets;

	return &buckets->links[hash & buckets->mask];
}

/* ---- chains -----------------------------------------------------------------------------------
 */

/* Where in the chunk an entry of that order comes. */
static unsigned
place_in(const struct chunk *chunk, uint64_t order)
{
	unsigned at = chunk->count;

	while (at > 0 && chunk->entries[at - 1].order > order)
		at--;
	return at;
}

/* Copies of the chunk's entries `first` to before `last`, the new one among them. */
static void
copy_with(struct entry *to, const struct chunk *old, unsigned first, unsigned last, unsigned at,
	const struct entry *entry)
{
	for (unsigned i = first; i <= last; i++) {
		if (i == at)
			*to++ = *entry;
		if (i < last)
			*to++ = old->entries[i];
	}
}

/* Two in place of a full one, with the entry. NULL: no memory. */
static struct chunk *
split_with(struct classifier *classifier, const struct chunk *old, unsigned at,
	const struct entry *entry)
{
	const unsigned half = CHUNK_ENTRIES / 2;
	bool in_first = at <= half;
	struct chunk *second =
		chunk_new(classifier, CHUNK_ENTRIES - half + !in_first, chain_link(&old->next));
	struct chunk *first;

	if (second == NULL)
		return NULL;
	first = chunk_new(classifier, half + in_first, link_of(second));
	if (first == NULL) {
		chunk_free(classifier, second);
		return NULL;
	}
	copy_with(first->entries, old, 0, half, in_first ? at : UINT32_MAX, entry);
	copy_with(second->entries, old, half, CHUNK_ENTRIES, in_first ? UINT32_MAX : at, entry);
	return first;
}

static struct chunk *
chunk_with(struct classifier *classifier, const struct chunk *old, const struct entry *entry)
{
	unsigned at = place_in(old, entry->order);
	struct chunk *chunk;

	if (old->count == CHUNK_ENTRIES)
		return split_with(classifier, old, at, entry);
	chunk = chunk_new(classifier, old->count + 1, chain_link(&old->next));
	if (chunk != NULL)
		copy_with(chunk->entries, old, 0, old->count, at, entry);
	return chunk;
}

/* `link` leads to the new chunk now; above the address it keeps what it had. */
static void
lead_to(_Atomic uint64_t *link, uint64_t to)
{
	store_link(link, (chain_link(link) & ~LINK_ADDRESS) | (to & LINK_ADDRESS));
}

int
chain_add(struct classifier *classifier, const struct table *table, uint64_t hash,
	const struct entry *entry)
{
	_Atomic uint64_t *bucket = bucket_of(table, hash), *link = bucket;
	struct chunk *old = link_chunk(chain_link(link)), *chunk;

	while (old != NULL && chain_link(&old->next) != 0 &&
		old->entries[old->count - 1].order <= entry->order) {
		link = &old->next;
		old = link_chunk(chain_link(link));
	}
	if (old == NULL) {
		chunk = chunk_new(classifier, 1, 0);
		if (chunk != NULL)
			chunk->entries[0] = *entry;
	} else {
		chunk = chunk_with(classifier, old, entry);
	}
	if (chunk == NULL)
		return -1;
	lead_to(link, link_of(chunk));
	store_link(bucket, chain_link(bucket) | link_tag(hash));
	if (old != NULL)
		chunk_retire(classifier, old);
	return 0;
}

/*
 * Which of a rule's entries: those of one hash. Others may be in the same bucket, for as long as
 * there are no more buckets.
 */
struct which {
	const struct classifier *classifier;
	const struct table *table;
	uint64_t hash;
	const struct rule *rule;
	uint32_t since, until; /* 0: any; `until`: at most */
};

static bool
is_it(const struct entry *entry, const struct which *which)
{
	uint32_t until = load_version(&entry->until);

	return entry->rule == which->rule && until != VERSION_NEVER &&
	       (which->since == 0 || load_version(&entry->since) == which->since) &&
	       (which->until == 0 || until <= which->until) &&
	       entry_hash(which->classifier, which->table, entry) == which->hash;
}

/*
 * Where there is no memory for what is left of a chunk, the entries stay, for nobody to see, until
 * the chunk is changed anew.
 */
static void
chunk_bury(struct chunk *chunk, const struct which *which)
{
	for (unsigned i = 0; i < chunk->count; i++)
		if (is_it(&chunk->entries[i], which))
			store_version(&chunk->entries[i].until, VERSION_NEVER);
}

static bool
is_dead(const struct entry *entry)
{
	return load_version(&entry->until) == VERSION_NEVER;
}

/* The chunk that `link` leads to, without those entries. Returns how many went. */
static unsigned
chunk_without(struct classifier *classifier, _Atomic uint64_t *link, const struct which *which)
{
	struct chunk *old = link_chunk(chain_link(link)), *chunk = NULL;
	unsigned gone = 0, left = 0;

	for (unsigned i = 0; i < old->count; i++) {
		bool it = is_it(&old->entries[i], which);

		gone += it;
		left += !it && !is_dead(&old->entries[i]);
	}
	if (gone == 0)
		return 0;
	if (left > 0) {
		chunk = chunk_new(classifier, left, chain_link(&old->next));
		if (chunk == NULL) {
			chunk_bury(old, which);
			return gone;
		}
		left = 0;
		for (unsigned i = 0; i < old->count; i++)
			if (!is_it(&old->entries[i], which) && !is_dead(&old->entries[i]))
				chunk->entries[left++] = old->entries[i];
	}
	lead_to(link, chunk != NULL ? link_of(chunk) : chain_link(&old->next));
	chunk_retire(classifier, old);
	return gone;
}

/* The tags of what is left, where that is little. */
static void
retag(struct classifier *classifier, const struct table *table, _Atomic uint64_t *bucket)
{
	struct chunk *chunk = link_chunk(chain_link(bucket));
	uint64_t link = link_of(chunk);

	if (chunk != NULL && chain_link(&chunk->next) != 0)
		return;
	for (unsigned i = 0; chunk != NULL && i < chunk->count; i++)
		link |= link_tag(entry_hash(classifier, table, &chunk->entries[i]));
	store_link(bucket, link);
}

static void
chain_forget(struct classifier *classifier, struct table *table, uint64_t hash,
	const struct which *which)
{
	_Atomic uint64_t *bucket = bucket_of(table, hash), *link = bucket;
	struct chunk *chunk;

	while ((chunk = link_chunk(chain_link(link))) != NULL) {
		unsigned gone = 0;

		if (chunk->entries[chunk->count - 1].order >= which->rule->order)
			gone = chunk_without(classifier, link, which);
		table->entries -= gone;
		table->changed += gone;
		classifier->entries -= gone;
		if (gone == 0 || link_chunk(chain_link(link)) == chunk)
			link = &chunk->next;
	}
	retag(classifier, table, bucket);
}

void
table_forget_added(struct classifier *classifier, struct table *table, uint64_t hash,
	const struct rule *rule, uint32_t since)
{
	chain_forget(classifier, table, hash,
		&(struct which){ classifier, table, hash, rule, since, 0 });
}

void
table_forget_ended(
	struct classifier *classifier, struct table *table, uint64_t hash, const struct rule *rule)
{
	chain_forget(classifier, table, hash,
		&(struct which){ classifier, table, hash, rule, 0, classifier->version });
}

unsigned
chain_end(const struct classifier *classifier, const struct table *table, uint64_t hash,
	const struct rule *rule, uint32_t from, uint32_t to)
{
	uint64_t link = chain_link(bucket_of(table, hash));
	struct chunk *chunk;
	unsigned n = 0;

	for (; (chunk = link_chunk(link)) != NULL; link = chain_link(&chunk->next)) {
		if (chunk->entries[chunk->count - 1].order < rule->order)
			continue;
		if (chunk->entries[0].order > rule->order)
			break;
		for (unsigned i = 0; i < chunk->count; i++) {
			struct entry *entry = &chunk->entries[i];

			if (entry->rule != rule || load_version(&entry->until) != from ||
				entry_hash(classifier, table, entry) != hash)
				continue;
			store_version(&entry->until, to);
			n++;
		}
	}
	return n;
}

void
table_keep_ended(struct classifier *classifier, struct table *table, uint64_t hash,
	const struct rule *rule, uint32_t until)
{
	chain_end(classifier, table, hash, rule, until, VERSION_EVER);
}

/* ---- growing ----------------------------------------------------------------------------------
 */

static size_t
buckets_bytes(size_t count)
{
	return sizeof(struct buckets) + count * sizeof(uint64_t);
}

struct buckets *
buckets_new(struct classifier *classifier, size_t count)
{
	struct buckets *buckets = calloc(1, buckets_bytes(count));

	if (buckets == NULL)
		return NULL;
	buckets->mask = count - 1;
	classifier->bytes += buckets_bytes(count);
	return buckets;
}

void
buckets_drop(struct classifier *classifier, struct buckets *buckets, bool retire)
{
	for (size_t i = 0; i <= buckets->mask; i++) {
		struct chunk *chunk = link_chunk(chain_link(&buckets->links[i])), *next;

		for (; chunk != NULL; chunk = next) {
			next = link_chunk(chain_link(&chunk->next));
			if (retire)
				chunk_retire(classifier, chunk);
			else
				chunk_free(classifier, chunk);
		}
	}
	classifier->bytes -= buckets_bytes(buckets->mask + 1);
	if (retire)
		classifier_retire(classifier, &buckets->retired);
	else
		free(buckets);
}

/* Chunks of a new chain, as they fill up. */
struct filling {
	struct classifier *classifier;
	_Atomic uint64_t *link; /* where the next chunk comes */
	uint64_t tags;
	unsigned count;
	struct entry entries[CHUNK_ENTRIES / 2]; /* as many more may come to each */
};

static int
filling_flush(struct filling *filling)
{
	struct chunk *chunk;

	if (filling->count == 0)
		return 0;
	chunk = chunk_new(filling->classifier, filling->count, 0);
	if (chunk == NULL)
		return -1;
	memcpy(chunk->entries, filling->entries, filling->count * sizeof(chunk->entries[0]));
	store_link(filling->link, link_of(chunk));
	filling->link = &chunk->next;
	filling->count = 0;
	return 0;
}

static int
filling_put(struct filling *filling, const struct entry *entry, uint64_t hash)
{
	if (filling->count == CHUNK_ENTRIES / 2 && filling_flush(filling) < 0)
		return -1;
	filling->entries[filling->count++] = *entry;
	filling->tags |= link_tag(hash);
	return 0;
}

/* Those of a chain's entries that come to one of the new buckets: they are in order there, too. */
static int
move_chain(struct classifier *classifier, const struct table *table, const struct chunk *from,
	struct buckets *to, size_t bucket)
{
	struct filling filling = { .classifier = classifier, .link = &to->links[bucket] };

	for (; from != NULL; from = link_chunk(chain_link(&from->next)))
		for (unsigned i = 0; i < from->count; i++) {
			const struct entry *entry = &from->entries[i];
			uint64_t hash = entry_hash(classifier, table, entry);

			if ((hash & to->mask) == bucket && !is_dead(entry) &&
				filling_put(&filling, entry, hash) < 0)
				return -1;
		}
	if (filling_flush(&filling) < 0)
		return -1;
	store_link(&to->links[bucket], chain_link(&to->links[bucket]) | filling.tags);
	return 0;
}

/* Without memory for more buckets, chains grow longer. */
void
table_grow(struct classifier *classifier, struct table *table)
{
	struct buckets *old = table->probe.buckets, *buckets;
	size_t before = old->mask + 1;

	buckets = buckets_new(classifier, before * 4);
	if (buckets == NULL)
		return;
	for (size_t i = 0; i <= buckets->mask; i++) {
		struct chunk *chunk = link_chunk(chain_link(&old->links[i & old->mask]));

		if (chunk != NULL && move_chain(classifier, table, chunk, buckets, i) < 0) {
			buckets_drop(classifier, buckets, false);
			return;
		}
	}
	/* views have the old ones, with all that they can see */
	table->probe.buckets = buckets;
	buckets_drop(classifier, old, true);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

static unsigned
link_length(uint64_t link, unsigned most)
{
	const struct chunk *chunk;
	unsigned n = 0;

	for (; (chunk = link_chunk(link)) != NULL && n < most; link = chain_link(&chunk->next))
		n += chunk->count;
	return n;
}

unsigned
chain_length(const struct buckets *buckets, uint64_t hash, unsigned most)
{
	return link_length(chain_link(&buckets->links[hash & buckets->mask]), most);
}

unsigned
chain_longest(const struct buckets *buckets)
{
	unsigned longest = 0;

	for (size_t i = 0; i <= buckets->mask; i++) {
		unsigned n = link_length(chain_link(&buckets->links[i]), UINT32_MAX);

		if (n > longest)
			longest = n;
	}
	return longest;
}
