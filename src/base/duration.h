/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lengths of time as people write them: a number and a unit, "5ms", "60s", "2m", "1h", "1d".
 */
#ifndef WEFT_BASE_DURATION_H
#define WEFT_BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* False when it is not one, or over 2^63 ns. A number without a unit is seconds. Decimals
 * ("1.5s") are fine. */
bool duration_parse(const char *text, uint64_t *nanoseconds);

#endif
