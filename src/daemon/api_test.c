/* SPDX-License-Identifier: BSD-3-Clause */
/* POST weft:test: the tests of the running configuration, as probes at the vnics. */
#include "base/error.h"
#include "daemon/api_internal.h"
#include "graph/engine.h"
#include "graph/probe.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define AT_A_TIME 32 /* of the PROBE_LIMIT, so that two may test at once */
#define LOOK_NS 5000000

/* One test of the configuration. */
struct trial {
	const char *network;
	const struct lyd_node *node;
	const char *kind, *target; /* "ping", "10.0.0.11" */
	struct probe *probe;       /* NULL: it could not be started, see error */
	struct weft_error error;
};

struct batch {
	struct daemon *daemon;
	struct trial trials[AT_A_TIME];
	unsigned count;
};

/* ---- starting ------------------------------------------------------------------------------- */

static void
read_kind(struct trial *trial, struct probe_request *request)
{
	static const char *const names[] = { "ping", "tcp", "udp" };
	static const enum probe_kind kinds[] = { PROBE_PING, PROBE_TCP, PROBE_UDP };
	struct weft_prefix address = { 0 };

	for (unsigned i = 0; i < 3; i++) {
		const char *target = model_text(trial->node, names[i]);

		if (target == NULL)
			continue;
		trial->kind = names[i];
		trial->target = target;
		request->kind = kinds[i];
		if (kinds[i] == PROBE_PING)
			model_parse_address(target, &address);
		else
			model_parse_endpoint(target, &address, &request->port);
	}
	request->family = address.family;
	memcpy(request->to, address.address, sizeof(request->to));
}

static void
start(struct daemon *daemon, struct trial *trial)
{
	struct probe_request request = {
		.timeout_ns = model_milliseconds(trial->node, "timeout", 1000) * 1000000,
	};
	struct weft_network *network = weft_network_find(daemon->weft, trial->network);
	const char *from = model_text(trial->node, "from");

	read_kind(trial, &request);
	if (network != NULL && from != NULL)
		request.from = weft_nic_find(daemon->weft, network, from);
	if (request.from == NULL)
		error_set(&trial->error, ENOENT, "there is no nic %s any more",
			from != NULL ? from : "");
	else
		trial->probe = probe_start(daemon->weft, &request, &trial->error);
}

/* Config thread: vnics can be looked up. */
static void
start_batch(void *context)
{
	struct batch *batch = context;

	pthread_mutex_lock(&batch->daemon->engine_lock);
	for (unsigned i = 0; i < batch->count; i++)
		start(batch->daemon, &batch->trials[i]);
	pthread_mutex_unlock(&batch->daemon->engine_lock);
	if (batch->daemon->wake != NULL)
		batch->daemon->wake(batch->daemon);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool
is_running(struct batch *batch)
{
	bool running = false;

	pthread_mutex_lock(&batch->daemon->engine_lock);
	for (unsigned i = 0; i < batch->count; i++)
		running = running || (batch->trials[i].probe != NULL &&
					     probe_result(batch->trials[i].probe) == PROBE_RUNNING);
	pthread_mutex_unlock(&batch->daemon->engine_lock);
	return running;
}

static void
wait_for(struct batch *batch)
{
	struct timespec pause = { .tv_nsec = LOOK_NS };

	while (!atomic_load(&batch->daemon->ending) && is_running(batch))
		nanosleep(&pause, NULL);
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static json_t *
trial_json(const struct trial *trial)
{
	const char *expect = model_text(trial->node, "expect"), *result = "blocked", *text;
	bool holds;
	char what[256];

	snprintf(what, sizeof(what), "%s %s", trial->kind != NULL ? trial->kind : "",
		trial->target != NULL ? trial->target : "");
	text = trial->error.text;
	if (trial->probe != NULL) {
		result = probe_result_name(probe_result(trial->probe));
		text = probe_text(trial->probe);
	}
	/* a probe that could not even be sent proves nothing */
	holds = trial->probe != NULL && result != NULL && strcmp(result, expect) == 0;
	return json_pack("{ss, ss, ss, ss, ss, ss?, sb, ss, sf}", "name", model_key(trial->node),
		"network", trial->network, "from", model_text(trial->node, "from"), "what", what,
		"expect", expect, "result", trial->probe != NULL ? result : NULL, "holds", holds,
		"text", text, "time",
		trial->probe != NULL ? (double)probe_round_trip(trial->probe) / 1e9 : 0.0);
}

static void
end_batch(struct batch *batch, json_t *list)
{
	pthread_mutex_lock(&batch->daemon->engine_lock);
	for (unsigned i = 0; i < batch->count; i++) {
		json_array_append_new(list, trial_json(&batch->trials[i]));
		if (batch->trials[i].probe != NULL)
			probe_end(batch->trials[i].probe);
	}
	pthread_mutex_unlock(&batch->daemon->engine_lock);
	*batch = (struct batch){ .daemon = batch->daemon };
}

/* False: weftd is ending. */
static bool
run_batch(struct batch *batch, json_t *list)
{
	if (batch->count == 0)
		return true;
	if (config_call(batch->daemon->config, start_batch, batch) < 0)
		return false;
	wait_for(batch);
	end_batch(batch, list);
	return true;
}

static bool
run_tests(struct daemon *daemon, const struct lyd_node *network, const char *only, json_t *list)
{
	struct batch batch = { .daemon = daemon };

	for (; network != NULL; network = model_next(network)) {
		const struct lyd_node *test = model_child(network, "tests");

		if (only != NULL && strcmp(model_key(network), only) != 0)
			continue;
		for (; test != NULL; test = model_next(test)) {
			batch.trials[batch.count++] =
				(struct trial){ .network = model_key(network), .node = test };
			if (batch.count == AT_A_TIME && !run_batch(&batch, list))
				return false;
		}
	}
	return run_batch(&batch, list);
}

static bool
has_network(const struct lyd_node *network, const char *name)
{
	for (; network != NULL; network = model_next(network))
		if (strcmp(model_key(network), name) == 0)
			return true;
	return false;
}

void
api_test(struct api_call *call, const json_t *input)
{
	const char *only = json_string_value(json_object_get(input, "network"));
	struct running *running = config_hold(call->daemon->config);
	const struct lyd_node *networks = configuration_child(running->configuration, "networks");
	json_t *list = json_array();

	if (only != NULL && !has_network(networks, only))
		answer_error(
			call->answer, 404, "invalid-value", NULL, "there is no network '%s'", only);
	else if (run_tests(call->daemon, networks, only, list))
		answer_json(call->answer, 200, json_pack("{s{sO}}", "weft:output", "tests", list));
	else
		answer_error(call->answer, 409, "resource-denied", NULL, "weftd is ending");
	json_decref(list);
	config_release(running);
}
