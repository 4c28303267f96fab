/* SPDX-License-Identifier: BSD-3-Clause */
/* The DHCPv4 server and relay, with a clock of the test's own. */
#include "../dhcp_fixture.h"
#include "protocols/dhcp/dhcp_relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define SERVER IP(10, 0, 0, 1)
#define FIRST IP(10, 0, 0, 100)
#define LAST IP(10, 0, 0, 109)
#define LEASE 3600
#define RESERVED_CLIENT 50
#define RESERVED IP(10, 0, 0, 50)

/* ---- a server with its world --------------------------------------------------------------- */

static struct world {
	struct dhcp_server *server;
	uint64_t now;
	unsigned replies;
	struct dhcp_reply reply;
	struct dhcp_message message; /* the last reply */
	uint8_t payload[DHCP_MESSAGE_LIMIT];
	unsigned probes;
	uint32_t probed; /* the last one */
	unsigned events[DHCP_POOL_EXHAUSTED + 1];
	char host_name[DHCP_NAME_LENGTH + 1]; /* of the last event */
} world;

static void
keep_reply(void *context, const struct dhcp_reply *reply)
{
	assert_true(reply_holds(reply, &world.message));
	world.replies++;
	world.reply = *reply;
	memcpy(world.payload, reply->payload, reply->length);
}

static void
keep_event(void *context, const struct dhcp_event *event)
{
	world.events[event->kind]++;
	strcpy(world.host_name, event->host_name);
}

static uint32_t
make_random(void *context)
{
	static uint32_t state = 1;

	return state = state * 1664525 + 1013904223;
}

static void
keep_probe(void *context, uint32_t address)
{
	world.probes++;
	world.probed = address;
}

static const struct dhcp_hooks hooks = {
	.send = keep_reply, .event = keep_event, .random = make_random
};

static const struct dhcp_range pool = { FIRST, LAST };
static const struct dhcp_reservation reservation = {
	.address = RESERVED, .mac = { 2, 0, 0, 0, 0, RESERVED_CLIENT }, .host_name = "printer"
};
static const uint32_t gateway = SERVER;
static const uint32_t dns[] = { IP(10, 0, 0, 2), IP(10, 0, 0, 3) };

static struct dhcp_server_config
usual(void)
{
	return (struct dhcp_server_config){
		.server = SERVER,
		.prefix = IP(10, 0, 0, 0),
		.length = 24,
		.pools = &pool,
		.n_pools = 1,
		.reservations = &reservation,
		.n_reservations = 1,
		.gateways = &gateway,
		.n_gateways = 1,
		.dns = dns,
		.n_dns = 2,
		.domain = "example.org",
		.lease_time = LEASE,
	};
}

static struct dhcp_subnet *
make_subnet(const struct dhcp_server_config *config)
{
	struct weft_error error;
	struct dhcp_subnet *subnet = dhcp_subnet_make(config, &error);

	if (subnet == NULL)
		fail_msg("%s", error.text);
	return subnet;
}

static void
open_probing(const struct dhcp_server_config *config, bool probing)
{
	struct dhcp_hooks with = hooks;

	with.probe = probing ? keep_probe : NULL;
	memset(&world, 0, sizeof(world));
	world.now = 1000 * SECOND;
	world.server = dhcp_server_open(make_subnet(config), &with);
	assert_non_null(world.server);
}

static void
open_with(const struct dhcp_server_config *config)
{
	open_probing(config, false);
}

static int
open_usual(void **state)
{
	struct dhcp_server_config config = usual();

	open_with(&config);
	return 0;
}

static int
close_world(void **state)
{
	dhcp_server_close(world.server);
	world.server = NULL;
	return 0;
}

static enum dhcp_verdict
send_draft(struct draft *draft)
{
	draft_end(draft);
	return dhcp_server_input(world.server, draft->bytes, draft->length, world.now);
}

/* ---- what clients do ----------------------------------------------------------------------- */

/* Returns the address that is offered, 0: none. */
static uint32_t
discover(uint32_t client, uint32_t wish)
{
	struct draft draft;
	unsigned replies = world.replies;

	draft_begin(&draft, DHCP_DISCOVER, client);
	if (wish != 0)
		draft_number(&draft, DHCP_OPTION_REQUESTED, wish);
	send_draft(&draft);
	if (world.replies == replies)
		return 0;
	assert_int_equal(world.message.type, DHCP_OFFER);
	return world.message.yiaddr;
}

/* The type of the answer, 0: none. */
static unsigned
select_offer(uint32_t client, uint32_t address)
{
	struct draft draft;
	unsigned replies = world.replies;

	draft_begin(&draft, DHCP_REQUEST, client);
	draft_number(&draft, DHCP_OPTION_SERVER, SERVER);
	draft_number(&draft, DHCP_OPTION_REQUESTED, address);
	send_draft(&draft);
	return world.replies != replies ? world.message.type : 0;
}

static unsigned
reboot(uint32_t client, uint32_t address)
{
	struct draft draft;
	unsigned replies = world.replies;

	draft_begin(&draft, DHCP_REQUEST, client);
	draft_number(&draft, DHCP_OPTION_REQUESTED, address);
	send_draft(&draft);
	return world.replies != replies ? world.message.type : 0;
}

static unsigned
renew(uint32_t client, uint32_t address)
{
	struct draft draft;
	unsigned replies = world.replies;

	draft_begin(&draft, DHCP_REQUEST, client);
	dhcp_put32(draft.bytes + DHCP_CIADDR, address);
	send_draft(&draft);
	return world.replies != replies ? world.message.type : 0;
}

static uint32_t
get_lease(uint32_t client)
{
	uint32_t address = discover(client, 0);

	assert_int_not_equal(address, 0);
	assert_int_equal(select_offer(client, address), DHCP_ACK);
	assert_int_equal(world.message.yiaddr, address);
	return address;
}

static enum dhcp_verdict
release(uint32_t client, uint32_t address)
{
	struct draft draft;

	draft_begin(&draft, DHCP_RELEASE, client);
	dhcp_put32(draft.bytes + DHCP_CIADDR, address);
	draft_number(&draft, DHCP_OPTION_SERVER, SERVER);
	return send_draft(&draft);
}

static enum dhcp_verdict
decline(uint32_t client, uint32_t address)
{
	struct draft draft;

	draft_begin(&draft, DHCP_DECLINE, client);
	draft_number(&draft, DHCP_OPTION_SERVER, SERVER);
	draft_number(&draft, DHCP_OPTION_REQUESTED, address);
	return send_draft(&draft);
}

static void
pass(uint64_t seconds)
{
	world.now += seconds * SECOND;
	while (dhcp_server_next(world.server) <= world.now)
		dhcp_server_timer(world.server, world.now);
}

static bool
in_pool(uint32_t address)
{
	return address >= FIRST && address <= LAST;
}

/* ---- the course of a lease ----------------------------------------------------------------- */

