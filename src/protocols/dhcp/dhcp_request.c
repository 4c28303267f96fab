/* SPDX-License-Identifier: BSD-3-Clause */
/* What a DHCPv4 server does with a client's message. */
#include "protocols/dhcp/dhcp_private.h"
#include "protocols/dhcp/dhcp_reply.h"

#include <string.h>

#define EXHAUSTED_SECONDS 10

/* A message under work. */
struct request {
	struct dhcp_server *server;
	const struct dhcp_message *message;
	const uint8_t *payload;
	size_t length;
	uint64_t now;
	struct dhcp_key client;
	const struct dhcp_reserved *reserved; /* for this client; NULL: nothing */
};

/* ---- which address may be whose ------------------------------------------------------------ */

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
	return lease->state == LEASE_HELD && !dhcp_same_client(lease->owner, &request->client);
}

/* Nobody else has it, and nobody else was offered it in earnest. */
static bool
available(const struct request *request, const struct lease *lease)
{
	if (lease->state == LEASE_DECLINED || held_by_another(request, lease))
		return false;
	return lease->offered_to == NULL || lease->contended ||
	       dhcp_same_client(lease->offered_to, &request->client) ||
	       dhcp_same_client(lease->owner, &request->client);
}

static struct lease *
choose_reserved(struct request *request)
{
	struct lease *lease;

	if (request->reserved == NULL)
		return NULL;
	lease = dhcp_lease_of(request->server, request->reserved->address, false);
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
	lease = dhcp_lease_of(request->server, address, true);
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
	dhcp_tell(server, renewed ? DHCP_LEASE_RENEWED : DHCP_LEASE_GIVEN, lease, time);
	return send_answer(request, &ack);
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

/* ---- DISCOVER: RFC 2131 4.3.1 -------------------------------------------------------------- */

/* Nobody knows what is at the address, and there is a way to find out. */
static bool
needs_probe(const struct request *request, const struct lease *lease)
{
	const struct dhcp_server *server = request->server;

	if (server->hooks.probe == NULL || lease->state != LEASE_FREE ||
		dhcp_same_client(lease->owner, &request->client))
		return false;
	return lease->probed == 0 || request->now - lease->probed >= DHCP_PROBE_SECONDS * SECOND;
}

/* As many as there may be in the time that one takes. */
static bool
may_probe(struct dhcp_server *server, uint64_t now)
{
	if (now - server->probes_since >= DHCP_PROBE_MS * (SECOND / 1000)) {
		server->probes_since = now;
		server->probes = 0;
	}
	if (server->probes == DHCP_PROBES)
		return false;
	server->probes++;
	return true;
}

/* The message is answered when the probe ends. False: it is not to wait. */
static bool
wait_for_probe(struct request *request, struct lease *lease)
{
	struct dhcp_server *server = request->server;
	bool asked =
		lease->waiting != NULL && dhcp_same_client(lease->offered_to, &request->client);

	if (!needs_probe(request, lease) || (!asked && !may_probe(server, request->now)))
		return false;
	/* one that asks again does not prolong the wait */
	if (!asked && !lease_offer(&server->leases, lease, &request->client,
			      request->now + DHCP_PROBE_MS * (SECOND / 1000)))
		return false;
	if (!lease_wait(lease, request->payload, request->length))
		return false;
	if (!asked)
		server->hooks.probe(server->hooks.context, lease->address);
	return true;
}

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
	if (wait_for_probe(request, lease))
		return DHCP_TAKEN;
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
	lease = dhcp_lease_of(server, address, dhcp_subnet_pooled(server->subnet, address));
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
	dhcp_tell(server, DHCP_LEASE_DECLINED, lease, 0);
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
	dhcp_tell(server, DHCP_LEASE_RELEASED, lease, 0);
	return DHCP_TAKEN;
}

static enum dhcp_verdict
inform(struct request *request)
{
	struct dhcp_answer ack = { .type = DHCP_ACK, .host_name = reserved_name(request) };

	if (request->message->ciaddr == 0)
		return DHCP_MALFORMED;
	if (!dhcp_subnet_is_host(request->server->subnet, request->message->ciaddr))
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
		return dhcp_subnet_is_host(subnet, message->giaddr) ? LINK_OURS : LINK_WRONG;
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
dhcp_judge(struct dhcp_server *server, const struct dhcp_message *message, const uint8_t *payload,
	size_t length, uint64_t now)
{
	struct request request = { .server = server,
		.message = message,
		.payload = payload,
		.length = length,
		.now = now };

	return judge(&request);
}
