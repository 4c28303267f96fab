/* SPDX-License-Identifier: BSD-3-Clause */
/* Between config.c (thread, jobs, life) and config_apply.c (what a change does). */
#ifndef WEFT_DAEMON_CONFIG_INTERNAL_H
#define WEFT_DAEMON_CONFIG_INTERNAL_H

#include "daemon/config.h"

struct config_job {
	void (*run)(void *context);
	void *context;
	uint64_t queued; /* ns of CLOCK_MONOTONIC */
	bool done, refused;
	struct config_job *next;
};

struct config {
	struct daemon *daemon;
	struct model *model;     /* config thread */
	struct history *history; /* config thread */
	pthread_t thread;
	bool started;                /* the thread runs: jobs are its own */
	struct configuration *first; /* until config_start */
	bool first_is_new;           /* not yet in the history */
	const char *first_note;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t work, done;
	struct config_job *jobs;
	bool stopping;
	struct running *running;
	uint64_t deadline;             /* ns of CLOCK_MONOTONIC: rolls back by itself; 0: never */
	struct history_entry *entries; /* as history_list tells them, newest first */
	unsigned n_entries;
	uint32_t running_number, unconfirmed;
};

/* Reads the history's list and numbers anew, for those who look. */
void config_refresh(struct config *config);

/* Config thread: publishes what runs from now on. `next` is malloced, zeroed; takes both. */
void config_publish(struct config *config, struct running *next,
	struct configuration *configuration, uint32_t number);

/* Config thread: the whole of what the request asks for. */
void config_do_validate(
	struct config *config, const struct config_request *request, struct config_result *result);
void config_do_plan(
	struct config *config, const struct config_request *request, struct config_result *result);
void config_do_apply(
	struct config *config, const struct config_request *request, struct config_result *result);
void config_do_confirm(struct config *config, struct config_result *result);

/* Nobody confirmed in time. */
void config_time_out(struct config *config);

/*
 * Config thread: carries the configuration out, from what runs to it, and makes it the
 * running one. With `save` it is written to the history first, else it is entry `number`.
 */
struct config_commit {
	struct configuration *configuration; /* taken over, whatever happens */
	bool save;
	bool first; /* at the start of weftd */
	uint32_t number;
	bool confirm;
	const char *user, *note;
};
void config_commit(
	struct config *config, const struct config_commit *commit, struct config_result *result);

/* Loads a text; NULL: result has the outcome. */
struct configuration *config_load(struct config *config, enum config_source source,
	const char *file, const char *text, size_t length, struct config_result *result);
struct configuration *config_load_number(
	struct config *config, uint32_t number, struct config_result *result);

void config_fail(struct config_result *result, enum config_outcome outcome, int code,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
