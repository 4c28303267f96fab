/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/dhcp/dhcp_server.h"

#include "protocols/dhcp/dhcp_lease.h"
#include "protocols/dhcp/dhcp_reply.h"

#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define EXHAUSTED_SECONDS 10
#define ENDS_AT_ONCE 1024 /* of one call of the timer */

struct dhcp_server {
	struct dhcp_subnet *subnet;
	struct dhcp_hooks hooks;
	struct lease_table leases;
	/* the next address of the pools that may never have been thought of */
	unsigned fresh_pool;
	uint32_t fresh;
	uint64_t changes;
	uint64_t exhausted_told; /* 0: never */
	struct dhcp_counters counters;
};

/* A message under work. */
struct request {
	struct dhcp_server *server;
	const struct dhcp_message *message;
	uint64_t now;
	struct dhcp_key client;
	const struct dhcp_reserved *reserved; /* for this client; NULL: nothing */
};

/* ---- life ---------------------------------------------------------------------------------- */

static void
restart_fresh(struct dhcp_server *server)
{
	server->fresh_pool = 0;
	server->fresh = server->subnet->n_pools != 0 ? server->subnet->pools[0].first : 0;
}

struct dhcp_server *
dhcp_server_open(struct dhcp_subnet *subnet, const struct dhcp_hooks *hooks)
{
	struct dhcp_server *server = calloc(1, sizeof(*server));
	struct hash_key hash;

	if (server == NULL)
		return NULL;
	server->subnet = subnet;
	server->hooks = *hooks;
	for (unsigned i = 0; i < sizeof(hash.words) / sizeof(hash.words[0]); i++)
		hash.words[i] = (uint64_t)hooks->random(hooks->context) << 32 |
				hooks->random(hooks->context);
	lease_table_open(&server->leases, &hash);
	restart_fresh(server);
	return server;
}

void
dhcp_server_close(struct dhcp_server *server)
{
	if (server == NULL)
		return;
	lease_table_close(&server->leases);
	dhcp_subnet_free(server->subnet);
	free(server);
}

/* ---- events -------------------------------------------------------------------------------- */

static void
tell(struct dhcp_server *server, enum dhcp_event_kind kind, const struct lease *lease,
	uint32_t seconds)
{
	struct dhcp_event event = {
		.kind = kind,
		.address = lease->address,
		.htype = lease->htype,
		.hlen = lease->hlen,
		.chaddr = lease->chaddr,
		.host_name = lease->host_name,
		.seconds = seconds,
	};

	server->changes++;
	if (server->hooks.event != NULL)
		server->hooks.event(server->hooks.context, &event);
}

static enum dhcp_verdict
exhausted(struct request *request)
{
	struct dhcp_server *server = request->server;
	struct dhcp_event event = {
		.kind = DHCP_POOL_EXHAUSTED,
		.htype = request->message->htype,
		.hlen = request->message->hlen,
		.chaddr = request->message->chaddr,
		.host_name = "",
	};

	if (server->hooks.event == NULL)
		return DHCP_EXHAUSTED;
	if (server->exhausted_told != 0 &&
		request->now - server->exhausted_told < EXHAUSTED_SECONDS * SECOND)
		return DHCP_EXHAUSTED;
	server->exhausted_told = request->now != 0 ? request->now : 1;
	server->hooks.event(server->hooks.context, &event);
	return DHCP_EXHAUSTED;
}

/* ---- which address may be whose ------------------------------------------------------------ */

