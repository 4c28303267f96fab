/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables that lead to chains, and which of them an entry comes to. */
#include "firewall/classifier_private.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_LEAST 16
#define FIND_BEST_SHARE 64 /* buckets are looked at for each entry that goes */

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
	classifier->families[family].tables[classifier->families[family].count++] = table;
	if (classifier_ready(classifier) < 0) {
		classifier->families[family].count--;
		buckets_drop(classifier, buckets, false);
		free(table);
		return NULL;
	}
	classifier->bytes += sizeof(*table);
	return table;
}

/*
 * The best order there is now. Looking for it costs as much as there are buckets, and so is done
 * once as many entries have gone; until then tables are looked at that need not be.
 */
static void
find_best(struct table *table)
{
	struct buckets *buckets = table->probe.buckets;

	if (table->changed <= buckets->mask / FIND_BEST_SHARE)
		return;
	table->changed = 0;
	table->probe.best = UINT64_MAX;
	for (size_t i = 0; i <= buckets->mask; i++) {
		const struct chunk *chunk = link_chunk(chain_link(&buckets->links[i]));

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
			buckets_drop(classifier, table->probe.buckets, true);
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

			buckets_drop(classifier, table->probe.buckets, false);
			free(table);
		}
}

size_t
classifier_worst(const struct classifier *classifier)
{
	size_t worst = 0;

	for (unsigned family = 0; family < CLASSIFIER_FAMILIES; family++) {
		size_t n = 0;

		for (unsigned i = 0; i < classifier->families[family].count; i++)
			n += chain_longest(classifier->families[family].tables[i]->probe.buckets);
		if (n > worst)
			worst = n;
	}
	return worst;
}

/* ---- which table ------------------------------------------------------------------------------
 */

/* More of them in a chain, and the entry goes where more bits are hashed. */
#define CHAIN_LIMIT 8
#define CROWD_MOST 64 /* more are not counted */

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

/* Entries in the chain where the entry would come. */
static unsigned
crowd(const struct classifier *classifier, const struct table *table, const struct entry *entry)
{
	return chain_length(table->probe.buckets, entry_hash(classifier, table, entry), CROWD_MOST);
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
	struct table *least; /* with the shortest chain; of long ones the fewest entries */
	bool any;            /* there is one for entries of all kinds */
};

static struct choice
choose(const struct classifier *classifier, unsigned family, const struct entry *entry,
	const struct tuple *whole)
{
	struct choice choice = { NULL, NULL, false };
	unsigned best = 0;
	size_t least = SIZE_MAX;

	for (unsigned i = 0; i < classifier->families[family].count; i++) {
		struct table *table = classifier->families[family].tables[i];
		size_t n;
		unsigned bits = weight(&table->tuple);

		choice.any = choice.any || bits == 0;
		if (!tuple_can(&table->tuple, whole))
			continue;
		n = crowd(classifier, table, entry);
		if (n >= CROWD_MOST)
			n += table->entries;
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
	if (table->entries > table->probe.buckets->mask)
		table_grow(classifier, table);
	note.table = table;
	note.hash = entry_hash(classifier, table, entry);
	if (classifier_note(classifier, note) < 0)
		return -1;
	if (chain_add(classifier, table, note.hash, entry) < 0) {
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
