/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
error_set(struct weft_error *error, int code, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return -1;
	error->code = code;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -1;
}

int
error_errno(struct weft_error *error, int code, const char *format, ...)
{
	va_list args;
	size_t used;
	char reason[96];

	if (error == NULL)
		return -1;
	error->code = code;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	used = strlen(error->text);
	snprintf(error->text + used, sizeof(error->text) - used, ": %s",
		strerror_r(code, reason, sizeof(reason)));
	return -1;
}

int
error_memory(struct weft_error *error)
{
	return error_set(error, ENOMEM, "out of memory");
}

int
error_prefix(struct weft_error *error, const char *format, ...)
{
	va_list args;
	char rest[sizeof(error->text)];
	size_t used;

	if (error == NULL)
		return -1;
	memcpy(rest, error->text, sizeof(rest));
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	used = strlen(error->text);
	snprintf(error->text + used, sizeof(error->text) - used, ": %.*s", (int)sizeof(rest) - 1,
		rest);
	return -1;
}
