/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation by the firewall of a router: ports 0 and 2 are the zone lan, 1 is wan, port 3 nobody
 * guards. Station 7 of each port is known.
 */
#include "../translation_fixture.h"

#define WAN 1
#define LAN_TOO 2

static const char *const lan[] = { "lan" }, *const wan[] = { "wan" };

struct bench {
	struct bench_router router;
	struct weft_device *firewall;
};

static void
translate(struct bench *bench, const struct weft_translation *list, unsigned count,
	const struct weft_claim *claims, unsigned n_claims)
{
	struct weft_change *change = weft_change_begin(lab);

	weft_firewall_translations(change, bench->firewall, NULL, list, count);
	weft_router_claims(change, bench->router.device, claims, n_claims);
	lab_commit(change);
}

/* Rules: from lan everything, from wan what goes to ports 53 and 80. */
static struct bench
open_bench(void)
{
	static const char *const zones[] = { "lan", "wan", "lan" };
	static const struct weft_port_range ports[] = { { 53, 53 }, { 80, 80 } };
	const struct weft_rule rules[] = { { .name = "out", .from = lan, .n_from = 1 },
		{ .name = "in", .from = wan, .n_from = 1, .to_port = ports, .n_to_port = 2 } };
	struct bench bench = { .router = lab_router("red", NULL) };
	struct weft_change *change = weft_change_begin(lab);

	bench.firewall = weft_firewall_add(change, bench.router.network, "edge", DROP_ALL);
	for (unsigned i = 0; i < 3; i++)
		weft_firewall_guard(change, bench.firewall, bench.router.ports[i], zones[i]);
	weft_firewall_rules(change, bench.firewall, rules, 2);
	lab_commit(change);
	for (unsigned i = 0; i < ROUTER_PORTS; i++) {
		know(&bench.router, i, 7, 4);
		know(&bench.router, i, 7, 6);
	}
	quiet(&bench.router);
	return bench;
}

struct family {
	uint8_t family;
	const char *host, *lan_too, *server, *own, *claimed;
};

static const struct family families[] = {
	{ 4, "10.0.0.7", "10.2.0.7", "10.1.0.7", "10.1.0.1", "10.1.0.100" },
	{ 6, "2001:db8::7", "2001:db8:2::7", "2001:db8:1::7", "2001:db8:1::1", "2001:db8:1::100" },
};

static void
each_family(void **state, void (*check)(struct bench *bench, const struct family *family))
{
	for (unsigned i = 0; i < 2; i++) {
		struct bench bench = open_bench();

		check(&bench, &families[i]);
		lab_close_routers(state);
		lab_open(state);
	}
}

/* It goes in by one port and out by another, sound; its length. */
static size_t
cross(const struct bench *bench, unsigned from, unsigned to, const uint8_t *frame, size_t length,
	uint8_t got[BUFFER])
{
	size_t size;

	put_frame(&bench->router, from, frame, length);
	size = take_frame(&bench->router, to, got);
	assert_true(size > 0);
	assert_sound(got + 14, size - 14);
	for (unsigned i = 0; i < ROUTER_PORTS; i++)
		lab_expect_nothing(bench->router.nics[i]);
	return size;
}

static size_t
udp_between(const struct bench *bench, unsigned port, const char *to, uint16_t from_port,
	uint16_t to_port, uint8_t *frame)
{
	struct make_ends ends = ends_from_station(&bench->router, port, 7, to);

	return make_udp(frame, &ends, from_port, to_port, "payload", 7);
}

static uint32_t
connections(const struct bench *bench)
{
	struct firewall_info info;

	firewall_read(bench->firewall, &info);
	return info.connections;
}

/* ---- masquerade ---------------------------------------------------------------------------------
 */

static const struct weft_translation hide = { .match = { .name = "hide", .to = wan, .n_to = 1 },
	.kind = WEFT_TRANSLATE_MASQUERADE };

