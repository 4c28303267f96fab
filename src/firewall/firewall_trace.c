/* SPDX-License-Identifier: BSD-3-Clause */
/* What a firewall decides, in words: for packets that are traced, and for rules that tell. */
#include "firewall/firewall_objects.h"
#include "graph/punt.h"
#include "graph/trace.h"
#include "packet/parse.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#define NS 1000000000ull
#define RULE_TEXT 72

static const char *const actions[] = {
	[WEFT_RULE_ACCEPT] = "accepts",
	[WEFT_RULE_DROP] = "drops",
	[WEFT_RULE_REJECT] = "rejects",
};

/* ---- steps ------------------------------------------------------------------------------------
 */

/* " (10.1.0.0/16 of admins)": for which member of which set. */
static void
say_member(char *text, size_t size, const struct address_set *set, const char *name, uint8_t family,
	const uint8_t *address)
{
	struct weft_prefix member;
	char words[INET6_ADDRSTRLEN];
	size_t used = strlen(text);

	if (set == NULL || !address_set_member(set, family, address, &member))
		return;
	inet_ntop(family == 4 ? AF_INET : AF_INET6, member.address, words, sizeof(words));
	snprintf(text + used, size - used, " (%s/%u of %s)", words, member.length, name);
}

/* " (443 of web)", " (8000-8010 of web)" */
static void
say_range(char *text, size_t size, const struct port_set *set, const char *name, uint16_t port)
{
	const struct weft_port_range *range = set != NULL ? port_set_find(set, port) : NULL;
	size_t used = strlen(text);

	if (range == NULL)
		return;
	if (range->first == range->last)
		snprintf(text + used, size - used, " (%u of %s)", port, name);
	else
		snprintf(text + used, size - used, " (%u-%u of %s)", range->first, range->last,
			name);
}

void
firewall_trace_rule(struct worker *worker, const struct passage *passage, const struct rule *rule)
{
	char text[TRACE_TEXT_SIZE], rest[RULE_TEXT];

	if (rule == NULL) {
		trace_step(worker, passage->packet, passage->ingress,
			"no rule fits: the firewall's default %s",
			actions[passage->live->otherwise]);
		return;
	}
	rule_describe(rule, rest, sizeof(rest));
	snprintf(text, sizeof(text), "rule %s %s: %s", rule->match.name,
		actions[rule->match.action], rest);
	say_member(text, sizeof(text), rule->from_set, rule->match.from_set, passage->fields.family,
		passage->fields.from_ip);
	say_member(text, sizeof(text), rule->to_set, rule->match.to_set, passage->fields.family,
		passage->fields.to_ip);
	say_range(text, sizeof(text), rule->from_port_set, rule->match.from_port_set,
		passage->fields.from_port);
	say_range(text, sizeof(text), rule->to_port_set, rule->match.to_port_set,
		passage->fields.to_port);
	trace_step(worker, passage->packet, passage->ingress, "%s", text);
}

void
firewall_trace_limit(struct worker *worker, const struct passage *passage, const struct rule *rule,
	enum rule_limit_result result)
{
	const struct weft_rule_limit *limit = rule->match.limit;
	const char *name = rule->match.name;

	switch (result) {
	case LIMIT_CONNECTIONS:
		trace_step(worker, passage->packet, passage->ingress,
			"rule %s has %u connections, as many as its limit allows", name,
			limit->connections);
		return;
	case LIMIT_PER_SOURCE:
		trace_step(worker, passage->packet, passage->ingress,
			"its source has %u connections by rule %s, as many as its limit allows",
			limit->per_source, name);
		return;
	case LIMIT_SOURCES:
		trace_step(worker, passage->packet, passage->ingress,
			"rule %s knows no more sources apart: there are too many", name);
		return;
	default:
		trace_step(worker, passage->packet, passage->ingress,
			"more connections than rule %s lets %sbegin in %u s: %u", name,
			result == LIMIT_SOURCE_RATE ? "one source " : "",
			result == LIMIT_SOURCE_RATE ? limit->source_rate.seconds
						    : limit->rate.seconds,
			result == LIMIT_SOURCE_RATE ? limit->source_rate.count : limit->rate.count);
	}
}