static bool
same_client(const struct dhcp_key *a, const struct dhcp_key *b)
{
	return a != NULL && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* The configuration lets this client have it. */
static bool
allowed(const struct request *request, uint32_t address)
{
	if (request->reserved != NULL && request->reserved->address == address)
		return true;
	return dhcp_subnet_pooled(request->server->subnet, address);
}

static bool
held_by_another(const struct request *request, const struct lease *lease)
{
	return lease->state == LEASE_HELD && !same_client(lease->owner, &request->client);
}

/* Nobody else has it, and nobody else was offered it in earnest. */
static bool
available(const struct request *request, const struct lease *lease)
{
	if (lease->state == LEASE_DECLINED || held_by_another(request, lease))
		return false;
	return lease->offered_to == NULL || lease->contended ||
	       same_client(lease->offered_to, &request->client) ||
	       same_client(lease->owner, &request->client);
}

/* The lease of an address, made if it is not there. NULL: no memory, or the limit is reached. */
static struct lease *
lease_of(struct dhcp_server *server, uint32_t address, bool pooled)
{
	struct lease *lease = lease_find(&server->leases, address);

	if (lease != NULL)
		return lease;
	/* reservations are as many as they are configured */
	if (pooled && server->leases.count >= server->subnet->limit)
		return NULL;
	return lease_add(&server->leases, address, pooled);
}

static struct lease *
choose_reserved(struct request *request)
{
	struct lease *lease;

	if (request->reserved == NULL)
		return NULL;
	lease = lease_of(request->server, request->reserved->address, false);
	if (lease == NULL || lease->state == LEASE_DECLINED || held_by_another(request, lease))
		return NULL;
	return lease;
}

static struct lease *
choose_known(struct request *request)
{
	struct lease *lease = lease_owned(&request->server->leases, &request->client);

	if (lease != NULL && allowed(request, lease->address))
		return lease;
	lease = lease_offered(&request->server->leases, &request->client);
	return lease != NULL && allowed(request, lease->address) ? lease : NULL;
}

/* The address that the client asks for, if it is nobody's. */
static struct lease *
choose_requested(struct request *request)
{
	uint32_t address = dhcp_option_number(request->message, DHCP_OPTION_REQUESTED, 0);
	struct lease *lease;

	if (!dhcp_subnet_pooled(request->server->subnet, address))
		return NULL;
	lease = lease_of(request->server, address, true);
	if (lease == NULL || lease->state != LEASE_FREE || lease->offered_to != NULL)
		return NULL;
	return lease;
}

/* An address of the pools that was never thought of. Each is looked at once. */
static struct lease *
choose_fresh(struct dhcp_server *server)
{
	const struct dhcp_subnet *subnet = server->subnet;

	if (server->leases.count >= subnet->limit)
		return NULL;
	while (server->fresh_pool < subnet->n_pools) {
		uint32_t address = server->fresh++;

		if (address > subnet->pools[server->fresh_pool].last) {
			if (++server->fresh_pool < subnet->n_pools)
				server->fresh = subnet->pools[server->fresh_pool].first;
			continue;
		}
		if (dhcp_subnet_pooled(subnet, address) &&
			lease_find(&server->leases, address) == NULL)
			return lease_add(&server->leases, address, true);
	}
	return NULL;
}

/* RFC 2131 4.3.1, in the order that the header tells. */
static struct lease *
choose(struct request *request)
{
	struct dhcp_server *server = request->server;
	struct lease *lease;

	if ((lease = choose_reserved(request)) != NULL)
		return lease;
	if ((lease = choose_known(request)) != NULL)
		return lease;
	if ((lease = choose_requested(request)) != NULL)
		return lease;
	/* what nobody had yet is first in the list; it is there when its offer has ended */
	lease = TAILQ_FIRST(&server->leases.free);
	if (lease != NULL && lease->owner == NULL)
		return lease;
	if ((lease = choose_fresh(server)) != NULL)
		return lease;
	lease = TAILQ_FIRST(&server->leases.free);
	return lease != NULL ? lease : TAILQ_FIRST(&server->leases.offered);
}

/* ---- answers ------------------------------------------------------------------------------- */

static enum dhcp_verdict
send_answer(struct request *request, const struct dhcp_answer *answer)
{
	struct dhcp_server *server = request->server;
	uint8_t buffer[DHCP_MESSAGE_LIMIT];
	struct dhcp_reply reply;

	dhcp_answer_address(request->message, answer, &reply);
	reply.payload = buffer;
	reply.length = dhcp_answer_write(
		server->subnet, request->message, answer, buffer, &server->counters.omitted);
	server->counters.sent[answer->type]++;
	server->hooks.send(server->hooks.context, &reply);
	return DHCP_ANSWERED;
}

static enum dhcp_verdict
refuse(struct request *request, const char *message)
{
	struct dhcp_answer nak = { .type = DHCP_NAK, .message = message };

	return send_answer(request, &nak);
}

/* A client may ask for less than it would get. */
static uint32_t
lease_time(const struct request *request)
{
	uint32_t time = request->server->subnet->lease_time;
	uint32_t wanted = dhcp_option_number(request->message, DHCP_OPTION_LEASE_TIME, time);

	if (wanted >= time)
		return time;
	return wanted > DHCP_LEASE_LEAST ? wanted : DHCP_LEASE_LEAST;
}

static const char *
reserved_name(const struct request *request)
{
	return request->reserved != NULL ? request->reserved->host_name : NULL;
}

/* What a client calls itself, as far as it is fit to be shown. */
static void
take_host_name(const struct request *request, struct lease *lease)
{
	unsigned length, at = 0;
	const uint8_t *name = dhcp_option(request->message, DHCP_OPTION_HOST_NAME, &length);
	const char *reserved = reserved_name(request);

	if (reserved != NULL) {
		strcpy(lease->host_name, reserved);
		return;
	}
	if (name == NULL)
		return;
	for (unsigned i = 0; i < length && at < DHCP_NAME_LENGTH; i++) {
		if (name[i] > ' ' && name[i] < 0x7f && name[i] != '"' && name[i] != '\\')
			lease->host_name[at++] = (char)name[i];
	}
	lease->host_name[at] = '\0';
}

/* The client has the lease from now on, and is told so. */
static enum dhcp_verdict
give(struct request *request, struct lease *lease)
{
	const struct dhcp_message *message = request->message;
	struct dhcp_server *server = request->server;
	uint32_t time = lease_time(request);
	bool renewed = lease->state == LEASE_HELD;
	struct dhcp_answer ack = {
		.type = DHCP_ACK,
		.yiaddr = lease->address,
		.lease_time = time,
		.host_name = reserved_name(request),
	};

	if (!lease_hold(&server->leases, lease, &request->client,
		    time == DHCP_LEASE_FOREVER ? LEASE_NEVER : request->now + time * SECOND))
		return DHCP_EXHAUSTED;
	if (!renewed)
		lease->since = request->now;
	lease->htype = message->htype;
	lease->hlen = message->hlen;
	memcpy(lease->chaddr, message->chaddr, sizeof(lease->chaddr));
	take_host_name(request, lease);
	tell(server, renewed ? DHCP_LEASE_RENEWED : DHCP_LEASE_GIVEN, lease, time);
	return send_answer(request, &ack);
}

/* ---- DISCOVER: RFC 2131 4.3.1 -------------------------------------------------------------- */

static enum dhcp_verdict
discover(struct request *request)
{
	struct dhcp_answer offer = { .type = DHCP_OFFER, .lease_time = lease_time(request) };
	struct lease *lease;

	if (request->message->ciaddr != 0)
		return DHCP_MALFORMED;
	lease = choose(request);
	if (lease == NULL)
		return exhausted(request);
	if (lease->state == LEASE_FREE &&
		!lease_offer(&request->server->leases, lease, &request->client,
			request->now + DHCP_OFFER_SECONDS * SECOND))
		return DHCP_EXHAUSTED;
	offer.yiaddr = lease->address;
	offer.host_name = reserved_name(request);
	return send_answer(request, &offer);
}

/* ---- REQUEST: RFC 2131 4.3.2 --------------------------------------------------------------- */

/* It could have what is reserved for it, and has another. */
static bool
should_move(struct request *request, uint32_t address)
{
	struct lease *lease = choose_reserved(request);

	return lease != NULL && lease->address != address;
}

/* "DHCPREQUEST generated during SELECTING state" */
static enum dhcp_verdict
selecting(struct request *request, uint32_t server_id)
{
	struct dhcp_server *server = request->server;
	uint32_t address = dhcp_option_number(request->message, DHCP_OPTION_REQUESTED, 0);
	struct lease *lease;

	if (server_id != server->subnet->server) {
		/* it took another server's offer */
		lease = lease_offered(&server->leases, &request->client);
		if (lease != NULL)
			lease_withdraw(&server->leases, lease);
		return DHCP_SILENT;
	}
	if (address == 0 || request->message->ciaddr != 0)
		return DHCP_MALFORMED;
	lease = lease_find(&server->leases, address);
	if (lease == NULL || !allowed(request, address) || !available(request, lease))
		return refuse(request, "this address is not for you");
	return give(request, lease);
}

static enum dhcp_verdict
wrong_network(struct request *request)
{
	if (!request->server->subnet->authoritative)
		return DHCP_SILENT;
	return refuse(request, "this address is of another network");
}

/* "DHCPREQUEST generated during INIT-REBOOT state" */
static enum dhcp_verdict
init_reboot(struct request *request, uint32_t address)
{
	struct dhcp_server *server = request->server;
	struct lease *lease;

	if (request->message->ciaddr != 0)
		return DHCP_MALFORMED;
	if (!dhcp_subnet_contains(server->subnet, address))
		return wrong_network(request);
	lease = choose_reserved(request);
	if (lease == NULL)
		lease = lease_owned(&server->leases, &request->client);
	/* "If the DHCP server has no record of this client, then it MUST remain silent" */
	if (lease == NULL)
		return DHCP_SILENT;
	if (lease->address != address || !allowed(request, address) || !available(request, lease))
		return refuse(request, "you had another address");
	return give(request, lease);
}

/* Of a client that we do not know: a server that lost its memory takes on whom it finds. */
static enum dhcp_verdict
take_on(struct request *request, uint32_t address)
{
	struct dhcp_server *server = request->server;
	struct lease *lease;

	if (!server->subnet->authoritative)
		return DHCP_SILENT;
	if (!allowed(request, address))
		return refuse(request, "this address is not for you");
	lease = lease_of(server, address, dhcp_subnet_pooled(server->subnet, address));
	if (lease == NULL)
		return exhausted(request);
	if (!available(request, lease))
		return refuse(request, "this address is another's");
	return give(request, lease);
}

/* "DHCPREQUEST generated during RENEWING state", "REBINDING state" */
static enum dhcp_verdict
renew(struct request *request)
{
	struct dhcp_server *server = request->server;
	uint32_t address = request->message->ciaddr;
	struct lease *lease;

	if (!dhcp_subnet_contains(server->subnet, address))
		return wrong_network(request);
	if (should_move(request, address))
		return refuse(request, "another address is reserved for you");
	lease = lease_owned(&server->leases, &request->client);
	if (lease == NULL)
		return take_on(request, address);
	if (lease->address != address || !allowed(request, address) || !available(request, lease))
		return refuse(request, "you have another address");
	return give(request, lease);
}

static enum dhcp_verdict
request_address(struct request *request)
{
	uint32_t server_id = dhcp_option_number(request->message, DHCP_OPTION_SERVER, 0);
	uint32_t address = dhcp_option_number(request->message, DHCP_OPTION_REQUESTED, 0);

	if (server_id != 0)
		return selecting(request, server_id);
	if (address != 0)
		return init_reboot(request, address);
	return request->message->ciaddr != 0 ? renew(request) : DHCP_MALFORMED;
}

/* ---- the others: RFC 2131 4.3.3 to 4.3.5 --------------------------------------------------- */

static bool
names_another_server(const struct request *request)
{
	uint32_t own = request->server->subnet->server;

	return dhcp_option_number(request->message, DHCP_OPTION_SERVER, own) != own;
}

static enum dhcp_verdict
decline(struct request *request)
{
	struct dhcp_server *server = request->server;
	uint32_t address = dhcp_option_number(request->message, DHCP_OPTION_REQUESTED, 0);
	struct lease *lease;

	if (address == 0)
		return DHCP_MALFORMED;
	lease = lease_find(&server->leases, address);
	/* only who has it can know */
	if (names_another_server(request) || lease == NULL || lease->state != LEASE_HELD ||
		held_by_another(request, lease))
		return DHCP_SILENT;
	tell(server, DHCP_LEASE_DECLINED, lease, 0);
	lease_decline(&server->leases, lease, request->now + DHCP_QUARANTINE_SECONDS * SECOND);
	return DHCP_TAKEN;
}

static enum dhcp_verdict
release(struct request *request)
{
	struct dhcp_server *server = request->server;
	struct lease *lease;

	if (request->message->ciaddr == 0)
		return DHCP_MALFORMED;
	lease = lease_find(&server->leases, request->message->ciaddr);
	if (names_another_server(request) || lease == NULL || lease->state != LEASE_HELD ||
		held_by_another(request, lease))
		return DHCP_SILENT;
	lease_free(&server->leases, lease, true);
	lease->expires = request->now;
	tell(server, DHCP_LEASE_RELEASED, lease, 0);
	return DHCP_TAKEN;
}

/* A host of the network, neither the network's own address nor its broadcast. */
static bool
is_host(const struct dhcp_subnet *subnet, uint32_t address)
{
	return dhcp_subnet_contains(subnet, address) && address != subnet->prefix &&
	       address != (subnet->prefix | ~subnet->mask);
}

static enum dhcp_verdict
inform(struct request *request)
{
	struct dhcp_answer ack = { .type = DHCP_ACK, .host_name = reserved_name(request) };

	if (request->message->ciaddr == 0)
		return DHCP_MALFORMED;
	if (!is_host(request->server->subnet, request->message->ciaddr))
		return DHCP_SILENT;
	return send_answer(request, &ack);
}

/* ---- all of them --------------------------------------------------------------------------- */

static bool
is_unicast_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return (mac[0] & 1) == 0 && memcmp(mac, none, 6) != 0;
}

