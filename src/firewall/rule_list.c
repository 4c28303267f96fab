/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule_list.h"

#include "base/name_map.h"
#include "firewall/rule_order.h"

#include <stdlib.h>
#include <string.h>

/* A rule of the list that is to be. */
struct place {
	struct rule *before; /* the published one of its name, or NULL */
	struct rule *rule;   /* the new one, or `before`; NULL: a copy of it is needed */
};

/* Names that stand for another set: a version of it, or nothing more. */
struct set_change {
	const struct address_set *before, *after;
	bool in_place; /* the classifier has replaced it */
};

/* A rule that stays, with the next versions of its sets. */
struct set_fill {
	struct rule *rule;
	const struct address_set *from_set, *to_set;
};

struct rule_list {
	struct rule_table *table;
	struct classifier *classifier;
	struct rule **rules;
	unsigned count;
	struct name_map names;
	/* wanted and staged */
	bool wanted, staged;
	struct place *places;
	unsigned n_places;
	struct rule **next; /* will be `rules` */
	struct rule **gone; /* published ones that the next list has not */
	unsigned n_gone;
	unsigned n_come;
	struct set_change *set_changes;
	unsigned n_set_changes;
	struct set_fill *set_fills;
	unsigned n_set_fills;
	/* published, to be reclaimed */
	struct rule **replaced;
	unsigned n_replaced;
};

/* ---- life -------------------------------------------------------------------------------------
 */

struct rule_list *
rule_list_create(const struct hash_key *key, struct rule_table *table)
{
	struct rule_list *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return NULL;
	list->table = table;
	list->classifier = classifier_create(key);
	if (list->classifier == NULL) {
		free(list);
		return NULL;
	}
	return list;
}

/* Rules of the next list that are not of the present one. */
static void
free_new(struct rule_list *list)
{
	for (unsigned i = 0; i < list->n_places; i++) {
		struct place *place = &list->places[i];

		if (place->rule == NULL || place->rule == place->before)
			continue;
		if (place->before == NULL && place->rule->id != 0)
			id_pool_give(&list->table->ids, place->rule->id);
		rule_free(place->rule);
	}
}

/* What was wanted and staged is no more. */
static void
forget_next(struct rule_list *list)
{
	free(list->places);
	free(list->next);
	free(list->gone);
	free(list->set_changes);
	free(list->set_fills);
	list->places = NULL;
	list->next = NULL;
	list->gone = NULL;
	list->set_changes = NULL;
	list->set_fills = NULL;
	list->n_places = list->n_gone = list->n_come = 0;
	list->n_set_changes = list->n_set_fills = 0;
	list->wanted = list->staged = false;
}

void
rule_list_undo(struct rule_list *list)
{
	if (list->staged)
		classifier_undo(list->classifier);
	free_new(list);
	forget_next(list);
}

/* An id goes with the last rule of its name. */
static void
free_replaced(struct rule_list *list)
{
	for (unsigned i = 0; i < list->n_replaced; i++) {
		struct rule *rule = list->replaced[i];
		const struct rule *now = name_map_get(&list->names, rule->match.name);

		if (now == NULL || now->id != rule->id)
			id_pool_give(&list->table->ids, rule->id);
		rule_free(rule);
	}
	free(list->replaced);
	list->replaced = NULL;
	list->n_replaced = 0;
}

void
rule_list_free(struct rule_list *list)
{
	if (list == NULL)
		return;
	rule_list_undo(list);
	classifier_free(list->classifier);
	free_replaced(list);
	for (unsigned i = 0; i < list->count; i++) {
		rule_table_remove(list->table, list->rules[i]);
		id_pool_give(&list->table->ids, list->rules[i]->id);
		rule_free(list->rules[i]);
	}
	free(list->rules);
	name_map_free(&list->names);
	free(list);
}

/* ---- wanting ----------------------------------------------------------------------------------
 */

/*
 * The published rule of that name. Most come in the order in which they are: `cursor` is where
 * the last one was found.
 */
static struct rule *
find_before(const struct rule_list *list, const char *name, unsigned *cursor)
{
	for (unsigned i = *cursor; i < list->count && i < *cursor + 2; i++)
		if (strcmp(list->rules[i]->match.name, name) == 0) {
			*cursor = i + 1;
			return list->rules[i];
		}
	return name_map_get(&list->names, name);
}

static int
want_place(struct rule_list *list, struct place *place, const struct weft_rule *match,
	unsigned *cursor, struct weft_error *error)
{
	*place = (struct place){ NULL, NULL };
	if (match->name != NULL)
		place->before = find_before(list, match->name, cursor);
	if (place->before != NULL && rule_same(&place->before->match, match)) {
		place->rule = place->before;
		return 0;
	}
	place->rule = rule_create(match, 0, 0, error);
	return place->rule != NULL ? 0 : -1;
}

