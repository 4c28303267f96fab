/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/yaml.h"

#include "base/name_map.h"

#include <ctype.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct yaml *yaml;
	struct report *report;
	struct fy_parser *parser;
	struct yaml_node *open[YAML_DEPTH_LIMIT]; /* maps and sequences that have begun */
	unsigned depth;
	bool key_given; /* the innermost map has a key that waits for its value */
	const char *key;
	struct place key_place;
	unsigned documents;
	bool failed; /* reading cannot go on */
};

void
yaml_free(struct yaml *yaml)
{
	arena_free(&yaml->memory);
	*yaml = (struct yaml){ 0 };
}

static void
out_of_memory(struct reader *reader)
{
	report_error(reader->report, (struct place){ 0, 0 }, NULL, NULL, "out of memory");
	reader->failed = true;
}

/* ---- before the parser: bytes ------------------------------------------------------- */

/* Length of the UTF-8 character (RFC 3629) at `at`, 0 if there is none. */
static size_t
utf8_length(const unsigned char *at, size_t left)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t length;

	if (at[0] < 0x80)
		return 1;
	length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || length > left)
		return 0;
	code = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

/* The first byte that no configuration holds; told once, the parser is not asked then. */
static bool
check_bytes(struct report *report)
{
	const unsigned char *text = (const unsigned char *)report->text;
	size_t length;

	for (size_t i = 0; i < report->length; i += length) {
		length = utf8_length(text + i, report->length - i);
		if (length == 0) {
			report_error(report, report_place(report, i), NULL,
				"save the file as UTF-8", "byte 0x%02x is not UTF-8", text[i]);
			return false;
		}
		if (text[i] == '\t' || text[i] == '\n' || text[i] == '\r')
			continue;
		if (text[i] < ' ' || text[i] == 0x7f) {
			report_error(report, report_place(report, i), NULL, "remove it",
				"control character 0x%02x", text[i]);
			return false;
		}
	}
	return true;
}

/* ---- what libfyaml says ------------------------------------------------------------- */

/* Place of a tab in the indentation of a line up to `limit`, the nearest to it. */
static bool
find_tab(struct report *report, unsigned limit, struct place *place)
{
	for (unsigned line = limit < report->n_lines ? limit : report->n_lines; line > 0; line--) {
		size_t begin = report->lines[line - 1], at = begin;

		while (at < report->length && report->text[at] == ' ')
			at++;
		if (at < report->length && report->text[at] == '\t') {
			*place = report_place(report, at);
			return true;
		}
		if (limit - line >= 2)
			break;
	}
	return false;
}

/* A line such as "mtu:1500" or "mtu 1500", which people write for "mtu: 1500". */
static const char *
guess_line(const struct report *report, unsigned line)
{
	const char *at, *end;

	if (line == 0 || line > report->n_lines)
		return NULL;
	at = report->text + report->lines[line - 1];
	end = report->text + report->length;
	while (at < end && (*at == ' ' || *at == '-'))
		at++;
	while (at < end && (isalnum((unsigned char)*at) || *at == '-' || *at == '_'))
		at++;
	if (at + 1 < end && *at == ':' && at[1] != ' ' && at[1] != '\n' && at[1] != '\r')
		return "write a blank after the colon: KEY: VALUE";
	if (at + 1 < end && *at == ' ' && isalnum((unsigned char)at[1]))
		return "is a colon missing? KEY: VALUE";
	return NULL;
}

static const char *
guess(struct report *report, unsigned line)
{
	const char *hint = guess_line(report, line);

	if (hint == NULL && line > 1)
		hint = guess_line(report, line - 1);
	if (hint == NULL)
		hint = "compare the indentation with the lines above; quote a value that has ': ' "
		       "or '#' in it, or begins with one of * & ! % @ ` { [ | >";
	return hint;
}

static struct place
token_place(struct reader *reader, struct fy_token *token)
{
	const struct fy_mark *mark = token != NULL ? fy_token_start_mark(token) : NULL;

	if (mark == NULL)
		return (struct place){ 0, 0 };
	return report_place(reader->report, mark->input_pos);
}

/* By the token, if there is one: libfyaml counts lines and columns in its own way. */
static struct place
error_place(struct reader *reader, const struct fy_diag_error *error)
{
	struct report *report = reader->report;
	struct place place = token_place(reader, error->fyt);
	unsigned line = error->line > 0 ? (unsigned)error->line : 1;

	if (place.line > 0)
		return place;
	return report_place(
		report, line > report->n_lines ? report->length : report->lines[line - 1]);
}

static void
report_syntax(struct reader *reader, struct fy_diag *diag)
{
	struct report *report = reader->report;
	struct fy_diag_error *error;
	struct place place = { 0, 0 };
	void *walk = NULL;

	error = fy_diag_errors_iterate(diag, &walk);
	if (error != NULL)
		place = error_place(reader, error);
	if (find_tab(report, place.line, &place))
		report_error(report, place, NULL, "indent with blanks", "a tab in the indentation");
	else
		report_error(report, place, NULL, guess(report, place.line), "not YAML: %s",
			error != NULL ? error->msg : "the text cannot be read");
	reader->failed = true;
}

