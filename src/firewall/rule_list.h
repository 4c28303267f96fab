/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of one firewall, in their order, and the classifier that holds them. They are
 * changed in two phases: a whole new list is wanted, what differs is staged, and published or
 * undone.
 *
 * Rules are told by their names. One that stays as it is stays the same struct rule; one that
 * changes keeps its id, and so its counters. The order is kept by labels with gaps between them:
 * what comes, goes or moves touches no others, unless a gap is used up.
 *
 * Threads: the control thread; workers have views of the classifier.
 */
#ifndef WEFT_FIREWALL_RULE_LIST_H
#define WEFT_FIREWALL_RULE_LIST_H

#include "firewall/classifier.h"
#include "firewall/rule_counters.h"
#include "firewall/rule_table.h"

struct rule_list;

/* The table is that of all lists whose rules are counted together. NULL: no memory. */
struct rule_list *rule_list_create(const struct hash_key *key, struct rule_table *table);
/* Nobody reads it any more. */
void rule_list_free(struct rule_list *list);

/* What names in rules stand for. */
struct rule_names {
	/* 0 to RULE_PORTS - 1; RULE_PORTS: one where nothing comes in; -1: there is none */
	int (*port)(void *context, const char *name);
	const struct address_set *(*set)(void *context, const char *name);   /* NULL: none */
	const struct port_set *(*port_set)(void *context, const char *name); /* NULL: none */
	void *context;
};

/* These rules, in this order, are wanted; the list copies them. 0 or -1; then as before. */
int rule_list_want(struct rule_list *list, const struct weft_rule *rules, unsigned count,
	struct weft_error *error);
/*
 * Stages what is wanted, or if nothing new is, what the names now stand for: a version of a set
 * stands for the one before. 0, or -1: undo.
 */
int rule_list_prepare(
	struct rule_list *list, const struct rule_names *names, struct weft_error *error);
/* Whether what is staged differs from what is published. */
bool rule_list_differs(const struct rule_list *list);
void rule_list_publish(struct rule_list *list);
void rule_list_undo(struct rule_list *list);
/* After the grace period of the publication. */
void rule_list_reclaim(struct rule_list *list);

/* What is published: */
struct classifier *rule_list_classifier(const struct rule_list *list);
unsigned rule_list_count(const struct rule_list *list);
const struct rule *rule_list_at(const struct rule_list *list, unsigned index);
const struct rule *rule_list_find(const struct rule_list *list, const char *name);

#endif
