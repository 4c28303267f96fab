/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/flow_export.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "daemon/events.h"
#include "daemon/flow_ipfix.h"
#include "graph/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define ROUND_MOST (100 * MS)
#define ROUND_LEAST (5 * MS)
#define ROUND_RECORDS 4096 /* what is to come while it sleeps: a small part of a ring */
#define BATCH 8192         /* records between two looks at the sockets */
#define SLICES_PER_BATCH 4
#define WALK_LEAST SECOND /* between two walks through all connections */
#define WALK_MOST (15 * SECOND)
#define REFRESH 60 /* seconds between templates, over UDP */
#define LOSS_TOLD_EVERY (60 * SECOND)

/* What the configuration wants of a network. */
struct wish {
	char network[MODEL_NAME_SIZE];
	uint32_t id;
	uint32_t interval_s;
	struct collector_config collector;
};

struct exporter {
	struct flow_export *export;
	struct wish wish;
	struct ipfix *ipfix;
	struct collector *collector;
	bool told_up, told_down;
	uint64_t unmade;                 /* flows for which a worker had no room */
	uint64_t lost_before, loss_told; /* flows in all; when that was told */
	struct flow_export_info info;    /* under the lock */
};

struct flow_export {
	struct daemon *daemon;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t more;
	bool stopping, changed;
	struct wish *wishes;
	size_t n_wishes;
	struct exporter **list; /* by the network's id; the thread's alone to change */
	size_t count;
	/* the thread's */
	struct exporter *last;  /* whose record came last */
	uint64_t engine_to_day; /* to be added to a time of the engine's clock */
	struct flow_walk walk;
	uint64_t walk_due;
	bool walking;
	uint64_t slept, taken; /* when it slept last, and records since */
};

/* ---- records --------------------------------------------------------------------------------- */

static bool
find_name(void *context, enum ipfix_named kind, uint32_t id, char name[IPFIX_NAME_SIZE])
{
	const struct exporter *exporter = context;

	return flow_ipfix_name(exporter->export->daemon->weft, kind, id, name);
}

static void
put_record(struct exporter *exporter, const struct flow_record *record)
{
	struct ipfix_flow flow;

	flow_ipfix_fill(&flow, record, exporter->export->engine_to_day);
	ipfix_put(exporter->ipfix, &flow, clock_of_day() / MS);
}

static int
compare_exporters(const void *a, const void *b)
{
	const struct exporter *x = *(struct exporter *const *)a, *y = *(struct exporter *const *)b;

	return x->wish.id < y->wish.id ? -1 : x->wish.id > y->wish.id;
}

static struct exporter *
find_exporter(struct flow_export *export, uint32_t network)
{
	struct exporter wanted = { .wish.id = network };
	struct exporter *key = &wanted, **found;

	if (export->last != NULL && export->last->wish.id == network)
		return export->last;
	found = bsearch(
		&key, export->list, export->count, sizeof(*export->list), compare_exporters);
	if (found == NULL)
		return NULL; /* of a network that has just lost its collector */
	export->last = *found;
	return *found;
}

