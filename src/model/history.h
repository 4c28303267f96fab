/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configurations on disk: the running one, those before it, and the one that waits for its
 * confirmation. Whatever is killed or cut off at whatever moment, history_open finds either
 * the state before a call or the state after it: files are written beside, fsynced, renamed,
 * and the folder is fsynced.
 *
 * Blocks (fsync): not for the thread that runs protocols. One thread at a time.
 */
#ifndef WEFT_MODEL_HISTORY_H
#define WEFT_MODEL_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

struct history;

struct history_entry {
	uint32_t number; /* counts up from 1 */
	int64_t time;    /* seconds since 1970 */
	char user[64];   /* who applied it */
	char note[128];  /* from where: file name, "rollback to 3", "confirm timed out" */
};

/* Makes the folder if it is not there. keep: how many entries remain (at least 2). */
struct history *history_open(const char *folder, unsigned keep, struct weft_error *error);
void history_close(struct history *history);

/*
 * Writes a configuration (its JSON) as the newest entry, and makes it the running one.
 * confirm: it is running only until history_confirm; opening the history anew before that
 * (a crash) reverts to the entry before. On failure (disk full) nothing has changed.
 */
int history_commit(struct history *history, const char *json, const char *user, const char *note,
	bool confirm, struct weft_error *error);
int history_confirm(struct history *history, struct weft_error *error);
/* Number of the entry that waits for confirmation, 0: none. */
uint32_t history_unconfirmed(const struct history *history);

/* Number of the running entry; 0: there is none yet. */
uint32_t history_running(const struct history *history);
/* What runs if the unconfirmed one is not confirmed; 0: nothing ran before it. */
uint32_t history_confirmed(const struct history *history);
/* From the next commit on so many entries remain (at least 2). */
void history_set_keep(struct history *history, unsigned keep);
/* Malloced JSON of an entry; NULL: not there any more, or unreadable. */
char *history_read(const struct history *history, uint32_t number, struct weft_error *error);
/* Newest first; returns how many were written to `entries`. */
unsigned history_list(const struct history *history, struct history_entry *entries, unsigned limit);

#endif
