/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SYN proxy: up to where both sides are joined. What passes then: firewall_splice.c.
 *
 *	client			firewall			server
 *	SYN x		->	nothing is kept
 *		<-	SYN-ACK c, window 0	c: syn_cookie.h
 *	ACK c+1		->	that proves it: a connection is made
 *				SYN x		->
 *					<-	SYN-ACK y
 *				ACK y+1		->
 *		<-	ACK, window	from here on y is c to the client
 *
 * The client may not send before the server has answered: its window is zero until then. To take
 * data earlier would be to keep it, for a server that may never answer, or to drop it, which costs
 * the client its timer and its congestion window. What it asked for (MSS, window scale, SACK) is in
 * the cookie, and in the SYN that the server gets. Windows are scaled anew, for the scale that the
 * client was told is not the server's; timestamps are moved as sequence numbers are. Explicit
 * congestion notification and data in a SYN are not granted, which their senders are prepared for.
 *
 * The server's SYN is sent again as a client would, for that one cannot: its own has been answered.
 * One that never answers, and one that refuses, resets the client. A server that still has an older
 * connection of these ports challenges the SYN (RFC 5961, 4.2), and is answered by a reset, upon
 * which the next SYN finds it free.
 *
 * A SYN for a connection that is there already is answered as any other: only if its client proves
 * itself does it replace that one. So a client that has crashed comes back, and nobody else can say
 * so in its name.
 */
#include "firewall/firewall_objects.h"
#include "packet/edit.h"
#include "packet/icmp.h"
#include "packet/ip.h"
#include "packet/make.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_tcp.h>

#define SECOND 1000000000ull
#define TRIES 6 /* at 0, 1, 3, 7, 15 and 31 s: given up after 63 */
#define POLL_BUDGET 256
#define TOLD_SCALE 8 /* windows of up to 16 MB, in steps of 256 bytes */
#define MSS4 1460    /* until the server has said another */
#define MSS6 1440

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define RST RTE_TCP_RST_FLAG

/* ---- what servers answer ----------------------------------------------------------------------
 *
 * A client is told what its server can before that is asked: what it was last seen to say. One that
 * is not known has timestamps, as nearly all have: a client that was told so and gets none from it
 * may drop what comes (RFC 7323, 3.2), and will be told better the next time.
 */

#define SERVER_KNOWN 0x1
#define SERVER_TIMES 0x2

static uint64_t
server_hash(const struct firewalls *all, const struct flow *reply)
{
	return hash_words(&all->key, flow_endpoint6(reply->from_ip, reply->from_port, &all->key),
		reply->domain);
}

static uint64_t
server_word(uint64_t hash, uint16_t mss, bool has_times)
{
	return (hash & 0xffffffff00000000) | (uint64_t)mss << 16 | SERVER_KNOWN |
	       (has_times ? SERVER_TIMES : 0);
}

static struct syn_offer
server_offer(struct firewalls *all, const struct flow *reply)
{
	uint64_t hash = server_hash(all, reply);
	uint64_t word =
		atomic_load_explicit(&all->servers[hash % FIREWALL_SERVERS], memory_order_relaxed);

	if ((word & SERVER_KNOWN) && (word ^ hash) >> 32 == 0)
		return (struct syn_offer){ .mss = (uint16_t)(word >> 16),
			.has_times = word & SERVER_TIMES };
	return (struct syn_offer){ .mss = reply->family == 4 ? MSS4 : MSS6, .has_times = true };
}

/* Written only where it says something else than before. */
static void
learn_server(struct firewalls *all, const struct flow *reply, const struct tcp_segment *answer,
	bool asked_times, bool has_times)
{
	uint64_t hash = server_hash(all, reply);
	uint16_t mss = answer->mss != 0 ? answer->mss : reply->family == 4 ? 536 : 1220;
	uint64_t word = server_word(
		hash, mss, asked_times ? has_times : server_offer(all, reply).has_times);
	_Atomic uint64_t *place = &all->servers[hash % FIREWALL_SERVERS];

	if (atomic_load_explicit(place, memory_order_relaxed) != word)
		atomic_store_explicit(place, word, memory_order_relaxed);
}

