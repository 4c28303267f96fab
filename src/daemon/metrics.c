/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics. The format wants all samples of a metric together, so what is counted is copied
 * first, under the engine's lock, and written metric by metric after that.
 */
#include "daemon/metrics.h"

#include "daemon/metrics_internal.h"
#include "router/router.h"
#include "switch/switch.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What the samples of one object come from; `labels` is `network="red",device="lan"`. */
struct port_sample {
	char *labels;
	struct vport_counters counters;
	struct vport_drops drops;
};

struct nic_sample {
	char *labels;
	bool uplink;
	enum nic_status status;
	struct vport_counters counters; /* seen from its user, as in `weft show` */
	struct vport_drops drops;       /* of packets that no port has had */
};

struct limit_sample {
	char *labels;
	uint32_t macs, limit;
};

/* Of a network. */
struct router_sample {
	char *labels;
	uint32_t routers, routes4, routes6, neighbors, neighbor_limit;
};

/* ---- collecting ------------------------------------------------------------------------------ */

void *
metrics_add(struct metrics *metrics, struct samples *samples, char *labels)
{
	if (samples->count == samples->capacity && labels != NULL) {
		size_t capacity = samples->capacity > 0 ? samples->capacity * 2 : 64;
		void *list = realloc(samples->list, capacity * samples->size);

		if (list != NULL) {
			samples->list = list;
			samples->capacity = capacity;
		}
	}
	if (labels == NULL || samples->count == samples->capacity) {
		metrics->no_memory = true;
		free(labels);
		return NULL;
	}
	return memset((char *)samples->list + samples->count++ * samples->size, 0, samples->size);
}

/* The labels are the first member of each sample. */
static void
samples_free(struct samples *samples)
{
	for (size_t i = 0; i < samples->count; i++)
		free(*(char **)((char *)samples->list + i * samples->size));
	free(samples->list);
}

/* Backslash, quote and line feed are escaped (the format, "Line format"). */
static void
put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

char *
metrics_labels(const char *name, ...)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool first = true;
	va_list pairs;

	if (out == NULL)
		return NULL;
	va_start(pairs, name);
	for (; name != NULL; name = va_arg(pairs, const char *)) {
		const char *value = va_arg(pairs, const char *);

		if (value == NULL)
			continue;
		if (!first)
			fputc(',', out);
		put_label(out, name, value);
		first = false;
	}
	va_end(pairs);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static void
collect_port(struct metrics *metrics, const struct weft_vport *vport)
{
	const struct weft_device *device = vport->device;
	char *labels = metrics_labels("network", device->network->name, "device", device->name,
		"port", vport->name, NULL);
	struct port_sample *sample = metrics_add(metrics, &metrics->ports, labels);

	if (sample == NULL)
		return;
	sample->labels = labels;
	vport_read_counters(vport, &sample->counters, &sample->drops);
}

static void
collect_device(struct metrics *metrics, const struct weft_device *device)
{
	const struct weft_vport *vport;
	struct limit_sample *sample;
	struct switch_info info;
	char *labels;

	TAILQ_FOREACH(vport, &device->vports, entry)
	collect_port(metrics, vport);
	if (device->class == &firewall_class)
		metrics_collect_firewall(metrics, device);
	if (device->class != &switch_class)
		return;
	switch_read(device, &info);
	if (info.transparent) /* the inside of a firewall */
		return;
	labels = metrics_labels("network", device->network->name, "switch", device->name, NULL);
	sample = metrics_add(metrics, &metrics->switches, labels);
	if (sample != NULL)
		*sample = (struct limit_sample){ labels, info.macs, info.mac_limit };
}

static void
collect_nic(struct metrics *metrics, const struct weft_nic *nic)
{
	char *labels =
		nic->uplink ? metrics_labels("uplink", nic->name, NULL)
			    : metrics_labels("network", nic->network->name, "nic", nic->name, NULL);
	struct nic_sample *sample = metrics_add(metrics, &metrics->nics, labels);

	if (sample == NULL)
		return;
	sample->labels = labels;
	sample->uplink = nic->uplink;
	sample->status = nic->status;
	state_nic_counters(nic, &sample->counters, &sample->drops);
	nic_read_drops(nic, &sample->drops);
}