/* ---- events to nodes ---------------------------------------------------------------- */

static void
refuse(struct reader *reader, struct place place, const char *what, const char *hint)
{
	report_error(reader->report, place, NULL, hint, "%s", what);
}

static void
refuse_decoration(struct reader *reader, struct fy_token *anchor, struct fy_token *tag)
{
	if (anchor != NULL)
		refuse(reader, token_place(reader, anchor), "an anchor (&): weft has none",
			"write the value where it is needed");
	if (tag != NULL)
		refuse(reader, token_place(reader, tag), "a tag (!): weft has none", "remove it");
}

static const char *
copy_text(struct reader *reader, struct fy_token *token, struct place place)
{
	size_t length = 0;
	const char *text = fy_token_get_text(token, &length);
	char *copy;

	if (text == NULL)
		text = "", length = 0;
	copy = arena_take(&reader->yaml->memory, length + 1);
	if (copy == NULL) {
		out_of_memory(reader);
		return NULL;
	}
	memcpy(copy, text, length);
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)copy[i] < ' ' && copy[i] != '\n' && copy[i] != '\t') ||
			copy[i] == 0x7f) {
			refuse(reader, place, "a control character in a text", "remove it");
			copy[i] = '\0';
			break;
		}
	return copy;
}

static bool
is_null(struct fy_token *token, const char *text)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	if (fy_token_scalar_style(token) != FYSS_PLAIN)
		return false;
	for (unsigned i = 0; i < sizeof(nulls) / sizeof(*nulls); i++)
		if (strcmp(text, nulls[i]) == 0)
			return true;
	return false;
}

/* A member of the innermost map or sequence, or the root. */
static struct yaml_node *
new_node(struct reader *reader, enum yaml_kind kind, struct place place)
{
	struct yaml_node *parent = reader->depth > 0 ? reader->open[reader->depth - 1] : NULL;
	struct yaml_node *node;

	if (++reader->yaml->nodes > YAML_NODES_LIMIT) {
		refuse(reader, place, "too many values in one file", "split the configuration");
		reader->failed = true;
		return NULL;
	}
	node = arena_take(&reader->yaml->memory, sizeof(*node));
	if (node == NULL) {
		out_of_memory(reader);
		return NULL;
	}
	node->kind = kind;
	node->place = place;
	if (parent == NULL) {
		reader->yaml->root = node;
		return node;
	}
	if (parent->kind == YAML_MAP) {
		node->key = reader->key;
		node->key_place = reader->key_place;
		if (place.line == 0)
			node->place = reader->key_place;
		reader->key_given = false;
	}
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->count++;
	return node;
}

static bool
wants_key(const struct reader *reader)
{
	return reader->depth > 0 && reader->open[reader->depth - 1]->kind == YAML_MAP &&
	       !reader->key_given;
}

static bool
is_block(struct fy_token *token)
{
	enum fy_scalar_style style = fy_token_scalar_style(token);

	return style == FYSS_LITERAL || style == FYSS_FOLDED;
}

/*
 * Whether all lines of a block behind a key are further in than the key (YAML 1.2, 8.1.1.1).
 * libfyaml 0.7.12 takes others, too, and leaves bytes of their text unset.
 */
static bool
is_indented(const struct reader *reader, struct fy_token *block)
{
	const struct report *report = reader->report;
	size_t end = fy_token_end_mark(block)->input_pos;

	for (unsigned line = reader->key_place.line; line < report->n_lines; line++) {
		const char *begin = report->text + report->lines[line], *at = begin;
		const char *last = report->text + report->length;

		while (at < last && *at == ' ')
			at++;
		/* the block's end is behind the blanks of the line that follows */
		if ((size_t)(at - report->text) >= end)
			break;
		if (*at != '\n' && *at != '\r' && (size_t)(at - begin) < reader->key_place.column)
			return false;
	}
	return true;
}

static void
read_key(struct reader *reader, struct fy_token *token)
{
	if (is_block(token)) {
		refuse(reader, token_place(reader, token), "a key must be a name", NULL);
		reader->failed = true;
		return;
	}
	reader->key_place = token_place(reader, token);
	reader->key = copy_text(reader, token, reader->key_place);
	reader->key_given = true;
	if (reader->key != NULL && strcmp(reader->key, "<<") == 0)
		refuse(reader, reader->key_place, "a merge key (<<): weft has none",
			"write the values where they are needed");
}

static void
read_scalar(struct reader *reader, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	struct yaml_node *node;
	struct place place;
	const char *text;

	refuse_decoration(reader, event->scalar.anchor, event->scalar.tag);
	if (wants_key(reader)) {
		read_key(reader, token);
		return;
	}
	place = token_place(reader, token);
	if (is_block(token) && (!reader->key_given || !is_indented(reader, token))) {
		refuse(reader, place, "a block of text (| or >) that is not below a key",
			"indent its lines further than the key");
		reader->failed = true;
		return;
	}
	text = copy_text(reader, token, place);
	if (text == NULL)
		return;
	node = new_node(reader, is_null(token, text) ? YAML_NULL : YAML_SCALAR, place);
	if (node != NULL)
		node->text = text;
}

