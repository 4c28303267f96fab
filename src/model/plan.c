/* SPDX-License-Identifier: BSD-3-Clause */
/* How two configurations differ, object by object. */
#include "base/name_map.h"
#include "model/collateral.h"
#include "model/configuration.h"
#include "model/model.h"
#include "model/plan_leaf.h"
#include "model/text.h"
#include "model/value.h"

#include <stdlib.h>
#include <string.h>

/*
 * The kinds of objects, in the order in which they can be made: each after what it needs.
 * They are taken away the other way round.
 */
enum kind {
	KIND_SYSTEM,
	KIND_UPLINK,
	KIND_NETWORK,
	KIND_SWITCH,
	KIND_ROUTER,
	KIND_TUNNEL,
	KIND_ADDRESS_SET,
	KIND_PORT_SET,
	KIND_FIREWALL,
	KIND_PORT,
	KIND_VNI,
	KIND_STATIC_MAC,
	KIND_NIC,
	KIND_LINK,
	KIND_ROUTE,
	KIND_TEST,
	KINDS,
};

static const char *const kind_names[KINDS] = { "system", "uplink", "network", "switch", "router",
	"tunnel", "address-set", "port-set", "firewall", "port", "vni", "static-mac", "nic", "link",
	"route", "test" };

/* Lists that hold objects of their own, and so are not leaves of the object that they are in. */
static const struct {
	const char *list;
	enum kind kind;
} lists[] = { { "switches", KIND_SWITCH }, { "ports", KIND_PORT },
	{ "static-macs", KIND_STATIC_MAC }, { "routers", KIND_ROUTER }, { "routes", KIND_ROUTE },
	{ "tunnels", KIND_TUNNEL }, { "vnis", KIND_VNI }, { "address-sets", KIND_ADDRESS_SET },
	{ "port-sets", KIND_PORT_SET }, { "firewalls", KIND_FIREWALL }, { "nics", KIND_NIC },
	{ "links", KIND_LINK }, { "tests", KIND_TEST } };

struct planner {
	struct plan *plan;
	unsigned capacity;
	bool failed; /* out of memory */
};

/* Where an object is: what its name begins with. */
struct scope {
	const char *network; /* NULL: none */
	const char *device;  /* NULL: the object is not in a device */
};

/* ---- items -------------------------------------------------------------------------- */

static char *
object_name(const struct scope *scope, const char *key)
{
	struct text name = { 0 };

	if (scope->device != NULL)
		text_add(&name, "%s:", scope->device);
	text_add(&name, "%s", key);
	return text_take(&name);
}

static struct plan_item *
add_item(struct planner *planner, enum kind kind, const struct scope *scope,
	const struct lyd_node *before, const struct lyd_node *after)
{
	struct plan *plan = planner->plan;
	const struct lyd_node *node = after != NULL ? after : before;
	struct plan_item *items;

	if (plan->count == planner->capacity) {
		planner->capacity = planner->capacity * 2 + 64;
		items = realloc(plan->items, planner->capacity * sizeof(*items));
		if (items == NULL) {
			planner->failed = true;
			return NULL;
		}
		plan->items = items;
	}
	items = &plan->items[plan->count++];
	*items = (struct plan_item){ .kind = kind_names[kind], .before = before, .after = after };
	items->operation = before == NULL ? PLAN_CREATE : after == NULL ? PLAN_DELETE : PLAN_UPDATE;
	if (scope->network != NULL)
		items->network = strdup(scope->network);
	items->name = kind == KIND_SYSTEM ? strdup("system") : object_name(scope, model_key(node));
	planner->failed |=
		items->name == NULL || (scope->network != NULL && items->network == NULL);
	return items;
}

static void
add_leaf(struct planner *planner, struct plan_item *item, char *name, char *before, char *after)
{
	plan_add_leaf(item, name, before, after, &planner->failed);
}

/* ---- leaves ------------------------------------------------------------------------- */

static char *
leaf_text(const struct lyd_node *node)
{
	return node != NULL ? plan_leaf_text(node) : NULL;
}

static bool
same_leaf(const struct lyd_node *a, const struct lyd_node *b)
{
	char *first, *second;
	bool same;

	if (a == NULL || b == NULL)
		return a == b;
	if (a->schema->nodetype == LYS_LEAF)
		return value_same(schema_value_kind(a->schema), lyd_get_value(a), lyd_get_value(b));
	if (model_next(a) == NULL && model_next(b) == NULL)
		return strcmp(lyd_get_value(a), lyd_get_value(b)) == 0;
	first = plan_join(a);
	second = plan_join(b);
	same = first != NULL && second != NULL && strcmp(first, second) == 0;
	free(first);
	free(second);
	return same;
}

