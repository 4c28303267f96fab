/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a plan to a change: stages on `change` whatever turns the engine from plan->before to
 * plan->after. What the plan does not name is not touched.
 *
 * Thread: the one that has the change.
 */
#ifndef WEFT_DAEMON_CARRY_OUT_H
#define WEFT_DAEMON_CARRY_OUT_H

#include "model/model.h"

/* Failures are noted in the change, as every staged call does. */
void carry_out(struct weft *weft, struct weft_change *change, const struct plan *plan);

#endif
