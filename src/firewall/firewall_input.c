/* SPDX-License-Identifier: BSD-3-Clause */
/* The firewall's node; the numbers are those of firewall.h. */
#include "firewall/connection_fast.h"
#include "firewall/firewall_objects.h"
#include "packet/icmp.h"
#include "packet/parse.h"

#include <netinet/in.h>
#include <rte_prefetch.h>

/* Packets read ahead before the first of them is judged: their lines come in meanwhile. */
#define VECTOR 32
#define PREFETCH_AHEAD 4
/* Connections that are looked at for being over, beside each packet. */
#define EXPIRE_PER_PACKET 2

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

	if (unlikely(result != FIELDS_OK)) {
		drop(worker, passage, reason_of(result));
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

/* ---- 5.: what is accepted -------------------------------------------------------------------- */

/* It goes where the device that it came into says, with the address that it has now. */
static void
go_in(struct worker *worker, struct passage *passage)
{
	if (unlikely(packet_meta(passage->packet)->flags & PACKET_GATHERED))
		firewall_send_whole(worker, NULL, passage);
	else
		vport_give_back(worker, passage->ingress, passage->packet);
}

/* It is for the device itself, and whole. */
static void
give_back(struct worker *worker, struct passage *passage)
{
	struct packet_meta *meta = packet_meta(passage->packet);

	if (unlikely(meta->flags & PACKET_GATHERED)) {
		meta->flags &= (uint8_t)~PACKET_GATHERED;
		meta->header_length = 0;
	}
	vport_give_back(worker, passage->ingress, passage->packet);
}

/* Out, as it is; `to`: by which port, where there is no egress already. */
static void
forward(struct worker *worker, struct passage *passage, unsigned to)
{
	struct vport *egress = passage->egress;

	if (likely(passage->way == WAY_ACROSS)) {
		egress = vport_get(worker, passage->live->ports[to]);
	} else if (passage->way == WAY_IN) {
		go_in(worker, passage);
		return;
	} else {
		packet_meta(passage->packet)->flags |= PACKET_JUDGED;
	}
	if (unlikely(egress == NULL))
		drop(worker, passage, DROP_NO_DESTINATION);
	else if (unlikely(packet_meta(passage->packet)->flags & PACKET_GATHERED))
		firewall_send_whole(worker, egress, passage);
	else
		vport_send(worker, egress, passage->packet);
}

/* As what `reply` answers. */
static void
forward_translated(
	struct worker *worker, struct passage *passage, const struct flow *reply, unsigned to)
{
	if (!firewall_rewrite(worker, passage, reply))
		return;
	if (passage->way != WAY_ACROSS || to != passage->fields.from ||
		firewall_turn(worker, passage))
		forward(worker, passage, to);
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

static bool
has_limit(const struct rule *rule)
{
	return rule != NULL && unlikely(rule->match.limit != NULL);
}

/* What is made of a packet that begins something: of whom its answer will come, and to whom go. */
struct plan {
	struct fields fields; /* as the rules are to see the packet */
	struct flow reply;
	uint64_t reply_hash;
	const struct proxy_proof *proof; /* of the client, to the SYN proxy; NULL: not asked for */
	const struct expectation *expected; /* NULL: nobody has announced it */
};

/* The connection uses a mapping, or ports of a block. */
static void
hold_ports(struct firewall_shard *shard, const struct passage *passage,
	const struct connection_request *request, const struct connection *connection)
{
	struct port_block_host host = { .domain = request->flow.domain,
		.family = request->flow.family };

	if (passage->mapped != 0)
		mapping_hold(shard->mappings, connection, passage->mapped - 1u);
	if (!passage->blocked)
		return;
	memcpy(host.inside, request->flow.from_ip, sizeof(host.inside));
	memcpy(host.outside, request->reply.to_ip, sizeof(host.outside));
	port_block_hold(shard->blocks, &host, connection);
}

/* False: the packet is gone. */
static bool
begin(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct plan *plan, const struct rule *rule, const struct tcp_segment *segment)
{
	struct connection_request request = {
		.domain = &passage->firewall->domain,
		.flow = passage->flow,
		.reply = plan->reply,
		.flow_hash = passage->hash,
		.reply_hash = plan->reply_hash,
		.rule = rule != NULL ? rule->id : 0,
		.judged = passage->live->version,
		.timeout = rule != NULL ? rule->match.timeout : 0,
		.from = passage->fields.from,
		.to = plan->fields.to,
	};
	struct connection *connection;
	enum connection_refusal why;

	if (has_limit(rule) && !firewall_keeps_limit(worker, shard, passage, rule, &request.charge))
		return false;
	connection = connection_add(shard->connections, &request, worker->now, &why);
	if (unlikely(connection == NULL)) {
		if (request.charge.of != 0)
			rule_limit_release(passage->firewall->all->limits, request.charge);
		drop(worker, passage, refusal_reason(why));
		return false;
	}
	if (unlikely(passage->live->whole))
		hold_ports(shard, passage, &request, connection);
	if (unlikely(plan->proof != NULL))
		firewall_proxy_begin(worker, shard, passage, connection, plan->proof);
	if (unlikely(plan->expected != NULL))
		firewall_helper_adopt(shard, connection, plan->expected);
	else if (unlikely(rule != NULL && rule->match.helper != WEFT_HELPER_NONE))
		firewall_helper_begin(worker, shard, passage, connection, rule);
	connection_pass(shard->connections, connection, 0, segment,
		rte_pktmbuf_pkt_len(passage->packet), worker->now);
	return true;
}

/* Whether it is the first of a connection: of those that cannot begin one the rules may let pass
 * some, one by one. */
static bool
may_begin(const struct passage *passage, const struct rule *rule, const struct tcp_segment *segment)
{
	return passage->kind == FLOW_OWN && (rule == NULL || !rule->match.stateless) &&
	       (segment == NULL || tcp_segment_begins(segment)) &&
	       !firewall_is_to_group(&passage->fields);
}

/* ---- 4.: asking the rules -------------------------------------------------------------------- */

static void
note_hit(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	const struct rule *rule)
{
	if (rule == NULL || passage_is_dry_run(passage))
		return;
	rule_count_hit(
		shard->counters, rule->id, rte_pktmbuf_pkt_len(passage->packet), worker->now);
}

static void
tell(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	const struct rule *rule)
{
	if (rule != NULL && unlikely(rule->match.log) && !passage_is_dry_run(passage))
		firewall_log(worker, shard, passage, rule, LIMIT_KEPT);
}

static const struct rule *
find_rule(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct fields *fields, uint8_t state)
{
	const struct rule *rule = classifier_find(passage->live->view, fields, state);

	note_hit(worker, shard, passage, rule);
	return rule;
}

/* What a rule, or the default, says. True: it is accepted; otherwise the packet is gone. */
static bool
obey(struct worker *worker, struct passage *passage, const struct rule *rule)
{
	unsigned action = rule != NULL ? rule->match.action : passage->live->otherwise;

	if (passage_is_traced(passage))
		firewall_trace_rule(worker, passage, rule);
	if (likely(action == WEFT_RULE_ACCEPT))
		return true;
	flow_record_denied(worker, passage, rule);
	passage->reason = rule != NULL ? DROP_RULE : DROP_RULE_DEFAULT;
	if (action == WEFT_RULE_REJECT)
		firewall_reject(worker, passage);
	else
		drop(worker, passage, passage->reason);
	return false;
}

/* A packet that nothing is made of goes on by itself. */
static void
meet_single(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	const struct rule *rule =
		find_rule(worker, shard, passage, &passage->fields, WEFT_STATE_NEW);

	tell(worker, shard, passage, rule);
	if (obey(worker, passage, rule))
		forward(worker, passage, passage->fields.to);
}

/* What a rule accepted: begins a connection, if it can. */
static void
meet_first(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct plan *plan, const struct rule *rule, const struct tcp_segment *segment)
{
	bool begins = may_begin(passage, rule, segment);
	struct rule_charge none;

	if (begins && has_limit(rule) && passage_is_dry_run(passage) &&
		!firewall_keeps_limit(worker, shard, passage, rule, &none))
		return;
	if (begins && passage->live->translations != NULL &&
		!firewall_plan_source(
			worker, shard, passage, &plan->fields, &plan->reply, &plan->reply_hash)) {
		drop(worker, passage, DROP_NO_TRANSLATION);
		return;
	}
	if (begins && !passage_is_dry_run(passage) &&
		!begin(worker, shard, passage, plan, rule, segment))
		return;
	if (begins && passage->live->translations != NULL)
		forward_translated(worker, passage, &plan->reply, plan->fields.to);
	else
		forward(worker, passage, passage->fields.to);
}

/* A rule with the SYN proxy accepts it, of a client that has not proved itself. */
static void
meet_unproved(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct plan *plan, const struct rule *rule, const struct tcp_segment *segment)
{
	/* that it accepts is told when the client has proved itself */
	note_hit(worker, shard, passage, rule);
	if (passage_is_traced(passage))
		firewall_trace_rule(worker, passage, rule);
	if (may_begin(passage, rule, segment))
		firewall_proxy_answer(worker, passage, &plan->reply, segment);
	else
		drop(worker, passage, DROP_INVALID_STATE);
}

/* What `weft explain` sends is told, and goes on. */
static bool
is_unproved(const struct passage *passage, const struct rule *rule)
{
	return unlikely(rule != NULL && rule->match.syn_proxy) && !passage_is_dry_run(passage);
}

static void
make_plan(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct plan *plan)
{
	passage->mapped = 0;
	passage->blocked = false;
	*plan = (struct plan){
		.fields = passage->fields,
		.reply = flow_reverse(&passage->flow),
		.reply_hash = passage->hash,
	};
	if (unlikely(passage->live->translations != NULL) && passage->way == WAY_ACROSS)
		firewall_plan_destination(worker, shard, passage, &plan->fields, &plan->reply);
}

/* Of a client that has proved itself. */
static void
judge_proved(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct plan *plan, const struct rule *rule, const struct tcp_segment *syn)
{
	if (rule == NULL || !rule->match.syn_proxy) { /* rules have changed meanwhile */
		drop(worker, passage, DROP_INVALID_STATE);
		return;
	}
	if (!has_limit(rule))
		tell(worker, shard, passage, rule);
	if (passage_is_traced(passage))
		firewall_trace_rule(worker, passage, rule);
	meet_first(worker, shard, passage, plan, rule, syn);
}

static void
judge_planned(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct plan *plan, const struct tcp_segment *segment)
{
	const struct rule *rule =
		classifier_find(passage->live->view, &plan->fields, WEFT_STATE_NEW);

	if (unlikely(plan->proof != NULL)) {
		judge_proved(worker, shard, passage, plan, rule, segment);
		return;
	}
	if (is_unproved(passage, rule)) {
		meet_unproved(worker, shard, passage, plan, rule, segment);
		return;
	}
	note_hit(worker, shard, passage, rule);
	if (!has_limit(rule) || !may_begin(passage, rule, segment))
		tell(worker, shard, passage, rule); /* a limit tells of what it judges */
	if (!obey(worker, passage, rule))
		return;
	if (unlikely(rule != NULL && rule->match.syn_proxy) && passage_is_traced(passage))
		trace_step(worker, passage->packet, passage->ingress,
			"the SYN proxy answers it; it goes on when its client has proved itself");
	meet_first(worker, shard, passage, plan, rule, segment);
}

static void
meet_new(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct tcp_segment *segment)
{
	struct plan plan;

	make_plan(worker, shard, passage, &plan);
	judge_planned(worker, shard, passage, &plan, segment);
}

static void
obey_invalid(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct rule *rule, enum drop_reason otherwise)
{
	note_hit(worker, shard, passage, rule);
	tell(worker, shard, passage, rule);
	if (rule == NULL)
		drop(worker, passage, otherwise);
	else if (obey(worker, passage, rule))
		forward(worker, passage, passage->fields.to);
}

/* Only rules that name the state are asked; `otherwise`: why it is dropped if none does. */
static void
meet_invalid(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	enum drop_reason otherwise)
{
	const struct rule *rule =
		classifier_find(passage->live->view, &passage->fields, WEFT_STATE_INVALID);

	obey_invalid(worker, shard, passage, rule, otherwise);
}

/* Of no connection, and cannot begin one: what stateless rules accept has none. The one that comes
 * first decides: such a rule, or one that names the state. */
static void
meet_lost(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	const struct classifier_view *view = passage->live->view;
	const struct rule *rule = classifier_find(view, &passage->fields, WEFT_STATE_INVALID);
	const struct rule *single = NULL;

	if (unlikely(passage->live->has_stateless))
		single = classifier_find(view, &passage->fields, WEFT_STATE_NEW);
	if (single != NULL && single->match.stateless && single->match.action == WEFT_RULE_ACCEPT &&
		(rule == NULL || single->order < rule->order))
		rule = single;
	obey_invalid(worker, shard, passage, rule, DROP_INVALID_STATE);
}

/* Announced by a connection: accepted as that was, if no rule names the state. False: it is not. */
static bool
meet_expected(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct tcp_segment *segment)
{
	struct expectation expected;
	const struct rule *parents, *rule;
	struct plan plan;

	if (passage_is_dry_run(passage) || passage->kind != FLOW_OWN ||
		!expectations_take(passage->firewall->all->expectations, &passage->flow,
			worker->now, &expected))
		return false;
	parents = rule_table_get(&passage->firewall->all->rules, expected.rule);
	if (parents == NULL || expected.from != passage->fields.from)
		return false;
	plan = (struct plan){
		.fields = passage->fields, .reply = expected.reply, .expected = &expected
	};
	passage->mapped = 0;
	passage->blocked = false;
	plan.reply.to_port = passage->flow.from_port;
	plan.fields.to = expected.to;
	rule = find_rule(worker, shard, passage, &passage->fields, WEFT_STATE_RELATED);
	tell(worker, shard, passage, rule);
	if (passage_is_traced(passage))
		trace_step(worker, passage->packet, passage->ingress,
			"another connection has announced it");
	if (rule != NULL && !obey(worker, passage, rule))
		return true;
	if (passage->way == WAY_IN) {
		passage->egress = firewall_way_out(worker, passage, plan.reply.from_ip);
		if (passage->egress == NULL) {
			drop(worker, passage, DROP_NO_ROUTE);
			return true;
		}
	}
	if (!firewall_plan_expected(worker, shard, passage, &plan.reply, &plan.reply_hash))
		drop(worker, passage, DROP_NO_TRANSLATION);
	else if (begin(worker, shard, passage, &plan, parents, segment))
		forward_translated(worker, passage, &plan.reply, expected.to);
	return true;
}

static bool
is_echo_reply(const struct passage *passage)
{
	uint16_t reply = passage->fields.family == 6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY;

	return fields_is_icmp(&passage->fields) && passage->fields.from_port == reply;
}

/* To the device, or an address that it claims: does a translation have somebody for it? Within a
 * zone no rule is asked. */
static void
meet_arrival(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct tcp_segment *segment, bool begins, const struct proxy_proof *proof)
{
	struct plan plan = {
		.fields = passage->fields,
		.reply = flow_reverse(&passage->flow),
		.reply_hash = passage->hash,
		.proof = proof,
	};

	passage->mapped = 0;
	passage->blocked = false;
	if (passage->kind != FLOW_OWN || !begins ||
		!firewall_plan_destination(worker, shard, passage, &plan.fields, &plan.reply)) {
		give_back(worker, passage);
		return;
	}
	passage->egress = firewall_way_out(worker, passage, plan.fields.to_ip);
	if (passage->egress == NULL) {
		drop(worker, passage, DROP_NO_ROUTE);
		return;
	}
	plan.fields.to = passage->fields.to = passage->egress->guard_index;
	if (plan.fields.to != plan.fields.from)
		judge_planned(worker, shard, passage, &plan, segment);
	else
		meet_first(worker, shard, passage, &plan, NULL, segment);
}

/* The client of a SYN that was answered in the server's place is there: as if that SYN came now. */
static void
meet_proved(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct proxy_proof *proof)
{
	struct tcp_segment syn;
	struct plan plan;

	if (!firewall_proxy_open(worker, passage, proof, &syn))
		return;
	if (unlikely(passage->way == WAY_IN)) {
		meet_arrival(worker, shard, passage, &syn, true, proof);
		return;
	}
	make_plan(worker, shard, passage, &plan);
	plan.proof = proof;
	judge_planned(worker, shard, passage, &plan, &syn);
}

/* Of no connection. */
static void
meet_stranger(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct tcp_segment *segment)
{
	bool begins = segment != NULL ? tcp_segment_begins(segment) : !is_echo_reply(passage);
	struct proxy_proof proof;

	worker->sharing.strangers++; /* see graph/share.h */
	if (unlikely(passage->live->has_syn_proxy) && segment != NULL &&
		firewall_proxy_proves(worker, passage, segment, &proof)) {
		meet_proved(worker, shard, passage, &proof);
		return;
	}
	if (begins && firewall_expects(passage) && meet_expected(worker, shard, passage, segment))
		return;
	if (unlikely(passage->way == WAY_IN))
		meet_arrival(worker, shard, passage, segment,
			begins || passage->live->accept_invalid, NULL);
	else if (unlikely(!begins && !passage->live->accept_invalid))
		meet_lost(worker, shard, passage);
	else
		meet_new(worker, shard, passage, segment);
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

void
firewall_forward_known(struct worker *worker, struct passage *passage,
	const struct connection *connection, unsigned side)
{
	unsigned to = side == 0 ? connection->to : connection->from;
	struct flow reply;

	if (likely(!(connection->flags & CONNECTION_TRANSLATED))) {
		forward(worker, passage, to);
		return;
	}
	reply = connection_flow(connection, !side);
	forward_translated(worker, passage, &reply, to);
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
		meet_stranger(worker, shard, passage, segment);
	else if (verdict == SPLICE_INVALID)
		meet_invalid(worker, shard, passage, DROP_OUT_OF_WINDOW);
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
		meet_stranger(worker, shard, passage, segment);
	} else {
		meet_invalid(worker, shard, passage, DROP_OUT_OF_WINDOW);
	}
}

/* An ICMP error about a packet to `side` of a connection that is, or is not, there. */
static void
meet_error(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	struct connection *connection, unsigned side)
{
	const struct rule *rule;

	if (connection == NULL) {
		meet_lost(worker, shard, passage);
		return;
	}
	rule = find_rule(worker, shard, passage, &passage->fields, WEFT_STATE_RELATED);
	tell(worker, shard, passage, rule);
	if (rule == NULL && passage_is_traced(passage))
		firewall_trace_connection(worker, passage, connection, side);
	if (rule != NULL && !obey(worker, passage, rule))
		return;
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
		meet_stranger(worker, shard, passage, tcp);
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
		meet_invalid(worker, shard, passage, DROP_INVALID_STATE);
		return;
	}
	first_fields(connection, passage->kind == FLOW_OWN ? passage : NULL, side, &fields);
	fields.from = side == 0 ? passage->fields.from : passage->fields.to;
	fields.to = side == 0 ? passage->fields.to : passage->fields.from;
	rule = classifier_find(passage->live->view, &fields, WEFT_STATE_NEW);
	if (passage_is_traced(passage))
		firewall_trace_rule(worker, passage, rule);
	if ((rule != NULL ? rule->match.action : passage->live->otherwise) != WEFT_RULE_ACCEPT) {
		drop(worker, passage, rule != NULL ? DROP_RULE : DROP_RULE_DEFAULT);
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
		forward(worker, passage, 0);
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
		drop(worker, passage, DROP_BAD_TRANSPORT);
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
		give_back(worker, passage);
		return;
	}
	if (!read_segment(worker, passage, &segment, &tcp))
		return;
	connection = find_connection(shard, passage, &side);
	if (is_translated(connection))
		meet_flow(worker, shard, passage, connection, side, tcp);
	else
		meet_stranger(worker, shard, passage, tcp);
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
			meet_lost(worker, shard, passage);
		else
			meet_single(worker, shard, passage);
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
