/* SPDX-License-Identifier: BSD-3-Clause */
/* Switches and their ports as objects: how they are made, changed and taken away. */
#include "switch/switch.h"

#include "base/error.h"
#include "base/log.h"
#include "switch/switch_objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 32768 /* 2 MB of address space; what is not used costs nothing */
#define SWEEP_BUCKETS 65536 /* a tick goes through 4 MB */

struct mac_table switch_macs;

static uint32_t sweep_next;

/* ---- stations: what lives as long as a vport
 * ----------------------------------------------------- */

static struct switch_station *
station_new(struct virtual_switch *owner)
{
	struct switch_station *station = calloc(1, sizeof(*station));

	if (station != NULL)
		station->owner = owner;
	return station;
}

void
switch_station_release(struct switch_station *station, uint32_t epoch)
{
	uint32_t macs =
		atomic_exchange_explicit(&station->macs[epoch & 1], 0, memory_order_relaxed);

	atomic_fetch_sub_explicit(&station->owner->macs, macs, memory_order_relaxed);
	atomic_fetch_sub_explicit(&station->owner->network->macs, macs, memory_order_relaxed);
}

static void
station_put(struct switch_station *station)
{
	if (--station->references > 0)
		return;
	switch_station_release(station, 0);
	switch_station_release(station, 1);
	free(station);
}

/* ---- ports
 * ------------------------------------------------------------------------------------------- */

static bool
is_all_zero(const uint64_t vlans[WEFT_VLAN_BITMAP_WORDS])
{
	for (unsigned i = 0; i < WEFT_VLAN_BITMAP_WORDS; i++) {
		if (vlans[i] != 0)
			return false;
	}
	return true;
}

static int
check_port_config(struct weft_change *change, const struct weft_switch_port_config *config)
{
	if (config->access > WEFT_VLAN_MAX)
		return change_fail(change, EINVAL, "access VLAN %u: VLANs are 1 to %u",
			config->access, WEFT_VLAN_MAX);
	if (config->native > WEFT_VLAN_MAX && config->native != WEFT_VLAN_NO_NATIVE)
		return change_fail(change, EINVAL, "native VLAN %u: VLANs are 1 to %u",
			config->native, WEFT_VLAN_MAX);
	if (config->access != 0 && (config->native != 0 || !is_all_zero(config->vlans)))
		return change_fail(change, EINVAL,
			"an access port (VLAN %u) has neither a native VLAN nor a list of VLANs",
			config->access);
	if (config->vlans[0] & 1 || config->vlans[WEFT_VLAN_BITMAP_WORDS - 1] >> 63)
		return change_fail(
			change, EINVAL, "VLANs 0 and 4095 are reserved and cannot be carried");
	if (config->mtu > SWITCH_PORT_MTU_MAX)
		return change_fail(change, EINVAL, "MTU %u: a port's is at most %u", config->mtu,
			SWITCH_PORT_MTU_MAX);
	return 0;
}

static struct switch_port *
port_new(struct switch_station *station, const struct weft_switch_port_config *config)
{
	bool transparent = station->owner->config.transparent;
	bool all = transparent || config->access != 0 || is_all_zero(config->vlans);
	struct switch_port *port = calloc(1, sizeof(*port) + (all ? 0 : sizeof(config->vlans)));

	if (port == NULL)
		return NULL;
	port->owner = station->owner;
	port->station = station;
	port->mac_limit = config->mac_limit != 0 ? config->mac_limit : UINT32_MAX;
	port->group = config->group;
	port->access = transparent ? 0 : config->access;
	port->carries_all = port->access == 0 && all;
	port->native_given = config->native != 0;
	port->transparent = transparent;
	if (transparent)
		port->native = SWITCH_NO_TAG;
	else if (config->access != 0)
		port->native = config->access;
	else if (config->native == 0)
		port->native = 1;
	else if (config->native != WEFT_VLAN_NO_NATIVE)
		port->native = config->native;
	if (!all) {
		memcpy(port->vlans, config->vlans, sizeof(config->vlans));
		if (port->native_given)
			port->vlans[port->native / 64] |= UINT64_C(1) << port->native % 64;
		port->vlans[0] &= ~UINT64_C(1); /* no native: VLAN 0 is none */
	}
	station->references++;
	return port;
}

static void
port_free(void *context)
{
	struct switch_port *port = context;

	if (port == NULL)
		return;
	station_put(port->station);
	free(port);
}

static uint32_t
mtu_of(const struct weft_switch_port_config *config)
{
	return config->mtu != 0 ? config->mtu : SWITCH_PORT_MTU;
}

static const struct weft_switch_port_config default_port;

