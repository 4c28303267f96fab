/* SPDX-License-Identifier: BSD-3-Clause */
/* Collecting what is wrong with a text. */
#ifndef WEFT_MODEL_DIAGNOSTICS_H
#define WEFT_MODEL_DIAGNOSTICS_H

#include "model/model.h"

#define DIAGNOSTICS_LIMIT 50

struct report {
	struct diagnostics *out;
	const char *text; /* what is judged; lives as long as the report */
	size_t length;
	size_t *lines; /* offset of each line's first byte */
	unsigned n_lines;
	bool full;   /* the limit was reached: the last diagnostic says so */
	bool failed; /* out of memory: what is told is not all */
	/* Where report_place() was last: the next place is near, and a line may be megabytes. */
	size_t last_offset;
	unsigned last_column;
};

struct place {
	unsigned line, column; /* from 1, in characters; 0: of the whole file */
};

/* Begins a report on `text`, with `out` emptied. 0, or -1 when out of memory. */
int report_begin(struct report *report, struct diagnostics *out, const char *file, const char *text,
	size_t length);
/* Sorts by place. Returns whether there is no error. */
bool report_end(struct report *report);

/* path and hint may be NULL. */
void report_error(struct report *report, struct place place, const char *path, const char *hint,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
void report_warning(struct report *report, struct place place, const char *path, const char *hint,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Place of a byte of the text. */
struct place report_place(struct report *report, size_t offset);

#endif
