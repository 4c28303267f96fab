/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `weft doctor` finds: one finding a check, told when it is found.
 */
#ifndef WEFT_CLI_DOCTOR_H
#define WEFT_CLI_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct doctor {
	bool json;
	json_t *findings; /* an array; printed at the end with --json */
	unsigned failed, warned;
};

/* what: what was found; advice: what to do, or NULL. */
void doctor_tell(struct doctor *doctor, const char *check, enum finding finding, const char *advice,
	const char *what, ...) __attribute__((format(printf, 5, 6)));

/* The machine: CPU, kernel features, rights, limits. */
void doctor_machine(struct doctor *doctor);

#endif
