/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/data_tree.h"

#include "base/error.h"
#include "base/nearest.h"
#include "model/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "weft:"
#define MEMBER_SIZE 80

/* Where a path leads. */
struct place {
	const struct lysc_node *schema; /* NULL: the root */
	json_t *object;                 /* that has the member */
	char member[MEMBER_SIZE];       /* "weft:networks" at the top, "switches" below */
	const char *key;                /* of an entry of a list; NULL: the whole node */
	json_t *node;                   /* NULL: it is not there */
};

static const char *
without_prefix(const char *name)
{
	return strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0 ? name + sizeof(PREFIX) - 1 : name;
}

/* ---- names and keys ---------------------------------------------------------------------------
 */

static int
no_such_name(const struct model *model, const struct lysc_node *parent, const char *name,
	struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	const struct lysc_node *node = NULL;

	while ((node = schema_next(model, parent, node)) != NULL)
		nearest_offer(&nearest, node->name);
	return error_set(error, ENOENT, "%s has no '%s'%s%s%s",
		parent != NULL ? parent->name : "the configuration", name,
		nearest.best != NULL ? "; did you mean '" : "",
		nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "'?" : "");
}

static bool
same_key(const struct lysc_node *list, const char *a, const char *b)
{
	enum value_kind kind = schema_value_kind(schema_key(list));
	char first[VALUE_TEXT_SIZE], second[VALUE_TEXT_SIZE];

	if (kind == VALUE_PLAIN)
		return strcmp(a, b) == 0;
	return value_canonical(kind, a, first) && value_canonical(kind, b, second) &&
	       strcmp(first, second) == 0;
}

static const char *
key_of(const struct lysc_node *list, const json_t *entry)
{
	const char *name = schema_key(list)->name, *key;
	char prefixed[MEMBER_SIZE];

	key = json_string_value(json_object_get(entry, name));
	if (key != NULL)
		return key;
	snprintf(prefixed, sizeof(prefixed), PREFIX "%s", name);
	return json_string_value(json_object_get(entry, prefixed));
}

/* Its index; the array's size: it is not there. */
static size_t
find_entry(const struct lysc_node *list, const json_t *array, const char *key)
{
	size_t i;
	json_t *entry;

	json_array_foreach((json_t *)array, i, entry)
	{
		const char *own = key_of(list, entry);

		if (own != NULL && same_key(list, own, key))
			return i;
	}
	return json_array_size(array);
}

/* ---- walking a path ---------------------------------------------------------------------------
 */

static void
look_at_member(struct place *place)
{
	place->node = json_object_get(place->object, place->member);
	if (place->key != NULL)
		place->node = json_array_get(
			place->node, find_entry(place->schema, place->node, place->key));
}

static int
which_one(const struct lysc_node *list, struct weft_error *error)
{
	return error_set(error, EINVAL, "which of the %s? write %s=NAME", list->name, list->name);
}

/* One segment down from where place->node is. */
static int
step(const struct model *model, struct place *place, const struct target_segment *segment,
	struct weft_error *error)
{
	const struct lysc_node *parent = place->schema;
	const char *name = without_prefix(segment->name);
	const struct lysc_node *schema;

	if (parent == NULL && name == segment->name)
		return error_set(error, ENOENT,
			"a path begins with a name of the module weft: "
			"weft:%.60s",
			name);
	if (parent != NULL && parent->nodetype == LYS_LIST && place->key == NULL)
		return which_one(parent, error);
	schema = parent == NULL || parent->nodetype & (LYS_LIST | LYS_CONTAINER)
			 ? schema_child(model, parent, name)
			 : NULL;
	if (schema == NULL)
		return no_such_name(model, parent, name, error);
	if (segment->key != NULL && schema->nodetype != LYS_LIST)
		return error_set(
			error, EINVAL, "'%s' is no list: it has no '%s'", name, segment->key);
	place->object = place->node;
	place->schema = schema;
	place->key = segment->key;
	snprintf(place->member, sizeof(place->member), "%s%s", parent == NULL ? PREFIX : "",
		schema->name);
	look_at_member(place);
	return 0;
}

static int
missing(const struct place *place, struct weft_error *error)
{
	struct nearest nearest = { .wanted = place->key };
	json_t *entry;
	size_t i;

	if (place->key == NULL)
		return error_set(error, ENOENT, "%s is not set", place->schema->name);
	json_array_foreach(json_object_get(place->object, place->member), i, entry)
	{
		const char *key = key_of(place->schema, entry);

		if (key != NULL)
			nearest_offer(&nearest, key);
	}
	return error_set(error, ENOENT, "there is no '%.100s' among the %s%s%s%s", place->key,
		place->schema->name, nearest.best != NULL ? "; did you mean '" : "",
		nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "'?" : "");
}

