/* SPDX-License-Identifier: BSD-3-Clause */
/* What a change of the configuration does, on the config thread. */
#include "base/clock.h"
#include "base/error.h"
#include "daemon/carry_out.h"
#include "daemon/config_internal.h"
#include "daemon/events.h"
#include "daemon/flow_export.h"
#include "daemon/plan_json.h"
#include "daemon/way_out.h"
#include "nic/tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_OUT_RETRY_NS 5000000000u

/* ---- loading --------------------------------------------------------------------------------- */

struct configuration *
config_load(struct config *config, enum config_source source, const char *file, const char *text,
	size_t length, struct config_result *result)
{
	struct configuration *configuration;

	if (source == CONFIG_YAML)
		configuration = configuration_from_yaml(
			config->model, file, text, length, &result->diagnostics);
	else
		configuration = configuration_from_json(
			config->model, file, text, length, &result->diagnostics);
	if (configuration == NULL && result->diagnostics.errors > 0)
		config_fail(result, CONFIG_WRONG, EINVAL, "%s is wrong", file);
	else if (configuration == NULL)
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
	return configuration;
}

struct configuration *
config_load_number(struct config *config, uint32_t number, struct config_result *result)
{
	struct configuration *configuration;
	char *json, name[40];

	json = history_read(config->history, number, &result->error);
	if (json == NULL) {
		result->outcome = result->error.code == ENOENT ? CONFIG_NOT_FOUND : CONFIG_FAILED;
		return NULL;
	}
	snprintf(name, sizeof(name), "configuration %u", number);
	configuration = config_load(config, CONFIG_JSON, name, json, strlen(json), result);
	free(json);
	return configuration;
}

static struct configuration *
load_edit(struct config *config, const struct config_request *request, struct config_result *result)
{
	char *before = configuration_to_json(config->running->configuration), *after;
	struct configuration *configuration = NULL;

	after = before != NULL ? request->edit(request->context, before, &result->error) : NULL;
	if (before == NULL)
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
	else if (after == NULL)
		result->outcome = CONFIG_FAILED;
	else
		configuration = config_load(
			config, CONFIG_JSON, request->file, after, strlen(after), result);
	free(before);
	free(after);
	return configuration;
}

static struct configuration *
load(struct config *config, const struct config_request *request, struct config_result *result)
{
	switch (request->source) {
	case CONFIG_NUMBER:
		return config_load_number(config, request->number, result);
	case CONFIG_EDIT:
		return load_edit(config, request, result);
	default:
		return config_load(config, request->source, request->file, request->text,
			request->length, result);
	}
}

/* ---- planning -------------------------------------------------------------------------------- */

/* From what runs. NULL: result says why. */
static struct plan *
make_plan(struct config *config, const struct configuration *configuration,
	struct config_result *result)
{
	struct plan *plan = plan_make(config->running->configuration, configuration);

	if (plan != NULL)
		result->plan = plan_json(plan);
	if (result->plan != NULL)
		return plan;
	plan_free(plan);
	config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
	return NULL;
}

void
config_do_validate(
	struct config *config, const struct config_request *request, struct config_result *result)
{
	configuration_free(load(config, request, result));
}

void
config_do_plan(
	struct config *config, const struct config_request *request, struct config_result *result)
{
	struct configuration *configuration = load(config, request, result);

	if (configuration == NULL)
		return;
	plan_free(make_plan(config, configuration, result));
	configuration_free(configuration);
}

/* ---- committing ------------------------------------------------------------------------------ */

static void
abort_change(struct config *config, struct weft_change *change)
{
	pthread_mutex_lock(&config->daemon->engine_lock);
	weft_change_abort(change);
	pthread_mutex_unlock(&config->daemon->engine_lock);
	tap_settle(); /* what was staged is gone when the refusal is told */
}

