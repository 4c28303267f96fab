/* SPDX-License-Identifier: BSD-3-Clause */
/* What has become of networks' flow records. */
#include "daemon/flow_export.h"
#include "daemon/state_internal.h"

#include <arpa/inet.h>
#include <stdio.h>

/* "192.0.2.1:4739", "[2001:db8::1]:4739" */
static void
set_collector(struct state_view *view, json_t *object, const struct collector_config *collector)
{
	bool six = collector->address.family == 6;
	char address[STATE_ADDRESS_SIZE], text[STATE_ADDRESS_SIZE + 16];

	state_address(collector->address.family, collector->address.address, address);
	snprintf(text, sizeof(text), six ? "[%s]:%u" : "%s:%u", address, collector->port);
	state_set_text(view, object, "collector", text);
	state_set_text(view, object, "transport", collector->tcp ? "tcp" : "udp");
	state_set_text(view, object, "netns", *collector->netns != '\0' ? collector->netns : NULL);
}

static const struct weft_network *
find_network(const struct state_view *view, uint32_t id)
{
	const struct weft_network *network;

	TAILQ_FOREACH(network, &view->weft->networks, entry)
	{
		if (network->id == id)
			return network;
	}
	return NULL;
}

static void
add_exporter(void *context, const struct flow_export_info *info)
{
	struct state_view *view = context;
	const struct weft_network *network = find_network(view, info->id);
	json_t *object;

	if (network == NULL || !state_selects_network(view, network))
		return;
	object = state_object(view, info->network);
	set_collector(view, object, &info->collector);
	state_set_number(view, object, "active-timeout", info->interval_s);
	state_set_number(view, object, "observation-domain", network->id);
	state_set_text(view, object, "status", info->up ? "up" : "down");
	state_set_text(view, object, "reason", *info->reason != '\0' ? info->reason : NULL);
	state_set_number(view, object, "exported-records", info->counts.flows);
	state_set_number(view, object, "exported-messages", info->counts.messages);
	state_set_number(view, object, "exported-bytes", info->counts.bytes);
	state_set_number(view, object, "lost-records", info->counts.lost);
	state_add(view, object, json_string_value(json_object_get(object, "name")), 0);
}

void
state_flow_records(struct state_view *view)
{
	flow_export_read(view->daemon->flow_export, add_exporter, view);
}
