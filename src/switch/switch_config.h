/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the model to libweft's words: a switch, its ports, its static MACs. The nodes have
 * been validated by the model; nothing here can fail.
 */
#ifndef WEFT_SWITCH_SWITCH_CONFIG_H
#define WEFT_SWITCH_SWITCH_CONFIG_H

#include <weft/weft.h>

struct lyd_node;

/* An entry of switches. */
void switch_config_read(const struct lyd_node *node, struct weft_switch_config *config);
bool switch_config_same(const struct weft_switch_config *a, const struct weft_switch_config *b);

/* An entry of a switch's ports, or of nics or a router's ports: the port that is made for it. */
void switch_port_config_read(const struct lyd_node *node, struct weft_switch_port_config *config);
bool switch_port_config_same(
	const struct weft_switch_port_config *a, const struct weft_switch_port_config *b);

/* An entry of static-macs; its port is read by the caller. */
struct switch_static_mac {
	uint16_t vlan;
	uint8_t mac[6];
};
void switch_static_mac_read(const struct lyd_node *node, struct switch_static_mac *entry);

#endif
