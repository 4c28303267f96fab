/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the classifier share.
 *
 * Packets are of three families: no IP, IPv4, IPv6. Each has tables of its own, and a rule is
 * entered into those that it can match packets of. Where there is no IP, the MACs stand for
 * addresses, and VLAN and ethertype for ports.
 *
 * A table hashes what its tuple says. A bucket leads to a chain of chunks; a chunk holds a few
 * entries and is never changed but for the versions in it: a change makes another chunk. The
 * entries of a chain are in the rules' order.
 *
 * An entry is seen by the views from version `since` on until before `until`. So what is staged is
 * in the tables at once, and a publication is one store. What readers may still stand on is
 * retired, and freed when the next publication's grace period has passed.
 */
#ifndef WEFT_FIREWALL_CLASSIFIER_PRIVATE_H
#define WEFT_FIREWALL_CLASSIFIER_PRIVATE_H

#include "firewall/address_classes.h"
#include "firewall/classifier.h"

#include <stdatomic.h>

enum classifier_family { FAMILY_OTHER, FAMILY_IPV4, FAMILY_IPV6, CLASSIFIER_FAMILIES };

/* ---- entries ----------------------------------------------------------------------------------
 */

#define BY_SET 255 /* in place of a prefix length: the address is in a set */
#define VERSION_NEVER 0
#define VERSION_EVER UINT32_MAX

/* The single fields, as an entry compares them at once: (packet ^ value) & mask is 0. */
#define FIELD_PROTOCOL(protocol) ((uint32_t)(protocol))
#define FIELD_TCP_FLAGS(flags) ((uint32_t)(flags) << 8)
#define FIELD_DSCP(dscp) ((uint32_t)(dscp) << 16)
#define FIELD_PORTS (1u << 22) /* has ports */
#define FIELD_ICMP (1u << 23)  /* has an ICMP type */
#define FIELD_FRAGMENT (1u << 24)
/* One bit each is set in a packet; an entry's mask has those that it does not want. */
#define FIELD_STATE(states) ((uint32_t)(states) << 25)
#define FIELD_FROM(ports) ((uint32_t)((ports)&3) << 28) /* of the firewall's first two ports */
#define FIELD_TO(ports) ((uint32_t)((ports)&3) << 30)

struct entry {
	uint64_t order;
	const struct rule *rule;
	_Atomic uint32_t since, until;
	uint32_t value, mask;              /* FIELD_ */
	uint16_t from_port[2], to_port[2]; /* first, last */
	uint8_t from_bits, to_bits;        /* of the prefixes; BY_SET: `from[0]` is a slot */
	bool from_hashed, to_hashed;       /* BY_SET: tables may hash it */
	bool rest;                         /* rule_matches_rest() has to be asked */
	bool protocol;                     /* `mask` has the protocol */
	uint8_t reserved[2];
	uint64_t from[2], to[2];
};

/* A piece of memory that readers may have. */
struct retired {
	struct retired *next;
	uint32_t version; /* the one published when it was retired */
};

#define CHUNK_ENTRIES 16

struct chunk {
	struct retired retired; /* first */
	uint32_t count;
	_Atomic uint64_t next; /* a link */
	struct entry entries[];
};

/*
 * A link is the address of a chunk, and in a bucket above it 16 bits of which one is set for
 * each entry in the chain, by its hash: most that a packet is not looked for never are read.
 */
#define LINK_ADDRESS ((1ull << 48) - 1)

static inline struct chunk *
link_chunk(uint64_t link)
{
	return (struct chunk *)(uintptr_t)(link & LINK_ADDRESS);
}

static inline uint64_t
link_tag(uint64_t hash)
{
	return 1ull << (48 + (hash >> 60));
}

/* ---- tables -----------------------------------------------------------------------------------
 */

/* What a table hashes. */
struct tuple {
	uint8_t from_bits, to_bits;           /* of the prefixes; BY_SET: the slot */
	uint8_t from_port_bits, to_port_bits; /* the first, of 16 */
	bool protocol;
};

struct buckets {
	struct retired retired; /* first */
	uint64_t mask;
	_Atomic uint64_t links[];
};

