/* SPDX-License-Identifier: BSD-3-Clause */
/* Joining vports to vnics, to VLANs of uplinks, and to each other. */
#include "graph/engine.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Which vport a vnic, or one VLAN of an uplink, belongs to: `live` is what the workers read,
 * `staged` what the open change will make of it.
 */
struct pointing {
	_Atomic uint32_t *live;
	uint32_t *staged;
	uint32_t before; /* staged, for an abort */
	uint32_t after;
};

static void
pointing_commit(void *object)
{
	struct pointing *pointing = object;

	atomic_store_explicit(pointing->live, pointing->after, memory_order_release);
}

static void
pointing_abort(void *object)
{
	struct pointing *pointing = object;

	*pointing->staged = pointing->before;
	free(pointing);
}

static const struct change_step pointing_step = { pointing_commit, free, pointing_abort };

static int
point(struct weft_change *change, struct weft_nic *nic, uint16_t vlan, uint32_t vport)
{
	struct pointing *pointing = malloc(sizeof(*pointing));

	if (pointing == NULL)
		return change_fail(change, ENOMEM, "out of memory");
	pointing->live = nic->uplink ? &nic->vlans[vlan] : &nic->vport;
	pointing->staged = nic->uplink ? &nic->staged_vlans[vlan] : &nic->staged_vport;
	pointing->before = *pointing->staged;
	pointing->after = vport;
	if (change_stage(change, &pointing_step, pointing) < 0) {
		free(pointing);
		return -1;
	}
	*pointing->staged = vport;
	return 0;
}

static void
clear(struct vport *draft)
{
	if (draft == NULL)
		return;
	draft->attachment = ATTACHED_NOTHING;
	draft->nic = NULL;
	draft->peer = 0;
	draft->uplink_vlan = 0;
}

/* How the vport is at this point of the change; NULL: removed, and the change has failed. */
static const struct vport *
look_at(struct weft_change *change, const struct weft_vport *vport)
{
	const struct vport *now = change_vport_after(vport);

	if (now == NULL)
		change_fail_removed(change, "vport", vport->name);
	return now;
}

void
weft_detach(struct weft_change *change, struct weft_vport *vport)
{
	const struct vport *now;
	struct vport *draft;

	if (weft_change_failed(change, NULL) || vport == NULL)
		return;
	now = look_at(change, vport);
	if (now == NULL || now->attachment == ATTACHED_NOTHING)
		return;
	draft = change_vport(change, vport);
	if (draft == NULL)
		return;
	if (draft->attachment == ATTACHED_VPORT)
		clear(change_vport(
			change, change_weft(change)->vport_objects[id_index(draft->peer)]));
	else
		point(change, draft->nic, draft->uplink_vlan, 0);
	clear(draft);
}

static bool
is_free(struct weft_change *change, const struct weft_vport *vport)
{
	const struct vport *now = look_at(change, vport);
	char path[VPORT_NAME_SIZE];

	if (now == NULL)
		return false;
	if (now->attachment == ATTACHED_NOTHING)
		return true;
	change_fail(change, EBUSY, "vport %s has something attached to it already",
		vport_path(vport, path));
	return false;
}

void
weft_attach(struct weft_change *change, struct weft_vport *vport, struct weft_nic *nic)
{
	struct vport *draft;

	if (weft_change_failed(change, NULL) || vport == NULL || nic == NULL ||
		!is_free(change, vport))
		return;
	if (nic->uplink || nic->network != vport->device->network) {
		change_fail(change, EINVAL, "vnic %s is not of the network %s", nic->name,
			vport->device->network->name);
		return;
	}
	if (nic->staged_vport != 0) {
		change_fail(
			change, EBUSY, "vnic %s is attached to another vport already", nic->name);
		return;
	}
	draft = change_vport(change, vport);
	if (draft == NULL || point(change, nic, 0, vport->id) < 0)
		return;
	draft->attachment = ATTACHED_NIC;
	draft->nic = nic;
}

void
weft_attach_uplink(struct weft_change *change, struct weft_vport *vport, struct weft_nic *uplink,
	uint16_t vlan)
{
	struct vport *draft;

	if (weft_change_failed(change, NULL) || vport == NULL || uplink == NULL ||
		!is_free(change, vport))
		return;
	if (!uplink->uplink || vlan > WEFT_VLAN_MAX) {
		change_fail(
			change, EINVAL, "%s is no uplink, or has no VLAN %u", uplink->name, vlan);
		return;
	}
	if (uplink->staged_vlans[vlan] != 0) {
		change_fail(
			change, EBUSY, "VLAN %u of uplink %s is taken already", vlan, uplink->name);
		return;
	}
	draft = change_vport(change, vport);
	if (draft == NULL || point(change, uplink, vlan, vport->id) < 0)
		return;
	draft->attachment = ATTACHED_UPLINK;
	draft->nic = uplink;
	draft->uplink_vlan = vlan;
}

static void
join(struct weft_change *change, struct weft_vport *a, struct weft_vport *b)
{
	struct vport *draft_a, *draft_b;

	draft_a = change_vport(change, a);
	draft_b = change_vport(change, b);
	if (draft_a == NULL || draft_b == NULL)
		return;
	draft_a->attachment = draft_b->attachment = ATTACHED_VPORT;
	draft_a->peer = b->id;
	draft_b->peer = a->id;
}

void
weft_link(struct weft_change *change, struct weft_vport *a, struct weft_vport *b)
{
	if (weft_change_failed(change, NULL) || a == NULL || b == NULL || !is_free(change, a) ||
		!is_free(change, b))
		return;
	if (a != b && a->device->network == b->device->network)
		join(change, a, b);
	else
		change_fail(change, EINVAL, "a link joins two vports of one network");
}

/* What comes into the one's network by an uplink may be the other's. */
static void
note_carrier(const struct weft_vport *carried, const struct weft_vport *carrier)
{
	if (carried->device->class->tells_whose)
		atomic_store(&carrier->device->network->carries, true);
}

void
weft_peer(struct weft_change *change, struct weft_vport *a, struct weft_vport *b)
{
	if (weft_change_failed(change, NULL) || a == NULL || b == NULL || !is_free(change, a) ||
		!is_free(change, b))
		return;
	if (a->device->network == b->device->network) {
		change_fail(change, EINVAL, "a peering joins two vports of different networks");
		return;
	}
	note_carrier(a, b);
	note_carrier(b, a);
	join(change, a, b);
}
