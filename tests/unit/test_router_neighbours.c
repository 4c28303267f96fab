/* SPDX-License-Identifier: BSD-3-Clause */
/* What a router says on its links, and what the RFCs have it do at their edges. */
#include "../router_fixture.h"

#include <rte_tcp.h>

#define ANNOUNCED_TICKS 3

/* ---- routers of any addresses --------------------------------------------------------------- */

static struct bench_router
router_of(const char *name, const struct weft_router_port_config *configs, unsigned n)
{
	struct bench_router made = { .network = lab_network(name, 0) };
	struct weft_change *change = weft_change_begin(lab);
	struct router_port_info info;
	char text[16];

	made.device = weft_router_add(change, made.network, "r", NULL);
	for (unsigned i = 0; i < ROUTER_PORTS; i++) {
		snprintf(text, sizeof(text), "p%u", i);
		made.ports[i] =
			weft_router_port_add(change, made.device, text, i < n ? &configs[i] : NULL);
		made.nics[i] = weft_nic_add(change, made.network, text, &lab_nic_config);
		weft_attach(change, made.ports[i], made.nics[i]);
	}
	lab_commit(change);
	for (unsigned i = 0; i < ROUTER_PORTS; i++) {
		router_port_read(made.ports[i], &info);
		memcpy(made.macs[i], info.mac, 6);
	}
	lab_wait(ANNOUNCED_TICKS);
	quiet(&made);
	return made;
}

static struct make_ends
ends_of(const struct bench_router *router, unsigned port, const char *from, const char *to)
{
	struct weft_prefix source = prefix_of(from), destination = prefix_of(to);
	struct make_ends ends = { .family = destination.family };

	memcpy(&ends.destination_mac, router->macs[port], 6);
	station_mac(ends.source_mac.addr_bytes, port * 256 + 5);
	memcpy(ends.source, source.address, 16);
	memcpy(ends.destination, destination.address, 16);
	return ends;
}

static void
send_udp(const struct bench_router *router, unsigned port, const char *from, const char *to)
{
	struct make_ends ends = ends_of(router, port, from, to);
	uint8_t frame[MAKE_SIZE];

	put_frame(router, port, frame, make_udp(frame, &ends, 1000, 2000, "payload", 7));
}

static void
ask(const struct bench_router *router, unsigned port, const char *from, const char *who)
{
	struct make_ends ends = ends_of(router, port, from, who);
	uint8_t frame[MAKE_SIZE];

	put_frame(router, port, frame, make_neighbour_request(frame, &ends));
}

/* `who` says that it is at the station's MAC, to `to`. */
static void
say(const struct bench_router *router, unsigned port, unsigned station, const char *who,
	const char *to, uint8_t flags)
{
	struct make_ends ends = ends_of(router, port, who, to);
	uint8_t frame[MAKE_SIZE];

	station_mac(ends.source_mac.addr_bytes, station);
	put_frame(router, port, frame, make_neighbour_reply(frame, &ends, flags));
}

static const struct neighbour *
entry_of(const struct bench_router *router, unsigned port, const char *who)
{
	struct weft_prefix address = prefix_of(who);

	return neighbour_find(router->ports[port]->id, address.family, address.address);
}

static void
expect_entry(const struct bench_router *router, unsigned port, const char *who,
	enum neighbour_state state, unsigned station)
{
	const struct neighbour *entry = entry_of(router, port, who);
	uint8_t mac[6], wanted[6];

	assert_non_null(entry);
	assert_string_equal(neighbour_state_name(neighbour_link_state(atomic_load(&entry->link))),
		neighbour_state_name(state));
	neighbour_link_mac(atomic_load(&entry->link), mac);
	station_mac(wanted, station);
	assert_memory_equal(mac, wanted, 6);
}

/* The one frame out of the port is a question for the address. */
static void
expect_question(const struct bench_router *router, unsigned port, const char *who)
{
	struct weft_prefix address = prefix_of(who);
	uint8_t frame[BUFFER];

	assert_true(take_frame(router, port, frame) > 0);
	if (address.family == 4) {
		assert_int_equal(ethertype_of(frame), RTE_ETHER_TYPE_ARP);
		assert_int_equal(frame[21], RTE_ARP_OP_REQUEST);
		assert_memory_equal(frame + 38, address.address, 4);
	} else {
		assert_int_equal(frame[54], 135);
		assert_memory_equal(frame + 62, address.address, 16);
	}
	lab_expect_nothing(router->nics[port]);
}

/* ---- what neighbours say --------------------------------------------------------------------- */

