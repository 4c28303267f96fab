/* SPDX-License-Identifier: BSD-3-Clause */
/* Learning, moving, and the limits on both. Workers, except where it says otherwise. */
#include "switch/switch_objects.h"

/* ---- counts and limits ---------------------------------------------------------------------- */

static bool
take_one(_Atomic uint32_t *count, uint32_t limit)
{
	uint32_t there = atomic_load_explicit(count, memory_order_relaxed);

	while (there < limit) {
		if (atomic_compare_exchange_weak_explicit(
			    count, &there, there + 1, memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return false;
}

static void
give_one(_Atomic uint32_t *count)
{
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

static bool
take_of_switch(struct virtual_switch *owner)
{
	const struct switch_live *live = atomic_load_explicit(&owner->live, memory_order_acquire);
	uint32_t network_limit =
		__atomic_load_n(&owner->network->config.mac_limit, __ATOMIC_RELAXED);

	if (!take_one(&owner->macs, live->mac_limit))
		return false;
	if (take_one(&owner->network->macs, network_limit))
		return true;
	give_one(&owner->macs);
	return false;
}

static void
give_to_switch(struct virtual_switch *owner)
{
	give_one(&owner->macs);
	give_one(&owner->network->macs);
}

static _Atomic uint32_t *
count_of(const struct switch_port *port, uint32_t epoch)
{
	return &port->station->macs[epoch & 1];
}

/* All three, or none. */
static bool
take_all(const struct switch_ingress *ingress)
{
	_Atomic uint32_t *count = count_of(ingress->port, ingress->epoch);

	if (!take_one(count, ingress->port->mac_limit))
		return false;
	if (take_of_switch(ingress->port->owner))
		return true;
	give_one(count);
	return false;
}

static void
give_all(const struct switch_ingress *ingress)
{
	give_to_switch(ingress->port->owner);
	give_one(count_of(ingress->port, ingress->epoch));
}

void
switch_forget(const struct switch_port *port, uint32_t stamp)
{
	give_to_switch(port->owner);
	give_one(count_of(port, mac_stamp_epoch(stamp)));
}

/* ---- notices -------------------------------------------------------------------------------- */

static void
tell(struct worker *worker, enum punt_reason reason, uint32_t vport, uint32_t other, uint64_t key)
{
	struct punt_notice notice = {
		.vport = vport, .other = other, .vlan = switch_vlan_told(mac_key_vlan(key))
	};

	mac_key_address(key, notice.mac);
	worker_notice(worker, reason, &notice);
}

static void
remember_flap(struct switch_flap *flap, const struct switch_ingress *ingress, uint32_t other,
	uint64_t key)
{
	if (atomic_exchange_explicit(&flap->lock, true, memory_order_acquire))
		return; /* another worker is about it */
	if (flap->key == 0 || ingress->second - flap->last > SWITCH_LOOP_REMEMBERED)
		flap->since = ingress->second;
	flap->last = ingress->second;
	flap->key = key;
	flap->vports[0] = other;
	flap->vports[1] = ingress->vport->id;
	atomic_store_explicit(&flap->lock, false, memory_order_release);
}

/* ---- learning ---------------------------------------------------------------------------------
 */

static void
learn_new(struct worker *worker, struct mac_array *array, const struct switch_ingress *ingress,
	const struct mac_entry *entry)
{
	if (!take_all(ingress)) {
		tell(worker, PUNT_MAC_LIMIT, entry->vport, 0, entry->key);
		return;
	}
	if (mac_insert(&switch_macs, array, entry) != MAC_DONE)
		give_all(ingress);
}

/* In the place of an entry that is void: the table finds that its slot is free. */
static void
learn_over_stale(struct worker *worker, struct mac_array *array,
	const struct switch_ingress *ingress, const struct mac_entry *entry,
	const struct mac_found *found)
{
	if (!take_all(ingress)) {
		tell(worker, PUNT_MAC_LIMIT, entry->vport, 0, entry->key);
		return;
	}
	if (mac_move(array, entry, found) != MAC_DONE)
		give_all(ingress);
}

static void
learn_move(struct worker *worker, struct mac_array *array, const struct switch_ingress *ingress,
	struct mac_entry *entry, const struct mac_found *found, const struct switch_port *from)
{
	_Atomic uint32_t *count = count_of(ingress->port, ingress->epoch);
	unsigned moves = 1;

	if (mac_stamp_age(found->stamp, ingress->second) == 0)
		moves += mac_stamp_moves(found->stamp);
	if (moves > SWITCH_FLAP_MOVES)
		return;
	if (!take_one(count, ingress->port->mac_limit)) {
		tell(worker, PUNT_MAC_LIMIT, entry->vport, 0, entry->key);
		return;
	}
	entry->stamp = mac_stamp(ingress->second, ingress->epoch, moves);
	if (mac_move(array, entry, found) != MAC_DONE) {
		give_one(count);
		return;
	}
	give_one(count_of(from, mac_stamp_epoch(found->stamp)));
	if (moves < SWITCH_FLAP_MOVES)
		return;
	remember_flap(&ingress->port->owner->flap, ingress, found->vport, entry->key);
	tell(worker, PUNT_MAC_MOVE, entry->vport, found->vport, entry->key);
}

/* The port whose entry it is; NULL: the entry is void. */
static const struct switch_port *
port_of_entry(const struct vport *vport, uint32_t id, uint32_t stamp)
{
	const struct switch_port *port;

	if (vport == NULL || vport->id != id)
		return NULL;
	port = vport->context;
	if (mac_is_static(stamp) ||
		(atomic_load_explicit(&port->station->epoch, memory_order_acquire) &
			MAC_EPOCH_MASK) == mac_stamp_epoch(stamp))
		return port;
	return NULL;
}

bool
switch_entry_stale(void *context, uint32_t vport, uint32_t stamp)
{
	const struct weft *weft = context;

	return port_of_entry(__atomic_load_n(&weft->vports[id_index(vport)], __ATOMIC_ACQUIRE),
		       vport, stamp) == NULL;
}

void
switch_learn(struct worker *worker, struct mac_array *array, const struct switch_ingress *ingress,
	uint64_t key, const struct mac_found *found)
{
	struct mac_entry entry = { .key = key,
		.device = ingress->vport->device,
		.vport = ingress->vport->id,
		.stamp = mac_stamp(ingress->second, ingress->epoch, 0) };
	const struct switch_port *from;

	if (found->vport == 0) {
		learn_new(worker, array, ingress, &entry);
		return;
	}
	from = port_of_entry(vport_get(worker, found->vport), found->vport, found->stamp);
	if (from == NULL)
		learn_over_stale(worker, array, ingress, &entry, found);
	else if (found->vport == ingress->vport->id)
		mac_refresh(found, ingress->second);
	else if (!mac_is_static(found->stamp))
		learn_move(worker, array, ingress, &entry, found, from);
}
