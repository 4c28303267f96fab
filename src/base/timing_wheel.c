/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/timing_wheel.h"

#include <string.h>

#define IS_SLOT 0x80000000u /* in link.previous */
#define TICKS (1ull << TIMING_WHEEL_BITS * TIMING_WHEEL_LEVELS)

void
timing_wheel_open(struct timing_wheel *wheel, void *links, size_t stride, uint64_t tick)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->links = links;
	wheel->stride = stride;
	wheel->tick = tick;
}

static struct timing_wheel_link *
link_of(const struct timing_wheel *wheel, uint32_t index)
{
	return (struct timing_wheel_link *)(wheel->links + index * wheel->stride);
}

/* Of the wheel's own tick, at a level. */
static unsigned
position(const struct timing_wheel *wheel, unsigned level)
{
	return wheel->tick >> level * TIMING_WHEEL_BITS & (TIMING_WHEEL_SLOTS - 1);
}

bool
timing_wheel_has(const struct timing_wheel *wheel, uint32_t index)
{
	return link_of(wheel, index)->previous != 0;
}

uint64_t
timing_wheel_due(const struct timing_wheel *wheel, uint32_t index)
{
	/* nothing that is there is due before the wheel's tick */
	return wheel->tick + (uint32_t)(link_of(wheel, index)->due - (uint32_t)wheel->tick);
}

static uint64_t
clamp(const struct timing_wheel *wheel, uint64_t due)
{
	uint64_t last = wheel->tick + UINT32_MAX;

	if (last >= TICKS)
		last = TICKS - 1;
	if (due > last)
		return last;
	return due < wheel->tick ? wheel->tick : due;
}

void
timing_wheel_add(struct timing_wheel *wheel, uint32_t index, uint64_t due)
{
	struct timing_wheel_link *link = link_of(wheel, index);
	unsigned level = 0, slot;
	uint64_t differs;
	uint32_t *head;

	due = clamp(wheel, due);
	differs = due ^ wheel->tick;
	if (differs != 0)
		level = (63u - (unsigned)__builtin_clzll(differs)) / TIMING_WHEEL_BITS;
	slot = due >> level * TIMING_WHEEL_BITS & (TIMING_WHEEL_SLOTS - 1);
	head = &wheel->heads[level][slot];
	link->next = *head;
	link->previous = IS_SLOT | (level * TIMING_WHEEL_SLOTS + slot);
	link->due = (uint32_t)due;
	if (*head != 0)
		link_of(wheel, *head - 1)->previous = index + 1;
	*head = index + 1;
	wheel->occupied[level] |= 1ull << slot;
	wheel->count++;
}

void
timing_wheel_remove(struct timing_wheel *wheel, uint32_t index)
{
	struct timing_wheel_link *link = link_of(wheel, index);

	if (link->next != 0)
		link_of(wheel, link->next - 1)->previous = link->previous;
	if (link->previous & IS_SLOT) {
		unsigned number = link->previous & ~IS_SLOT;
		unsigned level = number / TIMING_WHEEL_SLOTS, slot = number % TIMING_WHEEL_SLOTS;

		wheel->heads[level][slot] = link->next;
		if (link->next == 0)
			wheel->occupied[level] &= ~(1ull << slot);
	} else {
		link_of(wheel, link->previous - 1)->next = link->next;
	}
	link->next = link->previous = 0;
	wheel->count--;
}

void
timing_wheel_skip(struct timing_wheel *wheel, uint64_t tick)
{
	if (wheel->count == 0 && tick > wheel->tick)
		wheel->tick = tick;
}

uint32_t
timing_wheel_peek(const struct timing_wheel *wheel)
{
	/* TIMING_WHEEL_NONE, if it is empty */
	return wheel->heads[0][position(wheel, 0)] - 1;
}

/* The first of a slot, out of it. */
static uint32_t
pop(struct timing_wheel *wheel, unsigned level, unsigned slot)
{
	uint32_t index = wheel->heads[level][slot] - 1;

	timing_wheel_remove(wheel, index);
	if (wheel->heads[level][slot] != 0)
		__builtin_prefetch(link_of(wheel, wheel->heads[level][slot] - 1), 1);
	return index;
}

/* Moves one entry of the slot that the wheel has come to down. */
static void
drain_one(struct timing_wheel *wheel)
{
	unsigned level = wheel->draining, slot = position(wheel, level);
	uint32_t index;

	if (wheel->heads[level][slot] == 0) {
		wheel->draining = 0;
		return;
	}
	index = pop(wheel, level, slot);
	timing_wheel_add(wheel, index, timing_wheel_due(wheel, index));
}

/*
 * Where the next slot that is not empty begins. Those of a lower level are all earlier than those
 * of a higher one, and all but the one at the wheel's own tick are ahead of it.
 */
static bool
find_next(const struct timing_wheel *wheel, uint64_t *tick, unsigned *level)
{
	for (*level = 0; *level < TIMING_WHEEL_LEVELS; ++*level) {
		unsigned shift = *level * TIMING_WHEEL_BITS;

		if (wheel->occupied[*level] == 0)
			continue;
		*tick = (wheel->tick >> shift & ~(uint64_t)(TIMING_WHEEL_SLOTS - 1)) |
			(uint64_t)__builtin_ctzll(wheel->occupied[*level]);
		*tick <<= shift;
		return true;
	}
	return false;
}

uint32_t
timing_wheel_take(struct timing_wheel *wheel, uint64_t now, unsigned *budget)
{
	if (now < wheel->tick)
		return TIMING_WHEEL_NONE;
	for (; *budget > 0; --*budget) {
		uint64_t tick;
		unsigned level;

		if (wheel->draining != 0) {
			drain_one(wheel);
			continue;
		}
		if (wheel->heads[0][position(wheel, 0)] != 0) {
			--*budget;
			return pop(wheel, 0, position(wheel, 0));
		}
		if (!find_next(wheel, &tick, &level) || tick > now) {
			wheel->tick = now;
			return TIMING_WHEEL_NONE;
		}
		wheel->tick = tick;
		wheel->draining = level;
	}
	return TIMING_WHEEL_NONE;
}
