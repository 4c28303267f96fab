/* SPDX-License-Identifier: BSD-3-Clause */
#include "router/router_ping.h"

#include "base/error.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "router/router_objects.h"

#include <errno.h>
#include <netinet/in.h>

#define TIMEOUT_NS UINT64_C(1000000000)
#define PAYLOAD 32
#define MESSAGE 8 /* bytes of an ICMP header */

struct router_ping {
	bool used;
	uint32_t device; /* id of the router */
	uint8_t family;
	uint8_t to[16];
	uint16_t id, sequence; /* host order */
	uint64_t sent, deadline;
	struct router_ping_state state;
};

_Atomic unsigned router_pings;

static struct router_ping pings[ROUTER_PING_LIMIT];

/* ---- sending
 * -------------------------------------------------------------------------------------- */

struct sending {
	struct weft *weft;
	const struct router_ping_request *request;
	struct router_ping *ping;
	int failure; /* errno value */
};

/* The port that it leaves by; NULL: there is none. */
static struct vport *
find_egress(
	struct worker *worker, const struct router_ping_request *request, struct rte_mbuf *packet)
{
	const struct next_hop *hop;

	if (request->port != NULL)
		return vport_get(worker, request->port->id);
	hop = router_hop_to(worker, request->router->data, request->family, request->to, packet);
	return hop != NULL ? vport_get(worker, hop->key.vport) : NULL;
}