static void
a_client_gets_an_address_with_all_that_belongs_to_it(void **state)
{
	const uint8_t *bytes;
	unsigned length;
	uint32_t address = discover(1, 0);

	assert_true(in_pool(address));
	assert_int_equal(world.reply.to, DHCP_TO_MAC);
	assert_int_equal(world.reply.address, address);
	assert_memory_equal(world.reply.mac, ((uint8_t[]){ 2, 0, 0, 0, 0, 1 }), 6);
	assert_int_equal(world.message.xid, 0x1001);
	assert_int_equal(dhcp_server_held(world.server), 0);

	assert_int_equal(select_offer(1, address), DHCP_ACK);
	assert_int_equal(dhcp_server_held(world.server), 1);
	assert_int_equal(world.events[DHCP_LEASE_GIVEN], 1);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_LEASE_TIME, 0), LEASE);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_T1, 0), LEASE / 2);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_T2, 0), LEASE * 7 / 8);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_SERVER, 0), SERVER);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_MASK, 0), 0xffffff00);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_ROUTER, 0), gateway);
	bytes = dhcp_option(&world.message, DHCP_OPTION_DNS, &length);
	assert_int_equal(length, 8);
	assert_int_equal(dhcp_get32(bytes + 4), dns[1]);
	bytes = dhcp_option(&world.message, DHCP_OPTION_DOMAIN, &length);
	assert_int_equal(length, 11);
	assert_memory_equal(bytes, "example.org", 11);
}

static void
a_lease_ends_and_is_remembered(void **state)
{
	uint32_t address = get_lease(1);

	pass(LEASE - 1);
	assert_int_equal(dhcp_server_held(world.server), 1);
	assert_int_equal(renew(1, address), DHCP_ACK);
	assert_int_equal(world.events[DHCP_LEASE_RENEWED], 1);
	assert_int_equal(world.reply.to, DHCP_TO_ADDRESS);
	assert_int_equal(world.reply.address, address);
	pass(LEASE - 1);
	assert_int_equal(dhcp_server_held(world.server), 1);
	assert_int_equal(dhcp_server_next(world.server), world.now + SECOND);
	pass(1);
	assert_int_equal(dhcp_server_held(world.server), 0);
	assert_int_equal(world.events[DHCP_LEASE_EXPIRED], 1);
	assert_int_equal(dhcp_server_next(world.server), UINT64_MAX);
	/* others get what nobody had before */
	for (uint32_t client = 2; client <= 10; client++)
		assert_int_not_equal(get_lease(client), address);
	assert_int_equal(get_lease(1), address);
}

static void
what_is_free_for_longest_goes_first(void **state)
{
	uint32_t addresses[10];

	for (uint32_t client = 0; client < 10; client++)
		addresses[client] = get_lease(client);
	assert_int_equal(discover(20, 0), 0);
	assert_int_equal(world.events[DHCP_POOL_EXHAUSTED], 1);
	assert_int_equal(discover(21, 0), 0);
	assert_int_equal(world.events[DHCP_POOL_EXHAUSTED], 1);
	assert_int_equal(release(7, addresses[7]), DHCP_TAKEN);
	pass(1);
	assert_int_equal(release(3, addresses[3]), DHCP_TAKEN);
	assert_int_equal(get_lease(20), addresses[7]);
	/* the owner before still has the first claim on his */
	assert_int_equal(discover(3, 0), addresses[3]);
}

static void
an_offer_is_held_for_its_client(void **state)
{
	uint32_t first = discover(1, 0), second = discover(2, 0);

	assert_int_not_equal(first, second);
	assert_int_equal(discover(1, 0), first);
	/* two clients for one address */
	assert_int_equal(discover(3, first) == first, 0);
	assert_int_equal(select_offer(2, first), DHCP_NAK);
	assert_int_equal(world.reply.to, DHCP_TO_BROADCAST);
	assert_int_equal(select_offer(1, first), DHCP_ACK);
	assert_int_equal(select_offer(2, first), DHCP_NAK);
	assert_int_equal(dhcp_server_held(world.server), 1);
	/* one that is over is anybody's */
	pass(DHCP_OFFER_SECONDS);
	assert_int_equal(discover(4, second), second);
}

static void
a_client_may_choose_another_server(void **state)
{
	uint32_t address = discover(1, 0);
	struct draft draft;

	draft_begin(&draft, DHCP_REQUEST, 1);
	draft_number(&draft, DHCP_OPTION_SERVER, SERVER + 1);
	draft_number(&draft, DHCP_OPTION_REQUESTED, address);
	assert_int_equal(send_draft(&draft), DHCP_SILENT);
	assert_int_equal(dhcp_server_next(world.server), UINT64_MAX);
	assert_int_equal(discover(2, address), address);
}

static void
a_wish_is_granted_if_it_can_be(void **state)
{
	assert_int_equal(discover(1, FIRST + 5), FIRST + 5);
	assert_int_not_equal(discover(2, RESERVED), RESERVED);
	assert_true(in_pool(discover(3, IP(10, 0, 0, 200))));
	assert_true(in_pool(discover(4, IP(192, 0, 2, 1))));
}

static void
a_shorter_lease_may_be_had(void **state)
{
	struct draft draft;

	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_number(&draft, DHCP_OPTION_LEASE_TIME, 600);
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_LEASE_TIME, 0), 600);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_number(&draft, DHCP_OPTION_LEASE_TIME, 1);
	send_draft(&draft);
	assert_int_equal(
		dhcp_option_number(&world.message, DHCP_OPTION_LEASE_TIME, 0), DHCP_LEASE_LEAST);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_number(&draft, DHCP_OPTION_LEASE_TIME, UINT32_MAX);
	send_draft(&draft);
	assert_int_equal(dhcp_option_number(&world.message, DHCP_OPTION_LEASE_TIME, 0), LEASE);
}

/* ---- RFC 2131 4.3.2 and on ----------------------------------------------------------------- */

static void
rebooting_clients_are_told_the_truth(void **state)
{
	uint32_t address = get_lease(1);

	assert_int_equal(reboot(1, address), DHCP_ACK);
	assert_int_equal(reboot(1, address + 1), DHCP_NAK);
	assert_int_equal(reboot(1, IP(192, 168, 1, 5)), DHCP_NAK);
	assert_int_equal(reboot(2, IP(192, 168, 1, 5)), DHCP_NAK);
	/* no record: silence */
	assert_int_equal(reboot(2, address), 0);
	assert_int_equal(reboot(2, FIRST + 7), 0);
	pass(2 * LEASE);
	assert_int_equal(reboot(1, address), DHCP_ACK);
}

static void
renewals_are_judged(void **state)
{
	uint32_t address = get_lease(1);

	assert_int_equal(renew(1, address), DHCP_ACK);
	assert_int_equal(world.message.ciaddr, address);
	assert_int_equal(renew(1, address + 1), DHCP_NAK);
	assert_int_equal(renew(2, address), DHCP_NAK);
	assert_int_equal(renew(2, IP(10, 0, 0, 77)), DHCP_NAK);
	assert_int_equal(renew(2, IP(10, 9, 0, 77)), DHCP_NAK);
	assert_int_equal(renew(2, RESERVED), DHCP_NAK);
	/* a server without memory takes on whom it finds */
	assert_int_equal(renew(3, LAST), DHCP_ACK);
	assert_int_equal(dhcp_server_held(world.server), 2);
}

