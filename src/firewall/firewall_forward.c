/* SPDX-License-Identifier: BSD-3-Clause */
/* What the firewall lets go on, and where to. */
#include "firewall/firewall_objects.h"

/* It goes where the device that it came into says, with the address that it has now. */
static void
go_in(struct worker *worker, struct passage *passage)
{
	if (unlikely(packet_meta(passage->packet)->flags & PACKET_GATHERED))
		firewall_send_whole(worker, NULL, passage);
	else
		vport_give_back(worker, passage->ingress, passage->packet);
}

/* It is for the device itself, and whole. */
void
firewall_give_back(struct worker *worker, struct passage *passage)
{
	struct packet_meta *meta = packet_meta(passage->packet);

	if (unlikely(meta->flags & PACKET_GATHERED)) {
		meta->flags &= (uint8_t)~PACKET_GATHERED;
		meta->header_length = 0;
	}
	vport_give_back(worker, passage->ingress, passage->packet);
}

/* Out, as it is; `to`: by which port, where there is no egress already. */
void
firewall_forward(struct worker *worker, struct passage *passage, unsigned to)
{
	struct vport *egress = passage->egress;

	if (likely(passage->way == WAY_ACROSS)) {
		egress = vport_get(worker, passage->live->ports[to]);
	} else if (passage->way == WAY_IN) {
		go_in(worker, passage);
		return;
	} else {
		packet_meta(passage->packet)->flags |= PACKET_JUDGED;
	}
	if (unlikely(egress == NULL))
		firewall_drop(worker, passage, DROP_NO_DESTINATION);
	else if (unlikely(packet_meta(passage->packet)->flags & PACKET_GATHERED))
		firewall_send_whole(worker, egress, passage);
	else
		vport_send(worker, egress, passage->packet);
}

/* As what `reply` answers. */
void
firewall_forward_translated(
	struct worker *worker, struct passage *passage, const struct flow *reply, unsigned to)
{
	if (!firewall_rewrite(worker, passage, reply))
		return;
	if (passage->way != WAY_ACROSS || to != passage->fields.from ||
		firewall_turn(worker, passage))
		firewall_forward(worker, passage, to);
}

void
firewall_forward_known(struct worker *worker, struct passage *passage,
	const struct connection *connection, unsigned side)
{
	unsigned to = side == 0 ? connection->to : connection->from;
	struct flow reply;

	if (likely(!(connection->flags & CONNECTION_TRANSLATED))) {
		firewall_forward(worker, passage, to);
		return;
	}
	reply = connection_flow(connection, !side);
	firewall_forward_translated(worker, passage, &reply, to);
}