/* ---- segments of our own ----------------------------------------------------------------------
 */

/* TTL or hop limit. */
static uint8_t
hops_of(const struct passage *passage)
{
	uint16_t offset = passage->fields.family == 4 ? offsetof(struct rte_ipv4_hdr, time_to_live)
						      : offsetof(struct rte_ipv6_hdr, hop_limits);
	uint8_t hops;

	packet_copy_range(&hops, passage->packet, passage->fields.l3 + offset, 1);
	return hops;
}

static void
set_ends(const struct passage *passage, bool turned, struct make_ends *ends)
{
	const struct fields *fields = &passage->fields;

	*ends = (struct make_ends){
		.family = fields->family,
		.hops = turned ? 0 : hops_of(passage),
	};
	memcpy(ends->source, turned ? fields->to_ip : fields->from_ip, sizeof(ends->source));
	memcpy(ends->destination, turned ? fields->from_ip : fields->to_ip,
		sizeof(ends->destination));
}

/* As if it came as the passage's packet did, or `turned`: as an answer to it. NULL: no buffer. */
static struct rte_mbuf *
make(struct worker *worker, const struct passage *passage, bool turned,
	struct make_segment *segment)
{
	const struct packet_meta *from = packet_meta(passage->packet);
	const struct fields *fields = &passage->fields;
	struct packet_meta *meta;
	struct rte_mbuf *packet;
	uint8_t frame[MAKE_SIZE];
	struct make_ends ends;

	set_ends(passage, turned, &ends);
	segment->source_port = turned ? fields->to_port : fields->from_port;
	segment->destination_port = turned ? fields->from_port : fields->to_port;
	packet = packet_from_bytes(&worker->pools, frame, make_tcp_segment(frame, &ends, segment));
	if (unlikely(packet == NULL))
		return NULL;
	meta = packet_meta(packet);
	meta->vport = passage->ingress->id;
	meta->vlan = from->vlan;
	meta->hops = from->hops;
	meta->copies = from->copies;
	meta->trace = turned ? 0 : from->trace;
	meta->flags = from->flags & PACKET_PROBE;
	meta->offload = PACKET_CHECKSUM_GOOD;
	if (firewall_frame(packet, passage, turned))
		return packet;
	rte_pktmbuf_free(packet);
	return NULL;
}

static void
send_back(struct worker *worker, const struct passage *passage, struct make_segment *segment)
{
	struct rte_mbuf *packet = make(worker, passage, true, segment);

	if (packet != NULL)
		firewall_send_back(worker, passage, packet);
}

/* Puts a segment of our own in the place of the passage's packet. False: that is gone. */
static bool
replace(struct worker *worker, struct passage *passage, struct make_segment *segment)
{
	struct rte_mbuf *packet = make(worker, passage, false, segment);
	uint8_t from = passage->fields.from, to = passage->fields.to;

	if (unlikely(packet == NULL)) {
		packet_drop(worker, passage->ingress, DROP_NO_BUFFER, passage->packet);
		return false;
	}
	if (passage->fields.dscp != 0)
		edit_set_dscp(packet, passage->fields.dscp);
	rte_pktmbuf_free(passage->packet);
	passage->packet = packet;
	fields_read(packet, &passage->fields);
	passage->fields.from = from;
	passage->fields.to = to;
	return true;
}

static void
take(struct worker *worker, const struct passage *passage, const char *what)
{
	if (passage_is_traced(passage))
		trace_taken(worker, passage->packet, passage->ingress, what);
	rte_pktmbuf_free(passage->packet);
}

/* ---- the client proves itself -----------------------------------------------------------------
 */

/* To answer somebody who is nobody would be to send to many. */
static bool
is_host(const struct fields *fields)
{
	return fields->family == 4 ? !ip4_is_martian_source(fields->from_ip)
				   : !ip6_is_martian_source(fields->from_ip);
}

static bool
is_sound(const struct passage *passage)
{
	return tcp_checksum_holds(
		passage->packet, passage->fields.l3, passage->fields.l4, passage->fields.l4_length);
}

