/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan as the API tells it (docs/api.md). */
#ifndef WEFT_DAEMON_PLAN_JSON_H
#define WEFT_DAEMON_PLAN_JSON_H

#include "model/model.h"

#include <jansson.h>

/* {"items": […], "changes": N}; NULL: out of memory. */
json_t *plan_json(const struct plan *plan);

#endif
