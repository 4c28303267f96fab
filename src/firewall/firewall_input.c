/* SPDX-License-Identifier: BSD-3-Clause */
/* The firewall's node; the numbers are those of firewall.h. */
#include "firewall/connection_fast.h"
#include "firewall/firewall_objects.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_prefetch.h>

/* Packets read ahead before the first of them is judged: their lines come in meanwhile. */
#define VECTOR 32
#define PREFETCH_AHEAD 4
/* Connections that are looked at for being over, beside each packet. */
#define EXPIRE_PER_PACKET 2

/* ---- 1., 2.: reading ------------------------------------------------------------------------- */

static enum drop_reason
reason_of(enum fields_result result)
{
	switch (result) {
	case FIELDS_TOO_SHORT:
		return DROP_TOO_SHORT;
	case FIELDS_BAD_VLAN_TAG:
		return DROP_BAD_VLAN_TAG;
	case FIELDS_BAD_IP_CHECKSUM:
		return DROP_BAD_IP_CHECKSUM;
	case FIELDS_BAD_TRANSPORT:
		return DROP_BAD_TRANSPORT;
	default:
		return DROP_BAD_IP_HEADER;
	}
}

/* False: the packet is gone. */
static bool
read_fields(struct worker *worker, struct passage *passage)
{
	enum fields_result result = fields_read(passage->packet, &passage->fields);

	if (unlikely(result != FIELDS_OK)) {
		firewall_drop(worker, passage, reason_of(result));
		return false;
	}
	if (likely(passage->way == WAY_ACROSS)) {
		passage->fields.from = firewall_port_of(passage->ingress)->index;
		passage->fields.to = !passage->fields.from;
	} else {
		passage->fields.from = passage->ingress->guard_index;
		passage->fields.to = passage->egress != NULL ? passage->egress->guard_index
							     : passage->fields.from;
	}
	return true;
}

/* Which connection it is of, or tells of. */
static void
read_flow(struct passage *passage, const struct hash_key *key)
{
	uint32_t domain = passage->firewall->domain.id;

	passage->kind = FLOW_OWN;
	if (unlikely(!flow_read(&passage->flow, &passage->fields, domain))) {
		passage->kind = FLOW_QUOTED;
		if (!flow_read_quoted(&passage->flow, passage->packet, &passage->fields, domain,
			    &passage->quoted_l4)) {
			passage->kind = FLOW_NONE;
			return;
		}
		passage->flow = flow_reverse(&passage->flow);
	}
	passage->hash = flow_hash(&passage->flow, key);
}

/* True: the packet is another worker's, and has been handed over. What `weft explain` sends stays:
 * it is told of what this worker knows. */
static bool
hand_over(struct worker *worker, const struct passage *passage, uint64_t hash)
{
	unsigned owner = passage_owner(worker, passage, hash);

	if (likely(owner == worker->index) || passage_is_dry_run(passage))
		return false;
	if (passage->way != WAY_ACROSS) {
		packet_meta(passage->packet)->flags |= PACKET_TO_JUDGE;
		packet_meta(passage->packet)->flow_hash =
			passage->egress != NULL ? passage->egress->id : 0;
	}
	worker_hand_over(worker, owner, firewall_node(worker), passage->packet);
	return true;
}

/* A fragment waits here, with the others of its datagram, until that is whole. */
static bool
make_whole(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	uint64_t hash = packet_flow_hash(passage->packet, &worker->flow_key);

	if (hand_over(worker, passage, hash << 32))
		return false;
	return firewall_gather(worker, shard, passage) && read_fields(worker, passage);
}

/* Out of a port that nobody guards any more, or unasked: within a zone, from somewhere else. */
static void
send_unjudged(struct worker *worker, struct vport *egress, struct rte_mbuf *packet)
{
	packet_meta(packet)->flags |= PACKET_JUDGED;
	vport_send(worker, egress, packet);
}

static bool
translates(struct worker *worker, uint32_t guard)
{
	const struct firewall *firewall = guard != 0 ? firewall_by_device(worker, guard) : NULL;

	return firewall != NULL && firewall_live_of(firewall)->translations != NULL;
}

