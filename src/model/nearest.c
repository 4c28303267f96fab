/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/nearest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_LIMIT 64

void
nearest_begin(struct nearest *nearest, const char *wanted)
{
	size_t length = strlen(wanted);

	*nearest = (struct nearest){ .wanted = wanted, .distance = 2 };
	if (length > LENGTH_LIMIT)
		nearest->distance = 0;
	else if (length > 3)
		nearest->distance = (unsigned)length / 3 + 2;
}

static unsigned
smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b, case not counted. */
static unsigned
edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][LENGTH_LIMIT + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2], *spare;

	for (unsigned j = 0; j <= b_length; j++)
		last[j] = j;
	for (unsigned i = 1; i <= a_length; i++) {
		row[0] = i;
		for (unsigned j = 1; j <= b_length; j++) {
			int x = tolower((unsigned char)a[i - 1]),
			    y = tolower((unsigned char)b[j - 1]);

			row[j] = smaller(last[j - 1] + (x != y), smaller(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
				y == tolower((unsigned char)a[i - 2]))
				row[j] = smaller(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_length];
}

void
nearest_try(struct nearest *nearest, const char *name)
{
	size_t wanted = strlen(nearest->wanted), length = strlen(name);
	size_t gap = wanted > length ? wanted - length : length - wanted;
	unsigned distance;

	if (length > LENGTH_LIMIT || wanted > LENGTH_LIMIT || gap >= nearest->distance)
		return;
	distance = edit_distance(nearest->wanted, wanted, name, length);
	if (distance >= nearest->distance)
		return;
	nearest->distance = distance;
	nearest->name = name;
}
