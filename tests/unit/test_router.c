/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtual router, as its stations see it: one engine, memory vnics, a clock of the test's. */
#include "../router_fixture.h"
#include "graph/explain.h"

/* ---- neighbours --------------------------------------------------------------------------------
 */

/* RFC 826: who asks for the router's address gets its MAC. */
static void
test_arp_is_answered(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_from_station(&router, 0, 5, "10.0.0.1");
	const struct rte_arp_hdr *arp;
	uint8_t frame[BUFFER];

	(void)state;
	quiet(&router);
	put_frame(&router, 0, frame, make_neighbour_request(frame, &ends));
	assert_int_equal(take_frame(&router, 0, frame), 42);
	arp = (const struct rte_arp_hdr *)(frame + 14);
	assert_int_equal(arp->arp_opcode, RTE_BE16(RTE_ARP_OP_REPLY));
	assert_memory_equal(frame, &ends.source_mac, 6);
	assert_memory_equal(&arp->arp_data.arp_sha, router.macs[0], 6);
	assert_memory_equal(&arp->arp_data.arp_sip, ends.destination, 4);
	assert_memory_equal(&arp->arp_data.arp_tip, ends.source, 4);
	/* it means us: the sender is known now, and need not be asked */
	put_ping(&router, 0, 5, "10.0.0.1");
	assert_int_equal(ethertype_of(frame), RTE_ETHER_TYPE_ARP);
	assert_true(take_frame(&router, 0, frame) > 0);
	assert_int_equal(ethertype_of(frame), RTE_ETHER_TYPE_IPV4);
	/* another one's address is not for us to answer */
	memcpy(ends.destination, prefix_of("10.0.0.77").address, 16);
	put_frame(&router, 0, frame, make_neighbour_request(frame, &ends));
	lab_expect_nothing(router.nics[0]);
}

/* RFC 4861, 7.2.4. */
static void
test_solicitation_is_answered(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_from_station(&router, 0, 5, "2001:db8::1");
	uint8_t frame[BUFFER];

	(void)state;
	quiet(&router);
	put_frame(&router, 0, frame, make_neighbour_request(frame, &ends));
	assert_int_equal(take_frame(&router, 0, frame), 14 + 40 + 32);
	assert_memory_equal(frame, &ends.source_mac, 6);
	assert_int_equal(frame[14 + 7], 255);
	assert_int_equal(frame[54], 136);
	assert_int_equal(frame[58] & 0xe0, 0xe0); /* router, solicited, override */
	assert_memory_equal(frame + 62, ends.destination, 16);
	assert_memory_equal(frame + 80, router.macs[0], 6);
}

static void
check_forwarded(
	const struct bench_router *router, const uint8_t *frame, unsigned port, unsigned station)
{
	uint8_t mac[6];

	station_mac(mac, port * 256 + station);
	assert_memory_equal(frame, mac, 6);
	assert_memory_equal(frame + 6, router->macs[port], 6);
	if (ethertype_of(frame) == RTE_ETHER_TYPE_IPV4) {
		assert_int_equal(frame[14 + 8], 63);
		assert_true(is_ip4_sound(frame + 14));
	} else {
		assert_int_equal(ethertype_of(frame), RTE_ETHER_TYPE_IPV6);
		assert_int_equal(frame[14 + 7], 63);
	}
}

/* An unknown neighbour is asked for; what waited goes when it answers, in order. */
static void
check_resolution(uint8_t family, const char *to)
{
	struct bench_router router = lab_router(family == 4 ? "a" : "b", NULL);
	uint8_t frame[BUFFER];

	quiet(&router);
	for (int i = 0; i < 3; i++)
		put_udp(&router, 0, 5, to);
	assert_true(take_frame(&router, 1, frame) > 0);
	assert_int_equal(
		ethertype_of(frame), family == 4 ? RTE_ETHER_TYPE_ARP : RTE_ETHER_TYPE_IPV6);
	lab_expect_nothing(router.nics[1]);
	assert_int_equal(state_of_station(&router, 1, 9, family), NEIGHBOUR_INCOMPLETE);
	answer_as(&router, 1, 9, family);
	for (int i = 0; i < 3; i++) {
		assert_true(take_frame(&router, 1, frame) > 0);
		check_forwarded(&router, frame, 1, 9);
	}
	lab_expect_nothing(router.nics[1]);
	assert_int_equal(state_of_station(&router, 1, 9, family), NEIGHBOUR_REACHABLE);
	put_udp(&router, 0, 5, to);
	assert_true(take_frame(&router, 1, frame) > 0);
	check_forwarded(&router, frame, 1, 9);
}

