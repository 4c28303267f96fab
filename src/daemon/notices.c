/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/notices.h"

#include "daemon/events.h"
#include "firewall/firewall.h"
#include "firewall/port_block.h"
#include "graph/engine.h"
#include "graph/punt.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define QUIET_NS 10000000000u /* the same of the same object is told again after so long */
#define REMEMBERED 64

/* What was told last; under engine_lock, which punt_drain's caller holds. */
static struct told {
	char kind[EVENT_KIND_SIZE];
	char object[EVENT_OBJECT_SIZE];
	uint64_t time;
} told[REMEMBERED];

/* Whether it is to be told now; the one told longest ago makes room. */
static bool
is_news(const char *kind, const char *object, uint64_t now)
{
	struct told *oldest = &told[0];

	for (unsigned i = 0; i < REMEMBERED; i++) {
		if (strcmp(told[i].kind, kind) == 0 && strcmp(told[i].object, object) == 0) {
			if (now - told[i].time < QUIET_NS)
				return false;
			oldest = &told[i];
			break;
		}
		if (told[i].time < oldest->time)
			oldest = &told[i];
	}
	snprintf(oldest->kind, sizeof(oldest->kind), "%s", kind);
	snprintf(oldest->object, sizeof(oldest->object), "%s", object);
	oldest->time = now;
	return true;
}

struct names {
	char device[VPORT_NAME_SIZE];
	char vport[VPORT_NAME_SIZE], other[VPORT_NAME_SIZE];
};

/* False: the device is gone already. */
static bool
find_names(struct weft *weft, const struct punt_notice *notice, struct names *names)
{
	struct weft_vport *vport, *other;

	weft_objects_lock(weft);
	vport = vport_by_id(weft, notice->vport);
	other = vport_by_id(weft, notice->other);
	snprintf(names->other, sizeof(names->other), "a port that is gone");
	if (vport != NULL) {
		snprintf(names->device, sizeof(names->device), "%s/%s",
			vport->device->network->name, vport->device->name);
		vport_path(vport, names->vport);
	}
	if (other != NULL)
		vport_path(other, names->other);
	weft_objects_unlock(weft);
	return vport != NULL;
}

