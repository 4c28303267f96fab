/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a connection holds its two flows. One of IPv4 that is not translated: addresses and ports of
 * side 0 in `ends` and `ports`. Every other (CONNECTION_WIDE): the addresses of both sides in
 * table->wide[ends[0]], the ports of side 0 in `ports`, of side 1 in ends[1], to_port above.
 */
#include "firewall/connection_private.h"

static bool
is_reverse(const struct flow *flow, const struct flow *reply)
{
	struct flow reverse = flow_reverse(flow);

	return memcmp(&reverse, reply, sizeof(reverse)) == 0;
}

static bool
set_wide(struct connection_table *table, struct connection *connection,
	const struct connection_request *request)
{
	const struct flow *flows[2] = { &request->flow, &request->reply };
	struct connection_wide *wide;
	uint32_t place = place_pool_take(&table->wide_pool);

	if (place == PLACE_NONE)
		return false;
	wide = &table->wide[place];
	for (unsigned side = 0; side < 2; side++) {
		memcpy(wide->from_ip[side], flows[side]->from_ip, sizeof(wide->from_ip[side]));
		memcpy(wide->to_ip[side], flows[side]->to_ip, sizeof(wide->to_ip[side]));
	}
	connection->flags |= CONNECTION_WIDE;
	connection->ends[0] = place;
	connection->ends[1] = request->reply.from_port | (uint32_t)request->reply.to_port << 16;
	return true;
}

bool
connection_key_set(struct connection_table *table, struct connection *connection,
	const struct connection_request *request)
{
	const struct flow *flow = &request->flow;

	connection->domain = flow->domain;
	connection->family = flow->family;
	connection->protocol = flow->protocol;
	connection->ports[0] = flow->from_port;
	connection->ports[1] = flow->to_port;
	if (flow->family == 6)
		connection->flags |= CONNECTION_SIX;
	if (!is_reverse(flow, &request->reply))
		connection->flags |= CONNECTION_TRANSLATED;
	if (connection->flags & (CONNECTION_SIX | CONNECTION_TRANSLATED))
		return set_wide(table, connection, request);
	memcpy(&connection->ends[0], flow->from_ip, sizeof(uint32_t));
	memcpy(&connection->ends[1], flow->to_ip, sizeof(uint32_t));
	return true;
}

void
connection_key_drop(struct connection_table *table, const struct connection *connection)
{
	if (connection->flags & CONNECTION_WIDE)
		place_pool_give(&table->wide_pool, connection->ends[0]);
}

static void
wide_flow(const struct connection_table *table, const struct connection *connection, unsigned side,
	struct flow *flow)
{
	const struct connection_wide *wide = &table->wide[connection->ends[0]];

	memcpy(flow->from_ip, wide->from_ip[side], sizeof(flow->from_ip));
	memcpy(flow->to_ip, wide->to_ip[side], sizeof(flow->to_ip));
	flow->from_port = side == 0 ? connection->ports[0] : (uint16_t)connection->ends[1];
	flow->to_port = side == 0 ? connection->ports[1] : (uint16_t)(connection->ends[1] >> 16);
}

struct flow
connection_flow(const struct connection *connection, unsigned side)
{
	struct flow flow = {
		.domain = connection->domain,
		.family = connection->family,
		.protocol = connection->protocol,
	};

	if (connection->flags & CONNECTION_WIDE) {
		wide_flow(connection_table_of(connection), connection, side, &flow);
		return flow;
	}
	memcpy(flow.from_ip, &connection->ends[side], sizeof(uint32_t));
	memcpy(flow.to_ip, &connection->ends[!side], sizeof(uint32_t));
	flow.from_port = connection->ports[side];
	flow.to_port = connection->ports[!side];
	return flow;
}

bool
connection_key_is_wide(const struct connection_table *table, const struct connection *connection,
	const struct flow *flow, unsigned *side)
{
	for (*side = 0; *side < 2; ++*side) {
		struct flow there = { 0 };

		wide_flow(table, connection, *side, &there);
		if (there.from_port == flow->from_port && there.to_port == flow->to_port &&
			memcmp(there.from_ip, flow->from_ip, sizeof(there.from_ip)) == 0 &&
			memcmp(there.to_ip, flow->to_ip, sizeof(there.to_ip)) == 0)
			return true;
	}
	return false;
}