struct weft_vport *
weft_switch_port_add(struct weft_change *change, struct weft_device *device, const char *name,
	const struct weft_switch_port_config *config)
{
	struct switch_station *station;
	struct switch_port *port;
	struct weft_vport *vport;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &switch_class))
		return NULL;
	if (config == NULL)
		config = &default_port;
	if (check_port_config(change, config) < 0)
		return NULL;
	station = station_new(device->data);
	port = station != NULL ? port_new(station, config) : NULL;
	if (port == NULL) {
		free(station);
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	vport = vport_add(change, device, name, port, mtu_of(config));
	if (vport == NULL)
		port_free(port);
	return vport;
}

void
weft_switch_port_update(struct weft_change *change, struct weft_vport *vport,
	const struct weft_switch_port_config *config)
{
	const struct switch_port *before;
	struct switch_port *port;
	const struct vport *now;

	if (weft_change_failed(change, NULL) || vport == NULL ||
		!device_is(change, vport->device, &switch_class))
		return;
	if (config == NULL)
		config = &default_port;
	if (check_port_config(change, config) < 0)
		return;
	now = change_vport_after(vport);
	if (now == NULL) {
		change_fail_removed(change, "port", vport->name);
		return;
	}
	before = now->context;
	port = port_new(before->station, config);
	if (port == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	if (vport_update(change, vport, port, mtu_of(config)) < 0)
		port_free(port);
}

/* ---- switches
 * ------------------------------------------------------------------------------------------ */

static int
check_config(struct weft_change *change, const struct weft_switch_config *config)
{
	if (config != NULL && config->ageing_s > SWITCH_AGEING_MAX)
		return change_fail(change, EINVAL, "ageing time %u s: at most %u s",
			config->ageing_s, SWITCH_AGEING_MAX);
	return 0;
}

static struct weft_switch_config
with_defaults(const struct weft_switch_config *config)
{
	struct weft_switch_config result = { 0 };

	if (config != NULL)
		result = *config;
	if (result.ageing_s == 0)
		result.ageing_s = SWITCH_AGEING;
	if (result.mac_limit == 0)
		result.mac_limit = SWITCH_MAC_LIMIT;
	return result;
}

struct weft_device *
weft_switch_add(struct weft_change *change, struct weft_network *network, const char *name,
	const struct weft_switch_config *config)
{
	struct virtual_switch *self;
	struct weft_device *device;

	if (weft_change_failed(change, NULL) || network == NULL || check_config(change, config) < 0)
		return NULL;
	self = calloc(1, sizeof(*self));
	if (self == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return NULL;
	}
	self->network = network;
	self->config = with_defaults(config);
	device = device_add(change, network, &switch_class, name, self);
	if (device == NULL)
		free(self);
	return device;
}

struct config_update {
	struct virtual_switch *self;
	struct weft_switch_config before;
};

static void
config_update_abort(void *object)
{
	struct config_update *update = object;

	update->self->config = update->before;
	free(update);
}

static const struct change_step config_update_step = { NULL, free, config_update_abort };

void
weft_switch_update(struct weft_change *change, struct weft_device *device,
	const struct weft_switch_config *config)
{
	struct config_update *update;

	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &switch_class) || check_config(change, config) < 0)
		return;
	update = malloc(sizeof(*update));
	if (update == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	*update = (struct config_update){ device->data, { 0 } };
	update->before = update->self->config;
	if (change_touch(change, device) < 0 ||
		change_stage(change, &config_update_step, update) < 0) {
		free(update);
		return;
	}
	update->self->config = with_defaults(config);
}

/* ---- static MACs
 * ------------------------------------------------------------------------------------------ */

/* vport NULL: removal. */
struct static_mac {
	struct weft *weft;
	struct weft_device *device;
	struct weft_vport *vport;
	uint64_t key;
};

/* What was learned under the key, if anything, gives its place in the counts. */
static void
forget_entry(const struct weft *weft, const struct mac_entry *entry)
{
	const struct vport *vport = weft->vports[id_index(entry->vport)];

	if (entry->vport == 0 || mac_is_static(entry->stamp) ||
		switch_entry_stale((void *)(uintptr_t)weft, entry->vport, entry->stamp))
		return;
	switch_forget(vport->context, entry->stamp);
}

static void
static_mac_add_commit(void *object)
{
	struct static_mac *fixed = object;
	struct mac_entry old, entry = { .key = fixed->key,
		.device = fixed->device->id,
		.vport = fixed->vport->id,
		.stamp = mac_stamp(0, 0, MAC_STATIC) };

	/* room was made when it was staged (mac_table_reserve): as good as always it is there */
	if (mac_table_put(&switch_macs, &entry, &old) < 0)
		log_error("switch %s/%s: out of memory: a static MAC of port %s is not in force",
			fixed->device->network->name, fixed->device->name, fixed->vport->name);
	forget_entry(fixed->weft, &old);
}

