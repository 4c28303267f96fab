/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic/netlink.h"
#include "nic/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct weft_prefix
prefix4(const char *text, uint8_t length)
{
	struct weft_prefix prefix = { .family = 4, .length = length };

	assert_int_equal(inet_pton(AF_INET, text, prefix.address), 1);
	return prefix;
}

static struct weft_prefix
prefix6(const char *text, uint8_t length)
{
	struct weft_prefix prefix = { .family = 6, .length = length };

	assert_int_equal(inet_pton(AF_INET6, text, prefix.address), 1);
	return prefix;
}

/* A message under construction, by hand, so that it may lie. */
struct draft {
	union {
		struct nlmsghdr header;
		char bytes[2048];
	};
};

static void
draft_begin(struct draft *draft, uint16_t type, const void *fixed, size_t size)
{
	memset(draft, 0, sizeof(*draft));
	draft->header.nlmsg_type = type;
	draft->header.nlmsg_len = (uint32_t)(sizeof(draft->header) + NLMSG_ALIGN(size));
	memcpy(draft->bytes + sizeof(draft->header), fixed, size);
}

/* Returns the attribute's header. `claimed`: the length that it says it has. */
static struct nlattr *
draft_put(struct draft *draft, uint16_t type, const void *data, size_t size, size_t claimed)
{
	struct nlattr *attribute = (struct nlattr *)(draft->bytes + draft->header.nlmsg_len);

	attribute->nla_type = type;
	attribute->nla_len = (uint16_t)(sizeof(*attribute) + claimed);
	memcpy(attribute + 1, data, size);
	draft->header.nlmsg_len += (uint32_t)(sizeof(*attribute) + NLMSG_ALIGN(size));
	return attribute;
}

static void
a_link_message_says_what_was_set(void **state)
{
	struct netlink_link_change change = { .set = NETLINK_SET_UP | NETLINK_SET_NAME |
						     NETLINK_SET_MTU | NETLINK_SET_MAC |
						     NETLINK_SET_ALIAS | NETLINK_SET_GROUP |
						     NETLINK_SET_QUEUE_LENGTH |
						     NETLINK_SET_GSO_MAX_SIZE,
		.up = true,
		.name = "web",
		.alias = "weft:a:red/web",
		.mtu = 9000,
		.group = 7,
		.queue_length = 500,
		.gso_max_size = 61440,
		.mac = { 2, 0, 0, 0, 0, 9 } };
	char buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *message = netlink_build_link_set(buffer, 42, &change);
	struct netlink_link link;

	(void)state;
	assert_non_null(message);
	assert_true(netlink_parse_link(message, &link));
	assert_int_equal(link.index, 42);
	assert_int_equal(link.flags & IFF_UP, IFF_UP);
	assert_string_equal(link.name, "web");
	assert_string_equal(link.alias, "weft:a:red/web");
	assert_int_equal(link.mtu, 9000);
	assert_int_equal(link.group, 7);
	assert_int_equal(link.queue_length, 500);
	assert_int_equal(link.gso_max_size, 61440);
	assert_memory_equal(link.mac, change.mac, 6);
}

static void
names_that_are_too_long_are_refused(void **state)
{
	char buffer[NETLINK_REQUEST_SIZE], alias[NETLINK_ALIAS_SIZE + 1];
	struct netlink_link_change change = { .set = NETLINK_SET_NAME, .name = "sixteen-letters-" };

	(void)state;
	assert_null(netlink_build_link_set(buffer, 1, &change));
	assert_int_equal(errno, ENAMETOOLONG);
	change.name = "fifteen-letters";
	assert_non_null(netlink_build_link_set(buffer, 1, &change));
	memset(alias, 'x', sizeof(alias));
	alias[NETLINK_ALIAS_SIZE] = '\0';
	change.set = NETLINK_SET_ALIAS;
	change.alias = alias;
	assert_null(netlink_build_link_set(buffer, 1, &change));
	alias[NETLINK_ALIAS_SIZE - 1] = '\0';
	assert_non_null(netlink_build_link_set(buffer, 1, &change));
}

