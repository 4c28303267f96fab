/* SPDX-License-Identifier: BSD-3-Clause */
/* The firewall's node, 4. and 5. (firewall.h): packets of no connection ask the rules, and begin
 * one if they may. */
#include "firewall/firewall_objects.h"
#include "packet/icmp.h"

#include <netinet/in.h>

/* ---- 5.: what begins ------------------------------------------------------------------------- */

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
		firewall_drop(worker, passage, refusal_reason(why));
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
		firewall_drop(worker, passage, passage->reason);
	return false;
}

/* A packet that nothing is made of goes on by itself. */
void
firewall_meet_single(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
{
	const struct rule *rule =
		find_rule(worker, shard, passage, &passage->fields, WEFT_STATE_NEW);

	tell(worker, shard, passage, rule);
	if (obey(worker, passage, rule))
		firewall_forward(worker, passage, passage->fields.to);
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
		firewall_drop(worker, passage, DROP_NO_TRANSLATION);
		return;
	}
	if (begins && !passage_is_dry_run(passage) &&
		!begin(worker, shard, passage, plan, rule, segment))
		return;
	if (begins && passage->live->translations != NULL)
		firewall_forward_translated(worker, passage, &plan->reply, plan->fields.to);
	else
		firewall_forward(worker, passage, passage->fields.to);
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
		firewall_drop(worker, passage, DROP_INVALID_STATE);
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
		firewall_drop(worker, passage, DROP_INVALID_STATE);
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
		firewall_drop(worker, passage, otherwise);
	else if (obey(worker, passage, rule))
		firewall_forward(worker, passage, passage->fields.to);
}

/* Only rules that name the state are asked; `otherwise`: why it is dropped if none does. */
void
firewall_meet_invalid(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	enum drop_reason otherwise)
{
	const struct rule *rule =
		classifier_find(passage->live->view, &passage->fields, WEFT_STATE_INVALID);

	obey_invalid(worker, shard, passage, rule, otherwise);
}

/* Of no connection, and cannot begin one: what stateless rules accept has none. The one that comes
 * first decides: such a rule, or one that names the state. */
void
firewall_meet_lost(struct worker *worker, struct firewall_shard *shard, struct passage *passage)
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

bool
firewall_ask_related(
	struct worker *worker, struct firewall_shard *shard, struct passage *passage, bool *named)
{
	const struct rule *rule =
		find_rule(worker, shard, passage, &passage->fields, WEFT_STATE_RELATED);

	*named = rule != NULL;
	tell(worker, shard, passage, rule);
	return rule == NULL || obey(worker, passage, rule);
}

/* Announced by a connection: accepted as that was, if no rule names the state. False: it is not. */
static bool
meet_expected(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct tcp_segment *segment)
{
	struct expectation expected;
	const struct rule *parents;
	struct plan plan;
	bool named;

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
	if (passage_is_traced(passage))
		trace_step(worker, passage->packet, passage->ingress,
			"another connection has announced it");
	if (!firewall_ask_related(worker, shard, passage, &named))
		return true;
	if (passage->way == WAY_IN) {
		passage->egress = firewall_way_out(worker, passage, plan.reply.from_ip);
		if (passage->egress == NULL) {
			firewall_drop(worker, passage, DROP_NO_ROUTE);
			return true;
		}
	}
	if (!firewall_plan_expected(worker, shard, passage, &plan.reply, &plan.reply_hash))
		firewall_drop(worker, passage, DROP_NO_TRANSLATION);
	else if (begin(worker, shard, passage, &plan, parents, segment))
		firewall_forward_translated(worker, passage, &plan.reply, expected.to);
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
		firewall_give_back(worker, passage);
		return;
	}
	passage->egress = firewall_way_out(worker, passage, plan.fields.to_ip);
	if (passage->egress == NULL) {
		firewall_drop(worker, passage, DROP_NO_ROUTE);
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
void
firewall_meet_stranger(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
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
		firewall_meet_lost(worker, shard, passage);
	else
		meet_new(worker, shard, passage, segment);
}
