/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the model's data tree to the calls of weft.h. What is read belongs to an arena: it is freed
 * with that.
 */
#ifndef WEFT_FIREWALL_FIREWALL_CONFIG_H
#define WEFT_FIREWALL_FIREWALL_CONFIG_H

#include "model/arena.h"
#include "model/model.h"

/* `node`: an entry of networks/firewalls, of a checked configuration. */
void firewall_config_read(const struct lyd_node *node, struct weft_firewall_config *config);
bool firewall_config_same(
	const struct weft_firewall_config *a, const struct weft_firewall_config *b);

/* All rules, in their order; NULL: no memory. */
struct weft_rule *firewall_rules_read(
	struct arena *arena, const struct lyd_node *node, unsigned *count);
struct weft_translation *firewall_translations_read(
	struct arena *arena, const struct lyd_node *node, unsigned *count);

/* What the router that it guards has to claim: outside addresses of its translations. */
struct weft_claim *firewall_claims_read(
	struct arena *arena, const struct lyd_node *node, unsigned *count);

/* The members of an entry of networks/address-sets; malloced. */
struct weft_prefix *address_set_members_read(const struct lyd_node *node, size_t *count);

/* The ranges of an entry of networks/port-sets; malloced. */
struct weft_port_range *port_set_read(const struct lyd_node *node, size_t *count);

/* The zone of a port of the router that the firewall guards: its own name, unless a zone has it. */
const char *firewall_zone_of(const struct lyd_node *node, const char *port);

#endif
