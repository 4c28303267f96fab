/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libweft: virtual networks inside one process.
 *
 * Purpose
 *	Makes networks (tenants), the devices in them (switches, routers), the vports
 *	of the devices, the vnics where packets enter and leave, and joins them.
 *	weftd stands on this interface, and so may any other program.
 *
 * Changing things
 *	Whatever is there is changed by a `weft_change`: begin one, stage any
 *	number of calls on it, commit or abort it. Each staged call does all that
 *	can fail, and nothing that a packet could see; the commit makes all of it
 *	visible, or none. A call on a change that has already failed does nothing,
 *	so that errors need a look only at the commit. Objects that a staged call
 *	returns may be used in the same change at once; they are NULL after a
 *	failure, and every call takes NULL for "an earlier call failed". An
 *	aborted change leaves no trace.
 *
 * Threads
 *	One change is open at a time, on any one thread. Functions that look at
 *	objects (names, counters) may run on the thread that changes them. The
 *	memory vnic's send and receive may run on one other thread each.
 *	Workers are threads of libweft's own, or the caller's (see `workers`).
 *
 * Ownership
 *	Every object belongs to the engine and lives until a committed change
 *	removes it. Strings given to libweft are copied.
 *
 * Errors
 *	Functions return 0 or a pointer for success, -1 or NULL for failure, and
 *	fill the `weft_error` that they are given (NULL if nobody wants to know).
 *
 * DPDK's environment is one per process, and so is the engine.
 */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_API __attribute__((visibility("default")))

/* An error for people: what, where, and what to do about it. */
struct weft_error {
	int code;       /* an errno value, 0 where none fits */
	char text[508]; /* one or more lines, no newline at the end */
};

struct weft;
struct weft_change;
struct weft_network;
struct weft_device;
struct weft_vport;
struct weft_nic;

/* ---- the engine ---------------------------------------------------------------------- */

enum weft_poll {
	WEFT_POLL_SLEEP, /* workers sleep when idle and wake by themselves */
	WEFT_POLL_BUSY,  /* workers never sleep: a core each, the lowest latency */
};

struct weft_options {
	unsigned workers; /* data-plane threads; 0: none, call weft_run() yourself */
	enum weft_poll poll;
	unsigned memory_mb;     /* packet memory, sparse; 0 for the default (256) */
	bool hugepages;         /* packet memory from hugepages */
	const char *const *eal; /* further EAL arguments, NULL-terminated, or NULL */
	/* MACs of routers are made from it and from names, so that they are the same at the next
	 * start, and others than those of another weft; 0: random */
	uint64_t identity;
	/*
	 * The clock of workers and tables in nanoseconds, monotonic, and the source of
	 * random numbers. NULL takes the machine's. Tests give their own.
	 */
	uint64_t (*clock)(void *context);
	uint64_t (*random)(void *context);
	void *context;
};

/* Starts the engine. options NULL: one worker, all defaults. */
WEFT_API struct weft *weft_open(const struct weft_options *options, struct weft_error *error);
/* Ends the engine: removes every object, what they made in the kernel included. */
WEFT_API void weft_close(struct weft *weft);
/* With workers == 0: does the work of one worker's loop; returns the packets moved. */
WEFT_API unsigned weft_run(struct weft *weft);
/*
 * To be called about once a second: ages and grows tables, checks vnics, brings back those
 * whose other side has come. May ask the kernel, and take its time. On any one thread, but
 * never at the same time as weft_change_commit, _abort or weft_close; staging may go on.
 */
WEFT_API void weft_tick(struct weft *weft);
/*
 * To be called often, each tenth of a second at least: answers what routers are asked and
 * workers do not answer themselves. Never waits. Threads as for weft_tick, and not at the same
 * time as that. Returns how many packets there were: if any, call it again soon.
 */
WEFT_API unsigned weft_poll(struct weft *weft);
/*
 * wake(context) is called when weft_poll has something to do that cannot wait for a tenth of a
 * second, on a worker's thread: it must not wait. Once, until weft_poll is called. NULL: nobody.
 * Returns when the one before is not called any more.
 */
WEFT_API void weft_watch(struct weft *weft, void (*wake)(void *context), void *context);

/* ---- changes -------------------------------------------------------------------------- */

