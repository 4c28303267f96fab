/* SPDX-License-Identifier: BSD-3-Clause */
/* How routers carry what they do for hosts: DHCP server and relay, router advertisements. */
#include "../router_fixture.h"
#include "base/clock.h"
#include "packet/checksum.h"
#include "protocols/ra/ra_check.h"

#include "../dhcp_fixture.h"

static const struct weft_dhcp_config plain_server;

static void
run(void)
{
	for (unsigned i = 0; i < 4; i++) {
		lab_run();
		weft_poll(lab);
	}
	lab_run();
}

static void
quiet_all(const struct bench_router *router)
{
	run();
	for (unsigned i = 0; i < ROUTER_PORTS; i++)
		lab_drain(router->nics[i]);
}

/* As lab_router has made it, with another configuration. */
static void
configure(const struct bench_router *router, unsigned port, struct weft_router_port_config config)
{
	struct weft_change *change = weft_change_begin(lab);
	struct weft_prefix addresses[2];

	port_addresses(addresses, port);
	config.addresses = addresses;
	config.n_addresses = 2;
	weft_router_port_update(change, router->ports[port], &config);
	lab_commit(change);
}

/* ---- DHCP ------------------------------------------------------------------------------------ */

static void
client_mac(uint8_t mac[6], uint32_t client)
{
	mac[0] = 2;
	mac[1] = 0;
	dhcp_put32(mac + 2, client);
}

/* Into the port, from 0.0.0.0 to all unless the ends say otherwise. */
static void
put_message(const struct bench_router *router, unsigned port, uint32_t client,
	const struct draft *draft, const struct make_ends *to)
{
	struct make_ends ends = { .family = 4 };
	uint8_t frame[MAKE_LONG_SIZE];

	memset(ends.destination, 0xff, 4);
	memset(&ends.destination_mac, 0xff, 6);
	if (to != NULL)
		ends = *to;
	client_mac(ends.source_mac.addr_bytes, client);
	put_frame(router, port, frame,
		make_long_udp(frame, &ends, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, draft->bytes,
			draft->length));
	run();
}

struct got {
	uint8_t frame[BUFFER];
	struct dhcp_message message;
};

/* The next DHCP message out of a port, whose headers are sound. False: none. */
static bool
take_message(const struct bench_router *router, unsigned port, struct got *got)
{
	size_t length = take_frame(router, port, got->frame);
	uint8_t *udp = got->frame + 34, pseudo[12] = { 0 };

	/* asked for by ARP before it is offered: nobody answers */
	if (length > 0 && ethertype_of(got->frame) == 0x0806) {
		lab_time += SECOND * 6 / 10;
		run();
		length = take_frame(router, port, got->frame);
	}
	if (length == 0)
		return false;
	assert_int_equal(ethertype_of(got->frame), 0x0800);
	assert_true(is_ip4_sound(got->frame + 14));
	assert_int_equal(got->frame[23], 17);
	assert_memory_equal(got->frame + 6, router->macs[port], 6);
	assert_int_equal(length, 14 + dhcp_get16(got->frame + 16));
	memcpy(pseudo, got->frame + 26, 8);
	pseudo[9] = 17;
	memcpy(pseudo + 10, udp + 4, 2);
	assert_int_equal(checksum_fold(checksum_sum(pseudo, sizeof(pseudo)) +
				       checksum_sum(udp, length - 34)),
		0xffff);
	assert_int_equal(dhcp_get16(udp), DHCP_SERVER_PORT);
	assert_int_equal(dhcp_parse(udp + 8, length - 42, &got->message), DHCP_OK);
	return true;
}

static void
put_discover(const struct bench_router *router, unsigned port, uint32_t client)
{
	struct draft draft;
	static const uint8_t wanted[] = { DHCP_OPTION_MASK, DHCP_OPTION_ROUTER, DHCP_OPTION_DNS };

	draft_begin(&draft, DHCP_DISCOVER, client);
	draft_option(&draft, DHCP_OPTION_PARAMETERS, wanted, sizeof(wanted));
	draft_end(&draft);
	put_message(router, port, client, &draft, NULL);
}

