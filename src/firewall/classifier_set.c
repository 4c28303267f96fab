/* SPDX-License-Identifier: BSD-3-Clause */
/* The sets that rules have, by number, and the map that says in which an address is. */
#include "firewall/classifier_private.h"

#include <stdlib.h>

/* ---- finding a slot ---------------------------------------------------------------------------
 */

static uint64_t
slot_hash(const struct classifier *classifier, const struct address_set *set,
	const struct weft_prefix *list, unsigned n_list)
{
	if (set != NULL)
		return hash_words(&classifier->key, (uint64_t)(uintptr_t)set, 0);
	return hash_bytes(&classifier->key, list, n_list * sizeof(*list));
}

static bool
slot_is(const struct set_slot *slot, const struct address_set *set, const struct weft_prefix *list,
	unsigned n_list)
{
	if (set != NULL)
		return slot->named == set || slot->staged_named == set;
	return slot->list != NULL && slot->n_list == n_list &&
	       memcmp(slot->list, list, n_list * sizeof(*list)) == 0;
}

/* A slot is in the chain of what it was made for; those with another version staged have a list
 * of their own. */
uint32_t
slot_find(const struct classifier *classifier, const struct address_set *set,
	const struct weft_prefix *list, unsigned n_list)
{
	uint32_t mask = classifier->slot_bucket_count - 1;
	uint32_t at;

	if (classifier->slot_bucket_count == 0)
		return NO_SLOT;
	at = classifier->slot_buckets[slot_hash(classifier, set, list, n_list) & mask];
	for (; at != 0; at = classifier->slots[at - 1].next)
		if (slot_is(&classifier->slots[at - 1], set, list, n_list))
			return at - 1;
	at = set != NULL ? classifier->replaced_slots : 0;
	for (; at != 0; at = classifier->slots[at - 1].next_replaced)
		if (classifier->slots[at - 1].staged_named == set)
			return at - 1;
	return NO_SLOT;
}

static uint32_t *
chain_of(struct classifier *classifier, const struct set_slot *slot)
{
	uint64_t hash = slot_hash(classifier, slot->named, slot->list, slot->n_list);

	return &classifier->slot_buckets[hash & (classifier->slot_bucket_count - 1)];
}

static void
chain_put(struct classifier *classifier, uint32_t number)
{
	uint32_t *chain = chain_of(classifier, &classifier->slots[number]);

	classifier->slots[number].next = *chain;
	classifier->slots[number].findable = true;
	*chain = number + 1;
}

static void
chain_take(struct classifier *classifier, uint32_t number)
{
	uint32_t *at = chain_of(classifier, &classifier->slots[number]);

	while (*at != number + 1)
		at = &classifier->slots[*at - 1].next;
	*at = classifier->slots[number].next;
	classifier->slots[number].findable = false;
}

/* ---- making and ending ------------------------------------------------------------------------
 */

static int
grow_slots(struct classifier *classifier)
{
	uint32_t room = classifier->room_slots > 0 ? classifier->room_slots * 2 : 16;
	struct set_slot *slots = realloc(classifier->slots, room * sizeof(*slots));
	uint32_t *buckets;

	if (slots == NULL)
		return -1;
	classifier->slots = slots;
	buckets = calloc(room, sizeof(*buckets));
	if (buckets == NULL)
		return -1;
	free(classifier->slot_buckets);
	classifier->slot_buckets = buckets;
	classifier->slot_bucket_count = room;
	classifier->room_slots = room;
	for (uint32_t i = 0; i < classifier->n_slots; i++)
		if (slots[i].findable)
			chain_put(classifier, i);
	return 0;
}

/* A free number; NO_SLOT: no memory. */
static uint32_t
slot_number(struct classifier *classifier)
{
	uint32_t number;

	if (classifier->free_slots != 0) {
		number = classifier->free_slots - 1;
		classifier->free_slots = classifier->slots[number].next;
		return number;
	}
	if (classifier->n_slots == classifier->room_slots && grow_slots(classifier) < 0)
		return NO_SLOT;
	return classifier->n_slots++;
}

static void
slot_give(struct classifier *classifier, uint32_t number)
{
	struct set_slot *slot = &classifier->slots[number];

	address_set_free(slot->set);
	address_set_free(slot->staged);
	free(slot->list);
	*slot = (struct set_slot){ .next = classifier->free_slots };
	classifier->free_slots = number + 1;
}

static void
slot_end(struct classifier *classifier, uint32_t number)
{
	slot_give(classifier, number);
	classifier->sets--;
	classifier->idle_sets--;
}

/* Its own share of the set, so that its members can be taken off when it is gone. */
static int
fill_slot(struct set_slot *slot, const struct address_set *set, const struct weft_prefix *list,
	unsigned n_list)
{
	if (set != NULL) {
		slot->named = set;
		slot->set = address_set_share(set);
		return slot->set != NULL ? 0 : -1;
	}
	slot->list = malloc(n_list * sizeof(*list));
	if (slot->list == NULL)
		return -1;
	memcpy(slot->list, list, n_list * sizeof(*list));
	slot->n_list = n_list;
	slot->set = address_set_create(list, n_list);
	return slot->set != NULL ? 0 : -1;
}