WEFT_API struct weft_change *weft_change_begin(struct weft *weft);
/*
 * Does whatever of the commit can still fail, devices' preparations included: after 0 the
 * commit cannot fail, and nothing further may be staged. For those who have to write down
 * what they are about to do (weftd: its history). Nothing is visible yet; after -1, abort.
 */
WEFT_API int weft_change_prepare(struct weft_change *change, struct weft_error *error);
/*
 * Prepares if that has not been done, makes it so, waits until no worker uses what was
 * before, frees the change. After -1 nothing has happened, and the change is gone.
 */
WEFT_API int weft_change_commit(struct weft_change *change, struct weft_error *error);
WEFT_API void weft_change_abort(struct weft_change *change);
/* Tells whether a staged call has failed, and how. */
WEFT_API bool weft_change_failed(const struct weft_change *change, struct weft_error *error);

/* ---- networks ------------------------------------------------------------------------- */

struct weft_network_config {
	uint32_t mac_limit; /* learned MACs in all switches of the network; 0: default (65,536) */
	uint32_t neighbor_limit;   /* neighbours of all its routers; 0: default (16,384) */
	uint32_t connection_limit; /* of all its firewalls; 0: default (1,048,576) */
	uint32_t flow_interval_s;  /* records of its connections: of those that live on so often;
				    * 0: none are made */
};

/* An address with the length of its network's prefix, or a prefix. */
struct weft_prefix {
	uint8_t family;      /* 4 or 6 */
	uint8_t length;      /* prefix length in bits */
	uint8_t address[16]; /* network byte order; 4 bytes used for family 4, the rest zero */
};

WEFT_API struct weft_network *weft_network_add(
	struct weft_change *change, const char *name, const struct weft_network_config *config);
WEFT_API void weft_network_update(struct weft_change *change, struct weft_network *network,
	const struct weft_network_config *config);
/* Removes the network with everything in it. */
WEFT_API void weft_network_remove(struct weft_change *change, struct weft_network *network);
WEFT_API struct weft_network *weft_network_find(struct weft *weft, const char *name);

/* ---- switches -------------------------------------------------------------------------- */

struct weft_switch_config {
	uint32_t ageing_s;  /* a learned MAC is forgotten after so many silent seconds; 0: 300 */
	uint32_t mac_limit; /* learned MACs in this switch; 0: default (8,192) */
	/* Every frame goes as it is: ports carry all VLANs, whatever they say, untagged and
	 * priority-tagged frames are of none of them, and link-local groups are forwarded. For
	 * firewalls of many ports (weft_firewall_guard). Not to be changed. */
	bool transparent;
};

WEFT_API struct weft_device *weft_switch_add(struct weft_change *change,
	struct weft_network *network, const char *name, const struct weft_switch_config *config);
WEFT_API void weft_switch_update(struct weft_change *change, struct weft_device *device,
	const struct weft_switch_config *config);
/* Removes a device of any kind with its vports. */
WEFT_API void weft_device_remove(struct weft_change *change, struct weft_device *device);
WEFT_API struct weft_device *weft_device_find(struct weft_network *network, const char *name);

#define WEFT_VLAN_MAX 4094
#define WEFT_VLAN_BITMAP_WORDS 64

/* IEEE 802.1Q port roles. All zero: a trunk of every VLAN, native VLAN 1. */
struct weft_switch_port_config {
	uint16_t access; /* 1..4094: an access port of that VLAN; 0: a trunk */
	uint16_t native; /* trunk: VLAN of untagged frames; 0: 1; WEFT_VLAN_NO_NATIVE: drop them */
	uint64_t vlans[WEFT_VLAN_BITMAP_WORDS]; /* trunk: VLANs carried; all zero: every VLAN */
	uint32_t mac_limit; /* learned MACs on this port; 0: only the switch's limit */
	uint32_t mtu;       /* largest frame without its Ethernet header and tag; 0: 9,216 */
	uint64_t group;     /* frames never go from a port to one of the same group; 0: none */
};
#define WEFT_VLAN_NO_NATIVE 0xffff

WEFT_API struct weft_vport *weft_switch_port_add(struct weft_change *change,
	struct weft_device *device, const char *name, const struct weft_switch_port_config *config);
WEFT_API void weft_switch_port_update(struct weft_change *change, struct weft_vport *vport,
	const struct weft_switch_port_config *config);