static void
put_request(const struct bench_router *router, unsigned port, uint32_t client, uint32_t address,
	uint32_t server)
{
	struct draft draft;

	draft_begin(&draft, DHCP_REQUEST, client);
	draft_number(&draft, DHCP_OPTION_REQUESTED, address);
	draft_number(&draft, DHCP_OPTION_SERVER, server);
	draft_end(&draft);
	put_message(router, port, client, &draft, NULL);
}

#define NET(port, host) (0x0a000000u | (uint32_t)(port) << 16 | (uint32_t)(host))

/* The whole of it: what the client has then; 0: nothing. */
static uint32_t
lease(const struct bench_router *router, unsigned port, uint32_t client)
{
	struct got got;
	uint32_t address;

	put_discover(router, port, client);
	if (!take_message(router, port, &got))
		return 0;
	assert_int_equal(got.message.type, DHCP_OFFER);
	address = got.message.yiaddr;
	put_request(router, port, client, address, NET(port, 1));
	if (!take_message(router, port, &got))
		return 0;
	assert_int_equal(got.message.type, DHCP_ACK);
	assert_int_equal(got.message.yiaddr, address);
	return address;
}

static void
test_server(void **state)
{
	struct weft_prefix dns = prefix_of("10.0.0.53");
	struct weft_prefix pool[1][2] = { { prefix_of("10.0.0.100"), prefix_of("10.0.0.101") } };
	struct weft_dhcp_config server = { .dns = &dns, .n_dns = 1, .pools = pool, .n_pools = 1 };
	struct weft_router_port_config config = { .dhcp = &server };
	struct bench_router router = lab_router("a", NULL);
	uint8_t mac[6];
	struct got got;

	(void)state;
	configure(&router, 0, config);
	quiet_all(&router);
	put_discover(&router, 0, 5);
	assert_true(take_message(&router, 0, &got));
	client_mac(mac, 5);
	assert_memory_equal(got.frame, mac, 6);
	assert_int_equal(dhcp_get32(got.frame + 26), NET(0, 1));
	assert_int_equal(dhcp_get32(got.frame + 30), NET(0, 100));
	assert_int_equal(dhcp_get16(got.frame + 36), DHCP_CLIENT_PORT);
	assert_int_equal(got.message.type, DHCP_OFFER);
	assert_int_equal(dhcp_option_number(&got.message, DHCP_OPTION_ROUTER, 0), NET(0, 1));
	assert_int_equal(dhcp_option_number(&got.message, DHCP_OPTION_DNS, 0), NET(0, 53));
	assert_int_equal(dhcp_option_number(&got.message, DHCP_OPTION_MASK, 0), 0xffffff00);
	assert_int_equal(lease(&router, 0, 5), NET(0, 100));
	assert_int_equal(lease(&router, 0, 6), NET(0, 101));
	assert_int_equal(lease(&router, 0, 7), 0);
	/* nobody serves there */
	assert_int_equal(lease(&router, 1, 5), 0);
	assert_int_equal(lab_drops(router.ports[1], DROP_MULTICAST), 1);
}

/* Without pools: all of the network but the router's own address; each port its own. */
static void
test_whole_network(void **state)
{
	struct weft_router_port_config config = { .dhcp = &plain_server };
	struct bench_router router = lab_router("a", &config);
	bool seen[256] = { false };

	(void)state;
	quiet_all(&router);
	assert_int_equal(lease(&router, 2, 9) >> 8, NET(2, 0) >> 8);
	for (uint32_t client = 0; client < 253; client++) {
		uint32_t address = lease(&router, 1, 100 + client);

		lab_time += SECOND / 100; /* punts have a rate */
		assert_int_equal(address & 0xffffff00, NET(1, 0));
		assert_int_not_equal(address & 0xff, 1);
		assert_false(seen[address & 0xff]);
		seen[address & 0xff] = true;
	}
	assert_false(seen[0] || seen[255]);
	assert_int_equal(lease(&router, 1, 1000), 0);
}