static void
test_resolution(void **state)
{
	(void)state;
	check_resolution(4, "10.1.0.9");
	check_resolution(6, "2001:db8:1::9");
}

/* RFC 4861, 7.2.2, 7.3.3: three questions a second apart, then the senders are told. */
static void
check_failure(uint8_t family, const char *to)
{
	struct bench_router router = lab_router(family == 4 ? "a" : "b", NULL);
	uint8_t frame[BUFFER];
	unsigned asked;

	know(&router, 0, 5, family);
	lab_wait(3);
	quiet(&router);
	put_udp(&router, 0, 5, to);
	asked = lab_drain(router.nics[1]);
	for (int i = 0; i < 3; i++) {
		lab_wait(1);
		lab_run();
		asked += lab_drain(router.nics[1]);
	}
	assert_int_equal(asked, 3);
	assert_int_equal(state_of_station(&router, 1, 9, family), NEIGHBOUR_FAILED);
	assert_true(take_frame(&router, 0, frame) > 0);
	if (family == 4) {
		assert_int_equal(frame[14 + 9], IPPROTO_ICMP);
		assert_int_equal(frame[34], 3);
		assert_int_equal(frame[35], 1); /* host unreachable */
		assert_memory_equal(frame + 26, prefix_of("10.0.0.1").address, 4);
	} else {
		assert_int_equal(frame[14 + 6], IPPROTO_ICMPV6);
		assert_int_equal(frame[54], 1);
		assert_int_equal(frame[55], 3); /* address unreachable */
	}
	assert_int_equal(lab_drops(router.ports[1], DROP_NEIGHBOR_FAILED), 1);
	/* while it has failed: told at once, and not asked for */
	put_udp(&router, 0, 5, to);
	lab_expect_nothing(router.nics[1]);
	assert_int_equal(lab_drain(router.nics[0]), 1);
	lab_wait(NEIGHBOUR_FAILED_S + 1);
	lab_run();
	quiet(&router);
	put_udp(&router, 0, 5, to);
	assert_int_equal(lab_drain(router.nics[1]), 1);
}

static void
test_failure(void **state)
{
	(void)state;
	check_failure(4, "10.1.0.9");
	check_failure(6, "2001:db8:1::9");
}

/* RFC 4861, 7.3: reachable, stale, delay, probe; and silence is noticed. */
static void
test_reachability(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	uint8_t frame[BUFFER];

	(void)state;
	know(&router, 1, 9, 4);
	know(&router, 0, 5, 4);
	lab_wait(NEIGHBOUR_REACHABLE_S + 1);
	quiet(&router);
	assert_int_equal(state_of_station(&router, 1, 9, 4), NEIGHBOUR_STALE);
	put_udp(&router, 0, 5, "10.1.0.9");
	assert_int_equal(state_of_station(&router, 1, 9, 4), NEIGHBOUR_DELAY);
	assert_true(take_frame(&router, 1, frame) > 0);
	check_forwarded(&router, frame, 1, 9);
	lab_wait(NEIGHBOUR_DELAY_S);
	lab_run();
	assert_int_equal(state_of_station(&router, 1, 9, 4), NEIGHBOUR_PROBE);
	assert_int_equal(take_frame(&router, 1, frame), 42);
	assert_false(frame[0] & 1); /* asked alone, not all */
	answer_as(&router, 1, 9, 4);
	assert_int_equal(state_of_station(&router, 1, 9, 4), NEIGHBOUR_REACHABLE);
	lab_wait(NEIGHBOUR_REACHABLE_S + 1);
	put_udp(&router, 0, 5, "10.1.0.9");
	lab_wait(NEIGHBOUR_DELAY_S + NEIGHBOUR_TRIES);
	assert_int_equal(state_of_station(&router, 1, 9, 4), NEIGHBOUR_FAILED);
}