WEFT_API void weft_vport_remove(struct weft_change *change, struct weft_vport *vport);
WEFT_API struct weft_vport *weft_vport_find(struct weft_device *device, const char *name);

/* A MAC that is never learned, moved or aged. vlan 0 means 1. */
WEFT_API void weft_switch_mac_add(struct weft_change *change, struct weft_device *device,
	uint16_t vlan, const uint8_t mac[6], struct weft_vport *vport);
WEFT_API void weft_switch_mac_remove(struct weft_change *change, struct weft_device *device,
	uint16_t vlan, const uint8_t mac[6]);

/* ---- routers --------------------------------------------------------------------------- */

/*
 * A virtual router: IPv4 and IPv6, tables of its own. Its own addresses answer echo requests
 * and send ICMP errors; what the ports' addresses imply (connected routes, neighbours) needs
 * no call.
 */
struct weft_router_config {
	uint32_t icmp_rate; /* ICMP errors and redirects a second that it sends; 0: 1,000 */
};

WEFT_API struct weft_device *weft_router_add(struct weft_change *change,
	struct weft_network *network, const char *name, const struct weft_router_config *config);
WEFT_API void weft_router_update(struct weft_change *change, struct weft_device *device,
	const struct weft_router_config *config);

/* RFC 3704: what a packet's source address has to be for its port. */
enum weft_urpf {
	WEFT_URPF_OFF,
	WEFT_URPF_STRICT, /* the route to it leads out of this port */
	WEFT_URPF_LOOSE,  /* there is a route to it, other than a blackhole */
};

#define WEFT_CLAMP_MSS_AUTO 1 /* from the MTU of the port that it leaves by */

struct weft_dhcp_option {
	uint8_t code;
	const uint8_t *bytes;
	unsigned length;
};

/* A host that always gets the same address, in a pool or not. */
struct weft_dhcp_reservation {
	uint8_t mac[6];
	struct weft_prefix address;
	const char *host_name; /* that it is told; NULL: none */
};

/* A DHCPv4 server (RFC 2131) on a router's port. All addresses are of family 4. */
struct weft_dhcp_config {
	/* whom it serves; family 0: the network of the port's first address. Another one's
	 * clients reach it by relays. */
	struct weft_prefix network;
	/* first and last address of each pool; none: all of the network */
	const struct weft_prefix (*pools)[2];
	unsigned n_pools;
	uint32_t lease_s;           /* 0: 12 hours; UINT32_MAX: for good */
	struct weft_prefix gateway; /* family 0: the port's own, if it is in the network */
	const struct weft_prefix *dns, *ntp;
	unsigned n_dns, n_ntp;
	const char *domain; /* NULL: none; likewise below */
	const char *const *search;
	unsigned n_search;
	const char *boot_file;
	struct weft_prefix next_server;         /* family 0: none */
	const struct weft_dhcp_option *options; /* in place of what is above for the code */
	unsigned n_options;
	const struct weft_dhcp_reservation *reservations;
	unsigned n_reservations;
};

enum weft_ra_preference { WEFT_RA_MEDIUM, WEFT_RA_HIGH, WEFT_RA_LOW };

struct weft_ra_prefix {
	struct weft_prefix prefix;
	bool off_link, not_autonomous;
	uint32_t valid_s, preferred_s; /* UINT32_MAX: for good */
};

#define WEFT_RA_DEFAULT UINT32_MAX /* of lifetime_s, where 0 says something */

/* Router advertisements (RFC 4861, 4191, 8106) on a port. Times in seconds. */
struct weft_ra_config {
	uint32_t interval_s; /* the longest between two; 0: 600 */
	uint32_t lifetime_s; /* 0: not a default router; WEFT_RA_DEFAULT: 1,800, or three intervals
				if that is longer */
	bool managed, other; /* there is DHCPv6 for addresses, for the rest */
	enum weft_ra_preference preference;
	uint32_t mtu; /* 0: not told */
	/* none: the networks of 64 bits of the port's own addresses */
	const struct weft_ra_prefix *prefixes;
	unsigned n_prefixes;
	const struct weft_prefix *dns;
	unsigned n_dns;
	const char *const *search;
	unsigned n_search;
};

#define WEFT_DHCP_RELAY_SERVERS 8

