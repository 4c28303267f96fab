/* SPDX-License-Identifier: BSD-3-Clause */
/* Leaves of a plan's items in words, and lists whose order counts. Out of memory: *failed. */
#ifndef WEFT_MODEL_PLAN_LEAF_H
#define WEFT_MODEL_PLAN_LEAF_H

#include "model/model.h"

#include <libyang/libyang.h>

/* Takes the texts, which are malloced. */
void plan_add_leaf(struct plan_item *item, char *name, char *before, char *after, bool *failed);

/* Malloced; NULL: out of memory. Values of a leaf-list, joined, sorted where they have no order. */
char *plan_join(const struct lyd_node *first);
/* The same, or of a long list how many they are. */
char *plan_leaf_text(const struct lyd_node *node);

/*
 * Entries that come, go, differ or are elsewhere among the others, as leaves "rules/NAME": the
 * first few by name, the others counted; another order is "rules/(order)". before, after: what has
 * the list; NULL: nothing.
 */
void plan_compare_ordered(struct plan_item *item, const char *list, const struct lyd_node *before,
	const struct lyd_node *after, bool *failed);

#endif