/* Who asks, and what is reserved for him. False: nobody. */
static bool
identify(struct request *request)
{
	const struct dhcp_message *message = request->message;
	const struct dhcp_subnet *subnet = request->server->subnet;
	struct dhcp_key hardware;
	unsigned length;
	const uint8_t *id = dhcp_option(message, DHCP_OPTION_CLIENT_ID, &length);

	/* of a client that is answered by its MAC, it has to be one */
	if (message->giaddr == 0 && (message->htype != DHCP_ETHERNET || message->hlen != 6))
		return false;
	if (message->htype == DHCP_ETHERNET && message->hlen == 6 &&
		!is_unicast_mac(message->chaddr))
		return false;
	if (id == NULL && message->hlen == 0)
		return false;
	dhcp_key_hardware(&hardware, message->htype, message->chaddr, message->hlen);
	if (id != NULL)
		dhcp_key_client_id(&request->client, id, length);
	else
		request->client = hardware;
	request->reserved = dhcp_reserved_key(subnet, &request->client);
	if (request->reserved == NULL)
		request->reserved = dhcp_reserved_key(subnet, &hardware);
	if (request->reserved != NULL)
		request->client = request->reserved->key;
	return true;
}

enum link { LINK_OURS, LINK_OTHER, LINK_WRONG };