static void
check_masquerade(struct bench *bench, const struct family *f)
{
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	uint16_t port;

	translate(bench, &hide, 1, NULL, 0);
	cross(bench, 0, WAN, frame, udp_between(bench, 0, f->server, 5000, 53, frame), got);
	assert_address(got, f->family, true, f->own);
	assert_address(got, f->family, false, f->server);
	port = port_at(got, f->family, 0);
	assert_int_equal(port, 5000);
	/* the reply is for the router itself, as far as that knows */
	cross(bench, WAN, 0, frame, udp_between(bench, WAN, f->own, 53, port, frame), got);
	assert_address(got, f->family, true, f->server);
	assert_address(got, f->family, false, f->host);
	assert_int_equal(port_at(got, f->family, 2), 5000);
	assert_int_equal(got[14 + (f->family == 4 ? 8 : 7)], 63);
	/* the same port again, of another host: it gets another one */
	cross(bench, LAN_TOO, WAN, frame, udp_between(bench, LAN_TOO, f->server, 5000, 53, frame),
		got);
	assert_address(got, f->family, true, f->own);
	port = port_at(got, f->family, 0);
	assert_int_not_equal(port, 5000);
	assert_true(port >= 1024);
	cross(bench, WAN, LAN_TOO, frame, udp_between(bench, WAN, f->own, 53, port, frame), got);
	assert_address(got, f->family, false, f->lan_too);
	/* within the zone nothing is touched */
	cross(bench, 0, LAN_TOO, frame, udp_between(bench, 0, f->lan_too, 5000, 53, frame), got);
	assert_address(got, f->family, true, f->host);
	assert_int_equal(connections(bench), 2);
	/* what is of none of them is for the router itself */
	put_frame(&bench->router, WAN, frame, udp_between(bench, WAN, f->own, 53, 9, frame));
	assert_true(take_frame(&bench->router, WAN, got) > 0);
	assert_int_equal(lab_drops(bench->router.ports[WAN], DROP_NOT_LISTENING), 1);
	put_ping(&bench->router, WAN, 7, f->own);
	assert_int_equal(lab_drain(bench->router.nics[WAN]), 1);
	/* nothing is translated any more: connections are, as long as they live */
	translate(bench, NULL, 0, NULL, 0);
	cross(bench, 0, WAN, frame, udp_between(bench, 0, f->server, 5001, 53, frame), got);
	assert_address(got, f->family, true, f->host);
}

static void
test_masquerade(void **state)
{
	each_family(state, check_masquerade);
}

/* ---- what comes in ------------------------------------------------------------------------------
 */

static void
check_forwarded(struct bench *bench, const struct family *f)
{
	struct weft_prefix host = prefix_of(f->host), own = prefix_of(f->own);
	const struct weft_port_range public = { 8080, 8080 };
	const struct weft_translation list[] = { hide, { .match = { .name = "web",
								 .to_ip = &own,
								 .n_to_ip = 1,
								 .to_port = &public,
								 .n_to_port = 1 },
							       .kind = WEFT_TRANSLATE_DESTINATION,
							       .addresses = &host,
							       .n_addresses = 1,
							       .ports = { 80, 80 } } };
	const struct weft_claim claim = { own, false };
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	translate(bench, list, 2, &claim, 1);
	cross(bench, WAN, 0, frame, udp_between(bench, WAN, f->own, 5000, 8080, frame), got);
	assert_address(got, f->family, true, f->server);
	assert_address(got, f->family, false, f->host);
	assert_int_equal(port_at(got, f->family, 2), 80);
	cross(bench, 0, WAN, frame, udp_between(bench, 0, f->server, 80, 5000, frame), got);
	assert_address(got, f->family, true, f->own);
	assert_int_equal(port_at(got, f->family, 0), 8080);
	/* from the zone where it is for: back there as from the outside address, and unasked */
	cross(bench, LAN_TOO, 0, frame, udp_between(bench, LAN_TOO, f->own, 6000, 8080, frame),
		got);
	assert_address(got, f->family, true, f->own);
	assert_address(got, f->family, false, f->host);
	assert_int_equal(port_at(got, f->family, 0), 6000);
	cross(bench, 0, LAN_TOO, frame, udp_between(bench, 0, f->own, 80, 6000, frame), got);
	assert_address(got, f->family, true, f->own);
	assert_address(got, f->family, false, f->lan_too);
	assert_int_equal(port_at(got, f->family, 0), 8080);
	assert_int_equal(connections(bench), 2);
	/* rules judge it by where it really goes */
	put_frame(&bench->router, WAN, frame, udp_between(bench, WAN, f->own, 5000, 8081, frame));
	assert_true(take_frame(&bench->router, WAN, got) > 0); /* the router: port unreachable */
	lab_expect_nothing(bench->router.nics[0]);
}

