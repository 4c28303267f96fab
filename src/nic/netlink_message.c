/* SPDX-License-Identifier: BSD-3-Clause */
/* Building and parsing of rtnetlink messages, without I/O. */
#include "nic/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

static unsigned
family_of(const struct weft_prefix *prefix)
{
	return prefix->family == 6 ? AF_INET6 : AF_INET;
}

static size_t
address_size(const struct weft_prefix *prefix)
{
	return prefix->family == 6 ? 16 : 4;
}

struct nlmsghdr *
netlink_build_link_set(void *buffer, unsigned index, const struct netlink_link_change *change)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)index;
	if (change->set & NETLINK_SET_UP) {
		info->ifi_change = IFF_UP;
		info->ifi_flags = change->up ? IFF_UP : 0;
	}
	if ((change->set & NETLINK_SET_NAME) &&
		(strlen(change->name) >= IFNAMSIZ ||
			!mnl_attr_put_strz_check(
				message, NETLINK_REQUEST_SIZE, IFLA_IFNAME, change->name)))
		goto too_long;
	if ((change->set & NETLINK_SET_ALIAS) &&
		(strlen(change->alias) >= NETLINK_ALIAS_SIZE ||
			!mnl_attr_put_check(message, NETLINK_REQUEST_SIZE, IFLA_IFALIAS,
				strlen(change->alias), change->alias)))
		goto too_long;
	if (change->set & NETLINK_SET_MTU)
		mnl_attr_put_u32(message, IFLA_MTU, change->mtu);
	if (change->set & NETLINK_SET_MAC)
		mnl_attr_put(message, IFLA_ADDRESS, sizeof(change->mac), change->mac);
	if (change->set & NETLINK_SET_QUEUE_LENGTH)
		mnl_attr_put_u32(message, IFLA_TXQLEN, change->queue_length);
	if (change->set & NETLINK_SET_GSO_MAX_SIZE)
		mnl_attr_put_u32(message, IFLA_GSO_MAX_SIZE, change->gso_max_size);
	if (change->set & NETLINK_SET_GROUP)
		mnl_attr_put_u32(message, IFLA_GROUP, change->group);
	if (change->set & NETLINK_SET_NETNS)
		mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)change->netns_fd);
	return message;
too_long:
	errno = ENAMETOOLONG;
	return NULL;
}

struct nlmsghdr *
netlink_build_address(void *buffer, uint16_t type, uint16_t flags, unsigned index,
	const struct weft_prefix *prefix)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *info;

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifa_family = (uint8_t)family_of(prefix);
	info->ifa_prefixlen = prefix->length;
	info->ifa_index = index;
	mnl_attr_put(message, IFA_LOCAL, address_size(prefix), prefix->address);
	mnl_attr_put(message, IFA_ADDRESS, address_size(prefix), prefix->address);
	if (type != RTM_NEWADDR)
		return message;
	if (prefix->family == 6)
		mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_NODAD);
	if (prefix->family == 4 && prefix->length < 31) {
		uint32_t broadcast;

		memcpy(&broadcast, prefix->address, sizeof(broadcast));
		broadcast |= htonl(prefix->length == 0 ? UINT32_MAX : UINT32_MAX >> prefix->length);
		mnl_attr_put_u32(message, IFA_BROADCAST, broadcast);
	}
	mnl_attr_put_u8(message, IFA_PROTO, NETLINK_ORIGIN);
	return message;
}

struct nlmsghdr *
netlink_build_default_route(void *buffer, uint16_t type, uint16_t flags, unsigned index,
	const struct weft_prefix *gateway, bool on_link)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = (uint8_t)family_of(gateway);
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_scope = type == RTM_NEWROUTE ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE;
	route->rtm_protocol = NETLINK_ORIGIN;
	route->rtm_type = type == RTM_NEWROUTE ? RTN_UNICAST : RTN_UNSPEC;
	route->rtm_flags = on_link ? RTNH_F_ONLINK : 0;
	mnl_attr_put(message, RTA_GATEWAY, address_size(gateway), gateway->address);
	mnl_attr_put_u32(message, RTA_OIF, index);
	return message;
}

/* ---- parsing ----------------------------------------------------------------------------- */

/* Copies an attribute of exactly `size` bytes. */
static bool
take_bytes(const struct nlattr *attribute, void *value, size_t size)
{
	if (mnl_attr_get_payload_len(attribute) != size)
		return false;
	memcpy(value, mnl_attr_get_payload(attribute), size);
	return true;
}

