/* SPDX-License-Identifier: BSD-3-Clause */
/* The firewall's node. */
#include "firewall/firewall_objects.h"
#include "graph/trace.h"
#include "packet/ip.h"

#include <netinet/in.h>
#include <rte_prefetch.h>

/* Packets read ahead before the first of them is judged: their lines come in meanwhile. */
#define VECTOR 32
#define PREFETCH_AHEAD 4
/* Connections that are looked at for being over, beside each packet. */
#define EXPIRE_PER_PACKET 2

static inline bool
is_dry_run(const struct passage *passage)
{
	return packet_meta(passage->packet)->flags & PACKET_DRY_RUN;
}

static inline bool
is_traced(const struct passage *passage)
{
	return unlikely(packet_meta(passage->packet)->trace != 0);
}

static void
drop(struct worker *worker, struct passage *passage, enum drop_reason reason)
{
	packet_drop(worker, passage->ingress, reason, passage->packet);
}

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
	const struct firewall_port *port = firewall_port_of(passage->ingress);

	if (unlikely(result != FIELDS_OK)) {
		drop(worker, passage, reason_of(result));
		return false;
	}
	passage->fields.from = port->index;
	passage->fields.to = !port->index;
	return true;
}

/* Fragments wait here until their datagram is whole. */
static bool
make_whole(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	passage->packet = firewall_gather(worker, shard, passage);
	return passage->packet != NULL && read_fields(worker, passage);
}

static bool
enter(struct worker *worker, struct firewall_shard *shard, struct rte_mbuf *packet,
	struct passage *passage)
{
	passage->packet = packet;
	passage->ingress = vport_get(worker, packet_meta(packet)->vport);
	passage->whole = false;
	if (unlikely(passage->ingress == NULL)) {
		packet_drop(worker, NULL, DROP_STALE_VPORT, packet);
		return false;
	}
	passage->firewall = firewall_port_of(passage->ingress)->owner;
	passage->live = firewall_live_of(passage->firewall);
	if (!read_fields(worker, passage))
		return false;
	if (unlikely(passage->fields.fragment)) {
		passage->whole = true;
		if (!make_whole(worker, shard, passage))
			return false;
	}
	passage->has_flow =
		flow_read(&passage->flow, &passage->fields, passage->firewall->domain.id);
	if (passage->has_flow) {
		passage->hash = flow_hash(&passage->flow, &shard->owner->key);
		connection_prefetch(shard->connections, passage->hash);
	}
	return true;
}

/* ---- what is done with it -------------------------------------------------------------------- */

static void
forward(struct worker *worker, struct passage *passage)
{
	struct vport *egress = vport_get(worker, passage->live->ports[passage->fields.to]);

	if (unlikely(egress == NULL))
		drop(worker, passage, DROP_NO_DESTINATION);
	else if (unlikely(passage->whole))
		firewall_send_whole(worker, egress, passage);
	else
		vport_send(worker, egress, passage->packet);
}

/* A packet to many is answered by none that has its address. */
static bool
is_to_group(const struct fields *fields)
{
	if (fields->to_mac[0] & 1)
		return true;
	return fields->family == 4 ? ip4_is_multicast(fields->to_ip) ||
					     ip4_is_broadcast(fields->to_ip)
				   : ip6_is_multicast(fields->to_ip);
}

static enum drop_reason
refusal_reason(enum connection_refusal why)
{
	switch (why) {
	case REFUSED_SOURCE_LIMIT:
		return DROP_SOURCE_LIMIT;
	case REFUSED_NO_MEMORY:
		return DROP_NO_MEMORY;
	default:
		return DROP_CONNECTION_LIMIT;
	}
}

