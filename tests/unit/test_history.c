/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations on disk. What is left of a call that fails or is killed: test_faults.c. */
#include "model/history.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	return remove(path);
}

static int
make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "%s/weft-history-XXXXXX",
		getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct history *
open_history(unsigned keep)
{
	struct weft_error error = { 0 };
	struct history *history = history_open(folder, keep, &error);

	if (history == NULL)
		print_error("%s\n", error.text);
	assert_non_null(history);
	return history;
}

static void
assert_running(struct history *history, uint32_t number, const char *json)
{
	char *text;

	assert_int_equal(history_running(history), number);
	if (number == 0)
		return;
	text = history_read(history, number, NULL);
	assert_non_null(text);
	assert_string_equal(text, json);
	free(text);
}

static void
what_is_committed_is_there_again(void **state)
{
	struct history *history = open_history(10);
	struct history_entry entries[4];
	struct weft_error error;

	assert_int_equal(history_running(history), 0);
	assert_int_equal(history_commit(history, "{\"a\": 1}", "ann", "a.yaml", false, &error), 0);
	assert_int_equal(history_commit(history, "{\"b\": 2}", "bob", "b.yaml", false, &error), 0);
	history_close(history);

	history = open_history(10);
	assert_running(history, 2, "{\"b\": 2}");
	assert_int_equal(history_list(history, entries, 4), 2);
	assert_int_equal(entries[0].number, 2);
	assert_string_equal(entries[0].user, "bob");
	assert_string_equal(entries[0].note, "b.yaml");
	assert_true(entries[0].time > 1700000000);
	assert_string_equal(entries[1].user, "ann");
	assert_null(history_read(history, 3, &error));
	assert_int_equal(error.code, ENOENT);
	history_close(history);
}

static void
without_confirmation_the_one_before_runs(void **state)
{
	struct history *history = open_history(10);
	struct weft_error error;

	assert_int_equal(history_confirm(history, &error), -1);
	assert_int_equal(history_commit(history, "1", "", "", true, NULL), 0);
	assert_int_equal(history_unconfirmed(history), 1);
	history_close(history);

	history = open_history(10);
	assert_int_equal(history_running(history), 0);
	assert_int_equal(history_commit(history, "2", "", "", false, NULL), 0);
	/* of two that wait, neither is what the later falls back to */
	assert_int_equal(history_commit(history, "3", "", "", true, NULL), 0);
	assert_int_equal(history_commit(history, "4", "", "", true, NULL), 0);
	assert_int_equal(history_unconfirmed(history), 4);
	history_close(history);

	history = open_history(10);
	assert_running(history, 2, "2");
	assert_int_equal(history_unconfirmed(history), 0);
	assert_int_equal(history_commit(history, "5", "", "", true, NULL), 0);
	assert_int_equal(history_confirm(history, NULL), 0);
	history_close(history);

	history = open_history(10);
	assert_running(history, 5, "5");
	history_close(history);
}

static void
old_entries_go_and_the_needed_stay(void **state)
{
	struct history *history = open_history(3);
	struct history_entry entries[8];

	assert_int_equal(history_commit(history, "1", "", "", false, NULL), 0);
	for (unsigned i = 2; i <= 6; i++)
		assert_int_equal(history_commit(history, "x", "", "", true, NULL), 0);
	/* 1 is what runs if nobody confirms */
	assert_int_equal(history_list(history, entries, 8), 3);
	assert_int_equal(entries[0].number, 6);
	assert_int_equal(entries[2].number, 1);
	history_close(history);
	history = open_history(3);
	assert_running(history, 1, "1");
	history_close(history);
}

static void
one_at_a_time(void **state)
{
	struct history *history = open_history(3);
	struct weft_error error;

	assert_null(history_open(folder, 3, &error));
	assert_int_equal(error.code, EBUSY);
	history_close(history);
}

