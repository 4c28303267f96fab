/* SPDX-License-Identifier: BSD-3-Clause */
/* Firewalls and address sets. */
#include "daemon/carry_out_internal.h"
#include "firewall/firewall.h"
#include "firewall/firewall_config.h"
#include "graph/change.h"

#include <errno.h>
#include <libyang/libyang.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a list or leaf of that name is among what differs. */
static bool
touches(const struct plan_item *item, const char *name)
{
	size_t length = strlen(name);

	for (unsigned i = 0; i < item->n_leaves; i++)
		if (strncmp(item->leaves[i].name, name, length) == 0 &&
			(item->leaves[i].name[length] == '\0' ||
				item->leaves[i].name[length] == '/'))
			return true;
	return false;
}

/* ---- address sets ---------------------------------------------------------------------------- */

static void
add_set(struct job *job, const struct plan_item *item)
{
	size_t count;
	struct weft_prefix *members = address_set_members_read(item->after, &count);

	if (members == NULL)
		change_fail(job->change, ENOMEM, "out of memory");
	else
		weft_address_set_add(job->change, weft_network_find(job->weft, item->network),
			item->name, members, count);
	free(members);
}

/* The members of `node` that `other` has not; malloced. */
static struct weft_prefix *
difference(const struct lyd_node *node, const struct lyd_node *other, size_t *count)
{
	const struct lyd_node *leaf = model_child(node, "members");
	struct weft_prefix *members = address_set_members_read(node, count);
	struct lyd_node *found;
	size_t kept = 0;

	for (size_t i = 0; members != NULL && i < *count; i++, leaf = model_next(leaf)) {
		const char *text = model_value(leaf);

		if (lyd_find_sibling_val(lyd_child(other), leaf->schema, text, strlen(text),
			    &found) != LY_SUCCESS)
			members[kept++] = members[i];
	}
	*count = kept;
	return members;
}

static void
update_set(struct job *job, const struct plan_item *item)
{
	size_t n_come, n_go;
	struct weft_prefix *come = difference(item->after, item->before, &n_come);
	struct weft_prefix *go = difference(item->before, item->after, &n_go);

	if (come == NULL || go == NULL)
		change_fail(job->change, ENOMEM, "out of memory");
	else if (n_come + n_go > 0)
		weft_address_set_update(job->change, weft_network_find(job->weft, item->network),
			item->name, come, n_come, go, n_go);
	free(come);
	free(go);
}

void
carry_out_make_address_set(struct job *job, const struct plan_item *item)
{
	if (item->before == NULL)
		add_set(job, item);
	else
		update_set(job, item);
}

void
carry_out_remove_address_set(struct job *job, const struct plan_item *item)
{
	weft_address_set_remove(
		job->change, weft_network_find(job->weft, item->network), item->name);
}

/* ---- port sets ------------------------------------------------------------------------------- */

void
carry_out_make_port_set(struct job *job, const struct plan_item *item)
{
	struct weft_network *network = weft_network_find(job->weft, item->network);
	size_t count;
	struct weft_port_range *ports = port_set_read(item->after, &count);

	if (ports == NULL)
		change_fail(job->change, ENOMEM, "out of memory");
	else if (item->before == NULL)
		weft_port_set_add(job->change, network, item->name, ports, count);
	else if (touches(item, "ports"))
		weft_port_set_update(job->change, network, item->name, ports, count);
	free(ports);
}

void
carry_out_remove_port_set(struct job *job, const struct plan_item *item)
{
	weft_port_set_remove(job->change, weft_network_find(job->weft, item->network), item->name);
}

/* ---- firewalls ---------------------------------------------------------------------------------
 */

struct weft_device *
carry_out_firewall(struct job *job, const char *network, const char *name)
{
	struct weft_network *found = network != NULL ? weft_network_find(job->weft, network) : NULL;

	return found != NULL && name != NULL ? firewall_find(found, name) : NULL;
}

static void
add_firewall(
	struct job *job, const struct plan_item *item, const struct weft_firewall_config *config)
{
	struct weft_network *network = weft_network_find(job->weft, item->network);
	char name[DEVICE_PORT_SIZE + sizeof(FIREWALL_GUARD_PREFIX)];

	if (!model_firewall_switches(item->after)) {
		weft_firewall_add(job->change, network, item->name, config);
		return;
	}
	snprintf(name, sizeof(name), FIREWALL_GUARD_PREFIX "%s", item->name);
	weft_firewall_add(job->change, network, name, config);
	carry_out_make_bridge(job, item->network, item->name);
}

void
carry_out_make_firewall(struct job *job, const struct plan_item *item)
{
	struct weft_firewall_config old, new;

	firewall_config_read(item->after, &new);
	if (item->before == NULL) {
		add_firewall(job, item, &new);
		return;
	}
	firewall_config_read(item->before, &old);
	if (!firewall_config_same(&old, &new))
		weft_firewall_update(
			job->change, carry_out_firewall(job, item->network, item->name), &new);
}

void
carry_out_remove_firewall(struct job *job, const struct plan_item *item)
{
	if (model_firewall_switches(item->before))
		weft_device_remove(job->change, carry_out_device(job, item->network, item->name));
	weft_device_remove(job->change, carry_out_firewall(job, item->network, item->name));
}

bool
carry_out_is_firewall_port(const struct plan_item *item)
{
	const struct lyd_node *node = item->after != NULL ? item->after : item->before;

	return strcmp(item->kind, "port") == 0 &&
	       strcmp(lyd_parent(node)->schema->name, "firewalls") == 0;
}