/* RFC 2131, 4.3.2: by unicast, from the address that it has. */
static void
test_renewal_and_release(void **state)
{
	struct weft_router_port_config config = { .dhcp = &plain_server };
	struct bench_router router = lab_router("a", &config);
	struct make_ends ends = { .family = 4 };
	struct router_leases leases;
	struct draft draft;
	struct got got;
	uint32_t address;

	(void)state;
	quiet_all(&router);
	address = lease(&router, 0, 9);
	dhcp_put32(ends.source, address);
	dhcp_put32(ends.destination, NET(0, 1));
	memcpy(&ends.destination_mac, router.macs[0], 6);
	draft_begin(&draft, DHCP_REQUEST, 9);
	dhcp_put32(draft.bytes + DHCP_CIADDR, address);
	draft_end(&draft);
	put_message(&router, 0, 9, &draft, &ends);
	/* the answer is routed: first it asks who has the address */
	assert_true(take_frame(&router, 0, got.frame) > 0);
	assert_int_equal(ethertype_of(got.frame), 0x0806);
	{
		struct make_ends own = { .family = 4 };
		uint8_t frame[MAKE_SIZE];

		client_mac(own.source_mac.addr_bytes, 9);
		memcpy(&own.destination_mac, router.macs[0], 6);
		dhcp_put32(own.source, address);
		dhcp_put32(own.destination, NET(0, 1));
		put_frame(&router, 0, frame, make_neighbour_reply(frame, &own, 0));
	}
	assert_true(take_message(&router, 0, &got));
	assert_int_equal(got.message.type, DHCP_ACK);
	assert_int_equal(router_port_leases(router.ports[0], &leases), 0);
	assert_int_equal(leases.held, 1);
	free(leases.list);

	draft_begin(&draft, DHCP_RELEASE, 9);
	dhcp_put32(draft.bytes + DHCP_CIADDR, address);
	draft_number(&draft, DHCP_OPTION_SERVER, NET(0, 1));
	draft_end(&draft);
	put_message(&router, 0, 9, &draft, &ends);
	assert_int_equal(router_port_leases(router.ports[0], &leases), 0);
	assert_true(leases.serves);
	assert_int_equal(leases.held, 0);
	assert_int_equal(leases.pool, 254);
	free(leases.list);
}

/* A change of the configuration keeps leases, one that is aborted changes nothing. */
static void
test_changes(void **state)
{
	struct weft_prefix pool[1][2] = { { prefix_of("10.0.0.50"), prefix_of("10.0.0.60") } };
	struct weft_dhcp_config server = { .pools = pool, .n_pools = 1, .lease_s = 600 };
	struct weft_router_port_config config = { .dhcp = &server }, none = { 0 };
	struct bench_router router = lab_router("a", NULL);
	struct weft_change *change;
	struct weft_prefix addresses[2];
	struct weft_error error;
	uint32_t address;

	(void)state;
	configure(&router, 0, config);
	quiet_all(&router);
	address = lease(&router, 0, 9);
	assert_int_equal(address, NET(0, 50));
	server.lease_s = 1200;
	configure(&router, 0, config);
	quiet_all(&router);
	assert_int_equal(lease(&router, 0, 10), NET(0, 51));
	assert_int_equal(lease(&router, 0, 9), address);

	change = weft_change_begin(lab);
	port_addresses(addresses, 0);
	none.addresses = addresses;
	none.n_addresses = 2;
	weft_router_port_update(change, router.ports[0], &none);
	assert_int_equal(weft_change_prepare(change, &error), 0);
	weft_change_abort(change);
	assert_int_equal(lease(&router, 0, 9), address);

	/* one that has been prepared, and goes with the change */
	change = weft_change_begin(lab);
	port_addresses(addresses, 3);
	config.addresses = addresses;
	config.n_addresses = 2;
	pool[0][0] = prefix_of("10.3.0.50");
	pool[0][1] = prefix_of("10.3.0.60");
	weft_router_port_update(change, router.ports[3], &config);
	assert_int_equal(weft_change_prepare(change, &error), 0);
	weft_change_abort(change);
	assert_int_equal(lease(&router, 3, 9), 0);

	configure(&router, 0, none);
	assert_int_equal(lease(&router, 0, 9), 0);
}