/* What came into a device and is for that. False: there is nothing to translate. */
static bool
enter_arrival(struct worker *worker, struct vport *ingress, struct rte_mbuf *packet,
	struct passage *passage)
{
	if (ingress == NULL) {
		packet_drop(worker, NULL, DROP_STALE_VPORT, packet);
		return false;
	}
	if (!translates(worker, ingress->guard)) {
		vport_give_back(worker, ingress, packet);
		return false;
	}
	passage->way = WAY_IN;
	passage->ingress = ingress;
	passage->egress = NULL;
	passage->firewall = firewall_by_device(worker, ingress->guard);
	return true;
}

/* What of a device's packets is not for rules: between other places than the guard's zones, or
 * within one. */
static bool
is_free_to_go(struct worker *worker, const struct vport *ingress, const struct vport *egress,
	const struct packet_meta *meta)
{
	if (egress->guard == 0)
		return true;
	if (ingress == NULL || ingress->guard != egress->guard)
		return true;
	if (unlikely(meta->flags & PACKET_ABOUT_JUDGED))
		return !translates(worker, egress->guard);
	return ingress->guard_index == egress->guard_index;
}

/* What a device sends out of a guarded vport, or has got by one. False: there is nothing to judge.
 */
static bool
enter_guard(struct worker *worker, struct rte_mbuf *packet, struct passage *passage)
{
	struct packet_meta *meta = packet_meta(packet);
	struct vport *ingress = vport_get(worker, meta->vport), *egress;
	uint32_t to = meta->flow_hash;

	meta->flags &= (uint8_t)~PACKET_TO_JUDGE;
	meta->flow_hash = 0;
	if (to == 0)
		return enter_arrival(worker, ingress, packet, passage);
	egress = vport_get(worker, to);
	if (unlikely(egress == NULL)) {
		packet_drop(worker, ingress, DROP_STALE_VPORT, packet);
		return false;
	}
	if (is_free_to_go(worker, ingress, egress, meta)) {
		send_unjudged(worker, egress, packet);
		return false;
	}
	passage->ingress = ingress;
	passage->egress = egress;
	passage->firewall = firewall_by_device(worker, egress->guard);
	passage->way = meta->flags & PACKET_ABOUT_JUDGED ? WAY_SAID : WAY_OUT;
	/* a guard that is gone is for who removed it to care for */
	if (unlikely(passage->firewall == NULL)) {
		packet_drop(worker, ingress, DROP_STALE_VPORT, packet);
		return false;
	}
	return true;
}

static bool
enter_port(struct worker *worker, struct rte_mbuf *packet, struct passage *passage)
{
	passage->way = WAY_ACROSS;
	passage->egress = NULL;
	passage->ingress = vport_get(worker, packet_meta(packet)->vport);
	if (unlikely(passage->ingress == NULL)) {
		packet_drop(worker, NULL, DROP_STALE_VPORT, packet);
		return false;
	}
	passage->firewall = firewall_port_of(passage->ingress)->owner;
	return true;
}

/* False: there is nothing to judge (any more). */
static bool
enter(struct worker *worker, struct firewall_shard *shard, struct rte_mbuf *packet,
	struct passage *passage)
{
	bool guards = unlikely(packet_meta(packet)->flags & PACKET_TO_JUDGE);

	passage->packet = packet;
	if (!(guards ? enter_guard(worker, packet, passage) : enter_port(worker, packet, passage)))
		return false;
	passage->live = firewall_live_of(passage->firewall);
	if (!read_fields(worker, passage))
		return false;
	if (unlikely(passage->fields.fragment) && !make_whole(worker, shard, passage))
		return false;
	read_flow(passage, &passage->firewall->all->key);
	if (unlikely(passage->kind == FLOW_NONE))
		return true;
	if (worker->weft->n_workers > 1 && hand_over(worker, passage, passage->hash))
		return false;
	passage->bucket = connection_fast_prefetch(shard->connections, passage->hash);
	return true;
}

/* ---- 3.: packets of connections -------------------------------------------------------------- */

/* What rules looked at of the connection's first packet; `passage`: one of its packets, which
 * tells more than the flow, or NULL. */
static void
first_fields(struct connection *connection, const struct passage *passage, unsigned side,
	struct fields *fields)
{
	struct flow flow = connection_flow(connection, 0), reply = connection_flow(connection, 1);