static void
test_unused_neighbours_are_forgotten(void **state)
{
	struct bench_router router = lab_router("a", NULL);

	(void)state;
	know(&router, 1, 9, 4);
	assert_int_equal(neighbours_count(router.network), 1);
	lab_wait(NEIGHBOUR_REACHABLE_S + NEIGHBOUR_UNUSED_S + 2);
	assert_int_equal(neighbours_count(router.network), 0);
}

/* What scans a network fills its own quota and no more; those that are known stay. */
static void
test_neighbour_limit(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct weft_change *change = weft_change_begin(lab);
	struct weft_network_config config = { .neighbor_limit = 10 };
	char to[64];

	(void)state;
	weft_network_update(change, router.network, &config);
	lab_commit(change);
	know(&router, 1, 200, 4);
	for (unsigned i = 2; i < 60; i++) {
		snprintf(to, sizeof(to), "10.1.0.%u", i);
		put_udp(&router, 0, 5, to);
	}
	assert_int_equal(neighbours_count(router.network), 10);
	assert_int_equal(lab_drops(router.ports[1], DROP_NEIGHBOR_LIMIT), 58 - 9);
	assert_int_equal(state_of_station(&router, 1, 200, 4), NEIGHBOUR_REACHABLE);
	lab_wait(8);
	assert_int_equal(neighbours_count(router.network), 1);
}

/* The port goes, with what waited for its neighbours; the quota is free again. */
static void
test_removal(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct weft_change *change;

	(void)state;
	know(&router, 1, 9, 4);
	put_udp(&router, 0, 5, "10.1.0.8");
	change = weft_change_begin(lab);
	weft_vport_remove(change, router.ports[1]);
	lab_commit(change);
	assert_int_equal(neighbours_count(router.network), 0);
	lab_wait(2);
	change = weft_change_begin(lab);
	weft_network_remove(change, router.network);
	lab_commit(change);
	lab_wait(2);
}

/* ---- to the router -----------------------------------------------------------------------------
 */

static void
test_ping(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	uint8_t frame[BUFFER];

	(void)state;
	know(&router, 0, 5, 4);
	know(&router, 0, 5, 6);
	quiet(&router);
	put_ping(&router, 0, 5, "10.0.0.1");
	assert_int_equal(take_frame(&router, 0, frame), 14 + 20 + 8 + 7);
	assert_int_equal(frame[34], 0);
	assert_int_equal(frame[22], 64);
	assert_true(is_ip4_sound(frame + 14));
	/* by the address of another port, too */
	put_ping(&router, 0, 5, "10.3.0.1");
	assert_true(take_frame(&router, 0, frame) > 0);
	assert_memory_equal(frame + 26, prefix_of("10.3.0.1").address, 4);
	put_ping(&router, 0, 5, "2001:db8::1");
	assert_int_equal(take_frame(&router, 0, frame), 14 + 40 + 8 + 7);
	assert_int_equal(frame[54], 129);
}

static void
expect_icmp(const struct bench_router *router, uint8_t type, uint8_t code)
{
	uint8_t frame[BUFFER];
	size_t at = 34;

	assert_true(take_frame(router, 0, frame) > 0);
	if (ethertype_of(frame) == RTE_ETHER_TYPE_IPV6) {
		at = 54;
		assert_int_equal(frame[20], IPPROTO_ICMPV6);
	} else {
		assert_int_equal(frame[23], IPPROTO_ICMP);
	}
	assert_int_equal(frame[at], type);
	assert_int_equal(frame[at + 1], code);
	lab_expect_nothing(router->nics[0]);
}