/* What cannot be: told by the change, and nothing is different then. */
static void
test_wrong_configuration(void **state)
{
	struct weft_prefix outside[1][2] = { { prefix_of("10.9.0.5"), prefix_of("10.9.0.6") } };
	struct weft_dhcp_config server = { .pools = outside, .n_pools = 1 };
	struct weft_prefix far = prefix_of("192.0.2.1");
	struct weft_ra_config ra = { .interval_s = 2 };
	struct weft_router_port_config wrong[] = {
		{ .dhcp = &server },
		{ .dhcp = &plain_server, .dhcp_relay = &far, .n_dhcp_relay = 1 },
		{ .ra = &ra },
	};
	struct bench_router router = lab_router("a", NULL);
	struct weft_prefix addresses[2];

	(void)state;
	port_addresses(addresses, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct weft_change *change = weft_change_begin(lab);
		struct weft_error error = { 0 };

		wrong[i].addresses = addresses;
		wrong[i].n_addresses = 2;
		weft_router_port_update(change, router.ports[0], &wrong[i]);
		assert_int_equal(weft_change_commit(change, &error), -1);
		assert_int_equal(error.code, EINVAL);
	}
	assert_int_equal(lease(&router, 0, 9), 0);
}

static void
test_bad_messages(void **state)
{
	struct weft_router_port_config config = { .dhcp = &plain_server };
	struct bench_router router = lab_router("a", &config);
	struct make_ends ends = { .family = 4 };
	uint8_t frame[MAKE_LONG_SIZE];
	struct draft draft;
	size_t length;

	(void)state;
	quiet_all(&router);
	memset(ends.destination, 0xff, 4);
	memset(&ends.destination_mac, 0xff, 6);
	client_mac(ends.source_mac.addr_bytes, 7);
	draft_begin(&draft, DHCP_DISCOVER, 7);
	draft_end(&draft);
	length = make_long_udp(frame, &ends, 68, 67, draft.bytes, draft.length);
	frame[100] ^= 1; /* its checksum is wrong then */
	put_frame(&router, 0, frame, length);
	run();
	assert_int_equal(lab_drops(router.ports[0], DROP_BAD_DHCP), 1);
	put_frame(&router, 0, frame, make_long_udp(frame, &ends, 68, 67, "x", 1));
	run();
	assert_int_equal(lab_drops(router.ports[0], DROP_BAD_DHCP), 2);
	/* a length that is longer than the packet, and one of nothing */
	length = make_long_udp(frame, &ends, 68, 67, draft.bytes, draft.length);
	dhcp_put16(frame + 38, 2000);
	put_frame(&router, 0, frame, length);
	dhcp_put16(frame + 38, 0);
	put_frame(&router, 0, frame, length);
	run();
	assert_int_equal(lab_drops(router.ports[0], DROP_BAD_DHCP), 4);
	lab_expect_nothing(router.nics[0]);
	/* without a checksum it is as good as with a right one (RFC 768) */
	length = make_long_udp(frame, &ends, 68, 67, draft.bytes, draft.length);
	dhcp_put16(frame + 40, 0);
	put_frame(&router, 0, frame, length);
	run();
	assert_int_equal(lab_drain(router.nics[0]), 1);
}

/* ---- what is kept ---------------------------------------------------------------------------- */

struct keeper {
	struct dhcp_lease leases[8];
	size_t count;
	unsigned events[8];
	char port[64];
};

static size_t
give_back(void *context, const char *port, struct dhcp_lease **leases)
{
	const struct keeper *keeper = context;

	if (strcmp(port, keeper->port) != 0)
		return 0;
	*leases = malloc(sizeof(keeper->leases));
	memcpy(*leases, keeper->leases, sizeof(keeper->leases));
	return keeper->count;
}

static void
note_event(void *context, const char *port, const struct dhcp_event *event)
{
	struct keeper *keeper = context;

	assert_string_equal(port, "a/r:p0");
	keeper->events[event->kind]++;
}

