/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery (RFC 4861): what others say, and redirects of our own. */
#include "graph/punt.h"
#include "graph/trace.h"
#include "packet/checksum.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "router/router_objects.h"

#include <netinet/in.h>
#include <rte_ip.h>

#define ROUTER_SOLICITATION 133
#define ROUTER_ADVERTISEMENT 134
#define NEIGHBOUR_SOLICITATION 135
#define NEIGHBOUR_ADVERTISEMENT 136
#define MESSAGE_LIMIT 1500
#define OPTION_SOURCE_LINK 1
#define OPTION_TARGET_LINK 2

/* A message with its options, in one piece. */
struct message {
	const uint8_t *source, *destination;
	const uint8_t *bytes;
	unsigned length;
	const uint8_t *target;
	const uint8_t *source_link, *target_link; /* MACs; NULL: no such option */
};

/* RFC 4861, 4.6: false if one has no length, or goes on behind the end. */
static bool
read_options(struct message *message, unsigned from)
{
	for (unsigned at = from; at < message->length;) {
		const uint8_t *option = message->bytes + at;
		unsigned length;

		if (at + 8 > message->length || option[1] == 0)
			return false;
		length = option[1] * 8u;
		if (at + length > message->length)
			return false;
		if (option[0] == OPTION_SOURCE_LINK && length == 8)
			message->source_link = option + 2;
		if (option[0] == OPTION_TARGET_LINK && length == 8)
			message->target_link = option + 2;
		at += length;
	}
	return true;
}

static bool
is_station(const uint8_t *mac)
{
	return mac != NULL && rte_is_valid_assigned_ether_addr((const struct rte_ether_addr *)mac);
}

/* ---- solicitations ------------------------------------------------------------------------------
 */

/* 7.1.1 */
static bool
is_valid_solicitation(struct message *message)
{
	uint8_t group[16];

	if (message->length < 24)
		return false;
	message->target = message->bytes + 8;
	if (ip6_is_multicast(message->target) || !read_options(message, 24))
		return false;
	if (!ip6_is_unspecified(message->source))
		return true;
	ip6_solicited_node(group, message->target);
	return memcmp(message->destination, group, sizeof(group)) == 0 &&
	       message->source_link == NULL;
}

/* 7.2.4. Who asks from no address is looking whether ours is free: all are told. */
static void
advertise(struct worker *worker, struct vport *vport, const struct message *message, bool own)
{
	const struct router_port *port = router_port_of(vport);
	struct make_ends ends = { .source_mac = port->mac, .family = 6 };
	bool to_all = ip6_is_unspecified(message->source);
	uint8_t frame[MAKE_SIZE], flags = MAKE_ADVERTISE_ROUTER;
	struct rte_mbuf *packet;
	size_t length;

	memcpy(ends.source, message->target, sizeof(ends.source));
	if (to_all) {
		ends.destination[0] = 0xff;
		ends.destination[1] = 0x02;
		ends.destination[15] = 1;
		ip6_multicast_mac(&ends.destination_mac, ends.destination);
	} else {
		memcpy(ends.destination, message->source, sizeof(ends.destination));
		flags |= MAKE_ADVERTISE_SOLICITED;
	}
	/* a proxy does not override who really has it */
	if (own)
		flags |= MAKE_ADVERTISE_OVERRIDE;
	length = make_neighbour_reply(frame, &ends, flags);
	packet = packet_from_bytes(&worker->pools, frame, length);
	if (packet == NULL) {
		packet_dropped(worker, vport, DROP_NO_BUFFER, false);
		return;
	}
	packet_meta(packet)->vport = vport->id;
	/* to who asked: its MAC is the option's, or has to be asked for */
	if (to_all)
		vport_send(worker, vport, packet);
	else
		neighbour_send_to(worker, vport, 6, ends.destination, packet);
}

static void
conflict(struct worker *worker, struct vport *vport, const uint8_t *mac)
{
	struct punt_notice notice = { .vport = vport->id };

	if (mac != NULL)
		memcpy(notice.mac, mac, sizeof(notice.mac));
	worker_notice(worker, PUNT_ADDRESS_CONFLICT, &notice);
}

static enum drop_reason
solicited(struct worker *worker, struct vport *vport, struct message *message)
{
	const struct router_port *port = router_port_of(vport);
	bool own;

	if (!is_valid_solicitation(message))
		return DROP_BAD_ND;
	own = router_port_has(port, 6, message->target);
	own = own || router_is_claimed(vport, 6, message->target);
	if (!own && !(port->proxy_arp && router_is_elsewhere(worker, vport, 6, message->target)))
		return DROP_REASON_COUNT; /* it means somebody else */
	/* 7.2.3 */
	if (!ip6_is_unspecified(message->source) && is_station(message->source_link))
		neighbour_heard(worker, vport, 6, message->source, message->source_link,
			NEIGHBOUR_CREATE | NEIGHBOUR_OVERRIDE);
	advertise(worker, vport, message, own);
	return DROP_REASON_COUNT;
}

/* ---- advertisements -----------------------------------------------------------------------------
 */

