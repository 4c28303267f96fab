/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/flow_ipfix.h"

#include "firewall/firewall.h"
#include "graph/engine.h"

#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define ETHERNET_HEADER 14

/* ---- names ----------------------------------------------------------------------------------- */

/* Places of a firewall as interfaces; 0 is none. */
static uint32_t
interface_of(uint32_t device, unsigned place)
{
	return (id_index(device) + 1) << 8 | place;
}

/* "fw:in" */
static bool
name_interface(const struct weft *weft, uint32_t interface, char name[IPFIX_NAME_SIZE])
{
	uint32_t index = (interface >> 8) - 1;
	const struct weft_device *device = weft->devices[index];
	const char *place = NULL;

	if (device != NULL && device->class == &firewall_class)
		place = firewall_place_name(device, interface & 0xff);
	if (place == NULL)
		return false;
	snprintf(name, IPFIX_NAME_SIZE, "%s:%s", firewall_name(device), place);
	return true;
}

static bool
name_rule(const struct weft *weft, uint32_t id, char name[IPFIX_NAME_SIZE])
{
	const struct rule *rule = id != 0 ? firewall_find_rule(weft, id) : NULL;

	if (id != 0 && rule == NULL)
		return false;
	snprintf(name, IPFIX_NAME_SIZE, "%s", rule != NULL ? rule->match.name : "default");
	return true;
}

bool
flow_ipfix_name(struct weft *weft, enum ipfix_named kind, uint32_t id, char name[IPFIX_NAME_SIZE])
{
	bool found;

	weft_objects_lock(weft);
	found = kind == IPFIX_INTERFACE ? name_interface(weft, id, name)
					: name_rule(weft, id, name);
	weft_objects_unlock(weft);
	return found;
}

/* ---- records --------------------------------------------------------------------------------- */

static uint8_t
event_of(const struct flow_record *record)
{
	switch (record->event) {
	case FLOW_DENIED:
		return IPFIX_EVENT_DENIED;
	case FLOW_ENDED:
		return IPFIX_EVENT_DELETED;
	default:
		return IPFIX_EVENT_UPDATE;
	}
}

static uint8_t
end_reason_of(const struct flow_record *record)
{
	static const uint8_t reasons[] = {
		[CONNECTION_EXPIRED] = IPFIX_END_IDLE,
		[CONNECTION_CLOSED] = IPFIX_END_DETECTED,
		[CONNECTION_REPLACED] = IPFIX_END_DETECTED,
		[CONNECTION_EVICTED] = IPFIX_END_RESOURCES,
		[CONNECTION_REFUSED] = IPFIX_END_FORCED,
		[CONNECTION_KILLED] = IPFIX_END_FORCED,
		[CONNECTION_FORGOTTEN] = IPFIX_END_FORCED,
	};

	if (record->event == FLOW_DENIED)
		return IPFIX_END_FORCED;
	return record->event == FLOW_ENDED ? reasons[record->why] : IPFIX_END_ACTIVE;
}

/* IPFIX counts what the IP header begins (RFC 7012, 5: octetDeltaCount), firewalls count frames. */
static uint64_t
octets_of(uint64_t bytes, uint64_t packets)
{
	return bytes > packets * ETHERNET_HEADER ? bytes - packets * ETHERNET_HEADER : 0;
}

/* Side 1 sends to whom the first packet was made to come from, and is whom it was made to go to. */
static void
fill_ends(struct ipfix_flow *flow, const struct flow_record *record)
{
	memcpy(flow->source, record->flow.from_ip, sizeof(flow->source));
	memcpy(flow->destination, record->flow.to_ip, sizeof(flow->destination));
	memcpy(flow->new_source, record->reply.to_ip, sizeof(flow->new_source));
	memcpy(flow->new_destination, record->reply.from_ip, sizeof(flow->new_destination));
	flow->source_port = record->flow.from_port;
	flow->destination_port = record->flow.to_port;
	flow->new_source_port = record->reply.to_port;
	flow->new_destination_port = record->reply.from_port;
}

void
flow_ipfix_fill(struct ipfix_flow *flow, const struct flow_record *record, uint64_t engine_to_day)
{
	*flow = (struct ipfix_flow){
		.family = record->flow.family,
		.protocol = record->flow.protocol,
		.translated = record->translated,
		.event = event_of(record),
		.end_reason = end_reason_of(record),
		.icmp = record->icmp,
		.ingress = interface_of(record->device, record->from),
		.egress = interface_of(record->device, record->to),
		.selector = record->rule,
		.id = record->id,
		.start = (record->began + engine_to_day) / MS,
		.end = (record->seen + engine_to_day) / MS,
	};
	fill_ends(flow, record);
	for (unsigned side = 0; side < 2; side++) {
		flow->packets[side] = record->packets[side];
		flow->octets[side] = octets_of(record->bytes[side], record->packets[side]);
	}
}