/* RFC 4861, 7.2.5 and appendix C. */
static void
test_advertisements(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	const char *who = "2001:db8:1::9", *us = "2001:db8:1::1", *all = "ff02::1";

	(void)state;
	quiet(&router);
	/* of one that nobody asked for: not noted */
	say(&router, 1, 9, who, all, MAKE_ADVERTISE_OVERRIDE);
	assert_null(entry_of(&router, 1, who));
	/* asked for: known, and reachable if it is the answer */
	put_udp(&router, 0, 5, who);
	say(&router, 1, 9, who, us, MAKE_ADVERTISE_SOLICITED);
	expect_entry(&router, 1, who, NEIGHBOUR_REACHABLE, 9);
	/* another MAC, without override: it is doubted, and stays */
	say(&router, 1, 10, who, us, MAKE_ADVERTISE_SOLICITED);
	expect_entry(&router, 1, who, NEIGHBOUR_STALE, 9);
	say(&router, 1, 10, who, us, MAKE_ADVERTISE_SOLICITED);
	expect_entry(&router, 1, who, NEIGHBOUR_STALE, 9);
	/* with override, unasked: taken, and to be confirmed */
	say(&router, 1, 10, who, all, MAKE_ADVERTISE_OVERRIDE);
	expect_entry(&router, 1, who, NEIGHBOUR_STALE, 10);
	say(&router, 1, 11, who, us, MAKE_ADVERTISE_OVERRIDE | MAKE_ADVERTISE_SOLICITED);
	expect_entry(&router, 1, who, NEIGHBOUR_REACHABLE, 11);
	/* 7.1.2: an answer to all is none */
	say(&router, 1, 12, who, all, MAKE_ADVERTISE_OVERRIDE | MAKE_ADVERTISE_SOLICITED);
	expect_entry(&router, 1, who, NEIGHBOUR_REACHABLE, 11);
	assert_int_equal(lab_drops(router.ports[1], DROP_BAD_ND), 1);
	/* 7.2.3: who asks us has moved */
	{
		struct make_ends ends = ends_of(&router, 1, who, us);
		uint8_t frame[MAKE_SIZE];

		put_frame(&router, 1, frame, make_neighbour_request(frame, &ends));
	}
	expect_entry(&router, 1, who, NEIGHBOUR_DELAY, 256 + 5); /* by our answer */
}

/* RFC 4861, 4.4: who is asked alone may leave out its MAC, as KAME's children do. */
static void
test_advertisement_without_mac(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_of(&router, 1, "2001:db8:1::9", "2001:db8:1::1");
	uint8_t frame[MAKE_SIZE];
	size_t length;

	(void)state;
	know(&router, 1, 9, 6);
	know(&router, 1, 8, 6);
	lab_wait(NEIGHBOUR_REACHABLE_S + 1);
	put_udp(&router, 0, 5, "2001:db8:1::9");
	lab_wait(NEIGHBOUR_DELAY_S);
	assert_int_equal(state_of_station(&router, 1, 9, 6), NEIGHBOUR_PROBE);
	length = make_neighbour_reply(frame, &ends, MAKE_ADVERTISE_SOLICITED);
	frame[14 + 5] = 24; /* payload length, and the checksum anew */
	memset(frame + 56, 0, 2);
	{
		uint16_t sum = rte_ipv6_udptcp_cksum(
			(const struct rte_ipv6_hdr *)(frame + 14), frame + 54);

		memcpy(frame + 56, &sum, sizeof(sum));
	}
	put_frame(&router, 1, frame, length - 8);
	assert_int_equal(lab_drops(router.ports[1], DROP_BAD_ND), 0);
	expect_entry(&router, 1, "2001:db8:1::9", NEIGHBOUR_REACHABLE, 256 + 9);
	/* it cannot make one known */
	put_udp(&router, 0, 5, "2001:db8:1::7");
	ends = ends_of(&router, 1, "2001:db8:1::7", "2001:db8:1::1");
	make_neighbour_reply(frame, &ends, MAKE_ADVERTISE_SOLICITED);
	frame[14 + 5] = 24;
	memset(frame + 56, 0, 2);
	{
		uint16_t sum = rte_ipv6_udptcp_cksum(
			(const struct rte_ipv6_hdr *)(frame + 14), frame + 54);

		memcpy(frame + 56, &sum, sizeof(sum));
	}
	put_frame(&router, 1, frame, length - 8);
	assert_int_equal(state_of_station(&router, 1, 7, 6), NEIGHBOUR_INCOMPLETE);
}

/* RFC 826: the known are brought up to date, those who mean us are noted, others are not. */
static void
test_arp_is_heard(void **state)
{
	struct bench_router router = lab_router("a", NULL);

	(void)state;
	quiet(&router);
	say(&router, 1, 9, "10.1.0.9", "10.1.0.9", 0); /* an announcement */
	assert_null(entry_of(&router, 1, "10.1.0.9"));
	ask(&router, 1, "10.1.0.9", "10.1.0.1");
	expect_entry(&router, 1, "10.1.0.9", NEIGHBOUR_STALE, 256 + 5);
	say(&router, 1, 10, "10.1.0.9", "10.1.0.9", 0);
	expect_entry(&router, 1, "10.1.0.9", NEIGHBOUR_STALE, 10);
	say(&router, 1, 11, "10.1.0.9", "10.1.0.1", 0);
	expect_entry(&router, 1, "10.1.0.9", NEIGHBOUR_REACHABLE, 11);
	/* of another link's, and of nobody's address */
	ask(&router, 1, "10.2.0.9", "10.1.0.1");
	assert_null(entry_of(&router, 1, "10.2.0.9"));
	ask(&router, 1, "0.0.0.0", "10.1.0.1");
	assert_null(entry_of(&router, 1, "0.0.0.0"));
}