static void
test_errors(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_from_station(&router, 0, 5, "10.1.0.9");
	uint8_t frame[MAKE_SIZE];
	size_t length;

	(void)state;
	know(&router, 0, 5, 4);
	know(&router, 0, 5, 6);
	set_route(&router, "192.0.2.0/24", WEFT_ROUTE_UNREACHABLE, NULL, 0, 0);
	set_route(&router, "198.51.100.0/24", WEFT_ROUTE_PROHIBIT, NULL, 0, 0);
	set_route(&router, "203.0.113.0/24", WEFT_ROUTE_BLACKHOLE, NULL, 0, 0);
	lab_wait(3);
	quiet(&router);
	put_udp(&router, 0, 5, "172.16.0.1");
	expect_icmp(&router, 3, 0);
	put_udp(&router, 0, 5, "192.0.2.1");
	expect_icmp(&router, 3, 1);
	put_udp(&router, 0, 5, "198.51.100.1");
	expect_icmp(&router, 3, 13);
	put_udp(&router, 0, 5, "203.0.113.1");
	lab_expect_nothing(router.nics[0]);
	assert_int_equal(lab_drops(router.ports[0], DROP_ROUTE_BLACKHOLE), 1);
	put_udp(&router, 0, 5, "10.0.0.1"); /* nobody listens */
	expect_icmp(&router, 3, 3);
	put_udp(&router, 0, 5, "2001:db8:ffff::1");
	expect_icmp(&router, 1, 0);
	put_udp(&router, 0, 5, "2001:db8::1");
	expect_icmp(&router, 1, 4);
	length = make_udp(frame, &ends, 1, 2, "x", 1);
	frame[14 + 8] = 1; /* TTL, and its checksum */
	frame[24] = frame[25] = 0;
	*(uint16_t *)(frame + 24) = (uint16_t)~rte_raw_cksum(frame + 14, 20);
	put_frame(&router, 0, frame, length);
	expect_icmp(&router, 11, 0);
}

/* Drops the next frame on the port; which ICMPv6 type it had, 0: there was none. */
static uint8_t
take_icmp6(const struct bench_router *router, uint8_t frame[BUFFER])
{
	if (take_frame(router, 0, frame) == 0)
		return 0;
	assert_int_equal(frame[14 + 6], 58);
	return frame[54];
}

/* RFC 4443, 2.2 (a): who was asked answers, by whatever port. RFC 8200, 4.7: no next header. RFC
 * 1122, 4.1.3.4: broken UDP is not answered. */
static void
test_answers_for_itself(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_from_station(&router, 0, 5, "2001:db8:1::1");
	uint8_t frame[BUFFER];
	size_t length;

	(void)state;
	know(&router, 0, 5, 4);
	know(&router, 0, 5, 6);
	lab_wait(3);
	quiet(&router);
	put_udp(&router, 0, 5, "2001:db8:1::1");
	assert_int_equal(take_icmp6(&router, frame), 1);
	assert_memory_equal(frame + 14 + 8, ends.destination, 16);
	length = make_udp(frame, &ends, 1, 2, "xyz", 3);
	frame[14 + 6] = 59;
	put_frame(&router, 0, frame, length);
	assert_int_equal(take_icmp6(&router, frame), 0);
	length = make_udp(frame, &ends, 1, 2, "xyz", 3);
	frame[length - 1] ^= 1;
	put_frame(&router, 0, frame, length);
	assert_int_equal(take_icmp6(&router, frame), 0);
	ends = ends_from_station(&router, 0, 5, "10.0.0.1");
	length = make_udp(frame, &ends, 1, 2, "xyz", 3);
	frame[length - 1] ^= 1;
	put_frame(&router, 0, frame, length);
	lab_expect_nothing(router.nics[0]);
	length = make_udp(frame, &ends, 1, 2, "xyz", 3);
	frame[14 + 20 + 6] = frame[14 + 20 + 7] = 0; /* no checksum at all */
	put_frame(&router, 0, frame, length);
	expect_icmp(&router, 3, 3);
	assert_int_equal(lab_drops(router.ports[0], DROP_NOT_LISTENING), 5);
}

