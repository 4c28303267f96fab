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
	X(DROP_RESERVED_MAC, "reserved-mac", "link-local group address, never forwarded (802.1Q)") \
	X(DROP_FOREIGN_MAC, "foreign-mac", "the frame is for another station than the router") \
	X(DROP_UNKNOWN_ETHERTYPE, "unknown-ethertype", "neither IPv4, IPv6 nor ARP") \
	X(DROP_NO_IPV4, "no-ipv4", "the router's port has no IPv4 address") \
	X(DROP_NO_IPV6, "no-ipv6", "the router's port has no IPv6 address") \
	X(DROP_BAD_IP_HEADER, "bad-ip-header", "version or lengths of the IP header are wrong") \
	X(DROP_BAD_IP_CHECKSUM, "bad-ip-checksum", "the IPv4 header's checksum is wrong") \
	X(DROP_BAD_ARP, "bad-arp", "the ARP message is malformed") \
	X(DROP_BAD_ND, "bad-nd", "the neighbor discovery message is malformed (RFC 4861)") \
	X(DROP_BAD_ICMP, "bad-icmp", "the ICMP message is cut off, or its checksum is wrong") \
	X(DROP_MARTIAN_SOURCE, "martian-source", "no host can have the source address") \
	X(DROP_MARTIAN_DESTINATION, "martian-destination", \
		"no host can have the destination address") \
	X(DROP_URPF, "urpf", "the way back to the source is not where it came from (RFC 3704)") \
	X(DROP_NO_ROUTE, "no-route", "the router has no route to the destination") \
	X(DROP_ROUTE_BLACKHOLE, "route-blackhole", "the route is a blackhole") \
	X(DROP_ROUTE_UNREACHABLE, "route-unreachable", "the route says: unreachable") \
	X(DROP_ROUTE_PROHIBITED, "route-prohibited", "the route says: prohibited") \
	X(DROP_TTL_EXCEEDED, "ttl-exceeded", "its TTL or hop limit is used up") \
	X(DROP_TOO_BIG, "too-big", \
		"longer than the MTU of the way on, and must not be fragmented") \
	X(DROP_LINK_BROADCAST, "link-broadcast", \
		"for one host by its IP address, for all by its MAC (RFC 1812, 5.3.4)") \
	X(DROP_LINK_LOCAL, "link-local", "link-local addresses are not forwarded") \
	X(DROP_SOURCE_ROUTE, "source-route", "IPv4 source routes are not followed") \
	X(DROP_MULTICAST, "multicast", "a group or broadcast that the router does not listen to") \
	X(DROP_FRAGMENT, "fragment", "a fragment that could not be put together") \
	X(DROP_NOT_LISTENING, "not-listening", "for the router itself, which has no such service") \
	X(DROP_PUNT_RATE, "punt-rate", "more for weft's own control side than a router may bring") \
	X(DROP_BAD_DHCP, "bad-dhcp", "not a DHCP message, or one that makes no sense") \
	X(DROP_NEIGHBOR_UNKNOWN, "neighbor-unknown", "the neighbor's MAC is not known") \
	X(DROP_NEIGHBOR_FAILED, "neighbor-failed", "the neighbor does not answer ARP or ND") \
	X(DROP_NEIGHBOR_QUEUE, "neighbor-queue", \
		"too many packets wait for the neighbor's answer") \
	X(DROP_NEIGHBOR_LIMIT, "neighbor-limit", \
		"the network has as many neighbors as it may have") \
	X(DROP_ISOLATED, "isolated", "both ports are of one isolation group") \
	X(DROP_BAD_UDP, "bad-udp", "the UDP header's length or checksum is wrong") \
	X(DROP_BAD_VXLAN, "bad-vxlan", "the VXLAN header or the frame behind it is malformed") \
	X(DROP_UNKNOWN_VNI, "unknown-vni", "the tunnel does not have this VNI") \
	X(DROP_UNKNOWN_REMOTE, "unknown-remote", "the VNI has no remote of this address") \
	X(DROP_BAD_ECN, "bad-ecn", \
		"congestion was marked on the way, of a packet that cannot tell (RFC 6040)") \
	X(DROP_RULE, "rule", "a rule of the firewall refuses it") \
	X(DROP_RULE_DEFAULT, "rule-default", \
		"no rule of the firewall fits, and its default refuses") \
	X(DROP_INVALID_STATE, "invalid-state", "of no connection, and cannot begin one") \
	X(DROP_OUT_OF_WINDOW, "out-of-window", "cannot be of its TCP connection (RFC 9293)") \
	X(DROP_CONNECTION_LIMIT, "connection-limit", \
		"the firewall, its network or a rule has as many connections as it may have") \
	X(DROP_SOURCE_LIMIT, "source-limit", "its source has as many connections as one may have") \
	X(DROP_BAD_TRANSPORT, "bad-transport", \
		"the transport header is cut off, or says what cannot be") \
	X(DROP_NO_MEMORY, "no-memory", "there was no memory for its connection") \
	X(DROP_NO_TRANSLATION, "no-translation", "no address and port is free to translate it to") \
	X(DROP_CONNECTION_RATE, "connection-rate", \
		"more connections a second than the rule lets begin") \
	X(DROP_SOURCE_RATE, "source-rate", \
		"more connections a second than the rule lets one source begin") \
	X(DROP_HELPER_ORDER, "helper-order", \
		"came early, or cannot be changed: a helper reads its connection in order")

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