static void
tell(struct daemon *daemon, enum punt_reason reason, const struct punt_notice *notice,
	const struct names *names)
{
	const uint8_t *mac = notice->mac;
	static const uint8_t none[6];
	bool known = memcmp(mac, none, sizeof(none)) != 0;
	char address[18];

	snprintf(address, sizeof(address), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	if (reason == PUNT_MAC_MOVE)
		events_emit(daemon->events, EVENT_WARNING, "loop", names->device,
			"a loop: MAC %s of VLAN %u moves between %s and %s", address, notice->vlan,
			names->vport, names->other);
	else if (reason == PUNT_MAC_LIMIT)
		events_emit(daemon->events, EVENT_WARNING, "mac-limit", names->device,
			"MAC %s of VLAN %u at %s was not learned: a limit is reached", address,
			notice->vlan, names->vport);
	else if (reason == PUNT_ADDRESS_CONFLICT)
		events_emit(daemon->events, EVENT_WARNING, "address-conflict", names->vport,
			"another station%s%s%s has an address of port %s", known ? " (" : "",
			known ? address : "", known ? ")" : "", names->vport);
	else
		events_emit(daemon->events, EVENT_WARNING, "flood-budget", names->device,
			"a flood from %s used up its budget of copies: is there a loop?",
			names->vport);
}

static void
take_notice(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	static const char *const kinds[] = { [PUNT_MAC_MOVE] = "loop",
		[PUNT_MAC_LIMIT] = "mac-limit",
		[PUNT_FLOOD] = "flood-budget",
		[PUNT_ADDRESS_CONFLICT] = "address-conflict" };
	struct punt_notice notice;
	struct names names;

	memcpy(&notice, rte_pktmbuf_mtod(packet, const void *), sizeof(notice));
	rte_pktmbuf_free(packet);
	if (find_names(weft, &notice, &names) &&
		is_news(kinds[reason], reason == PUNT_ADDRESS_CONFLICT ? names.vport : names.device,
			engine_now(weft)))
		tell(context, reason, &notice, &names);
}

/* Of a rule that is to tell: how often is its own to say, so no more is left out here. */
static void
take_log(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	static const char *const verbs[] = {
		[WEFT_RULE_ACCEPT] = "accepts",
		[WEFT_RULE_DROP] = "drops",
		[WEFT_RULE_REJECT] = "rejects",
	};
	static const char *const limits[] = {
		[LIMIT_CONNECTIONS] = ": over its limit of connections",
		[LIMIT_PER_SOURCE] = ": over its limit of a source's connections",
		[LIMIT_RATE] = ": over its rate",
		[LIMIT_SOURCE_RATE] = ": over its rate of a source",
		[LIMIT_SOURCES] = ": it knows no more sources apart",
	};
	struct daemon *daemon = context;
	struct firewall_log log;
	char path[VPORT_NAME_SIZE];

	(void)reason;
	memcpy(&log, rte_pktmbuf_mtod(packet, const void *), sizeof(log));
	rte_pktmbuf_free(packet);
	trace_where(weft, log.vport, path);
	if (log.limit != LIMIT_KEPT)
		log.action = WEFT_RULE_DROP;
	events_emit(daemon->events, EVENT_INFO, "rule", path, "rule %s %s %s%s", log.rule,
		verbs[log.action], log.packet, log.limit != LIMIT_KEPT ? limits[log.limit] : "");
}

/* "red/fw"; "": it is gone. */
static void
name_of_device(struct weft *weft, uint32_t id, char name[EVENT_OBJECT_SIZE])
{
	struct weft_network *network;
	struct weft_device *device;

	name[0] = '\0';
	weft_objects_lock(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	TAILQ_FOREACH(device, &network->devices, entry)
	if (device->id == id)
		snprintf(name, EVENT_OBJECT_SIZE, "%s/%s", network->name, device->name);
	weft_objects_unlock(weft);
}

static void
take_block(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	char name[EVENT_OBJECT_SIZE], inside[INET6_ADDRSTRLEN], outside[INET6_ADDRSTRLEN];
	struct port_block_notice notice;
	struct daemon *daemon = context;
	int family;

	(void)reason;
	memcpy(&notice, rte_pktmbuf_mtod(packet, const void *), sizeof(notice));
	rte_pktmbuf_free(packet);
	family = notice.host.family == 4 ? AF_INET : AF_INET6;
	inet_ntop(family, notice.host.inside, inside, sizeof(inside));
	inet_ntop(family, notice.host.outside, outside, sizeof(outside));
	name_of_device(weft, notice.host.domain, name);
	events_emit(daemon->events, EVENT_INFO, "port-block", name, "%s %s ports %u-%u of %s",
		inside, notice.given ? "has" : "gives back", notice.first, notice.last, outside);
}

static void
take_status(void *context, const struct weft_nic *nic, enum nic_status status, const char *text)
{
	struct daemon *daemon = context;
	char name[EVENT_OBJECT_SIZE];

	snprintf(name, sizeof(name), "%s%s%s", nic->network != NULL ? nic->network->name : "",
		nic->network != NULL ? "/" : "", nic->name);
	if (status == NIC_STATUS_UP)
		events_emit(daemon->events, EVENT_INFO, "nic-up", name, "up");
	else
		events_emit(
			daemon->events, EVENT_WARNING, "nic-degraded", name, "degraded: %s", text);
}

void
notices_open(struct daemon *daemon)
{
	punt_register(daemon->weft, PUNT_MAC_MOVE, take_notice, daemon);
	punt_register(daemon->weft, PUNT_MAC_LIMIT, take_notice, daemon);
	punt_register(daemon->weft, PUNT_FLOOD, take_notice, daemon);
	punt_register(daemon->weft, PUNT_ADDRESS_CONFLICT, take_notice, daemon);
	punt_register(daemon->weft, PUNT_RULE_LOG, take_log, daemon);
	punt_register(daemon->weft, PUNT_PORT_BLOCK, take_block, daemon);
	engine_watch_nics(daemon->weft, take_status, daemon);
}