void
carry_out_make_firewall_port(struct job *job, const struct plan_item *item)
{
	char device[DEVICE_PORT_SIZE];
	const char *port;

	if (item->before != NULL || !carry_out_split(item->name, device, &port))
		return;
	if (model_firewall_switches(lyd_parent(item->after)))
		carry_out_make_bridge_port(job, item->network, device, port);
	else
		weft_firewall_port_add(
			job->change, carry_out_firewall(job, item->network, device), port);
}

/* ---- what judges
 * ---------------------------------------------------------------------------------- */

static void
set_rules(struct job *job, struct weft_device *device, const struct lyd_node *node)
{
	struct arena memory = { 0 };
	unsigned count;
	struct weft_rule *rules = firewall_rules_read(&memory, node, &count);

	if (rules == NULL)
		change_fail(job->change, ENOMEM, "out of memory");
	else
		weft_firewall_rules(job->change, device, rules, count);
	arena_free(&memory);
}

static void
set_translations(struct job *job, struct weft_device *device, const struct lyd_node *node)
{
	struct arena memory = { 0 };
	unsigned count;
	struct weft_translation *list = firewall_translations_read(&memory, node, &count);

	if (list == NULL)
		change_fail(job->change, ENOMEM, "out of memory");
	else
		weft_firewall_translations(job->change, device,
			model_text(node, "router") == NULL ? model_text(node, "inside") : NULL,
			list, count);
	arena_free(&memory);
}

void
carry_out_make_policy(struct job *job, const struct plan_item *item)
{
	struct weft_device *device = carry_out_firewall(job, item->network, item->name);
	bool new = item->before == NULL;

	if (device == NULL)
		return;
	if (new || touches(item, "rules"))
		set_rules(job, device, item->after);
	if (touches(item, "translations") ||
		(!new && (touches(item, "inside") || touches(item, "router"))))
		set_translations(job, device, item->after);
}

/* ---- guarding
 * -------------------------------------------------------------------------------------- */

/* All ports of the router that are there; zone NULL: it does not guard them any more. */
static void
guard_all(struct job *job, const struct plan_item *item, const struct lyd_node *node, bool guards)
{
	const char *router = model_text(node, "router");
	struct weft_device *device = carry_out_firewall(job, item->network, item->name);
	const struct lyd_node *port = model_child(
		model_entry(lyd_parent(node), "routers", router != NULL ? router : ""), "ports");

	for (; device != NULL && port != NULL; port = model_next(port)) {
		struct weft_vport *vport =
			carry_out_port(job, item->network, router, model_key(port));

		if (vport != NULL)
			weft_firewall_guard(job->change, device, vport,
				guards ? firewall_zone_of(node, model_key(port)) : NULL);
	}
}

/* What the router answers for: the outside addresses; node NULL: nothing any more. */
static void
set_claims(struct job *job, const struct plan_item *item, const char *router,
	const struct lyd_node *node)
{
	struct weft_device *device = carry_out_device(job, item->network, router);
	struct weft_claim *claims = NULL;
	struct arena memory = { 0 };
	unsigned count = 0;

	if (router == NULL || device == NULL)
		return;
	if (node != NULL)
		claims = firewall_claims_read(&memory, node, &count);
	if (node != NULL && claims == NULL)
		change_fail(job->change, ENOMEM, "out of memory");
	else
		weft_router_claims(job->change, device, claims, count);
	arena_free(&memory);
}

static bool
translates(const struct lyd_node *node)
{
	return model_child(node, "translations") != NULL;
}

static bool
moves(const struct plan_item *item)
{
	return item->before == NULL || item->after == NULL || touches(item, "router") ||
	       touches(item, "zones");
}

void
carry_out_release_firewall(struct job *job, const struct plan_item *item)
{
	if (item->before == NULL || !moves(item))
		return;
	guard_all(job, item, item->before, false);
	if (item->after != NULL && model_firewall_switches(item->before))
		carry_out_guard_bridge(job, item->network, item->before, false);
	if (translates(item->before))
		set_claims(job, item, model_text(item->before, "router"), NULL);
}

void
carry_out_guard(struct job *job, const struct plan_item *item)
{
	if (moves(item))
		guard_all(job, item, item->after, true);
	if (moves(item) && model_firewall_switches(item->after))
		carry_out_guard_bridge(job, item->network, item->after, true);
	if (touches(item, "translations") || (moves(item) && translates(item->after)))
		set_claims(job, item, model_text(item->after, "router"), item->after);
}

/* A port that its router gets, of which a firewall may guard all; or one of a firewall. */
void
carry_out_guard_port(struct job *job, const struct plan_item *item)
{
	const struct lyd_node *router = lyd_parent(item->after);
	const struct lyd_node *node = model_child(lyd_parent(router), "firewalls");

	if (carry_out_is_firewall_port(item)) {
		if (model_firewall_switches(router))
			carry_out_guard_bridge(job, item->network, router, true);
		return;
	}
	for (; item->before == NULL && node != NULL; node = model_next(node)) {
		const char *guarded = model_text(node, "router");

		if (guarded != NULL && strcmp(guarded, model_key(router)) == 0)
			weft_firewall_guard(job->change,
				carry_out_firewall(job, item->network, model_key(node)),
				carry_out_end(job, item->network, item->name),
				firewall_zone_of(node, model_key(item->after)));
	}
}