/*
 * Whether the place is there, written or not: a container is (RFC 7950, 7.5.1), a leaf that has
 * a default (7.6.1), a list or leaf-list as a whole, which may be empty.
 */
static bool
is_there(const struct model *model, const struct place *place)
{
	if (place->node != NULL)
		return true;
	if (place->key != NULL)
		return false;
	return place->schema->nodetype != LYS_LEAF || schema_default(model, place->schema) != NULL;
}

/* Before a step down from the place. */
static int
enter(struct place *place, bool make, struct weft_error *error)
{
	if (place->node != NULL)
		return 0;
	if (place->schema->nodetype == LYS_CONTAINER) {
		if (make) {
			json_object_set_new(place->object, place->member, json_object());
			look_at_member(place);
		}
		return 0;
	}
	if (place->schema->nodetype == LYS_LIST && place->key == NULL)
		return which_one(place->schema, error);
	return missing(place, error);
}

/*
 * Walks the whole path. A container that is not written is there all the same (RFC 7950,
 * 7.5.1): with `make` it is put in, else the way goes on with nothing in it.
 */
static int
walk(const struct model *model, json_t *root, const struct data_path *path, bool make,
	struct place *place, struct weft_error *error)
{
	*place = (struct place){ .node = root };
	for (unsigned i = 0; i < path->count; i++) {
		if (i > 0 && enter(place, make, error) < 0)
			return -1;
		if (step(model, place, &path->segments[i], error) < 0)
			return -1;
	}
	return 0;
}

/* ---- getting ----------------------------------------------------------------------------------
 */

static bool
has_objects(const json_t *node)
{
	return json_is_object(node) ||
	       (json_is_array(node) && json_is_object(json_array_get(node, 0)));
}

/* A deep copy of so many levels (RFC 8040, 4.8.2); 0: of all. */
static json_t *
copy_levels(const json_t *node, unsigned depth)
{
	json_t *copy, *value;
	const char *name;
	size_t i;

	if (depth == 0 || !has_objects(node))
		return json_deep_copy(node);
	if (json_is_array(node)) {
		copy = json_array();
		json_array_foreach((json_t *)node, i, value)
			json_array_append_new(copy, copy_levels(value, depth));
		return copy;
	}
	copy = json_object();
	json_object_foreach((json_t *)node, name, value) if (depth > 1 || !has_objects(value))
		json_object_set_new(copy, name,
			has_objects(value) ? copy_levels(value, depth - 1) : json_deep_copy(value));
	return copy;
}

/* As RFC 7951 writes the type; the model has no numbers of 64 bits, which would be strings. */
static json_t *
default_value(const struct model *model, const struct lysc_node *leaf)
{
	const char *text = schema_default(model, leaf);

	switch (schema_type(leaf)->basetype) {
	case LY_TYPE_UINT8:
	case LY_TYPE_UINT16:
	case LY_TYPE_UINT32:
		return json_integer(strtoll(text, NULL, 10));
	case LY_TYPE_BOOL:
		return json_boolean(strcmp(text, "true") == 0);
	default:
		return json_string(text);
	}
}

/* Of a place that is there, but not written. */
static json_t *
unwritten_value(const struct model *model, const struct lysc_node *schema)
{
	if (schema->nodetype == LYS_LEAF)
		return default_value(model, schema);
	return schema->nodetype == LYS_CONTAINER ? json_object() : json_array();
}

json_t *
data_get(const struct model *model, const json_t *root, const struct data_path *path,
	unsigned depth, struct weft_error *error)
{
	struct place place;
	char member[MEMBER_SIZE + sizeof(PREFIX)];
	json_t *value;

	if (path->count == 0)
		return json_pack("{so}", "ietf-restconf:data", copy_levels(root, depth));
	if (walk(model, (json_t *)root, path, false, &place, error) < 0)
		return NULL;
	if (!is_there(model, &place)) {
		missing(&place, error);
		return NULL;
	}
	value = place.node != NULL ? copy_levels(place.node, depth)
				   : unwritten_value(model, place.schema);
	if (place.key != NULL)
		value = json_pack("[o]", value);
	snprintf(member, sizeof(member), PREFIX "%s", place.schema->name);
	return json_pack("{so}", member, value);
}

