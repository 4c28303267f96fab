/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rule is the first to match a packet: tuple space search with merged tuples (Daly et al.,
 * "TupleMerge", 2019), updated in place.
 *
 * A rule becomes one entry or several, each in the hash table of a tuple: how many bits of each
 * address or whose set it is in, how many bits of each port. Ranges are kept in the entry. Sets of
 * addresses are resolved before: an address belongs to a class, the same for all addresses that
 * are in the same sets (address_classes.h), and so do lists of more than a few prefixes.
 *
 * Cost
 *	A lookup costs so many probes as there are tables, in the order of the best rule that each
 *	holds, and ends when no table left can hold a better one. Hashes are keyed: no choice of
 *	packets makes it cost more. There are at most CLASSIFIER_TABLES for a family (IPv4, IPv6,
 *	all else). Where more than a few entries come together, more bits are hashed; once all
 *	tables are there, chains grow: rules that lie on one another in ways that no hash tells
 *	apart are compared one by one, the first ones first. classifier_worst() tells how many.
 *
 * Versions
 *	What is staged is not seen before classifier_publish(), and then all of it at once, by
 *	readers that take the view anew. A reader keeps one view for one packet, or one vector.
 *
 * Threads: staging, publishing, reclaiming on the control thread; views anywhere, under RCU.
 */
#ifndef WEFT_FIREWALL_CLASSIFIER_H
#define WEFT_FIREWALL_CLASSIFIER_H

#include "base/hash.h"
#include "firewall/rule.h"

#define CLASSIFIER_TABLES 32

struct classifier;
struct classifier_view;

/* NULL: no memory. An empty one is small. */
struct classifier *classifier_create(const struct hash_key *key);
void classifier_free(struct classifier *classifier);

/*
 * Staging: 0, or -1 when out of memory (then undo). The classifier does not own the rules: they
 * live until it has reclaimed what the publication that removed them left behind; added ones that
 * are undone, until then. It has its own share of each set.
 */
int classifier_add(struct classifier *classifier, const struct rule *rule);
int classifier_remove(struct classifier *classifier, const struct rule *rule);
/*
 * A set becomes another version for all rules that have it, which costs what differs. Once it
 * is published their from_set, to_set are to be the new one. 1: that cannot be; remove the rules
 * that have it, and add others with the new one.
 */
int classifier_replace_set(struct classifier *classifier, const struct address_set *before,
	const struct address_set *after);
void classifier_publish(struct classifier *classifier);
/* Back to what is published. */
void classifier_undo(struct classifier *classifier);
/* After the grace period that follows a publication: forgets what was removed. Before the rules
 * and sets are freed. */
void classifier_reclaim(struct classifier *classifier);

const struct classifier_view *classifier_view(const struct classifier *classifier);
/* The first rule that matches; NULL: none does. */
const struct rule *classifier_find(
	const struct classifier_view *view, const struct fields *fields, uint8_t state);

struct classifier_state {
	size_t rules, entries, tables, classes;
	size_t bytes;
};

/*
 * No lookup compares more entries than this, whatever the packet (where it hashes sets, for each
 * of the few that the address is in): the rules alone make it large, by lying on one another in
 * ways that no hash tells apart. Looks at all tables: not for every moment.
 */
size_t classifier_worst(const struct classifier *classifier);

/* Looks at all addresses of sets: not for every moment either. */
void classifier_state(const struct classifier *classifier, struct classifier_state *state);

#endif
