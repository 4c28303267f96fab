/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread of the configuration, its jobs, and what others see of it. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/config_internal.h"
#include "daemon/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HISTORY_KEEP_MOST 1000
#define FILE_LIMIT (64u << 20)

void
config_fail(struct config_result *result, enum config_outcome outcome, int code, const char *format,
	...)
{
	va_list arguments;

	result->outcome = outcome;
	result->error.code = code;
	va_start(arguments, format);
	vsnprintf(result->error.text, sizeof(result->error.text), format, arguments);
	va_end(arguments);
}

void
config_result_free(struct config_result *result)
{
	diagnostics_free(&result->diagnostics);
	json_decref(result->plan);
	*result = (struct config_result){ 0 };
}

/* ---- what runs ----------------------------------------------------------------------------- */

struct running *
config_hold(struct config *config)
{
	struct running *running;

	pthread_mutex_lock(&config->lock);
	running = config->running;
	atomic_fetch_add(&running->holders, 1);
	pthread_mutex_unlock(&config->lock);
	return running;
}

void
config_release(struct running *running)
{
	if (running == NULL || atomic_fetch_sub(&running->holders, 1) > 1)
		return;
	configuration_free(running->configuration);
	free(running);
}

void
config_publish(struct config *config, struct running *next, struct configuration *configuration,
	uint32_t number)
{
	struct running *old;

	next->configuration = configuration;
	next->number = number;
	atomic_store(&next->holders, 1);
	pthread_mutex_lock(&config->lock);
	old = config->running;
	config->running = next;
	pthread_mutex_unlock(&config->lock);
	config_release(old);
}

const struct model *
config_model(const struct config *config)
{
	return config->model;
}

void
config_refresh(struct config *config)
{
	struct history_entry *entries = calloc(HISTORY_KEEP_MOST, sizeof(*entries)), *old;
	unsigned count = 0;

	if (entries != NULL)
		count = history_list(config->history, entries, HISTORY_KEEP_MOST);
	pthread_mutex_lock(&config->lock);
	old = config->entries;
	config->entries = entries;
	config->n_entries = count;
	config->running_number = history_running(config->history);
	config->unconfirmed = history_unconfirmed(config->history);
	pthread_mutex_unlock(&config->lock);
	free(old);
}

unsigned
config_history(struct config *config, struct history_entry *entries, unsigned limit,
	struct config_status *status)
{
	uint64_t now = clock_monotonic();
	unsigned count;

