/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule_order.h"

#include <stdbool.h>
#include <stdlib.h>

/* ---- which stay -------------------------------------------------------------------------------
 */

/*
 * The longest increasing subsequence (patience sorting): `ends` has the place at which the best
 * subsequence of each length ends, `before` what comes before a place in its.
 */
struct patience {
	const uint64_t *labels;
	unsigned *ends, *before;
	unsigned longest;
};

static void
put_place(struct patience *patience, unsigned place)
{
	uint64_t label = patience->labels[place];
	unsigned first = 0, last = patience->longest;

	/* in a list that is in order it is always the last */
	if (last > 0 && patience->labels[patience->ends[last - 1]] < label)
		first = last;
	while (first < last) {
		unsigned middle = (first + last) / 2;

		if (patience->labels[patience->ends[middle]] < label)
			first = middle + 1;
		else
			last = middle;
	}
	patience->before[place] = first > 0 ? patience->ends[first - 1] : UINT32_MAX;
	patience->ends[first] = place;
	if (first == patience->longest)
		patience->longest++;
}

/* Takes the label of each place that is not of the longest subsequence. */
static int
keep_longest(uint64_t *labels, unsigned count)
{
	struct patience patience = { .labels = labels };
	unsigned place;

	patience.ends = malloc(count * sizeof(unsigned));
	patience.before = malloc(count * sizeof(unsigned));
	if (patience.ends == NULL || patience.before == NULL) {
		free(patience.ends);
		free(patience.before);
		return -1;
	}
	for (unsigned i = 0; i < count; i++)
		if (labels[i] != ORDER_NONE)
			put_place(&patience, i);
	place = patience.longest > 0 ? patience.ends[patience.longest - 1] : UINT32_MAX;
	for (unsigned i = count; i-- > 0;) {
		if (i == place)
			place = patience.before[i];
		else
			labels[i] = ORDER_NONE;
	}
	free(patience.ends);
	free(patience.before);
	return 0;
}

static bool
are_in_order(const uint64_t *labels, unsigned count)
{
	uint64_t last = ORDER_NONE;

	for (unsigned i = 0; i < count; i++) {
		if (labels[i] == ORDER_NONE)
			continue;
		if (labels[i] <= last)
			return false;
		last = labels[i];
	}
	return true;
}

/* ---- new ones ---------------------------------------------------------------------------------
 */

/* Places from `first` to before `last` are to get labels between `low` and `high`. */
struct run {
	unsigned first, last;
	uint64_t low, high;
};

static struct run
run_between(const uint64_t *labels, unsigned count, unsigned first, unsigned last)
{
	return (struct run){ first, last, first > 0 ? labels[first - 1] : 0,
		last < count ? labels[last] : ORDER_END };
}

/* At an end of the list there is no need to share what is left. */
static bool
label_at_end(uint64_t *labels, unsigned count, const struct run *run)
{
	uint64_t n = run->last - run->first, begin;

	if (run->first == 0 && run->last == count)
		begin = ORDER_FIRST;
	else if (run->last == count && run->low < ORDER_END - (n + 1) * ORDER_GAP)
		begin = run->low + ORDER_GAP;
	else if (run->first == 0 && run->high > (n + 1) * ORDER_GAP)
		begin = run->high - n * ORDER_GAP;
	else
		return false;
	for (unsigned i = run->first; i < run->last; i++, begin += ORDER_GAP)
		labels[i] = begin;
	return true;
}

/*
 * Shares the gap; where there is not enough, the neighbours' labels are given anew, too: twice
 * as many each time, until each has so much room that this pays for long.
 */
static unsigned
label_run(uint64_t *labels, unsigned count, unsigned first, unsigned last)
{
	struct run run = run_between(labels, count, first, last);
	uint64_t step = (run.high - run.low) / (last - first + 1);
	unsigned more = last - first;

	if (label_at_end(labels, count, &run))
		return last;
	while (step < (more == last - first && run.first == first ? 1 : ORDER_GAP >> 12)) {
		run.first = run.first > more ? run.first - more : 0;
		run.last = count - run.last > more ? run.last + more : count;
		/* never end at a place that has none yet */
		while (run.last < count && labels[run.last] == ORDER_NONE)
			run.last++;
		run = run_between(labels, count, run.first, run.last);
		step = (run.high - run.low) / (run.last - run.first + 1);
		more *= 2;
	}
	for (unsigned i = run.first; i < run.last; i++)
		labels[i] = run.low + (i - run.first + 1) * step;
	return run.last;
}

int
order_labels(uint64_t *labels, unsigned count)
{
	unsigned last;

	if (!are_in_order(labels, count) && keep_longest(labels, count) < 0)
		return -1;
	for (unsigned first = 0; first < count; first = last) {
		last = first + 1;
		if (labels[first] != ORDER_NONE)
			continue;
		while (last < count && labels[last] == ORDER_NONE)
			last++;
		last = label_run(labels, count, first, last);
	}
	return 0;
}