static struct rte_mbuf *
make_request(struct worker *worker, const struct sending *sending, const uint8_t *source)
{
	const struct router_ping_request *request = sending->request;
	const struct router_ping *ping = sending->ping;
	struct make_ends ends = { .family = request->family, .hops = request->ttl };
	uint8_t frame[MAKE_SIZE], payload[PAYLOAD];

	for (unsigned i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	memcpy(ends.source, source, request->family == 4 ? 4 : 16);
	memcpy(ends.destination, request->to, sizeof(ends.destination));
	return packet_from_bytes(&worker->pools, frame,
		make_echo(frame, &ends, ping->id, ping->sequence, payload, sizeof(payload)));
}

static void
send_request(struct worker *worker, void *argument)
{
	struct sending *sending = argument;
	const struct router_ping_request *request = sending->request;
	const uint8_t nobody[16] = { 0 }, *source;
	struct rte_mbuf *packet = make_request(worker, sending, nobody); /* for its flow hash */
	struct vport *egress;

	sending->failure = ENOBUFS;
	if (packet == NULL)
		return;
	egress = find_egress(worker, request, packet);
	rte_pktmbuf_free(packet);
	sending->failure = ENETUNREACH;
	if (egress == NULL)
		return;
	source = router_port_source(router_port_of(egress), request->family, request->to);
	if (source == NULL && request->family == 6)
		source = router_any_source6(request->router->data);
	sending->failure = EADDRNOTAVAIL;
	if (source == NULL)
		return;
	packet = make_request(worker, sending, source);
	sending->failure = packet != NULL ? 0 : ENOBUFS;
	if (packet == NULL)
		return;
	sending->ping->sent = worker->now;
	router_originate(
		worker, egress, packet, request->family, request->port != NULL ? egress : NULL);
}

static struct router_ping *
free_place(void)
{
	for (unsigned i = 0; i < ROUTER_PING_LIMIT; i++)
		if (!pings[i].used)
			return &pings[i];
	return NULL;
}

static int
refuse(const struct router_ping_request *request, int failure, struct weft_error *error)
{
	char text[ROUTER_ADDRESS_SIZE];

	router_address_text(request->family, request->to, text);
	if (failure == ENETUNREACH)
		return error_set(error, failure, "router %s has no route to %s",
			request->router->name, text);
	if (failure == EADDRNOTAVAIL)
		return error_set(error, failure,
			"router %s has no IPv%u address on the port towards %s to send from",
			request->router->name, request->family, text);
	return error_errno(error, failure, "cannot send to %s", text);
}

struct router_ping *
router_ping_start(
	struct weft *weft, const struct router_ping_request *request, struct weft_error *error)
{
	struct router_ping *ping = free_place();
	struct sending sending = { weft, request, ping, 0 };
	uint64_t random = weft->options.random(weft->options.context);

	if (ping == NULL) {
		error_set(error, EBUSY, "%u pings are under way already", ROUTER_PING_LIMIT);
		return NULL;
	}
	*ping = (struct router_ping){
		.used = true,
		.device = request->router->id,
		.family = request->family,
		.id = (uint16_t)random,
		.sequence = (uint16_t)(random >> 16),
	};
	memcpy(ping->to, request->to, sizeof(ping->to));
	ping->deadline =
		engine_now(weft) + (request->timeout_ns != 0 ? request->timeout_ns : TIMEOUT_NS);
	atomic_fetch_add(&router_pings, 1); /* before the answer can come */
	worker_call(weft->workers[0], send_request, &sending);
	if (sending.failure == 0)
		return ping;
	router_ping_end(ping);
	refuse(request, sending.failure, error);
	return NULL;
}

void
router_ping_read(const struct router_ping *ping, struct router_ping_state *state)
{
	*state = ping->state;
}

void
router_ping_end(struct router_ping *ping)
{
	if (ping == NULL)
		return;
	ping->used = false;
	atomic_fetch_sub(&router_pings, 1);
}

void
router_pings_poll(uint64_t now)
{
	for (unsigned i = 0; i < ROUTER_PING_LIMIT; i++)
		if (pings[i].used && pings[i].state.result == ROUTER_PING_WAITING &&
			now >= pings[i].deadline)
			pings[i].state.result = ROUTER_PING_TIMEOUT;
}

/* ---- hearing
 * -------------------------------------------------------------------------------------- */

/* An ICMP message with what it quotes, of either family. */
struct heard {
	uint8_t family;
	const uint8_t *source; /* who sent it */
	uint8_t ttl;
	const uint8_t *icmp;
	unsigned length;
	/* of the echo that it answers, or quotes */
	const uint8_t *asked;
	uint16_t id, sequence;
};

static bool
is_reply(const struct heard *heard)
{
	return heard->icmp[0] == (heard->family == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY);
}

/* The echo request in an error's quote; false: it quotes something else. */
static bool
read_quote(struct heard *heard)
{
	const uint8_t *ip = heard->icmp + MESSAGE, *echo;
	unsigned left = heard->length - MESSAGE, header = IP6_HEADER_LENGTH;
	bool four = heard->family == 4;

	if (left < (four ? IP4_HEADER_LENGTH : IP6_HEADER_LENGTH))
		return false;
	if (four)
		header = (ip[0] & 0x0f) * 4u;
	if (header < IP4_HEADER_LENGTH || left < header + MESSAGE ||
		ip[four ? 9 : 6] != (four ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	echo = ip + header;
	if (echo[0] != (four ? ICMP4_ECHO : ICMP6_ECHO))
		return false;
	heard->asked = ip + (four ? 16 : 24);
	heard->id = parse_u16(echo + 4);
	heard->sequence = parse_u16(echo + 6);
	return true;
}

static bool
understand(struct heard *heard)
{
	if (!is_reply(heard))
		return read_quote(heard);
	heard->asked = heard->source;
	heard->id = parse_u16(heard->icmp + 4);
	heard->sequence = parse_u16(heard->icmp + 6);
	return true;
}

static enum router_ping_result
result_of(const struct heard *heard)
{
	if (is_reply(heard))
		return ROUTER_PING_REPLY;
	if (heard->icmp[0] == (heard->family == 4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED))
		return ROUTER_PING_TTL_EXCEEDED;
	return ROUTER_PING_UNREACHABLE;
}

static uint32_t
mtu_in(const struct heard *heard)
{
	if (heard->family == 4)
		return heard->icmp[0] == ICMP4_UNREACHABLE && heard->icmp[1] == ICMP4_TOO_BIG
			       ? parse_u16(heard->icmp + 6)
			       : 0;
	return heard->icmp[0] == ICMP6_TOO_BIG ? parse_u16(heard->icmp + 6) : 0;
}

static bool
is_about(const struct router_ping *ping, const struct heard *heard, uint32_t device)
{
	return ping->used && ping->state.result == ROUTER_PING_WAITING && ping->device == device &&
	       ping->family == heard->family && ping->id == heard->id &&
	       ping->sequence == heard->sequence &&
	       memcmp(ping->to, heard->asked, heard->family == 4 ? 4 : 16) == 0;
}

static void
note(struct router_ping *ping, const struct heard *heard, uint64_t came)
{
	struct router_ping_state *state = &ping->state;

	state->result = result_of(heard);
	memcpy(state->from, heard->source, heard->family == 4 ? 4 : 16);
	state->ttl = heard->ttl;
	state->type = heard->icmp[0];
	state->code = heard->icmp[1];
	state->mtu = mtu_in(heard);
	state->round_trip = came > ping->sent ? came - ping->sent : 0;
}

/* Where the ICMP message is in the packet; false: it is none that is whole. */
static bool
find_message(struct rte_mbuf *packet, uint16_t l3, struct heard *heard)
{
	const uint8_t *header = rte_pktmbuf_mtod_offset(packet, const uint8_t *, l3);
	unsigned end = l3 + ip_length(packet, l3), l4;
	struct ip6_upper upper;

	heard->family = header[0] >> 4 == 4 ? 4 : 6;
	if (heard->family == 4) {
		l4 = l3 + (header[0] & 0x0f) * 4u;
	} else {
		if (ip6_find_upper(packet, l3, &upper) != IP6_UPPER)
			return false;
		l4 = upper.offset;
	}
	heard->source = header + (heard->family == 4 ? 12 : 8);
	heard->ttl = header[heard->family == 4 ? 8 : 7];
	if (l4 + MESSAGE > end || end > rte_pktmbuf_data_len(packet))
		return false;
	heard->icmp = rte_pktmbuf_mtod_offset(packet, const uint8_t *, l4);
	heard->length = end - l4;
	return true;
}

void
router_ping_heard(
	struct weft *weft, const struct weft_vport *vport, struct rte_mbuf *packet, uint64_t came)
{
	struct heard heard = { 0 };

	(void)weft;
	if (!find_message(packet, packet_meta(packet)->l3, &heard) || !understand(&heard))
		return;
	for (unsigned i = 0; i < ROUTER_PING_LIMIT; i++)
		if (is_about(&pings[i], &heard, vport->device->id))
			note(&pings[i], &heard, came);
}
