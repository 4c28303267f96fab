/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/build.h"

#include "base/name_map.h"
#include "base/nearest.h"
#include "model/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HINT_SIZE 256
#define PATH_SIZE 1024
#define NAME_SIZE 512

struct builder {
	struct model *model;
	struct report *report;
	struct lyd_node *tree;
	bool json;
};

/* ---- what a node remembers: line, column, broken, in the word that libyang leaves to us  */

static void
set_place(struct lyd_node *node, struct place place)
{
	node->priv =
		(void *)((uintptr_t)place.line << 32 | (uintptr_t)(place.column & 0x7fffffff) << 1);
}

struct place
build_place(const struct lyd_node *node)
{
	uintptr_t word = (uintptr_t)node->priv;

	return (struct place){ (unsigned)(word >> 32), (unsigned)word >> 1 };
}

static void
set_broken(struct lyd_node *node)
{
	if (node != NULL)
		node->priv = (void *)((uintptr_t)node->priv | 1);
}

bool
build_is_broken(const struct lyd_node *node)
{
	return ((uintptr_t)node->priv & 1) != 0;
}

static void
put_path(const struct lyd_node *node, char *text, size_t size)
{
	const struct lyd_node *parent = lyd_parent(node);
	size_t used;

	if (parent != NULL)
		put_path(parent, text, size);
	used = strlen(text);
	snprintf(text + used, size - used, "/%s", node->schema->name);
	if (node->schema->nodetype != LYS_LIST)
		return;
	used = strlen(text);
	snprintf(text + used, size - used, "/%s", lyd_get_value(lyd_child(node)));
}

char *
build_path(const struct lyd_node *node, const char *leaf, char *text, size_t size)
{
	size_t used;

	text[0] = '\0';
	if (node != NULL)
		put_path(node, text, size);
	used = strlen(text);
	if (leaf != NULL)
		snprintf(text + used, size - used, "/%s", leaf);
	return text;
}

/* ---- telling ------------------------------------------------------------------------ */

static const char *
kind_name(const struct yaml_node *node)
{
	switch (node->kind) {
	case YAML_NULL:
		return "nothing";
	case YAML_MAP:
		return "a map";
	case YAML_SEQUENCE:
		return "a list";
	default:
		return NULL;
	}
}

/* "not a map", "not 'value'" */
static void
tell_found(const struct yaml_node *node, char *text, size_t size)
{
	const char *kind = kind_name(node);

	if (kind != NULL)
		snprintf(text, size, "%s", kind);
	else if (strlen(node->text) > 80)
		snprintf(text, size, "'%.80s...'", node->text);
	else
		snprintf(text, size, "'%s'", node->text);
}

static void
wrong_value(struct builder *builder, struct lyd_node *parent, const struct lysc_node *leaf,
	const struct yaml_node *node)
{
	char wanted[HINT_SIZE], found[HINT_SIZE], hint[HINT_SIZE], path[PATH_SIZE];
	const char *text = node->kind == YAML_SCALAR ? node->text : "";
	const char *said = NULL;

	schema_describe(schema_type(leaf), text, wanted, sizeof(wanted));
	tell_found(node, found, sizeof(found));
	if (node->kind == YAML_SCALAR)
		said = value_hint(leaf, text, hint, sizeof(hint));
	report_error(builder->report, node->place,
		build_path(parent, leaf->name, path, sizeof(path)), said, "%s: expected %s, not %s",
		leaf->name, wanted, found);
	set_broken(parent);
}

static const char *
known_key_in(const struct builder *builder, const struct lysc_node *schema, const char *key,
	char separator)
{
	const char *end = strchr(key, separator);
	const struct lysc_node *child = NULL;

	if (end == NULL)
		return NULL;
	while ((child = schema_next(builder->model, schema, child)) != NULL)
		if (strlen(child->name) == (size_t)(end - key) &&
			strncmp(child->name, key, (size_t)(end - key)) == 0)
			return child->name;
	return NULL;
}

