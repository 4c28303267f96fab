/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and a NUL. */
static bool
reserve(struct text *text, size_t more)
{
	size_t capacity = text->capacity;
	char *bytes;

	if (text->failed || more >= SIZE_MAX / 4 - text->length) {
		text->failed = true;
		return false;
	}
	if (text->length + more < capacity)
		return true;
	capacity = text->length + more + 1;
	/* small texts are many, and exact; long ones grow */
	if (capacity > 64)
		capacity += capacity / 2;
	bytes = realloc(text->bytes, capacity);
	if (bytes == NULL) {
		text->failed = true;
		return false;
	}
	text->bytes = bytes;
	text->capacity = capacity;
	return true;
}

void
text_add_bytes(struct text *text, const char *bytes, size_t length)
{
	if (!reserve(text, length))
		return;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

void
text_add(struct text *text, const char *format, ...)
{
	char small[256];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (length < (int)sizeof(small)) {
		text_add_bytes(text, small, length > 0 ? (size_t)length : 0);
		return;
	}
	if (!reserve(text, (size_t)length))
		return;
	va_start(args, format);
	vsnprintf(text->bytes + text->length, (size_t)length + 1, format, args);
	va_end(args);
	text->length += (size_t)length;
}

char *
text_take(struct text *text)
{
	char *bytes;

	text_add_bytes(text, "", 0);
	if (text->failed) {
		text_free(text);
		return NULL;
	}
	bytes = text->bytes;
	*text = (struct text){ 0 };
	return bytes;
}

void
text_free(struct text *text)
{
	free(text->bytes);
	*text = (struct text){ 0 };
}