/* Which network the client is in (RFC 2131 4.3.1): the relay's, or the one it was heard on. */
static enum link
link_of(const struct dhcp_subnet *subnet, const struct dhcp_message *message)
{
	if (message->giaddr != 0) {
		if (!dhcp_subnet_contains(subnet, message->giaddr))
			return LINK_OTHER;
		return is_host(subnet, message->giaddr) ? LINK_OURS : LINK_WRONG;
	}
	if (dhcp_subnet_contains(subnet, subnet->server))
		return LINK_OURS;
	/* a client behind a relay renews, releases and informs without it */
	return message->ciaddr != 0 && dhcp_subnet_contains(subnet, message->ciaddr) ? LINK_OURS
										     : LINK_OTHER;
}

static enum dhcp_verdict
judge(struct request *request)
{
	if (request->message->op != DHCP_REQUEST_OP)
		return DHCP_MALFORMED;
	switch (link_of(request->server->subnet, request->message)) {
	case LINK_OTHER:
		return DHCP_NOT_OURS;
	case LINK_WRONG:
		return DHCP_MALFORMED;
	case LINK_OURS:
		break;
	}
	if (!identify(request))
		return DHCP_MALFORMED;
	switch ((enum dhcp_type)request->message->type) {
	case DHCP_DISCOVER:
		return discover(request);
	case DHCP_REQUEST:
		return request_address(request);
	case DHCP_DECLINE:
		return decline(request);
	case DHCP_RELEASE:
		return release(request);
	case DHCP_INFORM:
		return inform(request);
	default:
		return DHCP_MALFORMED; /* a server's */
	}
}

