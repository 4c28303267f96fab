/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * YAML (and JSON) text to a tree of maps, sequences and scalars, each with its place.
 *
 * What a configuration does not need is refused: anchors, aliases, merge keys, tags, several
 * documents, keys that are no scalars. Bounded: length of the text, number of values, depth.
 */
#ifndef WEFT_MODEL_YAML_H
#define WEFT_MODEL_YAML_H

#include "model/arena.h"
#include "model/diagnostics.h"

#define YAML_LENGTH_LIMIT (32u << 20)
#define YAML_NODES_LIMIT (2u << 20)
#define YAML_DEPTH_LIMIT 24

enum yaml_kind {
	YAML_NULL, /* nothing, ~ or null */
	YAML_SCALAR,
	YAML_MAP,
	YAML_SEQUENCE,
	YAML_REFUSED, /* has been told already */
};

struct yaml_node {
	enum yaml_kind kind;
	const char *text; /* SCALAR; no NUL inside */
	struct place place;
	const char *key; /* of a map's member */
	struct place key_place;
	struct yaml_node *first, *next;
	struct yaml_node *last;
	unsigned count; /* of members */
};

struct yaml {
	struct yaml_node *root; /* NULL: nothing in the text, or no YAML */
	struct arena memory;
	unsigned nodes;
};

/* What is wrong goes to the report; returns false if the tree cannot be used at all. */
bool yaml_read(struct yaml *yaml, struct report *report, bool json);
void yaml_free(struct yaml *yaml);

#endif
