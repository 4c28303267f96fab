/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/rule_table.h"

#include "base/reserve.h"

#define TABLE_BYTES (ID_INDEX_COUNT * sizeof(const struct rule *))

int
rule_table_open(struct rule_table *table)
{
	*table = (struct rule_table){ .rules = reserve_open(TABLE_BYTES) };
	return table->rules != NULL ? 0 : -1;
}

void
rule_table_close(struct rule_table *table)
{
	if (table->rules != NULL)
		reserve_close(table->rules, TABLE_BYTES);
	table->rules = NULL;
	id_pool_free(&table->ids);
}

void
rule_table_put(struct rule_table *table, const struct rule *rule)
{
	atomic_store_explicit(&table->rules[id_index(rule->id)], rule, memory_order_release);
}

void
rule_table_remove(struct rule_table *table, const struct rule *rule)
{
	const struct rule *_Atomic *place = &table->rules[id_index(rule->id)];

	if (atomic_load_explicit(place, memory_order_relaxed) == rule)
		atomic_store_explicit(place, NULL, memory_order_release);
}