/* ---- editing ----------------------------------------------------------------------------------
 */

static void merge(
	const struct model *model, const struct lysc_node *schema, json_t *to, const json_t *from);

static void
merge_list(
	const struct model *model, const struct lysc_node *schema, json_t *to, const json_t *from)
{
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)from, i, entry)
	{
		const char *key = json_is_object(entry) ? key_of(schema, entry) : NULL;
		json_t *own = key != NULL ? json_array_get(to, find_entry(schema, to, key)) : NULL;

		if (own != NULL)
			merge(model, schema, own, entry);
		else
			json_array_append_new(to, json_deep_copy(entry));
	}
}

static void
merge_leaf_list(json_t *to, const json_t *from)
{
	json_t *value, *own;
	size_t i, j;

	json_array_foreach((json_t *)from, i, value)
	{
		bool found = false;

		json_array_foreach(to, j, own) found = found || json_equal(own, value);
		if (!found)
			json_array_append_new(to, json_deep_copy(value));
	}
}

static void
merge_member(const struct model *model, const struct lysc_node *parent, json_t *to,
	const char *name, const json_t *value)
{
	const struct lysc_node *schema = schema_child(model, parent, without_prefix(name));
	const char *member = parent == NULL ? name : without_prefix(name);
	json_t *own = json_object_get(to, member);

	if (schema != NULL && schema->nodetype == LYS_LIST && json_is_array(own) &&
		json_is_array(value))
		merge_list(model, schema, own, value);
	else if (schema != NULL && schema->nodetype == LYS_LEAFLIST && json_is_array(own) &&
		 json_is_array(value))
		merge_leaf_list(own, value);
	else if (schema != NULL && schema->nodetype == LYS_CONTAINER && json_is_object(own) &&
		 json_is_object(value))
		merge(model, schema, own, value);
	else
		json_object_set_new(to, member, json_deep_copy(value));
}

/* Of what schema describes: schema NULL: the root. */
static void
merge(const struct model *model, const struct lysc_node *schema, json_t *to, const json_t *from)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)from, name, value)
		merge_member(model, schema, to, name, value);
}

/* The only member of a body, which must be that of the schema's node; NULL: it is not. */
static const json_t *
unwrap(const struct lysc_node *schema, const json_t *body, struct weft_error *error)
{
	void *iterator = json_object_iter((json_t *)body);

	if (iterator != NULL && json_object_size(body) == 1 &&
		strcmp(without_prefix(json_object_iter_key(iterator)), schema->name) == 0)
		return json_object_iter_value(iterator);
	error_set(error, EINVAL, "the body is to be an object with one member, weft:%s",
		schema->name);
	return NULL;
}

/* An entry in a body: [{…}] (RFC 7951) or {…}, with the key of the path. Borrowed. */
static const json_t *
unwrap_entry(
	const struct place *place, const json_t *value, json_t **filled, struct weft_error *error)
{
	const json_t *entry = json_is_array(value) ? json_array_get(value, 0) : value;
	const char *key;

	*filled = NULL;
	if (!json_is_object(entry) || (json_is_array(value) && json_array_size(value) != 1)) {
		error_set(
			error, EINVAL, "the body is to hold one entry of %s", place->schema->name);
		return NULL;
	}
	key = key_of(place->schema, entry);
	if (key != NULL && same_key(place->schema, key, place->key))
		return entry;
	if (key != NULL) {
		error_set(error, EINVAL, "the body is about '%s', the path about '%s'", key,
			place->key);
		return NULL;
	}
	*filled = json_deep_copy(entry);
	json_object_set_new(*filled, schema_key(place->schema)->name, json_string(place->key));
	return *filled;
}

static void
set_entry(struct place *place, const json_t *entry)
{
	json_t *array = json_object_get(place->object, place->member);

	if (!json_is_array(array)) {
		array = json_array();
		json_object_set_new(place->object, place->member, array);
	}
	if (place->node != NULL)
		json_array_set_new(
			array, find_entry(place->schema, array, place->key), json_deep_copy(entry));
	else
		json_array_append_new(array, json_deep_copy(entry));
}

static int
edit_entry(const struct model *model, struct place *place, enum data_edit edit, const json_t *value,
	struct weft_error *error)
{
	json_t *filled;
	const json_t *entry = unwrap_entry(place, value, &filled, error);

	if (entry == NULL)
		return -1;
	if (edit == DATA_PATCH)
		merge(model, place->schema, place->node, entry);
	else
		set_entry(place, entry);
	json_decref(filled);
	return 0;
}

