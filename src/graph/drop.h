/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every drop has a reason: counted per reason and per vport, shown by `weft show drops`,
 * carried by traces and captures. New reasons go to the end of their room's block; the
 * name is what people see and is never changed.
 */
#ifndef WEFT_GRAPH_DROP_H
#define WEFT_GRAPH_DROP_H

/* X(constant, name, what it means, for people) */
#define DROP_REASONS(X) \
	X(DROP_TOO_SHORT, "too-short", "the frame is shorter than its headers") \
	X(DROP_TOO_LONG, "too-long", "the frame is longer than the port's MTU") \
	X(DROP_BAD_VLAN_TAG, "bad-vlan-tag", "a VLAN tag is cut off or its VID is reserved") \
	X(DROP_BAD_OFFLOAD, "bad-offload", "the offload header contradicts the frame") \
	X(DROP_NO_BUFFER, "no-buffer", "no packet buffer was free") \
	X(DROP_NO_ATTACHMENT, "no-attachment", "nothing is attached to the vport") \
	X(DROP_NIC_DOWN, "nic-down", "the vnic is down or not there at the moment") \
	X(DROP_RECEIVE_FULL, "receive-full", "frames came faster than they could be read") \
	X(DROP_TRANSMIT_FULL, "transmit-full", "the vnic's transmit queue was full") \
	X(DROP_TRANSMIT_FAILED, "transmit-failed", "the vnic refused the frame") \
	X(DROP_HOP_LIMIT, "hop-limit", "the packet crossed too many devices") \
	X(DROP_FLOOD_BUDGET, "flood-budget", "the packet used up its budget of copies") \
	X(DROP_GRAPH_FULL, "graph-full", "too many packets were under way in one worker") \
	X(DROP_HANDOFF_FULL, "handoff-full", "the ring to another worker was full") \
	X(DROP_PUNT_FULL, "punt-full", "the ring to weft's own control side was full") \
	X(DROP_UNKNOWN_VLAN, "unknown-vlan", "no vport takes this VLAN of the uplink") \
	X(DROP_STALE_VPORT, "stale-vport", \
		"the vport was removed while the packet was on its way") \
	X(DROP_BAD_SOURCE_MAC, "bad-source-mac", "the source MAC is zero or a group address") \
	X(DROP_VLAN_NOT_ALLOWED, "vlan-not-allowed", "the port does not carry this VLAN") \
	X(DROP_SAME_PORT, "same-port", "the destination is on the port it came from") \
	X(DROP_NO_DESTINATION, "no-destination", "no other port carries this VLAN") \
	X(DROP_RESERVED_MAC, "reserved-mac", "link-local group address, never forwarded (802.1Q)")

enum drop_reason {
#define DROP_CONSTANT(constant, name, text) constant,
	DROP_REASONS(DROP_CONSTANT)
#undef DROP_CONSTANT
		DROP_REASON_COUNT
};

/* For the user's eyes; NULL when out of range. */
const char *drop_name(enum drop_reason reason);
const char *drop_text(enum drop_reason reason);

#endif