void
firewall_trace_connection(struct worker *worker, const struct passage *passage,
	const struct connection *connection, unsigned side)
{
	const struct rule *rule =
		connection->rule != 0
			? rule_table_get(&passage->firewall->all->rules, connection->rule)
			: NULL;
	const char *by = connection->rule == 0 ? "the default"
			 : rule != NULL        ? rule->match.name
					       : "a rule that is gone";

	trace_step(worker, passage->packet, passage->ingress, "%s a known connection%s%s, by %s%s",
		passage->kind == FLOW_QUOTED ? "an error about"
		: side == 0                  ? "of"
					     : "a reply of",
		connection->protocol == IPPROTO_TCP ? ", " : "",
		connection->protocol == IPPROTO_TCP ? tcp_state_name(connection->tcp.state) : "",
		rule != NULL ? "rule " : "", by);
}

void
firewall_trace_verdict(
	struct worker *worker, const struct passage *passage, enum tcp_verdict verdict)
{
	static const char *const words[] = {
		[TCP_RESTART] = "it begins another connection in place of one that is over",
		[TCP_CANNOT_BEGIN] = "it cannot begin a connection",
		[TCP_OUT_OF_WINDOW] = "its sequence or acknowledgment is out of the window",
		[TCP_BAD_RESET] = "a reset that its receiver would not take (RFC 5961)",
		[TCP_BAD_SYN] = "a SYN inside the connection: for its receiver to challenge "
				"(RFC 5961)",
	};

	trace_step(worker, passage->packet, passage->ingress, "%s", words[verdict]);
}

void
firewall_trace_rewrite(struct worker *worker, const struct passage *passage)
{
	char text[TRACE_DESCRIBE_SIZE];

	packet_describe(passage->packet, text, sizeof(text));
	trace_step(worker, passage->packet, passage->ingress, "translated: %s", text);
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static bool
may_log(struct worker *worker, struct firewall_shard *shard, const struct rule *rule)
{
	uint32_t rate = rule->match.log_rate != 0 ? rule->match.log_rate : FIREWALL_LOG_RATE;

	if (rate > FIREWALL_LOG_RATE_MOST)
		rate = FIREWALL_LOG_RATE_MOST;
	return !rte_ring_full(worker->punt) &&
	       rule_counter_may_log(shard->counters, rule->id, worker->now, NS / rate) &&
	       rate_allows(&shard->log_rate, worker->now, NS / FIREWALL_LOG_RATE_MOST,
		       FIREWALL_LOG_RATE_MOST / 10);
}

bool
firewall_tell_block(void *context, const struct port_block_notice *notice)
{
	struct worker *worker = context;
	struct rte_mbuf *carrier;

	if (rte_ring_full(worker->punt))
		return false;
	carrier = packet_from_bytes(&worker->pools, notice, sizeof(*notice));
	if (carrier != NULL)
		worker_punt(worker, PUNT_PORT_BLOCK, carrier);
	return carrier != NULL;
}

void
firewall_log(struct worker *worker, struct firewall_shard *shard, const struct passage *passage,
	const struct rule *rule, enum rule_limit_result result)
{
	struct firewall_log log = { .vport = passage->ingress->id,
		.action = (uint8_t)rule->match.action,
		.limit = (uint8_t)result };
	struct rte_mbuf *carrier;

	if (!may_log(worker, shard, rule))
		return;
	snprintf(log.rule, sizeof(log.rule), "%s", rule->match.name);
	packet_describe(passage->packet, log.packet, sizeof(log.packet));
	carrier = packet_from_bytes(&worker->pools, &log, sizeof(log));
	if (carrier == NULL)
		return;
	packet_meta(carrier)->vport = passage->ingress->id;
	worker_punt(worker, PUNT_RULE_LOG, carrier);
}
