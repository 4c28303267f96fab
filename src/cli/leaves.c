/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"
#include "cli/kinds.h"

#include <stdlib.h>
#include <string.h>

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

enum leaf_format
leaf_format(const char *leaf)
{
	static const struct {
		const char *end;
		enum leaf_format format;
	} formats[] = {
		{ "-packets", LEAF_COUNT },
		{ "-bytes", LEAF_BYTES },
		{ "-connections", LEAF_COUNT },
		{ "-percent", LEAF_PERCENT },
		{ "-time-us", LEAF_PLAIN },
	};
	static const struct {
		const char *name;
		enum leaf_format format;
	} names[] = {
		{ "packets", LEAF_COUNT },
		{ "bytes", LEAF_BYTES },
		{ "connections", LEAF_COUNT },
		{ "members", LEAF_COUNT },
		{ "turns", LEAF_COUNT },
		{ "sleeps", LEAF_COUNT },
		{ "count", LEAF_COUNT },
		{ "macs", LEAF_COUNT },
		{ "routes4", LEAF_COUNT },
		{ "routes6", LEAF_COUNT },
		{ "neighbors", LEAF_COUNT },
		{ "mac-limit", LEAF_PLAIN },
		{ "unknown-vlan", LEAF_COUNT },
		{ "age", LEAF_DURATION },
		{ "heard", LEAF_DURATION },
		{ "last-hit", LEAF_DURATION },
		{ "ageing-time", LEAF_DURATION },
		{ "uptime", LEAF_DURATION },
		{ "confirm-left", LEAF_DURATION },
		{ "status", LEAF_STATUS },
		{ "drops", LEAF_SUM },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(leaf, names[i].name) == 0)
			return names[i].format;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (ends_with(leaf, formats[i].end))
			return formats[i].format;
	return LEAF_PLAIN;
}

/* Of an object's integers; of a list of {"count": n} as well. */
static uint64_t
sum_of(const json_t *value)
{
	const char *name;
	json_t *member;
	uint64_t sum = 0;
	size_t i;

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	json_object_foreach((json_t *)value, name, member) sum +=
		(uint64_t)json_integer_value(member);
	json_array_foreach(value, i, member) sum += answer_number(member, "count");
	return sum;
}

static char *
number_text(enum leaf_format format, const json_t *value)
{
	char text[OUTPUT_NUMBER];
	double real = json_number_value(value);
	uint64_t whole = json_is_integer(value) && json_integer_value(value) > 0
				 ? (uint64_t)json_integer_value(value)
				 : 0;

	switch (format) {
	case LEAF_COUNT:
		output_count(whole, text);
		return output_format("%s", text);
	case LEAF_BYTES:
		output_bytes(whole, text);
		return output_format("%s", text);
	case LEAF_DURATION:
		output_duration(real, text);
		return output_format("%s", text);
	case LEAF_PERCENT:
		return output_format("%.1f%%", real);
	default:
		if (json_is_integer(value))
			return output_format("%lld", (long long)json_integer_value(value));
		return output_format("%g", real);
	}
}

/* Elements joined by commas; those that are not scalars as JSON. */
static char *
array_text(const char *leaf, const json_t *value)
{
	char *text = NULL;
	size_t size = 0, i;
	json_t *element;
	FILE *stream = output_memory(open_memstream(&text, &size));

	json_array_foreach(value, i, element)
	{
		char *one = leaf_text(leaf, element);

		fprintf(stream, "%s%s", i > 0 ? ", " : "", one == NULL ? "-" : one);
		free(one);
	}
	if (fclose(stream) != 0)
		output_memory(NULL);
	return text;
}

char *
leaf_text(const char *leaf, const json_t *value)
{
	enum leaf_format format = leaf_format(leaf);
	char text[OUTPUT_NUMBER];

	if (value == NULL || json_is_null(value))
		return NULL;
	if (format == LEAF_SUM) {
		output_count(sum_of(value), text);
		return output_format("%s", text);
	}
	if (json_is_string(value))
		return output_memory(strdup(json_string_value(value)));
	if (json_is_boolean(value))
		return output_format("%s", json_is_true(value) ? "yes" : "no");
	if (json_is_number(value))
		return number_text(format, value);
	if (json_is_array(value))
		return array_text(leaf, value);
	return output_memory(json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII));
}

enum style
leaf_style(const char *leaf, const json_t *value)
{
	const char *text = json_string_value(value);

	if (leaf_format(leaf) == LEAF_SUM)
		return sum_of(value) > 0 ? STYLE_WARN : STYLE_PLAIN;
	if (leaf_format(leaf) != LEAF_STATUS || text == NULL)
		return STYLE_PLAIN;
	if (strcmp(text, "up") == 0)
		return STYLE_GOOD;
	return strcmp(text, "down") == 0 ? STYLE_BAD : STYLE_WARN;
}

static void print_member(FILE *stream, const char *name, const json_t *value, const char *otherwise,
	unsigned indent);

/* What a leaf without a value means. */
static const char *
meaning_of_none(const json_t *object, const char *name)
{
	const char *mode = answer_text(object, "vlan-mode");

	if (mode == NULL || strcmp(mode, "trunk") != 0)
		return "-";
	return strcmp(name, "vlans") == 0 ? "all" : strcmp(name, "vlan") == 0 ? "none" : "-";
}

static void
print_members(FILE *stream, const json_t *object, unsigned indent)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
		print_member(stream, name, value, meaning_of_none(object, name), indent);
}

/* A list of objects: each on its own lines, the first leaf marked. */
static void
print_list(FILE *stream, const char *name, const json_t *list, unsigned indent)
{
	size_t i;
	json_t *element;

	fprintf(stream, "%*s%s:\n", (int)indent, "", name);
	json_array_foreach(list, i, element)
	{
		const char *key;
		json_t *value;
		const char *mark = "- ";

		fprintf(stream, "%*s", (int)indent + 2, "");
		json_object_foreach(element, key, value)
		{
			char *text = leaf_text(key, value);

			fputs(mark, stream);
			answer_put(stream, key);
			fputc(' ', stream);
			answer_put(stream, text == NULL ? "-" : text);
			mark = ", ";
			free(text);
		}
		fputc('\n', stream);
	}
}

static void
print_member(
	FILE *stream, const char *name, const json_t *value, const char *otherwise, unsigned indent)
{
	char *clean = output_clean(name, strlen(name), false), *text, *line;
	enum style style = leaf_style(name, value);

	if (json_is_object(value) && json_object_size(value) > 0) {
		fprintf(stream, "%*s%s:\n", (int)indent, "", clean);
		print_members(stream, value, indent + 2);
	} else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
		print_list(stream, clean, value, indent);
	} else {
		text = json_is_object(value) ? NULL : leaf_text(name, value);
		line = output_clean(text == NULL ? otherwise : text,
			strlen(text == NULL ? otherwise : text), false);
		fprintf(stream, "%*s%-*s  %s%s%s\n", (int)indent, "",
			indent < 18 ? 20 - (int)indent : 2, clean, output_style(stream, style),
			*line ? line : "-", style == STYLE_PLAIN ? "" : output_plain(stream));
		free(line);
		free(text);
	}
	free(clean);
}

void
kind_print_object(FILE *stream, const json_t *object)
{
	print_members(stream, object, 0);
}