static void
addresses_and_routes_read_back(void **state)
{
	struct weft_prefix four = prefix4("10.0.0.10", 24), six = prefix6("2001:db8::1", 64);
	struct weft_prefix gateway = prefix4("10.0.0.1", 0);
	char buffer[NETLINK_REQUEST_SIZE];
	struct netlink_address address;
	struct netlink_route route;

	(void)state;
	assert_true(netlink_parse_address(
		netlink_build_address(buffer, RTM_NEWADDR, 0, 3, &four), &address));
	assert_true(prefix_equal(&address.prefix, &four));
	assert_int_equal(address.index, 3);
	assert_true(address.ours);
	assert_true(netlink_parse_address(
		netlink_build_address(buffer, RTM_NEWADDR, 0, 3, &six), &address));
	assert_true(prefix_equal(&address.prefix, &six));
	assert_true(netlink_parse_route(
		netlink_build_default_route(buffer, RTM_NEWROUTE, 0, 5, &gateway, true), &route));
	assert_true(prefix_equal(&route.gateway, &gateway));
	assert_int_equal(route.index, 5);
	assert_true(route.ours);
}

static void
attributes_that_lie_about_their_length_are_not_read(void **state)
{
	struct ifinfomsg info = { .ifi_index = 9 };
	struct netlink_link link;
	struct draft draft;
	uint32_t mtu = 1500;

	(void)state;
	/* longer than the message: it and what is behind it are not there */
	draft_begin(&draft, RTM_NEWLINK, &info, sizeof(info));
	draft_put(&draft, IFLA_IFNAME, "web", 4, 4);
	draft_put(&draft, IFLA_MTU, &mtu, 4, 4000);
	assert_true(netlink_parse_link(&draft.header, &link));
	assert_int_equal(link.mtu, 0);

	/* shorter and longer than the type has it */
	for (size_t claimed = 0; claimed < 12; claimed++) {
		char value[12] = "\x05\x00\x00\x00";

		draft_begin(&draft, RTM_NEWLINK, &info, sizeof(info));
		draft_put(&draft, IFLA_MTU, value, 12, claimed);
		draft.header.nlmsg_len -= 12 - (uint32_t)NLMSG_ALIGN(claimed);
		draft_put(&draft, IFLA_IFNAME, "web", 4, 4);
		assert_true(netlink_parse_link(&draft.header, &link));
		assert_int_equal(link.mtu, claimed == 4 ? 5 : 0);
	}

	/* an attribute's header says less than a header */
	draft_begin(&draft, RTM_NEWLINK, &info, sizeof(info));
	draft_put(&draft, IFLA_IFNAME, "web", 4, 4)->nla_len = 2;
	assert_false(netlink_parse_link(&draft.header, &link));

	/* text without an end, and longer than a name */
	draft_begin(&draft, RTM_NEWLINK, &info, sizeof(info));
	draft_put(&draft, IFLA_IFNAME, "abcdefghijklmnopqrst", 20, 20);
	assert_true(netlink_parse_link(&draft.header, &link));
	assert_string_equal(link.name, "abcdefghijklmno");

	/* nested: inner attributes end where the outer one does */
	draft_begin(&draft, RTM_NEWLINK, &info, sizeof(info));
	draft_put(&draft, IFLA_IFNAME, "web", 4, 4);
	{
		char nest[24] = { 0 };
		struct nlattr *kind = (struct nlattr *)nest;

		kind->nla_type = IFLA_INFO_KIND;
		kind->nla_len = 200;
		memcpy(kind + 1, "tun", 4);
		draft_put(&draft, IFLA_LINKINFO, nest, sizeof(nest), sizeof(nest));
	}
	assert_true(netlink_parse_link(&draft.header, &link));
	assert_string_equal(link.kind, "");
}