/* A rule's name is one of its own. */
static int
check_names(const struct weft_rule *rules, unsigned count, struct weft_error *error)
{
	struct name_map seen = { NULL, 0, 0 };
	int result = 0;

	if (name_map_reserve(&seen, count) < 0)
		return error_memory(error);
	for (unsigned i = 0; i < count && result == 0; i++) {
		if (name_map_get(&seen, rules[i].name) != NULL)
			result = error_set(
				error, EEXIST, "two rules are named \"%s\"", rules[i].name);
		else
			name_map_put(&seen, rules[i].name, &seen);
	}
	name_map_free(&seen);
	return result;
}

/*
 * Names of published rules differ: where the list is in their order, and the new ones are not
 * among them, it has none twice.
 */
static bool
names_may_clash(const struct rule_list *list)
{
	const struct rule *last = NULL;

	for (unsigned i = 0; i < list->n_places; i++) {
		const struct rule *before = list->places[i].before;

		if (before == NULL)
			return true;
		if (last != NULL && before->order <= last->order)
			return true;
		last = before;
	}
	return false;
}

int
rule_list_want(struct rule_list *list, const struct weft_rule *rules, unsigned count,
	struct weft_error *error)
{
	unsigned cursor = 0;

	rule_list_undo(list);
	list->places = malloc((count + 1) * sizeof(*list->places));
	if (list->places == NULL)
		return error_memory(error);
	for (; list->n_places < count; list->n_places++)
		if (want_place(list, &list->places[list->n_places], &rules[list->n_places], &cursor,
			    error) < 0)
			break;
	list->wanted = true;
	if (list->n_places == count &&
		(!names_may_clash(list) || check_names(rules, count, error) == 0))
		return 0;
	rule_list_undo(list);
	return -1;
}

/* Nothing new: the rules that are there. */
static int
want_present(struct rule_list *list)
{
	list->places = malloc((list->count + 1) * sizeof(*list->places));
	if (list->places == NULL)
		return -1;
	for (unsigned i = 0; i < list->count; i++)
		list->places[i] = (struct place){ list->rules[i], list->rules[i] };
	list->n_places = list->count;
	return 0;
}

/* ---- names ------------------------------------------------------------------------------------
 */

struct resolved {
	uint64_t from, to;
	const struct address_set *from_set, *to_set;
	const struct port_set *from_port_set, *to_port_set;
};

static int
resolve_ports(const struct rule_names *names, const struct weft_rule *match,
	const char *const *ports, unsigned count, uint64_t *bits, struct weft_error *error)
{
	*bits = count == 0 ? ~0ull : 0;
	for (unsigned i = 0; i < count; i++) {
		int index = names->port(names->context, ports[i]);

		if (index < 0 || index > RULE_PORTS)
			return error_set(error, ENOENT, "rule \"%s\": there is no port \"%s\"",
				match->name, ports[i]);
		if (index < RULE_PORTS)
			*bits |= 1ull << index;
	}
	return 0;
}

static int
resolve_set(const struct rule_names *names, const struct weft_rule *match, const char *name,
	const struct address_set **set, struct weft_error *error)
{
	*set = NULL;
	if (name == NULL)
		return 0;
	*set = names->set(names->context, name);
	if (*set == NULL)
		return error_set(error, ENOENT, "rule \"%s\": there is no address set \"%s\"",
			match->name, name);
	return 0;
}

static int
resolve_port_set(const struct rule_names *names, const struct weft_rule *match, const char *name,
	const struct port_set **set, struct weft_error *error)
{
	*set = NULL;
	if (name == NULL)
		return 0;
	*set = names->port_set(names->context, name);
	if (*set == NULL)
		return error_set(error, ENOENT, "rule \"%s\": there is no port set \"%s\"",
			match->name, name);
	return 0;
}

static int
resolve_sets(const struct rule_names *names, const struct weft_rule *match,
	struct resolved *resolved, struct weft_error *error)
{
	if (resolve_set(names, match, match->from_set, &resolved->from_set, error) < 0 ||
		resolve_set(names, match, match->to_set, &resolved->to_set, error) < 0 ||
		resolve_port_set(
			names, match, match->from_port_set, &resolved->from_port_set, error) < 0)
		return -1;
	return resolve_port_set(names, match, match->to_port_set, &resolved->to_port_set, error);
}

