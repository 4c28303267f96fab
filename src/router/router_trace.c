/* SPDX-License-Identifier: BSD-3-Clause */
/* What a router decides, in words, for packets that are traced. */
#include "graph/trace.h"
#include "router/router_objects.h"

#include <stdio.h>

static void
describe_hop(struct worker *worker, const struct next_hop *hop, char *text, size_t size)
{
	const struct vport *vport = vport_get(worker, hop->key.vport);
	const char *port = vport != NULL ? vport->object->name : "?";
	char gateway[ROUTER_ADDRESS_SIZE];

	switch (hop->key.kind) {
	case HOP_LOCAL:
		snprintf(text, size, "the router's own address, of port %s", port);
		break;
	case HOP_BROADCAST:
		snprintf(text, size, "broadcast address of port %s's network", port);
		break;
	case HOP_CLAIMED:
		snprintf(text, size, "an address that the firewall translates");
		break;
	case HOP_CONNECTED:
		snprintf(text, size, "a neighbor on port %s", port);
		break;
	case HOP_GATEWAY:
		snprintf(text, size, "via %s on port %s",
			router_address_text(hop->key.family, hop->key.gateway, gateway), port);
		break;
	default:
		snprintf(text, size, "%s",
			hop->key.kind == HOP_BLACKHOLE     ? "to nowhere"
			: hop->key.kind == HOP_UNREACHABLE ? "unreachable"
							   : "prohibited");
	}
}

static unsigned
ways_of(uint32_t leaf)
{
	const struct next_hop *hop = next_hop_get(leaf);

	return hop != NULL && hop->group != NULL ? hop->group->n_members : 1;
}

void
router_trace_route(struct worker *worker, const struct routed *routed, const struct next_hop *hop)
{
	const uint8_t *destination = routed_destination(routed);
	const struct router_route *route =
		router_route_to(routed->port->owner, routed->family, destination);
	char prefix[ROUTER_PREFIX_SIZE], way[80], ways[40] = "";

	if (hop == NULL || route == NULL) {
		trace_step(worker, routed->packet, routed->ingress, "no route to %s",
			router_address_text(routed->family, destination, prefix));
		return;
	}
	describe_hop(worker, hop, way, sizeof(way));
	if (ways_of(routed->leaf) > 1)
		snprintf(ways, sizeof(ways), " (one of %u ways)", ways_of(routed->leaf));
	trace_step(worker, routed->packet, routed->ingress, "route %s (%s): %s%s",
		router_prefix_text(&route->prefix, prefix), route_source_name(route->source), way,
		ways);
}
