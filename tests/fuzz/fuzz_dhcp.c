/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DHCPv4 server, a relay in front of another one, and clients that say anything at any time.
 * The input is a list of steps: raw bytes; a message made of a few choices, so that leases are
 * reached at all; time that goes by; another configuration; a restart. After each step: every
 * answer parses and goes where one can go; each address is there once, inside of the pools or
 * reserved, and each owner once; what is held is what the server says; an export is taken back
 * whole. A relay's copy differs from the message only where it may.
 */
#include "../dhcp_fixture.h"
#include "protocols/dhcp/dhcp_relay.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)
#define NETWORK 0x0a000000u
#define SERVER (NETWORK + 1)
#define CLIENTS 16
#define SMALL 64 /* of the addresses that are looked at */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static struct dhcp_server *server;
static unsigned configuration;
static uint64_t now;
static unsigned replies;
static bool probing;

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static uint8_t
take(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

/* ---- the server ---------------------------------------------------------------------------- */

static const struct dhcp_range pools[][2] = {
	{ { NETWORK + 10, NETWORK + 13 }, { NETWORK + 20, NETWORK + 21 } },
	{ { NETWORK + 11, NETWORK + 16 }, { NETWORK + 1, NETWORK + 2 } },
	{ { NETWORK + 20, NETWORK + 20 }, { NETWORK + 30, NETWORK + 30 } },
};
static const struct dhcp_reservation reservations[][2] = {
	{ { .address = NETWORK + 12, .mac = { 2, 0, 0, 0, 0, 3 }, .host_name = "three" },
		{ .address = NETWORK + 40,
			.client_id = (const uint8_t *)"\0id",
			.client_id_length = 3 } },
	{ { .address = NETWORK + 11, .mac = { 2, 0, 0, 0, 0, 4 } },
		{ .address = NETWORK + 40, .mac = { 2, 0, 0, 0, 0, 5 } } },
	{ { .address = NETWORK + 20, .mac = { 2, 0, 0, 0, 0, 3 } },
		{ .address = NETWORK + 41, .mac = { 2, 0, 0, 0, 0, 4 } } },
};
#define CONFIGURATIONS 3

static struct dhcp_subnet *
make_subnet(void)
{
	static const uint8_t filling[600];
	static const uint32_t gateways[] = { SERVER, NETWORK + 13 };
	static const struct dhcp_route routes[] = { { 0xc0000200, 24, NETWORK + 9 } };
	static const char *const search[] = { "example.org", "a.b" };
	const struct dhcp_option_config options[] = {
		{ .code = 200, .bytes = filling, .length = 100 },
		{ .code = 201, .bytes = filling, .length = 90, .always = true },
		{ .code = 202, .bytes = filling, .length = 60, .always = true },
		{ .code = 203, .bytes = filling, .length = sizeof(filling) },
	};
	struct dhcp_server_config config = {
		.server = SERVER,
		.prefix = NETWORK,
		.length = 24,
		.pools = pools[configuration],
		.n_pools = 2,
		.reservations = reservations[configuration],
		.n_reservations = 2,
		.gateways = gateways,
		.n_gateways = 1 + configuration % 2,
		.routes = routes,
		.n_routes = 1,
		.search = search,
		.n_search = 2,
		.options = options,
		.n_options = 4,
		.boot_file = configuration == 1 ? "boot" : NULL,
		.lease_time = configuration == 2 ? DHCP_LEASE_FOREVER : 600,
		.limit = configuration == 1 ? 4 : 0,
		.not_authoritative = configuration == 2,
	};
	struct dhcp_subnet *subnet = dhcp_subnet_make(&config, NULL);

	require(subnet != NULL, "a configuration is refused");
	return subnet;
}

static bool
is_configured(uint32_t address)
{
	for (unsigned i = 0; i < 2; i++) {
		if (address == reservations[configuration][i].address)
			return true;
		if (address >= pools[configuration][i].first &&
			address <= pools[configuration][i].last && address != SERVER)
			return true;
	}
	return false;
}

static void
judge_reply(void *context, const struct dhcp_reply *reply)
{
	struct dhcp_message message;

	(void)context;
	require(reply_holds(reply, &message), "an answer that does not hold");
	replies++;
}

static void
take_probe(void *context, uint32_t address)
{
	(void)context;
	require(is_configured(address), "a probe of an address that is not to be given");
}

static uint32_t
make_random(void *context)
{
	(void)context;
	return 4; /* any will do: the same run for the same input */
}

static void
open_server(void)
{
	static const struct dhcp_hooks hooks[] = {
		{ .send = judge_reply, .random = make_random },
		{ .send = judge_reply, .random = make_random, .probe = take_probe },
	};

	server = dhcp_server_open(make_subnet(), &hooks[probing]);
	require(server != NULL, "no server");
}

/* ---- what must hold ------------------------------------------------------------------------ */

struct seen {
	unsigned held, count;
	bool addresses[SMALL];
	struct dhcp_lease leases[SMALL];
	uint8_t at[SMALL]; /* by address: which of them */
};

static bool
same_owner(const struct dhcp_lease *a, const struct dhcp_lease *b)
{
	if (a->declined || b->declined || a->by_client_id != b->by_client_id)
		return false;
	if (a->by_client_id)
		return a->client_id_length == b->client_id_length &&
		       memcmp(a->client_id, b->client_id, a->client_id_length) == 0;
	return a->htype == b->htype && a->hlen == b->hlen &&
	       memcmp(a->chaddr, b->chaddr, a->hlen) == 0;
}

static bool
look(void *context, const struct dhcp_lease *lease)
{
	struct seen *seen = context;
	uint32_t index = lease->address - NETWORK;

	require(is_configured(lease->address), "a lease outside of pools and reservations");
	require(!seen->addresses[index], "two leases of one address");
	seen->addresses[index] = true;
	require(!(lease->held && lease->declined), "held and declined");
	require(!lease->held || lease->expires >= 1, "held and over");
	for (unsigned i = 0; i < seen->count; i++)
		require(!same_owner(&seen->leases[i], lease), "two leases of one client");
	require(memchr(lease->host_name, 0, sizeof(lease->host_name)) != NULL, "endless name");
	seen->at[index] = (uint8_t)seen->count;
	seen->leases[seen->count++] = *lease;
	seen->held += lease->held;
	return true;
}

static void
look_at_all(struct seen *seen)
{
	seen->held = seen->count = 0;
	memset(seen->addresses, 0, sizeof(seen->addresses));
	dhcp_server_walk(server, now, 1000000, look, seen);
	require(seen->held == dhcp_server_held(server), "the held ones are not counted right");
}

static void
check(void)
{
	struct seen seen;

	look_at_all(&seen);
}

/* By a message, a lease may end, but not become another's. */
static void
check_nobody_lost(const struct seen *before)
{
	struct seen after;

	look_at_all(&after);
	for (unsigned i = 0; i < SMALL; i++) {
		const struct dhcp_lease *was, *is;

		if (!before->addresses[i])
			continue;
		was = &before->leases[before->at[i]];
		is = after.addresses[i] ? &after.leases[after.at[i]] : NULL;
		if (was->declined)
			require(is != NULL && is->declined, "a quarantine has ended");
		if (was->held && is != NULL && is->held)
			require(same_owner(was, is), "a lease was taken away");
	}
}

static void
restart(void)
{
	struct dhcp_lease *leases;
	unsigned held = dhcp_server_held(server);
	size_t count;

	require(dhcp_leases_export(server, now, 1000000, &leases, &count) == 0, "no export");
	dhcp_server_close(server);
	open_server();
	require(dhcp_leases_import(server, leases, count, now, 1000000) == count,
		"an export is not taken back");
	require(dhcp_server_held(server) == held, "a lease got lost");
	free(leases);
}

/* ---- a relay ------------------------------------------------------------------------------- */

struct relayed {
	const uint8_t *payload;
	const struct dhcp_message *message;
};

static void
judge_copy(void *context, const struct dhcp_reply *reply)
{
	const struct relayed *from = context;
	struct dhcp_message message;
	enum dhcp_parsed parsed = dhcp_parse(reply->payload, reply->length, &message);

	require(parsed == DHCP_OK || parsed == DHCP_BOOTP, "a relayed message is malformed");
	require(reply->address != 0, "a relayed message goes nowhere");
	require(message.xid == from->message->xid && message.type == from->message->type &&
			memcmp(reply->payload + DHCP_CHADDR, from->payload + DHCP_CHADDR,
				DHCP_HEADER_LENGTH - DHCP_CHADDR) == 0,
		"a relay changed what is not its own");
	for (unsigned code = 1; code < 255 && parsed == DHCP_OK; code++) {
		require(code == DHCP_OPTION_RELAY ||
				(message.present[code] == from->message->present[code] &&
					message.lengths[code] == from->message->lengths[code] &&
					memcmp(message.bytes + message.at[code],
						from->message->bytes + from->message->at[code],
						message.lengths[code]) == 0),
			"a relay changed an option");
	}
	if (message.op == DHCP_REPLY_OP)
		require((!message.present[DHCP_OPTION_RELAY] ||
				from->message->present[DHCP_OPTION_OVERLOAD]),
			"relay agent information reaches a client");
}

static void
relay(const uint8_t *payload, size_t length)
{
	struct dhcp_relay_config config = { .address = SERVER,
		.servers = { 0xc0000201 },
		.n_servers = 1,
		.circuit = "port",
		.circuit_length = 4,
		.trusted = configuration == 1 };
	struct dhcp_relay agent;
	struct dhcp_message message;
	struct relayed from = { payload, &message };

	dhcp_relay_open(&agent, &config);
	dhcp_parse(payload, length, &message);
	dhcp_relay_from_client(&agent, payload, length, judge_copy, &from);
	dhcp_relay_from_server(&agent, payload, length, judge_copy, &from);
}

/* ---- steps --------------------------------------------------------------------------------- */

static void
receive(const uint8_t *payload, size_t length)
{
	/* memory of its own, so that the sanitizer sees a look beyond the end */
	uint8_t *copy = malloc(length + 1);
	enum dhcp_verdict verdict;
	unsigned before;
	struct seen seen;

	dhcp_server_timer(server, now);
	look_at_all(&seen);
	before = replies;
	memcpy(copy + 1, payload, length);
	verdict = dhcp_server_input(server, copy + 1, length, now);
	require(replies == before + (verdict == DHCP_ANSWERED), "an answer for nothing, or none");
	check_nobody_lost(&seen);
	relay(copy + 1, length);
	free(copy);
}

static void
raw_message(struct input *input)
{
	size_t length = (size_t)take(input) << 8 | take(input);

	if (length > input->size)
		length = input->size;
	receive(input->data, length);
	input->data += length;
	input->size -= length;
}

static uint32_t
take_address(struct input *input)
{
	uint8_t choice = take(input);

	return choice == 255 ? 0xc0000207 : choice == 0 ? 0 : NETWORK + choice % SMALL;
}

static void
made_message(struct input *input)
{
	uint8_t type = take(input) % 10, which = take(input), client = take(input) % CLIENTS;
	struct draft draft;

	draft_begin(&draft, (enum dhcp_type)type, client);
	if (which & 1)
		dhcp_put32(draft.bytes + DHCP_CIADDR, take_address(input));
	if (which & 2)
		draft_number(&draft, DHCP_OPTION_SERVER, SERVER + (take(input) == 1));
	if (which & 4)
		draft_number(&draft, DHCP_OPTION_REQUESTED, take_address(input));
	if (which & 8)
		dhcp_put32(draft.bytes + DHCP_GIADDR, take_address(input));
	if (which & 16)
		draft_option(&draft, DHCP_OPTION_CLIENT_ID, "\0id", 2 + take(input) % 2);
	if (which & 32) {
		draft_option(&draft, DHCP_OPTION_PARAMETERS, "\x79\x03\xcb\xc8\x77", 5);
		draft_number(&draft, DHCP_OPTION_LEASE_TIME, take(input) * 10u);
	}
	if (which & 64)
		draft_option(&draft, DHCP_OPTION_RELAY, "\1\4port\2\1x", 9);
	if (which & 128) {
		uint8_t length = take(input) % 64;

		if (length > input->size)
			length = (uint8_t)input->size;
		draft_option(&draft, take(input), input->data, input->size < length ? 0 : length);
	}
	draft_end(&draft);
	receive(draft.bytes, draft.length);
}

static void
step(struct input *input)
{
	switch (take(input) % 10) {
	case 0:
		raw_message(input);
		break;
	case 1:
		now += take(input) * 8 * SECOND;
		dhcp_server_timer(server, now);
		require(dhcp_server_next(server) > now, "the timer leaves something undone");
		break;
	case 2:
		configuration = take(input) % CONFIGURATIONS;
		dhcp_server_use(server, make_subnet(), now);
		break;
	case 3:
		dhcp_server_timer(server, now);
		restart();
		break;
	case 8:
		now += take(input) * (SECOND / 100);
		dhcp_server_timer(server, now);
		break;
	case 9:
		dhcp_server_in_use(server, take_address(input), now);
		break;
	case 4:
		dhcp_server_clear(server, take_address(input));
		break;
	default:
		made_message(input);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };

	configuration = 0;
	probing = size != 0 && (data[size - 1] & 1) != 0;
	now = 1000 * SECOND;
	open_server();
	while (input.size != 0) {
		step(&input);
		check();
	}
	dhcp_server_close(server);
	return 0;
}
