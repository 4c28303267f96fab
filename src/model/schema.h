/* SPDX-License-Identifier: BSD-3-Clause */
/* The YANG modules, loaded, and what they say of one node. */
#ifndef WEFT_MODEL_SCHEMA_H
#define WEFT_MODEL_SCHEMA_H

#include <libyang/libyang.h>
#include <weft/weft.h>

/* The modules' text, built into the library (yang/embed.py); ends with name NULL. */
struct schema_file {
	const char *name, *text;
};
extern const struct schema_file schema_files[];

struct model {
	struct ly_ctx *context;
	const struct lys_module *module;
};

/* What the typedef of a leaf means beyond what YANG can say. */
enum value_kind {
	VALUE_PLAIN,
	VALUE_DURATION,
	VALUE_SIZE,
	VALUE_MAC,
	VALUE_ADDRESS,
	VALUE_PREFIX,
	VALUE_NETWORK, /* a prefix without host bits */
	VALUE_MATCH,   /* the same, or an address */
	VALUE_PORTS,   /* a port, or a range */
	VALUE_MAC_MATCH,
	VALUE_RANGE, /* of IPv4 addresses */
	VALUE_HOP,
	VALUE_ENDPOINT,
	VALUE_VLANS,
};

/* parent NULL: the top level. */
const struct lysc_node *schema_child(
	const struct model *model, const struct lysc_node *parent, const char *name);
/* The next of the children, in the modules' order; after NULL: the first. */
const struct lysc_node *schema_next(
	const struct model *model, const struct lysc_node *parent, const struct lysc_node *after);
enum value_kind schema_value_kind(const struct lysc_node *leaf);
const struct lysc_type *schema_type(const struct lysc_node *leaf);
/* The value of a leaf that is not set; NULL: it has none then. */
const char *schema_default(const struct model *model, const struct lysc_node *leaf);
/* The only key of a list. */
const struct lysc_node *schema_key(const struct lysc_node *list);
/* Written as a sequence in YAML: its order counts, or: */
bool schema_is_sequence(const struct lysc_node *list);
/* Names may be left out: links, tests. */
bool schema_makes_names(const struct lysc_node *list);
/* Of a list whose entries have one leaf, `value`, beside their key: that leaf, which YAML writes
 * behind the key. NULL: it is another list. */
const struct lysc_node *schema_only_value(const struct lysc_node *list);
/* "a number from 68 to 65521", "one of sleep, busy". */
void schema_describe(const struct lysc_type *type, const char *value, char *text, size_t size);

#endif