/* An address is given when the lease is written down, not before; and it is given back. */
static void
test_leases_are_kept(void **state)
{
	struct keeper keeper = { .port = "a/r:p0" };
	struct router_host_hooks hooks = {
		.context = &keeper, .lease = note_event, .restore = give_back, .keeps = true
	};
	struct weft_router_port_config config = { .dhcp = &plain_server }, none = { 0 };
	struct bench_router router = lab_router("a", NULL);
	struct router_leases leases;
	struct got got;
	uint32_t address;

	(void)state;
	router_watch_hosts(&hooks);
	configure(&router, 0, config);
	quiet_all(&router);
	put_discover(&router, 0, 9);
	assert_true(take_message(&router, 0, &got));
	address = got.message.yiaddr;
	put_request(&router, 0, 9, address, NET(0, 1));
	assert_false(take_message(&router, 0, &got));
	router_leases_written(router_lease_changes() - 1);
	run();
	assert_false(take_message(&router, 0, &got));
	router_leases_written(router_lease_changes());
	run();
	assert_true(take_message(&router, 0, &got));
	assert_int_equal(got.message.type, DHCP_ACK);
	assert_int_equal(keeper.events[DHCP_LEASE_GIVEN], 1);

	assert_int_equal(router_port_leases(router.ports[0], &leases), 0);
	assert_int_equal(leases.count, 1);
	keeper.count = 1;
	keeper.leases[0] = leases.list[0];
	free(leases.list);
	configure(&router, 0, none);
	configure(&router, 0, config);
	assert_int_equal(router_port_leases(router.ports[0], &leases), 0);
	assert_int_equal(leases.held, 1);
	assert_int_equal(leases.list[0].address, address);
	free(leases.list);
	/* another client does not get it */
	quiet_all(&router);
	put_discover(&router, 0, 10);
	assert_true(take_message(&router, 0, &got));
	assert_int_not_equal(got.message.yiaddr, address);
	/* what waits when all ends is not lost as a packet buffer: lab_close_routers() looks */
	put_request(&router, 0, 10, got.message.yiaddr, NET(0, 1));
	router_leases_written(router_lease_changes());
	weft_poll(lab);
	quiet_all(&router);
	router_watch_hosts(NULL);
}

static void
test_lease_ends(void **state)
{
	struct keeper keeper = { 0 };
	struct router_host_hooks hooks = { .context = &keeper, .lease = note_event };
	struct weft_dhcp_config server = { .lease_s = 60 };
	struct weft_router_port_config config = { .dhcp = &server };
	struct bench_router router = lab_router("a", &config);

	(void)state;
	router_watch_hosts(&hooks);
	quiet_all(&router);
	assert_int_not_equal(lease(&router, 0, 9), 0);
	lab_time += 59 * SECOND;
	weft_poll(lab);
	assert_int_equal(keeper.events[DHCP_LEASE_EXPIRED], 0);
	lab_time += 2 * SECOND;
	weft_poll(lab);
	assert_int_equal(keeper.events[DHCP_LEASE_EXPIRED], 1);
	router_watch_hosts(NULL);
}

/* ---- relay ----------------------------------------------------------------------------------- */