static int
resolve(const struct rule_names *names, const struct weft_rule *match, struct resolved *resolved,
	struct weft_error *error)
{
	if (resolve_ports(names, match, match->from, match->n_from, &resolved->from, error) < 0 ||
		resolve_ports(names, match, match->to, match->n_to, &resolved->to, error) < 0)
		return -1;
	return resolve_sets(names, match, resolved, error);
}

/* ---- sets that have changed -------------------------------------------------------------------
 */

static void *
room_for_one(void *array, unsigned count, size_t size)
{
	/* as large as the next power of two */
	if (count != 0 && (count & (count - 1)) != 0)
		return array;
	return realloc(array, (count == 0 ? 1 : 2 * (size_t)count) * size);
}

/* Whether the classifier has replaced the set for all rules; -1: no memory. */
static int
replace_set(
	struct rule_list *list, const struct address_set *before, const struct address_set *after)
{
	struct set_change *changes;
	int result;

	if (before == after)
		return 1;
	for (unsigned i = 0; i < list->n_set_changes; i++)
		if (list->set_changes[i].before == before && list->set_changes[i].after == after)
			return list->set_changes[i].in_place;
	changes = room_for_one(list->set_changes, list->n_set_changes, sizeof(*changes));
	if (changes == NULL)
		return -1;
	list->set_changes = changes;
	result = classifier_replace_set(list->classifier, before, after);
	if (result < 0)
		return -1;
	changes[list->n_set_changes++] = (struct set_change){ before, after, result == 0 };
	return result == 0;
}

static int
note_fill(struct rule_list *list, struct rule *rule, const struct resolved *resolved)
{
	struct set_fill *fills = room_for_one(list->set_fills, list->n_set_fills, sizeof(*fills));

	if (fills == NULL)
		return -1;
	list->set_fills = fills;
	fills[list->n_set_fills++] =
		(struct set_fill){ rule, resolved->from_set, resolved->to_set };
	return 0;
}

/* A published rule whose names may stand for something else now. 1: it has to be made anew. */
static int
keep_rule(struct rule_list *list, struct rule *rule, const struct resolved *resolved)
{
	int from, to;

	if (rule->from != resolved->from || rule->to != resolved->to ||
		rule->from_port_set != resolved->from_port_set ||
		rule->to_port_set != resolved->to_port_set)
		return 1;
	if (rule->from_set == resolved->from_set && rule->to_set == resolved->to_set)
		return 0;
	from = replace_set(list, rule->from_set, resolved->from_set);
	to = replace_set(list, rule->to_set, resolved->to_set);
	if (from < 0 || to < 0)
		return -1;
	if (from == 0 || to == 0)
		return 1;
	return note_fill(list, rule, resolved);
}

/* ---- preparing --------------------------------------------------------------------------------
 */

/* Rules that stay: those with the same names, contents and labels. */
static int
keep_rules(struct rule_list *list, const struct rule_names *names, const uint64_t *labels,
	struct weft_error *error)
{
	for (unsigned i = 0; i < list->n_places; i++) {
		struct place *place = &list->places[i];
		struct resolved resolved;
		int result = 1;

		if (place->before == NULL || place->rule != place->before)
			continue;
		if (resolve(names, &place->rule->match, &resolved, error) < 0)
			return -1;
		if (labels[i] == place->before->order)
			result = keep_rule(list, place->rule, &resolved);
		if (result < 0)
			return error_memory(error);
		if (result > 0)
			place->rule = NULL;
	}
	return 0;
}

static int
fill_rule(struct rule_list *list, struct place *place, const struct rule_names *names,
	uint64_t order, struct weft_error *error)
{
	struct resolved resolved;
	struct rule *rule = place->rule;

	if (rule == NULL)
		rule = place->rule = rule_create(&place->before->match, 0, 0, error);
	if (rule == NULL || resolve(names, &rule->match, &resolved, error) < 0)
		return -1;
	rule->id = place->before != NULL ? place->before->id : id_pool_take(&list->table->ids);
	if (rule->id == 0)
		return error_set(error, ENOSPC, "there are too many rules");
	rule->order = order;
	rule->from = resolved.from;
	rule->to = resolved.to;
	rule->from_set = resolved.from_set;
	rule->to_set = resolved.to_set;
	rule->from_port_set = resolved.from_port_set;
	rule->to_port_set = resolved.to_port_set;
	return 0;
}