static void
collect_routers(struct metrics *metrics, const struct weft_network *network)
{
	char *labels = metrics_labels("network", network->name, NULL);
	struct router_sample *sample = metrics_add(metrics, &metrics->routed, labels);
	const struct weft_device *device;
	struct router_info info;

	if (sample == NULL)
		return;
	*sample = (struct router_sample){ .labels = labels,
		.neighbors = atomic_load(&network->neighbours),
		.neighbor_limit = network->config.neighbor_limit };
	TAILQ_FOREACH(device, &network->devices, entry)
	{
		if (device->class != &router_class)
			continue;
		router_read(device, &info);
		sample->routers++;
		sample->routes4 += info.routes4;
		sample->routes6 += info.routes6;
	}
}

static void
collect_network(struct metrics *metrics, struct weft_network *network)
{
	char *labels = metrics_labels("network", network->name, NULL);
	struct limit_sample *sample = metrics_add(metrics, &metrics->networks, labels);
	const struct weft_device *device;
	const struct weft_nic *nic;

	if (sample != NULL)
		*sample = (struct limit_sample){ labels, atomic_load(&network->macs),
			network->config.mac_limit };
	collect_routers(metrics, network);
	TAILQ_FOREACH(device, &network->devices, entry)
	collect_device(metrics, device);
	TAILQ_FOREACH(nic, &network->nics, entry)
	collect_nic(metrics, nic);
}

