/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a data tree. */
#include "model/model.h"
#include "model/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct lyd_node *
model_child(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *node;

	if (parent == NULL)
		return NULL;
	LY_LIST_FOR(lyd_child(parent), node)
	if (strcmp(node->schema->name, name) == 0)
		return node;
	return NULL;
}

const struct lyd_node *
model_next(const struct lyd_node *node)
{
	/* libyang keeps instances of one schema node side by side */
	return node->next != NULL && node->next->schema == node->schema ? node->next : NULL;
}

const char *
model_value(const struct lyd_node *leaf)
{
	return lyd_get_value(leaf);
}

const char *
model_text(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *leaf = model_child(parent, name);

	return leaf != NULL ? lyd_get_value(leaf) : NULL;
}

uint64_t
model_number(const struct lyd_node *parent, const char *name, uint64_t otherwise)
{
	const char *text = model_text(parent, name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

bool
model_flag(const struct lyd_node *parent, const char *name, bool otherwise)
{
	const char *text = model_text(parent, name);

	return text != NULL ? strcmp(text, "true") == 0 : otherwise;
}

uint64_t
model_milliseconds(const struct lyd_node *parent, const char *name, uint64_t otherwise)
{
	const char *text = model_text(parent, name);
	uint64_t milliseconds;

	return text != NULL && value_milliseconds(text, &milliseconds) ? milliseconds : otherwise;
}

uint64_t
model_bytes(const struct lyd_node *parent, const char *name, uint64_t otherwise)
{
	const char *text = model_text(parent, name);
	uint64_t bytes;

	return text != NULL && value_bytes(text, &bytes) ? bytes : otherwise;
}

const char *
model_key(const struct lyd_node *entry)
{
	return lyd_get_value(lyd_child(entry));
}

const struct lyd_node *
model_entry(const struct lyd_node *parent, const char *list, const char *key)
{
	const struct lysc_node *schema;
	struct lyd_node *found = NULL;
	char predicate[600];
	char quote = strchr(key, '\'') != NULL ? '"' : '\'';

	if (parent == NULL)
		return NULL;
	schema = lys_find_child(parent->schema, parent->schema->module, list, 0, LYS_LIST, 0);
	/* no key that the schema allows is that long; in an XPath literal one kind of quote is free
	 */
	if (schema == NULL || strlen(key) > 512 || strchr(key, quote) != NULL)
		return NULL;
	snprintf(predicate, sizeof(predicate), "[%s=%c%s%c]", schema_key(schema)->name, quote, key,
		quote);
	lyd_find_sibling_val(lyd_child(parent), schema, predicate, strlen(predicate), &found);
	return found;
}

int
model_parse_mac(const char *text, uint8_t mac[6])
{
	return value_mac(text, mac) ? 0 : -1;
}

int
model_parse_prefix(const char *text, struct weft_prefix *prefix)
{
	return value_address(text, true, prefix) ? 0 : -1;
}

int
model_parse_address(const char *text, struct weft_prefix *address)
{
	return value_address(text, false, address) ? 0 : -1;
}

int
model_parse_hop(const char *text, struct weft_prefix *gateway, const char **port)
{
	return value_hop(text, gateway, port) ? 0 : -1;
}

int
model_parse_range(const char *text, struct weft_prefix range[2])
{
	return value_range(text, range) ? 0 : -1;
}

int
model_parse_octets(const char *text, uint8_t *bytes, unsigned size)
{
	unsigned count = value_octets(text, bytes, size);

	return count > 0 ? (int)count : -1;
}

int
model_parse_endpoint(const char *text, struct weft_prefix *address, uint16_t *port)
{
	return value_endpoint(text, address, port) ? 0 : -1;
}
