/* SPDX-License-Identifier: BSD-3-Clause */
/* What a switch decides, in words, for packets that are traced. */
#include "graph/trace.h"
#include "switch/switch_objects.h"

#include <rte_byteorder.h>
#include <stdio.h>

#define ADDRESS_SIZE 18

static const char *
address(uint64_t key, char text[ADDRESS_SIZE])
{
	uint8_t mac[6];

	mac_key_address(key, mac);
	snprintf(text, ADDRESS_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return text;
}

static const char *
why_vlan(const struct switch_port *port, enum switch_tag tag)
{
	if (tag == SWITCH_TAGGED)
		return "tag";
	if (port->transparent)
		return "none";
	return port->access != 0 ? "access port" : "native";
}

/* Of the port, as people call it within the switch. */
static const char *
port_name(const struct vport *vport)
{
	return vport->object->name;
}

void
switch_trace_source(struct worker *worker, const struct switch_ingress *ingress,
	const struct rte_mbuf *packet, uint64_t key, const struct vport *before,
	const struct vport *after)
{
	bool dry = packet_meta((struct rte_mbuf *)(uintptr_t)packet)->flags & PACKET_DRY_RUN;
	const struct vport *here = ingress->vport;
	char mac[ADDRESS_SIZE];

	address(key, mac);
	if (before == here)
		trace_step(worker, packet, here, "source %s is known here", mac);
	else if (!dry && after != here)
		trace_step(worker, packet, here, "source %s is not learned: %s", mac,
			before != NULL ? "it is static elsewhere, or moves too often"
				       : "a limit is reached, or the table is being changed");
	else if (before == NULL)
		trace_step(worker, packet, here, "source %s is new: %s here", mac,
			dry ? "would be learned" : "learned");
	else
		trace_step(worker, packet, here, "source %s %s here from port %s", mac,
			dry ? "would move" : "moves", port_name(before));
}

void
switch_trace_known(struct worker *worker, const struct switch_ingress *ingress,
	const struct rte_mbuf *packet, enum switch_tag tag, uint64_t key,
	const struct vport *egress)
{
	char mac[ADDRESS_SIZE];

	trace_step(worker, packet, ingress->vport, "VLAN %u (%s): %s is at port %s",
		switch_vlan_told(mac_key_vlan(key)), why_vlan(ingress->port, tag),
		address(key, mac), port_name(egress));
}

void
switch_trace_flood(struct worker *worker, const struct switch_ingress *ingress,
	const struct rte_mbuf *packet, enum switch_tag tag, unsigned ports)
{
	const uint8_t *mac = rte_pktmbuf_mtod(packet, const uint8_t *);

	trace_step(worker, packet, ingress->vport,
		"VLAN %u (%s): %02x:%02x:%02x:%02x:%02x:%02x is %s: flooded to %u port%s",
		switch_vlan_told(packet_meta((struct rte_mbuf *)(uintptr_t)packet)->vlan),
		why_vlan(ingress->port, tag), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
		mac[0] & 1 ? "a group" : "unknown", ports, ports == 1 ? "" : "s");
}

void
switch_trace_tag(struct worker *worker, const struct vport *egress, const struct rte_mbuf *packet,
	enum switch_tag from, enum switch_tag to)
{
	uint16_t vlan = packet_meta((struct rte_mbuf *)(uintptr_t)packet)->vlan;

	if (to == SWITCH_UNTAGGED)
		trace_step(worker, packet, egress, "the tag of VLAN %u is taken off", vlan);
	else if (from == SWITCH_UNTAGGED)
		trace_step(worker, packet, egress, "tagged with VLAN %u", vlan);
	else
		trace_step(worker, packet, egress, "its priority tag gets VLAN %u", vlan);
}