struct weft_router_port_config {
	/* the port's own; the first one of a family is preferred as a source; link-local IPv6 is
	 * made from the MAC where none is given and IPv6 is used */
	const struct weft_prefix *addresses;
	unsigned n_addresses;
	bool ipv6;            /* IPv6 by link-local addresses alone, too */
	uint8_t mac[6];       /* all zero: made from network, router and port name */
	uint32_t mtu;         /* largest IP packet that leaves here; 0: 1,500 */
	enum weft_urpf urpf;  /* of packets that come in here */
	bool no_redirects;    /* sends no ICMP redirects */
	bool no_unreachables; /* sends no ICMP unreachables for packets from here */
	bool proxy_arp;       /* answers ARP and ND for what it has a route to by another port */
	uint16_t clamp_mss;   /* of TCP SYNs that leave or come in here; 0: untouched */
	/*
	 * Not 0: a service port. It has no addresses, neighbours or routes of its own: what
	 * comes to the router for this UDP port of service_address goes out of it as it is, and
	 * what comes in by it, with service_address as its source, is sent as the router's own.
	 * The address is the router's own by that, if no other port has it. addresses is not used.
	 */
	uint16_t udp_port;
	struct weft_prefix service_address;   /* length is not used */
	const struct weft_dhcp_config *dhcp;  /* NULL: no DHCP server */
	const struct weft_ra_config *ra;      /* NULL: no router advertisements */
	const struct weft_prefix *dhcp_relay; /* servers, up to WEFT_DHCP_RELAY_SERVERS */
	unsigned n_dhcp_relay;                /* 0: no relay */
};

WEFT_API struct weft_vport *weft_router_port_add(struct weft_change *change,
	struct weft_device *device, const char *name, const struct weft_router_port_config *config);
WEFT_API void weft_router_port_update(struct weft_change *change, struct weft_vport *vport,
	const struct weft_router_port_config *config);

enum weft_route_kind {
	WEFT_ROUTE_FORWARD,
	WEFT_ROUTE_BLACKHOLE,   /* dropped in silence */
	WEFT_ROUTE_UNREACHABLE, /* ICMP: no route */
	WEFT_ROUTE_PROHIBIT,    /* ICMP: administratively prohibited */
};

#define WEFT_ROUTE_HOPS 64 /* of one route: ECMP */

/* Where to: a gateway, a port (then the destination itself is the neighbour), or a gateway
 * that is a neighbour on a port. A gateway without a port may be behind other routes. */
struct weft_hop {
	struct weft_prefix gateway; /* family 0: none; length is not used */
	struct weft_vport *port;    /* NULL: as the gateway's own route says */
};

/* A static route. One router has one for each prefix. */
struct weft_route {
	struct weft_prefix prefix; /* bits behind the length are zero */
	enum weft_route_kind kind;
	const struct weft_hop *hops; /* FORWARD; shared among those that can be reached */
	unsigned n_hops;
	const struct weft_hop *backups; /* while none of the hops can be reached */
	unsigned n_backups;
	uint8_t preference; /* the lowest wins among the sources of routes; 0: 1 */
	uint32_t metric;    /* likewise among equal preferences */
};

/* Adds the route, or replaces the one that the prefix has. */
WEFT_API void weft_router_route_set(
	struct weft_change *change, struct weft_device *device, const struct weft_route *route);
WEFT_API void weft_router_route_remove(
	struct weft_change *change, struct weft_device *device, const struct weft_prefix *prefix);

/*
 * Addresses that the firewall which guards the router's ports answers for, beside the router's own:
 * those that it translates (weft_firewall_translations). Packets to them, as to the router's own,
 * go to the firewall first. ARP and ND for them are answered by ports in whose network they are,
 * and `everywhere` by all. An address of the router's own, or a connected network, comes first. In
 * place of those that it has.
 */
struct weft_claim {
	struct weft_prefix prefix;
	bool everywhere;
};

WEFT_API void weft_router_claims(struct weft_change *change, struct weft_device *device,
	const struct weft_claim *claims, unsigned count);

/* ---- tunnels --------------------------------------------------------------------------- */

/*
 * A VXLAN tunnel (RFC 7348) to other hosts. It has a vport "underlay", to be joined to a
 * service port of a router (udp_port, service_address: the tunnel's own), and one for each
 * remote end of each VNI, to be joined to a port of a switch: whole frames go through. Ports
 * of a switch that lead to remotes of one VNI need a common group, so that no frame goes back
 * to where it has been.
 */
