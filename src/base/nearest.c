/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define NAME_LIMIT 64

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool
same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment, three rows at a time. */
unsigned
nearest_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned rows[3][NAME_LIMIT + 1];

	if (n > NAME_LIMIT || m > NAME_LIMIT)
		return (unsigned)(n > m ? n : m);
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1);
			row[j] = least(row[j], least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}

/* Near enough: one edit in a short word, one more and one per three letters in a longer one. */
static unsigned
limit_of(size_t length)
{
	return length > 3 ? (unsigned)length / 3 + 1 : 1;
}

void
nearest_offer(struct nearest *nearest, const char *name)
{
	size_t wanted = strlen(nearest->wanted), length = strlen(name);
	size_t gap = wanted > length ? wanted - length : length - wanted;
	unsigned below = nearest->best != NULL ? nearest->distance : limit_of(wanted) + 1;
	unsigned distance;

	if (wanted > NAME_LIMIT || gap >= below)
		return;
	distance = nearest_distance(nearest->wanted, name);
	if (distance >= below)
		return;
	nearest->best = name;
	nearest->distance = distance;
}
