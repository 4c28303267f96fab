/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any folder as a history: records parted by lines "%%", of which the first is state.json and
 * the n-th behind it entry-n.json; "-" is a file that is not there, "=NAME" and a line end
 * before the bytes one of another name. It opens or says why not; what opens tells what it
 * has, takes a further configuration, and has it when it is opened again.
 */
#include "model/history.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_LIMIT 12
#define LIST_LIMIT 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];
static const char further[] = "{\"weft:system\":{\"workers\":3}}";

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- the folder ----------------------------------------------------------------------- */

static void
remove_all(void)
{
	DIR *all = opendir(folder);
	struct dirent *file;

	while ((file = readdir(all)) != NULL)
		if (strcmp(file->d_name, ".") != 0 && strcmp(file->d_name, "..") != 0)
			unlinkat(dirfd(all), file->d_name, 0);
	closedir(all);
}

static void
remove_folder(void)
{
	remove_all();
	rmdir(folder);
}

/* In memory, where fsync costs nothing. */
static void
make_folder(void)
{
	if (folder[0] != '\0')
		return;
	snprintf(folder, sizeof(folder), "%s/weft-fuzz-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	require(mkdtemp(folder) != NULL, "no folder");
	atexit(remove_folder);
}

static void
put_file(const char *name, const char *bytes, size_t length)
{
	char path[160];
	int file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0)
		return; /* no name for a file */
	require(write(file, bytes, length) == (ssize_t)length, "no room");
	close(file);
}

static void
put_record(unsigned index, const char *bytes, size_t length)
{
	const char *end = memchr(bytes, '\n', length);
	char name[48];

	if (length > 0 && bytes[0] == '-')
		return;
	if (index == 0)
		snprintf(name, sizeof(name), "state.json");
	else
		snprintf(name, sizeof(name), "entry-%u.json", index);
	if (length > 1 && bytes[0] == '=' && end != NULL && end < bytes + sizeof(name) &&
		memchr(bytes, '/', (size_t)(end - bytes)) == NULL) {
		memcpy(name, bytes + 1, (size_t)(end - bytes) - 1);
		name[end - bytes - 1] = '\0';
		length -= (size_t)(end + 1 - bytes);
		bytes = end + 1;
	}
	put_file(name, bytes, length);
}

static void
put_records(const char *bytes, size_t length)
{
	for (unsigned index = 0; index < RECORD_LIMIT; index++) {
		const char *end = memmem(bytes, length, "\n%%\n", 4);

		put_record(index, bytes, end != NULL ? (size_t)(end - bytes) : length);
		if (end == NULL)
			return;
		length -= (size_t)(end + 4 - bytes);
		bytes = end + 4;
	}
}

/* ---- what must hold -------------------------------------------------------------------- */

static struct history *
open_or_say_why(void)
{
	struct weft_error error = { 0 };
	struct history *history = history_open(folder, 3, &error);

	require(history != NULL || strstr(error.text, folder) != NULL, "no reason");
	return history;
}

static void
look(const struct history *history)
{
	static struct history_entry entries[LIST_LIMIT];
	unsigned count = history_list(history, entries, LIST_LIMIT);

	require(history_unconfirmed(history) == 0, "unconfirmed after opening");
	for (unsigned i = 0; i < count; i++) {
		struct weft_error error = { 0 };
		char *text = history_read(history, entries[i].number, &error);

		require(i == 0 || entries[i].number < entries[i - 1].number, "not in order");
		require(memchr(entries[i].user, '\0', sizeof(entries[i].user)) != NULL &&
				memchr(entries[i].note, '\0', sizeof(entries[i].note)) != NULL,
			"no end of a text");
		require(text != NULL || error.text[0] != '\0', "no reason");
		require(text != NULL || strcmp(entries[i].note, "damaged") == 0,
			"listed as whole, but not to be read");
		free(text);
	}
}

/* The running configuration, malloced; NULL: there is none, or it is damaged. */
static char *
read_running(const struct history *history)
{
	struct weft_error error = { 0 };
	uint32_t number = history_running(history);
	char *text = number != 0 ? history_read(history, number, &error) : NULL;

	require(number == 0 || text != NULL || error.text[0] != '\0', "no reason");
	return text;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What runs, and its text, is this. */
static void
require_running(const struct history *history, uint32_t number, const char *text)
{
	char *now = read_running(history);

	require(history_running(history) == number, "another one runs");
	require(same(now, text), "it has another text");
	free(now);
}

static void
commit(struct history *history, bool confirm)
{
	struct weft_error error = { 0 };
	uint32_t before = history_running(history);
	char *old = read_running(history);

	if (history_commit(history, further, "fuzz", "further", confirm, &error) < 0) {
		require(error.text[0] != '\0', "no reason");
		require_running(history, before, old);
	} else {
		require(history_running(history) > before, "the number did not grow");
		require_running(history, history_running(history), further);
	}
	free(old);
}

/* Commits, and opens again: what was not confirmed is gone. */
static struct history *
commit_and_reopen(struct history *history, bool confirm)
{
	uint32_t before = history_running(history), number;
	char *old = read_running(history);

	commit(history, confirm);
	number = history_running(history);
	history_close(history);
	history = open_or_say_why();
	require(history != NULL, "does not open again");
	if (confirm || number == before)
		require_running(history, before, old);
	else
		require_running(history, number, further);
	look(history);
	free(old);
	return history;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct history *history;

	make_folder();
	put_records((const char *)data, size);
	history = open_or_say_why();
	if (history != NULL) {
		look(history);
		history = commit_and_reopen(history, true);
		history = commit_and_reopen(history, false);
		history_close(history);
	}
	remove_all();
	return 0;
}