/* ---- what the router says of itself ------------------------------------------------------------
 */

static unsigned
announcements_of(const struct bench_router *router, unsigned port, const char *who)
{
	struct weft_prefix address = prefix_of(who);
	uint8_t frame[BUFFER];
	unsigned count = 0;

	lab_run();
	while (take_frame(router, port, frame) > 0) {
		if (address.family == 4 && ethertype_of(frame) == RTE_ETHER_TYPE_ARP) {
			assert_int_equal(frame[0], 0xff);
			count += memcmp(frame + 28, address.address, 4) == 0 &&
				 memcmp(frame + 38, address.address, 4) == 0 &&
				 memcmp(frame + 22, router->macs[port], 6) == 0;
		} else if (address.family == 6 && ethertype_of(frame) == RTE_ETHER_TYPE_IPV6) {
			if (frame[54] == 135) /* is it free? */
				continue;
			assert_int_equal(frame[54], 136);
			assert_int_equal(frame[58] & 0xe0, 0xa0); /* router, override */
			count += memcmp(frame + 62, address.address, 16) == 0;
		}
	}
	return count;
}

/* RFC 5227, 2.3; RFC 4861, 7.2.6: at the start, and when there is a new address. */
static void
test_announcements(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct weft_prefix own[2] = { prefix_of("10.0.0.1/24"), prefix_of("10.77.0.1/24") };
	struct weft_router_port_config config = { .addresses = own, .n_addresses = 2 };
	unsigned counts[3] = { 0 };
	struct weft_change *change;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		lab_wait(1);
		counts[0] += announcements_of(&router, 0, "10.0.0.1");
		counts[1] += announcements_of(&router, 1, "2001:db8:1::1");
	}
	assert_int_equal(counts[0], 2);
	assert_int_equal(counts[1], 2);
	quiet(&router);
	change = weft_change_begin(lab);
	weft_router_port_update(change, router.ports[0], &config);
	lab_commit(change);
	for (unsigned i = 0; i < 5; i++) {
		lab_wait(1);
		counts[2] += announcements_of(&router, 0, "10.77.0.1");
	}
	assert_int_equal(counts[2], 2);
	lab_expect_nothing(router.nics[1]); /* nothing is new there */
}

/* RFC 5227, 2.1.1; RFC 4862, 5.4.2: each new address is asked for once, from none; whoever has it
 * already is told of. */
static void
test_own_addresses_are_asked_for(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct weft_prefix four = prefix_of("10.0.0.1"), six = prefix_of("2001:db8::1");
	unsigned asked4 = 0, asked6 = 0;
	const uint8_t none[16] = { 0 };
	uint8_t frame[BUFFER];

	(void)state;
	punt_register(lab, PUNT_ADDRESS_CONFLICT, lab_take_notice, NULL);
	lab_wait(1);
	lab_run();
	while (take_frame(&router, 0, frame) > 0) {
		if (ethertype_of(frame) == RTE_ETHER_TYPE_ARP)
			asked4 += memcmp(frame + 28, none, 4) == 0 &&
				  memcmp(frame + 38, four.address, 4) == 0;
		else
			asked6 += frame[54] == 135 && memcmp(frame + 22, none, 16) == 0 &&
				  memcmp(frame + 62, six.address, 16) == 0;
	}
	assert_int_equal(asked4, 1);
	assert_int_equal(asked6, 1);
	say(&router, 0, 66, "10.0.0.1", "10.0.0.1", 0);
	punt_drain(lab);
	assert_int_equal(lab_notices[PUNT_ADDRESS_CONFLICT], 1);
}

/* RFC 5227, 2.4 (c): defended at once, and not again for ten seconds, or two that both defend it
 * never stop. People are told. */