void
firewall_proxy_answer(struct worker *worker, struct passage *passage, const struct flow *reply,
	const struct tcp_segment *syn)
{
	struct firewalls *all = passage->firewall->all;
	struct syn_offer server = server_offer(all, reply);
	struct syn_offer offer = { syn->mss, syn->scale, syn->has_scale, syn->has_sack, false };
	struct make_segment answer = { .acknowledged = syn->sequence + 1, .flags = SYN | ACK };
	uint32_t times[2];

	if (!is_host(&passage->fields) || !is_sound(passage)) {
		packet_drop(worker, passage->ingress,
			is_host(&passage->fields) ? DROP_BAD_TRANSPORT : DROP_MARTIAN_SOURCE,
			passage->packet);
		return;
	}
	answer.sequence = syn_cookie_make(
		&all->cookie_key, &passage->flow, syn->sequence, &offer, worker->now, &answer.time);
	answer.mss = server.mss;
	answer.has_sack = syn->has_sack;
	answer.has_scale = syn->has_scale;
	answer.scale = TOLD_SCALE;
	if (server.has_times && tcp_segment_times(syn, passage->packet, &passage->fields, times)) {
		answer.has_times = true;
		answer.echo = times[0];
	}
	send_back(worker, passage, &answer);
	take(worker, passage, "the SYN proxy has answered it: its client is to prove itself");
}

/* The one that comes first; or a probe of the zero window that it was told, if that was lost, which
 * some send with the number before (RFC 9293, 3.8.6.1). */
static bool
acknowledges_cookie(struct worker *worker, const struct passage *passage,
	const struct tcp_segment *segment, struct proxy_proof *proof)
{
	const struct hash_key *key = &passage->firewall->all->cookie_key;

	proof->cookie = segment->acknowledgment - 1;
	proof->sequence = segment->sequence - 1;
	if (syn_cookie_check(key, &passage->flow, proof->sequence, proof->cookie, worker->now,
		    &proof->offer))
		return true;
	proof->sequence = segment->sequence;
	return segment->length == 0 && syn_cookie_check(key, &passage->flow, proof->sequence,
					       proof->cookie, worker->now, &proof->offer);
}

bool
firewall_proxy_proves(struct worker *worker, const struct passage *passage,
	const struct tcp_segment *segment, struct proxy_proof *proof)
{
	if ((segment->flags & (SYN | RST | ACK)) != ACK || passage->kind != FLOW_OWN ||
		passage_is_dry_run(passage) ||
		!acknowledges_cookie(worker, passage, segment, proof) || !is_sound(passage))
		return false;
	proof->window = segment->window;
	proof->offer.has_times =
		tcp_segment_times(segment, passage->packet, &passage->fields, proof->times);
	return true;
}

/* ---- the server is asked ----------------------------------------------------------------------
 */

static uint16_t
limited(uint32_t window)
{
	return window < UINT16_MAX ? (uint16_t)window : UINT16_MAX;
}

bool
firewall_proxy_open(struct worker *worker, struct passage *passage, const struct proxy_proof *proof,
	struct tcp_segment *syn)
{
	const struct syn_offer *offer = &proof->offer;
	struct make_segment segment = {
		.sequence = proof->sequence,
		.flags = SYN,
		/* of a SYN it is not scaled (RFC 7323, 2.2) */
		.window = limited((uint32_t)proof->window << (offer->has_scale ? offer->scale : 0)),
		.mss = offer->mss,
		.has_scale = offer->has_scale,
		.scale = offer->scale,
		.has_sack = offer->has_sack,
		.has_times = offer->has_times,
		.time = offer->has_times ? proof->times[0] : 0,
	};

	return replace(worker, passage, &segment) &&
	       tcp_segment_read(syn, passage->packet, &passage->fields);
}

