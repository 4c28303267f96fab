/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/switch_config.h"

#include "model/model.h"

#include <libyang/libyang.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
switch_config_read(const struct lyd_node *node, struct weft_switch_config *config)
{
	*config = (struct weft_switch_config){
		.ageing_s = (uint32_t)(model_milliseconds(node, "ageing-time", 300000) / 1000),
		.mac_limit = (uint32_t)model_number(node, "mac-limit", 0),
	};
}

bool
switch_config_same(const struct weft_switch_config *a, const struct weft_switch_config *b)
{
	return a->ageing_s == b->ageing_s && a->mac_limit == b->mac_limit;
}

/* "10" or "10-20" */
static void
add_range(struct weft_switch_port_config *config, const char *text)
{
	char *end;
	unsigned long first = strtoul(text, &end, 10), last = first;

	if (*end == '-')
		last = strtoul(end + 1, NULL, 10);
	for (; first <= last && first <= WEFT_VLAN_MAX; first++)
		config->vlans[first / 64] |= UINT64_C(1) << first % 64;
}

static uint16_t
read_native(const struct lyd_node *node)
{
	const char *text = model_text(node, "native");

	if (text == NULL)
		return 0;
	if (strcmp(text, "none") == 0)
		return WEFT_VLAN_NO_NATIVE;
	return (uint16_t)strtoul(text, NULL, 10);
}

void
switch_port_config_read(const struct lyd_node *node, struct weft_switch_port_config *config)
{
	const struct lyd_node *range;

	*config = (struct weft_switch_port_config){
		.access = (uint16_t)model_number(node, "vlan", 0),
		.native = read_native(node),
		.group = model_number(node, "isolation", 0),
	};
	for (range = model_child(node, "vlans"); range != NULL; range = model_next(range))
		add_range(config, lyd_get_value(range));
	/* the mtu of a vnic or a router's port is that of its own side, not of the switch's port */
	if (strcmp(LYD_NAME(node), "ports") != 0)
		return;
	/* and what a router sends untagged is in one VLAN */
	if (strcmp(LYD_NAME(lyd_parent(node)), "routers") == 0) {
		config->access = (uint16_t)model_number(node, "vlan", 1);
		return;
	}
	config->mac_limit = (uint32_t)model_number(node, "mac-limit", 0);
	config->mtu = (uint32_t)model_number(node, "mtu", 0);
}

bool
switch_port_config_same(
	const struct weft_switch_port_config *a, const struct weft_switch_port_config *b)
{
	return a->access == b->access && a->native == b->native && a->mac_limit == b->mac_limit &&
	       a->mtu == b->mtu && a->group == b->group &&
	       memcmp(a->vlans, b->vlans, sizeof(a->vlans)) == 0;
}

void
switch_static_mac_read(const struct lyd_node *node, struct switch_static_mac *entry)
{
	const char *text = model_text(node, "mac");

	*entry = (struct switch_static_mac){ .vlan = (uint16_t)model_number(node, "vlan", 1) };
	if (text != NULL)
		sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &entry->mac[0], &entry->mac[1],
			&entry->mac[2], &entry->mac[3], &entry->mac[4], &entry->mac[5]);
}