static void
test_conflicts(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	uint8_t foreign[6];

	(void)state;
	punt_register(lab, PUNT_ADDRESS_CONFLICT, lab_take_notice, NULL);
	lab_wait(ANNOUNCED_TICKS);
	quiet(&router);
	for (unsigned i = 0; i < 50; i++)
		say(&router, 0, 66, "10.0.0.1", "10.0.0.1", 0);
	assert_int_equal(announcements_of(&router, 0, "10.0.0.1"), 1);
	punt_drain(lab);
	assert_int_equal(lab_notices[PUNT_ADDRESS_CONFLICT], 1);
	station_mac(foreign, 66);
	assert_memory_equal(lab_notice[PUNT_ADDRESS_CONFLICT].mac, foreign, 6);
	assert_int_equal(lab_notice[PUNT_ADDRESS_CONFLICT].vport, router.ports[0]->id);
	lab_wait(9);
	say(&router, 0, 66, "10.0.0.1", "10.0.0.1", 0);
	assert_int_equal(announcements_of(&router, 0, "10.0.0.1"), 0);
	lab_wait(2);
	say(&router, 0, 66, "10.0.0.1", "10.0.0.1", 0);
	assert_int_equal(announcements_of(&router, 0, "10.0.0.1"), 1);
	/* IPv6: told; and not of our own words that come back to us */
	punt_drain(lab);
	lab_notices[PUNT_ADDRESS_CONFLICT] = 0;
	lab_wait(1);
	say(&router, 0, 66, "2001:db8::1", "ff02::1", MAKE_ADVERTISE_OVERRIDE);
	punt_drain(lab);
	assert_int_equal(lab_notices[PUNT_ADDRESS_CONFLICT], 1);
	lab_wait(1);
	{
		struct make_ends ends = ends_of(&router, 0, "2001:db8::1", "ff02::1");
		uint8_t frame[MAKE_SIZE];

		memcpy(&ends.source_mac, router.macs[0], 6);
		put_frame(&router, 0, frame,
			make_neighbour_reply(frame, &ends, MAKE_ADVERTISE_OVERRIDE));
	}
	punt_drain(lab);
	assert_int_equal(lab_notices[PUNT_ADDRESS_CONFLICT], 1);
}

/* RFC 1027; RFC 4861, 7.2.8: for what is behind another port, and for nothing of this link. */
static void
test_proxy(void **state)
{
	struct weft_router_port_config proxy = { .proxy_arp = true };
	struct bench_router router = lab_router("a", &proxy);
	const char *gateway4[] = { "10.2.0.9" }, *gateway6[] = { "2001:db8:2::9" };
	uint8_t frame[BUFFER];

	(void)state;
	set_route(&router, "0.0.0.0/0", WEFT_ROUTE_FORWARD, gateway4, 1, 0);
	set_route(&router, "::/0", WEFT_ROUTE_FORWARD, gateway6, 1, 0);
	know(&router, 0, 5, 6);
	quiet(&router);
	ask(&router, 0, "10.0.0.5", "10.1.0.77");
	assert_int_equal(take_frame(&router, 0, frame), 42);
	assert_memory_equal(frame + 28, prefix_of("10.1.0.77").address, 4);
	assert_memory_equal(frame + 22, router.macs[0], 6);
	ask(&router, 0, "10.0.0.5", "192.0.2.1");
	assert_int_equal(lab_drain(router.nics[0]), 1);
	ask(&router, 0, "2001:db8::5", "2001:db8:1::77");
	assert_true(take_frame(&router, 0, frame) > 0);
	assert_memory_equal(frame + 62, prefix_of("2001:db8:1::77").address, 16);
	assert_int_equal(frame[58] & MAKE_ADVERTISE_OVERRIDE, 0);
	/* of this link: who has it says so, and who looks whether it is free finds it free */
	ask(&router, 0, "10.0.0.5", "10.0.0.77");
	ask(&router, 0, "0.0.0.0", "10.0.0.77");
	ask(&router, 0, "0.0.0.0", "169.254.7.7");
	ask(&router, 0, "2001:db8::5", "2001:db8::77");
	ask(&router, 0, "fe80::5", "fe80::77");
	ask(&router, 0, "::", "fe80::77");
	lab_expect_nothing(router.nics[0]);
}

/* ---- addresses of any length -------------------------------------------------------------------
 */

#define PORT(...) \
	{ \
		.addresses = (const struct weft_prefix[]){ __VA_ARGS__ }, \
		.n_addresses = sizeof((const struct weft_prefix[]){ __VA_ARGS__ }) / \
			       sizeof(struct weft_prefix) \
	}

