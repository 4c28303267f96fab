/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEFT_MODEL_CONFIGURATION_H
#define WEFT_MODEL_CONFIGURATION_H

#include "model/schema.h"

struct configuration {
	struct model *model;
	struct lyd_node *tree; /* first top-level sibling */
};

#endif