struct weft_tunnel_config {
	struct weft_prefix local; /* the remotes are of its family; length is not used */
	uint16_t port;            /* UDP; 0: 4789 */
	uint32_t mtu; /* largest frame it carries, without Ethernet header and tag; 0: what an
			 underlay of 1,500 leaves */
};

#define WEFT_TUNNEL_UNDERLAY "underlay"

WEFT_API struct weft_device *weft_tunnel_add(struct weft_change *change,
	struct weft_network *network, const char *name, const struct weft_tunnel_config *config);
/* Of another family only together with all remotes. */
WEFT_API void weft_tunnel_update(struct weft_change *change, struct weft_device *device,
	const struct weft_tunnel_config *config);
/* vni: 1..16,777,215. The vport is named VNI.REMOTE, an IPv6 address with '-' for ':'. */
WEFT_API struct weft_vport *weft_tunnel_remote_add(struct weft_change *change,
	struct weft_device *device, uint32_t vni, const struct weft_prefix *remote);

/* ---- firewalls ------------------------------------------------------------------------- */

/*
 * A named set of addresses of a network, for rules of its firewalls. Prefixes that lie in one
 * another or are there twice are one; large ones can be changed by what comes and goes.
 */
WEFT_API void weft_address_set_add(struct weft_change *change, struct weft_network *network,
	const char *name, const struct weft_prefix *members, size_t count);
/* Both lists may be empty. What is to come and is there already, or is to go and is not there,
 * is no error. */
WEFT_API void weft_address_set_update(struct weft_change *change, struct weft_network *network,
	const char *name, const struct weft_prefix *come, size_t n_come,
	const struct weft_prefix *go, size_t n_go);
/* No rule may name it any more after the change. */
WEFT_API void weft_address_set_remove(
	struct weft_change *change, struct weft_network *network, const char *name);

struct weft_port_range {
	uint16_t first, last; /* host order, both included */
};

/*
 * A named set of ports of a network, for rules of its firewalls. Ranges that touch or overlap are
 * one.
 */
WEFT_API void weft_port_set_add(struct weft_change *change, struct weft_network *network,
	const char *name, const struct weft_port_range *ranges, size_t count);
/* These in place of those that it has; rules that name it are made anew. */
WEFT_API void weft_port_set_update(struct weft_change *change, struct weft_network *network,
	const char *name, const struct weft_port_range *ranges, size_t count);
/* No rule may name it any more after the change. */
WEFT_API void weft_port_set_remove(
	struct weft_change *change, struct weft_network *network, const char *name);

enum weft_rule_action {
	WEFT_RULE_ACCEPT,
	WEFT_RULE_DROP,   /* in silence */
	WEFT_RULE_REJECT, /* TCP: reset; else ICMP: administratively prohibited */
};

/*
 * What a packet is to the state table. Packets of connections that were accepted, and replies to
 * them, ask no rule. Where no rule names the state, what is RELATED is accepted, as its connection
 * was, and what is INVALID is dropped.
 */
#define WEFT_STATE_NEW 0x1     /* may begin a connection, or is of none by its nature (ARP) */
#define WEFT_STATE_RELATED 0x2 /* an ICMP error about a live connection */
#define WEFT_STATE_INVALID 0x4 /* of no connection, and cannot begin one; or out of its window */

/* Which single fields a rule looks at; bits of weft_rule.fields. */
#define WEFT_RULE_ETHERTYPE 0x0001
#define WEFT_RULE_PROTOCOL 0x0002
#define WEFT_RULE_TCP_FLAGS 0x0004
#define WEFT_RULE_DSCP 0x0008
#define WEFT_RULE_VLAN 0x0010
#define WEFT_RULE_FROM_MAC 0x0020
#define WEFT_RULE_TO_MAC 0x0040
#define WEFT_RULE_FRAGMENT 0x0080 /* is a fragment: where they are not put together */
#define WEFT_RULE_IP 0x0100       /* is IPv4 or IPv6 */

/* What reads the connections of a rule, for those that they announce: these are accepted, too. */
enum weft_helper {
	WEFT_HELPER_NONE,
	WEFT_HELPER_FTP,  /* of TCP: RFC 959, 2428 */
	WEFT_HELPER_TFTP, /* of UDP: RFC 1350 */
};

struct weft_icmp_type {
	uint8_t type;
	int16_t code; /* -1: any */
};

