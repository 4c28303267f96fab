/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The folder:
 *	entry-N.json	one line that tells of the entry (JSON), then its configuration
 *	state.json	which entry runs, and which one waits for its confirmation
 *	lock		held by whoever has the folder open
 *	*.new		not yet written to the end; of no account
 *
 * state.json decides: an entry that it does not reach was never committed. A commit writes
 * the entry, then state.json, each beside and renamed, with fsync of file and folder.
 */
#include "model/history.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STATE_FILE "state.json"
#define NAME_SIZE 40
/* what a configuration may take; the loader's own limit is lower */
#define FILE_LIMIT (256u << 20)

struct history {
	int folder;
	int lock;
	unsigned keep;
	uint32_t running;     /* 0: none */
	uint32_t unconfirmed; /* 0: none; else == running */
	uint32_t confirmed;   /* what runs if `unconfirmed` is not confirmed; 0: none */
	uint32_t last;        /* greatest number ever given */
	uint32_t *numbers;    /* of the entries, ascending */
	unsigned count;
};

static const char *
entry_name(uint32_t number, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "entry-%u.json", number);
	return name;
}

/* ---- files ------------------------------------------------------------------------- */

static int
write_all(int file, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t wrote = write(file, bytes, length);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -1;
		bytes += wrote;
		length -= (size_t)wrote;
	}
	return 0;
}

/* Writes `head`, then `body`, through to the disk. -1 with errno. */
static int
write_through(int folder, const char *name, const char *head, const char *body)
{
	int file =
		openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int failed;

	if (file < 0)
		return -1;
	failed = write_all(file, head, strlen(head)) < 0 ||
		 write_all(file, body, strlen(body)) < 0 || fsync(file) < 0;
	if (failed) {
		int why = errno;

		close(file);
		errno = why;
		return -1;
	}
	return close(file);
}

/* The file `name` is the old one or the new one, whatever happens. -1 with errno. */
static int
replace_file(const struct history *history, const char *name, const char *head, const char *body)
{
	char new[NAME_SIZE + 8];
	int why;

	snprintf(new, sizeof(new), "%s.new", name);
	if (write_through(history->folder, new, head, body) == 0 &&
		renameat(history->folder, new, history->folder, name) == 0)
		return fsync(history->folder);
	why = errno;
	unlinkat(history->folder, new, 0);
	errno = why;
	return -1;
}