enum dhcp_verdict
dhcp_server_input(struct dhcp_server *server, const uint8_t *payload, size_t length, uint64_t now)
{
	struct dhcp_message message;
	struct request request = { .server = server, .message = &message, .now = now };
	enum dhcp_parsed parsed = dhcp_parse(payload, length, &message);
	enum dhcp_verdict verdict = DHCP_MALFORMED;

	dhcp_server_timer(server, now);
	if (parsed == DHCP_OK) {
		server->counters.received[message.type]++;
		verdict = judge(&request);
	} else if (parsed == DHCP_BOOTP) {
		verdict = DHCP_SILENT;
	}
	server->counters.verdicts[verdict]++;
	return verdict;
}

/* ---- time ---------------------------------------------------------------------------------- */

uint64_t
dhcp_server_next(const struct dhcp_server *server)
{
	const struct lease *lease = lease_first_end(&server->leases);

	return lease != NULL ? lease_end(lease) : LEASE_NEVER;
}

static void
end(struct dhcp_server *server, struct lease *lease)
{
	switch ((enum lease_state)lease->state) {
	case LEASE_FREE:
		lease_withdraw(&server->leases, lease);
		return;
	case LEASE_HELD:
		lease_free(&server->leases, lease, true);
		tell(server, DHCP_LEASE_EXPIRED, lease, 0);
		return;
	case LEASE_DECLINED:
		lease_free(&server->leases, lease, false);
		server->changes++;
		return;
	}
}