/* How to look something up in a table. A view has one for each, all in a row. */
struct probe {
	struct buckets *buckets;
	uint64_t best; /* no entry's order is lower */
	uint64_t from_mask[2], to_mask[2];
	uint16_t from_port_mask, to_port_mask;
	uint8_t protocol_mask;
	uint8_t index; /* for the hash */
	bool by_from_set, by_to_set;
} __attribute__((aligned(64)));

struct table {
	struct probe probe;
	struct tuple tuple;
	uint8_t family;
	size_t entries;
	size_t changed; /* entries gone since `best` was worked out */
};

struct classifier_view {
	struct classifier_view *replaced; /* the one before, until it is reclaimed */
	uint32_t version;
	struct hash_key key;
	struct address_map map;
	uint32_t n_sets;
	struct {
		unsigned first, count;
	} families[CLASSIFIER_FAMILIES]; /* of `probes` */
	unsigned room;
	struct probe probes[]; /* of a family the best first */
};

/* ---- what is hashed ---------------------------------------------------------------------------
 */

/* Of a packet, or of an entry. */
struct hashed {
	uint64_t from[2], to[2];
	uint16_t from_port, to_port;
	uint8_t protocol;
};

static inline uint64_t
probe_hash(const struct hash_key *key, const struct probe *probe, unsigned family,
	const struct hashed *hashed)
{
	uint64_t rest = (uint64_t)(hashed->from_port & probe->from_port_mask) << 32 |
			(uint64_t)(hashed->to_port & probe->to_port_mask) << 16 |
			(uint64_t)probe->index << 8 | (hashed->protocol & probe->protocol_mask);
	uint64_t from = hashed->from[0] & probe->from_mask[0];
	uint64_t to = hashed->to[0] & probe->to_mask[0];

	if (family == FAMILY_IPV4)
		return hash_words(key, from | to >> 32, rest);
	from = hash_words(key, from, to);
	if ((probe->from_mask[1] | probe->to_mask[1]) != 0)
		from = hash_words(key, from ^ (hashed->from[1] & probe->from_mask[1]),
			hashed->to[1] & probe->to_mask[1]);
	return hash_words(key, from, rest);
}

/* A slot where an address of the table's family would be. */
static inline uint64_t
slot_word(uint64_t slot)
{
	return slot << 32;
}

/* ---- the writer's state -----------------------------------------------------------------------
 */

/* A set that rules have, by number. */
struct set_slot {
	bool used;
	bool findable;  /* in the chain of its hash */
	bool hashed;    /* its classes count it (address_classes.h) */
	bool mapped;    /* its members are in the base map */
	uint32_t rules; /* that have it, those staged and those not reclaimed included */
	struct address_set *set, *staged; /* versions of it; staged NULL: it has not changed */
	/* by what it is found: the caller's set, or a list in a rule */
	const struct address_set *named, *staged_named;
	struct weft_prefix *list;
	unsigned n_list;
	uint32_t next, next_replaced; /* with the same hash, or free; with `staged`. Slot + 1 */
};

enum change_kind {
	CHANGE_ENTRY_ADDED,
	CHANGE_ENTRY_REMOVED,
	CHANGE_SLOT_TAKEN,
	CHANGE_SLOT_LEFT,
	CHANGE_SLOT_REPLACED,
};

/* What was done, to be undone, or finished after the grace period. */
struct change_note {
	uint8_t kind;
	struct table *table;
	uint64_t hash;
	const struct rule *rule;
	uint32_t slot;
};

struct classifier {
	struct hash_key key;
	struct classifier_view *_Atomic view;
	struct classifier_view *next_view;     /* for the next publication, or NULL */
	struct classifier_view *replaced_view; /* those to be reclaimed, or NULL */
	uint32_t version;                      /* published */
	struct {
		struct table *tables[CLASSIFIER_TABLES];
		unsigned count;
	} families[CLASSIFIER_FAMILIES];
	struct address_classes classes;
	struct address_map base; /* as published, without what has been cleared away */
	struct address_map next; /* with what is staged */
	struct set_slot *slots;
	uint32_t n_slots, room_slots, free_slots; /* free: slot + 1 */
	uint32_t sets, idle_sets;                 /* in use; those that no rule has */
	uint32_t replaced_slots;                  /* with another version staged: slot + 1 */
	uint32_t *slot_buckets;                   /* slot + 1 */
	uint32_t slot_bucket_count;               /* a power of two, or 0 */
	struct change_note *notes;                /* published ones first */
	size_t n_notes, n_published, room_notes;
	struct retired *retired;
	size_t rules, entries, bytes;
	size_t staged_rules; /* added less removed, may wrap */
};

