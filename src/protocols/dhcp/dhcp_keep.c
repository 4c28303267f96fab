/* SPDX-License-Identifier: BSD-3-Clause */
/* The leases of a DHCPv4 server for those who look, and for the time when it is off. */
#include "protocols/dhcp/dhcp_private.h"

#include <stdlib.h>
#include <string.h>

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
	if (reserved != NULL && !dhcp_same_client(&owner, &reserved->key))
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
	lease = dhcp_lease_of(server, from->address, pooled);
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
		dhcp_tell(server, DHCP_LEASE_REVOKED, lease, 0);
	lease_free(&server->leases, lease, false);
	server->changes++;
	return true;
}
