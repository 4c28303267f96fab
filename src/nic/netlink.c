/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/netlink.h"

#include "base/error.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one recv may bring: the kernel's dumps come in pieces of at most 32 KiB. */
#define RECEIVE_SIZE 32768

int
netlink_open(struct netlink *netlink, struct weft_error *error)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	socklen_t size = sizeof(local);
	int one = 1, code;

	netlink->sequence = 0;
	netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (netlink->fd < 0)
		goto failed;
	if (bind(netlink->fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
		getsockname(netlink->fd, (struct sockaddr *)&local, &size) < 0)
		goto failed;
	netlink->port = local.nl_pid;
	/* the kernel's reasons in words, and dumps filtered by it: where it can */
	setsockopt(netlink->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(netlink->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return 0;
failed:
	code = errno;
	error_errno(error, code, "cannot open a netlink socket");
	netlink_close(netlink);
	errno = code;
	return -1;
}

void
netlink_close(struct netlink *netlink)
{
	if (netlink->fd >= 0)
		close(netlink->fd);
	netlink->fd = -1;
}

/* The kernel's words in an acknowledgement; NULL: none. They end within the message. */
static const char *
kernel_words(const struct nlmsghdr *message)
{
	const struct nlmsgerr *ack = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*ack);
	const struct nlattr *attribute;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
		if (ack->msg.nlmsg_len < sizeof(ack->msg))
			return NULL;
		offset += MNL_ALIGN(ack->msg.nlmsg_len) - sizeof(ack->msg);
	}
	if (offset > mnl_nlmsg_get_payload_len(message))
		return NULL;
	for (attribute = mnl_nlmsg_get_payload_offset(message, offset); mnl_attr_ok(attribute,
		     (int)((char *)mnl_nlmsg_get_payload_tail(message) - (char *)attribute));
		attribute = mnl_attr_next(attribute)) {
		const char *text = mnl_attr_get_payload(attribute);
		size_t size = mnl_attr_get_payload_len(attribute);

		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG && size > 1 &&
			text[size - 1] == '\0')
			return text;
	}
	return NULL;
}

/* One request under way. */
struct exchange {
	struct netlink *netlink;
	const char *what; /* for the error: "cannot WHAT" */
	/* each message of the answer; other than 0 ends it */
	int (*each)(const struct nlmsghdr *message, void *argument);
	void *argument;
	struct weft_error *error;
};

static int
failed(const struct exchange *exchange, int code, const char *words)
{
	if (words != NULL)
		error_errno(exchange->error, code, "cannot %s: %s", exchange->what, words);
	else
		error_errno(exchange->error, code, "cannot %s", exchange->what);
	errno = code;
	return -1;
}

/* 1: more is to come; 0: done; -1: failed. */
static int
handle_message(const struct exchange *exchange, const struct nlmsghdr *message, int *verdict)
{
	if (message->nlmsg_seq != exchange->netlink->sequence)
		return 1; /* the rest of an exchange that was given up */
	if (message->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *ack = mnl_nlmsg_get_payload(message);

		if (mnl_nlmsg_get_payload_len(message) < sizeof(*ack))
			return failed(exchange, EPROTO, NULL);
		return ack->error == 0 ? 0 : failed(exchange, -ack->error, kernel_words(message));
	}
	if (message->nlmsg_type == NLMSG_DONE) {
		int code = 0; /* of a dump that ended early: negative */

		if (mnl_nlmsg_get_payload_len(message) >= sizeof(code))
			memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
		return code < 0 ? failed(exchange, -code, NULL) : 0;
	}
	if (*verdict == 0 && exchange->each != NULL)
		*verdict = exchange->each(message, exchange->argument);
	return 1;
}

/*
 * Sends the request and reads the answer to its end: an acknowledgement (requests have
 * NLM_F_ACK) or the end of a dump. Returns what `each` said, or -1.
 */
static int
exchange_run(const struct exchange *exchange, struct nlmsghdr *request)
{
	struct netlink *netlink = exchange->netlink;
	int state = 1, verdict = 0;
	char *buffer;

	buffer = malloc(RECEIVE_SIZE);
	if (buffer == NULL) {
		error_memory(exchange->error);
		errno = ENOMEM;
		return -1;
	}
	request->nlmsg_seq = ++netlink->sequence;
	if (send(netlink->fd, request, request->nlmsg_len, 0) < 0)
		state = failed(exchange, errno, NULL);
	while (state > 0) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
		ssize_t size = recv(netlink->fd, buffer, RECEIVE_SIZE, 0);
		int left = (int)size;

		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0) {
			state = failed(exchange, size < 0 ? errno : EPROTO, NULL);
			break;
		}
		while (state > 0 && mnl_nlmsg_ok(message, left)) {
			state = handle_message(exchange, message, &verdict);
			message = mnl_nlmsg_next(message, &left);
		}
	}
	if (state < 0) {
		int code = errno;

		free(buffer);
		errno = code;
		return -1;
	}
	free(buffer);
	return verdict;
}