/* RFC 1812, 4.3.3.5; RFC 7126, 4.3. */
static void
test_options(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_from_station(&router, 0, 5, "10.1.0.9");
	static const uint8_t options[][4] = { { 94, 1 }, { 94, 5 }, { 1, 1, 1, 94 },
		{ 131, 3, 4, 0 }, { 94, 4 } };
	uint8_t frame[BUFFER];

	(void)state;
	know(&router, 0, 5, 4);
	know(&router, 1, 9, 4);
	lab_wait(3);
	quiet(&router);
	for (unsigned i = 0; i < RTE_DIM(options); i++) {
		size_t length = make_udp(frame, &ends, 1, 2, "xyz", 3);

		memmove(frame + 38, frame + 34, length - 34);
		memcpy(frame + 34, options[i], 4);
		frame[14] = 0x46;
		frame[17] += 4;
		frame[24] = frame[25] = 0;
		*(uint16_t *)(frame + 24) = (uint16_t)~rte_raw_cksum(frame + 14, 24);
		put_frame(&router, 0, frame, length + 4);
		if (i < 3) {
			assert_true(take_frame(&router, 0, frame) > 0);
			assert_int_equal(frame[34], 12);
			assert_int_equal(frame[38], i == 2 ? 23 : 20); /* the pointer */
		}
		lab_expect_nothing(router.nics[0]);
		assert_int_equal(lab_drain(router.nics[1]), i == 4);
	}
	assert_int_equal(lab_drops(router.ports[0], DROP_BAD_IP_HEADER), 3);
	assert_int_equal(lab_drops(router.ports[0], DROP_SOURCE_ROUTE), 1);
}

/* RFC 4861, 8.2: to who is on the link, about who is on it, by its link-local address if it is a
 * router. */
static void
test_redirect6(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	const char *global = "2001:db8::9";
	uint8_t frame[BUFFER], mac[6];

	(void)state;
	for (unsigned station = 5; station <= 9; station += 4)
		know(&router, 0, station, 6);
	lab_wait(3);
	quiet(&router);
	put_udp(&router, 0, 5, "2001:db8::9");
	assert_int_equal(take_icmp6(&router, frame), 137);
	assert_int_equal(frame[14 + 7], 255);
	assert_memory_equal(frame + 54 + 8, prefix_of(global).address, 16);
	assert_memory_equal(frame + 54 + 24, prefix_of(global).address, 16);
	station_mac(mac, 9);
	assert_memory_equal(frame + 54 + 42, mac, 6);
	assert_int_equal(frame[54 + 48], 4);
	assert_int_equal(lab_drain(router.nics[0]), 1); /* the packet itself */
	set_route(&router, "2001:db8:f::/48", WEFT_ROUTE_FORWARD, &global, 1, 0);
	put_udp(&router, 0, 5, "2001:db8:f::1");
	assert_int_equal(take_frame(&router, 0, frame) > 0, 1);
	assert_int_equal(frame[14 + 6], 17); /* no redirect */
}

/* The rate is the router's own: a burst, then by and by. */
static void
test_error_rate(void **state)
{
	struct bench_router router = lab_router("a", NULL);

	(void)state;
	know(&router, 0, 5, 4);
	lab_wait(3);
	quiet(&router);
	for (int i = 0; i < 1000; i++)
		put_udp(&router, 0, 5, "172.16.0.1");
	assert_in_range(lab_drain(router.nics[0]), ROUTER_ICMP_BURST, ROUTER_ICMP_BURST + 2);
	lab_time += SECOND / 100; /* ten more at 1,000 a second */
	for (int i = 0; i < 1000; i++)
		put_udp(&router, 0, 5, "172.16.0.1");
	assert_in_range(lab_drain(router.nics[0]), 9, 11);
}

/* ---- routes -------------------------------------------------------------------------------------
 */

/* The longest prefix; a gateway behind another route; what is set anew or removed. */
static void
test_static_routes(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	const char *near[] = { "10.1.0.9" }, *far[] = { "10.99.0.1" }, *other[] = { "10.2.0.9" };
	struct weft_prefix prefix = prefix_of("10.99.0.0/16");
	struct weft_change *change;

	(void)state;
	know(&router, 1, 9, 4);
	know(&router, 2, 9, 4);
	quiet(&router);
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, far, 1, 0);
	put_udp(&router, 0, 5, "172.16.1.1");
	assert_int_equal(lab_drops(router.ports[0], DROP_NO_ROUTE), 1);
	set_route(&router, "10.99.0.0/16", WEFT_ROUTE_FORWARD, near, 1, 0);
	put_udp(&router, 0, 5, "172.16.1.1");
	assert_int_equal(lab_drain(router.nics[1]), 1);
	set_route(&router, "172.16.1.0/24", WEFT_ROUTE_FORWARD, other, 1, 0);
	put_udp(&router, 0, 5, "172.16.1.1");
	put_udp(&router, 0, 5, "172.16.2.1");
	assert_int_equal(lab_drain(router.nics[1]), 1);
	assert_int_equal(lab_drain(router.nics[2]), 1);
	change = weft_change_begin(lab);
	weft_router_route_remove(change, router.device, &prefix);
	lab_commit(change);
	put_udp(&router, 0, 5, "172.16.2.1");
	assert_int_equal(lab_drops(router.ports[0], DROP_NO_ROUTE), 2);
}

