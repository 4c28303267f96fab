/* SPDX-License-Identifier: BSD-3-Clause */
/* The target of a request taken apart: segments of the path and parameters of the query. */
#ifndef WEFT_DAEMON_TARGET_H
#define WEFT_DAEMON_TARGET_H

#include <stdbool.h>
#include <weft/weft.h>

#define TARGET_SEGMENT_LIMIT 32
#define TARGET_PARAMETER_LIMIT 1100

/* "networks=red" (RFC 8040, 3.5.3): decoded. */
struct target_segment {
	char *name;
	char *key; /* NULL: none */
};

struct target_parameter {
	char *name, *value;
};

struct target {
	char *memory;
	struct target_segment segments[TARGET_SEGMENT_LIMIT];
	unsigned n_segments;
	struct target_parameter *parameters;
	unsigned n_parameters;
};

/* 0, or -1: not a path, a wrong escape, bytes that are no UTF-8 or NUL, too many parts. */
int target_parse(struct target *target, const char *text, struct weft_error *error);
void target_free(struct target *target);

/* Value of the first parameter of that name; NULL: there is none. */
const char *target_parameter(const struct target *target, const char *name);
/* A parameter that is in none of the NULL-terminated names; NULL: all are. */
const char *target_unknown(const struct target *target, const char *const *names);
/* A number, `otherwise` where it is not given. -1: it is not one from `least` to `most`. */
int target_number(const struct target *target, const char *name, uint64_t least, uint64_t most,
	uint64_t otherwise, uint64_t *number, struct weft_error *error);

#endif