static void
test_forwarded(void **state)
{
	each_family(state, check_forwarded);
}

/* Which ports is told by a set, and so it can change. */
static void
check_forwarded_by_set(struct bench *bench, const struct family *f)
{
	struct weft_prefix host = prefix_of(f->host);
	const struct weft_port_range first = { 8000, 8100 }, second = { 9000, 9000 };
	const struct weft_translation web = { .match = { .name = "web", .to_port_set = "public" },
		.kind = WEFT_TRANSLATE_DESTINATION,
		.addresses = &host,
		.n_addresses = 1,
		.ports = { 80, 80 } };
	struct weft_network *network = bench->router.network;
	struct weft_change *change = weft_change_begin(lab);
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	weft_port_set_add(change, network, "public", &first, 1);
	lab_commit(change);
	translate(bench, &web, 1, NULL, 0);
	cross(bench, WAN, 0, frame, udp_between(bench, WAN, f->own, 5000, 8080, frame), got);
	assert_address(got, f->family, false, f->host);
	assert_int_equal(port_at(got, f->family, 2), 80);
	change = weft_change_begin(lab);
	weft_port_set_update(change, network, "public", &second, 1);
	lab_commit(change);
	cross(bench, WAN, 0, frame, udp_between(bench, WAN, f->own, 5001, 9000, frame), got);
	assert_int_equal(port_at(got, f->family, 2), 80);
	put_frame(&bench->router, WAN, frame, udp_between(bench, WAN, f->own, 5002, 8080, frame));
	lab_expect_nothing(bench->router.nics[0]);
}

static void
test_forwarded_by_set(void **state)
{
	each_family(state, check_forwarded_by_set);
}

static void
check_refused(struct bench *bench, const struct family *f)
{
	struct weft_prefix host = prefix_of(f->host);
	const struct weft_translation list[] = { { .match = { .name = "all" },
		.kind = WEFT_TRANSLATE_DESTINATION,
		.addresses = &host,
		.n_addresses = 1 } };
	const struct weft_rule rule = {
		.name = "no", .action = WEFT_RULE_REJECT, .from = wan, .n_from = 1
	};
	struct weft_change *change;
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	translate(bench, list, 1, NULL, 0);
	put_frame(&bench->router, WAN, frame, udp_between(bench, WAN, f->own, 5000, 54, frame));
	for (unsigned i = 0; i < ROUTER_PORTS; i++)
		lab_expect_nothing(bench->router.nics[i]);
	assert_int_equal(lab_drops(bench->router.ports[WAN], DROP_RULE_DEFAULT), 1);
	change = weft_change_begin(lab);
	weft_firewall_rules(change, bench->firewall, &rule, 1);
	lab_commit(change);
	/* told at once, as from whom it was for */
	cross(bench, WAN, WAN, frame, udp_between(bench, WAN, f->own, 5000, 53, frame), got);
	assert_address(got, f->family, true, f->own);
	assert_address(got, f->family, false, f->server);
	assert_int_equal(got[14 + header_of(f->family)], f->family == 4 ? 3 : 1);
	assert_int_equal(lab_drops(bench->router.ports[WAN], DROP_RULE), 1);
	assert_int_equal(connections(bench), 0);
}

static void
test_refused(void **state)
{
	each_family(state, check_refused);
}

/* What nobody has a way to. */
static void
check_lost(struct bench *bench, const struct family *f)
{
	struct weft_prefix nowhere = prefix_of(f->family == 4 ? "172.16.0.1" : "2001:db9::1");
	const struct weft_translation list[] = { { .match = { .name = "all" },
		.kind = WEFT_TRANSLATE_DESTINATION,
		.addresses = &nowhere,
		.n_addresses = 1 } };
	uint8_t frame[MAKE_SIZE];

	translate(bench, list, 1, NULL, 0);
	put_frame(&bench->router, WAN, frame, udp_between(bench, WAN, f->own, 5000, 53, frame));
	assert_int_equal(lab_drops(bench->router.ports[WAN], DROP_NO_ROUTE), 1);
	assert_int_equal(connections(bench), 0);
}