/* So many in `seconds`, of which `burst` may come at once. */
struct weft_rule_rate {
	uint32_t count, seconds; /* count 0: as many as like, else 1 to 1,000,000; 1 to 3,600 */
	uint32_t burst;          /* up to 1,000,000; 0: `count` */
};

/*
 * Of the connections that a rule lets begin: how many may live at once, all or those of one source
 * address, and how many may begin in a time. A connection that has closed does not count any more.
 * What would be over a limit is dropped. Connections that were there before the rule had a limit
 * do not count.
 */
struct weft_rule_limit {
	uint32_t connections, per_source; /* 0: as many as like */
	struct weft_rule_rate rate, source_rate;
};

/*
 * A rule: what it does with packets that fit all that it says. All zero fits every packet. Of
 * each list one entry has to fit; an empty list fits everything. An entry of the other family
 * never fits.
 */
struct weft_rule {
	const char *name; /* one of its own in its firewall */
	enum weft_rule_action action;
	/* WEFT_RULE_ACCEPT: packet by packet, no connection is made; also what cannot begin one and
	 * is of none, as if it named WEFT_STATE_INVALID */
	bool stateless;
	/* WEFT_RULE_ACCEPT, of TCP: SYNs are answered in the server's place by cookies (RFC 4987,
	 * 3.6), and only a client that proves to be there makes a connection */
	bool syn_proxy;
	enum weft_helper helper; /* WEFT_RULE_ACCEPT */
	bool log;                /* tells of what it judges, at most log_rate a second */
	uint32_t log_rate;       /* 0: 10 */
	/* WEFT_RULE_ACCEPT, not stateless; NULL: none */
	const struct weft_rule_limit *limit;
	/* WEFT_RULE_ACCEPT: how long its silent connections are kept, in seconds: of TCP that is
	 * established, of UDP answered or not, of all else. 0: as the firewall says */
	uint32_t timeout;

	const char *const *from, *const *to; /* names of the firewall's ports */
	unsigned n_from, n_to;
	uint8_t family; /* 4, 6; 0: whatever the rest says */
	const struct weft_prefix *from_ip, *to_ip;
	unsigned n_from_ip, n_to_ip;
	const char *from_set, *to_set; /* NULL: none. As further entries of from_ip, to_ip */
	const struct weft_port_range *from_port, *to_port; /* of what has_ports */
	unsigned n_from_port, n_to_port;
	/* NULL: none. As further entries of from_port, to_port */
	const char *from_port_set, *to_port_set;
	const struct weft_icmp_type *icmp; /* of the family's ICMP */
	unsigned n_icmp;

	uint16_t fields; /* WEFT_RULE_ bits */
	uint16_t ethertype;
	uint8_t protocol;
	uint8_t tcp_flags, tcp_flags_mask; /* set ones, of those that are looked at */
	uint8_t dscp;
	uint16_t vlan; /* 0: untagged */
	uint8_t from_mac[6], from_mac_mask[6];
	uint8_t to_mac[6], to_mac_mask[6];
	uint8_t states; /* WEFT_STATE_ bits; 0: NEW */
	uint32_t mark;  /* libweft's own: 0 */
};

/*
 * Network address translation (RFC 3022, RFC 4787, RFC 5382, RFC 5508), of connections: it is
 * chosen with the first packet, and the others follow. The inside is one of the firewall's ports.
 * Destinations are translated before the rules are asked, sources after: rules see real
 * addresses.
 */
enum weft_translation_kind {
	/* What goes from the inside out gets one of `addresses` as its source, all of one host the
	 * same, and one of `ports` where its own is not free. */
	WEFT_TRANSLATE_SOURCE,
	/* What comes to the addresses and ports of `match` goes to one of `addresses` inside,
	 * chosen by who asks. What comes from the inside itself is sent back there, as if from
	 * outside. */
	WEFT_TRANSLATE_DESTINATION,
	/* One to one, both ways: addresses[0] is a prefix inside, addresses[1] outside, as long. */
	WEFT_TRANSLATE_PREFIX,
	/* As SOURCE, with the router's own address where it leaves; of a routed firewall alone. It
	 * has no addresses. */
	WEFT_TRANSLATE_MASQUERADE,
};