#define NOTES_KEPT 4096 /* room for so many is not given back */

/* Before anything is staged, and with each new table: what the publication will need. 0 or -1. */
int classifier_ready(struct classifier *classifier);
int classifier_note(struct classifier *classifier, struct change_note note);
void classifier_retire(struct classifier *classifier, struct retired *memory);

/* ---- chains: classifier_chain.c ---------------------------------------------------------------
 */

static inline uint64_t
chain_link(const _Atomic uint64_t *link)
{
	return atomic_load_explicit(link, memory_order_relaxed);
}

uint64_t entry_hash(
	const struct classifier *classifier, const struct table *table, const struct entry *entry);

struct buckets *buckets_new(struct classifier *classifier, size_t count);
/* With all chunks; `retire`: readers may stand on them. */
void buckets_drop(struct classifier *classifier, struct buckets *buckets, bool retire);
void table_grow(struct classifier *classifier, struct table *table);

int chain_add(struct classifier *classifier, const struct table *table, uint64_t hash,
	const struct entry *entry);
/* How many of the rule's entries in the chain that end `from` now end `to`. */
unsigned chain_end(const struct classifier *classifier, const struct table *table, uint64_t hash,
	const struct rule *rule, uint32_t from, uint32_t to);
/* Entries in it, counted up to `most` or a few more. */
unsigned chain_length(const struct buckets *buckets, uint64_t hash, unsigned most);
unsigned chain_longest(const struct buckets *buckets);

/* The rule's entries in one chain: those of `since` go. */
void table_forget_added(struct classifier *classifier, struct table *table, uint64_t hash,
	const struct rule *rule, uint32_t since);
/* Those that end in `until` stay. */
void table_keep_ended(struct classifier *classifier, struct table *table, uint64_t hash,
	const struct rule *rule, uint32_t until);
/* Those that have ended go. */
void table_forget_ended(
	struct classifier *classifier, struct table *table, uint64_t hash, const struct rule *rule);

/* ---- tables: classifier_table.c ---------------------------------------------------------------
 */

/* Puts the entry where it can be found, seen by nobody yet, and notes it. */
int table_add_entry(struct classifier *classifier, unsigned family, const struct entry *entry);
/* Marks the rule's entries that are alike for staying until the next version, and notes it. */
int table_end_entries(struct classifier *classifier, unsigned family, const struct entry *entry);
/* Tables without entries go. */
void tables_tidy(struct classifier *classifier);
void tables_free(struct classifier *classifier);

/* ---- sets: classifier_set.c -------------------------------------------------------------------
 */

#define NO_SLOT UINT32_MAX

/* The slot of a set, or of a list (set NULL); NO_SLOT: there is none. */
uint32_t slot_find(const struct classifier *classifier, const struct address_set *set,
	const struct weft_prefix *list, unsigned n_list);
/* Finds or makes it, takes it for a rule and notes that. NO_SLOT: no memory. */
uint32_t slot_take(struct classifier *classifier, const struct address_set *set,
	const struct weft_prefix *list, unsigned n_list);
void slot_leave(struct classifier *classifier, uint32_t slot);
void slot_undo_replaced(struct classifier *classifier, uint32_t slot);
void slot_publish_replaced(struct classifier *classifier, uint32_t slot);
/* Clears away what no rule has any more, as far as memory allows. */
void slots_tidy(struct classifier *classifier);
void slots_free(struct classifier *classifier);

/* ---- rules: classifier_rule.c -----------------------------------------------------------------
 */

/*
 * Calls each() for each entry of a rule, always the same ones. Its sets get slots if it comes,
 * and are noted to be left if it goes. -1: each() has failed, or there was no memory.
 */
int rule_entries(struct classifier *classifier, const struct rule *rule, bool comes,
	int (*each)(struct classifier *classifier, unsigned family, const struct entry *entry));

#endif