/* a: the object before, b: after; one may be NULL. Defaults of a new object are not told. */
static void
compare_leaf(struct planner *planner, struct plan_item *item, const char *prefix,
	const struct lysc_node *schema, const struct lyd_node *a, const struct lyd_node *b)
{
	struct text name = { 0 };

	if (same_leaf(a, b) || (a == NULL && (b->flags & LYD_DEFAULT) && item->before == NULL))
		return;
	text_add(&name, "%s%s", prefix, schema->name);
	add_leaf(planner, item, text_take(&name), leaf_text(a), leaf_text(b));
}

/* Whether its entries are objects of their own; else they are leaves of what they are in. */
static bool
holds_objects(const char *list)
{
	for (unsigned i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (strcmp(lists[i].list, list) == 0)
			return true;
	return false;
}

static void compare_inner_list(struct planner *planner, struct plan_item *item, const char *prefix,
	const char *list, const struct lyd_node *before, const struct lyd_node *after);

static void
compare_members(struct planner *planner, struct plan_item *item, const char *prefix,
	const struct lyd_node *before, const struct lyd_node *after)
{
	const struct lysc_node *parent = (before != NULL ? before : after)->schema, *schema = NULL;

	while ((schema = lys_getnext(schema, parent, NULL, 0)) != NULL) {
		const struct lyd_node *a, *b;

		if (lysc_is_key(schema))
			continue;
		if (schema->nodetype == LYS_LIST) {
			if (schema->flags & LYS_ORDBY_USER && !holds_objects(schema->name))
				plan_compare_ordered(
					item, schema->name, before, after, &planner->failed);
			else if (!holds_objects(schema->name))
				compare_inner_list(
					planner, item, prefix, schema->name, before, after);
			continue;
		}
		a = model_child(before, schema->name);
		b = model_child(after, schema->name);
		if (a == NULL && b == NULL)
			continue;
		if (schema->nodetype == LYS_CONTAINER) {
			struct text deeper = { 0 };
			char *text;

			text_add(&deeper, "%s%s/", prefix, schema->name);
			text = text_take(&deeper);
			if (text != NULL)
				compare_members(planner, item, text, a, b);
			planner->failed |= text == NULL;
			free(text);
		} else {
			compare_leaf(planner, item, prefix, schema, a, b);
		}
	}
}

static void
compare_entry(struct planner *planner, struct plan_item *item, const char *prefix,
	const struct lyd_node *before, const struct lyd_node *after)
{
	const struct lyd_node *entry = after != NULL ? after : before;
	struct text deeper = { 0 };
	char *text;

	text_add(&deeper, "%s%s/%s/", prefix, entry->schema->name, model_key(entry));
	text = text_take(&deeper);
	if (text != NULL)
		compare_members(planner, item, text, before, after);
	planner->failed |= text == NULL;
	free(text);
}

static void
compare_inner_list(struct planner *planner, struct plan_item *item, const char *prefix,
	const char *list, const struct lyd_node *before, const struct lyd_node *after)
{
	const struct lyd_node *entry;

	for (entry = model_child(after, list); entry != NULL; entry = model_next(entry))
		compare_entry(planner, item, prefix,
			before != NULL ? model_entry(before, list, model_key(entry)) : NULL, entry);
	for (entry = model_child(before, list); entry != NULL; entry = model_next(entry))
		if (after == NULL || model_entry(after, list, model_key(entry)) == NULL)
			compare_entry(planner, item, prefix, entry, NULL);
}

/* ---- impact
 * ---------------------------------------------------------------------- */

/* Leaves whose change disturbs the traffic through the object; "/" ends a prefix. */
static const char *const disturbing[KINDS][10] = {
	[KIND_UPLINK] = { "attach/", "queues" },
	[KIND_PORT] = { "vlan", "vlans", "native", "uplink", "uplink-vlan", "switch", "peer",
		"mac" },
	[KIND_NIC] = { "attach/", "switch", "port", "vlan", "vlans", "native", "mac", "queues" },
	[KIND_LINK] = { "ends" },
	[KIND_ROUTE] = { "type" },
	[KIND_TUNNEL] = { "router", "local", "port" },
	[KIND_FIREWALL] = { "router", "zones/" },
	[KIND_VNI] = { "switch", "vlan" },
};

static bool
is_disturbing(enum kind kind, const char *leaf)
{
	for (unsigned i = 0; i < 10 && disturbing[kind][i] != NULL; i++) {
		const char *name = disturbing[kind][i];
		size_t length = strlen(name);

		if (name[length - 1] == '/' ? strncmp(leaf, name, length) == 0
					    : strcmp(leaf, name) == 0)
			return true;
	}
	return false;
}

/* Whether a value of a leaf-list before is not there after. */
static bool
loses_value(const struct plan_item *item, const char *leaf)
{
	const struct lyd_node *old, *new;

	for (old = model_child(item->before, leaf); old != NULL; old = model_next(old)) {
		for (new = model_child(item->after, leaf); new != NULL; new = model_next(new))
			if (strcmp(lyd_get_value(old), lyd_get_value(new)) == 0)
				break;
		if (new == NULL)
			return true;
	}
	return false;
}

/* Whether what was reached by an address or a gateway is not any more. */
static bool
loses_address(enum kind kind, const struct plan_item *item, const struct plan_leaf *leaf)
{
	if (kind == KIND_VNI)
		return strcmp(leaf->name, "remotes") == 0 && loses_value(item, leaf->name);
	if (kind != KIND_NIC && kind != KIND_PORT)
		return false;
	if (strcmp(leaf->name, "ip") == 0 || strcmp(leaf->name, "gateway") == 0)
		return loses_value(item, leaf->name);
	return strcmp(leaf->name, "ipv6") == 0 && strcmp(leaf->after, "false") == 0;
}

/* Whether hosts are told that the router is no gateway any more. */
static bool
ends_gateway(enum kind kind, const struct plan_leaf *leaf)
{
	if (kind != KIND_PORT)
		return false;
	if (strcmp(leaf->name, "advertise/interval") == 0)
		return leaf->after == NULL;
	return strcmp(leaf->name, "advertise/lifetime") == 0 && leaf->after != NULL &&
	       strcmp(leaf->after, "0s") == 0;
}

static enum plan_impact
update_impact(enum kind kind, const struct plan_item *item)
{
	for (unsigned i = 0; i < item->n_leaves; i++) {
		const char *leaf = item->leaves[i].name;

		if (kind == KIND_SYSTEM && strcmp(leaf, "history/keep") != 0)
			return PLAN_RESTART;
		if (is_disturbing(kind, leaf))
			return PLAN_TRAFFIC_LOSS;
		if (loses_address(kind, item, &item->leaves[i]) ||
			ends_gateway(kind, &item->leaves[i]))
			return PLAN_TRAFFIC_LOSS;
	}
	return PLAN_HITLESS;
}

static enum plan_impact
impact(enum kind kind, const struct plan_item *item)
{
	switch (item->operation) {
	case PLAN_CREATE:
		return PLAN_HITLESS;
	case PLAN_DELETE:
		return kind == KIND_TEST || kind == KIND_STATIC_MAC ? PLAN_HITLESS : PLAN_REMOVAL;
	default:
		return update_impact(kind, item);
	}
}

/* ---- objects ------------------------------------------------------------------------ */

static void compare_lists(struct planner *planner, const struct scope *scope,
	const struct lyd_node *before, const struct lyd_node *after);

/* A firewall that comes to have more than two ports, or no more than two, has its links made anew;
 * `first`: the first item of its ports. */
static void
worsen_ports(struct plan *plan, unsigned first)
{
	for (unsigned i = first; i < plan->count; i++)
		if (plan->items[i].impact < PLAN_TRAFFIC_LOSS)
			plan->items[i].impact = PLAN_TRAFFIC_LOSS;
}

static void
compare_object(struct planner *planner, enum kind kind, const struct scope *scope,
	const struct lyd_node *before, const struct lyd_node *after)
{
	struct scope inner = *scope;
	struct plan_item *item = add_item(planner, kind, scope, before, after);
	unsigned first;

	if (item == NULL)
		return;
	if (after != NULL)
		compare_members(planner, item, "", before, after);
	if (item->operation == PLAN_UPDATE && item->n_leaves == 0) {
		free(item->network);
		free(item->name);
		free(item->leaves);
		planner->plan->count--;
	} else {
		item->impact = impact(kind, item);
	}
	if (kind == KIND_NETWORK)
		inner.network = model_key(after != NULL ? after : before);
	else if (kind == KIND_SWITCH || kind == KIND_ROUTER || kind == KIND_TUNNEL ||
		 kind == KIND_FIREWALL)
		inner.device = model_key(after != NULL ? after : before);
	else
		return;
	first = planner->plan->count;
	compare_lists(planner, &inner, before, after);
	if (kind == KIND_FIREWALL && before != NULL && after != NULL &&
		model_firewall_switches(before) != model_firewall_switches(after))
		worsen_ports(planner->plan, first);
}

/* first_a, first_b: the first entries of a list before and after; NULL: it is empty. */
static void
compare_entries(struct planner *planner, enum kind kind, const struct scope *scope,
	const struct lyd_node *first_a, const struct lyd_node *first_b)
{
	struct name_map old = { 0 };
	const struct lyd_node *a, *b;

	for (a = first_a; a != NULL; a = model_next(a))
		if (name_map_put(&old, model_key(a), (void *)(uintptr_t)a) < 0)
			planner->failed = true;
	for (b = first_b; b != NULL; b = model_next(b))
		compare_object(planner, kind, scope, name_map_remove(&old, model_key(b)), b);
	if (old.count > 0)
		for (a = first_a; a != NULL; a = model_next(a))
			if (name_map_get(&old, model_key(a)) != NULL)
				compare_object(planner, kind, scope, a, NULL);
	name_map_free(&old);
}

static void
compare_lists(struct planner *planner, const struct scope *scope, const struct lyd_node *before,
	const struct lyd_node *after)
{
	for (unsigned i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		const struct lyd_node *a = model_child(before, lists[i].list);
		const struct lyd_node *b = model_child(after, lists[i].list);

		/* a router has a leaf-list named as the list of tunnels is */
		if ((a != NULL || b != NULL) && (a != NULL ? a : b)->schema->nodetype == LYS_LIST)
			compare_entries(planner, lists[i].kind, scope, a, b);
	}
}

/* ---- the whole
 * ------------------------------------------------------------------- */

static unsigned
rank(const struct plan_item *item)
{
	unsigned kind = 0;

	while (strcmp(kind_names[kind], item->kind) != 0)
		kind++;
	return item->operation == PLAN_DELETE ? KINDS - kind : KINDS + 1 + kind;
}

/* Stable: objects of a rank stay in the order of the configuration. */
static void
sort_items(struct planner *planner)
{
	struct plan *plan = planner->plan;
	unsigned begin[2 * KINDS + 2] = { 0 };
	struct plan_item *sorted = malloc((plan->count + 1) * sizeof(*sorted));

	if (sorted == NULL) {
		planner->failed = true;
		return;
	}
	for (unsigned i = 0; i < plan->count; i++)
		begin[rank(&plan->items[i]) + 1]++;
	for (unsigned i = 1; i < 2 * KINDS + 2; i++)
		begin[i] += begin[i - 1];
	for (unsigned i = 0; i < plan->count; i++)
		sorted[begin[rank(&plan->items[i])]++] = plan->items[i];
	free(plan->items);
	plan->items = sorted;
}

struct plan *
plan_make(const struct configuration *before, const struct configuration *after)
{
	static const struct scope nowhere = { NULL, NULL };
	struct planner planner = { .plan = calloc(1, sizeof(struct plan)) };
	struct plan *plan = planner.plan;

	if (plan == NULL)
		return NULL;
	plan->before = before;
	plan->after = after;
	compare_object(&planner, KIND_SYSTEM, &nowhere, configuration_child(before, "system"),
		configuration_child(after, "system"));
	compare_entries(&planner, KIND_UPLINK, &nowhere, configuration_child(before, "uplinks"),
		configuration_child(after, "uplinks"));
	compare_entries(&planner, KIND_NETWORK, &nowhere, configuration_child(before, "networks"),
		configuration_child(after, "networks"));
	sort_items(&planner);
	if (!planner.failed && collateral_find(plan) == 0)
		return plan;
	plan_free(plan);
	return NULL;
}

void
plan_free(struct plan *plan)
{
	if (plan == NULL)
		return;
	for (unsigned i = 0; i < plan->count; i++) {
		struct plan_item *item = &plan->items[i];

		for (unsigned j = 0; j < item->n_leaves; j++) {
			free(item->leaves[j].name);
			free(item->leaves[j].before);
			free(item->leaves[j].after);
		}
		free(item->leaves);
		free(item->network);
		free(item->name);
		free(item->collateral);
	}
	free(plan->items);
	free(plan);
}

const char *
plan_operation_name(enum plan_operation operation)
{
	static const char *const names[] = { "create", "update", "delete" };

	return names[operation];
}

const char *
plan_impact_name(enum plan_impact impact)
{
	static const char *const names[] = { "hitless", "traffic-loss", "removal", "restart" };

	return names[impact];
}