/* 7.1.2, 7.2.5 */
static enum drop_reason
advertised(struct worker *worker, struct vport *vport, struct message *message)
{
	const struct router_port *port = router_port_of(vport);
	unsigned what = 0;
	uint8_t flags;

	if (message->length < 24)
		return DROP_BAD_ND;
	message->target = message->bytes + 8;
	flags = message->bytes[4];
	if (ip6_is_multicast(message->target) || !read_options(message, 24) ||
		(ip6_is_multicast(message->destination) && (flags & MAKE_ADVERTISE_SOLICITED)))
		return DROP_BAD_ND;
	if (router_port_has(port, 6, message->target)) {
		/* not where our own comes back to us */
		if (message->target_link == NULL ||
			memcmp(message->target_link, &port->mac, sizeof(port->mac)) != 0)
			conflict(worker, vport, message->target_link);
		return DROP_REASON_COUNT;
	}
	if (message->target_link != NULL && !is_station(message->target_link))
		return DROP_REASON_COUNT;
	if (flags & MAKE_ADVERTISE_SOLICITED)
		what |= NEIGHBOUR_CONFIRM;
	if (flags & MAKE_ADVERTISE_OVERRIDE)
		what |= NEIGHBOUR_OVERRIDE;
	what |= flags & MAKE_ADVERTISE_ROUTER ? NEIGHBOUR_ROUTER : NEIGHBOUR_HOST;
	/* 4.4: it may leave out its MAC when it is asked alone */
	neighbour_heard(worker, vport, 6, message->target, message->target_link, what);
	return DROP_REASON_COUNT;
}

/* ---- redirects ----------------------------------------------------------------------------------
 */

/* Whether its MAC is known, which then goes with the redirect. */
static bool
mac_of(const struct vport *vport, const uint8_t *target, uint8_t mac[6])
{
	const struct neighbour *neighbour = neighbour_find(vport->id, 6, target);
	uint64_t link;

	if (neighbour == NULL)
		return false;
	link = atomic_load_explicit(&neighbour->link, memory_order_relaxed);
	neighbour_link_mac(link, mac);
	switch (neighbour_link_state(link)) {
	case NEIGHBOUR_NONE:
	case NEIGHBOUR_INCOMPLETE:
	case NEIGHBOUR_FAILED:
		return false;
	default:
		return true;
	}
}

/* 8.2: a router is named by its link-local address, or not at all. */
void
router_nd_redirect(struct worker *worker, const struct routed *routed, const uint8_t *target)
{
	const struct router_port *port = routed->port;
	struct packet_meta *meta = packet_meta(routed->packet);
	struct rte_mbuf *message;
	uint8_t mac[6];

	if (!ip6_is_link_local(target) && memcmp(target, routed_destination(routed), 16) != 0)
		return;
	if (unlikely(meta->trace != 0))
		trace_step(worker, routed->packet, routed->ingress, "its sender %s redirected",
			meta->flags & PACKET_DRY_RUN ? "would be" : "is");
	if ((meta->flags & PACKET_DRY_RUN) || !router_may_send_icmp(worker, port->owner))
		return;
	message = icmp6_redirect(&worker->pools, routed->packet, routed->l3, port->link_local,
		target, mac_of(routed->ingress, target, mac) ? mac : NULL);
	if (message == NULL)
		return;
	packet_meta(message)->trace = 0;
	router_originate(worker, routed->ingress, message, 6, routed->ingress);
}

/* ---- routers and those who look for them ----------------------------------------------------- */

/* 6.1.1, 6.2.6: what else there is to it is for the control side. */
static enum drop_reason
router_sought(struct worker *worker, struct vport *vport, struct message *message)
{
	if (!router_port_of(vport)->advertises)
		return DROP_REASON_COUNT;
	if (!read_options(message, 8) ||
		(ip6_is_unspecified(message->source) && message->source_link != NULL))
		return DROP_BAD_ND;
	if (!ip6_is_unspecified(message->source) && is_station(message->source_link))
		neighbour_heard(worker, vport, 6, message->source, message->source_link,
			NEIGHBOUR_CREATE | NEIGHBOUR_OVERRIDE);
	return DROP_REASON_COUNT;
}

/* Whether the port advertises, and so has to know of it. */
static bool
is_for_advertiser(const struct routed *routed, uint8_t type)
{
	return routed->port->advertises &&
	       (type == ROUTER_SOLICITATION || type == ROUTER_ADVERTISEMENT);
}

/* ---- all of them --------------------------------------------------------------------------------
 */

/* 6.1.1, 6.1.2, 7.1.1, 7.1.2: by its hop limit it cannot come from afar; its code is 0. */
static bool
is_from_the_link(const struct routed *routed, const uint8_t *bytes)
{
	return routed_header(routed)[7] == 255 && bytes[1] == 0;
}

static enum drop_reason
understand(struct worker *worker, struct routed *routed, struct message *message)
{
	if (packet_meta(routed->packet)->flags & PACKET_DRY_RUN)
		return DROP_REASON_COUNT;
	switch (message->bytes[0]) {
	case NEIGHBOUR_SOLICITATION:
		return solicited(worker, routed->ingress, message);
	case NEIGHBOUR_ADVERTISEMENT:
		return advertised(worker, routed->ingress, message);
	case ROUTER_SOLICITATION:
		return router_sought(worker, routed->ingress, message);
	default: /* of routers and redirects: a router does not follow them (6.2.3, 8.2) */
		return DROP_REASON_COUNT;
	}
}

void
router_nd(struct worker *worker, struct routed *routed, uint16_t l4, unsigned length)
{
	uint8_t copy[MESSAGE_LIMIT];
	struct message message = { .length = length };
	enum drop_reason reason = DROP_BAD_ND;

	if (length >= 8 && length <= sizeof(copy))
		message.bytes = rte_pktmbuf_read(routed->packet, l4, length, copy);
	message.source = routed_source(routed);
	message.destination = routed_destination(routed);
	if (message.bytes != NULL && is_from_the_link(routed, message.bytes))
		reason = understand(worker, routed, &message);
	if (reason == DROP_REASON_COUNT && is_for_advertiser(routed, message.bytes[0]))
		router_punt(worker, routed);
	else if (reason == DROP_REASON_COUNT)
		router_taken(worker, routed->ingress, routed->packet);
	else
		packet_drop(worker, routed->ingress, reason, routed->packet);
}
