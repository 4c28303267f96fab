/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/plan_leaf.h"

#include "model/text.h"

#include <stdlib.h>
#include <string.h>

#define VALUES_SHOWN 100 /* of a leaf-list */
#define ENTRIES_SHOWN 50 /* of an ordered list */

void
plan_add_leaf(struct plan_item *item, char *name, char *before, char *after, bool *failed)
{
	struct plan_leaf *leaves =
		realloc(item->leaves, (item->n_leaves + 1) * sizeof(*item->leaves));

	if (leaves == NULL || name == NULL) {
		*failed = true;
		free(name);
		free(before);
		free(after);
	}
	if (leaves == NULL)
		return;
	item->leaves = leaves;
	if (name != NULL)
		leaves[item->n_leaves++] = (struct plan_leaf){ name, before, after };
}

/* ---- leaf-lists --------------------------------------------------------------------------------
 */

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static unsigned
count_values(const struct lyd_node *first)
{
	unsigned count = 0;

	for (const struct lyd_node *node = first; node != NULL; node = model_next(node))
		count++;
	return count;
}

char *
plan_join(const struct lyd_node *first)
{
	struct text text = { 0 };
	const struct lyd_node *node;
	const char **values = malloc(count_values(first) * sizeof(*values));
	unsigned count = 0;

	if (values == NULL)
		return NULL;
	for (node = first; node != NULL; node = model_next(node))
		values[count++] = lyd_get_value(node);
	if (!(first->schema->flags & LYS_ORDBY_USER))
		qsort(values, count, sizeof(*values), compare_texts);
	for (unsigned i = 0; i < count; i++)
		text_add(&text, "%s%s", i > 0 ? ", " : "", values[i]);
	free(values);
	return text_take(&text);
}

char *
plan_leaf_text(const struct lyd_node *node)
{
	struct text text = { 0 };
	unsigned count;

	if (node->schema->nodetype != LYS_LEAFLIST)
		return strdup(lyd_get_value(node));
	count = count_values(node);
	if (count <= VALUES_SHOWN)
		return plan_join(node);
	text_add(&text, "%u values", count);
	return text_take(&text);
}

/* ---- ordered lists -----------------------------------------------------------------------------
 */

static char *entry_text(const struct lyd_node *entry);

/* A leaf's, or of what has leaves "{ connections: 10 }". */
static char *
value_text(const struct lyd_node *node)
{
	struct text text = { 0 };
	char *inner;

	if (node->schema->nodetype & LYD_NODE_TERM)
		return plan_leaf_text(node);
	inner = entry_text(node);
	text_add(&text, *(inner != NULL ? inner : "") != '\0' ? "{ %s }" : "{}",
		inner != NULL ? inner : "");
	text.failed |= inner == NULL;
	free(inner);
	return text_take(&text);
}

/* What an entry says: "accept: tcp, from: out, to-port: 80". */
static char *
entry_text(const struct lyd_node *entry)
{
	const struct lyd_node *node = lyd_child(entry), *last = NULL;
	struct text text = { 0 };

	for (; node != NULL; node = node->next) {
		char *value;

		if (lysc_is_key(node->schema) || (node->flags & LYD_DEFAULT) ||
			(last != NULL && last->schema == node->schema))
			continue;
		value = value_text(node);
		text_add(&text, "%s%s: %s", last != NULL ? ", " : "", node->schema->name,
			value != NULL ? value : "");
		text.failed |= value == NULL;
		free(value);
		last = node;
	}
	return text_take(&text);
}

static bool
same_entry(const struct lyd_node *a, const struct lyd_node *b)
{
	return lyd_compare_single(a, b, LYD_COMPARE_FULL_RECURSION | LYD_COMPARE_DEFAULTS) ==
	       LY_SUCCESS;
}

struct ordered {
	struct plan_item *item;
	const char *list;
	const struct lyd_node *before, *after;
	unsigned told, more;
	bool *failed;
};

static void
tell(struct ordered *ordered, const char *key, char *before, char *after)
{
	struct text name = { 0 };

	text_add(&name, "%s/%s", ordered->list, key);
	plan_add_leaf(ordered->item, text_take(&name), before, after, ordered->failed);
}

static void
tell_entry(struct ordered *ordered, const struct lyd_node *before, const struct lyd_node *after)
{
	if (ordered->told++ >= ENTRIES_SHOWN) {
		ordered->more++;
		return;
	}
	tell(ordered, model_key(after != NULL ? after : before),
		before != NULL ? entry_text(before) : NULL,
		after != NULL ? entry_text(after) : NULL);
}

/* Whether those that are in both are in another order. */
static bool
is_reordered(const struct ordered *ordered)
{
	const struct lyd_node *a = model_child(ordered->before, ordered->list);
	const struct lyd_node *b = model_child(ordered->after, ordered->list);

	for (;;) {
		while (a != NULL &&
			model_entry(ordered->after, ordered->list, model_key(a)) == NULL)
			a = model_next(a);
		while (b != NULL &&
			model_entry(ordered->before, ordered->list, model_key(b)) == NULL)
			b = model_next(b);
		if (a == NULL || b == NULL)
			return false;
		if (strcmp(model_key(a), model_key(b)) != 0)
			return true;
		a = model_next(a);
		b = model_next(b);
	}
}

/* A new object's are told by their number alone. */
static void
tell_number(struct ordered *ordered, const struct lyd_node *first)
{
	struct text name = { 0 }, text = { 0 };

	text_add(&name, "%s", ordered->list);
	text_add(&text, "%u", count_values(first));
	plan_add_leaf(ordered->item, text_take(&name), NULL, text_take(&text), ordered->failed);
}

void
plan_compare_ordered(struct plan_item *item, const char *list, const struct lyd_node *before,
	const struct lyd_node *after, bool *failed)
{
	struct ordered ordered = { item, list, before, after, 0, 0, failed };
	const struct lyd_node *entry = model_child(after, list), *other;

	if (before == NULL) {
		if (entry != NULL)
			tell_number(&ordered, entry);
		return;
	}
	for (; entry != NULL; entry = model_next(entry)) {
		other = model_entry(before, list, model_key(entry));
		if (other == NULL || !same_entry(other, entry))
			tell_entry(&ordered, other, entry);
	}
	for (entry = model_child(before, list); entry != NULL; entry = model_next(entry))
		if (model_entry(after, list, model_key(entry)) == NULL)
			tell_entry(&ordered, entry, NULL);
	if (ordered.more > 0) {
		struct text text = { 0 };

		text_add(&text, "%u more differ", ordered.more);
		tell(&ordered, "...", NULL, text_take(&text));
	}
	if (is_reordered(&ordered))
		/* no entry has such a name */
		tell(&ordered, "(order)", strdup("as it was"), strdup("another"));
}