static void
test_relay(void **state)
{
	struct weft_prefix far = prefix_of("10.1.0.9");
	struct weft_router_port_config config = { .dhcp_relay = &far, .n_dhcp_relay = 1 };
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = { .family = 4 };
	uint8_t mac[6];
	struct got got;

	(void)state;
	configure(&router, 0, config);
	know(&router, 1, 9, 4);
	quiet_all(&router);
	put_discover(&router, 0, 5);
	lab_expect_nothing(router.nics[0]);
	assert_true(take_message(&router, 1, &got));
	assert_int_equal(dhcp_get32(got.frame + 26), NET(0, 1));
	assert_int_equal(dhcp_get32(got.frame + 30), NET(1, 9));
	assert_int_equal(got.message.giaddr, NET(0, 1));
	assert_int_equal(got.message.hops, 1);
	assert_int_equal(got.message.type, DHCP_DISCOVER);

	/* the server's answer, to the port's address, comes in elsewhere */
	struct draft draft;

	draft_begin(&draft, DHCP_OFFER, 5);
	draft.bytes[DHCP_OP] = DHCP_REPLY_OP;
	dhcp_put32(draft.bytes + DHCP_GIADDR, NET(0, 1));
	dhcp_put32(draft.bytes + DHCP_YIADDR, NET(0, 77));
	draft_number(&draft, DHCP_OPTION_SERVER, NET(1, 9));
	draft_number(&draft, DHCP_OPTION_LEASE_TIME, 600);
	draft_end(&draft);
	dhcp_put32(ends.source, NET(1, 9));
	dhcp_put32(ends.destination, NET(0, 1));
	memcpy(&ends.destination_mac, router.macs[1], 6);
	put_message(&router, 1, 1, &draft, &ends);
	assert_true(take_message(&router, 0, &got));
	client_mac(mac, 5);
	assert_memory_equal(got.frame, mac, 6);
	assert_int_equal(got.message.yiaddr, NET(0, 77));
	assert_int_equal(got.message.type, DHCP_OFFER);

	/* to an address of the router at which nobody listens */
	dhcp_put32(ends.destination, NET(1, 1));
	put_message(&router, 1, 1, &draft, &ends);
	lab_expect_nothing(router.nics[0]);
	assert_int_equal(lab_drops(router.ports[1], DROP_NOT_LISTENING), 1);
}

/* A server for a network that is behind a relay. */
static void
test_server_for_relays(void **state)
{
	struct weft_dhcp_config server = { .network = prefix_of("10.77.0.0/24"),
		.gateway = prefix_of("10.77.0.1") };
	struct weft_router_port_config config = { .dhcp = &server };
	const char *gateway = "10.0.0.9";
	struct bench_router router = lab_router("a", NULL);
	struct make_ends ends = ends_from_station(&router, 0, 9, "10.0.0.1");
	struct draft draft;
	struct got got;

	(void)state;
	set_route(&router, "10.77.0.0/24", WEFT_ROUTE_FORWARD, &gateway, 1, 0);
	configure(&router, 0, config);
	know(&router, 0, 9, 4);
	quiet_all(&router);
	draft_begin(&draft, DHCP_DISCOVER, 5);
	dhcp_put32(draft.bytes + DHCP_GIADDR, 0x0a4d0001);
	draft_end(&draft);
	put_message(&router, 0, 9, &draft, &ends);
	assert_true(take_message(&router, 0, &got));
	assert_int_equal(dhcp_get32(got.frame + 30), 0x0a4d0001);
	assert_int_equal(dhcp_get16(got.frame + 36), DHCP_SERVER_PORT);
	assert_int_equal(got.message.yiaddr >> 8, 0x0a4d0000 >> 8);
	assert_int_equal(dhcp_option_number(&got.message, DHCP_OPTION_ROUTER, 0), 0x0a4d0001);
}

/* ---- router advertisements ------------------------------------------------------------------- */

static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };

/* The next advertisement, whose headers are sound; its length. 0: none. */
static size_t
take_advertisement(const struct bench_router *router, unsigned port, uint8_t message[BUFFER])
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	uint8_t frame[BUFFER], pseudo[40] = { 0 };
	size_t length = take_frame(router, port, frame), size;

	if (length == 0)
		return 0;
	size = length - 54;
	assert_int_equal(ethertype_of(frame), 0x86dd);
	assert_memory_equal(frame, all_nodes_mac, 6);
	assert_memory_equal(frame + 6, router->macs[port], 6);
	assert_int_equal(dhcp_get16(frame + 18), size);
	assert_int_equal(frame[20], 58);
	memcpy(pseudo, frame + 22, 32);
	dhcp_put32(pseudo + 32, (uint32_t)size);
	pseudo[39] = 58;
	assert_int_equal(checksum_fold(checksum_sum(pseudo, sizeof(pseudo)) +
				       checksum_sum(frame + 54, size)),
		0xffff);
	assert_int_equal(ra_check(frame + 54, size, frame[21], frame + 22, frame + 38), RA_VALID);
	assert_memory_equal(frame + 38, all_nodes, 16);
	assert_int_equal(frame[54], ND_ROUTER_ADVERTISEMENT);
	memcpy(message, frame + 54, size);
	return size;
}