static int
request_link_set(struct netlink *netlink, unsigned index, const struct netlink_link_change *change,
	const char *what, struct weft_error *error)
{
	struct exchange exchange = { .netlink = netlink, .what = what, .error = error };
	char buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = netlink_build_link_set(buffer, index, change);

	if (request == NULL)
		return failed(&exchange, errno, NULL);
	return exchange_run(&exchange, request);
}

int
netlink_link_set(struct netlink *netlink, unsigned index, const struct netlink_link_change *change,
	struct weft_error *error)
{
	static const struct {
		unsigned bit;
		const char *what;
	} steps[] = {
		/* the kernel takes a new name of a link that is down, before it comes up */
		{ NETLINK_SET_NAME, "rename the interface" },
		{ NETLINK_SET_ALIAS, "set the interface's alias" },
		{ NETLINK_SET_MAC, "set the interface's MAC address" },
		{ NETLINK_SET_MTU, "set the interface's MTU" },
		{ NETLINK_SET_QUEUE_LENGTH, "set the interface's queue length" },
		{ NETLINK_SET_GSO_MAX_SIZE, "set the interface's largest GSO packet" },
		{ NETLINK_SET_GROUP, "set the interface's group" },
		{ NETLINK_SET_UP, "set the interface up or down" },
		{ NETLINK_SET_NETNS, "move the interface to its namespace" },
	};

	/* one by one: so the error says which of them it was */
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct netlink_link_change one = *change;

		one.set &= steps[i].bit;
		if (one.set != 0 &&
			request_link_set(netlink, index, &one, steps[i].what, error) < 0)
			return -1;
	}
	return 0;
}

struct link_each {
	int (*each)(const struct netlink_link *link, void *argument);
	void *argument;
};

static int
link_message(const struct nlmsghdr *message, void *argument)
{
	const struct link_each *each = argument;
	struct netlink_link link;

	return netlink_parse_link(message, &link) ? each->each(&link, each->argument) : 0;
}

static int
copy_link(const struct netlink_link *link, void *argument)
{
	*(struct netlink_link *)argument = *link;
	return 0;
}

static int
link_get(struct netlink *netlink, const char *name, unsigned index, struct netlink_link *link,
	struct weft_error *error)
{
	struct link_each each = { .each = copy_link, .argument = link };
	struct exchange exchange = { .netlink = netlink,
		.what = "look up the interface",
		.each = link_message,
		.argument = &each,
		.error = error };
	char buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)index;
	if (name != NULL) {
		if (strlen(name) >= IFNAMSIZ)
			return failed(&exchange, ENODEV, NULL);
		mnl_attr_put_strz(request, IFLA_IFNAME, name);
	}
	link->index = 0;
	if (exchange_run(&exchange, request) < 0)
		return -1;
	return link->index != 0 ? 0 : failed(&exchange, ENODEV, NULL);
}

int
netlink_link_by_name(struct netlink *netlink, const char *name, struct netlink_link *link,
	struct weft_error *error)
{
	return link_get(netlink, name, 0, link, error);
}

int
netlink_link_by_index(struct netlink *netlink, unsigned index, struct netlink_link *link,
	struct weft_error *error)
{
	return link_get(netlink, NULL, index, link, error);
}

int
netlink_links(struct netlink *netlink, int (*each)(const struct netlink_link *link, void *argument),
	void *argument, struct weft_error *error)
{
	struct link_each links = { .each = each, .argument = argument };
	struct exchange exchange = { .netlink = netlink,
		.what = "list the interfaces",
		.each = link_message,
		.argument = &links,
		.error = error };
	char buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	return exchange_run(&exchange, request);
}

static int
delete_links(struct netlink *netlink, unsigned index, uint32_t group, const char *what,
	struct weft_error *error)
{
	struct exchange exchange = { .netlink = netlink, .what = what, .error = error };
	char buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	request->nlmsg_type = RTM_DELLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)index;
	if (index == 0)
		mnl_attr_put_u32(request, IFLA_GROUP, group);
	return exchange_run(&exchange, request);
}

int
netlink_link_delete(struct netlink *netlink, unsigned index, struct weft_error *error)
{
	return delete_links(netlink, index, 0, "delete the interface", error);
}

int
netlink_group_delete(struct netlink *netlink, uint32_t group, struct weft_error *error)
{
	return delete_links(netlink, 0, group, "delete a group of interfaces", error);
}

/* ---- addresses ----------------------------------------------------------------------------- */

int
netlink_address_add(struct netlink *netlink, unsigned index, const struct weft_prefix *prefix,
	struct weft_error *error)
{
	char text[PREFIX_TEXT_SIZE], what[PREFIX_TEXT_SIZE + 32];
	struct exchange exchange = { .netlink = netlink, .what = what, .error = error };
	char buffer[NETLINK_REQUEST_SIZE];

