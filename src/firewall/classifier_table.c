/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of entries, and the tables that lead to them. */
#include "firewall/classifier_private.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_LEAST 16
#define FIND_BEST_SHARE 64 /* buckets are looked at for each entry that goes */

static uint64_t
load_link(const _Atomic uint64_t *link)
{
	return atomic_load_explicit(link, memory_order_relaxed);
}

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

static struct buckets *
buckets_of(const struct table *table)
{
	return table->probe.buckets;
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

static uint64_t
entry_hash(
	const struct classifier *classifier, const struct table *table, const struct entry *entry)
{
	struct hashed hashed = entry_hashed(entry);

	return probe_hash(&classifier->key, &table->probe, table->family, &hashed);
}

static _Atomic uint64_t *
bucket_of(const struct table *table, uint64_t hash)
{
	struct buckets *buckets = buckets_of(table);

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
		chunk_new(classifier, CHUNK_ENTRIES - half + !in_first, load_link(&old->next));
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
	chunk = chunk_new(classifier, old->count + 1, load_link(&old->next));
	if (chunk != NULL)
		copy_with(chunk->entries, old, 0, old->count, at, entry);
	return chunk;
}

/* `link` leads to the new chunk now; above the address it keeps what it had. */
static void
lead_to(_Atomic uint64_t *link, uint64_t to)
{
	store_link(link, (load_link(link) & ~LINK_ADDRESS) | (to & LINK_ADDRESS));
}

static int
chain_add(struct classifier *classifier, _Atomic uint64_t *bucket, uint64_t hash,
	const struct entry *entry)
{
	_Atomic uint64_t *link = bucket;
	struct chunk *old = link_chunk(load_link(link)), *chunk;

	while (old != NULL && load_link(&old->next) != 0 &&
		old->entries[old->count - 1].order <= entry->order) {
		link = &old->next;
		old = link_chunk(load_link(link));
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
	store_link(bucket, load_link(bucket) | link_tag(hash));
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
	struct chunk *old = link_chunk(load_link(link)), *chunk = NULL;
	unsigned gone = 0, left = 0;

	for (unsigned i = 0; i < old->count; i++) {
		bool it = is_it(&old->entries[i], which);

		gone += it;
		left += !it && !is_dead(&old->entries[i]);
	}
	if (gone == 0)
		return 0;
	if (left > 0) {
		chunk = chunk_new(classifier, left, load_link(&old->next));
		if (chunk == NULL) {
			chunk_bury(old, which);
			return gone;
		}
		left = 0;
		for (unsigned i = 0; i < old->count; i++)
			if (!is_it(&old->entries[i], which) && !is_dead(&old->entries[i]))
				chunk->entries[left++] = old->entries[i];
	}
	lead_to(link, chunk != NULL ? link_of(chunk) : load_link(&old->next));
	chunk_retire(classifier, old);
	return gone;
}

/* The tags of what is left, where that is little. */
static void
retag(struct classifier *classifier, const struct table *table, _Atomic uint64_t *bucket)
{
	struct chunk *chunk = link_chunk(load_link(bucket));
	uint64_t link = link_of(chunk);

	if (chunk != NULL && load_link(&chunk->next) != 0)
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

	while ((chunk = link_chunk(load_link(link))) != NULL) {
		unsigned gone = 0;

		if (chunk->entries[chunk->count - 1].order >= which->rule->order)
			gone = chunk_without(classifier, link, which);
		table->entries -= gone;
		table->changed += gone;
		classifier->entries -= gone;
		if (gone == 0 || link_chunk(load_link(link)) == chunk)
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

/* How many of the rule's entries in the chain that end `from` now end `to`. */
static unsigned
chain_end(const struct classifier *classifier, const struct table *table, uint64_t hash,
	const struct rule *rule, uint32_t from, uint32_t to)
{
	uint64_t link = load_link(bucket_of(table, hash));
	struct chunk *chunk;
	unsigned n = 0;

	for (; (chunk = link_chunk(link)) != NULL; link = load_link(&chunk->next)) {
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

static struct buckets *
buckets_new(struct classifier *classifier, size_t count)
{
	struct buckets *buckets = calloc(1, buckets_bytes(count));

	if (buckets == NULL)
		return NULL;
	buckets->mask = count - 1;
	classifier->bytes += buckets_bytes(count);
	return buckets;
}

/* With all chunks; `retire`: readers may stand on them. */
static void
buckets_drop(struct classifier *classifier, struct buckets *buckets, bool retire)
{
	for (size_t i = 0; i <= buckets->mask; i++) {
		struct chunk *chunk = link_chunk(load_link(&buckets->links[i])), *next;

		for (; chunk != NULL; chunk = next) {
			next = link_chunk(load_link(&chunk->next));
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

/*
 * Those of a chain's entries that come to one of the new buckets: they are in order there, too.
 */
static int
move_chain(struct classifier *classifier, const struct table *table, struct chunk *from,
	struct buckets *to, size_t bucket)
{
	struct chunk *room = malloc(chunk_bytes(CHUNK_ENTRIES)), *chunk;
	_Atomic uint64_t *link = &to->links[bucket];
	uint64_t tags = 0;
	int result = -1;

	if (room == NULL)
		return -1;
	room->count = 0;
	for (;;) {
		for (unsigned i = 0; from != NULL && i < from->count; i++) {
			uint64_t hash = entry_hash(classifier, table, &from->entries[i]);

			if ((hash & to->mask) != bucket || is_dead(&from->entries[i]))
				continue;
			tags |= link_tag(hash);
			/* one is kept back, so that none is empty */
			if (room->count == CHUNK_ENTRIES / 2) {
				chunk = chunk_new(classifier, room->count, 0);
				if (chunk == NULL)
					goto done;
				memcpy(chunk->entries, room->entries,
					room->count * sizeof(room->entries[0]));
				store_link(link, link_of(chunk));
				link = &chunk->next;
				room->count = 0;
			}
			room->entries[room->count++] = from->entries[i];
		}
		if (from == NULL)
			break;
		from = link_chunk(load_link(&from->next));
	}
	if (room->count > 0) {
		chunk = chunk_new(classifier, room->count, 0);
		if (chunk == NULL)
			goto done;
		memcpy(chunk->entries, room->entries, room->count * sizeof(room->entries[0]));
		store_link(link, link_of(chunk));
	}
	store_link(&to->links[bucket], load_link(&to->links[bucket]) | tags);
	result = 0;
done:
	free(room);
	return result;
}

/* Without memory for more buckets, chains grow longer. */
static void
table_grow(struct classifier *classifier, struct table *table)
{
	struct buckets *old = buckets_of(table), *buckets;
	size_t before = old->mask + 1;

	buckets = buckets_new(classifier, before * 4);
	if (buckets == NULL)
		return;
	for (size_t i = 0; i <= buckets->mask; i++) {
		struct chunk *chunk = link_chunk(load_link(&old->links[i & old->mask]));

		if (chunk != NULL && move_chain(classifier, table, chunk, buckets, i) < 0) {
			buckets_drop(classifier, buckets, false);
			return;
		}
	}
	/* views have the old ones, with all that they can see */
	table->probe.buckets = buckets;
	buckets_drop(classifier, old, true);
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static void
fill_masks(uint64_t mask[2], unsigned bits, unsigned family)
{
	mask[0] = mask[1] = 0;
	if (bits == BY_SET) {
		mask[0] = family == FAMILY_IPV4 ? ~0ull << 32 : ~0ull;
		return;
	}
	if (bits > 0)
		mask[0] = bits >= 64 ? ~0ull : ~0ull << (64 - bits);
	if (bits > 64)
		mask[1] = ~0ull << (128 - bits);
}

static uint16_t
port_mask(unsigned bits)
{
	return (uint16_t)(0xffff0000u >> bits);
}

/* An index that no other table of the family has. */
static uint8_t
free_index(const struct classifier *classifier, unsigned family)
{
	uint64_t taken = 0;

	for (unsigned i = 0; i < classifier->families[family].count; i++)
		taken |= 1ull << classifier->families[family].tables[i]->probe.index;
	return (uint8_t)__builtin_ctzll(~taken);
}

static struct table *
table_new(struct classifier *classifier, unsigned family, const struct tuple *tuple)
{
	struct table *table = aligned_alloc(_Alignof(struct table), sizeof(*table));
	struct buckets *buckets = buckets_new(classifier, BUCKETS_LEAST);

	if (table == NULL || buckets == NULL) {
		free(table);
		if (buckets != NULL)
			buckets_drop(classifier, buckets, false);
		return NULL;
	}
	memset(table, 0, sizeof(*table));
	table->tuple = *tuple;
	fill_masks(table->probe.from_mask, tuple->from_bits, family);
	fill_masks(table->probe.to_mask, tuple->to_bits, family);
	table->probe.from_port_mask = port_mask(tuple->from_port_bits);
	table->probe.to_port_mask = port_mask(tuple->to_port_bits);
	table->probe.protocol_mask = tuple->protocol ? 0xff : 0;
	table->family = (uint8_t)family;
	table->probe.index = free_index(classifier, family);
	table->probe.best = UINT64_MAX;
	table->probe.by_from_set = tuple->from_bits == BY_SET;
	table->probe.by_to_set = tuple->to_bits == BY_SET;
	table->probe.buckets = buckets;
	classifier->bytes += sizeof(*table);
	classifier->families[family].tables[classifier->families[family].count++] = table;
	return table;
}

/*
 * The best order there is now. Looking for it costs as much as there are buckets, and so is done
 * once as many entries have gone; until then tables are looked at that need not be.
 */
static void
find_best(struct table *table)
{
	struct buckets *buckets = buckets_of(table);

	if (table->changed <= buckets->mask / FIND_BEST_SHARE)
		return;
	table->changed = 0;
	table->probe.best = UINT64_MAX;
	for (size_t i = 0; i <= buckets->mask; i++) {
		const struct chunk *chunk = link_chunk(load_link(&buckets->links[i]));

		if (chunk != NULL && chunk->entries[0].order < table->probe.best)
			table->probe.best = chunk->entries[0].order;
	}
}

void
tables_tidy(struct classifier *classifier)
{
	for (unsigned family = 0; family < CLASSIFIER_FAMILIES; family++) {
		unsigned left = 0;

		for (unsigned i = 0; i < classifier->families[family].count; i++) {
			struct table *table = classifier->families[family].tables[i];

			if (table->entries > 0) {
				classifier->families[family].tables[left++] = table;
				find_best(table);
				continue;
			}
			buckets_drop(classifier, buckets_of(table), true);
			classifier->bytes -= sizeof(*table);
			free(table); /* views have copies of what they need of it */
		}
		classifier->families[family].count = left;
	}
}

void
tables_free(struct classifier *classifier)
{
	for (unsigned family = 0; family < CLASSIFIER_FAMILIES; family++)
		for (unsigned i = 0; i < classifier->families[family].count; i++) {
			struct table *table = classifier->families[family].tables[i];

			buckets_drop(classifier, buckets_of(table), false);
			free(table);
		}
}

/* ---- which table ------------------------------------------------------------------------------
 */

/* More of them in a chain, and the entry goes where more bits are hashed. */
#define CHAIN_LIMIT 8

/* How many of the first bits all ports of the range have in common. */
static unsigned
port_bits(const uint16_t ports[2])
{
	unsigned differs = (unsigned)(ports[0] ^ ports[1]);

	return differs == 0 ? 16 : (unsigned)__builtin_clz(differs) - 16;
}

static struct tuple
whole_tuple(const struct entry *entry)
{
	struct tuple tuple = {
		.from_bits = entry->from_bits,
		.to_bits = entry->to_bits,
		.from_port_bits = (uint8_t)port_bits(entry->from_port),
		.to_port_bits = (uint8_t)port_bits(entry->to_port),
		.protocol = entry->protocol,
	};

	if (entry->from_bits == BY_SET && !entry->from_hashed)
		tuple.from_bits = 0;
	if (entry->to_bits == BY_SET && !entry->to_hashed)
		tuple.to_bits = 0;
	return tuple;
}

/* As many bits as tables are made for. */
static uint8_t
relaxed_bits(unsigned family, uint8_t bits)
{
	static const uint8_t steps[CLASSIFIER_FAMILIES][5] = { { 48, 24, 0 }, { 24, 16, 8, 0 },
		{ 64, 48, 32, 16, 0 } };
	unsigned i = 0;

	if (bits == BY_SET)
		return BY_SET;
	while (steps[family][i] > bits)
		i++;
	return steps[family][i];
}

static unsigned
address_weight(uint8_t bits)
{
	return bits == BY_SET ? 24 : bits;
}

static unsigned
weight(const struct tuple *tuple)
{
	return address_weight(tuple->from_bits) + address_weight(tuple->to_bits) +
	       tuple->from_port_bits + tuple->to_port_bits + tuple->protocol * 2u;
}

static bool
address_can(uint8_t table, uint8_t entry)
{
	if (table == 0 || table == entry)
		return true;
	return table != BY_SET && entry != BY_SET && table < entry;
}

/* Whether an entry of that tuple can be found in a table of the other. */
static bool
tuple_can(const struct tuple *table, const struct tuple *entry)
{
	return address_can(table->from_bits, entry->from_bits) &&
	       address_can(table->to_bits, entry->to_bits) &&
	       table->from_port_bits <= entry->from_port_bits &&
	       table->to_port_bits <= entry->to_port_bits && table->protocol <= entry->protocol;
}

static bool
tuple_same(const struct tuple *a, const struct tuple *b)
{
	return tuple_can(a, b) && tuple_can(b, a);
}

/* Entries in the chain where the entry would come; enough to compare by. */
static unsigned
crowd(const struct classifier *classifier, const struct table *table, const struct entry *entry)
{
	uint64_t hash = entry_hash(classifier, table, entry);
	uint64_t link = load_link(bucket_of(table, hash));
	const struct chunk *chunk;
	unsigned n = 0;

	for (; (chunk = link_chunk(link)) != NULL && n < 1024; link = load_link(&chunk->next))
		n += chunk->count;
	return n;
}

static const struct tuple no_tuple; /* every entry can be in a table of it */

/* A table that may be made for the entry; false: all are there that could be. */
static bool
next_tuple(const struct classifier *classifier, unsigned family, const struct tuple *whole,
	struct tuple *tuple)
{
	struct tuple tries[3];

	tries[0] = (struct tuple){ .from_bits = relaxed_bits(family, whole->from_bits),
		.to_bits = relaxed_bits(family, whole->to_bits) };
	/* ports where addresses tell little */
	if (weight(&tries[0]) < 24) {
		tries[0].from_port_bits = whole->from_port_bits == 16 ? 16 : 0;
		tries[0].to_port_bits = whole->to_port_bits == 16 ? 16 : 0;
	}
	tries[1] = tries[0];
	tries[1].from_port_bits = whole->from_port_bits / 4 * 4;
	tries[1].to_port_bits = whole->to_port_bits / 4 * 4;
	tries[1].protocol = whole->protocol;
	tries[2] = *whole;
	for (unsigned i = 0; i < 3; i++) {
		bool there = false;

		for (unsigned k = 0; k < classifier->families[family].count && !there; k++)
			there = tuple_same(
				&classifier->families[family].tables[k]->tuple, &tries[i]);
		if (there)
			continue;
		*tuple = tries[i];
		return true;
	}
	return false;
}

struct choice {
	struct table *best;  /* with most bits, of those with room */
	struct table *least; /* with the shortest chain */
	bool any;            /* there is one for entries of all kinds */
};

static struct choice
choose(const struct classifier *classifier, unsigned family, const struct entry *entry,
	const struct tuple *whole)
{
	struct choice choice = { NULL, NULL, false };
	unsigned best = 0, least = UINT32_MAX;

	for (unsigned i = 0; i < classifier->families[family].count; i++) {
		struct table *table = classifier->families[family].tables[i];
		unsigned n, bits = weight(&table->tuple);

		choice.any = choice.any || bits == 0;
		if (!tuple_can(&table->tuple, whole))
			continue;
		n = crowd(classifier, table, entry);
		if (n < least) {
			least = n;
			choice.least = table;
		}
		if (n < CHAIN_LIMIT && (choice.best == NULL || bits > best)) {
			best = bits;
			choice.best = table;
		}
	}
	return choice;
}

/* Whether the table hashes enough of the entry, as long as there can be more tables. */
static bool
is_good(const struct table *table, const struct tuple *whole)
{
	unsigned bits = weight(whole);

	return weight(&table->tuple) >= (bits < 40 ? bits / 2 : 20);
}

static struct table *
pick_table(struct classifier *classifier, unsigned family, const struct entry *entry)
{
	const struct tuple whole = whole_tuple(entry);
	struct choice choice = choose(classifier, family, entry, &whole);
	unsigned count = classifier->families[family].count;
	struct tuple tuple;

	if (choice.best != NULL && is_good(choice.best, &whole))
		return choice.best;
	/* one place is for what can be in no other */
	if (count + !choice.any < CLASSIFIER_TABLES &&
		next_tuple(classifier, family, &whole, &tuple))
		return table_new(classifier, family, &tuple);
	if (choice.best != NULL)
		return choice.best;
	if (choice.least != NULL)
		return choice.least;
	return table_new(classifier, family, &no_tuple);
}

int
table_add_entry(struct classifier *classifier, unsigned family, const struct entry *entry)
{
	struct table *table = pick_table(classifier, family, entry);
	struct change_note note = { .kind = CHANGE_ENTRY_ADDED, .rule = entry->rule };

	if (table == NULL)
		return -1;
	if (table->entries > buckets_of(table)->mask)
		table_grow(classifier, table);
	note.table = table;
	note.hash = entry_hash(classifier, table, entry);
	if (classifier_note(classifier, note) < 0)
		return -1;
	if (chain_add(classifier, bucket_of(table, note.hash), note.hash, entry) < 0) {
		classifier->n_notes--;
		return -1;
	}
	table->entries++;
	classifier->entries++;
	if (entry->order < table->probe.best)
		table->probe.best = entry->order;
	return 0;
}

int
table_end_entries(struct classifier *classifier, unsigned family, const struct entry *entry)
{
	const struct tuple whole = whole_tuple(entry);
	struct change_note note = { .kind = CHANGE_ENTRY_REMOVED, .rule = entry->rule };

	for (unsigned i = 0; i < classifier->families[family].count; i++) {
		note.table = classifier->families[family].tables[i];
		if (!tuple_can(&note.table->tuple, &whole))
			continue;
		note.hash = entry_hash(classifier, note.table, entry);
		if (classifier_note(classifier, note) < 0)
			return -1;
		if (chain_end(classifier, note.table, note.hash, entry->rule, VERSION_EVER,
			    classifier->version + 1) == 0)
			classifier->n_notes--;
	}
	return 0;
}
