/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/plan_json.h"

static json_t *
leaves_json(const struct plan_item *item)
{
	json_t *leaves = json_array();

	for (unsigned i = 0; i < item->n_leaves; i++) {
		const struct plan_leaf *leaf = &item->leaves[i];

		json_array_append_new(
			leaves, json_pack("{ss, ss?, ss?}", "name", leaf->name, "before",
					leaf->before, "after", leaf->after));
	}
	return leaves;
}

static json_t *
item_json(const struct plan_item *item)
{
	return json_pack("{ss, ss, ss, ss?, ss, so, ss?}", "operation",
		plan_operation_name(item->operation), "impact", plan_impact_name(item->impact),
		"kind", item->kind, "network", item->network, "name", item->name, "leaves",
		leaves_json(item), "collateral", item->collateral);
}

json_t *
plan_json(const struct plan *plan)
{
	json_t *items = json_array();

	for (unsigned i = 0; i < plan->count; i++)
		json_array_append_new(items, item_json(&plan->items[i]));
	if (json_array_size(items) != plan->count) {
		json_decref(items);
		return NULL;
	}
	return json_pack("{so, si}", "items", items, "changes", (int)plan->count);
}