/* Whether it is plain which key was meant; the hint says it, or what keys there are. */
static bool
guess_key(const struct builder *builder, const struct lysc_node *schema, const char *text,
	char hint[HINT_SIZE])
{
	const struct lysc_node *child = NULL;
	struct nearest nearest = { 0 };
	const char *key;
	size_t used;

	if ((key = known_key_in(builder, schema, text, ':')) != NULL) {
		snprintf(hint, HINT_SIZE, "a blank after the colon: %s: %s", key,
			text + strlen(key) + 1);
		return true;
	}
	if ((key = known_key_in(builder, schema, text, ' ')) != NULL) {
		snprintf(hint, HINT_SIZE, "a colon: %s: %s", key, text + strlen(key) + 1);
		return true;
	}
	nearest.wanted = text;
	while ((child = schema_next(builder->model, schema, child)) != NULL)
		if (!lysc_is_key(child))
			nearest_offer(&nearest, child->name);
	if (nearest.best != NULL) {
		snprintf(hint, HINT_SIZE, "did you mean '%s'?", nearest.best);
		return true;
	}
	used = (size_t)snprintf(hint, HINT_SIZE, "there are:");
	while ((child = schema_next(builder->model, schema, child)) != NULL)
		if (!lysc_is_key(child) && used < HINT_SIZE)
			used += (size_t)snprintf(hint + used, HINT_SIZE - used, " %s", child->name);
	return false;
}

static void
unknown_key(struct builder *builder, struct lyd_node *parent, const struct lysc_node *schema,
	const struct yaml_node *node)
{
	char hint[HINT_SIZE], path[PATH_SIZE];

	if (strcmp(node->key, "<<") == 0)
		return; /* told by the reader */
	if (guess_key(builder, schema, node->key, hint))
		set_broken(parent); /* so that nobody misses what it was to say */
	report_error(builder->report, node->key_place, build_path(parent, NULL, path, sizeof(path)),
		hint, "unknown key '%s'%s%s", node->key, schema != NULL ? " in " : "",
		schema != NULL ? schema->name : "");
}

static void
wrong_shape(struct builder *builder, struct lyd_node *parent, const struct lysc_node *schema,
	const struct yaml_node *node, const char *wanted, const char *hint)
{
	char found[HINT_SIZE], path[PATH_SIZE];

	tell_found(node, found, sizeof(found));
	report_error(builder->report, node->place,
		build_path(parent, schema != NULL ? schema->name : NULL, path, sizeof(path)), hint,
		"%s%sexpected %s, not %s", schema != NULL ? schema->name : "",
		schema != NULL ? ": " : "", wanted, found);
	set_broken(parent);
}

static void
out_of_memory(struct builder *builder)
{
	report_error(builder->report, (struct place){ 0, 0 }, NULL, NULL, "out of memory");
}

/* ---- leaves ------------------------------------------------------------------------- */

static void
build_value(struct builder *builder, struct lyd_node *parent, const struct lysc_node *leaf,
	const struct yaml_node *node)
{
	enum value_kind kind = schema_value_kind(leaf);
	char canonical[VALUE_TEXT_SIZE];
	const char *text = node->text;
	struct lyd_node *new;

	if (node->kind == YAML_REFUSED) {
		set_broken(parent);
		return;
	}
	if (node->kind != YAML_SCALAR) {
		wrong_value(builder, parent, leaf, node);
		return;
	}
	if (kind != VALUE_PLAIN) {
		if (!value_canonical(kind, text, canonical)) {
			wrong_value(builder, parent, leaf, node);
			return;
		}
		text = canonical;
	}
	if (lyd_new_term(parent, NULL, leaf->name, text, 0, &new) != LY_SUCCESS) {
		wrong_value(builder, parent, leaf, node);
		return;
	}
	set_place(new, node->place);
}

static const struct lyd_node *
find_value(const struct lyd_node *parent, const struct lysc_node *leaf, const char *text)
{
	struct lyd_node *found = NULL;

	lyd_find_sibling_val(lyd_child(parent), leaf, text, strlen(text), &found);
	return found;
}