static void
read_begin(struct reader *reader, enum yaml_kind kind, struct fy_token *start,
	struct fy_token *anchor, struct fy_token *tag)
{
	struct place place = token_place(reader, start);
	struct yaml_node *node;

	refuse_decoration(reader, anchor, tag);
	if (wants_key(reader)) {
		refuse(reader, place, "a key must be a name", NULL);
		reader->failed = true;
		return;
	}
	if (reader->depth == YAML_DEPTH_LIMIT) {
		refuse(reader, place, "nested too deeply", NULL);
		reader->failed = true;
		return;
	}
	node = new_node(reader, kind, place);
	if (node == NULL)
		return;
	reader->open[reader->depth++] = node;
	reader->key_given = false;
}

static void
report_duplicate(
	struct reader *reader, const struct yaml_node *first, const struct yaml_node *again)
{
	report_error(reader->report, again->key_place, NULL, "remove one, or rename it",
		"'%s' is here twice; first in line %u", again->key, first->key_place.line);
}

/* A duplicate is kept out of the way, under a kind that nobody looks at. */
static void
check_duplicates(struct reader *reader, struct yaml_node *map)
{
	struct name_map seen = { 0 };
	struct yaml_node *first;

	if (map->count < 2)
		return;
	if (name_map_reserve(&seen, map->count) < 0) {
		out_of_memory(reader);
		return;
	}
	for (struct yaml_node *node = map->first; node != NULL; node = node->next) {
		first = name_map_get(&seen, node->key);
		if (first == NULL) {
			name_map_put(&seen, node->key, node);
			continue;
		}
		report_duplicate(reader, first, node);
		node->kind = YAML_REFUSED;
	}
	name_map_free(&seen);
}

static void
read_end(struct reader *reader)
{
	struct yaml_node *node = reader->open[--reader->depth];

	if (node->kind == YAML_MAP)
		check_duplicates(reader, node);
	reader->key_given = false;
}

static void
read_alias(struct reader *reader, struct fy_token *token)
{
	struct place place = token_place(reader, token);

	refuse(reader, place, "an alias (*): weft has none", "write the value where it is needed");
	if (wants_key(reader))
		reader->failed = true;
	else
		new_node(reader, YAML_REFUSED, place);
}

static void
read_event(struct reader *reader, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (++reader->documents > 1) {
			refuse(reader, token_place(reader, event->document_start.document_start),
				"a second document in the file", "remove the line '---'");
			reader->failed = true;
		}
		break;
	case FYET_SCALAR:
		read_scalar(reader, event);
		break;
	case FYET_MAPPING_START:
		read_begin(reader, YAML_MAP, event->mapping_start.mapping_start,
			event->mapping_start.anchor, event->mapping_start.tag);
		break;
	case FYET_SEQUENCE_START:
		read_begin(reader, YAML_SEQUENCE, event->sequence_start.sequence_start,
			event->sequence_start.anchor, event->sequence_start.tag);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		read_end(reader);
		break;
	case FYET_ALIAS:
		read_alias(reader, event->alias.anchor);
		break;
	default:
		break;
	}
}

static bool
read_events(struct reader *reader, struct fy_diag *diag)
{
	struct fy_event *event;

	while (!reader->failed && (event = fy_parser_parse(reader->parser)) != NULL) {
		read_event(reader, event);
		fy_parser_event_free(reader->parser, event);
	}
	if (!reader->failed && fy_parser_get_stream_error(reader->parser))
		report_syntax(reader, diag);
	return !reader->failed;
}

bool
yaml_read(struct yaml *yaml, struct report *report, bool json)
{
	struct reader reader = { .yaml = yaml, .report = report };
	struct fy_diag_cfg diag_config;
	struct fy_parse_cfg config = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
						FYPCF_DISABLE_MMAP_OPT |
						(json ? FYPCF_JSON_FORCE : FYPCF_JSON_NONE) };
	bool usable = false;

	*yaml = (struct yaml){ 0 };
	if (report->length > YAML_LENGTH_LIMIT) {
		report_error(report, (struct place){ 0, 0 }, NULL, "split the configuration",
			"longer than %u MB", YAML_LENGTH_LIMIT >> 20);
		return false;
	}
	if (!check_bytes(report))
		return false;
	fy_diag_cfg_default(&diag_config);
	/* quiet as FYPCF_QUIET is, it would print some of them */
	diag_config.fp = NULL;
	config.diag = fy_diag_create(&diag_config);
	if (config.diag != NULL)
		fy_diag_set_collect_errors(config.diag, true);
	reader.parser = config.diag != NULL ? fy_parser_create(&config) : NULL;
	if (reader.parser != NULL &&
		fy_parser_set_string(reader.parser, report->text, report->length) == 0)
		usable = read_events(&reader, config.diag);
	else
		out_of_memory(&reader);
	/* unref alone would leave the errors behind; they hold tokens of the parser */
	if (config.diag != NULL)
		fy_diag_set_collect_errors(config.diag, false);
	fy_parser_destroy(reader.parser);
	fy_diag_unref(config.diag);
	return usable;
}
