/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interfaces, addresses and default routes of one network namespace, by rtnetlink.
 *
 * A struct netlink is one socket, opened inside the namespace; it goes on working there from
 * any thread, one at a time, and keeps the namespace alive until it is closed. Functions
 * return 0, or -1 with errno set and the error filled (errno ENODEV: no such interface);
 * the kernel's own words (extended acknowledgement) are in the error when it gave some.
 *
 * Addresses and routes that are made here carry NETLINK_ORIGIN, so that what weft made can
 * be told from what the namespace's owner made. Linux before 5.18 forgets it on addresses:
 * there they look like the owner's.
 */
#ifndef WEFT_NIC_NETLINK_H
#define WEFT_NIC_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

struct nlmsghdr;

/* IFA_PROTO and rtm_protocol of what weft made. Not among the numbers of rt_protos. */
#define NETLINK_ORIGIN 119

#define NETLINK_ALIAS_SIZE 256

struct netlink {
	int fd; /* -1: closed */
	unsigned port;
	uint32_t sequence;
};

struct netlink_link {
	unsigned index;
	unsigned flags; /* IFF_UP ... */
	uint32_t mtu, group, queue_length, gso_max_size;
	uint8_t mac[6];
	char name[IFNAMSIZ];
	char alias[NETLINK_ALIAS_SIZE]; /* "": none */
	char kind[16];                  /* "tun", "veth"; "": a physical one, lo */
	/* of kind tun, where the kernel tells (Linux 4.18) */
	bool tun_known, tun_multi_queue;
	uint32_t tun_queues; /* attached ones, at most 1 of one that is not multi-queue */
};

/* What of a link to change: the bits of `set`. */
#define NETLINK_SET_UP 0x001 /* to `up` */
#define NETLINK_SET_NAME 0x002
#define NETLINK_SET_MTU 0x004
#define NETLINK_SET_MAC 0x008
#define NETLINK_SET_ALIAS 0x010
#define NETLINK_SET_QUEUE_LENGTH 0x020
#define NETLINK_SET_GSO_MAX_SIZE 0x040
#define NETLINK_SET_GROUP 0x080
#define NETLINK_SET_NETNS 0x100

struct netlink_link_change {
	unsigned set;
	bool up;
	const char *name, *alias;
	uint32_t mtu, queue_length, gso_max_size, group;
	uint8_t mac[6];
	int netns_fd;
};

struct netlink_address {
	struct weft_prefix prefix;
	unsigned index;
	bool ours; /* NETLINK_ORIGIN */
	bool link_local;
};

struct netlink_route {
	struct weft_prefix gateway;
	unsigned index;
	bool ours;
};

/* In the namespace of the calling thread. */
int netlink_open(struct netlink *netlink, struct weft_error *error);
void netlink_close(struct netlink *netlink);

int netlink_link_by_name(struct netlink *netlink, const char *name, struct netlink_link *link,
	struct weft_error *error);
int netlink_link_by_index(struct netlink *netlink, unsigned index, struct netlink_link *link,
	struct weft_error *error);
/* Calls `each` for every link; a return other than 0 ends it, and is returned. */
int netlink_links(struct netlink *netlink,
	int (*each)(const struct netlink_link *link, void *argument), void *argument,
	struct weft_error *error);
int netlink_link_set(struct netlink *netlink, unsigned index,
	const struct netlink_link_change *change, struct weft_error *error);
int netlink_link_delete(struct netlink *netlink, unsigned index, struct weft_error *error);
/* All links of the group at once: one wait of the kernel for all of them. */
int netlink_group_delete(struct netlink *netlink, uint32_t group, struct weft_error *error);

/* IPv6 without duplicate address detection: usable at once. Is there already: success. */
int netlink_address_add(struct netlink *netlink, unsigned index, const struct weft_prefix *prefix,
	struct weft_error *error);
/* Is not there: success. */
int netlink_address_delete(struct netlink *netlink, unsigned index,
	const struct weft_prefix *prefix, struct weft_error *error);
int netlink_addresses(struct netlink *netlink, unsigned index,
	int (*each)(const struct netlink_address *address, void *argument), void *argument,
	struct weft_error *error);

/* The default route of the gateway's family. on_link: the gateway is in none of the link's
 * prefixes. errno EEXIST: there is one already, maybe another. */
int netlink_default_route_add(struct netlink *netlink, unsigned index,
	const struct weft_prefix *gateway, bool on_link, struct weft_error *error);
int netlink_default_route_delete(struct netlink *netlink, unsigned index,
	const struct weft_prefix *gateway, struct weft_error *error);
/* Those of the main table that leave by the link. */
int netlink_default_routes(struct netlink *netlink, unsigned index,
	int (*each)(const struct netlink_route *route, void *argument), void *argument,
	struct weft_error *error);

/* ---- for tests and fuzzing: the parts without I/O ---------------------------------------- */

#define NETLINK_REQUEST_SIZE 1024

/* Builds the request in a buffer of NETLINK_REQUEST_SIZE; NULL, errno: does not fit. */
struct nlmsghdr *netlink_build_link_set(
	void *buffer, unsigned index, const struct netlink_link_change *change);
struct nlmsghdr *netlink_build_address(void *buffer, uint16_t type, uint16_t flags, unsigned index,
	const struct weft_prefix *prefix);
struct nlmsghdr *netlink_build_default_route(void *buffer, uint16_t type, uint16_t flags,
	unsigned index, const struct weft_prefix *gateway, bool on_link);

/* Messages whose nlmsg_len lies within the memory that holds them. False: malformed, or not
 * of that kind. Attributes of a wrong length are as if they were not there. */
bool netlink_parse_link(const struct nlmsghdr *message, struct netlink_link *link);
bool netlink_parse_address(const struct nlmsghdr *message, struct netlink_address *address);
bool netlink_parse_route(const struct nlmsghdr *message, struct netlink_route *route);

/* True when `address` lies in the prefix. */
bool prefix_contains(const struct weft_prefix *prefix, const struct weft_prefix *address);
bool prefix_equal(const struct weft_prefix *a, const struct weft_prefix *b);
/* "10.0.0.1/24"; with_length false: "10.0.0.1". Returns text. */
#define PREFIX_TEXT_SIZE 64
const char *prefix_text(
	const struct weft_prefix *prefix, bool with_length, char text[PREFIX_TEXT_SIZE]);

#endif
