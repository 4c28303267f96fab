/* SPDX-License-Identifier: BSD-3-Clause */
/* What `show` prints of switches. */
#include "switch/switch_objects.h"

#include <sched.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

static void
read_loop(struct virtual_switch *self, uint64_t now, struct switch_loop *loop)
{
	struct switch_flap *flap = &self->flap;

	while (atomic_exchange_explicit(&flap->lock, true, memory_order_acquire))
		sched_yield();
	loop->seen = flap->key != 0 && switch_second(now) - flap->last <= SWITCH_LOOP_REMEMBERED;
	loop->vlan = switch_vlan_told(mac_key_vlan(flap->key));
	mac_key_address(flap->key, loop->mac);
	memcpy(loop->vports, flap->vports, sizeof(loop->vports));
	loop->since = flap->since * SECOND_NS;
	loop->last = flap->last * SECOND_NS;
	atomic_store_explicit(&flap->lock, false, memory_order_release);
}

void
switch_read(const struct weft_device *device, struct switch_info *info)
{
	struct virtual_switch *self = device->data;
	const struct switch_live *live = atomic_load_explicit(&self->live, memory_order_acquire);
	const struct weft_vport *vport;

	memset(info, 0, sizeof(*info));
	info->ageing_s = live->ageing_s;
	info->mac_limit = live->mac_limit;
	info->macs = atomic_load_explicit(&self->macs, memory_order_relaxed);
	TAILQ_FOREACH(vport, &device->vports, entry)
	info->ports++;
	info->transparent = self->config.transparent;
	read_loop(self, engine_now(device->network->weft), &info->loop);
}

void
switch_port_read(const struct weft_vport *vport, struct switch_port_info *info)
{
	const struct switch_port *port = vport->live->context;
	uint32_t epoch = atomic_load_explicit(&port->station->epoch, memory_order_relaxed);

	memset(info, 0, sizeof(*info));
	info->transparent = port->transparent;
	info->macs = atomic_load_explicit(&port->station->macs[epoch & 1], memory_order_relaxed);
	info->config.access = port->access;
	info->config.mtu = vport->live->mtu;
	info->config.mac_limit = port->mac_limit != UINT32_MAX ? port->mac_limit : 0;
	if (port->access != 0)
		return;
	info->config.native = port->native != 0 ? port->native : WEFT_VLAN_NO_NATIVE;
	if (!port->carries_all)
		memcpy(info->config.vlans, port->vlans, sizeof(info->config.vlans));
}

struct each_mac {
	const struct weft *weft;
	const struct weft_device *device;
	uint32_t second;
	bool (*look)(void *context, const struct switch_mac *mac);
	void *context;
};

static bool
show_entry(void *context, const struct mac_entry *entry)
{
	const struct each_mac *each = context;
	const struct vport *vport = each->weft->vports[id_index(entry->vport)];
	struct switch_mac mac = { .vlan = switch_vlan_told(mac_key_vlan(entry->key)),
		.fixed = mac_is_static(entry->stamp) };

	if ((each->device != NULL && entry->device != each->device->id) ||
		switch_entry_stale((void *)(uintptr_t)each->weft, entry->vport, entry->stamp))
		return true;
	mac.vport = vport->object;
	mac.device = mac.vport->device;
	mac_key_address(entry->key, mac.mac);
	if (!mac.fixed)
		mac.age_s = mac_stamp_age(entry->stamp, each->second);
	return each->look(each->context, &mac);
}

void
switch_each_mac(struct weft *weft, const struct weft_device *device,
	bool (*look)(void *context, const struct switch_mac *mac), void *context)
{
	struct each_mac each = { weft, device, switch_second(engine_now(weft)), look, context };

	mac_table_walk(&switch_macs, show_entry, &each);
}
