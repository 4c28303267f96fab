/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEFT_MODEL_COLLATERAL_H
#define WEFT_MODEL_COLLATERAL_H

#include "model/model.h"

/* Fills `collateral` of the plan's items: who else feels what happens to them. 0 or -1. */
int collateral_find(struct plan *plan);

#endif
