/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the model to libweft's words: a vnic or an uplink. The node has been validated by the
 * model.
 */
#ifndef WEFT_NIC_NIC_CONFIG_H
#define WEFT_NIC_NIC_CONFIG_H

#include <weft/weft.h>

struct lyd_node;

/* A weft_nic_config whose strings belong to the node, and its arrays to this. */
struct nic_settings {
	struct weft_nic_config config;
	struct weft_prefix *prefixes;
};

/* An entry of nics or uplinks. 0, or -1: out of memory, or an address that is none. */
int nic_config_read(
	const struct lyd_node *node, struct nic_settings *settings, struct weft_error *error);
void nic_config_free(struct nic_settings *settings);

/* Whether a driver could not tell the two apart. */
bool nic_config_same(const struct weft_nic_config *a, const struct weft_nic_config *b);

#endif