static void
one_server_of_several_keeps_quiet(void **state)
{
	struct dhcp_server_config config = usual();

	config.not_authoritative = true;
	open_with(&config);
	assert_int_equal(reboot(1, IP(192, 168, 1, 5)), 0);
	assert_int_equal(renew(1, IP(192, 168, 1, 5)), 0);
	assert_int_equal(renew(1, FIRST), 0);
	assert_int_equal(renew(1, get_lease(1)), DHCP_ACK);
}

static void
a_declined_address_rests(void **state)
{
	uint32_t address = get_lease(1);

	assert_int_equal(decline(2, address), DHCP_SILENT);
	assert_int_equal(decline(1, address), DHCP_TAKEN);
	assert_int_equal(world.events[DHCP_LEASE_DECLINED], 1);
	assert_int_equal(dhcp_server_held(world.server), 0);
	assert_int_equal(select_offer(1, address), DHCP_NAK);
	assert_int_not_equal(discover(1, address), address);
	for (uint32_t client = 2; client <= 10; client++)
		assert_int_not_equal(get_lease(client), address);
	pass(DHCP_OFFER_SECONDS);
	/* all others are taken, and this one rests still */
	assert_int_equal(discover(11, address), 0);
	pass(DHCP_QUARANTINE_SECONDS - DHCP_OFFER_SECONDS);
	assert_int_equal(discover(11, address), address);
}

static void
only_its_owner_releases_a_lease(void **state)
{
	uint32_t address = get_lease(1);

	assert_int_equal(release(2, address), DHCP_SILENT);
	assert_int_equal(release(1, address + 1), DHCP_SILENT);
	assert_int_equal(dhcp_server_held(world.server), 1);
	assert_int_equal(release(1, address), DHCP_TAKEN);
	assert_int_equal(dhcp_server_held(world.server), 0);
	assert_int_equal(release(1, address), DHCP_SILENT);
	assert_int_equal(world.events[DHCP_LEASE_RELEASED], 1);
}

static void
inform_gets_parameters_and_no_lease(void **state)
{
	struct draft draft;

	draft_begin(&draft, DHCP_INFORM, 1);
	dhcp_put32(draft.bytes + DHCP_CIADDR, IP(10, 0, 0, 200));
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	assert_int_equal(world.message.type, DHCP_ACK);
	assert_int_equal(world.message.yiaddr, 0);
	assert_int_equal(world.reply.to, DHCP_TO_ADDRESS);
	assert_int_equal(world.reply.address, IP(10, 0, 0, 200));
	assert_false(world.message.present[DHCP_OPTION_LEASE_TIME]);
	assert_true(world.message.present[DHCP_OPTION_DNS]);
	assert_int_equal(dhcp_server_held(world.server), 0);
	/* nobody makes us send to a broadcast address or elsewhere */
	draft_begin(&draft, DHCP_INFORM, 1);
	dhcp_put32(draft.bytes + DHCP_CIADDR, IP(10, 0, 0, 255));
	assert_int_equal(send_draft(&draft), DHCP_SILENT);
	draft_begin(&draft, DHCP_INFORM, 1);
	dhcp_put32(draft.bytes + DHCP_CIADDR, IP(192, 0, 2, 9));
	assert_int_equal(send_draft(&draft), DHCP_SILENT);
}

/* ---- who is who ---------------------------------------------------------------------------- */

static void
reservations_hold(void **state)
{
	unsigned length;
	const uint8_t *name;

	assert_int_equal(get_lease(RESERVED_CLIENT), RESERVED);
	name = dhcp_option(&world.message, DHCP_OPTION_HOST_NAME, &length);
	assert_int_equal(length, 7);
	assert_memory_equal(name, "printer", 7);
	assert_string_equal(world.host_name, "printer");
	assert_int_equal(select_offer(1, RESERVED), DHCP_NAK);
	/* in quarantine, the client gets another one for the time being, and then his own */
	assert_int_equal(decline(RESERVED_CLIENT, RESERVED), DHCP_TAKEN);
	assert_true(in_pool(get_lease(RESERVED_CLIENT)));
	pass(DHCP_QUARANTINE_SECONDS);
	assert_int_equal(renew(RESERVED_CLIENT, FIRST), DHCP_NAK);
	assert_int_equal(get_lease(RESERVED_CLIENT), RESERVED);
	assert_int_equal(dhcp_server_held(world.server), 1);
}

static void
one_mac_with_two_identifiers_is_one_client_if_reserved(void **state)
{
	struct draft draft;

	get_lease(RESERVED_CLIENT);
	draft_begin(&draft, DHCP_DISCOVER, RESERVED_CLIENT);
	draft_option(&draft, DHCP_OPTION_CLIENT_ID, "\xffsystem", 7);
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	assert_int_equal(world.message.yiaddr, RESERVED);
}

static void
clients_are_told_apart_by_identifier(void **state)
{
	struct draft draft;
	unsigned length;
	const uint8_t *id;
	uint32_t plain = get_lease(1), named;

	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_option(&draft, DHCP_OPTION_CLIENT_ID,
		"\xff"
		"abc",
		4);
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	named = world.message.yiaddr;
	assert_int_not_equal(named, plain);
	/* RFC 6842 */
	id = dhcp_option(&world.message, DHCP_OPTION_CLIENT_ID, &length);
	assert_int_equal(length, 4);
	assert_memory_equal(id,
		"\xff"
		"abc",
		4);
	/* the same one from another card */
	draft_begin(&draft, DHCP_DISCOVER, 2);
	draft_option(&draft, DHCP_OPTION_CLIENT_ID,
		"\xff"
		"abc",
		4);
	send_draft(&draft);
	assert_int_equal(world.message.yiaddr, named);
	/* an identifier that looks like a hardware address is none */
	draft_begin(&draft, DHCP_DISCOVER, 3);
	draft_option(&draft, DHCP_OPTION_CLIENT_ID, "\1\2\0\0\0\0\1", 7);
	send_draft(&draft);
	assert_int_not_equal(world.message.yiaddr, plain);
}

static void
host_names_are_made_fit_to_be_shown(void **state)
{
	struct draft draft;
	uint32_t address = discover(1, 0);

	draft_begin(&draft, DHCP_REQUEST, 1);
	draft_number(&draft, DHCP_OPTION_SERVER, SERVER);
	draft_number(&draft, DHCP_OPTION_REQUESTED, address);
	draft_option(&draft, DHCP_OPTION_HOST_NAME, "a\n\"b\\\x1b[c\0d", 10);
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	assert_string_equal(world.host_name, "ab[cd");
}

/* ---- addresses that are in use already ----------------------------------------------------- */

static void
pass_ms(unsigned ms)
{
	world.now += ms * (SECOND / 1000);
	while (dhcp_server_next(world.server) <= world.now)
		dhcp_server_timer(world.server, world.now);
}

