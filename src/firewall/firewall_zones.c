/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guard calls ports by: names, which come with the first port that has them, and go. */
#include "base/error.h"
#include "firewall/firewall_objects.h"

#include <errno.h>
#include <stdlib.h>

int
zones_find(const struct firewall_zones *zones, const char *name)
{
	for (unsigned i = 0; i < RULE_PORTS; i++)
		if (zones->names[i] != NULL && strcmp(zones->names[i], name) == 0)
			return (int)i;
	return -1;
}

void
zones_free(struct firewall_zones *zones)
{
	for (unsigned i = 0; i < RULE_PORTS; i++) {
		free(zones->names[i]);
		zones->names[i] = NULL;
	}
}

/* ---- going ------------------------------------------------------------------------------------
 */

/* Those of the vport, if the firewall guards it. */
static uint64_t
guarded_as(const struct vport *vport, const struct weft_device *firewall)
{
	return vport != NULL && vport->guard == firewall->id ? 1ull << vport->guard_index : 0;
}

/* In which a port is, as it is now, or as the open change leaves it. */
static uint64_t
zones_with_ports(const struct weft_device *firewall)
{
	struct weft_device *device;
	uint64_t zones = 0;
	size_t at = 0;

	while ((device = name_map_next(&firewall->network->device_names, &at)) != NULL) {
		struct weft_vport *vport = NULL;

		TAILQ_FOREACH(vport, &device->vports, entry)
		zones |= guarded_as(vport->live, firewall);
		vport = NULL;
		while ((vport = change_vport_next(device, vport)) != NULL)
			zones |= guarded_as(change_vport_after(vport), firewall);
	}
	return zones;
}

/* Which rules, or translations, name. */
static uint64_t
zones_of_rules(const struct rule_list *rules)
{
	const struct rule *rule;
	uint64_t zones = 0;

	for (unsigned i = 0; (rule = rule_list_at(rules, i)) != NULL; i++) {
		zones |= rule->match.n_from > 0 ? rule->from : 0;
		zones |= rule->match.n_to > 0 ? rule->to : 0;
	}
	return zones;
}

/* Connections that are of such a zone end: to another one that gets its index they would seem to
 * be of that. */
void
zones_release(struct weft_device *device)
{
	struct firewall *firewall = device->data;
	uint64_t named = 0, gone;

	for (unsigned i = 0; i < RULE_PORTS; i++)
		named |= (uint64_t)(firewall->zones.names[i] != NULL) << i;
	if (named == 0)
		return;
	/* it has ports of its own again, and connections are of those */
	if (!TAILQ_EMPTY(&device->staged_vports))
		return;
	gone = named & ~zones_with_ports(device) & ~zones_of_rules(firewall->rules) &
	       ~zones_of_rules(firewall->sources) & ~zones_of_rules(firewall->destinations);
	if (gone == 0)
		return;
	firewalls_forget_places(device->network->weft, device->id, gone);
	weft_objects_lock(device->network->weft);
	for (unsigned i = 0; i < RULE_PORTS; i++)
		if (gone >> i & 1) {
			free(firewall->zones.names[i]);
			firewall->zones.names[i] = NULL;
		}
	weft_objects_unlock(device->network->weft);
}

/* ---- coming -----------------------------------------------------------------------------------
 */

static int
free_zone(const struct firewall_zones *zones)
{
	for (unsigned i = 0; i < RULE_PORTS; i++)
		if (zones->names[i] == NULL)
			return (int)i;
	return -1;
}

/* One that an aborted change has made stays until the next release. */
int
zones_obtain(struct weft_change *change, struct weft_device *device, const char *name)
{
	struct firewall *firewall = device->data;
	int zone = zones_find(&firewall->zones, name);
	char *copy;

	if (zone >= 0)
		return zone;
	if (free_zone(&firewall->zones) < 0)
		zones_release(device);
	zone = free_zone(&firewall->zones);
	if (zone < 0)
		return change_fail(change, ENOSPC, "a firewall has at most %u zones", RULE_PORTS);
	copy = strdup(name);
	if (copy == NULL)
		return change_fail(change, ENOMEM, "out of memory");
	weft_objects_lock(device->network->weft);
	firewall->zones.names[zone] = copy;
	weft_objects_unlock(device->network->weft);
	return zone;
}

void
weft_firewall_guard(struct weft_change *change, struct weft_device *device, struct weft_vport *port,
	const char *zone)
{
	int index = 0;

	if (weft_change_failed(change, NULL) || device == NULL || port == NULL ||
		!device_is(change, device, &firewall_class))
		return;
	if (zone != NULL)
		index = zones_obtain(change, device, zone);
	if (index >= 0 && change_touch(change, device) == 0)
		vport_guard(change, port, zone != NULL ? device : NULL, (uint8_t)index);
}