static void
note_proof(struct connection_splice *splice, const struct proxy_proof *proof)
{
	const struct syn_offer *offer = &proof->offer;

	splice->flags = SPLICE_PROXY | (offer->has_times ? SPLICE_TIMES : 0);
	splice->first[0] = proof->sequence;
	splice->first[1] = proof->cookie;
	splice->shift[0].from = proof->sequence;
	splice->window = proof->window;
	splice->scale[0] = splice->seen_scale[0] = offer->has_scale ? offer->scale : 0;
	splice->told_scale = offer->has_scale ? TOLD_SCALE : UINT8_MAX;
	if (offer->has_times)
		memcpy(splice->times, proof->times, sizeof(splice->times));
}

void
firewall_proxy_begin(struct worker *worker, struct firewall_shard *shard,
	const struct passage *passage, struct connection *connection,
	const struct proxy_proof *proof)
{
	struct connection_splice *splice = connection_splice_add(shard->connections, connection);
	unsigned length = rte_pktmbuf_pkt_len(passage->packet);
	struct splice_opening *opening;

	note_proof(splice, proof);
	opening = connection_splice_wait(shard->connections, splice, worker->now + SECOND);
	opening->ingress = passage->ingress->id;
	opening->egress = passage->egress != NULL ? passage->egress->id : 0;
	opening->tries = 1;
	opening->way = passage->way;
	/* with more tags than are read it is not sent again */
	opening->length = length <= sizeof(opening->frame) ? (uint16_t)length : 0;
	packet_copy_bytes(opening->frame, passage->packet, opening->length);
}

/* ---- asking again -----------------------------------------------------------------------------
 */

/* The client's SYN, as if it came now. False: its way is gone. */
static bool
enter_again(struct worker *worker, const struct connection *connection,
	const struct splice_opening *opening, struct passage *passage)
{
	*passage = (struct passage){
		.way = opening->way,
		.ingress = vport_get(worker, opening->ingress),
		.egress = opening->egress != 0 ? vport_get(worker, opening->egress) : NULL,
		.firewall = firewall_by_device(worker, connection->domain),
		.flow = connection_flow(connection, 0),
		.kind = FLOW_OWN,
	};
	if (passage->ingress == NULL || passage->firewall == NULL || opening->length == 0 ||
		(opening->egress != 0 && passage->egress == NULL))
		return false;
	passage->live = firewall_live_of(passage->firewall);
	passage->packet = packet_from_bytes(&worker->pools, opening->frame, opening->length);
	if (passage->packet == NULL)
		return false;
	packet_meta(passage->packet)->vport = opening->ingress;
	packet_meta(passage->packet)->offload = PACKET_CHECKSUM_GOOD;
	fields_read(passage->packet, &passage->fields);
	passage->fields.from = connection->from;
	passage->fields.to = connection->to;
	return true;
}

static void
reset_client(struct worker *worker, const struct connection_splice *splice,
	const struct passage *passage)
{
	struct make_segment reset = {
		.sequence = splice->first[1] + 1,
		.acknowledged = splice->first[0] + 1,
		.flags = RST | ACK,
	};

	send_back(worker, passage, &reset);
	rte_pktmbuf_free(passage->packet);
}

static void
ask_again(struct worker *worker, struct connection_table *table, struct connection *connection)
{
	struct connection_splice *splice = connection_splice_of(table, connection);
	struct splice_opening *opening = connection_splice_opening(table, splice);
	struct passage passage;
	bool gave_up = opening->tries == TRIES;

	if (connection->tcp.state != TCP_STATE_SYN_SENT) {
		connection_splice_done(table, splice);
		return;
	}
	if (enter_again(worker, connection, opening, &passage)) {
		if (gave_up)
			reset_client(worker, splice, &passage);
		else
			firewall_forward_known(worker, &passage, connection, 0);
	}
	if (gave_up) {
		connection_end(table, connection, CONNECTION_EXPIRED);
		return;
	}
	connection_splice_again(table, splice, worker->now + (SECOND << opening->tries));
	opening->tries++;
}

void
firewall_proxy_poll_slow(struct worker *worker, struct firewall_shard *shard)
{
	unsigned budget = POLL_BUDGET;
	struct connection *connection;

	while ((connection = connection_splice_due(shard->connections, worker->now, &budget)) !=
		NULL)
		ask_again(worker, shard->connections, connection);
}

/* ---- both are joined --------------------------------------------------------------------------
 */