/* An aborted change leaves no trace. */
static void
test_abort(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	const char *near[] = { "10.1.0.9" };
	struct weft_hop hop = { .gateway = prefix_of("10.2.0.9") };
	struct weft_route route = {
		.prefix = prefix_of("172.16.0.0/12"), .hops = &hop, .n_hops = 1
	};
	struct weft_change *change;
	unsigned hops;

	(void)state;
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, near, 1, 0);
	know(&router, 1, 9, 4);
	know(&router, 2, 9, 4);
	quiet(&router);
	hops = next_hops_count();
	change = weft_change_begin(lab);
	weft_router_route_set(change, router.device, &route);
	weft_router_route_remove(change, router.device, &route.prefix);
	weft_router_route_set(change, router.device, &route);
	assert_int_equal(weft_change_prepare(change, NULL), 0);
	weft_change_abort(change);
	assert_int_equal(next_hops_count(), hops);
	put_udp(&router, 0, 5, "172.16.1.1");
	assert_int_equal(lab_drain(router.nics[1]), 1);
	lab_expect_nothing(router.nics[2]);
}

static unsigned
spread(const struct bench_router *router, unsigned counts[ROUTER_PORTS], uint8_t *way)
{
	unsigned total = 0;

	memset(counts, 0, ROUTER_PORTS * sizeof(*counts));
	for (unsigned flow = 0; flow < 400; flow++) {
		struct make_ends ends = ends_from_station(router, 0, 5, "172.16.0.1");
		uint8_t frame[MAKE_SIZE];

		put_frame(router, 0, frame,
			make_udp(frame, &ends, (uint16_t)(1000 + flow), 80, "x", 1));
		for (unsigned port = 1; port < ROUTER_PORTS; port++) {
			unsigned got = lab_drain(router->nics[port]);

			counts[port] += got;
			total += got;
			if (got > 0 && way != NULL)
				way[flow] = (uint8_t)port;
		}
	}
	return total;
}

/* Flows are shared; one way that goes takes only its own flows along; backups wait. */
static void
test_ecmp(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	const char *three[] = { "10.1.0.9", "10.2.0.9", "10.3.0.9" };
	uint8_t before[400] = { 0 }, after[400] = { 0 };
	unsigned counts[ROUTER_PORTS];

	(void)state;
	for (unsigned port = 1; port < ROUTER_PORTS; port++)
		know(&router, port, 9, 4);
	quiet(&router);
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, three, 3, 0);
	assert_int_equal(spread(&router, counts, before), 400);
	for (unsigned port = 1; port < ROUTER_PORTS; port++)
		assert_in_range(counts[port], 80, 190);
	/* the third does not answer any more, the others are heard of */
	for (unsigned i = 0; i < NEIGHBOUR_REACHABLE_S + NEIGHBOUR_DELAY_S + 8; i++) {
		lab_wait(1);
		know(&router, 1, 9, 4);
		know(&router, 2, 9, 4);
		spread(&router, counts, NULL);
	}
	quiet(&router);
	assert_int_equal(state_of_station(&router, 3, 9, 4), NEIGHBOUR_FAILED);
	assert_int_equal(spread(&router, counts, after), 400);
	assert_int_equal(counts[3], 0);
	for (unsigned flow = 0; flow < 400; flow++)
		if (before[flow] != 3)
			assert_int_equal(after[flow], before[flow]);
	know(&router, 3, 9, 4);
	lab_wait(1);
	quiet(&router);
	assert_int_equal(spread(&router, counts, NULL), 400);
	assert_in_range(counts[3], 80, 190);
	/* the first as primary, the others as backups */
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, three, 1, 2);
	assert_int_equal(spread(&router, counts, NULL), 400);
	assert_int_equal(counts[1], 400);
}

/* ---- weft explain ------------------------------------------------------------------------------
 */

