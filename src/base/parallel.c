/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/parallel.h"

#include "base/thread.h"

#include <stdatomic.h>

#define THREAD_LIMIT 64

struct round {
	void *const *items;
	size_t count;
	_Atomic size_t next;
	void (*work)(void *item);
};

static void *
take_part(void *argument)
{
	struct round *round = argument;
	size_t i;

	while ((i = atomic_fetch_add(&round->next, 1)) < round->count)
		round->work(round->items[i]);
	return NULL;
}

void
parallel_each(void *const *items, size_t count, unsigned threads, void (*work)(void *item))
{
	struct round round = { .items = items, .count = count, .work = work };
	pthread_t helpers[THREAD_LIMIT];
	unsigned started = 0;

	if (threads > THREAD_LIMIT)
		threads = THREAD_LIMIT;
	while (started + 1 < threads && started + 1 < count &&
		thread_start(&helpers[started], "weft-parallel", take_part, &round) == 0)
		started++;
	take_part(&round);
	while (started > 0)
		pthread_join(helpers[--started], NULL);
}
