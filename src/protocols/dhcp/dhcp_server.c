/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/dhcp/dhcp_private.h"

#include <stdlib.h>
#include <string.h>

#define ENDS_AT_ONCE 1024 /* of one call of the timer */

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

void
dhcp_tell(struct dhcp_server *server, enum dhcp_event_kind kind, const struct lease *lease,
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

/* ---- shared -------------------------------------------------------------------------------- */

bool
dhcp_same_client(const struct dhcp_key *a, const struct dhcp_key *b)
{
	return a != NULL && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

struct lease *
dhcp_lease_of(struct dhcp_server *server, uint32_t address, bool pooled)
{
	struct lease *lease = lease_find(&server->leases, address);

	if (lease != NULL)
		return lease;
	/* reservations are as many as they are configured */
	if (pooled && server->leases.count >= server->subnet->limit)
		return NULL;
	return lease_add(&server->leases, address, pooled);
}

/* ---- messages ------------------------------------------------------------------------------ */

enum dhcp_verdict
dhcp_server_input(struct dhcp_server *server, const uint8_t *payload, size_t length, uint64_t now)
{
	struct dhcp_message message;
	enum dhcp_parsed parsed = dhcp_parse(payload, length, &message);
	enum dhcp_verdict verdict = DHCP_MALFORMED;

	dhcp_server_timer(server, now);
	if (parsed == DHCP_OK) {
		server->counters.received[message.type]++;
		verdict = dhcp_judge(server, &message, payload, length, now);
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

/* A message that has waited for a probe is judged again. */
static void
judge_again(struct dhcp_server *server, struct lease_waiting *waiting, uint64_t now)
{
	struct dhcp_message message;

	if (dhcp_parse(waiting->bytes, waiting->length, &message) == DHCP_OK)
		dhcp_judge(server, &message, waiting->bytes, waiting->length, now);
	free(waiting);
}

static void
end_offer(struct dhcp_server *server, struct lease *lease, uint64_t now)
{
	struct lease_waiting *waiting = lease_take_waiting(lease);

	if (waiting != NULL) {
		/* nothing answered: now it is offered in earnest */
		lease->probed = now;
		judge_again(server, waiting, now);
	}
	if (lease->state == LEASE_FREE && lease_end(lease) <= now)
		lease_withdraw(&server->leases, lease);
}

void
dhcp_server_in_use(struct dhcp_server *server, uint32_t address, uint64_t now)
{
	struct lease *lease = lease_find(&server->leases, address);
	struct lease_waiting *waiting;

	if (lease == NULL || lease->waiting == NULL)
		return;
	waiting = lease_take_waiting(lease);
	dhcp_tell(server, DHCP_ADDRESS_IN_USE, lease, 0);
	lease_decline(&server->leases, lease, now + DHCP_QUARANTINE_SECONDS * SECOND);
	judge_again(server, waiting, now);
}

static void
end(struct dhcp_server *server, struct lease *lease, uint64_t now)
{
	switch ((enum lease_state)lease->state) {
	case LEASE_FREE:
		end_offer(server, lease, now);
		return;
	case LEASE_HELD:
		lease_free(&server->leases, lease, true);
		dhcp_tell(server, DHCP_LEASE_EXPIRED, lease, 0);
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
		end(server, lease, now);
	}
}

/* ---- another configuration ----------------------------------------------------------------- */

/* What the configuration still lets its owner have. */
static bool
still_fits(const struct dhcp_subnet *subnet, const struct lease *lease)
{
	const struct dhcp_reserved *reserved = dhcp_reserved_address(subnet, lease->address);

	if (reserved != NULL)
		return lease->owner == NULL || dhcp_same_client(lease->owner, &reserved->key);
	return dhcp_subnet_pooled(subnet, lease->address);
}

/* The same addresses are to be had by anybody: those that were passed over are no news. */
static bool
same_pooled(const struct dhcp_subnet *a, const struct dhcp_subnet *b)
{
	if (a->n_pools != b->n_pools || a->n_kept != b->n_kept || a->n_reserved != b->n_reserved)
		return false;
	for (unsigned i = 0; i < a->n_pools; i++) {
		if (a->pools[i].first != b->pools[i].first || a->pools[i].last != b->pools[i].last)
			return false;
	}
	for (unsigned i = 0; i < a->n_reserved; i++) {
		if (a->by_address[i]->address != b->by_address[i]->address)
			return false;
	}
	return memcmp(a->kept, b->kept, a->n_kept * sizeof(*a->kept)) == 0;
}

void
dhcp_server_use(struct dhcp_server *server, struct dhcp_subnet *subnet, uint64_t now)
{
	bool same = same_pooled(server->subnet, subnet);
	struct lease *lease, *next;

	dhcp_server_timer(server, now);
	for (lease = LIST_FIRST(&server->leases.all); lease != NULL; lease = next) {
		next = LIST_NEXT(lease, all);
		if (!still_fits(subnet, lease)) {
			if (lease->state == LEASE_HELD)
				dhcp_tell(server, DHCP_LEASE_REVOKED, lease, 0);
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
	if (!same)
		restart_fresh(server);
	server->changes++;
}

/* ---- counts -------------------------------------------------------------------------------- */

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