static void
test_lost(void **state)
{
	each_family(state, check_lost);
}

/* ---- addresses that are the firewall's ----------------------------------------------------------
 */

static void
expect_answered(struct bench *bench, const struct family *f, unsigned port, bool answered)
{
	struct make_ends ends = ends_from_station(&bench->router, port, 7, f->claimed);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	size_t size;

	put_frame(&bench->router, port, frame, make_neighbour_request(frame, &ends));
	size = take_frame(&bench->router, port, got);
	assert_int_equal(size != 0, answered);
	if (!answered)
		return;
	assert_memory_equal(got, ends.source_mac.addr_bytes, 6);
	assert_memory_equal(got + 6, bench->router.macs[port], 6);
	if (f->family == 4)
		assert_memory_equal(got + 28, prefix_of(f->claimed).address, 4);
	else
		assert_memory_equal(got + 62, prefix_of(f->claimed).address, 16);
}

static void
check_claimed(struct bench *bench, const struct family *f)
{
	struct weft_prefix host = prefix_of(f->host), outside = prefix_of(f->claimed);
	const struct weft_prefix pair[] = { host, outside };
	const struct weft_translation list[] = {
		{ .match = { .name = "both", .to = wan, .n_to = 1 },
			.kind = WEFT_TRANSLATE_PREFIX,
			.addresses = pair,
			.n_addresses = 2 },
	};
	struct weft_claim claim = { outside, false };
	uint8_t frame[MAKE_SIZE], got[BUFFER];

	expect_answered(bench, f, WAN, false);
	translate(bench, list, 1, &claim, 1);
	quiet(&bench->router);
	expect_answered(bench, f, WAN, true);
	expect_answered(bench, f, 0, false); /* not of that network */
	cross(bench, 0, WAN, frame, udp_between(bench, 0, f->server, 5000, 53, frame), got);
	assert_address(got, f->family, true, f->claimed);
	cross(bench, WAN, 0, frame, udp_between(bench, WAN, f->claimed, 53, 5000, frame), got);
	assert_address(got, f->family, false, f->host);
	/* and what begins outside */
	cross(bench, WAN, 0, frame, udp_between(bench, WAN, f->claimed, 9, 53, frame), got);
	assert_address(got, f->family, false, f->host);
	claim.everywhere = true;
	translate(bench, list, 1, &claim, 1);
	expect_answered(bench, f, 0, true);
	/* nobody is translated to it any more: it is refused in words */
	translate(bench, &hide, 1, &claim, 1);
	put_frame(&bench->router, WAN, frame, udp_between(bench, WAN, f->claimed, 10, 53, frame));
	assert_true(take_frame(&bench->router, WAN, got) > 0);
	assert_int_equal(got[14 + header_of(f->family)], f->family == 4 ? 3 : 1);
	assert_int_equal(lab_drops(bench->router.ports[WAN], DROP_NOT_LISTENING), 1);
	/* nor claimed */
	translate(bench, &hide, 1, NULL, 0);
	expect_answered(bench, f, WAN, false);
}

static void
test_claimed(void **state)
{
	each_family(state, check_claimed);
}

/* An own address, a network of a port: claims take nothing of it. */
static void
test_claims_come_last(void **state)
{
	struct bench bench = open_bench();
	const struct weft_claim claims[] = { { prefix_of("10.1.0.1"), true },
		{ prefix_of("10.1.0.0/24"), true }, { prefix_of("10.9.3.4/16"), false } };
	const struct router_route *route;

	(void)state;
	translate(&bench, &hide, 1, claims, 3);
	put_ping(&bench.router, WAN, 7, "10.1.0.1");
	assert_int_equal(lab_drain(bench.router.nics[WAN]), 1);
	put_udp(&bench.router, 3, 7, "10.1.0.7");
	assert_int_equal(lab_drain(bench.router.nics[WAN]), 1);
	route = router_route_to(bench.router.device->data, 4, prefix_of("10.9.200.1").address);
	assert_non_null(route);
	assert_int_equal(route->source, ROUTE_CLAIMED);
	/* by a port that nobody guards there is nobody to ask */
	put_udp(&bench.router, 3, 7, "10.9.0.7");
	assert_int_equal(lab_drops(bench.router.ports[3], DROP_NOT_LISTENING), 1);
}