static void
take_record(void *context, const struct flow_record *record)
{
	struct exporter *exporter = find_exporter(context, record->network);

	if (exporter != NULL)
		put_record(exporter, record);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void
tell_state(struct exporter *exporter)
{
	struct events *events = exporter->export->daemon->events;
	const char *reason = collector_reason(exporter->collector);
	bool up = collector_is_up(exporter->collector);

	if (up && !exporter->told_up) {
		exporter->told_up = true;
		exporter->told_down = false;
		events_emit(events, EVENT_INFO, "collector-up", exporter->wish.network,
			"flow records go to their collector");
	} else if (!up && !exporter->told_down && *reason != '\0') {
		exporter->told_up = false;
		exporter->told_down = true;
		events_emit(events, EVENT_WARNING, "collector-down", exporter->wish.network,
			"flow records do not arrive: %s", reason);
	}
}

static void
tell_losses(struct exporter *exporter, uint64_t lost, uint64_t now)
{
	if (lost == exporter->lost_before ||
		(exporter->loss_told != 0 && now - exporter->loss_told < LOSS_TOLD_EVERY))
		return;
	events_emit(exporter->export->daemon->events, EVENT_WARNING, "flow-records-lost",
		exporter->wish.network, "%llu flow records did not get to the collector",
		(unsigned long long)(lost - exporter->lost_before));
	exporter->lost_before = lost;
	exporter->loss_told = now;
}

static void
publish(struct exporter *exporter)
{
	struct flow_export_info *info = &exporter->info;

	pthread_mutex_lock(&exporter->export->lock);
	info->up = collector_is_up(exporter->collector);
	snprintf(info->reason, sizeof(info->reason), "%s", collector_reason(exporter->collector));
	collector_count(exporter->collector, &info->counts);
	info->counts.lost += exporter->unmade;
	pthread_mutex_unlock(&exporter->export->lock);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void
send_message(void *context, const uint8_t *message, size_t length, unsigned flows)
{
	struct exporter *exporter = context;

	collector_send(exporter->collector, message, length, flows);
}

static void
work_on(struct exporter *exporter, uint64_t now)
{
	struct collector_counts counts;

	ipfix_flush(exporter->ipfix, clock_of_day() / MS);
	if (collector_work(exporter->collector, now))
		ipfix_restart(exporter->ipfix); /* it holds nothing: it has been flushed */
	ipfix_limit(exporter->ipfix, collector_message_limit(exporter->collector));
	tell_state(exporter);
	collector_count(exporter->collector, &counts);
	tell_losses(exporter, counts.lost + exporter->unmade, now);
	publish(exporter);
}

/* Returns how many records there were. */
static unsigned
export_batch(struct flow_export *export)
{
	struct weft *weft = export->daemon->weft;
	unsigned taken;

	export->engine_to_day = clock_of_day() - engine_now(weft);
	taken = flow_records_take(weft, BATCH, take_record, export);
	for (size_t i = 0; i < export->count; i++)
		work_on(export->list[i], clock_monotonic());
	return taken;
}

/* What never came here. */
static void
read_losses(struct flow_export *export)
{
	struct weft *weft = export->daemon->weft;
	const struct weft_network *network;
	struct exporter *exporter;

	weft_objects_lock(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	{
		exporter = find_exporter(export, network->id);
		if (exporter != NULL)
			exporter->unmade =
				atomic_load_explicit(&network->flows_lost, memory_order_relaxed);
	}
	weft_objects_unlock(weft);
}

/* As often as the shortest interval asks for. */
static uint64_t
walk_interval(const struct flow_export *export)
{
	uint64_t interval = WALK_MOST;

	for (size_t i = 0; i < export->count; i++) {
		uint64_t wanted = export->list[i]->wish.interval_s * SECOND / 4;

		if (wanted < interval)
			interval = wanted;
	}
	return interval > WALK_LEAST ? interval : WALK_LEAST;
}

static void
walk_on(struct flow_export *export, uint64_t now)
{
	if (now >= export->walk_due) {
		read_losses(export);
		export->walking = true;
		export->walk_due = now + walk_interval(export);
	}
	for (unsigned i = 0; i < SLICES_PER_BATCH && export->walking; i++)
		export->walking = flow_records_walk(export->daemon->weft, &export->walk);
}

/* The faster they come, the shorter. */
static uint64_t
time_to_sleep(struct flow_export *export, uint64_t now)
{
	uint64_t elapsed = now - export->slept, time = ROUND_MOST;

	if (elapsed * ROUND_RECORDS < ROUND_MOST * export->taken)
		time = elapsed * ROUND_RECORDS / export->taken;
	export->slept = now;
	export->taken = 0;
	return time > ROUND_LEAST ? time : ROUND_LEAST;
}

/* Returns when the next one is due. */
static uint64_t
round_of(struct flow_export *export)
{
	unsigned taken;
	uint64_t now;

	walk_on(export, clock_monotonic());
	taken = export_batch(export);
	export->taken += taken;
	now = clock_monotonic();
	if (export->walking || taken == BATCH)
		return now;
	return now + time_to_sleep(export, now);
}

/* ---- exporters ------------------------------------------------------------------------------- */

static void
exporter_free(struct exporter *exporter)
{
	if (exporter == NULL)
		return;
	if (exporter->ipfix != NULL && exporter->collector != NULL)
		ipfix_flush(exporter->ipfix, clock_of_day() / MS);
	ipfix_free(exporter->ipfix);
	collector_free(exporter->collector);
	free(exporter);
}

static struct exporter *
exporter_new(struct flow_export *export, const struct wish *wish)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	struct ipfix_calls calls = { exporter, send_message, find_name };
	struct ipfix_config config = {
		.domain = wish->id,
		.name = wish->network,
		.datagrams = !wish->collector.tcp,
		.refresh = REFRESH,
	};

	if (exporter == NULL)
		return NULL;
	exporter->export = export;
	exporter->wish = *wish;
	exporter->info.collector = wish->collector;
	exporter->info.interval_s = wish->interval_s;
	exporter->info.id = wish->id;
	snprintf(exporter->info.network, sizeof(exporter->info.network), "%s", wish->network);
	exporter->collector = collector_create(&wish->collector);
	if (exporter->collector != NULL) {
		collector_work(exporter->collector, clock_monotonic());
		config.message_limit = collector_message_limit(exporter->collector);
		exporter->ipfix = ipfix_create(&config, &calls);
	}
	if (exporter->ipfix != NULL)
		return exporter;
	exporter_free(exporter);
	return NULL;
}

/* The one that does already what is wished, taken out of the list; NULL: there is none. */
static struct exporter *
keep_exporter(struct flow_export *export, const struct wish *wish)
{
	for (size_t i = 0; i < export->count; i++) {
		struct exporter *exporter = export->list[i];

		if (exporter == NULL || memcmp(&exporter->wish, wish, sizeof(*wish)) != 0)
			continue;
		export->list[i] = NULL;
		return exporter;
	}
	return NULL;
}

/* With the lock held. What there is no memory for is not exported, and told. */
static void
follow_wishes(struct flow_export *export)
{
	struct exporter **list = calloc(export->n_wishes + 1, sizeof(*list)), *exporter;
	size_t count = 0;

	for (size_t i = 0; list != NULL && i < export->n_wishes; i++) {
		exporter = keep_exporter(export, &export->wishes[i]);
		if (exporter == NULL)
			exporter = exporter_new(export, &export->wishes[i]);
		if (exporter != NULL)
			list[count++] = exporter;
	}
	if (count < export->n_wishes)
		events_emit(export->daemon->events, EVENT_ERROR, "flow-records-lost", "",
			"out of memory: not all networks' flow records are exported");
	for (size_t i = 0; i < export->count; i++)
		exporter_free(export->list[i]);
	free(export->list);
	if (list != NULL)
		qsort(list, count, sizeof(*list), compare_exporters);
	export->list = list;
	export->count = count;
	export->last = NULL;
	export->walk_due = 0;
	export->changed = false;
}

static void
wait_until(struct flow_export *export, uint64_t when)
{
	struct timespec time = { (time_t)(when / SECOND), (long)(when % SECOND) };

	while (!export->stopping && !export->changed &&
		(export->count == 0 || clock_monotonic() < when)) {
		if (export->count == 0)
			pthread_cond_wait(&export->more, &export->lock);
		else
			pthread_cond_timedwait(&export->more, &export->lock, &time);
	}
}

static void *
work(void *argument)
{
	struct flow_export *export = argument;
	uint64_t due = 0;

	pthread_mutex_lock(&export->lock);
	for (;;) {
		wait_until(export, due);
		if (export->stopping)
			break;
		if (export->changed)
			follow_wishes(export);
		pthread_mutex_unlock(&export->lock);
		due = export->count > 0 ? round_of(export) : 0;
		pthread_mutex_lock(&export->lock);
	}
	pthread_mutex_unlock(&export->lock);
	while (export->count > 0 && export_batch(export) == BATCH)
		;
	return NULL;
}

/* ---- the configuration ----------------------------------------------------------------------- */

/* False: the network wants none. */
static bool
read_wish(struct weft *weft, const struct lyd_node *network, struct wish *wish)
{
	const struct lyd_node *node = model_child(network, "flow-records");
	const char *collector = model_text(node, "collector"), *netns = model_text(node, "netns");
	const char *transport = model_text(node, "transport");
	const struct weft_network *found = weft_network_find(weft, model_key(network));

	if (collector == NULL || found == NULL)
		return false;
	memset(wish, 0, sizeof(*wish)); /* it is compared byte by byte */
	snprintf(wish->network, sizeof(wish->network), "%s", model_key(network));
	wish->id = found->id;
	wish->interval_s = (uint32_t)(model_milliseconds(node, "active-timeout", 60000) / 1000);
	wish->collector.tcp = transport != NULL && strcmp(transport, "tcp") == 0;
	if (netns != NULL)
		snprintf(wish->collector.netns, sizeof(wish->collector.netns), "%s", netns);
	return model_parse_endpoint(collector, &wish->collector.address, &wish->collector.port) ==
	       0;
}

void
flow_export_configure(struct flow_export *export, const struct configuration *configuration)
{
	const struct lyd_node *first = configuration_child(configuration, "networks"), *node;
	struct wish *wishes;
	size_t count = 0;

	if (export == NULL)
		return;
	for (node = first; node != NULL; node = model_next(node))
		count += model_text(model_child(node, "flow-records"), "collector") != NULL;
	wishes = calloc(count + 1, sizeof(*wishes));
	count = 0;
	for (node = first; node != NULL && wishes != NULL; node = model_next(node))
		count += read_wish(export->daemon->weft, node, &wishes[count]);
	if (wishes == NULL)
		events_emit(export->daemon->events, EVENT_ERROR, "flow-records-lost", "",
			"out of memory: no flow records are exported");
	pthread_mutex_lock(&export->lock);
	free(export->wishes);
	export->wishes = wishes;
	export->n_wishes = count;
	export->changed = true;
	pthread_cond_signal(&export->more);
	pthread_mutex_unlock(&export->lock);
}

/* ---- looking, life --------------------------------------------------------------------------- */

void
flow_export_read(struct flow_export *export,
	void (*look)(void *context, const struct flow_export_info *info), void *context)
{
	if (export == NULL)
		return;
	pthread_mutex_lock(&export->lock);
	for (size_t i = 0; i < export->count; i++)
		look(context, &export->list[i]->info);
	pthread_mutex_unlock(&export->lock);
}

static void
make_locks(struct flow_export *export)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&export->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&export->more, &attributes);
	pthread_condattr_destroy(&attributes);
}

struct flow_export *
flow_export_open(struct daemon *daemon, struct weft_error *error)
{
	struct flow_export *export = calloc(1, sizeof(*export));
	int code;

	if (export == NULL) {
		error_memory(error);
		return NULL;
	}
	export->daemon = daemon;
	make_locks(export);
	code = thread_start(&export->thread, "flow-records", work, export);
	if (code == 0) {
		export->running = true;
		return export;
	}
	error_errno(error, code, "cannot start a thread");
	flow_export_close(export);
	return NULL;
}

void
flow_export_stop(struct flow_export *export)
{
	if (export == NULL || !export->running)
		return;
	pthread_mutex_lock(&export->lock);
	export->stopping = true;
	pthread_cond_signal(&export->more);
	pthread_mutex_unlock(&export->lock);
	pthread_join(export->thread, NULL);
	export->running = false;
}

void
flow_export_close(struct flow_export *export)
{
	if (export == NULL)
		return;
	flow_export_stop(export);
	for (size_t i = 0; i < export->count; i++)
		exporter_free(export->list[i]);
	free(export->list);
	free(export->wishes);
	pthread_cond_destroy(&export->more);
	pthread_mutex_destroy(&export->lock);
	free(export);
}