static void
build_leaf_list(struct builder *builder, struct lyd_node *parent, const struct lysc_node *leaf,
	const struct yaml_node *node)
{
	char canonical[VALUE_TEXT_SIZE], path[PATH_SIZE];
	const char *text;

	if (node->kind != YAML_SEQUENCE) {
		build_value(builder, parent, leaf, node);
		return;
	}
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next) {
		text = item->text;
		if (text != NULL && value_canonical(schema_value_kind(leaf), text, canonical))
			text = canonical;
		if (item->kind != YAML_SCALAR || find_value(parent, leaf, text) == NULL) {
			build_value(builder, parent, leaf, item);
			continue;
		}
		report_error(builder->report, item->place,
			build_path(parent, leaf->name, path, sizeof(path)), "remove one",
			"%s: '%s' is here twice", leaf->name, text);
	}
}

/* ---- inner nodes -------------------------------------------------------------------- */

/* A top-level node behind the others; lyd_insert_sibling would walk them all. */
static void
append(struct builder *builder, struct lyd_node *node)
{
	struct lyd_node *first = builder->tree;

	if (first == NULL) {
		builder->tree = node;
		return;
	}
	node->prev = first->prev;
	first->prev->next = node;
	first->prev = node;
}

static void build_members(struct builder *builder, struct lyd_node *parent,
	const struct lysc_node *schema, const struct yaml_node *map);

static void
build_container(struct builder *builder, struct lyd_node *parent, const struct lysc_node *schema,
	const struct yaml_node *node)
{
	struct lyd_node *new;
	char hint[HINT_SIZE];

	if (node->kind != YAML_MAP && node->kind != YAML_NULL) {
		snprintf(hint, sizeof(hint), "write %s: { %s: ... }", schema->name,
			schema_next(builder->model, schema, NULL)->name);
		wrong_shape(builder, parent, schema, node, "a map", hint);
		return;
	}
	if (lyd_new_inner(parent, builder->model->module, schema->name, 0, &new) != LY_SUCCESS) {
		out_of_memory(builder);
		return;
	}
	set_place(new, node->key_place);
	build_members(builder, new, schema, node);
	/* an empty one says nothing, and libyang would give it no defaults; unless that it is
	 * there is what it says */
	if (lyd_child(new) == NULL && !(schema->flags & LYS_PRESENCE)) {
		if (build_is_broken(new))
			set_broken(parent);
		lyd_free_tree(new);
	} else if (parent == NULL) {
		append(builder, new);
	}
}

static void
wrong_key(struct builder *builder, struct lyd_node *parent, const struct lysc_node *list,
	const char *key, struct place place)
{
	const struct lysc_node *leaf = schema_key(list);
	char wanted[HINT_SIZE], hint[HINT_SIZE], path[PATH_SIZE];

	schema_describe(schema_type(leaf), key, wanted, sizeof(wanted));
	report_error(builder->report, place, build_path(parent, list->name, path, sizeof(path)),
		value_hint(leaf, key, hint, sizeof(hint)), "%s: expected %s, not '%.80s'",
		list->name, wanted, key);
	set_broken(parent);
}

/* `seen`: the list's entries so far, by key. */
static void
build_entry(struct builder *builder, struct lyd_node *parent, const struct lysc_node *list,
	const char *key, struct place place, const struct yaml_node *node, struct name_map *seen)
{
	enum value_kind kind = schema_value_kind(schema_key(list));
	char canonical[VALUE_TEXT_SIZE], path[PATH_SIZE];
	struct lyd_node *new;
	const struct lyd_node *first;

	if (kind != VALUE_PLAIN && !value_canonical(kind, key, canonical)) {
		wrong_key(builder, parent, list, key, place);
		return;
	}
	if (kind != VALUE_PLAIN)
		key = canonical;
	first = name_map_get(seen, key);
	if (first != NULL) {
		report_error(builder->report, place,
			build_path(parent, list->name, path, sizeof(path)),
			"remove one, or give it a name of its own",
			"%s: '%s' is here twice; first in line %u", list->name, key,
			build_place(first).line);
		return;
	}
	if (lyd_new_list(parent, builder->model->module, list->name, 0, &new, key) != LY_SUCCESS) {
		wrong_key(builder, parent, list, key, place);
		return;
	}
	set_place(new, place);
	set_place(lyd_child(new), place);
	if (parent == NULL)
		append(builder, new);
	if (name_map_put(seen, lyd_get_value(lyd_child(new)), new) < 0)
		out_of_memory(builder);
	if (node->kind == YAML_SCALAR)
		build_value(builder, new, schema_only_value(list), node);
	else
		build_members(builder, new, list, node);
}

