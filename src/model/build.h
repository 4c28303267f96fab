/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From maps and sequences to a data tree, by the schema: unknown keys, types, ranges. What
 * is wrong is told and left out of the tree, the rest is built, so that one pass tells all.
 */
#ifndef WEFT_MODEL_BUILD_H
#define WEFT_MODEL_BUILD_H

#include "model/diagnostics.h"
#include "model/schema.h"
#include "model/yaml.h"

/* json: RFC 7951: entries of lists in arrays, the module's name at the top. */
struct lyd_node *build_tree(
	struct model *model, struct report *report, const struct yaml_node *root, bool json);

/*
 * Each node built remembers its place (a leaf that of its value, an entry of a list that of
 * its key), and whether something below it was wrong and left out.
 */
struct place build_place(const struct lyd_node *node);
bool build_is_broken(const struct lyd_node *node);

/* "/networks/red/nics/web" and "/leaf" if `leaf` is not NULL. Returns text. */
char *build_path(const struct lyd_node *node, const char *leaf, char *text, size_t size);

#endif
