/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tunnel: whole frames between switches of different hosts, by VXLAN (RFC 7348).
 *
 * Vports
 *	"underlay" is joined to a service port of a router, which speaks for the tunnel's local
 *	address. Each remote end of each VNI has a vport, VNI.REMOTE, joined to a port of a
 *	switch. So it is the switch that learns which station is behind which remote, sends what
 *	is for all to each of them, and counts, limits and forgets; its isolation groups keep
 *	frames from one remote from going to others of the same VNI (split horizon): those have
 *	them already.
 *
 * Out (numbers as in tunnel_input.c)
 *	1. A super-packet of TCP stays whole; another is cut, a partial checksum finished.
 *	2. A frame longer than the vport's MTU is dropped (too-long). If it is an IP packet that
 *	   must not be cut, its sender gets an ICMP "too big" that comes from whom it had sent
 *	   to, at most TUNNEL_ICMP_RATE a second for a tunnel.
 *	3. In front go a VXLAN header, UDP (from a port that its flow hash chooses of 49,152 to
 *	   65,535; with a checksum over IPv6, and where packet/bundle.h makes one) and IP: DSCP
 *	   and ECN are those of the frame's own IP header (RFC 6040, normal mode), TTL 64, DF.
 *
 * In
 *	1. A whole UDP datagram to the tunnel's address and port, with a VXLAN header that says
 *	   it has a VNI (RFC 7348, 4.1; reserved bits are not looked at), and behind it at least
 *	   an Ethernet header: else bad-vxlan. Fragments are not put together (RFC 7348, 4.3): the
 *	   router drops them.
 *	2. The VNI is known (unknown-vni), and so is its sender (unknown-remote).
 *	   A super-packet that a kernel's vxlan device left whole goes on as one, and so does what
 *	   was one before it was made a bundle (packet/bundle.h).
 *	3. Where congestion was marked, or another ECN, the frame's own header gets the mark (RFC
 *	   6040, 4.2); bad-ecn if it cannot tell.
 *	VLAN tags of the frame stay: the switch's port is an access port, and drops what is tagged
 *	(RFC 7348, 6.1).
 *
 * Threads: the node runs on workers; changes and looking as graph/device.h says.
 */
#ifndef WEFT_TUNNEL_TUNNEL_H
#define WEFT_TUNNEL_TUNNEL_H

#include "graph/device.h"

#define TUNNEL_PORT 4789 /* IANA: vxlan */
#define TUNNEL_UNDERLAY_MTU 1500
#define TUNNEL_MTU_LEAST 68
#define TUNNEL_MTU_MOST 65451 /* 65,521 less the headers over IPv6 */
#define TUNNEL_ICMP_RATE 1000
#define TUNNEL_ICMP_BURST 100

extern const struct device_class tunnel_class;

/* "5000.198.51.100.7", "5000.2001-db8--7" */
#define TUNNEL_NAME_SIZE 64
const char *tunnel_remote_name(
	uint32_t vni, const struct weft_prefix *remote, char name[TUNNEL_NAME_SIZE]);

/* ---- looking (tunnel_state.c); hold weft_objects_lock, or be the thread that changes ------ */

struct tunnel_info {
	struct weft_tunnel_config config; /* defaults filled in */
	unsigned vnis, remotes;
};

void tunnel_read(const struct weft_device *device, struct tunnel_info *info);

struct tunnel_remote_info {
	bool underlay; /* it is that: the rest is zero */
	uint32_t vni;
	struct weft_prefix remote;
};

void tunnel_vport_read(const struct weft_vport *vport, struct tunnel_remote_info *info);

#endif