static const uint8_t *
option_of(const uint8_t *message, size_t length, uint8_t type)
{
	struct nd_option option;
	size_t at = 0;

	while (nd_option_next(message, length, &at, &option)) {
		if (option.type == type)
			return option.bytes;
	}
	return NULL;
}

static void
put_solicitation(const struct bench_router *router, unsigned port, bool with_mac)
{
	struct make_ends ends = { .family = 6 };
	uint8_t message[16] = { ND_ROUTER_SOLICITATION }, frame[MAKE_LONG_SIZE];

	station_mac(ends.source_mac.addr_bytes, 0x205);
	memcpy(&ends.destination_mac, "\x33\x33\x00\x00\x00\x02", 6);
	memcpy(ends.source, prefix_of("fe80::205").address, 16);
	memcpy(ends.destination, prefix_of("ff02::2").address, 16);
	message[8] = 1;
	message[9] = 1;
	memcpy(message + 10, &ends.source_mac, 6);
	put_frame(router, port, frame, make_long_nd(frame, &ends, message, with_mac ? 16 : 8));
	run();
}

static void
test_advertisements(void **state)
{
	struct weft_prefix dns = prefix_of("2001:db8::53");
	const char *search[] = { "red.example" };
	struct weft_ra_config ra = { .lifetime_s = WEFT_RA_DEFAULT,
		.dns = &dns,
		.n_dns = 1,
		.search = search,
		.n_search = 1,
		.mtu = 1400 };
	struct weft_router_port_config config = { .ra = &ra }, none = { 0 };
	struct bench_router router = lab_router("a", NULL);
	uint8_t message[BUFFER];
	const uint8_t *option;
	size_t length;

	(void)state;
	quiet_all(&router);
	configure(&router, 0, config);
	run();
	length = take_advertisement(&router, 0, message);
	assert_true(length > 0);
	assert_int_equal(dhcp_get16(message + 6), 1800);
	option = option_of(message, length, ND_PREFIX);
	assert_non_null(option);
	assert_int_equal(option[2], 64);
	assert_int_equal(option[3] & 0xc0, 0xc0);
	assert_memory_equal(option + 16, prefix_of("2001:db8:0::").address, 16);
	assert_memory_equal(
		option_of(message, length, ND_SOURCE_LINK_LAYER) + 2, router.macs[0], 6);
	assert_int_equal(dhcp_get32(option_of(message, length, ND_MTU) + 4), 1400);
	assert_memory_equal(option_of(message, length, ND_RDNSS) + 8, dns.address, 16);
	assert_non_null(option_of(message, length, ND_DNSSL));
	lab_expect_nothing(router.nics[1]);

	/* the quick ones are 16 s apart at most, and then it is the interval that counts */
	for (unsigned i = 0; i < 40; i++) {
		lab_time += SECOND;
		run();
	}
	assert_in_range(lab_drain(router.nics[0]), 2, 3);
	for (unsigned i = 0; i < 600; i++) {
		lab_time += SECOND;
		run();
	}
	assert_in_range(lab_drain(router.nics[0]), 1, 4);

	/* somebody asks */
	lab_time += 10 * SECOND;
	quiet_all(&router);
	put_solicitation(&router, 0, true);
	lab_time += 4 * SECOND; /* one may just have gone: 3 s between two (RFC 4861, 6.2.6) */
	run();
	assert_true(take_advertisement(&router, 0, message) > 0);
	assert_int_equal(neighbour_link_state(atomic_load(&neighbour_find(
				 router.ports[0]->id, 6, prefix_of("fe80::205").address)
								   ->link)),
		NEIGHBOUR_STALE);

	/* the end is told, and then there is silence */
	quiet_all(&router);
	configure(&router, 0, none);
	run();
	assert_true(take_advertisement(&router, 0, message) > 0);
	assert_int_equal(dhcp_get16(message + 6), 0);
	quiet_all(&router);
	put_solicitation(&router, 0, false);
	lab_time += 3600 * SECOND;
	run();
	lab_expect_nothing(router.nics[0]);
}