/* RFC 4787, 5: what from outside may come to a mapping. */
enum weft_filtering {
	WEFT_FILTER_ADDRESS_AND_PORT, /* what it has spoken to */
	WEFT_FILTER_ADDRESS,          /* whatever its port */
	WEFT_FILTER_NONE,             /* anybody: full cone */
};

struct weft_translation {
	/* its name, and which connections: addresses, sets, protocol, ports, `from` (DESTINATION;
	 * routed: any), `to` (routed: any but DESTINATION); the rest is not looked at */
	struct weft_rule match;
	enum weft_translation_kind kind;
	const struct weft_prefix *addresses; /* of one family */
	unsigned n_addresses;
	/* SOURCE: 0-0: 1,024 to 65,535. DESTINATION: `first` is the port, 0: as it was */
	struct weft_port_range ports;
	/* SOURCE, MASQUERADE; RFC 4787, REQ-1: a port of a host inside is the same one outside
	 * whomever it speaks to, and what the filter lets to that begins connections, as the rules
	 * allow. Of UDP, UDP-Lite and TCP. A firewall with such is one worker's as a whole. */
	bool endpoint_independent;
	enum weft_filtering filtering;
	/* SOURCE, MASQUERADE: each host has a block of so many ports of its own, a multiple of 64,
	 * and more where it uses all; 0: none. Likewise one worker's. */
	uint16_t port_block;
	bool answer; /* ARP and ND for the outside addresses get the MAC of who is inside */
};

struct weft_firewall_config {
	enum weft_rule_action otherwise; /* what no rule fits; WEFT_RULE_ACCEPT makes connections */
	uint32_t connection_limit;       /* of this firewall; 0: default (262,144) */
	uint32_t source_limit;           /* of one source address; 0: no limit */
	bool keep;                       /* connections live on that new rules would refuse */
	bool accept_invalid; /* packets that are of no connection are judged by the rules as new */
	/* seconds; 0: default */
	uint32_t tcp_timeout, tcp_opening_timeout, tcp_closing_timeout; /* 7,440 240 240 */
	uint32_t udp_timeout, udp_reply_timeout;                        /* 30 180 */
	uint32_t icmp_timeout, other_timeout;                           /* 30 600 */
};

/*
 * A stateful firewall. Transparent: what comes in by one of its two ports and is accepted goes
 * out by the other, unchanged but for translation. Or routed: weft_firewall_guard().
 */
WEFT_API struct weft_device *weft_firewall_add(struct weft_change *change,
	struct weft_network *network, const char *name, const struct weft_firewall_config *config);
WEFT_API void weft_firewall_update(struct weft_change *change, struct weft_device *device,
	const struct weft_firewall_config *config);
WEFT_API struct weft_vport *weft_firewall_port_add(
	struct weft_change *change, struct weft_device *device, const char *name);
/*
 * Routed: the firewall judges what a router sends out of this port of its, by the zones of where
 * it came in and where it goes out; rules name zones as they name ports. What stays in a zone, or
 * is of the router itself, or for it, is not judged; nor is what comes in by a port that the
 * firewall does not guard. zone NULL: it does not guard the port any more. Such a firewall needs
 * no ports of its own. Before it is removed it must guard nothing.
 */
WEFT_API void weft_firewall_guard(struct weft_change *change, struct weft_device *device,
	struct weft_vport *port, const char *zone);
/*
 * Gives it these rules, in this order, in place of those that it has. Rules that stay as they
 * are cost little; one that has the name of one before keeps its counters. Every packet is
 * judged by all of the rules before, or by all of those after the commit.
 */
WEFT_API void weft_firewall_rules(struct weft_change *change, struct weft_device *device,
	const struct weft_rule *rules, unsigned count);

/*
 * Gives it these translations, the first that fits is taken, in place of those that it has.
 * `inside`: the name of one of its ports, NULL: "in". Connections that are there keep theirs.
 *
 * Routed, without ports of its own: `inside` is NULL, and any zone is behind any other. What a
 * router sends from one zone to another gets another source by the first that fits; what comes in
 * to the router itself, or to what it claims (weft_router_claims), another destination. The
 * translations' outside addresses, and to_ip, are to be claimed, if they are not the router's own;
 * without to_ip a DESTINATION is for all that comes to the router itself. From a zone back into the
 * same one no rule is asked.
 */
