/* SPDX-License-Identifier: BSD-3-Clause */
/* Staging, publishing and what comes after. */
#include "firewall/classifier_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory that readers may have -------------------------------------------------------------
 */

void
classifier_retire(struct classifier *classifier, struct retired *memory)
{
	memory->next = classifier->retired;
	memory->version = classifier->version;
	classifier->retired = memory;
}

/* What was out of reach before the last publication, whose grace period is over. */
static void
free_retired(struct classifier *classifier)
{
	struct retired **at = &classifier->retired;

	while (*at != NULL) {
		struct retired *memory = *at;

		if (memory->version >= classifier->version) {
			at = &memory->next;
			continue;
		}
		*at = memory->next;
		free(memory);
	}
}

/* ---- notes ------------------------------------------------------------------------------------
 */

int
classifier_note(struct classifier *classifier, struct change_note note)
{
	if (classifier->n_notes == classifier->room_notes) {
		size_t room = classifier->room_notes > 0 ? classifier->room_notes * 2 : 64;
		struct change_note *more = realloc(classifier->notes, room * sizeof(*more));

		if (more == NULL)
			return -1;
		classifier->notes = more;
		classifier->room_notes = room;
	}
	classifier->notes[classifier->n_notes++] = note;
	return 0;
}

/* ---- views ------------------------------------------------------------------------------------
 */

static unsigned
count_tables(const struct classifier *classifier)
{
	unsigned count = 0;

	for (unsigned family = 0; family < CLASSIFIER_FAMILIES; family++)
		count += classifier->families[family].count;
	return count;
}

static size_t
view_bytes(unsigned room)
{
	return sizeof(struct classifier_view) + room * sizeof(struct probe);
}

int
classifier_ready(struct classifier *classifier)
{
	unsigned count = count_tables(classifier);
	struct classifier_view *view = classifier->next_view;

	if (view != NULL && view->room >= count)
		return 0;
	view = aligned_alloc(_Alignof(struct classifier_view), view_bytes(count));
	if (view == NULL)
		return -1;
	view->room = count;
	free(classifier->next_view);
	classifier->next_view = view;
	return 0;
}

/* Puts the family's probes there. Returns how many. */
static unsigned
fill_probes(const struct classifier *classifier, struct probe *probes, unsigned family)
{
	unsigned count = classifier->families[family].count;

	for (unsigned i = 0; i < count; i++) {
		const struct probe *probe = &classifier->families[family].tables[i]->probe;
		unsigned at = i;

		for (; at > 0 && probes[at - 1].best > probe->best; at--)
			probes[at] = probes[at - 1];
		probes[at] = *probe;
	}
	return count;
}

