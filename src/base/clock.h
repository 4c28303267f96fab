/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine's clocks, in nanoseconds. What is measured or waited for goes by the monotonic
 * one, which nobody sets; the time of day is for people alone. Workers and tables go by the
 * engine's clock (engine_now), which is the monotonic one unless a test brings its own.
 */
#ifndef WEFT_BASE_CLOCK_H
#define WEFT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t
clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t
clock_monotonic(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

/* Since 1970. */
static inline uint64_t
clock_of_day(void)
{
	return clock_read(CLOCK_REALTIME);
}

#endif