/* Text, ended by a zero or by the attribute's end; cut to `size`. */
static void
take_text(const struct nlattr *attribute, char *text, size_t size)
{
	size_t length =
		strnlen(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));

	if (length >= size)
		length = size - 1;
	memcpy(text, mnl_attr_get_payload(attribute), length);
	text[length] = '\0';
}

/* The next attribute within [at, end), or NULL. */
static const struct nlattr *
attribute_at(const void *at, const void *end)
{
	long left = (const char *)end - (const char *)at;

	return left > 0 && mnl_attr_ok(at, (int)left) ? at : NULL;
}

static const struct nlattr *
attribute_after(const struct nlattr *attribute, const void *end)
{
	return attribute_at(mnl_attr_next(attribute), end);
}

static const void *
payload_end(const struct nlattr *attribute)
{
	return (const char *)mnl_attr_get_payload(attribute) + mnl_attr_get_payload_len(attribute);
}

/* The fixed part of a message of one of two types; NULL: another type, or too short. */
static const void *
fixed_part(const struct nlmsghdr *message, uint16_t type, size_t size)
{
	if (message->nlmsg_type != type || message->nlmsg_len < MNL_NLMSG_HDRLEN + MNL_ALIGN(size))
		return NULL;
	return mnl_nlmsg_get_payload(message);
}

static const struct nlattr *
first_attribute(const struct nlmsghdr *message, size_t size)
{
	return attribute_at(
		mnl_nlmsg_get_payload_offset(message, size), mnl_nlmsg_get_payload_tail(message));
}

static void
parse_tun(const struct nlattr *data, struct netlink_link *link)
{
	const void *end = payload_end(data);
	uint8_t multi_queue = 0;

	for (const struct nlattr *at = attribute_at(mnl_attr_get_payload(data), end); at != NULL;
		at = attribute_after(at, end)) {
		if (mnl_attr_get_type(at) == IFLA_TUN_MULTI_QUEUE &&
			take_bytes(at, &multi_queue, sizeof(multi_queue))) {
			link->tun_known = true;
			link->tun_multi_queue = multi_queue != 0;
		} else if (mnl_attr_get_type(at) == IFLA_TUN_NUM_QUEUES)
			take_bytes(at, &link->tun_queues, sizeof(link->tun_queues));
	}
}

static void
parse_link_info(const struct nlattr *info, struct netlink_link *link)
{
	const void *end = payload_end(info);
	const struct nlattr *data = NULL;

	for (const struct nlattr *at = attribute_at(mnl_attr_get_payload(info), end); at != NULL;
		at = attribute_after(at, end)) {
		if (mnl_attr_get_type(at) == IFLA_INFO_KIND)
			take_text(at, link->kind, sizeof(link->kind));
		else if (mnl_attr_get_type(at) == IFLA_INFO_DATA)
			data = at;
	}
	if (data != NULL && strcmp(link->kind, "tun") == 0)
		parse_tun(data, link);
}

bool
netlink_parse_link(const struct nlmsghdr *message, struct netlink_link *link)
{
	const struct ifinfomsg *info = fixed_part(message, RTM_NEWLINK, sizeof(*info));
	const void *end;
	uint8_t carrier = 0;

	if (info == NULL || info->ifi_index <= 0)
		return false;
	end = mnl_nlmsg_get_payload_tail(message);
	*link = (struct netlink_link){ .index = (unsigned)info->ifi_index,
		.flags = info->ifi_flags };
	for (const struct nlattr *at = first_attribute(message, sizeof(*info)); at != NULL;
		at = attribute_after(at, end)) {
		switch (mnl_attr_get_type(at)) {
		case IFLA_IFNAME:
			take_text(at, link->name, sizeof(link->name));
			break;
		case IFLA_IFALIAS:
			take_text(at, link->alias, sizeof(link->alias));
			break;
		case IFLA_MTU:
			take_bytes(at, &link->mtu, sizeof(link->mtu));
			break;
		case IFLA_ADDRESS:
			take_bytes(at, link->mac, sizeof(link->mac));
			break;
		case IFLA_TXQLEN:
			take_bytes(at, &link->queue_length, sizeof(link->queue_length));
			break;
		case IFLA_GSO_MAX_SIZE:
			take_bytes(at, &link->gso_max_size, sizeof(link->gso_max_size));
			break;
		case IFLA_GROUP:
			take_bytes(at, &link->group, sizeof(link->group));
			break;
		case IFLA_CARRIER:
			take_bytes(at, &carrier, sizeof(carrier));
			break;
		case IFLA_LINKINFO:
			parse_link_info(at, link);
			break;
		}
	}
	/* of a tun with one queue the kernel tells no number: it has a carrier while it is held */
	if (link->tun_known && !link->tun_multi_queue)
		link->tun_queues = carrier != 0;
	return link->name[0] != '\0';
}