/* The port's own end, and what is behind a switch hears of it. */
static void
test_last_words(void **state)
{
	struct weft_ra_config ra = { .lifetime_s = 1800 };
	struct weft_router_port_config config = { .ra = &ra };
	struct bench_router router = lab_router("a", &config);
	struct bench_switch lan = lab_switch(router.network, "lan", NULL, 2, NULL);
	struct weft_change *change;
	uint8_t message[BUFFER];

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		lab_time += SECOND;
		quiet_all(&router);
	}
	change = weft_change_begin(lab);
	weft_detach(change, router.ports[2]);
	weft_detach(change, lan.ports[0]);
	weft_link(change, router.ports[2], lan.ports[0]);
	lab_commit(change);
	router.nics[2] = lan.nics[1];
	/* those there hear of it for the first time */
	run();
	assert_true(take_advertisement(&router, 2, message) > 0);
	assert_int_equal(dhcp_get16(message + 6), 1800);
	quiet_all(&router);
	change = weft_change_begin(lab);
	weft_vport_remove(change, router.ports[2]);
	lab_commit(change);
	run();
	assert_true(take_advertisement(&router, 2, message) > 0);
	assert_int_equal(dhcp_get16(message + 6), 0);
	change = weft_change_begin(lab);
	weft_device_remove(change, router.device);
	lab_commit(change);
	assert_true(take_advertisement(&router, 1, message) > 0);
	assert_int_equal(dhcp_get16(message + 6), 0);
}

static unsigned contradictions;

static void
note_contradiction(void *context, const char *port, const char *what)
{
	assert_ptr_equal(context, &contradictions);
	assert_string_equal(port, "a/r:p0");
	assert_non_null(what);
	contradictions++;
}

static void
test_contradiction(void **state)
{
	struct router_host_hooks hooks = { .context = &contradictions,
		.contradiction = note_contradiction };
	struct weft_ra_config ra = { .lifetime_s = 1800, .managed = true };
	struct weft_router_port_config config = { .ra = &ra };
	struct bench_router router = lab_router("a", &config);
	struct make_ends ends = { .family = 6 };
	uint8_t message[16] = { ND_ROUTER_ADVERTISEMENT, 0, 0, 0, 64, 0x80, 7, 8 };
	uint8_t frame[MAKE_LONG_SIZE];

	(void)state;
	router_watch_hosts(&hooks);
	quiet_all(&router);
	station_mac(ends.source_mac.addr_bytes, 0x206);
	memcpy(&ends.destination_mac, all_nodes_mac, 6);
	memcpy(ends.source, prefix_of("fe80::206").address, 16);
	memcpy(ends.destination, prefix_of("ff02::1").address, 16);
	put_frame(&router, 0, frame, make_long_nd(frame, &ends, message, sizeof(message)));
	run();
	assert_int_equal(contradictions, 0);
	message[5] = 0;
	put_frame(&router, 0, frame, make_long_nd(frame, &ends, message, sizeof(message)));
	run();
	assert_int_equal(contradictions, 1);
	/* from no router */
	memcpy(ends.source, prefix_of("2001:db8::206").address, 16);
	put_frame(&router, 0, frame, make_long_nd(frame, &ends, message, sizeof(message)));
	run();
	assert_int_equal(contradictions, 1);
	assert_int_equal(lab_drops(router.ports[0], DROP_BAD_ND), 1);
	router_watch_hosts(NULL);
}

#define LAB_TEST(test) cmocka_unit_test_setup_teardown(test, lab_open, lab_close_routers)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(test_server),
		LAB_TEST(test_whole_network),
		LAB_TEST(test_renewal_and_release),
		LAB_TEST(test_changes),
		LAB_TEST(test_wrong_configuration),
		LAB_TEST(test_bad_messages),
		LAB_TEST(test_leases_are_kept),
		LAB_TEST(test_lease_ends),
		LAB_TEST(test_relay),
		LAB_TEST(test_server_for_relays),
		LAB_TEST(test_advertisements),
		LAB_TEST(test_last_words),
		LAB_TEST(test_contradiction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