/* ---- errors -------------------------------------------------------------------------------------
 */

/* Of the router, about a packet that it got readdressed: it tells of the one that was sent. */
static void
check_own_error(struct bench *bench, const struct family *f)
{
	struct weft_prefix host = prefix_of(f->host);
	const struct weft_translation list[] = { hide,
		{ .match = { .name = "all", .from = wan, .n_from = 1 },
			.kind = WEFT_TRANSLATE_DESTINATION,
			.addresses = &host,
			.n_addresses = 1,
			.ports = { 80, 80 } } };
	struct make_ends ends = ends_from_station(&bench->router, WAN, 7, f->own);
	uint8_t frame[MAKE_SIZE], got[BUFFER];
	size_t length = make_udp(frame, &ends, 5000, 8080, "payload", 7), size;

	translate(bench, list, 2, NULL, 0);
	frame[14 + (f->family == 4 ? 8 : 7)] = 1;
	if (f->family == 4) {
		frame[24] = frame[25] = 0;
		*(uint16_t *)(void *)(frame + 24) = (uint16_t)~rte_raw_cksum(frame + 14, 20);
	}
	size = cross(bench, WAN, WAN, frame, length, got);
	assert_int_equal(got[14 + header_of(f->family)], f->family == 4 ? 11 : 3);
	assert_address(got, f->family, true, f->own);
	assert_true(size >= 14 + header_of(f->family) + 8 + length - 14);
	assert_memory_equal(got + 14 + header_of(f->family) + 8, frame + 14, length - 14);
	/* in the other direction it sees what was sent */
	ends = ends_from_station(&bench->router, 0, 7, f->server);
	length = make_udp(frame, &ends, 5000, 53, "payload", 7);
	frame[14 + (f->family == 4 ? 8 : 7)] = 1;
	if (f->family == 4) {
		frame[24] = frame[25] = 0;
		*(uint16_t *)(void *)(frame + 24) = (uint16_t)~rte_raw_cksum(frame + 14, 20);
	}
	cross(bench, 0, 0, frame, length, got);
	assert_memory_equal(got + 14 + header_of(f->family) + 8, frame + 14, length - 14);
}

static void
test_own_error(void **state)
{
	each_family(state, check_own_error);
}

/* ---- what calls may say -------------------------------------------------------------------------
 */

static void
expect_refused(struct bench *bench, const char *inside, const struct weft_translation *list,
	const char *words)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_error error;

	weft_firewall_translations(change, bench->firewall, inside, list, 1);
	assert_int_equal(weft_change_commit(change, &error), -1);
	assert_non_null(strstr(error.text, words));
}

static void
test_refusals(void **state)
{
	struct bench bench = open_bench();
	struct weft_prefix address = prefix_of("10.1.0.100");
	struct weft_translation wanted = hide;
	const struct weft_claim none = { { 0 }, false };
	struct weft_change *change;
	struct weft_error error;

	(void)state;
	expect_refused(&bench, "in", &hide, "no port \"in\"");
	wanted.addresses = &address;
	wanted.n_addresses = 1;
	expect_refused(&bench, NULL, &wanted, "has addresses");
	change = weft_change_begin(lab);
	weft_router_claims(change, bench.router.device, &none, 1);
	assert_int_equal(weft_change_commit(change, &error), -1);
	/* an aborted change leaves what was */
	translate(&bench, &hide, 1, &(const struct weft_claim){ address, false }, 1);
	change = weft_change_begin(lab);
	weft_router_claims(change, bench.router.device, NULL, 0);
	weft_change_abort(change);
	quiet(&bench.router);
	expect_answered(&bench, &families[0], WAN, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_masquerade),
		TEST(test_forwarded),
		TEST(test_forwarded_by_set),
		TEST(test_refused),
		TEST(test_lost),
		TEST(test_claimed),
		TEST(test_claims_come_last),
		TEST(test_own_error),
		TEST(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