/* RFC 3021, 6164: both addresses of such a network are hosts; one of all bits has no others. */
static void
test_short_networks(void **state)
{
	const struct weft_router_port_config configs[] = { PORT(prefix_of("10.0.0.1/24")),
		PORT(prefix_of("10.1.0.0/31"), prefix_of("2001:db8:1::1/127")),
		PORT(prefix_of("10.2.0.1/32"), prefix_of("2001:db8:2::1/128")),
		PORT(prefix_of("10.3.0.1/30"), prefix_of("2001:db8:3::1/126")) };
	struct bench_router router = router_of("a", configs, 4);
	struct weft_change *change;
	struct weft_hop hop = { .gateway = prefix_of("10.9.0.9"), .port = router.ports[2] };
	struct weft_route route = {
		.prefix = prefix_of("172.16.0.0/12"), .hops = &hop, .n_hops = 1
	};

	(void)state;
	ask(&router, 0, "10.0.0.5", "10.0.0.1");
	quiet(&router);
	send_udp(&router, 0, "10.0.0.5", "10.1.0.1"); /* all ones, and nobody's broadcast */
	expect_question(&router, 1, "10.1.0.1");
	send_udp(&router, 1, "2001:db8:9::9", "2001:db8:1::"); /* no anycast address */
	expect_question(&router, 1, "2001:db8:1::");
	/* one of all bits has neither neighbours nor a broadcast address */
	send_udp(&router, 0, "10.0.0.5", "10.2.0.2");
	assert_int_equal(lab_drops(router.ports[0], DROP_NO_ROUTE), 1);
	lab_expect_nothing(router.nics[2]);
	/* but gateways, by the port */
	change = weft_change_begin(lab);
	weft_router_route_set(change, router.device, &route);
	lab_commit(change);
	send_udp(&router, 0, "10.0.0.5", "172.16.1.1");
	expect_question(&router, 2, "10.9.0.9");
	/* others have a broadcast, which is not passed on, and an anycast address that answers */
	quiet(&router);
	send_udp(&router, 0, "10.0.0.5", "10.3.0.3");
	lab_expect_nothing(router.nics[3]);
	lab_expect_nothing(router.nics[0]); /* and nobody is told (RFC 1812, 4.3.2.7) */
	ask(&router, 3, "2001:db8:3::2", "2001:db8:3::1");
	quiet(&router);
	{
		struct make_ends ends = ends_of(&router, 3, "2001:db8:3::2", "2001:db8:3::");
		uint8_t frame[BUFFER];

		put_frame(&router, 3, frame, make_echo(frame, &ends, 1, 1, "x", 1));
		assert_true(take_frame(&router, 3, frame) > 0);
		assert_int_equal(frame[54], 129);
	}
}

/* A port of a link-local address alone carries packets by gateways of that kind. */
static void
test_link_local_only(void **state)
{
	const struct weft_router_port_config configs[] = { PORT(prefix_of("2001:db8::1/64")),
		{ .ipv6 = true } };
	struct bench_router router = router_of("a", configs, 2);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_hop hop = { .gateway = prefix_of("fe80::9"), .port = router.ports[1] };
	struct weft_route route = {
		.prefix = prefix_of("2001:db8:aa::/48"), .hops = &hop, .n_hops = 1
	};
	struct router_port_info info;
	char own[ROUTER_ADDRESS_SIZE];
	struct make_ends ends;
	uint8_t frame[BUFFER];

	(void)state;
	weft_router_route_set(change, router.device, &route);
	lab_commit(change);
	router_port_read(router.ports[1], &info);
	assert_int_equal(info.n_addresses, 1);
	router_address_text(6, info.addresses[0].bytes, own);
	ask(&router, 0, "2001:db8::5", "2001:db8::1");
	quiet(&router);
	send_udp(&router, 0, "2001:db8::5", "2001:db8:aa::1");
	assert_true(take_frame(&router, 1, frame) > 0);
	assert_int_equal(frame[54], 135);
	assert_memory_equal(frame + 22, info.addresses[0].bytes, 16); /* asked from its own */
	say(&router, 1, 9, "fe80::9", own, MAKE_ADVERTISE_SOLICITED);
	assert_true(take_frame(&router, 1, frame) > 0);
	assert_int_equal(frame[14 + 7], 63);
	/* the other way, and errors are from an address that leads back, of another port */
	send_udp(&router, 1, "2001:db8:aa::1", "2001:db8::5");
	assert_int_equal(lab_drain(router.nics[0]), 1);
	send_udp(&router, 1, "2001:db8:aa::1", "2001:db8:ffff::1");
	assert_true(take_frame(&router, 1, frame) > 0);
	assert_int_equal(frame[54], 1);
	assert_memory_equal(frame + 22, prefix_of("2001:db8::1").address, 16);
	/* its own address answers those on the link */
	ends = ends_of(&router, 1, "fe80::9", own);
	put_frame(&router, 1, frame, make_echo(frame, &ends, 1, 1, "x", 1));
	assert_true(take_frame(&router, 1, frame) > 0);
	assert_int_equal(frame[54], 129);
	/* and what is for a link-local address stays on its link */
	send_udp(&router, 1, "fe80::9", "2001:db8::5");
	lab_expect_nothing(router.nics[0]);
	assert_int_equal(lab_drops(router.ports[1], DROP_LINK_LOCAL), 1);
}

