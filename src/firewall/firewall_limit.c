/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rule with a limit does with what would begin by it. */
#include "firewall/firewall_objects.h"

static enum drop_reason
limit_reason(enum rule_limit_result result)
{
	switch (result) {
	case LIMIT_CONNECTIONS:
		return DROP_CONNECTION_LIMIT;
	case LIMIT_RATE:
		return DROP_CONNECTION_RATE;
	case LIMIT_SOURCE_RATE:
		return DROP_SOURCE_RATE;
	default:
		return DROP_SOURCE_LIMIT;
	}
}

bool
firewall_keeps_limit(struct worker *worker, struct firewall_shard *shard, struct passage *passage,
	const struct rule *rule, struct rule_charge *charge)
{
	struct rule_limits *limits = passage->firewall->all->limits;
	struct weft_network *network = passage->firewall->domain.network;
	bool dry_run = passage_is_dry_run(passage);
	enum rule_limit_result result =
		dry_run ? rule_limit_check(limits, rule, &passage->flow, network, worker->now)
			: rule_limit_admit(
				  limits, rule, &passage->flow, network, worker->now, charge);

	if (unlikely(rule->match.log) && !dry_run)
		firewall_log(worker, shard, passage, rule, result);
	if (result == LIMIT_KEPT)
		return true;
	if (passage_is_traced(passage))
		firewall_trace_limit(worker, passage, rule, result);
	if (!dry_run) {
		rule_count_refused(shard->counters, rule->id);
		connection_count_refused(shard->connections, passage->firewall->domain.id);
		flow_record_denied(worker, passage, rule);
	}
	packet_drop(worker, passage->ingress, limit_reason(result), passage->packet);
	return false;
}
