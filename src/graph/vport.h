/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vports. A vport may have a guard: another device that judges what its own device sends out
 * there, by where it came in. Such a packet goes before the guard's node with PACKET_TO_JUDGE, its
 * metadata's `vport` still says where it came in, and `flow_hash` is the id of where it is to go
 * out; the guard drops it, or sends it on by vport_send() with PACKET_JUDGED.
 *
 * What comes in and is for the device itself, or for an address that the guard answers for, the
 * device may show to the guard first (vport_ask_on_arrival). It may be for somebody else: the guard
 * gives it back to the device's node with PACKET_JUDGED, as it came or readdressed. An ICMP error
 * of the device about such a packet is marked PACKET_ABOUT_JUDGED and goes before the guard of
 * where it leaves, which makes it one about what the sender had sent.
 *
 * What the workers read of a vport (struct vport) is never changed in place: a
 * change makes a new version and swaps the pointer in the table; the old one is freed after
 * a grace period. What people and the control side hold is the stable struct weft_vport.
 */
#ifndef WEFT_GRAPH_VPORT_H
#define WEFT_GRAPH_VPORT_H

#include "graph/id.h"
#include "graph/nic.h"
#include "graph/worker.h"

#include <stdatomic.h>

struct weft_device;
struct weft_vport;

enum attachment {
	ATTACHED_NOTHING,
	ATTACHED_NIC,    /* a vnic of this vport alone */
	ATTACHED_UPLINK, /* one VLAN of a shared vnic */
	ATTACHED_VPORT,  /* the other end of a link */
};

/* What watches a vport; bits of weft_vport.watch. Workers look once per packet at zero. */
#define WATCH_CAPTURE 0x1
#define WATCH_PROBE 0x2

struct vport {
	uint32_t id;
	uint8_t attachment;   /* enum attachment */
	uint8_t node;         /* of the device */
	uint16_t uplink_vlan; /* ATTACHED_UPLINK: 1..4094, or 0: untagged */
	uint32_t mtu;         /* largest frame without Ethernet header and tags */
	uint32_t peer;        /* ATTACHED_VPORT: its id */
	struct weft_nic *nic; /* ATTACHED_NIC, ATTACHED_UPLINK */
	uint32_t device;      /* id of the device */
	uint32_t guard;       /* id of the device that judges what goes out here; 0: nobody does */
	void *context;        /* the device type's own per-port data (switch: switch_port) */
	struct weft_vport *object;
	/* kept beside the rest so that a new version does not lose it */
	_Atomic uint32_t *watch;
	/* of the guard: its node, and what it calls this vport */
	uint8_t guard_node, guard_index;
} __attribute__((aligned(64)));

/* By id; NULL when that vport is gone. */
static inline struct vport *
vport_get(const struct worker *worker, uint32_t id)
{
	struct vport *vport = __atomic_load_n(&worker->vports[id_index(id)], __ATOMIC_ACQUIRE);

	return likely(vport != NULL && vport->id == id) ? vport : NULL;
}

static inline void
vport_count_in(struct worker *worker, const struct vport *vport, uint64_t packets, uint64_t bytes)
{
	struct vport_counters *counters = &worker->counters[id_index(vport->id)];

	counters->in_packets += packets;
	counters->in_bytes += bytes;
}

static inline void
vport_count_out(struct worker *worker, const struct vport *vport, uint64_t packets, uint64_t bytes)
{
	struct vport_counters *counters = &worker->counters[id_index(vport->id)];

	counters->out_packets += packets;
	counters->out_bytes += bytes;
}

/* One packet enters a vport from what is attached there: counted, watched, put before the
 * device's node. Its metadata need not name the vport. Takes the packet. */
void vport_receive(struct worker *worker, struct vport *vport, struct rte_mbuf *packet);

/*
 * A packet that came in by `vport` is for its device, or for nobody that this knows of: it goes
 * before the guard, if there is one and it has not been there. False: the packet is still the
 * caller's.
 */
bool vport_ask_on_arrival(
	struct worker *worker, const struct vport *vport, struct rte_mbuf *packet);
/* From the guard, judged: back into the device where it came in. Takes the packet. */
void vport_give_back(struct worker *worker, const struct vport *vport, struct rte_mbuf *packet);

/* Everything but the common case: links, uplinks, guards, watchers, dry runs, nothing attached. */
void vport_send_slow(struct worker *worker, struct vport *vport, struct rte_mbuf *packet);

/*
 * Sends a packet out of a device at `vport`: to its vnic, or into the device at the other end
 * of its link. The frame must be as it is to look there, tags included. Takes the packet.
 */
static inline void
vport_send(struct worker *worker, struct vport *vport, struct rte_mbuf *packet)
{
	const struct packet_meta *meta = packet_meta(packet);
	uint32_t special = atomic_load_explicit(vport->watch, memory_order_relaxed) |
			   (uint32_t)(vport->attachment ^ ATTACHED_NIC) | vport->guard |
			   (meta->flags & PACKET_DRY_RUN);

	if (unlikely(special != 0 || meta->trace != 0)) {
		vport_send_slow(worker, vport, packet);
		return;
	}
	vport_count_out(worker, vport, 1, rte_pktmbuf_pkt_len(packet));
	nic_enqueue(worker, vport->nic, packet);
}

#endif