bool
netlink_parse_address(const struct nlmsghdr *message, struct netlink_address *address)
{
	const struct ifaddrmsg *info = fixed_part(message, RTM_NEWADDR, sizeof(*info));
	const void *end;
	bool local = false, found = false;
	uint8_t origin = 0;

	if (info == NULL || (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return false;
	end = mnl_nlmsg_get_payload_tail(message);
	*address = (struct netlink_address){ .index = info->ifa_index,
		.prefix = { .family = info->ifa_family == AF_INET6 ? 6 : 4,
			.length = info->ifa_prefixlen },
		.link_local = info->ifa_scope == RT_SCOPE_LINK };
	if (address->prefix.length > address_size(&address->prefix) * 8)
		return false;
	for (const struct nlattr *at = first_attribute(message, sizeof(*info)); at != NULL;
		at = attribute_after(at, end)) {
		size_t size = address_size(&address->prefix);

		/* of a point-to-point address IFA_ADDRESS is the other side's */
		if (mnl_attr_get_type(at) == IFA_LOCAL)
			found = local = take_bytes(at, address->prefix.address, size);
		else if (mnl_attr_get_type(at) == IFA_ADDRESS && !local)
			found = take_bytes(at, address->prefix.address, size);
		else if (mnl_attr_get_type(at) == IFA_PROTO)
			take_bytes(at, &origin, sizeof(origin));
	}
	address->ours = origin == NETLINK_ORIGIN;
	return found;
}

bool
netlink_parse_route(const struct nlmsghdr *message, struct netlink_route *route)
{
	const struct rtmsg *info = fixed_part(message, RTM_NEWROUTE, sizeof(*info));
	const void *end;
	bool found = false;
	uint32_t index = 0;

	if (info == NULL || (info->rtm_family != AF_INET && info->rtm_family != AF_INET6) ||
		info->rtm_dst_len != 0 || info->rtm_table != RT_TABLE_MAIN ||
		info->rtm_type != RTN_UNICAST)
		return false;
	end = mnl_nlmsg_get_payload_tail(message);
	*route = (struct netlink_route){ .gateway.family = info->rtm_family == AF_INET6 ? 6 : 4,
		.ours = info->rtm_protocol == NETLINK_ORIGIN };
	for (const struct nlattr *at = first_attribute(message, sizeof(*info)); at != NULL;
		at = attribute_after(at, end)) {
		if (mnl_attr_get_type(at) == RTA_GATEWAY)
			found = take_bytes(
				at, route->gateway.address, address_size(&route->gateway));
		else if (mnl_attr_get_type(at) == RTA_OIF)
			take_bytes(at, &index, sizeof(index));
	}
	route->index = index;
	return found;
}

/* ---- prefixes ---------------------------------------------------------------------------- */

bool
prefix_contains(const struct weft_prefix *prefix, const struct weft_prefix *address)
{
	unsigned whole = prefix->length / 8, rest = prefix->length % 8;

	if (prefix->family != address->family || prefix->length > address_size(prefix) * 8 ||
		memcmp(prefix->address, address->address, whole) != 0)
		return false;
	return rest == 0 || ((prefix->address[whole] ^ address->address[whole]) &
				    (0xff << (8 - rest)) & 0xff) == 0;
}

bool
prefix_equal(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->family == b->family && a->length == b->length &&
	       memcmp(a->address, b->address, address_size(a)) == 0;
}

const char *
prefix_text(const struct weft_prefix *prefix, bool with_length, char text[PREFIX_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop((int)family_of(prefix), prefix->address, address, sizeof(address));
	snprintf(text, PREFIX_TEXT_SIZE, with_length ? "%s/%u" : "%s", address, prefix->length);
	return text;
}