static void
an_address_is_asked_for_before_it_is_offered(void **state)
{
	struct dhcp_server_config config = usual();
	uint32_t taken;

	open_probing(&config, true);
	assert_int_equal(discover(1, 0), 0);
	assert_int_equal(world.probes, 1);
	taken = world.probed;
	/* a client that asks again meanwhile makes no other probe, nor a longer wait */
	pass_ms(DHCP_PROBE_MS / 2);
	assert_int_equal(discover(1, 0), 0);
	assert_int_equal(world.probes, 1);
	dhcp_server_in_use(world.server, LAST, world.now);
	assert_int_equal(world.events[DHCP_ADDRESS_IN_USE], 0);
	dhcp_server_in_use(world.server, taken, world.now);
	assert_int_equal(world.events[DHCP_ADDRESS_IN_USE], 1);
	assert_int_equal(world.probes, 2);
	assert_int_not_equal(world.probed, taken);
	assert_int_equal(world.replies, 0);
	pass_ms(DHCP_PROBE_MS);
	assert_int_equal(world.replies, 1);
	assert_int_equal(world.message.type, DHCP_OFFER);
	assert_int_equal(world.message.yiaddr, world.probed);
	assert_int_equal(select_offer(1, world.probed), DHCP_ACK);
	/* late */
	dhcp_server_in_use(world.server, world.probed, world.now);
	assert_int_equal(dhcp_server_held(world.server), 1);
	/* its own again goes unasked */
	assert_int_equal(discover(1, 0), world.probed);
	assert_int_equal(world.probes, 2);
	assert_int_not_equal(discover(2, taken), taken);
	pass(DHCP_QUARANTINE_SECONDS);
	assert_int_equal(discover(3, taken), 0);
	assert_int_equal(world.probed, taken);
	pass_ms(DHCP_PROBE_MS);
	assert_int_equal(world.message.yiaddr, taken);
}

static void
a_flood_makes_few_probes(void **state)
{
	struct dhcp_server_config config = usual();
	struct dhcp_range wide = { IP(10, 0, 0, 20), IP(10, 0, 0, 250) };

	config.pools = &wide;
	open_probing(&config, true);
	for (uint32_t client = 1000; client < 2000; client++)
		discover(client, 0);
	assert_int_equal(world.probes, DHCP_PROBES);
	pass_ms(DHCP_PROBE_MS);
	/* those that waited were answered, or lost their offer to another */
	for (uint32_t client = 1; client <= 3; client++) {
		if (discover(client, 0) == 0)
			pass_ms(DHCP_PROBE_MS);
		assert_int_equal(world.message.type, DHCP_OFFER);
		assert_int_equal(world.message.xid, 0x1000 + client);
	}
}

/* ---- floods -------------------------------------------------------------------------------- */

static void
a_flood_of_discovers_takes_nothing_away(void **state)
{
	uint32_t had = get_lease(2), has = get_lease(1), address;

	release(2, had);
	for (uint32_t client = 1000; client < 101000; client++)
		assert_true(discover(client, 0) != has);
	assert_int_equal(dhcp_server_held(world.server), 1);
	/* who had one gets it again, in the middle of the flood; a new one gets one, too */
	assert_int_equal(get_lease(2), had);
	address = discover(3, 0);
	for (uint32_t client = 1000; client < 2000; client++)
		discover(client, 0);
	assert_int_equal(select_offer(3, address), DHCP_ACK);
	assert_int_equal(renew(1, has), DHCP_ACK);
	assert_int_equal(dhcp_server_held(world.server), 3);
	pass(DHCP_OFFER_SECONDS);
	for (uint32_t client = 4; client <= 10; client++)
		get_lease(client);
	assert_int_equal(dhcp_server_held(world.server), 10);
}

static void
memory_is_bounded(void **state)
{
	struct dhcp_server_config config = usual();
	struct dhcp_range wide = { IP(10, 0, 0, 2), IP(10, 0, 255, 254) };
	unsigned given = 0;

	config.length = 16;
	config.pools = &wide;
	config.limit = 1000;
	open_with(&config);
	for (uint32_t client = 0; client < 5000; client++) {
		uint32_t address = discover(client, IP(10, 0, 200, 0) + client);

		if (address != 0 && select_offer(client, address) == DHCP_ACK)
			given++;
	}
	assert_int_equal(given, 1000);
	assert_int_equal(dhcp_server_held(world.server), 1000);
	pass(LEASE);
	assert_int_equal(dhcp_server_held(world.server), 0);
	assert_int_equal(world.events[DHCP_LEASE_EXPIRED], 1000);
}

/* ---- against a simple oracle --------------------------------------------------------------- */

#define CLIENTS 24

static bool
mark(void *context, const struct dhcp_lease *lease)
{
	uint8_t *seen = context;

	assert_true(in_pool(lease->address) || lease->address == RESERVED);
	assert_int_equal(seen[lease->address & 0xff], 0);
	seen[lease->address & 0xff] = 1;
	assert_false(lease->held && lease->declined);
	return true;
}

/* Who has what, as the clients believe it, is never two of them one address. */
static void
random_clients_never_share_an_address(void **state)
{
	uint32_t has[CLIENTS] = { 0 };
	uint64_t until[CLIENTS] = { 0 };

	for (unsigned step = 0; step < 200000; step++) {
		uint32_t client = make_random(NULL) >> 8;
		unsigned what = client / CLIENTS % 8;
		uint8_t seen[256] = { 0 };
		uint32_t address;

		client %= CLIENTS;
		if (until[client] <= world.now)
			has[client] = 0;
		address = has[client];
		if (what < 3) {
			address = discover(client, make_random(NULL) % 2 ? FIRST + what : 0);
			if (address != 0 && what != 0 && select_offer(client, address) == DHCP_ACK)
				has[client] = address;
		} else if (what == 3 && address != 0) {
			assert_int_equal(renew(client, address), DHCP_ACK);
		} else if (what == 4 && address != 0) {
			assert_int_equal(reboot(client, address), DHCP_ACK);
		} else if (what == 5 && address != 0) {
			assert_int_equal(release(client, address), DHCP_TAKEN);
			has[client] = 0;
		} else if (what == 6 && address != 0 && step % 16 == 0) {
			assert_int_equal(decline(client, address), DHCP_TAKEN);
			has[client] = 0;
		} else if (what == 7) {
			pass(make_random(NULL) % 1024);
		}
		if (has[client] != 0 && (what < 5))
			until[client] = has[client] == world.message.yiaddr &&
							world.message.type == DHCP_ACK
						? world.now + LEASE * SECOND
						: until[client];
		dhcp_server_walk(world.server, world.now, 0, mark, seen);
		for (unsigned other = 0; other < CLIENTS; other++) {
			if (other != client && until[other] > world.now && has[client] != 0)
				assert_int_not_equal(has[other], has[client]);
		}
	}
	assert_true(world.events[DHCP_LEASE_GIVEN] > 1000);
	assert_true(world.events[DHCP_LEASE_EXPIRED] > 100);
	assert_true(world.events[DHCP_LEASE_DECLINED] > 100);
}

