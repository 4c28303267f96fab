/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the switch's own files share: its objects as the workers and the control side see
 * them. Others include switch/switch.h.
 */
#ifndef WEFT_SWITCH_SWITCH_OBJECTS_H
#define WEFT_SWITCH_SWITCH_OBJECTS_H

#include "graph/engine.h"
#include "graph/punt.h"
#include "switch/switch.h"

#include <rte_ether.h>

/* The one table; the engine is one per process, and so is it. */
extern struct mac_table switch_macs;

/* A port in the flood list. */
struct switch_member {
	uint32_t vport; /* id */
	uint16_t vlan;  /* the only VLAN that it carries; 0: a trunk, ask the port */
};

/* What workers read of a switch; a change makes a new one. */
struct switch_live {
	uint32_t ageing_s;
	uint32_t mac_limit;
	uint32_t n_members;
	struct switch_member members[]; /* ports with something attached */
};

/* A loop as a worker saw it. */
struct switch_flap {
	_Atomic bool lock; /* workers only try */
	uint64_t key;      /* 0: there never was one */
	uint32_t vports[2];
	uint32_t since, last; /* seconds of the engine's clock */
};

/* A switch; weft_device.data. */
struct virtual_switch {
	struct switch_live *_Atomic live;
	_Atomic uint32_t macs; /* learned */
	struct weft_network *network;
	struct switch_flap flap;
	/* control side */
	struct weft_switch_config config; /* as the open change, or the last one, wants it */
	struct switch_live *prepared, *replaced;
	struct switch_station *flush; /* list of ports whose epoch the commit counts up */
};

/*
 * What lives as long as a vport, whatever its versions. Learned MACs are counted apart for
 * the present epoch and the one before, which is given up as a whole when no worker counts in
 * it any more.
 */
struct switch_station {
	_Atomic uint32_t epoch;
	_Atomic uint32_t macs[2]; /* by the lowest bit of the epoch */
	struct virtual_switch *owner;
	/* control side */
	unsigned references; /* contexts */
	bool flushing;
	struct switch_station *flush_next;
};

/* The VLAN of frames that have no VLAN, in a transparent switch: no tag has this VID. */
#define SWITCH_NO_TAG 4095

/* As people are told: 0 is no VLAN. */
static inline uint16_t
switch_vlan_told(uint16_t vlan)
{
	return vlan != SWITCH_NO_TAG ? vlan : 0;
}

/* A port; vport->context. Never changed once made. */
struct switch_port {
	struct virtual_switch *owner;
	struct switch_station *station;
	uint64_t group;     /* 0: none */
	uint32_t mac_limit; /* UINT32_MAX: none */
	uint16_t access;    /* 0: a trunk */
	uint16_t native;    /* VLAN of untagged frames, of access ports too; 0: none */
	bool carries_all;
	bool native_given; /* in the configuration */
	bool transparent;  /* of such a switch: `native` is SWITCH_NO_TAG */
	uint64_t vlans[];  /* trunk that does not carry all: WEFT_VLAN_BITMAP_WORDS */
};

static inline bool
switch_port_carries(const struct switch_port *port, uint16_t vlan)
{
	if (port->access != 0)
		return port->access == vlan;
	return port->carries_all || (port->vlans[vlan / 64] >> vlan % 64 & 1) != 0;
}

/* On egress. */
static inline bool
switch_port_tags(const struct switch_port *port, uint16_t vlan)
{
	return port->native != vlan;
}

static inline uint32_t
switch_second(uint64_t now)
{
	return (uint32_t)(now / 1000000000);
}

/* ---- switch_learn.c ------------------------------------------------------------------------ */

/* Where and when a frame came in. */
struct switch_ingress {
	struct vport *vport;
	const struct switch_port *port;
	uint32_t epoch;    /* of the port's station */
	uint32_t second;   /* now */
	uint32_t fresh;    /* stamp >> 4 of what was heard here in this second */
	uint16_t untagged; /* VLAN of untagged frames; 0: they are dropped */
	uint64_t group;    /* of isolation; 0: none */
};

/* Whether frames may not go on to the port. */
static inline bool
switch_isolates(const struct switch_ingress *ingress, const struct vport *egress)
{
	return unlikely(ingress->group != 0) &&
	       ((const struct switch_port *)egress->context)->group == ingress->group;
}

/* What is more than a look at a known, fresh entry: learning, refreshing, moving. */
void switch_learn(struct worker *worker, struct mac_array *array,
	const struct switch_ingress *ingress, uint64_t key, const struct mac_found *found);

/* The counts that an entry which was learned is in, less one. */
void switch_forget(const struct switch_port *port, uint32_t stamp);

/* For mac_table.stale; context is the engine. */
bool switch_entry_stale(void *context, uint32_t vport, uint32_t stamp);

/* ---- switch_input.c ------------------------------------------------------------------------ */

void switch_input(struct worker *worker, struct rte_mbuf **packets, unsigned count);

/* ---- switch_flood.c ------------------------------------------------------------------------ */

/* How a frame is tagged as it is. */
enum switch_tag {
	SWITCH_UNTAGGED,
	SWITCH_TAGGED,
	SWITCH_PRIORITY, /* a tag with VID 0 */
};

/* Makes the frame's tag what it must be. NULL: no buffer; counted at `egress`, freed. */
struct rte_mbuf *switch_retag(struct worker *worker, struct vport *egress, struct rte_mbuf *packet,
	enum switch_tag from, enum switch_tag to);

/* Whether it is longer than the port's MTU allows, after it has been cut if it is to be. */
bool switch_too_long(const struct vport *egress, struct rte_mbuf *packet);

/* Checks the MTU and sends. `tagged`: as the frame is now. Takes the packet. */
static inline void
switch_send(struct worker *worker, struct vport *egress, struct rte_mbuf *packet, bool tagged)
{
	uint32_t overhead = RTE_ETHER_HDR_LEN + (tagged ? RTE_VLAN_HLEN : 0);

	if (unlikely(rte_pktmbuf_pkt_len(packet) > egress->mtu + overhead) &&
		switch_too_long(egress, packet))
		packet_drop(worker, egress, DROP_TOO_LONG, packet);
	else
		vport_send(worker, egress, packet);
}

/* To all ports of the VLAN in the packet's metadata but the ingress. Takes the packet. */
void switch_flood(struct worker *worker, const struct switch_ingress *ingress,
	struct rte_mbuf *packet, enum switch_tag tag);

/* Calls flush the counts of a past epoch: see struct switch_station. Control side. */
void switch_station_release(struct switch_station *station, uint32_t epoch);

/* ---- switch_trace.c: only for packets that have a trace mark ----------------------------------
 */

/* The ports where the source was, and is now, known; NULL: nowhere. A dry run learns nothing. */
void switch_trace_source(struct worker *worker, const struct switch_ingress *ingress,
	const struct rte_mbuf *packet, uint64_t key, const struct vport *before,
	const struct vport *after);
void switch_trace_known(struct worker *worker, const struct switch_ingress *ingress,
	const struct rte_mbuf *packet, enum switch_tag tag, uint64_t key,
	const struct vport *egress);
/* ports: copies that there will be. */
void switch_trace_flood(struct worker *worker, const struct switch_ingress *ingress,
	const struct rte_mbuf *packet, enum switch_tag tag, unsigned ports);
void switch_trace_tag(struct worker *worker, const struct vport *egress,
	const struct rte_mbuf *packet, enum switch_tag from, enum switch_tag to);

#endif