/* PUT and PATCH. */
static int
edit_place(const struct model *model, struct place *place, enum data_edit edit, const json_t *body,
	struct weft_error *error)
{
	const json_t *value = unwrap(place->schema, body, error);

	if (value == NULL)
		return -1;
	/* RFC 8040, 4.6: it is not made */
	if (edit == DATA_PATCH && !is_there(model, place))
		return missing(place, error);
	if (place->key != NULL)
		return edit_entry(model, place, edit, value, error);
	if (edit == DATA_PATCH) {
		char name[MEMBER_SIZE + sizeof(PREFIX)];

		snprintf(name, sizeof(name), "%s", place->member);
		merge_member(model, place->schema->parent, place->object, name, value);
	} else {
		json_object_set_new(place->object, place->member, json_deep_copy(value));
	}
	return 0;
}

static int
remove_place(struct place *place, struct weft_error *error)
{
	json_t *array;

	if (place->node == NULL)
		return missing(place, error);
	if (place->key == NULL) {
		json_object_del(place->object, place->member);
		return 0;
	}
	array = json_object_get(place->object, place->member);
	json_array_remove(array, find_entry(place->schema, array, place->key));
	if (json_array_size(array) == 0)
		json_object_del(place->object, place->member);
	return 0;
}

/* Characters that a key may have in a path as they are (RFC 3986, 2.3). */
static char *
encode_segment(const char *name, const char *key)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.~";
	char *text = malloc(strlen(name) + 2 + (key != NULL ? strlen(key) * 3 : 0)), *at;

	if (text == NULL)
		return NULL;
	at = text + sprintf(text, "%s%s", name, key != NULL ? "=" : "");
	for (; key != NULL && *key != '\0'; key++)
		if (strchr(plain, *key) != NULL)
			*at++ = *key;
		else
			at += sprintf(at, "%%%02X", (unsigned char)*key);
	*at = '\0';
	return text;
}

/* A child of `place`, that must not be there yet. */
static int
create_child(const struct model *model, struct place *place, const json_t *body, char **child,
	struct weft_error *error)
{
	void *iterator = json_object_iter((json_t *)body);
	struct place inner = *place;
	struct target_segment segment = { 0 };
	const json_t *value, *entry;

	if (iterator == NULL || json_object_size(body) != 1)
		return error_set(error, EINVAL,
			"the body is to be an object with one member: what is to be created");
	segment.name = (char *)(uintptr_t)json_object_iter_key(iterator);
	value = json_object_iter_value(iterator);
	if (step(model, &inner, &segment, error) < 0)
		return -1;
	if (inner.schema->nodetype == LYS_LIST) {
		entry = json_is_array(value) ? json_array_get(value, 0) : value;
		inner.key = json_is_object(entry) ? key_of(inner.schema, entry) : NULL;
		if (inner.key == NULL)
			return error_set(error, EINVAL, "an entry of %s needs its %s",
				inner.schema->name, schema_key(inner.schema)->name);
		look_at_member(&inner);
	}
	if (inner.node != NULL)
		return error_set(error, EEXIST, "%s%s%s is there already", inner.schema->name,
			inner.key != NULL ? " " : "", inner.key != NULL ? inner.key : "");
	*child = encode_segment(inner.member, inner.key);
	return edit_place(model, &inner, DATA_PUT, body, error);
}

int
data_edit(const struct model *model, json_t *root, const struct data_path *path,
	enum data_edit edit, const json_t *body, bool *created, char **child,
	struct weft_error *error)
{
	struct place place;

	*created = false;
	*child = NULL;
	if (path->count == 0 && edit != DATA_POST && edit != DATA_PATCH)
		return error_set(error, EINVAL,
			"the whole is replaced by the operation weft:apply, not here");
	if (walk(model, root, path, edit != DATA_DELETE, &place, error) < 0)
		return -1;
	if (path->count == 0 && edit == DATA_PATCH) {
		merge(model, NULL, root, body);
		return 0;
	}
	if (edit == DATA_DELETE)
		return remove_place(&place, error);
	*created = edit == DATA_POST || (edit == DATA_PUT && !is_there(model, &place));
	if (edit != DATA_POST)
		return edit_place(model, &place, edit, body, error);
	if (place.schema != NULL && place.schema->nodetype == LYS_CONTAINER && place.node == NULL) {
		json_object_set_new(place.object, place.member, json_object());
		look_at_member(&place);
	}
	if (place.node == NULL)
		return missing(&place, error);
	return create_child(model, &place, body, child, error);
}
