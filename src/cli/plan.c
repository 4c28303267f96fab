/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/plan.h"

#include "cli/answer.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

enum operation { CREATE, UPDATE, DELETE, OPERATIONS };

static enum operation
operation_of(const json_t *item)
{
	const char *name = answer_text(item, "operation");

	if (name != NULL && strcmp(name, "create") == 0)
		return CREATE;
	return name != NULL && strcmp(name, "delete") == 0 ? DELETE : UPDATE;
}

size_t
plan_count(const json_t *plan)
{
	return json_array_size(json_object_get(plan, "items"));
}

static void
print_value(FILE *stream, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		text = output_clean(
			json_string_value(value), strlen(json_string_value(value)), false);
		fputs(*text ? text : "\"\"", stream);
		free(text);
	} else if (value == NULL || json_is_null(value)) {
		fputs("(not set)", stream);
	} else {
		text = output_memory(json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII));
		fputs(text, stream);
		free(text);
	}
}

static void
print_leaf(FILE *stream, enum operation operation, const json_t *leaf)
{
	const char *name = answer_text(leaf, "name");

	fputs("      ", stream);
	answer_put(stream, name != NULL ? name : "?");
	fputs(": ", stream);
	if (operation == UPDATE) {
		print_value(stream, json_object_get(leaf, "before"));
		fputs(" -> ", stream);
	}
	print_value(stream, json_object_get(leaf, operation == DELETE ? "before" : "after"));
	fputc('\n', stream);
}

/* "hitless" goes without saying, and so does a deleted object's removal. */
static void
print_impact(FILE *stream, enum operation operation, const char *impact)
{
	if (impact == NULL || strcmp(impact, "hitless") == 0 ||
		(operation == DELETE && strcmp(impact, "removal") == 0))
		return;
	fprintf(stream, "  %s(", output_style(stream, STYLE_WARN));
	if (strcmp(impact, "traffic-loss") == 0)
		fputs("its packets may be lost for a moment", stream);
	else if (strcmp(impact, "restart") == 0)
		fputs("takes effect when weftd is started again", stream);
	else
		answer_put(stream, impact);
	fprintf(stream, ")%s", output_plain(stream));
}

static void
print_item(FILE *stream, const json_t *item)
{
	static const char marks[OPERATIONS] = { '+', '~', '-' };
	static const enum style styles[OPERATIONS] = { STYLE_GOOD, STYLE_WARN, STYLE_BAD };
	enum operation operation = operation_of(item);
	const char *kind = answer_text(item, "kind"), *network = answer_text(item, "network");
	const char *name = answer_text(item, "name"), *collateral = answer_text(item, "collateral");
	const json_t *leaf;
	size_t i;

	fprintf(stream, "%s%c ", output_style(stream, styles[operation]), marks[operation]);
	answer_put(stream, kind != NULL ? kind : "object");
	fputc(' ', stream);
	if (network != NULL && (kind == NULL || strcmp(kind, "network") != 0)) {
		answer_put(stream, network);
		fputc('/', stream);
	}
	answer_put(stream, name != NULL ? name : "");
	fputs(output_plain(stream), stream);
	print_impact(stream, operation, answer_text(item, "impact"));
	fputc('\n', stream);
	if (operation != DELETE)
		json_array_foreach(json_object_get(item, "leaves"), i, leaf)
			print_leaf(stream, operation, leaf);
	if (collateral != NULL && *collateral != '\0') {
		fprintf(stream, "      %salso: ", output_style(stream, STYLE_WARN));
		answer_put(stream, collateral);
		fprintf(stream, "%s\n", output_plain(stream));
	}
}

void
plan_print(FILE *stream, const json_t *plan)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(plan, "items"), i, item) print_item(stream, item);
}

char *
plan_summary(const json_t *plan, int done)
{
	static const char *const words[2][OPERATIONS] = { { "to create", "to change", "to remove" },
		{ "created", "changed", "removed" } };
	unsigned count[OPERATIONS] = { 0 };
	const json_t *item;
	char *text = NULL;
	size_t size = 0, i;
	FILE *stream = output_memory(open_memstream(&text, &size));

	json_array_foreach(json_object_get(plan, "items"), i, item) count[operation_of(item)]++;
	for (unsigned operation = CREATE; operation < OPERATIONS; operation++)
		if (count[operation] > 0)
			fprintf(stream, "%s%u %s", ftell(stream) > 0 ? ", " : "", count[operation],
				words[done != 0][operation]);
	if (fclose(stream) != 0)
		output_memory(NULL);
	return text;
}