static bool
is_static_entry(const struct static_mac *fixed)
{
	struct mac_array *array = mac_table_array(&switch_macs);
	struct mac_found found;

	mac_find(array, mac_hash(array, fixed->key, fixed->device->id), fixed->key,
		fixed->device->id, &found);
	return found.vport != 0 && mac_is_static(found.stamp);
}

static void
static_mac_remove_commit(void *object)
{
	struct static_mac *fixed = object;
	struct mac_entry old = { 0 };

	if (is_static_entry(fixed) &&
		mac_table_remove(&switch_macs, fixed->key, fixed->device->id, &old))
		forget_entry(fixed->weft, &old);
}

static const struct change_step static_mac_add_step = { static_mac_add_commit, free, free };
static const struct change_step static_mac_remove_step = { static_mac_remove_commit, free, free };

static int
check_static_mac(struct weft_change *change, uint16_t vlan, const uint8_t mac[6])
{
	static const uint8_t zero[6];

	if (vlan > WEFT_VLAN_MAX)
		return change_fail(
			change, EINVAL, "VLAN %u: VLANs are 1 to %u", vlan, WEFT_VLAN_MAX);
	if (mac[0] & 1 || memcmp(mac, zero, sizeof(zero)) == 0)
		return change_fail(change, EINVAL,
			"%02x:%02x:%02x:%02x:%02x:%02x is not the address of one station", mac[0],
			mac[1], mac[2], mac[3], mac[4], mac[5]);
	return 0;
}

static void
stage_static_mac(struct weft_change *change, const struct change_step *step,
	struct weft_device *device, uint16_t vlan, const uint8_t mac[6], struct weft_vport *vport)
{
	struct static_mac *fixed;

	if (check_static_mac(change, vlan, mac) < 0)
		return;
	fixed = malloc(sizeof(*fixed));
	if (fixed == NULL) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	*fixed = (struct static_mac){ change_weft(change), device, vport,
		mac_key_of(mac, vlan != 0 ? vlan : 1) };
	if (change_stage(change, step, fixed) < 0)
		free(fixed);
}

void
weft_switch_mac_add(struct weft_change *change, struct weft_device *device, uint16_t vlan,
	const uint8_t mac[6], struct weft_vport *vport)
{
	char path[VPORT_NAME_SIZE];

	if (weft_change_failed(change, NULL) || device == NULL || vport == NULL ||
		!device_is(change, device, &switch_class))
		return;
	if (vport->device != device) {
		change_fail(change, EINVAL, "%s is not a port of %s/%s", vport_path(vport, path),
			device->network->name, device->name);
		return;
	}
	if (mac_table_reserve(&switch_macs, 1) < 0) {
		change_fail(change, ENOMEM, "out of memory");
		return;
	}
	stage_static_mac(change, &static_mac_add_step, device, vlan, mac, vport);
}

void
weft_switch_mac_remove(
	struct weft_change *change, struct weft_device *device, uint16_t vlan, const uint8_t mac[6])
{
	if (weft_change_failed(change, NULL) || device == NULL ||
		!device_is(change, device, &switch_class))
		return;
	stage_static_mac(change, &static_mac_remove_step, device, vlan, mac, NULL);
}

/* ---- what a change makes of a switch
 * -------------------------------------------------------------------------- */

/* Whether some VLAN that was carried no longer is. */
static bool
loses_vlans(const struct switch_port *before, const struct switch_port *after)
{
	if (before == after || after->carries_all)
		return false;
	for (uint16_t vlan = 1; vlan <= WEFT_VLAN_MAX; vlan++) {
		if (switch_port_carries(before, vlan) && !switch_port_carries(after, vlan))
			return true;
	}
	return false;
}

static bool
must_flush(const struct vport *before, const struct vport *after)
{
	if (before == NULL)
		return false;
	return before->attachment != after->attachment || before->nic != after->nic ||
	       before->peer != after->peer || before->uplink_vlan != after->uplink_vlan ||
	       loses_vlans(before->context, after->context);
}

static void
prepare_port(struct virtual_switch *self, const struct weft_vport *object)
{
	const struct vport *after = change_vport_after(object);
	const struct switch_port *port = after->context;

	if (after->attachment != ATTACHED_NOTHING)
		self->prepared->members[self->prepared->n_members++] =
			(struct switch_member){ after->id, port->access };
	if (!port->station->flushing && must_flush(object->live, after)) {
		port->station->flushing = true;
		port->station->flush_next = self->flush;
		self->flush = port->station;
	}
}

