/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The published rules of all firewalls by their ids, for those who have noted an id: connections,
 * counters. Address space for every rule that there can be; memory where there are some.
 *
 * Threads: changed on the control thread; read anywhere, under RCU.
 */
#ifndef WEFT_FIREWALL_RULE_TABLE_H
#define WEFT_FIREWALL_RULE_TABLE_H

#include "firewall/rule.h"
#include "graph/id.h"

#include <stdatomic.h>

struct rule_table {
	struct id_pool ids;
	const struct rule *_Atomic *rules; /* by index */
};

/* 0 or -1: no address space. */
int rule_table_open(struct rule_table *table);
void rule_table_close(struct rule_table *table);

/* Takes the place of what has its id. */
void rule_table_put(struct rule_table *table, const struct rule *rule);
/* Not there any more, unless another has its place already. */
void rule_table_remove(struct rule_table *table, const struct rule *rule);

/* NULL: it is gone. */
static inline const struct rule *
rule_table_get(const struct rule_table *table, uint32_t id)
{
	const struct rule *rule =
		atomic_load_explicit(&table->rules[id_index(id)], memory_order_acquire);

	return rule != NULL && rule->id == id ? rule : NULL;
}

#endif