void
dhcp_server_timer(struct dhcp_server *server, uint64_t now)
{
	struct lease *lease;

	for (unsigned i = 0; i < ENDS_AT_ONCE; i++) {
		lease = lease_first_end(&server->leases);
		if (lease == NULL || lease_end(lease) > now)
			return;
		end(server, lease);
	}
}

/* ---- another configuration ----------------------------------------------------------------- */

/* What the configuration still lets its owner have. */
static bool
still_fits(const struct dhcp_subnet *subnet, const struct lease *lease)
{
	const struct dhcp_reserved *reserved = dhcp_reserved_address(subnet, lease->address);

	if (reserved != NULL)
		return lease->owner == NULL || same_client(lease->owner, &reserved->key);
	return dhcp_subnet_pooled(subnet, lease->address);
}

void
dhcp_server_use(struct dhcp_server *server, struct dhcp_subnet *subnet, uint64_t now)
{
	struct lease *lease, *next;

	dhcp_server_timer(server, now);
	for (lease = LIST_FIRST(&server->leases.all); lease != NULL; lease = next) {
		next = LIST_NEXT(lease, all);
		if (!still_fits(subnet, lease)) {
			if (lease->state == LEASE_HELD)
				tell(server, DHCP_LEASE_REVOKED, lease, 0);
			lease_remove(&server->leases, lease);
			continue;
		}
		if (dhcp_reserved_address(subnet, lease->address) != NULL &&
			lease->offered_to != NULL)
			lease_withdraw(&server->leases, lease);
		lease_set_pooled(
			&server->leases, lease, dhcp_subnet_pooled(subnet, lease->address));
	}
	dhcp_subnet_free(server->subnet);
	server->subnet = subnet;
	restart_fresh(server);
	server->changes++;
}