static int
prepare(struct weft_device *device, struct weft_change *change, struct weft_error *error)
{
	struct virtual_switch *self = device->data;
	struct weft_vport *vport = NULL;
	size_t ports = 0;

	while ((vport = change_vport_next(device, vport)) != NULL)
		ports++;
	self->prepared = calloc(1, sizeof(*self->prepared) + ports * sizeof(struct switch_member));
	if (self->prepared == NULL)
		return error_memory(error);
	self->prepared->ageing_s = self->config.ageing_s;
	self->prepared->mac_limit = self->config.mac_limit;
	while ((vport = change_vport_next(device, vport)) != NULL)
		prepare_port(self, vport);
	return 0;
}

static void
commit(struct weft_device *device)
{
	struct virtual_switch *self = device->data;

	self->replaced = atomic_load_explicit(&self->live, memory_order_relaxed);
	atomic_store_explicit(&self->live, self->prepared, memory_order_release);
	self->prepared = NULL;
	for (struct switch_station *station = self->flush; station != NULL;
		station = station->flush_next)
		atomic_fetch_add_explicit(&station->epoch, 1, memory_order_release);
}

/* Takes the list of stations to flush apart. */
static struct switch_station *
next_flushed(struct virtual_switch *self)
{
	struct switch_station *station = self->flush;

	if (station == NULL)
		return NULL;
	self->flush = station->flush_next;
	station->flushing = false;
	return station;
}

static void
discard(struct weft_device *device)
{
	struct virtual_switch *self = device->data;

	while (next_flushed(self) != NULL)
		;
	free(self->prepared);
	self->prepared = NULL;
}

static void
reclaim(struct weft_device *device)
{
	struct virtual_switch *self = device->data;
	struct switch_station *station;

	/* no worker counts in the epoch before any more */
	while ((station = next_flushed(self)) != NULL)
		switch_station_release(station, atomic_load(&station->epoch) - 1);
	free(self->replaced);
	self->replaced = NULL;
}

static void
device_free(struct weft_device *device)
{
	struct virtual_switch *self = device->data;

	if (self == NULL)
		return;
	free(atomic_load_explicit(&self->live, memory_order_relaxed));
	free(self);
}

/* ---- the table
 * ----------------------------------------------------------------------------------------------------
 */

static void
synchronize(void *context)
{
	engine_synchronize(context);
}

static int
open_table(struct weft *weft, struct weft_error *error)
{
	switch_macs.context = weft;
	switch_macs.stale = switch_entry_stale;
	switch_macs.synchronize = synchronize;
	sweep_next = 0;
	if (mac_table_open(&switch_macs, FIRST_BUCKETS) < 0)
		return error_memory(error);
	return 0;
}

static void
close_table(struct weft *weft)
{
	(void)weft;
	mac_table_close(&switch_macs);
}

struct sweep {
	const struct weft *weft;
	uint32_t second;
};

/* Void entries go, their counts have been given back; those that were silent too long go. */
static bool
is_over(void *context, const struct mac_entry *entry)
{
	const struct sweep *sweep = context;
	const struct vport *vport;
	const struct switch_port *port;

	if (switch_entry_stale((void *)(uintptr_t)sweep->weft, entry->vport, entry->stamp))
		return true;
	if (mac_is_static(entry->stamp))
		return false;
	vport = sweep->weft->vports[id_index(entry->vport)];
	port = vport->context;
	if (mac_stamp_age(entry->stamp, sweep->second) <=
		atomic_load_explicit(&port->owner->live, memory_order_relaxed)->ageing_s)
		return false;
	switch_forget(port, entry->stamp);
	return true;
}

static void
tick(struct weft *weft, uint64_t now)
{
	struct sweep sweep = { weft, switch_second(now) };
	const struct mac_array *before = mac_table_array(&switch_macs);

	sweep_next = mac_table_sweep(&switch_macs, sweep_next, SWEEP_BUCKETS, is_over, &sweep);
	/* out of memory: learning goes on in the room that there is */
	mac_table_maintain(&switch_macs);
	if (mac_table_array(&switch_macs) != before)
		sweep_next = 0;
}

const struct device_class switch_class = {
	.name = "switch",
	.process = switch_input,
	.open = open_table,
	.close = close_table,
	.prepare = prepare,
	.commit = commit,
	.discard = discard,
	.reclaim = reclaim,
	.device_free = device_free,
	.context_free = port_free,
	.tick = tick,
};
