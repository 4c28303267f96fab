/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a connection holds its two flows. One of IPv4 that is not translated: addresses and ports of
 * side 0 in `ends` and `ports`. Every other (CONNECTION_WIDE): the addresses of both sides in its
 * connection_wide, the ports of side 0 in `ports`, of side 1 in ends[1], to_port above.
 */
#include "firewall/connection_private.h"

static bool
is_reverse(const struct flow *flow, const struct flow *reply)
{
	struct flow reverse = flow_reverse(flow);

	return memcmp(&reverse, reply, sizeof(reverse)) == 0;
}

uint8_t
connection_key_flags(const struct connection_request *request)
{
	uint8_t flags = 0;

	if (request->flow.family == 6)
		flags |= CONNECTION_SIX | CONNECTION_WIDE;
	if (!is_reverse(&request->flow, &request->reply))
		flags |= CONNECTION_TRANSLATED | CONNECTION_WIDE;
	return flags;
}

static struct connection_wide *
wide_of(const struct connection_table *table, const struct connection *connection)
{
	/* its place, without the line that it is noted in */
	return &table->wide[connection - table->connections - table->wide_base];
}

static void
set_wide(struct connection_table *table, struct connection *connection,
	const struct connection_request *request)
{
	const struct flow *flows[2] = { &request->flow, &request->reply };
	struct connection_wide *wide = wide_of(table, connection);

	for (unsigned side = 0; side < 2; side++) {
		memcpy(wide->from_ip[side], flows[side]->from_ip, sizeof(wide->from_ip[side]));
		memcpy(wide->to_ip[side], flows[side]->to_ip, sizeof(wide->to_ip[side]));
	}
	connection->ends[1] = request->reply.from_port | (uint32_t)request->reply.to_port << 16;
}

void
connection_key_set(struct connection_table *table, struct connection *connection,
	const struct connection_request *request)
{
	const struct flow *flow = &request->flow;

	connection->domain = flow->domain;
	connection->family = flow->family & 7;
	connection->protocol = flow->protocol;
	connection->ports[0] = flow->from_port;
	connection->ports[1] = flow->to_port;
	if (connection->flags & CONNECTION_WIDE) {
		set_wide(table, connection, request);
		return;
	}
	memcpy(&connection->ends[0], flow->from_ip, sizeof(uint32_t));
	memcpy(&connection->ends[1], flow->to_ip, sizeof(uint32_t));
}

static void
wide_flow(const struct connection_table *table, const struct connection *connection, unsigned side,
	struct flow *flow)
{
	const struct connection_wide *wide = wide_of(table, connection);

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

/* 0: both are the same. */
static uint64_t
difference(const uint8_t *address, const uint8_t *other)
{
	uint64_t words[2], others[2];

	memcpy(words, address, sizeof(words));
	memcpy(others, other, sizeof(others));
	return (words[0] ^ others[0]) | (words[1] ^ others[1]);
}

static uint64_t
side_differs(
	const struct connection_wide *wide, unsigned side, const struct flow *flow, uint32_t ports)
{
	uint32_t own = flow->from_port | (uint32_t)flow->to_port << 16;

	return difference(wide->from_ip[side], flow->from_ip) |
	       difference(wide->to_ip[side], flow->to_ip) | (ports ^ own);
}

bool
connection_key_is_wide(const struct connection_table *table, const struct connection *connection,
	const struct flow *flow, unsigned *side)
{
	const struct connection_wide *wide = wide_of(table, connection);
	uint64_t forth, back;
	uint32_t ports;

	if (unlikely(connection->domain != flow->domain || connection->protocol != flow->protocol ||
		     !(connection->flags & CONNECTION_SIX) != (flow->family == 4)))
		return false;
	memcpy(&ports, connection->ports, sizeof(ports));
	forth = side_differs(wide, 0, flow, ports);
	back = side_differs(wide, 1, flow, connection->ends[1]);
	*side = forth != 0;
	return forth == 0 || back == 0;
}
