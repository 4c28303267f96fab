/* SPDX-License-Identifier: BSD-3-Clause */
/* What benches measure with: each is a program of its own, which ends where it cannot go on. */
#ifndef WEFT_BENCH_MEASURE_H
#define WEFT_BENCH_MEASURE_H

#include "base/clock.h"

#include <errno.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static __rte_unused _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

static __rte_unused void *
memory(size_t count, size_t size)
{
	void *result = calloc(count, size);

	if (result == NULL)
		fail("no memory");
	return result;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static __rte_unused double
median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

/* Nanoseconds that this thread has run: others use the machine too. */
static __rte_unused uint64_t
now(void)
{
	return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* Of the TSC; takes a tenth of a second. */
static __rte_unused double
tsc_ghz(void)
{
	uint64_t begin = clock_monotonic(), cycles = rte_rdtsc(), end;

	do
		end = clock_monotonic();
	while (end < begin + 100000000);
	return (double)(rte_rdtsc() - cycles) / (double)(end - begin);
}

#endif