static int
map_slot(struct classifier *classifier, uint32_t number)
{
	struct set_slot *slot = &classifier->slots[number];
	enum address_map_result result;

	slot->hashed = true;
	result = address_map_change(
		&classifier->classes, &classifier->next, number, true, NULL, slot->set);
	if (result == ADDRESS_MAP_CROWDED) {
		slot->hashed = false;
		result = address_map_change(
			&classifier->classes, &classifier->next, number, false, NULL, slot->set);
	}
	return result == ADDRESS_MAP_OK ? 0 : -1;
}

static uint32_t
slot_make(struct classifier *classifier, const struct address_set *set,
	const struct weft_prefix *list, unsigned n_list)
{
	uint32_t number = slot_number(classifier);
	struct set_slot *slot;

	if (number == NO_SLOT)
		return NO_SLOT;
	slot = &classifier->slots[number];
	*slot = (struct set_slot){ .used = true };
	if (fill_slot(slot, set, list, n_list) < 0 || map_slot(classifier, number) < 0) {
		slot_give(classifier, number);
		return NO_SLOT;
	}
	chain_put(classifier, number);
	classifier->sets++;
	classifier->idle_sets++;
	return number;
}

uint32_t
slot_take(struct classifier *classifier, const struct address_set *set,
	const struct weft_prefix *list, unsigned n_list)
{
	uint32_t number = slot_find(classifier, set, list, n_list);

	if (number == NO_SLOT)
		number = slot_make(classifier, set, list, n_list);
	if (number == NO_SLOT)
		return NO_SLOT;
	if (classifier_note(classifier,
		    (struct change_note){ .kind = CHANGE_SLOT_TAKEN, .slot = number }) < 0)
		return NO_SLOT; /* if nobody has it, tidying takes it away */
	if (classifier->slots[number].rules++ == 0)
		classifier->idle_sets--;
	return number;
}

void
slot_leave(struct classifier *classifier, uint32_t number)
{
	if (--classifier->slots[number].rules == 0)
		classifier->idle_sets++;
}

/* ---- another version --------------------------------------------------------------------------
 */

int
classifier_replace_set(struct classifier *classifier, const struct address_set *before,
	const struct address_set *after)
{
	uint32_t number = slot_find(classifier, before, NULL, 0);
	enum address_map_result result;
	struct set_slot *slot;

	if (number == NO_SLOT || before == after)
		return 0;
	if (classifier_ready(classifier) < 0)
		return -1;
	slot = &classifier->slots[number];
	if (slot->staged != NULL || slot_find(classifier, after, NULL, 0) != NO_SLOT)
		return 1;
	slot->staged = address_set_share(after);
	if (slot->staged == NULL ||
		classifier_note(classifier,
			(struct change_note){ .kind = CHANGE_SLOT_REPLACED, .slot = number }) < 0) {
		address_set_free(slot->staged);
		slot->staged = NULL;
		return -1;
	}
	result = address_map_change(&classifier->classes, &classifier->next, number, slot->hashed,
		slot->set, slot->staged);
	if (result == ADDRESS_MAP_OK) {
		slot->staged_named = after;
		slot->next_replaced = classifier->replaced_slots;
		classifier->replaced_slots = number + 1;
		return 0;
	}
	classifier->n_notes--;
	address_set_free(slot->staged);
	slot->staged = NULL;
	return result == ADDRESS_MAP_CROWDED ? 1 : -1;
}

void
slot_undo_replaced(struct classifier *classifier, uint32_t number)
{
	struct set_slot *slot = &classifier->slots[number];

	address_set_free(slot->staged);
	slot->staged = NULL;
	slot->staged_named = NULL;
}

void
slot_publish_replaced(struct classifier *classifier, uint32_t number)
{
	struct set_slot *slot = &classifier->slots[number];

	chain_take(classifier, number);
	address_set_free(slot->set);
	slot->set = slot->staged;
	slot->named = slot->staged_named;
	slot->staged = NULL;
	slot->staged_named = NULL;
	chain_put(classifier, number);
}

/* ---- tidying ----------------------------------------------------------------------------------
 */

void
slots_tidy(struct classifier *classifier)
{
	for (uint32_t i = 0; i < classifier->n_slots && classifier->idle_sets > 0; i++) {
		struct set_slot *slot = &classifier->slots[i];

		if (!slot->used || slot->rules > 0)
			continue;
		/* its set may be gone, and another come to the same address */
		if (slot->findable)
			chain_take(classifier, i);
		if (slot->mapped && address_map_change(&classifier->classes, &classifier->base, i,
					    slot->hashed, slot->set, NULL) != ADDRESS_MAP_OK)
			continue;
		slot_end(classifier, i);
	}
}

void
slots_free(struct classifier *classifier)
{
	for (uint32_t i = 0; i < classifier->n_slots; i++)
		if (classifier->slots[i].used)
			slot_give(classifier, i);
	free(classifier->slots);
	free(classifier->slot_buckets);
}