/* Each address is answered for, asks for its own neighbours, and has a broadcast of its own. */
static void
test_several_addresses(void **state)
{
	const struct weft_router_port_config configs[] = { PORT(prefix_of("10.0.0.1/24")),
		PORT(prefix_of("10.1.0.1/24"), prefix_of("10.7.0.1/24"),
			prefix_of("10.1.0.3/24")) };
	struct bench_router router = router_of("a", configs, 2);
	uint8_t frame[BUFFER];

	(void)state;
	ask(&router, 1, "10.1.0.9", "10.1.0.3");
	assert_int_equal(take_frame(&router, 1, frame), 42);
	ask(&router, 1, "10.7.0.9", "10.7.0.1");
	assert_int_equal(take_frame(&router, 1, frame), 42);
	send_udp(&router, 0, "10.0.0.5", "10.7.0.8");
	assert_int_equal(take_frame(&router, 1, frame), 42);
	assert_memory_equal(frame + 28, prefix_of("10.7.0.1").address, 4);
	send_udp(&router, 0, "10.0.0.5", "10.1.0.8");
	assert_int_equal(take_frame(&router, 1, frame), 42);
	assert_memory_equal(frame + 28, prefix_of("10.1.0.1").address, 4);
	send_udp(&router, 0, "10.0.0.5", "10.7.0.255");
	lab_expect_nothing(router.nics[1]);
}

/* A route by a port alone: each destination is a neighbour there. */
static void
test_route_by_port(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_hop hop = { .port = router.ports[2] };
	struct weft_route route = {
		.prefix = prefix_of("172.16.0.0/12"), .hops = &hop, .n_hops = 1
	};

	(void)state;
	weft_router_route_set(change, router.device, &route);
	lab_commit(change);
	quiet(&router);
	put_udp(&router, 0, 5, "172.16.1.1");
	expect_question(&router, 2, "172.16.1.1");
	/* it is on that link, whatever its address says */
	say(&router, 2, 9, "172.16.1.1", "10.2.0.1", 0);
	assert_int_equal(lab_drain(router.nics[2]), 1);
	expect_entry(&router, 2, "172.16.1.1", NEIGHBOUR_REACHABLE, 9);
}

/* ---- on the way ---------------------------------------------------------------------------------
 */

/* A TCP segment with SYN that says an MSS; returns its length. */
static size_t
make_syn(uint8_t *frame, const struct make_ends *ends, uint16_t mss)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(frame + 34);

	make_tcp(frame, ends, 1000, 80, 1, 0, RTE_TCP_SYN_FLAG);
	tcp->data_off = 6 << 4;
	frame[54] = 2;
	frame[55] = 4;
	frame[56] = (uint8_t)(mss >> 8);
	frame[57] = (uint8_t)mss;
	ip->total_length = rte_cpu_to_be_16(44);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	tcp->cksum = 0;
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	return 58;
}

static uint16_t
clamped(const struct bench_router *router, unsigned from, unsigned to, uint16_t mss)
{
	char source[32], destination[32];
	struct rte_tcp_hdr *tcp;
	struct make_ends ends;
	uint16_t checksum;
	uint8_t frame[BUFFER];

	snprintf(source, sizeof(source), "10.%u.0.5", from);
	snprintf(destination, sizeof(destination), "10.%u.0.9", to);
	ends = ends_of(router, from, source, destination);
	put_frame(router, from, frame, make_syn(frame, &ends, mss));
	assert_int_equal(take_frame(router, to, frame), 58);
	assert_true(is_ip4_sound(frame + 14));
	tcp = (struct rte_tcp_hdr *)(frame + 34);
	checksum = tcp->cksum;
	tcp->cksum = 0;
	assert_int_equal(rte_ipv4_udptcp_cksum((struct rte_ipv4_hdr *)(frame + 14), tcp), checksum);
	return (uint16_t)(frame[56] << 8 | frame[57]);
}

/* RFC 6691: by the MTU of either port, or as they are told. */
static void
test_mss(void **state)
{
	struct weft_router_port_config configs[] = { PORT(prefix_of("10.0.0.1/24")),
		PORT(prefix_of("10.1.0.1/24")), PORT(prefix_of("10.2.0.1/24")) };
	struct bench_router router;

	(void)state;
	configs[1].mtu = 1400;
	configs[1].clamp_mss = WEFT_CLAMP_MSS_AUTO;
	configs[2].clamp_mss = 1000;
	router = router_of("a", configs, 3);
	for (unsigned port = 0; port < 3; port++)
		know(&router, port, 9, 4);
	assert_int_equal(clamped(&router, 0, 1, 1460), 1360);
	assert_int_equal(clamped(&router, 1, 0, 1460), 1360); /* the way back, too */
	assert_int_equal(clamped(&router, 0, 1, 536), 536);
	assert_int_equal(clamped(&router, 0, 2, 1460), 1000);
	assert_int_equal(clamped(&router, 1, 2, 1460), 1000);
}