/* The vnic on the port is its station 5, with addresses and gateways. */
static void
settle_station(const struct bench_router *router, unsigned port, const char *gateway)
{
	struct make_ends four = ends_from_station(router, port, 5, "10.0.0.1");
	struct make_ends six = ends_from_station(router, port, 5, "2001:db8::1");
	struct weft_prefix addresses[2] = { { .family = 4, .length = 24 },
		{ .family = 6, .length = 64 } };
	struct weft_prefix gateways[] = { prefix_of(gateway), prefix_of("2001:db8::1") };
	struct weft_nic_config config = { .kind = WEFT_NIC_MEMORY,
		.addresses = addresses,
		.n_addresses = 2,
		.gateways = gateways,
		.n_gateways = 2 };
	struct weft_change *change = weft_change_begin(lab);

	memcpy(addresses[0].address, four.source, sizeof(four.source));
	memcpy(addresses[1].address, six.source, sizeof(six.source));
	memcpy(config.mac, &four.source_mac, sizeof(config.mac));
	weft_nic_update(change, router->nics[port], &config);
	lab_commit(change);
}

/* What it comes to; each of the lines (NULL-terminated) is among the steps, in this order. */
static void
explained(const struct bench_router *router, const char *to, const char *const *lines,
	const char *verdict)
{
	struct weft_prefix address = prefix_of(to);
	struct explain_request request = {
		.from = router->nics[0], .family = address.family, .protocol = EXPLAIN_ICMP
	};
	struct weft_error error = { 0 };
	struct explanation *explanation;

	memcpy(request.to, address.address, sizeof(request.to));
	explanation = explain_packet(lab, &request, &error);
	if (explanation == NULL)
		fail_msg("%s: %s", to, error.text);
	for (unsigned i = 0; *lines != NULL && i < explanation->count; i++)
		if (strcmp(explanation->steps[i].text, *lines) == 0)
			lines++;
	if (*lines != NULL || strcmp(explanation->verdict, verdict) != 0) {
		for (unsigned i = 0; i < explanation->count; i++)
			print_message("%s\n", explanation->steps[i].text);
		fail_msg("%s: %s, %s", to, *lines != NULL ? *lines : "-", explanation->verdict);
	}
	free(explanation);
}

#define EXPLAINED(router, to, verdict, ...) \
	explained(router, to, (const char *const[]){ __VA_ARGS__, NULL }, verdict)

static void
test_explain(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	const char *near[] = { "10.1.0.9" };
	struct explain_request request = { .from = router.nics[0], .family = 4 };
	struct weft_error error = { 0 };

	(void)state;
	settle_station(&router, 0, "10.0.0.1");
	settle_station(&router, 3, "10.3.0.1");
	set_route(&router, "172.16.0.0/12", WEFT_ROUTE_FORWARD, near, 1, 0);
	set_route(&router, "198.51.100.0/24", WEFT_ROUTE_PROHIBIT, NULL, 0, 0);
	know(&router, 1, 9, 4);
	know(&router, 1, 9, 6);
	quiet(&router);
	EXPLAINED(&router, "172.16.1.1", "sent at a/r:p1",
		"route 172.16.0.0/12 (static): via 10.1.0.9 on port p1",
		"neighbor 10.1.0.9 is at 02:00:00:00:01:09 (reachable)");
	EXPLAINED(&router, "2001:db8:1::9", "sent at a/r:p1",
		"route 2001:db8:1::/64 (connected): a neighbor on port p1",
		"neighbor 2001:db8:1::9 is at 02:00:00:00:01:09 (reachable)");
	EXPLAINED(&router, "10.2.0.7", "dropped at a/r:p2: neighbor-unknown",
		"route 10.2.0.0/24 (connected): a neighbor on port p2",
		"neighbor 10.2.0.7 is not known: would be asked for");
	/* as far as the configuration knows who has it */
	EXPLAINED(&router, "10.3.0.5", "sent at a/r:p3",
		"neighbor 10.3.0.5 is not known: would be asked for, and be at 02:00:00:00:03:05");
	EXPLAINED(&router, "192.0.2.1", "dropped at a/r:p0: no-route", "no route to 192.0.2.1");
	EXPLAINED(&router, "198.51.100.1", "dropped at a/r:p0: route-prohibited",
		"route 198.51.100.0/24 (static): prohibited");
	/* to the router itself, by the address of another port, too */
	EXPLAINED(&router, "10.0.0.1", "taken at a/r:p0",
		"taken: echo request to the router: it would be answered");
	EXPLAINED(&router, "10.3.0.1", "taken at a/r:p0",
		"route 10.3.0.1/32 (local): the router's own address, of port p3",
		"taken: echo request to the router: it would be answered");
	EXPLAINED(&router, "2001:db8::1", "taken at a/r:p0",
		"taken: echo request to the router: it would be answered");
	for (unsigned port = 0; port < ROUTER_PORTS; port++)
		lab_expect_nothing(router.nics[port]);
	assert_int_equal(state_of_station(&router, 2, 7, 4), NEIGHBOUR_NONE);
	assert_int_equal(lab_drops(router.ports[0], DROP_NO_ROUTE), 0);
	settle_station(&router, 0, "10.0.0.77");
	memcpy(request.to, prefix_of("172.16.1.1").address, 4);
	assert_null(explain_packet(lab, &request, &error));
	assert_string_equal(error.text,
		"no vnic or router of network a is known to have 10.0.0.77 (the gateway); say "
		"which MAC the packet is for");
}

