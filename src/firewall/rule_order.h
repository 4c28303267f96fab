/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Labels that put a list into order: numbers with gaps between them. When the list changes, as
 * few places as can be get another label.
 */
#ifndef WEFT_FIREWALL_RULE_ORDER_H
#define WEFT_FIREWALL_RULE_ORDER_H

#include <stdint.h>

#define ORDER_NONE 0 /* no label */
#define ORDER_GAP (1ull << 32)
#define ORDER_FIRST (1ull << 62) /* of a new list */
#define ORDER_END (1ull << 63)   /* labels are below */

/*
 * `labels` has for each place the label that it had, ORDER_NONE if it had none, each once. They
 * become strictly increasing. 0, or -1 when out of memory.
 */
int order_labels(uint64_t *labels, unsigned count);

#endif
