/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tunnel's own files share: its objects as the workers and the control side see them.
 * Others include tunnel/tunnel.h.
 */
#ifndef WEFT_TUNNEL_TUNNEL_OBJECTS_H
#define WEFT_TUNNEL_TUNNEL_OBJECTS_H

#include "graph/engine.h"
#include "tunnel/tunnel.h"
#include "tunnel/vni_map.h"

/* What workers read of a tunnel; a change makes a new one. */
struct tunnel_live {
	uint8_t family;
	uint16_t port; /* host order */
	uint8_t local[16];
	uint32_t underlay; /* vport */
	unsigned vnis, remotes;
	struct vni_map *map; /* of its own */
};

/* A tunnel; weft_device.data. */
struct tunnel {
	struct tunnel_live *_Atomic live;
	_Atomic uint64_t icmp_next; /* ns: see may_send_icmp */
	struct weft_network *network;
	/* control side */
	struct weft_tunnel_config config; /* as the open change, or the last one, wants it */
	struct tunnel_live *prepared, *replaced;
};

/* A vport; vport->context. Never changed. */
struct tunnel_port {
	struct tunnel *owner;
	uint32_t vni; /* 0: the underlay */
	uint8_t family;
	uint8_t remote[16]; /* unused bytes zero */
};

static inline const struct tunnel_port *
tunnel_port_of(const struct vport *vport)
{
	return vport->context;
}

static inline const struct tunnel_live *
tunnel_live_of(const struct tunnel *tunnel)
{
	return atomic_load_explicit(&tunnel->live, memory_order_acquire);
}

void tunnel_input(struct worker *worker, struct rte_mbuf **packets, unsigned count);

/* ---- words (tunnel_trace.c): only for packets that have a trace mark ----------------------- */

struct vxlan_outer;

void tunnel_trace_out(struct worker *worker, const struct vport *vport,
	const struct rte_mbuf *packet, const struct vxlan_outer *outer);
/* egress NULL: nobody's. source: of the outer header. */
void tunnel_trace_in(struct worker *worker, const struct vport *vport,
	const struct rte_mbuf *packet, uint32_t vni, uint8_t family, const uint8_t *source,
	const struct vport *egress);

#endif