static void
write_state_file(const char *text)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/state.json", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void
damage_is_told(void **state)
{
	struct history *history = open_history(3);
	struct history_entry entries[2];
	struct weft_error error;
	char path[300];

	assert_int_equal(history_commit(history, "{\"long\": \"enough\"}", "", "", false, NULL), 0);
	snprintf(path, sizeof(path), "%s/entry-1.json", folder);
	assert_int_equal(truncate(path, 60), 0);
	assert_null(history_read(history, 1, &error));
	assert_non_null(strstr(error.text, "damaged"));
	assert_int_equal(history_list(history, entries, 2), 1);
	assert_string_equal(entries[0].note, "damaged");
	history_close(history);
	snprintf(path, sizeof(path), "%s/state.json", folder);
	assert_int_equal(truncate(path, 5), 0);
	assert_null(history_open(folder, 3, &error));
	assert_non_null(strstr(error.text, "damaged"));
}

/* Such a file must not decide which entries are thrown away. */
static void
a_state_that_no_call_wrote_is_damage(void **state)
{
	static const char *const states[] = {
		"{\"running\": 2, \"unconfirmed\": 0, \"confirmed\": 2, \"last\": 1}",
		"{\"running\": 1, \"unconfirmed\": 0, \"confirmed\": 2, \"last\": 2}",
		"{\"running\": 1, \"unconfirmed\": 2, \"confirmed\": 1, \"last\": 2}",
		"{\"running\": 1, \"unconfirmed\": 0, \"confirmed\": 1, \"last\": 4294967296}",
		"{\"running\": -1, \"unconfirmed\": 0, \"confirmed\": -1, \"last\": 1}",
		"{\"running\": \"1\", \"unconfirmed\": 0, \"confirmed\": 1, \"last\": 1}",
		"{}",
		"[]",
		"",
	};
	struct history *history = open_history(3);
	struct weft_error error;
	char path[300];

	assert_int_equal(history_commit(history, "{}", "", "", false, NULL), 0);
	history_close(history);
	for (unsigned i = 0; i < sizeof(states) / sizeof(*states); i++) {
		write_state_file(states[i]);
		assert_null(history_open(folder, 3, &error));
		assert_non_null(strstr(error.text, "damaged"));
	}
	snprintf(path, sizeof(path), "%s/entry-1.json", folder);
	assert_int_equal(access(path, R_OK), 0);
}

static void
the_last_number_is_not_followed_by_the_first(void **state)
{
	struct history *history;
	struct weft_error error;

	write_state_file("{\"running\": 0, \"unconfirmed\": 0, \"confirmed\": 0,"
			 " \"last\": 4294967295}");
	history = open_history(3);
	assert_int_equal(history_commit(history, "{}", "", "", false, &error), -1);
	assert_int_equal(error.code, EOVERFLOW);
	assert_running(history, 0, NULL);
	history_close(history);
}

static void
a_full_disk_changes_nothing(void **state)
{
	struct history *history = open_history(3);
	struct rlimit limit, small = { 600, 600 };
	struct weft_error error;
	char *big = malloc(2001);

	assert_non_null(big);
	memset(big, ' ', 2000);
	big[2000] = '\0';
	assert_int_equal(history_commit(history, "1", "", "", false, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small.rlim_max = limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(history_commit(history, big, "", "", false, &error), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(error.code, EFBIG);
	assert_running(history, 1, "1");
	assert_int_equal(history_commit(history, big, "", "", false, NULL), 0);
	assert_running(history, 2, big);
	history_close(history);
	free(big);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		TEST(what_is_committed_is_there_again),
		TEST(without_confirmation_the_one_before_runs),
		TEST(old_entries_go_and_the_needed_stay),
		TEST(one_at_a_time),
		TEST(damage_is_told),
		TEST(a_state_that_no_call_wrote_is_damage),
		TEST(the_last_number_is_not_followed_by_the_first),
		TEST(a_full_disk_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