	snprintf(what, sizeof(what), "add the address %s", prefix_text(prefix, true, text));
	if (exchange_run(&exchange, netlink_build_address(buffer, RTM_NEWADDR,
					    NLM_F_CREATE | NLM_F_EXCL, index, prefix)) == 0)
		return 0;
	return errno == EEXIST ? 0 : -1;
}

int
netlink_address_delete(struct netlink *netlink, unsigned index, const struct weft_prefix *prefix,
	struct weft_error *error)
{
	char text[PREFIX_TEXT_SIZE], what[PREFIX_TEXT_SIZE + 32];
	struct exchange exchange = { .netlink = netlink, .what = what, .error = error };
	char buffer[NETLINK_REQUEST_SIZE];

	snprintf(what, sizeof(what), "remove the address %s", prefix_text(prefix, true, text));
	if (exchange_run(&exchange, netlink_build_address(buffer, RTM_DELADDR, 0, index, prefix)) ==
		0)
		return 0;
	return errno == EADDRNOTAVAIL ? 0 : -1;
}

struct address_each {
	unsigned index;
	int (*each)(const struct netlink_address *address, void *argument);
	void *argument;
};

static int
address_message(const struct nlmsghdr *message, void *argument)
{
	const struct address_each *each = argument;
	struct netlink_address address;

	if (!netlink_parse_address(message, &address) || address.index != each->index)
		return 0;
	return each->each(&address, each->argument);
}

int
netlink_addresses(struct netlink *netlink, unsigned index,
	int (*each)(const struct netlink_address *address, void *argument), void *argument,
	struct weft_error *error)
{
	struct address_each addresses = { .index = index, .each = each, .argument = argument };
	struct exchange exchange = { .netlink = netlink,
		.what = "list the addresses",
		.each = address_message,
		.argument = &addresses,
		.error = error };
	char buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *info;

	request->nlmsg_type = RTM_GETADDR;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifa_family = AF_UNSPEC;
	info->ifa_index = index;
	return exchange_run(&exchange, request);
}

/* ---- default routes -------------------------------------------------------------------------- */

int
netlink_default_route_add(struct netlink *netlink, unsigned index,
	const struct weft_prefix *gateway, bool on_link, struct weft_error *error)
{
	char text[PREFIX_TEXT_SIZE], what[PREFIX_TEXT_SIZE + 32];
	struct exchange exchange = { .netlink = netlink, .what = what, .error = error };
	char buffer[NETLINK_REQUEST_SIZE];

	snprintf(what, sizeof(what), "add the default route via %s",
		prefix_text(gateway, false, text));
	return exchange_run(&exchange, netlink_build_default_route(buffer, RTM_NEWROUTE,
					       NLM_F_CREATE | NLM_F_EXCL, index, gateway, on_link));
}

int
netlink_default_route_delete(struct netlink *netlink, unsigned index,
	const struct weft_prefix *gateway, struct weft_error *error)
{
	char text[PREFIX_TEXT_SIZE], what[PREFIX_TEXT_SIZE + 32];
	struct exchange exchange = { .netlink = netlink, .what = what, .error = error };
	char buffer[NETLINK_REQUEST_SIZE];

	snprintf(what, sizeof(what), "remove the default route via %s",
		prefix_text(gateway, false, text));
	if (exchange_run(&exchange, netlink_build_default_route(
					    buffer, RTM_DELROUTE, 0, index, gateway, false)) == 0)
		return 0;
	return errno == ESRCH ? 0 : -1;
}

struct route_each {
	unsigned index;
	int (*each)(const struct netlink_route *route, void *argument);
	void *argument;
};

static int
route_message(const struct nlmsghdr *message, void *argument)
{
	const struct route_each *each = argument;
	struct netlink_route route;

	if (!netlink_parse_route(message, &route) || route.index != each->index)
		return 0;
	return each->each(&route, each->argument);
}

static int
default_routes(struct netlink *netlink, uint8_t family, struct route_each *routes,
	struct weft_error *error)
{
	struct exchange exchange = { .netlink = netlink,
		.what = "list the routes",
		.each = route_message,
		.argument = routes,
		.error = error };
	char buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;
	int verdict;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	route->rtm_family = family;
	route->rtm_table = RT_TABLE_MAIN;
	mnl_attr_put_u32(request, RTA_OIF, routes->index);
	verdict = exchange_run(&exchange, request);
	/* a namespace that never had a route has no main table */
	return verdict < 0 && errno == ENOENT ? 0 : verdict;
}

int
netlink_default_routes(struct netlink *netlink, unsigned index,
	int (*each)(const struct netlink_route *route, void *argument), void *argument,
	struct weft_error *error)
{
	struct route_each routes = { .index = index, .each = each, .argument = argument };
	int verdict = default_routes(netlink, AF_INET, &routes, error);

	return verdict != 0 ? verdict : default_routes(netlink, AF_INET6, &routes, error);
}
