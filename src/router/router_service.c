/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control side does for routers: takes what workers punt. Fragments to a router itself
 * are put together here, answers to pings are passed on, and what hosts ask for goes to the
 * services of its ports.
 */
#include "router/router_service.h"

#include "graph/punt.h"
#include "graph/trace.h"
#include "packet/ip.h"
#include "packet/reassemble.h"
#include "router/router_ping.h"

#include <netinet/in.h>

#define PUNT_RATE 2000 /* packets a second of one router */
#define PUNT_BURST 400

/* What is held of fragments: a tenth of the packet memory that there is by default at most. */
static const struct reassembly_limits fragment_limits = {
	.datagrams = 4096,
	.domain_datagrams = 128,
	.bytes = 16u << 20,
	.domain_bytes = 2u << 20,
	.timeout = REASSEMBLY_TIMEOUT,
};

static struct reassembly *fragments; /* a network is a domain */

/* ---- workers
 * -------------------------------------------------------------------------------------- */

void
router_punt(struct worker *worker, struct routed *routed)
{
	struct packet_meta *meta = packet_meta(routed->packet);

	if (unlikely(meta->trace != 0))
		trace_taken(worker, routed->packet, routed->ingress,
			"it is for the router's own control side");
	meta->trace = worker->now; /* when it came: no mark on the control side */
	if (meta->flags & PACKET_DRY_RUN) {
		rte_pktmbuf_free(routed->packet);
		return;
	}
	if (!rate_allows(&routed->port->owner->punt_rate, worker->now, 1000000000 / PUNT_RATE,
		    PUNT_BURST)) {
		meta->trace = 0;
		packet_drop(worker, routed->ingress, DROP_PUNT_RATE, routed->packet);
		return;
	}
	meta->l3 = routed->l3;
	worker_punt(worker, PUNT_ROUTER, routed->packet);
}

/* ---- drops on the control side
 * -------------------------------------------------------------------- */

struct loss {
	uint32_t vport;
	enum drop_reason reason;
	struct rte_mbuf *packet; /* NULL: it has gone already */
	bool first_only;         /* what is left of a datagram whose time is over */
};

/* Counters are the workers' own. */
static void
count_loss(struct worker *worker, void *argument)
{
	struct loss *loss = argument;
	struct vport *vport = vport_get(worker, loss->vport);
	struct routed routed = { .packet = loss->packet, .ingress = vport };

	if (loss->first_only && vport != NULL) {
		routed.port = router_port_of(vport);
		routed.l3 = RTE_ETHER_HDR_LEN;
		routed.family = routed_header(&routed)[0] >> 4 == 4 ? 4 : 6;
		router_error(worker, &routed, ROUTER_REASSEMBLY_EXCEEDED, 0);
	}
	if (loss->packet != NULL)
		packet_drop(worker, vport, loss->reason, loss->packet);
	else
		packet_dropped(worker, vport, loss->reason, false);
}

void
service_lose(struct weft *weft, uint32_t vport, enum drop_reason reason, struct rte_mbuf *packet)
{
	struct loss loss = { vport, reason, packet, false };

	worker_call(weft->workers[0], count_loss, &loss);
}

/* ---- fragments
 * ------------------------------------------------------------------------------------- */

static void
take_fragment(struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet)
{
	uint32_t id = vport->id, domain = vport->device->network->id;
	uint16_t l3 = packet_meta(packet)->l3;
	enum reassembly_result result;

	result = reassembly_add(fragments, &weft->pools, domain, &packet, l3, engine_now(weft));
	switch (result) {
	case REASSEMBLY_WAITING:
		return;
	case REASSEMBLY_WHOLE:
		inject_again(weft, id, packet);
		return;
	case REASSEMBLY_NO_BUFFER:
		service_lose(weft, id, DROP_NO_BUFFER, packet);
		return;
	default:
		service_lose(weft, id, DROP_FRAGMENT, packet);
	}
}

static void
expire_fragments(struct weft *weft, uint64_t now)
{
	struct reassembly_expired expired;

	while (reassembly_expire(fragments, now, &expired)) {
		struct loss loss = { .reason = DROP_FRAGMENT, .packet = expired.first };

		/* RFC 792; RFC 8200, 4.5: told only of what the first fragment is there */
		loss.first_only = expired.first != NULL;
		if (expired.first != NULL)
			loss.vport = packet_meta(expired.first)->vport;
		worker_call(weft->workers[0], count_loss, &loss);
	}
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

enum errand { ERRAND_FRAGMENT, ERRAND_DHCP, ERRAND_DISCOVERY, ERRAND_NONE };

static enum errand
errand_of4(const uint8_t *header)
{
	if ((parse_u16(header + 6) & 0x3fff) != 0)
		return ERRAND_FRAGMENT;
	return header[9] == IPPROTO_UDP ? ERRAND_DHCP : ERRAND_NONE;
}

/* Workers have looked at it: its headers are sound. */
static enum errand
errand_of(const struct rte_mbuf *packet, uint16_t l3)
{
	uint8_t header[IP4_HEADER_LENGTH], type;
	struct ip6_upper upper;

	packet_copy_range(header, packet, l3, sizeof(header));
	if (header[0] >> 4 == 4)
		return errand_of4(header);
	if (ip6_find_upper(packet, l3, &upper) != IP6_UPPER ||
		(upper.fragment && (upper.more || upper.fragment_offset != 0)))
		return ERRAND_FRAGMENT;
	if (upper.protocol != IPPROTO_ICMPV6 || upper.offset >= rte_pktmbuf_pkt_len(packet))
		return ERRAND_NONE;
	packet_copy_range(&type, packet, upper.offset, 1);
	return type == ND_ROUTER_SOLICITATION || type == ND_ROUTER_ADVERTISEMENT ? ERRAND_DISCOVERY
										 : ERRAND_NONE;
}

/* What the services of ports see to. Takes it. */
static void
take_for_services(struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet,
	enum errand errand)
{
	router_hosts_lock();
	if (errand == ERRAND_DHCP)
		router_dhcp_take(weft, vport, packet);
	else
		router_ra_take(weft, vport, packet);
	router_hosts_unlock();
}

static void
take_punted(void *context, struct weft *weft, enum punt_reason reason, struct rte_mbuf *packet)
{
	const struct weft_vport *vport = vport_by_id(weft, packet_meta(packet)->vport);
	enum errand errand = errand_of(packet, packet_meta(packet)->l3);
	uint64_t came = packet_meta(packet)->trace;

	(void)context;
	(void)reason;
	packet_meta(packet)->trace = 0; /* when it came, not a mark */
	if (vport == NULL) {
		rte_pktmbuf_free(packet);
	} else if (errand == ERRAND_FRAGMENT) {
		take_fragment(weft, vport, packet);
	} else if (errand != ERRAND_NONE) {
		take_for_services(weft, vport, packet, errand);
	} else {
		router_ping_heard(weft, vport, packet, came);
		rte_pktmbuf_free(packet);
	}
}

int
router_services_open(struct weft *weft)
{
	fragments = reassembly_create(&fragment_limits);
	if (fragments == NULL)
		return -1;
	punt_register(weft, PUNT_ROUTER, take_punted, NULL);
	return 0;
}

void
router_services_close(void)
{
	reassembly_free(fragments);
	fragments = NULL;
	service_out_close();
	router_hosts_close();
}

void
router_services_poll(struct weft *weft, uint64_t now)
{
	expire_fragments(weft, now);
	router_pings_poll(now);
	router_hosts_poll(weft, now);
}

void
router_services_forget(const struct weft_network *network)
{
	reassembly_forget(fragments, network->id);
}