/* RFC 3704, 2.4: somebody's, behind whatever port; not nobody's. */
static void
test_loose_urpf(void **state)
{
	struct weft_router_port_config loose = { .urpf = WEFT_URPF_LOOSE };
	struct bench_router router = lab_router("a", &loose);
	static const char *const wrong[] = { "192.0.2.1", "198.51.100.1", "203.0.113.1",
		"198.18.0.1", "10.2.0.1", "10.2.0.255" };

	(void)state;
	set_route(&router, "198.51.100.0/24", WEFT_ROUTE_BLACKHOLE, NULL, 0, 0);
	set_route(&router, "203.0.113.0/24", WEFT_ROUTE_UNREACHABLE, NULL, 0, 0);
	set_route(&router, "198.18.0.0/24", WEFT_ROUTE_PROHIBIT, NULL, 0, 0);
	know(&router, 1, 9, 4);
	quiet(&router);
	send_udp(&router, 0, "10.2.0.5", "10.1.0.9");
	assert_int_equal(lab_drain(router.nics[1]), 1);
	for (unsigned i = 0; i < RTE_DIM(wrong); i++) {
		send_udp(&router, 0, wrong[i], "10.1.0.9");
		lab_expect_nothing(router.nics[1]);
		assert_int_equal(lab_drops(router.ports[0], DROP_URPF), i + 1);
	}
}

/* RFC 1812, 5.2.7.2: to a better gateway on the sender's own link; the packet goes on. */
static void
test_redirect(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	const char *gateway[] = { "10.0.0.9" };
	uint8_t frame[BUFFER];
	bool told = false;

	(void)state;
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, gateway, 1, 0);
	know(&router, 0, 5, 4);
	know(&router, 0, 9, 4);
	quiet(&router);
	put_udp(&router, 0, 5, "172.16.1.1");
	for (unsigned i = 0; i < 2; i++) {
		assert_true(take_frame(&router, 0, frame) > 0);
		if (frame[23] != IPPROTO_ICMP)
			continue;
		told = true;
		assert_int_equal(frame[34], 5);
		assert_int_equal(frame[35], 1);
		assert_memory_equal(frame + 38, prefix_of("10.0.0.9").address, 4);
	}
	assert_true(told);
	/* the sender is not of that link: nobody is told */
	send_udp(&router, 0, "10.7.0.5", "172.16.1.1");
	assert_int_equal(lab_drain(router.nics[0]), 1);
}

/* RFC 1812, 4.3.2.7; RFC 4443, 2.4 (e): of what nobody is told. */
static void
test_silence(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_of(&router, 0, "10.0.0.5", "172.16.0.1");
	uint8_t frame[BUFFER];
	size_t length;

	(void)state;
	know(&router, 0, 5, 4);
	know(&router, 0, 5, 6);
	lab_wait(ANNOUNCED_TICKS);
	quiet(&router);
	/* of an ICMP error */
	length = make_echo(frame, &ends, 1, 1, "x", 1);
	frame[34] = 3;
	put_frame(&router, 0, frame, length);
	lab_expect_nothing(router.nics[0]);
	/* of a fragment that is not the first */
	length = make_udp(frame, &ends, 1, 2, "x", 1);
	frame[21] = 5;
	memset(frame + 24, 0, 2);
	{
		uint16_t sum = rte_ipv4_cksum((struct rte_ipv4_hdr *)(frame + 14));

		memcpy(frame + 24, &sum, sizeof(sum));
	}
	put_frame(&router, 0, frame, length);
	lab_expect_nothing(router.nics[0]);
	/* of a frame to all */
	for (unsigned family = 4; family <= 6; family += 2) {
		if (family == 6)
			ends = ends_of(&router, 0, "2001:db8::5", "2001:db8:ffff::1");
		memset(&ends.destination_mac, 0xff, 6);
		put_frame(&router, 0, frame, make_udp(frame, &ends, 1, 2, "x", 1));
		lab_expect_nothing(router.nics[0]);
	}
	/* from an address that is not one host's */
	send_udp(&router, 0, "10.0.0.255", "172.16.0.1");
	send_udp(&router, 0, "127.0.0.1", "172.16.0.1");
	lab_expect_nothing(router.nics[0]);
}

/* RFC 4443, 2.4 (e.3): an option that asks for it by its number is told of, sent to a group too. */
static void
test_unknown_option_to_a_group(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_of(&router, 0, "2001:db8::5", "ff02::1");
	uint8_t frame[BUFFER];
	size_t length = make_udp(frame, &ends, 1, 2, "x", 1);

	(void)state;
	know(&router, 0, 5, 6);
	lab_wait(ANNOUNCED_TICKS);
	quiet(&router);
	/* destination options between the headers: one of 0x80, of four bytes */
	memmove(frame + 62, frame + 54, length - 54);
	memcpy(frame + 54, (const uint8_t[]){ IPPROTO_UDP, 0, 0x80, 4, 0, 0, 0, 0 }, 8);
	frame[20] = 60;
	frame[19] = (uint8_t)(frame[19] + 8);
	memcpy(frame, (const uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }, 6);
	put_frame(&router, 0, frame, length + 8);
	assert_true(take_frame(&router, 0, frame) > 0);
	assert_int_equal(frame[54], 4);
	assert_int_equal(frame[55], 2);
	assert_int_equal(frame[61], 42); /* where it is */
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, lab_open, lab_close_routers)