/* ---- looking, and keeping ------------------------------------------------------------------ */

const struct dhcp_counters *
dhcp_server_counters(const struct dhcp_server *server)
{
	return &server->counters;
}

uint64_t
dhcp_server_changes(const struct dhcp_server *server)
{
	return server->changes;
}

uint32_t
dhcp_server_held(const struct dhcp_server *server)
{
	return (uint32_t)server->leases.held;
}

uint64_t
dhcp_server_pool_size(const struct dhcp_server *server)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < server->subnet->n_pools; i++)
		size += (uint64_t)server->subnet->pools[i].last - server->subnet->pools[i].first +
			1;
	return size;
}

/* Seconds on the wall of a time of the engine. */
static uint64_t
on_wall(uint64_t time, uint64_t now, uint64_t wall)
{
	uint64_t ago;

	if (time == LEASE_NEVER)
		return UINT64_MAX;
	if (time >= now)
		return wall + (time - now + SECOND - 1) / SECOND;
	ago = (now - time) / SECOND;
	return ago < wall ? wall - ago : 0;
}

static void
show(const struct lease *lease, uint64_t now, uint64_t wall, struct dhcp_lease *shown)
{
	const struct dhcp_key *owner = lease->owner;

	memset(shown, 0, sizeof(*shown));
	shown->address = lease->address;
	shown->declined = lease->state == LEASE_DECLINED;
	shown->held = lease->state == LEASE_HELD;
	shown->htype = lease->htype;
	shown->hlen = lease->hlen;
	memcpy(shown->chaddr, lease->chaddr, sizeof(shown->chaddr));
	memcpy(shown->host_name, lease->host_name, sizeof(shown->host_name));
	shown->since = on_wall(lease->since, now, wall);
	shown->expires = on_wall(lease->expires, now, wall);
	if (owner == NULL || owner->bytes[0] != DHCP_KEY_CLIENT_ID)
		return;
	shown->by_client_id = true;
	shown->client_id_length = (uint8_t)(owner->length - 1);
	memcpy(shown->client_id, owner->bytes + 1, shown->client_id_length);
}

/* Nobody's and never used: nothing to tell. */
static bool
has_story(const struct lease *lease)
{
	return lease->owner != NULL || lease->state == LEASE_DECLINED;
}

void
dhcp_server_walk(const struct dhcp_server *server, uint64_t now, uint64_t wall,
	bool (*look)(void *context, const struct dhcp_lease *lease), void *context)
{
	const struct lease *lease;
	struct dhcp_lease shown;

	LIST_FOREACH(lease, &server->leases.all, all)
	{
		if (!has_story(lease))
			continue;
		show(lease, now, wall, &shown);
		if (!look(context, &shown))
			return;
	}
}

int
dhcp_leases_export(const struct dhcp_server *server, uint64_t now, uint64_t wall,
	struct dhcp_lease **leases, size_t *count)
{
	const struct lease *lease;

	*count = 0;
	*leases = malloc((server->leases.count + 1) * sizeof(**leases));
	if (*leases == NULL)
		return -1;
	LIST_FOREACH(lease, &server->leases.all, all)
	{
		if (has_story(lease))
			show(lease, now, wall, &(*leases)[(*count)++]);
	}
	return 0;
}

/* Engine time of seconds on the wall. */
static uint64_t
from_wall(uint64_t seconds, uint64_t now, uint64_t wall)
{
	uint64_t distance;

	if (seconds == UINT64_MAX)
		return LEASE_NEVER;
	if (seconds >= wall) {
		distance = seconds - wall;
		if (distance > UINT32_MAX) /* of a wall clock that was wrong */
			distance = UINT32_MAX;
		return now + distance * SECOND;
	}
	distance = wall - seconds;
	return distance < now / SECOND ? now - distance * SECOND : 0;
}