	/* with its destination translated, and its source not yet */
	memcpy(flow.to_ip, reply.from_ip, sizeof(flow.to_ip));
	flow.to_port = reply.from_port;
	flow_fields(&flow, fields);
	fields->from = connection->from;
	fields->to = connection->to;
	if (passage == NULL)
		return;
	fields->vlan = passage->fields.vlan;
	fields->dscp = passage->fields.dscp;
	memcpy(fields->from_mac, side == 0 ? passage->fields.from_mac : passage->fields.to_mac,
		sizeof(fields->from_mac));
	memcpy(fields->to_mac, side == 0 ? passage->fields.to_mac : passage->fields.from_mac,
		sizeof(fields->to_mac));
}

/* One that another has announced is refused with the rule of that. */
static bool
refuses_announced(const struct firewall *firewall, const struct connection *connection)
{
	const struct rule *rule = rule_table_get(&firewall->all->rules, connection->rule);

	return rule == NULL || rule->match.action != WEFT_RULE_ACCEPT ||
	       rule->match.helper == WEFT_HELPER_NONE;
}

static bool
is_announced(struct connection *connection)
{
	return unlikely(connection->flags & CONNECTION_SPLICED) &&
	       (connection_splice_of(connection_table_of(connection), connection)->flags &
		       SPLICE_CHILD);
}

/* The connection is of other rules: what do those of now say? */
static bool
refuses(const struct firewall *firewall, const struct firewall_live *live,
	struct connection *connection, const struct passage *passage, unsigned side)
{
	const struct rule *rule;
	struct fields fields;
	unsigned action;

	if (live->keep) {
		connection->judged = live->version;
		return false;
	}
	if (is_announced(connection)) {
		connection->judged = live->version;
		return refuses_announced(firewall, connection);
	}
	first_fields(connection, passage, side, &fields);
	if (live->routed && fields.from == fields.to) {
		connection->judged = live->version;
		return false;
	}
	rule = classifier_find(live->view, &fields, WEFT_STATE_NEW);
	action = rule != NULL ? rule->match.action : live->otherwise;
	if (action != WEFT_RULE_ACCEPT)
		return true;
	connection->rule = rule != NULL ? rule->id : 0;
	connection->judged = live->version;
	connection_set_timeout(connection_table_of(connection), connection,
		rule != NULL ? rule->match.timeout : 0);
	return false;
}

bool
firewall_refuses(const struct firewall *firewall, struct connection *connection)
{
	const struct firewall_live *live = firewall_live_of(firewall);

	return connection->judged != live->version && refuses(firewall, live, connection, NULL, 0);
}

/* The connection of the passage's flow, as far as the rules of now have it. */
static struct connection *
find_connection(struct firewall_shard *shard, const struct passage *passage, unsigned *side)
{
	struct connection *connection = connection_fast_find(
		shard->connections, passage->candidate, &passage->flow, passage->hash, side);

	if (likely(connection == NULL || connection->judged == passage->live->version))
		return connection;
	if (passage_is_dry_run(passage) ||
		!refuses(passage->firewall, passage->live, connection,
			passage->kind == FLOW_OWN ? passage : NULL, *side))
		return connection;
	connection_end(shard->connections, connection, CONNECTION_REFUSED);
	return NULL;
}

/* Each side's packets come in by its port, and so do errors about what it was sent. */
static bool
comes_from_its_side(
	const struct passage *passage, const struct connection *connection, unsigned side)
{
	return likely(passage->fields.from == (side == 0 ? connection->from : connection->to));
}

/* And they go to the other's: of what a guard judges that is the other device's to know. */
static bool
goes_to_its_side(const struct passage *passage, const struct connection *connection, unsigned side)
{
	return likely(passage->way != WAY_OUT || (connection->flags & CONNECTION_TRANSLATED) ||
		      passage->fields.to == (side == 0 ? connection->to : connection->from));
}

/* Whose sides do not number its bytes alike. */
static void
meet_spliced(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *segment)
{
	enum splice_verdict verdict =
		firewall_splice_pass(worker, shard, passage, connection, side, segment);

	if (likely(verdict == SPLICE_FORWARD))
		firewall_forward_known(worker, passage, connection, side);
	else if (verdict == SPLICE_OVER)
		firewall_meet_stranger(worker, shard, passage, segment);
	else if (verdict == SPLICE_INVALID)
		firewall_meet_invalid(worker, shard, passage, DROP_OUT_OF_WINDOW);
}