static void
note_answer(
	struct connection_splice *splice, const struct tcp_segment *answer, const uint32_t *times)
{
	bool scales = answer->has_scale && splice->told_scale != UINT8_MAX;
	uint32_t shift = splice->first[1] - answer->sequence;

	splice->shift[1] = (struct splice_shift){ answer->sequence, shift, shift };
	splice->scale[1] = scales ? answer->scale : 0;
	splice->seen_scale[1] = splice->told_scale != UINT8_MAX ? splice->told_scale : 0;
	splice->seen_scale[0] = scales ? splice->scale[0] : 0;
	if (times != NULL && (splice->flags & SPLICE_TIMES))
		splice->time_shift = splice->times[1] - times[0];
}

/* The server's answer, and that to it, as who is between sees them. */
static enum tcp_verdict
track_answer(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, const struct connection_splice *splice,
	const struct tcp_segment *segment)
{
	struct tcp_segment answer = *segment;
	const struct tcp_segment own = {
		.sequence = splice->first[0] + 1,
		.acknowledgment = splice->first[1] + 1,
		.window = splice->window,
		.flags = ACK,
	};
	uint32_t length = rte_pktmbuf_pkt_len(passage->packet);
	enum tcp_verdict verdict;

	answer.sequence = splice->first[1];
	answer.length = 0;
	answer.has_scale = splice->told_scale != UINT8_MAX;
	answer.scale = splice->told_scale;
	verdict = connection_pass(shard->connections, connection, 1, &answer, length, worker->now);
	if (verdict == TCP_PASS)
		verdict = connection_pass(
			shard->connections, connection, 0, &own, length, worker->now);
	return verdict;
}

/* Answers the server, and makes of its answer what opens the client's window. */
static enum splice_verdict
complete(struct worker *worker, struct passage *passage, const struct connection_splice *splice,
	const struct tcp_segment *segment, const uint32_t *times)
{
	bool has_times = splice->flags & SPLICE_TIMES;
	struct make_segment to_server = {
		.sequence = splice->first[0] + 1,
		.acknowledged = segment->sequence + 1,
		.flags = ACK,
		.window = firewall_splice_window(splice, 0, splice->window),
		.has_times = has_times && times != NULL,
		.time = splice->times[0],
		.echo = times != NULL ? times[0] : 0,
	};
	struct make_segment to_client = {
		.sequence = splice->first[1] + 1,
		.acknowledged = splice->first[0] + 1,
		.flags = ACK,
		/* that of a SYN is not scaled */
		.window = limited((uint32_t)segment->window >> splice->seen_scale[1]),
		.has_times = has_times,
		.time = times != NULL ? times[0] + splice->time_shift : splice->times[1],
		.echo = splice->times[0],
	};

	if (to_client.window == 0 && segment->window != 0)
		to_client.window = 1;
	send_back(worker, passage, &to_server);
	return replace(worker, passage, &to_client) ? SPLICE_FORWARD : SPLICE_GONE;
}

static enum splice_verdict
join(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, struct connection_splice *splice,
	const struct tcp_segment *segment)
{
	uint32_t times[2];
	bool has_times = tcp_segment_times(segment, passage->packet, &passage->fields, times);
	struct flow reply = connection_flow(connection, 1);

	if (track_answer(worker, shard, passage, connection, splice, segment) != TCP_PASS)
		return SPLICE_INVALID;
	note_answer(splice, segment, has_times ? times : NULL);
	connection_splice_done(shard->connections, splice);
	learn_server(
		passage->firewall->all, &reply, segment, splice->flags & SPLICE_TIMES, has_times);
	return complete(worker, passage, splice, segment, has_times ? times : NULL);
}

/* RFC 5961, 4.2: it still has another connection of these ports. */
static enum splice_verdict
answer_challenge(struct worker *worker, struct passage *passage, const struct tcp_segment *segment)
{
	struct make_segment reset = { .sequence = segment->acknowledgment, .flags = RST };

	send_back(worker, passage, &reset);
	take(worker, passage, "the server had an older connection: reset");
	return SPLICE_GONE;
}