/* ---- what is wrong
 * -------------------------------------------------------------------------------- */

static void
test_malformed(void **state)
{
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_from_station(&router, 0, 5, "10.1.0.9");
	uint8_t frame[MAKE_SIZE], wrong[MAKE_SIZE];
	size_t length = make_udp(frame, &ends, 1, 2, "x", 1);

	(void)state;
	quiet(&router);
	memcpy(wrong, frame, length);
	wrong[14 + 10] ^= 1;
	put_frame(&router, 0, wrong, length);
	assert_int_equal(lab_drops(router.ports[0], DROP_BAD_IP_CHECKSUM), 1);
	put_frame(&router, 0, frame, length - 4);
	assert_int_equal(lab_drops(router.ports[0], DROP_BAD_IP_HEADER), 1);
	put_frame(&router, 0, frame, 20);
	assert_int_equal(lab_drops(router.ports[0], DROP_TOO_SHORT), 1);
	memcpy(wrong, frame, length);
	wrong[0] = 0x02;
	wrong[5] ^= 0x55;
	put_frame(&router, 0, wrong, length);
	assert_int_equal(lab_drops(router.ports[0], DROP_FOREIGN_MAC), 1);
	memcpy(wrong, frame, length);
	memset(wrong, 0xff, 6);
	put_frame(&router, 0, wrong, length);
	assert_int_equal(lab_drops(router.ports[0], DROP_LINK_BROADCAST), 1);
	for (unsigned port = 0; port < ROUTER_PORTS; port++)
		lab_expect_nothing(router.nics[port]);
}

/* RFC 3704. */
static void
test_urpf(void **state)
{
	struct weft_router_port_config strict = { .urpf = WEFT_URPF_STRICT };
	struct bench_router router = lab_router("a", &strict);
	struct make_ends ends = ends_from_station(&router, 2, 5, "10.1.0.9");
	uint8_t frame[MAKE_SIZE];

	(void)state;
	know(&router, 1, 9, 4);
	quiet(&router);
	put_udp(&router, 0, 5, "10.1.0.9");
	assert_int_equal(lab_drain(router.nics[1]), 1);
	memcpy(&ends.destination_mac, router.macs[0], 6);
	put_frame(&router, 0, frame, make_udp(frame, &ends, 1, 2, "x", 1));
	lab_expect_nothing(router.nics[1]);
	assert_int_equal(lab_drops(router.ports[0], DROP_URPF), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_arp_is_answered, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(
			test_solicitation_is_answered, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_resolution, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_failure, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_reachability, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(
			test_unused_neighbours_are_forgotten, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_neighbour_limit, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_removal, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_ping, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_errors, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(
			test_answers_for_itself, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_options, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_redirect6, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_error_rate, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_static_routes, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_abort, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_ecmp, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_explain, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_malformed, lab_open, lab_close_routers),
		cmocka_unit_test_setup_teardown(test_urpf, lab_open, lab_close_routers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