static void
fill_view(struct classifier *classifier, struct classifier_view *view)
{
	unsigned first = 0;

	view->replaced = NULL;
	view->version = classifier->version;
	view->key = classifier->key;
	view->map = address_map_share(&classifier->base);
	view->n_sets = classifier->sets;
	for (unsigned family = 0; family < CLASSIFIER_FAMILIES; family++) {
		view->families[family].first = first;
		view->families[family].count =
			fill_probes(classifier, &view->probes[first], family);
		first += view->families[family].count;
	}
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct classifier *
classifier_create(const struct hash_key *key)
{
	struct classifier *classifier =
		aligned_alloc(_Alignof(struct classifier), sizeof(*classifier));

	if (classifier == NULL)
		return NULL;
	memset(classifier, 0, sizeof(*classifier));
	classifier->key = *key;
	classifier->version = 1;
	if (address_classes_open(&classifier->classes, key) < 0 ||
		classifier_ready(classifier) < 0) {
		classifier_free(classifier);
		return NULL;
	}
	fill_view(classifier, classifier->next_view);
	atomic_init(&classifier->view, classifier->next_view);
	classifier->next_view = NULL;
	return classifier;
}

static void
free_view(struct classifier *classifier, struct classifier_view *view)
{
	while (view != NULL) {
		struct classifier_view *before = view->replaced;

		address_map_drop(&classifier->classes, &view->map);
		free(view);
		view = before;
	}
}

void
classifier_free(struct classifier *classifier)
{
	if (classifier == NULL)
		return;
	tables_free(classifier);
	free_view(classifier, classifier->replaced_view);
	free_view(classifier, atomic_load_explicit(&classifier->view, memory_order_relaxed));
	free(classifier->next_view);
	address_map_drop(&classifier->classes, &classifier->base);
	address_map_drop(&classifier->classes, &classifier->next);
	slots_free(classifier);
	address_classes_close(&classifier->classes);
	classifier->version = UINT32_MAX;
	free_retired(classifier);
	free(classifier->notes);
	free(classifier);
}

/* ---- staging ----------------------------------------------------------------------------------
 */

int
classifier_add(struct classifier *classifier, const struct rule *rule)
{
	if (classifier_ready(classifier) < 0)
		return -1;
	classifier->staged_rules++;
	return rule_entries(classifier, rule, true, table_add_entry);
}

int
classifier_remove(struct classifier *classifier, const struct rule *rule)
{
	if (classifier_ready(classifier) < 0)
		return -1;
	classifier->staged_rules--;
	return rule_entries(classifier, rule, false, table_end_entries);
}

static void
undo_note(struct classifier *classifier, const struct change_note *note)
{
	switch (note->kind) {
	case CHANGE_ENTRY_ADDED:
		table_forget_added(
			classifier, note->table, note->hash, note->rule, classifier->version + 1);
		break;
	case CHANGE_ENTRY_REMOVED:
		table_keep_ended(
			classifier, note->table, note->hash, note->rule, classifier->version + 1);
		break;
	case CHANGE_SLOT_TAKEN:
		slot_leave(classifier, note->slot);
		break;
	case CHANGE_SLOT_REPLACED:
		slot_undo_replaced(classifier, note->slot);
		break;
	default:
		break;
	}
}

/* The next version begins as the present one is. */
static void
begin_next(struct classifier *classifier)
{
	address_map_drop(&classifier->classes, &classifier->next);
	classifier->next = address_map_share(&classifier->base);
	classifier->replaced_slots = 0;
	classifier->staged_rules = 0;
}

void
classifier_undo(struct classifier *classifier)
{
	while (classifier->n_notes > classifier->n_published) {
		struct change_note note = classifier->notes[--classifier->n_notes];

		undo_note(classifier, &note);
	}
	slots_tidy(classifier);
	tables_tidy(classifier);
	begin_next(classifier);
}

/* ---- publishing -------------------------------------------------------------------------------
 */

static void
publish_note(struct classifier *classifier, const struct change_note *note)
{
	if (note->kind == CHANGE_SLOT_TAKEN)
		classifier->slots[note->slot].mapped = true;
	else if (note->kind == CHANGE_SLOT_REPLACED)
		slot_publish_replaced(classifier, note->slot);
}

void
classifier_publish(struct classifier *classifier)
{
	struct classifier_view *view = classifier->next_view, *before;

	if (view == NULL)
		return; /* nothing was staged */
	for (size_t i = classifier->n_published; i < classifier->n_notes; i++)
		publish_note(classifier, &classifier->notes[i]);
	classifier->n_published = classifier->n_notes;
	classifier->rules += classifier->staged_rules;
	classifier->version++;
	address_map_drop(&classifier->classes, &classifier->base);
	classifier->base = address_map_share(&classifier->next);
	begin_next(classifier);
	fill_view(classifier, view);
	classifier->next_view = NULL;
	before = atomic_load_explicit(&classifier->view, memory_order_relaxed);
	before->replaced = classifier->replaced_view;
	classifier->replaced_view = before;
	atomic_store_explicit(&classifier->view, view, memory_order_release);
}

static void
reclaim_note(struct classifier *classifier, const struct change_note *note)
{
	if (note->kind == CHANGE_ENTRY_REMOVED)
		table_forget_ended(classifier, note->table, note->hash, note->rule);
	else if (note->kind == CHANGE_SLOT_LEFT)
		slot_leave(classifier, note->slot);
}

void
classifier_reclaim(struct classifier *classifier)
{
	size_t left = classifier->n_notes - classifier->n_published;

	for (size_t i = 0; i < classifier->n_published; i++)
		reclaim_note(classifier, &classifier->notes[i]);
	if (left > 0)
		memmove(classifier->notes, classifier->notes + classifier->n_published,
			left * sizeof(classifier->notes[0]));
	classifier->n_notes = left;
	classifier->n_published = 0;
	free_view(classifier, classifier->replaced_view);
	classifier->replaced_view = NULL;
	free_retired(classifier);
	if (left > 0)
		return;
	slots_tidy(classifier);
	tables_tidy(classifier);
	begin_next(classifier);
	if (classifier->room_notes > NOTES_KEPT) {
		free(classifier->notes);
		classifier->notes = NULL;
		classifier->room_notes = 0;
	}
}

/* ---- looking ----------------------------------------------------------------------------------
 */

void
classifier_state(const struct classifier *classifier, struct classifier_state *state)
{
	*state = (struct classifier_state){
		.rules = classifier->rules,
		.entries = classifier->entries,
		.tables = count_tables(classifier),
		.classes = classifier->classes.count,
		.bytes = trie_bytes(classifier->base.tries[0]) +
			 trie_bytes(classifier->base.tries[1]) + sizeof(*classifier) +
			 view_bytes(count_tables(classifier)) + classifier->bytes +
			 classifier->room_slots * sizeof(classifier->slots[0]) +
			 classifier->room_notes * sizeof(classifier->notes[0]),
	};
}
