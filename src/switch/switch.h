/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual switch: an 802.1Q VLAN-aware bridge without spanning tree.
 *
 * What happens to a frame (numbers as in switch_input.c)
 *	1. Its source must be a unicast address that is not zero (drop bad-source-mac).
 *	2. It is put into a VLAN. Access port: untagged and priority-tagged frames (VID 0) are of
 *	   the port's VLAN, tagged ones are dropped (vlan-not-allowed). Trunk: tagged frames of
 *	   the VLANs that it carries; untagged and priority-tagged ones are of the native VLAN. VID
 *	   4095 is reserved (bad-vlan-tag). Only 0x8100 is a tag here: a service tag (0x88a8) is
 *	   payload, as 802.1Q says of a C-VLAN component.
 *	3. 01-80-C2-00-00-00 to -0F are link-local and never forwarded (reserved-mac).
 *	4. Its source is learned: (switch, VLAN, MAC) is behind this port. Learning never waits
 *	   and never evicts: at a limit (of port, switch or network) the station stays unknown,
 *	   frames to it are flooded, and a notice says so (PUNT_MAC_LIMIT).
 *	5. Unicast whose destination is known goes to that port, if that is another one than it
 *	   came from (same-port), carries the VLAN, and is of another isolation group (isolated).
 *	   All else is flooded to every other port that has something attached, carries the VLAN
 *	   and is of another isolation group (none: no-destination).
 *	6. On each egress: tagged, unless the port is an access port or the VLAN is its native
 *	   one; at most the port's MTU without Ethernet header and tag (too-long), for a
 *	   super-packet after it has been cut.
 *
 * Trunks: an explicit native VLAN is carried even if `vlans` does not name it; the default
 * one, 1, is carried if `vlans` is all zero or names it.
 *
 * A transparent switch (weft_switch_config) keeps VLANs apart as they come and leaves frames as
 *they are: 2., 3. and the tags of 6. are void, and untagged and priority-tagged frames are of no
 *VLAN.
 *
 * Floods
 *	Each packet has a budget of copies for its whole way. A flood to n > 1 ports divides it
 *	by n among the copies; where it is below n the packet is dropped (flood-budget,
 *	PUNT_FLOOD). Copies into a link are dropped (graph-full) when half of the room before the
 *	next node is taken, so that a storm does not take the room of others' packets.
 *
 * Loops
 *	A MAC that moves SWITCH_FLAP_MOVES times in one second is taken for a loop: a notice
 *	(PUNT_MAC_MOVE) names it, its VLAN and the two vports; `show` tells for
 *	SWITCH_LOOP_REMEMBERED seconds after the last one; until that second is over the MAC
 *	stays where it is, so that a storm does not keep the table's cache lines in motion.
 *
 * Removal, detaching, change of VLANs
 *	What was learned at a port is void at once when the port goes, when something else or
 *	nothing is attached to it, or when it no longer carries a VLAN that it did. That costs the
 *	same for one MAC and a million: the port's epoch is counted up, its share of the counts
 *	given back; the table is tidied later.
 *
 * Threads: the node and learning run on workers; the rest, ticks included, on the control side
 * with commits and ticks kept apart (engine.h).
 */
#ifndef WEFT_SWITCH_SWITCH_H
#define WEFT_SWITCH_SWITCH_H

#include "graph/device.h"
#include "switch/mac_table.h"

#define SWITCH_FLAP_MOVES 6
#define SWITCH_LOOP_REMEMBERED 10 /* seconds */
#define SWITCH_AGEING_MAX 1000000 /* seconds; 802.1Q, table 8-6 */
#define SWITCH_MAC_LIMIT 8192
#define SWITCH_AGEING 300
#define SWITCH_PORT_MTU 9216
#define SWITCH_PORT_MTU_MAX 65521 /* the mbuf's 16 bits of length, less 14 */

extern const struct device_class switch_class;

/* ---- looking (switch_state.c); hold weft_objects_lock, or be the thread that changes ------ */

struct switch_loop {
	bool seen; /* within the last SWITCH_LOOP_REMEMBERED seconds; else nothing here holds */
	uint8_t mac[6];
	uint16_t vlan;
	uint32_t vports[2];   /* ids; they may be gone */
	uint64_t since, last; /* ns of the engine's clock, by the second */
};

struct switch_info {
	uint32_t ageing_s;
	uint32_t macs, mac_limit; /* learned */
	bool transparent;         /* it is the inside of a firewall of many ports */
	unsigned ports;
	struct switch_loop loop;
};

void switch_read(const struct weft_device *device, struct switch_info *info);

struct switch_port_info {
	struct weft_switch_port_config config; /* defaults filled in */
	uint32_t macs;                         /* learned */
	bool transparent;                      /* of such a switch: no VLANs to tell of */
};

void switch_port_read(const struct weft_vport *vport, struct switch_port_info *info);

struct switch_mac {
	const struct weft_device *device;
	const struct weft_vport *vport;
	uint16_t vlan;
	uint8_t mac[6];
	bool fixed;     /* static */
	uint32_t age_s; /* since it was heard; not for static ones */
};

/* Every MAC of a switch, or of all switches (NULL), in no order. look() false: stop. */
void switch_each_mac(struct weft *weft, const struct weft_device *device,
	bool (*look)(void *context, const struct switch_mac *mac), void *context);

#endif