WEFT_API void weft_firewall_translations(struct weft_change *change, struct weft_device *device,
	const char *inside, const struct weft_translation *translations, unsigned count);

/* ---- vnics ----------------------------------------------------------------------------- */

enum weft_nic_kind {
	WEFT_NIC_MEMORY,    /* packets from and to this program: weft_nic_send, _receive */
	WEFT_NIC_TAP,       /* a kernel tap in a namespace: the container port */
	WEFT_NIC_INTERFACE, /* an existing kernel interface, by AF_PACKET */
	WEFT_NIC_DPDK,      /* a DPDK ethdev by its device arguments */
};

enum weft_netns_kind {
	WEFT_NETNS_HOST, /* the namespace that weft runs in */
	WEFT_NETNS_NAME, /* a name under /run/netns */
	WEFT_NETNS_PID,  /* the namespace of a process */
	WEFT_NETNS_PATH, /* a file, as /proc/7/ns/net */
};

struct weft_nic_config {
	enum weft_nic_kind kind;
	/* tap, and interface (where it is): */
	enum weft_netns_kind netns_kind;
	const char *netns;     /* name, pid in digits, or path */
	bool netns_create;     /* NAME only: made if it is not there, removed with the vnic */
	const char *interface; /* kernel interface name; tap NULL: the vnic's name, cut to 15 */
	const char *devargs;   /* dpdk: as EAL's --vdev or --allow takes them */
	/* what the other side is told (tap); zero or NULL: the kernel's choice */
	uint8_t mac[6];
	const struct weft_prefix *addresses;
	unsigned n_addresses;
	const struct weft_prefix *gateways; /* default routes; length is not used */
	unsigned n_gateways;
	uint32_t mtu;    /* 0: 1,500 */
	unsigned queues; /* 0: one per worker where the driver can, at most 8 */
};

/* network NULL: an uplink, shared by many networks. */
WEFT_API struct weft_nic *weft_nic_add(struct weft_change *change, struct weft_network *network,
	const char *name, const struct weft_nic_config *config);
/* Changes what can be changed while it runs; the rest is made anew by the driver. */
WEFT_API void weft_nic_update(
	struct weft_change *change, struct weft_nic *nic, const struct weft_nic_config *config);
WEFT_API void weft_nic_remove(struct weft_change *change, struct weft_nic *nic);
/* network NULL: among the uplinks. */
WEFT_API struct weft_nic *weft_nic_find(
	struct weft *weft, struct weft_network *network, const char *name);

/* Memory vnic: the frame enters weft. -1: the ring is full, or the length is not a frame's. */
WEFT_API int weft_nic_send(struct weft_nic *nic, const void *frame, size_t length);
/* Memory vnic: takes the next frame that left weft here; 0: none; at most `size` bytes kept. */
WEFT_API size_t weft_nic_receive(struct weft_nic *nic, void *frame, size_t size);

/* ---- joining --------------------------------------------------------------------------- */

/* Puts a vnic on a vport. */
WEFT_API void weft_attach(
	struct weft_change *change, struct weft_vport *vport, struct weft_nic *nic);
/* Puts one VLAN (1..4094) of an uplink, 0 for its untagged frames, on a vport. */
WEFT_API void weft_attach_uplink(struct weft_change *change, struct weft_vport *vport,
	struct weft_nic *uplink, uint16_t vlan);
/* Joins two vports by a plain link. */
WEFT_API void weft_link(struct weft_change *change, struct weft_vport *a, struct weft_vport *b);
/*
 * Joins two vports of different networks: a peering. Both networks' owners must have agreed;
 * that is for the caller to know.
 */
WEFT_API void weft_peer(struct weft_change *change, struct weft_vport *a, struct weft_vport *b);
/* Takes away whatever is on the vport, on both ends of a link. */
WEFT_API void weft_detach(struct weft_change *change, struct weft_vport *vport);

/* ---- looking --------------------------------------------------------------------------- */

/* Seen from the device: in is from the vnic or link into the device. */
struct weft_counters {
	uint64_t in_packets, in_bytes;
	uint64_t out_packets, out_bytes;
	uint64_t drops; /* of packets that came in here, or were to go out here */
};

WEFT_API void weft_vport_counters(const struct weft_vport *vport, struct weft_counters *counters);
WEFT_API const char *weft_vport_name(const struct weft_vport *vport);

#ifdef __cplusplus
}
#endif
#endif
