/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics of firewalls, their rules, and flow records. A policy may have a hundred thousand rules:
 * the first RULES_TOLD of each firewall are looked at, and those that have matched become a series.
 */
#include "daemon/flow_export.h"
#include "daemon/metrics_internal.h"
#include "firewall/firewall.h"

#define RULES_TOLD 1000

struct firewall_sample {
	char *labels;
	uint64_t connections, connection_limit, rules, translations, classifier;
	uint64_t begun, ended, displaced, refused;
};

struct rule_sample {
	char *labels;
	uint64_t packets, bytes, refused;
};

struct flow_sample {
	char *labels;
	uint64_t exported, lost;
};

void
metrics_prepare_firewalls(struct metrics *metrics)
{
	metrics->flows.size = sizeof(struct flow_sample);
	metrics->firewalls.size = sizeof(struct firewall_sample);
	metrics->rules.size = sizeof(struct rule_sample);
}

struct rules_collecting {
	struct metrics *metrics;
	const struct weft_device *device;
	unsigned looked_at;
};

static bool
collect_rule(void *context, const struct firewall_rule *rule)
{
	struct rules_collecting *collecting = context;
	const struct weft_device *device = collecting->device;
	struct rule_sample *sample;
	char *labels;

	if (rule->count.packets != 0) {
		labels = metrics_labels("network", device->network->name, "firewall",
			firewall_name(device), "rule", rule->rule->match.name, NULL);
		sample = metrics_add(collecting->metrics, &collecting->metrics->rules, labels);
		if (sample == NULL)
			return false;
		*sample = (struct rule_sample){ labels, rule->count.packets, rule->count.bytes,
			rule->count.refused };
	}
	return ++collecting->looked_at < RULES_TOLD;
}

void
metrics_collect_firewall(struct metrics *metrics, const struct weft_device *device)
{
	struct rules_collecting collecting = { .metrics = metrics, .device = device };
	char *labels = metrics_labels(
		"network", device->network->name, "firewall", firewall_name(device), NULL);
	struct firewall_sample *sample = metrics_add(metrics, &metrics->firewalls, labels);
	struct classifier_state classifier;
	struct firewall_info info;

	if (sample == NULL)
		return;
	firewall_read(device, &info);
	firewall_classifier(device, &classifier);
	*sample = (struct firewall_sample){
		.labels = labels,
		.connections = info.connections,
		.connection_limit = info.config.connection_limit,
		.rules = info.rules,
		.translations = info.translations,
		.classifier = classifier.bytes,
		.begun = info.counts.added,
		.ended = info.counts.ended,
		.displaced = info.counts.evicted,
		.refused = info.counts.refused,
	};
	firewall_each_rule(device, collect_rule, &collecting);
}

static void
collect_flows(void *context, const struct flow_export_info *info)
{
	struct metrics *metrics = context;
	char *labels = metrics_labels("network", info->network, NULL);
	struct flow_sample *sample = metrics_add(metrics, &metrics->flows, labels);

	if (sample != NULL)
		*sample = (struct flow_sample){ labels, info->counts.flows, info->counts.lost };
}

void
metrics_collect_flows(struct metrics *metrics)
{
	flow_export_read(metrics->daemon->flow_export, collect_flows, metrics);
}

void
metrics_put_firewalls(const struct metrics *metrics)
{
	static const struct metrics_column gauges[] = {
		{ "weft_firewall_connections", "Connections that the firewall follows.",
			offsetof(struct firewall_sample, connections) },
		{ "weft_firewall_connection_limit", "Connections that it may follow.",
			offsetof(struct firewall_sample, connection_limit) },
		{ "weft_firewall_rules", "Rules of the firewall.",
			offsetof(struct firewall_sample, rules) },
		{ "weft_firewall_translations", "Translations of the firewall.",
			offsetof(struct firewall_sample, translations) },
		{ "weft_firewall_classifier_bytes", "Memory in which its rules are looked up.",
			offsetof(struct firewall_sample, classifier) },
	};
	static const struct metrics_column sums[] = {
		{ "weft_firewall_begun_connections_total", "Connections that it has let begin.",
			offsetof(struct firewall_sample, begun) },
		{ "weft_firewall_ended_connections_total", "Those of them that are over.",
			offsetof(struct firewall_sample, ended) },
		{ "weft_firewall_displaced_connections_total",
			"Those of these that gave their place to another at a limit.",
			offsetof(struct firewall_sample, displaced) },
		{ "weft_firewall_refused_connections_total",
			"Connections for which a limit left no place.",
			offsetof(struct firewall_sample, refused) },
	};
	static const struct metrics_column counters[] = {
		{ "weft_rule_matched_packets_total", "Packets that the rule has judged.",
			offsetof(struct rule_sample, packets) },
		{ "weft_rule_matched_bytes_total", "Bytes of these packets.",
			offsetof(struct rule_sample, bytes) },
		{ "weft_rule_refused_packets_total", "Packets over a limit of the rule.",
			offsetof(struct rule_sample, refused) },
	};
	static const struct metrics_column flows[] = {
		{ "weft_flow_records_exported_total", "Flow records sent to the collector.",
			offsetof(struct flow_sample, exported) },
		{ "weft_flow_records_lost_total", "Flow records that could not be sent.",
			offsetof(struct flow_sample, lost) },
	};

	metrics_columns(metrics->out, "gauge", gauges, sizeof(gauges) / sizeof(gauges[0]),
		&metrics->firewalls, NULL);
	metrics_columns(metrics->out, "counter", sums, sizeof(sums) / sizeof(sums[0]),
		&metrics->firewalls, NULL);
	metrics_columns(metrics->out, "counter", counters, sizeof(counters) / sizeof(counters[0]),
		&metrics->rules, NULL);
	metrics_columns(metrics->out, "counter", flows, sizeof(flows) / sizeof(flows[0]),
		&metrics->flows, NULL);
}