/* The whole file, malloced, with a NUL behind it; NULL with errno. */
static char *
read_file(const struct history *history, const char *name, size_t *length)
{
	int file = openat(history->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	char *bytes = NULL;
	size_t size = 0, used = 0;
	ssize_t got = 1;

	if (file < 0)
		return NULL;
	if (fstat(file, &status) < 0)
		goto fail;
	if (!S_ISREG(status.st_mode) || status.st_size > FILE_LIMIT) {
		errno = EFBIG;
		goto fail;
	}
	size = (size_t)status.st_size;
	bytes = malloc(size + 1);
	if (bytes == NULL)
		goto fail;
	while (used < size && got > 0) {
		got = read(file, bytes + used, size - used);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			goto fail;
		else
			used += (size_t)got;
	}
	close(file);
	bytes[used] = '\0';
	*length = used;
	return bytes;
fail:
	free(bytes);
	close(file);
	return NULL;
}

/* ---- state.json ---------------------------------------------------------------------- */

static int
write_state(const struct history *history, uint32_t running, uint32_t unconfirmed,
	uint32_t confirmed, uint32_t last)
{
	char text[160];

	snprintf(text, sizeof(text),
		"{\"running\": %u, \"unconfirmed\": %u, \"confirmed\": %u, \"last\": %u}\n",
		running, unconfirmed, confirmed, last);
	return replace_file(history, STATE_FILE, text, "");
}

/* False: there is no such number. */
static bool
get_number(const json_t *object, const char *name, uint32_t *number)
{
	const json_t *value = json_object_get(object, name);
	json_int_t integer = json_integer_value(value);

	*number = (uint32_t)integer;
	return json_is_integer(value) && integer >= 0 && integer <= UINT32_MAX;
}

/* What no call ever wrote must not decide which entries are thrown away. */
static bool
is_state(const struct history *history)
{
	return history->running <= history->last && history->confirmed <= history->last &&
	       (history->unconfirmed == 0 ? history->confirmed == history->running
					  : history->unconfirmed == history->running);
}

/* 0: read, or there is none yet. */
static int
read_state(struct history *history, struct weft_error *error)
{
	size_t length = 0;
	char *text = read_file(history, STATE_FILE, &length);
	json_error_t why;
	json_t *state;
	bool whole;

	if (text == NULL && errno == ENOENT)
		return 0;
	if (text == NULL)
		return error_errno(error, errno, "cannot read " STATE_FILE);
	state = json_loadb(text, length, 0, &why);
	free(text);
	whole = get_number(state, "running", &history->running) &&
		get_number(state, "unconfirmed", &history->unconfirmed) &&
		get_number(state, "confirmed", &history->confirmed) &&
		get_number(state, "last", &history->last) && is_state(history);
	json_decref(state);
	if (whole)
		return 0;
	return error_set(error, EINVAL, STATE_FILE " is damaged; move it away to start anew");
}

/* ---- entries -------------------------------------------------------------------------- */

static int
compare_numbers(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return first < second ? -1 : first > second;
}

static int
add_number(struct history *history, uint32_t number)
{
	uint32_t *numbers = realloc(history->numbers, (history->count + 1) * sizeof(*numbers));

	if (numbers == NULL)
		return -1;
	history->numbers = numbers;
	numbers[history->count++] = number;
	return 0;
}

/* Number of an entry's file name; 0: it is another file. */
static uint32_t
parse_name(const char *file)
{
	char name[NAME_SIZE];
	unsigned long number;

	if (strncmp(file, "entry-", 6) != 0)
		return 0;
	number = strtoul(file + 6, NULL, 10);
	if (number == 0 || number > UINT32_MAX)
		return 0;
	return strcmp(entry_name((uint32_t)number, name), file) == 0 ? (uint32_t)number : 0;
}

static bool
is_leftover(const char *file)
{
	size_t length = strlen(file);

	return length > 4 && strcmp(file + length - 4, ".new") == 0;
}

/* Takes in what the folder holds; removes what a crash left behind. */
static int
read_folder(struct history *history, struct weft_error *error)
{
	int copy = openat(history->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *file;
	uint32_t number;

	if (folder == NULL) {
		if (copy >= 0)
			close(copy);
		return error_errno(error, errno, "cannot read the folder");
	}
	while ((file = readdir(folder)) != NULL) {
		number = parse_name(file->d_name);
		if (is_leftover(file->d_name) || number > history->last) {
			unlinkat(history->folder, file->d_name, 0);
		} else if (number > 0 && add_number(history, number) < 0) {
			closedir(folder);
			return error_memory(error);
		}
	}
	closedir(folder);
	if (history->count > 0)
		qsort(history->numbers, history->count, sizeof(*history->numbers), compare_numbers);
	return 0;
}

static bool
has_entry(const struct history *history, uint32_t number)
{
	for (unsigned i = 0; i < history->count; i++)
		if (history->numbers[i] == number)
			return true;
	return false;
}

/* The oldest go; what runs, or may have to run again, stays. */
static void
forget_old(struct history *history)
{
	unsigned excess = history->count > history->keep ? history->count - history->keep : 0;
	unsigned kept = 0;
	char name[NAME_SIZE];

	for (unsigned i = 0; i < history->count; i++) {
		uint32_t number = history->numbers[i];
		bool needed = number == history->running || number == history->confirmed;

		/* one that cannot be removed is tried again next time */
		if (excess > 0 && !needed &&
			(unlinkat(history->folder, entry_name(number, name), 0) == 0 ||
				errno == ENOENT))
			excess--;
		else
			history->numbers[kept++] = number;
	}
	history->count = kept;
}

/* ---- opening ---------------------------------------------------------------------------- */

/* Makes one folder; what names it, its parent, reaches the disk too. */
static int
make_folder(const char *path, mode_t mode)
{
	int made, result;

	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -1;
	made = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made < 0)
		return -1;
	result = openat(made, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(made);
	if (result < 0)
		return -1;
	made = result;
	result = fsync(made);
	close(made);
	return result;
}

static int
make_folders(const char *folder)
{
	char path[4096];
	size_t length = strlen(folder);

	if (length == 0 || length >= sizeof(path)) {
		errno = length == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memcpy(path, folder, length + 1);
	for (char *at = path + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (make_folder(path, 0755) < 0)
			return -1;
		*at = '/';
	}
	return make_folder(path, 0700);
}

static int
open_folder(struct history *history, const char *folder, struct weft_error *error)
{
	if (make_folders(folder) < 0)
		return error_errno(error, errno, "cannot make the folder");
	history->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (history->folder < 0)
		return error_errno(error, errno, "cannot open the folder");
	history->lock =
		openat(history->folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (history->lock < 0)
		return error_errno(error, errno, "cannot open its lock");
	if (flock(history->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? error_set(error, EBUSY,
					 "another weftd uses it; give each its own --state")
			       : error_errno(error, errno, "cannot lock it");
	return 0;
}

/* Nobody confirmed before the end of the process: the entry before runs again. */
static int
revert(struct history *history, struct weft_error *error)
{
	if (history->unconfirmed == 0)
		return 0;
	if (write_state(history, history->confirmed, 0, history->confirmed, history->last) < 0)
		return error_errno(error, errno, "cannot write " STATE_FILE);
	history->running = history->confirmed;
	history->unconfirmed = 0;
	return 0;
}

struct history *
history_open(const char *folder, unsigned keep, struct weft_error *error)
{
	struct history *history = malloc(sizeof(*history));

	if (history == NULL) {
		error_memory(error);
		return NULL;
	}
	*history = (struct history){ .folder = -1, .lock = -1, .keep = keep > 2 ? keep : 2 };
	if (open_folder(history, folder, error) == 0 && read_state(history, error) == 0 &&
		read_folder(history, error) == 0 && revert(history, error) == 0) {
		forget_old(history);
		return history;
	}
	error_prefix(error, "history in %s", folder);
	history_close(history);
	return NULL;
}

void
history_close(struct history *history)
{
	if (history == NULL)
		return;
	if (history->lock >= 0)
		close(history->lock);
	if (history->folder >= 0)
		close(history->folder);
	free(history->numbers);
	free(history);
}

/* ---- committing -------------------------------------------------------------------------- */

/* An entry's first line, if it is whole: it knows how long the configuration is. */
static json_t *
read_head(const char *line, size_t size, size_t length)
{
	json_error_t why;
	json_t *head = json_loadb(line, size, 0, &why);

	if (json_is_object(head) &&
		json_integer_value(json_object_get(head, "length")) == (json_int_t)length)
		return head;
	json_decref(head);
	return NULL;
}

/* jansson 2.14 leaves out of a text what it has no memory for, and says nothing. */
static bool
is_head(const char *text, size_t length)
{
	json_t *head = read_head(text, strlen(text), length);
	bool whole = head != NULL;

	json_decref(head);
	return whole;
}

/* The line before the configuration, malloced. */
static char *
describe_entry(uint32_t number, const char *user, const char *note, size_t length)
{
	json_t *object = json_pack("{s:I, s:I, s:s+, s:s+, s:I}", "number", (json_int_t)number,
		"time", (json_int_t)time(NULL), "user", user != NULL ? user : "", "", "note",
		note != NULL ? note : "", "", "length", (json_int_t)length);
	char *text, *line = NULL;

	/* what is not UTF-8 is not worth a failed commit */
	if (object == NULL)
		object = json_pack("{s:I, s:I, s:I}", "number", (json_int_t)number, "time",
			(json_int_t)time(NULL), "length", (json_int_t)length);
	text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (text != NULL && is_head(text, length) && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

static int
write_entry(struct history *history, uint32_t number, const char *json, const char *user,
	const char *note, struct weft_error *error)
{
	char *head = describe_entry(number, user, note, strlen(json));
	char name[NAME_SIZE];
	int result, why;

	if (head == NULL)
		return error_memory(error);
	result = replace_file(history, entry_name(number, name), head, json);
	why = errno;
	free(head);
	if (result == 0)
		return 0;
	unlinkat(history->folder, name, 0);
	return error_errno(error, why, "cannot save the configuration");
}

int
history_commit(struct history *history, const char *json, const char *user, const char *note,
	bool confirm, struct weft_error *error)
{
	uint32_t number = history->last + 1;
	/* an unconfirmed one is not what a further one falls back to */
	uint32_t before = history->unconfirmed != 0 ? history->confirmed : history->running;
	uint32_t unconfirmed = confirm ? number : 0, confirmed = confirm ? before : number;
	char name[NAME_SIZE];
	int why;

	if (number == 0)
		return error_set(error, EOVERFLOW, "the history has no number left");
	if (add_number(history, number) < 0)
		return error_memory(error);
	history->count--;
	if (write_entry(history, number, json, user, note, error) < 0)
		return -1;
	if (write_state(history, number, unconfirmed, confirmed, number) < 0) {
		why = errno;
		/* the rename may have come through: say again what was before */
		if (write_state(history, history->running, history->unconfirmed, history->confirmed,
			    history->last) == 0)
			unlinkat(history->folder, entry_name(number, name), 0);
		return error_errno(error, why, "cannot save the configuration");
	}
	history->count++;
	history->last = history->running = number;
	history->unconfirmed = unconfirmed;
	history->confirmed = confirmed;
	forget_old(history);
	return 0;
}

int
history_confirm(struct history *history, struct weft_error *error)
{
	if (history->unconfirmed == 0)
		return error_set(error, ENOENT, "nothing waits for a confirmation");
	if (write_state(history, history->running, 0, history->running, history->last) < 0) {
		int why = errno;

		write_state(history, history->running, history->unconfirmed, history->confirmed,
			history->last);
		return error_errno(error, why, "cannot save the confirmation");
	}
	history->unconfirmed = 0;
	history->confirmed = history->running;
	return 0;
}

/* ---- looking ------------------------------------------------------------------------------ */

uint32_t
history_unconfirmed(const struct history *history)
{
	return history->unconfirmed;
}

uint32_t
history_running(const struct history *history)
{
	return history->running;
}

uint32_t
history_confirmed(const struct history *history)
{
	return history->confirmed;
}

void
history_set_keep(struct history *history, unsigned keep)
{
	history->keep = keep > 2 ? keep : 2;
}

/* As much of the UTF-8 text (NULL: none) as there is room for. */
static void
copy_text(char *to, size_t size, const char *from)
{
	size_t length = from != NULL ? strlen(from) : 0;

	if (length >= size) {
		length = size - 1;
		while (length > 0 && ((unsigned char)from[length] & 0xc0) == 0x80)
			length--;
	}
	if (length > 0)
		memcpy(to, from, length);
	to[length] = '\0';
}

/* Takes an entry's text apart: where the configuration begins; NULL: damaged. */
static const char *
take_apart(const char *text, size_t length, struct history_entry *entry)
{
	const char *newline = memchr(text, '\n', length);
	json_t *head;

	if (newline == NULL)
		return NULL;
	newline++;
	head = read_head(text, (size_t)(newline - text), length - (size_t)(newline - text));
	if (head == NULL)
		return NULL;
	if (entry != NULL) {
		entry->time = json_integer_value(json_object_get(head, "time"));
		copy_text(entry->user, sizeof(entry->user),
			json_string_value(json_object_get(head, "user")));
		copy_text(entry->note, sizeof(entry->note),
			json_string_value(json_object_get(head, "note")));
	}
	json_decref(head);
	return newline;
}

char *
history_read(const struct history *history, uint32_t number, struct weft_error *error)
{
	char name[NAME_SIZE];
	const char *begin;
	size_t length = 0;
	char *text;

	if (!has_entry(history, number)) {
		error_set(error, ENOENT, "there is no configuration %u in the history", number);
		return NULL;
	}
	text = read_file(history, entry_name(number, name), &length);
	if (text == NULL) {
		error_errno(error, errno, "cannot read configuration %u", number);
		return NULL;
	}
	begin = take_apart(text, length, NULL);
	if (begin == NULL) {
		error_set(error, EINVAL, "configuration %u is damaged", number);
		free(text);
		return NULL;
	}
	memmove(text, begin, length - (size_t)(begin - text) + 1);
	return text;
}

unsigned
history_list(const struct history *history, struct history_entry *entries, unsigned limit)
{
	unsigned count = 0;
	char name[NAME_SIZE];

	for (unsigned i = history->count; i > 0 && count < limit; i--) {
		struct history_entry *entry = &entries[count++];
		size_t length = 0;
		char *text;

		*entry = (struct history_entry){ .number = history->numbers[i - 1] };
		text = read_file(history, entry_name(entry->number, name), &length);
		if (text == NULL || take_apart(text, length, entry) == NULL)
			snprintf(entry->note, sizeof(entry->note), "damaged");
		free(text);
	}
	return count;
}