/* ---- restart, and another configuration ---------------------------------------------------- */

static void
leases_survive_a_restart(void **state)
{
	struct dhcp_server_config config = usual();
	struct dhcp_lease *leases;
	size_t count;
	uint64_t changes = dhcp_server_changes(world.server);
	uint32_t kept = get_lease(1), released = get_lease(2), declined = get_lease(3);
	uint32_t reserved = get_lease(RESERVED_CLIENT);

	release(2, released);
	decline(3, declined);
	discover(4, 0);
	assert_true(dhcp_server_changes(world.server) > changes);
	pass(100);
	assert_int_equal(
		dhcp_leases_export(world.server, world.now, 1700000000, &leases, &count), 0);
	assert_int_equal(count, 4);
	dhcp_server_close(world.server);

	/* the machine was off for 200 s, and its clock begins anew */
	open_with(&config);
	world.now = 5 * SECOND;
	assert_int_equal(dhcp_leases_import(world.server, leases, count, world.now, 1700000200), 4);
	assert_int_equal(dhcp_leases_import(world.server, leases, count, world.now, 1700000200), 0);
	free(leases);
	assert_int_equal(dhcp_server_held(world.server), 2);
	assert_int_equal(reboot(1, kept), DHCP_ACK);
	assert_int_equal(renew(RESERVED_CLIENT, reserved), DHCP_ACK);
	assert_int_equal(discover(2, 0), released);
	assert_int_not_equal(discover(5, declined), declined);
	pass(DHCP_QUARANTINE_SECONDS - 300);
	assert_int_equal(discover(5, declined), declined);
}

static void
what_ended_while_it_was_off_has_ended(void **state)
{
	struct dhcp_server_config config = usual();
	struct dhcp_lease *leases;
	size_t count;
	uint32_t address = get_lease(1);

	assert_int_equal(
		dhcp_leases_export(world.server, world.now, 1700000000, &leases, &count), 0);
	dhcp_server_close(world.server);
	open_with(&config);
	assert_int_equal(
		dhcp_leases_import(world.server, leases, count, world.now, 1700000000 + LEASE), 1);
	assert_int_equal(dhcp_server_held(world.server), 0);
	assert_int_equal(discover(1, 0), address);
	free(leases);
}

static void
rubbish_is_not_imported(void **state)
{
	struct dhcp_lease leases[] = {
		{ .address = FIRST, .held = true, .htype = 1, .hlen = 200, .expires = UINT64_MAX },
		{ .address = FIRST, .held = true, .by_client_id = true, .expires = UINT64_MAX },
		{ .address = LAST + 1, .held = true, .htype = 1, .hlen = 6, .expires = UINT64_MAX },
		{ .address = RESERVED, .held = true, .htype = 1, .hlen = 6, .expires = UINT64_MAX },
		{ .address = SERVER, .held = true, .htype = 1, .hlen = 6, .expires = UINT64_MAX },
	};

	assert_int_equal(dhcp_leases_import(world.server, leases, 5, world.now, 0), 0);
	assert_int_equal(dhcp_server_held(world.server), 0);
}

static void
another_configuration_keeps_what_still_fits(void **state)
{
	struct dhcp_server_config config = usual();
	struct dhcp_range moved = { FIRST + 1, LAST };
	struct dhcp_reservation reservations[] = {
		{ .address = FIRST + 1, .mac = { 2, 0, 0, 0, 0, 99 } },
		{ .address = FIRST + 2, .mac = { 2, 0, 0, 0, 0, 3 } },
	};
	uint32_t addresses[4];

	for (uint32_t client = 0; client < 4; client++)
		assert_int_equal(addresses[client] = get_lease(client + 1), FIRST + client);
	config.pools = &moved;
	config.reservations = reservations;
	config.n_reservations = 2;
	dhcp_server_use(world.server, make_subnet(&config), world.now);
	/* out of the pool; reserved for another; reserved for itself; as before */
	assert_int_equal(world.events[DHCP_LEASE_REVOKED], 2);
	assert_int_equal(dhcp_server_held(world.server), 2);
	assert_int_equal(renew(1, addresses[0]), DHCP_NAK);
	assert_int_equal(renew(2, addresses[1]), DHCP_NAK);
	assert_int_equal(renew(3, addresses[2]), DHCP_ACK);
	assert_int_equal(renew(4, addresses[3]), DHCP_ACK);
	assert_int_equal(get_lease(99), FIRST + 1);
	/* all the others are there to be had */
	for (uint32_t client = 0; client < 6; client++)
		get_lease(200 + client);
	assert_int_equal(discover(300, 0), 0);
}

static void
what_becomes_free_by_configuration_is_given(void **state)
{
	struct dhcp_server_config config = usual();
	struct dhcp_reservation inside = reservation;

	inside.address = FIRST;
	config.reservations = &inside;
	dhcp_server_use(world.server, make_subnet(&config), world.now);
	for (uint32_t client = 1; client <= 9; client++)
		assert_int_not_equal(get_lease(client), FIRST);
	assert_int_equal(discover(10, 0), 0);
	config.lease_time = 2 * LEASE;
	dhcp_server_use(world.server, make_subnet(&config), world.now);
	assert_int_equal(discover(10, 0), 0);
	config.n_reservations = 0;
	dhcp_server_use(world.server, make_subnet(&config), world.now);
	assert_int_equal(discover(10, 0), FIRST);
}

static void
an_administrator_ends_a_lease(void **state)
{
	uint32_t address = get_lease(1);

	assert_true(dhcp_server_clear(world.server, address));
	assert_false(dhcp_server_clear(world.server, address));
	assert_false(dhcp_server_clear(world.server, LAST));
	assert_int_equal(dhcp_server_held(world.server), 0);
	assert_int_equal(world.events[DHCP_LEASE_REVOKED], 1);
}

static void
wrong_configurations_are_refused(void **state)
{
	struct weft_error error;
	struct dhcp_server_config config;
	struct dhcp_range ranges[] = { { FIRST, LAST }, { LAST, LAST + 5 } };
	struct dhcp_reservation twice[] = { reservation, reservation };
	struct dhcp_option_config own = {
		.code = DHCP_OPTION_TYPE, .bytes = (const uint8_t *)"\1", .length = 1
	};
	const char *search = "a..b", *searches[10];

	config = usual();
	config.length = 31;
	assert_null(dhcp_subnet_make(&config, &error));
	assert_non_null(strstr(error.text, "prefix length 1 to 30"));
	config = usual();
	config.prefix = IP(10, 0, 1, 0);
	assert_null(dhcp_subnet_make(&config, &error));
	assert_non_null(strstr(error.text, "10.0.0.100 is not in the port's network"));
	config = usual();
	config.pools = ranges;
	config.n_pools = 2;
	assert_null(dhcp_subnet_make(&config, &error));
	assert_non_null(strstr(error.text, "10.0.0.109 overlaps"));
	ranges[1] = (struct dhcp_range){ IP(10, 0, 0, 200), IP(10, 0, 0, 255) };
	assert_null(dhcp_subnet_make(&config, &error));
	assert_non_null(strstr(error.text, "10.0.0.255 is not in the port's network"));
	config = usual();
	config.reservations = twice;
	config.n_reservations = 2;
	assert_null(dhcp_subnet_make(&config, &error));
	assert_non_null(strstr(error.text, "10.0.0.50 is there twice"));
	config = usual();
	config.options = &own;
	config.n_options = 1;
	assert_null(dhcp_subnet_make(&config, &error));
	config = usual();
	config.search = &search;
	config.n_search = 1;
	assert_null(dhcp_subnet_make(&config, &error));
	assert_non_null(strstr(error.text, "a..b is no domain name"));
	for (unsigned i = 0; i < 10; i++)
		searches[i] =
			"a-name-of-some-length.and-another-label-of-it.and-one-more-label-which-is-"
			"long.and-yet-one-more-of-them.example.org";
	config.search = searches;
	config.n_search = 10;
	assert_null(dhcp_subnet_make(&config, &error));
	assert_non_null(strstr(error.text, "is one too many"));
	config = usual();
	config.t1 = 3000;
	config.t2 = 2000;
	assert_null(dhcp_subnet_make(&config, &error));
}