static void
short_messages_and_other_types_are_refused(void **state)
{
	struct ifaddrmsg address_info = { .ifa_family = AF_INET, .ifa_prefixlen = 24 };
	struct ifinfomsg info = { .ifi_index = 9 };
	struct netlink_address address;
	struct netlink_route route;
	struct netlink_link link;
	struct draft draft;

	(void)state;
	draft_begin(&draft, RTM_NEWLINK, &info, sizeof(info));
	for (uint32_t length = 0; length < sizeof(draft.header) + sizeof(info); length++) {
		draft.header.nlmsg_len = length;
		assert_false(netlink_parse_link(&draft.header, &link));
	}
	draft.header.nlmsg_len = sizeof(draft.header) + sizeof(info);
	assert_false(netlink_parse_link(&draft.header, &link)); /* no name */
	assert_false(netlink_parse_address(&draft.header, &address));
	assert_false(netlink_parse_route(&draft.header, &route));

	/* no address in it; one of the other family's size; a prefix of 33 bits */
	draft_begin(&draft, RTM_NEWADDR, &address_info, sizeof(address_info));
	assert_false(netlink_parse_address(&draft.header, &address));
	draft_put(&draft, IFA_LOCAL, "0123456789abcdef", 16, 16);
	assert_false(netlink_parse_address(&draft.header, &address));
	address_info.ifa_prefixlen = 33;
	draft_begin(&draft, RTM_NEWADDR, &address_info, sizeof(address_info));
	draft_put(&draft, IFA_LOCAL, "0123", 4, 4);
	assert_false(netlink_parse_address(&draft.header, &address));
}

static void
prefixes_contain_what_they_should(void **state)
{
	struct weft_prefix net = prefix4("10.0.5.1", 23), all = prefix4("0.0.0.0", 0);
	struct weft_prefix in = prefix4("10.0.4.200", 32), out = prefix4("10.0.6.1", 32);
	struct weft_prefix six = prefix6("2001:db8::1", 128), wide = prefix6("2001:db8::", 33);
	struct weft_prefix wrong = prefix4("10.0.0.0", 200);
	char text[PREFIX_TEXT_SIZE];

	(void)state;
	assert_true(prefix_contains(&net, &in));
	assert_false(prefix_contains(&net, &out));
	assert_true(prefix_contains(&all, &out));
	assert_true(prefix_contains(&in, &in));
	assert_true(prefix_contains(&wide, &six));
	assert_false(prefix_contains(&all, &six));
	assert_false(prefix_contains(&wrong, &in));
	assert_string_equal(prefix_text(&net, true, text), "10.0.5.1/23");
	assert_string_equal(prefix_text(&six, false, text), "2001:db8::1");
}

static void
namespaces_that_are_not_there_are_told(void **state)
{
	struct netns_identity identity;
	struct weft_error error;

	(void)state;
	assert_int_equal(netns_open(WEFT_NETNS_NAME, "weft-no-such-name", &error), -1);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(error.text, "there is no network namespace weft-no-such-name");
	assert_int_equal(netns_open(WEFT_NETNS_NAME, "../x", &error), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(netns_open(WEFT_NETNS_PID, "4294967295", &error), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(netns_open(WEFT_NETNS_PID, "1/../2", &error), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(netns_open(WEFT_NETNS_PATH, "/dev/null", &error), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(netns_identify(WEFT_NETNS_PATH, "/nowhere/at/all", &identity, &error), -1);
	assert_int_equal(errno, ENOENT);
	assert_false(netns_name_valid(""));
	assert_false(netns_name_valid(".."));
	assert_true(netns_name_valid("red-web"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_message_says_what_was_set),
		cmocka_unit_test(names_that_are_too_long_are_refused),
		cmocka_unit_test(addresses_and_routes_read_back),
		cmocka_unit_test(attributes_that_lie_about_their_length_are_not_read),
		cmocka_unit_test(short_messages_and_other_types_are_refused),
		cmocka_unit_test(prefixes_contain_what_they_should),
		cmocka_unit_test(namespaces_that_are_not_there_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