/* UDP over IPv4 that no small buffer holds. */
static size_t
make_large_udp(uint8_t frame[BUFFER], const struct make_ends *ends)
{
	size_t length = make_udp(frame, ends, 1000, 2000, "payload", 7), large = 3000;
	struct rte_ipv4_hdr *ip = (void *)(frame + RTE_ETHER_HDR_LEN);
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	memset(frame + length, 0, large - length);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(large - RTE_ETHER_HDR_LEN));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(large - RTE_ETHER_HDR_LEN - sizeof(*ip)));
	udp->dgram_cksum = 0;
	return large;
}

/* Packets in large buffers, of which there are few, wait for nobody beyond a 32nd of what small
 * ones may; and they come out in order when the neighbour answers. */
static void
test_large_packets_that_wait(void **state)
{
	const struct weft_router_port_config jumbo = { .mtu = 9000 };
	struct bench_router router = lab_router("large", &jumbo);
	uint8_t frame[BUFFER];
	const unsigned most = NEIGHBOUR_QUEUE_ALL / NEIGHBOUR_QUEUE_LARGE;
	unsigned before = rte_mempool_in_use_count(lab->pools.large), came = 0;
	char to[32];

	lab_wait(ANNOUNCED_TICKS);
	quiet(&router);
	for (unsigned station = 20; station < 60; station++) {
		struct make_ends ends;

		snprintf(to, sizeof(to), "10.1.0.%u", station);
		ends = ends_from_station(&router, 0, 5, to);
		put_frame(&router, 0, frame, make_large_udp(frame, &ends));
	}
	assert_int_equal(rte_mempool_in_use_count(lab->pools.large) - before, most);
	assert_int_equal(atomic_load(&router.network->queued), NEIGHBOUR_QUEUE_ALL);
	quiet(&router);
	for (unsigned station = 20; station < 60; station++) {
		answer_as(&router, 1, station, 4);
		while (take_frame(&router, 1, frame) > 0)
			came += ethertype_of(frame) == RTE_ETHER_TYPE_IPV4;
	}
	assert_int_equal(came, most);
	assert_int_equal(atomic_load(&router.network->queued), 0);
	assert_int_equal(rte_mempool_in_use_count(lab->pools.large), before);
}

/* Frames that ask, of those that have come out. */
static unsigned
questions(const struct bench_router *router)
{
	uint8_t frame[BUFFER];
	unsigned count = 0;

	while (take_frame(router, 1, frame) > 0)
		count += ethertype_of(frame) == RTE_ETHER_TYPE_IPV6;
	return count;
}

/* A flood to addresses where nobody is has everybody asked at once for each of them, but again
 * only so often; and they fail in time. */
static void
test_many_that_are_silent(void **state)
{
	struct bench_router router = lab_router("silent", NULL);
	const unsigned many = 3 * NEIGHBOUR_ASK_BURST;
	unsigned asked = 0;
	char to[48];

	lab_wait(ANNOUNCED_TICKS);
	quiet(&router);
	for (unsigned i = 0; i < many; i++) {
		struct make_ends ends;
		uint8_t frame[MAKE_SIZE];

		snprintf(to, sizeof(to), "2001:db8:1::%x", 0x1000 + i);
		ends = ends_from_station(&router, 0, 5, to);
		put_frame(&router, 0, frame, make_udp(frame, &ends, 1000, 2000, "payload", 7));
		asked += questions(&router);
	}
	assert_int_equal(asked, many);
	lab_wait(NEIGHBOUR_RETRANS_S);
	assert_in_range(questions(&router), NEIGHBOUR_ASK_BURST / 2, NEIGHBOUR_ASK_BURST + 1);
	lab_wait(NEIGHBOUR_TRIES * NEIGHBOUR_RETRANS_S);
	quiet(&router);
	/* but for errors to who sent it all, who has not said where it is */
	assert_in_range(atomic_load(&router.network->queued), 0, NEIGHBOUR_QUEUE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(advertisements),
		TEST(advertisement_without_mac),
		TEST(arp_is_heard),
		TEST(announcements),
		TEST(own_addresses_are_asked_for),
		TEST(conflicts),
		TEST(proxy),
		TEST(short_networks),
		TEST(link_local_only),
		TEST(several_addresses),
		TEST(route_by_port),
		TEST(mss),
		TEST(loose_urpf),
		TEST(redirect),
		TEST(silence),
		TEST(unknown_option_to_a_group),
		TEST(large_packets_that_wait),
		TEST(many_that_are_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