static void
meet_known(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *segment)
{
	enum tcp_verdict verdict = TCP_PASS;

	if (unlikely(passage_is_traced(passage)))
		firewall_trace_connection(worker, passage, connection, side);
	if (unlikely(connection->flags & CONNECTION_SPLICED)) {
		meet_spliced(worker, shard, passage, connection, side, segment);
		return;
	}
	if (likely(!passage_is_dry_run(passage)))
		verdict = connection_fast_pass(shard->connections, connection, side, segment,
			rte_pktmbuf_pkt_len(passage->packet), worker->now);
	if (likely(verdict == TCP_PASS)) {
		firewall_forward_known(worker, passage, connection, side);
		return;
	}
	if (passage_is_traced(passage))
		firewall_trace_verdict(worker, passage, verdict);
	if (verdict == TCP_BAD_SYN) {
		firewall_forward_known(worker, passage, connection, side);
	} else if (verdict == TCP_RESTART) {
		connection_end(shard->connections, connection, CONNECTION_REPLACED);
		firewall_meet_stranger(worker, shard, passage, segment);
	} else {
		firewall_meet_invalid(worker, shard, passage, DROP_OUT_OF_WINDOW);
	}
}

/* An ICMP error about a packet to `side` of a connection that is, or is not, there. */
static void
meet_error(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side)
{
	bool named;

	if (connection == NULL) {
		firewall_meet_lost(worker, shard, passage);
		return;
	}
	if (!firewall_ask_related(worker, shard, passage, &named))
		return;
	if (!named && passage_is_traced(passage))
		firewall_trace_connection(worker, passage, connection, side);
	if (likely(!(connection->flags & CONNECTION_SPLICED)) ||
		firewall_splice_quote(worker, shard, passage, connection, side))
		firewall_forward_known(worker, passage, connection, side);
}

static bool
is_in_place(const struct passage *passage, const struct connection *connection, unsigned side)
{
	return likely(comes_from_its_side(passage, connection, side) &&
		      goes_to_its_side(passage, connection, side));
}

/* A packet of a connection that it is sure to be of, or of none. */
static inline void
meet_in_place(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *tcp)
{
	if (unlikely(passage->kind == FLOW_QUOTED))
		meet_error(worker, shard, passage, connection, side);
	else if (connection != NULL)
		meet_known(worker, shard, passage, connection, side, tcp);
	else
		firewall_meet_stranger(worker, shard, passage, tcp);
}

/*
 * A host has moved to another port of the device that is guarded, or of a frame that was flooded
 * one copy goes elsewhere than another: the rules say whether the connection could have begun
 * there. Where a packet comes from is known, and so the connection moves along; where it is flooded
 * to says nothing. What is refused is dropped in silence: another copy may be on its way to whom it
 * is for, and would be answered for this one.
 */
static void
meet_elsewhere(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *tcp)
{
	const struct rule *rule;
	struct fields fields;

	if (passage->way != WAY_OUT || (connection->flags & CONNECTION_TRANSLATED)) {
		firewall_meet_invalid(worker, shard, passage, DROP_INVALID_STATE);
		return;
	}
	first_fields(connection, passage->kind == FLOW_OWN ? passage : NULL, side, &fields);
	fields.from = side == 0 ? passage->fields.from : passage->fields.to;
	fields.to = side == 0 ? passage->fields.to : passage->fields.from;
	rule = classifier_find(passage->live->view, &fields, WEFT_STATE_NEW);
	if (passage_is_traced(passage))
		firewall_trace_rule(worker, passage, rule);
	if ((rule != NULL ? rule->match.action : passage->live->otherwise) != WEFT_RULE_ACCEPT) {
		firewall_drop(worker, passage, rule != NULL ? DROP_RULE : DROP_RULE_DEFAULT);
		return;
	}
	if (!comes_from_its_side(passage, connection, side) && !passage_is_dry_run(passage)) {
		connection->from = fields.from;
		connection->to = fields.to;
	}
	meet_in_place(worker, shard, passage, connection, side, tcp);
}

static bool
is_translated(const struct connection *connection)
{
	return connection != NULL && (connection->flags & CONNECTION_TRANSLATED);
}

/* The device's own, about a packet as it was readdressed on its way in. */
static void
meet_said(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	struct connection *connection = NULL;
	unsigned side = 0;

	if (passage->kind == FLOW_QUOTED)
		connection = find_connection(shard, passage, &side);
	if (!is_translated(connection))
		firewall_forward(worker, passage, 0);
	else if (likely(!(connection->flags & CONNECTION_SPLICED)) ||
		 firewall_splice_quote(worker, shard, passage, connection, side))
		firewall_forward_known(worker, passage, connection, side);
}