/* ---- what is in a message ------------------------------------------------------------------ */

static void
a_client_gets_what_it_asks_for(void **state)
{
	const uint8_t wanted[] = { DHCP_OPTION_DOMAIN, DHCP_OPTION_ROUTER, DHCP_OPTION_ROUTES,
		DHCP_OPTION_SEARCH, 200, 77 };
	const struct dhcp_route routes[] = { { IP(172, 16, 0, 0), 12, IP(10, 0, 0, 9) } };
	const char *const search[] = { "a.example", "example." };
	const struct dhcp_option_config options[] = {
		{ .code = 200, .bytes = (const uint8_t *)"x", .length = 1 },
		{ .code = 201, .bytes = (const uint8_t *)"y", .length = 1 },
		{ .code = 202, .bytes = (const uint8_t *)"z", .length = 1, .always = true },
	};
	struct dhcp_server_config config = usual();
	struct draft draft;
	const uint8_t *bytes;
	unsigned length;

	config.routes = routes;
	config.n_routes = 1;
	config.search = search;
	config.n_search = 2;
	config.options = options;
	config.n_options = 3;
	config.next_server = IP(10, 0, 0, 7);
	config.boot_file = "boot.img";
	open_with(&config);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_option(&draft, DHCP_OPTION_PARAMETERS, wanted, sizeof(wanted));
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	/* RFC 3442: routes, with the gateway as default among them, and no gateway beside */
	bytes = dhcp_option(&world.message, DHCP_OPTION_ROUTES, &length);
	assert_int_equal(length, 12);
	assert_memory_equal(bytes, "\x0c\xac\x10\x0a\0\0\x09\0\x0a\0\0\x01", 12);
	assert_false(world.message.present[DHCP_OPTION_ROUTER]);
	bytes = dhcp_option(&world.message, DHCP_OPTION_SEARCH, &length);
	assert_int_equal(length, 20);
	assert_memory_equal(bytes, "\1a\7example\0\7example\0", 20);
	assert_true(world.message.present[DHCP_OPTION_MASK]);
	assert_true(world.message.present[DHCP_OPTION_DOMAIN]);
	assert_true(world.message.present[200]);
	assert_false(world.message.present[201]);
	assert_true(world.message.present[202]);
	assert_false(world.message.present[DHCP_OPTION_DNS]);
	assert_int_equal(world.message.siaddr, IP(10, 0, 0, 7));
	assert_string_equal((char *)world.payload + DHCP_FILE, "boot.img");
	/* one that says nothing gets all but the routes */
	draft_begin(&draft, DHCP_DISCOVER, 2);
	send_draft(&draft);
	assert_true(world.message.present[DHCP_OPTION_ROUTER]);
	assert_true(world.message.present[201]);
	assert_false(world.message.present[DHCP_OPTION_ROUTES]);
}

