/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kinds of objects that weftd tells about (docs/api.md, "State"), and how their leaves
 * look to people: one place for tables, for single objects, help and completion.
 */
#ifndef WEFT_CLI_KINDS_H
#define WEFT_CLI_KINDS_H

#include "cli/table.h"

#include <jansson.h>

#define KIND_COLUMNS 16
#define KIND_FILTERS 6

/* How a leaf's value is written. */
enum leaf_format {
	LEAF_PLAIN,    /* as it is; arrays joined by commas, flags yes and no */
	LEAF_COUNT,    /* 1.2M */
	LEAF_BYTES,    /* 1.2MB */
	LEAF_DURATION, /* seconds */
	LEAF_PERCENT,
	LEAF_STATUS, /* up, degraded, down: coloured */
	LEAF_SUM,    /* of an object's counts */
};

/* A cell made of more than one leaf: malloced text. */
typedef char *(*kind_cell)(const json_t *object, enum style *style);

struct kind_column {
	const char *heading;
	const char *leaf; /* NULL: see cell */
	kind_cell cell;
	const char *only_with; /* shown if some object has this leaf; NULL: always */
};

struct kind {
	const char *name, *one; /* "switches", "switch" */
	const char *summary;
	bool single;  /* one object, no list */
	bool unnamed; /* its objects have no names of their own: NAME is a filter */
	struct kind_column columns[KIND_COLUMNS];
	const char *filters[KIND_FILTERS]; /* options of `show` that are queries of this kind */
	/* Notes under the table about one object; or NULL. */
	void (*notes)(struct table *table, const json_t *object);
};

/* Up to one without a name. */
extern const struct kind kinds[];

/* By either name; NULL: there is none. */
const struct kind *kind_find(const char *name);
const char *kind_nearest(const char *name);

enum leaf_format leaf_format(const char *leaf);
/* Malloced; NULL for null and absent. */
char *leaf_text(const char *leaf, const json_t *value);
enum style leaf_style(const char *leaf, const json_t *value);

/* The table of an array of objects. Elements that are no objects are left out. */
struct table *kind_table(const struct kind *kind, const json_t *list);

/* One object, a leaf a line. */
void kind_print_object(FILE *stream, const json_t *object);

#endif