/* Of TCP *tcp: its segment, which is read into `segment`; else NULL. False: the packet is gone. */
static inline bool
read_segment(struct worker *worker, struct passage *passage, struct tcp_segment *segment,
	const struct tcp_segment **tcp)
{
	*tcp = NULL;
	if (passage->kind != FLOW_OWN || passage->flow.protocol != IPPROTO_TCP)
		return true;
	if (unlikely(!tcp_segment_read(segment, passage->packet, &passage->fields))) {
		firewall_drop(worker, passage, DROP_BAD_TRANSPORT);
		return false;
	}
	*tcp = segment;
	return true;
}

static inline void
meet_flow(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *tcp)
{
	if (unlikely(connection != NULL && !is_in_place(passage, connection, side)))
		meet_elsewhere(worker, shard, passage, connection, side, tcp);
	else
		meet_in_place(worker, shard, passage, connection, side, tcp);
}

/* WAY_IN */
static void
judge_arrival(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	const struct tcp_segment *tcp;
	struct connection *connection;
	struct tcp_segment segment;
	unsigned side = 0;

	if (passage->kind == FLOW_NONE) {
		firewall_give_back(worker, passage);
		return;
	}
	if (!read_segment(worker, passage, &segment, &tcp))
		return;
	connection = find_connection(shard, passage, &side);
	if (is_translated(connection))
		meet_flow(worker, shard, passage, connection, side, tcp);
	else
		firewall_meet_stranger(worker, shard, passage, tcp);
}

/* What only translations have to do with. True: the packet is gone. */
static bool
judge_for_translations(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	switch (passage->way) {
	case WAY_ACROSS:
		firewall_hear(passage);
		return passage->kind == FLOW_NONE && firewall_answer(worker, passage);
	case WAY_SAID:
		meet_said(worker, shard, passage);
		return true;
	case WAY_IN:
		judge_arrival(worker, shard, passage);
		return true;
	default:
		return false;
	}
}

static void
judge(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	const struct tcp_segment *tcp;
	struct connection *connection;
	struct tcp_segment segment;
	unsigned side = 0;

	if (unlikely(passage->live->translations != NULL) &&
		judge_for_translations(worker, shard, passage))
		return;
	if (unlikely(passage->kind == FLOW_NONE)) {
		/* an error that does not tell what it is about is about no connection */
		if (flow_is_error(&passage->fields))
			firewall_meet_lost(worker, shard, passage);
		else
			firewall_meet_single(worker, shard, passage);
		return;
	}
	if (unlikely(!read_segment(worker, passage, &segment, &tcp)))
		return;
	connection = find_connection(shard, passage, &side);
	meet_flow(worker, shard, passage, connection, side, tcp);
}

/* ---- the node ---------------------------------------------------------------------------------
 */

static unsigned
enter_all(struct worker *worker, struct firewall_shard *shard, struct rte_mbuf **packets,
	unsigned count, struct passage *passages)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(packets[i + PREFETCH_AHEAD], void *));
		n += enter(worker, shard, packets[i], &passages[n]);
	}
	return n;
}

static void
judge_all(struct worker *worker, struct firewall_shard *shard, struct passage *passages,
	unsigned count)
{
	/* all, before the first is judged: as many as the processor can wait for at once */
	for (unsigned i = 0; i < count; i++)
		if (likely(passages[i].kind != FLOW_NONE))
			passages[i].candidate =
				connection_fast_candidate(shard->connections, passages[i].bucket,
					passages[i].hash, passages[i].flow.protocol == IPPROTO_TCP);
	for (unsigned i = 0; i < count; i++)
		judge(worker, shard, &passages[i]);
}

void
firewall_input(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct firewall_shard *shard = &firewalls_of(worker->weft)->shards[worker->index];
	struct passage passages[VECTOR];

	for (unsigned from = 0; from < count; from += VECTOR) {
		unsigned n = enter_all(worker, shard, packets + from,
			RTE_MIN((unsigned)VECTOR, count - from), passages);

		judge_all(worker, shard, passages, n);
	}
	firewall_expire_fragments(worker, shard);
	firewall_proxy_poll(worker, shard);
	connections_expire(shard->connections, worker->now, EXPIRE_PER_PACKET * count);
}
