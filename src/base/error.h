/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filling a weft_error. Functions that can fail take `struct weft_error *error` last,
 * return -1 or NULL, and have filled it (it may be NULL: then nobody wants to know).
 */
#ifndef WEFT_BASE_ERROR_H
#define WEFT_BASE_ERROR_H

#include <weft/weft.h>

/* Always returns -1, so that `return error_set(...)` reads well. code: errno value or 0. */
int error_set(struct weft_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As error_set with ": " and the text of `code` behind it. */
int error_errno(struct weft_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Out of memory, the one error that needs no words of its own. Returns -1. */
int error_memory(struct weft_error *error);

/* Puts "format: " in front of what the error already says. Returns -1. */
int error_prefix(struct weft_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