static void
what_does_not_fit_goes_into_other_fields(void **state)
{
	uint8_t filling[290];
	struct dhcp_option_config options[] = {
		{ .code = 200, .bytes = filling, .length = 200 },
		{ .code = 201, .bytes = filling, .length = 100 },
		{ .code = 202, .bytes = filling, .length = 50 },
		{ .code = 203, .bytes = filling, .length = 290 },
	};
	struct dhcp_server_config config = usual();
	struct draft draft;
	unsigned length;

	for (unsigned i = 0; i < sizeof(filling); i++)
		filling[i] = (uint8_t)i;
	config.options = options;
	config.n_options = 4;
	open_with(&config);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_option(&draft, DHCP_OPTION_RELAY, "\1\3abc", 5);
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	assert_true(world.reply.length <= 548);
	assert_int_equal(*dhcp_option(&world.message, DHCP_OPTION_OVERLOAD, &length), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_memory_equal(
			dhcp_option(&world.message, 200 + i, &length), filling, options[i].length);
	/* there is no room for it, and it is counted; the relay's option is the last */
	assert_false(world.message.present[203]);
	assert_int_equal(dhcp_server_counters(world.server)->omitted, 1);
	assert_memory_equal(world.payload + world.message.end - 7, "\x52\5\1\3abc", 7);
	/* a client that takes more gets it in two pieces */
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_option(&draft, DHCP_OPTION_MAX_SIZE, "\x05\xdc", 2);
	send_draft(&draft);
	assert_memory_equal(dhcp_option(&world.message, 203, &length), filling, 290);
	assert_int_equal(length, 290);
	assert_false(world.message.present[DHCP_OPTION_OVERLOAD]);
}

static void
answers_go_where_the_client_can_hear_them(void **state)
{
	struct draft draft;

	draft_begin(&draft, DHCP_DISCOVER, 1);
	dhcp_put16(draft.bytes + DHCP_FLAGS, DHCP_FLAG_BROADCAST);
	send_draft(&draft);
	assert_int_equal(world.reply.to, DHCP_TO_BROADCAST);
	assert_int_equal(world.message.flags, DHCP_FLAG_BROADCAST);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	dhcp_put32(draft.bytes + DHCP_GIADDR, IP(10, 0, 0, 4));
	send_draft(&draft);
	assert_int_equal(world.reply.to, DHCP_TO_ADDRESS);
	assert_int_equal(world.reply.address, IP(10, 0, 0, 4));
	assert_int_equal(world.reply.port, DHCP_SERVER_PORT);
	/* of another network */
	draft_begin(&draft, DHCP_DISCOVER, 1);
	dhcp_put32(draft.bytes + DHCP_GIADDR, IP(10, 0, 1, 4));
	assert_int_equal(send_draft(&draft), DHCP_NOT_OURS);
	/* a NAK by relay is to be broadcast there */
	draft_begin(&draft, DHCP_REQUEST, 1);
	dhcp_put32(draft.bytes + DHCP_GIADDR, IP(10, 0, 0, 4));
	draft_number(&draft, DHCP_OPTION_REQUESTED, IP(10, 7, 0, 4));
	send_draft(&draft);
	assert_int_equal(world.message.type, DHCP_NAK);
	assert_int_equal(world.message.flags, DHCP_FLAG_BROADCAST);
	assert_int_equal(world.reply.address, IP(10, 0, 0, 4));
}

static void
a_network_behind_relays_is_served(void **state)
{
	struct dhcp_server_config config = usual();
	struct draft draft;
	uint32_t address;

	config.server = IP(192, 0, 2, 1);
	open_with(&config);
	assert_int_equal(discover(1, 0), 0);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	dhcp_put32(draft.bytes + DHCP_GIADDR, SERVER);
	assert_int_equal(send_draft(&draft), DHCP_ANSWERED);
	address = world.message.yiaddr;
	draft_begin(&draft, DHCP_REQUEST, 1);
	dhcp_put32(draft.bytes + DHCP_GIADDR, SERVER);
	draft_number(&draft, DHCP_OPTION_SERVER, IP(192, 0, 2, 1));
	draft_number(&draft, DHCP_OPTION_REQUESTED, address);
	send_draft(&draft);
	assert_int_equal(world.message.type, DHCP_ACK);
	/* it renews without the relay */
	assert_int_equal(renew(1, address), DHCP_ACK);
	assert_int_equal(world.reply.address, address);
}

/* In memory of its own, so that the sanitizer sees a look beyond the end. */
static enum dhcp_verdict
cut_off(const struct draft *draft, size_t length)
{
	uint8_t *bytes = malloc(length + 1);
	enum dhcp_verdict verdict;

	memcpy(bytes + 1, draft->bytes, length);
	verdict = dhcp_server_input(world.server, bytes + 1, length, world.now);
	free(bytes);
	return verdict;
}

static void
malformed_messages_change_nothing(void **state)
{
	struct draft good, draft;
	uint64_t changes;

	draft_begin(&good, DHCP_DISCOVER, 1);
	draft_number(&good, DHCP_OPTION_REQUESTED, FIRST);
	draft_end(&good);
	changes = dhcp_server_changes(world.server);
	for (size_t length = 0; length < good.length; length++)
		assert_int_equal(cut_off(&good, length),
			length >= DHCP_HEADER_LENGTH && length < DHCP_OPTIONS_AT ? DHCP_SILENT
										 : DHCP_MALFORMED);
#define MALFORMED(type, what) \
	draft_begin(&draft, type, 1); \
	what; \
	assert_int_equal(send_draft(&draft), DHCP_MALFORMED);
	MALFORMED(DHCP_DISCOVER, draft.bytes[DHCP_OP] = 2)
	MALFORMED(DHCP_DISCOVER, draft.bytes[DHCP_OP] = 0)
	MALFORMED(DHCP_DISCOVER, draft.bytes[DHCP_HLEN] = 17)
	MALFORMED(DHCP_DISCOVER, draft.bytes[DHCP_HLEN] = 5)
	MALFORMED(DHCP_DISCOVER, draft.bytes[DHCP_CHADDR] = 0xff)
	MALFORMED(DHCP_DISCOVER, memset(draft.bytes + DHCP_CHADDR, 0, 6))
	MALFORMED(DHCP_DISCOVER, dhcp_put32(draft.bytes + DHCP_CIADDR, FIRST))
	MALFORMED(DHCP_DISCOVER, dhcp_put32(draft.bytes + DHCP_GIADDR, IP(10, 0, 0, 255)))
	MALFORMED(DHCP_DISCOVER, draft_option(&draft, DHCP_OPTION_REQUESTED, "abc", 3))
	MALFORMED(DHCP_DISCOVER, draft_option(&draft, DHCP_OPTION_CLIENT_ID, "a", 1))
	MALFORMED(DHCP_DISCOVER, draft_option(&draft, DHCP_OPTION_MAX_SIZE, "a", 1))
	MALFORMED(DHCP_DISCOVER, draft_option(&draft, DHCP_OPTION_TYPE, "\1", 1))
	/* file is said to have options, and has no end */
	MALFORMED(DHCP_DISCOVER, draft_option(&draft, DHCP_OPTION_OVERLOAD, "\1", 1))
	MALFORMED(DHCP_OFFER, (void)0)
	MALFORMED(DHCP_ACK, (void)0)
	MALFORMED(9, (void)0)
	MALFORMED(0, (void)0)
	MALFORMED(DHCP_REQUEST, (void)0)
	MALFORMED(DHCP_DECLINE, (void)0)
	MALFORMED(DHCP_RELEASE, (void)0)
	MALFORMED(DHCP_INFORM, (void)0)
#undef MALFORMED
	assert_int_equal(world.replies, 0);
	assert_int_equal(dhcp_server_changes(world.server), changes);
	assert_int_equal(dhcp_server_next(world.server), UINT64_MAX);
	assert_int_equal(
		dhcp_server_input(world.server, good.bytes, good.length, world.now), DHCP_ANSWERED);
}

static void
options_in_pieces_are_put_together(void **state)
{
	struct dhcp_message message;
	struct draft draft;
	unsigned length;

	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_option(&draft, DHCP_OPTION_CLIENT_ID, "ab", 2);
	draft_option(&draft, DHCP_OPTION_OVERLOAD, "\3", 1);
	draft_option(&draft, DHCP_OPTION_CLIENT_ID, "c", 1);
	draft_end(&draft);
	memcpy(draft.bytes + DHCP_FILE, "\x3d\1d\xff", 4);
	memcpy(draft.bytes + DHCP_SNAME, "\0\x3d\1e\xff", 5);
	assert_int_equal(dhcp_parse(draft.bytes, draft.length, &message), DHCP_OK);
	assert_memory_equal(dhcp_option(&message, DHCP_OPTION_CLIENT_ID, &length), "abcde", 5);
	assert_int_equal(length, 5);
}

/* ---- relay --------------------------------------------------------------------------------- */

static unsigned copies;

static void
keep_copy(void *context, const struct dhcp_reply *reply)
{
	assert_int_equal(dhcp_parse(reply->payload, reply->length, &world.message), DHCP_OK);
	world.reply = *reply;
	memcpy(world.payload, reply->payload, reply->length);
	copies++;
}

static const struct dhcp_relay_config relay_config = {
	.address = SERVER,
	.servers = { IP(192, 0, 2, 1), IP(192, 0, 2, 2) },
	.n_servers = 2,
	.circuit = "lan",
	.circuit_length = 3,
	.remote = "r1",
	.remote_length = 2,
};

static enum dhcp_verdict
relay_draft(struct dhcp_relay *relay, struct draft *draft)
{
	copies = 0;
	draft_end(draft);
	return dhcp_relay_from_client(relay, draft->bytes, draft->length, keep_copy, NULL);
}

static void
a_relay_brings_it_to_all_servers_and_back(void **state)
{
	struct dhcp_server_config config = usual();
	struct dhcp_relay relay;
	struct draft draft;
	uint8_t payload[DHCP_MESSAGE_LIMIT];
	size_t length;

	config.server = IP(192, 0, 2, 2);
	open_with(&config);
	dhcp_relay_open(&relay, &relay_config);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	assert_int_equal(relay_draft(&relay, &draft), DHCP_TAKEN);
	assert_int_equal(copies, 2);
	assert_int_equal(world.reply.to, DHCP_TO_ADDRESS);
	assert_int_equal(world.reply.address, IP(192, 0, 2, 2));
	assert_int_equal(world.reply.port, DHCP_SERVER_PORT);
	assert_int_equal(world.message.giaddr, SERVER);
	assert_int_equal(world.message.hops, 1);
	assert_memory_equal(world.payload + world.message.end - 11, "\x52\x09\1\3lan\2\2r1", 11);

	length = world.reply.length;
	memcpy(payload, world.payload, length);
	assert_int_equal(
		dhcp_server_input(world.server, payload, length, world.now), DHCP_ANSWERED);
	assert_int_equal(world.message.type, DHCP_OFFER);
	assert_true(world.message.present[DHCP_OPTION_RELAY]);
	assert_int_equal(world.reply.address, SERVER);

	length = world.reply.length;
	memcpy(payload, world.payload, length);
	copies = 0;
	assert_int_equal(
		dhcp_relay_from_server(&relay, payload, length, keep_copy, NULL), DHCP_ANSWERED);
	assert_int_equal(copies, 1);
	assert_false(world.message.present[DHCP_OPTION_RELAY]);
	assert_true(world.message.present[DHCP_OPTION_DNS]);
	assert_int_equal(world.reply.to, DHCP_TO_MAC);
	assert_int_equal(world.reply.port, DHCP_CLIENT_PORT);
	assert_int_equal(world.reply.address, world.message.yiaddr);
	assert_memory_equal(world.reply.mac, ((uint8_t[]){ 2, 0, 0, 0, 0, 1 }), 6);
	/* another port's */
	dhcp_put32(payload + DHCP_GIADDR, SERVER + 1);
	assert_int_equal(
		dhcp_relay_from_server(&relay, payload, length, keep_copy, NULL), DHCP_NOT_OURS);
	dhcp_put32(payload + DHCP_GIADDR, SERVER);
	dhcp_put16(payload + DHCP_FLAGS, DHCP_FLAG_BROADCAST);
	dhcp_relay_from_server(&relay, payload, length, keep_copy, NULL);
	assert_int_equal(world.reply.to, DHCP_TO_BROADCAST);
}

static void
a_relay_drops_what_goes_round_or_pretends(void **state)
{
	struct dhcp_relay_config config = relay_config;
	struct dhcp_relay relay;
	struct draft draft;

	dhcp_relay_open(&relay, &config);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft.bytes[DHCP_HOPS] = DHCP_RELAY_HOPS + 1;
	assert_int_equal(relay_draft(&relay, &draft), DHCP_SILENT);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	dhcp_put32(draft.bytes + DHCP_GIADDR, SERVER);
	assert_int_equal(relay_draft(&relay, &draft), DHCP_SILENT);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_option(&draft, DHCP_OPTION_RELAY, "\1\1x", 3);
	assert_int_equal(relay_draft(&relay, &draft), DHCP_SILENT);
	draft_begin(&draft, DHCP_OFFER, 1);
	draft.bytes[DHCP_OP] = DHCP_REPLY_OP;
	assert_int_equal(relay_draft(&relay, &draft), DHCP_MALFORMED);
	assert_int_equal(copies, 0);
	/* another relay's stays as it is */
	draft_begin(&draft, DHCP_DISCOVER, 1);
	dhcp_put32(draft.bytes + DHCP_GIADDR, IP(10, 5, 0, 1));
	draft_option(&draft, DHCP_OPTION_RELAY, "\1\1x", 3);
	assert_int_equal(relay_draft(&relay, &draft), DHCP_TAKEN);
	assert_int_equal(world.message.giaddr, IP(10, 5, 0, 1));
	assert_int_equal(world.message.hops, 1);
	assert_int_equal(world.message.lengths[DHCP_OPTION_RELAY], 3);
	/* and a trusted client's */
	config.trusted = true;
	dhcp_relay_use(&relay, &config);
	draft_begin(&draft, DHCP_DISCOVER, 1);
	draft_option(&draft, DHCP_OPTION_RELAY, "\1\1x", 3);
	assert_int_equal(relay_draft(&relay, &draft), DHCP_TAKEN);
	assert_int_equal(world.message.lengths[DHCP_OPTION_RELAY], 3);
	assert_int_equal(world.message.giaddr, SERVER);
}

int
main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, open_usual, close_world)
#define ALONE(test) cmocka_unit_test_teardown(test, close_world)
	const struct CMUnitTest tests[] = {
		WITH_SERVER(a_client_gets_an_address_with_all_that_belongs_to_it),
		WITH_SERVER(a_lease_ends_and_is_remembered),
		WITH_SERVER(what_is_free_for_longest_goes_first),
		WITH_SERVER(an_offer_is_held_for_its_client),
		WITH_SERVER(a_client_may_choose_another_server),
		WITH_SERVER(a_wish_is_granted_if_it_can_be),
		WITH_SERVER(a_shorter_lease_may_be_had),
		WITH_SERVER(rebooting_clients_are_told_the_truth),
		WITH_SERVER(renewals_are_judged),
		ALONE(one_server_of_several_keeps_quiet),
		WITH_SERVER(a_declined_address_rests),
		WITH_SERVER(only_its_owner_releases_a_lease),
		WITH_SERVER(inform_gets_parameters_and_no_lease),
		WITH_SERVER(reservations_hold),
		WITH_SERVER(one_mac_with_two_identifiers_is_one_client_if_reserved),
		WITH_SERVER(clients_are_told_apart_by_identifier),
		WITH_SERVER(host_names_are_made_fit_to_be_shown),
		ALONE(an_address_is_asked_for_before_it_is_offered),
		ALONE(a_flood_makes_few_probes),
		WITH_SERVER(a_flood_of_discovers_takes_nothing_away),
		ALONE(memory_is_bounded),
		WITH_SERVER(random_clients_never_share_an_address),
		WITH_SERVER(leases_survive_a_restart),
		WITH_SERVER(what_ended_while_it_was_off_has_ended),
		WITH_SERVER(rubbish_is_not_imported),
		WITH_SERVER(another_configuration_keeps_what_still_fits),
		WITH_SERVER(what_becomes_free_by_configuration_is_given),
		WITH_SERVER(an_administrator_ends_a_lease),
		cmocka_unit_test(wrong_configurations_are_refused),
		ALONE(a_client_gets_what_it_asks_for),
		ALONE(what_does_not_fit_goes_into_other_fields),
		WITH_SERVER(answers_go_where_the_client_can_hear_them),
		ALONE(a_network_behind_relays_is_served),
		WITH_SERVER(malformed_messages_change_nothing),
		cmocka_unit_test(options_in_pieces_are_put_together),
		ALONE(a_relay_brings_it_to_all_servers_and_back),
		cmocka_unit_test(a_relay_drops_what_goes_round_or_pretends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