/* Stages and prepares: after it nothing of the engine can fail. NULL: result says why. */
static struct weft_change *
prepare(struct config *config, const struct plan *plan, struct config_result *result)
{
	struct weft *weft = config->daemon->weft;
	struct weft_change *change = weft_change_begin(weft);

	if (change == NULL) {
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
		return NULL;
	}
	carry_out(weft, change, plan);
	if (weft_change_prepare(change, &result->error) == 0)
		return change;
	result->outcome = CONFIG_FAILED;
	abort_change(config, change);
	return NULL;
}

/* The history's entry of what is about to run; 0: done. */
static int
save(struct config *config, const struct config_commit *commit, struct config_result *result)
{
	const struct lyd_node *system = configuration_child(commit->configuration, "system");
	char *json;
	int saved;

	if (!commit->save)
		return 0;
	json = configuration_to_json(commit->configuration);
	if (json == NULL) {
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
		return -1;
	}
	history_set_keep(config->history,
		(unsigned)model_number(model_child(system, "history"), "keep", 50));
	saved = history_commit(
		config->history, json, commit->user, commit->note, commit->confirm, &result->error);
	free(json);
	if (saved < 0)
		result->outcome = CONFIG_FAILED;
	return saved;
}

/* The host's share, while all can be taken back yet. Where weftd starts with what ran before, a
 * host that does not let it is no reason to run nothing at all. -1: result says why. */
static int
settle_host(struct config *config, const struct config_commit *commit, struct config_result *result)
{
	if (way_out_set(config->daemon->way_out, commit->configuration, &result->error) == 0)
		return 0;
	if (commit->first) {
		events_emit(config->daemon->events, EVENT_ERROR, "internet", "", "%s",
			result->error.text);
		result->error = (struct weft_error){ 0 };
		return 0;
	}
	result->outcome = CONFIG_FAILED;
	return -1;
}

/* After a failure: as it was. */
static void
settle_host_again(struct config *config)
{
	struct weft_error error;

	if (way_out_set(config->daemon->way_out, config->running->configuration, &error) < 0)
		events_emit(config->daemon->events, EVENT_ERROR, "internet", "", "%s", error.text);
}

/* With the plan made. The configuration is taken over where it is committed: true. */
static bool
carry_through(struct config *config, const struct config_commit *commit, const struct plan *plan,
	struct config_result *result)
{
	struct weft_change *change = prepare(config, plan, result);
	struct running *next = change != NULL ? calloc(1, sizeof(*next)) : NULL;

	if (change == NULL)
		return false;
	if (next == NULL)
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
	if (next == NULL || settle_host(config, commit, result) < 0) {
		abort_change(config, change);
		free(next);
		return false;
	}
	if (save(config, commit, result) < 0) {
		abort_change(config, change);
		settle_host_again(config);
		free(next);
		return false;
	}
	pthread_mutex_lock(&config->daemon->engine_lock);
	weft_change_commit(change, NULL);
	pthread_mutex_unlock(&config->daemon->engine_lock);
	tap_settle();
	result->number = commit->save ? history_running(config->history) : commit->number;
	config_publish(config, next, commit->configuration, result->number);
	flow_export_configure(config->daemon->flow_export, commit->configuration);
	return true;
}

void
config_commit(
	struct config *config, const struct config_commit *commit, struct config_result *result)
{
	struct plan *plan = make_plan(config, commit->configuration, result);
	bool taken = plan != NULL && carry_through(config, commit, plan, result);

	plan_free(plan);
	if (!taken)
		configuration_free(commit->configuration);
}

/* ---- applying -------------------------------------------------------------------------------- */

static void
set_deadline(struct config *config, double seconds)
{
	pthread_mutex_lock(&config->lock);
	config->deadline = seconds > 0 ? clock_monotonic() + (uint64_t)(seconds * 1e9) : 0;
	pthread_mutex_unlock(&config->lock);
}

static unsigned
changes_of(const struct config_result *result)
{
	return (unsigned)json_array_size(json_object_get(result->plan, "items"));
}