	pthread_mutex_lock(&config->lock);
	count = config->n_entries < limit ? config->n_entries : limit;
	if (count > 0)
		memcpy(entries, config->entries, count * sizeof(*entries));
	*status = (struct config_status){ config->running_number, config->unconfirmed, 0 };
	if (config->deadline > now)
		status->confirm_left = (double)(config->deadline - now) / 1e9;
	pthread_mutex_unlock(&config->lock);
	return count;
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static void
wait_for_work(struct config *config)
{
	struct timespec until;

	if (config->deadline == 0) {
		pthread_cond_wait(&config->work, &config->lock);
		return;
	}
	until.tv_sec = (time_t)(config->deadline / 1000000000);
	until.tv_nsec = (long)(config->deadline % 1000000000);
	pthread_cond_timedwait(&config->work, &config->lock, &until);
}

static void
run_job(struct config *config, struct config_job *job)
{
	config->jobs = job->next;
	pthread_mutex_unlock(&config->lock);
	job->run(job->context);
	pthread_mutex_lock(&config->lock);
	job->done = true;
	pthread_cond_broadcast(&config->done);
}

static void
refuse_jobs(struct config *config)
{
	for (struct config_job *job = config->jobs; job != NULL; job = job->next)
		job->done = job->refused = true;
	config->jobs = NULL;
	pthread_cond_broadcast(&config->done);
}

/* What was asked for in time comes before the roll back, however long it had to wait. */
static bool
is_too_late(const struct config *config)
{
	return config->deadline != 0 && clock_monotonic() >= config->deadline &&
	       (config->jobs == NULL || config->jobs->queued >= config->deadline);
}

static void *
run_thread(void *argument)
{
	struct config *config = argument;

	pthread_setname_np(pthread_self(), "config");
	pthread_mutex_lock(&config->lock);
	while (!config->stopping) {
		if (is_too_late(config)) {
			pthread_mutex_unlock(&config->lock);
			config_time_out(config);
			pthread_mutex_lock(&config->lock);
		} else if (config->jobs != NULL) {
			run_job(config, config->jobs);
		} else {
			wait_for_work(config);
		}
	}
	refuse_jobs(config);
	pthread_mutex_unlock(&config->lock);
	return NULL;
}

int
config_call(struct config *config, void (*function)(void *context), void *context)
{
	struct config_job job = { .run = function, .context = context };
	struct config_job **at;

	pthread_mutex_lock(&config->lock);
	job.queued = clock_monotonic();
	job.refused = config->stopping || !config->started;
	if (!job.refused) {
		for (at = &config->jobs; *at != NULL; at = &(*at)->next)
			;
		*at = &job;
		pthread_cond_signal(&config->work);
		while (!job.done)
			pthread_cond_wait(&config->done, &config->lock);
	}
	pthread_mutex_unlock(&config->lock);
	return job.refused ? -1 : 0;
}

struct task {
	struct config *config;
	const struct config_request *request;
	struct config_result *result;
	void (*work)(struct config *config, const struct config_request *request,
		struct config_result *result);
};

static void
run_task(void *context)
{
	struct task *task = context;

	task->work(task->config, task->request, task->result);
}

static void
do_task(struct task *task)
{
	*task->result = (struct config_result){ 0 };
	if (config_call(task->config, run_task, task) < 0)
		config_fail(task->result, CONFIG_CONFLICT, ECANCELED, "weftd is ending");
}

void
config_validate(
	struct config *config, const struct config_request *request, struct config_result *result)
{
	do_task(&(struct task){ config, request, result, config_do_validate });
}

void
config_plan(
	struct config *config, const struct config_request *request, struct config_result *result)
{
	do_task(&(struct task){ config, request, result, config_do_plan });
}

void
config_apply(
	struct config *config, const struct config_request *request, struct config_result *result)
{
	do_task(&(struct task){ config, request, result, config_do_apply });
}

static void
confirm(struct config *config, const struct config_request *request, struct config_result *result)
{
	(void)request;
	config_do_confirm(config, result);
}

void
config_confirm(struct config *config, struct config_result *result)
{
	do_task(&(struct task){ config, NULL, result, confirm });
}

/* ---- life ------------------------------------------------------------------------------------ */

/* The whole file, malloced; NULL: result says why. */
static char *
read_file(const char *name, size_t *length, struct config_result *result)
{
	FILE *file = fopen(name, "re");
	char *text = NULL;
	size_t size = 0;

	*length = 0;
	if (file == NULL) {
		config_fail(
			result, CONFIG_FAILED, errno, "cannot open %s: %s", name, strerror(errno));
		return NULL;
	}
	do {
		char *more = *length < FILE_LIMIT ? realloc(text, size + (1u << 16)) : NULL;

		if (more == NULL) {
			config_fail(result, CONFIG_FAILED, EFBIG, "%s is too long", name);
			free(text);
			fclose(file);
			return NULL;
		}
		text = more;
		size += 1u << 16;
		*length += fread(text + *length, 1, size - *length, file);
	} while (*length == size);
	if (ferror(file)) {
		config_fail(
			result, CONFIG_FAILED, errno, "cannot read %s: %s", name, strerror(errno));
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

/* An explicit file: new, unless it is what ran last. */
static struct configuration *
load_file(struct config *config, const char *file, struct config_result *result)
{
	size_t length;
	char *text = read_file(file, &length, result);
	struct configuration *configuration;

	if (text == NULL)
		return NULL;
	configuration = config_load(config, CONFIG_YAML, file, text, length, result);
	free(text);
	config->first_is_new = true;
	config->first_note = file;
	return configuration;
}

static struct configuration *
load_last(struct config *config, struct config_result *result)
{
	struct configuration *configuration;

	if (history_running(config->history) != 0)
		return config_load_number(config, history_running(config->history), result);
	configuration = configuration_empty(config->model);
	if (configuration == NULL)
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
	return configuration;
}

static struct config *
make(struct daemon *daemon)
{
	struct config *config = calloc(1, sizeof(*config));
	pthread_condattr_t attributes;

	if (config == NULL)
		return NULL;
	config->daemon = daemon;
	pthread_mutex_init(&config->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&config->work, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_cond_init(&config->done, NULL);
	return config;
}

struct config *
config_open(
	struct daemon *daemon, const char *folder, const char *file, struct config_result *result)
{
	struct config *config = make(daemon);
	struct configuration *empty;
	struct running *running;

	*result = (struct config_result){ 0 };
	if (config == NULL) {
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
		return NULL;
	}
	config->model = model_open(&result->error);
	if (config->model != NULL)
		config->history = history_open(folder, HISTORY_KEEP_MOST, &result->error);
	if (config->history == NULL) {
		result->outcome = CONFIG_FAILED;
		config_close(config);
		return NULL;
	}
	config->first = file != NULL ? load_file(config, file, result) : load_last(config, result);
	empty = configuration_empty(config->model);
	running = calloc(1, sizeof(*running));
	if (config->first != NULL && empty != NULL && running != NULL) {
		config_publish(config, running, empty, 0);
		return config;
	}
	if (config->first != NULL)
		config_fail(result, CONFIG_FAILED, ENOMEM, "out of memory");
	configuration_free(empty);
	free(running);
	config_close(config);
	return NULL;
}

const struct configuration *
config_first(const struct config *config)
{
	return config->first;
}

/* Whether the history's running entry says the same as the file. */
static bool
ran_last(struct config *config, const struct configuration *configuration)
{
	struct config_result ignored = { 0 };
	struct configuration *last = NULL;
	struct plan *plan = NULL;
	bool same;

	if (history_running(config->history) != 0)
		last = config_load_number(config, history_running(config->history), &ignored);
	if (last != NULL)
		plan = plan_make(last, configuration);
	same = plan != NULL && plan->count == 0;
	plan_free(plan);
	configuration_free(last);
	config_result_free(&ignored);
	return same;
}

int
config_start(struct config *config, struct config_result *result)
{
	struct config_commit commit = {
		.configuration = config->first,
		.first = true,
		.number = history_running(config->history),
		.user = "weftd",
		.note = config->first_note,
	};
	int code;

	commit.save = config->first_is_new && !ran_last(config, config->first);
	config->first = NULL;
	*result = (struct config_result){ 0 };
	config_commit(config, &commit, result);
	config_refresh(config);
	if (result->outcome != CONFIG_DONE)
		return -1;
	/* before anybody else knows the config */
	config->started = true;
	code = pthread_create(&config->thread, NULL, run_thread, config);
	if (code == 0)
		return 0;
	config->started = false;
	config_fail(result, CONFIG_FAILED, code, "cannot start a thread: %s", strerror(code));
	return -1;
}

void
config_stop(struct config *config)
{
	bool started;

	pthread_mutex_lock(&config->lock);
	config->stopping = true;
	started = config->started;
	config->started = false;
	pthread_cond_signal(&config->work);
	pthread_mutex_unlock(&config->lock);
	if (started)
		pthread_join(config->thread, NULL);
}

void
config_close(struct config *config)
{
	if (config == NULL)
		return;
	configuration_free(config->first);
	config_release(config->running);
	history_close(config->history);
	model_close(config->model);
	free(config->entries);
	pthread_cond_destroy(&config->work);
	pthread_cond_destroy(&config->done);
	pthread_mutex_destroy(&config->lock);
	free(config);
}
