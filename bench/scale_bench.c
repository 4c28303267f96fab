/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What many switches of two ports cost the control side. For bench/scale.
 *
 *	scale_bench SWITCHES
 *
 * Prints lines "NAME VALUE": stage, commit and remove (ms, by libweft), memory (bytes a switch
 * with its two vports: what the process grew by), load and plan (ms, of the same as YAML,
 * from nothing), yaml (bytes).
 */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "scale_bench: %s\n", what);
	exit(1);
}

static double
now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* Resident bytes of this process. */
static long
resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
		fail("/proc/self/statm");
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* ---- by libweft ------------------------------------------------------------------------------ */

static void
stage(struct weft_change *change, struct weft_network *network, unsigned switches)
{
	for (unsigned i = 0; i < switches; i++) {
		struct weft_device *device;
		char name[32];

		snprintf(name, sizeof(name), "lan%u", i);
		device = weft_switch_add(change, network, name, NULL);
		weft_switch_port_add(change, device, "a", NULL);
		weft_switch_port_add(change, device, "b", NULL);
	}
}

static void
commit(struct weft_change *change)
{
	struct weft_error error;

	if (weft_change_commit(change, &error) < 0)
		fail(error.text);
}

static void
measure_library(unsigned switches)
{
	const struct weft_options options = { .workers = 1 };
	struct weft_error error;
	struct weft *weft = weft_open(&options, &error);
	struct weft_change *change;
	struct weft_network *network;
	double begin, staged, committed;
	long memory;

	if (weft == NULL)
		fail(error.text);
	memory = resident();
	begin = now_ms();
	change = weft_change_begin(weft);
	network = weft_network_add(change, "bench", NULL);
	stage(change, network, switches);
	staged = now_ms();
	commit(change);
	committed = now_ms();
	memory = resident() - memory;
	printf("stage %.1f\ncommit %.1f\nmemory %ld\n", staged - begin, committed - staged,
		memory / (long)switches);

	begin = now_ms();
	change = weft_change_begin(weft);
	weft_network_remove(change, weft_network_find(weft, "bench"));
	commit(change);
	printf("remove %.1f\n", now_ms() - begin);
	weft_close(weft);
}

/* ---- by YAML -----------------------------------------------------------------------------------
 */

static char *
make_yaml(unsigned switches, size_t *length)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, length);

	if (stream == NULL)
		fail("no memory");
	fprintf(stream, "networks:\n  bench:\n    switches:\n");
	for (unsigned i = 0; i < switches; i++)
		fprintf(stream, "      lan%u: { ports: { a: {}, b: {} } }\n", i);
	fclose(stream);
	return text;
}

static void
measure_model(unsigned switches)
{
	struct weft_error error;
	struct model *model = model_open(&error);
	struct configuration *before, *after;
	struct diagnostics diagnostics;
	struct plan *plan;
	double begin, loaded, planned;
	size_t length;
	char *text = make_yaml(switches, &length);

	if (model == NULL)
		fail(error.text);
	before = configuration_empty(model);
	begin = now_ms();
	after = configuration_from_yaml(model, "bench.yaml", text, length, &diagnostics);
	loaded = now_ms();
	if (before == NULL || after == NULL) {
		diagnostics_print(&diagnostics, stderr, false);
		fail("the YAML does not load");
	}
	plan = plan_make(before, after);
	planned = now_ms();
	if (plan == NULL || plan->count < 3 * switches)
		fail("the plan is not complete");
	printf("load %.1f\nplan %.1f\nyaml %zu\n", loaded - begin, planned - loaded, length);
	plan_free(plan);
	diagnostics_free(&diagnostics);
	configuration_free(after);
	configuration_free(before);
	model_close(model);
	free(text);
}

int
main(int argc, char **argv)
{
	unsigned switches = argc == 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;

	if (switches == 0) {
		fprintf(stderr, "usage: scale_bench SWITCHES\n");
		return 2;
	}
	measure_library(switches);
	measure_model(switches);
	return 0;
}
