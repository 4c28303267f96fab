/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same work on many things at once, for work that mostly waits (closing a tap takes the
 * kernel 20 ms): on helper threads that live for the call.
 */
#ifndef WEFT_BASE_PARALLEL_H
#define WEFT_BASE_PARALLEL_H

#include <stddef.h>

/*
 * Calls work(items[i]) for each, on at most `threads` threads, the caller's among them, in no
 * order; returns when all have returned. Cannot fail: with fewer threads it takes longer.
 */
void parallel_each(void *const *items, size_t count, unsigned threads, void (*work)(void *item));

#endif