/* A list as people write it: a map from the key to the rest. */
static void
build_map(struct builder *builder, struct lyd_node *parent, const struct lysc_node *list,
	const struct yaml_node *node)
{
	struct name_map seen = { 0 };
	char hint[HINT_SIZE];

	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_MAP) {
		snprintf(hint, sizeof(hint), "write %s: { NAME: { ... } }", list->name);
		wrong_shape(builder, parent, list, node, "a map from names", hint);
		return;
	}
	for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next) {
		if (entry->kind == YAML_REFUSED) {
			set_broken(parent);
			continue;
		}
		if (entry->kind == YAML_MAP || entry->kind == YAML_NULL ||
			(entry->kind == YAML_SCALAR && schema_only_value(list) != NULL)) {
			build_entry(
				builder, parent, list, entry->key, entry->key_place, entry, &seen);
			continue;
		}
		snprintf(hint, sizeof(hint), "write %.63s: { ... }", entry->key);
		wrong_shape(builder, parent, list, entry, "a map", hint);
	}
	name_map_free(&seen);
}

static const struct yaml_node *
member(const struct yaml_node *map, const char *key)
{
	for (const struct yaml_node *node = map->first; node != NULL; node = node->next)
		if (strcmp(node->key, key) == 0)
			return node;
	return NULL;
}

static const char *
member_text(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *node = member(map, key);

	return node != NULL && node->kind == YAML_SCALAR ? node->text : NULL;
}

/* Its two ends in the order of the alphabet: the same link has the same name either way. */
static bool
link_name(const struct yaml_node *map, char *name)
{
	const struct yaml_node *ends = member(map, "ends"), *a, *b, *swap;

	if (ends == NULL || ends->kind != YAML_SEQUENCE || ends->count != 2)
		return false;
	a = ends->first;
	b = a->next;
	if (a->kind != YAML_SCALAR || b->kind != YAML_SCALAR)
		return false;
	if (strcmp(a->text, b->text) > 0)
		swap = a, a = b, b = swap;
	return snprintf(name, NAME_SIZE, "%s~%s", a->text, b->text) < NAME_SIZE;
}

/* What it does: "web ping 10.0.0.11". */
static bool
test_name(const struct yaml_node *map, char *name)
{
	static const char *const kinds[] = { "ping", "tcp", "udp" };
	const char *from = member_text(map, "from"), *to;

	for (unsigned i = 0; from != NULL && i < sizeof(kinds) / sizeof(*kinds); i++)
		if ((to = member_text(map, kinds[i])) != NULL)
			return snprintf(name, NAME_SIZE, "%s %s %s", from, kinds[i], to) <
			       NAME_SIZE;
	return false;
}

/* The name that is written, or made; NULL: neither, what misses has been told. */
static const char *
item_name(struct builder *builder, struct lyd_node *parent, const struct lysc_node *list,
	const struct yaml_node *item, unsigned index, char *memory)
{
	const struct lysc_node *key = schema_key(list);
	const struct yaml_node *node = member(item, key->name);

	if (node != NULL && node->kind != YAML_SCALAR) {
		if (node->kind != YAML_REFUSED)
			wrong_value(builder, parent, key, node);
		return NULL;
	}
	if (node != NULL)
		return node->text;
	if (schema_makes_names(list)) {
		bool made = strcmp(list->name, "links") == 0 ? link_name(item, memory)
							     : test_name(item, memory);

		/* without it the entry is wrong anyway, which is told of its other leaves */
		if (!made || lyd_value_validate(builder->model->context, key, memory,
				     strlen(memory), NULL, NULL, NULL) != LY_SUCCESS)
			snprintf(memory, NAME_SIZE, "unnamed-%u", index);
		return memory;
	}
	wrong_shape(builder, parent, list, item, "an entry with its name", NULL);
	return NULL;
}

