/* SPDX-License-Identifier: BSD-3-Clause */
/* A text that grows. All zero is an empty one; after a failed allocation it stays failed. */
#ifndef WEFT_MODEL_TEXT_H
#define WEFT_MODEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *bytes;
	size_t length, capacity;
	bool failed;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const char *bytes, size_t length);
/* The malloced text, which is the caller's then; NULL: out of memory. Leaves it empty. */
char *text_take(struct text *text);
void text_free(struct text *text);

#endif
