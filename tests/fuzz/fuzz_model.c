/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as a configuration, YAML and (if it begins with a brace) JSON: what is wrong is told
 * with its place in the text; what loads is written and loads back to the same. A line "%%"
 * parts two texts, which are compared if both load; without it the middle does.
 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct configuration *load_text(struct model *model, const char *file, const char *text,
	size_t length, struct diagnostics *diagnostics);

/* libfyaml 0.7.12 loses memory at some errors (an open quote behind many ''); what we would make
 * it lose, the unit tests see. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

static struct model *model;

static void
require(bool holds, const char *what, const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n%s\n", what, text != NULL ? text : "");
	abort();
}

/* ---- what is told of a text ---------------------------------------------------------- */

/* Characters of a line, its end counted. 0: there is no such line. */
static unsigned
columns(const char *text, size_t length, unsigned line)
{
	const char *at = text, *end = text + length;
	unsigned count = 1;

	for (; line > 1; line--) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (at == NULL)
			return 0;
		at++;
	}
	for (; at < end && *at != '\n'; at++)
		count += ((unsigned char)*at & 0xc0) != 0x80;
	return count;
}

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < ' ' && *text != '\n' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

static void
check_diagnostic(const struct diagnostic *one, const char *text, size_t length)
{
	require(one->message != NULL && one->message[0] != '\0', "no message", NULL);
	require((one->line == 0) == (one->column == 0), "half a place", one->message);
	if (one->line > 0)
		require(one->column <= columns(text, length, one->line), "not in the text",
			one->message);
	require(one->path == NULL || one->path[0] == '/', "no path", one->path);
	require(one->hint == NULL || one->hint[0] != '\0', "an empty hint", one->message);
}

static void
check_diagnostics(const struct diagnostics *told, const char *text, size_t length, bool loaded)
{
	char *printed = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&printed, &size);
	unsigned errors = 0;

	for (unsigned i = 0; i < told->count; i++) {
		check_diagnostic(&told->list[i], text, length);
		errors += !told->list[i].warning;
	}
	require(errors == told->errors, "wrong number of errors", NULL);
	require(loaded == (errors == 0), "an error that loads, or a failure without", NULL);
	diagnostics_print(told, stream, false);
	fclose(stream);
	require(is_printable(printed), "a control character", printed);
	free(printed);
}

/* ---- loading, writing, comparing ------------------------------------------------------ */

static struct configuration *
load(load_text *how, const char *text, size_t length)
{
	/* a copy of just that length: reading behind it is seen */
	char *copy = malloc(length > 0 ? length : 1);
	struct diagnostics told;
	struct configuration *configuration;

	memcpy(copy, text, length);
	configuration = how(model, "fuzz", copy, length, &told);
	check_diagnostics(&told, copy, length, configuration != NULL);
	diagnostics_free(&told);
	free(copy);
	return configuration;
}

static void
check_item(const struct plan_item *item)
{
	require(item->name != NULL && item->kind != NULL, "an item without name", NULL);
	require((item->before == NULL) == (item->operation == PLAN_CREATE) &&
			(item->after == NULL) == (item->operation == PLAN_DELETE),
		"sides that do not fit the operation", item->name);
	require(item->operation != PLAN_UPDATE || item->n_leaves > 0, "an empty update",
		item->name);
	for (unsigned i = 0; i < item->n_leaves; i++) {
		const struct plan_leaf *leaf = &item->leaves[i];

		require(leaf->before == NULL || leaf->after == NULL ||
				strcmp(leaf->before, leaf->after) != 0,
			"a leaf that did not change", leaf->name);
	}
}

static unsigned
differences(const struct configuration *before, const struct configuration *after)
{
	struct plan *plan = plan_make(before, after);
	unsigned count = plan->count;

	for (unsigned i = 0; i < count; i++)
		check_item(&plan->items[i]);
	plan_free(plan);
	return count;
}

static void
load_back(const struct configuration *configuration, load_text *how, const char *text)
{
	struct configuration *again = load(how, text, strlen(text));
	char *yaml;

	require(again != NULL, "does not load back", text);
	require(differences(configuration, again) == 0, "differs when loaded back", text);
	yaml = configuration_to_yaml(again);
	if (how == configuration_from_yaml)
		require(strcmp(yaml, text) == 0, text, yaml);
	free(yaml);
	configuration_free(again);
}

static struct configuration *
load_and_write(load_text *how, const char *text, size_t length)
{
	struct configuration *configuration = load(how, text, length);
	char *written;

	if (configuration == NULL)
		return NULL;
	written = configuration_to_yaml(configuration);
	load_back(configuration, configuration_from_yaml, written);
	free(written);
	written = configuration_to_json(configuration);
	load_back(configuration, configuration_from_json, written);
	free(written);
	return configuration;
}

static struct configuration *
load_either(const char *text, size_t length)
{
	struct configuration *json = NULL, *yaml;

	if (length > 0 && text[0] == '{')
		json = load_and_write(configuration_from_json, text, length);
	yaml = load_and_write(configuration_from_yaml, text, length);
	if (json == NULL)
		return yaml;
	configuration_free(yaml);
	return json;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *parting = memmem(data, size, "\n%%\n", 4), *second;
	struct configuration *a, *b;
	size_t first;

	if (model == NULL)
		model = model_open(NULL);
	if (parting == NULL) {
		configuration_free(load_either(text, size));
		first = size / 2;
		second = text + first;
	} else {
		first = (size_t)(parting + 1 - text);
		second = parting + 4;
	}
	a = load_either(text, first);
	b = load_either(second, size - (size_t)(second - text));
	if (a != NULL && b != NULL)
		require((differences(a, b) == 0) == (differences(b, a) == 0),
			"different one way only", NULL);
	configuration_free(a);
	configuration_free(b);
	return 0;
}