static void
tell_applied(struct config *config, const struct config_request *request,
	const struct config_result *result)
{
	struct events *events = config->daemon->events;
	const char *kind = request->source == CONFIG_NUMBER ? "rollback" : "apply";
	const char *user = request->user != NULL ? request->user : "somebody";
	unsigned changes = changes_of(result);
	const char *s = changes == 1 ? "" : "s";

	if (request->confirm_timeout > 0)
		events_emit(events, EVENT_INFO, kind, "",
			"configuration %u of %s runs (%u change%s); it rolls back by itself in "
			"%.0f s",
			result->number, user, changes, s, request->confirm_timeout);
	else
		events_emit(events, EVENT_INFO, kind, "",
			"configuration %u of %s runs (%u change%s)", result->number, user, changes,
			s);
}

/* What to note in the history: what the user says, else where it is from. */
static const char *
note_of(const struct config_request *request, char memory[64])
{
	if (request->note != NULL)
		return request->note;
	if (request->source != CONFIG_NUMBER)
		return request->file;
	snprintf(memory, 64, "rollback to %u", request->number);
	return memory;
}

void
config_do_apply(
	struct config *config, const struct config_request *request, struct config_result *result)
{
	char memory[64];
	struct config_commit commit = {
		.configuration = load(config, request, result),
		.save = true,
		.confirm = request->confirm_timeout > 0,
		.user = request->user,
		.note = note_of(request, memory),
	};
	struct plan *plan;

	if (commit.configuration == NULL)
		return;
	plan = make_plan(config, commit.configuration, result);
	if (plan == NULL || plan->count == 0) {
		result->number = config->running->number;
		plan_free(plan);
		configuration_free(commit.configuration);
		return;
	}
	if (carry_through(config, &commit, plan, result)) {
		set_deadline(config, request->confirm_timeout);
		config_refresh(config);
		tell_applied(config, request, result);
	} else {
		configuration_free(commit.configuration);
	}
	plan_free(plan);
}

void
config_do_confirm(struct config *config, struct config_result *result)
{
	result->number = history_unconfirmed(config->history);
	if (result->number == 0) {
		config_fail(result, CONFIG_CONFLICT, ENOTCONN, "nothing waits for a confirmation");
		return;
	}
	if (history_confirm(config->history, &result->error) < 0) {
		result->outcome = CONFIG_FAILED;
		return;
	}
	set_deadline(config, 0);
	config_refresh(config);
	events_emit(config->daemon->events, EVENT_INFO, "confirm", "", "configuration %u is kept",
		result->number);
}

/* What ran before the one that nobody confirmed. */
static struct configuration *
load_confirmed(struct config *config, struct config_result *result)
{
	uint32_t number = history_confirmed(config->history);
	struct configuration *configuration;

	if (number != 0)
		return config_load_number(config, number, result);
	configuration = configuration_empty(config->model);
	if (configuration == NULL)
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
	return configuration;
}

void
config_time_out(struct config *config)
{
	struct config_result result = { 0 };
	struct config_commit commit = {
		.configuration = load_confirmed(config, &result),
		.save = true,
		.user = "weftd",
		.note = "confirm timed out",
	};

	set_deadline(config, 0);
	if (commit.configuration != NULL)
		config_commit(config, &commit, &result);
	config_refresh(config);
	if (result.outcome == CONFIG_DONE) {
		events_emit(config->daemon->events, EVENT_WARNING, "rollback", "",
			"nobody confirmed in time: the former configuration runs again, as %u",
			result.number);
	} else {
		events_emit(config->daemon->events, EVENT_ERROR, "rollback", "",
			"nobody confirmed in time, but the former configuration cannot be brought "
			"back: %s; trying again in 5 s",
			result.error.text);
		set_deadline(config, TIME_OUT_RETRY_NS / 1e9);
	}
	config_result_free(&result);
}
