/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of ports, as ranges. Never changed once made; a change makes another one.
 *
 * Threads: any, as long as it lives.
 */
#ifndef WEFT_FIREWALL_PORT_SET_H
#define WEFT_FIREWALL_PORT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

struct port_set {
	uint32_t count;
	/* in their order; none touches or overlaps another */
	struct weft_port_range ranges[];
};

/* NULL: no memory. Each range ends where it begins, or behind. */
struct port_set *port_set_create(const struct weft_port_range *ranges, size_t count);
void port_set_free(struct port_set *set);

bool port_set_same(const struct port_set *a, const struct port_set *b);
/* The range that has the port; NULL: none. */
const struct weft_port_range *port_set_find(const struct port_set *set, uint16_t port);

#endif
