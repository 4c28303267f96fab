/* SPDX-License-Identifier: BSD-3-Clause */
/* What a tunnel does, in words, for packets that are traced. */
#include "graph/trace.h"
#include "packet/encapsulate.h"
#include "tunnel/tunnel_objects.h"

#include <arpa/inet.h>

static const char *
text_of(uint8_t family, const uint8_t *address, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(family == 4 ? AF_INET : AF_INET6, address, text, INET6_ADDRSTRLEN);
}

void
tunnel_trace_out(struct worker *worker, const struct vport *vport, const struct rte_mbuf *packet,
	const struct vxlan_outer *outer)
{
	char to[INET6_ADDRSTRLEN];

	trace_step(worker, packet, vport, "VXLAN: VNI %u, to %s, UDP from port %u", outer->vni,
		text_of(outer->family, outer->destination, to), outer->source_port);
}

void
tunnel_trace_in(struct worker *worker, const struct vport *vport, const struct rte_mbuf *packet,
	uint32_t vni, uint8_t family, const uint8_t *source, const struct vport *egress)
{
	char from[INET6_ADDRSTRLEN];

	text_of(family, source, from);
	if (egress != NULL)
		trace_step(worker, packet, vport, "VXLAN: VNI %u from %s: at %s", vni, from,
			egress->object->name);
	else
		trace_step(worker, packet, vport, "VXLAN: VNI %u from %s: nobody's", vni, from);
}
