/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hierarchical timing wheel (Varghese and Lauck, 1987): what is due at which tick. Adding,
 * moving, removing and taking are O(1), and nothing is allocated: what is timed is known by its
 * index in the user's array, each entry of which has a struct timing_wheel_link somewhere.
 *
 * A slot of the lowest level is one tick, of each further one 64 of the level below. An entry
 * waits in the level of the highest digit, to base 64, in which its tick differs from the wheel's;
 * when the wheel comes to that slot its entries move down, one at a time, each counted as work.
 *
 * Ticks are the user's, below 2^36. An entry is due within 2^32 ticks of the wheel's own; one
 * that is due earlier than now is taken next.
 *
 * Threads: one at a time.
 */
#ifndef WEFT_BASE_TIMING_WHEEL_H
#define WEFT_BASE_TIMING_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMING_WHEEL_BITS 6
#define TIMING_WHEEL_SLOTS (1u << TIMING_WHEEL_BITS)
#define TIMING_WHEEL_LEVELS 6
#define TIMING_WHEEL_NONE UINT32_MAX

/* All zero: not in the wheel. The wheel's own. */
struct timing_wheel_link {
	uint32_t next;     /* index + 1; 0: the last of its slot */
	uint32_t previous; /* index + 1, or a slot's number with the top bit set; 0: not there */
	uint32_t due;      /* the tick's lower 32 bits */
};

struct timing_wheel {
	uint64_t tick;                          /* all before it is done */
	uint64_t occupied[TIMING_WHEEL_LEVELS]; /* slots that are not empty, a bit each */
	uint32_t heads[TIMING_WHEEL_LEVELS][TIMING_WHEEL_SLOTS]; /* index + 1; 0: empty */
	uint8_t *links;                                          /* where the link of index 0 is */
	size_t stride;                                           /* bytes from one to the next */
	uint32_t count;
	unsigned draining; /* the level whose slot moves down at present; 0: none */
};

/* `links`: where the link of index 0 is or will be; `stride`: bytes between two. Indices are
 * below 2^31 - 1. */
void timing_wheel_open(struct timing_wheel *wheel, void *links, size_t stride, uint64_t tick);

/* It is not in the wheel yet. */
void timing_wheel_add(struct timing_wheel *wheel, uint32_t index, uint64_t due);
/* It is there. */
void timing_wheel_remove(struct timing_wheel *wheel, uint32_t index);
bool timing_wheel_has(const struct timing_wheel *wheel, uint32_t index);
/* When an entry that is there is due. */
uint64_t timing_wheel_due(const struct timing_wheel *wheel, uint32_t index);

/* The wheel has nothing in it: it goes on at `tick`, if that is later. */
void timing_wheel_skip(struct timing_wheel *wheel, uint64_t tick);
/* What timing_wheel_take() will most likely give next, for prefetching; or TIMING_WHEEL_NONE. */
uint32_t timing_wheel_peek(const struct timing_wheel *wheel);

/*
 * Takes the next entry that is due at `now` or before out of the wheel. Each step of work counts
 * *budget down by one. TIMING_WHEEL_NONE: there is none, or the budget is 0 and the next call goes
 * on from there. `now` does not go back; if it does nothing happens.
 */
uint32_t timing_wheel_take(struct timing_wheel *wheel, uint64_t now, unsigned *budget);

#endif