/* The others are made, and staged. */
static int
add_rules(struct rule_list *list, const struct rule_names *names, const uint64_t *labels,
	struct weft_error *error)
{
	for (unsigned i = 0; i < list->n_places; i++) {
		struct place *place = &list->places[i];

		if (place->rule == NULL || place->rule != place->before) {
			if (fill_rule(list, place, names, labels[i], error) < 0)
				return -1;
			if (classifier_add(list->classifier, place->rule) < 0)
				return error_memory(error);
			list->n_come++;
		}
		list->next[i] = place->rule;
	}
	return name_map_reserve(&list->names, list->n_come) < 0 ? error_memory(error) : 0;
}

/* Published rules that the next list has not; both are in the order of labels, but for moves. */
static int
remove_rules(struct rule_list *list, struct weft_error *error)
{
	struct rule **stay = malloc((list->n_places + 1) * sizeof(struct rule *));
	unsigned n_stay = 0, at = 0;

	if (stay == NULL)
		return error_memory(error);
	for (unsigned i = 0; i < list->n_places; i++)
		if (list->places[i].rule != NULL && list->places[i].rule == list->places[i].before)
			stay[n_stay++] = list->places[i].rule;
	/* what stays has kept its label, and is in their order */
	for (unsigned i = 0; i < list->count; i++) {
		if (at < n_stay && stay[at] == list->rules[i])
			at++;
		else
			list->gone[list->n_gone++] = list->rules[i];
	}
	free(stay);
	for (unsigned i = 0; i < list->n_gone; i++)
		if (classifier_remove(list->classifier, list->gone[i]) < 0)
			return error_memory(error);
	return 0;
}

static uint64_t *
next_labels(const struct rule_list *list)
{
	uint64_t *labels = malloc((list->n_places + 1) * sizeof(*labels));

	if (labels == NULL)
		return NULL;
	for (unsigned i = 0; i < list->n_places; i++)
		labels[i] =
			list->places[i].before != NULL ? list->places[i].before->order : ORDER_NONE;
	if (order_labels(labels, list->n_places) == 0)
		return labels;
	free(labels);
	return NULL;
}

int
rule_list_prepare(struct rule_list *list, const struct rule_names *names, struct weft_error *error)
{
	uint64_t *labels;
	int result = -1;

	if (!list->wanted && want_present(list) < 0)
		return error_memory(error);
	list->staged = true;
	list->next = malloc((list->n_places + 1) * sizeof(struct rule *));
	list->gone = malloc((list->count + 1) * sizeof(struct rule *));
	labels = next_labels(list);
	if (list->next == NULL || list->gone == NULL || labels == NULL)
		error_memory(error);
	else if (keep_rules(list, names, labels, error) == 0 && remove_rules(list, error) == 0 &&
		 add_rules(list, names, labels, error) == 0)
		result = 0;
	free(labels);
	return result;
}

bool
rule_list_differs(const struct rule_list *list)
{
	return list->staged && (list->n_come > 0 || list->n_gone > 0 || list->n_set_fills > 0);
}

/* ---- publishing -------------------------------------------------------------------------------
 */

static void
publish_names(struct rule_list *list)
{
	for (unsigned i = 0; i < list->n_gone; i++) {
		name_map_remove(&list->names, list->gone[i]->match.name);
		rule_table_remove(list->table, list->gone[i]);
	}
	for (unsigned i = 0; i < list->n_places; i++) {
		struct rule *rule = list->places[i].rule;

		if (rule == list->places[i].before)
			continue;
		name_map_put(&list->names, rule->match.name, rule);
		rule_table_put(list->table, rule);
	}
}

void
rule_list_publish(struct rule_list *list)
{
	if (!list->staged)
		return;
	for (unsigned i = 0; i < list->n_set_fills; i++) {
		const struct set_fill *fill = &list->set_fills[i];

		fill->rule->from_set = fill->from_set;
		fill->rule->to_set = fill->to_set;
	}
	publish_names(list);
	classifier_publish(list->classifier);
	free(list->rules);
	list->rules = list->next;
	list->count = list->n_places;
	list->replaced = list->gone;
	list->n_replaced = list->n_gone;
	list->next = NULL;
	list->gone = NULL;
	forget_next(list);
}

void
rule_list_reclaim(struct rule_list *list)
{
	classifier_reclaim(list->classifier);
	free_replaced(list);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

struct classifier *
rule_list_classifier(const struct rule_list *list)
{
	return list->classifier;
}

unsigned
rule_list_count(const struct rule_list *list)
{
	return list->count;
}

const struct rule *
rule_list_at(const struct rule_list *list, unsigned index)
{
	return index < list->count ? list->rules[index] : NULL;
}

const struct rule *
rule_list_find(const struct rule_list *list, const char *name)
{
	return name_map_get(&list->names, name);
}
