/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules that no packet ever reaches, since an earlier one matches all that they do. What is told is
 * certain; rules that several earlier ones cover only together are not found.
 *
 * Threads: as classifier.h has it for readers.
 */
#ifndef WEFT_FIREWALL_RULE_COVER_H
#define WEFT_FIREWALL_RULE_COVER_H

#include "firewall/classifier.h"

/* Whether `a` certainly matches every packet that `b` matches. */
bool rule_covers(const struct rule *a, const struct rule *b);

/* The earlier rule that covers this one; NULL: none is found. Costs a lookup. */
const struct rule *rule_shadow(const struct classifier_view *view, const struct rule *rule);

#endif