static void
collect(struct metrics *metrics)
{
	struct weft *weft = metrics->daemon->weft;
	struct weft_network *network;
	const struct weft_nic *nic;

	weft_objects_lock(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	collect_network(metrics, network);
	TAILQ_FOREACH(nic, &weft->uplinks, entry)
	collect_nic(metrics, nic);
	weft_objects_unlock(weft);
	metrics_collect_flows(metrics);
}

/* ---- writing --------------------------------------------------------------------------------- */

void
metrics_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
metrics_columns(FILE *out, const char *type, const struct metrics_column *columns, size_t n,
	const struct samples *samples, bool (*wanted)(const void *sample))
{
	for (size_t i = 0; i < n; i++) {
		metrics_head(out, columns[i].name, type, columns[i].help);
		for (size_t k = 0; k < samples->count; k++) {
			const char *sample = (const char *)samples->list + k * samples->size;

			if (wanted == NULL || wanted(sample))
				fprintf(out, "%s{%s} %" PRIu64 "\n", columns[i].name,
					*(char *const *)sample,
					*(const uint64_t *)(sample + columns[i].offset));
		}
	}
}

/* Those above 0: most reasons never come up at most places. */
static void
put_drops(FILE *out, const char *name, const char *labels, const struct vport_drops *drops)
{
	for (unsigned reason = 0; reason < DROP_REASON_COUNT; reason++)
		if (drops->by_reason[reason] != 0)
			fprintf(out, "%s{%s,reason=\"%s\"} %" PRIu64 "\n", name, labels,
				drop_name((enum drop_reason)reason), drops->by_reason[reason]);
}

static void
put_ports(const struct metrics *metrics)
{
	static const struct metrics_column columns[] = {
		{ "weft_port_in_packets_total", "Packets that came into the device at the port.",
			offsetof(struct port_sample, counters.in_packets) },
		{ "weft_port_in_bytes_total", "Bytes of these packets.",
			offsetof(struct port_sample, counters.in_bytes) },
		{ "weft_port_out_packets_total", "Packets that left the device at the port.",
			offsetof(struct port_sample, counters.out_packets) },
		{ "weft_port_out_bytes_total", "Bytes of these packets.",
			offsetof(struct port_sample, counters.out_bytes) },
	};
	const struct port_sample *ports = metrics->ports.list;
	const char *dropped = "weft_port_dropped_packets_total";

	metrics_columns(metrics->out, "counter", columns, sizeof(columns) / sizeof(columns[0]),
		&metrics->ports, NULL);
	metrics_head(metrics->out, dropped, "counter", "Packets that were dropped at the port.");
	for (size_t i = 0; i < metrics->ports.count; i++)
		put_drops(metrics->out, dropped, ports[i].labels, &ports[i].drops);
}

static bool
is_nic(const void *sample)
{
	return !((const struct nic_sample *)sample)->uplink;
}

static bool
is_uplink(const void *sample)
{
	return ((const struct nic_sample *)sample)->uplink;
}

/* A state set: 1 for the status that it has, 0 for the others. */
static void
put_status(const struct metrics *metrics, const char *name, const char *help,
	bool (*wanted)(const void *sample))
{
	const struct nic_sample *nics = metrics->nics.list;

	metrics_head(metrics->out, name, "gauge", help);
	for (size_t i = 0; i < metrics->nics.count; i++) {
		if (!wanted(&nics[i]))
			continue;
		for (int status = NIC_STATUS_UP; status <= NIC_STATUS_DOWN; status++)
			fprintf(metrics->out, "%s{%s,status=\"%s\"} %d\n", name, nics[i].labels,
				state_nic_status((enum nic_status)status),
				nics[i].status == (enum nic_status)status);
	}
}

static void
put_nic_drops(const struct metrics *metrics, const char *name, const char *help,
	bool (*wanted)(const void *sample))
{
	const struct nic_sample *nics = metrics->nics.list;

	metrics_head(metrics->out, name, "counter", help);
	for (size_t i = 0; i < metrics->nics.count; i++)
		if (wanted(&nics[i]))
			put_drops(metrics->out, name, nics[i].labels, &nics[i].drops);
}

static void
put_nics(const struct metrics *metrics)
{
	static const struct metrics_column columns[] = {
		{ "weft_uplink_in_packets_total", "Packets that weft sent to the uplink.",
			offsetof(struct nic_sample, counters.in_packets) },
		{ "weft_uplink_in_bytes_total", "Bytes of these packets.",
			offsetof(struct nic_sample, counters.in_bytes) },
		{ "weft_uplink_out_packets_total", "Packets that weft took from the uplink.",
			offsetof(struct nic_sample, counters.out_packets) },
		{ "weft_uplink_out_bytes_total", "Bytes of these packets.",
			offsetof(struct nic_sample, counters.out_bytes) },
	};

	put_status(metrics, "weft_nic_status", "Whether the nic is as configured.", is_nic);
	put_nic_drops(metrics, "weft_nic_dropped_packets_total",
		"Packets that were dropped at the nic and at no port.", is_nic);
	put_status(
		metrics, "weft_uplink_status", "Whether the uplink is as configured.", is_uplink);
	metrics_columns(metrics->out, "counter", columns, sizeof(columns) / sizeof(columns[0]),
		&metrics->nics, is_uplink);
	put_nic_drops(metrics, "weft_uplink_dropped_packets_total",
		"Packets that were dropped at the uplink and at no port.", is_uplink);
}

static void
put_limits(FILE *out, const struct samples *samples, const char *macs, const char *limit)
{
	const struct limit_sample *list = samples->list;

	metrics_head(out, macs, "gauge", "MACs that are learned.");
	for (size_t i = 0; i < samples->count; i++)
		fprintf(out, "%s{%s} %" PRIu32 "\n", macs, list[i].labels, list[i].macs);
	metrics_head(out, limit, "gauge", "MACs that may be learned.");
	for (size_t i = 0; i < samples->count; i++)
		fprintf(out, "%s{%s} %" PRIu32 "\n", limit, list[i].labels, list[i].limit);
}

static void
put_routed(FILE *out, const struct samples *samples)
{
	static const struct {
		const char *name, *help, *further; /* label */
		size_t offset;
	} gauges[] = {
		{ "weft_network_routers", "Routers of the network.", "",
			offsetof(struct router_sample, routers) },
		{ "weft_network_routes", "Routes in force in its routers, local ones not counted.",
			",family=\"4\"", offsetof(struct router_sample, routes4) },
		{ "weft_network_routes", NULL, ",family=\"6\"",
			offsetof(struct router_sample, routes6) },
		{ "weft_network_neighbors", "Neighbours on ports of its routers.", "",
			offsetof(struct router_sample, neighbors) },
		{ "weft_network_neighbor_limit", "Neighbours that there may be.", "",
			offsetof(struct router_sample, neighbor_limit) },
	};

	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		if (gauges[i].help != NULL)
			metrics_head(out, gauges[i].name, "gauge", gauges[i].help);
		for (size_t k = 0; k < samples->count; k++) {
			const char *sample = (const char *)samples->list + k * samples->size;

			fprintf(out, "%s{%s%s} %" PRIu32 "\n", gauges[i].name,
				*(char *const *)sample, gauges[i].further,
				*(const uint32_t *)(sample + gauges[i].offset));
		}
	}
}

static double
busy_seconds(const struct worker *worker)
{
	uint64_t lived = engine_now(worker->weft) - worker->started, slept = worker_slept(worker);

	return lived > slept ? (double)(lived - slept) / 1e9 : 0;
}

