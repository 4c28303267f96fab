/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Firewalls of more than two ports: the ports are those of a transparent switch that has the
 * firewall's name, and the firewall judges there (firewall/firewall.h). One that comes to have more
 * than two ports, or no more than two, stays the same object, so that its connections live on.
 */
#include "daemon/carry_out_internal.h"
#include "firewall/firewall.h"
#include "firewall/firewall_config.h"
#include "switch/switch.h"

#include <libyang/libyang.h>
#include <string.h>

void
carry_out_make_bridge(struct job *job, const char *network, const char *firewall)
{
	const struct weft_switch_config config = { .transparent = true };

	weft_switch_add(job->change, weft_network_find(job->weft, network), firewall, &config);
}

void
carry_out_make_bridge_port(
	struct job *job, const char *network, const char *firewall, const char *port)
{
	/* what is attached judges what is too long for it, as with a firewall of two ports */
	const struct weft_switch_port_config config = { .mtu = SWITCH_PORT_MTU_MAX };

	weft_switch_port_add(job->change, carry_out_device(job, network, firewall), port, &config);
}

/* ---- turning ----------------------------------------------------------------------------------
 */

static bool
same_ends(const struct lyd_node *a, const struct lyd_node *b)
{
	const struct lyd_node *x = model_child(a, "ends"), *y = model_child(b, "ends");

	for (; x != NULL && y != NULL; x = model_next(x), y = model_next(y))
		if (strcmp(model_value(x), model_value(y)) != 0)
			return false;
	return x == NULL && y == NULL;
}

static bool
is_at(const char *end, const char *firewall)
{
	size_t length = strlen(firewall);

	return strncmp(end, firewall, length) == 0 && end[length] == ':';
}

/* The links that stay as they are; all others are made, or gone, in their turn. */
static void
join_again(struct job *job, const struct lyd_node *before, const struct lyd_node *after)
{
	const char *firewall = model_key(after), *network = model_key(lyd_parent(after));
	const struct lyd_node *link = model_child(lyd_parent(after), "links");

	for (; link != NULL; link = model_next(link)) {
		const struct lyd_node *a = model_child(link, "ends"), *b = model_next(a);
		const struct lyd_node *old =
			model_entry(lyd_parent(before), "links", model_key(link));

		if (b == NULL || old == NULL || !same_ends(old, link))
			continue;
		if (is_at(model_value(a), firewall) || is_at(model_value(b), firewall))
			weft_link(job->change, carry_out_end(job, network, model_value(a)),
				carry_out_end(job, network, model_value(b)));
	}
}

static void
turn(struct job *job, const struct lyd_node *before, const struct lyd_node *after, bool switches)
{
	const char *name = model_key(after), *network = model_key(lyd_parent(after));
	struct weft_device *device = carry_out_firewall(job, network, name);
	struct weft_device *place = carry_out_device(job, network, name);
	const struct lyd_node *port = model_child(after, "ports");

	if (device == NULL || (place != NULL && (place->class == &switch_class) == switches))
		return; /* an item before has done it */
	if (switches) {
		firewall_become_guard(job->change, device);
		carry_out_make_bridge(job, network, name);
	} else {
		weft_device_remove(job->change, place);
		firewall_become_device(job->change, device);
	}
	for (; port != NULL; port = model_next(port)) {
		if (model_entry(before, "ports", model_key(port)) == NULL)
			continue;
		if (switches)
			carry_out_make_bridge_port(job, network, name, model_key(port));
		else
			weft_firewall_port_add(job->change, device, model_key(port));
	}
	join_again(job, before, after);
}

void
carry_out_turn_firewall(struct job *job, const struct plan_item *item)
{
	const struct lyd_node *node = item->after != NULL ? item->after : item->before;
	const struct lyd_node *before, *after;
	const char *name;

	if (strcmp(item->kind, "port") == 0)
		node = lyd_parent(node);
	name = model_key(node);
	before = model_entry(name_map_get(&job->before.networks, item->network), "firewalls", name);
	after = model_entry(name_map_get(&job->after.networks, item->network), "firewalls", name);
	if (before != NULL && after != NULL &&
		model_firewall_switches(before) != model_firewall_switches(after))
		turn(job, before, after, model_firewall_switches(after));
}

/* ---- guarding ---------------------------------------------------------------------------------
 */

void
carry_out_guard_bridge(
	struct job *job, const char *network, const struct lyd_node *firewall, bool guards)
{
	const char *name = model_key(firewall);
	struct weft_device *device = carry_out_firewall(job, network, name);
	const struct lyd_node *port = model_child(firewall, "ports");

	for (; device != NULL && port != NULL; port = model_next(port)) {
		struct weft_vport *vport = carry_out_port(job, network, name, model_key(port));

		if (vport != NULL)
			weft_firewall_guard(job->change, device, vport,
				guards ? firewall_zone_of(firewall, model_key(port)) : NULL);
	}
}