/* 5. False: the packet is gone. */
static bool
begin(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct rule *rule, const struct tcp_segment *segment)
{
	struct connection_request request = {
		.domain = &passage->firewall->domain,
		.flow = passage->flow,
		.reply = flow_reverse(&passage->flow),
		.flow_hash = passage->hash,
		.reply_hash = passage->hash,
		.rule = rule != NULL ? rule->id : 0,
		.judged = passage->version,
		.from = passage->fields.from,
		.to = passage->fields.to,
	};
	struct connection *connection;
	enum connection_refusal why;

	connection = connection_add(shard->connections, &request, worker->now, &why);
	if (unlikely(connection == NULL)) {
		drop(worker, passage, refusal_reason(why));
		return false;
	}
	connection_pass(shard->connections, connection, 0, segment,
		rte_pktmbuf_pkt_len(passage->packet), worker->now);
	return true;
}

static void
accept(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct rule *rule, const struct tcp_segment *segment, uint8_t state)
{
	bool stateless = (rule != NULL && rule->match.stateless) || !passage->has_flow ||
			 state != WEFT_STATE_NEW || is_to_group(&passage->fields);

	if (!stateless && !passage->cannot_begin && !is_dry_run(passage) &&
		!begin(worker, shard, passage, rule, segment))
		return;
	forward(worker, passage);
}

/* ---- 4.: asking the rules -------------------------------------------------------------------- */

static const struct rule *
find_rule(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	uint8_t state)
{
	const struct classifier_view *view;
	const struct rule *rule;

	/* the version first: an older one than the view's is only judged once more */
	passage->version = firewall_live_of(passage->firewall)->version;
	view = classifier_view(passage->firewall->classifier);
	rule = classifier_find(view, &passage->fields, state);
	if (rule != NULL && !is_dry_run(passage))
		rule_count_hit(&shard->counters, rule->id,
			rte_pktmbuf_pkt_len(passage->packet), worker->now);
	if (is_traced(passage))
		firewall_trace_rule(worker, passage, rule);
	return rule;
}

/* `segment`: of TCP, or NULL. `invalid`: why it is dropped if no rule wants it, of INVALID. */
static void
ask(struct worker *worker, struct firewall_shard *shard, struct passage *passage, uint8_t state,
	const struct tcp_segment *segment, enum drop_reason invalid)
{
	const struct rule *rule = find_rule(worker, shard, passage, state);
	enum weft_rule_action action;

	if (rule == NULL && state == WEFT_STATE_INVALID) {
		drop(worker, passage, invalid);
		return;
	}
	action = rule != NULL ? rule->match.action : passage->live->otherwise;
	if (unlikely(rule != NULL && rule->match.log))
		firewall_log(worker, shard, passage, rule);
	passage->reason = rule != NULL ? DROP_RULE : DROP_RULE_DEFAULT;
	if (action == WEFT_RULE_ACCEPT)
		accept(worker, shard, passage, rule, segment, state);
	else if (action == WEFT_RULE_DROP)
		drop(worker, passage, passage->reason);
	else
		firewall_reject(worker, passage);
}

/* ---- 3.: packets of connections -------------------------------------------------------------- */

/* As its first packet would be judged now. */
static bool
is_refused(struct worker *worker, const struct firewall *firewall,
	const struct firewall_live *live, struct connection *connection)
{
	struct fields fields = { .from = connection->from, .to = connection->to };
	struct flow flow = connection_flow(connection, 0);
	const struct rule *rule;

	(void)worker;
	flow_fields(&flow, &fields);
	rule = classifier_find(classifier_view(firewall->classifier), &fields, WEFT_STATE_NEW);
	if (rule == NULL ? live->otherwise != WEFT_RULE_ACCEPT
			 : rule->match.action != WEFT_RULE_ACCEPT)
		return true;
	connection->rule = rule != NULL ? rule->id : 0;
	connection->judged = live->version;
	return false;
}

bool
firewall_is_stale(struct worker *worker, const struct firewall *firewall,
	struct connection *connection)
{
	const struct firewall_live *live = firewall_live_of(firewall);

	if (likely(connection->judged == live->version))
		return false;
	if (live->keep) {
		connection->judged = live->version;
		return false;
	}
	return is_refused(worker, firewall, live, connection);
}

static struct connection *
find_connection(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	const struct flow *flow, uint64_t hash, unsigned *side)
{
	struct connection *connection = connection_find(shard->connections, flow, hash, side);

	if (connection == NULL ||
		!firewall_is_stale(worker, passage->firewall, connection))
		return connection;
	connection_end(shard->connections, connection, CONNECTION_REFUSED);
	return NULL;
}

