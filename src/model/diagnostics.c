/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/diagnostics.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* a longer line (JSON in one line) is not shown */
#define SOURCE_LIMIT 240

static int
index_lines(struct report *report)
{
	const char *at = report->text, *end = at + report->length;
	unsigned capacity = 1;

	for (const char *p = at; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		capacity++;
	report->lines = malloc(capacity * sizeof(*report->lines));
	if (report->lines == NULL)
		return -1;
	report->lines[report->n_lines++] = 0;
	for (; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		report->lines[report->n_lines++] = (size_t)(at + 1 - report->text);
	return 0;
}

int
report_begin(struct report *report, struct diagnostics *out, const char *file, const char *text,
	size_t length)
{
	*out = (struct diagnostics){ .file = strdup(file) };
	*report = (struct report){ .out = out, .text = text, .length = length };
	if (out->file != NULL && index_lines(report) == 0)
		return 0;
	diagnostics_free(out);
	return -1;
}

static int
compare_places(const void *a, const void *b)
{
	const struct diagnostic *first = a, *second = b;

	if (first->line != second->line)
		return first->line < second->line ? -1 : 1;
	if (first->column != second->column)
		return first->column < second->column ? -1 : 1;
	return 0;
}

bool
report_end(struct report *report)
{
	struct diagnostics *out = report->out;

	/* "too many" stays last */
	if (out->count > 1)
		qsort(out->list, out->count - report->full, sizeof(*out->list), compare_places);
	free(report->lines);
	report->lines = NULL;
	return out->errors == 0 && !report->failed;
}

static size_t
line_length(const struct report *report, unsigned line)
{
	size_t begin = report->lines[line - 1];
	size_t end = line < report->n_lines ? report->lines[line] - 1 : report->length;

	return end - begin;
}

static char *
copy_line(const struct report *report, unsigned line)
{
	const char *begin;
	size_t length;

	if (line == 0 || line > report->n_lines)
		return NULL;
	begin = report->text + report->lines[line - 1];
	length = line_length(report, line);
	if (length > 0 && begin[length - 1] == '\r')
		length--;
	if (length > SOURCE_LIMIT || memchr(begin, '\0', length) != NULL)
		return NULL;
	return strndup(begin, length);
}

static bool
begins_character(const struct report *report, size_t offset)
{
	return ((unsigned char)report->text[offset] & 0xc0) != 0x80;
}

/* begin, end: of the line; from where the last place was, if that is on it. */
static unsigned
column_of(struct report *report, size_t begin, size_t end, size_t offset)
{
	bool is_near = report->last_offset > begin && report->last_offset < end;
	size_t at = is_near ? report->last_offset : begin;
	unsigned column = is_near ? report->last_column : 1;

	while (at < offset)
		column += begins_character(report, at++);
	while (at > offset)
		column -= begins_character(report, --at);
	report->last_offset = offset;
	report->last_column = column;
	return column;
}

struct place
report_place(struct report *report, size_t offset)
{
	unsigned low = 0, high = report->n_lines, middle;
	struct place place;

	if (offset > report->length)
		offset = report->length;
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (report->lines[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	place.line = low + 1;
	place.column = column_of(report, report->lines[low],
		low + 1 < report->n_lines ? report->lines[low + 1] : SIZE_MAX, offset);
	return place;
}

/* A byte of the user's that a terminal must not get. */
static void
make_printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
		if ((*p < ' ' && *p != '\t') || *p == 0x7f)
			*p = '?';
}

static void
add(struct report *report, struct diagnostic *diagnostic)
{
	struct diagnostics *out = report->out;
	struct diagnostic *list;

	if ((out->count & (out->count - 1)) == 0) {
		list = realloc(out->list, (out->count * 2 + 1) * sizeof(*list));
		if (list == NULL) {
			report->failed = true;
			free(diagnostic->path);
			free(diagnostic->message);
			free(diagnostic->hint);
			free(diagnostic->source);
			return;
		}
		out->list = list;
	}
	out->list[out->count++] = *diagnostic;
	out->errors += !diagnostic->warning;
}

static void
add_formatted(struct report *report, bool warning, struct place place, const char *path,
	const char *hint, const char *format, va_list args)
{
	struct diagnostic new = { .line = place.line, .column = place.column, .warning = warning };
	char text[1024];

	if (report->full)
		return;
	if (report->out->count == DIAGNOSTICS_LIMIT) {
		new = (struct diagnostic){ .warning = warning };
		new.message = strdup("there is more; these come first");
		report->full = true;
		add(report, &new);
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	make_printable(text);
	new.message = strdup(text);
	new.path = path != NULL &&path[0] != '\0' ? strdup(path) : NULL;
	new.hint = hint != NULL ? strdup(hint) : NULL;
	if (new.hint != NULL)
		make_printable(new.hint);
	new.source = copy_line(report, place.line);
	if (new.source != NULL)
		make_printable(new.source);
	report->failed |= new.message == NULL;
	add(report, &new);
}

void
report_error(struct report *report, struct place place, const char *path, const char *hint,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(report, false, place, path, hint, format, args);
	va_end(args);
}

void
report_warning(struct report *report, struct place place, const char *path, const char *hint,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(report, true, place, path, hint, format, args);
	va_end(args);
}

/* The caret stands under the character: tabs stay tabs, others are one blank each. */
static void
print_caret(const struct diagnostic *one, FILE *stream, bool colour)
{
	const char *at = one->source;

	fputs("    ", stream);
	for (unsigned column = 1; column < one->column; column++) {
		fputc(*at == '\t' ? '\t' : ' ', stream);
		if (*at != '\0')
			at++;
		while (((unsigned char)*at & 0xc0) == 0x80)
			at++;
	}
	fputs(colour ? "\033[1;32m^\033[0m\n" : "^\n", stream);
}

static void
print_one(const char *file, const struct diagnostic *one, FILE *stream, bool colour)
{
	const char *kind = one->warning ? "warning" : "error";
	const char *begin = one->warning ? "\033[1;35m" : "\033[1;31m";

	fputs(file, stream);
	if (one->line > 0)
		fprintf(stream, ":%u:%u", one->line, one->column);
	fprintf(stream, ": %s%s:%s %s\n", colour ? begin : "", kind, colour ? "\033[0m" : "",
		one->message != NULL ? one->message : "");
	if (one->source != NULL) {
		fprintf(stream, "    %s\n", one->source);
		print_caret(one, stream, colour);
	}
	if (one->hint != NULL)
		fprintf(stream, "  hint: %s\n", one->hint);
}

void
diagnostics_print(const struct diagnostics *diagnostics, FILE *stream, bool colour)
{
	const char *file = diagnostics->file != NULL ? diagnostics->file : "";

	for (unsigned i = 0; i < diagnostics->count; i++)
		print_one(file, &diagnostics->list[i], stream, colour);
}

void
diagnostics_free(struct diagnostics *diagnostics)
{
	for (unsigned i = 0; i < diagnostics->count; i++) {
		free(diagnostics->list[i].path);
		free(diagnostics->list[i].message);
		free(diagnostics->list[i].hint);
		free(diagnostics->list[i].source);
	}
	free(diagnostics->list);
	free(diagnostics->file);
	*diagnostics = (struct diagnostics){ 0 };
}
