/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of the user behind a vnic: its MAC, its addresses, its way out. Control side.
 */
#ifndef WEFT_GRAPH_NIC_ADDRESS_H
#define WEFT_GRAPH_NIC_ADDRESS_H

#include "graph/nic.h"

/* How the user of a vnic would send to an address. */
struct nic_way {
	uint8_t mac[6];       /* its own */
	uint8_t source[16];   /* its own address */
	uint8_t next_hop[16]; /* the address itself, or the gateway */
	bool gateway;         /* next_hop is that */
};

/* 0, or -1 and why it could not send there at all. */
int nic_way_to(const struct weft_nic *nic, uint8_t family, const uint8_t *address,
	struct nic_way *way, struct weft_error *error);

/* The vnic of the network (NULL: the uplink) that has the address; NULL: none. Hold
 * weft_objects_lock. */
struct weft_nic *nic_with_address(
	struct weft *weft, struct weft_network *network, uint8_t family, const uint8_t *address);

#endif