static bool
import_owner(const struct dhcp_lease *from, struct dhcp_key *owner)
{
	if (from->by_client_id) {
		if (from->client_id_length < 2)
			return false;
		dhcp_key_client_id(owner, from->client_id, from->client_id_length);
		return true;
	}
	if (from->hlen == 0 || from->hlen > DHCP_CHADDR_LENGTH)
		return false;
	dhcp_key_hardware(owner, from->htype, from->chaddr, from->hlen);
	return true;
}

static void
import_rest(struct lease *lease, const struct dhcp_lease *from, uint64_t now, uint64_t wall)
{
	uint64_t since = from_wall(from->since, now, wall);

	lease->since = since < now ? since : now;
	lease->htype = from->htype;
	lease->hlen = from->hlen <= DHCP_CHADDR_LENGTH ? from->hlen : 0;
	memcpy(lease->chaddr, from->chaddr, sizeof(lease->chaddr));
	memcpy(lease->host_name, from->host_name, DHCP_NAME_LENGTH);
}

static bool
import_lease(struct dhcp_server *server, struct lease *lease, const struct dhcp_lease *from,
	uint64_t now, uint64_t wall)
{
	const struct dhcp_reserved *reserved = dhcp_reserved_address(server->subnet, from->address);
	uint64_t expires = from_wall(from->expires, now, wall);
	struct dhcp_key owner;

	if (from->declined) {
		if (expires > now + DHCP_QUARANTINE_SECONDS * SECOND)
			expires = now + DHCP_QUARANTINE_SECONDS * SECOND;
		lease_decline(&server->leases, lease, expires);
		return true;
	}
	if (!import_owner(from, &owner) || lease_owned(&server->leases, &owner) != NULL)
		return false;
	if (reserved != NULL && !same_client(&owner, &reserved->key))
		return false;
	if (from->held && expires > now) {
		if (!lease_hold(&server->leases, lease, &owner, expires))
			return false;
	} else {
		if (!lease_remember(&server->leases, lease, &owner))
			return false;
		lease->expires = expires < now ? expires : now;
	}
	import_rest(lease, from, now, wall);
	return true;
}

static int
older_end(const void *a, const void *b)
{
	const struct dhcp_lease *x = *(const struct dhcp_lease *const *)a;
	const struct dhcp_lease *y = *(const struct dhcp_lease *const *)b;

	return (x->expires > y->expires) - (x->expires < y->expires);
}

static bool
import_one(struct dhcp_server *server, const struct dhcp_lease *from, uint64_t now, uint64_t wall)
{
	const struct dhcp_subnet *subnet = server->subnet;
	bool pooled = dhcp_subnet_pooled(subnet, from->address);
	struct lease *lease = lease_find(&server->leases, from->address);

	if (!pooled && dhcp_reserved_address(subnet, from->address) == NULL)
		return false;
	if (lease != NULL && (has_story(lease) || lease->offered_to != NULL))
		return false;
	lease = lease_of(server, from->address, pooled);
	return lease != NULL && import_lease(server, lease, from, now, wall);
}

size_t
dhcp_leases_import(struct dhcp_server *server, const struct dhcp_lease *leases, size_t count,
	uint64_t now, uint64_t wall)
{
	const struct dhcp_lease **order = malloc((count + 1) * sizeof(*order));
	size_t taken = 0;

	if (order == NULL)
		return 0;
	for (size_t i = 0; i < count; i++)
		order[i] = &leases[i];
	/* so that the list of free ones is in the order in which they became free */
	qsort(order, count, sizeof(*order), older_end);
	for (size_t i = 0; i < count; i++)
		taken += import_one(server, order[i], now, wall);
	free(order);
	return taken;
}

bool
dhcp_server_clear(struct dhcp_server *server, uint32_t address)
{
	struct lease *lease = lease_find(&server->leases, address);

	if (lease == NULL || lease->state == LEASE_FREE)
		return false;
	if (lease->state == LEASE_HELD)
		tell(server, DHCP_LEASE_REVOKED, lease, 0);
	lease_free(&server->leases, lease, false);
	server->changes++;
	return true;
}
