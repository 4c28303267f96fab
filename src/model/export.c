/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration as YAML for people: what is default is left out, small objects take a line. */
#include "model/configuration.h"
#include "model/internet.h"
#include "model/model.h"
#include "model/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINE_WIDTH 92

static void write_flow_members(struct text *text, const struct lyd_node *parent);

/* ---- scalars ------------------------------------------------------------------------ */

static bool
is_word(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Whether it is read back as this text without quotes, wherever it stands. */
static bool
is_plain(const char *value)
{
	size_t length = strlen(value);

	if (length == 0 || (!is_word(value[0]) && value[0] != '/') || value[length - 1] == ':')
		return false;
	if (value[length - 1] == ' ' || strstr(value, ": ") != NULL)
		return false;
	for (const char *at = value; *at != '\0'; at++)
		if (!is_word(*at) && strchr(" ./:+-~=@", *at) == NULL)
			return false;
	return strcasecmp(value, "null") != 0;
}

/* The code point of the UTF-8 character at `at`; libyang has checked that it is one. */
static uint32_t
decode(const unsigned char *at, unsigned *length)
{
	uint32_t code;

	*length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	code = *length == 1 ? at[0] : at[0] & (0x7fu >> *length);
	for (unsigned i = 1; i < *length; i++)
		code = code << 6 | (at[i] & 0x3f);
	return code;
}

static bool
must_escape(uint32_t code)
{
	return code < ' ' || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
	       code == 0xfeff || (code & 0xfffe) == 0xfffe;
}

static void
write_quoted(struct text *text, const char *value)
{
	const unsigned char *at = (const unsigned char *)value;
	unsigned length;

	text_add(text, "\"");
	for (; *at != '\0'; at += length) {
		uint32_t code = decode(at, &length);

		if (code == '"' || code == '\\')
			text_add(text, "\\%c", (char)code);
		else if (code == '\n')
			text_add(text, "\\n");
		else if (code == '\t')
			text_add(text, "\\t");
		else if (must_escape(code))
			text_add(text, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
		else
			text_add_bytes(text, (const char *)at, length);
	}
	text_add(text, "\"");
}

static void
write_scalar(struct text *text, const char *value)
{
	if (is_plain(value))
		text_add(text, "%s", value);
	else
		write_quoted(text, value);
}

/* ---- what is written ---------------------------------------------------------------- */

/* A link's or a test's name that loading makes by itself. */
static bool
is_made_name(const struct lyd_node *entry)
{
	const struct lyd_node *end = model_child(entry, "ends"), *other;
	const char *kinds[] = { "ping", "tcp", "udp" }, *from = model_text(entry, "from"), *to;
	struct text name = { 0 };
	bool same;
	char *made;

	if (end != NULL && (other = model_next(end)) != NULL) {
		bool ordered = strcmp(model_value(end), model_value(other)) <= 0;

		text_add(&name, "%s~%s", model_value(ordered ? end : other),
			model_value(ordered ? other : end));
	}
	for (unsigned i = 0; from != NULL && i < 3; i++)
		if (name.length == 0 && (to = model_text(entry, kinds[i])) != NULL)
			text_add(&name, "%s %s %s", from, kinds[i], to);
	made = text_take(&name);
	same = made != NULL && strcmp(made, model_key(entry)) == 0;
	free(made);
	return same;
}

static bool
is_written(const struct lyd_node *node)
{
	const struct lyd_node *parent = lyd_parent(node);

	if (node->flags & LYD_DEFAULT)
		return false;
	if (!lysc_is_key(node->schema))
		return true;
	return schema_is_sequence(parent->schema) &&
	       !(schema_makes_names(parent->schema) && is_made_name(parent));
}

/* The first written node of the next kind of child after `node`; NULL: no more. */
static const struct lyd_node *
next_kind(const struct lyd_node *node)
{
	const struct lysc_node *schema = node->schema;

	while (node != NULL && (node->schema == schema || !is_written(node)))
		node = node->next;
	return node;
}

static const struct lyd_node *
first_kind(const struct lyd_node *node)
{
	while (node != NULL && !is_written(node))
		node = node->next;
	return node;
}

/* ---- on one line
 * ----------------------------------------------------------------- */

static void
write_values(struct text *text, const struct lyd_node *node)
{
	bool several = model_next(node) != NULL;

	text_add(text, several ? "[" : "");
	for (; node != NULL; node = model_next(node)) {
		write_scalar(text, model_value(node));
		text_add(text, model_next(node) != NULL ? ", " : "");
	}
	text_add(text, several ? "]" : "");
}

static void
write_flow(struct text *text, const struct lyd_node *node)
{
	if (node->schema->nodetype & LYD_NODE_TERM)
		write_values(text, node);
	else
		write_flow_members(text, node);
}

static void
write_flow_members(struct text *text, const struct lyd_node *parent)
{
	const struct lyd_node *node = first_kind(lyd_child(parent)), *next;

	if (node == NULL) {
		text_add(text, "{}");
		return;
	}
	text_add(text, "{ ");
	for (; node != NULL; node = next) {
		next = next_kind(node);
		text_add(text, "%s: ", node->schema->name);
		write_flow(text, node);
		text_add(text, next != NULL ? ", " : " }");
	}
}

static bool
holds_lists(const struct lyd_node *parent)
{
	const struct lyd_node *node = first_kind(lyd_child(parent));

	for (; node != NULL; node = next_kind(node))
		if (node->schema->nodetype == LYS_LIST ||
			(node->schema->nodetype == LYS_CONTAINER && holds_lists(node)))
			return true;
	return false;
}

/* ---- on lines of their own
 * ------------------------------------------------------- */

static void write_members(struct text *text, const struct lyd_node *first, int indent);

/* Behind "KEY:": on the line if it fits, else below. */
static void
write_object(struct text *text, const struct lyd_node *node, int indent, size_t key_length)
{
	struct text line = { 0 };
	bool fits = false;

	if (!holds_lists(node)) {
		write_flow_members(&line, node);
		fits = (size_t)indent + key_length + line.length <= LINE_WIDTH;
		text->failed |= line.failed;
	}
	if (fits) {
		text_add(text, " ");
		text_add_bytes(text, line.bytes, line.length);
		text_add(text, "\n");
	} else {
		text_add(text, "\n");
		write_members(text, lyd_child(node), indent + 2);
	}
	text_free(&line);
}

static void
write_list(struct text *text, const struct lyd_node *entry, int indent)
{
	bool sequence = schema_is_sequence(entry->schema);

	text_add(text, "\n");
	for (; entry != NULL; entry = model_next(entry)) {
		size_t before = text->length;

		if (sequence) {
			text_add(text, "%*s- ", indent, "");
			write_flow_members(text, entry);
			text_add(text, "\n");
			continue;
		}
		text_add(text, "%*s", indent, "");
		write_scalar(text, model_key(entry));
		text_add(text, ":");
		if (schema_only_value(entry->schema) != NULL &&
			model_text(entry, "value") != NULL) {
			text_add(text, " ");
			write_scalar(text, model_text(entry, "value"));
			text_add(text, "\n");
			continue;
		}
		write_object(text, entry, indent, text->length - before);
	}
}

/* first: the first of the siblings, written or not. */
static void
write_members(struct text *text, const struct lyd_node *first, int indent)
{
	const struct lyd_node *node = first_kind(first);

	for (; node != NULL; node = next_kind(node)) {
		text_add(text, "%*s%s:", indent, "", node->schema->name);
		if (node->schema->nodetype == LYS_LIST) {
			write_list(text, node, indent + 2);
		} else if (node->schema->nodetype == LYS_CONTAINER) {
			write_object(text, node, indent, strlen(node->schema->name) + 1);
		} else {
			text_add(text, " ");
			write_values(text, node);
			text_add(text, "\n");
		}
	}
}

char *
configuration_to_yaml(const struct configuration *configuration)
{
	const struct lyd_node *tree = configuration->tree;
	struct lyd_node *copy = NULL;
	struct text text = { 0 };

	if (internet_is_in(configuration_child(configuration, "networks"))) {
		tree = copy = internet_without(tree);
		if (copy == NULL)
			return NULL;
	}
	if (first_kind(tree) == NULL)
		text_add(&text, "{}\n");
	else
		write_members(&text, tree, 0);
	lyd_free_all(copy);
	return text_take(&text);
}