/* What a segment is that its connection does not take. */
static void
refuse_segment(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct tcp_segment *segment, enum tcp_verdict verdict)
{
	ask(worker, shard, passage, WEFT_STATE_INVALID, segment,
		verdict == TCP_CANNOT_BEGIN ? DROP_INVALID_STATE : DROP_OUT_OF_WINDOW);
}

/* A packet that may begin a connection. */
static void
meet_stranger(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct tcp_segment *segment)
{
	passage->cannot_begin = segment != NULL && !tcp_segment_begins(segment);
	if (passage->cannot_begin && !passage->live->accept_invalid)
		ask(worker, shard, passage, WEFT_STATE_INVALID, segment, DROP_INVALID_STATE);
	else
		ask(worker, shard, passage, WEFT_STATE_NEW, segment, DROP_RULE_DEFAULT);
}

static void
meet_known(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side, const struct tcp_segment *segment)
{
	enum tcp_verdict verdict = TCP_PASS;

	if (is_traced(passage))
		firewall_trace_connection(worker, passage, connection, side);
	if (likely(!is_dry_run(passage)))
		verdict = connection_pass(shard->connections, connection, side, segment,
			rte_pktmbuf_pkt_len(passage->packet), worker->now);
	if (likely(verdict == TCP_PASS || verdict == TCP_BAD_SYN)) {
		forward(worker, passage);
	} else if (verdict == TCP_RESTART) {
		connection_end(shard->connections, connection, CONNECTION_REPLACED);
		meet_stranger(worker, shard, passage, segment);
	} else {
		refuse_segment(worker, shard, passage, segment, verdict);
	}
}

/* What has no flow: ICMP errors go with the connection that they quote. */
static void
meet_single(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	struct connection *connection;
	struct flow quoted;
	unsigned side;

	if (!flow_read_quoted(&quoted, passage->packet, &passage->fields,
		    passage->firewall->domain.id)) {
		ask(worker, shard, passage, WEFT_STATE_NEW, NULL, DROP_RULE_DEFAULT);
		return;
	}
	connection = find_connection(worker, shard, passage, &quoted,
		flow_hash(&quoted, &shard->owner->key), &side);
	if (connection == NULL) {
		ask(worker, shard, passage, WEFT_STATE_INVALID, NULL, DROP_INVALID_STATE);
		return;
	}
	if (is_traced(passage))
		firewall_trace_connection(worker, passage, connection, side);
	forward(worker, passage);
}

static void
judge(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	struct tcp_segment segment, *tcp = NULL;
	struct connection *connection;
	unsigned side;

	if (unlikely(!passage->has_flow)) {
		meet_single(worker, shard, passage);
		return;
	}
	if (passage->flow.protocol == IPPROTO_TCP) {
		if (unlikely(!tcp_segment_read(&segment, passage->packet, &passage->fields))) {
			drop(worker, passage, DROP_BAD_TRANSPORT);
			return;
		}
		tcp = &segment;
	}
	connection =
		find_connection(worker, shard, passage, &passage->flow, passage->hash, &side);
	if (connection != NULL)
		meet_known(worker, shard, passage, connection, side, tcp);
	else
		meet_stranger(worker, shard, passage, tcp);
}

/* ---- the node ---------------------------------------------------------------------------------
 */

void
firewall_input(struct worker *worker, struct rte_mbuf **packets, unsigned count)
{
	struct firewall_shard *shard = firewall_shard_of(worker);
	struct passage passages[VECTOR];

	for (unsigned from = 0; from < count; from += VECTOR) {
		unsigned last = RTE_MIN(from + VECTOR, count), n = 0;

		for (unsigned i = from; i < last; i++)
			n += enter(worker, shard, packets[i], &passages[n]);
		for (unsigned i = 0; i < n; i++)
			judge(worker, shard, &passages[i]);
	}
	firewall_expire_fragments(worker, shard);
	connections_expire(shard->connections, worker->now, EXPIRE_PER_PACKET * count);
}
