/* SPDX-License-Identifier: BSD-3-Clause */
/* Drops: a line for each port, or vnic, and reason that has any. */
#include "daemon/state_internal.h"

static void
add_drops(struct state_view *view, const char *place, const struct vport_drops *drops)
{
	for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++) {
		json_t *object;

		if (drops->by_reason[reason] == 0 ||
			(view->reason >= 0 && view->reason != (int)reason))
			continue;
		object = json_object();
		if (object == NULL)
			view->no_memory = true;
		state_set_text(view, object, "port", place);
		state_set_text(view, object, "reason", drop_name((enum drop_reason)reason));
		state_set_text(view, object, "text", drop_text((enum drop_reason)reason));
		state_set_number(view, object, "count", drops->by_reason[reason]);
		state_add(view, object, json_string_value(json_object_get(object, "port")), reason);
	}
}

static void
add_of_vport(struct state_view *view, const struct weft_vport *vport, const struct lyd_node *device)
{
	struct vport_counters counters;
	struct vport_drops drops;
	char path[VPORT_NAME_SIZE];

	(void)device;
	vport_read_counters(vport, &counters, &drops);
	add_drops(view, vport_path(vport, path), &drops);
}

/* Of packets that no port has had. */
static void
add_of_nic(struct state_view *view, const struct weft_nic *nic)
{
	struct vport_drops drops;
	char path[VPORT_NAME_SIZE];

	nic_read_drops(nic, &drops);
	add_drops(view, state_nic_path(nic, path), &drops);
}

/* Of packets whose port or vnic was gone by then: no place of any network. */
static void
add_lost(struct state_view *view)
{
	struct vport_drops drops;

	if (view->n_selectors > 0)
		return;
	engine_read_lost(view->weft, &drops);
	add_drops(view, "(gone)", &drops);
}

void
state_drops(struct state_view *view)
{
	state_each_vport(view, add_of_vport);
	state_each_nic(view, add_of_nic);
	add_lost(view);
}