static void
put_worker_counts(
	FILE *out, const struct weft *weft, const char *name, const char *help, size_t offset)
{
	metrics_head(out, name, "counter", help);
	for (unsigned i = 0; i < weft->n_workers; i++) {
		const char *worker = (const char *)weft->workers[i];

		fprintf(out, "%s{worker=\"%u\"} %" PRIu64 "\n", name, i,
			STATE_PEEK(*(const uint64_t *)(worker + offset)));
	}
}

static void
put_workers(FILE *out, const struct weft *weft)
{
	const char *busy = "weft_worker_busy_seconds_total";
	const char *dropped = "weft_worker_dropped_packets_total";

	put_worker_counts(out, weft, "weft_worker_packets_total", "Packets that the worker moved.",
		offsetof(struct worker, packets));
	put_worker_counts(out, weft, "weft_worker_turns_total", "Turns of the worker's loop.",
		offsetof(struct worker, turns));
	put_worker_counts(out, weft, "weft_worker_sleeps_total", "Times that it fell asleep.",
		offsetof(struct worker, sleeps));
	metrics_head(out, dropped, "counter", "Packets whose port or nic was gone.");
	for (unsigned i = 0; i < weft->n_workers; i++) {
		struct vport_drops drops = { 0 };
		char label[32];

		counters_add_drops(&drops, &weft->workers[i]->lost);
		snprintf(label, sizeof(label), "worker=\"%u\"", i);
		put_drops(out, dropped, label, &drops);
	}
	metrics_head(out, busy, "counter", "Time that it was not asleep.");
	for (unsigned i = 0; i < weft->n_workers; i++)
		fprintf(out, "%s{worker=\"%u\"} %.6f\n", busy, i, busy_seconds(weft->workers[i]));
}

static void
put_one(FILE *out, const char *name, const char *help, double value)
{
	metrics_head(out, name, "gauge", help);
	fprintf(out, "%s %.15g\n", name, value);
}

static void
put_daemon(FILE *out, struct daemon *daemon)
{
	struct config_status status = { 0 };

	config_history(daemon->config, NULL, 0, &status);
	metrics_head(out, "weft_build_info", "gauge", "Always 1; what this weft is.");
	fprintf(out, "weft_build_info{version=\"%s\"} 1\n", WEFT_VERSION);
	put_one(out, "weft_uptime_seconds", "Since weftd was started.", state_uptime(daemon));
	put_one(out, "weft_resident_memory_bytes", "Memory of the process.",
		(double)state_resident_bytes());
	put_one(out, "weft_configuration_number", "Entry of the history that runs; 0: none yet.",
		status.running);
	put_one(out, "weft_configuration_unconfirmed",
		"1 while what runs waits for its confirmation.", status.unconfirmed != 0);
}

static void
put_all(const struct metrics *metrics)
{
	put_daemon(metrics->out, metrics->daemon);
	put_workers(metrics->out, metrics->daemon->weft);
	put_limits(metrics->out, &metrics->networks, "weft_network_macs", "weft_network_mac_limit");
	put_limits(metrics->out, &metrics->switches, "weft_switch_macs", "weft_switch_mac_limit");
	put_routed(metrics->out, &metrics->routed);
	put_ports(metrics);
	put_nics(metrics);
	metrics_put_firewalls(metrics);
}

char *
metrics_text(struct daemon *daemon)
{
	struct metrics metrics = {
		.daemon = daemon,
		.ports = { .size = sizeof(struct port_sample) },
		.nics = { .size = sizeof(struct nic_sample) },
		.switches = { .size = sizeof(struct limit_sample) },
		.networks = { .size = sizeof(struct limit_sample) },
		.routed = { .size = sizeof(struct router_sample) },
	};
	char *text = NULL;
	size_t size = 0;

	metrics_prepare_firewalls(&metrics);
	collect(&metrics);
	metrics.out = metrics.no_memory ? NULL : open_memstream(&text, &size);
	if (metrics.out != NULL) {
		put_all(&metrics);
		if (ferror(metrics.out) | fclose(metrics.out)) {
			free(text);
			text = NULL;
		}
	}
	samples_free(&metrics.ports);
	samples_free(&metrics.nics);
	samples_free(&metrics.switches);
	samples_free(&metrics.networks);
	samples_free(&metrics.routed);
	samples_free(&metrics.firewalls);
	samples_free(&metrics.rules);
	samples_free(&metrics.flows);
	return text;
}