static void
build_item(struct builder *builder, struct lyd_node *parent, const struct lysc_node *list,
	const struct yaml_node *item, unsigned index, struct name_map *seen)
{
	const struct yaml_node *key = member(item, schema_key(list)->name);
	char memory[NAME_SIZE];
	const char *name = item_name(builder, parent, list, item, index, memory);

	if (name != NULL)
		build_entry(builder, parent, list, name, key != NULL ? key->place : item->place,
			item, seen);
}

/* A list in an array: RFC 7951, and sequences in YAML. */
static void
build_sequence(struct builder *builder, struct lyd_node *parent, const struct lysc_node *list,
	const struct yaml_node *node)
{
	struct name_map seen = { 0 };
	unsigned index = 0;

	if (node->kind == YAML_NULL)
		return;
	if (node->kind != YAML_SEQUENCE) {
		wrong_shape(builder, parent, list, node, "a list", "write each as - { ... }");
		return;
	}
	for (const struct yaml_node *item = node->first; item != NULL; item = item->next) {
		index++;
		if (item->kind == YAML_MAP)
			build_item(builder, parent, list, item, index, &seen);
		else if (item->kind != YAML_REFUSED)
			wrong_shape(builder, parent, list, item, "a map", NULL);
	}
	name_map_free(&seen);
}

static const struct lysc_node *
find_schema(
	const struct builder *builder, const struct lysc_node *parent, const struct yaml_node *node)
{
	const char *name = node->key;

	/* RFC 7951, section 4: the module's name where it differs from the parent's, and nowhere
	 * else: what had two names could be there twice */
	if (builder->json && parent == NULL) {
		if (strncmp(name, "weft:", 5) != 0)
			return NULL;
		name += 5;
	}
	return *name != '\0' ? schema_child(builder->model, parent, name) : NULL;
}

static void
build_member(struct builder *builder, struct lyd_node *parent, const struct lysc_node *schema,
	const struct yaml_node *node)
{
	switch (schema->nodetype) {
	case LYS_LEAF:
		build_value(builder, parent, schema, node);
		break;
	case LYS_LEAFLIST:
		build_leaf_list(builder, parent, schema, node);
		break;
	case LYS_CONTAINER:
		build_container(builder, parent, schema, node);
		break;
	default:
		if (builder->json || schema_is_sequence(schema))
			build_sequence(builder, parent, schema, node);
		else
			build_map(builder, parent, schema, node);
		break;
	}
}

static void
build_members(struct builder *builder, struct lyd_node *parent, const struct lysc_node *schema,
	const struct yaml_node *map)
{
	bool sequence = schema != NULL && schema->nodetype == LYS_LIST &&
			(builder->json || schema_is_sequence(schema));
	const struct lysc_node *child;

	for (const struct yaml_node *node = map->first; node != NULL; node = node->next) {
		if (node->kind == YAML_REFUSED) {
			set_broken(parent);
			continue;
		}
		child = find_schema(builder, schema, node);
		if (child == NULL || (lysc_is_key(child) && !sequence))
			unknown_key(builder, parent, schema, node);
		else if (!lysc_is_key(child))
			build_member(builder, parent, child, node);
	}
}

struct lyd_node *
build_tree(struct model *model, struct report *report, const struct yaml_node *root, bool json)
{
	struct builder builder = { .model = model, .report = report, .json = json };

	if (root->kind == YAML_REFUSED)
		return NULL;
	if (root->kind != YAML_MAP) {
		wrong_shape(&builder, NULL, NULL, root, "a map with networks, uplinks and system",
			"write networks: { NAME: { ... } }");
		return NULL;
	}
	build_members(&builder, NULL, NULL, root);
	return builder.tree;
}
