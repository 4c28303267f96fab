/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration as RFC 7951 JSON, looked into and edited by paths of RFC 8040, section
 * 3.5.3. What an edit makes of it is judged by the model afterwards: here only shapes and
 * names on the path are.
 *
 * Errors: code ENOENT: no such thing, EEXIST: it is there already, EINVAL: wrong path or body.
 */
#ifndef WEFT_DAEMON_DATA_TREE_H
#define WEFT_DAEMON_DATA_TREE_H

#include "daemon/target.h"
#include "model/schema.h"

#include <jansson.h>

enum data_edit {
	DATA_PUT,   /* create or replace */
	DATA_PATCH, /* merge into what is there (plain patch) */
	DATA_POST,  /* create a child of the target */
	DATA_DELETE,
};

/* Segments of the path behind /restconf/data. */
struct data_path {
	const struct target_segment *segments;
	unsigned count;
};

/* What the path leads to, in a body of its own: {"weft:switches": […]}. depth 0: all of it. A
 * leaf that is not set is its default (RFC 8040, 3.5.4). */
json_t *data_get(const struct model *model, const json_t *root, const struct data_path *path,
	unsigned depth, struct weft_error *error);

/* Edits `root`. 0 or -1. *created: data_get would have failed before; child: malloced, of a POST
 * the segment that leads to what was made, "switches=lan". */
int data_edit(const struct model *model, json_t *root, const struct data_path *path,
	enum data_edit edit, const json_t *body, bool *created, char **child,
	struct weft_error *error);

#endif
