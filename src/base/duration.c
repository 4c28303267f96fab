/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/duration.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	uint64_t nanoseconds;
} units[] = {
	{ "", 1000000000 },
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60000000000 },
	{ "h", 3600000000000 },
	{ "d", 86400000000000 },
};

static bool
unit_find(const char *name, uint64_t *nanoseconds)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(name, units[i].name) == 0) {
			*nanoseconds = units[i].nanoseconds;
			return true;
		}
	}
	return false;
}

bool
duration_parse(const char *text, uint64_t *nanoseconds)
{
	const char *digits = text, *fraction = NULL, *at;
	uint64_t unit, whole = 0, part = 0, place;

	for (at = text; isdigit((unsigned char)*at); at++) {
		if (whole > UINT64_MAX / 20)
			return false;
		whole = whole * 10 + (uint64_t)(*at - '0');
	}
	if (at == digits)
		return false;
	if (*at == '.') {
		fraction = ++at;
		while (isdigit((unsigned char)*at))
			at++;
		if (at == fraction)
			return false;
	}
	if (!unit_find(at, &unit) || whole > INT64_MAX / unit - 1)
		return false;
	place = unit;
	for (; fraction != NULL && fraction < at; fraction++) {
		place /= 10;
		part += place * (uint64_t)(*fraction - '0');
	}
	*nanoseconds = whole * unit + part;
	return true;
}