/* The server refuses: as what the client takes as such. */
static enum splice_verdict
refuse(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, struct connection_splice *splice,
	const struct tcp_segment *segment)
{
	const struct edit_tcp_shift shift = {
		.sequence = splice->first[1] + 1 - segment->sequence,
		.window = segment->window,
	};

	if (connection_pass(shard->connections, connection, 1, segment,
		    rte_pktmbuf_pkt_len(passage->packet), worker->now) != TCP_PASS)
		return SPLICE_INVALID;
	connection_splice_done(shard->connections, splice);
	splice->shift[1] =
		(struct splice_shift){ segment->sequence, shift.sequence, shift.sequence };
	return firewall_shift(worker, passage, &shift) ? SPLICE_FORWARD : SPLICE_GONE;
}

/* ---- while the server has not answered --------------------------------------------------------
 */

static enum splice_verdict
pass_waiting_server(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, struct connection_splice *splice,
	const struct tcp_segment *segment)
{
	unsigned which = segment->flags & (SYN | ACK | RST);

	if (which == (SYN | ACK) && segment->acknowledgment == splice->first[0] + 1)
		return join(worker, shard, passage, connection, splice, segment);
	if (which & RST)
		return refuse(worker, shard, passage, connection, splice, segment);
	if (which & ACK)
		return answer_challenge(worker, passage, segment);
	return SPLICE_INVALID;
}

/* Its window is zero: all that it may send is what probes it, and a reset. */
static enum splice_verdict
pass_waiting_client(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, const struct connection_splice *splice,
	const struct tcp_segment *segment)
{
	if (segment->flags & RST)
		return connection_pass(shard->connections, connection, 0, segment,
			       rte_pktmbuf_pkt_len(passage->packet), worker->now) == TCP_PASS
			       ? SPLICE_FORWARD
			       : SPLICE_INVALID;
	if (segment->acknowledgment != splice->first[1] + 1 || segment->length > 1)
		return SPLICE_INVALID;
	take(worker, passage, "the server has not answered yet: it waits");
	return SPLICE_GONE;
}

/* ---- afterwards -------------------------------------------------------------------------------
 */

/* The client may have begun another connection: that is over. */
static bool
is_replaced(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *segment)
{
	struct proxy_proof proof;

	if (side != 0 || !firewall_proxy_proves(worker, passage, segment, &proof))
		return false;
	connection_end(shard->connections, connection, CONNECTION_REPLACED);
	return true;
}

/* Ours was lost on its way to the server, or the client's to it. */
static bool
is_answer_again(
	const struct connection_splice *splice, unsigned side, const struct tcp_segment *segment)
{
	return side == 1 && (segment->flags & (SYN | ACK | RST)) == (SYN | ACK) &&
	       segment->sequence + splice->shift[1].before == splice->first[1];
}

enum splice_verdict
firewall_proxy_pass(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, struct connection_splice *splice, unsigned side,
	const struct tcp_segment *segment)
{
	bool over = connection->flags & CONNECTION_ENDED;
	enum splice_verdict verdict;
	struct flow reply;
	uint32_t times[2];

	if (side == 0 && tcp_segment_begins(segment)) {
		reply = connection_flow(connection, 1);
		firewall_proxy_answer(worker, passage, &reply, segment);
		return SPLICE_GONE;
	}
	if (over && is_replaced(worker, shard, passage, connection, side, segment))
		return SPLICE_OVER;
	if (splice->flags & SPLICE_WAITING)
		verdict = side == 0 ? pass_waiting_client(
					      worker, shard, passage, connection, splice, segment)
				    : pass_waiting_server(
					      worker, shard, passage, connection, splice, segment);
	else if (is_answer_again(splice, side, segment))
		return complete(worker, passage, splice, segment,
			tcp_segment_times(segment, passage->packet, &passage->fields, times)
				? times
				: NULL);
	else
		verdict = firewall_splice_joined(
			worker, shard, passage, connection, splice, side, segment);
	if (verdict == SPLICE_INVALID && !over &&
		is_replaced(worker, shard, passage, connection, side, segment))
		return SPLICE_OVER;
	return verdict;
}
