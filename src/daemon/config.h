/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration of weftd: the running one, changes to it, and their history on disk. A
 * thread of its own carries out one job after the other; callers wait for theirs.
 *
 * What a change does: load and check, plan, stage everything on a weft_change, prepare, write
 * the history, commit. Before the history is written nothing has happened; after it nothing
 * can fail.
 */
#ifndef WEFT_DAEMON_CONFIG_H
#define WEFT_DAEMON_CONFIG_H

#include "daemon/daemon.h"
#include "model/history.h"
#include "model/model.h"

#include <jansson.h>

/* ---- what runs: never changed once published; held by whoever looks at it ------------------ */

struct running {
	struct configuration *configuration;
	uint32_t number; /* of its history entry; 0: the empty one before any was applied */
	_Atomic unsigned holders;
};

/* Any thread. Never NULL. */
struct running *config_hold(struct config *config);
void config_release(struct running *running);

/* For its schema: any thread. */
const struct model *config_model(const struct config *config);

struct config_status {
	uint32_t running, unconfirmed; /* numbers of history entries; 0: none */
	double confirm_left;           /* seconds until it is rolled back by itself */
};

/* Any thread: entries newest first, and what runs. Returns how many were written. */
unsigned config_history(struct config *config, struct history_entry *entries, unsigned limit,
	struct config_status *status);

/* ---- changing it ------------------------------------------------------------------------------
 */

enum config_source {
	CONFIG_YAML,   /* text of a file */
	CONFIG_JSON,   /* RFC 7951, the whole tree */
	CONFIG_NUMBER, /* an entry of the history */
	CONFIG_EDIT,   /* `edit` makes the text (JSON) from what runs */
};

struct config_request {
	enum config_source source;
	const char *file; /* as the user named it, for messages */
	const char *text;
	size_t length;
	uint32_t number;
	/* EDIT: malloced JSON of the whole, from that of the running one; NULL: error filled */
	char *(*edit)(void *context, const char *json, struct weft_error *error);
	void *context;
	double confirm_timeout; /* seconds; 0: no confirmation is asked for */
	const char *user, *note;
};

enum config_outcome {
	CONFIG_DONE,
	CONFIG_WRONG,     /* the text: see diagnostics */
	CONFIG_NOT_FOUND, /* no such entry of the history */
	CONFIG_CONFLICT,  /* nothing waits for confirmation; weftd is ending */
	CONFIG_FAILED,    /* it could not be carried out: see error; nothing has changed */
};

struct config_result {
	enum config_outcome outcome;
	struct weft_error error;
	struct diagnostics diagnostics; /* warnings, too */
	json_t *plan;                   /* as docs/api.md says; NULL unless DONE */
	uint32_t number;                /* of the entry that runs now */
};

/* Frees what the result holds. */
void config_result_free(struct config_result *result);

/* Any thread but the engine's; each waits until the config thread has done it. */
void config_validate(
	struct config *config, const struct config_request *request, struct config_result *result);
void config_plan(
	struct config *config, const struct config_request *request, struct config_result *result);
void config_apply(
	struct config *config, const struct config_request *request, struct config_result *result);
void config_confirm(struct config *config, struct config_result *result);

/*
 * Runs function(context) on the config thread, where no change is open and names of objects
 * can be looked up. -1: weftd is ending, and it has not run.
 */
int config_call(struct config *config, void (*function)(void *context), void *context);

/* ---- its life ---------------------------------------------------------------------------------
 */

/*
 * Opens the history in the folder and loads what is to run first: `file`, or, NULL, what ran
 * last, or nothing. Its `system` tells how to start the engine (config_first). Fills the result;
 * NULL unless that is DONE.
 */
struct config *config_open(
	struct daemon *daemon, const char *folder, const char *file, struct config_result *result);
/* What is to run first; until config_start. */
const struct configuration *config_first(const struct config *config);
/* Carries it out, with daemon->weft open, and starts the thread. 0, or -1: see result. */
int config_start(struct config *config, struct config_result *result);
/* Ends the thread after the job that it is at; what waits is refused. */
void config_stop(struct config *config);
void config_close(struct config *config);

#endif
